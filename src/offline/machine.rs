//! How fast a machine is: what predictions of cost are made of.

use crate::algorithms::kernel::Kernel;
use crate::algorithms::restricted_likelihood::RestrictedLikelihood;
use crate::comm::cores_here;
use crate::error::{Error, Result};
use crate::linalg::householder::qr_r;
use crate::linalg::{dense, sparse};
use faer::{Mat, MatRef};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

/// Rates of one core, of the files of one node, and between ranks; times in seconds, sizes in bytes.
///
/// Tables hold (columns or samples, rate) in ascending order; between their entries they are interpolated in logarithms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Cores of a node.
    pub cores: usize,
    /// Memory of a node; 0 where it is not known.
    pub memory: f64,
    /// XᵀX of blocks of 8,192 rows by columns, n² m operations counted.
    pub gram: Vec<(f64, f64)>,
    /// R of such blocks by columns, 2 n² m operations counted.
    pub qr: Vec<(f64, f64)>,
    /// Such a block of 128 columns times a small matrix, by columns of that, 2 m n k operations.
    pub product: Vec<(f64, f64)>,
    /// Seconds of a singular value decomposition, by its order.
    pub svd: Vec<(f64, f64)>,
    /// Seconds of one likelihood with its gradient, by samples.
    pub likelihood: Vec<(f64, f64)>,
    /// Entries of a sparse matrix times columns of a block per second.
    pub sparse: f64,
    /// Bytes read from memory.
    pub scan: f64,
    /// Bytes copied into memory that is new to the process.
    pub copy: f64,
    /// Bytes that one core brings from a plain file (as the system holds it) to its place in a matrix.
    pub place: f64,
    /// Bytes, unpacked, that one core brings from deflated and shuffled chunks to their place.
    pub unpack: f64,
    /// Bytes of a model that are written, with checksums.
    pub write: f64,
    /// Bytes per second that the files of a node give at most, whoever reads; measured where the system holds the file.
    pub read: f64,
    /// Seconds of a message between ranks, however short.
    pub latency: f64,
    /// Bytes per second between two ranks.
    pub bandwidth: f64,
}

/// Assumed between ranks: what networks of clusters and the memory of a node give about equally.
pub const LATENCY: f64 = 2e-6;
pub const BANDWIDTH: f64 = 1e10;

const ROWS: usize = 8192;
const COLUMNS: [usize; 4] = [8, 32, 100, 200];

/// What files give, measured where files are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FileRates {
    pub read: f64,
    pub place: f64,
    pub unpack: f64,
    pub write: f64,
}

impl Machine {
    /// Measures this machine in about two seconds, one core at work.
    pub fn measure(files: FileRates) -> Result<Machine> {
        let x = numbers(ROWS, 200);
        let rate = |flops: f64, mut f: Box<dyn FnMut() + '_>| flops / best(8, &mut f);
        let of_columns = |f: &dyn Fn(usize) -> f64| COLUMNS.iter().map(|n| (*n as f64, f(*n))).collect();
        let square = |n: usize| (n * n * ROWS) as f64;
        let gram = |n: usize| {
            let (block, mut g) = (x.subcols(0, n), Mat::zeros(n, n));
            rate(square(n), Box::new(move || dense::syrk_lower(g.as_mut(), block)))
        };
        let qr = |n: usize| rate(2.0 * square(n), Box::new(|| drop(black_box(qr_r(x.subcols(0, n).to_owned())))));
        let product = |k: usize| {
            let (block, t, mut y) = (x.subcols(0, 128), numbers(128, k), Mat::zeros(ROWS, k));
            let flops = 2.0 * (ROWS * 128 * k) as f64;
            rate(flops, Box::new(move || dense::gemm(y.as_mut(), false, block, t.as_ref(), 1.0)))
        };
        let svd = |n: usize| best(5, &mut || drop(black_box(dense::thin_svd(x.subrows(0, n).subcols(0, n)))));
        let likelihood = [25, 50, 100, 200, 400].map(|n| Ok((n as f64, likelihood(n)?)));
        let scanned = numbers(1 << 14, 256);
        let bytes = (8 * scanned.nrows() * scanned.ncols()) as f64;
        let sum = || (0..scanned.ncols()).map(|j| most(scanned.col_as_slice(j))).fold(0, u64::max);
        let scan = bytes
            / best(3, &mut || {
                black_box(sum());
            });
        let copy = bytes / best(6, &mut || drop(black_box(scanned.to_owned())));
        Ok(Machine {
            cores: cores_here(),
            memory: memory().unwrap_or(0.0),
            gram: of_columns(&gram),
            qr: of_columns(&qr),
            product: of_columns(&product),
            svd: of_columns(&svd),
            likelihood: likelihood.into_iter().collect::<Result<_>>()?,
            sparse: sparse_rate(x.as_ref()),
            scan,
            copy,
            place: files.place,
            unpack: files.unpack,
            write: files.write,
            read: files.read,
            latency: LATENCY,
            bandwidth: BANDWIDTH,
        })
    }

    /// From a file that [`measure`](Self::measure) or a user has written. Errors: K001, K012, K009 rates not above 0.
    pub fn read(file: &Path) -> Result<Machine> {
        let text = std::fs::read_to_string(file).map_err(|e| {
            let mend = "check the path, or write it with kolmo plan --measure FILE";
            Error::input("K001", file, "", e.to_string(), "a machine file in JSON", mend)
        })?;
        let machine: Machine = serde_json::from_str(&text).map_err(|e| {
            let mend = "write it anew with kolmo plan --measure FILE";
            Error::input("K012", file, "", e.to_string(), "a machine file in JSON", mend)
        })?;
        machine.check(file)?;
        Ok(machine)
    }

    fn check(&self, file: &Path) -> Result<()> {
        let tables = [
            ("gram", &self.gram),
            ("qr", &self.qr),
            ("product", &self.product),
            ("svd", &self.svd),
            ("likelihood", &self.likelihood),
        ];
        let rates = [
            ("sparse", self.sparse),
            ("scan", self.scan),
            ("copy", self.copy),
            ("place", self.place),
            ("unpack", self.unpack),
            ("write", self.write),
            ("read", self.read),
            ("latency", self.latency),
            ("bandwidth", self.bandwidth),
            ("cores", self.cores as f64),
        ];
        let good = |v: f64| v > 0.0 && v.is_finite();
        let wrong = |name: &str, found: String, expected: &str| {
            let mend = "mend the number, or write the file anew with kolmo plan --measure FILE";
            Err(Error::input("K009", file, name, found, expected, mend))
        };
        if let Some((name, v)) = rates.into_iter().find(|(_, v)| !good(*v)) {
            return wrong(name, v.to_string(), "a number above 0");
        }
        let ascending = |t: &[(f64, f64)]| !t.is_empty() && t.windows(2).all(|w| w[0].0 < w[1].0);
        match tables.into_iter().find(|(_, t)| !ascending(t) || t.iter().any(|(n, v)| !good(*n) || !good(*v))) {
            Some((name, t)) => wrong(name, format!("{t:?}"), "pairs of numbers above 0, the first ones ascending"),
            None => Ok(()),
        }
    }
}

/// The rate at `x`, that of the nearest entry beyond the ends.
pub(super) fn rate_at(table: &[(f64, f64)], x: f64) -> f64 {
    between(table, x, 0.0)
}

/// Seconds at `x`; beyond the ends they grow and fall as x³.
pub(super) fn seconds_at(table: &[(f64, f64)], x: f64) -> f64 {
    between(table, x, 3.0)
}

fn between(table: &[(f64, f64)], x: f64, power: f64) -> f64 {
    let above = table.iter().position(|(n, _)| *n >= x);
    let beyond = |(n, v): (f64, f64)| v * (x / n).powf(power);
    match above {
        Some(0) => beyond(table[0]),
        None => table.last().map_or(f64::NAN, |end| beyond(*end)),
        Some(i) => {
            let ((a, va), (b, vb)) = (table[i - 1], table[i]);
            let share = (x / a).ln() / (b / a).ln();
            (va.ln() + share * (vb / va).ln()).exp()
        }
    }
}

/// Least seconds of some calls.
pub fn best(calls: usize, f: &mut dyn FnMut()) -> f64 {
    let mut once = || {
        let start = Instant::now();
        f();
        start.elapsed().as_secs_f64().max(1e-9)
    };
    (0..calls).map(|_| once()).fold(f64::INFINITY, f64::min)
}

/// Numbers between -1 and 1 of full rank.
fn numbers(n_rows: usize, n_columns: usize) -> Mat<f64> {
    Mat::from_fn(n_rows, n_columns, |i, j| {
        let x = (i * 7919 + j * 104_729 + 13) as u64;
        (x.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    })
}

/// As the engine looks for the largest magnitude.
fn most(values: &[f64]) -> u64 {
    values.iter().map(|x| x.to_bits() & !(1 << 63)).max().unwrap_or(0)
}

fn likelihood(n: usize) -> Result<f64> {
    let (x, y) = (numbers(n, 3), numbers(n, 4));
    let h = Mat::from_fn(n, 1, |_, _| 1.0);
    let likelihood = RestrictedLikelihood::new(Kernel::Matern52, x, y, h, vec![1.0; 4])?;
    let (mut scratch, theta) = (likelihood.scratch(), [1.0, 1.0, 1.0, -6.0]);
    Ok(best(8, &mut || drop(black_box(likelihood.value_and_gradient(&theta, &mut scratch)))))
}

/// A matrix with nine entries per row, as bilinear squares have, times 32 columns.
fn sparse_rate(x: MatRef<'_, f64>) -> f64 {
    let mut m = sprs::TriMat::new((ROWS, ROWS));
    for i in 0..ROWS {
        for j in [0, 1, 2, 90, 91, 92, 180, 181, 182] {
            m.add_triplet(i, (i + j) % ROWS, 1.0);
        }
    }
    let (m, x) = (m.to_csr(), x.subcols(0, 32));
    (9 * ROWS * 32) as f64 / best(8, &mut || drop(black_box(sparse::mul_rows(&m, x, 0..ROWS))))
}

/// Memory of this machine, where the system tells it.
fn memory() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemTotal:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? * 1024.0)
}
