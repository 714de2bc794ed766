//! The tree of nodes of a CGNS file in HDF5: each node a group with the attributes `label` and `type`, its data in ` data`.
//!
//! CGNS/SIDS File Mapping Manual, HDF5 implementation. Arrays have their axes turned round against the SIDS, whose first axis is
//! the fastest: read flat, both are the same.

use crate::error::{Error, Result};
use crate::io::hdf;
use hdf5::{Dataset, Group, IndexType, IterationOrder, LinkType};
use std::path::Path;

/// Name of the data set of a node.
const DATA: &str = " data";

/// A node: what it is, and the group that holds it.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub name: String,
    pub label: String,
    /// Type of its data: `R8`, `I4`, `C1` (text), `MT` (none) and others.
    pub kind: String,
    pub group: Group,
    /// Names from the root on, for messages.
    pub place: String,
}

impl Node {
    /// The root. Errors: K003 where it cannot be read.
    pub fn root(path: &Path, file: &hdf5::File) -> Result<Node> {
        let group = file.group("/").map_err(|e| hdf::damaged(path, "/", e))?;
        Ok(Node { name: String::new(), label: String::new(), kind: "MT".into(), group, place: String::new() })
    }

    fn child(&self, path: &Path, name: &str) -> Result<Node> {
        let place = format!("{}/{name}", self.place);
        let group = self.group.group(name).map_err(|e| hdf::damaged(path, &place, e))?;
        let attribute = |what: &str| {
            let found = hdf::attribute_strings(&group, what).map_err(|e| hdf::damaged(path, &place, e))?;
            Ok(found.and_then(|s| s.into_iter().next()).unwrap_or_default())
        };
        let (label, kind): (String, String) = (attribute("label")?, attribute("type")?);
        if kind == "LK" {
            return Err(linked(path, &place));
        }
        Ok(Node { name: name.into(), label, kind, group, place })
    }

    /// The nodes below, in the order in which they were written where the file knows it, else by name. Errors: K003, K018 links.
    pub fn children(&self, path: &Path) -> Result<Vec<Node>> {
        let links = self.group.links(IndexType::CreationOrder, IterationOrder::Increasing);
        let links = links.or_else(|_| self.group.links(IndexType::Name, IterationOrder::Increasing));
        let links = links.map_err(|e| hdf::damaged(path, &self.place, e))?;
        let mut nodes = Vec::new();
        for (name, link) in links.into_iter().filter(|(name, _)| !name.starts_with(' ')) {
            if link.link_type != LinkType::Hard {
                return Err(linked(path, &format!("{}/{name}", self.place)));
            }
            nodes.push(self.child(path, &name)?);
        }
        Ok(nodes)
    }

    /// The nodes below with a label.
    pub fn labelled(&self, path: &Path, label: &str) -> Result<Vec<Node>> {
        Ok(self.children(path)?.into_iter().filter(|n| n.label == label).collect())
    }

    /// The node below of that name.
    pub fn named(&self, path: &Path, name: &str) -> Result<Option<Node>> {
        if self.group.link_exists(name) { self.child(path, name).map(Some) } else { Ok(None) }
    }

    /// The node below of that name. Errors: K003 where there is none.
    pub fn required(&self, path: &Path, name: &str) -> Result<Node> {
        self.named(path, name)?.ok_or_else(|| {
            let expected = format!("a node {name}");
            Error::input("K003", path, &self.place, "no such node", expected, "copy or write the file again")
        })
    }

    fn data(&self, path: &Path) -> Result<Dataset> {
        hdf::dataset(&self.group, DATA).ok_or_else(|| {
            Error::input("K003", path, &self.place, "a node without data", "an array", "copy or write the file again")
        })
    }

    /// Number of values; 0 without data.
    pub fn n_values(&self) -> usize {
        let data = hdf::dataset(&self.group, DATA);
        data.map_or(0, |d| d.shape().iter().try_fold(1usize, |n, &m| n.checked_mul(m)).unwrap_or(usize::MAX))
    }

    /// Length of the fastest axis.
    pub fn width(&self) -> usize {
        hdf::dataset(&self.group, DATA).and_then(|d| d.shape().last().copied()).unwrap_or(0)
    }

    /// The values of an array of numbers. Errors: K003, K005.
    pub fn reals(&self, path: &Path) -> Result<Vec<f64>> {
        self.values(path)
    }

    /// The values of an array of integers. Errors: K003, K005.
    pub fn integers(&self, path: &Path) -> Result<Vec<i64>> {
        self.values(path)
    }

    /// The characters of a text. Errors: K003, K005.
    pub fn characters(&self, path: &Path) -> Result<Vec<u8>> {
        Ok(self.values::<i8>(path)?.into_iter().map(|c| c as u8).collect())
    }

    fn values<T: hdf5::H5Type>(&self, path: &Path) -> Result<Vec<T>> {
        let data = self.data(path)?;
        hdf::check_numeric(path, &data, &self.place)?;
        hdf::check_size(path, &data, &self.place)?;
        data.read_raw::<T>().map_err(|e| hdf::damaged(path, &self.place, e))
    }

    /// A text without the blanks behind it. Errors: K003, K005.
    pub fn text(&self, path: &Path) -> Result<String> {
        Ok(trimmed(&self.characters(path)?))
    }

    /// Whether the data are real numbers or integers.
    pub fn is_number(&self) -> bool {
        matches!(self.kind.as_str(), "R4" | "R8") || self.is_integer()
    }

    pub fn is_integer(&self) -> bool {
        matches!(self.kind.as_str(), "I4" | "I8" | "U4" | "U8" | "B1")
    }

    /// K005 at this node.
    pub fn wrong_shape(&self, path: &Path, found: String, expected: String) -> Error {
        hdf::wrong_shape(path, &self.place, found, expected)
    }
}

/// Text of fixed width.
pub(crate) fn trimmed(characters: &[u8]) -> String {
    String::from_utf8_lossy(characters).trim_end_matches(['\0', ' ']).to_string()
}

fn linked(path: &Path, place: &str) -> Error {
    let mend = "write one file without links (cgnsconvert -l follows them)";
    Error::input("K018", path, place, "a link to another node or file", "a node", mend)
}
