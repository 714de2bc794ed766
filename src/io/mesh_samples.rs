//! Samples that are mesh files: one file per sample, or the states of a series.

use crate::comm::{Communicator, SingleComm, agree};
use crate::data::{FieldInfo, Location, Table};
use crate::error::{Error, Result};
use crate::io::mesh_file::{ArrayInfo, MeshFile, Number, TagName};
use crate::io::open_mesh::open_sample;
use crate::io::same_pieces::same_pieces;
use crate::io::sample_files::{SampleFile, sample_files};
use crate::io::sample_parameters::{SampleData, parameters, times};
use crate::io::stacked::POINTS;
use crate::io::vtk::pvtu::PvtuFile;
use crate::io::{SampleState, SnapshotSource};
use crate::mesh::Mesh;
use crate::mesh::correspondence::{Correspondence, Renumbering, correspondence};
use faer::{Mat, MatMut};
use rayon::prelude::*;
use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Mesh files as samples. Meshes are compared with the first on opening; arrays are read when asked for.
#[derive(Debug)]
pub struct MeshSamples {
    path: PathBuf,
    files: Vec<PathBuf>,
    samples: Vec<Sample>,
    names: Vec<String>,
    keys: Vec<String>,
    mesh: Mesh,
    points_move: bool,
    fields: Vec<FieldInfo>,
    tags: Vec<FieldInfo>,
    /// Fields in single precision.
    single: Vec<String>,
    parameters: Option<Table>,
    time: Option<Vec<f64>>,
    /// Which sample has no time, where others have one.
    untimed: Option<Error>,
}

type Opened = Result<Arc<dyn MeshFile>>;

/// A state of a file; or why it cannot be read, which matters only where it is used.
#[derive(Debug)]
struct Sample {
    file: Opened,
    state: usize,
    relation: Arc<Correspondence>,
}

impl MeshSamples {
    /// Opens the files of a folder, those that match a pattern, or one file.
    ///
    /// Fields are the arrays of the first sample that can be read, without integers, which are tags. A sample that cannot be
    /// read, or whose mesh is another one, is an error where it is used. Errors: those of [`sample_files`], and that of the
    /// first sample where none can be read. Cost: the meshes are read once, in parallel; memory for one mesh per thread.
    pub fn open(path: &Path) -> Result<Self> {
        let alone: Arc<dyn Communicator> = Arc::new(SingleComm);
        Self::open_on(path, &alone)
    }

    /// [`open`](Self::open) by ranks of which each is to read its rows. Collective.
    ///
    /// Of partitioned meshes (.pvtu) a rank reads the first sample whole and of the others the pieces that give its rows, as long as
    /// these are those of the first sample; their first pieces tell the parameters. Later reading opens the pieces that hold
    /// the rows, and no others. Errors: as `open`, on all ranks, but for errors of files that differ between ranks.
    pub fn open_on(path: &Path, comm: &Arc<dyn Communicator>) -> Result<Self> {
        let mut begun = agree(comm.as_ref(), Begun::of(path))?;
        relate(&mut begun, comm);
        begun.finish(path)
    }

    /// The array of a sample that belongs to a field. Errors: K006 no such array, K005 of another size.
    fn array(&self, sample: usize, field: &FieldInfo) -> Result<(&dyn MeshFile, ArrayInfo)> {
        let file = self.samples[sample].file()?;
        let place = format!("sample {}, array {}", self.names[sample], field.name);
        let arrays = file.arrays(self.samples[sample].state)?;
        let Some(array) = arrays.iter().find(|a| a.field.name == field.name) else {
            let known: Vec<&str> = arrays.iter().map(|a| a.field.name.as_str()).collect();
            let expected = format!("the arrays of the first sample; there are {}", known.join(", "));
            let mend = "write the array, name other `fields`, or leave the sample out with `select`";
            return Err(Error::input("K006", file.path(), place, "no such array", expected, mend));
        };
        let shape = |f: &FieldInfo| format!("{} values on {}s x {}", f.n_entities, f.location.name(), f.n_components);
        if shape(&array.field) != shape(field) {
            let mend = "write the array with this shape, or leave the sample out with `select`";
            let expected = format!("{}, as in the first sample", shape(field));
            return Err(Error::input("K005", file.path(), place, shape(&array.field), expected, mend));
        }
        Ok((file, array.clone()))
    }

    /// Values of a field in the order of the first mesh, those `dofs` at least, and the number of the first one.
    fn column(&self, field: &FieldInfo, s: usize, dofs: &Range<usize>) -> Result<(Vec<f64>, usize)> {
        let sample = &self.samples[s];
        self.check(s)?;
        let k = field.n_components.max(1);
        // Under other numbers what is wanted may lie anywhere.
        let entities = match &*sample.relation {
            Correspondence::Renumbered(_) => 0..field.n_entities,
            _ => dofs.start / k..dofs.end.div_ceil(k),
        };
        let held = entities.start * k..entities.end * k;
        let order = |r: &Renumbering| match field.location {
            Location::Point => r.points.clone(),
            _ if field.n_entities == r.cells.len() => r.cells.clone(),
            _ => r.top_cells.clone(),
        };
        let values = if self.points_move && field.name == POINTS {
            let points = sample.file()?.mesh(sample.state)?.points;
            points.get(held.clone()).unwrap_or_default().to_vec()
        } else {
            let (file, array) = self.array(s, field)?;
            file.read_rows(sample.state, &array, entities.clone())?
        };
        if values.len() != held.len() {
            return Err(Error::argument(format!("values of {}", field.name), values.len(), held.len()));
        }
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            let (entity, name) = (entities.start + i / k, &self.names[s]);
            let place =
                format!("sample {name}, {}, {} {entity}, component {}", field.name, field.location.name(), i % k);
            let mend = "mend the sample, or leave it out with `select`";
            let path = sample.file()?.path();
            return Err(Error::input("K004", path, place, values[i].to_string(), "a finite number", mend));
        }
        let values = match &*sample.relation {
            Correspondence::Renumbered(r) => Renumbering::gather(&order(r), &values, field.n_components),
            _ => values,
        };
        Ok((values, held.start))
    }

    /// Refuses a sample that cannot be read, and one with another mesh (K017).
    fn check(&self, s: usize) -> Result<()> {
        let sample = &self.samples[s];
        let file = sample.file()?;
        let Correspondence::Different(reason) = &*sample.relation else { return Ok(()) };
        let first = &self.names[self.samples.iter().position(|s| s.file.is_ok()).unwrap_or(0)];
        let mend = "leave the sample out with `select`, or write all samples on one mesh";
        let place = format!("sample {}", self.names[s]);
        Err(Error::input("K017", file.path(), place, reason, format!("the mesh of sample {first}"), mend))
    }
}

/// Samples whose meshes are not compared yet.
struct Begun {
    files: Vec<PathBuf>,
    samples: Vec<Sample>,
    names: Vec<String>,
    keys: Vec<String>,
    /// The first sample that can be read, its mesh and its arrays.
    first: usize,
    mesh: Mesh,
    arrays: Vec<ArrayInfo>,
}

impl Begun {
    fn of(path: &Path) -> Result<Begun> {
        let files = sample_files(path)?;
        let opened: Vec<Opened> = files.par_iter().map(|f| open_sample(&f.path).map(Arc::from)).collect();
        let of_file = |(f, file): (&SampleFile, &Opened)| match file {
            Ok(file) => file.files(),
            Err(_) => vec![f.path.clone()],
        };
        let all_files: Vec<PathBuf> = files.iter().zip(&opened).flat_map(of_file).collect();
        let (mut samples, mut names, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        let mut taken = HashSet::new();
        for (SampleFile { key, .. }, file) in files.iter().zip(opened) {
            let n_states = file.as_ref().map_or(1, |f| f.n_states());
            for state in 0..n_states {
                let own =
                    file.as_ref().ok().and_then(|f| f.state_name(state)).filter(|name| taken.insert(name.clone()));
                let numbered = || if n_states == 1 { key.clone() } else { format!("{key}[{state}]") };
                names.push(own.unwrap_or_else(numbered));
                keys.push(key.clone());
                samples.push(Sample { file: file.clone(), state, relation: Arc::new(Correspondence::Same) });
            }
        }
        let usable = |s: &Sample| s.file().and_then(|f| Ok((f.mesh(s.state)?, f.arrays(s.state)?)));
        let found = samples.iter().map(usable).enumerate().find(|(_, found)| found.is_ok());
        let (first, (mesh, arrays)) = match (found, samples.first()) {
            (Some((first, found)), _) => (first, found?),
            (None, Some(sample)) => (0, usable(sample)?),
            (None, None) => {
                let mend = "name the folder that holds the result files";
                return Err(Error::input("K008", path, "", "no states", "at least one sample", mend));
            }
        };
        Ok(Begun { files: all_files, samples, names, keys, first, mesh, arrays })
    }

    /// When the meshes are compared.
    fn finish(self, path: &Path) -> Result<MeshSamples> {
        let Begun { files, samples, names, keys, mesh, arrays, .. } = self;
        let points_move = samples.iter().any(|s| *s.relation == Correspondence::Moved);
        let of_kind = |integer: bool| {
            let chosen = arrays.iter().filter(|a| (a.number == Number::Integer) == integer);
            chosen.map(|a| a.field.clone()).collect::<Vec<_>>()
        };
        let (mut fields, tags) = (of_kind(false), of_kind(true));
        let single = arrays.iter().filter(|a| a.number == Number::Float32).map(|a| a.field.name.clone()).collect();
        if points_move {
            if fields.iter().any(|f| f.name == POINTS) {
                let mend = "give the array another name";
                let found = "an array `points` beside points that move";
                return Err(Error::input("K006", path, "", found, "one of the two", mend));
            }
            let (n_entities, n_components) = (mesh.n_points(), mesh.dim);
            let (name, location) = (POINTS.to_string(), Location::Point);
            fields.push(FieldInfo { name, location, n_entities, n_components, vector: true });
        }
        let beside = beside_arrays(&samples, &names);
        let ((time, untimed), parameters) = (times(&beside), parameters(&beside)?);
        drop(beside);
        Ok(MeshSamples {
            path: path.into(),
            files,
            samples,
            names,
            keys,
            mesh,
            points_move,
            fields,
            tags,
            single,
            parameters,
            time,
            untimed,
        })
    }
}

impl Sample {
    fn file(&self) -> Result<&dyn MeshFile> {
        self.file.as_deref().map_err(Error::clone)
    }

    /// The mesh as the file encodes it, where the format tells it.
    fn encoded(&self) -> Option<Vec<u8>> {
        self.file.as_ref().ok()?.encoded_mesh(self.state).ok()?
    }

    fn time(&self) -> Option<f64> {
        self.file.as_ref().ok()?.times()?.get(self.state).copied()
    }
}

/// Compares the mesh of each sample with the first one. Collective.
fn relate(begun: &mut Begun, comm: &Arc<dyn Communicator>) {
    let Begun { samples, first: number, mesh: first, arrays, .. } = begun;
    let pieces: Vec<Option<&PvtuFile>> = samples.iter().map(|s| s.file.as_ref().ok()?.pieces()).collect();
    let mut locations: Vec<Location> = Vec::new();
    for array in arrays.iter().filter(|a| a.number != Number::Integer) {
        if !locations.contains(&array.field.location) {
            locations.push(array.field.location);
        }
    }
    let (same, first): (_, &Mesh) = (same_pieces(&pieces, *number, &locations, comm), first);
    // A mesh of the same bytes is not decoded.
    let encoded = if samples.len() > 1 { samples[*number].encoded() } else { None };
    let relation = |s: &Sample| match encoded.is_some() && s.encoded() == encoded {
        true => Ok(Arc::new(Correspondence::Same)),
        false => Ok(Arc::new(correspondence(first, &s.file()?.mesh(s.state)?))),
    };
    let again = |s: &Sample| s.state > 0 && s.file.as_ref().is_ok_and(|f| f.mesh_is_shared());
    let found: Vec<Option<Result<Arc<Correspondence>>>> = samples
        .par_iter()
        .zip(&same)
        .map(|(s, same)| match same {
            true => Some(Ok(Arc::new(Correspondence::Same))),
            false => (!again(s)).then(|| relation(s)),
        })
        .collect();
    let mut last = Ok(Arc::new(Correspondence::Same));
    for (sample, found) in samples.iter_mut().zip(found) {
        last = found.unwrap_or(last);
        match &last {
            Ok(relation) => sample.relation = relation.clone(),
            Err(e) => sample.file = Err(e.clone()),
        }
    }
}

/// What the files of samples that can be read say beside their arrays.
fn beside_arrays<'a>(samples: &'a [Sample], names: &'a [String]) -> Vec<Option<SampleData<'a>>> {
    let of = |(s, name): (&'a Sample, &'a String)| {
        let file = s.file.as_deref().ok()?;
        Some(SampleData { name, file: file.path(), field_data: file.field_data(s.state), time: s.time() })
    };
    samples.par_iter().zip(names.par_iter()).map(of).collect()
}

impl SnapshotSource for MeshSamples {
    fn path(&self) -> &Path {
        &self.path
    }

    fn files(&self) -> Vec<PathBuf> {
        self.files.clone()
    }

    fn n_samples(&self) -> usize {
        self.samples.len()
    }

    fn names(&self) -> Option<&[String]> {
        Some(&self.names)
    }

    fn keys(&self) -> Option<&[String]> {
        Some(&self.keys)
    }

    fn fields(&self) -> &[FieldInfo] {
        &self.fields
    }

    fn tags(&self) -> &[FieldInfo] {
        &self.tags
    }

    fn parameters(&self) -> Option<&Table> {
        self.parameters.as_ref()
    }

    fn scalars(&self) -> Option<&Table> {
        None
    }

    fn time(&self) -> Option<&[f64]> {
        self.time.as_deref()
    }

    fn left_out(&self, _states: bool) -> Vec<String> {
        let mut found: Vec<(String, &String, usize)> = Vec::new();
        for (sample, name) in self.samples.iter().zip(&self.names) {
            for what in sample.file().map_or(Vec::new(), |f| f.left_out(sample.state)) {
                match found.iter_mut().find(|(known, ..)| *known == what) {
                    Some((.., n)) => *n += 1,
                    None => found.push((what, name, 1)),
                }
            }
        }
        let line = |(what, name, n): (String, &String, usize)| match n {
            1 => format!("{what} (sample {name})"),
            n => format!("{what} ({n} samples, {name} the first)"),
        };
        found.into_iter().map(line).collect()
    }

    fn tag_names(&self) -> &[TagName] {
        self.samples.iter().find_map(|s| s.file().ok()).map_or(&[], |f| f.tag_names())
    }

    fn untimed(&self) -> Option<&Error> {
        self.untimed.as_ref()
    }

    fn mesh(&self) -> Option<&Mesh> {
        Some(&self.mesh)
    }

    fn points_move(&self) -> bool {
        self.points_move
    }

    fn mean_mesh(&self, samples: &[usize]) -> Result<Option<Mesh>> {
        let n = self.n_samples();
        if let Some(s) = samples.iter().find(|s| **s >= n) {
            return Err(Error::argument("sample", s, format!("below {n}")));
        }
        samples.iter().try_for_each(|s| self.check(*s))?;
        let mut mesh = self.mesh.clone();
        if self.points_move {
            let field = self.fields.last().cloned().filter(|f| f.name == POINTS);
            let Some(field) = field else { return Ok(None) };
            mesh.points = vec![0.0; field.n_dofs()];
            for block in samples.chunks(64) {
                let columns = self.read(&field, block, 0..field.n_dofs())?;
                for j in 0..block.len() {
                    mesh.points.iter_mut().zip(columns.col_as_slice(j)).for_each(|(s, v)| *s += v);
                }
            }
            mesh.points.iter_mut().for_each(|x| *x /= samples.len().max(1) as f64);
        }
        let whose = match samples {
            [s] => format!("sample {}", self.names[*s]),
            _ if self.points_move => format!("mean points of {} samples", samples.len()),
            _ => "the mesh of the samples".into(),
        };
        mesh.validate(&self.path).map_err(|e| e.inside(&whose))?;
        Ok(Some(mesh))
    }

    fn remarks(&self) -> Vec<String> {
        let first = self.samples.iter().find_map(|s| s.file().ok());
        let mut remarks = vec![format!("format: {}", first.map_or("unknown", |f| f.format()))];
        remarks.extend(self.left_out(true).into_iter().map(|what| format!("left out: {what}")));
        for tag in self.tag_names() {
            remarks.push(format!("tag {}: {} = {}, dimension {}", tag.name, tag.array, tag.tag, tag.dimension));
        }
        let first = self.samples.iter().position(|s| s.file.is_ok()).and_then(|s| self.names.get(s));
        let first = first.map_or("the first", String::as_str);
        let mut count = |what: &str, found: &mut dyn Iterator<Item = (usize, String)>| {
            if let Some((s, reason)) = found.next() {
                let more: Vec<usize> = found.map(|(s, _)| s).collect();
                let others = more.iter().take(2).filter_map(|s| self.names.get(*s)).map(|name| format!(", {name}"));
                let (name, others) = (&self.names[s], others.collect::<String>());
                let (n, dots) = (1 + more.len(), if more.len() > 2 { ", …" } else { "" });
                remarks
                    .push(format!("{n} sample{} {what} ({name}{reason}{others}{dots})", if n == 1 { "" } else { "s" }));
            }
        };
        let related = |wanted: fn(&Correspondence) -> Option<String>| {
            self.samples.iter().enumerate().filter_map(move |(i, s)| wanted(&s.relation).map(|reason| (i, reason)))
        };
        let errors = self.samples.iter().enumerate().filter_map(|(i, s)| Some((i, format!(": {}", s.file().err()?))));
        count("that cannot be read", &mut errors.into_iter());
        count(
            &format!("on other meshes than sample {first}"),
            &mut related(|r| if let Correspondence::Different(why) = r { Some(format!(": {why}")) } else { None }),
        );
        count(
            &format!("with other numbers of points and cells, matched to sample {first}"),
            &mut related(|r| matches!(r, Correspondence::Renumbered(_)).then(String::new)),
        );
        count(
            &format!("with other points on the cells of sample {first}"),
            &mut related(|r| matches!(r, Correspondence::Moved).then(String::new)),
        );
        remarks
    }

    fn number(&self, field: &FieldInfo) -> Number {
        match self.tags.iter().any(|f| f.name == field.name) {
            true => Number::Integer,
            false if self.single.contains(&field.name) => Number::Float32,
            false => Number::Float64,
        }
    }

    fn state(&self, sample: usize) -> Result<SampleState> {
        let sample = &self.samples[sample];
        let (file, state) = (sample.file()?, sample.state);
        let read = |a: ArrayInfo| Ok((a.clone(), file.read(state, &a)?));
        let arrays = file.arrays(state)?.into_iter().map(read).collect::<Result<_>>()?;
        Ok(SampleState { mesh: Some(file.mesh(state)?), arrays, field_data: file.field_data(state)? })
    }

    fn rows_per_read(&self, field: &FieldInfo) -> usize {
        field.n_dofs()
    }

    /// In the order and with the numbers of the first mesh.
    fn read(&self, field: &FieldInfo, samples: &[usize], dofs: Range<usize>) -> Result<Mat<f64>> {
        super::check_range(field, self.n_samples(), samples, &dofs)?;
        let mut block = Mat::zeros(dofs.len(), samples.len());
        self.read_into(field, samples, dofs, block.as_mut())?;
        Ok(block)
    }

    fn read_into(
        &self,
        field: &FieldInfo,
        samples: &[usize],
        dofs: Range<usize>,
        block: MatMut<'_, f64>,
    ) -> Result<()> {
        super::check_range(field, self.n_samples(), samples, &dofs)?;
        if dofs.is_empty() {
            return Ok(());
        }
        let columns: Vec<_> = block.col_iter_mut().zip(samples).collect();
        let done = columns.into_par_iter().map(|(column, s)| {
            let (values, first) = self.column(field, *s, &dofs)?;
            column.iter_mut().zip(values.iter().skip(dofs.start - first)).for_each(|(to, from)| *to = *from);
            Ok(())
        });
        // Of several errors that of the first sample, however the threads ran.
        done.collect::<Vec<Result<()>>>().into_iter().collect()
    }
}
