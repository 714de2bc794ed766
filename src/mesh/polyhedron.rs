//! Polygons and polyhedra: cells of any number of corners, as finite-volume meshes have them.
//!
//! A polygon is the ring of its points. A polyhedron is the list of its faces, `[n_faces, n_0, points of face 0, n_1, …]`, as in
//! the face streams of VTK; the faces may be turned either way. Both are measured in triangles around the mean of their
//! corners, which is exact for plane faces and cells that are star-shaped around it.

use std::collections::HashSet;

type Point = [f64; 3];

fn sub(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn cross(a: Point, b: Point) -> Point {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Mean of points; zero without points.
pub(crate) fn mean(x: &[Point]) -> Point {
    let n = x.len().max(1) as f64;
    let mut sum = [0.0; 3];
    x.iter().for_each(|p| (0..3).for_each(|k| sum[k] += p[k]));
    sum.map(|s| s / n)
}

/// Twice the triangles between the mean of a ring and its edges, as vectors.
fn fan(x: &[Point]) -> impl Iterator<Item = (Point, Point, Point)> + '_ {
    let centre = mean(x);
    (0..x.len()).map(move |i| (centre, x[i], x[(i + 1) % x.len()]))
}

/// Area of a polygon in the plane or in space: `|sum of a_i|` and `sum of |a_i|` over the triangles a_i around the mean of its
/// corners; they differ where the polygon is folded over itself.
pub fn polygon_areas(x: &[Point]) -> (f64, f64) {
    let (mut vector, mut unsigned) = ([0.0; 3], 0.0);
    for (c, a, b) in fan(x) {
        let area = cross(sub(a, c), sub(b, c));
        (0..3).for_each(|k| vector[k] += 0.5 * area[k]);
        unsigned += 0.5 * dot(area, area).sqrt();
    }
    (dot(vector, vector).sqrt(), unsigned)
}

/// Volume of a polyhedron with the faces `faces`: `sum of |v_i|` over the tetrahedra v_i between the mean of its corners and the
/// triangles of its faces.
pub fn polyhedron_volume(faces: &[Vec<Point>]) -> f64 {
    // A corner belongs to several faces: the mean over the faces is inside a convex cell just as well.
    let centres: Vec<Point> = faces.iter().map(|face| mean(face)).collect();
    let centre = mean(&centres);
    let tetrahedra = faces.iter().flat_map(|face| fan(face));
    tetrahedra.map(|(c, a, b)| dot(sub(c, centre), cross(sub(a, centre), sub(b, centre))).abs() / 6.0).sum()
}

/// The faces of a polyhedron in its stream; `None` where the counts do not fit.
pub fn faces(stream: &[u32]) -> Option<Vec<&[u32]>> {
    let (&n_faces, mut rest) = stream.split_first()?;
    let mut found = Vec::new();
    for _ in 0..n_faces {
        let (&n, tail) = rest.split_first()?;
        if n < 3 || n as usize > tail.len() {
            return None;
        }
        let (face, tail) = tail.split_at(n as usize);
        found.push(face);
        rest = tail;
    }
    (rest.is_empty() && found.len() >= 4).then_some(found)
}

/// The points of a polyhedron in the order in which its faces name them first.
pub fn points_of(stream: &[u32]) -> Vec<u32> {
    let mut seen = HashSet::new();
    let named = faces(stream).unwrap_or_default().into_iter().flatten().copied();
    named.filter(|p| seen.insert(*p)).collect()
}
