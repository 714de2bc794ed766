//! Stacked HDF5: layouts, chunks, every refusal.

use hdf5::types::{FixedAscii, VarLenUnicode};
use kolmo::Error;
use kolmo::data::{FieldInfo, Location, Table};
use kolmo::io::SnapshotSource;
use kolmo::io::stacked::StackedFile;
use kolmo::mesh::CellType;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const N_SAMPLES: usize = 7;

fn value(field: usize, sample: usize, dof: usize) -> f64 {
    (field as f64 + 1.0) * (sample as f64 * 0.25 - 0.5) + dof as f64 * 0.125
}

fn rows(field: usize, n_samples: usize, n_dofs: usize) -> Vec<f64> {
    (0..n_samples).flat_map(|s| (0..n_dofs).map(move |d| value(field, s, d))).collect()
}

fn strings(names: &[&str]) -> Vec<VarLenUnicode> {
    names.iter().map(|n| n.parse().unwrap()).collect()
}

/// A strip of four quads: 10 points, 4 cells.
fn add_mesh(file: &hdf5::Group) {
    let group = file.create_group("mesh").unwrap();
    let points: Vec<f64> = (0..10).flat_map(|i| [(i / 2) as f64, (i % 2) as f64]).collect();
    group.new_dataset::<f64>().shape([10, 2]).create("points").unwrap().write_raw(&points).unwrap();
    let cells: Vec<i32> = (0..4).flat_map(|c| [2 * c, 2 * c + 2, 2 * c + 3, 2 * c + 1]).collect();
    group.new_dataset::<i32>().shape([4, 4]).create("cells").unwrap().write_raw(&cells).unwrap();
}

fn add(file: &hdf5::Group, name: &str, shape: &[usize], values: &[f64]) -> hdf5::Dataset {
    let data = file.new_dataset::<f64>().shape(shape).create(name).unwrap();
    if !values.is_empty() {
        data.write_raw(values).unwrap();
    }
    data
}

fn attribute(place: &hdf5::Location, name: &str, value: &str) {
    let value: VarLenUnicode = value.parse().unwrap();
    place.new_attr::<VarLenUnicode>().create(name).unwrap().write_scalar(&value).unwrap();
}

/// The full layout, then `change`, then closed.
pub fn written(folder: &TempDir, change: impl FnOnce(&hdf5::File)) -> PathBuf {
    let path = folder.path().join("train.h5");
    let file = hdf5::File::create(&path).unwrap();
    add_mesh(&file);
    add(&file, "snapshots/p", &[N_SAMPLES, 4], &rows(0, N_SAMPLES, 4));
    add(&file, "snapshots/T", &[N_SAMPLES, 10], &rows(1, N_SAMPLES, 10));
    add(&file, "snapshots/u", &[N_SAMPLES, 10, 2], &rows(2, N_SAMPLES, 20));
    let data = add(&file, "parameters", &[N_SAMPLES, 2], &rows(3, N_SAMPLES, 2));
    let names = strings(&["mach", "gamma"]);
    data.new_attr::<VarLenUnicode>().shape([2]).create("names").unwrap().write_raw(&names).unwrap();
    add(&file, "mesh/cell_areas", &[4], &[1.0; 4]);
    change(&file);
    file.close().unwrap();
    path
}

fn refused(path: &Path, code: &str, parts: &[&str]) -> Error {
    let error = StackedFile::open(path).expect_err("has to be refused");
    check(error, code, parts)
}

fn check(error: Error, code: &str, parts: &[&str]) -> Error {
    let message = error.to_string();
    assert_eq!(error.code(), code, "{message}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    error
}

#[test]
fn reads_the_full_layout() {
    let folder = TempDir::new().unwrap();
    let path = written(&folder, |file| {
        let data = add(file, "scalars", &[N_SAMPLES, 1], &rows(4, N_SAMPLES, 1));
        let name = FixedAscii::<8>::from_ascii("drag").unwrap();
        data.new_attr::<FixedAscii<8>>().shape([1]).create("names").unwrap().write_raw(&[name]).unwrap();
        add(file, "time", &[N_SAMPLES], &rows(5, N_SAMPLES, 1));
        add(file, "tags", &[3], &[0.0; 3]);
    });
    let file = StackedFile::open(&path).unwrap();
    assert_eq!(file.n_samples(), N_SAMPLES);
    let found: Vec<_> =
        file.fields().iter().map(|f| (f.name.as_str(), f.location, f.n_entities, f.n_components, f.vector)).collect();
    let expected =
        [("T", Location::Point, 10, 1, false), ("p", Location::Cell, 4, 1, false), ("u", Location::Point, 10, 2, true)];
    assert_eq!(found, expected);
    assert_eq!(file.parameters().unwrap().names, ["mach", "gamma"]);
    assert_eq!(file.parameters().unwrap().values, rows(3, N_SAMPLES, 2));
    assert_eq!(file.scalars().unwrap().names, ["drag"]);
    assert_eq!(file.time().unwrap(), rows(5, N_SAMPLES, 1));
    let mesh = file.mesh().unwrap();
    assert_eq!((mesh.n_points(), mesh.n_cells(), mesh.dim), (10, 4, 2));
    assert_eq!(mesh.cells[0].cell_type, CellType::Quad);
    let u = file.read(&file.fields()[2], &[6, 0, 3], 3..18).unwrap();
    for (j, s) in [6, 0, 3].into_iter().enumerate() {
        (3..18).for_each(|d| assert_eq!(u[(d - 3, j)], value(2, s, d)));
    }
    assert_eq!(file.read(&file.fields()[0], &[7], 0..1).unwrap_err().code(), "K100");
    assert_eq!(file.read(&file.fields()[0], &[0], 0..11).unwrap_err().code(), "K100");
}

#[test]
fn names_as_one_string_and_without() {
    let folder = TempDir::new().unwrap();
    let path = written(&folder, |file| {
        file.unlink("parameters").unwrap();
        let data = add(file, "parameters", &[N_SAMPLES, 3], &rows(0, N_SAMPLES, 3));
        attribute(&data, "names", "a, b ,c");
        add(file, "scalars", &[N_SAMPLES, 2], &rows(0, N_SAMPLES, 2));
    });
    let file = StackedFile::open(path).unwrap();
    assert_eq!(file.parameters().unwrap().names, ["a", "b", "c"]);
    assert_eq!(file.scalars().unwrap().names, ["s0", "s1"]);
}

/// Every kind of chunk and type against the same numbers, samples in disorder, entries cut anywhere.
#[test]
fn chunks_and_types() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("chunks.h5");
    let (n, width) = (23, 37);
    let values = rows(0, n, width * 2);
    let file = hdf5::File::create(&path).unwrap();
    let chunks = [None, Some([1, 37, 2]), Some([4, 5, 1]), Some([23, 8, 2]), Some([7, 37, 2]), Some([1, 1, 1])];
    for (i, chunk) in chunks.iter().enumerate() {
        let single: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        let mut a = file.new_dataset::<f64>().shape([n, width, 2]);
        let mut b = file.new_dataset::<f32>().shape([n, width, 2]);
        if let Some(chunk) = chunk {
            (a, b) = (a.chunk(*chunk).shuffle().deflate(4), b.chunk(*chunk).deflate(1));
        }
        a.create(format!("snapshots/a{i}").as_str()).unwrap().write_raw(&values).unwrap();
        b.create(format!("snapshots/b{i}").as_str()).unwrap().write_raw(&single).unwrap();
    }
    let integers: Vec<i16> = values.iter().map(|&v| (8.0 * v) as i16).collect();
    let data = file.new_dataset::<i16>().shape([n, width, 2]).create("snapshots/c").unwrap();
    data.write_raw(&integers).unwrap();
    file.close().unwrap();
    let file = StackedFile::open(&path).unwrap();
    assert!(file.mesh().is_none() && file.fields().iter().all(|f| f.location == Location::Free));
    let all: Vec<usize> = (0..n).collect();
    for field in file.fields() {
        let scale = if field.name == "c" { 8.0 } else { 1.0 };
        for samples in [&all[..], &[22, 3, 4, 11, 3, 0], &[5], &[]] {
            for dofs in [0..74, 1..74, 7..8, 13..60, 5..5] {
                let block = file.read(field, samples, dofs.clone()).unwrap();
                assert_eq!((block.nrows(), block.ncols()), (dofs.len(), samples.len()));
                for (j, &s) in samples.iter().enumerate() {
                    for (i, d) in dofs.clone().enumerate() {
                        assert_eq!(block[(i, j)], scale * value(0, s, d), "{} sample {s} entry {d}", field.name);
                    }
                }
            }
        }
    }
}

/// More values than one piece holds: pieces have to end where chunks end.
#[test]
fn pieces_of_a_long_field() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("long.h5");
    let (n, width) = (40, 300_001);
    let file = hdf5::File::create(&path).unwrap();
    let a = file.new_dataset::<f32>().shape([n, width]).create("snapshots/a").unwrap();
    let b = file.new_dataset::<f32>().shape([n, width]).chunk([16, 4096]).create("snapshots/b").unwrap();
    for s in 0..n {
        let row: Vec<f32> = (0..width).map(|d| (s * 1000 + d % 997) as f32).collect();
        let view = ndarray::ArrayView2::from_shape((1, width), &row).unwrap();
        a.write_slice(view, (s..s + 1, ..)).unwrap();
        b.write_slice(view, (s..s + 1, ..)).unwrap();
    }
    drop((a, b));
    file.close().unwrap();
    let file = StackedFile::open(&path).unwrap();
    let samples: Vec<usize> = (0..n).filter(|s| s % 5 != 4).collect();
    for field in file.fields() {
        let block = file.read(field, &samples, 3..width).unwrap();
        for (j, &s) in samples.iter().enumerate() {
            for (i, &v) in block.col_as_slice(j).iter().enumerate() {
                assert_eq!(v, (s * 1000 + (i + 3) % 997) as f64);
            }
        }
    }
}

#[test]
fn refuses_what_is_no_data_set() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing.h5");
    assert_eq!(refused(&missing, "K001", &["missing.h5", "no such file"]).exit_code(), 2);
    refused(folder.path(), "K002", &["a folder"]);
    let text = folder.path().join("text.h5");
    fs::write(&text, "not HDF5 at all, but long enough to be read").unwrap();
    refused(&text, "K002", &["text.h5", "an HDF5 file"]);
    fs::write(&text, "").unwrap();
    refused(&text, "K003", &["empty"]);
    let path = written(&folder, |_| {});
    let bytes = fs::read(&path).unwrap();
    for keep in [5, 100, 600, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&text, &bytes[..keep]).unwrap();
        refused(&text, "K003", &["text.h5"]);
    }
    let path = written(&folder, |file| file.unlink("snapshots").unwrap());
    refused(&path, "K002", &["/snapshots", "no such group"]);
    let path = written(&folder, |file| {
        file.unlink("snapshots").unwrap();
        file.create_group("snapshots").unwrap();
    });
    refused(&path, "K008", &["/snapshots"]);
}

#[test]
fn refuses_wrong_shapes_and_names() {
    let folder = TempDir::new().unwrap();
    let case = |code: &str, parts: &[&str], change: &dyn Fn(&hdf5::File)| {
        refused(&written(&folder, |file| change(file)), code, parts);
    };
    case("K005", &["/snapshots/q", "9 entities", "10 points or 4 cells"], &|f| {
        add(f, "snapshots/q", &[N_SAMPLES, 9], &[0.0; 63]);
    });
    case("K005", &["/snapshots/u", "6 samples", "7 samples"], &|f| {
        f.unlink("snapshots/u").unwrap();
        add(f, "snapshots/u", &[6, 10], &[0.0; 60]);
    });
    case("K005", &["/snapshots/q", "[7]"], &|f| drop(add(f, "snapshots/q", &[7], &[0.0; 7])));
    case("K005", &["/snapshots/q", "location is cell"], &|f| {
        attribute(&add(f, "snapshots/q", &[7, 10], &[0.0; 70]), "location", "cell");
    });
    case("K006", &["/snapshots/q", "`edge`"], &|f| {
        attribute(&add(f, "snapshots/q", &[7, 10], &[0.0; 70]), "location", "edge");
    });
    case("K006", &["/snapshots/", "attribute `location`"], &|f| {
        f.unlink("mesh/cells").unwrap();
        f.unlink("snapshots/p").unwrap();
        f.new_dataset::<i32>().shape([10, 2]).create("mesh/cells").unwrap().write_raw(&[0; 20]).unwrap();
    });
    case("K008", &["0 samples"], &|f| {
        f.unlink("snapshots").unwrap();
        add(f, "snapshots/p", &[0, 4], &[]);
    });
    case("K007", &["/parameters, sample 5", "5 rows", "7 rows"], &|f| {
        f.unlink("parameters").unwrap();
        add(f, "parameters", &[5, 2], &[0.0; 10]);
    });
    case("K005", &["/parameters", "8 rows"], &|f| {
        f.unlink("parameters").unwrap();
        add(f, "parameters", &[8, 2], &[0.0; 16]);
    });
    case("K005", &["/time", "6 rows"], &|f| drop(add(f, "time", &[6], &[0.0; 6])));
    case("K005", &["/parameters, attribute names", "1 names", "2 names"], &|f| {
        f.dataset("parameters").unwrap().delete_attr("names").unwrap();
        attribute(&f.dataset("parameters").unwrap(), "names", "mach");
    });
    case("K004", &["/parameters, sample 3, column gamma", "NaN"], &|f| {
        let mut values = rows(3, N_SAMPLES, 2);
        values[7] = f64::NAN;
        f.dataset("parameters").unwrap().write_raw(&values).unwrap();
    });
    case("K004", &["/mesh/points, point 2, component 1", "inf"], &|f| {
        let mut points = vec![0.0; 20];
        points[5] = f64::INFINITY;
        f.dataset("mesh/points").unwrap().write_raw(&points).unwrap();
    });
    case("K015", &["/mesh/cells, cell 1", "point -3"], &|f| {
        let mut cells = [0; 16];
        cells[6] = -3;
        f.dataset("mesh/cells").unwrap().write_raw(&cells).unwrap();
    });
    case("K006", &["cell type `triangl`", "triangle"], &|f| {
        attribute(&f.dataset("mesh/cells").unwrap(), "cell_type", "triangl");
    });
    case("K005", &["/mesh/points", "no data set"], &|f| f.unlink("mesh/points").unwrap());
    case("K005", &["/snapshots/q", "float"], &|f| {
        f.new_dataset::<FixedAscii<4>>().shape([7, 10]).create("snapshots/q").unwrap();
    });
}

#[test]
fn names_sample_and_entry_of_what_is_not_finite() {
    let folder = TempDir::new().unwrap();
    let path = written(&folder, |f| {
        let mut values = rows(2, N_SAMPLES, 20);
        values[5 * 20 + 2 * 8 + 1] = f64::NEG_INFINITY;
        f.dataset("snapshots/u").unwrap().write_raw(&values).unwrap();
    });
    let file = StackedFile::open(path).unwrap();
    let all: Vec<usize> = (0..N_SAMPLES).collect();
    let error = file.read(&file.fields()[2], &all, 0..20).unwrap_err();
    check(error, "K004", &["/snapshots/u, sample 5, entry 8, component 1", "-inf"]);
    assert!(file.read(&file.fields()[2], &all, 0..17).is_ok());
    assert!(file.read(&file.fields()[2], &[0, 1, 2, 3, 4, 6], 0..20).is_ok());
}

#[test]
fn damaged_chunk() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("damaged.h5");
    let file = hdf5::File::create(&path).unwrap();
    let noise: Vec<f64> = (0..8 * 4096u32).map(|i| f64::from(i.wrapping_mul(2_654_435_761) >> 8)).collect();
    let builder = file.new_dataset::<f64>().shape([8, 4096]).chunk([2, 4096]).deflate(6).fletcher32();
    builder.create("snapshots/p").unwrap().write_raw(&noise).unwrap();
    file.close().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let file = StackedFile::open(&path).unwrap();
    let error = file.read(&file.fields()[0], &(0..8).collect::<Vec<_>>(), 0..4096).unwrap_err();
    check(error, "K003", &["damaged.h5", "/snapshots/p", "samples"]);
}

#[test]
fn cells_of_several_types() {
    let folder = TempDir::new().unwrap();
    let path = written(&folder, |f| {
        f.unlink("mesh/cells").unwrap();
        f.new_dataset::<u32>()
            .shape([2, 3])
            .create("mesh/cells/triangle")
            .unwrap()
            .write_raw(&[0, 2, 1, 1, 2, 3])
            .unwrap();
        f.new_dataset::<i64>()
            .shape([2, 4])
            .create("mesh/cells/quad")
            .unwrap()
            .write_raw(&[2, 4, 5, 3, 4, 6, 7, 5])
            .unwrap();
    });
    let file = StackedFile::open(&path).unwrap();
    let mesh = file.mesh().unwrap();
    let types: Vec<_> = mesh.cells.iter().map(|b| b.cell_type).collect();
    assert_eq!(types, [CellType::Quad, CellType::Triangle]);
    assert_eq!(mesh.n_cells(), 4);
}

#[test]
fn inner_product_of_the_file() {
    let folder = TempDir::new().unwrap();
    let read = |data: &[f64], indices: &[i32], indptr: &[i64]| {
        let path = written(&folder, |f| {
            add(f, "inner_product/data", &[data.len()], data);
            let set = f.new_dataset::<i32>().shape([indices.len()]).create("inner_product/indices").unwrap();
            set.write_raw(indices).unwrap();
            let set = f.new_dataset::<i64>().shape([indptr.len()]).create("inner_product/indptr").unwrap();
            set.write_raw(indptr).unwrap();
        });
        StackedFile::open(&path).unwrap().inner_product()
    };
    // Columns in any order.
    let matrix = read(&[1.0, 2.0, 1.0, 3.0], &[1, 0, 0, 1], &[0, 2, 4]).unwrap().unwrap();
    assert_eq!((matrix.shape(), matrix.get(0, 1), matrix.get(1, 1)), ((2, 2), Some(&1.0), Some(&3.0)));
    let full = |data: [f64; 4]| read(&data, &[0, 1, 0, 1], &[0, 2, 4]).unwrap_err();
    check(full([2.0, 1.0, f64::NAN, 3.0]), "K004", &["train.h5, /inner_product/data, entry 2", "NaN"]);
    check(full([2.0, 1.0, 1.5, 3.0]), "K016", &["/inner_product, row 0, column 1", "1.5 in row 1", "symmetric"]);
    check(full([2.0, 0.0, 0.0, -3.0]), "K016", &["/inner_product, row 1, column 1", "-3 on the diagonal"]);
    check(full([2.0, 4.0, 4.0, 3.0]), "K016", &["/inner_product, row 0, column 1", "4 between 2 and 3", "definite"]);
    check(read(&[1.0], &[-1], &[0, 1]).unwrap_err(), "K005", &["/inner_product/indices, entry 0", "-1"]);
    check(read(&[1.0], &[0], &[0, 2]).unwrap_err(), "K005", &["/inner_product", "1 values, 1 indices, 2 row starts"]);
    let path = written(&folder, |f| drop(add(f, "inner_product/data", &[3], &[2.0, 1.0, 3.0])));
    check(StackedFile::open(&path).unwrap().inner_product().unwrap_err(), "K005", &["/inner_product/indices"]);
}

fn field(name: &str, location: Location, n_entities: usize, n_components: usize) -> FieldInfo {
    FieldInfo { name: name.into(), location, n_entities, n_components, vector: n_components > 1 }
}

#[test]
fn moving_points_are_a_field() {
    let folder = TempDir::new().unwrap();
    // The mesh of the other tests, shifted from sample to sample.
    let mut grid = Vec::new();
    let path = written(&folder, |f| {
        grid = f.dataset("mesh/points").unwrap().read_raw::<f64>().unwrap();
        f.unlink("mesh/points").unwrap();
        let moved: Vec<f64> = (0..N_SAMPLES).flat_map(|s| grid.iter().map(move |x| x + value(1, s, 0))).collect();
        let builder = f.new_dataset::<f64>().shape([N_SAMPLES, 10, 2]).chunk([3, 4, 1]).deflate(1);
        builder.create("mesh/points").unwrap().write_raw(&moved).unwrap();
    });
    let file = StackedFile::open(&path).unwrap();
    let points = file.fields().last().unwrap();
    assert_eq!(points, &field("points", Location::Point, 10, 2));
    assert!(file.points_move());
    let moved = |s: usize| grid.iter().map(|x| x + value(1, s, 0)).collect::<Vec<_>>();
    assert_eq!(file.mesh().unwrap().points, moved(0));
    assert_eq!(file.mesh_of(5).unwrap().unwrap().points, moved(5));
    let mean = file.mean_mesh(&[1, 2, 6]).unwrap().unwrap();
    assert_eq!((&mean.cells, mean.dim), (&file.mesh().unwrap().cells, 2));
    for (found, x) in mean.points.iter().zip(&grid) {
        assert!((found - x - value(1, 3, 0)).abs() < 1e-14);
    }
    assert_eq!(file.mean_mesh(&[7]).unwrap_err().code(), "K100");
    assert_eq!(file.read(points, &[2], 0..20).unwrap()[(7, 0)], grid[7] + value(1, 2, 0));
    // Bad points of one sample are no matter for who leaves it out.
    drop(file);
    let raw = hdf5::File::open_rw(&path).unwrap();
    let spoilt = ndarray::arr3(&[[[f64::NAN]]]);
    raw.dataset("mesh/points").unwrap().write_slice(&spoilt, (0..1, 4..5, 0..1)).unwrap();
    // Cell 0 of sample 2 becomes a line.
    let flat = ndarray::arr3(&[[[0.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 1.0]]]);
    raw.dataset("mesh/points").unwrap().write_slice(&flat, (2..3, 0..4, ..)).unwrap();
    raw.close().unwrap();
    let file = StackedFile::open(&path).unwrap();
    assert_eq!(file.mesh().unwrap().points, moved(1));
    check(file.mean_mesh(&[3, 0]).unwrap_err(), "K004", &["/mesh/points, sample 0, entry 4, component 0"]);
    check(file.mesh_of(2).unwrap_err(), "K015", &["train.h5, sample 2, cell 0", "volume of zero"]);
    assert!(file.mean_mesh(&[1, 3, 4]).is_ok());
}

#[test]
fn a_field_named_points_does_not_move_the_mesh() {
    let folder = TempDir::new().unwrap();
    let path = written(&folder, |f| {
        f.unlink("snapshots/u").unwrap();
        add(f, "snapshots/points", &[N_SAMPLES, 10, 2], &rows(2, N_SAMPLES, 20));
        f.unlink("snapshots/p").unwrap();
    });
    let file = StackedFile::open(&path).unwrap();
    assert!(!file.points_move() && file.mean_mesh(&[3]).unwrap().as_ref() == file.mesh());
}

#[test]
fn fields_on_cells_with_and_without_those_of_the_boundary() {
    let folder = TempDir::new().unwrap();
    let change = |f: &hdf5::File| {
        let quads = f.dataset("mesh/cells").unwrap().read_raw::<i32>().unwrap();
        f.unlink("mesh/cells").unwrap();
        f.new_dataset::<i32>().shape([4, 4]).create("mesh/cells/quad").unwrap().write_raw(&quads).unwrap();
        f.new_dataset::<i32>().shape([2, 2]).create("mesh/cells/line").unwrap().write_raw(&[0, 2, 2, 4]).unwrap();
        add(f, "snapshots/all", &[N_SAMPLES, 6], &rows(0, N_SAMPLES, 6));
    };
    let file = StackedFile::open(written(&folder, change)).unwrap();
    let on_cells: Vec<_> = file.fields().iter().filter(|f| f.location == Location::Cell).collect();
    assert_eq!(on_cells.iter().map(|f| (f.name.as_str(), f.n_entities)).collect::<Vec<_>>(), [("all", 6), ("p", 4)]);
    let mesh = file.mesh().unwrap();
    assert_eq!((mesh.n_cells(), mesh.n_top_cells()), (6, 4));
    let types = |n: usize| mesh.with_cells(n).map(|m| m.cells.iter().map(|b| b.cell_type).collect::<Vec<_>>());
    let expected = (Some(vec![CellType::Quad]), Some(vec![CellType::Line, CellType::Quad]), None);
    assert_eq!((types(4), types(6), types(5)), expected);
    drop(file);
    let path = written(&folder, |f| {
        change(f);
        attribute(&f.dataset("snapshots/T").unwrap(), "location", "cell");
    });
    refused(&path, "K005", &["/snapshots/T", "10 entities", "6 cells, or 4 without the 2 of lower dimension"]);
    let path = written(&folder, |f| {
        change(f);
        add(f, "snapshots/q", &[N_SAMPLES, 5], &rows(0, N_SAMPLES, 5));
    });
    refused(&path, "K005", &["/snapshots/q", "10 points or 6 cells, or 4 without"]);
}

#[test]
fn shared_data_sets() {
    let data = std::env::var("KOLMO_DATA")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    if !data.is_dir() {
        println!("skipped: no data at {}", data.display());
        return;
    }
    for (name, n_samples, n_fields, parameters, n_points, n_cells) in [
        ("supersonic_step/fixed_mesh.h5", 60, 5, 2, 2433, 2328),
        ("supersonic_step/moving_step.h5", 20, 6, 3, 2433, 2328),
        ("cylinder_wake/cylinder_wake.h5", 300, 3, 0, 7816, 7707),
        ("transonic_wall/train.h5", 70, 2, 1, 448, 448),
    ] {
        let opened = StackedFile::open(data.join(name));
        if name.starts_with("transonic") {
            // A closed curve: as many lines as points. Its data sets tell by the attribute, or are refused by name.
            if let Err(error) = &opened {
                check(error.clone(), "K006", &["attribute `location`"]);
                continue;
            }
        }
        let file = opened.unwrap();
        assert_eq!((file.n_samples(), file.fields().len()), (n_samples, n_fields), "{name}");
        assert_eq!(file.parameters().map_or(0, Table::n_columns), parameters, "{name}");
        let mesh = file.mesh().unwrap();
        assert_eq!((mesh.n_points(), mesh.n_cells()), (n_points, n_cells), "{name}");
        let samples: Vec<usize> = (0..n_samples).collect();
        for field in file.fields() {
            file.read(field, &samples, 0..field.n_dofs()).unwrap();
        }
    }
}
