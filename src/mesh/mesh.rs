//! Points and cells: counts, checks, volumes, centres.

use super::polyhedron;
use super::shape_functions::ReferenceCell;
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

/// Cell types, with the names of meshio and the node order of VTK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CellType {
    Vertex,
    Line,
    Triangle,
    Quad,
    Tetra,
    Pyramid,
    Wedge,
    Hexahedron,
    Line3,
    Triangle6,
    Quad8,
    Quad9,
    Tetra10,
    Pyramid13,
    Wedge15,
    Hexahedron20,
    Hexahedron27,
    /// Any number of corners, in the order of the ring.
    Polygon,
    /// Any number of faces, as in [`super::polyhedron`].
    Polyhedron,
}

/// Cells of one type: `connectivity` holds n_nodes point numbers per cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellBlock {
    pub cell_type: CellType,
    pub connectivity: Vec<u32>,
    /// Polygons and polyhedra: where each cell ends in `connectivity`. Empty for all other types.
    pub ends: Vec<usize>,
}

/// Points ([n_points, dim], row-major) and blocks of cells; cells are numbered through the blocks in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Mesh {
    pub dim: usize,
    pub points: Vec<f64>,
    pub cells: Vec<CellBlock>,
}

use CellType::*;

/// Type, name of meshio, nodes, corners (0 where each cell has its own number), dimension, code of VTK.
const CELL_TYPES: [(CellType, &str, usize, usize, usize, u8); 19] = [
    (Vertex, "vertex", 1, 1, 0, 1),
    (Line, "line", 2, 2, 1, 3),
    (Triangle, "triangle", 3, 3, 2, 5),
    (Quad, "quad", 4, 4, 2, 9),
    (Tetra, "tetra", 4, 4, 3, 10),
    (Pyramid, "pyramid", 5, 5, 3, 14),
    (Wedge, "wedge", 6, 6, 3, 13),
    (Hexahedron, "hexahedron", 8, 8, 3, 12),
    (Line3, "line3", 3, 2, 1, 21),
    (Triangle6, "triangle6", 6, 3, 2, 22),
    (Quad8, "quad8", 8, 4, 2, 23),
    (Quad9, "quad9", 9, 4, 2, 28),
    (Tetra10, "tetra10", 10, 4, 3, 24),
    (Pyramid13, "pyramid13", 13, 5, 3, 27),
    (Wedge15, "wedge15", 15, 6, 3, 26),
    (Hexahedron20, "hexahedron20", 20, 8, 3, 25),
    (Hexahedron27, "hexahedron27", 27, 8, 3, 29),
    (Polygon, "polygon", 0, 0, 2, 7),
    (Polyhedron, "polyhedron", 0, 0, 3, 42),
];

/// A cell whose signed volume is less than this share of its unsigned volume is folded: its nodes are in a wrong order.
const FOLDED: f64 = 0.5;

impl CellType {
    fn row(self) -> &'static (CellType, &'static str, usize, usize, usize, u8) {
        // The table is in the order of the enum (tested).
        &CELL_TYPES[self as usize]
    }

    /// All types.
    pub fn all() -> impl Iterator<Item = CellType> {
        CELL_TYPES.iter().map(|r| r.0)
    }

    /// Name in files, that of meshio.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// From the name of meshio.
    pub fn from_name(name: &str) -> Option<Self> {
        CELL_TYPES.iter().find(|r| r.1 == name).map(|r| r.0)
    }

    /// Number of nodes; 0 for polygons and polyhedra, of which each has its own.
    pub fn n_nodes(self) -> usize {
        self.row().2
    }

    /// Whether each cell has its own number of nodes.
    pub fn is_ragged(self) -> bool {
        self.n_nodes() == 0
    }

    /// Number of corners; they are the first nodes. 0 for polygons and polyhedra.
    pub fn n_corners(self) -> usize {
        self.row().3
    }

    /// Dimension of the cell: 1 for lines, 2 for surfaces, 3 for volumes.
    pub fn dimension(self) -> usize {
        self.row().4
    }

    /// Code in files of VTK.
    pub fn vtk_code(self) -> u8 {
        self.row().5
    }

    /// From the code of VTK.
    pub fn from_vtk_code(code: u8) -> Option<Self> {
        CELL_TYPES.iter().find(|r| r.5 == code).map(|r| r.0)
    }

    /// From the code of VTK for Lagrange cells of any order (68 to 73) and the number of nodes, where these are in the order of
    /// our types: not for hexahedra of order 2, whose middle nodes stand otherwise.
    pub fn from_vtk_lagrange(code: i64, n_nodes: usize) -> Option<Self> {
        let found = match (code, n_nodes) {
            (68, 2) => Line,
            (68, 3) => Line3,
            (69, 3) => Triangle,
            (69, 6) => Triangle6,
            (70, 4) => Quad,
            (70, 9) => Quad9,
            (71, 4) => Tetra,
            (71, 10) => Tetra10,
            (72, 8) => Hexahedron,
            (73, 6) => Wedge,
            _ => return None,
        };
        Some(found)
    }

    /// Type told by the dimension of the points and the number of nodes, for files that do not name it: in 2-D 2 line, 3 triangle,
    /// 4 quad, 6, 8 and 9 their quadratic kin; in 3-D 4 tetra, 5 pyramid, 6 wedge, 8 hexahedron, 10, 13, 15, 20 and 27 their
    /// quadratic kin, 2 line and 3 triangle; in 1-D 2 line and 3 line3.
    pub fn from_dimension_and_width(dim: usize, width: usize) -> Option<Self> {
        let found = match (dim, width) {
            (1..=3, 1) => Vertex,
            (1..=3, 2) => Line,
            (1, 3) => Line3,
            (2 | 3, 3) => Triangle,
            (2, 4) => Quad,
            (2, 6) => Triangle6,
            (2, 8) => Quad8,
            (2, 9) => Quad9,
            (3, 4) => Tetra,
            (3, 5) => Pyramid,
            (3, 6) => Wedge,
            (3, 8) => Hexahedron,
            (3, 10) => Tetra10,
            (3, 13) => Pyramid13,
            (3, 15) => Wedge15,
            (3, 20) => Hexahedron20,
            (3, 27) => Hexahedron27,
            _ => return None,
        };
        Some(found)
    }
}

impl CellBlock {
    /// Cells of a type with a fixed number of nodes.
    pub fn new(cell_type: CellType, connectivity: Vec<u32>) -> Self {
        CellBlock { cell_type, connectivity, ends: Vec::new() }
    }

    /// Polygons (rings of points) or polyhedra (streams of faces); cell i ends before `connectivity[ends[i]]`.
    pub fn ragged(cell_type: CellType, connectivity: Vec<u32>, ends: Vec<usize>) -> Self {
        CellBlock { cell_type, connectivity, ends }
    }

    /// Some of the cells; `None` where they are not there.
    pub fn part(&self, cells: Range<usize>) -> Option<CellBlock> {
        if !self.cell_type.is_ragged() {
            let n = self.cell_type.n_nodes();
            let nodes = self.connectivity.get(cells.start.checked_mul(n)?..cells.end.checked_mul(n)?)?;
            return Some(CellBlock::new(self.cell_type, nodes.to_vec()));
        }
        let start = if cells.start == 0 { 0 } else { *self.ends.get(cells.start - 1)? };
        let ends: Vec<usize> = self.ends.get(cells)?.iter().map(|end| end.saturating_sub(start)).collect();
        let entries = self.connectivity.get(start..start + ends.last().copied().unwrap_or(0))?;
        Some(CellBlock::ragged(self.cell_type, entries.to_vec(), ends))
    }

    /// Polygons or polyhedra by the number of entries of each.
    pub fn of_sizes(cell_type: CellType, connectivity: Vec<u32>, sizes: impl IntoIterator<Item = usize>) -> Self {
        let ends = sizes.into_iter().scan(0usize, |end, n| {
            *end = end.saturating_add(n);
            Some(*end)
        });
        CellBlock { cell_type, ends: ends.collect(), connectivity }
    }

    /// Number of cells.
    pub fn n_cells(&self) -> usize {
        match self.cell_type.n_nodes() {
            0 => self.ends.len(),
            n => self.connectivity.len() / n,
        }
    }

    /// Nodes of a cell in order; of a polyhedron its stream of faces. Empty for a cell that is not there.
    pub fn cell(&self, i: usize) -> &[u32] {
        let range = match self.cell_type.n_nodes() {
            0 if i == 0 => 0..self.ends.first().copied().unwrap_or(0),
            0 => self.ends.get(i - 1).copied().unwrap_or(0)..self.ends.get(i).copied().unwrap_or(0),
            n => i * n..(i + 1) * n,
        };
        self.connectivity.get(range).unwrap_or_default()
    }

    /// The cells in order, each as [`cell`](Self::cell).
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        (0..self.n_cells()).map(|i| self.cell(i))
    }

    /// What does not fit in the numbers of entries: found and expected.
    fn misfit(&self) -> Option<(String, String)> {
        let (n, n_nodes) = (self.connectivity.len(), self.cell_type.n_nodes());
        if n_nodes > 0 {
            let whole = n.is_multiple_of(n_nodes) && self.ends.is_empty();
            return (!whole).then(|| (format!("{n} point numbers"), format!("{n_nodes} per cell")));
        }
        if self.ends.last().copied().unwrap_or(0) != n || !self.ends.is_sorted() {
            return Some((
                format!("{n} entries for {} cells", self.ends.len()),
                "cells that end one after the other".into(),
            ));
        }
        let whole = |c: &[u32]| if self.cell_type == Polygon { c.len() >= 3 } else { polyhedron::faces(c).is_some() };
        let bad = self.iter().position(|cell| !whole(cell))?;
        let expected = "3 points per polygon or more; polyhedra of 4 faces or more, each with its count and its points";
        Some((format!("cell {bad} with the entries {:?}", self.cell(bad)), expected.into()))
    }

    /// Points of a cell: its nodes, of a polyhedron each of its corners once.
    pub fn points(&self, i: usize) -> Cow<'_, [u32]> {
        match self.cell_type {
            Polyhedron => Cow::Owned(polyhedron::points_of(self.cell(i))),
            _ => Cow::Borrowed(self.cell(i)),
        }
    }

    /// Corners of a cell.
    pub fn corners(&self, i: usize) -> Cow<'_, [u32]> {
        match (self.points(i), self.cell_type.n_corners()) {
            (Cow::Borrowed(nodes), n) if n > 0 => Cow::Borrowed(nodes.get(..n).unwrap_or_default()),
            (points, _) => points,
        }
    }
}

impl Mesh {
    /// Number of points.
    pub fn n_points(&self) -> usize {
        self.points.len() / self.dim.max(1)
    }

    /// Number of cells of all blocks.
    pub fn n_cells(&self) -> usize {
        self.cells.iter().map(CellBlock::n_cells).sum()
    }

    /// Highest dimension of a cell; integrals over the mesh take cells of this dimension only. `None` without cells.
    pub fn top_dimension(&self) -> Option<usize> {
        self.cells.iter().filter(|b| b.n_cells() > 0).map(|b| b.cell_type.dimension()).max()
    }

    /// Whether the cells of a block are of the highest dimension.
    pub fn is_top(&self, block: &CellBlock) -> bool {
        Some(block.cell_type.dimension()) == self.top_dimension()
    }

    /// Number of cells of the highest dimension: without boundary cells.
    pub fn n_top_cells(&self) -> usize {
        self.top_blocks().map(CellBlock::n_cells).sum()
    }

    /// The blocks of the cells of the highest dimension. Blocks may be as many as cells: their dimension is sought once.
    pub fn top_blocks(&self) -> impl Iterator<Item = &CellBlock> {
        let top = self.top_dimension();
        self.cells.iter().filter(move |b| Some(b.cell_type.dimension()) == top)
    }

    /// The mesh whose cells carry a cell field of `n` entities: all cells, or those of the highest dimension only (all points
    /// stay). `None` where `n` is neither number.
    pub fn with_cells(&self, n: usize) -> Option<Cow<'_, Mesh>> {
        if n == self.n_cells() {
            return Some(Cow::Borrowed(self));
        }
        let cells = || self.top_blocks().cloned().collect();
        let top = || Mesh { dim: self.dim, points: self.points.clone(), cells: cells() };
        (n == self.n_top_cells()).then(|| Cow::Owned(top()))
    }

    /// Coordinates of a point, padded with zeros to three; NaN for a point that is not there.
    pub fn point(&self, i: usize) -> [f64; 3] {
        let mut x = [0.0; 3];
        match self.points.get(i * self.dim..(i + 1) * self.dim) {
            Some(p) => x.iter_mut().zip(p).for_each(|(x, p)| *x = *p),
            None => x = [f64::NAN; 3],
        }
        x
    }

    /// Checks shape, numbers and cells: dimension 1 to 3, whole rows, finite coordinates, nodes in range, no cell of more dimensions
    /// than the points, no cell of zero volume and none that is folded over itself (nodes in a wrong order). Cells may be turned
    /// either way round. A point that belongs to no cell is accepted here (see [`super::mass_matrix::mass_matrix`]).
    ///
    /// `file` appears in the message. Errors: K015, naming the point or the cell. Cost: one pass over the cells; not collective.
    pub fn validate(&self, file: &Path) -> Result<()> {
        self.check_structure(file)?;
        let mut first = 0;
        for block in &self.cells {
            let measure = self.measure(block);
            let check = |c: usize| {
                let (signed, unsigned, scale) = measure(c);
                // Round-off of a flat cell; NaN cannot come here.
                if unsigned <= 8.0 * f64::EPSILON * scale {
                    return Some("a volume of zero".to_string());
                }
                (signed.abs() < FOLDED * unsigned).then(|| "a cell folded over itself".to_string())
            };
            let bad = (0..block.n_cells()).into_par_iter().find_map_first(|c| check(c).map(|w| (c, w)));
            if let Some((c, what)) = bad {
                let nodes = block.points(c);
                let place = format!("cell {} ({}, points {nodes:?})", first + c, block.cell_type.name());
                let mend = "remove the cell, or check the order of its points (VTK order) and its cell type";
                return Err(Error::input("K015", file, place, what, "cells of positive volume", mend));
            }
            first += block.n_cells();
        }
        Ok(())
    }

    /// Signed and unsigned volume of a cell of a block, and the volume of a cube around it.
    fn measure<'a>(&'a self, block: &'a CellBlock) -> impl Fn(usize) -> (f64, f64, f64) + Sync + 'a {
        let reference = (!block.cell_type.is_ragged()).then(|| ReferenceCell::new(block.cell_type));
        move |c| {
            let x = self.coordinates(&block.points(c));
            let (signed, unsigned) = match &reference {
                Some(reference) => reference.volumes(&x, self.dim),
                None if block.cell_type == Polygon => polyhedron::polygon_areas(&x),
                None => {
                    let faces = polyhedron::faces(block.cell(c)).unwrap_or_default();
                    let faces: Vec<Vec<[f64; 3]>> = faces.into_iter().map(|f| self.coordinates(f)).collect();
                    // Faces may be turned either way: there is no sign.
                    let volume = polyhedron::polyhedron_volume(&faces);
                    (volume, volume)
                }
            };
            (signed, unsigned, diameter(&x).powi(block.cell_type.dimension() as i32))
        }
    }

    /// The part of [`validate`](Self::validate) without which other functions would read out of range.
    pub fn check_structure(&self, file: &Path) -> Result<()> {
        let refuse = |place: String, found: String, expected: &str, mend: &str| {
            Err(Error::input("K015", file, place, found, expected, mend))
        };
        if !(1..=3).contains(&self.dim) || !self.points.len().is_multiple_of(self.dim) {
            let found = format!("{} numbers in rows of {}", self.points.len(), self.dim);
            return refuse(
                "points".into(),
                found,
                "rows of 1, 2 or 3 coordinates",
                "write /mesh/points as [n_points, dim]",
            );
        }
        if let Some(i) = self.points.iter().position(|x| !x.is_finite()) {
            let place = format!("point {}, coordinate {}", i / self.dim, i % self.dim);
            return refuse(place, self.points[i].to_string(), "finite coordinates", "mend the point");
        }
        let n_points = self.n_points();
        let mut first = 0;
        for block in &self.cells {
            let name = block.cell_type.name();
            if let Some((found, expected)) = block.misfit() {
                let mend = "write whole cells, or check the cell type";
                return refuse(format!("cells of type {name}"), found, &expected, mend);
            }
            if block.cell_type.dimension() > self.dim && !block.connectivity.is_empty() {
                let found = format!("a {name} among points of dimension {}", self.dim);
                return refuse(
                    format!("cell {first}"),
                    found,
                    "cells of no more dimensions than the points",
                    "check the cell type",
                );
            }
            let beyond = |c: &usize| block.points(*c).iter().any(|&p| p as usize >= n_points);
            if let Some(c) = (0..block.n_cells()).into_par_iter().find_first(beyond) {
                let points = block.points(c);
                let point = points.iter().find(|&&p| p as usize >= n_points).copied().unwrap_or_default();
                let place = format!("cell {} ({name})", first + c);
                let expected = format!("point numbers from 0 to {}", n_points as i64 - 1);
                return refuse(place, format!("point {point}"), &expected, "cells count points from zero");
            }
            first += block.n_cells();
        }
        Ok(())
    }

    /// Length, area or volume of each cell, in its own dimension (a vertex counts 1), from the integral of the absolute value of the
    /// Jacobian: exact for straight-sided cells; polygons and polyhedra as in [`super::polyhedron`]. Lines in 2-D and surfaces in 3-D included. Length n_cells; units of length to the
    /// power of the cell's dimension. NaN for a cell whose points are out of range.
    pub fn cell_volumes(&self) -> Vec<f64> {
        let mut volumes = Vec::with_capacity(self.n_cells());
        for block in &self.cells {
            let measure = self.measure(block);
            volumes.par_extend((0..block.n_cells()).into_par_iter().map(|c| measure(c).1));
        }
        volumes
    }

    /// Mean of the corners of each cell, [n_cells, dim], row-major.
    pub fn cell_centres(&self) -> Vec<f64> {
        let mut centres = Vec::with_capacity(self.n_cells() * self.dim);
        for block in &self.cells {
            for c in 0..block.n_cells() {
                let centre = polyhedron::mean(&self.coordinates(&block.corners(c)));
                centres.extend(&centre[..self.dim.min(3)]);
            }
        }
        centres
    }

    /// Coordinates of the nodes of a cell, padded to three.
    pub fn coordinates(&self, nodes: &[u32]) -> Vec<[f64; 3]> {
        nodes.iter().map(|&p| self.point(p as usize)).collect()
    }
}

/// Longest edge of the box around the points.
fn diameter(x: &[[f64; 3]]) -> f64 {
    (0..3)
        .map(|k| {
            x.iter().map(|x| x[k]).fold(f64::NEG_INFINITY, f64::max)
                - x.iter().map(|x| x[k]).fold(f64::INFINITY, f64::min)
        })
        .fold(0.0, f64::max)
}
