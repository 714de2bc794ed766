//! Partitioned VTK XML unstructured grids (.pvtu): the list of the pieces that ranks wrote as .vtu files.

use crate::data::Location;
use crate::error::Result;
use crate::io::atomic::{AtomicFile, write_error};
use crate::io::mesh_file::{MeshArray, Number};
use crate::io::vtk::pvtu::{BY, KOLMO};
use crate::io::vtk::vtu_writer::escape;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

/// Writes the list of `pieces`, names of .vtu files relative to the folder of `path`, without giving it its final name yet.
///
/// `arrays` are those of every piece, as [`write_vtu`](super::vtu_writer::write_vtu) was given them there; only their names, kinds and
/// numbers of components count. No cell is in two pieces: there are no ghosts. Errors: K001 where the folder is missing, K103.
pub fn write_pvtu(path: &Path, pieces: &[String], arrays: &[MeshArray<'_>]) -> Result<AtomicFile> {
    let mut text = String::from(
        "<?xml version=\"1.0\"?>\n<VTKFile type=\"PUnstructuredGrid\" version=\"1.0\" byte_order=\"LittleEndian\" \
         header_type=\"UInt64\" compressor=\"vtkZLibDataCompressor\">\n",
    );
    let _ = writeln!(text, "<PUnstructuredGrid GhostLevel=\"0\" {BY}=\"{KOLMO}\">");
    for (location, tag) in [(Location::Point, "PPointData"), (Location::Cell, "PCellData")] {
        let _ = writeln!(text, "<{tag}>");
        for a in arrays.iter().filter(|a| a.location == location) {
            let kind = match a.number {
                Number::Float32 => "Float32",
                Number::Float64 => "Float64",
                Number::Integer => "Int64",
            };
            // As in the pieces: vectors of two components are padded.
            let components = match a.n_components {
                1 => String::new(),
                2 => " NumberOfComponents=\"3\"".to_string(),
                n => format!(" NumberOfComponents=\"{n}\""),
            };
            let _ = writeln!(text, "<PDataArray type=\"{kind}\" Name=\"{}\"{components}/>", escape(a.name));
        }
        let _ = writeln!(text, "</{tag}>");
    }
    text.push_str("<PPoints>\n<PDataArray type=\"Float64\" Name=\"Points\" NumberOfComponents=\"3\"/>\n</PPoints>\n");
    for piece in pieces {
        let _ = writeln!(text, "<Piece Source=\"{}\"/>", escape(piece));
    }
    text.push_str("</PUnstructuredGrid>\n</VTKFile>\n");
    let file = AtomicFile::create(path)?;
    file.file().write_all(text.as_bytes()).map_err(|e| write_error(path, e))?;
    Ok(file)
}
