//! Reductions over the rows of a tall matrix in one fixed tree of row blocks.
//!
//! The rows of all ranks are cut into blocks, numbered through; node (level, index) stands for the blocks
//! index 2^level .. (index + 1) 2^level. Partial results are combined along this tree only, whoever computes them:
//! where ranks begin at blocks (as [`Layout::even`](super::tall::Layout::even) cuts), the result is the same to the
//! bit on any number of threads and ranks. Pairwise sums also lose less to round-off than running ones.

use super::bookmark::Hear;
use super::tall::Layout;
use faer::Mat;
use rayon::prelude::*;
use std::ops::Range;

struct Node {
    level: u32,
    index: usize,
    value: Mat<f64>,
}

impl Node {
    fn first_block(&self) -> usize {
        self.index << self.level
    }

    fn pack(&self, hear: &mut Hear<'_>) {
        let value = &self.value;
        hear(&[f64::from(self.level), self.index as f64, value.nrows() as f64, value.ncols() as f64]);
        (0..value.ncols()).for_each(|j| hear(value.col_as_slice(j)));
    }

    /// The nodes that were packed one after the other.
    fn unpack(mut packed: &[f64]) -> Vec<Node> {
        let mut nodes = Vec::new();
        while let [level, index, n_rows, n_columns, rest @ ..] = packed {
            let (m, n) = (*n_rows as usize, *n_columns as usize);
            let value = Mat::from_fn(m, n, |i, j| rest[j * m + i]);
            nodes.push(Node { level: *level as u32, index: *index as usize, value });
            packed = &rest[m * n..];
        }
        nodes
    }
}

/// The tree while slabs of rows come in one after the other.
pub(crate) struct Reduction<'a, C> {
    layout: &'a Layout,
    combine: C,
    open: Vec<Node>,
}

impl<'a, C: Fn(Mat<f64>, &Mat<f64>) -> Mat<f64> + Sync> Reduction<'a, C> {
    /// Begins; `combine` gets (left, right).
    pub(crate) fn new(layout: &'a Layout, combine: C) -> Self {
        Reduction { layout, combine, open: Vec::new() }
    }

    /// Adds the blocks of owned rows `rows` (counted from the first owned one), which follow those of the last slab.
    ///
    /// `leaf` gets rows of the slab, from 0. Blocks run in parallel; at most log2(number of blocks) partial results
    /// are held per thread.
    pub(crate) fn slab(&mut self, rows: Range<usize>, leaf: impl Fn(Range<usize>) -> Mat<f64> + Sync) {
        let size = self.layout.block_rows();
        let first = self.layout.local_range().start + rows.start;
        let (from, to) = (first, first + rows.len());
        let of_block = |b: usize| leaf((b * size).max(from) - first..((b + 1) * size).min(to) - first);
        let whole = if rows.is_empty() { Vec::new() } else { largest_nodes(from / size..to.div_ceil(size)) };
        let combine = &self.combine;
        let nodes: Vec<Node> = whole
            .into_par_iter()
            .map(|(level, index)| Node { level, index, value: node(level, index, &of_block, combine) })
            .collect();
        for node in nodes {
            self.open.push(node);
            close(&mut self.open, combine);
        }
    }

    /// Tells what was added so far, as numbers: at most log2(number of blocks) partial results.
    pub(crate) fn pack_open(&self, hear: &mut Hear<'_>) {
        self.open.iter().for_each(|node| node.pack(hear));
    }

    /// Goes on from what was packed.
    pub(crate) fn unpack_open(&mut self, packed: &[f64]) {
        self.open = Node::unpack(packed);
    }

    /// The result over all ranks, on every rank; `None` without rows. Collective: log2(number of ranks) messages, each
    /// of at most 2 log2(number of blocks) partial results.
    pub(crate) fn finish(self) -> Option<Mat<f64>> {
        let Reduction { layout, combine, open } = self;
        let fold =
            |open: Vec<Node>| open.into_iter().map(|n| n.value).rev().reduce(|right, left| combine(left, &right));
        if layout.comm().size() == 1 {
            return fold(open);
        }
        let packed = layout.comm().reduce(pack(&open), &mut |lower, upper| {
            let mut open = Node::unpack(&lower);
            for node in Node::unpack(&upper) {
                open.push(node);
                close(&mut open, &combine);
            }
            pack(&open)
        });
        let result = fold(Node::unpack(&packed)).map(|value| Node { level: 0, index: 0, value });
        let all = layout.comm().spread(pack(result.as_slice()));
        Node::unpack(&all).pop().map(|n| n.value)
    }
}

fn pack(nodes: &[Node]) -> Vec<f64> {
    let mut packed = Vec::new();
    nodes.iter().for_each(|node| node.pack(&mut |piece| packed.extend_from_slice(piece)));
    packed
}

/// `leaf` of every block, put together by `combine` (left, right); `None` without rows. Collective.
///
/// `leaf` gets rows of this rank, by their local numbers.
pub(crate) fn reduce_blocks(
    layout: &Layout,
    leaf: impl Fn(Range<usize>) -> Mat<f64> + Sync,
    combine: impl Fn(Mat<f64>, &Mat<f64>) -> Mat<f64> + Sync,
) -> Option<Mat<f64>> {
    let mut reduction = Reduction::new(layout, combine);
    let shift = layout.owned().start;
    reduction.slab(0..layout.owned().len(), |rows| leaf(rows.start + shift..rows.end + shift));
    reduction.finish()
}

/// a + b.
pub(crate) fn add(mut a: Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    a += b;
    a
}

/// Sum over all blocks of all ranks; zero without rows. Collective.
pub(crate) fn sum_blocks(
    layout: &Layout,
    shape: (usize, usize),
    leaf: impl Fn(Range<usize>) -> Mat<f64> + Sync,
) -> Mat<f64> {
    reduce_blocks(layout, leaf, add).unwrap_or_else(|| Mat::zeros(shape.0, shape.1))
}

/// Partial results that rows, which begin at a block, are when all within is combined: what one message carries.
pub(crate) fn partial_results(layout: &Layout) -> usize {
    let (own, size) = (layout.local_range(), layout.block_rows());
    if own.is_empty() { 0 } else { largest_nodes(own.start / size..own.end.div_ceil(size)).len() }
}

/// The fewest nodes that make up a range of blocks, in order.
fn largest_nodes(blocks: Range<usize>) -> Vec<(u32, usize)> {
    let (mut nodes, mut b) = (Vec::new(), blocks.start);
    while b < blocks.end {
        let aligned = if b == 0 { usize::BITS - 1 } else { b.trailing_zeros() };
        let level = aligned.min((blocks.end - b).ilog2());
        nodes.push((level, b >> level));
        b += 1 << level;
    }
    nodes
}

fn node(
    level: u32,
    index: usize,
    leaf: &(impl Fn(usize) -> Mat<f64> + Sync),
    combine: &(impl Fn(Mat<f64>, &Mat<f64>) -> Mat<f64> + Sync),
) -> Mat<f64> {
    if level == 0 {
        return leaf(index);
    }
    let half = |i: usize| node(level - 1, 2 * index + i, leaf, combine);
    let (left, right) = rayon::join(|| half(0), || half(1));
    combine(left, &right)
}

/// Combines the last nodes as long as they are siblings, or parts of one block that two ranks share.
fn close(open: &mut Vec<Node>, combine: &impl Fn(Mat<f64>, &Mat<f64>) -> Mat<f64>) {
    while let [.., left, right] = open.as_slice() {
        let same = left.level == right.level && left.first_block() == right.first_block();
        let siblings = left.level == right.level && left.index % 2 == 0 && right.index == left.index + 1;
        if !same && !siblings {
            return;
        }
        if let (Some(right), Some(left)) = (open.pop(), open.pop()) {
            let up = u32::from(siblings);
            let value = combine(left.value, &right.value);
            open.push(Node { level: left.level + up, index: left.index >> up, value });
        }
    }
}
