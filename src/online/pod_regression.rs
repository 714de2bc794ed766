//! Evaluation of u(mu) = mean + V c(mu) with Gaussian processes for c.

use super::InputSpace;
use crate::algorithms::gaussian_process::GaussianProcess;
use crate::algorithms::pod::Truncation;
use crate::data::FieldInfo;
use crate::error::{Error, Result};
use crate::linalg::reconstruction_batch::{mul_batch, mul_batch_and_squares, mul_squares_batch};
use crate::linalg::simd::Instructions;
use faer::{Mat, MatMut, MatRef};

/// Outputs and the process that predicts them.
pub type Groups = Vec<(Vec<usize>, GaussianProcess)>;

/// A trained POD + GP model.
#[derive(Debug, Clone)]
pub struct PodRegression {
    pub inputs: InputSpace,
    pub fields: Vec<ReducedField>,
    pub scalars: Vec<ScalarModel>,
    pub confidence: f64,
    pub n_snapshots: usize,
}

/// One field: modes, coefficients as functions of the inputs, calibration.
#[derive(Debug, Clone)]
pub struct ReducedField {
    pub info: FieldInfo,
    /// The dofs of the field that are held, ascending; all where `None`. Everything per dof is of the held ones.
    pub part: Option<Vec<usize>>,
    /// V [n_dofs, n_modes], orthonormal in the inner product of the study.
    pub basis: Mat<f64>,
    pub mean: Option<Vec<f64>>,
    /// VᵀM mean, and (mean, mean): for the norm of a prediction without a pass over the dofs.
    pub mean_coefficients: Vec<f64>,
    pub mean_square: f64,
    /// Mean square of what the modes miss of the training snapshots, per dof.
    pub residual_variance: Vec<f64>,
    /// Mean square M-norm of the same.
    pub residual_square: f64,
    /// VᵀM(u - mean) of the training snapshots [n_modes, n_snapshots], and the M-norms of what the modes miss of them: what
    /// an update needs. Empty where the model was not trained here or comes from an older file.
    pub coefficients: Mat<f64>,
    pub missed: Vec<f64>,
    pub singular_values: Vec<f64>,
    /// sqrt(sum of discarded sigma² / sum of all sigma²) of the training snapshots.
    pub projection_error: f64,
    /// What the training was asked for.
    pub truncation: Truncation,
    pub groups: Groups,
    /// Half-width of the interval over standard deviation.
    pub interval_factor: f64,
    /// Estimated relative error over the raw one, from cross-validation.
    pub indicator_factor: f64,
}

/// One scalar output.
#[derive(Debug, Clone)]
pub struct ScalarModel {
    pub name: String,
    pub process: GaussianProcess,
    pub interval_factor: f64,
    /// Values in training [n]; empty where they are not known.
    pub training: Vec<f64>,
}

/// Coefficients and everything small at a batch of b points.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// Per field: coefficients and their variances [n_modes, b].
    pub coefficients: Vec<Mat<f64>>,
    pub variances: Vec<Mat<f64>>,
    /// Per field: estimate of the relative error [b].
    pub indicators: Vec<Vec<f64>>,
    /// Row-major [b, n_scalars].
    pub scalars: Vec<f64>,
    pub scalars_std: Vec<f64>,
    pub scalars_interval: Vec<f64>,
    /// 1 outside the training box.
    pub flags: Vec<u8>,
}

/// Means and standard deviations [r, b] of grouped processes at points [b, d].
pub fn evaluate(
    groups: &[(Vec<usize>, GaussianProcess)],
    n_outputs: usize,
    x: MatRef<'_, f64>,
) -> Result<(Mat<f64>, Mat<f64>)> {
    let (mut mean, mut std) = (Mat::zeros(n_outputs, x.nrows()), Mat::zeros(n_outputs, x.nrows()));
    for (outputs, process) in groups {
        let (m, s) = process.predict(x)?;
        for (k, &j) in outputs.iter().enumerate() {
            for i in 0..x.nrows() {
                mean[(j, i)] = m[(i, k)];
                std[(j, i)] = s[(i, k)];
            }
        }
    }
    Ok((mean, std))
}

impl ReducedField {
    /// Number of modes.
    pub fn n_modes(&self) -> usize {
        self.basis.ncols()
    }

    /// sqrt(sum of variances + what truncation misses) / norm of the prediction, before calibration.
    pub fn raw_indicator(&self, coefficients: &[f64], variances: &[f64]) -> f64 {
        let error: f64 = variances.iter().sum::<f64>() + self.residual_square;
        let cross: f64 = coefficients.iter().zip(&self.mean_coefficients).map(|(c, m)| c * m).sum();
        let square: f64 = coefficients.iter().map(|c| c * c).sum::<f64>() + 2.0 * cross + self.mean_square;
        if error == 0.0 { 0.0 } else { (error / square.max(f64::MIN_POSITIVE)).sqrt() }
    }

    /// The field V c + mean [n_dofs, b] from coefficients [n_modes, b]. Errors: shapes that do not fit.
    pub fn reconstruct(&self, coefficients: MatRef<'_, f64>) -> Result<Mat<f64>> {
        let mut u = Mat::zeros(self.basis.nrows(), coefficients.ncols());
        self.reconstruct_into(coefficients, u.as_mut())?;
        Ok(u)
    }

    /// [`reconstruct`](Self::reconstruct) into `out` [n_dofs, b]. Fresh memory costs several times the computation:
    /// use `out` again.
    ///
    /// Errors: shapes that do not fit. One point reads V once, a batch is one matrix product.
    pub fn reconstruct_into(&self, coefficients: MatRef<'_, f64>, out: MatMut<'_, f64>) -> Result<()> {
        mul_batch(Instructions::best(), self.basis.as_ref(), coefficients, self.mean.as_deref(), out)
    }

    /// sqrt(sum_j v_j V_j² + residual variance) per dof [n_dofs, b] from variances [n_modes, b]: exact for independent
    /// coefficients. Errors: shapes that do not fit.
    pub fn standard_deviation(&self, variances: MatRef<'_, f64>) -> Result<Mat<f64>> {
        let mut s = Mat::zeros(self.basis.nrows(), variances.ncols());
        self.standard_deviation_into(variances, s.as_mut())?;
        Ok(s)
    }

    /// [`standard_deviation`](Self::standard_deviation) into `out` [n_dofs, b]. Errors: shapes that do not fit.
    pub fn standard_deviation_into(&self, variances: MatRef<'_, f64>, out: MatMut<'_, f64>) -> Result<()> {
        mul_squares_batch(Instructions::best(), self.basis.as_ref(), variances, &self.residual_variance, out)
    }

    /// [`reconstruct_into`](Self::reconstruct_into) and [`standard_deviation_into`](Self::standard_deviation_into) at
    /// once: one point reads V once for both.
    ///
    /// Coefficients and variances [n_modes, b], `out` and `std` [n_dofs, b]. Errors: shapes that do not fit.
    pub fn expand_into(
        &self,
        coefficients: MatRef<'_, f64>,
        variances: MatRef<'_, f64>,
        out: MatMut<'_, f64>,
        std: MatMut<'_, f64>,
    ) -> Result<()> {
        let value = (coefficients, self.mean.as_deref());
        let deviation = (variances, self.residual_variance.as_slice());
        mul_batch_and_squares(Instructions::best(), self.basis.as_ref(), value, deviation, out, std)
    }

    /// Keeps the leading modes; what the others carried in training becomes residual variance.
    fn truncate(&mut self, n_modes: usize, n_snapshots: usize) {
        for j in n_modes..self.n_modes() {
            let energy = self.singular_values[j].powi(2) / n_snapshots as f64;
            self.residual_square += energy;
            self.residual_variance.iter_mut().zip(self.basis.col(j).iter()).for_each(|(r, v)| *r += energy * v * v);
        }
        let n = n_modes.min(self.n_modes());
        let energy = |sigma: &[f64]| sigma.iter().fold(0.0, |sum, s| sum + s * s);
        let (kept, dropped) = (energy(&self.singular_values[..self.n_modes()]), n..self.n_modes());
        if kept > 0.0 {
            let before = self.projection_error.powi(2);
            let share = energy(&self.singular_values[dropped]) / kept;
            self.projection_error = (before + (1.0 - before) * share).sqrt();
        }
        for (j, missed) in self.missed.iter_mut().enumerate() {
            let lost = self.coefficients.col(j).iter().skip(n).fold(0.0, |sum, c| sum + c * c);
            *missed = (*missed * *missed + lost).sqrt();
        }
        self.coefficients = self.coefficients.subrows(0, n.min(self.coefficients.nrows())).to_owned();
        self.basis = self.basis.subcols(0, n).to_owned();
        self.mean_coefficients.truncate(n);
    }
}

impl PodRegression {
    /// The same model with at most `n_modes` modes per field, without refitting.
    pub fn truncated(&self, n_modes: usize) -> PodRegression {
        let mut model = self.clone();
        model.truncate(n_modes);
        model
    }

    /// Keeps at most `n_modes` modes per field, without refitting.
    pub fn truncate(&mut self, n_modes: usize) {
        self.fields.iter_mut().for_each(|f| f.truncate(n_modes, self.n_snapshots));
    }

    /// Whether the model holds what an update with more samples needs: the coefficients of its training.
    pub fn can_grow(&self) -> bool {
        let n = self.n_snapshots;
        let fields = self.fields.iter().all(|f| f.part.is_none() && f.missed.len() == n && f.coefficients.ncols() == n);
        fields && self.scalars.iter().all(|s| s.training.len() == n)
    }

    /// Everything but the fields themselves at points [b, n_inputs]. Cost b n² per process.
    pub fn predict(&self, x: MatRef<'_, f64>) -> Result<Prediction> {
        let b = x.nrows();
        if x.ncols() != self.inputs.names.len() {
            return Err(Error::argument("inputs of a prediction", x.ncols(), self.inputs.names.len()));
        }
        let mut p = Prediction {
            coefficients: Vec::new(),
            variances: Vec::new(),
            indicators: Vec::new(),
            scalars: vec![0.0; b * self.scalars.len()],
            scalars_std: vec![0.0; b * self.scalars.len()],
            scalars_interval: vec![0.0; b * self.scalars.len()],
            flags: (0..b)
                .map(|i| u8::from(!self.inputs.contains(&x.row(i).iter().copied().collect::<Vec<_>>())))
                .collect(),
        };
        for field in &self.fields {
            let all = field.groups.iter().map(|(o, _)| o.len()).sum();
            let (mean, std) = evaluate(&field.groups, all, x)?;
            let r = field.n_modes();
            let c = mean.subrows(0, r).to_owned();
            let v = Mat::from_fn(r, b, |j, i| std[(j, i)].powi(2));
            let raw = |i: usize| field.indicator_factor * field.raw_indicator(c.col_as_slice(i), v.col_as_slice(i));
            p.indicators.push((0..b).map(raw).collect());
            p.coefficients.push(c);
            p.variances.push(v);
        }
        let n = self.scalars.len();
        for (k, scalar) in self.scalars.iter().enumerate() {
            let (mean, std) = scalar.process.predict(x)?;
            for i in 0..b {
                p.scalars[i * n + k] = mean[(i, 0)];
                p.scalars_std[i * n + k] = std[(i, 0)];
                p.scalars_interval[i * n + k] = scalar.interval_factor * std[(i, 0)];
            }
        }
        Ok(p)
    }
}

impl Prediction {
    /// Largest indicator over the fields [b].
    pub fn indicator(&self) -> Vec<f64> {
        (0..self.flags.len()).map(|i| self.indicators.iter().map(|v| v[i]).fold(0.0, f64::max)).collect()
    }
}

impl PodRegression {
    /// Largest indicator over the fields [b] of `prediction` with at most `n_modes` modes per field: the indicator of
    /// [`truncated`](Self::truncated) at the same points, without a copy of the basis. Cost b n_modes.
    pub fn indicator_of_modes(&self, prediction: &Prediction, n_modes: usize) -> Vec<f64> {
        let mut largest = vec![0.0_f64; prediction.flags.len()];
        for (k, field) in self.fields.iter().enumerate() {
            let n = n_modes.min(field.n_modes());
            let energy = |j: usize| field.singular_values[j].powi(2) / self.n_snapshots as f64;
            let missed = (n..field.n_modes()).fold(field.residual_square, |sum, j| sum + energy(j));
            for (i, indicator) in largest.iter_mut().enumerate() {
                let (c, v) = (prediction.coefficients[k].col(i), prediction.variances[k].col(i));
                let error: f64 = v.iter().take(n).sum::<f64>() + missed;
                let cross: f64 = c.iter().take(n).zip(&field.mean_coefficients).map(|(c, m)| c * m).sum();
                let square: f64 = c.iter().take(n).map(|c| c * c).sum::<f64>() + 2.0 * cross + field.mean_square;
                let raw = if error == 0.0 { 0.0 } else { (error / square.max(f64::MIN_POSITIVE)).sqrt() };
                *indicator = indicator.max(field.indicator_factor * raw);
            }
        }
        largest
    }
}
