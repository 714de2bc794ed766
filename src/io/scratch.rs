//! A file without a name that holds a matrix slab by slab: where reading the rows of a slab from the data would unpack
//! everything, all is unpacked once, and the passes read from here.
//!
//! Laid out [slab][column][rows of the slab], so that a slab is read from one place. The system keeps as much of it in
//! its page cache as it likes; the file goes with the process, however that ends.

use crate::error::Result;
use crate::io::atomic::write_error;
use crate::io::chunk_filters::Values;
use faer::{MatMut, MatRef};
use rayon::prelude::*;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Values per write or read.
const PIECE: usize = 1 << 15;

/// A matrix [n_rows, n_columns] in a file without a name.
#[derive(Debug)]
pub(crate) struct Scratch {
    file: File,
    /// For messages.
    path: PathBuf,
    n_rows: usize,
    n_columns: usize,
    rows_per_slab: usize,
    /// Values are kept as f32, which they were.
    single: bool,
}

impl Scratch {
    /// Bytes that a thread holds while it writes or reads.
    pub const BYTES_PER_THREAD: usize = 8 * PIECE;

    /// An empty file in `folder`. Errors: [`Error::Write`](crate::error::Error::Write).
    pub fn create(folder: &Path, shape: (usize, usize), rows_per_slab: usize, single: bool) -> Result<Scratch> {
        let path = folder.join("scratch");
        let file = tempfile::tempfile_in(folder).map_err(|e| write_error(&path, mend(e, shape, single)))?;
        Ok(Scratch { file, path, n_rows: shape.0, n_columns: shape.1, rows_per_slab: rows_per_slab.max(1), single })
    }

    /// Rows from `first` on of the columns numbered by `columns`.
    ///
    /// Errors: [`Error::Write`](crate::error::Error::Write) where the file system refuses. Cost: one copy, in parallel over columns.
    pub fn write(&self, first: usize, columns: &[usize], values: MatRef<'_, f64>) -> Result<()> {
        let slabs = self.slabs_of(first..first + values.nrows());
        let written = columns.par_iter().enumerate().map_init(Vec::new, |bytes: &mut Vec<u8>, (j, &column)| {
            let Some(values) = values.col(j).try_as_col_major() else { return Ok(()) };
            for rows in &slabs {
                let values = &values.as_slice()[rows.start - first..rows.end - first];
                for (i, piece) in values.chunks(PIECE).enumerate() {
                    bytes.resize(piece.len() * self.size(), 0);
                    match self.single {
                        true => fill(bytes, piece, |v| (v as f32).to_le_bytes()),
                        false => fill(bytes, piece, f64::to_le_bytes),
                    }
                    self.file.write_all_at(bytes, self.offset(rows.start + i * PIECE, column))?;
                }
            }
            Ok(())
        });
        let written = written.collect::<io::Result<()>>();
        written.map_err(|e| write_error(&self.path, mend(e, (self.n_rows, self.n_columns), self.single)))
    }

    /// Rows from `first` on, which lie in one slab, of all columns.
    ///
    /// Errors: [`Error::Write`](crate::error::Error::Write) where what was written cannot be read back. Cost: one copy, in parallel over columns.
    pub fn read(&self, first: usize, mut block: MatMut<'_, f64>) -> Result<()> {
        let size = self.size();
        let read =
            block.as_mut().par_col_iter_mut().enumerate().map_init(Vec::new, |bytes: &mut Vec<u8>, (j, column)| {
                let Some(column) = column.try_as_col_major_mut() else { return Ok(()) };
                let column = column.as_slice_mut();
                bytes.resize(PIECE.min(column.len()) * size, 0);
                for (i, piece) in column.chunks_mut(PIECE).enumerate() {
                    let bytes = &mut bytes[..piece.len() * size];
                    self.file.read_exact_at(bytes, self.offset(first + i * PIECE, j))?;
                    Values::Plain(bytes, size).copy(0, piece);
                }
                Ok(())
            });
        read.collect::<io::Result<()>>().map_err(|e| write_error(&self.path, format!("cannot be read back: {e}")))
    }

    fn size(&self) -> usize {
        if self.single { 4 } else { 8 }
    }

    /// Byte at which a row of a column lies.
    fn offset(&self, row: usize, column: usize) -> u64 {
        let begin = row / self.rows_per_slab * self.rows_per_slab;
        let rows = self.rows_per_slab.min(self.n_rows - begin);
        ((begin * self.n_columns + column * rows + row - begin) * self.size()) as u64
    }

    /// A range of rows, cut where slabs end.
    fn slabs_of(&self, rows: Range<usize>) -> Vec<Range<usize>> {
        let (mut cut, mut start) = (Vec::new(), rows.start);
        while start < rows.end {
            let end = ((start / self.rows_per_slab + 1) * self.rows_per_slab).min(rows.end);
            cut.push(start..end);
            start = end;
        }
        cut
    }
}

fn fill<const N: usize>(bytes: &mut [u8], values: &[f64], write: impl Fn(f64) -> [u8; N]) {
    bytes.as_chunks_mut::<N>().0.iter_mut().zip(values).for_each(|(b, v)| *b = write(*v));
}

/// What a user can do about it, behind the reason.
fn mend(e: io::Error, (n_rows, n_columns): (usize, usize), single: bool) -> String {
    let size = (n_rows * n_columns) as f64 * if single { 4e-9 } else { 8e-9 };
    format!("{e} (unpacked snapshots of {size:.1} GB: set TMPDIR to a folder with room, or raise [reduction] memory)")
}
