//! The greedy of the empirical interpolation, on residuals that are brought up to date when they are needed.

use super::eim::{CheckPoint, Eim, EimOptions, Norm, Stop, forward};
use super::point_selection::{MARGIN, first_of_largest, share_values, values_at};
use crate::comm::agree;
use crate::error::{Error, Result};
use crate::linalg::block_tree::sum_blocks;
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::multiples::{Job, Measure, pieces, subtract_multiples};
use crate::linalg::scalar::{Scalar, product};
use crate::linalg::tall::{Layout, TallMatrix};
use faer::{Mat, MatRef};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Residuals that are brought up to date together at first; twice as many each time that these do not suffice.
const BATCH: usize = 16;
/// By how much round-off can lift a norm above its bound, relative.
const SLACK: f64 = 1e-12;
/// Pivots below this, relative to the largest entry, are round-off.
const ROUND_OFF: f64 = 10.0 * f64::EPSILON;

/// [`eim`](super::eim::eim) in the memory `local` of the columns; `original`: the same, where they are kept. Collective.
pub(super) fn greedy<T: Scalar>(
    layout: Arc<Layout>,
    local: Mat<T>,
    original: Option<MatRef<'_, T>>,
    options: &EimOptions,
) -> Result<Eim<T>> {
    let (n_rows, n) = (layout.n_rows(), local.ncols());
    let largest = check(&layout, &local, options)?;
    let most = options.max_terms.unwrap_or(usize::MAX).min(n_rows).min(n);
    let mut terms = Terms { columns: Vec::new(), points: Vec::new(), lower: Mat::zeros(0, 0), upper: Mat::zeros(0, 0) };
    let mut residuals = Residuals::new(layout, local, options);
    let mut errors = Vec::new();
    let (stopped, check) = loop {
        let (j, error) = residuals.worst();
        errors.push(error);
        let stopped = match error <= options.tolerance * errors[0] {
            true => Some(Stop::Tolerance),
            false => (terms.points.len() == most).then_some(Stop::Terms),
        };
        let Some(pivot) = residuals.pivot(j, &terms).filter(|p| p.size > ROUND_OFF * largest) else {
            break (stopped.unwrap_or(Stop::RoundOff), None);
        };
        if let Some(stopped) = stopped {
            break (stopped, Some(CheckPoint { point: pivot.point, basis_row: pivot.basis_row }));
        }
        terms.push(j, &pivot, &residuals.factors[j]);
        residuals.subtract(j, pivot);
    };
    let mut basis = Mat::zeros(residuals.local.nrows(), residuals.basis.len());
    residuals.basis.iter().enumerate().for_each(|(m, q)| basis.col_as_slice_mut(m).copy_from_slice(q));
    let Terms { columns, points, lower, upper } = terms;
    let values = match original {
        None => product(lower.as_ref(), upper.as_ref()),
        Some(original) => {
            let (own, local_range, d) = (residuals.layout.owned(), residuals.layout.local_range(), points.len());
            let value = |l: usize, m: usize| match local_range.contains(&points[l]) {
                true => original[(points[l] - local_range.start + own.start, columns[m])],
                false => T::default(),
            };
            let all = (0..d).flat_map(|m| (0..d).map(move |l| (l, m))).map(|(l, m)| value(l, m)).collect();
            let all = share_values(&residuals.layout, all);
            Mat::from_fn(d, d, |l, m| all[m * d + l])
        }
    };
    Ok(Eim { columns, points, basis, values, lower, upper, errors, stopped, check })
}

struct Terms<T: Scalar> {
    columns: Vec<usize>,
    points: Vec<usize>,
    lower: Mat<T>,
    upper: Mat<T>,
}

/// What is left of a column, and its largest entry.
struct Pivot<T> {
    residual: Vec<T>,
    norm: f64,
    point: usize,
    value: T,
    /// Scaled modulus.
    size: f64,
    /// q_m at the point.
    basis_row: Vec<T>,
    /// What the second subtraction added to the factors.
    corrections: Vec<T>,
}

impl<T: Scalar> Terms<T> {
    fn push(&mut self, column: usize, pivot: &Pivot<T>, factors: &[T]) {
        let k = self.points.len();
        self.columns.push(column);
        self.points.push(pivot.point);
        let old = std::mem::replace(&mut self.lower, Mat::zeros(0, 0));
        self.lower = Mat::from_fn(k + 1, k + 1, |l, m| match (l == k, m == k) {
            (true, true) => T::real(1.0),
            (true, false) => pivot.basis_row[m],
            (false, true) => T::default(),
            _ => old[(l, m)],
        });
        let old = std::mem::replace(&mut self.upper, Mat::zeros(0, 0));
        self.upper = Mat::from_fn(k + 1, k + 1, |l, m| match (l == k, m == k) {
            (true, true) => pivot.value,
            (true, false) => T::default(),
            (false, true) => factors[l] + pivot.corrections[l],
            _ => old[(l, m)],
        });
    }
}

struct Residuals<T: Scalar> {
    layout: Arc<Layout>,
    pieces: Vec<Range<usize>>,
    norm: Norm,
    scale: Option<Vec<f64>>,
    /// Factors of the squares that are summed.
    weights: Option<Vec<f64>>,
    /// What is left of column j after the first `n_terms[j]` terms.
    local: Mat<T>,
    n_terms: Vec<usize>,
    /// Upper bound of the norm of what is left of each column after all terms, and whether it is the norm itself.
    bounds: Vec<f64>,
    exact: Vec<bool>,
    basis: Vec<Vec<T>>,
    /// Factors of the q_m in each column.
    factors: Vec<Vec<T>>,
}

impl<T: Scalar> Residuals<T> {
    fn new(layout: Arc<Layout>, local: Mat<T>, options: &EimOptions) -> Self {
        let (n, scale, pieces) = (local.ncols(), options.scale.clone(), pieces(&layout));
        let squared = scale.as_ref().map(|s| s.iter().map(|s| s * s).collect::<Vec<f64>>());
        let weights = match (&options.norm, squared) {
            (Norm::L2(InnerProduct::Diagonal(w)), None) => Some(w.clone()),
            (Norm::L2(InnerProduct::Diagonal(w)), Some(s)) => Some(w.iter().zip(s).map(|(w, s)| w * s).collect()),
            (_, squared) => squared,
        };
        let (basis, factors) = (Vec::new(), vec![Vec::new(); n]);
        let (n_terms, bounds, exact) = (vec![0; n], vec![f64::INFINITY; n], vec![false; n]);
        let norm = options.norm.clone();
        let mut new = Residuals { layout, pieces, norm, scale, weights, local, n_terms, bounds, exact, basis, factors };
        new.update(&(0..n).collect::<Vec<_>>());
        new
    }

    /// The column with the largest norm, and that. Collective.
    fn worst(&mut self) -> (usize, f64) {
        let mut size = BATCH;
        loop {
            let known = self.bounds.iter().zip(&self.exact).filter(|(_, exact)| **exact);
            let best = known.map(|(b, _)| *b).fold(0.0, f64::max);
            let threshold = best * (1.0 - MARGIN);
            let open = |j: &usize| !self.exact[*j] && self.bounds[*j] >= threshold && self.bounds[*j] > 0.0;
            let mut open: Vec<usize> = (0..self.bounds.len()).filter(open).collect();
            if open.is_empty() {
                let first = |j: &usize| self.exact[*j] && self.bounds[*j] >= threshold;
                let j = (0..self.bounds.len()).find(first).unwrap_or(0);
                return (j, self.bounds[j]);
            }
            open.sort_by(|a, b| self.bounds[*b].total_cmp(&self.bounds[*a]));
            open.truncate(size);
            open.sort_unstable();
            self.update(&open);
            size *= 2;
        }
    }

    /// Brings columns (ascending) up to date, with their norms. Collective.
    fn update(&mut self, chosen: &[usize]) {
        let measure = measure(&self.norm, self.scale.as_deref(), self.weights.as_deref());
        let vectors: Vec<&[T]> = self.basis.iter().map(Vec::as_slice).collect();
        let mut jobs = Vec::with_capacity(chosen.len());
        let mut next = 0;
        for (j, column) in self.local.as_mut().col_iter_mut().enumerate() {
            if chosen.get(next) == Some(&j) {
                next += 1;
                if let Some(column) = column.try_as_col_major_mut() {
                    let first = self.n_terms[j];
                    jobs.push(Job { x: column.as_slice_mut(), first, factors: &self.factors[j][first..] });
                }
            }
        }
        let parts = subtract_multiples(&self.pieces, &vectors, jobs, measure);
        let columns = |c: usize| self.local.col_as_slice(chosen[c]);
        let norms = self.norms(&parts, chosen.len(), columns);
        for (j, norm) in chosen.iter().zip(norms) {
            self.n_terms[*j] = self.basis.len();
            self.bounds[*j] = norm;
            self.exact[*j] = true;
        }
    }

    /// Norms from what was measured, or of the columns themselves. Collective.
    fn norms<'a>(&self, parts: &[Vec<f64>], n: usize, columns: impl Fn(usize) -> &'a [T]) -> Vec<f64>
    where
        T: 'a,
    {
        let own = self.layout.owned();
        match &self.norm {
            Norm::Maximum => {
                let mut most = vec![0.0_f64; n];
                for (_, part) in self.pieces.iter().zip(parts).filter(|(rows, _)| own.contains(&rows.start)) {
                    most.iter_mut().zip(part).for_each(|(m, p)| *m = m.max(*p));
                }
                self.layout.comm().tree_reduce(most, &mut |mut a, b| {
                    a.iter_mut().zip(&b).for_each(|(a, b)| *a = a.max(*b));
                    a
                })
            }
            Norm::L2(product @ (InnerProduct::Sparse(_) | InnerProduct::Components(..))) => {
                let scale = |i: usize| self.scale.as_ref().map_or(1.0, |s| s[i]);
                let part = |take: fn(T) -> f64| {
                    let local = Mat::from_fn(self.local.nrows(), n, |i, c| scale(i) * take(columns(c)[i]));
                    TallMatrix::new(self.layout.clone(), local).map_or(vec![f64::NAN; n], |x| product.norms(&x))
                };
                let real = part(T::re);
                if !T::IS_COMPLEX {
                    return real;
                }
                real.into_iter().zip(part(T::im)).map(|(re, im)| re.hypot(im)).collect()
            }
            Norm::L2(_) => {
                let of_block = |rows: Range<usize>| {
                    let piece = self.pieces.partition_point(|p| p.start < rows.start);
                    Mat::from_fn(n, 1, |c, _| parts[piece][c])
                };
                let squares = sum_blocks(&self.layout, (n, 1), of_block);
                (0..n).map(|c| squares[(c, 0)].sqrt()).collect()
            }
        }
    }

    /// What is left of a column whose norm is known, the interpolant taken off once more; `None` without rows. Collective.
    fn pivot(&self, j: usize, terms: &Terms<T>) -> Option<Pivot<T>> {
        let (own, k) = (self.layout.owned(), self.basis.len());
        let (local_range, mut residual) = (self.layout.local_range(), self.local.col_as_slice(j).to_vec());
        let at = |point: &usize| match local_range.contains(point) {
            true => residual[point - local_range.start + own.start],
            false => T::default(),
        };
        let mut corrections = share_values(&self.layout, terms.points.iter().map(at).collect());
        forward(&terms.lower, &mut corrections);
        let vectors: Vec<&[T]> = self.basis.iter().map(Vec::as_slice).collect();
        let measure = measure(&self.norm, self.scale.as_deref(), self.weights.as_deref());
        let job = Job { x: &mut residual, first: 0, factors: &corrections };
        let parts = subtract_multiples(&self.pieces, &vectors, vec![job], measure);
        let norm = self.norms(&parts, 1, |_| &residual)[0];
        let size = |i: usize| self.scale.as_ref().map_or(1.0, |s| s[i]) * residual[i].modulus();
        let (size, point) = first_of_largest(&self.layout, |i| size(i + own.start));
        let of_row = |i: usize| self.basis.iter().map(|q| q[i]).chain([residual[i]]).collect();
        let mut basis_row = values_at(&self.layout, point, k + 1, of_row);
        let value = basis_row.pop()?;
        Some(Pivot { residual, norm, point, value, size, basis_row, corrections })
    }

    /// Adds the term of column j and takes it off all columns, as far as their bounds. Collective.
    fn subtract(&mut self, j: usize, pivot: Pivot<T>) {
        let Pivot { residual: mut q, norm, point, value, basis_row, .. } = pivot;
        let (n, k) = (self.factors.len(), self.basis.len());
        let row = values_at(&self.layout, point, n, |i| (0..n).map(|c| self.local[(i, c)]).collect());
        q.iter_mut().for_each(|r| *r /= value);
        let (own, local_range) = (self.layout.owned(), self.layout.local_range());
        if local_range.contains(&point) {
            q[point - local_range.start + own.start] = T::real(1.0);
        }
        self.basis.push(q);
        let size = norm / value.modulus();
        for (c, entry) in row.into_iter().enumerate() {
            // What is left at the point after all terms: the order is that of the columns themselves.
            let first = self.n_terms[c];
            let left = (first..k).fold(entry, |left, m| left - self.factors[c][m] * basis_row[m]);
            self.factors[c].push(left);
            self.bounds[c] = (self.bounds[c] + left.modulus() * size) * (1.0 + SLACK);
            self.exact[c] = false;
        }
        // Nothing is left of it, and what round-off leaves is not looked at again.
        self.bounds[j] = 0.0;
        self.exact[j] = true;
    }
}

fn measure<'a>(norm: &Norm, scale: Option<&'a [f64]>, weights: Option<&'a [f64]>) -> Measure<'a> {
    match norm {
        Norm::Maximum => Measure::Largest(scale),
        Norm::L2(InnerProduct::Sparse(_) | InnerProduct::Components(..)) => Measure::Nothing,
        Norm::L2(_) => Measure::Squares(weights),
    }
}

/// The largest scaled entry. Collective.
fn check<T: Scalar>(layout: &Layout, local: &Mat<T>, options: &EimOptions) -> Result<f64> {
    let (m, n, n_local) = (layout.n_rows(), local.ncols(), layout.n_local());
    if n == 0 || m == 0 {
        return Err(Error::argument("columns", format!("{m} x {n}"), "at least one row and one column"));
    }
    if !(0.0..1.0).contains(&options.tolerance) {
        return Err(Error::argument("tolerance", options.tolerance, "a number in [0, 1)"));
    }
    if options.max_terms == Some(0) {
        return Err(Error::argument("number of terms", 0, "at least 1"));
    }
    let product = match &options.norm {
        Norm::Maximum => Ok(()),
        Norm::L2(product) => product.check(n_local),
    };
    let scale = options.scale.as_deref();
    let factors = match scale {
        Some(s) if s.len() != n_local => Err(Error::argument("factors of rows", s.len(), n_local)),
        Some(s) => match s.iter().position(|s| !(*s >= 0.0 && s.is_finite())) {
            Some(i) => Err(Error::argument(format!("factor of row {i}"), s[i], "a number >= 0")),
            None => Ok(()),
        },
        None => Ok(()),
    };
    agree(layout.comm().as_ref(), product.and(factors))?;
    // Magnitudes are ordered as their bits are, and what is not finite comes last.
    let bits = |x: f64| x.to_bits() & !(1 << 63);
    let most = |j: usize| {
        let column = local.col_as_slice(j);
        let of = |(i, x): (usize, &T)| {
            let s = scale.map_or(1.0, |s| s[i]);
            bits(s * x.re()).max(bits(s * x.im()))
        };
        f64::from_bits(column.iter().enumerate().map(of).max().unwrap_or(0))
    };
    let columns: Vec<f64> = (0..n).into_par_iter().map(most).collect();
    let local = match columns.iter().position(|m| !m.is_finite()) {
        Some(j) => Err(Error::argument(format!("column {j}"), "a value that is not finite", "finite numbers")),
        None => Ok(columns.into_iter().fold(0.0, f64::max)),
    };
    let local = agree(layout.comm().as_ref(), local)?;
    let (largest, _) = layout.comm().all_argmax(local, layout.comm().rank());
    if largest == 0.0 {
        return Err(Error::argument("columns", "zeros only", "a column that is not zero"));
    }
    if !(1e-130..=1e130).contains(&largest) {
        let found = format!("a largest magnitude of {largest:.1e}");
        return Err(Error::argument("columns", found, "one between 1e-130 and 1e130, or a scale that brings it there"));
    }
    Ok(largest)
}
