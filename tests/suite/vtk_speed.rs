//! Speed of the reader of .vtu files beside that of reading and inflating the same bytes: `cargo test --release --test suite
//! vtk_speed -- --ignored --nocapture`.

use crate::vtk_encoder::{Array, Encoding, Mode, array, encode};
use kolmo::io::mesh_file::MeshFile;
use kolmo::io::vtk::vtu::VtuFile;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Instant;

const SIDE: usize = 100;
const N_FILES: usize = 1000;
/// Files of their own; the others are copies.
const N_DISTINCT: usize = 20;

/// Triangles with smooth fields that have a front, another in each file; compressed as VTK does it.
fn file(sample: usize) -> Vec<u8> {
    let s = sample as f64 / N_DISTINCT as f64;
    let x = |i: usize| [(i % SIDE) as f64 / 99.0, ((i / SIDE) as f64 / 99.0).powf(1.1)];
    let points: Vec<f64> = (0..SIDE * SIDE).flat_map(|i| [x(i)[0], x(i)[1], 0.0]).collect();
    let corners = (0..SIDE - 1).flat_map(|j| (0..SIDE - 1).map(move |i| j * SIDE + i));
    let cells: Vec<f64> =
        corners.flat_map(|p| [p, p + 1, p + SIDE, p + 1, p + SIDE + 1, p + SIDE]).map(|p| p as f64).collect();
    let n_cells = cells.len() / 3;
    let ends: Vec<f64> = (1..=n_cells).map(|i| 3.0 * i as f64).collect();
    let field = |k: f64| -> Vec<f64> {
        let at = |[x, y]: [f64; 2]| (k * x + s).sin() * y + (40.0 * (x - s)).tanh();
        (0..SIDE * SIDE).map(|i| at(x(i))).collect()
    };
    let arrays: [Array; 7] = [
        array("Points", "Points", "Float64", 3, &points),
        array("Cells", "connectivity", "Int64", 1, &cells),
        array("Cells", "offsets", "Int64", 1, &ends),
        array("Cells", "types", "UInt8", 1, &vec![5.0; n_cells]),
        array("PointData", "p", "Float64", 1, &field(1.0)),
        array("PointData", "q", "Float64", 1, &field(2.0)),
        array("PointData", "r", "Float64", 1, &field(3.0)),
    ];
    let e = Encoding { wide_headers: true, block: 1 << 15, ..Encoding::new(Mode::Raw, "zlib") };
    encode(e, SIDE * SIDE, n_cells, &arrays)
}

/// Offset, compressed and uncompressed bytes of all blocks of a file.
fn blocks(path: &Path) -> Vec<(usize, usize, usize)> {
    let bytes = std::fs::read(path).unwrap();
    let mut at = bytes.windows(5).position(|w| w == b"\n   _").unwrap() + 5;
    let mut found = Vec::new();
    while !bytes[at..].starts_with(b"\n  </App") {
        let number = |i: usize| u64::from_le_bytes(bytes[at + 8 * i..at + 8 * i + 8].try_into().unwrap()) as usize;
        let (n, size, last) = (number(0), number(1), number(2));
        let mut start = at + 8 * (3 + n);
        for i in 0..n {
            found.push((start, number(3 + i), if i + 1 == n && last > 0 { last } else { size }));
            start += number(3 + i);
        }
        at = start;
    }
    found
}

fn raw(path: &Path, blocks: &[(usize, usize, usize)], buffer: &mut [u8]) -> usize {
    let bytes = std::fs::read(path).unwrap();
    let mut inflate = flate2::Decompress::new(true);
    let mut total = 0;
    for &(start, packed, size) in blocks {
        inflate.reset(true);
        let block = &bytes[start..start + packed];
        inflate.decompress(block, &mut buffer[..size], flate2::FlushDecompress::Finish).unwrap();
        total += size;
    }
    total
}

fn through_reader(path: &PathBuf) -> usize {
    let file = VtuFile::open(path).unwrap();
    let mesh = file.mesh(0).unwrap();
    let arrays = file.arrays(0).unwrap();
    mesh.points.len() + arrays.iter().map(|a| file.read(0, a).unwrap().len()).sum::<usize>()
}

#[test]
#[ignore = "takes a minute, and prints figures"]
fn a_thousand_files() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..N_FILES).map(|i| folder.path().join(format!("{i}.vtu"))).collect();
    let distinct: Vec<Vec<u8>> = (0..N_DISTINCT).map(file).collect();
    files.iter().zip(distinct.iter().cycle()).for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
    let lists: Vec<_> = files.iter().map(|p| blocks(p)).collect();
    let mut buffer = vec![0; 1 << 20];
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (mut best_raw, mut best_reader, mut best_threads) = (f64::MAX, f64::MAX, f64::MAX);
    let mut n_bytes = 0;
    for _ in 0..3 {
        let start = Instant::now();
        n_bytes = files.iter().zip(&lists).map(|(path, list)| raw(path, list, &mut buffer)).sum();
        best_raw = best_raw.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let n: usize = one.install(|| files.iter().map(through_reader).sum());
        best_reader = best_reader.min(start.elapsed().as_secs_f64());
        assert_eq!(n, N_FILES * 60_000);
        let start = Instant::now();
        let n: usize = files.par_iter().map(through_reader).sum();
        best_threads = best_threads.min(start.elapsed().as_secs_f64());
        assert_eq!(n, N_FILES * 60_000);
    }
    let packed: u64 = files.iter().map(|p| std::fs::metadata(p).unwrap().len()).sum();
    let mega = n_bytes as f64 / 1e6;
    println!("{N_FILES} files, {:.0} MB, {mega:.0} MB inflated", packed as f64 / 1e6);
    println!("read and inflate, one thread: {best_raw:.2} s, {:.0} MB/s", mega / best_raw);
    println!("mesh and arrays, one thread:  {best_reader:.2} s, {:.0} % of that rate", 100.0 * best_raw / best_reader);
    println!("mesh and arrays, all threads: {best_threads:.2} s, {:.0} %", 100.0 * best_raw / best_threads);
}
