//! A field from its coefficients, V c + shift, and its standard deviation: one pass over V, at the speed of memory.
//!
//! V [n_dofs, r] has contiguous columns (other strides are copied block by block). Rows are shared out over threads, and
//! the sum of a row has one order: the result does not depend on the number of threads. Batches are next door in
//! [`reconstruction_batch`](super::reconstruction_batch).

use super::simd::{Instructions, LANES, Lanes, Loop, Simd};
use crate::error::{Error, Result};
use faer::MatRef;

/// Rows that a thread takes at a time: the running sums stay in its cache from one group of columns to the next.
const ROWS: usize = 8192;

/// y = V c + shift.
///
/// V [n, r], c [r], shift and y [n]. Errors: shapes that do not fit. Reads 8 n r bytes; allocates nothing; not
/// collective.
#[doc(alias = "gemv")]
pub fn mul_vector(
    with: Instructions,
    v: MatRef<'_, f64>,
    c: &[f64],
    shift: Option<&[f64]>,
    y: &mut [f64],
) -> Result<()> {
    check_sum(v, c, shift, y)?;
    in_blocks(0, y, &mut [], &|start, y: &mut [f64], _: &mut [f64]| {
        begin(shift, start, y);
        add_columns::<true, false>(with, v.subrows(start, y.len()), c, &[], y, &mut []);
    });
    Ok(())
}

/// s_i = sqrt(max(0, base_i + sum_j V_ij² w_j)): the standard deviation of a field whose coefficients are independent
/// with variances w.
///
/// V [n, r], w [r], base and s [n]. NaN stays NaN. Errors: shapes that do not fit. Reads 8 n r bytes; allocates
/// nothing; not collective.
pub fn mul_squares(with: Instructions, v: MatRef<'_, f64>, w: &[f64], base: &[f64], s: &mut [f64]) -> Result<()> {
    check_squares(v, w, base, s)?;
    in_blocks(0, s, &mut [], &|start, s: &mut [f64], _: &mut [f64]| {
        begin(Some(base), start, s);
        add_columns::<false, true>(with, v.subrows(start, s.len()), &[], w, &mut [], s);
    });
    Ok(())
}

/// [`mul_vector`] and [`mul_squares`], reading V once for both.
///
/// `value` is c [r] and shift [n], `deviation` is w [r] and base [n]; y and s [n]. Errors: shapes that do not fit.
/// Reads 8 n r bytes; allocates nothing; not collective.
pub fn mul_vector_and_squares(
    with: Instructions,
    v: MatRef<'_, f64>,
    value: (&[f64], Option<&[f64]>),
    deviation: (&[f64], &[f64]),
    y: &mut [f64],
    s: &mut [f64],
) -> Result<()> {
    let ((c, shift), (w, base)) = (value, deviation);
    check_sum(v, c, shift, y)?;
    check_squares(v, w, base, s)?;
    in_blocks(0, y, s, &|start, y: &mut [f64], s: &mut [f64]| {
        begin(shift, start, y);
        begin(Some(base), start, s);
        add_columns::<true, true>(with, v.subrows(start, y.len()), c, w, y, s);
    });
    Ok(())
}

/// An error where a length is not as expected.
pub(super) fn check(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::argument(what, found, expected)) }
}

fn check_sum(v: MatRef<'_, f64>, c: &[f64], shift: Option<&[f64]>, y: &[f64]) -> Result<()> {
    check("number of coefficients", c.len(), v.ncols())?;
    check("length of a shift", shift.map_or(v.nrows(), <[f64]>::len), v.nrows())?;
    check("length of a field", y.len(), v.nrows())
}

fn check_squares(v: MatRef<'_, f64>, w: &[f64], base: &[f64], s: &[f64]) -> Result<()> {
    check("number of variances", w.len(), v.ncols())?;
    check("length of a residual variance", base.len(), v.nrows())?;
    check("length of a standard deviation", s.len(), v.nrows())
}

/// Calls `f(first row, block of a, block of b)` for blocks of [`ROWS`]; b is as long as a, or empty. A field of one block
/// stays on this thread: waking another costs more.
fn in_blocks<F>(start: usize, a: &mut [f64], b: &mut [f64], f: &F)
where
    F: Fn(usize, &mut [f64], &mut [f64]) + Sync,
{
    if a.len() <= ROWS {
        return f(start, a, b);
    }
    let middle = a.len().div_ceil(ROWS) / 2 * ROWS;
    let (b, b_rest) = b.split_at_mut(middle.min(b.len()));
    let (a, a_rest) = a.split_at_mut(middle);
    rayon::join(|| in_blocks(start, a, b, f), || in_blocks(start + middle, a_rest, b_rest, f));
}

fn begin(from: Option<&[f64]>, start: usize, to: &mut [f64]) {
    match from {
        Some(from) => to.copy_from_slice(&from[start..start + to.len()]),
        None => to.fill(0.0),
    }
}

/// Adds all columns of a block of V to the sums in y and s, several at a time, then takes the roots of s.
fn add_columns<const VALUE: bool, const SQUARES: bool>(
    with: Instructions,
    v: MatRef<'_, f64>,
    c: &[f64],
    w: &[f64],
    y: &mut [f64],
    s: &mut [f64],
) {
    let copy;
    let v = if v.row_stride() == 1 || v.nrows() < 2 {
        v
    } else {
        copy = v.to_owned();
        copy.as_ref()
    };
    let mut j = 0;
    while j < v.ncols() {
        j += match v.ncols() - j {
            8.. => pass::<8, VALUE, SQUARES>(with, v, j, c, w, y, s),
            4.. => pass::<4, VALUE, SQUARES>(with, v, j, c, w, y, s),
            2.. => pass::<2, VALUE, SQUARES>(with, v, j, c, w, y, s),
            _ => pass::<1, VALUE, SQUARES>(with, v, j, c, w, y, s),
        };
    }
    if SQUARES {
        with.run(Roots(s));
    }
}

/// Adds columns j to j + K; returns K.
fn pass<const K: usize, const VALUE: bool, const SQUARES: bool>(
    with: Instructions,
    v: MatRef<'_, f64>,
    j: usize,
    c: &[f64],
    w: &[f64],
    y: &mut [f64],
    s: &mut [f64],
) -> usize {
    let columns = std::array::from_fn(|k| v.col(j + k).try_as_col_major().map_or(&[][..], |c| c.as_slice()));
    let c = std::array::from_fn(|k| if VALUE { c[j + k] } else { 0.0 });
    let w = std::array::from_fn(|k| if SQUARES { w[j + k] } else { 0.0 });
    with.run(Pass::<K, VALUE, SQUARES> { columns, c, w, y, s });
    K
}

/// y += sum_k columns_k c_k where VALUE, s += sum_k columns_k² w_k where SQUARES; the other one is empty.
struct Pass<'a, const K: usize, const VALUE: bool, const SQUARES: bool> {
    columns: [&'a [f64]; K],
    c: [f64; K],
    w: [f64; K],
    y: &'a mut [f64],
    s: &'a mut [f64],
}

impl<const K: usize, const VALUE: bool, const SQUARES: bool> Loop for Pass<'_, K, VALUE, SQUARES> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let n = if VALUE { self.y.len() } else { self.s.len() };
        let m = n / LANES;
        let (mut c, mut w) = ([simd.splat(0.0); K], [simd.splat(0.0); K]);
        for k in 0..K {
            (c[k], w[k]) = (simd.splat(self.c[k]), simd.splat(self.w[k]));
        }
        let parts = self.columns.map(|x| x[..n].as_chunks::<LANES>());
        let whole = parts.map(|p| &p.0[..m]);
        let (y, y_rest) = self.y.as_chunks_mut::<LANES>();
        let (s, s_rest) = self.s.as_chunks_mut::<LANES>();
        let (mut no_y, mut no_s) = ([0.0; LANES], [0.0; LANES]);
        for i in 0..m {
            let y = if VALUE { &mut y[i] } else { &mut no_y };
            let s = if SQUARES { &mut s[i] } else { &mut no_s };
            add::<S, K, VALUE, SQUARES>(simd, whole.map(|v| &v[i]), &c, &w, y, s);
        }
        if n > m * LANES {
            let rest = parts.map(|p| padded(p.1));
            let (mut y, mut s) = (padded(y_rest), padded(s_rest));
            add::<S, K, VALUE, SQUARES>(simd, rest.each_ref(), &c, &w, &mut y, &mut s);
            y_rest.copy_from_slice(&y[..y_rest.len()]);
            s_rest.copy_from_slice(&s[..s_rest.len()]);
        }
    }
}

/// The work of a [`Pass`] on eight rows.
#[inline(always)]
fn add<S: Simd, const K: usize, const VALUE: bool, const SQUARES: bool>(
    simd: S,
    v: [&Lanes; K],
    c: &[S::V; K],
    w: &[S::V; K],
    y: &mut Lanes,
    s: &mut Lanes,
) {
    let (mut sum, mut squares) = (simd.load(y), simd.load(s));
    for k in 0..K {
        let v = simd.load(v[k]);
        if VALUE {
            sum = simd.mul_add(v, c[k], sum);
        }
        if SQUARES {
            squares = simd.mul_add(simd.mul(v, v), w[k], squares);
        }
    }
    if VALUE {
        simd.store(sum, y);
    }
    if SQUARES {
        simd.store(squares, s);
    }
}

/// Fewer than eight numbers, and zeros.
#[inline(always)]
fn padded(x: &[f64]) -> Lanes {
    let mut lanes = [0.0; LANES];
    lanes[..x.len()].copy_from_slice(x);
    lanes
}

/// s <- sqrt(max(0, s)).
struct Roots<'a>(&'a mut [f64]);

impl Loop for Roots<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (whole, rest) = self.0.as_chunks_mut::<LANES>();
        for s in whole {
            simd.store(simd.root(simd.load(s)), s);
        }
        let mut lanes = padded(rest);
        simd.store(simd.root(simd.load(&lanes)), &mut lanes);
        rest.copy_from_slice(&lanes[..rest.len()]);
    }
}

/// `to` <- sqrt(max(0, `from`)), past the caches.
pub(super) struct RootsInto<'a> {
    pub from: &'a [f64],
    pub to: &'a mut [f64],
}

impl Loop for RootsInto<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (from, from_rest) = self.from[..self.to.len()].as_chunks::<LANES>();
        let (to, to_rest) = self.to.as_chunks_mut::<LANES>();
        for (from, to) in from.iter().zip(to) {
            simd.stream(simd.root(simd.load(from)), to);
        }
        let mut lanes = [0.0; LANES];
        simd.store(simd.root(simd.load(&padded(from_rest))), &mut lanes);
        to_rest.copy_from_slice(&lanes[..to_rest.len()]);
        simd.fence();
    }
}
