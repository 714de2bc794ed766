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

/// Names that are numbers unless they stand in braces.
const CONSTANTS: [&str; 6] = ["E", "e", "PI", "TAU", "π", "τ"];

fn of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `name` stands in a text as a word of its own, outside braces.
fn is_bare(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(i, _)| {
        let (before, after) = (text[..i].chars().next_back(), text[i + name.len()..].chars().next());
        !before.is_some_and(|c| of_name(c) || c == '{') && !after.is_some_and(|c| of_name(c) || c == '}')
    })
}

/// The text with numbers like 1e-3 written out: the parser takes their `e` for a name.
fn plain_numbers(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find(|c: char| of_name(c) || c == '.') {
        plain.push_str(&rest[..start]);
        rest = &rest[start..];
        let word = rest.find(|c: char| !of_name(c) && c != '.').unwrap_or(rest.len());
        let end = exponent_end(rest, word);
        let token = &rest[..end];
        match token.parse::<f64>() {
            Ok(x) if token.starts_with(|c: char| c.is_ascii_digit() || c == '.') && x.is_finite() => {
                plain.push_str(&format!("{x}"));
            }
            _ => plain.push_str(token),
        }
        rest = &rest[end..];
    }
    plain + rest
}

/// Where a number ends whose first part is `rest[..word]`: behind its exponent, where that has a sign.
fn exponent_end(rest: &str, word: usize) -> usize {
    let mantissa = rest[..word].strip_suffix(['e', 'E']);
    let is_number =
        mantissa.is_some_and(|m| m.starts_with(|c: char| c.is_ascii_digit() || c == '.') && m.parse::<f64>().is_ok());
    let behind = &rest[word..];
    match is_number && behind.starts_with(['+', '-']) {
        true => {
            let digits = behind[1..].chars().take_while(char::is_ascii_digit).count();
            if digits > 0 { word + 1 + digits } else { word }
        }
        false => word,
    }
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
        if let Some(constant) = CONSTANTS.iter().find(|c| variables.iter().any(|v| v == *c) && is_bare(text, c)) {
            let found = format!("`{constant}` in `{text}`, the name of a parameter and of a constant");
            let expected = format!("{{{constant}}} in braces for the parameter");
            let mend = "write the braces, or give the parameter another name";
            return Err(Error::input("K006", file, place, found, expected, mend));
        }
        let parsed = exmex::parse::<f64>(&plain_numbers(text)).map_err(wrong)?;
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
