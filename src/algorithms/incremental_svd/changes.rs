//! What else may happen to a decomposition than new columns: the error is then a bound.

use super::{IncrementalSvd, check};
use crate::error::{Error, Result};
use crate::linalg::block_gram_schmidt::block_gram_schmidt;
use crate::linalg::dense;
use crate::linalg::inner_product::{InnerProduct, orthonormality};
use crate::linalg::tall::{Layout, TallMatrix};
use faer::Mat;
use std::sync::Arc;

/// Largest |VᵀMV - I| that is taken for round-off.
const ORTHONORMAL: f64 = 1e-10;

fn square(a: faer::MatRef<'_, f64>) -> f64 {
    a.col_iter().map(|c| c.squared_norm_l2()).sum()
}

impl IncrementalSvd {
    /// A <- A + a bᵀ: a change of low rank of entries that are there.
    ///
    /// `a` [n_dofs, r], the same rank-distributed rows as A; `b` [n_columns, r], the same on all ranks. Replaced columns:
    /// a their change, b unit vectors. [`update_rows`](Self::update_rows) changes rows. Errors: shapes; W was not kept.
    /// Cost: that of r appended columns and 4 n_columns k r flops. Collective.
    /// Reference: Brand, Linear Algebra Appl. 415 (2006) 20.
    pub fn update(&mut self, a: &TallMatrix, b: &Mat<f64>) -> Result<()> {
        self.flush()?;
        let r = a.n_columns();
        let fits = || {
            if a.local().nrows() != self.held.local().nrows() {
                let expected = self.held.local().nrows();
                return Err(Error::argument("rows of a change", a.local().nrows(), expected));
            }
            if (b.nrows(), b.ncols()) != (self.n_columns, r) {
                let found = format!("{} x {}", b.nrows(), b.ncols());
                return Err(Error::argument("right factor of a change", found, format!("{} x {r}", self.n_columns)));
            }
            let finite = |m: faer::MatRef<'_, f64>| m.col_iter().all(|c| c.iter().all(|v| v.is_finite()));
            if !finite(a.local()) || !finite(b.as_ref()) {
                return Err(Error::argument("a change", "a value that is not finite", "finite numbers"));
            }
            self.right_vectors()
        };
        let w = crate::comm::agree(self.held.comm(), fits())?;
        let small = Layout::serial(self.n_columns);
        let w = TallMatrix::new(small.clone(), w)?;
        let size = self.inner_product.norms(a).iter().map(|v| v * v).sum::<f64>().sqrt();
        let left = block_gram_schmidt(&self.held, &mut a.clone(), &self.inner_product)?;
        let right = block_gram_schmidt(&w, &mut TallMatrix::new(small, b.clone())?, &InnerProduct::Euclidean)?;
        let (h, k) = (self.held.n_columns(), self.sigma.len());
        let stack = |top: &Mat<f64>, below: &Mat<f64>| {
            let n = top.nrows();
            Mat::from_fn(n + below.nrows(), r, |i, j| if i < n { top[(i, j)] } else { below[(i - n, j)] })
        };
        let a = stack(&left.coefficients, &left.new_coefficients);
        let change = stack(&right.coefficients, &right.new_coefficients);
        let mut middle = dense::mul(a.as_ref(), change.transpose());
        for j in 0..k {
            (0..h).for_each(|i| middle[(i, j)] += self.rotation[(i, j)] * self.sigma[j]);
        }
        let (u, sigma, z) = dense::thin_svd(middle.as_ref())?;
        // Round-off that was left out of either factor, times the other.
        let lost = left.left_out.sqrt() * square(b.as_ref()).sqrt() + size * right.left_out.sqrt();
        self.rebound(lost);
        let kept = self.cut(&sigma);
        let z = z.subcols(0, kept);
        let mut all = dense::mul(w.local(), z.subrows(0, k));
        all += dense::mul(right.new.local(), z.subrows(k, z.nrows() - k));
        self.right = Some(all);
        self.hold(&left.new, u.subcols(0, kept), sigma[..kept].to_vec())
    }

    /// Adds `change` [rows, n_columns] to the rows with these global numbers; the same on all ranks.
    ///
    /// Errors as [`update`](Self::update), and rows that are not there. Collective.
    pub fn update_rows(&mut self, rows: &[usize], change: &Mat<f64>) -> Result<()> {
        let layout = self.held.layout().clone();
        let n = layout.n_rows();
        if let Some(row) = rows.iter().find(|row| **row >= n) {
            return Err(Error::argument("row of a change", row, format!("below {n}")));
        }
        if change.nrows() != rows.len() {
            return Err(Error::argument("rows of a change", change.nrows(), rows.len()));
        }
        let mut units = Mat::zeros(layout.n_local(), rows.len());
        for (i, global) in layout.rows().into_iter().enumerate() {
            rows.iter().enumerate().filter(|(_, row)| **row == global).for_each(|(j, _)| units[(i, j)] = 1.0);
        }
        self.update(&TallMatrix::new(layout, units)?, &change.transpose().to_owned())
    }

    /// New degrees of freedom, zero in all columns so far: old row i of this rank becomes row `places[i]` of the rows that it
    /// holds under the new layout. [`update_rows`](Self::update_rows) or [`update`](Self::update) then gives them values.
    ///
    /// The new inner product has to agree with the old one on the old rows. Errors: places that do not fit, and modes that
    /// are no longer orthonormal. Collective.
    pub fn extend(&mut self, layout: Arc<Layout>, inner_product: InnerProduct, places: &[usize]) -> Result<()> {
        self.flush()?;
        self.materialise()?;
        let (n_old, n_new) = (self.held.local().nrows(), layout.n_local());
        let mut taken = vec![false; n_new];
        let mut fits = || {
            if places.len() != n_old {
                return Err(Error::argument("places of old rows", places.len(), n_old));
            }
            let twice = |p: &usize| *p >= n_new || std::mem::replace(&mut taken[*p], true);
            match places.iter().copied().find(twice) {
                Some(p) => Err(Error::argument("place of an old row", p, format!("numbers below {n_new}, each once"))),
                None => inner_product.check(n_new),
            }
        };
        crate::comm::agree(layout.comm().as_ref(), fits())?;
        let k = self.held.n_columns();
        let mut local = Mat::zeros(n_new, k);
        for j in 0..k {
            places.iter().enumerate().for_each(|(i, p)| local[(*p, j)] = self.held.local()[(i, j)]);
        }
        let held = TallMatrix::new(layout, local)?;
        let off = orthonormality(&held, &inner_product);
        if off > ORTHONORMAL {
            let found = format!("modes that are off orthonormal by {off:.1e}");
            return Err(Error::argument("inner product of more rows", found, "the old one on the old rows"));
        }
        (self.held, self.inner_product) = (held, inner_product);
        self.pending = self.nothing()?;
        Ok(())
    }

    /// Removes columns, by their numbers among those that are there; the others move up.
    ///
    /// Exact for V S Wᵀ; the error stays a bound of the error of the columns that remain. Errors: numbers that are not
    /// there; W was not kept. Cost: an SVD of k x n_columns numbers. Not tall but where H K is formed. Collective.
    pub fn remove_columns(&mut self, columns: &[usize]) -> Result<()> {
        self.flush()?;
        let w = self.right_vectors()?;
        if let Some(column) = columns.iter().find(|c| **c >= self.n_columns) {
            return Err(Error::argument("column to remove", column, format!("below {}", self.n_columns)));
        }
        let mut gone = vec![false; self.n_columns];
        columns.iter().for_each(|c| gone[*c] = true);
        let rest: Vec<usize> = (0..self.n_columns).filter(|c| !gone[*c]).collect();
        let c = Mat::from_fn(self.sigma.len(), rest.len(), |i, j| self.sigma[i] * w[(rest[j], i)]);
        let (u, sigma, z) = dense::thin_svd(c.as_ref())?;
        self.rebound(0.0);
        let kept = self.cut(&sigma);
        self.right = Some(z.subcols(0, kept).to_owned());
        self.n_columns = rest.len();
        let rotation = dense::mul(self.rotation.as_ref(), u.subcols(0, kept));
        self.hold(&self.nothing()?, rotation.as_ref(), sigma[..kept].to_vec())
    }

    /// A <- factor A: columns so far count less beside those that come, where that is wanted. Collective.
    pub fn scale(&mut self, factor: f64) -> Result<()> {
        if !(factor.is_finite() && factor > 0.0) {
            return Err(Error::argument("factor of old columns", factor, "a number above 0"));
        }
        self.flush()?;
        self.sigma.iter_mut().for_each(|s| *s *= factor);
        self.bound *= factor;
        self.discarded *= factor * factor;
        Ok(())
    }

    /// Goes on with other options: what has been discarded stays discarded.
    pub fn set_options(&mut self, options: super::IncrementalOptions) -> Result<()> {
        check(&options)?;
        self.flush()?;
        if options.right && self.right.is_none() {
            return Err(Error::argument(
                "right singular vectors",
                "a decomposition without them",
                "one that kept them",
            ));
        }
        self.pending = self.nothing()?;
        self.right = self.right.take().filter(|_| options.right);
        self.options = options;
        Ok(())
    }

    /// Errors so far are no longer orthogonal to those that come: from here on their norms add.
    fn rebound(&mut self, more: f64) {
        self.bound = self.error() + more;
        self.discarded = 0.0;
    }

    fn right_vectors(&self) -> Result<Mat<f64>> {
        let expected = "a decomposition that keeps them (option `right`)";
        self.right.clone().ok_or_else(|| Error::argument("right singular vectors", "none", expected))
    }
}
