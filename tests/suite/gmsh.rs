//! Files of gmsh: every encoding and element type, views, refusals, and bytes that are damaged.

use crate::msh_writer::{BINARY_2, BINARY_4, Element, FORMS, Form, Msh, TEXT_2, TEXT_4, View};
use crate::straight_cells::{has_the_order_of_vtk, nodes};
use kolmo::data::Location;
use kolmo::io::gmsh::GmshFile;
use kolmo::io::mesh_file::{MeshFile, Number};
use kolmo::mesh::CellType::{self, *};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn open(bytes: &[u8]) -> kolmo::Result<GmshFile> {
    let folder = tempfile::tempdir().unwrap();
    GmshFile::open(&write(folder.path(), bytes))
}

fn write(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("a.msh");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Message of a refusal; panics where the file is read or the code is another.
#[track_caller]
fn refused(result: kolmo::Result<impl std::fmt::Debug>, code: &str, holds: &[&str]) {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.code(), code, "{text}");
    assert!(holds.iter().all(|h| text.contains(h)), "{text}\nwithout {holds:?}");
}

/// Two triangles and a quad with an edge, nodes under sparse tags in no order, node 77 of no element.
fn plate() -> Msh {
    let element = |kind, dimension, physical, entity, tag, nodes: &[u64]| {
        let nodes = nodes.to_vec();
        Element { kind, dimension, physical, entity, tag, nodes }
    };
    let view = |name, step, components, f: fn(u64) -> f64| {
        let entry = |t: u64| (t, (0..components).map(|c| f(t) + c as f64 / 3. + f64::from(step)).collect());
        // One more than the mesh has, as gmsh writes it.
        let entries = [900, 5, 77, 30, 12, 8, 100, 1].map(entry).to_vec();
        View { section: "NodeData", name, time: 0.1, step, components, entries }
    };
    let on_cells = |name: &'static str, tags: &[u64]| {
        let entries = tags.iter().map(|&t| (t, vec![t as f64 * 0.7])).collect();
        View { section: "ElementData", name, time: 0.1, step: 2, components: 1, entries }
    };
    Msh {
        names: vec![(1, 4, "inlet side"), (2, 9, "plate")],
        nodes: vec![
            (30, [0.1, 0.2, 1. / 3.]),
            (77, [9., 9., 9.]),
            (5, [1., 0., 0.]),
            (12, [1., 1., -0.]),
            (900, [0., 1., 1e-300]),
            (8, [2., 0., 0.5]),
            (100, [2., 1., 0.25]),
        ],
        elements: vec![
            element(1, 1, 4, 3, 11, &[900, 30]),
            element(2, 2, 9, 1, 7, &[30, 5, 12]),
            element(3, 2, 9, 2, 40, &[5, 8, 100, 12]),
            element(2, 2, 0, 6, 8, &[30, 12, 900]),
        ],
        views: vec![
            view("T", 2, 1, |t| t as f64 * 0.1),
            view("velocity", 2, 3, |t| -(t as f64)),
            view("stress", 2, 9, |t| 1. / t as f64),
            on_cells("T", &[40, 8, 7]),
            on_cells("quality", &[8, 7, 11, 40]),
        ],
    }
}

#[test]
fn every_encoding_is_read_alike() {
    for form in FORMS {
        let folder = tempfile::tempdir().unwrap();
        let file = GmshFile::open(&write(folder.path(), &plate().bytes(form))).unwrap();
        let mesh = file.mesh(0).unwrap();
        let points =
            [[0.1, 0.2, 1. / 3.], [1., 0., 0.], [1., 1., -0.], [0., 1., 1e-300], [2., 0., 0.5], [2., 1., 0.25]];
        let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!((mesh.dim, bits(&mesh.points)), (3, bits(&points.concat())), "{form:?}");
        let cells: Vec<_> = mesh.cells.iter().map(|b| (b.cell_type, b.connectivity.clone())).collect();
        let expected = vec![(Line, vec![3, 0]), (Triangle, vec![0, 1, 2, 0, 2, 3]), (Quad, vec![1, 4, 5, 2])];
        assert_eq!(cells, expected, "{form:?}");

        let arrays = file.arrays(0).unwrap();
        let listed: Vec<_> = arrays
            .iter()
            .map(|a| (a.field.name.as_str(), a.field.location, a.field.n_entities, a.field.n_components))
            .collect();
        let expected = [
            ("T", Location::Point, 6, 1),
            ("velocity", Location::Point, 6, 3),
            ("stress", Location::Point, 6, 9),
            ("T_cells", Location::Cell, 3, 1),
            ("quality", Location::Cell, 4, 1),
            ("gmsh:physical", Location::Cell, 4, 1),
            ("gmsh:geometrical", Location::Cell, 4, 1),
        ];
        assert_eq!(listed, expected, "{form:?}");
        let tags = [30u64, 5, 12, 900, 8, 100];
        let on_nodes = |k: usize, f: fn(u64) -> f64| -> Vec<f64> {
            tags.iter().flat_map(|&t| (0..k).map(move |c| f(t) + c as f64 / 3. + 2.)).collect()
        };
        let on_cells = |tags: &[u64]| tags.iter().map(|&t| t as f64 * 0.7).collect::<Vec<_>>();
        let expected = [
            on_nodes(1, |t| t as f64 * 0.1),
            on_nodes(3, |t| -(t as f64)),
            on_nodes(9, |t| 1. / t as f64),
            on_cells(&[7, 8, 40]),
            on_cells(&[11, 7, 8, 40]),
            vec![4., 9., 0., 9.],
            vec![3., 1., 6., 2.],
        ];
        for (array, expected) in arrays.iter().zip(&expected) {
            assert_eq!(bits(&file.read(0, array).unwrap()), bits(expected), "{} {form:?}", array.field.name);
            let tag = array.field.name.starts_with("gmsh:");
            assert_eq!(array.number, if tag { Number::Integer } else { Number::Float64 });
        }
        assert_eq!((file.n_states(), file.times()), (1, Some(&[0.1][..])));
        let names: Vec<_> = file.tag_names().iter().map(|t| (t.name.as_str(), t.dimension, t.tag)).collect();
        assert_eq!(names, [("inlet side", 1, 4), ("plate", 2, 9)]);
        refused(file.mesh(1), "K100", &["state"]);
    }
}

/// Edges, faces and volumes on which the further nodes are: Gmsh Reference Manual, "Node ordering" (the tables of its sources for
/// the serendipity cells).
const KINDS: [(i32, CellType, &[&[usize]]); 17] = {
    const HEXAHEDRON: [&[usize]; 12] =
        [&[0, 1], &[0, 3], &[0, 4], &[1, 2], &[1, 5], &[2, 3], &[2, 6], &[3, 7], &[4, 5], &[4, 7], &[5, 6], &[6, 7]];
    const HEXAHEDRON_27: [&[usize]; 19] = [
        &[0, 1],
        &[0, 3],
        &[0, 4],
        &[1, 2],
        &[1, 5],
        &[2, 3],
        &[2, 6],
        &[3, 7],
        &[4, 5],
        &[4, 7],
        &[5, 6],
        &[6, 7],
        &[0, 3, 2, 1],
        &[0, 1, 5, 4],
        &[0, 4, 7, 3],
        &[1, 2, 6, 5],
        &[2, 3, 7, 6],
        &[4, 5, 6, 7],
        &[0, 1, 2, 3, 4, 5, 6, 7],
    ];
    [
        (1, Line, &[]),
        (2, Triangle, &[]),
        (3, Quad, &[]),
        (4, Tetra, &[]),
        (5, Hexahedron, &[]),
        (6, Wedge, &[]),
        (7, Pyramid, &[]),
        (8, Line3, &[&[0, 1]]),
        (9, Triangle6, &[&[0, 1], &[1, 2], &[2, 0]]),
        (10, Quad9, &[&[0, 1], &[1, 2], &[2, 3], &[3, 0], &[0, 1, 2, 3]]),
        (11, Tetra10, &[&[0, 1], &[1, 2], &[2, 0], &[3, 0], &[2, 3], &[1, 3]]),
        (12, Hexahedron27, &HEXAHEDRON_27),
        (15, Vertex, &[]),
        (16, Quad8, &[&[0, 1], &[1, 2], &[2, 3], &[3, 0]]),
        (17, Hexahedron20, &HEXAHEDRON),
        (18, Wedge15, &[&[0, 1], &[0, 2], &[0, 3], &[1, 2], &[1, 4], &[2, 5], &[3, 4], &[3, 5], &[4, 5]]),
        (19, Pyramid13, &[&[0, 1], &[0, 3], &[0, 4], &[1, 2], &[1, 4], &[2, 3], &[2, 4], &[3, 4]]),
    ]
};

#[test]
fn every_element_type_gets_the_order_of_vtk() {
    for (kind, cell_type, middles) in KINDS {
        let nodes: Vec<(u64, [f64; 3])> = (10..).zip(nodes(cell_type, middles)).collect();
        let tags = nodes.iter().map(|n| n.0).collect();
        let dimension = cell_type.dimension() as i32;
        let elements = vec![Element { kind, dimension, physical: 1, entity: 1, tag: 1, nodes: tags }];
        let msh = Msh { nodes, elements, ..Msh::default() };
        for form in [TEXT_2, BINARY_2, BINARY_4] {
            let folder = tempfile::tempdir().unwrap();
            let mesh = GmshFile::open(&write(folder.path(), &msh.bytes(form))).unwrap().mesh(0).unwrap();
            assert_eq!((mesh.cells.len(), mesh.cells[0].cell_type), (1, cell_type));
            let x = mesh.coordinates(mesh.cells[0].cell(0));
            assert!(has_the_order_of_vtk(cell_type, &x), "{cell_type:?}");
        }
    }
}

#[test]
fn an_element_of_several_groups_is_kept_once() {
    let mut msh = plate();
    let copy =
        |e: &Element, tag, physical, nodes: &[u64]| Element { tag, physical, nodes: nodes.to_vec(), ..e.clone() };
    let (first, quad) = (msh.elements[1].clone(), msh.elements[2].clone());
    // Turned round, and far from the first.
    msh.elements.insert(2, copy(&first, 50, 10, &[12, 5, 30]));
    msh.elements.push(copy(&quad, 51, 10, &[5, 8, 100, 12]));
    let folder = tempfile::tempdir().unwrap();
    for form in [TEXT_2, BINARY_2] {
        let file = GmshFile::open(&write(folder.path(), &msh.bytes(form))).unwrap();
        let plain = tempfile::tempdir().unwrap();
        let plain = GmshFile::open(&write(plain.path(), &plate().bytes(form))).unwrap();
        assert_eq!(file.arrays(0).unwrap().last(), plain.arrays(0).unwrap().last());
        assert_eq!(file.mesh(0).unwrap().n_cells(), 4);
        let physical = &file.arrays(0).unwrap()[5];
        assert_eq!(file.read(0, physical).unwrap(), [4., 9., 0., 9.]);
    }
}

#[test]
fn steps_are_states_where_all_views_have_them() {
    let mut msh = plate();
    let (scalar, cells) = (msh.views[0].clone(), msh.views[3].clone());
    // The second step first.
    let later = |v: &View| View {
        step: 5,
        time: 0.75,
        entries: v.entries.iter().map(|(t, v)| (*t, vec![v[0] + 100.])).collect(),
        ..v.clone()
    };
    msh.views = vec![later(&scalar), scalar.clone(), cells.clone(), later(&cells)];
    let folder = tempfile::tempdir().unwrap();
    for form in [TEXT_4, BINARY_2] {
        let file = GmshFile::open(&write(folder.path(), &msh.bytes(form))).unwrap();
        assert_eq!((file.n_states(), file.times()), (2, Some(&[0.1, 0.75][..])));
        assert!(file.mesh_is_shared() && file.mesh(0).unwrap() == file.mesh(1).unwrap());
        for array in file.arrays(0).unwrap() {
            assert!(file.arrays(1).unwrap().contains(&array));
            let (first, second) = (file.read(0, &array).unwrap(), file.read(1, &array).unwrap());
            let shift = if array.number == Number::Integer { 0. } else { 100. };
            assert!(first.iter().zip(&second).all(|(a, b)| a + shift == *b), "{}", array.field.name);
        }
    }
    msh.views.pop();
    let file = GmshFile::open(&write(folder.path(), &msh.bytes(TEXT_2))).unwrap();
    let names: Vec<String> = file.arrays(0).unwrap().into_iter().map(|a| a.field.name).collect();
    assert_eq!(names, ["T_2", "T_5", "T", "gmsh:physical", "gmsh:geometrical"]);
    assert_eq!((file.n_states(), file.times()), (1, None));
    msh.views.push(scalar);
    refused(open(&msh.bytes(TEXT_2)), "K018", &["step 2 of the view `T` in pieces"]);
}

#[test]
fn views_on_a_part_of_the_mesh_are_refused_when_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |spoil: fn(&mut Msh), name: &str, holds: &[&str]| {
        let mut msh = plate();
        spoil(&mut msh);
        for form in [TEXT_4, BINARY_2] {
            let file = GmshFile::open(&write(folder.path(), &msh.bytes(form))).unwrap();
            let array = file.arrays(0).unwrap().into_iter().find(|a| a.field.name == name).unwrap();
            refused(file.read(0, &array), "K005", holds);
        }
    };
    refuse(|m| drop(m.views[0].entries.remove(0)), "T", &["$NodeData `T`, step 2", "values for 5 nodes, none for 1"]);
    refuse(|m| m.views[0].entries.truncate(2), "T", &["values for 2 nodes", "6 nodes"]);
    refuse(|m| m.views[3].entries.truncate(2), "T_cells", &["values for 2 elements", "3 elements"]);
    refuse(|m| m.views[3].entries[0].0 = 11, "T_cells", &["$ElementData `T`", "values for 2 elements, none for 1"]);
    refuse(|m| m.views[4].entries[0].0 = 12, "quality", &["values for 3 elements, none for 1"]);
}

#[test]
fn variants_that_are_not_read_are_refused() {
    let text = String::from_utf8(plate().bytes(TEXT_4)).unwrap();
    let old = String::from_utf8(plate().bytes(TEXT_2)).unwrap();
    let replaced = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let section = |name: &str| format!("{text}${name}\n1\n$End{name}\n");
    for (file, code, holds) in [
        (String::new(), "K003", "an empty file"),
        ("a mesh\n".into(), "K002", "`a mesh`"),
        ("$NOD\n1\n1 0 0 0\n$ENDNOD\n".into(), "K018", "$NOD"),
        (replaced(&text, "4.1 0 8", "5 0 8"), "K018", "version 5"),
        (replaced(&text, "4.1 0 8", "1 0 8"), "K018", "version 1"),
        (replaced(&text, "4.1 0 8", "4.0 1 8"), "K018", "binary numbers of version 4.0"),
        (replaced(&text, "4.1 0 8", "4.1 0 16"), "K003", "numbers of 8 bytes"),
        (replaced(&text, "4.1 0 8", "4.1"), "K003", "`4.1`"),
        (section("PartitionedEntities"), "K018", "partition"),
        (section("GhostElements"), "K018", "partition"),
        (section("ElementNodeData"), "K018", "nodes of each element"),
        (section("Nodes"), "K018", "a second mesh"),
        (section("MeshFormat"), "K003", "`1`"),
        (format!("{text}$Unknown\n1\n"), "K003", "$EndUnknown"),
        (format!("{text}$Periodic\n0\n"), "K003", "$EndPeriodic"),
        (format!("{text}left over\n"), "K003", "`left over`"),
        (replaced(&old, "\n7 2 ", "\n7 14 "), "K018", "element type 14"),
        (replaced(&old, "\n7 2 ", "\n7 13 "), "K018", "element type 13"),
        (replaced(&old, "30 5 12", "30 6 12"), "K015", "node 6"),
        (replaced(&old, "\n77 9e0", "\n30 9e0"), "K003", "two nodes with the tag 30"),
        (replaced(&old, "5 1e0 0e0", "5 1e0 nan"), "K004", "node 5"),
        (replaced(&old, "5 1e0 0e0", "5 1e0 zero"), "K003", "`zero`"),
        (replaced(&old, "$Nodes\n7", "$Nodes\n8"), "K003", "$Nodes, byte"),
        (replaced(&old, "$Nodes\n7", "$Nodes\n6"), "K003", "more data than the counts say"),
        (replaced(&old, "$Elements\n4", "$Elements\n18446744073709551615"), "K003", "a count of 18446744073709551615"),
        (replaced(&old, "$Nodes", "$Points").replace("$EndNodes", "$EndPoints"), "K003", "$Nodes first"),
    ] {
        refused(open(file.as_bytes()), code, &[holds]);
    }
    refused(GmshFile::open(Path::new("no.msh")), "K001", &["no such file"]);
}

#[test]
fn what_is_not_a_mesh_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let text = String::from_utf8(plate().bytes(TEXT_4)).unwrap();
    let more = "$Periodic\n1\n0 1 2\n1\n1 2\n$EndPeriodic\n$InterpolationScheme\n\"$Nodes\"\n$EndInterpolationScheme\n$Empty\n$EndEmpty\n";
    // gmsh repeats the mesh before each view that it appends.
    let (mesh, views) = text.split_at(text.find("$NodeData").unwrap());
    let file = GmshFile::open(&write(folder.path(), format!("{mesh}{more}{mesh}{views}").as_bytes())).unwrap();
    assert_eq!(file.mesh(0).unwrap().n_cells(), 4);
    assert_eq!(file.arrays(0).unwrap().len(), 7);
    let nodes = &mesh[..mesh.find("$Elements").unwrap()];
    let mesh = GmshFile::open(&write(folder.path(), nodes.as_bytes())).unwrap().mesh(0).unwrap();
    assert_eq!((mesh.n_points(), mesh.n_cells()), (7, 0));
}

#[test]
fn samples_written_by_gmsh_are_read() {
    let sample = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/gmsh");
        let file = GmshFile::open(&folder.join(name)).unwrap();
        file.mesh(0).unwrap().validate(Path::new(name)).unwrap();
        file
    };
    for name in ["plate_22.msh", "plate_22_binary.msh", "plate_41.msh", "plate_41_binary.msh"] {
        let file = sample(name);
        let mesh = file.mesh(0).unwrap();
        let counts: Vec<_> = mesh.cells.iter().map(|b| (b.cell_type, b.n_cells())).collect();
        assert_eq!(counts, [(Line3, 2), (Triangle6, 14), (Quad9, 4)], "{name}");
        assert_eq!(file.times(), Some(&[0., 0.5][..]));
        let area: f64 = mesh.cell_volumes()[2..].iter().sum();
        assert!((area - 2.).abs() < 1e-14, "{area}");
        let arrays = file.arrays(0).unwrap();
        for state in 0..2 {
            let sums = mesh.points.chunks(3).map(|x| x.iter().sum::<f64>() + state as f64);
            let error =
                file.read(state, &arrays[0]).unwrap().iter().zip(sums).map(|(a, b)| (a - b).abs()).fold(0., f64::max);
            assert!(error < 1e-14, "{name}: {error}");
        }
        let physical = file.read(1, &arrays[1]).unwrap();
        let of = |tag: f64| physical.iter().filter(|&&p| p == tag).count();
        assert_eq!((of(3.), of(7.), of(8.)), (2, 14, 4));
        assert_eq!(
            file.tag_names().iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
            ["edge", "left half", "right half"]
        );
    }
    for (name, cell_type, n) in [("wedges.msh", Wedge15, 8), ("hexahedra.msh", Hexahedron27, 2)] {
        let mesh = sample(name).mesh(0).unwrap();
        assert_eq!(mesh.cells.iter().map(|b| (b.cell_type, b.n_cells())).collect::<Vec<_>>(), [(cell_type, n)]);
        assert!((mesh.cell_volumes().iter().sum::<f64>() - 2.).abs() < 1e-13);
    }
}

/// Reads all there is to read; a damaged file may be refused anywhere, with a code.
fn read_all(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let read = || -> kolmo::Result<()> {
        let file = GmshFile::open(&write(folder.path(), bytes))?;
        for state in 0..file.n_states() {
            let mesh = file.mesh(state)?;
            assert!(mesh.points.len() <= bytes.len());
            for array in file.arrays(state)? {
                file.read(state, &array).map_or_else(
                    |e| Err(e).or(Ok(())),
                    |v| {
                        assert_eq!(v.len(), array.field.n_dofs());
                        Ok(())
                    },
                )?;
            }
        }
        Ok(())
    };
    let refused = read();
    assert!(start.elapsed() < Duration::from_secs(1));
    if let Err(error) = &refused {
        assert!(["K002", "K003", "K004", "K005", "K015", "K018"].contains(&error.code()), "{error}");
    }
    refused.is_ok()
}

#[test]
fn a_truncated_file_is_refused() {
    for form in [TEXT_2, BINARY_4] {
        let whole = plate().bytes(form);
        assert!(read_all(&whole));
        for name in ["MeshFormat", "PhysicalNames", "Entities", "Nodes", "Elements", "NodeData", "ElementData"] {
            let end = format!("$End{name}");
            let (Some(first), Some(last)) = (find(&whole, &format!("${name}")), find(&whole, &end)) else { continue };
            for n in first + 1..last + end.len() {
                assert!(!read_all(&whole[..n]), "{form:?}, cut in ${name} after {n} bytes");
            }
        }
    }
}

fn find(bytes: &[u8], text: &str) -> Option<usize> {
    bytes.windows(text.len()).position(|w| w == text.as_bytes())
}

fn forms() -> impl Strategy<Value = Form> {
    (0..FORMS.len()).prop_map(|i| FORMS[i])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_do_no_harm(form in forms(), at in prop::collection::vec((0.0..1.0f64, any::<u8>()), 1..6), cut in 0.5..1.5f64) {
        let mut bytes = plate().bytes(form);
        for (place, value) in at {
            let i = (place * bytes.len() as f64) as usize;
            bytes[i] = value;
        }
        bytes.truncate((cut * bytes.len() as f64) as usize);
        read_all(&bytes);
    }

    #[test]
    fn huge_counts_are_refused_before_memory_is_asked_for(form in forms(), at in 0.0..1.0f64, shift in 8..64u32) {
        let mut bytes = plate().bytes(form);
        let i = (at * (bytes.len() - 8) as f64) as usize;
        let huge = u64::MAX >> (64 - shift);
        if form.binary {
            bytes[i..i + 8].copy_from_slice(&if form.big_endian { huge.to_be_bytes() } else { huge.to_le_bytes() });
        } else {
            // The next number of the text.
            let digit = |b: &u8| b.is_ascii_digit();
            let first = i + bytes[i..].iter().position(digit).unwrap_or(0);
            let n = bytes[first..].iter().take_while(|b| digit(b)).count();
            bytes.splice(first..first + n, huge.to_string().into_bytes());
        }
        read_all(&bytes);
    }
}
