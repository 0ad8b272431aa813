//! A graph by numbers: who needs whom, in what order, in which waves, and what the longest way through it is.
//!
//! It knows nothing of files or steps, so whoever has nodes and needs from elsewhere can ask it too. Both directions lie
//! in one array each, and every walk keeps lists of its own in place of recursion: all of it is linear in nodes and
//! needs, and a chain of 100,000 neither is slow nor exhausts the stack.
//!
//! ```
//! use pointsman::workflow::graph::Graph;
//!
//! // 1 and 2 need 0, 3 needs both.
//! let graph = Graph::new(4, &[(1, 0), (2, 0), (3, 1), (3, 2)]).unwrap();
//! let order = graph.order().unwrap();
//! assert_eq!(graph.waves(&order), [vec![0], vec![1, 2], vec![3]]);
//! let seconds = [5, 10, 20, 1];
//! let ahead = graph.ahead(&order, |node| seconds[node as usize], u64::saturating_add);
//! assert_eq!((ahead[0], graph.longest(&ahead)), (26, vec![0, 2, 3]));
//! ```

use super::plan::PlanIx;

/// Nodes from 0, and what each needs.
#[derive(Debug, Clone)]
pub struct Graph {
    needs: Lists,
    dependants: Lists,
}

/// A list for each node, all in one array.
#[derive(Debug, Clone)]
struct Lists {
    /// Where the list of each node ends; it begins where the one before ends.
    ends: Vec<u32>,
    items: Vec<PlanIx>,
}

impl Lists {
    /// Of each pair the second, in the list of the first, in the order in which they come.
    fn new(nodes: usize, pairs: impl Iterator<Item = (PlanIx, PlanIx)> + Clone) -> Self {
        let mut ends = vec![0_u32; nodes];
        for (node, _) in pairs.clone() {
            ends[node as usize] += 1;
        }
        // From how many to where the list begins; filling it moves the beginning to the end.
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        let mut items = vec![0; sum as usize];
        for (node, item) in pairs {
            let at = &mut ends[node as usize];
            items[*at as usize] = item;
            *at += 1;
        }
        Self { ends, items }
    }

    fn of(&self, node: PlanIx) -> &[PlanIx] {
        let node = node as usize;
        let start = node.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.items[start as usize..self.ends[node] as usize]
    }
}

impl Graph {
    /// So many nodes, and pairs of a node and one that it needs. `None` when a pair names a node that is not there, or
    /// when there are more than fit into a number.
    #[must_use]
    pub fn new(nodes: usize, needs: &[(PlanIx, PlanIx)]) -> Option<Self> {
        let known = |node: PlanIx| (node as usize) < nodes;
        let fits = u32::try_from(nodes).is_ok() && u32::try_from(needs.len()).is_ok();
        if !fits || !needs.iter().all(|(node, need)| known(*node) && known(*need)) {
            return None;
        }
        Some(Self::known(nodes, needs.iter().copied()))
    }

    /// The same from pairs of which it is known that each names nodes that are there.
    pub(crate) fn known(nodes: usize, needs: impl Iterator<Item = (PlanIx, PlanIx)> + Clone) -> Self {
        let dependants = Lists::new(nodes, needs.clone().map(|(node, need)| (need, node)));
        Self { needs: Lists::new(nodes, needs), dependants }
    }

    /// How many nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.needs.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.needs.ends.is_empty()
    }

    fn nodes(&self) -> impl Iterator<Item = PlanIx> + use<> {
        (0..).take(self.len())
    }

    /// What a node needs.
    #[must_use]
    pub fn needs(&self, node: PlanIx) -> &[PlanIx] {
        self.needs.of(node)
    }

    /// What needs a node.
    #[must_use]
    pub fn dependants(&self, node: PlanIx) -> &[PlanIx] {
        self.dependants.of(node)
    }

    /// The nodes so that each stands behind what it needs; among equals in the order of what frees them. `None` when
    /// they need each other in a circle.
    #[must_use]
    pub fn order(&self) -> Option<Vec<PlanIx>> {
        let mut open: Vec<usize> = self.nodes().map(|node| self.needs(node).len()).collect();
        let mut order = Vec::with_capacity(self.len());
        order.extend(self.nodes().filter(|node| open[*node as usize] == 0));
        let mut at = 0;
        while let Some(&node) = order.get(at) {
            at += 1;
            for &next in self.dependants(node) {
                open[next as usize] -= 1;
                if open[next as usize] == 0 {
                    order.push(next);
                }
            }
        }
        (order.len() == self.len()).then_some(order)
    }

    /// Circles, each as the nodes along it, every one of which needs the next; at most one for each node that a walk
    /// begins with.
    #[must_use]
    pub fn circles(&self) -> Vec<Vec<PlanIx>> {
        let mut marks = vec![Mark::New; self.len()];
        let mut found = Vec::new();
        for start in self.nodes() {
            if marks[start as usize] != Mark::New {
                continue;
            }
            // The way from the start to where we stand: the node, and how many of its needs have been looked at.
            let mut way: Vec<(PlanIx, usize)> = vec![(start, 0)];
            marks[start as usize] = Mark::Open(0);
            while let Some((node, seen)) = way.last_mut() {
                let Some(&next) = self.needs(*node).get(*seen) else {
                    marks[*node as usize] = Mark::Done;
                    way.pop();
                    continue;
                };
                *seen += 1;
                match marks[next as usize] {
                    Mark::New => {
                        marks[next as usize] = Mark::Open(way.len());
                        way.push((next, 0));
                    }
                    Mark::Open(depth) => {
                        found.push(way[depth..].iter().map(|(node, _)| *node).collect());
                        way.drain(..).for_each(|(node, _)| marks[node as usize] = Mark::Done);
                    }
                    Mark::Done => {}
                }
            }
        }
        found
    }

    /// The nodes in waves: each stands in the first wave behind all that it needs. `order` is [`Graph::order`].
    #[must_use]
    pub fn waves(&self, order: &[PlanIx]) -> Vec<Vec<PlanIx>> {
        let mut wave_of = vec![0_usize; self.len()];
        let mut sizes: Vec<usize> = Vec::new();
        for &node in order {
            let wave = self.needs(node).iter().map(|need| wave_of[*need as usize] + 1).max().unwrap_or(0);
            wave_of[node as usize] = wave;
            if wave == sizes.len() {
                sizes.push(0);
            }
            sizes[wave] += 1;
        }
        let mut waves: Vec<Vec<PlanIx>> = sizes.into_iter().map(Vec::with_capacity).collect();
        for node in self.nodes() {
            waves[wave_of[node as usize]].push(node);
        }
        waves
    }

    /// For each node the longest way from its beginning to an end of the graph, by what each node takes.
    #[must_use]
    pub fn ahead<T: Ord + Copy + Default>(
        &self,
        order: &[PlanIx],
        takes: impl Fn(PlanIx) -> T,
        add: impl Fn(T, T) -> T,
    ) -> Vec<T> {
        let mut ahead = vec![T::default(); self.len()];
        for &node in order.iter().rev() {
            let behind = self.dependants(node).iter().map(|next| ahead[*next as usize]).max().unwrap_or_default();
            ahead[node as usize] = add(takes(node), behind);
        }
        ahead
    }

    /// For each node the longest way to its beginning: when it starts at the earliest.
    #[must_use]
    pub fn before<T: Ord + Copy + Default>(
        &self,
        order: &[PlanIx],
        takes: impl Fn(PlanIx) -> T,
        add: impl Fn(T, T) -> T,
    ) -> Vec<T> {
        let mut before = vec![T::default(); self.len()];
        for &node in order {
            let ends = |need: &PlanIx| add(before[*need as usize], takes(*need));
            before[node as usize] = self.needs(node).iter().map(ends).max().unwrap_or_default();
        }
        before
    }

    /// The longest way through the graph; of equally long ones the first declared. `ahead` is [`Graph::ahead`].
    #[must_use]
    pub fn longest<T: Ord + Copy>(&self, ahead: &[T]) -> Vec<PlanIx> {
        let rank = |node: &PlanIx| (ahead[*node as usize], std::cmp::Reverse(*node));
        let mut path = Vec::new();
        let mut next = self.nodes().filter(|node| self.needs(*node).is_empty()).max_by_key(rank);
        while let Some(node) = next {
            path.push(node);
            next = self.dependants(node).iter().copied().max_by_key(rank);
        }
        path
    }

    /// All that must come before `node`, as marks by number.
    pub(crate) fn upstream(&self, node: PlanIx) -> Vec<bool> {
        let mut seen = vec![false; self.len()];
        let mut left = vec![node];
        while let Some(node) = left.pop() {
            for &need in self.needs(node) {
                if !std::mem::replace(&mut seen[need as usize], true) {
                    left.push(need);
                }
            }
        }
        seen
    }
}

/// Where a walk stands with a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    /// On the way that the walk is on.
    Open(usize),
    Done,
}

#[cfg(test)]
mod tests;
