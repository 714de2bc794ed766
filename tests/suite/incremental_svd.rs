//! Incremental SVD: the certificate against the measured error, the spectrum against a batch SVD, changes and removals,
//! restart to the bit, ranks and threads.

use crate::linalg::{chain, random, tall};
use crate::tool::{Stacked, kolmo, write_text};
use faer::Mat;
use kolmo::algorithms::incremental_svd::{IncrementalOptions, IncrementalSvd, Svd, incremental_svd};
use kolmo::algorithms::pod::{Algorithm, Pod, PodOptions, Truncation, pod};
use kolmo::comm::run_on_threads;
use kolmo::io::pod_model::read;
use kolmo::linalg::dense;
use kolmo::linalg::inner_product::{InnerProduct, orthonormality};
use kolmo::linalg::tall::{Layout, TallMatrix, gather_rows};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::f64::consts::PI;

fn products(n: usize) -> [InnerProduct; 3] {
    let weights = (0..n).map(|i| 10f64.powi((i % 5) as i32 - 2)).collect();
    [InnerProduct::Euclidean, InnerProduct::Diagonal(weights), InnerProduct::Sparse(chain(n))]
}

/// m x n with singular values sigma (Euclidean), of random vectors.
fn of_spectrum(m: usize, n: usize, sigma: impl Fn(usize) -> f64, seed: u64) -> Mat<f64> {
    let (u, _, _) = dense::thin_svd(random(m, n, seed).as_ref()).unwrap();
    let (_, _, v) = dense::thin_svd(random(n, n, seed + 1).as_ref()).unwrap();
    let v = Mat::from_fn(n, n, |i, j| sigma(i) * v[(j, i)]);
    dense::mul(u.as_ref(), v.as_ref())
}

fn columns(a: &Mat<f64>, from: usize, to: usize) -> TallMatrix {
    tall(&a.as_ref().subcols(from, to - from).to_owned())
}

fn start(a: &Mat<f64>, m: &InnerProduct, options: &IncrementalOptions) -> IncrementalSvd {
    incremental_svd(Layout::serial(a.nrows()), m.clone(), options).unwrap()
}

/// Appends in blocks of `s`.
fn stream(a: &Mat<f64>, m: &InnerProduct, options: &IncrementalOptions, s: usize) -> IncrementalSvd {
    let mut svd = start(a, m, options);
    for from in (0..a.ncols()).step_by(s) {
        svd.append(&columns(a, from, (from + s).min(a.ncols()))).unwrap();
    }
    svd
}

fn frobenius(a: &Mat<f64>, m: &InnerProduct) -> f64 {
    m.norms(&tall(a)).iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// ||A - V S Wᵀ||, by subtraction.
fn true_error(a: &Mat<f64>, m: &InnerProduct, svd: &Svd) -> f64 {
    frobenius(&(a - dense::mul(svd.basis.local(), svd.coefficients().unwrap().as_ref())), m)
}

/// Singular values in M, by Cholesky of the whole matrix.
fn singular_values(a: &Mat<f64>, m: &InnerProduct) -> Vec<f64> {
    let n = a.nrows();
    let full = match m {
        InnerProduct::Euclidean => Mat::identity(n, n),
        InnerProduct::Diagonal(w) => Mat::from_fn(n, n, |i, j| if i == j { w[i] } else { 0.0 }),
        InnerProduct::Sparse(m) => Mat::from_fn(n, n, |i, j| m.get(i, j).copied().unwrap_or(0.0)),
        InnerProduct::Components(..) => unreachable!("no such product here"),
    };
    let l = dense::cholesky(full.as_ref(), "M").unwrap();
    dense::thin_svd(dense::mul(l.transpose(), a.as_ref()).as_ref()).unwrap().1
}

fn check(svd: &Svd, m: &InnerProduct) {
    assert!(orthonormality(&svd.basis, m) <= 1e-12, "VᵀMV off by {:e}", orthonormality(&svd.basis, m));
    let w = svd.right.as_ref().unwrap();
    assert!(orthonormality(&tall(w), &InnerProduct::Euclidean) <= 1e-12);
    assert!((0..svd.basis.n_columns()).all(|j| svd.basis.argmax_abs(j).0 > 0.0));
}

#[test]
fn the_certificate_of_appended_columns_is_the_error() {
    let a = of_spectrum(500, 120, |j| 10f64.powf(-(j as f64) / 12.0), 1);
    for m in products(500) {
        let spectrum = singular_values(&a, &m);
        let best = spectrum[15..].iter().map(|s| s * s).sum::<f64>().sqrt();
        for (block, s) in [(10, 10), (1, 7), (32, 5), (120, 60), (500, 120)] {
            let options = IncrementalOptions { tolerance: 0.0, max_modes: Some(15), block, right: true };
            let svd = stream(&a, &m, &options, s).finish().unwrap();
            let truth = true_error(&a, &m, &svd);
            assert!(svd.exact && (svd.error / truth - 1.0).abs() <= 1e-10, "{} and {truth}", svd.error);
            assert!(truth >= best * (1.0 - 1e-12) && truth <= 1.1 * best, "{truth} where {best} is possible");
            assert!((svd.total.sqrt() / frobenius(&a, &m) - 1.0).abs() < 1e-12);
            assert_eq!((svd.n_columns, svd.basis.n_columns()), (120, 15));
            check(&svd, &m);
            // No mode is invented: each singular value is below the true one, and not by more than the bound says.
            for (found, truth) in svd.singular_values.iter().zip(&spectrum) {
                assert!(*found <= truth * (1.0 + 1e-12) && *truth <= found.hypot(svd.error) * (1.0 + 1e-12));
            }
        }
    }
}

#[test]
fn without_truncation_it_is_a_batch_decomposition() {
    let a = of_spectrum(300, 40, |j| 10f64.powf(-10.0 * j as f64 / 39.0), 5);
    for m in products(300) {
        let truth = singular_values(&a, &m);
        let options = IncrementalOptions { tolerance: 0.0, block: 6, ..IncrementalOptions::default() };
        let svd = stream(&a, &m, &options, 4).finish().unwrap();
        assert_eq!(svd.singular_values.len(), 40);
        for (j, (found, truth_j)) in svd.singular_values.iter().zip(&truth).enumerate() {
            assert!((found - truth_j).abs() <= 1e-13 * truth[0], "sigma_{j}: {found:e} and {truth_j:e}");
        }
        assert!(true_error(&a, &m, &svd) <= 1e-13 * truth[0]);
        check(&svd, &m);
    }
}

/// The stream of slowly falling waves with noise far below the tolerance.
pub fn waves(n: usize, m: usize) -> Mat<f64> {
    let mut rng = StdRng::seed_from_u64(7);
    let phase = |k: usize| 2.0 * PI * (0.618_033_988_749_894_9 * k as f64).fract();
    let left = Mat::from_fn(n, 60, |i, k| {
        let k = k + 1;
        2f64.powf(-(k as f64) / 1.5) * (k as f64 * PI * (i as f64 + 0.5) / n as f64 + phase(k)).sin()
    });
    let right = Mat::from_fn(60, m, |k, j| ((k + 1) as f64 * PI * j as f64 / (m - 1) as f64).cos());
    let mut s = dense::mul(left.as_ref(), right.as_ref());
    s.col_iter_mut().for_each(|c| c.iter_mut().for_each(|v| *v += 1e-10 * rng.random_range(-1.0..1.0)));
    s
}

#[test]
fn no_mode_is_invented_near_the_tolerance() {
    let a = waves(20_000, 200);
    let (_, truth, _) = dense::thin_svd(a.as_ref()).unwrap();
    let total = truth.iter().map(|s| s * s).sum::<f64>().sqrt();
    for factor in [1.0, 1e-60, 1e60] {
        for (tolerance, block, s) in [(1e-7, 32, 1), (1e-7, 5, 5), (1e-5, 32, 20), (1e-9, 16, 40)] {
            let scaled = Mat::from_fn(a.nrows(), a.ncols(), |i, j| factor * a[(i, j)]);
            let options = IncrementalOptions { tolerance, block, ..IncrementalOptions::default() };
            let svd = stream(&scaled, &InnerProduct::Euclidean, &options, s).finish().unwrap();
            let above = truth.iter().filter(|s| **s > tolerance * total).count();
            let off = |j: usize| (svd.singular_values[j] / factor / truth[j] - 1.0).abs();
            let worst = (0..svd.singular_values.len()).map(off).fold(0.0, f64::max);
            println!(
                "tolerance {tolerance:e}, blocks of {block}: {} modes of {above}, off {worst:.1e}",
                svd.singular_values.len()
            );
            assert!(svd.singular_values.len() <= above && svd.singular_values.len() + 1 >= above);
            assert!(worst <= 1e-3);
            check(&svd, &InnerProduct::Euclidean);
        }
    }
}

#[test]
fn round_off_is_no_mode() {
    // Three directions, over and over, beside columns that are tiny, zero, or copies of each other.
    let basis = random(400, 3, 3);
    let mut rng = StdRng::seed_from_u64(4);
    let mut a = Mat::zeros(400, 90);
    for j in 0..90 {
        let scale = [1.0, 1e-9, 0.0, 1e6][j % 4];
        for k in 0..3 {
            let c = scale * rng.random_range(-1.0..1.0);
            (0..400).for_each(|i| a[(i, j)] += c * basis[(i, k)]);
        }
    }
    for m in products(400) {
        let options = IncrementalOptions { tolerance: 0.0, block: 8, ..IncrementalOptions::default() };
        let svd = stream(&a, &m, &options, 3).finish().unwrap();
        assert_eq!(svd.singular_values.len(), 3, "{:?}", svd.singular_values);
        assert!(svd.error <= 1e-12 * svd.total.sqrt());
        check(&svd, &m);
    }
    let zero =
        stream(&Mat::zeros(20, 7), &InnerProduct::Euclidean, &IncrementalOptions::default(), 2).finish().unwrap();
    assert_eq!((zero.singular_values.len(), zero.error, zero.n_columns), (0, 0.0, 7));
    assert_eq!(zero.right.unwrap().nrows(), 7);
    let wide = random(5, 60, 9);
    let svd = stream(&wide, &InnerProduct::Euclidean, &IncrementalOptions::default(), 9).finish().unwrap();
    assert!(svd.singular_values.len() == 5 && true_error(&wide, &InnerProduct::Euclidean, &svd) < 1e-12);
    let none = start(&wide, &InnerProduct::Euclidean, &IncrementalOptions::default()).finish().unwrap();
    assert_eq!((none.singular_values.len(), none.n_columns), (0, 0));
}

#[test]
fn long_streams_stay_orthonormal() {
    let m = InnerProduct::Diagonal((0..600).map(|i| 1.0 + (i % 3) as f64).collect());
    let a = random(600, 2000, 11);
    let options = IncrementalOptions { tolerance: 0.0, max_modes: Some(8), block: 2, right: true };
    let svd = stream(&a, &m, &options, 2).finish().unwrap();
    let truth = true_error(&a, &m, &svd);
    assert!((svd.error / truth - 1.0).abs() <= 1e-10, "{} and {truth}", svd.error);
    println!("after 1,000 updates: VᵀMV off by {:.1e}", orthonormality(&svd.basis, &m));
    check(&svd, &m);
}

#[test]
fn changes_of_low_rank() {
    let n = 250;
    let a = of_spectrum(n, 60, |j| 0.7f64.powi(j as i32), 21);
    let (left, right) = (random(n, 3, 22), Mat::from_fn(60, 3, |i, j| (0.1 * (i * (j + 1)) as f64).cos()));
    let changed = &a + dense::mul(left.as_ref(), right.transpose());
    let rows = [3, 100, 101, 249];
    let new = random(4, 60, 23);
    let mut finally = changed.clone();
    for (i, row) in rows.iter().enumerate() {
        (0..60).for_each(|j| finally[(*row, j)] += new[(i, j)]);
    }
    for m in products(n) {
        for max_modes in [None, Some(12)] {
            let options = IncrementalOptions { tolerance: 1e-9, max_modes, block: 16, right: true };
            let mut svd = stream(&a, &m, &options, 10);
            svd.update(&tall(&left), &right).unwrap();
            svd.update_rows(&rows, &new).unwrap();
            // Columns go on being appended afterwards.
            svd.append(&columns(&a, 0, 20)).unwrap();
            let whole = Mat::from_fn(n, 80, |i, j| if j < 60 { finally[(i, j)] } else { a[(i, j - 60)] });
            let svd = svd.finish().unwrap();
            let (truth, spectrum) = (true_error(&whole, &m, &svd), singular_values(&whole, &m));
            let size = frobenius(&whole, &m);
            assert!(truth <= svd.error * (1.0 + 1e-10) + 1e-13 * size, "{truth} above the bound {}", svd.error);
            let most = if max_modes.is_some() { 0.5 } else { 1e-7 };
            assert!(svd.error <= most * size, "a bound of {} says nothing", svd.error);
            let off = (svd.singular_values[0] / spectrum[0] - 1.0).abs();
            assert!(off <= svd.error / size + 1e-12, "{off}");
            check(&svd, &m);
        }
    }
    let mut svd = stream(&a, &InnerProduct::Euclidean, &IncrementalOptions::default(), 60);
    assert!(svd.update(&tall(&left), &random(59, 3, 0)).is_err());
    assert!(svd.update(&tall(&random(249, 3, 0)), &right).is_err());
    assert!(svd.update_rows(&[250], &random(1, 60, 0)).is_err());
    let options = IncrementalOptions { right: false, ..IncrementalOptions::default() };
    assert!(stream(&a, &InnerProduct::Euclidean, &options, 60).update(&tall(&left), &right).is_err());
}

#[test]
fn new_degrees_of_freedom() {
    let (n, all) = (200, 230);
    let whole = of_spectrum(all, 30, |j| 0.5f64.powi(j as i32), 31);
    // Every eighth row and the end are new.
    let is_new = |i: usize| (i.is_multiple_of(8) && i < 160) || i >= 220;
    let places: Vec<usize> = (0..all).filter(|i| !is_new(*i)).collect();
    assert_eq!(places.len(), n);
    let old = Mat::from_fn(n, 30, |i, j| whole[(places[i], j)]);
    let weights: Vec<f64> = (0..all).map(|i| 1.0 + (i % 4) as f64).collect();
    let m_old = InnerProduct::Diagonal(places.iter().map(|p| weights[*p]).collect());
    let m = InnerProduct::Diagonal(weights);
    let options = IncrementalOptions { tolerance: 1e-10, ..IncrementalOptions::default() };
    let mut svd = stream(&old, &m_old, &options, 30);
    assert!(svd.extend(Layout::serial(all), m.clone(), &places[1..]).is_err());
    assert!(svd.extend(Layout::serial(all), m.clone(), &vec![0; n]).is_err());
    assert!(svd.extend(Layout::serial(all), InnerProduct::Euclidean, &places).is_err());
    svd.extend(Layout::serial(all), m.clone(), &places).unwrap();
    let rows: Vec<usize> = (0..all).filter(|i| is_new(*i)).collect();
    svd.update_rows(&rows, &Mat::from_fn(rows.len(), 30, |i, j| whole[(rows[i], j)])).unwrap();
    let svd = svd.finish().unwrap();
    let (truth, spectrum) = (true_error(&whole, &m, &svd), singular_values(&whole, &m));
    let round_off = 1e-14 * spectrum[0];
    assert!(truth <= svd.error + round_off && svd.error <= 1e-8 * spectrum[0], "{truth} and {}", svd.error);
    assert!((0..20).all(|j| (svd.singular_values[j] / spectrum[j] - 1.0).abs() < 1e-6));
    check(&svd, &m);
}

#[test]
fn old_columns_are_removed_and_forgotten() {
    let a = of_spectrum(220, 80, |j| 0.8f64.powi(j as i32), 41);
    for m in products(220) {
        let options = IncrementalOptions { tolerance: 0.0, max_modes: Some(25), block: 8, right: true };
        let mut svd = stream(&a.as_ref().subcols(0, 60).to_owned(), &m, &options, 8);
        let gone = [0, 7, 8, 9, 30, 59, 59];
        svd.remove_columns(&gone).unwrap();
        svd.append(&columns(&a, 60, 80)).unwrap();
        assert_eq!(svd.n_columns(), 74);
        let svd = svd.finish().unwrap();
        let rest: Vec<usize> = (0..80).filter(|j| !gone.contains(j)).collect();
        let left = Mat::from_fn(220, 74, |i, j| a[(i, rest[j])]);
        let truth = true_error(&left, &m, &svd);
        assert!(!svd.exact && truth <= svd.error && svd.error <= 3.0 * truth, "{truth} and {}", svd.error);
        check(&svd, &m);
    }
    // A window that slides over the stream, and weights that fade.
    let m = InnerProduct::Euclidean;
    let options = IncrementalOptions { tolerance: 1e-12, block: 4, ..IncrementalOptions::default() };
    let mut window = start(&a, &m, &options);
    let mut fading = start(&a, &m, &options);
    for j in (0..80).step_by(4) {
        window.append(&columns(&a, j, j + 4)).unwrap();
        if window.n_columns() > 20 {
            window.remove_columns(&[0, 1, 2, 3]).unwrap();
        }
        fading.append(&columns(&a, j, j + 4)).unwrap();
        fading.scale(0.5).unwrap();
    }
    let svd = window.finish().unwrap();
    let last = a.as_ref().subcols(60, 20).to_owned();
    assert!(true_error(&last, &m, &svd) <= svd.error + 1e-13 && svd.error < 1e-9);
    let svd = fading.finish().unwrap();
    let faded = Mat::from_fn(220, 80, |i, j| a[(i, j)] * 0.5f64.powi(20 - (j / 4) as i32));
    let truth = singular_values(&faded, &m);
    assert!((svd.singular_values[0] / truth[0] - 1.0).abs() < 1e-10);
    assert!(true_error(&faded, &m, &svd) <= svd.error + 1e-13);
    let mut all = stream(&a, &m, &IncrementalOptions::default(), 80);
    assert!(all.remove_columns(&[80]).is_err() && all.scale(0.0).is_err() && all.scale(f64::NAN).is_err());
    all.remove_columns(&(0..80).collect::<Vec<_>>()).unwrap();
    assert_eq!(all.n_columns(), 0);
    all.append(&columns(&a, 0, 3)).unwrap();
    assert_eq!(all.finish().unwrap().singular_values.len(), 3);
}

#[test]
fn a_restart_goes_on_to_the_bit() {
    let a = of_spectrum(300, 50, |j| 0.6f64.powi(j as i32), 51);
    for m in products(300) {
        for right in [true, false] {
            let options = IncrementalOptions { tolerance: 1e-8, max_modes: Some(20), block: 6, right };
            let undisturbed = stream(&a, &m, &options, 5);
            for stop in [0, 5, 25, 45] {
                let mut first = start(&a, &m, &options);
                for j in (0..stop).step_by(5) {
                    first.append(&columns(&a, j, j + 5)).unwrap();
                }
                let bytes = first.to_bytes();
                let mut again = IncrementalSvd::from_bytes(Layout::serial(300), m.clone(), &bytes).unwrap();
                assert!(again.to_bytes() == bytes, "after {stop} columns");
                for j in (stop..50).step_by(5) {
                    again.append(&columns(&a, j, j + 5)).unwrap();
                }
                assert!(again.to_bytes() == undisturbed.to_bytes(), "after {stop} columns");
            }
        }
    }
    let m = InnerProduct::Euclidean;
    let bytes = stream(&a, &m, &IncrementalOptions::default(), 50).to_bytes();
    let read = |n: usize, bytes: &[u8]| IncrementalSvd::from_bytes(Layout::serial(n), m.clone(), bytes);
    assert!(read(300, &bytes).is_ok() && read(299, &bytes).is_err());
    assert!(read(300, &[]).is_err() && read(300, &bytes[..bytes.len() - 1]).is_err());
    for at in (0..bytes.len()).step_by(997) {
        let mut bad = bytes.clone();
        bad[at] ^= 4;
        assert!(read(300, &bad).is_err(), "byte {at}");
    }
}

#[test]
fn the_same_on_any_number_of_threads_and_ranks() {
    let (n, s) = (30_000, 24);
    let entry = |i: usize, j: usize| {
        let x = i as f64 / n as f64;
        (-(3.0 * x - j as f64 / 8.0).powi(2)).exp() + 1e-6 * (40.0 * x * (j + 1) as f64).sin()
    };
    let a = Mat::from_fn(n, s, entry);
    let options = IncrementalOptions { tolerance: 1e-5, block: 7, ..IncrementalOptions::default() };
    for product in [InnerProduct::Euclidean, InnerProduct::Sparse(chain(n))] {
        let expected = stream(&a, &product, &options, 5).finish().unwrap();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| stream(&a, &product, &options, 5).finish()).unwrap();
            assert!(found.basis.local() == expected.basis.local(), "{threads} threads");
        }
        for size in [2, 3, 7] {
            run_on_threads(size, |comm| {
                let even = Layout::even(n, 1, comm.clone());
                let (layout, part) = product.of_rank(&even).unwrap();
                let rows = layout.rows();
                let mut svd = incremental_svd(layout.clone(), part.clone(), &options).unwrap();
                for from in (0..s).step_by(5) {
                    let block = Mat::from_fn(rows.len(), 5.min(s - from), |i, j| entry(rows[i], from + j));
                    svd.append(&TallMatrix::new(layout.clone(), block).unwrap()).unwrap();
                }
                let bytes = svd.to_bytes();
                let svd = IncrementalSvd::from_bytes(layout.clone(), part, &bytes).unwrap().finish().unwrap();
                for (found, truth) in svd.singular_values.iter().zip(&expected.singular_values) {
                    assert!((found - truth).abs() <= 1e-13 * expected.singular_values[0], "{size} ranks");
                }
                assert!((svd.error / expected.error - 1.0).abs() < 1e-8);
                let own: Vec<usize> = layout.local_range().collect();
                let basis = gather_rows(comm.as_ref(), &own, svd.basis.owned(), n);
                assert!((basis - expected.basis.local()).norm_max() < 1e-8, "{size} ranks");
            });
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let a = random(30, 4, 61);
    for options in [
        IncrementalOptions { tolerance: -1.0, ..IncrementalOptions::default() },
        IncrementalOptions { tolerance: f64::NAN, ..IncrementalOptions::default() },
        IncrementalOptions { max_modes: Some(0), ..IncrementalOptions::default() },
        IncrementalOptions { block: 0, ..IncrementalOptions::default() },
    ] {
        assert!(incremental_svd(Layout::serial(30), InnerProduct::Euclidean, &options).is_err(), "{options:?}");
    }
    let options = IncrementalOptions::default();
    assert!(incremental_svd(Layout::serial(30), InnerProduct::Diagonal(vec![1.0; 29]), &options).is_err());
    let mut svd = start(&a, &InnerProduct::Euclidean, &options);
    svd.append(&tall(&a)).unwrap();
    assert!(svd.append(&tall(&random(29, 1, 0))).is_err());
    let mut bad = a.clone();
    bad[(3, 2)] = f64::NAN;
    let message = svd.append(&tall(&bad)).unwrap_err().to_string();
    assert!(message.contains("column 2"), "{message}");
    // What was refused has left no trace.
    assert_eq!(svd.finish().unwrap().n_columns, 4);
    let indefinite = InnerProduct::Sparse(kolmo::linalg::sparse::from_triplets(
        2,
        2,
        &[(0, 0, 1.0), (1, 1, 1.0), (0, 1, 2.0), (1, 0, 2.0)],
    ));
    let mut svd = start(&Mat::zeros(2, 0), &indefinite, &options);
    svd.append(&tall(&random(2, 2, 62))).unwrap();
    assert_eq!(svd.flush().unwrap_err().code(), "K101");
}

#[test]
fn a_pod_may_take_columns_block_by_block() {
    let a = of_spectrum(400, 70, |j| 0.6f64.powi(j as i32), 71);
    for m in products(400) {
        for center in [false, true] {
            for truncation in [Truncation::Tolerance(1e-3), Truncation::Tolerance(1e-6), Truncation::Modes(9)] {
                let run = |algorithm, weights: Option<Vec<f64>>| {
                    pod(&tall(&a), &m, &PodOptions { algorithm, truncation, center, weights, seed: 0 }).unwrap()
                };
                for weights in [None, Some((0..70).map(|j| 0.5 + (j % 3) as f64).collect::<Vec<_>>())] {
                    let (found, truth) = (run(Algorithm::Incremental, weights.clone()), run(Algorithm::Tsqr, weights));
                    assert_eq!((found.algorithm, found.n_modes()), (Algorithm::Incremental, truth.n_modes()));
                    for j in 0..found.n_modes() {
                        let off = found.singular_values[j] / truth.singular_values[j] - 1.0;
                        assert!(off.abs() < 1e-3, "sigma_{j}: {off:e}");
                    }
                    let off = (found.projection_error / truth.projection_error - 1.0).abs();
                    assert!(off < 1e-2, "{} and {}", found.projection_error, truth.projection_error);
                    assert!(found.orthonormality < 1e-12);
                    let rebuilt = |p: &Pod| dense::mul(p.basis.local(), p.coefficients.as_ref());
                    let size = truth.singular_values[0];
                    assert!((rebuilt(&found) - rebuilt(&truth)).norm_max() < 20.0 * truth.projection_error * size);
                }
            }
        }
    }
    let mut bad = a.clone();
    bad[(7, 40)] = f64::NAN;
    let options = PodOptions { algorithm: Algorithm::Incremental, ..PodOptions::default() };
    let message = pod(&tall(&bad), &InnerProduct::Euclidean, &options).unwrap_err().to_string();
    assert!(message.contains("snapshot 40"), "{message}");
}

#[test]
fn a_study_may_ask_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    Stacked::new(40, 6).write(at, "train.h5");
    for center in [false, true] {
        for (name, algorithm) in [("a", "incremental"), ("b", "tsqr")] {
            let text = format!(
                "[data]\nsamples = \"train.h5\"\n[reduction]\nalgorithm = \"{algorithm}\"\ncenter = {center}\n"
            );
            write_text(at, &format!("{name}.toml"), &text);
            kolmo(at, &["fit", &format!("{name}.toml"), "-o", &format!("{name}.h5")]).success();
        }
        let [found, truth] = ["a.h5", "b.h5"].map(|name| read(&at.join(name)).unwrap().0);
        for (found, truth) in found.fields.iter().zip(&truth.fields) {
            assert_eq!(found.n_modes(), truth.n_modes());
            assert!((found.projection_error / truth.projection_error - 1.0).abs() < 1e-2);
            assert!((found.residual_square / truth.residual_square - 1.0).abs() < 1e-2);
            assert!(found.missed.iter().zip(&truth.missed).all(|(a, b)| (a - b).abs() < 1e-2 * b + 1e-6));
        }
        kolmo(at, &["check", "a.toml"]).success();
        kolmo(at, &["fit", "--append", "train.h5", "a.h5"]).success();
    }
}
