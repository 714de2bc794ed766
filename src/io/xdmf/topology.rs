//! Cells in XDMF: names and codes of cell types, and connectivity with the type before each cell.
//!
//! The nodes of quadratic cells are in the order of VTK.

use crate::error::{Error, Result};
use crate::io::hdf::wrong_shape;
use crate::io::mesh_file::damaged;
use crate::io::xdmf::items::{Item, items, not_read};
use crate::io::xdmf::light::{Light, Node};
use crate::mesh::{CellBlock, CellType};

use CellType::*;

/// Type, name and code in connectivity of mixed cells.
const TOPOLOGIES: [(CellType, &str, u32); 19] = [
    (Vertex, "Polyvertex", 1),
    (Line, "Polyline", 2),
    (Polygon, "Polygon", 3),
    (Triangle, "Triangle", 4),
    (Quad, "Quadrilateral", 5),
    (Tetra, "Tetrahedron", 6),
    (Pyramid, "Pyramid", 7),
    (Wedge, "Wedge", 8),
    (Hexahedron, "Hexahedron", 9),
    (Polyhedron, "Polyhedron", 16),
    (Line3, "Edge_3", 34),
    (Quad9, "Quadrilateral_9", 35),
    (Triangle6, "Triangle_6", 36),
    (Quad8, "Quadrilateral_8", 37),
    (Tetra10, "Tetrahedron_10", 38),
    (Pyramid13, "Pyramid_13", 39),
    (Wedge15, "Wedge_15", 40),
    (Hexahedron20, "Hexahedron_20", 48),
    (Hexahedron27, "Hexahedron_27", 50),
];

/// Name of a type, and its code in mixed cells.
pub(crate) fn name_and_code(cell_type: CellType) -> (&'static str, u32) {
    TOPOLOGIES.iter().find(|t| t.0 == cell_type).map_or(("Mixed", 0), |t| (t.1, t.2))
}

/// Whether the number of points stands behind the code of a mixed cell.
pub(crate) fn has_count(cell_type: CellType) -> bool {
    matches!(cell_type, Vertex | Line | Polygon)
}

/// From a name in any spelling: `Tri_6`, `Triangle_6`; `PolyLine`, `Edge_3`.
fn from_name(name: &str) -> Option<CellType> {
    let name = name.to_lowercase();
    let (base, order) = name.split_once('_').unwrap_or((&name, ""));
    let base = match base {
        "polyvertex" => "vertex",
        "polyline" | "edge" => "line",
        "tri" => "triangle",
        "quadrilateral" => "quad",
        "tet" | "tetrahedron" => "tetra",
        "hex" => "hexahedron",
        same => same,
    };
    CellType::from_name(&format!("{base}{order}"))
}

/// The cells of a Topology.
#[derive(Debug)]
pub(crate) struct Topology<'a> {
    light: &'a Light,
    place: &'a str,
    item: Item<'a>,
    /// `None` for mixed cells.
    cell_type: Option<CellType>,
    /// Points per cell; 0 for mixed cells.
    n_nodes: usize,
    /// Number of cells, where the file tells it.
    declared: Option<usize>,
    /// Number of the first point.
    base: u32,
}

impl<'a> Topology<'a> {
    /// Errors: K018 for a topology that is not read, and those of data items.
    pub fn new(light: &'a Light, node: Node, place: &'a str) -> Result<Topology<'a>> {
        let name = light.attribute_of(node, &["TopologyType", "Type"]).unwrap_or_default();
        let refuse = |found: String| {
            not_read(light, place, found, "Polyvertex, Polyline of 2 points, Triangle, Tetrahedron, … or Mixed cells")
        };
        let mixed = name.eq_ignore_ascii_case("mixed");
        let cell_type = from_name(&name).filter(|&t| t != Polyhedron);
        if cell_type.is_none() && !mixed {
            return Err(refuse(format!("a Topology of type {name:?}")));
        }
        if light.attribute(node, "Order").is_some() {
            return Err(refuse("a Topology with an Order of its own".into()));
        }
        let [data] = items(light, node)[..] else { return Err(refuse("a Topology without one DataItem".into())) };
        let item = Item::new(light, data, place)?;
        let number = |names: &[&str]| {
            let text = light.attribute_of(node, names)?;
            text.split_ascii_whitespace().try_fold(1usize, |n, w| n.checked_mul(w.parse().ok()?))
        };
        let per_cell = number(&["NodesPerElement"]);
        let n_nodes = match cell_type {
            None => 0,
            Some(Polygon) => {
                let width = || Some(item.dims().ok()?.get(1).copied().unwrap_or(0));
                let n = per_cell.or_else(width).filter(|&n| n >= 3);
                n.ok_or_else(|| refuse("polygons without NodesPerElement".into()))?
            }
            Some(t) => t.n_nodes(),
        };
        if cell_type.is_some() && per_cell.is_some_and(|n| n != n_nodes) {
            return Err(refuse(format!("{name} with NodesPerElement {}", per_cell.unwrap_or_default())));
        }
        let declared = number(&["NumberOfElements", "Dimensions"]);
        let base = number(&["BaseOffset"]).unwrap_or(0) as u32;
        Ok(Topology { light, place, item, cell_type, n_nodes, declared, base })
    }

    /// Number of cells. Errors: K005 where the file contradicts itself. Mixed cells are read where the file does not tell.
    pub fn n_cells(&self) -> Result<usize> {
        if self.cell_type.is_none() {
            return match self.declared {
                Some(n) => Ok(n),
                None => Ok(self.cells()?.iter().map(CellBlock::n_cells).sum()),
            };
        }
        let (n, n_nodes) = (self.item.len()?, self.n_nodes.max(1));
        let n_cells = n / n_nodes;
        if !n.is_multiple_of(n_nodes) || self.declared.is_some_and(|declared| declared != n_cells) {
            return Err(self.wrong_number(format!("{n} point numbers, {n_nodes} per cell")));
        }
        Ok(n_cells)
    }

    fn wrong_number(&self, found: String) -> Error {
        let expected = match self.declared {
            Some(n) => format!("{n} cells"),
            None => "whole cells".into(),
        };
        wrong_shape(self.light.path(), self.place, found, expected)
    }

    /// The cells, neighbours of one type in one block. Errors: K003, K005, K015 a number that is none of a point, K018.
    pub fn cells(&self) -> Result<Vec<CellBlock>> {
        let mut cells = Cells { blocks: Vec::new(), wait: Wait::Code, base: self.base };
        match self.cell_type {
            None => self.each(&mut |v| {
                cells.push(v).map_err(|found| not_read(self.light, self.place, found, "types of cells that are read"))
            })?,
            Some(cell_type) => {
                let n_cells = self.n_cells()?;
                let mut connectivity = Vec::new();
                self.each(&mut |v| {
                    connectivity.push(v.wrapping_sub(self.base));
                    Ok(())
                })?;
                cells.blocks.push(match cell_type {
                    Polygon => CellBlock::of_sizes(Polygon, connectivity, (0..n_cells).map(|_| self.n_nodes)),
                    _ => CellBlock::new(cell_type, connectivity),
                });
            }
        }
        if cells.wait != Wait::Code {
            return Err(damaged(self.light.path(), self.place, "the end of the numbers inside a cell", "whole cells"));
        }
        let n_cells: usize = cells.blocks.iter().map(CellBlock::n_cells).sum();
        if self.declared.is_some_and(|declared| declared != n_cells) {
            return Err(self.wrong_number(format!("{n_cells} cells")));
        }
        Ok(cells.blocks)
    }

    fn each(&self, take: &mut dyn FnMut(u32) -> Result<()>) -> Result<()> {
        self.item.each(&mut |piece| {
            piece.iter().try_for_each(|&v| {
                if v.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&v) {
                    return take(v as u32);
                }
                let mend = "cells count points from zero";
                Err(Error::input(
                    "K015",
                    self.light.path(),
                    self.place,
                    format!("point {v}"),
                    "numbers of points",
                    mend,
                ))
            })
        })
    }
}

/// What the next number of mixed cells is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wait {
    Code,
    Count(CellType),
    Points(usize),
    /// Number of faces, then for each its number of points and these.
    Faces,
    Face(u32),
    FacePoints(u32, u32),
}

struct Cells {
    blocks: Vec<CellBlock>,
    wait: Wait,
    base: u32,
}

impl Cells {
    /// Takes the next number; says what was found where that is not read.
    fn push(&mut self, v: u32) -> std::result::Result<(), String> {
        let point = v.wrapping_sub(self.base);
        self.wait = match self.wait {
            Wait::Code => {
                let found = TOPOLOGIES.iter().find(|t| t.2 == v);
                let cell_type = found.map(|t| t.0).ok_or_else(|| format!("a cell of the type {v}"))?;
                if self.blocks.last().is_none_or(|b| b.cell_type != cell_type) {
                    self.blocks.push(CellBlock::new(cell_type, Vec::new()));
                }
                match cell_type {
                    Polyhedron => Wait::Faces,
                    _ if has_count(cell_type) => Wait::Count(cell_type),
                    _ => Wait::Points(cell_type.n_nodes()),
                }
            }
            Wait::Count(cell_type) => {
                let fits = if cell_type == Polygon { v >= 3 } else { v as usize == cell_type.n_nodes() };
                if !fits {
                    return Err(format!("a cell {} of {v} points", name_and_code(cell_type).0));
                }
                Wait::Points(v as usize)
            }
            Wait::Points(left) => {
                self.entry(point);
                if left > 1 { Wait::Points(left - 1) } else { self.end_of_cell() }
            }
            Wait::Faces => {
                self.entry(v);
                if v == 0 { self.end_of_cell() } else { Wait::Face(v) }
            }
            Wait::Face(left) => {
                self.entry(v);
                if v > 0 { Wait::FacePoints(left, v) } else { self.end_of_face(left) }
            }
            Wait::FacePoints(faces, left) => {
                self.entry(point);
                if left > 1 { Wait::FacePoints(faces, left - 1) } else { self.end_of_face(faces) }
            }
        };
        Ok(())
    }

    fn entry(&mut self, v: u32) {
        if let Some(block) = self.blocks.last_mut() {
            block.connectivity.push(v);
        }
    }

    fn end_of_face(&mut self, left: u32) -> Wait {
        if left > 1 { Wait::Face(left - 1) } else { self.end_of_cell() }
    }

    fn end_of_cell(&mut self) -> Wait {
        if let Some(block) = self.blocks.last_mut()
            && block.cell_type.is_ragged()
        {
            block.ends.push(block.connectivity.len());
        }
        Wait::Code
    }
}
