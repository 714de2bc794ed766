//! Reads VTK XML unstructured grids (.vtu): all encodings but lzma, all number types, several pieces.

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::mesh_file::TIME;
use crate::io::mesh_file::{ArrayInfo, Bytes, MeshFile, check_state};
use crate::io::vtk::cells::append_cells;
use crate::io::vtk::data::Decoder;
use crate::io::vtk::head::{DataArray, Head, Piece, read_head};
use crate::mesh::Mesh;
use std::collections::HashSet;
use std::path::Path;

/// A .vtu file; pieces are joined, one behind the other. Field data `TimeValue` or `TIME` of one value are its time. Components that kolmo has padded with zeros are dropped again.
#[derive(Debug)]
pub struct VtuFile {
    bytes: Bytes,
    head: Head,
    arrays: Vec<Listed>,
    /// Of the one state, where the field data tell it.
    time: Option<f64>,
}

/// An array, and its place in the list of each piece; `None` in a piece without entities.
#[derive(Debug)]
struct Listed {
    info: ArrayInfo,
    parts: Vec<Option<usize>>,
}

impl VtuFile {
    /// Reads the head: of a file with appended data what stands before these, else the whole file, once.
    ///
    /// Errors: K001, K002 another format, K003 cut or damaged, K005 pieces with other arrays, K006 a number type, K018 lzma and
    /// other variants.
    pub fn open(path: impl AsRef<Path>) -> Result<VtuFile> {
        let bytes = Bytes::of(path.as_ref())?;
        let head = read_head(&bytes)?;
        let mut file = VtuFile { bytes, head, arrays: Vec::new(), time: None };
        let mut arrays = file.list(Location::Point)?;
        let on_points: HashSet<String> = arrays.iter().map(|a| a.info.field.name.clone()).collect();
        let on_cells = file.list(Location::Cell)?;
        let mut taken: HashSet<String> = on_cells.iter().map(|a| a.info.field.name.clone()).collect();
        for mut listed in on_cells {
            let name = &mut listed.info.field.name;
            if on_points.contains(name) {
                while on_points.contains(name) || taken.contains(name) {
                    name.push_str("_cells");
                }
                taken.insert(name.clone());
            }
            arrays.push(listed);
        }
        file.arrays = arrays;
        if let Some(array) = file.head.field_data.iter().find(|a| a.name == TIME && a.n_tuples.is_none_or(|n| n == 1)) {
            let values: Vec<f64> =
                file.decoder().read(array, array.n_tuples.map(|n| n.saturating_mul(array.n_components)))?;
            file.time =
                Some(values).filter(|v| v.len() == 1).and_then(|v| v.first().copied()).filter(|t| t.is_finite());
        }
        Ok(file)
    }

    fn list(&self, location: Location) -> Result<Vec<Listed>> {
        let n_entities = self.head.pieces.iter().map(|p| entities(p, location)).fold(0, usize::saturating_add);
        let model = self.head.pieces.iter().find(|p| entities(p, location) > 0).or(self.head.pieces.first());
        let (mut found, mut names) = (Vec::new(), HashSet::new());
        for (i, array) in model.map_or(&[][..], |p| of(p, location)).iter().enumerate() {
            let name = if array.name.is_empty() { format!("array_{i}") } else { array.name.clone() };
            if !names.insert(name.clone()) {
                let (place, mend) = (format!("DataArray `{name}`"), "give each array a name of its own");
                let twice = "two arrays of this name";
                return Err(Error::input("K005", &self.bytes.path, place, twice, "each name once", mend));
            }
            let parts = (0..self.head.pieces.len()).map(|p| self.part(p, location, i, array)).collect::<Result<_>>()?;
            let info = ArrayInfo::new(&name, location, n_entities, array.n_kept, array.number.number());
            found.push(Listed { info, parts });
        }
        Ok(found)
    }

    /// Where a piece lists `array`, which is number `i` in another piece.
    fn part(&self, p: usize, location: Location, i: usize, array: &DataArray) -> Result<Option<usize>> {
        let Some(piece) = self.head.pieces.get(p).filter(|p| entities(p, location) > 0) else {
            return Ok(None);
        };
        let same =
            |a: &DataArray| a.name == array.name && (a.n_components, a.n_kept) == (array.n_components, array.n_kept);
        let arrays = of(piece, location);
        let found = if arrays.get(i).is_some_and(same) { Some(i) } else { arrays.iter().position(same) };
        found.map(Some).ok_or_else(|| {
            let place = format!("piece {p}");
            let found = format!("no array `{}` of {} components", array.name, array.n_components);
            let mend = "write all pieces with the same arrays";
            Error::input("K005", &self.bytes.path, place, found, "the arrays of the other pieces", mend)
        })
    }

    fn decoder(&self) -> Decoder<'_> {
        Decoder { bytes: &self.bytes, head: &self.head }
    }

    /// `n` rows of an array without the zeros that it was padded with.
    fn rows(&self, array: &DataArray, n: usize) -> Result<Vec<f64>> {
        let mut values: Vec<f64> = self.decoder().read(array, Some(n.saturating_mul(array.n_components)))?;
        if array.n_kept < array.n_components {
            for i in 0..n {
                let from = i * array.n_components;
                values.copy_within(from..from + array.n_kept, i * array.n_kept);
            }
            values.truncate(n * array.n_kept);
        }
        Ok(values)
    }

    fn points(&self) -> Result<(usize, Vec<f64>)> {
        let path = &self.bytes.path;
        let (mut dim, mut points) = (None, Vec::new());
        for (p, piece) in self.head.pieces.iter().enumerate().filter(|(_, p)| p.n_points > 0) {
            let array = piece.points.first().ok_or_else(|| {
                let mend = "write the file again with its points";
                Error::input("K003", path, format!("piece {p}"), "no Points", "an array of points", mend)
            })?;
            let d = *dim.get_or_insert(array.n_kept);
            if d != array.n_kept || d > 3 {
                let (found, mend) = (format!("points of {} components", array.n_kept), "write points of three");
                return Err(Error::input("K005", path, format!("piece {p}"), found, "3 components", mend));
            }
            let own = self.rows(array, piece.n_points)?;
            if points.is_empty() { points = own } else { points.extend(own) }
        }
        let dim = dim.unwrap_or(3);
        if let Some(i) = points.iter().position(|x| !x.is_finite()) {
            let place = format!("point {}, coordinate {}", i / dim, i % dim);
            return Err(Error::input("K004", path, place, "no finite number", "finite coordinates", "mend the point"));
        }
        Ok((dim, points))
    }
}

fn entities(piece: &Piece, location: Location) -> usize {
    if location == Location::Point { piece.n_points } else { piece.n_cells }
}

fn of(piece: &Piece, location: Location) -> &[DataArray] {
    if location == Location::Point { &piece.point_data } else { &piece.cell_data }
}

impl MeshFile for VtuFile {
    fn path(&self) -> &Path {
        &self.bytes.path
    }

    fn format(&self) -> &'static str {
        "VTU"
    }

    fn times(&self) -> Option<&[f64]> {
        self.time.as_slice().first().map(std::slice::from_ref)
    }

    fn mesh(&self, state: usize) -> Result<Mesh> {
        check_state(self, state)?;
        let (dim, points) = self.points()?;
        let (mut cells, mut first) = (Vec::new(), 0);
        for piece in &self.head.pieces {
            append_cells(&self.decoder(), piece, first, &mut cells)?;
            first += piece.n_points;
        }
        let mesh = Mesh { dim, points, cells };
        mesh.check_structure(&self.bytes.path)?;
        Ok(mesh)
    }

    fn encoded_mesh(&self, state: usize) -> Result<Option<Vec<u8>>> {
        check_state(self, state)?;
        let Head { big_endian, header_size, compressor, appended, .. } = &self.head;
        let base64 = appended.map(|(_, base64)| base64);
        let mut encoded = format!("{big_endian} {header_size} {compressor:?} {base64:?}").into_bytes();
        for piece in &self.head.pieces {
            encoded.extend(format!("|{} {} {}|", piece.n_points, piece.n_cells, piece.points.len()).into_bytes());
            piece.points.iter().chain(&piece.cells).try_for_each(|a| self.decoder().stored(a, &mut encoded))?;
        }
        Ok(Some(encoded))
    }

    fn arrays(&self, state: usize) -> Result<Vec<ArrayInfo>> {
        check_state(self, state)?;
        Ok(self.arrays.iter().map(|a| a.info.clone()).collect())
    }

    fn read(&self, state: usize, array: &ArrayInfo) -> Result<Vec<f64>> {
        check_state(self, state)?;
        let location = array.field.location;
        let Some(listed) = self.arrays.iter().find(|a| a.info == *array) else {
            let what = format!("array of {}", self.bytes.path.display());
            return Err(Error::argument(what, &array.field.name, "an array that the file lists"));
        };
        let mut values = Vec::new();
        for (piece, part) in self.head.pieces.iter().zip(&listed.parts) {
            if let Some(part) = part.and_then(|i| of(piece, location).get(i)) {
                let own = self.rows(part, entities(piece, location))?;
                if values.is_empty() { values = own } else { values.extend(own) }
            }
        }
        Ok(values)
    }

    fn field_data(&self, state: usize) -> Result<Vec<(String, Vec<f64>)>> {
        check_state(self, state)?;
        let read = |a: &DataArray| {
            let n = a.n_tuples.map(|n| n.saturating_mul(a.n_components));
            Ok((a.name.clone(), self.decoder().read(a, n)?))
        };
        self.head.field_data.iter().map(read).collect()
    }
}
