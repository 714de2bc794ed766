//! Functions of parametrised matrices from their values at a few parameters.
//!
//! For A(mu) = sum_k alpha_k(mu) A_k, the power A(mu)^p is a sum of words in the A_k times monomials alpha(mu)^i, |i| <= p.
//! Weights lambda_r(mu) that reproduce the monomials reproduce all powers, whatever the words, and then
//!
//! ```text
//! f(A(mu)) ≈ sum_r lambda_r(mu) f(A(mu_r))        f(A) = A⁻¹, A⁻¹ b, log det A
//! ```
//!
//! for every f with a power series that converges fast. Nothing is asked of the code but f(A(mu_r)). What is missed is bounded by
//! [`Residual`]: inverse and solutions, from products A_k A(mu_r)⁻¹; [`LogDeterminant`]: log det, from the same products;
//! [`Series`]: all of them, from norms of the A_k alone.

pub mod log_determinant;
pub mod monomials;
pub mod residual;
pub mod series;

pub use log_determinant::LogDeterminant;
pub use residual::Residual;
pub use series::{Series, TermNorms};

use super::eim::{Eim, EimOptions, eim_of};
use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use faer::{Mat, MatRef};
use monomials::Monomials;

/// Options of [`matrix_functions`].
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Largest degree of a monomial.
    pub degree: usize,
    /// rho in (0, 1): monomials of degree p count rho^p times.
    pub decay: f64,
    /// Most nodes; `None`: as many as the tolerance needs.
    pub max_nodes: Option<usize>,
    /// Ends when no weighted monomial is missed by more than this at a training parameter.
    pub tolerance: f64,
    /// Size of each alpha_k, by which it is divided; `None`: its largest modulus in training. Not less than that.
    pub scales: Option<Vec<f64>>,
}

impl Default for Options {
    fn default() -> Self {
        Options { degree: 4, decay: 0.6, max_nodes: None, tolerance: 1e-12, scales: None }
    }
}

/// Nodes mu_r and what their weights are computed from; see [`matrix_functions`].
#[derive(Debug, Clone)]
pub struct MatrixFunctions<T: Scalar> {
    /// Training parameters that are the nodes: f(A) is to be computed there.
    pub nodes: Vec<usize>,
    /// alpha at the nodes [n_terms, n_nodes].
    pub node_alphas: Mat<T>,
    /// Interpolation of the monomials.
    pub eim: Eim<T>,
    weighted: Weighted,
}

/// The monomials that are interpolated.
#[derive(Debug, Clone)]
struct Weighted {
    /// Terms whose alpha varies in training: the variables.
    varying: Vec<usize>,
    scales: Vec<f64>,
    decay: f64,
    monomials: Monomials,
}

/// Relative spread of an alpha in training below which it is constant.
const CONSTANT: f64 = 1e-13;
/// Distance from its constant at which such an alpha is refused.
const NOT_CONSTANT: f64 = 1e-10;

/// Empirical interpolation of (i, mu) -> rho^|i| (alpha(mu) / scale)^i for all |i| <= degree: nodes and weights.
///
/// i = 0 is among the monomials, so the weights add up to 1. Terms with constant alpha are no variables: a word with such
/// a letter has a monomial of lower degree. Where alpha is affine in mu and there are as many nodes as monomials, this is
/// polynomial interpolation of total degree; it differs where few alphas depend on many parameters, or not smoothly.
///
/// `alphas` [n_terms, n_training]. Errors: empty, not finite; degree 0 or so high that there are more than 100,000
/// monomials; a decay outside (0, 1); scales that are too small. Cost: that of [`eim`](super::eim::eim) on n_monomials x
/// n_training numbers. Not collective.
///
/// Reference: F. Casenave, N. Akkari, A. Charles, C. Rey, arXiv:1710.02488.
pub fn matrix_functions<T: Scalar>(alphas: MatRef<'_, T>, options: &Options) -> Result<MatrixFunctions<T>> {
    let (n_terms, n_training) = (alphas.nrows(), alphas.ncols());
    if n_terms == 0 || n_training == 0 {
        return Err(Error::argument(
            "alphas",
            format!("{n_terms} x {n_training}"),
            "at least one term and one parameter",
        ));
    }
    for (j, column) in alphas.col_iter().enumerate() {
        if let Some(k) = column.iter().position(|a| !a.finite()) {
            return Err(Error::argument(format!("alpha {k} at training parameter {j}"), column[k], "a finite number"));
        }
    }
    if !(options.decay > 0.0 && options.decay < 1.0) {
        return Err(Error::argument("decay", options.decay, "a number between 0 and 1"));
    }
    if options.degree == 0 {
        return Err(Error::argument("degree", 0, "at least 1"));
    }
    let largest: Vec<f64> =
        (0..n_terms).map(|k| alphas.row(k).iter().map(|a| a.modulus()).fold(0.0, f64::max)).collect();
    let scales = match &options.scales {
        None => largest.iter().map(|a| if *a > 0.0 { *a } else { 1.0 }).collect(),
        Some(scales) if scales.len() != n_terms => {
            return Err(Error::argument("scales", scales.len(), n_terms));
        }
        Some(scales) => {
            if let Some(k) =
                (0..n_terms).find(|k| !(scales[*k] >= largest[*k] && scales[*k].is_finite() && scales[*k] > 0.0))
            {
                let expected = format!("at least {}, the largest modulus", largest[k]);
                return Err(Error::argument(format!("scale of alpha {k}"), scales[k], expected));
            }
            scales.clone()
        }
    };
    let varies = |k: &usize| {
        let spread = |j: usize| (alphas[(*k, j)] - alphas[(*k, 0)]).modulus();
        (1..n_training).any(|j| spread(j) > CONSTANT * largest[*k])
    };
    let varying: Vec<usize> = (0..n_terms).filter(varies).collect();
    let monomials = Monomials::new(varying.len(), options.degree)?;
    let weighted = Weighted { varying, scales, decay: options.decay, monomials };
    let mut values = Mat::zeros(weighted.monomials.len(), n_training);
    for (j, alpha) in alphas.col_iter().enumerate() {
        let alpha: Vec<T> = alpha.iter().copied().collect();
        values.col_as_slice_mut(j).copy_from_slice(&weighted.values(&alpha));
    }
    let choice = EimOptions { tolerance: options.tolerance, max_terms: options.max_nodes, ..EimOptions::default() };
    // The interpolants themselves are not needed: weights come from the factors.
    let eim = Eim { basis: Mat::zeros(0, 0), ..eim_of(values.as_ref(), &choice)? };
    let nodes = eim.columns.clone();
    let node_alphas = Mat::from_fn(n_terms, nodes.len(), |k, r| alphas[(k, nodes[r])]);
    Ok(MatrixFunctions { nodes, node_alphas, eim, weighted })
}

impl Weighted {
    /// rho^|i| (alpha / scale)^i of all monomials.
    fn values<T: Scalar>(&self, alpha: &[T]) -> Vec<T> {
        let scaled = |k: &usize| alpha[*k] * T::real(self.decay / self.scales[*k]);
        self.monomials.values(&self.varying.iter().map(scaled).collect::<Vec<T>>())
    }
}

impl<T: Scalar> MatrixFunctions<T> {
    /// Number of nodes d.
    pub fn n_nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Number of terms.
    pub fn n_terms(&self) -> usize {
        self.node_alphas.nrows()
    }

    /// Largest degree of a monomial.
    pub fn degree(&self) -> usize {
        self.weighted.monomials.degree()
    }

    /// Weights lambda [n_nodes] at alpha [n_terms]; their sum is 1, and at node r they are those of node r alone.
    ///
    /// The sum of their moduli ([`lebesgue_sum`](super::eim::lebesgue_sum)) says by how much errors of the values can
    /// grow. Errors: another number of alphas, numbers that are not finite, an alpha that was constant in training and is
    /// not what it was. O(n_monomials + d²).
    pub fn weights(&self, alpha: &[T]) -> Result<Vec<T>> {
        self.check(alpha)?;
        let all = self.weighted.values(alpha);
        let at_points: Vec<T> = self.eim.points.iter().map(|i| all[*i]).collect();
        self.eim.refined_coefficients(&at_points)
    }

    fn check(&self, alpha: &[T]) -> Result<()> {
        if alpha.len() != self.n_terms() {
            return Err(Error::argument("alphas", alpha.len(), self.n_terms()));
        }
        for (k, a) in alpha.iter().enumerate() {
            if !a.finite() {
                return Err(Error::argument(format!("alpha {k}"), a, "a finite number"));
            }
            let constant = self.node_alphas[(k, 0)];
            let moved = (*a - constant).modulus() > NOT_CONSTANT * self.weighted.scales[k];
            if moved && !self.weighted.varying.contains(&k) {
                return Err(Error::argument(format!("alpha {k}"), a, format!("{constant}, as in all of training")));
            }
        }
        Ok(())
    }

    /// sum_r lambda_r f_r for values [n_values, n_nodes]: one row of log-determinants, solutions, matrices column after column.
    ///
    /// Errors: another number of columns or weights. O(n_values d).
    pub fn combine(&self, values: MatRef<'_, T>, weights: &[T]) -> Result<Vec<T>> {
        let d = self.n_nodes();
        if values.ncols() != d || weights.len() != d {
            let found = format!("{} columns, {} weights", values.ncols(), weights.len());
            return Err(Error::argument("values at the nodes", found, format!("{d}, one per node")));
        }
        let mut sum = vec![T::default(); values.nrows()];
        for (column, weight) in values.col_iter().zip(weights) {
            sum.iter_mut().zip(column.iter()).for_each(|(s, v)| *s += *weight * *v);
        }
        Ok(sum)
    }

    /// sum_r lambda_r F_r for matrices of one shape. Errors: another number of matrices or weights, shapes that differ.
    pub fn combine_matrices(&self, matrices: &[Mat<T>], weights: &[T]) -> Result<Mat<T>> {
        let d = self.n_nodes();
        if matrices.len() != d || weights.len() != d {
            let found = format!("{} matrices, {} weights", matrices.len(), weights.len());
            return Err(Error::argument("matrices at the nodes", found, format!("{d}, one per node")));
        }
        let (n, m) = (matrices[0].nrows(), matrices[0].ncols());
        let mut sum = Mat::zeros(n, m);
        for (r, (matrix, weight)) in matrices.iter().zip(weights).enumerate() {
            if (matrix.nrows(), matrix.ncols()) != (n, m) {
                let found = format!("{} x {}", matrix.nrows(), matrix.ncols());
                return Err(Error::argument(format!("matrix at node {r}"), found, format!("{n} x {m}")));
            }
            for (to, from) in sum.col_iter_mut().zip(matrix.col_iter()) {
                to.iter_mut().zip(from.iter()).for_each(|(s, v)| *s += *weight * *v);
            }
        }
        Ok(sum)
    }
}
