//! The numbers of an array of a .vtu file: base64, blocks of zlib and lz4, byte order, number types.

use crate::error::{Error, Result};
use crate::io::mesh_file::{Bytes, damaged};
use crate::io::vtk::head::{Compressor, DataArray, Head, MAX_RATIO, NumberType, Place};
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use libdeflater::Decompressor;
use rayon::prelude::*;
use std::ops::Range;
use std::str::FromStr;

/// Uncompressed bytes from which on blocks are decompressed by several threads.
const PARALLEL: usize = 1 << 18;
/// Uncompressed bytes that a block may have beyond its compressed bytes times [`MAX_RATIO`].
const SLACK: u64 = 4096;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Reads arrays of one file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoder<'a> {
    pub bytes: &'a Bytes,
    pub head: &'a Head,
}

/// A number as it is handed on.
pub(crate) trait Target: Sized + Send {
    /// Adds the numbers in `bytes`; `None` for a type that does not fit.
    fn extend(number: NumberType, bytes: &[u8], big_endian: bool, to: &mut Vec<Self>) -> Option<()>;
    fn from_text(number: NumberType, text: &str) -> Option<Self>;
}

macro_rules! extend {
    ($from:ty, $bytes:expr, $big:expr, $to:expr) => {{
        let (numbers, _) = $bytes.as_chunks::<{ size_of::<$from>() }>();
        match $big {
            true => $to.extend(numbers.iter().map(|b| <$from>::from_be_bytes(*b) as Self)),
            false => $to.extend(numbers.iter().map(|b| <$from>::from_le_bytes(*b) as Self)),
        }
        Some(())
    }};
}

impl Target for f64 {
    fn extend(number: NumberType, bytes: &[u8], big: bool, to: &mut Vec<f64>) -> Option<()> {
        match number {
            NumberType::Int8 => extend!(i8, bytes, big, to),
            NumberType::UInt8 => extend!(u8, bytes, big, to),
            NumberType::Int16 => extend!(i16, bytes, big, to),
            NumberType::UInt16 => extend!(u16, bytes, big, to),
            NumberType::Int32 => extend!(i32, bytes, big, to),
            NumberType::UInt32 => extend!(u32, bytes, big, to),
            NumberType::Int64 => extend!(i64, bytes, big, to),
            NumberType::UInt64 => extend!(u64, bytes, big, to),
            NumberType::Float32 => extend!(f32, bytes, big, to),
            NumberType::Float64 => extend!(f64, bytes, big, to),
        }
    }

    fn from_text(number: NumberType, text: &str) -> Option<f64> {
        // A float32 is the one nearest to its text, as in a binary file.
        match number {
            NumberType::Float32 => f32::from_str(text).ok().map(f64::from),
            _ => f64::from_str(text).ok(),
        }
    }
}

impl Target for i64 {
    fn extend(number: NumberType, bytes: &[u8], big: bool, to: &mut Vec<i64>) -> Option<()> {
        match number {
            NumberType::Int8 => extend!(i8, bytes, big, to),
            NumberType::UInt8 => extend!(u8, bytes, big, to),
            NumberType::Int16 => extend!(i16, bytes, big, to),
            NumberType::UInt16 => extend!(u16, bytes, big, to),
            NumberType::Int32 => extend!(i32, bytes, big, to),
            NumberType::UInt32 => extend!(u32, bytes, big, to),
            NumberType::Int64 => extend!(i64, bytes, big, to),
            NumberType::UInt64 => extend!(u64, bytes, big, to),
            NumberType::Float32 | NumberType::Float64 => None,
        }
    }

    fn from_text(_: NumberType, text: &str) -> Option<i64> {
        text.parse().ok()
    }
}

impl Decoder<'_> {
    /// The numbers of an array: `n` of them where that is known, else as many as there are.
    ///
    /// Errors: K003 cut or damaged, K005 another number of them. Cost: reads and decompresses the bytes of this array only.
    pub fn read<T: Target>(&self, array: &DataArray, n: Option<usize>) -> Result<Vec<T>> {
        if n == Some(0) {
            return Ok(Vec::new());
        }
        let place = format!("DataArray `{}`", array.name);
        if let Place::Ascii(texts) = &array.place {
            return self.ascii(&place, array, texts, n);
        }
        let stored = match &array.place {
            Place::Appended(offset) => self.appended(&place, *offset)?,
            Place::Ascii(texts) | Place::Base64(texts) => self.base64(&place, &self.texts(&place, texts)?)?,
        };
        let decoded = Decoded { decoder: self, place: &place, number: array.number, n };
        match self.head.compressor {
            Compressor::None => {
                let mut values = Vec::new();
                decoded.extend(decoded.plain(&stored)?, &mut values)?;
                Ok(values)
            }
            _ => decoded.blocks(&stored),
        }
    }

    /// Adds what an array is and its bytes as they are stored: arrays of which all this is equal, with heads alike, hold the same
    /// numbers.
    pub fn stored(&self, array: &DataArray, to: &mut Vec<u8>) -> Result<()> {
        let place = format!("DataArray `{}`", array.name);
        let (kind, bytes) = match &array.place {
            Place::Ascii(texts) => ("ascii", self.texts(&place, texts)?),
            Place::Base64(texts) => ("base64", self.texts(&place, texts)?),
            Place::Appended(offset) => {
                let (start, end) = self.extent(&place, *offset)?;
                ("appended", self.bytes.read(&place, start, end - start)?)
            }
        };
        let DataArray { name, number, n_components, n_kept, .. } = array;
        let what = format!("{name:?} {number:?} {n_components} {n_kept} {kind} {}:", bytes.len());
        to.extend(what.into_bytes());
        to.extend(bytes);
        Ok(())
    }

    fn damaged(&self, place: &str, found: impl Into<String>, expected: impl Into<String>) -> Error {
        damaged(&self.bytes.path, place, found, expected)
    }

    fn texts(&self, place: &str, texts: &[Range<u64>]) -> Result<Vec<u8>> {
        let read = |r: &Range<u64>| self.bytes.read(place, r.start, r.end.saturating_sub(r.start));
        match texts {
            [one] => read(one),
            several => Ok(several.iter().map(read).collect::<Result<Vec<_>>>()?.join(&b' ')),
        }
    }

    /// First byte of appended data, and the first of the next array.
    fn extent(&self, place: &str, offset: u64) -> Result<(u64, u64)> {
        let Some((begin, _)) = self.head.appended else {
            return Err(self.damaged(place, "no AppendedData with a mark `_`", "appended data"));
        };
        let next = self.head.offsets.partition_point(|&o| o <= offset);
        let end = self.head.offsets.get(next).map_or(self.bytes.len, |&o| begin.saturating_add(o).min(self.bytes.len));
        let start = begin.saturating_add(offset);
        if start >= end {
            let found = format!("the offset {offset} behind the end of the file");
            return Err(self.damaged(place, found, "a place in the appended data"));
        }
        Ok((start, end))
    }

    /// All bytes up to the next array.
    fn appended(&self, place: &str, offset: u64) -> Result<Vec<u8>> {
        let (start, end) = self.extent(place, offset)?;
        let stored = self.bytes.read(place, start, end - start)?;
        if !self.head.appended.is_some_and(|(_, base64)| base64) {
            return Ok(stored);
        }
        let n = memchr::memchr(b'<', &stored).unwrap_or(stored.len());
        self.base64(place, stored.get(..n).unwrap_or_default())
    }

    /// Base64 of one string, or of several each with its padding.
    fn base64(&self, place: &str, text: &[u8]) -> Result<Vec<u8>> {
        let bare: Vec<u8>;
        let text = text.trim_ascii();
        let text = if text.iter().any(u8::is_ascii_whitespace) {
            bare = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
            &bare
        } else {
            text
        };
        let mut decoded = Vec::with_capacity(text.len() / 4 * 3 + 3);
        for part in text.split(|&b| b == b'=') {
            let read = BASE64.decode_vec(part, &mut decoded);
            read.map_err(|e| self.damaged(place, format!("base64 that cannot be read ({e})"), "base64"))?;
        }
        Ok(decoded)
    }

    fn ascii<T: Target>(
        &self,
        place: &str,
        array: &DataArray,
        texts: &[Range<u64>],
        n: Option<usize>,
    ) -> Result<Vec<T>> {
        let text = self.texts(place, texts)?;
        let text = std::str::from_utf8(&text).map_err(|_| self.damaged(place, "bytes that are no text", "numbers"))?;
        // A number takes two characters or more.
        let mut values = Vec::with_capacity(n.unwrap_or(0).min(text.len() / 2 + 1));
        for word in text.split_ascii_whitespace() {
            let value = T::from_text(array.number, word);
            let shown = || format!("`{}` at entry {}", word.chars().take(40).collect::<String>(), values.len());
            values.push(value.ok_or_else(|| self.damaged(place, shown(), "a number"))?);
        }
        self.check_number(place, values.len(), n)?;
        Ok(values)
    }

    fn check_number(&self, place: &str, found: usize, n: Option<usize>) -> Result<()> {
        match n {
            Some(n) if n != found => {
                let (found, expected) = (format!("{found} numbers"), format!("{n} numbers"));
                Err(Error::input("K005", &self.bytes.path, place, found, expected, "write the file again"))
            }
            _ => Ok(()),
        }
    }
}

/// One array while its stored bytes become the bytes of its numbers.
struct Decoded<'a> {
    decoder: &'a Decoder<'a>,
    place: &'a str,
    number: NumberType,
    n: Option<usize>,
}

impl Decoded<'_> {
    fn extend<T: Target>(&self, bytes: &[u8], to: &mut Vec<T>) -> Result<()> {
        let added = T::extend(self.number, bytes, self.decoder.head.big_endian, to);
        added.ok_or_else(|| self.decoder.damaged(self.place, "floating-point numbers", "integers"))
    }

    fn header(&self, stored: &[u8], i: usize) -> Result<u64> {
        let (size, big) = (self.decoder.head.header_size, self.decoder.head.big_endian);
        let start = i.saturating_mul(size);
        let Some(bytes) = stored.get(start..start.saturating_add(size)) else {
            return Err(self.cut());
        };
        let digits = bytes.iter().copied();
        let number = |n: u64, b: u8| n << 8 | u64::from(b);
        Ok(if big { digits.fold(0, number) } else { digits.rev().fold(0, number) })
    }

    fn cut(&self) -> Error {
        self.decoder.damaged(self.place, "fewer bytes than its header tells", "a whole array")
    }

    /// Bytes as the header tells them, if they make whole numbers, as many as expected.
    fn checked(&self, total: u64) -> Result<usize> {
        let size = self.number.size();
        let whole = total.is_multiple_of(size as u64) && usize::try_from(total).is_ok();
        if !whole {
            let (found, expected) = (format!("{total} bytes"), format!("numbers of {size} bytes"));
            return Err(self.decoder.damaged(self.place, found, expected));
        }
        self.decoder.check_number(self.place, total as usize / size, self.n)?;
        Ok(total as usize)
    }

    /// `[n_bytes, bytes]`.
    fn plain<'b>(&self, stored: &'b [u8]) -> Result<&'b [u8]> {
        let n = self.checked(self.header(stored, 0)?)?;
        let begin = self.decoder.head.header_size;
        stored.get(begin..begin.saturating_add(n)).ok_or_else(|| self.cut())
    }

    /// `[n_blocks, bytes of a block, bytes of the last one (0: it is full), compressed bytes of each, blocks]`.
    fn blocks<T: Target>(&self, stored: &[u8]) -> Result<Vec<T>> {
        let [n_blocks, size, last] = [self.header(stored, 0)?, self.header(stored, 1)?, self.header(stored, 2)?];
        let header_size = self.decoder.head.header_size as u64;
        let begin = n_blocks.checked_add(3).and_then(|n| n.checked_mul(header_size));
        let Some(begin) = begin.filter(|&b| b <= stored.len() as u64).map(|b| b as usize) else {
            return Err(self.cut());
        };
        let wrong = || {
            let found = format!("{n_blocks} blocks of {size} bytes, the last of {last}");
            self.decoder.damaged(self.place, found, "blocks that can be")
        };
        if n_blocks > 0 && (size == 0 || last > size) {
            return Err(wrong());
        }
        let last = if last == 0 { size } else { last };
        let total = n_blocks.saturating_sub(1).checked_mul(size).and_then(|n| n.checked_add(last)).ok_or_else(wrong)?;
        let total = self.checked(if n_blocks == 0 { 0 } else { total })?;
        let mut rest = stored.get(begin..).unwrap_or_default();
        let mut packed = Vec::with_capacity(n_blocks as usize);
        for i in 0..n_blocks as usize {
            let n = self.header(stored, 3 + i)?;
            let block = usize::try_from(n).ok().and_then(|n| rest.split_at_checked(n));
            let Some((block, tail)) = block else { return Err(self.cut()) };
            let bytes = if i + 1 == n_blocks as usize { last } else { size };
            if bytes > n.saturating_mul(MAX_RATIO).saturating_add(SLACK) {
                return Err(wrong());
            }
            packed.push(block);
            rest = tail;
        }
        let size = usize::try_from(size).unwrap_or(total).clamp(1, total.max(1));
        let mut values = Vec::with_capacity(total / self.number.size());
        if total < PARALLEL && size.is_multiple_of(self.number.size()) {
            // One block at a time stays in the cache.
            let (mut inflate, mut bytes) = (Decompressor::new(), vec![0; size]);
            for (i, block) in packed.iter().enumerate() {
                let to = bytes.get_mut(..size.min(total - i * size)).unwrap_or_default();
                self.unpack(&mut inflate, block, to)?;
                self.extend(to, &mut values)?;
            }
            return Ok(values);
        }
        let mut bytes = vec![0; total];
        let blocks = packed.par_iter().zip(bytes.par_chunks_mut(size));
        blocks.try_for_each_init(Decompressor::new, |state, (block, to)| self.unpack(state, block, to))?;
        self.extend(&bytes, &mut values)?;
        Ok(values)
    }

    fn unpack(&self, inflate: &mut Decompressor, block: &[u8], to: &mut [u8]) -> Result<()> {
        let done = match self.decoder.head.compressor {
            Compressor::Lz4 => lz4_flex::block::decompress_into(block, to).is_ok_and(|n| n == to.len()),
            _ => inflate.zlib_decompress(block, to).is_ok_and(|n| n == to.len()),
        };
        let refuse = || self.decoder.damaged(self.place, "a block that cannot be decompressed", "compressed data");
        if done { Ok(()) } else { Err(refuse()) }
    }
}
