//! Reader of OpenFOAM cases: cells, fields, time folders, refusals, damaged files.

use crate::foam_writer::*;
use kolmo::Error;
use kolmo::data::Location;
use kolmo::io::mesh_file::{MeshFile, Number};
use kolmo::io::openfoam::OpenFoamCase;
use kolmo::mesh::shape_functions::ReferenceCell;
use kolmo::mesh::{CellType, Mesh, polyhedron};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const POLY_MESH: &str = "constant/polyMesh";

/// Values of a function of the index that are not short in any base.
fn wild(n: usize) -> Vec<f64> {
    (0..n).map(|i| (i as f64 * 1.37 + 0.1).sin() * 10f64.powi(i as i32 % 7 - 3)).collect()
}

/// A case with a block of 3 x 2 x 2 cells and two times, and a start that has not all of their fields.
fn case(form: Form) -> (TempDir, FoamMesh) {
    let folder = tempfile::tempdir().unwrap();
    let mesh = FoamMesh::block([3, 2, 2], [3.0, 1.0, 0.5]);
    mesh.write(&folder.path().join(POLY_MESH), form);
    for (time, factor) in [("0", 0.0), ("0.5", 1.0), ("10", 2.0)] {
        let at = folder.path().join(time);
        write_field(&at, "p", "volScalarField", &wild(12).iter().map(|x| x * factor).collect::<Vec<_>>(), form);
        if time != "0" {
            write_field(&at, "U", "volVectorField", &wild(36), form);
        }
        write_field(&at, "phi", "surfaceScalarField", &wild(20), form);
    }
    (folder, mesh)
}

fn open(path: &Path) -> OpenFoamCase {
    OpenFoamCase::open(path).unwrap()
}

fn values(case: &OpenFoamCase, state: usize, name: &str) -> Vec<f64> {
    let array = case.arrays(state).unwrap().into_iter().find(|a| a.field.name == name).unwrap();
    let values = case.read(state, &array).unwrap();
    assert_eq!(values.len(), array.field.n_dofs());
    values
}

/// Volume enclosed by rings of points turned outwards, negative if they are turned inwards.
fn enclosed(faces: &[Vec<[f64; 3]>]) -> f64 {
    let det = |a: [f64; 3], b: [f64; 3], c: [f64; 3]| {
        a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])
    };
    faces.iter().flat_map(|f| (1..f.len() - 1).map(|i| det(f[0], f[i], f[i + 1]) / 6.0)).sum()
}

/// Checks that all cells are turned the right way round; their volumes.
fn positive_volumes(mesh: &Mesh) -> Vec<f64> {
    for block in &mesh.cells {
        for i in 0..block.n_cells() {
            let signed = if block.cell_type == CellType::Polyhedron {
                let rings = polyhedron::faces(block.cell(i)).unwrap();
                enclosed(&rings.iter().map(|ring| mesh.coordinates(ring)).collect::<Vec<_>>())
            } else {
                ReferenceCell::new(block.cell_type).volumes(&mesh.coordinates(block.cell(i)), 3).0
            };
            assert!(signed > 0.0, "{:?} {i}: {signed}", block.cell_type);
        }
    }
    mesh.validate(Path::new("case")).unwrap();
    mesh.cell_volumes()
}

#[track_caller]
fn assert_close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a} is not {b}");
}

#[test]
fn all_forms_hold_the_same_case() {
    let (text, written) = case(TEXT);
    let text = open(text.path());
    let mesh = text.mesh(0).unwrap();
    assert_eq!(mesh.points, written.points.concat());
    assert_eq!(mesh.cells.iter().map(|b| (b.cell_type, b.n_cells())).collect::<Vec<_>>(), [(CellType::Hexahedron, 12)]);
    assert!(positive_volumes(&mesh).iter().all(|v| (v - 0.125).abs() < 1e-14));
    // Cells keep their numbers, x running fastest.
    for (i, x) in mesh.cell_centres().chunks(3).enumerate() {
        let expected = [(i % 3) as f64 + 0.5, (i / 3 % 2) as f64 * 0.5 + 0.25, (i / 6) as f64 * 0.25 + 0.125];
        assert!(x.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{i}: {x:?}");
    }
    for (binary, label, scalar, packed) in (0..16).map(|i| (i & 1 > 0, 32 << (i >> 1 & 1), 32 << (i >> 2 & 1), i > 7)) {
        let form = Form { binary, label, scalar, packed };
        let (folder, _) = case(form);
        let other = open(folder.path());
        let single = binary && scalar == 32;
        let rounded =
            |x: &Vec<f64>| x.iter().map(|&x| if single { f64::from(x as f32) } else { x }).collect::<Vec<_>>();
        let read = other.mesh(1).unwrap();
        assert_eq!((&read.cells, &read.points), (&mesh.cells, &rounded(&mesh.points)), "{form:?}");
        assert_eq!(other.times(), Some(&[0.5, 10.0][..]));
        assert!(other.mesh_is_shared());
        for state in 0..2 {
            let arrays = other.arrays(state).unwrap();
            assert_eq!(arrays.iter().map(|a| a.field.name.as_str()).collect::<Vec<_>>(), ["U", "p"]);
            assert!(arrays.iter().all(|a| (a.number == Number::Float32) == single && a.field.n_entities == 12));
            assert_eq!(values(&other, state, "U"), rounded(&wild(36)));
            let factor = [1.0, 2.0][state];
            assert_eq!(values(&other, state, "p"), rounded(&wild(12).iter().map(|x| x * factor).collect()));
        }
    }
}

#[test]
fn cells_of_all_shapes_keep_their_order() {
    use CellType::{Hexahedron, Pyramid, Tetra, Wedge};
    let folder = tempfile::tempdir().unwrap();
    mixed().write(&folder.path().join(POLY_MESH), TEXT);
    let case = open(folder.path());
    assert_eq!((case.n_states(), case.times(), case.arrays(0).unwrap()), (1, None, vec![]));
    let mesh = case.mesh(0).unwrap();
    let blocks: Vec<_> = mesh.cells.iter().map(|b| (b.cell_type, b.n_cells())).collect();
    assert_eq!(blocks, [(Hexahedron, 1), (Wedge, 2), (Pyramid, 2), (Tetra, 2), (Pyramid, 3), (Hexahedron, 1)]);
    let sixth = 1.0 / 6.0;
    let expected = [1.0, 0.5, 0.5, sixth, sixth, sixth / 2.0, sixth / 2.0, sixth, sixth, sixth, 1.0];
    positive_volumes(&mesh).into_iter().zip(expected).for_each(|(a, b)| assert_close(a, b));
}

#[test]
fn other_cells_are_polyhedra_turned_outwards() {
    use CellType::{Hexahedron, Polyhedron};
    let binary = Form { binary: true, ..TEXT };
    for form in [TEXT, binary] {
        let folder = tempfile::tempdir().unwrap();
        polyhedra().write(&folder.path().join(POLY_MESH), form);
        let mesh = open(folder.path()).mesh(0).unwrap();
        let blocks: Vec<_> = mesh.cells.iter().map(|b| (b.cell_type, b.n_cells())).collect();
        assert_eq!(blocks, [(Polyhedron, 1), (Hexahedron, 1), (Polyhedron, 1)]);
        positive_volumes(&mesh).into_iter().zip([1.0, 0.5, 0.5]).for_each(|(a, b)| assert_close(a, b));
        assert_eq!(polyhedron::faces(mesh.cells[0].cell(0)).unwrap().len(), 7);
    }
}

#[test]
fn a_cell_turned_inwards_is_a_polyhedron_and_is_not_mended() {
    let mut mesh = FoamMesh::block([1, 1, 1], [1.0, 1.0, 1.0]);
    mesh.faces[0].reverse();
    let folder = tempfile::tempdir().unwrap();
    mesh.write(&folder.path().join(POLY_MESH), TEXT);
    assert_eq!(open(folder.path()).mesh(0).unwrap().cells[0].cell_type, CellType::Polyhedron);
}

#[test]
fn fields_of_all_classes() {
    let (folder, _) = case(TEXT);
    let at = folder.path().join("10");
    write_field(&at, "R", "volSymmTensorField", &wild(72), TEXT);
    write_field(&at, "G", "volTensorField", &wild(108), TEXT);
    write_field(&at, "d", "pointVectorField", &wild(108), TEXT);
    let with = |name: &str, class: &str, entries: &str| write_text_field(&at, name, class, entries);
    with("I", "volSphericalTensorField", "dimensions [0 0 0 0 0 0 0]; internalField uniform (2.5); boundaryField {}");
    with("u", "volVectorField", "a { b { c (1 {2} 3); } } internalField /* x; */ uniform (1 -2e-3 .5) // y\n;");
    with("n", "volScalarField", "oriented oriented; internalField nonuniform 12{0.25};");
    with("s", "volScalarField", "internalField nonuniform List<scalar> ( 1 2 3 4 5 6 7 8 9 10 11 12 ) ;");
    with("V", "volScalarField::Internal", "dimensions [0 3 0 0 0 0 0]; value nonuniform List<scalar> 12{3};");
    with("q", "pointScalarField", "\"a;b\" 3; internalField uniform 7;");
    fs::write(at.join("notes"), "no field").unwrap();
    fs::write(at.join("p~"), "an old copy").unwrap();
    fs::create_dir(at.join("uniform")).unwrap();
    let case = open(folder.path());
    let found: Vec<_> = case.arrays(1).unwrap().into_iter().map(|a| a.field).collect();
    let found: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.location, f.n_entities, f.n_components)).collect();
    let (cell, point) = (Location::Cell, Location::Point);
    let expected = [("G", cell, 12, 9), ("I", cell, 12, 1), ("R", cell, 12, 6), ("U", cell, 12, 3), ("V", cell, 12, 1)];
    assert_eq!(found[..5], expected);
    let expected =
        [("d", point, 36, 3), ("n", cell, 12, 1), ("p", cell, 12, 1), ("q", point, 36, 1), ("s", cell, 12, 1)];
    assert_eq!(found[5..10], expected);
    assert_eq!(found[10..], [("u", cell, 12, 3)]);
    let expected = [
        ("G", wild(108)),
        ("R", wild(72)),
        ("d", wild(108)),
        ("I", vec![2.5; 12]),
        ("V", vec![3.0; 12]),
        ("n", vec![0.25; 12]),
        ("q", vec![7.0; 36]),
        ("s", (1..=12).map(f64::from).collect()),
        ("u", [1.0, -2e-3, 0.5].repeat(12)),
    ];
    for (name, expected) in expected {
        assert_eq!(values(&case, 1, name), expected, "{name}");
    }
    // What one time lacks is named, with what it has.
    let only_later = case.arrays(1).unwrap().into_iter().find(|a| a.field.name == "R").unwrap();
    let e = case.read(0, &only_later).unwrap_err();
    assert!(e.code() == "K006" && e.to_string().contains("one of U, p"), "{e}");
    assert_eq!(case.read(2, &only_later).unwrap_err().code(), "K100");
}

#[test]
fn states_are_times_in_order() {
    let (folder, mesh) = case(TEXT);
    for time in ["1e-05", "-2", "0.25"] {
        write_text_field(&folder.path().join(time), "p", "volScalarField", "internalField uniform 1;");
    }
    fs::create_dir(folder.path().join("20")).unwrap();
    fs::create_dir(folder.path().join("0.orig")).unwrap();
    fs::write(folder.path().join("30"), "a file").unwrap();
    fs::write(folder.path().join("a.foam"), "").unwrap();
    write_text_field(&folder.path().join("system"), "controlDict", "dictionary", "");
    let names = ["", "a.foam", "system/controlDict"];
    for name in names {
        let case = open(&folder.path().join(name));
        assert_eq!(case.times(), Some(&[-2.0, 0.0, 1e-5, 0.25, 0.5, 10.0][..]), "{name}");
    }
    fs::remove_dir_all(folder.path().join("-2")).unwrap();
    assert_eq!(open(folder.path()).times(), Some(&[1e-5, 0.25, 0.5, 10.0][..]));
    ["1e-05", "0.25", "0.5", "10"].iter().for_each(|t| fs::remove_dir_all(folder.path().join(t)).unwrap());
    assert_eq!(open(folder.path()).times(), Some(&[0.0][..]));
    fs::remove_dir_all(folder.path().join("0")).unwrap();
    let case = open(folder.path());
    assert_eq!((case.n_states(), case.times()), (1, None));
    assert_eq!(case.mesh(0).unwrap().points, mesh.points.concat());
}

#[test]
fn meshes_that_move_and_change() {
    let (folder, mut mesh) = case(TEXT);
    let at = |time: &str| folder.path().join(time).join("polyMesh");
    mesh.points.iter_mut().for_each(|x| x[0] *= 2.0);
    mesh.write_points(&at("0.25"), TEXT);
    let other = FoamMesh::block([2, 1, 1], [1.0, 1.0, 1.0]);
    other.write(&at("7"), TEXT);
    write_text_field(&folder.path().join("7.5"), "p", "volScalarField", "internalField uniform 1;");
    write_text_field(&folder.path().join("0.125"), "p", "volScalarField", "internalField uniform 1;");
    let case = open(folder.path());
    assert_eq!(case.times(), Some(&[0.125, 0.5, 7.5, 10.0][..]));
    assert!(!case.mesh_is_shared());
    let volume = |state| case.mesh(state).unwrap().cell_volumes().iter().sum::<f64>();
    [1.5, 3.0, 1.0, 1.0].into_iter().enumerate().for_each(|(state, v)| assert_close(volume(state), v));
    assert_eq!(values(&case, 1, "p").len(), 12);
    assert_eq!(values(&case, 2, "p"), [1.0; 2]);
    let array = &case.arrays(3).unwrap()[0];
    assert_eq!(case.read(3, array).unwrap_err().code(), "K005");
}

#[test]
fn forms_of_old_versions() {
    let binary = Form { binary: true, ..TEXT };
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join(POLY_MESH);
    let mut mesh = polyhedra();
    mesh.write(&at, TEXT);
    let expected = open(folder.path()).mesh(0).unwrap();
    // Faces one by one in binary; -1 where a face has no neighbour.
    mesh.neighbour.resize(mesh.faces.len(), -1);
    mesh.write(&at, binary);
    let faces = mesh.faces.iter().flat_map(|f| labels(&f.iter().map(|&p| i64::from(p)).collect::<Vec<_>>(), binary));
    let content: Vec<u8> = format!("{}\n(", mesh.faces.len()).bytes().chain(faces).chain(*b")").collect();
    write_file(&at, "faces", "faceList", binary, &content);
    assert_eq!(open(folder.path()).mesh(0).unwrap(), expected);
    write_text_field(&folder.path().join("1"), "p", "volScalarField", "internalField uniform 1;");
    assert_eq!(values(&open(folder.path()), 0, "p"), [1.0; 3]);
}

/// Opens, reads everything.
fn read_all(folder: &Path) -> Result<Vec<f64>, Error> {
    let case = OpenFoamCase::open(folder)?;
    let mut all = Vec::new();
    for state in 0..case.n_states() {
        all.extend(case.mesh(state)?.points);
        for array in case.arrays(state)? {
            all.extend(case.read(state, &array)?);
        }
    }
    Ok(all)
}

/// Spoils a case and checks the refusal.
#[track_caller]
fn refused(spoil: impl FnOnce(&Path), code: &str, holds: &[&str]) {
    let (folder, _) = case(TEXT);
    assert!(read_all(folder.path()).is_ok());
    spoil(folder.path());
    let e = read_all(folder.path()).unwrap_err();
    assert_eq!(e.code(), code, "{e}");
    holds.iter().for_each(|text| assert!(e.to_string().contains(text), "`{text}` is missing: {e}"));
}

/// Replaces a text in a file.
#[track_caller]
fn replace(file: PathBuf, old: &str, new: &str) {
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(old), "{text}");
    fs::write(file, text.replacen(old, new, 1)).unwrap();
}

#[test]
fn refusals_of_what_is_not_read() {
    let p = |entries: &'static str| move |f: &Path| write_text_field(&f.join("10"), "p", "volScalarField", entries);
    refused(p("#include \"x\"\ninternalField uniform 1;"), "K018", &["10/p", "line", "#include"]);
    refused(p("internalField $internalField;"), "K018", &["`$internalField`", "let the solver write the field"]);
    refused(p("internalField uniform $x;"), "K018", &["`$x`"]);
    refused(p("internalField nonuniform #codeStream { };"), "K018", &["`#codeStream`"]);
    refused(p("internalField #calc \"1\";"), "K018", &["`#calc`"]);
    refused(
        |f| {
            let binary = Form { binary: true, label: 64, ..TEXT };
            write_field(&f.join("10"), "p", "volScalarField", &wild(12), binary);
            let bytes = fs::read(f.join("10/p")).unwrap();
            let at = bytes.windows(3).position(|w| w == b"LSB").unwrap();
            fs::write(f.join("10/p"), [&bytes[..at], b"MSB", &bytes[at + 3..]].concat()).unwrap();
        },
        "K018",
        &["MSB", "foamFormatConvert"],
    );
    refused(
        |f| {
            fs::create_dir_all(f.join("processor0/constant/polyMesh")).unwrap();
            fs::remove_dir_all(f.join("constant/polyMesh")).unwrap();
        },
        "K018",
        &["processor0", "run reconstructPar"],
    );
    refused(
        |f| {
            fs::create_dir_all(f.join("processors4/0.5")).unwrap();
            ["0.5", "10"].iter().for_each(|t| fs::remove_dir_all(f.join(t)).unwrap());
        },
        "K018",
        &["processors4", "run reconstructPar"],
    );
    refused(
        |f| {
            fs::create_dir_all(f.join("constant/air")).unwrap();
            fs::rename(f.join(POLY_MESH), f.join("constant/air/polyMesh")).unwrap();
        },
        "K018",
        &["constant/air", "several regions"],
    );
    refused(|f| fs::remove_dir_all(f.join("constant")).unwrap(), "K001", &["polyMesh/faces", "no such file"]);
    refused(|f| fs::remove_file(f.join("constant/polyMesh/owner")).unwrap(), "K001", &["polyMesh/owner"]);
    let e = OpenFoamCase::open(Path::new("Cargo.toml")).unwrap_err();
    assert!(e.code() == "K002" && e.to_string().contains("the folder of an OpenFOAM case"), "{e}");
    assert_eq!(OpenFoamCase::open(Path::new("no such case")).unwrap_err().code(), "K001");
}

#[test]
fn refusals_of_damaged_files() {
    let mesh = |name: &str, old: &'static str, new: &'static str| {
        let name = format!("{POLY_MESH}/{name}");
        move |f: &Path| replace(f.join(name), old, new)
    };
    let p = |entries: &'static str| move |f: &Path| write_text_field(&f.join("10"), "p", "volScalarField", entries);
    refused(mesh("points", "vectorField", "labelList"), "K002", &["the class labelList", "vectorField"]);
    refused(mesh("points", "FoamFile", "FoamFil"), "K002", &["no header FoamFile"]);
    refused(mesh("points", "ascii", "text"), "K003", &["line 6", "text", "ascii or binary"]);
    refused(mesh("points", "(1 0 0)", "(1 0 nan)"), "K004", &["point 1, coordinate 2", "NaN"]);
    refused(mesh("points", "(1 0 0)", "(1 0)"), "K003", &["line 17", "`)`", "a number"]);
    refused(mesh("points", "36\n", "37\n"), "K003", &["`)`", "`(`"]);
    refused(mesh("points", "36\n", "4000000000\n"), "K003", &["bytes", "a list of 4000000000 entries"]);
    refused(mesh("points", "36\n(", "4000000000{(0 0 0)} ("), "K003", &["equal entries"]);
    refused(mesh("faces", "4(", "4000000000("), "K003", &["a list of 4000000000 entries"]);
    refused(mesh("faces", "4(", "4000000000{1} ("), "K003", &["equal entries"]);
    refused(mesh("faces", "4(", "2("), "K003", &["`)`"]);
    refused(mesh("faces", "4(1 ", "4(36 "), "K015", &["face 0", "36", "from 0 to 35"]);
    refused(mesh("faces", "4(1 ", "4(-5 "), "K003", &["`-5`", "a label"]);
    refused(mesh("owner", "10\n0\n0\n0\n", "10\n1\n1\n1\n"), "K015", &["cell 0", "3 faces", "4 faces or more"]);
    refused(mesh("owner", "(\n0\n", "(\n-1\n"), "K003", &["cell -1 among 52 faces"]);
    refused(mesh("owner", "(\n0\n", "(\n4000000000\n"), "K003", &["cell 4000000000 among 52 faces"]);
    refused(mesh("owner", "(\n0\n", "(\n0\n0\n"), "K003", &["`)`"]);
    refused(mesh("owner", "52\n", "51\n"), "K005", &["a list of 51 entries", "expected 52"]);
    refused(mesh("neighbour", "(\n1\n", "(\n0\n"), "K015", &["face 0", "one cell on both sides"]);
    refused(p("internalField nonuniform List<vector> 12{0};"), "K003", &["List<vector>", "List<scalar>"]);
    refused(p("internalField nonuniform List<scalar> 11{0};"), "K005", &["a list of 11 entries", "expected 12"]);
    refused(p("internalField nonuniform List<scalar> 4000000000{0};"), "K005", &["4000000000"]);
    refused(p("internalField nonuniform 3(1 2 3);"), "K005", &["a list of 3 entries", "expected 12"]);
    refused(p("internalField nonuniform (1 2 3);"), "K005", &["a list of 3 entries", "expected 12"]);
    refused(p("internalField uniform (1 2);"), "K003", &["`2`", "`)`"]);
    refused(p("internalField uniform 1,5;"), "K003", &["line 14", "`1,5`", "a number"]);
    refused(p("internalField uniform 1"), "K003", &["the end of the file", "`;`"]);
    refused(p("dimensions [0 0 0 0 0 0 0];"), "K003", &["the entry `internalField`"]);
    refused(p("dimensions [0 0 0 0 0 0 0]; /* internalField uniform 1;"), "K003", &["`*/`"]);
    refused(|f| fs::write(f.join("10/p"), "").unwrap(), "K003", &["10/p", "an empty file"]);
    refused(
        |f| {
            fs::remove_file(f.join("10/p")).unwrap();
            fs::write(f.join("10/p.gz"), "FoamFile").unwrap();
        },
        "K003",
        &["p.gz", "gzip"],
    );
}

/// All files of a case.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    found.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

const FORMS: [Form; 4] = [
    TEXT,
    Form { packed: true, ..TEXT },
    Form { binary: true, ..TEXT },
    Form { binary: true, label: 64, scalar: 32, packed: false },
];

#[test]
fn files_cut_short_are_refused_or_whole() {
    for form in FORMS {
        let (folder, _) = case(form);
        let whole = read_all(folder.path()).unwrap();
        for file in files(folder.path()) {
            let bytes = fs::read(&file).unwrap();
            let (last, mut n_refused) = (bytes.len() - 1, 0);
            for end in (0..last).step_by(1 + last / 17).chain([last]) {
                fs::write(&file, &bytes[..end]).unwrap();
                // Without its header a file is no field, so there is less to read.
                match read_all(folder.path()) {
                    Ok(values) => assert!(values == whole || values.len() < whole.len(), "{file:?} {end}"),
                    Err(e) => {
                        n_refused += 1;
                        assert_eq!(e.exit_code(), 2, "{e}");
                    }
                }
            }
            let is_read = !file.to_string_lossy().contains("phi") && !file.starts_with(folder.path().join("0"));
            assert!(n_refused > 8 || !is_read, "{file:?}: {n_refused}");
            fs::write(&file, bytes).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// Whatever bytes are changed: values or a refusal, and never more memory than a case of this size needs.
    #[test]
    fn changed_bytes_never_panic(
        form in 0..4usize,
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4),
    ) {
        let (folder, _) = case(FORMS[form]);
        let files = files(folder.path());
        let file = which.get(&files);
        let mut bytes = fs::read(file).unwrap();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b"0123456789(){};-$/"[byte as usize % 18]),
                _ => drop(bytes.remove(at)),
            }
        }
        fs::write(file, bytes).unwrap();
        if let Err(e) = read_all(folder.path()) {
            prop_assert_eq!(e.exit_code(), 2);
        }
    }
}
