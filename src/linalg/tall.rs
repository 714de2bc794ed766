//! Tall matrices: rows shared out over ranks, columns few.

use crate::comm::Communicator;
use faer::Mat;
use std::sync::Arc;

/// Rows in a block: the unit of threads, of partial sums and of distribution.
pub const BLOCK_ROWS: usize = 8192;

/// Who owns which rows: rank r owns rows offsets[r]..offsets[r+1].
#[derive(Debug, Clone)]
pub struct Layout {
    comm: Arc<dyn Communicator>,
    offsets: Vec<usize>,
}

/// A matrix with many rows (degrees of freedom, shared out over ranks) and few columns.
#[derive(Debug, Clone)]
pub struct TallMatrix {
    layout: Arc<Layout>,
    local: Mat<f64>,
}
