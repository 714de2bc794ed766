//! Pieces of partitioned grids (.pvtu) and series (.pvd).

use crate::vtk_encoder::{Array, Encoding, Mode, array, encode};
use crate::vtk_xml::{values, write};
use crate::vtu::keep;
use kolmo::data::Location;
use kolmo::io::mesh_file::{MeshArray, MeshFile, Number};
use kolmo::io::vtk::pvd::{PvdFile, pieces_of, write_pvd};
use kolmo::io::vtk::pvtu::PvtuFile;
use kolmo::io::vtk::vtu_writer::write_vtu;
use kolmo::mesh::{CellBlock, CellType, Mesh};
use std::path::{Path, PathBuf};

/// A strip of quads from x = `from` on; its last cells are copies of those of the next piece.
fn strip(from: i32, n: usize, ghosts: usize, zero: f64) -> Vec<Array> {
    let x = |i: usize| f64::from(from) + i as f64;
    let points: Vec<f64> = (0..=n).flat_map(|i| [x(i), zero, 0.0, x(i), 1.0, 0.0]).collect();
    let connectivity: Vec<f64> = (0..n).flat_map(|i| [0, 2, 3, 1].map(|k| (2 * i + k) as f64)).collect();
    let ends: Vec<f64> = (1..=n).map(|i| 4.0 * i as f64).collect();
    let marks: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i + ghosts >= n))).collect();
    let at_points: Vec<f64> = (0..=n).flat_map(|i| [x(i), x(i) + 0.5]).collect();
    let on_cells: Vec<f64> = (0..n).flat_map(|i| [x(i), -x(i)]).collect();
    vec![
        array("Points", "Points", "Float64", 3, &points),
        array("Cells", "connectivity", "Int64", 1, &connectivity),
        array("Cells", "offsets", "Int64", 1, &ends),
        array("Cells", "types", "UInt8", 1, &vec![9.0; n]),
        array("PointData", "p", "Float32", 1, &at_points),
        array("CellData", "q", "Float64", 2, &on_cells),
        array("CellData", "vtkGhostType", "UInt8", 1, &marks),
    ]
}

fn partitioned(folder: &Path, sources: &[&str]) -> std::path::PathBuf {
    let pieces: String = sources.iter().map(|s| format!("<Piece Source=\"{s}\"/>\n")).collect();
    let text = format!(
        "<VTKFile type=\"PUnstructuredGrid\" version=\"1.0\">\n<PUnstructuredGrid GhostLevel=\"1\">\n<PPointData><PDataArray \
         type=\"Float32\" Name=\"p\"/></PPointData>\n{pieces}</PUnstructuredGrid>\n</VTKFile>\n"
    );
    write(folder, "all.pvtu", text.as_bytes())
}

#[test]
fn pieces_become_one_mesh() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("parts")).unwrap();
    let e = Encoding::new(Mode::Raw, "zlib");
    // The second piece has the other zero, and a ghost whose outer points belong to nothing else.
    write(folder.path(), "parts/a.vtu", &encode(e, 8, 3, &strip(0, 3, 1, 0.0)));
    write(folder.path(), "parts/none.vtu", &encode(e, 0, 0, &[]));
    write(folder.path(), "parts/b.vtu", &encode(e, 8, 3, &strip(2, 3, 1, -0.0)));
    let path = partitioned(folder.path(), &["parts/a.vtu", "parts/none.vtu", "parts/b.vtu"]);
    for arrays_first in [false, true] {
        let file = PvtuFile::open(&path).unwrap();
        if arrays_first {
            file.arrays(0).unwrap();
        }
        let mesh = file.mesh(0).unwrap();
        let expected: Vec<f64> = (0..5).flat_map(|i| [f64::from(i), 0.0, 0.0, f64::from(i), 1.0, 0.0]).collect();
        assert_eq!(mesh.points, expected);
        let quads = (0..4).flat_map(|i| [0, 2, 3, 1].map(|k| 2 * i + k)).collect();
        assert_eq!(mesh.cells, [CellBlock::new(CellType::Quad, quads)]);
        assert_eq!(values(&file, "p"), (0..5).flat_map(|i| [f64::from(i), f64::from(i) + 0.5]).collect::<Vec<_>>());
        assert_eq!(values(&file, "q"), (0..4).flat_map(|i| [f64::from(i), -f64::from(i)]).collect::<Vec<_>>());
        let names: Vec<String> = file.arrays(0).unwrap().into_iter().map(|a| a.field.name).collect();
        assert_eq!(names, ["p", "q"]);
    }
    let parts = ["a.vtu", "none.vtu", "b.vtu"].map(|n| folder.path().join("parts").join(n));
    assert_eq!(pieces_of(&path).unwrap(), parts);
    std::fs::remove_file(&parts[2]).unwrap();
    let error = PvtuFile::open(&path).unwrap_err();
    assert!(error.code() == "K001" && error.to_string().contains("parts/b.vtu"), "{error}");
    let mut other = strip(2, 3, 1, 0.0);
    other.remove(4);
    write(folder.path(), "parts/b.vtu", &encode(e, 8, 3, &other));
    let error = PvtuFile::open(&path).unwrap().arrays(0).unwrap_err();
    assert!(error.code() == "K005" && error.to_string().contains("no array `p`"), "{error}");
    assert_eq!(PvtuFile::open(partitioned(folder.path(), &[])).unwrap_err().code(), "K003");
    assert_eq!(PvtuFile::open(&parts[0]).unwrap_err().code(), "K002");
}

/// Points that lie on each other within a piece, as the two sides of a crack, stay two in each piece and are matched in order.
#[test]
fn cracks_stay_open() {
    let folder = tempfile::tempdir().unwrap();
    let e = Encoding::new(Mode::Ascii, "");
    let piece = |x: f64, n: f64| {
        [
            array("Points", "Points", "Float64", 3, &[0., 0., 0., 0., 0., 0., x, 1., 0., x, -1., 0., 0., 0., 1.]),
            array("Cells", "connectivity", "Int64", 1, &[0., 2., 4., 1., 4., 3.]),
            array("Cells", "offsets", "Int64", 1, &[3., 6.]),
            array("Cells", "types", "UInt8", 1, &[5., 5.]),
            array("PointData", "n", "Float64", 1, &[n, n + 1., n + 2., n + 3., n + 4.]),
        ]
    };
    write(folder.path(), "a.vtu", &encode(e, 5, 2, &piece(1.0, 0.0)));
    write(folder.path(), "b.vtu", &encode(e, 5, 2, &piece(-1.0, 10.0)));
    let file = PvtuFile::open(partitioned(folder.path(), &["a.vtu", "b.vtu"])).unwrap();
    let expected = vec![0, 2, 4, 1, 4, 3, 0, 5, 4, 1, 4, 6];
    assert_eq!(file.mesh(0).unwrap().cells, [CellBlock::new(CellType::Triangle, expected)]);
    assert_eq!(values(&file, "n"), [0., 1., 2., 3., 4., 12., 13.]);
}

#[test]
fn series_are_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("steps & more")).unwrap();
    let mut states = Vec::new();
    for i in 0..3 {
        let x = f64::from(i);
        let mesh = Mesh {
            dim: 2,
            points: vec![0., 0., 1. + x, 0., 0., 1.],
            cells: vec![CellBlock::new(CellType::Triangle, vec![0, 1, 2])],
        };
        let p = MeshArray {
            name: "p",
            location: Location::Point,
            n_components: 1,
            number: Number::Float64,
            values: &[x, 2. * x, 3.],
        };
        let path = folder.path().join(format!("steps & more/{i}.vtu"));
        write_vtu(&path, &mesh, &[p], &[("mu".into(), vec![x])]).unwrap();
        states.push((0.1 * x, path));
    }
    let path = folder.path().join("series.pvd");
    let (times, files): (Vec<f64>, Vec<PathBuf>) = states.into_iter().unzip();
    write_pvd(&path, Some(&times), &files).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("file=\"steps &amp; more/0.vtu\"") && text.contains("timestep=\"0.2\""), "{text}");
    keep(&path);
    let file = PvdFile::open(&path).unwrap();
    assert_eq!((file.format(), file.n_states(), file.mesh_is_shared()), ("PVD", 3, false));
    assert_eq!(file.times(), Some(&[0.0, 0.1, 0.2][..]));
    for i in [0, 2, 1, 1] {
        let x = i as f64;
        assert_eq!(file.mesh(i).unwrap().points[2], 1.0 + x);
        let arrays = file.arrays(i).unwrap();
        assert_eq!(file.read(i, &arrays[0]).unwrap(), [x, 2.0 * x, 3.0]);
        assert_eq!(file.field_data(i).unwrap(), [("mu".to_string(), vec![x])]);
    }
    assert_eq!(file.mesh(3).unwrap_err().code(), "K100");
    assert_eq!(pieces_of(&path).unwrap(), files);

    let with_part = partitioned(folder.path(), &["steps &amp; more/0.vtu"]);
    write_pvd(&path, Some(&[0.0, 1.0]), &[with_part.clone(), files[1].clone()]).unwrap();
    assert_eq!(pieces_of(&path).unwrap(), [files[0].clone(), with_part, files[1].clone()]);
    assert_eq!(PvdFile::open(&path).unwrap().mesh(0).unwrap().n_points(), 3);

    for (states, code, holds) in [
        (vec![(0.0, files[0].clone()), (0.0, files[1].clone())], "K018", "several files at the time 0"),
        (vec![(0.0, files[0].clone()), (1.0, folder.path().join("gone.vtu"))], "K001", "gone.vtu"),
        (vec![(0.0, path.clone())], "K018", ".vtu or .pvtu"),
        (vec![(f64::NAN, files[0].clone())], "K003", "timestep"),
        (vec![], "K003", "no DataSet"),
    ] {
        let (times, files): (Vec<f64>, Vec<PathBuf>) = states.into_iter().unzip();
        write_pvd(&path, Some(&times), &files).unwrap();
        let error = PvdFile::open(&path).unwrap_err();
        assert!(error.code() == code && error.to_string().contains(holds), "{error}");
    }
    std::fs::write(&path, &text[..text.len() - 20]).unwrap();
    assert_eq!(PvdFile::open(&path).unwrap_err().code(), "K003");
    assert_eq!(write_pvd(&folder.path().join("no/series.pvd"), None, &[]).unwrap_err().code(), "K001");
}
