//! What `convert` and `predict` write as legacy VTK, gmsh and NumPy, read back; tests/reference/written_files.py opens it in
//! other programs.

use crate::tool::{Stacked, check_message, data_sets, kolmo, write_text};
use crate::xdmf::bits;
use kolmo::data::Location;
use kolmo::io::mesh_file::{ArrayInfo, MeshArray, MeshFile, Number};
use kolmo::io::npz_writer::write_npz;
use kolmo::io::numpy::NumpyFile;
use kolmo::io::sample_writer::SampleWriter;
use kolmo::io::stacked::StackedFile;
use kolmo::io::stacked_writer::Tables;
use kolmo::io::vtk::legacy_writer::write_vtk;
use kolmo::io::vtk::vtu::VtuFile;
use kolmo::io::vtk::vtu_writer::write_vtu;
use kolmo::io::{SnapshotSource, open_mesh};
use kolmo::mesh::{CellBlock, CellType, Mesh};
use ndarray::{Array1, Array2, Array3};
use ndarray_npy::NpzReader;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name)
}

/// Files of one state that hold, together, all cell types, scalars and vectors on points and cells, both precisions, integers.
const SAMPLES: [&str; 8] = [
    "vtk_raw_zlib.vtu",
    "vtk_51_binary.vtk",
    "gmsh_41_binary_2.msh",
    "fenicsx_hexahedron27.xdmf",
    "meshio_hexahedron20.xdmf",
    "meshio_wedge15.xdmf",
    "vtk_mixed.xmf",
    "meshio_plane.xdmf",
];

/// The cells with their values, each by its own name and place: readers may sort cells by type.
fn cells(file: &dyn MeshFile) -> Vec<(CellType, Vec<u32>)> {
    let mesh = file.mesh(0).unwrap();
    let blocks = mesh.cells.iter().flat_map(|b| b.iter().map(|cell| (b.cell_type, cell.to_vec())));
    let mut cells: Vec<_> = blocks.collect();
    cells.sort_by_key(|(kind, nodes)| (kind.name(), nodes.clone()));
    cells
}

fn points(file: &dyn MeshFile) -> Vec<u64> {
    let mesh = file.mesh(0).unwrap();
    (0..mesh.n_points()).flat_map(|i| bits(&mesh.point(i))).collect()
}

/// Arrays by name: their kind, components and the bits of their values, those on cells in the order of [`cells`].
fn arrays(file: &dyn MeshFile) -> BTreeMap<String, (Number, usize, Vec<Vec<u64>>)> {
    let mesh = file.mesh(0).unwrap();
    let all = mesh.cells.iter().flat_map(|b| b.iter().map(|cell| (b.cell_type.name(), cell.to_vec())));
    let mut order: Vec<_> = all.enumerate().map(|(i, key)| (key, i)).collect();
    order.sort();
    let rows = |a: &ArrayInfo| {
        let (values, k) = (file.read(0, a).unwrap(), a.field.n_components);
        let row = |i: usize| bits(&values[i * k..(i + 1) * k]);
        match a.field.location {
            Location::Cell => order.iter().map(|(_, i)| row(*i)).collect(),
            _ => (0..values.len() / k).map(row).collect(),
        }
    };
    let found = file.arrays(0).unwrap();
    found.iter().map(|a| (a.field.name.clone(), (a.number, a.field.n_components, rows(a)))).collect()
}

#[test]
fn samples_of_other_programs_through_legacy_vtk() {
    for name in SAMPLES {
        let folder = tempfile::tempdir().unwrap();
        let from = sample(name);
        kolmo(folder.path(), &["convert", from.to_str().unwrap(), "o.vtk"]).success();
        let (one, other) = (open_mesh(&from).unwrap(), open_mesh(&folder.path().join("o.vtk")).unwrap());
        assert_eq!(points(one.as_ref()), points(other.as_ref()), "{name}");
        assert_eq!(cells(one.as_ref()), cells(other.as_ref()), "{name}");
        assert_eq!(arrays(one.as_ref()), arrays(other.as_ref()), "{name}");
        for (key, values) in one.field_data(0).unwrap() {
            let found = other.field_data(0).unwrap().into_iter().find(|(n, _)| *n == key);
            assert_eq!(found.map(|(_, v)| bits(&v)), Some(bits(&values)), "{name}: {key}");
        }
        assert_eq!(one.times().map(bits), other.times().map(bits), "{name}");
    }
}

#[test]
fn samples_of_other_programs_through_gmsh() {
    for name in SAMPLES {
        let folder = tempfile::tempdir().unwrap();
        let from = sample(name);
        kolmo(folder.path(), &["convert", from.to_str().unwrap(), "o.msh"]).success();
        let (one, other) = (open_mesh(&from).unwrap(), open_mesh(&folder.path().join("o.msh")).unwrap());
        assert_eq!(points(one.as_ref()), points(other.as_ref()), "{name}");
        assert_eq!(cells(one.as_ref()), cells(other.as_ref()), "{name}");
        let found = arrays(other.as_ref());
        for (key, (number, k, rows)) in arrays(one.as_ref()) {
            let (its_number, its_k, its_rows) = &found[&key];
            // Vectors of two components have three, all but the groups are in double precision.
            let stored = if k == 2 { 3 } else { k };
            let padded: Vec<Vec<u64>> = rows.iter().map(|r| [r.as_slice(), &vec![0; stored - k]].concat()).collect();
            assert_eq!((*its_k, its_rows), (stored, &padded), "{name}: {key}");
            assert_eq!(*its_number == Number::Integer, key.starts_with("gmsh:"), "{name}: {key}, {number:?}");
        }
        // Groups that the source does not have: all elements are of the entity 1, and of no group.
        if !arrays(one.as_ref()).contains_key("gmsh:geometrical") {
            assert!(found["gmsh:geometrical"].2.iter().all(|row| *row == bits(&[1.0])));
            assert!(!found.contains_key("gmsh:physical"));
        }
    }
}

fn polyhedra() -> Mesh {
    VtuFile::open(sample("vtk_polyhedra_raw.vtu")).unwrap().mesh(0).unwrap()
}

#[test]
fn polyhedra_in_legacy_files_and_not_in_those_of_gmsh() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mesh) = (folder.path().join("a.vtk"), polyhedra());
    write_vtk(&path, &mesh, &[], &[]).unwrap();
    // The reader gathers cells by type.
    let whole = folder.path().join("a.vtu");
    write_vtu(&whole, &mesh, &[], &[]).unwrap();
    assert_eq!(cells(open_mesh(&path).unwrap().as_ref()), cells(open_mesh(&whole).unwrap().as_ref()));
    let msh = folder.path().join("a.msh");
    let mut writer = SampleWriter::create(&msh, &["a".into()]).unwrap();
    let error = writer.append(None, &mesh, &[], &[]).unwrap_err();
    assert!(error.code() == "K009" && error.to_string().contains(".vtu"), "{error}");
    drop(writer);
    assert!(!msh.exists());
}

fn triangle() -> Mesh {
    Mesh {
        dim: 2,
        points: vec![0., 0., 1., 0., 0., 1.],
        cells: vec![CellBlock::new(CellType::Triangle, vec![0, 1, 2])],
    }
}

fn on_points<'a>(name: &'a str, number: Number, values: &'a [f64]) -> MeshArray<'a> {
    MeshArray { name, location: Location::Point, n_components: values.len() / 3, number, values }
}

#[test]
fn names_and_integers_of_legacy_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.vtk");
    let (wide, narrow, odd) =
        ([9_007_199_254_740_992.0, -1.0, 0.0], [-2_147_483_647.0, 2_147_483_647.0, 0.0], [0.1; 6]);
    let arrays = [
        on_points("wide", Number::Integer, &wide),
        on_points("narrow", Number::Integer, &narrow),
        on_points("ein \"Wort\" 5 % für x", Number::Float64, &odd),
    ];
    write_vtk(&path, &triangle(), &arrays, &[("M a".into(), vec![1.0 / 3.0, 2.0])]).unwrap();
    let file = open_mesh(&path).unwrap();
    for (a, expected) in file.arrays(0).unwrap().iter().zip(&arrays) {
        let found = (a.field.name.as_str(), a.number, a.field.n_components);
        assert_eq!(found, (expected.name, expected.number, expected.n_components));
        assert_eq!(bits(&file.read(0, a).unwrap()), bits(expected.values), "{}", expected.name);
    }
    assert_eq!(file.field_data(0).unwrap(), [("M a".to_string(), vec![1.0 / 3.0, 2.0])]);
    let bytes = std::fs::read(&path).unwrap();
    let holds = |word: &[u8]| bytes.windows(word.len()).any(|w| w == word);
    assert!(holds(b"wide 1 3 vtktypeint64\n") && holds(b"narrow 1 3 int\n"));
    let fraction = [on_points("n", Number::Integer, &[0.5, 1.0, 2.0])];
    assert_eq!(write_vtk(&path, &triangle(), &fraction, &[]).unwrap_err().code(), "K100");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_series_of_gmsh_on_one_mesh() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.msh");
    let names: Vec<String> = ["a", "b"].map(String::from).into();
    let mut writer = SampleWriter::create(&path, &names).unwrap();
    for time in [0.5, 1.5] {
        let values = [time, -time, 0.1];
        writer.append(Some(time), &triangle(), &[on_points("p", Number::Float64, &values)], &[]).unwrap();
    }
    writer.finish(None, None).unwrap();
    let file = open_mesh(&path).unwrap();
    assert_eq!((file.n_states(), file.times()), (2, Some(&[0.5, 1.5][..])));
    let p = file.arrays(1).unwrap().into_iter().find(|a| a.field.name == "p").unwrap();
    assert_eq!(file.read(1, &p).unwrap(), [1.5, -1.5, 0.1]);
    // Another mesh has no place, and nothing is left of the file.
    let other = folder.path().join("b.msh");
    let mut writer = SampleWriter::create(&other, &names).unwrap();
    writer.append(None, &triangle(), &[], &[]).unwrap();
    let moved = Mesh { points: vec![0., 0., 2., 0., 0., 1.], ..triangle() };
    let error = writer.append(None, &moved, &[], &[]).unwrap_err();
    assert!(error.code() == "K009" && error.to_string().contains(".pvd"), "{error}");
    drop(writer);
    assert!(!other.exists());
}

#[test]
fn stacked_samples_as_numpy_arrays_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = Stacked::new(12, 4);
    data.write(folder, "train.h5");
    let run = kolmo(folder, &["convert", "train.h5", "train.npz"]).success();
    assert!(run.line("warning:").contains("mesh"), "{run:#?}");
    let mut npz = NpzReader::new(std::fs::File::open(folder.join("train.npz")).unwrap()).unwrap();
    assert_eq!(npz.by_name::<_, ndarray::Ix2>("pressure").unwrap() as Array2<f64>, data.snapshots[0].1);
    assert_eq!(npz.by_name::<_, ndarray::Ix2>("parameters").unwrap() as Array2<f64>, data.parameters);
    kolmo(folder, &["convert", "train.npz", "back.h5"]).success();
    let (first, back) = (data_sets(&folder.join("train.h5")), data_sets(&folder.join("back.h5")));
    for name in ["/parameters", "/snapshots/pressure", "/snapshots/density"] {
        assert_eq!(first[name], back[name], "{name}");
    }
    let source = NumpyFile::open(folder.join("train.npz")).unwrap();
    assert_eq!(source.parameters().unwrap().names, ["mach", "gamma"]);
    kolmo(folder, &["fit", "train.npz", "-o", "model.h5"]).success();
    kolmo(folder, &["predict", "model.h5", "--at", "mach=1.5,gamma=0.5", "-o", "p.h5"]).success();
}

#[test]
fn kinds_of_arrays_in_npz_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let file = hdf5::File::create(&path).unwrap();
    let (single, vector) =
        (Array2::from_elem((3, 4), 0.1f32), Array3::from_shape_fn((3, 4, 2), |(i, j, k)| (i + j * k) as f64));
    file.new_dataset_builder().with_data(&single).create("snapshots/single").unwrap();
    file.new_dataset_builder().with_data(&vector).create("snapshots/u").unwrap();
    file.new_dataset_builder().with_data(&single).create("snapshots/time").unwrap();
    drop(file);
    let source = StackedFile::open(&path).unwrap();
    let fields: Vec<_> = source.fields().iter().filter(|f| f.name != "time").cloned().collect();
    let write = |fields: &[kolmo::data::FieldInfo], memory: f64| {
        let tables = Tables { time: Some(&[0.5, 0.25]), ..Tables::default() };
        write_npz(&folder.path().join("a.npz"), &source, &[2, 0], fields, tables, memory, &|_, _| ())
    };
    assert_eq!(write(source.fields(), 1e9).unwrap_err().code(), "K009");
    for memory in [0.0, 1e9] {
        write(&fields, memory).unwrap();
        let mut npz = NpzReader::new(std::fs::File::open(folder.path().join("a.npz")).unwrap()).unwrap();
        let found: Array3<f64> = npz.by_name("u").unwrap();
        assert_eq!(found, vector.select(ndarray::Axis(0), &[2, 0]));
        let found: Array2<f32> = npz.by_name("single").unwrap();
        assert_eq!(found, Array2::from_elem((2, 4), 0.1f32));
        let found: Array1<f64> = npz.by_name("time").unwrap();
        assert_eq!(found.to_vec(), [0.5, 0.25]);
    }
}

#[test]
fn a_slash_behind_a_name_means_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    Stacked::new(5, 2).write(folder.path(), "train.h5");
    kolmo(folder.path(), &["convert", "train.h5", "run.7/"]).success();
    assert!(folder.path().join("run.7/sample_4.vtu").is_file());
    let run = kolmo(folder.path(), &["convert", "train.h5", "run.8"]);
    check_message(&run, 2, &["K009"], &["run.8", ".npz", ".msh"]);
    let run = kolmo(folder.path(), &["convert", "train.h5", "a.vtk"]);
    check_message(&run, 2, &["K009"], &["a.vtk", "5 samples"]);
}

#[test]
fn files_of_no_kind_are_told_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    write_text(folder.path(), "notes.txt", "longer than eight bytes");
    for verb in ["info", "check"] {
        let run = kolmo(folder.path(), &[verb, "notes.txt"]);
        check_message(&run, 2, &["K002"], &["notes.txt", ".txt", ".h5", ".npz", ".vtu"]);
    }
    // What is called .h5 and is none may be a model with a damaged start.
    write_text(folder.path(), "model.h5", "longer than eight bytes");
    check_message(&kolmo(folder.path(), &["info", "model.h5"]), 2, &["K002"], &["model"]);
}

/// Meshes of the same bytes are taken for the same without being decoded: what is not the same must differ in them.
#[test]
fn encoded_meshes_tell_meshes_apart() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, mesh: &Mesh, values: &[f64]| {
        let path = folder.path().join(name);
        write_vtu(&path, mesh, &[on_points("p", Number::Float64, values)], &[("mu".into(), values.to_vec())]).unwrap();
        path
    };
    let encoded = |path: &Path| open_mesh(path).unwrap().encoded_mesh(0).unwrap().unwrap();
    let first = written("a.vtu", &triangle(), &[1.0, 2.0, 3.0]);
    assert_eq!(encoded(&first), encoded(&written("b.vtu", &triangle(), &[0.3, 1e9, -1.0])));
    let turned = Mesh { cells: vec![CellBlock::new(CellType::Triangle, vec![0, 2, 1])], ..triangle() };
    let moved = Mesh { points: vec![0., 0., 1., 0., 0., 1.0 + f64::EPSILON], ..triangle() };
    for other in [turned, moved] {
        assert_ne!(encoded(&first), encoded(&written("c.vtu", &other, &[1.0, 2.0, 3.0])));
    }
    // The same bytes as other numbers.
    let text = std::fs::read(&first).unwrap();
    let change = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = text.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut bytes = text.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        let path = folder.path().join("d.vtu");
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (from, to) in [
        ("type=\"Float64\" Name=\"Points\"", "type=\"UInt64\"  Name=\"Points\""),
        ("OriginalComponents=\"2\"", "OriginalComponents=\"3\""),
        ("byte_order=\"LittleEndian\"", "byte_order=\"BigEndian\"   "),
        ("header_type=\"UInt64\"", "header_type=\"UInt32\""),
    ] {
        assert_ne!(encoded(&first), encoded(&change(from, to)), "{to}");
    }
    // In all files of other programs: meshes of the same bytes are the same, and every program's are told apart from the next one's.
    let names = std::fs::read_dir(sample("")).unwrap().map(|e| e.unwrap().path());
    let files: Vec<_> = names.filter(|p| p.extension().is_some_and(|e| e == "vtu" || e == "pvd")).collect();
    let known: Vec<_> = files
        .iter()
        .filter_map(|p| open_mesh(p).ok())
        .filter_map(|f| Some((f.encoded_mesh(0).ok()??, f.mesh(0).ok()?)))
        .collect();
    let mut n_same = 0;
    for (i, (bytes, mesh)) in known.iter().enumerate() {
        for (other_bytes, other) in &known[..i] {
            n_same += usize::from(bytes == other_bytes);
            assert!(bytes != other_bytes || mesh == other);
        }
    }
    assert!(known.len() > 15 && n_same > 0, "{} files, {n_same} pairs", known.len());
}
