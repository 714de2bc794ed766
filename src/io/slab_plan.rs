//! How a field is read within a memory: which way, and in slabs of how many rows.

use crate::data::FieldInfo;
use crate::error::{Error, Result};
use crate::io::SnapshotSource;
use crate::io::field_chunks::FieldChunks;
use crate::io::scratch::Scratch;
use crate::linalg::slabs::work_bytes;
use crate::linalg::tall::Layout;

/// Bytes of the list that says where the values of a sample in a chunk belong.
const LIST: usize = 64;
/// Bytes of work on a slab that are part of what the program takes beside `memory`; what is more is taken from there.
const FREE_WORK: usize = 1 << 26;

/// How the rows are read, and what that takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plan {
    pub way: Way,
    /// Rows of a slab: a multiple of a block, or all.
    pub rows: usize,
    /// Rows that may be left of a chunk.
    pub carry: usize,
    /// Threads that unpack at a time.
    pub n_threads: usize,
    /// Bytes at once, at most.
    pub bytes: usize,
}

/// See [`field_slabs`](super::field_slabs).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Kept,
    Swept,
    Scratch,
}

/// The least memory for which there is a plan.
pub(crate) fn least_memory(source: &dyn SnapshotSource, field: &FieldInfo, n: usize, layout: &Layout) -> usize {
    let fits = |memory: usize| Plan::that_fits(source, field, n, layout, memory).is_some();
    let mut enough = 1;
    while !fits(enough) && enough < usize::MAX / 2 {
        enough *= 2;
    }
    let mut too_little = enough / 2;
    while too_little + 1 < enough {
        let middle = too_little + (enough - too_little) / 2;
        *if fits(middle) { &mut enough } else { &mut too_little } = middle;
    }
    enough
}

impl Plan {
    /// The first way that fits. Errors: K009.
    pub fn choose(
        source: &dyn SnapshotSource,
        field: &FieldInfo,
        n: usize,
        layout: &Layout,
        memory: usize,
    ) -> Result<Plan> {
        Plan::that_fits(source, field, n, layout, memory).ok_or_else(|| {
            let least = least_memory(source, field, n, layout);
            let found = format!("{memory} bytes for {} x {n} of {}", layout.local_range().len(), field.name);
            let expected = format!("at least {least} bytes: a block of rows, twice");
            let mend = format!("raise memory to \"{least}\" (bytes), or select fewer samples");
            Error::input("K009", source.path(), "[reduction] memory", found, expected, mend)
        })
    }

    fn that_fits(
        source: &dyn SnapshotSource,
        field: &FieldInfo,
        n: usize,
        layout: &Layout,
        memory: usize,
    ) -> Option<Plan> {
        // A quarter of the memory for threads that unpack, but one thread there must be.
        let per_thread = bytes_per_thread(source, field);
        let most = rayon::current_num_threads().min(memory / 4 / per_thread.max(1)).max(1);
        // Where that leaves no room for slabs, one.
        let with = |n_threads| Needs::new(source, field, n, layout, n_threads).plan(memory);
        with(most).or_else(|| if most > 1 { with(1) } else { None })
    }
}

fn bytes_per_thread(source: &dyn SnapshotSource, field: &FieldInfo) -> usize {
    // Without chunks: a sample as its file holds it and as it is handed over, or a piece of all samples.
    let whole = source.rows_per_read(field);
    let per_sample = if whole >= field.n_dofs() { 16 * whole } else { 1 << 22 };
    source.chunks(field).map_or(per_sample, FieldChunks::bytes_per_thread)
}

/// What the ways take.
struct Needs {
    n: usize,
    /// Own rows, and as counted from the block in which the first of them lies.
    own: usize,
    n_rows: usize,
    block: usize,
    /// Rows that are unpacked, or read, together.
    per_chunk: usize,
    whole: usize,
    chunked: bool,
    contiguous: bool,
    n_threads: usize,
    /// Bytes of the threads that unpack.
    reading: usize,
    /// Bytes of the smallest tile that is unpacked into a scratch file.
    tile: usize,
}

impl Needs {
    fn new(source: &dyn SnapshotSource, field: &FieldInfo, n: usize, layout: &Layout, n_threads: usize) -> Needs {
        let (range, block) = (layout.local_range(), layout.block_rows());
        let (own, chunks) = (range.len(), source.chunks(field));
        let per_chunk = chunks.map_or(1, FieldChunks::rows_per_chunk);
        let tile = match chunks {
            Some(c) => 2 * c.samples_per_chunk().min(n) * per_chunk.min(own) * 8,
            None => 2 * own * 8,
        };
        Needs {
            n,
            own,
            n_rows: range.start % block + own,
            block,
            per_chunk,
            whole: source.rows_per_read(field),
            chunked: chunks.is_some(),
            contiguous: chunks.is_none_or(FieldChunks::is_contiguous),
            n_threads,
            reading: n_threads * bytes_per_thread(source, field),
            tile,
        }
    }

    fn bytes(&self, rows: usize) -> usize {
        rows.saturating_mul(8 * self.n)
    }

    /// A list entry for each piece of a chunk, a column begun and ended inside chunks.
    fn list(&self, rows: usize) -> usize {
        self.n * LIST * if self.contiguous { 1 } else { rows / self.per_chunk + 2 }
    }

    /// Work on slabs, as far as it is much.
    fn work(&self, rows: usize) -> usize {
        work_bytes(rows.min(self.own), self.n, self.block).saturating_sub(FREE_WORK)
    }

    fn kept(&self) -> usize {
        if self.own == 0 {
            return 0;
        }
        self.bytes(self.own) + self.list(self.own) + self.reading + self.work(self.own)
    }

    fn carry(&self) -> usize {
        if self.block.is_multiple_of(self.per_chunk) { 0 } else { self.per_chunk }
    }

    fn swept(&self, rows: usize) -> usize {
        let carry = self.carry();
        2 * self.bytes(rows) + self.bytes(carry) + self.list(rows + carry) + self.reading + self.work(rows)
    }

    fn scratch(&self, rows: usize) -> usize {
        let reading = rayon::current_num_threads() * Scratch::BYTES_PER_THREAD;
        (2 * self.bytes(rows) + reading + self.work(rows)).max(self.reading + self.tile)
    }

    /// Even slabs: as many as the largest ones would be, of equal numbers of blocks.
    fn rows_that_fit(&self, memory: usize, need: impl Fn(usize) -> usize) -> Option<usize> {
        let most = (1..=self.n_rows.div_ceil(self.block)).rev().find(|b| need(b * self.block) <= memory)?;
        let n_slabs = self.n_rows.div_ceil(most * self.block);
        Some(self.n_rows.div_ceil(n_slabs).next_multiple_of(self.block))
    }

    fn plan(&self, memory: usize) -> Option<Plan> {
        let n_threads = self.n_threads;
        if self.kept() <= memory {
            let (rows, bytes) = (self.own.max(1), self.kept());
            return Some(Plan { way: Way::Kept, rows, carry: 0, n_threads, bytes });
        }
        if let Some(rows) = self.rows_that_fit(memory, |rows| self.swept(rows)) {
            // Where chunks are left to HDF5, those at the ends of slabs are unpacked twice.
            let carry = self.carry();
            let tall = if self.chunked { self.bytes(carry) > memory / 2 } else { self.whole > rows / 2 };
            if !tall {
                return Some(Plan { way: Way::Swept, rows, carry, n_threads, bytes: self.swept(rows) });
            }
        }
        let rows = self.rows_that_fit(memory, |rows| self.scratch(rows))?;
        Some(Plan { way: Way::Scratch, rows, carry: 0, n_threads, bytes: self.scratch(rows) })
    }
}
