//! The sections of a legacy VTK file: one pass over the file, which keeps where things are.

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::mesh_file::{ArrayInfo, Bytes, damaged};
use crate::io::scanner::Scanner;
use crate::io::vtk::legacy_numbers::{Kind, Section};

/// Points of a grid without arrays on them that are believed without bytes that show them.
const GRID_POINTS: u64 = 1 << 18;

/// More arrays than any program writes; what is remembered of each is longer than the shortest one in a file.
const MOST_ARRAYS: usize = 10_000;

/// Cells as the file stores them: with a count before each (up to version 4.2), or with offsets.
#[derive(Debug, Clone)]
pub(crate) enum Cells {
    Counted { n_cells: u64, entries: Section },
    Offsets { offsets: Section, connectivity: Section },
}

impl Cells {
    pub fn n_cells(&self) -> u64 {
        match self {
            Cells::Counted { n_cells, .. } => *n_cells,
            Cells::Offsets { offsets, .. } => offsets.count.saturating_sub(1),
        }
    }
}

/// What a legacy file holds.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// The word behind DATASET, in capitals.
    pub dataset: String,
    pub points: Option<Section>,
    pub cells: Option<Cells>,
    pub types: Option<Section>,
    pub vertices: Option<Cells>,
    pub lines: Option<Cells>,
    pub polygons: Option<Cells>,
    pub dimensions: Option<[u64; 3]>,
    pub origin: [f64; 3],
    pub spacing: Option<[f64; 3]>,
    pub axes: [Option<Section>; 3],
    pub arrays: Vec<(ArrayInfo, Section)>,
    pub field_data: Vec<(String, Section)>,
}

impl Layout {
    /// Reads the sections of a file. Errors: K002 no legacy file, K003 truncated, K005 wrong numbers of values, K006 unknown names,
    /// K018 a variant that is not read. Cost: one pass over a file of text; headers only of a binary one.
    pub fn of(bytes: &Bytes) -> Result<Layout> {
        let mut scanner = Scanner::new(bytes, 0, "header");
        let ascii = header(&mut scanner)?;
        let layout = Layout::default();
        let mut reader = Reader { scanner, ascii, layout, location: Location::Free, n_entities: 0 };
        while reader.scanner.skip_blank()? {
            reader.section()?;
        }
        let layout = reader.layout;
        if layout.dataset.is_empty() {
            return Err(damaged(&bytes.path, "DATASET", "the end of the file", "a data set"));
        }
        layout.check(bytes)?;
        Ok(layout)
    }

    /// Whether points are told by the dimensions.
    pub fn is_grid(&self) -> bool {
        self.dataset.starts_with("STRUCTURED") || self.dataset == "RECTILINEAR_GRID"
    }

    pub fn n_points(&self) -> u64 {
        match (&self.points, self.dimensions) {
            (Some(points), _) => points.count / 3,
            (None, Some(dimensions)) => dimensions.iter().fold(1, |n, d| n.saturating_mul(*d)),
            (None, None) => 0,
        }
    }

    /// Cells of a polygonal data set in the order of its cell data.
    pub fn surfaces(&self) -> impl Iterator<Item = &Cells> {
        [&self.vertices, &self.lines, &self.polygons].into_iter().flatten()
    }

    pub fn n_cells(&self) -> u64 {
        if self.is_grid() {
            let axes = self.dimensions.unwrap_or_default();
            if axes.contains(&0) { 0 } else { axes.iter().fold(1, |n, d| n.saturating_mul((d - 1).max(1))) }
        } else {
            self.cells.iter().chain(self.surfaces()).map(Cells::n_cells).fold(0, u64::saturating_add)
        }
    }

    /// Whether the parts of the mesh fit together.
    fn check(&self, bytes: &Bytes) -> Result<()> {
        let path = &bytes.path;
        let missing = |name: &str| Err(damaged(path, name, "no such section", format!("{name} of {}", self.dataset)));
        let misfit = |place: &str, found: u64, expected: String| {
            let mend = "write the file again with all its sections";
            Err(Error::input("K005", path, place, found.to_string(), expected, mend))
        };
        if self.is_grid() && self.dimensions.is_none() {
            return missing("DIMENSIONS");
        }
        match self.dataset.as_str() {
            "UNSTRUCTURED_GRID" | "POLYDATA" | "STRUCTURED_GRID" if self.points.is_none() => return missing("POINTS"),
            "UNSTRUCTURED_GRID" => match (&self.cells, &self.types) {
                (None, None) => {}
                (None, _) => return missing("CELLS"),
                (_, None) => return missing("CELL_TYPES"),
                (Some(cells), Some(types)) if types.count != cells.n_cells() => {
                    return misfit("CELL_TYPES", types.count, format!("one for each of {} cells", cells.n_cells()));
                }
                _ => {}
            },
            "RECTILINEAR_GRID" => {
                for ((axis, name), n) in self.axes.iter().zip(["X", "Y", "Z"]).zip(self.dimensions.unwrap_or_default())
                {
                    let name = format!("{name}_COORDINATES");
                    match axis {
                        None => return missing(&name),
                        Some(axis) if axis.count != n => {
                            return misfit(&name, axis.count, format!("{n} as DIMENSIONS"));
                        }
                        Some(_) => {}
                    }
                }
            }
            _ => {}
        }
        if let (true, Some(points), Some(dimensions)) = (self.is_grid(), &self.points, self.dimensions) {
            let n = dimensions.iter().fold(1u64, |n, d| n.saturating_mul(*d));
            if n != points.count / 3 {
                return misfit("POINTS", points.count / 3, format!("{n} as DIMENSIONS"));
            }
        }
        if self.n_points() > bytes.len.max(GRID_POINTS).min(u32::MAX.into()) {
            let expected = format!("{} points", self.n_points());
            return Err(damaged(path, "DIMENSIONS", format!("a file of {} bytes", bytes.len), expected));
        }
        Ok(())
    }
}

/// The first three lines; whether the file is text.
fn header(scanner: &mut Scanner<'_>) -> Result<bool> {
    let path = scanner.path();
    let refuse = |code, place: &str, found: String, expected: &str, mend: &str| {
        Err(Error::input(code, path, place, found, expected, mend))
    };
    if !scanner.starts_with("# vtk DataFile Version")? {
        let mend = "name a file written by VTK's legacy writers; XML files end in .vtu";
        return refuse("K002", "line 1", "another beginning".into(), "# vtk DataFile Version", mend);
    }
    let first = scanner.line()?.unwrap_or_default();
    let version = first.split_whitespace().last().unwrap_or_default().to_string();
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(1..=4), _) | (Some(5), Some(0 | 1)) => {}
        (Some(_), Some(_)) => {
            let mend = "write the file in version 5.1 or older";
            return refuse("K018", "line 1", format!("version {version}"), "versions 1.0 to 5.1", mend);
        }
        _ => return refuse("K002", "line 1", format!("`{version}`"), "a version", "write the file again"),
    }
    scanner.line()?;
    let form = scanner.line()?;
    match form.as_deref().map(str::trim).map(str::to_ascii_uppercase).as_deref() {
        Some("ASCII") => Ok(true),
        Some("BINARY") => Ok(false),
        Some(other) => {
            let found = format!("`{}`", other.chars().take(40).collect::<String>().escape_debug());
            refuse("K002", "line 3", found, "ASCII or BINARY", "write the file again")
        }
        None => Err(scanner.ended("ASCII or BINARY")),
    }
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    ascii: bool,
    layout: Layout,
    /// Where the next arrays belong: free before POINT_DATA and CELL_DATA.
    location: Location,
    n_entities: u64,
}

/// The words of a line.
struct Words(Vec<String>);

impl Words {
    fn text(&self, i: usize) -> &str {
        self.0.get(i).map_or("", String::as_str)
    }
}

impl Reader<'_> {
    /// The words of the next line, named as the place of what follows.
    fn words(&mut self) -> Result<Words> {
        let line = self.scanner.line()?.unwrap_or_default();
        let words = Words(line.split_whitespace().map(str::to_string).collect());
        self.scanner.place =
            words.0.iter().take(2).map(|w| w.chars().take(60).collect()).collect::<Vec<String>>().join(" ");
        Ok(words)
    }

    fn refuse<T>(&self, code: &'static str, found: &str, expected: &str, mend: &str) -> Result<T> {
        let found = format!("`{}`", found.chars().take(60).collect::<String>().escape_debug());
        Err(Error::input(code, self.scanner.path(), &self.scanner.place, found, expected, mend))
    }

    fn count(&self, words: &Words, i: usize) -> Result<u64> {
        match words.text(i).parse() {
            Ok(n) => Ok(n),
            Err(_) => self.refuse("K003", words.text(i), "a count", "write the file again"),
        }
    }

    fn kind(&self, name: &str) -> Result<Kind> {
        let known = "bit, char, short, int, long, their unsigned kin, float, double, vtkIdType or vtktypeint64";
        Kind::from_name(name).map_or_else(|| self.refuse("K006", name, known, "write the array as double"), Ok)
    }

    /// The array that begins here, of `rows` times `width` numbers.
    fn array(&mut self, rows: u64, width: u64, kind: Kind) -> Result<Section> {
        match rows.checked_mul(width) {
            Some(count) => Section::here(&mut self.scanner, count, kind, self.ascii),
            None => Err(self.scanner.ended(&format!("{rows} x {width} numbers"))),
        }
    }

    fn section(&mut self) -> Result<()> {
        let words = self.words()?;
        let keyword = words.text(0).to_ascii_uppercase();
        match keyword.as_str() {
            "DATASET" => self.dataset(&words),
            "POINTS" => {
                let (n, kind) = (self.count(&words, 1)?, self.kind(words.text(2))?);
                self.layout.points = Some(self.array(n, 3, kind)?);
                Ok(())
            }
            "CELLS" | "VERTICES" | "LINES" | "POLYGONS" => {
                let cells = Some(self.cells(&words)?);
                match keyword.as_str() {
                    "CELLS" => self.layout.cells = cells,
                    "VERTICES" => self.layout.vertices = cells,
                    "LINES" => self.layout.lines = cells,
                    _ => self.layout.polygons = cells,
                }
                Ok(())
            }
            "TRIANGLE_STRIPS" if self.count(&words, 1)? == 0 => Ok(()),
            "TRIANGLE_STRIPS" => self.refuse("K006", words.text(0), "POLYGONS", "take the strips apart into triangles"),
            "CELL_TYPES" => {
                let n = self.count(&words, 1)?;
                self.layout.types = Some(self.array(n, 1, Kind::I32)?);
                Ok(())
            }
            "DIMENSIONS" | "ORIGIN" | "SPACING" | "ASPECT_RATIO" => self.grid(&keyword, &words),
            "X_COORDINATES" | "Y_COORDINATES" | "Z_COORDINATES" => {
                let (n, kind) = (self.count(&words, 1)?, self.kind(words.text(2))?);
                let axis = self.array(n, 1, kind)?;
                let i = ["X", "Y", "Z"].iter().position(|name| keyword.starts_with(name)).unwrap_or_default();
                self.layout.axes[i] = Some(axis);
                Ok(())
            }
            "POINT_DATA" | "CELL_DATA" => self.data(&keyword, &words),
            "METADATA" => self.metadata(),
            _ => self.attribute(&keyword, &words),
        }
    }

    fn dataset(&mut self, words: &Words) -> Result<()> {
        let known = ["UNSTRUCTURED_GRID", "POLYDATA", "STRUCTURED_GRID", "STRUCTURED_POINTS", "RECTILINEAR_GRID"];
        let name = words.text(1).to_ascii_uppercase();
        if !known.contains(&name.as_str()) {
            return self.refuse("K006", words.text(1), &known.join(", "), "write the data as one of these");
        }
        self.layout.dataset = name;
        Ok(())
    }

    fn cells(&mut self, words: &Words) -> Result<Cells> {
        let (n, size) = (self.count(words, 1)?, self.count(words, 2)?);
        // In a binary file the bytes of an end of line may be data.
        if self.ascii {
            self.scanner.skip_blank()?;
        }
        if !self.scanner.starts_with("OFFSETS")? {
            let entries = self.array(size, 1, Kind::I32)?;
            if n > size {
                return self.refuse("K003", words.text(1), "no more cells than numbers", "write the file again");
            }
            return Ok(Cells::Counted { n_cells: n, entries });
        }
        let offsets = self.part(n, "OFFSETS")?;
        let connectivity = self.part(size, "CONNECTIVITY")?;
        Ok(Cells::Offsets { offsets, connectivity })
    }

    /// OFFSETS or CONNECTIVITY, of `n` integers.
    fn part(&mut self, n: u64, name: &str) -> Result<Section> {
        let place = self.scanner.place.clone();
        self.scanner.skip_blank()?;
        let words = self.words()?;
        self.scanner.place = format!("{place}, {name}");
        if !words.text(0).eq_ignore_ascii_case(name) {
            return self.refuse("K003", words.text(0), name, "write the file again");
        }
        let kind = self.kind(words.text(1))?;
        let section = self.array(n, 1, kind)?;
        self.scanner.place = place;
        Ok(section)
    }

    fn grid(&mut self, keyword: &str, words: &Words) -> Result<()> {
        if keyword == "DIMENSIONS" {
            self.layout.dimensions = Some([self.count(words, 1)?, self.count(words, 2)?, self.count(words, 3)?]);
            return Ok(());
        }
        let mut numbers = [0.0; 3];
        for (i, number) in numbers.iter_mut().enumerate() {
            match words.text(i + 1).parse() {
                Ok(value) => *number = value,
                Err(_) => return self.refuse("K003", words.text(i + 1), "three numbers", "write the file again"),
            }
        }
        match keyword {
            "ORIGIN" => self.layout.origin = numbers,
            _ => self.layout.spacing = Some(numbers),
        }
        Ok(())
    }

    fn data(&mut self, keyword: &str, words: &Words) -> Result<()> {
        let n = self.count(words, 1)?;
        let (location, expected) = match keyword {
            "POINT_DATA" => (Location::Point, self.layout.n_points()),
            _ => (Location::Cell, self.layout.n_cells()),
        };
        // Some writers announce data of an empty mesh, or none at all.
        if n != expected {
            let expected = format!("{expected}, one for each {}", location.name());
            return self.refuse("K005", words.text(1), &expected, "write as many values as there are points or cells");
        }
        (self.location, self.n_entities) = (location, n);
        Ok(())
    }

    /// Names of components and the like: up to an empty line.
    fn metadata(&mut self) -> Result<()> {
        while self.scanner.line()?.is_some_and(|line| !line.trim().is_empty()) {}
        Ok(())
    }

    fn attribute(&mut self, keyword: &str, words: &Words) -> Result<()> {
        if keyword == "FIELD" {
            return self.fields(words);
        }
        let n = self.n_entities;
        let (kind, width) = match keyword {
            "SCALARS" => (words.text(2), if words.text(3).is_empty() { 1 } else { self.count(words, 3)? }),
            "VECTORS" | "NORMALS" => (words.text(2), 3),
            "TENSORS" => (words.text(2), 9),
            "TENSORS6" => (words.text(2), 6),
            "GLOBAL_IDS" | "PEDIGREE_IDS" | "EDGE_FLAGS" => (words.text(2), 1),
            "TEXTURE_COORDINATES" => (words.text(3), self.count(words, 2)?),
            "COLOR_SCALARS" => return self.array(n, self.count(words, 2)?, Kind::U8).map(drop),
            "LOOKUP_TABLE" => return self.array(self.count(words, 2)?, 4, Kind::U8).map(drop),
            _ => {
                let expected = "POINTS, CELLS, CELL_TYPES, POINT_DATA, CELL_DATA, SCALARS, VECTORS, TENSORS or FIELD";
                return self.refuse("K006", words.text(0), expected, "leave the section out, or write the file again");
            }
        };
        if self.location == Location::Free {
            return self.refuse("K003", words.text(0), "POINT_DATA or CELL_DATA before it", "write the file again");
        }
        let kind = self.kind(kind)?;
        if keyword == "SCALARS" && self.ascii {
            self.scanner.skip_blank()?;
        }
        if keyword == "SCALARS" && self.scanner.starts_with("LOOKUP_TABLE")? {
            let place = self.scanner.place.clone();
            self.words()?;
            self.scanner.place = place;
        }
        let section = self.array(n, width, kind)?;
        self.keep(words.text(1), n, width, section)
    }

    /// Arrays one after the other, each with its own number of rows.
    fn fields(&mut self, words: &Words) -> Result<()> {
        for _ in 0..self.count(words, 2)? {
            if !self.scanner.skip_blank()? {
                return Err(self.scanner.ended("an array of FIELD"));
            }
            if self.scanner.starts_with("METADATA")? {
                self.metadata()?;
                self.scanner.skip_blank()?;
            }
            let words = self.words()?;
            self.scanner.place = format!("FIELD, array {}", words.text(0));
            if words.text(0) == "NULL_ARRAY" {
                continue;
            }
            let (width, rows) = (self.count(&words, 1)?, self.count(&words, 2)?);
            if words.text(3).eq_ignore_ascii_case("string") {
                self.skip_strings(width.saturating_mul(rows))?;
                continue;
            }
            let kind = self.kind(words.text(3))?;
            let section = self.array(rows, width, kind)?;
            if self.location != Location::Free && rows != self.n_entities {
                let expected = format!("{} rows", self.n_entities);
                return self.refuse("K005", words.text(2), &expected, "write one row for each point or cell");
            }
            self.keep(words.text(0), rows, width, section)?;
        }
        Ok(())
    }

    /// Text: a line each, or bytes after their number in 1, 2, 4 or 8 bytes, told by the first two bits.
    fn skip_strings(&mut self, n: u64) -> Result<()> {
        for _ in 0..n {
            if self.scanner.peek()?.is_none() {
                return Err(self.scanner.ended("a text"));
            }
            if self.ascii {
                self.scanner.line()?;
                continue;
            }
            let n_bytes = match self.scanner.peek()?.unwrap_or_default() >> 6 {
                3 => 1,
                2 => 2,
                1 => 4,
                _ => 8,
            };
            let all = self.scanner.take(n_bytes)?.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
            self.scanner.skip(all & (u64::MAX >> (64 - 8 * n_bytes as u32 + 2)))?;
        }
        Ok(())
    }

    /// Remembers an array; one without components holds nothing. The last of a name counts, as in VTK.
    fn keep(&mut self, name: &str, rows: u64, width: u64, section: Section) -> Result<()> {
        if width == 0 {
            return Ok(());
        }
        if self.layout.arrays.len() + self.layout.field_data.len() >= MOST_ARRAYS {
            return self.refuse("K018", name, &format!("at most {MOST_ARRAYS} arrays"), "write fewer arrays");
        }
        let name = decoded(name);
        if self.location == Location::Free {
            self.layout.field_data.push((name, section));
            return Ok(());
        }
        let info = ArrayInfo::new(&name, self.location, rows as usize, width as usize, section.kind.number());
        self.layout
            .arrays
            .retain(|(a, _)| (&a.field.name, a.field.location) != (&info.field.name, info.field.location));
        self.layout.arrays.push((info, section));
        Ok(())
    }
}

/// A name with its escapes (%20 for a blank) replaced.
fn decoded(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|c| std::str::from_utf8(c).ok()).and_then(|c| u8::from_str_radix(c, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
