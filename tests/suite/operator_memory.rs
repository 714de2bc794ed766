//! Matrices are read one at a time: what a decomposition of many large ones needs in memory.
//!
//! `KOLMO_MEMORY=1 cargo test --test suite operator_memory -- --nocapture` writes 1.6 GB into the temporary folder, and removes it.

use crate::operator_files::{put, put_numbers, put_parameters};
use faer::Mat;
use kolmo::algorithms::affine_decomposition::EntryOptions;
use kolmo::algorithms::gaussian_process::GpOptions;
use kolmo::algorithms::pod::Truncation;
use kolmo::io::operators::OperatorFile;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::terms::{Pattern, Terms};
use kolmo::offline::decompose::{Quantity, Way, decompose};
use kolmo::offline::reduced_basis::{AffineProblem, Options, reduced_basis};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Rows; a tridiagonal pattern has a million places.
const N: usize = 333_334;
const N_MU: usize = 200;
const N_MODES: usize = 8;
/// The child process finds its file here.
const FILE: &str = "KOLMO_MEMORY_FILE";
const MIB: f64 = 1024.0 * 1024.0;

/// A number of /proc/self/status, in bytes.
fn status(key: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_else(|| panic!("no {key}"));
    let kilobytes = line.trim_start_matches(':').split_whitespace().next().unwrap();
    1024.0 * kilobytes.parse::<f64>().unwrap()
}

/// Peak of the resident memory while `f` runs, over what was resident before it.
fn peak<R>(f: impl FnOnce() -> R) -> (R, f64) {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS");
    let result = f();
    (result, status("VmHWM") - before)
}

fn write(path: &Path) {
    let file = hdf5::File::create(path).unwrap();
    let (mut indptr, mut indices) = (vec![0], Vec::new());
    for i in 0..N {
        indices.extend(i.saturating_sub(1)..N.min(i + 2));
        indptr.push(indices.len());
    }
    put_numbers(&file, "operators/A/indptr", &indptr);
    put_numbers(&file, "operators/A/indices", &indices);
    let nnz = indices.len();
    let data = file.new_dataset::<f64>().shape([N_MU, nnz]).create("operators/A/values").unwrap();
    let parameters: Vec<f64> = (0..N_MU).map(|k| 1.0 + k as f64 / (N_MU - 1) as f64).collect();
    // Four matrices, combined by functions that are not affine.
    let parts: Vec<Vec<f64>> =
        (1..5).map(|q| (0..nnz).map(|e| (0.37 * (q * e % 1013) as f64).sin()).collect()).collect();
    for (k, mu) in parameters.iter().enumerate() {
        let weights = [1.0, *mu, (2.0 * mu).sin(), (-mu).exp()];
        let row: Vec<f64> = (0..nnz).map(|e| (0..4).map(|q| weights[q] * parts[q][e]).sum()).collect();
        data.write_slice(&row, (k, ..)).unwrap();
    }
    put(&file, "operators/rhs", &[N], vec![1.0; N]);
    put_parameters(&file, &["mu"], &parameters.iter().map(|mu| vec![*mu]).collect::<Vec<_>>());
}

/// The terms, in the file.
#[derive(Debug)]
struct OfFile<'a> {
    file: &'a OperatorFile,
    members: Vec<usize>,
    pattern: Arc<Pattern>,
}

impl Terms<f64> for OfFile<'_> {
    fn n_rows(&self) -> usize {
        N
    }

    fn n_terms(&self) -> usize {
        self.members.len()
    }

    fn values(&self, term: usize) -> kolmo::Result<Vec<f64>> {
        self.file.matrix(0, self.members[term])
    }

    fn pattern(&self) -> &Arc<Pattern> {
        &self.pattern
    }
}

/// What the parent starts on its own, so that nothing else is in memory.
#[test]
fn a_process_of_its_own() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let before = status("VmRSS");
    let (file, opening) = peak(|| OperatorFile::open(Path::new(&path)).unwrap());
    let pattern = file.operators[0].pattern().unwrap().clone();
    let nnz = pattern.n_entries();
    let own = 8.0 * (nnz + N + 1) as f64;
    let opened = status("VmRSS") - before;
    println!("opening: peak {:.1} MiB, {:.1} stay; the pattern has {:.1}", opening / MIB, opened / MIB, own / MIB);
    let x = Mat::from_fn(N_MU, 1, |i, _| file.parameters.row(i)[0]);
    let quantity = Quantity {
        name: "A".into(),
        n_entries: nnz,
        read: Box::new(|m| file.matrix::<f64>(0, m)),
        way: Way::Entries { options: EntryOptions::default(), learn: false },
        place: Box::new(|e| pattern.place(e)),
    };
    let (found, reading) = peak(|| decompose(&quantity, x.as_ref(), 0, &GpOptions::default()).unwrap().1);
    let array = 8.0 * nnz as f64;
    println!(
        "decomposition, {} terms: peak {:.1} MiB; an array of values has {:.1}",
        found.members.len(),
        reading / MIB,
        array / MIB
    );
    let terms = OfFile { file: &file, members: found.members.clone(), pattern: pattern.clone() };
    let v = Mat::from_fn(N, N_MODES, |i, k| ((k + 1) as f64 * 9.4 * i as f64 / N as f64).sin());
    let problem = AffineProblem {
        matrices: &terms,
        rhs: Mat::from_fn(N, 1, |_, _| 1.0),
        outputs: Vec::new(),
        inner_product: InnerProduct::Euclidean,
    };
    let options = Options { truncation: Truncation::Modes(N_MODES), residual_rows: 0, ..Options::default() };
    let (_, projection) = peak(|| reduced_basis(&problem, v.as_ref(), None, &options).unwrap());
    let of_basis = 8.0 * (N * N_MODES) as f64;
    println!(
        "projection on {N_MODES} modes without residual: peak {:.1} MiB; V has {:.1}",
        projection / MIB,
        of_basis / MIB
    );
    assert_eq!(found.members.len(), 4);
    // Beyond what was resident, the pattern among it: three arrays of values.
    assert!(reading <= 3.0 * array, "{:.1} MiB of {:.1}", reading / MIB, 3.0 * array / MIB);
    // V too.
    let most = of_basis + 3.0 * array;
    assert!(projection <= most, "{:.1} MiB of {:.1}", projection / MIB, most / MIB);
}

#[test]
fn matrices_are_read_one_at_a_time() {
    if std::env::var_os("KOLMO_MEMORY").is_none() {
        println!("skipped: KOLMO_MEMORY is not set; 1.6 GB would be written");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("operators.h5");
    write(&path);
    let name = "operator_memory::a_process_of_its_own";
    let run =
        Command::new(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]).env(FILE, &path).output();
    let run = run.unwrap();
    let text = String::from_utf8_lossy(&run.stdout);
    println!("{text}");
    assert!(run.status.success() && text.contains("decomposition"), "{run:?}");
}
