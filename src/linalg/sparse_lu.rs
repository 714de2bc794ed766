//! Sparse LU factorisation of real or complex matrices: the pattern is analysed once, numbers as often as they change.

use super::scalar::Scalar;
use super::small::{lu_in_place, lu_solve_adjoint_in_place, lu_solve_in_place};
use super::terms::Pattern;
use crate::error::{Error, Result};
use faer::sparse::linalg::lu::{LuSymbolicParams, NumericLu, SymbolicLu, factorize_symbolic_lu};
use faer::sparse::{SparseColMatRef, SymbolicSparseColMatRef};
use faer::{Mat, MatMut, MatRef};
use std::sync::Arc;

/// Largest ||A|| ||x|| / ||b||, a bound from below of the condition number, that a solution is returned for.
const LARGEST_GROWTH: f64 = 1.0 / (64.0 * f64::EPSILON);

/// The order of elimination for all matrices on one pattern.
#[derive(Debug)]
pub struct LuAnalysis {
    pattern: Arc<Pattern>,
    /// Of the transpose: rows in CSR form are its columns. None where the pattern is dense.
    symbolic: Option<SymbolicLu<usize>>,
}

/// P A Q = L U with partial pivoting, Q of approximate minimum degree; dense where the pattern is.
///
/// [`LuAnalysis::new`] analyses the pattern, [`LuAnalysis::factorize`] takes the numbers; [`solve`](Self::solve) and
/// [`solve_adjoint`](Self::solve_adjoint) take many right-hand sides. Each call runs on one thread; calls may run in
/// parallel. Not collective.
///
/// Reference: T. Davis, Direct Methods for Sparse Linear Systems, SIAM 2006, chapter 6; T. Davis, J. Gilbert, S. Larimore,
/// E. Ng, ACM TOMS 30 (2004) 353 (COLAMD).
#[derive(Debug)]
pub struct SparseLu<T: Scalar> {
    analysis: Arc<LuAnalysis>,
    values: Vec<T>,
    factors: Factors<T>,
    /// Largest row sum of absolute values.
    norm: f64,
}

#[derive(Debug)]
enum Factors<T: Scalar> {
    Sparse(Box<NumericLu<usize, T>>),
    Dense { lu: Vec<T>, swaps: Vec<usize> },
}

impl LuAnalysis {
    /// Errors: rows that are not sorted, or with columns that are not there.
    pub fn new(pattern: &Arc<Pattern>) -> Result<Arc<LuAnalysis>> {
        let symbolic = match pattern.as_ref() {
            Pattern::Dense { .. } => None,
            Pattern::Sparse { indptr, indices } => {
                check(indptr, indices)?;
                let n = pattern.n_rows();
                let columns = SymbolicSparseColMatRef::new_checked(n, n, indptr, None, indices);
                let symbolic = factorize_symbolic_lu(columns, LuSymbolicParams::default())
                    .map_err(|e| Error::argument("sparse matrix", e, "a pattern that fits into memory"))?;
                Some(symbolic)
            }
        };
        Ok(Arc::new(LuAnalysis { pattern: pattern.clone(), symbolic }))
    }

    /// Factorises the matrix with these numbers. Errors: another number of them, values that are not finite, a matrix that
    /// is singular by its pattern or has a pivot of zero; singular up to round-off is told by the solution.
    pub fn factorize<T: Scalar>(self: &Arc<Self>, values: Vec<T>) -> Result<SparseLu<T>> {
        let (n, n_entries) = (self.pattern.n_rows(), self.pattern.n_entries());
        if values.len() != n_entries {
            return Err(Error::argument("entries of the matrix", values.len(), n_entries));
        }
        if let Some(e) = values.iter().position(|v| !v.finite()) {
            let what = format!("entry {:?} of the matrix", self.pattern.place(e));
            return Err(Error::argument(what, values[e], "a finite number"));
        }
        let factors = match (self.pattern.as_ref(), &self.symbolic) {
            (Pattern::Sparse { indptr, indices }, Some(symbolic)) => {
                let columns = SymbolicSparseColMatRef::new_checked(n, n, indptr, None, indices);
                let lu = T::sparse_lu(symbolic, SparseColMatRef::new(columns, &values));
                Factors::Sparse(Box::new(lu.map_err(|e| Error::argument("matrix", e, "a regular matrix"))?))
            }
            _ => {
                let mut lu: Vec<T> = (0..n * n).map(|e| values[(e % n) * n + e / n]).collect();
                let (mut swaps, mut largest) = (vec![0; n], vec![0.0; n]);
                lu_in_place(&mut lu, n, &mut swaps, &mut largest).map_err(|s| {
                    let found = format!("pivot {} of {:.1e} where its column has {:.1e}", s.column, s.pivot, s.largest);
                    Error::argument("matrix", found, "a regular matrix")
                })?;
                Factors::Dense { lu, swaps }
            }
        };
        let size = |e: usize| values[e].modulus();
        let norm = match self.pattern.as_ref() {
            Pattern::Sparse { indptr, .. } => {
                indptr.windows(2).map(|r| (r[0]..r[1]).map(size).sum()).fold(0.0, f64::max)
            }
            Pattern::Dense { n_rows } => {
                (0..n).map(|i| (i * n_rows..(i + 1) * n_rows).map(size).sum()).fold(0.0, f64::max)
            }
        };
        Ok(SparseLu { analysis: self.clone(), values, factors, norm })
    }
}

impl<T: Scalar> SparseLu<T> {
    /// A⁻¹ B for B [n, m], one step of refinement after the solution.
    ///
    /// Errors: another number of rows; a matrix that is singular up to round-off, told by ||A|| ||x|| / ||b||.
    pub fn solve(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        self.refined(b, false)
    }

    /// A⁻ᴴ B; as [`solve`](Self::solve).
    pub fn solve_adjoint(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        self.refined(b, true)
    }

    fn refined(&self, b: MatRef<'_, T>, adjoint: bool) -> Result<Mat<T>> {
        let n = self.analysis.pattern.n_rows();
        if b.nrows() != n {
            return Err(Error::argument("rows of a right-hand side", b.nrows(), n));
        }
        let mut x = b.to_owned();
        self.apply_inverse(x.as_mut(), adjoint);
        for j in 0..b.ncols() {
            let most = |c: faer::ColRef<'_, T>| {
                c.iter().map(|x| x.modulus()).fold(0.0, |m, x| if x > m || x.is_nan() { x } else { m })
            };
            let growth = self.norm * most(x.col(j)) / most(b.col(j)).max(f64::MIN_POSITIVE);
            if growth.is_nan() || growth > LARGEST_GROWTH {
                let found = match growth.is_nan() {
                    true => "one whose solution is not a number: singular".to_string(),
                    false => format!("one with a condition number of at least {growth:.1e}: singular"),
                };
                return Err(Error::argument(
                    "matrix",
                    found,
                    "a regular matrix; mend: check boundary conditions and coefficients",
                ));
            }
        }
        let (pattern, mut rest) = (&self.analysis.pattern, Mat::zeros(n, b.ncols()));
        match adjoint {
            true => pattern.apply_adjoint(&self.values, x.as_ref(), rest.as_mut())?,
            false => pattern.apply(&self.values, x.as_ref(), rest.as_mut())?,
        }
        for (r, b) in rest.as_mut().col_iter_mut().zip(b.col_iter()) {
            r.iter_mut().zip(b.iter()).for_each(|(r, b)| *r = *b - *r);
        }
        self.apply_inverse(rest.as_mut(), adjoint);
        for (x, r) in x.as_mut().col_iter_mut().zip(rest.col_iter()) {
            x.iter_mut().zip(r.iter()).for_each(|(x, r)| *x += *r);
        }
        Ok(x)
    }

    fn apply_inverse(&self, mut x: MatMut<'_, T>, adjoint: bool) {
        let n = x.nrows();
        match (&self.factors, &self.analysis.symbolic) {
            // The factors are those of the transpose, whose conjugate is the adjoint.
            (Factors::Sparse(lu), Some(symbolic)) => T::sparse_lu_solve(symbolic, lu, x, adjoint),
            (Factors::Dense { lu, swaps }, _) => {
                let mut column = vec![T::default(); n];
                for mut c in x.as_mut().col_iter_mut() {
                    column.iter_mut().zip(c.as_ref().iter()).for_each(|(x, c)| *x = *c);
                    match adjoint {
                        true => lu_solve_adjoint_in_place(lu, n, swaps, &mut column),
                        false => lu_solve_in_place(lu, n, swaps, &mut column),
                    }
                    c.as_mut().iter_mut().zip(&column).for_each(|(c, x)| *c = *x);
                }
            }
            (Factors::Sparse(_), None) => {}
        }
    }

    /// Rows of A.
    pub fn n_rows(&self) -> usize {
        self.analysis.pattern.n_rows()
    }
}

fn check(indptr: &[usize], indices: &[usize]) -> Result<()> {
    let n = indptr.len().saturating_sub(1);
    let ends = (indptr.first(), indptr.last());
    if n == 0 || ends != (Some(&0), Some(&indices.len())) || indptr.windows(2).any(|r| r[0] > r[1]) {
        let found = format!("{} row starts for {} entries", indptr.len(), indices.len());
        return Err(Error::argument("rows of a sparse matrix", found, "ascending row starts from 0 to the entries"));
    }
    for (i, range) in indptr.windows(2).enumerate() {
        let row = &indices[range[0]..range[1]];
        if row.windows(2).any(|w| w[0] >= w[1]) || row.last().is_some_and(|j| *j >= n) {
            return Err(Error::argument(
                format!("columns of row {i}"),
                format!("{row:?}"),
                format!("ascending ones below {n}"),
            ));
        }
    }
    Ok(())
}
