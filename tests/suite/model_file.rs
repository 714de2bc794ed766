//! The model file: round trip, damage at every byte, killed writers.

use faer::Mat;
use kolmo::Error;
use kolmo::io::model_file::{ModelReader, ModelWriter, verify_file};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Everything that is in a model file, as read.
#[derive(Debug, PartialEq)]
struct Content {
    basis: (Vec<usize>, Vec<f64>),
    vector: (Vec<usize>, Vec<f64>),
    values: (Vec<usize>, Vec<f64>),
    cells: (Vec<usize>, Vec<u32>),
    text: String,
    attributes: (String, f64, u64, Vec<String>),
    groups: Vec<String>,
}

fn basis(n: usize, modes: usize) -> Mat<f64> {
    Mat::from_fn(n, modes, |i, j| ((i * 31 + j * 17) % 1009) as f64 * 0.001 - 0.5)
}

fn write(path: &Path, n: usize, modes: usize) {
    let mut file = ModelWriter::create(path).unwrap();
    file.attr_str("/", "method", "pod").unwrap();
    file.f64_from("pod/p/basis", &[modes, n], basis(n, modes).as_ref()).unwrap();
    file.f64_from("pod/u/basis", &[modes, n / 2, 2], basis(n, modes).as_ref()).unwrap();
    let values: Vec<f64> = (0..modes).map(|i| (i as f64).exp()).collect();
    file.f64("/pod/p/singular_values", &[modes], &values).unwrap();
    let cells: Vec<u32> = (0..3 * n as u32).collect();
    file.u32("mesh/cells", &[n, 3], &cells).unwrap();
    file.text("study", "name = \"step\"\n# µ, λ\n").unwrap();
    file.attr_f64("pod/p", "tolerance", 1e-4).unwrap();
    file.attr_u64("pod/p", "n_modes", modes as u64).unwrap();
    file.attr_strs("regression", "inputs", &["mach", "gamma"]).unwrap();
    file.f64("empty", &[0, 3], &[]).unwrap();
    file.finish().unwrap();
}

fn read(path: &Path) -> Result<Content, Error> {
    let file = ModelReader::open(path)?;
    Ok(Content {
        basis: file.f64("pod/p/basis")?,
        vector: file.f64("/pod/u/basis")?,
        values: file.f64("pod/p/singular_values")?,
        cells: file.u32("mesh/cells")?,
        text: file.text("study")?,
        attributes: (
            file.attr_str("/", "method")?,
            file.attr_f64("pod/p", "tolerance")?,
            file.attr_u64("pod/p", "n_modes")?,
            file.attr_strs("regression", "inputs")?,
        ),
        groups: file.groups("/")?,
    })
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.code(), "K002" | "K003" | "K010" | "K011") && error.exit_code() == 2
}

#[test]
fn round_trip() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.h5");
    for (n, modes) in [(6, 2), (40_000, 7), (131_072, 2), (262_146, 3)] {
        write(&path, n, modes);
        let content = read(&path).unwrap();
        let flat: Vec<f64> = (0..modes).flat_map(|j| basis(n, modes).col_as_slice(j).to_vec()).collect();
        assert_eq!(content.basis, (vec![modes, n], flat.clone()));
        assert_eq!(content.vector, (vec![modes, n / 2, 2], flat));
        assert_eq!(content.cells.1[3 * n - 1], 3 * n as u32 - 1);
        assert_eq!(content.text, "name = \"step\"\n# µ, λ\n");
        let inputs = vec!["mach".to_string(), "gamma".to_string()];
        assert_eq!(content.attributes, ("pod".into(), 1e-4, modes as u64, inputs));
        assert_eq!(content.groups, ["mesh", "pod", "regression"]);
        let file = ModelReader::open(&path).unwrap();
        assert!(file.exists("pod/p/basis") && !file.exists("pod/q/basis") && !file.exists("no/where"));
        assert_eq!(file.data_sets("pod/p").unwrap(), ["basis", "singular_values"]);
        assert_eq!(file.f64("empty").unwrap(), (vec![0, 3], vec![]));
        assert_eq!(file.f64("pod/q").unwrap_err().code(), "K002");
        assert_eq!(file.f64("mesh/cells").unwrap_err().code(), "K002");
        assert_eq!(file.attr_u64("pod/p", "none").unwrap_err().code(), "K002");
        assert_eq!(file.attr_u64("/", "format_version").unwrap(), 1);
        file.verify().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn blocks_give_the_same_file_as_columns() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.h5");
    let (n, modes) = (20_000, 3);
    let basis = basis(n, modes);
    let mut file = ModelWriter::create(&path).unwrap();
    file.f64_reserve("a", &[modes, n / 2, 2]).unwrap();
    for j in 0..modes {
        for start in (0..n / 2).step_by(4096) {
            let end = (start + 4096).min(n / 2);
            file.f64_block("a", j..j + 1, start..end, &basis.col_as_slice(j)[2 * start..2 * end]).unwrap();
        }
    }
    assert_eq!(file.f64_block("a", 0..1, 0..n, &[0.0; 4]).unwrap_err().code(), "K100");
    assert_eq!(file.f64("b", &[2, 2], &[0.0; 3]).unwrap_err().code(), "K100");
    assert_eq!(file.f64_from("c", &[modes, n - 1], basis.as_ref()).unwrap_err().code(), "K100");
    file.finish().unwrap();
    let (shape, values) = ModelReader::open(&path).unwrap().f64("a").unwrap();
    assert_eq!(shape, [modes, n / 2, 2]);
    (0..modes).for_each(|j| assert_eq!(&values[j * n..(j + 1) * n], basis.col_as_slice(j)));
}

#[test]
fn every_flipped_byte_of_a_small_model() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.h5");
    write(&path, 6, 2);
    let original = fs::read(&path).unwrap();
    let mut bytes = original.clone();
    for i in 0..bytes.len() {
        bytes[i] ^= 1 << (i % 8);
        fs::write(&path, &bytes).unwrap();
        let error = read(&path).expect_err("a flipped byte");
        assert!(is_refusal(&error), "byte {i}: {error}");
        assert!(verify_file(&path).is_err(), "byte {i}");
        bytes[i] = original[i];
    }
}

#[test]
fn flipped_bytes_of_a_large_model() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.h5");
    write(&path, 60_000, 5);
    let original = fs::read(&path).unwrap();
    let content = read(&path).unwrap();
    let (mut bytes, mut state, mut on_reading) = (original.clone(), 1u64, 0);
    for _ in 0..100 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let i = (state >> 16) as usize % bytes.len();
        bytes[i] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        match read(&path) {
            Ok(found) => assert_eq!(found, content, "byte {i}"),
            Err(error) => assert!(is_refusal(&error), "byte {i}: {error}"),
        }
        // Large data sets are checked when they are read: the file opens, the damaged set does not.
        if let Ok(file) = ModelReader::open(&path) {
            on_reading += 1;
            let error = file.verify().expect_err("damage is found");
            assert!(error.to_string().contains("bytes "), "byte {i}: {error}");
        }
        assert!(verify_file(&path).is_err(), "byte {i}");
        bytes[i] = original[i];
    }
    assert!(on_reading > 50, "{on_reading} of 100 lay in large data sets");
}

#[test]
fn truncated_and_lengthened() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.h5");
    write(&path, 20_000, 2);
    let original = fs::read(&path).unwrap();
    let n = original.len();
    for keep in [0, 1, 7, 8, 100, 511, 512, 513, 600, 2048, n / 3, n / 2, n - 1000, n - 4, n - 1] {
        fs::write(&path, &original[..keep]).unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.code(), "K003", "{keep} bytes: {error}");
    }
    fs::write(&path, [&original[..], &[0]].concat()).unwrap();
    assert_eq!(read(&path).unwrap_err().code(), "K003");
}

#[test]
fn refuses_other_files_and_newer_versions() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.h5");
    assert_eq!(read(&path).unwrap_err().code(), "K001");
    assert_eq!(read(folder.path()).unwrap_err().code(), "K002");
    fs::write(&path, "text").unwrap();
    assert_eq!(read(&path).unwrap_err().code(), "K002");
    hdf5::File::create(&path).unwrap().close().unwrap();
    let error = read(&path).unwrap_err();
    assert!(error.code() == "K002" && error.to_string().contains("not a model"), "{error}");
    write(&path, 6, 2);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] += 1;
    let crc = crc32fast::hash(&bytes[..508]);
    bytes[508..512].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let error = read(&path).unwrap_err();
    assert_eq!(error.code(), "K011", "{error}");
    assert!(error.to_string().contains("format version 2;"), "{error}");
}

#[test]
fn an_abandoned_writer_leaves_the_old_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.h5");
    write(&path, 6, 2);
    let old = fs::read(&path).unwrap();
    let mut writer = ModelWriter::create(&path).unwrap();
    writer.f64("a", &[3], &[1.0; 3]).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    // A second writer of the same file does not touch the first one's temporary file.
    drop(ModelWriter::create(&path).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    drop(writer);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read(&path).unwrap(), old);
    assert_eq!(ModelWriter::create(folder.path().join("no/model.h5")).unwrap_err().code(), "K001");
    assert_eq!(ModelWriter::create(folder.path()).unwrap_err().code(), "K103");
}

const CHILD: &str = "KOLMO_TEST_MODEL_FILE";

/// Not a test by itself: the process that `killed_writer` kills.
#[test]
fn child_writes_for_ever() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    loop {
        write(Path::new(&path), 100_000, 5);
    }
}

#[test]
fn killed_writer() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.h5");
    write(&path, 6, 2);
    let (old, mut left) = (read(&path).unwrap(), 0);
    let mut new = None;
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "model_file::child_writes_for_ever"])
            .env(CHILD, &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let temporary = || fs::read_dir(folder.path()).unwrap().flatten().find(|e| e.path() != path);
        let start = Instant::now();
        while temporary().is_none() && start.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(7 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        left += usize::from(temporary().is_some());
        let found = read(&path).unwrap();
        if found != old {
            assert_eq!(&found, new.get_or_insert_with(|| found_new(&folder)));
        }
    }
    assert!(left > 0, "no writer was killed in its work");
    drop(ModelWriter::create(&path).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // The temporary file of another target, and what only looks like one, stay.
    let others = [".other.h5.1-0.tmp", ".model.h5.tmp", ".model.h5.x-0.tmp", ".model.h5.old.1-0.tmp"];
    others.iter().for_each(|name| fs::write(folder.path().join(name), "").unwrap());
    drop(ModelWriter::create(&path).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1 + others.len());
}

fn found_new(folder: &TempDir) -> Content {
    let path = folder.path().join("reference");
    fs::create_dir(&path).unwrap();
    write(&path.join("model.h5"), 100_000, 5);
    let content = read(&path.join("model.h5")).unwrap();
    fs::remove_dir_all(&path).unwrap();
    content
}

#[test]
fn a_link_stays_a_link() {
    let folder = TempDir::new().unwrap();
    let (path, link) = (folder.path().join("model.h5"), folder.path().join("link.h5"));
    write(&path, 6, 2);
    std::os::unix::fs::symlink(&path, &link).unwrap();
    write(&link, 8, 2);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(read(&path).unwrap().basis.0, [2, 8]);
}
