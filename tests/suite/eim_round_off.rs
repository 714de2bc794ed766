//! What round-off does to an empirical interpolation, against twice as many digits.

use crate::eim::{functions, largest, missed, options, picked, rows};
use crate::linalg::tall;
use faer::Mat;
use kolmo::algorithms::eim::{Eim, Norm, Stop, eim};
use kolmo::linalg::scalar::{Scalar, product};

/// A number of twice as many digits: the sum of both.
#[derive(Clone, Copy)]
struct Double(f64, f64);

impl Double {
    fn sum(a: f64, b: f64) -> Double {
        let s = a + b;
        let c = s - a;
        Double(s, (a - (s - c)) + (b - c))
    }
    fn minus_product(self, a: Double, b: Double) -> Double {
        let p = a.0 * b.0;
        let rest = a.0.mul_add(b.0, -p) + a.0 * b.1 + a.1 * b.0;
        let s = Double::sum(self.0, -p);
        Double::sum(s.0, s.1 + self.1 - rest)
    }
    fn over(self, b: Double) -> Double {
        let q = self.0 / b.0;
        let left = self.minus_product(Double(q, 0.0), b);
        Double::sum(q, left.0 / b.0)
    }
}

/// Errors of the greedy with twice as many digits.
fn exact_errors(g: &Mat<f64>, n_terms: usize) -> Vec<f64> {
    let mut r: Vec<Vec<Double>> = g.col_iter().map(|c| c.iter().map(|x| Double(*x, 0.0)).collect()).collect();
    let mut errors = Vec::new();
    for _ in 0..=n_terms {
        let size = |c: &[Double]| c.iter().map(|x| x.0.abs()).fold(0.0, f64::max);
        let sizes: Vec<f64> = r.iter().map(|c| size(c)).collect();
        let most = sizes.iter().copied().fold(0.0, f64::max);
        errors.push(most);
        let q = r[sizes.iter().position(|s| *s == most).unwrap()].clone();
        let point = q.iter().position(|x| x.0.abs() == most).unwrap();
        for c in &mut r {
            let factor = c[point].over(q[point]);
            c.iter_mut().zip(&q).for_each(|(x, q)| *x = x.minus_product(factor, *q));
        }
    }
    errors
}

/// The greedy without a second subtraction, on residuals that are updated term by term; B as it comes out is taken for
/// triangular. Its columns and points, what the interpolants of all columns miss, and the largest q_m at a point before its
/// own.
fn unstabilised(g: &Mat<f64>, n_terms: usize) -> (f64, f64) {
    let (mut r, n) = (g.clone(), g.ncols());
    let (mut basis, mut points) = (Vec::new(), Vec::<usize>::new());
    for _ in 0..n_terms {
        let size = |j: usize| largest(r.col_as_slice(j));
        let j = (0..n).max_by(|a, b| size(*a).total_cmp(&size(*b))).unwrap();
        let column = r.col_as_slice(j).to_vec();
        let point = (0..column.len()).max_by(|a, b| column[*a].abs().total_cmp(&column[*b].abs())).unwrap();
        let q: Vec<f64> = column.iter().map(|x| x / column[point]).collect();
        for j in 0..n {
            let factor = r[(point, j)];
            r.col_as_slice_mut(j).iter_mut().zip(&q).for_each(|(r, q)| *r -= factor * q);
        }
        basis.push(q);
        points.push(point);
    }
    let mut worst = 0.0_f64;
    for j in 0..n {
        let mut values: Vec<f64> = points.iter().map(|l| g[(*l, j)]).collect();
        for l in 0..n_terms {
            values[l] = (0..l).fold(values[l], |left, m| left - values[m] * basis[m][points[l]]);
        }
        for i in 0..g.nrows() {
            worst = worst.max((0..n_terms).fold(g[(i, j)], |left, m| left - values[m] * basis[m][i]).abs());
        }
    }
    (
        worst,
        (0..n_terms)
            .flat_map(|m| points[..m].iter().map(|l| basis[m][*l].abs()).collect::<Vec<_>>())
            .fold(0.0, f64::max),
    )
}

/// What G(:, Y) (F⁻¹ G(X, :)) misses, the inverse formed.
fn by_inverse(g: &Mat<f64>, found: &Eim<f64>) -> f64 {
    let d = found.n_terms();
    let inverse = f64::lu_solve(found.values.as_ref(), Mat::identity(d, d).as_ref(), "F").unwrap().0;
    let left = product(picked(g.as_ref(), &found.columns).as_ref(), inverse.as_ref());
    (g - product(left.as_ref(), rows(g.as_ref(), &found.points).as_ref())).norm_max()
}

#[test]
fn round_off_is_kept_from_growing() {
    let cauchy = Mat::from_fn(400, 150, |i, j| 1.0 / (0.01 + (i as f64 / 399.0).powi(2) + (j as f64 / 149.0).powi(2)));
    for (name, g) in [("Gaussians", functions(400, 150)), ("1 / (x + mu)", cauchy)] {
        let sigma = f64::thin_svd(g.as_ref()).unwrap().1;
        let found = eim(&tall(&g), &options(0.0, None, Norm::Maximum)).unwrap();
        let d = found.n_terms();
        assert_eq!(found.stopped, Stop::RoundOff);
        let reference = exact_errors(&g, d);
        let size = reference[0];
        let past =
            (0..d).flat_map(|m| found.points[..m].iter().map(|l| found.basis[(*l, m)].abs()).collect::<Vec<_>>());
        let (ours, past) = (missed(g.as_ref(), &found) / size, past.fold(0.0, f64::max));
        let (plain, plain_past) = unstabilised(&g, d);
        println!(
            "{name}: {} singular values above 1e-14 of the first, {d} terms",
            sigma.iter().filter(|s| **s > 1e-14 * sigma[0]).count()
        );
        println!(
            "  missed, relative to the largest: greedy with twice the digits {:.1e}, eim {ours:.1e}",
            reference[d] / size
        );
        println!(
            "  without the second subtraction {:.1e}, with F inverted {:.1e}",
            plain / size,
            by_inverse(&g, &found) / size
        );
        println!("  largest q at a point before its own: {past:.1e}, without the second subtraction {plain_past:.1e}");
        assert!(ours <= 10.0 * (reference[d] / size).max(f64::EPSILON), "{ours:e}");
        assert!(past <= 1e-13 && plain_past > 1e3 * past, "{past:e} and {plain_past:e}");
        for m in (0..d).step_by(4) {
            let off = (found.errors[m] - reference[m]).abs();
            assert!(off <= 1e-2 * reference[m] + 20.0 * f64::EPSILON * size, "{} {}", found.errors[m], reference[m]);
        }
    }
}
