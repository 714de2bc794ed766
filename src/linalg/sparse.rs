//! Sparse matrices: sprs in signatures, conversions to and from nalgebra-sparse and faer, products.

use super::tall::BLOCK_ROWS;
use crate::error::{Error, Result};
use faer::sparse::{SparseColMatRef, SymbolicSparseColMatRef};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;
use sprs::{CsMat, TriMat};
use std::ops::Range;

/// M X, by rows of M in parallel; each row is summed in storage order.
pub fn mul(m: &CsMat<f64>, x: MatRef<'_, f64>) -> Mat<f64> {
    let mut y = Mat::zeros(m.rows(), x.ncols());
    if m.rows() > 0 && x.ncols() > 0 {
        y.as_mut().par_row_chunks_mut(BLOCK_ROWS).enumerate().for_each(|(b, block)| {
            mul_into(m, 1, x, b * BLOCK_ROWS, block);
        });
    }
    y
}

/// Rows `rows` of M X, sequential.
pub fn mul_rows(m: &CsMat<f64>, x: MatRef<'_, f64>, rows: Range<usize>) -> Mat<f64> {
    mul_rows_of_components(m, 1, x, rows)
}

/// The same for M of entities, that is the same for each of `n_components` that lie side by side.
pub(crate) fn mul_rows_of_components(
    m: &CsMat<f64>,
    n_components: usize,
    x: MatRef<'_, f64>,
    rows: Range<usize>,
) -> Mat<f64> {
    let mut y = Mat::zeros(rows.len(), x.ncols());
    mul_into(m, n_components, x, rows.start, y.as_mut());
    y
}

fn mul_into(m: &CsMat<f64>, n_components: usize, x: MatRef<'_, f64>, first: usize, mut y: MatMut<'_, f64>) {
    let rows = if m.is_csr() { m.view() } else { m.transpose_view() };
    debug_assert!(m.is_csr() || m.rows() == m.cols(), "CSC is read as its transpose: symmetric matrices only");
    for i in 0..y.nrows() {
        let (entity, component) = ((first + i) / n_components, (first + i) % n_components);
        let Some(row) = rows.outer_view(entity) else { continue };
        for j in 0..x.ncols() {
            y[(i, j)] = row.iter().map(|(k, v)| v * x[(k * n_components + component, j)]).sum();
        }
    }
}

/// First pair of entries whose difference exceeds 1e-10 of the larger diagonal entry; empty rows (of ghosts) do not count.
pub fn asymmetry(m: &CsMat<f64>) -> Option<(usize, usize)> {
    let diagonal: Vec<f64> = (0..m.rows()).map(|i| m.get(i, i).copied().unwrap_or(0.0).abs()).collect();
    let empty = |j: usize| m.outer_view(j).is_none_or(|row| row.nnz() == 0);
    m.iter().find_map(|(v, (i, j))| {
        if empty(j) {
            return None;
        }
        let other = m.get(j, i).copied().unwrap_or(0.0);
        ((v - other).abs() > 1e-10 * diagonal[i].max(diagonal[j])).then_some((i, j))
    })
}

/// CSR with sorted rows from triplets (duplicates are added).
pub fn from_triplets(n_rows: usize, n_columns: usize, triplets: &[(usize, usize, f64)]) -> CsMat<f64> {
    let mut matrix = TriMat::with_capacity((n_rows, n_columns), triplets.len());
    triplets.iter().for_each(|&(i, j, v)| matrix.add_triplet(i, j, v));
    matrix.to_csr()
}

/// sprs (CSR) to nalgebra-sparse.
pub fn to_nalgebra(m: &CsMat<f64>) -> Result<nalgebra_sparse::CsrMatrix<f64>> {
    let m = m.to_csr();
    let (rows, columns) = m.shape();
    let (indptr, indices, data) = m.into_raw_storage();
    nalgebra_sparse::CsrMatrix::try_from_csr_data(rows, columns, indptr, indices, data)
        .map_err(|e| Error::argument("CSR matrix", e.to_string(), "sorted rows"))
}

/// nalgebra-sparse (CSR) to sprs.
pub fn from_nalgebra(m: nalgebra_sparse::CsrMatrix<f64>) -> CsMat<f64> {
    let shape = (m.nrows(), m.ncols());
    let (indptr, indices, data) = m.disassemble();
    CsMat::new(shape, indptr, indices, data)
}

/// Hands a symmetric sprs matrix to faer as a CSC view, without a copy of indices or values.
pub fn with_faer<T>(m: &CsMat<f64>, f: impl FnOnce(SparseColMatRef<'_, usize, f64>) -> T) -> T {
    let pointers = m.proper_indptr();
    let pattern = SymbolicSparseColMatRef::new_checked(m.rows(), m.cols(), &pointers, None, m.indices());
    f(SparseColMatRef::new(pattern, m.data()))
}

/// The rows `owned` of a symmetric matrix for their owner: the other rows that they touch (ghosts, ascending), and the
/// matrix between ghosts below, own rows and ghosts above, where ghosts have empty rows. Over ranges that cover all rows,
/// the parts sum to the matrix.
///
/// O(entries of the rows); no communication.
pub fn owned_part(m: &CsMat<f64>, owned: Range<usize>) -> (Vec<usize>, CsMat<f64>) {
    let row = |i: usize| m.outer_view(i);
    let touched = owned.clone().filter_map(row).flat_map(|r| r.indices().to_vec());
    let mut ghosts: Vec<usize> = touched.filter(|j| !owned.contains(j)).collect();
    ghosts.sort_unstable();
    ghosts.dedup();
    let n_below = ghosts.partition_point(|g| *g < owned.start);
    let local = |j: usize| match owned.contains(&j) {
        true => n_below + j - owned.start,
        // Ghosts above follow the own rows.
        false => ghosts.partition_point(|g| *g < j) + if j < owned.start { 0 } else { owned.len() },
    };
    let n = ghosts.len() + owned.len();
    let mut part = TriMat::new((n, n));
    for i in owned.clone() {
        row(i).iter().flat_map(|r| r.iter()).for_each(|(j, v)| part.add_triplet(local(i), local(j), *v));
    }
    (ghosts, part.to_csr())
}
