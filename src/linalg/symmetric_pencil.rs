//! The pencil of sum_q theta_q A_q and an inner product X, and proved bounds of its eigenvalues.
//!
//! An eigenvalue that an iteration returns bounds nothing: the iteration may have missed a smaller one. What is returned here
//! is proved by Sylvester's law of inertia: sum_q theta_q A_q - s X has a Cholesky factorisation, so no eigenvalue is below s;
//! and the rounding errors of that factorisation are bounded, and taken off s.

mod proofs;

use super::inner_product::InnerProduct;
use super::sparse_cholesky::SparseCholesky;
use super::terms::{Pattern, Terms};
use crate::error::{Error, Result};
use sprs::CsMat;

/// Unit round-off.
const UNIT: f64 = 0.5 * f64::EPSILON;
/// Rows whose products are summed by themselves.
const BLOCK: usize = 256;

/// Symmetric parts of matrices A_1, …, A_q [n, n] and X, on one pattern.
#[derive(Debug)]
pub struct SymmetricPencil {
    indptr: Vec<usize>,
    indices: Vec<usize>,
    diagonal: Vec<usize>,
    terms: Vec<Vec<f64>>,
    x: Vec<f64>,
    product: InnerProduct,
    /// X, and the analysis for all.
    factor: SparseCholesky,
    /// Backward error of a factorisation of B over the largest b_ii / x_ii, in the diagonal of X.
    growth: f64,
    /// No eigenvalue of X in its diagonal is below this.
    floor: f64,
}

/// min_v vᵀAv / vᵀXv, enclosed.
#[derive(Debug, Clone, PartialEq)]
pub struct Smallest {
    /// Proved: no eigenvalue is below.
    pub lower: f64,
    /// The Rayleigh quotient of one vector.
    pub upper: f64,
    /// vᵀA_q v / vᵀXv of that vector, for each term.
    pub rayleigh: Vec<f64>,
}

impl SymmetricPencil {
    /// The symmetric parts of all matrices, in memory.
    ///
    /// Errors: no matrices, numbers that are not finite, a pattern that is not in order; X of another size, not symmetric, not
    /// positive definite, or so near to singular that no round-off is allowed for. Cost: two factorisations of X on the union of
    /// all patterns. Not collective.
    pub fn new(terms: &dyn Terms<f64>, x: &InnerProduct) -> Result<SymmetricPencil> {
        let n = terms.n_rows();
        if n == 0 || terms.n_terms() == 0 {
            let found = format!("{} matrices of {n} rows", terms.n_terms());
            return Err(Error::argument("pencil of matrices", found, "at least one of each"));
        }
        x.check(n)?;
        check_pattern(terms.pattern())?;
        let x_entries = entries_of(x, n)?;
        let places: Vec<(usize, usize)> = places_of(terms.pattern());
        let mut rows: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
        places.iter().for_each(|(i, j)| {
            rows[*i].push(*j);
            rows[*j].push(*i);
        });
        x_entries.iter().for_each(|(i, j, _)| rows[*i].push(*j));
        let mut indptr = vec![0];
        for row in &mut rows {
            row.sort_unstable();
            row.dedup();
            indptr.push(indptr[indptr.len() - 1] + row.len());
        }
        let place = |i: usize, j: usize| indptr[i] + rows[i].partition_point(|c| *c < j);
        let n_entries = indptr[n];
        let both: Vec<(usize, usize)> = places.iter().map(|(i, j)| (place(*i, *j), place(*j, *i))).collect();
        let mut symmetric = Vec::with_capacity(terms.n_terms());
        for q in 0..terms.n_terms() {
            let (values, mut sum) = (terms.values(q)?, vec![0.0; n_entries]);
            if let Some(e) = values.iter().position(|v| !v.is_finite()) {
                let what = format!("entry {:?} of matrix {q}", places[e]);
                return Err(Error::argument(what, values[e], "a finite number"));
            }
            for (v, (there, back)) in values.iter().zip(&both) {
                sum[*there] += 0.5 * v;
                sum[*back] += 0.5 * v;
            }
            symmetric.push(sum);
        }
        let mut of_x = vec![0.0; n_entries];
        x_entries.iter().for_each(|(i, j, v)| of_x[place(*i, *j)] += v);
        let diagonal = (0..n).map(|i| place(i, i)).collect();
        let indices = rows.concat();
        let factor = SparseCholesky::new(&CsMat::new((n, n), indptr.clone(), indices.clone(), of_x.clone()))?;
        let product = match x {
            InnerProduct::Euclidean | InnerProduct::Diagonal(_) => x.clone(),
            _ => InnerProduct::Sparse(CsMat::new((n, n), indptr.clone(), indices.clone(), of_x.clone())),
        };
        let (row, column) = factor.fullest_row_and_column();
        // A few operations more than Higham's count, for factorisations by blocks.
        let gamma = (row + 8) as f64 * UNIT;
        let growth = gamma / (1.0 - gamma).powi(2) * column as f64;
        let pencil = SymmetricPencil {
            indptr,
            indices,
            diagonal,
            terms: symmetric,
            x: of_x,
            product,
            factor,
            growth,
            floor: 1.0,
        };
        let floor = pencil.proved_floor()?;
        Ok(SymmetricPencil { floor, ..pencil })
    }

    /// Rows of the matrices.
    pub fn n_rows(&self) -> usize {
        self.diagonal.len()
    }

    /// Number of matrices.
    pub fn n_terms(&self) -> usize {
        self.terms.len()
    }

    /// sum_q c_q A_q + s X; and the largest rounding error of it in the diagonal of X.
    fn combined(&self, c: &[f64], s: f64) -> (Vec<f64>, f64) {
        let (mut sum, mut sizes) = (vec![0.0; self.x.len()], vec![0.0; self.x.len()]);
        for (c, values) in c.iter().zip(&self.terms).chain([(&s, &self.x)]).filter(|(c, _)| **c != 0.0) {
            for ((sum, size), v) in sum.iter_mut().zip(&mut sizes).zip(values) {
                *sum += c * v;
                *size += (c * v).abs();
            }
        }
        let roots: Vec<f64> = self.diagonal.iter().map(|e| self.x[*e].sqrt()).collect();
        let row = |i: usize| -> f64 {
            (self.indptr[i]..self.indptr[i + 1]).map(|e| sizes[e] / (roots[i] * roots[self.indices[e]])).sum()
        };
        let largest = (0..self.n_rows()).map(row).fold(0.0, f64::max);
        (sum, (c.len() + 4) as f64 * UNIT * largest)
    }

    fn factorised(&self, values: Vec<f64>) -> Result<Option<SparseCholesky>> {
        let n = self.n_rows();
        match self.factor.refactorize(&CsMat::new((n, n), self.indptr.clone(), self.indices.clone(), values)) {
            Ok(factor) => Ok(Some(factor)),
            Err(Error::NotPositiveDefinite { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Largest |b_ii| / x_ii.
    fn diagonal_size(&self, b: &[f64]) -> f64 {
        self.diagonal.iter().map(|e| (b[*e] / self.x[*e]).abs()).fold(0.0, f64::max)
    }

    fn row_product(&self, values: &[f64], i: usize, v: &[f64]) -> f64 {
        (self.indptr[i]..self.indptr[i + 1]).map(|e| values[e] * v[self.indices[e]]).sum()
    }

    /// vᵀBv, by blocks of rows.
    fn quadratic(&self, values: &[f64], v: &[f64]) -> f64 {
        let row = |i: usize| v[i] * self.row_product(values, i, v);
        let block = |first: usize| (first..(first + BLOCK).min(v.len())).map(row).sum::<f64>();
        (0..v.len()).step_by(BLOCK).map(block).sum()
    }

    /// vᵀA_q v / vᵀXv for each term.
    pub fn rayleigh(&self, v: &[f64]) -> Vec<f64> {
        let size = self.quadratic(&self.x, v);
        self.terms.iter().map(|a| self.quadratic(a, v) / size).collect()
    }
}

fn places_of(pattern: &Pattern) -> Vec<(usize, usize)> {
    match pattern {
        Pattern::Sparse { indptr, indices } => {
            let row = |i: usize| indices[indptr[i]..indptr[i + 1]].iter().map(move |j| (i, *j));
            (0..pattern.n_rows()).flat_map(row).collect()
        }
        Pattern::Dense { n_rows } => (0..n_rows * n_rows).map(|e| (e / n_rows, e % n_rows)).collect(),
    }
}

fn check_pattern(pattern: &Pattern) -> Result<()> {
    let Pattern::Sparse { indptr, indices } = pattern else { return Ok(()) };
    let n = pattern.n_rows();
    let in_order = indptr.first() == Some(&0)
        && indptr.last() == Some(&indices.len())
        && indptr.windows(2).all(|r| r[0] <= r[1])
        && indices.iter().all(|j| *j < n);
    if in_order {
        return Ok(());
    }
    let found = format!("{} row starts for {} entries", indptr.len(), indices.len());
    Err(Error::argument("pattern of matrices", found, format!("ascending row starts, columns below {n}")))
}

/// The stored entries of X. Error: a weight that is not positive.
fn entries_of(x: &InnerProduct, n: usize) -> Result<Vec<(usize, usize, f64)>> {
    match x {
        InnerProduct::Euclidean => Ok((0..n).map(|i| (i, i, 1.0)).collect()),
        InnerProduct::Diagonal(w) => match w.iter().position(|w| *w <= 0.0) {
            Some(i) => Err(Error::argument(format!("weight {i} of the inner product"), w[i], "a number > 0")),
            None => Ok(w.iter().enumerate().map(|(i, w)| (i, i, *w)).collect()),
        },
        InnerProduct::Sparse(_) | InnerProduct::Components(..) => {
            let Some((m, k)) = x.sparse() else { return Ok(Vec::new()) };
            let entries = m.iter().flat_map(|(v, (i, j))| (0..k).map(move |c| (i * k + c, j * k + c, *v)));
            Ok(entries.collect())
        }
    }
}
