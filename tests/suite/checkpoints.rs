//! A fit that was stopped goes on from what it kept, to the same bits; what belongs to other work is never used.

use crate::ranks::{answers, fit_slabs};
use crate::tool::{KOLMO, Run, Stacked, check_message, data_sets, kolmo, listing, write_text};
use faer::{Mat, MatRef};
use kolmo::algorithms::gaussian_process::GpOptions;
use kolmo::algorithms::kernel::Kernel;
use kolmo::algorithms::pod::{Algorithm, PodOptions, Truncation};
use kolmo::comm::{Communicator, SingleComm, run_on_threads};
use kolmo::error::{Error, Result};
use kolmo::io::SnapshotSource;
use kolmo::io::checkpoint::{Checkpoint, Work};
use kolmo::io::field_slabs::FieldSlabs;
use kolmo::io::stacked::StackedFile;
use kolmo::linalg::slabs::{Slabs, Visit};
use kolmo::linalg::tall::{Layout, TallMatrix};
use kolmo::offline::Store;
use kolmo::offline::pod_regression::Options;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Entries in memory.
#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl Store for Memory {
    fn load(&self, key: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(key).cloned()
    }

    fn save(&self, key: &str, value: &[u8]) {
        self.0.lock().unwrap().insert(key.into(), value.to_vec());
    }

    fn interval(&self) -> Duration {
        Duration::ZERO
    }
}

/// A block at a time, until `budget` slabs were handed out; `count` counts them.
struct Brittle {
    whole: TallMatrix,
    budget: usize,
    count: Arc<AtomicUsize>,
}

impl Slabs for Brittle {
    fn layout(&self) -> &Arc<Layout> {
        self.whole.layout()
    }

    fn n_columns(&self) -> usize {
        self.whole.n_columns()
    }

    fn pass(&self, visit: &mut Visit<'_>) -> Result<()> {
        self.pass_from(0, visit)
    }

    fn pass_from(&self, start: usize, visit: &mut Visit<'_>) -> Result<()> {
        let (owned, size) = (self.whole.owned(), self.layout().block_rows());
        for first in (start..owned.nrows()).step_by(size) {
            if self.count.fetch_add(1, Ordering::SeqCst) >= self.budget {
                return Err(Error::argument("slab", "none", "another one"));
            }
            let rows = first..(first + size).min(owned.nrows());
            visit(rows.clone(), owned.subrows(rows.start, rows.len()))?;
        }
        Ok(())
    }

    fn ghosts(&self) -> Result<Mat<f64>> {
        Slabs::ghosts(&self.whole)
    }
}

/// Fits from slabs that end after `budget` per rank: the answers or the error, and the slabs that were handed out.
fn fit(comm: Arc<dyn Communicator>, budget: usize, options: &Options) -> (Result<Vec<u64>>, usize) {
    let count = Arc::new(AtomicUsize::new(0));
    let slabs = |_: &dyn Communicator, whole: TallMatrix| -> Box<dyn Slabs> {
        Box::new(Brittle { whole, budget, count: count.clone() })
    };
    let model = fit_slabs(comm.clone(), &slabs, options);
    (model.map(|m| answers(m, comm.as_ref())), count.load(Ordering::SeqCst))
}

#[test]
fn a_fit_goes_on_from_any_slab_to_the_same_bits() {
    let tolerance = Truncation::Tolerance(1e-4);
    let ways = [
        (Algorithm::Auto, false, tolerance),
        (Algorithm::Tsqr, true, tolerance),
        (Algorithm::Randomized, false, Truncation::Modes(5)),
    ];
    for (algorithm, center, truncation) in ways {
        let options = |store: Option<Arc<dyn Store>>| Options {
            pod: PodOptions { algorithm, center, truncation, ..PodOptions::default() },
            regression: GpOptions { kernel: Some(Kernel::Matern52), restarts: 1, ..GpOptions::default() },
            checkpoint: store,
            ..Options::default()
        };
        let (expected, all) = fit(Arc::new(SingleComm), usize::MAX, &options(None));
        let expected = expected.unwrap();
        let mut again = Vec::new();
        // Resumed on the ranks it was stopped on, and on others.
        for (budget, (before, after)) in
            (1..all).step_by(all.div_ceil(20)).zip([(1, 1), (1, 1), (1, 3), (3, 3), (3, 1), (1, 1)].iter().cycle())
        {
            let store: Arc<dyn Store> = Arc::new(Memory::default());
            let on = |size: usize, budget: usize| match size {
                1 => vec![fit(Arc::new(SingleComm), budget, &options(Some(store.clone())))],
                _ => run_on_threads(size, |comm| fit(comm, budget, &options(Some(store.clone())))),
            };
            // On three ranks the budget of each is a share.
            if on(*before, budget.div_ceil(*before)).iter().any(|(found, _)| found.is_ok()) {
                continue;
            }
            let resumed = on(*after, usize::MAX);
            for (found, _) in &resumed {
                assert!(
                    found.as_ref().unwrap() == &expected,
                    "{algorithm:?}, {budget} slabs on {before}, then {after}"
                );
            }
            if (*before, *after) == (1, 1) {
                again.push((budget, resumed[0].1));
            }
        }
        // What was done in first passes is not done again.
        println!("{algorithm:?}: {all} slabs; (done before, done in the second run): {again:?}");
        let fewer = algorithm == Algorithm::Randomized || again.iter().all(|(_, n)| *n < all);
        assert!(again.len() >= 3 && fewer, "{again:?} of {all}");
    }
}

/// The largest magnitude is known in a run that did not see it.
#[test]
fn what_was_learnt_is_kept() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let options = Options { checkpoint: Some(store), ..Options::default() };
    let run = |budget: usize| {
        let slabs = |_: &dyn Communicator, whole: TallMatrix| -> Box<dyn Slabs> {
            let layout = whole.layout().clone();
            let mut local = whole.into_local();
            local[(0, 0)] = 1e140;
            let whole = TallMatrix::new(layout, local).unwrap();
            Box::new(Brittle { whole, budget, count: Arc::default() })
        };
        fit_slabs(Arc::new(SingleComm), &slabs, &options).map(drop).unwrap_err()
    };
    // The second run goes on behind the first block, where the large value is.
    run(1);
    assert_eq!(run(usize::MAX).code(), "K019");
}

const FIT: [&str; 6] = ["fit", "study.toml", "-o", "model.h5", "--threads", "1"];
const STUDY: &str = "[data]\nsamples = \"train.h5\"\n";

/// A folder with a study, the undisturbed model as `whole.h5`, and what a fit on a full disk left.
fn stopped() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_text(path, "study.toml", STUDY);
    Stacked::new(30, 60).write(path, "train.h5");
    kolmo(path, &FIT).success();
    std::fs::rename(path.join("model.h5"), path.join("whole.h5")).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f 100; exec \"$0\" \"$@\"", KOLMO]).args(FIT).env("KOLMO_CHECKPOINT_SECONDS", "0");
    // Without a handler the signal of the limit would end it.
    check_message(&Run::of(shell.current_dir(path)), 1, &["K103"], &["model.h5", "File too large"]);
    assert!(path.join(".model.h5.checkpoint").is_dir() && !path.join("model.h5").exists(), "{:?}", listing(path));
    folder
}

fn is_whole(folder: &Path) -> bool {
    data_sets(&folder.join("model.h5")) == data_sets(&folder.join("whole.h5"))
}

fn resume(folder: &Path) -> Run {
    kolmo(folder, &[&FIT[..], &["--resume"]].concat())
}

#[test]
fn a_fit_that_met_a_full_disk_goes_on() {
    let folder = stopped();
    let run = resume(folder.path()).success();
    assert!(run.stderr.contains("fit: goes on from .model.h5.checkpoint"), "{run:#?}");
    assert!(is_whole(folder.path()));
    assert!(!folder.path().join(".model.h5.checkpoint").exists(), "a finished fit cleans up");
    // Nothing is left to go on from; a short fit leaves nothing.
    let run = resume(folder.path()).success();
    assert!(run.stderr.contains("fit: no checkpoint") && is_whole(folder.path()), "{run:#?}");
    assert_eq!(listing(folder.path()).len(), 4, "{:?}", listing(folder.path()));
}

#[test]
fn damaged_entries_are_computed_again() {
    let folder = stopped();
    let mut n = 0;
    for file in listing(&folder.path().join(".model.h5.checkpoint")) {
        if !file.ends_with("work.json") {
            let mut bytes = std::fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&file, bytes).unwrap();
            n += 1;
        }
    }
    assert!(n >= 4, "only {n} entries");
    resume(folder.path()).success();
    assert!(is_whole(folder.path()));
}

#[test]
fn other_work_is_refused() {
    let folder = stopped();
    let path = folder.path();
    let before = listing(path);
    // Another study.
    write_text(path, "study.toml", &format!("{STUDY}[reduction]\ntolerance = 1e-3\n"));
    check_message(&resume(path), 2, &["K020"], &[".model.h5.checkpoint, study", "leave out --resume"]);
    write_text(path, "study.toml", &format!("{STUDY}select = \"0:20\"\n"));
    check_message(&resume(path), 2, &["K020"], &[".model.h5.checkpoint, study", "select"]);
    write_text(path, "study.toml", STUDY);
    // Other data: the same bytes, written later; then one sample less.
    let data = path.join("train.h5");
    let bytes = std::fs::read(&data).unwrap();
    std::fs::write(&data, &bytes).unwrap();
    check_message(&resume(path), 2, &["K020"], &["train.h5, changed since .model.h5.checkpoint"]);
    Stacked::new(29, 60).write(path, "train.h5");
    check_message(&resume(path), 2, &["K020"], &["29 samples", "30 samples"]);
    assert_eq!(listing(path), before, "a refusal changes nothing");
    // Without --resume the fit takes no notice, but says what could be done.
    let run = kolmo(path, &FIT).success();
    assert!(run.stderr.contains("--resume would go on from .model.h5.checkpoint"), "{run:#?}");
    assert!(!path.join(".model.h5.checkpoint").exists() && !is_whole(path));
}

#[test]
fn what_comes_from_changed_data_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data = write_text(folder.path(), "train.csv", "1,2,3");
    let time = std::fs::metadata(&data).unwrap().modified().unwrap();
    let touch = |time| std::fs::File::options().write(true).open(&data).unwrap().set_modified(time).unwrap();
    let open = || {
        let work = Work::new("study", &[0, 1, 2], std::slice::from_ref(&data));
        Checkpoint::new(&folder.path().join("model.h5"), work, true, Duration::ZERO)
    };
    let kept = open();
    kept.save("before", b"1");
    kept.work().unchanged().unwrap();
    touch(time + Duration::from_secs(1));
    assert_eq!(kept.work().unchanged().unwrap_err().code(), "K020");
    assert_eq!(open().find().unwrap_err().code(), "K020");
    kept.save("after", b"2");
    touch(time);
    kept.save("later", b"3");
    write_text(folder.path(), "train.csv", "1,2");
    assert_eq!(kept.work().unchanged().unwrap_err().code(), "K003");
    write_text(folder.path(), "train.csv", "1,2,3");
    touch(time);
    let again = open();
    assert!(again.find().unwrap() && again.load("before").is_none(), "nothing is loaded without being asked for");
    let again = again.resumed();
    assert_eq!(again.load("before").as_deref(), Some(&b"1"[..]));
    assert!(again.load("after").is_none() && again.load("later").is_none());
    again.remove();
    assert!(!again.folder().exists() && !open().find().unwrap());
}

/// What is seen of a pass from `start` on, by columns; slabs follow each other.
fn rest(x: &dyn Slabs, start: usize) -> Vec<Vec<f64>> {
    let (mut seen, mut next) = (vec![Vec::new(); x.n_columns()], start);
    let mut visit = |rows: Range<usize>, slab: MatRef<'_, f64>| {
        assert_eq!((rows.start, rows.len()), (next, slab.nrows()));
        next = rows.end;
        seen.iter_mut().zip(slab.col_iter()).for_each(|(seen, column)| seen.extend(column.iter()));
        Ok(())
    };
    x.pass_from(start, &mut visit).unwrap();
    seen
}

#[test]
fn the_rest_of_a_pass_begins_at_any_row() {
    let folder = tempfile::tempdir().unwrap();
    let data = Stacked::new(20, 150);
    let source: Arc<dyn SnapshotSource> = Arc::new(StackedFile::open(data.write(folder.path(), "t.h5")).unwrap());
    let field = source.fields().iter().find(|f| f.name == "pressure").unwrap().clone();
    let (n, samples) = (field.n_dofs(), (0..20).collect::<Vec<_>>());
    let values = &data.snapshots[0].1;
    let whole = TallMatrix::new(Layout::serial(n), Mat::from_fn(n, 20, |i, j| values[(j, i)])).unwrap();
    // All rows at once, and a block at a time.
    for (memory, n_slabs) in [(1 << 30, 1), (3_600_000, 3)] {
        let layout = Layout::serial(n);
        let read =
            FieldSlabs::new(source.clone(), field.clone(), samples.clone(), layout, memory, folder.path()).unwrap();
        assert_eq!(n.div_ceil(read.rows_per_slab()), n_slabs);
        for start in [0, 8192, 10_000, 16384, n] {
            let expected: Vec<Vec<f64>> = (0..20).map(|j| (start..n).map(|i| values[(j, i)]).collect()).collect();
            assert!(rest(&read, start) == expected && rest(&whole, start) == expected, "{n_slabs} slabs from {start}");
        }
    }
}
