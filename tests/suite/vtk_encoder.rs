//! A slow encoder of .vtu files in every form that VTK has, for the tests of the reader.

use std::fmt::Write as _;
use std::io::Write as _;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    Ascii,
    Inline,
    Raw,
    Base64,
}

#[derive(Debug, Clone, Copy)]
pub struct Encoding {
    pub mode: Mode,
    /// Name of the compressor, `zlib`, `lz4` or nothing.
    pub compressor: &'static str,
    pub wide_headers: bool,
    pub big_endian: bool,
    pub block: usize,
}

impl Encoding {
    pub fn new(mode: Mode, compressor: &'static str) -> Self {
        Encoding { mode, compressor, wide_headers: false, big_endian: false, block: 40 }
    }

    /// All forms: ascii, and 3 modes x 3 compressors x 2 widths of headers x 2 orders of bytes.
    pub fn all() -> Vec<Encoding> {
        let mut all = vec![Encoding::new(Mode::Ascii, "")];
        for mode in [Mode::Inline, Mode::Raw, Mode::Base64] {
            for compressor in ["", "zlib", "lz4"] {
                for i in 0..4 {
                    let e = Encoding::new(mode, compressor);
                    all.push(Encoding { wide_headers: i % 2 == 1, big_endian: i > 1, ..e });
                }
            }
        }
        all
    }
}

pub struct Array {
    pub section: &'static str,
    pub name: &'static str,
    pub kind: &'static str,
    pub n_components: usize,
    pub values: Vec<f64>,
}

pub fn array(section: &'static str, name: &'static str, kind: &'static str, n: usize, values: &[f64]) -> Array {
    Array { section, name, kind, n_components: n, values: values.to_vec() }
}

fn number(kind: &str, v: f64, big: bool) -> Vec<u8> {
    let mut bytes = match kind {
        "Int8" => (v as i8).to_le_bytes().to_vec(),
        "UInt8" => (v as u8).to_le_bytes().to_vec(),
        "Int16" => (v as i16).to_le_bytes().to_vec(),
        "UInt16" => (v as u16).to_le_bytes().to_vec(),
        "Int32" => (v as i32).to_le_bytes().to_vec(),
        "UInt32" => (v as u32).to_le_bytes().to_vec(),
        "Int64" => (v as i64).to_le_bytes().to_vec(),
        "UInt64" => (v as u64).to_le_bytes().to_vec(),
        "Float32" => (v as f32).to_le_bytes().to_vec(),
        _ => v.to_le_bytes().to_vec(),
    };
    if big {
        bytes.reverse();
    }
    bytes
}

pub fn base64(bytes: &[u8]) -> String {
    let letters: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let n = (0..3).fold(0usize, |n, i| n << 8 | group.get(i).map_or(0, |b| usize::from(*b)));
        for i in 0..4 {
            text.push(if i <= group.len() { letters[n >> (18 - 6 * i) & 63] } else { '=' });
        }
    }
    text
}

fn pack(e: Encoding, block: &[u8]) -> Vec<u8> {
    if e.compressor == "lz4" {
        return lz4_flex::block::compress(block);
    }
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
    packed.write_all(block).unwrap();
    packed.finish().unwrap()
}

/// Header and data of an array, apart from each other.
fn binary(e: Encoding, array: &Array) -> (Vec<u8>, Vec<u8>) {
    let bytes: Vec<u8> = array.values.iter().flat_map(|v| number(array.kind, *v, e.big_endian)).collect();
    let kind = if e.wide_headers { "UInt64" } else { "UInt32" };
    let header = |n: &[usize]| n.iter().flat_map(|n| number(kind, *n as f64, e.big_endian)).collect::<Vec<u8>>();
    if e.compressor.is_empty() {
        return (header(&[bytes.len()]), bytes);
    }
    let blocks: Vec<Vec<u8>> = bytes.chunks(e.block).map(|b| pack(e, b)).collect();
    let mut numbers = vec![blocks.len(), e.block, bytes.len() % e.block];
    numbers.extend(blocks.iter().map(Vec::len));
    (header(&numbers), blocks.concat())
}

fn as_base64(e: Encoding, header: &[u8], data: &[u8]) -> String {
    // VTK writes the header of compressed data as a string of its own, that of others with the data.
    if e.compressor.is_empty() { base64(&[header, data].concat()) } else { base64(header) + &base64(data) }
}

/// A file of one piece.
pub fn encode(e: Encoding, n_points: usize, n_cells: usize, arrays: &[Array]) -> Vec<u8> {
    encode_pieces(e, &[(n_points, n_cells, arrays)], &[])
}

pub fn encode_pieces(e: Encoding, pieces: &[(usize, usize, &[Array])], field_data: &[Array]) -> Vec<u8> {
    let compressor = match e.compressor {
        "" => String::new(),
        "zlib" => " compressor=\"vtkZLibDataCompressor\"".into(),
        _ => " compressor='vtkLZ4DataCompressor'".into(),
    };
    let width = if e.wide_headers { " header_type=\"UInt64\"" } else { "" };
    let order = if e.big_endian { "BigEndian" } else { "LittleEndian" };
    let mut head =
        String::from("<?xml version=\"1.0\"?>\n<!-- a comment with <DataArray> in it -->\n<?something else?>\n");
    write!(head, "<VTKFile type='UnstructuredGrid'\n  version=\"1.0\" byte_order=\"{order}\"{width}{compressor}>\n")
        .unwrap();
    head.push_str("<UnstructuredGrid>\n");
    let mut tail = Vec::new();
    head.push_str(
        "<FieldData>\n<Array type=\"String\" Name=\"text\" NumberOfTuples=\"1\" format=\"ascii\">97 0</Array>\n",
    );
    field_data.iter().for_each(|a| write_array(e, a, &mut head, &mut tail));
    head.push_str("</FieldData>\n");
    for (n_points, n_cells, arrays) in pieces {
        writeln!(head, "<Piece NumberOfCells=\"{n_cells}   \"\nNumberOfPoints=\"{n_points}\">").unwrap();
        for section in ["PointData", "CellData", "Points", "Cells"] {
            writeln!(head, "<{section}>").unwrap();
            arrays.iter().filter(|a| a.section == section).for_each(|a| write_array(e, a, &mut head, &mut tail));
            writeln!(head, "</{section}>").unwrap();
        }
        head.push_str("</Piece>\n");
    }
    head.push_str("</UnstructuredGrid>\n");
    let mut file = head.into_bytes();
    if matches!(e.mode, Mode::Raw | Mode::Base64) {
        let encoding = if e.mode == Mode::Raw { "raw" } else { "base64" };
        file.extend(format!("<AppendedData encoding=\"{encoding}\">\n   _").bytes());
        file.extend(tail);
        file.extend(b"\n  </AppendedData>\n");
    }
    file.extend(b"</VTKFile>\n");
    file
}

fn write_array(e: Encoding, a: &Array, head: &mut String, tail: &mut Vec<u8>) {
    let n = if a.n_components == 1 { String::new() } else { format!(" NumberOfComponents=\"{}\"", a.n_components) };
    let key = "<InformationKey name=\"L2\" location=\"vtkDataArray\" length=\"1\"><Value index=\"0\">7</Value></InformationKey>";
    write!(head, "<DataArray type=\"{}\" Name=\"{}\" RangeMin='-1'{n} ", a.kind, a.name).unwrap();
    let (header, data) = binary(e, a);
    match e.mode {
        Mode::Ascii => {
            let words: Vec<String> = a
                .values
                .iter()
                .map(|v| if a.kind == "Float32" { format!("{}", *v as f32) } else { format!("{v}") })
                .collect();
            // A comment in the middle of the numbers.
            let (left, right) = words.split_at(words.len() / 2);
            write!(
                head,
                "format=\"ascii\">\n{}\n<!-- half -->{}{key}\n</DataArray>\n",
                left.join(" "),
                right.join("\n")
            )
            .unwrap();
        }
        Mode::Inline => {
            write!(head, "format=\"binary\">\n{key}  {}\n</DataArray>\n", as_base64(e, &header, &data)).unwrap();
        }
        Mode::Raw => {
            writeln!(head, "format=\"appended\" offset=\"{}\"  />", tail.len()).unwrap();
            tail.extend([header, data].concat());
        }
        Mode::Base64 => {
            writeln!(head, "format=\"appended\" offset=\"{}\">{key}</DataArray>", tail.len()).unwrap();
            tail.extend(as_base64(e, &header, &data).bytes());
        }
    }
}
