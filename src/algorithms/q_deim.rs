//! Q-DEIM: interpolation points by QR with column pivoting of the transposed basis.

use super::point_selection::{MARGIN, SelectedPoints, check_basis, dependent, selected};
use crate::error::Result;
use crate::linalg::dense;
use crate::linalg::tall::{Layout, TallMatrix};
use faer::{Mat, MatRef};
use rayon::prelude::*;
use std::ops::Range;

/// Rows that are brought up to date together.
const CHUNK: usize = 128;
/// Chunks that are looked at for a first guess of the largest row.
const GUESSES: usize = 8;
/// A square that was reduced by this is computed anew: its round-off stays below 1e-10 of it.
const LOST: f64 = 1e-5;
/// Rows shorter than this, relative to the first pivot, are round-off.
const ROUND_OFF: f64 = 64.0 * f64::EPSILON;

/// As many points as columns: the pivots of QR with column pivoting of Vᵀ; each is the row with the most left that is
/// orthogonal to the rows before it.
///
/// `basis` V [n_dofs, n_modes], orthonormal for the bounds to hold; points do not depend on which basis of its span is
/// given. Of rows within 1e-10 of the largest square, the first is taken. V is neither copied nor overwritten: the
/// squares of what is left only fall, so that rows are brought up to date where a stale square is the largest. Errors:
/// more columns than rows, columns that are not finite or not independent. Cost: n_dofs n_modes² multiplications at most
/// and usually a fraction of them; collective: three reductions per column.
/// Reference: Drmač, Gugercin, SIAM J. Sci. Comput. 38 (2016) A631; Businger, Golub, Numer. Math. 7 (1965) 269.
#[doc(alias = "QDEIM")]
pub fn q_deim(basis: &TallMatrix) -> Result<SelectedPoints> {
    let points = pivots(basis)?;
    selected(basis, points)
}

pub(super) fn pivots(basis: &TallMatrix) -> Result<Vec<usize>> {
    let n = basis.n_columns();
    check_basis(basis, n)?;
    let mut rows = Rows::new(basis.owned());
    let mut directions = Mat::<f64>::zeros(n, n);
    let (mut points, mut first) = (Vec::new(), 0.0);
    for step in 0..n {
        let (square, row) = rows.largest(basis.layout(), directions.as_ref().subcols(0, step));
        if step == 0 {
            first = square;
        }
        // The round-off of a square is that of the row itself.
        if square <= ROUND_OFF * ROUND_OFF * first {
            return Err(dependent(step, n));
        }
        let mut u = basis.row(row);
        for _ in 0..2 {
            for m in 0..step {
                let direction = directions.col_as_slice(m);
                let product: f64 = direction.iter().zip(&u).map(|(d, u)| d * u).sum();
                u.iter_mut().zip(direction).for_each(|(u, d)| *u -= product * d);
            }
        }
        let norm = u.iter().map(|u| u * u).sum::<f64>().sqrt();
        directions.col_as_slice_mut(step).iter_mut().zip(&u).for_each(|(d, u)| *d = u / norm);
        points.push(row);
        rows.take(basis.layout(), row);
    }
    Ok(points)
}

struct Chunk {
    rows: Range<usize>,
    /// Squares of what is left of each row after `n_directions`; minus infinity for rows that were taken.
    squares: Vec<f64>,
    /// The squares when they were last computed from the rows.
    known: Vec<f64>,
    n_directions: usize,
    largest: f64,
}

struct Rows<'a> {
    v: MatRef<'a, f64>,
    chunks: Vec<Chunk>,
}

impl<'a> Rows<'a> {
    fn new(v: MatRef<'a, f64>) -> Self {
        let chunk = |start: usize| {
            let rows = start..(start + CHUNK).min(v.nrows());
            let squares = squares(v.subrows(rows.start, rows.len()));
            let largest = squares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            Chunk { rows, known: squares.clone(), squares, n_directions: 0, largest }
        };
        let chunks = (0..v.nrows().div_ceil(CHUNK)).into_par_iter().map(|c| chunk(c * CHUNK)).collect();
        Rows { v, chunks }
    }

    /// The largest square after all directions, and the first row that has it. Collective.
    fn largest(&mut self, layout: &Layout, directions: MatRef<'_, f64>) -> (f64, usize) {
        let n = directions.ncols();
        let mut guesses: Vec<usize> = (0..self.chunks.len()).collect();
        let few = GUESSES.min(guesses.len());
        if few < guesses.len() {
            guesses.select_nth_unstable_by(few, |a, b| self.chunks[*b].largest.total_cmp(&self.chunks[*a].largest));
        }
        let v = self.v;
        guesses[..few].iter().for_each(|c| self.chunks[*c].update(v, directions));
        let best = self.best(n);
        let open = |c: &&mut Chunk| c.n_directions < n && c.largest >= best - MARGIN * best.abs();
        self.chunks.par_iter_mut().filter(open).for_each(|c| c.update(v, directions));
        let (largest, _) = layout.comm().all_argmax(self.best(n), layout.comm().rank());
        let threshold = largest - MARGIN * largest.abs();
        let holds = |c: &&Chunk| c.n_directions == n && c.largest >= threshold;
        let place = |c: &Chunk| c.squares.iter().position(|s| *s >= threshold).map(|i| c.rows.start + i);
        let first = self.chunks.iter().find(holds).and_then(place);
        let start = layout.local_range().start;
        // The lowest row is the largest negated number.
        let own = first.map_or(f64::NEG_INFINITY, |i| -((start + i) as f64));
        let (negated, _) = layout.comm().all_argmax(own, 0);
        (largest, if negated.is_finite() { -negated as usize } else { 0 })
    }

    /// Largest square of the chunks that are up to date.
    fn best(&self, n: usize) -> f64 {
        let known = self.chunks.iter().filter(|c| c.n_directions == n);
        known.map(|c| c.largest).fold(f64::NEG_INFINITY, f64::max)
    }

    fn take(&mut self, layout: &Layout, row: usize) {
        if layout.local_range().contains(&row) {
            let local = row - layout.local_range().start;
            let chunk = &mut self.chunks[local / CHUNK];
            chunk.squares[local % CHUNK] = f64::NEG_INFINITY;
            chunk.largest = chunk.squares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        }
    }
}

impl Chunk {
    fn update(&mut self, v: MatRef<'_, f64>, directions: MatRef<'_, f64>) {
        let (n, since) = (directions.ncols(), self.n_directions);
        if since == n {
            return;
        }
        let v = v.subrows(self.rows.start, self.rows.len());
        let products = dense::mul(v, directions.subcols(since, n - since));
        for m in 0..n - since {
            let products = products.col_as_slice(m);
            self.squares.iter_mut().zip(products).for_each(|(s, p)| *s -= p * p);
        }
        let lost = |(s, known): (&f64, &f64)| s.is_finite() && *s < LOST * known;
        if self.squares.iter().zip(&self.known).any(lost) {
            let mut left = v.to_owned();
            let products = dense::mul(v, directions);
            dense::gemm(left.as_mut(), true, products.as_ref(), directions.transpose(), -1.0);
            for ((s, known), anew) in self.squares.iter_mut().zip(&mut self.known).zip(squares(left.as_ref())) {
                if s.is_finite() {
                    (*s, *known) = (anew, anew);
                }
            }
        }
        self.n_directions = n;
        self.largest = self.squares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    }
}

/// Squares of the rows.
fn squares(v: MatRef<'_, f64>) -> Vec<f64> {
    let mut squares = vec![0.0; v.nrows()];
    for column in v.col_iter() {
        match column.try_as_col_major() {
            Some(column) => squares.iter_mut().zip(column.as_slice()).for_each(|(s, x)| *s += x * x),
            None => squares.iter_mut().zip(column.iter()).for_each(|(s, x)| *s += x * x),
        }
    }
    squares
}
