//! Numbers and lines of .msh files, as text or binary, each read from bytes that are there.

use crate::error::{Error, Result};
use crate::io::mesh_file::damaged;
use std::path::Path;

/// How a file writes its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Text,
    /// `size` is the width in bytes of a count: 4 or 8.
    Binary {
        big_endian: bool,
        size: usize,
    },
}

/// A place in a section of a file.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    pub path: &'a Path,
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` begin in the file, and their section, for messages.
    first: u64,
    pub section: String,
    pub encoding: Encoding,
}

impl<'a> Cursor<'a> {
    pub fn new(path: &'a Path, bytes: &'a [u8], first: u64, section: &str, encoding: Encoding) -> Self {
        Cursor { path, bytes, at: 0, first, section: section.into(), encoding }
    }

    /// Offset in the file.
    pub fn offset(&self) -> u64 {
        self.first + self.at as u64
    }

    /// Bytes that are left.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub fn skip(&mut self, n: usize) {
        self.at = self.at.saturating_add(n).min(self.bytes.len());
    }

    /// For messages.
    pub fn place(&self) -> String {
        format!("${}, byte {}", self.section, self.offset())
    }

    /// K003 at this place.
    pub fn damaged(&self, found: impl Into<String>, expected: impl Into<String>) -> Error {
        damaged(self.path, self.place(), found, expected)
    }

    /// The next line without its end and the blanks around it; `None` at the end.
    pub fn line(&mut self) -> Option<String> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.skip(end + 1);
        Some(String::from_utf8_lossy(&rest[..end]).trim().to_string())
    }

    pub fn skip_blanks(&mut self) {
        let blanks = self.rest().iter().take_while(|b| b.is_ascii_whitespace()).count();
        self.skip(blanks);
    }

    /// The next word of a text.
    fn word(&mut self, expected: &str) -> Result<&'a str> {
        self.skip_blanks();
        let rest = self.rest();
        let end = rest.iter().position(|b| b.is_ascii_whitespace()).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.damaged("the end of the file", expected));
        }
        let word = std::str::from_utf8(&rest[..end]).map_err(|_| self.damaged("bytes that are no text", expected))?;
        if word.starts_with('$') {
            return Err(self.damaged(format!("`{}`", shortened(word)), expected));
        }
        self.skip(end);
        Ok(word)
    }

    fn parsed<T: std::str::FromStr>(&mut self, expected: &str) -> Result<T> {
        let word = self.word(expected)?;
        // meshio 5.3 under NumPy 2 writes values of text files like this.
        let plain = word.strip_prefix("np.float64(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(word);
        plain.parse().map_err(|_| self.damaged(format!("`{}`", shortened(word)), expected))
    }

    fn fixed<const N: usize>(&mut self, expected: &str) -> Result<[u8; N]> {
        match self.rest().first_chunk::<N>() {
            Some(bytes) => {
                self.skip(N);
                Ok(*bytes)
            }
            None => Err(self.damaged("the end of the file", expected)),
        }
    }

    /// An integer: 4 bytes in binary files.
    pub fn int(&mut self) -> Result<i64> {
        let expected = "an integer";
        Ok(match self.encoding {
            Encoding::Text => self.parsed(expected)?,
            Encoding::Binary { big_endian: true, .. } => i32::from_be_bytes(self.fixed(expected)?).into(),
            Encoding::Binary { big_endian: false, .. } => i32::from_le_bytes(self.fixed(expected)?).into(),
        })
    }

    /// A count or a tag: 4 or 8 bytes in binary files, as their header says.
    pub fn size(&mut self) -> Result<u64> {
        let expected = "a count or a tag";
        Ok(match self.encoding {
            Encoding::Text => self.parsed(expected)?,
            Encoding::Binary { big_endian: true, size: 4 } => u32::from_be_bytes(self.fixed(expected)?).into(),
            Encoding::Binary { big_endian: false, size: 4 } => u32::from_le_bytes(self.fixed(expected)?).into(),
            Encoding::Binary { big_endian: true, .. } => u64::from_be_bytes(self.fixed(expected)?),
            Encoding::Binary { big_endian: false, .. } => u64::from_le_bytes(self.fixed(expected)?),
        })
    }

    /// A tag that is an integer of 4 bytes in binary files. Errors: K003 where it is negative.
    pub fn tag(&mut self) -> Result<u64> {
        let tag = self.int()?;
        tag.try_into().map_err(|_| self.damaged(tag.to_string(), "a tag"))
    }

    /// A number of float64.
    pub fn real(&mut self) -> Result<f64> {
        let expected = "a number";
        Ok(match self.encoding {
            Encoding::Text => self.parsed(expected)?,
            Encoding::Binary { big_endian: true, .. } => f64::from_be_bytes(self.fixed(expected)?),
            Encoding::Binary { big_endian: false, .. } => f64::from_le_bytes(self.fixed(expected)?),
        })
    }

    /// The count `n` of things of so many numbers, of which there is room for that many. Errors: K003.
    pub fn room(&self, n: u64, n_ints: usize, n_sizes: usize, n_reals: usize) -> Result<usize> {
        let each = match self.encoding {
            // A digit and a blank.
            Encoding::Text => 2 * (n_ints + n_sizes + n_reals),
            Encoding::Binary { size, .. } => 4 * n_ints + size * n_sizes + 8 * n_reals,
        };
        let left = self.rest().len() + 1;
        if n.checked_mul(each as u64).is_none_or(|bytes| bytes > left as u64) {
            return Err(self.damaged(format!("a count of {n}"), format!("a count that {left} bytes have room for")));
        }
        Ok(n as usize)
    }

    /// A count that is text in binary files too, alone on its line.
    pub fn text_count(&mut self) -> Result<u64> {
        let before = self.clone();
        let line = self.line().unwrap_or_default();
        line.parse().map_err(|_| before.damaged(format!("`{}`", shortened(&line)), "a count"))
    }

    /// Passes the line that ends the section. Errors: K003.
    pub fn end(&mut self) -> Result<()> {
        self.skip_blanks();
        let end = format!("$End{}", self.section);
        if self.rest().starts_with(end.as_bytes()) {
            self.skip(end.len());
            return Ok(());
        }
        let found = if self.rest().is_empty() { "the end of the file" } else { "more data than the counts say" };
        Err(self.damaged(found, end))
    }

    /// Passes all up to the line that ends the section. Errors: K003.
    pub fn skip_to_end(&mut self) -> Result<()> {
        let end = format!("\n$End{}", self.section);
        // An empty section ends with its first line.
        if self.rest().starts_with(&end.as_bytes()[1..]) {
            return self.end();
        }
        match memchr::memmem::find(self.rest(), end.as_bytes()) {
            Some(n) => {
                self.skip(n);
                self.end()
            }
            None => Err(self.damaged("no end of the section", format!("$End{}", self.section))),
        }
    }
}

/// Text for a message.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
