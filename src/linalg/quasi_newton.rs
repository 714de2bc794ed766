//! Bounded quasi-Newton minimisation.

/// Options of [`minimize_bounded`].
#[derive(Debug, Clone, Copy)]
pub struct QuasiNewtonOptions {
    pub max_iterations: usize,
    /// Largest entry of the projected gradient at which the search stops.
    pub gradient_tolerance: f64,
    /// Relative decrease below which the search stops, twice in a row.
    pub value_tolerance: f64,
}

impl Default for QuasiNewtonOptions {
    fn default() -> Self {
        QuasiNewtonOptions { max_iterations: 200, gradient_tolerance: 1e-6, value_tolerance: 1e-12 }
    }
}

/// Result of [`minimize_bounded`].
#[derive(Debug, Clone)]
pub struct Minimum {
    pub x: Vec<f64>,
    pub value: f64,
    /// Largest entry of the projected gradient.
    pub gradient_norm: f64,
    pub iterations: usize,
}

/// Minimises f over the box [lower, upper] by projected BFGS with a backtracking line search.
///
/// `f` returns value and gradient, or `None` where it has no value: such a step is shortened, never taken. `None` if f has
/// no value at the (clamped) start. Cost: one evaluation per trial step, n² per iteration.
/// Reference: Bertsekas, SIAM J. Control Optim. 20 (1982) 221.
pub fn minimize_bounded(
    f: impl Fn(&[f64]) -> Option<(f64, Vec<f64>)>,
    start: &[f64],
    lower: &[f64],
    upper: &[f64],
    options: &QuasiNewtonOptions,
) -> Option<Minimum> {
    let n = start.len();
    let clamp = |x: &mut [f64]| (0..n).for_each(|i| x[i] = x[i].clamp(lower[i], upper[i]));
    let mut x = start.to_vec();
    clamp(&mut x);
    let (mut value, mut gradient) = f(&x)?;
    let mut inverse = identity(n);
    let (mut iterations, mut stalled, mut fresh) = (0, 0, true);
    while iterations < options.max_iterations && n > 0 {
        let free: Vec<bool> = (0..n).map(|i| !(x[i] <= lower[i] && gradient[i] > 0.0 || x[i] >= upper[i] && gradient[i] < 0.0)).collect();
        if projected_norm(&gradient, &free) <= options.gradient_tolerance {
            break;
        }
        iterations += 1;
        let mut direction = vec![0.0; n];
        for i in (0..n).filter(|&i| free[i]) {
            direction[i] = -(0..n).filter(|&j| free[j]).map(|j| inverse[i * n + j] * gradient[j]).sum::<f64>();
        }
        if !(dot(&direction, &gradient) < 0.0) {
            inverse = identity(n);
            direction = (0..n).map(|i| if free[i] { -gradient[i] } else { 0.0 }).collect();
            fresh = true;
        }
        // The first step has no curvature to scale it.
        let longest = direction.iter().fold(0.0_f64, |m, d| m.max(d.abs()));
        let mut step = if fresh { (1.0 / longest).min(1.0) } else { 1.0 };
        let mut found = None;
        for _ in 0..40 {
            let mut trial: Vec<f64> = (0..n).map(|i| x[i] + step * direction[i]).collect();
            clamp(&mut trial);
            if let Some((v, g)) = f(&trial).filter(|(v, g)| v.is_finite() && g.iter().all(|g| g.is_finite())) {
                let slope: f64 = (0..n).map(|i| gradient[i] * (trial[i] - x[i])).sum();
                if v <= value + 1e-4 * slope {
                    found = Some((trial, v, g));
                    break;
                }
                // Minimum of the parabola through value, slope and v, kept within a tenth and a half.
                let bend = v - value - slope;
                step *= if bend > 0.0 { (-0.5 * slope / bend).clamp(0.1, 0.5) } else { 0.5 };
            } else {
                step *= 0.25;
            }
        }
        let Some((next, next_value, next_gradient)) = found else {
            if fresh {
                break;
            }
            inverse = identity(n);
            fresh = true;
            continue;
        };
        let s: Vec<f64> = (0..n).map(|i| next[i] - x[i]).collect();
        let y: Vec<f64> = (0..n).map(|i| next_gradient[i] - gradient[i]).collect();
        update(&mut inverse, &s, &y, fresh);
        fresh = false;
        let gain = value - next_value;
        stalled = if gain <= options.value_tolerance * value.abs().max(1.0) { stalled + 1 } else { 0 };
        (x, value, gradient) = (next, next_value, next_gradient);
        if stalled >= 2 {
            break;
        }
    }
    let free: Vec<bool> = (0..n).map(|i| !(x[i] <= lower[i] && gradient[i] > 0.0 || x[i] >= upper[i] && gradient[i] < 0.0)).collect();
    Some(Minimum { gradient_norm: projected_norm(&gradient, &free), x, value, iterations })
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|k| if k / n == k % n { 1.0 } else { 0.0 }).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn projected_norm(gradient: &[f64], free: &[bool]) -> f64 {
    gradient.iter().zip(free).filter(|(_, f)| **f).fold(0.0, |m, (g, _)| m.max(g.abs()))
}

/// BFGS update of the inverse Hessian; skipped where the curvature is not positive.
fn update(h: &mut [f64], s: &[f64], y: &[f64], first: bool) {
    let n = s.len();
    let sy = dot(s, y);
    if sy <= 1e-10 * (dot(s, s) * dot(y, y)).sqrt() {
        return;
    }
    if first {
        let scale = sy / dot(y, y);
        h.iter_mut().for_each(|v| *v *= scale);
    }
    let hy: Vec<f64> = (0..n).map(|i| dot(&h[i * n..(i + 1) * n], y)).collect();
    let factor = (1.0 + dot(y, &hy) / sy) / sy;
    for i in 0..n {
        for j in 0..n {
            h[i * n + j] += factor * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / sy;
        }
    }
}
