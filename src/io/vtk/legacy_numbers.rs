//! Arrays of numbers in legacy VTK files: where they are, and their values.

use crate::error::{Error, Result};
use crate::io::mesh_file::{Bytes, Number};
use crate::io::scanner::Scanner;

/// Bytes of an array read at once, a multiple of every size of a number.
const PIECE: u64 = 1 << 20;

/// A data type of legacy files. `vtkIdType` has 4 bytes in these files, whatever it has in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bit,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Kind {
    /// From the name in files.
    pub fn from_name(name: &str) -> Option<Kind> {
        let kind = match name.to_ascii_lowercase().as_str() {
            "bit" => Kind::Bit,
            "unsigned_char" | "vtktypeuint8" => Kind::U8,
            "char" | "signed_char" | "vtktypeint8" => Kind::I8,
            "unsigned_short" | "vtktypeuint16" => Kind::U16,
            "short" | "vtktypeint16" => Kind::I16,
            "unsigned_int" | "vtktypeuint32" => Kind::U32,
            "int" | "vtkidtype" | "vtktypeint32" => Kind::I32,
            "unsigned_long" | "unsigned_long_long" | "vtktypeuint64" => Kind::U64,
            "long" | "long_long" | "vtktypeint64" => Kind::I64,
            "float" | "vtktypefloat32" => Kind::F32,
            "double" | "vtktypefloat64" => Kind::F64,
            _ => return None,
        };
        Some(kind)
    }

    pub fn number(self) -> Number {
        match self {
            Kind::F32 => Number::Float32,
            Kind::F64 => Number::Float64,
            _ => Number::Integer,
        }
    }

    /// Bytes of `n` numbers.
    pub fn n_bytes(self, n: u64) -> Option<u64> {
        let size = match self {
            Kind::Bit => return Some(n.div_ceil(8)),
            Kind::U8 | Kind::I8 => 1,
            Kind::U16 | Kind::I16 => 2,
            Kind::U32 | Kind::I32 | Kind::F32 => 4,
            Kind::U64 | Kind::I64 | Kind::F64 => 8,
        };
        n.checked_mul(size)
    }

    /// Hands on the first `n` numbers of `raw`, big endian.
    fn decode(self, raw: &[u8], n: usize, mut each: impl FnMut(f64) -> Result<()>) -> Result<()> {
        fn values<const N: usize>(
            raw: &[u8],
            each: &mut impl FnMut(f64) -> Result<()>,
            value: impl Fn([u8; N]) -> f64,
        ) -> Result<()> {
            let (numbers, _) = raw.as_chunks::<N>();
            numbers.iter().try_for_each(|b| each(value(*b)))
        }
        match self {
            Kind::Bit => {
                let bits = raw.iter().flat_map(|byte| (0..8).map(move |i| byte >> (7 - i) & 1));
                bits.take(n).try_for_each(|bit| each(f64::from(bit)))
            }
            Kind::U8 => values(raw, &mut each, |[b]| f64::from(b)),
            Kind::I8 => values(raw, &mut each, |b| f64::from(i8::from_be_bytes(b))),
            Kind::U16 => values(raw, &mut each, |b| f64::from(u16::from_be_bytes(b))),
            Kind::I16 => values(raw, &mut each, |b| f64::from(i16::from_be_bytes(b))),
            Kind::U32 => values(raw, &mut each, |b| f64::from(u32::from_be_bytes(b))),
            Kind::I32 => values(raw, &mut each, |b| f64::from(i32::from_be_bytes(b))),
            Kind::U64 => values(raw, &mut each, |b| u64::from_be_bytes(b) as f64),
            Kind::I64 => values(raw, &mut each, |b| i64::from_be_bytes(b) as f64),
            Kind::F32 => values(raw, &mut each, |b| f64::from(f32::from_be_bytes(b))),
            Kind::F64 => values(raw, &mut each, f64::from_be_bytes),
        }
    }
}

/// An array in a file: text or big endian numbers from the byte `offset` on.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub place: String,
    pub offset: u64,
    pub count: u64,
    pub kind: Kind,
    pub ascii: bool,
}

impl Section {
    /// The array that begins where `scanner` is, which is moved behind it. Errors: K003 where the file is too short for it.
    pub fn here(scanner: &mut Scanner<'_>, count: u64, kind: Kind, ascii: bool) -> Result<Section> {
        let (place, offset) = (scanner.place.clone(), scanner.position());
        if ascii {
            scanner.skip_words(count)?;
        } else {
            let n = kind.n_bytes(count).ok_or_else(|| scanner.ended(&format!("{count} numbers")))?;
            scanner.skip(n)?;
        }
        Ok(Section { place, offset, count, kind, ascii })
    }

    /// Hands on each number. Text of single precision is rounded to it, as other programs do.
    pub fn each(&self, bytes: &Bytes, mut each: impl FnMut(f64) -> Result<()>) -> Result<()> {
        if self.ascii {
            let mut scanner = Scanner::new(bytes, self.offset, &self.place);
            return match self.kind {
                Kind::F32 => (0..self.count).try_for_each(|_| each(f64::from(scanner.number::<f32>()?))),
                Kind::I64 | Kind::U64 => (0..self.count).try_for_each(|_| each(scanner.number::<i128>()? as f64)),
                _ => (0..self.count).try_for_each(|_| each(scanner.number()?)),
            };
        }
        let n_bytes = self.kind.n_bytes(self.count).unwrap_or(u64::MAX);
        let (mut done, mut left) = (0, self.count as usize);
        while done < n_bytes {
            let raw = bytes.read(&self.place, self.offset.saturating_add(done), PIECE.min(n_bytes - done))?;
            self.kind.decode(&raw, left, &mut each)?;
            left = left.saturating_sub(8 * raw.len());
            done += raw.len() as u64;
        }
        Ok(())
    }

    /// The numbers. The file was found long enough for them when it was opened.
    pub fn values(&self, bytes: &Bytes) -> Result<Vec<f64>> {
        let mut values = Vec::with_capacity(self.count as usize);
        self.each(bytes, |v| {
            values.push(v);
            Ok(())
        })?;
        Ok(values)
    }

    /// The numbers as those of points or as counts. Error: K015 for what cannot be one.
    pub fn indices(&self, bytes: &Bytes) -> Result<Vec<u32>> {
        let mut indices = Vec::with_capacity(self.count as usize);
        self.each(bytes, |v| {
            if v < 0.0 || v > f64::from(u32::MAX) || v.fract() != 0.0 {
                let place = format!("{}, number {}", self.place, indices.len());
                return Err(Error::input("K015", &bytes.path, place, v.to_string(), "a number of a point", MEND));
            }
            indices.push(v as u32);
            Ok(())
        })?;
        Ok(indices)
    }
}

const MEND: &str = "write the file again, or mend the cell";
