//! Tall matrices changed in place: what is updated again and again asks for no fresh memory, which costs several times
//! the arithmetic.

use super::dense;
use super::tall::TallMatrix;
use crate::error::{Error, Result};
use faer::MatRef;
use rayon::prelude::*;
use std::ops::Range;

impl TallMatrix {
    /// X <- X - A C for tall A [n_dofs, k] and small C [k, n_columns]; errors where shapes do not fit; no communication.
    pub fn subtract_product(&mut self, a: &TallMatrix, c: MatRef<'_, f64>) -> Result<()> {
        self.same_rows(a)?;
        if (c.nrows(), c.ncols()) != (a.n_columns(), self.n_columns()) {
            let found = format!("{} x {}", c.nrows(), c.ncols());
            let expected = format!("{} x {}", a.n_columns(), self.n_columns());
            return Err(Error::argument("the small factor of a product", found, expected));
        }
        let block_rows = self.layout().block_rows();
        for rows in self.parts() {
            let (a, x) =
                (a.local.subrows(rows.start, rows.len()), self.local.as_mut().subrows_mut(rows.start, rows.len()));
            if !rows.is_empty() && c.ncols() > 0 && c.nrows() > 0 {
                x.par_row_chunks_mut(block_rows).enumerate().for_each(|(i, block)| {
                    let len = block.nrows();
                    dense::gemm(block, true, a.subrows(i * block_rows, len), c, -1.0);
                });
            }
        }
        Ok(())
    }

    /// X <- X B for small B [n_columns, k], k <= n_columns; errors where shapes do not fit; no communication.
    pub fn combine_columns(&mut self, b: MatRef<'_, f64>) -> Result<()> {
        let (n, k) = (self.n_columns(), b.ncols());
        if b.nrows() != n || k > n {
            let found = format!("{} x {k}", b.nrows());
            return Err(Error::argument("combinations of columns", found, format!("{n} rows, at most {n} columns")));
        }
        let block_rows = self.layout().block_rows();
        for rows in self.parts() {
            if !rows.is_empty() && k > 0 {
                let x = self.local.as_mut().subrows_mut(rows.start, rows.len());
                x.par_row_chunks_mut(block_rows).for_each(|block| {
                    let product = dense::mul(block.as_ref(), b);
                    block.subcols_mut(0, k).copy_from(product);
                });
            }
        }
        self.local.truncate(self.local.nrows(), k);
        Ok(())
    }

    /// X <- [X Y], in memory that has room for `room` columns at least. Errors where rows differ; no communication.
    pub fn push_columns(&mut self, y: &TallMatrix, room: usize) -> Result<()> {
        self.same_rows(y)?;
        let (m, old) = (self.local.nrows(), self.n_columns());
        let n = old + y.n_columns();
        self.local.reserve(m, n.max(room));
        for j in 0..y.n_columns() {
            let column = y.local.col_as_slice(j);
            self.local.resize_with(m, old + j + 1, |i, _| column[i]);
        }
        Ok(())
    }

    /// Columns from `first` on become those of `y` [n_local, s], as far as there are any.
    pub fn copy_columns(&mut self, first: usize, y: MatRef<'_, f64>) {
        let columns = self.local.as_mut().col_iter_mut().skip(first);
        columns.zip(y.col_iter()).for_each(|(mut x, y)| x.copy_from(y));
    }

    fn same_rows(&self, other: &TallMatrix) -> Result<()> {
        match other.local.nrows() == self.local.nrows() {
            true => Ok(()),
            false => Err(Error::argument("rows of the second matrix", other.local.nrows(), self.local.nrows())),
        }
    }

    /// Ghosts below, own rows, ghosts above: own blocks begin where they do on one rank.
    fn parts(&self) -> [Range<usize>; 3] {
        let own = self.layout().owned();
        [0..own.start, own.clone(), own.end..self.local.nrows()]
    }
}
