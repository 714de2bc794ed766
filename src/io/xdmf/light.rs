//! The light data of XDMF: the elements of an XML file in document order, found by the paths that XDMF files use.
//!
//! Only start tags are held; text, which may hold all numbers, stays in the file and is read where it is needed.

use crate::error::{Error, Result};
use crate::io::mesh_file::{Bytes, damaged};
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Deepest nesting of elements.
const MAX_DEPTH: usize = 64;
/// Elements that any file may have; larger files may have one more for each `BYTES_PER_ELEMENT`.
const MIN_ELEMENTS: usize = 1 << 19;
const BYTES_PER_ELEMENT: usize = 24;
/// Elements looked at while paths are followed, for one file: a bound for files made to be slow.
const MAX_VISITS: usize = 50_000_000;
/// Bytes of text that are read at once.
const PIECE: u64 = 1 << 20;
/// Longest text that is no array of numbers: names of files, paths.
const MAX_TEXT: u64 = 1 << 16;

/// Number of an element in document order.
pub(crate) type Node = usize;

#[derive(Debug, Clone)]
struct Element {
    /// Start tag without brackets, in `tags`.
    tag: Range<usize>,
    /// All between start tag and end tag, in the file.
    content: Range<usize>,
    /// Behind the last element inside.
    end: Node,
}

/// The elements of a file. Element 0 is the root.
#[derive(Debug)]
pub(crate) struct Light {
    file: Bytes,
    tags: String,
    elements: Vec<Element>,
    n_visits: AtomicUsize,
}

impl Light {
    /// Errors: K001, K002 not XML of XDMF, K003 truncated or damaged. Gives the text too, which the caller drops after opening.
    pub fn open(path: &Path) -> Result<(Light, String)> {
        let file = Bytes::of(path)?;
        let utf8 = |_| damaged(path, "", "bytes that are not UTF-8", "an XML file in UTF-8");
        let text = String::from_utf8(file.read_all()?).map_err(utf8)?;
        let mut light = Light { file, tags: String::new(), elements: Vec::new(), n_visits: AtomicUsize::new(0) };
        light.parse(&text)?;
        if light.elements.is_empty() || light.name(0) != "Xdmf" {
            let found = light.elements.first().map_or("no element of XML".to_string(), |_| light.called(0));
            let mend = "name an XDMF file, or give the file the ending of its format";
            return Err(Error::input("K002", path, "", found, "an XDMF file, which begins with <Xdmf>", mend));
        }
        Ok((light, text))
    }

    fn parse(&mut self, text: &str) -> Result<()> {
        let path = self.file.path.clone();
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Node> = Vec::new();
        let most = MIN_ELEMENTS + text.len() / BYTES_PER_ELEMENT;
        loop {
            let before = reader.buffer_position() as usize;
            let event = reader.read_event().map_err(|e| {
                let place = format!("byte {}", reader.error_position());
                damaged(&path, place, e.to_string(), "well-formed XML")
            })?;
            let after = reader.buffer_position() as usize;
            match event {
                Event::Start(tag) => {
                    open.push(self.elements.len());
                    self.push(&tag, after..after);
                }
                Event::Empty(tag) => self.push(&tag, after..after),
                Event::End(_) => {
                    let n = self.elements.len();
                    if let Some(element) = open.pop().and_then(|i| self.elements.get_mut(i)) {
                        (element.content.end, element.end) = (before, n);
                    }
                }
                Event::Eof => break,
                _ => {}
            }
            if open.len() > MAX_DEPTH || self.elements.len() > most {
                let found = format!("{} elements, nested {} deep", self.elements.len(), open.len());
                return Err(damaged(&path, format!("byte {before}"), found, format!("at most {MAX_DEPTH} deep")));
            }
        }
        match open.last() {
            Some(&node) => Err(damaged(&path, self.called(node), "the end of the file", "the end of the element")),
            None => Ok(()),
        }
    }

    fn push(&mut self, tag: &BytesStart<'_>, content: Range<usize>) {
        let start = self.tags.len();
        self.tags.push_str(&String::from_utf8_lossy(tag));
        let end = self.elements.len() + 1;
        self.elements.push(Element { tag: start..self.tags.len(), content, end });
    }

    /// The file, for messages.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    fn tag(&self, node: Node) -> &str {
        self.elements.get(node).and_then(|e| self.tags.get(e.tag.clone())).unwrap_or_default()
    }

    /// Name without prefix.
    pub fn name(&self, node: Node) -> &str {
        let name = self.tag(node).split(char::is_whitespace).next().unwrap_or_default();
        name.rsplit(':').next().unwrap_or_default()
    }

    /// An attribute of the element.
    pub fn attribute(&self, node: Node, name: &str) -> Option<String> {
        let tag = self.tag(node);
        let name_len = tag.find(char::is_whitespace).unwrap_or(tag.len());
        let start = BytesStart::from_content(tag, name_len);
        let found = start.attributes().with_checks(false).flatten().find(|a| a.key.as_ref() == name.as_bytes())?;
        Some(match found.unescape_value() {
            Ok(value) => value.into_owned(),
            Err(_) => String::from_utf8_lossy(&found.value).into_owned(),
        })
    }

    /// The first of several spellings of an attribute.
    pub fn attribute_of(&self, node: Node, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.attribute(node, name))
    }

    /// Element with its attribute `Name`, for messages.
    pub fn called(&self, node: Node) -> String {
        match self.attribute(node, "Name") {
            Some(name) => format!("<{} Name=\"{name}\">", self.name(node)),
            None => format!("<{}>", self.name(node)),
        }
    }

    /// Whether two elements say the same in the text of the file: the same start tags and contents.
    pub fn same(&self, text: &str, a: Node, b: Node) -> bool {
        let content = |node: Node| self.elements.get(node).and_then(|e| text.get(e.content.clone()));
        a == b || (self.tag(a) == self.tag(b) && content(a) == content(b))
    }

    /// The elements directly inside.
    pub fn children(&self, node: Node) -> impl Iterator<Item = Node> + '_ {
        let end = self.elements.get(node).map_or(0, |e| e.end);
        let first = Some(node + 1).filter(|&n| n < end);
        std::iter::successors(first, move |&n| self.elements.get(n).map(|e| e.end)).take_while(move |&n| n < end)
    }

    /// Those of a name.
    pub fn children_named<'a>(&'a self, node: Node, name: &'a str) -> impl Iterator<Item = Node> + 'a {
        self.children(node).filter(move |&n| self.name(n) == name)
    }

    /// Short text of an element without elements inside: a path, the name of a file.
    pub fn text(&self, node: Node) -> Result<String> {
        let content = self.content(node);
        let n = content.end.saturating_sub(content.start);
        if n > MAX_TEXT {
            return Err(damaged(self.path(), self.called(node), format!("{n} bytes of text"), "the name of a file"));
        }
        let raw = self.file.read(&self.called(node), content.start, n)?;
        let raw = plain(&String::from_utf8_lossy(&raw));
        let text = quick_xml::escape::unescape(&raw)
            .map_err(|e| damaged(self.path(), self.called(node), e.to_string(), "text without entities of its own"))?;
        Ok(text.trim().to_string())
    }

    fn content(&self, node: Node) -> Range<u64> {
        let content = self.elements.get(node).map(|e| e.content.clone()).unwrap_or_default();
        content.start as u64..content.end as u64
    }

    /// Length of the text of an element.
    pub fn text_len(&self, node: Node) -> usize {
        let content = self.content(node);
        content.end.saturating_sub(content.start) as usize
    }

    /// Hands the words of a text to `take`, reading it in pieces.
    pub fn words(&self, node: Node, mut take: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let content = self.content(node);
        let mut rest: Vec<u8> = Vec::new();
        let mut at = content.start;
        while at < content.end {
            let n = PIECE.min(content.end - at);
            rest.extend(self.file.read(&self.called(node), at, n)?);
            at += n;
            // A word may go on in the next piece.
            let whole = match rest.iter().rposition(u8::is_ascii_whitespace) {
                _ if at == content.end => rest.len(),
                Some(last) => last,
                None if rest.len() as u64 > PIECE => rest.len(),
                None => continue,
            };
            let tail = rest.split_off(whole);
            let text = String::from_utf8_lossy(&rest);
            text.split_ascii_whitespace().try_for_each(&mut take)?;
            rest = tail;
        }
        Ok(())
    }

    /// The elements at a path as XPointer and `Reference` use it: `/Xdmf/Domain/Grid[@Name="a"][1]/*[self::Topology or
    /// self::Geometry]`, `//Grid[2]`. Errors: K018 for a path of another form.
    pub fn find(&self, expression: &str) -> Result<Vec<Node>> {
        let other = || {
            let expected = "steps of names with [number], [@Attribute='value'] and [self::Name or self::Name]";
            let mend = "write the file with its data items in place, without references";
            Error::input("K018", self.path(), "", format!("the path {expression}"), expected, mend)
        };
        let inner = expression.trim();
        let inner = inner.strip_prefix("xpointer(").and_then(|e| e.strip_suffix(')')).unwrap_or(inner);
        // The context before the root.
        let mut context: Option<Vec<Node>> = None;
        let mut rest = inner.strip_prefix('/').ok_or_else(other)?;
        loop {
            let deep = rest.starts_with('/');
            let (step, tail) = split_step(rest.strip_prefix('/').unwrap_or(rest));
            let (name, predicates) = step.split_at(step.find('[').unwrap_or(step.len()));
            let predicates: Vec<&str> = predicates.split_terminator(']').collect();
            let predicates: Option<Vec<&str>> = predicates.iter().map(|p| p.trim().strip_prefix('[')).collect();
            let predicates = predicates.filter(|_| !name.trim().is_empty()).ok_or_else(other)?;
            let mut found: Vec<Node> = Vec::new();
            for parent in self.parents(context.as_deref(), deep)? {
                let mut group: Vec<Node> = match parent {
                    Some(parent) => self.children(parent).collect(),
                    None => vec![0],
                };
                self.count(group.len() + 1)?;
                group.retain(|&n| name.trim() == "*" || self.name(n) == name.trim());
                for predicate in &predicates {
                    group = self.filter(group, predicate.trim()).ok_or_else(other)?;
                }
                found.extend(group);
            }
            found.sort_unstable();
            found.dedup();
            match tail {
                Some(tail) => (context, rest) = (Some(found), tail),
                None => return Ok(found),
            }
        }
    }

    /// The elements whose children are looked at; `None` is the one before the root.
    fn parents(&self, context: Option<&[Node]>, deep: bool) -> Result<Vec<Option<Node>>> {
        let Some(context) = context else {
            let all = (0..self.elements.len()).filter(|_| deep).map(Some);
            return Ok(std::iter::once(None).chain(all).collect());
        };
        let mut parents: Vec<Node> = Vec::new();
        for &node in context {
            // Elements are in document order: what the one before has covered is not taken again.
            let first = parents.last().map_or(node, |&last| node.max(last + 1));
            let end = if deep { self.elements.get(node).map_or(node, |e| e.end) } else { node + 1 };
            parents.extend(first..end);
            self.count(1)?;
        }
        Ok(parents.into_iter().map(Some).collect())
    }

    fn count(&self, n: usize) -> Result<()> {
        if self.n_visits.fetch_add(n, Ordering::Relaxed) <= MAX_VISITS {
            return Ok(());
        }
        let expected = "one path for the steps of a series";
        Err(damaged(self.path(), "", "paths that go through the file again and again", expected))
    }

    /// Those that a predicate keeps; `None` where it has another form.
    fn filter(&self, mut nodes: Vec<Node>, predicate: &str) -> Option<Vec<Node>> {
        if let Ok(position) = predicate.parse::<usize>() {
            return Some(nodes.get(position.checked_sub(1)?).copied().into_iter().collect());
        }
        if let Some(test) = predicate.strip_prefix('@') {
            let (name, value) = test.split_once('=')?;
            let value = value.trim();
            let quoted = |q: char| value.strip_prefix(q).and_then(|v| v.strip_suffix(q));
            let value = quoted('\'').or_else(|| quoted('"'))?;
            nodes.retain(|&n| self.attribute(n, name.trim()).is_some_and(|found| found == value));
            return Some(nodes);
        }
        let names: Option<Vec<&str>> = predicate.split(" or ").map(|p| p.trim().strip_prefix("self::")).collect();
        let names = names?;
        nodes.retain(|&n| names.contains(&self.name(n)));
        Some(nodes)
    }
}

/// A step of a path, and what follows its slash; slashes in brackets and quotes belong to the step.
fn split_step(path: &str) -> (&str, Option<&str>) {
    let (mut bracket, mut quote) = (false, None);
    for (i, c) in path.char_indices() {
        match (quote, c) {
            (Some(q), _) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => bracket = true,
            (None, ']') => bracket = false,
            (None, '/') if !bracket => return (&path[..i], Some(&path[i + 1..])),
            _ => {}
        }
    }
    (path, None)
}

/// Text without comments and the brackets of CDATA.
fn plain(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, comment)) = rest.split_once("<!--") {
        plain.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain.replace("<![CDATA[", "").replace("]]>", "")
}
