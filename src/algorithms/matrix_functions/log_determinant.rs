//! Log-determinants along straight lines from a node, with a bound of their errors.

use super::{MatrixFunctions, Residual};
use crate::error::{Error, Result};
use crate::linalg::dense;
use crate::linalg::scalar::{Scalar, product};
use crate::linalg::small::norm;
use crate::linalg::terms::Terms;
use faer::{Mat, MatRef};

/// log det A(mu) of Hermitian positive definite matrices from log det A(mu_r) and A(mu_r)⁻¹, in two ways and with bounds of both.
///
/// From node r, A(t) = A(mu_r) + t (A(mu) - A(mu_r)) for t in [0, 1] and X(t) = sum_s lambda_s(t) A(mu_s)⁻¹,
///
/// ```text
/// log det A(mu) = log det A(mu_r) + ∫ tr(A(t)⁻¹ dA) dt ≈ log det A(mu_r) + ∫ tr(X(t) dA) dt,   dA = A(mu) - A(mu_r)
/// |error| <= ∫ |tr(A(t)⁻¹ (I - A(t) X(t)) dA)| dt <= ||dA||_F / sigma  (∫ ||I - A(t) X(t)||_F² dt)^(1/2)
/// ```
///
/// where sigma is a lower bound of the smallest eigenvalue on the line, on which that is concave: the lesser of both
/// ends. The weights are polynomials of the alphas, so Gauss quadrature with degree + 2 points makes both integrals
/// exact: the bound is one of real numbers, not an estimate. Weighted log-determinants, sum_r lambda_r log det A(mu_r),
/// differ from the integral by a number that is known, so theirs is bounded as well.
#[derive(Debug, Clone)]
pub struct LogDeterminant<T: Scalar> {
    functions: MatrixFunctions<T>,
    residual: Residual<T>,
    /// log det A(mu_r).
    values: Vec<f64>,
    /// tr(A_k A(mu_r)⁻¹) [n_terms, n_nodes].
    traces: Mat<T>,
    /// ||sum_k c_k A_k||_F is the norm of this times c.
    differences: Mat<T>,
    /// ||A(mu_r)⁻¹||, the spectral norm.
    inverse_norms: Vec<f64>,
    /// Lower bound of the smallest eigenvalue of A(mu_r).
    floors: Vec<f64>,
    /// Gauss points and weights on [0, 1].
    rule: Vec<(f64, f64)>,
    n_rows: usize,
}

/// A log-determinant in two ways, with upper bounds of the errors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogDeterminantValue {
    /// sum_r lambda_r log det A(mu_r).
    pub interpolated: f64,
    pub interpolated_bound: f64,
    /// The integral of interpolated derivatives from the nearest node.
    pub integrated: f64,
    pub integrated_bound: f64,
}

impl<T: Scalar> LogDeterminant<T> {
    /// From the terms, the inverses and the log-determinants at the nodes; the latter two to round-off.
    ///
    /// Errors: numbers and shapes that do not fit, values that are not finite, inverses that are none. Cost: that of
    /// [`Residual::new`] with b = I, and a singular value decomposition per node.
    pub fn new(
        functions: &MatrixFunctions<T>,
        terms: &dyn Terms<T>,
        inverses: &[Mat<T>],
        values: &[f64],
    ) -> Result<LogDeterminant<T>> {
        let (n, n_terms, d) = (terms.n_rows(), functions.n_terms(), functions.n_nodes());
        if values.len() != d || values.iter().any(|v| !v.is_finite()) {
            let found = format!("{} values {values:?}", values.len());
            return Err(Error::argument("log-determinants at the nodes", found, format!("{d} finite numbers")));
        }
        let identity: Mat<T> = Mat::identity(n, n);
        let residual = Residual::new(functions, terms, identity.as_ref(), inverses)?;
        let mut all = Mat::zeros(terms.pattern().n_entries(), n_terms);
        let mut traces = Mat::zeros(n_terms, d);
        for k in 0..n_terms {
            let entries = terms.values(k)?;
            for (r, inverse) in inverses.iter().enumerate() {
                let entry = |(e, a): (usize, &T)| {
                    let (i, j) = terms.pattern().place(e);
                    *a * inverse[(j, i)]
                };
                traces[(k, r)] = entries.iter().enumerate().map(entry).sum();
            }
            all.col_as_slice_mut(k).copy_from_slice(&entries);
        }
        let differences = T::left_svd(all.adjoint().to_owned().as_ref())
            .map(|(u, s)| Mat::from_fn(s.len(), n_terms, |i, k| u[(k, i)].conjugate() * T::real(s[i])))?;
        let spectral = |x: &Mat<T>| Ok(T::left_svd(x.as_ref())?.1[0] * (1.0 + 4.0 * n as f64 * f64::EPSILON));
        let inverse_norms = inverses.iter().map(spectral).collect::<Result<Vec<f64>>>()?;
        let floor = |r: usize| {
            let alpha: Vec<T> = functions.node_alphas.col(r).iter().copied().collect();
            let own: Vec<T> = (0..d).map(|s| T::real(f64::from(u8::from(s == r)))).collect();
            residual.stability(&alpha, &own, &inverse_norms)
        };
        let floors = (0..d).map(floor).collect::<Result<Vec<f64>>>()?;
        Ok(LogDeterminant {
            functions: functions.clone(),
            residual,
            values: values.to_vec(),
            traces,
            differences,
            inverse_norms,
            floors,
            rule: gauss(functions.degree() + 2)?,
            n_rows: n,
        })
    }

    /// The residual of the inverse, b = I.
    pub fn residual(&self) -> &Residual<T> {
        &self.residual
    }

    /// Spectral norms of the inverses at the nodes, for [`Residual::stability`].
    pub fn inverse_norms(&self) -> &[f64] {
        &self.inverse_norms
    }

    /// Both values at alpha [n_terms] and bounds of their errors. `stability`: a lower bound of the smallest eigenvalue
    /// of A(mu), or `None` for that of [`Residual::stability`].
    ///
    /// Errors: other numbers, a stability that is not positive, none that can be found. O(degree (n_terms d)²).
    pub fn value(&self, alpha: &[T], stability: Option<f64>) -> Result<LogDeterminantValue> {
        let weights = self.functions.weights(alpha)?;
        let stability = match stability {
            Some(s) if !(s > 0.0 && s.is_finite()) => {
                return Err(Error::argument("lower bound of the smallest eigenvalue", s, "a positive number"));
            }
            Some(s) => s,
            None => self.residual.stability(alpha, &weights, &self.inverse_norms)?,
        };
        let sum = |f: &dyn Fn(usize) -> f64| (0..weights.len()).map(f).sum::<f64>();
        let interpolated = sum(&|r| weights[r].re() * self.values[r]);
        let rounding = 4.0 * f64::EPSILON * (self.n_rows as f64).sqrt();
        let (start, step, size) = self.nearest(alpha);
        let (mut integral, mut squares, mut lost, mut sizes) = (0.0, 0.0, 0.0_f64, 0.0);
        for (t, share) in &self.rule {
            let at: Vec<T> = step
                .iter()
                .enumerate()
                .map(|(k, s)| self.functions.node_alphas[(k, start)] + *s * T::real(*t))
                .collect();
            let weights = self.functions.weights(&at)?;
            for (r, weight) in weights.iter().enumerate() {
                for (k, s) in step.iter().enumerate() {
                    let part = *weight * *s * self.traces[(k, r)];
                    integral += share * part.re();
                    sizes += share * part.modulus();
                }
            }
            let (computed, round_off) = self.residual.parts(&at, &weights)?;
            squares += share * computed * computed;
            lost = lost.max(round_off);
        }
        let floor = stability.min(self.floors[start]);
        // Round-off differs from point to point, and there are some between those of the rule.
        let of_residual = size / floor * (squares.sqrt() + 2.0 * lost);
        let integrated = self.values[start] + integral;
        let integrated_bound = of_residual + rounding * (self.values[start].abs() + self.n_rows as f64 + sizes);
        let interpolated_bound = (interpolated - integrated).abs()
            + integrated_bound
            + rounding * sum(&|r| weights[r].modulus() * (self.values[r].abs() + 1.0));
        Ok(LogDeterminantValue { interpolated, interpolated_bound, integrated, integrated_bound })
    }

    /// The node whose matrix is nearest, the difference of the alphas, and that of the matrices in the Frobenius norm.
    fn nearest(&self, alpha: &[T]) -> (usize, Vec<T>, f64) {
        let mut found = (0, Vec::new(), f64::INFINITY);
        for r in 0..self.values.len() {
            let step: Vec<T> =
                alpha.iter().zip(self.functions.node_alphas.col(r).iter()).map(|(a, b)| *a - *b).collect();
            let difference = product(self.differences.as_ref(), MatRef::from_column_major_slice(&step, step.len(), 1));
            // Cancellation in the difference of close matrices leaves round-off of the parts.
            let parts: f64 =
                step.iter().enumerate().map(|(k, s)| s.modulus() * norm(self.differences.col_as_slice(k))).sum();
            let size = norm(difference.col_as_slice(0)) + 8.0 * f64::EPSILON * (step.len() as f64) * parts;
            if size < found.2 {
                found = (r, step, size);
            }
        }
        found
    }
}

/// Gauss-Legendre points and weights on [0, 1], exact up to degree 2 n - 1.
fn gauss(n: usize) -> Result<Vec<(f64, f64)>> {
    // Golub, Welsch, Math. Comp. 23 (1969) 221.
    let beside = |i: usize| i as f64 / ((4 * i * i - 1) as f64).sqrt();
    let jacobi = Mat::from_fn(n, n, |i, j| if i.abs_diff(j) == 1 { beside(i.max(j)) } else { 0.0 });
    let (points, vectors) = dense::symmetric_eigen(jacobi.as_ref())?;
    Ok(points.iter().enumerate().map(|(j, x)| (0.5 * (1.0 + x), vectors[(0, j)] * vectors[(0, j)])).collect())
}
