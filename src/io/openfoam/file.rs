//! Files of OpenFOAM, packed with gzip or not: header, words, entries of dictionaries. Read from front to back in pieces.

use crate::error::{Error, Result};
use crate::io::mesh_file::{Bytes, cannot_read, damaged};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Bytes of the first piece, enough for a header, and of the later ones.
const PIECES: [usize; 2] = [4096, 1 << 16];
/// Bytes of the longest word.
const LONGEST_WORD: usize = 4096;

/// What the header of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub class: String,
    pub binary: bool,
    /// Bytes of an integer and of a number in binary lists.
    pub label: usize,
    pub scalar: usize,
}

/// A file behind its header.
pub(crate) struct FoamFile {
    pub header: Header,
    pub path: PathBuf,
    source: Box<dyn Read>,
    /// Size of the file, and whether it is packed.
    pub len: usize,
    pub packed: bool,
    piece: Vec<u8>,
    /// Bytes of `piece` that are read, bytes before `piece`, line counted from 1.
    at: usize,
    before: usize,
    line: usize,
    pub word: Vec<u8>,
}

/// The file of that name in a folder, or where there is none, its packed form NAME.gz.
pub(crate) fn plain_or_packed(folder: &Path, name: &str) -> PathBuf {
    let (plain, packed) = (folder.join(name), folder.join(format!("{name}.gz")));
    if !plain.exists() && packed.exists() { packed } else { plain }
}

fn is_space(b: u8) -> bool {
    b.is_ascii_whitespace() || b == 0x0b
}

fn ends_word(b: u8) -> bool {
    is_space(b) || matches!(b, b'(' | b')' | b'{' | b'}' | b'[' | b']' | b';' | b'"')
}

impl FoamFile {
    /// Opens a file of one of the classes. Errors: K001, K002 not a file of OpenFOAM or of another class, K003 damaged, K018
    /// another byte order.
    pub fn open(path: &Path, classes: &[&str]) -> Result<FoamFile> {
        let expected = format!("a file of OpenFOAM of the class {}", classes.join(" or "));
        let mend = "restore the file, or write the case again";
        let Some(file) = FoamFile::open_any(path)? else {
            return Err(Error::input("K002", path, "", "no header FoamFile", expected, mend));
        };
        if !classes.contains(&file.header.class.as_str()) {
            let found = format!("the class {}", file.header.class);
            return Err(Error::input("K002", path, "header", found, expected, mend));
        }
        Ok(file)
    }

    /// Opens a file; `None` where it has no header. Errors: K001, K003 damaged, K018 another byte order.
    pub fn open_any(path: &Path) -> Result<Option<FoamFile>> {
        let len = Bytes::of(path)?.len as usize;
        let file = File::open(path).map_err(|e| cannot_read(path, &e))?;
        let packed = path.extension().is_some_and(|e| e == "gz");
        let source: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let header = Header { class: String::new(), binary: false, label: 4, scalar: 8 };
        let (piece, word) = (Vec::new(), Vec::new());
        let path = path.to_path_buf();
        let mut file = FoamFile { header, path, source, len, packed, piece, at: 0, before: 0, line: 1, word };
        file.skip_space()?;
        for expected in b"FoamFile" {
            if file.peek()? != Some(*expected) {
                return Ok(None);
            }
            file.bump();
        }
        file.read_header()?;
        Ok(Some(file))
    }

    fn read_header(&mut self) -> Result<()> {
        self.require(b'{')?;
        // The arch is judged when the format is known: text has no byte order.
        let (mut binary, mut arch) = (false, String::new());
        loop {
            self.skip_space()?;
            if self.peek()? == Some(b'}') {
                self.bump();
                break;
            }
            let key = self.word()?;
            self.skip_space()?;
            let value = if self.peek()? == Some(b'"') { self.string()? } else { self.word()? };
            match key.as_str() {
                "format" if value == "binary" => binary = true,
                "format" if value == "ascii" => binary = false,
                "format" => return Err(self.damaged(&value, "format ascii or binary")),
                "class" => self.header.class = value,
                "arch" => arch = value,
                _ => {}
            }
            self.skip_entry()?;
        }
        self.header.binary = binary;
        if binary { self.read_arch(&arch) } else { Ok(()) }
    }

    /// `LSB;label=32;scalar=64`: order of bytes, bits of integers and of numbers.
    fn read_arch(&mut self, arch: &str) -> Result<()> {
        for part in arch.split(';').map(str::trim) {
            match part {
                "label=32" => self.header.label = 4,
                "label=64" => self.header.label = 8,
                "scalar=32" => self.header.scalar = 4,
                "scalar=64" => self.header.scalar = 8,
                "MSB" => return Err(self.refused("binary data of the byte order MSB", "LSB, or ascii")),
                _ if part.starts_with("label=") || part.starts_with("scalar=") => {
                    return Err(self.damaged(part, "32 or 64 bits"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// K003 here.
    pub fn damaged(&self, found: &str, expected: &str) -> Error {
        damaged(&self.path, self.place(), found, expected)
    }

    /// K018 here.
    pub fn refused(&self, found: &str, expected: &str) -> Error {
        let mend = "let the solver write the field, or rewrite the case with `foamFormatConvert` (ascii)";
        Error::input("K018", &self.path, self.place(), found, expected, mend)
    }

    pub fn place(&self) -> String {
        if self.header.binary { format!("byte {}", self.before + self.at) } else { format!("line {}", self.line) }
    }

    /// K003 with what stands here instead of what is expected.
    pub fn unexpected(&mut self, expected: &str) -> Error {
        match self.peek() {
            Ok(None) => self.damaged("the end of the file", expected),
            Ok(Some(b)) => self.damaged(&format!("`{}`", b.escape_ascii()), expected),
            Err(e) => e,
        }
    }

    fn refill(&mut self) -> Result<()> {
        self.before += self.piece.len();
        self.piece.resize(PIECES[usize::from(self.before > 0)], 0);
        self.at = 0;
        let read = loop {
            match self.source.read(&mut self.piece) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.piece.truncate(read.as_ref().copied().unwrap_or(0));
        read.map(|_| ()).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput if self.packed => {
                damaged(&self.path, "", format!("packed data that do not unpack ({e})"), "a whole gzip file")
            }
            _ => cannot_read(&self.path, &e),
        })
    }

    /// Bytes of the file behind this place, if it is not packed.
    pub fn n_left(&self) -> usize {
        self.len.saturating_sub(self.before + self.at)
    }

    /// At most `n` bytes from here on, and goes past them; none at the end of the file.
    pub fn take(&mut self, n: usize) -> Result<&[u8]> {
        self.peek()?;
        let start = self.at;
        self.at = self.piece.len().min(start.saturating_add(n));
        Ok(self.piece.get(start..self.at).unwrap_or_default())
    }

    /// The next byte; `None` at the end.
    pub fn peek(&mut self) -> Result<Option<u8>> {
        if self.at == self.piece.len() {
            self.refill()?;
        }
        Ok(self.piece.get(self.at).copied())
    }

    /// Goes past the byte that `peek` showed.
    pub fn bump(&mut self) {
        self.line += usize::from(self.piece.get(self.at) == Some(&b'\n'));
        self.at = (self.at + 1).min(self.piece.len());
    }

    /// Goes past white space and comments.
    pub fn skip_space(&mut self) -> Result<()> {
        while let Some(b) = self.peek()? {
            if b == b'/' {
                self.skip_comment()?;
            } else if is_space(b) {
                self.bump();
            } else {
                break;
            }
        }
        Ok(())
    }

    fn skip_comment(&mut self) -> Result<()> {
        self.bump();
        match self.peek()? {
            Some(b'/') => {
                while self.peek()?.is_some_and(|b| b != b'\n') {
                    self.bump();
                }
            }
            Some(b'*') => {
                self.bump();
                let mut last = 0;
                while let Some(b) = self.peek()? {
                    self.bump();
                    if (last, b) == (b'*', b'/') {
                        return Ok(());
                    }
                    last = b;
                }
                return Err(self.damaged("the end of the file", "the end `*/` of a comment"));
            }
            _ => return Err(self.damaged("`/`", "a word")),
        }
        Ok(())
    }

    /// Goes past one byte behind white space.
    pub fn require(&mut self, byte: u8) -> Result<()> {
        self.skip_space()?;
        if self.peek()? != Some(byte) {
            return Err(self.unexpected(&format!("`{}`", byte as char)));
        }
        self.bump();
        Ok(())
    }

    /// Collects the word behind white space in `self.word`: all up to white space or a bracket.
    pub fn collect_word(&mut self, expected: &str) -> Result<()> {
        self.skip_space()?;
        self.word.clear();
        while self.peek()?.is_some_and(|b| !ends_word(b)) {
            let rest = self.piece.get(self.at..).unwrap_or_default();
            let n = rest.iter().position(|&b| ends_word(b)).unwrap_or(rest.len());
            self.word.extend_from_slice(&rest[..n]);
            self.at += n;
            if self.word.len() > LONGEST_WORD {
                return Err(self.damaged("a word of thousands of letters", expected));
            }
        }
        if self.word.is_empty() { Err(self.unexpected(expected)) } else { Ok(()) }
    }

    /// The next word.
    pub fn word(&mut self) -> Result<String> {
        self.collect_word("a word")?;
        Ok(String::from_utf8_lossy(&self.word).into_owned())
    }

    /// The text between two quotes.
    fn string(&mut self) -> Result<String> {
        self.require(b'"')?;
        self.word.clear();
        while let Some(b) = self.peek()? {
            self.bump();
            // A quote may stand in a text behind a backslash.
            if b == b'\\' && self.peek()?.is_some() {
                self.bump();
            } else if b == b'"' {
                return Ok(String::from_utf8_lossy(&self.word).into_owned());
            }
            if self.word.len() < LONGEST_WORD {
                self.word.push(b);
            }
        }
        Err(self.damaged("the end of the file", "the end `\"` of a text"))
    }

    /// Goes past the rest of an entry: up to `;`, or to the end of its block.
    fn skip_entry(&mut self) -> Result<()> {
        let mut depth = 0usize;
        loop {
            self.skip_space()?;
            let Some(b) = self.peek()? else {
                return Err(self.damaged("the end of the file", "the end of an entry, `;` or `}`"));
            };
            match b {
                b'"' => drop(self.string()?),
                b'(' | b'[' | b'{' => {
                    depth += 1;
                    self.bump();
                }
                b')' | b']' | b'}' => {
                    depth = depth.checked_sub(1).ok_or_else(|| self.unexpected("`;`"))?;
                    self.bump();
                    if b == b'}' && depth == 0 {
                        return Ok(());
                    }
                }
                b';' => {
                    self.bump();
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => self.collect_word("a word")?,
            }
        }
    }

    /// Goes to the value of an entry outside of all blocks. Errors: K003 without such an entry, K018 for a directive before it.
    pub fn find_entry(&mut self, name: &str) -> Result<()> {
        loop {
            self.skip_space()?;
            match self.peek()? {
                None => return Err(self.damaged("the end of the file", &format!("the entry `{name}`"))),
                Some(b'#') => {
                    let directive = self.word()?;
                    return Err(self.refused(&format!("the directive `{directive}`"), "values as a solver writes them"));
                }
                Some(b'"') => drop(self.string()?),
                Some(_) => {
                    self.collect_word("the name of an entry")?;
                    if self.word == name.as_bytes() {
                        return Ok(());
                    }
                }
            }
            self.skip_entry()?;
        }
    }
}
