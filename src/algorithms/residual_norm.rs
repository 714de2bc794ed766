//! Squares of residual norms ||P x||² from products of coordinates: the classical expansion, and empirical interpolation.
//!
//! ```text
//! r(mu) = P x(mu),   ||r||² = xᴴ G x,  G = PᴴP          (norms are those of the columns of P as they are given)
//!                           = sum_r lambda_r ||r(mu_r)||²,  lambda from the products x_p conj(x_q)
//! ```
//!
//! The default of reduced bases is neither, but [`Residual`](crate::online::reduced_basis_residual::Residual), a norm that is never
//! squared. The expansion is here to show where it fails and to be checked in more digits; interpolation is for programs that give
//! norms of residuals and nothing else.

use super::eim::{Eim, EimOptions, eim_of};
use crate::error::{Error, Result};
use crate::linalg::double_double::DoubleDouble;
use crate::linalg::scalar::{Scalar, tall_adjoint_product};
use faer::{Mat, MatRef};
use rayon::prelude::*;

/// ||P x||² as a quadratic form.
///
/// Terms of the size of ||P||² ||x||² cancel: the norm is right to about sqrt(eps) ||P|| ||x|| only, and the square can be negative.
#[derive(Debug, Clone)]
pub struct QuadraticForm<T> {
    gram: Mat<T>,
}

impl<T: Scalar> QuadraticForm<T> {
    /// From P [n, Q], whitened where the norm is a dual one. O(n Q²).
    pub fn new(p: MatRef<'_, T>) -> QuadraticForm<T> {
        QuadraticForm { gram: tall_adjoint_product(p, p) }
    }

    /// xᴴ G x, x [Q]: below its round-off anything, negative numbers too. Errors: another number of coordinates. O(Q²).
    pub fn square(&self, x: &[T]) -> Result<f64> {
        let q = self.gram.ncols();
        check_length(x.len(), q)?;
        let row = |i: usize| -> T { (0..q).map(|j| self.gram[(i, j)] * x[j]).sum() };
        Ok((0..q).map(|i| (x[i].conjugate() * row(i)).re()).sum())
    }
}

/// [`QuadraticForm`] with G and the form in double-double: the norm is right to about 1e-16 ||P|| ||x||, for checks.
#[derive(Debug, Clone)]
pub struct ExtendedQuadraticForm {
    /// Real parts of the products of columns, then imaginary ones: [Q, Q] each, column after column.
    real: Vec<DoubleDouble>,
    imaginary: Vec<DoubleDouble>,
    n: usize,
}

impl ExtendedQuadraticForm {
    /// From P [n, Q], whitened where the norm is a dual one; about 20 times the cost of [`QuadraticForm::new`].
    pub fn new<T: Scalar>(p: MatRef<'_, T>) -> ExtendedQuadraticForm {
        let n = p.ncols();
        let of = |entry: usize| -> (DoubleDouble, DoubleDouble) {
            let (a, b) = (p.col(entry % n), p.col(entry / n));
            let (mut re, mut im) = (DoubleDouble::default(), DoubleDouble::default());
            for (a, b) in a.iter().zip(b.iter()) {
                re = re.plus(DoubleDouble::product(a.re(), b.re()));
                if T::IS_COMPLEX {
                    re = re.plus(DoubleDouble::product(a.im(), b.im()));
                    im = im.plus(DoubleDouble::product(a.re(), b.im()));
                    im = im.plus(DoubleDouble::product(a.im(), b.re()).negated());
                }
            }
            (re, im)
        };
        let (real, imaginary) = (0..n * n).into_par_iter().map(of).unzip();
        ExtendedQuadraticForm { real, imaginary, n }
    }

    /// xᴴ G x, x [Q]. Errors: another number of coordinates. O(Q²).
    pub fn square<T: Scalar>(&self, x: &[T]) -> Result<f64> {
        check_length(x.len(), self.n)?;
        let mut sum = DoubleDouble::default();
        for (j, b) in x.iter().enumerate() {
            for (i, a) in x.iter().enumerate() {
                // Re(conj(a) g b).
                let re = DoubleDouble::product(a.re(), b.re()).plus(DoubleDouble::product(a.im(), b.im()));
                let im = DoubleDouble::product(a.re(), b.im()).plus(DoubleDouble::product(a.im(), b.re()).negated());
                let k = j * self.n + i;
                sum = sum.plus(re.times(self.real[k])).plus(im.times(self.imaginary[k]).negated());
            }
        }
        Ok(sum.to_f64())
    }
}

/// One of the products x_p conj(x_q), p <= q: its real or its imaginary part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Product {
    p: usize,
    q: usize,
    imaginary: bool,
}

impl Product {
    fn all<T: Scalar>(n: usize) -> Vec<Product> {
        let parts: &[bool] = if T::IS_COMPLEX { &[false, true] } else { &[false] };
        let of = |(p, q): (usize, usize)| parts.iter().map(move |i| Product { p, q, imaginary: *i });
        let pairs = (0..n).flat_map(|q| (0..=q).map(move |p| (p, q)));
        pairs.flat_map(of).filter(|product| !(product.imaginary && product.p == product.q)).collect()
    }

    fn of<T: Scalar>(self, x: &[T]) -> f64 {
        let z = x[self.p] * x[self.q].conjugate();
        if self.imaginary { z.im() } else { z.re() }
    }
}

/// ||P x(mu)||² by interpolation of the products of coordinates: from norms of residuals at some parameters, however they come.
///
/// ||r(mu)||² is linear in z(mu) = (x_p conj(x_q)); empirical interpolation of z gives parameters mu_r and products z_l with
/// z(mu) ≈ sum_r lambda_r z(mu_r), lambda from the z_l(mu), and far fewer terms than there are products. Nothing large cancels, since
/// squares of small residuals are combined; where the truth is far below all of them, squares may still be negative.
/// Reference: F. Casenave, A. Ern, T. Lelièvre, ESAIM: M2AN 48 (2014) 207, arXiv:1212.0970.
#[derive(Debug, Clone)]
pub struct InterpolatedNorm {
    /// Training parameters whose norms are used, in the order of the terms.
    pub nodes: Vec<usize>,
    n_coordinates: usize,
    products: Vec<Product>,
    eim: Eim<f64>,
    squares: Vec<f64>,
}

impl InterpolatedNorm {
    /// From coordinates x [Q, m] at training parameters; `norm` gives the norm of the residual at one of them, and is called for
    /// the nodes only. Ends at `tolerance` of the largest product, or at round-off.
    ///
    /// Errors: nothing but zeros, norms that are not finite, those of `norm`. O(Q² m d) for d nodes.
    pub fn new<T: Scalar>(
        x: MatRef<'_, T>,
        tolerance: f64,
        norm: &mut dyn FnMut(usize) -> Result<f64>,
    ) -> Result<InterpolatedNorm> {
        let (n, m) = (x.nrows(), x.ncols());
        let products = Product::all::<T>(n);
        let columns: Vec<Vec<T>> = (0..m).map(|j| x.col(j).iter().copied().collect()).collect();
        let z = Mat::from_fn(products.len(), m, |l, j| products[l].of(&columns[j]));
        let found = eim_of(z.as_ref(), &EimOptions { tolerance, ..EimOptions::default() })?;
        if found.n_terms() == 0 {
            return Err(Error::argument("coordinates of residuals", "zeros", "at least one that is not zero"));
        }
        let square = |j: &usize| {
            let norm = norm(*j)?;
            let fits = norm >= 0.0 && norm.is_finite();
            let refused = || Error::argument(format!("norm of residual {j}"), norm, "a finite number >= 0");
            if fits { Ok(norm * norm) } else { Err(refused()) }
        };
        let squares = found.columns.iter().map(square).collect::<Result<_>>()?;
        let products = found.points.iter().map(|l| products[*l]).collect();
        let (nodes, eim) = (found.columns.clone(), Eim { basis: Mat::zeros(0, 0), ..found });
        Ok(InterpolatedNorm { nodes, n_coordinates: n, products, eim, squares })
    }

    /// ||P x||², x [Q]; may be negative near round-off of the largest square. Errors: another number of coordinates. O(d²).
    pub fn square<T: Scalar>(&self, x: &[T]) -> Result<f64> {
        check_length(x.len(), self.n_coordinates)?;
        let at_points: Vec<f64> = self.products.iter().map(|z| z.of(x)).collect();
        let lambda = self.eim.coefficients(&at_points)?;
        Ok(lambda.iter().zip(&self.squares).map(|(l, s)| l * s).sum())
    }
}

fn check_length(found: usize, expected: usize) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::argument("coordinates of a residual", found, expected)),
    }
}
