//! A slow and obvious writer of OpenFOAM cases, for tests.

use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::Path;

/// How the files of a case are written.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    pub binary: bool,
    pub label: usize,
    pub scalar: usize,
    pub packed: bool,
}

pub const TEXT: Form = Form { binary: false, label: 32, scalar: 64, packed: false };

/// Faces with the cells beside them, faces inside the mesh first.
#[derive(Debug, Clone)]
pub struct FoamMesh {
    pub points: Vec<[f64; 3]>,
    pub faces: Vec<Vec<u32>>,
    pub owner: Vec<i64>,
    pub neighbour: Vec<i64>,
}

/// A cell by its faces turned outwards.
pub type Cell = Vec<Vec<u32>>;

pub fn hexahedron(p: [u32; 8]) -> Cell {
    let faces = [[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]];
    faces.iter().map(|f| f.iter().map(|&i| p[i]).collect()).collect()
}

/// The cell over a base that is turned inwards, with its point above.
pub fn cone(base: &[u32], tip: u32) -> Cell {
    let n = base.len();
    let sides = (0..n).map(|i| vec![base[i], base[(i + 1) % n], tip]);
    sides.chain([base.iter().rev().copied().collect()]).collect()
}

pub fn wedge(p: [u32; 6]) -> Cell {
    let sides = [(0, 1), (1, 2), (2, 0)].map(|(a, b)| vec![p[a], p[b], p[b + 3], p[a + 3]]);
    sides.into_iter().chain([vec![p[2], p[1], p[0]], vec![p[3], p[4], p[5]]]).collect()
}

impl FoamMesh {
    /// Joins cells: two faces with the same points are one, turned outwards from the cell of the lower number.
    pub fn of_cells(points: Vec<[f64; 3]>, cells: &[Cell]) -> FoamMesh {
        let key = |face: &Vec<u32>| {
            let mut sorted = face.clone();
            sorted.sort();
            sorted
        };
        let mut inside = Vec::new();
        let mut outside = Vec::new();
        for (i, cell) in cells.iter().enumerate() {
            for face in cell {
                let other = cells.iter().position(|c| !std::ptr::eq(c, cell) && c.iter().any(|f| key(f) == key(face)));
                match other {
                    Some(other) if other > i => inside.push((i, other, face.clone())),
                    Some(_) => {}
                    None => outside.push((i, face.clone())),
                }
            }
        }
        inside.sort();
        let owner = inside.iter().map(|f| f.0).chain(outside.iter().map(|f| f.0)).map(|c| c as i64).collect();
        let neighbour = inside.iter().map(|f| f.1 as i64).collect();
        let faces = inside.into_iter().map(|f| f.2).chain(outside.into_iter().map(|f| f.1)).collect();
        FoamMesh { points, faces, owner, neighbour }
    }

    /// n[0] n[1] n[2] hexahedra in a box from the origin, x running fastest.
    pub fn block(n: [usize; 3], size: [f64; 3]) -> FoamMesh {
        let mut points = Vec::new();
        let mut cells = Vec::new();
        let at = |i: usize, j: usize, k: usize| (i + (n[0] + 1) * (j + (n[1] + 1) * k)) as u32;
        for k in 0..=n[2] {
            for j in 0..=n[1] {
                for i in 0..=n[0] {
                    let x = [i, j, k];
                    points.push([0, 1, 2].map(|d| size[d] * x[d] as f64 / n[d] as f64));
                    if i < n[0] && j < n[1] && k < n[2] {
                        let ring = |k| [at(i, j, k), at(i + 1, j, k), at(i + 1, j + 1, k), at(i, j + 1, k)];
                        let (a, b) = (ring(k), ring(k + 1));
                        cells.push(hexahedron([a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]));
                    }
                }
            }
        }
        FoamMesh::of_cells(points, &cells)
    }

    pub fn write(&self, folder: &Path, form: Form) {
        self.write_points(folder, form);
        let flat: Vec<i64> = self.faces.iter().flatten().map(|&p| i64::from(p)).collect();
        let (class, faces) = if form.binary {
            let mut starts = vec![0i64];
            self.faces.iter().for_each(|f| starts.push(starts[starts.len() - 1] + f.len() as i64));
            ("faceCompactList", [labels(&starts, form), labels(&flat, form)].concat())
        } else {
            let text: String = self.faces.iter().map(|f| format!("{}({})\n", f.len(), words(f))).collect();
            ("faceList", format!("{}\n(\n{text})\n", self.faces.len()).into_bytes())
        };
        write_file(folder, "faces", class, form, &faces);
        write_file(folder, "owner", "labelList", form, &labels(&self.owner, form));
        write_file(folder, "neighbour", "labelList", form, &labels(&self.neighbour, form));
    }

    pub fn write_points(&self, folder: &Path, form: Form) {
        let points: Vec<f64> = self.points.iter().flatten().copied().collect();
        write_file(folder, "points", "vectorField", form, &scalars(&points, 3, form));
    }
}

/// Cubes in a row along x, of which some are cut: a hexahedron, two wedges, five pyramids and two tetrahedra, a hexahedron.
pub fn mixed() -> FoamMesh {
    let mut points: Vec<[f64; 3]> = Vec::new();
    for x in 0..=4 {
        points.extend([[0., 0.], [1., 0.], [1., 1.], [0., 1.]].map(|[y, z]| [f64::from(x), y, z]));
    }
    points.push([2.5, 0.5, 0.5]);
    // Corners of a cube in the order of VTK: a ring at x, turned towards the ring at x + 1.
    let cube = |x: u32| [0, 1, 2, 3, 4, 5, 6, 7].map(|i| 4 * x + i);
    let mut cells = vec![hexahedron(cube(0))];
    // The cut runs from x = 1 to 2, its triangles lie at z = 0 and z = 1.
    cells.push(wedge([4, 8, 9, 7, 11, 10]));
    cells.push(wedge([4, 9, 5, 7, 10, 6]));
    let faces = hexahedron(cube(2));
    for (i, face) in faces.iter().enumerate() {
        let base: Vec<u32> = face.iter().rev().copied().collect();
        if i == 2 {
            cells.push(cone(&[base[0], base[1], base[2]], 20));
            cells.push(cone(&[base[0], base[2], base[3]], 20));
        } else {
            cells.push(cone(&base, 20));
        }
    }
    cells.push(hexahedron(cube(3)));
    FoamMesh::of_cells(points, &cells)
}

/// A cube beside two halves of one: it has seven faces, two of them with five corners. Then the two halves, one of them with a
/// side cut into two triangles: seven faces too.
pub fn polyhedra() -> FoamMesh {
    let mut points = Vec::new();
    for x in [0., 1., 2.] {
        points.extend([[0., 0.], [1., 0.], [0., 0.5], [1., 0.5], [0., 1.], [1., 1.]].map(|[y, z]| [x, y, z]));
    }
    // Points 2 and 3 belong to no cell.
    let left = vec![
        vec![0, 4, 5, 1],
        vec![0, 1, 7, 6],
        vec![4, 10, 11, 5],
        vec![0, 6, 8, 10, 4],
        vec![1, 5, 11, 9, 7],
        vec![6, 7, 9, 8],
        vec![8, 9, 11, 10],
    ];
    let lower = hexahedron([6, 12, 13, 7, 8, 14, 15, 9]);
    let mut upper = hexahedron([8, 14, 15, 9, 10, 16, 17, 11]);
    let far = upper.iter().position(|f| f.iter().all(|&p| p > 11)).unwrap();
    let quad = upper.remove(far);
    upper.extend([vec![quad[0], quad[1], quad[2]], vec![quad[0], quad[2], quad[3]]]);
    FoamMesh::of_cells(points, &[left, lower, upper])
}

fn words<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// A list of numbers with its count.
pub fn scalars(values: &[f64], n_components: usize, form: Form) -> Vec<u8> {
    let n = values.len() / n_components;
    if form.binary {
        let single = |x: &f64| (*x as f32).to_le_bytes().to_vec();
        let double = |x: &f64| x.to_le_bytes().to_vec();
        let raw: Vec<u8> = values.iter().flat_map(|x| if form.scalar == 32 { single(x) } else { double(x) }).collect();
        return [format!("{n}\n(").as_bytes(), &raw, b")"].concat();
    }
    let row = |row: &[f64]| if n_components == 1 { format!("{}\n", row[0]) } else { format!("({})\n", words(row)) };
    let rows: String = values.chunks(n_components).map(row).collect();
    format!("{n}\n(\n{rows})\n").into_bytes()
}

pub fn labels(values: &[i64], form: Form) -> Vec<u8> {
    let n = values.len();
    if form.binary {
        let short = |x: &i64| (*x as i32).to_le_bytes().to_vec();
        let long = |x: &i64| x.to_le_bytes().to_vec();
        let raw: Vec<u8> = values.iter().flat_map(|x| if form.label == 32 { short(x) } else { long(x) }).collect();
        return [format!("{n}\n(").as_bytes(), &raw, b")\n"].concat();
    }
    format!("{n}\n(\n{}\n)\n", words(values).replace(' ', "\n")).into_bytes()
}

/// Writes FOLDER/NAME, or NAME.gz, with a header before the content.
pub fn write_file(folder: &Path, name: &str, class: &str, form: Form, content: &[u8]) {
    let format = if form.binary { "binary" } else { "ascii" };
    let arch = match (form.binary, form.label, form.scalar) {
        // Older files do not tell.
        (true, 32, 64) | (false, ..) => String::new(),
        (true, label, scalar) => format!("    arch        \"LSB;label={label};scalar={scalar}\";\n"),
    };
    let header = format!(
        "/*---- a comment; with {{ brackets ----*\\\n\\*----*/\nFoamFile\n{{\n    version     2.0;\n    format      {format};\n    \
         class       {class};\n{arch}    location    \"somewhere\";\n    object      {name};\n}}\n// * * * //\n\n\n"
    );
    let bytes = [header.as_bytes(), content, b"\n\n// ****** //\n"].concat();
    fs::create_dir_all(folder).unwrap();
    if !form.packed {
        return fs::write(folder.join(name), bytes).unwrap();
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&bytes).unwrap();
    fs::write(folder.join(format!("{name}.gz")), packed.finish().unwrap()).unwrap();
}

/// Writes a field with values that are not uniform.
pub fn write_field(folder: &Path, name: &str, class: &str, values: &[f64], form: Form) {
    let kinds = [
        ("ScalarField", "scalar", 1),
        ("VectorField", "vector", 3),
        ("SphericalTensorField", "sphericalTensor", 1),
        ("SymmTensorField", "symmTensor", 6),
        ("TensorField", "tensor", 9),
    ];
    let (_, value_type, n_components) = kinds.into_iter().find(|(end, ..)| class.ends_with(end)).unwrap();
    let list = scalars(values, n_components, form);
    let before = format!("dimensions      [0 1 -1 0 0 0 0];\n\ninternalField   nonuniform List<{value_type}> \n");
    let content = [
        before.as_bytes(),
        &list,
        b";\n\nboundaryField\n{\n    wall\n    {\n        type calculated; value uniform 0;\n    }\n}\n",
    ];
    write_file(folder, name, class, form, &content.concat());
}

/// Writes a field by the text of its entries.
pub fn write_text_field(folder: &Path, name: &str, class: &str, entries: &str) {
    write_file(folder, name, class, TEXT, entries.as_bytes());
}
