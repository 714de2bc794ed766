//! Extreme eigenvalues of a pencil, enclosed.

use super::{Smallest, SymmetricPencil, UNIT};
use crate::error::{Error, Result};
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::lanczos::{LanczosOptions, Ritz, lanczos};
use crate::linalg::sparse_cholesky::SparseCholesky;
use faer::MatRef;

/// First distance of a bound from the Ritz value, relative; it grows tenfold until the bound is proved.
const FIRST_DISTANCE: f64 = 1e-9;
const MOST_TRIALS: usize = 14;
/// A least eigenvalue above this share of the largest, negative, is taken for zero first.
const SEMIDEFINITE: f64 = 1e-10;
/// Steps of the iterations without a shift, whose values proofs need not be near to.
const STEPS_WITHOUT_SHIFT: usize = 60;

impl SymmetricPencil {
    /// A bound from below of the least eigenvalue of X scaled to a diagonal of ones.
    pub(super) fn proved_floor(&self) -> Result<f64> {
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
