//! Real and complex numbers: what the decompositions of operators and the reduced bases are written for.
//!
//! Everything dense on them is a concrete function for `f64` and one for [`c64`], compiled here and nowhere else; all are
//! sequential, as in [`dense`](super::dense).

use crate::error::{Error, Result};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::matmul::matmul;
use faer::perm::PermRef;
use faer::sparse::SparseColMatRef;
use faer::sparse::linalg::lu::{LuRef, NumericLu, SymbolicLu};
use faer::traits::ComplexField;
use faer::{Accum, Conj, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;
use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

pub use faer::c64;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f64 {}
    impl Sealed for faer::c64 {}
}

/// `f64` or [`c64`].
pub trait Scalar:
    sealed::Sealed
    + ComplexField
    + Copy
    + Default
    + PartialEq
    + Debug
    + Display
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
{
    /// Whether there is an imaginary part.
    const IS_COMPLEX: bool;
    /// From its parts; the imaginary one is lost where there is none.
    fn from_parts(re: f64, im: f64) -> Self;
    /// Real numbers as these; the same memory where they are.
    fn of_reals(values: Vec<f64>) -> Vec<Self>;
    /// A real matrix as one of these; the same memory where they are.
    fn of_real_matrix(m: Mat<f64>) -> Mat<Self>;
    /// Real part.
    fn re(self) -> f64;
    /// Imaginary part.
    fn im(self) -> f64;
    /// Complex conjugate.
    fn conjugate(self) -> Self;
    /// Absolute value.
    fn modulus(self) -> f64;
    /// Square of the absolute value.
    fn modulus_squared(self) -> f64 {
        self.re() * self.re() + self.im() * self.im()
    }
    /// Neither infinite nor not a number.
    fn finite(self) -> bool {
        self.re().is_finite() && self.im().is_finite()
    }
    /// A real number.
    fn real(x: f64) -> Self {
        Self::from_parts(x, 0.0)
    }
    /// dst = alpha a b, or dst += alpha a b.
    fn gemm(dst: MatMut<'_, Self>, accumulate: bool, a: MatRef<'_, Self>, b: MatRef<'_, Self>, alpha: Self);
    /// dst = alpha aᴴ b, or dst += alpha aᴴ b.
    fn gemm_adjoint(dst: MatMut<'_, Self>, accumulate: bool, a: MatRef<'_, Self>, b: MatRef<'_, Self>, alpha: Self);
    /// Thin SVD a = U diag(s) Vᴴ, s descending.
    fn thin_svd(a: MatRef<'_, Self>) -> Result<(Mat<Self>, Vec<f64>, Mat<Self>)>;
    /// U and s of [`thin_svd`](Self::thin_svd) alone.
    fn left_svd(a: MatRef<'_, Self>) -> Result<(Mat<Self>, Vec<f64>)>;
    /// x with a x = b by LU with partial pivoting, and a bound from below of the reciprocal condition number: smallest over
    /// largest pivot. Errors: [`Error::Argument`] where a pivot is zero or not finite.
    fn lu_solve(a: MatRef<'_, Self>, b: MatRef<'_, Self>, what: &str) -> Result<(Mat<Self>, f64)>;
    /// Columns in the order of QR with column pivoting, and the diagonal of R in absolute values.
    ///
    /// A tall matrix is taken to its R by blocks of rows first, whose columns have the same products: no copy of it all.
    fn pivoted_columns(a: MatRef<'_, Self>) -> (Vec<usize>, Vec<f64>);
    /// Numbers of a sparse LU factorisation on an analysed pattern; what went wrong where there is none.
    fn sparse_lu(
        symbolic: &SymbolicLu<usize>,
        a: SparseColMatRef<'_, usize, Self>,
    ) -> std::result::Result<NumericLu<usize, Self>, String>;
    /// x <- A⁻ᵀ x, or conj(A)⁻¹ x, with the factors of [`sparse_lu`](Self::sparse_lu).
    fn sparse_lu_solve(symbolic: &SymbolicLu<usize>, lu: &NumericLu<usize, Self>, x: MatMut<'_, Self>, conjugate: bool);
    /// Eigenvalues of a Hermitian matrix, ascending (lower triangle read).
    fn hermitian_eigenvalues(a: MatRef<'_, Self>) -> Result<Vec<f64>>;
}

fn svd_failed() -> Error {
    Error::NotConverged { what: "singular value decomposition".into(), reached: f64::NAN, wanted: f64::EPSILON }
}

macro_rules! dense_functions {
    ($t:ty) => {
        fn gemm(dst: MatMut<'_, Self>, accumulate: bool, a: MatRef<'_, Self>, b: MatRef<'_, Self>, alpha: Self) {
            matmul(dst, if accumulate { Accum::Add } else { Accum::Replace }, a, b, alpha, Par::Seq);
        }

        fn gemm_adjoint(
            dst: MatMut<'_, Self>,
            accumulate: bool,
            a: MatRef<'_, Self>,
            b: MatRef<'_, Self>,
            alpha: Self,
        ) {
            matmul(dst, if accumulate { Accum::Add } else { Accum::Replace }, a.adjoint(), b, alpha, Par::Seq);
        }

        fn thin_svd(a: MatRef<'_, Self>) -> Result<(Mat<Self>, Vec<f64>, Mat<Self>)> {
            use faer::linalg::svd::{ComputeSvdVectors::Thin, svd, svd_scratch};
            let (m, n) = (a.nrows(), a.ncols());
            let size = m.min(n);
            let (mut u, mut v, mut s) = (Mat::zeros(m, size), Mat::zeros(n, size), Diag::zeros(size));
            let mut memory = MemBuffer::new(svd_scratch::<$t>(m, n, Thin, Thin, Par::Seq, Default::default()));
            let stack = MemStack::new(&mut memory);
            svd(a, s.as_mut(), Some(u.as_mut()), Some(v.as_mut()), Par::Seq, stack, Default::default())
                .map_err(|_| svd_failed())?;
            Ok((u, s.column_vector().iter().map(|x: &$t| x.re()).collect(), v))
        }

        fn left_svd(a: MatRef<'_, Self>) -> Result<(Mat<Self>, Vec<f64>)> {
            use faer::linalg::svd::ComputeSvdVectors::{No, Thin};
            use faer::linalg::svd::{svd, svd_scratch};
            let (m, n) = (a.nrows(), a.ncols());
            let size = m.min(n);
            let (mut u, mut s) = (Mat::zeros(m, size), Diag::zeros(size));
            let mut memory = MemBuffer::new(svd_scratch::<$t>(m, n, Thin, No, Par::Seq, Default::default()));
            let stack = MemStack::new(&mut memory);
            svd(a, s.as_mut(), Some(u.as_mut()), None, Par::Seq, stack, Default::default())
                .map_err(|_| svd_failed())?;
            Ok((u, s.column_vector().iter().map(|x: &$t| x.re()).collect()))
        }

        fn lu_solve(a: MatRef<'_, Self>, b: MatRef<'_, Self>, what: &str) -> Result<(Mat<Self>, f64)> {
            use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
            use faer::linalg::lu::partial_pivoting::solve::{solve_in_place_scratch, solve_in_place_with_conj};
            let n = a.nrows();
            let mut lu = a.to_owned();
            let (mut order, mut inverse) = (vec![0_usize; n], vec![0_usize; n]);
            let mut memory = MemBuffer::new(lu_in_place_scratch::<usize, $t>(n, n, Par::Seq, Default::default()));
            let stack = MemStack::new(&mut memory);
            lu_in_place(lu.as_mut(), &mut order, &mut inverse, Par::Seq, stack, Default::default());
            let pivots: Vec<f64> = (0..n).map(|i| lu[(i, i)].modulus()).collect();
            let largest = pivots.iter().copied().fold(0.0, f64::max);
            if let Some(i) = pivots.iter().position(|p| !(*p > 0.0 && p.is_finite())) {
                let found = format!("pivot {i} of {n} is {}", pivots[i]);
                return Err(Error::argument(what, found, "a regular matrix"));
            }
            let smallest = pivots.iter().copied().fold(f64::INFINITY, f64::min);
            let mut x = b.to_owned();
            let mut memory = MemBuffer::new(solve_in_place_scratch::<usize, $t>(n, b.ncols(), Par::Seq));
            let stack = MemStack::new(&mut memory);
            let rows = PermRef::new_checked(&order, &inverse, n);
            solve_in_place_with_conj(lu.as_ref(), lu.as_ref(), rows, Conj::No, x.as_mut(), Par::Seq, stack);
            Ok((x, if n == 0 { 1.0 } else { smallest / largest }))
        }

        fn pivoted_columns(a: MatRef<'_, Self>) -> (Vec<usize>, Vec<f64>) {
            // R of QR, by blocks of rows below the R of those before; A itself where it is not tall.
            fn triangle(a: MatRef<'_, $t>) -> Mat<$t> {
                use faer::linalg::qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size};
                let (m, n) = (a.nrows(), a.ncols());
                if n == 0 || m <= 4 * n {
                    return a.to_owned();
                }
                let rows = 2 * n;
                let mut stacked = Mat::<$t>::zeros(n + rows, n);
                for first in (0..m).step_by(rows) {
                    let (old, new) = (if first == 0 { 0 } else { n }, rows.min(m - first));
                    for j in 0..n {
                        (j + 1..old).for_each(|i| stacked[(i, j)] = <$t>::default());
                        (0..new).for_each(|i| stacked[(old + i, j)] = a[(first + i, j)]);
                    }
                    let mut block = stacked.as_mut().subrows_mut(0, old + new);
                    let size = recommended_block_size::<$t>(old + new, n);
                    let mut coefficients = Mat::zeros(size, n.min(old + new));
                    let request = qr_in_place_scratch::<$t>(old + new, n, size, Par::Seq, Default::default());
                    let mut memory = MemBuffer::new(request);
                    let stack = MemStack::new(&mut memory);
                    qr_in_place(block.as_mut(), coefficients.as_mut(), Par::Seq, stack, Default::default());
                }
                Mat::from_fn(n, n, |i, j| if i <= j { stacked[(i, j)] } else { <$t>::default() })
            }
            use faer::linalg::qr::col_pivoting::factor::{qr_in_place, qr_in_place_scratch};
            let mut qr = triangle(a);
            let (m, n) = (qr.nrows(), qr.ncols());
            let size = m.min(n);
            let block = faer::linalg::qr::no_pivoting::factor::recommended_block_size::<$t>(m, n);
            let mut coefficients = Mat::zeros(block, size);
            let (mut order, mut inverse) = (vec![0_usize; n], vec![0_usize; n]);
            let mut memory =
                MemBuffer::new(qr_in_place_scratch::<usize, $t>(m, n, block, Par::Seq, Default::default()));
            let stack = MemStack::new(&mut memory);
            qr_in_place(
                qr.as_mut(),
                coefficients.as_mut(),
                &mut order,
                &mut inverse,
                Par::Seq,
                stack,
                Default::default(),
            );
            (order, (0..size).map(|i| qr[(i, i)].modulus()).collect())
        }

        fn sparse_lu(
            symbolic: &SymbolicLu<usize>,
            a: SparseColMatRef<'_, usize, Self>,
        ) -> std::result::Result<NumericLu<usize, Self>, String> {
            let request = symbolic.factorize_numeric_lu_scratch::<$t>(Par::Seq, Default::default());
            let mut memory = MemBuffer::new(request);
            let (mut lu, stack) = (NumericLu::new(), MemStack::new(&mut memory));
            match symbolic.factorize_numeric_lu(&mut lu, a, Par::Seq, stack, Default::default()) {
                Ok(_) => Ok(lu),
                Err(error) => Err(error.to_string()),
            }
        }

        fn sparse_lu_solve(
            symbolic: &SymbolicLu<usize>,
            lu: &NumericLu<usize, Self>,
            x: MatMut<'_, Self>,
            conjugate: bool,
        ) {
            let mut memory = MemBuffer::new(symbolic.solve_in_place_scratch::<$t>(x.ncols(), Par::Seq));
            let (lu, stack) = (LuRef::new_unchecked(symbolic, lu), MemStack::new(&mut memory));
            match conjugate {
                true => lu.solve_in_place_with_conj(Conj::Yes, x, Par::Seq, stack),
                false => lu.solve_transpose_in_place_with_conj(Conj::No, x, Par::Seq, stack),
            }
        }

        fn hermitian_eigenvalues(a: MatRef<'_, Self>) -> Result<Vec<f64>> {
            use faer::linalg::evd::{ComputeEigenvectors::No, self_adjoint_evd, self_adjoint_evd_scratch};
            let mut s = Diag::zeros(a.nrows());
            let request = self_adjoint_evd_scratch::<$t>(a.nrows(), No, Par::Seq, Default::default());
            let mut memory = MemBuffer::new(request);
            let stack = MemStack::new(&mut memory);
            self_adjoint_evd(a, s.as_mut(), None, Par::Seq, stack, Default::default()).map_err(|_| {
                Error::NotConverged { what: "Hermitian eigenvalues".into(), reached: f64::NAN, wanted: f64::EPSILON }
            })?;
            Ok(s.column_vector().iter().map(|x: &$t| x.re()).collect())
        }
    };
}

impl Scalar for f64 {
    const IS_COMPLEX: bool = false;
    fn from_parts(re: f64, _im: f64) -> Self {
        re
    }
    fn of_reals(values: Vec<f64>) -> Vec<f64> {
        values
    }
    fn of_real_matrix(m: Mat<f64>) -> Mat<f64> {
        m
    }
    fn re(self) -> f64 {
        self
    }
    fn im(self) -> f64 {
        0.0
    }
    fn conjugate(self) -> Self {
        self
    }
    fn modulus(self) -> f64 {
        self.abs()
    }
    dense_functions!(f64);
}

impl Scalar for c64 {
    const IS_COMPLEX: bool = true;
    fn from_parts(re: f64, im: f64) -> Self {
        c64::new(re, im)
    }
    fn of_reals(values: Vec<f64>) -> Vec<c64> {
        values.into_iter().map(|x| c64::new(x, 0.0)).collect()
    }
    fn of_real_matrix(m: Mat<f64>) -> Mat<c64> {
        Mat::from_fn(m.nrows(), m.ncols(), |i, j| c64::new(m[(i, j)], 0.0))
    }
    fn re(self) -> f64 {
        self.re
    }
    fn im(self) -> f64 {
        self.im
    }
    fn conjugate(self) -> Self {
        c64::new(self.re, -self.im)
    }
    fn modulus(self) -> f64 {
        self.re.hypot(self.im)
    }
    dense_functions!(c64);
}

/// a b.
pub fn product<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Mat<T> {
    let mut c = Mat::zeros(a.nrows(), b.ncols());
    T::gemm(c.as_mut(), false, a, b, T::real(1.0));
    c
}

/// aᴴ b.
pub fn adjoint_product<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Mat<T> {
    let mut c = Mat::zeros(a.ncols(), b.ncols());
    T::gemm_adjoint(c.as_mut(), false, a, b, T::real(1.0));
    c
}

/// Rows that one task multiplies; partial sums are added in the order of the blocks, whatever the number of threads.
const BLOCK_ROWS: usize = 4096;

/// aᴴ b of tall matrices, by blocks of rows in parallel; the result does not depend on the number of threads.
pub fn tall_adjoint_product<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Mat<T> {
    if a.nrows() <= BLOCK_ROWS {
        return adjoint_product(a, b);
    }
    let firsts: Vec<usize> = (0..a.nrows()).step_by(BLOCK_ROWS).collect();
    let block = |first: &usize| {
        let len = BLOCK_ROWS.min(a.nrows() - first);
        adjoint_product(a.subrows(*first, len), b.subrows(*first, len))
    };
    let blocks: Vec<Mat<T>> = firsts.par_iter().map(block).collect();
    let mut sum = Mat::zeros(a.ncols(), b.ncols());
    blocks.iter().for_each(|block| {
        sum.as_mut().col_iter_mut().zip(block.col_iter()).for_each(|(s, b)| {
            s.iter_mut().zip(b.iter()).for_each(|(s, b)| *s += *b);
        });
    });
    sum
}

/// c += alpha a b for tall a and c, by blocks of rows in parallel.
pub fn add_tall_product<T: Scalar>(mut c: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>, alpha: T) {
    if c.ncols() == 0 || a.ncols() == 0 || c.nrows() == 0 {
        return;
    }
    c.as_mut().par_row_chunks_mut(BLOCK_ROWS).enumerate().for_each(|(i, c)| {
        let (first, len) = (i * BLOCK_ROWS, c.nrows());
        T::gemm(c, true, a.subrows(first, len), b, alpha);
    });
}
