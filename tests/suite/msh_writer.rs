//! A slow writer of .msh files of versions 2.2, 4.0 and 4.1, after the Gmsh Reference Manual.

/// What a file holds.
#[derive(Debug, Clone, Default)]
pub struct Msh {
    /// Dimension, tag and name of groups.
    pub names: Vec<(i32, i32, &'static str)>,
    pub nodes: Vec<(u64, [f64; 3])>,
    pub elements: Vec<Element>,
    pub views: Vec<View>,
}

#[derive(Debug, Clone)]
pub struct Element {
    pub kind: i32,
    pub dimension: i32,
    pub physical: i32,
    pub entity: i32,
    pub tag: u64,
    pub nodes: Vec<u64>,
}

#[derive(Debug, Clone)]
pub struct View {
    pub section: &'static str,
    pub name: &'static str,
    pub time: f64,
    pub step: i32,
    pub components: usize,
    pub entries: Vec<(u64, Vec<f64>)>,
}

/// Version and encoding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Form {
    pub version: &'static str,
    pub binary: bool,
    pub big_endian: bool,
    pub size: usize,
}

const fn form(version: &'static str, binary: bool, big_endian: bool, size: usize) -> Form {
    Form { version, binary, big_endian, size }
}

pub const TEXT_2: Form = form("2.2", false, false, 8);
pub const TEXT_4: Form = form("4.1", false, false, 8);
pub const BINARY_2: Form = form("2.2", true, false, 8);
pub const BINARY_4: Form = form("4.1", true, false, 8);
pub const FORMS: [Form; 8] = [
    TEXT_2,
    BINARY_2,
    form("2.2", true, true, 8),
    TEXT_4,
    BINARY_4,
    form("4.1", true, true, 8),
    form("4.1", true, false, 4),
    form("4", false, false, 8),
];

struct Writer {
    form: Form,
    out: Vec<u8>,
}

impl Writer {
    fn text(&mut self, text: &str) {
        self.out.extend(text.as_bytes());
    }

    fn bytes<const N: usize>(&mut self, little: [u8; N]) {
        let mut bytes = little;
        if self.form.big_endian {
            bytes.reverse();
        }
        self.out.extend(bytes);
    }

    fn int(&mut self, i: i32) {
        if self.form.binary { self.bytes(i.to_le_bytes()) } else { self.text(&format!("{i} ")) }
    }

    fn size(&mut self, n: u64) {
        match (self.form.binary, self.form.size) {
            (false, _) => self.text(&format!("{n} ")),
            (true, 4) => self.bytes((n as u32).to_le_bytes()),
            (true, _) => self.bytes(n.to_le_bytes()),
        }
    }

    fn real(&mut self, x: f64) {
        // The shortest text that gives the same number back.
        if self.form.binary { self.bytes(x.to_le_bytes()) } else { self.text(&format!("{x:e} ")) }
    }

    fn line(&mut self) {
        if !self.form.binary {
            self.text("\n");
        }
    }

    fn list(&mut self, values: &[i32]) {
        self.size(values.len() as u64);
        values.iter().for_each(|&v| self.int(v));
    }
}

impl Msh {
    pub fn bytes(&self, form: Form) -> Vec<u8> {
        let mut w = Writer { form, out: Vec::new() };
        w.text(&format!("$MeshFormat\n{} {} {}\n", form.version, i32::from(form.binary), form.size));
        if form.binary {
            w.int(1);
            w.text("\n");
        }
        w.text("$EndMeshFormat\n$Comments\nwritten by a test\n$EndComments\n");
        w.text(&format!("$PhysicalNames\n{}\n", self.names.len()));
        self.names.iter().for_each(|(d, t, n)| w.text(&format!("{d} {t} \"{n}\"\n")));
        w.text("$EndPhysicalNames\n");
        match form.version {
            "2.2" => self.mesh_2(&mut w),
            version => self.mesh_4(&mut w, version == "4"),
        }
        for view in &self.views {
            w.text(&format!("${}\n1\n\"{}\"\n1\n{:e}\n", view.section, view.name, view.time));
            w.text(&format!("4\n{}\n{}\n{}\n0\n", view.step, view.components, view.entries.len()));
            for (tag, values) in &view.entries {
                w.int(*tag as i32);
                values.iter().for_each(|&v| w.real(v));
                w.line();
            }
            w.text(&format!("{}$End{}\n", if form.binary { "\n" } else { "" }, view.section));
        }
        w.out
    }

    fn mesh_2(&self, w: &mut Writer) {
        w.text(&format!("$Nodes\n{}\n", self.nodes.len()));
        for (tag, x) in &self.nodes {
            w.int(*tag as i32);
            x.iter().for_each(|&x| w.real(x));
            w.line();
        }
        w.text(&format!("\n$EndNodes\n$Elements\n{}\n", self.elements.len()));
        // Elements of a type that follow each other share their header in binary files.
        for run in self.elements.chunk_by(|a, b| a.kind == b.kind) {
            if w.form.binary {
                [run[0].kind, run.len() as i32, 2].iter().for_each(|&i| w.int(i));
            }
            for e in run {
                w.int(e.tag as i32);
                if !w.form.binary {
                    w.int(e.kind);
                    w.int(2);
                }
                w.int(e.physical);
                w.int(e.entity);
                e.nodes.iter().for_each(|&n| w.int(n as i32));
                w.line();
            }
        }
        w.text("\n$EndElements\n");
    }

    fn mesh_4(&self, w: &mut Writer, old: bool) {
        let mut entities: Vec<(i32, i32, i32)> =
            self.elements.iter().map(|e| (e.dimension, e.entity, e.physical)).collect();
        entities.sort();
        entities.dedup();
        w.text("$Entities\n");
        (0..4).for_each(|d| w.size(entities.iter().filter(|e| e.0 == d).count() as u64));
        w.line();
        for &(dimension, tag, physical) in &entities {
            w.int(tag);
            (0..if dimension == 0 && !old { 3 } else { 6 }).for_each(|_| w.real(0.5));
            let groups = [physical, 99];
            w.list(if physical == 0 { &[] } else { &groups });
            if dimension > 0 {
                w.list(&[1, -2]);
            }
            w.line();
        }
        w.text("\n$EndEntities\n$Nodes\n");
        // The second half on a surface, with its parameters.
        let (first, second) = self.nodes.split_at(self.nodes.len() / 2);
        let tags: Vec<u64> = self.nodes.iter().map(|n| n.0).collect();
        w.size(2);
        w.size(self.nodes.len() as u64);
        if !old {
            w.size(tags.iter().copied().min().unwrap_or(0));
            w.size(tags.iter().copied().max().unwrap_or(0));
        }
        for (nodes, dimension) in [(first, 1), (second, 2)] {
            let parametric = dimension - 1;
            let ints = if old { [7, dimension, parametric] } else { [dimension, 7, parametric] };
            ints.iter().for_each(|&i| w.int(i));
            w.size(nodes.len() as u64);
            w.line();
            if !old {
                nodes.iter().for_each(|n| w.size(n.0));
                w.line();
            }
            for (tag, x) in nodes {
                if old {
                    w.size(*tag);
                }
                x.iter().for_each(|&x| w.real(x));
                (0..2 * parametric).for_each(|_| w.real(0.125));
                w.line();
            }
        }
        w.text("\n$EndNodes\n$Elements\n");
        let blocks: Vec<&[Element]> =
            self.elements.chunk_by(|a, b| (a.dimension, a.entity, a.kind) == (b.dimension, b.entity, b.kind)).collect();
        w.size(blocks.len() as u64);
        w.size(self.elements.len() as u64);
        if !old {
            w.size(1);
            w.size(self.elements.iter().map(|e| e.tag).max().unwrap_or(0));
        }
        for block in blocks {
            let Element { kind, dimension, entity, .. } = block[0];
            let ints = if old { [entity, dimension, kind] } else { [dimension, entity, kind] };
            ints.iter().for_each(|&i| w.int(i));
            w.size(block.len() as u64);
            w.line();
            for e in block {
                w.size(e.tag);
                e.nodes.iter().for_each(|&n| w.size(n));
                w.line();
            }
        }
        w.text("\n$EndElements\n");
    }
}
