//! Real or complex columns that stay orthonormal while they grow.

use super::inner_product::InnerProduct;
use super::scalar::{Scalar, add_tall_product, tall_adjoint_product};
use super::small::norm;
use crate::error::{Error, Result};
use faer::{Mat, MatRef};
use rayon::prelude::*;

/// Columns that are orthogonalised at once against those before: enough for products of matrices, few for what is left to do
/// column by column.
const PANEL: usize = 16;

/// Passes over a column at most, of which two are enough unless it is round-off.
const PASSES: usize = 5;
/// A rest of less than this share of a column may lie in the span of all columns by round-off.
const SMALL_REST: f64 = 1e-3;

/// Q [n_rows, k] with QᴴXQ = I, X a real inner product; in the memory of one process.
#[derive(Debug, Clone)]
pub struct Orthonormal<T> {
    n_rows: usize,
    q: Mat<T>,
    product: InnerProduct,
}

/// What [`Orthonormal::append`] found: W = Q C + what was left out.
#[derive(Debug, Clone)]
pub struct Appended<T> {
    /// C [k, m], k the columns after it.
    pub coefficients: Mat<T>,
    /// X-norm of each column of W, and of what was left out of it.
    pub norms: Vec<f64>,
    pub missed: Vec<f64>,
    /// Columns of W that gave a new one.
    pub kept: Vec<usize>,
}

impl<T: Scalar> Orthonormal<T> {
    /// No columns yet. Errors: an inner product of another size, not symmetric, with a negative weight.
    pub fn new(n_rows: usize, product: InnerProduct) -> Result<Orthonormal<T>> {
        product.check(n_rows)?;
        Ok(Orthonormal { n_rows, q: Mat::zeros(n_rows, 0), product })
    }

    /// Columns that are orthonormal in `product` already: taken as they are. Errors: as [`new`](Self::new).
    pub fn of(columns: Mat<T>, product: InnerProduct) -> Result<Orthonormal<T>> {
        product.check(columns.nrows())?;
        Ok(Orthonormal { n_rows: columns.nrows(), q: columns, product })
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.q.ncols()
    }

    /// Q.
    pub fn columns(&self) -> MatRef<'_, T> {
        self.q.as_ref()
    }

    /// Q itself.
    pub fn into_columns(self) -> Mat<T> {
        self.q
    }

    /// QᴴXW [k, m].
    pub fn coefficients(&self, w: MatRef<'_, T>) -> Mat<T> {
        tall_adjoint_product(self.columns(), applied(&self.product, w).as_ref().map_or(w, Mat::as_ref))
    }

    /// X-norm of each column.
    pub fn norms(&self, w: MatRef<'_, T>) -> Vec<f64> {
        norms(&self.product, w)
    }

    /// Extends Q by what it misses of the columns of W [n_rows, m]; a column of which at most `relative` of its norm, or at
    /// most `floor(j)`, is missed gives none.
    ///
    /// Classical Gram-Schmidt twice by panels of a few columns, then column by column until the norm no longer falls, against
    /// all columns where little of one is left. Errors: shape, values that are not finite. O(n k m).
    /// Reference: Giraud, Langou, Rozloznik, van den Eshof, Numer. Math. 101 (2005) 87.
    pub fn append(&mut self, w: MatRef<'_, T>, relative: f64, floor: impl Fn(usize) -> f64) -> Result<Appended<T>> {
        let (n, m, old) = (self.n_rows, w.ncols(), self.n_columns());
        if w.nrows() != n {
            return Err(Error::argument("rows of columns to append", w.nrows(), n));
        }
        if let Some(j) = (0..m).find(|j| w.col(*j).iter().any(|x| !x.finite())) {
            return Err(Error::argument(format!("column {j}"), "a value that is not finite", "finite numbers"));
        }
        let mut found = Appended {
            coefficients: Mat::zeros(old + m, m),
            norms: self.norms(w),
            missed: vec![0.0; m],
            kept: Vec::new(),
        };
        self.q.reserve(n, old + m);
        for first in (0..m).step_by(PANEL) {
            self.append_panel(w.subcols(first, PANEL.min(m - first)), first, relative, &floor, &mut found);
        }
        found.coefficients = found.coefficients.as_ref().subrows(0, self.n_columns()).to_owned();
        Ok(found)
    }

    /// [`append`](Self::append) of the columns from `first_column` on, a few of them.
    fn append_panel(
        &mut self,
        w: MatRef<'_, T>,
        first_column: usize,
        relative: f64,
        floor: &impl Fn(usize) -> f64,
        found: &mut Appended<T>,
    ) {
        let old = self.n_columns();
        let mut rest = w.to_owned();
        let c = &mut found.coefficients;
        for _ in 0..2 {
            let step = self.coefficients(rest.as_ref());
            add_tall_product(rest.as_mut(), self.columns(), step.as_ref(), T::real(-1.0));
            add(c, first_column, step.as_ref());
        }
        let after_blocks = self.norms(rest.as_ref());
        for (j, after_blocks) in after_blocks.into_iter().enumerate() {
            let k = self.n_columns();
            let mut column = rest.as_ref().subcols(j, 1).to_owned();
            let j = first_column + j;
            let (mut before, mut settled) = (after_blocks, false);
            // What cancels leaves the rest with parts in the old columns.
            let mut first = if after_blocks < SMALL_REST * found.norms[j] { 0 } else { old };
            for pass in 0..PASSES {
                let q = self.columns().subcols(first, k - first);
                let step = tall_adjoint_product(
                    q,
                    applied(&self.product, column.as_ref()).as_ref().map_or(column.as_ref(), Mat::as_ref),
                );
                add_tall_product(column.as_mut(), q, step.as_ref(), T::real(-1.0));
                (0..k - first).for_each(|i| c[(first + i, j)] += step[(i, 0)]);
                let now = norms(&self.product, column.as_ref())[0];
                settled = now >= 0.5 * before;
                if !settled {
                    first = 0;
                }
                before = now;
                if pass > 0 && settled {
                    break;
                }
            }
            let left = before;
            // A rest that goes on falling is round-off in the span of the columns: nothing of it is new.
            let new = settled && k < self.n_rows && left > 0.0;
            if new && left > relative * found.norms[j] && left > floor(j) {
                self.q.resize_with(self.n_rows, k + 1, |i, _| column[(i, 0)] * T::real(1.0 / left));
                c[(k, j)] = T::real(left);
                found.kept.push(j);
            } else {
                found.missed[j] = left;
            }
        }
    }

    /// Q <- Q U for U [k, k'] with orthonormal columns.
    pub fn rotate(&mut self, u: MatRef<'_, T>) {
        let mut q = Mat::zeros(self.n_rows, u.ncols());
        add_tall_product(q.as_mut(), self.columns(), u, T::real(1.0));
        self.q = q;
    }

    /// Turns the columns from `first` on so that the largest entry of each is real and positive, the lowest row on ties.
    pub fn orient(&mut self, first: usize) {
        for column in self.q.col_iter_mut().skip(first) {
            if let Some(column) = column.try_as_col_major_mut() {
                orient(column.as_slice_mut());
            }
        }
    }
}

/// Turns a column so that its largest entry is real and positive, the lowest row on ties.
pub fn orient<T: Scalar>(column: &mut [T]) {
    let mut largest = T::default();
    for x in column.iter() {
        if x.modulus() > largest.modulus() {
            largest = *x;
        }
    }
    let size = largest.modulus();
    if size > 0.0 {
        let turn = largest.conjugate() * T::real(1.0 / size);
        column.iter_mut().for_each(|x| *x *= turn);
    }
}

fn add<T: Scalar>(sum: &mut Mat<T>, first_column: usize, part: MatRef<'_, T>) {
    for j in 0..part.ncols() {
        (0..part.nrows()).for_each(|i| sum[(i, first_column + j)] += part[(i, j)]);
    }
}

/// X W; `None` where X = I.
pub fn applied<T: Scalar>(product: &InnerProduct, w: MatRef<'_, T>) -> Option<Mat<T>> {
    match product {
        InnerProduct::Euclidean => None,
        InnerProduct::Diagonal(weights) => {
            Some(Mat::from_fn(w.nrows(), w.ncols(), |i, j| T::real(weights[i]) * w[(i, j)]))
        }
        InnerProduct::Components(..) | InnerProduct::Sparse(_) => {
            let (m, k) = product.sparse()?;
            let column = |j: usize| -> Vec<T> {
                // Components of an entity stand side by side.
                let row = |i: usize| {
                    let entries = m.outer_view(i / k);
                    entries
                        .map_or(T::default(), |row| row.iter().map(|(e, v)| T::real(*v) * w[(e * k + i % k, j)]).sum())
                };
                (0..w.nrows()).map(row).collect()
            };
            let columns: Vec<Vec<T>> = (0..w.ncols()).into_par_iter().map(column).collect();
            Some(Mat::from_fn(w.nrows(), w.ncols(), |i, j| columns[j][i]))
        }
    }
}

/// sqrt(wᴴXw) of each column.
pub fn norms<T: Scalar>(product: &InnerProduct, w: MatRef<'_, T>) -> Vec<f64> {
    let applied = applied(product, w);
    (0..w.ncols())
        .map(|j| match &applied {
            None => norm(&w.col(j).iter().copied().collect::<Vec<T>>()),
            Some(a) => {
                let square: f64 = w.col(j).iter().zip(a.col(j).iter()).map(|(x, y)| (x.conjugate() * *y).re()).sum();
                square.max(0.0).sqrt()
            }
        })
        .collect()
}
