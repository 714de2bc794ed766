//! `kolmo convert`.

use super::source::{Samples, open};
use super::tables::{table_if_any, tables_beside};
use super::{Global, spare, spare_files, warn};
use clap::Args;
use kolmo::data::study::{DEFAULT_MEMORY, Study};
use kolmo::data::{FieldInfo, Location, Table};
use kolmo::error::{Error, Result};
use kolmo::io::SnapshotSource;
use kolmo::io::matrix_folder::{MatrixFolder, holds_matrices};
use kolmo::io::mesh_file::MeshArray;
use kolmo::io::npz_writer::write_npz;
use kolmo::io::sample_writer::{ENDINGS, SampleWriter, is_folder, sample_outputs, spare_rows};
use kolmo::io::stacked_writer::{Tables, write_stacked};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args)]
pub struct Convert {
    /// Samples: a stacked HDF5 file, a mesh file, a folder or pattern of them, .npy or .npz, or a study (its samples and fields);
    /// or a folder of MatrixMarket files NAME_KEY.mtx beside parameters.csv: operators, into .h5
    input: PathBuf,
    /// .h5 (stacked), .npz (arrays without the mesh), .vtu or .vtk (one sample), .pvd, .xdmf or .msh (a series), or a folder (a .vtu
    /// per sample, with the tables)
    output: PathBuf,
}

/// What is converted.
struct Input {
    source: Arc<dyn SnapshotSource>,
    rows: Vec<usize>,
    /// Those that a study names; all otherwise, tags too.
    fields: Option<Vec<FieldInfo>>,
    parameters: Table,
    scalars: Table,
    memory: f64,
    /// All files that are read.
    files: Vec<PathBuf>,
}

impl Input {
    fn of(path: &Path) -> Result<Input> {
        if path.extension().is_some_and(|e| e == "toml") {
            let study = Study::read(path)?;
            let samples = Samples::of(&study)?;
            let (rows, _) = study.select(samples.source.n_samples())?;
            let fields = study.data.fields.is_some().then(|| samples.fields(&study)).transpose()?;
            let memory = study.reduction.memory_bytes();
            let mut files = samples.files;
            files.push(path.to_path_buf());
            let (parameters, scalars) = (samples.parameters, samples.scalars);
            if study.data.inputs.is_none() {
                parameters.all_columns()?;
            }
            tell_left_out("parameters", &parameters);
            tell_left_out("scalars", &scalars);
            return Ok(Input { source: samples.source, rows, fields, parameters, scalars, memory, files });
        }
        let (source, _) = open(path)?;
        let (parameters, scalars) = tables_beside(path)?;
        let files = [source.files(), parameters.iter().chain(&scalars).cloned().collect()].concat();
        let parameters = table_if_any(path, parameters.as_deref(), source.parameters(), source.as_ref(), "parameters")?;
        let scalars = table_if_any(path, scalars.as_deref(), source.scalars(), source.as_ref(), "scalars")?;
        for (what, table) in [("parameters", &parameters), ("scalars", &scalars)] {
            table.all_columns()?;
            tell_left_out(what, table);
        }
        if let Some(reason) = source.untimed() {
            warn(&format!("times are left out, which not all samples have: {reason}"));
        }
        let rows = (0..source.n_samples()).collect();
        Ok(Input { source, rows, fields: None, parameters, scalars, memory: DEFAULT_MEMORY, files })
    }

    fn name(&self, row: usize) -> String {
        match self.source.names().and_then(|names| names.get(row)) {
            Some(name) => name.clone(),
            None => format!("sample_{row:0width$}", width = (self.source.n_samples() - 1).to_string().len()),
        }
    }

    fn wanted(&self, name: &str) -> bool {
        self.fields.as_ref().is_none_or(|fields| fields.iter().any(|f| f.name == name))
    }
}

/// Names the columns of a table that are no numbers.
fn tell_left_out(what: &str, table: &Table) {
    let names: Vec<&str> = table.unusable.iter().map(|c| c.name.as_str()).collect();
    if !names.is_empty() {
        warn(&format!("columns of the {what} that are no numbers are left out: {}", names.join(", ")));
    }
}

impl Convert {
    /// Reads and writes, sample by sample.
    pub fn run(&self, global: &Global) -> Result<()> {
        spare(&self.output, &[&self.input])?;
        global.check_json()?;
        if holds_matrices(&self.input) {
            return self.operators(global);
        }
        let input = Input::of(&self.input)?;
        let ending = self.output.extension().map(|e| e.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            _ if is_folder(&self.output) => self.meshes(&input, global)?,
            Some("h5" | "hdf5" | "npz") => {
                spare_files(std::slice::from_ref(&self.output), &input.files)?;
                self.arrays(&input, ending.as_deref() == Some("npz"), global)?;
            }
            Some("vtu" | "vtk" | "pvd" | "xdmf" | "msh") => self.meshes(&input, global)?,
            other => {
                let expected = format!(".npz, {ENDINGS}");
                let found = format!("the ending .{}", other.unwrap_or_default());
                return Err(Error::input("K009", &self.output, "", found, expected, "choose one of these names"));
            }
        }
        let n = input.rows.len();
        let text = format!("{}: {n} sample{}", self.output.display(), if n == 1 { "" } else { "s" });
        global.result(&text, &json!({"output": self.output, "n_samples": n}))
    }

    /// MatrixMarket files into the layout of operators.
    fn operators(&self, global: &Global) -> Result<()> {
        let folder = MatrixFolder::open(&self.input)?;
        if !self.output.extension().is_some_and(|e| e == "h5" || e == "hdf5") {
            let (found, expected) = ("operators for another format", "the ending .h5");
            return Err(Error::input("K009", &self.output, "", found, expected, "choose a name with this ending"));
        }
        spare_files(std::slice::from_ref(&self.output), &folder.files())?;
        let (steps, n) = (global.steps("convert"), folder.n_samples());
        folder.write(&self.output, &|name| steps.tell(name, 0, 1))?;
        steps.tell("done", 1, 1);
        let text = format!("{}: operators at {n} parameters", self.output.display());
        global.result(&text, &json!({"output": self.output, "n_samples": n}))
    }

    /// One file of arrays: stacked HDF5, or NumPy.
    fn arrays(&self, input: &Input, npz: bool, global: &Global) -> Result<()> {
        let source = input.source.as_ref();
        let fields: Vec<FieldInfo> = match &input.fields {
            Some(fields) => fields.clone(),
            None => source.fields().iter().chain(source.tags()).cloned().collect(),
        };
        if fields.is_empty() {
            let (found, mend) = ("samples without arrays", "choose a folder or a .vtu file for meshes alone");
            return Err(Error::input("K008", source.path(), "", found, "at least one array on points or cells", mend));
        }
        let mut left_out = source.left_out(false);
        left_out.extend(source.tag_names().iter().map(|tag| format!("the name {} of a group", tag.name)));
        if npz {
            left_out.extend(source.mesh().map(|_| "the mesh".to_string()));
            left_out.extend(source.trajectory().map(|_| "trajectory".to_string()));
        }
        self.say_left_out(&left_out);
        let (parameters, scalars) = (input.parameters.select_rows(&input.rows), input.scalars.select_rows(&input.rows));
        let time: Option<Vec<f64>> = source.time().map(|time| input.rows.iter().map(|i| time[*i]).collect());
        let trajectory: Option<Vec<i64>> = source.trajectory().map(|t| input.rows.iter().map(|i| t[*i]).collect());
        let tables = Tables {
            parameters: Some(&parameters),
            scalars: Some(&scalars),
            time: time.as_deref(),
            trajectory: trajectory.as_deref(),
        };
        let steps = global.steps("convert");
        let n = input.rows.len();
        let tell = |name: &str, done: usize| steps.tell(&format!("{name}: {done} of {n}"), 0, 1);
        let write = if npz { write_npz } else { write_stacked };
        write(&self.output, source, &input.rows, &fields, tables, input.memory, &tell)?;
        steps.tell("done", 1, 1);
        Ok(())
    }

    /// Names what the samples have and this kind of file has not.
    fn say_left_out(&self, what: &[String]) {
        if !what.is_empty() {
            warn(&format!("left out of {}: {}", self.output.display(), what.join(", ")));
        }
    }

    /// What mesh files of this kind have no place for.
    fn left_out_of_meshes(&self, input: &Input, named_groups: bool) -> Vec<String> {
        let source = input.source.as_ref();
        let mut left_out = source.left_out(true);
        left_out.extend(source.trajectory().map(|_| "trajectory".to_string()));
        let free = source.fields().iter().filter(|f| f.location == Location::Free && input.wanted(&f.name));
        left_out.extend(free.map(|f| format!("array {} on no points or cells", f.name)));
        if !named_groups {
            left_out.extend(source.tag_names().iter().map(|tag| format!("the name {} of a group", tag.name)));
        }
        let names = |table: &Table| table.names.clone();
        if !is_folder(&self.output) {
            left_out.extend(names(&input.scalars).into_iter().map(|name| format!("scalar {name}")));
        }
        if self.output.extension().is_some_and(|e| e.eq_ignore_ascii_case("msh")) {
            left_out.extend(names(&input.parameters).into_iter().map(|name| format!("parameter {name}")));
        }
        left_out
    }

    fn meshes(&self, input: &Input, global: &Global) -> Result<()> {
        let n = input.rows.len();
        if input.source.mesh().is_none() {
            let mend = "choose an .h5 file, or add the mesh to the samples";
            return Err(Error::input("K009", &self.output, "", "samples without a mesh", "samples with a mesh", mend));
        }
        let names: Vec<String> = input.rows.iter().map(|row| input.name(*row)).collect();
        spare_files(&sample_outputs(&self.output, &names)?, &input.files)?;
        if is_folder(&self.output) {
            spare_rows(&self.output, &names, &[Some(&input.parameters), Some(&input.scalars)])?;
        }
        if self.output.extension().is_some_and(|e| e.eq_ignore_ascii_case("pvd")) {
            // Its files go into a folder of its name, which must not be that of the input.
            spare(&self.output.with_extension(""), &[&self.input])?;
        }
        let mut writer = SampleWriter::create(&self.output, &names)?;
        let named_groups = writer.name_tags(input.source.tag_names());
        self.say_left_out(&self.left_out_of_meshes(input, named_groups));
        let steps = global.steps("convert");
        for (i, &row) in input.rows.iter().enumerate() {
            steps.tell("samples", i, n);
            let state = input.source.state(row)?;
            let Some(mesh) = &state.mesh else { continue };
            let on_mesh = state.arrays.iter().filter(|(a, _)| a.field.location != Location::Free);
            let arrays: Vec<MeshArray<'_>> = on_mesh
                .filter(|(a, _)| input.wanted(&a.field.name))
                .map(|(a, values)| MeshArray {
                    name: &a.field.name,
                    location: a.field.location,
                    n_components: a.field.n_components,
                    number: a.number,
                    values,
                })
                .collect();
            let mut field_data = state.field_data.clone();
            // A table beside the samples counts more than what stands in the files.
            field_data.retain(|(name, _)| input.parameters.position(name).is_none());
            for (j, name) in input.parameters.names.iter().enumerate() {
                field_data.push((name.clone(), vec![input.parameters.row(row)[j]]));
            }
            let time = input.source.time().and_then(|t| t.get(row)).copied();
            writer.append(time, mesh, &arrays, &field_data)?;
        }
        writer
            .finish(Some(&input.parameters.select_rows(&input.rows)), Some(&input.scalars.select_rows(&input.rows)))?;
        steps.tell("done", n, n);
        Ok(())
    }
}
