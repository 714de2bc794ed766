//! Snapshots from an HDF5 data set [n_samples, n_entities(, n_components)], piece by piece in the order of its chunks.

use crate::error::{Error, Result};
use crate::io::hdf;
use faer::Mat;
use hdf5::Dataset;
use std::ops::Range;
use std::path::Path;

/// Values per read, unless one chunk is larger.
const PIECE: usize = 1 << 22;

/// Entries `dofs` of the samples `samples`: [dofs, samples].
///
/// A chunk is decompressed once per call, whatever the order of the samples: pieces end where chunks end, and samples
/// of the same row of chunks are read together. Errors: K003 where HDF5 cannot read, K004 where a value is not finite.
/// Cost: the chunks that are touched, one copy, a buffer of 32 MiB or one chunk.
pub(crate) fn read(
    path: &Path,
    data: &Dataset,
    place: &str,
    n_components: usize,
    samples: &[usize],
    dofs: Range<usize>,
) -> Result<Mat<f64>> {
    let mut out = Mat::zeros(dofs.len(), samples.len());
    if dofs.is_empty() || samples.is_empty() || n_components == 0 {
        return Ok(out);
    }
    let reader = Reader { path, data, place, n_components, dofs };
    let single = data.dtype().is_ok_and(|t| t.is::<f32>());
    let mut order: Vec<(usize, usize)> = samples.iter().enumerate().map(|(column, &sample)| (sample, column)).collect();
    order.sort_unstable();
    let chunk = data.chunk().unwrap_or_default();
    let chunk_rows = chunk.first().map_or(1, |&n| n.max(1));
    let chunk_entities = chunk.get(1).map_or(1, |&n| n.max(1));
    let entities = reader.dofs.start / n_components..reader.dofs.end.div_ceil(n_components);
    let width = piece_entities(entities.len(), chunk_rows, chunk_entities, n_components);
    let max_rows = (PIECE / (width * n_components)).max(1).next_multiple_of(chunk_rows);
    for run in runs(&order, chunk_rows, max_rows) {
        let rows = run[0].0..run[run.len() - 1].0 + 1;
        let mut start = entities.start;
        while start < entities.end {
            // The first piece may begin inside a chunk; the next ones begin with one.
            let end = ((start / chunk_entities) * chunk_entities + width).min(entities.end);
            if single {
                reader.piece::<f32>(run, rows.clone(), start..end, &mut out)?;
            } else {
                reader.piece::<f64>(run, rows.clone(), start..end, &mut out)?;
            }
            start = end;
        }
    }
    Ok(out)
}

/// Entities per piece: all where that fits, else a multiple of a chunk.
fn piece_entities(n: usize, chunk_rows: usize, chunk_entities: usize, n_components: usize) -> usize {
    let fitting = PIECE / chunk_rows.saturating_mul(n_components).max(1);
    if n + chunk_entities <= fitting { n + chunk_entities } else { (fitting / chunk_entities).max(1) * chunk_entities }
}

/// Cuts sorted samples where the next one lies in another row of chunks and is not adjacent, and at `max_rows`.
fn runs(order: &[(usize, usize)], chunk_rows: usize, max_rows: usize) -> Vec<&[(usize, usize)]> {
    let mut runs = Vec::new();
    let mut begin = 0;
    for i in 1..=order.len() {
        let cut = i == order.len() || {
            let (first, last, next) = (order[begin].0, order[i - 1].0, order[i].0);
            let same_chunks = next / chunk_rows == last / chunk_rows;
            let full = next / chunk_rows * chunk_rows >= first / chunk_rows * chunk_rows + max_rows;
            full || !(same_chunks || next <= last + 1)
        };
        if cut {
            runs.push(&order[begin..i]);
            begin = i;
        }
    }
    runs
}

struct Reader<'a> {
    path: &'a Path,
    data: &'a Dataset,
    place: &'a str,
    n_components: usize,
    dofs: Range<usize>,
}

impl Reader<'_> {
    fn piece<T: hdf5::H5Type + Copy + Into<f64>>(
        &self,
        run: &[(usize, usize)],
        rows: Range<usize>,
        entities: Range<usize>,
        out: &mut Mat<f64>,
    ) -> Result<()> {
        let k = self.n_components;
        let selection = hdf::block(rows.clone(), Some(entities.clone()), self.data.ndim());
        let values = self.data.read_slice::<T, _, ndarray::IxDyn>(selection).map_err(|e| {
            let place = format!("{}, samples {}..{}", self.place, rows.start, rows.end);
            hdf::damaged(self.path, place, e)
        })?;
        let (values, _) = values.into_raw_vec_and_offset();
        let width = entities.len() * k;
        let first = (entities.start * k).max(self.dofs.start);
        let last = (entities.end * k).min(self.dofs.end);
        for &(sample, column) in run {
            let row = (sample - rows.start) * width;
            let source = &values[row + first - entities.start * k..row + last - entities.start * k];
            let target = &mut out.col_as_slice_mut(column)[first - self.dofs.start..last - self.dofs.start];
            let mut finite = true;
            for (t, &s) in target.iter_mut().zip(source) {
                *t = s.into();
                finite &= t.is_finite();
            }
            if !finite {
                return Err(self.not_finite(sample, first, target));
            }
        }
        Ok(())
    }

    fn not_finite(&self, sample: usize, first: usize, values: &[f64]) -> Error {
        let i = values.iter().position(|v| !v.is_finite()).unwrap_or(0);
        not_finite(self.path, self.place, sample, first + i, self.n_components, values[i])
    }
}

/// K004 for entry `dof` of a sample.
pub(crate) fn not_finite(
    path: &Path,
    place: &str,
    sample: usize,
    dof: usize,
    n_components: usize,
    value: f64,
) -> Error {
    let mut place = format!("{place}, sample {sample}, entry {}", dof / n_components.max(1));
    if n_components > 1 {
        place += &format!(", component {}", dof % n_components);
    }
    let mend = "mend the sample, or leave it out with `select`";
    Error::input("K004", path, place, value.to_string(), "a finite number", mend)
}
