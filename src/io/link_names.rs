//! Names of fields as names of data sets in HDF5, where a slash separates groups.

use crate::data::FieldInfo;
use crate::io::hdf;
use hdf5::Dataset;
use std::collections::HashSet;

/// Attribute of a data set whose field has another name, one that HDF5 cannot hold.
const FIELD_NAME: &str = "field_name";

/// The name of the data set of each field: its own, or without slashes; such a name that is taken gets a number behind it.
pub(crate) fn link_names(fields: &[FieldInfo]) -> Vec<String> {
    let fits = |name: &str| !name.is_empty() && name != "." && !name.contains('/');
    let mut taken: HashSet<String> = fields.iter().map(|f| f.name.clone()).filter(|n| fits(n)).collect();
    let mut link = |name: &String| {
        if fits(name) {
            return name.clone();
        }
        let plain: String = name.chars().map(|c| if c == '/' { '_' } else { c }).collect();
        let plain = if fits(&plain) { plain } else { "_".to_string() };
        let numbered = (2..).map(|i| format!("{plain}_{i}"));
        let free = std::iter::once(plain.clone()).chain(numbered).find(|n| taken.insert(n.clone()));
        free.unwrap_or(plain)
    };
    fields.iter().map(|f| link(&f.name)).collect()
}

/// Writes the name of a field on its data set, where that is called otherwise.
pub(crate) fn write_field_name(data: &Dataset, field: &FieldInfo, link: &str) -> hdf5::Result<()> {
    if field.name == link { Ok(()) } else { hdf::write_attribute(data, FIELD_NAME, &field.name) }
}

/// Name of the field of the data set `link`.
pub(crate) fn field_name(data: &Dataset, link: &str) -> hdf5::Result<String> {
    let names = hdf::attribute_strings(data, FIELD_NAME)?;
    Ok(names.and_then(|names| names.into_iter().next()).unwrap_or_else(|| link.to_string()))
}

/// Name of a data set within its group.
pub(crate) fn link_of(data: &Dataset) -> String {
    let path = data.name();
    path.rsplit('/').next().unwrap_or(&path).to_string()
}
