//! Tables as CSV, snapshot matrices as NumPy files.

use kolmo::Error;
use kolmo::data::{Location, Table};
use kolmo::io::SnapshotSource;
use kolmo::io::csv::{columns, read_table, write_table};
use kolmo::io::numpy::NumpyFile;
use ndarray::{Array1, Array2, Array3, ShapeBuilder};
use ndarray_npy::{NpzWriter, write_npy};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn check(error: Error, code: &str, parts: &[&str]) {
    let message = error.to_string();
    assert_eq!(error.code(), code, "{message}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

fn csv(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("parameters.csv");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn tables_as_they_come() {
    let folder = TempDir::new().unwrap();
    for (text, keys) in [
        ("mach,gamma\n2.1,1.4\n-3e-1, 5\n", None),
        ("\u{feff}mach , gamma\r\n 2.1 , 1.4\r\n-3e-1,5\r\n", None),
        ("\n\nmach;gamma\n2,1;1,4\n-0.3;5\n\n", None),
        ("mach,sample,gamma\n2.1,a,1.4\n-0.3,\"b, c\",5", Some(vec!["a".to_string(), "b, c".to_string()])),
    ] {
        let (found, table) = read_table(csv(&folder, text)).unwrap();
        assert_eq!(found, keys, "{text}");
        assert_eq!(table.names, ["mach", "gamma"], "{text}");
        assert_eq!(table.values, [2.1, 1.4, -0.3, 5.0], "{text}");
    }
}

#[test]
fn tables_are_refused_by_row_and_column() {
    let folder = TempDir::new().unwrap();
    for (text, code, parts) in [
        ("a\nx\n", "K004", &["parameters.csv", "line 2 (row 0), column a", "`x`"][..]),
        ("a,b\n1,2\n3\n", "K005", &["line 3 (row 1)", "1 cells", "2 cells"]),
        ("a,a\n1,2\n", "K006", &["column 1 is called `a`"]),
        ("sample,a\nx,1\ny,2\nx,3\n", "K005", &["line 4 (row 2), column sample", "`x`, which row 0 has too"]),
        ("a,b\n", "K008", &["no rows"]),
        ("", "K008", &["no rows"]),
    ] {
        check(read_table(csv(&folder, text)).unwrap_err(), code, parts);
    }
    check(read_table(folder.path().join("none.csv")).unwrap_err(), "K001", &["none.csv", "no such file"]);
    check(read_table(folder.path()).unwrap_err(), "K002", &["a folder"]);
    let binary = csv(&folder, "");
    fs::write(&binary, [0x89, b'H', b'D', b'F', 0, 1, 2]).unwrap();
    check(read_table(&binary).unwrap_err(), "K002", &["CSV"]);
}

#[test]
fn columns_that_are_not_numbers_are_errors_where_they_are_needed() {
    let folder = TempDir::new().unwrap();
    let text = "note,a,b,empty,sample,c\nfine,1,2,,x,nan\nbad,3,?,,y,inf\n";
    let path = csv(&folder, text);
    let (keys, table) = read_table(&path).unwrap();
    assert_eq!((keys, table.names.as_slice()), (Some(vec!["x".into(), "y".into()]), &["a".to_string()][..]));
    assert_eq!((table.values.as_slice(), columns(&path, &table, &["a"]).unwrap()), (&[1.0, 3.0][..], vec![0]));
    let labels: Vec<_> = table.unusable.iter().filter(|c| c.text).map(|c| c.name.as_str()).collect();
    assert_eq!(labels, ["note", "empty"]);
    for (name, parts) in [
        ("b", &["parameters.csv", "line 3 (row 1), column b", "`?`"][..]),
        ("note", &["line 2 (row 0), column note", "`fine`"]),
        ("empty", &["column empty", "an empty cell"]),
        ("c", &["line 2 (row 0), column c", "`nan`"]),
    ] {
        check(columns(&path, &table, &["a", name]).unwrap_err(), "K004", parts);
    }
    // All are meant: a column with one bad cell is a mistake, a label is not.
    check(table.select_rows(&[1, 0]).all_columns().unwrap_err(), "K004", &["column b"]);
    assert_eq!(read_table(csv(&folder, "note,a\nfine,1\n")).unwrap().1.all_columns().unwrap(), [0]);
}

#[test]
fn a_missing_column_names_the_nearest() {
    let table = Table::new(vec!["mach".into(), "gamma".into()], vec![1.0, 2.0]).unwrap();
    assert_eq!(columns("p.csv", &table, &["gamma", "mach"]).unwrap(), [1, 0]);
    let error = columns("p.csv", &table, &["gama"]).unwrap_err();
    check(error, "K006", &["p.csv", "no column `gama`", "one of mach, gamma", "use `gamma`"]);
}

#[test]
fn tables_round_trip_bit_by_bit() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out.csv");
    let values = vec![0.1 + 0.2, 1e-300, -1.0, f64::MAX, 5e-324, 123_456_789.123_456_78];
    let table = Table::new(vec!["a".into(), "b c".into()], values).unwrap();
    write_table(&path, None, &table).unwrap();
    assert_eq!(read_table(&path).unwrap(), (None, table.clone()));
    let keys = ["x".to_string(), "y,z".to_string(), "w".to_string()];
    write_table(&path, Some(&keys), &table).unwrap();
    assert_eq!(read_table(&path).unwrap(), (Some(keys.to_vec()), table.clone()));
    assert_eq!(write_table(&path, Some(&keys[..2]), &table).unwrap_err().code(), "K100");
    assert_eq!(write_table(folder.path().join("no/out.csv"), None, &table).unwrap_err().code(), "K001");
}

fn value(s: usize, e: usize, c: usize) -> f64 {
    s as f64 + 0.25 * e as f64 - 0.5 * c as f64
}

#[test]
fn matrices_of_every_kind() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pressure.npy");
    let whole = Array2::from_shape_fn((9, 14), |(s, e)| value(s, e, 0));
    let fortran = Array2::from_shape_fn((9, 14).f(), |(s, e)| value(s, e, 0));
    let cases: [&dyn Fn() -> f64; 5] = [
        &|| write_npy(&path, &whole).map(|()| 1.0).unwrap(),
        &|| write_npy(&path, &fortran).map(|()| 1.0).unwrap(),
        &|| write_npy(&path, &whole.mapv(|v| v as f32)).map(|()| 1.0).unwrap(),
        &|| write_npy(&path, &fortran.mapv(|v| (4.0 * v) as i32)).map(|()| 4.0).unwrap(),
        &|| write_npy(&path, &whole.mapv(|v| (4.0 * v) as i8)).map(|()| 4.0).unwrap(),
    ];
    for write in cases {
        let scale = write();
        let file = NumpyFile::open(&path).unwrap();
        let field = &file.fields()[0];
        assert_eq!((field.name.as_str(), field.location, field.n_dofs()), ("pressure", Location::Free, 14));
        assert_eq!((file.n_samples(), file.mesh().is_none()), (9, true));
        let block = file.read(field, &[8, 0, 3], 2..13).unwrap();
        for (j, s) in [8, 0, 3].into_iter().enumerate() {
            (2..13).for_each(|e| assert_eq!(block[(e - 2, j)], scale * value(s, e, 0)));
        }
    }
    for vectors in [Array3::zeros((4, 5, 3)), Array3::zeros((4, 5, 3).f())] {
        let mut vectors = vectors;
        vectors.indexed_iter_mut().for_each(|((s, e, c), v)| *v = value(s, e, c));
        write_npy(&path, &vectors).unwrap();
        let file = NumpyFile::open(&path).unwrap();
        let field = &file.fields()[0];
        assert_eq!((field.n_entities, field.n_components, field.vector), (5, 3, true));
        for dofs in [0..15, 1..14, 4..5, 7..7] {
            let block = file.read(field, &[3, 1], dofs.clone()).unwrap();
            for (j, s) in [3, 1].into_iter().enumerate() {
                dofs.clone().for_each(|d| assert_eq!(block[(d - dofs.start, j)], value(s, d / 3, d % 3)));
            }
        }
    }
}

#[test]
fn archives() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("train.npz");
    let write = |n_parameters: usize| {
        let mut npz = NpzWriter::new(fs::File::create(&path).unwrap());
        npz.add_array("p", &Array2::from_shape_fn((6, 4), |(s, e)| value(s, e, 0))).unwrap();
        npz.add_array("u", &Array3::from_shape_fn((6, 4, 2).f(), |(s, e, c)| value(s, e, c) as f32)).unwrap();
        npz.add_array("points", &Array2::<f64>::zeros((4, 2))).unwrap();
        npz.add_array("time", &Array1::from_iter((0..6).map(i64::from))).unwrap();
        if n_parameters > 0 {
            npz.add_array("parameters", &Array2::<f64>::ones((n_parameters, 3))).unwrap();
        }
        npz.finish().unwrap();
    };
    write(6);
    let file = NumpyFile::open(&path).unwrap();
    let names: Vec<_> = file.fields().iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["p", "u"]);
    assert_eq!(file.parameters().unwrap().names, ["p0", "p1", "p2"]);
    assert_eq!(file.time().unwrap()[5], 5.0);
    let block = file.read(&file.fields()[1], &[5], 1..8).unwrap();
    (1..8).for_each(|d| assert_eq!(block[(d - 1, 0)], value(5, d / 2, d % 2)));
    let mut npz = NpzWriter::new_compressed(fs::File::create(&path).unwrap());
    npz.add_array("p", &Array2::from_shape_fn((60, 400), |(s, e)| value(s, e, 0))).unwrap();
    npz.finish().unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 60 * 400 * 8 / 2, "not compressed");
    let file = NumpyFile::open(&path).unwrap();
    let block = file.read(&file.fields()[0], &[59], 7..400).unwrap();
    (7..400).for_each(|e| assert_eq!(block[(e - 7, 0)], value(59, e, 0)));
    write(5);
    check(NumpyFile::open(&path).unwrap_err(), "K005", &["array parameters", "5 rows", "6 rows, as in time"]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    check(NumpyFile::open(&path).unwrap_err(), "K003", &["train.npz"]);
}

#[test]
fn numpy_refusals() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.npy");
    let open = |path: &Path| NumpyFile::open(path).map(|f| f.n_samples());
    check(open(&path).unwrap_err(), "K001", &["a.npy"]);
    check(open(folder.path()).unwrap_err(), "K002", &["a folder"]);
    fs::write(&path, "text").unwrap();
    check(open(&path).unwrap_err(), "K002", &["NumPy"]);
    write_npy(&path, &Array1::<f64>::zeros(5)).unwrap();
    check(open(&path).unwrap_err(), "K005", &["shape [5]"]);
    write_npy(&path, &Array2::<f64>::zeros((0, 5))).unwrap();
    check(open(&path).unwrap_err(), "K008", &["0 samples"]);
    let mut values = Array2::<f64>::zeros((8, 5));
    values[(6, 3)] = f64::NAN;
    write_npy(&path, &values).unwrap();
    let file = NumpyFile::open(&path).unwrap();
    check(file.read(&file.fields()[0], &[2, 6], 1..5).unwrap_err(), "K004", &["field a, sample 6, entry 3", "NaN"]);
    assert!(file.read(&file.fields()[0], &[2, 6], 0..3).is_ok());
    let bytes = fs::read(&path).unwrap();
    for keep in [7, 11, 40, bytes.len() - 1] {
        fs::write(&path, &bytes[..keep]).unwrap();
        check(open(&path).unwrap_err(), "K003", &["a.npy"]);
    }
    let complex = String::from_utf8_lossy(&bytes).replace("'<f8'", "'<c8'");
    fs::write(&path, complex.replace('\u{fffd}', "\u{93}")).unwrap();
    check(open(&path).unwrap_err(), "K002", &["a.npy"]);
    let mut complex = bytes;
    let at = complex.windows(4).position(|w| w == b"'<f8").unwrap();
    complex[at + 2] = b'c';
    fs::write(&path, complex).unwrap();
    check(open(&path).unwrap_err(), "K005", &["values of type <c8"]);
}
