//! A study from 1,000 VTU files of 10,000 points, beside the rate at which the same bytes are read and inflated: `make bench`.

use flate2::read::ZlibDecoder;
use kolmo::data::Location;
use kolmo::io::SnapshotSource;
use kolmo::io::mesh_file::{MeshArray, Number};
use kolmo::io::mesh_samples::MeshSamples;
use kolmo::io::stacked_writer::{Tables, write_stacked};
use kolmo::io::vtk::vtu_writer::write_vtu;
use kolmo::mesh::{CellBlock, CellType, Mesh};
use rayon::prelude::*;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

const N_FILES: usize = 1000;
const SIDE: usize = 100;
/// Bytes of snapshots in memory at once while a stacked file is written.
const MEMORY: f64 = 64e6;
/// Each is measured as often; the least counts.
const ROUNDS: usize = 3;
const MADE: &str = "files that were just written";

fn grid() -> Mesh {
    let id = |i: usize, j: usize| (j * SIDE + i) as u32;
    let points = (0..SIDE * SIDE).flat_map(|k| [(k % SIDE) as f64 / 99.0, (k / SIDE) as f64 / 99.0, 0.0]).collect();
    let quads = (0..SIDE - 1).flat_map(|j| (0..SIDE - 1).map(move |i| (i, j)));
    let triangles = quads
        .flat_map(|(i, j)| [[id(i, j), id(i + 1, j), id(i + 1, j + 1)], [id(i, j), id(i + 1, j + 1), id(i, j + 1)]]);
    Mesh { dim: 3, points, cells: vec![CellBlock::new(CellType::Triangle, triangles.flatten().collect())] }
}

/// Sample `s`: a scalar and a vector on the points, with the digits of a computed field.
fn write_sample(path: &Path, mesh: &Mesh, s: usize) {
    let mu = s as f64 / N_FILES as f64;
    let wave = |i: usize, k: f64| (k * mesh.points[3 * i] + mu).sin() * (mesh.points[3 * i + 1] * (1.0 + mu)).exp();
    let n = mesh.n_points();
    let p: Vec<f64> = (0..n).map(|i| wave(i, 3.0)).collect();
    let u: Vec<f64> = (0..n).flat_map(|i| [wave(i, 2.0), wave(i, 5.0), 0.0]).collect();
    let array = |name, n_components, values| {
        let (location, number) = (Location::Point, Number::Float64);
        MeshArray { name, location, n_components, number, values }
    };
    write_vtu(path, mesh, &[array("p", 1, &p), array("u", 3, &u)], &[("mu".into(), vec![mu])])
        .expect("a writable folder");
}

/// Reads a file and inflates all blocks of its appended data; the number of bytes that come out.
fn inflate(path: &Path) -> usize {
    let bytes = std::fs::read(path).expect(MADE);
    let mark = b"<AppendedData encoding=\"raw\">";
    let begin = bytes.windows(mark.len()).position(|w| w == mark).expect(MADE) + mark.len();
    let begin = begin + bytes[begin..].iter().position(|b| *b == b'_').expect(MADE) + 1;
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect(MADE)) as usize;
    let end = bytes.len() - bytes.iter().rev().position(|b| *b == b'A').expect(MADE) - 4;
    let (mut at, mut out, mut buffer) = (begin, 0, Vec::new());
    while at + 24 <= end && number(at) > 0 && number(at) < 1 << 20 {
        let n_blocks = number(at);
        let mut data = at + 8 * (3 + n_blocks);
        for block in 0..n_blocks {
            let size = number(at + 8 * (3 + block));
            buffer.clear();
            out += ZlibDecoder::new(&bytes[data..data + size]).read_to_end(&mut buffer).expect(MADE);
            data += size;
        }
        at = data;
    }
    out
}

/// Gives the points another name of the same length, so that nothing else moves.
fn rename_points(path: &Path) {
    let mut bytes = std::fs::read(path).expect(MADE);
    let name = b"Name=\"Points\"";
    let at = bytes.windows(name.len()).position(|w| w == name).expect(MADE);
    bytes[at + 6] = b'p';
    std::fs::write(path, bytes).expect("a writable folder");
}

/// Largest memory of this process so far, in MB; 0 where the system does not tell.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1e3
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let samples = folder.path().join("samples");
    std::fs::create_dir(&samples).expect("a writable folder");
    let mesh = grid();
    let files: Vec<PathBuf> = (0..N_FILES).map(|s| samples.join(format!("s_{s}.vtu"))).collect();
    files.iter().enumerate().for_each(|(s, file)| write_sample(file, &mesh, s));
    let size: u64 = files.iter().filter_map(|f| Some(std::fs::metadata(f).ok()?.len())).sum();
    let threads = rayon::current_num_threads();
    let seconds = |f: &mut dyn FnMut()| {
        let start = Instant::now();
        f();
        start.elapsed().as_secs_f64()
    };
    let all = |source: &MeshSamples| {
        for field in source.fields() {
            let rows: Vec<usize> = (0..N_FILES).collect();
            drop(source.read(field, &rows, 0..field.n_dofs()).expect(MADE));
        }
    };
    let target = folder.path().join("train.h5");
    let before = peak();
    let mut stacked = || {
        let source = MeshSamples::open(&samples).expect(MADE);
        let rows: Vec<usize> = (0..N_FILES).collect();
        let tables = Tables { parameters: source.parameters(), ..Tables::default() };
        write_stacked(&target, &source, &rows, source.fields(), tables, MEMORY, &|_, _| ()).expect(MADE);
    };
    let to_stacked = seconds(&mut stacked);
    let grown = peak() - before;
    let mut bytes = 0;
    let mut raw_seconds = || seconds(&mut || bytes = files.par_iter().map(|f| inflate(f)).sum());
    let open_seconds = || seconds(&mut || drop(MeshSamples::open(&samples)));
    let whole_seconds = || seconds(&mut || all(&MeshSamples::open(&samples).expect(MADE)));
    // One after the other, again and again: what else the machine does meets them all.
    let mut rounds =
        [[0.0; 4]; ROUNDS].map(|_| [raw_seconds(), open_seconds(), whole_seconds(), seconds(&mut stacked)]);
    rounds[0][3] = rounds[0][3].min(to_stacked);
    // Another name of the points in the first file: no mesh has its bytes, and all are decoded.
    rename_points(&files[0]);
    let decoded = [0.0; ROUNDS].map(|_| [raw_seconds(), open_seconds(), whole_seconds(), seconds(&mut stacked)]);
    println!(
        "{N_FILES} VTU files of {} points: {:.0} MB, {:.0} MB inflated; {threads} threads",
        mesh.n_points(),
        size as f64 / 1e6,
        bytes as f64 / 1e6
    );
    for (what, rounds) in [("meshes of the same bytes", rounds), ("meshes that have to be decoded", decoded)] {
        let least = |i: usize| rounds.iter().map(|r| r[i]).fold(f64::MAX, f64::min);
        println!("{what:<58} {:>8} {:>10} {:>8}", "seconds", "MB/s", "share");
        for (i, name) in [
            "read and inflated, nothing else",
            "opened: heads, meshes compared",
            "assembled in memory: opened, all fields as matrices",
            "assembled into a stacked file",
        ]
        .iter()
        .enumerate()
        {
            let s = least(i);
            println!("  {name:<56} {s:>8.2} {:>10.0} {:>6.0} %", bytes as f64 / s / 1e6, 100.0 * least(0) / s);
        }
    }
    println!(
        "memory on the way into the stacked file, with memory = {:.0} MB: {grown:.0} MB more than before",
        MEMORY / 1e6
    );
}
