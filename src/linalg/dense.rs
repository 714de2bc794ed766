//! Small dense factorisations as concrete `f64` functions: the one place where faer's generic code is compiled.
//!
//! All are sequential: threads split the rows of tall matrices outside, and no result depends on their number.

use crate::error::{Error, Result};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::matmul::{matmul, triangular};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Accum, Mat, MatMut, MatRef, Par};

/// dst = alpha a b (or dst += alpha a b), sequential.
pub fn gemm(dst: MatMut<'_, f64>, accumulate: bool, a: MatRef<'_, f64>, b: MatRef<'_, f64>, alpha: f64) {
    matmul(dst, if accumulate { Accum::Add } else { Accum::Replace }, a, b, alpha, Par::Seq);
}

/// a <- factor a.
pub fn scale(a: MatMut<'_, f64>, factor: f64) {
    faer::zip!(a).for_each(|faer::unzip!(x)| *x *= factor);
}

/// Row i of a <- factors[i] times row i.
pub fn scale_rows(mut a: MatMut<'_, f64>, factors: &[f64]) {
    for column in a.as_mut().col_iter_mut() {
        column.iter_mut().zip(factors).for_each(|(x, f)| *x *= f);
    }
}

/// a b.
pub fn mul(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut c = Mat::zeros(a.nrows(), b.ncols());
    gemm(c.as_mut(), false, a, b, 1.0);
    c
}

/// Lower triangle of aᵀ a added to `g`.
pub fn syrk_lower(g: MatMut<'_, f64>, a: MatRef<'_, f64>) {
    use triangular::BlockStructure::{Rectangular, TriangularLower};
    triangular::matmul(g, TriangularLower, Accum::Add, a.transpose(), Rectangular, a, Rectangular, 1.0, Par::Seq);
}

fn not_converged(what: &str) -> Error {
    Error::NotConverged { what: what.into(), reached: f64::NAN, wanted: f64::EPSILON }
}

/// Thin SVD a = U diag(s) Vᵀ, s descending.
pub fn thin_svd(a: MatRef<'_, f64>) -> Result<(Mat<f64>, Vec<f64>, Mat<f64>)> {
    use faer::linalg::svd::{ComputeSvdVectors::Thin, svd, svd_scratch};
    let (m, n) = (a.nrows(), a.ncols());
    let size = m.min(n);
    let (mut u, mut v, mut s) = (Mat::zeros(m, size), Mat::zeros(n, size), Diag::zeros(size));
    let mut memory = MemBuffer::new(svd_scratch::<f64>(m, n, Thin, Thin, Par::Seq, Default::default()));
    let stack = MemStack::new(&mut memory);
    svd(a, s.as_mut(), Some(u.as_mut()), Some(v.as_mut()), Par::Seq, stack, Default::default())
        .map_err(|_| not_converged("singular value decomposition"))?;
    Ok((u, s.column_vector().iter().copied().collect(), v))
}

/// Eigenvalues (descending) and vectors of a symmetric matrix (lower triangle read).
pub fn symmetric_eigen(a: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>)> {
    use faer::linalg::evd::{ComputeEigenvectors::Yes, self_adjoint_evd, self_adjoint_evd_scratch};
    let n = a.nrows();
    let (mut u, mut s) = (Mat::zeros(n, n), Diag::zeros(n));
    let mut memory = MemBuffer::new(self_adjoint_evd_scratch::<f64>(n, Yes, Par::Seq, Default::default()));
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(a, s.as_mut(), Some(u.as_mut()), Par::Seq, stack, Default::default())
        .map_err(|_| not_converged("symmetric eigenvalue problem"))?;
    let values: Vec<f64> = (0..n).map(|i| s.column_vector()[n - 1 - i]).collect();
    let vectors = Mat::from_fn(n, n, |i, j| u[(i, n - 1 - j)]);
    Ok((values, vectors))
}

/// Lower Cholesky factor; the pivot that failed in the error.
pub fn cholesky(a: MatRef<'_, f64>, what: &str) -> Result<Mat<f64>> {
    let mut l = a.to_owned();
    cholesky_in_place(l.as_mut()).map_err(|pivot| Error::NotPositiveDefinite {
        what: what.to_string(),
        pivot,
        mend: "check for duplicate rows or a wrong inner product".into(),
    })?;
    Ok(Mat::from_fn(a.nrows(), a.ncols(), |i, j| if i >= j { l[(i, j)] } else { 0.0 }))
}

/// b <- L⁻¹ b.
pub fn solve_lower(l: MatRef<'_, f64>, b: MatMut<'_, f64>) {
    solve_lower_triangular_in_place(l, b, Par::Seq);
}

/// b <- L⁻ᵀ b.
pub fn solve_lower_transposed(l: MatRef<'_, f64>, b: MatMut<'_, f64>) {
    solve_upper_triangular_in_place(l.transpose(), b, Par::Seq);
}

/// b <- R⁻¹ b.
pub fn solve_upper(r: MatRef<'_, f64>, b: MatMut<'_, f64>) {
    solve_upper_triangular_in_place(r, b, Par::Seq);
}

/// Lower Cholesky factor in place of the lower triangle (the upper one is not read, and holds anything after), sequential;
/// the pivot that failed as the error.
pub fn cholesky_in_place(a: MatMut<'_, f64>) -> std::result::Result<(), usize> {
    use faer::linalg::cholesky::llt::factor::{LltError, cholesky_in_place, cholesky_in_place_scratch};
    let request = cholesky_in_place_scratch::<f64>(a.nrows(), Par::Seq, Default::default());
    let mut memory = MemBuffer::new(request);
    let stack = MemStack::new(&mut memory);
    match cholesky_in_place(a, Default::default(), Par::Seq, stack, Default::default()) {
        Ok(_) => Ok(()),
        Err(LltError::NonPositivePivot { index }) => Err(index),
    }
}

/// Lower triangle of (l lᵀ)⁻¹ from the lower Cholesky factor l, sequential; `scratch` (n x n) is overwritten.
pub fn spd_inverse_lower(mut inverse: MatMut<'_, f64>, l: MatRef<'_, f64>, mut scratch: MatMut<'_, f64>) {
    use triangular::BlockStructure::{TriangularLower, TriangularUpper};
    faer::linalg::triangular_inverse::invert_lower_triangular(scratch.as_mut(), l, Par::Seq);
    let t = scratch.as_ref();
    let (lower, upper) = (TriangularLower, TriangularUpper);
    triangular::matmul(inverse.as_mut(), lower, Accum::Replace, t.transpose(), upper, t, lower, 1.0, Par::Seq);
}

/// Lower triangle of c + alpha a aᵀ, sequential.
pub fn rank_update_lower(c: MatMut<'_, f64>, a: MatRef<'_, f64>, alpha: f64) {
    use triangular::BlockStructure::{Rectangular, TriangularLower};
    triangular::matmul(c, TriangularLower, Accum::Add, a, Rectangular, a.transpose(), Rectangular, alpha, Par::Seq);
}
