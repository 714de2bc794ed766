//! `kolmo validate`.

use super::check::is_model;
use super::compare::{Comparison, check_mesh, rows_for};
use super::fit::{fit, study_for, study_of};
use super::flags::words;
use super::operator_pictures;
use super::operator_validate::{self, Against, against};
use super::pictures::{self, Figure, Pictures, say};
use super::predict::{inputs_from, load, open};
use super::rank_rows::RankRows;
use super::report::{self, Validated};
use super::scores::Collected;
use super::source::Samples;
use super::{Global, print, spare_from};
use clap::Args;
use faer::Mat;
use kolmo::comm::{Communicator, agree};
use kolmo::data::FieldInfo;
use kolmo::data::study::{DEFAULT_TOLERANCE, Study};
use kolmo::error::{Error, Result};
use kolmo::io::operator_model_file::{METHOD, method_of};
use kolmo::io::pod_model::Provenance;
use kolmo::online::PodRegression;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// Write a report (one file, no network) that a browser opens
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Bytes of the bases that a rank keeps for pictures, over all folds.
const MOST_KEPT: usize = 1 << 30;
/// Why there are none beyond that.
const NO_SAMPLES: &str =
    "no pictures of samples: the bases of all folds are larger than 1 GiB; see validate MODEL --data TEST --plots DIR";

/// The model of a fold, the samples that it was tried on, and the inputs of all samples.
struct Fold {
    model: PodRegression,
    about: Provenance,
    rows: Vec<usize>,
    x: Mat<f64>,
    held: Vec<RankRows>,
}

impl Fold {
    fn on<'a>(&'a self, samples: &'a Samples) -> Comparison<'a> {
        let Fold { model, about, rows, x, held } = self;
        Comparison { model, about, samples, rows, x: x.as_ref(), held }
    }
}

/// A cross-validation: its data, scores and JSON, and the models, where pictures need them.
struct Crossed {
    study: Study,
    samples: Samples,
    pooled: Collected,
    value: serde_json::Value,
    folds: Vec<Fold>,
}

impl Validate {
    /// Scores and prints. On several ranks each has its rows of the fields, and the first one writes.
    pub fn run(&self, global: &Global) -> Result<()> {
        let comm = global.comm();
        let mut pictures = agree(comm.as_ref(), self.prepare(comm.rank() == 0, global))?;
        if agree(comm.as_ref(), self.of_operators())? {
            let mut alone = || self.operators(pictures.as_mut(), global);
            return agree(comm.as_ref(), if comm.rank() == 0 { alone() } else { Ok(()) });
        }
        match (self.folds, &self.data) {
            (Some(k), None) => {
                let Crossed { study, samples, pooled, value, folds } = self.cross(k, global)?;
                agree(comm.as_ref(), show(&value, global))?;
                let what = format!("{k}-fold cross-validation of {}", name_of(&self.file));
                let validated =
                    Validated { what, files: vec![&self.file], study: &study, folds: Some(k), known: 0, model: None };
                let drawn = || match folds.is_empty() {
                    true => Ok((Vec::new(), vec![NO_SAMPLES.to_string()])),
                    false => {
                        let tried: Vec<Comparison<'_>> = folds.iter().map(|fold| fold.on(&samples)).collect();
                        pictures::of_samples(&pooled, &tried, comm.as_ref())
                    }
                };
                self.draw(&validated, &pooled, &value, drawn, pictures.as_mut(), global)
            }
            (_, Some(data)) => self.against(data, pictures.as_mut(), global),
            // Refused above.
            (None, None) => Ok(()),
        }
    }

    /// Whether a model, or a study, is one of operators.
    fn of_operators(&self) -> Result<bool> {
        match self.folds {
            None => Ok(method_of(&self.file)? == METHOD),
            Some(_) if is_model(&self.file) => {
                let (expected, mend) =
                    ("a study, or samples", "name the study, or leave out --folds and add --data TEST");
                Err(Error::input("K002", &self.file, "--folds", "a model", expected, mend))
            }
            Some(_) => Ok(study_of(&self.file, None)?.reduction.method == METHOD),
        }
    }

    /// Scores of a model of operators, or of folds; pictures of the scores, and of samples of a model.
    fn operators(&self, pictures: Option<&mut Pictures>, global: &Global) -> Result<()> {
        let alone = Global { comm: None, ..global.clone() };
        if let (None, Some(data)) = (self.folds, &self.data) {
            let found = against(&self.file, data, self.modes)?;
            show(&found.value, global)?;
            let Against { scores, value, study, known, .. } = &found;
            let what = format!("{} against {}", name_of(&self.file), name_of(data));
            let files = vec![self.file.as_path(), data.as_path()];
            let validated = Validated { what, files, study, folds: None, known: *known, model: None };
            let drawn = || operator_pictures::of_samples(&found);
            return self.draw(&validated, scores, value, drawn, pictures, &alone);
        }
        let (study, k) = (study_of(&self.file, None)?, self.folds.unwrap_or(2));
        let (scores, value) = operator_validate::cross(&study, k, self.modes, global)?;
        show(&value, global)?;
        let what = format!("{k}-fold cross-validation of {}", name_of(&self.file));
        let files = vec![self.file.as_path()];
        let validated = Validated { what, files, study: &study, folds: self.folds, known: 0, model: None };
        self.draw(&validated, &scores, &value, || Ok((Vec::new(), Vec::new())), pictures, &alone)
    }

    /// Whether fields are drawn.
    fn draws(&self) -> bool {
        self.plots.is_some() || self.html.is_some()
    }

    /// All that can be known from the options.
    fn prepare(&self, first: bool, global: &Global) -> Result<Option<Pictures>> {
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
        let pictures = self.plots.as_deref().map(|folder| Pictures::new(folder, global)).transpose()?;
        if let Some(html) = &self.html {
            spare_from("--html", html, &[self.file.as_path(), self.data.as_deref().unwrap_or(&self.file)])?;
            // A folder that is missing is told before the work, not after it.
            if first {
                drop(kolmo::io::atomic::temporary(html)?);
            }
        }
        match (self.folds, &self.data) {
            (Some(_), Some(_)) => Err(Error::input(
                "K012",
                "kolmo",
                "validate",
                "--data and --folds",
                "one of them: MODEL.h5 --data TEST, or STUDY.toml --folds 5",
                "leave one out",
            )),
            (None, None) => Err(Error::input(
                "K012",
                "kolmo",
                "validate",
                "neither --data nor --folds",
                "MODEL.h5 --data TEST, or STUDY.toml --folds 5",
                "add one of them",
            )),
            _ => Ok(pictures),
        }
    }

    fn cross(&self, k: usize, global: &Global) -> Result<Crossed> {
        let comm = global.comm();
        let study = agree(comm.as_ref(), study_of(&self.file, None))?;
        let samples = Samples::on(&study, &comm)?;
        let prepare = || {
            let (rows, _) = study.select(samples.source.n_samples())?;
            if k < 2 || k > rows.len() {
                let (expected, mend) = (format!("2 to {}", rows.len()), "choose a number of folds in that range");
                return Err(Error::input("K009", &self.file, "--folds", k.to_string(), expected, mend));
            }
            Ok(rows)
        };
        let rows = agree(comm.as_ref(), prepare())?;
        let mut pooled = Collected::new(0.0, study.scores.floor.clone());
        let (mut parts, mut folds, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
        for fold in 0..k {
            let (test, train): (Vec<usize>, Vec<usize>) = rows.iter().copied().partition(|i| i % k == fold);
            if test.is_empty() {
                continue;
            }
            global.progress(&format!("validate: fold {} of {k}", fold + 1));
            let (mut model, about) = fit(&study, &samples, &train, global)?;
            if let Some(m) = self.modes.filter(|m| *m >= 1) {
                model.truncate(m as usize);
            }
            let infos: Vec<FieldInfo> = model.fields.iter().map(|f| f.info.clone()).collect();
            let inputs = inputs_from(&samples.parameters, &model.inputs.names, &study.file);
            let both = inputs.and_then(|x| Ok((x, rows_for(&infos, &about, &samples, &comm)?)));
            let (x, held) = agree(comm.as_ref(), both)?;
            model.fields = model.fields.into_iter().zip(&held).map(|(field, held)| held.of_field(field)).collect();
            let mut part = Collected::new(about.seconds, study.scores.floor.clone());
            let fold = Fold { model, about, rows: test, x, held };
            part.add(&fold.on(&samples))?;
            parts.push(part.json());
            pooled.merge(part);
            // The same on all ranks: pictures are drawn together.
            let of = &fold.model.fields;
            bytes += of.iter().map(|f| 8 * f.info.n_dofs() * f.basis.ncols() / comm.size()).sum::<usize>();
            if bytes > MOST_KEPT {
                folds.clear();
            } else if self.draws() {
                folds.push(fold);
            }
        }
        let mut value = pooled.json();
        value["folds"] = json!(parts);
        Ok(Crossed { study, samples, pooled, value, folds })
    }

    /// Pictures and report, where they are asked for; `samples` draws those of samples. Collective; rank 0 writes.
    fn draw(
        &self,
        validated: &Validated<'_>,
        scores: &Collected,
        value: &serde_json::Value,
        samples: impl FnOnce() -> Result<(Vec<Figure>, Vec<String>)>,
        pictures: Option<&mut Pictures>,
        global: &Global,
    ) -> Result<()> {
        if !self.draws() {
            return Ok(());
        }
        let comm = global.comm();
        let (of_samples, notes) = samples()?;
        let write = || {
            let reduction = &validated.study.reduction;
            let tolerance = reduction.modes.is_none().then(|| reduction.tolerance.unwrap_or(DEFAULT_TOLERANCE));
            let mut figures = pictures::of_scores(scores, tolerance)?;
            figures.extend(of_samples);
            if let Some(pictures) = pictures {
                pictures.write(&figures, &notes)?;
            }
            if let Some(html) = &self.html {
                report::write(html, validated, scores, value, &figures, &notes)?;
                say(global.json == Some(None), &html.display().to_string());
            }
            Ok(())
        };
        agree(comm.as_ref(), if comm.rank() == 0 { write() } else { Ok(()) })
    }

    /// Scores of a model file on a data file, or on the held-out samples of a study.
    fn against(&self, data: &Path, pictures: Option<&mut Pictures>, global: &Global) -> Result<()> {
        let comm = global.comm();
        let Asked { study, samples, rows, x, held, model, about, known } =
            agree(comm.as_ref(), self.asked(data, &comm))?;
        if known > 0 {
            super::warn(&format!(
                "{known} of {} samples have parameters of training samples: their scores are optimistic",
                rows.len()
            ));
        }
        let mut scores = Collected::new(about.seconds, study.scores.floor.clone());
        let tried =
            Comparison { model: &model, about: &about, samples: &samples, rows: &rows, x: x.as_ref(), held: &held };
        scores.add(&tried)?;
        scores.points.training = about.training.chunks(x.ncols().max(1)).map(<[f64]>::to_vec).collect();
        let value = scores.json();
        agree(comm.as_ref(), show(&value, global))?;
        let what = format!("{} against {}", name_of(&self.file), name_of(data));
        let validated = Validated {
            what,
            files: vec![&self.file, data],
            study: &study,
            folds: None,
            known,
            model: Some((&model, &about)),
        };
        let drawn = || pictures::of_samples(&scores, &[tried], comm.as_ref());
        self.draw(&validated, &scores, &value, drawn, pictures, global)
    }

    /// The rows of a model that this rank needs, and the samples to compare it with. Not collective.
    fn asked(&self, data: &Path, comm: &Arc<dyn Communicator>) -> Result<Asked> {
        let mut file = open(&self.file, self.modes)?;
        let by_study = data.extension().is_some_and(|e| e == "toml");
        let asked = if by_study { Study::read(data)? } else { study_for(data, None)? };
        let samples = Samples::of(&asked)?;
        let (train, held_out) = asked.select(samples.source.n_samples())?;
        let rows = if by_study && !held_out.is_empty() { held_out } else { train };
        let x = inputs_from(&samples.parameters, &file.inputs().names, data)?;
        let (d, training) = (x.ncols(), &file.about.training);
        let is_known = |i: usize| training.chunks(d.max(1)).any(|t| (0..d).all(|j| t[j] == x[(i, j)]));
        let known = rows.iter().filter(|i| is_known(**i)).count();
        let study = Study::parse(&file.about.study, &self.file)?;
        let held = rows_for(file.fields(), &file.about, &samples, comm)?;
        check_mesh(file.fields(), file.about.mesh.as_ref(), &samples, data)?;
        if !self.draws() {
            file.about.mesh = None;
        }
        let model = load(&file, held.iter().map(RankRows::of_model).collect(), self.modes)?;
        Ok(Asked { study, samples, rows, x, held, model, about: file.about, known })
    }
}

/// What a model file is compared with, and what this rank holds of it.
struct Asked {
    /// Of the model.
    study: Study,
    samples: Samples,
    /// Numbers of the samples.
    rows: Vec<usize>,
    /// Inputs of all samples.
    x: Mat<f64>,
    held: Vec<RankRows>,
    model: PodRegression,
    about: Provenance,
    /// Samples with parameters of training samples.
    known: usize,
}

/// The name of a file without its folder.
fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
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
    let b = &value["bound"];
    if !b.is_null() {
        print(&format!(
            "bound / error: median {}, min {}, max {}; {} below the error, {} without a bound",
            number(&b["effectivity_median"]),
            number(&b["effectivity_min"]),
            number(&b["effectivity_max"]),
            b["below_error"],
            b["missing"]
        ));
    }
    let flags = &value["flags"];
    match flags["reasons"].is_null() {
        true => print(&format!("outside the training box: {}", flags["extrapolating"])),
        false => print(&words(flags["extrapolating"].as_u64().unwrap_or(0), &flags["reasons"])),
    }
}
