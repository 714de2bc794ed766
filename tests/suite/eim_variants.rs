//! Symmetric and rectangular forms of the empirical interpolation.

use crate::eim::functions;
use crate::linalg::{random, tall};
use faer::{Mat, MatRef};
use kolmo::algorithms::eim::{EimOptions, eim};
use kolmo::algorithms::eim_rectangular::{RectangularEim, rectangular_eim};
use kolmo::algorithms::eim_skeleton::skeleton;
use kolmo::linalg::scalar::{Scalar, adjoint_product, c64, product};

const CUT: f64 = 1e-13;

fn complex(m: usize, n: usize, seed: u64) -> Mat<c64> {
    let (a, b) = (random(m, n, seed), random(m, n, seed + 100));
    Mat::from_fn(m, n, |i, j| c64::new(a[(i, j)], b[(i, j)]))
}

fn part<T: Scalar>(g: MatRef<'_, T>, rows: &[usize], columns: &[usize]) -> Mat<T> {
    Mat::from_fn(rows.len(), columns.len(), |l, m| g[(rows[l], columns[m])])
}

fn all(n: usize) -> Vec<usize> {
    (0..n).collect()
}

fn off<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> f64 {
    assert_eq!((a.nrows(), a.ncols()), (b.nrows(), b.ncols()));
    let entry = |(i, j): (usize, usize)| (a[(i, j)] - b[(i, j)]).modulus();
    (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| (i, j))).map(entry).fold(0.0, f64::max)
}

/// f(:, Y) F⁻¹ f(X, :).
fn by_skeleton<T: Scalar>(g: MatRef<'_, T>, points: &[usize], columns: &[usize]) -> Mat<T> {
    let (n_rows, n_columns) = (all(g.nrows()), all(g.ncols()));
    let s = skeleton(part(g, points, columns).as_ref()).unwrap();
    s.approximate(part(g, &n_rows, columns).as_ref(), part(g, points, &n_columns).as_ref()).unwrap()
}

#[test]
fn skeleton_depends_on_the_two_sets_only() {
    let g = functions(200, 40);
    let found = eim(&tall(&g), &EimOptions { tolerance: 1e-5, ..EimOptions::default() }).unwrap();
    let d = found.n_terms();
    let direct = by_skeleton(g.as_ref(), &found.points, &found.columns);
    // As the greedy interpolates.
    for j in 0..40 {
        let values: Vec<f64> = found.points.iter().map(|l| g[(*l, j)]).collect();
        let interpolant = found.interpolate(&values).unwrap();
        assert!((0..200).all(|i| (interpolant[i] - direct[(i, j)]).abs() <= 1e-12), "column {j}");
    }
    for shift in [1, 3, d - 1] {
        let turned = |set: &[usize], step: usize| (0..d).map(|l| set[(l * step + shift) % d]).collect::<Vec<_>>();
        let again = by_skeleton(g.as_ref(), &turned(&found.points, 1), &turned(&found.columns, d - 1));
        assert!(off(again.as_ref(), direct.as_ref()) <= 1e-12, "shift {shift}");
    }
    // Neither on how rows and columns are scaled.
    let scaled = Mat::from_fn(200, 40, |i, j| g[(i, j)] * (1.0 + i as f64) * 10f64.powi(j as i32 % 5));
    let again = by_skeleton(scaled.as_ref(), &found.points, &found.columns);
    let again = Mat::from_fn(200, 40, |i, j| again[(i, j)] / (1.0 + i as f64) / 10f64.powi(j as i32 % 5));
    assert!(off(again.as_ref(), direct.as_ref()) <= 1e-11);
}

#[test]
fn skeleton_is_exact_for_rank_d_and_refuses_what_it_cannot_divide_by() {
    let g = product(complex(60, 5, 1).as_ref(), complex(5, 30, 2).as_ref());
    let again = by_skeleton(g.as_ref(), &[3, 50, 11, 29, 42], &[4, 0, 17, 8, 23]);
    assert!(off(again.as_ref(), g.as_ref()) <= 1e-11);
    let six = ([3, 50, 11, 29, 42, 5], [4, 0, 17, 8, 23, 1]);
    let message = |f: Mat<c64>| skeleton(f.as_ref()).unwrap_err().to_string();
    assert!(message(part(g.as_ref(), &six.0, &six.1)).contains("rank 5 of 6"));
    assert!(message(Mat::zeros(2, 3)).contains("2 x 3"));
    assert!(message(Mat::zeros(2, 2)).contains("zeros only"));
    let s = skeleton(complex(3, 3, 7).as_ref()).unwrap();
    assert!(s.coefficients(&[c64::new(1.0, 0.0)]).is_err());
    assert!(s.approximate(complex(4, 2, 0).as_ref(), complex(3, 3, 0).as_ref()).is_err());
}

/// F⁺ by its singular values.
fn pseudo_inverse<T: Scalar>(f: MatRef<'_, T>, cut_off: f64) -> Mat<T> {
    let (u, s, v) = T::thin_svd(f).unwrap();
    let rank = s.iter().filter(|x| **x > cut_off * s[0]).count();
    let scaled = Mat::from_fn(u.nrows(), rank, |i, k| u[(i, k)] * T::real(1.0 / s[k]));
    let adjoint = Mat::from_fn(rank, u.nrows(), |k, i| scaled[(i, k)].conjugate());
    product(v.as_ref().subcols(0, rank), adjoint.as_ref())
}

/// F⁺, column by column.
fn inverse<T: Scalar>(r: &RectangularEim<T>) -> Mat<T> {
    let unit = |l: usize| (0..r.n_points()).map(|i| T::real(f64::from(u8::from(i == l)))).collect::<Vec<T>>();
    let columns: Vec<Vec<T>> = (0..r.n_points()).map(|l| r.coefficients(&unit(l)).unwrap()).collect();
    Mat::from_fn(r.n_columns(), r.n_points(), |m, l| columns[l][m])
}

#[track_caller]
fn is_pseudo_inverse<T: Scalar>(f: &Mat<T>, rank: usize) {
    let r = rectangular_eim(f.as_ref(), 1e-10).unwrap();
    assert_eq!(r.rank(), rank);
    let expected = pseudo_inverse(f.as_ref(), 1e-10);
    let scale = expected.col_iter().flat_map(|c| c.iter()).map(|x| x.modulus()).fold(0.0, f64::max);
    let away = off(inverse(&r).as_ref(), expected.as_ref()) / scale;
    assert!(away <= 1e-12, "{} x {}, rank {rank}: {away:e}", f.nrows(), f.ncols());
    // What is left is orthogonal to the columns, and as long as is said.
    let g: Vec<T> = (0..f.nrows()).map(|l| T::from_parts((l as f64).sin(), (3.0 * l as f64).cos())).collect();
    let beta = r.coefficients(&g).unwrap();
    let left = Mat::from_fn(f.nrows(), 1, |l, _| g[l] - (0..f.ncols()).map(|m| f[(l, m)] * beta[m]).sum::<T>());
    let length = left.col(0).iter().map(|x| x.modulus_squared()).sum::<f64>().sqrt();
    assert!((length - r.misfit(&g).unwrap()).abs() <= 1e-11 * (1.0 + length));
    let products = adjoint_product(f.as_ref(), left.as_ref());
    assert!(products.col(0).iter().all(|x| x.modulus() <= 1e-11));
}

#[test]
fn rectangular_form_is_the_pseudo_inverse() {
    for (p, q) in [(9, 5), (5, 5), (5, 9), (1, 4), (4, 1)] {
        is_pseudo_inverse(&random(p, q, 3), p.min(q));
        is_pseudo_inverse(&complex(p, q, 4), p.min(q));
        is_pseudo_inverse(&(random(p, q, 3) * faer::Scale(1e-30)), p.min(q));
    }
    for (p, q) in [(9, 6), (6, 6), (6, 9)] {
        is_pseudo_inverse(&product(random(p, 3, 5).as_ref(), random(3, q, 6).as_ref()), 3);
        is_pseudo_inverse(&product(complex(p, 3, 5).as_ref(), complex(3, q, 6).as_ref()), 3);
    }
}

#[test]
fn as_many_points_as_columns_are_the_interpolation() {
    let g = functions(300, 60);
    let found = eim(&tall(&g), &EimOptions { tolerance: 1e-6, ..EimOptions::default() }).unwrap();
    let r = rectangular_eim(part(g.as_ref(), &found.points, &found.columns).as_ref(), CUT).unwrap();
    assert_eq!(r.rank(), found.n_terms());
    let columns = part(g.as_ref(), &all(300), &found.columns);
    for j in 0..60 {
        let values: Vec<f64> = found.points.iter().map(|l| g[(*l, j)]).collect();
        let interpolant = found.interpolate(&values).unwrap();
        let beta = r.coefficients(&values).unwrap();
        for i in 0..300 {
            let combined: f64 = (0..beta.len()).map(|m| columns[(i, m)] * beta[m]).sum();
            assert!((combined - interpolant[i]).abs() <= 1e-12, "column {j}, row {i}: {combined} {}", interpolant[i]);
        }
    }
}

#[test]
fn a_sensor_less_leaves_rank_d_exact_and_is_as_if_it_had_never_been() {
    let (d, m) = (6, 80);
    exactness(product(random(m, d, 1).as_ref(), random(d, 30, 2).as_ref()).as_ref(), d);
    exactness(product(complex(m, d, 1).as_ref(), complex(d, 30, 2).as_ref()).as_ref(), d);
}

fn exactness<T: Scalar>(g: MatRef<'_, T>, d: usize) {
    let sensors: Vec<usize> = (0..d + 2).map(|l| (l * 31 + 7) % g.nrows()).collect();
    let columns: Vec<usize> = (0..d).map(|m| (5 * m + 2) % g.ncols()).collect();
    let f = part(g, &sensors, &columns);
    let whole = rectangular_eim(f.as_ref(), CUT).unwrap();
    for i in 0..d + 2 {
        let mut left = sensors.clone();
        left.remove(i);
        let less = whole.without_point(i).unwrap();
        let again = rectangular_eim(part(g, &left, &columns).as_ref(), CUT).unwrap();
        assert_eq!((less.n_points(), less.rank()), (d + 1, d));
        assert!(off(inverse(&less).as_ref(), inverse(&again).as_ref()) <= 1e-12 * inverse_size(&again));
        for j in 0..g.ncols() {
            let values: Vec<T> = left.iter().map(|l| g[(*l, j)]).collect();
            let beta = less.coefficients(&values).unwrap();
            for row in 0..g.nrows() {
                let combined: T = (0..d).map(|m| g[(row, columns[m])] * beta[m]).sum();
                assert!((combined - g[(row, j)]).modulus() <= 1e-11, "sensor {i}, column {j}");
            }
        }
        // One after the other, beyond what is needed: then the least norm counts.
        let mut less = whole.clone();
        let mut left: Vec<usize> = all(d + 2);
        while left.len() > 2 {
            let gone = (i + left.len()) % left.len();
            left.remove(gone);
            less = less.without_point(gone).unwrap();
            let rest = part(f.as_ref(), &left, &all(d));
            let expected = pseudo_inverse(rest.as_ref(), CUT);
            let size = expected.col_iter().flat_map(|c| c.iter()).map(|x| x.modulus()).fold(0.0, f64::max);
            let away = off(inverse(&less).as_ref(), expected.as_ref()) / size;
            assert!(away <= 1e-12, "{} left: {away:e}", left.len());
        }
    }
    assert!(whole.without_point(d + 2).is_err());
}

fn inverse_size<T: Scalar>(r: &RectangularEim<T>) -> f64 {
    inverse(r).col_iter().flat_map(|c| c.iter()).map(|x| x.modulus()).fold(0.0, f64::max)
}

#[test]
fn a_sensor_whose_loss_costs_rank_is_noticed() {
    // Only sensor 2 sees the last column.
    let mut f = random(6, 3, 8);
    (0..6).filter(|l| *l != 2).for_each(|l| f[(l, 2)] = 0.0);
    let whole = rectangular_eim(f.as_ref(), 1e-12).unwrap();
    assert_eq!((whole.rank(), whole.without_point(0).unwrap().rank()), (3, 3));
    let less = whole.without_point(2).unwrap();
    assert_eq!(less.rank(), 2);
    let rest = part(f.as_ref(), &[0, 1, 3, 4, 5], &[0, 1, 2]);
    assert!(off(inverse(&less).as_ref(), pseudo_inverse(rest.as_ref(), 1e-12).as_ref()) <= 1e-12);
    assert!(
        off(
            inverse(&less.without_point(1).unwrap()).as_ref(),
            pseudo_inverse(part(rest.as_ref(), &[0, 2, 3, 4], &[0, 1, 2]).as_ref(), 1e-12).as_ref()
        ) <= 1e-12
    );
}

#[test]
fn bad_matrices_of_values_are_refused() {
    let message = |f: Mat<f64>, cut: f64| rectangular_eim(f.as_ref(), cut).unwrap_err().to_string();
    assert!(message(Mat::zeros(0, 2), CUT).contains("0 x 2"));
    assert!(message(Mat::zeros(3, 2), CUT).contains("zeros only"));
    assert!(message(random(3, 2, 0), 1.0).contains("cut-off"));
    let mut bad = random(3, 2, 0);
    bad[(2, 1)] = f64::NAN;
    assert!(message(bad, CUT).contains("row 2, column 1"));
    let good = rectangular_eim(random(3, 2, 0).as_ref(), CUT).unwrap();
    assert!(good.coefficients(&[1.0]).is_err() && good.misfit(&[1.0]).is_err());
    let one = rectangular_eim(random(1, 2, 0).as_ref(), CUT).unwrap();
    assert!(one.without_point(0).is_err());
}
