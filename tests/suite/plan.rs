//! `kolmo plan`: what it tells, what it refuses, and what grows and falls with ranks.

use crate::mpi_ranks::{ranks, wanted};
use crate::tool::{Run, Stacked, check_message, kolmo, write_text};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const STUDY: &str = "[data]\nsamples = \"train.h5\"\n[reduction]\ninner_product = \"euclidean\"\n";
const PHASES: [&str; 6] = ["read", "spectrum", "modes", "regression", "calibration", "write"];

/// A machine of round numbers, so that nothing is measured.
fn machine(folder: &Path) {
    let table = |v: f64| serde_json::json!([[10.0, v], [100.0, v]]);
    let value = serde_json::json!({
        "cores": 8, "memory": 64e9, "gram": table(2e10), "qr": table(1e10), "product": table(2e10),
        "svd": [[10.0, 1e-5], [100.0, 1e-2]], "likelihood": [[10.0, 1e-5], [100.0, 1e-3]], "sparse": 1e9, "scan": 1e10,
        "copy": 5e9, "place": 2e9, "unpack": 5e8, "write": 1e9, "read": 2e9, "latency": 1e-6, "bandwidth": 1e10,
    });
    write_text(folder, "machine.json", &value.to_string());
}

#[track_caller]
fn plan(folder: &Path, study: &str, more: &[&str]) -> Value {
    let run = kolmo(folder, &[&["plan", study, "--machine", "machine.json", "--quiet"], more, &["--json"]].concat());
    serde_json::from_str(&run.success().stdout).unwrap()
}

/// A stacked file of which headers and one chunk are written: every value is the fill value, and takes no room.
fn headers_only(path: &Path, n_samples: usize, n: usize, chunk: (usize, usize)) {
    let file = hdf5::File::create(path).unwrap();
    let group = file.create_group("snapshots").unwrap();
    let data = group.new_dataset::<f64>().chunk(chunk).deflate(4).shape((n_samples, n)).create("u").unwrap();
    data.write_slice(&ndarray::Array2::<f64>::zeros(chunk), (..chunk.0, ..chunk.1)).unwrap();
    let parameters = ndarray::Array2::from_shape_fn((n_samples, 2), |(s, j)| ((s * (3 + 4 * j)) % 211) as f64);
    file.new_dataset_builder().with_data(&parameters).create("parameters").unwrap();
}

#[test]
fn the_plan_says_what_each_phase_costs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    machine(folder);
    Stacked::new(12, 20).write(folder, "train.h5");
    write_text(folder, "study.toml", "[data]\nsamples = \"train.h5\"\n[reduction]\nmodes = 3\n");
    let value = plan(folder, "study.toml", &["--ranks", "4", "--nodes", "2"]);
    for (key, expected) in [("ranks", 4), ("nodes", 2), ("threads", 4), ("n_samples", 12), ("n_inputs", 2)] {
        assert_eq!(value[key], expected, "{key}");
    }
    for field in ["pressure", "density"] {
        let of = &value["fields"][field];
        assert_eq!((of["n_modes"].as_u64(), of["algorithm"].as_str()), (Some(3), Some("tsqr")), "{of}");
        assert!(of["seconds"].as_f64().unwrap() > 0.0 && of["memory"].as_u64().unwrap() > 1 << 20);
        assert_eq!(of["reading"], "kept in memory");
    }
    let mut seconds = 0.0;
    for phase in PHASES {
        let of = &value["phases"][phase];
        for key in ["flops", "bytes_read", "bytes_inflated", "bytes_moved", "messages", "bytes_sent", "depth"] {
            assert!(of[key].is_u64(), "{phase} {key}: {of}");
        }
        seconds += of["seconds"].as_f64().unwrap();
    }
    assert!((seconds - value["seconds"].as_f64().unwrap()).abs() <= 1e-12 * seconds);
    assert_eq!(value["total"]["seconds"], value["seconds"]);
    assert!(value["limit"].as_str().is_some_and(|l| !l.is_empty()) && value["memory_per_node"].as_u64().is_some());
    assert_eq!(value["machine"]["latency"], 1e-6);
    // Rows on 441 points: one rank has the only block, and nothing is sent by ranks that are alone.
    assert_eq!(plan(folder, "study.toml", &[])["total"]["messages"], 0);
    let text = kolmo(folder, &["plan", "study.toml", "--machine", "machine.json"]).success().stdout;
    assert!(["spectrum", "memory: ", "limit: "].iter().all(|w| text.contains(w)), "{text}");
    // A tolerance is answered by the data: the number of modes is assumed, and said so.
    let assumed = plan(folder, "train.h5", &[])["assumed"].to_string();
    assert!(assumed.contains("modes per field"), "{assumed}");
    let assumed = plan(folder, "train.h5", &["--modes", "5"]);
    assert!(!assumed["assumed"].to_string().contains("modes per field"));
    assert_eq!(assumed["fields"]["pressure"]["n_modes"], 5);
}

#[test]
fn more_threads_than_cores_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    machine(folder);
    Stacked::new(12, 4).write(folder, "train.h5");
    let told = |more: &[&str]| {
        let run = kolmo(folder, &[&["plan", "train.h5", "--machine", "machine.json"], more].concat()).success();
        run.stderr.lines().filter(|l| l.contains("core")).collect::<Vec<_>>().join("\n")
    };
    // The machine has 8 cores.
    for fits in [&[][..], &["--ranks", "8"], &["--ranks", "16", "--nodes", "2"], &["--ranks", "2", "--threads", "4"]] {
        assert_eq!(told(fits), "", "{fits:?}");
    }
    for (more, words, mend) in [
        (&["--ranks", "9"][..], "9 ranks x 1 thread on a node of 8 cores", "fewer ranks per node"),
        (&["--ranks", "17", "--nodes", "2"], "9 ranks x 1 thread on a node of 8 cores", "fewer ranks per node"),
        (&["--ranks", "3", "--threads", "3"], "3 ranks x 3 threads on a node of 8 cores", "fewer --threads"),
        (&["--threads", "9"], "1 ranks x 9 threads on a node of 8 cores", "fewer --threads"),
    ] {
        let line = told(more);
        assert!(line.starts_with("warning: ") && line.contains(words) && line.contains(mend), "{more:?}: {line}");
    }
}

#[test]
fn mpi_ranks_of_the_launcher_are_planned_for() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    machine(folder);
    Stacked::new(12, 4).write(folder, "train.h5");
    let planned = |n_ranks: usize, more: &[&str]| -> Value {
        let args = [&["plan", "train.h5", "--machine", "machine.json", "--quiet", "--json"], more].concat();
        serde_json::from_str(&ranks(folder, n_ranks, &args).success().stdout).unwrap()
    };
    for (n_ranks, more, expected) in [
        (2, &[][..], [2, 1, 4]),
        (3, &["--nodes", "3"], [3, 3, 8]),
        (2, &["--ranks", "5"], [5, 1, 1]),
        (1, &[], [1, 1, 8]),
    ] {
        let value = planned(n_ranks, more);
        assert_eq!(
            ["ranks", "nodes", "threads"].map(|key| value[key].as_u64().unwrap()),
            expected,
            "{n_ranks} {more:?}"
        );
    }
    // A launcher binds ranks to some of the cores: the machine has all of them.
    ranks(folder, 2, &["plan", "--measure", "measured.json"]).success();
    let text = std::fs::read_to_string(folder.join("measured.json")).unwrap();
    let cores = serde_json::from_str::<Value>(&text).unwrap()["cores"].as_u64().unwrap();
    assert_eq!(cores as usize, std::thread::available_parallelism().unwrap().get());
}

#[test]
fn plans_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    machine(folder);
    Stacked::new(12, 4).write(folder, "train.h5");
    write_text(folder, "study.toml", STUDY);
    write_text(folder, "lost.toml", "[data]\nsamples = \"lost.h5\"\n");
    write_text(folder, "bad.json", "{\"cores\": 8}");
    let slow =
        std::fs::read_to_string(folder.join("machine.json")).unwrap().replace("\"read\":2000000000.0", "\"read\":0.0");
    write_text(folder, "slow.json", &slow);
    for (args, code, word) in [
        (&["study.toml", "--ranks", "0"][..], "K009", "--ranks"),
        (&["study.toml", "--ranks", "2", "--nodes", "3"], "K009", "--nodes"),
        (&["study.toml", "--nodes", "0"], "K009", "--nodes"),
        (&["study.toml", "--modes", "0"], "K009", "--modes"),
        (&["missing.toml"], "K001", "missing.toml"),
        (&["lost.toml"], "K001", "lost.h5"),
        (&["study.toml", "--machine", "none.json"], "K001", "none.json"),
        (&["study.toml", "--machine", "bad.json"], "K012", "bad.json"),
        (&["study.toml", "--machine", "slow.json"], "K009", "read"),
        (&[], "K012", "plan"),
    ] {
        let run = kolmo(folder, &[&["plan"], args].concat());
        check_message(&run, 2, &[code], &[word]);
    }
}

#[test]
fn memory_and_work_per_rank_fall_with_ranks() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    machine(folder);
    headers_only(&folder.join("train.h5"), 50, 4_000_000, (1, 100_000));
    write_text(folder, "study.toml", &format!("{STUDY}memory = \"4GiB\"\nmodes = 10\n"));
    let of =
        |ranks: &str, nodes: &str| plan(folder, "study.toml", &["--threads", "1", "--ranks", ranks, "--nodes", nodes]);
    let plans = [of("1", "1"), of("2", "1"), of("8", "2"), of("64", "8")];
    for pair in plans.windows(2) {
        let [a, b] = [&pair[0], &pair[1]];
        for path in
            ["/memory_per_rank", "/phases/spectrum/flops", "/phases/modes/bytes_moved", "/phases/spectrum/seconds"]
        {
            let value = |v: &Value| v.pointer(path).and_then(Value::as_f64).unwrap();
            assert!(value(b) < value(a), "{path}: {} and {}", value(a), value(b));
        }
        assert!(a["phases"]["modes"]["messages"].as_u64() < b["phases"]["modes"]["messages"].as_u64());
    }
    // 50 x 4,000,000 doubles are 1.6 GB: half of them, a basis and little else on each of two ranks.
    let memory = |v: &Value| v["memory_per_rank"].as_f64().unwrap();
    assert!((1.6e9..2.6e9).contains(&memory(&plans[0])), "{}", memory(&plans[0]));
    assert!((0.8e9..1.4e9).contains(&memory(&plans[1])), "{}", memory(&plans[1]));
    // What the study allows is kept to.
    write_text(folder, "small.toml", &format!("{STUDY}memory = \"256MiB\"\nmodes = 10\n"));
    let small = plan(folder, "small.toml", &[]);
    assert!(memory(&small) < 256.0 * 1048576.0 + 1e9, "{}", memory(&small));
    assert_ne!(small["fields"]["u"]["reading"], "kept in memory");
}

#[test]
fn more_than_2_to_the_31_entries_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    machine(folder);
    let (n_samples, n) = (200, 30_000_000_000_u64);
    headers_only(&folder.join("train.h5"), n_samples, n as usize, (1, 1 << 16));
    assert!(std::fs::metadata(folder.join("train.h5")).unwrap().len() < 1 << 20);
    write_text(folder, "study.toml", &format!("{STUDY}modes = 20\nalgorithm = \"tsqr\"\n"));
    let value = plan(folder, "study.toml", &["--ranks", "4096", "--nodes", "64"]);
    let of = &value["fields"]["u"];
    assert_eq!((of["n_dofs"].as_u64(), of["n_entries"].as_u64()), (Some(n), Some(n * 200)));
    // 2 n² m operations on a rank with a share and a block at most.
    let rows = n as f64 / 4096.0;
    let flops = value["phases"]["spectrum"]["flops"].as_f64().unwrap();
    assert!((2.0 * 4e4 * rows..2.2 * 4e4 * rows).contains(&flops), "{flops:e}");
    let serial = plan(folder, "study.toml", &[]);
    assert!(serial["phases"]["spectrum"]["flops"].as_f64().unwrap() > 2.0 * 4e4 * n as f64);
    assert!(serial["limit"].as_str().unwrap().starts_with("memory"), "{}", serial["limit"]);
    let sent = value["total"]["bytes_sent"].as_f64().unwrap();
    assert!(sent < 1e9, "nothing of the length of the field is sent: {sent:e}");
}

#[test]
fn a_machine_is_measured_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    headers_only(&folder.join("train.h5"), 20, 100_000, (1, 100_000));
    kolmo(folder, &["plan", "--measure", "machine.json"]).success();
    let value = plan(folder, "train.h5", &["--ranks", "2"]);
    let text = std::fs::read_to_string(folder.join("machine.json")).unwrap();
    assert_eq!(value["machine"], serde_json::from_str::<Value>(&text).unwrap());
    assert!(value["seconds"].as_f64().unwrap() > 0.0);
    // Samples are no place for the rates.
    let run = kolmo(folder, &["plan", "train.h5", "--machine", "machine.json", "--measure", "train.h5"]);
    check_message(&run, 2, &["K009"], &["--measure"]);
}

#[test]
fn job_scripts_are_plain_sh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cluster");
    let is_script = |p: &std::path::PathBuf| p.extension().is_some_and(|e| e == "slurm");
    let scripts: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).filter(is_script).collect();
    assert!(scripts.len() >= 4, "{scripts:?}");
    for script in scripts {
        Run::of(Command::new("sh").arg("-n").arg(&script)).success();
        let text = std::fs::read_to_string(&script).unwrap();
        assert!(text.starts_with("#!/bin/sh\n") && text.contains("#SBATCH --time="), "{}", script.display());
    }
}
