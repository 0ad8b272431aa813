use proptest::prelude::*;

use super::*;

/// Nodes with the needs of each.
fn graph(needs: &[Vec<PlanIx>]) -> Graph {
    let pairs: Vec<_> =
        (0..).zip(needs).flat_map(|(node, needs)| needs.iter().map(move |need| (node, *need))).collect();
    Graph::new(needs.len(), &pairs).unwrap()
}

fn shape(nodes: PlanIx, needs: impl Fn(PlanIx) -> Vec<PlanIx>) -> Graph {
    graph(&(0..nodes).map(needs).collect::<Vec<_>>())
}

#[test]
fn both_directions_are_known() {
    let graph = Graph::new(4, &[(3, 2), (1, 0), (3, 1), (2, 0)]).unwrap();
    assert_eq!((graph.needs(0), graph.needs(3)), (&[][..], &[2, 1][..]));
    assert_eq!((graph.dependants(0), graph.dependants(3)), (&[1, 2][..], &[][..]));
    assert_eq!(graph.order(), Some(vec![0, 1, 2, 3]));
}

#[test]
fn a_need_that_is_not_there_is_refused() {
    assert!(Graph::new(2, &[(0, 2)]).is_none());
    assert!(Graph::new(2, &[(2, 0)]).is_none());
    assert!(Graph::new(0, &[]).unwrap().is_empty());
}

#[test]
fn upstream_is_all_that_comes_before() {
    let graph = graph(&[vec![], vec![0], vec![], vec![1, 2], vec![3]]);
    assert_eq!(graph.upstream(3), [true, true, true, false, false]);
}

/// A hundred thousand nodes, in shapes that would be slow or deep for a careless walk.
#[test]
fn a_hundred_thousand_nodes_in_any_shape() {
    const NODES: PlanIx = 100_000;
    let shapes = [
        shape(NODES, |i| i.checked_sub(1).into_iter().collect()),
        shape(NODES, |i| (i.saturating_sub(8)..i).collect()),
        shape(NODES, |i| if i == 0 { vec![] } else { vec![0] }),
    ];
    for graph in shapes {
        assert_eq!(graph.circles(), Vec::<Vec<PlanIx>>::new());
        let order = graph.order().unwrap();
        let ahead = graph.ahead(&order, |_| 1_u64, u64::saturating_add);
        let path = graph.longest(&ahead);
        assert_eq!(path.len() as u64, ahead[path[0] as usize]);
        assert_eq!(graph.waves(&order).len(), path.len());
        assert_eq!(graph.upstream(NODES - 1).into_iter().filter(|seen| *seen).count() as u64, {
            let before = graph.before(&order, |_| 1_u64, u64::saturating_add);
            before[NODES as usize - 1]
        });
    }
    let circle = shape(NODES, |i| vec![(i + 1) % NODES]);
    assert_eq!((circle.order(), circle.circles()[0].len()), (None, NODES as usize));
}

proptest! {
    /// Any graph: either it has a circle that really is one, or an order in which needs come first, and then waves and
    /// longest ways are what a slow look at them says.
    #[test]
    fn a_graph_has_a_circle_or_an_order(
        needs in prop::collection::vec(prop::collection::btree_set(0_u32..12, 0..3), 12),
        takes in prop::collection::vec(0_u64..5, 12),
    ) {
        let needs: Vec<Vec<PlanIx>> = needs.into_iter().map(|set| set.into_iter().collect()).collect();
        let graph = graph(&needs);
        let circles = graph.circles();
        for circle in &circles {
            for (i, node) in circle.iter().enumerate() {
                prop_assert!(needs[*node as usize].contains(&circle[(i + 1) % circle.len()]), "{circle:?} in {needs:?}");
            }
        }
        let order = graph.order();
        prop_assert_eq!(order.is_some(), circles.is_empty());
        let Some(order) = order else { return Ok(()) };
        let waves = graph.waves(&order);
        let wave = |node: PlanIx| waves.iter().position(|wave| wave.contains(&node)).unwrap();
        let of = |node: PlanIx| takes[node as usize];
        let ahead = graph.ahead(&order, of, u64::saturating_add);
        let before = graph.before(&order, of, u64::saturating_add);
        for (node, needs) in (0..).zip(&needs) {
            let place = |wanted: PlanIx| order.iter().position(|node| *node == wanted);
            prop_assert!(needs.iter().all(|need| place(*need) < place(node)));
            prop_assert_eq!(wave(node), needs.iter().map(|need| wave(*need) + 1).max().unwrap_or(0));
            prop_assert_eq!(before[node as usize], needs.iter().map(|n| before[*n as usize] + of(*n)).max().unwrap_or(0));
            let behind = graph.dependants(node).iter().map(|next| ahead[*next as usize]).max().unwrap_or(0);
            prop_assert_eq!(ahead[node as usize], of(node) + behind);
        }
        let path = graph.longest(&ahead);
        prop_assert_eq!(path.iter().map(|node| of(*node)).sum::<u64>(), ahead.iter().max().copied().unwrap());
        prop_assert!(path.windows(2).all(|pair| needs[pair[1] as usize].contains(&pair[0])));
    }
}
