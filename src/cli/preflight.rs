//! All that can be known of a study or a data set before the work.

use super::Global;
use super::findings::Findings;
use super::fit::{enough, enough_memory, with_method};
use super::operator_fit::{Operators, in_file};
use super::operator_info;
use super::operator_parts::quantities;
use super::source::{self, Samples, check_inner_product, inputs_of};
use super::tables::{table_of, tables_beside};
use faer::Mat;
use kolmo::data::study::Study;
use kolmo::data::{FieldInfo, Table};
use kolmo::error::{Error, Result};
use kolmo::io::SnapshotSource;
use kolmo::io::csv::read_table;
use kolmo::io::operator_model_file::METHOD;
use kolmo::io::operators::{OperatorFile, holds_operators};
use kolmo::linalg::scalar::{Scalar, c64};
use kolmo::mesh::Mesh;
use kolmo::offline::operator_check::operator_check;
use kolmo::offline::pod_regression::check_magnitude;
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes of snapshots that are looked at at once.
const BLOCK: usize = 1 << 26;

/// What is decomposed by which door, and what a fit would refuse.
fn before_fit<T: Scalar>(
    study: &Study,
    operators: &Operators,
    rows: &[usize],
    inputs: &Table,
) -> Result<(Vec<String>, Vec<Error>)> {
    let file = &operators.file;
    let found = quantities::<T>(study, file, rows, inputs)?;
    let matrices = found.operators.iter().map(|o| &o.quantity);
    let all: Vec<_> = matrices.chain([&found.rhs]).chain(found.outputs.iter().map(|(q, _)| q)).collect();
    let x = Mat::from_fn(inputs.n_rows(), inputs.n_columns(), |i, j| inputs.row(i)[j]);
    let problems = operator_check(&all, &found.operators, &found.rhs, x.as_ref(), file.solutions.is_none());
    Ok((found.lines, problems.into_iter().map(|e| in_file(e, file, study)).collect()))
}

impl Findings {
    /// Looks at a study and all that it names.
    pub fn of_study(file: &Path, global: &Global) -> Findings {
        let (study, problems) = Study::read_all(file);
        let mut this = Findings { problems, ..Findings::default() };
        if let Some(study) = study.map(with_method) {
            let reduction = &study.reduction;
            let text = format!("{}, {} in {}", study.name, reduction.method, reduction.inner_product);
            this.told("study", text);
            this.output(&study);
            let named = !study.data.samples.as_os_str().is_empty();
            match study.reduction.method == METHOD {
                // Settings that cannot be are told already.
                true if named && study.operators.check(&study.file).is_empty() => this.operators(&study),
                false if named => this.data(&study, global),
                _ => (),
            }
        }
        this
    }

    /// Looks at operators and at what the study wants of them.
    fn operators(&mut self, study: &Study) {
        let Some(operators) = self.keep(Operators::of(study)) else { return };
        if let Some((lines, _)) = self.keep(operator_info::of_data(operators.file.path())) {
            for (what, text) in lines.iter().filter_map(|line| line.split_once(": ")) {
                self.told(what, text);
            }
        }
        let Some((rows, held_out)) = self.keep(study.select(operators.file.n_samples)) else { return };
        self.told("samples", format!("{} to train on, {} held out", rows.len(), held_out.len()));
        self.keep(enough(study, &rows));
        let Some((inputs, _)) = self.keep(inputs_of(&operators.parameters, study, &rows)) else { return };
        self.keep_some(operators.file.check_numbers(&rows));
        let found = match operators.file.is_complex() {
            true => before_fit::<c64>(study, &operators, &rows, &inputs),
            false => before_fit::<f64>(study, &operators, &rows, &inputs),
        };
        let Some((lines, problems)) = self.keep(found) else { return };
        for (what, text) in lines.iter().filter_map(|line| line.split_once(": ")) {
            self.told(what, text);
        }
        self.keep_some(problems);
    }

    /// Looks at a data set on its own.
    pub fn of_data(file: &Path, global: &Global) -> Result<Findings> {
        if holds_operators(file) {
            let mut this = Findings::default();
            for (what, text) in operator_info::of_data(file)?.0.iter().filter_map(|line| line.split_once(": ")) {
                this.told(what, text);
            }
            let operators = OperatorFile::open(file)?;
            let rows: Vec<usize> = (0..operators.n_samples).collect();
            this.keep_some(operators.check_numbers(&rows));
            return Ok(this);
        }
        let (source, _) = source::open(file)?;
        let mut rows: Vec<usize> = (0..source.n_samples()).collect();
        let mut this = Findings::default();
        this.told("samples", rows.len());
        let (parameters, scalars) = tables_beside(file)?;
        let inside = [(parameters, source.parameters(), "parameters"), (scalars, source.scalars(), "scalars")];
        for (path, inside, what) in inside {
            let Some(found) = this.keep(table_of(path.as_deref(), inside, source.as_ref(), what)) else { continue };
            this.keep(found.all_columns());
            if found.n_columns() > 0 {
                let place = path.as_deref().unwrap_or(source.path()).display();
                this.told(what, format!("{} in {place}", found.names.join(", ")));
            }
            if let (Some(reason), "parameters", None) = (source.untimed(), what, found.position("time")) {
                this.note(reason.clone());
            }
        }
        // Samples on meshes of their own are no mistake of a data set: only of a study that needs one mesh.
        let (same, own): (Vec<usize>, Vec<usize>) =
            rows.into_iter().partition(|s| source.mesh_of(*s).err().is_none_or(|e| e.code() != "K017"));
        rows = same;
        this.states(source.as_ref(), &own, global);
        this.mesh(source.as_ref(), &mut rows);
        for field in source.fields() {
            this.field(source.as_ref(), field, &rows, global);
        }
        if source.fields().is_empty() {
            this.told("fields", "none");
        }
        Ok(this)
    }

    fn output(&mut self, study: &Study) {
        let model = study.model_file();
        let state = if model.exists() { "replaces the one that is there" } else { "new" };
        let folder = model.parent().filter(|f| !f.as_os_str().is_empty() && !f.is_dir());
        if let Some(folder) = folder {
            let (expected, mend) = ("an existing folder to write to", "create the folder, or choose another `model`");
            self.problems.push(Error::input("K001", folder, "", "no such folder", expected, mend));
        }
        self.told("model", format!("{} ({state})", model.display()));
    }

    fn data(&mut self, study: &Study, global: &Global) {
        let path = study.resolve(&study.data.samples);
        if let Some(samples) = self.samples(study) {
            let source = samples.source.as_ref();
            let mut rows = self.rows(study, source);
            self.inputs(study, &samples, &rows);
            let mesh = self.mesh(source, &mut rows);
            let fields = self.fields(study, &samples);
            for field in &fields {
                let (kind, product) = (&study.reduction.inner_product, samples.file_product.as_ref());
                self.keep(check_inner_product(kind, field, mesh.as_ref(), product, source.path()));
                self.field(source, field, &rows, global);
            }
            self.keep(enough_memory(study, source, &fields, rows.len(), global.comm().size()));
            self.memory(study, &fields, rows.len());
        } else if let Ok((source, _)) = source::open(&path) {
            let mut rows = self.rows(study, source.as_ref());
            self.mesh(source.as_ref(), &mut rows);
            for field in source.fields() {
                self.field(source.as_ref(), field, &rows, global);
            }
        } else {
            for table in [&study.data.parameters, &study.data.scalars].into_iter().flatten() {
                self.keep(read_table(study.resolve(table)));
            }
        }
    }

    /// The samples; what their error names is left out and the rest looked at again.
    fn samples(&mut self, study: &Study) -> Option<Samples> {
        let mut rest = study.clone();
        loop {
            match Samples::of(&rest) {
                Ok(samples) => return Some(samples),
                Err(e) => {
                    let again = leave_out(&mut rest, &e);
                    self.note(e);
                    if !again {
                        return None;
                    }
                }
            }
        }
    }

    fn rows(&mut self, study: &Study, source: &dyn SnapshotSource) -> Vec<usize> {
        let n = source.n_samples();
        let (rows, held_out) = self.keep(study.select(n)).unwrap_or_else(|| ((0..n).collect(), Vec::new()));
        self.keep(enough(study, &rows));
        let used =
            format!("{n} in {}, {} to train on, {} held out", source.path().display(), rows.len(), held_out.len());
        self.told("samples", used);
        if let Some([first, .., last]) = source.time() {
            self.told("time", format!("{first} to {last}, {}", steps(source.time().unwrap_or_default())));
        }
        rows
    }

    fn inputs(&mut self, study: &Study, samples: &Samples, rows: &[usize]) {
        let mut known = study.clone();
        if let Some(names) = &study.data.inputs {
            let (good, bad): (Vec<_>, Vec<_>) =
                names.iter().cloned().partition(|n| samples.parameters.position(n).is_some());
            for name in bad {
                known.data.inputs = Some(vec![name]);
                self.keep(samples.inputs(&known, rows));
            }
            if good.is_empty() {
                return;
            }
            known.data.inputs = Some(good);
        }
        let Some((table, dropped)) = self.keep(samples.inputs(&known, rows)) else { return };
        for (j, name) in table.names.iter().enumerate() {
            let (low, high) = range(&table, j);
            self.told(format!("input {name}"), format!("{low} to {high}"));
            self.magnitude(&format!("input {name}"), low.abs().max(high.abs()), samples.source.path());
        }
        for (name, value) in dropped {
            self.told(format!("input {name}"), format!("{value} in all samples; dropped"));
        }
        let scalars = samples.scalars.select_rows(rows);
        for (j, name) in scalars.names.iter().enumerate() {
            let (low, high) = range(&scalars, j);
            self.told(format!("scalar {name}"), format!("{low} to {high}"));
            self.magnitude(&format!("scalar {name}"), low.abs().max(high.abs()), samples.source.path());
        }
    }

    /// The mesh of the samples; those that cannot be read, or are on other meshes, are told once and taken out of `rows`.
    fn mesh(&mut self, source: &dyn SnapshotSource, rows: &mut Vec<usize>) -> Option<Mesh> {
        if source.points_move() || source.keys().is_some() {
            let bad: Vec<(usize, Error)> = rows.iter().filter_map(|s| Some((*s, source.mesh_of(*s).err()?))).collect();
            rows.retain(|s| bad.iter().all(|(b, _)| b != s));
            self.keep_some(bad.into_iter().map(|(_, e)| e).collect());
        }
        let mesh = self.keep(source.mean_mesh(rows)).flatten();
        source.remarks().into_iter().for_each(|remark| {
            let (what, found) = remark.split_once(": ").unwrap_or(("samples", &remark));
            self.told(what, found);
        });
        let text = match &mesh {
            None => "none".into(),
            Some(mesh) => {
                let types: Vec<&str> = mesh.cells.iter().map(|block| block.cell_type.name()).collect();
                let moving = if source.points_move() { "; its points move" } else { "" };
                let (points, cells, types) = (mesh.n_points(), mesh.n_cells(), types.join(", "));
                format!("{points} points, {cells} cells ({types}), {}-D{moving}", mesh.dim)
            }
        };
        self.told("mesh", text);
        mesh
    }

    /// The fields that are there; every unknown name is a problem.
    fn fields(&mut self, study: &Study, samples: &Samples) -> Vec<FieldInfo> {
        let Some(names) = &study.data.fields else { return samples.source.fields().to_vec() };
        let mut found: Vec<FieldInfo> = Vec::new();
        let mut one = study.clone();
        for name in names {
            one.data.fields = Some(vec![name.clone()]);
            let fields = self.keep(samples.fields(&one)).unwrap_or_default();
            let new: Vec<FieldInfo> = fields.into_iter().filter(|f| !found.contains(f)).collect();
            found.extend(new);
        }
        found
    }

    /// Reads samples that are on meshes of their own.
    fn states(&mut self, source: &dyn SnapshotSource, samples: &[usize], global: &Global) {
        if !samples.is_empty() {
            global.progress(&format!("check: reading {} samples on meshes of their own", samples.len()));
        }
        let of = |s: &usize| {
            let state = source.state(*s)?;
            state.mesh.map_or(Ok(()), |mesh| mesh.validate(source.path()))?;
            let bad = state.arrays.iter().find_map(|(a, v)| Some((a, v.iter().position(|v| !v.is_finite())?, v)));
            let Some((array, i, values)) = bad else { return Ok(()) };
            let name = source.names().and_then(|n| n.get(*s)).cloned().unwrap_or_else(|| s.to_string());
            let place = format!("sample {name}, {}, entry {i}", array.field.name);
            let mend = "mend the sample, or leave it out with `select`";
            Err(Error::input("K004", source.path(), place, values[i].to_string(), "a finite number", mend))
        };
        self.keep_some(samples.iter().filter_map(|s| of(s).err()).collect());
    }

    /// Reads a field once, block by block, and notes every sample that is not finite.
    fn field(&mut self, source: &dyn SnapshotSource, field: &FieldInfo, rows: &[usize], global: &Global) {
        global.progress(&format!("check: reading {}", field.name));
        let n_dofs = field.n_dofs();
        let (per_block, step) = ((BLOCK / 8 / n_dofs.max(1)).max(1), (BLOCK / 8).min(n_dofs.max(1)));
        let (mut largest, mut bad) = (0.0_f64, BTreeMap::new());
        let starts = || (0..n_dofs).step_by(step).map(|start| start..(start + step).min(n_dofs));
        for (block, dofs) in rows.chunks(per_block).flat_map(|block| starts().map(move |dofs| (block, dofs))) {
            match source.read(field, block, dofs.clone()) {
                Ok(values) => {
                    let most = |largest: f64, v: &f64| largest.max(v.abs());
                    largest = values.col_iter().fold(largest, |m, column| column.iter().fold(m, most));
                }
                Err(e) => {
                    let of_sample = |s: &usize| Some((*s, source.read(field, &[*s], dofs.clone()).err()?));
                    let before = bad.len();
                    for (s, e) in block.iter().filter_map(of_sample) {
                        bad.entry(s).or_insert(e);
                    }
                    if bad.len() == before {
                        return self.note(e);
                    }
                }
            }
        }
        self.keep_some(bad.into_values().collect());
        self.magnitude(&format!("field {}", field.name), largest, source.path());
        let (n, place, components) = (field.n_entities, field.location.name(), field.n_components);
        self.told(
            format!("field {}", field.name),
            format!("{n} {place} values x {components}, largest magnitude {largest:.4e}"),
        );
    }

    fn magnitude(&mut self, what: &str, largest: f64, file: &Path) {
        self.keep(check_magnitude(what, largest).map_err(|e| e.in_file(file)));
    }

    /// What a fit holds at once, at most, against the machine.
    fn memory(&mut self, study: &Study, fields: &[FieldInfo], n_samples: usize) {
        let n_modes = study.reduction.modes.map_or(n_samples, |m| n_samples.min(m.max(1) as usize));
        let held = |f: &FieldInfo, n_columns: usize| 8.0 * f.n_dofs() as f64 * n_columns as f64;
        let Some(largest) = fields.iter().max_by_key(|f| f.n_dofs()) else { return };
        // The snapshots of one field at a time, as far as `memory` allows, and the modes of all fields.
        let snapshots = held(largest, n_samples).min(study.reduction.memory_bytes());
        let most = snapshots + held(largest, n_modes);
        let total = snapshots + fields.iter().map(|f| held(f, n_modes)).sum::<f64>();
        let machine = machine_memory();
        let of_machine = machine.map_or(String::new(), |m| format!("; the machine has {}", size(m)));
        let (text, name) = (size(total), &largest.name);
        self.told("memory", format!("at most about {text}, {} of it for {name}{of_machine}", size(most)));
        if let Some(machine) = machine.filter(|m| *m < total) {
            let found = format!("at most about {text} for {} fields and {n_samples} samples", fields.len());
            let expected = format!("at most {}, the memory of this machine", size(machine));
            let mend = format!("select fewer samples or fields (most is for {name}), or fit on several machines");
            self.problems.push(Error::input("K009", &study.file, "[data] select", found, expected, mend));
        }
    }
}

/// Takes out of a study what an error names; false where nothing can be taken out.
fn leave_out(study: &mut Study, error: &Error) -> bool {
    let Error::Input { file, place, .. } = error else { return false };
    if let Some(name) = place.strip_prefix("[inputs.").and_then(|rest| rest.strip_suffix(']')) {
        let before = study.described.len();
        study.described.retain(|n| n != name);
        return study.described.len() < before;
    }
    if let Some(name) = place.strip_prefix("[scores] floor.") {
        return study.scores.floor.remove(name).is_some();
    }
    let of_scalars = study.data.scalars.as_ref().is_some_and(|table| study.resolve(table) == *file);
    if of_scalars {
        study.data.scalars = None;
        study.scores.floor.clear();
    }
    of_scalars
}

fn range(table: &Table, column: usize) -> (f64, f64) {
    let fold = |(low, high): (f64, f64), v: f64| (low.min(v), high.max(v));
    table.column(column).into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), fold)
}

/// How the steps of a time axis differ.
fn steps(time: &[f64]) -> String {
    let step = time.windows(2).map(|w| w[1] - w[0]);
    let (low, high) = step.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), s| (l.min(s), h.max(s)));
    match high - low <= 1e-9 * high.abs() {
        true => format!("steps of {high}"),
        false => format!("steps from {low} to {high}"),
    }
}

/// Bytes as text.
fn size(bytes: f64) -> String {
    let units = [("GiB", 1_073_741_824.0), ("MiB", 1_048_576.0), ("KiB", 1024.0)];
    let unit = units.into_iter().find(|(_, factor)| bytes >= *factor);
    unit.map_or(format!("{bytes} bytes"), |(name, factor)| format!("{:.1} {name}", bytes / factor))
}

/// Memory of this machine, where the system tells it.
fn machine_memory() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemTotal:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? * 1024.0)
}
