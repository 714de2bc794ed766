//! A mesh as one sees it: plane meshes from above, others from (1, 1, 1), in parallel projection.

use super::axis::bounds;
use super::raster::{Raster, rasterise};
use crate::data::Location;
use crate::mesh::Mesh;
use crate::mesh::skin::{Skin, skin};

/// From where a mesh is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum View {
    /// Along the normal of the plane of these coordinates.
    Plane([usize; 2]),
    /// From (1, 1, 1) with z upwards.
    Isometric,
}

/// Pixels of an image per pixel of the picture: sharp on fine screens and on paper.
const SHARP: f64 = 2.0;
/// Share of light on a face that is turned away from the lamp.
const SHADE: f64 = 0.68;
/// Where the lamp is, seen from the viewer: above to the left, so that faces along x, y and z are told apart.
const LAMP: [f64; 3] = [-0.34, 0.53, 0.777];

/// The surface of a mesh, seen from one place.
pub(super) struct Scene {
    pub view: View,
    /// Least and largest coordinate to the right and upwards.
    pub extent: [(f64, f64); 2],
    skin: Skin,
    n_points: usize,
    /// To the right, upwards, to the viewer: of the points, then of the middles of faces.
    corners: Vec<[f64; 3]>,
    triangles: Vec<[u32; 3]>,
    /// The face of each triangle.
    faces: Vec<u32>,
    /// Share of light of each face.
    shades: Vec<f64>,
}

/// The two coordinates of a plane mesh: x and y, or in 3-D those that are not the same for all points.
fn plane(mesh: &Mesh) -> Option<[usize; 2]> {
    if mesh.dim == 2 {
        return Some([0, 1]);
    }
    let flat = |k: usize| (1..mesh.n_points()).all(|i| mesh.point(i)[k] == mesh.point(0)[k]);
    [[0, 1], [0, 2], [1, 2]].into_iter().find(|[a, b]| mesh.dim == 3 && flat(3 - a - b))
}

impl View {
    /// Plane meshes from above, others from (1, 1, 1).
    fn of(mesh: &Mesh) -> View {
        match plane(mesh) {
            Some(axes) if mesh.top_dimension() == Some(2) => View::Plane(axes),
            _ => View::Isometric,
        }
    }

    /// To the right, upwards, to the viewer.
    pub fn project(self, x: [f64; 3]) -> [f64; 3] {
        match self {
            View::Plane([a, b]) => [x[a], x[b], 0.0],
            View::Isometric => {
                let [x, y, z] = x;
                [(y - x) * 0.5_f64.sqrt(), (2.0 * z - x - y) / 6.0_f64.sqrt(), (x + y + z) / 3.0_f64.sqrt()]
            }
        }
    }
}

impl Scene {
    /// The surface of a mesh; `None` where it has none.
    pub fn new(mesh: &Mesh) -> Option<Scene> {
        let view = View::of(mesh);
        let skin = skin(mesh);
        let mut corners: Vec<[f64; 3]> = (0..mesh.n_points()).map(|i| view.project(mesh.point(i))).collect();
        let (mut triangles, mut faces, mut shades) = (Vec::new(), Vec::new(), Vec::new());
        for (number, ring) in skin.iter().enumerate() {
            let at = |p: &u32| corners.get(*p as usize).copied().unwrap_or([f64::NAN; 3]);
            let x: Vec<[f64; 3]> = ring.iter().map(at).collect();
            shades.push(if view == View::Isometric { light(&x) } else { 1.0 });
            if let [a, b, c] = *ring {
                triangles.push([a, b, c]);
                faces.push(number as u32);
                continue;
            }
            // Around the middle, so that cells of any number of corners are drawn alike whatever their first one is.
            let middle = corners.len() as u32;
            corners.push([0, 1, 2].map(|k| x.iter().map(|p| p[k]).sum::<f64>() / x.len().max(1) as f64));
            for (k, a) in ring.iter().enumerate() {
                triangles.push([middle, *a, ring[(k + 1) % ring.len()]]);
                faces.push(number as u32);
            }
        }
        let seen = || skin.iter().flatten().filter_map(|p| corners.get(*p as usize));
        let extent = [bounds(seen().map(|c| c[0]))?, bounds(seen().map(|c| c[1]))?];
        Some(Scene { view, extent, n_points: mesh.n_points(), skin, corners, triangles, faces, shades })
    }

    /// The values that one sees: of the cells with a face on the surface, or of its corners.
    pub fn visible(&self, values: &[f64], location: Location) -> Vec<f64> {
        let at = |i: &usize| values.get(*i).copied();
        match location {
            Location::Cell => self.skin.cells.iter().filter_map(at).collect(),
            _ => self.skin.iter().flatten().filter_map(|p| at(&(*p as usize))).collect(),
        }
    }

    /// Draws the surface on a picture of `width` x `height`.
    pub fn raster(&self, width: f64, height: f64) -> Raster {
        let [w, h] = [width, height].map(|v| (SHARP * v).round().max(1.0));
        let place = |v: f64, (lo, hi): (f64, f64)| if hi > lo { (v - lo) / (hi - lo) } else { 0.5 };
        let place = |c: &[f64; 3]| [w * place(c[0], self.extent[0]), h * (1.0 - place(c[1], self.extent[1])), c[2]];
        let corners: Vec<[f64; 3]> = self.corners.iter().map(place).collect();
        rasterise(&corners, &self.triangles, w as usize, h as usize)
    }

    /// The pixels of [`raster`](Self::raster) in the colours of values: of points, linear within each triangle, or of cells.
    pub fn paint(
        &self,
        raster: &Raster,
        values: &[f64],
        location: Location,
        colour: impl Fn(f64) -> [u8; 3],
    ) -> Vec<[u8; 4]> {
        let of_point = |p: u32| values.get(p as usize).copied().unwrap_or(f64::NAN);
        let middle = |ring: &[u32]| ring.iter().map(|p| of_point(*p)).sum::<f64>() / ring.len().max(1) as f64;
        let value = |triangle: usize, face: usize, [u, v]: [f32; 2]| match location {
            Location::Cell => self.skin.cells.get(face).and_then(|c| values.get(*c)).copied().unwrap_or(f64::NAN),
            _ => {
                let corner =
                    |p: u32| if (p as usize) < self.n_points { of_point(p) } else { middle(self.skin.face(face)) };
                let [a, b, c] = self.triangles[triangle].map(corner);
                let (u, v) = (f64::from(u), f64::from(v));
                u * a + v * b + (1.0 - u - v) * c
            }
        };
        let pixel = |p: &Option<super::raster::Pixel>| match p {
            None => [0; 4],
            Some(p) => {
                let face = self.faces[p.triangle as usize] as usize;
                let shade = self.shades[face];
                let [r, g, b] = colour(value(p.triangle as usize, face, p.weights));
                let dim = |c: u8| (f64::from(c) * shade).round() as u8;
                [dim(r), dim(g), dim(b), 255]
            }
        };
        raster.pixels.iter().map(pixel).collect()
    }

    /// The faces themselves: filled, with their edges where those are far enough apart to be told from each other. Also whether
    /// they are.
    pub fn wires(&self, raster: &Raster, fill: [u8; 3], edge: [u8; 3]) -> (Vec<[u8; 4]>, bool) {
        let filled = raster.pixels.iter().flatten().count();
        let mut seen: Vec<u32> = raster.pixels.iter().flatten().map(|p| self.faces[p.triangle as usize]).collect();
        seen.sort_unstable();
        seen.dedup();
        // Square faces of 8 pixels of the image.
        let apart = filled >= 64 * seen.len();
        let at = |i: i64, j: i64| {
            let inside = i >= 0 && j >= 0 && i < raster.width as i64 && j < raster.height as i64;
            let pixel = if inside { raster.pixels[j as usize * raster.width + i as usize] } else { None };
            pixel.map(|p| self.faces[p.triangle as usize])
        };
        let pixels = (0..raster.width * raster.height).map(|k| {
            let (i, j) = ((k % raster.width) as i64, (k / raster.width) as i64);
            let Some(own) = at(i, j) else { return [0; 4] };
            // On both sides: lines of two pixels stay even where a screen shows the image smaller.
            let around = [(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)];
            let is_edge = apart && around.iter().any(|(i, j)| at(*i, *j) != Some(own));
            let colour = if is_edge { edge } else { fill };
            let shade = if is_edge { 1.0 } else { self.shades[own as usize] };
            let [r, g, b] = colour.map(|c| (f64::from(c) * shade).round() as u8);
            [r, g, b, 255]
        });
        (pixels.collect(), apart)
    }
}

/// Light of the lamp on a face, in projected coordinates.
fn light(x: &[[f64; 3]]) -> f64 {
    let mut normal = [0.0; 3];
    for (k, a) in x.iter().enumerate() {
        let b = x[(k + 1) % x.len()];
        normal[0] += (a[1] - b[1]) * (a[2] + b[2]);
        normal[1] += (a[2] - b[2]) * (a[0] + b[0]);
        normal[2] += (a[0] - b[0]) * (a[1] + b[1]);
    }
    let length = normal.iter().map(|n| n * n).sum::<f64>().sqrt();
    // Rings may be turned either way: the side that is seen is lit.
    let towards = if normal[2] < 0.0 { -1.0 } else { 1.0 };
    let lit = normal.iter().zip(LAMP).map(|(n, l)| towards * n * l).sum::<f64>() / length;
    if length > 0.0 { SHADE + (1.0 - SHADE) * lit.max(0.0) } else { 1.0 }
}
