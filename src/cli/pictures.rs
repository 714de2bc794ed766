//! `kolmo validate --plots`: which pictures there are, and their names.

use super::predict::expand_field;
use super::scores::Collected;
use super::source::Samples;
use super::{Global, print};
use faer::{Mat, MatRef};
use kolmo::error::{Error, Result};
use kolmo::io::pod_model::Provenance;
use kolmo::online::PodRegression;
use kolmo::report::plot;
use kolmo::report::sample::{Sample, obstacle, sample_picture};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of the pictures.
pub struct Pictures {
    folder: PathBuf,
    /// Lines go to standard error, because standard output is for JSON.
    aside: bool,
    names: Vec<String>,
}

impl Pictures {
    /// Checks the folder; it is made when the first picture is written.
    pub fn new(folder: &Path, global: &Global) -> Result<Pictures> {
        let there = folder.ancestors().find(|p| p.exists());
        match there {
            Some(path) if !path.is_dir() => {
                Err(Error::Write { file: folder.into(), reason: format!("{} is not a folder", path.display()) })
            }
            _ => Ok(Pictures { folder: folder.into(), aside: global.json == Some(None), names: Vec::new() }),
        }
    }

    fn say(&self, text: &str) {
        if self.aside {
            let _ = writeln!(std::io::stderr(), "{text}");
        } else {
            print(text);
        }
    }

    /// Writes a picture and prints its name; letters that a file name should not hold become `_`.
    fn write(&mut self, name: &str, svg: &str) -> Result<()> {
        let refuse = |e: std::io::Error| Error::Write { file: self.folder.clone(), reason: e.to_string() };
        std::fs::create_dir_all(&self.folder).map_err(refuse)?;
        let plain = |c: char| if c.is_alphanumeric() || "-_.+".contains(c) { c } else { '_' };
        let mut stem: String = name.chars().map(plain).collect();
        while self.names.contains(&stem) {
            stem.push('_');
        }
        let file = self.folder.join(format!("{stem}.svg"));
        kolmo::io::atomic::write_bytes(&file, svg.as_bytes())?;
        self.names.push(stem);
        self.say(&file.display().to_string());
        Ok(())
    }

    /// Pictures of scores: singular values, errors, scalars.
    pub fn scores(&mut self, scores: &Collected) -> Result<()> {
        self.write("singular_values", &plot::singular_values(&scores.spectra)?)?;
        self.write("error_per_sample", &plot::error_per_sample(&scores.samples, &scores.error, &scores.indicator)?)?;
        self.write("error_against_indicator", &plot::error_against_indicator(&scores.error, &scores.indicator)?)?;
        let [error, projection, indicator] =
            [0, 1, 2].map(|a| scores.by_modes.iter().map(|r| r[a] / r[3].max(1.0)).collect::<Vec<f64>>());
        self.write("error_by_modes", &plot::error_by_modes(&error, &projection, &indicator)?)?;
        for (name, triples) in &scores.scalars {
            self.write(&format!("parity_{name}"), &plot::parity(name, triples)?)?;
        }
        Ok(())
    }

    /// Pictures of the worst and the median sample of each field, which are read and predicted again: `x` holds the inputs of
    /// all samples.
    pub fn samples(
        &mut self,
        scores: &Collected,
        model: &PodRegression,
        about: &Provenance,
        samples: &Samples,
        x: MatRef<'_, f64>,
    ) -> Result<()> {
        for (k, field) in model.fields.iter().enumerate() {
            let name = &field.info.name;
            let found = scores.fields.iter().find(|f| &f.name == name);
            let Some((f, (median, worst))) = found.and_then(|f| Some((f, f.median_and_worst()?))) else { continue };
            if let Some(reason) = obstacle(about.mesh.as_ref(), &field.info) {
                self.say(&format!("no picture of {name}: {reason}"));
                continue;
            }
            for (kind, place) in [("worst", worst), ("median", median)] {
                let row = scores.samples[place];
                let own = if samples.source.points_move() { samples.source.mesh_of(row)? } else { None };
                let Some(mesh) = own.as_ref().or(about.mesh.as_ref()) else { continue };
                let point = Mat::from_fn(1, x.ncols(), |_, j| x[(row, j)]);
                let predicted = expand_field(model, &model.predict(point.as_ref())?, k, 0..1)?;
                let truth = samples.source.read(&field.info, &[row], 0..field.info.n_dofs())?;
                let error = match f.relative[place] {
                    e if e.is_finite() => format!("relative error {e:.2e}"),
                    _ => format!("error {:.1e}, solution of norm 0", f.absolute[place]),
                };
                let n = scores.samples.len();
                let title = format!("{name}, sample {row}, {kind} of {n}: {error}");
                let parameters: Vec<(String, f64)> =
                    samples.parameters.names.iter().cloned().zip(samples.parameters.row(row).iter().copied()).collect();
                let column = |m: MatRef<'_, f64>| m.col(0).iter().copied().collect::<Vec<f64>>();
                let picture = sample_picture(
                    mesh,
                    &Sample {
                        title: &title,
                        parameters: &parameters,
                        field: &field.info,
                        truth: &column(truth.as_ref()),
                        prediction: &column(predicted.values.as_ref()),
                        interval: &column(predicted.interval.as_ref()),
                        confidence: model.confidence,
                    },
                )?;
                self.write(&format!("{name}_{kind}"), &picture)?;
            }
        }
        Ok(())
    }

    /// Says that pictures of samples are left out.
    pub fn without_samples(&self) {
        self.say(
            "no pictures of samples: every fold has a model of its own; see validate MODEL --data TEST --plots DIR",
        );
    }
}
