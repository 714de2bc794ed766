//! Folders of mesh files as studies, and the way between layouts, through the command line.

use crate::mesh_samples::renumbered;
use crate::tool::{Stacked, data_sets, kolmo, listing, write_text};
use kolmo::data::Location;
use kolmo::io::mesh_file::{MeshArray, Number};
use kolmo::io::open_mesh;
use kolmo::io::vtk::vtu_writer::write_vtu;
use kolmo::mesh::correspondence::{Correspondence, Renumbering, correspondence};
use kolmo::mesh::{CellBlock, CellType, Mesh};
use std::path::Path;
use tempfile::TempDir;

/// Name, place and values of an array.
type Array = (String, Location, Vec<f64>);

const AT: &str = "mach=1.5,gamma=0.5";

/// The data set `train.h5` in a folder of its own.
fn stacked() -> (TempDir, Stacked) {
    let folder = tempfile::tempdir().unwrap();
    let data = Stacked::new(12, 4);
    data.write(folder.path(), "train.h5");
    (folder, data)
}

/// The same as `results/*.vtu` with `results/parameters.csv`, by `kolmo convert`.
fn folder_of_vtu() -> (TempDir, Stacked) {
    let (folder, data) = stacked();
    kolmo(folder.path(), &["convert", "train.h5", "results/"]).success();
    (folder, data)
}

/// Largest difference of two data sets, relative to the largest entry.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let scale = a.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / scale
}

/// That two models answer alike: bases and predictions to 1e-12.
#[track_caller]
fn same_answers(folder: &Path, one: &str, other: &str) {
    let answer = |model: &str| {
        kolmo(folder, &["predict", model, "--at", AT, "-o", "answer.h5"]).success();
        let mut sets = data_sets(&folder.join("answer.h5"));
        let pod = data_sets(&folder.join(model));
        sets.extend(pod.into_iter().filter(|(name, _)| name.starts_with("/pod/") && name.ends_with("basis")));
        sets
    };
    let (one, other) = (answer(one), answer(other));
    for name in
        ["/snapshots/pressure", "/uncertainty/pressure", "/snapshots/density", "/pod/pressure/basis", "/indicator"]
    {
        let off = difference(&one[name].1, &other[name].1);
        assert!(off <= 1e-12, "{name}: {off:e}");
    }
}

fn read_sample(path: &Path) -> (Mesh, Vec<Array>) {
    let file = open_mesh(path).unwrap();
    let arrays = file.arrays(0).unwrap();
    let values = |a| file.read(0, a).unwrap();
    let arrays = arrays.iter().map(|a| (a.field.name.clone(), a.field.location, values(a))).collect();
    (file.mesh(0).unwrap(), arrays)
}

fn write_sample(path: &Path, mesh: &Mesh, arrays: &[Array]) {
    let arrays: Vec<MeshArray<'_>> = arrays
        .iter()
        .map(|(name, location, values)| MeshArray {
            name,
            location: *location,
            n_components: 1,
            number: Number::Float64,
            values,
        })
        .collect();
    write_vtu(path, mesh, &arrays, &[]).unwrap();
}

#[test]
fn a_folder_of_vtu_is_fitted_like_the_stacked_file() {
    let (folder, _) = folder_of_vtu();
    let folder = folder.path();
    kolmo(folder, &["fit", "train.h5", "-o", "stacked.h5"]).success();
    let run = kolmo(folder, &["fit", "results", "-o", "folder.h5"]).success();
    assert!(run.stdout.contains("12 samples"), "{run:#?}");
    same_answers(folder, "stacked.h5", "folder.h5");
    // The study that was used stands beside the model, and gives the same model.
    let study = std::fs::read_to_string(folder.join("folder.toml")).unwrap();
    for line in ["samples = \"results\"", "parameters = \"results/parameters.csv\"", "tolerance = 1e-4", "seed = 0"] {
        assert!(study.contains(line), "{line} is not in {study}");
    }
    kolmo(folder, &["fit", "folder.toml", "-o", "again.h5"]).success();
    same_answers(folder, "folder.h5", "again.h5");
    // A pattern, and parameters out of the files themselves.
    write_text(folder, "glob.toml", "[data]\nsamples = \"results/sample_*.vtu\"\n");
    std::fs::remove_file(folder.join("results/parameters.csv")).unwrap();
    kolmo(folder, &["fit", "glob.toml", "-o", "glob.h5"]).success();
    same_answers(folder, "folder.h5", "glob.h5");
    let scores = kolmo(folder, &["validate", "stacked.h5", "--data", "results", "--json"]).success();
    assert!(scores.stdout.contains("\"n_samples\": 12"), "{scores:#?}");
}

#[test]
fn layouts_go_round_to_the_bit() {
    let (folder, _) = folder_of_vtu();
    let folder = folder.path();
    for (from, to) in [
        ("results", "back.h5"),
        ("train.h5", "series.pvd"),
        ("series.pvd", "series.h5"),
        ("train.h5", "wave.xdmf"),
        ("wave.xdmf", "xdmf.h5"),
        ("results", "copy/"),
        ("copy", "copy.h5"),
    ] {
        kolmo(folder, &["convert", from, to]).success();
    }
    let first = data_sets(&folder.join("train.h5"));
    for file in ["back.h5", "series.h5", "xdmf.h5", "copy.h5"] {
        let found = data_sets(&folder.join(file));
        for name in ["/mesh/points", "/mesh/cells", "/parameters", "/snapshots/pressure", "/snapshots/density"] {
            assert_eq!(found.get(name), first.get(name), "{name} of {file}");
        }
    }
    // The numbers of an .xdmf file never replace a file that is not theirs, above all not the input.
    let before = std::fs::read(folder.join("train.h5")).unwrap();
    let run = kolmo(folder, &["convert", "train.h5", "train.xdmf"]);
    assert!(run.line("error[K009]").contains("train.h5"), "{run:#?}");
    assert_eq!(std::fs::read(folder.join("train.h5")).unwrap(), before);
    kolmo(folder, &["convert", "train.h5", "wave.xdmf"]).success();
    // One sample of many is no single file.
    let run = kolmo(folder, &["convert", "train.h5", "one.vtu"]);
    assert_eq!(run.code, Some(2));
    assert!(run.line("error[K009]").contains("12 samples"), "{run:#?}");
    kolmo(folder, &["convert", "results/sample_03.vtu", "one.h5"]).success();
    let one = data_sets(&folder.join("one.h5"));
    assert_eq!(one["/snapshots/pressure"].1, first["/snapshots/pressure"].1[3 * 25..4 * 25]);
}

#[test]
fn renumbered_samples_are_matched() {
    let (folder, _) = folder_of_vtu();
    let folder = folder.path();
    kolmo(folder, &["fit", "results", "-o", "plain.h5"]).success();
    for (i, sample) in ["sample_04", "sample_09"].iter().enumerate() {
        let path = folder.join(format!("results/{sample}.vtu"));
        let (mesh, arrays) = read_sample(&path);
        let (shuffled, numbers) = renumbered(&mesh, i as u64 + 7);
        let Correspondence::Renumbered(back) = correspondence(&shuffled, &mesh) else { panic!("not matched") };
        assert_ne!(numbers, (0..25).collect::<Vec<u32>>());
        let moved = |(name, location, values): &Array| {
            let order = if *location == Location::Point { &back.points } else { &back.cells };
            (name.clone(), *location, Renumbering::gather(order, values, 1))
        };
        write_sample(&path, &shuffled, &arrays.iter().map(moved).collect::<Vec<_>>());
    }
    let run = kolmo(folder, &["info", "results"]).success();
    assert!(run.stdout.contains("2 samples with other numbers of points and cells"), "{run:#?}");
    kolmo(folder, &["fit", "results", "-o", "shuffled.h5"]).success();
    same_answers(folder, "plain.h5", "shuffled.h5");
}

/// `kolmo fit results` has to be refused with a code and these words; with the sample left out it passes.
#[track_caller]
fn refused_sample(spoil: impl FnOnce(&Path), code: &str, holds: &[&str]) {
    let (folder, _) = folder_of_vtu();
    let folder = folder.path();
    spoil(&folder.join("results/sample_05.vtu"));
    let before = listing(folder);
    let run = kolmo(folder, &["fit", "results", "-o", "model.h5"]);
    assert_eq!((run.code, listing(folder)), (Some(2), before), "{run:#?}");
    let line = run.line(&format!("error[{code}]"));
    holds.iter().for_each(|text| assert!(line.contains(text), "`{text}` is not in {line}"));
    let rest = "[data]\nsamples = \"results\"\nselect = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]\n";
    write_text(folder, "rest.toml", rest);
    kolmo(folder, &["fit", "rest.toml", "-o", "model.h5"]).success();
}

#[test]
fn mismatches_are_named() {
    let change = |path: &Path, change: &dyn Fn(&mut Mesh, &mut Vec<Array>)| {
        let (mut mesh, mut arrays) = read_sample(path);
        change(&mut mesh, &mut arrays);
        write_sample(path, &mesh, &arrays);
    };
    refused_sample(
        |path| change(path, &|_, arrays| arrays.retain(|(name, _, _)| name != "density")),
        "K006",
        &["sample_05.vtu, sample sample_05, array density", "no such array", "pressure"],
    );
    refused_sample(
        |path| change(path, &|_, arrays| arrays[0].2[7] = f64::NAN),
        "K004",
        &["sample_05.vtu, sample sample_05, pressure, point 7", "found NaN"],
    );
    refused_sample(
        |path| {
            change(path, &|mesh, arrays| {
                let triangles = mesh.cells[0].iter().flat_map(|q| [q[0], q[1], q[2], q[0], q[2], q[3]]).collect();
                mesh.cells = vec![CellBlock::new(CellType::Triangle, triangles)];
                arrays.retain(|(name, _, _)| name == "pressure");
            });
        },
        "K017",
        &["sample_05.vtu, sample sample_05", "32 cells of type triangle, not 0", "the mesh of sample sample_00"],
    );
    refused_sample(
        |path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
        "K003",
        &["sample_05.vtu"],
    );
}

#[test]
fn tables_are_joined_by_name() {
    let (folder, data) = folder_of_vtu();
    let folder = folder.path();
    kolmo(folder, &["fit", "results", "-o", "plain.h5"]).success();
    // Rows in another order, one too many, the ending with the name, a label that is no number, and a scalar.
    let row =
        |s: usize| format!("sample_{s:02}.vtu,steel,{:?},{:?}\n", data.parameters[(s, 0)], data.parameters[(s, 1)]);
    let rows: String = (0..12).rev().map(row).collect();
    std::fs::remove_file(folder.join("results/parameters.csv")).unwrap();
    write_text(folder, "parameters.csv", &format!("sample,alloy,mach,gamma\nsample_99,iron,1,1\n{rows}"));
    let scalars: String = (0..12).map(|s| format!("{s},{:?}\n", data.parameters[(s, 0)] * 3.0)).collect();
    write_text(folder, "scalars.csv", &format!("sample,drag\n{scalars}"));
    kolmo(folder, &["fit", "results", "-o", "named.h5"]).success();
    same_answers(folder, "plain.h5", "named.h5");
    let run = kolmo(folder, &["predict", "named.h5", "--at", AT, "-o", "many/"]).success();
    assert!(folder.join("many/scalars.csv").is_file(), "{run:#?}");
    // One file among tables that do not know it: those are not its own.
    std::fs::copy(folder.join("results/sample_03.vtu"), folder.join("lone.vtu")).unwrap();
    let run = kolmo(folder, &["info", "lone.vtu"]).success();
    assert!(run.stdout.contains("parameters: mach, gamma"), "{run:#?}");
    kolmo(folder, &["convert", "lone.vtu", "lone.h5"]).success();
    // A sample without a row.
    let short: String = (0..12).filter(|s| *s != 7).map(row).collect();
    write_text(folder, "parameters.csv", &format!("sample,alloy,mach,gamma\n{short}"));
    let run = kolmo(folder, &["fit", "results", "-o", "named.h5"]);
    assert!(run.line("error[K007]").contains("no row for sample sample_07"), "{run:#?}");
}

#[test]
fn folders_without_one_kind_of_samples() {
    let (folder, _) = folder_of_vtu();
    let folder = folder.path();
    std::fs::create_dir(folder.join("empty")).unwrap();
    let run = kolmo(folder, &["fit", "empty", "-o", "m.h5"]);
    assert!(run.line("error[K008]").contains("no result files"), "{run:#?}");
    std::fs::write(folder.join("results/mesh.msh"), "$MeshFormat\n").unwrap();
    let run = kolmo(folder, &["fit", "results", "-o", "m.h5"]);
    let line = run.line("error[K002]");
    assert!(line.contains("12 *.vtu") && line.contains("1 *.msh") && line.contains("results/*."), "{line}");
}

#[test]
fn a_series_over_time_is_a_study() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Stacked::new(12, 4).write(folder, "train.h5");
    let file = hdf5::File::open_rw(folder.join("train.h5")).unwrap();
    file.unlink("parameters").unwrap();
    let time: Vec<f64> = (0..12).map(|i| 0.25 * f64::from(i)).collect();
    file.new_dataset_builder().with_data(&time).create("time").unwrap();
    file.close().unwrap();
    for series in ["run.pvd", "run.xdmf"] {
        kolmo(folder, &["convert", "train.h5", series]).success();
        let run = kolmo(folder, &["info", series]).success();
        assert!(run.stdout.contains("samples: 12") && run.stdout.contains("time: 0 to 2.75"), "{run:#?}");
        kolmo(folder, &["fit", series, "-o", "series.h5"]).success();
        let run = kolmo(folder, &["info", "series.h5"]).success();
        assert!(run.stdout.contains("input time: 0 to 2.75"), "{run:#?}");
    }
}
