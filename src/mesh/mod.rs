//! Points, cells, shape functions, mass matrices.

pub mod correspondence;
pub mod mass_matrix;
#[allow(clippy::module_inception)]
pub mod mesh;
pub mod partition;
pub mod polyhedron;
pub(crate) mod runs;
pub mod shape_functions;
pub mod skin;

pub use mesh::{CellBlock, CellType, Mesh};
