//! Outputs of several files: whole or not at all, never over what is read, under names that differ.

use crate::tool::{Stacked, data_sets, kolmo, listing, write_text};
use kolmo::data::Location;
use kolmo::io::mesh_file::{MeshArray, Number};
use kolmo::io::open_mesh;
use kolmo::io::vtk::vtu_writer::write_vtu;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// `train.h5` and the same as `results/sample_NN.vtu` with `results/parameters.csv`.
fn results() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    Stacked::new(12, 4).write(folder.path(), "train.h5");
    kolmo(folder.path(), &["convert", "train.h5", "results/"]).success();
    folder
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file());
    files.map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&p).unwrap())).collect()
}

#[test]
fn no_output_replaces_what_is_read() {
    let folder = results();
    let folder = folder.path();
    kolmo(folder, &["convert", "train.h5", "wave.xdmf"]).success();
    fs::create_dir(folder.join("run")).unwrap();
    for i in 0..12 {
        fs::copy(folder.join(format!("results/sample_{i:02}.vtu")), folder.join(format!("run/run_{i:05}.vtu")))
            .unwrap();
    }
    let before = (contents(folder), contents(&folder.join("results")), contents(&folder.join("run")));
    for command in [
        ["convert", "results/*.vtu", "results"],
        ["convert", "results/sample_03.vtu", "results"],
        ["convert", "run/*.vtu", "run.pvd"],
        ["convert", "results", "results.pvd"],
        ["convert", "wave.xdmf", "wave.h5"],
    ] {
        let run = kolmo(folder, &command);
        assert_eq!(run.code, Some(2), "{run:#?}");
        run.line("error[K009]");
    }
    for output in ["results/sample_03.vtu", "results/parameters.csv", "new.toml"] {
        let run = kolmo(folder, &["fit", "results", "-o", output]);
        assert_eq!(run.code, Some(2), "{run:#?}");
        run.line("error[K009]");
    }
    // Nor the numbers of an .xdmf file, whoever asks.
    for (verb, input) in [("fit", "wave.xdmf"), ("fit", "results"), ("convert", "results")] {
        let output: &[&str] = if verb == "fit" { &["-o", "wave.h5"] } else { &["wave.h5"] };
        let run = kolmo(folder, &[&[verb, input], output].concat());
        assert!(run.code == Some(2) && run.line("error[K009]").contains("wave.h5"), "{run:#?}");
    }
    assert_eq!((contents(folder), contents(&folder.join("results")), contents(&folder.join("run"))), before);
}

#[test]
fn a_folder_appears_whole_or_not_at_all() {
    let folder = results();
    let folder = folder.path();
    kolmo(folder, &["convert", "results", "there/"]).success();
    let there = contents(&folder.join("there"));
    // The eighth of twelve samples cannot be read.
    let broken = folder.join("results/sample_07.vtu");
    let bytes = fs::read(&broken).unwrap();
    fs::write(&broken, &bytes[..bytes.len() / 2]).unwrap();
    let before = listing(folder);
    for output in ["new/", "there", "series.pvd"] {
        let run = kolmo(folder, &["convert", "results", output]);
        assert_eq!((run.code, listing(folder)), (Some(2), before.clone()), "{run:#?}");
    }
    assert_eq!(contents(&folder.join("there")), there);
    // What a killed run left is removed by the next one; files of others stay.
    fs::create_dir(folder.join(".new.123-0.tmp")).unwrap();
    write_text(folder, ".new.123-0.tmp/sample_00.vtu", "half");
    write_text(folder, "there/notes.txt", "mine");
    fs::write(&broken, &bytes).unwrap();
    kolmo(folder, &["convert", "results", "new"]).success();
    kolmo(folder, &["convert", "results", "there"]).success();
    assert!(!folder.join(".new.123-0.tmp").exists());
    assert_eq!(contents(&folder.join("new")), there);
    assert_eq!(contents(&folder.join("there")).len(), there.len() + 1);
}

#[test]
fn samples_keep_names_that_differ() {
    let folder = results();
    let folder = folder.path();
    fs::remove_file(folder.join("results/parameters.csv")).unwrap();
    for (i, name) in ["a b", "a_b", "a;b", "ü, 1.5", "x[1]", "x_1_"].iter().enumerate() {
        let from = format!("results/sample_{i:02}.vtu");
        fs::rename(folder.join(from), folder.join(format!("results/{name}.vtu"))).unwrap();
    }
    kolmo(folder, &["convert", "results", "copy/"]).success();
    let names: Vec<String> = contents(&folder.join("copy")).into_keys().collect();
    for name in ["a b.vtu", "a_b.vtu", "a;b.vtu", "ü, 1.5.vtu", "x_1_.vtu", "x_1__2.vtu", "sample_11.vtu"] {
        assert!(names.iter().any(|n| n == name), "{name} is not in {names:?}");
    }
    assert_eq!(names.len(), 13);
    kolmo(folder, &["convert", "copy", "copy.h5"]).success();
    assert_eq!(data_sets(&folder.join("copy.h5"))["/parameters"].0, [12, 2]);
}

/// Gives `train.h5` a time for each sample.
fn with_times(folder: &Path, times: &[f64]) {
    let file = hdf5::File::open_rw(folder.join("train.h5")).unwrap();
    file.new_dataset_builder().with_data(times).create("time").unwrap();
    file.close().unwrap();
}

#[test]
fn times_survive_and_none_is_made_up() {
    let folder = results();
    let folder = folder.path();
    let back = |from: &str| {
        kolmo(folder, &["convert", "train.h5", from]).success();
        kolmo(folder, &["convert", from, "back.h5"]).success();
        data_sets(&folder.join("back.h5")).get("/time").map(|(_, values)| values.clone())
    };
    for series in ["plain.pvd", "plain.xdmf", "plain_files/"] {
        assert_eq!(back(series), None, "{series}");
    }
    // Three trajectories: no time is there once.
    let times: Vec<f64> = (0..12).map(|i| 0.1 * f64::from(i % 4)).collect();
    with_times(folder, &times);
    for series in ["timed.pvd", "timed.xdmf", "timed_files/"] {
        assert_eq!(back(series).as_ref(), Some(&times), "{series}");
    }
}

#[test]
fn a_list_beside_its_files_leaves_their_names() {
    let folder = results();
    let folder = folder.path();
    kolmo(folder, &["fit", "results", "-o", "plain.h5"]).success();
    let files: String =
        (0..12).map(|i| format!("<DataSet timestep=\"{i}\" part=\"0\" file=\"sample_{i:02}.vtu\"/>\n")).collect();
    let text = format!("<VTKFile type=\"Collection\" version=\"0.1\"><Collection>\n{files}</Collection></VTKFile>\n");
    write_text(folder, "results/all.pvd", &text);
    kolmo(folder, &["fit", "results", "-o", "listed.h5"]).success();
    let (plain, listed) = (data_sets(&folder.join("plain.h5")), data_sets(&folder.join("listed.h5")));
    assert_eq!(plain["/pod/pressure/basis"], listed["/pod/pressure/basis"]);
    let run = kolmo(folder, &["info", "listed.h5"]).success();
    assert!(run.stdout.contains("input mach") && !run.stdout.contains("input time"), "{run:#?}");
}

#[test]
fn check_of_a_folder_reads_its_tables() {
    let folder = results();
    let folder = folder.path();
    let run = kolmo(folder, &["check", "results"]).success();
    assert!(run.stdout.contains("parameters: mach, gamma in results/parameters.csv"), "{run:#?}");
    let table = fs::read_to_string(folder.join("results/parameters.csv")).unwrap();
    let short: String = table.lines().filter(|line| !line.starts_with("sample_04")).map(|l| format!("{l}\n")).collect();
    write_text(folder, "results/parameters.csv", &short);
    let run = kolmo(folder, &["check", "results"]);
    assert!(run.code == Some(2) && run.line("error[K007]").contains("sample_04"), "{run:#?}");
    fs::remove_file(folder.join("results/parameters.csv")).unwrap();
}

#[test]
fn tags_stay_tags() {
    let folder = results();
    let folder = folder.path();
    for i in 0..12 {
        let path = folder.join(format!("results/sample_{i:02}.vtu"));
        let file = open_mesh(&path).unwrap();
        let (mesh, pressure) = (file.mesh(0).unwrap(), file.arrays(0).unwrap().remove(0));
        let (values, tags) = (file.read(0, &pressure).unwrap(), vec![f64::from(i % 3); mesh.n_cells()]);
        let array = |name, location, number, values| MeshArray { name, location, n_components: 1, number, values };
        let arrays = [
            array("pressure", Location::Point, Number::Float64, &values),
            array("material", Location::Cell, Number::Integer, &tags),
        ];
        write_vtu(&path, &mesh, &arrays, &[]).unwrap();
    }
    kolmo(folder, &["convert", "results", "tagged.h5"]).success();
    kolmo(folder, &["convert", "tagged.h5", "again/"]).success();
    for samples in ["results", "tagged.h5", "again"] {
        let run = kolmo(folder, &["info", samples]).success();
        assert!(run.stdout.contains("tag array material") && !run.stdout.contains("field material"), "{run:#?}");
        let run = kolmo(folder, &["fit", samples, "-o", "model.h5"]).success();
        assert!(run.stdout.contains("pressure:") && !run.stdout.contains("material"), "{run:#?}");
    }
}
