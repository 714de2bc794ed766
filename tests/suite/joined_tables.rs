//! Parameters of samples: which row of a table, or which number of a file, belongs to which sample, and what is refused.

use crate::tool::{Stacked, check_message, contents, data_sets, kolmo, write_text};
use std::path::Path;
use tempfile::TempDir;

const MODES: &str = "[reduction]\nmodes = 2\n";

/// Four samples `case_1.vtu`, … of one quad with the fields `names`: `data(i)` is what stands in their field data.
pub fn quads(folder: &Path, n: usize, names: &[&str], data: &dyn Fn(usize) -> String) {
    std::fs::create_dir_all(folder).unwrap();
    for i in 1..=n {
        let array = |name: &&str| {
            let values = [0, 1, 2, 3].map(|k| format!("{}", (i * (k + 1)) as f64 + name.len() as f64));
            format!("<DataArray type=\"Float64\" Name=\"{name}\" format=\"ascii\">{}</DataArray>\n", values.join(" "))
        };
        let arrays: String = names.iter().map(array).collect();
        let text = format!(
            "<VTKFile type=\"UnstructuredGrid\" version=\"1.0\" byte_order=\"LittleEndian\">\n<UnstructuredGrid>\n\
             <FieldData>{}</FieldData>\n<Piece NumberOfPoints=\"4\" NumberOfCells=\"1\">\n\
             <Points><DataArray type=\"Float64\" NumberOfComponents=\"3\" format=\"ascii\">0 0 0 1 0 0 1 1 0 0 1 0</DataArray></Points>\n\
             <Cells><DataArray type=\"Int64\" Name=\"connectivity\" format=\"ascii\">0 1 2 3</DataArray>\n\
             <DataArray type=\"Int64\" Name=\"offsets\" format=\"ascii\">4</DataArray>\n\
             <DataArray type=\"UInt8\" Name=\"types\" format=\"ascii\">9</DataArray></Cells>\n\
             <PointData>\n{arrays}</PointData>\n</Piece>\n</UnstructuredGrid>\n</VTKFile>\n",
            data(i)
        );
        write_text(folder, &format!("case_{i}.vtu"), &text);
    }
}

/// Field data of one value.
pub fn value(name: &str, value: &str) -> String {
    format!("<DataArray type=\"Float64\" Name=\"{name}\" NumberOfTuples=\"1\" format=\"ascii\">{value}</DataArray>\n")
}

/// `results/sample_00.vtu`, … of a stacked file, and the rows of their table.
fn results() -> (TempDir, Vec<Vec<String>>) {
    let folder = tempfile::tempdir().unwrap();
    Stacked::new(12, 3).write(folder.path(), "train.h5");
    kolmo(folder.path(), &["convert", "train.h5", "results/"]).success();
    let text = std::fs::read_to_string(folder.path().join("results/parameters.csv")).unwrap();
    let rows = text.lines().skip(1).map(|line| line.split(',').map(str::to_string).collect()).collect();
    (folder, rows)
}

/// Writes the table with the rows from behind.
fn reversed(folder: &Path, header: &str, rows: &[Vec<String>], key: impl Fn(usize, &str) -> String) {
    let line = |(i, row): (usize, &Vec<String>)| format!("{},{},{}\n", key(i, &row[0]), row[1], row[2]);
    let lines: Vec<String> = rows.iter().enumerate().map(line).rev().collect();
    write_text(folder, "results/parameters.csv", &format!("{header},mach,gamma\n{}", lines.concat()));
}

#[test]
fn the_column_with_the_names_of_the_samples_is_the_key() {
    let (folder, rows) = results();
    let folder = folder.path();
    let expected = data_sets(&folder.join("train.h5"))["/parameters"].clone();
    for header in ["sample", "Sample", "SAMPLE", "name", "case", "file name", "sample_id"] {
        for ending in ["", ".vtu"] {
            reversed(folder, header, &rows, |_, key| format!("{key}{ending}"));
            kolmo(folder, &["convert", "results", "joined.h5"]).success();
            assert_eq!(data_sets(&folder.join("joined.h5"))["/parameters"], expected, "{header} {ending}");
        }
    }
    // Numbers under the name of the key in other letters.
    reversed(folder, "Sample", &rows, |i, _| i.to_string());
    kolmo(folder, &["convert", "results", "joined.h5"]).success();
    assert_eq!(data_sets(&folder.join("joined.h5"))["/parameters"], expected);
    // Labels that are no names, and numbers that describe, change nothing of the order of the rows.
    for (header, key) in [("material", "steel"), ("level", "")] {
        let key = |i: usize, _: &str| if key.is_empty() { i.to_string() } else { format!("{key} {i}") };
        reversed(folder, header, &rows, key);
        kolmo(folder, &["convert", "results", "joined.h5"]).success();
        let (shape, values) = data_sets(&folder.join("joined.h5"))["/parameters"].clone();
        let last = &values[values.len() - 2..];
        assert_eq!((last, shape[0]), (&expected.1[..2], 12), "{header}");
    }
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    let (folder, rows) = results();
    let folder = folder.path();
    let refused = |code: &str, words: &[&str]| {
        for args in [["check", "results", "--quiet"], ["fit", "results", "--quiet"]] {
            check_message(&kolmo(folder, &args), 2, &[code], words);
        }
    };
    reversed(folder, "name", &rows, |i, key| if i == 7 { "other".into() } else { key.into() });
    refused("K007", &["sample_07", "`name`"]);
    reversed(folder, "name", &rows, |i, key| if i == 7 { "sample_06".into() } else { key.into() });
    refused("K007", &["sample_07", "`name`"]);
    reversed(folder, "name", &rows, |_, key| key.into());
    let more = std::fs::read_to_string(folder.join("results/parameters.csv")).unwrap() + "sample_03,1,0.5\n";
    write_text(folder, "results/parameters.csv", &more);
    refused("K005", &["`sample_03`", "row 8"]);
    // Two columns of names: nobody knows which is meant.
    reversed(folder, "name,start", &rows, |i, key| format!("{key},{}", rows[11 - i][0]));
    refused("K006", &["`name`", "`start`", "`sample`"]);
    // Numbers of the samples in another order than the rows.
    for header in ["case", "Run ID", "sample_id"] {
        reversed(folder, header, &rows, |i, _| i.to_string());
        refused("K006", &["parameters.csv", header, "`sample`"]);
    }
}

#[test]
fn a_parameter_that_one_file_lacks_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let of = |third: &'static str| {
        move |i: usize| {
            let b = if i == 3 { third.to_string() } else { value("b", &format!("{}", i * i)) };
            value("a", &i.to_string()) + &b
        }
    };
    write_text(folder, "a.toml", &format!("[data]\nsamples = \"runs\"\ninputs = [\"a\"]\n{MODES}"));
    let two = "<DataArray type=\"Float64\" Name=\"b\" NumberOfTuples=\"2\" format=\"ascii\">1 2</DataArray>\n";
    let bad = "<DataArray type=\"Float64\" Name=\"b\" NumberOfTuples=\"1\" format=\"ascii\">1.x</DataArray>\n";
    for (third, code, words) in [
        ("", "K007", ["case_3", "b: found no value"]),
        (two, "K007", ["case_3", "b: found 2 values"]),
        (bad, "K003", ["case_3", "`b`"]),
    ] {
        quads(&folder.join("runs"), 6, &["p"], &of(third));
        for args in [&["check", "runs"][..], &["fit", "runs", "-o", "m.h5"], &["convert", "runs", "c.h5"]] {
            check_message(&kolmo(folder, args), 2, &[code], &words);
        }
        assert!(!folder.join("c.h5").exists() && !folder.join("m.h5").exists());
        let run = kolmo(folder, &["info", "runs"]).success();
        assert!(run.stdout.contains("column b cannot be used") && run.stdout.contains("case_3"), "{run:#?}");
        if code == "K007" {
            kolmo(folder, &["fit", "a.toml", "-o", "m.h5"]).success();
            std::fs::remove_file(folder.join("m.h5")).unwrap();
        }
    }
    // A table beside the samples tells instead.
    write_text(
        folder,
        "runs/parameters.csv",
        "sample,a,b\ncase_1,1,1\ncase_2,2,4\ncase_3,3,9\ncase_4,4,16\ncase_5,5,25\ncase_6,6,36\n",
    );
    kolmo(folder, &["convert", "runs", "c.h5"]).success();
    assert_eq!(data_sets(&folder.join("c.h5"))["/parameters"].1[4..6], [3.0, 9.0]);
    // And in the files that are written, too.
    quads(&folder.join("runs"), 6, &["p"], &|i| value("a", &(100 * i).to_string()));
    kolmo(folder, &["convert", "runs", "series.xdmf"]).success();
    kolmo(folder, &["convert", "series.xdmf", "s.h5"]).success();
    assert_eq!(data_sets(&folder.join("s.h5"))["/parameters"].1[4..6], [3.0, 9.0]);
}

#[test]
fn a_time_that_one_file_lacks_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let time = |i: usize| if i == 4 { String::new() } else { value("TimeValue", &format!("{}", 0.5 * i as f64)) };
    quads(&folder.join("runs"), 6, &["p"], &|i| value("a", &i.to_string()) + &time(i));
    for args in [&["check", "runs"][..], &["fit", "runs", "-o", "m.h5"]] {
        check_message(&kolmo(folder, args), 2, &["K007"], &["case_4", "no time", "case_1"]);
    }
    write_text(folder, "a.toml", &format!("[data]\nsamples = \"runs\"\ninputs = [\"a\"]\n{MODES}"));
    kolmo(folder, &["fit", "a.toml", "-o", "m.h5"]).success();
    // A sample that cannot be read takes the times of the others not away.
    quads(&folder.join("runs"), 6, &["p"], &|i| value("a", &(i % 3).to_string()) + &value("TimeValue", &i.to_string()));
    write_text(&folder.join("runs"), "case_4.vtu", "<VTKFile");
    let study = "[data]\nsamples = \"runs\"\nselect = [0, 1, 2, 4, 5]\n[reduction]\nmodes = 1\n";
    write_text(folder, "most.toml", study);
    kolmo(folder, &["fit", "most.toml", "-o", "m.h5"]).success();
    let run = kolmo(folder, &["info", "m.h5"]).success();
    assert!(run.stdout.contains("input time: 1 to 6"), "{run:#?}");
}

#[test]
fn time_is_an_input_beside_a_table_with_a_row_for_each_state() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = Stacked::new(12, 3);
    data.write(folder, "train.h5");
    let file = hdf5::File::open_rw(folder.join("train.h5")).unwrap();
    file.unlink("parameters").unwrap();
    let time: Vec<f64> = (0..12).map(|i| 0.25 * f64::from(i)).collect();
    file.new_dataset_builder().with_data(&time).create("time").unwrap();
    file.close().unwrap();
    kolmo(folder, &["convert", "train.h5", "run.pvd"]).success();
    let row = |i: usize| format!("run_{i:05},{:?}\n", data.parameters[(i, 0)]);
    let table = "sample,mach\n".to_string() + &(0..12).map(row).collect::<String>();
    write_text(folder, "rows.csv", &table);
    for (name, inputs) in [("all", ""), ("named", "inputs = [\"mach\", \"time\"]\n")] {
        let study = format!("[data]\nsamples = \"run.pvd\"\nparameters = \"rows.csv\"\n{inputs}");
        write_text(folder, &format!("{name}.toml"), &study);
        kolmo(folder, &["fit", &format!("{name}.toml"), "-o", "m.h5"]).success();
        let run = kolmo(folder, &["info", "m.h5"]).success();
        assert!(run.stdout.contains("input mach:") && run.stdout.contains("input time: 0 to 2.75"), "{run:#?}");
    }
    // A row that is missing is named by its state.
    write_text(folder, "rows.csv", &table.replace("run_00007", "other"));
    check_message(&kolmo(folder, &["fit", "all.toml"]), 2, &["K007"], &["run_00007"]);
}

#[test]
fn a_damaged_cell_of_a_table_is_no_silent_loss() {
    let (folder, rows) = results();
    let folder = folder.path();
    reversed(folder, "sample", &rows, |_, key| key.into());
    let text = std::fs::read_to_string(folder.join("results/parameters.csv")).unwrap();
    let bad = text.replacen(&rows[5][2], "0.5x", 1);
    write_text(folder, "results/parameters.csv", &bad);
    let before = contents(folder);
    check_message(&kolmo(folder, &["convert", "results", "c.h5"]), 2, &["K004"], &["column gamma", "`0.5x`"]);
    assert_eq!(contents(folder), before);
    let run = kolmo(folder, &["info", "results"]).success();
    assert!(run.stdout.contains("column gamma cannot be used: [K004]"), "{run:#?}");
    // A label is left out by name.
    let line = |(i, l): (usize, &str)| l.replacen(',', if i == 0 { ",note," } else { ",fine," }, 1) + "\n";
    let label: String = text.lines().enumerate().map(line).collect();
    write_text(folder, "results/parameters.csv", &label);
    let run = kolmo(folder, &["convert", "results", "c.h5"]).success();
    assert!(run.line("warning: ").contains("note"), "{run:#?}");
}

#[test]
fn samples_without_arrays_and_too_few_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    quads(&folder.join("bare"), 4, &[], &|i| value("a", &i.to_string()));
    for args in [&["fit", "bare", "-o", "m.h5"][..], &["convert", "bare", "c.h5"], &["convert", "bare", "c.npz"]] {
        check_message(&kolmo(folder, args), 2, &["K008"], &["bare", "without arrays"]);
    }
    kolmo(folder, &["convert", "bare", "copy/"]).success();
    // What is said of a study that nobody has written is said of the samples.
    quads(&folder.join("two"), 2, &["p"], &|i| value("a", &i.to_string()));
    let line = check_message(&kolmo(folder, &["fit", "two", "-o", "m.h5"]), 2, &["K008"], &["two: found 2 samples"]);
    assert!(!line.contains(".toml") && !line.contains("select"), "{line}");
}
