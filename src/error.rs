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
    #[error(
        "{what} did not converge: reached {reached:.1e}, wanted {wanted:.1e}; mend: loosen the tolerance, or scale the data"
    )]
    NotConverged { what: String, reached: f64, wanted: f64 },
    /// The operating system refused to write.
    #[error("{}: cannot be written: {reason}; mend: free space or choose another place with -o", file.display())]
    Write { file: PathBuf, reason: String },
    /// Stopped by a signal (2 or 15).
    #[error("stopped by signal {signal}; mend: start it again, the old output is untouched")]
    Interrupted { signal: i32 },
    /// The error of another rank, the same on all ranks.
    #[error("{message}")]
    Rank { rank: usize, code: String, exit: i32, message: String },
}

fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(", {place}") }
}

/// Who can meet an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Users of the program `kolmo`.
    Program,
    /// Callers of the library only: no command line leads to it.
    Library,
}

/// One kind of error, as `kolmo explain` tells it.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    pub code: &'static str,
    pub cause: &'static str,
    pub mend: &'static str,
    pub audience: Audience,
    /// Commands that can give it; none where no command line leads to it.
    pub verbs: &'static [&'static str],
    /// A message as it is printed.
    pub example: &'static str,
}

/// Every code; one that is given once never changes its meaning.
pub const CODES: &[Code] = &[
    Code {
        code: "K001",
        cause: "a file is missing or cannot be opened",
        mend: "check the path; paths in a study are relative to the study file",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "info", "convert", "check", "plan"],
        example: "error[K001]: lost.h5: found no such file; expected a readable HDF5 file; mend: check the path and its permissions",
    },
    Code {
        code: "K002",
        cause: "a file is not in the format that its place asks for",
        mend: "name a file of the kind that the message states, or give it the ending of its format",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "info", "convert", "check", "plan"],
        example: "error[K002]: train.h5: found a file without the HDF5 signature; expected an HDF5 file; mend: name an HDF5 file, or convert this one",
    },
    Code {
        code: "K003",
        cause: "a file is truncated or damaged",
        mend: "copy or write the file again",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "info", "convert", "check", "plan"],
        example: "error[K003]: model.h5, length of the file: found 21286 bytes; expected 42572 bytes; mend: copy the model file again, or fit it again",
    },
    Code {
        code: "K004",
        cause: "a value is not a finite number",
        mend: "mend or leave out the sample that the message names",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "info", "convert", "check", "plan"],
        example: "error[K004]: train.h5, /snapshots/pressure, sample 7, entry 11: found NaN; expected a finite number; mend: mend the sample, or leave it out with `select`",
    },
    Code {
        code: "K005",
        cause: "an array has a wrong shape or length",
        mend: "write the array with the expected shape",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "info", "convert", "check", "plan"],
        example: "error[K005]: train.h5, /snapshots/pressure: found 11 samples; expected 12 samples, as in /snapshots/density; mend: write the array with the expected shape",
    },
    Code {
        code: "K006",
        cause: "a name is unknown",
        mend: "use one of the known names that the message lists",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "info", "convert", "check", "explain", "plan"],
        example: "error[K006]: study.toml, [reduction]: found unknown key `tolerence`; expected one of: method, tolerance, modes, center, inner_product, algorithm, memory; mend: did you mean `tolerance`?",
    },
    Code {
        code: "K007",
        cause: "parameters are missing for a sample",
        mend: "add the row to the parameter table",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "convert", "check", "plan"],
        example: "error[K007]: parameters.csv, parameters: found 11 rows; sample 11 has none; expected 12 rows, one per sample; mend: add the missing rows",
    },
    Code {
        code: "K008",
        cause: "there are no samples, or too few",
        mend: "widen `select`, or hand in more samples",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "info", "convert", "check", "plan"],
        example: "error[K008]: study.toml, [data] select: found 2 samples; expected at least 3 samples to train on; mend: widen `select`, or hand in more samples",
    },
    Code {
        code: "K009",
        cause: "a setting is outside its range",
        mend: "choose a value in the range that the message states",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "convert", "check", "plan"],
        example: "error[K009]: study.toml, [reduction] tolerance: found 1.5; expected a tolerance in [0, 1); mend: choose a tolerance in [0, 1)",
    },
    Code {
        code: "K010",
        cause: "a model file is damaged: its checksum differs",
        mend: "copy the model file again, or fit it again",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "info", "check"],
        example: "error[K010]: model.h5, bytes 512..42552: found a checksum that differs; expected the bytes that were written; mend: copy the model file again, or fit it again",
    },
    Code {
        code: "K011",
        cause: "a model file was written by a newer version",
        mend: "update kolmo",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "info", "check"],
        example: "error[K011]: model.h5, user block: found format version 8; expected format version 1 or older; mend: update kolmo",
    },
    Code {
        code: "K012",
        cause: "the command line or a study cannot be understood",
        mend: "see --help; every key is listed in the README",
        audience: Audience::Program,
        verbs: &[
            "fit",
            "predict",
            "validate",
            "info",
            "convert",
            "check",
            "explain",
            "demo",
            "doctor",
            "completions",
            "plan",
        ],
        example: "error[K012]: kolmo, fit: found unexpected argument '--speed'; expected the usage that --help shows; mend: run kolmo --help",
    },
    Code {
        code: "K013",
        cause: "the build lacks what the run needs",
        mend: "build with the feature that the message names",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "info", "convert", "check", "demo", "plan"],
        example: "error[K013]: snapshots.npz: found zip file error: unsupported Zip archive: Compression method not supported; expected arrays that are stored or deflated; mend: write the file with numpy.savez",
    },
    Code {
        code: "K014",
        cause: "the verb or the option has not arrived yet in this version",
        mend: "see CHANGELOG.md for what is there",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "check", "plan", "sample", "export"],
        example: "error[K014]: study.toml, [reduction] method: found `local-pod`; expected one that is there: pod, reduced-basis; mend: choose one that is there, or update kolmo",
    },
    Code {
        code: "K015",
        cause: "a mesh is not usable",
        mend: "mend the cell or the point that the message names",
        audience: Audience::Program,
        verbs: &["fit", "validate", "info", "convert", "check", "plan"],
        example: "error[K015]: train.h5, cell 2 (quad): found point 25; expected point numbers from 0 to 24; mend: cells count points from zero",
    },
    Code {
        code: "K016",
        cause: "an inner product is not symmetric positive definite",
        mend: "mend the matrix /inner_product, or choose inner_product = \"l2\"",
        audience: Audience::Program,
        verbs: &["fit", "validate", "info", "convert", "check", "plan"],
        example: "error[K016]: train.h5, /inner_product, row 12, column 12: found -1 on the diagonal; expected a positive definite matrix; mend: mend the matrix, or choose inner_product = \"l2\"",
    },
    Code {
        code: "K017",
        cause: "the meshes of the samples differ",
        mend: "leave out the sample that the message names, or write all samples on one mesh",
        audience: Audience::Program,
        verbs: &["fit", "validate", "info", "convert", "check"],
        example: "error[K017]: results/sample_05.vtu, sample sample_05: found 36 points, not 25; expected the mesh of sample sample_00; mend: leave the sample out with `select`, or write all samples on one mesh",
    },
    Code {
        code: "K018",
        cause: "a variant of a format is not read",
        mend: "write the file again in the form that the message names",
        audience: Audience::Program,
        verbs: &["fit", "validate", "info", "convert", "check", "plan"],
        example: "error[K018]: one.vtu, VTKFile: found lzma compression (vtkLZMADataCompressor); expected zlib compression, or another form that is read; mend: write the file again with zlib compression",
    },
    Code {
        code: "K019",
        cause: "numbers are too large or too small for their squares to be computed",
        mend: "write the field in other units, or leave it out of `fields`",
        audience: Audience::Program,
        verbs: &["fit", "validate", "check"],
        example: "error[K019]: train.h5, field pressure: found a largest magnitude of 5.9e160; expected one between 1e-130 and 1e130; mend: write the values in other units, or leave them out",
    },
    Code {
        code: "K020",
        cause: "the study or its data are not those that a run began with",
        mend: "leave out --resume to fit from the start, or start again when nothing writes to the data",
        audience: Audience::Program,
        verbs: &["fit"],
        example: "error[K020]: .model.h5.checkpoint, study: found a run with `tolerance = 1e-3`; expected one with `tolerance = 1e-4`; mend: leave out --resume to fit from the start",
    },
    Code {
        code: "K021",
        cause: "a matrix of parameter-dependent operators is singular",
        mend: "check boundary conditions and parameters, leave out the sample, or hand in the solutions",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate"],
        example: "error[K021]: operators.h5, /operators, sample 3: found pivot 0 of 0.0e0 where its column has 0.0e0; expected a regular matrix; mend: mend the matrix, leave out the sample with `select`, or hand in /solutions",
    },
    Code {
        code: "K022",
        cause: "operators are not those that the model, the study or the points say",
        mend: "hand in operators of the same problem and the same points, or mend what the study declares",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "check"],
        example: "error[K022]: study.toml, [operators] affine, A: found sample 3 that differs from sample 0 by 1.3e-1, relative; expected the same numbers for all parameters; mend: leave `A` out of `affine`",
    },
    Code {
        code: "K100",
        cause: "arguments of a library call do not fit together",
        mend: "compare the shapes that the message states",
        audience: Audience::Library,
        verbs: &[],
        example: "error[K100]: rows of a tall matrix: found 3; expected 4",
    },
    Code {
        code: "K101",
        cause: "a matrix is not positive definite",
        mend: "check the inner product or remove duplicate data",
        audience: Audience::Program,
        verbs: &["fit", "validate"],
        example: "error[K101]: Gram matrix of the trend functions is not positive definite (pivot 2); mend: use a constant mean, or drop dependent inputs",
    },
    Code {
        code: "K102",
        cause: "an iteration did not converge",
        mend: "loosen the tolerance, or scale the data",
        audience: Audience::Program,
        verbs: &["fit", "validate"],
        example: "error[K102]: singular value decomposition of field pressure did not converge: reached NaN, wanted 2.2e-16; mend: loosen the tolerance, or scale the data",
    },
    Code {
        code: "K103",
        cause: "a file cannot be written",
        mend: "free disk space, or choose another folder",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "info", "convert", "check", "explain", "demo", "doctor", "plan"],
        example: "error[K103]: model.h5: cannot be written: File too large; mend: free space or choose another place with -o",
    },
    Code {
        code: "K104",
        cause: "the run was stopped by a signal",
        mend: "start it again; the old output is untouched",
        audience: Audience::Program,
        verbs: &["fit", "predict", "validate", "convert", "demo"],
        example: "error[K104]: stopped by signal 2; mend: start it again, the old output is untouched",
    },
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
                let place = if inner.is_empty() { place.to_string() } else { format!("{place}, {inner}") };
                Error::Input { code, file, place, found, expected, mend }
            }
            other => other,
        }
    }

    /// What went wrong with a field: its name goes into the message.
    pub fn of_field(self, name: &str) -> Self {
        match self {
            Error::NotConverged { what, reached, wanted } => {
                Error::NotConverged { what: format!("{what} of field {name}"), reached, wanted }
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
