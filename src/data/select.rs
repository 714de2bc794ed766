//! Which samples train, and which are held out.

use crate::data::study::Study;
use crate::error::{Error, Result};
use serde::Deserialize;

/// Which samples train: `"0:240"`, `[0, 2, 4]`, or all but a holdout.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Select {
    Range(String),
    List(Vec<usize>),
    Nested { holdout: Holdout },
    Holdout(Holdout),
}

/// Samples with index % every == offset are kept for validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Holdout {
    pub every: usize,
    #[serde(default)]
    pub offset: usize,
}

impl Study {
    /// Samples that train, in ascending order, and samples that are held out.
    pub fn select(&self, n_samples: usize) -> Result<(Vec<usize>, Vec<usize>)> {
        let place = "[data] select";
        let refuse = |found: String, expected: String| {
            Err(Error::input(
                "K009",
                &self.file,
                place,
                found,
                expected,
                "mend `select`, or leave it out to use all samples",
            ))
        };
        let holdout = match (&self.data.select, self.data.holdout) {
            (Some(Select::Holdout(h) | Select::Nested { holdout: h }), _) => Some(*h),
            (_, holdout) => holdout,
        };
        let candidates: Vec<usize> = match &self.data.select {
            Some(Select::Range(text)) => match parse_range(text, n_samples) {
                Some(range) => range,
                None => return refuse(format!("`{text}`"), "a range like \"0:240\" or \"0:240:2\"".into()),
            },
            Some(Select::List(list)) => {
                let mut list = list.clone();
                list.sort_unstable();
                list.dedup();
                list
            }
            _ => (0..n_samples).collect(),
        };
        if let Some(&beyond) = candidates.iter().find(|&&i| i >= n_samples) {
            return refuse(
                format!("sample {beyond}"),
                format!("samples 0 to {} ({n_samples} in the data)", n_samples.max(1) - 1),
            );
        }
        let Some(Holdout { every, offset }) = holdout else { return Ok((candidates, Vec::new())) };
        if every < 2 || offset >= every {
            return refuse(format!("holdout every {every}, offset {offset}"), "every >= 2 and offset < every".into());
        }
        Ok(candidates.into_iter().partition(|i| i % every != offset))
    }
}

/// Python's `start:stop:step` without negative numbers, cut to the samples that exist only where an end is open.
fn parse_range(text: &str, n_samples: usize) -> Option<Vec<usize>> {
    let parts: Vec<&str> = text.split(':').map(str::trim).collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    let number = |i: usize, default: usize| match parts.get(i) {
        None | Some(&"") => Some(default),
        Some(s) => s.parse().ok(),
    };
    let (start, stop, step) = (number(0, 0)?, number(1, n_samples)?, number(2, 1)?);
    // A wrong stop must not allocate: one index past the samples is enough to be refused.
    (step > 0).then(|| (start..stop.min(n_samples + 1).max(start)).step_by(step).collect())
}
