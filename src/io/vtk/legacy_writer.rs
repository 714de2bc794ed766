//! Legacy VTK files (.vtk): an unstructured grid, version 4.2, binary, which every reader of the format knows.

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, write_error};
use crate::io::mesh_file::{MeshArray, Number, carrier, check_length, restricted};
use crate::mesh::{CellBlock, CellType, Mesh};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes a mesh with arrays on points and cells, and field data (arrays that belong to no entity).
///
/// Points are padded with zeros to three coordinates; arrays keep their components, under FIELD. Integers have 32 bits where all of
/// an array fit. Where an array on cells covers those of the highest dimension only, the file holds these cells only.
///
/// Errors: K015 for a mesh with numbers out of range, K009 for one that numbers of 32 bits cannot count, K100 where lengths do not fit
/// or an integer array has fractions, K001 where the folder is missing, K103 where the file cannot be written (an old file is
/// untouched). Not collective.
///
/// Reference: VTK File Formats, "Simple Legacy Formats", <https://docs.vtk.org/en/latest/vtk_file_formats/vtk_legacy_file_format.html>.
pub fn write_vtk(path: &Path, mesh: &Mesh, arrays: &[MeshArray<'_>], field_data: &[(String, Vec<f64>)]) -> Result<()> {
    mesh.check_structure(path)?;
    arrays.iter().try_for_each(|a| check_length(mesh, a))?;
    let carrier = carrier(mesh, arrays);
    let n_entries: usize = carrier.cells.iter().map(|b| b.connectivity.len() + b.n_cells()).sum();
    if let Some(n) = [carrier.n_points(), n_entries].into_iter().find(|n| *n > i32::MAX as usize) {
        let (expected, mend) = (format!("{} points and entries of cells at most", i32::MAX), "write a .vtu file");
        return Err(Error::input("K009", path, "mesh", n.to_string(), expected, mend));
    }
    let target = AtomicFile::create(path)?;
    let mut to = BufWriter::with_capacity(1 << 18, target.file());
    let written = write(&mut to, mesh, &carrier, arrays, field_data).and_then(|()| to.flush());
    written.map_err(|e| write_error(path, e))?;
    drop(to);
    target.commit()
}

fn write(
    to: &mut impl Write,
    mesh: &Mesh,
    carrier: &Mesh,
    arrays: &[MeshArray<'_>],
    field_data: &[(String, Vec<f64>)],
) -> io::Result<()> {
    to.write_all(b"# vtk DataFile Version 4.2\nwritten by kolmo\nBINARY\nDATASET UNSTRUCTURED_GRID\n")?;
    let told = field_data.iter().map(|(name, values)| (name.as_str(), 1, Number::Float64, values.as_slice()));
    let free = arrays.iter().filter(|a| a.location == Location::Free);
    fields(to, &told.chain(free.map(|a| (a.name, a.n_components, a.number, a.values))).collect::<Vec<_>>())?;
    let n_points = carrier.n_points();
    writeln!(to, "POINTS {n_points} double")?;
    for i in 0..n_points {
        carrier.point(i).iter().try_for_each(|x| to.write_all(&x.to_be_bytes()))?;
    }
    let n_cells = carrier.n_cells();
    let n_entries: usize = carrier.cells.iter().map(|b| b.connectivity.len() + b.n_cells()).sum();
    writeln!(to, "\nCELLS {n_cells} {n_entries}")?;
    for cell in carrier.cells.iter().flat_map(CellBlock::iter) {
        let numbers = std::iter::once(cell.len() as i32).chain(cell.iter().map(|&p| p as i32));
        numbers.into_iter().try_for_each(|n| to.write_all(&n.to_be_bytes()))?;
    }
    writeln!(to, "\nCELL_TYPES {n_cells}")?;
    let types = carrier.cells.iter().flat_map(|b| std::iter::repeat_n(b.cell_type, b.n_cells()));
    types.map(CellType::vtk_code).try_for_each(|code| to.write_all(&i32::from(code).to_be_bytes()))?;
    to.write_all(b"\n")?;
    for (location, word, n) in [(Location::Point, "POINT_DATA", n_points), (Location::Cell, "CELL_DATA", n_cells)] {
        let own: Vec<&MeshArray<'_>> = arrays.iter().filter(|a| a.location == location).collect();
        if own.is_empty() {
            continue;
        }
        writeln!(to, "{word} {n}")?;
        let values: Vec<_> = own.iter().map(|a| restricted(mesh, carrier, a)).collect();
        let rows = own.iter().zip(&values).map(|(a, values)| (a.name, a.n_components, a.number, &values[..]));
        fields(to, &rows.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Arrays with their names, components and kinds.
fn fields(to: &mut impl Write, arrays: &[(&str, usize, Number, &[f64])]) -> io::Result<()> {
    if arrays.is_empty() {
        return Ok(());
    }
    writeln!(to, "FIELD FieldData {}", arrays.len())?;
    for &(name, n_components, number, values) in arrays {
        let narrow = values.iter().all(|v| v.abs() <= f64::from(i32::MAX));
        let kind = match number {
            Number::Float32 => "float",
            Number::Float64 => "double",
            Number::Integer if narrow => "int",
            Number::Integer => "vtktypeint64",
        };
        writeln!(to, "{} {n_components} {} {kind}", encoded(name), values.len() / n_components.max(1))?;
        for &v in values {
            match kind {
                "float" => to.write_all(&(v as f32).to_be_bytes())?,
                "double" => to.write_all(&v.to_be_bytes())?,
                "int" => to.write_all(&(v as i32).to_be_bytes())?,
                _ => to.write_all(&(v as i64).to_be_bytes())?,
            }
        }
        to.write_all(b"\n")?;
    }
    Ok(())
}

/// A name as one word: what is no letter, digit or mark of ASCII by its number (`%20` for a blank).
fn encoded(name: &str) -> String {
    let byte = |b: u8| match b {
        b'%' | b'"' => format!("%{b:02X}"),
        b'!'..=b'~' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    if name.is_empty() { "array".into() } else { name.bytes().map(byte).collect() }
}
