//! The rows of a field in ascending order, block by block: what a block leaves of a chunk is kept for the next one.

use crate::data::FieldInfo;
use crate::error::Result;
use crate::io::SnapshotSource;
use crate::io::field_chunks::{FieldChunks, columns};
use crate::io::scratch::Scratch;
use faer::{Mat, MatMut};
use rayon::prelude::*;
use std::ops::Range;

/// Reads a field from its first wanted row to its last.
pub(crate) struct Sweep<'a> {
    pub source: &'a dyn SnapshotSource,
    pub field: &'a FieldInfo,
    pub samples: &'a [usize],
    /// Rows that are wanted altogether.
    pub rows: Range<usize>,
    /// Threads that unpack at a time.
    pub n_threads: usize,
    /// Rows that have been unpacked but not handed over, from the row `base` on: [at most one chunk, samples].
    pub carry: Mat<f64>,
    pub base: usize,
    pub held: Range<usize>,
}

impl Sweep<'_> {
    /// The next rows into `block` [rows, samples].
    ///
    /// Errors: K003, K004 as [`SnapshotSource::read`].
    pub fn next(&mut self, rows: Range<usize>, mut block: MatMut<'_, f64>) -> Result<()> {
        let Some(chunks) = self.source.chunks(self.field) else {
            return self.source.read_into(self.field, self.samples, rows, block);
        };
        let mut start = rows.start;
        if self.held.contains(&start) {
            let n = self.held.end.min(rows.end) - start;
            let kept = self.carry.as_ref().subrows(start - self.base, n);
            block.as_mut().subrows_mut(0, n).par_col_iter_mut().zip(kept.par_col_iter()).for_each(|(mut to, from)| {
                to.copy_from(from);
            });
            start += n;
        }
        if start == rows.end {
            return Ok(());
        }
        let per_chunk = chunks.rows_per_chunk();
        let end = match self.carry.nrows() {
            0 => rows.end,
            _ => (rows.end.next_multiple_of(per_chunk)).min(self.rows.end),
        };
        let mut pieces = columns(block.subrows_mut(start - rows.start, rows.end - start), self.samples, start);
        pieces.extend(columns(self.carry.as_mut().subrows_mut(0, end - rows.end), self.samples, rows.end));
        chunks.read(pieces, self.n_threads)?;
        (self.base, self.held) = (rows.end, rows.end..end);
        Ok(())
    }
}

/// Unpacks all wanted rows once into a scratch file, in tiles of whole chunks that take at most `memory` bytes.
///
/// Errors: K003, K004 as [`SnapshotSource::read`], K103 where the file system refuses.
pub(crate) fn unpack(sweep: &Sweep<'_>, scratch: &Scratch, memory: usize) -> Result<()> {
    let (n_samples, n_rows) = tile(sweep, memory);
    let mut order: Vec<(usize, usize)> = sweep.samples.iter().enumerate().map(|(column, &s)| (s, column)).collect();
    order.sort_unstable();
    let per_chunk = sweep.source.chunks(sweep.field).map_or(1, FieldChunks::samples_per_chunk);
    let mut values = Mat::zeros(n_rows, n_samples.min(order.len()));
    let mut begin = 0;
    while begin < order.len() {
        // Samples of one row of chunks stay together.
        let full = (begin + n_samples).min(order.len());
        let limit = (order[begin].0 / per_chunk + n_samples.div_ceil(per_chunk).max(1)) * per_chunk;
        let end = begin + order[begin..full].iter().take_while(|(s, _)| *s < limit).count();
        let (samples, places): (Vec<usize>, Vec<usize>) = order[begin..end].iter().copied().unzip();
        let mut start = sweep.rows.start;
        while start < sweep.rows.end {
            // The first tile may begin inside a chunk; the next ones begin with one.
            let stop = ((start / n_rows + 1) * n_rows).min(sweep.rows.end);
            let stop = if n_rows >= sweep.rows.len() { sweep.rows.end } else { stop };
            let mut tile = values.as_mut().submatrix_mut(0, 0, stop - start, samples.len());
            match sweep.source.chunks(sweep.field) {
                Some(chunks) => chunks.read(columns(tile.as_mut(), &samples, start), sweep.n_threads)?,
                None => sweep.source.read_into(sweep.field, &samples, start..stop, tile.as_mut())?,
            }
            scratch.write(start - sweep.rows.start, &places, tile.as_ref())?;
            start = stop;
        }
        begin = end;
    }
    Ok(())
}

/// Samples and rows of a tile: as many samples as are unpacked together with all rows, or the rows of some chunks.
fn tile(sweep: &Sweep<'_>, memory: usize) -> (usize, usize) {
    let fits = (memory / 8).max(1);
    let n = sweep.rows.len().max(1);
    let Some(chunks) = sweep.source.chunks(sweep.field) else { return ((fits / n).max(1), n) };
    let (samples, rows) = (chunks.samples_per_chunk(), chunks.rows_per_chunk());
    match fits / n / samples * samples {
        0 => (samples, ((fits / samples / rows).max(1) * rows).min(n)),
        several => (several, n),
    }
}
