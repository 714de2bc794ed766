//! Residual of interpolated solutions and inverses, and the bound of their errors that follows.

use super::MatrixFunctions;
use crate::error::{Error, Result};
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::orthonormal::Orthonormal;
use crate::linalg::scalar::{Scalar, product};
use crate::linalg::small::norm;
use crate::linalg::terms::Terms;
use faer::{Mat, MatRef};

/// ||b - A(mu) sum_r lambda_r x_r|| for x_r ≈ A(mu_r)⁻¹ b, one or several columns, without a pass over their rows.
///
/// The residual is P z, P = [b, A_k x_r], z = (1, -alpha_k lambda_r); with P = Q C its norm is that of C z, so no square
/// of it is ever formed from products of parts. With b = I the x_r are inverses. Then
///
/// ```text
/// ||A⁻¹b - sum_r lambda_r x_r||_F <= ||b - A sum_r lambda_r x_r||_F / sigma_min(A)
/// ```
///
/// holds whatever the weights are, and whatever errors the x_r have.
///
/// Reference: Buhr, Engwer, Ohlberger, Rave, A numerically stable a posteriori error estimator for reduced basis
/// approximations of elliptic equations, WCCM XI (2014), for the norm.
#[derive(Debug, Clone)]
pub struct Residual<T> {
    n_terms: usize,
    /// C [k, 1 + n_terms n_nodes].
    factor: Mat<T>,
    /// Norm of each column of P, and of what Q misses of it.
    norms: Vec<f64>,
    missed: Vec<f64>,
    /// Round-off of a column over its norm.
    round_off: f64,
}

impl<T: Scalar> Residual<T> {
    /// From right-hand sides `b` [n, c] and solutions x_r [n, c], one per node.
    ///
    /// Errors: numbers and shapes that do not fit, those of the products. Cost: n_terms n_nodes products with c columns, and the
    /// orthogonalisation of as many columns of n c numbers, all in memory.
    pub fn new(
        functions: &MatrixFunctions<T>,
        terms: &dyn Terms<T>,
        b: MatRef<'_, T>,
        solutions: &[Mat<T>],
    ) -> Result<Residual<T>> {
        let (n, c) = (b.nrows(), b.ncols());
        let (n_terms, d) = (functions.n_terms(), functions.n_nodes());
        if terms.n_terms() != n_terms || terms.n_rows() != n || solutions.len() != d || c == 0 {
            let found = format!(
                "{} terms of {} rows, {n} x {c} right-hand sides, {} solutions",
                terms.n_terms(),
                terms.n_rows(),
                solutions.len()
            );
            return Err(Error::argument("residual", found, format!("{n_terms} terms, {d} solutions, as many rows")));
        }
        if let Some(x) = solutions.iter().find(|x| (x.nrows(), x.ncols()) != (n, c)) {
            let found = format!("{} x {}", x.nrows(), x.ncols());
            return Err(Error::argument("shape of a solution", found, format!("{n} x {c}")));
        }
        let m = 1 + n_terms * d;
        let mut columns = Mat::zeros(n * c, m);
        let mut put = |j: usize, block: MatRef<'_, T>| {
            let to = columns.col_as_slice_mut(j);
            to.chunks_exact_mut(n).zip(block.col_iter()).for_each(|(to, from)| {
                to.iter_mut().zip(from.iter()).for_each(|(to, from)| *to = *from);
            });
        };
        put(0, b);
        for k in 0..n_terms {
            let values = terms.values(k)?;
            for (r, x) in solutions.iter().enumerate() {
                let mut block = Mat::zeros(n, c);
                terms.pattern().apply(&values, x.as_ref(), block.as_mut())?;
                put(1 + r * n_terms + k, block.as_ref());
            }
        }
        let mut q = Orthonormal::new(n * c, InnerProduct::Euclidean)?;
        let found = q.append(columns.as_ref(), f64::EPSILON, |_| 0.0)?;
        // Products have errors of sqrt(n) eps, sums of the columns sqrt(m) eps: probable sizes, not the worst ones (Higham, Mary,
        // SIAM J. Sci. Comput. 41 (2019) A2815).
        let round_off = 2.0 * f64::EPSILON * ((n as f64).sqrt() + (m as f64).sqrt());
        Ok(Residual { n_terms, factor: found.coefficients, norms: found.norms, missed: found.missed, round_off })
    }

    /// The Frobenius norm of the residual as computed, and what round-off can add to it.
    pub(super) fn parts(&self, alpha: &[T], weights: &[T]) -> Result<(f64, f64)> {
        let expected = (self.n_terms, (self.norms.len() - 1) / self.n_terms);
        if (alpha.len(), weights.len()) != expected {
            let found = format!("{} alphas, {} weights", alpha.len(), weights.len());
            return Err(Error::argument("residual", found, format!("{} and {}", expected.0, expected.1)));
        }
        let mut z = Mat::zeros(self.norms.len(), 1);
        z[(0, 0)] = T::real(1.0);
        for (r, weight) in weights.iter().enumerate() {
            alpha.iter().enumerate().for_each(|(k, a)| z[(1 + r * self.n_terms + k, 0)] = -(*a * *weight));
        }
        let computed = norm(product(self.factor.as_ref(), z.as_ref()).col_as_slice(0));
        let sizes = z.col_as_slice(0).iter().map(|z| z.modulus());
        let lost: f64 =
            sizes.zip(self.norms.iter().zip(&self.missed)).map(|(z, (n, m))| z * (self.round_off * n + m)).sum();
        if !(computed + lost).is_finite() {
            return Err(Error::argument("residual", computed + lost, "finite alphas and weights"));
        }
        Ok((computed, lost))
    }

    /// ||b - A(mu) sum_r lambda_r x_r||_F, not below the truth: round-off of its parts is added. O((n_terms d)²).
    ///
    /// alpha [n_terms], weights [n_nodes]. Errors: other numbers of them, not finite ones.
    pub fn norm(&self, alpha: &[T], weights: &[T]) -> Result<f64> {
        self.parts(alpha, weights).map(|(computed, lost)| computed + lost)
    }

    /// Upper bound of ||A(mu)⁻¹b - sum_r lambda_r x_r||_F, and so of the spectral norm. `stability`: a lower bound of the
    /// smallest singular value of A(mu), of the smallest eigenvalue of a Hermitian positive definite one.
    ///
    /// Errors: a stability that is not positive, other numbers of alphas and weights.
    pub fn bound(&self, alpha: &[T], weights: &[T], stability: f64) -> Result<f64> {
        if !(stability > 0.0 && stability.is_finite()) {
            return Err(Error::argument("lower bound of the smallest singular value", stability, "a positive number"));
        }
        Ok(self.norm(alpha, weights)? / stability)
    }

    /// Lower bound of the smallest singular value of A(mu) where b = I: (1 - ||I - A X||) / sum_r |lambda_r| ||x_r||,
    /// from upper bounds of the spectral norms of the inverses at the nodes, whose combination is X.
    ///
    /// Errors: a residual of 1 or more (nothing is known then), other numbers of norms.
    pub fn stability(&self, alpha: &[T], weights: &[T], inverse_norms: &[f64]) -> Result<f64> {
        if inverse_norms.len() != weights.len() {
            return Err(Error::argument("norms of inverses", inverse_norms.len(), weights.len()));
        }
        let residual = self.norm(alpha, weights)?;
        if residual.is_nan() || residual >= 1.0 {
            return Err(Error::argument("norm of I - A X", residual, "less than 1; add nodes, or hand in a bound"));
        }
        Ok((1.0 - residual) / weights.iter().zip(inverse_norms).map(|(w, n)| w.modulus() * n).sum::<f64>())
    }
}
