//! The XML of VTK files: elements in order, with the places of texts, read as a stream; raw appended data is never looked at.

use crate::error::{Error, Result};
use crate::io::mesh_file::{Bytes, cannot_read, damaged};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;

/// More pieces, or arrays, than any writer makes.
const MAX_ELEMENTS: usize = 200_000;
/// Bytes at the end of a file in which its last tag is sought.
const TAIL: u64 = 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Attributes of an element.
#[derive(Debug, Clone)]
pub(crate) struct Attributes(Vec<(String, String)>);

impl Attributes {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A count. Errors: K003 where it is no number from 0 on.
    pub fn count(&self, path: &Path, name: &str) -> Result<Option<usize>> {
        let refuse = |v: &str| damaged(path, name, format!("{name}=\"{v}\""), "a count");
        self.get(name).map(|v| v.trim().parse().map_err(|_| refuse(v))).transpose()
    }
}

/// What stands in an XML file.
#[derive(Debug)]
pub(crate) enum Item {
    Start(String, Attributes),
    /// Bytes of a text that is not white space.
    Text(Range<u64>),
    End,
}

/// A VTK file as a stream of elements.
pub(crate) struct Xml<'a> {
    path: &'a Path,
    reader: Reader<BufReader<File>>,
    buffer: Vec<u8>,
    /// Bytes before those that the reader counts.
    skipped: u64,
    /// Names of the elements that are open.
    open: Vec<String>,
    n_elements: usize,
}

impl<'a> Xml<'a> {
    /// Opens a VTK file of the type `kind`, and the attributes of its root. Errors: K001, K002 where it is another file.
    pub fn open(bytes: &'a Bytes, kind: &str) -> Result<(Xml<'a>, Attributes)> {
        let path = bytes.path.as_path();
        let file = File::open(path).map_err(|e| cannot_read(path, &e))?;
        let mut source = BufReader::with_capacity(1 << 14, file);
        let start = source.fill_buf().map_err(|e| cannot_read(path, &e))?;
        let skipped = if start.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() as u64 } else { 0 };
        let mut reader = Reader::from_reader(source);
        reader.config_mut().expand_empty_elements = true;
        let mut xml = Xml { path, reader, buffer: Vec::new(), skipped, open: Vec::new(), n_elements: 0 };
        let expected = format!("a VTK file of the type {kind}");
        let other = |found: &str, mend: &str| Error::input("K002", path, "", found, &expected, mend);
        let no_vtk = "name a file that VTK, ParaView, meshio or kolmo has written";
        let attributes = loop {
            match xml.next() {
                Ok(Some(Item::Start(name, attributes))) if name == "VTKFile" => break attributes,
                Ok(Some(Item::Start(name, _))) => return Err(other(&format!("an XML file of <{name}>"), no_vtk)),
                Ok(Some(_)) => {}
                Err(e) if e.code() == "K001" => return Err(e),
                Ok(None) | Err(_) => return Err(other("another format", no_vtk)),
            }
        };
        match attributes.get("type") {
            Some(found) if found == kind => Ok((xml, attributes)),
            Some(found) => Err(other(&format!("a VTK file of the type {found}"), "write an UnstructuredGrid")),
            None => Err(other("a VTK file without a type", "write an UnstructuredGrid")),
        }
    }

    /// Byte after the last item.
    pub fn position(&self) -> u64 {
        self.skipped + self.reader.buffer_position()
    }

    /// The next item; `None` at the end of the document. Errors: K003 where it ends too early or is no XML.
    pub fn next(&mut self) -> Result<Option<Item>> {
        loop {
            self.buffer.clear();
            let before = self.position();
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(quick_xml::Error::Io(e)) => return Err(cannot_read(self.path, &e)),
                Err(e) => return Err(broken(self.path, before, &e.to_string())),
            };
            match event {
                Event::Start(start) => {
                    let name = String::from_utf8_lossy(start.name().as_ref()).into_owned();
                    let attributes = attributes(self.path, before, &start)?;
                    self.n_elements += usize::from(["DataArray", "Array", "Piece", "DataSet"].contains(&name.as_str()));
                    if self.n_elements > MAX_ELEMENTS {
                        let expected = format!("{MAX_ELEMENTS} pieces and arrays at most");
                        return Err(damaged(self.path, "", "more of them", expected));
                    }
                    self.open.push(name.clone());
                    return Ok(Some(Item::Start(name, attributes)));
                }
                Event::End(_) => {
                    self.open.pop();
                    return Ok(Some(Item::End));
                }
                Event::Text(text) if text.iter().any(|b| !b.is_ascii_whitespace()) => {
                    drop(text);
                    return Ok(Some(Item::Text(before..self.position())));
                }
                Event::Eof => {
                    return match self.open.last() {
                        None => Ok(None),
                        Some(name) => {
                            Err(damaged(self.path, "", format!("the end of the file inside <{name}>"), "a whole file"))
                        }
                    };
                }
                _ => {}
            }
        }
    }
}

fn broken(path: &Path, at: u64, reason: &str) -> Error {
    damaged(path, format!("byte {at}"), reason, "XML as VTK writes it")
}

fn attributes(path: &Path, at: u64, start: &BytesStart<'_>) -> Result<Attributes> {
    let mut found = Vec::new();
    // The check for names given twice takes the square of their number.
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|e| broken(path, at, &e.to_string()))?;
        let value =
            attribute.decode_and_unescape_value(start.decoder()).map_err(|e| broken(path, at, &e.to_string()))?;
        found.push((String::from_utf8_lossy(attribute.key.as_ref()).into_owned(), value.into_owned()));
    }
    Ok(Attributes(found))
}

/// Refuses a file that lacks its last tag: whoever writes it has not come to its end.
pub(crate) fn check_end(bytes: &Bytes) -> Result<()> {
    let n = bytes.len.min(TAIL);
    let tail = bytes.read("", bytes.len - n, n)?;
    if memchr::memmem::find(&tail, b"</VTKFile").is_some() {
        return Ok(());
    }
    let mend = "wait until the program that writes it has ended, or copy or write the file again";
    let found = format!("the end of the file at byte {}", bytes.len);
    Err(Error::input("K003", &bytes.path, "", found, "</VTKFile> at the end", mend))
}
