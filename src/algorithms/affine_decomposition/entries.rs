//! Coefficients from some entries of the new matrix: the function-free door.

use crate::error::{Error, Result};
use crate::linalg::scalar::{Scalar, adjoint_product, product};
use faer::{Mat, MatRef};

/// How terms and entries are chosen.
#[derive(Debug, Clone)]
pub struct EntryOptions {
    /// Largest relative misfit of the entries of a training matrix.
    pub tolerance: f64,
    /// Number of terms, where it is told; else as many as the tolerance needs.
    pub terms: Option<usize>,
    /// Entries that are fitted, at least; `None`: 200, and ten per term.
    pub entries: Option<usize>,
    /// Entries that are asked for only to tell how well the others fit.
    pub validation: usize,
}

impl Default for EntryOptions {
    fn default() -> Self {
        EntryOptions { tolerance: 1e-7, terms: None, entries: None, validation: 50 }
    }
}

/// Singular values below this share of the largest one are left out.
const CUTOFF: f64 = 1e-13;
/// Rounds in which badly fitted entries are added.
const ROUNDS: usize = 5;
/// Validation entries may be fitted worse than the fitted ones by this factor.
const WORSE: f64 = 2.0;

/// beta(mu) = argmin || F beta - a(mu) ||: least squares on the entries a of the new matrix, F those of the terms.
///
/// Exact at the parameters of the terms. Reference: F. Casenave, A. Ern, T. Lelièvre, G. Sylvand, arXiv:1307.4330, for the
/// interpolation of operators; least squares on more entries than terms bound the factor by which errors grow.
#[derive(Debug, Clone)]
pub struct EntryFit<T: Scalar> {
    /// Training matrices that are the terms.
    pub members: Vec<usize>,
    /// Numbers of the entries, the fitted ones first, then those that validate.
    pub entries: Vec<usize>,
    /// How many of them are fitted.
    pub n_fitted: usize,
    /// All these entries of each term [n_entries, n_terms].
    pub values: Mat<T>,
    /// Whether the terms are training matrices by the numbers of their samples.
    pub of_samples: bool,
    /// Thin SVD of the fitted rows, cut.
    u: Mat<T>,
    s: Vec<f64>,
    v: Mat<T>,
}

impl<T: Scalar> EntryFit<T> {
    /// The fit for terms whose `entries` have the values `values` [n_entries, n_terms], of which the first `n_fitted` are fitted.
    ///
    /// Errors: K100 shapes that do not fit, entries that are all zero. Cost: an SVD of [n_fitted, n_terms].
    pub fn new(members: Vec<usize>, entries: Vec<usize>, n_fitted: usize, values: Mat<T>) -> Result<EntryFit<T>> {
        if values.nrows() != entries.len() || values.ncols() != members.len() || n_fitted > entries.len() {
            let found = format!("{} x {}, {n_fitted} fitted", values.nrows(), values.ncols());
            let expected = format!("{} entries of {} terms", entries.len(), members.len());
            return Err(Error::argument("entries of the terms", found, expected));
        }
        let (u, s, v) = T::thin_svd(values.as_ref().subrows(0, n_fitted))?;
        let rank = s.iter().take_while(|x| **x > CUTOFF * s[0] && **x > 0.0).count();
        if rank == 0 {
            return Err(Error::argument("entries of the terms", "zeros", "matrices that are not zero"));
        }
        let (u, v) = (u.subcols(0, rank).to_owned(), v.subcols(0, rank).to_owned());
        Ok(EntryFit { members, entries, n_fitted, values, of_samples: true, u, s: s[..rank].to_vec(), v })
    }

    /// The same fit for terms that are no training matrices.
    pub fn of_terms(self) -> EntryFit<T> {
        EntryFit { of_samples: false, ..self }
    }

    /// Number of terms.
    pub fn n_terms(&self) -> usize {
        self.members.len()
    }

    /// Coefficients [n_terms] from the entries of a matrix, in the order of `entries`. Cost n_fitted n_terms.
    pub fn coefficients(&self, a: &[T]) -> Vec<T> {
        let a = MatRef::from_column_major_slice(&a[..self.n_fitted], self.n_fitted, 1);
        let mut c = adjoint_product(self.u.as_ref(), a);
        for (i, s) in self.s.iter().enumerate() {
            c[(i, 0)] *= T::real(1.0 / s);
        }
        product(self.v.as_ref(), c.as_ref()).col_as_slice(0).to_vec()
    }

    /// Relative misfit of the entries that are fitted, and of those that validate (of all where there are none).
    pub fn misfit(&self, a: &[T], coefficients: &[T]) -> (f64, f64) {
        let of = |rows: std::ops::Range<usize>| {
            let (mut missed, mut all) = (0.0, 0.0);
            for i in rows {
                let fitted: T = coefficients.iter().enumerate().map(|(m, b)| self.values[(i, m)] * *b).sum();
                missed += (a[i] - fitted).modulus_squared();
                all += a[i].modulus_squared();
            }
            if missed == 0.0 { 0.0 } else { (missed / all.max(f64::MIN_POSITIVE)).sqrt() }
        };
        let n = self.entries.len();
        (of(0..self.n_fitted), if n > self.n_fitted { of(self.n_fitted..n) } else { of(0..n) })
    }

    /// The same fit without the term `left_out` (a place in `members`).
    pub fn without(&self, left_out: usize) -> Result<EntryFit<T>> {
        let keep: Vec<usize> = (0..self.n_terms()).filter(|m| *m != left_out).collect();
        let values = Mat::from_fn(self.values.nrows(), keep.len(), |i, m| self.values[(i, keep[m])]);
        let members = keep.iter().map(|m| self.members[*m]).collect();
        EntryFit::new(members, self.entries.clone(), self.n_fitted, values)
    }
}

/// Why nothing but zeros is refused.
pub(crate) fn nothing_but_zeros() -> Error {
    Error::argument("entries of the training matrices", "zeros", "matrices that are not zero")
}

/// Why more terms than matrices are refused.
pub(crate) fn too_many(n_terms: usize, n_training: usize) -> Error {
    Error::argument("number of terms", n_terms, format!("at most {n_training}, the training matrices"))
}

/// Chooses terms and entries from `pool`: the entries `numbers` (in random order) of every training matrix, [n_pool, n_training].
///
/// Terms are the columns that QR with column pivoting takes, as many as the tolerance needs: then no training matrix is missed by
/// more, on the pool. Entries are the first of the pool; where those that validate are fitted much worse, the worst of the pool
/// are added. Errors: K100 nothing but zeros, more terms than matrices.
pub fn choose_entries<T: Scalar>(
    pool: MatRef<'_, T>,
    numbers: &[usize],
    options: &EntryOptions,
) -> Result<EntryFit<T>> {
    let n_training = pool.ncols();
    // What is zero in every matrix tells nothing.
    let live: Vec<usize> =
        (0..pool.nrows()).filter(|i| (0..n_training).any(|j| pool[(*i, j)].modulus() > 0.0)).collect();
    if live.is_empty() {
        return Err(nothing_but_zeros());
    }
    let at =
        |rows: &[usize], columns: &[usize]| Mat::from_fn(rows.len(), columns.len(), |i, j| pool[(rows[i], columns[j])]);
    let all: Vec<usize> = (0..n_training).collect();
    // The pool may be large: it is copied only where rows are left out.
    let (order, pivots) = match live.len() == pool.nrows() {
        true => T::pivoted_columns(pool),
        false => T::pivoted_columns(at(&live, &all).as_ref()),
    };
    let largest = pivots.first().copied().unwrap_or(0.0);
    let smallest_norm = {
        let norm = |j: &usize| live.iter().map(|i| pool[(*i, *j)].modulus_squared()).sum::<f64>().sqrt();
        all.iter().map(norm).fold(f64::INFINITY, f64::min)
    };
    let needed = pivots.iter().take_while(|p| **p > options.tolerance * smallest_norm.max(1e-3 * largest)).count();
    let n_terms = match options.terms {
        Some(n) if n > n_training => return Err(too_many(n, n_training)),
        // Beyond round-off there is nothing to fit.
        Some(n) => n.min(pivots.iter().take_while(|p| **p > 1e-14 * largest).count()),
        None => needed,
    };
    let mut members = order[..n_terms.max(1)].to_vec();
    members.sort_unstable();
    let wanted = options.entries.unwrap_or(200.max(10 * members.len())).max(members.len());
    let n_validation = options.validation.min(live.len() / 5);
    let mut fitted: Vec<usize> = live[..wanted.min(live.len() - n_validation)].to_vec();
    let mut rest: Vec<usize> = live[fitted.len()..].to_vec();
    let build = |fitted: &[usize], rest: &[usize]| {
        let mut fitted = fitted.to_vec();
        fitted.sort_unstable_by_key(|i| numbers[*i]);
        let mut validating = rest[..n_validation.min(rest.len())].to_vec();
        validating.sort_unstable_by_key(|i| numbers[*i]);
        // Where all entries there are would be asked for, they are all fitted, in their order: no one can take it for another.
        if fitted.len() + validating.len() == pool.nrows() {
            fitted.append(&mut validating);
            fitted.sort_unstable_by_key(|i| numbers[*i]);
        }
        let rows: Vec<usize> = fitted.iter().chain(&validating).copied().collect();
        let fit = EntryFit::new(
            members.clone(),
            rows.iter().map(|i| numbers[*i]).collect(),
            fitted.len(),
            at(&rows, &members),
        );
        fit.map(|fit| (fit, rows))
    };
    for _ in 0..ROUNDS {
        let (fit, rows) = build(&fitted, &rest)?;
        let others: Vec<usize> = all.iter().copied().filter(|j| !members.contains(j)).collect();
        if options.entries.is_some() || others.is_empty() || rest.len() <= n_validation {
            return Ok(fit);
        }
        let (mut inside, mut outside, mut worst) = (0.0_f64, 0.0_f64, vec![0.0_f64; rest.len()]);
        for j in others {
            let a: Vec<T> = rows.iter().map(|i| pool[(*i, j)]).collect();
            let beta = fit.coefficients(&a);
            let (own, other) = fit.misfit(&a, &beta);
            inside = inside.max(own);
            outside = outside.max(other);
            for (k, i) in rest.iter().enumerate() {
                let fitted: T = members.iter().zip(&beta).map(|(m, b)| pool[(*i, *m)] * *b).sum();
                worst[k] = worst[k].max((pool[(*i, j)] - fitted).modulus());
            }
        }
        if outside <= WORSE * inside.max(options.tolerance) {
            return Ok(fit);
        }
        let mut ranked: Vec<usize> = (n_validation..rest.len()).collect();
        ranked.sort_by(|a, b| worst[*b].total_cmp(&worst[*a]).then(a.cmp(b)));
        let added: Vec<usize> = ranked.iter().take(fitted.len() / 4 + 1).map(|k| rest[*k]).collect();
        rest.retain(|i| !added.contains(i));
        fitted.extend(added);
    }
    Ok(build(&fitted, &rest)?.0)
}
