//! Scores of predictions of a field, straight from their definitions.

use faer::{Mat, MatRef};
use kolmo::Result;
use kolmo::online::PodRegression;
use rayon::prelude::*;
use sprs::CsMat;

/// What a model says of its first field at b points, against the truth.
pub struct Scores {
    /// ||u - u_pred|| / ||u|| in the norm of M, and the same for the best approximation in the basis [b].
    pub error: Vec<f64>,
    pub projection: Vec<f64>,
    /// Share of the entries inside their intervals [b].
    pub coverage: Vec<f64>,
    /// Mean squares of the error and of the half-width, over all entries.
    pub mean_square_error: f64,
    pub mean_square_width: f64,
}

/// Compares the first field of a model at points `x` [b, d] with the truth [n_dofs, b] in the norm of M.
pub fn scores(model: &PodRegression, x: MatRef<'_, f64>, truth: MatRef<'_, f64>, m: &CsMat<f64>) -> Result<Scores> {
    let field = &model.fields[0];
    let p = model.predict(x)?;
    let predicted = field.reconstruct(p.coefficients[0].as_ref())?;
    let width = field.standard_deviation(p.variances[0].as_ref())?;
    let shift = |i: usize| field.mean.as_ref().map_or(0.0, |mean| mean[i]);
    let centred = Mat::from_fn(truth.nrows(), truth.ncols(), |i, j| truth[(i, j)] - shift(i));
    let m_centred = product(m, centred.as_ref());
    let best = &field.basis * (field.basis.transpose() * m_centred);
    let size = norms(m, truth);
    let relative = |e: Mat<f64>| norms(m, e.as_ref()).iter().zip(&size).map(|(e, s)| e / s).collect();
    let (mut coverage, mut squares, mut widths) = (Vec::new(), 0.0, 0.0);
    for j in 0..truth.ncols() {
        let mut inside = 0;
        for i in 0..truth.nrows() {
            let (e, w) = ((truth[(i, j)] - predicted[(i, j)]).abs(), field.interval_factor * width[(i, j)]);
            inside += usize::from(e <= w);
            squares += e * e;
            widths += w * w;
        }
        coverage.push(inside as f64 / truth.nrows() as f64);
    }
    let count = (truth.nrows() * truth.ncols()) as f64;
    Ok(Scores {
        error: relative(truth - &predicted),
        projection: relative(&centred - best),
        coverage,
        mean_square_error: squares / count,
        mean_square_width: widths / count,
    })
}

fn product(m: &CsMat<f64>, x: MatRef<'_, f64>) -> Mat<f64> {
    let column =
        |j: usize| -> Vec<f64> { m.outer_iterator().map(|row| row.iter().map(|(k, v)| v * x[(k, j)]).sum()).collect() };
    let columns: Vec<Vec<f64>> = (0..x.ncols()).into_par_iter().map(column).collect();
    Mat::from_fn(x.nrows(), x.ncols(), |i, j| columns[j][i])
}

/// sqrt(xᵀMx) of each column.
pub fn norms(m: &CsMat<f64>, x: MatRef<'_, f64>) -> Vec<f64> {
    let y = product(m, x);
    (0..x.ncols()).map(|j| x.col(j).iter().zip(y.col(j).iter()).map(|(x, y)| x * y).sum::<f64>().sqrt()).collect()
}

/// Arithmetic mean.
pub fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len() as f64
}

/// Standard deviation of a sample.
pub fn deviation(v: &[f64]) -> f64 {
    let middle = mean(v);
    (v.iter().map(|x| (x - middle).powi(2)).sum::<f64>() / (v.len() as f64 - 1.0)).sqrt()
}

/// Largest value.
pub fn largest(v: &[f64]) -> f64 {
    v.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Least value.
pub fn least(v: &[f64]) -> f64 {
    v.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Middle value (the upper of two).
pub fn median(v: &[f64]) -> f64 {
    let mut sorted = v.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Spearman's coefficient of values without ties.
pub fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let ranks = |v: &[f64]| -> Vec<f64> { v.iter().map(|x| v.iter().filter(|y| *y < x).count() as f64).collect() };
    let squares: f64 = ranks(a).iter().zip(ranks(b)).map(|(x, y)| (x - y).powi(2)).sum();
    let n = a.len() as f64;
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}
