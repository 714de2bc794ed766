//! Tall matrices: rows shared out over ranks, columns few.
//!
//! All sums over rows are taken over row blocks in one fixed tree ([`block_tree`](super::block_tree)): the number of
//! threads never changes a bit, and neither does the number of ranks where they begin at blocks.

use super::block_tree::sum_blocks;
use super::dense;
use crate::comm::{Communicator, SingleComm};
use crate::error::{Error, Result};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Rows in a block: the unit of threads, of partial sums and of distribution.
pub const BLOCK_ROWS: usize = 8192;

/// Who owns which rows: rank r owns rows `offsets[r]..offsets[r + 1]`, and may hold copies of rows of other ranks
/// (ghosts) beside them, in ascending order: ghosts below, own rows, ghosts above.
#[derive(Debug, Clone)]
pub struct Layout {
    comm: Arc<dyn Communicator>,
    offsets: Vec<usize>,
    block_rows: usize,
    below: Vec<usize>,
    above: Vec<usize>,
}

impl Layout {
    fn new(comm: Arc<dyn Communicator>, offsets: Vec<usize>, block_rows: usize) -> Layout {
        Layout { comm, offsets, block_rows, below: Vec::new(), above: Vec::new() }
    }

    /// All rows on one rank.
    pub fn serial(n_rows: usize) -> Arc<Layout> {
        Arc::new(Layout::new(Arc::new(SingleComm), vec![0, n_rows], BLOCK_ROWS))
    }

    /// Contiguous whole entities in blocks of about [`BLOCK_ROWS`] rows, shared out evenly; ranks may be empty.
    pub fn even(n_entities: usize, dofs_per_entity: usize, comm: Arc<dyn Communicator>) -> Arc<Layout> {
        let dofs = dofs_per_entity.max(1);
        let per_block = (BLOCK_ROWS / dofs).max(1);
        let n_blocks = n_entities.div_ceil(per_block);
        let size = comm.size();
        let offsets = (0..=size).map(|r| (n_blocks * r / size * per_block).min(n_entities) * dofs_per_entity).collect();
        Arc::new(Layout::new(comm, offsets, per_block * dofs))
    }

    /// Rows as told: `offsets` has one entry more than there are ranks, starts at 0 and never falls.
    pub fn from_offsets(offsets: Vec<usize>, comm: Arc<dyn Communicator>) -> Result<Arc<Layout>> {
        if offsets.len() != comm.size() + 1 || offsets[0] != 0 || offsets.windows(2).any(|w| w[0] > w[1]) {
            let expected = format!("{} ascending numbers from 0", comm.size() + 1);
            return Err(Error::argument("offsets of a layout", format!("{offsets:?}"), expected));
        }
        Ok(Arc::new(Layout::new(comm, offsets, BLOCK_ROWS)))
    }

    /// The same rows with copies of `ghosts` (global numbers, ascending, of other ranks) beside the own ones.
    pub fn with_ghosts(&self, ghosts: Vec<usize>) -> Result<Arc<Layout>> {
        let own = self.local_range();
        let fits = |g: &usize| !own.contains(g) && *g < self.n_rows();
        if !ghosts.iter().all(fits) || ghosts.windows(2).any(|w| w[0] >= w[1]) {
            let expected = format!("ascending rows below {} outside {own:?}", self.n_rows());
            return Err(Error::argument("ghost rows of a layout", "others", expected));
        }
        let (below, above) = ghosts.into_iter().partition(|g| *g < own.start);
        Ok(Arc::new(Layout { below, above, ..self.clone() }))
    }

    /// The ranks.
    pub fn comm(&self) -> &Arc<dyn Communicator> {
        &self.comm
    }

    /// First row of each rank, and the number of rows at the end.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Rows on all ranks.
    pub fn n_rows(&self) -> usize {
        self.offsets[self.offsets.len() - 1]
    }

    /// Rows that this rank owns, by their global numbers.
    pub fn local_range(&self) -> Range<usize> {
        self.offsets[self.comm.rank()]..self.offsets[self.comm.rank() + 1]
    }

    /// Rows that this rank owns, by their local numbers.
    pub fn owned(&self) -> Range<usize> {
        self.below.len()..self.below.len() + self.local_range().len()
    }

    /// Number of rows that this rank holds, ghosts included.
    pub fn n_local(&self) -> usize {
        self.owned().end + self.above.len()
    }

    /// Global number of each row that this rank holds.
    pub fn rows(&self) -> Vec<usize> {
        self.below.iter().copied().chain(self.local_range()).chain(self.above.iter().copied()).collect()
    }

    /// Rows in a block.
    pub fn block_rows(&self) -> usize {
        self.block_rows
    }
}

/// A matrix with many rows (degrees of freedom, shared out over ranks) and few columns.
#[derive(Debug, Clone)]
pub struct TallMatrix {
    layout: Arc<Layout>,
    pub(super) local: Mat<f64>,
}

impl TallMatrix {
    /// From the rows that this rank holds, ghosts included: [n_local, n_columns].
    pub fn new(layout: Arc<Layout>, local: Mat<f64>) -> Result<Self> {
        if local.nrows() != layout.n_local() {
            return Err(Error::argument("rows of a tall matrix", local.nrows(), layout.n_local()));
        }
        Ok(TallMatrix { layout, local })
    }

    /// The rows that this rank holds.
    pub fn local(&self) -> MatRef<'_, f64> {
        self.local.as_ref()
    }

    /// The rows that this rank owns.
    pub fn owned(&self) -> MatRef<'_, f64> {
        let rows = self.layout.owned();
        self.local.subrows(rows.start, rows.len())
    }

    /// Gives the rows that this rank holds away.
    pub fn into_local(self) -> Mat<f64> {
        self.local
    }

    /// Who owns which rows.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The ranks.
    pub fn comm(&self) -> &dyn Communicator {
        self.layout.comm.as_ref()
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.local.ncols()
    }

    /// XᵀX, full symmetric; one pass, half the flops of a product. Collective.
    pub fn gram(&self) -> Mat<f64> {
        let n = self.n_columns();
        symmetric(sum_blocks(&self.layout, (n, n), |rows| {
            let mut g = Mat::zeros(n, n);
            dense::syrk_lower(g.as_mut(), self.local.subrows(rows.start, rows.len()));
            g
        }))
    }

    /// XᵀY. Collective.
    pub fn tr_mul(&self, other: &TallMatrix) -> Result<Mat<f64>> {
        if other.local.nrows() != self.local.nrows() {
            return Err(Error::argument("rows of the second factor", other.local.nrows(), self.local.nrows()));
        }
        Ok(sum_blocks(&self.layout, (self.n_columns(), other.n_columns()), |rows| {
            let left = self.local.subrows(rows.start, rows.len());
            dense::mul(left.transpose(), other.local.subrows(rows.start, rows.len()))
        }))
    }

    /// X B for a small matrix B; no communication.
    pub fn mul_small(&self, b: MatRef<'_, f64>) -> TallMatrix {
        let mut local = Mat::zeros(self.local.nrows(), b.ncols());
        let own = self.layout.owned();
        // Blocks begin where they do on one rank.
        for rows in [0..own.start, own.clone(), own.end..self.local.nrows()] {
            let a = self.local.subrows(rows.start, rows.len());
            mul_blocks(local.as_mut().subrows_mut(rows.start, rows.len()), a, b, self.layout.block_rows);
        }
        TallMatrix { layout: self.layout.clone(), local }
    }

    /// X <- X B for a square matrix B, block by block; no communication.
    pub(crate) fn mul_small_in_place(&mut self, b: MatRef<'_, f64>) {
        let (own, n_local, size) = (self.layout.owned(), self.local.nrows(), self.layout.block_rows());
        // Blocks begin where they do on one rank.
        for rows in [0..own.start, own.clone(), own.end..n_local] {
            if rows.is_empty() || b.ncols() == 0 {
                continue;
            }
            let part = self.local.as_mut().subrows_mut(rows.start, rows.len());
            part.par_row_chunks_mut(size).for_each(|block| {
                let copy = block.as_ref().to_owned();
                dense::gemm(block, false, copy.as_ref(), b, 1.0);
            });
        }
    }

    /// Multiplies column j by `factors[j]`; no communication.
    pub fn scale_columns(&mut self, factors: &[f64]) {
        for (column, factor) in self.local.as_mut().col_iter_mut().zip(factors) {
            column.iter_mut().for_each(|x| *x *= factor);
        }
    }

    /// Euclidean norm of each column. Collective.
    pub fn norms(&self) -> Vec<f64> {
        let n = self.n_columns();
        let squares = sum_blocks(&self.layout, (n, 1), |rows| {
            Mat::from_fn(n, 1, |j, _| self.local.col(j).subrows(rows.start, rows.len()).squared_norm_l2())
        });
        (0..n).map(|j| squares[(j, 0)].sqrt()).collect()
    }

    /// The entry of column `j` with the largest magnitude, and its row; entries within a relative 1e-10 of the largest
    /// count as equal and the lowest row wins, so that round-off cannot move it. Collective.
    pub fn argmax_abs(&self, j: usize) -> (f64, usize) {
        let column = self.owned().col(j);
        let start = self.layout.local_range().start;
        let local_max = column.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let (largest, _) = self.comm().all_argmax(local_max, start);
        let threshold = largest * (1.0 - 1e-10);
        let first = column.iter().position(|x| x.abs() >= threshold);
        // The lowest row is the largest negated index.
        let (negated, _) = self.comm().all_argmax(first.map_or(f64::NEG_INFINITY, |i| -((start + i) as f64)), 0);
        if negated == f64::NEG_INFINITY {
            return (0.0, 0);
        }
        let row = -negated as usize;
        let mut value = [0.0];
        if self.layout.local_range().contains(&row) {
            value[0] = column[row - start];
        }
        self.comm().all_sum(&mut value);
        (value[0], row)
    }

    /// One row, on every rank. Collective.
    pub fn row(&self, row: usize) -> Vec<f64> {
        let range = self.layout.local_range();
        let mut values = vec![0.0; self.n_columns()];
        if range.contains(&row) {
            values.iter_mut().enumerate().for_each(|(j, v)| *v = self.owned()[(row - range.start, j)]);
        }
        self.comm().all_sum(&mut values);
        values
    }
}

/// Rows that ranks hold, put together on every rank: row i of `local` is row `rows[i]` of the result. Where several ranks
/// hold a row, the lowest one's counts. Collective.
pub fn gather_rows(comm: &dyn Communicator, rows: &[usize], local: MatRef<'_, f64>, n_rows: usize) -> Mat<f64> {
    if comm.size() == 1 {
        let mut all = Mat::zeros(n_rows, local.ncols());
        for (i, row) in rows.iter().enumerate() {
            (0..local.ncols()).for_each(|j| all[(*row, j)] = local[(i, j)]);
        }
        return all;
    }
    let mut packed: Vec<f64> = rows.iter().map(|r| *r as f64).collect();
    local.col_iter().for_each(|column| packed.extend(column.iter()));
    let mut all = Mat::zeros(n_rows, local.ncols());
    for part in comm.all_gather(&packed).iter().rev() {
        let n = part.len() / (local.ncols() + 1);
        for (i, row) in part[..n].iter().enumerate() {
            (0..local.ncols()).for_each(|j| all[(*row as usize, j)] = part[(j + 1) * n + i]);
        }
    }
    all
}

/// The full matrix from its lower triangle.
pub(crate) fn symmetric(lower: Mat<f64>) -> Mat<f64> {
    Mat::from_fn(lower.nrows(), lower.ncols(), |i, j| if i >= j { lower[(i, j)] } else { lower[(j, i)] })
}

/// c = A B for tall A and small B, by row blocks in parallel.
pub(crate) fn mul_blocks(c: MatMut<'_, f64>, a: MatRef<'_, f64>, b: MatRef<'_, f64>, block_rows: usize) {
    if a.nrows() > 0 && b.ncols() > 0 {
        c.par_row_chunks_mut(block_rows).enumerate().for_each(|(i, block)| {
            let len = block.nrows();
            dense::gemm(block, false, a.subrows(i * block_rows, len), b, 1.0);
        });
    }
}
