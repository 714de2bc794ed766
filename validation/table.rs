//! One table for all cases: what was found, what was promised.

use std::fmt;

/// What a number is held to.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Between(f64, f64),
    /// Printed beside others, to read them by.
    Shown,
}

/// Rows of all cases so far.
#[derive(Default)]
pub struct Table {
    case: String,
    rows: Vec<(String, String, f64, Bound)>,
}

impl Bound {
    /// A number that is not one (0 / 0) is held by no bound.
    fn holds(self, found: f64) -> bool {
        match self {
            Bound::AtMost(most) => found <= most,
            Bound::AtLeast(least) => found >= least,
            Bound::Between(least, most) => least <= found && found <= most,
            Bound::Shown => true,
        }
    }
}

impl Table {
    /// The rows that follow belong to this case.
    pub fn begin(&mut self, case: &str) {
        self.case = case.to_string();
    }

    /// Adds a row.
    pub fn row(&mut self, quantity: impl Into<String>, found: f64, bound: Bound) {
        self.rows.push((self.case.clone(), quantity.into(), found, bound));
    }

    /// Number of rows whose bound does not hold.
    pub fn n_failed(&self) -> usize {
        self.rows.iter().filter(|(_, _, found, bound)| !bound.holds(*found)).count()
    }
}

/// Three or four significant digits.
fn short(x: f64) -> String {
    let size = x.abs();
    if x == 0.0 || !x.is_finite() {
        format!("{x}")
    } else if !(1e-2..1e4).contains(&size) {
        format!("{x:.2e}")
    } else {
        let text = format!("{x:.*}", (3 - size.log10().floor() as i32).max(0) as usize);
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Bound::AtMost(most) => write!(f, "<= {}", short(most)),
            Bound::AtLeast(least) => write!(f, ">= {}", short(least)),
            Bound::Between(least, most) => write!(f, "{} to {}", short(least), short(most)),
            Bound::Shown => write!(f, "-"),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|r| r.1.len()).max().unwrap_or(0).max("quantity".len());
        let cases = self.rows.iter().map(|r| r.0.len()).max().unwrap_or(0).max("case".len());
        let mut line = |case: &str, quantity: &str, found: &str, bound: &str, ok: &str| {
            writeln!(f, "| {case:cases$} | {quantity:width$} | {found:>9} | {bound:>15} | {ok:3} |")
        };
        line("case", "quantity", "found", "bound", "ok")?;
        line(&"-".repeat(cases), &"-".repeat(width), "--------:", "--------------:", "---")?;
        for (case, quantity, found, bound) in &self.rows {
            let ok = match bound {
                Bound::Shown => "",
                _ if bound.holds(*found) => "yes",
                _ => "NO",
            };
            line(case, quantity, &short(*found), &bound.to_string(), ok)?;
        }
        Ok(())
    }
}
