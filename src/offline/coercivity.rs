//! Training of the bounds of stability constants.

use crate::algorithms::coercivity::multipliers::Workspace;
use crate::algorithms::coercivity::{Constraint, MinTheta, SuccessiveConstraints};
use crate::algorithms::greedy::{Approximation, Greedy, GreedyOptions, greedy};
use crate::error::{Error, Result};
use crate::linalg::symmetric_pencil::SymmetricPencil;
use faer::MatRef;

/// Options of [`successive_constraint_method`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScmOptions {
    /// Ends where (upper - lower) / |upper| is at most this at all training points.
    pub tolerance: f64,
    /// Ends with this many constraints.
    pub max_constraints: usize,
    /// Constraints that a bound uses at most, the nearest ones.
    pub n_nearest: usize,
}

impl Default for ScmOptions {
    fn default() -> Self {
        ScmOptions { tolerance: 0.1, max_constraints: 100, n_nearest: usize::MAX }
    }
}

struct Growing<'a> {
    pencil: &'a SymmetricPencil,
    training: MatRef<'a, f64>,
    bounds: SuccessiveConstraints,
    chosen: Vec<usize>,
    memory: Workspace,
}

impl Approximation for Growing<'_> {
    fn size(&self) -> usize {
        self.chosen.len()
    }

    fn errors(&mut self) -> Result<Vec<f64>> {
        let Growing { training, bounds, memory, .. } = self;
        training
            .col_iter()
            .map(|theta| Ok(bounds.bounds(&theta.iter().copied().collect::<Vec<_>>(), memory)?.gap()))
            .collect()
    }

    fn extend(&mut self, candidate: usize) -> Result<usize> {
        // Its own constraint leaves no gap but that of the proofs.
        if self.chosen.contains(&candidate) {
            return Ok(0);
        }
        self.chosen.push(candidate);
        self.bounds.push(constraint(self.pencil, self.training.col(candidate).iter().copied().collect())?)?;
        Ok(1)
    }
}

/// The constant at theta and its minimiser.
fn constraint(pencil: &SymmetricPencil, theta: Vec<f64>) -> Result<Constraint> {
    let found = pencil.smallest(&theta)?;
    Ok(Constraint { theta, lower: found.lower, minimiser: found.rayleigh })
}

fn ranges(pencil: &SymmetricPencil) -> Result<Vec<(f64, f64)>> {
    (0..pencil.n_terms()).map(|q| pencil.range(q)).collect()
}

fn check_training(pencil: &SymmetricPencil, theta: MatRef<'_, f64>, what: &str) -> Result<()> {
    if theta.nrows() != pencil.n_terms() || theta.ncols() == 0 {
        let found = format!("{} x {}", theta.nrows(), theta.ncols());
        return Err(Error::argument(what, found, format!("{} x m, m >= 1", pencil.n_terms())));
    }
    super::reduced_basis::check_finite(what, theta)
}

/// Solves eigenproblems where the bounds of alpha are farthest apart, until they are close at all training points.
///
/// `training` [n_terms, m]: coefficients theta of any sign at training points. Errors: shapes and numbers, options, those of
/// the eigenproblems. Not collective: on several ranks each does the same, to the same bits. Cost: two to four factorisations
/// and some 20 solutions per constraint, some 60 solutions and a few factorisations per term, a small linear program per
/// training point and constraint.
///
/// Reference: see [`SuccessiveConstraints`].
#[doc(alias = "SCM")]
pub fn successive_constraint_method(
    pencil: &SymmetricPencil,
    training: MatRef<'_, f64>,
    options: &ScmOptions,
) -> Result<(SuccessiveConstraints, Greedy)> {
    check_training(pencil, training, "training coefficients")?;
    let bounds = SuccessiveConstraints::new(ranges(pencil)?, Vec::new(), options.n_nearest)?;
    let mut growing = Growing { pencil, training, bounds, chosen: Vec::new(), memory: Workspace::default() };
    let (tolerance, max_size) = (options.tolerance, options.max_constraints);
    // The largest gap falls in no fixed number of steps: the upper bound needs vectors first.
    let found = greedy(&mut growing, &GreedyOptions { tolerance, max_size, patience: max_size.max(1) })?;
    Ok((growing.bounds, found))
}

/// The min-theta bound with references at `theta` [n_terms, m].
///
/// Errors: shapes and numbers, those of the eigenproblems, and those of [`MinTheta::new`]: terms that are not semidefinite,
/// coefficients that are not positive. Not collective. Cost: that of one constraint each, and of the ranges of the terms.
pub fn min_theta_references(pencil: &SymmetricPencil, theta: MatRef<'_, f64>) -> Result<MinTheta> {
    check_training(pencil, theta, "coefficients of references")?;
    let references = theta.col_iter().map(|theta| constraint(pencil, theta.iter().copied().collect()));
    let references = references.collect::<Result<Vec<_>>>()?;
    MinTheta::new(ranges(pencil)?, references)
}
