//! Tables and arrays without a mesh.

use crate::folder;
use crate::limit::bounded;
use kolmo::io::SnapshotSource;
use kolmo::io::csv::read_table;
use kolmo::io::numpy::NumpyFile;

/// A `.npy` or `.npz` file.
pub fn numpy(data: &[u8]) {
    let path = folder().join("fuzzed.npz");
    if std::fs::write(&path, data).is_err() {
        return;
    }
    bounded(data.len(), || {
        let Ok(file) = NumpyFile::open(&path) else { return };
        for field in file.fields() {
            for sample in 0..file.n_samples().min(4) {
                if let Ok(values) = file.read(field, &[sample], 0..field.n_dofs()) {
                    assert_eq!((values.nrows(), values.ncols()), (field.n_dofs(), 1));
                }
            }
        }
    });
}

/// A table.
pub fn csv(data: &[u8]) {
    let path = folder().join("fuzzed.csv");
    if std::fs::write(&path, data).is_err() {
        return;
    }
    bounded(data.len(), || {
        if let Ok((Some(keys), table)) = read_table(&path) {
            assert!(table.n_columns() == 0 || keys.len() == table.n_rows());
        }
    });
}
