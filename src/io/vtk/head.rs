//! What the head of a .vtu file tells: pieces, arrays and where their bytes are.

use crate::error::{Error, Result};
use crate::io::mesh_file::{Bytes, Number, damaged};
use crate::io::vtk::xml::{Attributes, Item, Xml, check_end};
use std::ops::Range;
use std::path::Path;

/// More entities per byte of a file than any compression packs; zlib reaches 1,032 bytes per byte.
pub(super) const MAX_RATIO: u64 = 1100;
/// More texts between comments and keys than any writer makes of one array.
const MAX_TEXTS: usize = 1000;
/// Bytes of white space before the `_` at which appended data begins.
const BEFORE_MARK: u64 = 4096;

/// Number types of VTK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberType {
    Int8,
    UInt8,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Float32,
    Float64,
}

use NumberType::*;

/// Name and bytes of each.
const NUMBER_TYPES: [(NumberType, &str, usize); 10] = [
    (Int8, "Int8", 1),
    (UInt8, "UInt8", 1),
    (Int16, "Int16", 2),
    (UInt16, "UInt16", 2),
    (Int32, "Int32", 4),
    (UInt32, "UInt32", 4),
    (Int64, "Int64", 8),
    (UInt64, "UInt64", 8),
    (Float32, "Float32", 4),
    (Float64, "Float64", 8),
];

impl NumberType {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        NUMBER_TYPES[self as usize].2
    }

    pub fn number(self) -> Number {
        match self {
            Float32 => Number::Float32,
            Float64 => Number::Float64,
            _ => Number::Integer,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compressor {
    None,
    Zlib,
    Lz4,
}

/// Where the numbers of an array are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Texts with numbers.
    Ascii(Vec<Range<u64>>),
    /// Texts in base64.
    Base64(Vec<Range<u64>>),
    /// Bytes after the mark at which appended data begins.
    Appended(u64),
}

/// A `DataArray`.
#[derive(Debug, Clone)]
pub(crate) struct DataArray {
    /// Empty where the file gives none.
    pub name: String,
    pub number: NumberType,
    /// Components in the file, and those without the zeros that kolmo has padded them with.
    pub n_components: usize,
    pub n_kept: usize,
    pub n_tuples: Option<usize>,
    pub place: Place,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Piece {
    pub n_points: usize,
    pub n_cells: usize,
    pub points: Vec<DataArray>,
    pub cells: Vec<DataArray>,
    pub point_data: Vec<DataArray>,
    pub cell_data: Vec<DataArray>,
}

#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub big_endian: bool,
    /// Bytes of a number in the headers of binary data.
    pub header_size: usize,
    pub compressor: Compressor,
    /// First byte of appended data, and whether it is base64.
    pub appended: Option<(u64, bool)>,
    /// All offsets of appended arrays, sorted: an array ends where the next begins.
    pub offsets: Vec<u64>,
    pub field_data: Vec<DataArray>,
    pub pieces: Vec<Piece>,
}

/// The head of a .vtu file; `kind` is the type of the root. Reads up to the appended data, or the whole file where there is none.
///
/// Errors: K001, K002 another format, K003 cut or damaged, K005 counts that cannot be, K006 a number type, K018 a variant that is
/// not read.
pub(crate) fn read_head(bytes: &Bytes) -> Result<Head> {
    let path = bytes.path.as_path();
    let (mut xml, root) = Xml::open(bytes, "UnstructuredGrid")?;
    let mut head = head_of(path, &root)?;
    // The element of which the arrays come next, and its depth; the array that is open, and its depth.
    let mut section: Option<(String, usize)> = None;
    let mut array: Option<(DataArray, usize)> = None;
    let mut depth = 1;
    while let Some(item) = xml.next()? {
        match item {
            Item::Start(name, attributes) => {
                depth += 1;
                match name.as_str() {
                    "UnstructuredGrid" => check_times(path, &attributes)?,
                    "Piece" => head.pieces.push(piece_of(bytes, &attributes)?),
                    "FieldData" | "Points" | "Cells" | "PointData" | "CellData" if array.is_none() => {
                        section = Some((name, depth));
                    }
                    "DataArray" | "Array" if array.is_none() => {
                        let found = array_of(path, &attributes, &mut head.offsets)?;
                        array = found.map(|a| (a, depth));
                    }
                    "AppendedData" => {
                        let base64 = match attributes.get("encoding") {
                            Some("raw") => false,
                            Some("base64") | None => true,
                            Some(other) => return Err(variant(path, format!("appended data as {other}"), "raw")),
                        };
                        head.appended = mark(bytes, xml.position())?.map(|at| (at, base64));
                        check_end(bytes)?;
                        break;
                    }
                    _ => {}
                }
            }
            Item::Text(range) => match &mut array {
                Some((DataArray { place: Place::Ascii(texts) | Place::Base64(texts), .. }, d)) if *d == depth => {
                    if texts.len() == MAX_TEXTS {
                        let found = format!("a text in more than {MAX_TEXTS} parts");
                        return Err(damaged(path, format!("byte {}", range.start), found, "numbers"));
                    }
                    texts.push(range);
                }
                _ => {}
            },
            Item::End => {
                if let Some((array, _)) = array.take_if(|(_, d)| *d == depth) {
                    let section = section.as_ref().map_or("", |(name, _)| name.as_str());
                    if let Some(arrays) = arrays_of(&mut head, section) {
                        arrays.push(array);
                    }
                }
                section.take_if(|(_, d)| *d == depth);
                depth -= 1;
            }
        }
    }
    head.offsets.sort_unstable();
    Ok(head)
}

fn arrays_of<'a>(head: &'a mut Head, section: &str) -> Option<&'a mut Vec<DataArray>> {
    let piece = head.pieces.last_mut();
    match section {
        "FieldData" => Some(&mut head.field_data),
        "Points" => piece.map(|p| &mut p.points),
        "Cells" => piece.map(|p| &mut p.cells),
        "PointData" => piece.map(|p| &mut p.point_data),
        "CellData" => piece.map(|p| &mut p.cell_data),
        _ => None,
    }
}

fn variant(path: &Path, found: impl Into<String>, form: &str) -> Error {
    let mend = format!("write the file again with {form}");
    Error::input("K018", path, "VTKFile", found, format!("{form}, or another form that is read"), mend)
}

fn head_of(path: &Path, root: &Attributes) -> Result<Head> {
    let one_of = |name: &str, values: [&str; 2]| match root.get(name) {
        None => Ok(false),
        Some(v) if v == values[0] => Ok(false),
        Some(v) if v == values[1] => Ok(true),
        Some(v) => Err(damaged(path, "VTKFile", format!("{name}=\"{v}\""), values.join(" or "))),
    };
    let compressor = match root.get("compressor") {
        None | Some("") => Compressor::None,
        Some("vtkZLibDataCompressor") => Compressor::Zlib,
        Some("vtkLZ4DataCompressor") => Compressor::Lz4,
        Some("vtkLZMADataCompressor") => {
            return Err(variant(path, "lzma compression (vtkLZMADataCompressor)", "zlib compression"));
        }
        Some(other) => return Err(variant(path, format!("the compressor {other}"), "zlib compression")),
    };
    Ok(Head {
        big_endian: one_of("byte_order", ["LittleEndian", "BigEndian"])?,
        header_size: if one_of("header_type", ["UInt32", "UInt64"])? { 8 } else { 4 },
        compressor,
        appended: None,
        offsets: Vec::new(),
        field_data: Vec::new(),
        pieces: Vec::new(),
    })
}

fn check_times(path: &Path, attributes: &Attributes) -> Result<()> {
    match attributes.get("TimeValues").map(|v| v.split_whitespace().count()) {
        Some(n) if n > 1 => Err(variant(path, format!("{n} time steps in one file"), "one file per time step (.pvd)")),
        _ => Ok(()),
    }
}

fn piece_of(bytes: &Bytes, attributes: &Attributes) -> Result<Piece> {
    let count = |name: &str| {
        let n = attributes.count(&bytes.path, name)?.unwrap_or(0);
        if n as u64 / MAX_RATIO > bytes.len {
            let mend = "write the file again";
            let found = format!("{name}=\"{n}\" in a file of {} bytes", bytes.len);
            return Err(Error::input("K005", &bytes.path, "Piece", found, "as many as the file can hold", mend));
        }
        Ok(n)
    };
    Ok(Piece { n_points: count("NumberOfPoints")?, n_cells: count("NumberOfCells")?, ..Piece::default() })
}

/// `None` for text, bits, and arrays without components, which are no fields.
fn array_of(path: &Path, attributes: &Attributes, offsets: &mut Vec<u64>) -> Result<Option<DataArray>> {
    let name = attributes.get("Name").unwrap_or_default().to_string();
    let place = format!("DataArray `{name}`");
    let offset = match attributes.get("format") {
        Some("appended") => {
            let text = attributes.get("offset").unwrap_or("none");
            let offset: u64 = text
                .trim()
                .parse()
                .map_err(|_| damaged(path, &place, format!("the offset {text}"), "a place in the appended data"))?;
            offsets.push(offset);
            Some(offset)
        }
        _ => None,
    };
    let place = match (attributes.get("format"), offset) {
        (_, Some(offset)) => Place::Appended(offset),
        (Some("binary"), _) => Place::Base64(Vec::new()),
        (Some("ascii") | None, _) => Place::Ascii(Vec::new()),
        (Some(other), _) => {
            return Err(damaged(path, place, format!("format=\"{other}\""), "ascii, binary or appended"));
        }
    };
    let kind = attributes.get("type").unwrap_or("none");
    let Some(&(number, ..)) = NUMBER_TYPES.iter().find(|t| t.1 == kind) else {
        if ["String", "Bit"].contains(&kind) {
            return Ok(None);
        }
        let names: Vec<&str> = NUMBER_TYPES.iter().map(|t| t.1).collect();
        let place = format!("DataArray `{name}`");
        let mend = "write the array with one of these types";
        return Err(Error::input("K006", path, place, format!("the type `{kind}`"), names.join(", "), mend));
    };
    let n_components = attributes.count(path, "NumberOfComponents")?.unwrap_or(1);
    if n_components == 0 {
        return Ok(None);
    }
    if n_components > u16::MAX as usize {
        let found = format!("{n_components} components");
        let place = format!("DataArray `{name}`");
        return Err(Error::input("K005", path, place, found, "65535 at most", "write the array again"));
    }
    let n_kept = attributes.count(path, "OriginalComponents")?.filter(|&n| n > 0 && n < n_components);
    Ok(Some(DataArray {
        name,
        number,
        n_components,
        n_kept: n_kept.unwrap_or(n_components),
        n_tuples: attributes.count(path, "NumberOfTuples")?,
        place,
    }))
}

/// First byte after the `_` from `at` on; `None` where something else comes first.
fn mark(bytes: &Bytes, at: u64) -> Result<Option<u64>> {
    let n = bytes.len.saturating_sub(at).min(BEFORE_MARK);
    let found = bytes.read("AppendedData", at, n)?;
    let first = found.iter().position(|b| !b.is_ascii_whitespace());
    Ok(first.filter(|&i| found.get(i) == Some(&b'_')).map(|i| at + i as u64 + 1))
}
