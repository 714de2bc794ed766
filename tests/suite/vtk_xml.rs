//! The reader of .vtu files: what kolmo writes, every encoding, and files that VTK and meshio have written.

use crate::vtk_encoder::{Array, Encoding, Mode, array, encode, encode_pieces};
use kolmo::data::Location;
use kolmo::io::mesh_file::{ArrayInfo, MeshArray, MeshFile, Number};
use kolmo::io::vtk::vtu::VtuFile;
use kolmo::io::vtk::vtu_writer::write_vtu;
use kolmo::mesh::{CellBlock, CellType, Mesh};
use std::path::{Path, PathBuf};

pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[track_caller]
pub fn values(file: &dyn MeshFile, name: &str) -> Vec<f64> {
    let arrays = file.arrays(0).unwrap();
    let found = arrays.iter().find(|a| a.field.name == name).unwrap_or_else(|| panic!("{name}: {arrays:?}"));
    let values = file.read(0, found).unwrap();
    assert_eq!(values.len(), found.field.n_dofs(), "{name}");
    values
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Two cells of every type, each with points of its own; the types alternate so that blocks of one type occur twice.
pub fn all_cells() -> Mesh {
    let mut mesh = Mesh { dim: 3, points: Vec::new(), cells: Vec::new() };
    let mut next = 0u32;
    for round in 0..2 {
        for cell_type in CellType::all() {
            let mut block = CellBlock::new(cell_type, Vec::new());
            match cell_type {
                CellType::Polygon => {
                    block = CellBlock::of_sizes(cell_type, (next..next + 8).collect(), [5, 3]);
                    next += 8;
                }
                CellType::Polyhedron => {
                    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|i| next + i);
                    let pyramid = [5, 4, a, b, c, d, 3, a, b, e, 3, b, c, e, 3, c, d, e, 3, d, a, e];
                    let tetra = [4, 3, a, b, c, 3, a, b, d, 3, b, c, d, 3, a, c, d];
                    block = CellBlock::of_sizes(cell_type, [&pyramid[..], &tetra].concat(), [22, 17]);
                    next += 5;
                }
                _ => {
                    let n = cell_type.n_nodes() as u32 * (1 + round);
                    block.connectivity.extend(next..next + n);
                    next += n;
                }
            }
            mesh.cells.push(block);
        }
    }
    mesh.points = (0..3 * next).map(|i| f64::from(i * i % 1009) / 7.0).collect();
    mesh
}

#[test]
fn what_kolmo_writes_it_reads_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.vtu");
    let mesh = all_cells();
    let (n, m) = (mesh.n_points(), mesh.n_cells());
    let p: Vec<f64> = (0..n).map(|i| (i as f64).sin() * 10f64.powi(i as i32 % 600 - 300)).collect();
    let single: Vec<f64> = p.iter().map(|v| f64::from(*v as f32)).collect();
    let u: Vec<f64> = (0..2 * n).map(|i| 1.0 / (i as f64 + 3.0)).collect();
    let tags: Vec<f64> = (0..m).map(|i| (i as f64 - 20.0) * 1e13).collect();
    let stress: Vec<f64> = (0..6 * m).map(|i| -(i as f64).sqrt()).collect();
    let array =
        |name, location, n_components, number, values| MeshArray { name, location, n_components, number, values };
    let arrays = [
        array("p", Location::Point, 1, Number::Float64, &p[..]),
        array("single", Location::Point, 1, Number::Float32, &single),
        array("u", Location::Point, 2, Number::Float64, &u),
        array("p", Location::Cell, 1, Number::Integer, &tags),
        array("a<b & \"c\"", Location::Cell, 6, Number::Float64, &stress),
    ];
    let field_data = [("indicator".to_string(), vec![0.1 + 0.2]), ("mu".to_string(), vec![5e-324, -1e308])];
    write_vtu(&path, &mesh, &arrays, &field_data).unwrap();
    let file = VtuFile::open(&path).unwrap();
    assert_eq!((file.format(), file.n_states(), file.times()), ("VTU", 1, None));
    assert_eq!(file.mesh(0).unwrap(), mesh);
    let found = file.arrays(0).unwrap();
    let names = ["p", "single", "u", "p_cells", "a<b & \"c\""];
    for ((written, found), name) in arrays.iter().zip(&found).zip(names) {
        let k = written.n_components;
        let expected = ArrayInfo::new(name, written.location, written.values.len() / k, k, written.number);
        assert_eq!(*found, expected);
        assert_eq!(bits(&file.read(0, found).unwrap()), bits(written.values), "{name}");
    }
    assert_eq!(found.len(), names.len());
    assert_eq!(file.field_data(0).unwrap(), field_data);
    let wrong = ArrayInfo::new("p", Location::Cell, m, 1, Number::Float64);
    assert_eq!(
        (file.read(0, &wrong).unwrap_err().code(), file.mesh(1).unwrap_err().code().to_string()),
        ("K100", "K100".into())
    );
    crate::vtu::keep(&path);
    // What meshio 5.3.5 cannot open: polyhedra beside other cells, and these two.
    let left_out = [CellType::Polyhedron, CellType::Pyramid13, CellType::Wedge15];
    let kept = |b: &&CellBlock| !left_out.contains(&b.cell_type);
    let plain = Mesh { cells: mesh.cells.iter().filter(kept).cloned().collect(), ..mesh.clone() };
    let plain_path = folder.path().join("plain.vtu");
    write_vtu(&plain_path, &plain, &arrays[..3], &field_data).unwrap();
    assert_eq!(VtuFile::open(&plain_path).unwrap().mesh(0).unwrap(), plain);
    crate::vtu::keep(&plain_path);
    // The same bytes again, and also where one thread compresses.
    let bytes = std::fs::read(&path).unwrap();
    let single_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    single_thread.install(|| write_vtu(&path, &mesh, &arrays, &field_data)).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn flat_meshes_stay_flat_and_may_be_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flat.vtu");
    let line =
        Mesh { dim: 1, points: vec![0.0, 0.5, 2.0], cells: vec![CellBlock::new(CellType::Line, vec![0, 1, 1, 2])] };
    let square = Mesh {
        dim: 2,
        points: vec![0., 0., 1., 0., 1., 1., 0., 1.],
        cells: vec![CellBlock::new(CellType::Quad, vec![0, 1, 2, 3])],
    };
    let cloud = Mesh { dim: 3, points: vec![0.5; 6], cells: vec![] };
    let none = Mesh { dim: 3, points: vec![], cells: vec![] };
    for mesh in [line, square, cloud, none] {
        let values = vec![2.5; 2 * mesh.n_points()];
        let u = MeshArray {
            name: "u",
            location: Location::Point,
            n_components: 2,
            number: Number::Float64,
            values: &values,
        };
        write_vtu(&path, &mesh, &[u], &[]).unwrap();
        let file = VtuFile::open(&path).unwrap();
        assert_eq!(file.mesh(0).unwrap(), mesh);
        assert_eq!(crate::vtk_xml::values(&file, "u"), values);
    }
    let half = MeshArray {
        name: "n",
        location: Location::Point,
        n_components: 1,
        number: Number::Integer,
        values: &[0.5, 1.0],
    };
    let cloud = Mesh { dim: 3, points: vec![0.5; 6], cells: vec![] };
    assert_eq!(write_vtu(&path, &cloud, &[half], &[]).unwrap_err().code(), "K100");
}

const KINDS: [(&str, f64, f64); 10] = [
    ("Int8", -128.0, 127.0),
    ("UInt8", 0.0, 255.0),
    ("Int16", -32768.0, 32767.0),
    ("UInt16", 0.0, 65535.0),
    ("Int32", -2147483648.0, 2147483647.0),
    ("UInt32", 0.0, 4294967295.0),
    ("Int64", -9007199254740992.0, 9007199254740992.0),
    ("UInt64", 0.0, 9007199254740992.0),
    ("Float32", -1.5e-42, 3.0e38),
    ("Float64", -5e-324, 1.7976931348623157e308),
];

/// A triangle, a pixel, a quad, a voxel, two tetrahedra; arrays of every number type.
pub fn arrays() -> Vec<Array> {
    let points: Vec<f64> =
        (0..8).flat_map(|i| [f64::from(i & 1), f64::from(i >> 1 & 1), f64::from(i >> 2) / 3.0]).collect();
    let connectivity = [0, 1, 2, 0, 1, 2, 3, 0, 1, 3, 2, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 4, 7, 6, 5, 3].map(f64::from);
    let mut found = vec![
        array("Points", "Points", "Float64", 3, &points),
        array("Cells", "connectivity", "Int32", 1, &connectivity),
        array("Cells", "offsets", "UInt16", 1, &[3., 7., 11., 19., 23., 27.]),
        array("Cells", "types", "UInt8", 1, &[5., 8., 9., 11., 10., 10.]),
    ];
    for (kind, low, high) in KINDS {
        let float = kind.starts_with('F');
        let values: Vec<f64> = (0..18).map(|i| [low, high, if float { 0.1 } else { 7.0 }][i % 3]).collect();
        let rounded = |v: &f64| if kind == "Float32" { f64::from(*v as f32) } else { *v };
        let values: Vec<f64> = values.iter().map(rounded).collect();
        found.push(array("CellData", kind, kind, 3, &values));
        found.push(array("PointData", if kind == "Int8" { "Int8" } else { "" }, kind, 1, &values[..8]));
    }
    // Unnamed arrays get the number of their place.
    found
}

pub fn cells_of_arrays() -> Vec<CellBlock> {
    vec![
        CellBlock::new(CellType::Triangle, vec![0, 1, 2]),
        CellBlock::new(CellType::Quad, vec![0, 1, 3, 2, 0, 1, 3, 2]),
        CellBlock::new(CellType::Hexahedron, vec![0, 1, 3, 2, 4, 5, 7, 6]),
        CellBlock::new(CellType::Tetra, vec![0, 1, 2, 4, 7, 6, 5, 3]),
    ]
}

#[test]
fn every_encoding_gives_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    let arrays = arrays();
    let field_data = [array("FieldData", "mu", "Float32", 2, &[0.5, 1.5, -2.0, 4.0])];
    for block in [40, 36, 1 << 15] {
        for e in Encoding::all().into_iter().map(|e| Encoding { block, ..e }) {
            let bytes = encode_pieces(e, &[(8, 6, &arrays)], &field_data);
            let path = write(folder.path(), "one.vtu", &bytes);
            let file = VtuFile::open(&path).unwrap_or_else(|error| panic!("{e:?}: {error}"));
            let mesh = file.mesh(0).unwrap_or_else(|error| panic!("{e:?}: {error}"));
            assert_eq!((mesh.dim, &mesh.points, mesh.cells), (3, &arrays[0].values, cells_of_arrays()), "{e:?}");
            let data: Vec<&Array> =
                ["PointData", "CellData"].iter().flat_map(|s| arrays.iter().filter(move |a| a.section == *s)).collect();
            let found = file.arrays(0).unwrap();
            assert_eq!((found.len(), data.len()), (20, 20));
            for (i, (a, found)) in data.iter().zip(&found).enumerate() {
                let name = if i == 10 {
                    "Int8_cells".into()
                } else if a.name.is_empty() {
                    format!("array_{i}")
                } else {
                    a.name.to_string()
                };
                assert_eq!((&found.field.name, found.field.n_components), (&name, a.n_components), "{e:?}");
                let number = match a.kind {
                    "Float32" => Number::Float32,
                    "Float64" => Number::Float64,
                    _ => Number::Integer,
                };
                assert_eq!(found.number, number);
                assert_eq!(bits(&file.read(0, found).unwrap()), bits(&a.values), "{e:?} {name}");
            }
            assert_eq!(file.field_data(0).unwrap(), [("mu".to_string(), field_data[0].values.clone())], "{e:?}");
        }
    }
}

#[test]
fn pieces_are_joined() {
    let folder = tempfile::tempdir().unwrap();
    let piece = |x: f64, flip: bool| {
        let mut arrays = vec![
            array("Points", "Points", "Float32", 3, &[x, 0., 0., x + 1., 0., 0., x, 1., 0.]),
            array("Cells", "connectivity", "Int64", 1, &[0., 1., 2.]),
            array("Cells", "offsets", "Int64", 1, &[3.]),
            array("Cells", "types", "UInt8", 1, &[5.]),
            array("PointData", "a", "Float64", 1, &[x, x + 1., x + 2.]),
            array("PointData", "b", "Float64", 2, &[-x, 1., 2., 3., 4., 5.]),
            array("CellData", "c", "Int32", 1, &[x]),
        ];
        if flip {
            arrays.swap(4, 5);
        }
        arrays
    };
    let (one, two) = (piece(0.0, false), piece(8.0, true));
    for e in Encoding::all() {
        let pieces: [(usize, usize, &[Array]); 4] = [(0, 0, &[]), (3, 1, &one), (0, 0, &[]), (3, 1, &two)];
        let path = write(folder.path(), "pieces.vtu", &encode_pieces(e, &pieces, &[]));
        let file = VtuFile::open(&path).unwrap();
        let mesh = file.mesh(0).unwrap();
        assert_eq!(
            (mesh.n_points(), &mesh.cells),
            (6, &vec![CellBlock::new(CellType::Triangle, vec![0, 1, 2, 3, 4, 5])])
        );
        assert_eq!(mesh.point(4), [9.0, 0.0, 0.0]);
        assert_eq!(values(&file, "a"), [0., 1., 2., 8., 9., 10.]);
        assert_eq!(values(&file, "b"), [0., 1., 2., 3., 4., 5., -8., 1., 2., 3., 4., 5.]);
        assert_eq!(values(&file, "c"), [0., 8.]);
    }
    let short = &two[..6];
    let path = write(
        folder.path(),
        "pieces.vtu",
        &encode_pieces(Encoding::new(Mode::Raw, ""), &[(3, 1, &one), (3, 1, short)], &[]),
    );
    let error = VtuFile::open(&path).unwrap_err();
    assert!(error.code() == "K005" && error.to_string().contains("piece 1: found no array `c`"), "{error}");
}

/// Faces as VTK 9.4 and later list them, and as streams: a hexahedron, a pyramid and a cube of faces, a triangle.
#[test]
fn polyhedra_of_both_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let points: Vec<f64> = (0..27).map(f64::from).collect();
    let pyramid = [4, 4, 5, 6, 7, 3, 4, 5, 8, 3, 5, 6, 8, 3, 6, 7, 8, 3, 7, 4, 8];
    let cube = [4, 0, 1, 2, 3, 4, 4, 5, 6, 7, 4, 0, 1, 5, 4, 4, 1, 2, 6, 5, 4, 2, 3, 7, 6, 4, 3, 0, 4, 7];
    let stream: Vec<u32> = [&[5][..], &pyramid, &[6], &cube].concat();
    let expected = vec![
        CellBlock::new(CellType::Hexahedron, (0..8).collect()),
        CellBlock::ragged(CellType::Polyhedron, stream.clone(), vec![22, 53]),
        CellBlock::new(CellType::Triangle, vec![0, 1, 2]),
    ];
    let float = |n: &[u32]| n.iter().map(|n| f64::from(*n)).collect::<Vec<f64>>();
    let connectivity: Vec<f64> =
        [0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2].map(f64::from).to_vec();
    let common = || {
        vec![
            array("Points", "Points", "Float64", 3, &points),
            array("Cells", "connectivity", "Int64", 1, &connectivity),
            array("Cells", "offsets", "Int64", 1, &[8., 13., 21., 24.]),
            array("Cells", "types", "UInt8", 1, &[12., 42., 42., 5.]),
        ]
    };
    let mut streams = common();
    streams.push(array("Cells", "faces", "Int64", 1, &float(&stream)));
    streams.push(array("Cells", "faceoffsets", "Int64", 1, &[-1., 22., 53., -1.]));
    let mut lists = common();
    let (mut face_points, mut face_ends) = (Vec::new(), Vec::new());
    let mut rest: &[u32] = &[&pyramid[..], &cube].concat();
    while let Some((&n, tail)) = rest.split_first() {
        face_points.extend(float(&tail[..n as usize]));
        face_ends.push(face_points.len() as f64);
        rest = &tail[n as usize..];
    }
    lists.push(array("Cells", "face_connectivity", "Int64", 1, &face_points));
    lists.push(array("Cells", "face_offsets", "Int64", 1, &face_ends));
    lists.push(array("Cells", "polyhedron_to_faces", "Int64", 1, &float(&(0..11).collect::<Vec<_>>())));
    lists.push(array("Cells", "polyhedron_offsets", "Int64", 1, &[0., 5., 11., 11.]));
    for arrays in [&mut streams, &mut lists] {
        for e in Encoding::all() {
            let path = write(folder.path(), "faces.vtu", &encode(e, 9, 4, arrays));
            assert_eq!(VtuFile::open(&path).unwrap().mesh(0).unwrap().cells, expected, "{e:?}");
        }
        let n = arrays[4].values.len();
        for (i, k, wrong) in [(4, n - 1, 9.0), (5, 1, 1e9), (4, 0, 1e12)] {
            let old = std::mem::replace(&mut arrays[i].values[k], wrong);
            let path = write(folder.path(), "faces.vtu", &encode(Encoding::new(Mode::Raw, ""), 9, 4, arrays));
            let error = VtuFile::open(&path).unwrap().mesh(0).unwrap_err();
            assert!(["K003", "K005", "K015"].contains(&error.code()), "{error}");
            arrays[i].values[k] = old;
        }
    }
}

/// Files in all forms that VTK 9.7 writes, with faces as lists, made by the script beside them.
#[test]
fn forms_of_vtk() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vtk");
    let mut n_files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "vtu") {
            continue;
        }
        let file = VtuFile::open(&path).unwrap();
        let mesh = file.mesh(0).unwrap();
        mesh.validate(&path).unwrap();
        let types: Vec<(&str, usize)> = mesh.cells.iter().map(|b| (b.cell_type.name(), b.n_cells())).collect();
        let expected = [("hexahedron", 1), ("polyhedron", 2), ("triangle", 1), ("polygon", 1), ("hexahedron", 1)];
        assert_eq!(types, expected, "{}", path.display());
        let volumes = mesh.cell_volumes();
        let exact = [1.0, 1.0 / 3.0, 1.0, 0.5];
        assert!(exact.iter().zip(&volumes).all(|(a, b)| (a - b).abs() < 1e-14), "{volumes:?}");
        assert_eq!(
            (mesh.cells[0].cell(0), mesh.cells[4].cell(0)),
            (&[0, 1, 2, 3, 4, 5, 6, 7][..], &[0, 1, 2, 3, 4, 5, 6, 7][..])
        );
        let tenth = |n: u32| (0..n).map(|i| 0.1 * f64::from(i)).collect::<Vec<f64>>();
        let single: Vec<f64> = tenth(9).iter().map(|v| f64::from(*v as f32)).collect();
        assert_eq!(values(&file, "p"), single);
        assert_eq!(values(&file, "q"), tenth(6));
        assert_eq!(values(&file, "tag"), [-3., -2., 1., 6., 13., 22.]);
        assert_eq!(file.field_data(0).unwrap(), [("mu".to_string(), tenth(2))]);
        n_files += 1;
    }
    assert_eq!(n_files, 10);
}

/// The shared data, where it is there: KOLMO_DATA, or beside the sources.
fn tensile_plate() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("KOLMO_DATA").map_or(beside, PathBuf::from).join("tensile_plate");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no data at {}", folder.display());
    None
}

#[test]
fn files_of_vtk_and_meshio() {
    let Some(folder) = tensile_plate() else { return };
    let open = |name: &str| VtuFile::open(folder.join("formats").join(name)).unwrap();
    let exact = open("appended_raw_uncompressed_float64.vtu");
    let mesh = exact.mesh(0).unwrap();
    assert_eq!((mesh.n_points(), mesh.n_cells(), mesh.cells.len()), (2366, 4476, 1));
    let arrays = exact.arrays(0).unwrap();
    assert!(arrays.iter().any(|a| a.field.name == "displacement" && a.field.n_components == 2), "{arrays:?}");
    let mut n_files = 0;
    for entry in std::fs::read_dir(folder.join("formats")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let file = open(&name);
        let own = file.mesh(0).unwrap();
        if name.starts_with("quadratic") {
            assert_eq!(
                (own.cells[0].cell_type, own.n_cells(), own.points.len()),
                (CellType::Triangle6, 1119, mesh.points.len())
            );
            continue;
        }
        let single = name.contains("float32");
        let same = |a: &[f64], b: &[f64], what: &str| {
            let close = |(a, b): (&f64, &f64)| if single { *a as f32 == *b as f32 } else { a == b };
            assert!(a.len() == b.len() && a.iter().zip(b).all(close), "{name}: {what}");
        };
        assert_eq!(own.cells, mesh.cells, "{name}");
        same(&own.points, &mesh.points, "points");
        for a in &arrays {
            let expected = exact.read(0, a).unwrap();
            same(&values(&file, &a.field.name), &expected, &a.field.name);
        }
        if !name.starts_with("meshio") {
            assert_eq!(file.field_data(0).unwrap(), exact.field_data(0).unwrap(), "{name}");
        }
        n_files += 1;
    }
    assert_eq!(n_files, 7);
}

#[test]
fn all_samples_of_a_study() {
    let Some(folder) = tensile_plate() else { return };
    let mut n = 0;
    for entry in std::fs::read_dir(folder.join("samples")).unwrap() {
        let file = VtuFile::open(entry.unwrap().path()).unwrap();
        let mesh = file.mesh(0).unwrap();
        mesh.validate(file.path()).unwrap();
        let arrays = file.arrays(0).unwrap();
        assert!(arrays.len() > 5 && file.field_data(0).unwrap().len() == 5, "{arrays:?}");
        for a in &arrays {
            let values = file.read(0, a).unwrap();
            assert!(values.len() == a.field.n_dofs() && values.iter().all(|v| v.is_finite()), "{a:?}");
        }
        n += 1;
    }
    assert_eq!(n, 120);
}
