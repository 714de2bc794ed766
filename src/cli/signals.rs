//! Signals end the process at once; temporary files are removed first, and the terminal gets one line.
//!
//! Under a launcher one rank speaks for all. A launcher ends the other ranks by SIGTERM when one of them has failed:
//! that one has spoken, or the launcher itself tells how it died, so nothing is added. When it was the launcher that
//! got the signal, Open MPI says nothing, and the first rank does. The two cases differ in whether all ranks are still
//! there: those that the launcher stops wait for a moment.

use kolmo::comm::{launched_here, launched_rank, launched_ranks};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Origin;
use std::fs::DirEntry;
use std::os::unix::process::parent_id;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A file grew beyond the limit of the process (Linux, macOS, BSD).
const SIGXFSZ: i32 = 25;
/// For the first rank to speak, or to see that all are there; Open MPI kills after a second.
pub const PATIENCE: Duration = Duration::from_millis(500);
/// Between looks at whether the launcher is still there.
const LOOK: Duration = Duration::from_secs(1);

/// Watches for signals from now on, on a thread of its own.
pub fn watch() {
    // A write beyond a limit is an error of that write, not the end of the process.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    let Ok(mut signals) = SignalsInfo::<WithOrigin>::new([SIGINT, SIGTERM]) else { return };
    let launcher = launched_ranks().filter(|n| *n > 1).map(|_| parent_id());
    std::thread::spawn(move || {
        if let Some(origin) = signals.forever().next() {
            let speaks = match launcher {
                None => true,
                Some(launcher) => speaks_for_all(&origin, launcher, &mut signals),
            };
            end(origin.signal, speaks);
        }
    });
    if let Some(launcher) = launcher {
        std::thread::spawn(move || {
            while parent_id() == launcher {
                sleep(LOOK);
            }
            // Nobody reads what this rank prints; alone it would wait for the others for ever.
            end(SIGTERM, false);
        });
    }
}

fn end(signal: i32, speaks: bool) {
    kolmo::io::atomic::remove_live();
    signal_hook::low_level::exit(super::stopped(signal, speaks));
}

fn speaks_for_all(origin: &Origin, launcher: u32, signals: &mut SignalsInfo<WithOrigin>) -> bool {
    let by_launcher = |o: &Origin| o.process.is_some_and(|p| p.pid as u32 == launcher);
    if launched_rank() == 0 {
        return !by_launcher(origin) || children(launcher).is_none_or(|n| n >= launched_here());
    }
    // Where all ranks got the signal from the user, the first one speaks, and the launcher ends the others.
    let start = Instant::now();
    let mut alone = !by_launcher(origin);
    while start.elapsed() < PATIENCE {
        sleep(PATIENCE / 20);
        alone &= !signals.pending().any(|o| by_launcher(&o));
    }
    alone
}

/// Number of living children of a process; `None` where the system does not tell.
fn children(parent: u32) -> Option<usize> {
    let is_child = |entry: &DirEntry| {
        // Beside the numbers there are links to this process.
        let number = entry.file_name().to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()));
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok().filter(|_| number).unwrap_or_default();
        // PID (NAME) STATE PARENT …; a name may hold anything.
        let words: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().take(2).collect();
        matches!(words[..], [state, of] if !["Z", "X"].contains(&state) && of.parse() == Ok(parent))
    };
    Some(std::fs::read_dir("/proc").ok()?.flatten().filter(is_child).count())
}
