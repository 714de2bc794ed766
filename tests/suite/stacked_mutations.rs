//! Changed trees of stacked HDF5 files: read or refused, never a panic, never memory that only a shape asks for.

use crate::stacked::written;
use hdf5::types::VarLenUnicode;
use hdf5::{Group, Location};
use kolmo::Result;
use kolmo::io::SnapshotSource;
use kolmo::io::stacked::StackedFile;
use proptest::prelude::*;
use std::path::Path;

/// Paths of all groups and data sets below a group.
fn objects(group: &Group) -> Vec<String> {
    let mut found = Vec::new();
    for name in group.member_names().unwrap() {
        match group.group(&name) {
            Ok(below) => {
                found.push(below.name());
                found.extend(objects(&below));
            }
            Err(_) => found.push(group.dataset(&name).unwrap().name()),
        }
    }
    found
}

/// One change: which object, how, and what is written in its place.
type Change = (prop::sample::Index, u8, Vec<usize>, Vec<f64>);

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![-2.0..30.0f64, any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(1e300)]
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let shape = prop::collection::vec(0..12usize, 0..4);
    let one = (any::<prop::sample::Index>(), 0..9u8, shape, prop::collection::vec(number(), 1..8));
    prop::collection::vec(one, 1..4)
}

fn apply(path: &Path, (which, how, shape, numbers): &Change) {
    let file = hdf5::File::open_rw(path).unwrap();
    let all = objects(&file);
    if all.is_empty() {
        return;
    }
    let name = all[which.index(all.len())].as_str();
    let attributes = |change: &dyn Fn(&Location, &str)| {
        let place: Location = match file.group(name) {
            Ok(group) => (*group).clone(),
            Err(_) => (**file.dataset(name).unwrap()).clone(),
        };
        place.attr_names().unwrap().iter().for_each(|attribute| change(&place, attribute));
    };
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|i| numbers[i % numbers.len()]).collect();
    if (2..9).contains(how) {
        file.unlink(name).unwrap();
    }
    match how {
        0 => attributes(&|place, attribute| place.delete_attr(attribute).unwrap()),
        1 => attributes(&|place, attribute| {
            place.delete_attr(attribute).unwrap();
            place.new_attr::<f64>().create(attribute).unwrap().write_scalar(&numbers[0]).unwrap();
        }),
        2 => (),
        3 => drop(file.create_group(name).unwrap()),
        4 => {
            let text: VarLenUnicode = "text".parse().unwrap();
            file.new_dataset::<VarLenUnicode>().create(name).unwrap().write_scalar(&text).unwrap();
        }
        5 => {
            let data = file.new_dataset::<f64>().shape(shape.as_slice()).create(name).unwrap();
            if count > 0 {
                data.write_raw(&values).unwrap();
            }
        }
        6 => {
            let data = file.new_dataset::<i64>().shape(shape.as_slice()).create(name).unwrap();
            if count > 0 {
                data.write_raw(&values.iter().map(|v| *v as i64).collect::<Vec<_>>()).unwrap();
            }
        }
        // Shapes that nothing was written to: a thousand million rows or columns.
        7 => drop(file.new_dataset::<f64>().chunk([7, 64]).shape([7, 1 << 40]).create(name).unwrap()),
        _ => drop(file.new_dataset::<i32>().chunk([64, 4]).shape([1 << 40, 4]).create(name).unwrap()),
    }
}

/// All that a study takes from a file; of a field at most 100 rows. Errors: the first.
fn read_some(path: &Path) -> Result<()> {
    let file = StackedFile::open(path)?;
    let mut results = vec![file.inner_product().map(drop)];
    let samples: Vec<usize> = (0..file.n_samples().min(3)).collect();
    for field in file.fields() {
        let values = file.read(field, &samples, 0..field.n_dofs().min(100));
        results.push(values.map(drop));
    }
    if let Some(mesh) = file.mesh() {
        results.push(mesh.validate(path));
    }
    results.push(file.mean_mesh(&samples).map(drop));
    results.extend(samples.iter().map(|s| file.state(*s).map(drop)));
    results.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_trees_are_read_or_refused(changes in changes()) {
        let folder = tempfile::tempdir().unwrap();
        let path = written(&folder, |_| ());
        changes.iter().for_each(|change| apply(&path, change));
        if let Err(e) = read_some(&path) {
            prop_assert_eq!(e.exit_code(), 2, "{}", e);
        }
    }
}

#[test]
fn the_unchanged_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    read_some(&written(&folder, |_| ())).unwrap();
}
