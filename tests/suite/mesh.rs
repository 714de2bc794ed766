//! Points, cells, volumes, shape functions, refusals.

use kolmo::Error;
use kolmo::mesh::mass_matrix::mass_matrix;
use kolmo::mesh::shape_functions::{ReferenceCell, gauss_legendre, quadrature, shape_functions, shape_gradients};
use kolmo::mesh::{CellBlock, CellType, Mesh};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::path::Path;

use CellType::*;

/// Nodes of the reference cell in physical coordinates, written down by hand in the order of VTK.
fn reference_nodes(cell: CellType) -> Vec<[f64; 3]> {
    let mid = |x: &[[f64; 3]], edges: &[(usize, usize)]| -> Vec<[f64; 3]> {
        edges.iter().map(|&(a, b)| std::array::from_fn(|k| 0.5 * (x[a][k] + x[b][k]))).collect()
    };
    let with = |mut x: Vec<[f64; 3]>, edges: &[(usize, usize)]| {
        let m = mid(&x, edges);
        x.extend(m);
        x
    };
    let line = vec![[-1., 0., 0.], [1., 0., 0.]];
    let triangle = vec![[0., 0., 0.], [1., 0., 0.], [0., 1., 0.]];
    let quad = vec![[-1., -1., 0.], [1., -1., 0.], [1., 1., 0.], [-1., 1., 0.]];
    let tetra = vec![[0., 0., 0.], [1., 0., 0.], [0., 1., 0.], [0., 0., 1.]];
    let pyramid = vec![[-1., -1., 0.], [1., -1., 0.], [1., 1., 0.], [-1., 1., 0.], [0., 0., 1.]];
    let wedge = vec![[0., 0., -1.], [1., 0., -1.], [0., 1., -1.], [0., 0., 1.], [1., 0., 1.], [0., 1., 1.]];
    let hexahedron: Vec<[f64; 3]> = [-1., 1.].iter().flat_map(|&z| quad.iter().map(move |p| [p[0], p[1], z])).collect();
    let quad_edges = [(0, 1), (1, 2), (2, 3), (3, 0)];
    let hex_edges = [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7)];
    let hex_faces = [(0, 7), (1, 6), (0, 5), (2, 7), (0, 2), (4, 6), (0, 6)];
    match cell {
        Polygon | Polyhedron => Vec::new(),
        Vertex => vec![[0.; 3]],
        Line => line,
        Line3 => with(line, &[(0, 1)]),
        Triangle => triangle,
        Triangle6 => with(triangle, &[(0, 1), (1, 2), (2, 0)]),
        Quad => quad,
        Quad8 => with(quad, &quad_edges),
        Quad9 => {
            let mut x = with(quad, &quad_edges);
            x.push([0.; 3]);
            x
        }
        Tetra => tetra,
        Tetra10 => with(tetra, &[(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)]),
        Pyramid => pyramid,
        Pyramid13 => with(pyramid, &[(0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 4), (2, 4), (3, 4)]),
        Wedge => wedge,
        Wedge15 => with(wedge, &[(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (0, 3), (1, 4), (2, 5)]),
        Hexahedron => hexahedron,
        Hexahedron20 => with(hexahedron, &hex_edges),
        Hexahedron27 => {
            let corners = hexahedron.clone();
            let mut x = with(hexahedron, &hex_edges);
            x.extend(mid(&corners, &hex_faces));
            x
        }
    }
}

pub fn reference_volume(cell: CellType) -> f64 {
    match cell {
        Polygon | Polyhedron => 0.0,
        Vertex => 1.0,
        Line | Line3 | Wedge => [2.0, 2.0, 1.0][usize::from(cell == Wedge) * 2],
        Triangle | Triangle6 => 0.5,
        Quad | Quad8 | Quad9 => 4.0,
        Tetra | Tetra10 => 1.0 / 6.0,
        Pyramid | Pyramid13 => 4.0 / 3.0,
        Wedge15 => 1.0,
        Hexahedron | Hexahedron20 | Hexahedron27 => 8.0,
    }
}

/// Reference coordinates of a physical point of the reference cell: only pyramids differ.
fn to_reference(cell: CellType, x: [f64; 3]) -> [f64; 3] {
    match cell {
        Pyramid | Pyramid13 if x[2] < 1.0 => [x[0] / (1.0 - x[2]), x[1] / (1.0 - x[2]), x[2]],
        _ => x,
    }
}

pub fn one_cell(cell: CellType, dim: usize, map: impl Fn([f64; 3]) -> [f64; 3]) -> Mesh {
    let nodes = reference_nodes(cell);
    let points = nodes.iter().flat_map(|&x| map(x)[..dim].to_vec()).collect();
    Mesh { dim, points, cells: vec![CellBlock::new(cell, (0..nodes.len() as u32).collect())] }
}

/// Unit cube in n³ boxes, each cut into the given cells.
pub fn cube(n: usize, cell: CellType) -> Mesh {
    let m = n + 1;
    let id = |i: usize, j: usize, k: usize| ((k * m + j) * m + i) as u32;
    let mut points = Vec::new();
    for k in 0..m {
        for j in 0..m {
            for i in 0..m {
                points.extend([i, j, k].map(|c| c as f64 / n as f64));
            }
        }
    }
    let mut connectivity: Vec<u32> = Vec::new();
    for k in 0..n {
        for j in 0..n {
            for i in 0..n {
                let h: Vec<u32> = [0, 1]
                    .iter()
                    .flat_map(|&c| [(0, 0), (1, 0), (1, 1), (0, 1)].map(|(a, b)| id(i + a, j + b, k + c)))
                    .collect();
                let local: Vec<Vec<usize>> = match cell {
                    Hexahedron => vec![(0..8).collect()],
                    Wedge => vec![vec![0, 1, 2, 4, 5, 6], vec![0, 2, 3, 4, 6, 7]],
                    Tetra => [[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]]
                        .map(|t| t.to_vec())
                        .to_vec(),
                    Pyramid => vec![
                        vec![0, 1, 2, 3, 8],
                        vec![4, 7, 6, 5, 8],
                        vec![0, 4, 5, 1, 8],
                        vec![1, 5, 6, 2, 8],
                        vec![2, 6, 7, 3, 8],
                        vec![3, 7, 4, 0, 8],
                    ],
                    _ => unreachable!(),
                };
                let centre = (points.len() / 3) as u32;
                if cell == Pyramid {
                    points.extend([i, j, k].map(|c| (c as f64 + 0.5) / n as f64));
                }
                connectivity.extend(local.iter().flatten().map(|&a| if a == 8 { centre } else { h[a] }));
            }
        }
    }
    Mesh { dim: 3, points, cells: vec![CellBlock::new(cell, connectivity)] }
}

/// Unit square in n² quads or 2 n² triangles.
pub fn square(n: usize, cell: CellType) -> Mesh {
    let m = n + 1;
    let mut points = Vec::new();
    for j in 0..m {
        for i in 0..m {
            points.extend([i as f64 / n as f64, j as f64 / n as f64]);
        }
    }
    let mut connectivity: Vec<u32> = Vec::new();
    for j in 0..n {
        for i in 0..n {
            let q = [(0, 0), (1, 0), (1, 1), (0, 1)].map(|(a, b)| ((j + b) * m + i + a) as u32);
            match cell {
                Quad => connectivity.extend(q),
                _ => connectivity.extend([q[0], q[1], q[2], q[0], q[2], q[3]]),
            }
        }
    }
    Mesh { dim: 2, points, cells: vec![CellBlock::new(cell, connectivity)] }
}

#[test]
fn table_of_cell_types() {
    for (i, cell) in CellType::all().enumerate() {
        assert_eq!(cell as usize, i);
        assert_eq!(CellType::from_name(cell.name()), Some(cell));
        assert_eq!(CellType::from_vtk_code(cell.vtk_code()), Some(cell));
        assert_eq!(reference_nodes(cell).len(), cell.n_nodes());
        let name_digits: String = cell.name().chars().filter(char::is_ascii_digit).collect();
        assert!(name_digits.is_empty() || name_digits.parse() == Ok(cell.n_nodes()));
    }
    for (dim, width, expected) in [
        (2, 2, Line),
        (2, 3, Triangle),
        (2, 4, Quad),
        (3, 4, Tetra),
        (3, 5, Pyramid),
        (3, 6, Wedge),
        (3, 8, Hexahedron),
    ] {
        assert_eq!(CellType::from_dimension_and_width(dim, width), Some(expected));
    }
    assert_eq!(CellType::from_dimension_and_width(2, 5), None);
    assert_eq!(CellType::from_dimension_and_width(4, 4), None);
}

#[test]
fn gauss_legendre_is_exact_to_its_degree() {
    for n in 1..8 {
        for degree in 0..2 * n {
            let sum: f64 = gauss_legendre(n).iter().map(|(x, w)| w * x.powi(degree as i32)).sum();
            let exact = if degree % 2 == 1 { 0.0 } else { 2.0 / (degree + 1) as f64 };
            assert!((sum - exact).abs() < 1e-14, "{n} points, degree {degree}: {sum}");
        }
    }
}

#[test]
fn shape_functions_are_nodal_and_sum_to_one() {
    let mut rng = StdRng::seed_from_u64(1);
    for cell in CellType::all().filter(|c| !c.is_ragged()) {
        let nodes = reference_nodes(cell);
        for (a, &x) in nodes.iter().enumerate() {
            for (b, n) in shape_functions(cell, to_reference(cell, x)).iter().enumerate() {
                assert!((n - f64::from(u8::from(a == b))).abs() < 1e-14, "{}: N_{b} at node {a} is {n}", cell.name());
            }
        }
        for _ in 0..10 {
            let xi: [f64; 3] = std::array::from_fn(|_| rng.random_range(0.0..0.3));
            assert!((shape_functions(cell, xi).iter().sum::<f64>() - 1.0).abs() < 1e-14, "{}", cell.name());
            let gradients = shape_gradients(cell, xi);
            for k in 0..3 {
                assert!(gradients.iter().map(|g| g[k]).sum::<f64>().abs() < 1e-14);
                let shifted = |h: f64| {
                    let mut y = xi;
                    y[k] += h;
                    shape_functions(cell, y)
                };
                for ((p, m), g) in shifted(1e-5).iter().zip(shifted(-1e-5)).zip(&gradients) {
                    assert!(((p - m) / 2e-5 - g[k]).abs() < 1e-8, "{}: gradient along axis {k}", cell.name());
                }
            }
        }
    }
}

/// Interpolation reproduces the coordinates everywhere and, for quadratic cells, their squares.
#[test]
fn shape_functions_reproduce_polynomials() {
    for cell in CellType::all().filter(|c| *c != Vertex && !c.is_ragged()) {
        let nodes = reference_nodes(cell);
        let quadratic = cell.n_nodes() > cell.n_corners();
        for (xi, _) in quadrature(cell) {
            let n = shape_functions(cell, xi);
            let at = |f: &dyn Fn([f64; 3]) -> f64| n.iter().zip(&nodes).map(|(n, x)| n * f(*x)).sum::<f64>();
            let x = match cell {
                Pyramid | Pyramid13 => [xi[0] * (1.0 - xi[2]), xi[1] * (1.0 - xi[2]), xi[2]],
                _ => xi,
            };
            for k in 0..cell.dimension() {
                assert!((at(&|y| y[k]) - x[k]).abs() < 1e-13, "{}", cell.name());
                if quadratic {
                    assert!((at(&|y| y[k] * y[(k + 1) % 3]) - x[k] * x[(k + 1) % 3]).abs() < 1e-13, "{}", cell.name());
                    assert!((at(&|y| y[k] * y[k]) - x[k] * x[k]).abs() < 1e-13, "{}", cell.name());
                }
            }
        }
    }
}

/// Volumes under an affine map scale with its determinant; turned over they stay positive.
#[test]
fn volumes_are_exact() {
    let a = [[1.3, 0.2, -0.4], [0.1, 0.7, 0.3], [-0.2, 0.5, 1.9]];
    let determinant = a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1])
        - a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0])
        + a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0]);
    let affine = |x: [f64; 3]| std::array::from_fn(|i| 5.0 + (0..3).map(|k| a[i][k] * x[k]).sum::<f64>());
    for cell in CellType::all().filter(|c| !c.is_ragged()) {
        let d = cell.dimension();
        for (dim, map_scale) in [(1, a[0][0]), (2, a[0][0] * a[1][1] - a[0][1] * a[1][0]), (3, determinant)] {
            if dim < d {
                continue;
            }
            // The measure of the image of the first d axes.
            let scale = if dim == d {
                map_scale
            } else {
                let gram = |i: usize, j: usize| (0..dim).map(|k| a[k][i] * a[k][j]).sum::<f64>();
                match d {
                    0 => 1.0,
                    1 => gram(0, 0).sqrt(),
                    _ => (gram(0, 0) * gram(1, 1) - gram(0, 1) * gram(0, 1)).sqrt(),
                }
            };
            let mesh = one_cell(cell, dim, affine);
            mesh.validate(Path::new("one cell")).unwrap();
            let expected = reference_volume(cell) * scale;
            let volume = mesh.cell_volumes()[0];
            assert!((volume / expected - 1.0).abs() < 1e-13, "{} in {dim}-D: {volume}, {expected}", cell.name());
            let mirrored = one_cell(cell, dim, |x| affine([x[0], -x[1], x[2]]));
            assert!((mirrored.cell_volumes()[0] / expected - 1.0).abs() < 1e-13, "{} mirrored", cell.name());
        }
    }
    // A trapezium and the frustum of a pyramid are not images of the reference cells under affine maps.
    let trapezium = one_cell(Quad, 2, |x| [x[0] * (1.5 + 0.5 * x[1]), x[1], 0.0]);
    assert!((trapezium.cell_volumes()[0] - 6.0).abs() < 1e-14);
    let frustum = one_cell(Hexahedron, 3, |x| {
        let s = 1.5 - 0.5 * x[2];
        [s * x[0], s * x[1], x[2]]
    });
    assert!((frustum.cell_volumes()[0] - 2.0 / 3.0 * (16.0 + 4.0 + 8.0)).abs() < 1e-13);
    assert_eq!(one_cell(Triangle, 2, |x| x).cell_centres(), vec![1.0 / 3.0, 1.0 / 3.0]);
}

fn message(mesh: &Mesh) -> String {
    let error = mesh.validate(Path::new("m.h5")).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("K015", 2));
    assert!(matches!(error, Error::Input { .. }));
    error.to_string()
}

#[test]
fn bad_meshes_are_refused() {
    let good = square(2, Quad);
    good.validate(Path::new("m.h5")).unwrap();
    let with = |change: &dyn Fn(&mut Mesh)| {
        let mut mesh = good.clone();
        change(&mut mesh);
        message(&mesh)
    };
    assert!(with(&|m| m.points[5] = f64::NAN).contains("point 2, coordinate 1"));
    assert!(
        with(&|m| m.cells[0].connectivity[6] = 9)
            .contains("cell 1 (quad): found point 9; expected point numbers from 0 to 8")
    );
    assert!(with(&|m| m.cells[0].connectivity.truncate(15)).contains("15 point numbers"));
    assert!(with(&|m| m.points.truncate(17)).contains("rows of 2"));
    assert!(with(&|m| m.dim = 0).contains("points"));
    assert!(with(&|m| m.cells[0].cell_type = Tetra).contains("a tetra among points of dimension 2"));
    // Nodes row by row instead of around the cell: a bow tie.
    assert!(
        with(&|m| m.cells[0].connectivity.swap(10, 11))
            .contains("cell 2 (quad, points [3, 4, 6, 7]): found a cell folded")
    );
    // Among points in space too, where a cell that is only bent is none.
    let in_space = |mesh: &mut Mesh, height: f64| {
        mesh.dim = 3;
        let of = |(i, p): (usize, &[f64])| [p[0], p[1], if i == 0 { height } else { 0.0 }];
        mesh.points = mesh.points.chunks(2).enumerate().flat_map(of).collect();
    };
    let mut bent = good.clone();
    in_space(&mut bent, 0.3);
    bent.validate(Path::new("m.h5")).unwrap();
    let folded = with(&|m| {
        m.cells[0].connectivity.swap(10, 11);
        in_space(m, 0.0);
    });
    assert!(folded.contains("cell 2 (quad, points [3, 4, 6, 7]): found a cell folded"), "{folded}");
    assert!(
        with(&|m| m.cells[0].connectivity[4..8].fill(1))
            .contains("cell 1 (quad, points [1, 1, 1, 1]): found a volume of zero")
    );
    let flat = Mesh {
        dim: 2,
        points: vec![0.1, 0.1, 0.2, 0.2, 0.3, 0.3],
        cells: vec![CellBlock::new(Triangle, vec![0, 1, 2])],
    };
    assert!(message(&flat).contains("a volume of zero"));
    // Thin but sound: a boundary layer.
    let thin = one_cell(Hexahedron, 3, |x| [x[0], x[1], 1e-9 * x[2] + 1.0]);
    thin.validate(Path::new("m.h5")).unwrap();
    // Functions that cannot refuse do not panic.
    let mut broken = good.clone();
    broken.cells[0].connectivity[6] = 99;
    assert!(broken.cell_volumes()[1].is_nan() && broken.cell_centres()[2].is_nan());
    assert_eq!(mass_matrix(&broken).unwrap_err().code(), "K015");
}

#[test]
fn tabulation_agrees_with_the_functions() {
    let cell = ReferenceCell::new(Wedge);
    let rule = quadrature(Wedge);
    for (q, (xi, w)) in rule.iter().enumerate() {
        assert_eq!(cell.weights[q], *w);
        assert_eq!(cell.values[q * 6..(q + 1) * 6], shape_functions(Wedge, *xi));
        assert_eq!(cell.gradients[q * 6..(q + 1) * 6], shape_gradients(Wedge, *xi));
    }
}

/// A hexagonal prism of height 2 over a regular hexagon of radius 1, as a polyhedron; every second face is turned inside out.
fn prism() -> Mesh {
    let angle = |i: usize| std::f64::consts::PI * i as f64 / 3.0;
    let ring = |z: f64| (0..6).map(move |i| [angle(i).cos(), angle(i).sin(), z]);
    let points = ring(0.0).chain(ring(2.0)).flatten().collect();
    let mut stream = vec![8, 6, 0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11];
    for i in 0..6 {
        let j = (i + 1) % 6;
        stream.push(4);
        stream.extend(if i % 2 == 0 { [i, j, j + 6, i + 6] } else { [i, i + 6, j + 6, j] });
    }
    let ends = vec![stream.len()];
    Mesh { dim: 3, points, cells: vec![CellBlock::ragged(Polyhedron, stream, ends)] }
}

#[test]
fn polygons_and_polyhedra_are_measured() {
    let hexagon = 1.5 * 3.0_f64.sqrt();
    let solid = prism();
    solid.validate(Path::new("prism")).unwrap();
    assert!((solid.cell_volumes()[0] - 2.0 * hexagon).abs() < 1e-14);
    assert!(solid.cell_centres().iter().zip([0.0, 0.0, 1.0]).all(|(a, b)| (a - b).abs() < 1e-15));
    assert_eq!(solid.cells[0].points(0).len(), 12);
    let rings = CellBlock::ragged(Polygon, vec![0, 1, 2, 3, 4, 5, 0, 2, 4], vec![6, 9]);
    let plane = Mesh { dim: 3, points: solid.points.clone(), cells: vec![rings] };
    plane.validate(Path::new("rings")).unwrap();
    let areas = plane.cell_volumes();
    assert!((areas[0] - hexagon).abs() < 1e-14 && (areas[1] - 0.5 * hexagon).abs() < 1e-14);
    // A point field has no mass matrix there.
    assert!(matches!(mass_matrix(&plane), Err(Error::Input { code: "K015", .. })));
}

#[test]
fn bad_polygons_and_polyhedra_are_refused() {
    let refused = |cells: Vec<CellBlock>| {
        let mesh = Mesh { cells, ..prism() };
        matches!(mesh.validate(Path::new("mesh")), Err(Error::Input { code: "K015", .. }))
    };
    assert!(!refused(prism().cells));
    assert!(refused(vec![CellBlock::ragged(Polygon, vec![0, 1, 2, 3], vec![2, 4])]), "two corners");
    assert!(refused(vec![CellBlock::ragged(Polygon, vec![0, 1, 2, 3], vec![3])]), "entries without a cell");
    assert!(refused(vec![CellBlock::ragged(Polygon, vec![0, 1, 99], vec![3])]), "no such point");
    assert!(refused(vec![CellBlock::ragged(Polygon, vec![0, 1, 2, 3, 4, 5], vec![6, 3])]), "descending ends");
    assert!(refused(vec![CellBlock::ragged(Polygon, vec![0, 2, 5, 3], vec![4])]), "folded over itself");
    let stream = prism().cells[0].connectivity.clone();
    let short = stream[..stream.len() - 1].to_vec();
    assert!(refused(vec![CellBlock::ragged(Polyhedron, short.clone(), vec![short.len()])]), "a face too short");
    assert!(refused(vec![CellBlock::ragged(Polyhedron, vec![1, 3, 0, 1, 2], vec![5])]), "one face");
}
