//! Proper orthogonal decomposition: exact cases, guarantees, the small end of the spectrum, ranks and threads.

use crate::linalg::{chain, random, tall};
use faer::Mat;
use kolmo::algorithms::pod::{Algorithm, Pod, PodOptions, Truncation, pod};
use kolmo::comm::run_on_threads;
use kolmo::linalg::inner_product::{InnerProduct, orthonormality};
use kolmo::linalg::tall::{Layout, TallMatrix, gather_rows};
use kolmo::mesh::mass_matrix::{mass_matrix, mass_matrix_of_cells};
use kolmo::mesh::{CellBlock, CellType, Mesh};
use std::f64::consts::PI;

const WAYS: [Algorithm; 3] = [Algorithm::Auto, Algorithm::Gram, Algorithm::Tsqr];

fn options(algorithm: Algorithm, truncation: Truncation) -> PodOptions {
    PodOptions { algorithm, truncation, ..PodOptions::default() }
}

/// Discrete cosine transform IV, n columns: orthonormal to round-off.
fn cosines(m: usize, n: usize) -> Mat<f64> {
    let scale = (2.0 / m as f64).sqrt();
    Mat::from_fn(m, n, |i, j| scale * (PI * (i as f64 + 0.5) * (j as f64 + 0.5) / m as f64).cos())
}

/// U diag(sigma) Vᵀ with cosines on both sides.
fn of_spectrum(m: usize, sigma: &[f64]) -> TallMatrix {
    let n = sigma.len();
    let v = cosines(n, n);
    tall(&cosines(m, n)).mul_small(Mat::from_fn(n, n, |i, j| sigma[i] * v[(j, i)]).as_ref())
}

/// sqrt(Σ ||x - V Vᵀ M x||² / Σ ||x||²), by another pass.
fn measured_error(x: &TallMatrix, m: &InnerProduct, found: &Pod) -> f64 {
    let centred = match &found.mean {
        Some(mean) => Mat::from_fn(x.local().nrows(), x.n_columns(), |i, j| x.local()[(i, j)] - mean[i]),
        None => x.local().to_owned(),
    };
    let centred = TallMatrix::new(x.layout().clone(), centred).unwrap();
    let c = m.cross(&found.basis, &centred);
    let missed = TallMatrix::new(x.layout().clone(), centred.local() - found.basis.mul_small(c.as_ref()).local());
    let square = |norms: Vec<f64>| norms.iter().map(|v| v * v).sum::<f64>();
    (square(m.norms(&missed.unwrap())) / square(m.norms(&centred))).sqrt()
}

#[test]
fn singular_values_over_fourteen_decades() {
    let n = 200;
    let sigma: Vec<f64> = (0..n).map(|j| 10f64.powf(-14.0 * j as f64 / (n - 1) as f64)).collect();
    let x = of_spectrum(100_000, &sigma);
    let euclidean = InnerProduct::Euclidean;
    let found = pod(&x, &euclidean, &options(Algorithm::Tsqr, Truncation::Tolerance(0.0))).unwrap();
    let seen = sigma.iter().filter(|s| **s > 1e-13).count();
    let off = (0..seen).map(|j| (found.singular_values[j] / sigma[j] - 1.0).abs()).fold(0.0, f64::max);
    println!("largest relative error of the {seen} sigma above 1e-13 sigma_1: {off:.1e}");
    println!("{} modes, max |VᵀV - I| = {:.1e}", found.n_modes(), found.orthonormality);
    assert!(off <= 1e-3, "{off:e}");
    assert!(found.n_modes() >= seen && found.orthonormality <= 1e-13, "{:e}", found.orthonormality);
    assert!(orthonormality(&found.basis, &euclidean) <= 1e-13);
    // Here the Gram way would invent the small end: `auto` does not take it.
    for truncation in [Truncation::Tolerance(0.0), Truncation::Tolerance(1e-9), Truncation::Modes(180)] {
        let auto = pod(&x, &euclidean, &options(Algorithm::Auto, truncation)).unwrap();
        assert_eq!(auto.algorithm, Algorithm::Tsqr, "{truncation:?}");
    }
    let gram = pod(&x, &euclidean, &options(Algorithm::Gram, Truncation::Modes(180))).unwrap();
    let wrong = (gram.singular_values[150] / sigma[150] - 1.0).abs();
    println!("the Gram way, sigma_150 = {:.1e}: {wrong:.1e} relative", sigma[150]);
    assert!(wrong > 0.1, "the Gram way lost its floor: {wrong}");
    let coarse = pod(&x, &euclidean, &options(Algorithm::Auto, Truncation::Tolerance(1e-3))).unwrap();
    assert_eq!(coarse.algorithm, Algorithm::Gram, "far above its floor the cheap way is right");
    assert!(coarse.orthonormality <= 1e-13);
}

#[test]
fn modes_across_a_gap_below_the_floor_of_the_gram_way_are_found() {
    let sigma = [1.0, 1e-2, 1e-5, 1e-8, 1e-9, 1e-10];
    let o = options(Algorithm::Auto, Truncation::Modes(6));
    let found = pod(&of_spectrum(400, &sigma), &InnerProduct::Euclidean, &o).unwrap();
    assert_eq!((found.algorithm, found.n_modes()), (Algorithm::Tsqr, 6));
    assert!((0..6).all(|j| (found.singular_values[j] / sigma[j] - 1.0).abs() < 1e-5), "{:?}", found.singular_values);
}

#[test]
fn the_stated_projection_error_is_the_measured_one() {
    let m = 9000;
    let products = [
        InnerProduct::Euclidean,
        InnerProduct::Diagonal((0..m).map(|i| 0.5 + (i % 4) as f64).collect()),
        InnerProduct::Sparse(chain(m)),
    ];
    let x = of_spectrum(m, &(0..30).map(|j| 0.6f64.powi(j)).collect::<Vec<_>>());
    for product in &products {
        for way in WAYS {
            for center in [false, true] {
                for tolerance in [1e-2, 1e-4] {
                    let o = PodOptions { center, ..options(way, Truncation::Tolerance(tolerance)) };
                    let found = pod(&x, product, &o).unwrap();
                    let truth = measured_error(&x, product, &found);
                    assert!(found.projection_error <= tolerance);
                    let off = (found.projection_error - truth).abs();
                    assert!(off <= 1e-6 * truth + 1e-9, "{} and {truth}", found.projection_error);
                    // One mode fewer would miss the tolerance.
                    let o = PodOptions { truncation: Truncation::Modes(found.n_modes() - 1), ..o };
                    assert!(pod(&x, product, &o).unwrap().projection_error > tolerance);
                }
            }
        }
        let o = options(Algorithm::Randomized, Truncation::Modes(6));
        let found = pod(&x, product, &o).unwrap();
        let truth = measured_error(&x, product, &found);
        assert!((found.projection_error - truth).abs() <= 1e-6 * truth, "{} and {truth}", found.projection_error);
        assert!(pod(&x, product, &options(Algorithm::Randomized, Truncation::Tolerance(0.1))).is_err());
    }
}

#[test]
fn modes_are_those_of_a_dense_svd_and_their_largest_entry_is_positive() {
    let x = of_spectrum(500, &[5.0, 2.0, 1.0, 0.2]);
    for way in WAYS {
        let found = pod(&x, &InnerProduct::Euclidean, &options(way, Truncation::Modes(9))).unwrap();
        assert_eq!(found.n_modes(), 4);
        let u = cosines(500, 4);
        for j in 0..4 {
            let dot: f64 = (0..500).map(|i| u[(i, j)] * found.basis.local()[(i, j)]).sum();
            assert!((dot.abs() - 1.0).abs() < 1e-12, "{way:?}, mode {j}");
            assert!(found.basis.argmax_abs(j).0 > 0.0);
        }
        let rebuilt = found.basis.mul_small(found.coefficients.as_ref());
        assert!((rebuilt.local() - x.local()).norm_max() < 1e-12);
    }
}

#[test]
fn weights_count_as_repeated_snapshots() {
    let x = random(300, 3, 5);
    let repeated = Mat::from_fn(300, 6, |i, j| x[(i, [0, 1, 1, 2, 2, 2][j])]);
    for center in [false, true] {
        let o = PodOptions { center, ..options(Algorithm::Tsqr, Truncation::Modes(2)) };
        let a = pod(&tall(&repeated), &InnerProduct::Euclidean, &o).unwrap();
        let weights = Some(vec![1.0, 2.0, 3.0]);
        let b = pod(&tall(&x), &InnerProduct::Euclidean, &PodOptions { weights, ..o.clone() }).unwrap();
        assert!((0..2).all(|j| (a.singular_values[j] - b.singular_values[j]).abs() < 1e-12));
        assert!((a.basis.local() - b.basis.local()).norm_max() < 1e-11);
        let zero = PodOptions { weights: Some(vec![1.0, 0.0, 1.0]), ..o.clone() };
        let c = pod(&tall(&x), &InnerProduct::Euclidean, &zero).unwrap();
        let left = Mat::from_fn(300, 2, |i, j| x[(i, 2 * j)]);
        let d = pod(&tall(&left), &InnerProduct::Euclidean, &o).unwrap();
        assert!((c.singular_values[0] - d.singular_values[0]).abs() < 1e-12);
    }
    for weights in [vec![1.0, 1.0], vec![1.0, -1.0, 1.0], vec![0.0; 3], vec![1.0, f64::NAN, 1.0]] {
        let o = PodOptions { weights: Some(weights), ..PodOptions::default() };
        assert!(pod(&tall(&x), &InnerProduct::Euclidean, &o).is_err());
    }
}

#[test]
fn degenerate_snapshots() {
    for way in WAYS {
        let zero =
            pod(&tall(&Mat::zeros(20, 3)), &InnerProduct::Euclidean, &options(way, Truncation::Modes(2))).unwrap();
        assert_eq!((zero.n_modes(), zero.projection_error), (0, 0.0), "{way:?}");
        let constant = Mat::from_fn(20, 4, |_, _| 7.0);
        let one = pod(&tall(&constant), &InnerProduct::Euclidean, &options(way, Truncation::Tolerance(0.0))).unwrap();
        assert_eq!(one.n_modes(), 1, "{way:?}");
        // More snapshots than entries.
        let wide =
            pod(&tall(&random(3, 10, 1)), &InnerProduct::Euclidean, &options(way, Truncation::Modes(10))).unwrap();
        assert_eq!(wide.n_modes(), 3, "{way:?}");
        assert!(wide.orthonormality < 1e-13);
        for scale in [1e150, 1e-150] {
            let x = Mat::from_fn(50, 3, |i, j| scale * ((i * (j + 1)) as f64).sin());
            let found = pod(&tall(&x), &InnerProduct::Euclidean, &options(way, Truncation::Modes(3))).unwrap();
            assert!(found.n_modes() == 3 && found.orthonormality < 1e-13, "{way:?} {scale:e}");
        }
    }
    let mut bad = random(10, 3, 2);
    bad[(4, 1)] = f64::INFINITY;
    let message = pod(&tall(&bad), &InnerProduct::Euclidean, &PodOptions::default()).unwrap_err().to_string();
    assert!(message.contains("snapshot 1"), "{message}");
    assert!(pod(&tall(&Mat::zeros(0, 3)), &InnerProduct::Euclidean, &PodOptions::default()).is_err());
    assert!(pod(&tall(&Mat::zeros(3, 0)), &InnerProduct::Euclidean, &PodOptions::default()).is_err());
    for truncation in [Truncation::Modes(0), Truncation::Tolerance(1.0), Truncation::Tolerance(f64::NAN)] {
        let o = options(Algorithm::Auto, truncation);
        assert!(pod(&tall(&random(10, 3, 2)), &InnerProduct::Euclidean, &o).is_err(), "{truncation:?}");
    }
}

#[test]
fn the_same_to_the_bit_on_any_number_of_threads_and_ranks() {
    let (m, n) = (40_000, 12);
    let entry = |i: usize, j: usize| {
        let x = i as f64 / m as f64;
        (-(3.0 * x - j as f64 / 4.0).powi(2)).exp() + 1e-6 * (40.0 * x * (j + 1) as f64).sin()
    };
    let x = tall(&Mat::from_fn(m, n, entry));
    for product in [InnerProduct::Euclidean, InnerProduct::Sparse(chain(m))] {
        for way in [Algorithm::Gram, Algorithm::Tsqr, Algorithm::Randomized] {
            let o = PodOptions { center: true, ..options(way, Truncation::Modes(4)) };
            let expected = pod(&x, &product, &o).unwrap();
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let found = pool.install(|| pod(&x, &product, &o)).unwrap();
                assert!(found.basis.local() == expected.basis.local(), "{way:?} on {threads} threads");
            }
            for size in [2, 3, 7] {
                run_on_threads(size, |comm| {
                    let even = Layout::even(m, 1, comm.clone());
                    let (layout, part) = product.of_rank(&even).unwrap();
                    let rows = layout.rows();
                    let local = Mat::from_fn(rows.len(), n, |i, j| entry(rows[i], j));
                    let found = pod(&TallMatrix::new(layout.clone(), local).unwrap(), &part, &o).unwrap();
                    assert_eq!(found.singular_values, expected.singular_values, "{way:?} on {size} ranks");
                    assert_eq!(found.coefficients, expected.coefficients);
                    let own: Vec<usize> = layout.local_range().collect();
                    let basis = gather_rows(comm.as_ref(), &own, found.basis.owned(), m);
                    assert!(basis == expected.basis.local(), "{way:?} on {size} ranks");
                });
            }
        }
    }
}

/// n x n squares cut into triangles.
fn grid(n: usize) -> Mesh {
    let node = |i: usize, j: usize| (j * (n + 1) + i) as u32;
    let points = (0..=n).flat_map(|j| (0..=n).flat_map(move |i| [i as f64 / n as f64, (j as f64 / n as f64).powi(2)]));
    let triangles = (0..n).flat_map(|j| {
        (0..n).flat_map(move |i| {
            let [a, b, c, d] = [node(i, j), node(i + 1, j), node(i + 1, j + 1), node(i, j + 1)];
            [a, b, c, a, c, d]
        })
    });
    let cells = vec![CellBlock::new(CellType::Triangle, triangles.collect())];
    Mesh { dim: 2, points: points.collect(), cells }
}

#[test]
fn sub_domains_with_shared_interfaces_give_the_answer_of_the_whole() {
    let mesh = grid(30);
    let (n_points, n_cells, n) = (mesh.n_points(), mesh.n_cells(), 6);
    let entry =
        |i: usize, j: usize| ((j + 1) as f64 * mesh.points[2 * i]).sin() * (mesh.points[2 * i + 1] * j as f64).cos();
    let whole = InnerProduct::Sparse(mass_matrix(&mesh).unwrap());
    let x = tall(&Mat::from_fn(n_points, n, entry));
    for way in [Algorithm::Gram, Algorithm::Tsqr] {
        let o = options(way, Truncation::Modes(5));
        let expected = pod(&x, &whole, &o).unwrap();
        for size in [2, 3, 7] {
            run_on_threads(size, |comm| {
                let cells: Vec<usize> = (0..n_cells).filter(|c| c * size / n_cells == comm.rank()).collect();
                let nodes = &mesh.cells[0].connectivity;
                let mut points: Vec<usize> =
                    cells.iter().flat_map(|c| nodes[3 * c..3 * c + 3].iter().map(|p| *p as usize)).collect();
                points.sort_unstable();
                points.dedup();
                let part = InnerProduct::Sparse(mass_matrix_of_cells(&mesh, &cells, &points).unwrap());
                let mut offsets = vec![0];
                for count in comm.all_gather(&[points.len() as f64]) {
                    offsets.push(offsets[offsets.len() - 1] + count[0] as usize);
                }
                let layout = Layout::from_offsets(offsets, comm.clone()).unwrap();
                let local = Mat::from_fn(points.len(), n, |i, j| entry(points[i], j));
                let found = pod(&TallMatrix::new(layout, local).unwrap(), &part, &o).unwrap();
                let first = expected.singular_values[0];
                let floor = if way == Algorithm::Gram { 1e-8 } else { 1e-12 };
                for (a, b) in found.singular_values.iter().zip(&expected.singular_values) {
                    assert!((a - b).abs() <= floor * first, "{way:?}, {size} ranks: {a:e} and {b:e}");
                }
                let basis = gather_rows(comm.as_ref(), &points, found.basis.local(), n_points);
                assert!((basis - expected.basis.local()).norm_max() < 1e-7, "{way:?}, {size} ranks");
            });
        }
    }
}
