//! One error type: variants by what the user can do about it, fields are names and numbers.

use std::path::{Path, PathBuf};

/// Result of every fallible function of the crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong, with a stable [`code`](Error::code) and an [`exit_code`](Error::exit_code).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Input that has to be mended: a file, a place in it, what was found, what was expected, how to mend it.
    #[error("{}{}: found {found}; expected {expected}; mend: {mend}", file.display(), at(place))]
    Input { code: &'static str, file: PathBuf, place: String, found: String, expected: String, mend: String },
    /// A call with arguments that do not fit together (library use).
    #[error("{what}: found {found}; expected {expected}")]
    Argument { what: String, found: String, expected: String },
    /// A matrix that should be positive definite is not.
    #[error("{what} is not positive definite (pivot {pivot}); mend: {mend}")]
    NotPositiveDefinite { what: String, pivot: usize, mend: String },
    /// An iteration that did not reach its goal.
    #[error("{what} did not converge: reached {reached:e}, wanted {wanted:e}")]
    NotConverged { what: String, reached: f64, wanted: f64 },
    /// The operating system refused to write.
    #[error("{}: cannot be written: {reason}; mend: free space or choose another place with -o", file.display())]
    Write { file: PathBuf, reason: String },
    /// Stopped by a signal (2 or 15).
    #[error("stopped by signal {signal}")]
    Interrupted { signal: i32 },
    /// The error of another rank, the same on all ranks.
    #[error("{message}")]
    Rank { rank: usize, code: String, exit: i32, message: String },
}

fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(", {place}") }
}

/// Code, cause and mend of every error, for `kolmo explain`.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "K001",
        "a file is missing or cannot be opened",
        "check the path; paths in a study are relative to the study file",
    ),
    (
        "K002",
        "a file is not in the format that its place asks for",
        "name an HDF5, NumPy, CSV or TOML file as the message says",
    ),
    ("K003", "a file is truncated or damaged", "copy or write the file again"),
    ("K004", "a value is not a finite number", "mend or leave out the sample that the message names"),
    ("K005", "an array has a wrong shape or length", "write the array with the expected shape"),
    ("K006", "a name is unknown", "use one of the known names that the message lists"),
    ("K007", "parameters are missing for a sample", "add the row to the parameter table"),
    ("K008", "there are no samples, or too few", "widen `select`, or hand in more samples"),
    ("K009", "a setting is outside its range", "choose a value in the range that the message states"),
    ("K010", "a model file is damaged: its checksum differs", "copy the model file again, or fit it again"),
    ("K011", "a model file was written by a newer version", "update kolmo"),
    ("K012", "the command line or a study cannot be understood", "see --help; every key is listed in the README"),
    ("K013", "the build lacks what the run needs", "build with the feature that the message names"),
    ("K014", "the verb or the option has not arrived yet in this version", "see CHANGELOG.md for what is there"),
    ("K015", "a mesh is not usable", "mend the cell or the point that the message names"),
    (
        "K016",
        "an inner product is not symmetric positive definite",
        "mend the matrix /inner_product, or choose inner_product = \"l2\"",
    ),
    ("K018", "a variant of a format is not read", "write the file again in the form that the message names"),
    ("K100", "arguments of a library call do not fit together", "compare the shapes that the message states"),
    ("K101", "a matrix is not positive definite", "check the inner product or remove duplicate data"),
    ("K102", "an iteration did not converge", "loosen the tolerance, or scale the data"),
    ("K103", "a file cannot be written", "free disk space, or choose another folder"),
    ("K104", "the run was stopped by a signal", "start it again; the old output is untouched"),
];

impl Error {
    /// Builds [`Error::Input`]; `code` is one of [`CODES`].
    pub fn input(
        code: &'static str,
        file: impl AsRef<Path>,
        place: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Error::Input {
            code,
            file: file.as_ref().to_path_buf(),
            place: place.into(),
            found: found.into(),
            expected: expected.into(),
            mend: mend.into(),
        }
    }

    /// Bad input with `place` before the place that it names.
    pub fn inside(self, place: &str) -> Self {
        match self {
            Error::Input { code, file, place: inner, found, expected, mend } => {
                Error::Input { code, file, place: format!("{place}, {inner}"), found, expected, mend }
            }
            other => other,
        }
    }

    /// Bad input as that of `file`, for checks that did not know the file.
    pub fn in_file(self, path: &Path) -> Self {
        match self {
            Error::Input { code, place, found, expected, mend, .. } => {
                Error::Input { code, file: path.to_path_buf(), place, found, expected, mend }
            }
            other => other,
        }
    }

    /// Builds [`Error::Argument`].
    pub fn argument(what: impl Into<String>, found: impl ToString, expected: impl ToString) -> Self {
        Error::Argument { what: what.into(), found: found.to_string(), expected: expected.to_string() }
    }

    /// Stable code, explained by `kolmo explain CODE`.
    pub fn code(&self) -> &str {
        match self {
            Error::Input { code, .. } => code,
            Error::Argument { .. } => "K100",
            Error::NotPositiveDefinite { .. } => "K101",
            Error::NotConverged { .. } => "K102",
            Error::Write { .. } => "K103",
            Error::Interrupted { .. } => "K104",
            Error::Rank { code, .. } => code,
        }
    }

    /// Exit code of the process: 1 computation failed, 2 bad input, 130 and 143 after a signal.
    pub fn exit_code(&self) -> i32 {
        match self {
            Error::Input { .. } | Error::Argument { .. } => 2,
            Error::NotPositiveDefinite { .. } | Error::NotConverged { .. } | Error::Write { .. } => 1,
            Error::Interrupted { signal } => 128 + signal,
            Error::Rank { exit, .. } => *exit,
        }
    }
}
