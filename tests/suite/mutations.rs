//! Changed bytes in files that name other files, changed trees of CGNS, changed tables and arrays: read or refused, never a panic.
//! The other readers have theirs beside their tests.

use crate::cgns_writer::{Data, base, node, section, solution, square, table, written};
use hdf5::types::FixedAscii;
use hdf5::{Group, LinkType};
use kolmo::Result;
use kolmo::io::csv::read_table;
use kolmo::io::numpy::NumpyFile;
use kolmo::io::{SnapshotSource, open_mesh};
use ndarray::{Array2, Array3};
use ndarray_npy::{NpzWriter, write_npy};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a change happens, with which byte, and how.
type Change = (f64, u8, u8);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec((0.0..1.0f64, any::<u8>(), 0..5u8), 1..5)
}

fn change(path: &Path, changes: &[Change]) {
    let mut bytes = fs::read(path).unwrap();
    for &(at, byte, how) in changes {
        let i = (at * bytes.len() as f64) as usize;
        match how {
            _ if bytes.is_empty() => break,
            0 => bytes[i] = byte,
            1 => bytes.insert(i, b"0123456789<>/\"-. "[byte as usize % 17]),
            2 => drop(bytes.remove(i)),
            // Digits are where the counts are.
            3 => bytes[i..].iter_mut().filter(|b| b.is_ascii_digit()).take(1).for_each(|b| *b = b'0' + byte % 10),
            _ if byte < 16 => bytes.truncate(i),
            _ => bytes[i] ^= 1 << (byte % 8),
        }
    }
    fs::write(path, bytes).unwrap();
}

/// Everything that a mesh file holds, also behind what is refused. Errors: the first.
pub fn read_all(path: &Path) -> Result<()> {
    let file = open_mesh(path)?;
    let mut results = Vec::new();
    for state in 0..file.n_states().min(4) {
        results.push(file.mesh(state).and_then(|mesh| mesh.validate(path)));
        results.push(file.field_data(state).map(drop));
        let arrays = file.arrays(state);
        for array in arrays.iter().flatten() {
            let values = file.read(state, array);
            let n = values.as_ref().map_or(array.field.n_dofs(), Vec::len);
            assert_eq!(n, array.field.n_dofs(), "{}: {}", path.display(), array.field.name);
            results.push(values.map(drop));
        }
        results.push(arrays.map(drop));
    }
    results.into_iter().collect()
}

fn refused_by_the_input(result: Result<()>) -> std::result::Result<(), TestCaseError> {
    if let Err(e) = result {
        prop_assert_eq!(e.exit_code(), 2, "{}", e);
    }
    Ok(())
}

fn copied(folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    for name in names {
        fs::copy(samples.join(name), folder.join(name)).unwrap();
    }
    names.iter().map(|name| folder.join(name)).collect()
}

const PIECES: [&str; 4] = ["vtk_pieces.pvtu", "vtk_pieces_0.vtu", "vtk_pieces_1.vtu", "vtk_pieces_2.vtu"];
const SERIES: [&str; 7] = [
    "fenicsx_square.pvd",
    "fenicsx_square000000.pvtu",
    "fenicsx_square000001.pvtu",
    "fenicsx_square000002.pvtu",
    "fenicsx_square_p0_000000.vtu",
    "fenicsx_square_p0_000001.vtu",
    "fenicsx_square_p0_000002.vtu",
];

/// A file of all sorts of nodes.
fn tree(folder: &tempfile::TempDir) -> PathBuf {
    written(folder, |file| {
        let fluid = base(file, "Fluid", 2, 2);
        let zone = square(&fluid, "A");
        solution(&zone, "Cells", "CellCenter", &[("p", &[1., 2., 3.])]);
        solution(&zone, "Points", "Vertex", &[("T", &[1.; 6])]);
        let conditions = node(&zone, "ZoneBC", "ZoneBC_t", Data::None);
        node(&node(&conditions, "wall", "BC_t", Data::None), "PointList", "IndexArray_t", Data::I4(&[2]));
        let steps = node(&zone, "ZoneIterativeData", "ZoneIterativeData_t", Data::None);
        let names: Vec<i8> =
            ["Points", "Cells"].iter().flat_map(|n| format!("{n:<32}").into_bytes()).map(|b| b as i8).collect();
        table(&steps, "FlowSolutionPointers", "DataArray_t", Data::Text(""), &names, 32);
        let times = node(&fluid, "BaseIterativeData", "BaseIterativeData_t", Data::I4(&[2]));
        node(&times, "TimeValues", "DataArray_t", Data::R8(&[0., 1.]));
        let solid = base(file, "Solid", 1, 2);
        let zone = crate::cgns_writer::zone(&solid, "B", 1, &[[0., 0., 0.], [1., 0., 0.]], 2);
        section(&zone, "Lines", 3, [1, 1], &[1, 2]);
    })
}

/// All groups of a file.
fn groups(group: &Group) -> Vec<Group> {
    let mut found = vec![group.clone()];
    for (name, link) in group.links(hdf5::IndexType::Name, hdf5::IterationOrder::Increasing).unwrap() {
        if link.link_type == LinkType::Hard
            && let Ok(below) = group.group(&name)
        {
            found.extend(groups(&below));
        }
    }
    found
}

const WORDS: [&str; 12] = [
    "Zone_t",
    "Elements_t",
    "DataArray_t",
    "FlowSolution_t",
    "GridCoordinates_t",
    "CGNSBase_t",
    "I4",
    "R8",
    "C1",
    "MT",
    "LK",
    "",
];

/// Removes a node, changes its label or type, or gives it other data.
fn change_tree(path: &Path, which: prop::sample::Index, how: u8, word: usize, numbers: &[i64]) {
    let file = hdf5::File::open_rw(path).unwrap();
    let nodes = groups(&file);
    let node = &nodes[1 + which.index(nodes.len() - 1)];
    let text = FixedAscii::<33>::from_ascii(WORDS[word]).unwrap();
    match how {
        0 => file.unlink(&node.name()).unwrap(),
        1 | 2 => {
            let name = ["label", "type"][usize::from(how - 1)];
            let _ = node.delete_attr(name);
            node.new_attr::<FixedAscii<33>>().create(name).unwrap().write_scalar(&text).unwrap();
        }
        _ => {
            let _ = node.unlink(" data");
            let builder = node.new_dataset_builder();
            match how {
                3 => drop(builder.with_data(numbers).create(" data").unwrap()),
                4 => drop(
                    builder.with_data(&numbers.iter().map(|&n| n as f64).collect::<Vec<_>>()).create(" data").unwrap(),
                ),
                5 => drop(
                    builder.with_data(&numbers.iter().map(|&n| n as i8).collect::<Vec<_>>()).create(" data").unwrap(),
                ),
                _ => (),
            }
        }
    }
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![-2..30i64, any::<i64>(), any::<i32>().prop_map(i64::from), Just(i64::MAX), Just(i64::MIN)]
}

/// All values of a NumPy file.
pub fn read_numpy(path: &Path) -> Result<()> {
    let file = NumpyFile::open(path)?;
    for field in file.fields() {
        for sample in 0..file.n_samples().min(4) {
            assert_eq!(file.read(field, &[sample], 0..field.n_dofs())?.nrows(), field.n_dofs());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces(which in 0..PIECES.len(), changes in changes()) {
        let folder = tempfile::tempdir().unwrap();
        let files = copied(folder.path(), &PIECES);
        change(&files[which], &changes);
        refused_by_the_input(read_all(&files[0]))?;
    }

    #[test]
    fn series(which in 0..SERIES.len(), changes in changes()) {
        let folder = tempfile::tempdir().unwrap();
        let files = copied(folder.path(), &SERIES);
        change(&files[which], &changes);
        refused_by_the_input(read_all(&files[0]))?;
    }

    #[test]
    fn trees_of_cgns(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..7u8, 0..WORDS.len(), prop::collection::vec(number(), 0..10)), 1..4
        )
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = tree(&folder);
        for (which, how, word, numbers) in changes {
            change_tree(&path, which, how, word, &numbers);
        }
        refused_by_the_input(read_all(&path))?;
    }

    #[test]
    fn arrays_of_numpy(form in 0..3u8, changes in changes()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(if form == 0 { "u.npy" } else { "u.npz" });
        let (plane, cube) = (Array2::from_elem((3, 4), 0.5f64), Array3::from_elem((3, 4, 2), 1i32));
        if form == 0 {
            write_npy(&path, &plane).unwrap();
        } else {
            let file = fs::File::create(&path).unwrap();
            let mut npz = if form == 1 { NpzWriter::new(file) } else { NpzWriter::new_compressed(file) };
            npz.add_array("p", &plane).unwrap();
            npz.add_array("u", &cube).unwrap();
            npz.add_array("parameters", &plane).unwrap();
            npz.finish().unwrap();
        }
        change(&path, &changes);
        refused_by_the_input(read_numpy(&path))?;
    }

    #[test]
    fn tables(changes in changes()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parameters.csv");
        fs::write(&path, "sample,mach,gamma,note\na,2.1,1.4,\"x, y\"\nb,-3e-1,5,\nc,1,2,z\n").unwrap();
        change(&path, &changes);
        refused_by_the_input(read_table(&path).map(drop))?;
    }
}

#[test]
fn unchanged_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    read_all(&copied(folder.path(), &PIECES)[0]).unwrap();
    read_all(&copied(folder.path(), &SERIES)[0]).unwrap();
    read_all(&tree(&folder)).unwrap();
}
