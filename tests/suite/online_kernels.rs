//! Fields from coefficients against a slow, obvious loop: all shapes, all instruction sets of this CPU.

use faer::{Mat, MatRef};
use kolmo::algorithms::pod::Truncation;
use kolmo::data::{FieldInfo, Location};
use kolmo::linalg::reconstruction::{mul_squares, mul_vector, mul_vector_and_squares};
use kolmo::linalg::reconstruction_batch::{mul_batch, mul_batch_and_squares, mul_squares_batch};
use kolmo::linalg::simd::Instructions;
use kolmo::online::ReducedField;

const COLUMNS: [usize; 8] = [0, 1, 3, 4, 5, 8, 9, 17];
const ROWS: [usize; 7] = [0, 1, 7, 8191, 8192, 8193, 20_000];

/// Numbers in -1..1 without a pattern.
fn number(i: usize, j: usize) -> f64 {
    let mut h = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (j as u64 + 7).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    h = (h ^ (h >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (h >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn matrix(n: usize, r: usize) -> Mat<f64> {
    Mat::from_fn(n, r, number)
}

fn vector(n: usize, j: usize) -> Vec<f64> {
    (0..n).map(|i| number(i, 1000 + j)).collect()
}

fn positive(n: usize, j: usize) -> Vec<f64> {
    (0..n).map(|i| 0.01 + number(i, 2000 + j).abs()).collect()
}

fn slow_field(v: MatRef<'_, f64>, c: &[f64], shift: Option<&[f64]>) -> Vec<f64> {
    (0..v.nrows()).map(|i| shift.map_or(0.0, |s| s[i]) + (0..c.len()).map(|j| v[(i, j)] * c[j]).sum::<f64>()).collect()
}

fn slow_deviation(v: MatRef<'_, f64>, w: &[f64], base: &[f64]) -> Vec<f64> {
    (0..v.nrows())
        .map(|i| (base[i] + (0..w.len()).map(|j| v[(i, j)] * v[(i, j)] * w[j]).sum::<f64>()).max(0.0).sqrt())
        .collect()
}

fn assert_close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= 1e-13 * (1.0 + b.abs()), "{what}: entry {i} is {a}, expected {b}");
    }
}

/// All three one-point functions beside the slow loop.
fn compare(with: Instructions, v: MatRef<'_, f64>, what: &str) {
    let (n, r) = (v.nrows(), v.ncols());
    let (c, w, shift, base) = (vector(r, 1), positive(r, 2), vector(n, 3), positive(n, 4));
    let (mut y, mut s) = (vec![f64::NAN; n], vec![f64::NAN; n]);
    mul_vector(with, v, &c, None, &mut y).unwrap();
    assert_close(&y, &slow_field(v, &c, None), &format!("{what}: field"));
    mul_vector(with, v, &c, Some(&shift), &mut y).unwrap();
    assert_close(&y, &slow_field(v, &c, Some(&shift)), &format!("{what}: field and shift"));
    mul_squares(with, v, &w, &base, &mut s).unwrap();
    assert_close(&s, &slow_deviation(v, &w, &base), &format!("{what}: deviation"));
    let (mut y2, mut s2) = (vec![f64::NAN; n], vec![f64::NAN; n]);
    mul_vector_and_squares(with, v, (&c, Some(&shift)), (&w, &base), &mut y2, &mut s2).unwrap();
    assert!(y2 == y && s2 == s, "{what}: one pass is not the two passes");
}

#[test]
fn one_point_in_all_shapes_on_all_instructions() {
    for with in Instructions::available() {
        for n in ROWS {
            for r in COLUMNS {
                compare(with, matrix(n, r).as_ref(), &format!("{with:?}, {n} x {r}"));
            }
        }
    }
}

#[test]
fn one_point_with_any_strides() {
    let tall = matrix(9000, 30);
    let wide = matrix(20, 9000);
    for with in Instructions::available() {
        compare(with, tall.as_ref().submatrix(3, 2, 8200, 9), "column stride above rows");
        compare(with, wide.as_ref().transpose().subcols(1, 11), "transposed");
        compare(with, tall.as_ref().reverse_rows(), "rows reversed");
        compare(with, tall.as_ref().reverse_cols(), "columns reversed");
    }
}

#[test]
fn instructions_that_the_cpu_lacks_fall_back_to_plain_code() {
    let available = Instructions::available();
    assert_eq!(available[0], Instructions::Plain);
    assert_eq!(available.last(), Some(&Instructions::best()));
    for with in [Instructions::Plain, Instructions::Avx2, Instructions::Avx512] {
        compare(with, matrix(100, 5).as_ref(), &format!("{with:?}"));
        assert_eq!(with.is_available(), available.contains(&with));
    }
}

#[test]
fn batch_is_each_point_alone() {
    for (n, r, b) in [(0, 3, 5), (1, 1, 6), (7, 17, 3), (1025, 9, 64), (8193, 5, 65), (20_000, 17, 130), (500, 0, 7)] {
        let (v, c) = (matrix(n, r), matrix(r, b));
        let w = Mat::from_fn(r, b, |i, j| 0.01 + number(i, 50 + j).abs());
        let (shift, base) = (vector(n, 3), positive(n, 4));
        for with in Instructions::available() {
            let what = format!("{with:?}, {n} x {r}, {b} points");
            let (mut y, mut plain) = (Mat::full(n, b, f64::NAN), Mat::full(n, b, f64::NAN));
            let mut s = Mat::full(n, b, f64::NAN);
            mul_batch(with, v.as_ref(), c.as_ref(), None, plain.as_mut()).unwrap();
            mul_batch(with, v.as_ref(), c.as_ref(), Some(&shift), y.as_mut()).unwrap();
            mul_squares_batch(with, v.as_ref(), w.as_ref(), &base, s.as_mut()).unwrap();
            let (mut y2, mut s2) = (Mat::full(n, b, f64::NAN), Mat::full(n, b, f64::NAN));
            let (value, deviation) = ((c.as_ref(), Some(&shift[..])), (w.as_ref(), &base[..]));
            mul_batch_and_squares(with, v.as_ref(), value, deviation, y2.as_mut(), s2.as_mut()).unwrap();
            assert!(y2 == y && s2 == s, "{what}: both at once differ");
            let (mut one, mut std) = (vec![f64::NAN; n], vec![f64::NAN; n]);
            for k in 0..b {
                mul_vector(with, v.as_ref(), c.col_as_slice(k), None, &mut one).unwrap();
                assert_close(plain.col_as_slice(k), &one, &what);
                mul_vector(with, v.as_ref(), c.col_as_slice(k), Some(&shift), &mut one).unwrap();
                assert_close(y.col_as_slice(k), &one, &what);
                mul_squares(with, v.as_ref(), w.col_as_slice(k), &base, &mut std).unwrap();
                assert_close(s.col_as_slice(k), &std, &what);
            }
        }
    }
}

#[test]
fn batch_with_any_strides() {
    let (n, r) = (2100, 6);
    let wide = matrix(r, n);
    let v = wide.as_ref().transpose();
    for b in [2, 7] {
        let (c, shift, base) = (matrix(b, r), vector(n, 3), positive(n, 4));
        let c = c.as_ref().transpose();
        let w = Mat::from_fn(r, b, |i, j| 0.01 + number(i, 50 + j).abs());
        let (mut y, mut s) = (Mat::zeros(b, n), Mat::zeros(b, n));
        let value = (c, Some(&shift[..]));
        let (out, std) = (y.as_mut().transpose_mut(), s.as_mut().transpose_mut());
        mul_batch_and_squares(Instructions::best(), v, value, (w.as_ref(), &base), out, std).unwrap();
        let mut unaligned = Mat::zeros(n + 3, b);
        mul_squares_batch(Instructions::best(), v, w.as_ref(), &base, unaligned.as_mut().subrows_mut(1, n)).unwrap();
        for k in 0..b {
            let c: Vec<f64> = c.col(k).iter().copied().collect();
            let row = |m: &Mat<f64>| m.row(k).iter().copied().collect::<Vec<f64>>();
            assert_close(&row(&y), &slow_field(v, &c, Some(&shift)), "field by rows");
            assert_close(&row(&s), &slow_deviation(v, w.col_as_slice(k), &base), "deviation by rows");
            let whole = unaligned.col_as_slice(k);
            assert_close(&whole[1..n + 1], &slow_deviation(v, w.col_as_slice(k), &base), "unaligned");
            assert_eq!((whole[0], whole[n + 1], whole[n + 2]), (0.0, 0.0, 0.0), "written outside");
        }
    }
}

#[test]
fn deviation_of_a_tiny_negative_sum_is_zero_and_nan_stays() {
    for n in [3, 8, 1030] {
        let v = Mat::zeros(n, 2);
        let mut base = vec![-1e-18; n];
        base[n - 1] = f64::NAN;
        base[0] = 4.0;
        for with in Instructions::available() {
            let mut s = vec![1.0; n];
            mul_squares(with, v.as_ref(), &[1.0, 1.0], &base, &mut s).unwrap();
            let mut batch = Mat::full(n, 6, 1.0);
            mul_squares_batch(with, v.as_ref(), Mat::full(2, 6, 1.0).as_ref(), &base, batch.as_mut()).unwrap();
            for s in [&s[..], batch.col_as_slice(5)] {
                assert_eq!(s[0], 2.0, "{with:?}");
                assert!(s[1..n - 1].iter().all(|x| *x == 0.0), "{with:?}: {s:?}");
                assert!(s[n - 1].is_nan(), "{with:?}: NaN became {}", s[n - 1]);
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let (n, r, b) = (50_001, 11, 70);
    let (v, c) = (matrix(n, r), matrix(r, b));
    let w = Mat::from_fn(r, b, |i, j| number(i, 50 + j).abs());
    let (shift, base) = (vector(n, 3), positive(n, 4));
    let with = Instructions::best();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (mut y, mut s) = (vec![0.0; n], vec![0.0; n]);
            let (value, deviation) = ((c.col_as_slice(0), Some(&shift[..])), (w.col_as_slice(0), &base[..]));
            mul_vector_and_squares(with, v.as_ref(), value, deviation, &mut y, &mut s).unwrap();
            let (mut fields, mut std) = (Mat::zeros(n, b), Mat::zeros(n, b));
            let (value, deviation) = ((c.as_ref(), Some(&shift[..])), (w.as_ref(), &base[..]));
            mul_batch_and_squares(with, v.as_ref(), value, deviation, fields.as_mut(), std.as_mut()).unwrap();
            (y, s, fields, std)
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(3));
}

fn field(n: usize, r: usize) -> ReducedField {
    ReducedField {
        part: None,
        info: FieldInfo { name: "u".into(), location: Location::Free, n_entities: n, n_components: 1, vector: false },
        basis: matrix(n, r),
        mean: Some(vector(n, 3)),
        mean_coefficients: vec![0.0; r],
        mean_square: 0.0,
        residual_variance: positive(n, 4),
        residual_square: 0.0,
        coefficients: matrix(r, 3),
        missed: vec![0.0; 3],
        singular_values: vec![1.0; r],
        projection_error: 0.0,
        truncation: Truncation::Modes(r),
        groups: Vec::new(),
        interval_factor: 1.0,
        indicator_factor: 1.0,
    }
}

#[test]
fn wrong_shapes_are_errors() {
    let f = field(10, 3);
    for b in [1, 6] {
        let good = matrix(3, b);
        let (mut out, mut std) = (Mat::zeros(10, b), Mat::zeros(10, b));
        f.expand_into(good.as_ref(), good.as_ref(), out.as_mut(), std.as_mut()).unwrap();
        let (bad_modes, bad_points) = (matrix(4, b), matrix(3, b + 1));
        for bad in [bad_modes.as_ref(), bad_points.as_ref()] {
            let errors = [
                f.reconstruct_into(bad, out.as_mut()),
                f.standard_deviation_into(bad, out.as_mut()),
                f.expand_into(bad, good.as_ref(), out.as_mut(), std.as_mut()),
                f.expand_into(good.as_ref(), bad, out.as_mut(), std.as_mut()),
            ];
            errors.iter().for_each(|e| assert_eq!(e.as_ref().unwrap_err().code(), "K100"));
        }
        let (mut few_rows, mut few_points) = (Mat::zeros(9, b), Mat::zeros(10, b - 1));
        for bad in [&mut few_rows, &mut few_points] {
            let errors = [
                f.reconstruct_into(good.as_ref(), bad.as_mut()),
                f.standard_deviation_into(good.as_ref(), bad.as_mut()),
                f.expand_into(good.as_ref(), good.as_ref(), bad.as_mut(), std.as_mut()),
                f.expand_into(good.as_ref(), good.as_ref(), out.as_mut(), bad.as_mut()),
            ];
            errors.iter().for_each(|e| assert_eq!(e.as_ref().unwrap_err().code(), "K100"));
        }
        assert!(f.reconstruct(bad_modes.as_ref()).is_err() && f.standard_deviation(bad_modes.as_ref()).is_err());
        let short = field(10, 3);
        let short = ReducedField { mean: Some(vec![0.0; 9]), residual_variance: vec![0.0; 11], ..short };
        assert!(short.reconstruct(good.as_ref()).is_err() && short.standard_deviation(good.as_ref()).is_err());
    }
}

#[test]
fn a_field_and_its_deviation_from_a_model() {
    let (n, r, b) = (8200, 5, 6);
    let f = field(n, r);
    let c = matrix(r, b);
    let w = Mat::from_fn(r, b, |i, j| number(i, 50 + j).abs());
    let (u, s) = (f.reconstruct(c.as_ref()).unwrap(), f.standard_deviation(w.as_ref()).unwrap());
    for k in 0..b {
        assert_close(u.col_as_slice(k), &slow_field(f.basis.as_ref(), c.col_as_slice(k), f.mean.as_deref()), "field");
        let expected = slow_deviation(f.basis.as_ref(), w.col_as_slice(k), &f.residual_variance);
        assert_close(s.col_as_slice(k), &expected, "deviation");
    }
}
