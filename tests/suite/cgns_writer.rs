//! A slow writer of CGNS files in HDF5, node by node.

use hdf5::Group;
use hdf5::types::FixedAscii;
use kolmo::data::Location;
use kolmo::io::cgns::CgnsFile;
use kolmo::io::mesh_file::MeshFile;
use std::path::PathBuf;

/// Data of a node; shapes are those of the file.
pub enum Data<'a> {
    None,
    Text(&'a str),
    I4(&'a [i32]),
    I8(&'a [i64]),
    R4(&'a [f32]),
    R8(&'a [f64]),
}
use Data::*;

/// A node as the mapping of CGNS to HDF5 wants it.
pub fn node(parent: &Group, name: &str, label: &str, data: Data<'_>) -> Group {
    let group = parent.create_group(name).unwrap();
    let kind = match data {
        Data::None => "MT",
        Text(_) => "C1",
        I4(_) => "I4",
        I8(_) => "I8",
        R4(_) => "R4",
        R8(_) => "R8",
    };
    for (attribute, text) in [("name", name), ("label", label)] {
        let text = FixedAscii::<33>::from_ascii(text).unwrap();
        group.new_attr::<FixedAscii<33>>().create(attribute).unwrap().write_scalar(&text).unwrap();
    }
    let kind = FixedAscii::<3>::from_ascii(kind).unwrap();
    group.new_attr::<FixedAscii<3>>().create("type").unwrap().write_scalar(&kind).unwrap();
    let builder = group.new_dataset_builder();
    match data {
        Data::None => (),
        Text(t) => drop(builder.with_data(&t.bytes().map(|b| b as i8).collect::<Vec<_>>()).create(" data").unwrap()),
        I4(v) => drop(builder.with_data(v).create(" data").unwrap()),
        I8(v) => drop(builder.with_data(v).create(" data").unwrap()),
        R4(v) => drop(builder.with_data(v).create(" data").unwrap()),
        R8(v) => drop(builder.with_data(v).create(" data").unwrap()),
    }
    group
}

/// A node whose data have two axes, the second of `width`.
pub fn table<T: hdf5::H5Type>(parent: &Group, name: &str, label: &str, like: Data<'_>, values: &[T], width: usize) {
    let group = node(parent, name, label, like);
    let _ = group.unlink(" data");
    let view = ndarray::ArrayView2::from_shape((values.len() / width, width), values).unwrap();
    group.new_dataset_builder().with_data(&view).create(" data").unwrap();
}

pub fn base(file: &Group, name: &str, cells: i32, points: i32) -> Group {
    node(file, name, "CGNSBase_t", I4(&[cells, points]))
}

/// An unstructured zone with its points, [n_points, dim].
pub fn zone(base: &Group, name: &str, n_cells: i32, points: &[[f64; 3]], dim: usize) -> Group {
    let zone = node(base, name, "Zone_t", Data::None);
    zone.new_dataset_builder()
        .with_data(&ndarray::arr2(&[[points.len() as i32], [n_cells], [0]]))
        .create(" data")
        .unwrap();
    node(&zone, "ZoneType", "ZoneType_t", Text("Unstructured"));
    grid(&zone, "GridCoordinates", points, dim);
    zone
}

pub fn grid(zone: &Group, name: &str, points: &[[f64; 3]], dim: usize) {
    let grid = node(zone, name, "GridCoordinates_t", Data::None);
    for k in 0..dim {
        let axis: Vec<f64> = points.iter().map(|x| x[k]).collect();
        node(&grid, &format!("Coordinate{}", ["X", "Y", "Z"][k]), "DataArray_t", R8(&axis));
    }
}

pub fn section(zone: &Group, name: &str, code: i32, range: [i32; 2], connectivity: &[i64]) -> Group {
    let section = node(zone, name, "Elements_t", I4(&[code, 0]));
    node(&section, "ElementRange", "IndexRange_t", I4(&range));
    node(&section, "ElementConnectivity", "DataArray_t", I8(connectivity));
    section
}

pub fn solution(zone: &Group, name: &str, location: &str, arrays: &[(&str, &[f64])]) {
    let solution = node(zone, name, "FlowSolution_t", Data::None);
    node(&solution, "GridLocation", "GridLocation_t", Text(location));
    for (name, values) in arrays {
        node(&solution, name, "DataArray_t", R8(values));
    }
}

/// Writes a file with `fill`.
pub fn written(folder: &tempfile::TempDir, fill: impl FnOnce(&hdf5::File)) -> PathBuf {
    let path = folder.path().join("a.cgns");
    let file = hdf5::File::create(&path).unwrap();
    node(&file, "CGNSLibraryVersion", "CGNSLibraryVersion_t", R4(&[4.2]));
    fill(&file);
    path
}

pub fn opened(fill: impl FnOnce(&hdf5::File)) -> kolmo::Result<(CgnsFile, tempfile::TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    CgnsFile::open(&written(&folder, fill)).map(|file| (file, folder))
}

#[track_caller]
pub fn refused(result: kolmo::Result<impl std::fmt::Debug>, code: &str, holds: &[&str]) {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.code(), code, "{text}");
    assert!(holds.iter().all(|h| text.contains(h)), "{text}\nwithout {holds:?}");
}

/// Names, places and values of all arrays of a state.
pub fn values(file: &CgnsFile, state: usize) -> Vec<(String, Location, Vec<f64>)> {
    let arrays = file.arrays(state).unwrap();
    arrays.iter().map(|a| (a.field.name.clone(), a.field.location, file.read(state, a).unwrap())).collect()
}

pub const SQUARE: [[f64; 3]; 6] =
    [[0., 0., 0.], [1., 0., 0.], [2., 0., 0.], [0., 1., 0.], [1., 1., 0.], [2., 1. / 3., 0.]];

/// A quad, two triangles in a mixed section between them, and the edge behind.
pub fn square(base: &Group, name: &str) -> Group {
    let zone = zone(base, name, 3, &SQUARE, 2);
    section(&zone, "Edge", 3, [4, 5], &[1, 2, 2, 3]);
    section(&zone, "Mixed", 20, [1, 3], &[5, 2, 3, 6, 7, 1, 2, 5, 4, 5, 2, 6, 5]);
    zone
}
