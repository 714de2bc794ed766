//! Files written by other programs (tests/samples/make.py): every value as an independent reader has it, to the bit.

use crate::xdmf::bits;
use kolmo::data::Location;
use kolmo::io::mesh_file::{ArrayInfo, MeshFile};
use kolmo::io::open_mesh;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A cell with its type, nodes, and the bits of the cell arrays on it: readers may sort cells by type.
type Cell = (String, Vec<u64>, Vec<Vec<u64>>);

fn numbers(value: &Value) -> Vec<f64> {
    let number = |v: &Value| match v.as_str() {
        Some(text) => text.parse().unwrap(),
        None => v.as_f64().unwrap(),
    };
    value.as_array().unwrap().iter().map(number).collect()
}

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.retain(|p| p.extension().is_some_and(|e| e == "json"));
    found.sort();
    found
}

/// What is expected of one state against what the reader gives; arrays in the order of their names.
fn compare(name: &str, file: &dyn MeshFile, state: usize, expected: &Value) {
    let name = &format!("{name}, state {state}");
    let mesh = file.mesh(state).unwrap();
    let points: Vec<f64> = (0..mesh.n_points()).flat_map(|i| mesh.point(i)).collect();
    assert_eq!(bits(&points), bits(&numbers(&expected["points"])), "{name}: points");
    let mut infos = file.arrays(state).unwrap();
    infos.sort_by(|a, b| a.field.name.cmp(&b.field.name));
    let of = |location: Location, key: &str, n: usize| {
        let known = expected[key].as_object().unwrap();
        let mut names: Vec<&String> = known.keys().collect();
        names.sort();
        // meshio writes groups of its own into files without any.
        let wanted = |i: &&ArrayInfo| known.contains_key(&i.field.name) || !i.field.name.starts_with("gmsh:");
        let infos: Vec<_> = infos.iter().filter(|i| i.field.location == location).filter(wanted).collect();
        let plain = |name: &str| match location {
            Location::Cell if expected["point_data"].get(name.trim_end_matches("_cells")).is_some() => {
                name.trim_end_matches("_cells").to_string()
            }
            _ => name.to_string(),
        };
        assert_eq!(
            infos.iter().map(|i| plain(&i.field.name)).collect::<Vec<_>>(),
            names.into_iter().cloned().collect::<Vec<_>>(),
            "{name}: {key}"
        );
        let read = |info: &&ArrayInfo| {
            let array = &known[&plain(&info.field.name)];
            let what = format!("{name}: {}", info.field.name);
            let number = format!("{:?}", info.number);
            assert_eq!(
                (info.field.n_components as u64, info.field.n_entities, number.as_str()),
                (array["n_components"].as_u64().unwrap(), n, array["number"].as_str().unwrap()),
                "{what}"
            );
            let (found, expected) = (file.read(state, info).unwrap(), numbers(&array["values"]));
            assert_eq!(found.len(), expected.len(), "{what}");
            (found, expected)
        };
        infos.iter().map(read).collect::<Vec<_>>()
    };
    for (i, (found, expected)) in of(Location::Point, "point_data", mesh.n_points()).into_iter().enumerate() {
        assert_eq!(bits(&found), bits(&expected), "{name}: point array {i}");
    }
    let arrays = of(Location::Cell, "cell_data", mesh.n_cells());
    let row = |values: &[f64], c: usize| {
        bits(&values[c * values.len() / mesh.n_cells()..(c + 1) * values.len() / mesh.n_cells()])
    };
    let blocks = mesh.cells.iter().flat_map(|b| b.iter().map(|cell| (b.cell_type.name().to_string(), cell)));
    let mut found: Vec<Cell> = blocks
        .enumerate()
        .map(|(c, (kind, cell))| {
            (kind, cell.iter().map(|&p| u64::from(p)).collect(), arrays.iter().map(|a| row(&a.0, c)).collect())
        })
        .collect();
    let known = expected["cells"].as_array().unwrap();
    let nodes = |cell: &Value| cell[1].as_array().unwrap().iter().map(|p| p.as_u64().unwrap()).collect();
    assert_eq!(found.len(), known.len(), "{name}: cells");
    let cell = |(c, cell): (usize, &Value)| {
        (cell[0].as_str().unwrap().to_string(), nodes(cell), arrays.iter().map(|a| row(&a.1, c)).collect())
    };
    let mut wanted: Vec<Cell> = known.iter().enumerate().map(cell).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted, "{name}: cells and the arrays on them");
    let field_data = file.field_data(state).unwrap();
    for (key, values) in expected["field_data"].as_object().unwrap() {
        let found = field_data.iter().find(|(name, _)| name == key).unwrap_or_else(|| panic!("{name}: no {key}"));
        assert_eq!(bits(&found.1), bits(&numbers(values)), "{name}: {key}");
    }
}

/// Opens a sample and compares it; says where its format has no reader.
fn check(path: &Path) -> Option<String> {
    let expected: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let name = expected["file"].as_str().unwrap();
    let opened = open_mesh(&path.with_file_name(name));
    if let Err(error) = &opened
        && error.code() == "K014"
    {
        return Some(name.to_string());
    }
    if let Some(code) = expected["refused"].as_str() {
        let result = opened.and_then(|file| {
            let infos = file.arrays(0)?;
            infos.iter().try_for_each(|i| file.read(0, i).map(|_| ())).and_then(|()| file.mesh(0).map(|_| ()))
        });
        assert_eq!(result.map_err(|e| e.code().to_string()), Err(code.to_string()), "{name}");
        return None;
    }
    let file = opened.unwrap_or_else(|e| panic!("{name}: {e}"));
    let states = expected["states"].as_array().unwrap();
    assert_eq!(file.n_states(), states.len(), "{name}");
    if let Some(times) = expected.get("times") {
        assert_eq!(file.times(), Some(&numbers(times)[..]), "{name}");
        assert_eq!(Some(file.mesh_is_shared()), expected["mesh_is_shared"].as_bool(), "{name}");
    }
    for (state, expected) in states.iter().enumerate() {
        compare(name, file.as_ref(), state, expected);
    }
    None
}

#[test]
fn files_of_other_programs() {
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    let samples = samples();
    for path in &samples {
        match std::panic::catch_unwind(|| check(path)) {
            Ok(skipped) => missing.extend(skipped),
            Err(_) => wrong.push(path.file_name().unwrap()),
        }
    }
    assert!(
        samples.len() > missing.len() && wrong.is_empty(),
        "{} of {} samples: {wrong:?}",
        wrong.len(),
        samples.len()
    );
    if !missing.is_empty() {
        println!("formats without a reader, samples not read: {}", missing.join(", "));
    }
}
