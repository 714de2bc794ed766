//! Small dense systems of real or complex numbers in memory that is there: nothing is allocated.
//!
//! Matrices are slices, column after column. LU with partial pivoting for square systems, Householder QR for least squares;
//! linear combinations of matrices. For the evaluation of reduced models, thousands of times per second.

use super::scalar::Scalar;
use super::simd::{Instructions, Loop, Simd};
use faer::{MatMut, MatRef};

/// Columns that are eliminated before the rest of the matrix is updated by one product, and the size from which on this
/// pays.
const PANEL: usize = 32;
const BLOCKED_FROM: usize = 96;

/// A pivot that is zero, or as small as round-off: column, absolute value, and the largest entry of that column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Singular {
    pub column: usize,
    pub pivot: f64,
    pub largest: f64,
}

/// out += sum_j c_j b_j, where b_j is `blocks[j * stride ..]`, as long as `out`; c_j for j below `n`.
pub fn add_combination<T: Scalar>(
    out: &mut [T],
    n: usize,
    coefficient: impl Fn(usize) -> T,
    blocks: &[T],
    stride: usize,
) {
    Instructions::best().run(Combination { out, n, coefficient, blocks, stride });
}

/// The arguments of [`add_combination`]. Loops here hold no vectors by name: compiled for wider ones, with the same results.
struct Combination<'a, T, F> {
    out: &'a mut [T],
    n: usize,
    coefficient: F,
    blocks: &'a [T],
    stride: usize,
}

impl<T: Scalar, F: Fn(usize) -> T> Loop for Combination<'_, T, F> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Combination { out, n, coefficient, blocks, stride } = self;
        let len = out.len();
        let mut j = 0;
        while j + 4 <= n {
            let c = [coefficient(j), coefficient(j + 1), coefficient(j + 2), coefficient(j + 3)];
            let (b0, b1) = (&blocks[j * stride..][..len], &blocks[(j + 1) * stride..][..len]);
            let (b2, b3) = (&blocks[(j + 2) * stride..][..len], &blocks[(j + 3) * stride..][..len]);
            for i in 0..len {
                out[i] += (c[0] * b0[i] + c[1] * b1[i]) + (c[2] * b2[i] + c[3] * b3[i]);
            }
            j += 4;
        }
        for j in j..n {
            add_scaled(out, coefficient(j), &blocks[j * stride..][..len]);
        }
    }
}

/// y += a x.
#[inline(always)]
fn add_scaled<T: Scalar>(y: &mut [T], a: T, x: &[T]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * *x;
    }
}

/// xᴴy.
fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    let mut sums = [T::default(); 4];
    let (xs, ys) = (x.chunks_exact(4), y.chunks_exact(4));
    let rest: T = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| x.conjugate() * *y).sum();
    for (x, y) in xs.zip(ys) {
        (0..4).for_each(|l| sums[l] += x[l].conjugate() * y[l]);
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// Euclidean norm; no square over- or underflows.
pub fn norm<T: Scalar>(x: &[T]) -> f64 {
    let squares: f64 = {
        let mut sums = [0.0; 4];
        let chunks = x.chunks_exact(4);
        let rest: f64 = chunks.remainder().iter().map(|x| x.modulus_squared()).sum();
        for x in chunks {
            (0..4).for_each(|l| sums[l] += x[l].modulus_squared());
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
    };
    if squares > 1e-280 && squares < 1e280 {
        return squares.sqrt();
    }
    let largest = x.iter().map(|x| size(*x)).fold(0.0, f64::max);
    if largest == 0.0 || !largest.is_finite() {
        return if squares.is_nan() { f64::NAN } else { largest };
    }
    largest * x.iter().map(|x| (*x * T::real(1.0 / largest)).modulus_squared()).sum::<f64>().sqrt()
}

/// |re| + |im|: within sqrt(2) of the absolute value, without a root.
#[inline(always)]
fn size<T: Scalar>(x: T) -> f64 {
    x.re().abs() + x.im().abs()
}

/// LU with partial pivoting (the first of equals) of a [n, n] in place: L below the diagonal, its ones not stored.
///
/// `swaps[k]` is the row that changed places with row k; `swaps` and `largest` hold n numbers. Error: a pivot at most
/// n eps times the largest entry of its column: the matrix is singular up to round-off. (2/3) n³ operations.
pub fn lu_in_place<T: Scalar>(a: &mut [T], n: usize, swaps: &mut [usize], largest: &mut [f64]) -> Result<(), Singular> {
    for (largest, column) in largest.iter_mut().zip(a.chunks_exact(n)) {
        *largest = column.iter().map(|x| size(*x)).fold(0.0, |m, x| if x > m || x.is_nan() { x } else { m });
    }
    let panel = if n < BLOCKED_FROM { n } else { PANEL };
    for first in (0..n).step_by(panel.max(1)) {
        let last = (first + panel).min(n);
        let mut outcome = Ok(());
        Instructions::best().run(Panel { a, n, panel: first..last, swaps, largest, outcome: &mut outcome });
        outcome?;
        if last < n {
            update(a, n, first..last);
        }
    }
    Ok(())
}

/// Eliminates the columns of a panel; whole rows change places.
struct Panel<'a, T> {
    a: &'a mut [T],
    n: usize,
    panel: std::ops::Range<usize>,
    swaps: &'a mut [usize],
    largest: &'a [f64],
    outcome: &'a mut Result<(), Singular>,
}

impl<T: Scalar> Loop for Panel<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Panel { a, n, panel, swaps, largest, outcome } = self;
        for k in panel.start..panel.end {
            let (left, right) = a.split_at_mut((k + 1) * n);
            let column = &mut left[k * n..];
            let (mut pivot, mut row) = (0.0, k);
            for (i, x) in column.iter().enumerate().skip(k) {
                let x = size(*x);
                if x > pivot || x.is_nan() {
                    (pivot, row) = (x, i);
                }
            }
            let floor = n as f64 * f64::EPSILON * largest[k];
            if !(pivot > floor && pivot.is_finite()) {
                *outcome = Err(Singular { column: k, pivot, largest: largest[k] });
                return;
            }
            swaps[k] = row;
            if row != k {
                left.chunks_exact_mut(n).chain(right.chunks_exact_mut(n)).for_each(|c| c.swap(k, row));
            }
            let column = &mut left[k * n..];
            let inverse = T::real(1.0) / column[k];
            for x in &mut column[k + 1..] {
                *x *= inverse;
            }
            let multipliers = &left[k * n + k + 1..];
            for c in right.chunks_exact_mut(n).take(panel.end - k - 1) {
                let (head, tail) = c.split_at_mut(k + 1);
                add_scaled(tail, -head[k], multipliers);
            }
        }
    }
}

/// The columns right of a panel: U = L⁻¹ A above, the product L U subtracted below.
fn update<T: Scalar>(a: &mut [T], n: usize, panel: std::ops::Range<usize>) {
    let (left, right) = a.split_at_mut(panel.end * n);
    for c in right.chunks_exact_mut(n) {
        for k in panel.clone() {
            let (head, tail) = c[..panel.end].split_at_mut(k + 1);
            add_scaled(tail, -head[k], &left[k * n + k + 1..k * n + panel.end]);
        }
    }
    let lower = MatRef::from_column_major_slice(&left[panel.start * n..], n, panel.len());
    let rest = right.len() / n;
    let (upper, below) = MatMut::from_column_major_slice_mut(right, n, rest).split_at_row_mut(panel.end);
    let upper = upper.as_ref().subrows(panel.start, panel.len());
    T::gemm(below, true, lower.subrows(panel.end, n - panel.end), upper, T::real(-1.0));
}

/// b <- A⁻¹ b with the factors of [`lu_in_place`]. 2 n² operations.
pub fn lu_solve_in_place<T: Scalar>(lu: &[T], n: usize, swaps: &[usize], b: &mut [T]) {
    for (k, row) in swaps.iter().enumerate().take(n) {
        b.swap(k, *row);
    }
    Instructions::best().run(Triangles { lu, n, b });
}

/// b <- U⁻¹ L⁻¹ b.
struct Triangles<'a, T> {
    lu: &'a [T],
    n: usize,
    b: &'a mut [T],
}

impl<T: Scalar> Loop for Triangles<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Triangles { lu, n, b } = self;
        for k in 0..n {
            let (head, tail) = b[..n].split_at_mut(k + 1);
            add_scaled(tail, -head[k], &lu[k * n + k + 1..(k + 1) * n]);
        }
        for k in (0..n).rev() {
            b[k] /= lu[k * n + k];
            let (head, tail) = b[..n].split_at_mut(k);
            add_scaled(head, -tail[0], &lu[k * n..k * n + k]);
        }
    }
}

/// b <- A⁻ᴴ b with the factors of [`lu_in_place`]. 2 n² operations.
pub fn lu_solve_adjoint_in_place<T: Scalar>(lu: &[T], n: usize, swaps: &[usize], b: &mut [T]) {
    for k in 0..n {
        let known = dot(&lu[k * n..k * n + k], &b[..k]);
        b[k] = (b[k] - known) / lu[k * n + k].conjugate();
    }
    for k in (0..n).rev() {
        let known = dot(&lu[k * n + k + 1..(k + 1) * n], &b[k + 1..n]);
        b[k] -= known;
    }
    for (k, row) in swaps.iter().enumerate().take(n).rev() {
        b.swap(k, *row);
    }
}

/// Least squares min ||a x - b|| for a [m, n], m >= n, by Householder QR: x in the first n places of `b`; returns the norm
/// that is left.
///
/// `a` and `b` are overwritten. Error: a diagonal entry of R at most m eps times the norm of its column. 2 m n² operations.
pub fn least_squares_in_place<T: Scalar>(a: &mut [T], m: usize, n: usize, b: &mut [T]) -> Result<f64, Singular> {
    for k in 0..n {
        let (left, right) = a.split_at_mut((k + 1) * m);
        let (above, v) = left[k * m..].split_at_mut(k);
        let length = norm(v);
        let whole = norm(above).hypot(length);
        if !(length > m as f64 * f64::EPSILON * whole && length.is_finite()) {
            return Err(Singular { column: k, pivot: length, largest: whole });
        }
        // v = x + sign(x_0) |x| e_0 has no cancellation; H = I - v vᴴ / (|x| |v_0|) takes x to -sign(x_0) |x| e_0.
        let head = v[0].modulus();
        let sign = if head > 0.0 { v[0] * T::real(1.0 / head) } else { T::real(1.0) };
        v[0] = sign * T::real(head + length);
        let factor = T::real(-1.0 / (length * (head + length)));
        for c in right.chunks_exact_mut(m).take(n - k - 1) {
            let c = &mut c[k..];
            add_scaled(c, factor * dot(v, c), v);
        }
        let rest = &mut b[k..m];
        add_scaled(rest, factor * dot(v, rest), v);
        v[0] = -sign * T::real(length);
    }
    let left = norm(&b[n..m]);
    for k in (0..n).rev() {
        b[k] /= a[k * m + k];
        let (head, tail) = b[..n].split_at_mut(k);
        add_scaled(head, -tail[0], &a[k * m..k * m + k]);
    }
    Ok(left)
}
