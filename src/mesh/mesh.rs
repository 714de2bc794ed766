//! Points and cells: counts, checks, volumes, centres.

use super::shape_functions::ReferenceCell;
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::borrow::Cow;
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
}

/// Cells of one type: `connectivity` holds n_nodes point numbers per cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellBlock {
    pub cell_type: CellType,
    pub connectivity: Vec<u32>,
}

/// Points ([n_points, dim], row-major) and blocks of cells; cells are numbered through the blocks in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Mesh {
    pub dim: usize,
    pub points: Vec<f64>,
    pub cells: Vec<CellBlock>,
}

use CellType::*;

/// Type, name of meshio, nodes, corners, dimension, code of VTK.
const CELL_TYPES: [(CellType, &str, usize, usize, usize, u8); 17] = [
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

    /// Number of nodes.
    pub fn n_nodes(self) -> usize {
        self.row().2
    }

    /// Number of corners; they are the first nodes.
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
    /// Number of cells.
    pub fn n_cells(&self) -> usize {
        self.connectivity.len() / self.cell_type.n_nodes()
    }

    /// Nodes of each cell in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, u32> {
        self.connectivity.chunks_exact(self.cell_type.n_nodes())
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
        self.cells.iter().filter(|b| self.is_top(b)).map(CellBlock::n_cells).sum()
    }

    /// The mesh whose cells carry a cell field of `n` entities: all cells, or those of the highest dimension only (all points
    /// stay). `None` where `n` is neither number.
    pub fn with_cells(&self, n: usize) -> Option<Cow<'_, Mesh>> {
        if n == self.n_cells() {
            return Some(Cow::Borrowed(self));
        }
        let cells = || self.cells.iter().filter(|b| self.is_top(b)).cloned().collect();
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
            let reference = ReferenceCell::new(block.cell_type);
            let n_nodes = block.cell_type.n_nodes();
            let check = |nodes: &[u32]| {
                let x = self.coordinates(nodes);
                let (signed, unsigned) = reference.volumes(&x, self.dim);
                let scale = diameter(&x).powi(block.cell_type.dimension() as i32);
                // Round-off of a flat cell; NaN cannot come here.
                if unsigned <= 8.0 * f64::EPSILON * scale {
                    return Some("a volume of zero".to_string());
                }
                (signed.abs() < FOLDED * unsigned).then(|| "a cell folded over itself".to_string())
            };
            let bad = block
                .connectivity
                .par_chunks_exact(n_nodes)
                .enumerate()
                .find_map_first(|(c, nodes)| check(nodes).map(|w| (c, w)));
            if let Some((c, what)) = bad {
                let nodes = &block.connectivity[c * n_nodes..(c + 1) * n_nodes];
                let place = format!("cell {} ({}, points {nodes:?})", first + c, block.cell_type.name());
                let mend = "remove the cell, or check the order of its points (VTK order) and its cell type";
                return Err(Error::input("K015", file, place, what, "cells of positive volume", mend));
            }
            first += block.n_cells();
        }
        Ok(())
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
            let (name, n_nodes) = (block.cell_type.name(), block.cell_type.n_nodes());
            if block.connectivity.len() % n_nodes != 0 {
                let found = format!("{} point numbers", block.connectivity.len());
                let expected = format!("{n_nodes} per cell");
                return refuse(
                    format!("cells of type {name}"),
                    found,
                    &expected,
                    "write whole cells, or check the cell type",
                );
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
            if let Some(i) = block.connectivity.iter().position(|&p| p as usize >= n_points) {
                let place = format!("cell {} ({name})", first + i / n_nodes);
                let expected = format!("point numbers from 0 to {}", n_points as i64 - 1);
                return refuse(
                    place,
                    format!("point {}", block.connectivity[i]),
                    &expected,
                    "cells count points from zero",
                );
            }
            first += block.n_cells();
        }
        Ok(())
    }

    /// Length, area or volume of each cell, in its own dimension (a vertex counts 1), from the integral of the absolute value of the
    /// Jacobian: exact for straight-sided cells. Lines in 2-D and surfaces in 3-D included. Length n_cells; units of length to the
    /// power of the cell's dimension. NaN for a cell whose points are out of range.
    pub fn cell_volumes(&self) -> Vec<f64> {
        let mut volumes = Vec::with_capacity(self.n_cells());
        for block in &self.cells {
            let reference = ReferenceCell::new(block.cell_type);
            let cells = block.connectivity.par_chunks_exact(block.cell_type.n_nodes());
            volumes.par_extend(cells.map(|nodes| reference.volumes(&self.coordinates(nodes), self.dim).1));
        }
        volumes
    }

    /// Mean of the corners of each cell, [n_cells, dim], row-major.
    pub fn cell_centres(&self) -> Vec<f64> {
        let mut centres = Vec::with_capacity(self.n_cells() * self.dim);
        for block in &self.cells {
            let n = block.cell_type.n_corners();
            for nodes in block.iter() {
                let mut sum = [0.0; 3];
                for &p in &nodes[..n] {
                    let x = self.point(p as usize);
                    sum.iter_mut().zip(x).for_each(|(s, x)| *s += x);
                }
                centres.extend(sum.iter().take(self.dim).map(|s| s / n as f64));
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
