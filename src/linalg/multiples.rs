//! Multiples of tall vectors taken off other ones, and what is left measured while it is in the cache.

use super::scalar::Scalar;
use super::simd::{Instructions, Loop, Simd};
use super::tall::Layout;
use rayon::prelude::*;
use std::ops::Range;

/// Entries that are worked on at a time: they stay in the fastest cache.
const CHUNK: usize = 1024;
const LANES: usize = 8;

/// What is measured of a vector; one factor >= 0 per row, 1 where there are none.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Measure<'a> {
    Nothing,
    /// max f_i |x_i|.
    Largest(Option<&'a [f64]>),
    /// Σ f_i |x_i|².
    Squares(Option<&'a [f64]>),
}

impl<'a> Measure<'a> {
    fn part(self, rows: &Range<usize>) -> Measure<'a> {
        match self {
            Measure::Nothing => Measure::Nothing,
            Measure::Largest(f) => Measure::Largest(f.map(|f| &f[rows.clone()])),
            Measure::Squares(f) => Measure::Squares(f.map(|f| &f[rows.clone()])),
        }
    }
}

/// x <- x - Σ c_m q_m over the vectors `first`, `first` + 1, … of a list, one number c_m for each.
pub(crate) struct Job<'a, T> {
    pub x: &'a mut [T],
    pub first: usize,
    pub factors: &'a [T],
}

/// Rows that a rank holds, cut where blocks of all rows begin: what is computed piece by piece does not depend on ranks.
pub(crate) fn pieces(layout: &Layout) -> Vec<Range<usize>> {
    let (own, size) = (layout.owned(), layout.block_rows());
    let even = |rows: Range<usize>| {
        rows.clone().step_by(size).map(move |start| start..(start + size).min(rows.end)).collect::<Vec<_>>()
    };
    let (first, last) = (layout.local_range().start, layout.local_range().end);
    let mut all = even(0..own.start);
    for block in first / size..last.div_ceil(size) {
        let (from, to) = ((block * size).max(first), ((block + 1) * size).min(last));
        if from < to {
            all.push(from - first + own.start..to - first + own.start);
        }
    }
    all.extend(even(own.end..layout.n_local()));
    all
}

/// Does all jobs with vectors of the same length, in parallel over `pieces` of the rows, which cover them in order; returns
/// what was measured of each job, piece by piece. The order of the operations on an entry is that of the vectors.
pub(crate) fn subtract_multiples<T: Scalar>(
    pieces: &[Range<usize>],
    vectors: &[&[T]],
    jobs: Vec<Job<'_, T>>,
    measure: Measure<'_>,
) -> Vec<Vec<f64>> {
    let mut work: Vec<Vec<Job<'_, T>>> = pieces.iter().map(|_| Vec::with_capacity(jobs.len())).collect();
    for Job { mut x, first, factors } in jobs {
        for (piece, work) in pieces.iter().zip(&mut work) {
            let (part, rest) = std::mem::take(&mut x).split_at_mut(piece.len());
            work.push(Job { x: part, first, factors });
            x = rest;
        }
    }
    let instructions = Instructions::best();
    work.into_par_iter()
        .zip(pieces)
        .map(|(jobs, piece)| {
            let vectors: Vec<&[T]> = vectors.iter().map(|q| &q[piece.clone()]).collect();
            let measure = measure.part(piece);
            let one = |Job { x, first, factors }: Job<'_, T>| {
                let mut result = 0.0;
                let vectors = &vectors[first..first + factors.len()];
                instructions.run(Pass { x, vectors, factors, measure, result: &mut result });
                result
            };
            jobs.into_iter().map(one).collect()
        })
        .collect()
}

struct Pass<'a, T> {
    x: &'a mut [T],
    vectors: &'a [&'a [T]],
    factors: &'a [T],
    measure: Measure<'a>,
    result: &'a mut f64,
}

/// Products are rounded before they are taken off, with any instructions: the same bits on every CPU.
impl<T: Scalar> Loop for Pass<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Pass { x, vectors, factors, measure, result } = self;
        let mut lanes = [0.0; LANES];
        let (n, mut start) = (x.len(), 0);
        while start < n {
            let end = if start + CHUNK < n { start + CHUNK } else { n };
            let part = &mut x[start..end];
            subtract(part, vectors, factors, start);
            match measure {
                Measure::Nothing => {}
                Measure::Largest(None) => largest(part, None, &mut lanes),
                Measure::Largest(Some(f)) => largest(part, Some(&f[start..end]), &mut lanes),
                Measure::Squares(None) => squares(part, None, &mut lanes),
                Measure::Squares(Some(f)) => squares(part, Some(&f[start..end]), &mut lanes),
            }
            start = end;
        }
        *result = match measure {
            Measure::Nothing => 0.0,
            Measure::Squares(_) => lanes.iter().sum(),
            Measure::Largest(_) => {
                let most = lanes.iter().copied().fold(0.0, f64::max);
                if T::IS_COMPLEX { most.sqrt() } else { most }
            }
        };
    }
}

/// By fours: x is loaded and stored once for them.
#[inline(always)]
fn subtract<T: Scalar>(x: &mut [T], vectors: &[&[T]], factors: &[T], start: usize) {
    let n = x.len();
    let mut m = 0;
    while m + 4 <= vectors.len() {
        let (a, b) = (&vectors[m][start..start + n], &vectors[m + 1][start..start + n]);
        let (c, d) = (&vectors[m + 2][start..start + n], &vectors[m + 3][start..start + n]);
        let (fa, fb, fc, fd) = (factors[m], factors[m + 1], factors[m + 2], factors[m + 3]);
        for i in 0..n {
            x[i] = x[i] - fa * a[i] - fb * b[i] - fc * c[i] - fd * d[i];
        }
        m += 4;
    }
    while m < vectors.len() {
        let (a, f) = (&vectors[m][start..start + n], factors[m]);
        for i in 0..n {
            x[i] -= f * a[i];
        }
        m += 1;
    }
}

/// Squares where numbers are complex.
#[inline(always)]
fn size<T: Scalar>(x: T, factor: f64) -> f64 {
    if T::IS_COMPLEX { factor * factor * x.modulus_squared() } else { factor * x.re().abs() }
}

#[inline(always)]
fn largest<T: Scalar>(x: &[T], factors: Option<&[f64]>, lanes: &mut [f64; LANES]) {
    let whole = x.len() / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        for l in 0..LANES {
            let value = size(x[i + l], if let Some(f) = factors { f[i + l] } else { 1.0 });
            lanes[l] = if value > lanes[l] { value } else { lanes[l] };
        }
    }
    for i in whole..x.len() {
        let value = size(x[i], if let Some(f) = factors { f[i] } else { 1.0 });
        lanes[i - whole] = if value > lanes[i - whole] { value } else { lanes[i - whole] };
    }
}

#[inline(always)]
fn squares<T: Scalar>(x: &[T], factors: Option<&[f64]>, lanes: &mut [f64; LANES]) {
    let whole = x.len() / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        for l in 0..LANES {
            lanes[l] += x[i + l].modulus_squared() * if let Some(f) = factors { f[i + l] } else { 1.0 };
        }
    }
    for i in whole..x.len() {
        lanes[i - whole] += x[i].modulus_squared() * if let Some(f) = factors { f[i] } else { 1.0 };
    }
}
