//! Points and cells.

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
