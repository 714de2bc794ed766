//! Heat conduction in a square of blocks, by linear finite elements on a structured grid of triangles.
//!
//!     -div(k grad u) = 1 in the unit square,     u = 0 on the boundary,     k = mu_q in block q
//!
//! One matrix per block, all on one pattern; the dofs are the points inside.

use faer::Mat;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::terms::{Pattern, TermsInMemory};
use kolmo::offline::reduced_basis::AffineProblem;
use sprs::CsMat;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The matrices, the load and the outputs.
pub struct Blocks {
    /// ∫ grad v . grad w over each block, rows of blocks from below.
    pub terms: TermsInMemory<f64>,
    /// ∫ v w.
    pub mass: Vec<f64>,
    /// ∫ v, over the square and over block 0.
    pub load: Vec<f64>,
    pub corner: Vec<f64>,
}

impl Blocks {
    /// n x n squares, each cut into two triangles; `side` x `side` blocks, side a divisor of n.
    pub fn new(n: usize, side: usize) -> Blocks {
        assert!(n.is_multiple_of(side) && n > 1, "{side} blocks do not fit on {n} squares");
        let h = 1.0 / n as f64;
        let inside = |i: usize, j: usize| (i > 0 && j > 0 && i < n && j < n).then(|| (j - 1) * (n - 1) + i - 1);
        let n_dofs = (n - 1) * (n - 1);
        let mut rows: Vec<BTreeMap<usize, (Vec<f64>, f64)>> = vec![BTreeMap::new(); n_dofs];
        let (mut load, mut corner) = (vec![0.0; n_dofs], vec![0.0; n_dofs]);
        for (j, i) in (0..n).flat_map(|j| (0..n).map(move |i| (j, i))) {
            let block = (j * side / n) * side + i * side / n;
            let [a, b, c, d] = [inside(i, j), inside(i + 1, j), inside(i + 1, j + 1), inside(i, j + 1)];
            // Gradients of the shape functions, times h.
            for (nodes, gradients) in [
                ([a, b, c], [[-1.0, 0.0], [1.0, -1.0], [0.0, 1.0]]),
                ([a, c, d], [[0.0, -1.0], [1.0, 0.0], [-1.0, 1.0]]),
            ] {
                for (v, row) in nodes.iter().enumerate().filter_map(|(v, p)| p.map(|p| (v, p))) {
                    load[row] += h * h / 6.0;
                    corner[row] += if block == 0 { h * h / 6.0 } else { 0.0 };
                    for (w, column) in nodes.iter().enumerate().filter_map(|(w, p)| p.map(|p| (w, p))) {
                        let entry = rows[row].entry(column).or_insert_with(|| (vec![0.0; side * side], 0.0));
                        let product: f64 = (0..2).map(|x| gradients[v][x] * gradients[w][x]).sum();
                        entry.0[block] += 0.5 * product;
                        entry.1 += h * h / if v == w { 12.0 } else { 24.0 };
                    }
                }
            }
        }
        let mut indptr = vec![0];
        rows.iter().for_each(|row| indptr.push(indptr[indptr.len() - 1] + row.len()));
        let entries = || rows.iter().flat_map(BTreeMap::iter);
        let indices = entries().map(|(column, _)| *column).collect();
        let values = (0..side * side).map(|q| entries().map(|(_, e)| e.0[q]).collect()).collect();
        let pattern = Arc::new(Pattern::Sparse { indptr, indices });
        Blocks { terms: TermsInMemory { pattern, values }, mass: entries().map(|(_, e)| e.1).collect(), load, corner }
    }

    /// Number of dofs.
    pub fn n_dofs(&self) -> usize {
        self.load.len()
    }

    /// The matrix of these numbers.
    pub fn matrix(&self, values: &[f64]) -> CsMat<f64> {
        let Pattern::Sparse { indptr, indices } = self.terms.pattern.as_ref() else { unreachable!("a sparse pattern") };
        CsMat::new((self.n_dofs(), self.n_dofs()), indptr.clone(), indices.clone(), values.to_vec())
    }

    /// The matrix for mu = 1: ∫ grad v . grad w.
    pub fn energy(&self) -> CsMat<f64> {
        let sum = |e: usize| self.terms.values.iter().map(|v| v[e]).sum();
        self.matrix(&(0..self.mass.len()).map(sum).collect::<Vec<f64>>())
    }

    /// The problem; outputs are the integrals of u over the square and over block 0; X is that of mu = 1.
    pub fn problem(&self) -> AffineProblem<'_, f64> {
        let column = |v: &[f64]| Mat::from_fn(v.len(), 1, |i, _| v[i]);
        AffineProblem {
            matrices: &self.terms,
            rhs: column(&self.load),
            outputs: vec![column(&self.load), column(&self.corner)],
            inner_product: InnerProduct::Sparse(self.energy()),
        }
    }
}
