//! The .case file of EnSight Gold: which files hold the geometry and the variables, and at which times.

use crate::error::{Error, Result};
use crate::io::ensight::variable::Rank;
use crate::io::mesh_file::{Bytes, damaged};
use std::path::{Path, PathBuf};

/// More keys than any program writes; what is remembered of each is longer than the shortest one in a file.
const MOST_LINES: usize = 10_000;

/// Names of files, by step of a time set where there is one.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub set: Option<usize>,
    pattern: String,
}

#[derive(Debug)]
pub(crate) struct Variable {
    pub name: String,
    pub rank: Rank,
    pub per_node: bool,
    pub files: Files,
}

/// Numbers of the whole model: one, or one for each step of a set, in the case file or in a file of their own.
#[derive(Debug)]
pub(crate) struct Constant {
    pub name: String,
    pub set: Option<usize>,
    pub values: Vec<f64>,
    pub file: Option<PathBuf>,
}

#[derive(Debug, Default)]
pub(crate) struct TimeSet {
    number: i64,
    n_steps: usize,
    start: i64,
    increment: i64,
    numbers: Vec<i64>,
    pub times: Vec<f64>,
}

#[derive(Debug, Default)]
pub(crate) struct Case {
    folder: PathBuf,
    pub geometry: Option<Files>,
    pub variables: Vec<Variable>,
    pub constants: Vec<Constant>,
    pub sets: Vec<TimeSet>,
}

/// A line of a section, `key: value`, with the number of the line.
struct Line {
    number: usize,
    section: String,
    key: String,
    value: String,
}

impl Case {
    /// Errors: K002 no case of EnSight Gold, K003, K005 numbers of steps that do not fit, K006 unknown keys, K018 variants that
    /// are not read.
    pub fn read(bytes: &Bytes) -> Result<Case> {
        let path = &bytes.path;
        let raw = bytes.read_all()?;
        let lines = std::str::from_utf8(&raw).ok().filter(|text| !text.contains('\0')).and_then(lines);
        let refuse = |found: &str| {
            let mend = "name the .case file of a case of EnSight Gold";
            Err(Error::input("K002", path, "FORMAT", found, "type: ensight gold", mend))
        };
        let Some(lines) = lines else { return refuse("no sections with keys, or 10000 keys and more") };
        let kind =
            lines.iter().find(|l| l.section == "FORMAT" && l.key == "type").map(|l| l.value.to_ascii_lowercase());
        match kind.as_deref().map(|k| k.split_whitespace().collect::<Vec<_>>().join(" ")).as_deref() {
            Some("ensight gold") => {}
            Some("ensight") => {
                let mend = "write the case again as EnSight Gold";
                return Err(Error::input("K018", path, "FORMAT", "EnSight 6", "type: ensight gold", mend));
            }
            Some(other) => return refuse(&format!("`{}`", other.escape_debug())),
            None => return refuse("no type"),
        }
        let mut case = Case { folder: path.parent().unwrap_or(Path::new("")).into(), ..Case::default() };
        // Time sets stand last, and are named before.
        lines.iter().filter(|l| l.section == "TIME").try_for_each(|l| case.time(path, l))?;
        case.check_times(path)?;
        for line in &lines {
            match line.section.as_str() {
                "GEOMETRY" if line.key == "model" => case.geometry = Some(case.model(path, line)?),
                "VARIABLE" => case.variable(path, line)?,
                _ => {}
            }
        }
        if case.geometry.is_none() {
            return Err(damaged(path, "GEOMETRY", "no model", "model: and the name of a file"));
        }
        Ok(case)
    }

    /// The file of a step of the set of `files`.
    pub fn file(&self, files: &Files, step: usize) -> PathBuf {
        let stars = files.pattern.matches('*').count();
        let Some(set) = files.set.and_then(|i| self.sets.get(i)).filter(|_| stars > 0) else {
            return self.folder.join(&files.pattern);
        };
        let number = set.numbers.get(step).copied();
        let number = number.unwrap_or_else(|| set.start.saturating_add(set.increment.saturating_mul(step as i64)));
        // Usually one row of stars; several rows hold the same number each.
        let (mut name, mut rest) = (String::new(), files.pattern.as_str());
        while let Some(begin) = rest.find('*') {
            let (head, tail) = rest.split_at(begin);
            let width = tail.len() - tail.trim_start_matches('*').len();
            // No file has a longer name; a longer number cannot be printed.
            name.push_str(&format!("{head}{number:0n_digits$}", n_digits = width.min(255)));
            rest = tail.get(width..).unwrap_or_default();
        }
        self.folder.join(name + rest)
    }

    /// The step of a set at a time: the last that is not later.
    pub fn step(&self, set: Option<usize>, time: f64) -> usize {
        let times = set.and_then(|i| self.sets.get(i)).map_or(&[][..], |s| &s.times);
        times.iter().rposition(|&t| t <= time).unwrap_or(0)
    }

    fn set(&self, path: &Path, line: &Line, number: i64) -> Result<usize> {
        self.sets.iter().position(|s| s.number == number).ok_or_else(|| {
            let known: Vec<String> = self.sets.iter().map(|s| s.number.to_string()).collect();
            let expected = format!("a time set of the section TIME: {}", known.join(", "));
            Error::input("K006", path, line.place(), format!("time set {number}"), expected, "add the time set")
        })
    }

    /// Time set, file set and the words behind them, at least `n`.
    fn sets_and_words<'l>(&self, path: &Path, line: &'l Line, n: usize) -> Result<(Option<usize>, Vec<&'l str>)> {
        let mut words: Vec<&str> = line.value.split_whitespace().collect();
        let mut numbers = Vec::new();
        while let (Some(number), true) = (words.first().and_then(|w| w.parse::<i64>().ok()), words.len() > n) {
            numbers.push(number);
            words.remove(0);
            if numbers.len() == 2 {
                break;
            }
        }
        if words.len() < n {
            return Err(damaged(path, line.place(), format!("{} words", words.len()), format!("{n} or more")));
        }
        if numbers.len() == 2 {
            let mend = "write the case again with a file for each step";
            return Err(Error::input("K018", path, line.place(), "a file set", "one time step in each file", mend));
        }
        let set = numbers.first().map(|&number| self.set(path, line, number)).transpose()?;
        Ok((set, words))
    }

    fn files(&self, set: Option<usize>, words: &[&str]) -> Files {
        let pattern = words.join(" ").trim_matches('"').to_string();
        // Files with numbers belong to the first set where the line names none.
        let first = (pattern.contains('*') && !self.sets.is_empty()).then_some(0);
        Files { set: set.or(first), pattern }
    }

    fn model(&self, path: &Path, line: &Line) -> Result<Files> {
        let (set, mut words) = self.sets_and_words(path, line, 1)?;
        if let Some(i) = words.iter().skip(1).position(|w| *w == "change_coords_only") {
            if words.len() > i + 2 {
                let mend = "write the whole geometry of each step";
                let found = "connectivity in one step only (cstep)";
                return Err(Error::input("K018", path, line.place(), found, "whole geometries", mend));
            }
            words.truncate(i + 1);
        }
        Ok(self.files(set, &words))
    }

    fn variable(&mut self, path: &Path, line: &Line) -> Result<()> {
        let key: Vec<&str> = line.key.split_whitespace().collect();
        let rank = match key[..] {
            ["constant", "per", "case"] => return self.constant(path, line, false),
            ["constant", "per", "case", "file"] => return self.constant(path, line, true),
            // Particles are no part of the mesh.
            [.., "per", "measured", "node"] => return Ok(()),
            ["scalar", "per", "node" | "element"] => Rank::Scalar,
            ["vector", "per", "node" | "element"] => Rank::Vector,
            ["tensor", "symm", "per", "node" | "element"] => Rank::SymmetricTensor,
            ["tensor", "asym", "per", "node" | "element"] => Rank::Tensor,
            ["complex", ..] => {
                let mend = "write real and imaginary parts as variables of their own";
                return Err(Error::input("K018", path, line.place(), &line.key, "real variables", mend));
            }
            _ => {
                let found = format!("`{}`", line.key.escape_debug());
                let expected = "constant per case, or scalar, vector, tensor symm or tensor asym per node or element";
                return Err(Error::input("K006", path, line.place(), found, expected, "leave the variable out"));
            }
        };
        let (set, words) = self.sets_and_words(path, line, 2)?;
        let (Some(name), rest) = (words.first(), words.get(1..).unwrap_or_default()) else { return Ok(()) };
        let files = self.files(set, rest);
        let per_node = key.last() == Some(&"node");
        self.variables.retain(|v| (v.name.as_str(), v.per_node) != (*name, per_node));
        self.variables.push(Variable { name: name.to_string(), rank, per_node, files });
        Ok(())
    }

    fn constant(&mut self, path: &Path, line: &Line, in_file: bool) -> Result<()> {
        let mut words: Vec<&str> = line.value.split_whitespace().collect();
        let numbered = words.len() > 2 && words.first().is_some_and(|w| w.parse::<i64>().is_ok());
        let set = match words.first().and_then(|w| w.parse().ok()).filter(|_| numbered) {
            Some(number) => Some(self.set(path, line, number)?),
            None => None,
        };
        let mut rest = words.drain(usize::from(numbered)..);
        let (Some(name), rest) = (rest.next(), rest.collect::<Vec<_>>()) else {
            return Err(damaged(path, line.place(), "no name", "a name and a value"));
        };
        let mut constant = Constant { name: name.into(), set, values: Vec::new(), file: None };
        if in_file {
            constant.file = Some(self.folder.join(rest.join(" ").trim_matches('"')));
        } else {
            constant.values = numbers(path, line, &rest.join(" "))?;
        }
        self.constants.push(constant);
        Ok(())
    }

    fn time(&mut self, path: &Path, line: &Line) -> Result<()> {
        if line.key == "time set" {
            let number = line.value.split_whitespace().next().unwrap_or_default();
            self.sets.push(TimeSet { number: one(path, line, number)?, increment: 1, ..TimeSet::default() });
            return Ok(());
        }
        let Some(set) = self.sets.last_mut() else {
            return Err(damaged(
                path,
                line.place(),
                format!("`{}`", line.key.escape_debug()),
                "time set: and its number",
            ));
        };
        match line.key.as_str() {
            "number of steps" => set.n_steps = one(path, line, &line.value)?,
            "filename start number" => set.start = one(path, line, &line.value)?,
            "filename increment" => set.increment = one(path, line, &line.value)?,
            "filename numbers" => set.numbers = numbers(path, line, &line.value)?,
            "time values" => set.times = numbers(path, line, &line.value)?,
            "filename numbers file" | "time values file" => {
                let mend = "write the numbers into the case file";
                return Err(Error::input("K018", path, line.place(), "numbers in another file", "numbers here", mend));
            }
            _ => {}
        }
        Ok(())
    }

    fn check_times(&self, path: &Path) -> Result<()> {
        for set in &self.sets {
            let refuse = |what: &str, n: usize| {
                let place = format!("TIME, time set {}", set.number);
                let (found, expected) = (format!("{n} {what}"), format!("{} as the number of steps", set.n_steps));
                Err(Error::input("K005", path, place, found, expected, "list one for each step"))
            };
            if set.n_steps == 0 || set.times.len() != set.n_steps {
                return refuse("time values", set.times.len());
            }
            if !set.numbers.is_empty() && set.numbers.len() != set.n_steps {
                return refuse("filename numbers", set.numbers.len());
            }
        }
        Ok(())
    }
}

impl Line {
    fn place(&self) -> String {
        format!("line {} ({})", self.number, self.section)
    }
}

fn one<T: std::str::FromStr>(path: &Path, line: &Line, word: &str) -> Result<T> {
    let word = word.trim();
    let shown = || format!("`{}`", word.chars().take(40).collect::<String>().escape_debug());
    word.parse().map_err(|_| damaged(path, line.place(), shown(), "a number"))
}

fn numbers<T: std::str::FromStr>(path: &Path, line: &Line, text: &str) -> Result<Vec<T>> {
    text.split_whitespace().map(|word| one(path, line, word)).collect()
}

/// The lines of all sections; a line without a key goes on with the list of the one before. `None` where a line is neither, and for
/// too many of them.
fn lines(text: &str) -> Option<Vec<Line>> {
    const SECTIONS: [&str; 9] =
        ["FORMAT", "GEOMETRY", "VARIABLE", "TIME", "FILE", "MATERIAL", "SCRIPTS", "BLOCK_CONTINUATION", "FIELD"];
    let (mut found, mut section): (Vec<Line>, _) = (Vec::new(), "");
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = SECTIONS.iter().find(|name| **name == line) {
            section = name;
            continue;
        }
        let (number, section) = (i + 1, section.to_string());
        match line.split_once(':') {
            Some((key, value)) => {
                let key = key.split_whitespace().collect::<Vec<_>>().join(" ");
                if found.len() >= MOST_LINES {
                    return None;
                }
                found.push(Line { number, section, key, value: value.trim().into() });
            }
            None => {
                let last = found.last_mut()?;
                last.value.push(' ');
                last.value.push_str(line);
            }
        }
    }
    Some(found)
}
