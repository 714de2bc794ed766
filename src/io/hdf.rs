//! What all HDF5 layouts share: opening with clear messages, strings, blocks of rows.

use crate::error::{Error, Result};
use crate::io::atomic::write_error;
use faer::MatRef;
use hdf5::dataset::{AllocTime, FillTime, Layout};
use hdf5::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Container, Dataset, Group, Hyperslab, Location, Selection, SliceOrIndex};
use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// Longest name of fixed length that is read.
const MAX_FIXED: usize = 1024;
/// Largest ratio of a table to its file, and a size that is always read.
pub(crate) const COMPRESSED: usize = 2000;
pub(crate) const SMALL: usize = 1 << 26;
/// Columns shorter than this (in values) are gathered before they are written.
const GATHER: usize = 1 << 17;

/// Opens `path` read-only. Errors: K001 missing or locked by a writer, K002 not HDF5, K003 truncated or damaged.
pub(crate) fn open(path: &Path) -> Result<hdf5::File> {
    check_signature(path)?;
    let unlocked = || hdf5::File::with_options().with_fapl(|f| f.file_locking(false)).open(path);
    let opened = hdf5::File::open(path).or_else(|e| {
        let reason = e.to_string();
        // EAGAIN: a writer holds the file. Any other reason: the file system has no locks.
        if reason.contains("lock file") && !reason.contains("errno = 11") { unlocked() } else { Err(e) }
    });
    opened.map_err(|e| {
        let reason = e.to_string();
        let reason = reason.rsplit("(): ").next().unwrap_or(&reason).to_string();
        if reason.contains("lock file") {
            let mend = "wait until the program that writes it has closed it";
            return Error::input("K001", path, "", reason, "a file that no other program is writing", mend);
        }
        Error::input("K003", path, "", reason, "a whole HDF5 file", "copy or write the file again")
    })
}

fn check_signature(path: &Path) -> Result<()> {
    let cannot = |e: std::io::Error| {
        let found = if e.kind() == ErrorKind::NotFound { "no such file".to_string() } else { e.to_string() };
        Error::input("K001", path, "", found, "a readable HDF5 file", "check the path and its permissions")
    };
    let no_hdf5 =
        |found: &str| Error::input("K002", path, "", found, "an HDF5 file", "name an HDF5 file, or convert this one");
    let mut file = fs::File::open(path).map_err(cannot)?;
    let meta = file.metadata().map_err(cannot)?;
    if meta.is_dir() {
        return Err(no_hdf5("a folder"));
    }
    if meta.len() == 0 {
        return Err(Error::input("K003", path, "", "an empty file", "an HDF5 file", "copy or write the file again"));
    }
    let mut first = Vec::new();
    let mut offset = 0;
    // The signature stands at 0, 512, 1024, 2048, ... (behind a user block).
    while offset == 0 || offset + 8 <= meta.len() {
        let mut head = Vec::with_capacity(8);
        file.seek(SeekFrom::Start(offset)).map_err(cannot)?;
        Read::by_ref(&mut file).take(8).read_to_end(&mut head).map_err(cannot)?;
        if head == SIGNATURE {
            return Ok(());
        }
        if offset == 0 {
            first = head;
        }
        offset = if offset == 0 { 512 } else { offset * 2 };
    }
    if SIGNATURE.starts_with(&first) {
        let found = format!("{} bytes", meta.len());
        return Err(Error::input("K003", path, "", found, "a whole HDF5 file", "copy or write the file again"));
    }
    Err(no_hdf5(match first.get(..4) {
        Some(b"\x93NUM") => "a NumPy file",
        Some(b"PK\x03\x04") => "a zip or .npz file",
        Some([b'<', ..]) => "an XML file",
        Some(b"vers") => "a text file (a pointer of Git LFS?)",
        _ => "a file without the HDF5 signature",
    }))
}

/// K003 for a read that HDF5 refused; K018 where it lacks the filter.
pub(crate) fn damaged(path: &Path, place: impl Into<String>, e: hdf5::Error) -> Error {
    let reason = e.to_string();
    // HDF5 seeks a filter that it does not know among its plug-ins.
    if reason.contains("plugin") || reason.contains("required filter") {
        let (found, mend) =
            ("a compression that HDF5 knows by a plug-in only", "write the file again with gzip (h5repack)");
        return Error::input("K018", path, place, found, "gzip, shuffle, or no compression", mend);
    }
    Error::input("K003", path, place, reason, "readable data", "copy or write the file again")
}

/// K005.
pub(crate) fn wrong_shape(path: &Path, place: impl Into<String>, found: String, expected: String) -> Error {
    Error::input("K005", path, place, found, expected, "write the array with the expected shape")
}

/// Integers or floating-point numbers (no strings, compounds, enumerations).
pub(crate) fn is_numeric(data: &Container) -> bool {
    let found = data.dtype().and_then(|t| t.to_descriptor());
    matches!(found, Ok(TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_) | TypeDescriptor::Float(_)))
}

/// All values as f64, in memory order; refuses other types.
pub(crate) fn read_f64(path: &Path, data: &Container, place: &str) -> Result<Vec<f64>> {
    check_numeric(path, data, place)?;
    check_size(path, data, place)?;
    data.read_raw::<f64>().map_err(|e| damaged(path, place, e))
}

/// Refuses a shape that the file cannot hold, before memory is asked for: a sign of a damaged header.
pub(crate) fn check_size(path: &Path, data: &Container, place: &str) -> Result<()> {
    let size = data.dtype().map_or(1, |t| t.size());
    let shape = data.shape();
    let bytes = shape.iter().try_fold(size, |n, &m| n.checked_mul(m));
    let length = fs::metadata(path).map_or(0, |m| m.len() as usize);
    // Zeros are packed about a thousand times by gzip; chunks that were never written take no room at all.
    let most = length.saturating_mul(COMPRESSED).max(SMALL);
    if bytes.is_some_and(|n| n <= most) {
        return Ok(());
    }
    let (found, expected) = (format!("shape {shape:?}"), format!("values that fit into a file of {length} bytes"));
    Err(Error::input("K003", path, place, found, expected, "copy or write the file again"))
}

pub(crate) fn check_numeric(path: &Path, data: &Container, place: &str) -> Result<()> {
    if is_numeric(data) {
        return Ok(());
    }
    let found = match data.dtype().and_then(|t| t.to_descriptor()) {
        Ok(t) => format!("values of type {t}"),
        Err(_) => "values of an unknown type".to_string(),
    };
    let mend = "write real numbers; split complex ones into two fields";
    Err(Error::input("K005", path, place, found, "float32, float64 or integers", mend))
}

/// The data set at `path`, or None where there is no data set of that name.
pub(crate) fn dataset(group: &Group, name: &str) -> Option<Dataset> {
    if exists(group, name) { group.dataset(name).ok() } else { None }
}

/// The group at `path`, or None where there is no group of that name.
pub(crate) fn group(parent: &Group, name: &str) -> Option<Group> {
    if exists(parent, name) { parent.group(name).ok() } else { None }
}

/// Whether every link on the way exists (HDF5 itself fails on a missing link in the middle).
pub(crate) fn exists(group: &Group, name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').filter(|p| !p.is_empty()).collect();
    (1..=parts.len()).all(|n| parts[n - 1] == "." || group.link_exists(&parts[..n].join("/")))
}

/// Strings of an attribute or data set, of variable or fixed length; what is not UTF-8 is replaced.
pub(crate) fn strings(data: &Container) -> hdf5::Result<Vec<String>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches(['\0', ' ']).to_string();
    Ok(match data.dtype()?.to_descriptor()? {
        TypeDescriptor::VarLenUnicode => data.read_raw::<VarLenUnicode>()?.iter().map(|s| text(s.as_bytes())).collect(),
        TypeDescriptor::VarLenAscii => data.read_raw::<VarLenAscii>()?.iter().map(|s| text(s.as_bytes())).collect(),
        TypeDescriptor::FixedAscii(n) if n <= MAX_FIXED => {
            data.read_raw::<FixedAscii<MAX_FIXED>>()?.iter().map(|s| text(s.as_bytes())).collect()
        }
        TypeDescriptor::FixedUnicode(n) if n <= MAX_FIXED => {
            data.read_raw::<FixedUnicode<MAX_FIXED>>()?.iter().map(|s| text(s.as_bytes())).collect()
        }
        other => return Err(format!("values of type {other}, not strings").into()),
    })
}

/// Strings of the attribute `name`; None where there is none.
pub(crate) fn attribute_strings(place: &Location, name: &str) -> hdf5::Result<Option<Vec<String>>> {
    if !place.attr_names()?.iter().any(|n| n == name) {
        return Ok(None);
    }
    let attribute = place.attr(name)?;
    strings(&attribute).map(Some)
}

/// Writes a scalar string attribute (UTF-8, variable length, as h5py does).
pub(crate) fn write_attribute(place: &Location, name: &str, value: &str) -> hdf5::Result<()> {
    place.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&unicode(value)?)
}

/// Writes an array of strings as an attribute.
pub(crate) fn write_attribute_strings<S: AsRef<str>>(place: &Location, name: &str, values: &[S]) -> hdf5::Result<()> {
    let values = values.iter().map(|v| unicode(v.as_ref())).collect::<hdf5::Result<Vec<_>>>()?;
    place.new_attr::<VarLenUnicode>().shape([values.len()]).create(name)?.write_raw(&values)
}

pub(crate) fn unicode(value: &str) -> hdf5::Result<VarLenUnicode> {
    value.parse().map_err(|_| format!("the text {value:?} holds a zero character").into())
}

/// A contiguous data set whose room in the file is fixed at once and which is never filled with zeros.
pub(crate) fn create<T: hdf5::H5Type>(parent: &Group, name: &str, shape: &[usize]) -> hdf5::Result<Dataset> {
    let builder = parent.new_dataset_builder().with_dcpl(|p| {
        p.layout(Layout::Contiguous)
            .alloc_time(Some(AllocTime::Early))
            .fill_time(FillTime::Never)
            .obj_track_times(false)
    });
    builder.empty::<T>().shape(shape).create(name)
}

/// Rows `rows` (first axis), entries `entries` (second axis, where there is one), all of the further axes.
pub(crate) fn block(rows: Range<usize>, entries: Option<Range<usize>>, n_axes: usize) -> Selection {
    let mut axes: Vec<SliceOrIndex> = vec![rows.into()];
    axes.extend(entries.map(SliceOrIndex::from));
    axes.resize(n_axes.max(1), (..).into());
    Hyperslab::from(axes).into()
}

/// Writes the columns of `columns` as the rows `first_row..` of `data` [n_rows, ...] without a transposed copy.
pub(crate) fn write_columns(path: &Path, data: &Dataset, first_row: usize, columns: MatRef<'_, f64>) -> Result<()> {
    let shape = data.shape();
    let width: usize = shape.iter().skip(1).product();
    if columns.nrows() != width || shape.first().is_none_or(|&n| first_row + columns.ncols() > n) {
        let found = format!("{} rows, columns {first_row}..{}", columns.nrows(), first_row + columns.ncols());
        return Err(Error::argument(format!("values of {}", data.name()), found, format!("{shape:?} transposed")));
    }
    if width == 0 {
        return Ok(());
    }
    let per_write = (GATHER / width).max(1);
    let mut gathered: Vec<f64> = Vec::new();
    for start in (0..columns.ncols()).step_by(per_write) {
        let n = per_write.min(columns.ncols() - start);
        let rows = first_row + start..first_row + start + n;
        if let (1, Some(view)) = (n, columns.try_as_col_major()) {
            write_rows(path, data, rows, view.col(start).as_slice())?;
            continue;
        }
        gathered.clear();
        for j in start..start + n {
            gathered.extend(columns.col(j).iter().copied());
        }
        write_rows(path, data, rows, &gathered)?;
    }
    Ok(())
}

/// Writes `values` (memory order) as some entities: of row `row` of a data set [n_rows, n_entities, ...], or of a data set
/// [n_entities, ...].
pub(crate) fn write_entities(
    path: &Path,
    data: &Dataset,
    row: Option<usize>,
    entities: Range<usize>,
    values: &[f64],
) -> Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    let mut shape = data.shape();
    let axis = usize::from(row.is_some());
    shape.iter_mut().take(axis).for_each(|n| *n = 1);
    shape.iter_mut().skip(axis).take(1).for_each(|n| *n = entities.len());
    let n_axes = shape.len();
    let view = ndarray::ArrayViewD::from_shape(shape, values)
        .map_err(|e| Error::argument(format!("values of {}", data.name()), values.len(), e))?;
    let chosen = match row {
        Some(row) => block(row..row + 1, Some(entities), n_axes),
        None => block(entities, None, n_axes),
    };
    data.write_slice(view, chosen).map_err(|e| write_error(path, e))
}

/// Writes whole rows, values in memory order.
pub(crate) fn write_rows<T: hdf5::H5Type>(path: &Path, data: &Dataset, rows: Range<usize>, values: &[T]) -> Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    let mut shape = data.shape();
    if let Some(first) = shape.first_mut() {
        *first = rows.len();
    }
    let n_axes = shape.len();
    let view = ndarray::ArrayViewD::from_shape(shape, values)
        .map_err(|e| Error::argument(format!("values of {}", data.name()), values.len(), e))?;
    data.write_slice(view, block(rows, None, n_axes)).map_err(|e| write_error(path, e))
}
