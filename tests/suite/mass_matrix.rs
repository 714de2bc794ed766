//! Mass and stiffness matrices: exactness, symmetry, order of convergence, sums over parts.

use super::mesh::{cube, one_cell, reference_volume, square};
use kolmo::Result;
use kolmo::mesh::mass_matrix::{
    expand_components, lumped, mass_matrix, mass_matrix_of_cells, stiffness_matrix, stiffness_matrix_of_cells,
};
use kolmo::mesh::shape_functions::{gauss_legendre, shape_functions, shape_gradients};
use kolmo::mesh::{CellBlock, CellType, Mesh};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sprs::CsMat;
use std::f64::consts::PI;
use std::path::Path;

use CellType::*;

fn dense(m: &CsMat<f64>) -> faer::Mat<f64> {
    let d = m.to_dense();
    faer::Mat::from_fn(m.rows(), m.cols(), |i, j| d[[i, j]])
}

fn form(m: &CsMat<f64>, u: &[f64], v: &[f64]) -> f64 {
    m.iter().map(|(x, (i, j))| u[i] * x * v[j]).sum()
}

/// Mass matrices of single cells of distorted shape: against sums over a rule that is finer in each direction, positive definite.
#[test]
fn quadrature_suffices_for_mass_matrices() {
    for cell in CellType::all().filter(|c| !c.is_ragged()).filter(|c| c.dimension() > 0 && c.n_nodes() == c.n_corners())
    {
        let bend = |x: [f64; 3]| match cell {
            Hexahedron | Wedge | Pyramid => [
                x[0] * (1.0 + 0.2 * x[1] * x[2]),
                x[1] * (1.0 - 0.1 * x[0]),
                x[2] * (1.0 + 0.15 * x[0] + 0.1 * x[0] * x[1]),
            ],
            Quad => [x[0] * (1.0 + 0.2 * x[1]), x[1] * (1.0 - 0.1 * x[0]), 0.0],
            _ => x,
        };
        let mesh = one_cell(cell, cell.dimension(), bend);
        let m = mass_matrix(&mesh).unwrap();
        let x = mesh.coordinates(&mesh.cells[0].connectivity);
        let mut fine = vec![0.0; cell.n_nodes() * cell.n_nodes()];
        // A rule of 8 points per axis on the collapsed cube, and the Jacobian by differences of the map are the slow reference.
        let rule = gauss_legendre(8);
        let axis = |k: usize| if k < cell.dimension() { rule.clone() } else { vec![(0.0, 1.0)] };
        for (r, wr) in axis(0) {
            for (s, ws) in axis(1) {
                for (t, wt) in axis(2) {
                    let unit = |v: f64| 0.5 * (1.0 + v);
                    let (xi, w) = match cell {
                        Triangle => ([unit(r) * (1.0 - unit(s)), unit(s), 0.0], 0.25 * (1.0 - unit(s))),
                        Wedge => ([unit(r) * (1.0 - unit(s)), unit(s), t], 0.25 * (1.0 - unit(s))),
                        Tetra => {
                            let (b, c) = (1.0 - unit(s), 1.0 - unit(t));
                            ([unit(r) * b * c, unit(s) * c, unit(t)], 0.125 * b * c * c)
                        }
                        Pyramid => ([r, s, unit(t)], 0.5),
                        _ => ([r, s, t], 1.0),
                    };
                    let g = shape_gradients(cell, xi);
                    let d = cell.dimension();
                    let j = faer::Mat::from_fn(d, d, |i, k| g.iter().zip(&x).map(|(g, x)| g[k] * x[i]).sum::<f64>());
                    let dv = w * wr * ws * wt * j.determinant().abs();
                    let n = shape_functions(cell, xi);
                    for (row, a) in fine.chunks_exact_mut(n.len()).zip(&n) {
                        row.iter_mut().zip(&n).for_each(|(e, b)| *e += dv * a * b);
                    }
                }
            }
        }
        let scale = m.diag().iter().fold(0.0, |s: f64, (_, v)| s.max(*v));
        for (i, row) in fine.chunks_exact(cell.n_nodes()).enumerate() {
            for (j, e) in row.iter().enumerate() {
                assert!((m.get(i, j).unwrap() - e).abs() < 1e-13 * scale, "{} ({i}, {j})", cell.name());
            }
        }
    }
    for cell in CellType::all().filter(|c| !c.is_ragged()) {
        let m = dense(&mass_matrix(&one_cell(cell, cell.dimension().max(1), |x| x)).unwrap());
        let least = m.self_adjoint_eigenvalues(faer::Side::Lower).unwrap()[0];
        assert!(
            least > 1e-4 * reference_volume(cell) / cell.n_nodes() as f64,
            "{}: least eigenvalue {least}",
            cell.name()
        );
    }
}

#[test]
fn mass_matrix_of_a_mesh() {
    for (mesh, quadratic_exact) in [
        (square(5, Triangle), 1.0 / 3.0),
        (square(5, Quad), 1.0 / 3.0),
        (cube(3, Tetra), 1.0 / 3.0),
        (cube(3, Hexahedron), 1.0 / 3.0),
        (cube(3, Wedge), 1.0 / 3.0),
        (cube(3, Pyramid), 1.0 / 3.0),
    ] {
        let name = mesh.cells[0].cell_type.name();
        let m = mass_matrix(&mesh).unwrap();
        let n = mesh.n_points();
        let x: Vec<f64> = (0..n).map(|i| mesh.point(i)[0]).collect();
        let y: Vec<f64> = (0..n).map(|i| mesh.point(i)[1]).collect();
        let ones = vec![1.0; n];
        assert!((form(&m, &ones, &ones) - 1.0).abs() < 1e-13, "{name}");
        assert!((form(&m, &x, &ones) - 0.5).abs() < 1e-13, "{name}");
        assert!((form(&m, &x, &x) - quadratic_exact).abs() < 1e-13, "{name}");
        assert!((form(&m, &x, &y) - 0.25).abs() < 1e-13, "{name}");
        assert!(m.iter().all(|(v, (i, j))| m.get(j, i) == Some(v)), "{name}: symmetric to the last bit");
        assert!(dense(&m).llt(faer::Side::Lower).is_ok());
        assert!((mesh.cell_volumes().iter().sum::<f64>() - 1.0).abs() < 1e-13);
        let diagonal = lumped(&m).unwrap();
        assert!((diagonal.iter().sum::<f64>() - 1.0).abs() < 1e-13);
        // Gradients: of constants zero, of linear functions constant.
        let k = stiffness_matrix(&mesh).unwrap();
        let linear: Vec<f64> = x.iter().zip(&y).map(|(x, y)| 3.0 * x - 4.0 * y).collect();
        assert!(form(&k, &ones, &x).abs() < 1e-12 && (form(&k, &linear, &linear) - 25.0).abs() < 1e-11, "{name}");
        // Three dofs per point.
        let vector = expand_components(&m, 3);
        let u: Vec<f64> = (0..n).flat_map(|i| [x[i], 1.0, y[i]]).collect();
        assert_eq!(vector.shape(), (3 * n, 3 * n));
        assert!((form(&vector, &u, &u) - 5.0 / 3.0).abs() < 1e-12, "{name}");
    }
    let quadratic = one_cell(Triangle6, 2, |x| x);
    assert_eq!(lumped(&mass_matrix(&quadratic).unwrap()).unwrap_err().code(), "K101");
}

/// Surfaces in 3-D and lines in 2-D: the same matrices as in their own plane, stiffness with tangential gradients.
#[test]
fn embedded_cells() {
    let flat = square(4, Triangle);
    let (c, s) = (0.6, 0.8);
    let points = (0..flat.n_points())
        .flat_map(|i| {
            let [x, y, _] = flat.point(i);
            [c * x, y, s * x]
        })
        .collect();
    let tilted = Mesh { dim: 3, points, cells: flat.cells.clone() };
    for assemble in [mass_matrix, stiffness_matrix] {
        let (a, b) = (assemble(&flat).unwrap(), assemble(&tilted).unwrap());
        assert!(a.iter().zip(b.iter()).all(|((u, i), (v, j))| i == j && (u - v).abs() < 1e-14));
    }
    let line = Mesh {
        dim: 2,
        points: vec![0.0, 0.0, 3.0, 4.0, 6.0, 8.0],
        cells: vec![CellBlock::new(Line, vec![0, 1, 1, 2])],
    };
    assert!(line.cell_volumes().iter().all(|v| (v - 5.0).abs() < 1e-14));
    let arc = [0.0, 5.0, 10.0];
    assert!((form(&mass_matrix(&line).unwrap(), &arc, &arc) - 1000.0 / 3.0).abs() < 1e-11);
    assert!((form(&stiffness_matrix(&line).unwrap(), &arc, &arc) - 10.0).abs() < 1e-12);
}

/// ||sin(pi x) sin(pi y)|| of the interpolant tends to 1/2 with order 2.
#[test]
fn norm_converges_with_order_two() {
    for cell in [Triangle, Quad, Tetra, Hexahedron, Wedge, Pyramid] {
        let error = |n: usize| {
            let mesh = if cell.dimension() == 2 { square(n, cell) } else { cube(n, cell) };
            let u: Vec<f64> = (0..mesh.n_points())
                .map(|i| {
                    let [x, y, _] = mesh.point(i);
                    (PI * x).sin() * (PI * y).sin()
                })
                .collect();
            (form(&mass_matrix(&mesh).unwrap(), &u, &u).sqrt() - 0.5).abs()
        };
        let order = (error(6) / error(12)).log2();
        println!("order of the L2 norm on {}: {order:.3}", cell.name());
        assert!((order - 2.0).abs() < 0.1, "{}: {order}", cell.name());
    }
}

/// Triangles and quads together with lines of their boundary, which do not count.
fn mixed() -> Mesh {
    let mut mesh = square(4, Quad);
    let quads: Vec<u32> = mesh.cells[0].connectivity.clone();
    let (left, right) = quads.split_at(quads.len() / 2);
    let triangles = right.chunks_exact(4).flat_map(|q| [q[0], q[1], q[2], q[0], q[2], q[3]]).collect();
    mesh.cells = vec![
        CellBlock::new(Line, vec![0, 1, 1, 2]),
        CellBlock::new(Quad, left.to_vec()),
        CellBlock::new(Triangle, triangles),
    ];
    mesh
}

#[test]
fn parts_add_up_to_the_whole() {
    let mesh = mixed();
    assert_eq!(mesh.n_cells(), 2 + 8 + 16);
    let whole = mass_matrix(&mesh).unwrap();
    assert!((whole.iter().map(|(v, _)| v).sum::<f64>() - 1.0).abs() < 1e-14);
    let stiffness = stiffness_matrix(&mesh).unwrap();
    let mut rng = StdRng::seed_from_u64(3);
    let owner: Vec<usize> = (0..mesh.n_cells()).map(|_| rng.random_range(0..3)).collect();
    for (of_cells, whole) in [
        (mass_matrix_of_cells as fn(&Mesh, &[usize], &[usize]) -> Result<CsMat<f64>>, whole),
        (stiffness_matrix_of_cells, stiffness),
    ] {
        let mut sum = dense(&whole) * faer::Scale(-1.0);
        for part in 0..3 {
            let cells: Vec<usize> = (0..mesh.n_cells()).filter(|&c| owner[c] == part).collect();
            let nodes: Vec<&[u32]> = mesh.cells.iter().flat_map(|b| b.iter()).collect();
            let mut points: Vec<usize> = cells.iter().flat_map(|&c| nodes[c].iter().map(|&p| p as usize)).collect();
            points.sort_unstable();
            points.dedup();
            let local = of_cells(&mesh, &cells, &points).unwrap();
            assert_eq!(local.shape(), (points.len(), points.len()));
            for (v, (i, j)) in local.iter() {
                sum[(points[i], points[j])] += v;
            }
        }
        assert!(sum.norm_max() < 1e-14, "{}", sum.norm_max());
    }
    let refused =
        |cells: &[usize], points: &[usize]| mass_matrix_of_cells(&mesh, cells, points).unwrap_err().code() == "K100";
    assert!(refused(&[26], &[0, 1, 2]));
    assert!(refused(&[2], &[0, 1, 2]));
    assert!(refused(&[2], &[6, 5, 1, 0]));
}

#[test]
fn the_same_for_any_number_of_threads() {
    let mesh = cube(6, Tetra);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| mass_matrix(&mesh).unwrap())
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn points_without_cells_are_refused_by_the_mass_matrix() {
    let mut mesh = square(2, Triangle);
    mesh.points.extend([7.0, 7.0]);
    mesh.validate(Path::new("m.h5")).unwrap();
    let error = mass_matrix(&mesh).unwrap_err();
    assert_eq!(error.code(), "K015");
    assert!(error.to_string().contains("point 9"), "{error}");
    let none = Mesh { dim: 2, points: vec![0.0; 2], cells: Vec::new() };
    assert!(mass_matrix(&none).unwrap_err().to_string().contains("point 0"));
    assert_eq!(none.top_dimension(), None);
}
