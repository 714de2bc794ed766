//! Passes over slabs that go on in the middle when a run was killed.

use super::block_tree::Reduction;
use super::slabs::{Slabs, Visit};
use super::tall::{Layout, TallMatrix};
use crate::error::Result;
use faer::{Mat, MatRef};
use std::ops::Range;
use std::sync::Arc;

/// Hears numbers, piece after piece.
pub type Hear<'a> = dyn FnMut(&[f64]) + 'a;
/// Tells the numbers of a note piece after piece: a note may be large, and nothing holds it as a whole.
pub type Note<'a> = dyn Fn(&mut Hear<'_>) + 'a;

/// Where a rank notes how far its pass over slabs has come. Not collective: ranks note and go on each for itself.
pub trait Bookmark: Sync {
    /// Whether the last note is old enough for another one.
    fn is_due(&self) -> bool;
    /// Keeps the note of a pass, in place of the one before.
    fn save(&self, pass: &str, note: &Note<'_>);
    /// The note of a run that was stopped.
    fn load(&self, pass: &str) -> Option<Vec<f64>>;
}

/// What a pass has gathered so far, as numbers.
pub(crate) trait Noted {
    /// Tells all that is gathered, piece after piece.
    fn pack(&self, hear: &mut Hear<'_>);
    /// Takes back what was packed.
    fn unpack(&mut self, note: &[f64]);
}

impl<C: Fn(Mat<f64>, &Mat<f64>) -> Mat<f64> + Sync> Noted for Reduction<'_, C> {
    fn pack(&self, hear: &mut Hear<'_>) {
        self.pack_open(hear);
    }

    fn unpack(&mut self, note: &[f64]) {
        self.unpack_open(note);
    }
}

impl<A: Noted, B: Noted> Noted for (A, B) {
    fn pack(&self, hear: &mut Hear<'_>) {
        let mut length = 0;
        self.0.pack(&mut |piece| length += piece.len());
        hear(&[length as f64]);
        self.0.pack(hear);
        self.1.pack(hear);
    }

    fn unpack(&mut self, note: &[f64]) {
        if let [n, rest @ ..] = note {
            let (first, second) = rest.split_at((*n as usize).min(rest.len()));
            self.0.unpack(first);
            self.1.unpack(second);
        }
    }
}

/// Adds the rows of a slab to a state.
pub(crate) type Step<'a, S> = dyn FnMut(&mut S, Range<usize>, MatRef<'_, f64>) -> Result<()> + 'a;

/// Hands the slabs of a pass to `step`, from where the note of `pass` says that a stopped run has come to; notes from
/// time to time. What is gathered in `state` is the same, to the bit, as in a pass without a stop.
///
/// `pass` names what is computed, from these slabs alone and once in a run; without a name nothing is noted. Errors:
/// those of the pass. Cost: a note is as large as the state, in the file alone.
pub(crate) fn noted_pass<S: Noted>(
    x: &dyn Slabs,
    pass: Option<&str>,
    state: &mut S,
    step: &mut Step<'_, S>,
) -> Result<()> {
    let Some((mark, pass)) = x.bookmark().zip(pass) else {
        return x.pass(&mut |rows, slab| step(state, rows, slab));
    };
    let mut start = 0;
    // Rows done, number of things learnt, these, the state.
    if let Some([rows, n, rest @ ..]) = mark.load(pass).as_deref() {
        let (learnt, packed) = rest.split_at((*n as usize).min(rest.len()));
        start = *rows as usize;
        x.recall(learnt);
        state.unpack(packed);
    }
    x.pass_from(start, &mut |rows, slab| {
        let done = rows.end;
        step(state, rows, slab)?;
        if mark.is_due() {
            let learnt = x.learnt();
            mark.save(pass, &|hear| {
                hear(&[done as f64, learnt.len() as f64]);
                hear(&learnt);
                state.pack(hear);
            });
        }
        Ok(())
    })
}

/// Slabs whose passes are noted.
pub struct Marked<'a> {
    slabs: &'a dyn Slabs,
    mark: &'a dyn Bookmark,
}

impl<'a> Marked<'a> {
    /// The same slabs with a bookmark.
    pub fn new(slabs: &'a dyn Slabs, mark: &'a dyn Bookmark) -> Marked<'a> {
        Marked { slabs, mark }
    }
}

impl Slabs for Marked<'_> {
    fn layout(&self) -> &Arc<Layout> {
        self.slabs.layout()
    }

    fn n_columns(&self) -> usize {
        self.slabs.n_columns()
    }

    fn pass(&self, visit: &mut Visit<'_>) -> Result<()> {
        self.slabs.pass(visit)
    }

    fn pass_from(&self, start: usize, visit: &mut Visit<'_>) -> Result<()> {
        self.slabs.pass_from(start, visit)
    }

    fn ghosts(&self) -> Result<Mat<f64>> {
        self.slabs.ghosts()
    }

    fn columns(&self, columns: Range<usize>) -> Result<TallMatrix> {
        self.slabs.columns(columns)
    }

    fn bookmark(&self) -> Option<&dyn Bookmark> {
        Some(self.mark)
    }
}
