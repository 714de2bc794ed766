//! What each target does: the bytes become a file, and everything that the file claims to hold is read.

mod limit;
mod model;
mod tables;

pub use model::model;
pub use tables::{csv, numpy};

use kolmo::io::open_mesh;
use limit::bounded;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

#[global_allocator]
static MEMORY: limit::Counted = limit::Counted;

/// A folder of this process only; run.sh puts it into memory and removes it.
fn folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let new = || {
        let folder = std::env::temp_dir().join(format!("kolmo-fuzz-{}", std::process::id()));
        let _ = std::fs::create_dir_all(&folder);
        folder
    };
    FOLDER.get_or_init(new).clone()
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples")
}

/// Opens a path and reads everything; errors are what is expected, panics and hangs are not.
fn read_all(path: &Path) {
    let Ok(file) = open_mesh(path) else { return };
    for state in 0..file.n_states().min(4) {
        if (state == 0 || !file.mesh_is_shared())
            && let Ok(mesh) = file.mesh(state)
        {
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

/// A file of one format, beside the files to which the samples of the formats refer.
pub fn mesh_file(ending: &str, data: &[u8]) {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let beside = || {
        for file in std::fs::read_dir(samples()).into_iter().flatten().flatten().map(|f| f.path()) {
            let known = file.extension().and_then(|e| e.to_str());
            let wanted = match ending {
                "pvd" => matches!(known, Some("vtu" | "pvtu")),
                "pvtu" => known == Some("vtu"),
                "xdmf" => matches!(known, Some("h5" | "bin")),
                _ => false,
            };
            if let Some(name) = file.file_name().filter(|_| wanted) {
                let _ = std::fs::copy(&file, folder().join(name));
            }
        }
        folder()
    };
    let path = FOLDER.get_or_init(beside).join(format!("fuzzed.{ending}"));
    if std::fs::write(&path, data).is_ok() {
        bounded(data.len(), || read_all(&path));
    }
}

/// Fields that stand beside those of the samples: their values are as many as the mesh says.
const UNIFORM: [(&str, &str); 4] = [
    ("cavity/0.1/c", "volTensorField"),
    ("cavity/0.1/d", "pointScalarField"),
    ("sphere/2/c", "volTensorField"),
    ("sphere/2/d", "pointScalarField"),
];

/// One file of a whole OpenFOAM case: the first byte says which of all files in tests/samples/openfoam/*/.
pub fn openfoam(data: &[u8]) {
    static FIELDS: OnceLock<()> = OnceLock::new();
    FIELDS.get_or_init(|| {
        for (name, class) in UNIFORM {
            let value = if class == "volTensorField" { "(1 2 3 4 5 6 7 8 9)" } else { "1" };
            let head = format!("FoamFile {{ version 2.0; format ascii; class {class}; object {name}; }}");
            let text = format!("{head}\ndimensions [0 1 0 0 0 0 0];\ninternalField uniform {value};\n");
            let path = folder().join(name);
            let _ = path.parent().map(std::fs::create_dir_all);
            let _ = std::fs::write(path, text);
        }
    });
    one_of_a_case("openfoam", None, data);
}

/// One file of a whole EnSight case, as with OpenFOAM.
pub fn ensight(data: &[u8]) {
    one_of_a_case("ensight", Some("cavity.case"), data);
}

/// The samples are copied once; the file that is replaced is put back afterwards.
fn one_of_a_case(format: &str, entry: Option<&str>, data: &[u8]) {
    static FILES: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    let Some((which, data)) = data.split_first() else { return };
    let files = FILES.get_or_init(|| copied(&samples().join(format), &folder()));
    let (inside, original) = &files[usize::from(*which) % files.len()];
    let size = files.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
    let Some(case) = inside.components().next().map(|first| folder().join(first)) else { return };
    if std::fs::write(folder().join(inside), data).is_ok() {
        bounded(size.max(data.len()), || read_all(&entry.map_or(case.clone(), |name| case.join(name))));
    }
    let _ = std::fs::write(folder().join(inside), original);
}

/// All files of the cases in `from`, by name as `LC_ALL=C sort` has them, written to `to`.
fn copied(from: &Path, to: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for case in std::fs::read_dir(from).into_iter().flatten().flatten().filter(|e| e.path().is_dir()) {
        list(&case.path(), &mut files);
    }
    files.sort_by_key(|file| file.to_string_lossy().into_owned());
    let mut copies = Vec::new();
    for file in files {
        let (Ok(inside), Ok(bytes)) = (file.strip_prefix(from), std::fs::read(&file)) else { continue };
        let _ = to.join(inside).parent().map(std::fs::create_dir_all);
        let _ = std::fs::write(to.join(inside), &bytes);
        copies.push((inside.to_path_buf(), bytes));
    }
    copies
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}
