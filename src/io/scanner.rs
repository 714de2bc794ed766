//! A file of text, numbers or both, read from front to back in pieces.

use super::mesh_file::{Bytes, damaged};
use crate::error::{Error, Result};
use std::path::Path;

/// Bytes read at once.
const PIECE: u64 = 1 << 18;
/// Longest line and longest word; what is longer is no text.
const LONGEST: usize = 1 << 14;

/// A place in a file, and the piece of the file around it.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    bytes: &'a Bytes,
    /// Where `piece` begins in the file.
    begin: u64,
    piece: Vec<u8>,
    at: usize,
    /// What is read now, for messages.
    pub place: String,
}

impl<'a> Scanner<'a> {
    /// From the byte `offset` on.
    pub fn new(bytes: &'a Bytes, offset: u64, place: &str) -> Self {
        Scanner { bytes, begin: offset, piece: Vec::new(), at: 0, place: place.into() }
    }

    pub fn path(&self) -> &'a Path {
        &self.bytes.path
    }

    /// Where the next byte is in the file.
    pub fn position(&self) -> u64 {
        self.begin + self.at as u64
    }

    /// Bytes from here to the end of the file.
    pub fn remaining(&self) -> u64 {
        self.bytes.len.saturating_sub(self.position())
    }

    /// Forgets what was read and reads on; false at the end of the file.
    fn more(&mut self) -> Result<bool> {
        let end = self.begin + self.piece.len() as u64;
        let n = self.bytes.len.saturating_sub(end).min(PIECE);
        if n == 0 {
            return Ok(false);
        }
        self.piece.drain(..self.at);
        self.begin += self.at as u64;
        self.at = 0;
        self.piece.extend(self.bytes.read(&self.place, end, n)?);
        Ok(true)
    }

    /// The next byte, not taken; `None` at the end of the file.
    pub fn peek(&mut self) -> Result<Option<u8>> {
        if self.at == self.piece.len() && !self.more()? {
            return Ok(None);
        }
        Ok(self.piece.get(self.at).copied())
    }

    /// Whether the file goes on with `word`, in letters of any case; nothing is taken.
    pub fn starts_with(&mut self, word: &str) -> Result<bool> {
        while self.piece.len() - self.at < word.len() {
            if !self.more()? {
                return Ok(false);
            }
        }
        let next = self.piece.get(self.at..self.at + word.len());
        Ok(next.is_some_and(|next| next.eq_ignore_ascii_case(word.as_bytes())))
    }

    /// Skips blanks and ends of lines; false at the end of the file.
    pub fn skip_blank(&mut self) -> Result<bool> {
        loop {
            let rest = self.piece.get(self.at..).unwrap_or_default();
            match rest.iter().position(|b| !b.is_ascii_whitespace()) {
                Some(n) => {
                    self.at += n;
                    return Ok(true);
                }
                None => self.at = self.piece.len(),
            }
            if !self.more()? {
                return Ok(false);
            }
        }
    }

    /// Where the bytes from here on end before the first that `stops`, counted from here; the end of the file stops too.
    fn length(&mut self, stops: impl Fn(u8) -> bool) -> Result<usize> {
        let mut known = 0;
        loop {
            let rest = self.piece.get(self.at + known..).unwrap_or_default();
            if let Some(n) = rest.iter().position(|&b| stops(b)) {
                known += n;
                break;
            }
            known += rest.len();
            if known > LONGEST || !self.more()? {
                break;
            }
        }
        if known > LONGEST {
            let found = format!("{known} bytes without an end from byte {} on", self.position());
            return Err(damaged(self.path(), &self.place, found, "text in lines"));
        }
        Ok(known)
    }

    /// The next line without its end, which is taken too; `None` at the end of the file.
    pub fn line(&mut self) -> Result<Option<String>> {
        if self.peek()?.is_none() {
            return Ok(None);
        }
        let n = self.length(|b| b == b'\n')?;
        let line = self.piece.get(self.at..self.at + n).unwrap_or_default();
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        self.at = (self.at + n + 1).min(self.piece.len());
        Ok(Some(line))
    }

    /// The next word between blanks. Error: K003 at the end of the file.
    pub fn word(&mut self) -> Result<&[u8]> {
        if !self.skip_blank()? {
            return Err(self.ended("a number"));
        }
        let n = self.length(|b| b.is_ascii_whitespace())?;
        self.at += n;
        Ok(self.piece.get(self.at - n..self.at).unwrap_or_default())
    }

    /// The next word as a number.
    pub fn number<T: std::str::FromStr>(&mut self) -> Result<T> {
        let position = self.position();
        let word = self.word()?;
        match std::str::from_utf8(word).ok().and_then(|w| w.parse().ok()) {
            Some(number) => Ok(number),
            None => {
                let word: String = String::from_utf8_lossy(word).chars().take(40).collect();
                let found = format!("`{}` near byte {position}", word.escape_debug());
                Err(damaged(self.path(), &self.place, found, "a number"))
            }
        }
    }

    /// Skips `n` words. Errors: K003 where the rest of the file is too short for them.
    pub fn skip_words(&mut self, n: u64) -> Result<()> {
        self.check_words(n)?;
        (0..n).try_for_each(|_| self.word().map(drop))
    }

    /// Refuses more words than the rest of the file can hold.
    pub fn check_words(&self, n: u64) -> Result<()> {
        if n <= self.remaining().div_ceil(2) {
            return Ok(());
        }
        Err(self.ended(&format!("{n} numbers")))
    }

    /// Skips `n` bytes. Errors: K003 where the file ends before them.
    pub fn skip(&mut self, n: u64) -> Result<()> {
        if n > self.remaining() {
            return Err(self.ended(&format!("{n} bytes")));
        }
        match usize::try_from(n) {
            Ok(n) if n <= self.piece.len() - self.at => self.at += n,
            _ => {
                self.begin = self.position() + n;
                self.piece.clear();
                self.at = 0;
            }
        }
        Ok(())
    }

    /// The next `n` bytes, few of them. Errors: K003 where the file ends before them.
    pub fn take(&mut self, n: usize) -> Result<&[u8]> {
        if n as u64 > self.remaining() {
            return Err(self.ended(&format!("{n} bytes")));
        }
        while self.piece.len() - self.at < n && self.more()? {}
        self.at += n;
        Ok(self.piece.get(self.at - n..self.at).unwrap_or_default())
    }

    /// K003: the file ends here.
    pub fn ended(&self, expected: &str) -> Error {
        let found = format!("the end of the file, {} bytes after byte {}", self.remaining(), self.position());
        damaged(self.path(), &self.place, found, expected)
    }
}
