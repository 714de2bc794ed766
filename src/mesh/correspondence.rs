//! Whether two meshes are one: equal, renumbered, moved, or different.
//!
//! Coordinates count as equal where they differ by no more than the round-off of the coarser of the two, so that files of
//! different precision agree.

use super::mesh::{CellType, Mesh};
use rayon::prelude::*;
use std::collections::HashMap;

/// How a mesh relates to a first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Correspondence {
    /// Same points, same cells, same numbers.
    Same,
    /// Same cells, other points.
    Moved,
    /// Same points and cells under other numbers.
    Renumbered(Renumbering),
    /// Anything else, with the reason.
    Different(String),
}

/// Numbers in another mesh of the points and cells of a first one: `points[i]` is the number of the first mesh's point `i`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renumbering {
    pub points: Vec<u32>,
    pub cells: Vec<u32>,
    /// Those of the highest dimension, counted among themselves.
    pub top_cells: Vec<u32>,
}

/// Compares `other` with `first`. Cost: one pass where the numbers agree, else a hash table of points and one of cells.
pub fn correspondence(first: &Mesh, other: &Mesh) -> Correspondence {
    let different = |what: String| Correspondence::Different(what);
    if first.dim != other.dim {
        return different(format!("points of dimension {}, not {}", other.dim, first.dim));
    }
    if first.n_points() != other.n_points() {
        return different(format!("{} points, not {}", other.n_points(), first.n_points()));
    }
    let tolerance = tolerance(first).max(tolerance(other));
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance);
    let same_points = near(&first.points, &other.points);
    if first.cells == other.cells && (same_points || first.n_cells() > 0) {
        return if same_points { Correspondence::Same } else { Correspondence::Moved };
    }
    for cell_type in CellType::all() {
        let count =
            |mesh: &Mesh| mesh.cells.iter().filter(|b| b.cell_type == cell_type).map(|b| b.n_cells()).sum::<usize>();
        let (n_first, n_other) = (count(first), count(other));
        if n_first != n_other {
            return different(format!("{n_other} cells of type {}, not {n_first}", cell_type.name()));
        }
    }
    match match_points(first, other, tolerance).and_then(|points| match_cells(first, other, points)) {
        Ok(renumbering) => Correspondence::Renumbered(renumbering),
        Err(reason) => different(reason),
    }
}

/// Four times the round-off in the largest coordinate: that of single precision where all coordinates are such numbers, else
/// that of a few operations in double precision. Points far from the origin would otherwise seem not to move.
fn tolerance(mesh: &Mesh) -> f64 {
    let largest = mesh.points.par_iter().map(|x| x.abs()).reduce(|| 0.0, f64::max);
    let single = mesh.points.par_iter().all(|x| f64::from(*x as f32) == *x);
    let round_off = if single { 0.5 * f64::from(f32::EPSILON) } else { 32.0 * f64::EPSILON };
    4.0 * round_off * largest
}

/// For each point of `first` the one of `other` at its place. Boxes twice as wide as the tolerance: a partner lies in one of the
/// 2^dim boxes around.
fn match_points(first: &Mesh, other: &Mesh, tolerance: f64) -> Result<Vec<u32>, String> {
    let width = (4.0 * tolerance).max(f64::MIN_POSITIVE);
    let index = |x: f64| (x / width).round() as i64;
    let mut boxes: HashMap<[i64; 3], Vec<u32>> = HashMap::with_capacity(other.n_points());
    for i in 0..other.n_points() {
        boxes.entry(other.point(i).map(index)).or_default().push(i as u32);
    }
    let partner = |i: usize| {
        let x = first.point(i);
        let sides = x.map(|x| [index(x - tolerance), index(x + tolerance)]);
        let mut found: Option<u32> = None;
        for k in 0..8 {
            let choice: [usize; 3] = [k & 1, k >> 1 & 1, k >> 2 & 1];
            // The second side only where it is another box.
            if (0..3).any(|d| choice[d] == 1 && sides[d][0] == sides[d][1]) {
                continue;
            }
            let key = [sides[0][choice[0]], sides[1][choice[1]], sides[2][choice[2]]];
            for &j in boxes.get(&key).into_iter().flatten() {
                let y = other.point(j as usize);
                if (0..3).all(|d| (x[d] - y[d]).abs() <= tolerance) {
                    if let Some(k) = found {
                        return Err(format!("points {k} and {j} at one place, so that numbers cannot be matched"));
                    }
                    found = Some(j);
                }
            }
        }
        found.ok_or_else(|| format!("no point at the place of point {i} of the first mesh, {:?}", &x[..first.dim]))
    };
    let points: Vec<u32> = (0..first.n_points()).into_par_iter().map(partner).collect::<Result<_, _>>()?;
    let mut taken = vec![false; points.len()];
    match points.iter().find(|&&j| std::mem::replace(&mut taken[j as usize], true)) {
        Some(j) => Err(format!("point {j} at the place of two points of the first mesh")),
        None => Ok(points),
    }
}

/// A cell by type and points, its number, and that among the cells of the highest dimension.
type Key = ((CellType, Vec<u32>), u32, Option<u32>);

/// The cells of a mesh, with their points in ascending order after `number`.
fn keys(mesh: &Mesh, number: impl Fn(u32) -> u32) -> Vec<Key> {
    let mut keys = Vec::with_capacity(mesh.n_cells());
    let (mut n_top, top_dimension) = (0, mesh.top_dimension());
    for block in &mesh.cells {
        let top = Some(block.cell_type.dimension()) == top_dimension;
        for c in 0..block.n_cells() {
            let mut points: Vec<u32> = block.points(c).iter().map(|p| number(*p)).collect();
            points.sort_unstable();
            keys.push(((block.cell_type, points), keys.len() as u32, top.then_some(n_top)));
            n_top += u32::from(top);
        }
    }
    keys
}

fn match_cells(first: &Mesh, other: &Mesh, points: Vec<u32>) -> Result<Renumbering, String> {
    let mut table = HashMap::with_capacity(other.n_cells());
    for (key, cell, top) in keys(other, |p| p) {
        if let Some((twin, _)) = table.insert(key, (cell, top)) {
            return Err(format!("cells {twin} and {cell} on the same points, so that numbers cannot be matched"));
        }
    }
    let (mut cells, mut top_cells) = (Vec::with_capacity(other.n_cells()), Vec::new());
    for (key, cell, _) in keys(first, |p| points.get(p as usize).copied().unwrap_or(u32::MAX)) {
        let Some((partner, top)) = table.get(&key) else {
            return Err(format!("the same points, but no cell on those of cell {cell} of the first mesh"));
        };
        cells.push(*partner);
        top_cells.extend(top);
    }
    Ok(Renumbering { points, cells, top_cells })
}

impl Renumbering {
    /// Rows of `n_components` values of the other mesh in the order of the first; `order` is one of the three lists.
    pub fn gather(order: &[u32], values: &[f64], n_components: usize) -> Vec<f64> {
        let row = |&i: &u32| values.get(i as usize * n_components..(i as usize + 1) * n_components).unwrap_or_default();
        order.iter().flat_map(row).copied().collect()
    }
}
