//! The promise of `[reduction] memory`: the peak of a fit is that, its bases, and 200 MB.

use crate::tool::{KOLMO, write_text};
use hdf5::types::VarLenUnicode;
use kolmo::io::pod_model::read;
use ndarray::{Array2, Array3, s};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Points along an edge of a cube of tetrahedra.
const N: usize = 28;
const SAMPLES: usize = 200;
const MEMORY: f64 = 40.0 * 1_048_576.0;
const BESIDE: f64 = 200e6;

/// Six tetrahedra around a diagonal of each cube; a scalar and a vector field, in chunks that are packed.
fn write(path: &Path) {
    let node = |i: usize, j: usize, k: usize| (i * N + j) * N + k;
    let x = |i: usize, axis: usize| [i / (N * N), i / N % N, i % N][axis] as f64 / (N - 1) as f64;
    let corner = |i: usize, j: usize, k: usize, c: usize| node(i + (c >> 2), j + (c >> 1 & 1), k + (c & 1)) as u32;
    let ways = [[0, 1, 3, 7], [0, 3, 2, 7], [0, 2, 6, 7], [0, 6, 4, 7], [0, 4, 5, 7], [0, 5, 1, 7]];
    let mut cells = Vec::new();
    for (i, j, k) in (0..(N - 1).pow(3)).map(|c| (c / (N - 1) / (N - 1), c / (N - 1) % (N - 1), c % (N - 1))) {
        ways.iter().for_each(|way| cells.extend(way.map(|c| corner(i, j, k, c))));
    }
    let n = N * N * N;
    let file = hdf5::File::create(path).unwrap();
    let points = Array2::from_shape_fn((n, 3), |(i, axis)| x(i, axis));
    file.new_dataset_builder().with_data(&points).create("mesh/points").unwrap();
    let cells = Array2::from_shape_vec((cells.len() / 4, 4), cells).unwrap();
    file.new_dataset_builder().with_data(&cells).create("mesh/cells/tetra").unwrap();
    let inputs = Array2::from_shape_fn((SAMPLES, 2), |(s, j)| {
        (0.5 + [0.754_877_666_246_693, 0.569_840_290_998_053][j] * (s + 1) as f64).fract()
    });
    let parameters = file.new_dataset_builder().with_data(&inputs).create("parameters").unwrap();
    let names: Vec<VarLenUnicode> = ["a", "b"].iter().map(|n| n.parse().unwrap()).collect();
    parameters.new_attr::<VarLenUnicode>().shape(2).create("names").unwrap().write(&names).unwrap();
    let group = file.create_group("snapshots").unwrap();
    let data = |name: &str, shape: &[usize], chunk: &[usize]| {
        group.new_dataset::<f64>().shape(shape).chunk(chunk).deflate(1).create(name).unwrap()
    };
    let (t, v) = (data("t", &[SAMPLES, n], &[4, 2000]), data("v", &[SAMPLES, n, 3], &[4, 2000, 3]));
    let value = |sample: usize, i: usize, axis: usize| {
        let (a, b) = (inputs[(sample, 0)], inputs[(sample, 1)]);
        // Rounded, so that it packs well.
        let wave = (3.0 * x(i, axis) + a * x(i, 0)).sin() + (b * x(i, 1) - a * x(i, 2)).exp();
        (wave * 1e4).round() * 1e-4
    };
    // Whole chunks.
    for first in (0..SAMPLES).step_by(4) {
        let of_t = Array2::from_shape_fn((4, n), |(s, i)| value(first + s, i, 2));
        let of_v = Array3::from_shape_fn((4, n, 3), |(s, i, axis)| value(first + s, i, axis));
        t.write_slice(&of_t, s![first..first + 4, ..]).unwrap();
        v.write_slice(&of_v, s![first..first + 4, .., ..]).unwrap();
    }
}

/// Peak resident memory of `kolmo fit`, in bytes.
fn peak(folder: &Path, study: &str, checkpoint_seconds: &str) -> f64 {
    let mut fit = Command::new(KOLMO);
    fit.args(["fit", study, "-o", "model.h5", "--quiet", "--threads", "2"]).current_dir(folder);
    let mut fit = fit.env("KOLMO_CHECKPOINT_SECONDS", checkpoint_seconds).stdout(Stdio::null()).spawn().unwrap();
    let mut peak = 0.0_f64;
    let status = loop {
        let text = fs::read_to_string(format!("/proc/{}/status", fit.id())).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).map(|l| l.trim_end_matches("kB").trim());
        peak = peak.max(line.and_then(|l| l.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0);
        if let Some(status) = fit.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(status.success() && peak > 0.0);
    peak
}

#[test]
#[cfg(target_os = "linux")]
fn a_fit_takes_its_memory_its_bases_and_200_mb() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("train.h5"));
    let study = |lines: &str| {
        format!(
            "[data]\nsamples = \"train.h5\"\n\n[reduction]\nmodes = 3\nmemory = \"40MiB\"\n{lines}\n\
             [regression]\nkernel = \"matern52\"\nmean = \"constant\"\nrestarts = 1\n"
        )
    };
    // With notes after each slab; and with columns that are centred, for which slabs are changed.
    for (name, lines, seconds) in
        [("noted.toml", "", "0"), ("centred.toml", "center = true\nalgorithm = \"tsqr\"\n", "30")]
    {
        write_text(folder.path(), name, &study(lines));
        let peak = peak(folder.path(), name, seconds);
        let (model, _) = read(&folder.path().join("model.h5")).unwrap();
        let bases: f64 = model.fields.iter().map(|f| 8.0 * (f.basis.nrows() * f.basis.ncols()) as f64).sum();
        println!("{name}: peak {:.0} MB of {:.0}", peak / 1e6, (MEMORY + bases + BESIDE) / 1e6);
        assert!(peak <= MEMORY + bases + BESIDE, "{name}: {peak} bytes; {MEMORY} + {bases} + {BESIDE} are promised");
    }
}
