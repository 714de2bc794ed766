//! Reduced basis of a linear problem in time, by the POD-greedy algorithm.

use super::direct_solver::combination;
use super::reduced_basis::{AffineProblem, Coefficients, Options, modes};
use super::reduced_basis_projection::Reduction;
use crate::algorithms::greedy::{Approximation, Greedy, GreedyOptions, greedy};
use crate::algorithms::pod::Truncation;
use crate::error::{Error, Result};
use crate::linalg::orthonormal::norms;
use crate::linalg::scalar::{Scalar, add_tall_product};
use crate::linalg::sparse_lu::LuAnalysis;
use crate::linalg::terms::{Pattern, Terms};
use crate::online::reduced_basis_time::{ReducedBasisTime, TimeGrid};
use faer::{Mat, MatRef};
use rayon::prelude::*;
use std::sync::Arc;

/// A trajectory of which less than this share is new gives no mode.
const NEW: f64 = 1e-12;

/// M u' + A(mu) u = f(mu) g(t), u(0) = u_0.
#[derive(Debug, Clone)]
pub struct TimeProblem<'a, T: Scalar> {
    /// A, f, outputs and X.
    pub space: AffineProblem<'a, T>,
    /// The numbers of M on the pattern of A.
    pub mass: Vec<T>,
    /// u_0 [n_dofs].
    pub initial: Vec<T>,
    /// g(t_k) [n_steps + 1].
    pub load: Vec<T>,
    pub grid: TimeGrid,
}

/// M, then A_1, ..., A_d.
#[derive(Debug)]
struct WithMass<'a, T: Scalar> {
    mass: &'a [T],
    matrices: &'a dyn Terms<T>,
}

impl<T: Scalar> Terms<T> for WithMass<'_, T> {
    fn n_rows(&self) -> usize {
        self.matrices.n_rows()
    }
    fn n_terms(&self) -> usize {
        self.matrices.n_terms() + 1
    }
    fn values(&self, term: usize) -> Result<Vec<T>> {
        if term == 0 { Ok(self.mass.to_vec()) } else { self.matrices.values(term - 1) }
    }
    fn pattern(&self) -> &Arc<Pattern> {
        self.matrices.pattern()
    }
}

impl<T: Scalar> TimeProblem<'_, T> {
    /// Shapes, finite numbers and the time grid.
    pub fn check(&self) -> Result<()> {
        self.space.check()?;
        self.grid.check()?;
        let found = [self.mass.len(), self.initial.len(), self.load.len()];
        let expected = [self.space.matrices.pattern().n_entries(), self.space.n_dofs(), self.grid.n_steps + 1];
        if found != expected {
            let what = "numbers of the mass matrix, of the initial state and of the load in time";
            return Err(Error::argument(what, format!("{found:?}"), format!("{expected:?}")));
        }
        for (what, numbers) in [("mass matrix", &self.mass), ("initial state", &self.initial), ("load", &self.load)] {
            if let Some(i) = numbers.iter().position(|x| !x.finite()) {
                return Err(Error::argument(format!("entry {i} of the {what}"), numbers[i], "a finite number"));
            }
        }
        Ok(())
    }

    /// Full trajectory [n_dofs, n_steps + 1] on the grid: one sparse factorisation.
    ///
    /// Errors: lengths, a singular matrix. O(n_steps) solutions with the factors.
    pub fn trajectory(&self, theta: &[T], gamma: &[T]) -> Result<Mat<T>> {
        self.trajectory_on(&LuAnalysis::new(self.space.matrices.pattern())?, theta, gamma)
    }

    fn trajectory_on(&self, analysis: &Arc<LuAnalysis>, theta: &[T], gamma: &[T]) -> Result<Mat<T>> {
        let TimeGrid { step: dt, n_steps, implicitness: s } = self.grid;
        let a = self.space.matrices.combine(theta)?;
        let add =
            |factor: f64| -> Vec<T> { self.mass.iter().zip(&a).map(|(m, a)| *m + T::real(factor) * *a).collect() };
        let (implicit, explicit) = (analysis.factorize(add(s * dt))?, add(-(1.0 - s) * dt));
        let f = combination(self.space.rhs.as_ref(), gamma, "gamma")?;
        let (n, pattern) = (self.space.n_dofs(), self.space.matrices.pattern());
        let mut u = Mat::zeros(n, n_steps + 1);
        (0..n).for_each(|i| u[(i, 0)] = self.initial[i]);
        let mut b = Mat::zeros(n, 1);
        for k in 0..n_steps {
            pattern.apply(&explicit, u.as_ref().subcols(k, 1), b.as_mut())?;
            let g = T::real(dt) * (T::real(s) * self.load[k + 1] + T::real(1.0 - s) * self.load[k]);
            (0..n).for_each(|i| b[(i, 0)] += g * f[(i, 0)]);
            // A state of rest stays at rest.
            if b.col(0).iter().all(|x| *x == T::default()) {
                continue;
            }
            u.as_mut().subcols_mut(k + 1, 1).copy_from(implicit.solve(b.as_ref())?.as_ref());
        }
        Ok(u)
    }
}

/// Options of [`reduced_basis_time`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeOptions {
    pub reduction: Options,
    pub greedy: GreedyOptions,
    /// POD modes of the projection error of a trajectory that extend the basis.
    pub modes_per_step: usize,
}

impl Default for TimeOptions {
    fn default() -> Self {
        TimeOptions { reduction: Options::default(), greedy: GreedyOptions::default(), modes_per_step: 1 }
    }
}

struct Growing<'a, 'p, T: Scalar> {
    problem: &'a TimeProblem<'p, T>,
    training: &'a Coefficients<T>,
    reduction: Reduction<'a, T>,
    analysis: Arc<LuAnalysis>,
    modes_per_step: usize,
}

impl<T: Scalar> Growing<'_, '_, T> {
    fn initial(&self) -> (Vec<T>, f64) {
        let u0 = MatRef::from_column_major_slice(&self.problem.initial, self.problem.initial.len(), 1);
        let c = self.reduction.basis.coefficients(u0);
        let mut rest = u0.to_owned();
        add_tall_product(rest.as_mut(), self.reduction.basis.columns(), c.as_ref(), T::real(-1.0));
        (c.col(0).iter().copied().collect(), self.reduction.basis.norms(rest.as_ref())[0])
    }

    fn model(&self) -> Result<ReducedBasisTime<T>> {
        let (initial, missed) = self.initial();
        ReducedBasisTime::new(self.reduction.model()?, initial, missed)
    }

    /// Indicators [m], and mean squares of the coefficients over trajectories and time [n_modes].
    fn evaluate(&self, model: &ReducedBasisTime<T>) -> Result<(Vec<f64>, Vec<f64>)> {
        let (n, grid) = (self.reduction.n_modes(), &self.problem.grid);
        let at = |i: usize| -> Result<(f64, Vec<f64>)> {
            let (theta, gamma) = self.training.at(i);
            let mut workspace = model.workspace(grid);
            let load = &self.problem.load;
            let (y, error) = model.solve_with_indicator(&theta, &gamma, load, grid, n, &mut workspace)?;
            let square = |i: usize| y.row(i).iter().map(|x| x.modulus_squared()).sum::<f64>() / y.ncols() as f64;
            Ok((error, (0..n).map(square).collect()))
        };
        let found: Vec<Result<_>> = (0..self.training.n_points()).into_par_iter().map(at).collect();
        let found = found.into_iter().collect::<Result<Vec<_>>>()?;
        let mean = |k: usize| found.iter().map(|f| f.1[k]).sum::<f64>() / found.len() as f64;
        Ok((found.iter().map(|f| f.0).collect(), (0..n).map(mean).collect()))
    }
}

impl<T: Scalar> Approximation for Growing<'_, '_, T> {
    fn size(&self) -> usize {
        self.reduction.n_modes()
    }

    fn errors(&mut self) -> Result<Vec<f64>> {
        if self.reduction.n_modes() == 0 {
            return Ok(vec![1.0; self.training.n_points()]);
        }
        Ok(self.evaluate(&self.model()?)?.0)
    }

    fn extend(&mut self, candidate: usize) -> Result<usize> {
        let (theta, gamma) = self.training.at(candidate);
        let mut error = self.problem.trajectory_on(&self.analysis, &theta, &gamma)?;
        let total = |norms: Vec<f64>| norms.iter().map(|x| x * x).sum::<f64>().sqrt();
        let whole = total(norms(&self.problem.space.inner_product, error.as_ref()));
        for _ in 0..2 {
            let c = self.reduction.basis.coefficients(error.as_ref());
            add_tall_product(error.as_mut(), self.reduction.basis.columns(), c.as_ref(), T::real(-1.0));
        }
        if total(self.reduction.basis.norms(error.as_ref())) <= NEW * whole {
            return Ok(0);
        }
        let truncation = Truncation::Modes(self.modes_per_step);
        let (found, _) = modes(error.as_ref(), &self.problem.space.inner_product, truncation)?;
        self.reduction.extend(found.as_ref(), NEW)
    }
}

/// Chooses points of a training set where the residuals of the time steps are largest, computes the trajectory there, and
/// extends the basis by the leading POD modes of its projection error.
///
/// The initial state is the first mode, where it is not zero. Errors: those of the problem, of the training set and of the
/// full solutions; a model without residual. Not collective. Cost: one trajectory per step, and the online solution for
/// each training point.
///
/// Reference: Haasdonk, Ohlberger, M2AN 42 (2008) 277; Haasdonk, M2AN 47 (2013) 859 (rates).
#[doc(alias = "POD-greedy")]
pub fn reduced_basis_time<T: Scalar>(
    problem: &TimeProblem<'_, T>,
    training: &Coefficients<T>,
    options: &TimeOptions,
) -> Result<(ReducedBasisTime<T>, Greedy)> {
    problem.check()?;
    training.check(problem.space.matrices.n_terms(), problem.space.rhs.ncols())?;
    if options.reduction.residual_rows == 0 || options.modes_per_step == 0 {
        let found = format!("{} and {}", options.reduction.residual_rows, options.modes_per_step);
        return Err(Error::argument("rows of the compressed residual and modes per step", found, "at least 1 of each"));
    }
    let terms = WithMass { mass: &problem.mass, matrices: problem.space.matrices };
    let extended = AffineProblem { matrices: &terms, ..problem.space.clone() };
    let mut reduction = Reduction::new(&extended, &options.reduction)?;
    // A state of size 1 that changes over the whole time.
    let (rate, m) = (1.0 / (problem.grid.step * problem.grid.n_steps as f64), training.n_points());
    let theta =
        Mat::from_fn(terms.n_terms(), m, |q, j| if q == 0 { T::real(rate) } else { training.theta[(q - 1, j)] });
    reduction.prepare_for(&Coefficients { theta, gamma: training.gamma.clone() });
    if problem.initial.iter().any(|x| *x != T::default()) {
        reduction.extend(MatRef::from_column_major_slice(&problem.initial, problem.initial.len(), 1), NEW)?;
    }
    let analysis = LuAnalysis::new(terms.pattern())?;
    let mut growing = Growing { problem, training, reduction, analysis, modes_per_step: options.modes_per_step };
    let found = greedy(&mut growing, &options.greedy)?;
    if growing.reduction.n_modes() == 0 {
        return Err(Error::argument("trajectories", "nothing but zeros", "one that is not at rest"));
    }
    let (_, squares) = growing.evaluate(&growing.model()?)?;
    let (initial, missed) = growing.initial();
    let (sizes, added): (Vec<f64>, _) = (squares.iter().map(|s| s.sqrt()).collect(), growing.reduction.added());
    let model = growing.reduction.finish(None, &sizes, added)?;
    Ok((ReducedBasisTime::new(model, initial, missed)?, found))
}
