//! Tall matrices that come slab by slab: from memory, or from files larger than memory.

use super::bookmark::Bookmark;
use super::tall::{Layout, TallMatrix};
use crate::error::{Error, Result};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Bytes that are copied at once where a slab has to be changed, if a block of rows for each thread takes less.
const PIECE_BYTES: usize = 1 << 23;

/// Hears (rows, counted from the first owned one; their values [rows, n_columns]).
pub type Visit<'a> = dyn FnMut(Range<usize>, MatRef<'_, f64>) -> Result<()> + 'a;

/// Rows of a tall matrix that are handed over slab by slab.
///
/// What is computed from slabs does not depend on where they are cut: sums run along one fixed tree of row blocks.
pub trait Slabs: Sync {
    /// Who owns which rows, and which copies of rows of other ranks (ghosts) go with them.
    fn layout(&self) -> &Arc<Layout>;

    /// Number of columns.
    fn n_columns(&self) -> usize;

    /// Hands every row that this rank owns to `visit` once, in ascending order: the rows, counted from the first owned
    /// one, and their values [rows, n_columns]. Slabs begin where row blocks of the layout begin.
    ///
    /// Errors: those of reading, and of `visit`. Not collective: the caller agrees on errors afterwards.
    fn pass(&self, visit: &mut Visit<'_>) -> Result<()>;

    /// [`pass`](Self::pass) from the owned row `start` on, where a block begins. Unless told otherwise, the rows before
    /// are read and passed over.
    fn pass_from(&self, start: usize, visit: &mut Visit<'_>) -> Result<()> {
        self.pass(&mut |rows, slab| {
            let skipped = start.clamp(rows.start, rows.end) - rows.start;
            if skipped == rows.len() {
                return Ok(());
            }
            visit(rows.start + skipped..rows.end, slab.subrows(skipped, rows.len() - skipped))
        })
    }

    /// The ghost rows of the layout: those below, then those above [n_ghosts, n_columns].
    fn ghosts(&self) -> Result<Mat<f64>>;

    /// All rows that this rank holds of some columns. Not collective. Cost: a pass, where nothing better is known.
    fn columns(&self, columns: Range<usize>) -> Result<TallMatrix> {
        columns_of_pass(self, columns)
    }

    /// Where passes note how far they have come; `None`: nowhere.
    fn bookmark(&self) -> Option<&dyn Bookmark> {
        None
    }

    /// What was learnt from the rows so far, for a pass that goes on in another run.
    fn learnt(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Takes back what was learnt.
    fn recall(&self, _learnt: &[f64]) {}
}

/// [`Slabs::columns`] by a pass over all columns.
pub(crate) fn columns_of_pass<S: Slabs + ?Sized>(x: &S, columns: Range<usize>) -> Result<TallMatrix> {
    let layout = x.layout();
    let own = layout.owned();
    let mut local = Mat::zeros(layout.n_local(), columns.len());
    x.pass(&mut |rows, slab| {
        let mut part = local.as_mut().subrows_mut(own.start + rows.start, rows.len());
        part.copy_from(slab.subcols(columns.start, columns.len()));
        Ok(())
    })?;
    if layout.n_local() > own.len() {
        let ghosts = x.ghosts()?;
        let (below, above) = ghosts.as_ref().subcols(columns.start, columns.len()).split_at_row(own.start);
        local.as_mut().subrows_mut(0, own.start).copy_from(below);
        local.as_mut().subrows_mut(own.end, above.nrows()).copy_from(above);
    }
    TallMatrix::new(layout.clone(), local)
}

impl Slabs for TallMatrix {
    fn layout(&self) -> &Arc<Layout> {
        self.layout()
    }

    fn n_columns(&self) -> usize {
        self.n_columns()
    }

    fn pass(&self, visit: &mut Visit<'_>) -> Result<()> {
        visit(0..self.owned().nrows(), self.owned())
    }

    fn ghosts(&self) -> Result<Mat<f64>> {
        let (owned, local) = (self.layout().owned(), self.local());
        let n_above = local.nrows() - owned.end;
        Ok(Mat::from_fn(owned.start + n_above, local.ncols(), |i, j| match i < owned.start {
            true => local[(i, j)],
            false => local[(i - owned.start + owned.end, j)],
        }))
    }

    fn columns(&self, columns: Range<usize>) -> Result<TallMatrix> {
        TallMatrix::new(self.layout().clone(), self.local().subcols(columns.start, columns.len()).to_owned())
    }
}

/// Hears rows, values and the mean of each row.
type VisitWithMeans<'a> = dyn FnMut(Range<usize>, MatRef<'_, f64>, &[f64]) -> Result<()> + 'a;

/// Slabs with their mean over the columns subtracted, and their columns scaled.
pub(crate) struct Prepared<'a> {
    slabs: &'a dyn Slabs,
    /// Weights of the columns in the mean, of sum 1.
    center: Option<Vec<f64>>,
    scale: Option<Vec<f64>>,
    /// The mean on the local rows, once it is asked for.
    mean: OnceLock<Vec<f64>>,
}

impl<'a> Prepared<'a> {
    /// `weights` of the columns enter the mean, where `center`; `scaled`: column j is multiplied by sqrt(weights[j]).
    pub(crate) fn new(slabs: &'a dyn Slabs, center: bool, weights: Option<&[f64]>, scaled: bool) -> Self {
        let n = slabs.n_columns();
        let one = vec![1.0; n];
        let w = weights.unwrap_or(&one);
        let total: f64 = w.iter().sum();
        Prepared {
            slabs,
            center: center.then(|| w.iter().map(|w| w / total).collect()),
            scale: weights.filter(|_| scaled).map(|w| w.iter().map(|w| w.sqrt()).collect()),
            mean: OnceLock::new(),
        }
    }

    /// The mean on the local rows, empty where nothing is centred; one pass, the first time.
    fn mean(&self) -> Result<&[f64]> {
        if let Some(mean) = self.mean.get() {
            return Ok(mean);
        }
        let mut mean = Vec::new();
        if let Some(weights) = &self.center {
            let weights = Mat::from_fn(weights.len(), 1, |j, _| weights[j]);
            mean = mul_small(self.slabs, weights.as_ref())?.into_local().col_as_slice(0).to_vec();
        }
        Ok(self.mean.get_or_init(|| mean))
    }

    /// Puts rows into `changed` as they are to be, and their means into `means` (where they are centred).
    fn change(&self, rows: MatRef<'_, f64>, mut changed: MatMut<'_, f64>, means: &mut [f64]) {
        changed.copy_from(rows);
        if let Some(weights) = &self.center {
            means.fill(0.0);
            for (column, w) in rows.col_iter().zip(weights) {
                means.iter_mut().zip(column.iter()).for_each(|(m, x)| *m += w * x);
            }
            for column in changed.as_mut().col_iter_mut() {
                column.iter_mut().zip(&*means).for_each(|(x, m)| *x -= m);
            }
        }
        if let Some(factors) = &self.scale {
            changed.as_mut().col_iter_mut().zip(factors).for_each(|(c, f)| c.iter_mut().for_each(|x| *x *= f));
        }
    }

    /// [`Slabs::pass`] with the means of the rows beside them (empty where nothing is centred).
    pub(crate) fn pieces(&self, visit: &mut VisitWithMeans<'_>) -> Result<()> {
        self.pieces_from(0, visit)
    }

    fn pieces_from(&self, start: usize, visit: &mut VisitWithMeans<'_>) -> Result<()> {
        if self.center.is_none() && self.scale.is_none() {
            return self.slabs.pass_from(start, &mut |rows, slab| visit(rows, slab, &[]));
        }
        let layout = self.layout();
        let (size, first) = (layout.block_rows(), layout.local_range().start);
        let per_piece = piece_rows(self.n_columns(), size);
        // One piece serves for all.
        let (mut piece, mut means) = (Mat::<f64>::zeros(0, self.n_columns()), Vec::new());
        self.slabs.pass_from(start, &mut |rows, slab| {
            let mut start = rows.start;
            while start < rows.end {
                // The first owned row may lie inside a block.
                let end = ((first + start) / size * size + per_piece - first).min(rows.end);
                if piece.nrows() < end - start {
                    piece = Mat::zeros(end - start, slab.ncols());
                    means = vec![0.0; end - start];
                }
                let (mut part, means) = (piece.as_mut().subrows_mut(0, end - start), &mut means[..end - start]);
                part.as_mut().par_row_chunks_mut(size).zip(means.par_chunks_mut(size)).enumerate().for_each(
                    |(b, (changed, means))| {
                        let from = start - rows.start + b * size;
                        self.change(slab.subrows(from, changed.nrows()), changed, means);
                    },
                );
                let means: &[f64] = if self.center.is_some() { means } else { &[] };
                visit(start..end, part.as_ref(), means)?;
                start = end;
            }
            Ok(())
        })
    }

    /// The ghost rows, and their means.
    pub(crate) fn ghosts_and_means(&self) -> Result<(Mat<f64>, Vec<f64>)> {
        let ghosts = self.slabs.ghosts()?;
        let mut changed = Mat::zeros(ghosts.nrows(), ghosts.ncols());
        let mut means = vec![0.0; if self.center.is_some() { ghosts.nrows() } else { 0 }];
        self.change(ghosts.as_ref(), changed.as_mut(), &mut means);
        Ok((changed, means))
    }
}

/// Rows that are changed at once: whole blocks.
fn piece_rows(n_columns: usize, block_rows: usize) -> usize {
    let of_bytes = (PIECE_BYTES / (8 * n_columns.max(1))).next_multiple_of(block_rows.max(1));
    of_bytes.max(rayon::current_num_threads() * block_rows)
}

/// Bytes that work on slabs of `rows` rows takes beside them: a copy of a block for each thread, and a piece that is
/// changed.
pub fn work_bytes(rows: usize, n_columns: usize, block_rows: usize) -> usize {
    let copied = (rayon::current_num_threads() * block_rows).min(rows);
    8 * n_columns * (copied + piece_rows(n_columns, block_rows).min(rows))
}

impl Slabs for Prepared<'_> {
    fn layout(&self) -> &Arc<Layout> {
        self.slabs.layout()
    }

    fn n_columns(&self) -> usize {
        self.slabs.n_columns()
    }

    fn pass(&self, visit: &mut Visit<'_>) -> Result<()> {
        self.pass_from(0, visit)
    }

    fn pass_from(&self, start: usize, visit: &mut Visit<'_>) -> Result<()> {
        self.pieces_from(start, &mut |rows, piece, _| visit(rows, piece))
    }

    fn ghosts(&self) -> Result<Mat<f64>> {
        Ok(self.ghosts_and_means()?.0)
    }

    fn columns(&self, columns: Range<usize>) -> Result<TallMatrix> {
        let mean = self.mean()?;
        let first = columns.start;
        let mut local = self.slabs.columns(columns)?.into_local();
        for (j, column) in local.as_mut().col_iter_mut().enumerate() {
            let factor = self.scale.as_ref().map_or(1.0, |factors| factors[first + j]);
            let means = mean.iter().copied().chain(std::iter::repeat(0.0));
            column.iter_mut().zip(means).for_each(|(x, m)| *x = factor * (*x - m));
        }
        TallMatrix::new(self.layout().clone(), local)
    }

    fn bookmark(&self) -> Option<&dyn Bookmark> {
        self.slabs.bookmark()
    }

    fn learnt(&self) -> Vec<f64> {
        self.slabs.learnt()
    }

    fn recall(&self, learnt: &[f64]) {
        self.slabs.recall(learnt);
    }
}

/// Slabs whose largest magnitude is known after a pass.
pub(crate) struct Watched<'a> {
    slabs: &'a dyn Slabs,
    /// Bits of the largest magnitude: they are ordered as the magnitudes are, and what is not finite comes last.
    largest: AtomicU64,
    /// First column with a value that is not finite.
    wrong: AtomicUsize,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(slabs: &'a dyn Slabs) -> Self {
        Watched { slabs, largest: AtomicU64::new(0), wrong: AtomicUsize::new(usize::MAX) }
    }

    /// Notes the magnitudes of values whose first column is column `first`.
    fn note(&self, first: usize, values: MatRef<'_, f64>) {
        let magnitude = |x: &f64| x.to_bits() & !(1 << 63);
        (0..values.ncols()).into_par_iter().for_each(|j| {
            let column = values.col(j);
            let most = match column.try_as_col_major() {
                Some(column) => column.as_slice().iter().map(magnitude).max(),
                None => column.iter().map(magnitude).max(),
            };
            self.largest.fetch_max(most.unwrap_or(0), Ordering::Relaxed);
            if !f64::from_bits(most.unwrap_or(0)).is_finite() {
                self.wrong.fetch_min(first + j, Ordering::Relaxed);
            }
        });
    }

    /// Largest magnitude of the rows that this rank owns; an error where one is not finite.
    pub(crate) fn largest(&self) -> Result<f64> {
        match self.wrong.load(Ordering::Relaxed) {
            usize::MAX => Ok(f64::from_bits(self.largest.load(Ordering::Relaxed))),
            j => Err(Error::argument(format!("snapshot {j}"), "a value that is not finite", "finite numbers")),
        }
    }
}

impl Slabs for Watched<'_> {
    fn layout(&self) -> &Arc<Layout> {
        self.slabs.layout()
    }

    fn n_columns(&self) -> usize {
        self.slabs.n_columns()
    }

    fn pass(&self, visit: &mut Visit<'_>) -> Result<()> {
        self.pass_from(0, visit)
    }

    fn pass_from(&self, start: usize, visit: &mut Visit<'_>) -> Result<()> {
        self.slabs.pass_from(start, &mut |rows, slab| {
            self.note(0, slab);
            visit(rows, slab)
        })
    }

    fn columns(&self, columns: Range<usize>) -> Result<TallMatrix> {
        let first = columns.start;
        let found = self.slabs.columns(columns)?;
        self.note(first, found.local());
        Ok(found)
    }

    fn ghosts(&self) -> Result<Mat<f64>> {
        let ghosts = self.slabs.ghosts()?;
        // Values that are not finite spread from here too.
        if let Some(j) = (0..ghosts.ncols()).find(|j| ghosts.col_as_slice(*j).iter().any(|x| !x.is_finite())) {
            self.wrong.fetch_min(j, Ordering::Relaxed);
        }
        Ok(ghosts)
    }

    fn bookmark(&self) -> Option<&dyn Bookmark> {
        self.slabs.bookmark()
    }

    fn learnt(&self) -> Vec<f64> {
        let wrong = self.wrong.load(Ordering::Relaxed);
        let own = vec![f64::from_bits(self.largest.load(Ordering::Relaxed)), wrong as f64];
        [own, self.slabs.learnt()].concat()
    }

    fn recall(&self, learnt: &[f64]) {
        if let [largest, wrong, rest @ ..] = learnt {
            self.largest.fetch_max(largest.to_bits(), Ordering::Relaxed);
            self.wrong.fetch_min(*wrong as usize, Ordering::Relaxed);
            self.slabs.recall(rest);
        }
    }
}

/// X B for a small matrix B, ghost rows too. One pass; no communication.
pub fn mul_small(x: &dyn Slabs, b: MatRef<'_, f64>) -> Result<TallMatrix> {
    let layout = x.layout();
    let mut local = Mat::zeros(layout.n_local(), b.ncols());
    let own = layout.owned();
    x.pass(&mut |rows, slab| {
        let part = local.as_mut().subrows_mut(own.start + rows.start, rows.len());
        super::tall::mul_blocks(part, slab, b, layout.block_rows());
        Ok(())
    })?;
    if layout.n_local() > own.len() {
        set_ghosts(&mut local, layout, x.ghosts()?.as_ref(), b);
    }
    TallMatrix::new(layout.clone(), local)
}

/// Puts ghost rows (below, above) times B around the own ones.
pub(crate) fn set_ghosts(local: &mut Mat<f64>, layout: &Layout, ghosts: MatRef<'_, f64>, b: MatRef<'_, f64>) {
    let (own, n_local) = (layout.owned(), layout.n_local());
    let (below, above) = ghosts.split_at_row(own.start);
    super::tall::mul_blocks(local.as_mut().subrows_mut(0, own.start), below, b, layout.block_rows());
    super::tall::mul_blocks(local.as_mut().subrows_mut(own.end, n_local - own.end), above, b, layout.block_rows());
}
