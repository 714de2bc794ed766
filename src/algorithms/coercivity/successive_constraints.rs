//! Successive constraint method, online.

use super::multipliers::{Workspace, multipliers};
use super::{Constant, Constraint, check_parts, check_theta, dual_bound};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Bounds of alpha(mu) from a box of Rayleigh quotients and constants at some parameters; coefficients may have any sign.
///
/// ```text
/// lower(mu) = min { theta(mu)·y : sigma⁻ <= y <= sigma⁺, theta(mu_j)·y >= alpha_j },   upper(mu) = min_j theta(mu)·y_j
/// ```
///
/// All constraints are used unless `n_nearest` is smaller. With all of them, bounds at training points as further
/// constraints, as in the original method, would add nothing: they follow from the others.
///
/// Reference: D. Huynh, G. Rozza, S. Sen, A. Patera, C. R. Acad. Sci. Paris, Ser. I 345 (2007) 473.
#[doc(alias = "SCM")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuccessiveConstraints {
    range: Vec<(f64, f64)>,
    constraints: Vec<Constraint>,
    n_nearest: usize,
}

/// lower <= alpha <= upper; lower is proved, upper holds up to round-off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StabilityBounds {
    pub lower: f64,
    pub upper: f64,
}

impl StabilityBounds {
    /// (upper - lower) / |upper|.
    pub fn gap(&self) -> f64 {
        (self.upper - self.lower) / self.upper.abs().max(f64::MIN_POSITIVE)
    }

    /// The lower bound.
    pub fn constant(&self) -> Constant {
        Constant::LowerBound(self.lower)
    }
}

impl SuccessiveConstraints {
    /// From proved ranges of the terms and what eigenproblems have told; no constraints yet are allowed.
    ///
    /// `n_nearest`: how many constraints a bound uses at most, those nearest in theta, in units of the ranges. Errors: shapes, numbers that are not
    /// finite, no term, `n_nearest` of zero.
    pub fn new(
        range: Vec<(f64, f64)>,
        constraints: Vec<Constraint>,
        n_nearest: usize,
    ) -> Result<SuccessiveConstraints> {
        check_parts(&range, &constraints)?;
        if n_nearest == 0 {
            return Err(Error::argument("nearest constraints", 0, "at least 1"));
        }
        Ok(SuccessiveConstraints { range, constraints, n_nearest })
    }

    /// Bounds at coefficients `theta`, one per term.
    ///
    /// The lower one is [`dual_bound`](super::dual_bound) of the multipliers of a linear program: proved whatever these are.
    /// Errors: another number of coefficients, ones that are not finite. Cost: a linear program of n_terms rows; nothing is
    /// allocated once the workspace has its size. The same bits each time.
    pub fn bounds(&self, theta: &[f64], memory: &mut Workspace) -> Result<StabilityBounds> {
        check_theta(theta, self.range.len())?;
        self.choose(theta, memory);
        multipliers(&self.range, &self.constraints, theta, memory);
        let Workspace { chosen, lambda, .. } = memory;
        let used = chosen.iter().zip(lambda.iter()).map(|(j, lambda)| (&self.constraints[*j], *lambda));
        // The box alone is a bound too, where round-off has spoilt the other.
        let lower = dual_bound(&self.range, theta, used).max(dual_bound(&self.range, theta, std::iter::empty()));
        let product = |y: &[f64]| theta.iter().zip(y).map(|(t, y)| t * y).sum::<f64>();
        let of_box: f64 = theta.iter().zip(&self.range).map(|(t, (lower, upper))| (t * lower).max(t * upper)).sum();
        let upper = self.constraints.iter().map(|c| product(&c.minimiser)).fold(of_box, f64::min);
        Ok(StabilityBounds { lower, upper })
    }

    fn choose(&self, theta: &[f64], memory: &mut Workspace) {
        let Workspace { chosen, distances, .. } = memory;
        chosen.clear();
        chosen.extend(0..self.constraints.len());
        if self.n_nearest >= self.constraints.len() {
            return;
        }
        let square = |c: &Constraint| -> f64 {
            let parts = c.theta.iter().zip(theta).zip(&self.range);
            parts.map(|((a, b), (lower, upper))| ((a - b) * lower.abs().max(upper.abs())).powi(2)).sum()
        };
        distances.clear();
        distances.extend(self.constraints.iter().map(square));
        chosen
            .select_nth_unstable_by(self.n_nearest - 1, |a, b| distances[*a].total_cmp(&distances[*b]).then(a.cmp(b)));
        chosen.truncate(self.n_nearest);
        chosen.sort_unstable();
    }

    /// With one constraint more. Errors: as [`new`](Self::new).
    pub fn push(&mut self, constraint: Constraint) -> Result<()> {
        check_parts(&self.range, std::slice::from_ref(&constraint))?;
        self.constraints.push(constraint);
        Ok(())
    }

    /// (sigma⁻, sigma⁺) of the terms.
    pub fn range(&self) -> &[(f64, f64)] {
        &self.range
    }

    /// The constraints in the order of their choice.
    pub fn constraints(&self) -> &[Constraint] {
        &self.constraints
    }
}
