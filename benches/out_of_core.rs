//! Snapshots larger than memory: seconds to read a compressed file once with HDF5 in one thread, for two passes slab by
//! slab, and for `kolmo fit`, with the peak of its memory.
//!
//!     cargo bench --bench out_of_core            files of 0.5 GB, memory = 64 MiB
//!     KOLMO_BENCH_GB=8 cargo bench --bench out_of_core -- tall shuffle      8 GB, memory = 1 GiB, files by their names

use flate2::Compression;
use flate2::write::ZlibEncoder;
use kolmo::io::SnapshotSource;
use kolmo::io::field_slabs::FieldSlabs;
use kolmo::io::stacked::StackedFile;
use kolmo::linalg::slabs::Slabs;
use kolmo::linalg::tall::Layout;
use rayon::prelude::*;
use std::ffi::{c_int, c_void};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const N_SAMPLES: usize = 200;
/// Part of an entry that gzip cannot pack.
const NOISE: f64 = 1e-6;
const DONE: &str = "room for the files of the benchmark";

unsafe extern "C" {
    /// Since HDF5 1.10.3, in the library that the crate hdf5 links: chunks that all threads have packed.
    fn H5Dwrite_chunk(
        data: i64,
        transfer: i64,
        filters: u32,
        offset: *const u64,
        n_bytes: usize,
        bytes: *const c_void,
    ) -> c_int;
}

struct Case {
    name: &'static str,
    /// Samples and entries of a chunk; 0 entries: all.
    chunk: [usize; 2],
    shuffle: bool,
    single: bool,
}

const CASES: &[Case] = &[
    Case { name: "tall", chunk: [1, 0], shuffle: false, single: false },
    Case { name: "tall-shuffle", chunk: [1, 0], shuffle: true, single: false },
    Case { name: "flat", chunk: [50, 20_000], shuffle: false, single: false },
    Case { name: "flat-shuffle", chunk: [50, 20_000], shuffle: true, single: false },
    Case { name: "flat-single", chunk: [50, 20_000], shuffle: true, single: true },
];

fn noise(i: u64) -> f64 {
    // SplitMix64.
    let mut z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}

fn entry(sample: usize, i: usize, n: usize) -> f64 {
    let (mu, x) = (sample as f64 / N_SAMPLES as f64, i as f64 / n as f64);
    1.0 + (3.0 * x + mu).sin() * (1.0 + mu * x)
        + 0.1 * (20.0 * (x - mu)).tanh()
        + NOISE * noise((sample * n + i) as u64)
}

/// Bytes of a chunk, shuffled where asked for, then packed as gzip level 4 does.
fn pack(case: &Case, chunk: [usize; 2], begin: [usize; 2], n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for s in begin[0]..begin[0] + chunk[0] {
        for i in begin[1]..begin[1] + chunk[1] {
            let value = if i < n { entry(s, i, n) } else { 0.0 };
            match case.single {
                true => bytes.extend_from_slice(&(value as f32).to_le_bytes()),
                false => bytes.extend_from_slice(&value.to_le_bytes()),
            }
        }
    }
    let size = if case.single { 4 } else { 8 };
    if case.shuffle {
        let n_values = bytes.len() / size;
        let shuffled = (0..size).flat_map(|p| (0..n_values).map(move |i| (p, i)));
        bytes = shuffled.map(|(p, i)| bytes[i * size + p]).collect();
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(4));
    encoder.write_all(&bytes).expect(DONE);
    encoder.finish().expect(DONE)
}

/// The file of a case; its bytes in memory and on disk.
fn write(path: &Path, case: &Case, n: usize) -> (f64, f64) {
    let file = hdf5::File::create(path).expect(DONE);
    let chunk = [case.chunk[0], if case.chunk[1] == 0 { n } else { case.chunk[1].min(n) }];
    let builder = match case.single {
        true => file.new_dataset_builder().empty::<f32>(),
        false => file.new_dataset_builder().empty::<f64>(),
    };
    let builder = builder.shape([N_SAMPLES, n]).chunk(chunk);
    let builder = if case.shuffle { builder.shuffle() } else { builder };
    let data = builder.deflate(4).create("snapshots/u").expect(DONE);
    let begins: Vec<[usize; 2]> =
        (0..N_SAMPLES).step_by(chunk[0]).flat_map(|s| (0..n).step_by(chunk[1]).map(move |i| [s, i])).collect();
    for some in begins.chunks(4) {
        let packed: Vec<Vec<u8>> = some.par_iter().map(|begin| pack(case, chunk, *begin, n)).collect();
        for (begin, bytes) in some.iter().zip(packed) {
            let offset = begin.map(|b| b as u64);
            // SAFETY: the data set is open and has two axes, `bytes` has as many bytes as told; no other thread uses HDF5.
            let done = unsafe { H5Dwrite_chunk(data.id(), 0, 0, offset.as_ptr(), bytes.len(), bytes.as_ptr().cast()) };
            assert!(done >= 0, "{DONE}");
        }
    }
    let values: Vec<f64> = (0..N_SAMPLES).map(|s| s as f64 / N_SAMPLES as f64).collect();
    file.new_dataset::<f64>().shape([N_SAMPLES, 1]).create("parameters").expect(DONE).write_raw(&values).expect(DONE);
    drop(data);
    file.close().expect(DONE);
    let size = if case.single { 4.0 } else { 8.0 };
    (size * (N_SAMPLES * n) as f64, fs::metadata(path).expect(DONE).len() as f64)
}

/// Reads all chunks by HDF5, one after the other.
fn read_by_hdf5(path: &Path) -> f64 {
    let start = Instant::now();
    let file = hdf5::File::open(path).expect(DONE);
    let data = file.dataset("snapshots/u").expect(DONE);
    let (shape, chunk) = (data.shape(), data.chunk().expect(DONE));
    for s in (0..shape[0]).step_by(chunk[0]) {
        for i in (0..shape[1]).step_by(chunk[1]) {
            let block = (s..(s + chunk[0]).min(shape[0]), i..(i + chunk[1]).min(shape[1]));
            let single = data.dtype().is_ok_and(|t| t.is::<f32>());
            match single {
                true => drop(data.read_slice_2d::<f32, _>(block).expect(DONE)),
                false => drop(data.read_slice_2d::<f64, _>(block).expect(DONE)),
            }
        }
    }
    start.elapsed().as_secs_f64()
}

/// CPU seconds of this process, of the program and of the system: where others use the machine, these tell more.
fn cpu() -> [f64; 2] {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: Vec<f64> = text.split_whitespace().skip(13).take(2).filter_map(|t| t.parse().ok()).collect();
    [0, 1].map(|i| ticks.get(i).copied().unwrap_or(0.0) / 100.0)
}

/// Seconds of two passes without work in between.
fn two_passes(path: &Path, memory: usize, folder: &Path) -> (f64, f64, String) {
    let source = Arc::new(StackedFile::open(path).expect(DONE));
    let field = source.fields()[0].clone();
    let layout = Layout::serial(field.n_dofs());
    let start = Instant::now();
    let slabs = FieldSlabs::new(source, field, (0..N_SAMPLES).collect(), layout, memory, folder).expect(DONE);
    let mut sum = 0.0;
    let mut seconds = [0.0; 2];
    for pass in &mut seconds {
        slabs
            .pass(&mut |_, slab| {
                sum += slab[(0, 0)];
                Ok(())
            })
            .expect(DONE);
        *pass = start.elapsed().as_secs_f64();
    }
    assert!(sum.is_finite());
    let about = format!(
        "{}, slabs of {} rows, {:.0} MB planned",
        slabs.way(),
        slabs.rows_per_slab(),
        slabs.bytes() as f64 / 1e6
    );
    (seconds[0], seconds[1], about)
}

/// Seconds of `kolmo fit`, and the peak of its memory in GB.
fn fit(path: &Path, memory: usize) -> Option<(f64, f64)> {
    let study = path.with_extension("toml");
    let text = format!(
        "[data]\nsamples = {:?}\n\n[reduction]\nmodes = 20\nmemory = \"{}MiB\"\n",
        path.file_name()?,
        memory >> 20
    );
    fs::write(&study, text).expect(DONE);
    let start = Instant::now();
    let mut run = Command::new(env!("CARGO_BIN_EXE_kolmo")).arg("fit").arg(&study).spawn().ok()?;
    let mut peak = 0.0_f64;
    while run.try_wait().ok()?.is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", run.id())).unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmHWM")).and_then(|l| l.split_whitespace().nth(1));
        peak = peak.max(line.and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0 / 1e9);
        std::thread::sleep(Duration::from_millis(20));
    }
    Some((start.elapsed().as_secs_f64(), peak))
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let gigabytes = std::env::var("KOLMO_BENCH_GB").ok().and_then(|t| t.parse().ok()).unwrap_or(0.5);
    let n = (gigabytes * 1e9 / 8.0 / N_SAMPLES as f64) as usize;
    let memory = ((gigabytes * (1 << 27) as f64) as usize).next_multiple_of(1 << 20);
    let folder = tempfile::tempdir_in(std::env::temp_dir()).expect(DONE);
    println!("{N_SAMPLES} samples of {n} entries, {gigabytes} GB as f64, memory = {} MiB", memory >> 20);
    for case in CASES.iter().filter(|c| wanted.is_empty() || wanted.iter().any(|w| w == c.name)) {
        let path = folder.path().join(format!("{}.h5", case.name));
        let (bytes, packed) = write(&path, case, n);
        let before = cpu();
        let by_hdf5 = read_by_hdf5(&path);
        let between = cpu();
        let (first, second, about) = two_passes(&path, memory, folder.path());
        let after = cpu();
        let spent = |a: [f64; 2], b: [f64; 2]| format!("{:.2} + {:.2}", b[0] - a[0], b[1] - a[1]);
        println!(
            "{:13} gzip packs to {:.2}; HDF5, one thread: {by_hdf5:.2} s ({:.0} MB/s); one pass {first:.2} s, two {second:.2} s = {:.2} x; {about}",
            case.name,
            packed / bytes,
            bytes / by_hdf5 / 1e6,
            second / by_hdf5
        );
        println!(
            "{:13} CPU s (program + system): HDF5 {}, two passes {}",
            "",
            spent(before, between),
            spent(between, after)
        );
        if std::env::var_os("KOLMO_BENCH_FIT").is_some()
            && let Some((seconds, peak)) = fit(&path, memory)
        {
            println!("{:13} fit: {seconds:.2} s = {:.2} x, peak {peak:.2} GB", "", seconds / by_hdf5);
        }
        fs::remove_file(&path).expect(DONE);
    }
}
