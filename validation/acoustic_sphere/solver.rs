//! Scattering of a plane wave by the sound-soft unit sphere: collocation at the vertices of curved triangles, linear densities.
//!
//! (1/2 I + K - i eta S) phi = -u_inc, the scattered wave is (D - i eta S) phi (H. Brakhage, P. Werner, 1965); eta does not
//! depend on k, so that k enters by exp(ikr) and ikr exp(ikr) alone. On the sphere, d r / d n_y = r / 2: both kernels are
//! as singular as 1 / r, which polar coordinates about the vertex take away.

use faer::c64;
use kolmo::linalg::scalar::Scalar;
use rayon::prelude::*;
use std::collections::HashMap;
use std::f64::consts::PI;

type Point = [f64; 3];

/// Coupling of the layers.
pub const ETA: f64 = 2.5;

/// A regular icosahedron, its triangles cut in four and its points moved to the sphere, `level` times.
pub struct Sphere {
    pub points: Vec<Point>,
    pub triangles: Vec<[usize; 3]>,
}

/// A point of a rule on a triangle: on the sphere, with the parts of the three densities, times weight and area.
struct At {
    y: Point,
    parts: [f64; 3],
}

pub fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn difference(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn cross(a: Point, b: Point) -> Point {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn unit(a: Point) -> Point {
    let norm = dot(a, a).sqrt();
    a.map(|v| v / norm)
}

/// Gauss-Legendre points and weights on ]0, 1[, by Newton's method.
fn gauss(n: usize) -> Vec<(f64, f64)> {
    let root = |i: usize| {
        let mut x = (PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..50 {
            let (mut p, mut before) = (x, 1.0);
            for k in 2..=n {
                let k = k as f64;
                (p, before) = (((2.0 * k - 1.0) * x * p - (k - 1.0) * before) / k, p);
            }
            slope = n as f64 * (x * p - before) / (x * x - 1.0);
            x -= p / slope;
        }
        (0.5 * (1.0 + x), 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..n).map(root).collect()
}

/// Seven points of degree 5 in barycentric coordinates, weights adding to 1.
fn seven() -> Vec<(Point, f64)> {
    let root = 15.0_f64.sqrt();
    let mut rule = vec![([1.0 / 3.0; 3], 0.225)];
    for (a, w) in [((6.0 - root) / 21.0, (155.0 - root) / 1200.0), ((6.0 + root) / 21.0, (155.0 + root) / 1200.0)] {
        for corner in 0..3 {
            let mut at = [a; 3];
            at[corner] = 1.0 - 2.0 * a;
            rule.push((at, w));
        }
    }
    rule
}

/// A rule on the triangle cut in four, `level` times.
fn cut(rule: &[(Point, f64)], level: usize) -> Vec<(Point, f64)> {
    if level == 0 {
        return rule.to_vec();
    }
    let inner = cut(rule, level - 1);
    let mut all = Vec::new();
    for corner in 0..3 {
        for (at, w) in &inner {
            let mut moved = at.map(|v| 0.5 * v);
            moved[corner] += 0.5;
            all.push((moved, 0.25 * w));
        }
    }
    // The one in the middle stands on its head.
    all.extend(inner.iter().map(|(at, w)| (at.map(|v| 0.5 - 0.5 * v), 0.25 * w)));
    all
}

/// In polar coordinates about corner `corner`: s, the distance, in the weight.
fn polar(corner: usize, n: usize) -> Vec<(Point, f64)> {
    let line = gauss(n);
    let mut all = Vec::new();
    for (s, ws) in &line {
        for (t, wt) in &line {
            let mut at = [0.0; 3];
            at[corner] = 1.0 - s;
            at[(corner + 1) % 3] = s * (1.0 - t);
            at[(corner + 2) % 3] = s * t;
            all.push((at, 2.0 * s * ws * wt));
        }
    }
    all
}

impl Sphere {
    pub fn new(level: usize) -> Sphere {
        let golden = 0.5 * (1.0 + 5.0_f64.sqrt());
        let mut points: Vec<Point> = Vec::new();
        for a in [-1.0, 1.0] {
            for b in [-golden, golden] {
                points.extend([[0.0, a, b], [a, b, 0.0], [b, 0.0, a]].map(unit));
            }
        }
        // Triangles of neighbours, outwards.
        let near = |i: usize, j: usize, points: &[Point]| dot(points[i], points[j]) > 0.4;
        let mut triangles = Vec::new();
        for i in 0..12 {
            for j in i + 1..12 {
                for k in j + 1..12 {
                    if near(i, j, &points) && near(j, k, &points) && near(i, k, &points) {
                        let outwards = dot(points[i], cross(points[j], points[k])) > 0.0;
                        triangles.push(if outwards { [i, j, k] } else { [i, k, j] });
                    }
                }
            }
        }
        for _ in 0..level {
            let mut middles: HashMap<(usize, usize), usize> = HashMap::new();
            let mut finer = Vec::new();
            for [a, b, c] in triangles {
                let mut middle = |i: usize, j: usize| {
                    *middles.entry((i.min(j), i.max(j))).or_insert_with(|| {
                        points.push(unit([0, 1, 2].map(|d| points[i][d] + points[j][d])));
                        points.len() - 1
                    })
                };
                let (ab, bc, ca) = (middle(a, b), middle(b, c), middle(c, a));
                finer.extend([[a, ab, ca], [b, bc, ab], [c, ca, bc], [ab, bc, ca]]);
            }
            triangles = finer;
        }
        Sphere { points, triangles }
    }

    /// The rule on triangle `t`, whose flat points are moved outwards to the sphere.
    fn at(&self, t: usize, rule: &[(Point, f64)]) -> Vec<At> {
        let [a, b, c] = self.triangles[t].map(|p| self.points[p]);
        let normal = cross(difference(b, a), difference(c, a));
        // Half of |normal| is the area; the distance of the plane is normal . a / |normal|.
        let volume = 0.5 * dot(normal, a);
        let one = |(at, w): &(Point, f64)| {
            let flat = [0, 1, 2].map(|d| at[0] * a[d] + at[1] * b[d] + at[2] * c[d]);
            let size = dot(flat, flat).sqrt();
            let area = w * volume / size.powi(3);
            At { y: flat.map(|v| v / size), parts: at.map(|v| v * area) }
        };
        rule.iter().map(one).collect()
    }

    /// The matrix at wavenumber k, row by row.
    pub fn matrix(&self, k: f64) -> Vec<c64> {
        let (n, n_triangles) = (self.points.len(), self.triangles.len());
        let (far_rule, near_rule, polar_rules) = (seven(), cut(&seven(), 2), [0, 1, 2].map(|c| polar(c, 10)));
        let far: Vec<Vec<At>> = (0..n_triangles).map(|t| self.at(t, &far_rule)).collect();
        let near: Vec<Vec<At>> = (0..n_triangles).map(|t| self.at(t, &near_rule)).collect();
        let edge = (16.0 * PI / 3.0_f64.sqrt() / n_triangles as f64).sqrt();
        let row = |i: usize| {
            let x = self.points[i];
            let mut row = vec![c64::new(0.0, 0.0); n];
            row[i] = c64::new(0.5, 0.0);
            for (t, corners) in self.triangles.iter().enumerate() {
                let own: Vec<At>;
                let rule = match corners.iter().position(|p| *p == i) {
                    Some(corner) => {
                        own = self.at(t, &polar_rules[corner]);
                        &own
                    }
                    None => {
                        let d = difference(x, far[t][0].y);
                        if dot(d, d) < (2.5 * edge).powi(2) { &near[t] } else { &far[t] }
                    }
                };
                for at in rule {
                    let d = difference(x, at.y);
                    let r = dot(d, d).sqrt();
                    let (sin, cos) = (k * r).sin_cos();
                    // exp(ikr) / (4 pi r) ((ikr - 1) / 2 - i eta).
                    let kernel = c64::new(cos, sin) * c64::new(-0.5, 0.5 * k * r - ETA) * (0.25 / (PI * r));
                    for (p, part) in corners.iter().zip(at.parts) {
                        row[*p] += kernel * part;
                    }
                }
            }
            row
        };
        (0..n).into_par_iter().flat_map_iter(row).collect()
    }

    /// -exp(i k d.x) at the vertices.
    pub fn rhs(&self, k: f64, direction: Point) -> Vec<c64> {
        let at = |x: &Point| {
            let (sin, cos) = (k * dot(*x, direction)).sin_cos();
            c64::new(-cos, -sin)
        };
        self.points.iter().map(at).collect()
    }

    /// F in u_s ~ exp(ikr) / r F, as a functional of the density.
    pub fn far_field(&self, k: f64, direction: Point) -> Vec<c64> {
        let rule = cut(&seven(), 1);
        let mut f = vec![c64::new(0.0, 0.0); self.points.len()];
        for (t, corners) in self.triangles.iter().enumerate() {
            for at in self.at(t, &rule) {
                let across = dot(at.y, direction);
                let (sin, cos) = (-k * across).sin_cos();
                let kernel = c64::new(cos, sin) * c64::new(0.0, -k * across - ETA) * (0.25 / PI);
                for (p, part) in corners.iter().zip(at.parts) {
                    f[*p] += kernel * part;
                }
            }
        }
        f
    }
}

/// The density at wavenumber k.
pub fn solve(matrix: &[c64], rhs: &[c64]) -> kolmo::Result<Vec<c64>> {
    let n = rhs.len();
    let a = faer::MatRef::from_row_major_slice(matrix, n, n);
    let (phi, _) = c64::lu_solve(a, faer::MatRef::from_column_major_slice(rhs, n, 1), "boundary element matrix")?;
    Ok(phi.col_as_slice(0).to_vec())
}

/// Exact F at the cosine of the angle to the incident direction: i / k sum_n (2n + 1) j_n(k) / h_n(k) P_n(cosine).
pub fn exact_far_field(k: f64, cosine: f64) -> c64 {
    const LAST: usize = 40;
    // j downwards from far beyond k, y upwards.
    let mut j = [0.0; LAST + 30];
    let top = j.len() - 2;
    j[top] = 1e-200;
    for n in (1..=top).rev() {
        j[n - 1] = (2 * n + 1) as f64 / k * j[n] - j[n + 1];
    }
    let scale = (k.sin() / k) / j[0];
    let (mut y, mut y_next) = (-k.cos() / k, -k.cos() / (k * k) - k.sin() / k);
    let (mut p, mut p_next) = (1.0, cosine);
    let mut sum = c64::new(0.0, 0.0);
    for (n, j) in j.iter().enumerate().take(LAST) {
        let two = (2 * n + 1) as f64;
        let own = j * scale;
        let ratio = c64::new(own, 0.0) / c64::new(own, y);
        sum += ratio * (two * p);
        let n = n as f64;
        (p, p_next) = (p_next, ((2.0 * n + 3.0) * cosine * p_next - (n + 1.0) * p) / (n + 2.0));
        (y, y_next) = (y_next, (2.0 * n + 3.0) / k * y_next - y);
    }
    sum * c64::new(0.0, 1.0 / k)
}

/// The far field of a density, and the exact one, in 37 directions from forwards to backwards.
pub fn far_fields(sphere: &Sphere, k: f64, phi: &[c64], incident: Point) -> (Vec<c64>, Vec<c64>) {
    let across = unit(cross(incident, if incident[0].abs() < 0.9 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] }));
    let at = |step: usize| {
        let (sin, cos) = (PI * step as f64 / 36.0).sin_cos();
        let direction = [0, 1, 2].map(|d| cos * incident[d] + sin * across[d]);
        let found: c64 = sphere.far_field(k, direction).iter().zip(phi).map(|(f, p)| *f * *p).sum();
        (found, exact_far_field(k, cos))
    };
    (0..37).map(at).unzip()
}
