//! `/mesh` of the stacked layout: points, cells of one or several types.

use crate::error::{Error, Result};
use crate::io::atomic::write_error;
use crate::io::hdf;
use crate::mesh::runs;
use crate::mesh::{CellBlock, CellType, Mesh};
use hdf5::{Dataset, Group};
use std::path::Path;

/// Attribute of the group `/mesh/cells` with the order in which its data sets number the cells (default: by name).
const ORDER: &str = "types";
/// Polygons and polyhedra: `/mesh/cells/<name>` holds their entries in one row, `/mesh/cells/<name>_sizes` the number of each cell.
const SIZES: &str = "_sizes";
/// Meshes of many blocks have one data set for each type of cells, and `/mesh/cells/runs` [n_runs, 2] tells how these follow each
/// other: the place of the data set in [`ORDER`], and how many cells.
const RUNS: &str = "runs";

/// Points of a file: the same for all samples, or `[n_samples, n_points, dim]` that is still to be read.
pub(crate) enum Points {
    Fixed,
    Moving(Dataset),
}

/// Reads `/mesh`; the mesh has no point values yet where they move.
pub(crate) fn read_mesh(path: &Path, file: &Group) -> Result<Option<(Mesh, usize, Points)>> {
    let Some(points) = hdf::dataset(file, "mesh/points") else {
        if hdf::exists(file, "mesh/cells") {
            let mend = "write the points as /mesh/points [n_points, dim]";
            return Err(Error::input("K005", path, "/mesh/points", "no data set", "the points of the cells", mend));
        }
        return Ok(None);
    };
    hdf::check_numeric(path, &points, "/mesh/points")?;
    let (n_points, dim, kind, values) = match points.shape()[..] {
        [n, dim] if (1..=3).contains(&dim) => {
            (n, dim, Points::Fixed, finite_points(path, hdf::read_f64(path, &points, "/mesh/points")?, dim)?)
        }
        [_, n, dim] if (1..=3).contains(&dim) => (n, dim, Points::Moving(points), Vec::new()),
        ref shape => {
            let expected = "[n_points, dim] or [n_samples, n_points, dim] with dim 1, 2 or 3".to_string();
            return Err(hdf::wrong_shape(path, "/mesh/points", format!("{shape:?}"), expected));
        }
    };
    let cells = read_cells(path, file, dim)?;
    Ok(Some((Mesh { dim, points: values, cells }, n_points, kind)))
}

fn finite_points(path: &Path, values: Vec<f64>, dim: usize) -> Result<Vec<f64>> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(values),
        Some(i) => {
            let place = format!("/mesh/points, point {}, component {}", i / dim, i % dim);
            Err(Error::input("K004", path, place, values[i].to_string(), "a finite number", "mend the mesh"))
        }
    }
}

fn read_cells(path: &Path, file: &Group, dim: usize) -> Result<Vec<CellBlock>> {
    if let Some(data) = hdf::dataset(file, "mesh/cells") {
        let place = "/mesh/cells";
        let width = data.shape().get(1).copied().unwrap_or(0);
        let cell_type = match type_attribute(path, &data, place)? {
            Some(t) => t,
            None => CellType::from_dimension_and_width(dim, width).ok_or_else(|| {
                let mend = "set the attribute `cell_type`";
                Error::input(
                    "K005",
                    path,
                    place,
                    format!("{width} nodes per cell in {dim} dimensions"),
                    "2 (line), 3 \
                (triangle), 4 (quad) in the plane; 4 (tetra), 5 (pyramid), 6 (wedge), 8 (hexahedron) in space",
                    mend,
                )
            })?,
        };
        return Ok(vec![read_block(path, &data, place, cell_type)?]);
    }
    let Some(group) = hdf::group(file, "mesh/cells") else { return Ok(Vec::new()) };
    let damaged = |e| hdf::damaged(path, "/mesh/cells", e);
    let names = match hdf::attribute_strings(&group, ORDER).map_err(damaged)? {
        Some(names) => names,
        None => group.member_names().map_err(damaged)?,
    };
    let mut blocks = Vec::new();
    for name in names.into_iter().filter(|name| !name.ends_with(SIZES)) {
        let place = format!("/mesh/cells/{name}");
        let Some(data) = hdf::dataset(&group, &name) else {
            return Err(Error::input("K005", path, place, "no data set", "cells of one type", "write the data set"));
        };
        let cell_type = match type_attribute(path, &data, &place)? {
            Some(t) => t,
            None => named_type(path, &place, &name)?,
        };
        blocks.push(match cell_type.is_ragged() {
            false => read_block(path, &data, &place, cell_type)?,
            true => read_ragged(path, &group, &name, cell_type)?,
        });
    }
    match hdf::dataset(&group, RUNS) {
        Some(runs) => in_runs(path, &runs, &blocks),
        None => Ok(blocks),
    }
}

/// The cells of several types in the order in which they are numbered.
fn in_runs(path: &Path, data: &Dataset, types: &[CellBlock]) -> Result<Vec<CellBlock>> {
    let place = format!("/mesh/cells/{RUNS}");
    let numbers = read_numbers(path, data, &place, 2)?;
    runs::in_runs(types, &numbers).ok_or_else(|| {
        let expected = "[n_runs, 2] with each cell of each type once".to_string();
        hdf::wrong_shape(path, place, format!("{} runs", numbers.len() / 2), expected)
    })
}

fn type_attribute(path: &Path, data: &Dataset, place: &str) -> Result<Option<CellType>> {
    let found = hdf::attribute_strings(data, "cell_type").map_err(|e| hdf::damaged(path, place, e))?;
    let name = found.and_then(|names| names.into_iter().next());
    name.map(|name| named_type(path, &format!("{place}, attribute cell_type"), &name)).transpose()
}

fn named_type(path: &Path, place: &str, name: &str) -> Result<CellType> {
    CellType::from_name(name).ok_or_else(|| {
        let known = "one of vertex, line, triangle, quad, tetra, pyramid, wedge, hexahedron";
        Error::input("K006", path, place, format!("cell type `{name}`"), known, "use the names of meshio")
    })
}

fn read_block(path: &Path, data: &Dataset, place: &str, cell_type: CellType) -> Result<CellBlock> {
    let shape = data.shape();
    if shape.len() != 2 || shape[1] != cell_type.n_nodes() {
        let expected = format!("[n_cells, {}] for cells of type {}", cell_type.n_nodes(), cell_type.name());
        return Err(hdf::wrong_shape(path, place, format!("{shape:?}"), expected));
    }
    Ok(CellBlock::new(cell_type, read_numbers(path, data, place, shape[1])?))
}

/// A ring of points per polygon, a stream of faces per polyhedron.
fn read_ragged(path: &Path, group: &Group, name: &str, cell_type: CellType) -> Result<CellBlock> {
    let flat = |name: &str| {
        let place = format!("/mesh/cells/{name}");
        let data = hdf::dataset(group, name).filter(|data| data.shape().len() == 1).ok_or_else(|| {
            let expected = format!("one row of numbers for cells of type {}", cell_type.name());
            let mend = "write the entries of all cells in one row, and the number of each in `_sizes`";
            Error::input("K005", path, &place, "no such data set of one dimension", expected, mend)
        })?;
        read_numbers(path, &data, &place, 1)
    };
    let (connectivity, sizes) = (flat(name)?, flat(&format!("{name}{SIZES}"))?);
    Ok(CellBlock::of_sizes(cell_type, connectivity, sizes.into_iter().map(|n| n as usize)))
}

/// Point numbers, `width` per cell.
fn read_numbers(path: &Path, data: &Dataset, place: &str, width: usize) -> Result<Vec<u32>> {
    let integers = match data.dtype().and_then(|t| t.to_descriptor()) {
        Ok(t) => matches!(t, hdf5::types::TypeDescriptor::Integer(_) | hdf5::types::TypeDescriptor::Unsigned(_)),
        Err(_) => false,
    };
    if !integers {
        let mend = "write zero-based point numbers as integers";
        return Err(Error::input("K005", path, place, "values that are no integers", "point numbers", mend));
    }
    hdf::check_size(path, data, place)?;
    let numbers = data.read_raw::<i64>().map_err(|e| hdf::damaged(path, place, e))?;
    let mut connectivity = Vec::with_capacity(numbers.len());
    for (i, &number) in numbers.iter().enumerate() {
        connectivity.push(u32::try_from(number).map_err(|_| {
            let place = format!("{place}, cell {}", i / width);
            Error::input(
                "K015",
                path,
                place,
                format!("point {number}"),
                "a point of the mesh",
                "number points from zero",
            )
        })?);
    }
    Ok(connectivity)
}

/// Writes `/mesh`. With `n_samples` the points are left to be filled: `[n_samples, n_points, dim]`.
pub(crate) fn write_mesh(path: &Path, file: &Group, mesh: &Mesh, n_samples: Option<usize>) -> Result<Dataset> {
    write_all(file, mesh, n_samples).map_err(|e| write_error(path, e))
}

fn write_all(file: &Group, mesh: &Mesh, n_samples: Option<usize>) -> hdf5::Result<Dataset> {
    let group = file.create_group("mesh")?;
    let points = match n_samples {
        Some(n) => hdf::create::<f64>(&group, "points", &[n, mesh.n_points(), mesh.dim])?,
        None => {
            let points = hdf::create::<f64>(&group, "points", &[mesh.n_points(), mesh.dim])?;
            points.write_raw(&mesh.points)?;
            points
        }
    };
    if let [block] = &mesh.cells[..]
        && !block.cell_type.is_ragged()
    {
        write_block(&group, "cells", block)?;
    } else if mesh.cells.len() > runs::MAX_BLOCKS {
        write_by_type(&group.create_group("cells")?, &mesh.cells)?;
    } else if !mesh.cells.is_empty() {
        let cells = group.create_group("cells")?;
        let mut names: Vec<String> = Vec::new();
        for block in &mesh.cells {
            let name = block.cell_type.name();
            let same = mesh.cells[..names.len()].iter().filter(|b| b.cell_type == block.cell_type).count();
            names.push(if same == 0 { name.to_string() } else { format!("{name}_{}", same + 1) });
            write_block(&cells, &names[names.len() - 1], block)?;
        }
        hdf::write_attribute_strings(&cells, ORDER, &names)?;
    }
    Ok(points)
}

fn write_by_type(group: &Group, blocks: &[CellBlock]) -> hdf5::Result<()> {
    let (types, runs) = runs::by_type(blocks);
    let names: Vec<&str> = types.iter().map(|t| t.cell_type.name()).collect();
    types.iter().zip(&names).try_for_each(|(all, name)| write_block(group, name, all))?;
    hdf::create::<u32>(group, RUNS, &[runs.len() / 2, 2])?.write_raw(&runs)?;
    hdf::write_attribute_strings(group, ORDER, &names)
}

fn write_block(group: &Group, name: &str, block: &CellBlock) -> hdf5::Result<()> {
    if block.cell_type.is_ragged() {
        let sizes: Vec<u32> = block.iter().map(|cell| cell.len() as u32).collect();
        hdf::create::<u32>(group, &format!("{name}{SIZES}"), &[sizes.len()])?.write_raw(&sizes)?;
        let data = hdf::create::<u32>(group, name, &[block.connectivity.len()])?;
        data.write_raw(&block.connectivity)?;
        return hdf::write_attribute(&data, "cell_type", block.cell_type.name());
    }
    let width = block.cell_type.n_nodes();
    let n_cells = block.connectivity.len().checked_div(width).unwrap_or(0);
    let data = hdf::create::<u32>(group, name, &[n_cells, width])?;
    data.write_raw(&block.connectivity)?;
    hdf::write_attribute(&data, "cell_type", block.cell_type.name())
}
