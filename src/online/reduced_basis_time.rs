//! Time stepping in the span of a basis: M u' + A(mu) u = f(mu) g(t), u(0) = u_0.
//!
//! ```text
//! (M + s dt A) y_{k+1} = (M - (1 - s) dt A) y_k + dt (s g_{k+1} + (1 - s) g_k) f
//! ```

use super::reduced_basis::{Projection, ReducedBasis, singular};
use super::reduced_basis_bound::{ErrorBound, checked};
use super::reduced_basis_residual::{Residual, quotient};
use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use crate::linalg::small::{add_combination, lu_in_place, lu_solve_in_place, norm};
use faer::MatRef;

/// Equal steps of a theta scheme.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeGrid {
    /// dt.
    pub step: f64,
    pub n_steps: usize,
    /// s: 1 implicit Euler, 1/2 Crank-Nicolson; both stable for every dt.
    pub implicitness: f64,
}

impl TimeGrid {
    /// Errors: a step that is not positive, no steps, an implicitness outside [1/2, 1].
    pub fn check(&self) -> Result<()> {
        if !(self.step > 0.0 && self.step.is_finite()) || self.n_steps == 0 {
            let found = format!("{} steps of {}", self.n_steps, self.step);
            return Err(Error::argument("time grid", found, "at least one step of positive length"));
        }
        if !(0.5..=1.0).contains(&self.implicitness) {
            let expected = "a number in [0.5, 1]: 1 implicit Euler, 0.5 Crank-Nicolson";
            return Err(Error::argument("implicitness of a time scheme", self.implicitness, expected));
        }
        Ok(())
    }

    /// t_0, ..., t_n.
    pub fn times(&self) -> Vec<f64> {
        (0..=self.n_steps).map(|k| k as f64 * self.step).collect()
    }
}

/// A trained reduced basis of a problem in time.
#[derive(Debug, Clone)]
pub struct ReducedBasisTime<T> {
    /// Term 0 is M, the others are A_q.
    model: ReducedBasis<T>,
    /// VᴴXu_0, and the X-norm of what V misses of u_0.
    initial: Vec<T>,
    initial_missed: f64,
}

/// Memory of one thread for [`ReducedBasisTime::solve`].
#[derive(Debug, Clone, Default)]
pub struct TimeWorkspace<T> {
    coefficients: Vec<T>,
    implicit: Vec<T>,
    explicit: Vec<T>,
    rhs: Vec<T>,
    state: Vec<T>,
    swaps: Vec<usize>,
    largest: Vec<f64>,
    residual: Vec<T>,
    trajectory: Vec<T>,
}

impl<T: Scalar> ReducedBasisTime<T> {
    /// `model` with M as its term 0; `initial` [n_modes] VᴴXu_0. Errors: lengths, projection by least squares.
    pub fn new(model: ReducedBasis<T>, initial: Vec<T>, initial_missed: f64) -> Result<ReducedBasisTime<T>> {
        if model.parts().projection != Projection::Galerkin {
            return Err(Error::argument("projection of a problem in time", "least squares", "Galerkin"));
        }
        if model.n_terms() < 2 || initial.len() != model.n_modes() || initial.iter().any(|x| !x.finite()) {
            let found = format!("{} terms, {} initial coefficients", model.n_terms(), initial.len());
            let expected = format!("the mass matrix and at least one more, {} finite numbers", model.n_modes());
            return Err(Error::argument("reduced basis in time", found, expected));
        }
        Ok(ReducedBasisTime { model, initial, initial_missed })
    }

    /// The model whose term 0 is M.
    pub fn model(&self) -> &ReducedBasis<T> {
        &self.model
    }

    /// VᴴXu_0 [n_modes].
    pub fn initial(&self) -> &[T] {
        &self.initial
    }

    /// X-norm of what the basis misses of u_0.
    pub fn initial_missed(&self) -> f64 {
        self.initial_missed
    }

    /// Number of matrices A_q.
    pub fn n_terms(&self) -> usize {
        self.model.n_terms() - 1
    }

    /// Memory for one thread.
    pub fn workspace(&self, grid: &TimeGrid) -> TimeWorkspace<T> {
        let mut workspace = TimeWorkspace::default();
        self.reserve(grid, &mut workspace);
        workspace
    }

    fn reserve(&self, grid: &TimeGrid, w: &mut TimeWorkspace<T>) {
        let n = self.model.n_modes();
        let numbers = |v: &mut Vec<T>, n: usize| v.resize(n.max(v.len()), T::default());
        w.coefficients.resize(self.model.n_terms(), T::default());
        numbers(&mut w.implicit, n * n);
        numbers(&mut w.explicit, n * n);
        numbers(&mut w.rhs, n);
        numbers(&mut w.state, n);
        numbers(&mut w.residual, self.model.residual().map_or(0, Residual::n_rows));
        numbers(&mut w.trajectory, n * (grid.n_steps + 1));
        w.swaps.resize(n.max(w.swaps.len()), 0);
        w.largest.resize(n.max(w.largest.len()), 0.0);
    }

    fn check(&self, theta: &[T], gamma: &[T], load: &[T], grid: &TimeGrid, n_modes: usize) -> Result<()> {
        grid.check()?;
        let found = [theta.len(), gamma.len(), load.len()];
        let expected = [self.n_terms(), self.model.n_rhs(), grid.n_steps + 1];
        if found != expected {
            let what = "numbers of theta, of gamma and of values of the load in time";
            return Err(Error::argument(what, format!("{found:?}"), format!("{expected:?}")));
        }
        if let Some(x) = theta.iter().chain(gamma).chain(load).find(|x| !x.finite()) {
            return Err(Error::argument("coefficients in time", x, "finite numbers"));
        }
        if n_modes == 0 || n_modes > self.model.n_modes() {
            return Err(Error::argument("modes", n_modes, format!("1 to {}", self.model.n_modes())));
        }
        Ok(())
    }

    /// Coefficients y [n_modes, n_steps + 1] of u(t_k) ≈ V y_k, in `workspace`.
    ///
    /// theta [n_terms] and gamma [n_rhs] do not depend on time; `load` g(t_k) [n_steps + 1]. One factorisation, nothing is
    /// allocated in a workspace of [`workspace`](Self::workspace). Errors: lengths, numbers that are not finite, a matrix
    /// M + s dt A that is singular up to round-off. O(d N² + N³ + n_steps N²).
    /// Reference: Haasdonk, Ohlberger, M2AN 42 (2008) 277.
    pub fn solve<'w>(
        &self,
        theta: &[T],
        gamma: &[T],
        load: &[T],
        grid: &TimeGrid,
        n_modes: usize,
        workspace: &'w mut TimeWorkspace<T>,
    ) -> Result<MatRef<'w, T>> {
        self.check(theta, gamma, load, grid, n_modes)?;
        self.reserve(grid, workspace);
        let (w, n, s, dt) = (workspace, n_modes, grid.implicitness, grid.step);
        let (implicit, explicit) = (&mut w.implicit[..n * n], &mut w.explicit[..n * n]);
        for (matrix, factor) in [(&mut *implicit, s * dt), (&mut *explicit, -(1.0 - s) * dt)] {
            w.coefficients[0] = T::real(1.0);
            w.coefficients[1..].iter_mut().zip(theta).for_each(|(c, t)| *c = T::real(factor) * *t);
            self.model.combine(&w.coefficients, n, matrix);
        }
        lu_in_place(implicit, n, &mut w.swaps[..n], &mut w.largest[..n]).map_err(|s| singular(n, s))?;
        let rhs = &mut w.rhs[..n];
        self.model.combine_rhs(gamma, rhs);
        let trajectory = &mut w.trajectory[..n * (grid.n_steps + 1)];
        trajectory[..n].copy_from_slice(&self.initial[..n]);
        for k in 0..grid.n_steps {
            let (before, after) = trajectory.split_at_mut((k + 1) * n);
            let (before, after) = (&before[k * n..], &mut after[..n]);
            let g = T::real(dt) * (T::real(s) * load[k + 1] + T::real(1.0 - s) * load[k]);
            after.iter_mut().zip(rhs.iter()).for_each(|(a, f)| *a = g * *f);
            add_combination(after, n, |j| before[j], explicit, n);
            lu_solve_in_place(implicit, n, &w.swaps, after);
        }
        Ok(MatRef::from_column_major_slice(trajectory, n, grid.n_steps + 1))
    }

    /// [`solve`](Self::solve) and its [`indicator`](Self::indicator).
    pub fn solve_with_indicator<'w>(
        &self,
        theta: &[T],
        gamma: &[T],
        load: &[T],
        grid: &TimeGrid,
        n_modes: usize,
        workspace: &'w mut TimeWorkspace<T>,
    ) -> Result<(MatRef<'w, T>, f64)> {
        self.solve(theta, gamma, load, grid, n_modes, workspace)?;
        let TimeWorkspace { residual, state, trajectory, .. } = workspace;
        let y = MatRef::from_column_major_slice(&trajectory[..n_modes * (grid.n_steps + 1)], n_modes, grid.n_steps + 1);
        let indicator = self.relative(theta, gamma, load, grid, y, residual, state)?;
        Ok((y, indicator))
    }

    /// sqrt(dt sum_k ||r_k||²) over sqrt(dt sum_k ||f g||²) + sqrt(T) ||A u_0||, r_k the residuals of the steps of any
    /// trajectory y [n_modes, n_steps + 1].
    ///
    /// What the basis misses of u_0 is not in it: [`initial_missed`](Self::initial_missed). Errors: those of
    /// [`solve`](Self::solve); a model without residual. O(n_steps d k N).
    pub fn indicator(
        &self,
        theta: &[T],
        gamma: &[T],
        load: &[T],
        grid: &TimeGrid,
        y: MatRef<'_, T>,
        workspace: &mut TimeWorkspace<T>,
    ) -> Result<f64> {
        self.check_trajectory(theta, gamma, load, grid, y)?;
        self.reserve(grid, workspace);
        self.relative(theta, gamma, load, grid, y, &mut workspace.residual, &mut workspace.state)
    }

    fn check_trajectory(&self, theta: &[T], gamma: &[T], load: &[T], grid: &TimeGrid, y: MatRef<'_, T>) -> Result<()> {
        self.check(theta, gamma, load, grid, y.nrows())?;
        match y.ncols() == grid.n_steps + 1 {
            true => Ok(()),
            false => Err(Error::argument("columns of a trajectory", y.ncols(), grid.n_steps + 1)),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn relative(
        &self,
        theta: &[T],
        gamma: &[T],
        load: &[T],
        grid: &TimeGrid,
        y: MatRef<'_, T>,
        memory: &mut [T],
        state: &mut [T],
    ) -> Result<f64> {
        let residual = self.model.known_residual()?;
        let (dt, r) = (grid.step, &mut memory[..residual.n_rows()]);
        residual.assemble_rhs(gamma, r);
        let rhs_norm = norm(r);
        r.fill(T::default());
        let state = &mut state[..y.nrows()];
        state.iter_mut().zip(y.col(0).iter()).for_each(|(x, y)| *x = *y);
        theta.iter().enumerate().for_each(|(q, t)| residual.add(q + 1, *t, state, r));
        let start = (grid.n_steps as f64 * dt).sqrt() * norm(r);
        let (mut squares, mut loads) = (0.0, 0.0);
        self.each_step(theta, gamma, load, grid, y, r, state, |step| {
            loads += dt * (step.load * rhs_norm).powi(2);
            squares += dt * step.norm.powi(2);
        })?;
        Ok(quotient(squares.sqrt(), loads.sqrt() + start))
    }

    /// Bounds of sqrt(||e_k||_M² + alpha dt sum_{j<k} ||e_{j+s}||_X²) for k = 0, ..., n_steps, e the error of the trajectory y
    /// [n_modes, n_steps + 1] against the full scheme on the same grid, e_{j+s} = s e_{j+1} + (1 - s) e_j.
    ///
    /// ```text
    /// bound_k² = initial_error² + dt / alpha sum_{j<k} ||r_j||_X'²
    /// ```
    ///
    /// `alpha` is a lower bound of the coercivity of A(mu) in X, `initial_error` one from above of ||u_0 - V y_0||_M; M symmetric and
    /// positive semidefinite, the residual compressed in the dual norm of X. An output l of the final state is wrong by at most
    /// ||l||_M' times the last bound. Errors: as [`indicator`](Self::indicator), a constant that is not positive, an initial error that
    /// is not finite. O(n_steps d k N). Reference: Grepl, Patera, ESAIM: M2AN 39 (2005) 157; Haasdonk, Ohlberger, ESAIM: M2AN 42
    /// (2008) 277.
    #[allow(clippy::too_many_arguments)]
    pub fn bounds(
        &self,
        theta: &[T],
        gamma: &[T],
        load: &[T],
        grid: &TimeGrid,
        y: MatRef<'_, T>,
        alpha: f64,
        initial_error: f64,
        workspace: &mut TimeWorkspace<T>,
    ) -> Result<Vec<ErrorBound>> {
        self.check_trajectory(theta, gamma, load, grid, y)?;
        let alpha = checked(alpha)?;
        if !(initial_error >= 0.0 && initial_error.is_finite()) {
            return Err(Error::argument("bound of the initial error", initial_error, "a number >= 0"));
        }
        self.reserve(grid, workspace);
        let (mut found, mut known) = (initial_error.powi(2), initial_error.powi(2));
        let mut bounds = vec![ErrorBound { bound: initial_error, certificate: 0.0 }];
        let TimeWorkspace { residual, state, .. } = workspace;
        self.each_step(theta, gamma, load, grid, y, residual, state, |step| {
            found += grid.step / alpha * step.norm.powi(2);
            known += grid.step / alpha * (step.norm + step.uncertainty).powi(2);
            bounds.push(ErrorBound { bound: found.sqrt(), certificate: known.sqrt() - found.sqrt() });
        })?;
        Ok(bounds)
    }

    /// Calls `visit` with the residual of each step of a trajectory; `memory` holds the rows of the residual, `state` n_modes numbers.
    #[allow(clippy::too_many_arguments)]
    fn each_step(
        &self,
        theta: &[T],
        gamma: &[T],
        load: &[T],
        grid: &TimeGrid,
        y: MatRef<'_, T>,
        memory: &mut [T],
        state: &mut [T],
        mut visit: impl FnMut(Step),
    ) -> Result<()> {
        let residual = self.model.known_residual()?;
        let (n, s, dt) = (y.nrows(), grid.implicitness, grid.step);
        let (r, state) = (&mut memory[..residual.n_rows()], &mut state[..n]);
        let of_rhs = residual.accuracy_of_rhs(gamma);
        for k in 0..grid.n_steps {
            let (before, after) = (y.col(k), y.col(k + 1));
            let g = T::real(s) * load[k + 1] + T::real(1.0 - s) * load[k];
            residual.assemble_rhs(gamma, r);
            r.iter_mut().for_each(|r| *r *= g);
            let mut accuracy = of_rhs.scaled(g.modulus());
            (0..n).for_each(|i| state[i] = (after[i] - before[i]) * T::real(1.0 / dt));
            residual.add(0, T::real(-1.0), state, r);
            accuracy.add(residual.accuracy_of_matrix(0, 1.0, state));
            (0..n).for_each(|i| state[i] = T::real(s) * after[i] + T::real(1.0 - s) * before[i]);
            for (q, t) in theta.iter().enumerate() {
                residual.add(q + 1, -*t, state, r);
                accuracy.add(residual.accuracy_of_matrix(q + 1, t.modulus(), state));
            }
            visit(Step { norm: norm(r), uncertainty: accuracy.uncertainty(), load: g.modulus() });
        }
        Ok(())
    }
}

/// The residual of a time step.
struct Step {
    norm: f64,
    /// What the norm is not known better than.
    uncertainty: f64,
    /// |g| of the step.
    load: f64,
}
