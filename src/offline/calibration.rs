//! Calibration of a POD + GP model on samples that its parts have not seen.

use super::pod_regression::{Options, square};
use crate::algorithms::conformal::{conformal_factor, normal_quantile, shared_conformal_factor};
use crate::algorithms::gaussian_process::GpOptions;
use crate::algorithms::gaussian_process_groups::refit;
use crate::algorithms::pod::{Truncation, count};
use crate::comm::{Communicator, share_out};
use crate::error::Result;
use crate::linalg::dense;
use crate::online::ReducedField;
use crate::online::pod_regression::{Groups, evaluate};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;
use std::ops::Range;

/// Folds of the cross-validation.
pub const FOLDS: usize = 12;
/// Entries of a field whose held-out errors calibrate its intervals, at most; spread evenly over the field.
const ROWS: usize = 20_000;
/// Their values in all samples, at most: many samples need fewer rows.
const VALUES: usize = 5_000_000;
/// Squares of norms below this share of the largest are round-off.
const ZERO: f64 = 1e-12;
/// Rows whose scores are computed together: these stay in the cache.
pub(super) const TILE: usize = 512;

/// Every so manieth entry of a field calibrates.
pub(super) fn stride(n_dofs: usize, n_samples: usize) -> usize {
    n_dofs.div_ceil(ROWS.min(VALUES / n_samples.max(1)).max(1)).max(1)
}

/// A field in the coordinates of a basis that holds (almost) all of its snapshots.
pub struct Coordinates<'a> {
    /// Inputs [n, d].
    pub x: MatRef<'a, f64>,
    /// Coefficients of the centred snapshots in that basis [k, n].
    pub c: MatRef<'a, f64>,
    /// Whether the mean of the training samples is subtracted.
    pub center: bool,
    pub truncation: Truncation,
    /// The model's processes: their kernels, means and groups are kept, all else is fitted again.
    pub groups: &'a Groups,
    pub options: &'a GpOptions,
}

/// A model that was built without a fold of the samples, and what it predicts for that fold; in coordinates.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    /// Modes [k, r].
    pub modes: Mat<f64>,
    /// Coefficients of the samples that it was built from [r, n_train].
    pub a: Mat<f64>,
    /// Mean of their coordinates (zero where nothing is centred) [k].
    pub mean: Vec<f64>,
    /// Predicted coordinates [k, n_test] and variances of the coefficients [r, n_test].
    pub c: Mat<f64>,
    pub variances: Mat<f64>,
    /// Mean square error that it expects itself, in the norm of the basis [n_test].
    pub expected_square: Vec<f64>,
}

impl HeldOut {
    fn pack(&self) -> Vec<f64> {
        let mut packed = vec![self.modes.ncols() as f64];
        for m in [&self.modes, &self.a, &self.c, &self.variances] {
            (0..m.ncols()).for_each(|j| packed.extend_from_slice(m.col_as_slice(j)));
        }
        packed.extend(self.mean.iter().chain(&self.expected_square));
        packed
    }

    /// Of a fold of `n_test` samples among n, in k coordinates.
    fn unpack(packed: &[f64], k: usize, n: usize, n_test: usize) -> HeldOut {
        let (r, mut rest) = packed.split_first().map_or((0, packed), |(r, rest)| (*r as usize, rest));
        let mut take = |rows: usize, columns: usize| {
            let (values, after) = rest.split_at((rows * columns).min(rest.len()));
            rest = after;
            Mat::from_fn(rows, columns, |i, j| values.get(j * rows + i).copied().unwrap_or(f64::NAN))
        };
        let (modes, a, c, variances) = (take(k, r), take(r, n - n_test), take(k, n_test), take(r, n_test));
        let mut list = |length: usize| take(length, 1).col_as_slice(0).to_vec();
        HeldOut { modes, a, c, variances, mean: list(k), expected_square: list(n_test) }
    }
}

/// Samples that are held out of a fold, and those that are not.
fn parts(n: usize, fold: usize, n_folds: usize) -> (Vec<usize>, Vec<usize>) {
    (0..n).partition(|i| i % n_folds == fold)
}

/// Predicts each sample by POD and processes that were built again without its fold; the fold of sample i is
/// i modulo `n_folds` (at most n).
///
/// In coordinates c of an orthonormal basis, the POD of the snapshots that remain is an SVD of k x n numbers, so a fold
/// costs no pass over the degrees of freedom. Unlike scores of the coefficients in the basis of all samples, these see
/// the directions that the snapshots that remain do not span. The folds are shared out over ranks, which all have the
/// same data and get the same result. Collective; the same on any number of threads and ranks.
pub fn cross_validate(comm: &dyn Communicator, field: &Coordinates<'_>, n_folds: usize) -> Result<Vec<HeldOut>> {
    let (k, n) = (field.c.nrows(), field.c.ncols());
    let n_folds = n_folds.min(n);
    let folds = share_out(comm, n_folds, |f| Ok(one(field, f, n_folds)?.pack()))?;
    Ok(folds.iter().enumerate().map(|(f, p)| HeldOut::unpack(p, k, n, parts(n, f, n_folds).0.len())).collect())
}

fn pick(a: MatRef<'_, f64>, columns: &[usize]) -> Mat<f64> {
    Mat::from_fn(a.nrows(), columns.len(), |i, j| a[(i, columns[j])])
}

fn squares(a: MatRef<'_, f64>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] * a[(i, j)])
}

fn one(field: &Coordinates<'_>, fold: usize, n_folds: usize) -> Result<HeldOut> {
    let (test, train) = parts(field.c.ncols(), fold, n_folds);
    let (k, n) = (field.c.nrows(), train.len());
    let mut c = pick(field.c, &train);
    let mean: Vec<f64> = match field.center {
        true => (0..k).map(|i| c.row(i).iter().sum::<f64>() / n as f64).collect(),
        false => vec![0.0; k],
    };
    c.col_iter_mut().for_each(|column| column.iter_mut().zip(&mean).for_each(|(c, m)| *c -= m));
    let (u, sigma, _) = dense::thin_svd(c.as_ref())?;
    let rank = sigma.iter().take_while(|s| **s > 64.0 * f64::EPSILON * sigma[0]).count();
    let outputs: usize = field.groups.iter().map(|(o, _)| o.len()).sum();
    let r = count(&sigma, rank, field.truncation, 0.0).min(outputs);
    let modes = u.subcols(0, r).to_owned();
    let a = dense::mul(modes.transpose(), c.as_ref());

    let x_of = |rows: &[usize]| Mat::from_fn(rows.len(), field.x.ncols(), |i, j| field.x[(rows[i], j)]);
    let (x_train, x_test) = (x_of(&train), x_of(&test));
    let (mut value, mut std) = (Mat::zeros(r, test.len()), Mat::zeros(r, test.len()));
    for (outputs, process) in field.groups {
        let outputs: Vec<usize> = outputs.iter().copied().filter(|o| *o < r).collect();
        if !outputs.is_empty() {
            let y = Mat::from_fn(n, outputs.len(), |i, j| a[(outputs[j], i)]);
            let again = refit(process, x_train.as_ref(), y.as_ref(), None, field.options)?;
            // One process at a time: each holds n x n numbers.
            let (m, s) = evaluate(&[(outputs, again)], r, x_test.as_ref())?;
            value += m;
            std += s;
        }
    }
    let variances = squares(std.as_ref());
    let tail: f64 = sigma[r..].iter().map(|s| s * s).sum::<f64>() / n as f64;
    let mut c = dense::mul(modes.as_ref(), value.as_ref());
    c.col_iter_mut().for_each(|column| column.iter_mut().zip(&mean).for_each(|(c, m)| *c += m));
    let expected_square = variances.col_iter().map(|v| v.iter().sum::<f64>() + tail).collect();
    Ok(HeldOut { modes, a, mean, c, variances, expected_square })
}

/// Rows of a basis [rows, k], from their numbers and the same rows of the centred snapshots [rows, n].
pub type RowsOfBasis<'a> = dyn Fn(Range<usize>, MatRef<'_, f64>) -> Mat<f64> + Sync + 'a;

/// What a field is calibrated on: all of its samples in the coordinates of a basis whose leading modes the model keeps,
/// and some rows of that, of which each rank has its own.
pub struct Rows<'a> {
    /// Inputs [n, d].
    pub x: MatRef<'a, f64>,
    /// Coefficients [k, n].
    pub c: MatRef<'a, f64>,
    /// Rows of this rank of the centred snapshots [rows, n].
    pub snapshots: Mat<f64>,
    /// The same rows of the basis.
    pub basis: &'a RowsOfBasis<'a>,
    /// Rows that are worked on together, one after the other: the same ones, whatever the number of ranks.
    pub tiles: Vec<Range<usize>>,
}

/// Factors by which the intervals and the indicator of a field are to be scaled, by the errors of models that were built
/// without a fold of the samples. The models are shared out over ranks, and each scores its own rows. Collective; the same
/// on any number of ranks. Cost: that of [`cross_validate`]; no memory but that of the rows.
pub fn calibrate(
    comm: &dyn Communicator,
    field: &ReducedField,
    mut rows: Rows<'_>,
    options: &Options,
) -> Result<[f64; 2]> {
    let coordinates = Coordinates {
        x: rows.x,
        c: rows.c,
        center: field.mean.is_some(),
        truncation: field.truncation,
        groups: &field.groups,
        options: &options.regression,
    };
    let held_out = cross_validate(comm, &coordinates, FOLDS)?;
    let (c, basis) = (rows.c, rows.basis);
    let mut tiles = Vec::with_capacity(rows.tiles.len());
    let mut rest = rows.snapshots.as_mut();
    for tile in rows.tiles {
        let (head, tail) = rest.split_at_row_mut(tile.len());
        tiles.push((tile, head));
        rest = tail;
    }
    // The scores take the place of the snapshots.
    tiles.into_par_iter().for_each(|(tile, mut snapshots)| {
        let basis = basis(tile, snapshots.as_ref());
        scores(&held_out, basis.as_ref(), snapshots.as_mut());
    });
    let interval = shared_conformal_factor(comm, rows.snapshots.as_ref(), options.confidence)?;

    let (r, n) = (field.n_modes(), c.ncols());
    let cross = |c: &[f64]| c.iter().zip(&field.mean_coefficients).map(|(c, m)| c * m).sum::<f64>();
    let norm = |c: &[f64]| square(c) + 2.0 * cross(c) + field.mean_square;
    let truths = || c.col_iter().map(|c| c.iter().copied().collect::<Vec<f64>>());
    let largest = truths().map(|truth| norm(&truth)).fold(0.0, f64::max);
    let mut ratios = Vec::new();
    for ((s, missed), truth) in field.missed.iter().enumerate().zip(truths()) {
        let (fold, place) = (&held_out[s % FOLDS.min(n)], s / FOLDS.min(n));
        let predicted = fold.c.col_as_slice(place);
        // What all modes miss.
        let beyond = (missed.powi(2) - square(&truth[r..])).max(0.0);
        let error: f64 = truth.iter().zip(predicted).map(|(t, p)| (t - p).powi(2)).sum::<f64>() + beyond;
        let size = norm(&truth) + beyond;
        let raw = fold.expected_square[place] / norm(predicted).max(f64::MIN_POSITIVE);
        // A field of zeros, as before a load is applied, has no relative error.
        if raw > 0.0 && size > ZERO * largest {
            ratios.push(error / size / raw);
        }
    }
    let indicator = match ratios.len() {
        0 => 1.0,
        n => (ratios.iter().sum::<f64>() / n as f64).sqrt(),
    };
    Ok([interval, indicator])
}

/// Replaces rows of snapshots [rows, n] by |truth - prediction| over standard deviation of the models that have not seen
/// them, NaN where there is no deviation; `basis` [rows, k]. Sequential.
fn scores(held_out: &[HeldOut], basis: MatRef<'_, f64>, mut snapshots: MatMut<'_, f64>) {
    let (n_rows, n, n_folds) = (snapshots.nrows(), snapshots.ncols(), held_out.len());
    let mut all = Mat::zeros(n_rows, n);
    for (f, fold) in held_out.iter().enumerate() {
        let (test, train) = parts(n, f, n_folds);
        let modes = dense::mul(basis, fold.modes.as_ref());
        let mut missed = pick(snapshots.as_ref(), &train);
        dense::gemm(missed.as_mut(), true, modes.as_ref(), fold.a.as_ref(), -1.0);
        let mean = MatRef::from_column_major_slice(&fold.mean, fold.mean.len(), 1);
        let shift = dense::mul(basis, mean);
        let mut residual = vec![0.0; n_rows];
        for column in missed.col_iter() {
            let errors = column.iter().zip(shift.col_as_slice(0));
            residual.iter_mut().zip(errors).for_each(|(sum, (e, shift))| *sum += (e - shift).powi(2));
        }
        let mut errors = pick(snapshots.as_ref(), &test);
        dense::gemm(errors.as_mut(), true, basis, fold.c.as_ref(), -1.0);
        let variances = dense::mul(squares(modes.as_ref()).as_ref(), fold.variances.as_ref());
        for (j, s) in test.into_iter().enumerate() {
            let of_rows = errors.col_as_slice(j).iter().zip(variances.col_as_slice(j)).zip(&residual);
            for (score, ((e, v), sum)) in all.col_as_slice_mut(s).iter_mut().zip(of_rows) {
                let variance = v + sum / train.len() as f64;
                *score = if variance > 0.0 { e.abs() / variance.sqrt() } else { f64::NAN };
            }
        }
    }
    snapshots.copy_from(all);
}

/// Half-width of an interval over the standard deviation, from errors over standard deviations.
pub(super) fn factor(scores: &[f64], confidence: f64) -> Result<f64> {
    if scores.is_empty() { Ok(normal_quantile(confidence)) } else { conformal_factor(scores, confidence) }
}
