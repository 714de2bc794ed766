//! A family of matrices A_1, …, A_q of one shape: the terms of an affine decomposition, or the matrices at the parameters
//! of a training set.

use super::scalar::Scalar;
use crate::error::{Error, Result};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;
use std::fmt::Debug;
use std::sync::Arc;

/// Rows of a product with a dense matrix that one task computes.
const DENSE_ROWS: usize = 256;

/// Matrices A_1, …, A_q [n, n], of which nothing is asked but products and numbers: they may lie in a file.
pub trait Terms<T: Scalar>: Debug + Sync {
    /// Rows and columns of each matrix.
    fn n_rows(&self) -> usize;
    /// Number of matrices.
    fn n_terms(&self) -> usize;
    /// The numbers of matrix `term` on the common pattern; all n² of a dense one, row by row.
    fn values(&self, term: usize) -> Result<Vec<T>>;
    /// The common pattern.
    fn pattern(&self) -> &Arc<Pattern>;
    /// The numbers of sum_q c_q A_q, one matrix in memory at a time. Errors: another number of coefficients, those of
    /// reading.
    fn combine(&self, coefficients: &[T]) -> Result<Vec<T>> {
        check_number(coefficients.len(), self.n_terms())?;
        let mut sum = vec![T::default(); self.pattern().n_entries()];
        for (q, c) in coefficients.iter().enumerate() {
            add_scaled(&mut sum, *c, &self.values(q)?);
        }
        Ok(sum)
    }
}

fn check_number(found: usize, n_terms: usize) -> Result<()> {
    if found == n_terms { Ok(()) } else { Err(Error::argument("coefficients of matrices", found, n_terms)) }
}

fn add_scaled<T: Scalar>(sum: &mut [T], c: T, values: &[T]) {
    sum.iter_mut().zip(values).for_each(|(s, v)| *s += c * *v);
}

/// Where the stored numbers of a matrix are: rows in CSR form, or everywhere (row by row).
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    Sparse { indptr: Vec<usize>, indices: Vec<usize> },
    Dense { n_rows: usize },
}

impl Pattern {
    /// Rows (and columns).
    pub fn n_rows(&self) -> usize {
        match self {
            Pattern::Sparse { indptr, .. } => indptr.len().saturating_sub(1),
            Pattern::Dense { n_rows } => *n_rows,
        }
    }

    /// Number of stored entries.
    pub fn n_entries(&self) -> usize {
        match self {
            Pattern::Sparse { indices, .. } => indices.len(),
            Pattern::Dense { n_rows } => n_rows * n_rows,
        }
    }

    /// Row and column of a stored entry.
    pub fn place(&self, entry: usize) -> (usize, usize) {
        match self {
            Pattern::Sparse { indptr, indices } => (indptr.partition_point(|p| *p <= entry) - 1, indices[entry]),
            Pattern::Dense { n_rows } => (entry / n_rows, entry % n_rows),
        }
    }

    fn check<T>(&self, values: &[T], x: (usize, usize), out: (usize, usize)) -> Result<()> {
        let (n, found) = (self.n_rows(), format!("{} values, {x:?} times, {out:?} out", values.len()));
        if values.len() == self.n_entries() && x.0 == n && out == x {
            return Ok(());
        }
        Err(Error::argument("product with a matrix", found, format!("{} values, {n} rows", self.n_entries())))
    }

    /// out = A x for the matrix with `values` on this pattern; x and out [n, m]. Columns, or rows of a dense matrix, are
    /// shared out over threads. Cost: one pass over the values, per column where they are sparse.
    pub fn apply<T: Scalar>(&self, values: &[T], x: MatRef<'_, T>, out: MatMut<'_, T>) -> Result<()> {
        self.check(values, (x.nrows(), x.ncols()), (out.nrows(), out.ncols()))?;
        match self {
            Pattern::Sparse { indptr, indices } => {
                out.par_col_chunks_mut(1).enumerate().for_each(|(j, mut out)| {
                    let x = x.col(j);
                    for (i, rows) in indptr.windows(2).enumerate() {
                        out[(i, 0)] = (rows[0]..rows[1]).map(|e| values[e] * x[indices[e]]).sum();
                    }
                });
            }
            Pattern::Dense { n_rows } => {
                let a = MatRef::from_row_major_slice(values, *n_rows, *n_rows);
                out.par_row_chunks_mut(DENSE_ROWS).enumerate().for_each(|(b, out)| {
                    let rows = a.subrows(b * DENSE_ROWS, out.nrows());
                    T::gemm(out, false, rows, x, T::real(1.0));
                });
            }
        }
        Ok(())
    }

    /// out = Aᴴ x, as [`apply`](Self::apply).
    pub fn apply_adjoint<T: Scalar>(&self, values: &[T], x: MatRef<'_, T>, out: MatMut<'_, T>) -> Result<()> {
        self.check(values, (x.nrows(), x.ncols()), (out.nrows(), out.ncols()))?;
        match self {
            Pattern::Sparse { indptr, indices } => {
                out.par_col_chunks_mut(1).enumerate().for_each(|(j, mut out)| {
                    out.fill(T::default());
                    for (i, rows) in indptr.windows(2).enumerate() {
                        for e in rows[0]..rows[1] {
                            out[(indices[e], 0)] += values[e].conjugate() * x[(i, j)];
                        }
                    }
                });
            }
            Pattern::Dense { n_rows } => {
                let a = MatRef::from_row_major_slice(values, *n_rows, *n_rows);
                out.par_row_chunks_mut(DENSE_ROWS).enumerate().for_each(|(b, out)| {
                    let columns = a.subcols(b * DENSE_ROWS, out.nrows());
                    T::gemm_adjoint(out, false, columns, x, T::real(1.0));
                });
            }
        }
        Ok(())
    }

    /// The matrix with `values` on this pattern, in full.
    pub fn to_dense<T: Scalar>(&self, values: &[T]) -> Mat<T> {
        let n = self.n_rows();
        let mut a = Mat::zeros(n, n);
        match self {
            Pattern::Sparse { indptr, indices } => {
                for (i, rows) in indptr.windows(2).enumerate() {
                    (rows[0]..rows[1]).for_each(|e| a[(i, indices[e])] += values[e]);
                }
            }
            Pattern::Dense { .. } => a.copy_from(MatRef::from_row_major_slice(values, n, n)),
        }
        a
    }
}

/// Matrices in memory.
#[derive(Debug, Clone)]
pub struct TermsInMemory<T> {
    pub pattern: Arc<Pattern>,
    /// The numbers of each matrix.
    pub values: Vec<Vec<T>>,
}

impl<T: Scalar> Terms<T> for TermsInMemory<T> {
    fn n_rows(&self) -> usize {
        self.pattern.n_rows()
    }
    fn n_terms(&self) -> usize {
        self.values.len()
    }
    fn values(&self, term: usize) -> Result<Vec<T>> {
        Ok(self.values[term].clone())
    }
    fn pattern(&self) -> &Arc<Pattern> {
        &self.pattern
    }
    fn combine(&self, coefficients: &[T]) -> Result<Vec<T>> {
        check_number(coefficients.len(), self.values.len())?;
        let mut sum = vec![T::default(); self.pattern.n_entries()];
        coefficients.iter().zip(&self.values).for_each(|(c, values)| add_scaled(&mut sum, *c, values));
        Ok(sum)
    }
}

/// The conjugate transposes of a family, on the transposed pattern.
#[derive(Debug)]
pub struct AdjointTerms<'a, T: Scalar> {
    terms: &'a dyn Terms<T>,
    pattern: Arc<Pattern>,
    /// Entry of the family that each entry of the transpose is.
    from: Vec<usize>,
}

impl<'a, T: Scalar> AdjointTerms<'a, T> {
    /// O(entries) once.
    pub fn new(terms: &'a dyn Terms<T>) -> AdjointTerms<'a, T> {
        let (pattern, from) = match terms.pattern().as_ref() {
            Pattern::Dense { n_rows: n } => {
                (terms.pattern().clone(), (0..n * n).map(|e| (e % n) * n + e / n).collect())
            }
            Pattern::Sparse { indptr, indices } => {
                let n = indptr.len().saturating_sub(1);
                let mut first = vec![0; n + 1];
                indices.iter().for_each(|j| first[j + 1] += 1);
                (0..n).for_each(|j| first[j + 1] += first[j]);
                let (mut next, mut from, mut rows) = (first.clone(), vec![0; indices.len()], vec![0; indices.len()]);
                for (i, range) in indptr.windows(2).enumerate() {
                    for e in range[0]..range[1] {
                        let place = next[indices[e]];
                        (from[place], rows[place]) = (e, i);
                        next[indices[e]] += 1;
                    }
                }
                (Arc::new(Pattern::Sparse { indptr: first, indices: rows }), from)
            }
        };
        AdjointTerms { terms, pattern, from }
    }
}

impl<T: Scalar> Terms<T> for AdjointTerms<'_, T> {
    fn n_rows(&self) -> usize {
        self.terms.n_rows()
    }
    fn n_terms(&self) -> usize {
        self.terms.n_terms()
    }
    fn values(&self, term: usize) -> Result<Vec<T>> {
        let values = self.terms.values(term)?;
        Ok(self.from.iter().map(|e| values[*e].conjugate()).collect())
    }
    fn pattern(&self) -> &Arc<Pattern> {
        &self.pattern
    }
}
