//! POD of each field, Gaussian processes for the coefficients, calibration by cross-validation.

use super::calibration::{FOLDS, Rows, TILE, calibrate, factor, stride};
use super::kept::Kept;
use super::{Progress, Store};
use crate::algorithms::conformal::normal_quantile;
use crate::algorithms::gaussian_process::GpOptions;
use crate::algorithms::gaussian_process_groups::{cross_validation_on, grouped_gaussian_processes_on};
use crate::algorithms::pod::{Algorithm, PodOptions, Truncation};
use crate::algorithms::pod_modes::modes;
use crate::algorithms::pod_spectrum::{few_of_many, spectrum};
use crate::comm::{Communicator, SingleComm, agree};
use crate::data::{FieldInfo, Table};
use crate::error::{Error, Result};
use crate::linalg::bookmark::Marked;
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::slabs::{Slabs, Watched};
use crate::linalg::tall::{Layout, TallMatrix};
use crate::online::{InputSpace, PodRegression, ReducedField, ScalarModel};
use faer::{Mat, MatRef};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

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

/// Refuses inputs and scalars whose squares would over- or underflow.
pub(super) fn check_tables(inputs: &Table, scalars: &Table) -> Result<()> {
    let most = |values: &[f64]| values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    for (names, table) in [("input", inputs), ("scalar", scalars)] {
        let mut columns = table.names.iter().enumerate();
        columns.try_for_each(|(j, name)| check_magnitude(&format!("{names} {name}"), most(&table.column(j))))?;
    }
    Ok(())
}

/// Fields one after the other: each is made ready when it is its turn, and is gone before the next one.
pub type Fields<'a> = dyn ExactSizeIterator<Item = Result<FieldSnapshots>> + 'a;

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
    let of_field = |f: &FieldSnapshots| f.snapshots.layout().comm().clone();
    let comm = fields.first().map_or_else(|| Arc::new(SingleComm) as Arc<dyn Communicator>, of_field);
    train(comm.as_ref(), inputs, &mut fields.into_iter().map(Ok), scalars, options, |_| ())
}

/// [`pod_regression`] of fields that are made ready one after the other: their inner products and readers are not in
/// memory at once, and processes [release](crate::algorithms::gaussian_process::GaussianProcess::release) what they can
/// compute again. An error of a field is the same on all ranks of `comm`. Collective.
pub fn pod_regression_of(
    comm: &dyn Communicator,
    inputs: &Table,
    fields: &mut Fields<'_>,
    scalars: &Table,
    options: &Options,
) -> Result<PodRegression> {
    let release = |field: &mut ReducedField| field.groups.iter_mut().for_each(|(_, process)| process.release());
    train(comm, inputs, fields, scalars, options, release)
}

fn train(
    comm: &dyn Communicator,
    inputs: &Table,
    fields: &mut Fields<'_>,
    scalars: &Table,
    options: &Options,
    done: impl Fn(&mut ReducedField),
) -> Result<PodRegression> {
    let (n, d) = (inputs.n_rows(), inputs.n_columns());
    if n < 3 {
        return Err(Error::argument("samples to train on", n, "at least 3"));
    }
    let x = Mat::from_fn(n, d, |i, j| inputs.row(i)[j]);
    let steps = 3 * fields.len() + scalars.n_columns();
    let step = |done: usize, what: &str, name: &str| options.progress.tell(&format!("{what} {name}"), done, steps);
    check_tables(inputs, scalars)?;
    // Whatever is small is the same on all ranks, and its fits are shared out.
    let mut trained = Vec::new();
    for (k, field) in fields.enumerate() {
        let field = field?;
        let name = field.info.name.clone();
        let mut reduced = reduce(field, x.as_ref(), options, |i, what| step(3 * k + i, what, &name))?;
        done(&mut reduced);
        trained.push(reduced);
    }
    assemble(comm, inputs, trained, scalars, options)
}

/// The model of fields that are trained: learns the scalars, which come behind three steps for each field. Collective.
pub(super) fn assemble(
    comm: &dyn Communicator,
    inputs: &Table,
    fields: Vec<ReducedField>,
    scalars: &Table,
    options: &Options,
) -> Result<PodRegression> {
    let n_snapshots = inputs.n_rows();
    let x = Mat::from_fn(n_snapshots, inputs.n_columns(), |i, j| inputs.row(i)[j]);
    let (first, steps) = (3 * fields.len(), 3 * fields.len() + scalars.n_columns());
    let mut models = Vec::new();
    for (k, name) in scalars.names.iter().enumerate() {
        options.progress.tell(&format!("regression of {name}"), first + k, steps);
        models.push(scalar_model(comm, name, x.as_ref(), scalars.column(k), options)?);
    }
    options.progress.tell("done", steps, steps);
    let (inputs, confidence) = (box_of(inputs), options.confidence);
    Ok(PodRegression { inputs, fields, scalars: models, confidence, n_snapshots })
}

/// The box of the training samples.
fn box_of(inputs: &Table) -> InputSpace {
    let bound = |pick: fn(f64, f64) -> f64, start: f64| {
        (0..inputs.n_columns()).map(|j| inputs.column(j).into_iter().fold(start, pick)).collect()
    };
    InputSpace {
        names: inputs.names.clone(),
        lower: bound(f64::min, f64::INFINITY),
        upper: bound(f64::max, f64::NEG_INFINITY),
    }
}

/// Learns one scalar output from its values `training` [n] at the inputs `x` [n, d], and calibrates its interval.
/// Collective.
fn scalar_model(
    comm: &dyn Communicator,
    name: &str,
    x: MatRef<'_, f64>,
    training: Vec<f64>,
    options: &Options,
) -> Result<ScalarModel> {
    let n = training.len();
    let y = Mat::from_fn(n, 1, |i, _| training[i]);
    let (y, with) = (y.as_ref(), &options.regression);
    let kept = Kept::new(options.checkpoint.as_deref(), comm, format!("scalar {name}"));
    let groups = kept.processes(|| grouped_gaussian_processes_on(comm, x, y, None, with))?;
    let held_out = cross_validation_on(comm, x, y, None, &groups, with, FOLDS.min(n))?;
    let scores: Vec<f64> = (0..n)
        .filter(|&i| held_out.std[(i, 0)] > 0.0)
        .map(|i| held_out.residuals[(i, 0)].abs() / held_out.std[(i, 0)])
        .collect();
    let interval_factor = factor(&scores, options.confidence)?;
    // One output is one group.
    let Some((_, process)) = groups.into_iter().next() else {
        return Err(Error::argument("scalar outputs", 0, 1));
    };
    Ok(ScalarModel { name: name.to_string(), process, interval_factor, training })
}

/// The POD that calibration works in: all modes that matter, of which the model keeps the leading ones.
pub(super) fn wide(options: &PodOptions, n: usize) -> PodOptions {
    let truncation = match (options.algorithm, options.truncation) {
        (_, Truncation::Tolerance(t)) => Truncation::Tolerance(t / 50.0),
        (Algorithm::Randomized | Algorithm::Incremental, modes) => modes,
        (Algorithm::Auto, Truncation::Modes(k)) if few_of_many(k, n) => Truncation::Modes(k),
        _ => Truncation::Tolerance(0.0),
    };
    PodOptions { truncation, ..options.clone() }
}

pub(super) fn square(v: &[f64]) -> f64 {
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
    let chosen = calibrating(&held, stride(n_dofs, n), rows.is_some().then_some(comm.as_ref()));
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
    drop(inner_product);
    step(1, "regression of");
    let y = c.subrows(0, r).transpose().to_owned();
    let groups = match r {
        0 => Vec::new(),
        _ => {
            kept.processes(|| grouped_gaussian_processes_on(comm.as_ref(), x, y.as_ref(), None, &options.regression))?
        }
    };

    let mut reduced = ReducedField {
        basis: owned_rows(found.basis),
        part: (comm.size() > 1 || rows.is_some()).then_some(held),
        mean: found.mean.as_ref().map(|m| m[layout.owned()].to_vec()),
        mean_coefficients: mean_modes,
        mean_square,
        residual_variance: found.residual_variance,
        residual_square: square(&found.missed) / n as f64,
        coefficients: c.subrows(0, r).to_owned(),
        missed: found.missed,
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
    let basis = |tile: Range<usize>, snapshots: MatRef<'_, f64>| {
        let beyond = spectrum.modes_beyond(snapshots, r..n_wide);
        let leading = |i: usize, k: usize| reduced.basis[(chosen[tile.start + i], k)];
        Mat::from_fn(tile.len(), n_wide, |i, k| if k < r { leading(i, k) } else { beyond[(i, k - r)] })
    };
    let tiles = tiles(&layout, &chosen);
    let rows = Rows { x, c, snapshots: found.kept, basis: &basis, tiles };
    let factors = calibrate(comm.as_ref(), &reduced, rows, options)?;
    kept.save_factors(factors);
    [reduced.interval_factor, reduced.indicator_factor] = factors;
    Ok(reduced)
}

/// Places among the `held` entries of a field of those that calibrate it: every `stride`th of the field. Where ranks of
/// `interfaces` hold the same entries, the lowest one takes them; collective then.
fn calibrating(held: &[usize], stride: usize, interfaces: Option<&dyn Communicator>) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..held.len()).filter(|l| held[*l].is_multiple_of(stride)).collect();
    if let Some(comm) = interfaces {
        let own: Vec<f64> = chosen.iter().map(|l| held[*l] as f64).collect();
        let lower: HashSet<usize> =
            comm.all_gather(&own).into_iter().take(comm.rank()).flatten().map(|g| g as usize).collect();
        chosen.retain(|l| !lower.contains(&held[*l]));
    }
    chosen
}

/// Chosen rows that are worked on together: those of a block of the layout, which is on one rank, or fewer.
fn tiles(layout: &Layout, chosen: &[usize]) -> Vec<Range<usize>> {
    let (first, size) = (layout.local_range().start, layout.block_rows());
    let mut tiles = Vec::new();
    let mut start = 0;
    for block in chosen.chunk_by(|a, b| (first + a) / size == (first + b) / size) {
        let end = start + block.len();
        tiles.extend((start..end).step_by(TILE).map(|i| i..(i + TILE).min(end)));
        start = end;
    }
    tiles
}

/// The owned rows, in place.
fn owned_rows(x: TallMatrix) -> Mat<f64> {
    let own = x.layout().owned();
    let mut local = x.into_local();
    if own.len() < local.nrows() {
        (0..local.ncols()).for_each(|j| local.col_as_slice_mut(j).copy_within(own.clone(), 0));
        local.truncate(own.len(), local.ncols());
    }
    local
}
