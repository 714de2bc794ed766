//! POD of each field, Gaussian processes for the coefficients, calibration by cross-validation.

use super::calibration::{Coordinates, FOLDS, cross_validate};
use super::kept::Kept;
use super::{Progress, Store};
use crate::algorithms::conformal::{conformal_factor, normal_quantile};
use crate::algorithms::gaussian_process::{GpOptions, gaussian_process};
use crate::algorithms::gaussian_process_groups::{cross_validation, grouped_gaussian_processes};
use crate::algorithms::pod::{Algorithm, PodOptions, Truncation};
use crate::algorithms::pod_modes::modes;
use crate::algorithms::pod_spectrum::{few_of_many, spectrum};
use crate::comm::{Communicator, SingleComm, agree};
use crate::data::{FieldInfo, Table};
use crate::error::{Error, Result};
use crate::linalg::bookmark::Marked;
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::slabs::{Slabs, Watched};
use crate::linalg::tall::{TallMatrix, gather_rows};
use crate::online::{InputSpace, PodRegression, ReducedField, ScalarModel};
use faer::{Mat, MatRef};
use std::sync::Arc;

/// Entries of a field whose held-out errors calibrate its intervals, at most; spread evenly over the field.
const CALIBRATION_ROWS: usize = 20_000;

/// The snapshots of one field and the inner product they are measured in.
pub struct FieldSnapshots {
    pub info: FieldInfo,
    /// [n_dofs, n], shared out over ranks, in memory or slab by slab.
    pub snapshots: Box<dyn Slabs>,
    pub inner_product: InnerProduct,
    /// Entry of the field that each row of the layout is, where interface rows are on several ranks; `None` where every
    /// row is owned once.
    pub rows: Option<Vec<usize>>,
}

/// Options of [`pod_regression`].
#[derive(Debug, Clone)]
pub struct Options {
    pub pod: PodOptions,
    pub regression: GpOptions,
    /// Share of entries that the intervals are to cover.
    pub confidence: f64,
    pub progress: Progress,
    /// Where what is done is kept for a run that goes on when this one is stopped.
    pub checkpoint: Option<Arc<dyn Store>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            pod: PodOptions::default(),
            regression: GpOptions::default(),
            confidence: 0.95,
            progress: Progress::default(),
            checkpoint: None,
        }
    }
}

/// Largest magnitudes whose squares, summed and in relation to each other, are computed without loss.
const MAGNITUDES: std::ops::RangeInclusive<f64> = 1e-130..=1e130;

/// Refuses values whose squares would over- or underflow; `what` names them, `largest` is their largest magnitude.
///
/// Zero is allowed. Error: K019.
pub fn check_magnitude(what: &str, largest: f64) -> Result<()> {
    if largest == 0.0 || !largest.is_finite() || MAGNITUDES.contains(&largest) {
        return Ok(());
    }
    let found = format!("a largest magnitude of {largest:.1e}");
    let expected = format!("one between {:e} and {:e}", MAGNITUDES.start(), MAGNITUDES.end());
    let mend = "write the values in other units, or leave them out";
    Err(Error::input("K019", "snapshots", what, found, expected, mend))
}

/// Fits POD + GP: `inputs` [n, d], each field [n_dofs, n], `scalars` [n, n_scalars].
///
/// Intervals and the indicator are scaled by the errors of models built without a fold of the samples. Every rank holds
/// its rows of the model, and all that is small. Collective. Errors: fewer than 3 samples, K019 for magnitudes beyond 1e±130, and those of
/// [`pod`] and the Gaussian processes. Cost: the POD and about FOLDS + 1 fits of the processes.
pub fn pod_regression(
    inputs: &Table,
    fields: Vec<FieldSnapshots>,
    scalars: &Table,
    options: &Options,
) -> Result<PodRegression> {
    let (n, d) = (inputs.n_rows(), inputs.n_columns());
    if n < 3 {
        return Err(Error::argument("samples to train on", n, "at least 3"));
    }
    let x = Mat::from_fn(n, d, |i, j| inputs.row(i)[j]);
    let steps = 3 * fields.len() + scalars.n_columns();
    let step = |done: usize, what: &str, name: &str| options.progress.tell(&format!("{what} {name}"), done, steps);
    let most = |values: &[f64]| values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    for (names, table) in [("input", inputs), ("scalar", scalars)] {
        let mut columns = table.names.iter().enumerate();
        columns.try_for_each(|(j, name)| check_magnitude(&format!("{names} {name}"), most(&table.column(j))))?;
    }
    let comm: Arc<dyn Communicator> = match fields.first() {
        Some(field) => field.snapshots.layout().comm().clone(),
        None => Arc::new(SingleComm),
    };
    let mut trained = Vec::new();
    for (k, field) in fields.into_iter().enumerate() {
        let name = field.info.name.clone();
        trained.push(reduce(field, x.as_ref(), options, |i, what| step(3 * k + i, what, &name))?);
    }
    let mut models = Vec::new();
    for (k, name) in scalars.names.iter().enumerate() {
        step(3 * trained.len() + k, "regression of", name);
        let y = Mat::from_fn(n, 1, |i, _| scalars.row(i)[k]);
        let kept = Kept::new(options.checkpoint.as_deref(), comm.as_ref(), format!("scalar {name}"));
        let mut groups = kept.processes(|| {
            let process = gaussian_process(x.as_ref(), y.as_ref(), None, &options.regression)?;
            Ok(vec![(vec![0], process)])
        })?;
        let held_out = cross_validation(x.as_ref(), y.as_ref(), None, &groups, &options.regression, FOLDS.min(n))?;
        let scores: Vec<f64> = (0..n)
            .filter(|&i| held_out.std[(i, 0)] > 0.0)
            .map(|i| held_out.residuals[(i, 0)].abs() / held_out.std[(i, 0)])
            .collect();
        let interval_factor = factor(&scores, options.confidence)?;
        let Some((_, process)) = groups.pop() else { continue };
        models.push(ScalarModel { name: name.clone(), process, interval_factor });
    }
    options.progress.tell("done", steps, steps);
    let bound = |pick: fn(f64, f64) -> f64, start: f64| {
        (0..d).map(|j| inputs.column(j).into_iter().fold(start, pick)).collect()
    };
    Ok(PodRegression {
        inputs: InputSpace {
            names: inputs.names.clone(),
            lower: bound(f64::min, f64::INFINITY),
            upper: bound(f64::max, f64::NEG_INFINITY),
        },
        fields: trained,
        scalars: models,
        confidence: options.confidence,
        n_snapshots: n,
    })
}

fn factor(scores: &[f64], confidence: f64) -> Result<f64> {
    if scores.is_empty() { Ok(normal_quantile(confidence)) } else { conformal_factor(scores, confidence) }
}

/// The POD that calibration works in: all modes that matter, of which the model keeps the leading ones.
fn wide(options: &PodOptions, n: usize) -> PodOptions {
    let truncation = match (options.algorithm, options.truncation) {
        (_, Truncation::Tolerance(t)) => Truncation::Tolerance(t / 50.0),
        (Algorithm::Randomized, modes) => modes,
        (Algorithm::Auto, Truncation::Modes(k)) if few_of_many(k, n) => Truncation::Modes(k),
        _ => Truncation::Tolerance(0.0),
    };
    PodOptions { truncation, ..options.clone() }
}

fn square(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum()
}

fn reduce(
    field: FieldSnapshots,
    x: MatRef<'_, f64>,
    options: &Options,
    step: impl Fn(usize, &str),
) -> Result<ReducedField> {
    step(0, "POD of");
    let FieldSnapshots { info, snapshots, inner_product, rows } = field;
    let layout = snapshots.layout().clone();
    let (n, n_dofs, comm) = (snapshots.n_columns(), info.n_dofs(), layout.comm().clone());
    let own = layout.owned();
    let wide = wide(&options.pod, n);
    let kept = Kept::new(options.checkpoint.as_deref(), comm.as_ref(), format!("field {}", info.name));
    let marked = kept.bookmark().map(|mark| Marked::new(snapshots.as_ref(), mark));
    let spectrum = kept.spectrum(|| {
        let watched = Watched::new(marked.as_ref().map_or(snapshots.as_ref(), |marked| marked));
        let spectrum = spectrum(&watched, &inner_product, &wide).map_err(|e| e.of_field(&info.name));
        // Without magnitudes that can be squared nothing converges: that is told first.
        let largest = comm.all_argmax(agree(comm.as_ref(), watched.largest())?, 0).0;
        check_magnitude(&format!("field {}", info.name), largest)?;
        spectrum
    })?;
    let r = spectrum.count(options.pod.truncation).min(spectrum.count(wide.truncation));
    let held: Vec<usize> = rows.clone().unwrap_or_else(|| layout.local_range().collect());
    let stride = n_dofs.div_ceil(CALIBRATION_ROWS);
    let on_grid = held.iter().enumerate().filter(|(_, g)| *g % stride == 0);
    let (chosen, places): (Vec<usize>, Vec<usize>) = on_grid.map(|(l, g)| (l, g / stride)).unzip();
    let found = modes(snapshots.as_ref(), &inner_product, &wide, &spectrum, r, Some(&chosen))?;
    // The memory of the snapshots is free for what follows.
    drop(snapshots);
    let n_wide = spectrum.count(wide.truncation).min(found.wide_coefficients.nrows());
    let c = found.wide_coefficients.subrows(0, n_wide);
    // (V, mean) in the modes, and (mean, mean); in the modes beyond, as far as the truncation of calibration goes.
    let (mean_modes, mean_square) = match &found.mean {
        None => (vec![0.0; r], 0.0),
        Some(m) => {
            let m = TallMatrix::new(layout.clone(), Mat::from_fn(m.len(), 1, |i, _| m[i]))?;
            let v = inner_product.cross(&found.basis, &m);
            ((0..r).map(|k| v[(k, 0)]).collect(), inner_product.norms(&m)[0].powi(2))
        }
    };
    step(1, "regression of");
    let y = c.subrows(0, r).transpose().to_owned();
    let groups = match r {
        0 => Vec::new(),
        _ => kept.processes(|| grouped_gaussian_processes(x, y.as_ref(), None, &options.regression))?,
    };

    let mut reduced = ReducedField {
        basis: if own.len() == layout.n_local() { found.basis.into_local() } else { found.basis.owned().to_owned() },
        part: (comm.size() > 1 || rows.is_some()).then_some(held),
        mean: found.mean.as_ref().map(|m| m[own.clone()].to_vec()),
        mean_coefficients: mean_modes.clone(),
        mean_square,
        residual_variance: found.residual_variance,
        residual_square: square(&found.missed) / n as f64,
        projection_error: spectrum.projection_error_of(r),
        singular_values: spectrum.sigma.clone(),
        truncation: options.pod.truncation,
        groups,
        interval_factor: normal_quantile(options.confidence),
        indicator_factor: 1.0,
        info,
    };
    if r == 0 {
        return Ok(reduced);
    }

    step(2, "calibration of");
    if let Some([interval, indicator]) = kept.factors() {
        (reduced.interval_factor, reduced.indicator_factor) = (interval, indicator);
        return Ok(reduced);
    }
    let places_in_all = n_dofs.div_ceil(stride);
    let gathered = |m: MatRef<'_, f64>| gather_rows(comm.as_ref(), &places, m, places_in_all);
    let snapshots = gathered(found.kept.as_ref());
    let leading = gathered(Mat::from_fn(chosen.len(), r, |i, k| reduced.basis[(chosen[i], k)]).as_ref());
    // On every rank from the same numbers in the same order: the same bits on any number of ranks.
    let beyond = spectrum.modes_beyond(snapshots.as_ref(), r..n_wide);
    let basis = Mat::from_fn(places_in_all, n_wide, |i, k| if k < r { leading[(i, k)] } else { beyond[(i, k - r)] });
    let held_out = cross_validate(
        &Coordinates {
            x,
            c,
            basis: basis.as_ref(),
            snapshots: snapshots.as_ref(),
            center: options.pod.center,
            truncation: options.pod.truncation,
            groups: &reduced.groups,
            options: &options.regression,
        },
        FOLDS,
    )?;
    let pairs = (0..n).flat_map(|s| held_out.errors.col(s).iter().zip(held_out.std.col(s).iter()));
    let scores: Vec<f64> = pairs.filter(|(_, d)| **d > 0.0).map(|(e, d)| e.abs() / d).collect();
    reduced.interval_factor = factor(&scores, options.confidence)?;

    let mut ratios = Vec::new();
    for (s, missed) in found.missed.iter().enumerate() {
        let column = |m: MatRef<'_, f64>| -> Vec<f64> { m.col(s).iter().copied().collect() };
        let (truth, predicted) = (column(c), column(held_out.c.as_ref()));
        // What all modes miss.
        let beyond = (missed.powi(2) - square(&truth[r..])).max(0.0);
        let mean_part = |c: &[f64]| 2.0 * c.iter().zip(&mean_modes).map(|(c, m)| c * m).sum::<f64>() + mean_square;
        let norm = |c: &[f64]| square(c) + mean_part(c);
        let error: f64 = truth.iter().zip(&predicted).map(|(t, p)| (t - p).powi(2)).sum::<f64>() + beyond;
        let size = norm(&truth) + beyond;
        let raw = held_out.expected_square[s] / norm(&predicted).max(f64::MIN_POSITIVE);
        if raw > 0.0 && size > 0.0 {
            ratios.push(error / size / raw);
        }
    }
    if !ratios.is_empty() {
        reduced.indicator_factor = (ratios.iter().sum::<f64>() / ratios.len() as f64).sqrt();
    }
    kept.save_factors([reduced.interval_factor, reduced.indicator_factor]);
    Ok(reduced)
}
