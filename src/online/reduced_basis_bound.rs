//! Rigorous bounds of the error of a reduced basis, from its residual and a lower bound of the stability constant.
//!
//! ```text
//! alpha(mu) = min Re a(v, v) / ||v||_X²  (coercive), or inf-sup:   ||u - u_N||_X <= ||r||_X' / alpha
//! symmetric:   ||u - u_N||_mu <= ||r||_X' / sqrt(alpha)
//! outputs:     |l(u) - l(u_N) - z_Nᴴr| <= ||r||_X' ||r_dual||_X' / alpha
//! ```
//!
//! They hold where the residual was compressed in the dual norm of X ([`ResidualNorm`] of what Q_P misses and of round-off is added
//! apart, as what a bound cannot fall below), and where the coefficients are those of the true operator.

use super::reduced_basis::{ReducedBasis, Workspace};
use super::reduced_basis_residual::ResidualNorm;
use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use crate::linalg::small::norm;
use faer::MatRef;

/// The error is at most `bound` + `certificate`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorBound {
    /// From the residual as it was computed.
    pub bound: f64,
    /// What the residual is not known better than: the bound is valid down to this.
    pub certificate: f64,
}

impl ErrorBound {
    /// bound + certificate: never below the error.
    pub fn total(&self) -> f64 {
        self.bound + self.certificate
    }

    /// Bound of error / ||u|| where `size` = ||u_N|| in the same norm: total / (size - total), since ||u|| >= size - total; `None`
    /// where the bound is not below the size, and nothing is known.
    pub fn relative(&self, size: f64) -> Option<f64> {
        let total = self.total();
        (total < size).then(|| total / (size - total))
    }

    fn of(numerator: &ResidualNorm, denominator: f64) -> ErrorBound {
        ErrorBound { bound: numerator.norm / denominator, certificate: numerator.uncertainty / denominator }
    }
}

/// ||u - u_N||_X <= ||r||_X' / alpha. Errors: a constant that is not positive.
///
/// Reference: Prud'homme, Rovas, Veroy, Machiels, Maday, Patera, Turinici, J. Fluids Eng. 124 (2002) 70.
pub fn solution_bound(residual: &ResidualNorm, alpha: f64) -> Result<ErrorBound> {
    Ok(ErrorBound::of(residual, checked(alpha)?))
}

/// sqrt(Re a(e, e)) <= ||r||_X' / sqrt(alpha). Errors: a constant that is not positive.
///
/// Holds for coercive problems, symmetric or not.
pub fn energy_bound(residual: &ResidualNorm, alpha: f64) -> Result<ErrorBound> {
    Ok(ErrorBound::of(residual, checked(alpha)?.sqrt()))
}

/// Bound of the error of an output corrected by its dual solution. Errors: a constant that is not positive.
///
/// Where a problem is symmetric and its output its load, the primal residual is the dual one. Reference: Pierce, Giles, SIAM Review
/// 42 (2000) 247.
pub fn output_bound(primal: &ResidualNorm, dual: &ResidualNorm, alpha: f64) -> Result<ErrorBound> {
    let alpha = checked(alpha)?;
    let whole = (primal.norm + primal.uncertainty) * (dual.norm + dual.uncertainty) / alpha;
    let bound = primal.norm * dual.norm / alpha;
    Ok(ErrorBound { bound, certificate: whole - bound })
}

pub(super) fn checked(alpha: f64) -> Result<f64> {
    match alpha > 0.0 && alpha.is_finite() {
        true => Ok(alpha),
        false => Err(Error::argument("lower bound of the stability constant", alpha, "a number > 0")),
    }
}

impl<T: Scalar> ReducedBasis<T> {
    /// [`solve`](Self::solve) with the norm of the residual, from which all bounds follow.
    ///
    /// Errors: those of `solve`, a model without residual. O(d k N) for k rows of the residual; nothing is allocated.
    pub fn solve_with_residual<'w>(
        &self,
        theta: &[T],
        gamma: &[T],
        n_modes: usize,
        workspace: &'w mut Workspace<T>,
    ) -> Result<(&'w [T], ResidualNorm)> {
        self.solve_in(theta, gamma, n_modes, workspace)?;
        let Workspace { residual, solution, .. } = workspace;
        let y = &solution[..n_modes];
        let found = self.known_residual()?.norm(theta, gamma, y, residual)?;
        Ok((y, found))
    }

    /// Bounds of ||u - u_N||_X over ||u||_X [b] for lower bounds `alpha` [b] of the stability constant. Numbers above 1 are no bounds:
    /// twice that of the error over ||u_N||_X, so that they fall as it does.
    ///
    /// Arguments and errors as [`indicator_batch`](Self::indicator_batch), a constant that is not positive.
    pub fn relative_bound_batch(
        &self,
        theta: MatRef<'_, T>,
        gamma: MatRef<'_, T>,
        alpha: &[f64],
        n_modes: usize,
    ) -> Result<Vec<f64>> {
        if alpha.len() != theta.ncols() {
            return Err(Error::argument("lower bounds of the stability constant", alpha.len(), theta.ncols()));
        }
        let residual = self.known_residual()?;
        self.measure_each_point(theta, gamma, |point, theta, gamma, w| {
            self.solve_in(theta, gamma, n_modes, w)?;
            let Workspace { residual: memory, solution, .. } = w;
            let y = &solution[..n_modes];
            let bound = solution_bound(&residual.norm(theta, gamma, y, memory)?, alpha[point])?;
            let size = norm(y).max(f64::MIN_POSITIVE);
            Ok(bound.relative(size).filter(|r| *r <= 1.0).unwrap_or(2.0 * bound.total() / size))
        })
    }
}
