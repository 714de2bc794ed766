//! Zones of a CGNS file: points, cells, and what their solutions hold.

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::cgns::elements::{Cells, cells};
use crate::io::cgns::tree::{Node, trimmed};
use crate::io::mesh_file::{Number, damaged};
use crate::mesh::{CellBlock, CellType};
use std::path::Path;

/// An array of a zone: the names of its solution (or boundary condition) and of itself.
#[derive(Debug, Clone)]
pub(crate) struct ZoneArray {
    /// Its name in kolmo.
    pub name: String,
    pub location: Location,
    pub number: Number,
    pub source: Source,
}

#[derive(Debug, Clone)]
pub(crate) enum Source {
    Solution(String, String),
    Boundary(String),
}

impl ZoneArray {
    pub fn is_boundary(&self) -> bool {
        matches!(self.source, Source::Boundary(_))
    }
}

/// What is held of a zone.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    pub name: String,
    /// Points along each axis of a structured zone.
    axes: Option<Vec<usize>>,
    pub n_points: usize,
    pub n_top_cells: usize,
    /// For each cell of the highest dimension its place in the arrays of the file, where the blocks have another order.
    pub order: Option<Vec<u32>>,
    solutions: Vec<Solution>,
    boundaries: Vec<String>,
    /// Names of the solutions of each state, where the zone tells them.
    pointers: Vec<Vec<String>>,
    /// Names of the coordinates of each state, where they change.
    grids: Vec<String>,
    /// Arrays on faces and edges.
    pub left_out: Vec<String>,
}

#[derive(Debug, Clone)]
struct Solution {
    name: String,
    location: Location,
    arrays: Vec<(String, Number)>,
}

impl Zone {
    /// Errors: K003, K005, K018.
    pub fn of(path: &Path, node: &Node) -> Result<Zone> {
        let sizes = node.integers(path)?;
        let kind = node.named(path, "ZoneType")?.map(|n| n.text(path)).transpose()?;
        let axes = match kind.as_deref() {
            Some("Structured") => Some(sizes.get(..sizes.len() / 3).unwrap_or_default()),
            Some("Unstructured") => None,
            other => {
                let (found, mend) = (format!("ZoneType {other:?}"), "write an unstructured zone");
                return Err(Error::input("K018", path, &node.place, found, "Unstructured or Structured", mend));
            }
        };
        let lengths = axes.unwrap_or(sizes.get(..1).unwrap_or_default());
        let lengths: Option<Vec<usize>> = lengths.iter().map(|&n| usize::try_from(n).ok().filter(|&n| n > 0)).collect();
        let n_points = lengths.as_ref().and_then(|l| l.iter().try_fold(1usize, |n, &m| n.checked_mul(m)));
        let (Some(lengths), Some(n_points @ 1..=MAX_POINTS)) =
            (lengths.filter(|l| (1..=3).contains(&l.len())), n_points)
        else {
            return Err(node.wrong_shape(path, format!("{sizes:?}"), "numbers of points and cells".into()));
        };
        let (mut pointers, mut grids) = (Vec::new(), Vec::new());
        for iterative in node.labelled(path, "ZoneIterativeData_t")? {
            for list in iterative.children(path)?.into_iter().filter(|n| n.kind == "C1") {
                let (characters, width) = (list.characters(path)?, list.width().max(1));
                let names: Vec<String> = characters.chunks(width).map(trimmed).collect();
                if list.name.ends_with("SolutionPointers") {
                    pointers.resize(names.len().max(pointers.len()), Vec::new());
                    pointers.iter_mut().zip(names).for_each(|(state, name)| state.push(name));
                } else if list.name == "GridCoordinatesPointers" {
                    grids = names;
                }
            }
        }
        let mut zone = Zone {
            name: node.name.clone(),
            axes: axes.is_some().then_some(lengths),
            n_points,
            n_top_cells: 0,
            order: None,
            solutions: Vec::new(),
            boundaries: Vec::new(),
            pointers,
            grids,
            left_out: Vec::new(),
        };
        for solution in node.labelled(path, "FlowSolution_t")? {
            match Solution::of(path, &solution)? {
                Some(solution) => zone.solutions.push(solution),
                None => {
                    let place = solution.named(path, "GridLocation")?.map(|n| n.text(path)).transpose()?;
                    let place = place.unwrap_or_default();
                    let arrays = solution.labelled(path, "DataArray_t")?;
                    zone.left_out.extend(arrays.iter().map(|a| format!("array {} on {place}", a.name)));
                }
            }
        }
        for conditions in node.labelled(path, "ZoneBC_t")?.iter().filter(|_| zone.axes.is_none()) {
            for condition in conditions.labelled(path, "BC_t")? {
                if location(path, &condition)? == Some(Location::Point) && condition.named(path, "PointList")?.is_some()
                {
                    zone.boundaries.push(condition.name);
                }
            }
        }
        Ok(zone)
    }

    /// Number of states that the zone tells; `None` where it has one.
    pub fn n_states(&self) -> Option<usize> {
        let n = self.pointers.len().max(self.grids.len());
        (n > 0).then_some(n)
    }

    /// Whether all states have the same points.
    pub fn is_fixed(&self) -> bool {
        self.grids.windows(2).all(|w| w[0] == w[1])
    }

    /// Coordinates of a state: [n_points] for each of the first axes. Errors: K003, K005, K018 where they are not Cartesian.
    pub fn points(&self, path: &Path, node: &Node, state: usize) -> Result<Vec<Vec<f64>>> {
        let grids = node.labelled(path, "GridCoordinates_t")?;
        let name = self.grids.get(state).map_or("GridCoordinates", String::as_str);
        let Some(grid) = grids.iter().find(|g| g.name == name).or(grids.first()) else {
            return Err(damaged(path, &node.place, "no GridCoordinates_t", "coordinates of the points"));
        };
        let mut axes = Vec::new();
        for name in ["CoordinateX", "CoordinateY", "CoordinateZ"] {
            let Some(axis) = grid.named(path, name)? else { break };
            self.check_length(path, &axis, self.n_points, "points")?;
            axes.push(axis.reals(path)?);
        }
        if axes.is_empty() {
            let names: Vec<String> = grid.children(path)?.into_iter().map(|n| n.name).collect();
            let mend = "write Cartesian coordinates";
            return Err(Error::input("K018", path, &grid.place, format!("{names:?}"), "CoordinateX, Y and Z", mend));
        }
        Ok(axes)
    }

    /// Cells of a zone of a base of `dimension`.
    pub fn cells(&self, path: &Path, node: &Node, dimension: i64) -> Result<Cells> {
        match &self.axes {
            Some(axes) => Ok(structured(axes)),
            None => cells(path, node, self.n_points, dimension),
        }
    }

    /// The arrays of a state: those of solutions that it names, and of those that no state names.
    pub fn arrays(&self, state: usize) -> Vec<ZoneArray> {
        let named = |name: &String| self.pointers.iter().any(|names| names.contains(name));
        let is_now = |name: &String| self.pointers.get(state).is_some_and(|names| names.contains(name));
        let mut arrays: Vec<ZoneArray> = Vec::new();
        let mut push = |name: &str, location: Location, number: Number, source: Source, apart: &str| {
            let taken = arrays.iter().any(|a| a.name == name && a.location == location);
            let name = if taken { format!("{name}_{apart}") } else { name.to_string() };
            arrays.push(ZoneArray { name, location, number, source });
        };
        for solution in self.solutions.iter().filter(|s| is_now(&s.name) || !named(&s.name)) {
            for (name, number) in &solution.arrays {
                let source = Source::Solution(solution.name.clone(), name.clone());
                push(name, solution.location, *number, source, &solution.name);
            }
        }
        for name in &self.boundaries {
            push(name, Location::Point, Number::Integer, Source::Boundary(name.clone()), "BC");
        }
        arrays
    }

    /// The values of an array, points or cells in the order of the mesh. Errors: K003, K005.
    pub fn read(&self, path: &Path, node: &Node, array: &ZoneArray) -> Result<Vec<f64>> {
        match &array.source {
            Source::Solution(solution, name) => {
                let data = node.required(path, solution)?.required(path, name)?;
                let on_points = array.location == Location::Point;
                let (n, what) = if on_points {
                    (self.n_points, "points")
                } else {
                    (self.n_top_cells, "cells of the highest dimension")
                };
                self.check_length(path, &data, n, what)?;
                let values = data.reals(path)?;
                Ok(match &self.order {
                    Some(order) if !on_points => {
                        order.iter().filter_map(|&i| values.get(i as usize).copied()).collect()
                    }
                    _ => values,
                })
            }
            Source::Boundary(name) => {
                let mut values = vec![0.0; self.n_points];
                for conditions in node.labelled(path, "ZoneBC_t")? {
                    let Some(condition) = conditions.named(path, name)? else { continue };
                    let list = condition.required(path, "PointList")?;
                    for point in list.integers(path)? {
                        let i = usize::try_from(point).ok().and_then(|p| p.checked_sub(1));
                        let Some(value) = i.and_then(|i| values.get_mut(i)) else {
                            let expected = format!("points from 1 to {}", self.n_points);
                            let mend = "mend the list of the boundary condition";
                            return Err(Error::input(
                                "K015",
                                path,
                                &list.place,
                                format!("point {point}"),
                                expected,
                                mend,
                            ));
                        };
                        *value = 1.0;
                    }
                }
                Ok(values)
            }
        }
    }

    fn check_length(&self, path: &Path, data: &Node, n: usize, what: &str) -> Result<()> {
        match data.n_values() {
            found if found == n => Ok(()),
            found => {
                Err(data.wrong_shape(path, format!("{found} values"), format!("{n}, the {what} of zone {}", self.name)))
            }
        }
    }
}

/// Numbers of points are of 32 bits.
const MAX_POINTS: usize = u32::MAX as usize;

impl Solution {
    /// `None` for values on faces or edges.
    fn of(path: &Path, node: &Node) -> Result<Option<Solution>> {
        let Some(location) = location(path, node)? else { return Ok(None) };
        let arrays = node.labelled(path, "DataArray_t")?.into_iter().filter(Node::is_number);
        let arrays = arrays.map(|a| {
            let number = match a.kind.as_str() {
                "R4" => Number::Float32,
                "R8" => Number::Float64,
                _ => Number::Integer,
            };
            (a.name, number)
        });
        Ok(Some(Solution { name: node.name.clone(), location, arrays: arrays.collect() }))
    }
}

/// Where the values of a node live; `None` for faces and edges.
fn location(path: &Path, node: &Node) -> Result<Option<Location>> {
    let text = node.named(path, "GridLocation")?.map(|n| n.text(path)).transpose()?;
    Ok(match text.as_deref() {
        None | Some("Vertex") => Some(Location::Point),
        Some("CellCenter") => Some(Location::Cell),
        Some(_) => None,
    })
}

/// Lines, quads or hexahedra between the points of a structured zone, whose first axis is the fastest.
fn structured(axes: &[usize]) -> Cells {
    let n = |axis: usize| axes.get(axis).copied().unwrap_or(1);
    let cells = |axis: usize| if axis < axes.len() { n(axis).saturating_sub(1) } else { 1 };
    let (cell_type, corners): (CellType, &[[usize; 3]]) = match axes.len() {
        1 => (CellType::Line, &CORNERS[..2]),
        2 => (CellType::Quad, &CORNERS[..4]),
        _ => (CellType::Hexahedron, &CORNERS),
    };
    let mut nodes = Vec::new();
    for k in 0..cells(2) {
        for j in 0..cells(1) {
            for i in 0..cells(0) {
                nodes.extend(corners.iter().map(|c| ((i + c[0]) + n(0) * ((j + c[1]) + n(1) * (k + c[2]))) as u32));
            }
        }
    }
    let block = CellBlock::new(cell_type, nodes);
    let numbers = (0..block.n_cells() as u32).collect();
    Cells { blocks: vec![block], numbers }
}

/// Corners of a hexahedron; its first two and four are those of a line and a quad.
const CORNERS: [[usize; 3]; 8] =
    [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]];
