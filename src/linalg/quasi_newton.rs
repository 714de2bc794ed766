//! Minimisation of a smooth function of few variables between bounds.

/// When to stop, and how far a step may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuasiNewtonOptions {
    /// Most iterations.
    pub max_iterations: usize,
    /// Stops where the largest entry of the projected gradient is below this.
    pub gradient_tolerance: f64,
    /// Stops where two steps in a row lower the value by less than this, relative to 1 + |value|.
    pub value_tolerance: f64,
    /// Largest change of a variable in the first trial of a step.
    pub max_step: f64,
}

impl Default for QuasiNewtonOptions {
    fn default() -> Self {
        QuasiNewtonOptions { max_iterations: 200, gradient_tolerance: 1e-6, value_tolerance: 1e-12, max_step: 2.0 }
    }
}

/// Where the minimisation ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    /// The point, between the bounds.
    pub x: Vec<f64>,
    /// The value there; infinite where the start was infeasible.
    pub value: f64,
    /// Largest entry of x - clamp(x - gradient), zero at a stationary point of the bounded problem.
    pub gradient_norm: f64,
    /// Number of steps taken.
    pub iterations: usize,
}

/// Minimises `f` over lower <= x <= upper by projected BFGS.
///
/// The variables not held at a bound by the gradient move along d = -B⁻¹ g, B the BFGS approximation of the
/// Hessian; the step t is the first of a decreasing sequence with f(clamp(x + t d)) <= f(x) + 1e-4 gᵀ(clamp(x + t
/// d) - x), and it is enlarged as long as the curvature condition fails and the value falls.
///
/// `f` gives the value and the gradient, or `None` where it is not defined (the step is then shortened). The three
/// slices have the same length; a start outside the bounds is moved to them. Deterministic. Cost besides `f`: O(k³)
/// per step for k variables. Not collective.
///
/// Reference: J. Nocedal, S. Wright, Numerical Optimization, chapters 6 and 16; D. Bertsekas, SIAM J. Control
/// Optim. 20 (1982), projected Newton methods.
pub fn minimize_bounded(
    f: impl Fn(&[f64]) -> Option<(f64, Vec<f64>)>,
    x0: &[f64],
    lower: &[f64],
    upper: &[f64],
    options: &QuasiNewtonOptions,
) -> Minimum {
    let bounds: Vec<(f64, f64)> = lower.iter().copied().zip(upper.iter().copied()).collect();
    let clamp = |x: Vec<f64>| -> Vec<f64> { x.iter().zip(&bounds).map(|(x, (l, u))| x.max(*l).min(*u)).collect() };
    let checked = |x: &[f64]| f(x).filter(|(v, g)| v.is_finite() && g.iter().all(|g| g.is_finite()));
    let mut x = clamp(x0.to_vec());
    let Some((mut value, mut gradient)) = checked(&x) else {
        return Minimum { x, value: f64::INFINITY, gradient_norm: f64::INFINITY, iterations: 0 };
    };
    let mut hessian: Option<Square> = None;
    let mut quiet_steps = 0;
    let mut iterations = 0;
    while iterations < options.max_iterations && projected_norm(&x, &gradient, &bounds) > options.gradient_tolerance {
        let direction = direction(hessian.as_ref(), &x, &gradient, &bounds, options.max_step);
        let Some((x_new, value_new, gradient_new)) =
            line_search(&checked, &clamp, &x, value, &gradient, &direction, options.max_step)
        else {
            // A failed quasi-Newton direction gets one more trial along the projected gradient.
            if hessian.take().is_some() {
                continue;
            }
            break;
        };
        let s: Vec<f64> = x_new.iter().zip(&x).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = gradient_new.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let fall = value - value_new;
        (x, value, gradient) = (x_new, value_new, gradient_new);
        iterations += 1;
        let sy = dot(&s, &y);
        if sy > 1e-10 * (dot(&s, &s) * dot(&y, &y)).sqrt() {
            let b = hessian.get_or_insert_with(|| Square::scaled_identity(s.len(), dot(&y, &y) / sy));
            b.bfgs_update(&s, &y, sy);
        }
        quiet_steps = if fall <= options.value_tolerance * (1.0 + value.abs()) { quiet_steps + 1 } else { 0 };
        if quiet_steps >= 2 {
            break;
        }
    }
    let gradient_norm = projected_norm(&x, &gradient, &bounds);
    Minimum { x, value, gradient_norm, iterations }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn projected_norm(x: &[f64], gradient: &[f64], bounds: &[(f64, f64)]) -> f64 {
    let steps = x.iter().zip(gradient).zip(bounds).map(|((x, g), (l, u))| (x - (x - g).max(*l).min(*u)).abs());
    steps.fold(0.0, f64::max)
}

/// Quasi-Newton direction in the free variables, zero in the others; minus the gradient where there is no Hessian
/// yet.
fn direction(hessian: Option<&Square>, x: &[f64], gradient: &[f64], bounds: &[(f64, f64)], max_step: f64) -> Vec<f64> {
    let held = |i: usize| {
        let (Some(x), Some(g), Some((l, u))) = (x.get(i), gradient.get(i), bounds.get(i)) else { return true };
        (x <= l && *g > 0.0) || (x >= u && *g < 0.0)
    };
    let free: Vec<usize> = (0..x.len()).filter(|i| !held(*i)).collect();
    let free_gradient: Vec<f64> = free.iter().filter_map(|i| gradient.get(*i)).copied().collect();
    let newton = hessian.and_then(|b| b.solve(&free, &free_gradient)).filter(|d| dot(d, &free_gradient) > 0.0);
    let (step, longest) = match newton {
        Some(d) => (d, max_step),
        None => (free_gradient, max_step.min(0.5)),
    };
    let largest = step.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let scale = if largest > longest { longest / largest } else { 1.0 };
    let mut direction = vec![0.0; x.len()];
    for (i, v) in free.iter().zip(step) {
        if let Some(entry) = direction.get_mut(*i) {
            *entry = -scale * v;
        }
    }
    direction
}

type Point = (Vec<f64>, f64, Vec<f64>);

fn line_search(
    f: &impl Fn(&[f64]) -> Option<(f64, Vec<f64>)>,
    clamp: &impl Fn(Vec<f64>) -> Vec<f64>,
    x: &[f64],
    value: f64,
    gradient: &[f64],
    direction: &[f64],
    max_step: f64,
) -> Option<Point> {
    let trial = |t: f64| {
        let point = clamp(x.iter().zip(direction).map(|(x, d)| x + t * d).collect());
        let slope: f64 = point.iter().zip(x).zip(gradient).map(|((p, x), g)| (p - x) * g).sum();
        (point, slope)
    };
    let mut t = 1.0;
    for i_trial in 0..40 {
        let (point, slope) = trial(t);
        if slope >= 0.0 {
            return None;
        }
        match f(&point) {
            Some((v, g)) if v <= value + 1e-4 * slope => {
                let accepted = (point, v, g);
                return Some(if i_trial == 0 { enlarge(f, &trial, accepted, x, slope, max_step) } else { accepted });
            }
            Some((v, _)) => t *= (-slope / (2.0 * (v - value - slope))).clamp(0.1, 0.5),
            None => t *= 0.25,
        }
    }
    None
}

/// Doubles an accepted full step while the slope along it is hardly flatter and the value falls.
fn enlarge(
    f: &impl Fn(&[f64]) -> Option<(f64, Vec<f64>)>,
    trial: &impl Fn(f64) -> (Vec<f64>, f64),
    mut best: Point,
    x: &[f64],
    slope: f64,
    max_step: f64,
) -> Point {
    let mut t = 1.0;
    for _ in 0..4 {
        let step: Vec<f64> = best.0.iter().zip(x).map(|(a, b)| a - b).collect();
        let longest = step.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        if dot(&best.2, &step) >= 0.9 * slope * t || longest > max_step {
            break;
        }
        let (point, new_slope) = trial(2.0 * t);
        match f(&point) {
            Some((v, g)) if v < best.1 && new_slope < 0.0 => (best, t) = ((point, v, g), 2.0 * t),
            _ => break,
        }
    }
    best
}

/// A small symmetric matrix, all entries stored by rows.
struct Square {
    n: usize,
    entries: Vec<f64>,
}

impl Square {
    fn scaled_identity(n: usize, scale: f64) -> Self {
        let entries = (0..n * n).map(|k| if k / n == k % n { scale } else { 0.0 }).collect();
        Square { n, entries }
    }

    /// B <- B - (B s)(B s)ᵀ / sᵀB s + y yᵀ / sᵀy.
    fn bfgs_update(&mut self, s: &[f64], y: &[f64], sy: f64) {
        let bs: Vec<f64> = self.entries.chunks_exact(self.n).map(|row| dot(row, s)).collect();
        let sbs = dot(s, &bs);
        if sbs <= 0.0 {
            return;
        }
        for ((row, bs_i), y_i) in self.entries.chunks_exact_mut(self.n).zip(&bs).zip(y) {
            for ((entry, bs_j), y_j) in row.iter_mut().zip(&bs).zip(y) {
                *entry += y_i * y_j / sy - bs_i * bs_j / sbs;
            }
        }
    }

    /// Solves B_FF d = g for the index set F by Cholesky; `None` where the block is not positive definite.
    fn solve(&self, free: &[usize], g: &[f64]) -> Option<Vec<f64>> {
        let m = free.len();
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(m);
        let mut d: Vec<f64> = Vec::with_capacity(m);
        for (i, fi) in free.iter().enumerate() {
            let mut row: Vec<f64> = Vec::with_capacity(i + 1);
            for (j, fj) in free.iter().take(i + 1).enumerate() {
                let b = self.entries.get(fi * self.n + fj)?;
                if j < i {
                    let other = rows.get(j)?;
                    row.push((b - dot(&row, other)) / other.last()?);
                } else {
                    let pivot = b - dot(&row, &row);
                    if pivot.is_nan() || pivot <= 1e-14 * b {
                        return None;
                    }
                    row.push(pivot.sqrt());
                }
            }
            d.push((g.get(i)? - dot(&row, &d)) / row.last()?);
            rows.push(row);
        }
        for i in (0..m).rev() {
            let row = rows.get(i)?;
            let value = d.get(i)? / row.last()?;
            *d.get_mut(i)? = value;
            for (entry, factor) in d.iter_mut().zip(row.iter().take(i)) {
                *entry -= factor * value;
            }
        }
        Some(d)
    }
}
