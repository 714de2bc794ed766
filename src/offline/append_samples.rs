//! More samples for a POD + GP model whose old snapshots are gone.

use super::calibration::{Rows, TILE, calibrate, stride};
use super::pod_regression::{Options, assemble, check_magnitude, check_tables, square};
use crate::algorithms::conformal::normal_quantile;
use crate::algorithms::gaussian_process_groups::grouped_gaussian_processes;
use crate::algorithms::incremental_svd::restart::Parts;
use crate::algorithms::incremental_svd::{IncrementalOptions, IncrementalSvd, Svd};
use crate::algorithms::pod::Truncation;
use crate::comm::SingleComm;
use crate::data::Table;
use crate::error::{Error, Result};
use crate::linalg::dense;
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::tall::{Layout, TallMatrix};
use crate::online::{PodRegression, ReducedField};
use faer::{Mat, MatRef};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};
use std::ops::Range;
use std::sync::Arc;

/// New snapshots that are in memory at once.
const BLOCK: usize = 32;
/// Modes more than asked that are held while snapshots arrive, where a number of modes is asked for.
const SPARE: usize = 64;

/// Reads new snapshots [n_dofs, columns] of one field.
pub type ReadColumns<'a> = Box<dyn Fn(Range<usize>) -> Result<Mat<f64>> + 'a>;

/// New snapshots of one field of a model, and the inner product of its training.
pub struct NewSnapshots<'a> {
    pub read: ReadColumns<'a>,
    pub inner_product: InnerProduct,
}

/// The model of old and new samples together, from the model and the new samples alone.
///
/// `inputs` [n_old + n_new, d] and `scalars` [n_old + n_new, n_scalars]: those of the training first; `fields` in the
/// order of the model's. Per field an [incremental SVD](crate::algorithms::incremental_svd) goes on from V, sigma and the
/// coefficients; ||what the old modes miss||² is added to its error, since both have orthogonal row spaces, so that the
/// stated projection error is a bound of the true one. The truncation is that of the training.
///
/// The processes are fitted again to the coefficients of all samples. For calibration an old snapshot is V c plus
/// normal noise of the residual variance of each dof (seeded), a new one itself; intervals never become narrower in
/// standard deviations than they were. Errors: a model without the
/// coefficients of its training, shapes, K019, those of the algorithms. New snapshots are read twice. Not collective.
pub fn append_samples(
    model: &PodRegression,
    inputs: &Table,
    fields: &[NewSnapshots<'_>],
    scalars: &Table,
    options: &Options,
) -> Result<PodRegression> {
    let (n, n_old) = (inputs.n_rows(), model.n_snapshots);
    if !model.can_grow() {
        let expected = "the coefficients of its training snapshots";
        return Err(Error::argument("a model to append to", "none", expected));
    }
    let known: Vec<&str> = model.scalars.iter().map(|s| s.name.as_str()).collect();
    if n <= n_old || fields.len() != model.fields.len() || scalars.names != known {
        let found = format!("{n} samples, {} fields, scalars {:?}", fields.len(), scalars.names);
        let expected = format!("more than {n_old} samples, {} fields, scalars {known:?}", model.fields.len());
        return Err(Error::argument("samples to append", found, expected));
    }
    check_tables(inputs, scalars)?;
    let x = Mat::from_fn(n, inputs.n_columns(), |i, j| inputs.row(i)[j]);
    let steps = 3 * fields.len() + scalars.n_columns();
    let step = |done: usize, what: &str, name: &str| options.progress.tell(&format!("{what} {name}"), done, steps);
    let mut trained = Vec::new();
    for (k, (field, new)) in model.fields.iter().zip(fields).enumerate() {
        trained.push(grow(field, new, x.as_ref(), options, |i, what| step(3 * k + i, what, &field.info.name))?);
    }
    assemble(&SingleComm, inputs, trained, scalars, options)
}

fn grow(
    old: &ReducedField,
    new: &NewSnapshots<'_>,
    x: MatRef<'_, f64>,
    options: &Options,
    step: impl Fn(usize, &str),
) -> Result<ReducedField> {
    step(0, "incremental SVD of");
    let (n, n_old, n_dofs) = (x.nrows(), old.missed.len(), old.info.n_dofs());
    let grown = Grown::new(old, new, n)?;
    let (lost, total) = (square(&old.missed) + grown.svd.error.powi(2), grown.svd.total + square(&old.missed));
    let r = grown.count(old.truncation, lost, total);
    let tail = grown.svd.singular_values[r..].iter().rev().fold(lost, |sum, s| sum + s * s);
    let stride = stride(n_dofs, n);
    let residual = grown.residual(old, new, r, stride)?;
    let c = &grown.c;

    let basis = grown.svd.basis.local().subcols(0, r).to_owned();
    let (mean_coefficients, mean_square) = match &grown.mean {
        None => (vec![0.0; r], 0.0),
        Some(mean) => {
            let mean = TallMatrix::new(grown.layout.clone(), column(mean))?;
            let v = new.inner_product.cross(&grown.svd.basis, &mean);
            ((0..r).map(|k| v[(k, 0)]).collect(), new.inner_product.norms(&mean)[0].powi(2))
        }
    };
    step(1, "regression of");
    let y = c.subrows(0, r).transpose().to_owned();
    let groups =
        if r == 0 { Vec::new() } else { grouped_gaussian_processes(x, y.as_ref(), None, &options.regression)? };
    let mut field = ReducedField {
        info: old.info.clone(),
        part: None,
        basis,
        mean: grown.mean.clone(),
        mean_coefficients,
        mean_square,
        residual_variance: residual.variance,
        residual_square: square(&residual.missed) / n as f64,
        coefficients: c.subrows(0, r).to_owned(),
        missed: residual.missed,
        singular_values: grown.svd.singular_values.clone(),
        projection_error: if total > 0.0 { (tail / total).sqrt() } else { 0.0 },
        truncation: old.truncation,
        groups,
        interval_factor: normal_quantile(options.confidence),
        indicator_factor: 1.0,
    };
    if r == 0 {
        return Ok(field);
    }

    step(2, "calibration of");
    let wide = grown.svd.basis.local();
    let rows = Mat::from_fn(n_dofs.div_ceil(stride), wide.ncols(), |i, k| wide[(i * stride, k)]);
    let mut snapshots = dense::mul(rows.as_ref(), c.as_ref());
    let mut rng = StdRng::seed_from_u64(options.regression.seed);
    for j in 0..n {
        for i in 0..snapshots.nrows() {
            if j < n_old {
                let noise: f64 = StandardNormal.sample(&mut rng);
                snapshots[(i, j)] += old.residual_variance[i * stride].max(0.0).sqrt() * noise;
            } else {
                snapshots[(i, j)] = residual.rows[(i, j - n_old)];
            }
        }
    }
    let tiles = (0..rows.nrows()).step_by(TILE).map(|i| i..(i + TILE).min(rows.nrows())).collect();
    let basis = |tile: Range<usize>, _: MatRef<'_, f64>| rows.subrows(tile.start, tile.len()).to_owned();
    let of_rows = Rows { x, c: c.as_ref(), snapshots, basis: &basis, tiles };
    [field.interval_factor, field.indicator_factor] = calibrate(&SingleComm, &field, of_rows, options)?;
    // What old samples missed in truth was heavier in the tails than the noise that stands for it.
    field.interval_factor = field.interval_factor.max(old.interval_factor);
    Ok(field)
}

/// The decomposition of all samples of a field.
struct Grown {
    layout: Arc<Layout>,
    /// All modes that are held: those of the model are the leading ones.
    svd: Svd,
    /// Coefficients in them [k, n].
    c: Mat<f64>,
    mean: Option<Vec<f64>>,
}

/// What the kept modes miss.
struct Residual {
    /// Mean square per dof.
    variance: Vec<f64>,
    /// M-norm per sample.
    missed: Vec<f64>,
    /// Some rows of the new centred snapshots [rows, n_new].
    rows: Mat<f64>,
}

fn column(v: &[f64]) -> Mat<f64> {
    Mat::from_fn(v.len(), 1, |i, _| v[i])
}

fn blocks(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(BLOCK).map(move |from| from..(from + BLOCK).min(n))
}

/// Subtracts the mean, where there is one.
fn centred(mut block: Mat<f64>, mean: Option<&[f64]>) -> Mat<f64> {
    if let Some(mean) = mean {
        block.col_iter_mut().for_each(|c| c.iter_mut().zip(mean).for_each(|(x, m)| *x -= m));
    }
    block
}

impl Grown {
    fn new(old: &ReducedField, new: &NewSnapshots<'_>, n: usize) -> Result<Grown> {
        let (n_old, n_dofs) = (old.missed.len(), old.info.n_dofs());
        let layout = Layout::serial(n_dofs);
        let (u, sigma, w) = dense::thin_svd(old.coefficients.as_ref())?;
        let (tolerance, max_modes) = match old.truncation {
            Truncation::Tolerance(t) => (t, None),
            Truncation::Modes(k) => (0.0, Some(2 * k + SPARE)),
        };
        let parts = Parts {
            options: IncrementalOptions { tolerance, max_modes, block: BLOCK, right: true },
            n_columns: n_old,
            discarded: 0.0,
            bound: 0.0,
            singular_values: sigma,
            held: old.basis.clone(),
            rotation: u,
            right: Some(w),
            pending: Mat::zeros(n_dofs, 0),
        };
        let mut svd = IncrementalSvd::from_parts(layout.clone(), new.inner_product.clone(), parts)?;
        let (mut largest, mut sum) = (0.0_f64, vec![0.0; n_dofs]);
        for columns in blocks(n - n_old) {
            let block = (new.read)(columns)?;
            for c in block.col_iter() {
                largest = c.iter().fold(largest, |m, v| m.max(v.abs()));
                sum.iter_mut().zip(c.iter()).for_each(|(s, v)| *s += v);
            }
            check_magnitude(&format!("field {}", old.info.name), largest)?;
            svd.append(&TallMatrix::new(layout.clone(), centred(block, old.mean.as_deref()))?)?;
        }
        // All snapshots move by the change of the mean: a change of rank one.
        let mean = match &old.mean {
            None => None,
            Some(before) => {
                let of = |(m, s): (&f64, &f64)| (n_old as f64 * m + s) / n as f64;
                let mean: Vec<f64> = before.iter().zip(&sum).map(of).collect();
                let shift: Vec<f64> = before.iter().zip(&mean).map(|(old, new)| old - new).collect();
                svd.update(&TallMatrix::new(layout.clone(), column(&shift))?, &Mat::from_fn(n, 1, |_, _| 1.0))?;
                Some(mean)
            }
        };
        let svd = svd.into_svd()?;
        let c = svd.coefficients().unwrap_or_else(Mat::new);
        Ok(Grown { layout, svd, c, mean })
    }

    /// Modes that the truncation keeps, where the squares `lost` are missed already.
    fn count(&self, truncation: Truncation, lost: f64, total: f64) -> usize {
        let sigma = &self.svd.singular_values;
        match truncation {
            Truncation::Modes(k) => k.min(sigma.len()),
            Truncation::Tolerance(t) => {
                let (mut kept, mut tail) = (sigma.len(), lost);
                while kept > 0 && tail + sigma[kept - 1] * sigma[kept - 1] <= t * t * total {
                    kept -= 1;
                    tail += sigma[kept] * sigma[kept];
                }
                kept
            }
        }
    }

    /// What `r` modes miss: of the old samples what the old modes missed and what modes beyond `r` carry.
    fn residual(&self, old: &ReducedField, new: &NewSnapshots<'_>, r: usize, stride: usize) -> Result<Residual> {
        let (n, n_old, n_dofs) = (self.c.ncols(), old.missed.len(), old.info.n_dofs());
        let (v, k) = (self.svd.basis.local(), self.c.nrows());
        let beyond = self.c.as_ref().submatrix(r, 0, k - r, n_old);
        let among = dense::mul(beyond, beyond.transpose());
        let carried = dense::mul(v.subcols(r, k - r), among.as_ref());
        let mut sums: Vec<f64> = old.residual_variance.iter().map(|v| n_old as f64 * v).collect();
        for (j, column) in carried.col_iter().enumerate() {
            sums.iter_mut().zip(column.iter().zip(v.col(r + j).iter())).for_each(|(s, (a, b))| *s += a * b);
        }
        let more = |j: usize| beyond.col(j).iter().map(|c| c * c).sum::<f64>();
        let mut missed: Vec<f64> = old.missed.iter().enumerate().map(|(j, m)| (m * m + more(j)).sqrt()).collect();
        let mut rows = Mat::zeros(n_dofs.div_ceil(stride), n - n_old);
        let basis = TallMatrix::new(self.layout.clone(), v.subcols(0, r).to_owned())?;
        for columns in blocks(n - n_old) {
            let block = centred((new.read)(columns.clone())?, self.mean.as_deref());
            for (j, c) in columns.clone().zip(block.col_iter()) {
                (0..rows.nrows()).for_each(|i| rows[(i, j)] = c[i * stride]);
            }
            let mut rest = TallMatrix::new(self.layout.clone(), block)?;
            rest.subtract_product(&basis, self.c.as_ref().submatrix(0, n_old + columns.start, r, columns.len()))?;
            for c in rest.local().col_iter() {
                sums.iter_mut().zip(c.iter()).for_each(|(s, e)| *s += e * e);
            }
            missed.extend(new.inner_product.norms(&rest));
        }
        let variance = sums.into_iter().map(|s| s / n as f64).collect();
        Ok(Residual { variance, missed, rows })
    }
}
