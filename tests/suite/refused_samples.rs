//! Refusals that name what is at fault: lengths that files claim, files that others name, the array that differs from the rest.

use crate::joined_tables::{quads, value};
use crate::tool::{KOLMO, Run, Stacked, check_message, kolmo, write_text};
use kolmo::Error;
use kolmo::io::mesh_file::MeshFile;
use kolmo::io::mesh_samples::MeshSamples;
use kolmo::io::stacked::StackedFile;
use kolmo::io::xdmf::XdmfFile;
use kolmo::io::{SnapshotSource, open_mesh};
use ndarray::Array2;
use std::path::Path;
use std::process::Command;

#[track_caller]
fn check_error(error: Error, code: &str, words: &[&str]) {
    assert_eq!(error.code(), code, "{error}");
    words.iter().for_each(|word| assert!(error.to_string().contains(word), "`{word}` is missing: {error}"));
}

#[test]
fn lengths_in_the_text_of_xdmf_are_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Stacked::new(5, 4).write(folder, "train.h5");
    kolmo(folder, &["convert", "train.h5", "run.xdmf"]).success();
    let whole = std::fs::read_to_string(folder.join("run.xdmf")).unwrap();
    assert!(whole.contains("Dimensions=\"25\" NumberType=\"Float\""), "{whole}");
    for n in ["99999999999", "2000000"] {
        let claimed = format!("Dimensions=\"25 {n}\" NumberType=\"Float\"");
        write_text(folder, "run.xdmf", &whole.replace("Dimensions=\"25\" NumberType=\"Float\"", &claimed));
        for args in [
            &["info", "run.xdmf"][..],
            &["check", "run.xdmf"],
            &["convert", "run.xdmf", "c.h5"],
            &["convert", "run.xdmf", "c.npz"],
            &["convert", "run.xdmf", "c/"],
            &["fit", "run.xdmf"],
        ] {
            check_message(&kolmo(folder, args), 2, &["K005"], &["run.xdmf", "Attribute pressure", n]);
        }
    }
    // Of one state only: where it is used.
    let last = whole.rfind("Dimensions=\"25\" NumberType=\"Float\"").unwrap();
    let text = whole[..last].to_string() + &whole[last..].replacen("\"25\"", "\"25 99999999999\"", 1);
    write_text(folder, "run.xdmf", &text);
    check_message(&kolmo(folder, &["convert", "run.xdmf", "c.h5"]), 2, &["K005"], &["run.xdmf", "99999999999"]);
    // Numbers in the text, and in a binary file.
    std::fs::write(folder.join("b.bin"), [0; 32]).unwrap();
    for item in ["Format=\"XML\">1 2 3 4", "Format=\"Binary\" Endian=\"Little\">b.bin"] {
        for (dims, fits) in [("4", true), ("4 99999999999", false), ("4 2000000", false)] {
            let text = format!(
                "<Xdmf Version=\"3.0\"><Domain><Grid Name=\"g\">\
                 <Geometry GeometryType=\"XY\"><DataItem Dimensions=\"4 2\" Format=\"XML\">0 0 1 0 1 1 0 1</DataItem></Geometry>\
                 <Topology TopologyType=\"Quadrilateral\"><DataItem Dimensions=\"1 4\" NumberType=\"Int\" Format=\"XML\">0 1 2 3</DataItem></Topology>\
                 <Attribute Name=\"p\" AttributeType=\"Matrix\" Center=\"Node\">\
                 <DataItem Dimensions=\"{dims}\" NumberType=\"Float\" Precision=\"8\" {item}</DataItem></Attribute>\
                 </Grid></Domain></Xdmf>"
            );
            let file = XdmfFile::open(write_text(folder, "t.xdmf", &text)).unwrap();
            assert!(file.mesh(0).is_ok());
            match file.arrays(0) {
                Ok(arrays) => assert!(fits && arrays[0].field.n_dofs() == 4, "{item} {dims}"),
                Err(e) => {
                    assert!(!fits, "{item} {dims}: {e}");
                    check_error(e, "K005", &["t.xdmf", "Attribute p"]);
                }
            }
        }
    }
}

#[test]
fn a_full_disk_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Stacked::new(40, 20).write(folder, "train.h5");
    let args = ["convert", "train.h5", "c.npz", "--quiet"];
    let shell = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
    let run = Run::of(Command::new("sh").args(["-c", shell, KOLMO]).args(args).current_dir(folder));
    check_message(&run, 1, &["K103"], &["c.npz"]);
    assert!(!run.stderr.contains("ZipWriter"), "{run:#?}");
    assert!(!folder.join("c.npz").exists());
}

#[test]
fn the_field_that_differs_from_the_others_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (field, tables) in [(0, true), (1, true), (2, false)] {
        let mut data = Stacked::new(6, 2);
        let third = ("zeta".to_string(), data.snapshots[0].1.clone(), None);
        data.snapshots.push(third);
        let values = data.snapshots[field].1.clone();
        data.snapshots[field].1 = values.slice(ndarray::s![..5, ..]).to_owned();
        if tables {
            // One other field and the parameters have six rows.
            let kept = usize::from(field == 0);
            data.snapshots = vec![data.snapshots[field].clone(), data.snapshots[kept].clone()];
        }
        let name = data.snapshots[if tables { 0 } else { field }].0.clone();
        let error = StackedFile::open(data.write(folder, &format!("{field}.h5"))).unwrap_err();
        check_error(error, "K005", &[&format!("/snapshots/{name}: found 5 samples"), "6 samples, as in /snapshots/"]);
    }
    let mut data = Stacked::new(6, 2);
    data.parameters = Array2::ones((5, 2));
    check_error(
        StackedFile::open(data.write(folder, "p.h5")).unwrap_err(),
        "K007",
        &["/parameters", "5 rows", "6 rows"],
    );
}

#[test]
fn files_that_others_name_are_told_with_these() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    quads(folder, 2, &["p"], &|i| value("a", &i.to_string()));
    let set = |i: usize| format!("<DataSet timestep=\"{i}\" file=\"case_{i}.vtu\"/>");
    let list = format!("<VTKFile type=\"Collection\"><Collection>{}{}</Collection></VTKFile>", set(1), set(2));
    let pvd = write_text(folder, "run.pvd", &list);
    let list = "<VTKFile type=\"PUnstructuredGrid\"><PUnstructuredGrid><Piece Source=\"case_1.vtu\"/><Piece Source=\"case_2.vtu\"/>\
                </PUnstructuredGrid></VTKFile>";
    let pvtu = write_text(folder, "run.pvtu", list);
    let case = "FORMAT\ntype: ensight gold\nGEOMETRY\nmodel: case_2.vtu\n";
    let case = write_text(folder, "run.case", case);
    assert!(open_mesh(&pvd).is_ok() && open_mesh(&pvtu).is_ok());
    std::fs::remove_file(folder.join("case_2.vtu")).unwrap();
    for file in [&pvd, &pvtu, &case] {
        let named = format!("named by {}", file.display());
        check_error(open_mesh(file).map(drop).unwrap_err(), "K001", &["case_2.vtu", &named]);
    }
}

#[test]
fn cells_that_are_not_read_have_one_code() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    quads(folder, 1, &["p"], &|_| String::new());
    let text = std::fs::read_to_string(folder.join("case_1.vtu")).unwrap();
    let vtu = write_text(folder, "b.vtu", &text.replace("\"ascii\">9<", "\"ascii\">32<"));
    let read = |path: &Path| open_mesh(path).and_then(|file| file.mesh(0)).unwrap_err();
    check_error(read(&vtu), "K018", &["cell 0", "VTK cell type 32", "wedge"]);
    let nodes: String = (1..=18).map(|i| format!("{i} {i} 0 0\n")).collect();
    let row: Vec<String> = (1..=18).map(|i| i.to_string()).collect();
    let msh = format!(
        "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n18\n{nodes}$EndNodes\n$Elements\n1\n1 13 2 1 1 {}\n$EndElements\n",
        row.join(" ")
    );
    check_error(read(&write_text(folder, "b.msh", &msh)), "K018", &["b.msh"]);
}

#[test]
fn samples_with_other_numbers_are_told_with_the_one_they_are_matched_to() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    quads(folder, 5, &["p"], &|i| value("a", &i.to_string()));
    for i in 2..=5 {
        let path = folder.join(format!("case_{i}.vtu"));
        let text = std::fs::read_to_string(&path).unwrap();
        let turned =
            text.replace("0 0 0 1 0 0 1 1 0 0 1 0", "1 0 0 0 0 0 1 1 0 0 1 0").replace(">0 1 2 3<", ">1 0 2 3<");
        std::fs::write(path, turned).unwrap();
    }
    let remarks = MeshSamples::open(folder).unwrap().remarks();
    let told = "4 samples with other numbers of points and cells, matched to sample case_1 (case_2, case_3, case_4, …)";
    assert!(remarks.iter().any(|r| r == told), "{remarks:?}");
}

#[test]
fn files_that_are_neither_samples_nor_models() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_text(folder, "text.h5", "some text that is no HDF5 file");
    for verb in ["info", "check"] {
        let line = check_message(&kolmo(folder, &[verb, "text.h5"]), 2, &["K002"], &["text.h5", "HDF5", "a model"]);
        assert!(line.contains("expected samples in HDF5"), "{line}");
        let words = ["lost: found no such file or folder", "samples"];
        check_message(&kolmo(folder, &[verb, "lost"]), 2, &["K001"], &words);
    }
    Stacked::new(6, 2).write(folder, "train.h5");
    kolmo(folder, &["fit", "train.h5", "-o", "m.h5"]).success();
    let run = kolmo(folder, &["validate", "m.h5", "--folds", "3"]);
    check_message(&run, 2, &["K002"], &["m.h5", "found a model", "a study, or samples"]);
}
