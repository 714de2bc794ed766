//! The residual of a reduced basis in a space of few rows.

use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use crate::linalg::small::{add_combination, norm};
use faer::Mat;

/// P ~ Q_P R_P for all columns that a residual can have, P = [f_p | A_q v_i], Q_P orthonormal.
///
/// ```text
/// f(mu) - A(mu) V y = P x,   x = [gamma_p | -theta_q y_i],   ||P x|| ≈ ||R_P x||
/// ```
///
/// A norm of a small vector, with no products of parts of the residual in it: it reaches round-off of ||P|| ||x|| where
/// the quadratic form xᴴ(PᴴP)x stalls at its square root. What Q_P misses of each column is known, and bounds the rest.
///
/// Reference: Buhr, Engwer, Ohlberger, Rave, A numerically stable a posteriori error estimator for reduced basis
/// approximations of elliptic equations, WCCM XI (2014).
#[derive(Debug, Clone)]
pub struct Residual<T> {
    n_rows: usize,
    n_modes: usize,
    /// Rows of A_q v_i: entry r at (q n_modes + i) n_rows + r.
    matrices: Vec<T>,
    /// Rows of f_p: entry r at p n_rows + r.
    rhs: Vec<T>,
    /// Norms of the columns A_q v_i and f_p, and of what Q_P misses of them; in the same order.
    matrix_norms: Vec<f64>,
    rhs_norms: Vec<f64>,
    matrix_missed: Vec<f64>,
    rhs_missed: Vec<f64>,
}

/// Columns with one owner, A_q or f: their rows in Q_P, their norms, the norms of what Q_P misses.
#[derive(Debug, Clone)]
pub struct Columns<T> {
    pub rows: Mat<T>,
    pub norms: Vec<f64>,
    pub missed: Vec<f64>,
}

/// Norm of a residual, and how far the truth can be from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResidualNorm {
    /// ||R_P x||.
    pub norm: f64,
    /// ||f(mu)||.
    pub rhs_norm: f64,
    /// |truth - norm| is at most this: what Q_P misses, and round-off.
    pub uncertainty: f64,
}

impl<T: Scalar> Residual<T> {
    /// From the columns A_q V, one set per term, and f. Errors: shapes that do not fit.
    pub fn new(matrices: &[Columns<T>], rhs: &Columns<T>) -> Result<Residual<T>> {
        let (n_rows, n_modes) = (rhs.rows.nrows(), matrices.first().map_or(0, |m| m.rows.ncols()));
        for (c, n) in matrices.iter().map(|c| (c, n_modes)).chain([(rhs, rhs.rows.ncols())]) {
            if (c.rows.nrows(), c.rows.ncols(), c.norms.len(), c.missed.len()) != (n_rows, n, n, n) {
                let (k, m, norms, missed) = (c.rows.nrows(), c.rows.ncols(), c.norms.len(), c.missed.len());
                let found = format!("{k} x {m} with {norms} norms and {missed} remainders");
                return Err(Error::argument("columns of a compressed residual", found, format!("{n_rows} x {n}")));
            }
        }
        let flat = |c: &Columns<T>| c.rows.col_iter().flat_map(|c| c.iter().copied()).collect::<Vec<T>>();
        Ok(Residual {
            n_rows,
            n_modes,
            matrices: matrices.iter().flat_map(flat).collect(),
            rhs: flat(rhs),
            matrix_norms: matrices.iter().flat_map(|c| c.norms.iter().copied()).collect(),
            rhs_norms: rhs.norms.clone(),
            matrix_missed: matrices.iter().flat_map(|c| c.missed.iter().copied()).collect(),
            rhs_missed: rhs.missed.clone(),
        })
    }

    /// Rows of R_P.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Modes, terms and right-hand sides.
    pub fn shape(&self) -> (usize, usize, usize) {
        let n_terms = self.matrix_norms.len().checked_div(self.n_modes).unwrap_or(0);
        (self.n_modes, n_terms, self.rhs_norms.len())
    }

    /// The columns of term `q`, as [`new`](Self::new) takes them.
    pub fn columns(&self, q: usize) -> Columns<T> {
        let (k, n) = (self.n_rows, self.n_modes);
        Columns {
            rows: Mat::from_fn(k, n, |r, i| self.matrices[(q * n + i) * k + r]),
            norms: self.matrix_norms[q * n..(q + 1) * n].to_vec(),
            missed: self.matrix_missed[q * n..(q + 1) * n].to_vec(),
        }
    }

    /// The columns of the right-hand sides.
    pub fn rhs_columns(&self) -> Columns<T> {
        let rows = Mat::from_fn(self.n_rows, self.rhs_norms.len(), |r, p| self.rhs[p * self.n_rows + r]);
        Columns { rows, norms: self.rhs_norms.clone(), missed: self.rhs_missed.clone() }
    }

    /// The same for the leading modes.
    pub fn truncated(&self, n_modes: usize) -> Residual<T> {
        let (_, n_terms, _) = self.shape();
        let (n, k) = (n_modes.min(self.n_modes), self.n_rows);
        let numbers = |v: &[f64]| (0..n_terms).flat_map(|q| v[q * self.n_modes..][..n].to_vec()).collect();
        Residual {
            n_rows: k,
            n_modes: n,
            matrices: (0..n_terms).flat_map(|q| self.matrices[q * self.n_modes * k..][..n * k].to_vec()).collect(),
            rhs: self.rhs.clone(),
            matrix_norms: numbers(&self.matrix_norms),
            rhs_norms: self.rhs_norms.clone(),
            matrix_missed: numbers(&self.matrix_missed),
            rhs_missed: self.rhs_missed.clone(),
        }
    }

    /// out [n_rows] = rows of sum_p gamma_p f_p.
    pub(super) fn assemble_rhs(&self, gamma: &[T], out: &mut [T]) {
        out.fill(T::default());
        add_combination(out, gamma.len(), |p| gamma[p], &self.rhs, self.n_rows);
    }

    /// out [n_rows, n] = rows of sum_q theta_q A_q V in the leading modes, as many as `out` has columns.
    pub(super) fn assemble(&self, theta: &[T], out: &mut [T]) {
        out.fill(T::default());
        add_combination(out, theta.len(), |q| theta[q], &self.matrices, self.n_modes * self.n_rows);
    }

    /// out [n_rows] += factor times the rows of A_q V y.
    pub(super) fn add(&self, q: usize, factor: T, y: &[T], out: &mut [T]) {
        let first = q * self.n_modes * self.n_rows;
        add_combination(out, y.len(), |i| factor * y[i], &self.matrices[first..], self.n_rows);
    }

    /// ||R_P x|| / ||f||; `memory` holds n_rows numbers.
    pub(super) fn relative(&self, theta: &[T], gamma: &[T], y: &[T], memory: &mut [T]) -> f64 {
        let out = &mut memory[..self.n_rows];
        self.assemble_rhs(gamma, out);
        let whole = norm(out);
        theta.iter().enumerate().for_each(|(q, t)| self.add(q, -*t, y, out));
        quotient(norm(out), whole)
    }

    /// ||f - A V y|| with what is known of its accuracy; theta [n_terms], gamma [n_rhs], y [at most n_modes], `memory`
    /// [at least n_rows]. Errors: lengths that do not fit. O(d k N); nothing is allocated.
    pub fn norm(&self, theta: &[T], gamma: &[T], y: &[T], memory: &mut [T]) -> Result<ResidualNorm> {
        let (n_modes, n_terms, n_rhs) = self.shape();
        let fits = y.len() <= n_modes && memory.len() >= self.n_rows;
        if theta.len() != n_terms || gamma.len() != n_rhs || !fits {
            let found =
                format!("{} theta, {} gamma, {} modes, {} rows", theta.len(), gamma.len(), y.len(), memory.len());
            let expected = format!("{n_terms} theta, {n_rhs} gamma, at most {n_modes} modes, {} rows", self.n_rows);
            return Err(Error::argument("norm of a residual", found, expected));
        }
        let out = &mut memory[..self.n_rows];
        self.assemble_rhs(gamma, out);
        let rhs_norm = norm(out);
        let mut accuracy = self.accuracy_of_rhs(gamma);
        for (q, t) in theta.iter().enumerate() {
            self.add(q, -*t, y, out);
            accuracy.add(self.accuracy_of_matrix(q, t.modulus(), y));
        }
        Ok(ResidualNorm { norm: norm(out), rhs_norm, uncertainty: accuracy.uncertainty() })
    }

    /// How well the rows of sum_p gamma_p f_p are known.
    pub(super) fn accuracy_of_rhs(&self, gamma: &[T]) -> Accuracy {
        let mut accuracy = Accuracy::default();
        for (p, g) in gamma.iter().enumerate() {
            accuracy.missed += g.modulus() * self.rhs_missed[p];
            accuracy.whole += g.modulus() * self.rhs_norms[p];
        }
        accuracy
    }

    /// How well the rows of `factor` A_q V y are known.
    pub(super) fn accuracy_of_matrix(&self, q: usize, factor: f64, y: &[T]) -> Accuracy {
        let (missed, norms) = (&self.matrix_missed[q * self.n_modes..], &self.matrix_norms[q * self.n_modes..]);
        let mut accuracy = Accuracy::default();
        for ((y, missed), norm) in y.iter().zip(missed).zip(norms) {
            let x = factor * y.modulus();
            accuracy.missed += x * missed;
            accuracy.whole += x * norm;
        }
        accuracy
    }
}

/// What Q_P misses of a sum of columns at most, and the sum of their norms.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Accuracy {
    missed: f64,
    whole: f64,
}

impl Accuracy {
    pub(super) fn add(&mut self, other: Accuracy) {
        self.missed += other.missed;
        self.whole += other.whole;
    }

    /// A column is known to a few eps of its norm; sums of d N + n_rhs of them in pairs of two.
    pub(super) fn uncertainty(self) -> f64 {
        self.missed + 16.0 * f64::EPSILON * self.whole
    }

    pub(super) fn scaled(self, factor: f64) -> Accuracy {
        Accuracy { missed: factor * self.missed, whole: factor * self.whole }
    }
}

/// a / b, where 0 / 0 is 0.
pub(super) fn quotient(a: f64, b: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a / b }
}
