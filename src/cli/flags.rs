//! Flags of answers by their reasons, in the words of a terminal and of a report.

use kolmo::online::operator_model::Reason;
use serde_json::{Value, json};

/// How many answers are flagged for which reason.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    counts: [usize; Reason::ALL.len()],
}

/// Keys of the JSON, in the order of the reasons.
const KEYS: [&str; Reason::ALL.len()] = ["outside", "indefinite", "misfit", "estimate"];

impl Flags {
    /// Counts one answer in.
    pub fn add(&mut self, reason: Option<Reason>) {
        if let Some(k) = reason.and_then(|r| Reason::ALL.iter().position(|of| *of == r)) {
            self.counts[k] += 1;
        }
    }

    /// Counts those of another fold in.
    pub fn merge(&mut self, other: &Flags) {
        self.counts.iter_mut().zip(other.counts).for_each(|(own, other)| *own += other);
    }

    /// All that are flagged.
    pub fn count(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Counts by reason.
    pub fn json(&self) -> Value {
        KEYS.iter()
            .zip(self.counts)
            .map(|(key, n)| (key.to_string(), json!(n)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// "3 flagged: 1 outside the training box, 2 with an estimated error above the alarm".
    pub fn words(&self) -> String {
        words(self.count() as u64, &self.json())
    }
}

/// [`Flags::words`] from the JSON.
pub fn words(flagged: u64, reasons: &Value) -> String {
    let of = |(key, reason): (&&str, &Reason)| {
        let n = reasons[*key].as_u64().filter(|n| *n > 0)?;
        Some(format!("{n} {}", reason.words()))
    };
    let reasons: Vec<String> = KEYS.iter().zip(&Reason::ALL).filter_map(of).collect();
    if reasons.is_empty() { format!("{flagged} flagged") } else { format!("{flagged} flagged: {}", reasons.join(", ")) }
}
