//! QR factorisation of a tall matrix by row blocks.

use super::block_tree::reduce_blocks;
use super::dense;
use super::householder::qr_r;
use super::tall::TallMatrix;
use faer::Mat;

/// R of X = Q R, upper triangular [n, n], the same on all ranks; rows of R are determined up to sign.
///
/// A tree of small QR factorisations over row blocks, in parallel on a rank and then over ranks. Backward stable:
/// singular values of R are those of X to eps sigma_1, where a Gram matrix loses them below sqrt(eps) sigma_1. One
/// pass over X, 2 m n² flops. Collective.
/// Reference: Demmel, Grigori, Hoemmen, Langou, SIAM J. Sci. Comput. 34 (2012) A206.
pub fn tsqr(x: &TallMatrix) -> Mat<f64> {
    weighted_tsqr(x, None)
}

/// [`tsqr`] of diag(factors) X, without a copy of it; one factor per row that the rank holds.
pub fn weighted_tsqr(x: &TallMatrix, factors: Option<&[f64]>) -> Mat<f64> {
    let n = x.n_columns();
    let leaf = |rows: std::ops::Range<usize>| {
        let mut block = x.local().subrows(rows.start, rows.len()).to_owned();
        if let Some(factors) = factors {
            dense::scale_rows(block.as_mut(), &factors[rows]);
        }
        qr_r(block)
    };
    square(reduce_blocks(x.layout(), leaf, |a, b| stack_r(&a, b)), n)
}

/// Fewer rows than columns are padded, so that R is always [n, n].
pub(crate) fn square(r: Option<Mat<f64>>, n: usize) -> Mat<f64> {
    let r = r.unwrap_or_else(|| Mat::zeros(0, n));
    Mat::from_fn(n, n, |i, j| if i < r.nrows() { r[(i, j)] } else { 0.0 })
}

/// R of two stacked factors.
pub(crate) fn stack_r(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    let top = a.nrows();
    qr_r(Mat::from_fn(top + b.nrows(), a.ncols(), |i, j| if i < top { a[(i, j)] } else { b[(i - top, j)] }))
}
