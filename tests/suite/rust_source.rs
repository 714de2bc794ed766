//! A small reader of Rust sources for the checks of the architecture: tokens without comments and texts, and paths.

use std::collections::HashMap;

/// A word, a number, a lifetime, `::`, or one character of punctuation; a text becomes `""`.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub text: String,
    /// From 1.
    pub line: usize,
}

/// A path such as `crate::linalg::tall::TallMatrix`; trees of `use` are spread out into one path per leaf.
#[derive(Debug, Clone, PartialEq)]
pub struct PathUse {
    pub segments: Vec<String>,
    pub line: usize,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Splits a source into tokens; comments are left out.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut i, mut line, mut found) = (0, 1, Vec::new());
    while i < chars.len() {
        let (begin, first_line) = (i, line);
        let mut text = String::new();
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                while i < chars.len() {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            '"' => {
                i = end_of_text(&chars, i);
                text.push_str("\"\"");
            }
            '\'' if at(i + 1) == '\\' || at(i + 2) == '\'' => {
                i += if at(i + 1) == '\\' { 3 } else { 2 };
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
                text.push_str("\"\"");
            }
            '\'' => {
                i += 1;
                while is_word(at(i)) {
                    i += 1;
                }
                text.extend(&chars[begin..i]);
            }
            c if is_word(c) => {
                while is_word(at(i)) {
                    i += 1;
                }
                text.extend(&chars[begin..i]);
                let raw = matches!(text.as_str(), "r" | "br" | "cr") && matches!(at(i), '"' | '#');
                if raw && let Some(end) = end_of_raw_text(&chars, i) {
                    (i, text) = (end, "\"\"".into());
                } else if matches!(text.as_str(), "b" | "c") && at(i) == '"' {
                    (i, text) = (end_of_text(&chars, i), "\"\"".into());
                }
            }
            ':' if at(i + 1) == ':' => {
                i += 2;
                text.push_str("::");
            }
            c => {
                i += 1;
                if !c.is_whitespace() {
                    text.push(c);
                }
            }
        }
        line += chars[begin..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
        if !text.is_empty() {
            found.push(Token { text, line: first_line });
        }
    }
    found
}

fn end_of_text(chars: &[char], begin: usize) -> usize {
    let mut i = begin + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn end_of_raw_text(chars: &[char], begin: usize) -> Option<usize> {
    let hashes = chars[begin..].iter().take_while(|c| **c == '#').count();
    if chars.get(begin + hashes) != Some(&'"') {
        return None;
    }
    let mut i = begin + hashes + 1;
    while i < chars.len() {
        if chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return Some(i + 1 + hashes);
        }
        i += 1;
    }
    None
}

/// Index of the bracket that closes the one at `open`.
fn closing(tokens: &[Token], open: usize) -> usize {
    let pairs: HashMap<&str, &str> = HashMap::from([("{", "}"), ("(", ")"), ("[", "]")]);
    let begin = tokens[open].text.as_str();
    let end = pairs[begin];
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        if token.text == begin {
            depth += 1;
        } else if token.text == end {
            depth -= 1;
            if depth == 0 {
                return i;
            }
        }
    }
    tokens.len() - 1
}

/// The tokens without items under `#[cfg(test)]`.
pub fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut i, mut kept) = (0, Vec::new());
    while i < tokens.len() {
        if tokens[i..].iter().take(7).map(|t| t.text.as_str()).eq(attribute) {
            let end = (i + 7..tokens.len()).find(|&j| matches!(tokens[j].text.as_str(), "{" | ";"));
            i = match end {
                Some(j) if tokens[j].text == "{" => closing(tokens, j) + 1,
                Some(j) => j + 1,
                None => tokens.len(),
            };
        } else {
            kept.push(tokens[i].clone());
            i += 1;
        }
    }
    kept
}

/// All paths of a file of the module `module` (its folders and name); `super` and `self` at their begin are resolved to
/// `crate::…`.
pub fn paths(tokens: &[Token], module: &[String]) -> Vec<PathUse> {
    let mut found = Vec::new();
    // Ends of the inline modules around the current token, with their names.
    let mut inline: Vec<(usize, String)> = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        inline.retain(|(end, _)| i < *end);
        let text = tokens[i].text.as_str();
        let next = |k: usize| tokens.get(i + k).map_or("", |t| t.text.as_str());
        if text == "mod" && next(2) == "{" {
            inline.push((closing(tokens, i + 2), next(1).to_string()));
            i += 3;
            continue;
        }
        let begins = text == "use" || (is_path_word(text) && next(1) == "::" && (i == 0 || tokens[i - 1].text != "::"));
        if !begins {
            i += 1;
            continue;
        }
        let mut here: Vec<String> = module.to_vec();
        here.extend(inline.iter().map(|(_, name)| name.clone()));
        let mut leaves = Vec::new();
        i = if text == "use" { tree(tokens, i + 1, &[], &mut leaves) } else { plain(tokens, i, &mut leaves) };
        found.extend(leaves.into_iter().map(|p| PathUse { segments: resolve(p.segments, &here), line: p.line }));
    }
    found
}

fn is_path_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// A path in an expression or a type; returns the index after it.
fn plain(tokens: &[Token], begin: usize, leaves: &mut Vec<PathUse>) -> usize {
    let mut segments = vec![tokens[begin].text.clone()];
    let mut i = begin + 1;
    while i + 1 < tokens.len() && tokens[i].text == "::" && is_path_word(&tokens[i + 1].text) {
        segments.push(tokens[i + 1].text.clone());
        i += 2;
    }
    leaves.push(PathUse { segments, line: tokens[begin].line });
    i
}

/// A tree of `use`; returns the index after it.
fn tree(tokens: &[Token], begin: usize, prefix: &[String], leaves: &mut Vec<PathUse>) -> usize {
    let mut segments = prefix.to_vec();
    let mut i = begin;
    while i < tokens.len() {
        match tokens[i].text.as_str() {
            "::" => i += 1,
            "{" => {
                let end = closing(tokens, i);
                i += 1;
                while i < end {
                    i = tree(tokens, i, &segments, leaves);
                    i += usize::from(tokens[i].text == ",");
                }
                return end + 1;
            }
            "as" => i += 2,
            "," | ";" | "}" => break,
            word => {
                segments.push(word.to_string());
                i += 1;
            }
        }
    }
    let line = tokens[begin.min(tokens.len() - 1)].line;
    leaves.push(PathUse { segments, line });
    i
}

fn resolve(segments: Vec<String>, here: &[String]) -> Vec<String> {
    let n_super = segments.iter().take_while(|s| *s == "super").count();
    let n_self = usize::from(n_super == 0 && segments[0] == "self");
    if n_super + n_self == 0 {
        return segments;
    }
    let base = here.len().saturating_sub(n_super);
    let mut full = vec!["crate".to_string()];
    full.extend_from_slice(&here[..base]);
    full.extend_from_slice(&segments[n_super + n_self..]);
    full
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        tokens(source).into_iter().map(|t| t.text).collect()
    }

    fn spread(source: &str, module: &[&str]) -> Vec<String> {
        let module: Vec<String> = module.iter().map(|m| m.to_string()).collect();
        paths(&tokens(source), &module).into_iter().map(|p| p.segments.join("::")).collect()
    }

    #[test]
    fn comments_and_texts_are_left_out() {
        let source = "a // b::c\n/* d /* e */ f */ g \"h // \\\" i\" r#\"j\"k\"# 'l' '\\'' 'm b\"n\" o::p";
        assert_eq!(texts(source), ["a", "g", "\"\"", "\"\"", "\"\"", "\"\"", "'m", "\"\"", "o", "::", "p"]);
        assert_eq!(tokens("a\n\"b\nc\"\nd")[2].line, 4);
    }

    #[test]
    fn trees_of_use_are_spread_out() {
        let source = "use crate::{a::{self, B}, c as d, e::*};\nuse faer::Mat;";
        assert_eq!(spread(source, &[]), ["crate::a::self", "crate::a::B", "crate::c", "crate::e::*", "faer::Mat"]);
        assert_eq!(spread("let x = a::<B>::c(d::E, f);", &[]), ["a", "d::E"]);
    }

    #[test]
    fn super_is_resolved() {
        let module = ["linalg", "tall"];
        assert_eq!(
            spread("use super::tsqr::R; use super::super::io::X;", &module),
            ["crate::linalg::tsqr::R", "crate::io::X"]
        );
        assert_eq!(
            spread("mod tests { use super::*; } super::a();", &module),
            ["crate::linalg::tall::*", "crate::linalg::a"]
        );
    }

    #[test]
    fn tests_are_left_out() {
        let source = "a(); #[cfg(test)] mod tests { fn b() { c(); } } #[cfg(test)] mod d; e();";
        let kept: Vec<String> = without_tests(&tokens(source)).into_iter().map(|t| t.text).collect();
        assert_eq!(kept.join(""), "a();e();");
    }
}
