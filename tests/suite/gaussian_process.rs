//! Gaussian processes: optimiser, likelihood, posterior, leave-one-out, groups, calibration.

use faer::Mat;
use kolmo::algorithms::conformal::{conformal_factor, normal_quantile, pooled_conformal_factor};
use kolmo::algorithms::gaussian_process::{GaussianProcess, GpOptions, GpParts, Mean, gaussian_process};
use kolmo::algorithms::gaussian_process_groups::{cross_validation, grouped_gaussian_processes};
use kolmo::algorithms::kernel::Kernel;
use kolmo::algorithms::restricted_likelihood::{Priors, RestrictedLikelihood};
use kolmo::linalg::dense;
use kolmo::linalg::quasi_newton::{QuasiNewtonOptions, minimize_bounded};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("sklearn_gp.json")).unwrap()
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn matrix(v: &Value) -> Mat<f64> {
    let rows: Vec<Vec<f64>> = v.as_array().unwrap().iter().map(numbers).collect();
    Mat::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j])
}

fn uniform(rng: &mut StdRng, n: usize, d: usize) -> Mat<f64> {
    Mat::from_fn(n, d, |_, _| rng.random_range(-1.0..1.0))
}

fn normal(rng: &mut StdRng) -> f64 {
    rng.sample(StandardNormal)
}

fn rows_of(a: &Mat<f64>, keep: impl Fn(usize) -> bool) -> Mat<f64> {
    let rows: Vec<usize> = (0..a.nrows()).filter(|i| keep(*i)).collect();
    Mat::from_fn(rows.len(), a.ncols(), |i, j| a[(rows[i], j)])
}

fn largest_difference(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (a - b).col_iter().flat_map(|c| c.iter().map(|v| v.abs()).collect::<Vec<_>>()).fold(0.0, f64::max)
}

fn smooth(x: &Mat<f64>, i: usize) -> f64 {
    (2.0 * x[(i, 0)]).sin() + x[(i, 1)] * x[(i, 1)]
}

#[test]
fn minimize_bounded_solves_rosenbrock_with_and_without_active_bounds() {
    let f = |x: &[f64]| {
        let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
        Some((a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b]))
    };
    let options = QuasiNewtonOptions { gradient_tolerance: 1e-9, ..Default::default() };
    let free = minimize_bounded(f, &[-1.2, 1.0], &[-5.0, -5.0], &[5.0, 5.0], &options);
    assert!((free.x[0] - 1.0).abs() < 1e-7 && (free.x[1] - 1.0).abs() < 1e-7, "{free:?}");
    assert!(free.iterations < 60, "{free:?}");
    // x0 <= 0.5: the minimum is at (0.5, 0.25) with value 0.25
    let held = minimize_bounded(f, &[-1.2, 1.0], &[-5.0, -5.0], &[0.5, 5.0], &options);
    assert!((held.x[0] - 0.5).abs() < 1e-12 && (held.x[1] - 0.25).abs() < 1e-8, "{held:?}");
    assert!((held.value - 0.25).abs() < 1e-12 && held.gradient_norm < 1e-8, "{held:?}");
}

#[test]
fn minimize_bounded_solves_a_quadratic_and_steps_back_from_undefined_points() {
    // sum_i (i + 1) (x_i - i)² between 0 and 2.5; not defined where x_0 > 0.6, which the start lies just below
    let f = |x: &[f64]| {
        if x[0] > 0.6 {
            return None;
        }
        let terms = x.iter().enumerate().map(|(i, x)| ((i + 1) as f64, x - i as f64));
        let value = terms.clone().map(|(w, e)| w * e * e).sum();
        Some((value, terms.map(|(w, e)| 2.0 * w * e).collect()))
    };
    let minimum = minimize_bounded(f, &[0.59; 5], &[0.0; 5], &[2.5; 5], &QuasiNewtonOptions::default());
    for (x, expected) in minimum.x.iter().zip([0.0, 1.0, 2.0, 2.5, 2.5]) {
        assert!((x - expected).abs() < 1e-6, "{minimum:?}");
    }
    let nowhere = minimize_bounded(|_| None, &[0.0], &[0.0], &[1.0], &QuasiNewtonOptions::default());
    assert!(nowhere.value.is_infinite() && nowhere.iterations == 0);
}

#[test]
fn likelihood_gradient_agrees_with_finite_differences() {
    let mut rng = StdRng::seed_from_u64(1);
    let (n, d, r) = (25, 3, 2);
    let x = uniform(&mut rng, n, d);
    let y = Mat::from_fn(n, r, |i, j| smooth(&x, i) * (1.0 + j as f64) + x[(i, 2)] + 0.1 * normal(&mut rng));
    for kernel in Kernel::ALL {
        for p in [0, 1, 1 + d] {
            for (shared, priors) in [(false, None), (true, None), (false, Some(Priors::weak(d)))] {
                let h = Mat::from_fn(n, p, |i, j| if j == 0 { 1.0 } else { x[(i, j - 1)] });
                let mut f = RestrictedLikelihood::new(kernel, x.clone(), y.clone(), h, vec![1.0, 0.3]).unwrap();
                f.shared_amplitude = shared;
                f.priors = priors;
                let theta = [0.1, -0.4, 0.6, -4.0];
                let mut scratch = f.scratch();
                let (value, gradient) = f.value_and_gradient(&theta, &mut scratch).unwrap();
                let direct = -f.solution(&theta, None).unwrap().log_likelihood;
                assert!(priors.is_some() || (value - direct).abs() < 1e-10 * value.abs());
                let scale = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
                for k in 0..theta.len() {
                    let mut at = |step: f64| {
                        let mut t = theta;
                        t[k] += step;
                        f.value_and_gradient(&t, &mut scratch).unwrap().0
                    };
                    // fourth order, so that neither truncation nor round-off reaches 1e-6
                    let e = 1e-3;
                    let difference = (8.0 * (at(e) - at(-e)) - (at(2.0 * e) - at(-2.0 * e))) / (12.0 * e);
                    let error = (difference - gradient[k]).abs();
                    assert!(error < 1e-6 * scale, "{kernel:?} p {p} theta {k}: {difference} {}", gradient[k]);
                }
            }
        }
    }
}

#[test]
fn posterior_equals_scikit_learn_at_the_same_hyper_parameters() {
    for case in fixture()["posterior"].as_array().unwrap() {
        let kernel = Kernel::from_name(case["kernel"].as_str().unwrap()).unwrap();
        let (signal, noise) = (case["signal_variance"].as_f64().unwrap(), case["noise_variance"].as_f64().unwrap());
        let (x, y, lengths) = (matrix(&case["x"]), matrix(&case["y"]), numbers(&case["length_scales"]));
        let gp =
            GaussianProcess::with_hyperparameters(x.as_ref(), y.as_ref(), kernel, Mean::Zero, &lengths, signal, noise)
                .unwrap();
        let (mean, std) = gp.predict(matrix(&case["x_new"]).as_ref()).unwrap();
        assert!(largest_difference(&mean, &matrix(&case["mean"])) < 1e-9);
        assert!(largest_difference(&std, &matrix(&case["std"])) < 1e-9);
        let expected = case["log_likelihood"].as_f64().unwrap();
        assert!((gp.log_likelihood() - expected).abs() < 1e-9 * expected.abs());
    }
}

#[test]
fn likelihood_reached_is_no_lower_than_that_of_scikit_learn() {
    let case = &fixture()["shared_kernel"];
    let (x, y) = (matrix(&case["x"]), matrix(&case["y"]));
    let options = GpOptions {
        kernel: Some(Kernel::Matern52),
        mean: Some(Mean::Zero),
        restarts: case["starts"].as_u64().unwrap() as usize,
        priors: false,
        noise_floor: 1e-12,
        length_bounds: (1e-5, 1e5),
        shared_amplitude: true,
        ..Default::default()
    };
    let begin = std::time::Instant::now();
    let gp = gaussian_process(x.as_ref(), y.as_ref(), None, &options).unwrap();
    let expected = case["log_likelihood"].as_f64().unwrap();
    println!(
        "{:.3} s, log likelihood {} (scikit-learn {expected})",
        begin.elapsed().as_secs_f64(),
        gp.log_likelihood()
    );
    assert!(gp.log_likelihood() >= expected - 1e-6 * x.nrows() as f64, "{} < {expected}", gp.log_likelihood());
}

#[test]
fn leave_one_out_in_closed_form_equals_refits() {
    let mut rng = StdRng::seed_from_u64(2);
    let n = 18;
    let x = uniform(&mut rng, n, 2);
    let y = Mat::from_fn(n, 2, |i, j| smooth(&x, i) + j as f64 * x[(i, 0)] + 0.05 * normal(&mut rng));
    for mean in [Mean::Zero, Mean::Constant, Mean::Linear] {
        let fit = |x: &Mat<f64>, y: &Mat<f64>| {
            GaussianProcess::with_hyperparameters(
                x.as_ref(),
                y.as_ref(),
                Kernel::Matern52,
                mean,
                &[0.9, 1.4],
                1.3,
                0.01,
            )
            .unwrap()
        };
        let loo = fit(&x, &y).leave_one_out();
        for i in 0..n {
            let others = fit(&rows_of(&x, |k| k != i), &rows_of(&y, |k| k != i));
            let (predicted, std) = others.predict(rows_of(&x, |k| k == i).as_ref()).unwrap();
            // A linear mean is held to the training box, which leaving out a corner sample makes smaller.
            let inside = (0..2).all(|d| {
                let rest =
                    |pick: fn(f64, f64) -> f64| (0..n).filter(|k| *k != i).map(|k| x[(k, d)]).reduce(pick).unwrap();
                (rest(f64::min)..=rest(f64::max)).contains(&x[(i, d)])
            });
            for j in (0..2).filter(|_| inside || mean != Mean::Linear) {
                assert!((loo.residuals[(i, j)] - (y[(i, j)] - predicted[(0, j)])).abs() < 1e-9, "{mean:?} sample {i}");
                assert!((loo.std[(i, j)] - std[(0, j)]).abs() < 1e-9, "{mean:?} sample {i}");
            }
        }
    }
}

#[test]
fn noise_free_data_are_interpolated_and_held_out_points_predicted() {
    let mut rng = StdRng::seed_from_u64(3);
    let (x, x_new) = (uniform(&mut rng, 40, 2), uniform(&mut rng, 300, 2));
    let truth = |x: &Mat<f64>| Mat::from_fn(x.nrows(), 1, |i, _| 1e6 + 1e5 * smooth(x, i));
    let gp = gaussian_process(x.as_ref(), truth(&x).as_ref(), None, &GpOptions::default()).unwrap();
    let at_samples = largest_difference(&gp.predict(x.as_ref()).unwrap().0, &truth(&x));
    let elsewhere = largest_difference(&gp.predict(x_new.as_ref()).unwrap().0, &truth(&x_new));
    println!("noise free: {at_samples:.3e} at samples, {elsewhere:.3e} elsewhere, of 1e5; {:?}", gp.to_parts().kernel);
    assert!(at_samples < 1e-4 * 1e5 && elsewhere < 1e-2 * 1e5, "{at_samples} {elsewhere}");
    assert_eq!(gp.is_mean(), [false]);
}

#[test]
fn noise_is_recovered_and_duplicate_rows_are_noise() {
    let mut rng = StdRng::seed_from_u64(4);
    let n = 200;
    let base = uniform(&mut rng, n / 2, 2);
    let x = Mat::from_fn(n, 2, |i, j| base[(i / 2, j)]);
    let y = Mat::from_fn(n, 1, |i, _| smooth(&x, i) + 0.1 * normal(&mut rng));
    let gp = gaussian_process(x.as_ref(), y.as_ref(), None, &GpOptions::default()).unwrap();
    let parts = gp.to_parts();
    let noise = (parts.amplitudes[0] * parts.noise_ratio).sqrt() * parts.output_scale[0];
    println!("noise {noise:.4}, truth 0.1");
    assert!((0.085..0.115).contains(&noise), "{noise}");
    // equal duplicates, equal values: still definite
    let clean = Mat::from_fn(n, 1, |i, _| smooth(&x, i));
    let gp = gaussian_process(x.as_ref(), clean.as_ref(), None, &GpOptions::default()).unwrap();
    assert!(largest_difference(&gp.predict(x.as_ref()).unwrap().0, &clean) < 1e-3);
}

#[test]
fn constant_and_unpredictable_outputs_fall_back_to_the_mean() {
    let mut rng = StdRng::seed_from_u64(5);
    let n = 40;
    let mut x = uniform(&mut rng, n, 3);
    (0..n).for_each(|i| x[(i, 2)] = 7.0);
    let noise: Vec<f64> = (0..n).map(|_| normal(&mut rng)).collect();
    let y = Mat::from_fn(n, 3, |i, j| [3.5, noise[i], smooth(&x, i)][j]);
    let groups = grouped_gaussian_processes(x.as_ref(), y.as_ref(), None, &GpOptions::default()).unwrap();
    let flag = |j: usize| {
        groups.iter().find_map(|(outputs, gp)| outputs.iter().position(|k| *k == j).map(|k| gp.is_mean()[k])).unwrap()
    };
    assert_eq!((flag(0), flag(1), flag(2)), (true, true, false));
    let column = Mat::from_fn(n, 1, |i, _| noise[i]);
    let gp = gaussian_process(x.as_ref(), column.as_ref(), None, &GpOptions::default()).unwrap();
    assert_eq!(gp.is_mean(), [true]);
    let (mean, std) = gp.predict(Mat::from_fn(1, 3, |_, _| 0.0).as_ref()).unwrap();
    let sample_mean = noise.iter().sum::<f64>() / n as f64;
    let variance = noise.iter().map(|v| (v - sample_mean).powi(2)).sum::<f64>() / (n - 1) as f64;
    assert!((mean[(0, 0)] - sample_mean).abs() < 1e-12);
    assert!((std[(0, 0)] - (variance * (1.0 + 1.0 / n as f64)).sqrt()).abs() < 1e-12);
    // leave-one-out of a mean: written out for sample 0
    let others = &noise[1..];
    let m = others.iter().sum::<f64>() / (n - 1) as f64;
    let v = others.iter().map(|o| (o - m).powi(2)).sum::<f64>() / (n - 2) as f64;
    let loo = gp.leave_one_out();
    assert!((loo.residuals[(0, 0)] - (noise[0] - m)).abs() < 1e-12);
    assert!((loo.std[(0, 0)] - (v * (1.0 + 1.0 / (n - 1) as f64)).sqrt()).abs() < 1e-12);
    let constant = Mat::from_fn(n, 1, |_, _| 3.5);
    let gp = gaussian_process(x.as_ref(), constant.as_ref(), None, &GpOptions::default()).unwrap();
    let (mean, std) = gp.predict(x.as_ref()).unwrap();
    assert!(mean.col(0).iter().all(|m| *m == 3.5) && std.col(0).iter().all(|s| *s == 0.0));
}

#[test]
fn a_linear_mean_stays_bounded_outside_the_training_box() {
    let mut rng = StdRng::seed_from_u64(6);
    let n = 40;
    let x = uniform(&mut rng, n, 2);
    let y = Mat::from_fn(n, 1, |i, _| 3.0 * x[(i, 0)] - x[(i, 1)] + 0.2 * normal(&mut rng));
    let options = GpOptions { mean: Some(Mean::Linear), ..Default::default() };
    let gp = gaussian_process(x.as_ref(), y.as_ref(), None, &options).unwrap();
    let far = Mat::from_fn(1, 2, |_, j| [100.0, -100.0][j]);
    let (mean, std) = gp.predict(far.as_ref()).unwrap();
    // 3 + 1 at the corner of the box, widened by a tenth of its range
    assert!((3.5..6.5).contains(&mean[(0, 0)]), "{}", mean[(0, 0)]);
    assert!(std[(0, 0)] > 0.1 && std[(0, 0)].is_finite());
}

fn many_outputs(n: usize, d: usize, r: usize) -> (Mat<f64>, Mat<f64>) {
    let mut rng = StdRng::seed_from_u64(8);
    let x = uniform(&mut rng, n, d);
    let frequency = uniform(&mut rng, d, r);
    let argument = dense::mul(x.as_ref(), frequency.as_ref());
    let y = Mat::from_fn(n, r, |i, j| (argument[(i, j)] * (1.0 + 0.2 * j as f64)).sin() + 0.01 * normal(&mut rng));
    (x, y)
}

#[test]
fn results_are_equal_bit_by_bit_on_one_and_two_threads() {
    let (x, y) = many_outputs(110, 2, 4);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let groups = grouped_gaussian_processes(x.as_ref(), y.as_ref(), None, &GpOptions::default()).unwrap();
            let one = gaussian_process(x.as_ref(), y.as_ref(), None, &GpOptions::default()).unwrap();
            let many = Mat::from_fn(400, 2, |i, j| x[(i % 110, j)] + 1e-3 * i as f64);
            let prediction = one.predict(many.as_ref()).unwrap();
            (groups.into_iter().map(|(o, g)| (o, g.to_parts())).collect::<Vec<(Vec<usize>, GpParts)>>(), prediction)
        })
    };
    let (a, b) = (run(1), run(2));
    assert!(a == b);
}

#[test]
fn groups_hold_every_output_once() {
    let (x, y) = many_outputs(48, 2, 6);
    let groups = grouped_gaussian_processes(x.as_ref(), y.as_ref(), Some(&[1.0; 6]), &GpOptions::default()).unwrap();
    let mut outputs: Vec<usize> = groups.iter().flat_map(|(o, _)| o.clone()).collect();
    outputs.sort();
    assert_eq!(outputs, (0..6).collect::<Vec<_>>());
    // outputs that are the same up to scale share one process
    let same = Mat::from_fn(48, 3, |i, j| (1.0 + j as f64) * y[(i, 0)] + j as f64);
    let groups = grouped_gaussian_processes(x.as_ref(), same.as_ref(), None, &GpOptions::default()).unwrap();
    assert_eq!(groups.len(), 1);
}

#[test]
fn cross_validation_does_not_see_the_fold_it_predicts() {
    let (x, mut y) = many_outputs(30, 2, 3);
    let options = GpOptions::default();
    let groups = grouped_gaussian_processes(x.as_ref(), y.as_ref(), None, &options).unwrap();
    let run = |y: &Mat<f64>, folds: usize| cross_validation(x.as_ref(), y.as_ref(), None, &groups, &options, folds);
    let before = run(&y, 10).unwrap();
    y[(13, 1)] += 1.0;
    let after = run(&y, 10).unwrap();
    let change = &after.residuals - &before.residuals;
    // sample 13 in fold 3: its own residual moves by its change, those of its fold not at all, others do
    assert!((change[(13, 1)] - 1.0).abs() < 1e-12);
    assert_eq!((change[(3, 1)], change[(23, 1)], after.std[(13, 1)]), (0.0, 0.0, before.std[(13, 1)]));
    assert!((0..30).any(|i| i % 10 != 3 && change[(i, 1)].abs() > 1e-6));
    assert!(run(&y, 1).is_err() && run(&y, 31).is_err());
}

#[test]
fn a_stored_process_answers_identically() {
    let (x, y) = many_outputs(30, 2, 3);
    let options = GpOptions { mean: Some(Mean::Linear), ..Default::default() };
    let gp = gaussian_process(x.as_ref(), y.as_ref(), None, &options).unwrap();
    let again = GaussianProcess::from_parts(gp.to_parts()).unwrap();
    let x_new = Mat::from_fn(9, 2, |i, j| 0.1 * (i + j) as f64);
    assert!(gp.predict(x_new.as_ref()).unwrap() == again.predict(x_new.as_ref()).unwrap());
    assert!(gp.leave_one_out().residuals == again.leave_one_out().residuals);
    // through a text that keeps 17 digits, but not every last bit
    let text = serde_json::to_string(&gp.to_parts()).unwrap();
    assert!(text.contains(&format!("\"kernel\":\"{}\"", gp.to_parts().kernel.name())));
    let read = GaussianProcess::from_parts(serde_json::from_str(&text).unwrap()).unwrap();
    let (a, b) = (gp.predict(x_new.as_ref()).unwrap().0, read.predict(x_new.as_ref()).unwrap().0);
    assert!(largest_difference(&a, &b) < 1e-9);
    let mut damaged = gp.to_parts();
    damaged.alpha.pop();
    assert!(GaussianProcess::from_parts(damaged).is_err());
    let mut damaged = gp.to_parts();
    damaged.noise_ratio = -1.0;
    assert!(GaussianProcess::from_parts(damaged).is_err());
}

#[test]
fn bad_data_are_refused_by_place() {
    let (x, mut y) = many_outputs(10, 2, 2);
    let options = GpOptions::default();
    let short = rows_of(&x, |i| i < 9);
    assert!(gaussian_process(short.as_ref(), y.as_ref(), None, &options).is_err());
    assert!(gaussian_process(x.as_ref(), y.as_ref(), Some(&[1.0]), &options).is_err());
    assert!(gaussian_process(x.as_ref(), y.as_ref(), Some(&[0.0, 0.0]), &options).is_err());
    assert!(gaussian_process(x.as_ref(), y.as_ref(), None, &GpOptions { restarts: 0, ..options.clone() }).is_err());
    let gp = gaussian_process(x.as_ref(), y.as_ref(), None, &options).unwrap();
    assert!(gp.predict(Mat::<f64>::zeros(2, 3).as_ref()).is_err());
    assert!(gp.predict(Mat::from_fn(1, 2, |_, _| f64::INFINITY).as_ref()).is_err());
    y[(4, 1)] = f64::NAN;
    let message = gaussian_process(x.as_ref(), y.as_ref(), None, &options).unwrap_err().to_string();
    assert!(message.contains("row 4, column 1"), "{message}");
}

#[test]
fn few_samples_are_enough_for_an_answer() {
    for n in 1..6 {
        let (x, y) = many_outputs(n, 2, 2);
        let gp = gaussian_process(x.as_ref(), y.as_ref(), None, &GpOptions::default()).unwrap();
        let (mean, std) = gp.predict(x.as_ref()).unwrap();
        let loo = gp.leave_one_out();
        let all = [&mean, &std, &loo.residuals, &loo.std];
        assert!(all.iter().all(|a| a.col_iter().all(|c| c.iter().all(|v| v.is_finite()))), "{n} samples");
    }
}

#[test]
fn conformal_factor_is_the_stated_order_statistic() {
    let scores: Vec<f64> = (1..=19).rev().map(f64::from).collect();
    assert_eq!(conformal_factor(&scores, 0.95).unwrap(), 19.0);
    assert_eq!(conformal_factor(&scores, 0.9).unwrap(), 18.0);
    let beyond = conformal_factor(&scores, 0.99).unwrap();
    assert!((beyond - 19.0 * normal_quantile(0.99) / normal_quantile(0.95)).abs() < 1e-12);
    assert!((normal_quantile(0.95) - 1.959_963_984_540_054).abs() < 1e-9);
    assert!(conformal_factor(&[], 0.9).is_err() && conformal_factor(&[1.0], 1.0).is_err());
    let zero = Mat::<f64>::zeros(4, 2);
    assert!(
        (pooled_conformal_factor(zero.as_ref(), zero.as_ref(), 0.95).unwrap() - normal_quantile(0.95)).abs() < 1e-12
    );
    let residuals = Mat::from_fn(19, 2, |i, j| if j == 0 { -(i as f64) - 1.0 } else { 0.0 });
    let std = Mat::from_fn(19, 2, |_, j| if j == 0 { 1.0 } else { 0.0 });
    assert_eq!(pooled_conformal_factor(residuals.as_ref(), std.as_ref(), 0.95).unwrap(), 19.0);
}

#[test]
fn calibrated_intervals_cover_skewed_noise() {
    // Heavy one-sided noise: Gaussian intervals are wrong, calibrated ones keep the promised share on average over
    // 20 trials.
    let (mut covered, mut total) = (0, 0);
    for trial in 0..20 {
        let mut rng = StdRng::seed_from_u64(100 + trial);
        let (x, x_new) = (uniform(&mut rng, 60, 2), uniform(&mut rng, 200, 2));
        let mut observe = |x: &Mat<f64>| {
            Mat::from_fn(x.nrows(), 1, |i, _| smooth(x, i) + 0.1 * (-rng.random_range(1e-9..1.0f64).ln()).powi(2))
        };
        let (y, y_new) = (observe(&x), observe(&x_new));
        let gp = gaussian_process(x.as_ref(), y.as_ref(), None, &GpOptions::default()).unwrap();
        let loo = gp.leave_one_out();
        let factor = pooled_conformal_factor(loo.residuals.as_ref(), loo.std.as_ref(), 0.9).unwrap();
        let (mean, std) = gp.predict(x_new.as_ref()).unwrap();
        covered += (0..200).filter(|i| (y_new[(*i, 0)] - mean[(*i, 0)]).abs() <= factor * std[(*i, 0)]).count();
        total += 200;
    }
    let coverage = covered as f64 / total as f64;
    println!("coverage at 90 %: {coverage}");
    assert!((0.87..0.94).contains(&coverage), "{coverage}");
}

#[test]
fn dependent_inputs_keep_a_constant_mean() {
    // Fractions of a mixture: they sum to 1, so a linear mean is not determined.
    for seed in 0..12 {
        let mut rng = StdRng::seed_from_u64(seed);
        let parts = Mat::from_fn(30, 3, |_, _| -rng.random_range(1e-9..1.0f64).ln());
        let x = Mat::from_fn(30, 3, |i, j| parts[(i, j)] / (0..3).map(|k| parts[(i, k)]).sum::<f64>());
        let y = Mat::from_fn(30, 2, |i, j| 2.0 * x[(i, j)] - x[(i, 2)] + 1e-3 * normal(&mut rng));
        let groups = grouped_gaussian_processes(x.as_ref(), y.as_ref(), None, &GpOptions::default()).unwrap();
        assert!(groups.iter().all(|(_, process)| process.to_parts().mean == Mean::Constant), "seed {seed}");
        cross_validation(x.as_ref(), y.as_ref(), None, &groups, &GpOptions::default(), 12).unwrap();
    }
}

#[test]
fn what_was_released_is_computed_again_to_the_bit() {
    let mut rng = StdRng::seed_from_u64(5);
    let (x, x_new) = (uniform(&mut rng, 40, 2), uniform(&mut rng, 7, 2));
    for mean in Mean::ALL {
        let y = Mat::from_fn(40, 2, |i, j| smooth(&x, i) + if j == 1 { 3.0 * normal(&mut rng) } else { 0.0 });
        let options = GpOptions { mean: Some(mean), restarts: 1, ..GpOptions::default() };
        let mut gp = gaussian_process(x.as_ref(), y.as_ref(), None, &options).unwrap();
        let answers = |gp: &GaussianProcess| (gp.predict(x_new.as_ref()).unwrap(), gp.leave_one_out());
        let ((value, std), loo) = answers(&gp);
        gp.release();
        // Either may be asked first.
        let first = gp.clone().leave_one_out();
        let ((value_again, std_again), loo_again) = answers(&gp);
        assert!(value == value_again && std == std_again, "{mean:?}");
        for again in [first, loo_again] {
            assert!(loo.residuals == again.residuals && loo.std == again.std, "{mean:?}");
        }
    }
}
