//! Data items of XDMF: arrays in HDF5, in the text of the file, or in a binary file beside it.

use crate::error::{Error, Result};
use crate::io::hdf;
use crate::io::mesh_file::{Bytes, Number, damaged};
use crate::io::xdmf::light::{Light, Node};
use hdf5::types::{FloatSize, TypeDescriptor};
use hdf5::{Dataset, Hyperslab, Selection, SliceOrIndex};
use std::path::{Path, PathBuf};

/// Longest chain of references.
const MAX_REFERENCES: usize = 8;
/// Bytes of a binary file that are read at once.
const PIECE: u64 = 1 << 20;

/// K018 for a variant of XDMF that is not read.
pub(crate) fn not_read(
    light: &Light,
    place: impl Into<String>,
    found: impl Into<String>,
    expected: impl Into<String>,
) -> Error {
    let mend = "write the file again in a form that is expected, for instance with meshio";
    Error::input("K018", light.path(), place, found, expected, mend)
}

/// The element itself, or the one that it refers to.
pub(crate) fn resolve(light: &Light, node: Node) -> Result<Node> {
    let mut node = node;
    for _ in 0..MAX_REFERENCES {
        let Some(reference) = light.attribute(node, "Reference") else { return Ok(node) };
        let path = if reference.eq_ignore_ascii_case("XML") { light.text(node)? } else { reference };
        let missing = || {
            let mend = "mend the path, or write the file again";
            Error::input(
                "K006",
                light.path(),
                light.called(node),
                format!("a reference to {path}"),
                "its element",
                mend,
            )
        };
        node = *light.find(&path)?.first().ok_or_else(missing)?;
    }
    Err(damaged(light.path(), light.called(node), "references that refer to each other", "a data item"))
}

/// The data items inside an element.
pub(crate) fn items(light: &Light, node: Node) -> Vec<Node> {
    light.children_named(node, "DataItem").collect()
}

/// Where the values of an item are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Format {
    Text,
    Binary,
    Hdf,
}

/// An array; `place` is for messages.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    light: &'a Light,
    node: Node,
    place: &'a str,
    /// For a part of an array: the item that describes it.
    slab: Option<Node>,
    format: Format,
    dims: Option<Vec<usize>>,
}

impl<'a> Item<'a> {
    /// Follows references; reads no values. Errors: K018 for kinds of items that are not read, K003, K006.
    pub fn new(light: &'a Light, node: Node, place: &'a str) -> Result<Item<'a>> {
        let mut node = resolve(light, node)?;
        let mut slab = None;
        let dims = dimensions(light, node, place)?;
        let kind = light.attribute_of(node, &["ItemType", "Type"]).unwrap_or_else(|| "Uniform".into());
        match kind.to_lowercase().as_str() {
            "uniform" => {}
            "hyperslab" => {
                let [selection, source] = items(light, node)[..] else {
                    let expected = "two data items, the selection and its source";
                    return Err(damaged(light.path(), place, "a HyperSlab with other parts", expected));
                };
                (slab, node) = (Some(selection), resolve(light, source)?);
            }
            _ => return Err(not_read(light, place, format!("a data item of type {kind}"), "Uniform or HyperSlab")),
        }
        let format = light.attribute(node, "Format").unwrap_or_else(|| "XML".into());
        let format = match format.to_lowercase().as_str() {
            "xml" => Format::Text,
            "binary" => Format::Binary,
            "hdf" | "hdf5" => Format::Hdf,
            _ => return Err(not_read(light, place, format!("the format {format}"), "HDF, XML or Binary")),
        };
        if slab.is_some() && format != Format::Hdf {
            return Err(not_read(light, place, "a HyperSlab of data outside of HDF5", "a HyperSlab of HDF5 data"));
        }
        Ok(Item { light, node, place, slab, format, dims })
    }

    /// Lengths of the axes. Errors: K001, K003 for data in HDF5 of which the text tells none.
    pub fn dims(&self) -> Result<Vec<usize>> {
        match (&self.dims, self.format, self.slab) {
            (Some(dims), _, _) => Ok(dims.clone()),
            (None, Format::Hdf, None) => Ok(self.dataset()?.1.shape()),
            (None, Format::Hdf, Some(slab)) => Ok(self.selection(slab)?.1),
            _ => Err(damaged(self.light.path(), self.place, "a data item without Dimensions", "its Dimensions")),
        }
    }

    fn check_shape(&self, path: &Path, data: &Dataset) -> Result<()> {
        if self.dims.as_ref().is_some_and(|dims| product(dims) != product(&data.shape())) {
            return Err(self.wrong_length(format!("shape {:?} in {}", data.shape(), path.display())));
        }
        Ok(())
    }

    fn check_slab(&self, counts: &[usize]) -> Result<()> {
        if self.dims.as_ref().is_some_and(|dims| product(dims) != product(counts)) {
            return Err(self.wrong_length(format!("a HyperSlab of {}", words(counts))));
        }
        Ok(())
    }

    /// Number of values.
    pub fn len(&self) -> Result<usize> {
        let dims = self.dims()?;
        product(&dims).ok_or_else(|| damaged(self.light.path(), self.place, format!("{dims:?} values"), "a size"))
    }

    /// How the values are stored. What HDF5 says is taken for true: programs leave NumberType out. Refuses lengths in the text that
    /// the data do not have, before anybody asks for memory by them. Errors: as [`values`](Self::values).
    pub fn number(&self) -> Result<Number> {
        if self.format != Format::Hdf {
            self.believed()?;
            return Ok(match self.kind()? {
                Kind::Float(4) => Number::Float32,
                Kind::Float(_) => Number::Float64,
                _ => Number::Integer,
            });
        }
        let (path, data) = self.dataset()?;
        match self.slab {
            None => self.check_shape(&path, &data)?,
            Some(slab) => self.check_slab(&self.selection(slab)?.1)?,
        }
        hdf::check_size(&path, &data, self.place)?;
        hdf::check_numeric(&path, &data, self.place)?;
        Ok(match data.dtype().and_then(|t| t.to_descriptor()) {
            Ok(TypeDescriptor::Float(FloatSize::U8)) => Number::Float64,
            Ok(TypeDescriptor::Float(_)) => Number::Float32,
            _ => Number::Integer,
        })
    }

    /// All values in memory order. Errors: K001 a file that is missing, K003 damaged, K005 another number of values than
    /// Dimensions say, K006 no data set of that name.
    pub fn values(&self) -> Result<Vec<f64>> {
        if self.format == Format::Hdf {
            return self.heavy();
        }
        let mut values = Vec::with_capacity(self.believed()?);
        self.each(&mut |piece| {
            values.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(values)
    }

    /// Hands all values to `take`, piece by piece. Errors as [`values`](Self::values).
    pub fn each(&self, take: &mut dyn FnMut(&[f64]) -> Result<()>) -> Result<()> {
        match self.format {
            Format::Hdf => take(&self.heavy()?),
            Format::Binary => self.binary(take),
            Format::Text => {
                let (n, mut found) = (self.believed()?, 0usize);
                let single = self.light.attribute(self.node, "Precision").as_deref() == Some("4");
                let single = single && self.kind()? == Kind::Float(4);
                self.light.words(self.node, |word| {
                    let value: f64 = word.parse().map_err(|_| {
                        damaged(
                            self.light.path(),
                            self.place,
                            format!("the word {word:.40}"),
                            format!("number {found}"),
                        )
                    })?;
                    found += 1;
                    if found > n {
                        return Err(self.wrong_length("more values"));
                    }
                    take(&[if single { f64::from(value as f32) } else { value }])
                })?;
                if found == n { Ok(()) } else { Err(self.wrong_length(format!("{found} values"))) }
            }
        }
    }

    /// The number of values, where the bytes for them are there.
    fn believed(&self) -> Result<usize> {
        let n = self.len()?;
        // A word of one digit and a space.
        let most = self.light.text_len(self.node) / 2 + 1;
        match self.format {
            Format::Text if n > most => Err(self.wrong_length(format!("text of at most {most} values"))),
            Format::Binary => self.binary_file(n).map(|_| n),
            _ => Ok(n),
        }
    }

    fn wrong_length(&self, found: impl Into<String>) -> Error {
        let dims = self.dims.as_ref().map(|dims| format!("Dimensions {}", words(dims))).unwrap_or_default();
        hdf::wrong_shape(self.light.path(), self.place, found.into(), dims)
    }

    /// File and data set that the text names.
    fn dataset(&self) -> Result<(PathBuf, Dataset)> {
        let text = self.light.text(self.node)?;
        let split = text.find(":/").map(|i| text.split_at(i)).or_else(|| text.rfind(':').map(|i| text.split_at(i)));
        let (file, name) = split.map(|(f, n)| (f.trim(), n.trim_start_matches(':').trim())).unwrap_or_default();
        if file.is_empty() || name.is_empty() {
            return Err(damaged(self.light.path(), self.place, format!("{text:?}"), "file.h5:/path of a data set"));
        }
        if name.contains('|') {
            return Err(not_read(self.light, self.place, format!("{text:?}"), "a whole data set, or a HyperSlab"));
        }
        let path = self.beside(file);
        if !path.exists() {
            let place = format!("named by {} ({})", self.light.path().display(), self.place);
            let mend = "put the .h5 file beside the .xdmf file, under the name that the latter tells";
            return Err(Error::input("K001", &path, place, "no such file", "the HDF5 file with the values", mend));
        }
        let opened = hdf::open(&path)?;
        let data = hdf::dataset(&opened, name).ok_or_else(|| {
            let expected = format!("the data set that {} names", self.light.path().display());
            Error::input("K006", &path, self.place, format!("no data set {name}"), expected, "copy both files again")
        })?;
        Ok((path, data))
    }

    fn beside(&self, file: &str) -> PathBuf {
        self.light.path().parent().map(|folder| folder.join(file)).unwrap_or_else(|| file.into())
    }

    fn heavy(&self) -> Result<Vec<f64>> {
        let (path, data) = self.dataset()?;
        let Some(slab) = self.slab else {
            self.check_shape(&path, &data)?;
            return hdf::read_f64(&path, &data, self.place);
        };
        let (selection, counts) = self.selection(slab)?;
        self.check_slab(&counts)?;
        hdf::check_numeric(&path, &data, self.place)?;
        hdf::check_size(&path, &data, self.place)?;
        let values = data.read_slice::<f64, _, ndarray::IxDyn>(selection);
        Ok(values.map_err(|e| hdf::damaged(&path, self.place, e))?.into_raw_vec_and_offset().0)
    }

    /// Start, stride and count of each axis, checked against the data set.
    fn selection(&self, slab: Node) -> Result<(Selection, Vec<usize>)> {
        let shape = self.dataset()?.1.shape();
        let numbers = Item::new(self.light, slab, self.place)?.values()?;
        let wrong = |found: String| {
            let expected = format!("start, stride and count of each axis of {shape:?}");
            hdf::wrong_shape(self.light.path(), self.place, found, expected)
        };
        let n = shape.len();
        if n == 0 || numbers.len() != 3 * n || !numbers.iter().all(|v| v.fract() == 0.0 && (0.0..1e15).contains(v)) {
            return Err(wrong(format!("a HyperSlab of {} numbers", numbers.len())));
        }
        let (mut axes, mut counts) = (Vec::new(), Vec::new());
        for (axis, &length) in shape.iter().enumerate() {
            let [start, step, count] = [0, n, 2 * n].map(|i| numbers.get(i + axis).map_or(0, |&v| v as usize));
            let last = count.checked_sub(1).and_then(|k| k.checked_mul(step)).and_then(|k| k.checked_add(start));
            if last.is_none_or(|last| last >= length) || (step == 0 && count > 1) {
                return Err(wrong(format!("start {start}, stride {step}, count {count} on axis {axis}")));
            }
            axes.push(SliceOrIndex::SliceCount { start, step: step.max(1), count, block: 1 });
            counts.push(count);
        }
        Ok((Hyperslab::from(axes).into(), counts))
    }

    fn kind(&self) -> Result<Kind> {
        let name = self.light.attribute_of(self.node, &["NumberType", "DataType"]).unwrap_or_else(|| "Float".into());
        let precision = self.light.attribute(self.node, "Precision");
        let size = |default: usize| match precision.as_deref().map(str::trim) {
            None => Some(default),
            Some(p) => p.parse().ok().filter(|p| [1, 2, 4, 8].contains(p)),
        };
        let kind = match name.to_lowercase().as_str() {
            "float" => size(4).filter(|&n| n >= 4).map(Kind::Float),
            "int" => size(4).map(Kind::Int),
            "uint" => size(4).map(Kind::UInt),
            "char" => size(1).map(Kind::Int),
            "uchar" => size(1).map(Kind::UInt),
            "short" => size(2).map(Kind::Int),
            _ => None,
        };
        kind.ok_or_else(|| {
            let found = format!("NumberType {name}, Precision {}", precision.unwrap_or_default());
            not_read(self.light, self.place, found, "Float of 4 or 8 bytes, Int, UInt or Char of 1, 2, 4 or 8")
        })
    }

    /// The binary file, and where its `n` values begin.
    fn binary_file(&self, n: usize) -> Result<(Bytes, u64)> {
        let packed = self.light.attribute(self.node, "Compression").filter(|c| !c.eq_ignore_ascii_case("raw"));
        if let Some(packed) = packed {
            return Err(not_read(self.light, self.place, format!("binary data with Compression {packed}"), "raw data"));
        }
        let file = Bytes::of(&self.beside(&self.light.text(self.node)?))?;
        let seek = self.light.attribute(self.node, "Seek").unwrap_or_else(|| "0".into());
        let seek: u64 =
            seek.trim().parse().map_err(|_| damaged(self.light.path(), self.place, seek, "bytes to skip"))?;
        let size = (n as u64).checked_mul(self.kind()?.size() as u64).and_then(|n| n.checked_add(seek));
        if size.is_none_or(|end| end > file.len) {
            let found = format!("{} bytes in {}", file.len, file.path.display());
            return Err(self.wrong_length(found));
        }
        Ok((file, seek))
    }

    fn binary(&self, take: &mut dyn FnMut(&[f64]) -> Result<()>) -> Result<()> {
        let n = self.len()?;
        let (file, seek) = self.binary_file(n)?;
        let kind = self.kind()?;
        let big = match self.light.attribute(self.node, "Endian").unwrap_or_default().to_lowercase().as_str() {
            "big" => true,
            "little" => false,
            "native" | "" => cfg!(target_endian = "big"),
            other => return Err(not_read(self.light, self.place, format!("Endian {other}"), "Native, Little or Big")),
        };
        let (mut at, end) = (seek, seek + (n * kind.size()) as u64);
        while at < end {
            let bytes = file.read(self.place, at, PIECE.min(end - at))?;
            at += bytes.len() as u64;
            let values: Vec<f64> = bytes.chunks_exact(kind.size()).map(|b| kind.decode(b, big)).collect();
            take(&values)?;
        }
        Ok(())
    }
}

/// Type of a number by the bytes that it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Float(usize),
    Int(usize),
    UInt(usize),
}

impl Kind {
    fn size(self) -> usize {
        match self {
            Kind::Float(n) | Kind::Int(n) | Kind::UInt(n) => n,
        }
    }

    fn decode(self, bytes: &[u8], big: bool) -> f64 {
        let shifted = |bits: u64, &b: &u8| bits << 8 | u64::from(b);
        let bits = if big { bytes.iter().fold(0, shifted) } else { bytes.iter().rev().fold(0, shifted) };
        match self {
            Kind::Float(4) => f64::from(f32::from_bits(bits as u32)),
            Kind::Float(_) => f64::from_bits(bits),
            Kind::UInt(_) => bits as f64,
            // The sign is in the highest bit of the bytes that there are.
            Kind::Int(n) => ((bits << (64 - 8 * n)) as i64 >> (64 - 8 * n)) as f64,
        }
    }
}

fn product(dims: &[usize]) -> Option<usize> {
    dims.iter().try_fold(1usize, |n, &m| n.checked_mul(m))
}

fn words(dims: &[usize]) -> String {
    dims.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
}

fn dimensions(light: &Light, node: Node, place: &str) -> Result<Option<Vec<usize>>> {
    let Some(text) = light.attribute(node, "Dimensions") else { return Ok(None) };
    let dims: Option<Vec<usize>> = text.split_ascii_whitespace().map(|w| w.parse().ok()).collect();
    match dims.filter(|dims| !dims.is_empty()) {
        Some(dims) => Ok(Some(dims)),
        None => Err(damaged(light.path(), place, format!("Dimensions {text:?}"), "lengths of axes")),
    }
}
