//! Calibration of Gaussian intervals by leave-one-out scores.

use super::order_statistic::order_statistic;
use crate::comm::Communicator;
use crate::error::{Error, Result};
use faer::MatRef;

/// Factor q of the intervals mean ± q std whose coverage is at least `confidence`.
///
/// q is the k-th smallest score |residual_i| / std_i, k = ceil((n + 1) confidence). For exchangeable samples and
/// scores from leave-one-out (J+GP), the coverage of a new point is about `confidence`, whatever the distribution,
/// and in practice rarely below it; it is marginal: on average over points like the training ones. Where k > n
/// (fewer than confidence / (1 - confidence) samples, 19 for 95 %), no score is large enough to promise it: the
/// largest is scaled by the ratio of normal quantiles z(confidence) / z(n / (n + 1)), a Gaussian tail beyond the
/// last score, and never made smaller.
///
/// `scores` (n): dimensionless, not negative; a score that is not a number (0 / 0 of a constant output) counts as
/// zero. Errors: no scores, confidence not between 0 and 1. O(n). Not collective.
///
/// Reference: V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World; E. Jaber et al., Conformal
/// approach to Gaussian process surrogate evaluation with coverage guarantees, arXiv 2401.07733.
#[doc(alias = "jackknife+")]
pub fn conformal_factor(scores: &[f64], confidence: f64) -> Result<f64> {
    check(confidence)?;
    let mut scores: Vec<f64> = scores.iter().map(|s| if s.is_nan() { 0.0 } else { s.abs() }).collect();
    if scores.is_empty() {
        return Err(Error::argument("scores", 0, "at least 1"));
    }
    let (k, factor) = wanted(scores.len(), confidence);
    Ok(factor * *scores.select_nth_unstable_by(k - 1, f64::total_cmp).1)
}

/// [`conformal_factor`] of scores that are shared out over ranks; they stay where they are.
///
/// `scores` [any, any] of this rank, not negative; what is not a number is no score. Where no rank has any, the Gaussian
/// factor z(confidence). Error: confidence not between 0 and 1. Cost: that of an
/// [`order_statistic`](super::order_statistic::order_statistic). Collective; the same on any number of ranks.
pub fn shared_conformal_factor(comm: &dyn Communicator, scores: MatRef<'_, f64>, confidence: f64) -> Result<f64> {
    check(confidence)?;
    let own = scores.col_iter().map(|c| c.iter().filter(|s| !s.is_nan()).count()).sum::<usize>();
    let mut n = [own as f64];
    comm.all_sum(&mut n);
    if n == [0.0] {
        return Ok(normal_quantile(confidence));
    }
    let (k, factor) = wanted(n[0] as usize, confidence);
    Ok(factor * order_statistic(comm, scores, k).unwrap_or(f64::NAN))
}

fn check(confidence: f64) -> Result<()> {
    match confidence > 0.0 && confidence < 1.0 {
        true => Ok(()),
        false => Err(Error::argument("confidence", confidence, "between 0 and 1")),
    }
}

/// Which of n scores counts (the k-th smallest, from 1), and what it is multiplied by.
fn wanted(n: usize, confidence: f64) -> (usize, f64) {
    // Round-off in (n + 1) confidence must not move k: 20 * 0.95 is 19.
    let k = ((n as f64 + 1.0) * confidence - 1e-9).ceil().max(1.0);
    if k as usize <= n {
        return (k as usize, 1.0);
    }
    (n, (normal_quantile(confidence) / normal_quantile(n as f64 / (n as f64 + 1.0))).max(1.0))
}

/// The same from all outputs at once: |residuals| / std (n x r), pooled.
///
/// The scores of one sample are dependent, so the rank is that of n r scores only on average: steadier than one
/// factor per output, and calibrated over the outputs together, not for each. Entries with std = 0 are left out
/// where the residual is zero too. Where nothing is left, the Gaussian factor z(confidence) is given.
pub fn pooled_conformal_factor(residuals: MatRef<'_, f64>, std: MatRef<'_, f64>, confidence: f64) -> Result<f64> {
    if residuals.nrows() != std.nrows() || residuals.ncols() != std.ncols() {
        let found = format!("{} x {} and {} x {}", residuals.nrows(), residuals.ncols(), std.nrows(), std.ncols());
        return Err(Error::argument("residuals and deviations", found, "equal shapes"));
    }
    let entries = residuals.col_iter().zip(std.col_iter()).flat_map(|(e, s)| e.iter().zip(s.iter()));
    let scores: Vec<f64> = entries.filter(|(e, s)| **e != 0.0 || **s != 0.0).map(|(e, s)| e.abs() / s).collect();
    if scores.is_empty() && confidence > 0.0 && confidence < 1.0 {
        return Ok(normal_quantile(confidence));
    }
    conformal_factor(&scores, confidence)
}

/// z with P(|N(0, 1)| <= z) = confidence.
pub fn normal_quantile(confidence: f64) -> f64 {
    use statrs::function::erf::erf_inv;
    std::f64::consts::SQRT_2 * erf_inv(confidence)
}
