//! What a check has looked at and what has to be mended, for people and programs.

use super::Global;
use kolmo::error::{CODES, Error, Result};
use serde_json::{Value, json};
use std::path::Path;

/// Samples that are named one by one.
const NAMED: usize = 20;

/// What was looked at, and what has to be mended.
#[derive(Default)]
pub struct Findings {
    pub checked: Vec<(String, String)>,
    pub problems: Vec<Error>,
}

impl Findings {
    /// Says what was looked at.
    pub fn told(&mut self, what: impl Into<String>, found: impl ToString) {
        self.checked.push((what.into(), found.to_string()));
    }

    /// Prints the lines, then `ok` or the problems; the error is that of the only problem, or counts them.
    pub fn finish(self, file: &Path, global: &Global) -> Result<()> {
        let mut lines: Vec<String> = self.checked.iter().map(|(what, found)| format!("{what}: {found}")).collect();
        match self.problems.is_empty() {
            true => lines.push("ok".into()),
            false => {
                let numbered = self.problems.iter().enumerate();
                lines.extend(numbered.map(|(i, e)| format!("{}. [{}] {e}", i + 1, e.code())));
            }
        }
        let checked = self.checked.iter().map(|(what, found)| json!({"what": what, "found": found}));
        let value = json!({"ok": self.problems.is_empty(), "checked": Value::from_iter(checked),
            "problems": Value::from_iter(self.problems.iter().map(as_json))});
        global.result(&lines.join("\n"), &value)?;
        let n = self.problems.len();
        match self.problems.into_iter().next() {
            None => Ok(()),
            Some(only) if n == 1 => Err(only),
            Some(first) => {
                let code = CODES.iter().find(|c| c.code == first.code()).map_or("K012", |c| c.code);
                let mend = format!("mend each as the list says; the first: {first}");
                Err(Error::input(code, file, "", format!("{n} problems"), "none", mend))
            }
        }
    }

    /// The value, or None after its problem is noted.
    pub fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(e) => {
                self.note(e);
                None
            }
        }
    }

    /// A problem, once.
    pub fn note(&mut self, problem: Error) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Notes problems of samples, the rest of very many as a count.
    pub fn keep_some(&mut self, problems: Vec<Error>) {
        let n = problems.len();
        let next = problems.get(NAMED).cloned();
        problems.into_iter().take(NAMED).for_each(|e| self.note(e));
        if let Some(Error::Input { code, file, place, expected, mend, .. }) = next {
            let found = format!("{} more samples like these", n - NAMED);
            self.problems.push(Error::Input { code, file, place, found, expected, mend });
        }
    }
}

fn as_json(e: &Error) -> Value {
    match e {
        Error::Input { code, file, place, found, expected, mend } => json!({"code": code, "file": file, "place": place,
            "found": found, "expected": expected, "mend": mend}),
        other => json!({"code": other.code(), "file": null, "place": null, "found": other.to_string(),
            "expected": null, "mend": null}),
    }
}
