//! Real and complex numbers of HDF5: complex ones are compounds with members `r` and `i`, as h5py writes them.

use crate::error::{Error, Result};
use crate::io::hdf;
use crate::linalg::scalar::Scalar;
use hdf5::types::TypeDescriptor;
use hdf5::{Dataset, Group, H5Type};
use std::ops::Range;
use std::path::Path;

/// The compound of h5py.
#[derive(H5Type, Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Complex {
    r: f64,
    i: f64,
}

/// Whether a data set holds complex numbers. Errors: K005 neither these nor real ones.
pub(crate) fn is_complex(path: &Path, data: &Dataset, place: &str) -> Result<bool> {
    match data.dtype().and_then(|t| t.to_descriptor()) {
        Ok(TypeDescriptor::Compound(members)) => {
            let names: Vec<&str> = members.fields.iter().map(|f| f.name.as_str()).collect();
            let floats = members.fields.iter().all(|f| matches!(f.ty, TypeDescriptor::Float(_)));
            if names == ["r", "i"] && floats {
                return Ok(true);
            }
            let found = format!("a compound of {}", names.join(", "));
            let expected = "real numbers, or complex ones as a compound of r and i";
            Err(Error::input("K005", path, place, found, expected, "write complex numbers as h5py does"))
        }
        _ => hdf::check_numeric(path, data, place).map(|()| false),
    }
}

/// Rows `rows` (first axis), entries `entries` (second axis, where they are told) and all of the further axes, row by row.
///
/// Errors: K003 damaged, K004 not finite (with its sample and entry), K005 complex numbers where T is real.
pub(crate) fn read_rows<T: Scalar>(
    path: &Path,
    data: &Dataset,
    place: &str,
    rows: Range<usize>,
    entries: Option<Range<usize>>,
) -> Result<Vec<T>> {
    let (start, n_rows) = (rows.start, rows.len().max(1));
    let values = read_block(path, data, place, rows, entries.clone())?;
    if let Some(k) = values.iter().position(|v: &T| !v.finite()) {
        let width = values.len() / n_rows;
        let entry = entries.map_or(0, |e| e.start) + k % width;
        let place = format!("{place}, sample {}, entry {entry}", start + k / width);
        return Err(not_finite(path, place, values[k], "mend the sample, or leave it out with `select`"));
    }
    Ok(values)
}

fn not_finite<T: Scalar>(path: &Path, place: String, value: T, mend: &str) -> Error {
    // Real data may be read as complex numbers.
    let found = if value.im() == 0.0 { value.re().to_string() } else { value.to_string() };
    Error::input("K004", path, place, found, "a finite number", mend)
}

fn read_block<T: Scalar>(
    path: &Path,
    data: &Dataset,
    place: &str,
    rows: Range<usize>,
    entries: Option<Range<usize>>,
) -> Result<Vec<T>> {
    let shape = data.shape();
    let selection = hdf::block(rows, entries, shape.len());
    Ok(if is_complex(path, data, place)? {
        if !T::IS_COMPLEX {
            let mend = "write real numbers, or let all be complex";
            return Err(Error::input("K005", path, place, "complex numbers", "real numbers", mend));
        }
        let raw = data.read_slice::<Complex, _, ndarray::IxDyn>(selection).map_err(|e| hdf::damaged(path, place, e))?;
        raw.iter().map(|c| T::from_parts(c.r, c.i)).collect()
    } else {
        let raw = data.read_slice::<f64, _, ndarray::IxDyn>(selection).map_err(|e| hdf::damaged(path, place, e))?;
        // Row by row as it was read: no copy, so that one array of a large matrix is in memory.
        T::of_reals(raw.into_raw_vec_and_offset().0)
    })
}

/// All values of a data set that does not depend on the sample, row by row; errors as [`read_rows`].
pub(crate) fn read_all<T: Scalar>(path: &Path, data: &Dataset, place: &str) -> Result<Vec<T>> {
    let n = data.shape().first().copied().unwrap_or(0);
    let values = read_block(path, data, place, 0..n, None)?;
    match values.iter().position(|v: &T| !v.finite()) {
        Some(k) => Err(not_finite(path, format!("{place}, entry {k}"), values[k], "mend the value")),
        None => Ok(values),
    }
}

/// Creates a data set of real or complex numbers.
pub(crate) fn create<T: Scalar>(group: &Group, name: &str, shape: &[usize]) -> hdf5::Result<Dataset> {
    if T::IS_COMPLEX { hdf::create::<Complex>(group, name, shape) } else { hdf::create::<f64>(group, name, shape) }
}

/// Writes `values` as the rows `rows` (first axis) of `data`.
pub(crate) fn write_rows<T: Scalar>(path: &Path, data: &Dataset, rows: Range<usize>, values: &[T]) -> Result<()> {
    if T::IS_COMPLEX {
        let values: Vec<Complex> = values.iter().map(|v| Complex { r: v.re(), i: v.im() }).collect();
        return hdf::write_rows(path, data, rows, &values);
    }
    let values: Vec<f64> = values.iter().map(|v| v.re()).collect();
    hdf::write_rows(path, data, rows, &values)
}
