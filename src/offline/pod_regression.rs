//! POD of each field, Gaussian processes for the coefficients, calibration by cross-validation.

use crate::algorithms::conformal::{conformal_factor, normal_quantile};
use crate::algorithms::gaussian_process::{GpOptions, gaussian_process};
use crate::algorithms::gaussian_process_groups::{cross_validation, grouped_gaussian_processes};
use crate::algorithms::pod::{Pod, PodOptions, pod, subtract};
use crate::data::{FieldInfo, Table};
use crate::error::{Error, Result};
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::tall::TallMatrix;
use crate::online::{InputSpace, PodRegression, ReducedField, ScalarModel};
use faer::{Mat, MatRef};

/// Folds of the cross-validation that calibrates intervals and indicator.
const FOLDS: usize = 12;

/// The snapshots of one field and the inner product they are measured in.
pub struct FieldSnapshots {
    pub info: FieldInfo,
    pub snapshots: TallMatrix,
    pub inner_product: InnerProduct,
}

/// Options of [`pod_regression`].
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub pod: PodOptions,
    pub regression: GpOptions,
    /// Share of entries that the intervals are to cover.
    pub confidence: f64,
}

/// Fits POD + GP: `inputs` [n, d], each field [n_dofs, n], `scalars` [n, n_scalars].
///
/// Intervals and the indicator are scaled by residuals of held-out folds. Errors: fewer than 3 samples, and those of
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
    let mut trained = Vec::new();
    for field in fields {
        trained.push(reduce(field, x.as_ref(), options)?);
    }
    let mut models = Vec::new();
    for (k, name) in scalars.names.iter().enumerate() {
        let y = Mat::from_fn(n, 1, |i, _| scalars.row(i)[k]);
        let process = gaussian_process(x.as_ref(), y.as_ref(), None, &options.regression)?;
        let loo = process.leave_one_out();
        let scores: Vec<f64> =
            (0..n).filter(|&i| loo.std[(i, 0)] > 0.0).map(|i| loo.residuals[(i, 0)].abs() / loo.std[(i, 0)]).collect();
        let interval_factor = factor(&scores, options.confidence)?;
        models.push(ScalarModel { name: name.clone(), process, interval_factor });
    }
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

fn reduce(field: FieldSnapshots, x: MatRef<'_, f64>, options: &Options) -> Result<ReducedField> {
    let FieldSnapshots { info, snapshots, inner_product } = field;
    let n = snapshots.n_columns();
    let Pod { basis, singular_values, mean, coefficients, .. } = pod(&snapshots, &inner_product, &options.pod)?;
    let centred = match &mean {
        Some(mean) => subtract(&snapshots, mean)?,
        None => snapshots,
    };
    let residual = centred.local() - basis.mul_small(coefficients.as_ref()).local();
    let residual_variance: Vec<f64> =
        (0..residual.nrows()).map(|i| (0..n).map(|s| residual[(i, s)].powi(2)).sum::<f64>() / n as f64).collect();
    let residual = TallMatrix::new(centred.layout().clone(), residual)?;
    let residual_square = inner_product.norms(&residual).iter().map(|v| v * v).sum::<f64>() / n as f64;
    let (mean_coefficients, mean_square) = match &mean {
        None => (vec![0.0; basis.n_columns()], 0.0),
        Some(m) => {
            let m = TallMatrix::new(centred.layout().clone(), Mat::from_fn(m.len(), 1, |i, _| m[i]))?;
            let c = inner_product.cross(&basis, &m);
            ((0..c.nrows()).map(|i| c[(i, 0)]).collect(), inner_product.norms(&m)[0].powi(2))
        }
    };
    let y = coefficients.transpose().to_owned();
    let (groups, held_out) = if y.ncols() == 0 {
        (Vec::new(), None)
    } else {
        let groups = grouped_gaussian_processes(x, y.as_ref(), None, &options.regression)?;
        let folds = cross_validation(x, y.as_ref(), None, &groups, &options.regression, FOLDS.min(n))?;
        (groups, Some(folds))
    };
    let mut reduced = ReducedField {
        info,
        basis: basis.into_local(),
        mean,
        mean_coefficients,
        mean_square,
        residual_variance,
        residual_square,
        singular_values,
        groups,
        interval_factor: normal_quantile(options.confidence),
        indicator_factor: 1.0,
    };
    let Some(loo) = held_out else { return Ok(reduced) };
    // Residual of sample s: what the modes miss, plus V times the residual of its coefficients.
    let errors = residual.local() + reduced_product(&reduced, loo.residuals.as_ref());
    let variances = Mat::from_fn(y.ncols(), n, |j, s| loo.std[(s, j)].powi(2));
    let std = reduced.standard_deviation(variances.as_ref());
    let scores: Vec<f64> = (0..n)
        .flat_map(|s| {
            errors
                .col(s)
                .iter()
                .zip(std.col(s).iter())
                .filter(|(_, d)| **d > 0.0)
                .map(|(e, d)| e.abs() / d)
                .collect::<Vec<_>>()
        })
        .collect();
    reduced.interval_factor = factor(&scores, options.confidence)?;
    let norms = inner_product.norms(&TallMatrix::new(centred.layout().clone(), errors)?);
    let ratios: Vec<f64> = (0..n)
        .filter_map(|s| {
            let c: Vec<f64> = (0..y.ncols()).map(|j| y[(s, j)] - loo.residuals[(s, j)]).collect();
            let v: Vec<f64> = variances.col(s).iter().copied().collect();
            let raw = reduced.raw_indicator(&c, &v);
            let truth: f64 =
                (0..y.ncols()).map(|j| y[(s, j)] * (y[(s, j)] + 2.0 * reduced.mean_coefficients[j])).sum::<f64>()
                    + reduced.mean_square;
            (raw > 0.0 && truth > 0.0).then(|| norms[s] / truth.sqrt() / raw)
        })
        .collect();
    if !ratios.is_empty() {
        reduced.indicator_factor = (ratios.iter().map(|r| r * r).sum::<f64>() / ratios.len() as f64).sqrt();
    }
    Ok(reduced)
}

/// V Eᵀ for residuals E [n, n_modes].
fn reduced_product(field: &ReducedField, residuals: MatRef<'_, f64>) -> Mat<f64> {
    crate::linalg::tall::mul_rows(field.basis.as_ref(), residuals.transpose())
}
