//! Empirical interpolation: against its definition by dense solves, invariants, ranks and threads, what is refused.

use crate::linalg::{chain, random, tall};
use faer::{Mat, MatRef};
use kolmo::algorithms::eim::{Eim, EimOptions, Norm, Stop, eim, eim_in_place, eim_of, lebesgue_sum};
use kolmo::comm::run_on_threads;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::scalar::{Scalar, c64, product};
use kolmo::linalg::tall::{Layout, TallMatrix};

/// Gaussians that oscillate, at different places: smooth functions of three parameters.
pub fn functions(m: usize, n: usize) -> Mat<f64> {
    let fraction = |j: usize, step: f64| (0.5 + step * (j + 1) as f64).fract();
    Mat::from_fn(m, n, |i, j| {
        let x = (i as f64 + 0.5) / m as f64 - fraction(j, 0.819_172_513_396_164_4);
        let (width, rate) =
            (0.1 + 0.2 * fraction(j, 0.671_043_606_703_789_3), 12.0 * fraction(j, 0.549_700_477_901_956_9));
        (-0.5 * (x / width).powi(2)).exp() * (rate * x).cos()
    })
}

/// exp(i k r), r in [0, 1], of n wave numbers k in [1, 40].
fn waves(m: usize, n: usize) -> Mat<c64> {
    Mat::from_fn(m, n, |i, j| {
        let phase = (1.0 + 39.0 * j as f64 / (n - 1) as f64) * i as f64 / (m - 1) as f64;
        c64::new(phase.cos(), phase.sin())
    })
}

pub fn options(tolerance: f64, max_terms: Option<usize>, norm: Norm) -> EimOptions {
    EimOptions { tolerance, max_terms, norm, scale: None }
}

pub fn rows<T: Scalar>(g: MatRef<'_, T>, points: &[usize]) -> Mat<T> {
    Mat::from_fn(points.len(), g.ncols(), |l, j| g[(points[l], j)])
}

pub fn picked<T: Scalar>(g: MatRef<'_, T>, columns: &[usize]) -> Mat<T> {
    Mat::from_fn(g.nrows(), columns.len(), |i, m| g[(i, columns[m])])
}

/// Residuals of all columns by the definition: G - G(:, Y) F⁻¹ G(X, :).
fn residuals<T: Scalar>(g: MatRef<'_, T>, columns: &[usize], points: &[usize]) -> Mat<T> {
    if points.is_empty() {
        return g.to_owned();
    }
    let beta =
        T::lu_solve(rows(picked(g, columns).as_ref(), points).as_ref(), rows(g, points).as_ref(), "F").unwrap().0;
    let interpolated = product(picked(g, columns).as_ref(), beta.as_ref());
    Mat::from_fn(g.nrows(), g.ncols(), |i, j| g[(i, j)] - interpolated[(i, j)])
}

/// Columns, points and errors of the greedy, by the definition.
fn slow<T: Scalar>(
    g: MatRef<'_, T>,
    norm: impl Fn(&[T]) -> f64,
    scale: impl Fn(usize) -> f64,
    n_terms: usize,
) -> (Vec<usize>, Vec<usize>, Vec<f64>) {
    let first = |values: Vec<f64>| {
        let most = values.iter().copied().fold(0.0, f64::max);
        (values.iter().position(|v| *v >= most * (1.0 - 1e-10)).unwrap(), most)
    };
    let (mut columns, mut points, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let r = residuals(g, &columns, &points);
        let scaled = |j: usize| (0..g.nrows()).map(|i| r[(i, j)] * T::real(scale(i))).collect::<Vec<T>>();
        let (j, error) = first((0..g.ncols()).map(|j| norm(&scaled(j))).collect());
        errors.push(error);
        if points.len() == n_terms {
            return (columns, points, errors);
        }
        points.push(first(scaled(j).iter().map(|x| x.modulus()).collect()).0);
        columns.push(j);
    }
}

fn euclidean<T: Scalar>(r: &[T]) -> f64 {
    r.iter().map(|x| x.modulus_squared()).sum::<f64>().sqrt()
}

pub fn largest<T: Scalar>(r: &[T]) -> f64 {
    r.iter().map(|x| x.modulus()).fold(0.0, f64::max)
}

/// Largest entry of what the interpolants of all columns miss.
pub fn missed<T: Scalar>(g: MatRef<'_, T>, found: &Eim<T>) -> f64 {
    let mut worst = 0.0_f64;
    for j in 0..g.ncols() {
        let values: Vec<T> = found.points.iter().map(|l| g[(*l, j)]).collect();
        let interpolant = found.interpolate(&values).unwrap();
        worst = (0..g.nrows()).map(|i| (g[(i, j)] - interpolant[i]).modulus()).fold(worst, f64::max);
    }
    worst
}

#[track_caller]
fn agrees<T: Scalar>(found: &Eim<T>, slow: &(Vec<usize>, Vec<usize>, Vec<f64>)) {
    assert_eq!((&found.columns, &found.points), (&slow.0, &slow.1));
    assert_eq!(found.errors.len(), slow.2.len());
    for (a, b) in found.errors.iter().zip(&slow.2) {
        assert!((a - b).abs() <= 1e-6 * b, "{a:e} and {b:e}");
    }
}

#[test]
fn greedy_follows_its_definition_in_every_norm() {
    let (m, n, d) = (300, 70, 12);
    let g = functions(m, n);
    let scale: Vec<f64> = (0..m).map(|i| if i % 9 == 4 { 0.0 } else { 1.0 + (i % 7) as f64 }).collect();
    let weights: Vec<f64> = (0..m).map(|i| (1 + i % 5) as f64).collect();
    let mass = chain(m);
    let weighted = |r: &[f64]| r.iter().zip(&weights).map(|(r, w)| w * r * r).sum::<f64>().sqrt();
    let massed = |r: &[f64]| mass.iter().map(|(m, (i, j))| r[i] * m * r[j]).sum::<f64>().sqrt();
    type Measure<'a> = &'a dyn Fn(&[f64]) -> f64;
    let cases: [(Norm, Measure<'_>); 4] = [
        (Norm::Maximum, &largest::<f64>),
        (Norm::L2(InnerProduct::Euclidean), &euclidean::<f64>),
        (Norm::L2(InnerProduct::Diagonal(weights.clone())), &weighted),
        (Norm::L2(InnerProduct::Sparse(mass.clone())), &massed),
    ];
    for (norm, definition) in cases {
        for scale in [None, Some(scale.clone())] {
            let reference = slow(g.as_ref(), definition, |i| scale.as_ref().map_or(1.0, |s| s[i]), d);
            let o = EimOptions { scale, ..options(0.0, Some(d), norm.clone()) };
            let found = eim(&tall(&g), &o).unwrap();
            agrees(&found, &reference);
            assert!(o.scale.as_ref().is_none_or(|s| found.points.iter().all(|i| s[*i] > 0.0)));
            assert_eq!(eim_of(g.as_ref(), &EimOptions { scale: None, ..o.clone() }).unwrap().n_terms(), d);
        }
    }
    let w = waves(200, 40);
    let o = options(0.0, Some(14), Norm::Maximum);
    agrees(&eim_of(w.as_ref(), &o).unwrap(), &slow(w.as_ref(), largest::<c64>, |_| 1.0, 14));
    let o = EimOptions { norm: Norm::L2(InnerProduct::Diagonal(vec![1.0; 200])), ..o };
    agrees(&eim_of(w.as_ref(), &o).unwrap(), &slow(w.as_ref(), euclidean::<c64>, |_| 1.0, 14));
    let o = EimOptions { norm: Norm::L2(InnerProduct::Sparse(chain(200))), ..o };
    let mass = chain(200);
    let massed = |r: &[c64]| mass.iter().map(|(m, (i, j))| (r[i].conjugate() * r[j]).re() * m).sum::<f64>().sqrt();
    agrees(&eim_of(w.as_ref(), &o).unwrap(), &slow(w.as_ref(), massed, |_| 1.0, 14));
}

#[track_caller]
fn invariants<T: Scalar>(g: MatRef<'_, T>, found: &Eim<T>) {
    let d = found.n_terms();
    // F = B C, B unit lower triangular, C upper triangular.
    let f = rows(picked(g, &found.columns).as_ref(), &found.points);
    let scale = found.errors[0];
    let off = product(found.lower.as_ref(), found.upper.as_ref());
    for m in 0..d {
        for l in 0..d {
            assert!((off[(l, m)] - f[(l, m)]).modulus() <= 1e-14 * scale * d as f64, "F and B C at ({l}, {m})");
            assert!(l <= m || found.upper[(l, m)] == T::default());
            assert!(l >= m || found.lower[(l, m)] == T::default());
            let q = found.basis[(found.points[l], m)];
            if l == m {
                assert!(q == T::real(1.0) && found.lower[(l, m)] == q);
            } else {
                assert!((q - found.lower[(l, m)]).modulus() <= 1e-11, "q_{m} at point {l}: {q}");
            }
        }
        assert!((0..d).all(|l| found.values[(l, m)] == f[(l, m)]));
        let beta = found.coefficients(f.col_as_slice(m)).unwrap();
        let refined = found.refined_coefficients(f.col_as_slice(m)).unwrap();
        // Round-off of the values, relative to what was left when term l was found.
        for l in 0..d {
            let delta = T::real(f64::from(u8::from(l == m)));
            let off = (beta[l] - delta).modulus();
            assert!(off <= 1e-14 * found.errors[0] / found.errors[d - 1], "beta_{l} of column {m}: {}", beta[l]);
            assert!(
                off <= 1e-12 || found.errors[d - 1] < 1e-4 * found.errors[0],
                "beta_{l} of column {m}: {}",
                beta[l]
            );
            assert!((refined[l] - delta).modulus() <= 1e-15, "refined beta_{l} of column {m}: {}", refined[l]);
        }
        assert!((lebesgue_sum(&refined) - 1.0).abs() <= 1e-14);
    }
    for j in 0..g.ncols() {
        let values: Vec<T> = found.points.iter().map(|l| g[(*l, j)]).collect();
        let interpolant = found.interpolate(&values).unwrap();
        let beta = found.coefficients(&values).unwrap();
        for (l, point) in found.points.iter().enumerate() {
            assert!((interpolant[*point] - values[l]).modulus() <= 1e-13 * scale);
        }
        // The same from the columns themselves.
        let columns = picked(g, &found.columns);
        for i in (0..g.nrows()).step_by(17) {
            let combined: T = (0..d).map(|m| columns[(i, m)] * beta[m]).sum();
            assert!((combined - interpolant[i]).modulus() <= 1e-12 * scale * (1.0 + lebesgue_sum(&beta)));
        }
    }
}

#[test]
fn invariants_of_interpolation() {
    let (g, w) = (functions(400, 60), waves(300, 50));
    for tolerance in [1e-3, 1e-8, 1e-12] {
        let euclidean = Norm::L2(InnerProduct::Euclidean);
        invariants(g.as_ref(), &eim(&tall(&g), &options(tolerance, None, Norm::Maximum)).unwrap());
        invariants(g.as_ref(), &eim(&tall(&g), &options(tolerance, None, euclidean)).unwrap());
        invariants(w.as_ref(), &eim_of(w.as_ref(), &options(tolerance, None, Norm::Maximum)).unwrap());
    }
    // Constants are reproduced where they are among the combinations: the coefficients add to one.
    let with_one = Mat::from_fn(400, 61, |i, j| if j == 60 { 3.0 } else { g[(i, j)] });
    let found = eim(&tall(&with_one), &options(1e-3, None, Norm::Maximum)).unwrap();
    assert!(found.columns.contains(&60));
    for j in 0..60 {
        let values: Vec<f64> = found.points.iter().map(|l| g[(*l, j)] + 2.0).collect();
        let bare: Vec<f64> = found.points.iter().map(|l| g[(*l, j)]).collect();
        let place = found.columns.iter().position(|c| *c == 60).unwrap();
        let (a, b) = (found.coefficients(&values).unwrap(), found.coefficients(&bare).unwrap());
        assert!((0..a.len()).all(|m| (a[m] - b[m] - if m == place { 2.0 / 3.0 } else { 0.0 }).abs() < 1e-9));
    }
}

#[test]
fn functions_of_rank_d_are_exact_with_d_terms() {
    let g = product(random(500, 7, 1).as_ref(), random(7, 40, 2).as_ref());
    for norm in [Norm::Maximum, Norm::L2(InnerProduct::Euclidean)] {
        let found = eim(&tall(&g), &options(0.0, None, norm)).unwrap();
        assert_eq!((found.n_terms(), found.stopped), (7, Stop::RoundOff));
        assert!(found.check.is_none() && found.errors[7] <= 1e-13 * found.errors[0]);
        assert!(missed(g.as_ref(), &found) <= 1e-12);
        let more = product(random(500, 7, 1).as_ref(), random(7, 5, 9).as_ref());
        assert!(missed(more.as_ref(), &found) <= 1e-12, "another function of the same span");
    }
    let complex = |a: Mat<f64>, b: Mat<f64>| Mat::from_fn(a.nrows(), a.ncols(), |i, j| c64::new(a[(i, j)], b[(i, j)]));
    let (u, v) = (complex(random(300, 5, 3), random(300, 5, 4)), complex(random(5, 20, 5), random(5, 20, 6)));
    let g = product(u.as_ref(), v.as_ref());
    let found = eim_of(g.as_ref(), &options(1e-12, None, Norm::Maximum)).unwrap();
    assert_eq!((found.n_terms(), found.stopped), (5, Stop::Tolerance));
    assert!(missed(g.as_ref(), &found) <= 1e-12);
}

#[test]
fn fewer_terms_are_the_first_ones_of_more() {
    let g = functions(300, 50);
    let all = eim(&tall(&g), &options(1e-9, None, Norm::Maximum)).unwrap();
    assert_eq!(all.stopped, Stop::Tolerance);
    assert!(all.errors[all.n_terms()] <= 1e-9 * all.errors[0] && all.errors[all.n_terms() - 1] > 1e-9 * all.errors[0]);
    for n in [1, 4, 9] {
        let few = eim(&tall(&g), &options(0.0, Some(n), Norm::Maximum)).unwrap();
        let cut = all.truncated(n);
        assert_eq!((few.n_terms(), few.stopped), (n, Stop::Terms));
        assert_eq!((&few.columns, &few.points, &few.errors), (&cut.columns, &cut.points, &cut.errors));
        assert_eq!((&few.lower, &few.upper, &few.basis), (&cut.lower, &cut.upper, &cut.basis));
        assert_eq!(few.check, cut.check);
        assert_eq!(few.check.unwrap().point, all.points[n]);
    }
    assert_eq!(all.truncated(100).points, all.points);
    let by_value = eim_in_place(tall(&g), &options(1e-9, None, Norm::Maximum)).unwrap();
    assert_eq!((by_value.points, by_value.basis), (all.points, all.basis));
}

#[test]
fn the_check_point_tells_the_error() {
    let g = functions(300, 50);
    let found = eim(&tall(&g), &options(1e-4, None, Norm::Maximum)).unwrap();
    let d = found.n_terms();
    let check = found.check.as_ref().unwrap().point;
    let at = |j: usize| found.points.iter().map(|l| g[(*l, j)]).collect::<Vec<f64>>();
    let estimate = |j: usize| found.error_estimate(&at(j), g[(check, j)]).unwrap().unwrap();
    let mut best = 0.0_f64;
    for j in 0..50 {
        let truth = (found.interpolate(&at(j)).unwrap()[check] - g[(check, j)]).abs();
        assert!((estimate(j) - truth).abs() <= 1e-13, "{:e} and {truth:e}", estimate(j));
        best = best.max(estimate(j));
    }
    // The worst column is the one that the point was chosen on.
    assert!((best / found.errors[d] - 1.0).abs() <= 1e-9, "{best:e} and {:e}", found.errors[d]);
    assert!(found.columns.iter().all(|j| estimate(*j) <= 1e-13));
    assert!(found.error_estimate(&[1.0], 0.0).is_err());
}

#[test]
fn scale_lets_small_functions_take_part() {
    // Two functions that are stacked, one a million times the other.
    let (large, small) = (functions(200, 40), random(6, 40, 3));
    let g = Mat::from_fn(206, 40, |i, j| if i < 200 { 1e6 * large[(i, j)] } else { small[(i - 200, j)] });
    let scale = (0..206).map(|i| if i < 200 { 1e-6 } else { 1.0 }).collect();
    let o = options(0.0, Some(6), Norm::Maximum);
    let unscaled = eim(&tall(&g), &o).unwrap();
    assert!(unscaled.points.iter().all(|i| *i < 200));
    let scaled = eim(&tall(&g), &EimOptions { scale: Some(scale), ..o }).unwrap();
    assert!(scaled.points.iter().any(|i| *i >= 200), "{:?}", scaled.points);
    invariants_of_scaled(&g, &scaled);
}

/// Bases and coefficients are those of the functions as they were given.
fn invariants_of_scaled(g: &Mat<f64>, found: &Eim<f64>) {
    let f = rows(picked(g.as_ref(), &found.columns).as_ref(), &found.points);
    let again = product(found.lower.as_ref(), found.upper.as_ref());
    assert!((again - &f).norm_max() <= 1e-13 * f.norm_max());
    let values: Vec<f64> = found.points.iter().map(|l| g[(*l, 7)]).collect();
    let interpolant = found.interpolate(&values).unwrap();
    for (l, point) in found.points.iter().enumerate() {
        assert!((interpolant[*point] - values[l]).abs() <= 1e-12 * values[l].abs().max(1.0));
    }
}

#[test]
fn equal_columns_and_rows_are_taken_once_and_the_first_ones() {
    let g = functions(100, 20);
    let twice = Mat::from_fn(200, 40, |i, j| g[(i / 2, j / 2)]);
    let a = eim(&tall(&g), &options(1e-6, None, Norm::Maximum)).unwrap();
    let b = eim(&tall(&twice), &options(1e-6, None, Norm::Maximum)).unwrap();
    assert_eq!(b.points, a.points.iter().map(|i| 2 * i).collect::<Vec<_>>());
    assert_eq!(b.columns, a.columns.iter().map(|j| 2 * j).collect::<Vec<_>>());
}

#[test]
fn the_same_on_any_number_of_threads_and_ranks() {
    let (m, n) = (40_000, 60);
    let g = functions(m, n);
    let (scale, weights): (Vec<f64>, Vec<f64>) = (0..m).map(|i| (1.0 + (i % 3) as f64, 0.5 + (i % 5) as f64)).unzip();
    let mass = chain(m);
    let norms = [
        Norm::Maximum,
        Norm::L2(InnerProduct::Euclidean),
        Norm::L2(InnerProduct::Diagonal(weights.clone())),
        Norm::L2(InnerProduct::Sparse(mass.clone())),
    ];
    for (kind, norm) in norms.iter().enumerate() {
        let scale = (kind < 2).then(|| scale.clone());
        let o = EimOptions { scale: scale.clone(), ..options(1e-11, Some(25), norm.clone()) };
        let expected = eim(&tall(&g), &o).unwrap();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| eim(&tall(&g), &o)).unwrap();
            assert!(found.basis == expected.basis, "norm {kind} on {threads} threads");
        }
        for size in [2, 3, 7] {
            for even in [true, false] {
                run_on_threads(size, |comm| {
                    let offsets = (0..=size).map(|r| (m * r * r) / (size * size)).collect();
                    let layout = match even {
                        true => Layout::even(m, 1, comm.clone()),
                        false => Layout::from_offsets(offsets, comm.clone()).unwrap(),
                    };
                    let (layout, norm) = match norm {
                        Norm::L2(product) => {
                            let (layout, part) = product.of_rank(&layout).unwrap();
                            (layout, Norm::L2(part))
                        }
                        norm => (layout, norm.clone()),
                    };
                    let rows = layout.rows();
                    let scale = scale.as_ref().map(|s| rows.iter().map(|i| s[*i]).collect());
                    let local = Mat::from_fn(rows.len(), n, |i, j| g[(rows[i], j)]);
                    let x = TallMatrix::new(layout, local).unwrap();
                    let found = eim(&x, &EimOptions { norm, scale, ..o.clone() }).unwrap();
                    let place = format!("norm {kind}, {size} ranks, even: {even}");
                    assert_eq!((&found.columns, &found.points), (&expected.columns, &expected.points), "{place}");
                    assert_eq!((&found.lower, &found.upper), (&expected.lower, &expected.upper), "{place}");
                    let basis = Mat::from_fn(rows.len(), found.n_terms(), |i, m| expected.basis[(rows[i], m)]);
                    assert!(found.basis == basis, "{place}");
                    assert_eq!(found.check, expected.check, "{place}");
                    if even {
                        assert_eq!(found.errors, expected.errors, "{place}");
                    }
                });
            }
        }
    }
}

#[test]
fn bad_columns_and_options_are_refused() {
    let g = functions(50, 10);
    let message = |g: &Mat<f64>, o: &EimOptions| eim(&tall(g), o).unwrap_err().to_string();
    let o = EimOptions::default();
    for bad in [f64::NAN, f64::INFINITY] {
        let mut g = g.clone();
        g[(33, 4)] = bad;
        assert!(message(&g, &o).contains("column 4"), "{}", message(&g, &o));
        let l2 = EimOptions { norm: Norm::L2(InnerProduct::Euclidean), ..o.clone() };
        assert!(message(&g, &l2).contains("column 4"));
        let w = Mat::from_fn(50, 10, |i, j| c64::new(1.0, g[(i, j)]));
        assert!(eim_of(w.as_ref(), &o).unwrap_err().to_string().contains("column 4"));
        for size in [2, 3] {
            run_on_threads(size, |comm| {
                let offsets = (0..=size).map(|r| 50 * r / size).collect();
                let layout = Layout::from_offsets(offsets, comm).unwrap();
                let own = layout.local_range();
                let x = TallMatrix::new(layout, g.subrows(own.start, own.len()).to_owned()).unwrap();
                assert!(eim(&x, &o).unwrap_err().to_string().contains("column 4"));
            });
        }
    }
    assert!(message(&Mat::zeros(0, 3), &o).contains("0 x 3"));
    assert!(message(&Mat::zeros(3, 0), &o).contains("3 x 0"));
    assert!(message(&Mat::zeros(3, 4), &o).contains("zeros only"));
    assert!(message(&(g.clone() * faer::Scale(1e140)), &o).contains("1e130"));
    for tolerance in [-1e-3, 1.0, f64::NAN] {
        assert!(message(&g, &EimOptions { tolerance, ..o.clone() }).contains("tolerance"));
    }
    assert!(message(&g, &EimOptions { max_terms: Some(0), ..o.clone() }).contains("terms"));
    for scale in [vec![1.0; 49], vec![-1.0; 50], vec![f64::NAN; 50], vec![0.0; 50]] {
        assert!(eim(&tall(&g), &EimOptions { scale: Some(scale), ..o.clone() }).is_err());
    }
    let short = Norm::L2(InnerProduct::Diagonal(vec![1.0; 49]));
    assert!(message(&g, &EimOptions { norm: short, ..o.clone() }).contains("49"));
    let found = eim(&tall(&g), &o).unwrap();
    assert!(found.coefficients(&[1.0]).unwrap_err().to_string().contains("found 1"));
    assert!(found.interpolate(&[1.0]).is_err());
    // One column, one row.
    let one = eim(&tall(&Mat::from_fn(5, 1, |i, _| i as f64)), &o).unwrap();
    assert_eq!((one.points, one.columns, one.errors), (vec![4], vec![0], vec![4.0, 0.0]));
    let one = eim(&tall(&Mat::from_fn(1, 5, |_, j| j as f64)), &o).unwrap();
    assert_eq!((one.points, one.columns, one.stopped), (vec![0], vec![4], Stop::Tolerance));
}
