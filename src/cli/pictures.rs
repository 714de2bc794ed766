//! What `kolmo validate` draws, for `--plots` and `--html`.

use super::compare::Comparison;
use super::predict::expand_field;
use super::rank_rows::RankRows;
use super::scores::{Collected, FieldScores};
use super::{Global, print};
use faer::{Mat, MatRef};
use kolmo::comm::{Communicator, agree};
use kolmo::error::{Error, Result};
use kolmo::mesh::Mesh;
use kolmo::report::parameter_space::parameter_space;
use kolmo::report::sample::{Sample, obstacle, sample_picture};
use kolmo::report::{Drawing, errors, modes, number, parameter_text, parity};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where a picture stands in a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    Modes,
    Errors,
    Outputs,
    Space,
    Sample,
}

/// A picture, what it is called as a file, and what is said about it.
pub struct Figure {
    pub name: String,
    pub place: Place,
    pub drawing: Drawing,
    pub caption: String,
    /// Numbers beside it.
    pub facts: Vec<(String, String)>,
}

impl Figure {
    /// A picture without numbers beside it.
    pub fn new(name: impl Into<String>, place: Place, drawing: Drawing, caption: impl Into<String>) -> Figure {
        Figure { name: name.into(), place, drawing, caption: caption.into(), facts: Vec::new() }
    }
}

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

    /// Writes pictures and prints their names; letters that a file name should not hold become `_`.
    pub fn write(&mut self, figures: &[Figure], notes: &[String]) -> Result<()> {
        let refuse = |e: std::io::Error| Error::Write { file: self.folder.clone(), reason: e.to_string() };
        std::fs::create_dir_all(&self.folder).map_err(refuse)?;
        for figure in figures {
            let plain = |c: char| if c.is_alphanumeric() || "-_.+".contains(c) { c } else { '_' };
            let mut stem: String = figure.name.chars().map(plain).collect();
            while self.names.contains(&stem) {
                stem.push('_');
            }
            let file = self.folder.join(format!("{stem}.svg"));
            kolmo::io::atomic::write_bytes(&file, figure.drawing.stand_alone().as_bytes())?;
            self.names.push(stem);
            say(self.aside, &file.display().to_string());
        }
        notes.iter().for_each(|note| say(self.aside, note));
        Ok(())
    }
}

/// A line on standard output, or `aside` on standard error.
pub fn say(aside: bool, text: &str) {
    if aside {
        let _ = writeln!(std::io::stderr(), "{text}");
    } else {
        print(text);
    }
}

/// Pictures of scores: modes, errors, outputs, parameter space.
pub fn of_scores(scores: &Collected, tolerance: Option<f64>) -> Result<Vec<Figure>> {
    let means = |a: usize| scores.by_modes.iter().map(|r| r[a] / r[3].max(1.0)).collect::<Vec<f64>>();
    let mut figures = vec![
        Figure::new(
            "singular_values",
            Place::Modes,
            modes::singular_values(&scores.spectra)?,
            "The faster they fall, the fewer modes a field needs. The broken line ends the modes that were kept.",
        ),
        Figure::new(
            "left_out_by_modes",
            Place::Modes,
            modes::left_out_by_modes(&scores.spectra, tolerance)?,
            "Square root of the share of energy (squared singular values) beyond the leading modes.",
        ),
        Figure::new(
            "error_by_modes",
            Place::Modes,
            modes::error_by_modes(&means(0), &means(1), &means(2))?,
            "Where the error leaves the projection error (the best that these modes can do), the regression limits the model: more modes do not help there.",
        ),
        Figure::new(
            "error_per_sample",
            Place::Errors,
            errors::error_per_sample(&scores.samples, &scores.error, &scores.indicator)?,
            "True error, and the error that the model itself estimates. The ring marks the worst sample.",
        ),
        Figure::new(
            "error_against_indicator",
            Place::Errors,
            errors::error_against_indicator(&scores.samples, &scores.error, &scores.indicator)?,
            "Below the diagonal the model is better than it says, above it worse.",
        ),
    ];
    for (name, triples) in &scores.scalars {
        let (drawing, caption) = (parity::parity(name, triples)?, "Bars are the intervals.");
        figures.push(Figure::new(format!("parity_{name}"), Place::Outputs, drawing, caption));
        let (drawing, caption) = (parity::residuals(name, triples)?, "A bar that does not reach 0 misses the truth.");
        figures.push(Figure::new(format!("residuals_{name}"), Place::Outputs, drawing, caption));
    }
    for field in scores.fields.iter().filter(|f| !f.shown.is_empty()) {
        let (name, shown) = (&field.name, &field.shown);
        let caption = "Entries spread evenly over the field, of every sample.";
        let drawing = parity::parity_of_entries(name, shown)?;
        figures.push(Figure::new(format!("entries_{name}"), Place::Outputs, drawing, caption));
        let caption = "The same entries; points outside the band are missed by their interval.";
        let drawing = parity::residuals_of_entries(name, shown)?;
        figures.push(Figure::new(format!("entries_residuals_{name}"), Place::Outputs, drawing, caption));
    }
    let coverage = scores.coverage();
    if !coverage.is_empty() {
        let drawing = errors::coverage(&coverage, scores.confidence)?;
        let caption = format!(
            "Share of values inside their interval; the broken line is the promised {} %. Right of it intervals are wider than need be, left of it too narrow.",
            number(100.0 * scores.confidence)
        );
        figures.push(Figure::new("coverage", Place::Outputs, drawing, caption));
    }
    if !scores.points.names.is_empty() {
        let (drawn, all) = scores.points.drawn();
        let which = match drawn.len() < all {
            true => format!(" The {} inputs on which the first modes depend most, of {all}.", drawn.len()),
            false => String::new(),
        };
        let caption = format!(
            "Rings with numbers are the worst samples: at a border or in a gap, samples are missing there.{which}"
        );
        figures.push(Figure::new("parameter_space", Place::Space, parameter_space(&scores.points)?, caption));
    }
    Ok(figures)
}

/// Pictures of the worst and the median sample of each field, which are read and predicted again, and what has no picture.
///
/// Collective; rank 0 draws: it gets the field of one sample after the other from those that hold it, and no more than that.
pub fn of_samples(
    scores: &Collected,
    tried: &[Comparison<'_>],
    comm: &dyn Communicator,
) -> Result<(Vec<Figure>, Vec<String>)> {
    let (mut figures, mut notes) = (Vec::new(), Vec::new());
    for f in &scores.fields {
        let name = &f.name;
        let Some((median, worst)) = f.median_and_worst() else { continue };
        for (kind, place) in [("worst", worst), ("median", median)] {
            let row = scores.samples[place];
            let Some(&Comparison { model, about, samples, x, held, .. }) = tried.iter().find(|t| t.rows.contains(&row))
            else {
                continue;
            };
            let Some(k) = model.fields.iter().position(|field| &field.info.name == name) else { continue };
            let field = &model.fields[k];
            if let Some(reason) = obstacle(about.mesh.as_ref(), &field.info) {
                notes.push(format!("no picture of {name}: {reason}"));
                break;
            }
            let point = Mat::from_fn(1, x.ncols(), |_, j| x[(row, j)]);
            let predicted = model.predict(point.as_ref()).and_then(|p| expand_field(model, &p, k, 0..1));
            let predicted = agree(comm, predicted)?;
            let [values, std, interval] =
                [&predicted.values, &predicted.std, &predicted.interval].map(|m| on_first(m.as_ref(), &held[k], comm));
            let draw = || {
                let own = if samples.source.points_move() { samples.source.mesh_of(row)? } else { None };
                let Some(mesh) = own.as_ref().or(about.mesh.as_ref()) else { return Ok(None) };
                let truth = samples.source.read(&field.info, &[row], 0..field.info.n_dofs())?;
                let parameters: Vec<(String, f64)> =
                    samples.parameters.names.iter().cloned().zip(samples.parameters.row(row).iter().copied()).collect();
                let truth: Vec<f64> = truth.col(0).iter().copied().collect();
                let sample = Sample {
                    title: name,
                    parameters: &parameters,
                    field: &field.info,
                    truth: &truth,
                    prediction: &values,
                    std: &std,
                    interval: &interval,
                    confidence: model.confidence,
                };
                sample_figure(scores, f, (kind, place), mesh, sample).map(Some)
            };
            figures.extend(agree(comm, if comm.rank() == 0 { draw() } else { Ok(None) })?);
        }
    }
    Ok((figures, notes))
}

/// The picture of the sample at `place`, its title what is drawn, and the numbers beside it.
pub fn sample_figure(
    scores: &Collected,
    f: &FieldScores,
    (kind, place): (&str, usize),
    mesh: &Mesh,
    sample: Sample<'_>,
) -> Result<Figure> {
    let relative = f.relative[place];
    let error = match relative.is_finite() {
        true => format!("relative error {relative:.2e}"),
        false => format!("error {:.1e}, solution of norm 0", f.absolute[place]),
    };
    let (n, row) = (scores.samples.len(), scores.samples[place]);
    let title = format!("{}, sample {row}, {kind} of {n}: {error}", sample.title);
    let drawing = sample_picture(mesh, &Sample { title: &title, ..sample })?;
    let mut facts: Vec<(String, String)> =
        sample.parameters.iter().map(|(name, value)| (name.clone(), parameter_text(*value))).collect();
    let largest = sample.truth.iter().zip(sample.prediction).map(|(t, p)| (t - p).abs()).fold(0.0, f64::max);
    facts.push(("largest difference of an entry".into(), number(largest)));
    let best = match f.projection[place] {
        best if best.is_finite() => number(best),
        _ => "none: a solution of norm 0".to_string(),
    };
    facts.push(("error of the best approximation in the basis".into(), best));
    facts.push(("indicator of the sample".into(), number(scores.indicator[place])));
    let caption = match mesh.top_dimension() {
        Some(1) => "Below, the difference, with the interval around 0.",
        _ => "Truth and prediction share one scale of colours.",
    };
    let name = format!("{}_{kind}", f.name);
    Ok(Figure { name, place: Place::Sample, drawing, caption: caption.to_string(), facts })
}

/// The own rows of all ranks, in order, on rank 0; nothing elsewhere. Collective.
fn on_first(local: MatRef<'_, f64>, held: &RankRows, comm: &dyn Communicator) -> Vec<f64> {
    let own = held.layout.owned();
    let mut values: Vec<f64> = local.col(0).subrows(own.start, own.len()).iter().copied().collect();
    if comm.rank() > 0 {
        comm.send(&values, 0);
        return Vec::new();
    }
    (1..comm.size()).for_each(|rank| values.extend(comm.receive(rank)));
    values
}
