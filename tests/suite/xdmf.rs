//! XDMF: what is written is read back, equal to the bit.

use kolmo::data::Location;
use kolmo::io::mesh_file::{MeshArray, MeshFile, Number};
use kolmo::io::xdmf::XdmfFile;
use kolmo::io::xdmf::writer::XdmfWriter;
use kolmo::mesh::{CellBlock, CellType, Mesh};
use std::path::Path;

/// Bits, so that NaN and the sign of zero count too.
pub fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Two cells of a type that share their last node with others; any numbers of points will do.
fn block(cell_type: CellType, n_points: u32) -> CellBlock {
    let node = |i: usize| (7 * i as u32 + 3) % n_points;
    match cell_type {
        CellType::Polygon => CellBlock::of_sizes(cell_type, (0..12).map(node).collect(), [5, 3, 4]),
        _ => CellBlock::new(cell_type, (0..2 * cell_type.n_nodes()).map(node).collect()),
    }
}

fn mesh(dim: usize, cells: Vec<CellBlock>) -> Mesh {
    let points = (0..40 * dim).map(|i| (i as f64 * 0.7).sin() / 3.0).collect();
    Mesh { dim, points, cells }
}

fn array<'a>(
    name: &'a str,
    location: Location,
    n_components: usize,
    number: Number,
    values: &'a [f64],
) -> MeshArray<'a> {
    MeshArray { name, location, n_components, number, values }
}

/// For a look from outside: KOLMO_KEEP=FOLDER keeps a copy.
fn keep(path: &Path) {
    if let Some(folder) = std::env::var_os("KOLMO_KEEP") {
        for path in [path.with_extension("xdmf"), path.with_extension("h5")] {
            std::fs::copy(&path, Path::new(&folder).join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// Writes one state and reads its mesh back.
fn round(path: &Path, mesh: &Mesh) -> Mesh {
    let mut writer = XdmfWriter::create(path, mesh).unwrap();
    writer.append(None, None, &[], &[]).unwrap();
    writer.finish().unwrap();
    keep(path);
    let file = XdmfFile::open(path).unwrap();
    assert_eq!((file.n_states(), file.times(), file.mesh_is_shared()), (1, None, true));
    file.mesh(0).unwrap()
}

#[test]
fn cells_of_every_type_alone() {
    let folder = tempfile::tempdir().unwrap();
    for cell_type in CellType::all().filter(|&t| t != CellType::Polyhedron) {
        for dim in cell_type.dimension().max(1)..=3 {
            let mesh = mesh(dim, vec![block(cell_type, 40)]);
            let path = folder.path().join(format!("{cell_type:?}_{dim}.xdmf"));
            assert_eq!(round(&path, &mesh), mesh, "{cell_type:?} in {dim}-D");
        }
    }
}

#[test]
fn mixed_cells_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut cells: Vec<CellBlock> =
        CellType::all().filter(|&t| t != CellType::Polyhedron).map(|t| block(t, 40)).collect();
    cells.push(block(CellType::Triangle, 40));
    let mesh = mesh(3, cells);
    assert_eq!(round(&folder.path().join("mixed.xdmf"), &mesh), mesh);
    let none = self::mesh(2, vec![]);
    assert_eq!(round(&folder.path().join("none.xdmf"), &none), none);
}

#[test]
fn arrays_of_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a & b.xdmf");
    let mesh = mesh(2, vec![block(CellType::Quad, 40), block(CellType::Triangle, 40)]);
    let mut p: Vec<f64> = (0..40).map(|i| (i as f64).exp() / 7.0).collect();
    p[..6].copy_from_slice(&[f64::NAN, -0.0, f64::MIN_POSITIVE / 4.0, f64::INFINITY, f64::MAX, 1.0 / 3.0]);
    let single: Vec<f64> = p.iter().map(|&v| f64::from(v as f32)).collect();
    let wide = |k: usize, n: usize| (0..k * n).map(|i| (i as f64).sin()).collect::<Vec<f64>>();
    let (v2, v3, t6, t9, m4, c2) = (wide(2, 40), wide(3, 40), wide(6, 4), wide(9, 4), wide(4, 40), wide(2, 4));
    let tag = [3.0, -4.0, 9007199254740992.0, 0.0];
    use Location::{Cell, Free, Point};
    use Number::{Float32, Float64, Integer};
    let arrays = [
        array("p", Point, 1, Float64, &p),
        array("single", Point, 1, Float32, &single),
        array("v2", Point, 2, Float64, &v2),
        array("v3", Point, 3, Float64, &v3),
        array("m4", Point, 4, Float64, &m4),
        array("t6", Cell, 6, Float64, &t6),
        array("t9", Cell, 9, Float64, &t9),
        array("c2", Cell, 2, Float64, &c2),
        array("a<b & \"c\"", Cell, 1, Integer, &tag),
        array("p", Cell, 1, Integer, &tag),
        array("free", Free, 1, Float64, &[0.1, 5e-324]),
    ];
    let mut writer = XdmfWriter::create(&path, &mesh).unwrap();
    writer.append(None, None, &arrays, &[("mach & more".into(), vec![2.1, -1e300])]).unwrap();
    assert!(!path.exists() && !path.with_extension("h5").exists(), "nothing has its name before the end");
    writer.finish().unwrap();
    let file = XdmfFile::open(&path).unwrap();
    let found = file.arrays(0).unwrap();
    assert_eq!(found.len(), 10);
    for (info, written) in found.iter().zip(&arrays) {
        let name = if written.location == Cell && written.name == "p" { "p_cells" } else { written.name };
        assert_eq!((info.field.name.as_str(), info.field.location), (name, written.location));
        assert_eq!((info.field.n_components, info.number), (written.n_components, written.number), "{name}");
        assert_eq!(bits(&file.read(0, info).unwrap()), bits(written.values), "{name}");
    }
    let field_data = file.field_data(0).unwrap();
    assert_eq!(field_data, [("free".into(), vec![0.1, 5e-324]), ("mach & more".into(), vec![2.1, -1e300])]);
    keep(&path);
    let mut other = found[0].clone();
    other.field.name = "q".into();
    assert_eq!(file.read(0, &other).unwrap_err().code(), "K100");
    assert_eq!(file.arrays(1).unwrap_err().code(), "K100");
}

#[test]
fn large_arrays_in_several_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.xdmf");
    let n = 70_001;
    let points: Vec<f64> = (0..2 * n).map(|i| i as f64 / 7.0).collect();
    let mesh = Mesh {
        dim: 2,
        points,
        cells: vec![CellBlock::new(CellType::Line, (0..n as u32 - 1).flat_map(|i| [i, i + 1]).collect())],
    };
    let v: Vec<f64> = (0..2 * n).map(|i| (i as f64).sqrt()).collect();
    let mut writer = XdmfWriter::create(&path, &mesh).unwrap();
    writer.append(None, None, &[array("v", Location::Point, 2, Number::Float64, &v)], &[]).unwrap();
    writer.finish().unwrap();
    let file = XdmfFile::open(&path).unwrap();
    assert_eq!(file.mesh(0).unwrap(), mesh);
    assert_eq!(file.read(0, &file.arrays(0).unwrap()[0]).unwrap(), v);
    assert!(std::fs::metadata(path.with_extension("h5")).unwrap().len() < 8 * 5 * n as u64, "it is packed");
}

#[test]
fn series_of_one_mesh_and_of_several() {
    let folder = tempfile::tempdir().unwrap();
    let first = mesh(2, vec![block(CellType::Triangle, 40)]);
    let mut moved = first.clone();
    moved.points[3] += 0.5;
    let other = Mesh {
        dim: 2,
        points: vec![0., 0., 1., 0., 0., 1.],
        cells: vec![CellBlock::new(CellType::Triangle, vec![0, 1, 2])],
    };
    for (name, times, meshes) in [
        ("one mesh", Some([0.0, 0.1 + 0.2, 7.0]), [None, None, None]),
        ("moved", None, [None, Some(&moved), Some(&other)]),
        ("another first", Some([1.0, 2.0, 3.0]), [Some(&other), None, None]),
    ] {
        let path = folder.path().join(format!("{name}.xdmf"));
        let mut writer = XdmfWriter::create(&path, &first).unwrap();
        let values: Vec<Vec<f64>> =
            (0..3).map(|k| (0..meshes[k].unwrap_or(&first).n_points()).map(|i| (i + k) as f64).collect()).collect();
        for k in 0..3 {
            let p = array("p", Location::Point, 1, Number::Float64, &values[k]);
            writer.append(times.map(|t| t[k]), meshes[k], &[p], &[("k".into(), vec![k as f64])]).unwrap();
        }
        writer.finish().unwrap();
        keep(&path);
        let file = XdmfFile::open(&path).unwrap();
        // Numbers that only count the states are no times.
        assert_eq!(file.times(), times.as_ref().map(|t| &t[..]));
        assert_eq!(file.mesh_is_shared(), meshes.iter().all(Option::is_none));
        for k in 0..3 {
            assert_eq!(file.mesh(k).unwrap(), *meshes[k].unwrap_or(&first));
            let infos = file.arrays(k).unwrap();
            assert_eq!((infos.len(), file.read(k, &infos[0]).unwrap()), (1, values[k].clone()));
            assert_eq!(file.field_data(k).unwrap(), [("k".to_string(), vec![k as f64])]);
        }
    }
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 6, "{names:?}");
}

#[test]
fn a_state_with_a_time_is_a_series() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.xdmf");
    let mut writer = XdmfWriter::create(&path, &mesh(3, vec![block(CellType::Tetra, 40)])).unwrap();
    writer.append(Some(0.25), None, &[], &[]).unwrap();
    writer.finish().unwrap();
    assert_eq!(XdmfFile::open(&path).unwrap().times(), Some(&[0.25][..]));
}

#[test]
fn what_the_writer_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.xdmf");
    let mesh = mesh(3, vec![block(CellType::Tetra, 40)]);
    let faces = [4, 3, 0, 1, 2, 3, 0, 1, 3, 3, 0, 2, 3, 3, 1, 2, 3];
    let polyhedron = CellBlock::of_sizes(CellType::Polyhedron, faces.to_vec(), [faces.len()]);
    let polyhedra = Mesh { cells: vec![polyhedron], ..mesh.clone() };
    let error = XdmfWriter::create(&path, &polyhedra).unwrap_err();
    assert!(error.code() == "K009" && error.to_string().contains(".vtu"), "{error}");
    assert_eq!(XdmfWriter::create(folder.path().join("a.h5"), &mesh).unwrap_err().code(), "K009");
    assert_eq!(XdmfWriter::create(folder.path().join("no/a.xdmf"), &mesh).unwrap_err().code(), "K001");
    let mut broken = mesh.clone();
    broken.cells[0].connectivity[2] = 40;
    assert_eq!(XdmfWriter::create(&path, &broken).unwrap_err().code(), "K015");
    let mut writer = XdmfWriter::create(&path, &mesh).unwrap();
    for (location, k, n, number) in [
        (Location::Point, 1, 39, Number::Float64),
        (Location::Point, 3, 40, Number::Float64),
        (Location::Cell, 1, 40, Number::Float64),
        (Location::Cell, 0, 0, Number::Float64),
        (Location::Cell, 1, 2, Number::Integer),
    ] {
        let values = vec![0.5; n];
        let error = writer.append(None, None, &[array("p", location, k, number, &values)], &[]).unwrap_err();
        assert_eq!(error.code(), "K100", "{error}");
    }
    assert_eq!(writer.append(Some(f64::NAN), None, &[], &[]).unwrap_err().code(), "K100");
    assert_eq!(writer.append(None, Some(&polyhedra), &[], &[]).unwrap_err().code(), "K009");
    writer.append(None, None, &[], &[]).unwrap();
    writer.append(Some(1.0), None, &[], &[]).unwrap();
    assert_eq!(writer.finish().unwrap_err().code(), "K100", "a time for one of two states");
    assert_eq!(XdmfWriter::create(&path, &mesh).unwrap().finish().unwrap_err().code(), "K100", "no states");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
}
