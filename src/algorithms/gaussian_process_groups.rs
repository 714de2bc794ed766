//! Gaussian processes of many outputs, in groups that share a correlation where that costs nothing.

use crate::algorithms::gaussian_process::{GaussianProcess, GpOptions};
use crate::algorithms::hyperparameters::{Choice, Training};
use crate::error::Result;
use faer::MatRef;
use rayon::prelude::*;

/// Rounds in which outputs may leave the shared group.
const ROUNDS: usize = 3;

/// One process per group of outputs: (indices of the outputs, process), groups by their first output, indices ascending.
///
/// Every output is fitted alone and all are fitted together. Those whose leave-one-out log likelihood in the shared
/// correlation is no lower than alone stay together and are fitted again, until the group is stable; the others keep
/// a process of their own. Arguments, units and errors as in
/// [`gaussian_process`](crate::algorithms::gaussian_process::gaussian_process). Cost: about r + 2 times that of one process.
/// The result does not depend on the number of threads. Not collective.
pub fn grouped_gaussian_processes(
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
    let mut shared = training.choose(&group, options, &[])?;
    let warm = [shared.theta.clone()];
    let mut own: Vec<(usize, Choice)> = Vec::new();
    if group.len() > 1 {
        let fits: Result<Vec<(usize, Choice)>> =
            group.par_iter().map(|j| Ok((*j, training.choose(&[*j], options, &warm)?))).collect();
        own = fits?;
    }
    for _ in 0..ROUNDS {
        let alone = |j: &usize| own.iter().find(|(k, _)| k == j).and_then(|(_, c)| c.scores.first()).copied();
        let no_worse = |(j, score): &(&usize, &f64)| alone(j).is_none_or(|a| **score >= a);
        let kept: Vec<usize> = group.iter().zip(&shared.scores).filter(no_worse).map(|(j, _)| *j).collect();
        if kept.len() == group.len() {
            break;
        }
        group = kept;
        if group.len() < 2 {
            group.clear();
            break;
        }
        shared = training.choose(&group, options, &warm)?;
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
