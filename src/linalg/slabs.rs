//! Rows of a tall matrix that are handed over slab by slab.

use super::tall::Layout;
use crate::error::Result;
use faer::{Mat, MatRef};
use std::ops::Range;
use std::sync::Arc;

/// Rows of a tall matrix that are handed over slab by slab: from memory, or from files larger than memory.
pub trait Slabs: Sync {
    /// Who owns which rows, ghosts included.
    fn layout(&self) -> &Arc<Layout>;
    /// Number of columns.
    fn n_columns(&self) -> usize;
    /// Hands every owned row of this rank to `visit` once, in ascending order: (range of owned rows counted from the
    /// first owned one, slab [rows, n_columns]).
    ///
    /// Slabs begin at multiples of `layout().block_rows()` from the first owned row (ranks begin at blocks). Not
    /// collective; the caller agrees on errors afterwards.
    fn pass(&self, visit: &mut dyn FnMut(Range<usize>, MatRef<'_, f64>) -> Result<()>) -> Result<()>;
    /// The ghost rows of the layout (ascending: those below, then those above), [n_ghosts, n_columns].
    fn ghosts(&self) -> Result<Mat<f64>>;
}
