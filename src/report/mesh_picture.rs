//! Fields on surfaces: panels with colour bars; and meshes alone.

use super::axis::{Axis, bounds};
use super::canvas::{AROUND, Canvas, Drawing, LABEL, NUMBER, RIGHT, Spot, cut, picture};
use super::colour::BLACK;
use super::frame::Frame;
use super::raster;
use super::sample::Sample;
use super::scale::Scale;
use super::scene::{Scene, View};
use crate::error::{Error, Result};
use crate::mesh::Mesh;

/// Fill and edges of meshes that are drawn alone.
const FILL: [u8; 3] = [214, 228, 240];
const EDGE: [u8; 3] = [84, 126, 166];

/// Size of a panel, its columns and what is to be told about it.
struct Panels {
    size: Spot,
    columns: usize,
    notes: Vec<String>,
}

impl Panels {
    /// Two columns, or four of domains that are higher than wide.
    fn of(scene: &Scene, n_panels: usize) -> Panels {
        let [x, y] = scene.extent.map(|(lo, hi)| hi - lo);
        let shape = if x > 0.0 && y > 0.0 { y / x } else { 1.0 };
        let columns = n_panels.min(if shape > 1.3 { 4 } else { 2 });
        let (widest, highest) = if columns == 4 { (195.0, 400.0) } else { (414.0, 340.0) };
        let width = (highest / shape).clamp(120.0, widest);
        let height = (width * shape).clamp(60.0, highest);
        let mut notes = Vec::new();
        if (height / (width * shape) - 1.0).abs() > 1e-9 {
            notes.push("The two axes have different scales.".to_string());
        }
        if scene.view == View::Isometric {
            notes.push(
                "Seen from (1, 1, 1) in parallel projection, z upwards, slightly lit from above on the left."
                    .to_string(),
            );
        }
        Panels { size: (width, height), columns, notes }
    }

    /// Upper left corner of panel `i`, each with `below` pixels below it.
    fn corner(&self, i: usize, below: f64) -> Spot {
        let (column, row) = (i % self.columns, i / self.columns);
        (LEFT + column as f64 * (self.size.0 + GAP), 28.0 + row as f64 * (self.size.1 + below + 28.0))
    }

    fn width(&self) -> f64 {
        LEFT + self.columns as f64 * (self.size.0 + GAP) - GAP + 20.0
    }
}

const LEFT: f64 = 64.0;
const GAP: f64 = 34.0;

/// Truth and prediction (on one scale), difference and standard deviation (on scales of their own).
pub(super) fn panels(mesh: &Mesh, sample: &Sample<'_>) -> Result<Drawing> {
    let scene = scene_of(mesh)?;
    let location = sample.field.location;
    let values = [
        sample.numbers(sample.truth),
        sample.numbers(sample.prediction),
        sample.differences(),
        sample.numbers(sample.std),
    ];
    let seen = values.each_ref().map(|v| scene.visible(v, location));
    let ends = |v: &[&Vec<f64>]| bounds(v.iter().flat_map(|v| v.iter().copied())).unwrap_or((0.0, 0.0));
    let (lower, upper) = ends(&[&seen[0], &seen[1]]);
    let largest = seen[2].iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let difference = if sample.is_vector() { Scale::sequential(0.0, largest) } else { Scale::diverging(largest) };
    let shared = || Scale::sequential(lower, upper);
    let scales = [shared(), shared(), difference, Scale::sequential(0.0, ends(&[&seen[3]]).1)];
    let names = ["truth", "prediction", sample.name_of_difference(), "standard deviation"];
    let layout = Panels::of(&scene, 4);
    let raster = scene.raster(layout.size.0, layout.size.1);
    let (to_bar, below) = if scene.view == View::Isometric { (30.0, 62.0) } else { (48.0, 80.0) };
    let height = layout.corner(3, below).1 + layout.size.1 + below;
    let quantity = sample.name();
    let drawing = picture(sample.title, (layout.width(), height), |canvas| {
        for (i, ((name, values), scale)) in names.iter().zip(&values).zip(&scales).enumerate() {
            let corner = layout.corner(i, below);
            let room = (layout.size.0 / 7.6) as usize;
            let text = if i < 2 { format!("{name}: {quantity}") } else { name.to_string() };
            canvas.text(&cut(&text, room), (corner.0 + 0.5 * layout.size.0, corner.1 - 12.0), AROUND, LABEL)?;
            let pixels = scene.paint(&raster, values, location, |v| scale.bytes(v));
            image(canvas, &raster, &pixels, corner, layout.size)?;
            around(canvas, &scene, &layout, i, corner)?;
            let bar = corner.1 + layout.size.1 + to_bar;
            scale.bar(canvas, "", (corner.0, corner.0 + layout.size.0), bar)?;
        }
        Ok(())
    })?;
    Ok(drawing.with_lines(layout.notes))
}

fn scene_of(mesh: &Mesh) -> Result<Scene> {
    Scene::new(mesh)
        .ok_or_else(|| Error::argument("a picture", "a mesh without faces", "a mesh of surfaces or volumes"))
}

fn image(canvas: &Canvas<'_>, raster: &raster::Raster, pixels: &[[u8; 4]], corner: Spot, size: Spot) -> Result<()> {
    let address = raster::address(pixels, raster.width, raster.height)
        .ok_or_else(|| Error::argument("an image", format!("{} pixels", pixels.len()), "one that can be encoded"))?;
    canvas.image(corner, size, &address);
    Ok(())
}

/// Axes around a plane mesh; the directions of x, y and z beside another.
fn around(canvas: &Canvas<'_>, scene: &Scene, layout: &Panels, i: usize, corner: Spot) -> Result<()> {
    let (width, height) = layout.size;
    let first = i.is_multiple_of(layout.columns);
    if let View::Plane(axes) = scene.view {
        let [x, y] = axes.map(|a| ["x", "y", "z"][a.min(2)]);
        let x = Axis::along(x, scene.extent[0].0, scene.extent[0].1, width);
        let y = Axis::between(y, scene.extent[1].0, scene.extent[1].1, (height / 45.0) as usize);
        let frame = Frame::new(canvas, corner, layout.size, x, y);
        frame.border(true, first)?;
        return frame.names(first.then_some(48.0), true);
    }
    if !first {
        return Ok(());
    }
    let origin = (corner.0 - 32.0, corner.1 + height + 6.0);
    for (k, name) in ["x", "y", "z"].into_iter().enumerate() {
        let mut unit = [0.0; 3];
        unit[k] = 1.0;
        let [right, up, _] = View::Isometric.project(unit);
        let at = |length: f64| (origin.0 + length * right, origin.1 - length * up);
        canvas.line([at(0.0), at(22.0)], BLACK, 1.2)?;
        canvas.text(name, at(31.0), AROUND, NUMBER)?;
    }
    Ok(())
}

/// The mesh alone: its surface with the edges of its cells, where those can be told apart. Errors: K100 for a mesh without surfaces.
pub fn mesh_alone(mesh: &Mesh, title: &str) -> Result<Drawing> {
    let scene = scene_of(mesh)?;
    let layout = Panels::of(&scene, 1);
    let layout = Panels { size: (1.5 * layout.size.0, 1.5 * layout.size.1), ..layout };
    let raster = scene.raster(layout.size.0, layout.size.1);
    let (pixels, apart) = scene.wires(&raster, FILL, EDGE);
    let mut lines = layout.notes.clone();
    if !apart {
        lines.push("The cells are too small here to be told apart.".to_string());
    }
    let drawing = picture(title, (layout.width(), layout.corner(0, 0.0).1 + layout.size.1 + 46.0), |canvas| {
        let corner = layout.corner(0, 0.0);
        image(canvas, &raster, &pixels, corner, layout.size)?;
        around(canvas, &scene, &layout, 0, corner)?;
        let text = match scene.view {
            View::Plane(_) => String::new(),
            View::Isometric => extent_text(mesh),
        };
        canvas.text(&text, (corner.0 + 40.0, corner.1 + layout.size.1 + 30.0), RIGHT, NUMBER)
    })?;
    Ok(drawing.with_lines(lines))
}

/// From where to where a mesh reaches.
fn extent_text(mesh: &Mesh) -> String {
    let part = |k: usize| {
        let (lo, hi) = bounds((0..mesh.n_points()).map(|i| mesh.point(i)[k])).unwrap_or((0.0, 0.0));
        format!("{}: {} to {}", ["x", "y", "z"][k], super::parameter_text(lo), super::parameter_text(hi))
    };
    [0, 1, 2].map(part).join(",  ")
}
