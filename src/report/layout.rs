//! Where the steps of a plan stand in a picture: layers from left to right, few crossings, straight lines where they can
//! be. Pure geometry; what a step looks like is said elsewhere.
//!
//! The way of Sugiyama in small: the longest way to a step is its layer, a need that skips layers gets a bend in each,
//! each layer is sorted by the middle of what it is joined to, and heights settle by the same middle.

use std::fmt::Write as _;

use crate::workflow::graph::Graph;
use crate::workflow::plan::PlanIx;

/// Steps above which a picture says less than a table.
pub const STEPS_MAX: usize = 200;
/// Width of a step, in pixels.
pub const WIDTH: f32 = 192.0;
/// Height of a step.
pub const HEIGHT: f32 = 54.0;
/// Between two layers, where the lines run.
pub const ACROSS: f32 = 44.0;
/// Between two steps of a layer.
const BETWEEN: f32 = 18.0;
/// Height of a bend.
const BEND: f32 = 8.0;
/// How much more a bend pulls than a step: a long line is straight before its ends are.
const BEND_PULL: f32 = 4.0;
/// Around everything.
pub const MARGIN: f32 = 6.0;
const SORTINGS: usize = 12;
const SETTLINGS: usize = 16;

/// A picture, in pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// How wide it is.
    pub width: f32,
    /// How high it is.
    pub height: f32,
    /// How many layers of steps stand side by side.
    pub layers: usize,
    /// The upper left corner of each step.
    pub steps: Vec<(f32, f32)>,
    /// The lines between steps.
    pub lines: Vec<Line>,
}

/// A line of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The step that it begins at.
    pub from: usize,
    /// The step that needs it.
    pub to: usize,
    /// The path in SVG.
    pub path: String,
}

/// A step, or the bend of a line that passes a layer.
#[derive(Debug, Clone)]
struct Item {
    step: Option<usize>,
    layer: usize,
    /// The items that it is joined to in the layer before and behind.
    before: Vec<usize>,
    behind: Vec<usize>,
    /// Its place in its layer, from the top.
    place: usize,
    /// The middle.
    y: f32,
}

impl Item {
    fn height(&self) -> f32 {
        if self.step.is_some() { HEIGHT } else { BEND }
    }

    fn pull(&self) -> f32 {
        if self.step.is_some() { 1.0 } else { BEND_PULL }
    }
}

/// Lays out steps by their needs. Needs are numbers of steps and hold no cycle.
#[must_use]
pub fn layout(needs: &[Vec<PlanIx>]) -> Layout {
    let pairs = (0..).zip(needs).flat_map(|(step, needs)| needs.iter().map(move |need| (step, *need)));
    let graph = Graph::known(needs.len(), pairs);
    let order = graph.order().unwrap_or_default();
    let mut net = Net::new(&graph, &order);
    net.sort();
    net.settle();
    net.draw(needs.len())
}

/// The needs of each step without those that follow from others: a line for them would say nothing new.
#[must_use]
pub fn reduced(graph: &Graph, order: &[PlanIx]) -> Vec<Vec<PlanIx>> {
    let words = graph.len().div_ceil(64);
    let bit = |step: PlanIx| (step as usize / 64, 1_u64 << (step % 64));
    // For each step all that come before it, as a set of bits.
    let mut before = vec![vec![0_u64; words]; graph.len()];
    let mut reduced = vec![Vec::new(); graph.len()];
    for &step in order {
        let mut through = vec![0_u64; words];
        for &need in graph.needs(step) {
            through.iter_mut().zip(&before[need as usize]).for_each(|(all, more)| *all |= more);
        }
        let news = |need: &PlanIx| through[bit(*need).0] & bit(*need).1 == 0;
        reduced[step as usize] = graph.needs(step).iter().copied().filter(news).collect();
        for &need in graph.needs(step) {
            through[bit(need).0] |= bit(need).1;
        }
        before[step as usize] = through;
    }
    reduced
}

/// Steps and bends in layers, and each line as the items that it touches.
struct Net {
    items: Vec<Item>,
    /// From the top.
    layers: Vec<Vec<usize>>,
    lines: Vec<Vec<usize>>,
}

impl Net {
    fn new(graph: &Graph, order: &[PlanIx]) -> Self {
        let waves = graph.waves(order);
        let mut layer_of = vec![0; graph.len()];
        for (layer, wave) in waves.iter().enumerate() {
            wave.iter().for_each(|step| layer_of[*step as usize] = layer);
        }
        let mut net = Self { items: Vec::new(), layers: vec![Vec::new(); waves.len()], lines: Vec::new() };
        for (step, layer) in layer_of.iter().enumerate() {
            net.add(Some(step), *layer);
        }
        for (to, needs) in reduced(graph, order).iter().enumerate() {
            for &from in needs {
                let from = from as usize;
                let mut line = vec![from];
                line.extend((layer_of[from] + 1..layer_of[to]).map(|layer| net.add(None, layer)));
                line.push(to);
                for pair in line.windows(2) {
                    net.items[pair[0]].behind.push(pair[1]);
                    net.items[pair[1]].before.push(pair[0]);
                }
                net.lines.push(line);
            }
        }
        net
    }

    fn add(&mut self, step: Option<usize>, layer: usize) -> usize {
        let place = self.layers[layer].len();
        self.items.push(Item { step, layer, before: Vec::new(), behind: Vec::new(), place, y: 0.0 });
        self.layers[layer].push(self.items.len() - 1);
        self.items.len() - 1
    }

    /// Sorts layers by the middle of what they are joined to, forth and back, and keeps the order with the fewest
    /// crossings.
    fn sort(&mut self) {
        let (mut best, mut fewest) = (self.layers.clone(), self.crossings());
        for round in 0..SORTINGS {
            if fewest == 0 {
                break;
            }
            let forth = round % 2 == 0;
            for at in 0..self.layers.len() {
                self.sort_layer(if forth { at } else { self.layers.len() - 1 - at }, forth);
            }
            let crossings = self.crossings();
            if crossings < fewest {
                (best, fewest) = (self.layers.clone(), crossings);
            }
        }
        for (layer, order) in best.into_iter().enumerate() {
            self.put(layer, order);
        }
    }

    fn sort_layer(&mut self, layer: usize, forth: bool) {
        let key = |item: &usize| {
            let item = &self.items[*item];
            let joined = if forth { &item.before } else { &item.behind };
            let sum: usize = joined.iter().map(|other| self.items[*other].place).sum();
            if joined.is_empty() { item.place as f32 } else { sum as f32 / joined.len() as f32 }
        };
        let mut order = self.layers[layer].clone();
        order.sort_by(|a, b| key(a).total_cmp(&key(b)));
        self.put(layer, order);
    }

    fn put(&mut self, layer: usize, order: Vec<usize>) {
        for (place, item) in order.iter().enumerate() {
            self.items[*item].place = place;
        }
        self.layers[layer] = order;
    }

    /// How many times lines cross each other between layers.
    fn crossings(&self) -> usize {
        let between = |pair: &[Vec<usize>]| {
            // Lines in the order of their beginnings cross where their ends are in another order. A tree of counts tells
            // how many of the ends so far lie below each.
            let mut below = vec![0; pair[1].len() + 1];
            let mut crossings = 0;
            for (sofar, end) in pair[0].iter().flat_map(|item| self.ends(*item)).enumerate() {
                let mut at = end + 1;
                let mut above = 0;
                while at > 0 {
                    above += below[at];
                    at &= at - 1;
                }
                crossings += sofar - above;
                at = end + 1;
                while at < below.len() {
                    below[at] += 1;
                    at += at & at.wrapping_neg();
                }
            }
            crossings
        };
        self.layers.windows(2).map(between).sum()
    }

    /// Where the lines from an item end in the next layer, from the top.
    fn ends(&self, item: usize) -> Vec<usize> {
        let mut ends: Vec<usize> = self.items[item].behind.iter().map(|other| self.items[*other].place).collect();
        ends.sort_unstable();
        ends
    }

    /// Gives every item a height near the middle of what it is joined to, in the order of its layer.
    fn settle(&mut self) {
        for layer in 0..self.layers.len() {
            self.spread(layer, &vec![0.0; self.layers[layer].len()]);
        }
        for round in 0..SETTLINGS {
            for at in 0..self.layers.len() {
                let layer = if round % 2 == 0 { at } else { self.layers.len() - 1 - at };
                let wanted: Vec<f32> = self.layers[layer].iter().map(|item| self.middle(*item)).collect();
                self.spread(layer, &wanted);
            }
        }
    }

    fn middle(&self, item: usize) -> f32 {
        let item = &self.items[item];
        let joined = || item.before.iter().chain(&item.behind).map(|other| &self.items[*other]);
        let pull: f32 = joined().map(Item::pull).sum();
        if pull == 0.0 { item.y } else { joined().map(|other| other.y * other.pull()).sum::<f32>() / pull }
    }

    /// Puts the items of a layer as near to where they want to be as their order and size let them: of all such places
    /// those with the least squares. Items that would overlap become a block, which stands in the middle of what its
    /// items want.
    fn spread(&mut self, layer: usize, wanted: &[f32]) {
        // How far each item is from the first when all stand close together.
        let mut offsets = Vec::with_capacity(wanted.len());
        let mut offset = 0.0;
        for (at, item) in self.layers[layer].iter().enumerate() {
            let half = self.items[*item].height() / 2.0;
            offset += if at == 0 { 0.0 } else { half + BETWEEN };
            offsets.push(offset);
            offset += half;
        }
        // Blocks as what their items want of the first, all weighed, their weight, and how many they are.
        let mut blocks: Vec<(f32, f32, usize)> = Vec::new();
        for ((item, wanted), offset) in self.layers[layer].iter().zip(wanted).zip(&offsets) {
            let pull = self.items[*item].pull();
            blocks.push(((wanted - offset) * pull, pull, 1));
            while let [.., (above, more, _), (sum, pull, _)] = blocks[..]
                && above / more > sum / pull
            {
                let (sum, pull, count) = blocks.pop().unwrap_or_default();
                if let Some(last) = blocks.last_mut() {
                    *last = (last.0 + sum, last.1 + pull, last.2 + count);
                }
            }
        }
        let tops = blocks.iter().flat_map(|(sum, pull, count)| std::iter::repeat_n(sum / pull, *count));
        for ((item, top), offset) in self.layers[layer].iter().zip(tops).zip(offsets) {
            self.items[*item].y = top + offset;
        }
    }

    fn draw(&self, steps: usize) -> Layout {
        let edges = |pick: fn(f32, f32) -> f32, side: f32, start: f32| {
            self.items.iter().fold(start, |all, item| pick(all, item.y + side * item.height() / 2.0))
        };
        let (top, bottom) = match self.items.len() {
            0 => (0.0, 0.0),
            _ => (edges(f32::min, -1.0, f32::MAX), edges(f32::max, 1.0, f32::MIN)),
        };
        let y = |item: usize| self.items[item].y - top + MARGIN;
        let path = |line: &Vec<usize>| {
            let ends = line.first().zip(line.last());
            let mut path = String::new();
            for pair in line.windows(2) {
                let (start, from) = (left(self.items[pair[0]].layer) + WIDTH, y(pair[0]));
                let (end, to) = (left(self.items[pair[1]].layer), y(pair[1]));
                let half = f32::midpoint(start, end);
                // A String takes everything that is written to it.
                let _ =
                    if path.is_empty() { write!(path, "M{start:.1} {from:.1}") } else { write!(path, " H{start:.1}") };
                let _ = write!(path, " C{half:.1} {from:.1} {half:.1} {to:.1} {end:.1} {to:.1}");
            }
            ends.map(|(from, to)| Line { from: *from, to: *to, path })
        };
        let corner = |step: usize| (left(self.items[step].layer), y(step) - HEIGHT / 2.0);
        Layout {
            width: left(self.layers.len()) - ACROSS + MARGIN,
            height: bottom - top + 2.0 * MARGIN,
            layers: self.layers.len(),
            // Steps were added first, in their order.
            steps: (0..steps).map(corner).collect(),
            lines: self.lines.iter().filter_map(path).collect(),
        }
    }
}

/// Where a layer begins.
#[must_use]
pub fn left(layer: usize) -> f32 {
    MARGIN + layer as f32 * (WIDTH + ACROSS)
}

#[cfg(test)]
mod tests;
