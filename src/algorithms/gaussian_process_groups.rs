//! Gaussian processes of many outputs, in groups that share a correlation where that costs nothing.

use crate::algorithms::gaussian_process::{GaussianProcess, GpOptions, LooResult, Mean};
use crate::algorithms::hyperparameters::{Choice, Training};
use crate::comm::{Communicator, SingleComm, share_out};
use crate::error::{Error, Result};
use faer::{Mat, MatRef};
use rayon::prelude::*;

/// Rounds in which outputs may leave the shared group.
const ROUNDS: usize = 3;
/// An output leaves the shared group if its leave-one-out log likelihood alone is higher by this.
const SHARING_MARGIN: f64 = 1.0;

/// One process per group of outputs: (indices of the outputs, process), groups by their first output, indices
/// ascending.
///
/// Every output is fitted alone and all are fitted together. Those whose leave-one-out log likelihood in the shared
/// correlation is lower than alone by no more than 1 stay together and are fitted again, until the group is stable;
/// the others keep a process of their own. Arguments, units and errors as in
/// [`gaussian_process`](crate::algorithms::gaussian_process::gaussian_process). Cost: about r + 2 times that of one
/// process. The result does not depend on the number of threads. Not collective.
pub fn grouped_gaussian_processes(
    x: MatRef<'_, f64>,
    y: MatRef<'_, f64>,
    weights: Option<&[f64]>,
    options: &GpOptions,
) -> Result<Vec<(Vec<usize>, GaussianProcess)>> {
    grouped_gaussian_processes_on(&SingleComm, x, y, weights, options)
}

/// The same with the fits shared out over ranks, which all have the same data and get the same processes. Collective.
pub fn grouped_gaussian_processes_on(
    comm: &dyn Communicator,
    x: MatRef<'_, f64>,
    y: MatRef<'_, f64>,
    weights: Option<&[f64]>,
    options: &GpOptions,
) -> Result<Vec<(Vec<usize>, GaussianProcess)>> {
    let training = Training::new(x, y, weights, options)?;
    let all: Vec<usize> = (0..y.ncols()).collect();
    let mut group = training.varying(&all);
    let constant: Vec<usize> = all.iter().copied().filter(|j| !group.contains(j)).collect();
    let mut groups = Vec::new();
    if !constant.is_empty() {
        let process = training.finish(&constant, None, options)?;
        groups.push((constant, process));
    }
    if group.is_empty() {
        return Ok(groups);
    }
    let mut shared = training.choose(comm, &group, options, &[])?;
    let warm = [shared.theta.clone()];
    let mut own: Vec<(usize, Choice)> = Vec::new();
    if group.len() > 1 {
        let one = |i: usize| Ok(training.choose(&SingleComm, &[group[i]], options, &warm)?.pack());
        let fits = share_out(comm, group.len(), one)?;
        let unpack = |(j, packed): (&usize, &Vec<f64>)| Ok((*j, training.unpack(&[*j], options, packed)?));
        own = group.par_iter().zip(&fits).map(unpack).collect::<Result<_>>()?;
    }
    for _ in 0..ROUNDS {
        let alone = |j: &usize| own.iter().find(|(k, _)| k == j).and_then(|(_, c)| c.scores.first()).copied();
        let no_worse = |(j, score): &(&usize, &f64)| alone(j).is_none_or(|a| **score >= a - SHARING_MARGIN);
        let kept: Vec<usize> = group.iter().zip(&shared.scores).filter(no_worse).map(|(j, _)| *j).collect();
        if kept.len() == group.len() {
            break;
        }
        group = kept;
        if group.len() < 2 {
            group.clear();
            break;
        }
        shared = training.choose(comm, &group, options, &warm)?;
    }
    own.retain(|(j, _)| !group.contains(j));
    for (j, choice) in own {
        groups.push((vec![j], training.finish(&[j], Some(choice), options)?));
    }
    if !group.is_empty() {
        let process = training.finish(&group, Some(shared), options)?;
        groups.push((group, process));
    }
    groups.sort_by(|a, b| a.0.first().cmp(&b.0.first()));
    Ok(groups)
}

/// A process of the same kernel and mean for other data: length scales and noise are fitted again, from those of
/// `process` and without restarts.
///
/// Arguments and errors as in [`gaussian_process`](crate::algorithms::gaussian_process::gaussian_process).
/// Not collective.
pub fn refit(
    process: &GaussianProcess,
    x: MatRef<'_, f64>,
    y: MatRef<'_, f64>,
    weights: Option<&[f64]>,
    options: &GpOptions,
) -> Result<GaussianProcess> {
    let parts = process.to_parts();
    let of_mean = |mean| GpOptions { kernel: Some(parts.kernel), mean: Some(mean), ..options.clone() };
    let training = Training::new(x, y, weights, options)?;
    let all: Vec<usize> = (0..y.ncols()).collect();
    let varying = training.varying(&all);
    let mut theta: Vec<f64> = parts.length_scales.iter().map(|l| l.ln()).collect();
    theta.push(parts.noise_ratio.ln());
    if varying.is_empty() {
        return training.finish(&all, None, &of_mean(parts.mean));
    }
    let fit = |mean: Mean| {
        let choice = training.choose_from(&varying, &of_mean(mean), std::slice::from_ref(&theta))?;
        training.finish(&all, Some(choice), &of_mean(mean))
    };
    // Fewer samples may not determine a linear mean.
    fit(parts.mean).or_else(|e| if parts.mean == Mean::Linear { fit(Mean::Constant) } else { Err(e) })
}

/// Residuals (truth - prediction) and standard deviations of each sample, n x r, predicted by processes whose
/// length scales and noise were fitted again without its fold.
///
/// The fold of sample i is i modulo `n_folds`; kernels, means and groups stay those of `groups`, which
/// [`grouped_gaussian_processes`] gave for the same data. Unlike the closed form
/// [`leave_one_out`](GaussianProcess::leave_one_out), the residuals are not flattered by the fit of the
/// hyper-parameters: the scores to calibrate intervals with where samples are few. Errors: as in fitting, and fewer
/// than 2 folds. Cost: about n_folds fits without restarts. The result does not depend on the number of threads.
/// Not collective.
pub fn cross_validation(
    x: MatRef<'_, f64>,
    y: MatRef<'_, f64>,
    weights: Option<&[f64]>,
    groups: &[(Vec<usize>, GaussianProcess)],
    options: &GpOptions,
    n_folds: usize,
) -> Result<LooResult> {
    cross_validation_on(&SingleComm, x, y, weights, groups, options, n_folds)
}

/// The same with the fits shared out over ranks, which all have the same data and get the same result. Collective.
pub fn cross_validation_on(
    comm: &dyn Communicator,
    x: MatRef<'_, f64>,
    y: MatRef<'_, f64>,
    weights: Option<&[f64]>,
    groups: &[(Vec<usize>, GaussianProcess)],
    options: &GpOptions,
    n_folds: usize,
) -> Result<LooResult> {
    let (n, r) = (x.nrows(), y.ncols());
    let outputs: Vec<usize> = groups.iter().flat_map(|(outputs, _)| outputs.iter().copied()).collect();
    let weights_fit = weights.is_none_or(|w| w.len() == r);
    if n_folds < 2 || n_folds > n || y.nrows() != n || outputs.iter().any(|j| *j >= r) || !weights_fit {
        let found = format!("{n_folds} folds, {n} x {r} samples, {} outputs in groups", outputs.len());
        return Err(Error::argument("cross-validation", found, "2 to n folds, and the data of the groups"));
    }
    let mut result = LooResult { residuals: Mat::zeros(n, r), std: Mat::zeros(n, r) };
    let tasks: Vec<(usize, usize)> = (0..groups.len()).flat_map(|g| (0..n_folds).map(move |f| (g, f))).collect();
    let held_out = |task: usize| -> Result<Vec<f64>> {
        let (g, fold) = tasks[task];
        let (outputs, process) = &groups[g];
        let (test, train): (Vec<usize>, Vec<usize>) = (0..n).partition(|i| i % n_folds == fold);
        let pick = |a: MatRef<'_, f64>, rows: &[usize]| Mat::from_fn(rows.len(), a.ncols(), |i, j| a[(rows[i], j)]);
        let y_train = Mat::from_fn(train.len(), outputs.len(), |i, j| y[(train[i], outputs[j])]);
        let own_weights: Option<Vec<f64>> = weights.map(|w| outputs.iter().map(|j| w[*j]).collect());
        let again = refit(process, pick(x, &train).as_ref(), y_train.as_ref(), own_weights.as_deref(), options)?;
        let (mean, std) = again.predict(pick(x, &test).as_ref())?;
        Ok([mean, std].iter().flat_map(|m| m.col_iter().flat_map(|c| c.iter().copied())).collect())
    };
    let predictions = share_out(comm, tasks.len(), held_out)?;
    for (&(g, fold), prediction) in tasks.iter().zip(&predictions) {
        let n_test = (fold..n).step_by(n_folds).len();
        let (mean, std) = prediction.split_at(prediction.len() / 2);
        for (k, j) in groups[g].0.iter().enumerate() {
            for (row, i) in (fold..n).step_by(n_folds).enumerate() {
                result.residuals[(i, *j)] = y[(i, *j)] - mean[k * n_test + row];
                result.std[(i, *j)] = std[k * n_test + row];
            }
        }
    }
    Ok(result)
}
