//! Steady heat conduction in the unit square by linear finite elements on triangles.
//!
//!     -div(k grad u) = f,        k du/dn = h (g - u) on the boundary
//!
//! Conductivity k, source f, heat-transfer coefficient h and outer temperature g are functions of the point. All
//! coefficients are integrated at points inside triangles and edges, so that k may jump from triangle to triangle and
//! h from edge to edge.

use faer::MatRef;
use kolmo::Result;
use kolmo::linalg::sparse::from_nalgebra;
use kolmo::linalg::sparse_cholesky::SparseCholesky;
use kolmo::mesh::{CellBlock, CellType, Mesh};
use nalgebra_sparse::{CooMatrix, CsrMatrix};

/// A function of a point.
pub type Function<'a> = &'a (dyn Fn([f64; 2]) -> f64 + Sync);

/// The data of one heat problem.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    pub conductivity: Function<'a>,
    pub source: Function<'a>,
    pub transfer: Function<'a>,
    pub outside: Function<'a>,
}

/// Mesh and analysed pattern, for problems that differ in their data only.
pub struct Solver {
    pub mesh: Mesh,
    boundary: Vec<[usize; 2]>,
    factor: SparseCholesky,
}

impl Solver {
    /// n x n squares, each cut into two triangles.
    pub fn new(n: usize) -> Result<Solver> {
        let node = |i: usize, j: usize| j * (n + 1) + i;
        let step = |i: usize| i as f64 / n as f64;
        let points = (0..=n).flat_map(|j| (0..=n).flat_map(move |i| [step(i), step(j)])).collect();
        let (mut connectivity, mut boundary) = (Vec::new(), Vec::new());
        for j in 0..n {
            for i in 0..n {
                let [a, b, c, d] = [node(i, j), node(i + 1, j), node(i + 1, j + 1), node(i, j + 1)].map(|p| p as u32);
                connectivity.extend([a, b, c, a, c, d]);
            }
            boundary.extend([[node(j, 0), node(j + 1, 0)], [node(j, n), node(j + 1, n)]]);
            boundary.extend([[node(0, j), node(0, j + 1)], [node(n, j), node(n, j + 1)]]);
        }
        let mesh = Mesh { dim: 2, points, cells: vec![CellBlock::new(CellType::Triangle, connectivity)] };
        let one = Problem { conductivity: &|_| 1.0, source: &|_| 0.0, transfer: &|_| 1.0, outside: &|_| 0.0 };
        let (matrix, _) = assemble(&mesh, &boundary, &one);
        Ok(Solver { factor: SparseCholesky::new(&from_nalgebra(matrix))?, mesh, boundary })
    }

    /// Temperatures at the points of the mesh.
    pub fn solve(&self, problem: &Problem<'_>) -> Result<Vec<f64>> {
        let (matrix, rhs) = assemble(&self.mesh, &self.boundary, problem);
        let factor = self.factor.refactorize(&from_nalgebra(matrix))?;
        let u = factor.solve(MatRef::from_column_major_slice(&rhs, rhs.len(), 1))?;
        Ok(u.col(0).iter().copied().collect())
    }

    /// sqrt(∫ (u_h - u)²), by the rule of the middles of the edges.
    pub fn l2_distance(&self, u_h: &[f64], u: Function<'_>) -> f64 {
        let squares = triangles(&self.mesh).map(|(nodes, x)| {
            let area = 0.5 * twice_area(&x);
            let at = |a: usize, b: usize| {
                let middle = [0.5 * (x[a][0] + x[b][0]), 0.5 * (x[a][1] + x[b][1])];
                (0.5 * (u_h[nodes[a]] + u_h[nodes[b]]) - u(middle)).powi(2)
            };
            area / 3.0 * (at(0, 1) + at(1, 2) + at(2, 0))
        });
        squares.sum::<f64>().sqrt()
    }
}

fn point(mesh: &Mesh, i: usize) -> [f64; 2] {
    [mesh.points[2 * i], mesh.points[2 * i + 1]]
}

fn triangles(mesh: &Mesh) -> impl Iterator<Item = ([usize; 3], [[f64; 2]; 3])> {
    mesh.cells[0].connectivity.chunks_exact(3).map(|c| {
        let nodes = [c[0], c[1], c[2]].map(|p| p as usize);
        (nodes, nodes.map(|p| point(mesh, p)))
    })
}

fn twice_area(x: &[[f64; 2]; 3]) -> f64 {
    (x[1][0] - x[0][0]) * (x[2][1] - x[0][1]) - (x[2][0] - x[0][0]) * (x[1][1] - x[0][1])
}

/// Matrix and right-hand side of a(u, v) = ∫ k grad u . grad v + ∮ h u v and l(v) = ∫ f v + ∮ h g v.
fn assemble(mesh: &Mesh, boundary: &[[usize; 2]], problem: &Problem<'_>) -> (CsrMatrix<f64>, Vec<f64>) {
    let n = mesh.n_points();
    let (mut matrix, mut rhs) = (CooMatrix::new(n, n), vec![0.0; n]);
    for (nodes, x) in triangles(mesh) {
        let double = twice_area(&x);
        // grad N_i = the opposite edge, turned, over twice the area.
        let gradient = [0, 1, 2].map(|i| {
            let (a, b) = (x[(i + 1) % 3], x[(i + 2) % 3]);
            [(a[1] - b[1]) / double, (b[0] - a[0]) / double]
        });
        // Points at which N_q = 2/3 and the others are 1/6: exact to degree 2.
        let inside = [0, 1, 2].map(|q| {
            let at = |axis: usize| (x[0][axis] + x[1][axis] + x[2][axis]) / 6.0 + 0.5 * x[q][axis];
            [at(0), at(1)]
        });
        let k = inside.iter().map(|p| (problem.conductivity)(*p)).sum::<f64>() / 3.0;
        let f = inside.map(|p| (problem.source)(p));
        for i in 0..3 {
            for j in 0..3 {
                let product = gradient[i][0] * gradient[j][0] + gradient[i][1] * gradient[j][1];
                matrix.push(nodes[i], nodes[j], 0.5 * double * k * product);
            }
            rhs[nodes[i]] += double / 6.0 * (0.5 * f[i] + (f[0] + f[1] + f[2]) / 6.0);
        }
    }
    for nodes in boundary {
        let [a, b] = nodes.map(|p| point(mesh, p));
        let length = (b[0] - a[0]).hypot(b[1] - a[1]);
        // The rule of Gauss with two points.
        for s in [0.5 - 0.5 / 3.0_f64.sqrt(), 0.5 + 0.5 / 3.0_f64.sqrt()] {
            let p = [a[0] + s * (b[0] - a[0]), a[1] + s * (b[1] - a[1])];
            let (shape, h) = ([1.0 - s, s], (problem.transfer)(p));
            for i in 0..2 {
                for j in 0..2 {
                    matrix.push(nodes[i], nodes[j], 0.5 * length * h * (shape[i] * shape[j]));
                }
                rhs[nodes[i]] += 0.5 * length * h * (problem.outside)(p) * shape[i];
            }
        }
    }
    (CsrMatrix::from(&matrix), rhs)
}
