//! Meshes and views of gmsh (.msh, versions 2.2, 4.0 and 4.1, text and binary).
//!
//! Gmsh Reference Manual, section "MSH file format". Points that belong to no element are left out, the others keep their order;
//! elements are sorted by type, in the order in which the types come first. Physical groups and entities are the integer arrays
//! `gmsh:physical` and `gmsh:geometrical` on all cells, as meshio names them; an element of several groups has the first.

pub(crate) mod cursor;
pub(crate) mod elements;
pub(crate) mod sections;
pub(crate) mod version2;
pub(crate) mod version4;
pub mod writer;

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::gmsh::elements::{Tags, Topology};
use crate::io::gmsh::sections::{DataSection, GEOMETRICAL, PHYSICAL, Sections, data_section};
use crate::io::mesh_file::{ArrayInfo, Bytes, MeshFile, Number, TagName, check_state};
use crate::mesh::Mesh;
use std::path::Path;

/// A file of gmsh. A view of several steps makes a series where all views have the same steps; else each of its steps is an
/// array, with the number of the step behind the name.
#[derive(Debug)]
pub struct GmshFile {
    file: Bytes,
    sections: Sections,
    views: Vec<View>,
    n_states: usize,
    times: Option<Vec<f64>>,
    counts: Counts,
    has_groups: bool,
    /// Held for a series only, whose arrays are read many times.
    numbering: Option<Numbering>,
}

/// The steps of an array, as numbers of data sections.
#[derive(Debug, Clone, PartialEq)]
struct View {
    name: String,
    location: Location,
    steps: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Counts {
    points: usize,
    /// Points of no cell, which are left out.
    lone_points: usize,
    cells: usize,
    top_cells: usize,
}

/// The numbers behind the tags of points, cells, and cells of the highest dimension.
#[derive(Debug)]
struct Numbering {
    points: Tags,
    cells: Tags,
    top_cells: Tags,
}

impl Numbering {
    fn new(topology: &Topology) -> Self {
        Numbering {
            points: Tags::new(&topology.point_tags),
            cells: Tags::new(&topology.cell_tags),
            top_cells: Tags::new(&topology.top_tags()),
        }
    }
}

impl GmshFile {
    /// Reads the mesh once to check it, and the headers of the views. Errors: K001, K002, K003, K004, K015, K018.
    pub fn open(path: &Path) -> Result<GmshFile> {
        let file = Bytes::of(path)?;
        let (sections, topology) = Sections::scan(path, &file.read_all()?)?;
        topology.mesh.check_structure(path)?;
        let mesh = &topology.mesh;
        let counts = Counts {
            points: mesh.n_points(),
            lone_points: topology.n_lone,
            cells: mesh.n_cells(),
            top_cells: mesh.n_top_cells(),
        };
        let has_groups = topology.physical.iter().any(|&p| p != 0);
        let (views, n_states, times) = series(&sections.data);
        let numbering = (n_states > 1).then(|| Numbering::new(&topology));
        Ok(GmshFile { file, sections, views, n_states, times, counts, has_groups, numbering })
    }

    fn section(&self, view: &View, state: usize) -> Option<&DataSection> {
        self.sections.data.get(*view.steps.get(state)?)
    }

    /// Number of entities of a view: points, all cells, or those of the highest dimension.
    fn n_entities(&self, data: &DataSection) -> usize {
        match data.location {
            Location::Point => self.counts.points,
            _ if data.n_entries >= self.counts.cells => self.counts.cells,
            _ => self.counts.top_cells,
        }
    }

    fn info(&self, view: &View, state: usize) -> Option<ArrayInfo> {
        let data = self.section(view, state)?;
        let (n, k) = (self.n_entities(data), data.n_components);
        Some(ArrayInfo::new(&view.name, view.location, n, k, Number::Float64))
    }

    /// The integer arrays on all cells.
    fn groups(&self) -> impl Iterator<Item = ArrayInfo> {
        let names = [(PHYSICAL, self.has_groups), (GEOMETRICAL, self.counts.cells > 0)];
        let there = names.into_iter().filter(|(_, there)| *there);
        there.map(|(name, _)| ArrayInfo::new(name, Location::Cell, self.counts.cells, 1, Number::Integer))
    }

    fn view_values(&self, data: &DataSection) -> Result<Vec<f64>> {
        let own;
        let numbering = match &self.numbering {
            Some(numbering) => numbering,
            None => {
                own = Numbering::new(&self.sections.topology(&self.file)?);
                &own
            }
        };
        let (n, k) = (self.n_entities(data), data.n_components);
        let (kind, tags) = match data.location {
            Location::Point => ("node", &numbering.points),
            _ if n == self.counts.cells => ("element", &numbering.cells),
            _ => ("element", &numbering.top_cells),
        };
        let place = format!("${} `{}`, step {}", data_section(data.location), data.name, data.step);
        let refuse = |found: String| {
            let expected = match data.location {
                Location::Point => format!("a value for each of the {n} nodes of elements"),
                _ => format!("a value for each of the {n} elements of the highest dimension, or for all elements"),
            };
            let mend = "save the view on the whole mesh, or leave the array out of `fields`";
            Err(Error::input("K005", &self.file.path, place.clone(), found, expected, mend))
        };
        if data.n_entries < n {
            return refuse(format!("values for {} {kind}s", data.n_entries));
        }
        let mut values = vec![0.0; n * k];
        let mut known = vec![false; n];
        // Values for nodes and elements that the mesh does not have are no fault: gmsh writes them.
        self.sections.entries(&self.file, data, |tag, entry| {
            let Some(i) = tags.find(tag).map(|i| i as usize) else { return };
            if let (Some(row), Some(known)) = (values.get_mut(i * k..(i + 1) * k), known.get_mut(i)) {
                row.copy_from_slice(entry);
                *known = true;
            }
        })?;
        match known.iter().filter(|k| !**k).count() {
            0 => Ok(values),
            missing => refuse(format!("values for {} {kind}s, none for {missing}", n - missing)),
        }
    }
}

impl MeshFile for GmshFile {
    fn path(&self) -> &Path {
        &self.file.path
    }

    fn format(&self) -> &'static str {
        "gmsh"
    }

    fn n_states(&self) -> usize {
        self.n_states
    }

    fn times(&self) -> Option<&[f64]> {
        self.times.as_deref()
    }

    fn mesh(&self, state: usize) -> Result<Mesh> {
        check_state(self, state)?;
        let mesh = self.sections.topology(&self.file)?.mesh;
        mesh.check_structure(&self.file.path)?;
        Ok(mesh)
    }

    fn arrays(&self, state: usize) -> Result<Vec<ArrayInfo>> {
        check_state(self, state)?;
        Ok(self.views.iter().filter_map(|view| self.info(view, state)).chain(self.groups()).collect())
    }

    fn read(&self, state: usize, array: &ArrayInfo) -> Result<Vec<f64>> {
        check_state(self, state)?;
        if let Some(view) = self.views.iter().find(|view| self.info(view, state).as_ref() == Some(array))
            && let Some(data) = self.section(view, state)
        {
            return self.view_values(data);
        }
        if !self.groups().any(|group| group == *array) {
            let what = format!("array of {}", self.file.path.display());
            return Err(Error::argument(what, &array.field.name, "one that `arrays` lists"));
        }
        let topology = self.sections.topology(&self.file)?;
        let tags = if array.field.name == PHYSICAL { topology.physical } else { topology.geometrical };
        Ok(tags.into_iter().map(f64::from).collect())
    }

    fn left_out(&self, _state: usize) -> Vec<String> {
        let n = self.counts.lone_points;
        if n > 0 { vec![format!("{n} points of no cell")] } else { Vec::new() }
    }

    fn tag_names(&self) -> &[TagName] {
        &self.sections.tag_names
    }
}

/// The views, the number of states, and their times.
fn series(data: &[DataSection]) -> (Vec<View>, usize, Option<Vec<f64>>) {
    let mut views: Vec<View> = Vec::new();
    for (i, section) in data.iter().enumerate() {
        match views.iter_mut().find(|v| v.name == section.name && v.location == section.location) {
            Some(view) => view.steps.push(i),
            None => views.push(View { name: section.name.clone(), location: section.location, steps: vec![i] }),
        }
    }
    let step = |i: usize| data.get(i).map(|d| (d.step, d.time, d.n_components));
    for view in &mut views {
        view.steps.sort_by_key(|&i| step(i).map(|s| s.0));
    }
    let steps = |view: &View| view.steps.iter().filter_map(|&i| step(i)).map(|s| (s.0, s.1)).collect::<Vec<_>>();
    let first = views.first().map(steps).unwrap_or_default();
    let one_shape = |view: &View| view.steps.windows(2).all(|w| step(w[0]).map(|s| s.2) == step(w[1]).map(|s| s.2));
    let together = views.iter().all(|view| steps(view) == first && one_shape(view));
    if !together {
        views = views.into_iter().flat_map(|view| single_steps(view, data)).collect();
    }
    let at_once = first.first().map(|s| s.1).filter(|time| data.iter().all(|d| d.time == *time));
    let (n_states, times) = match together && !views.is_empty() {
        true => (first.len(), Some(first.iter().map(|s| s.1).collect())),
        false => (1, at_once.map(|time| vec![time])),
    };
    name_apart(&mut views);
    (views, n_states, times)
}

/// One array for each step of a view.
fn single_steps(view: View, data: &[DataSection]) -> Vec<View> {
    if view.steps.len() == 1 {
        return vec![view];
    }
    let named = |i: usize| View {
        name: format!("{}_{}", view.name, data.get(i).map_or(0, |d| d.step)),
        location: view.location,
        steps: vec![i],
    };
    view.steps.iter().map(|&i| named(i)).collect()
}

/// Arrays on cells that have the name of one on points get `_cells` behind it.
fn name_apart(views: &mut [View]) {
    let on_points: Vec<String> =
        views.iter().filter(|v| v.location == Location::Point).map(|v| v.name.clone()).collect();
    for view in views.iter_mut().filter(|v| v.location == Location::Cell) {
        if on_points.contains(&view.name) {
            view.name.push_str("_cells");
        }
    }
}
