//! Coefficients from functions g_s(mu, x) on which the operator depends linearly.

use crate::algorithms::eim::{Eim, EimOptions, eim_of};
use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use faer::{Mat, MatRef};

/// Interpolation of the stacked functions G(mu, (s, x)) = w_s g_s(mu, x) / rho(mu): one set of coefficients for all, since the
/// operator's matrix only shows their sum.
///
/// The weights w_s make the largest value of each function 1, so that none takes all the terms; the amplitude rho is the caller's
/// and comes back in the coefficients: beta_m(mu) <- rho(mu) / rho(mu_m) beta_m(mu). Reference: F. Casenave, A. Ern, T. Lelièvre,
/// G. Sylvand, arXiv:1307.4330.
#[derive(Debug, Clone)]
pub struct FunctionFit<T: Scalar> {
    /// Interpolation: its columns are the training matrices that are the terms.
    pub eim: Eim<T>,
    /// Amplitude at the terms.
    pub amplitudes: Vec<f64>,
    /// Weight of the function of each row.
    pub weights: Vec<f64>,
}

impl<T: Scalar> FunctionFit<T> {
    /// From the values [n_functions * n_points, n_training], functions one after the other, and the amplitude at each training
    /// parameter. Errors: K100 an amplitude that is zero; those of [`eim_of`].
    pub fn new(values: MatRef<'_, T>, n_functions: usize, amplitudes: &[f64], options: &EimOptions) -> Result<Self> {
        if let Some(j) = amplitudes.iter().position(|a| !(a.is_finite() && *a != 0.0)) {
            let expected = "a finite number that is not zero";
            return Err(Error::argument(format!("amplitude at training point {j}"), amplitudes[j], expected));
        }
        let n_points = values.nrows() / n_functions.max(1);
        let weight = |s: usize| {
            let rows = values.subrows(s * n_points, n_points);
            let largest = (0..rows.ncols())
                .flat_map(|j| (0..n_points).map(move |i| (i, j)))
                .fold(0.0_f64, |m, (i, j)| m.max(rows[(i, j)].modulus() / amplitudes[j].abs()));
            if largest > 0.0 { 1.0 / largest } else { 1.0 }
        };
        let weights: Vec<f64> = (0..n_functions).map(weight).collect();
        let scaled = Mat::from_fn(n_functions * n_points, values.ncols(), |i, j| {
            values[(i, j)] * T::real(weights[i / n_points] / amplitudes[j])
        });
        // The interpolants themselves are not needed: coefficients come from the factors.
        let eim = Eim { basis: Mat::zeros(0, 0), ..eim_of(scaled.as_ref(), options)? };
        let amplitudes = eim.columns.iter().map(|j| amplitudes[*j]).collect();
        Ok(FunctionFit { eim, amplitudes, weights })
    }

    /// Number of terms.
    pub fn n_terms(&self) -> usize {
        self.eim.n_terms()
    }

    /// Coefficients from the functions' values at the points of the interpolation, row i of which belongs to function
    /// i / n_points, and the amplitude there.
    ///
    /// Errors: another number of values. O(n_terms²).
    pub fn coefficients(&self, values: &[T], amplitude: f64) -> Result<Vec<T>> {
        let beta = self.eim.coefficients(values)?;
        Ok(beta.iter().zip(&self.amplitudes).map(|(b, own)| *b * T::real(amplitude / own)).collect())
    }
}
