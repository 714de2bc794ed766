//! `kolmo explain`.

use super::Global;
use kolmo::error::{Audience, CODES, Code, Error, Result};
use serde_json::{Value, json};

/// Prints cause, mend, commands and an example of one code, or one line for each.
pub fn run(code: Option<&str>, global: &Global) -> Result<()> {
    let Some(code) = code else {
        let lines: Vec<String> = CODES.iter().map(|c| format!("{}  {}", c.code, c.cause)).collect();
        return global.result(&lines.join("\n"), &Value::from_iter(CODES.iter().map(as_json)));
    };
    match CODES.iter().find(|c| c.code.eq_ignore_ascii_case(code)) {
        Some(c) => {
            let from = match c.audience {
                Audience::Program => format!("kolmo {}", c.verbs.join(", ")),
                Audience::Library => "calls of the library".to_string(),
            };
            let text = format!(
                "{}\ncause:   {}\nmend:    {}\nfrom:    {from}\nexample: {}",
                c.code, c.cause, c.mend, c.example
            );
            global.result(&text, &as_json(c))
        }
        None => Err(Error::input(
            "K006",
            "kolmo",
            "explain",
            format!("unknown code `{code}`"),
            format!("one of: {}", CODES.iter().map(|c| c.code).collect::<Vec<_>>().join(", ")),
            "copy the code from the brackets of the error",
        )),
    }
}

fn as_json(c: &Code) -> Value {
    let audience = if c.audience == Audience::Program { "program" } else { "library" };
    json!({"code": c.code, "cause": c.cause, "mend": c.mend, "audience": audience, "commands": c.verbs,
        "example": c.example})
}
