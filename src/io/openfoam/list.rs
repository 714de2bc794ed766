//! Lists of numbers in files of OpenFOAM: text and binary, with the shorthand `5{0}`.
//!
//! The length in front of a list is checked against what the file can hold, or what its reader expects, before memory is asked
//! for.

use crate::error::{Error, Result};
use crate::io::openfoam::file::{FoamFile, Header};

/// What lists of unknown length of a packed file may take: this many bytes, and so many times the size of the file.
const PACKED: (usize, usize) = (64 << 20, 128);
/// Equal numbers that are believed where nothing else tells how many there are.
const EQUAL: usize = 1 << 20;
/// The label -1, which old versions write where there is no neighbour.
pub(crate) const NO_LABEL: u32 = u32::MAX;

/// How long a list has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Exactly(usize),
    AtMost(usize),
    Any,
}

/// A number in lists: f64, or u32 for labels.
pub(crate) trait Entry: Copy {
    /// What is expected, for messages.
    const WHAT: &'static str;
    fn size(header: &Header) -> usize;
    fn from_text(text: &str) -> Option<Self>;
    /// Appends whole entries of `size` bytes, little endian. `None` where one is out of range.
    fn extend_from_raw(out: &mut Vec<Self>, raw: &[u8], size: usize) -> Option<()>;
}

impl Entry for f64 {
    const WHAT: &'static str = "a number";

    fn size(header: &Header) -> usize {
        header.scalar
    }

    fn from_text(text: &str) -> Option<f64> {
        text.parse().ok()
    }

    fn extend_from_raw(out: &mut Vec<f64>, raw: &[u8], size: usize) -> Option<()> {
        match size {
            4 => out.extend(raw.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b)))),
            _ => out.extend(raw.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b))),
        }
        Some(())
    }
}

/// A label from 0 on, or [`NO_LABEL`].
fn label(value: i64) -> Option<u32> {
    if value == -1 { Some(NO_LABEL) } else { u32::try_from(value).ok().filter(|&label| label != NO_LABEL) }
}

impl Entry for u32 {
    const WHAT: &'static str = "a label below 4294967295";

    fn size(header: &Header) -> usize {
        header.label
    }

    fn from_text(text: &str) -> Option<u32> {
        text.parse().ok().and_then(label)
    }

    fn extend_from_raw(out: &mut Vec<u32>, raw: &[u8], size: usize) -> Option<()> {
        let mut push = |value: i64| label(value).map(|label| out.push(label));
        match size {
            4 => raw.as_chunks().0.iter().try_for_each(|&b| push(i64::from(i32::from_le_bytes(b)))),
            _ => raw.as_chunks().0.iter().try_for_each(|&b| push(i64::from_le_bytes(b))),
        }
    }
}

/// How a list begins.
enum Opening {
    Counted(usize),
    /// `5{0}`: all entries are the same.
    Uniform(usize),
    Uncounted,
    Empty,
}

impl FoamFile {
    /// The next number in text. Errors: K003; K018 for a macro.
    fn number<T: Entry>(&mut self) -> Result<T> {
        self.collect_word(T::WHAT)?;
        if let Some(number) = std::str::from_utf8(&self.word).ok().and_then(T::from_text) {
            return Ok(number);
        }
        let found = format!("`{}`", self.word.escape_ascii());
        if self.word.first().is_some_and(|b| b"$#".contains(b)) {
            return Err(self.refused(&found, T::WHAT));
        }
        Err(self.damaged(&found, T::WHAT))
    }

    /// Appends one value in text: a number, or as many in brackets as there are components.
    pub fn value<T: Entry>(&mut self, n_components: usize, out: &mut Vec<T>) -> Result<()> {
        self.skip_space()?;
        if n_components == 1 && self.peek()? != Some(b'(') {
            out.push(self.number()?);
            return Ok(());
        }
        self.require(b'(')?;
        for _ in 0..n_components {
            out.push(self.number()?);
        }
        self.require(b')')
    }

    /// The count and the bracket before the entries of a list of `numbers` numbers each.
    fn open_list<T: Entry>(&mut self, numbers: usize) -> Result<Opening> {
        self.skip_space()?;
        if self.peek()? == Some(b'(') && !self.header.binary {
            self.bump();
            return Ok(Opening::Uncounted);
        }
        self.collect_word("the number of entries of a list")?;
        let count = std::str::from_utf8(&self.word).ok().and_then(|w| w.parse::<usize>().ok());
        let Some(n) = count else {
            let found = format!("`{}`", self.word.escape_ascii());
            return Err(self.damaged(&found, "the number of entries of a list"));
        };
        self.skip_space()?;
        match self.peek()? {
            Some(b'{') if !self.header.binary => {
                self.bump();
                return Ok(Opening::Uniform(n));
            }
            Some(b'(') => self.bump(),
            _ if n == 0 => return Ok(Opening::Empty),
            _ => return Err(self.unexpected("the bracket `(` before a list")),
        }
        // In text a number takes a digit and a space.
        let each = if self.header.binary { T::size(&self.header) } else { 2 };
        let rest = self.n_left();
        if !self.packed && n.saturating_mul(numbers).saturating_mul(each) > rest.saturating_add(1) {
            return Err(self.damaged(&format!("{rest} bytes"), &format!("a list of {n} entries")));
        }
        Ok(Opening::Counted(n))
    }

    /// The count before a list of different entries, if it has one. Errors: K003, K005 more than the file can hold.
    pub fn count<T: Entry>(&mut self, numbers: usize) -> Result<Option<usize>> {
        match self.open_list::<T>(numbers)? {
            Opening::Counted(n) => self.check_length::<T>(n, numbers, Length::Any, 0).map(|()| Some(n)),
            Opening::Uniform(_) => Err(self.equal_entries()),
            Opening::Empty => Ok(Some(0)),
            Opening::Uncounted => Ok(None),
        }
    }

    fn equal_entries(&self) -> Error {
        self.damaged("a list of equal entries", "a list of different entries")
    }

    /// Appends a list of `numbers` numbers each; its count. Errors: K003 damaged, K005 another length, K018 macros.
    pub fn list<T: Entry>(&mut self, numbers: usize, length: Length, out: &mut Vec<T>) -> Result<usize> {
        let start = out.len();
        let n = match self.open_list::<T>(numbers)? {
            Opening::Empty => 0,
            Opening::Counted(n) => {
                self.check_length::<T>(n, numbers, length, start)?;
                if start == 0 {
                    out.reserve_exact(n.saturating_mul(numbers));
                }
                if self.header.binary {
                    self.raw(n.saturating_mul(numbers), out)?;
                } else {
                    (0..n).try_for_each(|_| self.value(numbers, out))?;
                }
                self.require(b')')?;
                n
            }
            Opening::Uniform(n) => {
                self.check_length::<T>(n, numbers, length, start)?;
                // No bytes stand for the entries.
                let exact = matches!(length, Length::Exactly(_));
                if !exact && n.saturating_mul(numbers) > EQUAL || length == Length::Any {
                    return Err(self.equal_entries());
                }
                self.value(numbers, out)?;
                self.require(b'}')?;
                let value = out.split_off(start);
                out.extend(value.iter().cycle().take(n.saturating_mul(numbers)));
                n
            }
            Opening::Uncounted => {
                let mut n = 0;
                while !self.at_end_of_list()? {
                    n += 1;
                    // A length that has to be met is judged at the end.
                    let so_far = if let Length::Exactly(n) = length { Length::AtMost(n) } else { length };
                    self.check_length::<T>(n, numbers, so_far, start)?;
                    self.value(numbers, out)?;
                }
                n
            }
        };
        self.check_length::<T>(n, numbers, length, start)?;
        Ok(n)
    }

    /// A list of lists of labels: appends all labels, and where each list ends. Errors: as [`list`](Self::list).
    pub fn lists(&mut self, out: &mut Vec<u32>, ends: &mut Vec<usize>) -> Result<()> {
        let counted = match self.open_list::<u32>(1)? {
            Opening::Empty => return Ok(()),
            Opening::Uniform(_) => return Err(self.equal_entries()),
            Opening::Counted(n) => Some(n),
            Opening::Uncounted => None,
        };
        while counted.is_none_or(|n| ends.len() < n) {
            if counted.is_none() && self.at_end_of_list()? {
                return Ok(());
            }
            self.list(1, Length::Any, out)?;
            ends.push(out.len());
        }
        self.require(b')')
    }

    /// Whether the list ends here; goes past its end.
    fn at_end_of_list(&mut self) -> Result<bool> {
        self.skip_space()?;
        let ends = self.peek()? == Some(b')');
        if ends {
            self.bump();
        }
        Ok(ends)
    }

    /// Checks the number `n` of entries of a list behind `have` numbers of earlier ones.
    fn check_length<T>(&self, n: usize, numbers: usize, length: Length, have: usize) -> Result<()> {
        let most = match self.packed {
            true => self.len.saturating_mul(PACKED.1).saturating_add(PACKED.0) / size_of::<T>().max(1),
            false => usize::MAX,
        };
        let within = n.saturating_mul(numbers).saturating_add(have) <= most;
        let (fits, expected) = match length {
            Length::Exactly(wanted) => (n == wanted, wanted.to_string()),
            Length::AtMost(wanted) if n > wanted => (false, format!("at most {wanted}")),
            _ => (within, format!("at most {most} numbers in a packed file of this size")),
        };
        if fits {
            return Ok(());
        }
        let mend = "write the case again: its files do not belong together";
        Err(Error::input("K005", &self.path, self.place(), format!("a list of {n} entries"), expected, mend))
    }

    /// Appends `n` numbers of a binary list.
    fn raw<T: Entry>(&mut self, n: usize, out: &mut Vec<T>) -> Result<()> {
        let size = T::size(&self.header);
        // Entries may lie across pieces: what is left of one goes before the next.
        let (mut left, mut carry) = (n.saturating_mul(size), Vec::with_capacity(size));
        while left > 0 {
            let piece = self.take(left)?;
            left -= piece.len();
            let (head, rest) = match carry.len() {
                0 => (&[][..], piece),
                n => piece.split_at(piece.len().min(size - n)),
            };
            carry.extend_from_slice(head);
            let (whole, part) = rest.split_at(rest.len() - rest.len() % size);
            let mut fits = true;
            if carry.len() == size {
                fits = T::extend_from_raw(out, &carry, size).is_some();
                carry.clear();
            }
            fits &= T::extend_from_raw(out, whole, size).is_some();
            carry.extend_from_slice(part);
            let ended = piece.is_empty();
            if ended {
                return Err(self.damaged("the end of the file", &format!("{left} bytes more of a list")));
            }
            if !fits {
                return Err(self.damaged("a number that is out of range", T::WHAT));
            }
        }
        Ok(())
    }
}
