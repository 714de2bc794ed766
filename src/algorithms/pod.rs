//! Proper orthogonal decomposition.

use super::pod_modes::modes;
use super::pod_spectrum::spectrum;
use crate::comm::agree;
use crate::error::{Error, Result};
use crate::linalg::inner_product::{InnerProduct, orthonormality};
use crate::linalg::slabs::Slabs;
use crate::linalg::tall::TallMatrix;
use faer::Mat;

/// How many modes are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Truncation {
    /// The fewest modes with sqrt(sum of discarded sigma² / sum of all sigma²) <= tolerance.
    Tolerance(f64),
    /// This many, or the rank where that is lower.
    Modes(usize),
}

/// Where the singular values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Gram where its floor of sqrt(eps) sigma_1 cannot matter, randomized for few of many, else TSQR.
    Auto,
    /// Eigenvalues of XᵀMX (method of snapshots): one cheap pass, blind below sqrt(eps) sigma_1.
    Gram,
    /// SVD of the R of a QR factorisation: every sigma to eps sigma_1.
    Tsqr,
    /// SVD of a random projection: for few modes of many snapshots.
    Randomized,
    /// Columns block by block ([`incremental_svd`](super::incremental_svd)): memory for modes and a block, whatever the
    /// number of snapshots.
    Incremental,
}

/// Options of [`pod`].
#[derive(Debug, Clone)]
pub struct PodOptions {
    pub truncation: Truncation,
    pub algorithm: Algorithm,
    /// Subtract the (weighted) mean first.
    pub center: bool,
    /// Non-negative weight of each snapshot; all 1 if `None`.
    pub weights: Option<Vec<f64>>,
    /// Seed of the randomized way.
    pub seed: u64,
}

impl Default for PodOptions {
    fn default() -> Self {
        PodOptions {
            truncation: Truncation::Tolerance(1e-4),
            algorithm: Algorithm::Auto,
            center: false,
            weights: None,
            seed: 0,
        }
    }
}

/// Result of [`pod`].
#[derive(Debug, Clone)]
pub struct Pod {
    /// V [n_dofs, n_modes], VᵀMV = I; the largest entry of each mode is positive (the lowest row on ties).
    pub basis: TallMatrix,
    /// All singular values that were computed, descending.
    pub singular_values: Vec<f64>,
    /// Sum of all sigma², those that were not computed included.
    pub total: f64,
    /// Sum of the sigma² that were not computed.
    pub unseen: f64,
    /// Mean of the snapshots on the local rows, where centred.
    pub mean: Option<Vec<f64>>,
    /// VᵀM(X - mean) [n_modes, n_snapshots].
    pub coefficients: Mat<f64>,
    /// sqrt(sum of discarded sigma² / sum of all sigma²): the guaranteed relative projection error of the snapshots.
    pub projection_error: f64,
    /// max |VᵀMV - I|, measured.
    pub orthonormality: f64,
    /// The way that was taken (never `Auto`).
    pub algorithm: Algorithm,
    /// Number of singular values above max(m, n) eps sigma_1.
    pub rank: usize,
}

impl Pod {
    /// Number of modes.
    pub fn n_modes(&self) -> usize {
        self.basis.n_columns()
    }

    /// Number of leading modes that another truncation keeps, at most those that are here.
    pub fn count(&self, truncation: Truncation) -> usize {
        count(&self.singular_values, self.rank, truncation, self.unseen).min(self.n_modes())
    }

    /// [`projection_error`](Self::projection_error) of the leading modes alone.
    pub fn projection_error_of(&self, n_modes: usize) -> f64 {
        projection_error(&self.singular_values, self.unseen, n_modes)
    }
}

/// Modes and singular values of weighted snapshots in an inner product: X W^(1/2) = V S Zᵀ with VᵀMV = I.
///
/// `snapshots` [n_dofs, n_snapshots], in memory or slab by slab. Modes below the numerical rank are never returned, so
/// `n_modes` may be lower than asked. Errors: shapes, weights, values that are not finite, K019 for magnitudes beyond
/// 1e±130, an inner product that is not positive definite, those of reading. Cost: one pass for the [`spectrum`] (Gram
/// n² m flops, TSQR 2 n² m; the randomized way takes more passes), one for the [`modes`]; collective.
/// Reference: Sirovich, Quart. Appl. Math. 45 (1987) 561; Demmel et al., SISC 34 (2012) A206 (TSQR).
#[doc(alias = "PCA")]
#[doc(alias = "method_of_snapshots")]
pub fn pod(snapshots: &dyn Slabs, inner_product: &InnerProduct, options: &PodOptions) -> Result<Pod> {
    let spectrum = spectrum(snapshots, inner_product, options)?;
    let n_modes = spectrum.count(options.truncation);
    let found = modes(snapshots, inner_product, options, &spectrum, n_modes, None)?;
    Ok(Pod {
        coefficients: found.coefficients,
        orthonormality: orthonormality(&found.basis, inner_product),
        projection_error: spectrum.projection_error_of(n_modes),
        singular_values: spectrum.sigma,
        total: spectrum.total,
        unseen: spectrum.unseen,
        basis: found.basis,
        mean: found.mean,
        algorithm: spectrum.algorithm,
        rank: spectrum.rank,
    })
}

/// Number of modes that the truncation keeps; `unseen` is the sum of the sigma² that were not computed. (It is not the
/// difference of two sums, whose round-off would hide tolerances below sqrt(eps).)
pub(crate) fn count(sigma: &[f64], rank: usize, truncation: Truncation, unseen: f64) -> usize {
    match truncation {
        Truncation::Modes(k) => k.min(rank),
        Truncation::Tolerance(t) => {
            let total = unseen + sigma.iter().map(|s| s * s).sum::<f64>();
            // Sum from the small end: the tail is what is compared.
            let (mut tail, mut kept) = (unseen, sigma.len());
            while kept > 0 && tail + sigma[kept - 1] * sigma[kept - 1] <= t * t * total {
                tail += sigma[kept - 1] * sigma[kept - 1];
                kept -= 1;
            }
            kept.min(rank)
        }
    }
}

/// sqrt(sum of discarded sigma² / sum of all), with what was not computed among the discarded.
pub(super) fn projection_error(sigma: &[f64], unseen: f64, n_modes: usize) -> f64 {
    let (kept, dropped) = sigma.split_at(n_modes.min(sigma.len()));
    // Folds from +0: the sum of nothing is -0.
    let energy = |sum: f64, s: &f64| sum + s * s;
    let (kept, tail) = (kept.iter().fold(0.0, energy), dropped.iter().rev().fold(unseen, energy));
    if kept + tail > 0.0 { (tail / (kept + tail)).sqrt() } else { 0.0 }
}

pub(super) fn check(x: &dyn Slabs, m: &InnerProduct, options: &PodOptions) -> Result<()> {
    let n = x.n_columns();
    agree(x.layout().comm().as_ref(), m.check(x.layout().n_local()))?;
    if n == 0 || x.layout().n_rows() == 0 {
        return Err(Error::argument(
            "snapshots",
            format!("{} x {n}", x.layout().n_rows()),
            "at least one row and one snapshot",
        ));
    }
    match options.truncation {
        Truncation::Tolerance(t) if !(0.0..1.0).contains(&t) => {
            return Err(Error::argument("tolerance", t, "a number in [0, 1)"));
        }
        Truncation::Modes(0) => return Err(Error::argument("modes", 0, "at least 1")),
        _ => {}
    }
    if let Some(w) = &options.weights {
        if w.len() != n {
            return Err(Error::argument("weights of snapshots", w.len(), n));
        }
        if w.iter().any(|w| !(*w >= 0.0 && w.is_finite())) || !w.iter().any(|w| *w > 0.0) {
            return Err(Error::argument("weights of snapshots", "a negative one, or none above 0", "weights >= 0"));
        }
    }
    Ok(())
}
