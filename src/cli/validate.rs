//! `kolmo validate`.

use super::fit::{fit, study_for, study_of};
use super::pictures::Pictures;
use super::predict::{inputs_from, load};
use super::scores::Collected;
use super::source::Samples;
use super::{Global, print};
use clap::Args;
use kolmo::data::study::Study;
use kolmo::error::{Error, Result};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct Validate {
    /// A model file, or with --folds a study
    file: PathBuf,
    /// Full-order solutions: a data file, or the study whose held-out samples are meant
    #[arg(long)]
    data: Option<PathBuf>,
    /// Cross-validation: fold of a sample = its index modulo FOLDS
    #[arg(long)]
    folds: Option<usize>,
    /// Use the leading modes only
    #[arg(long, allow_negative_numbers = true)]
    modes: Option<i64>,
    /// Write pictures (SVG) into this folder
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    #[arg(long, hide = true)]
    html: Option<PathBuf>,
}

impl Validate {
    /// Scores and prints.
    pub fn run(&self, global: &Global) -> Result<()> {
        if self.html.is_some() {
            return Err(Error::input(
                "K014",
                "kolmo",
                "validate",
                "--html",
                "--plots or --json",
                "leave it out, or update kolmo",
            ));
        }
        global.check_json()?;
        if let (Some(m), Some(_)) = (self.modes.filter(|m| *m < 1), self.folds) {
            let expected = "a number of modes of at least 1";
            return Err(Error::input(
                "K009",
                &self.file,
                "--modes",
                m.to_string(),
                expected,
                format!("choose {expected}"),
            ));
        }
        let mut pictures = self.plots.as_deref().map(|folder| Pictures::new(folder, global)).transpose()?;
        match (self.folds, &self.data) {
            (Some(_), Some(_)) => Err(Error::input(
                "K012",
                "kolmo",
                "validate",
                "--data and --folds",
                "one of them: MODEL.h5 --data TEST, or STUDY.toml --folds 5",
                "leave one out",
            )),
            (Some(k), None) => {
                let (pooled, value) = self.cross(k, global)?;
                show(&value, global)?;
                if let Some(pictures) = &mut pictures {
                    pictures.scores(&pooled)?;
                    pictures.without_samples();
                }
                Ok(())
            }
            (None, Some(data)) => self.against(data, pictures.as_mut(), global),
            (None, None) => Err(Error::input(
                "K012",
                "kolmo",
                "validate",
                "neither --data nor --folds",
                "MODEL.h5 --data TEST, or STUDY.toml --folds 5",
                "add one of them",
            )),
        }
    }

    fn cross(&self, k: usize, global: &Global) -> Result<(Collected, serde_json::Value)> {
        let study = study_of(&self.file, None)?;
        let samples = Samples::of(&study)?;
        let (rows, _) = study.select(samples.source.n_samples())?;
        if k < 2 || k > rows.len() {
            return Err(Error::input(
                "K009",
                &self.file,
                "--folds",
                k.to_string(),
                format!("2 to {}", rows.len()),
                "choose a number of folds in that range",
            ));
        }
        let mut pooled = Collected::new(0.0, study.scores.floor.clone());
        let mut folds = Vec::new();
        for fold in 0..k {
            let (test, train): (Vec<usize>, Vec<usize>) = rows.iter().copied().partition(|i| i % k == fold);
            if test.is_empty() {
                continue;
            }
            global.progress(&format!("validate: fold {} of {k}", fold + 1));
            let (mut model, about) = fit(&study, &samples, &train, global)?;
            if let Some(m) = self.modes.filter(|m| *m >= 1) {
                model = model.truncated(m as usize);
            }
            let x = inputs_from(&samples.parameters, &model, &study.file)?;
            let mut part = Collected::new(about.seconds, study.scores.floor.clone());
            part.add(&model, &about, &samples, &test, x.as_ref())?;
            folds.push(part.json());
            pooled.merge(part);
        }
        let mut value = pooled.json();
        value["folds"] = json!(folds);
        Ok((pooled, value))
    }

    /// Scores of a model file on a data file, or on the held-out samples of a study.
    fn against(&self, data: &Path, pictures: Option<&mut Pictures>, global: &Global) -> Result<()> {
        let (model, about) = load(&self.file, self.modes)?;
        let by_study = data.extension().is_some_and(|e| e == "toml");
        let study = if by_study { Study::read(data)? } else { study_for(data, None)? };
        let samples = Samples::of(&study)?;
        let (train, held_out) = study.select(samples.source.n_samples())?;
        let rows = if by_study && !held_out.is_empty() { held_out } else { train };
        let x = inputs_from(&samples.parameters, &model, data)?;
        let d = x.ncols();
        let is_known = |i: usize| about.training.chunks(d.max(1)).any(|t| (0..d).all(|j| t[j] == x[(i, j)]));
        let known = rows.iter().filter(|i| is_known(**i)).count();
        if known > 0 {
            super::warn(&format!(
                "{known} of {} samples have parameters of training samples: their scores are optimistic",
                rows.len()
            ));
        }
        let own = Study::parse(&about.study, &self.file)?;
        let mut scores = Collected::new(about.seconds, own.scores.floor);
        scores.add(&model, &about, &samples, &rows, x.as_ref())?;
        show(&scores.json(), global)?;
        if let Some(pictures) = pictures {
            pictures.scores(&scores)?;
            pictures.samples(&scores, &model, &about, &samples, x.as_ref())?;
        }
        Ok(())
    }
}

/// Hands scores to `--json`, and prints them as a table unless they went to standard output.
fn show(value: &serde_json::Value, global: &Global) -> Result<()> {
    if !global.write_json(value)? {
        table(value);
    }
    Ok(())
}

/// Prints scores as a table.
fn table(value: &serde_json::Value) {
    let number = |v: &serde_json::Value| v.as_f64().map_or("-".to_string(), |x| format!("{x:.4e}"));
    print(&format!("samples: {}", value["n_samples"]));
    print(&format!(
        "{:<14} {:>12} {:>12} {:>12} {:>9}",
        "field", "rel_l2_mean", "rel_l2_max", "projection", "coverage"
    ));
    for (name, f) in value["fields"].as_object().into_iter().flatten() {
        let coverage = f["coverage"].as_f64().map_or("-".to_string(), |c| format!("{c:.3}"));
        print(&format!(
            "{name:<14} {:>12} {:>12} {:>12} {coverage:>9}",
            number(&f["rel_l2_mean"]),
            number(&f["rel_l2_max"]),
            number(&f["projection_rel_l2_mean"])
        ));
    }
    for (name, s) in value["scalars"].as_object().into_iter().flatten() {
        print(&format!(
            "scalar {name}: rrmse {}, q2 {}, coverage {}",
            number(&s["rrmse"]),
            number(&s["q2"]),
            number(&s["coverage"])
        ));
    }
    let i = &value["indicator"];
    print(&format!(
        "indicator / error: median {}, min {}, max {}, rank correlation {}",
        number(&i["effectivity_median"]),
        number(&i["effectivity_min"]),
        number(&i["effectivity_max"]),
        number(&i["rank_correlation"])
    ));
    print(&format!("outside the training box: {}", value["flags"]["extrapolating"]));
}
