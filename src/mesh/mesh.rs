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

impl CellType {
    const ALL: [(CellType, &'static str, usize); 8] = [
        (CellType::Vertex, "vertex", 1),
        (CellType::Line, "line", 2),
        (CellType::Triangle, "triangle", 3),
        (CellType::Quad, "quad", 4),
        (CellType::Tetra, "tetra", 4),
        (CellType::Pyramid, "pyramid", 5),
        (CellType::Wedge, "wedge", 6),
        (CellType::Hexahedron, "hexahedron", 8),
    ];

    /// Name of meshio.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|t| t.0 == self).map_or("", |t| t.1)
    }

    /// From the name of meshio.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|t| t.1 == name).map(|t| t.0)
    }

    /// Nodes of a cell.
    pub fn n_nodes(self) -> usize {
        Self::ALL.iter().find(|t| t.0 == self).map_or(0, |t| t.2)
    }

    /// From the dimension of the points and the nodes per cell.
    pub fn from_dimension_and_width(dim: usize, width: usize) -> Option<Self> {
        match (dim, width) {
            (_, 2) => Some(CellType::Line),
            (2, 3) => Some(CellType::Triangle),
            (2, 4) => Some(CellType::Quad),
            (3, 4) => Some(CellType::Tetra),
            (3, 5) => Some(CellType::Pyramid),
            (3, 6) => Some(CellType::Wedge),
            (3, 8) => Some(CellType::Hexahedron),
            _ => None,
        }
    }
}

impl Mesh {
    /// Number of points.
    pub fn n_points(&self) -> usize {
        self.points.len().checked_div(self.dim).unwrap_or(0)
    }

    /// Number of cells over all blocks.
    pub fn n_cells(&self) -> usize {
        self.cells.iter().map(|b| b.connectivity.len().checked_div(b.cell_type.n_nodes()).unwrap_or(0)).sum()
    }

    /// Refuses point numbers out of range.
    pub fn validate(&self, file: &std::path::Path) -> crate::error::Result<()> {
        let n = self.n_points();
        for block in &self.cells {
            if let Some(i) = block.connectivity.iter().position(|&p| p as usize >= n) {
                let place = format!("cell {} of type {}", i / block.cell_type.n_nodes().max(1), block.cell_type.name());
                let found = format!("point {}", block.connectivity[i]);
                let expected = format!("point numbers below {n}");
                return Err(crate::Error::input("K015", file, place, found, expected, "number points from zero"));
            }
        }
        Ok(())
    }
}
