//! The family A0 + theta_1 A1 + theta_2 A2 with random eigenvectors, and dense truths.

use faer::Mat;
use kolmo::Result;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::orthonormal::Orthonormal;
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::terms::{Pattern, TermsInMemory};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// Rows of the matrices.
pub const N: usize = 60;

/// A0, A1, A2 and a right-hand side.
pub struct Family {
    pub terms: Vec<Mat<f64>>,
    pub in_memory: TermsInMemory<f64>,
    pub b: Mat<f64>,
}

fn normal(n: usize, m: usize, rng: &mut StdRng) -> Mat<f64> {
    Mat::from_fn(n, m, |_, _| StandardNormal.sample(rng))
}

/// Q diag(linspace(low, high)) Qᵀ with the Q of a matrix of normal numbers.
fn similar(low: f64, high: f64, rng: &mut StdRng) -> Result<Mat<f64>> {
    let mut q = Orthonormal::new(N, InnerProduct::Euclidean)?;
    q.append(normal(N, N, rng).as_ref(), 0.0, |_| 0.0)?;
    let scaled = Mat::from_fn(N, N, |i, j| q.columns()[(i, j)] * (low + (high - low) * j as f64 / (N - 1) as f64));
    let a = &scaled * q.columns().transpose();
    Ok(Mat::from_fn(N, N, |i, j| 0.5 * (a[(i, j)] + a[(j, i)])))
}

impl Family {
    pub fn new(seed: u64) -> Result<Family> {
        let mut rng = StdRng::seed_from_u64(seed);
        let (a1, a2, mut a0) =
            (similar(0.1, 1.0, &mut rng)?, similar(0.1, 1.0, &mut rng)?, similar(0.1, 2.0, &mut rng)?);
        (0..N).for_each(|i| a0[(i, i)] += 1.0);
        let terms = vec![a0, a1, a2];
        let values = terms.iter().map(|a| a.col_iter().flat_map(|c| c.iter().copied()).collect()).collect();
        let in_memory = TermsInMemory { pattern: Arc::new(Pattern::Dense { n_rows: N }), values };
        Ok(Family { terms, in_memory, b: normal(N, 1, &mut rng) })
    }

    pub fn matrix(&self, alpha: &[f64]) -> Mat<f64> {
        Mat::from_fn(N, N, |i, j| self.terms.iter().zip(alpha).map(|(a, c)| c * a[(i, j)]).sum())
    }

    /// A⁻¹ and log det A.
    pub fn truth(&self, alpha: &[f64]) -> Result<(Mat<f64>, f64)> {
        let a = self.matrix(alpha);
        let inverse = f64::lu_solve(a.as_ref(), Mat::<f64>::identity(N, N).as_ref(), "A")?.0;
        let log_det = f64::hermitian_eigenvalues(a.as_ref())?.iter().map(|v| v.ln()).sum();
        Ok((inverse, log_det))
    }

    /// A⁻¹ b.
    pub fn solution(&self, alpha: &[f64]) -> Result<Mat<f64>> {
        Ok(f64::lu_solve(self.matrix(alpha).as_ref(), self.b.as_ref(), "A")?.0)
    }

    /// A lower bound of the eigenvalues: the sum of those of the terms, which are known (Weyl).
    pub fn least(&self, alpha: &[f64]) -> f64 {
        1.1 + 0.1 * (alpha[1] + alpha[2])
    }
}

pub fn frobenius(a: &Mat<f64>) -> f64 {
    a.norm_l2()
}
