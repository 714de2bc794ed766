//! `[operators]`: how operators are decomposed.

use crate::error::Error;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// `[operators]`, and `[operators.NAME]` for one operator, `rhs`, or an output.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Operators {
    /// What is asked of the new operator online; None: the engine chooses.
    pub door: Option<Door>,
    /// Number of terms of each operator.
    pub terms: Option<usize>,
    /// Largest relative misfit of a training matrix.
    pub tolerance: Option<f64>,
    /// Entries per operator that are asked for online.
    pub entries: Option<usize>,
    /// How the reduced system is projected.
    pub projection: Projection,
    /// Operators that do not depend on the parameter, although the file has a matrix for each.
    pub affine: Vec<String>,
    #[serde(flatten)]
    pub own: BTreeMap<String, OwnTable>,
}

/// `[operators.NAME]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct OwnTable {
    pub door: Option<Door>,
    pub terms: Option<usize>,
    pub tolerance: Option<f64>,
    pub entries: Option<usize>,
    /// Functions g_s(mu, x) that the operator is linear in; of affine terms their coefficients.
    pub expressions: Vec<Function>,
    /// A factor rho(mu) of all functions.
    pub amplitude: Option<String>,
    /// Ranges of the coordinates, `{ r = [0.0, 2.0, 2001] }`; default: points and cells of the mesh as x, y, z.
    pub points: BTreeMap<String, (f64, f64, usize)>,
}

/// What is asked of a new operator online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// Nothing: coefficients come from functions that the study writes down.
    #[serde(alias = "a", alias = "expressions")]
    Functions,
    /// Some of its entries.
    #[serde(alias = "b")]
    Entries,
    /// Nothing: coefficients are learnt from the training matrices.
    #[serde(alias = "c", alias = "learnt", alias = "data")]
    Learned,
}

/// Galerkin, least squares, or as the operator asks for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Projection {
    #[default]
    Auto,
    Galerkin,
    #[serde(alias = "minimum-residual")]
    LeastSquares,
}

/// A real function, or the two parts of a complex one.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Function {
    Real(String),
    Complex { re: String, im: String },
}

/// Points that functions may be sampled at: those of all axes together.
const MOST_POINTS: usize = 10_000_000;
const KEYS: &[&str] = &["door", "terms", "tolerance", "entries", "projection", "affine"];
const OWN: &[&str] = &["door", "terms", "tolerance", "entries", "expressions", "amplitude", "points"];

/// Tells `unknown` of all tables of the section, with the keys that are known.
pub(crate) fn check_keys(study: &toml::Table, unknown: &mut dyn FnMut(&str, &toml::Table, &[&str])) {
    let Some(toml::Value::Table(section)) = study.get("operators") else { return };
    let (tables, keys): (Vec<_>, Vec<_>) = section.iter().partition(|(_, v)| v.is_table());
    let own = keys.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    unknown("[operators]", &own, KEYS);
    for (name, table) in tables {
        if let Some(table) = table.as_table() {
            unknown(&format!("[operators.{name}]"), table, OWN);
        }
    }
}

impl Operators {
    /// The settings of one operator: its own, else the common ones.
    pub fn of(&self, name: &str) -> OwnTable {
        let own = self.own.get(name).cloned().unwrap_or_default();
        OwnTable {
            door: own.door.or(self.door),
            terms: own.terms.or(self.terms),
            tolerance: own.tolerance.or(self.tolerance),
            entries: own.entries.or(self.entries),
            ..own
        }
    }

    /// All values that are out of range.
    pub fn check(&self, file: &Path) -> Vec<Error> {
        let mut problems = Vec::new();
        let mut wrong = |place: String, found: String, expected: &str| {
            problems.push(Error::input("K009", file, place, found, expected, format!("choose {expected}")));
        };
        let common =
            OwnTable { terms: self.terms, tolerance: self.tolerance, entries: self.entries, ..Default::default() };
        let named = self.own.iter().map(|(name, own)| (format!("[operators.{name}]"), own));
        for (place, table) in named.chain([("[operators]".to_string(), &common)]) {
            if table.terms == Some(0) {
                wrong(format!("{place} terms"), "0".into(), "at least one term");
            }
            if let Some(t) = table.tolerance.filter(|t| !(*t >= 0.0 && *t < 1.0)) {
                wrong(format!("{place} tolerance"), t.to_string(), "a tolerance in [0, 1)");
            }
            if table.entries == Some(0) {
                wrong(format!("{place} entries"), "0".into(), "at least one entry");
            }
            for (name, (from, to, n)) in &table.points {
                if !(from.is_finite() && to.is_finite() && from < to && *n >= 2) {
                    wrong(
                        format!("{place} points.{name}"),
                        format!("[{from}, {to}, {n}]"),
                        "[from, to, number] with from < to and at least 2 points",
                    );
                }
            }
            let n_points = table.points.values().try_fold(1_usize, |n, axis| n.checked_mul(axis.2));
            if n_points.is_none_or(|n| n > MOST_POINTS) {
                let counts: Vec<String> = table.points.values().map(|axis| axis.2.to_string()).collect();
                let expected = format!("at most {MOST_POINTS} points in all");
                wrong(format!("{place} points"), format!("{} points", counts.join(" x ")), &expected);
            }
            if table.door == Some(Door::Functions) && table.expressions.is_empty() && place != "[operators]" {
                wrong(
                    format!("{place} door"),
                    "functions without expressions".into(),
                    "expressions = [\"…\"] beside door = \"functions\"",
                );
            }
        }
        problems
    }
}
