//! Bounds of what interpolated inverses and log-determinants miss, from norms of the terms alone.

use super::MatrixFunctions;
use super::monomials::Monomials;
use crate::error::{Error, Result};
use crate::linalg::scalar::{Scalar, adjoint_product, product};
use crate::linalg::small::norm;
use faer::{Mat, MatRef};

/// What is to be known of the matrices: norms of the terms beside a matrix G = sum_k centre_k A_k.
///
/// G = W S Vᴴ, C_k = S^(-1/2) Wᴴ A_k V S^(-1/2): for a Hermitian positive definite G these have the eigenvalues of A_k x
/// = nu G x. Upper bounds do as well as the norms themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct TermNorms<T> {
    /// alpha of G [n_terms].
    pub centre: Vec<T>,
    /// Spectral and Frobenius norm of each C_k [n_terms].
    pub spectral: Vec<f64>,
    pub frobenius: Vec<f64>,
    /// Spectral and Frobenius norm of G⁻¹.
    pub inverse_spectral: f64,
    pub inverse_frobenius: f64,
    /// Rows of the matrices.
    pub n_rows: usize,
}

impl<T: Scalar> TermNorms<T> {
    /// From dense terms [n, n] and the alpha of G. Errors: shapes that do not fit, a singular G. Cost: n_terms + 1 singular value
    /// decompositions.
    pub fn of_matrices(terms: &[Mat<T>], centre: &[T]) -> Result<TermNorms<T>> {
        let n = terms.first().map_or(0, Mat::nrows);
        if n == 0 || terms.len() != centre.len() || terms.iter().any(|a| (a.nrows(), a.ncols()) != (n, n)) {
            let found = format!("{} terms, {} coefficients", terms.len(), centre.len());
            return Err(Error::argument("terms", found, "square matrices of one size, a coefficient for each"));
        }
        let mut g: Mat<T> = Mat::zeros(n, n);
        for (a, c) in terms.iter().zip(centre) {
            for (to, from) in g.col_iter_mut().zip(a.col_iter()) {
                to.iter_mut().zip(from.iter()).for_each(|(g, a)| *g += *c * *a);
            }
        }
        let (w, s, v) = T::thin_svd(g.as_ref())?;
        let (largest, least) = (s[0], s[n - 1]);
        if least.is_nan() || least <= n as f64 * f64::EPSILON * largest {
            let found = format!("singular values from {least:e} to {largest:e}");
            return Err(Error::argument("matrix in the centre", found, "a regular matrix"));
        }
        let divided = |q: MatRef<'_, T>| Mat::from_fn(n, n, |i, j| q[(i, j)] * T::real(1.0 / s[j].sqrt()));
        let (w, v) = (divided(w.as_ref()), divided(v.as_ref()));
        let (mut spectral, mut frobenius) = (Vec::new(), Vec::new());
        // Singular values are right to about n eps of the largest.
        let above = 1.0 + 4.0 * n as f64 * f64::EPSILON * (largest / least);
        for a in terms {
            let c = adjoint_product(w.as_ref(), product(a.as_ref(), v.as_ref()).as_ref());
            let sigma = T::thin_svd(c.as_ref())?.1;
            spectral.push(above * sigma[0]);
            frobenius.push(above * norm(&sigma));
        }
        let inverses: Vec<f64> = s.iter().map(|s| above / s).collect();
        Ok(TermNorms {
            centre: centre.to_vec(),
            spectral,
            frobenius,
            inverse_spectral: inverses[n - 1],
            inverse_frobenius: norm(&inverses),
            n_rows: n,
        })
    }
}

/// Bounds that follow from the power series about G; see [`Series::new`].
#[derive(Debug, Clone)]
pub struct Series<T> {
    norms: TermNorms<T>,
    varying: Vec<usize>,
    /// Of (alpha_k - centre_k) ||C_k|| of the varying terms.
    monomials: Monomials,
    /// [n_monomials, n_nodes].
    at_nodes: Mat<T>,
    /// Bounds of what stands beside each monomial in (I + K)⁻¹ and in tr log(I + K).
    of_inverse: Vec<f64>,
    of_log_det: Vec<f64>,
    /// sum_k |alpha_k - centre_k| times spectral and Frobenius norms of C_k, at the nodes.
    node_sizes: Vec<(f64, f64)>,
}

/// Upper bounds of errors; see [`Series::bounds`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesBounds {
    /// Of A⁻¹ - sum_r lambda_r A(mu_r)⁻¹, in the spectral and in the Frobenius norm.
    pub inverse_spectral: f64,
    pub inverse_frobenius: f64,
    /// Of |log det A - sum_r lambda_r log det A(mu_r)|.
    pub log_det: f64,
    /// q < 1: the ratio at which the series was known to converge.
    pub ratio: f64,
}

impl<T: Scalar> Series<T> {
    /// The series up to `degree` (at least that of the interpolation; beyond it, what the weights make of higher
    /// monomials is known too, and only the rest is bounded by a geometric series).
    ///
    /// With K(mu) = sum_k (alpha_k(mu) - centre_k) C_k, A = W S^(1/2) (I + K) S^(1/2) Vᴴ, and by words of the C_k
    ///
    /// ```text
    /// (I + K)⁻¹ = sum_p (-K)^p          sum of the norms beside the monomial i:  |i|! / i!  prod_k ||C_k||^i_k
    /// tr log(I + K) = -sum_p tr (-K)^p / p            traces, by Hölder: (|i| - 1)! / i!  prod_k ||C_k||_p^i_k,  p = |i|
    /// ```
    ///
    /// where ||C||_p^p <= ||C||^(p-2) ||C||_F² is a Schatten norm. Errors: numbers that do not fit; a centre that differs
    /// from the alphas that are constant; a node with q = sum_k |alpha_k - centre_k| ||C_k|| >= 1, where the bound is not
    /// known to hold.
    pub fn new(functions: &MatrixFunctions<T>, norms: TermNorms<T>, degree: usize) -> Result<Series<T>> {
        let (n_terms, d) = (functions.n_terms(), functions.n_nodes());
        let lengths = [norms.centre.len(), norms.spectral.len(), norms.frobenius.len()];
        if lengths.iter().any(|l| *l != n_terms) {
            return Err(Error::argument("norms of terms", format!("{lengths:?}"), n_terms));
        }
        let others = [norms.inverse_spectral, norms.inverse_frobenius];
        if let Some(x) =
            norms.spectral.iter().chain(&norms.frobenius).chain(&others).find(|x| !(**x >= 0.0 && x.is_finite()))
        {
            return Err(Error::argument("norms of terms", x, "finite numbers, not negative"));
        }
        if let Some(k) = (0..n_terms).find(|k| norms.spectral[*k] == 0.0 && norms.frobenius[*k] > 0.0) {
            return Err(Error::argument(
                format!("spectral norm of term {k}"),
                0,
                "a bound of it: its Frobenius norm is not zero",
            ));
        }
        functions.check(&norms.centre)?;
        let varying = functions.weighted.varying.clone();
        let monomials = Monomials::new(varying.len(), degree.max(functions.degree()))?;
        let mut at_nodes = Mat::zeros(monomials.len(), d);
        let mut node_sizes = Vec::new();
        for r in 0..d {
            let alpha: Vec<T> = functions.node_alphas.col(r).iter().copied().collect();
            let (x, sizes) = differences(&norms, &varying, &alpha);
            if sizes.0.is_nan() || sizes.0 >= 1.0 {
                return Err(not_convergent(format!("node {r}"), sizes.0));
            }
            at_nodes.col_as_slice_mut(r).copy_from_slice(&monomials.values(&x));
            node_sizes.push(sizes);
        }
        let (of_inverse, of_log_det) = coefficients(&norms, &varying, &monomials);
        Ok(Series { norms, varying, monomials, at_nodes, of_inverse, of_log_det, node_sizes })
    }

    /// Bounds at alpha [n_terms] for weights [n_nodes] (whatever their own errors are).
    ///
    /// sum_i (norms beside i) |x^i - sum_r lambda_r x_r^i| + what is left of the geometric series at mu and at the nodes,
    /// round-off added. For exact values at the nodes: sum_r |lambda_r| times their own errors is to be added. Errors:
    /// other numbers, q >= 1 at alpha. O(n_monomials d).
    pub fn bounds(&self, alpha: &[T], weights: &[T]) -> Result<SeriesBounds> {
        let (n_terms, d) = (self.norms.centre.len(), self.node_sizes.len());
        if alpha.len() != n_terms || weights.len() != d {
            let found = format!("{} alphas, {} weights", alpha.len(), weights.len());
            return Err(Error::argument("series", found, format!("{n_terms} and {d}")));
        }
        let (x, sizes) = differences(&self.norms, &self.varying, alpha);
        if sizes.0.is_nan() || sizes.0 >= 1.0 {
            return Err(not_convergent("the new parameter".into(), sizes.0));
        }
        let (mut missed, mut lost) = (self.monomials.values(&x), vec![0.0; self.monomials.len()]);
        lost.iter_mut().zip(&missed).for_each(|(l, m)| *l = m.modulus());
        for (weight, column) in weights.iter().zip(self.at_nodes.col_iter()) {
            for ((missed, lost), x) in missed.iter_mut().zip(&mut lost).zip(column.iter()) {
                let part = *weight * *x;
                *missed -= part;
                *lost += part.modulus();
            }
        }
        let (mut inverse, mut log_det) = (0.0, 0.0);
        for (i, (missed, lost)) in missed.iter().zip(&lost).enumerate() {
            let degree = if i == 0 { 0 } else { self.monomials.steps()[i - 1].degree };
            let size = missed.modulus() + 2.0 * f64::EPSILON * (degree + d) as f64 * lost;
            inverse += self.of_inverse[i] * size;
            log_det += self.of_log_det[i] * size;
        }
        let ends = |of: fn(usize, (f64, f64)) -> f64| {
            let p = self.monomials.degree();
            let nodes = weights.iter().zip(&self.node_sizes).map(|(w, s)| w.modulus() * of(p, *s)).sum::<f64>();
            of(p, sizes) + nodes
        };
        inverse += ends(|p, (q, _)| q.powi(p as i32 + 1) / (1.0 - q));
        // |tr K^p| <= q^(p-2) f², from p + 1 >= 2 on.
        log_det += ends(|p, (q, f)| f * f * q.powi(p as i32 - 1) / ((p as f64 + 1.0) * (1.0 - q)));
        Ok(SeriesBounds {
            inverse_spectral: inverse * self.norms.inverse_spectral,
            inverse_frobenius: inverse * self.norms.inverse_frobenius,
            log_det,
            ratio: sizes.0,
        })
    }
}

/// (alpha_k - centre_k) ||C_k|| of the varying terms, and sum_k |alpha_k - centre_k| times spectral and Frobenius norms.
fn differences<T: Scalar>(norms: &TermNorms<T>, varying: &[usize], alpha: &[T]) -> (Vec<T>, (f64, f64)) {
    let difference = |k: &usize| alpha[*k] - norms.centre[*k];
    let sum = |of: &[f64]| varying.iter().map(|k| difference(k).modulus() * of[*k]).sum::<f64>();
    let x = varying.iter().map(|k| difference(k) * T::real(norms.spectral[*k])).collect();
    (x, (sum(&norms.spectral), sum(&norms.frobenius)))
}

fn not_convergent(place: String, q: f64) -> Error {
    let expected = "less than 1; choose a centre nearer to the parameters, or a smaller range of them";
    Error::argument(format!("ratio of the power series at {place}"), format!("{q:.3}"), expected)
}

/// |i|! / i!, and what follows for traces, beside each monomial of the x_k ||C_k||.
fn coefficients<T: Scalar>(norms: &TermNorms<T>, varying: &[usize], monomials: &Monomials) -> (Vec<f64>, Vec<f64>) {
    // prod (||C_k||_F / ||C_k||)^(2 i_k) by logarithms.
    let (mut of_inverse, mut ratios, mut of_log_det) = (vec![1.0], vec![0.0], vec![0.0]);
    for step in monomials.steps() {
        let k = varying[step.variable];
        let ratio = if norms.spectral[k] > 0.0 { norms.frobenius[k] / norms.spectral[k] } else { 1.0 };
        let count = of_inverse[step.parent] * step.degree as f64 / step.power as f64;
        let squares: f64 = ratios[step.parent] + 2.0 * ratio.ln();
        let p = step.degree as f64;
        of_inverse.push(count);
        ratios.push(squares);
        of_log_det.push(match step.degree {
            1 => (norms.n_rows as f64).sqrt() * ratio,
            _ => count / p * (squares / p).exp(),
        });
    }
    (of_inverse, of_log_det)
}
