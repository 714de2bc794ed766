//! Compression of the residual of a reduced basis.

use super::reduced_basis::ResidualNorm;
use crate::error::{Error, Result};
use crate::linalg::inner_product::{InnerProduct, square_roots};
use crate::linalg::orthonormal::Orthonormal;
use crate::linalg::scalar::{Scalar, add_tall_product, adjoint_product};
use crate::linalg::sparse_cholesky::SparseCholesky;
use crate::online::reduced_basis_residual::{Columns, Residual};
use faer::{Mat, MatRef};

/// A column of which less than this share of its norm is new gives no row of its own.
const ROUND_OFF: f64 = 1e-14;
/// Rows, over those that are kept in the end, from which on they are compressed on the way; and what that may miss, over
/// the tolerance.
pub(super) const ROWS_ON_THE_WAY: usize = 4;
const TOLERANCE_ON_THE_WAY: f64 = 1e-3;

/// r -> L⁻¹ r with X = L Lᵀ up to order: the dual norm of X becomes Euclidean, and no Gram matrix is formed.
#[derive(Debug)]
enum Whitening {
    Identity,
    Diagonal(Vec<f64>),
    Cholesky(SparseCholesky),
}

impl Whitening {
    fn new(norm: ResidualNorm, x: &InnerProduct) -> Result<Whitening> {
        match (norm, x) {
            (ResidualNorm::Euclidean, _) | (_, InnerProduct::Euclidean) => Ok(Whitening::Identity),
            (_, InnerProduct::Diagonal(w)) => match w.iter().position(|w| *w <= 0.0) {
                Some(i) => {
                    let what = format!("weight {i} of the inner product");
                    Err(Error::argument(what, w[i], "a number > 0, for a dual norm"))
                }
                None => Ok(Whitening::Diagonal(square_roots(w))),
            },
            (_, InnerProduct::Components(..)) => {
                let (found, expected) = ("one matrix for several components", "a matrix of all dofs, for a dual norm");
                Err(Error::argument("inner product", found, expected))
            }
            (_, InnerProduct::Sparse(m)) => Ok(Whitening::Cholesky(SparseCholesky::new(m)?)),
        }
    }

    fn apply<T: Scalar>(&self, r: MatRef<'_, T>) -> Result<Mat<T>> {
        let (n, m) = (r.nrows(), r.ncols());
        Ok(match self {
            Whitening::Identity => r.to_owned(),
            Whitening::Diagonal(roots) => Mat::from_fn(n, m, |i, j| r[(i, j)] * T::real(1.0 / roots[i])),
            Whitening::Cholesky(l) => {
                let parts = if T::IS_COMPLEX { 2 * m } else { m };
                let real = Mat::from_fn(n, parts, |i, j| if j < m { r[(i, j)].re() } else { r[(i, j - m)].im() });
                let x = l.half_solve(real.as_ref())?;
                Mat::from_fn(n, m, |i, j| T::from_parts(x[(i, j)], if T::IS_COMPLEX { x[(i, j + m)] } else { 0.0 }))
            }
        })
    }
}

/// Whose column it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// f_p.
    Rhs(usize),
    /// A_q v_i.
    Matrix(usize, usize),
}

#[derive(Debug, Clone)]
struct Column<T> {
    owner: Owner,
    /// Rows in Q_P, as many as there were when it came; the others are zero.
    rows: Vec<T>,
    norm: f64,
    missed: f64,
}

/// P = [f_p | A_q v_i], orthonormalised as its columns come; or seen in a basis that is there before them.
#[derive(Debug)]
pub(super) struct ResidualBuilder<T> {
    whitening: Whitening,
    basis: Orthonormal<T>,
    columns: Vec<Column<T>>,
    tolerance: f64,
    max_rows: usize,
}

/// Typical sizes of the coefficients that columns are multiplied by: of gamma_p, theta_q and y_i.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sizes {
    pub gamma: Vec<f64>,
    pub theta: Vec<f64>,
    pub y: Vec<f64>,
}

impl Sizes {
    pub fn of(&self, owner: Owner) -> f64 {
        let at = |v: &[f64], i: usize| v.get(i).copied().unwrap_or(1.0);
        match owner {
            Owner::Rhs(p) => at(&self.gamma, p),
            Owner::Matrix(q, i) => at(&self.theta, q) * at(&self.y, i),
        }
    }
}

impl<T: Scalar> ResidualBuilder<T> {
    pub fn new(
        n: usize,
        norm: ResidualNorm,
        x: &InnerProduct,
        tolerance: f64,
        max_rows: usize,
    ) -> Result<ResidualBuilder<T>> {
        if !(0.0..1.0).contains(&tolerance) {
            return Err(Error::argument("tolerance of the residual", tolerance, "a number in [0, 1)"));
        }
        let whitening = Whitening::new(norm, x)?;
        let basis = Orthonormal::new(n, InnerProduct::Euclidean)?;
        Ok(ResidualBuilder { whitening, basis, columns: Vec::new(), tolerance, max_rows })
    }

    /// Columns of owners that `owner` names.
    pub fn append(&mut self, w: MatRef<'_, T>, owner: impl Fn(usize) -> Owner, sizes: &Sizes) -> Result<()> {
        let found = self.basis.append(self.whitening.apply(w)?.as_ref(), ROUND_OFF, |_| 0.0)?;
        for j in 0..w.ncols() {
            self.columns.push(Column {
                owner: owner(j),
                rows: found.coefficients.col(j).iter().copied().collect(),
                norm: found.norms[j],
                missed: found.missed[j],
            });
        }
        if self.basis.n_columns() > ROWS_ON_THE_WAY * self.max_rows {
            let (u, kept) = self.leading(sizes, TOLERANCE_ON_THE_WAY * self.tolerance, 2 * self.max_rows)?;
            self.keep(u.as_ref(), kept);
            self.basis.rotate(u.as_ref().subcols(0, kept));
        }
        Ok(())
    }

    /// W whitened: its norms are those of residuals.
    pub fn whitened(&self, w: MatRef<'_, T>) -> Result<Mat<T>> {
        self.whitening.apply(w)
    }

    /// Extends the basis by the span of `y` [n, l]; no column of P is known by it.
    pub fn span(&mut self, y: MatRef<'_, T>) -> Result<()> {
        self.basis.append(y, ROUND_OFF, |_| 0.0).map(|_| ())
    }

    /// Columns of owners that `owner` names, in the basis as it is; what it misses of them is measured, with no difference of
    /// squares.
    pub fn project(&mut self, w: MatRef<'_, T>, owner: impl Fn(usize) -> Owner) -> Result<()> {
        let mut rest = self.whitening.apply(w)?;
        let norms = self.basis.norms(rest.as_ref());
        let rows = self.basis.coefficients(rest.as_ref());
        add_tall_product(rest.as_mut(), self.basis.columns(), rows.as_ref(), T::real(-1.0));
        let missed = self.basis.norms(rest.as_ref());
        for j in 0..w.ncols() {
            let rows = rows.col(j).iter().copied().collect();
            self.columns.push(Column { owner: owner(j), rows, norm: norms[j], missed: missed[j] });
        }
        Ok(())
    }

    fn rows(&self, weight: impl Fn(&Column<T>) -> f64) -> Mat<T> {
        let weights: Vec<f64> = self.columns.iter().map(weight).collect();
        Mat::from_fn(self.basis.n_columns(), self.columns.len(), |r, j| {
            self.columns[j].rows.get(r).map_or(T::default(), |x| *x * T::real(weights[j]))
        })
    }

    /// Left singular vectors of the weighted columns, and how many of them matter.
    fn leading(&self, sizes: &Sizes, tolerance: f64, max_rows: usize) -> Result<(Mat<T>, usize)> {
        let weighted = self.rows(|c| sizes.of(c.owner));
        let (u, sigma) = T::left_svd(weighted.as_ref())?;
        let floor = tolerance * sigma.first().copied().unwrap_or(0.0);
        Ok((u, sigma.iter().filter(|s| **s > floor).count().min(max_rows)))
    }

    /// Turns the rows of all columns into the leading `kept` vectors of u; what the others hold is missed.
    fn keep(&mut self, u: MatRef<'_, T>, kept: usize) {
        let turned = adjoint_product(u, self.rows(|_| 1.0).as_ref());
        for (j, column) in self.columns.iter_mut().enumerate() {
            let rows: Vec<T> = turned.col(j).iter().copied().collect();
            column.missed += crate::linalg::small::norm(&rows[kept..]);
            column.rows = rows[..kept].to_vec();
        }
    }

    /// All rows that there are.
    pub fn whole(&self) -> Result<Residual<T>> {
        self.gathered(self.basis.n_columns())
    }

    fn gathered(&self, k: usize) -> Result<Residual<T>> {
        let count = |is: fn(Owner) -> Option<usize>| {
            self.columns.iter().filter_map(|c| is(c.owner)).max().map_or(0, |most| most + 1)
        };
        let n_rhs = count(|o| if let Owner::Rhs(p) = o { Some(p) } else { None });
        let n_terms = count(|o| if let Owner::Matrix(q, _) = o { Some(q) } else { None });
        let n_modes = count(|o| if let Owner::Matrix(_, i) = o { Some(i) } else { None });
        let none = |n: usize| Columns { rows: Mat::zeros(k, n), norms: vec![0.0; n], missed: vec![0.0; n] };
        let (mut rhs, mut matrices) = (none(n_rhs), vec![none(n_modes); n_terms]);
        for column in &self.columns {
            let (place, j) = match column.owner {
                Owner::Rhs(p) => (&mut rhs, p),
                Owner::Matrix(q, i) => (&mut matrices[q], i),
            };
            column.rows.iter().take(k).enumerate().for_each(|(r, x)| place.rows[(r, j)] = *x);
            (place.norms[j], place.missed[j]) = (column.norm, column.missed);
        }
        Residual::new(&matrices, &rhs)
    }

    /// The leading left singular space of the columns, weighted by the sizes of their coefficients; at least `least` rows
    /// where there are so many.
    pub fn compressed(mut self, sizes: &Sizes, least: usize) -> Result<Residual<T>> {
        let k = self.basis.n_columns();
        if k > 0 {
            let (u, kept) = self.leading(sizes, self.tolerance, self.max_rows)?;
            let kept = kept.max(least).min(k);
            self.keep(u.as_ref(), kept);
            return self.gathered(kept);
        }
        self.whole()
    }
}
