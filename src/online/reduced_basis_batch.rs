//! Reduced bases at many points.

use super::reduced_basis::{ReducedBasis, Workspace};
use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use faer::{Mat, MatRef};
use rayon::prelude::*;

/// Points that one task evaluates.
const POINTS_PER_TASK: usize = 16;

impl<T: Scalar> ReducedBasis<T> {
    /// Coefficients [n_modes, b] at b points: theta [n_terms, b], gamma [n_rhs, b].
    ///
    /// Points are shared out over threads; each has the bits of [`solve`](Self::solve). Errors: those of `solve`, of the
    /// first point that has one.
    pub fn solve_batch(&self, theta: MatRef<'_, T>, gamma: MatRef<'_, T>, n_modes: usize) -> Result<Mat<T>> {
        let b = theta.ncols();
        self.each_point(theta, gamma, n_modes, |_, theta, gamma, w, out: &mut [T]| {
            self.solve_in(theta, gamma, n_modes, w)?;
            out.copy_from_slice(&w.solution[..n_modes]);
            Ok(())
        })
        .map(|y| Mat::from_fn(n_modes, b, |i, j| y[j * n_modes + i]))
    }

    /// Indicators [b] of the solutions at b points; as [`solve_batch`](Self::solve_batch).
    pub fn indicator_batch(&self, theta: MatRef<'_, T>, gamma: MatRef<'_, T>, n_modes: usize) -> Result<Vec<f64>> {
        let residual = self.known_residual()?;
        self.measure_each_point(theta, gamma, |_, theta, gamma, w| {
            self.solve_in(theta, gamma, n_modes, w)?;
            let Workspace { residual: memory, solution, .. } = w;
            Ok(residual.relative(theta, gamma, &solution[..n_modes], memory))
        })
    }

    /// One number of each column of theta and gamma.
    pub(super) fn measure_each_point(
        &self,
        theta: MatRef<'_, T>,
        gamma: MatRef<'_, T>,
        at: impl Fn(usize, &[T], &[T], &mut Workspace<T>) -> Result<f64> + Sync,
    ) -> Result<Vec<f64>> {
        let found = self.each_point(theta, gamma, 1, |point, theta, gamma, w, out: &mut [T]| {
            out[0] = T::real(at(point, theta, gamma, w)?);
            Ok(())
        })?;
        Ok(found.into_iter().map(Scalar::re).collect())
    }

    /// Calls `at` for each column of theta and gamma with a workspace and the `len` numbers of its own, which are returned
    /// side by side.
    fn each_point(
        &self,
        theta: MatRef<'_, T>,
        gamma: MatRef<'_, T>,
        len: usize,
        at: impl Fn(usize, &[T], &[T], &mut Workspace<T>, &mut [T]) -> Result<()> + Sync,
    ) -> Result<Vec<T>> {
        if theta.ncols() != gamma.ncols() || len == 0 {
            let found = format!("{} of theta, {} of gamma, {len} numbers each", theta.ncols(), gamma.ncols());
            return Err(Error::argument("points of a batch", found, "as many of each, and at least one mode"));
        }
        let mut out = vec![T::default(); len * theta.ncols()];
        let task = |(task, out): (usize, &mut [T])| {
            let mut workspace = self.workspace();
            let (mut t, mut g) = (vec![T::default(); theta.nrows()], vec![T::default(); gamma.nrows()]);
            for (i, out) in out.chunks_exact_mut(len).enumerate() {
                let point = task * POINTS_PER_TASK + i;
                t.iter_mut().zip(theta.col(point).iter()).for_each(|(t, x)| *t = *x);
                g.iter_mut().zip(gamma.col(point).iter()).for_each(|(g, x)| *g = *x);
                at(point, &t, &g, &mut workspace, out)?;
            }
            Ok(())
        };
        let done: Vec<Result<()>> = out.par_chunks_mut(POINTS_PER_TASK * len).enumerate().map(task).collect();
        done.into_iter().collect::<Result<()>>()?;
        Ok(out)
    }
}
