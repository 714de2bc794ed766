//! R of a QR factorisation by Householder reflections, blocked.
//!
//! Written here because the factorisation of faer 0.24 takes what is left of a column for zero below 16 m eps of its
//! norm (3e-11 for 8,192 rows): singular values over many decades would be lost.

use super::dense;
use faer::{Mat, MatMut, MatRef};

/// Columns that are factorised before the rest of the matrix is updated.
const PANEL: usize = 32;
/// Columns that are factorised one by one.
const BASE: usize = 4;

/// R, upper triangular [min(m, n), n], of a = Q R; `a` is overwritten. Backward stable whatever the rank; sequential.
///
/// Q = I - V T Vᵀ per panel (compact WY), built by halves; 2 n² (m - n/3) flops, nearly all of them in products.
/// Reference: Schreiber, Van Loan, SIAM J. Sci. Stat. Comput. 10 (1989) 53; Elmroth, Gustavson, IBM J. Res. Dev. 44 (2000) 605.
pub fn qr_r(mut a: Mat<f64>) -> Mat<f64> {
    let (m, n) = (a.nrows(), a.ncols());
    let size = m.min(n);
    for start in (0..size).step_by(PANEL) {
        let k = PANEL.min(size - start);
        let mut rest = a.as_mut().submatrix_mut(start, start, m - start, n - start);
        let (mut v, mut t) = (Mat::zeros(m - start, k), Mat::zeros(k, k));
        panel(rest.as_mut().subcols_mut(0, k), v.as_mut(), t.as_mut());
        apply_transposed(v.as_ref(), t.as_ref(), rest.subcols_mut(k, n - start - k));
    }
    Mat::from_fn(size, n, |i, j| if i <= j { a[(i, j)] } else { 0.0 })
}

/// a <- Qᵀ a = a - V Tᵀ Vᵀ a.
fn apply_transposed(v: MatRef<'_, f64>, t: MatRef<'_, f64>, a: MatMut<'_, f64>) {
    if a.ncols() > 0 {
        let w = dense::mul(t.transpose(), dense::mul(v.transpose(), a.as_ref()).as_ref());
        dense::gemm(a, true, v, w.as_ref(), -1.0);
    }
}

/// Factorises a (m x k, m >= k) in place; fills V (unit lower trapezoidal; zero on entry) and T (upper triangular).
fn panel(mut a: MatMut<'_, f64>, mut v: MatMut<'_, f64>, mut t: MatMut<'_, f64>) {
    let (m, k) = (a.nrows(), a.ncols());
    if k <= BASE {
        for j in 0..k {
            reflect(a.as_mut(), v.as_mut(), t.as_mut(), j);
        }
        return;
    }
    let half = k / 2;
    let (mut left, mut right) = a.split_at_col_mut(half);
    panel(left.as_mut(), v.as_mut().subcols_mut(0, half), t.as_mut().submatrix_mut(0, 0, half, half));
    apply_transposed(v.as_ref().subcols(0, half), t.as_ref().submatrix(0, 0, half, half), right.as_mut());
    panel(
        right.subrows_mut(half, m - half),
        v.as_mut().submatrix_mut(half, half, m - half, k - half),
        t.as_mut().submatrix_mut(half, half, k - half, k - half),
    );
    let (v1, v2) = v.as_ref().split_at_col(half);
    let cross = dense::mul(v1.subrows(half, m - half).transpose(), v2.subrows(half, m - half));
    let t1 = dense::mul(t.as_ref().submatrix(0, 0, half, half), cross.as_ref());
    let t12 = dense::mul(t1.as_ref(), t.as_ref().submatrix(half, half, k - half, k - half));
    dense::gemm(
        t.submatrix_mut(0, half, half, k - half),
        false,
        t12.as_ref(),
        Mat::identity(k - half, k - half).as_ref(),
        -1.0,
    );
}

/// The reflection H = I - tau v vᵀ that takes column j below the diagonal to zero, applied to the columns on its right.
fn reflect(mut a: MatMut<'_, f64>, mut v: MatMut<'_, f64>, mut t: MatMut<'_, f64>, j: usize) {
    let (m, k) = (a.nrows(), a.ncols());
    let below = a.as_ref().col(j).subrows(j + 1, m - j - 1).norm_l2();
    let head = a[(j, j)];
    v[(j, j)] = 1.0;
    if below == 0.0 {
        return;
    }
    let beta = -head.hypot(below).copysign(head);
    let (tau, scale) = ((beta - head) / beta, 1.0 / (head - beta));
    (j + 1..m).for_each(|i| v[(i, j)] = scale * a[(i, j)]);
    a[(j, j)] = beta;
    for l in j + 1..k {
        let column = a.as_mut().col_mut(l).subrows_mut(j, m - j);
        let v = v.as_ref().col(j).subrows(j, m - j);
        let factor = -tau * dot(v, column.as_ref());
        faer::zip!(column, v).for_each(|faer::unzip!(a, v)| *a += factor * v);
    }
    t[(j, j)] = tau;
    let of_v = |i: usize| dot(v.as_ref().col(i).subrows(j, m - j), v.as_ref().col(j).subrows(j, m - j));
    let products: Vec<f64> = (0..j).map(of_v).collect();
    for i in 0..j {
        t[(i, j)] = -tau * (i..j).map(|l| t[(i, l)] * products[l]).sum::<f64>();
    }
}

/// aᵀb in eight fixed partial sums, so that it vectorises.
fn dot(a: faer::ColRef<'_, f64>, b: faer::ColRef<'_, f64>) -> f64 {
    let (Some(a), Some(b)) = (a.try_as_col_major(), b.try_as_col_major()) else {
        return a.iter().zip(b.iter()).map(|(a, b)| a * b).sum();
    };
    let (a, b) = (a.as_slice().chunks_exact(8), b.as_slice().chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; 8];
    for (a, b) in a.zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(s, (a, b))| *s += a * b);
    }
    sums.iter().sum::<f64>() + rest
}
