//! Inf-sup constants between training parameters: an estimate.

use super::Constant;
use crate::algorithms::gaussian_process::{GaussianProcess, GpOptions, gaussian_process};
use crate::error::{Error, Result};
use faer::{Mat, MatRef};

/// beta(mu) ≈ exp g(mu), g the mean of a Gaussian process through log beta at training parameters.
#[derive(Debug, Clone)]
pub struct InterpolatedInfSup {
    process: GaussianProcess,
}

/// Interpolates the logarithms of `constants` [m], all positive, over `points` [m, d].
///
/// Errors: shapes, constants that are not positive (a singular matrix at a training parameter), those of
/// [`gaussian_process`]. Not collective.
///
/// Reference: A. Manzoni, F. Negri, Heuristic strategies for the approximation of stability factors in quadratically
/// nonlinear parametrized PDEs, Adv. Comput. Math. 41 (2015) 1255.
#[doc(alias = "inf-sup")]
pub fn interpolated_inf_sup(points: MatRef<'_, f64>, constants: &[f64]) -> Result<InterpolatedInfSup> {
    if points.nrows() != constants.len() {
        return Err(Error::argument("inf-sup constants", constants.len(), points.nrows()));
    }
    if let Some(i) = constants.iter().position(|c| !(*c > 0.0 && c.is_finite())) {
        return Err(Error::argument(format!("inf-sup constant {i}"), constants[i], "a finite number > 0"));
    }
    let logarithms = Mat::from_fn(constants.len(), 1, |i, _| constants[i].ln());
    // Constants are computed, not measured: no noise.
    let options = GpOptions { fallback_to_mean: false, ..GpOptions::default() };
    Ok(InterpolatedInfSup { process: gaussian_process(points, logarithms.as_ref(), None, &options)? })
}

impl InterpolatedInfSup {
    /// [`Constant::Estimate`] at a parameter [d], and the standard deviation of its logarithm.
    ///
    /// Errors: another number of parameters, ones that are not finite.
    pub fn estimate(&self, parameter: &[f64]) -> Result<(Constant, f64)> {
        let (mean, deviation) = self.process.predict(MatRef::from_row_major_slice(parameter, 1, parameter.len()))?;
        Ok((Constant::Estimate(mean[(0, 0)].exp()), deviation[(0, 0)]))
    }

    /// The process, for files.
    pub fn process(&self) -> &GaussianProcess {
        &self.process
    }
}
