//! Undoes the filters of an HDF5 chunk: deflate, shuffle, Fletcher-32, in any order.
//!
//! Reference: HDF5 file format specification, filter pipeline message; HDF5 reference manual, H5Pset_filter.

use hdf5::filters::Filter;
use libdeflater::Decompressor;
use std::ops::Range;

/// A filter that is undone here.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Shuffle,
    Deflate,
    Fletcher32,
}

/// The filters of a data set in the order in which they were applied.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    steps: Vec<Step>,
    /// Bytes of a value: 4 or 8.
    size: usize,
}

/// What a thread needs to unpack chunks; grows to two or three chunks and stays.
#[derive(Default)]
pub(crate) struct Buffers {
    /// The packed bytes.
    pub raw: Vec<u8>,
    swap: Vec<u8>,
    inflate: Option<Decompressor>,
}

impl std::fmt::Debug for Buffers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffers({} + {} bytes)", self.raw.len(), self.swap.len())
    }
}

/// The values of a chunk: one after the other, or as planes of bytes of equal rank (shuffled).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Values<'a> {
    Plain(&'a [u8], usize),
    Planes(&'a [u8], usize),
}

impl Pipeline {
    /// None where a filter is among them that only HDF5 knows.
    pub fn of(filters: &[Filter], size: usize) -> Option<Pipeline> {
        let step = |filter: &Filter| match filter {
            Filter::Shuffle => Some(Step::Shuffle),
            Filter::Deflate(_) => Some(Step::Deflate),
            Filter::Fletcher32 => Some(Step::Fletcher32),
            _ => None,
        };
        let steps = filters.iter().map(step).collect::<Option<Vec<_>>>()?;
        matches!(size, 4 | 8).then_some(Pipeline { steps, size })
    }

    /// Unpacks the first `length` bytes of `buffers.raw` to `n_bytes` of values; `mask` has a bit for each filter that
    /// was left out. What is wrong is told in words.
    pub fn decode<'a>(
        &self,
        buffers: &'a mut Buffers,
        length: usize,
        mask: u32,
        n_bytes: usize,
    ) -> Result<Values<'a>, String> {
        let applied = |i: usize| mask.checked_shr(i as u32).is_none_or(|m| m & 1 == 0);
        let steps: Vec<Step> = self.steps.iter().enumerate().filter(|(i, _)| applied(*i)).map(|(_, s)| *s).collect();
        // Bytes before each step, as far as a step does not pack.
        let mut before = vec![n_bytes];
        steps.iter().for_each(|s| {
            let last = before[before.len() - 1];
            before.push(if *s == Step::Fletcher32 { last + 4 } else { last });
        });
        let (mut length, mut planes) = (length, false);
        for (i, step) in steps.iter().enumerate().rev() {
            let Buffers { raw, swap, inflate } = buffers;
            let bytes = raw.get(..length).ok_or("fewer bytes than its index says")?;
            match step {
                Step::Fletcher32 => {
                    let Some((values, sum)) = bytes.split_last_chunk::<4>() else {
                        return Err("a chunk without its checksum".into());
                    };
                    verify(values, u32::from_le_bytes(*sum))?;
                    length -= 4;
                }
                Step::Deflate => {
                    if swap.len() < before[i] {
                        swap.resize(before[i], 0);
                    }
                    let decoder = inflate.get_or_insert_with(Decompressor::new);
                    let found = decoder
                        .zlib_decompress(bytes, &mut swap[..before[i]])
                        .map_err(|e| format!("a chunk that does not inflate ({e})"))?;
                    length = found;
                    std::mem::swap(raw, swap);
                }
                // The planes of the last step are taken apart on the way out.
                Step::Shuffle if i == 0 && length == n_bytes => planes = true,
                Step::Shuffle => {
                    swap.resize(swap.len().max(length), 0);
                    unshuffle(bytes, &mut swap[..length], self.size);
                    std::mem::swap(raw, swap);
                }
            }
        }
        let bytes = buffers.raw.get(..length).unwrap_or_default();
        if bytes.len() != n_bytes {
            return Err(format!("a chunk of {} bytes, not {n_bytes}", bytes.len()));
        }
        Ok(if planes { Values::Planes(bytes, self.size) } else { Values::Plain(bytes, self.size) })
    }
}

/// Takes planes of bytes apart; bytes beyond the last whole value stay.
fn unshuffle(planes: &[u8], values: &mut [u8], size: usize) {
    let n = planes.len() / size;
    for (p, plane) in planes[..n * size].chunks_exact(n.max(1)).enumerate() {
        plane.iter().enumerate().for_each(|(i, byte)| values[i * size + p] = *byte);
    }
    values[n * size..].copy_from_slice(&planes[n * size..]);
}

/// The checksum of HDF5: sums of big-endian words of 16 bits modulo 65535. Early versions wrote its bytes in pairs
/// swapped, and HDF5 accepts both.
fn verify(bytes: &[u8], stored: u32) -> Result<(), String> {
    let (mut low, mut high) = (0_u64, 0_u64);
    // So many words that the sums stay below 2^64.
    for block in bytes.chunks(1 << 16) {
        for word in block.chunks(2) {
            low += u64::from(word[0]) << 8 | word.get(1).map_or(0, |b| u64::from(*b));
            high += low;
        }
        (low, high) = (fold(low), fold(high));
    }
    let sum = (fold(high) << 16 | fold(low)) as u32;
    let swapped = (sum & 0x00ff_00ff) << 8 | (sum >> 8) & 0x00ff_00ff;
    if stored == sum || stored == swapped { Ok(()) } else { Err("a checksum (Fletcher-32) that differs".into()) }
}

/// Modulo 65535, with 65535 for multiples of it other than 0.
fn fold(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

impl Values<'_> {
    /// Values `first..` of the chunk into `target`; whether all are finite.
    pub fn copy(&self, first: usize, target: &mut [f64]) -> bool {
        let n = target.len();
        match *self {
            Values::Plain(bytes, 8) => {
                let (words, _) = bytes[8 * first..8 * (first + n)].as_chunks::<8>();
                target.iter_mut().zip(words).for_each(|(t, w)| *t = f64::from_le_bytes(*w));
            }
            Values::Plain(bytes, _) => {
                let (words, _) = bytes[4 * first..4 * (first + n)].as_chunks::<4>();
                target.iter_mut().zip(words).for_each(|(t, w)| *t = f64::from(f32::from_le_bytes(*w)));
            }
            Values::Planes(bytes, 8) => doubles(bytes, first..first + n, target),
            Values::Planes(bytes, _) => singles(bytes, first..first + n, target),
        }
        target.iter().fold(true, |all, v| all & v.is_finite())
    }

    /// One value.
    pub fn get(&self, i: usize) -> f64 {
        let mut value = [0.0];
        self.copy(i, &mut value);
        value[0]
    }
}

/// Entries `range` of the planes of f64 values.
fn doubles(bytes: &[u8], range: Range<usize>, target: &mut [f64]) {
    let n = bytes.len() / 8;
    let planes: [&[u8]; 8] = std::array::from_fn(|p| &bytes[p * n..][range.clone()]);
    let (eights, rest) = target.as_chunks_mut::<8>();
    for (block, values) in eights.iter_mut().enumerate() {
        let word = |p: usize| planes[p][8 * block..].first_chunk().map_or(0, |w| u64::from_le_bytes(*w));
        let columns = transpose_bytes(std::array::from_fn(word));
        values.iter_mut().zip(columns).for_each(|(v, bits)| *v = f64::from_bits(bits));
    }
    let done = 8 * eights.len();
    for (i, value) in rest.iter_mut().enumerate() {
        *value = f64::from_le_bytes(std::array::from_fn(|p| planes[p][done + i]));
    }
}

/// Entries `range` of the planes of f32 values.
fn singles(bytes: &[u8], range: Range<usize>, target: &mut [f64]) {
    let n = bytes.len() / 4;
    let planes: [&[u8]; 4] = std::array::from_fn(|p| &bytes[p * n..][range.clone()]);
    let [a, b, c, d] = planes;
    for ((((value, a), b), c), d) in target.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *value = f64::from(f32::from_le_bytes([*a, *b, *c, *d]));
    }
}

/// The 8 x 8 bytes of eight words transposed, by halves: byte j of word k becomes byte k of word j.
fn transpose_bytes(mut x: [u64; 8]) -> [u64; 8] {
    for (half, mask) in [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff_u64)] {
        let shift = 8 * half;
        for k in (0..8).filter(|k| k & half == 0) {
            let (a, b) = (x[k], x[k + half]);
            x[k] = a & mask | (b & mask) << shift;
            x[k + half] = (a >> shift) & mask | b & !mask;
        }
    }
    x
}
