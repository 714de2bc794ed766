//! Calibration row by row, and order statistics of numbers on several ranks, against slow references.

use crate::linalg::random;
use crate::ranks::{fit_slabs, mesh};
use faer::{Mat, MatRef};
use kolmo::algorithms::conformal::{conformal_factor, normal_quantile, shared_conformal_factor};
use kolmo::algorithms::gaussian_process::GpOptions;
use kolmo::algorithms::gaussian_process_groups::grouped_gaussian_processes;
use kolmo::algorithms::kernel::Kernel;
use kolmo::algorithms::order_statistic::order_statistic;
use kolmo::algorithms::pod::{PodOptions, Truncation};
use kolmo::comm::{SingleComm, run_on_threads};
use kolmo::linalg::dense;
use kolmo::offline::calibration::{Coordinates, FOLDS, Rows, calibrate, cross_validate};
use kolmo::offline::pod_regression::Options;
use std::ops::Range;
use std::sync::Arc;

/// Numbers of all sizes and signs, equal ones, infinite ones, and some that are none.
fn numbers(n: usize) -> Vec<f64> {
    let random = random(n, 2, 5);
    (0..n)
        .map(|i| match i % 11 {
            3 => f64::NAN,
            4 => 1.5,
            5 => -0.0,
            6 => 0.0,
            7 => f64::INFINITY,
            8 => f64::MIN_POSITIVE * 1e-3 * random[(i, 0)],
            _ => random[(i, 0)] * 10f64.powf(40.0 * random[(i, 1)]),
        })
        .collect()
}

#[test]
fn an_order_statistic_is_that_of_the_sorted_numbers() {
    let all = numbers(700);
    let mut sorted: Vec<f64> = all.iter().copied().filter(|v| !v.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let wanted: Vec<usize> = (1..=sorted.len()).step_by(7).chain([sorted.len()]).collect();
    for size in [1, 2, 3, 7] {
        let found = run_on_threads(size, |comm| {
            // Uneven shares; some ranks have nothing.
            let own: Vec<f64> = all
                .iter()
                .enumerate()
                .filter(|(i, _)| (i * i / 3) % (size + 1) % size == comm.rank())
                .map(|(_, v)| *v)
                .collect();
            let own = MatRef::from_column_major_slice(&own, own.len(), 1);
            let of = |k: usize| order_statistic(comm.as_ref(), own, k);
            assert_eq!((of(0), of(sorted.len() + 1)), (None, None));
            wanted.iter().map(|k| of(*k).unwrap().to_bits()).collect::<Vec<_>>()
        });
        let expected: Vec<u64> = wanted.iter().map(|k| sorted[k - 1].to_bits()).collect();
        assert!(found.iter().all(|f| *f == expected), "{size} ranks");
    }
    assert_eq!(order_statistic(&SingleComm, Mat::zeros(0, 3).as_ref(), 1), None);
}

#[test]
fn shared_scores_give_the_factor_of_all_of_them() {
    for n in [1, 5, 18, 19, 20, 400] {
        let scores: Vec<f64> = (0..n).map(|i| random(n, 1, 8)[(i, 0)].abs()).collect();
        for confidence in [0.5, 0.9, 0.95] {
            let expected = conformal_factor(&scores, confidence).unwrap();
            for size in [1, 3] {
                let found = run_on_threads(size, |comm| {
                    let own = scores.iter().skip(comm.rank()).step_by(size).copied().chain([f64::NAN]);
                    let own: Vec<f64> = own.collect();
                    let own = MatRef::from_column_major_slice(&own, own.len(), 1);
                    shared_conformal_factor(comm.as_ref(), own, confidence).unwrap()
                });
                assert!(found.iter().all(|f| *f == expected), "{n} scores: {found:?} and {expected}");
            }
        }
    }
    let none = Mat::from_fn(2, 2, |_, _| f64::NAN);
    assert_eq!(shared_conformal_factor(&SingleComm, none.as_ref(), 0.9).unwrap(), normal_quantile(0.9));
    assert!(shared_conformal_factor(&SingleComm, none.as_ref(), 1.0).is_err());
}

fn options(center: bool) -> Options {
    let regression = GpOptions { kernel: Some(Kernel::Matern52), restarts: 1, ..GpOptions::default() };
    let pod = PodOptions { center, truncation: Truncation::Tolerance(1e-2), ..PodOptions::default() };
    Options { pod, regression, ..Options::default() }
}

/// The interval factor sample by sample and entry by entry, as the formulas say it.
fn reference(x: MatRef<'_, f64>, c: MatRef<'_, f64>, v: &Mat<f64>, s: &Mat<f64>, coordinates: &Coordinates<'_>) -> f64 {
    let (rows, n) = (s.nrows(), s.ncols());
    assert_eq!((x.nrows(), c.ncols()), (n, n));
    let mut scores = Vec::new();
    for (f, fold) in cross_validate(&SingleComm, coordinates, FOLDS).unwrap().iter().enumerate() {
        let train: Vec<usize> = (0..n).filter(|i| i % FOLDS != f).collect();
        for i in 0..rows {
            let basis = |c: &dyn Fn(usize) -> f64| (0..c_rows(v)).map(|k| v[(i, k)] * c(k)).sum::<f64>();
            let mean = basis(&|k| fold.mean[k]);
            let mode = |j: usize| basis(&|k| fold.modes[(k, j)]);
            let missed =
                |t: usize| s[(i, train[t])] - mean - (0..fold.a.nrows()).map(|j| mode(j) * fold.a[(j, t)]).sum::<f64>();
            let residual = (0..train.len()).map(|t| missed(t).powi(2)).sum::<f64>() / train.len() as f64;
            for (place, sample) in (f..n).step_by(FOLDS).enumerate() {
                let error = s[(i, sample)] - basis(&|k| fold.c[(k, place)]);
                let of_modes = (0..fold.a.nrows()).map(|j| mode(j).powi(2) * fold.variances[(j, place)]).sum::<f64>();
                scores.push(error.abs() / (of_modes + residual).sqrt());
            }
        }
    }
    conformal_factor(&scores, 0.95).unwrap()
}

fn c_rows(v: &Mat<f64>) -> usize {
    v.ncols()
}

#[test]
fn rows_are_scored_as_the_formulas_say() {
    for center in [false, true] {
        let options = options(center);
        let model = fit_slabs(Arc::new(SingleComm), &|_, whole| Box::new(whole), &options).unwrap();
        let field = &model.fields[0];
        assert_eq!(field.basis.nrows(), mesh().n_points());
        let n = field.coefficients.ncols();
        let x = Mat::from_fn(n, 2, |i, j| {
            (0.5 + [0.754_877_666_246_693, 0.569_840_290_998_053][j] * (i + 1) as f64).fract()
        });
        // Some rows, with what the modes miss beside them.
        let r = field.n_modes();
        let v = Mat::from_fn(130, r, |i, k| field.basis[(90 * i, k)]);
        let noise = random(130, n, 77);
        let mut s = dense::mul(v.as_ref(), field.coefficients.as_ref());
        s += Mat::from_fn(130, n, |i, j| 1e-2 * noise[(i, j)]);
        let groups =
            grouped_gaussian_processes(x.as_ref(), field.coefficients.transpose(), None, &options.regression).unwrap();
        let coordinates = Coordinates {
            x: x.as_ref(),
            c: field.coefficients.as_ref(),
            center,
            truncation: field.truncation,
            groups: &groups,
            options: &options.regression,
        };
        let expected = reference(x.as_ref(), field.coefficients.as_ref(), &v, &s, &coordinates);
        let mut field = field.clone();
        field.groups = groups.clone();
        // Shared out over ranks in tiles.
        let tiles: Vec<Range<usize>> = vec![0..1, 1..60, 60..100, 100..130];
        for size in [1, 2, 4] {
            let found = run_on_threads(size, |comm| {
                let of_rank = tiles.len() * comm.rank() / size..tiles.len() * (comm.rank() + 1) / size;
                let own = tiles[of_rank.start].start..tiles[of_rank.end - 1].end;
                let rows = Rows {
                    x: x.as_ref(),
                    c: field.coefficients.as_ref(),
                    snapshots: s.subrows(own.start, own.len()).to_owned(),
                    basis: &|tile, _| v.subrows(own.start + tile.start, tile.len()).to_owned(),
                    tiles: tiles[of_rank].iter().map(|t| t.start - own.start..t.end - own.start).collect(),
                };
                calibrate(comm.as_ref(), &field, rows, &options).unwrap()
            });
            assert!((found[0][0] / expected - 1.0).abs() < 1e-9, "{} and {expected}", found[0][0]);
            assert!(found.iter().all(|f| f.map(f64::to_bits) == found[0].map(f64::to_bits)), "{size} ranks: {found:?}");
        }
    }
}
