//! Extreme eigenvalues of sum_q theta_q A_q in an inner product X, enclosed by proofs.
//!
//! An eigenvalue that an iteration returns bounds nothing: the iteration may have missed a smaller one. What is returned here
//! is proved by Sylvester's law of inertia: sum_q theta_q A_q - s X has a Cholesky factorisation, so no eigenvalue is below s;
//! and the rounding errors of that factorisation are bounded, and taken off s.

use super::inner_product::InnerProduct;
use super::lanczos::{LanczosOptions, Ritz, lanczos};
use super::sparse_cholesky::SparseCholesky;
use super::terms::{Pattern, Terms};
use crate::error::{Error, Result};
use faer::MatRef;
use sprs::CsMat;

/// Unit round-off.
const UNIT: f64 = 0.5 * f64::EPSILON;
/// First distance of a bound from the Ritz value, relative; it grows tenfold until the bound is proved.
const FIRST_DISTANCE: f64 = 1e-9;
const MOST_TRIALS: usize = 14;
/// A least eigenvalue above this share of the largest, negative, is taken for zero first.
const SEMIDEFINITE: f64 = 1e-10;
/// Steps of the iterations without a shift, whose values proofs need not be near to.
const STEPS_WITHOUT_SHIFT: usize = 60;
/// Rows whose products are summed by themselves.
const BLOCK: usize = 256;

/// Symmetric parts of matrices A_1, …, A_q [n, n] and X, on one pattern.
#[derive(Debug)]
pub struct SymmetricPencil {
    indptr: Vec<usize>,
    indices: Vec<usize>,
    diagonal: Vec<usize>,
    terms: Vec<Vec<f64>>,
    x: Vec<f64>,
    product: InnerProduct,
    /// X, and the analysis for all.
    factor: SparseCholesky,
    /// Backward error of a factorisation of B over the largest b_ii / x_ii, in the diagonal of X.
    growth: f64,
    /// No eigenvalue of X in its diagonal is below this.
    floor: f64,
}

/// min_v vᵀAv / vᵀXv, enclosed.
#[derive(Debug, Clone, PartialEq)]
pub struct Smallest {
    /// Proved: no eigenvalue is below.
    pub lower: f64,
    /// The Rayleigh quotient of one vector.
    pub upper: f64,
    /// vᵀA_q v / vᵀXv of that vector, for each term.
    pub rayleigh: Vec<f64>,
}

impl SymmetricPencil {
    /// The symmetric parts of all matrices, in memory.
    ///
    /// Errors: no matrices, numbers that are not finite, a pattern that is not in order; X of another size, not symmetric, not
    /// positive definite, or so near to singular that no round-off is allowed for. Cost: two factorisations of X on the union of
    /// all patterns. Not collective.
    pub fn new(terms: &dyn Terms<f64>, x: &InnerProduct) -> Result<SymmetricPencil> {
        let n = terms.n_rows();
        if n == 0 || terms.n_terms() == 0 {
            let found = format!("{} matrices of {n} rows", terms.n_terms());
            return Err(Error::argument("pencil of matrices", found, "at least one of each"));
        }
        x.check(n)?;
        check_pattern(terms.pattern())?;
        let x_entries = entries_of(x, n)?;
        let places: Vec<(usize, usize)> = places_of(terms.pattern());
        let mut rows: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
        places.iter().for_each(|(i, j)| {
            rows[*i].push(*j);
            rows[*j].push(*i);
        });
        x_entries.iter().for_each(|(i, j, _)| rows[*i].push(*j));
        let mut indptr = vec![0];
        for row in &mut rows {
            row.sort_unstable();
            row.dedup();
            indptr.push(indptr[indptr.len() - 1] + row.len());
        }
        let place = |i: usize, j: usize| indptr[i] + rows[i].partition_point(|c| *c < j);
        let n_entries = indptr[n];
        let both: Vec<(usize, usize)> = places.iter().map(|(i, j)| (place(*i, *j), place(*j, *i))).collect();
        let mut symmetric = Vec::with_capacity(terms.n_terms());
        for q in 0..terms.n_terms() {
            let (values, mut sum) = (terms.values(q)?, vec![0.0; n_entries]);
            if let Some(e) = values.iter().position(|v| !v.is_finite()) {
                let what = format!("entry {:?} of matrix {q}", places[e]);
                return Err(Error::argument(what, values[e], "a finite number"));
            }
            for (v, (there, back)) in values.iter().zip(&both) {
                sum[*there] += 0.5 * v;
                sum[*back] += 0.5 * v;
            }
            symmetric.push(sum);
        }
        let mut of_x = vec![0.0; n_entries];
        x_entries.iter().for_each(|(i, j, v)| of_x[place(*i, *j)] += v);
        let diagonal = (0..n).map(|i| place(i, i)).collect();
        let indices = rows.concat();
        let factor = SparseCholesky::new(&CsMat::new((n, n), indptr.clone(), indices.clone(), of_x.clone()))?;
        let product = match x {
            InnerProduct::Euclidean | InnerProduct::Diagonal(_) => x.clone(),
            _ => InnerProduct::Sparse(CsMat::new((n, n), indptr.clone(), indices.clone(), of_x.clone())),
        };
        let (row, column) = factor.fullest_row_and_column();
        // A few operations more than Higham's count, for factorisations by blocks.
        let gamma = (row + 8) as f64 * UNIT;
        let growth = gamma / (1.0 - gamma).powi(2) * column as f64;
        let pencil = SymmetricPencil {
            indptr,
            indices,
            diagonal,
            terms: symmetric,
            x: of_x,
            product,
            factor,
            growth,
            floor: 1.0,
        };
        let floor = pencil.proved_floor()?;
        Ok(SymmetricPencil { floor, ..pencil })
    }

    /// Rows of the matrices.
    pub fn n_rows(&self) -> usize {
        self.diagonal.len()
    }

    /// Number of matrices.
    pub fn n_terms(&self) -> usize {
        self.terms.len()
    }

    /// A bound from below of the least eigenvalue of X scaled to a diagonal of ones.
    fn proved_floor(&self) -> Result<f64> {
        if !matches!(self.product, InnerProduct::Sparse(_)) {
            return Ok(1.0);
        }
        let d: Vec<f64> = self.diagonal.iter().map(|e| self.x[*e]).collect();
        let mut inverse = |_: &[f64], dv: &[f64]| column(self.factor.solve(as_column(dv))?);
        let found =
            lanczos(self.n_rows(), &InnerProduct::Diagonal(d.clone()), &mut inverse, &LanczosOptions::default())?;
        for share in [0.99, 0.5, 0.1] {
            let least = share / found.largest;
            let mut values = self.x.clone();
            self.diagonal.iter().zip(&d).for_each(|(e, d)| values[*e] -= least * d);
            if self.factorised(values)?.is_some() {
                // Two roundings of each difference.
                let proved = least - 1.01 * (self.growth + 4.0 * UNIT);
                if proved > 0.0 {
                    return Ok(proved);
                }
            }
        }
        let found = format!("one of a condition number above {:.1e} after scaling", found.largest);
        Err(Error::argument("inner product", found, "a matrix whose definiteness is beyond round-off"))
    }

    /// sum_q c_q A_q + s X; and the largest rounding error of it in the diagonal of X.
    fn combined(&self, c: &[f64], s: f64) -> (Vec<f64>, f64) {
        let (mut sum, mut sizes) = (vec![0.0; self.x.len()], vec![0.0; self.x.len()]);
        for (c, values) in c.iter().zip(&self.terms).chain([(&s, &self.x)]).filter(|(c, _)| **c != 0.0) {
            for ((sum, size), v) in sum.iter_mut().zip(&mut sizes).zip(values) {
                *sum += c * v;
                *size += (c * v).abs();
            }
        }
        let roots: Vec<f64> = self.diagonal.iter().map(|e| self.x[*e].sqrt()).collect();
        let row = |i: usize| -> f64 {
            (self.indptr[i]..self.indptr[i + 1]).map(|e| sizes[e] / (roots[i] * roots[self.indices[e]])).sum()
        };
        let largest = (0..self.n_rows()).map(row).fold(0.0, f64::max);
        (sum, (c.len() + 4) as f64 * UNIT * largest)
    }

    fn factorised(&self, values: Vec<f64>) -> Result<Option<SparseCholesky>> {
        let n = self.n_rows();
        match self.factor.refactorize(&CsMat::new((n, n), self.indptr.clone(), self.indices.clone(), values)) {
            Ok(factor) => Ok(Some(factor)),
            Err(Error::NotPositiveDefinite { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Largest |b_ii| / x_ii.
    fn diagonal_size(&self, b: &[f64]) -> f64 {
        self.diagonal.iter().map(|e| (b[*e] / self.x[*e]).abs()).fold(0.0, f64::max)
    }

    /// Whether sum_q c_q A_q + s X has a Cholesky factorisation: the factor, and delta >= 0 such that no eigenvalue of it in X is
    /// below -delta, whatever was rounded on the way.
    ///
    /// The computed factor is that of B + E with |E| <= gamma |L| |Lᵀ| (Higham, Accuracy and Stability of Numerical
    /// Algorithms, SIAM 2002, theorem 10.3), gamma of the fullest row. With m entries in the fullest column of L,
    /// vᵀ|L||Lᵀ|v <= m sum_i b_ii v_i², at most m max(b_ii / x_ii) / floor times vᵀXv. Numbers that underflow are left out of this.
    fn definite(&self, c: &[f64], s: f64) -> Result<Option<(SparseCholesky, f64)>> {
        let (values, rounding) = self.combined(c, s);
        let delta = 1.01 * (self.growth * self.diagonal_size(&values) + rounding) / self.floor;
        Ok(self.factorised(values)?.map(|factor| (factor, delta)))
    }

    /// Ritz values of sum_q c_q A_q in X from a few steps at both ends.
    fn ritz(&self, c: &[f64]) -> Result<Ritz<f64>> {
        let (values, _) = self.combined(c, 0.0);
        let mut apply = |v: &[f64], _: &[f64]| {
            let av: Vec<f64> = (0..self.n_rows()).map(|i| self.row_product(&values, i, v)).collect();
            column(self.factor.solve(as_column(&av))?)
        };
        let options = LanczosOptions { both_ends: true, tolerance: 1e-6, max_steps: STEPS_WITHOUT_SHIFT, seed: 0 };
        lanczos(self.n_rows(), &self.product, &mut apply, &options)
    }

    fn row_product(&self, values: &[f64], i: usize, v: &[f64]) -> f64 {
        (self.indptr[i]..self.indptr[i + 1]).map(|e| values[e] * v[self.indices[e]]).sum()
    }

    /// vᵀBv, by blocks of rows.
    fn quadratic(&self, values: &[f64], v: &[f64]) -> f64 {
        let row = |i: usize| v[i] * self.row_product(values, i, v);
        let block = |first: usize| (first..(first + BLOCK).min(v.len())).map(row).sum::<f64>();
        (0..v.len()).step_by(BLOCK).map(block).sum()
    }

    /// vᵀA_q v / vᵀXv for each term.
    pub fn rayleigh(&self, v: &[f64]) -> Vec<f64> {
        let size = self.quadratic(&self.x, v);
        self.terms.iter().map(|a| self.quadratic(a, v) / size).collect()
    }

    /// (sigma⁻, sigma⁺) with sigma⁻ <= vᵀA_q v / vᵀXv <= sigma⁺ for all v, proved.
    ///
    /// Lanczos' iteration with X⁻¹A_q tells about where, factorisations of A_q - sigma⁻X and sigma⁺X - A_q prove, the bounds are
    /// moved out until they do. A positive semidefinite A_q gets a sigma⁻ of about -1e-9 sigma⁺: that is how it is known.
    /// Errors: a term that is not there, bounds that are not found. Cost: some 60 solutions and a few factorisations.
    pub fn range(&self, term: usize) -> Result<(f64, f64)> {
        if term >= self.n_terms() {
            return Err(Error::argument("term", term, format!("one of {}", self.n_terms())));
        }
        if self.terms[term].iter().all(|v| *v == 0.0) {
            return Ok((0.0, 0.0));
        }
        let unit = |sign: f64| (0..self.n_terms()).map(|q| if q == term { sign } else { 0.0 }).collect::<Vec<f64>>();
        let ritz = self.ritz(&unit(1.0))?;
        let size = ritz.largest.abs().max(ritz.smallest.abs());
        let nought = |end: f64| if end.abs() <= SEMIDEFINITE * size { 0.0 } else { end };
        let upper = -self.moved_out(&unit(-1.0), -nought(ritz.largest), size)?;
        Ok((self.moved_out(&unit(1.0), nought(ritz.smallest), size)?, upper))
    }

    /// A proved bound from below of the eigenvalues of sum_q c_q A_q, near `end`, at first by a small share of `size` below it.
    fn moved_out(&self, c: &[f64], end: f64, size: f64) -> Result<f64> {
        let size = if size > 0.0 { size } else { 1.0 };
        let mut distance = FIRST_DISTANCE;
        for _ in 0..MOST_TRIALS {
            let bound = end - distance * size;
            if let Some((_, delta)) = self.definite(c, -bound)? {
                return Ok(bound - delta);
            }
            distance *= 10.0;
        }
        Err(Error::NotConverged {
            what: "bound of eigenvalues".into(),
            reached: distance / 10.0,
            wanted: FIRST_DISTANCE,
        })
    }

    /// min_v vᵀ(sum_q theta_q A_q)v / vᵀXv from below, proved, and from above.
    ///
    /// Lanczos' iteration with (A - sX)⁻¹X, s = 0 where A is definite, a proved bound from below else. Errors: another number of
    /// coefficients, ones that are not finite or all zero, a bound that is not found. Cost: two factorisations and some 20
    /// solutions; a few more factorisations and solutions where A is not definite.
    pub fn smallest(&self, theta: &[f64]) -> Result<Smallest> {
        if theta.len() != self.n_terms() {
            return Err(Error::argument("coefficients theta", theta.len(), self.n_terms()));
        }
        if let Some(q) = theta.iter().position(|t| !t.is_finite()) {
            return Err(Error::argument(format!("coefficient {q}"), theta[q], "a finite number"));
        }
        if theta.iter().all(|t| *t == 0.0) {
            return Err(Error::argument("coefficients theta", "zeros only", "one that is not zero"));
        }
        let size = self.diagonal_size(&self.combined(theta, 0.0).0);
        let (factor, shift) = match self.definite(theta, 0.0)? {
            Some((factor, _)) => (factor, 0.0),
            None => self.shifted(theta, size)?,
        };
        let mut inverse = |_: &[f64], xv: &[f64]| column(factor.solve(as_column(xv))?);
        let found = lanczos(self.n_rows(), &self.product, &mut inverse, &LanczosOptions::default())?;
        let rayleigh = self.rayleigh(&found.largest_vector);
        let upper: f64 = theta.iter().zip(&rayleigh).map(|(t, y)| t * y).sum();
        let lower = match self.moved_out(theta, upper, upper.abs().max(1e-6 * size)) {
            // The shift was proved to be below, but for its own rounding.
            Err(Error::NotConverged { .. }) => self.moved_out(theta, shift, size)?,
            other => other?,
        };
        Ok(Smallest { lower, upper, rayleigh })
    }

    /// A factorisation of A - s X with s a little below the least eigenvalue, and s.
    fn shifted(&self, theta: &[f64], size: f64) -> Result<(SparseCholesky, f64)> {
        let ritz = self.ritz(theta)?;
        let spread = (ritz.largest - ritz.smallest).max(size);
        let mut step = if spread > 0.0 { 0.01 * spread } else { 1.0 };
        for _ in 0..MOST_TRIALS {
            let shift = ritz.smallest - step;
            if let Some((factor, _)) = self.definite(theta, -shift)? {
                return Ok((factor, shift));
            }
            step *= 4.0;
        }
        Err(Error::NotConverged { what: "shift below all eigenvalues".into(), reached: step, wanted: 0.01 * spread })
    }
}

fn as_column(v: &[f64]) -> MatRef<'_, f64> {
    MatRef::from_column_major_slice(v, v.len(), 1)
}

fn column(m: faer::Mat<f64>) -> Result<Vec<f64>> {
    Ok(m.col(0).iter().copied().collect())
}

fn places_of(pattern: &Pattern) -> Vec<(usize, usize)> {
    match pattern {
        Pattern::Sparse { indptr, indices } => {
            let row = |i: usize| indices[indptr[i]..indptr[i + 1]].iter().map(move |j| (i, *j));
            (0..pattern.n_rows()).flat_map(row).collect()
        }
        Pattern::Dense { n_rows } => (0..n_rows * n_rows).map(|e| (e / n_rows, e % n_rows)).collect(),
    }
}

fn check_pattern(pattern: &Pattern) -> Result<()> {
    let Pattern::Sparse { indptr, indices } = pattern else { return Ok(()) };
    let n = pattern.n_rows();
    let in_order = indptr.first() == Some(&0)
        && indptr.last() == Some(&indices.len())
        && indptr.windows(2).all(|r| r[0] <= r[1])
        && indices.iter().all(|j| *j < n);
    if in_order {
        return Ok(());
    }
    let found = format!("{} row starts for {} entries", indptr.len(), indices.len());
    Err(Error::argument("pattern of matrices", found, format!("ascending row starts, columns below {n}")))
}

/// The stored entries of X. Error: a weight that is not positive.
fn entries_of(x: &InnerProduct, n: usize) -> Result<Vec<(usize, usize, f64)>> {
    match x {
        InnerProduct::Euclidean => Ok((0..n).map(|i| (i, i, 1.0)).collect()),
        InnerProduct::Diagonal(w) => match w.iter().position(|w| *w <= 0.0) {
            Some(i) => Err(Error::argument(format!("weight {i} of the inner product"), w[i], "a number > 0")),
            None => Ok(w.iter().enumerate().map(|(i, w)| (i, i, *w)).collect()),
        },
        InnerProduct::Sparse(_) | InnerProduct::Components(..) => {
            let Some((m, k)) = x.sparse() else { return Ok(Vec::new()) };
            let entries = m.iter().flat_map(|(v, (i, j))| (0..k).map(move |c| (i * k + c, j * k + c, *v)));
            Ok(entries.collect())
        }
    }
}
