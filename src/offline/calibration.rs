//! Calibration of a POD + GP model on samples that its parts have not seen.

use super::pod_regression::{Options, square};
use crate::algorithms::conformal::{conformal_factor, normal_quantile};
use crate::algorithms::gaussian_process::GpOptions;
use crate::algorithms::gaussian_process_groups::refit;
use crate::algorithms::pod::{Truncation, count};
use crate::comm::{Communicator, share_out};
use crate::error::Result;
use crate::linalg::dense;
use crate::online::ReducedField;
use crate::online::pod_regression::{Groups, evaluate};
use faer::{Mat, MatRef};

/// Folds of the cross-validation.
pub const FOLDS: usize = 12;

/// A field in the coordinates of a basis that holds (almost) all of its snapshots.
pub struct Coordinates<'a> {
    /// Inputs [n, d].
    pub x: MatRef<'a, f64>,
    /// Coefficients of the centred snapshots in that basis [k, n].
    pub c: MatRef<'a, f64>,
    /// Some rows of the basis [rows, k], and of the centred snapshots [rows, n].
    pub basis: MatRef<'a, f64>,
    pub snapshots: MatRef<'a, f64>,
    /// Whether the mean of the training samples is subtracted.
    pub center: bool,
    pub truncation: Truncation,
    /// The model's processes: their kernels, means and groups are kept, all else is fitted again.
    pub groups: &'a Groups,
    pub options: &'a GpOptions,
}

/// Predictions of samples by models that were built without them.
pub struct HeldOut {
    /// Predicted coordinates [k, n].
    pub c: Mat<f64>,
    /// Errors (truth - prediction) and standard deviations on the rows [rows, n].
    pub errors: Mat<f64>,
    pub std: Mat<f64>,
    /// Mean square error that the model itself expects, in the norm of the basis [n].
    pub expected_square: Vec<f64>,
}

struct Fold {
    c: Mat<f64>,
    variances: Mat<f64>,
    expected_square: Vec<f64>,
}

impl Fold {
    /// Sample by sample: coordinates, variances, expected square.
    fn pack(&self) -> Vec<f64> {
        let mut packed = Vec::with_capacity(self.c.ncols() * (self.c.nrows() + self.variances.nrows() + 1));
        for (j, square) in self.expected_square.iter().enumerate() {
            packed.extend_from_slice(self.c.col_as_slice(j));
            packed.extend_from_slice(self.variances.col_as_slice(j));
            packed.push(*square);
        }
        packed
    }
}

/// Predicts each sample by POD and processes that were built again without its fold; the fold of sample i is
/// i modulo `n_folds`.
///
/// In coordinates c of an orthonormal basis, the POD of the snapshots that remain is an SVD of k x n numbers, so a fold
/// costs no pass over the degrees of freedom. Unlike scores of the coefficients in the basis of all samples, these see
/// the directions that the snapshots that remain do not span. The folds are shared out over ranks, which all have the
/// same data and get the same result. Collective; the same on any number of threads and ranks.
pub fn cross_validate(comm: &dyn Communicator, field: &Coordinates<'_>, n_folds: usize) -> Result<HeldOut> {
    let (k, n, rows) = (field.c.nrows(), field.c.ncols(), field.basis.nrows());
    let n_folds = n_folds.min(n);
    let folds = share_out(comm, n_folds, |f| Ok(one(field, f, n_folds)?.pack()))?;
    let mut out = HeldOut {
        c: Mat::zeros(k, n),
        errors: field.snapshots.to_owned(),
        std: Mat::zeros(rows, n),
        expected_square: vec![0.0; n],
    };
    for (f, fold) in folds.iter().enumerate() {
        for (s, numbers) in (f..n).step_by(n_folds).zip(fold.chunks(k + rows + 1)) {
            let (c, rest) = numbers.split_at(k);
            out.c.col_as_slice_mut(s).copy_from_slice(c);
            out.std.col_as_slice_mut(s).iter_mut().zip(rest).for_each(|(std, v)| *std = v.max(0.0).sqrt());
            out.expected_square[s] = rest[rows];
        }
    }
    dense::gemm(out.errors.as_mut(), true, field.basis, out.c.as_ref(), -1.0);
    Ok(out)
}

fn pick(a: MatRef<'_, f64>, columns: &[usize]) -> Mat<f64> {
    Mat::from_fn(a.nrows(), columns.len(), |i, j| a[(i, columns[j])])
}

fn squares(a: MatRef<'_, f64>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] * a[(i, j)])
}

fn one(field: &Coordinates<'_>, fold: usize, n_folds: usize) -> Result<Fold> {
    let (test, train): (Vec<usize>, Vec<usize>) = (0..field.c.ncols()).partition(|i| i % n_folds == fold);
    let (k, n) = (field.c.nrows(), train.len());
    let mut c = pick(field.c, &train);
    let mean: Vec<f64> = match field.center {
        true => (0..k).map(|i| c.row(i).iter().sum::<f64>() / n as f64).collect(),
        false => vec![0.0; k],
    };
    c.col_iter_mut().for_each(|column| column.iter_mut().zip(&mean).for_each(|(c, m)| *c -= m));
    let (u, sigma, _) = dense::thin_svd(c.as_ref())?;
    let total: f64 = sigma.iter().map(|s| s * s).sum();
    let rank = sigma.iter().take_while(|s| **s > 64.0 * f64::EPSILON * sigma[0]).count();
    let outputs: usize = field.groups.iter().map(|(o, _)| o.len()).sum();
    let r = count(&sigma, rank, field.truncation, total).min(outputs);
    let u = u.subcols(0, r);
    let a = dense::mul(u.transpose(), c.as_ref());

    let x_of = |rows: &[usize]| Mat::from_fn(rows.len(), field.x.ncols(), |i, j| field.x[(rows[i], j)]);
    let (x_train, x_test) = (x_of(&train), x_of(&test));
    let mut groups = Groups::new();
    for (outputs, process) in field.groups {
        let outputs: Vec<usize> = outputs.iter().copied().filter(|o| *o < r).collect();
        if !outputs.is_empty() {
            let y = Mat::from_fn(n, outputs.len(), |i, j| a[(outputs[j], i)]);
            let again = refit(process, x_train.as_ref(), y.as_ref(), None, field.options)?;
            groups.push((outputs, again));
        }
    }
    let (value, std) = evaluate(&groups, r, x_test.as_ref())?;
    let variance = squares(std.as_ref());

    let basis = dense::mul(field.basis, u);
    let missed = pick(field.snapshots, &train) - dense::mul(field.basis, dense::mul(u, a.as_ref()).as_ref());
    let shift: Vec<f64> = (0..basis.nrows()).map(|i| (0..k).map(|j| field.basis[(i, j)] * mean[j]).sum()).collect();
    let residual: Vec<f64> = (0..basis.nrows())
        .map(|i| missed.row(i).iter().map(|e| (e - shift[i]).powi(2)).sum::<f64>() / n as f64)
        .collect();
    let mut variances = dense::mul(squares(basis.as_ref()).as_ref(), variance.as_ref());
    variances.col_iter_mut().for_each(|column| column.iter_mut().zip(&residual).for_each(|(v, r)| *v += r));
    let tail: f64 = sigma[r..].iter().map(|s| s * s).sum::<f64>() / n as f64;
    let mut c = dense::mul(u, value.as_ref());
    c.col_iter_mut().for_each(|column| column.iter_mut().zip(&mean).for_each(|(c, m)| *c += m));
    let expected_square = variance.col_iter().map(|v| v.iter().sum::<f64>() + tail).collect();
    Ok(Fold { c, variances, expected_square })
}

/// What a field is calibrated on: all of its samples in the coordinates of a basis whose leading modes the model keeps.
pub struct Rows<'a> {
    /// Inputs [n, d].
    pub x: MatRef<'a, f64>,
    /// Coefficients [k, n].
    pub c: MatRef<'a, f64>,
    /// Some rows of the basis [rows, k], and of the centred snapshots [rows, n].
    pub basis: MatRef<'a, f64>,
    pub snapshots: MatRef<'a, f64>,
}

/// Scales intervals and indicator of a field by the errors of models that were built without a fold of the samples. The
/// folds are shared out over ranks that all have the same data. Collective; cost: that of [`cross_validate`].
pub fn calibrate(comm: &dyn Communicator, field: &mut ReducedField, rows: &Rows<'_>, options: &Options) -> Result<()> {
    let held_out = cross_validate(
        comm,
        &Coordinates {
            x: rows.x,
            c: rows.c,
            basis: rows.basis,
            snapshots: rows.snapshots,
            center: field.mean.is_some(),
            truncation: field.truncation,
            groups: &field.groups,
            options: &options.regression,
        },
        FOLDS,
    )?;
    let (r, n) = (field.n_modes(), rows.c.ncols());
    let pairs = (0..n).flat_map(|s| held_out.errors.col(s).iter().zip(held_out.std.col(s).iter()));
    let scores: Vec<f64> = pairs.filter(|(_, d)| **d > 0.0).map(|(e, d)| e.abs() / d).collect();
    field.interval_factor = factor(&scores, options.confidence)?;

    let mut ratios = Vec::new();
    for (s, missed) in field.missed.iter().enumerate() {
        let column = |m: MatRef<'_, f64>| -> Vec<f64> { m.col(s).iter().copied().collect() };
        let (truth, predicted) = (column(rows.c), column(held_out.c.as_ref()));
        // What all modes miss.
        let beyond = (missed.powi(2) - square(&truth[r..])).max(0.0);
        let cross = |c: &[f64]| c.iter().zip(&field.mean_coefficients).map(|(c, m)| c * m).sum::<f64>();
        let norm = |c: &[f64]| square(c) + 2.0 * cross(c) + field.mean_square;
        let error: f64 = truth.iter().zip(&predicted).map(|(t, p)| (t - p).powi(2)).sum::<f64>() + beyond;
        let size = norm(&truth) + beyond;
        let raw = held_out.expected_square[s] / norm(&predicted).max(f64::MIN_POSITIVE);
        if raw > 0.0 && size > 0.0 {
            ratios.push(error / size / raw);
        }
    }
    if !ratios.is_empty() {
        field.indicator_factor = (ratios.iter().sum::<f64>() / ratios.len() as f64).sqrt();
    }
    Ok(())
}

/// Half-width of an interval over the standard deviation, from errors over standard deviations.
pub(super) fn factor(scores: &[f64], confidence: f64) -> Result<f64> {
    if scores.is_empty() { Ok(normal_quantile(confidence)) } else { conformal_factor(scores, confidence) }
}
