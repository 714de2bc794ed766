//! Ranks: what they send, by the work itself on ranks that are not there; and predicted against measured seconds.
//!
//!     cargo bench --bench scaling --features mpi

use faer::Mat;
use hdf5::types::VarLenUnicode;
use kolmo::algorithms::pod::{PodOptions, Truncation};
use kolmo::comm::{CountingComm, Traffic};
use kolmo::data::{FieldInfo, Location, Table};
use kolmo::io::file_rates::file_rates;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::tall::{Layout, TallMatrix};
use kolmo::offline::cost::{Cost, FieldShape, PHASES, Ranks, Reading, field_cost};
use kolmo::offline::machine::Machine;
use kolmo::offline::pod_regression::{FieldSnapshots, Options, pod_regression};
use ndarray::Array1;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Rows per rank and samples of the weak scaling.
const ROWS: usize = 1_000_000;
const SAMPLES: usize = 200;
const MODES: usize = 20;
/// Entities and samples of the measured file: 400 MB.
const N: usize = 500_000;
const N_SAMPLES: usize = 100;
const RUNS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let machine = Machine::measure(file_rates()?)?;
    weak_scaling(&machine)?;
    recipe();
    measured(&machine)
}

/// Rows per rank stay, ranks become more.
fn weak_scaling(machine: &Machine) -> Result<(), Box<dyn std::error::Error>> {
    println!("\n{ROWS} rows per rank, {SAMPLES} samples, {MODES} modes, one thread per rank, 64 ranks per node");
    println!("    ranks  messages     MB sent    depth   MB memory   seconds  of which messages  efficiency");
    let mut first = 0.0;
    for k in 0..=12 {
        let ranks = 1 << k;
        let reading = Reading {
            stored: (8 * ROWS * SAMPLES * ranks) as f64,
            value: 8.0,
            packed: false,
            every_pass: false,
            scratch: false,
            held: (8 * ROWS * SAMPLES) as f64,
        };
        let shape = FieldShape {
            n_entities: ROWS * ranks,
            n_components: 1,
            n_samples: SAMPLES,
            n_inputs: 4,
            n_modes: MODES,
            n_entries: 0.0,
            reading,
        };
        let of = |ranks| Ranks { ranks, nodes: ranks.div_ceil(64), threads: 1 };
        // The files of a cluster serve nodes at once; this machine's rate would be shared by 64 ranks.
        let cost =
            field_cost(&Machine { read: 64.0 * machine.read, ..machine.clone() }, of(ranks), &shape, &options(MODES))?;
        let decomposition = Cost::sum(&cost.phases[..3]);
        if k == 0 {
            first = decomposition.seconds;
        }
        let sent = machine.latency * decomposition.depth as f64 + 2.0 * decomposition.bytes_sent / machine.bandwidth;
        println!(
            "{ranks:>9} {:>9} {:>11.2} {:>8} {:>11.0} {:>9.3} {:>18.4} {:>10.1} %",
            decomposition.messages,
            decomposition.bytes_sent / 1e6,
            decomposition.depth,
            cost.memory / 1e6,
            decomposition.seconds,
            sent,
            100.0 * first / decomposition.seconds
        );
    }
    Ok(())
}

fn options(modes: usize) -> Options {
    let pod = PodOptions { truncation: Truncation::Modes(modes), ..PodOptions::default() };
    Options { pod, ..Options::default() }
}

fn value(x: f64, a: f64, b: f64) -> f64 {
    1.0 + ((2.0 * x + 0.3) * (1.0 + a)).sin()
        + (10.0 * (x - 0.2 - 0.6 * b)).tanh()
        + 0.2 * (-50.0 * (x - a).powi(2)).exp()
}

fn inputs(n: usize) -> Table {
    let entry = |s: usize, step: f64| (0.5 + step * (s + 1) as f64).fract();
    let rows = (0..n).flat_map(|s| [entry(s, 0.754_877_666_246_693), entry(s, 0.569_840_290_998_053)]);
    Table { names: vec!["a".into(), "b".into()], values: rows.collect(), ..Table::default() }
}

/// The whole recipe, on the rows of one rank of many.
fn recipe() {
    println!("\nthe whole recipe (POD, processes, calibration), 40 samples, 6 modes, counted on 8,192 rows of a rank");
    println!("    ranks     rank  collectives  messages     MB sent    depth");
    for size in [1, 2, 16, 256, 4096] {
        let mut of_ranks = vec![0, size / 2, size - 1];
        of_ranks.dedup();
        for rank in of_ranks {
            let t = traffic(rank, size);
            println!(
                "{size:>9} {rank:>8} {:>12} {:>9} {:>11.3} {:>8}",
                t.collectives,
                t.messages_sent,
                t.bytes_sent as f64 / 1e6,
                t.depth
            );
        }
    }
}

fn traffic(rank: usize, size: usize) -> Traffic {
    let (n, inputs) = (40, inputs(40));
    let comm = Arc::new(CountingComm::new(rank, size));
    let layout = Layout::even(8192 * size, 1, comm.clone());
    let local = Mat::from_fn(8192, n, |i, s| value(i as f64 / 8192.0, inputs.row(s)[0], inputs.row(s)[1]));
    let info = FieldInfo {
        name: "u".into(),
        location: Location::Free,
        n_entities: 8192 * size,
        n_components: 1,
        vector: false,
    };
    let snapshots = Box::new(TallMatrix::new(layout, local).expect("rows of one rank"));
    let field = FieldSnapshots { info, snapshots, inner_product: InnerProduct::Euclidean, rows: None };
    pod_regression(&inputs, vec![field], &Table::default(), &options(6)).expect("a model");
    comm.traffic()
}

/// `kolmo plan` against `kolmo fit` on this machine: CPU seconds of each rank, one thread each.
fn measured(machine: &Machine) -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("train.h5");
    write(&path)?;
    std::fs::write(
        folder.path().join("study.toml"),
        "[data]\nsamples = \"train.h5\"\n[reduction]\ntolerance = 1e-4\ninner_product = \"euclidean\"\n",
    )?;
    std::fs::write(folder.path().join("machine.json"), serde_json::to_string(machine)?)?;
    println!(
        "\n{N} x {N_SAMPLES} (400 MB), 17 modes, one thread per rank: CPU seconds of the busiest rank, median of {RUNS}"
    );
    println!("    ranks  measured  predicted   ratio  of serial");
    let mut serial = 0.0;
    let counts: &[usize] = if cfg!(feature = "mpi") { &[1, 2] } else { &[1] };
    for &ranks in counts {
        let mut seconds: Vec<f64> = (0..RUNS).map(|_| fit(folder.path(), ranks)).collect::<Result<_, _>>()?;
        seconds.sort_by(f64::total_cmp);
        let found = seconds[RUNS / 2];
        if ranks == 1 {
            serial = found;
        }
        let plan = plan(folder.path(), ranks)?;
        let predicted = plan["seconds"].as_f64().unwrap_or(f64::NAN);
        println!("{ranks:>9} {found:>9.2} {predicted:>10.2} {:>7.2} {:>10.2}", predicted / found, found / serial);
        let phases: Vec<String> =
            PHASES.iter().map(|p| format!("{p} {:.2}", plan["phases"][p]["seconds"].as_f64().unwrap_or(0.0))).collect();
        println!("          predicted: {}", phases.join(", "));
    }
    Ok(())
}

fn write(path: &Path) -> hdf5::Result<()> {
    let (file, inputs) = (hdf5::File::create(path)?, inputs(N_SAMPLES));
    let data = file.create_group("snapshots")?.new_dataset::<f64>().shape((N_SAMPLES, N)).create("u")?;
    for s in 0..N_SAMPLES {
        let sample = Array1::from_shape_fn(N, |i| value(i as f64 / N as f64, inputs.row(s)[0], inputs.row(s)[1]));
        data.write_slice(&sample, (s, ..))?;
    }
    let parameters = ndarray::Array2::from_shape_fn((N_SAMPLES, 2), |(s, j)| inputs.row(s)[j]);
    let parameters = file.new_dataset_builder().with_data(&parameters).create("parameters")?;
    let names: Vec<VarLenUnicode> = inputs.names.iter().filter_map(|n| n.parse().ok()).collect();
    parameters.new_attr::<VarLenUnicode>().shape(names.len()).create("names")?.write(&names)
}

const KOLMO: &str = env!("CARGO_BIN_EXE_kolmo");

/// CPU seconds of the busiest rank, children of a shell that tells them.
fn fit(folder: &Path, ranks: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let script = format!("{KOLMO} fit study.toml -o model.h5 --threads 1 --quiet >/dev/null; times");
    let mut command = Command::new(if ranks == 1 { "sh" } else { "mpirun" });
    if ranks > 1 {
        let options = ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--mca"];
        let vader = ["btl_vader_single_copy_mechanism", "none", "--mca", "mpi_yield_when_idle", "1", "-n"];
        command.args(options).args(vader).arg(ranks.to_string()).arg("sh");
    }
    let out = command.arg("-c").arg(script).current_dir(folder).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    // Of each shell two lines: its own user and system time, and those of its children.
    let seconds = |word: &str| -> Option<f64> {
        let (minutes, seconds) = word.trim_end_matches('s').split_once('m')?;
        Some(60.0 * minutes.parse::<f64>().ok()? + seconds.parse::<f64>().ok()?)
    };
    let sums = text.lines().filter_map(|line| line.split_whitespace().map(seconds).sum::<Option<f64>>());
    Ok(sums.fold(0.0, f64::max))
}

fn plan(folder: &Path, ranks: usize) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let ranks = ranks.to_string();
    let args =
        ["plan", "study.toml", "--modes", "17", "--threads", "1", "--machine", "machine.json", "--ranks", &ranks];
    let out = Command::new(KOLMO).args(args).args(["--quiet", "--json"]).current_dir(folder).output()?;
    Ok(serde_json::from_slice(&out.stdout)?)
}
