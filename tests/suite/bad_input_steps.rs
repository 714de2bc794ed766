//! What a case of tests/bad_inputs can do to its folder before a run.

use crate::tool::{Stacked, kolmo};
use hdf5::types::VarLenUnicode;
use ndarray::{Array2, ArrayD, Axis, IxDyn};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// One step, `do = "…"` in a case.toml.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// A stacked data set: `pressure` on the points and `density` on the cells of cells x cells quadrilaterals.
    Stacked {
        file: PathBuf,
        #[serde(default = "twelve")]
        samples: usize,
        #[serde(default = "four")]
        cells: usize,
    },
    /// The field `pressure` of such a data set as .npy.
    Npy { file: PathBuf },
    /// The same as .npz whose entries are marked as packed by `method` of zip (0: stored).
    Npz { file: PathBuf, method: u16 },
    /// One value of a data set.
    Set { file: PathBuf, data: String, at: Vec<usize>, value: f64 },
    /// All values of a data set times a factor.
    Scale { file: PathBuf, data: String, factor: f64 },
    /// The first rows of a data set only.
    Rows { file: PathBuf, data: String, keep: usize },
    /// A data set, new or in place of an old one, in a file that is there or not.
    Write {
        file: PathBuf,
        data: String,
        shape: Vec<usize>,
        values: Vec<f64>,
        #[serde(default)]
        integers: bool,
    },
    /// A text attribute of a data set.
    Attribute { file: PathBuf, data: String, name: String, value: String },
    /// A text file.
    Text { file: PathBuf, text: String },
    /// Another text in a text file; it must be there.
    Replace { file: PathBuf, from: String, to: String },
    /// A copy of a file.
    Copy { file: PathBuf, to: PathBuf },
    /// A folder.
    Folder { file: PathBuf },
    /// The first share of a file only.
    Cut { file: PathBuf, keep: f64 },
    /// The byte at a share of a file, turned over.
    Flip { file: PathBuf, at: f64 },
    /// The format version of a model, raised under a checksum that holds.
    Version { file: PathBuf, add: u32 },
    /// A run of kolmo that must succeed.
    Run { command: Vec<String> },
}

fn twelve() -> usize {
    12
}

fn four() -> usize {
    4
}

/// Does one step in `folder`.
pub fn perform(step: &Step, folder: &Path) {
    let at = |file: &PathBuf| folder.join(file);
    match step {
        Step::Stacked { file, samples, cells } => {
            let _ = std::fs::remove_file(at(file));
            Stacked::new(*samples, *cells).write(folder, &file.to_string_lossy());
        }
        Step::Npy { file } => ndarray_npy::write_npy(at(file), &pressure()).unwrap(),
        Step::Npz { file, method } => write_npz(&at(file), *method),
        Step::Set { file, data, at: index, value } => rewrite(&at(file), data, |mut values| {
            values[IxDyn(index)] = *value;
            values
        }),
        Step::Scale { file, data, factor } => rewrite(&at(file), data, |values| values * *factor),
        Step::Rows { file, data, keep } => {
            rewrite(&at(file), data, |values| values.slice_axis(Axis(0), (..*keep).into()).to_owned());
        }
        Step::Write { file, data, shape, values, integers } => {
            let file = hdf5::File::append(at(file)).unwrap();
            let values = ArrayD::from_shape_vec(IxDyn(shape), values.clone()).unwrap();
            put(&file, data, values, *integers);
        }
        Step::Attribute { file, data, name, value } => {
            let data = hdf5::File::open_rw(at(file)).unwrap().dataset(data).unwrap();
            let _ = data.delete_attr(name);
            let value: VarLenUnicode = value.parse().unwrap();
            data.new_attr::<VarLenUnicode>().create(name.as_str()).unwrap().write_scalar(&value).unwrap();
        }
        Step::Text { file, text } => std::fs::write(at(file), text).unwrap(),
        Step::Replace { file, from, to } => {
            let text = std::fs::read_to_string(at(file)).unwrap();
            assert!(text.contains(from), "`{from}` is not in {}", file.display());
            std::fs::write(at(file), text.replace(from, to)).unwrap();
        }
        Step::Copy { file, to } => drop(std::fs::copy(at(file), at(to)).unwrap()),
        Step::Folder { file } => std::fs::create_dir(at(file)).unwrap(),
        Step::Cut { file, keep } => change(&at(file), |bytes| bytes.truncate((bytes.len() as f64 * keep) as usize)),
        Step::Flip { file, at: share } => change(&at(file), |bytes| {
            let position = (bytes.len() as f64 * share) as usize;
            bytes[position] ^= 0xff;
        }),
        Step::Version { file, add } => change(&at(file), |bytes| {
            let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
            bytes[8..12].copy_from_slice(&(version + add).to_le_bytes());
            let sum = crc32fast::hash(&bytes[..508]);
            bytes[508..512].copy_from_slice(&sum.to_le_bytes());
        }),
        Step::Run { command } => {
            kolmo(folder, &command.iter().map(String::as_str).collect::<Vec<_>>()).success();
        }
    }
}

fn pressure() -> Array2<f64> {
    Stacked::new(12, 4).snapshots[0].1.clone()
}

fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    how(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// A data set in place of the old one, which keeps its attributes where the shape is the same.
fn rewrite(path: &Path, name: &str, how: impl FnOnce(ArrayD<f64>) -> ArrayD<f64>) {
    let file = hdf5::File::open_rw(path).unwrap();
    let data = file.dataset(name).unwrap();
    let values = how(data.read_dyn::<f64>().unwrap());
    match values.shape() == data.shape() {
        true => data.write(&values).unwrap(),
        false => put(&file, name, values, false),
    }
}

fn put(file: &hdf5::File, name: &str, values: ArrayD<f64>, integers: bool) {
    let _ = file.unlink(name);
    match integers {
        true => file.new_dataset_builder().with_data(&values.mapv(|v| v as i64)).create(name).unwrap(),
        false => file.new_dataset_builder().with_data(&values).create(name).unwrap(),
    };
}

fn write_npz(path: &Path, method: u16) {
    let mut npz = ndarray_npy::NpzWriter::new(std::fs::File::create(path).unwrap());
    npz.add_array("pressure", &pressure()).unwrap();
    npz.finish().unwrap();
    // The method stands in the head of each entry and in the directory at the end.
    change(path, |bytes| {
        for (mark, offset) in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
            let found = bytes.windows(4).position(|w| w == mark).unwrap();
            bytes[found + offset..found + offset + 2].copy_from_slice(&method.to_le_bytes());
        }
    });
}
