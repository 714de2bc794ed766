//! A rigorous bound of the error of an operator model, where all of its coefficients are exact and the operator is coercive.

use super::operator_model::{AtPoint, OperatorModel};
use super::reduced_basis_bound::solution_bound;
use crate::algorithms::coercivity::SuccessiveConstraints;
use crate::algorithms::coercivity::multipliers::Workspace;
use crate::error::Result;
use crate::linalg::scalar::Scalar;

/// Constants that turn a residual into a bound.
#[derive(Debug, Clone)]
pub struct Certified {
    /// Lower bounds of the coercivity of A(mu) in X, from the coefficients of all terms.
    pub coercivity: SuccessiveConstraints,
    /// ||v||_X² is at least this times the square of v in the norm of errors.
    pub norm_ratio: f64,
}

impl<T: Scalar> OperatorModel<T> {
    /// Bound of the relative error, in the norm of errors, of V y; infinite where nothing is known: the constant may be zero, or the
    /// bound is not below the size of the solution. None for a model without constants.
    ///
    /// ```text
    /// ||u - V y|| <= (||r||_X' + what it is not known better than) / (alpha sqrt(norm_ratio))
    /// ```
    pub(super) fn bound(&self, at: &AtPoint<T>, y: &[T], memory: &mut [T]) -> Result<Option<f64>> {
        let (Some(certified), Some(residual)) = (&self.certified, self.reduced.residual()) else { return Ok(None) };
        let theta: Vec<f64> = at.theta.iter().map(|t| t.re()).collect();
        let found = certified.coercivity.bounds(&theta, &mut Workspace::default())?;
        let Some(alpha) = found.constant().proved() else { return Ok(Some(f64::INFINITY)) };
        let residual = residual.norm(&at.theta, &at.gamma, y, memory)?;
        let bound = solution_bound(&residual, alpha * certified.norm_ratio.sqrt())?;
        Ok(Some(bound.relative(self.norm_in_errors(y)).unwrap_or(f64::INFINITY)))
    }
}
