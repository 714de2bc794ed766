//! A field of a stacked file read by all threads: each takes chunks, unpacks them and puts the values where they belong.

use crate::error::{Error, Result};
use crate::io::chunk_filters::{Buffers, Pipeline, Values};
use crate::io::hdf::{self, COMPRESSED, SMALL};
use crate::io::hyperslab::not_finite;
use crate::io::raw_chunk::read_raw;
use faer::MatMut;
use hdf5::dataset::ChunkOpts;
use hdf5::{Dataset, Datatype};
use rayon::prelude::*;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes per read of values that are not packed.
const READ: usize = 1 << 18;

/// A data set [n_samples, n_entities(, n_components)] of f32 or f64, contiguous or in chunks with filters that are
/// undone here.
#[derive(Debug)]
pub struct FieldChunks {
    path: PathBuf,
    /// For messages.
    place: String,
    storage: Storage,
    /// Bytes of a value: 4 or 8.
    size: usize,
    n_samples: usize,
    n_entities: usize,
    n_components: usize,
    /// Samples, entities and components of a chunk.
    chunk: [usize; 3],
    buffers: Mutex<Vec<Buffers>>,
}

#[derive(Debug)]
enum Storage {
    /// Begins at a byte of the file.
    Contiguous(File, u64),
    Chunked {
        data: Dataset,
        pipeline: Pipeline,
        /// Value of chunks that were never written.
        fill: f64,
        /// Bytes of the file: no chunk is longer.
        length: u64,
    },
}

/// Where the entries from `first` on of one sample are wanted.
#[derive(Debug)]
pub struct Piece<'a> {
    pub sample: usize,
    pub first: usize,
    pub values: &'a mut [f64],
}

/// Pieces that lie in the same chunks: (row of chunks, column of chunks), the piece.
type Placed<'a> = ((usize, usize), Piece<'a>);

impl FieldChunks {
    /// None where the data set is left to HDF5: other types of values, other filters, external or virtual data.
    pub(crate) fn of(path: &Path, place: &str, data: &Dataset, n_components: usize) -> Option<FieldChunks> {
        let dtype = data.dtype().ok()?;
        let little = |t: hdf5::Result<Datatype>| cfg!(target_endian = "little") && t.is_ok_and(|t| t == dtype);
        let size = match (little(Datatype::from_type::<f32>()), little(Datatype::from_type::<f64>())) {
            (true, _) => 4,
            (_, true) => 8,
            _ => return None,
        };
        let shape = data.shape();
        let k = shape.get(2).copied().unwrap_or(1);
        if !(2..=3).contains(&shape.len()) || k != n_components || shape.contains(&0) {
            return None;
        }
        let properties = data.dcpl().ok()?;
        let length = std::fs::metadata(path).ok()?.len();
        let (storage, chunk) = match data.chunk() {
            Some(chunk) => {
                let chunk = [chunk[0], *chunk.get(1)?, chunk.get(2).copied().unwrap_or(1)];
                let n_bytes = chunk.iter().try_fold(size, |n: usize, &m| n.checked_mul(m))?;
                let unfiltered = |o: ChunkOpts| o.contains(ChunkOpts::DONT_FILTER_PARTIAL_CHUNKS);
                // Data without any chunk, of a damaged header, or whose last chunks have no filters.
                let most = (length as usize).saturating_mul(COMPRESSED).max(SMALL);
                let odd = data.storage_size() == 0 || properties.chunk_opts().is_some_and(unfiltered);
                if odd || n_bytes > most || chunk.contains(&0) {
                    return None;
                }
                let pipeline = Pipeline::of(&data.filters(), size)?;
                let fill = properties.fill_value_as::<f64>().unwrap_or(0.0);
                (Storage::Chunked { data: data.clone(), pipeline, fill, length }, chunk)
            }
            None if properties.external().is_empty() => {
                (Storage::Contiguous(File::open(path).ok()?, data.offset()?), [1, 1, k])
            }
            None => return None,
        };
        Some(FieldChunks {
            path: path.to_path_buf(),
            place: place.to_string(),
            storage,
            size,
            n_samples: shape[0],
            n_entities: shape[1],
            n_components: k,
            chunk,
            buffers: Mutex::new(Vec::new()),
        })
    }

    /// Rows (entries of a sample) that are unpacked together.
    pub fn rows_per_chunk(&self) -> usize {
        match self.storage {
            Storage::Contiguous(..) => 1,
            Storage::Chunked { .. } => self.chunk[1] * self.n_components,
        }
    }

    /// Whether the values lie one after the other, without chunks.
    pub fn is_contiguous(&self) -> bool {
        matches!(self.storage, Storage::Contiguous(..))
    }

    /// Samples that are unpacked together.
    pub fn samples_per_chunk(&self) -> usize {
        self.chunk[0]
    }

    /// Whether the values are packed.
    pub fn is_packed(&self) -> bool {
        matches!(&self.storage, Storage::Chunked { pipeline, .. } if pipeline.is_packed())
    }

    /// Whether the values are f32.
    pub fn is_single(&self) -> bool {
        self.size == 4
    }

    /// Bytes that a thread holds while it reads.
    pub fn bytes_per_thread(&self) -> usize {
        match self.storage {
            Storage::Contiguous(..) => READ,
            // Packed bytes may be a little longer than unpacked ones.
            Storage::Chunked { .. } => 2 * (self.chunk.iter().product::<usize>() * self.size) + READ,
        }
    }

    /// Entries `dofs` of the samples `samples` into the columns of `block` [dofs, samples], which are contiguous.
    pub(crate) fn read_into(&self, samples: &[usize], dofs: Range<usize>, block: MatMut<'_, f64>) -> Result<()> {
        self.read(columns(block, samples, dofs.start), usize::MAX)
    }

    /// Fills the pieces, whatever their order; each chunk is unpacked once, by at most `n_threads` threads at a time.
    ///
    /// Errors: K003 data that cannot be read or unpacked, K004 a value that is not finite; of several the one of the
    /// first chunk. Cost: the chunks that are touched; [`bytes_per_thread`](Self::bytes_per_thread).
    pub fn read(&self, pieces: Vec<Piece<'_>>, n_threads: usize) -> Result<()> {
        let mut placed = self.place(pieces);
        placed.sort_unstable_by_key(|(cell, piece)| (*cell, piece.sample, piece.first));
        let cells = placed.chunk_by_mut(|a, b| a.0 == b.0);
        let n_workers = rayon::current_num_threads().min(n_threads).max(1);
        let queue = Mutex::new(cells.enumerate());
        let next = || queue.lock().unwrap_or_else(|e| e.into_inner()).next();
        let (failed, errors) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        (0..n_workers).into_par_iter().with_max_len(1).for_each(|_| {
            let kept = self.buffers.lock().unwrap_or_else(|e| e.into_inner()).pop();
            let mut buffers = kept.unwrap_or_default();
            while !failed.load(Ordering::Relaxed) {
                let Some((number, cell)) = next() else { break };
                if let Err(error) = self.read_cell(cell, &mut buffers) {
                    failed.store(true, Ordering::Relaxed);
                    errors.lock().unwrap_or_else(|e| e.into_inner()).push((number, error));
                }
            }
            self.buffers.lock().unwrap_or_else(|e| e.into_inner()).push(buffers);
        });
        // Cells are begun in their order: all before the first error have been read.
        let errors = errors.into_inner().unwrap_or_else(|e| e.into_inner());
        errors.into_iter().min_by_key(|(number, _)| *number).map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Gives the buffers of the threads back.
    pub fn forget_buffers(&self) {
        self.buffers.lock().unwrap_or_else(|e| e.into_inner()).clear();
    }

    /// Cuts pieces where chunks end.
    fn place<'a>(&self, pieces: Vec<Piece<'a>>) -> Vec<Placed<'a>> {
        let width = match self.storage {
            Storage::Contiguous(..) => self.n_entities * self.n_components,
            Storage::Chunked { .. } => self.rows_per_chunk(),
        };
        let parts = |p: &Piece<'_>| (p.first + p.values.len()).div_ceil(width) - p.first / width;
        let mut placed = Vec::with_capacity(pieces.iter().map(parts).sum());
        for Piece { sample, mut first, mut values } in pieces {
            while !values.is_empty() {
                let column = first / width;
                let n = ((column + 1) * width - first).min(values.len());
                let (head, tail) = values.split_at_mut(n);
                placed.push(((sample / self.chunk[0], column), Piece { sample, first, values: head }));
                (first, values) = (first + n, tail);
            }
        }
        placed
    }

    fn read_cell(&self, cell: &mut [Placed<'_>], buffers: &mut Buffers) -> Result<()> {
        match &self.storage {
            Storage::Contiguous(file, start) => {
                cell.iter_mut().try_for_each(|(_, piece)| self.read_contiguous(file, *start, piece, buffers))
            }
            Storage::Chunked { data, pipeline, fill, length } => {
                let n_columns = self.n_components.div_ceil(self.chunk[2]);
                for component in (0..n_columns).map(|c| c * self.chunk[2]) {
                    let Some(((row, column), _)) = cell.first() else { return Ok(()) };
                    let (sample, entity) = (row * self.chunk[0], column * self.chunk[1]);
                    let wrong = |found: String| {
                        let (samples, entities) = (self.chunk[0], self.chunk[1]);
                        let last = ((sample + samples).min(self.n_samples), (entity + entities).min(self.n_entities));
                        let place =
                            format!("{}, samples {sample}..{}, entries {entity}..{}", self.place, last.0, last.1);
                        Error::input("K003", &self.path, place, found, "readable data", "copy or write the file again")
                    };
                    let offset = [sample as u64, entity as u64, component as u64];
                    let found = read_raw(data, &offset[..data.ndim()], *length, &mut buffers.raw);
                    let found = found.map_err(|e| match hdf::damaged(&self.path, "", e) {
                        Error::Input { found, .. } => wrong(found),
                        other => other,
                    })?;
                    let values = match found {
                        Some((n, mask)) => {
                            let n_bytes = self.chunk.iter().product::<usize>() * self.size;
                            Some(pipeline.decode(buffers, n, mask, n_bytes).map_err(wrong)?)
                        }
                        None => None,
                    };
                    cell.iter_mut().try_for_each(|(_, p)| self.take(values, *fill, [sample, entity, component], p))?;
                }
                Ok(())
            }
        }
    }

    /// Takes from the chunk at `begin` what belongs to a piece; `fill` where there is no chunk.
    fn take(&self, chunk: Option<Values<'_>>, fill: f64, begin: [usize; 3], piece: &mut Piece<'_>) -> Result<()> {
        let (k, [_, entities, components]) = (self.n_components, self.chunk);
        let row = (piece.sample - begin[0]) * entities;
        let finite = match chunk {
            Some(values) if components == k => values.copy(row * k + piece.first - begin[1] * k, piece.values),
            _ => {
                let mut finite = true;
                for (i, value) in piece.values.iter_mut().enumerate() {
                    let (entity, component) = ((piece.first + i) / k, (piece.first + i) % k);
                    if component >= begin[2] && component < begin[2] + components {
                        let at = (row + entity - begin[1]) * components + component - begin[2];
                        *value = chunk.map_or(fill, |values| values.get(at));
                        finite &= value.is_finite();
                    }
                }
                finite
            }
        };
        if finite { Ok(()) } else { Err(self.not_finite(piece)) }
    }

    fn read_contiguous(&self, file: &File, start: u64, piece: &mut Piece<'_>, buffers: &mut Buffers) -> Result<()> {
        let per_read = READ / self.size;
        let mut begin = (piece.sample * self.n_entities * self.n_components + piece.first) * self.size;
        let mut finite = true;
        for values in piece.values.chunks_mut(per_read) {
            let n = values.len() * self.size;
            if buffers.raw.len() < n {
                buffers.raw.resize(READ, 0);
            }
            file.read_exact_at(&mut buffers.raw[..n], start + begin as u64).map_err(|e| {
                let place = format!("{}, samples {}..{}", self.place, piece.sample, piece.sample + 1);
                Error::input("K003", &self.path, place, e.to_string(), "readable data", "copy or write the file again")
            })?;
            finite &= Values::Plain(&buffers.raw[..n], self.size).copy(0, values);
            begin += n;
        }
        if finite { Ok(()) } else { Err(self.not_finite(piece)) }
    }

    fn not_finite(&self, piece: &Piece<'_>) -> Error {
        let i = piece.values.iter().position(|v| !v.is_finite()).unwrap_or(0);
        not_finite(&self.path, &self.place, piece.sample, piece.first + i, self.n_components, piece.values[i])
    }
}

/// The columns of a block [rows, samples] of contiguous columns, which begins at the entry `first`.
pub(crate) fn columns<'a>(block: MatMut<'a, f64>, samples: &[usize], first: usize) -> Vec<Piece<'a>> {
    let columns = block.try_as_col_major_mut().into_iter().flat_map(|block| block.col_iter_mut());
    columns.zip(samples).map(|(c, &sample)| Piece { sample, first, values: c.as_slice_mut() }).collect()
}
