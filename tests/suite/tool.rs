//! What the tests of the command line share: running `kolmo`, small data sets, reading files back.

use hdf5::types::VarLenUnicode;
use ndarray::Array2;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The binary under test.
pub const KOLMO: &str = env!("CARGO_BIN_EXE_kolmo");

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Collects the output of a command.
    pub fn of(command: &mut Command) -> Run {
        Run::of_prepared(command.stdin(Stdio::null()).stdout(Stdio::piped()))
    }

    /// Collects the output of a command whose standard output may go elsewhere.
    pub fn of_prepared(command: &mut Command) -> Run {
        let child = command.stderr(Stdio::piped()).spawn().and_then(|child| child.wait_with_output());
        let out = child.unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Run {
            code: out.status.code(),
            stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        }
    }

    /// Stops the test unless the run ended with exit code 0.
    #[track_caller]
    pub fn success(self) -> Run {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// The one line on standard error that starts with `start`.
    #[track_caller]
    pub fn line(&self, start: &str) -> &str {
        let mut lines = self.stderr.lines().filter(|l| l.starts_with(start));
        let first = lines.next().unwrap_or_else(|| panic!("no line starts with `{start}`: {self:#?}"));
        assert_eq!(lines.next(), None, "one line with `{start}` is enough: {self:#?}");
        first
    }
}

/// Runs `kolmo ARGS` in `folder`.
pub fn kolmo(folder: &Path, args: &[&str]) -> Run {
    Run::of(Command::new(KOLMO).args(args).current_dir(folder))
}

/// A small stacked data set on a grid of quadrilaterals; public fields can be spoilt before it is written.
#[derive(Debug, Clone)]
pub struct Stacked {
    pub points: Array2<f64>,
    pub cells: Array2<i32>,
    pub names: Vec<String>,
    pub parameters: Array2<f64>,
    /// Name, values [n_samples, n_entities] and attribute `location`.
    pub snapshots: Vec<(String, Array2<f64>, Option<String>)>,
}

impl Stacked {
    /// `n_samples` samples of the inputs `mach` in [1, 2] and `gamma` in [0, 1] with the fields `pressure` (points) and
    /// `density` (cells) on `n` x `n` cells.
    pub fn new(n_samples: usize, n: usize) -> Stacked {
        let node = |i: usize, j: usize| j * (n + 1) + i;
        let points = Array2::from_shape_fn(((n + 1) * (n + 1), 2), |(k, d)| {
            let index = if d == 0 { k % (n + 1) } else { k / (n + 1) };
            index as f64 / n as f64
        });
        let cells = Array2::from_shape_fn((n * n, 4), |(c, corner)| {
            let (i, j) = (c % n, c / n);
            [node(i, j), node(i + 1, j), node(i + 1, j + 1), node(i, j + 1)][corner] as i32
        });
        // Additive recurrences spread the samples over the box without two equal rows.
        let parameters = Array2::from_shape_fn((n_samples, 2), |(s, j)| {
            let step = [0.754_877_666_246_693, 0.569_840_290_998_053][j];
            (0.5 + step * (s + 1) as f64).fract() + if j == 0 { 1.0 } else { 0.0 }
        });
        let value = |s: usize, x: f64, y: f64| {
            let (mach, gamma) = (parameters[(s, 0)], parameters[(s, 1)]);
            2.0 + (mach * (x + 2.0 * y)).sin() + gamma * (x * y * mach).exp() + 0.1 * (x - gamma).tanh()
        };
        let pressure =
            Array2::from_shape_fn((n_samples, points.nrows()), |(s, k)| value(s, points[(k, 0)], points[(k, 1)]));
        let density = Array2::from_shape_fn((n_samples, cells.nrows()), |(s, c)| {
            let (i, j) = (c % n, c / n);
            value(s, (j as f64 + 0.5) / n as f64, (i as f64 + 0.5) / n as f64)
        });
        Stacked {
            points,
            cells,
            names: vec!["mach".into(), "gamma".into()],
            parameters,
            snapshots: vec![("pressure".into(), pressure, None), ("density".into(), density, None)],
        }
    }

    /// Writes the data set as `FOLDER/NAME`.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        let file = hdf5::File::create(&path).unwrap();
        let put = |name: &str, values: &Array2<f64>| file.new_dataset_builder().with_data(values).create(name).unwrap();
        put("mesh/points", &self.points);
        file.new_dataset_builder().with_data(&self.cells).create("mesh/cells").unwrap();
        let names: Vec<VarLenUnicode> = self.names.iter().map(|n| n.parse().unwrap()).collect();
        let parameters = put("parameters", &self.parameters);
        parameters.new_attr::<VarLenUnicode>().shape(names.len()).create("names").unwrap().write(&names).unwrap();
        for (name, values, location) in &self.snapshots {
            let data = put(&format!("snapshots/{name}"), values);
            if let Some(location) = location {
                let location: VarLenUnicode = location.parse().unwrap();
                data.new_attr::<VarLenUnicode>().create("location").unwrap().write_scalar(&location).unwrap();
            }
        }
        path
    }
}

/// Checks the message of a run that failed: exit code, one line `error[CODE]: …` with one of `codes` that holds all of
/// `words`, and, where the input is bad, what was found, what was expected and the mend. Returns the line.
#[track_caller]
pub fn check_message(run: &Run, exit: i32, codes: &[&str], words: &[impl AsRef<str>]) -> String {
    assert_eq!(run.code, Some(exit), "{run:#?}");
    assert!(!run.stderr.contains("panicked"), "{run:#?}");
    let line = run.line("error[");
    let code = line.strip_prefix("error[").and_then(|l| l.split("]: ").next()).unwrap_or_default();
    assert!(codes.contains(&code), "code {code} is not among {codes:?}: {line}");
    let (said, mend) = line.split_once("; mend: ").unwrap_or_else(|| panic!("no `mend`: {line}"));
    let mut parts = vec![said, mend];
    if exit == 2 {
        let (place, rest) = said.split_once(": found ").unwrap_or_else(|| panic!("no `found`: {line}"));
        let (found, expected) = rest.split_once("; expected ").unwrap_or_else(|| panic!("no `expected`: {line}"));
        parts.extend([place, found, expected]);
    }
    assert!(parts.iter().all(|part| !part.trim().is_empty()), "an empty part: {line}");
    for text in words {
        assert!(line.contains(text.as_ref()), "`{}` is missing: {line}", text.as_ref());
    }
    line.to_string()
}

/// Writes text as `FOLDER/NAME`.
pub fn write_text(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Every numeric data set of an HDF5 file: path -> shape and values.
pub fn data_sets(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f64>)> {
    fn walk(group: &hdf5::Group, found: &mut BTreeMap<String, (Vec<usize>, Vec<f64>)>) {
        for data in group.datasets().unwrap() {
            if let Ok(values) = data.read_raw::<f64>() {
                found.insert(data.name(), (data.shape(), values));
            }
        }
        group.groups().unwrap().iter().for_each(|g| walk(g, found));
    }
    let file = hdf5::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut found = BTreeMap::new();
    walk(&file, &mut found);
    found
}

/// Names of all files and folders below `folder`, sorted.
pub fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(listing(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

/// All files and folders below `folder` with their bytes.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    listing(folder).into_iter().map(|path| (path.clone(), std::fs::read(path).ok())).collect()
}

/// The temporary files in `folder`.
pub fn temporary(folder: &Path) -> Vec<PathBuf> {
    let is_temporary = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().ends_with(".tmp"));
    listing(folder).into_iter().filter(is_temporary).collect()
}

/// Whether `text` holds the whole number `number`, not as part of a longer one.
pub fn names_number(text: &str, number: usize) -> bool {
    text.split(|c: char| !c.is_ascii_digit()).any(|part| part.parse() == Ok(number))
}

#[test]
fn the_helpers_can_fail() {
    assert!(names_number("sample 7, entry 11", 11) && !names_number("sample 7, entry 11", 1));
    let folder = tempfile::tempdir().unwrap();
    let path = Stacked::new(5, 3).write(folder.path(), "train.h5");
    let found = data_sets(&path);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["/mesh/cells", "/mesh/points", "/parameters", "/snapshots/density", "/snapshots/pressure"]);
    assert_eq!(found["/snapshots/pressure"].0, [5, 16]);
    assert_eq!(found["/mesh/cells"].1[..4], [0.0, 1.0, 5.0, 4.0]);
    write_text(folder.path(), ".model.h5.x.tmp", "");
    assert_eq!(temporary(folder.path()).len(), 1);
}
