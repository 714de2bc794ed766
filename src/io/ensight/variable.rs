//! Variable files of EnSight Gold: values on the nodes or elements of each part, component by component.

use crate::error::{Error, Result};
use crate::io::ensight::elements::Element;
use crate::io::ensight::geometry::{Geometry, Part, check_single, columns, shown};
use crate::io::ensight::records::Records;
use crate::io::mesh_file::{Bytes, damaged};
use std::collections::HashMap;

/// What a variable is at each entity, and where its components go: tensors are stored as 11, 22, 33, 12, 13, 23 and come out in the
/// order of Voigt and VTK: xx, yy, zz, xy, yz, zx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rank {
    Scalar,
    Vector,
    SymmetricTensor,
    Tensor,
}

impl Rank {
    pub fn places(self) -> &'static [usize] {
        match self {
            Rank::Scalar => &[0],
            Rank::Vector => &[0, 1, 2],
            Rank::SymmetricTensor => &[0, 1, 2, 3, 5, 4],
            Rank::Tensor => &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        }
    }
}

/// A part of the mesh and where its values begin.
struct Place<'a> {
    part: &'a Part,
    /// First point or cell; `None` for a part that is not in the mesh.
    first: Option<u64>,
}

/// The values of a variable, [n_entities, n_components] row-major.
///
/// Errors: K003 truncated or damaged, K005 not on all parts with cells, K018 `undef`, `partial` and several steps in one file.
pub(crate) fn read(bytes: &Bytes, geometry: &Geometry, rank: Rank, per_node: bool) -> Result<Vec<f64>> {
    let width = rank.places().len();
    let n = if per_node { geometry.n_points() } else { geometry.n_cells() };
    let records = Records::new(bytes, geometry.form, "header");
    // Values for all of them have to be in the file: check before memory is asked for.
    records.check(n.saturating_mul(width as u64))?;
    let mut file = Variable {
        values: vec![f64::NAN; n as usize * width],
        seen: HashMap::new(),
        places: places(geometry, per_node),
        rank,
        records,
    };
    let description = file.records.text()?;
    check_single(&file.records, &description)?;
    let mut part = None;
    while let Some(keyword) = file.records.keyword()? {
        let mut words = keyword.split_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next());
        if first == "part" {
            let number = file.records.integer()?;
            file.records.scanner.place = format!("part {number}");
            if !file.places.contains_key(&number) {
                return Err(misfit(&file.records, "values of a part", "parts of the geometry"));
            }
            part = Some(number);
            continue;
        }
        let Some(number) = part else {
            return Err(damaged(&bytes.path, &file.records.scanner.place, shown(&keyword), "`part`"));
        };
        file.records.scanner.place = format!("part {number}, {}", first.chars().take(40).collect::<String>());
        if matches!(second, Some("undef" | "partial")) {
            let mend = "write a value for each node and element, without undef and partial";
            return Err(file.records.variant(&keyword, "values of all entities", mend));
        }
        if first == "block" {
            let mend = "write structured parts as hexa8 or quad4";
            return Err(file.records.variant(&keyword, "coordinates and elements", mend));
        }
        let known = if per_node { first == "coordinates" } else { Element::from_keyword(first).is_some() };
        if !known {
            let expected = if per_node { "`part` or `coordinates`" } else { "`part` or the name of an element" };
            return Err(damaged(&bytes.path, &file.records.scanner.place, shown(&keyword), expected));
        }
        file.block(number, first)?;
    }
    file.check()?;
    Ok(file.values)
}

fn misfit(records: &Records<'_>, found: &str, expected: &str) -> Error {
    let mend = "write the variable on all parts that have cells, as the geometry has them";
    Error::input("K005", records.scanner.path(), &records.scanner.place, found, expected, mend)
}

fn places(geometry: &Geometry, per_node: bool) -> HashMap<i64, Place<'_>> {
    let mut next = 0;
    let mut place = |part: &'_ Part| {
        if part.n_cells() == 0 {
            return None;
        }
        let first = next;
        next += if per_node { part.n_points } else { part.n_cells() };
        Some(first)
    };
    geometry.parts.iter().map(|part| (part.number, Place { part, first: place(part) })).collect()
}

struct Variable<'a> {
    records: Records<'a>,
    rank: Rank,
    places: HashMap<i64, Place<'a>>,
    values: Vec<f64>,
    /// Entities of each part that have values.
    seen: HashMap<(i64, String), u64>,
}

impl Variable<'_> {
    /// The values on the points of a part, or on its elements of one name.
    fn block(&mut self, number: i64, keyword: &str) -> Result<()> {
        let Some(place) = self.places.get(&number) else { return Ok(()) };
        let (mut n, mut first) = (place.part.n_points, place.first);
        if keyword != "coordinates" {
            let mut before = 0;
            let element = Element::from_keyword(keyword);
            let found = place.part.blocks.iter().find(|b| {
                let is = element.is_some_and(|(e, ghost)| std::ptr::eq(e, b.element) && ghost == b.ghost);
                before += if is || b.ghost { 0 } else { b.n };
                is
            });
            let Some(block) = found else {
                return Err(misfit(&self.records, "values of elements that the part has not", "its own elements"));
            };
            n = block.n;
            first = if block.ghost { None } else { first.map(|first| first + before) };
        }
        let columns_of = self.rank.places();
        let Some(first) = first else { return self.records.skip(n.saturating_mul(columns_of.len() as u64)) };
        if self.seen.insert((number, keyword.into()), n).is_some() {
            return Err(misfit(&self.records, "values a second time", "values once"));
        }
        let width = columns_of.len();
        let rows = self.values.get_mut(first as usize * width..(first + n) as usize * width);
        columns(&mut self.records, n, columns_of, rows.unwrap_or_default())
    }

    /// Whether all parts had their values.
    fn check(&mut self) -> Result<()> {
        let n = self.seen.values().sum::<u64>() as usize;
        let width = self.rank.places().len();
        if n * width == self.values.len() {
            return Ok(());
        }
        self.records.scanner.place = "end".into();
        let found = format!("values of {n} points or cells");
        Err(misfit(&self.records, &found, &format!("values of {}", self.values.len() / width)))
    }
}
