//! What each target does: the bytes become a file, and everything that the file claims to hold is read.

use kolmo::io::open_mesh;
use std::path::{Path, PathBuf};

/// A folder in memory where there is one, of this process only.
fn folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let home = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    let folder = home.join(format!("kolmo-fuzz-{}", std::process::id()));
    let _ = std::fs::create_dir_all(&folder);
    folder
}

/// Opens a path and reads everything; errors are what is expected, panics and hangs are not.
fn read_all(path: &Path) {
    let Ok(file) = open_mesh(path) else { return };
    for state in 0..file.n_states().min(4) {
        if let Ok(mesh) = file.mesh(state) {
            let _ = mesh.validate(path);
        }
        for array in file.arrays(state).unwrap_or_default().iter().take(16) {
            if let Ok(values) = file.read(state, array) {
                assert_eq!(values.len(), array.field.n_dofs(), "{}", array.field.name);
            }
        }
        let _ = file.field_data(state);
    }
}

/// A file of one format.
pub fn mesh_file(ending: &str, data: &[u8]) {
    let path = folder().join(format!("case.{ending}"));
    if std::fs::write(&path, data).is_ok() {
        read_all(&path);
    }
}

/// One file of a whole OpenFOAM case: the first byte says which.
pub fn openfoam(data: &[u8]) {
    let Some((which, data)) = data.split_first() else { return };
    whole_case("openfoam/cavity", &[], usize::from(*which), data);
}

/// One file of a whole EnSight case: the first byte says which.
pub fn ensight(data: &[u8]) {
    let Some((which, data)) = data.split_first() else { return };
    whole_case("ensight/cavity", &["case"], usize::from(*which), data);
}

/// A copy of a sample in which file number `which` holds `data`.
fn whole_case(sample: &str, endings: &[&str], which: usize, data: &[u8]) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples").join(sample);
    let to = folder().join("case");
    let mut files = Vec::new();
    list(&from, &mut files);
    files.sort();
    for (i, file) in files.iter().enumerate() {
        let Ok(inside) = file.strip_prefix(&from) else { continue };
        let target = to.join(inside);
        let _ = target.parent().map(std::fs::create_dir_all);
        let _ = match i == which % files.len() {
            true => std::fs::write(&target, data),
            false => std::fs::copy(file, &target).map(drop),
        };
    }
    let entry = files.iter().find(|f| f.extension().is_some_and(|e| endings.iter().any(|x| e == *x)));
    match entry.and_then(|f| f.strip_prefix(&from).ok()) {
        Some(entry) => read_all(&to.join(entry)),
        None => read_all(&to),
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}
