//! Where the steps of a plan stand in a picture: layers from left to right, few crossings, straight lines where they can
//! be. Pure geometry; what a step looks like is said elsewhere.
//!
//! The way of Sugiyama in small: the longest way to a step is its layer, a need that skips layers gets a bend in each,
//! each layer is sorted by the middle of what it is joined to, and heights settle by the same middle.

use std::fmt::Write as _;

/// Steps above which a picture says less than a table. Sets of steps are bits of a `u128`.
pub(super) const STEPS_MAX: usize = 100;
/// Width of a step, in pixels.
pub(super) const WIDTH: f32 = 192.0;
/// Height of a step.
pub(super) const HEIGHT: f32 = 54.0;
/// Between two layers, where the lines run.
const ACROSS: f32 = 44.0;
/// Between two steps of a layer.
const BETWEEN: f32 = 18.0;
/// Height of a bend.
const BEND: f32 = 8.0;
/// Around everything.
const MARGIN: f32 = 6.0;
const SORTINGS: usize = 6;
const SETTLINGS: usize = 8;

/// A picture, in pixels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub(super) width: f32,
    pub(super) height: f32,
    /// The upper left corner of each step.
    pub(super) steps: Vec<(f32, f32)>,
    /// The lines: from which step to which, and the path in SVG.
    pub(super) lines: Vec<(usize, usize, String)>,
}

/// A step, or the bend of a line that passes a layer.
#[derive(Debug, Clone)]
struct Item {
    step: Option<usize>,
    /// What it is joined to in the layer before and behind, by place.
    before: Vec<usize>,
    behind: Vec<usize>,
    /// The middle.
    y: f32,
}

impl Item {
    fn new(step: Option<usize>) -> Self {
        Self { step, before: Vec::new(), behind: Vec::new(), y: 0.0 }
    }

    fn height(&self) -> f32 {
        if self.step.is_some() { HEIGHT } else { BEND }
    }
}

/// Lays out steps by their needs. Needs are numbers of steps and hold no cycle; there are at most [`STEPS_MAX`] steps.
pub(super) fn layout(needs: &[Vec<usize>]) -> Layout {
    let order = in_order(needs);
    let needs = reduced(needs, &order);
    let mut layer_of = vec![0; needs.len()];
    for &step in &order {
        layer_of[step] = needs[step].iter().map(|need| layer_of[*need] + 1).max().unwrap_or(0);
    }
    let mut net = Net::new(&needs, &layer_of);
    net.sort();
    net.settle();
    net.draw(needs.len())
}

/// The steps so that each stands behind its needs, else in their own order.
fn in_order(needs: &[Vec<usize>]) -> Vec<usize> {
    let (mut order, mut done) = (Vec::with_capacity(needs.len()), vec![false; needs.len()]);
    while let Some(next) = (0..needs.len()).find(|step| !done[*step] && needs[*step].iter().all(|need| done[*need])) {
        done[next] = true;
        order.push(next);
    }
    order
}

/// The needs without those that follow from others: their lines would say nothing new.
fn reduced(needs: &[Vec<usize>], order: &[usize]) -> Vec<Vec<usize>> {
    let mut behind = vec![0_u128; needs.len()];
    let mut reduced = vec![Vec::new(); needs.len()];
    for &step in order {
        let through = needs[step].iter().fold(0, |all, need| all | behind[*need]);
        reduced[step] = needs[step].iter().copied().filter(|need| through & (1 << need) == 0).collect();
        behind[step] = needs[step].iter().fold(through, |all, need| all | 1 << need);
    }
    reduced
}

/// Layers of items, and each line as its places in the layers that it touches.
struct Net {
    layers: Vec<Vec<Item>>,
    lines: Vec<Line>,
}

struct Line {
    from: usize,
    to: usize,
    /// The first layer, and the item in it and in each one behind it.
    layer: usize,
    items: Vec<usize>,
}

impl Net {
    fn new(needs: &[Vec<usize>], layer_of: &[usize]) -> Self {
        let count = layer_of.iter().max().map_or(0, |last| last + 1);
        let mut layers: Vec<Vec<Item>> = vec![Vec::new(); count];
        let mut place = vec![0; needs.len()];
        for (step, layer) in layer_of.iter().enumerate() {
            place[step] = layers[*layer].len();
            layers[*layer].push(Item::new(Some(step)));
        }
        let mut lines = Vec::new();
        for (to, needs) in needs.iter().enumerate() {
            for &from in needs {
                let mut items = vec![place[from]];
                for layer in &mut layers[layer_of[from] + 1..layer_of[to]] {
                    items.push(layer.len());
                    layer.push(Item::new(None));
                }
                items.push(place[to]);
                lines.push(Line { from, to, layer: layer_of[from], items });
            }
        }
        let mut net = Self { layers, lines };
        net.join();
        net
    }

    /// Tells the items of the lines through them.
    fn join(&mut self) {
        for item in self.layers.iter_mut().flatten() {
            item.before.clear();
            item.behind.clear();
        }
        for line in &self.lines {
            for (layer, pair) in (line.layer..).zip(line.items.windows(2)) {
                self.layers[layer][pair[0]].behind.push(pair[1]);
                self.layers[layer + 1][pair[1]].before.push(pair[0]);
            }
        }
    }

    /// Sorts layers by the middle of what they are joined to, forth and back.
    fn sort(&mut self) {
        for round in 0..SORTINGS {
            let forth = round % 2 == 0;
            for at in 0..self.layers.len() {
                let layer = if forth { at } else { self.layers.len() - 1 - at };
                self.sort_layer(layer, forth);
            }
        }
    }

    fn sort_layer(&mut self, layer: usize, forth: bool) {
        let mut order: Vec<usize> = (0..self.layers[layer].len()).collect();
        let key = |at: usize| {
            let item = &self.layers[layer][at];
            let joined = if forth { &item.before } else { &item.behind };
            if joined.is_empty() { at as f32 } else { joined.iter().sum::<usize>() as f32 / joined.len() as f32 }
        };
        order.sort_by(|a, b| key(*a).total_cmp(&key(*b)));
        let mut place = vec![0; order.len()];
        for (now, before) in order.iter().enumerate() {
            place[*before] = now;
        }
        self.layers[layer] = order.iter().map(|at| self.layers[layer][*at].clone()).collect();
        for line in &mut self.lines {
            if let Some(at) = layer.checked_sub(line.layer).filter(|at| *at < line.items.len()) {
                line.items[at] = place[line.items[at]];
            }
        }
        self.join();
    }

    /// Gives every item a height near the middle of what it is joined to, in the order of its layer.
    fn settle(&mut self) {
        for layer in &mut self.layers {
            let middle = vec![0.0; layer.len()];
            spread(layer, &middle);
        }
        for round in 0..SETTLINGS {
            for at in 0..self.layers.len() {
                let layer = if round % 2 == 0 { at } else { self.layers.len() - 1 - at };
                let wanted: Vec<f32> = self.layers[layer].iter().map(|item| self.middle(layer, item)).collect();
                spread(&mut self.layers[layer], &wanted);
            }
        }
    }

    fn middle(&self, layer: usize, item: &Item) -> f32 {
        let before = item.before.iter().map(|at| self.layers[layer - 1][*at].y);
        let behind = item.behind.iter().map(|at| self.layers[layer + 1][*at].y);
        let all: Vec<f32> = before.chain(behind).collect();
        if all.is_empty() { item.y } else { all.iter().sum::<f32>() / all.len() as f32 }
    }

    fn draw(&self, steps: usize) -> Layout {
        let edges = |pick: fn(f32, f32) -> f32, side: f32, start: f32| {
            self.layers.iter().flatten().fold(start, |all, item| pick(all, item.y + side * item.height() / 2.0))
        };
        let (top, bottom) = (edges(f32::min, -1.0, f32::MAX), edges(f32::max, 1.0, f32::MIN));
        let x = |layer: usize| MARGIN + layer as f32 * (WIDTH + ACROSS);
        let y = |layer: usize, at: usize| self.layers[layer][at].y - top + MARGIN;
        let mut places = vec![(0.0, 0.0); steps];
        for (layer, items) in self.layers.iter().enumerate() {
            for (at, item) in items.iter().enumerate() {
                if let Some(step) = item.step {
                    places[step] = (x(layer), y(layer, at) - HEIGHT / 2.0);
                }
            }
        }
        let path = |line: &Line| {
            let mut path = format!("M{:.1} {:.1}", x(line.layer) + WIDTH, y(line.layer, line.items[0]));
            for (layer, pair) in (line.layer..).zip(line.items.windows(2)) {
                let (from, to) = (y(layer, pair[0]), y(layer + 1, pair[1]));
                let (start, end) = (x(layer) + WIDTH, x(layer + 1));
                let half = f32::midpoint(start, end);
                // A String takes everything that is written to it.
                let _ = write!(path, " C{half:.1} {from:.1} {half:.1} {to:.1} {end:.1} {to:.1}");
                if self.layers[layer + 1][pair[1]].step.is_none() {
                    let _ = write!(path, " H{:.1}", end + WIDTH);
                }
            }
            (line.from, line.to, path)
        };
        Layout {
            width: x(self.layers.len()) - ACROSS + MARGIN,
            height: bottom - top + 2.0 * MARGIN,
            steps: places,
            lines: self.lines.iter().map(path).collect(),
        }
    }
}

/// Puts the items of a layer as near to where they want to be as their order and size let them.
fn spread(layer: &mut [Item], wanted: &[f32]) {
    let mut floor = f32::MIN;
    for (item, wanted) in layer.iter_mut().zip(wanted) {
        let half = item.height() / 2.0;
        item.y = wanted.max(floor + half);
        floor = item.y + half + BETWEEN;
    }
    // They were pushed down only; half of that back up, all alike, is the fair place.
    let pushed = layer.iter().zip(wanted).map(|(item, wanted)| item.y - wanted).sum::<f32>();
    let back = if layer.is_empty() { 0.0 } else { pushed / layer.len() as f32 };
    layer.iter_mut().for_each(|item| item.y -= back);
}

#[cfg(test)]
mod tests;
