//! Expressions of parameters and coordinates that a study writes down.

use crate::data::study::unknown_name;
use crate::error::{Error, Result};
use exmex::{Express, FlatEx};
use std::path::Path;

/// A function of named variables, such as `1 + 0.9 * sin(2 * PI * mu * x) * exp(-mu * x)`.
///
/// Operators and functions are those of the crate `exmex`: `+ - * / ^`, `sin cos tan asin acos atan atan2 sinh cosh tanh exp ln
/// log2 log10 sqrt abs floor ceil round signum min max`, and the constants `PI` and `E`.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    parsed: FlatEx<f64>,
    /// Place in the caller's variables of each variable of the expression.
    places: Vec<usize>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        self.text == other.text && self.places == other.places
    }
}

impl Expression {
    /// Parses `text`, in which only `variables` may occur. Errors, with `file` and `place`: K012 no expression, K006 a
    /// variable that is not known.
    pub fn parse(text: &str, variables: &[String], file: &Path, place: &str) -> Result<Expression> {
        let wrong = |e: exmex::ExError| {
            let mend = "mend the expression, or see the list of functions in the README";
            Error::input("K012", file, place, format!("`{text}`: {e}"), "an expression like 1 + mu^2 * sin(x)", mend)
        };
        let parsed = exmex::parse::<f64>(text).map_err(wrong)?;
        let place_of = |name: &String| {
            variables.iter().position(|v| v == name).ok_or_else(|| {
                let known: Vec<&str> = variables.iter().map(String::as_str).collect();
                unknown_name(file, place, "variable", name, &known)
            })
        };
        let places = parsed.var_names().iter().map(place_of).collect::<Result<_>>()?;
        Ok(Expression { text: text.to_string(), parsed, places })
    }

    /// The text that was parsed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value at `variables`, in the order that was given to [`parse`](Self::parse); may be infinite or not a number.
    pub fn value(&self, variables: &[f64]) -> f64 {
        let own: Vec<f64> = self.places.iter().map(|p| variables[*p]).collect();
        self.parsed.eval(&own).unwrap_or(f64::NAN)
    }
}
