//! Fields of many points, V C + shift, and their standard deviations, at the speed of a matrix product.
//!
//! A shift is one more column of V, with coefficient 1: the product adds it, and no pass over the result is left. The
//! block of V with that column, squared for the deviations, is made in a scratch that stays in the cache of a thread.

use super::dense;
use super::reconstruction::{RootsInto, check, mul_squares, mul_vector, mul_vector_and_squares};
use super::simd::Instructions;
use crate::error::Result;
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;
use std::borrow::Cow;

/// Rows that a thread takes at a time: measured best of 512 to 8192 for 20, 50 and 100 columns.
const ROWS: usize = 1024;
/// Columns of the result whose squares are summed before the roots are taken: 512 kB with [`ROWS`], half of a usual cache.
const COLUMNS: usize = 64;
/// Largest batch that is faster point by point.
const FEW: usize = 4;

/// out = V C + shift 1ᵀ.
///
/// V [n, r], C [r, b], shift [n], out [n, b]. Up to four points go to [`mul_vector`] one by one; the two ways
/// differ in round-off. Errors: shapes that do not fit. 2 n r b operations; allocates O(r b) and O(r) per thread; not collective.
pub fn mul_batch(
    with: Instructions,
    v: MatRef<'_, f64>,
    c: MatRef<'_, f64>,
    shift: Option<&[f64]>,
    mut out: MatMut<'_, f64>,
) -> Result<()> {
    check("rows of the coefficients", c.nrows(), v.ncols())?;
    check("length of a shift", shift.map_or(v.nrows(), <[f64]>::len), v.nrows())?;
    check("rows of the fields", out.nrows(), v.nrows())?;
    check("columns of the fields", out.ncols(), c.ncols())?;
    if for_few(c, out.as_mut(), |c, y| mul_vector(with, v, c, shift, y))? {
        return Ok(());
    }
    if v.nrows() == 0 || c.ncols() == 0 {
        return Ok(());
    }
    let Some(shift) = shift else {
        out.par_row_chunks_mut(ROWS).enumerate().for_each(|(i, out)| {
            let rows = v.subrows(i * ROWS, out.nrows());
            dense::gemm(out, false, rows, c, 1.0);
        });
        return Ok(());
    };
    let c = with_ones(c);
    let scratch = || Mat::zeros(ROWS, c.nrows());
    out.par_row_chunks_mut(ROWS).enumerate().for_each_init(scratch, |block, (i, out)| {
        let rows = fill(block, v, i * ROWS, out.nrows(), shift, |x| x);
        dense::gemm(out, false, rows, c.as_ref(), 1.0);
    });
    Ok(())
}

/// out_ik = sqrt(max(0, base_i + sum_j V_ij² W_jk)).
///
/// V [n, r], W [r, b], base [n], out [n, b]. Up to four points go to [`mul_squares`] one by one;
/// the two ways differ in round-off.
/// NaN stays NaN. Errors: shapes that do not fit. 2 n r b operations; allocates O(r b) and O(r) per thread; not
/// collective.
pub fn mul_squares_batch(
    with: Instructions,
    v: MatRef<'_, f64>,
    w: MatRef<'_, f64>,
    base: &[f64],
    mut out: MatMut<'_, f64>,
) -> Result<()> {
    check("rows of the variances", w.nrows(), v.ncols())?;
    check("length of a residual variance", base.len(), v.nrows())?;
    check("rows of the standard deviations", out.nrows(), v.nrows())?;
    check("columns of the standard deviations", out.ncols(), w.ncols())?;
    if for_few(w, out.as_mut(), |w, s| mul_squares(with, v, w, base, s))? {
        return Ok(());
    }
    if v.nrows() == 0 || w.ncols() == 0 {
        return Ok(());
    }
    let w = with_ones(w);
    let scratch = || (Mat::zeros(ROWS, w.nrows()), Mat::zeros(ROWS, COLUMNS.min(w.ncols())));
    out.par_row_chunks_mut(ROWS).enumerate().for_each_init(scratch, |(block, sums), (i, mut out)| {
        let n = out.nrows();
        let squares = fill(block, v, i * ROWS, n, base, |x| x * x);
        for start in (0..out.ncols()).step_by(COLUMNS) {
            let some = COLUMNS.min(out.ncols() - start);
            let product = sums.as_mut().submatrix_mut(0, 0, n, some);
            dense::gemm(product, false, squares, w.as_ref().subcols(start, some), 1.0);
            for (j, mut column) in out.as_mut().subcols_mut(start, some).col_iter_mut().enumerate() {
                let from = &mut sums.col_as_slice_mut(j)[..n];
                match column.as_mut().try_as_col_major_mut() {
                    Some(to) => with.run(RootsInto { from, to: to.as_slice_mut() }),
                    None => column.iter_mut().zip(from).for_each(|(to, x)| *to = if *x < 0.0 { 0.0 } else { x.sqrt() }),
                }
            }
        }
    });
    Ok(())
}

/// [`mul_batch`] and [`mul_squares_batch`]; up to four points in one pass over V each.
///
/// `value` is C [r, b] and shift [n], `deviation` is W [r, b] and base [n]; out and std [n, b].
pub fn mul_batch_and_squares(
    with: Instructions,
    v: MatRef<'_, f64>,
    value: (MatRef<'_, f64>, Option<&[f64]>),
    deviation: (MatRef<'_, f64>, &[f64]),
    mut out: MatMut<'_, f64>,
    mut std: MatMut<'_, f64>,
) -> Result<()> {
    let ((c, shift), (w, base)) = (value, deviation);
    if c.ncols() > FEW {
        mul_batch(with, v, c, shift, out)?;
        return mul_squares_batch(with, v, w, base, std);
    }
    check("columns of the variances", w.ncols(), c.ncols())?;
    check("columns of the fields", out.ncols(), c.ncols())?;
    check("columns of the standard deviations", std.ncols(), c.ncols())?;
    for j in 0..c.ncols() {
        let (c, w) = (c.subcols(j, 1), w.subcols(j, 1));
        let (mut out, mut std) = (out.as_mut().subcols_mut(j, 1), std.as_mut().subcols_mut(j, 1));
        match (slice_mut(out.as_mut()), slice_mut(std.as_mut())) {
            (Some(y), Some(s)) => {
                let (c, w) = (slice(c), slice(w));
                mul_vector_and_squares(with, v, (&c, shift), (&w, base), y, s)?;
            }
            _ => {
                mul_batch(with, v, c, shift, out)?;
                mul_squares_batch(with, v, w, base, std)?;
            }
        }
    }
    Ok(())
}

/// Calls `f(coefficients, field)` for each point of a small batch with contiguous fields; false for another batch.
fn for_few(c: MatRef<'_, f64>, mut out: MatMut<'_, f64>, f: impl Fn(&[f64], &mut [f64]) -> Result<()>) -> Result<bool> {
    if c.ncols() > FEW || out.nrows() > 1 && out.row_stride() != 1 {
        return Ok(false);
    }
    for j in 0..c.ncols() {
        if let Some(y) = slice_mut(out.as_mut().subcols_mut(j, 1)) {
            f(&slice(c.subcols(j, 1)), y)?;
        }
    }
    Ok(true)
}

fn slice_mut(column: MatMut<'_, f64>) -> Option<&mut [f64]> {
    Some(column.col_mut(0).try_as_col_major_mut()?.as_slice_mut())
}

fn slice(column: MatRef<'_, f64>) -> Cow<'_, [f64]> {
    match column.col(0).try_as_col_major() {
        Some(column) => Cow::Borrowed(column.as_slice()),
        None => column.col(0).iter().copied().collect(),
    }
}

/// `c` with a row of ones below.
fn with_ones(c: MatRef<'_, f64>) -> Mat<f64> {
    Mat::from_fn(c.nrows() + 1, c.ncols(), |k, j| if k < c.nrows() { c[(k, j)] } else { 1.0 })
}

/// `f` of n rows of V from `start` on, and the last column beside them, in a scratch.
fn fill<'a>(
    block: &'a mut Mat<f64>,
    v: MatRef<'_, f64>,
    start: usize,
    n: usize,
    last: &[f64],
    f: impl Fn(f64) -> f64,
) -> MatRef<'a, f64> {
    for (j, column) in v.subrows(start, n).col_iter().enumerate() {
        let to = &mut block.col_as_slice_mut(j)[..n];
        match column.try_as_col_major() {
            Some(column) => to.iter_mut().zip(column.as_slice()).for_each(|(to, x)| *to = f(*x)),
            None => to.iter_mut().zip(column.iter()).for_each(|(to, x)| *to = f(*x)),
        }
    }
    block.col_as_slice_mut(v.ncols())[..n].copy_from_slice(&last[start..start + n]);
    block.as_ref().subrows(0, n)
}
