//! What files give and take on this machine, through the engine's own readers and writer.

use crate::data::{FieldInfo, Location};
use crate::error::{Error, Result};
use crate::io::atomic::write_error;
use crate::io::field_slabs::FieldSlabs;
use crate::io::model_writer::ModelWriter;
use crate::io::stacked::StackedFile;
use crate::linalg::slabs::Slabs;
use crate::linalg::tall::Layout;
use crate::offline::machine::{FileRates, best};
use faer::Mat;
use rayon::prelude::*;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

const ROWS: usize = 8 * 8192;
const SAMPLES: usize = 32;
const CHUNK: (usize, usize) = (8, 8192);

/// Measures with 16 MB in a temporary folder (TMPDIR), one core at work; the files are in the memory of the system.
///
/// Errors: a folder that cannot be written to. Cost: about a second, most of it to deflate. Not collective.
pub fn file_rates() -> Result<FileRates> {
    let folder = tempfile::tempdir().map_err(|e| write_error(&std::env::temp_dir(), e))?;
    let bytes = (8 * ROWS * SAMPLES) as f64;
    // As from a solver: smooth, with digits that do not repeat.
    let field = Mat::from_fn(ROWS, SAMPLES, |i, j| {
        (1.0 + 1e-3 * j as f64) * (1e-4 * i as f64).sin() + 1e-5 * (i as f64 * 0.754_877_666 + j as f64).fract()
    });
    let (plain, packed) = (folder.path().join("plain.h5"), folder.path().join("packed.h5"));
    write_stacked(&plain, &field, false)?;
    write_stacked(&packed, &field, true)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|e| Error::argument("threads", e, "one more thread"))?;
    let rate_of = |path: &Path| -> Result<f64> {
        let slabs = || -> Result<()> {
            let info = FieldInfo {
                name: "u".into(),
                location: Location::Free,
                n_entities: ROWS,
                n_components: 1,
                vector: false,
            };
            let (source, layout) = (Arc::new(StackedFile::open(path)?), Layout::serial(ROWS));
            let slabs = FieldSlabs::new(source, info, (0..SAMPLES).collect(), layout, 1 << 30, folder.path())?;
            slabs.pass(&mut |_, _| Ok(()))
        };
        pool.install(slabs)?;
        Ok(bytes / best(5, &mut || drop(pool.install(slabs))))
    };
    let (place, unpack) = (rate_of(&plain)?, rate_of(&packed)?);
    let model = folder.path().join("model.h5");
    let write = || -> Result<()> {
        let mut w = ModelWriter::create(&model)?;
        w.f64_from("/pod/u/basis", &[SAMPLES, ROWS], field.as_ref())?;
        w.finish()
    };
    write()?;
    let written = best(3, &mut || drop(write()));
    let file = std::fs::File::open(&plain).map_err(|e| write_error(&plain, e))?;
    let piece = 1 << 18;
    let read = || {
        (0..bytes as usize / piece).into_par_iter().for_each_init(
            || vec![0; piece],
            |buffer, k| {
                let _ = file.read_exact_at(buffer, (k * piece) as u64);
            },
        );
    };
    Ok(FileRates { read: bytes / best(3, &mut { read }), place, unpack, write: bytes / written })
}

fn write_stacked(path: &Path, field: &Mat<f64>, packed: bool) -> Result<()> {
    let write = || -> hdf5::Result<()> {
        let file = hdf5::File::create(path)?;
        let builder = file.create_group("snapshots")?.new_dataset::<f64>().shape((SAMPLES, ROWS));
        let data = match packed {
            true => builder.chunk(CHUNK).shuffle().deflate(4).create("u")?,
            false => builder.create("u")?,
        };
        let values = ndarray::Array2::from_shape_fn((SAMPLES, ROWS), |(j, i)| field[(i, j)]);
        data.write(&values)?;
        file.new_dataset_builder().with_data(&[0.0; SAMPLES]).create("parameters")?;
        Ok(())
    };
    write().map_err(|e| write_error(path, e))
}
