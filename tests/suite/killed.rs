//! A fit that is killed leaves the old model or the new one, whole; what it left behind is cleaned up by the next one.

use crate::tool::{KOLMO, Stacked, kolmo, temporary, write_text};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const FIT: [&str; 7] = ["fit", "study.toml", "-o", "model.h5", "--threads", "1", "--quiet"];
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

fn start(folder: &Path) -> Child {
    let quiet = || Stdio::null();
    Command::new(KOLMO).args(FIT).current_dir(folder).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().unwrap()
}

/// A folder with a study whose fit takes at least 0.3 s, an old model of other data, and the duration of a fit.
fn prepare() -> (TempDir, Vec<u8>, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_text(path, "study.toml", "[data]\nsamples = \"train.h5\"\n\n[reduction]\ntolerance = 1e-6\n");
    Stacked::new(10, 20).write(path, "train.h5");
    kolmo(path, &FIT).success();
    let old = std::fs::read(path.join("model.h5")).unwrap();
    let mut duration = Duration::ZERO;
    for n_samples in [40, 80, 160, 320, 640] {
        Stacked::new(n_samples, 100).write(path, "train.h5");
        let begin = Instant::now();
        kolmo(path, &FIT).success();
        duration = begin.elapsed();
        if duration > Duration::from_millis(300) {
            break;
        }
    }
    assert!(duration > Duration::from_millis(50), "too quick to be killed: {duration:?}");
    (folder, old, duration)
}

fn send(child: &mut Child, signal: i32) -> ExitStatus {
    // The number of a child that has not been waited for cannot belong to another process.
    Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).stderr(Stdio::null()).status().unwrap();
    child.wait().unwrap()
}

/// Checks the model after a kill: the old bytes, or a new model that is whole. Says whether it is the old one.
fn old_or_whole(folder: &Path, old: &[u8]) -> bool {
    let now = std::fs::read(folder.join("model.h5")).unwrap();
    if now == old {
        return true;
    }
    kolmo(folder, &["check", "model.h5"]).success();
    false
}

#[test]
fn twenty_random_moments() {
    let (folder, old, duration) = prepare();
    let folder = folder.path();
    let mut random = StdRng::seed_from_u64(7);
    let (mut n_killed, mut n_new) = (0, 0);
    for trial in 0..20 {
        std::fs::write(folder.join("model.h5"), &old).unwrap();
        let signal = [SIGKILL, SIGTERM][trial % 2];
        // Half of the moments anywhere, half towards the end, where the model is written.
        let part = if trial % 4 < 2 { random.random_range(0.0..1.0) } else { random.random_range(0.8..1.05) };
        let before = temporary(folder);
        let mut child = start(folder);
        std::thread::sleep(duration.mul_f64(part));
        let status = send(&mut child, signal);
        let is_old = old_or_whole(folder, &old);
        match (status.code(), status.signal()) {
            // It was done before the signal came.
            (Some(0), _) => assert!(!is_old, "trial {trial}: finished, but the model is the old one"),
            (None, Some(SIGKILL)) if signal == SIGKILL => n_killed += 1,
            (Some(143), _) if signal == SIGTERM => {
                n_killed += 1;
                let left = temporary(folder);
                assert!(left.iter().all(|f| before.contains(f)), "trial {trial}: SIGTERM left {left:?}");
            }
            // Before the handler is there, SIGTERM ends a process as it ends any other; the shell reports 143.
            (None, Some(SIGTERM)) if signal == SIGTERM && part < 0.05 => n_killed += 1,
            other => panic!("trial {trial}, signal {signal} at {part:.2} of the fit: ended with {other:?}"),
        }
        n_new += usize::from(!is_old);
    }
    println!("a fit takes {duration:?}; {n_killed} of 20 killed, {n_new} new models");
    assert!(n_killed >= 8, "only {n_killed} of 20 runs were killed while they ran");
    kolmo(folder, &FIT).success();
    assert!(temporary(folder).is_empty(), "a finished fit cleans up: {:?}", temporary(folder));
    assert!(!old_or_whole(folder, &old));
}

#[test]
fn while_the_model_is_written() {
    let (folder, old, duration) = prepare();
    let folder = folder.path();
    let (mut n_caught, mut n_left) = (0, 0);
    for trial in 0..12 {
        std::fs::write(folder.join("model.h5"), &old).unwrap();
        let before = temporary(folder);
        let mut child = start(folder);
        let give_up = Instant::now() + 20 * duration + Duration::from_secs(5);
        // Strikes as soon as the temporary file is there.
        while Instant::now() < give_up && child.try_wait().unwrap().is_none() {
            if temporary(folder).iter().any(|f| !before.contains(f)) {
                n_caught += 1;
                break;
            }
        }
        let signal = [SIGKILL, SIGTERM][trial % 2];
        let status = send(&mut child, signal);
        old_or_whole(folder, &old);
        if signal == SIGTERM {
            assert!(matches!(status.code(), Some(0 | 143)), "trial {trial}: {status:?}");
            assert!(temporary(folder).iter().all(|f| before.contains(f)), "trial {trial}: SIGTERM left a file");
        } else {
            n_left += usize::from(temporary(folder).iter().any(|f| !before.contains(f)));
        }
    }
    println!("{n_caught} of 12 caught while the model was written; {n_left} temporary files left by SIGKILL");
    assert!(n_caught >= 3, "only {n_caught} of 12 runs were caught while they wrote");
    kolmo(folder, &FIT).success();
    assert!(temporary(folder).is_empty(), "a finished fit cleans up: {:?}", temporary(folder));
}
