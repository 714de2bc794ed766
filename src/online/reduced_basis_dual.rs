//! Outputs of a reduced basis corrected by a dual one.
//!
//! ```text
//! A(mu)ᴴ z = l(mu),   z ≈ V_du z_N:   l(u) = l(u_N) + zᴴ r(u_N) ≈ l(u_N) + (V_du z_N)ᴴ r(u_N)
//! ```
//!
//! The error of what is returned is the product of both residuals over a stability constant: it falls as the product of
//! the errors of u and z, twice as fast as that of l(u_N).

use super::reduced_basis::{ReducedBasis, Workspace};
use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use crate::linalg::small::add_combination;
use faer::Mat;

/// The dual basis of one output, and the primal residual in it.
#[derive(Debug, Clone)]
pub struct OutputCorrection<T> {
    output: usize,
    dual: ReducedBasis<T>,
    n_modes: usize,
    /// V_duᴴA_qV: entry (i, j) at (q n_modes + j) n_dual + i; and V_duᴴf_p.
    matrices: Vec<T>,
    rhs: Vec<T>,
}

/// Memory of one thread for [`OutputCorrection::evaluate`].
#[derive(Debug, Clone)]
pub struct CorrectionWorkspace<T> {
    dual: Workspace<T>,
    theta: Vec<T>,
    lambda: Vec<T>,
    residual: Vec<T>,
}

/// An output and its correction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorrectedOutput<T> {
    /// l(u_N) + correction.
    pub value: T,
    /// z_Nᴴ r(u_N): an estimate of the error of l(u_N).
    pub correction: T,
}

impl<T: Scalar> OutputCorrection<T> {
    /// `dual` is a reduced basis of A(mu)ᴴ z = l(mu), terms in the order of the primal ones; `matrices` V_duᴴA_qV
    /// [n_dual, n_modes] and `rhs` V_duᴴf_p [n_dual, n_rhs]. Errors: shapes that do not fit.
    pub fn new(output: usize, dual: ReducedBasis<T>, matrices: &[Mat<T>], rhs: &Mat<T>) -> Result<OutputCorrection<T>> {
        let (n_dual, n_modes) = (dual.n_modes(), matrices.first().map_or(0, Mat::ncols));
        let fits = |m: &Mat<T>| (m.nrows(), m.ncols()) == (n_dual, n_modes);
        if matrices.len() != dual.n_terms() || !matrices.iter().all(fits) || rhs.nrows() != n_dual {
            let found = format!("{} of {n_modes} columns, {} rows on the right", matrices.len(), rhs.nrows());
            return Err(Error::argument(
                "matrices of an output correction",
                found,
                format!("{} of {n_dual} rows", dual.n_terms()),
            ));
        }
        let flat = |m: &Mat<T>| m.col_iter().flat_map(|c| c.iter().copied()).collect::<Vec<T>>();
        Ok(OutputCorrection {
            output,
            dual,
            n_modes,
            matrices: matrices.iter().flat_map(flat).collect(),
            rhs: flat(rhs),
        })
    }

    /// The dual basis.
    pub fn dual(&self) -> &ReducedBasis<T> {
        &self.dual
    }

    /// Which output.
    pub fn output(&self) -> usize {
        self.output
    }

    /// Memory for one thread.
    pub fn workspace(&self) -> CorrectionWorkspace<T> {
        CorrectionWorkspace {
            dual: self.dual.workspace(),
            theta: vec![T::default(); self.dual.n_terms()],
            lambda: vec![T::default(); self.dual.n_rhs()],
            residual: vec![T::default(); self.dual.n_modes()],
        }
    }

    /// The output at coefficients y of the primal model `primal`, corrected with `n_dual` dual modes.
    ///
    /// theta [n_terms], gamma [n_rhs], lambda [n_parts of the output]. Nothing is allocated. Errors: lengths that do not
    /// fit, a singular reduced dual matrix. O(d (N_du² + N_du N) + N_du³).
    /// Reference: Pierce, Giles, SIAM Review 42 (2000) 247; Patera, Rozza, Reduced Basis Approximation and A Posteriori
    /// Error Estimation for Parametrized Partial Differential Equations, MIT 2007.
    #[allow(clippy::too_many_arguments)]
    pub fn evaluate(
        &self,
        primal: &ReducedBasis<T>,
        theta: &[T],
        gamma: &[T],
        lambda: &[T],
        y: &[T],
        n_dual: usize,
        workspace: &mut CorrectionWorkspace<T>,
    ) -> Result<CorrectedOutput<T>> {
        let plain = primal.output(self.output, lambda, y)?;
        let n_rhs = self.rhs.len() / self.dual.n_modes();
        let fits = theta.len() == self.dual.n_terms() && gamma.len() == n_rhs && lambda.len() == self.dual.n_rhs();
        if !fits || y.len() > self.n_modes {
            let found =
                format!("{} theta, {} gamma, {} lambda, {} modes", theta.len(), gamma.len(), lambda.len(), y.len());
            let (n_terms, parts) = (self.dual.n_terms(), self.dual.n_rhs());
            let expected = format!("{n_terms} theta, {n_rhs} gamma, {parts} lambda, at most {} modes", self.n_modes);
            return Err(Error::argument("output correction", found, expected));
        }
        let w = workspace;
        w.theta.iter_mut().zip(theta).for_each(|(c, t)| *c = t.conjugate());
        w.lambda.iter_mut().zip(lambda).for_each(|(c, l)| *c = l.conjugate());
        let z = self.dual.solve(&w.theta, &w.lambda, n_dual, &mut w.dual)?;
        let (stride, residual) = (self.dual.n_modes(), &mut w.residual[..n_dual]);
        residual.fill(T::default());
        add_combination(residual, gamma.len(), |p| gamma[p], &self.rhs, stride);
        for (q, t) in theta.iter().enumerate() {
            add_combination(residual, y.len(), |j| -*t * y[j], &self.matrices[q * self.n_modes * stride..], stride);
        }
        let correction = z.iter().zip(residual.iter()).map(|(z, r)| z.conjugate() * *r).sum();
        Ok(CorrectedOutput { value: plain + correction, correction })
    }
}
