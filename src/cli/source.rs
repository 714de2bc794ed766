//! From a study to the arrays that a fit or a score needs.

use super::tables::{table_of, tables_beside};
use super::warn;
use kolmo::comm::{Communicator, agree};
use kolmo::data::study::{Study, unknown_name};
use kolmo::data::table::Unusable;
use kolmo::data::{FieldInfo, Location, Table};
use kolmo::error::{Error, Result};
use kolmo::io::SnapshotSource;
use kolmo::io::mesh_samples::MeshSamples;
use kolmo::io::numpy::NumpyFile;
use kolmo::io::open_mesh::MeshFormat;
use kolmo::io::sample_files::{contents, is_pattern};
use kolmo::io::stacked::StackedFile;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::mesh::Mesh;
use kolmo::mesh::mass_matrix::{check_mass_matrix, expand_components, mass_matrix};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Samples with their parameters and scalars joined.
pub struct Samples {
    pub source: Arc<dyn SnapshotSource>,
    pub parameters: Table,
    pub scalars: Table,
    pub file_product: Option<sprs::CsMat<f64>>,
    /// All files that are read, tables too.
    pub files: Vec<PathBuf>,
}

/// Samples, and the inner product beside them, where there is one.
type Opened = (Arc<dyn SnapshotSource>, Option<sprs::CsMat<f64>>);

/// Opens samples by their kind: mesh files (a folder, a pattern, one file), .npy and .npz, else stacked HDF5.
pub fn open(path: &Path) -> Result<Opened> {
    match located(path)? {
        (path, true) => Ok((Arc::new(MeshSamples::open(&path)?), None)),
        (path, false) => arrays(&path),
    }
}

/// [`open`] by ranks of which each is to read its rows. Collective; errors may be those of one rank.
fn open_on(path: &Path, comm: &Arc<dyn Communicator>) -> Result<Opened> {
    let (path, are_meshes) = agree(comm.as_ref(), located(path))?;
    let kinds = comm.all_gather(&[f64::from(u8::from(are_meshes))]);
    match are_meshes && kinds.iter().all(|kind| *kind == [1.0]) {
        true => Ok((Arc::new(MeshSamples::open_on(&path, comm)?), None)),
        // Of one rank at most here: files differ between the machines of the run.
        false if are_meshes => open(&path),
        false => arrays(&path),
    }
}

/// Where the samples lie, and whether they are mesh files.
fn located(path: &Path) -> Result<(PathBuf, bool)> {
    if is_pattern(path) || MeshFormat::of(path).is_some() {
        return Ok((path.to_path_buf(), true));
    }
    if !path.is_dir() {
        return Ok((path.to_path_buf(), false));
    }
    let samples = contents(path)?.samples;
    if samples.is_dir() { Ok((samples, true)) } else { located(&samples) }
}

/// Opens samples that are arrays.
fn arrays(path: &Path) -> Result<Opened> {
    let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    if kind == "npy" || kind == "npz" {
        return Ok((Arc::new(NumpyFile::open(path)?), None));
    }
    if !path.exists() && !["h5", "hdf5"].contains(&kind.as_str()) {
        let expected = "samples: a file, a folder of result files, or a pattern";
        return Err(Error::input("K001", path, "", "no such file or folder", expected, "check the path"));
    }
    let file = StackedFile::open(path).map_err(|e| of_no_kind(path, &kind, e))?;
    let product = file.inner_product()?;
    Ok((Arc::new(file), product))
}

/// What is said of a file that is not HDF5 and has not the ending of any other kind.
fn of_no_kind(path: &Path, kind: &str, error: Error) -> Error {
    let other = matches!(&error, Error::Input { code: "K002", found, .. } if found.contains("signature"));
    if !other || ["h5", "hdf5"].contains(&kind) {
        return error;
    }
    let found = if kind.is_empty() { "no ending, and no HDF5 file".into() } else { format!("the ending .{kind}") };
    let expected = format!(".h5, .npy, .npz, {}, or the folder of an OpenFOAM case", MeshFormat::endings());
    Error::input("K002", path, "", found, expected, "convert the file, or give it the ending of its format")
}

/// Whether the times of series are 0, 1, 2, … in each, where each state has a row of its own in the table that differs from all others.
fn counts_states(source: &dyn SnapshotSource, table: &Table) -> bool {
    let (Some(keys), Some(time)) = (source.keys(), source.time()) else { return false };
    let states: Vec<(&String, f64)> = keys.iter().zip(time.iter().copied()).collect();
    let mut series = states.chunk_by(|a, b| a.0 == b.0);
    let counted = |states: &[(&String, f64)]| states.iter().enumerate().all(|(i, (_, t))| *t == i as f64);
    let bits = |i: usize| table.row(i).iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let rows: HashSet<Vec<u64>> = (0..table.n_rows()).map(bits).collect();
    keys.windows(2).any(|k| k[0] == k[1]) && rows.len() == keys.len() && series.all(counted)
}

impl Samples {
    /// Opens what a study names.
    pub fn of(study: &Study) -> Result<Samples> {
        Samples::in_file(
            study,
            &study.resolve(&study.data.samples),
            study.data.parameters.as_deref(),
            study.data.scalars.as_deref(),
        )
    }

    /// [`of`](Self::of) by ranks of which each is to read its rows; all have the same error. Collective.
    pub fn on(study: &Study, comm: &Arc<dyn Communicator>) -> Result<Samples> {
        let (file, data) = (study.resolve(&study.data.samples), &study.data);
        let joined = |opened| Samples::join(study, &file, data.parameters.as_deref(), data.scalars.as_deref(), opened);
        agree(comm.as_ref(), open_on(&file, comm).and_then(joined))
    }

    /// Opens a file in the light of a study.
    pub fn in_file(study: &Study, file: &Path, parameters: Option<&Path>, scalars: Option<&Path>) -> Result<Samples> {
        Samples::join(study, file, parameters, scalars, open(file)?)
    }

    /// Joins samples with their tables.
    fn join(
        study: &Study,
        file: &Path,
        parameters: Option<&Path>,
        scalars: Option<&Path>,
        (source, file_product): Opened,
    ) -> Result<Samples> {
        let n = source.n_samples();
        let beside = tables_beside(file)?;
        let named = |path: Option<&Path>, beside: Option<PathBuf>| path.map(|p| study.resolve(p)).or(beside);
        let (parameters, scalars) = (named(parameters, beside.0), named(scalars, beside.1));
        let files = [source.files(), parameters.iter().chain(&scalars).cloned().collect()].concat();
        let mut table = table_of(parameters.as_deref(), source.parameters(), source.as_ref(), "parameters")?;
        let told = table.position("time").is_some() || table.reason("time").is_some();
        if let Some(reason) = source.untimed().filter(|_| !told) {
            table.unusable.push(Unusable::new("time", reason.clone()));
        }
        let named = study.data.inputs.as_ref().is_some_and(|inputs| inputs.iter().any(|name| name == "time"));
        let counted = !told && !named && parameters.is_some() && counts_states(source.as_ref(), &table);
        if counted && study.data.inputs.is_none() {
            warn(
                "the times 0, 1, 2, … only number the states of the series, which differ by the table: `time` is an input \
                 where `inputs` names it",
            );
        }
        if let Some(time) = source.time().filter(|_| !told && !counted) {
            let rows: Vec<f64> = (0..n)
                .flat_map(|i| {
                    [if table.n_columns() > 0 { table.row(i).to_vec() } else { vec![] }, vec![time[i]]].concat()
                })
                .collect();
            table.names.push("time".into());
            table.values = rows;
        }
        let scalars = table_of(scalars.as_deref(), source.scalars(), source.as_ref(), "scalars")?;
        scalars.all_columns()?;
        let known: Vec<&str> = table.names.iter().map(String::as_str).collect();
        if let Some(name) = study.described.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(unknown_name(&study.file, &format!("[inputs.{name}]"), "input", name, &known));
        }
        let outputs = source.fields().iter().map(|f| f.name.as_str()).chain(scalars.names.iter().map(String::as_str));
        let outputs: Vec<&str> = outputs.collect();
        if let Some(name) = study.scores.floor.keys().find(|name| !outputs.contains(&name.as_str())) {
            return Err(unknown_name(&study.file, &format!("[scores] floor.{name}"), "output", name, &outputs));
        }
        if table.n_columns() == 0 {
            // Parameters that are there but for some samples.
            table.all_columns()?;
            let mend = match source.keys() {
                Some(_) => {
                    "put a table parameters.csv beside the samples (a column `sample` with their names, a column per parameter)"
                }
                None => "name a CSV file with `parameters` in the study",
            };
            let place = if source.keys().is_some() { "" } else { "/parameters" };
            return Err(Error::input(
                "K007",
                file,
                place,
                "no parameters",
                "a row of parameters for each sample, or [data] parameters",
                mend,
            ));
        }
        if let Some(k) = table.values.iter().position(|v| !v.is_finite()) {
            let (i, j) = (k / table.n_columns(), k % table.n_columns());
            return Err(Error::input(
                "K004",
                file,
                format!("parameters, sample {i}, {}", table.names[j]),
                table.values[k].to_string(),
                "a finite number",
                "mend the value",
            ));
        }
        Ok(Samples { source, parameters: table, scalars, file_product, files })
    }

    /// The fields of the study, all if it names none; points that move are always among them.
    pub fn fields(&self, study: &Study) -> Result<Vec<FieldInfo>> {
        let all = self.source.fields();
        if all.is_empty() && study.data.fields.is_none() && self.scalars.n_columns() == 0 {
            let (found, mend) = match self.source.tags().first() {
                Some(tag) => (
                    format!("arrays of integers only (`{}`)", tag.name),
                    "name those that are meant as `fields`, or write them as floating-point numbers",
                ),
                None => ("samples without arrays".into(), "write the fields into the files"),
            };
            return Err(Error::input(
                "K008",
                self.source.path(),
                "",
                found,
                "at least one field, or scalars, to learn",
                mend,
            ));
        }
        let Some(names) = &study.data.fields else { return Ok(all.to_vec()) };
        let known: Vec<&str> = all.iter().chain(self.source.tags()).map(|f| f.name.as_str()).collect();
        let points = all.last().filter(|f| self.source.points_move() && !names.contains(&f.name));
        let named = names.iter().map(|n| {
            all.iter()
                .chain(self.source.tags())
                .find(|f| &f.name == n)
                .cloned()
                .ok_or_else(|| unknown_name(&study.file, "[data] fields", "field", n, &known))
        });
        named.chain(points.cloned().map(Ok)).collect()
    }

    /// [`inputs_of`] these samples.
    pub fn inputs(&self, study: &Study, rows: &[usize]) -> Result<(Table, Vec<(String, f64)>)> {
        inputs_of(&self.parameters, study, rows)
    }
}

/// The inputs at `rows`: those of the study, without constant ones (said so). Also what was dropped.
pub fn inputs_of(parameters: &Table, study: &Study, rows: &[usize]) -> Result<(Table, Vec<(String, f64)>)> {
    let known: Vec<&str> = parameters.names.iter().map(String::as_str).collect();
    let unknown = |n: &String| match parameters.reason(n) {
        Some(reason) => reason.clone(),
        None => unknown_name(&study.file, "[data] inputs", "input", n, &known),
    };
    let columns: Vec<usize> = match &study.data.inputs {
        None => parameters.all_columns()?,
        Some(names) => names.iter().map(|n| parameters.position(n).ok_or_else(|| unknown(n))).collect::<Result<_>>()?,
    };
    let chosen = parameters.select_rows(rows).select_columns(&columns);
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    for (j, name) in chosen.names.iter().enumerate() {
        let values = chosen.column(j);
        if values.len() > 1 && values.iter().all(|v| *v == values[0]) {
            warn(&format!("input `{name}` is constant ({}) over the training samples and is dropped", values[0]));
            dropped.push((name.clone(), values[0]));
        } else {
            kept.push(j);
        }
    }
    let table = chosen.select_columns(&kept);
    if kept.is_empty() {
        return Err(Error::input(
            "K009",
            &study.file,
            "[data] inputs",
            "no input that varies",
            "at least one",
            "hand in samples at different parameters",
        ));
    }
    for i in 0..rows.len() {
        if let Some(k) = (0..i).find(|&k| table.row(k) == table.row(i)) {
            warn(&format!(
                "samples {} and {} have the same parameters; their difference counts as noise",
                rows[k], rows[i]
            ));
        }
    }
    Ok((table, dropped))
}

/// The inner product of a field: l2 | euclidean | file.
pub fn inner_product(
    kind: &str,
    field: &FieldInfo,
    mesh: Option<&Mesh>,
    file: Option<&sprs::CsMat<f64>>,
    path: &Path,
) -> Result<InnerProduct> {
    let k = field.n_components;
    match (kind, mesh, field.location) {
        ("file", _, _) => match file {
            Some(m) if m.rows() == field.n_dofs() => Ok(InnerProduct::Sparse(m.clone())),
            Some(m) if m.rows() == field.n_entities => Ok(InnerProduct::Sparse(expand_components(m, k))),
            Some(m) => Err(Error::input(
                "K005",
                path,
                "/inner_product",
                format!("{} rows", m.rows()),
                format!("{} or {} for {}", field.n_entities, field.n_dofs(), field.name),
                "write the matrix of the field's entities",
            )),
            None => Err(Error::input(
                "K006",
                path,
                "/inner_product",
                "no such group",
                "a CSR group (data, indices, indptr)",
                "add it, or choose inner_product = \"l2\"",
            )),
        },
        ("l2", Some(mesh), Location::Point) => {
            let matrix = mass_matrix(mesh).map_err(|e| e.in_file(path))?;
            Ok(if k == 1 { InnerProduct::Sparse(matrix) } else { InnerProduct::Components(matrix, k) })
        }
        ("l2", Some(mesh), Location::Cell) => match mesh.with_cells(field.n_entities) {
            Some(mesh) => Ok(InnerProduct::Diagonal(
                mesh.cell_volumes().into_iter().flat_map(|v| std::iter::repeat_n(v, k)).collect(),
            )),
            None => Err(Error::argument(format!("cells of {}", field.name), field.n_entities, mesh.n_cells())),
        },
        _ => Ok(InnerProduct::Euclidean),
    }
}

/// Refuses what [`inner_product`] refuses, without a matrix.
pub fn check_inner_product(
    kind: &str,
    field: &FieldInfo,
    mesh: Option<&Mesh>,
    file: Option<&sprs::CsMat<f64>>,
    path: &Path,
) -> Result<()> {
    let fits = |m: &sprs::CsMat<f64>| [field.n_dofs(), field.n_entities].contains(&m.rows());
    match (kind, mesh, field.location) {
        ("file", _, _) if file.is_some_and(fits) => Ok(()),
        ("l2", Some(mesh), Location::Point) => check_mass_matrix(mesh).map_err(|e| e.in_file(path)),
        _ => inner_product(kind, field, mesh, file, path).map(drop),
    }
}

/// Entries of the inner product of a field, told from the cells: none where it is Euclidean. The matrix is not built.
pub fn inner_product_entries(kind: &str, field: &FieldInfo, samples: &Samples) -> f64 {
    let n_dofs = field.n_dofs() as f64;
    match (kind, samples.source.mesh(), field.location) {
        ("file", _, _) => {
            samples.file_product.as_ref().map_or(0.0, |m| m.nnz() as f64 * n_dofs / m.rows().max(1) as f64)
        }
        ("l2", Some(mesh), Location::Point) => {
            // Neighbours of a node in a regular mesh of such cells, itself included.
            let neighbours = |nodes: usize, dim: usize| match (nodes, dim) {
                (2, _) => 3.0,
                (3, _) => 7.0,
                (4, 2) => 9.0,
                (4, _) => 15.0,
                (5 | 6, _) => 21.0,
                (8, 3) => 27.0,
                (n, _) => 3.0 * n as f64,
            };
            let of_block = |b: &kolmo::mesh::CellBlock| (b.n_cells(), neighbours(b.cell_type.n_nodes(), mesh.dim));
            let most = mesh.cells.iter().map(of_block).max_by_key(|(n, _)| *n);
            most.map_or(0.0, |(_, per_row)| per_row * n_dofs)
        }
        ("l2", Some(_), Location::Cell) => n_dofs,
        _ => 0.0,
    }
}
