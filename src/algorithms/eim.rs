//! Empirical interpolation of functions that are columns, on points that are rows.

use super::eim_greedy::greedy;
use crate::error::{Error, Result};
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::scalar::Scalar;
use crate::linalg::tall::{Layout, TallMatrix};
use faer::{Mat, MatRef};

/// How large a residual is, where the worst column is looked for.
#[derive(Debug, Clone)]
pub enum Norm {
    /// Largest modulus.
    Maximum,
    /// sqrt(rᴴMr): Euclidean, or weighted by an inner product.
    L2(InnerProduct),
}

/// Options of [`eim`].
#[derive(Debug, Clone)]
pub struct EimOptions {
    /// Ends when the largest residual is at most this times the largest column, both in `norm`.
    pub tolerance: f64,
    /// Ends after this many terms; with neither this nor a tolerance, at round-off.
    pub max_terms: Option<usize>,
    /// Norm in which the worst column is chosen; points are those of the largest entry whatever the norm.
    pub norm: Norm,
    /// Factor >= 0 of each row that the rank holds, for functions of different units that are stacked: residuals are
    /// measured, and points chosen, on the scaled rows. A row with 0 is interpolated, never chosen.
    pub scale: Option<Vec<f64>>,
}

impl Default for EimOptions {
    fn default() -> Self {
        EimOptions { tolerance: 1e-6, max_terms: None, norm: Norm::Maximum, scale: None }
    }
}

/// Why no more terms were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The tolerance is reached.
    Tolerance,
    /// There are as many terms as were asked for, or as the result was truncated to.
    Terms,
    /// What was left of the worst column had no entry above 10 eps times the largest of all columns.
    RoundOff,
}

/// The point after the last one, where the interpolant of a new function can be checked.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckPoint<T> {
    /// Global number of the row.
    pub point: usize,
    /// q_m at the point.
    pub basis_row: Vec<T>,
}

/// Result of [`eim`]: g(x) ≈ Σ_m beta_m g_m(x), with F beta = (g(x_1), …, g(x_d)), F_lm = g_m(x_l) = (B C)_lm.
#[derive(Debug, Clone)]
pub struct Eim<T: Scalar> {
    /// Columns that the interpolants are combinations of, in the order in which they were found.
    pub columns: Vec<usize>,
    /// Rows (global numbers) where interpolants agree with functions.
    pub points: Vec<usize>,
    /// q_m on the rows that this rank holds [n_local, n_terms]: 1 at its point, 0 at those before.
    pub basis: Mat<T>,
    /// F [n_terms, n_terms]: the chosen columns at the points; where the columns were overwritten, B C.
    pub values: Mat<T>,
    /// B [n_terms, n_terms], unit lower triangular: q_m at point l.
    pub lower: Mat<T>,
    /// C [n_terms, n_terms], upper triangular: the factor of q_l in column m.
    pub upper: Mat<T>,
    /// Largest norm of a residual before each term, and after the last: n_terms + 1 numbers.
    pub errors: Vec<f64>,
    /// Why no more terms were added.
    pub stopped: Stop,
    /// The next point; `None` where all was round-off.
    pub check: Option<CheckPoint<T>>,
}

impl<T: Scalar> Eim<T> {
    /// Number of terms d.
    pub fn n_terms(&self) -> usize {
        self.points.len()
    }

    /// The first `n` terms, at most those that are here: what fewer `max_terms` would have given.
    pub fn truncated(&self, n: usize) -> Eim<T> {
        if n >= self.n_terms() {
            return self.clone();
        }
        let basis_row = (0..n).map(|m| self.lower[(n, m)]).collect();
        Eim {
            columns: self.columns[..n].to_vec(),
            points: self.points[..n].to_vec(),
            basis: self.basis.as_ref().subcols(0, n).to_owned(),
            values: self.values.as_ref().submatrix(0, 0, n, n).to_owned(),
            lower: self.lower.as_ref().submatrix(0, 0, n, n).to_owned(),
            upper: self.upper.as_ref().submatrix(0, 0, n, n).to_owned(),
            errors: self.errors[..=n].to_vec(),
            stopped: Stop::Terms,
            check: Some(CheckPoint { point: self.points[n], basis_row }),
        }
    }

    /// beta = C⁻¹ B⁻¹ (g(x_1), …, g(x_d)), O(d²). Errors: another number of values.
    ///
    /// The interpolant is right to round-off of g; a coefficient to that of g relative to the last pivots, which are the
    /// smallest: [`refined_coefficients`](Self::refined_coefficients) has all its digits.
    pub fn coefficients(&self, at_points: &[T]) -> Result<Vec<T>> {
        let mut values = at_points.to_vec();
        self.coefficients_into(&mut values)?;
        Ok(values)
    }

    /// [`coefficients`](Self::coefficients) in place of the values; no memory is asked for.
    pub fn coefficients_into(&self, values: &mut [T]) -> Result<()> {
        self.factors_into(values)?;
        for m in (0..values.len()).rev() {
            let column = self.upper.col_as_slice(m);
            let beta = values[m] / column[m];
            values[m] = beta;
            values[..m].iter_mut().zip(column).for_each(|(v, c)| *v = *v - beta * *c);
        }
        Ok(())
    }

    /// Factors lambda = B⁻¹ (g(x_1), …, g(x_d)) of the q_m in the interpolant, in place of the values.
    pub fn factors_into(&self, values: &mut [T]) -> Result<()> {
        if values.len() != self.n_terms() {
            return Err(Error::argument("values at interpolation points", values.len(), self.n_terms()));
        }
        forward(&self.lower, values);
        Ok(())
    }

    /// The interpolant Σ lambda_m q_m on the rows that this rank holds. Errors: another number of values.
    pub fn interpolate(&self, at_points: &[T]) -> Result<Vec<T>> {
        let mut factors = Mat::from_fn(at_points.len(), 1, |m, _| at_points[m]);
        self.factors_into(factors.col_as_slice_mut(0))?;
        let mut values = Mat::zeros(self.basis.nrows(), 1);
        T::gemm(values.as_mut(), false, self.basis.as_ref(), factors.as_ref(), T::real(1.0));
        Ok(values.col_as_slice(0).to_vec())
    }

    /// |g(y) - (I g)(y)| at the check point y: an estimate of the largest error, zero for the columns that were chosen;
    /// `None` without such a point. Errors: another number of values.
    pub fn error_estimate(&self, at_points: &[T], at_check: T) -> Result<Option<f64>> {
        let mut factors = at_points.to_vec();
        self.factors_into(&mut factors)?;
        let miss = |check: &CheckPoint<T>| {
            factors.iter().zip(&check.basis_row).fold(at_check, |miss, (f, q)| miss - *f * *q).modulus()
        };
        Ok(self.check.as_ref().map(miss))
    }
}

/// Σ |beta_m|: by how much errors of what is combined can grow.
pub fn lebesgue_sum<T: Scalar>(coefficients: &[T]) -> f64 {
    coefficients.iter().map(|b| b.modulus()).sum()
}

/// values <- B⁻¹ values, B unit lower triangular.
pub(super) fn forward<T: Scalar>(lower: &Mat<T>, values: &mut [T]) {
    for m in 0..values.len() {
        let (done, rest) = values.split_at_mut(m + 1);
        let column = &lower.col_as_slice(m)[m + 1..];
        rest.iter_mut().zip(column).for_each(|(v, b)| *v = *v - done[m] * *b);
    }
}

/// Empirical interpolation: the greedy choice of columns g_m and rows x_m that interpolate all columns.
///
/// ```text
/// r = g - I_m g of the worst column g,   x = argmax |r|,   q = r / r(x)
/// ```
///
/// an LU factorisation of the columns with both pivots chosen from the data. The interpolant is taken off twice before q
/// is normalised, so that q is zero at the points before it whatever round-off did, and it ends where the pivot is lost in
/// the round-off of the columns. Of nearly equal columns or rows (within 1e-10) the first is taken.
///
/// `columns` [n_dofs, n_functions]. Errors: empty, zero or not finite columns, magnitudes beyond 1e±130, options outside
/// their range. Cost: a copy of the columns; a residual is brought up to date only where a bound, its last norm and what
/// terms since then can have added, allows it to be the largest: a third to two thirds of n_dofs n_functions n_terms
/// entries are read and written, and 2 n_dofs n_terms² operations are done for the chosen ones. Collective: some
/// messages of a few hundred numbers per term.
/// Reference: Barrault, Maday, Nguyen, Patera, C. R. Acad. Sci. Paris I 339 (2004) 667; Maday, Nguyen, Patera, Pau, Commun.
/// Pure Appl. Anal. 8 (2009) 383; other norms: Casenave, Ern, Lelièvre, Appl. Math. Lett. 56 (2016) 23.
#[doc(alias = "empirical_interpolation")]
#[doc(alias = "ei_greedy")]
pub fn eim(columns: &TallMatrix, options: &EimOptions) -> Result<Eim<f64>> {
    greedy(columns.layout().clone(), columns.local().to_owned(), Some(columns.local()), options)
}

/// [`eim`] in the memory of the columns, which are lost.
pub fn eim_in_place(columns: TallMatrix, options: &EimOptions) -> Result<Eim<f64>> {
    let layout = columns.layout().clone();
    greedy(layout, columns.into_local(), None, options)
}

/// [`eim`] of real or complex columns that one rank holds; not collective.
pub fn eim_of<T: Scalar>(columns: MatRef<'_, T>, options: &EimOptions) -> Result<Eim<T>> {
    greedy(Layout::serial(columns.nrows()), columns.to_owned(), Some(columns), options)
}
