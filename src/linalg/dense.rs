//! Small dense factorisations as concrete `f64` functions: the one place where faer's generic code is compiled.

use crate::error::{Error, Result};
use faer::linalg::matmul::{matmul, triangular};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};

/// dst = alpha a b (or dst += alpha a b), sequential.
pub fn gemm(dst: MatMut<'_, f64>, accumulate: bool, a: MatRef<'_, f64>, b: MatRef<'_, f64>, alpha: f64) {
    matmul(dst, if accumulate { Accum::Add } else { Accum::Replace }, a, b, alpha, Par::Seq);
}

/// a <- factor a.
pub fn scale(a: MatMut<'_, f64>, factor: f64) {
    faer::zip!(a).for_each(|faer::unzip!(x)| *x *= factor);
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

/// Thin SVD a = U diag(s) Vᵀ, s descending.
pub fn thin_svd(a: MatRef<'_, f64>) -> Result<(Mat<f64>, Vec<f64>, Mat<f64>)> {
    let svd = a.thin_svd().map_err(|_| Error::NotConverged {
        what: "singular value decomposition".into(),
        reached: f64::NAN,
        wanted: f64::EPSILON,
    })?;
    let s = svd.S().column_vector().iter().copied().collect();
    Ok((svd.U().to_owned(), s, svd.V().to_owned()))
}

/// Eigenvalues (descending) and vectors of a symmetric matrix (lower triangle read).
pub fn symmetric_eigen(a: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>)> {
    let e = a.self_adjoint_eigen(Side::Lower).map_err(|_| Error::NotConverged {
        what: "symmetric eigenvalue problem".into(),
        reached: f64::NAN,
        wanted: f64::EPSILON,
    })?;
    let n = a.nrows();
    let values: Vec<f64> = (0..n).map(|i| e.S().column_vector()[n - 1 - i]).collect();
    let vectors = Mat::from_fn(n, n, |i, j| e.U()[(i, n - 1 - j)]);
    Ok((values, vectors))
}

/// R factor (upper triangular, min(m, n) x n) of a QR factorisation.
pub fn qr_r(a: MatRef<'_, f64>) -> Mat<f64> {
    a.qr().thin_R().to_owned()
}

/// Lower Cholesky factor; the pivot that failed in the error.
pub fn cholesky(a: MatRef<'_, f64>, what: &str) -> Result<Mat<f64>> {
    match a.llt(Side::Lower) {
        Ok(f) => Ok(f.L().to_owned()),
        Err(faer::linalg::cholesky::llt::factor::LltError::NonPositivePivot { index }) => {
            Err(Error::NotPositiveDefinite {
                what: what.to_string(),
                pivot: index,
                mend: "check for duplicate rows or a wrong inner product".into(),
            })
        }
    }
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

/// Lower Cholesky factor in place of the lower triangle (the upper one is not read or written), sequential; the pivot
/// that failed as the error.
pub fn cholesky_in_place(a: MatMut<'_, f64>) -> std::result::Result<(), usize> {
    use faer::dyn_stack::{MemBuffer, MemStack};
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
