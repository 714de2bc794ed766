//! Stability constants alpha(mu) = min_v vᵀA(mu)v / vᵀXv of A(mu) = sum_q theta_q(mu) A_q, from small numbers only.
//!
//! ```text
//! alpha(mu) = min_y theta(mu)·y,   y_q = vᵀA_q v / vᵀXv,   sigma⁻_q <= y_q <= sigma⁺_q,   theta(mu_j)·y >= alpha_j
//! ```
//!
//! Three doors: [`MinTheta`], where coefficients are positive and terms semidefinite; [`SuccessiveConstraints`], for coefficients of
//! any sign, those of an empirical interpolation among them; [`InterpolatedInfSup`], for matrices that are not symmetric: an
//! estimate, and marked as one. The first two rest on one inequality, [`dual_bound`].

pub mod interpolated_inf_sup;
pub mod min_theta;
pub mod multipliers;
pub mod successive_constraints;

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

pub use interpolated_inf_sup::{InterpolatedInfSup, interpolated_inf_sup};
pub use min_theta::MinTheta;
pub use successive_constraints::{StabilityBounds, SuccessiveConstraints};

/// A stability constant at one parameter, and what it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Constant {
    /// Proved: the constant is not below; a residual over it bounds the error, where it is positive.
    LowerBound(f64),
    /// Neither a bound from below nor from above.
    Estimate(f64),
}

impl Constant {
    /// The number, whatever it is worth.
    pub fn value(self) -> f64 {
        match self {
            Constant::LowerBound(c) | Constant::Estimate(c) => c,
        }
    }

    /// A number by which errors are bounded: a bound from below that is positive.
    pub fn proved(self) -> Option<f64> {
        match self {
            Constant::LowerBound(c) if c > 0.0 => Some(c),
            _ => None,
        }
    }
}

/// What an eigenproblem at one parameter has told: theta·y >= lower for all y, and one y that comes near to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Constraint {
    /// theta(mu_j), one per term.
    pub theta: Vec<f64>,
    /// A proved bound from below of alpha(mu_j).
    pub lower: f64,
    /// y of the eigenvector that was found.
    pub minimiser: Vec<f64>,
}

/// A bound from below of alpha from multipliers lambda_j >= 0 of constraints, whatever they are:
///
/// ```text
/// theta·y = sum_j lambda_j theta_j·y + r·y >= sum_j lambda_j alpha_j + sum_q min(sigma⁻_q r_q, sigma⁺_q r_q),   r = theta - sum_j lambda_j theta_j
/// ```
///
/// `range`: (sigma⁻, sigma⁺) per term; `used`: pairs (constraint, lambda); negative multipliers count as zero. The rounding
/// errors of this sum are taken off, so that no solver of linear programs has to be trusted. O(terms x used).
pub fn dual_bound<'a>(
    range: &[(f64, f64)],
    theta: &[f64],
    used: impl Iterator<Item = (&'a Constraint, f64)> + Clone,
) -> f64 {
    let used = used.filter(|(_, lambda)| *lambda > 0.0);
    let (mut bound, mut size, mut n_used) = (0.0, 0.0, 0);
    for (constraint, lambda) in used.clone() {
        bound += lambda * constraint.lower;
        size += (lambda * constraint.lower).abs();
        n_used += 1;
    }
    for (q, ((lower, upper), theta)) in range.iter().zip(theta).enumerate() {
        let (mut rest, mut parts) = (*theta, theta.abs());
        for (constraint, lambda) in used.clone() {
            rest -= lambda * constraint.theta[q];
            parts += (lambda * constraint.theta[q]).abs();
        }
        bound += (lower * rest).min(upper * rest);
        size += lower.abs().max(upper.abs()) * parts;
    }
    // Each part is rounded fewer times than there are operations behind it.
    bound - (n_used + range.len() + 4) as f64 * f64::EPSILON * size
}

/// Shapes, finite numbers, an order of the range. Shared by what is built from such parts.
pub(crate) fn check_parts(range: &[(f64, f64)], constraints: &[Constraint]) -> Result<()> {
    let n = range.len();
    if n == 0 {
        return Err(Error::argument("terms of a stability constant", 0, "at least 1"));
    }
    for (q, (lower, upper)) in range.iter().enumerate() {
        if !(lower.is_finite() && upper.is_finite() && lower <= upper) {
            let found = format!("{lower} to {upper}");
            return Err(Error::argument(format!("range of term {q}"), found, "two finite numbers in ascending order"));
        }
    }
    for (j, c) in constraints.iter().enumerate() {
        if c.theta.len() != n || c.minimiser.len() != n {
            let found = format!("{} coefficients, {} quotients", c.theta.len(), c.minimiser.len());
            return Err(Error::argument(format!("constraint {j}"), found, format!("{n} of each")));
        }
        let numbers = c.theta.iter().chain(&c.minimiser).chain([&c.lower]);
        if let Some(bad) = numbers.into_iter().find(|x| !x.is_finite()) {
            return Err(Error::argument(format!("constraint {j}"), bad, "finite numbers"));
        }
    }
    Ok(())
}

/// One finite coefficient per term.
pub(crate) fn check_theta(theta: &[f64], n_terms: usize) -> Result<()> {
    if theta.len() != n_terms {
        return Err(Error::argument("coefficients theta", theta.len(), n_terms));
    }
    match theta.iter().position(|t| !t.is_finite()) {
        Some(q) => Err(Error::argument(format!("coefficient {q}"), theta[q], "a finite number")),
        None => Ok(()),
    }
}
