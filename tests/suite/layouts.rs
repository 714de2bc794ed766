//! Layouts through the command line: moving points, boundary cells, tables, inner products, endings, the model file.

use crate::tool::{Run, Stacked, data_sets, kolmo, listing, write_text};
use crate::vtu::{floats, read};
use hdf5::types::VarLenUnicode;
use ndarray::Array2;
use std::path::Path;
use tempfile::TempDir;

const STUDY: &str = "[data]\nsamples = \"train.h5\"\n";
const FIT: [&str; 4] = ["fit", "study.toml", "-o", "model.h5"];
const N: usize = 4;

/// A folder with `train.h5`, changed by `change`, and the study `study.toml`.
fn case(study: &str, change: impl FnOnce(&hdf5::File)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = Stacked::new(12, N).write(folder.path(), "train.h5");
    let file = hdf5::File::open_rw(path).unwrap();
    change(&file);
    file.close().unwrap();
    write_text(folder.path(), "study.toml", study);
    folder
}

#[track_caller]
fn refused(folder: &Path, args: &[&str], holds: &[&str]) -> Run {
    let before = listing(folder);
    let run = kolmo(folder, args);
    assert_eq!((run.code, listing(folder)), (Some(2), before), "{run:#?}");
    let line = run.line("error[");
    for text in holds.iter().chain(&[": found ", "; expected ", "; mend: "]) {
        assert!(line.contains(text), "`{text}` is missing: {line}");
    }
    run
}

/// Values at `i` of the rows of a data set.
fn row(data: &(Vec<usize>, Vec<f64>), i: usize) -> &[f64] {
    let width: usize = data.0[1..].iter().product();
    &data.1[i * width..(i + 1) * width]
}

fn json(run: &Run) -> serde_json::Value {
    serde_json::from_str(&run.stdout).unwrap()
}

/// Areas of the quadrilaterals [n, 4] between points [n_points, 2].
fn areas(points: &[f64], cells: &[f64]) -> Vec<f64> {
    let cross = |a: usize, b: usize| points[2 * a] * points[2 * b + 1] - points[2 * b] * points[2 * a + 1];
    let area = |c: &[usize]| 0.5 * (0..4).map(|i| cross(c[i], c[(i + 1) % 4])).sum::<f64>();
    cells.chunks(4).map(|c| area(&c.iter().map(|v| *v as usize).collect::<Vec<_>>()).abs()).collect()
}

fn inner(w: &[f64], u: &[f64], v: &[f64]) -> f64 {
    w.iter().zip(u).zip(v).map(|((w, u), v)| w * u * v).sum()
}

/// A mesh whose columns move with gamma, more so in the samples that are held out.
fn moving(study: &str) -> TempDir {
    case(study, |file| {
        let grid = file.dataset("mesh/points").unwrap().read_raw::<f64>().unwrap();
        let parameters = file.dataset("parameters").unwrap().read_2d::<f64>().unwrap();
        let moved: Vec<f64> = (0..12)
            .flat_map(|s| {
                let power = 1.0 + parameters[(s, 1)] + if s % 4 == 3 { 1.0 } else { 0.0 };
                grid.chunks(2).flat_map(move |x| [x[0].powf(power), x[1] * (1.0 + x[0])]).collect::<Vec<_>>()
            })
            .collect();
        file.unlink("mesh/points").unwrap();
        let set = file.new_dataset::<f64>().shape([12, 25, 2]).create("mesh/points").unwrap();
        set.write_raw(&moved).unwrap();
    })
}

#[test]
fn moving_points_are_learnt_drawn_and_scored_on_their_own_mesh() {
    let study = "[data]\nsamples = \"train.h5\"\nfields = [\"density\"]\nholdout = { every = 4, offset = 3 }\n\
                 [reduction]\nmodes = 3\n";
    let folder = moving(study);
    let folder = folder.path();
    kolmo(folder, &FIT).success();
    let (data, model) = (data_sets(&folder.join("train.h5")), data_sets(&folder.join("model.h5")));
    let cells = &data["/mesh/cells"].1;
    let (points, density) = (&data["/mesh/points"], &data["/snapshots/density"]);

    // The basis is orthonormal on the mean mesh of the samples that train.
    let trained: Vec<usize> = (0..12).filter(|s| s % 4 != 3).collect();
    let mean: Vec<f64> = (0..50).map(|i| trained.iter().map(|&s| row(points, s)[i]).sum::<f64>() / 9.0).collect();
    let off = mean.iter().zip(&model["/mesh/points"].1).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(off < 1e-14, "{off:e}");
    let (basis, weights) = (&model["/pod/density/basis"], areas(&mean, cells));
    for i in 0..3 {
        for j in 0..3 {
            let g = inner(&weights, row(basis, i), row(basis, j));
            assert!((g - if i == j { 1.0 } else { 0.0 }).abs() < 1e-12, "({i}, {j}): {g}");
        }
    }

    // The points are learnt although `fields` does not name them; VTU draws them.
    assert_eq!(model["/pod/points/basis"].0, [3, 25, 2]);
    let at = "mach=1.5,gamma=0.5";
    kolmo(folder, &["predict", "model.h5", "--at", at, "-o", "one.h5"]).success();
    kolmo(folder, &["predict", "model.h5", "--at", at, "-o", "one.vtu"]).success();
    let one = data_sets(&folder.join("one.h5"));
    assert_eq!(one["/mesh/points"].0, [1, 25, 2]);
    let (_, arrays) = read(&folder.join("one.vtu"));
    let drawn: Vec<f64> = floats(&arrays["Points"].1).chunks(3).flat_map(|x| [x[0], x[1]]).collect();
    assert_eq!(drawn, one["/mesh/points"].1);
    assert!(!arrays.contains_key("points") && arrays.contains_key("points_std"), "{:?}", arrays.keys());

    // Scores: each sample in the norm of its own mesh.
    let held_out = [3, 7, 11];
    let parameters = &data["/parameters"];
    let table: String =
        held_out.iter().map(|&s| format!("{:?},{:?}\n", row(parameters, s)[0], row(parameters, s)[1])).collect();
    write_text(folder, "p.csv", &format!("mach,gamma\n{table}"));
    kolmo(folder, &["predict", "model.h5", "--parameters", "p.csv", "-o", "p.h5"]).success();
    let predicted = &data_sets(&folder.join("p.h5"))["/snapshots/density"];
    let relative = |i: usize, of_mean_mesh: bool| {
        let truth = row(density, held_out[i]);
        let w = if of_mean_mesh { weights.clone() } else { areas(row(points, held_out[i]), cells) };
        let error: Vec<f64> = truth.iter().zip(row(predicted, i)).map(|(a, b)| a - b).collect();
        (inner(&w, &error, &error) / inner(&w, truth, truth)).sqrt()
    };
    let expected = (0..3).map(|i| relative(i, false)).sum::<f64>() / 3.0;
    let other = (0..3).map(|i| relative(i, true)).sum::<f64>() / 3.0;
    assert!((expected / other - 1.0).abs() > 1e-3, "the two norms cannot be told apart: {expected}, {other}");
    let validate = ["validate", "model.h5", "--data", "study.toml", "--json"];
    let scores = json(&kolmo(folder, &validate).success());
    let found = scores["fields"]["density"]["rel_l2_mean"].as_f64().unwrap();
    assert!((found / expected - 1.0).abs() < 1e-10, "{found} and {expected}");

    // Scores by number of modes are those of the truncated model.
    for modes in 1..=3 {
        let truncated = json(
            &kolmo(folder, &["validate", "model.h5", "--data", "study.toml", "--modes", &modes.to_string(), "--json"])
                .success(),
        );
        for score in ["rel_l2_mean", "projection_rel_l2_mean"] {
            let mean =
                ["density", "points"].map(|f| truncated["fields"][f][score].as_f64().unwrap()).iter().sum::<f64>()
                    / 2.0;
            let by_modes = scores["by_modes"][modes - 1][score].as_f64().unwrap();
            assert!((by_modes / mean - 1.0).abs() < 1e-7, "{modes} modes, {score}: {by_modes} and {mean}");
        }
    }
}

#[test]
fn a_field_on_the_cells_without_the_boundary() {
    let folder = case(&format!("{STUDY}[reduction]\nmodes = 3\n"), |file| {
        let quads = file.dataset("mesh/cells").unwrap().read_raw::<i32>().unwrap();
        file.unlink("mesh/cells").unwrap();
        let set = |name: &str, shape: [usize; 2], values: &[i32]| {
            file.new_dataset::<i32>().shape(shape).create(name).unwrap().write_raw(values).unwrap();
        };
        set("mesh/cells/quad", [16, 4], &quads);
        set("mesh/cells/line", [4, 2], &[0, 1, 1, 2, 2, 3, 3, 4]);
    });
    let folder = folder.path();
    kolmo(folder, &FIT).success();
    kolmo(folder, &["check", "study.toml"]).success();
    let basis = &data_sets(&folder.join("model.h5"))["/pod/density/basis"];
    assert_eq!(basis.0, [3, 16]);
    let square = inner(&[1.0 / 16.0; 16], row(basis, 1), row(basis, 1));
    assert!((square - 1.0).abs() < 1e-12, "{square}");
    kolmo(folder, &["predict", "model.h5", "--at", "mach=1.5,gamma=0.5", "-o", "one.vtu"]).success();
    let (head, arrays) = read(&folder.join("one.vtu"));
    assert!(head.contains("NumberOfPoints=\"25\" NumberOfCells=\"16\""), "{head}");
    assert_eq!((arrays["types"].1.as_slice(), arrays["density"].1.len()), (&[9; 16][..], 128));
    kolmo(folder, &["predict", "model.h5", "--at", "mach=1.5,gamma=0.5", "-o", "one.h5"]).success();
    kolmo(folder, &["info", "one.h5"]).success();
    kolmo(folder, &["validate", "model.h5", "--data", "train.h5"]).success();
}

#[test]
fn a_point_without_cells_is_named_with_its_file() {
    let folder = case(STUDY, |file| {
        let mut points = file.dataset("mesh/points").unwrap().read_raw::<f64>().unwrap();
        points.extend([7.0, 7.0]);
        let pressure = file.dataset("snapshots/pressure").unwrap().read_2d::<f64>().unwrap();
        let longer = Array2::from_shape_fn((12, 26), |(s, k)| pressure[(s, k % 25)]);
        for (name, shape, values) in
            [("mesh/points", [26, 2], points), ("snapshots/pressure", [12, 26], longer.into_raw_vec_and_offset().0)]
        {
            file.unlink(name).unwrap();
            file.new_dataset::<f64>().shape(shape).create(name).unwrap().write_raw(&values).unwrap();
        }
    });
    for args in [&FIT[..], &["check", "study.toml"]] {
        refused(folder.path(), args, &["error[K015]", "train.h5, /mesh/points, point 25"]);
    }
}

#[test]
fn inner_products_that_are_none() {
    let with = |change: &dyn Fn(&mut Array2<f64>), algorithm: &str| {
        let mut matrix = Array2::from_diag_elem(25, 1.0);
        change(&mut matrix);
        let study = format!("{STUDY}fields = [\"pressure\"]\n[reduction]\ninner_product = \"file\"\n{algorithm}");
        case(&study, |file| {
            let entries: Vec<(usize, f64)> =
                matrix.indexed_iter().filter(|(_, v)| **v != 0.0).map(|((_, j), v)| (j, *v)).collect();
            let counts = matrix.rows().into_iter().map(|r| r.iter().filter(|v| **v != 0.0).count());
            let starts = std::iter::once(0).chain(counts.scan(0, |sum, n| {
                *sum += n;
                Some(*sum)
            }));
            let put = |name: &str, values: Vec<f64>| {
                let set = file.new_dataset::<f64>().shape([values.len()]);
                set.create(format!("inner_product/{name}").as_str()).unwrap().write_raw(&values).unwrap();
            };
            put("data", entries.iter().map(|(_, v)| *v).collect());
            put("indices", entries.iter().map(|(j, _)| *j as f64).collect());
            put("indptr", starts.map(|s| s as f64).collect());
        })
    };
    kolmo(with(&|m| m[(0, 0)] = 2.0, "").path(), &FIT).success();
    refused(with(&|m| m[(3, 4)] = f64::NAN, "").path(), &FIT, &["error[K004]", "train.h5, /inner_product/data"]);
    refused(with(&|m| m[(3, 4)] = 0.5, "").path(), &FIT, &["error[K016]", "train.h5, /inner_product, row 3, column 4"]);
    refused(with(&|m| m[(3, 3)] = -1.0, "").path(), &FIT, &["error[K016]", "train.h5, /inner_product, row 3"]);
    // Indefinite, although every pair of rows is definite: only the snapshots show it.
    let hidden = |m: &mut Array2<f64>| {
        for (i, j) in (0..9).map(|k| (k / 3, k % 3)) {
            m[(i, j)] = if i == j { 1e3 } else { -0.9e3 };
        }
    };
    for algorithm in ["", "algorithm = \"gram\"\n", "algorithm = \"tsqr\"\n"] {
        refused(with(&hidden, algorithm).path(), &FIT, &["error[K016]", "train.h5, /inner_product: "]);
    }
}

#[test]
fn tables_with_labels_and_with_too_many_rows() {
    let data = Stacked::new(12, N);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    ndarray_npy::write_npy(folder.join("snapshots.npy"), &data.snapshots[0].1).unwrap();
    let study = "[data]\nsamples = \"snapshots.npy\"\nparameters = \"parameters.csv\"\n";
    let write = |study: &str, rows: usize, spoilt: usize| {
        let row = |i: usize| {
            let (p, note) = (&data.parameters, if i == spoilt { "?".into() } else { format!("{i}") });
            format!("run {i},{},{},{note}\n", p[(i % 12, 0)], p[(i % 12, 1)])
        };
        let text: String = std::iter::once("name,mach,gamma,extra\n".to_string()).chain((0..rows).map(row)).collect();
        write_text(folder, "parameters.csv", &text);
        write_text(folder, "study.toml", study);
    };
    write(study, 12, 99);
    kolmo(folder, &FIT).success();
    write_text(folder, "p.csv", "note,mach,gamma,extra\nhere,1.5,0.5,3\n");
    kolmo(folder, &["predict", "model.h5", "--parameters", "p.csv", "-o", "out.h5"]).success();
    write(study, 12, 7);
    refused(folder, &FIT, &["error[K004]", "parameters.csv, line 9 (row 7), column extra", "`?`"]);
    write(&format!("{study}inputs = [\"mach\", \"name\"]\n"), 12, 99);
    refused(folder, &FIT, &["error[K004]", "column name", "`run 0`"]);
    write(&format!("{study}inputs = [\"mach\", \"gamma\"]\n"), 12, 7);
    kolmo(folder, &FIT).success();
    write_text(folder, "p.csv", "note,gamma,mach\nhere,0.5,1.5\nthere,much,1.5\n");
    refused(
        folder,
        &["predict", "model.h5", "--parameters", "p.csv", "-o", "new.h5"],
        &["K004", "p.csv, line 3", "much"],
    );
    write(study, 13, 99);
    let run = refused(folder, &FIT, &["error[K005]", "13 rows", "12 rows"]);
    assert!(!run.line("error[").contains("add the missing"), "{run:#?}");
    write(study, 11, 99);
    refused(folder, &FIT, &["error[K007]", "sample 11", "add the missing rows"]);
}

#[test]
fn endings_of_other_formats() {
    let folder = case(STUDY, |_| ());
    let folder = folder.path();
    kolmo(folder, &FIT).success();
    let predict = |output: &str| ["predict", "model.h5", "--at", "mach=1.5,gamma=0.5", "-o", output].map(String::from);
    for output in ["out.stl", "out.npz", "out.h5.csv"] {
        let args = predict(output);
        refused(folder, &args.each_ref().map(String::as_str), &["error[K009]", output, ".vtu"]);
    }
    for (output, start) in [("a.h5", "\u{89}HDF"), ("b.HDF5", "\u{89}HDF"), ("c", "\u{89}HDF"), ("d.VTU", "<?xml")] {
        let args = predict(output);
        kolmo(folder, &args.each_ref().map(String::as_str)).success();
        let bytes = std::fs::read(folder.join(output)).unwrap();
        let found: String = bytes[..start.chars().count()].iter().map(|b| char::from(*b)).collect();
        assert_eq!(found, start, "{output}");
    }
}

/// (projection error that `fit` prints, the same in JSON, the same in the model file) of the field `pressure`.
fn projection_errors(reduction: &str) -> (String, f64, f64) {
    let folder = case(&format!("{STUDY}[reduction]\n{reduction}"), |_| ());
    let text = kolmo(folder.path(), &FIT).success();
    let printed = text.stdout.lines().find(|l| l.starts_with("pressure: ")).unwrap().to_string();
    let run = kolmo(folder.path(), &["fit", "study.toml", "-o", "model.h5", "--json"]).success();
    let file = hdf5::File::open(folder.path().join("model.h5")).unwrap();
    let pod = file.group("pod/pressure").unwrap();
    let stored = pod.attr("projection_error").unwrap().read_scalar::<f64>().unwrap();
    let asked = |name: &str| pod.attr(name).and_then(|a| a.read_scalar::<f64>()).ok();
    match reduction.contains("modes = 2\n") {
        true => assert_eq!((asked("modes"), asked("tolerance")), (Some(2.0), None)),
        false if reduction.contains("tolerance") => {
            assert_eq!((asked("modes"), asked("tolerance")), (None, Some(1e-3)))
        }
        false => {}
    }
    (printed, json(&run)["fields"]["pressure"]["projection_error"].as_f64().unwrap(), stored)
}

#[test]
fn the_projection_error_is_stated_and_counts_what_a_projection_did_not_see() {
    let (_, exact, stored) = projection_errors("modes = 2\nalgorithm = \"tsqr\"\n");
    assert!(exact > 1e-4 && stored == exact, "{exact} and {stored}");
    let (printed, randomized, _) = projection_errors("modes = 2\nalgorithm = \"randomized\"\n");
    assert!((randomized / exact - 1.0).abs() < 1e-6, "{randomized} and {exact}");
    assert!(printed.contains(&format!("projection error {exact:.2e}")), "{printed}");
    let (_, met, _) = projection_errors("tolerance = 1e-3\n");
    assert!(met > 0.0 && met <= 1e-3, "{met}");
    let (printed, all, _) = projection_errors("modes = 99\n");
    assert!((0.0..1e-7).contains(&all) && all.is_sign_positive(), "{all}");
    assert!(!printed.contains("-0"), "{printed}");
}

#[test]
fn a_truncated_model_knows_its_projection_error() {
    let folder = case(&format!("{STUDY}[reduction]\nmodes = 4\nalgorithm = \"tsqr\"\n"), |_| ());
    kolmo(folder.path(), &FIT).success();
    let (model, _) = kolmo::io::pod_model::read(&folder.path().join("model.h5")).unwrap();
    let (_, exact, _) = projection_errors("modes = 2\nalgorithm = \"tsqr\"\n");
    let field = |m: &kolmo::online::PodRegression| {
        m.fields.iter().find(|f| f.info.name == "pressure").unwrap().projection_error
    };
    assert!((field(&model.truncated(2)) / exact - 1.0).abs() < 1e-9);
    assert_eq!(field(&model.truncated(4)), field(&model));
}

#[test]
fn a_long_study_is_an_attribute() {
    let comment = format!("# {}\n", "µ ".repeat(50_000));
    let study = format!("{STUDY}{comment}");
    let folder = case(&study, |_| ());
    kolmo(folder.path(), &FIT).success();
    let path = folder.path().join("model.h5");
    let text = |name: &str| {
        let file = hdf5::File::open(&path).unwrap();
        file.attr(name).unwrap().read_scalar::<VarLenUnicode>().unwrap().to_string()
    };
    assert_eq!((text("study"), text("method")), (study.clone(), "pod".to_string()));
    let (_, about) = kolmo::io::pod_model::read(&path).unwrap();
    assert_eq!(about.study, study);
    kolmo(folder.path(), &["check", "model.h5"]).success();
    // A byte of the text is covered, too.
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(6).position(|w| w == "µ µ ".as_bytes()).unwrap();
    bytes[at + 1000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    refused(folder.path(), &["check", "model.h5"], &["error[K010]"]);
}

#[test]
fn info_of_samples_with_time_alone() {
    let folder = case(STUDY, |file| {
        file.unlink("parameters").unwrap();
        let time: Vec<f64> = (0..12).map(|i| 0.5 * f64::from(i)).collect();
        file.new_dataset::<f64>().shape([12]).create("time").unwrap().write_raw(&time).unwrap();
    });
    let run = kolmo(folder.path(), &["info", "train.h5"]).success();
    assert!(run.stdout.contains("time: 0 to 5.5") && !run.stdout.contains("parameters"), "{run:#?}");
}
