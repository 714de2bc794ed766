//! Where the sections of a .msh file stand, and what its data are.

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::gmsh::cursor::{Cursor, Encoding, shortened};
use crate::io::gmsh::elements::{Elements, Nodes, Topology};
use crate::io::gmsh::version4::Groups;
use crate::io::gmsh::{version2, version4};
use crate::io::mesh_file::{Bytes, TagName, damaged};
use std::path::Path;

/// Layouts of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Two,
    /// `old` is 4.0.
    Four {
        old: bool,
    },
}

/// A part of a file: offset and length in bytes, from behind the name of its section on.
pub(crate) type Extent = (u64, u64);

/// Values on nodes or elements at one step.
#[derive(Debug, Clone)]
pub(crate) struct DataSection {
    pub name: String,
    pub location: Location,
    pub time: f64,
    pub step: i64,
    pub n_components: usize,
    pub n_entries: usize,
    /// The entries: a tag and its values each.
    pub extent: Extent,
}

/// The sections of a file.
#[derive(Debug)]
pub(crate) struct Sections {
    version: Version,
    encoding: Encoding,
    pub tag_names: Vec<TagName>,
    pub data: Vec<DataSection>,
    /// Those that make the mesh, in the order of the file.
    parts: Vec<(String, Extent)>,
}

/// Reads the sections that make the mesh, one after the other.
#[derive(Default)]
struct Builder {
    groups: Groups,
    nodes: Option<Nodes>,
    elements: Option<Elements>,
}

impl Builder {
    fn part(&mut self, c: &mut Cursor<'_>, version: Version) -> Result<()> {
        match (c.section.as_str(), version) {
            ("Nodes", Version::Two) => self.nodes = Some(version2::nodes(c)?),
            ("Nodes", Version::Four { old }) => self.nodes = Some(version4::nodes(c, old)?),
            ("Elements", _) => {
                let nodes = self.nodes.as_ref().ok_or_else(|| c.damaged("no section $Nodes", "$Nodes first"))?;
                let mut elements = Elements::new(c.path, nodes)?;
                match version {
                    Version::Two => version2::elements(c, &mut elements)?,
                    Version::Four { old } => version4::elements(c, old, &self.groups, &mut elements)?,
                }
                self.elements = Some(elements);
            }
            (_, Version::Four { old }) => self.groups = version4::entities(c, old)?,
            (_, Version::Two) => return c.skip_to_end(),
        }
        c.end()
    }

    fn finish(self, path: &Path) -> Result<Topology> {
        let nodes = self.nodes.ok_or_else(|| damaged(path, "", "no section $Nodes", "a mesh"))?;
        let elements = self.elements.map_or_else(|| Elements::new(path, &nodes), Ok)?;
        Topology::new(path, nodes, elements)
    }
}

impl Sections {
    /// Goes through a whole file. Errors: K002 another format, K003, K004, K015, K018.
    pub fn scan(path: &Path, bytes: &[u8]) -> Result<(Sections, Topology)> {
        let mut c = Cursor::new(path, bytes, 0, "", Encoding::Text);
        let mut sections: Option<Sections> = None;
        let mut builder = Builder::default();
        loop {
            c.skip_blanks();
            let before = c.clone();
            let Some(line) = c.line() else { break };
            let Some(name) = line.strip_prefix('$') else {
                let found = format!("`{}`", shortened(&line));
                let place = format!("byte {}", before.offset());
                let expected = "a gmsh file, with $MeshFormat first";
                return Err(match sections {
                    Some(_) => damaged(path, place, found, "the name of a section"),
                    None => Error::input("K002", path, place, found, expected, "name a .msh file"),
                });
            };
            c.section = name.to_string();
            match &mut sections {
                None if name == "MeshFormat" => sections = Some(Sections::header(&mut c)?),
                None if name == "Comments" => c.skip_to_end()?,
                None => return Err(unread(&before, &format!("`${}`", shortened(name)), "$MeshFormat first", AS_MSH)),
                Some(sections) => {
                    c.encoding = sections.encoding;
                    sections.section(&mut c, bytes, &mut builder)?;
                    c.encoding = Encoding::Text;
                }
            }
        }
        match sections {
            Some(sections) => Ok((sections, builder.finish(path)?)),
            None => Err(damaged(path, "", "no section $MeshFormat", "a gmsh file")),
        }
    }

    /// The mesh, read again. Errors: K003 where the file has changed.
    pub fn topology(&self, file: &Bytes) -> Result<Topology> {
        let mut builder = Builder::default();
        for (name, (first, len)) in &self.parts {
            let bytes = file.read(&format!("${name}"), *first, *len)?;
            builder.part(&mut Cursor::new(&file.path, &bytes, *first, name, self.encoding), self.version)?;
        }
        builder.finish(&file.path)
    }

    /// The entries of a data section, each handed to `entry` with its tag and its values. Errors: K003.
    pub fn entries(&self, file: &Bytes, data: &DataSection, mut entry: impl FnMut(u64, &[f64])) -> Result<()> {
        let section = data_section(data.location);
        let (first, len) = data.extent;
        let bytes = file.read(&format!("${section} `{}`", data.name), first, len)?;
        let mut c = Cursor::new(&file.path, &bytes, first, section, self.encoding);
        let mut values = vec![0.0; data.n_components];
        for _ in 0..data.n_entries {
            let tag = c.tag()?;
            for value in &mut values {
                *value = c.real()?;
            }
            entry(tag, &values);
        }
        Ok(())
    }

    fn header(c: &mut Cursor<'_>) -> Result<Sections> {
        let before = c.clone();
        let line = c.line().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |i: usize| words.get(i).and_then(|w| w.parse::<f64>().ok());
        let (Some(version), Some(kind), Some(size)) = (number(0), number(1), number(2)) else {
            let expected = "version, 0 for text or 1 for binary, width of a number";
            return Err(before.damaged(format!("`{}`", shortened(&line)), expected));
        };
        let version = match version {
            v if (2.0..2.3).contains(&v) => Version::Two,
            4.0 => Version::Four { old: true },
            4.1 => Version::Four { old: false },
            v => return Err(unread(&before, &format!("version {v}"), "version 2.2 or 4.1", AS_MSH)),
        };
        let widths: &[f64] = if version == Version::Two { &[8.0] } else { &[4.0, 8.0] };
        if !widths.contains(&size) || ![0.0, 1.0].contains(&kind) {
            return Err(before.damaged(format!("`{}`", shortened(&line)), "0 or 1, and numbers of 8 bytes"));
        }
        let encoding = match kind {
            0.0 => Encoding::Text,
            _ if version == (Version::Four { old: true }) => {
                return Err(unread(&before, "binary numbers of version 4.0", "version 4.1", AS_MSH));
            }
            _ => {
                let one = c.rest().first_chunk::<4>();
                let big_endian = match one.map(|b| (i32::from_le_bytes(*b), i32::from_be_bytes(*b))) {
                    Some((1, _)) => false,
                    Some((_, 1)) => true,
                    _ => return Err(c.damaged("other bytes", "the number 1 in 4 bytes")),
                };
                c.skip(4);
                Encoding::Binary { big_endian, size: size as usize }
            }
        };
        c.end()?;
        Ok(Sections { version, encoding, tag_names: Vec::new(), data: Vec::new(), parts: Vec::new() })
    }

    fn section(&mut self, c: &mut Cursor<'_>, bytes: &[u8], builder: &mut Builder) -> Result<()> {
        match c.section.clone().as_str() {
            "PhysicalNames" => {
                for name in physical_names(c)? {
                    if !self.tag_names.contains(&name) {
                        self.tag_names.push(name);
                    }
                }
                c.end()
            }
            "MeshFormat" => {
                let again = Sections::header(c)?;
                match (again.version, again.encoding) == (self.version, self.encoding) {
                    true => Ok(()),
                    false => Err(unread(c, "a second format", "one format", "save as one file")),
                }
            }
            name @ ("Entities" | "Nodes" | "Elements") => {
                let first = c.offset();
                if let Some((_, old)) = self.parts.iter().find(|(known, _)| known == name) {
                    // gmsh writes the mesh again with each view that it appends.
                    let old = bytes.get(old.0 as usize..(old.0 + old.1) as usize).unwrap_or_default();
                    if !c.rest().starts_with(old) {
                        return Err(unread(c, "a second mesh", "one mesh", "save as one file"));
                    }
                    c.skip(old.len());
                    return Ok(());
                }
                builder.part(c, self.version)?;
                self.parts.push((name.into(), (first, c.offset() - first)));
                Ok(())
            }
            "NodeData" => self.data(c, Location::Point),
            "ElementData" => self.data(c, Location::Cell),
            "ElementNodeData" => {
                let mend = "save the view as node data (gmsh: Plugin(Smooth)) or as element data";
                Err(unread(c, "values on the nodes of each element", "$NodeData or $ElementData", mend))
            }
            "PartitionedEntities" | "GhostElements" => {
                let mend = "join the partitions (gmsh: Mesh, Unpartition) and save again";
                Err(unread(c, "a partitioned mesh", "a mesh in one piece", mend))
            }
            _ => c.skip_to_end(),
        }
    }

    /// Header of a data section: lists of texts, reals and integers, each behind its length, as text in binary files too.
    fn data(&mut self, c: &mut Cursor<'_>, location: Location) -> Result<()> {
        let before = c.clone();
        let texts = tags(c)?;
        let reals = tags(c)?;
        let integers = tags(c)?;
        let name = texts.first().map(|t| t.trim_matches('"').to_string()).unwrap_or_default();
        let time = reals.first().map_or(Ok(0.0), |t| t.parse::<f64>());
        let integers = integers.iter().map(|t| t.parse::<i64>()).collect::<std::result::Result<Vec<_>, _>>();
        let (Ok(time), Ok([step, n_components, n_entries, ..])) = (time, integers.as_deref()) else {
            let expected = "a name; a time; a step, a number of components and of entries";
            return Err(before.damaged("other tags", expected));
        };
        let (Ok(k), Ok(n)) = (usize::try_from(*n_components), u64::try_from(*n_entries)) else {
            return Err(before.damaged(format!("{n_components} components, {n_entries} entries"), "counts"));
        };
        if !(1..=MAX_COMPONENTS).contains(&k) {
            return Err(before.damaged(format!("{k} components"), "1, 3 or 9 components"));
        }
        let n_entries = c.room(n, 1, 0, k)?;
        let first = c.offset();
        match c.encoding {
            Encoding::Text => c.skip_to_end()?,
            Encoding::Binary { .. } => {
                c.skip(n_entries * (4 + 8 * k));
                c.end()?;
            }
        }
        let data = DataSection {
            name,
            location,
            time,
            step: *step,
            n_components: k,
            n_entries,
            extent: (first, c.offset() - first),
        };
        if self.data.iter().any(|d| (&d.name, d.location, d.step) == (&data.name, location, data.step)) {
            let found = format!("step {step} of the view `{}` in pieces", shortened(&data.name));
            return Err(unread(&before, &found, "each step of a view once", "save the view in one piece"));
        }
        self.data.push(data);
        Ok(())
    }
}

/// Components of a view: gmsh has 1, 3 and 9, others write what they have.
const MAX_COMPONENTS: usize = 1 << 16;
/// The mend for other versions.
const AS_MSH: &str = "save as MSH 4.1 or 2.2 (gmsh -save -format msh41)";

pub(crate) fn data_section(location: Location) -> &'static str {
    if location == Location::Point { "NodeData" } else { "ElementData" }
}

/// K018.
fn unread(c: &Cursor<'_>, found: &str, expected: &str, mend: &str) -> Error {
    Error::input("K018", c.path, c.place(), found, expected, mend)
}

/// Lines behind their number.
fn tags(c: &mut Cursor<'_>) -> Result<Vec<String>> {
    let n = c.text_count()?;
    let mut lines = Vec::new();
    for _ in 0..n {
        let Some(line) = c.line() else {
            return Err(c.damaged("the end of the file", format!("{n} tags")));
        };
        lines.push(line);
    }
    Ok(lines)
}

/// Section $PhysicalNames: dimension, tag and name of each group, as text in binary files too.
fn physical_names(c: &mut Cursor<'_>) -> Result<Vec<TagName>> {
    let before = c.clone();
    tags(c)?
        .iter()
        .map(|line| {
            let mut words = line.splitn(3, char::is_whitespace);
            let mut number = || words.next().and_then(|w| w.parse::<i64>().ok());
            match (number(), number(), words.next()) {
                (Some(dimension @ 0..=3), Some(tag), Some(name)) => {
                    let name = name.trim().trim_matches('"').to_string();
                    Ok(TagName { name, array: PHYSICAL.into(), dimension: dimension as usize, tag })
                }
                _ => Err(before.damaged(format!("`{}`", shortened(line)), "dimension, tag and name of a group")),
            }
        })
        .collect()
}

/// Array of the groups, as meshio names it.
pub(crate) const PHYSICAL: &str = "gmsh:physical";
/// Array of the entities.
pub(crate) const GEOMETRICAL: &str = "gmsh:geometrical";
