//! Conformal calibration of intervals.

/// Factor q such that prediction ± q std covers `confidence` of new points, from leave-one-out scores
/// |residual| / std of n training points: their ceil((n + 1) confidence)-th smallest.
///
/// Where n is too small for that rank (n + 1 < 1 / (1 - confidence)) the largest score is taken, raised by the Gaussian ratio
/// of the quantile asked and the quantile that n points can show. Scores that are not numbers are left out; 0 without scores.
/// Reference: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World; Jaber et al., arXiv 2401.07733 (J+GP).
pub fn conformal_factor(scores: &[f64], confidence: f64) -> f64 {
    let mut sorted: Vec<f64> = scores.iter().copied().filter(|s| !s.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let Some(&largest) = sorted.last() else { return 0.0 };
    let rank = ((n + 1) as f64 * confidence).ceil() as usize;
    if rank <= n {
        return sorted[rank.max(1) - 1];
    }
    let shown = n as f64 / (n + 1) as f64;
    largest * normal_quantile(confidence) / normal_quantile(shown)
}

/// q with P(|Z| <= q) = confidence for a standard normal Z.
pub fn normal_quantile(confidence: f64) -> f64 {
    std::f64::consts::SQRT_2 * statrs::function::erf::erf_inv(confidence)
}
