//! -(g1 u')' + g2 u = 1 on ]0, 1[, u(0) = u(1) = 0, in linear elements with one midpoint per cell.

/// Interior nodes; cells of width 1 / 200.
pub const N: usize = 199;
/// Entries on and above the diagonal.
pub const N_ENTRIES: usize = 2 * N - 1;

/// g1 and g2: neither is affine in the parameter.
pub fn functions(mu: f64, x: f64) -> [f64; 2] {
    use std::f64::consts::PI;
    let g1 = 1.0 + 0.9 * (2.0 * PI * mu * x).sin() * (-mu * x).exp();
    [g1, 50.0 * mu * mu * (PI * mu * x).cos().powi(2)]
}

/// Midpoints of the cells.
pub fn midpoints() -> Vec<f64> {
    (0..=N).map(|e| (e as f64 + 0.5) / (N + 1) as f64).collect()
}

/// 300 equispaced parameters from 1 to 4.
pub fn training() -> Vec<f64> {
    (0..300).map(|i| 1.0 + 3.0 * i as f64 / 299.0).collect()
}

/// 200 others.
pub fn tests() -> Vec<f64> {
    (0..200).map(|i| 1.0 + 3.0 * (i as f64 + 0.5) / 200.0).collect()
}

/// The symmetric matrix: its diagonal, then what stands beside it.
pub fn matrix(mu: f64) -> Vec<f64> {
    let h = 1.0 / (N + 1) as f64;
    let mut a = vec![0.0; N_ENTRIES];
    for (e, x) in midpoints().into_iter().enumerate() {
        let [g1, g2] = functions(mu, x);
        let (stiff, mass) = (g1 / h, 0.25 * h * g2);
        // Cell e lies between the nodes e - 1 and e.
        if e > 0 {
            a[e - 1] += stiff + mass;
        }
        if e < N {
            a[e] += stiff + mass;
        }
        if e > 0 && e < N {
            a[N + e - 1] += mass - stiff;
        }
    }
    a
}

/// Frobenius norm of the symmetric matrix with these entries.
pub fn norm(a: &[f64]) -> f64 {
    let squares = |a: &[f64]| a.iter().map(|v| v * v).sum::<f64>();
    (squares(&a[..N]) + 2.0 * squares(&a[N..])).sqrt()
}

/// The solution, by elimination with exchange of rows: an interpolated matrix need not be definite.
pub fn solve(a: &[f64]) -> Vec<f64> {
    let h = 1.0 / (N + 1) as f64;
    // Rows from the diagonal on: three entries and the right-hand side.
    let beside = |i: usize| if i + 1 < N { a[N + i] } else { 0.0 };
    let mut rows: Vec<[f64; 4]> = (0..N).map(|i| [a[i], beside(i), 0.0, h]).collect();
    for i in 0..N - 1 {
        // Row i + 1 begins one column before its diagonal.
        let (top, next) = (rows[i], rows[i + 1]);
        let below = [beside(i), next[0], next[1], next[3]];
        let (pivot, other) = if below[0].abs() > top[0].abs() { (below, top) } else { (top, below) };
        let factor = other[0] / pivot[0];
        rows[i] = pivot;
        rows[i + 1] = [other[1] - factor * pivot[1], other[2] - factor * pivot[2], 0.0, other[3] - factor * pivot[3]];
    }
    let mut u = vec![0.0; N + 2];
    for i in (0..N).rev() {
        let r = rows[i];
        u[i] = (r[3] - r[1] * u[i + 1] - r[2] * u[i + 2]) / r[0];
    }
    u.truncate(N);
    u
}

/// ||u - v|| / ||u||.
pub fn relative(u: &[f64], v: &[f64]) -> f64 {
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut u.iter().zip(v).map(|(u, v)| u - v)) / norm(&mut u.iter().copied())
}

/// Largest relative errors of matrix (Frobenius) and solution over `parameters`, where `coefficients` combines the matrices at
/// the parameters `terms`.
pub fn errors<E>(
    parameters: &[f64],
    terms: &[f64],
    coefficients: impl Fn(f64) -> Result<Vec<f64>, E>,
) -> Result<[f64; 2], E> {
    let matrices: Vec<Vec<f64>> = terms.iter().map(|m| matrix(*m)).collect();
    let mut worst = [0.0_f64; 2];
    for mu in parameters {
        let (a, beta) = (matrix(*mu), coefficients(*mu)?);
        let mut combined = vec![0.0; N_ENTRIES];
        for (b, term) in beta.iter().zip(&matrices) {
            combined.iter_mut().zip(term).for_each(|(c, t)| *c += b * t);
        }
        let missed: Vec<f64> = a.iter().zip(&combined).map(|(a, c)| a - c).collect();
        worst[0] = worst[0].max(norm(&missed) / norm(&a));
        worst[1] = worst[1].max(relative(&solve(&a), &solve(&combined)));
    }
    Ok(worst)
}
