//! Tall matrices slab by slab give what they give whole.

use crate::linalg::{chain, random};
use faer::Mat;
use kolmo::algorithms::incremental_svd::{IncrementalOptions, incremental_svd};
use kolmo::algorithms::pod::{Algorithm, PodOptions, Truncation, pod};
use kolmo::comm::run_on_threads;
use kolmo::error::Result;
use kolmo::linalg::inner_product::{InnerProduct, orthonormalize};
use kolmo::linalg::slab_products;
use kolmo::linalg::slabs::{Slabs, Visit, mul_small};
use kolmo::linalg::tall::{BLOCK_ROWS, Layout, TallMatrix};
use kolmo::mesh::mass_matrix::expand_components;
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

/// One matrix for all components gives the bits of the matrix that is written out for them.
#[test]
fn components_share_a_matrix() {
    let (entities, k) = (7000, 3);
    let m = entities * k;
    let scalar = chain(entities);
    let (shared, whole) =
        (InnerProduct::Components(scalar.clone(), k), InnerProduct::Sparse(expand_components(&scalar, k)));
    assert!(shared.check(m).is_ok() && shared.check(m - 1).is_err() && shared.check(entities).is_err());
    let local = random(m, N, 3);
    for (size, per_slab) in [(1, m), (1, BLOCK_ROWS / k * k), (3, m)] {
        run_on_threads(size, |comm| {
            let even = Layout::even(entities, k, comm);
            let (layout, part) = shared.of_rank(&even).unwrap();
            let products = match &part {
                InnerProduct::Components(part, _) if size > 1 => {
                    [InnerProduct::Components(part.clone(), k), InnerProduct::Sparse(expand_components(part, k))]
                }
                _ => [shared.clone(), whole.clone()],
            };
            let rows = layout.rows();
            let x = TallMatrix::new(layout.clone(), Mat::from_fn(rows.len(), N, |i, j| local[(rows[i], j)])).unwrap();
            let slabs = Pieces { whole: x.clone(), per_slab };
            let of = |product: &InnerProduct| {
                let v = orthonormalize(&x, product).unwrap();
                let mut svd = incremental_svd(layout.clone(), product.clone(), &IncrementalOptions::default()).unwrap();
                svd.append(&x).unwrap();
                let options = PodOptions { truncation: Truncation::Modes(3), ..PodOptions::default() };
                [
                    slab_products::gram(&slabs, product, None).unwrap(),
                    slab_products::cross(&v, &slabs, product).unwrap(),
                    product.gram(&x),
                    Mat::from_fn(N, 1, |j, _| product.norms(&x)[j]),
                    Mat::from_fn(N, 1, |j, _| slab_products::norms(&slabs, product).unwrap()[j]),
                    pod(&slabs, product, &options).unwrap().basis.into_local(),
                    svd.into_svd().unwrap().basis.into_local(),
                    v.into_local(),
                ]
            };
            let [found, expected] = products.map(|product| of(&product));
            (0..found.len()).for_each(|i| assert!(found[i] == expected[i], "{size} ranks, number {i}"));
        });
    }
}
