//! CGNS files: element types, polyhedra, arrays on points and cells, scalars.

use crate::cgns_writer::{
    Data, Data::*, SQUARE, base, node, opened, refused, section, solution, square, table, values, zone,
};
use crate::straight_cells::{has_the_order_of_vtk, nodes};
use hdf5::Group;
use kolmo::data::Location;
use kolmo::io::mesh_file::{MeshFile, Number};
use kolmo::mesh::CellType::{self, *};
use std::path::Path;

#[test]
fn a_mixed_zone_with_solutions_conditions_and_scalars() {
    let (file, _folder) = opened(|file| {
        let base = base(file, "Base_2_2", 2, 2);
        let zone = square(&base, "Zone");
        let points = [0.1, 0.2, 0.3, 0.4, 0.5, 1. / 7.];
        solution(&zone, "VertexFields", "Vertex", &[("T", &points)]);
        solution(&zone, "CellCenterFields", "CellCenter", &[("T", &[10., 20., 30.]), ("p", &[1., 2., 3.])]);
        solution(&zone, "Faces", "FaceCenter", &[("flux", &[1.])]);
        solution(&zone, "WallFields", "Vertex", &[("T", &points.map(|x| -x))]);
        let ids = node(&zone, "Ids", "FlowSolution_t", Data::None);
        node(&ids, "number", "DataArray_t", I8(&[6, 5, 4, 3, 2, 1]));
        node(&ids, "single", "DataArray_t", R4(&[0.5; 6]));
        node(&ids, "words", "DataArray_t", Text("abcdef"));
        let conditions = node(&zone, "ZoneBC", "ZoneBC_t", Data::None);
        let left = node(&conditions, "left", "BC_t", Text("BCWall"));
        table(&left, "PointList", "IndexArray_t", I4(&[]), &[1i32, 4], 1);
        let faces = node(&conditions, "faces", "BC_t", Text("BCWall"));
        table(&faces, "PointList", "IndexArray_t", I4(&[]), &[4i32], 1);
        node(&faces, "GridLocation", "GridLocation_t", Text("EdgeCenter"));
        let time = node(&base, "Time", "BaseIterativeData_t", I4(&[1]));
        node(&time, "TimeValues", "DataArray_t", R8(&[0.5]));
        let user = node(&base, "Scalars", "UserDefinedData_t", Data::None);
        node(&user, "load", "DataArray_t", R8(&[7.]));
        let global = base_of_scalars(file);
        node(&global, "load", "DataArray_t", I4(&[3]));
    })
    .unwrap();
    let mesh = file.mesh(0).unwrap();
    assert_eq!((mesh.dim, mesh.points.clone()), (2, SQUARE.iter().flat_map(|x| [x[0], x[1]]).collect()));
    let cells: Vec<_> = mesh.cells.iter().map(|b| (b.cell_type, b.connectivity.clone())).collect();
    let expected = [(Triangle, vec![1, 2, 5, 1, 5, 4]), (Quad, vec![0, 1, 4, 3]), (Line, vec![0, 1, 1, 2])];
    assert_eq!(cells, expected);
    let points = vec![0.1, 0.2, 0.3, 0.4, 0.5, 1. / 7.];
    let expected = [
        ("T", Location::Point, points.clone()),
        // Cells in the order of the blocks: both triangles, then the quad.
        ("T_cells", Location::Cell, vec![10., 30., 20.]),
        ("p", Location::Cell, vec![1., 3., 2.]),
        ("T_WallFields", Location::Point, points.iter().map(|x| -x).collect()),
        ("number", Location::Point, vec![6., 5., 4., 3., 2., 1.]),
        ("single", Location::Point, vec![0.5; 6]),
        ("left", Location::Point, vec![1., 0., 0., 1., 0., 0.]),
    ];
    let mut found = values(&file, 0);
    found.sort_by_key(|f| expected.iter().position(|e| (e.0, e.1) == (f.0.as_str(), f.1)));
    assert_eq!(found, expected.map(|(n, l, v)| (n.to_string(), l, v)));
    let number = |name: &str| file.arrays(0).unwrap().into_iter().find(|a| a.field.name == name).unwrap().number;
    assert_eq!(
        ["T", "single", "number", "left"].map(number),
        [Number::Float64, Number::Float32, Number::Integer, Number::Integer]
    );
    let mut scalars = file.field_data(0).unwrap();
    scalars.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(scalars.iter().map(|s| s.1[0]).sum::<f64>(), 10.7);
    assert_eq!((scalars.len(), file.times(), file.n_states()), (3, Some(&[0.5][..]), 1));
    refused(file.read(1, &file.arrays(0).unwrap()[0]), "K100", &["state"]);
}

/// A base without zones, as PLAID writes its scalars.
fn base_of_scalars(file: &hdf5::File) -> Group {
    let global = base(file, "Global", 1, 1);
    node(&global, "Pr", "DataArray_t", R8(&[0.7]));
    node(&global, "text", "DataArray_t", Text("hello"));
    global
}

/// Edges, faces and volumes on which the further nodes are: SIDS 4.4, section 3.3.
const KINDS: [(i32, CellType, &[&[usize]]); 17] = {
    const HEXAHEDRON_27: [&[usize]; 19] = [
        &[0, 1],
        &[1, 2],
        &[2, 3],
        &[3, 0],
        &[0, 4],
        &[1, 5],
        &[2, 6],
        &[3, 7],
        &[4, 5],
        &[5, 6],
        &[6, 7],
        &[7, 4],
        &[0, 3, 2, 1],
        &[0, 1, 5, 4],
        &[1, 2, 6, 5],
        &[2, 3, 7, 6],
        &[0, 4, 7, 3],
        &[4, 5, 6, 7],
        &[0, 1, 2, 3, 4, 5, 6, 7],
    ];
    const HEXAHEDRON_20: [&[usize]; 12] =
        [&[0, 1], &[1, 2], &[2, 3], &[3, 0], &[0, 4], &[1, 5], &[2, 6], &[3, 7], &[4, 5], &[5, 6], &[6, 7], &[7, 4]];
    [
        (2, Vertex, &[]),
        (3, Line, &[]),
        (4, Line3, &[&[0, 1]]),
        (5, Triangle, &[]),
        (6, Triangle6, &[&[0, 1], &[1, 2], &[2, 0]]),
        (7, Quad, &[]),
        (8, Quad8, &[&[0, 1], &[1, 2], &[2, 3], &[3, 0]]),
        (9, Quad9, &[&[0, 1], &[1, 2], &[2, 3], &[3, 0], &[0, 1, 2, 3]]),
        (10, Tetra, &[]),
        (11, Tetra10, &[&[0, 1], &[1, 2], &[2, 0], &[0, 3], &[1, 3], &[2, 3]]),
        (12, Pyramid, &[]),
        (14, Wedge, &[]),
        (15, Wedge15, &[&[0, 1], &[1, 2], &[2, 0], &[0, 3], &[1, 4], &[2, 5], &[3, 4], &[4, 5], &[5, 3]]),
        (17, Hexahedron, &[]),
        (18, Hexahedron20, &HEXAHEDRON_20),
        (19, Hexahedron27, &HEXAHEDRON_27),
        (21, Pyramid13, &[&[0, 1], &[1, 2], &[2, 3], &[3, 0], &[0, 4], &[1, 4], &[2, 4], &[3, 4]]),
    ]
};

#[test]
fn every_element_type_gets_the_order_of_vtk() {
    for (code, cell_type, middles) in KINDS {
        for mixed in [false, true] {
            let x = nodes(cell_type, middles);
            let (file, _folder) = opened(|file| {
                let zone = zone(&base(file, "Base", cell_type.dimension() as i32, 3), "Zone", 1, &x, 3);
                let mut connectivity: Vec<i64> = (1..=x.len() as i64).collect();
                if mixed {
                    connectivity.insert(0, code.into());
                    let section = section(&zone, "Cells", 20, [1, 1], &connectivity);
                    node(&section, "ElementStartOffset", "DataArray_t", I8(&[0, connectivity.len() as i64]));
                } else {
                    section(&zone, "Cells", code, [1, 1], &connectivity);
                }
            })
            .unwrap();
            let mesh = file.mesh(0).unwrap();
            assert_eq!((mesh.cells.len(), mesh.cells[0].cell_type), (1, cell_type));
            assert!(has_the_order_of_vtk(cell_type, &mesh.coordinates(mesh.cells[0].cell(0))), "{cell_type:?}");
        }
    }
}

/// Two cubes side by side: 12 points, 11 faces, the fifth between them.
fn cubes(file: &hdf5::File, offsets: bool, spoil: impl FnOnce(&mut Vec<i64>, &mut Vec<i64>)) {
    let points: Vec<[f64; 3]> = (0..12).map(|i| [f64::from(i % 3), f64::from(i / 3 % 2), f64::from(i / 6)]).collect();
    let zone = zone(&base(file, "Base", 3, 3), "Zone", 2, &points, 3);
    let quads: [[i64; 4]; 11] = [
        [1, 4, 10, 7],
        [3, 6, 12, 9],
        [1, 2, 5, 4],
        [2, 3, 6, 5],
        [2, 5, 11, 8],
        [7, 8, 11, 10],
        [8, 9, 12, 11],
        [1, 2, 8, 7],
        [2, 3, 9, 8],
        [4, 5, 11, 10],
        [5, 6, 12, 11],
    ];
    let cells: [[i64; 6]; 2] = [[1, 3, 5, 6, 8, 10], [2, 4, -5, 7, 9, 11]];
    let (mut faces, mut of_cells): (Vec<i64>, Vec<i64>) = (quads.concat(), cells.concat());
    spoil(&mut faces, &mut of_cells);
    let lists = |values: &[i64], n: usize| -> Vec<i64> {
        if offsets { values.to_vec() } else { values.chunks(n).flat_map(|c| [&[n as i64], c].concat()).collect() }
    };
    for (name, code, range, values, n) in [("Cells", 23, [12, 13], &of_cells, 6), ("Faces", 22, [1, 11], &faces, 4)] {
        let section = section(&zone, name, code, range, &lists(values, n));
        if offsets {
            let starts: Vec<i64> = (0..=values.len() as i64).step_by(n).collect();
            node(&section, "ElementStartOffset", "DataArray_t", I8(&starts));
        }
    }
    solution(&zone, "Cells of it", "CellCenter", &[("p", &[1., 2.])]);
}

#[test]
fn polyhedra_are_made_of_their_faces() {
    for offsets in [false, true] {
        let (file, _folder) = opened(|file| cubes(file, offsets, |_, _| ())).unwrap();
        let mesh = file.mesh(0).unwrap();
        assert_eq!((mesh.cells.len(), mesh.cells[0].cell_type, mesh.n_cells()), (1, Polyhedron, 2));
        assert_eq!(mesh.cells[0].cell(1)[..11], [6, 4, 2, 5, 11, 8, 4, 1, 2, 5, 4]);
        mesh.validate(Path::new("cubes")).unwrap();
        assert!(mesh.cell_volumes().iter().all(|v| (v - 1.).abs() < 1e-14));
        assert_eq!(values(&file, 0), [("p".to_string(), Location::Cell, vec![1., 2.])]);
    }
    refused(opened(|file| cubes(file, true, |_, cells| cells[0] = 12)), "K015", &["face 12"]);
    refused(opened(|file| cubes(file, true, |_, cells| cells[0] = i64::MIN)), "K015", &["face -9223372036854775808"]);
    refused(opened(|file| cubes(file, true, |_, cells| cells[..3].fill(5))), "K015", &["face 5", "two cells"]);
    refused(opened(|file| cubes(file, true, |faces, _| faces[7] = 13)), "K015", &["point 13"]);
    refused(opened(|file| cubes(file, false, |faces, _| faces.truncate(43))), "K005", &["for 11 elements"]);
}
