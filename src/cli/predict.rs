//! `kolmo predict`.

use super::compare::missing_name;
use super::predict_ranks::{on_pieces, stacked_on_ranks};
pub use super::predicted_sample::Sample;
use super::{Global, spare, spare_files};
use clap::Args;
use faer::{Mat, MatRef};
use kolmo::comm::{Communicator, SingleComm, agree};
use kolmo::data::{FieldInfo, Table};
use kolmo::error::{Error, Result};
use kolmo::io::csv::read_table;
use kolmo::io::former_pieces::FormerPieces;
use kolmo::io::operator_model_file::{self, method_of};
use kolmo::io::pod_model::{PodModelFile, Provenance};
use kolmo::io::predictions::{PredictedField, PredictionBatch, PredictionWriter, is_points};
use kolmo::io::sample_writer::{SampleWriter, sample_outputs, spare_rows};
use kolmo::linalg::dense;
use kolmo::mesh::Mesh;
use kolmo::offline::Progress;
use kolmo::online::{PodRegression, Prediction};
use serde_json::json;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Points that are expanded to fields at a time.
pub const BATCH: usize = 64;

#[derive(Args)]
pub struct Predict {
    pub model: PathBuf,
    /// Table of points, a column per input
    #[arg(long, conflicts_with = "at")]
    pub parameters: Option<PathBuf>,
    /// One point: name=value,name=value
    #[arg(long)]
    pub at: Option<String>,
    /// Reduced-basis models: a file with the entries of the new operators that `info --entries` lists, or with whole operators;
    /// its /parameters are the points, where none are named
    #[arg(long, value_name = "NEW.h5")]
    pub operators: Option<PathBuf>,
    /// Stacked HDF5 (.h5); .vtu or .pvtu for one point; .pvd or .xdmf for a series; or a folder (with / at the end) for a .vtu per
    /// point. On several ranks .pvtu, .pvd and folders hold a piece per rank
    #[arg(short, long)]
    pub output: PathBuf,
    /// Use the leading modes only
    #[arg(long, allow_negative_numbers = true)]
    pub modes: Option<i64>,
}

/// Opens a model, where it has `--modes` modes.
pub fn open(file: &Path, modes: Option<i64>) -> Result<PodModelFile> {
    let model = PodModelFile::open(file)?;
    let largest = model.n_modes()?.into_iter().max().unwrap_or(0);
    match modes {
        None => Ok(model),
        Some(m) if m >= 1 && m as usize <= largest => Ok(model),
        Some(m) => Err(Error::input(
            "K009",
            file,
            "--modes",
            m.to_string(),
            format!("1 to {largest}"),
            "choose a number of modes that the model holds",
        )),
    }
}

/// Rows of an open model (all where there is `None`), with its leading `--modes` modes.
pub fn load(file: &PodModelFile, rows: Vec<Option<Vec<usize>>>, modes: Option<i64>) -> Result<PodRegression> {
    let mut model = file.model(rows)?;
    if let Some(m) = modes {
        model.truncate(m.max(1) as usize);
    }
    Ok(model)
}

/// The inputs of a model by their names from a table of points.
pub fn inputs_from(table: &Table, names: &[String], file: &Path) -> Result<Mat<f64>> {
    let column = |name: &String| table.position(name).ok_or_else(|| missing_input(table, names, name, file));
    let columns = names.iter().map(column).collect::<Result<Vec<_>>>()?;
    let x = Mat::from_fn(table.n_rows(), columns.len(), |i, j| table.row(i)[columns[j]]);
    for (j, name) in names.iter().enumerate() {
        if let Some(i) = x.col(j).iter().position(|v| !v.is_finite()) {
            return Err(Error::input(
                "K004",
                file,
                format!("row {}, {name}", i + 1),
                x[(i, j)].to_string(),
                "a finite number",
                "mend the value",
            ));
        }
    }
    Ok(x)
}

/// The error for an input of a model that a table lacks.
fn missing_input(table: &Table, names: &[String], name: &str, file: &Path) -> Error {
    if let Some(reason) = table.reason(name) {
        return reason.clone();
    }
    let others: Vec<&str> = table.names.iter().filter(|n| !names.contains(n)).map(String::as_str).collect();
    missing_name(file, "input", name, &table.names, &others)
}

/// Field `k` at the points `points` of a prediction.
pub fn expand_field(model: &PodRegression, p: &Prediction, k: usize, points: Range<usize>) -> Result<PredictedField> {
    let field = &model.fields[k];
    let (n, b, start) = (field.basis.nrows(), points.len(), points.start);
    let (mut values, mut std) = (Mat::zeros(n, b), Mat::zeros(n, b));
    let (c, v) = (p.coefficients[k].subcols(start, b), p.variances[k].subcols(start, b));
    field.expand_into(c, v, values.as_mut(), std.as_mut())?;
    let mut interval = std.clone();
    dense::scale(interval.as_mut(), field.interval_factor);
    Ok(PredictedField { values, std, interval, indicator: p.indicators[k][points].to_vec() })
}

/// The points `points` of a prediction with their fields.
pub fn expand(model: &PodRegression, p: &Prediction, points: Range<usize>) -> Result<PredictionBatch> {
    let fields = (0..model.fields.len()).map(|k| expand_field(model, p, k, points.clone()));
    let k = model.scalars.len();
    let of_points = |values: &[f64]| values[points.start * k..points.end * k].to_vec();
    Ok(PredictionBatch {
        fields: fields.collect::<Result<_>>()?,
        indicator: p.indicator()[points.clone()].to_vec(),
        scalars: of_points(&p.scalars),
        scalars_std: of_points(&p.scalars_std),
        scalars_interval: of_points(&p.scalars_interval),
        flags: p.flags[points].to_vec(),
        bound: None,
    })
}

/// Everything but the fields at the points from `start` on, at most [`BATCH`].
pub fn predict_batch(
    model: &PodRegression,
    about: &Provenance,
    points: &Points,
    x: MatRef<'_, f64>,
    start: usize,
) -> Result<Prediction> {
    let mut p = model.predict(x.subrows(start, BATCH.min(x.nrows() - start)))?;
    flag_constants(&mut p.flags, about, &points.table, start);
    Ok(p)
}

/// Raises the flag of points at which an input that never varied in training has another value.
pub fn flag_constants(flags: &mut [u8], about: &Provenance, table: &Table, start: usize) {
    for (name, value) in &about.dropped {
        if let Some(column) = table.position(name) {
            for (i, flag) in flags.iter_mut().enumerate() {
                *flag |= u8::from(table.row(start + i)[column] != *value);
            }
        }
    }
}

/// What is told of predictions beside the file.
#[derive(Default)]
pub struct Told {
    outside: usize,
    largest: f64,
}

impl Told {
    /// Counts a batch of points in.
    pub fn add(&mut self, p: &Prediction) {
        self.outside += p.flags.iter().filter(|f| **f != 0).count();
        self.largest = p.indicator().into_iter().fold(self.largest, f64::max);
    }
}

/// What a prediction is written as.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Output {
    /// Stacked HDF5.
    Stacked,
    /// A piece of the mesh per rank.
    Pieces,
    /// Whole meshes.
    Meshes,
}

/// What is asked for: a model, the points, its inputs there.
struct Asked {
    file: PodModelFile,
    points: Points,
    x: Mat<f64>,
}

impl Predict {
    /// The points that are asked for.
    pub fn points(&self) -> Result<Points> {
        if let Some(file) = &self.parameters {
            let (names, table) = read_table(file)?;
            return Ok(Points { table, names, file: file.clone() });
        }
        let file = PathBuf::from("--at");
        let Some(at) = &self.at else {
            return Err(Error::input(
                "K012",
                "kolmo",
                "predict",
                "no points",
                "--parameters P.csv or --at name=value",
                "name the points",
            ));
        };
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for part in at.split(',') {
            let pair = part.split_once('=').and_then(|(n, v)| Some((n.trim(), v.trim().parse::<f64>().ok()?)));
            let Some((name, value)) = pair else {
                return Err(Error::input(
                    "K012",
                    file,
                    part,
                    format!("`{part}`"),
                    "name=value with a number",
                    "write --at mach=2.1,gamma=1.4",
                ));
            };
            if names.iter().any(|n| n == name) {
                return Err(Error::input(
                    "K012",
                    file,
                    name,
                    format!("`{name}` twice"),
                    "each input once",
                    "leave one out",
                ));
            }
            names.push(name.to_string());
            values.push(value);
        }
        Ok(Points { table: Table::new(names, values)?, names: None, file })
    }

    /// Reads, evaluates, writes. Files that ranks cannot write together (.vtu, .xdmf) are left to the first.
    pub fn run(&self, global: &Global) -> Result<()> {
        let comm = global.comm();
        let method = agree(comm.as_ref(), method_of(&self.model))?;
        if method == operator_model_file::METHOD {
            let alone = || self.spare().and_then(|()| super::operator_predict::run(self, global));
            return agree(comm.as_ref(), if comm.rank() == 0 { alone() } else { Ok(()) });
        }
        if self.operators.is_some() {
            let (found, expected) = ("--operators", "a model of method reduced-basis");
            return Err(Error::input("K012", &self.model, "--operators", found, expected, "leave out --operators"));
        }
        let output = self.kind(comm.size());
        if comm.size() > 1 && output == Output::Meshes {
            let alone = || self.on(Arc::new(SingleComm), output, global);
            return agree(comm.as_ref(), if comm.rank() == 0 { alone() } else { Ok(()) });
        }
        self.on(comm, output, global)
    }

    fn on(&self, comm: Arc<dyn Communicator>, output: Output, global: &Global) -> Result<()> {
        let Asked { mut file, points, x } = agree(comm.as_ref(), self.prepare(output, comm.rank() == 0, global))?;
        let (n, steps, all) = (x.nrows(), global.steps("predict"), vec![None; file.fields().len()]);
        let told = match output {
            Output::Pieces => on_pieces(&comm, file, &self.output, self.modes, &points, x.as_ref(), &steps)?,
            Output::Stacked if comm.size() > 1 => {
                stacked_on_ranks(&comm, file, &self.output, self.modes, &points, x.as_ref(), &steps)?
            }
            Output::Stacked => {
                let model = load(&file, all, self.modes)?;
                self.stacked(&model, &file.about, &points, x.as_ref(), &steps)?
            }
            Output::Meshes => {
                let mesh = file.about.mesh.take().ok_or_else(|| no_mesh(&self.output))?;
                self.meshes(&load(&file, all, self.modes)?, &file.about, &mesh, &points, x.as_ref(), &steps)?
            }
        };
        let largest = if n == 1 { "estimated relative error" } else { "largest estimated relative error" };
        global.result(
            &format!(
                "predictions: {} ({n} point{}, {} outside the training box; {largest} {:.1e})",
                self.output.display(),
                if n == 1 { "" } else { "s" },
                told.outside,
                told.largest
            ),
            &json!({"predictions": self.output, "n_points": n, "extrapolating": told.outside,
                "indicator_max": told.largest}),
        )
    }

    /// All that can be known before the fields are read.
    fn prepare(&self, output: Output, first: bool, global: &Global) -> Result<Asked> {
        let inputs: Vec<&Path> =
            [Some(&self.model), self.parameters.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect();
        spare(&self.output, &inputs)?;
        // A folder that is missing is told before the work, not after it.
        let file = output == Output::Stacked || self.output.extension().is_some() && !self.output.is_dir();
        if first && file {
            drop(kolmo::io::atomic::temporary(&self.output)?);
        }
        global.check_json()?;
        let model = open(&self.model, self.modes)?;
        let points = self.points()?;
        let Points { table, file, .. } = &points;
        if self.at.is_some() {
            let dropped = model.about.dropped.iter().map(|(name, _)| name);
            let known: Vec<&str> = model.inputs().names.iter().chain(dropped).map(String::as_str).collect();
            if let Some(name) = table.names.iter().find(|n| !known.contains(&n.as_str())) {
                return Err(kolmo::data::study::unknown_name(file, name, "input", name, &known));
            }
        }
        let x = inputs_from(table, &model.inputs().names, file)?;
        if let Some(reason) = model.about.dropped.iter().find_map(|(name, _)| table.reason(name)) {
            return Err(reason.clone());
        }
        if x.nrows() == 0 {
            return Err(Error::input("K008", file, "", "no rows", "at least one point", "add a row"));
        }
        Ok(Asked { file: model, points, x })
    }

    /// Whether the output is one stacked HDF5 file.
    pub fn is_stacked(&self) -> bool {
        self.kind(1) == Output::Stacked
    }

    /// Refuses outputs that would replace an input, or cannot be written.
    fn spare(&self) -> Result<()> {
        let inputs = [Some(&self.model), self.parameters.as_ref(), self.operators.as_ref()];
        let inputs: Vec<&Path> = inputs.into_iter().flatten().map(PathBuf::as_path).collect();
        spare(&self.output, &inputs)?;
        if self.is_stacked() {
            drop(kolmo::io::atomic::temporary(&self.output)?);
        }
        Ok(())
    }

    /// What the name of the output asks for; on several ranks folders and series hold pieces.
    fn kind(&self, n_ranks: usize) -> Output {
        let ending = self.output.extension().map(|e| e.to_string_lossy().to_lowercase());
        let folder = self.output.is_dir() || self.output.as_os_str().as_encoded_bytes().ends_with(b"/");
        match ending.as_deref() {
            None | Some("h5" | "hdf5") if !folder => Output::Stacked,
            Some("pvtu") if !folder => Output::Pieces,
            Some("pvd") if n_ranks > 1 => Output::Pieces,
            _ if folder && n_ranks > 1 => Output::Pieces,
            _ => Output::Meshes,
        }
    }

    fn stacked(
        &self,
        model: &PodRegression,
        about: &Provenance,
        points: &Points,
        x: MatRef<'_, f64>,
        steps: &Progress,
    ) -> Result<Told> {
        let n = x.nrows();
        let infos: Vec<FieldInfo> = model.fields.iter().map(|f| f.info.clone()).collect();
        let scalars: Vec<String> = model.scalars.iter().map(|s| s.name.clone()).collect();
        let mesh = about.mesh.as_ref();
        let mut writer = PredictionWriter::create(&self.output, mesh, &points.table, &infos, n, &scalars)?;
        let mut told = Told::default();
        for start in (0..n).step_by(BATCH) {
            if n > BATCH {
                steps.tell("points", start, n);
            }
            let p = predict_batch(model, about, points, x, start)?;
            told.add(&p);
            writer.append(&expand(model, &p, 0..p.flags.len())?)?;
        }
        writer.finish()?;
        steps.tell("done", n, n);
        Ok(told)
    }

    /// Mesh files: one .vtu, a series, or a folder of .vtu with the tables.
    fn meshes(
        &self,
        model: &PodRegression,
        about: &Provenance,
        mesh: &Mesh,
        points: &Points,
        x: MatRef<'_, f64>,
        steps: &Progress,
    ) -> Result<Told> {
        let n = x.nrows();
        let names = points.names(n);
        let outputs = sample_outputs(&self.output, &names).map_err(|e| e.inside("-o"))?;
        spare_files(&outputs, &points.inputs(&self.model))?;
        let scalars = model.scalars.iter().map(|s| s.name.clone()).collect();
        let scalars = Table { names: scalars, ..Table::default() };
        spare_rows(&self.output, &names, &[Some(&points.table), Some(&scalars)]).map_err(|e| e.inside("-o"))?;
        let former = FormerPieces::of(&self.output, &names);
        let mut writer = SampleWriter::create(&self.output, &names).map_err(|e| e.inside("-o"))?;
        let (mut told, mut scalars) = (Told::default(), Vec::new());
        let moves: Vec<bool> = model.fields.iter().map(|f| is_points(&f.info, Some(mesh))).collect();
        for start in (0..n).step_by(BATCH) {
            if n > BATCH {
                steps.tell("points", start, n);
            }
            let p = predict_batch(model, about, points, x, start)?;
            told.add(&p);
            let batch = expand(model, &p, 0..p.flags.len())?;
            for j in 0..batch.flags.len() {
                let sample = Sample::of(model, &batch, j, &moves);
                let moved = sample.moved(mesh);
                writer.append(
                    points.time(start + j),
                    moved.as_ref().unwrap_or(mesh),
                    &sample.arrays(),
                    &sample.field_data,
                )?;
            }
            scalars.extend(batch.scalars);
        }
        let names = model.scalars.iter().map(|s| s.name.clone()).collect();
        writer.finish(Some(&points.table), Some(&Table::new(names, scalars)?))?;
        former.remove(&outputs);
        steps.tell("done", n, n);
        Ok(told)
    }
}

/// Files of meshes need one.
pub fn no_mesh(output: &Path) -> Error {
    let (found, expected) = ("a model without a mesh", "a model with a mesh for this kind of file");
    Error::input("K009", output, "-o", found, expected, "choose an .h5 file")
}

/// Points at which a model is asked, with the names of their samples where the table has them.
pub struct Points {
    pub table: Table,
    pub names: Option<Vec<String>>,
    pub file: PathBuf,
}

impl Points {
    /// A name for each of the `n` points.
    pub fn names(&self, n: usize) -> Vec<String> {
        (0..n).map(|i| self.name(i, n)).collect()
    }

    /// Time of a point, where the table has it.
    pub fn time(&self, i: usize) -> Option<f64> {
        self.table.position("time").map(|t| self.table.row(i)[t])
    }

    /// The files that a prediction reads.
    pub fn inputs(&self, model: &Path) -> [PathBuf; 2] {
        [model.to_path_buf(), self.file.clone()]
    }

    fn name(&self, i: usize, n: usize) -> String {
        match self.names.as_ref().and_then(|names| names.get(i)) {
            Some(name) => name.clone(),
            None => format!("point_{i:0width$}", width = (n.max(1) - 1).to_string().len()),
        }
    }
}
