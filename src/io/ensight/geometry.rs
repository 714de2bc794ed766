//! Geometry files of EnSight Gold: parts, each with its own points and blocks of elements.

use crate::error::{Error, Result};
use crate::io::ensight::elements::Element;
use crate::io::ensight::records::{Form, Records};
use crate::io::mesh_file::{Bytes, damaged};
use crate::mesh::Mesh;
use std::collections::HashSet;

/// More parts than any program writes; what is remembered of each is longer than the shortest one in a file.
const MOST_PARTS: usize = 100_000;

/// Elements of one type in a part. Ghosts (`g_…`) belong to the neighbours of a piece of the domain.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub element: &'static Element,
    pub ghost: bool,
    pub n: u64,
}

/// A part with the number under which variables name it.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub number: i64,
    pub n_points: u64,
    pub blocks: Vec<Block>,
}

impl Part {
    /// Number of cells without ghosts.
    pub fn n_cells(&self) -> u64 {
        self.blocks.iter().filter(|b| !b.ghost).map(|b| b.n).sum()
    }
}

/// What a geometry file holds. Parts without cells are not in the mesh.
#[derive(Debug, Clone)]
pub(crate) struct Geometry {
    pub form: Form,
    pub parts: Vec<Part>,
}

impl Geometry {
    /// Reads the headers. Errors: K002, K003 truncated or damaged, K018 variants that are not read. Cost: one pass over a file of
    /// text, headers only of a binary one.
    pub fn of(bytes: &Bytes) -> Result<Geometry> {
        read(bytes, None)
    }

    /// Reads all; errors as [`of`](Self::of), K004, K015 points that are not there.
    pub fn mesh(bytes: &Bytes) -> Result<Mesh> {
        let mut mesh = Mesh { dim: 3, points: Vec::new(), cells: Vec::new() };
        read(bytes, Some(&mut mesh))?;
        mesh.check_structure(&bytes.path)?;
        Ok(mesh)
    }

    pub fn kept(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|p| p.n_cells() > 0)
    }

    pub fn n_points(&self) -> u64 {
        self.kept().map(|p| p.n_points).sum()
    }

    pub fn n_cells(&self) -> u64 {
        self.kept().map(Part::n_cells).sum()
    }
}

/// Refuses several steps in one file, which its first text tells.
pub(crate) fn check_single(records: &Records<'_>, text: &str) -> Result<()> {
    if !text.eq_ignore_ascii_case("BEGIN TIME STEP") {
        return Ok(());
    }
    Err(records.variant(text, "one time step in each file", "write the case again with a file for each step"))
}

fn read(bytes: &Bytes, mut mesh: Option<&mut Mesh>) -> Result<Geometry> {
    let form = Form::of_geometry(bytes)?;
    let mut records = Records::new(bytes, form, "header");
    if form != Form::Ascii {
        records.text()?;
    }
    let first = records.text()?;
    check_single(&records, &first)?;
    records.text()?;
    let node_ids = ids(&mut records, "node id")?;
    let element_ids = ids(&mut records, "element id")?;
    let (mut parts, mut numbers) = (Vec::new(), HashSet::new());
    let mut keyword = records.keyword()?;
    while let Some(text) = keyword {
        match text.as_str() {
            "extents" => {
                records.skip(6)?;
                keyword = records.keyword()?;
            }
            "part" => {
                let (part, next) = part(&mut records, node_ids, element_ids, mesh.as_deref_mut())?;
                if !numbers.insert(part.number) {
                    return Err(damaged(&bytes.path, &records.scanner.place, "a second part of this number", "one"));
                }
                if parts.len() >= MOST_PARTS {
                    return Err(records.variant("part", &format!("at most {MOST_PARTS} parts"), "join parts"));
                }
                parts.push(part);
                keyword = next;
            }
            other => return Err(damaged(&bytes.path, &records.scanner.place, shown(other), "`part`")),
        }
    }
    Ok(Geometry { form, parts })
}

pub(crate) fn shown(text: &str) -> String {
    format!("`{}`", text.chars().take(60).collect::<String>().escape_debug())
}

/// Whether the file lists numbers of nodes or elements, which are names only.
fn ids(records: &mut Records<'_>, what: &str) -> Result<bool> {
    let text = records.text()?.to_ascii_lowercase();
    let value = text.strip_prefix(what).map(str::trim);
    match value {
        Some("given" | "ignore") => Ok(true),
        Some("off" | "assign") => Ok(false),
        _ => {
            let mend = "name a geometry of EnSight Gold";
            let expected = format!("`{what}` with off, given, assign or ignore");
            Err(Error::input("K002", records.scanner.path(), "header", shown(&text), expected, mend))
        }
    }
}

/// A part, and the keyword behind it.
fn part(
    records: &mut Records<'_>,
    node_ids: bool,
    element_ids: bool,
    mut mesh: Option<&mut Mesh>,
) -> Result<(Part, Option<String>)> {
    let number = records.integer()?;
    records.scanner.place = format!("part {number}");
    records.text()?;
    let mut part = Part { number, n_points: 0, blocks: Vec::new() };
    let base = mesh.as_ref().map_or(0, |m| m.n_points());
    let mut keyword = records.keyword()?;
    while let Some(text) = &keyword {
        if text == "part" {
            break;
        }
        records.scanner.place = format!("part {number}, {}", text.chars().take(40).collect::<String>());
        if text == "coordinates" && part.n_points == 0 {
            part.n_points = records.count()?;
            coordinates(records, node_ids, part.n_points, mesh.as_deref_mut())?;
        } else if text.split_whitespace().next() == Some("block") {
            let mend = "write structured parts as hexa8 or quad4";
            return Err(records.variant(text, "coordinates and elements", mend));
        } else {
            let Some((element, ghost)) = Element::from_keyword(text) else {
                let expected = "`part`, `coordinates`, or the name of an element";
                return Err(damaged(records.scanner.path(), &records.scanner.place, shown(text), expected));
            };
            if part.blocks.iter().any(|b| b.element.name == element.name && b.ghost == ghost) {
                return Err(damaged(records.scanner.path(), &records.scanner.place, "a second time", "once in a part"));
            }
            let n = records.count()?;
            if element_ids {
                records.skip(n)?;
            }
            match mesh.as_deref_mut().filter(|_| !ghost) {
                Some(mesh) => element.read(records, n, part.n_points, base, &mut mesh.cells)?,
                None => element.skip(records, n)?,
            }
            part.blocks.push(Block { element, ghost, n });
        }
        keyword = records.keyword()?;
    }
    if let Some(mesh) = mesh.filter(|_| part.n_cells() == 0) {
        mesh.points.truncate(3 * base);
    }
    Ok((part, keyword))
}

/// Coordinates by axis, put down by point.
fn coordinates(records: &mut Records<'_>, ids: bool, n: u64, mesh: Option<&mut Mesh>) -> Result<()> {
    if ids {
        records.skip(n)?;
    }
    let Some(mesh) = mesh else { return records.skip(n.saturating_mul(3)) };
    records.check(n.saturating_mul(3))?;
    let begin = mesh.points.len();
    mesh.points.resize(begin + 3 * n as usize, f64::NAN);
    columns(records, n, &[0, 1, 2], mesh.points.get_mut(begin..).unwrap_or_default())
}

/// Reads columns of `n` numbers each into `rows`, which are as wide as there are columns; the i-th goes to `places[i]`.
pub(crate) fn columns(records: &mut Records<'_>, n: u64, places: &[usize], rows: &mut [f64]) -> Result<()> {
    for &place in places {
        let mut column = rows.iter_mut().skip(place).step_by(places.len());
        records.floats(n, |v| {
            if let Some(entry) = column.next() {
                *entry = v;
            }
        })?;
    }
    Ok(())
}
