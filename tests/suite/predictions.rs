//! Predictions: written batch by batch, read back, never half-written.

use faer::Mat;
use kolmo::data::{FieldInfo, Location, Table};
use kolmo::io::SnapshotSource;
use kolmo::io::predictions::{PredictedField, PredictionBatch, PredictionWriter};
use kolmo::io::stacked::StackedFile;
use kolmo::mesh::{CellBlock, CellType, Mesh};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn value(field: usize, sample: usize, dof: usize) -> f64 {
    (field as f64 + 1.0) * (sample as f64 * 0.25 - 0.5) + dof as f64 * 0.125
}

/// Ten points in two rows.
const GRID: [f64; 20] =
    [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 2.0, 0.0, 2.0, 1.0, 3.0, 0.0, 3.0, 1.0, 4.0, 0.0, 4.0, 1.0];

fn field(name: &str, location: Location, n_entities: usize, n_components: usize) -> FieldInfo {
    FieldInfo { name: name.into(), location, n_entities, n_components, vector: n_components > 1 }
}

fn batch(fields: &[FieldInfo], first: usize, n: usize) -> PredictionBatch {
    let matrix = |k: usize, shift: f64, m: usize| Mat::from_fn(m, n, |i, j| value(k, first + j, i) + shift);
    // Moving points stay a mesh: the same grid, shifted.
    let grid = |k: usize, m: usize| Mat::from_fn(m, n, |i, j| GRID[i] + value(k, first + j, 0));
    let fields = fields.iter().enumerate().map(|(k, f)| PredictedField {
        values: if f.name == "points" { grid(k, f.n_dofs()) } else { matrix(k, 0.0, f.n_dofs()) },
        std: matrix(k, 100.0, f.n_dofs()),
        interval: matrix(k, 200.0, f.n_dofs()),
        indicator: (first..first + n).map(|s| value(k, s, 0)).collect(),
    });
    let scalars: Vec<f64> = (0..2 * n).map(|i| (2 * first + i) as f64).collect();
    PredictionBatch {
        fields: fields.collect(),
        scalars_std: scalars.iter().map(|v| v + 0.5).collect(),
        scalars_interval: scalars.iter().map(|v| v + 0.75).collect(),
        scalars,
        indicator: (first..first + n).map(|s| s as f64).collect(),
        flags: (first..first + n).map(|s| (s % 2) as u8).collect(),
        bound: None,
    }
}

#[test]
fn predictions_round_trip() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out.h5");
    let points = GRID.to_vec();
    let quads = (0..3).flat_map(|c| [2 * c, 2 * c + 2, 2 * c + 3, 2 * c + 1]).collect();
    let mesh = Mesh {
        dim: 2,
        points,
        cells: vec![
            CellBlock::new(CellType::Triangle, vec![6, 8, 7, 7, 8, 9]),
            CellBlock::new(CellType::Quad, quads),
            CellBlock::new(CellType::Triangle, vec![0, 1, 2]),
        ],
    };
    let parameters = Table::new(vec!["mach".into()], (0..5).map(f64::from).collect()).unwrap();
    let names = vec!["drag".to_string(), "lift".to_string()];
    for moving in [false, true] {
        let mut fields = vec![field("p", Location::Cell, 6, 1), field("u", Location::Point, 10, 2)];
        fields.push(field(if moving { "points" } else { "w" }, Location::Point, 10, 2));
        fields.push(field("free", Location::Free, 3, 1));
        let order = [3, 0, 1, 2];
        let mut writer = PredictionWriter::create(&path, Some(&mesh), &parameters, &fields, 5, &names).unwrap();
        assert_eq!(writer.append(&batch(&fields[..2], 0, 2)).unwrap_err().code(), "K100");
        writer.append(&batch(&fields, 0, 3)).unwrap();
        writer.append(&batch(&fields, 3, 2)).unwrap();
        assert_eq!(writer.append(&batch(&fields, 5, 1)).unwrap_err().code(), "K100");
        writer.finish().unwrap();
        let file = StackedFile::open(&path).unwrap();
        assert_eq!(file.points_move(), moving);
        assert_eq!(file.parameters(), Some(&parameters));
        assert_eq!(file.scalars().unwrap().names, names);
        assert_eq!(file.scalars().unwrap().values, (0..10).map(f64::from).collect::<Vec<_>>());
        let read = file.mesh().unwrap();
        assert_eq!(read.cells, mesh.cells);
        assert!(moving || read.points == mesh.points);
        for (found, &k) in file.fields().iter().zip(&order) {
            assert_eq!(found, &fields[k]);
            let block = file.read(found, &[4, 0, 1], 0..found.n_dofs()).unwrap();
            let entry = |s: usize, i: usize| match found.name.as_str() {
                "points" => GRID[i] + value(k, s, 0),
                _ => value(k, s, i),
            };
            let expected = Mat::from_fn(found.n_dofs(), 3, |i, j| entry([4, 0, 1][j], i));
            assert_eq!(block, expected, "{}", found.name);
        }
        drop(file);
        let raw = hdf5::File::open(&path).unwrap();
        let std = raw.dataset(if moving { "uncertainty/points" } else { "uncertainty/w" }).unwrap();
        assert_eq!(std.shape(), [5, 10, 2]);
        assert_eq!(std.read_raw::<f64>().unwrap()[20 + 3], value(2, 1, 3) + 100.0);
        assert_eq!(raw.dataset("interval/p").unwrap().read_raw::<f64>().unwrap()[6], value(0, 1, 0) + 200.0);
        assert_eq!(raw.dataset("indicators/u").unwrap().read_raw::<f64>().unwrap()[4], value(1, 4, 0));
        assert_eq!(raw.dataset("indicator").unwrap().read_raw::<f64>().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(raw.dataset("flags").unwrap().read_raw::<u8>().unwrap(), [0, 1, 0, 1, 0]);
        assert_eq!(raw.dataset("scalars_interval").unwrap().read_raw::<f64>().unwrap()[3], 3.75);
        assert!(!raw.link_exists("snapshots/points"));
    }
}

#[test]
fn unfinished_predictions_leave_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out.h5");
    let fields = [field("p", Location::Free, 6, 1)];
    let start = |path: &Path| PredictionWriter::create(path, None, &Table::default(), &fields, 5, &[]);
    drop(start(&path).unwrap());
    assert_eq!(start(&path).unwrap().finish().unwrap_err().code(), "K100");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let error = start(&folder.path().join("no/out.h5")).unwrap_err();
    assert!(error.code() == "K001" && error.to_string().contains("/no: found no such folder"), "{error}");
    assert_eq!(start(folder.path()).unwrap_err().code(), "K103");
    assert_eq!(start(Path::new("/dev/null")).unwrap_err().code(), "K103");
    fs::write(&path, "a file, not a folder").unwrap();
    assert_eq!(start(&path.join("out.h5")).unwrap_err().code(), "K103");
}
