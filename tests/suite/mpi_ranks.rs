//! `mpirun -n N kolmo …` gives the serial answer. Runs where tests/mpirun.sh sets KOLMO_MPIRUN (a build with MPI).

use crate::tool::{KOLMO, Run, Stacked, data_sets, kolmo, listing, write_text};
use std::path::Path;
use std::process::Command;

/// `kolmo ARGS` on `n_ranks` ranks; a run that hangs is ended after two minutes.
fn ranks(folder: &Path, n_ranks: usize, args: &[&str]) -> Run {
    let n = n_ranks.to_string();
    let launcher =
        ["mpirun", "--allow-run-as-root", "--oversubscribe", "--mca", "btl_vader_single_copy_mechanism", "none"];
    Run::of(Command::new("timeout").arg("120").args(launcher).args(["-n", &n, KOLMO]).args(args).current_dir(folder))
}

/// Whether this run of the tests is to start `mpirun`.
pub fn wanted() -> bool {
    let wanted = std::env::var_os("KOLMO_MPIRUN").is_some();
    if !wanted {
        println!("skipped: tests/mpirun.sh runs this");
    } else if !cfg!(feature = "mpi") {
        panic!("KOLMO_MPIRUN needs a build with --features mpi");
    }
    wanted
}

/// Largest difference of the values of `a` and `b` below `group`, relative to the largest value of each data set.
#[track_caller]
pub fn difference(a: &Path, b: &Path, group: &str) -> f64 {
    let part =
        |path: &Path| -> Vec<_> { data_sets(path).into_iter().filter(|(name, _)| name.starts_with(group)).collect() };
    let (a, b) = (part(a), part(b));
    assert!(!a.is_empty(), "nothing to compare in {group}");
    assert_eq!(a.len(), b.len(), "not the same data sets in {group}");
    let mut largest = 0.0f64;
    for ((name, (shape, x)), (other, (other_shape, y))) in a.iter().zip(&b) {
        assert_eq!((name, shape), (other, other_shape));
        let scale = x.iter().fold(0.0f64, |m, v| m.max(v.abs())).max(f64::MIN_POSITIVE);
        let off = x.iter().zip(y).map(|(x, y)| (x - y).abs() / scale).fold(0.0, f64::max);
        assert!(off.is_finite(), "{name} holds numbers that are not finite");
        largest = largest.max(off);
    }
    largest
}

#[test]
fn mpi_ranks_give_the_serial_answer() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    for name in ["supersonic_step.h5", "supersonic_step.toml"] {
        std::fs::copy(data.join(name), folder.path().join(name)).unwrap();
    }
    let folder = folder.path();
    write_text(folder, "p.csv", "mach,gamma\n1.7,1.3\n2.1,1.4\n2.8,1.6\n");
    compare(folder, "supersonic_step.toml", &["rho", "p"]);
    // More rows than a block on points and on cells: every rank has some, and the mass matrix couples them.
    Stacked::new(16, 130).write(folder, "train.h5");
    write_text(folder, "study.toml", "[data]\nsamples = \"train.h5\"\n[reduction]\ntolerance = 1e-3\n");
    write_text(folder, "p.csv", "mach,gamma\n1.7,0.3\n1.2,0.4\n2.1,0.6\n");
    compare(folder, "study.toml", &["pressure", "density"]);
}

/// Fits and predictions on 1, 2 and 3 ranks against the serial ones.
#[track_caller]
fn compare(folder: &Path, study: &str, fields: &[&str]) {
    let fit = |model: &'static str| ["fit", study, "-o", model];
    let predict = |model: &'static str, out: &'static str| ["predict", model, "--parameters", "p.csv", "-o", out];
    kolmo(folder, &fit("serial.h5")).success();
    kolmo(folder, &predict("serial.h5", "serial_out.h5")).success();
    for n_ranks in 1..=3 {
        ranks(folder, n_ranks, &fit("ranks.h5")).success();
        kolmo(folder, &["check", "ranks.h5"]).success();
        ranks(folder, n_ranks, &predict("ranks.h5", "ranks_out.h5")).success();
        let [serial, model] = ["serial.h5", "ranks.h5"].map(|f| folder.join(f));
        let [answer, out] = ["serial_out.h5", "ranks_out.h5"].map(|f| folder.join(f));
        for field in fields {
            let off = difference(&serial, &model, &format!("/pod/{field}/singular_values"));
            assert!(off <= 1e-12, "{n_ranks} ranks, singular values of {field}: {off:e}");
        }
        for group in ["/snapshots", "/uncertainty", "/interval", "/indicators", "/flags"] {
            let off = difference(&answer, &out, group);
            println!("{study}, {n_ranks} ranks, {group}: largest relative difference {off:.1e}");
            assert!(off <= 1e-10, "{n_ranks} ranks, {group}: {off:e}");
        }
        for file in [model, out] {
            std::fs::remove_file(file).unwrap();
        }
    }
}

#[test]
fn mpi_ranks_share_an_error() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut data = Stacked::new(12, 4);
    // The last entry: only the last rank reads it.
    data.snapshots[0].1[(7, 24)] = f64::NAN;
    data.write(folder.path(), "train.h5");
    write_text(folder.path(), "study.toml", "[data]\nsamples = \"train.h5\"\n");
    let before = listing(folder.path());
    for n_ranks in 1..=3 {
        let run = ranks(folder.path(), n_ranks, &["fit", "study.toml", "-o", "model.h5"]);
        assert_eq!(run.code, Some(2), "{n_ranks} ranks: {run:#?}");
        assert!(run.line("error[").starts_with("error[K004]: "), "{run:#?}");
        assert_eq!(listing(folder.path()), before, "{n_ranks} ranks");
    }
}

#[test]
fn mpi_ranks_with_different_files_end_together() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    Stacked::new(12, 4).write(folder.path(), "train.h5");
    write_text(folder.path(), "study.toml", "[data]\nsamples = \"train.h5\"\n");
    write_text(folder.path(), "stale.toml", "[data]\nsamples = \"missing.h5\"\n");
    write_text(folder.path(), "few.toml", "[data]\nsamples = \"train.h5\"\nselect = \"0:2\"\n");
    let before = listing(folder.path());
    for (bad, code) in [("stale.toml", "K001"), ("few.toml", "K008"), ("nothing.toml", "K001")] {
        let launcher = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--mca", "btl_vader_single_copy_mechanism"];
        let mut command = Command::new("timeout");
        command.arg("60").args(launcher).args(["none", "-n", "1", KOLMO, "fit", "study.toml", "-o", "model.h5"]);
        command.args([":", "-n", "1", KOLMO, "fit", bad, "-o", "model.h5"]).current_dir(folder.path());
        let run = Run::of(&mut command);
        assert_eq!(run.code, Some(2), "{bad}: {run:#?}");
        assert!(run.line("error[").starts_with(&format!("error[{code}]: ")), "{bad}: {run:#?}");
        assert_eq!(listing(folder.path()), before, "{bad}");
    }
}
