//! One page, one file: sections, tables and pictures, without anything from elsewhere.

use super::canvas::Drawing;
use std::fmt::Write;

const STYLE: &str = include_str!("report.css");

/// Text as it stands in a page: no markup, no control characters.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            // XML has no place for them.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => safe.push(c),
        }
    }
    safe
}

/// A page that grows from the top; every method escapes what it is given.
#[derive(Debug, Clone, Default)]
pub struct Page {
    title: String,
    summary: String,
    contents: Vec<(String, String)>,
    body: String,
    n_figures: usize,
}

/// A cell of a table: a number or a word, and why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Number(String),
    Text(String),
    /// There is no such number, for this reason.
    Missing(String),
}

impl Cell {
    fn html(&self) -> String {
        match self {
            Cell::Number(text) => format!("<td class=\"number\">{}</td>", escape(text)),
            Cell::Text(text) => format!("<td>{}</td>", escape(text)),
            Cell::Missing(reason) => format!("<td class=\"missing\">none: {}</td>", escape(reason)),
        }
    }
}

impl Page {
    /// An empty page.
    pub fn new(title: &str) -> Page {
        Page { title: title.into(), ..Page::default() }
    }

    /// The one sentence that is read first, and what follows from it.
    pub fn verdict(&mut self, sentence: &str, more: &[String]) {
        let _ = writeln!(self.summary, "<p class=\"verdict\">{}</p>", escape(sentence));
        for text in more {
            let _ = writeln!(self.summary, "<p>{}</p>", escape(text));
        }
    }

    /// The few numbers that are looked for first: name, number, remark.
    pub fn key_numbers(&mut self, numbers: &[[String; 3]]) {
        self.summary.push_str("<dl class=\"keys\">\n");
        for [name, number, remark] in numbers {
            let _ = writeln!(
                self.summary,
                "<div><dt>{}</dt><dd>{}<small>{}</small></dd></div>",
                escape(name),
                escape(number),
                escape(remark)
            );
        }
        self.summary.push_str("</dl>\n");
    }

    /// Starts a section, which the table of contents names.
    pub fn section(&mut self, heading: &str) {
        let id = format!("s{}", self.contents.len() + 1);
        let close = if self.contents.is_empty() { "" } else { "</section>\n" };
        let _ =
            writeln!(self.body, "{close}<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>", escape(heading));
        self.contents.push((id, heading.to_string()));
    }

    /// A heading within a section.
    pub fn heading(&mut self, text: &str) {
        let _ = writeln!(self.body, "<h3>{}</h3>", escape(text));
    }

    /// A paragraph.
    pub fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p>{}</p>", escape(text));
    }

    /// Text as it was written, such as a study.
    pub fn verbatim(&mut self, text: &str) {
        let _ = writeln!(self.body, "<pre tabindex=\"0\">{}</pre>", escape(text.trim_end()));
    }

    /// A table whose first column names the rows.
    pub fn table(&mut self, caption: &str, columns: &[&str], rows: &[(String, Vec<Cell>)]) {
        let _ = write!(self.body, "<div class=\"scroll\"><table><caption>{}</caption>\n<thead><tr>", escape(caption));
        for column in columns {
            let _ = write!(self.body, "<th scope=\"col\">{}</th>", escape(column));
        }
        self.body.push_str("</tr></thead>\n<tbody>\n");
        for (name, cells) in rows {
            let cells: String = cells.iter().map(Cell::html).collect();
            let _ = writeln!(self.body, "<tr><th scope=\"row\">{}</th>{cells}</tr>", escape(name));
        }
        self.body.push_str("</tbody></table></div>\n");
    }

    /// Pictures side by side where there is room: drawing, caption, and numbers beside it (name and value).
    pub fn figures<'a>(&mut self, figures: impl IntoIterator<Item = (&'a Drawing, &'a str, &'a [(String, String)])>) {
        self.body.push_str("<div class=\"figures\">\n");
        for (drawing, caption, facts) in figures {
            self.n_figures += 1;
            let id = format!("f{}", self.n_figures);
            let wide = if drawing.width > 560.0 { " class=\"wide\"" } else { "" };
            let _ = write!(
                self.body,
                "<figure{wide} aria-labelledby=\"{id}-caption\">\n<div class=\"scroll\">{}</div>\
                 <figcaption id=\"{id}-caption\"><b>{}.</b> {}",
                drawing.inline(&id),
                escape(&drawing.title),
                escape(caption)
            );
            for line in drawing.lines.iter().filter(|l| l.ends_with('.')) {
                let _ = write!(self.body, " {}", escape(line));
            }
            self.body.push_str("</figcaption>\n");
            if !facts.is_empty() {
                self.body.push_str("<dl class=\"facts\">");
                for (name, value) in facts {
                    let _ = write!(self.body, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
                }
                self.body.push_str("</dl>\n");
            }
            self.body.push_str("</figure>\n");
        }
        self.body.push_str("</div>\n");
    }

    /// The file: HTML that is well-formed XML too.
    pub fn html(&self) -> String {
        let title = escape(&self.title);
        let mut contents = String::new();
        for (id, heading) in &self.contents {
            let _ = writeln!(contents, "<li><a href=\"#{id}\">{}</a></li>", escape(heading));
        }
        let end = if self.contents.is_empty() { "" } else { "</section>\n" };
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n<link rel=\"icon\" href=\"data:,\"/>\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n{}</header>\n\
             <nav aria-label=\"Contents\"><ol>\n{contents}</ol></nav>\n<main>\n{}{end}</main>\n\
             <footer><p>Written by kolmo {}.</p></footer>\n</body>\n</html>\n",
            self.summary,
            self.body,
            env!("CARGO_PKG_VERSION")
        )
    }
}
