//! Straight-sided cells of each type, built from the edges and faces on which a format says that its nodes are.

use kolmo::mesh::CellType::{self, *};
use kolmo::mesh::shape_functions;

const QUAD: [[f64; 2]; 4] = [[-1., -1.], [1., -1.], [1., 1.], [-1., 1.]];

/// Corners of the reference cell of kolmo (and of VTK).
pub fn corners(cell: CellType) -> Vec<[f64; 3]> {
    let triangle = |z: f64| [[0., 0., z], [1., 0., z], [0., 1., z]];
    let quad = |z: f64| QUAD.map(|[x, y]| [x, y, z]);
    match cell {
        Vertex => vec![[0.; 3]],
        Line | Line3 => vec![[-1., 0., 0.], [1., 0., 0.]],
        Triangle | Triangle6 => triangle(0.).to_vec(),
        Quad | Quad8 | Quad9 => quad(0.).to_vec(),
        Tetra | Tetra10 => [triangle(0.).to_vec(), vec![[0., 0., 1.]]].concat(),
        Pyramid | Pyramid13 => [quad(0.).to_vec(), vec![[0., 0., 1.]]].concat(),
        Wedge | Wedge15 => [triangle(-1.), triangle(1.)].concat(),
        Hexahedron | Hexahedron20 | Hexahedron27 => [quad(-1.), quad(1.)].concat(),
        Polygon | Polyhedron => Vec::new(),
    }
}

/// An affine map without symmetry.
pub fn affine(x: [f64; 3]) -> [f64; 3] {
    let [x, y, z] = x;
    [2. + 1.5 * x + 0.25 * y - 0.125 * z, -1. - 0.5 * x + 2. * y + 0.25 * z, 0.5 + 0.75 * x - 0.375 * y + 1.25 * z]
}

/// Nodes of a mapped cell: its corners, then one in the middle of each group of corners.
pub fn nodes(cell: CellType, middles: &[&[usize]]) -> Vec<[f64; 3]> {
    let corners: Vec<[f64; 3]> = corners(cell).into_iter().map(affine).collect();
    let middle = |group: &&[usize]| -> [f64; 3] {
        std::array::from_fn(|k| group.iter().map(|&i| corners[i][k]).sum::<f64>() / group.len() as f64)
    };
    let middles: Vec<[f64; 3]> = middles.iter().map(middle).collect();
    [corners, middles].concat()
}

/// Whether the shape functions with the nodes `x` give the affine map: no node is in a wrong place then.
pub fn has_the_order_of_vtk(cell: CellType, x: &[[f64; 3]]) -> bool {
    assert_eq!(x.len(), cell.n_nodes(), "{cell:?}");
    [[0.11, 0.23, 0.31], [0.4, 0.05, 0.52], [0.07, 0.6, 0.2]].into_iter().all(|xi| {
        let n = shape_functions::shape_functions(cell, xi);
        let at: [f64; 3] = std::array::from_fn(|k| n.iter().zip(x).map(|(n, x)| n * x[k]).sum());
        let [u, v, w] = xi;
        let place = match (cell, cell.dimension()) {
            (_, 0) => [0.; 3],
            (_, 1) => [u, 0., 0.],
            (_, 2) => [u, v, 0.],
            (Pyramid | Pyramid13, _) => [u * (1. - w), v * (1. - w), w],
            _ => xi,
        };
        at.iter().zip(affine(place)).all(|(a, b)| (a - b).abs() < 1e-13)
    })
}

#[test]
fn a_node_in_a_wrong_place_is_seen() {
    let edges: [&[usize]; 6] = [&[0, 1], &[1, 2], &[2, 0], &[0, 3], &[1, 3], &[2, 3]];
    let mut x = nodes(Tetra10, &edges);
    assert!(has_the_order_of_vtk(Tetra10, &x));
    x.swap(8, 9);
    assert!(!has_the_order_of_vtk(Tetra10, &x));
}
