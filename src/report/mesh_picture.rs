//! Fields on plane meshes: three panels with colour bars.

use super::axis::{Axis, bounds, marks_along};
use super::canvas::{AROUND, Canvas, Frame, LABEL, NUMBER, RIGHT, Spot, TITLE, picture};
use super::colour::{GREY, diverging, sequential};
use super::sample::Sample;
use crate::data::Location;
use crate::error::Result;
use crate::mesh::Mesh;
use plotters::style::RGBColor;

/// Meshes with more cells are drawn on a grid of at most as many rectangles: three panels of it are below 5 MB.
pub const MOST_CELLS: usize = 20_000;

/// A polygon with the value of cell `source`.
struct Patch {
    corners: Vec<[f64; 2]>,
    source: usize,
}

/// The two coordinates of a plane mesh: x and y, or in 3-D those that are not the same for all points.
pub(super) fn plane(mesh: &Mesh) -> Option<[usize; 2]> {
    if mesh.dim == 2 {
        return Some([0, 1]);
    }
    let flat = |k: usize| (1..mesh.n_points()).all(|i| mesh.point(i)[k] == mesh.point(0)[k]);
    [[0, 1], [0, 2], [1, 2]].into_iter().find(|[a, b]| mesh.dim == 3 && flat(3 - a - b))
}

/// Cells of dimension 2 as polygons through their corners, with the points of the corners and the number of each cell.
fn patches(mesh: &Mesh, axes: [usize; 2]) -> (Vec<Patch>, Vec<(usize, Vec<u32>)>) {
    let (mut drawn, mut cells) = (Vec::new(), Vec::new());
    let mut first = 0;
    for block in &mesh.cells {
        if block.cell_type.dimension() == 2 {
            for i in 0..block.n_cells() {
                let nodes = block.corners(i).into_owned();
                let corner = |p: &u32| {
                    let x = mesh.point(*p as usize);
                    axes.map(|a| x[a])
                };
                drawn.push(Patch { corners: nodes.iter().map(corner).collect(), source: cells.len() });
                cells.push((first + i, nodes));
            }
        }
        first += block.n_cells();
    }
    (drawn, cells)
}

/// The value of each cell: its own, or the mean over its corners.
fn on_cells(values: &[f64], location: Location, cells: &[(usize, Vec<u32>)]) -> Vec<f64> {
    let mean = |nodes: &[u32]| nodes.iter().map(|p| values[*p as usize]).sum::<f64>() / nodes.len() as f64;
    cells.iter().map(|(cell, nodes)| if location == Location::Cell { values[*cell] } else { mean(nodes) }).collect()
}

fn is_inside([x, y]: [f64; 2], corners: &[[f64; 2]]) -> bool {
    let mut inside = false;
    for (i, a) in corners.iter().enumerate() {
        let b = corners[(i + 1) % corners.len()];
        if (a[1] > y) != (b[1] > y) && x < a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) {
            inside = !inside;
        }
    }
    inside
}

/// A grid of rectangles instead of many cells: each takes the cell in which its centre lies, none where there is no cell.
fn coarsen(patches: &[Patch], [x, y]: [(f64, f64); 2]) -> (Vec<Patch>, [usize; 2]) {
    let (width, height) = (x.1 - x.0, y.1 - y.0);
    let nx = ((MOST_CELLS as f64 * width / height).sqrt() as usize).clamp(1, MOST_CELLS);
    let ny = (MOST_CELLS / nx).max(1);
    let (dx, dy) = (width / nx as f64, height / ny as f64);
    let centre = |i: usize, j: usize| [x.0 + (i as f64 + 0.5) * dx, y.0 + (j as f64 + 0.5) * dy];
    let mut cell_at = vec![None; nx * ny];
    for patch in patches {
        let Some((left, right)) = bounds(patch.corners.iter().map(|c| c[0])) else { continue };
        let Some((low, high)) = bounds(patch.corners.iter().map(|c| c[1])) else { continue };
        let range = |lo: f64, hi: f64, d: f64, n: usize| {
            (lo / d - 0.5).ceil().max(0.0) as usize..((hi / d + 0.5) as usize).min(n)
        };
        for j in range(low - y.0, high - y.0, dy, ny) {
            for i in range(left - x.0, right - x.0, dx, nx) {
                if is_inside(centre(i, j), &patch.corners) {
                    cell_at[j * nx + i] = Some(patch.source);
                }
            }
        }
    }
    let rectangle = |k: usize| {
        let [x, y] = centre(k % nx, k / nx);
        [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]].map(|[a, b]| [x + a * dx, y + b * dy]).to_vec()
    };
    let found = cell_at.iter().enumerate().filter_map(|(k, c)| c.map(|source| Patch { corners: rectangle(k), source }));
    (found.collect(), [nx, ny])
}

/// Values to colours.
struct Scale {
    lower: f64,
    upper: f64,
    colour: fn(f64) -> RGBColor,
}

impl Scale {
    fn of(&self, value: f64) -> RGBColor {
        let width = self.upper - self.lower;
        // Half of each end first: the width of the largest numbers is not finite.
        let t = if width > 0.0 { (0.5 * value - 0.5 * self.lower) / (0.5 * width) } else { 0.5 };
        (self.colour)(if t.is_finite() { t } else { 0.5 })
    }

    /// A bar with numbers beneath and a name above; `x` is from where to where.
    fn bar(&self, canvas: &Canvas<'_>, name: &str, x: (f64, f64), top: f64) -> Result<()> {
        const HEIGHT: f64 = 12.0;
        const STEPS: usize = 100;
        canvas.text(name, (0.5 * (x.0 + x.1), top - 11.0), AROUND, LABEL)?;
        let at = |t: f64| x.0 + t * (x.1 - x.0);
        let flat = self.upper <= self.lower;
        for k in 0..STEPS {
            let (a, b) = (k as f64 / STEPS as f64, (k + 1) as f64 / STEPS as f64);
            let colour = (self.colour)(if flat { 0.5 } else { 0.5 * (a + b) });
            canvas.rectangle((at(a), top), (at(b), top + HEIGHT), colour)?;
        }
        let corners = [(x.0, top), (x.1, top), (x.1, top + HEIGHT), (x.0, top + HEIGHT), (x.0, top)];
        canvas.line(corners, GREY, 1.0)?;
        for (value, text) in marks_along(self.lower, self.upper, x.1 - x.0) {
            let t = if flat { 0.5 } else { (value - self.lower) / (self.upper - self.lower) };
            canvas.line([(at(t), top + HEIGHT), (at(t), top + HEIGHT + 4.0)], GREY, 1.0)?;
            canvas.text(&text, (at(t), top + HEIGHT + 13.0), AROUND, NUMBER)?;
        }
        Ok(())
    }
}

/// Truth, prediction (on one scale) and difference (on its own), side by side, or above each other for long domains.
pub(super) fn panels(mesh: &Mesh, sample: &Sample<'_>) -> Result<String> {
    let axes = plane(mesh).unwrap_or([0, 1]);
    let (mut drawn, cells) = patches(mesh, axes);
    let extent = [0, 1].map(|k| bounds(drawn.iter().flat_map(|p| &p.corners).map(|c| c[k])).unwrap_or((0.0, 1.0)));
    let mut notes = Vec::new();
    if cells.len() > MOST_CELLS {
        let n_cells = cells.len();
        let (grid, [nx, ny]) = coarsen(&drawn, extent);
        drawn = grid;
        notes.push(format!(
            "{n_cells} cells, drawn on {nx} x {ny} rectangles: each has the value of the cell at its centre"
        ));
    }
    let location = sample.field.location;
    let values = [sample.numbers(sample.truth), sample.numbers(sample.prediction), sample.differences()]
        .map(|v| on_cells(&v, location, &cells));
    let (lower, upper) = bounds(values[0].iter().chain(&values[1]).copied()).unwrap_or((0.0, 0.0));
    // Round-off is not a difference to be shown.
    let upper = if upper - lower > 1e-13 * lower.abs().max(upper.abs()) { upper } else { lower };
    let shared = Scale { lower, upper, colour: sequential };
    let largest = values[2].iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let own = match sample.is_vector() {
        true => Scale { lower: 0.0, upper: largest, colour: sequential },
        false => Scale { lower: -largest, upper: largest, colour: diverging },
    };

    let shape = (extent[1].1 - extent[1].0) / (extent[0].1 - extent[0].0);
    let stacked = shape < 0.3;
    let width: f64 = if stacked { 860.0 } else { (440.0 / shape).clamp(140.0, 360.0) };
    let height = (width * shape).clamp(50.0, 440.0);
    if (height / (width * shape) - 1.0).abs() > 1e-9 {
        notes.push("the two axes have different scales".to_string());
    }
    let note = notes.join("; ");
    let (left, gap) = (66.0, 30.0);
    let total = if stacked { left + width + 30.0 } else { (left + 3.0 * width + 2.0 * gap + 30.0).max(640.0) };
    let heading = sample.heading((total / 8.0) as usize);
    let top = 34.0 + 20.0 * heading.len() as f64;
    let corner = |i: f64| if stacked { (left, top + i * (height + 52.0)) } else { (left + i * (width + gap), top) };
    let bars = corner(if stacked { 2.0 } else { 0.0 }).1 + height + 66.0;
    let svg = picture(total, bars + if note.is_empty() { 44.0 } else { 64.0 }, |canvas| {
        for (i, line) in heading.iter().enumerate() {
            canvas.text(line, (left, 22.0 + 20.0 * i as f64), RIGHT, if i == 0 { TITLE } else { LABEL })?;
        }
        let names = ["truth", "prediction", sample.name_of_difference()];
        for (i, (name, values)) in names.iter().zip(&values).enumerate() {
            let at: Spot = corner(i as f64);
            canvas.text(name, (at.0 + 0.5 * width, at.1 - 12.0), AROUND, LABEL)?;
            let x = Axis::along(["x", "y", "z"][axes[0]], extent[0].0, extent[0].1, width);
            let y = Axis::between(["x", "y", "z"][axes[1]], extent[1].0, extent[1].1, (height / 45.0) as usize);
            let frame = Frame::new(canvas, at, (width, height), x, y);
            let scale = if i == 2 { &own } else { &shared };
            for patch in &drawn {
                let corners = patch.corners.iter().filter_map(|c| frame.at(c[0], c[1]));
                canvas.polygon(corners, scale.of(values[patch.source]))?;
            }
            let first = stacked || i == 0;
            frame.border(true, first)?;
            frame.names(if first { Some(48.0) } else { None }, !stacked || i == 2)?;
        }
        let (a, b) = if stacked {
            ((left, left + 0.45 * width), (left + 0.55 * width, left + width))
        } else {
            (
                (left + 0.4 * width, left + 1.6 * width + gap),
                (left + 2.0 * (width + gap), left + 3.0 * width + 2.0 * gap),
            )
        };
        shared.bar(canvas, &sample.name(), a, bars)?;
        own.bar(canvas, sample.name_of_difference(), b, bars)?;
        canvas.text(&note, (left, bars + 50.0), RIGHT, NUMBER)
    })?;
    // Smoothed edges would show as pale lines between neighbours.
    Ok(svg.replacen(">\n", ">\n<style>polygon,rect{shape-rendering:crispEdges}</style>\n", 1))
}
