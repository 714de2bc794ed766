//! Where the incremental decomposition of a POD is cut.

use crate::incremental_svd::waves;
use crate::linalg::tall;
use kolmo::algorithms::pod::{Algorithm, PodOptions, Truncation, pod};
use kolmo::algorithms::pod_spectrum::spectrum;
use kolmo::linalg::inner_product::InnerProduct;

/// The truncation is that of a batch decomposition, with the certificate among what is discarded: also below sqrt(eps),
/// where the difference of two sums of squares is round-off.
#[test]
fn as_many_modes_as_a_batch_decomposition_keeps() {
    let a = waves(8000, 120);
    let x = tall(&a);
    for tolerance in [1e-5, 1e-7, 1e-9] {
        let options = |algorithm, tolerance| PodOptions {
            algorithm,
            truncation: Truncation::Tolerance(tolerance),
            ..PodOptions::default()
        };
        let of = |algorithm| pod(&x, &InnerProduct::Euclidean, &options(algorithm, tolerance)).unwrap();
        let (found, batch) = (of(Algorithm::Incremental), of(Algorithm::Tsqr));
        println!("tolerance {tolerance:e}: {} modes, {} of a batch", found.n_modes(), batch.n_modes());
        assert_eq!(found.n_modes(), batch.n_modes(), "tolerance {tolerance:e}");
        assert!(found.projection_error <= tolerance && found.unseen > 0.0 && batch.unseen == 0.0);
        assert!((found.projection_error / batch.projection_error - 1.0).abs() < 1e-2);
        assert_eq!(found.count(Truncation::Tolerance(tolerance)), found.n_modes());
        assert_eq!(found.projection_error_of(found.n_modes()), found.projection_error);
        // A fit cuts a decomposition to a lower tolerance.
        let wide = spectrum(&x, &InnerProduct::Euclidean, &options(Algorithm::Incremental, tolerance / 50.0)).unwrap();
        assert_eq!(wide.count(Truncation::Tolerance(tolerance)), batch.n_modes(), "tolerance {tolerance:e}");
    }
}
