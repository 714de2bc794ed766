//! Full solutions of affine problems by sparse LU.

use super::reduced_basis::AffineProblem;
use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use crate::linalg::sparse_lu::{LuAnalysis, SparseLu};
use faer::{Mat, MatRef};
use std::sync::Arc;

/// Solves (sum_q theta_q A_q) u = sum_p gamma_p f_p and its adjoint; the pattern is analysed once.
#[derive(Debug)]
pub struct DirectSolver<'a, T: Scalar> {
    problem: &'a AffineProblem<'a, T>,
    analysis: Arc<LuAnalysis>,
}

impl<'a, T: Scalar> DirectSolver<'a, T> {
    /// Errors: a pattern that is not in order.
    pub fn new(problem: &'a AffineProblem<'a, T>) -> Result<DirectSolver<'a, T>> {
        Ok(DirectSolver { problem, analysis: LuAnalysis::new(problem.matrices.pattern())? })
    }

    /// The factorised matrix. Errors: numbers of coefficients, a singular matrix.
    pub fn factorize(&self, theta: &[T]) -> Result<SparseLu<T>> {
        self.analysis.factorize(self.problem.matrices.combine(theta)?)
    }

    /// u [n_dofs]. Errors: as [`factorize`](Self::factorize).
    pub fn solve(&self, theta: &[T], gamma: &[T]) -> Result<Vec<T>> {
        let b = combination(self.problem.rhs.as_ref(), gamma, "gamma")?;
        column(self.factorize(theta)?.solve(b.as_ref())?)
    }

    /// z with A(mu)ᴴ z = sum_s conj(lambda_s) l_{k,s} for output `k`, so that l_k(u) = zᴴf.
    pub fn solve_adjoint(&self, theta: &[T], k: usize, lambda: &[T]) -> Result<Vec<T>> {
        let Some(l) = self.problem.outputs.get(k) else {
            return Err(Error::argument("output", k, format!("one of {}", self.problem.outputs.len())));
        };
        let conjugates: Vec<T> = lambda.iter().map(|x| x.conjugate()).collect();
        let b = combination(l.as_ref(), &conjugates, "lambda")?;
        column(self.factorize(theta)?.solve_adjoint(b.as_ref())?)
    }

    /// Solutions [n_dofs, m] at the points of a training set.
    pub fn solve_all(&self, points: &super::reduced_basis::Coefficients<T>) -> Result<Mat<T>> {
        points.check(self.problem.matrices.n_terms(), self.problem.rhs.ncols())?;
        let solution = |i: usize| {
            let (theta, gamma) = points.at(i);
            self.solve(&theta, &gamma)
        };
        let columns = (0..points.n_points()).map(solution).collect::<Result<Vec<_>>>()?;
        Ok(Mat::from_fn(self.problem.n_dofs(), columns.len(), |i, j| columns[j][i]))
    }
}

fn column<T: Scalar>(m: Mat<T>) -> Result<Vec<T>> {
    Ok(m.col(0).iter().copied().collect())
}

/// sum_p c_p times column p, as one column.
pub(super) fn combination<T: Scalar>(columns: MatRef<'_, T>, c: &[T], what: &str) -> Result<Mat<T>> {
    if columns.ncols() != c.len() {
        return Err(Error::argument(format!("coefficients {what}"), c.len(), columns.ncols()));
    }
    Ok(crate::linalg::scalar::product(columns, MatRef::from_column_major_slice(c, c.len(), 1)))
}
