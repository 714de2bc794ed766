//! Affine decomposition of an operator from its matrices alone: A(mu) ≈ sum_m beta_m(mu) A(mu_m).
//!
//! Which training matrices are the terms, and how their coefficients are found at a new parameter. Three doors:
//! [`FunctionFit`]: from functions g_s(mu, x) on which the operator depends linearly; [`EntryFit`]: from some entries of
//! the new matrix; [`LearnedEntries`]: from the parameter alone, by Gaussian processes of these entries.

pub mod entries;
pub mod functions;
pub mod learned;

pub use entries::{EntryFit, EntryOptions};
pub use functions::FunctionFit;
pub use learned::LearnedEntries;

/// Terms that the empirical interpolation of exp(i k r) needs for r up to `diameter`, k in a band of width `band`, and a
/// largest error `tolerance`: about one per half wave beyond the first, and a logarithm for the tolerance.
///
/// An estimate for users, before the work: R (kmax - kmin) / (2 pi) + O(log 1/tolerance), fitted to what the interpolation needs for
/// k from kmax / 20 to kmax and k r up to 10, 20, 40, 80 and 160, which it misses by one term at most: 7, 10, 12 terms at 10 and 34, 40,
/// 44 at 160 (tolerance 1e-3, 1e-6, 1e-9).
pub fn predicted_terms(band: f64, diameter: f64, tolerance: f64) -> usize {
    let waves = 0.5 * band * diameter / std::f64::consts::PI;
    let (digits, spread) = (-tolerance.clamp(1e-14, 0.5).log10(), (1.0 + waves).ln());
    // 0.9 terms per digit for few waves, 1.7 for many.
    (waves + 1.5 + 1.2 * spread + digits * (0.55 + 0.345 * spread)).ceil() as usize
}
