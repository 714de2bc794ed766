//! Selections of points on a basis: against their definitions, exact cases, ranks.

use crate::eim::functions;
use crate::linalg::{random, tall};
use faer::{Mat, MatRef};
use kolmo::algorithms::deim::deim;
use kolmo::algorithms::gappy_pod_e::gappy_pod_e;
use kolmo::algorithms::gnat_points::gnat_points;
use kolmo::algorithms::point_selection::SelectedPoints;
use kolmo::algorithms::q_deim::q_deim;
use kolmo::algorithms::s_opt::s_opt;
use kolmo::comm::run_on_threads;
use kolmo::error::Result;
use kolmo::linalg::inner_product::{InnerProduct, orthonormalize};
use kolmo::linalg::scalar::{Scalar, product};
use kolmo::linalg::tall::{Layout, TallMatrix};

type Way = fn(&TallMatrix) -> Result<SelectedPoints>;
const WAYS: [Way; 5] = [
    deim,
    q_deim,
    |v| gappy_pod_e(v, 2 * v.n_columns()),
    |v| gnat_points(v, 2 * v.n_columns() + 1),
    |v| s_opt(v, 2 * v.n_columns()),
];

/// Left singular vectors of smooth functions.
fn basis(m: usize, k: usize) -> Mat<f64> {
    let (u, _, _) = f64::thin_svd(functions(m, 60).as_ref()).unwrap();
    u.subcols(0, k).to_owned()
}

fn rows(v: MatRef<'_, f64>, points: &[usize]) -> Mat<f64> {
    Mat::from_fn(points.len(), v.ncols(), |l, j| v[(points[l], j)])
}

/// The first of those that are within 1e-10 of the largest.
fn first(scores: &[f64], taken: &[usize]) -> usize {
    let open = |i: &usize| !taken.contains(i);
    let most = (0..scores.len()).filter(open).map(|i| scores[i]).fold(f64::NEG_INFINITY, f64::max);
    (0..scores.len()).filter(open).find(|i| scores[*i] >= most - 1e-10 * most.abs()).unwrap()
}

/// F⁺ b.
fn fit(f: MatRef<'_, f64>, b: &[f64]) -> Vec<f64> {
    let (u, s, v) = f64::thin_svd(f).unwrap();
    let c: Vec<f64> = (0..s.len()).map(|k| (0..b.len()).map(|l| u[(l, k)] * b[l]).sum::<f64>() / s[k]).collect();
    (0..v.nrows()).map(|j| (0..s.len()).map(|k| v[(j, k)] * c[k]).sum()).collect()
}

/// |v_j - its reconstruction from the columns before it, at all rows|.
fn residual(v: MatRef<'_, f64>, j: usize, points: &[usize]) -> Vec<f64> {
    let b: Vec<f64> = points.iter().map(|l| v[(*l, j)]).collect();
    let c = if j == 0 { Vec::new() } else { fit(rows(v.subcols(0, j), points).as_ref(), &b) };
    let of_row = |i: usize| (v[(i, j)] - (0..j).map(|m| v[(i, m)] * c[m]).sum::<f64>()).abs();
    (0..v.nrows()).map(of_row).collect()
}

#[test]
fn deim_follows_its_definition() {
    for (v, k) in [(basis(500, 20), 20), (random(300, 17, 2), 17), (random(9, 9, 3), 9)] {
        let mut points = Vec::new();
        for j in 0..k {
            points.push(first(&residual(v.as_ref(), j, &points), &[]));
        }
        let found = deim(&tall(&v)).unwrap();
        assert_eq!(found.points, points);
        let (_, s, _) = f64::thin_svd(rows(v.as_ref(), &points).as_ref()).unwrap();
        assert!((found.projector_norm * s[k - 1] - 1.0).abs() < 1e-12);
    }
}

#[test]
fn q_deim_takes_the_pivots_of_qr() {
    for (v, k) in [(basis(1500, 20), 20), (random(700, 17, 2), 17), (random(9, 9, 3), 9), (basis(40, 1), 1)] {
        let found = q_deim(&tall(&v)).unwrap();
        // What is left of each row, taken off vector by vector.
        let (mut left, mut points) = (v.clone(), Vec::new());
        for _ in 0..k {
            let squares: Vec<f64> = (0..v.nrows()).map(|i| left.row(i).squared_norm_l2()).collect();
            let point = first(&squares, &[]);
            let q: Vec<f64> = (0..k).map(|j| left[(point, j)] / squares[point].sqrt()).collect();
            for i in 0..v.nrows() {
                let product: f64 = (0..k).map(|j| left[(i, j)] * q[j]).sum();
                (0..k).for_each(|j| left[(i, j)] -= product * q[j]);
            }
            points.push(point);
        }
        assert_eq!(found.points, points);
        let (pivots, _) = f64::pivoted_columns(v.transpose());
        assert_eq!(found.points, pivots[..k]);
    }
}

/// Rows that differ from one by ten decades: down-dated squares alone would have lost what is left of them.
#[test]
fn q_deim_sees_what_is_small_beside_what_is_large() {
    let k = 8;
    let q = f64::thin_svd(random(k, k, 5).as_ref()).unwrap().0;
    // Row 400 l + 7: a unit vector that all share, and 0.03^l of one that it alone has.
    let rows = Mat::from_fn(4000, k, |i, j| match (i % 400 == 7, i / 400) {
        (true, 0) => [2.0, 0.0][j.min(1)],
        (true, l) if l < k => [1.0, 0.0][j.min(1)] + if j == l { 0.03f64.powi(l as i32) } else { 0.0 },
        _ => 1e-3 * 0.03f64.powi(j as i32) * (((i * 7 + j * 13) % 29) as f64 / 29.0 - 0.5),
    });
    let found = q_deim(&tall(&product(rows.as_ref(), q.transpose()))).unwrap();
    assert_eq!(found.points, (0..k).map(|l| 400 * l + 7).collect::<Vec<_>>());
}

#[test]
fn q_deim_does_not_depend_on_the_basis_of_a_space() {
    let v = basis(800, 15);
    let q = f64::thin_svd(random(15, 15, 4).as_ref()).unwrap().0;
    let turned = product(v.as_ref(), q.as_ref());
    assert_eq!(q_deim(&tall(&v)).unwrap().points, q_deim(&tall(&turned)).unwrap().points);
}

#[test]
fn gappy_pod_e_follows_its_definition_and_lifts_the_smallest_singular_value() {
    let (m, k, p) = (400, 10, 25);
    let v = basis(m, k);
    let found = gappy_pod_e(&tall(&v), p).unwrap();
    let mut points = q_deim(&tall(&v)).unwrap().points;
    let mut norms = vec![q_deim(&tall(&v)).unwrap().projector_norm];
    while points.len() < p {
        let (_, s, w) = f64::thin_svd(rows(v.as_ref(), &points).as_ref()).unwrap();
        let gap = s[k - 2].powi(2) - s[k - 1].powi(2);
        let turned = product(v.as_ref(), w.as_ref());
        let score = |i: usize| {
            let a = gap + turned.row(i).squared_norm_l2();
            a - (a * a - 4.0 * gap * turned[(i, k - 1)].powi(2)).sqrt()
        };
        let scores: Vec<f64> = (0..m).map(score).collect();
        points.push(first(&scores, &points));
        norms.push(gappy_pod_e(&tall(&v), points.len()).unwrap().projector_norm);
        // The bound that is maximised holds.
        let after = f64::thin_svd(rows(v.as_ref(), &points).as_ref()).unwrap().1[k - 1].powi(2);
        assert!(after >= s[k - 1].powi(2) + 0.5 * scores[points[points.len() - 1]] - 1e-12);
    }
    assert_eq!(found.points, points);
    println!("norm of the projector with {k} to {p} points: {:.2} to {:.2}", norms[0], norms[norms.len() - 1]);
    assert!(norms.windows(2).all(|n| n[1] <= n[0] * (1.0 + 1e-12)), "{norms:?}");
    assert!(norms[norms.len() - 1] < 0.7 * norms[0], "{norms:?}");
}

#[test]
fn gnat_points_follow_their_definition() {
    for (k, p) in [(8, 8), (8, 19), (5, 25)] {
        let v = basis(300, k);
        let mut points = Vec::new();
        for j in 0..k {
            let missed = residual(v.as_ref(), j, &points);
            for _ in 0..p / k + usize::from(j < p % k) {
                points.push(first(&missed, &points));
            }
        }
        assert_eq!(gnat_points(&tall(&v), p).unwrap().points, points, "{k} modes, {p} points");
    }
    assert_eq!(gnat_points(&tall(&basis(300, 8)), 8).unwrap().points, deim(&tall(&basis(300, 8))).unwrap().points);
}

/// log sqrt(det AᵀA) - Σ log |a_j|.
fn log_s(a: MatRef<'_, f64>) -> f64 {
    let (_, s, _) = f64::thin_svd(a).unwrap();
    s.iter().map(|s| s.ln()).sum::<f64>() - a.col_iter().map(|c| c.norm_l2().ln()).sum::<f64>()
}

#[test]
fn s_opt_maximises_the_determinant_over_the_columns() {
    for (v, k, p) in [(basis(120, 6), 6, 13), (random(80, 4, 7), 4, 4), (random(80, 1, 7), 1, 5)] {
        let mut points = vec![first(&v.col(0).iter().map(|x| x.abs()).collect::<Vec<_>>(), &[])];
        while points.len() < p {
            let columns = (points.len() + 1).min(k);
            let score = |i: usize| {
                let all: Vec<usize> = points.iter().copied().chain([i]).collect();
                if points.contains(&i) { 0.0 } else { (2.0 * log_s(rows(v.subcols(0, columns), &all).as_ref())).exp() }
            };
            let scores: Vec<f64> = (0..v.nrows()).map(score).collect();
            points.push(first(&scores, &points));
        }
        assert_eq!(s_opt(&tall(&v), p).unwrap().points, points, "{k} modes, {p} points");
    }
}

#[test]
fn unit_vectors_are_found_and_the_projector_is_orthogonal() {
    let places = [31, 4, 17, 8];
    let v = Mat::from_fn(40, 4, |i, j| if i == places[j] { 1.0 } else { 0.0 });
    for way in WAYS {
        let found = way(&tall(&v)).unwrap();
        let mut points = found.points.clone();
        points.sort_unstable();
        points.dedup();
        assert_eq!(points.len(), found.points.len(), "no point twice");
        assert!(places.iter().all(|i| points.contains(i)), "{points:?}");
        assert!((found.projector_norm - 1.0).abs() < 1e-15);
    }
}

#[test]
fn the_same_points_on_any_number_of_ranks_and_threads() {
    let (m, k) = (30_000, 14);
    let x = tall(&functions(m, k));
    let v = orthonormalize(&x, &InnerProduct::Euclidean).unwrap();
    for (number, way) in WAYS.iter().enumerate() {
        let expected = way(&v).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(pool.install(|| way(&v)).unwrap(), expected);
        for size in [2, 3, 7] {
            for even in [true, false] {
                run_on_threads(size, |comm| {
                    let offsets = (0..=size).map(|r| (m * r * r) / (size * size)).collect();
                    let layout = match even {
                        true => Layout::even(m / 3, 3, comm),
                        false => Layout::from_offsets(offsets, comm).unwrap(),
                    };
                    // A copy of a row of another rank takes no part.
                    let own = layout.local_range();
                    let ghosts: Vec<usize> = [3, m - 2].into_iter().filter(|g| !own.contains(g)).collect();
                    let layout = layout.with_ghosts(ghosts).unwrap();
                    let rows = layout.rows();
                    let local = Mat::from_fn(rows.len(), k, |i, j| v.local()[(rows[i], j)]);
                    let found = way(&TallMatrix::new(layout, local).unwrap()).unwrap();
                    assert_eq!(found.points, expected.points, "way {number}, {size} ranks, even: {even}");
                    assert_eq!(found.projector_norm, expected.projector_norm);
                });
            }
        }
    }
}

#[test]
fn bad_bases_are_refused() {
    let good = basis(50, 5);
    let mut not_finite = good.clone();
    not_finite[(33, 2)] = f64::NAN;
    let twice = Mat::from_fn(50, 5, |i, j| good[(i, if j == 4 { 1 } else { j })]);
    for way in WAYS {
        let message = |v: &Mat<f64>| way(&tall(v)).unwrap_err().to_string();
        assert!(message(&not_finite).contains("column 2"));
        assert!(message(&Mat::zeros(5, 0)).contains("5 x 0"));
        assert!(message(&Mat::zeros(3, 4)).contains("3 x 4"));
        assert!(message(&Mat::zeros(20, 4)).contains("independent"), "{}", message(&Mat::zeros(20, 4)));
        assert!(message(&twice).contains("4 independent ones of 5"), "{}", message(&twice));
        run_on_threads(2, |comm| {
            let layout = Layout::from_offsets(vec![0, 20, 50], comm).unwrap();
            let own = layout.local_range();
            let x = TallMatrix::new(layout, not_finite.subrows(own.start, own.len()).to_owned()).unwrap();
            assert!(way(&x).unwrap_err().to_string().contains("column 2"));
        });
    }
    for way in [gappy_pod_e, gnat_points, s_opt] {
        assert!(way(&tall(&good), 4).is_err() && way(&tall(&good), 51).is_err());
        assert_eq!(way(&tall(&good), 50).unwrap().points.len(), 50);
    }
}
