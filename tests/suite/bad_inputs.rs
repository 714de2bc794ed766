//! Every error code is reached by a case of tests/bad_inputs, and every case passes once its mend is applied.

use crate::bad_input_steps::{Step, perform};
use crate::tool::{KOLMO, Run, check_message, contents, kolmo, listing};
use kolmo::Error;
use kolmo::error::{Audience, CODES, Code};
use kolmo::linalg::tall::{Layout, TallMatrix};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A case.toml; the code is the beginning of the folder's name, other files of the folder are copied.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What is wrong, and what mends it.
    what: String,
    mended: String,
    /// Exit code of the bad run.
    exit: i32,
    command: Vec<String>,
    /// What the message holds: file, place, found, mend.
    words: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Where standard output goes.
    stdout: Option<PathBuf>,
    /// Largest file that the run may write, in blocks of the shell.
    file_blocks: Option<u32>,
    signal: Option<Signal>,
    /// What is done before the bad run, and before the mended one.
    #[serde(default)]
    build: Vec<Step>,
    #[serde(default)]
    mend: Vec<Step>,
    /// The mended run under ordinary circumstances; without it, the command is the same in all.
    mended_run: Option<MendedRun>,
}

/// A signal that is sent when standard error shows a text.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signal {
    number: i32,
    after: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct MendedRun {
    command: Option<Vec<String>>,
}

fn cases() -> Vec<(String, PathBuf, Case)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_inputs");
    let folders = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    let mut all: Vec<_> = folders
        .map(|folder| {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(folder.join("case.toml")).unwrap_or_else(|e| panic!("{name}: {e}"));
            let case: Case = toml::from_str(&text).unwrap_or_else(|e| panic!("{name}/case.toml: {e}"));
            (name, folder, case)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn code_of(name: &str) -> &str {
    name.split('_').next().unwrap_or_default()
}

impl Case {
    /// The run with the circumstances of the case.
    fn run(&self, folder: &Path) -> Run {
        let mut command = match self.file_blocks {
            None => Command::new(KOLMO),
            Some(blocks) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""), KOLMO]);
                shell
            }
        };
        command.args(&self.command).envs(&self.env).current_dir(folder).stdin(Stdio::null());
        if let Some(signal) = &self.signal {
            return signal.run(command);
        }
        match &self.stdout {
            Some(file) => command.stdout(std::fs::OpenOptions::new().write(true).open(file).unwrap()),
            None => command.stdout(Stdio::piped()),
        };
        Run::of_prepared(&mut command)
    }

    /// What the mend promises.
    fn run_again(&self, folder: &Path) -> Run {
        let Some(mended) = &self.mended_run else { return self.run(folder) };
        let command = mended.command.as_ref().unwrap_or(&self.command);
        kolmo(folder, &command.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn prepare(&self, source: &Path, folder: &Path) {
        for file in listing(source).iter().filter(|f| f.is_file() && !f.ends_with("case.toml")) {
            let copy = folder.join(file.strip_prefix(source).unwrap());
            std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
            std::fs::copy(file, copy).unwrap();
        }
        self.build.iter().for_each(|step| perform(step, folder));
    }

    /// Fails as it should, then passes; returns the message.
    fn prove(&self, source: &Path, code: &str) -> String {
        assert!(!self.what.is_empty() && !self.mended.is_empty() && !self.words.is_empty());
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        self.prepare(source, folder);
        let before = contents(folder);
        let run = self.run(folder);
        let message = check_message(&run, self.exit, &[code], &self.words);
        assert!(contents(folder) == before, "the run changed files: {:?}, {run:#?}", listing(folder));
        self.mend.iter().for_each(|step| perform(step, folder));
        let again = self.run_again(folder).success();
        assert!(!again.stderr.contains("error["), "{again:#?}");
        message
    }
}

impl Signal {
    fn run(&self, mut command: Command) -> Run {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = String::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        while !stderr.contains(&self.after) && lines.read_line(&mut stderr).unwrap() > 0 {}
        let kill = format!("kill -{} {}", self.number, child.id());
        Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().unwrap();
        lines.read_to_string(&mut stderr).unwrap();
        let out = child.wait_with_output().unwrap();
        Run { code: out.status.code(), stdout: String::from_utf8_lossy(&out.stdout).into_owned(), stderr }
    }
}

/// Calls that no command line leads to: code, the bad call and the mended one.
fn library_calls() -> Vec<(&'static str, Error, Result<(), Error>)> {
    let tall = |n_rows| TallMatrix::new(Layout::serial(4), faer::Mat::zeros(n_rows, 2)).map(drop);
    vec![("K100", tall(3).unwrap_err(), tall(4))]
}

#[test]
fn every_case_fails_as_it_should_and_passes_once_mended() {
    let mut messages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut failed = Vec::new();
    for (name, folder, case) in cases() {
        let code = code_of(&name).to_string();
        match std::panic::catch_unwind(|| case.prove(&folder, &code)) {
            Ok(message) => messages.entry(code).or_default().push(message),
            Err(_) => failed.push(name),
        }
    }
    assert!(failed.is_empty(), "these cases failed: {failed:#?}");
    // The examples that `explain` shows are what is printed.
    for (code, error, _) in library_calls() {
        messages.entry(code.into()).or_default().push(format!("error[{code}]: {error}"));
    }
    let is_printed = |code: &Code| messages.get(code.code).is_some_and(|m| m.iter().any(|m| m == code.example));
    let given = given_codes();
    let other: Vec<&Code> = CODES.iter().filter(|c| given.contains(c.code) && !is_printed(c)).collect();
    assert!(other.is_empty(), "examples that no case prints: {other:#?}, printed: {messages:#?}");
}

#[test]
fn check_finds_before_the_work_what_fit_refuses() {
    let fit = ["fit", "study.toml", "-o", "model.h5"];
    let mut n = 0;
    for (name, source, case) in cases() {
        if case.command != fit || case.exit != 2 || case.mended_run.is_some() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        case.prepare(&source, folder);
        let before = contents(folder);
        let run = kolmo(folder, &["check", "study.toml"]);
        check_message(&run, 2, &[code_of(&name)], &case.words);
        assert!(run.stdout.contains(&format!("1. [{}] ", code_of(&name))), "{name}: {run:#?}");
        assert!(contents(folder) == before, "{name}: files changed");
        case.mend.iter().for_each(|step| perform(step, folder));
        let again = kolmo(folder, &["check", "study.toml"]).success();
        assert_eq!(again.stdout.lines().last(), Some("ok"), "{name}: {again:#?}");
        n += 1;
    }
    assert!(n >= 18, "only {n} cases");
}

/// What any verb says about the files of a case: its code is one that `explain` lists that verb for.
#[test]
fn explain_names_the_commands_that_give_a_code() {
    let commands: [&[&str]; 6] = [
        &["check", "study.toml"],
        &["plan", "study.toml"],
        &["validate", "model.h5", "--data", "train.h5"],
        &["info", "train.h5"],
        &["convert", "train.h5", "copy.h5"],
        &["fit", "study.toml", "-o", "model.h5"],
    ];
    let (mut unnamed, mut n) = (BTreeSet::new(), 0);
    for (name, source, case) in cases() {
        if case.exit != 2 || case.mended_run.is_some() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        case.prepare(&source, folder.path());
        let own: Vec<&str> = case.command.iter().map(String::as_str).collect();
        for command in commands.iter().copied().chain([own.as_slice()]) {
            let run = kolmo(folder.path(), command);
            let Some(line) = run.stderr.lines().find_map(|l| l.strip_prefix("error[")) else { continue };
            let code = CODES.iter().find(|c| line.starts_with(c.code)).unwrap_or_else(|| panic!("{name}: {line}"));
            if !code.verbs.contains(&command[0]) {
                unnamed.insert(format!("{}: {}", code.code, command[0]));
            }
            n += 1;
        }
    }
    assert!(unnamed.is_empty(), "commands that `explain` leaves out: {unnamed:#?}");
    assert!(n > 100, "only {n} refusals");
}

/// Codes that the sources can give: those of the variants of the error, and those that stand in the files.
fn given_codes() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found: BTreeSet<String> = ["K100", "K101", "K102", "K103", "K104"].map(String::from).into();
    for file in listing(&root).iter().filter(|f| f.extension().is_some_and(|e| e == "rs") && !f.ends_with("error.rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        // A code between quotes.
        let quoted = text.split('"').filter(|part| part.len() == 4 && part.starts_with('K'));
        found.extend(quoted.filter(|code| code[1..].parse::<u32>().is_ok()).map(String::from));
    }
    found
}

#[test]
fn every_code_has_a_case_and_every_case_a_code() {
    let (cases, given) = (cases(), given_codes());
    assert!(given.len() > 20, "only {given:?} were found in the sources");
    let unlisted: Vec<&String> = given.iter().filter(|given| CODES.iter().all(|c| c.code != *given)).collect();
    assert!(unlisted.is_empty(), "not in CODES: {unlisted:?}");
    let known = |name: &str| CODES.iter().any(|c| c.code == code_of(name) && c.audience == Audience::Program);
    let unknown: Vec<&str> = cases.iter().map(|c| c.0.as_str()).filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "no such code of the program: {unknown:?}");
    let calls: Vec<&str> = library_calls().iter().map(|(code, ..)| *code).collect();
    let mut n_cases = 0;
    for code in CODES.iter().filter(|c| given.contains(c.code)) {
        let n = cases.iter().filter(|(name, ..)| code_of(name) == code.code).count();
        match code.audience {
            Audience::Program => assert!(n > 0, "{} has no case in tests/bad_inputs", code.code),
            Audience::Library => assert!(calls.contains(&code.code), "{} has no call in this test", code.code),
        }
        assert_eq!(code.verbs.is_empty(), code.audience == Audience::Library, "commands of {}", code.code);
        n_cases += n;
    }
    assert_eq!(n_cases, cases.len(), "a case of a code that the sources do not give");
    for (code, bad, mended) in library_calls() {
        assert_eq!(bad.code(), code);
        mended.unwrap_or_else(|e| panic!("{code}, mended: {e}"));
    }
}

#[test]
fn a_case_that_does_not_fail_is_found() {
    let (_, folder, case) = cases().into_iter().find(|(name, ..)| name == "K006_misspelled_key").unwrap();
    let spoilt = |spoil: fn(&mut Case)| {
        let mut case = case.clone();
        spoil(&mut case);
        std::panic::catch_unwind(|| case.prove(&folder, "K006")).is_err()
    };
    assert!(!spoilt(|_| ()));
    assert!(spoilt(|c| c.mend.clear()));
    assert!(spoilt(|c| c.build.append(&mut c.mend)));
    assert!(spoilt(|c| c.exit = 1));
    assert!(spoilt(|c| c.words.push("another word".into())));
    assert!(std::panic::catch_unwind(|| case.prove(&folder, "K009")).is_err());
}

#[test]
fn explain_tells_every_code() {
    let folder = tempfile::tempdir().unwrap();
    let all = kolmo(folder.path(), &["explain"]).success().stdout;
    assert_eq!(all.lines().count(), CODES.len(), "{all}");
    for (line, code) in all.lines().zip(CODES) {
        assert!(line.starts_with(code.code) && line.contains(code.cause), "{line}");
    }
    let one = kolmo(folder.path(), &["explain", "k004"]).success().stdout;
    for part in ["K004", "cause:", "mend:", "from:", "validate", "example: error[K004]: train.h5"] {
        assert!(one.contains(part), "`{part}` is missing: {one}");
    }
    assert!(kolmo(folder.path(), &["explain", "K100"]).success().stdout.contains("calls of the library"));
    let text = kolmo(folder.path(), &["explain", "--json"]).success().stdout;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json.as_array().unwrap().len(), CODES.len());
}
