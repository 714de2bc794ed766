//! Cases of EnSight Gold read back as they were written.

use crate::ensight_writer::{FORMS, Out, case_of, flat, plain, points, written};
use kolmo::data::Location;
use kolmo::io::ensight::EnsightCase;
use kolmo::io::mesh_file::{ArrayInfo, MeshFile, Number};
use kolmo::mesh::{CellBlock, CellType};
use std::fs;

#[test]
fn parts_variables_and_steps() {
    for form in FORMS {
        let folder = written(&plain(form));
        let case = EnsightCase::open(folder.path().join("a.case")).unwrap();
        assert_eq!((case.n_states(), case.times()), (2, Some(&[0.25, 1.5][..])));
        assert!(case.mesh_is_shared());
        let mesh = case.mesh(1).unwrap();
        assert_eq!(mesh.points, [flat(&points(5, 0.0)), flat(&points(4, 1.0))].concat(), "{form:?}");
        let quads = vec![0, 1, 2, 3, 4, 3, 2, 1, 8, 7, 6, 5];
        let cells = [CellBlock::new(CellType::Triangle, vec![0, 1, 2]), CellBlock::new(CellType::Quad, quads)];
        assert_eq!(mesh.cells, cells);
        let (p, c) = (Location::Point, Location::Cell);
        let arrays = [
            ArrayInfo::new("p", p, 9, 1, Number::Float32),
            ArrayInfo::new("u", p, 9, 3, Number::Float32),
            ArrayInfo::new("p_cells", c, 4, 1, Number::Float32),
            ArrayInfo::new("s", c, 4, 6, Number::Float32),
        ];
        assert_eq!(case.arrays(0).unwrap(), arrays);
        for (state, step) in [(0, 0.0f32), (1, 1000.0)] {
            let nodes = |k: f32| {
                let part =
                    move |number: f32, n: usize| (0..n).map(move |i| step + 100.0 * k + 10.0 * number + 0.1 * i as f32);
                part(1.0, 5).chain(part(2.0, 4)).map(f64::from).collect::<Vec<f64>>()
            };
            let cells = |k: f32| {
                let at = |number: f32, i: f32| f64::from(step + 100.0 * k + 10.0 * number + 5.0 + 0.1 * i);
                [at(1.0, 0.0), at(1.0, 0.0), at(1.0, 1.0), at(2.0, 0.0)]
            };
            assert_eq!(case.read(state, &arrays[0]).unwrap(), nodes(0.0), "{form:?}");
            let u: Vec<f64> = (0..9).flat_map(|i| [0.0, 1.0, 2.0].map(|k| nodes(k)[i])).collect();
            assert_eq!(case.read(state, &arrays[1]).unwrap(), u);
            assert_eq!(case.read(state, &arrays[2]).unwrap(), cells(0.0));
            // 11, 22, 33, 12, 13, 23 in the file; xx, yy, zz, xy, yz, zx here.
            let s: Vec<f64> = (0..4).flat_map(|i| [0.0, 1.0, 2.0, 3.0, 5.0, 4.0].map(|k| cells(k)[i])).collect();
            assert_eq!(case.read(state, &arrays[3]).unwrap(), s);
            let at = [1.5, 2.5][state];
            let constants = [("rate", 0.5), ("load", at), ("shift", at + 2.0)];
            assert_eq!(case.field_data(state).unwrap(), constants.map(|(name, v)| (name.to_string(), vec![v])));
        }
        assert_eq!(case.mesh(2).unwrap_err().code(), "K100");
    }
}

#[test]
fn all_elements() {
    for form in FORMS {
        for (name, cell_type, order) in [
            ("point", CellType::Vertex, vec![0]),
            ("bar2", CellType::Line, vec![0, 1]),
            ("bar3", CellType::Line3, vec![0, 2, 1]),
            ("tria3", CellType::Triangle, (0..3).collect()),
            ("tria6", CellType::Triangle6, (0..6).collect()),
            ("quad4", CellType::Quad, (0..4).collect()),
            ("quad8", CellType::Quad8, (0..8).collect()),
            ("tetra4", CellType::Tetra, (0..4).collect()),
            ("tetra10", CellType::Tetra10, (0..10).collect()),
            ("pyramid5", CellType::Pyramid, (0..5).collect()),
            ("pyramid13", CellType::Pyramid13, (0..13).collect()),
            ("penta6", CellType::Wedge, (0..6).collect()),
            ("penta15", CellType::Wedge15, (0..15).collect()),
            ("hexa8", CellType::Hexahedron, (0..8).collect()),
            ("hexa20", CellType::Hexahedron20, (0..20).collect::<Vec<u32>>()),
        ] {
            let n = order.len() as i32;
            let mut out = Out::geometry(form, "assign");
            out.part(3).points(&points(21, 0.0), &[]);
            let nodes: Vec<i32> = (1..=n).chain(2..=n + 1).collect();
            out.text(name).integers(1, &[2]).integers(order.len(), &nodes);
            let ghosts = format!("g_{name}");
            out.text(&ghosts).integers(1, &[1]).integers(order.len(), &nodes[..order.len()]);
            let folder = case_of(&out);
            let mesh = EnsightCase::open(folder.path().join("a.case")).unwrap().mesh(0).unwrap();
            let expected: Vec<u32> = order.iter().copied().chain(order.iter().map(|i| i + 1)).collect();
            assert_eq!(mesh.cells, [CellBlock::new(cell_type, expected)], "{name} {form:?}");
        }
        let mut out = Out::geometry(form, "ignore");
        out.part(3).points(&points(6, 0.0), &[0; 6]);
        out.text("nsided").integers(1, &[2]).integers(1, &[1, 2]).integers(1, &[5, 3]);
        out.integers(5, &[1, 2, 3, 4, 5]).integers(3, &[6, 5, 4]);
        let faces = [1, 2, 3, 1, 2, 4, 2, 3, 4, 1, 3, 4];
        let more = faces.map(|p| p + 1);
        for name in ["nfaced", "g_nfaced"] {
            out.text(name).integers(1, &[2]).integers(1, &[1, 2]).integers(1, &[4, 4]).integers(1, &[3; 8]);
            out.integers(3, &faces).integers(3, &more);
        }
        let folder = case_of(&out);
        let mesh = EnsightCase::open(folder.path().join("a.case")).unwrap().mesh(0).unwrap();
        let stream =
            |a: u32| vec![4, 3, a, 1 + a, 2 + a, 3, a, 1 + a, 3 + a, 3, 1 + a, 2 + a, 3 + a, 3, a, 2 + a, 3 + a];
        let cells = [
            CellBlock::ragged(CellType::Polygon, vec![0, 1, 2, 3, 4, 5, 4, 3], vec![5, 8]),
            CellBlock::ragged(CellType::Polyhedron, [stream(0), stream(1)].concat(), vec![17, 34]),
        ];
        assert_eq!(mesh.cells, cells, "{form:?}");
        assert_eq!(mesh.points, flat(&points(6, 0.0)));
    }
}

#[test]
fn geometry_that_changes_and_two_time_sets() {
    for form in FORMS {
        let mesh = |n: usize| {
            let mut out = Out::geometry(form, "off");
            out.part(1).points(&points(n, n as f32), &[]);
            out.text("point").integers(1, &[1]).integers(1, &[n as i32]);
            out.bytes
        };
        let scalar = |n: usize, v: f32| {
            let mut out = Out::variable(form);
            out.text("part").integers(1, &[1]).text("coordinates").floats(&vec![v; n]);
            out.bytes
        };
        let case = "FORMAT\ntype: ensight gold\nGEOMETRY\nmodel: 2 m**\nVARIABLE\nscalar per node: 1 q q**/v\n\
                    TIME\ntime set: 1\nnumber of steps: 3\nfilename numbers: 1 5\n12\ntime values: 0 1 2\n\
                    time set: 2\nnumber of steps: 2\nfilename start number: 0\ntime values: 0 1.5\n";
        let folder = written(&[("a.case", case.into()), ("m00", mesh(2)), ("m01", mesh(3))]);
        for (step, n, v) in [("q01", 2, 1.0), ("q05", 2, 2.0), ("q12", 3, 3.0)] {
            fs::create_dir(folder.path().join(step)).unwrap();
            fs::write(folder.path().join(step).join("v"), scalar(n, v)).unwrap();
        }
        let case = EnsightCase::open(folder.path().join("a.case")).unwrap();
        assert_eq!(case.times(), Some(&[0.0, 1.0, 2.0][..]));
        assert!(!case.mesh_is_shared());
        for (state, n, v) in [(0, 2, 1.0), (1, 2, 2.0), (2, 3, 3.0)] {
            assert_eq!(case.mesh(state).unwrap().points, flat(&points(n, n as f32)));
            let arrays = case.arrays(state).unwrap();
            assert_eq!(arrays, [ArrayInfo::new("q", Location::Point, n, 1, Number::Float32)]);
            assert_eq!(case.read(state, &arrays[0]).unwrap(), vec![v; n]);
        }
    }
}
