//! A fit on three ranks that is killed, fills its disk or loses its data leaves nothing broken, and can be gone on with.
//! Runs where tests/mpirun.sh sets KOLMO_MPIRUN; KOLMO_FAULTS is the number of faults (30: all kinds at all moments).

use crate::mpi_ranks::{difference, wanted};
use crate::tool::{KOLMO, Stacked, kolmo, listing, temporary, write_text};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

const STUDY: &str = "[data]\nsamples = \"train.h5\"\n\n[reduction]\ntolerance = 1e-4\n\n[regression]\n\
                     kernel = \"matern52\"\nmean = \"constant\"\nrestarts = 1\n";
const LIMIT: Duration = Duration::from_secs(30);
/// For a fit that nothing befalls, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
const N_RANKS: usize = 3;
/// What a fit of two fields tells: that it begins, and POD, regression and calibration of each.
const N_STEPS: usize = 7;

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// A signal to a rank.
    Rank(u32, usize),
    Launcher(u32),
    /// No file may grow beyond this share of the model.
    FullDisk(f64),
    /// The data file keeps this share of its bytes.
    Shorter(f64),
}

/// Faults in an order that has all kinds early.
fn faults() -> Vec<Fault> {
    let mut all = Vec::new();
    for k in 0..5 {
        let share = [0.1, 0.3, 0.5, 0.7, 0.9][k];
        all.push(Fault::Rank(9, k % N_RANKS));
        all.push(Fault::Rank(15, (k + 1) % N_RANKS));
        all.push(Fault::Launcher([15, 9][k % 2]));
        all.push(Fault::FullDisk(0.9 * (1.0 - share)));
        all.push(Fault::Shorter(share));
        all.push(if k % 2 == 0 { Fault::Rank([9, 15, 9][k / 2], 2 - k / 2) } else { Fault::Launcher(15) });
    }
    all
}

/// A fit under mpirun whose standard error is being read.
struct Job {
    launcher: Child,
    begun: Instant,
    /// Lines of standard error and when they came.
    lines: Arc<Mutex<Vec<(Instant, String)>>>,
    reader: JoinHandle<()>,
}

impl Job {
    fn start(folder: &Path, n_ranks: usize, more: &[&str]) -> Job {
        let mut command = Command::new("mpirun");
        command.args(["--allow-run-as-root", "--oversubscribe", "--mca", "btl_vader_single_copy_mechanism", "none"]);
        command.args(["-n", &n_ranks.to_string(), KOLMO, "fit", "study.toml", "-o", "model.h5", "--threads", "1"]);
        command.args(more).env("KOLMO_CHECKPOINT_SECONDS", "0").current_dir(folder);
        let mut launcher =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("mpirun starts");
        let pipe = BufReader::new(launcher.stderr.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = lines.clone();
        let reader = std::thread::spawn(move || {
            let lines = pipe.split(b'\n').map_while(Result::ok);
            lines.for_each(|l| heard.lock().unwrap().push((Instant::now(), String::from_utf8_lossy(&l).into_owned())));
        });
        Job { launcher, begun: Instant::now(), lines, reader }
    }

    /// When each step of the fit was told.
    fn steps(&self) -> Vec<Instant> {
        self.lines.lock().unwrap().iter().filter(|(_, l)| l.starts_with("fit: ")).map(|(at, _)| *at).collect()
    }

    /// Process of each rank; empty before all have begun.
    fn ranks(&self) -> Vec<u32> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
            let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
            let stat = String::from_utf8_lossy(&read("stat")).into_owned();
            let parent = stat.rsplit(')').next().unwrap_or_default().split_whitespace().nth(1).map(str::to_string);
            if parent.as_deref() != Some(self.launcher.id().to_string().as_str()) {
                continue;
            }
            let text = String::from_utf8_lossy(&read("environ")).into_owned();
            let rank = text.split('\0').find_map(|v| v.strip_prefix("OMPI_COMM_WORLD_RANK=")?.parse::<usize>().ok());
            found.extend(rank.map(|rank| (rank, pid)));
        }
        found.sort_unstable();
        if found.len() == N_RANKS { found.into_iter().map(|(_, pid)| pid).collect() } else { Vec::new() }
    }

    /// Waits for the launcher; its exit code, what it printed, and the time since `from`.
    fn end(mut self, from: Instant, limit: Duration) -> (Option<i32>, String, Duration) {
        let said = |lines: &Mutex<Vec<(Instant, String)>>| {
            lines.lock().unwrap().iter().map(|(_, line)| format!("{line}\n")).collect::<String>()
        };
        loop {
            if let Some(status) = self.launcher.try_wait().unwrap() {
                let taken = from.elapsed();
                self.reader.join().unwrap();
                return (status.code(), said(&self.lines), taken);
            }
            if from.elapsed() > limit {
                let _ = self.launcher.kill();
                let status = self.launcher.wait().unwrap();
                panic!("the launcher hung for {limit:?}: {status:?}, {}", said(&self.lines));
            }
            sleep(Duration::from_millis(10));
        }
    }
}

fn send(signal: u32, pid: u32) {
    let kill = format!("kill -{signal} {pid}");
    Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().unwrap();
}

fn is_kolmo(pid: u32) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    name.trim() == "kolmo" && !state.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z')
}

struct Stage {
    folder: tempfile::TempDir,
    /// The data as they are, and their file's time.
    data: Vec<u8>,
    old: Vec<u8>,
    reference: PathBuf,
    /// Time of each step of the fit, the last one with the writing of the model.
    steps: Vec<Duration>,
    base: BTreeSet<PathBuf>,
}

impl Stage {
    fn new() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        write_text(path, "study.toml", STUDY);
        Stacked::new(20, 30).write(path, "train.h5");
        kolmo(path, &["fit", "study.toml", "-o", "model.h5"]).success();
        let old = std::fs::read(path.join("model.h5")).unwrap();
        Stacked::new(40, 250).write(path, "train.h5");
        let data = std::fs::read(path.join("train.h5")).unwrap();
        let job = Job::start(path, N_RANKS, &[]);
        let (begun, lines) = (job.begun, job.lines.clone());
        let (code, stderr, duration) = job.end(begun, PATIENCE);
        assert_eq!(code, Some(0), "{stderr}");
        let told: Vec<Instant> = lines.lock().unwrap().iter().map(|(at, _)| *at).collect();
        let end = begun + duration;
        let steps: Vec<Duration> = told.iter().zip(told.iter().skip(1).chain([&end])).map(|(a, b)| *b - *a).collect();
        assert_eq!(steps.len(), N_STEPS, "{stderr}");
        let reference = path.join("undisturbed.h5");
        std::fs::rename(path.join("model.h5"), &reference).unwrap();
        let base = ["model.h5", "study.toml", "train.h5", "undisturbed.h5"].map(|f| path.join(f)).into();
        println!("{:.0} MB of data, a model of {:.1} MB, a fit takes {duration:.2?}", data.len() as f64 / 1e6, {
            std::fs::metadata(&reference).unwrap().len() as f64 / 1e6
        });
        Stage { folder, data, old, reference, steps, base }
    }

    fn model(&self) -> PathBuf {
        self.folder.path().join("model.h5")
    }

    /// Files that are neither there from the beginning nor in the checkpoint.
    fn left(&self) -> Vec<PathBuf> {
        let hidden = self.folder.path().join(".model.h5.checkpoint");
        listing(self.folder.path()).into_iter().filter(|p| !self.base.contains(p) && !p.starts_with(&hidden)).collect()
    }

    /// Starts a fit and strikes after `part` of its step `step`: whether the fit was hit and how long the launcher lived
    /// on; all is as it should be.
    fn strike(&self, fault: Fault, step: usize, part: f64) -> (bool, Duration) {
        let (folder, data) = (self.folder.path(), self.folder.path().join("train.h5"));
        std::fs::write(self.model(), &self.old).unwrap();
        let mut job = Job::start(folder, N_RANKS, &[]);
        let mut ranks = Vec::new();
        while ranks.is_empty() || job.steps().len() <= step {
            assert!(job.begun.elapsed() < PATIENCE && job.launcher.try_wait().unwrap().is_none(), "ended by itself");
            sleep(Duration::from_millis(3));
            ranks = if ranks.is_empty() { job.ranks() } else { ranks };
        }
        sleep(self.steps[step].mul_f64(part).saturating_sub(job.steps()[step].elapsed()));
        match fault {
            Fault::Rank(signal, rank) => send(signal, ranks[rank]),
            Fault::Launcher(signal) => send(signal, job.launcher.id()),
            Fault::FullDisk(share) => {
                let most = (share * std::fs::metadata(&self.reference).unwrap().len() as f64) as u64;
                for pid in &ranks {
                    let arguments = ["--pid".into(), pid.to_string(), format!("--fsize={most}")];
                    Command::new("prlimit").args(arguments).stderr(Stdio::null()).status().expect("prlimit");
                }
            }
            Fault::Shorter(share) => {
                let file = File::options().write(true).open(&data).unwrap();
                file.set_len((share * self.data.len() as f64) as u64).unwrap();
            }
        }
        let struck = Instant::now();
        let (code, stderr, taken) = job.end(struck, if matches!(fault, Fault::FullDisk(_)) { PATIENCE } else { LIMIT });
        let told = stderr.lines().filter(|l| l.starts_with("error[")).collect::<Vec<_>>();
        let context = format!("{fault:?} at {step}.{:02.0}: code {code:?}\n{stderr}", 100.0 * part);
        assert!(told.len() <= 1, "more than one message: {context}");
        let hit = code != Some(0);
        let is_old = std::fs::read(self.model()).unwrap() == self.old;
        if !is_old {
            kolmo(folder, &["check", "model.h5"]).success();
        }
        let killed = matches!(fault, Fault::Rank(9, _) | Fault::Launcher(9));
        if hit {
            let by_launcher = stderr.contains("exited on signal");
            match fault {
                // Nobody is left who could speak.
                Fault::Launcher(9) => {}
                Fault::Rank(9, _) => assert!(by_launcher && told.is_empty(), "{context}"),
                Fault::Rank(..) => assert!(by_launcher || told[0].starts_with("error[K104]"), "{context}"),
                Fault::Launcher(_) => assert!(told.len() == 1 && told[0].starts_with("error[K104]"), "{context}"),
                Fault::FullDisk(_) => assert!(told.len() == 1 && told[0].starts_with("error[K103]"), "{context}"),
                Fault::Shorter(_) => assert!(told.len() == 1 && told[0].starts_with("error[K003]"), "{context}"),
            }
        } else {
            assert!(!is_old, "finished, but the model is the old one: {context}");
        }
        // Ranks without a launcher end by themselves.
        let alone = Instant::now();
        while ranks.iter().any(|pid| is_kolmo(*pid)) {
            assert!(alone.elapsed() < LIMIT, "ranks live on: {context}");
            sleep(Duration::from_millis(50));
        }
        let left = self.left();
        assert!(left.is_empty() || killed && left == temporary(folder), "left behind: {left:?}, {context}");
        (hit, taken)
    }

    /// The data as they were, with the time that they had.
    fn mend(&self, time: std::time::SystemTime) {
        let data = self.folder.path().join("train.h5");
        std::fs::write(&data, &self.data).unwrap();
        File::options().write(true).open(&data).unwrap().set_modified(time).unwrap();
    }

    /// Goes on; the largest difference to the undisturbed model, and whether there was something to go on from.
    fn go_on(&self, n_ranks: usize) -> (f64, bool) {
        let job = Job::start(self.folder.path(), n_ranks, &["--resume"]);
        let begun = job.begun;
        let (code, stderr, _) = job.end(begun, PATIENCE);
        assert_eq!(code, Some(0), "{stderr}");
        let found = stderr.contains("fit: goes on from");
        assert!(found || stderr.contains("fit: no checkpoint"), "{stderr}");
        let left = listing(self.folder.path()).into_iter().filter(|p| !self.base.contains(p)).collect::<Vec<_>>();
        assert!(left.is_empty(), "a finished fit cleans up: {left:?}");
        kolmo(self.folder.path(), &["check", "model.h5"]).success();
        (difference(&self.reference, &self.model(), "/"), found)
    }
}

#[test]
fn faults_of_three_ranks() {
    if !wanted() {
        return;
    }
    let n: usize = std::env::var("KOLMO_FAULTS").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let stage = Stage::new();
    let time = std::fs::metadata(stage.folder.path().join("train.h5")).unwrap().modified().unwrap();
    let mut random = StdRng::seed_from_u64(11);
    let (mut n_hit, mut n_resumed, mut longest, mut largest) = (0, 0, Duration::ZERO, 0.0f64);
    for (k, fault) in faults().into_iter().take(n).enumerate() {
        // The disk is full before the model is written, the data are short while they are read; signals come at any step.
        let last = if matches!(fault, Fault::FullDisk(_) | Fault::Shorter(_)) { 5 } else { N_STEPS };
        let (step, part) = (random.random_range(0..last), random.random_range(0.0..0.9));
        let (hit, taken) = stage.strike(fault, step, part);
        if matches!(fault, Fault::Shorter(_)) {
            stage.mend(time);
        }
        let (off, found) = stage.go_on([N_RANKS, N_RANKS, 1, 2][k % 4]);
        println!(
            "{fault:?} at {step}.{:02.0}: {}, gone after {taken:.2?}, {}, difference {off:e}",
            100.0 * part,
            if hit { "hit" } else { "too late" },
            if found { "goes on from the checkpoint" } else { "from the start" }
        );
        assert!(off <= 1e-12, "{fault:?}: {off:e}");
        (n_hit, n_resumed) = (n_hit + usize::from(hit), n_resumed + usize::from(found));
        (longest, largest) = (longest.max(taken), largest.max(off));
    }
    println!(
        "{n} faults: 0 corrupt files, launcher gone after at most {:.1} s, resumed: largest difference {largest:e} \
         ({n_hit} hit the fit, {n_resumed} had a checkpoint)",
        longest.as_secs_f64()
    );
    assert!(3 * n_hit >= 2 * n && 3 * n_resumed >= n, "{n_hit} hit, {n_resumed} resumed");
}
