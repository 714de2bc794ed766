//! Inputs that fuzzing has found (tests/fuzz): each is read or refused, in bounded time, never with a panic.
//!
//! tests/data/found/FORMAT holds files; for the formats of several files, folders with what is changed in one of the cases of
//! tests/samples/FORMAT.

use crate::mutations::{read_all, read_numpy};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CASES: [&str; 2] = ["openfoam", "ensight"];

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn inside(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    found
}

/// Copies a folder, over what is there already.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in inside(from) {
        let target = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).unwrap();
        }
    }
}

#[track_caller]
fn read_or_refused(path: &Path, shown: &Path) {
    let start = Instant::now();
    let is_array = path.extension().is_some_and(|e| e == "npz");
    if let Err(e) = if is_array { read_numpy(path) } else { read_all(path) } {
        assert_eq!(e.exit_code(), 2, "{}: {e}", shown.display());
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{}: {:?}", shown.display(), start.elapsed());
}

#[test]
fn inputs_that_fuzzing_has_found() {
    let mut n = 0;
    for format in inside(&tests().join("data/found")) {
        let name = format.file_name().unwrap().to_str().unwrap();
        for found in inside(&format) {
            n += 1;
            if !CASES.contains(&name) {
                read_or_refused(&found, &found);
                continue;
            }
            for case in inside(&found) {
                let folder = tempfile::tempdir().unwrap();
                copy(&tests().join("samples").join(name).join(case.file_name().unwrap()), folder.path());
                copy(&case, folder.path());
                let entry = folder.path().join("cavity.case");
                read_or_refused(if entry.is_file() { &entry } else { folder.path() }, &found);
            }
        }
    }
    assert!(n > 0, "no inputs");
}
