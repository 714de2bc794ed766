//! Cases written by OpenFOAM itself (tests/samples/openfoam/make.sh), against figures of checkMesh and of the reader of VTK.

use kolmo::io::mesh_file::{MeshFile, Number};
use kolmo::io::openfoam::OpenFoamCase;
use kolmo::mesh::Mesh;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

fn samples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples/openfoam")
}

fn values(case: &OpenFoamCase, state: usize, name: &str) -> Vec<f64> {
    let array = case.arrays(state).unwrap().into_iter().find(|a| a.field.name == name).unwrap();
    assert_eq!(array.number, Number::Float64);
    case.read(state, &array).unwrap()
}

/// Codes of VTK and points of each cell in order, each cell's points sorted.
fn cells(mesh: &Mesh) -> (Vec<u64>, Vec<Vec<u32>>) {
    let cells = mesh.cells.iter().flat_map(|b| (0..b.n_cells()).map(|i| (b.cell_type.vtk_code(), b.points(i))));
    let sorted = |points: &[u32]| {
        let mut points = points.to_vec();
        points.sort();
        points
    };
    cells.map(|(code, points)| (u64::from(code), sorted(&points))).unzip()
}

/// A figure that checkMesh printed for a case, behind `name`.
fn figure(case: &str, name: &str) -> f64 {
    let text = fs::read_to_string(samples().join("checkMesh.txt")).unwrap();
    let part = text.split("checkMesh -case ").find(|part| part.starts_with(case)).unwrap();
    let behind = part.split_once(name).unwrap().1.trim_start();
    behind.split_whitespace().next().unwrap().trim_end_matches('.').parse().unwrap()
}

#[test]
fn cells_and_fields_are_those_that_vtk_reads() {
    let all: Value = serde_json::from_str(&fs::read_to_string(samples().join("values.json")).unwrap()).unwrap();
    let all = all.as_object().unwrap();
    assert_eq!(all.len(), 4);
    for (name, expected) in all {
        let case = OpenFoamCase::open(&samples().join(name).join("system/controlDict")).unwrap();
        let times: Vec<f64> = serde_json::from_value(expected["times"].clone()).unwrap();
        assert_eq!((case.times().unwrap(), case.mesh_is_shared()), (times.as_slice(), true));
        let (codes, points) = cells(&case.mesh(0).unwrap());
        assert_eq!(codes, serde_json::from_value::<Vec<u64>>(expected["types"].clone()).unwrap(), "{name}");
        let chosen: Vec<usize> = serde_json::from_value(expected["cells"].clone()).unwrap();
        let chosen_points: Vec<Vec<u32>> = serde_json::from_value(expected["points"].clone()).unwrap();
        chosen.iter().zip(&chosen_points).for_each(|(&cell, expected)| assert_eq!(&points[cell], expected));
        for (state, fields) in expected["states"].as_array().unwrap().iter().enumerate() {
            let fields = fields.as_object().unwrap();
            let known: Vec<String> = case.arrays(state).unwrap().into_iter().map(|a| a.field.name).collect();
            assert_eq!(known, fields.keys().cloned().collect::<Vec<_>>());
            for (field, rows) in fields {
                let read = values(&case, state, field);
                let n = read.len() / codes.len();
                let rows: Vec<Vec<f32>> = serde_json::from_value(rows.clone()).unwrap();
                for (&cell, row) in chosen.iter().zip(rows) {
                    let read: Vec<f32> = read[cell * n..(cell + 1) * n].iter().map(|&x| x as f32).collect();
                    assert_eq!(read, row, "{name} {field} {cell}");
                }
            }
        }
    }
}

#[test]
fn figures_of_check_mesh() {
    for name in ["cavity", "sphere"] {
        let mesh = OpenFoamCase::open(&samples().join(name)).unwrap().mesh(0).unwrap();
        mesh.validate(&samples()).unwrap();
        let count = |code| cells(&mesh).0.iter().filter(|&&c| c == code).count() as f64;
        assert_eq!(mesh.n_points() as f64, figure(name, "points:"));
        assert_eq!(mesh.n_cells() as f64, figure(name, "cells:"));
        assert_eq!(count(12), figure(name, "hexahedra:"));
        assert_eq!(count(13), figure(name, "prisms:"));
        assert_eq!(count(42), figure(name, "polyhedra:"));
        let (volume, expected) = (mesh.cell_volumes().iter().sum::<f64>(), figure(name, "Total volume ="));
        assert!((volume - expected).abs() < 1e-8 * expected, "{name}: {volume} {expected}");
    }
}

/// V and C are the volumes and centres of cells as OpenFOAM computes them.
#[test]
fn volumes_and_centres_of_openfoam_belong_to_the_same_cells() {
    let case = OpenFoamCase::open(&samples().join("sphere")).unwrap();
    let mesh = case.mesh(1).unwrap();
    let (v, c) = (values(&case, 1, "V"), values(&case, 1, "C"));
    for (i, (volume, expected)) in mesh.cell_volumes().iter().zip(&v).enumerate() {
        // Faces on the sphere are not plane, so their division into triangles counts a little.
        assert!((volume - expected).abs() < 2e-3 * expected, "cell {i}: {volume} {expected}");
    }
    for (i, (centre, expected)) in mesh.cell_centres().chunks(3).zip(c.chunks(3)).enumerate() {
        // A mean of corners is not the centre of gravity, but near it, measured in the size of a cell.
        let distance = centre.iter().zip(expected).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        assert!(distance < 0.2 * v[i].cbrt(), "cell {i}: {centre:?} {expected:?}");
    }
}

#[test]
fn text_and_binary_are_equal_to_the_bit() {
    for (text, binary) in [("cavity", "cavity_binary"), ("sphere", "sphere_binary")] {
        let [text, binary] = [text, binary].map(|name| OpenFoamCase::open(&samples().join(name)).unwrap());
        assert_eq!(text.mesh(0).unwrap(), binary.mesh(0).unwrap());
        for state in 0..2 {
            let arrays = text.arrays(state).unwrap();
            assert_eq!(arrays, binary.arrays(state).unwrap());
            for array in &arrays {
                assert_eq!(text.read(state, array).unwrap(), binary.read(state, array).unwrap());
            }
        }
    }
}
