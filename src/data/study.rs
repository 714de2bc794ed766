//! The study: what a user writes in TOML, checked key by key.

use crate::data::study_operators::{self, Operators};
use crate::error::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use crate::data::select::{Holdout, Select};

/// A study file. Paths in it are relative to its folder.
#[derive(Debug, Clone, Default)]
pub struct Study {
    pub name: String,
    /// The study file (or the data file, where there is no study).
    pub file: PathBuf,
    /// The text as written, stored in the model.
    pub text: String,
    pub model: Option<PathBuf>,
    pub data: Data,
    pub reduction: Reduction,
    /// Whether the study names a method; else the samples tell it.
    pub method_named: bool,
    pub regression: Regression,
    pub scores: Scores,
    pub operators: Operators,
    /// Names that `[inputs.NAME]` describes.
    pub described: Vec<String>,
}

/// `[data]`: where the samples are and which of them, which fields and which inputs are used.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Data {
    pub samples: PathBuf,
    pub parameters: Option<PathBuf>,
    pub scalars: Option<PathBuf>,
    pub fields: Option<Vec<String>>,
    pub inputs: Option<Vec<String>>,
    pub select: Option<Select>,
    pub holdout: Option<Holdout>,
}

/// `[reduction]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Reduction {
    pub method: String,
    pub tolerance: Option<f64>,
    pub modes: Option<i64>,
    pub center: bool,
    pub inner_product: String,
    pub algorithm: String,
    pub memory: Option<String>,
}

/// Tolerance where the study names neither tolerance nor modes.
pub const DEFAULT_TOLERANCE: f64 = 1e-4;

/// Bytes of snapshots in memory at once, per rank, where the study does not say it.
pub const DEFAULT_MEMORY: f64 = 2_147_483_648.0;

impl Reduction {
    /// `memory` in bytes.
    pub fn memory_bytes(&self) -> f64 {
        self.memory.as_deref().and_then(bytes).unwrap_or(DEFAULT_MEMORY)
    }
}

impl Default for Reduction {
    fn default() -> Self {
        Reduction {
            method: "pod".into(),
            tolerance: None,
            modes: None,
            center: false,
            inner_product: "l2".into(),
            algorithm: "auto".into(),
            memory: None,
        }
    }
}

/// `[regression]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Regression {
    pub kernel: String,
    pub mean: String,
    pub restarts: i64,
    pub seed: u64,
    pub confidence: f64,
}

impl Default for Regression {
    fn default() -> Self {
        Regression { kernel: "auto".into(), mean: "auto".into(), restarts: 4, seed: 0, confidence: 0.95 }
    }
}

/// `[scores]`: least denominators of relative scores.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Scores {
    pub floor: BTreeMap<String, f64>,
}

const TOP: &[&str] = &["name", "model", "data", "reduction", "regression", "inputs", "scores", "operators"];
const LATER: &[&str] = &["clustering", "morphing", "dynamics", "hyper_reduction", "material"];
const DATA: &[&str] = &["samples", "parameters", "scalars", "fields", "inputs", "select", "holdout"];
const REDUCTION: &[&str] = &["method", "tolerance", "modes", "center", "inner_product", "algorithm", "memory"];
const REGRESSION: &[&str] = &["kernel", "mean", "restarts", "seed", "confidence"];
const INPUT: &[&str] = &["distribution", "mean", "std", "lower", "upper", "file", "column"];
/// Values of `method`, the ones of later versions too.
const METHODS: &[&str] =
    &["pod", "local-pod", "reduced-basis", "dmd", "piecewise-dmd", "mmgp", "optimal-mmgp", "hyper-reduction"];
const INNER_PRODUCTS: &[&str] = &["l2", "euclidean", "h1", "file"];
const ALGORITHMS: &[&str] = &["auto", "gram", "tsqr", "randomized", "incremental"];
const DISTRIBUTIONS: &[&str] = &["uniform", "normal", "lognormal"];
const KERNELS: &[&str] = &["auto", "matern52", "matern32", "squared-exponential"];
const MEANS: &[&str] = &["auto", "constant", "linear"];

/// The known name that is nearest to `name`, for messages.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known.into_iter().max_by(|a, b| {
        let score = |k: &str| strsim::jaro_winkler(&lower, &k.to_lowercase());
        score(a).total_cmp(&score(b))
    })
}

/// The error for a name that is not among the known ones.
pub fn unknown_name(file: &Path, place: &str, what: &str, name: &str, known: &[&str]) -> Error {
    let mend = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("leave out `{name}`"),
    };
    let expected = if known.is_empty() { format!("no {what}") } else { format!("one of: {}", known.join(", ")) };
    Error::input("K006", file, place, format!("unknown {what} `{name}`"), expected, mend)
}

/// The message of the parser on one line, in the words of a user.
fn plain(message: &str) -> String {
    [
        ("data did not match any variant of untagged enum Select", "neither \"0:240\", [0, 3, 5] nor { holdout = … }"),
        ("expected i64", "expected a whole number"),
        ("expected usize", "expected a whole number of at least 0"),
        ("expected u64", "expected a whole number of at least 0"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected a table"),
        ("expected path string", "expected a path in quotes"),
        ("a boolean", "true or false"),
    ]
    .iter()
    .fold(message.trim_end().replace('\n', " / "), |text, (from, to)| text.replace(from, to))
}

/// Bytes of a size like `2GiB`, `500 MB` or `1073741824`.
pub fn bytes(text: &str) -> Option<f64> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..split].trim().parse().ok()?;
    let factor = match text[split..].to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return None,
    };
    (number > 0.0 && number.is_finite()).then_some(number * factor)
}

impl Study {
    /// Reads and checks a study file.
    pub fn read(file: &Path) -> Result<Study> {
        Study::first(Study::read_all(file))
    }

    /// Parses and checks the text of a study; `file` gives the folder that paths are relative to.
    pub fn parse(text: &str, file: &Path) -> Result<Study> {
        Study::first(Study::parse_all(text, file))
    }

    fn first((study, problems): (Option<Study>, Vec<Error>)) -> Result<Study> {
        match (problems.into_iter().next(), study) {
            (None, Some(study)) => Ok(study),
            (problem, _) => Err(problem.unwrap_or_else(|| Error::argument("study", "nothing", "a study or a problem"))),
        }
    }

    /// The study, where its sections can be read, and all that is wrong with it.
    pub fn read_all(file: &Path) -> (Option<Study>, Vec<Error>) {
        match std::fs::read_to_string(file) {
            Ok(text) => Study::parse_all(&text, file),
            Err(e) => {
                let mend = "check the path of the study file";
                (None, vec![Error::input("K001", file, "", e.to_string(), "a study in TOML", mend)])
            }
        }
    }

    fn parse_all(text: &str, file: &Path) -> (Option<Study>, Vec<Error>) {
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(e) => {
                let (found, mend) = (plain(&toml::de::Error::to_string(&e)), "mend the line that the message shows");
                return (None, vec![Error::input("K012", file, "", found, "TOML as in the README", mend)]);
            }
        };
        let mut problems = check_keys(&table, file);
        for key in ["name", "model"] {
            if let Some(value) = table.get(key).filter(|v| !v.is_str()) {
                let expected = format!("{key} = \"…\"");
                let error = Error::input("K012", file, key, value.to_string(), expected, "write it in quotes");
                problems.push(error);
            }
        }
        let part = |key: &str| table.get(key).cloned().unwrap_or(toml::Value::Table(toml::Table::new()));
        let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let (data, reduction) = (section(&table, "data", file), section(&table, "reduction", file));
        let (regression, scores) = (section(&table, "regression", file), section(&table, "scores", file));
        let operators = section(&table, "operators", file);
        let mut kept = |problem: Option<Error>| problems.extend(problem);
        let sections = (data, reduction, regression, scores, operators);
        let (data, reduction, regression, scores, operators) = match sections {
            (Ok(d), Ok(r), Ok(g), Ok(s), Ok(o)) => (d, r, g, s, o),
            (d, r, g, s, o) => {
                [d.err(), r.err(), g.err(), s.err(), o.err()].into_iter().for_each(&mut kept);
                return (None, problems);
            }
        };
        let study = Study {
            name: table.get("name").and_then(|v| v.as_str()).map_or(stem, str::to_string),
            file: file.to_path_buf(),
            text: text.to_string(),
            model: table.get("model").and_then(|v| v.as_str()).map(PathBuf::from),
            data,
            reduction,
            method_named: part("reduction").get("method").is_some(),
            regression,
            scores,
            operators,
            described: part("inputs").as_table().into_iter().flat_map(|t| t.keys().cloned()).collect(),
        };
        problems.extend(study.check_values());
        (Some(study), problems)
    }

    /// The study with all defaults for samples without a study, as it is written to `file`.
    ///
    /// Paths are relative to the folder of `file` where they lie in it, absolute otherwise.
    pub fn for_samples(
        file: &Path,
        samples: &Path,
        parameters: Option<&Path>,
        scalars: Option<&Path>,
        method: &str,
    ) -> Result<Study> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let home = absolute(file).parent().map(Path::to_path_buf).unwrap_or_default();
        let shown = |path: &Path| {
            let path = absolute(path);
            let inside = path.strip_prefix(&home).ok().filter(|p| !p.as_os_str().is_empty());
            toml::Value::String(inside.unwrap_or(&path).to_string_lossy().into_owned()).to_string()
        };
        let mut text = format!("[data]\nsamples = {}\n", shown(samples));
        for (key, path) in [("parameters", parameters), ("scalars", scalars)] {
            text.extend(path.map(|path| format!("{key} = {}\n", shown(path))));
        }
        let (r, g) = (Reduction::default(), Regression::default());
        text += &format!(
            "\n[reduction]\nmethod = \"{}\"\ntolerance = {DEFAULT_TOLERANCE:e}\ncenter = {}\ninner_product = \"{}\"\nalgorithm = \"{}\"\n",
            method, r.center, r.inner_product, r.algorithm
        );
        text += &format!(
            "\n[regression]\nkernel = \"{}\"\nmean = \"{}\"\nrestarts = {}\nseed = {}\nconfidence = {}\n",
            g.kernel, g.mean, g.restarts, g.seed, g.confidence
        );
        Study::parse(&text, file)
    }

    /// A path of the study, seen from the current folder.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.file.parent().map_or_else(|| path.to_path_buf(), |folder| folder.join(path))
    }

    /// Where the model goes: `model` of the study, else beside it as `<name of the study file>.model.h5`.
    pub fn model_file(&self) -> PathBuf {
        match &self.model {
            Some(path) => self.resolve(path),
            None => self.file.with_extension("model.h5"),
        }
    }

    /// All values that are unknown, not there yet or out of range.
    fn check_values(&self) -> Vec<Error> {
        let mut problems = Vec::new();
        let wrong = |place: &str, found: String, expected: &str| {
            Error::input("K009", &self.file, place, found, expected, format!("choose {expected}"))
        };
        if self.data.samples.as_os_str().is_empty() {
            problems.push(Error::input(
                "K012",
                &self.file,
                "[data]",
                "no key `samples`",
                "the file or folder of the samples",
                "add samples = \"train.h5\"",
            ));
        }
        let (r, g) = (&self.reduction, &self.regression);
        for (place, what, value, known, there) in [
            ("[reduction] method", "method", &r.method, METHODS, &["pod", "reduced-basis"][..]),
            (
                "[reduction] inner_product",
                "inner product",
                &r.inner_product,
                INNER_PRODUCTS,
                &["l2", "euclidean", "file"],
            ),
            ("[reduction] algorithm", "algorithm", &r.algorithm, ALGORITHMS, ALGORITHMS),
            ("[regression] kernel", "kernel", &g.kernel, KERNELS, KERNELS),
            ("[regression] mean", "mean", &g.mean, MEANS, MEANS),
        ] {
            if !known.contains(&value.as_str()) {
                problems.push(unknown_name(&self.file, place, what, value, known));
            } else if !there.contains(&value.as_str()) {
                let (found, expected) = (format!("`{value}`"), format!("one that is there: {}", there.join(", ")));
                let mend = "choose one that is there, or update kolmo";
                problems.push(Error::input("K014", &self.file, place, found, expected, mend));
            }
        }
        problems.extend(self.operators.check(&self.file));
        if let (Some(_), Some(_)) = (r.tolerance, r.modes) {
            problems.push(wrong("[reduction]", "tolerance and modes".into(), "either tolerance or modes"));
        }
        if r.algorithm == "randomized" && r.modes.is_none() {
            let expected = "modes = N with the randomized way";
            problems.push(wrong("[reduction] algorithm", "randomized without modes".into(), expected));
        }
        if let Some(t) = r.tolerance.filter(|t| !(*t >= 0.0 && *t < 1.0)) {
            problems.push(wrong("[reduction] tolerance", t.to_string(), "a tolerance in [0, 1)"));
        }
        if let Some(m) = r.modes.filter(|m| *m < 1) {
            problems.push(wrong("[reduction] modes", m.to_string(), "a number of modes of at least 1"));
        }
        if !(1..=1000).contains(&g.restarts) {
            problems.push(wrong("[regression] restarts", g.restarts.to_string(), "restarts between 1 and 1000"));
        }
        if let Some(text) = r.memory.as_deref().filter(|text| bytes(text).is_none()) {
            problems.push(wrong("[reduction] memory", format!("`{text}`"), "a size like \"2GiB\""));
        }
        for (place, names) in [("[data] fields", &self.data.fields), ("[data] inputs", &self.data.inputs)] {
            let Some(names) = names else { continue };
            if names.is_empty() {
                problems.push(wrong(place, "an empty list".into(), "at least one name, or no such key for all"));
            }
            if let Some(i) = (1..names.len()).find(|i| names[..*i].contains(&names[*i])) {
                problems.push(wrong(place, format!("`{}` twice", names[i]), "each name once"));
            }
        }
        if !(g.confidence > 0.0 && g.confidence < 1.0) {
            problems.push(wrong("[regression] confidence", g.confidence.to_string(), "a confidence in (0, 1)"));
        }
        for (name, floor) in self.scores.floor.iter().filter(|(_, f)| !(**f >= 0.0 && f.is_finite())) {
            problems.push(wrong(&format!("[scores] floor.{name}"), floor.to_string(), "a floor of at least 0"));
        }
        problems
    }
}

/// A section in its type. Error: K012 with what the parser says.
fn section<T: serde::de::DeserializeOwned>(table: &toml::Table, key: &str, file: &Path) -> Result<T> {
    let value = table.get(key).cloned().unwrap_or(toml::Value::Table(toml::Table::new()));
    value.try_into().map_err(|e: toml::de::Error| {
        let expected = "a value of the documented type";
        Error::input("K012", file, format!("[{key}]"), plain(&e.to_string()), expected, "mend the value")
    })
}

/// All keys that are unknown or not there yet, and sections that are no tables.
fn check_keys(table: &toml::Table, file: &Path) -> Vec<Error> {
    let mut problems = Vec::new();
    for key in table.keys() {
        if LATER.contains(&key.as_str()) {
            problems.push(Error::input(
                "K014",
                file,
                format!("[{key}]"),
                "a table of a method that has not arrived",
                "tables of methods pod and reduced-basis",
                "remove the table, or update kolmo",
            ));
        } else if !TOP.contains(&key.as_str()) {
            problems.push(unknown_name(file, "top level", "key", key, TOP));
        }
    }
    let mut unknown = |place: &str, table: &toml::Table, known: &[&str]| {
        let wrong = table.keys().filter(|key| !known.contains(&key.as_str()));
        problems.extend(wrong.map(|key| unknown_name(file, place, "key", key, known)));
    };
    let sections = [("data", DATA), ("reduction", REDUCTION), ("regression", REGRESSION), ("scores", &["floor"][..])];
    for (section, known) in sections {
        if let Some(toml::Value::Table(inner)) = table.get(section) {
            unknown(&format!("[{section}]"), inner, known);
        }
    }
    study_operators::check_keys(table, &mut unknown);
    let inputs = table.get("inputs").and_then(toml::Value::as_table).into_iter().flatten();
    let inputs: Vec<(&String, &toml::Table)> = inputs.filter_map(|(name, v)| Some((name, v.as_table()?))).collect();
    for (name, input) in &inputs {
        unknown(&format!("[inputs.{name}]"), input, INPUT);
    }
    if let Some(toml::Value::Table(holdout)) = table.get("data").and_then(|d| d.get("holdout")) {
        unknown("[data] holdout", holdout, &["every", "offset"]);
    }
    for (name, input) in inputs {
        if let Some(found) = input.get("distribution").and_then(|d| d.as_str())
            && !DISTRIBUTIONS.contains(&found)
            && input.get("file").is_none()
        {
            let place = format!("[inputs.{name}] distribution");
            problems.push(unknown_name(file, &place, "distribution", found, DISTRIBUTIONS));
        }
    }
    for section in ["data", "reduction", "regression", "scores", "operators"] {
        if let Some(other) = table.get(section).filter(|v| !v.is_table()) {
            let mend = format!("write [{section}] on a line of its own");
            let expected = format!("a table [{section}]");
            problems.push(Error::input("K012", file, section, other.type_str(), expected, mend));
        }
    }
    problems
}
