//! The drawing functions at zeros, NaN, large meshes and curves.

use crate::svg::{check_picture, count, images};
use kolmo::data::{FieldInfo, Location};
use kolmo::mesh::{CellBlock, CellType, Mesh};
use kolmo::report::modes::{self, Spectrum};
use kolmo::report::parameter_space::{Points, parameter_space};
use kolmo::report::sample::{Sample, obstacle, sample_picture};
use kolmo::report::{Drawing, errors, parity};
use std::collections::BTreeSet;

#[test]
fn curves_of_numbers_that_have_no_logarithm() {
    let check = |drawing: kolmo::error::Result<Drawing>| check_picture(&drawing.unwrap().stand_alone());
    let values = [0.0, f64::NAN, f64::INFINITY, 1e-320, 1e300, 3e-3];
    for v in values {
        for w in values {
            for all in [vec![], vec![v], vec![v, w, 0.0]] {
                let mirrored: Vec<f64> = all.iter().rev().copied().collect();
                let numbers: Vec<usize> = (0..all.len()).map(|i| 10_000_000 * i).collect();
                let field = "<p & \"q\"> \u{1}'\n".to_string();
                let spectrum = Spectrum { field, values: all.clone(), n_modes: 1, projection_error: w };
                check(modes::singular_values(&[spectrum.clone(), spectrum.clone()]));
                check(modes::left_out_by_modes(&[spectrum.clone(), spectrum], Some(v)));
                check(errors::error_per_sample(&numbers, &all, &mirrored));
                check(errors::error_against_indicator(&numbers, &all, &mirrored));
                check(modes::error_by_modes(&all, &mirrored, &all));
                check(errors::coverage(&[("<&>".into(), v), ("b".into(), w)], 0.95));
                let triples: Vec<[f64; 3]> = all.iter().map(|a| [*a, -*a, w]).collect();
                let name = "a name that is far too long for a legend <&>";
                check(parity::parity(name, &triples));
                check(parity::residuals(name, &triples));
                check(parity::parity_of_entries(name, &triples));
                check(parity::residuals_of_entries(name, &triples));
                for d in 1..=5 {
                    let rows: Vec<Vec<f64>> = all.iter().map(|a| vec![*a; d]).collect();
                    let names = (0..d).map(|j| format!("<{j}>")).collect();
                    let (samples, error) = (numbers.clone(), all.clone());
                    let points =
                        Points { names, importance: vec![w; d], samples, inputs: rows.clone(), error, training: rows };
                    check(parameter_space(&points));
                    check(parameter_space(&Points { error: vec![], ..points }));
                }
            }
        }
    }
    check(modes::singular_values(&[]));
    check(errors::coverage(&[], 0.95));
    check(parameter_space(&Points::default()));
}

/// A grid of `n` x `n` quadrilaterals without the middle ninth, stretched in x.
fn plate(n: usize, stretch: f64) -> Mesh {
    let points = (0..(n + 1) * (n + 1)).flat_map(|k| [stretch * (k % (n + 1)) as f64, (k / (n + 1)) as f64]).collect();
    let hole = n / 3..n - n / 3;
    let cells = (0..n * n).filter(|c| !(hole.contains(&(c % n)) && hole.contains(&(c / n))));
    let corner = |c: usize| (c / n * (n + 1) + c % n) as u32;
    let nodes = |c: usize| {
        let (a, up) = (corner(c), n as u32 + 1);
        [a, a + 1, a + up + 1, a + up]
    };
    Mesh { dim: 2, points, cells: vec![CellBlock::new(CellType::Quad, cells.flat_map(nodes).collect())] }
}

fn info(location: Location, n_entities: usize, n_components: usize) -> FieldInfo {
    FieldInfo { name: "u".into(), location, n_entities, n_components, vector: n_components > 1 }
}

fn draw(mesh: &Mesh, field: &FieldInfo, truth: &[f64], prediction: &[f64]) -> String {
    let parameters: Vec<(String, f64)> = (0..20).map(|i| (format!("parameter {i}"), 0.1 * f64::from(i))).collect();
    let interval = vec![0.5; truth.len()];
    let sample = Sample {
        title: "u",
        parameters: &parameters,
        field,
        truth,
        prediction,
        std: &interval,
        interval: &interval,
        confidence: 0.9,
    };
    sample_picture(mesh, &sample).unwrap().stand_alone()
}

/// Share of pixels that are not those of the first image, and share without anything.
fn other_and_empty(first: &[[u8; 4]], image: &[[u8; 4]]) -> (f64, f64) {
    let share = |n: usize| n as f64 / image.len() as f64;
    let other = first.iter().zip(image).filter(|(a, b)| a != b).count();
    (share(other), share(image.iter().filter(|p| p[3] == 0).count()))
}

#[test]
fn plane_meshes() {
    let fill = |n: usize, f: &dyn Fn(usize) -> f64| (0..n).map(f).collect::<Vec<f64>>();
    for stretch in [1e-7, 0.05, 1.0, 30.0, 1e9] {
        let mesh = plate(6, stretch);
        let (cells, points) = (mesh.n_cells(), mesh.n_points());
        assert_eq!((cells, points), (32, 49));
        for (field, n) in [
            (info(Location::Cell, cells, 1), cells),
            (info(Location::Point, points, 1), points),
            (info(Location::Point, points, 3), 3 * points),
        ] {
            for values in [
                fill(n, &|_| 0.0),
                fill(n, &|_| -4.0),
                fill(n, &|i| 1e-12 * i as f64),
                fill(n, &|i| 1e300 * (i % 2) as f64),
            ] {
                let found = check_picture(&draw(&mesh, &field, &values, &fill(n, &|_| 0.0)));
                let images = images(&found);
                assert_eq!(images.len(), 4, "truth, prediction, difference, standard deviation");
                for (_, _, image) in &images {
                    // The hole is a ninth.
                    let (_, empty) = other_and_empty(image, image);
                    assert!((empty - 1.0 / 9.0).abs() < 0.02, "{stretch}: {empty}");
                }
            }
        }
    }
    // One cell of another value has another colour in the first panel only, and is the only difference.
    let mesh = plate(6, 1.0);
    let mut truth = vec![1.0; 32];
    truth[7] = 2.0;
    let found = check_picture(&draw(&mesh, &info(Location::Cell, 32, 1), &truth, &vec![1.0; 32]));
    let colours: Vec<BTreeSet<[u8; 4]>> = images(&found).into_iter().map(|i| i.2.into_iter().collect()).collect();
    // With the hole.
    assert_eq!(colours.iter().map(BTreeSet::len).collect::<Vec<usize>>(), [3, 2, 3, 2]);
    let all = images(&found);
    let (other, _) = other_and_empty(&all[0].2, &all[1].2);
    assert!((other - 1.0 / 36.0).abs() < 0.005, "one of 36 cells: {other}");
}

#[test]
fn polygons_are_drawn() {
    // A hexagon of any number of corners fills three quarters of the rectangle around it.
    for n in [6, 12] {
        let corner = |k: usize| {
            let (a, b) = ([k * 6 / n, k * 6 / n + 1], (k * 6 % n) as f64 / n as f64);
            let at = |i: usize| (i as f64 * std::f64::consts::FRAC_PI_3).sin_cos();
            let (p, q) = (at(a[0]), at(a[1]));
            [p.1 + b * (q.1 - p.1), p.0 + b * (q.0 - p.0)]
        };
        let block = CellBlock::ragged(CellType::Polygon, (0..n as u32).collect(), vec![n]);
        let mesh = Mesh { dim: 2, points: (0..n).flat_map(corner).collect(), cells: vec![block] };
        for (field, n) in [(info(Location::Cell, 1, 1), 1), (info(Location::Point, n, 1), n)] {
            let found = check_picture(&draw(&mesh, &field, &vec![1.0; n], &vec![2.0; n]));
            let (_, empty) = other_and_empty(&images(&found)[0].2, &images(&found)[0].2);
            assert!((empty - 0.25).abs() < 0.01, "{empty}");
        }
    }
}

#[test]
fn large_meshes_stay_small() {
    let mesh = plate(180, 1.0);
    let cells = mesh.n_cells();
    assert_eq!(cells, 28_800);
    let centres = mesh.cell_centres();
    // 1 in the left half, 2 in the right one.
    let truth: Vec<f64> = (0..cells).map(|c| if centres[2 * c] < 90.0 { 1.0 } else { 2.0 }).collect();
    let svg = draw(&mesh, &info(Location::Cell, cells, 1), &truth, &truth);
    assert!(svg.len() < 200_000, "{} bytes", svg.len());
    let (width, _, image) = &images(&check_picture(&svg))[0];
    let is_left = |k: usize| k % width < width / 2;
    let colours = |left: bool| -> BTreeSet<[u8; 4]> {
        (0..image.len()).filter(|k| is_left(*k) == left && image[*k][3] > 0).map(|k| image[k]).collect()
    };
    assert!(colours(true).len() == 1 && colours(false).len() == 1 && colours(true) != colours(false));
}

/// Angle of corner `k` of `n`: not in equal steps, so that the direction matters.
fn angle(k: usize, n: usize) -> f64 {
    2.0 * std::f64::consts::PI * ((k % n) as f64 / n as f64).powf(1.4)
}

/// Corner `k` of a circle of `n` lines is point 7 k, line `j` leads from corner 3 j to the next one (both modulo n).
fn circle(n: usize) -> Mesh {
    let mut points = vec![0.0; 2 * n];
    for k in 0..n {
        points[2 * (7 * k % n)] = angle(k, n).cos();
        points[2 * (7 * k % n) + 1] = angle(k, n).sin();
    }
    let ends = |k: usize| [7 * k % n, 7 * (k + 1) % n].map(|p| p as u32);
    let connectivity = (0..n).flat_map(|j| ends(3 * j % n)).collect();
    Mesh { dim: 2, points, cells: vec![CellBlock::new(CellType::Line, connectivity)] }
}

#[test]
fn curves_over_the_arc_length() {
    let n = 20;
    let mesh = circle(n);
    let chord = |k: usize| 2.0 * (0.5 * (angle(k + 1, n) - angle(k, n))).sin().abs();
    let length = |k: usize| (0..k).map(chord).sum::<f64>();
    for location in [Location::Point, Location::Cell] {
        // Values rise along the curve; its first point ends it too.
        let is_point = location == Location::Point;
        let mut truth = vec![0.0; n];
        // Point and line of corner k have the same number, for 3 * 7 = 1 modulo 20.
        (0..n).for_each(|k| truth[7 * k % n] = k as f64);
        let expected: Vec<(f64, f64)> = match is_point {
            true => (0..=n).map(|k| (length(k), (k % n) as f64)).collect(),
            false => (0..n).map(|k| (0.5 * (length(k) + length(k + 1)), k as f64)).collect(),
        };
        let found = check_picture(&draw(&mesh, &info(location, n, 1), &truth, &truth));
        assert_eq!(count(&found, "polygon"), 2, "the interval, above and below");
        // Frames have 5 points, grid lines and marks 2.
        let curves: Vec<Vec<(f64, f64)>> = found
            .iter()
            .filter(|e| e.0 == "polyline")
            .map(|e| e.1["points"].split(' ').map(|p| p.split_once(',').unwrap()))
            .map(|p| p.map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).collect())
            .filter(|p: &Vec<(f64, f64)>| p.len() > 5)
            .collect();
        // The prediction is broken into strokes.
        assert_eq!(curves.len(), 2, "truth, difference");
        for curve in &curves[..1] {
            assert_eq!(curve.len(), expected.len());
            for (drawn, meant) in curve.iter().zip(&expected) {
                let share = |at: f64, first: f64, last: f64| (at - first) / (last - first);
                let x = (share(drawn.0, curve[0].0, curve[n - 1].0), share(meant.0, expected[0].0, expected[n - 1].0));
                let y = (share(drawn.1, curve[0].1, curve[n - 1].1), share(meant.1, expected[0].1, expected[n - 1].1));
                assert!((x.0 - x.1).abs() < 1e-3 && (y.0 - y.1).abs() < 1e-3, "{location:?}: {x:?} {y:?}");
            }
        }
        let zero = vec![0.0; 2 * n];
        check_picture(&draw(&mesh, &info(location, n, 2), &zero, &zero));
    }
    let mut branch = circle(n);
    branch.cells[0].connectivity.extend([0, 10]);
    let why = obstacle(Some(&branch), &info(Location::Point, n, 1)).unwrap();
    assert!(why.contains("not one curve"), "{why}");
    let mut pieces = circle(n);
    pieces.points.extend([5.0, 5.0, 6.0, 6.0]);
    pieces.cells[0].connectivity.extend([n as u32, n as u32 + 1]);
    assert!(obstacle(Some(&pieces), &info(Location::Point, n + 2, 1)).is_some());
    assert_eq!(obstacle(Some(&mesh), &info(Location::Point, n, 1)), None);
    assert!(obstacle(Some(&mesh), &info(Location::Free, n, 1)).is_some());
    assert_eq!(obstacle(None, &info(Location::Point, n, 1)).as_deref(), Some("no mesh"));
}
