//! A slow and obvious writer of cases of EnSight Gold.

use kolmo::Result;
use kolmo::io::ensight::EnsightCase;
use kolmo::io::mesh_file::MeshFile;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A writer of records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    Ascii,
    Little,
    Big,
}

pub const FORMS: [Form; 3] = [Form::Ascii, Form::Little, Form::Big];

#[derive(Clone)]
pub struct Out {
    pub form: Form,
    pub bytes: Vec<u8>,
}

impl Out {
    pub fn geometry(form: Form, ids: &str) -> Out {
        let mut out = Out { form, bytes: Vec::new() };
        if form != Form::Ascii {
            out.text("C Binary");
        }
        out.text("a description").text("").text(&format!("node id {ids}")).text(&format!("element id {ids}"));
        out
    }

    pub fn variable(form: Form) -> Out {
        let mut out = Out { form, bytes: Vec::new() };
        out.text("values");
        out
    }

    pub fn text(&mut self, text: &str) -> &mut Out {
        let mut bytes = text.as_bytes().to_vec();
        match self.form {
            Form::Ascii => bytes.push(b'\n'),
            _ => bytes.resize(80, 0),
        }
        self.bytes.extend(bytes);
        self
    }

    /// Integers, `width` on a line.
    pub fn integers(&mut self, width: usize, values: &[i32]) -> &mut Out {
        for row in values.chunks(width) {
            for v in row {
                match self.form {
                    Form::Ascii => self.bytes.extend(format!("{v:10}").bytes()),
                    Form::Little => self.bytes.extend(v.to_le_bytes()),
                    Form::Big => self.bytes.extend(v.to_be_bytes()),
                }
            }
            if self.form == Form::Ascii {
                self.bytes.push(b'\n');
            }
        }
        self
    }

    pub fn floats(&mut self, values: &[f32]) -> &mut Out {
        for v in values {
            match self.form {
                Form::Ascii => self.bytes.extend(format!("{v:12.8e}\n").bytes()),
                Form::Little => self.bytes.extend(v.to_le_bytes()),
                Form::Big => self.bytes.extend(v.to_be_bytes()),
            }
        }
        self
    }

    pub fn part(&mut self, number: i32) -> &mut Out {
        self.text("part").integers(1, &[number]).text("")
    }

    /// Coordinates by axis; `ids` as many as there are points.
    pub fn points(&mut self, points: &[[f32; 3]], ids: &[i32]) -> &mut Out {
        self.text("coordinates").integers(1, &[points.len() as i32]).integers(1, ids);
        for k in 0..3 {
            let axis: Vec<f32> = points.iter().map(|p| p[k]).collect();
            self.floats(&axis);
        }
        self
    }
}

pub fn points(n: usize, from: f32) -> Vec<[f32; 3]> {
    (0..n).map(|i| [0, 1, 2].map(|k| ((i * 3 + k) as f32 * 0.37 + from).sin())).collect()
}

pub fn flat(points: &[[f32; 3]]) -> Vec<f64> {
    points.iter().flatten().map(|x| f64::from(*x)).collect()
}

/// Two parts, ghosts, and a part without cells between them; variables of each kind in two steps.
pub fn plain(form: Form) -> Vec<(&'static str, Vec<u8>)> {
    let mut geometry = Out::geometry(form, "given");
    geometry.text("extents");
    if form == Form::Ascii {
        geometry.bytes.extend(b" 0.0 1.0\n 0.0 1.0\n 0.0 1.0\n");
    } else {
        geometry.floats(&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
    }
    geometry.part(1).points(&points(5, 0.0), &[10, 20, 30, 40, 50]);
    geometry.text("tria3").integers(1, &[1]).integers(1, &[7]).integers(3, &[1, 2, 3]);
    geometry.text("g_tria3").integers(1, &[1]).integers(1, &[8]).integers(3, &[2, 3, 4]);
    geometry.text("quad4").integers(1, &[2]).integers(1, &[9, 8]).integers(4, &[1, 2, 3, 4, 5, 4, 3, 2]);
    geometry.part(4).points(&points(2, 0.5), &[1, 2]);
    geometry.part(2).points(&points(4, 1.0), &[4, 3, 2, 1]);
    geometry.text("quad4").integers(1, &[1]).integers(1, &[1]).integers(4, &[4, 3, 2, 1]);

    let column = |n: usize, from: f32| (0..n).map(|i| from + 0.1 * i as f32).collect::<Vec<f32>>();
    let node = |n_components: usize, step: f32| {
        let mut out = Out::variable(form);
        for (number, n) in [(1, 5), (4, 2), (2, 4)] {
            out.text("part").integers(1, &[number]).text("coordinates");
            for k in 0..n_components {
                out.floats(&column(n, step + 100.0 * k as f32 + 10.0 * number as f32));
            }
        }
        out.bytes
    };
    let element = |n_components: usize, step: f32| {
        let mut out = Out::variable(form);
        // Parts and blocks in another order than in the geometry.
        for (number, blocks) in [(2, &[("quad4", 1)][..]), (1, &[("quad4", 2), ("g_tria3", 1), ("tria3", 1)])] {
            out.text("part").integers(1, &[number]);
            for (name, n) in blocks {
                out.text(name);
                for k in 0..n_components {
                    out.floats(&column(*n, step + 100.0 * k as f32 + 10.0 * number as f32 + name.len() as f32));
                }
            }
        }
        out.bytes
    };
    let case = "\
# written by a test
FORMAT
type:  ensight gold

GEOMETRY
model:  mesh.geo

VARIABLE
constant per case: rate 0.5
constant per case: 1 load 1.5 2.5
constant per case file: 1 shift shift.txt
scalar per node: 1 p p.****.scl
vector per node: 1 u u.****.vec
scalar per element: 1 p pe.****.scl
tensor symm per element: 1 s s.****.ten
scalar per measured node: 1 d d.****.scl

TIME
time set: 1 a description
number of steps: 2
filename start number: 8
filename increment: 3
time values:
0.25
 1.5e0
";
    vec![
        ("a.case", case.into()),
        ("mesh.geo", geometry.bytes),
        ("shift.txt", b"3.5\n4.5\n".to_vec()),
        ("p.0008.scl", node(1, 0.0)),
        ("p.0011.scl", node(1, 1000.0)),
        ("u.0008.vec", node(3, 0.0)),
        ("u.0011.vec", node(3, 1000.0)),
        ("pe.0008.scl", element(1, 0.0)),
        ("pe.0011.scl", element(1, 1000.0)),
        ("s.0008.ten", element(6, 0.0)),
        ("s.0011.ten", element(6, 1000.0)),
    ]
}

pub fn written(files: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

/// A case with one static geometry and nothing else.
pub fn case_of(geometry: &Out) -> TempDir {
    let case = b"FORMAT\ntype: ensight gold\nGEOMETRY\nmodel: mesh.geo\n".to_vec();
    written(&[("a.case", case), ("mesh.geo", geometry.bytes.clone())])
}

/// Everything that a case can be asked for.
pub fn read_all(folder: &Path) -> Result<()> {
    let case = EnsightCase::open(folder.join("a.case"))?;
    for state in 0..case.n_states().min(4) {
        case.field_data(state)?;
        let arrays: Vec<Result<Vec<f64>>> = case.arrays(state)?.iter().map(|a| case.read(state, a)).collect();
        case.mesh(state)?;
        arrays.into_iter().try_for_each(|values| values.map(drop))?;
    }
    Ok(())
}
