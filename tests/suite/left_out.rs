//! What goes from one layout to another, and that what does not go is said by name.

use crate::foam_writer::{FoamMesh, TEXT, write_field};
use crate::joined_tables::{quads, value};
use crate::tool::{Run, Stacked, check_message, contents, data_sets, kolmo, write_text};
use kolmo::io::SnapshotSource;
use kolmo::io::mesh_file::MeshFile;
use kolmo::io::open_mesh;
use kolmo::io::openfoam::OpenFoamCase;
use kolmo::io::stacked::StackedFile;
use ndarray::Array2;
use ndarray_npy::NpzWriter;
use serde_json::Value;
use std::io::{Read, Write};
use std::path::Path;

/// Names of the fields that `info` tells.
fn fields(folder: &Path, file: &str) -> Vec<String> {
    let run = kolmo(folder, &["info", file, "--json"]).success();
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    value["fields"].as_object().unwrap().keys().cloned().collect()
}

#[track_caller]
fn warned(run: Run, words: &[&str]) {
    let run = run.success();
    let line = run.line("warning: ");
    words.iter().for_each(|word| assert!(line.contains(word), "`{word}` is missing: {line}"));
}

#[test]
fn names_with_slashes_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let names = ["p", "p/q", "p_q", "p_q/r"];
    quads(&folder.join("runs"), 6, &names, &|i| value("a", &(0.1 * i as f64).to_string()));
    for file in ["c.h5", "c.npz", "e.xdmf", "c.pvd"] {
        kolmo(folder, &["convert", "runs", file]).success();
        assert_eq!(fields(folder, file), names, "{file}");
    }
    // The values of each field are its own, to the bit.
    kolmo(folder, &["convert", "c.h5", "back/"]).success();
    for (i, name) in names.iter().enumerate() {
        let file = open_mesh(&folder.join("back/sample_2.vtu")).unwrap();
        let array = file.arrays(0).unwrap().into_iter().find(|a| a.field.name == *name).unwrap();
        let expected = [0, 1, 2, 3].map(|k| (3 * (k + 1)) as f64 + names[i].len() as f64);
        assert_eq!(file.read(0, &array).unwrap(), expected, "{name}");
    }
    kolmo(folder, &["fit", "c.h5", "-o", "m.h5"]).success();
    kolmo(folder, &["predict", "m.h5", "--at", "a=0.25", "-o", "p.h5"]).success();
    assert_eq!(fields(folder, "p.h5"), names);
    kolmo(folder, &["convert", "p.h5", "p.vtu"]).success();
    let found = fields(folder, "p.vtu");
    for name in names {
        assert!(
            ["", "_std", "_interval"].iter().all(|end| found.contains(&format!("{name}{end}"))),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn tables_with_rows_of_other_samples_are_spared() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = Stacked::new(6, 2);
    data.write(folder, "train.h5");
    kolmo(folder, &["convert", "train.h5", "all/"]).success();
    let before = contents(&folder.join("all"));
    check_message(&kolmo(folder, &["convert", "all/sample_3.vtu", "all"]), 2, &["K009"], &["sample_3.vtu"]);
    quads(&folder.join("runs"), 3, &["p"], &|i| value("a", &i.to_string()));
    let words = ["all/parameters.csv", "6 other samples", "sample_0"];
    check_message(&kolmo(folder, &["convert", "runs", "all"]), 2, &["K009"], &words);
    assert_eq!(contents(&folder.join("all")), before);
    // The same samples again, and others into a folder of their own.
    kolmo(folder, &["convert", "train.h5", "all"]).success();
    assert_eq!(contents(&folder.join("all")), before);
    kolmo(folder, &["convert", "runs", "own"]).success();
    // Predictions likewise.
    kolmo(folder, &["fit", "train.h5", "-o", "m.h5"]).success();
    write_text(folder, "p.csv", "sample,mach,gamma\nx,1.5,0.5\n");
    let run = kolmo(folder, &["predict", "m.h5", "--parameters", "p.csv", "-o", "all"]);
    check_message(&run, 2, &["K009"], &["all/parameters.csv"]);
    assert_eq!(contents(&folder.join("all")), before);
}

#[test]
fn arrays_of_an_archive_with_other_rows_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |name: &str, arrays: &[(&str, usize)]| {
        let mut npz = NpzWriter::new(std::fs::File::create(folder.join(name)).unwrap());
        for &(array, n) in arrays {
            let width = if array == "parameters" { 2 } else { 5 };
            let values = Array2::from_shape_fn((n, width), |(i, j)| ((i + 1) * (j + 2)) as f64 + (i * i) as f64 * 0.1);
            npz.add_array(array, &values).unwrap();
        }
        npz.finish().unwrap();
    };
    write("t.npz", &[("t", 7), ("u", 8), ("parameters", 8)]);
    for args in [&["info", "t.npz"][..], &["check", "t.npz"]] {
        let run = kolmo(folder, args).success();
        assert!(run.stdout.contains("array t: 7 rows, not 8"), "{run:#?}");
    }
    warned(kolmo(folder, &["fit", "t.npz", "-o", "m.h5"]), &["array t: 7 rows, not 8"]);
    warned(kolmo(folder, &["convert", "t.npz", "c.h5"]), &["array t: 7 rows, not 8"]);
    // The table is at fault where it has other rows than the arrays.
    write("p.npz", &[("t", 8), ("u", 8), ("parameters", 7)]);
    check_message(&kolmo(folder, &["info", "p.npz"]), 2, &["K005"], &["array parameters", "7 rows", "8 rows, as in t"]);
    write("p.npz", &[("t", 8), ("u", 7), ("v", 8)]);
    check_message(&kolmo(folder, &["info", "p.npz"]), 2, &["K005"], &["array u", "7 rows", "8 rows, as in t"]);
}

#[test]
fn names_of_the_columns_of_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Stacked::new(6, 2).write(folder, "train.h5");
    kolmo(folder, &["convert", "train.h5", "c.npz"]).success();
    let wide = |text: &str| text.chars().flat_map(|c| (c as u32).to_le_bytes()).collect::<Vec<u8>>();
    // The archive again, with another second name of five characters.
    let with = |text: &str| {
        let mut archive = zip::ZipArchive::new(std::fs::File::open(folder.join("c.npz")).unwrap()).unwrap();
        let mut copy = zip::ZipWriter::new(std::fs::File::create(folder.join("d.npz")).unwrap());
        for i in 0..archive.len() {
            let mut file = archive.by_index(i).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            if file.name() == "parameters_names.npy" {
                let at = bytes.windows(20).position(|w| w == wide("gamma")).unwrap();
                bytes[at..at + 20].copy_from_slice(&wide(text));
            }
            copy.start_file(file.name(), zip::write::SimpleFileOptions::default()).unwrap();
            copy.write_all(&bytes).unwrap();
        }
        copy.finish().unwrap();
        kolmo(folder, &["info", "d.npz"])
    };
    assert!(with("gamma").success().stdout.contains("parameters: mach, gamma"));
    check_message(&with("mach\0"), 2, &["K005"], &["d.npz", "parameters_names", "column 1 called `mach`"]);
    check_message(&with("     "), 2, &["K005"], &["d.npz", "parameters_names", "column 1"]);
    // Bytes that are not those that were written.
    let mut bytes = std::fs::read(folder.join("c.npz")).unwrap();
    let at = bytes.windows(20).position(|w| w == wide("gamma")).unwrap();
    bytes[at] = b'd';
    std::fs::write(folder.join("d.npz"), bytes).unwrap();
    check_message(&kolmo(folder, &["info", "d.npz"]), 2, &["K003"], &["d.npz", "parameters_names"]);
}

#[test]
fn trajectories_stay_and_other_data_sets_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Stacked::new(6, 2).write(folder, "train.h5");
    let file = hdf5::File::open_rw(folder.join("train.h5")).unwrap();
    let put = |name: &str, values: &[f64]| file.new_dataset_builder().with_data(values).create(name).unwrap();
    let trajectory = [0, 0, 0, 4, 4, 4];
    file.new_dataset_builder().with_data(&trajectory).create("trajectory").unwrap();
    put("time", &[0.0, 0.5, 1.0, 0.0, 0.5, 1.0]);
    put("areas", &[1.0; 4]);
    file.close().unwrap();
    warned(kolmo(folder, &["convert", "train.h5", "c.h5"]), &["areas"]);
    assert_eq!(StackedFile::open(folder.join("c.h5")).unwrap().trajectory(), Some(&[0, 0, 0, 4, 4, 4][..]));
    for target in ["c.npz", "e.xdmf", "c/"] {
        warned(kolmo(folder, &["convert", "train.h5", target]), &["areas", "trajectory"]);
    }
    kolmo(folder, &["convert", "c.h5", "d.h5"])
        .success()
        .stderr
        .lines()
        .for_each(|l| assert!(!l.contains("left out"), "{l}"));
    assert_eq!(data_sets(&folder.join("d.h5")), data_sets(&folder.join("c.h5")));
}

#[test]
fn groups_of_gmsh_keep_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$PhysicalNames\n2\n1 3 \"the wall\"\n2 7 \"body\"\n$EndPhysicalNames\n\
                $Nodes\n5\n1 0 0 0\n2 1 0 0\n3 1 1 0\n4 0 1 0\n5 9 9 9\n$EndNodes\n\
                $Elements\n2\n1 3 2 7 1 1 2 3 4\n2 1 2 3 1 1 2\n$EndElements\n\
                $NodeData\n1\n\"p\"\n1\n0\n3\n0\n1\n5\n1 1\n2 2\n3 3\n4 4\n5 5\n$EndNodeData\n";
    write_text(folder, "a.msh", text);
    let lone = "1 points of no cell";
    warned(kolmo(folder, &["convert", "a.msh", "b.msh"]), &[lone]);
    let names = |file: &str| open_mesh(&folder.join(file)).unwrap().tag_names().to_vec();
    assert_eq!(names("b.msh"), names("a.msh"));
    assert_eq!(names("b.msh")[0].name, "the wall");
    for target in ["c.vtu", "c.h5", "e.xdmf"] {
        warned(kolmo(folder, &["convert", "a.msh", target]), &["the wall", "body", lone]);
    }
    assert!(kolmo(folder, &["info", "a.msh"]).success().stdout.contains(lone));
}

#[test]
fn arrays_on_faces_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let item = |dims: &str, values: &str| {
        format!(
            "<DataItem Dimensions=\"{dims}\" NumberType=\"Float\" Precision=\"8\" Format=\"XML\">{values}</DataItem>"
        )
    };
    let attribute = |name: &str, center: &str, values: &str| {
        format!(
            "<Attribute Name=\"{name}\" AttributeType=\"Scalar\" Center=\"{center}\">{}</Attribute>",
            item("4", values)
        )
    };
    let text = format!(
        "<Xdmf Version=\"3.0\"><Domain><Grid Name=\"g\"><Geometry GeometryType=\"XY\">{}</Geometry>\
         <Topology TopologyType=\"Quadrilateral\" NumberOfElements=\"1\">{}</Topology>{}{}</Grid></Domain></Xdmf>",
        item("4 2", "0 0 1 0 1 1 0 1"),
        item("1 4", "0 1 2 3"),
        attribute("p", "Node", "1 2 3 4"),
        attribute("flux", "Face", "1 2 3 4")
    );
    write_text(folder, "a.xdmf", &text);
    warned(kolmo(folder, &["convert", "a.xdmf", "a.vtu"]), &["array flux on each face"]);
    warned(kolmo(folder, &["convert", "a.xdmf", "b.h5"]), &["array flux on each face"]);
    assert!(kolmo(folder, &["info", "a.xdmf"]).success().stdout.contains("left out: array flux on each face"));
}

#[test]
fn the_start_of_a_case_is_a_sample_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    FoamMesh::block([2, 1, 1], [1.0, 1.0, 1.0]).write(&folder.join("constant/polyMesh"), TEXT);
    let put = |time: &str, name: &str| write_field(&folder.join(time), name, "volScalarField", &[1.0, 2.0], TEXT);
    let times = |expected: &[f64], told: &[&str]| {
        let case = OpenFoamCase::open(folder).unwrap();
        assert_eq!((case.times(), case.left_out(0)), (Some(expected), told.iter().map(|t| t.to_string()).collect()));
    };
    for time in ["0", "0.5", "10"] {
        put(time, "p");
    }
    times(&[0.0, 0.5, 10.0], &[]);
    put("0.5", "T");
    put("10", "T");
    times(&[0.5, 10.0], &["time 0, which lacks T"]);
    put("0", "T");
    write_field(&folder.join("10"), "phi", "surfaceScalarField", &[1.0], TEXT);
    times(&[0.0, 0.5, 10.0], &[]);
    assert_eq!(OpenFoamCase::open(folder).unwrap().left_out(2), ["field phi (surfaceScalarField)"]);
    // Before a single result stands the guess from which the solver started.
    std::fs::remove_dir_all(folder.join("0.5")).unwrap();
    times(&[10.0], &["time 0, before a single result", "field phi (surfaceScalarField)"]);
    let run = kolmo(folder, &["info", "."]).success();
    assert!(run.stdout.contains("left out: time 0, before a single result"), "{run:#?}");
}
