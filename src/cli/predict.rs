//! `kolmo predict`.

use super::{Global, spare, spare_files};
use clap::Args;
use faer::{Mat, MatRef};
use kolmo::data::{FieldInfo, Location, Table};
use kolmo::error::{Error, Result};
use kolmo::io::csv::read_table;
use kolmo::io::mesh_file::{MeshArray, Number};
use kolmo::io::pod_model::{Provenance, read};
use kolmo::io::predictions::{PredictedField, PredictionBatch, PredictionWriter, is_points};
use kolmo::io::sample_writer::{SampleWriter, sample_outputs};
use kolmo::linalg::dense;
use kolmo::mesh::Mesh;
use kolmo::offline::Progress;
use kolmo::online::{PodRegression, Prediction};
use serde_json::json;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Points that are expanded to fields at a time.
pub const BATCH: usize = 64;

#[derive(Args)]
pub struct Predict {
    model: PathBuf,
    /// Table of points, a column per input
    #[arg(long, conflicts_with = "at")]
    parameters: Option<PathBuf>,
    /// One point: name=value,name=value
    #[arg(long)]
    at: Option<String>,
    /// Stacked HDF5 (.h5); .vtu for one point; .pvd or .xdmf for a series; or a folder (with / at the end) for a .vtu per point
    #[arg(short, long)]
    output: PathBuf,
    /// Use the leading modes only
    #[arg(long, allow_negative_numbers = true)]
    modes: Option<i64>,
}

/// Reads a model and truncates it to `--modes`.
pub fn load(file: &Path, modes: Option<i64>) -> Result<(PodRegression, Provenance)> {
    let (model, about) = read(file)?;
    let largest = model.fields.iter().map(|f| f.n_modes()).max().unwrap_or(0);
    match modes {
        None => Ok((model, about)),
        Some(m) if m >= 1 && m as usize <= largest => Ok((model.truncated(m as usize), about)),
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

/// The inputs of the model from a table of points.
pub fn inputs_from(table: &Table, model: &PodRegression, file: &Path) -> Result<Mat<f64>> {
    let columns = kolmo::io::csv::columns(file, table, &model.inputs.names)?;
    let x = Mat::from_fn(table.n_rows(), columns.len(), |i, j| table.row(i)[columns[j]]);
    for (j, name) in model.inputs.names.iter().enumerate() {
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

/// A batch of points with its fields.
pub fn expand(model: &PodRegression, x: MatRef<'_, f64>) -> Result<PredictionBatch> {
    let p = model.predict(x)?;
    let fields: Result<Vec<PredictedField>> =
        (0..model.fields.len()).map(|k| expand_field(model, &p, k, 0..x.nrows())).collect();
    Ok(PredictionBatch {
        fields: fields?,
        indicator: p.indicator(),
        scalars: p.scalars,
        scalars_std: p.scalars_std,
        scalars_interval: p.scalars_interval,
        flags: p.flags,
    })
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
struct Told {
    outside: usize,
    largest: f64,
}

impl Told {
    fn add(&mut self, batch: &PredictionBatch) {
        self.outside += batch.flags.iter().filter(|f| **f != 0).count();
        self.largest = batch.indicator.iter().copied().fold(self.largest, f64::max);
    }
}

impl Predict {
    fn points(&self) -> Result<Points> {
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

    /// Reads, evaluates, writes.
    pub fn run(&self, global: &Global) -> Result<()> {
        let inputs: Vec<&Path> =
            [Some(&self.model), self.parameters.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect();
        spare(&self.output, &inputs)?;
        // A folder that is missing is told before the work, not after it.
        let stacked = self.is_stacked();
        if stacked || self.output.extension().is_some() && !self.output.is_dir() {
            drop(kolmo::io::atomic::temporary(&self.output)?);
        }
        global.check_json()?;
        let (model, about) = load(&self.model, self.modes)?;
        let points = self.points()?;
        let Points { table, file, .. } = &points;
        if self.at.is_some() {
            let known: Vec<&str> =
                model.inputs.names.iter().chain(about.dropped.iter().map(|(n, _)| n)).map(String::as_str).collect();
            if let Some(name) = table.names.iter().find(|n| !known.contains(&n.as_str())) {
                return Err(kolmo::data::study::unknown_name(file, name, "input", name, &known));
            }
        }
        let x = inputs_from(table, &model, file)?;
        if let Some(reason) = about.dropped.iter().find_map(|(name, _)| table.reason(name)) {
            return Err(reason.clone());
        }
        let n = x.nrows();
        if n == 0 {
            return Err(Error::input("K008", file, "", "no rows", "at least one point", "add a row"));
        }
        let told = if !stacked {
            self.meshes(&model, &about, &points, x.as_ref(), &global.steps("predict"))?
        } else {
            let infos: Vec<FieldInfo> = model.fields.iter().map(|f| f.info.clone()).collect();
            let scalars: Vec<String> = model.scalars.iter().map(|s| s.name.clone()).collect();
            let mut writer = PredictionWriter::create(&self.output, about.mesh.as_ref(), table, &infos, n, &scalars)?;
            let mut told = Told::default();
            let steps = global.steps("predict");
            for start in (0..n).step_by(BATCH) {
                if n > BATCH {
                    steps.tell("points", start, n);
                }
                let mut batch = expand(&model, x.subrows(start, BATCH.min(n - start)))?;
                flag_constants(&mut batch.flags, &about, table, start);
                told.add(&batch);
                writer.append(&batch)?;
            }
            writer.finish()?;
            steps.tell("done", n, n);
            told
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

    /// Whether the output is stacked HDF5; files of mesh formats otherwise.
    fn is_stacked(&self) -> bool {
        let ending = self.output.extension().map(|e| e.to_string_lossy().to_lowercase());
        let folder = self.output.is_dir() || self.output.as_os_str().as_encoded_bytes().ends_with(b"/");
        !folder && matches!(ending.as_deref(), None | Some("h5" | "hdf5"))
    }

    /// Mesh files: one .vtu, a series, or a folder of .vtu with the tables.
    fn meshes(
        &self,
        model: &PodRegression,
        about: &Provenance,
        points: &Points,
        x: MatRef<'_, f64>,
        steps: &Progress,
    ) -> Result<Told> {
        let Some(mesh) = &about.mesh else {
            let found = "a model without a mesh";
            let expected = "a model with a mesh for this kind of file";
            return Err(Error::input("K009", &self.output, "-o", found, expected, "choose an .h5 file"));
        };
        let n = x.nrows();
        let names: Vec<String> = (0..n).map(|i| points.name(i, n)).collect();
        let inputs = [self.model.clone(), points.file.clone()];
        spare_files(&sample_outputs(&self.output, &names).map_err(|e| e.inside("-o"))?, &inputs)?;
        let mut writer = SampleWriter::create(&self.output, &names).map_err(|e| e.inside("-o"))?;
        let (mut told, mut scalars) = (Told::default(), Vec::new());
        let time = points.table.position("time");
        for start in (0..n).step_by(BATCH) {
            if n > BATCH {
                steps.tell("points", start, n);
            }
            let mut batch = expand(model, x.subrows(start, BATCH.min(n - start)))?;
            flag_constants(&mut batch.flags, about, &points.table, start);
            told.add(&batch);
            for j in 0..batch.flags.len() {
                let time = time.map(|t| points.table.row(start + j)[t]);
                append(&mut writer, model, mesh, &batch, j, time)?;
            }
            scalars.extend(batch.scalars);
        }
        let names = model.scalars.iter().map(|s| s.name.clone()).collect();
        writer.finish(Some(&points.table), Some(&Table::new(names, scalars)?))?;
        steps.tell("done", n, n);
        Ok(told)
    }
}

/// Point `j` of a batch as a sample on the mesh.
fn append(
    writer: &mut SampleWriter,
    model: &PodRegression,
    mesh: &Mesh,
    batch: &PredictionBatch,
    j: usize,
    time: Option<f64>,
) -> Result<()> {
    let mut named: Vec<(String, &FieldInfo, &[f64])> = Vec::new();
    let mut moved = None;
    for (field, p) in model.fields.iter().zip(&batch.fields) {
        let moves = is_points(&field.info, Some(mesh));
        for (suffix, m) in [("", &p.values), ("_std", &p.std), ("_interval", &p.interval)] {
            let values = m.col_as_slice(j);
            if moves && suffix.is_empty() {
                moved = Some(Mesh { dim: mesh.dim, points: values.to_vec(), cells: mesh.cells.clone() });
            } else if field.info.location != Location::Free {
                named.push((format!("{}{suffix}", field.info.name), &field.info, values));
            }
        }
    }
    let arrays: Vec<MeshArray<'_>> = named
        .iter()
        .map(|(name, info, values)| MeshArray {
            name,
            location: info.location,
            n_components: info.n_components,
            number: Number::Float64,
            values,
        })
        .collect();
    let mut field_data = vec![
        ("indicator".to_string(), vec![batch.indicator[j]]),
        ("flag".to_string(), vec![f64::from(batch.flags[j])]),
    ];
    let k = model.scalars.len();
    for (scalar, value) in model.scalars.iter().zip(&batch.scalars[j * k..(j + 1) * k]) {
        field_data.push((scalar.name.clone(), vec![*value]));
    }
    writer.append(time, moved.as_ref().unwrap_or(mesh), &arrays, &field_data)
}

/// Points at which a model is asked, with the names of their samples where the table has them.
struct Points {
    table: Table,
    names: Option<Vec<String>>,
    file: PathBuf,
}

impl Points {
    fn name(&self, i: usize, n: usize) -> String {
        match self.names.as_ref().and_then(|names| names.get(i)) {
            Some(name) => name.clone(),
            None => format!("point_{i:0width$}", width = (n.max(1) - 1).to_string().len()),
        }
    }
}
