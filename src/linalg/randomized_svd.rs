//! Randomized singular value decomposition.

use super::dense;
use super::inner_product::{InnerProduct, orthonormalize};
use super::slab_products::{cross, norms};
use super::slabs::{Slabs, mul_small};
use super::tall::TallMatrix;
use crate::comm::agree;
use crate::error::Result;
use faer::Mat;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

/// Columns more than asked, and passes of subspace iteration.
const OVERSAMPLING: usize = 10;
const POWER_ITERATIONS: usize = 2;

/// Result of [`randomized_svd`].
#[derive(Debug, Clone)]
pub struct RandomizedSvd {
    /// Left singular vectors, orthonormal in M.
    pub left: TallMatrix,
    /// Right singular vectors [n, k].
    pub right: Mat<f64>,
    /// Singular values, descending.
    pub sigma: Vec<f64>,
    /// Squared Frobenius norm of X in M: the sum of all sigma².
    pub total: f64,
    /// A posteriori: sqrt(||X||² - ||VᵀMX||²), the exact M-norm of what the left vectors miss (down to sqrt(eps) ||X||).
    pub error: f64,
}

/// Leading `k` singular triplets of X in the inner product M from a random projection.
///
/// The test matrix belongs to the columns of X, so the result does not depend on the number of ranks. Seven passes over X.
/// Collective. Reference: Halko, Martinsson, Tropp, SIAM Review 53 (2011) 217, algorithms 4.4 and 5.1.
pub fn randomized_svd(x: &dyn Slabs, m: &InnerProduct, k: usize, seed: u64) -> Result<RandomizedSvd> {
    let n = x.n_columns();
    let width = (k + OVERSAMPLING).min(n);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut probe = Mat::from_fn(n, width, |_, _| StandardNormal.sample(&mut rng));
    for _ in 0..POWER_ITERATIONS {
        let y = orthonormalize_or_drop(&project(x, &probe)?, m)?;
        let b = cross(&y, x, m)?;
        let (_, _, z) = dense::thin_svd(b.as_ref())?;
        probe = z;
    }
    let q = orthonormalize_or_drop(&project(x, &probe)?, m)?;
    let b = cross(&q, x, m)?;
    let (u, sigma, z) = dense::thin_svd(b.as_ref())?;
    let total: f64 = norms(x, m)?.iter().map(|v| v * v).sum();
    let kept = k.min(sigma.len());
    let seen: f64 = sigma[..kept].iter().map(|s| s * s).sum();
    Ok(RandomizedSvd {
        left: q.mul_small(u.subcols(0, kept)),
        right: z.subcols(0, kept).to_owned(),
        error: (total - seen).max(0.0).sqrt(),
        sigma: sigma[..kept].to_vec(),
        total,
    })
}

/// X times a small matrix. Collective.
fn project(x: &dyn Slabs, b: &Mat<f64>) -> Result<TallMatrix> {
    agree(x.layout().comm().as_ref(), mul_small(x, b.as_ref()))
}

/// Orthonormal columns for the part of Y above round-off.
fn orthonormalize_or_drop(y: &TallMatrix, m: &InnerProduct) -> Result<TallMatrix> {
    let r = super::tsqr::tsqr(y);
    let (_, s, z) = dense::thin_svd(r.as_ref())?;
    let rank = s.iter().take_while(|v| **v > 64.0 * f64::EPSILON * s[0]).count().max(1);
    let scale = |j: usize| if s[j] > 0.0 { 1.0 / s[j] } else { 1.0 };
    let combination = Mat::from_fn(z.nrows(), rank, |i, j| z[(i, j)] * scale(j));
    orthonormalize(&y.mul_small(combination.as_ref()), m)
}
