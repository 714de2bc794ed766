//! Sparse Cholesky factorisation: the pattern is analysed once, numbers are factorised as often as they change.

use super::sparse::{asymmetry, with_faer};
use crate::error::{Error, Result};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::LltError;
use faer::sparse::SparseColMatRef;
use faer::sparse::linalg::cholesky::supernodal::SupernodalLltRef;
use faer::sparse::linalg::cholesky::{
    CholeskySymbolicParams, LltRef, SymbolicCholesky, SymbolicCholeskyRaw, SymmetricOrdering,
    factorize_symbolic_cholesky,
};
use faer::sparse::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Conj, Mat, MatRef, Par, Side};
use sprs::CsMat;
use std::sync::Arc;

/// P A Pᵀ = L Lᵀ of a sparse symmetric positive definite matrix, P of approximate minimum degree.
///
/// [`new`](Self::new) analyses the pattern and factorises; [`refactorize`](Self::refactorize) factorises other numbers
/// on the same pattern, as for a finite-element matrix A(mu); [`solve`](Self::solve) takes many right-hand sides.
/// Each call runs on one thread, so that its bits depend on no number of threads; calls may run in parallel. Not
/// collective.
///
/// Reference: T. Davis, Direct Methods for Sparse Linear Systems, SIAM 2006, chapters 4 and 7; P. Amestoy, T. Davis,
/// I. Duff, SIMAX 17 (1996) 886.
#[doc(alias = "LLT")]
#[derive(Debug, Clone)]
pub struct SparseCholesky {
    analysis: Arc<Analysis>,
    /// Entries of L, in the order that the analysis gives them.
    values: Vec<f64>,
}

#[derive(Debug)]
struct Analysis {
    symbolic: SymbolicCholesky<usize>,
    indptr: Vec<usize>,
    indices: Vec<usize>,
}

impl SparseCholesky {
    /// Analyses the pattern of A [n, n] and factorises it.
    ///
    /// A is stored in full, by rows or by columns. Errors: a shape that is not square, A not symmetric,
    /// [`Error::NotPositiveDefinite`] with the row of A at which the pivot is not positive (in the order of
    /// elimination). Cost: for a mesh in the plane with n points about n log n entries of L and n^(3/2) flops.
    pub fn new(a: &CsMat<f64>) -> Result<SparseCholesky> {
        check(a)?;
        let (order, parameters) = (SymmetricOrdering::Amd, CholeskySymbolicParams::default());
        let symbolic = with_faer(a, |a| factorize_symbolic_cholesky(a.symbolic(), Side::Lower, order, parameters))
            .map_err(|e| Error::argument("sparse matrix", e, "a pattern that fits into memory"))?;
        let analysis = Analysis { symbolic, indptr: a.proper_indptr().to_vec(), indices: a.indices().to_vec() };
        factorize(Arc::new(analysis), a)
    }

    /// Factorises other numbers on the pattern of the first matrix, without a new analysis; `self` stays as it is.
    ///
    /// Errors: those of [`new`](Self::new), and a pattern that differs. An entry that may be needed for some numbers is
    /// stored for all, as a zero.
    pub fn refactorize(&self, a: &CsMat<f64>) -> Result<SparseCholesky> {
        check(a)?;
        let n = self.n_rows();
        if a.rows() != n {
            return Err(Error::argument("rows of the sparse matrix", a.rows(), n));
        }
        let indptr = a.proper_indptr();
        let row_of = |m: usize, p: &[usize], i: &[usize]| (p[m + 1] - p[m], i[p[m]..p[m + 1]].to_vec());
        let (p, i) = (&self.analysis.indptr, &self.analysis.indices);
        if indptr[..] != p[..] || a.indices() != &i[..] {
            let row = (0..n).find(|&m| row_of(m, &indptr, a.indices()) != row_of(m, p, i)).unwrap_or(0);
            let found = format!("row {row} with entries in columns {:?}", row_of(row, &indptr, a.indices()).1);
            return Err(Error::argument(
                "pattern of the sparse matrix",
                found,
                format!("the columns {:?} of the first matrix", row_of(row, p, i).1),
            ));
        }
        factorize(self.analysis.clone(), a)
    }

    /// A⁻¹ B for B [n, m]. Error: another number of rows. O(entries of L) per column.
    pub fn solve(&self, b: MatRef<'_, f64>) -> Result<Mat<f64>> {
        if b.nrows() != self.n_rows() {
            return Err(Error::argument("rows of a right-hand side", b.nrows(), self.n_rows()));
        }
        let symbolic = &self.analysis.symbolic;
        let mut x = b.to_owned();
        let mut memory = MemBuffer::new(symbolic.solve_in_place_scratch::<f64>(b.ncols(), Par::Seq));
        let stack = MemStack::new(&mut memory);
        LltRef::new(symbolic, &self.values).solve_in_place_with_conj(Conj::No, x.as_mut(), Par::Seq, stack);
        Ok(x)
    }

    /// L⁻¹ P B for B [n, m]: the Euclidean norm of a column is sqrt(bᵀA⁻¹b) of that of B, with no square in between.
    /// Error: another number of rows. O(entries of L) per column.
    pub fn half_solve(&self, b: MatRef<'_, f64>) -> Result<Mat<f64>> {
        let (n, symbolic) = (self.n_rows(), &self.analysis.symbolic);
        if b.nrows() != n {
            return Err(Error::argument("rows of a right-hand side", b.nrows(), n));
        }
        let row = |i: usize| symbolic.perm().map_or(i, |p| p.arrays().0[i]);
        let mut x = Mat::from_fn(n, b.ncols(), |i, j| b[(row(i), j)]);
        match symbolic.raw() {
            SymbolicCholeskyRaw::Simplicial(symbolic) => {
                let l = SparseColMatRef::new(symbolic.factor(), &self.values);
                solve_lower_triangular_in_place(l, Conj::No, x.as_mut(), Par::Seq);
            }
            SymbolicCholeskyRaw::Supernodal(symbolic) => {
                let mut memory = MemBuffer::new(symbolic.solve_in_place_scratch::<f64>(b.ncols(), Par::Seq));
                let l = SupernodalLltRef::new(symbolic, &self.values);
                l.l_solve_with_conj(Conj::No, x.as_mut(), Par::Seq, MemStack::new(&mut memory));
            }
        }
        Ok(x)
    }

    /// Number of rows of A.
    pub fn n_rows(&self) -> usize {
        self.analysis.symbolic.nrows()
    }

    /// Number of stored entries of L.
    pub fn n_entries(&self) -> usize {
        self.values.len()
    }

    /// Largest number of entries of L in a row and in a column, the diagonal among them: what rounding errors of the
    /// factorisation grow with. O(entries of the pattern of L).
    pub fn fullest_row_and_column(&self) -> (usize, usize) {
        let n = self.n_rows();
        let (mut rows, mut column) = (vec![0_usize; n], 0);
        match self.analysis.symbolic.raw() {
            SymbolicCholeskyRaw::Simplicial(symbolic) => {
                symbolic.row_idx().iter().for_each(|i| rows[*i] += 1);
                column = symbolic.col_ptr().windows(2).map(|c| c[1] - c[0]).max().unwrap_or(0);
            }
            SymbolicCholeskyRaw::Supernodal(symbolic) => {
                let ranges = symbolic.supernode_begin().iter().zip(symbolic.supernode_end());
                for (s, (begin, end)) in ranges.enumerate() {
                    let (width, below) = (end - begin, symbolic.supernode(s).pattern());
                    (0..width).for_each(|k| rows[begin + k] += k + 1);
                    below.iter().for_each(|i| rows[*i] += width);
                    column = column.max(width + below.len());
                }
            }
        }
        (rows.into_iter().max().unwrap_or(0), column)
    }
}

fn check(a: &CsMat<f64>) -> Result<()> {
    if a.rows() != a.cols() || a.rows() == 0 {
        return Err(Error::argument(
            "shape of the sparse matrix",
            format!("{} x {}", a.rows(), a.cols()),
            "a square matrix of at least one row",
        ));
    }
    if let Some((_, (i, j))) = a.iter().find(|(v, _)| !v.is_finite()) {
        let what = format!("entry ({i}, {j}) of the sparse matrix");
        return Err(Error::argument(what, "a value that is not finite", "finite numbers"));
    }
    match asymmetry(a) {
        Some((i, j)) => Err(Error::argument(
            "sparse matrix",
            format!("entries ({i}, {j}) and ({j}, {i}) that differ"),
            "a symmetric matrix, stored in full",
        )),
        None => Ok(()),
    }
}

fn factorize(analysis: Arc<Analysis>, a: &CsMat<f64>) -> Result<SparseCholesky> {
    let symbolic = &analysis.symbolic;
    let mut values = vec![0.0; symbolic.len_val()];
    let mut memory = MemBuffer::new(symbolic.factorize_numeric_llt_scratch::<f64>(Par::Seq, Default::default()));
    let stack = MemStack::new(&mut memory);
    let (zeros, parameters) = (Default::default(), Default::default());
    let outcome = with_faer(a, |a| {
        let done = symbolic.factorize_numeric_llt(&mut values, a, Side::Lower, zeros, Par::Seq, stack, parameters);
        done.map(|_| ())
    });
    match outcome {
        Ok(()) => Ok(SparseCholesky { analysis, values }),
        Err(LltError::NonPositivePivot { index }) => {
            // faer counts from 1 where it works column by column.
            let eliminated = match symbolic.raw() {
                SymbolicCholeskyRaw::Simplicial(_) => index.saturating_sub(1),
                SymbolicCholeskyRaw::Supernodal(_) => index,
            };
            let pivot = symbolic.perm().map_or(eliminated, |p| p.arrays().0[eliminated]);
            let mend = "check boundary conditions and coefficients, or solve it as an indefinite matrix";
            Err(Error::NotPositiveDefinite { what: "sparse matrix".into(), pivot, mend: mend.into() })
        }
    }
}
