//! Tall matrices: rows shared out over ranks, columns few.
//!
//! All sums over rows run over blocks of [`BLOCK_ROWS`] rows whose partial sums are added in block order, then over
//! ranks in rank order: the number of threads never changes a bit, the number of ranks only the round-off.

use super::dense;
use crate::comm::{Communicator, SingleComm};
use crate::error::{Error, Result};
use faer::{Mat, MatRef};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Rows in a block: the unit of threads, of partial sums and of distribution.
pub const BLOCK_ROWS: usize = 8192;
/// Blocks whose partial sums are held at a time; fixed, so that memory is bounded and the order of additions too.
const WAVE: usize = 16;

/// Who owns which rows: rank r owns rows `offsets[r]..offsets[r + 1]`.
#[derive(Debug, Clone)]
pub struct Layout {
    comm: Arc<dyn Communicator>,
    offsets: Vec<usize>,
}

impl Layout {
    /// All rows on one rank.
    pub fn serial(n_rows: usize) -> Arc<Layout> {
        Arc::new(Layout { comm: Arc::new(SingleComm), offsets: vec![0, n_rows] })
    }

    /// Contiguous whole entities in blocks of [`BLOCK_ROWS`] rows, shared out evenly; ranks may be empty.
    pub fn even(n_entities: usize, dofs_per_entity: usize, comm: Arc<dyn Communicator>) -> Arc<Layout> {
        let per_block = (BLOCK_ROWS / dofs_per_entity.max(1)).max(1);
        let n_blocks = n_entities.div_ceil(per_block);
        let size = comm.size();
        let offsets = (0..=size).map(|r| (n_blocks * r / size * per_block).min(n_entities) * dofs_per_entity).collect();
        Arc::new(Layout { comm, offsets })
    }

    /// Rows as told: `offsets` has one entry more than there are ranks, starts at 0 and never falls.
    pub fn from_offsets(offsets: Vec<usize>, comm: Arc<dyn Communicator>) -> Result<Arc<Layout>> {
        if offsets.len() != comm.size() + 1 || offsets[0] != 0 || offsets.windows(2).any(|w| w[0] > w[1]) {
            let expected = format!("{} ascending numbers from 0", comm.size() + 1);
            return Err(Error::argument("offsets of a layout", format!("{offsets:?}"), expected));
        }
        Ok(Arc::new(Layout { comm, offsets }))
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

    /// Rows of this rank.
    pub fn local_range(&self) -> Range<usize> {
        self.offsets[self.comm.rank()]..self.offsets[self.comm.rank() + 1]
    }

    /// Number of rows of this rank.
    pub fn n_local(&self) -> usize {
        self.local_range().len()
    }
}

/// A matrix with many rows (degrees of freedom, shared out over ranks) and few columns.
#[derive(Debug, Clone)]
pub struct TallMatrix {
    layout: Arc<Layout>,
    local: Mat<f64>,
}

/// Sum over row blocks of `f(first row, rows)`, each n_rows x n_columns, added in block order.
pub(crate) fn sum_blocks(
    n_local: usize,
    shape: (usize, usize),
    f: impl Fn(usize, usize) -> Mat<f64> + Sync,
) -> Mat<f64> {
    let mut sum = Mat::zeros(shape.0, shape.1);
    let n_blocks = n_local.div_ceil(BLOCK_ROWS);
    for wave in (0..n_blocks).step_by(WAVE) {
        let parts: Vec<Mat<f64>> = (wave..(wave + WAVE).min(n_blocks))
            .into_par_iter()
            .map(|b| f(b * BLOCK_ROWS, BLOCK_ROWS.min(n_local - b * BLOCK_ROWS)))
            .collect();
        for part in parts {
            sum += part;
        }
    }
    sum
}

/// Sums a small matrix over the ranks.
pub(crate) fn all_sum(comm: &dyn Communicator, m: Mat<f64>) -> Mat<f64> {
    let mut flat: Vec<f64> = m.col_iter().flat_map(|c| c.iter().copied()).collect();
    comm.all_sum(&mut flat);
    Mat::from_fn(m.nrows(), m.ncols(), |i, j| flat[j * m.nrows() + i])
}

impl TallMatrix {
    /// From the rows of this rank, [n_local, n_columns].
    pub fn new(layout: Arc<Layout>, local: Mat<f64>) -> Result<Self> {
        if local.nrows() != layout.n_local() {
            return Err(Error::argument("rows of a tall matrix", local.nrows(), layout.n_local()));
        }
        Ok(TallMatrix { layout, local })
    }

    /// The rows of this rank.
    pub fn local(&self) -> MatRef<'_, f64> {
        self.local.as_ref()
    }

    /// Gives the rows of this rank away.
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
        let lower = sum_blocks(self.local.nrows(), (n, n), |start, len| {
            let mut g = Mat::zeros(n, n);
            dense::syrk_lower(g.as_mut(), self.local.subrows(start, len));
            g
        });
        let lower = all_sum(self.comm(), lower);
        Mat::from_fn(n, n, |i, j| if i >= j { lower[(i, j)] } else { lower[(j, i)] })
    }

    /// XᵀY. Collective.
    pub fn tr_mul(&self, other: &TallMatrix) -> Result<Mat<f64>> {
        if other.local.nrows() != self.local.nrows() {
            return Err(Error::argument("rows of the second factor", other.local.nrows(), self.local.nrows()));
        }
        Ok(all_sum(self.comm(), tr_mul_local(self.local(), other.local())))
    }

    /// X B for a small matrix B; no communication.
    pub fn mul_small(&self, b: MatRef<'_, f64>) -> TallMatrix {
        TallMatrix { layout: self.layout.clone(), local: mul_rows(self.local(), b) }
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
        let squares = sum_blocks(self.local.nrows(), (n, 1), |start, len| {
            Mat::from_fn(n, 1, |j, _| self.local.col(j).subrows(start, len).squared_norm_l2())
        });
        let squares = all_sum(self.comm(), squares);
        (0..n).map(|j| squares[(j, 0)].sqrt()).collect()
    }

    /// The entry of column `j` with the largest magnitude, and its row; entries within a relative 1e-10 of the largest
    /// count as equal and the lowest row wins, so that round-off cannot move it. Collective.
    pub fn argmax_abs(&self, j: usize) -> (f64, usize) {
        let column = self.local.col(j);
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
            values.iter_mut().enumerate().for_each(|(j, v)| *v = self.local[(row - range.start, j)]);
        }
        self.comm().all_sum(&mut values);
        values
    }
}

/// Rows that ranks hold, put together on every rank: row i of `local` is row `rows[i]` of the result. Where several ranks
/// hold a row, the lowest one's counts. Collective.
pub fn gather_rows(comm: &dyn Communicator, rows: &[usize], local: MatRef<'_, f64>, n_rows: usize) -> Mat<f64> {
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

/// AᵀB of the local rows, blocks added in order.
pub(crate) fn tr_mul_local(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    sum_blocks(a.nrows(), (a.ncols(), b.ncols()), |start, len| {
        dense::mul(a.subrows(start, len).transpose(), b.subrows(start, len))
    })
}

/// A B for tall A and small B, by row blocks in parallel.
pub(crate) fn mul_rows(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut c = Mat::zeros(a.nrows(), b.ncols());
    if a.nrows() > 0 && b.ncols() > 0 {
        c.as_mut().par_row_chunks_mut(BLOCK_ROWS).enumerate().for_each(|(i, block)| {
            let len = block.nrows();
            dense::gemm(block, false, a.subrows(i * BLOCK_ROWS, len), b, 1.0);
        });
    }
    c
}
