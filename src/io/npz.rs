//! Sizes of the arrays of an `.npz` file, checked before they are read: whoever reads an array asks for the memory that its header
//! claims.
//!
//! PKWARE, .ZIP File Format Specification, sections 4.3 and 4.5.3.

use crate::error::{Error, Result};
use crate::io::mesh_file::{Bytes, cannot_read, damaged};
use crate::io::numpy::{Element, quoted, shape};
use flate2::{Decompress, FlushDecompress};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes at the end of a file in which the directory is told: a comment may follow.
const TAIL: u64 = 22 + 65_535;
/// Longest header of an array, and brackets in it: what parses it calls itself for each.
const HEADER: usize = 1 << 16;
const BRACKETS: usize = 64;
/// Deflate makes 1,032 bytes of one at most.
const MAX_RATIO: u64 = 1100;
const SLACK: u64 = 4096;
/// Stands for a number that is told in 64 bits elsewhere.
const ELSEWHERE: u64 = u32::MAX as u64;

/// Bytes of an array of names at most.
const NAMES: u64 = 1 << 20;

/// A file in the archive.
struct Entry {
    method: u64,
    packed: u64,
    unpacked: u64,
    offset: u64,
}

/// Errors: K001, K003 cut, damaged, or a header that claims more than there is, K005 a header that is not understood.
pub(super) fn check_sizes(path: &Path) -> Result<()> {
    let bytes = Bytes::of(path)?;
    entries(&bytes)?.iter().try_for_each(|entry| entry.check(&bytes))
}

/// The number in `n` bytes from `at` on, zero where they are not there.
fn number(bytes: &[u8], at: usize, n: usize) -> u64 {
    bytes.get(at..at + n).unwrap_or_default().iter().rev().fold(0, |value, &b| value << 8 | u64::from(b))
}

fn entries(bytes: &Bytes) -> Result<Vec<Entry>> {
    let cut = || damaged(&bytes.path, "", "no directory of the archive", "a whole .npz file");
    let begin = bytes.len.saturating_sub(TAIL);
    let tail = bytes.read("", begin, bytes.len - begin)?;
    let end = memchr::memmem::rfind(&tail, b"PK\x05\x06").ok_or_else(cut)?;
    let (mut size, mut offset) = (number(&tail, end + 12, 4), number(&tail, end + 16, 4));
    if (size == ELSEWHERE || offset == ELSEWHERE)
        && let Some(locator) = end.checked_sub(20).and_then(|at| tail.get(at..end))
    {
        let record = bytes.read("", number(locator, 8, 8), 56)?;
        (size, offset) = (number(&record, 40, 8), number(&record, 48, 8));
    }
    let directory = bytes.read("", offset, size)?;
    let (mut rest, mut found) = (directory.as_slice(), Vec::new());
    while !rest.is_empty() {
        if !rest.starts_with(b"PK\x01\x02") || rest.len() < 46 {
            return Err(cut());
        }
        let [name, extra, comment] = [28, 30, 32].map(|at| number(rest, at, 2) as usize);
        let [mut packed, mut unpacked, mut offset] = [20, 24, 42].map(|at| number(rest, at, 4));
        let mut fields = rest.get(46 + name..46 + name + extra).ok_or_else(cut)?;
        while fields.len() >= 4 {
            let n = 4 + number(fields, 2, 2) as usize;
            if number(fields, 0, 2) == 1 {
                let mut at = 4;
                for value in [&mut unpacked, &mut packed, &mut offset] {
                    if *value == ELSEWHERE {
                        *value = number(fields, at, 8);
                        at += 8;
                    }
                }
            }
            fields = fields.get(n..).unwrap_or_default();
        }
        found.push(Entry { method: number(rest, 10, 2), packed, unpacked, offset });
        rest = rest.get(46 + name + extra + comment..).ok_or_else(cut)?;
    }
    Ok(found)
}

impl Entry {
    /// The first bytes of an array; `None` for a way of packing that is refused later.
    fn head(&self, bytes: &Bytes) -> Result<Option<Vec<u8>>> {
        let local = bytes.read("", self.offset, 30)?;
        let begin = self.offset + 30 + number(&local, 26, 2) + number(&local, 28, 2);
        let packed = bytes.read("", begin, self.packed.min(HEADER as u64))?;
        match self.method {
            0 => Ok(Some(packed)),
            8 => {
                let mut head = Vec::with_capacity(HEADER);
                let done = Decompress::new(false).decompress_vec(&packed, &mut head, FlushDecompress::None);
                done.map_err(|_| damaged(&bytes.path, "", "data that cannot be unpacked", "a whole .npz file"))?;
                Ok(Some(head))
            }
            _ => Ok(None),
        }
    }

    fn check(&self, bytes: &Bytes) -> Result<()> {
        let Some(head) = self.head(bytes)?.filter(|head| head.starts_with(b"\x93NUMPY")) else { return Ok(()) };
        let (start, length) = match head.get(6) {
            Some(1) => (10, number(&head, 8, 2) as usize),
            _ => (12, number(&head, 8, 4) as usize),
        };
        let Some(text) = head.get(start..start + length) else {
            let found = format!("a header of {length} bytes");
            return Err(damaged(&bytes.path, "", found, "the header of an array, and the array"));
        };
        let text = String::from_utf8_lossy(text);
        let unknown = |found: &str| {
            let (expected, mend) = ("a header as NumPy writes it", "write the file with numpy.savez");
            Err(Error::input("K005", &bytes.path, "header", found, expected, mend))
        };
        if text.matches(['(', '[', '{']).count() > BRACKETS {
            return unknown("a type of many parts");
        }
        // Records are passed over, as is all that is no number.
        let is_record = |(_, rest): (&str, &str)| rest.trim_start().starts_with('[');
        if text.split_once("'descr':").is_some_and(is_record) {
            return Ok(());
        }
        let Some(shape) = shape(&text) else { return unknown("no shape") };
        let Some(descr) = quoted(&text, "'descr':") else { return unknown("no type of values") };
        let Some(element) = Element::parse(descr) else { return Ok(()) };
        let n_bytes = shape.iter().try_fold(element.size as u64, |n, &m| n.checked_mul(m as u64));
        let end = n_bytes.and_then(|n| n.checked_add((start + length) as u64));
        let most = self.packed.saturating_mul(MAX_RATIO).saturating_add(SLACK).min(self.unpacked);
        if end.is_some_and(|end| end <= most) {
            return Ok(());
        }
        let found = format!("an array of shape {shape:?} in {} bytes", self.packed);
        Err(damaged(&bytes.path, "", found, "as many bytes as the shape says"))
    }
}

/// The texts of the array `name` [n], none where there is no such array. Errors: K005 another number of them, a name twice, or no texts.
pub(super) fn names(path: &Path, name: &str, n: usize) -> Result<Option<Vec<String>>> {
    let cut = |e: &dyn std::fmt::Display| damaged(path, format!("array {name}"), e.to_string(), "a whole NumPy file");
    let mut zip = zip::ZipArchive::new(File::open(path).map_err(|e| cannot_read(path, &e))?).map_err(|e| cut(&e))?;
    let mut bytes = Vec::new();
    match zip.by_name(&format!("{name}.npy")) {
        Ok(file) => file.take(NAMES).read_to_end(&mut bytes).map_err(|e| cut(&e))?,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(e) => return Err(cut(&e)),
    };
    let refuse = |found: String| {
        let (expected, mend) =
            (format!("{n} names that differ"), "write the names with numpy.array, one for each column");
        Error::input("K005", path, format!("array {name}"), found, expected, mend)
    };
    let names = texts(&bytes).ok_or_else(|| refuse("no array of texts".into()))?;
    if names.len() != n {
        return Err(refuse(format!("{} names", names.len())));
    }
    let bad = (0..n).find(|&j| names[j].trim().is_empty() || names[..j].contains(&names[j]));
    bad.map_or(Ok(Some(names.clone())), |j| Err(refuse(format!("column {j} called `{}`", names[j]))))
}

/// The texts of an array in one axis, of four bytes a character or of one.
fn texts(bytes: &[u8]) -> Option<Vec<String>> {
    let (start, length): (usize, usize) = match (bytes.starts_with(b"\x93NUMPY"), bytes.get(6)) {
        (true, Some(1)) => (10, number(bytes, 8, 2) as usize),
        (true, _) => (12, number(bytes, 8, 4) as usize),
        _ => return None,
    };
    let text = String::from_utf8_lossy(bytes.get(start..start.checked_add(length)?)?).into_owned();
    let descr = quoted(&text, "'descr':")?;
    let (unit, width) = match descr.strip_prefix("<U") {
        Some(width) => (4, width),
        None => (1, descr.strip_prefix("|S")?),
    };
    let size = width.parse::<usize>().ok()?.checked_mul(unit).filter(|&size| size > 0)?;
    let (found, shape) = (bytes.get(start + length..)?, shape(&text)?);
    let [n] = shape[..] else { return None };
    if found.len() != size.checked_mul(n)? {
        return None;
    }
    let word = |bytes: &[u8]| match unit {
        1 => Some(String::from_utf8_lossy(bytes).trim_end_matches('\0').to_string()),
        _ => {
            let numbers = bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b));
            numbers.take_while(|&c| c > 0).map(char::from_u32).collect::<Option<String>>()
        }
    };
    found.chunks_exact(size).map(word).collect()
}
