//! XDMF: light data in XML, values in HDF5, in the text or in binary files; one state, or the steps of a temporal collection.
//!
//! Read as meshio, FEniCSx and VTK write it, versions 2 and 3. Several collections over the same times, one per function as
//! FEniCSx writes them, are one series. A spatial collection is one mesh. Beside a grid that is alone, other grids on the same
//! mesh hand in their arrays; grids on other cells (sets of facets) are left out, as are attributes on faces and edges and
//! finite-element functions.

pub(crate) mod grids;
pub(crate) mod items;
pub(crate) mod light;
pub(crate) mod topology;
pub mod writer;

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::hdf::wrong_shape;
use crate::io::mesh_file::{ArrayInfo, MeshFile, check_state, damaged};
use crate::io::xdmf::grids::{Part, Step, same_mesh, steps_of};
use crate::io::xdmf::items::{Item, items, not_read};
use crate::io::xdmf::light::{Light, Node};
use crate::io::xdmf::topology::Topology;
use crate::mesh::{CellBlock, CellType, Mesh};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Attribute of an Attribute or a Geometry that was padded with zeros: the components that count.
pub(crate) const ORIGINAL: &str = "OriginalComponents";
/// Attribute of a collection whose times are only numbers of its states.
pub(crate) const COUNTED: &str = "CountedTimes";

/// An XDMF file.
#[derive(Debug)]
pub struct XdmfFile {
    light: Light,
    steps: Vec<Step>,
    times: Option<Vec<f64>>,
    shared: bool,
    /// Files with the values.
    heavy: Vec<PathBuf>,
}

/// An array of a state: its attribute in each part, with the components in the file.
#[derive(Debug)]
struct Array {
    info: ArrayInfo,
    sources: Vec<(Node, usize)>,
}

impl XdmfFile {
    /// Reads the light data only. Errors: K001, K002 not XDMF, K003 truncated or damaged, K006 a reference to nothing, K018 a
    /// form of XDMF that is not read.
    pub fn open(path: impl AsRef<Path>) -> Result<XdmfFile> {
        let (light, text) = Light::open(path.as_ref())?;
        let steps = steps_of(&light, &text)?;
        let times: Option<Vec<f64>> = steps.iter().map(|s| s.time).collect();
        let shared = steps.windows(2).all(|pair| same_mesh(&light, &text, &pair[0], &pair[1]));
        let heavy = heavy_files(light.path(), &text);
        Ok(XdmfFile { light, steps, times, shared, heavy })
    }

    fn parts(&self, state: usize) -> Result<&[Part]> {
        check_state(self, state)?;
        Ok(self.steps.get(state).map_or(&[], |s| &s.parts))
    }

    /// Numbers of points and of cells.
    fn sizes(&self, state: usize, part: &Part) -> Result<(usize, usize)> {
        let n_points = Geometry::new(&self.light, part.geometry, &place(state, "Geometry"))?.n_points;
        let n_cells = Topology::new(&self.light, part.topology, &place(state, "Topology"))?.n_cells()?;
        Ok((n_points, n_cells))
    }

    fn list(&self, state: usize) -> Result<Vec<Array>> {
        let mut arrays: Vec<Array> = Vec::new();
        for (i, part) in self.parts(state)?.iter().enumerate() {
            let sizes = self.sizes(state, part)?;
            let mut of_part: Vec<Array> = Vec::new();
            let mut names = HashSet::new();
            for &node in &part.attributes {
                if let Some((info, stored)) = self.describe(state, node, sizes)?
                    && names.insert((info.field.name.clone(), info.field.location == Location::Point))
                {
                    of_part.push(Array { info, sources: vec![(node, stored)] });
                }
            }
            if i == 0 {
                arrays = of_part;
                continue;
            }
            // What one of the parts lacks is no array of the whole mesh.
            arrays.retain_mut(|array| {
                let field = &mut array.info.field;
                let same = |a: &&Array| {
                    let other = &a.info.field;
                    (&other.name, other.location, other.n_components)
                        == (&field.name, field.location, field.n_components)
                };
                let Some(more) = of_part.iter().find(same) else { return false };
                field.n_entities += more.info.field.n_entities;
                array.sources.extend(&more.sources);
                true
            });
        }
        let on_points = arrays.iter().filter(|a| a.info.field.location == Location::Point);
        let on_points: HashSet<String> = on_points.map(|a| a.info.field.name.clone()).collect();
        for field in arrays.iter_mut().map(|a| &mut a.info.field) {
            if field.location == Location::Cell && on_points.contains(&field.name) {
                field.name += "_cells";
            }
        }
        Ok(arrays)
    }

    /// An attribute on points or cells, and its components in the file; `None` for others.
    fn describe(&self, state: usize, node: Node, sizes: (usize, usize)) -> Result<Option<(ArrayInfo, usize)>> {
        let light = &self.light;
        let (location, n) = match center(light, node).as_str() {
            "node" => (Location::Point, sizes.0),
            "cell" => (Location::Cell, sizes.1),
            _ => return Ok(None),
        };
        if light.attribute(node, "ItemType").is_some_and(|t| !t.eq_ignore_ascii_case("uniform")) {
            return Ok(None);
        }
        let name = light.attribute(node, "Name").unwrap_or_else(|| "unnamed".into());
        let place = place(state, &format!("Attribute {name}"));
        let [data] = items(light, node)[..] else {
            return Err(not_read(light, place, "another number of data items", "one DataItem"));
        };
        let item = Item::new(light, data, &place)?;
        let (dims, len) = (item.dims()?, item.len()?);
        let told =
            match light.attribute_of(node, &["AttributeType", "Type"]).unwrap_or_default().to_lowercase().as_str() {
                "scalar" | "" => 1,
                "vector" => 3,
                "tensor6" => 6,
                "tensor" => 9,
                _ => 0,
            };
        // Rows of other lengths than the entities are those of a structured array.
        let stored = len.checked_div(n).unwrap_or(dims.iter().skip(1).product());
        if stored.checked_mul(n) != Some(len) || stored == 0 || (dims.first() != Some(&n) && stored != told) {
            let what = if location == Location::Point { "points" } else { "cells" };
            return Err(wrong_shape(
                light.path(),
                place,
                format!("Dimensions {dims:?}"),
                format!("rows for {n} {what}"),
            ));
        }
        let kept = original(light, node, stored);
        Ok(Some((ArrayInfo::new(&name, location, n, kept, item.number()?), stored)))
    }
}

/// The files that stand before `:/` in the text of data items.
fn heavy_files(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut names: Vec<&str> = text.split(":/").filter_map(|before| before.rsplit('>').next()).map(str::trim).collect();
    // What follows the last one.
    names.pop();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| folder.join(name.replace("&amp;", "&"))).filter(|file| file.is_file()).collect()
}

impl MeshFile for XdmfFile {
    fn path(&self) -> &Path {
        self.light.path()
    }

    fn format(&self) -> &'static str {
        "XDMF"
    }

    fn files(&self) -> Vec<PathBuf> {
        std::iter::once(self.path().to_path_buf()).chain(self.heavy.clone()).collect()
    }

    fn n_states(&self) -> usize {
        self.steps.len()
    }

    fn times(&self) -> Option<&[f64]> {
        self.times.as_deref()
    }

    fn mesh_is_shared(&self) -> bool {
        self.shared
    }

    fn mesh(&self, state: usize) -> Result<Mesh> {
        let mut mesh = Mesh { dim: 0, points: Vec::new(), cells: Vec::new() };
        for part in self.parts(state)? {
            let place_points = place(state, "Geometry");
            let geometry = Geometry::new(&self.light, part.geometry, &place_points)?;
            if mesh.dim != 0 && mesh.dim != geometry.kept {
                let expected = format!("grids of dimension {}", mesh.dim);
                return Err(not_read(&self.light, &place_points, format!("dimension {}", geometry.kept), expected));
            }
            let first = mesh.points.len() / geometry.kept.max(1);
            let mut points = geometry.points()?;
            let mut cells = Topology::new(&self.light, part.topology, &place(state, "Topology"))?.cells()?;
            mesh.dim = geometry.kept;
            if first == 0 {
                (mesh.points, mesh.cells) = (points, cells);
                continue;
            }
            if cells.iter().any(|block| block.cell_type == CellType::Polyhedron) {
                return Err(not_read(
                    &self.light,
                    place(state, "Topology"),
                    "polyhedra in a collection",
                    "other cells",
                ));
            }
            let shift = |block: &mut CellBlock| {
                block.connectivity.iter_mut().for_each(|p| *p = p.saturating_add(first as u32));
            };
            cells.iter_mut().for_each(shift);
            mesh.points.append(&mut points);
            mesh.cells.append(&mut cells);
        }
        mesh.check_structure(self.path())?;
        Ok(mesh)
    }

    fn arrays(&self, state: usize) -> Result<Vec<ArrayInfo>> {
        Ok(self.list(state)?.into_iter().map(|a| a.info).collect())
    }

    fn read(&self, state: usize, array: &ArrayInfo) -> Result<Vec<f64>> {
        let found = self.list(state)?.into_iter().find(|a| a.info == *array).ok_or_else(|| {
            let what = format!("array of state {state} of {}", self.path().display());
            Error::argument(what, &array.field.name, "one that `arrays` lists")
        })?;
        let mut values = Vec::new();
        for (node, stored) in found.sources {
            let place = place(state, &format!("Attribute {}", array.field.name));
            let node = items(&self.light, node).first().copied().unwrap_or(node);
            let part = unpad(Item::new(&self.light, node, &place)?.values()?, stored, array.field.n_components);
            if values.is_empty() { values = part } else { values.extend(part) }
        }
        Ok(values)
    }

    fn left_out(&self, state: usize) -> Vec<String> {
        let light = &self.light;
        let attributes = self.parts(state).unwrap_or_default().iter().flat_map(|part| &part.attributes);
        let out = |&node: &Node| {
            let name = light.attribute(node, "Name").unwrap_or_else(|| "unnamed".into());
            let element = light.attribute(node, "ItemType").filter(|t| !t.eq_ignore_ascii_case("uniform"));
            match (center(light, node).as_str(), element) {
                ("grid", _) => None,
                ("node" | "cell", None) => None,
                ("node" | "cell", Some(kind)) => Some(format!("array {name} of the type {kind}")),
                (center, _) => Some(format!("array {name} on each {center}")),
            }
        };
        attributes.filter_map(out).collect()
    }

    fn field_data(&self, state: usize) -> Result<Vec<(String, Vec<f64>)>> {
        let light = &self.light;
        let mut found: Vec<(String, Vec<f64>)> = Vec::new();
        for part in self.parts(state)? {
            for &node in part.attributes.iter().filter(|&&node| center(light, node) == "grid") {
                let name = light.attribute(node, "Name").unwrap_or_else(|| "unnamed".into());
                let place = place(state, &format!("Attribute {name}"));
                if let [data] = items(light, node)[..] {
                    found.push((name, Item::new(light, data, &place)?.values()?));
                }
            }
            for &node in &part.information {
                let value = light.attribute(node, "Value").unwrap_or_default();
                let values: Option<Vec<f64>> = value.split_ascii_whitespace().map(|w| w.parse().ok()).collect();
                if let (Some(name), Some(values)) = (light.attribute(node, "Name"), values) {
                    found.push((name, values));
                }
            }
        }
        let mut names = HashSet::new();
        found.retain(|(name, _)| names.insert(name.clone()));
        Ok(found)
    }
}

fn place(state: usize, what: &str) -> String {
    format!("state {state}, {what}")
}

fn center(light: &Light, node: Node) -> String {
    light.attribute(node, "Center").unwrap_or_else(|| "Node".into()).to_lowercase()
}

/// Components without those that were padded.
fn original(light: &Light, node: Node, stored: usize) -> usize {
    let told = light.attribute(node, ORIGINAL).and_then(|text| text.trim().parse().ok());
    told.filter(|n| (1..=stored).contains(n)).unwrap_or(stored)
}

fn unpad(values: Vec<f64>, stored: usize, kept: usize) -> Vec<f64> {
    if kept == stored {
        return values;
    }
    values.chunks_exact(stored.max(1)).flat_map(|row| row.get(..kept).unwrap_or(row)).copied().collect()
}

/// The points of a grid: one item with all coordinates, or one for each.
struct Geometry<'a> {
    items: Vec<Item<'a>>,
    /// Coordinates in the file, and those that count.
    stored: usize,
    kept: usize,
    n_points: usize,
}

impl<'a> Geometry<'a> {
    fn new(light: &'a Light, node: Node, place: &'a str) -> Result<Geometry<'a>> {
        let name = light.attribute_of(node, &["GeometryType", "Type"]).unwrap_or_else(|| "XYZ".into());
        let data = items(light, node);
        let (stored, n_items) = match name.to_uppercase().as_str() {
            "X" => (1, 1),
            "XY" => (2, 1),
            "XYZ" => (3, 1),
            "X_Y" => (2, 2),
            "X_Y_Z" => (3, 3),
            _ => return Err(not_read(light, place, format!("a Geometry of type {name}"), "XYZ, XY, X_Y_Z or X_Y")),
        };
        if data.len() != n_items {
            let found = format!("{} data items in a Geometry of type {name}", data.len());
            return Err(damaged(light.path(), place, found, n_items.to_string()));
        }
        let items = data.into_iter().map(|node| Item::new(light, node, place)).collect::<Result<Vec<_>>>()?;
        let n = items.first().map_or(Ok(0), Item::len)?;
        let each = stored / n_items;
        for item in &items {
            if item.len()? != n || !n.is_multiple_of(each) {
                let found = format!("Dimensions {:?}", item.dims()?);
                return Err(wrong_shape(light.path(), place, found, format!("rows of {each} coordinates")));
            }
        }
        Ok(Geometry { items, stored, kept: original(light, node, stored), n_points: n / each })
    }

    /// [n_points, kept], row-major.
    fn points(&self) -> Result<Vec<f64>> {
        if let [item] = self.items.as_slice() {
            return Ok(unpad(item.values()?, self.stored, self.kept));
        }
        let axes = self.items.iter().take(self.kept).map(Item::values).collect::<Result<Vec<_>>>()?;
        let row = |i: usize| axes.iter().filter_map(move |axis| axis.get(i).copied());
        Ok((0..self.n_points).flat_map(row).collect())
    }
}
