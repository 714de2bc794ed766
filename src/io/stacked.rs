//! Stacked HDF5 (one mesh, many samples), read on demand.

use crate::data::{FieldInfo, Location, Table};
use crate::error::{Error, Result};
use crate::io::field_chunks::FieldChunks;
use crate::io::link_names::{field_name, link_of};
use crate::io::mesh_file::{ArrayInfo, Number};
use crate::io::stacked_mesh::{Points, read_mesh};
use crate::io::stacked_tables::count_samples;
pub(crate) use crate::io::stacked_tables::read_table;
use crate::io::{SampleState, SnapshotSource, csr, hdf, hyperslab};
use crate::mesh::Mesh;
use faer::{Mat, MatMut};
use hdf5::Dataset;
use hdf5::types::{FloatSize, TypeDescriptor};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What of a file has a meaning here, and what of a prediction goes with each sample.
const KNOWN: [&str; 6] = ["mesh", "parameters", "snapshots", "scalars", "time", "trajectory"];
const OF_STATES: [&str; 5] = ["uncertainty", "interval", "indicator", "flags", "indicators"];

/// Name of the learnt field that holds moving points.
pub const POINTS: &str = "points";
/// Attribute of a data set in /snapshots, and its value for tags: kept, but no field to learn unless a study names it.
pub(crate) const ROLE: &str = "role";
pub(crate) const TAG: &str = "tag";

/// A file in the stacked layout: parameters, scalars, time and mesh are held, snapshots are read on demand.
#[derive(Debug)]
pub struct StackedFile {
    path: PathBuf,
    file: hdf5::File,
    n_samples: usize,
    fields: Vec<FieldInfo>,
    tags: Vec<FieldInfo>,
    /// Of the fields, then of the tags.
    data: Vec<Dataset>,
    /// Of each of them, found where it is first read.
    chunks: Vec<OnceLock<Option<FieldChunks>>>,
    parameters: Option<Table>,
    scalars: Option<Table>,
    time: Option<Vec<f64>>,
    trajectory: Option<Vec<i64>>,
    mesh: Option<Mesh>,
    /// The last field is the points.
    points_move: bool,
}

/// Numbers of entities that a length is compared with.
#[derive(Clone, Copy)]
struct Entities {
    points: usize,
    cells: usize,
    /// Those of the highest dimension: without boundary cells.
    top_cells: usize,
}

impl StackedFile {
    /// Opens the file and checks everything but the values of the snapshots.
    ///
    /// Fields are listed by name; moving points come last, as the field [`POINTS`].
    /// Errors: K001 missing, K002 not HDF5 or no snapshots, K003 damaged, K004 not finite, K005 shapes, K006 names,
    /// K007 parameters missing, K008 no samples, K015 mesh. Cost: headers, tables and the points of one sample.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let file = hdf::open(&path)?;
        let mesh = read_mesh(&path, &file)?;
        let entities = mesh.as_ref().map(|(mesh, n_points, _)| Entities {
            points: *n_points,
            cells: mesh.n_cells(),
            top_cells: mesh.n_top_cells(),
        });
        let found = find_fields(&path, &file, entities)?;
        let (tags, fields): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, data)| is_tag(data));
        let (mut fields, mut data): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
        let (tags, tag_data): (Vec<_>, Vec<_>) = tags.into_iter().unzip();
        let mut moving = None;
        let mesh = mesh.map(|(mesh, n_points, points)| {
            if let Points::Moving(points) = points {
                moving = Some((points, n_points, mesh.dim));
            }
            mesh
        });
        let points_move = moving.is_some();
        if let Some((points, n_points, dim)) = moving {
            if fields.iter().any(|f| f.name == POINTS) {
                let mend = "give the field in /snapshots another name";
                let found = "a field `points` beside points that move";
                return Err(Error::input("K006", &path, "/snapshots/points", found, "one of the two", mend));
            }
            fields.push(FieldInfo {
                name: POINTS.to_string(),
                location: Location::Point,
                n_entities: n_points,
                n_components: dim,
                vector: true,
            });
            data.push(points);
        }
        let n_fields = fields.len();
        fields.extend(tags);
        data.extend(tag_data);
        let n_samples = count_samples(&path, &file, &fields, &data, &|field| place_of(field, true))?;
        let tags = fields.split_off(n_fields);
        let parameters = read_table(&path, &file, "parameters", "p", n_samples)?;
        let scalars = read_table(&path, &file, "scalars", "s", n_samples)?;
        let time = read_table(&path, &file, "time", "time", n_samples)?.map(|t| t.values);
        let trajectory = read_table(&path, &file, "trajectory", "trajectory", n_samples)?;
        let trajectory = trajectory.map(|t| t.values.iter().map(|&v| v as i64).collect());
        let mut opened = StackedFile {
            path,
            file,
            n_samples,
            fields,
            tags,
            chunks: data.iter().map(|_| OnceLock::new()).collect(),
            data,
            parameters,
            scalars,
            time,
            trajectory,
            mesh,
            points_move,
        };
        if points_move {
            // A sample with a bad mesh can be left out: the first good one shows the mesh.
            let mut meshes = (0..n_samples).map(|s| opened.mesh_of(s));
            opened.mesh = meshes.find(Result::is_ok).unwrap_or_else(|| opened.mesh_of(0))?;
        } else if let Some(mesh) = &opened.mesh {
            mesh.validate(&opened.path)?;
        }
        Ok(opened)
    }

    /// Chunk of a field in the file ([samples, entities(, components)]); None where it is contiguous.
    pub fn chunk(&self, field: &FieldInfo) -> Option<Vec<usize>> {
        self.position(field).and_then(|i| self.data[i].chunk())
    }

    /// The CSR matrix `/inner_product` [n, n], where the file holds it.
    ///
    /// Errors: K004 not finite, K005 arrays that do not match, K016 not symmetric or not positive definite.
    pub fn inner_product(&self) -> Result<Option<sprs::CsMat<f64>>> {
        match hdf::group(&self.file, "inner_product") {
            Some(group) => csr::read_inner_product(&self.path, &group, "/inner_product").map(Some),
            None => Ok(None),
        }
    }

    /// A field by its name, and its number.
    fn known(&self, field: &FieldInfo) -> Result<(usize, &FieldInfo)> {
        let found = self.fields.iter().chain(&self.tags).enumerate().find(|(_, f)| f.name == field.name);
        let (i, field) = found.ok_or_else(|| {
            let known: Vec<&str> = self.fields.iter().map(|f| f.name.as_str()).collect();
            Error::argument("field", &field.name, format!("one of {}", known.join(", ")))
        })?;
        // Chunks that were never written make a file of headers only: it can be planned for, not read.
        hdf::check_size(&self.path, &self.data[i], &place_of(field, self.mesh.is_some()))?;
        Ok((i, field))
    }

    fn position(&self, field: &FieldInfo) -> Option<usize> {
        self.fields.iter().chain(&self.tags).position(|f| f.name == field.name)
    }
}

impl SnapshotSource for StackedFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn n_samples(&self) -> usize {
        self.n_samples
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
        self.scalars.as_ref()
    }

    fn time(&self) -> Option<&[f64]> {
        self.time.as_deref()
    }

    fn trajectory(&self) -> Option<&[i64]> {
        self.trajectory.as_deref()
    }

    fn left_out(&self, states: bool) -> Vec<String> {
        let known = |name: &String| KNOWN.contains(&name.as_str()) || states && OF_STATES.contains(&name.as_str());
        self.file.member_names().unwrap_or_default().into_iter().filter(|name| !known(name)).collect()
    }

    fn mesh(&self) -> Option<&Mesh> {
        self.mesh.as_ref()
    }

    fn points_move(&self) -> bool {
        self.points_move
    }

    fn number(&self, field: &FieldInfo) -> Number {
        let data = self.position(field).map(|i| &self.data[i]);
        match data.and_then(|d| d.dtype().and_then(|t| t.to_descriptor()).ok()) {
            Some(TypeDescriptor::Float(FloatSize::U4)) => Number::Float32,
            Some(TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_)) => Number::Integer,
            _ => Number::Float64,
        }
    }

    /// Of predictions also `<field>_std`, `<field>_interval`, and the field data `indicator` and `flag`.
    fn state(&self, sample: usize) -> Result<SampleState> {
        let mut state = super::state_of(self, sample)?;
        for (field, data) in self.fields.iter().zip(&self.data) {
            let link = link_of(data);
            for (group, suffix) in [("uncertainty", "std"), ("interval", "interval")] {
                let place = format!("/{group}/{link}");
                let Some(data) = hdf::dataset(&self.file, &place) else { continue };
                let values =
                    hyperslab::read(&self.path, &data, &place, field.n_components, &[sample], 0..field.n_dofs())?;
                let name = format!("{}_{suffix}", field.name);
                let info = ArrayInfo { field: FieldInfo { name, ..field.clone() }, number: Number::Float64 };
                state.arrays.push((info, values.col_as_slice(0).to_vec()));
            }
        }
        for (name, shown) in [("indicator", "indicator"), ("flags", "flag")] {
            let Some(table) = read_table(&self.path, &self.file, name, shown, self.n_samples)? else { continue };
            state.field_data.push((shown.into(), table.row(sample).to_vec()));
        }
        Ok(state)
    }

    fn mean_mesh(&self, samples: &[usize]) -> Result<Option<Mesh>> {
        let (Some(mesh), true) = (&self.mesh, self.points_move) else { return Ok(self.mesh.clone()) };
        let Some((field, data)) = self.fields.last().zip(self.data.get(self.fields.len().saturating_sub(1))) else {
            return Ok(None);
        };
        super::check_range(field, self.n_samples, samples, &(0..field.n_dofs()))?;
        let points = mean_points(&self.path, data, field, samples)?;
        let mesh = Mesh { points, dim: mesh.dim, cells: mesh.cells.clone() };
        let whose = match samples {
            [sample] => format!("sample {sample}"),
            _ => format!("mean points of {} samples", samples.len()),
        };
        mesh.validate(&self.path).map_err(|e| e.inside(&whose))?;
        Ok(Some(mesh))
    }

    fn rows_per_read(&self, field: &FieldInfo) -> usize {
        self.chunk(field).and_then(|c| c.get(1).copied()).unwrap_or(1) * field.n_components.max(1)
    }

    fn chunks(&self, field: &FieldInfo) -> Option<&FieldChunks> {
        let i = self.position(field)?;
        let known = self.fields.iter().chain(&self.tags).nth(i)?;
        let place = place_of(known, self.mesh.is_some());
        let find = || FieldChunks::of(&self.path, &place, &self.data[i], known.n_components);
        self.chunks.get(i)?.get_or_init(find).as_ref()
    }

    fn read(&self, field: &FieldInfo, samples: &[usize], dofs: Range<usize>) -> Result<Mat<f64>> {
        let (i, field) = self.known(field)?;
        super::check_range(field, self.n_samples, samples, &dofs)?;
        if let Some(chunks) = self.chunks(field) {
            let mut block = Mat::zeros(dofs.len(), samples.len());
            return chunks.read_into(samples, dofs, block.as_mut()).map(|()| block);
        }
        let place = place_of(field, self.mesh.is_some());
        hyperslab::read(&self.path, &self.data[i], &place, field.n_components, samples, dofs)
    }

    fn read_into(
        &self,
        field: &FieldInfo,
        samples: &[usize],
        dofs: Range<usize>,
        mut block: MatMut<'_, f64>,
    ) -> Result<()> {
        let (_, field) = self.known(field)?;
        super::check_range(field, self.n_samples, samples, &dofs)?;
        super::check_block(samples, &dofs, block.as_ref())?;
        match self.chunks(field) {
            Some(chunks) if block.row_stride() == 1 => chunks.read_into(samples, dofs, block),
            _ => self.read(field, samples, dofs).map(|values| block.copy_from(values)),
        }
    }
}

fn place_of(field: &FieldInfo, with_mesh: bool) -> String {
    let moving = with_mesh && field.name == POINTS;
    if moving { "/mesh/points".into() } else { format!("/snapshots/{}", field.name) }
}

/// Integers that are marked as no field.
fn is_tag(data: &Dataset) -> bool {
    hdf::attribute_strings(data, ROLE).ok().flatten().is_some_and(|role| role == [TAG])
}

fn find_fields(path: &Path, file: &hdf5::Group, entities: Option<Entities>) -> Result<Vec<(FieldInfo, Dataset)>> {
    let Some(group) = hdf::group(file, "snapshots") else {
        let mend = "write each field as the data set /snapshots/<field> [n_samples, n_entities]";
        return Err(Error::input(
            "K002",
            path,
            "/snapshots",
            "no such group",
            "a group with one data set per field",
            mend,
        ));
    };
    let names = group.member_names().map_err(|e| hdf::damaged(path, "/snapshots", e))?;
    let mut fields: Vec<(FieldInfo, Dataset)> = Vec::new();
    for name in names {
        let place = format!("/snapshots/{name}");
        if hdf::group(&group, &name).is_some() {
            continue;
        }
        let set = group.dataset(&name).map_err(|e| hdf::damaged(path, &place, e))?;
        hdf::check_numeric(path, &set, &place)?;
        let shape = set.shape();
        if !(2..=3).contains(&shape.len()) {
            let expected = "[n_samples, n_entities] or [n_samples, n_entities, n_components]".to_string();
            return Err(hdf::wrong_shape(path, place, format!("{shape:?}"), expected));
        }
        if set.offset().is_some() {
            hdf::check_size(path, &set, &place)?;
        }
        let location = locate(path, &set, &place, shape[1], entities)?;
        let vector = shape.len() == 3;
        let n_components = if vector { shape[2] } else { 1 };
        if shape[1] * n_components == 0 && shape[0] > 0 {
            return Err(hdf::wrong_shape(path, place, format!("{shape:?}"), "at least one entry per sample".into()));
        }
        let name = field_name(&set, &name).map_err(|e| hdf::damaged(path, &place, e))?;
        if fields.iter().any(|(known, _)| known.name == name) {
            let (found, mend) = (format!("a second field `{name}`"), "give each field its own name");
            return Err(Error::input("K006", path, place, found, "names that differ", mend));
        }
        fields.push((FieldInfo { name, location, n_entities: shape[1], n_components, vector }, set));
    }
    // By the names of the fields, which those of their data sets need not be.
    fields.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    Ok(fields)
}

/// By the attribute `location`, else by the length.
fn locate(path: &Path, data: &Dataset, place: &str, n: usize, entities: Option<Entities>) -> Result<Location> {
    let found = hdf::attribute_strings(data, "location").map_err(|e| hdf::damaged(path, place, e))?;
    let named = match found.and_then(|names| names.into_iter().next()).as_deref() {
        Some("point" | "points" | "node" | "nodes") => Some(Location::Point),
        Some("cell" | "cells") => Some(Location::Cell),
        Some("free" | "quadrature") => return Ok(Location::Free),
        Some(other) => {
            let place = format!("{place}, attribute location");
            let known = "one of point, cell, quadrature, free";
            return Err(Error::input(
                "K006",
                path,
                place,
                format!("`{other}`"),
                known,
                "set the attribute to one of these",
            ));
        }
        None => None,
    };
    let Some(Entities { points, cells, top_cells }) = entities else { return Ok(named.unwrap_or(Location::Free)) };
    let wrong = |expected| Err(hdf::wrong_shape(path, place, format!("{n} entities per sample"), expected));
    let on_cells = n == cells || n == top_cells;
    let known_cells = match cells - top_cells {
        0 => format!("{cells} cells"),
        boundary => format!("{cells} cells, or {top_cells} without the {boundary} of lower dimension"),
    };
    match named {
        Some(Location::Point) if n != points => wrong(format!("{points} points (its attribute location is point)")),
        Some(Location::Cell) if !on_cells => wrong(format!("{known_cells} (its attribute location is cell)")),
        Some(location) => Ok(location),
        None if n == points && on_cells => {
            let found = format!("{n} entities, which is the number of points and of cells");
            let mend = "set the attribute `location` of the data set to point or cell";
            Err(Error::input("K006", path, place, found, "the attribute `location`", mend))
        }
        None if n == points => Ok(Location::Point),
        None if on_cells => Ok(Location::Cell),
        None => wrong(format!("{points} points or {known_cells} (vectors as [n_samples, n_entities, n_components])")),
    }
}

/// Mean over `samples`, added in their order.
fn mean_points(path: &Path, data: &Dataset, field: &FieldInfo, samples: &[usize]) -> Result<Vec<f64>> {
    let n = field.n_dofs();
    let mut sum = vec![0.0; n];
    for samples in samples.chunks(((1 << 23) / n.max(1)).max(1)) {
        let block = hyperslab::read(path, data, "/mesh/points", field.n_components, samples, 0..n)?;
        for column in 0..samples.len() {
            sum.iter_mut().zip(block.col_as_slice(column)).for_each(|(s, v)| *s += v);
        }
    }
    Ok(sum.into_iter().map(|s| s / samples.len().max(1) as f64).collect())
}
