//! Reduced basis by the weak greedy algorithm.

use super::reduced_basis::{AffineProblem, Coefficients, Options, ResidualNorm};
use super::reduced_basis_projection::Reduction;
use crate::algorithms::greedy::{Approximation, Greedy, GreedyOptions, greedy};
use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use crate::online::reduced_basis::ReducedBasis;
use faer::MatRef;

/// A solution of which less than this share is new gives no mode.
const NEW: f64 = 1e-12;

/// Full solution u [n_dofs] from coefficients theta and gamma.
pub type Solve<'a, T> = &'a dyn Fn(&[T], &[T]) -> Result<Vec<T>>;

struct Growing<'a, T: Scalar> {
    reduction: Reduction<'a, T>,
    training: &'a Coefficients<T>,
    solve: Solve<'a, T>,
    /// Lower bounds of the stability constant at the training points, where they are known.
    alpha: Option<&'a [f64]>,
    model: Option<ReducedBasis<T>>,
}

impl<T: Scalar> Approximation for Growing<'_, T> {
    fn size(&self) -> usize {
        self.reduction.n_modes()
    }

    fn errors(&mut self) -> Result<Vec<f64>> {
        let Coefficients { theta, gamma } = self.training;
        match (&self.model, self.alpha) {
            (Some(model), Some(alpha)) => {
                model.relative_bound_batch(theta.as_ref(), gamma.as_ref(), alpha, model.n_modes())
            }
            (Some(model), None) => model.indicator_batch(theta.as_ref(), gamma.as_ref(), model.n_modes()),
            // Nothing but the right-hand side is left.
            (None, _) => {
                let zero = |j: usize| gamma.col(j).iter().all(|g| *g == T::default());
                // The bound of a relative error may be large at first: it begins with no bound at all.
                let whole = if self.alpha.is_some() { f64::INFINITY } else { 1.0 };
                Ok((0..gamma.ncols()).map(|j| if zero(j) { 0.0 } else { whole }).collect())
            }
        }
    }

    fn extend(&mut self, candidate: usize) -> Result<usize> {
        let (theta, gamma) = self.training.at(candidate);
        let u = (self.solve)(&theta, &gamma)?;
        let added = self.reduction.extend(MatRef::from_column_major_slice(&u, u.len(), 1), NEW)?;
        self.model = Some(self.reduction.model()?);
        Ok(added)
    }
}

/// Chooses points of a training set where the residual is largest, solves there with `solve`, extends the basis, until the
/// relative residual is at most `choice.tolerance` at all of them.
///
/// `options.truncation` is not used. Errors: those of [`reduced_basis`](super::reduced_basis::reduced_basis), of `solve`,
/// a model without residual. Not collective. Cost: one full solution per mode, one pass over the matrices for each, and
/// O(N (d N² + N³ + d k N)) for each training point.
///
/// Reference: Veroy, Prud'homme, Rovas, Patera, AIAA 2003-3847; [`greedy`].
pub fn reduced_basis_greedy<T: Scalar>(
    problem: &AffineProblem<'_, T>,
    training: &Coefficients<T>,
    solve: Solve<'_, T>,
    options: &Options,
    choice: &GreedyOptions,
) -> Result<(ReducedBasis<T>, Greedy)> {
    chosen_by(problem, training, solve, None, options, choice)
}

/// [`reduced_basis_greedy`] by the bound of the relative error in X: `alpha` [n_training] are lower bounds of the stability constant
/// at the training points, and `choice.tolerance` is what the bound is to fall below.
///
/// Errors: those, a residual that is not measured in the dual norm, constants that are not positive.
pub fn reduced_basis_greedy_bounded<T: Scalar>(
    problem: &AffineProblem<'_, T>,
    training: &Coefficients<T>,
    alpha: &[f64],
    solve: Solve<'_, T>,
    options: &Options,
    choice: &GreedyOptions,
) -> Result<(ReducedBasis<T>, Greedy)> {
    if options.norm != ResidualNorm::Dual {
        return Err(Error::argument("norm of the residual", "Euclidean", "the dual norm of X, for a bound"));
    }
    if alpha.len() != training.n_points() {
        return Err(Error::argument("lower bounds of the stability constant", alpha.len(), training.n_points()));
    }
    chosen_by(problem, training, solve, Some(alpha), options, choice)
}

fn chosen_by<T: Scalar>(
    problem: &AffineProblem<'_, T>,
    training: &Coefficients<T>,
    solve: Solve<'_, T>,
    alpha: Option<&[f64]>,
    options: &Options,
    choice: &GreedyOptions,
) -> Result<(ReducedBasis<T>, Greedy)> {
    problem.check()?;
    training.check(problem.matrices.n_terms(), problem.rhs.ncols())?;
    if options.residual_rows == 0 {
        return Err(Error::argument("rows of the compressed residual", 0, "at least 1: it chooses the points"));
    }
    let mut reduction = Reduction::new(problem, options)?;
    reduction.prepare_for(training);
    let mut growing = Growing { reduction, training, solve, alpha, model: None };
    let found = greedy(&mut growing, choice)?;
    let reduction = growing.reduction;
    if reduction.n_modes() == 0 {
        return Err(Error::argument("training set", "right-hand sides that are all zero", "one that is not"));
    }
    let added = reduction.added();
    Ok((reduction.finish(Some(training), &[], added)?, found))
}
