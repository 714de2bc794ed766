//! Inner products of fields: Euclidean, diagonal, sparse and additive per sub-domain.

use super::dense;
use super::sparse;
use super::tall::{TallMatrix, all_sum, tr_mul_local};
use super::tsqr::{tsqr, tsqr_of_rows};
use crate::error::{Error, Result};
use faer::{Mat, MatRef};
use rayon::prelude::*;
use sprs::CsMat;

/// (u, v) = uᵀ M v.
#[derive(Debug, Clone)]
pub enum InnerProduct {
    /// M = I.
    Euclidean,
    /// M = diag(w), the weights of the local rows, w >= 0.
    Diagonal(Vec<f64>),
    /// Symmetric positive definite. Each rank holds the matrix integrated over its own cells, with the interface rows on
    /// both sides: (u, v) is then a sum of local products, one reduction and no halo exchange.
    Sparse(CsMat<f64>),
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
            InnerProduct::Sparse(m) => match sparse::asymmetry(m) {
                Some((i, j)) => Err(Error::argument(
                    "inner product",
                    format!("entries ({i}, {j}) and ({j}, {i}) that differ"),
                    "a symmetric matrix",
                )),
                None => Ok(()),
            },
        }
    }

    /// M X on the local rows.
    pub fn apply(&self, x: MatRef<'_, f64>) -> Mat<f64> {
        match self {
            InnerProduct::Euclidean => x.to_owned(),
            InnerProduct::Diagonal(w) => scale_rows(x, w),
            InnerProduct::Sparse(m) => sparse::mul(m, x),
        }
    }

    /// AᵀMB, the same on all ranks. Collective.
    pub fn cross(&self, a: &TallMatrix, b: &TallMatrix) -> Mat<f64> {
        let local = match self {
            InnerProduct::Euclidean => tr_mul_local(a.local(), b.local()),
            _ => tr_mul_local(a.local(), self.apply(b.local()).as_ref()),
        };
        all_sum(a.comm(), local)
    }

    /// XᵀMX, symmetric. Collective.
    pub fn gram(&self, x: &TallMatrix) -> Mat<f64> {
        match self {
            InnerProduct::Euclidean => x.gram(),
            _ => {
                let g = self.cross(x, x);
                Mat::from_fn(g.nrows(), g.ncols(), |i, j| 0.5 * (g[(i, j)] + g[(j, i)]))
            }
        }
    }

    /// sqrt(xᵀMx) of each column. Collective.
    pub fn norms(&self, x: &TallMatrix) -> Vec<f64> {
        if let InnerProduct::Euclidean = self {
            return x.norms();
        }
        let mx = self.apply(x.local());
        let mut squares: Vec<f64> = (0..x.n_columns())
            .map(|j| x.local().col(j).iter().zip(mx.col(j).iter()).map(|(a, b)| a * b).sum())
            .collect();
        x.comm().all_sum(&mut squares);
        squares.into_iter().map(|s| s.max(0.0).sqrt()).collect()
    }
}

/// diag(w) X, by columns in parallel.
pub(crate) fn scale_rows(x: MatRef<'_, f64>, w: &[f64]) -> Mat<f64> {
    let mut y = Mat::zeros(x.nrows(), x.ncols());
    y.as_mut().par_col_iter_mut().enumerate().for_each(|(j, column)| {
        column.iter_mut().zip(x.col(j).iter().zip(w)).for_each(|(y, (x, w))| *y = w * x);
    });
    y
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

/// Makes independent columns orthonormal in M. Collective.
///
/// Columns scaled by sqrt(w) where M is diagonal, by [`tsqr`]; where M is sparse, Cholesky of VᵀMV after a Euclidean
/// [`tsqr`], twice: the first sees the condition of M only, the second a matrix that is I up to round-off times it.
pub fn orthonormalize(v: &TallMatrix, m: &InnerProduct) -> Result<TallMatrix> {
    match m {
        InnerProduct::Euclidean => Ok(divide(v, tsqr(v))),
        InnerProduct::Diagonal(w) => {
            let scaled = scale_rows(v.local(), &square_roots(w));
            Ok(divide(v, tsqr_of_rows(scaled.as_ref(), v.comm())))
        }
        InnerProduct::Sparse(_) => {
            let mut q = divide(v, tsqr(v));
            for _ in 0..2 {
                let l = dense::cholesky(m.gram(&q).as_ref(), "the inner product")?;
                q = divide(&q, l.transpose().to_owned());
            }
            Ok(q)
        }
    }
}

/// V R⁻¹.
fn divide(v: &TallMatrix, r: Mat<f64>) -> TallMatrix {
    let mut inverse = Mat::identity(r.nrows(), r.ncols());
    dense::solve_upper(r.as_ref(), inverse.as_mut());
    v.mul_small(inverse.as_ref())
}

/// sqrt(w).
pub fn square_roots(w: &[f64]) -> Vec<f64> {
    w.iter().map(|w| w.sqrt()).collect()
}
