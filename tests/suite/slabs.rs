//! Tall matrices slab by slab give what they give whole.

use crate::linalg::random;
use faer::Mat;
use kolmo::algorithms::pod::{Algorithm, PodOptions, Truncation, pod};
use kolmo::error::Result;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::slab_products;
use kolmo::linalg::slabs::{Slabs, Visit, mul_small};
use kolmo::linalg::tall::{BLOCK_ROWS, Layout, TallMatrix};
use sprs::TriMat;
use std::sync::Arc;

/// A matrix in memory that is handed over `per_slab` rows at a time.
struct Pieces {
    whole: TallMatrix,
    per_slab: usize,
}

impl Slabs for Pieces {
    fn layout(&self) -> &Arc<Layout> {
        self.whole.layout()
    }

    fn n_columns(&self) -> usize {
        self.whole.n_columns()
    }

    fn pass(&self, visit: &mut Visit<'_>) -> Result<()> {
        let owned = self.whole.owned();
        for start in (0..owned.nrows()).step_by(self.per_slab) {
            let len = self.per_slab.min(owned.nrows() - start);
            visit(start..start + len, owned.subrows(start, len))?;
        }
        Ok(())
    }

    fn ghosts(&self) -> Result<Mat<f64>> {
        Slabs::ghosts(&self.whole)
    }
}

const N: usize = 5;

fn products(m: usize) -> [InnerProduct; 3] {
    // Neighbours near and far, as in a mesh whose numbering jumps.
    let mut sparse = TriMat::new((m, m));
    for i in 0..m {
        sparse.add_triplet(i, i, 4.0 + (i % 3) as f64);
        for j in [i + 1, i + 9000].into_iter().filter(|j| *j < m) {
            sparse.add_triplet(i, j, 0.5);
            sparse.add_triplet(j, i, 0.5);
        }
    }
    let weights = (0..m).map(|i| 0.5 + (i % 7) as f64).collect();
    [InnerProduct::Euclidean, InnerProduct::Diagonal(weights), InnerProduct::Sparse(sparse.to_csr())]
}

#[test]
fn slabs_of_any_size_give_the_same_bits() {
    let m = 3 * BLOCK_ROWS + 1234;
    let x = TallMatrix::new(Layout::serial(m), random(m, N, 3)).unwrap();
    let t = random(N, 3, 4);
    for product in products(m) {
        let of = |slabs: &dyn Slabs| {
            let mut found = vec![
                slab_products::tsqr(slabs, &product).unwrap(),
                slab_products::gram(slabs, &product, None).unwrap(),
                slab_products::gram(slabs, &product, Some(t.as_ref())).unwrap(),
                slab_products::cross(&x, slabs, &product).unwrap(),
                mul_small(slabs, t.as_ref()).unwrap().into_local(),
            ];
            let norms = slab_products::norms(slabs, &product).unwrap();
            found.push(Mat::from_fn(N, 1, |i, _| norms[i]));
            for (algorithm, center) in
                [(Algorithm::Gram, false), (Algorithm::Tsqr, true), (Algorithm::Randomized, true)]
            {
                let weights = center.then(|| (0..N).map(|j| 1.0 + j as f64).collect());
                let o = PodOptions { truncation: Truncation::Modes(3), algorithm, center, weights, seed: 1 };
                let p = pod(slabs, &product, &o).unwrap();
                found.extend([p.basis.into_local(), p.coefficients]);
            }
            found
        };
        let expected = of(&x);
        // The slow reference.
        let applied = |a: &TallMatrix| product.cross(a, a);
        assert!((&expected[1] - applied(&x)).norm_max() < 1e-9 * expected[1].norm_max());
        assert!((&expected[2] - applied(&x.mul_small(t.as_ref()))).norm_max() < 1e-9 * expected[2].norm_max());
        for blocks in [1, 2, 3] {
            let found = of(&Pieces { whole: x.clone(), per_slab: blocks * BLOCK_ROWS });
            for (k, (a, b)) in found.iter().zip(&expected).enumerate() {
                assert!(a == b, "result {k} in slabs of {blocks} blocks");
            }
        }
    }
}
