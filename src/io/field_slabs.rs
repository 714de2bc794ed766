//! Snapshots of a field, larger than memory: handed over slab by slab, the next slab read while this one is used.
//!
//! Three ways, by what the memory allows and how the file lies:
//!
//! - all rows fit: read once, kept;
//! - rows of chunks fit: each pass unpacks every chunk once; what a slab leaves of a chunk is carried to the next one;
//! - chunks are tall (one sample each, say), or samples are files of their own: everything is unpacked once into a
//!   [scratch file](super::scratch), from which each pass reads.

use crate::data::FieldInfo;
use crate::error::Result;
use crate::io::SnapshotSource;
use crate::io::field_chunks::FieldChunks;
use crate::io::scratch::Scratch;
use crate::io::slab_plan::{Plan, Way, least_memory};
use crate::io::slab_sweep::{Sweep, unpack};
use crate::linalg::slabs::{Slabs, Visit, columns_of_pass};
use crate::linalg::tall::{Layout, TallMatrix};
use faer::{Mat, MatMut, MatRef};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

/// The snapshots `samples` of a field as a tall matrix [n_dofs, samples] that is read slab by slab.
#[derive(Debug)]
pub struct FieldSlabs {
    source: Arc<dyn SnapshotSource>,
    field: FieldInfo,
    samples: Vec<usize>,
    layout: Arc<Layout>,
    memory: usize,
    folder: PathBuf,
    plan: Plan,
    kept: Mutex<Option<Arc<Mat<f64>>>>,
    scratch: Mutex<Option<Arc<Scratch>>>,
    /// Slabs of earlier passes.
    spare: Mutex<Vec<Mat<f64>>>,
}

impl FieldSlabs {
    /// Rows of `layout` of the snapshots `samples`, with at most `memory` bytes of them at once: the slab that is used,
    /// the slab that is read, what reading takes, and copies of blocks by many threads. Scratch files are written to the
    /// folder that the environment variable TMPDIR names, else to `folder`. Reads nothing yet.
    ///
    /// Errors: K009 where not even one block of rows fits, K100 for samples that there are not.
    pub fn new(
        source: Arc<dyn SnapshotSource>,
        field: FieldInfo,
        samples: Vec<usize>,
        layout: Arc<Layout>,
        memory: usize,
        folder: &Path,
    ) -> Result<FieldSlabs> {
        super::check_range(&field, source.n_samples(), &samples, &(0..layout.n_rows()))?;
        let plan = Plan::choose(source.as_ref(), &field, samples.len(), &layout, memory)?;
        let folder = std::env::var_os("TMPDIR").map_or_else(|| folder.to_path_buf(), PathBuf::from);
        let (kept, scratch, spare) = (Mutex::new(None), Mutex::new(None), Mutex::new(Vec::new()));
        Ok(FieldSlabs { source, field, samples, layout, memory, folder, plan, kept, scratch, spare })
    }

    /// Refuses what [`new`](Self::new) refuses of a memory, for `n_samples` samples. From headers alone. Error: K009.
    pub fn check(
        source: &dyn SnapshotSource,
        field: &FieldInfo,
        n_samples: usize,
        layout: &Layout,
        memory: usize,
    ) -> Result<()> {
        Plan::choose(source, field, n_samples, layout, memory).map(drop)
    }

    /// The least `memory` for which [`new`](Self::new) does not refuse a field of `n_samples` samples. From headers alone.
    pub fn least_memory(source: &dyn SnapshotSource, field: &FieldInfo, n_samples: usize, layout: &Layout) -> usize {
        least_memory(source, field, n_samples, layout)
    }

    /// Rows of a slab; the last one may have fewer.
    pub fn rows_per_slab(&self) -> usize {
        self.plan.rows
    }

    /// Bytes that are held at once, at most; what work takes beside the slabs counts where it is much.
    pub fn bytes(&self) -> usize {
        self.plan.bytes
    }

    /// In a few words, how the file is read.
    pub fn way(&self) -> &'static str {
        match self.plan.way {
            Way::Kept => "kept in memory",
            Way::Swept => "unpacked in every pass",
            Way::Scratch => "unpacked once into a scratch file",
        }
    }

    /// Whether every pass unpacks the file anew.
    pub fn is_swept(&self) -> bool {
        self.plan.way == Way::Swept
    }

    /// Whether a scratch file is written.
    pub fn is_scratch(&self) -> bool {
        self.plan.way == Way::Scratch
    }

    fn sweep(&self) -> Sweep<'_> {
        Sweep {
            source: self.source.as_ref(),
            field: &self.field,
            samples: &self.samples,
            rows: self.layout.local_range(),
            n_threads: self.plan.n_threads,
            carry: Mat::zeros(self.plan.carry, self.samples.len()),
            base: 0,
            held: 0..0,
        }
    }

    /// Rows of the block of the first owned row that another rank owns: slabs begin where blocks begin.
    fn skipped(&self) -> usize {
        self.layout.local_range().start % self.layout.block_rows()
    }

    /// All rows, read by the first who asks.
    fn all(&self) -> Result<Arc<Mat<f64>>> {
        let mut kept = self.kept.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(all) = kept.as_ref() {
            return Ok(all.clone());
        }
        let rows = self.layout.local_range();
        let mut all = Mat::zeros(rows.len(), self.samples.len());
        self.sweep().next(rows, all.as_mut())?;
        self.source.chunks(&self.field).into_iter().for_each(FieldChunks::forget_buffers);
        let all = Arc::new(all);
        *kept = Some(all.clone());
        Ok(all)
    }

    /// The scratch file, written by the first who asks.
    fn unpacked(&self) -> Result<Arc<Scratch>> {
        let mut kept = self.scratch.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(scratch) = kept.as_ref() {
            return Ok(scratch.clone());
        }
        let chunks = self.source.chunks(&self.field);
        let own = self.layout.local_range();
        // Counted from the block in which the first owned row lies, as slabs are.
        let skipped = self.skipped();
        let shape = (skipped + own.len(), self.samples.len());
        let single = chunks.is_some_and(FieldChunks::is_single);
        let scratch = Scratch::create(&self.folder, shape, self.plan.rows, single)?;
        let reading = chunks.map_or(0, |c| self.plan.n_threads * c.bytes_per_thread());
        unpack(&self.sweep(), (&scratch, skipped), (self.memory - reading.min(self.memory)) / 2)?;
        chunks.into_iter().for_each(FieldChunks::forget_buffers);
        let scratch = Arc::new(scratch);
        *kept = Some(scratch.clone());
        Ok(scratch)
    }

    /// Runs `visit` on this thread, while another one fills the next slab by `fill`; from the row `start` on.
    fn read_ahead(
        &self,
        start: usize,
        mut fill: impl FnMut(Range<usize>, MatMut<'_, f64>) -> Result<()> + Send,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let (n_rows, rows, n) = (self.layout.local_range().len(), self.plan.rows, self.samples.len());
        let skipped = self.skipped();
        let slab = move |k: usize| (k * rows).saturating_sub(skipped)..((k + 1) * rows - skipped).min(n_rows);
        let (first, n_slabs) = ((skipped + start) / rows, (skipped + n_rows).div_ceil(rows));
        let spare = || {
            let kept = self.spare.lock().unwrap_or_else(|e| e.into_inner()).pop();
            kept.unwrap_or_else(|| Mat::zeros(rows, n))
        };
        thread::scope(|scope| {
            let (give, empty) = channel::<Mat<f64>>();
            let (send, filled) = channel();
            for _ in first..n_slabs.min(first + 2) {
                let _ = give.send(spare());
            }
            scope.spawn(move || {
                for (k, mut buffer) in (first..n_slabs).zip(empty) {
                    let done = fill(slab(k), buffer.as_mut().subrows_mut(0, slab(k).len()));
                    // Who is not asked any more stops.
                    let failed = done.is_err();
                    if send.send(done.map(|()| buffer)).is_err() || failed {
                        return;
                    }
                }
            });
            for (k, buffer) in (first..).zip(filled) {
                let buffer = buffer?;
                // A pass that goes on may have been noted in slabs of another size.
                let from = slab(k).start.max(start);
                visit(from..slab(k).end, buffer.as_ref().subrows(from - slab(k).start, slab(k).end - from))?;
                if k + 2 < n_slabs {
                    let _ = give.send(buffer);
                } else {
                    self.spare.lock().unwrap_or_else(|e| e.into_inner()).push(buffer);
                }
            }
            Ok(())
        })
    }

    /// Rows `rows` (ascending) of all samples into `out`, in pieces that take at most half of the memory.
    fn read_rows(&self, rows: &[usize], mut out: MatMut<'_, f64>) -> Result<()> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let fits = (self.memory / 16).max(1);
        let per_read = self.source.rows_per_read(&self.field);
        if self.plan.way == Way::Scratch {
            // All rows of some samples.
            let span = last + 1 - first;
            for begin in (0..self.samples.len()).step_by((fits / span).max(1)) {
                let samples = &self.samples[begin..(begin + (fits / span).max(1)).min(self.samples.len())];
                let values = self.source.read(&self.field, samples, *first..last + 1)?;
                let mut out = out.as_mut().subcols_mut(begin, samples.len());
                pick(rows, values.as_ref(), *first, out.as_mut());
            }
            return Ok(());
        }
        let most = (fits / self.samples.len().max(1)).max(1);
        let mut begin = 0;
        while begin < rows.len() {
            let start = rows[begin];
            let near = |w: &&[usize]| w[1] - w[0] <= per_read.max(64) && w[1] - start < most;
            let end = begin + 1 + rows[begin..].windows(2).take_while(near).count();
            let values = self.source.read(&self.field, &self.samples, start..rows[end - 1] + 1)?;
            pick(&rows[begin..end], values.as_ref(), start, out.as_mut().subrows_mut(begin, end - begin));
            begin = end;
        }
        Ok(())
    }
}

/// Row `rows[i]` of what begins at row `first`, as row i.
fn pick(rows: &[usize], values: MatRef<'_, f64>, first: usize, out: MatMut<'_, f64>) {
    for (to, from) in out.col_iter_mut().zip(values.col_iter()) {
        to.iter_mut().zip(rows).for_each(|(to, row)| *to = from[row - first]);
    }
}

impl Drop for FieldSlabs {
    fn drop(&mut self) {
        // The source lives on.
        self.source.chunks(&self.field).into_iter().for_each(FieldChunks::forget_buffers);
    }
}

impl Slabs for FieldSlabs {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    fn n_columns(&self) -> usize {
        self.samples.len()
    }

    fn pass(&self, visit: &mut Visit<'_>) -> Result<()> {
        self.pass_from(0, visit)
    }

    fn pass_from(&self, start: usize, visit: &mut Visit<'_>) -> Result<()> {
        let own = self.layout.local_range();
        if start >= own.len() || self.samples.is_empty() {
            return Ok(());
        }
        match self.plan.way {
            Way::Kept => visit(start..own.len(), self.all()?.as_ref().subrows(start, own.len() - start)),
            Way::Swept => {
                let mut sweep = self.sweep();
                self.read_ahead(start, move |r, block| sweep.next(own.start + r.start..own.start + r.end, block), visit)
            }
            Way::Scratch => {
                let scratch = self.unpacked()?;
                let skipped = self.skipped();
                self.read_ahead(start, move |rows, block| scratch.read(skipped + rows.start, block), visit)
            }
        }
    }

    fn columns(&self, columns: Range<usize>) -> Result<TallMatrix> {
        let rows = self.layout.rows();
        let (Some(first), Some(last), false) = (rows.first(), rows.last(), self.plan.way == Way::Kept) else {
            return columns_of_pass(self, columns);
        };
        let mut local = Mat::zeros(rows.len(), columns.len());
        let values = self.source.read(&self.field, &self.samples[columns], *first..last + 1)?;
        pick(&rows, values.as_ref(), *first, local.as_mut());
        TallMatrix::new(self.layout.clone(), local)
    }

    fn ghosts(&self) -> Result<Mat<f64>> {
        let (held, own) = (self.layout.rows(), self.layout.owned());
        let mut ghosts = Mat::zeros(held.len() - own.len(), self.samples.len());
        self.read_rows(&held[..own.start], ghosts.as_mut().subrows_mut(0, own.start))?;
        let above = held.len() - own.end;
        self.read_rows(&held[own.end..], ghosts.as_mut().subrows_mut(own.start, above))?;
        Ok(ghosts)
    }
}
