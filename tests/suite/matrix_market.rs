//! Operators from MatrixMarket files: the same numbers as in HDF5, and what is refused.

use crate::operator_files::Small;
use crate::tool::{check_message, kolmo, write_text};
use faer::c64;
use kolmo::io::matrix_market::read;
use kolmo::io::operators::OperatorFile;
use std::fmt::Write;
use std::path::Path;

pub fn coordinates(small: &Small, values: &[f64]) -> String {
    let mut text =
        format!("%%MatrixMarket matrix coordinate real general\n% by rows\n{0} {0} {1}\n", small.n, values.len());
    for (i, rows) in small.indptr.windows(2).enumerate() {
        for (column, value) in small.indices[rows[0]..rows[1]].iter().zip(&values[rows[0]..rows[1]]) {
            writeln!(text, "{} {} {value}", i + 1, column + 1).unwrap();
        }
    }
    text
}

fn write_folder(folder: &Path, small: &Small) {
    let mut table = String::from("mu,sample\n");
    for (k, (mu, values)) in small.parameters.iter().zip(&small.values).enumerate() {
        // Backwards: rows and files are joined by their keys.
        let key = small.parameters.len() - k;
        writeln!(table, "{mu},s{key}").unwrap();
        write_text(folder, &format!("A_s{key}.mtx"), &coordinates(small, values));
    }
    write_text(folder, "parameters.csv", &table);
    let ones = "1\n".repeat(small.n);
    write_text(folder, "rhs.mtx", &format!("%%MatrixMarket matrix array integer general\n{} 1\n{ones}", small.n));
}

#[test]
fn a_folder_of_matrices_is_fitted_as_the_same_numbers_in_hdf5() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small = Small::new(7, 9);
    small.write(&folder.join("direct.h5"));
    std::fs::create_dir(folder.join("market")).unwrap();
    write_folder(&folder.join("market"), &small);
    kolmo(folder, &["convert", "market", "operators.h5"]).success();
    let (direct, converted) =
        [folder.join("direct.h5"), folder.join("operators.h5")].map(|f| OperatorFile::open(&f).unwrap()).into();
    assert_eq!(converted.parameters, direct.parameters);
    for sample in 0..9 {
        assert_eq!(converted.matrix::<f64>(0, sample).unwrap(), direct.matrix::<f64>(0, sample).unwrap());
    }
    assert_eq!(converted.operators[0].pattern(), direct.operators[0].pattern());
    let rhs = |file: &OperatorFile| file.vector::<f64>(file.rhs.as_ref().unwrap(), 0).unwrap();
    assert_eq!(rhs(&converted), rhs(&direct));
    kolmo(folder, &["fit", "operators.h5", "-o", "model.h5", "--quiet"]).success();
}

#[test]
fn symmetric_hermitian_and_repeated_entries() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let of = |text: &str| read(&write_text(folder, "one.mtx", text)).unwrap();
    let symmetric = of("%%MatrixMarket matrix coordinate real symmetric\n2 2 2\n1 1 2.5\n2 1 -1\n");
    let real = |v: f64| c64::new(v, 0.0);
    assert_eq!(symmetric.entries, [((0, 0), real(2.5)), ((0, 1), real(-1.0)), ((1, 0), real(-1.0))]);
    let hermitian = of("%%MatrixMarket matrix coordinate complex hermitian\n2 2 2\n1 1 2 0\n2 1 1 3\n");
    assert_eq!(hermitian.entries, [((0, 0), real(2.0)), ((0, 1), c64::new(1.0, -3.0)), ((1, 0), c64::new(1.0, 3.0))]);
    assert!(hermitian.complex && !symmetric.complex);
    let repeated = of("%%MatrixMarket matrix coordinate integer general\n1 2 3\n1 2 4\n1 1 1\n1 2 5\n");
    assert_eq!(repeated.entries, [((0, 0), real(1.0)), ((0, 1), real(9.0))]);
    // All entries, column by column.
    let array = of("%%MatrixMarket matrix array real general\n2 2\n1\n2\n3\n4\n");
    assert_eq!(array.entries.iter().map(|(_, v)| v.re).collect::<Vec<_>>(), [1.0, 3.0, 2.0, 4.0]);
}

#[test]
fn folders_that_do_not_fit_are_refused() {
    let small = Small::new(4, 3);
    let refused = |code: &str, words: &[&str], spoil: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let market = folder.join("market");
        std::fs::create_dir(&market).unwrap();
        write_folder(&market, &small);
        spoil(&market);
        let run = kolmo(folder, &["convert", "market", "operators.h5"]);
        println!("{}", run.stderr.trim());
        check_message(&run, 2, &[code], words);
        assert!(!folder.join("operators.h5").exists());
    };
    let remove = |name: &'static str| move |m: &Path| std::fs::remove_file(m.join(name)).unwrap();
    let write = |name: &'static str, text: &'static str| move |m: &Path| drop(write_text(m, name, text));
    refused("K005", &["market, A", "no file A_s2.mtx", "3 files"], &remove("A_s2.mtx"));
    refused("K007", &["market, parameters.csv", "no such file"], &remove("parameters.csv"));
    let head = "%%MatrixMarket matrix coordinate real general\n";
    let cut = format!("{head}4 4 3\n1 1 1.0\n");
    refused("K003", &["A_s1.mtx", "3 entries", "whole MatrixMarket file"], &|m| drop(write_text(m, "A_s1.mtx", &cut)));
    let wide = format!("{head}4 5 1\n1 5 1.0\n");
    refused("K005", &["A_s3.mtx", "4 x 5 entries", "a square matrix"], &|m| drop(write_text(m, "A_s3.mtx", &wide)));
    let pattern = "%%MatrixMarket matrix coordinate pattern general\n4 4 1\n1 1\n";
    refused("K018", &["A_s1.mtx, line 1", "a pattern"], &write("A_s1.mtx", pattern));
    refused("K002", &["A_s1.mtx, line 1", "MatrixMarket"], &write("A_s1.mtx", "4 4 1\n1 1 2\n"));
    refused(
        "K005",
        &["rhs.mtx", "3 x 1 entries", "4 entries"],
        &write("rhs.mtx", "%%MatrixMarket matrix array real general\n3 1\n1\n1\n1\n"),
    );
    // Fitting names the way.
    let folder = tempfile::tempdir().unwrap();
    write_folder(folder.path(), &small);
    let run = kolmo(folder.path(), &["fit", ".", "-o", "model.h5"]);
    check_message(&run, 2, &["K002"], &["a folder of MatrixMarket files", "kolmo convert"]);
}
