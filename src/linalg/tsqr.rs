//! QR factorisation of a tall matrix by row blocks.

use super::dense;
use super::tall::{BLOCK_ROWS, TallMatrix};
use crate::comm::Communicator;
use faer::{Mat, MatRef};
use rayon::prelude::*;

/// R of X = Q R, upper triangular [n, n], the same on all ranks; rows of R are determined up to sign.
///
/// A tree of small QR factorisations: row blocks of a rank (in parallel), then pairs in order, then ranks in rank order.
/// Backward stable: singular values of R are those of X to eps sigma_1, where a Gram matrix loses them below
/// sqrt(eps) sigma_1. One pass over X, 2 m n^2 flops. Collective.
/// Reference: Demmel, Grigori, Hoemmen, Langou, SIAM J. Sci. Comput. 34 (2012) A206.
pub fn tsqr(x: &TallMatrix) -> Mat<f64> {
    tsqr_of_rows(x.local(), x.comm())
}

/// [`tsqr`] of local rows that have no layout of their own (a factored inner product times X).
pub fn tsqr_of_rows(local: MatRef<'_, f64>, comm: &dyn Communicator) -> Mat<f64> {
    let n = local.ncols();
    // Blocks must be tall for the first level to reduce anything; the size depends on the shape only.
    let rows = BLOCK_ROWS.max(4 * n);
    let n_blocks = local.nrows().div_ceil(rows);
    let mut level: Vec<Mat<f64>> = (0..n_blocks)
        .into_par_iter()
        .map(|b| dense::qr_r(local.subrows(b * rows, rows.min(local.nrows() - b * rows))))
        .collect();
    while level.len() > 1 {
        level = level
            .par_chunks(2)
            .map(|pair| if pair.len() == 2 { stack_r(&pair[0], &pair[1]) } else { pair[0].clone() })
            .collect();
    }
    let r = level.pop().unwrap_or_else(|| Mat::zeros(0, n));
    let flat: Vec<f64> = (0..r.nrows()).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| r[(i, j)]).collect();
    let mut sum: Option<Mat<f64>> = None;
    for part in comm.all_gather(&flat) {
        let part = Mat::from_fn(part.len() / n.max(1), n, |i, j| part[i * n + j]);
        sum = Some(match sum {
            None => part,
            Some(above) => stack_r(&above, &part),
        });
    }
    let r = sum.unwrap_or_else(|| Mat::zeros(0, n));
    // Fewer rows than columns: pad, so that R is always square.
    Mat::from_fn(n, n, |i, j| if i < r.nrows() { r[(i, j)] } else { 0.0 })
}

/// R of two stacked factors.
fn stack_r(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    let stacked =
        Mat::from_fn(
            a.nrows() + b.nrows(),
            a.ncols(),
            |i, j| {
                if i < a.nrows() { a[(i, j)] } else { b[(i - a.nrows(), j)] }
            },
        );
    dense::qr_r(stacked.as_ref())
}
