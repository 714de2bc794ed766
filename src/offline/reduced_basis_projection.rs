//! The small matrices of a reduced basis, as the basis grows.

use super::reduced_basis::{AffineProblem, Coefficients, Options, check_finite};
use super::reduced_basis_residual::{Owner, ROWS_ON_THE_WAY, ResidualBuilder, Sizes};
use super::reduced_basis_sketch::compressed_in_two_passes;
use crate::error::{Error, Result};
use crate::linalg::orthonormal::Orthonormal;
use crate::linalg::scalar::{Scalar, tall_adjoint_product};
use crate::linalg::terms::Terms;
use crate::online::reduced_basis::{Parts, Projection, ReducedBasis};
use crate::online::reduced_basis_residual::Residual;
use faer::{Mat, MatRef};

/// V and all that is small, for the modes so far.
#[derive(Debug)]
pub(super) struct Reduction<'a, T: Scalar> {
    problem: &'a AffineProblem<'a, T>,
    options: Options,
    pub basis: Orthonormal<T>,
    matrices: Vec<Mat<T>>,
    residual: Option<ResidualBuilder<T>>,
    /// Sizes of theta and gamma, where they are known.
    sizes: Sizes,
    /// X-norm of what each mode added.
    added: Vec<f64>,
}

impl<'a, T: Scalar> Reduction<'a, T> {
    pub fn new(problem: &'a AffineProblem<'a, T>, options: &Options) -> Result<Reduction<'a, T>> {
        Reduction::of_modes(problem, options, 0)
    }

    /// [`new`](Self::new) where the number of modes is known: a residual of too many columns is left for the end.
    pub fn of_modes(problem: &'a AffineProblem<'a, T>, options: &Options, n_modes: usize) -> Result<Reduction<'a, T>> {
        let columns = problem.rhs.ncols() + problem.matrices.n_terms() * n_modes;
        let late = columns > ROWS_ON_THE_WAY * options.residual_rows;
        let n = problem.n_dofs();
        let none = Sizes { gamma: Vec::new(), theta: Vec::new(), y: Vec::new() };
        let residual = match options.residual_rows {
            0 => None,
            _ if late => None,
            rows => {
                let (norm, tolerance) = (options.norm, options.residual_tolerance);
                let mut residual = ResidualBuilder::new(n, norm, &problem.inner_product, tolerance, rows)?;
                residual.append(problem.rhs.as_ref(), Owner::Rhs, &none)?;
                Some(residual)
            }
        };
        Ok(Reduction {
            problem,
            options: *options,
            basis: Orthonormal::new(n, problem.inner_product.clone())?,
            matrices: vec![Mat::new(); problem.matrices.n_terms()],
            residual,
            sizes: none,
            added: Vec::new(),
        })
    }

    /// Sizes of the coefficients theta and gamma over a training set.
    pub fn prepare_for(&mut self, training: &Coefficients<T>) {
        self.sizes.theta = root_mean_squares(training.theta.as_ref());
        self.sizes.gamma = root_mean_squares(training.gamma.as_ref());
    }

    /// X-norm of what each mode added to those before it.
    pub fn added(&self) -> Vec<f64> {
        self.added.clone()
    }

    pub fn n_modes(&self) -> usize {
        self.basis.n_columns()
    }

    /// Extends the basis by what it misses of `columns` [n, m], a column of which more than `relative` of its norm is new;
    /// returns how many modes that gave. One pass over the matrices.
    pub fn extend(&mut self, columns: MatRef<'_, T>, relative: f64) -> Result<usize> {
        let old = self.n_modes();
        let found = self.basis.append(columns, relative, |_| 0.0)?;
        self.basis.orient(old);
        let m = found.kept.len();
        if m == 0 {
            return Ok(0);
        }
        self.added.extend(found.kept.iter().enumerate().map(|(i, j)| found.coefficients[(old + i, *j)].modulus()));
        self.project_from(old)?;
        Ok(m)
    }

    /// Takes `modes`, orthonormal in X, as the whole basis, where there is none. One pass over the matrices.
    pub fn start_with(&mut self, modes: Mat<T>) -> Result<()> {
        self.added = vec![1.0; modes.ncols()];
        self.basis = Orthonormal::of(modes, self.problem.inner_product.clone())?;
        self.basis.orient(0);
        self.project_from(0)
    }

    /// Projects the problem on the modes from `old` on; of V and the products with it, as few columns as a matrix has numbers in
    /// a row are in memory at once, where no residual keeps them anyway.
    fn project_from(&mut self, old: usize) -> Result<()> {
        let v = self.basis.columns();
        let (n, pattern) = (v.ncols(), self.problem.matrices.pattern());
        let width = match &self.residual {
            Some(_) => n - old,
            None => (pattern.n_entries() / v.nrows().max(1)).clamp(1, n - old),
        };
        let mut product = Mat::zeros(v.nrows(), width);
        for (q, reduced) in self.matrices.iter_mut().enumerate() {
            let values = read(self.problem.matrices, q)?;
            let mut grown = Mat::zeros(n, n);
            grown.as_mut().submatrix_mut(0, 0, old, old).copy_from(reduced.as_ref());
            for first in (old..n).step_by(width) {
                let m = width.min(n - first);
                let new = v.subcols(first, m);
                let mut right = product.as_mut().subcols_mut(0, m);
                pattern.apply(&values, new, right.as_mut())?;
                let columns = tall_adjoint_product(v, right.as_ref());
                grown.as_mut().submatrix_mut(0, first, n, m).copy_from(columns.as_ref());
                if let Some(residual) = &mut self.residual {
                    residual.append(right.as_ref(), |i| Owner::Matrix(q, first + i), &self.sizes)?;
                }
                if old > 0 {
                    let mut left = right;
                    pattern.apply_adjoint(&values, new, left.as_mut())?;
                    let rows = tall_adjoint_product(left.as_ref(), v.subcols(0, old));
                    grown.as_mut().submatrix_mut(first, 0, m, old).copy_from(rows.as_ref());
                }
            }
            *reduced = grown;
        }
        Ok(())
    }

    fn parts(&self, basis: Mat<T>, residual: Option<Residual<T>>, singular_values: Vec<f64>) -> Parts<T> {
        let v = self.basis.columns();
        Parts {
            basis,
            matrices: self.matrices.clone(),
            rhs: tall_adjoint_product(v, self.problem.rhs.as_ref()),
            outputs: self.problem.outputs.iter().map(|l| tall_adjoint_product(v, l.as_ref())).collect(),
            residual,
            projection: self.options.projection,
            singular_values,
        }
    }

    /// The model of the modes so far, its residual not compressed yet, with the identity in place of its modes.
    pub fn model(&self) -> Result<ReducedBasis<T>> {
        let residual = self.residual.as_ref().map(ResidualBuilder::whole).transpose()?;
        let small = Mat::identity(self.n_modes(), self.n_modes());
        ReducedBasis::new(self.parts(small, residual, Vec::new()))
    }

    /// The model, its residual compressed for coefficients of the sizes of `training`, or for y of sizes `y`.
    pub fn finish(
        mut self,
        training: Option<&Coefficients<T>>,
        y: &[f64],
        singular_values: Vec<f64>,
    ) -> Result<ReducedBasis<T>> {
        self.sizes.y = y.to_vec();
        if let Some(training) = training {
            training.check(self.problem.matrices.n_terms(), self.problem.rhs.ncols())?;
            self.prepare_for(training);
            // Least squares need the residual that is still to come.
            if self.residual.is_some() || self.options.projection == Projection::Galerkin {
                // Weights only: points whose projected matrix is singular, and may be so by chance, give none.
                let (model, n) = (self.model()?, self.n_modes());
                let at = |point: usize| {
                    let (theta, gamma) = (training.theta.as_ref(), training.gamma.as_ref());
                    model.solve_batch(theta.subcols(point, 1), gamma.subcols(point, 1), n).ok()
                };
                let solved: Vec<Mat<T>> = (0..training.n_points()).filter_map(at).collect();
                if !solved.is_empty() {
                    let solved = Mat::from_fn(n, solved.len(), |i, j| solved[j][(i, 0)]);
                    self.sizes.y = root_mean_squares(solved.as_ref());
                }
            }
        }
        let residual = match self.residual.take() {
            Some(residual) => Some(residual.compressed(&self.sizes, self.basis.n_columns() + 1)?),
            None if self.options.residual_rows > 0 => {
                let basis = self.basis.columns();
                Some(compressed_in_two_passes(self.problem, basis, &self.options, &self.sizes)?)
            }
            None => None,
        };
        let parts = self.parts(Mat::new(), residual, singular_values);
        // V is in memory once.
        ReducedBasis::new(Parts { basis: self.basis.into_columns(), ..parts })
    }
}

/// The numbers of matrix `q`, checked.
pub(super) fn read<T: Scalar>(terms: &dyn Terms<T>, q: usize) -> Result<Vec<T>> {
    let values = terms.values(q)?;
    let n = terms.pattern().n_entries();
    if values.len() != n {
        return Err(Error::argument(format!("entries of matrix {q}"), values.len(), n));
    }
    let column = MatRef::from_column_major_slice(&values, n, 1);
    check_finite(&format!("matrix {q}"), column)?;
    Ok(values)
}

/// Root mean square of each row; a row that is nearly zero counts as a small share of the largest, so that its columns
/// keep some weight.
fn root_mean_squares<T: Scalar>(m: MatRef<'_, T>) -> Vec<f64> {
    let size = |i: usize| (m.row(i).iter().map(|x| x.modulus_squared()).sum::<f64>() / m.ncols() as f64).sqrt();
    let sizes: Vec<f64> = (0..m.nrows()).map(size).collect();
    let floor = 1e-8 * sizes.iter().copied().fold(0.0, f64::max);
    sizes.iter().map(|s| if floor > 0.0 { s.max(floor) } else { 1.0 }).collect()
}
