//! Which outputs share a Gaussian process.

use super::gaussian_process::{GaussianProcess, GpOptions, LooResult, gaussian_process};
use crate::error::Result;
use faer::{Mat, MatRef};
use rayon::prelude::*;

/// Processes for all outputs: each output has its own, unless leave-one-out says that a shared one is as good; outputs
/// that no process predicts better than their mean fall back to it ([`GaussianProcess::is_mean`]).
///
/// Returns pairs of output numbers (ascending) and their process. `x` [n, d], `y` [n, r].
pub fn grouped_gaussian_processes(x: MatRef<'_, f64>, y: MatRef<'_, f64>, options: &GpOptions) -> Result<Vec<(Vec<usize>, GaussianProcess)>> {
    let (n, r) = (y.nrows(), y.ncols());
    let own: Vec<Result<(GaussianProcess, LooResult)>> = (0..r)
        .into_par_iter()
        .map(|c| {
            let gp = gaussian_process(x, y.subcols(c, 1), options)?;
            let loo = gp.leave_one_out()?;
            Ok((gp, loo))
        })
        .collect();
    let own = own.into_iter().collect::<Result<Vec<_>>>()?;
    let mut shared_outputs = Vec::new();
    let mut shared = None;
    if r > 1 {
        let gp = gaussian_process(x, y, options)?;
        let loo = gp.leave_one_out()?;
        // Sharing wins ties: fewer factorisations online, and length scales that one output alone may have by luck.
        let margin = 0.01 * n as f64;
        shared_outputs = (0..r).filter(|&c| loo.log_density[c] >= own[c].1.log_density[0] - margin).collect();
        shared = Some((gp, loo));
    }
    let mut groups = Vec::new();
    if let Some((gp, loo)) = shared {
        shared_outputs.retain(|&c| better_than_mean(y, c, loo.residuals.col(c).squared_norm_l2()));
        if !shared_outputs.is_empty() {
            let columns = Mat::from_fn(n, shared_outputs.len(), |i, k| y[(i, shared_outputs[k])]);
            let hyper = gp.parts().hyperparameters.clone();
            groups.push((shared_outputs.clone(), GaussianProcess::with_hyperparameters(x, columns.as_ref(), hyper, false)?));
        }
    }
    for (c, (gp, loo)) in own.into_iter().enumerate() {
        if shared_outputs.contains(&c) {
            continue;
        }
        let useful = better_than_mean(y, c, loo.residuals.col(0).squared_norm_l2());
        let gp = if useful { gp } else { GaussianProcess::mean_only(x, y.subcols(c, 1))? };
        groups.push((vec![c], gp));
    }
    Ok(groups)
}

/// Leave-one-out sum of squares against that of the mean.
fn better_than_mean(y: MatRef<'_, f64>, c: usize, squares: f64) -> bool {
    let n = y.nrows() as f64;
    let mean = y.col(c).iter().sum::<f64>() / n;
    let spread: f64 = y.col(c).iter().map(|v| (v - mean).powi(2)).sum();
    squares < spread * (n / (n - 1.0)).powi(2)
}
