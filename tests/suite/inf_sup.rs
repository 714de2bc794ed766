//! Inf-sup constants against dense singular values, and their interpolation.

use crate::affine::{dense, random, random_terms};
use crate::coercivity::full;
use faer::{Mat, Side, c64};
use kolmo::algorithms::coercivity::{Constant, interpolated_inf_sup};
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::sparse::from_triplets;
use kolmo::offline::inf_sup::inf_sup_constants;

/// beta against singular values of L⁻¹ A L⁻ᴴ.
fn inf_sup_of<T: Scalar>(sparse: bool) {
    let n = 40;
    let terms = random_terms::<T>(n, 2, sparse, 3);
    let weights: Vec<f64> = (0..n).map(|i| 1.0 + (i % 7) as f64).collect();
    let theta = Mat::from_fn(2, 3, |q, j| T::from_parts(1.0 - 0.4 * (q * j) as f64, 0.3 * j as f64));
    let tied: Vec<_> = (0..n).flat_map(|i| [(i, i, weights[i]), (i, n - 1 - i, 0.4), (n - 1 - i, i, 0.4)]).collect();
    let tied = from_triplets(n, n, &tied);
    for x in [InnerProduct::Euclidean, InnerProduct::Diagonal(weights.clone()), InnerProduct::Sparse(tied.clone())] {
        let whole = match &x {
            InnerProduct::Euclidean => Mat::identity(n, n),
            InnerProduct::Diagonal(w) => Mat::from_fn(n, n, |i, j| if i == j { w[i] } else { 0.0 }),
            _ => full(&tied),
        };
        let l = whole.llt(Side::Lower).unwrap().L().to_owned();
        let l = Mat::from_fn(n, n, |i, j| T::real(l[(i, j)]));
        let found = inf_sup_constants(&terms, &x, theta.as_ref()).unwrap();
        for (j, found) in found.iter().enumerate() {
            let a = dense(&terms, &theta.col(j).iter().copied().collect::<Vec<T>>());
            let half = crate::affine::solved(&l, &a);
            let adjoint = |m: &Mat<T>| Mat::from_fn(n, n, |i, j| m[(j, i)].conjugate());
            let whitened = crate::affine::solved(&l, &adjoint(&half));
            let (_, sigma, _) = T::thin_svd(whitened.as_ref()).unwrap();
            let truth = sigma[n - 1];
            assert!((found - truth).abs() < 1e-10 * sigma[0], "{found} and {truth}");
        }
    }
}

#[test]
fn inf_sup_constants_are_least_singular_values() {
    inf_sup_of::<f64>(true);
    inf_sup_of::<f64>(false);
    inf_sup_of::<c64>(true);
    inf_sup_of::<c64>(false);
}

#[test]
fn interpolated_inf_sup_constants_are_marked_as_estimates() {
    let beta = |x: f64, y: f64| 0.1 * (1.5 + x.sin() * y);
    let points = random::<f64>(40, 2, 50);
    let constants: Vec<f64> = (0..40).map(|i| beta(points[(i, 0)], points[(i, 1)])).collect();
    let model = interpolated_inf_sup(points.as_ref(), &constants).unwrap();
    let test = random::<f64>(50, 2, 51);
    for i in 0..50 {
        let (constant, deviation) = model.estimate(&[test[(i, 0)], test[(i, 1)]]).unwrap();
        let truth = beta(test[(i, 0)], test[(i, 1)]);
        assert!(matches!(constant, Constant::Estimate(_)) && constant.proved().is_none());
        assert!((constant.value() / truth - 1.0).abs() < 0.02, "{constant:?} and {truth}");
        assert!(deviation >= 0.0);
    }
    for (i, truth) in constants.iter().enumerate() {
        let (constant, _) = model.estimate(&[points[(i, 0)], points[(i, 1)]]).unwrap();
        assert!((constant.value() / truth - 1.0).abs() < 1e-4, "at a training point");
    }
    assert_eq!(Constant::LowerBound(0.5).proved(), Some(0.5));
    assert_eq!(Constant::LowerBound(-0.5).proved(), None, "nothing is proved by it");
}
