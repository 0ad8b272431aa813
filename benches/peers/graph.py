"""What rustworkx takes for a graph: `graph.py NODES ROUNDS < NEEDS`, a line `node need` each; a line of JSON for each round.

Timed as ours is: the graph is built from lists that are there, then looked at for circles, waves and the longest path. The
collector of Python is off, and each node is its own weight, by the same rule as in benches/plan.rs.
"""

import gc
import json
import sys
import time

import rustworkx

nodes, rounds = int(sys.argv[1]), int(sys.argv[2])
edges = [(int(need), int(node), None) for node, need in (line.split() for line in sys.stdin)]
names = list(range(nodes))


def takes(node):
    return node * 7919 % 600 + 1


def once():
    at = [time.perf_counter()]
    graph = rustworkx.PyDiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from(edges)
    at.append(time.perf_counter())
    acyclic = rustworkx.is_directed_acyclic_graph(graph)
    at.append(time.perf_counter())
    waves = rustworkx.topological_generations(graph)
    at.append(time.perf_counter())
    longest = rustworkx.dag_longest_path_length(graph)
    at.append(time.perf_counter())
    rustworkx.dag_weighted_longest_path_length(graph, lambda need, node, _: float(takes(node)))
    at.append(time.perf_counter())
    assert acyclic
    spent = [(b - a) * 1e6 for a, b in zip(at, at[1:])]
    return {"us": spent, "waves": len(waves), "hops": longest}


gc.disable()
for _ in range(rounds):
    print(json.dumps(once()), flush=True)
