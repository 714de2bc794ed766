//! Files that ranks write together, and parts that they read: the same as one rank's. Ranks are threads here.

use crate::partition::hexahedra;
use crate::ranks::{fit, mesh as squares};
use faer::Mat;
use kolmo::Error;
use kolmo::comm::{Communicator, SingleComm, run_on_threads};
use kolmo::data::{FieldInfo, Location, Table};
use kolmo::io::mesh_file::{MeshArray, MeshFile, Number};
use kolmo::io::model_file::{ModelReader, ModelWriter, verify_file};
use kolmo::io::piece_writer::{PieceWriter, piece_outputs};
use kolmo::io::pod_model::{Provenance, read, read_part, write};
use kolmo::io::predictions::{PredictedField, PredictionBatch, PredictionWriter};
use kolmo::io::rank_predictions::RankPredictions;
use kolmo::io::vtk::pvd::PvdFile;
use kolmo::io::vtk::pvtu::PvtuFile;
use kolmo::linalg::exchange_rows::exchange_rows;
use kolmo::linalg::sparse::owned_part;
use kolmo::linalg::tall::Layout;
use kolmo::mesh::Mesh;
use kolmo::mesh::mass_matrix::{mass_matrix, mass_matrix_rows};
use kolmo::mesh::partition::{Piece, partition, piece};
use kolmo::online::ReducedField;
use std::path::Path;
use std::sync::Arc;

fn about() -> Provenance {
    let training = (0..48).map(f64::from).collect();
    Provenance { study_name: "parts".into(), mesh: Some(squares()), training, ..Provenance::default() }
}

/// Rows of a field that is held whole.
fn rows_of(field: &ReducedField, rows: &[usize]) -> (Mat<f64>, Option<Vec<f64>>, Vec<f64>) {
    let pick = |v: &Vec<f64>| rows.iter().map(|r| v[*r]).collect::<Vec<f64>>();
    let basis = Mat::from_fn(rows.len(), field.n_modes(), |i, j| field.basis[(rows[i], j)]);
    (basis, field.mean.as_ref().map(pick), pick(&field.residual_variance))
}

#[test]
fn a_model_is_the_same_file_from_any_number_of_ranks() {
    let folder = tempfile::tempdir().unwrap();
    let serial = folder.path().join("serial.h5");
    let model = fit(Arc::new(SingleComm), None).unwrap();
    write(&serial, &model, &about(), &SingleComm).unwrap();
    for size in [2, 3] {
        let path = folder.path().join(format!("{size}.h5"));
        let done = run_on_threads(size, |comm| {
            let part = fit(comm.clone(), None).unwrap();
            assert!(part.fields.iter().all(|f| f.part.as_ref().is_some_and(|p| p.len() == f.basis.nrows())));
            write(&path, &part, &about(), comm.as_ref())
        });
        done.into_iter().for_each(|d| d.unwrap());
        verify_file(&path).unwrap();
        assert!(std::fs::read(&path).unwrap() == std::fs::read(&serial).unwrap(), "{size} ranks");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "no temporary file is left");

    let (whole, _) = read(&serial).unwrap();
    let of = |f: &ReducedField, step: usize, from: usize| (from..f.info.n_dofs()).step_by(step).collect::<Vec<usize>>();
    for (step, from) in [(1, 0), (1, 9_000), (2, 1), (997, 3), (1, usize::MAX)] {
        let rows: Vec<_> = whole.fields.iter().map(|f| Some(of(f, step, from))).collect();
        let (part, _) = read_part(&serial, rows.clone()).unwrap();
        for ((part, whole), rows) in part.fields.iter().zip(&whole.fields).zip(rows) {
            let expected = rows_of(whole, rows.as_ref().unwrap());
            assert_eq!((&part.basis, &part.mean, &part.residual_variance), (&expected.0, &expected.1, &expected.2));
            assert_eq!(part.part, rows);
        }
    }
    let beyond = vec![Some(vec![0, whole.fields[0].info.n_dofs()]), None];
    assert_eq!(read_part(&serial, beyond).unwrap_err().code(), "K100");
}

#[test]
fn rows_are_read_by_pieces_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.h5");
    // A row is longer than two pieces of 131,072 numbers.
    let (n, r) = (300_000, 3);
    let value = |i: usize, j: usize| (i as f64).sqrt() + 1e3 * j as f64;
    let values: Vec<f64> = (0..r).flat_map(|j| (0..n).map(move |i| value(i, j))).collect();
    let mut writer = ModelWriter::create(&path).unwrap();
    writer.f64("pod/p/basis", &[r, n], &values).unwrap();
    writer.f64("small", &[2, 3], &values[..6]).unwrap();
    writer.finish().unwrap();
    let reader = ModelReader::open(&path).unwrap();
    let all = reader.f64_columns("pod/p/basis", r, None).unwrap();
    assert_eq!(all, Mat::from_fn(n, r, value));
    let ends = vec![0, 131_071, 131_072, 131_073, 262_143, 262_144, n - 1];
    for rows in [ends, (0..n).step_by(7).collect(), (131_000..262_200).collect(), vec![], vec![n / 2]] {
        let found = reader.f64_columns("pod/p/basis", r, Some(&rows)).unwrap();
        assert_eq!(found, Mat::from_fn(rows.len(), r, |i, j| value(rows[i], j)));
    }
    let found = reader.f64_columns("small", 2, Some(&[0, 2])).unwrap();
    assert_eq!(found, Mat::from_fn(2, 2, |i, j| values[3 * j + 2 * i]));
    assert_eq!(reader.f64_columns("pod/p/basis", r, Some(&[n])).unwrap_err().code(), "K100");
    // Only what is used is read, and that is checked: entry 10 of the third row is spoilt.
    let mut bytes = std::fs::read(&path).unwrap();
    let raw = value(10, 2).to_le_bytes();
    let place = bytes.windows(8).position(|w| w == raw).unwrap();
    bytes[place] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let reader = ModelReader::open(&path).unwrap();
    // In no row these are in the piece of that entry.
    let far = [100_000, 200_000];
    assert_eq!(reader.f64_columns("pod/p/basis", r, Some(&far)).unwrap().nrows(), 2);
    let error = reader.f64_columns("pod/p/basis", r, Some(&[20])).unwrap_err();
    assert!(error.code() == "K010" && error.to_string().contains("/pod/p/basis"), "{error}");
}

#[test]
fn a_model_that_cannot_be_written_leaves_nothing_and_fails_on_all_ranks() {
    let folder = tempfile::tempdir().unwrap();
    let lost = folder.path().join("no").join("model.h5");
    let path = folder.path().join("model.h5");
    for size in [2, 3] {
        let errors = run_on_threads(size, |comm| {
            let mut model = fit(comm.clone(), None).unwrap();
            let first = write(&lost, &model, &about(), comm.as_ref()).unwrap_err();
            if comm.rank() + 1 == comm.size() {
                // The last rank lost a row.
                let field = &mut model.fields[0];
                let n = field.basis.nrows() - 1;
                field.basis = field.basis.subrows(0, n).to_owned();
                field.residual_variance.truncate(n);
                field.part.as_mut().unwrap().truncate(n);
            }
            let second = write(&path, &model, &about(), comm.as_ref()).unwrap_err();
            (first.code().to_string(), second.code().to_string(), second.to_string())
        });
        for (first, second, text) in errors {
            assert_eq!((first.as_str(), second.as_str()), ("K001", "K100"));
            assert!(text.contains("rows of u"), "{text}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

fn at(x: [f64; 3]) -> f64 {
    x[0] + 10.0 * x[1] + 100.0 * x[2]
}

/// Writes two samples on the pieces of a mesh; rank `failing` hands in too few values of the second.
fn write_pieces(comm: &Arc<dyn Communicator>, mesh: &Mesh, path: &Path, failing: Option<usize>) -> Result<(), Error> {
    let (rank, size) = (comm.rank(), comm.size());
    let Piece { mesh, .. } = piece(mesh, &partition(mesh, size), rank, size);
    let one = path.extension().is_some_and(|e| e == "pvtu");
    let names: Vec<String> = if one { vec!["only".into()] } else { vec!["a".into(), "b/1".into()] };
    let mut writer = PieceWriter::create(comm.clone(), path, &names, mesh.n_points() == 0)?;
    let centres = mesh.cell_centres();
    for k in 0..names.len() {
        let p: Vec<f64> = (0..mesh.n_points()).map(|i| at(mesh.point(i)) + k as f64).collect();
        let u: Vec<f64> = p.iter().flat_map(|p| [*p, -p]).collect();
        let mut q: Vec<f64> = centres.chunks(3).map(|c| at([c[0], c[1], c[2]]) - k as f64).collect();
        if failing == Some(rank) && k + 1 == names.len() {
            q.pop();
        }
        let array = |name, location, n_components, values| MeshArray {
            name,
            location,
            n_components,
            number: Number::Float64,
            values,
        };
        let arrays = [
            array("p", Location::Point, 1, &p[..]),
            array("u", Location::Point, 2, &u[..]),
            array("q", Location::Cell, 1, &q[..]),
        ];
        let time = Some(0.5 * k as f64);
        writer.append(time, &mesh, &arrays, &[("flag".into(), vec![k as f64])])?;
    }
    let table = Table::new(vec!["mu".into()], (0..names.len()).map(|k| k as f64).collect()).unwrap();
    writer.finish(Some(&table), None)
}

#[track_caller]
fn check_pieces(file: &dyn MeshFile, state: usize, mesh: &Mesh, k: usize) {
    let found = file.mesh(state).unwrap();
    assert_eq!((found.n_points(), found.n_cells()), (mesh.n_points(), mesh.n_cells()));
    found.validate(Path::new("pieces")).unwrap();
    let arrays = file.arrays(state).unwrap();
    let names: Vec<&str> = arrays.iter().map(|a| a.field.name.as_str()).collect();
    assert_eq!(names, ["p", "u", "q"]);
    let values = |i: usize| file.read(state, &arrays[i]).unwrap();
    let p: Vec<f64> = (0..found.n_points()).map(|i| at(found.point(i)) + k as f64).collect();
    assert_eq!(values(0), p);
    let width = arrays[1].field.n_components;
    assert!(values(1).chunks(width).zip(&p).all(|(u, p)| (u[0], u[1]) == (*p, -p)));
    let q: Vec<f64> = found.cell_centres().chunks(3).map(|c| at([c[0], c[1], c[2]]) - k as f64).collect();
    assert_eq!(values(2), q);
    assert_eq!(file.field_data(state).unwrap()[0], ("flag".to_string(), vec![k as f64]));
}

fn files(folder: &Path) -> Vec<String> {
    let names = crate::tool::listing(folder).into_iter().filter(|p| p.is_file());
    names.map(|p| p.strip_prefix(folder).unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn pieces_of_ranks_are_one_mesh_again() {
    // Seven pieces of four cells: three have none.
    for (n, sizes) in [([6, 4, 3], vec![1, 2, 3, 4]), ([2, 2, 1], vec![7])] {
        let mesh = hexahedra(n);
        for size in sizes {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name);
            for name in ["one.pvtu", "series.pvd", "many"] {
                // Twice: the second run replaces the files of the first.
                for _ in 0..2 {
                    let done = run_on_threads(size, |comm| write_pieces(&comm, &mesh, &path(name), None));
                    done.into_iter().for_each(|d| d.unwrap());
                }
            }
            check_pieces(&PvtuFile::open(path("one.pvtu")).unwrap(), 0, &mesh, 0);
            check_pieces(&PvtuFile::open(path("many/a.pvtu")).unwrap(), 0, &mesh, 0);
            check_pieces(&PvtuFile::open(path("many/b_1.pvtu")).unwrap(), 0, &mesh, 1);
            let series = PvdFile::open(path("series.pvd")).unwrap();
            assert_eq!(series.times(), Some(&[0.0, 0.5][..]));
            (0..2).for_each(|k| check_pieces(&series, k, &mesh, k));
            let found = files(folder.path());
            let n_pieces = size.min(mesh.n_cells());
            assert_eq!(found.len(), 5 * n_pieces + 7, "{found:?}");
            assert!(found.contains(&format!("one/one_{}.vtu", size - 1)), "{found:?}");
            assert!(found.contains(&"many/parameters.csv".to_string()), "{found:?}");
            if size == n_pieces {
                let names: Vec<String> = vec!["a".into(), "b/1".into()];
                let mut told: Vec<_> = piece_outputs(&path("many"), &names, size).unwrap();
                told.retain(|p| !p.ends_with("scalars.csv"));
                assert!(told.iter().all(|p| p.is_file()) && told.len() == 2 * size + 3);
            }
        }
    }
}

#[test]
fn pieces_of_more_ranks_do_not_stay() {
    let mesh = hexahedra([6, 4, 3]);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let write = |size: usize, name: &str, failing: Option<usize>| {
        run_on_threads(size, |comm| write_pieces(&comm, &mesh, &at(name), failing).is_ok())
    };
    let names = ["one.pvtu", "series.pvd", "many"];
    names.iter().for_each(|name| assert!(write(4, name, None).into_iter().all(|done| done)));
    let of_four = files(folder.path());
    // Named like pieces, and in no list; or not named like pieces.
    let others =
        ["one/one_9.vtu", "one/notes.vtu", "many/a_7.vtu", "many/a_x.vtu", "series/series_00000_04.vtu", "one_2.vtu"];
    others.iter().for_each(|name| std::fs::write(at(name), "not ours").unwrap());
    let before = crate::tool::contents(folder.path());
    // A run that fails takes nothing away.
    names.iter().for_each(|name| assert!(write(2, name, Some(1)).into_iter().all(|done| !done)));
    assert_eq!(crate::tool::contents(folder.path()), before);
    names.iter().for_each(|name| assert!(write(2, name, None).into_iter().all(|done| done)));
    let mut expected: Vec<String> =
        of_four.into_iter().filter(|f| !f.ends_with("_2.vtu") && !f.ends_with("_3.vtu")).collect();
    expected.extend(others.map(String::from));
    expected.sort();
    let mut found = files(folder.path());
    found.sort();
    assert_eq!(found, expected);
    check_pieces(&PvtuFile::open(at("one.pvtu")).unwrap(), 0, &mesh, 0);
    // A list that names the pieces of another program is replaced; its pieces are not ours.
    assert!(write(3, "one.pvtu", None).into_iter().all(|done| done));
    let text = std::fs::read_to_string(at("one.pvtu")).unwrap();
    std::fs::write(at("one.pvtu"), text.replace(" WrittenBy=\"kolmo\"", "")).unwrap();
    assert!(write(1, "one.pvtu", None)[0]);
    assert!(at("one/one_1.vtu").is_file() && at("one/one_2.vtu").is_file());
    assert!(write(2, "one.pvtu", None).into_iter().all(|done| done) && write(1, "one.pvtu", None)[0]);
    assert!(!at("one/one_1.vtu").exists() && at("one/one_2.vtu").is_file());
}

#[test]
fn one_rank_writes_whole_files_in_place_of_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let (at, mesh) = (folder.path(), hexahedra([6, 4, 3]));
    crate::tool::Stacked::new(8, 3).write(at, "train.h5");
    crate::tool::write_text(at, "p.csv", "sample,mach,gamma\na,1.5,0.5\nb/1,1.6,0.4\n");
    crate::tool::kolmo(at, &["fit", "train.h5", "-o", "model.h5"]).success();
    for name in ["many", "series.pvd"] {
        run_on_threads(3, |comm| write_pieces(&comm, &mesh, &at.join(name), None).unwrap());
    }
    std::fs::write(at.join("many/a_9.vtu"), "not ours").unwrap();
    crate::tool::kolmo(at, &["predict", "model.h5", "--parameters", "p.csv", "-o", "many/"]).success();
    crate::tool::kolmo(at, &["predict", "model.h5", "--parameters", "p.csv", "-o", "series.pvd"]).success();
    assert_eq!(files(&at.join("many")), ["a.vtu", "a_9.vtu", "b_1.vtu", "parameters.csv"]);
    assert_eq!(files(&at.join("series")), ["series_00000.vtu", "series_00001.vtu"]);
    // One step fewer.
    crate::tool::kolmo(at, &["predict", "model.h5", "--at", "mach=1.5,gamma=0.5", "-o", "series.pvd"]).success();
    assert_eq!(files(&at.join("series")), ["series_00000.vtu"]);
}

#[test]
fn pieces_that_fail_leave_nothing() {
    let mesh = hexahedra([3, 2, 2]);
    for (size, failing) in [(1, 0), (2, 1), (3, 0), (3, 2)] {
        let folder = tempfile::tempdir().unwrap();
        for name in ["one.pvtu", "series.pvd", "many"] {
            let path = folder.path().join(name);
            let done = run_on_threads(size, |comm| write_pieces(&comm, &mesh, &path, Some(failing)));
            for error in done.into_iter().map(Result::unwrap_err) {
                assert!(error.code() == "K100" && error.to_string().contains("array `q`"), "{error}");
            }
        }
        assert_eq!(files(folder.path()), [""; 0], "{size} ranks");
    }
    let folder = tempfile::tempdir().unwrap();
    let done = run_on_threads(2, |comm| write_pieces(&comm, &mesh, &folder.path().join("out.vtk"), None));
    assert!(done.into_iter().all(|d| d.unwrap_err().code() == "K009"));
}

#[test]
fn predictions_of_ranks_are_the_serial_file() {
    let folder = tempfile::tempdir().unwrap();
    let mesh = hexahedra([30, 24, 20]);
    let field = |name: &str, location, n_entities, n_components| FieldInfo {
        name: name.into(),
        location,
        n_entities,
        n_components,
        vector: n_components > 1,
    };
    let (n_points, n_cells) = (mesh.n_points(), mesh.n_cells());
    let infos = vec![
        field("p", Location::Cell, n_cells, 1),
        field("u", Location::Point, n_points, 3),
        field("points", Location::Point, n_points, 3),
    ];
    let table = Table::new(vec!["mu".into()], (0..5).map(f64::from).collect()).unwrap();
    let names = vec!["drag".to_string()];
    let batch = |rows: &[std::ops::Range<usize>], first: usize, n: usize| {
        let value = |k: usize, i: usize, j: usize| (k + 1) as f64 * i as f64 + 0.25 * (first + j) as f64;
        let fields = rows.iter().enumerate().map(|(k, rows)| PredictedField {
            values: Mat::from_fn(rows.len(), n, |i, j| value(k, rows.start + i, j)),
            std: Mat::from_fn(rows.len(), n, |i, j| value(k, rows.start + i, j) + 0.5),
            interval: Mat::from_fn(rows.len(), n, |i, j| value(k, rows.start + i, j) + 0.75),
            indicator: (0..n).map(|j| value(k, 0, j)).collect(),
        });
        let small: Vec<f64> = (first..first + n).map(|s| s as f64).collect();
        PredictionBatch {
            fields: fields.collect(),
            scalars: small.clone(),
            scalars_std: small.clone(),
            scalars_interval: small.clone(),
            indicator: small,
            flags: vec![1; n],
            bound: None,
        }
    };
    let all: Vec<_> = infos.iter().map(|f| 0..f.n_dofs()).collect();
    let serial = folder.path().join("serial.h5");
    let mut writer = PredictionWriter::create(&serial, Some(&mesh), &table, &infos, 5, &names).unwrap();
    writer.append(&batch(&all, 0, 3)).unwrap();
    writer.append(&batch(&all, 3, 2)).unwrap();
    writer.finish().unwrap();
    let expected = std::fs::read(&serial).unwrap();
    for size in [1, 2, 3] {
        let path = folder.path().join("ranks.h5");
        run_on_threads(size, |comm| {
            let rows: Vec<_> =
                infos.iter().map(|f| Layout::even(f.n_entities, f.n_components, comm.clone()).local_range()).collect();
            let mesh = (comm.rank() == 0).then_some(&mesh);
            let create =
                || RankPredictions::create(comm.clone(), &path, mesh, &table, infos.clone(), rows.clone(), &names);
            // One that is given up leaves nothing; so does one that lacks samples.
            drop(create().unwrap());
            assert_eq!(create().unwrap().finish().unwrap_err().code(), "K100");
            let mut writer = create().unwrap();
            writer.append(&batch(&rows, 0, 3)).unwrap();
            let mut wrong = batch(&rows, 3, 2);
            if comm.rank() + 1 == size {
                wrong.fields[0].values = Mat::zeros(1, 2);
            }
            assert_eq!(writer.append(&wrong).unwrap_err().code(), "K100");
            writer.append(&batch(&rows, 3, 2)).unwrap();
            writer.finish().unwrap();
        });
        assert!(std::fs::read(&path).unwrap() == expected, "{size} ranks");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(files(folder.path()), ["serial.h5"]);
    }
}

#[test]
fn rows_reach_those_that_want_them() {
    let value = |i: usize, j: usize| (10 * i + j) as f64;
    for size in [1, 2, 3, 5] {
        run_on_threads(size, |comm| {
            let rank = comm.rank();
            // Rows 4 r .. 4 r + 5: the last of a rank is the first of the next.
            let held: Vec<usize> = (4 * rank..4 * rank + 5).collect();
            let local = Mat::from_fn(5, 2, |i, j| value(held[i], j));
            let wanted: Vec<usize> = (0..4 * size + 2).filter(|i| i % (rank + 2) == 0).collect();
            let found = exchange_rows(comm.as_ref(), &held, local.as_ref(), &wanted);
            for (i, row) in wanted.iter().enumerate() {
                let nobody = *row > 4 * size;
                assert!(
                    (0..2).all(|j| found[(i, j)] == value(*row, j) || nobody && found[(i, j)].is_nan()),
                    "row {row}"
                );
            }
        });
    }
}

#[test]
fn rows_of_the_mass_matrix_are_those_of_the_whole() {
    let mesh = hexahedra([5, 4, 3]);
    let whole = mass_matrix(&mesh).unwrap();
    let n = mesh.n_points();
    for owned in [0..n, 0..n / 2, n / 2..n, 17..18, 5..5, 40..77] {
        let expected = owned_part(&whole, owned.clone());
        assert_eq!(mass_matrix_rows(&mesh, owned.clone()).unwrap(), expected, "{owned:?}");
    }
    let mut free = mesh.clone();
    free.points.extend([9.0, 9.0, 9.0]);
    assert_eq!(mass_matrix_rows(&free, 0..n).unwrap().1.nnz(), whole.nnz());
    let error = mass_matrix_rows(&free, n / 2..n + 1).unwrap_err();
    assert!(error.code() == "K015" && error.to_string().contains(&format!("point {n}")), "{error}");
}
