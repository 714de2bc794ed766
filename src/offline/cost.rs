//! What a fit costs, before it is paid: operations, bytes, messages, memory and seconds of one rank.
//!
//! Costs are functions of shapes and of the rates of a [`Machine`]; messages are counted by running the decomposition
//! itself on a few rows, for a rank of many that are not there ([`CountingComm`]).

use super::calibration::{FOLDS, TILE, stride};
use super::machine::{Machine, rate_at, seconds_at};
use super::pod_regression::{Options, wide};
use crate::algorithms::pod::{Algorithm, PodOptions, Truncation};
use crate::algorithms::pod_modes::modes;
use crate::algorithms::pod_spectrum::{first_way, spectrum};
use crate::comm::{CountingComm, Traffic};
use crate::error::Result;
use crate::linalg::block_tree::partial_results;
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::tall::{BLOCK_ROWS, Layout, TallMatrix};
use faer::Mat;
use std::sync::Arc;

/// Memory of the program itself.
const PROGRAM: f64 = 6e7;
/// Likelihoods that a start needs until it has converged, that a screened one needs, and that a fit from a good start needs.
const CONVERGED: f64 = 38.0;
const SCREENED: f64 = 13.0;
const WARM: f64 = 20.0;
/// Above this number of samples starts are screened.
const SCREENED_FROM: usize = 100;

/// How the snapshots of a field are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Bytes in the file, of all rows.
    pub stored: f64,
    /// Bytes of a value: 4 or 8.
    pub value: f64,
    /// Whether chunks are inflated.
    pub packed: bool,
    /// Whether the values are unpacked in every pass, or kept (in memory or in a scratch file).
    pub every_pass: bool,
    /// Whether they are kept in a scratch file.
    pub scratch: bool,
    /// Bytes that are held at once, for snapshots and reading.
    pub held: f64,
}

/// A field that is to be fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldShape {
    pub n_entities: usize,
    pub n_components: usize,
    pub n_samples: usize,
    pub n_inputs: usize,
    pub n_modes: usize,
    /// Entries of the inner product: none where it is Euclidean, one per row where it is diagonal.
    pub n_entries: f64,
    pub reading: Reading,
}

/// Ranks, and what they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranks {
    pub ranks: usize,
    pub nodes: usize,
    /// Threads of a rank.
    pub threads: usize,
}

/// The cost of a phase on the rank that has most of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cost {
    pub flops: f64,
    /// Bytes from files.
    pub bytes_read: f64,
    /// Bytes after unpacking.
    pub bytes_inflated: f64,
    /// Bytes from and to memory and files.
    pub bytes_moved: f64,
    pub messages: u64,
    pub bytes_sent: f64,
    /// Messages one after the other.
    pub depth: u64,
    pub seconds: f64,
}

impl Cost {
    fn add(&mut self, other: &Cost) {
        self.flops += other.flops;
        self.bytes_read += other.bytes_read;
        self.bytes_inflated += other.bytes_inflated;
        self.bytes_moved += other.bytes_moved;
        self.messages += other.messages;
        self.bytes_sent += other.bytes_sent;
        self.depth += other.depth;
        self.seconds += other.seconds;
    }

    /// The sum of costs.
    pub fn sum<'a>(costs: impl IntoIterator<Item = &'a Cost>) -> Cost {
        costs.into_iter().fold(Cost::default(), |mut sum, cost| {
            sum.add(cost);
            sum
        })
    }
}

/// Names of the phases, in their order.
pub const PHASES: [&str; 6] = ["read", "spectrum", "modes", "regression", "calibration", "write"];

/// What a field costs.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldCost {
    /// The way that is taken, or tried first.
    pub algorithm: Algorithm,
    /// As [`PHASES`].
    pub phases: [Cost; 6],
    /// Bytes of one rank while this field is at work, those of the program included.
    pub memory: f64,
    /// Bytes of its modes that stay.
    pub basis: f64,
}

struct Work<'a> {
    machine: &'a Machine,
    ranks: Ranks,
    shape: &'a FieldShape,
    options: &'a Options,
    way: Algorithm,
    /// Rows of the rank that has most.
    m: f64,
    n: f64,
    r: f64,
    /// Entries of the inner product on this rank.
    entries: f64,
    sparse: bool,
}

/// The cost of a field on the rank that has most rows. Not collective; it takes milliseconds.
///
/// Errors: those of the decomposition of a few rows, by which messages are counted.
pub fn field_cost(machine: &Machine, ranks: Ranks, shape: &FieldShape, options: &Options) -> Result<FieldCost> {
    let n_dofs = (shape.n_entities * shape.n_components) as f64;
    let layout =
        |rank| Layout::even(shape.n_entities, shape.n_components, Arc::new(CountingComm::new(rank, ranks.ranks)));
    let widest = layout(0).offsets().windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0) as f64;
    let wide = wide(&options.pod, shape.n_samples);
    let work = Work {
        machine,
        ranks,
        shape,
        options,
        way: first_way(&wide, shape.n_samples),
        m: widest,
        n: shape.n_samples as f64,
        r: shape.n_modes as f64,
        entries: shape.n_entries * widest / n_dofs.max(1.0),
        sparse: shape.n_entries > n_dofs,
    };
    let results = (0..ranks.ranks.min(64)).map(|k| partial_results(&layout(k * ranks.ranks / ranks.ranks.min(64))));
    let results = results.max().unwrap_or(1) as f64;
    let mut phases = [
        work.read(n_dofs),
        work.spectrum(&wide),
        work.modes(),
        work.regression(),
        work.calibration(n_dofs),
        work.write(n_dofs),
    ];
    let [of_spectrum, of_modes] = decomposition_traffic(&work, ranks.ranks, 0)?;
    let triangle = 8.0 * work.n * work.n;
    work.charge(&mut phases[1], of_spectrum, (results - 1.0).max(0.0) * triangle);
    work.charge(&mut phases[2], of_modes, (results - 1.0).max(0.0) * 8.0 * work.r * work.r);
    let basis = 8.0 * work.m * (work.r + 1.0 + if options.pod.center { 1.0 } else { 0.0 });
    Ok(FieldCost { algorithm: work.way, phases, memory: work.memory(n_dofs), basis })
}

/// Messages of the spectrum and of the modes, by the decomposition of a few rows.
fn decomposition_traffic(work: &Work<'_>, ranks: usize, rank: usize) -> Result<[Traffic; 2]> {
    // Wide snapshots are counted with fewer columns: only the bytes depend on them.
    let (n, r) = (work.shape.n_samples.min(64), work.shape.n_modes.min(work.shape.n_samples.min(64)));
    let share = n + 8;
    let comm = Arc::new(CountingComm::new(rank, ranks));
    let layout = Layout::from_offsets((0..=ranks).map(|k| k * share).collect(), comm.clone())?;
    let local = Mat::from_fn(share, n, |i, j| if i % n == j { 1.0 + j as f64 } else { 0.1 / (1 + i + j) as f64 });
    let x = TallMatrix::new(layout, local)?;
    let m = match (work.shape.n_entries > 0.0, work.sparse) {
        (_, true) => InnerProduct::Sparse(sprs::CsMat::eye(share)),
        (true, _) => InnerProduct::Diagonal(vec![1.0; share]),
        _ => InnerProduct::Euclidean,
    };
    let truncation = Truncation::Modes(r);
    let options =
        PodOptions { truncation, algorithm: work.way, center: work.options.pod.center, ..PodOptions::default() };
    let before = comm.traffic();
    let found = spectrum(&x, &m, &options)?;
    let between = comm.traffic();
    modes(&x, &m, &options, &found, r, Some(&[]))?;
    let after = comm.traffic();
    let columns = (work.n / n as f64, work.r / r.max(1) as f64);
    let less = |a: Traffic, b: Traffic, factor: f64, per_mode: f64| Traffic {
        collectives: a.collectives - b.collectives,
        messages_sent: ((a.messages_sent - b.messages_sent) as f64 * per_mode) as u64,
        bytes_sent: ((a.bytes_sent - b.bytes_sent) as f64 * factor * factor) as u64,
        messages_received: ((a.messages_received - b.messages_received) as f64 * per_mode) as u64,
        bytes_received: ((a.bytes_received - b.bytes_received) as f64 * factor * factor) as u64,
        depth: ((a.depth - b.depth) as f64 * per_mode) as u64,
    };
    Ok([less(between, before, columns.0, 1.0), less(after, between, columns.1, columns.1)])
}

impl Work<'_> {
    fn threads(&self) -> f64 {
        self.ranks.threads.max(1) as f64
    }

    fn levels(&self) -> u64 {
        u64::from(self.ranks.ranks.next_power_of_two().trailing_zeros())
    }

    /// Adds messages, `more` bytes of them on the way up.
    fn charge(&self, cost: &mut Cost, traffic: Traffic, more: f64) {
        if self.ranks.ranks > 1 {
            let sent = traffic.bytes_sent as f64 + more;
            cost.messages += traffic.messages_sent;
            cost.bytes_sent += sent;
            cost.depth += traffic.depth;
            cost.seconds += self.machine.latency * traffic.depth as f64
                + (sent + traffic.bytes_received as f64 + more) / self.machine.bandwidth;
        }
    }

    /// Adds all-gathers that bring `bytes` in all, with an agreement on errors after each.
    fn gathers(&self, cost: &mut Cost, n_gathers: u64, bytes: f64) {
        let levels = self.levels();
        let traffic = Traffic {
            messages_sent: n_gathers * 2 * levels,
            messages_received: n_gathers * 2 * levels,
            bytes_sent: bytes as u64 + 16 * n_gathers * levels,
            bytes_received: bytes as u64 + 16 * n_gathers * levels,
            depth: n_gathers * 3 * levels,
            ..Traffic::default()
        };
        self.charge(cost, traffic, 0.0);
    }

    /// Passes over the snapshots until the modes are there.
    fn passes(&self) -> f64 {
        match (self.way, self.sparse) {
            (Algorithm::Randomized, _) => 9.0,
            (Algorithm::Tsqr, true) => 3.0,
            _ => 2.0,
        }
    }

    fn read(&self, n_dofs: f64) -> Cost {
        let (reading, m) = (&self.shape.reading, self.machine);
        let share = self.m / n_dofs.max(1.0);
        let times = if reading.every_pass { self.passes() } else { 1.0 };
        let (stored, values) = (times * reading.stored * share, times * reading.value * self.m * self.n);
        let to_place = if reading.packed { m.unpack } else { m.place };
        // Ranks of a node share its files.
        let on_node = self.ranks.ranks.div_ceil(self.ranks.nodes) as f64;
        let mut seconds = (values / to_place / self.threads()).max(stored * on_node / m.read);
        let mut moved = stored + 8.0 * times * self.m * self.n;
        if reading.scratch {
            let scratch = reading.value * self.m * self.n;
            seconds += scratch * (1.0 / m.copy + self.passes() / m.place.min(m.read / on_node));
            moved += scratch * (1.0 + self.passes());
        }
        let inflated = if reading.packed { values } else { 0.0 };
        Cost { bytes_read: stored, bytes_inflated: inflated, bytes_moved: moved, seconds, ..Cost::default() }
    }

    /// Columns that are centred are copied.
    fn centred(&self) -> f64 {
        let weighted = self.options.pod.center || self.options.pod.weights.is_some();
        if weighted { 8.0 * self.m * self.n * (1.0 / self.machine.copy + 2.0 / self.machine.scan) } else { 0.0 }
    }

    fn spectrum(&self, _wide: &PodOptions) -> Cost {
        let Work { machine, m, n, entries, .. } = self;
        let bytes = 8.0 * m * n;
        let (gram, qr) = (rate_at(&machine.gram, *n), rate_at(&machine.qr, *n));
        let product = rate_at(&machine.product, *n);
        let sparse_gram = (2.0 * n * n * m, n * n * m * 2.0 / product + entries * n / machine.sparse);
        // The largest magnitude is looked for by the recipe and by the decomposition.
        let scans = 2.0 * bytes / machine.scan;
        let (flops, seconds, moved, alone) = match self.way {
            Algorithm::Randomized => {
                let k = self.r + 10.0;
                let product = rate_at(&machine.product, k);
                let qr = rate_at(&machine.qr, k);
                let flops = 12.0 * m * n * k + 12.0 * m * k * k;
                let thin = 12.0 * m * k * k / qr + 6.0 * entries * k / machine.sparse;
                (flops, 12.0 * m * n * k / product + thin + 6.0 * scans, 8.0 * bytes, seconds_at(&machine.svd, k) * 4.0)
            }
            Algorithm::Tsqr => {
                // Blocks, and a triangle on a triangle for each of them.
                let blocks = m / BLOCK_ROWS as f64 + self.levels() as f64 * self.threads();
                let flops = 2.0 * n * n * (m + 2.0 * n * blocks);
                let mut seconds = flops / qr + bytes / machine.scan;
                let mut all = flops;
                if self.sparse {
                    all += sparse_gram.0 + 2.0 * m * n * n;
                    seconds += sparse_gram.1 + 2.0 * m * n * n / product + scans / 2.0;
                }
                (all, seconds + scans, 4.0 * bytes, 2.0 * seconds_at(&machine.svd, *n))
            }
            _ if self.sparse => (sparse_gram.0, sparse_gram.1 + scans, 4.0 * bytes, seconds_at(&machine.svd, *n)),
            _ => {
                let scaled = if *entries > 0.0 { bytes / machine.copy } else { 0.0 };
                (n * n * m, n * n * m / gram + scaled + scans, 3.0 * bytes, seconds_at(&machine.svd, *n))
            }
        };
        let seconds = (seconds + self.centred()) / self.threads() + alone;
        Cost { flops, bytes_moved: moved, seconds, ..Cost::default() }
    }

    fn modes(&self) -> Cost {
        let Work { machine, m, n, r, entries, .. } = self;
        let (snapshots, basis) = (8.0 * m * n, 8.0 * m * r);
        let product = rate_at(&machine.product, *r);
        let known = matches!(self.way, Algorithm::Randomized);
        // Modes and what they miss; R of the modes, and the modes divided by it.
        let mut flops = 4.0 * m * n * r;
        // Blocks are copied to memory that is there.
        let mut seconds = flops / product + 2.5 * snapshots / machine.scan;
        flops += 4.0 * m * r * r;
        seconds += 2.0 * m * r * r / rate_at(&machine.qr, *r) + 2.0 * m * r * r / product;
        if self.sparse {
            flops += 8.0 * m * r * r + 4.0 * entries * r;
            seconds += 8.0 * m * r * r / product + 2.0 * entries * r / machine.sparse;
        }
        if known {
            seconds += 2.0 * snapshots / machine.scan;
        }
        // Zeros, signs, the largest entries three times, a copy for the model.
        seconds += basis * (2.0 / machine.copy + 5.0 / machine.scan);
        let seconds = (seconds + self.centred()) / self.threads();
        Cost { flops, bytes_moved: 3.0 * snapshots + 12.0 * basis, seconds, ..Cost::default() }
    }

    /// Seconds of likelihoods: `n_tasks` that run at once, of so many likelihoods each.
    fn likelihoods(&self, n_tasks: f64, each: f64, n: f64) -> f64 {
        let at_once = self.ranks.ranks as f64 * self.threads();
        (n_tasks / at_once).ceil() * each * seconds_at(&self.machine.likelihood, n)
    }

    fn regression(&self) -> Cost {
        let (n, r, g) = (self.n, self.r, &self.options.regression);
        let screened = self.shape.n_samples > SCREENED_FROM;
        // Likelihoods of a fit from several starts: on several ranks, and on one.
        let starts = |s: f64, at_once: f64| match screened && s > 2.0 {
            true => (s / at_once).ceil() * SCREENED + (2.0 / at_once).ceil() * CONVERGED,
            false => (s / at_once).ceil() * CONVERGED,
        };
        let others = if g.kernel.is_none() { 2.0 } else { 0.0 };
        let linear = if g.mean.is_none() && self.shape.n_samples >= 2 * self.shape.n_inputs + 4 { 1.0 } else { 0.0 };
        let s = g.restarts as f64;
        let at_once = self.ranks.ranks as f64 * self.threads();
        let shared = |s: f64| starts(s, at_once) + ((others / at_once).ceil() + linear) * WARM;
        let alone = starts(s + 1.0, 1.0) + (others + linear) * WARM;
        // All modes together; each alone; those that stay together once more.
        let unit = seconds_at(&self.machine.likelihood, n);
        let mut seconds = shared(s) * unit;
        let mut count = starts(s, 1.0) + (others + linear) * WARM;
        if r > 1.0 {
            seconds += self.likelihoods(r, alone, n) + shared(s + 1.0) * unit;
            count += r * alone + alone;
        }
        let mut cost = Cost { flops: count * n * n * n, bytes_moved: count * 24.0 * n * n, seconds, ..Cost::default() };
        let fits = if r > 1.0 { 2 } else { 1 };
        let of_fit = 1 + u64::from(screened) + u64::from(others > 0.0) + u64::from(linear > 0.0);
        self.gathers(&mut cost, fits * of_fit + u64::from(r > 1.0), 8.0 * r * (r + 10.0));
        cost
    }

    fn rows(&self, n_dofs: f64) -> f64 {
        n_dofs / stride(n_dofs as usize, self.shape.n_samples) as f64
    }

    /// Modes that the calibration works in: some more than are kept.
    fn wide_modes(&self) -> f64 {
        (1.5 * self.r + 5.0).min(self.n)
    }

    fn calibration(&self, n_dofs: f64) -> Cost {
        let Work { machine, n, r, .. } = self;
        let (rows, k) = (self.rows(n_dofs), self.wide_modes());
        let folds = (FOLDS as f64).min(*n);
        let product = rate_at(&machine.product, k);
        let of_fold = seconds_at(&machine.svd, k.max(r + 1.0))
            + r * WARM * seconds_at(&machine.likelihood, n * (1.0 - 1.0 / folds));
        let at_once = self.ranks.ranks as f64 * self.threads();
        // Own rows: modes beyond those that are kept; of each fold modes, what they miss, predictions, scores.
        let own = rows / self.ranks.ranks as f64;
        let held = 8.0 * own * n;
        let of_rows = 2.0 * own * (k * n + folds * r * (k + n) + n * (k + r));
        let scored = of_rows / product + held * (4.0 * folds / machine.scan + 8.0 / machine.scan);
        let mut cost = Cost {
            flops: folds * r * WARM * n * n * n + of_rows,
            bytes_moved: 8.0 * held,
            seconds: (folds / at_once.min(folds)).ceil() * of_fold + scored / self.threads(),
            ..Cost::default()
        };
        // The folds; counts of scores, five times.
        let models = 8.0 * folds * (k + n) * r + 8.0 * n * (k + r);
        self.gathers(&mut cost, 4, models + 5.0 * 65536.0 * self.levels() as f64);
        cost
    }

    /// Ranks write one after the other.
    fn write(&self, n_dofs: f64) -> Cost {
        let bytes = 8.0 * n_dofs * (self.r + 1.0);
        let own = 8.0 * self.m * (self.r + 1.0);
        let mut cost = Cost { bytes_moved: 2.0 * own, seconds: bytes / self.machine.write, ..Cost::default() };
        let turns = Traffic { messages_sent: 2 * self.levels(), depth: self.ranks.ranks as u64, ..Traffic::default() };
        self.charge(&mut cost, turns, 0.0);
        cost
    }

    fn memory(&self, n_dofs: f64) -> f64 {
        let (rows, k) = (self.rows(n_dofs), self.wide_modes());
        // Left vectors that are no combinations of the snapshots are held beside the modes that come from them.
        let bases = if matches!(self.way, Algorithm::Gram | Algorithm::Tsqr) { 1.0 } else { 2.0 };
        let basis = 8.0 * self.m * self.r * bases;
        let block = 8.0 * BLOCK_ROWS as f64 * self.n;
        let copies = self.threads() * if self.options.pod.center { 3.0 } else { 2.0 } * block;
        let calibrating = 8.0 * rows / self.ranks.ranks as f64 * self.n;
        let tiles = self.threads() * 8.0 * TILE as f64 * (3.0 * self.n + 2.0 * k);
        let squares = 8.0 * self.n * self.n * (6.0 + 5.0 * self.threads() + self.levels() as f64);
        let product = 12.0 * self.entries + 8.0 * self.m;
        PROGRAM + self.shape.reading.held + basis + 16.0 * self.m + product + squares + calibrating + copies.max(tiles)
    }
}
