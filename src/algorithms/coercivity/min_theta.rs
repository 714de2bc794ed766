//! The min-theta bound.

use super::{Constant, Constraint, check_parts, check_theta, dual_bound};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// A term counts as semidefinite where sigma⁻ is above this share of sigma⁺, negative: what round-off and the size of a proof
/// may leave. The bound holds without it; it is only as tight as terms are near to semidefinite.
const SEMIDEFINITE: f64 = 1e-4;

/// alpha(mu) >= max_j alpha(mu_j) min_q theta_q(mu) / theta_q(mu_j), for theta_q > 0 and A_q positive semidefinite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MinTheta {
    range: Vec<(f64, f64)>,
    references: Vec<Constraint>,
}

impl MinTheta {
    /// From proved ranges of the terms and references, one or more.
    ///
    /// Errors, with the reason why this bound does not hold: a term that is not semidefinite, a reference whose coefficients are
    /// not all positive, or whose constant is not; shapes and numbers.
    pub fn new(range: Vec<(f64, f64)>, references: Vec<Constraint>) -> Result<MinTheta> {
        check_parts(&range, &references)?;
        if references.is_empty() {
            return Err(Error::argument("references of min-theta", 0, "at least 1"));
        }
        for (q, (lower, upper)) in range.iter().enumerate() {
            if *lower < -SEMIDEFINITE * upper.max(0.0) {
                let found = format!("quotients from {lower:.3e} to {upper:.3e}");
                return Err(Error::argument(
                    format!("term {q} of min-theta"),
                    found,
                    "a positive semidefinite matrix; mend: take the successive constraint method",
                ));
            }
        }
        for (j, reference) in references.iter().enumerate() {
            check_positive(&reference.theta, &format!("of reference {j}"))?;
            if reference.lower <= 0.0 {
                let what = format!("constant of reference {j}");
                return Err(Error::argument(what, reference.lower, "a number > 0: a coercive problem"));
            }
        }
        Ok(MinTheta { range, references })
    }

    /// The bound at coefficients `theta`, one per term.
    ///
    /// What terms may lack of being semidefinite (their sigma⁻) and round-off are taken off. Errors: another number of
    /// coefficients, one that is not positive: there the bound does not hold. O(terms x references), no allocation.
    ///
    /// Reference: A. Patera, G. Rozza, Reduced Basis Approximation and A Posteriori Error Estimation for Parametrized Partial
    /// Differential Equations, MIT 2007, section 4.2.
    #[doc(alias = "min-theta")]
    pub fn min_theta(&self, theta: &[f64]) -> Result<Constant> {
        check_theta(theta, self.range.len())?;
        check_positive(theta, "")?;
        let bound = |reference: &Constraint| {
            let ratios = theta.iter().zip(&reference.theta).map(|(t, r)| t / r);
            let least = ratios.fold(f64::INFINITY, f64::min);
            dual_bound(&self.range, theta, std::iter::once((reference, least)))
        };
        Ok(Constant::LowerBound(self.references.iter().map(bound).fold(f64::NEG_INFINITY, f64::max)))
    }

    /// The references.
    pub fn references(&self) -> &[Constraint] {
        &self.references
    }
}

fn check_positive(theta: &[f64], whose: &str) -> Result<()> {
    match theta.iter().position(|t| *t <= 0.0) {
        Some(q) => {
            let what = format!("coefficient {q} {whose}").trim_end().to_string();
            let expected = "a number > 0, for min-theta; mend: take the successive constraint method";
            Err(Error::argument(what, theta[q], expected))
        }
        None => Ok(()),
    }
}
