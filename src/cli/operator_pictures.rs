//! Pictures of the samples that a model of operators was tried on.

use super::operator_validate::{Against, given_entries};
use super::pictures::{Figure, sample_figure};
use faer::Mat;
use kolmo::error::Result;
use kolmo::io::operator_model_file::AnyModel;
use kolmo::linalg::scalar::Scalar;
use kolmo::online::operator_model::OperatorModel;
use kolmo::report::sample::{Sample, obstacle};

/// The worst and the median sample on the mesh of the training file, the real part where numbers are complex; and why there is no
/// picture. They are answered again.
pub fn of_samples(against: &Against) -> Result<(Vec<Figure>, Vec<String>)> {
    match &against.model {
        AnyModel::Real(m) => drawn(against, m),
        AnyModel::Complex(m) => drawn(against, m),
    }
}

fn drawn<T: Scalar>(against: &Against, model: &OperatorModel<T>) -> Result<(Vec<Figure>, Vec<String>)> {
    let (scores, file) = (&against.scores, &against.operators.file);
    let places = scores.fields.first().and_then(|f| Some((f, f.median_and_worst()?)));
    let (Some((f, (median, worst))), Some(solutions)) = (places, &file.solutions) else {
        return Ok((Vec::new(), Vec::new()));
    };
    let mesh = match (&against.mesh, obstacle(against.mesh.as_ref(), &model.info)) {
        (Some(mesh), None) => mesh,
        (_, reason) => {
            let note = format!("no picture of {}: {}", f.name, reason.unwrap_or_default());
            return Ok((Vec::new(), vec![note]));
        }
    };
    let n_modes = scores.spectra.first().map_or(model.n_modes(), |s| s.n_modes);
    let mut figures = Vec::new();
    for (kind, place) in [("worst", worst), ("median", median)] {
        let row = scores.samples[place];
        let inputs = &scores.points.inputs[place];
        let entries = given_entries(model, &against.study, file, &[row])?;
        let x = Mat::from_fn(1, inputs.len(), |_, j| inputs[j]);
        let answers = model.answer(x.as_ref(), entries.as_deref(), n_modes)?;
        let real = |m: &Mat<T>| -> Vec<f64> { m.col(0).iter().map(|v| v.re()).collect() };
        let std: Vec<f64> = model.standard_deviation(&answers).col(0).iter().copied().collect();
        let interval: Vec<f64> = std.iter().map(|s| model.interval_factor * s).collect();
        let parameters: Vec<(String, f64)> = model.inputs.names.iter().cloned().zip(inputs.iter().copied()).collect();
        let title = if T::IS_COMPLEX { format!("real part of {}", f.name) } else { f.name.clone() };
        let sample = Sample {
            title: &title,
            parameters: &parameters,
            field: &model.info,
            truth: &real(&file.vectors::<T>(solutions, &[row])?),
            prediction: &real(&model.reconstruct(answers.coefficients.as_ref())),
            std: &std,
            interval: &interval,
            confidence: model.confidence,
        };
        figures.push(sample_figure(scores, f, (kind, place), mesh, sample)?);
    }
    Ok((figures, Vec::new()))
}
