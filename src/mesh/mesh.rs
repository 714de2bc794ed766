//! Points and cells.

use crate::error::{Error, Result};

/// Cell types, with the names of meshio.
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
}
