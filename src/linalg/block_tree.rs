//! Reductions over the rows of a tall matrix in one fixed tree of row blocks.
//!
//! The rows of all ranks are cut into blocks, numbered through; node (level, index) stands for the blocks
//! index 2^level .. (index + 1) 2^level. Partial results are combined along this tree only, whoever computes them:
//! where ranks begin at blocks (as [`Layout::even`](super::tall::Layout::even) cuts), the result is the same to the
//! bit on any number of threads and ranks. Pairwise sums also lose less to round-off than running ones.

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

    fn pack(&self, out: &mut Vec<f64>) {
        let value = self.value.as_ref();
        out.extend([f64::from(self.level), self.index as f64, value.nrows() as f64, value.ncols() as f64]);
        value.col_iter().for_each(|column| out.extend(column.iter()));
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

/// `leaf` of every block, put together by `combine` (left, right); `None` without rows. Collective.
///
/// `leaf` gets rows of this rank, by their local numbers. Blocks run in parallel; at most log2(number of blocks)
/// partial results are held per thread, and as many are sent per rank.
pub(crate) fn reduce_blocks(
    layout: &Layout,
    leaf: impl Fn(Range<usize>) -> Mat<f64> + Sync,
    combine: impl Fn(Mat<f64>, &Mat<f64>) -> Mat<f64> + Sync,
) -> Option<Mat<f64>> {
    let (owned, size) = (layout.local_range(), layout.block_rows());
    let shift = layout.owned().start;
    let blocks = owned.start / size..owned.end.div_ceil(size);
    let of_block = |b: usize| {
        let (from, to) = ((b * size).max(owned.start), ((b + 1) * size).min(owned.end));
        leaf(from - owned.start + shift..to - owned.start + shift)
    };
    let whole = if owned.is_empty() { Vec::new() } else { largest_nodes(blocks) };
    let own: Vec<Node> = whole
        .into_par_iter()
        .map(|(level, index)| Node { level, index, value: node(level, index, &of_block, &combine) })
        .collect();
    let all = if layout.comm().size() == 1 {
        own
    } else {
        let mut packed = Vec::new();
        own.iter().for_each(|node| node.pack(&mut packed));
        layout.comm().all_gather(&packed).iter().flat_map(|part| Node::unpack(part)).collect()
    };
    let mut open: Vec<Node> = Vec::new();
    for node in all {
        open.push(node);
        close(&mut open, &combine);
    }
    open.into_iter().map(|n| n.value).rev().reduce(|right, left| combine(left, &right))
}

/// Sum over all blocks of all ranks; zero without rows. Collective.
pub(crate) fn sum_blocks(
    layout: &Layout,
    shape: (usize, usize),
    leaf: impl Fn(Range<usize>) -> Mat<f64> + Sync,
) -> Mat<f64> {
    let add = |mut a: Mat<f64>, b: &Mat<f64>| {
        a += b;
        a
    };
    reduce_blocks(layout, leaf, add).unwrap_or_else(|| Mat::zeros(shape.0, shape.1))
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
