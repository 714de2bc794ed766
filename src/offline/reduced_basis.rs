//! Reduced basis of an affine problem from given solutions.

use super::reduced_basis_projection::Reduction;
use crate::algorithms::pod::{PodOptions, Truncation, count, pod};
use crate::error::{Error, Result};
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::orthonormal::Orthonormal;
use crate::linalg::scalar::{Scalar, add_tall_product};
use crate::linalg::slabs::{Slabs, Visit};
use crate::linalg::tall::Layout;
use crate::linalg::terms::Terms;
use crate::online::reduced_basis::{Projection, ReducedBasis};
use faer::{Mat, MatRef};
use std::sync::Arc;

/// A(mu) u = f(mu) with A = sum_q theta_q(mu) A_q, f = sum_p gamma_p(mu) f_p, and outputs l_k = sum_s lambda_s(mu) l_{k,s}ᴴu.
#[derive(Debug, Clone)]
pub struct AffineProblem<'a, T: Scalar> {
    /// A_q [n, n].
    pub matrices: &'a dyn Terms<T>,
    /// f_p [n, n_rhs].
    pub rhs: Mat<T>,
    /// l_{k,s} [n, n_parts], one matrix per output.
    pub outputs: Vec<Mat<T>>,
    /// X [n, n], real, symmetric, positive definite: the basis is orthonormal in it.
    pub inner_product: InnerProduct,
}

/// Coefficients at m points: theta [n_terms, m], gamma [n_rhs, m].
#[derive(Debug, Clone)]
pub struct Coefficients<T> {
    pub theta: Mat<T>,
    pub gamma: Mat<T>,
}

/// Norm that residuals are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResidualNorm {
    /// sqrt(rᴴX⁻¹r): over a stability constant it bounds the error in X.
    #[default]
    Dual,
    /// sqrt(rᴴr).
    Euclidean,
}

/// Options of [`reduced_basis`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// How many modes are kept of given solutions.
    pub truncation: Truncation,
    pub projection: Projection,
    pub norm: ResidualNorm,
    /// What the compressed residual may miss, over the largest singular value of its weighted columns.
    pub residual_tolerance: f64,
    /// Rows of the compressed residual at most; 0: no residual, and no indicator.
    pub residual_rows: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            truncation: Truncation::Tolerance(1e-8),
            projection: Projection::Galerkin,
            norm: ResidualNorm::Dual,
            residual_tolerance: 1e-10,
            residual_rows: 400,
        }
    }
}

impl<T: Scalar> AffineProblem<'_, T> {
    /// Number of dofs.
    pub fn n_dofs(&self) -> usize {
        self.matrices.n_rows()
    }

    /// Shapes and finite numbers; matrices are checked as they are read.
    pub fn check(&self) -> Result<()> {
        let n = self.n_dofs();
        let counts = (self.matrices.n_terms(), self.rhs.ncols());
        if n == 0 || counts.0 == 0 || counts.1 == 0 {
            let found = format!("{n} dofs, {} matrices, {} right-hand sides", counts.0, counts.1);
            return Err(Error::argument("affine problem", found, "at least one of each"));
        }
        let outputs = self.outputs.iter().enumerate().map(|(k, l)| (format!("output {k}"), l));
        for (what, m) in std::iter::once(("right-hand sides".to_string(), &self.rhs)).chain(outputs) {
            if m.nrows() != n {
                return Err(Error::argument(format!("rows of {what}"), m.nrows(), n));
            }
            check_finite(&what, m.as_ref())?;
        }
        self.inner_product.check(n)
    }
}

impl<T: Scalar> Coefficients<T> {
    /// Number of points.
    pub fn n_points(&self) -> usize {
        self.theta.ncols()
    }

    /// theta and gamma at one point.
    pub fn at(&self, point: usize) -> (Vec<T>, Vec<T>) {
        (self.theta.col(point).iter().copied().collect(), self.gamma.col(point).iter().copied().collect())
    }

    /// Shapes and finite numbers.
    pub fn check(&self, n_terms: usize, n_rhs: usize) -> Result<()> {
        let found = (self.theta.nrows(), self.gamma.nrows(), self.gamma.ncols());
        let expected = (n_terms, n_rhs, self.theta.ncols());
        if found != expected || self.n_points() == 0 {
            let found = format!("theta {} x {}, gamma {} x {}", found.0, self.theta.ncols(), found.1, found.2);
            return Err(Error::argument("coefficients", found, format!("{n_terms} x m and {n_rhs} x m, m >= 1")));
        }
        check_finite("theta", self.theta.as_ref())?;
        check_finite("gamma", self.gamma.as_ref())
    }
}

fn check_truncation(truncation: Truncation) -> Result<()> {
    match truncation {
        Truncation::Tolerance(t) if !(0.0..1.0).contains(&t) => {
            Err(Error::argument("tolerance", t, "a number in [0, 1)"))
        }
        Truncation::Modes(0) => Err(Error::argument("modes", 0, "at least 1")),
        _ => Ok(()),
    }
}

pub(super) fn check_finite<T: Scalar>(what: &str, m: MatRef<'_, T>) -> Result<()> {
    for (j, column) in m.col_iter().enumerate() {
        if let Some(i) = column.iter().position(|x| !x.finite()) {
            return Err(Error::argument(format!("entry ({i}, {j}) of {what}"), column[i], "a finite number"));
        }
    }
    Ok(())
}

/// Proper orthogonal decomposition of `snapshots` [n_dofs, m] in X, and the projection of the problem on its modes.
///
/// Modes in the order of their singular values, the largest entry of each real and positive (the lowest row on ties).
/// `training`, where given, holds coefficients at points that the model is made for: the compressed residual then is most
/// accurate there. The matrices are read one after the other, twice each where there is none in memory but these. Errors:
/// shapes, numbers that are not finite, an inner product that is not positive definite where residuals are measured in
/// its dual norm. Not collective. O(n m²) for the modes, one product with N columns per matrix, O(n k²) for k columns of
/// the residual before it is compressed; more than four times as many as rows are to stay take two more passes over the
/// matrices, and O(n k rows).
///
/// Reference: Quarteroni, Manzoni, Negri, Reduced Basis Methods for Partial Differential Equations, Springer 2016, chapters
/// 3 and 6.
pub fn reduced_basis<T: Scalar>(
    problem: &AffineProblem<'_, T>,
    snapshots: MatRef<'_, T>,
    training: Option<&Coefficients<T>>,
    options: &Options,
) -> Result<ReducedBasis<T>> {
    problem.check()?;
    if snapshots.nrows() != problem.n_dofs() || snapshots.ncols() == 0 {
        let found = format!("{} x {}", snapshots.nrows(), snapshots.ncols());
        return Err(Error::argument("snapshots", found, format!("{} rows, at least one column", problem.n_dofs())));
    }
    check_finite("snapshots", snapshots)?;
    check_truncation(options.truncation)?;
    let (modes, sigma) = modes(snapshots, &problem.inner_product, options.truncation)?;
    if modes.ncols() == 0 {
        return Err(Error::argument("snapshots", "no part above round-off", "at least one that is not zero"));
    }
    let scale = (snapshots.ncols() as f64).sqrt();
    let sizes: Vec<f64> = sigma.iter().take(modes.ncols()).map(|s| s / scale).collect();
    let mut reduction = Reduction::of_modes(problem, options, modes.ncols())?;
    reduction.start_with(modes)?;
    reduction.finish(training, &sizes, sigma)
}

/// Modes [n, N] of columns in X, oriented, and all singular values.
pub(super) fn modes<T: Scalar>(
    columns: MatRef<'_, T>,
    inner_product: &InnerProduct,
    truncation: Truncation,
) -> Result<(Mat<T>, Vec<f64>)> {
    if !T::IS_COMPLEX {
        let options = PodOptions { truncation, ..PodOptions::default() };
        let found = pod(&RealParts { layout: Layout::serial(columns.nrows()), columns }, inner_product, &options)?;
        return Ok((T::of_real_matrix(found.basis.into_local()), found.singular_values));
    }
    // W = Q C with QᴴXQ = I: the singular values of C are those of W in X.
    let mut q = Orthonormal::new(columns.nrows(), inner_product.clone())?;
    let c = q.append(columns, f64::EPSILON, |_| 0.0)?.coefficients;
    if c.nrows() == 0 {
        return Ok((Mat::zeros(columns.nrows(), 0), Vec::new()));
    }
    let (u, sigma, _) = T::thin_svd(c.as_ref())?;
    let rank = rank(&sigma, columns.nrows().max(columns.ncols()));
    let n_modes = count(&sigma, rank, truncation, 0.0);
    let mut modes = Mat::zeros(columns.nrows(), n_modes);
    add_tall_product(modes.as_mut(), q.columns(), u.as_ref().subcols(0, n_modes), T::real(1.0));
    Ok((modes, sigma))
}

/// Real parts of columns in memory, a few blocks of rows at a time: the columns need not be copied.
struct RealParts<'a, T> {
    layout: Arc<Layout>,
    columns: MatRef<'a, T>,
}

impl<T: Scalar> Slabs for RealParts<'_, T> {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    fn n_columns(&self) -> usize {
        self.columns.ncols()
    }

    fn pass(&self, visit: &mut Visit<'_>) -> Result<()> {
        let (n, m) = (self.columns.nrows(), self.columns.ncols());
        let blocks = rayon::current_num_threads().max(1);
        for first in (0..n).step_by(blocks * self.layout.block_rows()) {
            let rows = first..n.min(first + blocks * self.layout.block_rows());
            let slab = Mat::from_fn(rows.len(), m, |i, j| self.columns[(first + i, j)].re());
            visit(rows, slab.as_ref())?;
        }
        Ok(())
    }

    fn ghosts(&self) -> Result<Mat<f64>> {
        Ok(Mat::zeros(0, self.columns.ncols()))
    }
}

fn rank(sigma: &[f64], size: usize) -> usize {
    let floor = size as f64 * f64::EPSILON * sigma.first().copied().unwrap_or(0.0);
    sigma.iter().filter(|s| **s > floor).count()
}
