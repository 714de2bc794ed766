//! The mesh of a legacy VTK file.

use crate::error::{Error, Result};
use crate::io::mesh_file::{Bytes, damaged};
use crate::io::vtk::legacy_scan::{Cells, Layout};
use crate::mesh::{CellBlock, CellType, Mesh};

/// VTK's codes of cells whose points stand in rows.
const PIXEL: u32 = 8;
const VOXEL: u32 = 11;

/// Cells one after the other as the file has them: cell i ends before `entries[ends[i]]`.
#[derive(Default)]
struct Stored {
    types: Vec<CellType>,
    entries: Vec<u32>,
    ends: Vec<usize>,
}

/// The mesh, its cells in blocks: one for each type, in the order in which the file names them first. Errors: K003, K004, K006
/// types that are not known, K015.
pub(crate) fn mesh(bytes: &Bytes, layout: &Layout) -> Result<Mesh> {
    let points = points(bytes, layout)?;
    let cells = match layout.is_grid() {
        true => grid_cells(layout.dimensions.unwrap_or_default()),
        false => blocks(&stored(bytes, layout)?),
    };
    let mesh = Mesh { dim: 3, points, cells };
    mesh.check_structure(&bytes.path)?;
    Ok(mesh)
}

/// The number in the file of each cell of the blocks of [`mesh`]; `None` where the order is the same.
pub(crate) fn order(bytes: &Bytes, layout: &Layout) -> Result<Option<Vec<u32>>> {
    if layout.is_grid() {
        return Ok(None);
    }
    let types = match &layout.types {
        // Types of Lagrange cells are told by their numbers of points.
        Some(section) => match section.indices(bytes)?.into_iter().map(known_type).collect() {
            Some(types) => types,
            None => stored(bytes, layout)?.types,
        },
        None => stored(bytes, layout)?.types,
    };
    let kinds = kinds(&types);
    let rank = |t: &CellType| kinds.iter().position(|k| k == t);
    if types.is_sorted_by_key(rank) {
        return Ok(None);
    }
    let mut order: Vec<u32> = (0..types.len() as u32).collect();
    order.sort_by_key(|&i| types.get(i as usize).map(rank));
    Ok(Some(order))
}

/// The types in the order in which they come first.
fn kinds(types: &[CellType]) -> Vec<CellType> {
    let mut kinds = Vec::new();
    for t in types {
        if !kinds.contains(t) {
            kinds.push(*t);
        }
    }
    kinds
}

fn blocks(stored: &Stored) -> Vec<CellBlock> {
    let block = |kind: CellType| {
        let (mut connectivity, mut ends, mut begin) = (Vec::new(), Vec::new(), 0);
        for (t, &end) in stored.types.iter().zip(&stored.ends) {
            if *t == kind {
                connectivity.extend(stored.entries.get(begin..end).unwrap_or_default());
                ends.push(connectivity.len());
            }
            begin = end;
        }
        if kind.is_ragged() { CellBlock::ragged(kind, connectivity, ends) } else { CellBlock::new(kind, connectivity) }
    };
    kinds(&stored.types).into_iter().map(block).collect()
}

fn known_type(code: u32) -> Option<CellType> {
    match code {
        PIXEL => Some(CellType::Quad),
        VOXEL => Some(CellType::Hexahedron),
        _ => u8::try_from(code).ok().and_then(CellType::from_vtk_code),
    }
}

/// The type of a cell of `n` points.
fn cell_type(bytes: &Bytes, code: u32, n: usize) -> Result<CellType> {
    known_type(code).or_else(|| CellType::from_vtk_lagrange(code.into(), n)).ok_or_else(|| {
        let codes: Vec<String> = CellType::all().map(|t| format!("{} {}", t.vtk_code(), t.name())).collect();
        let expected = format!("8 pixel, 11 voxel, {}", codes.join(", "));
        let mend = "leave out the cells of this type, or write them as cells of a known type";
        Error::input("K018", &bytes.path, "CELL_TYPES", format!("cells of type {code}"), expected, mend)
    })
}

fn stored(bytes: &Bytes, layout: &Layout) -> Result<Stored> {
    let mut stored = Stored::default();
    if let (Some(cells), Some(types)) = (&layout.cells, &layout.types) {
        add(bytes, cells, &mut stored)?;
        let codes = types.indices(bytes)?;
        let mut begin = 0;
        for (i, (&code, &end)) in codes.iter().zip(&stored.ends).enumerate() {
            let cell = stored.entries.get_mut(begin..end).unwrap_or_default();
            stored.types.push(cell_type(bytes, code, cell.len())?);
            to_ring(code, cell);
            let n = stored.types.last().map_or(0, |t| t.n_nodes());
            if n > 0 && n != cell.len() {
                return Err(wrong_size(bytes, i, cell.len(), &format!("{n} for type {code}")));
            }
            begin = end;
        }
        return Ok(stored);
    }
    for cells in [&layout.vertices, &layout.lines, &layout.polygons] {
        let (Some(cells), first) = (cells, stored.ends.len()) else { continue };
        add(bytes, cells, &mut stored)?;
        let mut begin = first.checked_sub(1).and_then(|i| stored.ends.get(i)).copied().unwrap_or(0);
        for (i, &end) in stored.ends.iter().enumerate().skip(first) {
            let n = end - begin;
            begin = end;
            stored.types.push(surface_type(bytes, layout, cells, i - first, n)?);
        }
    }
    Ok(stored)
}

/// The type of a cell of POLYDATA with `n` points.
fn surface_type(bytes: &Bytes, layout: &Layout, cells: &Cells, i: usize, n: usize) -> Result<CellType> {
    let is = |own: &Option<Cells>| own.as_ref().is_some_and(|own| std::ptr::eq(own, cells));
    let (name, found, expected) = match n {
        _ if is(&layout.polygons) => match n {
            3 => return Ok(CellType::Triangle),
            4 => return Ok(CellType::Quad),
            5.. => return Ok(CellType::Polygon),
            _ => return Err(wrong_size(bytes, i, n, "3 or more for a polygon")),
        },
        1 if is(&layout.vertices) => return Ok(CellType::Vertex),
        2 if is(&layout.lines) => return Ok(CellType::Line),
        _ if is(&layout.vertices) => ("VERTICES", "poly_vertex", "1 point each"),
        _ => ("LINES", "poly_line", "2 points each"),
    };
    let found = format!("cell {i}, a {found} of {n} points");
    let mend = "write a cell for each point or for each piece of the line";
    Err(Error::input("K006", &bytes.path, name, found, expected, mend))
}

fn wrong_size(bytes: &Bytes, i: usize, n: usize, expected: &str) -> Error {
    let mend = "mend the cell, or check its type";
    Error::input("K015", &bytes.path, format!("CELLS, cell {i}"), format!("{n} points"), expected, mend)
}

/// Adds cells behind those that are there.
fn add(bytes: &Bytes, cells: &Cells, stored: &mut Stored) -> Result<()> {
    let base = stored.entries.len();
    match cells {
        Cells::Counted { n_cells, entries } => {
            let raw = entries.indices(bytes)?;
            let mut rest = raw.as_slice();
            for i in 0..*n_cells {
                let cell = rest.split_first().and_then(|(&n, tail)| tail.split_at_checked(n as usize));
                let Some((cell, tail)) = cell else {
                    let found = format!("the end of {} numbers in cell {i}", entries.count);
                    return Err(damaged(&bytes.path, &entries.place, found, format!("{n_cells} cells")));
                };
                stored.entries.extend(cell);
                stored.ends.push(stored.entries.len());
                rest = tail;
            }
            if !rest.is_empty() {
                let expected = format!("{n_cells} cells in {} numbers", entries.count);
                return Err(damaged(&bytes.path, &entries.place, format!("{} numbers more", rest.len()), expected));
            }
        }
        Cells::Offsets { offsets, connectivity } => {
            stored.entries.extend(connectivity.indices(bytes)?);
            let mut ends = offsets.indices(bytes)?;
            let whole = ends.first().is_none_or(|&n| n == 0)
                && ends.is_sorted()
                && ends.last().copied().unwrap_or(0) as u64 == connectivity.count;
            if !whole {
                let expected = format!("offsets that rise from 0 to {}", connectivity.count);
                return Err(damaged(&bytes.path, &offsets.place, "other offsets", expected));
            }
            if !ends.is_empty() {
                ends.remove(0);
            }
            stored.ends.extend(ends.into_iter().map(|end| base + end as usize));
        }
    }
    Ok(())
}

/// Points in rows put into rings.
fn to_ring(code: u32, cell: &mut [u32]) {
    if let (PIXEL | VOXEL, [.., c, d]) = (code, &mut *cell) {
        std::mem::swap(c, d);
    }
    if let (VOXEL, [_, _, c, d, ..]) = (code, cell) {
        std::mem::swap(c, d);
    }
}

fn points(bytes: &Bytes, layout: &Layout) -> Result<Vec<f64>> {
    if let Some(points) = &layout.points {
        return points.values(bytes);
    }
    // Without points along one axis the others may tell any length.
    let Some(dimensions) = layout.dimensions.filter(|d| !d.contains(&0)) else { return Ok(Vec::new()) };
    let mut axes: [Vec<f64>; 3] = Default::default();
    let spacing = layout.spacing.unwrap_or([1.0; 3]);
    for (k, axis) in axes.iter_mut().enumerate() {
        *axis = match &layout.axes[k] {
            Some(section) => section.values(bytes)?,
            None => (0..dimensions[k]).map(|i| layout.origin[k] + i as f64 * spacing[k]).collect(),
        };
    }
    let [x, y, z] = &axes;
    let rows = z.iter().flat_map(|z| y.iter().map(move |y| (y, z)));
    Ok(rows.flat_map(|(y, z)| x.iter().flat_map(move |x| [*x, *y, *z])).collect())
}

/// Lines, quads or hexahedra of a grid, by the number of its axes with more than one point.
fn grid_cells(dimensions: [u64; 3]) -> Vec<CellBlock> {
    if dimensions.contains(&0) {
        return Vec::new();
    }
    let [nx, ny, nz] = dimensions.map(|n| n as u32);
    let strides = [1, nx, nx.saturating_mul(ny)];
    let axes: Vec<u32> = (0..3).filter(|&k| dimensions[k] > 1).map(|k| strides[k]).collect();
    let corners: Vec<u32> = match axes[..] {
        [] => vec![0],
        [a] => vec![0, a],
        [a, b] => vec![0, a, a + b, b],
        [a, b, c, ..] => vec![0, a, a + b, b, c, c + a, c + a + b, c + b],
    };
    let kind = [CellType::Vertex, CellType::Line, CellType::Quad, CellType::Hexahedron][axes.len().min(3)];
    let [mx, my, mz] = [nx, ny, nz].map(|n| (n - 1).max(1));
    let firsts = (0..mz).flat_map(|k| (0..my).flat_map(move |j| (0..mx).map(move |i| i + nx * (j + ny * k))));
    vec![CellBlock::new(kind, firsts.flat_map(|first| corners.iter().map(move |c| first + c)).collect())]
}
