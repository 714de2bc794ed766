//! Pictures of the samples that a model of operators was tried on.

use super::operator_entries::taken;
use super::operator_validate::{Against, truth_of};
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
    let Some((f, (median, worst))) = places else { return Ok((Vec::new(), Vec::new())) };
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
        let x = Mat::from_fn(1, inputs.len(), |_, j| inputs[j]);
        let given = taken(file, model, x.as_ref(), &[row])?.entries;
        let entries = model.parts().any(|p| !p.entries().is_empty()).then_some(given);
        let answers = model.answer(x.as_ref(), entries.as_deref(), n_modes)?;
        let real = |m: &Mat<T>| -> Vec<f64> { m.col(0).iter().map(|v| v.re()).collect() };
        let std = model.standard_deviation(&answers);
        let interval = model.intervals(&answers, std.as_ref());
        let parameters: Vec<(String, f64)> = model.inputs.names.iter().cloned().zip(inputs.iter().copied()).collect();
        let title = if T::IS_COMPLEX { format!("real part of {}", f.name) } else { f.name.clone() };
        let sample = Sample {
            title: &title,
            parameters: &parameters,
            field: &model.info,
            truth: &real(&truth_of::<T>(&against.study, file, &[row], model, &x)?),
            prediction: &real(&model.reconstruct(answers.coefficients.as_ref())),
            std: std.col_as_slice(0),
            interval: interval.col_as_slice(0),
            confidence: model.confidence,
        };
        figures.push(sample_figure(scores, f, (kind, place), mesh, sample)?);
    }
    Ok((figures, Vec::new()))
}
