//! Files of EnSight Gold record by record: texts, integers and numbers of single precision, as text or binary.

use crate::error::{Error, Result};
use crate::io::mesh_file::{Bytes, damaged};
use crate::io::scanner::Scanner;

/// Length of a text in binary files.
const TEXT: usize = 80;
/// Bytes of numbers read at once.
const PIECE: u64 = 1 << 16;

/// How a file stores its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Ascii,
    Little,
    Big,
}

impl Form {
    /// That of a geometry file. Variable files do not tell theirs: they have the form of their geometry.
    ///
    /// The order of bytes is the one in which the number of the first part is the smaller one. Errors: K002 neither text nor
    /// binary, K018 written by Fortran.
    pub fn of_geometry(bytes: &Bytes) -> Result<Form> {
        let begin = bytes.read("header", 0, bytes.len.min(TEXT as u64 + 4))?;
        let starts = |skip: usize, word: &str| {
            begin.get(skip..skip + word.len()).is_some_and(|b| b.eq_ignore_ascii_case(word.as_bytes()))
        };
        if starts(0, "Fortran Binary") || starts(4, "Fortran Binary") {
            let mend = "write the case again as C Binary or ASCII";
            return Err(Error::input("K018", &bytes.path, "header", "Fortran Binary", "C Binary or ASCII", mend));
        }
        if !starts(0, "C Binary") {
            if begin.contains(&0) {
                let mend = "name the geometry of a case of EnSight Gold";
                return Err(Error::input("K002", &bytes.path, "header", "binary data", "text, or C Binary", mend));
            }
            return Ok(Form::Ascii);
        }
        let mut records = Records::new(bytes, Form::Little, "header");
        while let Some(text) = records.keyword()? {
            match text.as_str() {
                "extents" => records.scanner.skip(24)?,
                "part" => {
                    let raw: [u8; 4] = records.scanner.take(4)?.try_into().unwrap_or_default();
                    let little = u32::from_le_bytes(raw) <= u32::from_be_bytes(raw);
                    return Ok(if little { Form::Little } else { Form::Big });
                }
                _ => {}
            }
        }
        Ok(Form::Little)
    }
}

/// A file and the place up to which it was read.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    pub scanner: Scanner<'a>,
    form: Form,
}

impl<'a> Records<'a> {
    pub fn new(bytes: &'a Bytes, form: Form, place: &str) -> Self {
        Records { scanner: Scanner::new(bytes, 0, place), form }
    }

    /// A text, which may be empty: 80 bytes, or a line. Error: K003 at the end of the file.
    pub fn text(&mut self) -> Result<String> {
        if self.form == Form::Ascii {
            let line = self.scanner.line()?;
            return line.map(|line| line.trim().to_string()).ok_or_else(|| self.scanner.ended("a line of text"));
        }
        let raw = self.scanner.take(TEXT)?;
        let raw = raw.split(|&b| b == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(raw).trim().to_string())
    }

    /// A text that is not empty; `None` at the end of the file.
    pub fn keyword(&mut self) -> Result<Option<String>> {
        if self.form == Form::Ascii && !self.scanner.skip_blank()? || self.scanner.remaining() == 0 {
            return Ok(None);
        }
        self.text().map(Some)
    }

    /// Refuses more numbers than the rest of the file can hold.
    pub fn check(&self, n: u64) -> Result<()> {
        match self.form {
            Form::Ascii => self.scanner.check_words(n),
            _ if n > self.scanner.remaining() / 4 => Err(self.scanner.ended(&format!("{n} numbers of 4 bytes"))),
            _ => Ok(()),
        }
    }

    /// Takes the end of a line behind numbers, so that a text may follow.
    fn end_of_line(&mut self) -> Result<()> {
        while let (Form::Ascii, Some(b' ' | b'\t' | b'\r' | b'\n')) = (self.form, self.scanner.peek()?) {
            if self.scanner.take(1)? == b"\n" {
                break;
            }
        }
        Ok(())
    }

    /// `n` numbers of four bytes each, in the order of bytes of the file.
    fn raw(&mut self, n: u64, mut each: impl FnMut([u8; 4]) -> Result<()>) -> Result<()> {
        let mut left = n.saturating_mul(4);
        while left > 0 {
            let piece = left.min(PIECE);
            let (numbers, _) = self.scanner.take(piece as usize)?.as_chunks::<4>();
            numbers.iter().try_for_each(|b| each(*b))?;
            left -= piece;
        }
        Ok(())
    }

    /// `n` integers. Errors: K003 where the file is too short for them.
    pub fn integers(&mut self, n: u64, mut each: impl FnMut(i64) -> Result<()>) -> Result<()> {
        self.check(n)?;
        match self.form {
            Form::Ascii => (0..n).try_for_each(|_| each(self.scanner.number()?))?,
            Form::Little => self.raw(n, |b| each(i32::from_le_bytes(b).into()))?,
            Form::Big => self.raw(n, |b| each(i32::from_be_bytes(b).into()))?,
        }
        self.end_of_line()
    }

    /// `n` numbers of single precision. Errors: K003 where the file is too short for them.
    pub fn floats(&mut self, n: u64, mut each: impl FnMut(f64)) -> Result<()> {
        self.check(n)?;
        let mut each = |v: f32| {
            each(v.into());
            Ok(())
        };
        match self.form {
            Form::Ascii => (0..n).try_for_each(|_| each(self.scanner.number()?))?,
            Form::Little => self.raw(n, |b| each(f32::from_le_bytes(b)))?,
            Form::Big => self.raw(n, |b| each(f32::from_be_bytes(b)))?,
        }
        self.end_of_line()
    }

    /// Skips `n` numbers.
    pub fn skip(&mut self, n: u64) -> Result<()> {
        self.check(n)?;
        match self.form {
            Form::Ascii => self.scanner.skip_words(n)?,
            _ => self.scanner.skip(4 * n)?,
        }
        self.end_of_line()
    }

    /// One integer.
    pub fn integer(&mut self) -> Result<i64> {
        let mut found = 0;
        self.integers(1, |n| {
            found = n;
            Ok(())
        })?;
        Ok(found)
    }

    /// A count. Error: K003 where it is negative.
    pub fn count(&mut self) -> Result<u64> {
        let n = self.integer()?;
        u64::try_from(n).map_err(|_| damaged(self.scanner.path(), &self.scanner.place, n.to_string(), "a count"))
    }

    /// Counts that stand one after the other. Error: K003 for a negative one.
    pub fn counts(&mut self, n: u64) -> Result<Vec<u32>> {
        self.check(n)?;
        let (path, place) = (self.scanner.path(), self.scanner.place.clone());
        let mut counts = Vec::with_capacity(n as usize);
        self.integers(n, |count| match u32::try_from(count) {
            Ok(count) => {
                counts.push(count);
                Ok(())
            }
            Err(_) => Err(damaged(path, &place, count.to_string(), "a count")),
        })?;
        Ok(counts)
    }

    /// K018 for what the reader does not know.
    pub fn variant(&self, found: &str, expected: &str, mend: &str) -> Error {
        let found = format!("`{}`", found.chars().take(60).collect::<String>().escape_debug());
        Error::input("K018", self.scanner.path(), &self.scanner.place, found, expected, mend)
    }
}
