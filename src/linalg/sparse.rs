//! Sparse matrices: sprs in signatures, conversions to and from nalgebra-sparse and faer, products.

use super::tall::BLOCK_ROWS;
use crate::error::{Error, Result};
use faer::sparse::{SparseColMatRef, SymbolicSparseColMatRef};
use faer::{Mat, MatRef};
use rayon::prelude::*;
use sprs::{CsMat, TriMat};

/// M X, by rows of M in parallel; each row is summed in storage order.
pub fn mul(m: &CsMat<f64>, x: MatRef<'_, f64>) -> Mat<f64> {
    let rows = if m.is_csr() { m.view() } else { m.transpose_view() };
    debug_assert!(m.is_csr() || m.rows() == m.cols(), "CSC is read as its transpose: symmetric matrices only");
    let mut y = Mat::zeros(m.rows(), x.ncols());
    if m.rows() > 0 && x.ncols() > 0 {
        y.as_mut().par_row_chunks_mut(BLOCK_ROWS).enumerate().for_each(|(b, mut block)| {
            for i in 0..block.nrows() {
                let Some(row) = rows.outer_view(b * BLOCK_ROWS + i) else { continue };
                for j in 0..x.ncols() {
                    block[(i, j)] = row.iter().map(|(k, v)| v * x[(k, j)]).sum();
                }
            }
        });
    }
    y
}

/// First pair of entries whose difference exceeds 1e-10 of the larger diagonal entry.
pub fn asymmetry(m: &CsMat<f64>) -> Option<(usize, usize)> {
    let diagonal: Vec<f64> = (0..m.rows()).map(|i| m.get(i, i).copied().unwrap_or(0.0).abs()).collect();
    m.iter().find_map(|(v, (i, j))| {
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

/// The part of a symmetric matrix that the owner of the rows `owned` adds to an inner product: the rows and columns it
/// touches (ascending), and the matrix on them. Over ranges that cover all rows, the parts sum to the matrix.
///
/// An entry (i, j) belongs to the owner of min(i, j). O(entries of the rows); no communication.
pub fn additive_part(m: &CsMat<f64>, owned: std::ops::Range<usize>) -> (Vec<usize>, CsMat<f64>) {
    let mut triplets = Vec::new();
    let mut rows: Vec<usize> = owned.clone().collect();
    for i in owned {
        for (j, v) in m.outer_view(i).iter().flat_map(|row| row.iter()).filter(|(j, _)| *j >= i) {
            rows.push(j);
            triplets.push((i, j, *v));
            if j > i {
                triplets.push((j, i, *v));
            }
        }
    }
    rows.sort_unstable();
    rows.dedup();
    let mut part = TriMat::new((rows.len(), rows.len()));
    for (i, j, v) in triplets {
        if let (Ok(i), Ok(j)) = (rows.binary_search(&i), rows.binary_search(&j)) {
            part.add_triplet(i, j, v);
        }
    }
    (rows, part.to_csr())
}
