//! Inner products of fields: Euclidean, diagonal, sparse and additive per sub-domain.

use super::block_tree::sum_blocks;
use super::dense;
use super::sparse;
use super::tall::{Layout, TallMatrix, symmetric};
use super::tsqr::{tsqr, weighted_tsqr};
use crate::error::{Error, Result};
use faer::{Mat, MatRef};
use sprs::CsMat;
use std::ops::Range;
use std::sync::Arc;

/// (u, v) = uᵀ M v.
#[derive(Debug, Clone)]
pub enum InnerProduct {
    /// M = I.
    Euclidean,
    /// M = diag(w), the weights of the local rows, w >= 0.
    Diagonal(Vec<f64>),
    /// Symmetric positive definite, between the rows that a rank holds. (u, v) is the sum over ranks of uᵀMv of the local
    /// matrices, one reduction and no halo exchange. Either each rank holds the rows of the matrix that it owns, with the
    /// columns they touch as ghosts (whose rows are empty); or the matrix integrated over its own cells, with the
    /// interface rows on both sides and counted on both.
    Sparse(CsMat<f64>),
    /// The same matrix for each component of a vector field, whose components lie side by side (row = entity n_components +
    /// component): M of the entities, n_components; what [`Sparse`](Self::Sparse) says of rows holds for entities.
    Components(CsMat<f64>, usize),
}

impl InnerProduct {
    /// Checks shape, weights and symmetry against the number of local rows.
    pub fn check(&self, n_local: usize) -> Result<()> {
        match self {
            InnerProduct::Euclidean => Ok(()),
            InnerProduct::Diagonal(w) if w.len() != n_local => {
                Err(Error::argument("weights of an inner product", w.len(), n_local))
            }
            InnerProduct::Diagonal(w) => match w.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
                Some(i) => Err(Error::argument(format!("weight {i} of an inner product"), w[i], "a number >= 0")),
                None => Ok(()),
            },
            InnerProduct::Sparse(m) if m.rows() != n_local || m.cols() != n_local => Err(Error::argument(
                "shape of an inner product",
                format!("{} x {}", m.rows(), m.cols()),
                format!("{n_local} x {n_local}"),
            )),
            InnerProduct::Components(m, k) if m.rows() * k != n_local || m.cols() != m.rows() => Err(Error::argument(
                "shape of an inner product",
                format!("{} x {} for {k} components", m.rows(), m.cols()),
                format!("{n_local} rows of all components"),
            )),
            InnerProduct::Sparse(m) | InnerProduct::Components(m, _) => match sparse::asymmetry(m) {
                Some((i, j)) => Err(Error::argument(
                    "inner product",
                    format!("entries ({i}, {j}) and ({j}, {i}) that differ"),
                    "a symmetric matrix",
                )),
                None => Ok(()),
            },
        }
    }

    /// The matrix, where it is sparse, and the number of components that it is the same for.
    pub(crate) fn sparse(&self) -> Option<(&CsMat<f64>, usize)> {
        match self {
            InnerProduct::Sparse(m) => Some((m, 1)),
            InnerProduct::Components(m, k) => Some((m, *k)),
            _ => None,
        }
    }

    /// The part of M, known in all rows, that belongs to the own rows of `even`; and these with the rows that M touches beside them.
    ///
    /// Errors: those of [`Layout::with_ghosts`]. Not collective.
    pub fn of_rank(&self, even: &Arc<Layout>) -> Result<(Arc<Layout>, InnerProduct)> {
        let own = even.local_range();
        Ok(match self {
            InnerProduct::Diagonal(w) => (even.clone(), InnerProduct::Diagonal(w[own].to_vec())),
            InnerProduct::Sparse(m) if even.comm().size() > 1 => {
                let (ghosts, part) = sparse::owned_part(m, own);
                (even.with_ghosts(ghosts)?, InnerProduct::Sparse(part))
            }
            InnerProduct::Components(m, k) if even.comm().size() > 1 => {
                let (ghosts, part) = sparse::owned_part(m, own.start / k..own.end / k);
                let ghosts = ghosts.iter().flat_map(|e| e * k..(e + 1) * k).collect();
                (even.with_ghosts(ghosts)?, InnerProduct::Components(part, *k))
            }
            product => (even.clone(), product.clone()),
        })
    }

    /// Rows `rows` of M X (local numbers).
    pub(crate) fn apply_rows(&self, x: MatRef<'_, f64>, rows: Range<usize>) -> Mat<f64> {
        match self {
            InnerProduct::Sparse(m) => sparse::mul_rows(m, x, rows),
            InnerProduct::Components(m, k) => sparse::mul_rows_of_components(m, *k, x, rows),
            InnerProduct::Euclidean => x.subrows(rows.start, rows.len()).to_owned(),
            InnerProduct::Diagonal(w) => {
                let mut block = x.subrows(rows.start, rows.len()).to_owned();
                dense::scale_rows(block.as_mut(), &w[rows]);
                block
            }
        }
    }

    /// AᵀMB, the same on all ranks. One pass over A and B. Collective.
    pub fn cross(&self, a: &TallMatrix, b: &TallMatrix) -> Mat<f64> {
        sum_blocks(a.layout(), (a.n_columns(), b.n_columns()), |rows| {
            let left = a.local().subrows(rows.start, rows.len()).transpose();
            match self {
                InnerProduct::Euclidean => dense::mul(left, b.local().subrows(rows.start, rows.len())),
                _ => dense::mul(left, self.apply_rows(b.local(), rows).as_ref()),
            }
        })
    }

    /// XᵀMX, symmetric. One pass over X. Collective.
    pub fn gram(&self, x: &TallMatrix) -> Mat<f64> {
        let n = x.n_columns();
        match self {
            InnerProduct::Euclidean => x.gram(),
            InnerProduct::Diagonal(w) => symmetric(sum_blocks(x.layout(), (n, n), |rows| {
                let mut block = x.local().subrows(rows.start, rows.len()).to_owned();
                dense::scale_rows(block.as_mut(), &square_roots(&w[rows]));
                let mut g = Mat::zeros(n, n);
                dense::syrk_lower(g.as_mut(), block.as_ref());
                g
            })),
            InnerProduct::Sparse(_) | InnerProduct::Components(..) => {
                let g = self.cross(x, x);
                Mat::from_fn(n, n, |i, j| 0.5 * (g[(i, j)] + g[(j, i)]))
            }
        }
    }

    /// sqrt(xᵀMx) of each column. Collective.
    pub fn norms(&self, x: &TallMatrix) -> Vec<f64> {
        if let InnerProduct::Euclidean = self {
            return x.norms();
        }
        let n = x.n_columns();
        let squares = sum_blocks(x.layout(), (n, 1), |rows| {
            let local = x.local().subrows(rows.start, rows.len());
            let applied = self.apply_rows(x.local(), rows);
            let product = |j: usize| local.col(j).iter().zip(applied.col(j).iter()).map(|(a, b)| a * b).sum();
            Mat::from_fn(n, 1, |j, _| product(j))
        });
        (0..n).map(|j| squares[(j, 0)].max(0.0).sqrt()).collect()
    }
}

/// max |VᵀMV - I|, measured. Collective.
pub fn orthonormality(v: &TallMatrix, m: &InnerProduct) -> f64 {
    let g = m.gram(v);
    let mut worst = 0.0_f64;
    for j in 0..g.ncols() {
        for i in 0..g.nrows() {
            worst = worst.max((g[(i, j)] - if i == j { 1.0 } else { 0.0 }).abs());
        }
    }
    worst
}

/// Makes independent columns orthonormal in M: V = Q R. Collective.
///
/// Columns scaled by sqrt(w) where M is diagonal, by [`tsqr`]; where M is sparse, Cholesky of VᵀMV after a Euclidean
/// [`tsqr`], twice: the first sees the condition of M only, the second a matrix that is I up to round-off times it.
pub fn orthonormalize(v: &TallMatrix, m: &InnerProduct) -> Result<TallMatrix> {
    Ok(orthonormal_factors(v.clone(), m)?.0)
}

/// [`orthonormalize`] in place, with R [n, n], upper triangular. Collective.
pub fn orthonormal_factors(mut v: TallMatrix, m: &InnerProduct) -> Result<(TallMatrix, Mat<f64>)> {
    let mut r = match m {
        InnerProduct::Diagonal(w) => weighted_tsqr(&v, Some(&square_roots(w))),
        _ => tsqr(&v),
    };
    divide(&mut v, r.as_ref());
    if m.sparse().is_some() {
        for _ in 0..2 {
            let l = dense::cholesky(m.gram(&v).as_ref(), "the inner product")?;
            divide(&mut v, l.transpose());
            r = dense::mul(l.transpose(), r.as_ref());
        }
    }
    Ok((v, r))
}

/// V <- V R⁻¹.
fn divide(v: &mut TallMatrix, r: MatRef<'_, f64>) {
    let mut inverse = Mat::identity(r.nrows(), r.ncols());
    dense::solve_upper(r, inverse.as_mut());
    v.mul_small_in_place(inverse.as_ref());
}

/// sqrt(w).
pub fn square_roots(w: &[f64]) -> Vec<f64> {
    w.iter().map(|w| w.sqrt()).collect()
}
