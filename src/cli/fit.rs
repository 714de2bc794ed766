//! `kolmo fit`.

use super::rank_rows::{RankRows, rank_rows};
use super::source::{Samples, check_inner_product};
use super::tables::tables_beside;
use super::{Global, spare, spare_files, warn};
use clap::Args;
use kolmo::algorithms::gaussian_process::{GaussianProcess, GpOptions, Mean};
use kolmo::algorithms::kernel::Kernel;
use kolmo::algorithms::pod::{Algorithm, PodOptions, Truncation};
use kolmo::comm::{Communicator, CountingComm, agree};
use kolmo::data::FieldInfo;
use kolmo::data::study::{DEFAULT_TOLERANCE, Study};
use kolmo::error::{Error, Result};
use kolmo::io::SnapshotSource;
use kolmo::io::checkpoint::{Checkpoint, Work};
use kolmo::io::field_slabs::FieldSlabs;
use kolmo::io::matrix_folder::holds_matrices;
use kolmo::io::open_mesh::MeshFormat;
use kolmo::io::operator_model_file::METHOD;
use kolmo::io::operators::holds_operators;
use kolmo::io::pod_model::{Provenance, write};
use kolmo::io::sample_files::{contents, is_pattern};
use kolmo::linalg::tall::Layout;
use kolmo::mesh::Mesh;
use kolmo::offline::Store;
use kolmo::offline::pod_regression::{FieldSnapshots, Options, pod_regression_of};
use kolmo::online::PodRegression;
use kolmo::online::pod_regression::Groups;
use serde_json::json;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct Fit {
    /// A study in TOML; or with all defaults a folder of result files with parameters.csv, or a stacked HDF5 file
    study: PathBuf,
    /// The model file, relative to the current folder
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Go on where a run that was stopped has come to, if its study and data are the same
    #[arg(long)]
    resume: bool,
    /// New samples for a model, which is named in place of the study and written again (or to -o)
    #[arg(long, value_name = "NEW")]
    append: Option<PathBuf>,
}

/// The study in a file; for samples without one the study with all defaults, which is at home at `home` (default: beside them).
pub fn study_of(path: &Path, home: Option<&Path>) -> Result<Study> {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    let array = ["h5", "hdf5", "npy", "npz"].contains(&ending.as_str());
    let mesh = path.is_dir() || is_pattern(path) || MeshFormat::of(path).is_some();
    if array || mesh { study_for(path, home) } else { Study::read(path).map(with_method) }
}

/// The study with the method that its samples ask for, where it names none.
pub fn with_method(mut study: Study) -> Study {
    if !study.method_named && holds_operators(&study.resolve(&study.data.samples)) {
        study.reduction.method = METHOD.into();
    }
    study
}

/// The study with all defaults for samples, see [`study_of`].
pub fn study_for(path: &Path, home: Option<&Path>) -> Result<Study> {
    if holds_matrices(path) {
        let (found, expected) = ("a folder of MatrixMarket files", "an HDF5 file of operators");
        let mend = format!("run kolmo convert {} operators.h5, and fit that", path.display());
        return Err(Error::input("K002", path, "", found, expected, mend));
    }
    // Of `.` too the name is wanted; a link keeps its own.
    let named = matches!(path.components().next_back(), Some(Component::Normal(_)));
    let place = if named { path.components().collect() } else { path.canonicalize().unwrap_or_else(|_| path.into()) };
    let beside = match (path.is_dir() || MeshFormat::of(path).is_some(), is_pattern(path)) {
        (_, true) => PathBuf::from("samples.toml"),
        (true, _) if path.is_dir() => PathBuf::from(format!("{}.toml", place.display())),
        _ => place.with_extension("toml"),
    };
    let samples = if path.is_dir() { contents(path)?.samples } else { path.to_path_buf() };
    let (parameters, scalars) = tables_beside(path)?;
    let method = if holds_operators(&samples) { METHOD } else { "pod" };
    Study::for_samples(home.unwrap_or(&beside), &samples, parameters.as_deref(), scalars.as_deref(), method)
}

/// Options of the algorithms from a study.
pub fn options_of(study: &Study) -> Options {
    let (r, g) = (&study.reduction, &study.regression);
    let truncation = match r.modes {
        Some(m) => Truncation::Modes(m.max(1) as usize),
        None => Truncation::Tolerance(r.tolerance.unwrap_or(DEFAULT_TOLERANCE)),
    };
    let algorithm = match r.algorithm.as_str() {
        "gram" => Algorithm::Gram,
        "tsqr" => Algorithm::Tsqr,
        "randomized" => Algorithm::Randomized,
        "incremental" => Algorithm::Incremental,
        _ => Algorithm::Auto,
    };
    let mean = match g.mean.as_str() {
        "constant" => Some(Mean::Constant),
        "linear" => Some(Mean::Linear),
        _ => None,
    };
    Options {
        pod: PodOptions { truncation, algorithm, center: r.center, weights: None, seed: g.seed },
        regression: GpOptions {
            kernel: Kernel::from_name(&g.kernel).ok(),
            mean,
            restarts: g.restarts.max(0) as usize,
            seed: g.seed,
            ..GpOptions::default()
        },
        confidence: g.confidence,
        progress: Default::default(),
        checkpoint: None,
    }
}

/// That an inner product from a file is not positive definite is bad input.
fn of_file(error: Error, study: &Study, samples: &Samples) -> Error {
    match error {
        Error::NotPositiveDefinite { what, pivot, .. }
            if study.reduction.inner_product == "file" && what == "the inner product" =>
        {
            let found = format!("pivot {pivot} of the snapshots' products not above 0");
            let mend = "mend the matrix, or choose inner_product = \"l2\"";
            Error::input("K016", samples.source.path(), "/inner_product", found, "a positive definite matrix", mend)
        }
        e if e.code() == "K019" => e.in_file(samples.source.path()),
        other => other,
    }
}

/// This rank's rows of a field, to be read slab by slab, with its part of the inner product. Collective.
fn snapshots_of(
    study: &Study,
    samples: &Samples,
    info: FieldInfo,
    rows: &[usize],
    mesh: Option<&Mesh>,
    comm: &Arc<dyn Communicator>,
) -> Result<FieldSnapshots> {
    let (kind, product, path) = (&study.reduction.inner_product, samples.file_product.as_ref(), samples.source.path());
    let RankRows { layout, product } = agree(comm.as_ref(), rank_rows(kind, &info, mesh, product, path, comm))?;
    let folder = study.model_file().parent().map(Path::to_path_buf).unwrap_or_default();
    let memory = study.reduction.memory_bytes() as usize;
    let slabs = FieldSlabs::new(samples.source.clone(), info.clone(), rows.to_vec(), layout, memory, &folder)
        .map_err(|e| e.in_file(&study.file));
    let slabs = agree(comm.as_ref(), slabs)?;
    Ok(FieldSnapshots { snapshots: Box::new(slabs), inner_product: product, rows: None, info })
}

/// Refuses fields for whose slabs `[reduction] memory` is too small, by headers: the one that needs most. Not collective.
pub fn enough_memory(
    study: &Study,
    source: &dyn SnapshotSource,
    fields: &[FieldInfo],
    n_samples: usize,
    n_ranks: usize,
) -> Result<()> {
    let memory = study.reduction.memory_bytes() as usize;
    let refused = |f: &FieldInfo| {
        let of = |rank: usize| Layout::even(f.n_entities, f.n_components, Arc::new(CountingComm::new(rank, n_ranks)));
        let first = of(0);
        // The rank that has most rows.
        let rows = |r: &usize| first.offsets()[r + 1] - first.offsets()[*r];
        let layout = of((0..n_ranks).max_by_key(rows).unwrap_or(0));
        let error = FieldSlabs::check(source, f, n_samples, &layout, memory).err()?;
        Some((FieldSlabs::least_memory(source, f, n_samples, &layout), error))
    };
    match fields.iter().filter_map(refused).max_by_key(|(least, _)| *least) {
        Some((_, error)) => Err(error.in_file(&study.file)),
        None => Ok(()),
    }
}

/// Refuses fewer samples than a fit needs.
pub fn enough(study: &Study, rows: &[usize]) -> Result<()> {
    if rows.len() >= 3 {
        return Ok(());
    }
    Err(Error::input(
        "K008",
        &study.file,
        "[data] select",
        format!("{} samples", rows.len()),
        "at least 3 samples to train on",
        "widen `select`, or hand in more samples",
    ))
}

/// Fits the samples `rows` of a study.
pub fn fit(study: &Study, samples: &Samples, rows: &[usize], global: &Global) -> Result<(PodRegression, Provenance)> {
    fit_kept(study, samples, rows, global, None)
}

/// [`fit`] that keeps what is done in a checkpoint.
fn fit_kept(
    study: &Study,
    samples: &Samples,
    rows: &[usize],
    global: &Global,
    checkpoint: Option<Arc<dyn Store>>,
) -> Result<(PodRegression, Provenance)> {
    let start = Instant::now();
    let comm = global.comm();
    let prepare = || {
        enough(study, rows)?;
        let (inputs, dropped) = samples.inputs(study, rows)?;
        let (mesh, fields) = (samples.source.mean_mesh(rows)?, samples.fields(study)?);
        // All that can be refused of any field is refused before the work on the first one.
        let (kind, product, path) = (&study.reduction.inner_product, &samples.file_product, samples.source.path());
        fields.iter().try_for_each(|f| check_inner_product(kind, f, mesh.as_ref(), product.as_ref(), path))?;
        enough_memory(study, samples.source.as_ref(), &fields, rows.len(), comm.size())?;
        Ok((inputs, dropped, mesh, fields))
    };
    let (inputs, dropped, mesh, infos) = agree(comm.as_ref(), prepare())?;
    let mut fields = infos.into_iter().map(|info| snapshots_of(study, samples, info, rows, mesh.as_ref(), &comm));
    global.progress(&format!("fit: {} fields, {} samples, {} inputs", fields.len(), rows.len(), inputs.n_columns()));
    let scalars = samples.scalars.select_rows(rows);
    let options = Options { progress: global.steps("fit"), checkpoint, ..options_of(study) };
    let model = pod_regression_of(comm.as_ref(), &inputs, &mut fields, &scalars, &options);
    let model = model.map_err(|e| of_file(e, study, samples))?;
    let about = Provenance {
        study: study.text.clone(),
        study_name: study.name.clone(),
        inner_product: study.reduction.inner_product.clone(),
        seconds: start.elapsed().as_secs_f64(),
        mesh,
        training: inputs.values.clone(),
        dropped,
    };
    Ok((model, about))
}

impl Fit {
    /// Where this run keeps what it has done; with --resume, what a stopped run has kept. Collective.
    fn checkpoint(&self, output: &Path, work: Work, global: &Global) -> Result<Checkpoint> {
        let comm = global.comm();
        let first = comm.rank() == 0;
        let seconds = std::env::var("KOLMO_CHECKPOINT_SECONDS").ok().and_then(|s| s.parse().ok());
        let interval = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok()).unwrap_or(Duration::from_secs(30));
        let kept = Checkpoint::new(output, work, first, interval);
        let place = kept.folder().display();
        if !self.resume {
            if first && kept.folder().exists() {
                global.progress(&format!("fit: starts anew; --resume would go on from {place}"));
            }
            return Ok(kept);
        }
        let found = agree(comm.as_ref(), if first { kept.find() } else { Ok(false) })?;
        let mut found = [f64::from(u8::from(found))];
        comm.broadcast(&mut found, 0);
        if found == [0.0] {
            global.progress(&format!("fit: no checkpoint {place}; starts from the beginning"));
            return Ok(kept);
        }
        global.progress(&format!("fit: goes on from {place}"));
        Ok(kept.resumed())
    }

    /// Reads, fits, writes.
    pub fn run(&self, global: &Global) -> Result<()> {
        self.perform(global).map_err(|e| self.without_study(e))
    }

    /// An error in the study of a fit without one, which nobody has written, as one of the samples.
    fn without_study(&self, error: Error) -> Error {
        if self.append.is_some() || self.study.extension().is_some_and(|e| e == "toml") {
            return error;
        }
        let home = self.output.as_ref().map(|o| o.with_extension("toml"));
        let study = study_of(&self.study, home.as_deref()).ok();
        match error {
            Error::Input { code, file, place, found, expected, mend }
                if study.is_some_and(|s| s.file == file) && place.starts_with('[') =>
            {
                let (place, mend) = match place.as_str() {
                    "[data] select" => (String::new(), "hand in more samples".into()),
                    place => (format!("study with all defaults, {place}"), format!("{mend} (in a study of your own)")),
                };
                Error::Input { code, file: self.study.clone(), place, found, expected, mend }
            }
            other => other,
        }
    }

    fn perform(&self, global: &Global) -> Result<()> {
        if let Some(new) = self.append.as_ref().filter(|_| !self.resume) {
            return super::append::append(new, &self.study, self.output.as_deref(), global);
        }
        if self.append.is_some() {
            let expected = "one of the two: an update has no checkpoint";
            return Err(Error::input("K012", "kolmo", "fit", "--append with --resume", expected, "leave out --resume"));
        }
        let comm = global.comm();
        let first = comm.rank() == 0;
        let prepare = || {
            let home = self.output.as_ref().map(|o| o.with_extension("toml"));
            let study = study_of(&self.study, home.as_deref())?;
            let output = self.output.clone().unwrap_or_else(|| study.model_file());
            let beside = self.study.extension().is_none_or(|e| e != "toml").then(|| output.with_extension("toml"));
            spare(&output, &[&study.resolve(&study.data.samples), &self.study])?;
            if let Some(file) = &beside {
                if *file == output {
                    let (found, mend) = ("the name of the study that is written beside the model", "name it MODEL.h5");
                    return Err(Error::input("K009", &output, "-o", found, "another ending than .toml", mend));
                }
                keep(file)?;
            }
            global.check_json()?;
            if first {
                // A folder that is missing is told before the work, not after it.
                drop(kolmo::io::atomic::temporary(&output)?);
            }
            Ok((study, output, beside))
        };
        // Files may differ between the machines of a run: an error of one rank is the error of all.
        let (study, output, beside) = agree(comm.as_ref(), prepare())?;
        if study.reduction.method == METHOD {
            let alone = || super::operator_fit::run(&study, &output, beside.as_deref(), self.resume, global);
            return agree(comm.as_ref(), if first { alone() } else { Ok(()) });
        }
        let samples = Samples::on(&study, &comm)?;
        let spared = spare_files(std::slice::from_ref(&output), &samples.files);
        if first && samples.source.mesh().is_none() {
            // Arrays that may have been meant as fields: of mesh files `check` tells what is no field.
            samples.source.remarks().iter().for_each(|remark| warn(remark));
        }
        let rows = spared.and_then(|()| study.select(samples.source.n_samples()));
        let (rows, _) = agree(comm.as_ref(), rows)?;
        let kept = Arc::new(self.checkpoint(&output, Work::new(&study.text, &rows, &samples.files), global)?);
        let fitted = fit_kept(&study, &samples, &rows, global, Some(kept.clone()));
        // Data that changed in the meantime are the reason of any other error, and no model comes from them.
        agree(comm.as_ref(), kept.work().unchanged())?;
        let (model, about) = fitted?;
        write(&output, &model, &about, comm.as_ref())?;
        let beside = match beside.filter(|_| first) {
            Some(file) => write_study(&file, &study),
            None => Ok(()),
        };
        agree(comm.as_ref(), beside)?;
        kept.remove();
        let mut lines = Vec::new();
        let mut fields = serde_json::Map::new();
        for f in &model.fields {
            let by_mean = answered_by_mean(&f.groups);
            let note = if by_mean > 0 { format!("; {by_mean} of them answered by their mean") } else { String::new() };
            let (name, error) = (&f.info.name, f.projection_error);
            // Other ways stop at round-off at the earliest.
            if let Truncation::Tolerance(tolerance) = f.truncation
                && study.reduction.algorithm == "gram"
                && error > tolerance
            {
                let reached =
                    format!("field {name}: the projection error is {error:.1e}, above the tolerance {tolerance:.1e}");
                warn(&format!(
                    "{reached}; `gram` is blind below 1e-8 of the largest singular value, use `auto` or `tsqr`"
                ));
            }
            lines.push(format!("{name}: {} modes, projection error {error:.2e}{note}", f.n_modes()));
            if global.verbose {
                f.groups.iter().for_each(|(outputs, process)| lines.push(describe(outputs, process)));
            }
            fields.insert(
                name.clone(),
                json!({"modes": f.n_modes(), "projection_error": error, "answered_by_mean": by_mean}),
            );
        }
        lines.push(format!("model: {} ({} samples, {:.2} s)", output.display(), rows.len(), about.seconds));
        let value = json!({"model": output, "n_samples": rows.len(), "fields": fields, "seconds": about.seconds});
        global.result(&lines.join("\n"), &value)
    }
}

/// First line of a study that `fit` wrote: such a file may be written again.
const WRITTEN: &str = "# written by kolmo fit";

/// Writes the study of a fit without one.
pub fn write_study(file: &Path, study: &Study) -> Result<()> {
    kolmo::io::atomic::write_bytes(file, format!("{WRITTEN}\n{}", study.text).as_bytes())
}

/// Refuses to replace a study that the user wrote.
fn keep(file: &Path) -> Result<()> {
    match std::fs::read_to_string(file) {
        Ok(text) if !text.starts_with(WRITTEN) => Err(Error::input(
            "K009",
            file,
            "",
            "a study that kolmo did not write",
            "a free name for the study that is written beside the model",
            "fit that study, or choose another name with -o",
        )),
        _ => Ok(()),
    }
}

/// Modes for which leave-one-out says that the process is no better than the mean.
pub fn answered_by_mean(groups: &Groups) -> usize {
    groups.iter().flat_map(|(_, process)| process.is_mean()).filter(|is_mean| **is_mean).count()
}

/// Kernel, mean, length scales (in standard deviations of the inputs) and noise of a group of modes.
fn describe(outputs: &[usize], process: &GaussianProcess) -> String {
    let p = process.to_parts();
    let modes: Vec<String> = outputs.iter().map(|j| (j + 1).to_string()).collect();
    let lengths: Vec<String> = p.length_scales.iter().map(|l| format!("{l:.3}")).collect();
    let means = p.is_mean.iter().filter(|m| **m).count();
    let mean = match p.mean {
        Mean::Zero => "zero",
        Mean::Constant => "constant",
        Mean::Linear => "linear",
    };
    format!(
        "  modes {}: {}, {mean} mean, length scales {}, noise ratio {:.1e}, {means} answered by the mean",
        modes.join(" "),
        p.kernel.name(),
        lengths.join(" "),
        p.noise_ratio
    )
}
