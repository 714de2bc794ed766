//! Legacy VTK files: written here by the slow and obvious writer at the end, read back.

use kolmo::data::Location;
use kolmo::io::mesh_file::{ArrayInfo, MeshFile, Number};
use kolmo::io::vtk::legacy::LegacyVtkFile;
use kolmo::mesh::{CellBlock, CellType};
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// Kinds of numbers of the format, with what each can hold exactly.
const KINDS: [(&str, &[f64]); 14] = [
    ("bit", &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0]),
    ("unsigned_char", &[0.0, 255.0, 7.0]),
    ("char", &[-128.0, 127.0, 0.0]),
    ("unsigned_short", &[0.0, 65535.0, 258.0]),
    ("short", &[-32768.0, 32767.0, 258.0]),
    ("unsigned_int", &[0.0, 4294967295.0, 16909060.0]),
    ("int", &[-2147483648.0, 2147483647.0, 16909060.0]),
    ("unsigned_long", &[0.0, 9007199254740992.0, 3.0]),
    ("long", &[-9007199254740992.0, 9007199254740991.0, 3.0]),
    ("vtktypeint64", &[-1.0, 9007199254740991.0, 3.0]),
    ("vtkIdType", &[-1.0, 2147483647.0, 3.0]),
    ("float", &[0.10000000149011612, -3.4028234663852886e38, 1.401298464324817e-45]),
    ("double", &[0.1, -1.7976931348623157e308, 5e-324]),
    ("Double", &[1.0, -0.0, f64::INFINITY]),
];

/// A writer of sections; numbers as text, or big endian.
#[derive(Clone, Copy)]
struct Form {
    ascii: bool,
    version: &'static str,
}

const FORMS: [Form; 6] = [
    Form { ascii: true, version: "1.0" },
    Form { ascii: false, version: "3.0" },
    Form { ascii: true, version: "4.2" },
    Form { ascii: false, version: "4.2" },
    Form { ascii: true, version: "5.1" },
    Form { ascii: false, version: "5.1" },
];

impl Form {
    fn header(&self) -> Vec<u8> {
        let form = if self.ascii { "ASCII" } else { "BINARY" };
        format!("# vtk DataFile Version {}\na title\n{form}\n", self.version).into_bytes()
    }

    /// A line, then numbers.
    fn put(&self, out: &mut Vec<u8>, line: &str, kind: &str, values: &[f64]) {
        out.extend(format!("{line}\n").bytes());
        let kind = kind.to_lowercase();
        if self.ascii {
            for row in values.chunks(9) {
                let row: Vec<String> = row
                    .iter()
                    .map(|v| if kind == "float" { format!("{}", *v as f32) } else { v.to_string() })
                    .collect();
                out.extend(format!("{} \n", row.join(" ")).bytes());
            }
        } else if kind == "bit" {
            for byte in values.chunks(8) {
                out.push(byte.iter().enumerate().map(|(i, v)| (*v as u8) << (7 - i)).sum());
            }
        } else {
            for &v in values {
                match kind.as_str() {
                    "unsigned_char" => out.push(v as u8),
                    "char" => out.push(v as i8 as u8),
                    "unsigned_short" => out.extend((v as u16).to_be_bytes()),
                    "short" => out.extend((v as i16).to_be_bytes()),
                    "unsigned_int" => out.extend((v as u32).to_be_bytes()),
                    "int" | "vtkidtype" => out.extend((v as i32).to_be_bytes()),
                    "unsigned_long" => out.extend((v as u64).to_be_bytes()),
                    "long" | "vtktypeint64" => out.extend((v as i64).to_be_bytes()),
                    "float" => out.extend((v as f32).to_be_bytes()),
                    "double" => out.extend(v.to_be_bytes()),
                    other => unreachable!("{other}"),
                }
            }
        }
        out.push(b'\n');
    }

    fn cells(&self, out: &mut Vec<u8>, keyword: &str, cells: &[Vec<u32>]) {
        let n: usize = cells.iter().map(Vec::len).sum();
        if self.version.starts_with('5') {
            let offsets: Vec<f64> =
                (0..=cells.len()).map(|i| cells[..i].iter().map(Vec::len).sum::<usize>() as f64).collect();
            let connectivity: Vec<f64> = cells.concat().iter().map(|p| f64::from(*p)).collect();
            out.extend(format!("{keyword} {} {n}\n", cells.len() + 1).bytes());
            self.put(out, "OFFSETS vtktypeint64", "vtktypeint64", &offsets);
            self.put(out, "CONNECTIVITY vtktypeint64", "vtktypeint64", &connectivity);
        } else {
            let entries: Vec<f64> =
                cells.iter().flat_map(|c| [&[c.len() as u32], c.as_slice()].concat()).map(f64::from).collect();
            self.put(out, &format!("{keyword} {} {}", cells.len(), n + cells.len()), "int", &entries);
        }
    }

    /// An unstructured grid of cells by code.
    fn grid(&self, points: &[f64], cells: &[(f64, Vec<u32>)]) -> Vec<u8> {
        let mut out = self.header();
        out.extend(b"DATASET UNSTRUCTURED_GRID\n");
        self.put(&mut out, &format!("POINTS {} double", points.len() / 3), "double", points);
        let (codes, nodes): (Vec<f64>, Vec<Vec<u32>>) = cells.iter().cloned().unzip();
        self.cells(&mut out, "CELLS", &nodes);
        self.put(&mut out, &format!("CELL_TYPES {}", cells.len()), "int", &codes);
        out
    }
}

fn points(n: usize) -> Vec<f64> {
    (0..3 * n).map(|i| (i as f64 * 0.37).sin()).collect()
}

struct Written {
    _folder: TempDir,
    path: PathBuf,
}

fn written(bytes: &[u8]) -> Written {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("case.vtk");
    fs::write(&path, bytes).unwrap();
    Written { _folder: folder, path }
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Two tetrahedra around a triangle and a pixel: types that come in turns.
fn mixed() -> Vec<(f64, Vec<u32>)> {
    vec![(10.0, vec![0, 1, 2, 3]), (5.0, vec![1, 2, 3]), (10.0, vec![4, 3, 2, 1]), (8.0, vec![0, 1, 2, 3])]
}

/// All kinds of sections behind [`mixed`].
fn with_data(form: Form) -> Vec<u8> {
    let mut out = form.grid(&points(5), &mixed());
    let text = |out: &mut Vec<u8>, ascii: &str, binary: &[u8]| {
        out.extend(if form.ascii { ascii.as_bytes() } else { binary });
        out.push(b'\n');
    };
    let doubles = |n: usize| (0..n).map(|i| 0.1 * i as f64).collect::<Vec<f64>>();
    out.extend(b"CELL_DATA 4\n");
    form.put(&mut out, "scalars id int\nLOOKUP_TABLE default", "int", &[0.0, 1.0, 2.0, 3.0]);
    form.put(&mut out, "TENSORS stress double", "double", &doubles(36));
    out.extend(b"POINT_DATA 5\n");
    form.put(
        &mut out,
        "SCALARS id%20of%25 float 2\nLOOKUP_TABLE tab",
        "float",
        &(0..10).map(f64::from).collect::<Vec<_>>(),
    );
    let rgba = if form.ascii { "float" } else { "unsigned_char" };
    form.put(&mut out, "LOOKUP_TABLE tab 2", rgba, &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
    form.put(&mut out, "COLOR_SCALARS paint 2", rgba, &[1.0; 10]);
    form.put(&mut out, "VECTORS u double", "double", &doubles(15));
    out.extend(b"METADATA\nCOMPONENT_NAMES\nPOINTS%205\n\n");
    form.put(&mut out, "NORMALS n float", "float", &[1.0; 15]);
    form.put(&mut out, "TEXTURE_COORDINATES uv 2 double", "double", &doubles(10));
    out.extend(b"FIELD FieldData 4\n");
    form.put(&mut out, "t 6 5 double", "double", &doubles(30));
    out.extend(b"METADATA\nINFORMATION 0\n\n");
    out.extend(b"words 1 5 string\n");
    text(&mut out, "a\n\nb%20c\n1 2\n", b"\xc1a\xc0\x80\x03b c\x40\x00\x00\x011\x00\x00\x00\x00\x00\x00\x00\x03POI");
    form.put(&mut out, "none 0 5 int", "int", &[]);
    form.put(&mut out, "id 1 5 short", "short", &[5.0, 4.0, 3.0, 2.0, 1.0]);
    out
}

#[test]
fn all_cell_types_in_all_versions() {
    for form in FORMS {
        for t in CellType::all() {
            let stream: Vec<Vec<u32>> = match t {
                CellType::Polygon => vec![vec![0, 1, 2, 3, 4], vec![4, 3, 2]],
                CellType::Polyhedron => {
                    let tetra = |a, b, c, d| vec![4, 3, a, b, c, 3, a, b, d, 3, b, c, d, 3, a, c, d];
                    vec![tetra(0, 1, 2, 3), tetra(4, 3, 2, 1)]
                }
                _ => (0..2).map(|k| (k..k + t.n_nodes() as u32).rev().collect()).collect(),
            };
            let cells: Vec<_> = stream.iter().map(|c| (f64::from(t.vtk_code()), c.clone())).collect();
            let file = written(&form.grid(&points(40), &cells));
            let mesh = LegacyVtkFile::open(&file.path).unwrap().mesh(0).unwrap();
            assert_eq!(bits(&mesh.points), bits(&points(40)), "{t:?}");
            let sizes = stream.iter().map(Vec::len);
            let expected = if t.is_ragged() {
                CellBlock::of_sizes(t, stream.concat(), sizes)
            } else {
                CellBlock::new(t, stream.concat())
            };
            assert_eq!(mesh.cells, [expected], "{t:?} version {} ascii {}", form.version, form.ascii);
        }
    }
}

#[test]
fn all_kinds_of_numbers() {
    for form in FORMS {
        for (kind, values) in KINDS {
            let n = values.len();
            let mut out = form.grid(&points(n), &[]);
            out.extend(format!("POINT_DATA {n}\n").bytes());
            form.put(&mut out, &format!("SCALARS a {kind}"), kind, values);
            form.put(&mut out, &format!("FIELD f 1\nb 1 {n} {kind}"), kind, values);
            let written = written(&out);
            let file = LegacyVtkFile::open(&written.path).unwrap();
            let number = match kind.to_lowercase().as_str() {
                "float" => Number::Float32,
                "double" => Number::Float64,
                _ => Number::Integer,
            };
            let arrays = file.arrays(0).unwrap();
            assert_eq!(arrays, ["a", "b"].map(|name| ArrayInfo::new(name, Location::Point, n, 1, number)));
            for array in &arrays {
                assert_eq!(bits(&file.read(0, array).unwrap()), bits(values), "{kind} {} {}", form.version, form.ascii);
            }
        }
    }
}

#[test]
fn all_sections() {
    for form in FORMS {
        let written = written(&with_data(form));
        let file = LegacyVtkFile::open(&written.path).unwrap();
        let mesh = file.mesh(0).unwrap();
        let kinds: Vec<_> = mesh.cells.iter().map(|b| (b.cell_type, b.n_cells())).collect();
        assert_eq!(kinds, [(CellType::Tetra, 2), (CellType::Triangle, 1), (CellType::Quad, 1)]);
        assert_eq!(mesh.cells[2].connectivity, [0, 1, 3, 2]);
        let (p, c) = (Location::Point, Location::Cell);
        let expected = [
            ArrayInfo::new("id_cells", c, 4, 1, Number::Integer),
            ArrayInfo::new("stress", c, 4, 9, Number::Float64),
            ArrayInfo::new("id of%", p, 5, 2, Number::Float32),
            ArrayInfo::new("u", p, 5, 3, Number::Float64),
            ArrayInfo::new("n", p, 5, 3, Number::Float32),
            ArrayInfo::new("uv", p, 5, 2, Number::Float64),
            ArrayInfo::new("t", p, 5, 6, Number::Float64),
            ArrayInfo::new("id", p, 5, 1, Number::Integer),
        ];
        assert_eq!(file.arrays(0).unwrap(), expected);
        let read = |i: usize| file.read(0, &expected[i]).unwrap();
        // Cells by type: the second tetrahedron comes before the triangle.
        assert_eq!(read(0), [0.0, 2.0, 1.0, 3.0]);
        let rows = (0..9).chain(18..27).chain(9..18).chain(27..36);
        assert_eq!(bits(&read(1)), bits(&rows.map(|i| 0.1 * f64::from(i)).collect::<Vec<_>>()));
        assert_eq!(read(2), (0..10).map(f64::from).collect::<Vec<_>>());
        assert_eq!(bits(&read(6)), bits(&(0..30).map(|i| 0.1 * f64::from(i)).collect::<Vec<_>>()));
        assert_eq!(read(7), [5.0, 4.0, 3.0, 2.0, 1.0]);
        let foreign = ArrayInfo::new("id", p, 5, 1, Number::Float64);
        assert_eq!(file.read(0, &foreign).unwrap_err().code(), "K100");
        assert_eq!(file.mesh(1).unwrap_err().code(), "K100");
    }
}

#[test]
fn field_data_and_time() {
    for form in FORMS {
        let mut out = form.header();
        out.extend(b"DATASET UNSTRUCTURED_GRID\nFIELD FieldData 3\n");
        form.put(&mut out, "TIME 1 1 double", "double", &[0.25]);
        form.put(&mut out, "CYCLE 1 1 int", "int", &[7.0]);
        form.put(&mut out, "mu%20s 2 2 float", "float", &[1.0, 2.0, 3.0, 4.0]);
        form.put(&mut out, "POINTS 1 float", "float", &[0.5, 0.10000000149011612, 0.0]);
        form.cells(&mut out, "CELLS", &[vec![0]]);
        form.put(&mut out, "CELL_TYPES 1", "int", &[1.0]);
        let written = written(&out);
        let file = LegacyVtkFile::open(&written.path).unwrap();
        assert_eq!(file.times(), Some(&[0.25][..]));
        let expected = [("TIME", vec![0.25]), ("CYCLE", vec![7.0]), ("mu s", vec![1.0, 2.0, 3.0, 4.0])];
        assert_eq!(file.field_data(0).unwrap(), expected.map(|(name, v)| (name.to_string(), v)));
        assert_eq!(file.mesh(0).unwrap().points, [0.5, 0.10000000149011612, 0.0]);
        assert!(file.arrays(0).unwrap().is_empty());
    }
}

#[test]
fn polygons_and_grids() {
    for form in FORMS {
        let mut out = form.header();
        out.extend(b"DATASET POLYDATA\n");
        form.put(&mut out, "POINTS 6 float", "float", &[0.5; 18]);
        form.cells(&mut out, "POLYGONS", &[vec![0, 1, 2, 3], vec![3, 4, 5], vec![0, 1, 2, 3, 4]]);
        form.cells(&mut out, "VERTICES", &[vec![5]]);
        form.cells(&mut out, "LINES", &[vec![0, 5], vec![1, 4]]);
        form.put(
            &mut out,
            "CELL_DATA 6\nSCALARS c double\nLOOKUP_TABLE default",
            "double",
            &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        );
        let written_poly = written(&out);
        let file = LegacyVtkFile::open(&written_poly.path).unwrap();
        let blocks = [
            CellBlock::new(CellType::Vertex, vec![5]),
            CellBlock::new(CellType::Line, vec![0, 5, 1, 4]),
            CellBlock::new(CellType::Quad, vec![0, 1, 2, 3]),
            CellBlock::new(CellType::Triangle, vec![3, 4, 5]),
            CellBlock::ragged(CellType::Polygon, vec![0, 1, 2, 3, 4], vec![5]),
        ];
        assert_eq!(file.mesh(0).unwrap().cells, blocks);
        assert_eq!(file.read(0, &file.arrays(0).unwrap()[0]).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);

        let mut out = form.header();
        out.extend(b"DATASET STRUCTURED_POINTS\nDIMENSIONS 3 2 2\nORIGIN 1 0 -1\nSPACING 0.5 2 4\n");
        form.put(&mut out, "CELL_DATA 2\nSCALARS c double 1\nLOOKUP_TABLE default", "double", &[7.0, 8.0]);
        let image = opened_mesh(&out);
        let mut out = form.header();
        out.extend(b"DATASET RECTILINEAR_GRID\nDIMENSIONS 3 2 2\n");
        form.put(&mut out, "X_COORDINATES 3 double", "double", &[1.0, 1.5, 2.0]);
        form.put(&mut out, "Y_COORDINATES 2 float", "float", &[0.0, 2.0]);
        form.put(&mut out, "Z_COORDINATES 2 int", "int", &[-1.0, 3.0]);
        assert_eq!(opened_mesh(&out), image);
        let mut out = form.header();
        out.extend(b"DATASET STRUCTURED_GRID\nDIMENSIONS 3 2 2\n");
        form.put(&mut out, "POINTS 12 double", "double", &image.points);
        assert_eq!(opened_mesh(&out), image);
        let hexahedra = vec![0, 1, 4, 3, 6, 7, 10, 9, 1, 2, 5, 4, 7, 8, 11, 10];
        assert_eq!(image.cells, [CellBlock::new(CellType::Hexahedron, hexahedra)]);
        assert_eq!(image.points[3 * 5..3 * 7], [2.0, 2.0, -1.0, 1.0, 0.0, 3.0]);
        image.validate(std::path::Path::new("")).unwrap();
        for (dimensions, cells) in [
            ("2 1 3", CellBlock::new(CellType::Quad, vec![0, 1, 3, 2, 2, 3, 5, 4])),
            ("1 1 3", CellBlock::new(CellType::Line, vec![0, 1, 1, 2])),
            ("1 1 1", CellBlock::new(CellType::Vertex, vec![0])),
        ] {
            let mut out = form.header();
            out.extend(format!("DATASET STRUCTURED_POINTS\nDIMENSIONS {dimensions}\n").bytes());
            assert_eq!(opened_mesh(&out).cells, [cells], "{dimensions}");
        }
    }
}

fn opened_mesh(bytes: &[u8]) -> kolmo::mesh::Mesh {
    let file = written(bytes);
    LegacyVtkFile::open(&file.path).unwrap().mesh(0).unwrap()
}

/// Everything that a file can be asked for.
fn read_all(bytes: &[u8]) -> kolmo::Result<()> {
    let written = written(bytes);
    let file = LegacyVtkFile::open(&written.path)?;
    file.field_data(0)?;
    let arrays: Vec<kolmo::Result<Vec<f64>>> = file.arrays(0)?.iter().map(|array| file.read(0, array)).collect();
    file.mesh(0)?;
    arrays.into_iter().try_for_each(|values| values.map(drop))
}

#[test]
fn refusals() {
    let head = "# vtk DataFile Version 4.2\nt\nASCII\n";
    let grid = format!("{head}DATASET UNSTRUCTURED_GRID\nPOINTS 3 float\n0 0 0 1 0 0 0 1 0\n");
    let whole = format!("{grid}CELLS 1 4\n3 0 1 2\nCELL_TYPES 1\n5\n");
    read_all(whole.as_bytes()).unwrap();
    let poly = format!("{head}DATASET POLYDATA\nPOINTS 3 float\n0 0 0 1 0 0 0 1 0\n");
    let new_cells = |offsets: &str| {
        format!("{grid}CELLS 2 3\nOFFSETS vtktypeint64\n{offsets}\nCONNECTIVITY vtktypeint64\n0 1 2\nCELL_TYPES 1\n5\n")
    };
    read_all(new_cells("0 3").as_bytes()).unwrap();
    for (text, code, parts) in [
        (String::new(), "K003", &["an empty file"][..]),
        ("<VTKFile>".into(), "K002", &["line 1", "# vtk DataFile Version"]),
        ("# vtk DataFile Version 6.0\n".into(), "K018", &["line 1", "version 6.0", "5.1"]),
        ("# vtk DataFile Version 5.7\n".into(), "K018", &["version 5.7"]),
        ("# vtk DataFile Version x\n".into(), "K002", &["`x`"]),
        ("# vtk DataFile Version 2.0\nt\nHEX\n".into(), "K002", &["line 3", "`HEX`", "ASCII or BINARY"]),
        ("# vtk DataFile Version 2.0\nt\n".into(), "K003", &["ASCII or BINARY"]),
        (head.into(), "K003", &["DATASET", "the end of the file"]),
        (format!("{head}DATASET TABLE\n"), "K006", &["`TABLE`", "POLYDATA"]),
        (format!("{head}DATASET UNSTRUCTURED_GRID\n"), "K003", &["POINTS", "no such section"]),
        (format!("{head}DATASET POLYDATA\nPOINTS x float\n"), "K003", &["POINTS x", "a count"]),
        (format!("{head}DATASET POLYDATA\nPOINTS -1 float\n"), "K003", &["`-1`"]),
        (format!("{head}DATASET POLYDATA\nPOINTS 1 real\n1 2 3"), "K006", &["`real`", "double"]),
        (format!("{head}DATASET POLYDATA\nPOINTS 2 float\n1 2 3 4 5"), "K003", &["POINTS 2", "the end of the file"]),
        (format!("{head}DATASET POLYDATA\nPOINTS 1 float\n1 2,5 3"), "K003", &["POINTS 1", "`2,5` near byte"]),
        (format!("{head}DATASET POLYDATA\nPOINTS 1 float\n1 nan 3"), "K015", &["point 0, coordinate 1", "finite"]),
        (
            format!("{head}DATASET POLYDATA\nPOINTS 6148914691236517205 float\n1"),
            "K003",
            &["POINTS 6148914691236517205"],
        ),
        (format!("{head}DATASET POLYDATA\nPOINTS 99999999999999 float\n1"), "K003", &["299999999999997 numbers"]),
        (format!("{head}DATASET STRUCTURED_POINTS\n"), "K003", &["DIMENSIONS", "no such section"]),
        (format!("{head}DATASET STRUCTURED_POINTS\nDIMENSIONS 2000000 2 1\n"), "K003", &["4000000 points"]),
        (
            format!("{head}DATASET STRUCTURED_POINTS\nDIMENSIONS 9999999999 9999999999 9999999999\n"),
            "K003",
            &["DIMENSIONS"],
        ),
        (format!("{head}DATASET STRUCTURED_POINTS\nDIMENSIONS 1 1\n"), "K003", &["a count"]),
        (format!("{head}DATASET STRUCTURED_POINTS\nSPACING 1 1 x\n"), "K003", &["three numbers"]),
        (format!("{head}DATASET RECTILINEAR_GRID\nDIMENSIONS 1 1 1\n"), "K003", &["X_COORDINATES"]),
        (
            format!("{head}DATASET RECTILINEAR_GRID\nDIMENSIONS 1 1 1\nX_COORDINATES 2 int\n1 2\n"),
            "K005",
            &["X_COORDINATES", "found 2", "1 as DIMENSIONS"],
        ),
        (
            format!("{head}DATASET STRUCTURED_GRID\nDIMENSIONS 2 1 1\nPOINTS 1 int\n1 2 3\n"),
            "K005",
            &["POINTS", "found 1"],
        ),
        (format!("{grid}CELLS 1 4\n3 0 1 2\n"), "K003", &["CELL_TYPES", "no such section"]),
        (format!("{grid}CELL_TYPES 1\n5\n"), "K003", &["CELLS", "no such section"]),
        (format!("{grid}CELLS 1 4\n3 0 1 2\nCELL_TYPES 2\n5 5\n"), "K005", &["CELL_TYPES", "found 2", "1 cells"]),
        (format!("{grid}CELLS 1 4\n3 0 1 2\nCELL_TYPES 1\n4\n"), "K018", &["type 4", "42 polyhedron"]),
        (format!("{grid}CELLS 1 4\n3 0 1 2\nCELL_TYPES 1\n9\n"), "K015", &["cell 0", "3 points", "4 for type 9"]),
        (format!("{grid}CELLS 1 4\n3 0 1 3\nCELL_TYPES 1\n5\n"), "K015", &["cell 0 (triangle)", "point 3"]),
        (format!("{grid}CELLS 1 4\n3 0 1 -2\nCELL_TYPES 1\n5\n"), "K015", &["CELLS 1, number 3", "found -2"]),
        (format!("{grid}CELLS 1 4\n4 0 1 2\nCELL_TYPES 1\n5\n"), "K003", &["CELLS 1", "in cell 0"]),
        (format!("{grid}CELLS 1 5\n3 0 1 2 7\nCELL_TYPES 1\n5\n"), "K003", &["1 numbers more"]),
        (format!("{grid}CELLS 9 5\n3 0 1 2 7\n"), "K003", &["no more cells than numbers"]),
        (new_cells("0 4"), "K003", &["OFFSETS", "offsets that rise from 0 to 3"]),
        (new_cells("1 3"), "K003", &["OFFSETS"]),
        (new_cells("0 3").replace("CONNECTIVITY", "CONNECT"), "K003", &["CONNECTIVITY", "`CONNECT`"]),
        (format!("{poly}TRIANGLE_STRIPS 1 4\n3 0 1 2\n"), "K006", &["TRIANGLE_STRIPS", "POLYGONS"]),
        (format!("{poly}VERTICES 1 3\n2 0 1\n"), "K006", &["VERTICES", "a poly_vertex of 2 points"]),
        (format!("{poly}LINES 1 4\n3 0 1 2\n"), "K006", &["LINES", "a poly_line of 3 points"]),
        (format!("{poly}POLYGONS 1 3\n2 0 1\n"), "K015", &["2 points", "3 or more"]),
        (format!("{whole}SCALARS a float\n"), "K003", &["SCALARS a", "POINT_DATA or CELL_DATA"]),
        (format!("{whole}POINT_DATA 2\n"), "K005", &["`2`", "3, one for each point"]),
        (format!("{whole}CELL_DATA 2\n"), "K005", &["1, one for each cell"]),
        (format!("{whole}POINT_DATA 3\nSCALARS a float 1\nLOOKUP_TABLE default\n1 2"), "K003", &["SCALARS a"]),
        (format!("{whole}POINT_DATA 3\nFIELD f 1\nb 1 2 int\n1 2"), "K005", &["array b", "3 rows"]),
        (format!("{whole}POINT_DATA 3\nFIELD f 2\nb 1 3 int\n1 2 3"), "K003", &["an array of FIELD"]),
        (format!("{whole}POINT_DATA 3\nFIELD f 1\nb 1 3 variant\n1 2"), "K006", &["`variant`"]),
        (format!("{whole}POINT_DATA 3\nFIELD f 1\nb 1 3 string\na\n"), "K003", &["array b", "a text"]),
        (format!("{whole}POINT_DATA 3\nSPLINES a\n"), "K006", &["`SPLINES`", "SCALARS"]),
    ] {
        let error = read_all(text.as_bytes()).unwrap_err();
        let message = error.to_string();
        assert_eq!(error.code(), code, "{message}\n{text}");
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
    let many = format!("{head}DATASET POLYDATA\nFIELD f 200000\n{}", "b 1 0 int\n".repeat(200_000));
    assert!(read_all(many.as_bytes()).unwrap_err().to_string().contains("at most 10000 arrays"));
    let folder = TempDir::new().unwrap();
    assert_eq!(LegacyVtkFile::open(folder.path()).unwrap_err().code(), "K002");
    assert_eq!(LegacyVtkFile::open(folder.path().join("none.vtk")).unwrap_err().code(), "K001");
}

#[test]
fn truncated_anywhere() {
    for form in [FORMS[2], FORMS[3], FORMS[5]] {
        let whole = with_data(form);
        read_all(&whole).unwrap();
        let last = whole.len() - if form.ascii { "3 2 1 \n\n".len() } else { 2 };
        for n in (0..last).step_by(3) {
            if let Err(e) = read_all(&whole[..n]) {
                let known = ["K002", "K003", "K005", "K006", "K018"];
                assert!(known.contains(&e.code()), "{n} bytes: {e}");
            }
        }
        // Inside an array, its section is named.
        let error = read_all(&whole[..last]).unwrap_err().to_string();
        assert!(error.contains("FIELD, array id"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn mutations_are_read_or_refused(
        form in 0..FORMS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..6),
    ) {
        let mut bytes = with_data(FORMS[form]);
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                // Counts of any size.
                1 => bytes.insert(at, b'0' + byte % 10),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Err(e) = read_all(&bytes) {
            prop_assert!(e.exit_code() == 2, "{e}");
        }
    }
}
