//! Inner products of matrices that come slab by slab.

use super::block_tree::{Reduction, add};
use super::bookmark::{Hear, Noted, noted_pass};
use super::dense;
use super::householder::qr_r;
use super::inner_product::{InnerProduct, square_roots};
use super::slabs::Slabs;
use super::tall::{TallMatrix, mul_blocks, symmetric};
use super::tsqr::{square, stack_r};
use crate::comm::agree;
use crate::error::Result;
use faer::{Mat, MatRef};
use sprs::{CsMat, CsMatView};
use std::collections::HashMap;
use std::ops::Range;

/// R of diag(sqrt(w)) X = Q R with the weights w of a diagonal inner product, of X itself otherwise; see
/// [`tsqr`](super::tsqr::tsqr). One pass. Collective.
pub fn tsqr(x: &dyn Slabs, m: &InnerProduct) -> Result<Mat<f64>> {
    let roots = match m {
        InnerProduct::Diagonal(w) => Some(square_roots(w)),
        _ => None,
    };
    let mut reduction = Reduction::new(x.layout(), |a: Mat<f64>, b: &Mat<f64>| stack_r(&a, b));
    let passed = noted_pass(x, Some("tsqr"), &mut reduction, &mut |reduction, slab_rows, slab| {
        reduction.slab(slab_rows.clone(), |rows| {
            let mut block = slab.subrows(rows.start, rows.len()).to_owned();
            if let Some(roots) = &roots {
                dense::scale_rows(block.as_mut(), &roots[slab_rows.start + rows.start..slab_rows.start + rows.end]);
            }
            qr_r(block)
        });
        Ok(())
    });
    agree(x.layout().comm().as_ref(), passed)?;
    Ok(square(reduction.finish(), x.n_columns()))
}

/// (X T)ᵀ M (X T), symmetric; T = I where it is `None`. One pass. Collective.
///
/// A sparse M is taken as its lower triangle and half its diagonal, plus the transposed: a row needs rows before it
/// only. Of earlier slabs those rows are held that later ones still need, a few layers of the mesh where its numbering
/// follows its shape.
pub fn gram(x: &dyn Slabs, m: &InnerProduct, t: Option<MatRef<'_, f64>>) -> Result<Mat<f64>> {
    let n = t.map_or(x.n_columns(), |t| t.ncols());
    // Another processor may have found other combinations.
    let combinations = |t: MatRef<'_, f64>| {
        let mut sum = crc32fast::Hasher::new();
        t.col_iter().for_each(|column| column.iter().for_each(|v| sum.update(&v.to_le_bytes())));
        format!("gram of combinations {:08x}", sum.finalize())
    };
    let pass = t.map_or("gram".to_string(), combinations);
    let pass = Some(pass.as_str());
    match m.sparse() {
        Some(m) => {
            let a = lower_products(x, pass, m, t, (n, n), |q, y| dense::mul(q.transpose(), y))?;
            Ok(Mat::from_fn(n, n, |i, j| a[(i, j)] + a[(j, i)]))
        }
        None => {
            let roots = match m {
                InnerProduct::Diagonal(w) => Some(square_roots(w)),
                _ => None,
            };
            let g = block_products(x, pass, t, (n, n), |rows, q| {
                let mut g = Mat::zeros(n, n);
                match &roots {
                    None => dense::syrk_lower(g.as_mut(), q),
                    Some(roots) => {
                        let mut q = q.to_owned();
                        dense::scale_rows(q.as_mut(), &roots[rows]);
                        dense::syrk_lower(g.as_mut(), q.as_ref());
                    }
                }
                g
            })?;
            Ok(symmetric(g))
        }
    }
}

/// sqrt(xᵀMx) of each column. One pass. Collective.
pub fn norms(x: &dyn Slabs, m: &InnerProduct) -> Result<Vec<f64>> {
    let n = x.n_columns();
    let dot = |a: MatRef<'_, f64>, b: MatRef<'_, f64>| {
        let of = |j: usize| a.col(j).iter().zip(b.col(j).iter()).map(|(a, b)| a * b).sum();
        Mat::from_fn(n, 1, |j, _| of(j))
    };
    let (squares, factor) = match m {
        InnerProduct::Euclidean => (block_products(x, None, None, (n, 1), |_, q| dot(q, q))?, 1.0),
        InnerProduct::Diagonal(w) => {
            let of = |rows: Range<usize>, q: MatRef<'_, f64>| {
                let mut y = q.to_owned();
                dense::scale_rows(y.as_mut(), &w[rows]);
                dot(q, y.as_ref())
            };
            (block_products(x, None, None, (n, 1), of)?, 1.0)
        }
        InnerProduct::Sparse(m) => (lower_products(x, None, (m, 1), None, (n, 1), dot)?, 2.0),
        InnerProduct::Components(m, k) => (lower_products(x, None, (m, *k), None, (n, 1), dot)?, 2.0),
    };
    Ok((0..n).map(|j| (factor * squares[(j, 0)]).max(0.0).sqrt()).collect())
}

/// VᵀMX for V in memory, with its ghosts. One pass. Collective.
pub fn cross(v: &TallMatrix, x: &dyn Slabs, m: &InnerProduct) -> Result<Mat<f64>> {
    let own = v.layout().owned();
    block_products(x, None, None, (v.n_columns(), x.n_columns()), |rows, q| {
        let mv = m.apply_rows(v.local(), own.start + rows.start..own.start + rows.end);
        dense::mul(mv.transpose(), q)
    })
}

/// Sum over blocks of `leaf` (owned rows, rows of X T).
fn block_products(
    x: &dyn Slabs,
    pass: Option<&str>,
    t: Option<MatRef<'_, f64>>,
    shape: (usize, usize),
    leaf: impl Fn(Range<usize>, MatRef<'_, f64>) -> Mat<f64> + Sync,
) -> Result<Mat<f64>> {
    let mut reduction = Reduction::new(x.layout(), add);
    let passed = noted_pass(x, pass, &mut reduction, &mut |reduction, slab_rows, slab| {
        reduction.slab(slab_rows.clone(), |rows| {
            let block = slab.subrows(rows.start, rows.len());
            let owned = slab_rows.start + rows.start..slab_rows.start + rows.end;
            match t {
                None => leaf(owned, block),
                Some(t) => leaf(owned, dense::mul(block, t).as_ref()),
            }
        });
        Ok(())
    });
    agree(x.layout().comm().as_ref(), passed)?;
    Ok(reduction.finish().unwrap_or_else(|| Mat::zeros(shape.0, shape.1)))
}

/// Sum over blocks of `leaf` (rows of Q, rows of (L + D/2) Q) with Q = X T and M = L + D + Lᵀ, the same for a number of
/// components.
fn lower_products(
    x: &dyn Slabs,
    pass: Option<&str>,
    (m, n_components): (&CsMat<f64>, usize),
    t: Option<MatRef<'_, f64>>,
    shape: (usize, usize),
    leaf: impl Fn(MatRef<'_, f64>, MatRef<'_, f64>) -> Mat<f64> + Sync,
) -> Result<Mat<f64>> {
    let layout = x.layout();
    let start = || -> Result<Held> {
        let n_below = layout.owned().start;
        let ghosts = if n_below > 0 { x.ghosts()?.subrows(0, n_below).to_owned() } else { Mat::new() };
        let rows = match t {
            Some(t) if n_below > 0 => dense::mul(ghosts.as_ref(), t),
            _ => ghosts,
        };
        Ok(Held { places: (0..n_below).map(|g| (g, g)).collect(), rows, n_ghosts: n_below })
    };
    let passed = start().and_then(|held| {
        let mut state = (Reduction::new(layout, add), held);
        // A symmetric matrix in CSC is read as its transpose.
        let matrix = if m.is_csr() { m.view() } else { m.transpose_view() };
        let rows_of = RowsOf { matrix, n_components };
        noted_pass(x, pass, &mut state, &mut |(reduction, held), slab_rows, slab| {
            let product = t.map(|t| {
                let mut q = Mat::zeros(slab.nrows(), t.ncols());
                mul_blocks(q.as_mut(), slab, t, layout.block_rows());
                q
            });
            let q = product.as_ref().map_or(slab, |q| q.as_ref());
            let lower = LowerRows::new(&rows_of, held, slab_rows.clone());
            reduction.slab(slab_rows.clone(), |rows| {
                let y = lower.times(rows.clone(), q, held.rows.as_ref());
                leaf(q.subrows(rows.start, rows.len()), y.as_ref())
            });
            held.go_on(&rows_of, slab_rows, q);
            Ok(())
        })?;
        Ok(state.0)
    });
    let reduction = agree(layout.comm().as_ref(), passed)?;
    Ok(reduction.finish().unwrap_or_else(|| Mat::zeros(shape.0, shape.1)))
}

/// Rows of a symmetric matrix of entities, the same for each of their components.
struct RowsOf<'a> {
    matrix: CsMatView<'a, f64>,
    n_components: usize,
}

impl RowsOf<'_> {
    fn n_rows(&self) -> usize {
        self.matrix.rows() * self.n_components
    }

    /// Columns and entries of a row, ascending.
    fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> {
        let (k, component) = (self.n_components, i % self.n_components);
        // Entries of a row lie one after the other.
        let entries = self.matrix.indptr().outer_inds_sz(i / k);
        let (columns, values) = (&self.matrix.indices()[entries.clone()], &self.matrix.data()[entries]);
        columns.iter().zip(values).map(move |(j, v)| (j * k + component, *v))
    }
}

/// Rows of earlier slabs, and ghosts below, that rows to come still need.
struct Held {
    /// Place in `rows` of each local row.
    places: HashMap<usize, usize>,
    rows: Mat<f64>,
    n_ghosts: usize,
}

impl Held {
    fn go_on(&mut self, m: &RowsOf<'_>, slab: Range<usize>, q: MatRef<'_, f64>) {
        let (first, end) = (self.n_ghosts + slab.start, self.n_ghosts + slab.end);
        if end >= m.n_rows() {
            return;
        }
        // The matrix is symmetric: the last column of a row is the last row that needs it. Rows of ghosts are empty.
        let needed = |j: &usize| *j < self.n_ghosts || m.row(*j).any(|(k, _)| k >= end);
        let mut old: Vec<(usize, usize)> =
            self.places.iter().map(|(j, p)| (*j, *p)).filter(|(j, _)| needed(j)).collect();
        old.sort_unstable();
        let new: Vec<usize> = (first..end).filter(needed).collect();
        let rows = Mat::from_fn(old.len() + new.len(), q.ncols(), |i, c| match old.get(i) {
            Some((_, place)) => self.rows[(*place, c)],
            None => q[(new[i - old.len()] - first, c)],
        });
        self.places = old.iter().map(|(j, _)| *j).chain(new).enumerate().map(|(place, j)| (j, place)).collect();
        self.rows = rows;
    }
}

impl Noted for Held {
    fn pack(&self, hear: &mut Hear<'_>) {
        let mut places: Vec<(usize, usize)> = self.places.iter().map(|(j, p)| (*p, *j)).collect();
        places.sort_unstable();
        hear(&[places.len() as f64]);
        hear(&places.iter().map(|(_, j)| *j as f64).collect::<Vec<_>>());
        (0..self.rows.ncols()).for_each(|j| hear(self.rows.col_as_slice(j)));
    }

    fn unpack(&mut self, note: &[f64]) {
        let [n, rest @ ..] = note else { return };
        let n = *n as usize;
        let (rows, values) = rest.split_at(n.min(rest.len()));
        self.places = rows.iter().enumerate().map(|(place, j)| (*j as usize, place)).collect();
        self.rows = Mat::from_fn(n, values.len() / n.max(1), |i, j| values[j * n + i]);
    }
}

/// The rows of L + D/2 of a slab; columns are rows of the slab, then of what is held.
struct LowerRows {
    n_slab: usize,
    starts: Vec<usize>,
    columns: Vec<usize>,
    values: Vec<f64>,
}

impl LowerRows {
    fn new(m: &RowsOf<'_>, held: &Held, slab: Range<usize>) -> LowerRows {
        let first = held.n_ghosts + slab.start;
        let (mut starts, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
        for i in first..held.n_ghosts + slab.end {
            for (j, v) in m.row(i).filter(|(j, _)| *j <= i) {
                let place = if j >= first { Some(j - first) } else { held.places.get(&j).map(|p| slab.len() + p) };
                if let Some(place) = place {
                    columns.push(place);
                    values.push(if i == j { 0.5 * v } else { v });
                }
            }
            starts.push(columns.len());
        }
        LowerRows { n_slab: slab.len(), starts, columns, values }
    }

    fn times(&self, rows: Range<usize>, q: MatRef<'_, f64>, held: MatRef<'_, f64>) -> Mat<f64> {
        let mut y = Mat::zeros(rows.len(), q.ncols());
        for c in 0..q.ncols() {
            let own = q.col(c);
            for (i, y) in rows.clone().zip(y.col_as_slice_mut(c)) {
                let entries = self.starts[i]..self.starts[i + 1];
                *y = self.columns[entries.clone()]
                    .iter()
                    .zip(&self.values[entries])
                    .map(|(&k, v)| v * if k < self.n_slab { own[k] } else { held[(k - self.n_slab, c)] })
                    .sum();
            }
        }
        y
    }
}
