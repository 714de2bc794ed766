//! Symmetric form of the empirical interpolation: skeleton, cross or CUR approximation on two sets of indices.

use super::eim::{Eim, EimOptions, Norm, eim_of};
use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use faer::{Mat, MatRef};

/// Result of [`skeleton`].
#[derive(Debug, Clone)]
pub struct Skeleton<T: Scalar> {
    factors: Eim<T>,
}

/// (I f)(x, y) = f(x, Y) F⁻¹ f(X, y), F = f(X, Y), of points X and columns Y: exact on X, on Y, and for f of rank d.
///
/// `f` [d, d], the values of the chosen columns at the chosen points. The approximation depends on the two sets, not on
/// the order of their members nor on how the greedy scales its functions. F is factorised with complete pivoting, which
/// is [`eim_of`] F itself; it is never inverted. Errors: a matrix that is not square, not finite, or singular to
/// round-off. Cost: O(d³); not collective.
/// Reference: Casenave, Ern, Lelièvre, Appl. Math. Lett. 56 (2016) 23; Goreinov, Tyrtyshnikov, Zamarashkin, Linear Algebra
/// Appl. 261 (1997) 1.
#[doc(alias = "CUR")]
#[doc(alias = "cross_approximation")]
pub fn skeleton<T: Scalar>(f: MatRef<'_, T>) -> Result<Skeleton<T>> {
    if f.nrows() != f.ncols() {
        let found = format!("{} x {}", f.nrows(), f.ncols());
        return Err(Error::argument("values of the chosen columns at the chosen points", found, "a square matrix"));
    }
    let options = EimOptions { tolerance: 0.0, norm: Norm::Maximum, ..EimOptions::default() };
    let factors = eim_of(f, &options)?;
    if factors.n_terms() < f.nrows() {
        let found = format!("rank {} of {}", factors.n_terms(), f.nrows());
        return Err(Error::argument("values of the chosen columns at the chosen points", found, "a regular matrix"));
    }
    Ok(Skeleton { factors })
}

impl<T: Scalar> Skeleton<T> {
    /// Number of points, and of columns.
    pub fn n_terms(&self) -> usize {
        self.factors.n_terms()
    }

    /// beta = F⁻¹ f(X, y), in the order of the columns of F, from values in the order of its rows. Errors: another number of
    /// values. O(d²).
    pub fn coefficients(&self, at_points: &[T]) -> Result<Vec<T>> {
        if at_points.len() != self.n_terms() {
            return Err(Error::argument("values at the points of a skeleton", at_points.len(), self.n_terms()));
        }
        let mut values: Vec<T> = self.factors.points.iter().map(|l| at_points[*l]).collect();
        self.factors.coefficients_into(&mut values)?;
        let mut coefficients = values.clone();
        self.factors.columns.iter().zip(&values).for_each(|(m, beta)| coefficients[*m] = *beta);
        Ok(coefficients)
    }

    /// f(x, Y) F⁻¹ f(X, y) for rows `left` [n, d] and values `right` [d, k] at the points: [n, k]. Errors: shapes.
    pub fn approximate(&self, left: MatRef<'_, T>, right: MatRef<'_, T>) -> Result<Mat<T>> {
        let d = self.n_terms();
        if left.ncols() != d || right.nrows() != d {
            let found = format!("{} columns and {} points", left.ncols(), right.nrows());
            return Err(Error::argument("factors of a skeleton", found, format!("{d} columns and {d} points")));
        }
        let mut beta = Mat::zeros(d, right.ncols());
        for k in 0..right.ncols() {
            let column: Vec<T> = (0..d).map(|l| right[(l, k)]).collect();
            beta.col_as_slice_mut(k).copy_from_slice(&self.coefficients(&column)?);
        }
        Ok(crate::linalg::scalar::product(left, beta.as_ref()))
    }
}
