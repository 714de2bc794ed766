//! Legacy VTK files (.vtk), versions 1.0 to 5.1, ASCII and binary: unstructured grids, polygons, and the three kinds of grids
//! as quads and hexahedra.
//!
//! Left out: colour scalars, lookup tables, texts, names of components. Cells are gathered by type, arrays on cells likewise.
//! Reference: VTK File Formats, "Simple Legacy Formats", <https://docs.vtk.org/en/latest/vtk_file_formats/vtk_legacy_file_format.html>.

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::mesh_file::{ArrayInfo, Bytes, MeshFile, check_state};
use crate::io::vtk::legacy_mesh;
use crate::io::vtk::legacy_scan::Layout;
use crate::mesh::Mesh;
use std::path::Path;

/// A legacy file: one state, whose time is told by the field `TimeValue` or `TIME`.
#[derive(Debug)]
pub struct LegacyVtkFile {
    bytes: Bytes,
    layout: Layout,
    times: Option<Vec<f64>>,
}

impl LegacyVtkFile {
    /// Finds the arrays of a file; keeps none of them.
    ///
    /// Errors: K001 not readable, K002 no legacy file, K003 truncated, K005 arrays of a wrong length, K006 unknown names, K018
    /// newer versions. Cost: one pass over a file of text; headers only of a binary one.
    pub fn open(path: impl AsRef<Path>) -> Result<LegacyVtkFile> {
        let bytes = Bytes::of(path.as_ref())?;
        let mut layout = Layout::of(&bytes)?;
        let on_points: Vec<String> = names(&layout, Location::Point);
        for (array, _) in layout.arrays.iter_mut().filter(|(a, _)| a.field.location == Location::Cell) {
            while on_points.contains(&array.field.name) {
                array.field.name.push_str("_cells");
            }
        }
        let time =
            layout.field_data.iter().find(|(name, s)| matches!(name.as_str(), "TimeValue" | "TIME") && s.count == 1);
        let times = time.map(|(_, section)| section.values(&bytes)).transpose()?;
        Ok(LegacyVtkFile { bytes, layout, times })
    }
}

fn names(layout: &Layout, location: Location) -> Vec<String> {
    let own = layout.arrays.iter().filter(|(a, _)| a.field.location == location);
    own.map(|(a, _)| a.field.name.clone()).collect()
}

impl MeshFile for LegacyVtkFile {
    fn path(&self) -> &Path {
        &self.bytes.path
    }

    fn format(&self) -> &'static str {
        "legacy VTK"
    }

    fn times(&self) -> Option<&[f64]> {
        self.times.as_deref()
    }

    fn mesh(&self, state: usize) -> Result<Mesh> {
        check_state(self, state)?;
        legacy_mesh::mesh(&self.bytes, &self.layout)
    }

    fn arrays(&self, state: usize) -> Result<Vec<ArrayInfo>> {
        check_state(self, state)?;
        Ok(self.layout.arrays.iter().map(|(array, _)| array.clone()).collect())
    }

    fn read(&self, state: usize, array: &ArrayInfo) -> Result<Vec<f64>> {
        check_state(self, state)?;
        let Some((_, section)) = self.layout.arrays.iter().find(|(a, _)| a == array) else {
            return Err(Error::argument(
                format!("array of {}", self.path().display()),
                &array.field.name,
                "one of its own",
            ));
        };
        let values = section.values(&self.bytes)?;
        if array.field.location != Location::Cell {
            return Ok(values);
        }
        let Some(order) = legacy_mesh::order(&self.bytes, &self.layout)? else { return Ok(values) };
        let k = array.field.n_components;
        let row = |&i: &u32| values.get(i as usize * k..(i as usize + 1) * k).unwrap_or_default();
        Ok(order.iter().flat_map(row).copied().collect())
    }

    fn field_data(&self, state: usize) -> Result<Vec<(String, Vec<f64>)>> {
        check_state(self, state)?;
        self.layout.field_data.iter().map(|(name, s)| Ok((name.clone(), s.values(&self.bytes)?))).collect()
    }
}
