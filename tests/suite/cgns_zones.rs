//! CGNS files: several zones and bases, structured zones, steps, links, and trees that are damaged.

use crate::cgns_writer::{
    Data, Data::*, SQUARE, base, grid, node, opened, refused, section, solution, square, table, values, written, zone,
};
use hdf5::Group;
use kolmo::data::Location;
use kolmo::io::cgns::CgnsFile;
use kolmo::io::mesh_file::MeshFile;
use kolmo::mesh::CellType::*;
use std::path::Path;
use std::time::{Duration, Instant};

/// Names of 32 characters, one a state.
fn pointers(zone: &Group, lists: &[(&str, &[&str])]) {
    let data = node(zone, "ZoneIterativeData", "ZoneIterativeData_t", Data::None);
    for (name, names) in lists {
        let characters: Vec<i8> = names.iter().flat_map(|n| format!("{n:<32}").into_bytes()).map(|b| b as i8).collect();
        table(&data, name, "DataArray_t", Text(""), &characters, 32);
    }
}

#[test]
fn zones_stand_one_behind_the_other() {
    let (file, _folder) = opened(|file| {
        let fluid = base(file, "Fluid", 2, 2);
        for (zone, shift) in [("B", 0.), ("A", 100.)] {
            let group = square(&fluid, zone);
            solution(&group, "Cells", "CellCenter", &[("p", &[1. + shift, 2. + shift, 3. + shift])]);
            if zone == "A" {
                solution(&group, "Points", "Vertex", &[("T", &[1.; 6])]);
                let conditions = node(&group, "ZoneBC", "ZoneBC_t", Data::None);
                node(&node(&conditions, "wall", "BC_t", Data::None), "PointList", "IndexArray_t", I4(&[2]));
            }
        }
        let edge = base(file, "Edge", 1, 2);
        zone(&edge, "Zone", 1, &SQUARE, 2);
    })
    .unwrap();
    let mesh = file.mesh(0).unwrap();
    assert_eq!((mesh.n_points(), mesh.n_cells(), mesh.n_top_cells()), (12, 10, 6));
    assert_eq!(mesh.points[..12], mesh.points[12..]);
    let shifted = |i: usize| mesh.cells[i].connectivity.iter().map(|p| p + 6).collect::<Vec<_>>();
    assert!((0..3).all(|i| shifted(i) == mesh.cells[i + 3].connectivity));
    let arrays = file.arrays(0).unwrap();
    let of = |name: &str| arrays.iter().find(|a| a.field.name == name).unwrap();
    let mut p = file.read(0, of("p")).unwrap();
    p.sort_by(f64::total_cmp);
    assert_eq!(p, [1., 2., 3., 101., 102., 103.]);
    let wall = file.read(0, of("wall")).unwrap();
    assert_eq!(wall.iter().filter(|&&w| w == 1.).count(), 1);
    refused(file.read(0, of("T")), "K005", &["/Fluid/B", "`T` as in other zones"]);
}

#[test]
fn polyhedra_of_a_second_zone_count_their_points_on() {
    let tetrahedron = [[0., 0., 0.], [1., 0., 0.], [0., 1., 0.], [0., 0., 1.]];
    let (file, _folder) = opened(|file| {
        let base = base(file, "Base", 3, 3);
        for name in ["1", "2"] {
            let zone = zone(&base, name, 1, &tetrahedron, 3);
            section(&zone, "Faces", 22, [1, 4], &[3, 1, 2, 3, 3, 1, 2, 4, 3, 2, 3, 4, 3, 3, 1, 4]);
            section(&zone, "Cells", 23, [5, 5], &[4, 1, 2, 3, 4]);
        }
    })
    .unwrap();
    let mesh = file.mesh(0).unwrap();
    assert_eq!(mesh.cells[1].points(0).to_vec(), [4, 5, 6, 7]);
    mesh.validate(Path::new("zones")).unwrap();
}

#[test]
fn structured_zones_become_quads_and_hexahedra() {
    let points: Vec<[f64; 3]> = (0..24).map(|i| [f64::from(i % 4), f64::from(i / 4 % 3), f64::from(i / 12)]).collect();
    let file = |dim: usize| {
        opened(|file| {
            let points = &points[..if dim == 3 { 24 } else { 12 }];
            let base = base(file, "Base", dim as i32, dim as i32);
            let zone = node(&base, "Zone", "Zone_t", Data::None);
            let sizes: Vec<i32> = [&[4, 3, 2][..dim], &[3, 2, 1][..dim], &[0, 0, 0][..dim]].concat();
            let sizes = ndarray::ArrayView2::from_shape((3, dim), &sizes).unwrap();
            zone.new_dataset_builder().with_data(&sizes).create(" data").unwrap();
            node(&zone, "ZoneType", "ZoneType_t", Text("Structured"));
            grid(&zone, "GridCoordinates", points, dim);
            solution(&zone, "Cells", "CellCenter", &[("p", &[0., 1., 2., 3., 4., 5.])]);
        })
        .unwrap()
    };
    for (dim, cell_type) in [(2, Quad), (3, Hexahedron)] {
        let (file, _folder) = file(dim);
        let mesh = file.mesh(0).unwrap();
        mesh.validate(Path::new("structured")).unwrap();
        assert_eq!((mesh.cells[0].cell_type, mesh.n_cells()), (cell_type, 6));
        assert!(mesh.cell_volumes().iter().all(|v| (v - 1.).abs() < 1e-14));
        // The first axis is the fastest.
        let p = file.read(0, &file.arrays(0).unwrap()[0]).unwrap();
        let centres = mesh.cell_centres();
        assert!(centres.chunks(dim).zip(p).all(|(x, p)| x[0] - 0.5 + 3. * (x[1] - 0.5) == p));
    }
}

#[test]
fn pointers_make_a_series() {
    let (file, _folder) = opened(|file| {
        let base = base(file, "Base", 2, 2);
        let zone = square(&base, "Zone");
        for (i, name) in ["At0", "At1", "At2"].iter().enumerate() {
            solution(&zone, name, "Vertex", &[("T", &[i as f64; 6])]);
            solution(&zone, &format!("{name}c"), "CellCenter", &[("p", &[-(i as f64); 3])]);
        }
        solution(&zone, "Always", "Vertex", &[("k", &[5.; 6])]);
        grid(&zone, "Moved", &SQUARE.map(|x| [x[0] + 1., x[1], x[2]]), 2);
        let lists: [(&str, &[&str]); 3] = [
            ("FlowSolutionPointers", &["At2", "At0", "At1"]),
            ("CellCenterSolutionPointers", &["At2c", "At0c", "At1c"]),
            ("GridCoordinatesPointers", &["GridCoordinates", "Moved", "GridCoordinates"]),
        ];
        pointers(&zone, &lists);
        let time = node(&base, "Time", "BaseIterativeData_t", I4(&[3]));
        node(&time, "TimeValues", "DataArray_t", R8(&[0.25, 0.5, 1.]));
    })
    .unwrap();
    assert_eq!((file.n_states(), file.times(), file.mesh_is_shared()), (3, Some(&[0.25, 0.5, 1.][..]), false));
    for (state, value) in [2., 0., 1.].into_iter().enumerate() {
        let mut found = values(&file, state);
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [
            ("T", Location::Point, vec![value; 6]),
            ("k", Location::Point, vec![5.; 6]),
            ("p", Location::Cell, vec![-value; 3]),
        ];
        assert_eq!(found, expected.map(|(n, l, v)| (n.to_string(), l, v)));
        let moved = file.mesh(state).unwrap().points[0];
        assert_eq!(moved, if state == 1 { 1. } else { 0. });
    }
}

#[test]
fn samples_written_by_gmsh_are_read() {
    for (name, cell_type, n) in [("wedges.cgns", Wedge15, 8), ("hexahedra.cgns", Hexahedron27, 2)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/gmsh").join(name);
        let mesh = CgnsFile::open(&path).unwrap().mesh(0).unwrap();
        mesh.validate(&path).unwrap();
        assert_eq!(mesh.cells.iter().map(|b| (b.cell_type, b.n_cells())).collect::<Vec<_>>(), [(cell_type, n)]);
        assert!((mesh.cell_volumes().iter().sum::<f64>() - 2.).abs() < 1e-13);
    }
}

/// A whole file, for damages.
fn whole(file: &hdf5::File) -> Group {
    let zone = square(&base(file, "Base", 2, 2), "Zone");
    solution(&zone, "Points", "Vertex", &[("T", &[1.; 6])]);
    zone
}

/// Another node in the place of one.
fn replaced(group: &Group, name: &str, label: &str, data: Data<'_>) {
    group.unlink(name).unwrap();
    node(group, name, label, data);
}

#[test]
fn variants_that_are_not_read_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.cgns");
    std::fs::write(&path, b"@(#)ADF Database Version A02011>Mon Jan  1 00:00:00 2024\n").unwrap();
    refused(CgnsFile::open(&path), "K018", &["ADF", "cgnsconvert"]);
    std::fs::write(&path, "text").unwrap();
    refused(CgnsFile::open(&path), "K002", &["HDF5"]);
    refused(CgnsFile::open(Path::new("no.cgns")), "K001", &["no such file"]);
    refused(opened(|_| ()), "K002", &["CGNSBase_t"]);
    refused(opened(|file| drop(base(file, "Base", 2, 2))), "K015", &["no zone"]);
    refused(opened(|file| drop(zone(&base(file, "Base", 2, 2), "Zone", 0, &SQUARE, 2))), "K015", &["no cells"]);
    let two = |file: &hdf5::File| ["A", "B"].iter().for_each(|name| drop(square(&base(file, name, 2, 2), "Zone")));
    refused(opened(two), "K018", &["several bases"]);
    refused(opened(|file| whole(file).link_soft("/Base", "Linked").unwrap()), "K018", &["/Base/Zone/Linked", "a link"]);
    let external = |file: &hdf5::File| whole(file).link_external("b.cgns", "/Base", "Linked").unwrap();
    refused(opened(external), "K018", &["a link"]);
    refused(opened(|file| drop(section(&whole(file), "More", 13, [6, 6], &[1; 14]))), "K018", &["element type 13"]);
    refused(opened(|file| drop(section(&whole(file), "More", 20, [6, 6], &[16; 19]))), "K018", &["element type 16"]);
    let polar = |file: &hdf5::File| {
        let grid = whole(file).group("GridCoordinates").unwrap();
        replaced(&grid, "CoordinateX", "DataArray_t", R8(&[0.; 6]));
        grid.relink("CoordinateX", "CoordinateR").unwrap();
    };
    refused(opened(polar), "K018", &["CoordinateR", "Cartesian"]);
    let parents = |file: &hdf5::File| {
        let zone = zone(&base(file, "Base", 3, 3), "Zone", 1, &SQUARE, 3);
        let faces = section(&zone, "Faces", 22, [1, 1], &[3, 1, 2, 4]);
        node(&faces, "ParentElements", "DataArray_t", I4(&[1, 0]));
    };
    refused(opened(parents), "K018", &["NFACE_n"]);
}

#[test]
fn damaged_trees_are_refused() {
    type Spoil = fn(&Group);
    let cases: [(Spoil, &str, &str); 19] = [
        (|z| z.unlink(" data").unwrap(), "K003", "without data"),
        (|z| z.unlink("ZoneType").unwrap(), "K018", "ZoneType None"),
        (|z| z.unlink("GridCoordinates").unwrap(), "K003", "GridCoordinates_t"),
        (|z| z.unlink("GridCoordinates/CoordinateX").unwrap(), "K018", "CoordinateY"),
        (|z| z.unlink("GridCoordinates/CoordinateY/ data").unwrap(), "K005", "0 values"),
        (|z| z.unlink("Edge/ElementRange").unwrap(), "K003", "ElementRange"),
        (|z| z.unlink("Edge/ElementConnectivity").unwrap(), "K003", "ElementConnectivity"),
        (|z| z.unlink("Edge/ data").unwrap(), "K003", "/Base/Zone/Edge"),
        (|z| replaced(z, "ZoneType", "ZoneType_t", Text("UserDefined")), "K018", "UserDefined"),
        (
            |z| replaced(&z.group("GridCoordinates").unwrap(), "CoordinateY", "DataArray_t", R8(&[1.; 5])),
            "K005",
            "5 values",
        ),
        (
            |z| replaced(&z.group("GridCoordinates").unwrap(), "CoordinateY", "DataArray_t", R8(&[f64::NAN; 6])),
            "K004",
            "NaN",
        ),
        (
            |z| replaced(&z.group("Edge").unwrap(), "ElementRange", "IndexRange_t", I4(&[4, 2_000_000_000])),
            "K005",
            "1999999997 elements",
        ),
        (|z| replaced(&z.group("Edge").unwrap(), "ElementRange", "IndexRange_t", I4(&[4])), "K005", "[4]"),
        (|z| replaced(&z.group("Edge").unwrap(), "ElementRange", "IndexRange_t", I4(&[5, 4])), "K005", "[5, 4]"),
        (
            |z| replaced(&z.group("Edge").unwrap(), "ElementRange", "IndexRange_t", I4(&[3, 4])),
            "K005",
            "follow each other",
        ),
        (
            |z| replaced(&z.group("Edge").unwrap(), "ElementConnectivity", "DataArray_t", I8(&[1, 2, 2, 7])),
            "K015",
            "point 7",
        ),
        (
            |z| replaced(&z.group("Edge").unwrap(), "ElementConnectivity", "DataArray_t", I8(&[1, 0, 2, 3])),
            "K015",
            "point 0",
        ),
        (|z| replaced(&z.group("Mixed").unwrap(), "ElementRange", "IndexRange_t", I4(&[1, 2])), "K005", "13 numbers"),
        (
            |z| replaced(&z.group("Mixed").unwrap(), "ElementConnectivity", "DataArray_t", I8(&[5, 2, 3])),
            "K005",
            "3 numbers",
        ),
    ];
    for (spoil, code, holds) in cases {
        let start = Instant::now();
        refused(opened(|file| spoil(&whole(file))), code, &[holds]);
        assert!(start.elapsed() < Duration::from_secs(1), "{holds}");
    }
    let sizes = |sizes: [i64; 3]| {
        opened(|file| {
            let zone = whole(file);
            zone.unlink(" data").unwrap();
            zone.new_dataset_builder().with_data(&sizes[..]).create(" data").unwrap();
        })
    };
    for bad in [[i64::MAX, 3, 0], [1 << 31, 3, 0], [-1, 3, 0], [0, 3, 0], [7, 3, 0]] {
        refused(sizes(bad), "K005", &["/Base/Zone"]);
    }
}

#[test]
fn arrays_of_a_wrong_length_are_refused_when_they_are_read() {
    let (file, _folder) = opened(|file| {
        let zone = whole(file);
        solution(&zone, "Short", "CellCenter", &[("p", &[1.; 2])]);
        let conditions = node(&zone, "ZoneBC", "ZoneBC_t", Data::None);
        node(&node(&conditions, "wall", "BC_t", Data::None), "PointList", "IndexArray_t", I4(&[7]));
    })
    .unwrap();
    let arrays = file.arrays(0).unwrap();
    let of = |name: &str| arrays.iter().find(|a| a.field.name == name).unwrap();
    refused(
        file.read(0, of("p")),
        "K005",
        &["/Base/Zone/Short/p", "2 values", "3, the cells of the highest dimension"],
    );
    refused(file.read(0, of("wall")), "K015", &["point 7"]);
    assert_eq!(file.read(0, of("T")).unwrap(), [1.; 6]);
    let mut other = of("T").clone();
    other.field.name = "U".into();
    refused(file.read(0, &other), "K100", &["U"]);
}

#[test]
fn truncated_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&folder, |file| drop(whole(file)));
    let bytes = std::fs::read(&path).unwrap();
    for n in (0..bytes.len()).step_by(499) {
        std::fs::write(&path, &bytes[..n]).unwrap();
        let error = CgnsFile::open(&path).unwrap_err();
        assert!(["K002", "K003"].contains(&error.code()), "{error}");
    }
}
