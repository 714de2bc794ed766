//! Shape functions, their gradients and quadrature on the reference cells.
//!
//! Reference coordinates: [-1, 1] per axis for lines, quads and hexahedra; the unit simplex for triangles and tetrahedra; their
//! product for wedges. Pyramids use collapsed coordinates (u, v, w) in [-1, 1]² x [0, 1], x = u (1 - w), y = v (1 - w), z = w, in
//! which the usual rational shape functions are polynomials. Nodes are in the order of VTK.
//!
//! References: Zienkiewicz, Taylor, Zhu, The Finite Element Method, ch. 6; Bedrosian, Int. J. Numer. Meth. Engng 35 (1992), pyramids;
//! Stroud, Approximate Calculation of Multiple Integrals (1971), conical products.

use super::mesh::CellType;
use CellType::*;
use std::ops::{Add, Mul, Sub};

/// A value with its gradient, so that each shape function is written once and differentiated exactly.
#[derive(Debug, Clone, Copy)]
struct Dual {
    value: f64,
    gradient: [f64; 3],
}

impl Dual {
    fn constant(value: f64) -> Self {
        Dual { value, gradient: [0.0; 3] }
    }

    fn coordinate(value: f64, axis: usize) -> Self {
        let mut gradient = [0.0; 3];
        gradient[axis] = 1.0;
        Dual { value, gradient }
    }
}

impl Add for Dual {
    type Output = Dual;
    fn add(self, b: Dual) -> Dual {
        Dual { value: self.value + b.value, gradient: std::array::from_fn(|k| self.gradient[k] + b.gradient[k]) }
    }
}

impl Sub for Dual {
    type Output = Dual;
    fn sub(self, b: Dual) -> Dual {
        self + b * -1.0
    }
}

impl Mul for Dual {
    type Output = Dual;
    // The product rule is a sum.
    #[allow(clippy::suspicious_arithmetic_impl)]
    fn mul(self, b: Dual) -> Dual {
        let gradient = std::array::from_fn(|k| self.gradient[k] * b.value + self.value * b.gradient[k]);
        Dual { value: self.value * b.value, gradient }
    }
}

impl Mul<f64> for Dual {
    type Output = Dual;
    fn mul(self, b: f64) -> Dual {
        Dual { value: self.value * b, gradient: self.gradient.map(|g| g * b) }
    }
}

/// Signs of the corners of a quad; a hexahedron has them at z = -1, then at z = 1.
const QUAD: [[f64; 2]; 4] = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];

/// Place of the 27 nodes of a hexahedron on {-1, 0, 1}³; the first 20 are those of the serendipity cell.
const HEXAHEDRON: [[i8; 3]; 27] = [
    [-1, -1, -1],
    [1, -1, -1],
    [1, 1, -1],
    [-1, 1, -1],
    [-1, -1, 1],
    [1, -1, 1],
    [1, 1, 1],
    [-1, 1, 1],
    [0, -1, -1],
    [1, 0, -1],
    [0, 1, -1],
    [-1, 0, -1],
    [0, -1, 1],
    [1, 0, 1],
    [0, 1, 1],
    [-1, 0, 1],
    [-1, -1, 0],
    [1, -1, 0],
    [1, 1, 0],
    [-1, 1, 0],
    [-1, 0, 0],
    [1, 0, 0],
    [0, -1, 0],
    [0, 1, 0],
    [0, 0, -1],
    [0, 0, 1],
    [0, 0, 0],
];

/// Edges of a simplex with mid-side nodes, in node order (a triangle has the first three).
const SIMPLEX_EDGES: [(usize, usize); 6] = [(0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3)];

/// Shape functions at `xi` and their gradients with respect to `xi`.
fn evaluate(cell: CellType, xi: [f64; 3]) -> Vec<Dual> {
    let [r, s, t] = std::array::from_fn(|k| Dual::coordinate(xi[k], k));
    let one = Dual::constant(1.0);
    // Linear function along an axis: 1 at `sign`, 0 at the other end.
    let linear = |x: Dual, sign: f64| (one + x * sign) * 0.5;
    // Quadratic Lagrange polynomial of the node at `a` of {-1, 0, 1}.
    let lagrange = |x: Dual, a: i8| match a {
        0 => one - x * x,
        a => x * (x + Dual::constant(a.into())) * 0.5,
    };
    let simplex = |vertices: &[Dual]| {
        let n_edges = vertices.len() * (vertices.len() - 1) / 2;
        let mut n: Vec<Dual> = vertices.iter().map(|&l| l * (l * 2.0 - one)).collect();
        n.extend(SIMPLEX_EDGES[..n_edges].iter().map(|&(a, b)| vertices[a] * vertices[b] * 4.0));
        n
    };
    let triangle = [one - r - s, r, s];
    let tetra = [one - r - s - t, r, s, t];
    match cell {
        Vertex => vec![one],
        // No shape functions: cells of any number of corners are measured by mesh::polyhedron.
        Polygon | Polyhedron => Vec::new(),
        Line => vec![linear(r, -1.0), linear(r, 1.0)],
        Line3 => [-1, 1, 0].map(|a| lagrange(r, a)).to_vec(),
        Triangle => triangle.to_vec(),
        Triangle6 => simplex(&triangle),
        Tetra => tetra.to_vec(),
        Tetra10 => simplex(&tetra),
        Quad => QUAD.map(|[a, b]| linear(r, a) * linear(s, b)).to_vec(),
        Quad9 => HEXAHEDRON_QUAD9.map(|i| lagrange(r, HEXAHEDRON[i][0]) * lagrange(s, HEXAHEDRON[i][1])).to_vec(),
        Quad8 => HEXAHEDRON_QUAD9[..8].iter().map(|&i| serendipity(&HEXAHEDRON[i][..2], &[r, s])).collect(),
        Hexahedron => HEXAHEDRON[..8]
            .iter()
            .map(|a| linear(r, a[0].into()) * linear(s, a[1].into()) * linear(t, a[2].into()))
            .collect(),
        Hexahedron20 => HEXAHEDRON[..20].iter().map(|a| serendipity(a, &[r, s, t])).collect(),
        Hexahedron27 => HEXAHEDRON.iter().map(|a| lagrange(r, a[0]) * lagrange(s, a[1]) * lagrange(t, a[2])).collect(),
        Wedge => [-1.0, 1.0].iter().flat_map(|&c| triangle.map(|l| l * linear(t, c))).collect(),
        Wedge15 => {
            let ends = [-1.0, 1.0];
            let mut n: Vec<Dual> =
                ends.iter().flat_map(|&c| triangle.map(|l| l * linear(t, c) * (l * 2.0 + t * c - one * 2.0))).collect();
            n.extend(
                ends.iter().flat_map(|&c| {
                    [(0, 1), (1, 2), (2, 0)].map(|(a, b)| triangle[a] * triangle[b] * linear(t, c) * 4.0)
                }),
            );
            n.extend(triangle.map(|l| l * (one - t * t)));
            n
        }
        Pyramid => {
            let mut n: Vec<Dual> = QUAD.map(|[a, b]| (one - t) * linear(r, a) * linear(s, b)).to_vec();
            n.push(t);
            n
        }
        Pyramid13 => {
            let base = one - t;
            let mut n: Vec<Dual> =
                QUAD.map(|[a, b]| base * linear(r, a) * linear(s, b) * (base * (r * a + s * b) - one)).to_vec();
            n.push(t * (t * 2.0 - one));
            let middle = |x: Dual, y: Dual, sign: f64| base * base * (one - x * x) * linear(y, sign);
            n.extend([middle(r, s, -1.0), middle(s, r, 1.0), middle(r, s, 1.0), middle(s, r, -1.0)]);
            n.extend(QUAD.map(|[a, b]| t * base * linear(r, a) * linear(s, b) * 4.0));
            n
        }
    }
}

/// The nodes of a quadratic quad among those of the lower face of [`HEXAHEDRON`].
const HEXAHEDRON_QUAD9: [usize; 9] = [0, 1, 2, 3, 8, 9, 10, 11, 24];

/// Serendipity function of the node at `a` of {-1, 0, 1}^d: corners and mid-sides.
fn serendipity(a: &[i8], x: &[Dual]) -> Dual {
    let one = Dual::constant(1.0);
    let mut n = one;
    let mut sum = Dual::constant(1.0 - a.len() as f64);
    let mut corner = true;
    for (&a, &x) in a.iter().zip(x) {
        if a == 0 {
            n = n * (one - x * x);
            corner = false;
        } else {
            n = n * (one + x * f64::from(a)) * 0.5;
            sum = sum + x * f64::from(a);
        }
    }
    if corner { n * sum } else { n }
}

/// Shape functions of a cell at the reference point `xi`, length n_nodes.
pub fn shape_functions(cell: CellType, xi: [f64; 3]) -> Vec<f64> {
    evaluate(cell, xi).iter().map(|n| n.value).collect()
}

/// Gradients of the shape functions with respect to the reference coordinates, length n_nodes.
pub fn shape_gradients(cell: CellType, xi: [f64; 3]) -> Vec<[f64; 3]> {
    evaluate(cell, xi).iter().map(|n| n.gradient).collect()
}

/// Points and weights of the Gauss-Legendre rule with `n` points on [-1, 1], exact to degree 2 n - 1.
pub fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let rule = |i: usize| {
        let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut derivative = 1.0;
        for _ in 0..100 {
            // Three-term recurrence of the Legendre polynomials, then one step of Newton.
            let (mut p0, mut p1) = (1.0, x);
            for k in 2..=n {
                let k = k as f64;
                (p0, p1) = (p1, ((2.0 * k - 1.0) * x * p1 - (k - 1.0) * p0) / k);
            }
            derivative = n as f64 * (x * p1 - p0) / (x * x - 1.0);
            let step = p1 / derivative;
            x -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        (x, 2.0 / ((1.0 - x * x) * derivative * derivative))
    };
    match n {
        0 => Vec::new(),
        1 => vec![(0.0, 2.0)],
        n => (0..n).rev().map(rule).collect(),
    }
}

/// Quadrature on the reference cell: points and weights. Exact for products of two shape functions on straight-sided cells (for
/// hexahedra, wedges and pyramids whatever their shape; for surfaces in 3-D where they are flat parallelograms or triangles).
pub fn quadrature(cell: CellType) -> Vec<([f64; 3], f64)> {
    let symmetric = |n| gauss_legendre(n);
    let unit = |n| gauss_legendre(n).into_iter().map(|(x, w)| (0.5 * (1.0 + x), 0.5 * w)).collect::<Vec<_>>();
    let point = vec![(0.0, 1.0)];
    // Degrees: products of shape functions, the Jacobian of the cell, and that of the collapse for simplices and pyramids.
    let axes = match cell {
        Vertex | Polygon | Polyhedron => [point.clone(), point.clone(), point],
        Line => [symmetric(2), point.clone(), point],
        Line3 => [symmetric(4), point.clone(), point],
        Triangle => [unit(2), unit(2), point],
        Triangle6 => [unit(4), unit(4), point],
        Quad => [symmetric(3), symmetric(3), point],
        Quad8 | Quad9 => [symmetric(4), symmetric(4), point],
        Tetra => [unit(2), unit(2), unit(3)],
        Tetra10 => [unit(4), unit(4), unit(4)],
        Wedge => [unit(2), unit(3), symmetric(3)],
        Wedge15 => [unit(4), unit(4), symmetric(4)],
        Hexahedron => [symmetric(3), symmetric(3), symmetric(3)],
        Hexahedron20 | Hexahedron27 => [symmetric(4), symmetric(4), symmetric(4)],
        Pyramid => [symmetric(3), symmetric(3), unit(3)],
        Pyramid13 => [symmetric(4), symmetric(4), unit(4)],
    };
    let mut rule = Vec::new();
    for &(z, wz) in &axes[2] {
        for &(y, wy) in &axes[1] {
            for &(x, wx) in &axes[0] {
                let w = wx * wy * wz;
                rule.push(match cell {
                    Triangle | Triangle6 | Wedge | Wedge15 => ([x * (1.0 - y), y, z], w * (1.0 - y)),
                    Tetra | Tetra10 => {
                        let (a, b) = (1.0 - z, (1.0 - y) * (1.0 - z));
                        ([x * b, y * a, z], w * a * b)
                    }
                    _ => ([x, y, z], w),
                });
            }
        }
    }
    rule
}

/// Shape functions and gradients tabulated at the quadrature points of a cell type.
#[derive(Debug, Clone)]
pub struct ReferenceCell {
    pub cell_type: CellType,
    /// Weight of each quadrature point.
    pub weights: Vec<f64>,
    /// [n_quadrature, n_nodes].
    pub values: Vec<f64>,
    /// [n_quadrature, n_nodes], with respect to the reference coordinates.
    pub gradients: Vec<[f64; 3]>,
}

impl ReferenceCell {
    /// Tabulates a cell type.
    pub fn new(cell_type: CellType) -> Self {
        let rule = quadrature(cell_type);
        let tables: Vec<Dual> = rule.iter().flat_map(|(xi, _)| evaluate(cell_type, *xi)).collect();
        ReferenceCell {
            cell_type,
            weights: rule.iter().map(|q| q.1).collect(),
            values: tables.iter().map(|n| n.value).collect(),
            gradients: tables.iter().map(|n| n.gradient).collect(),
        }
    }

    /// Columns dx/dxi_k of the Jacobian at quadrature point `q` of the cell with nodes `x`.
    fn jacobian(&self, q: usize, x: &[[f64; 3]]) -> [[f64; 3]; 3] {
        let mut j = [[0.0; 3]; 3];
        for (g, x) in self.gradients[q * x.len()..(q + 1) * x.len()].iter().zip(x) {
            for (column, g) in j.iter_mut().zip(g) {
                column.iter_mut().zip(x).for_each(|(j, x)| *j += g * x);
            }
        }
        j
    }

    /// Signed measure dV = J(xi) dxi at quadrature point `q`, without the weight; where the cell has fewer dimensions than the points
    /// (`dim`) the square root of the Gram determinant of the Jacobian.
    fn jacobian_determinant(&self, q: usize, x: &[[f64; 3]], dim: usize) -> f64 {
        let [a, b, c] = self.jacobian(q, x);
        match (self.cell_type.dimension(), dim) {
            (0, _) => 1.0,
            (1, 1) => a[0],
            (1, _) => norm(a),
            (2, 2) => a[0] * b[1] - a[1] * b[0],
            (2, _) => norm(cross(a, b)),
            _ => dot(cross(a, b), c),
        }
    }

    /// Signed and unsigned volume of the cell with nodes `x`: integrals of the Jacobian's determinant and of its absolute value.
    /// Of a surface in space, the length of the integral of its normals and the area: a folded cell turns some of them over.
    pub fn volumes(&self, x: &[[f64; 3]], dim: usize) -> (f64, f64) {
        if dim == 3 && self.cell_type.dimension() == 2 {
            let (mut vector, mut area) = ([0.0; 3], 0.0);
            for (q, w) in self.weights.iter().enumerate() {
                let [a, b, _] = self.jacobian(q, x);
                let normal = cross(a, b);
                (0..3).for_each(|k| vector[k] += w * normal[k]);
                area += w * norm(normal);
            }
            return (norm(vector), area);
        }
        self.weights.iter().enumerate().fold((0.0, 0.0), |(signed, unsigned), (q, w)| {
            let d = w * self.jacobian_determinant(q, x, dim);
            (signed + d, unsigned + d.abs())
        })
    }

    /// Weight times |det J| of each quadrature point of the cell with nodes `x`.
    pub fn measures(&self, x: &[[f64; 3]], dim: usize) -> impl Iterator<Item = f64> {
        self.weights.iter().enumerate().map(move |(q, w)| w * self.jacobian_determinant(q, x, dim).abs())
    }

    /// Gradients of the shape functions with respect to the coordinates at quadrature point `q`: J (JᵀJ)⁻¹ grad_xi N, tangential where
    /// the cell has fewer dimensions than the points. Length n_nodes; not finite on a degenerate cell.
    pub fn physical_gradients(&self, q: usize, x: &[[f64; 3]]) -> Vec<[f64; 3]> {
        let [mut a, mut b, mut c] = self.jacobian(q, x);
        // Unit vectors normal to what the cell spans complete the Jacobian to a regular matrix.
        let d = self.cell_type.dimension();
        if d == 0 {
            (a, b) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]);
        } else if d == 1 {
            let axis = (0..3).fold(0, |best, k| if a[k].abs() < a[best].abs() { k } else { best });
            let mut e = [0.0; 3];
            e[axis] = 1.0;
            b = cross(a, e).map(|v| v / norm(cross(a, e)));
        }
        if d < 3 {
            c = cross(a, b).map(|v| v / norm(cross(a, b)));
        }
        let determinant = dot(cross(a, b), c);
        // Rows of the inverse; a reference gradient along a completed axis is zero.
        let rows = [cross(b, c), cross(c, a), cross(a, b)].map(|r| r.map(|v| v / determinant));
        let n = x.len();
        let along = |g: &[f64; 3]| std::array::from_fn(|i| (0..d).map(|k| rows[k][i] * g[k]).sum());
        self.gradients[q * n..(q + 1) * n].iter().map(along).collect()
    }
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn norm(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}
