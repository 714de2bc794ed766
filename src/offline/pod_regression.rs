//! POD of each field, Gaussian processes for the coefficients, calibration by cross-validation.

use super::Progress;
use super::calibration::{Coordinates, FOLDS, cross_validate};
use crate::algorithms::conformal::{conformal_factor, normal_quantile};
use crate::algorithms::gaussian_process::{GpOptions, gaussian_process};
use crate::algorithms::gaussian_process_groups::{cross_validation, grouped_gaussian_processes};
use crate::algorithms::pod::{Algorithm, PodOptions, Truncation, few_of_many, pod, subtract};
use crate::data::{FieldInfo, Table};
use crate::error::{Error, Result};
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::tall::{TallMatrix, gather_rows};
use crate::online::{InputSpace, PodRegression, ReducedField, ScalarModel};
use faer::{Mat, MatRef};

/// Entries of a field whose held-out errors calibrate its intervals, at most; spread evenly over the field.
const CALIBRATION_ROWS: usize = 20_000;

/// The snapshots of one field and the inner product they are measured in.
pub struct FieldSnapshots {
    pub info: FieldInfo,
    /// [n_dofs, n], shared out over ranks.
    pub snapshots: TallMatrix,
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
}

impl Default for Options {
    fn default() -> Self {
        Options {
            pod: PodOptions::default(),
            regression: GpOptions::default(),
            confidence: 0.95,
            progress: Progress::default(),
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
/// Intervals and the indicator are scaled by the errors of models built without a fold of the samples. The model is
/// whole on every rank. Collective. Errors: fewer than 3 samples, K019 for magnitudes beyond 1e±130, and those of
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
    let mut trained = Vec::new();
    for (k, field) in fields.into_iter().enumerate() {
        let name = field.info.name.clone();
        trained.push(reduce(field, x.as_ref(), options, |i, what| step(3 * k + i, what, &name))?);
    }
    let mut models = Vec::new();
    for (k, name) in scalars.names.iter().enumerate() {
        step(3 * trained.len() + k, "regression of", name);
        let y = Mat::from_fn(n, 1, |i, _| scalars.row(i)[k]);
        let process = gaussian_process(x.as_ref(), y.as_ref(), None, &options.regression)?;
        let groups = [(vec![0], process)];
        let held_out = cross_validation(x.as_ref(), y.as_ref(), None, &groups, &options.regression, FOLDS.min(n))?;
        let [(_, process)] = groups;
        let scores: Vec<f64> = (0..n)
            .filter(|&i| held_out.std[(i, 0)] > 0.0)
            .map(|i| held_out.residuals[(i, 0)].abs() / held_out.std[(i, 0)])
            .collect();
        let interval_factor = factor(&scores, options.confidence)?;
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

fn column(m: MatRef<'_, f64>, j: usize) -> Vec<f64> {
    m.col(j).iter().copied().collect()
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
    let (n, layout) = (snapshots.n_columns(), snapshots.layout().clone());
    let (comm, n_dofs) = (layout.comm().clone(), info.n_dofs());
    let most = snapshots.owned().col_iter().flat_map(|c| c.iter()).fold(0.0_f64, |m, v| m.max(v.abs()));
    check_magnitude(&format!("field {}", info.name), comm.all_argmax(most, 0).0)?;
    let own = layout.owned();
    let rows = rows.unwrap_or_else(|| layout.local_range().collect());
    let all = pod(&snapshots, &inner_product, &wide(&options.pod, n)).map_err(|e| match e {
        Error::NotConverged { what, reached, wanted } => {
            Error::NotConverged { what: format!("{what} of field {}", info.name), reached, wanted }
        }
        other => other,
    })?;
    let r = all.count(options.pod.truncation);
    let centred = match &all.mean {
        Some(mean) => subtract(&snapshots, mean)?,
        None => snapshots,
    };
    let basis = TallMatrix::new(layout.clone(), all.basis.local().subcols(0, r).to_owned())?;
    let c = all.coefficients.as_ref();
    let residual = centred.local() - basis.mul_small(c.subrows(0, r)).local();
    let missed: Vec<f64> =
        (0..residual.nrows()).map(|i| residual.row(i).iter().map(|e| e * e).sum::<f64>() / n as f64).collect();
    let missed_norms = inner_product.norms(&TallMatrix::new(layout.clone(), residual)?);
    // (V, mean) in all modes, and (mean, mean).
    let (mean_all, mean_square) = match &all.mean {
        None => (vec![0.0; c.nrows()], 0.0),
        Some(m) => {
            let m = TallMatrix::new(layout.clone(), Mat::from_fn(m.len(), 1, |i, _| m[i]))?;
            let v = inner_product.cross(&all.basis, &m);
            (column(v.as_ref(), 0), inner_product.norms(&m)[0].powi(2))
        }
    };
    step(1, "regression of");
    let y = c.subrows(0, r).transpose().to_owned();
    let groups =
        if r == 0 { Vec::new() } else { grouped_gaussian_processes(x, y.as_ref(), None, &options.regression)? };

    let whole = |local: MatRef<'_, f64>| gather_rows(comm.as_ref(), &rows, local.subrows(own.start, own.len()), n_dofs);
    let as_column = |v: &[f64]| column(whole(Mat::from_fn(v.len(), 1, |i, _| v[i]).as_ref()).as_ref(), 0);
    let mut reduced = ReducedField {
        part: None,
        basis: whole(basis.local()),
        mean: all.mean.as_deref().map(as_column),
        mean_coefficients: mean_all[..r].to_vec(),
        mean_square,
        residual_variance: as_column(&missed),
        residual_square: square(&missed_norms) / n as f64,
        singular_values: all.singular_values.clone(),
        projection_error: all.projection_error_of(r),
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
    let stride = n_dofs.div_ceil(CALIBRATION_ROWS);
    let on_grid = rows.iter().enumerate().filter(|(_, g)| *g % stride == 0);
    let (chosen, places): (Vec<usize>, Vec<usize>) = on_grid.map(|(l, g)| (own.start + l, g / stride)).unzip();
    let some = |m: MatRef<'_, f64>| {
        let local = Mat::from_fn(chosen.len(), m.ncols(), |i, j| m[(chosen[i], j)]);
        gather_rows(comm.as_ref(), &places, local.as_ref(), n_dofs.div_ceil(stride))
    };
    let (basis, snapshots) = (some(all.basis.local()), some(centred.local()));
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
    for (s, missed) in missed_norms.iter().enumerate() {
        let (truth, predicted) = (column(c, s), column(held_out.c.as_ref(), s));
        // What all modes miss.
        let beyond = (missed.powi(2) - square(&truth[r..])).max(0.0);
        let norm = |c: &[f64]| square(c) + 2.0 * c.iter().zip(&mean_all).map(|(c, m)| c * m).sum::<f64>() + mean_square;
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
    Ok(reduced)
}
