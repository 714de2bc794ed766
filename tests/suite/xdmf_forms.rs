//! XDMF: the forms in which programs write it, what is refused, and damaged files.

use kolmo::data::Location;
use kolmo::io::mesh_file::{ArrayInfo, MeshFile, Number};
use kolmo::io::xdmf::XdmfFile;
use kolmo::mesh::{CellBlock, CellType, Mesh};
use kolmo::{Error, Result};
use proptest::prelude::*;
use std::path::Path;
use tempfile::TempDir;

const TOPOLOGY: &str = r#"<Topology TopologyType="Triangle" NumberOfElements="2"><DataItem Dimensions="2 3" Format="XML" NumberType="Int">0 1 2 1 3 2</DataItem></Topology>"#;
const GEOMETRY: &str =
    r#"<Geometry GeometryType="XY"><DataItem Dimensions="4 2" Format="XML">0 0 1 0 0 1 1 1</DataItem></Geometry>"#;

/// A file of one Domain.
fn domain(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE Xdmf SYSTEM \"Xdmf.dtd\" []>\n<Xdmf Version=\"3.0\" \
         xmlns:xi=\"http://www.w3.org/2001/XInclude\"><Domain>{inside}</Domain></Xdmf>"
    )
}

/// A file of one grid with the usual mesh.
fn grid(inside: &str) -> String {
    domain(&format!("<Grid>{TOPOLOGY}{GEOMETRY}{inside}</Grid>"))
}

fn attribute(center: &str, item: &str) -> String {
    format!("<Attribute Name=\"p\" AttributeType=\"Scalar\" Center=\"{center}\">{item}</Attribute>")
}

fn mesh() -> Mesh {
    let cells = vec![CellBlock::new(CellType::Triangle, vec![0, 1, 2, 1, 3, 2])];
    Mesh { dim: 2, points: vec![0., 0., 1., 0., 0., 1., 1., 1.], cells }
}

/// The mesh of a state, and name, place and values of its arrays.
type State = (Mesh, Vec<(String, Location, Vec<f64>)>);

/// Writes the text, opens it, reads everything.
fn all(folder: &Path, text: &str) -> Result<Vec<State>> {
    let path = folder.join("a.xdmf");
    std::fs::write(&path, text).unwrap();
    let file = XdmfFile::open(&path)?;
    let state = |k: usize| {
        file.field_data(k)?;
        let read = |i: &ArrayInfo| file.read(k, i).map(|values| (i.field.name.clone(), i.field.location, values));
        let arrays = file.arrays(k)?.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok((file.mesh(k)?, arrays))
    };
    (0..file.n_states()).map(state).collect()
}

/// The values of the only array.
fn values(folder: &TempDir, item: &str) -> Result<Vec<f64>> {
    Ok(all(folder.path(), &grid(&attribute("Node", item)))?.remove(0).1.remove(0).2)
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().code().to_string()
}

/// A file of HDF5 with [4] float64, [2, 6] int32 and [4] float32.
fn hdf5(folder: &Path) {
    let file = hdf5::File::create(folder.join("a.h5")).unwrap();
    file.new_dataset_builder().with_data(&[1.5, 2.5, 3.5, 4.5]).create("p").unwrap();
    file.new_dataset_builder().with_data(&[0.1f32, 2.0, 3.0, 4.0]).create("single").unwrap();
    let group = file.create_group("g").unwrap();
    let rows = [[0i32, 1, 2, 3, 4, 5], [10, 11, 12, 13, 14, 15]];
    group.new_dataset_builder().with_data(ndarray::arr2(&rows).view()).create("i").unwrap();
}

#[test]
fn formats_of_data_items() {
    let folder = tempfile::tempdir().unwrap();
    hdf5(folder.path());
    let big: Vec<u8> = [7i16, -2, 300, 4].iter().flat_map(|v| v.to_be_bytes()).collect();
    std::fs::write(folder.path().join("big.bin"), [&[9, 9, 9][..], &big].concat()).unwrap();
    let single: Vec<u8> = [0.1f32, -2.0, 3.0, f32::NAN].iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(folder.path().join("single.bin"), single).unwrap();
    let f = |v: f32| f64::from(v);
    let slab = |numbers: &str, dims: &str| {
        format!(
            r#"<DataItem ItemType="HyperSlab" Dimensions="{dims}" Type="HyperSlab"><DataItem Dimensions="3 2" Format="XML">{numbers}</DataItem>
               <DataItem Format="HDF" Dimensions="2 6" NumberType="Int">a.h5:/g/i</DataItem></DataItem>"#
        )
    };
    let cases = [
        (r#"<DataItem Dimensions="4" Format="XML" Precision="8"> 0.1 1e-300 <!-- c --> </DataItem>"#.to_string(), None),
        (r#"<DataItem Dimensions="4" Precision="8">0.1 1e-300 -3 +4</DataItem>"#.into(), Some([0.1, 1e-300, -3.0, 4.0])),
        (r#"<DataItem Dimensions="4 1" Format="XML" NumberType="Float" Precision="4">0.1 1 2 3</DataItem>"#.into(), Some([f(0.1), 1.0, 2.0, 3.0])),
        (r#"<DataItem Dimensions="4" Format="HDF"> a.h5:/p </DataItem>"#.into(), Some([1.5, 2.5, 3.5, 4.5])),
        (r#"<DataItem Dimensions="4 1" Format="HDF">./a.h5:p</DataItem>"#.into(), Some([1.5, 2.5, 3.5, 4.5])),
        (r#"<DataItem Format="HDF" NumberType="Float" Precision="8"><![CDATA[a.h5:/single]]></DataItem>"#.into(), Some([f(0.1), 2.0, 3.0, 4.0])),
        (r#"<DataItem Dimensions="4" Format="Binary" Endian="Big" Seek="3" NumberType="Int" Precision="2">big.bin</DataItem>"#.into(), Some([7.0, -2.0, 300.0, 4.0])),
        (r#"<DataItem Dimensions="4" Format="Binary" DataType="UInt" Precision="2" Endian="Big" Seek="3">big.bin</DataItem>"#.into(), Some([7.0, 65534.0, 300.0, 4.0])),
        (r#"<DataItem Dimensions="3" Format="Binary">single.bin</DataItem>"#.into(), None),
        (slab("1 1  1 2  1 3", "1 3"), None),
        (slab("0 1  1 2  2 2", "2 2"), Some([1.0, 3.0, 11.0, 13.0])),
    ];
    for (item, expected) in cases {
        match expected {
            Some(expected) => assert_eq!(values(&folder, &item).unwrap(), expected, "{item}"),
            None => assert!(["K003", "K005"].contains(&code(values(&folder, &item)).as_str()), "{item}"),
        }
    }
    let text = grid(&attribute("Node", r#"<DataItem Dimensions="4" Format="HDF">a.h5:/single</DataItem>"#));
    std::fs::write(folder.path().join("a.xdmf"), text).unwrap();
    let file = XdmfFile::open(folder.path().join("a.xdmf")).unwrap();
    assert_eq!(file.arrays(0).unwrap()[0].number, Number::Float32);
}

#[test]
fn one_grid() {
    let folder = tempfile::tempdir().unwrap();
    let item = r#"<DataItem Dimensions="4" Precision="8">1 2 3 4</DataItem>"#;
    let cells = r#"<DataItem Dimensions="2 1" Precision="8">5 6</DataItem>"#;
    let inside = [
        attribute("Node", item),
        attribute("Cell", cells),
        attribute("Face", item),
        format!("<Attribute Name=\"element\" ItemType=\"FiniteElementFunction\">{item}{item}</Attribute>"),
        r#"<Attribute Name="mach" Center="Grid"><DataItem Dimensions="1" Precision="8">0.7</DataItem></Attribute>"#
            .into(),
        r#"<Information Name="k" Value="1 2"/><Information Name="who" Value="a program"/><Time Value="3"/>"#.into(),
    ];
    let text = grid(&inside.concat());
    let found = all(folder.path(), &text).unwrap();
    let arrays = vec![
        ("p".to_string(), Location::Point, vec![1., 2., 3., 4.]),
        ("p_cells".to_string(), Location::Cell, vec![5., 6.]),
    ];
    assert_eq!(found, [(mesh(), arrays)]);
    let file = XdmfFile::open(folder.path().join("a.xdmf")).unwrap();
    assert_eq!(file.field_data(0).unwrap(), [("mach".into(), vec![0.7]), ("k".into(), vec![1., 2.])]);
    assert_eq!(file.times(), Some(&[3.0][..]));
    // Version 2 as VTK writes it, with the first point 1, and coordinates apart.
    let old = r#"<?xml version="1.0" ?><Xdmf Version="2.1"><Domain><Grid Name="g"><Geometry Type="X_Y_Z">
        <DataItem Dimensions="3">0 1 0</DataItem><DataItem Dimensions="3">0 0 1</DataItem><DataItem Dimensions="3">5 5 5</DataItem></Geometry>
        <Topology Type="tri" BaseOffset="1"><DataItem Dimensions="1 3" NumberType="Int">1 2 3</DataItem></Topology></Grid></Domain></Xdmf>"#;
    let mesh = all(folder.path(), old).unwrap().remove(0).0;
    assert_eq!((mesh.dim, mesh.points), (3, vec![0., 0., 5., 1., 0., 5., 0., 1., 5.]));
    assert_eq!(mesh.cells, [CellBlock::new(CellType::Triangle, vec![0, 1, 2])]);
}

#[test]
fn cells_in_every_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let cells = |attributes: &str, dims: &str, numbers: &str| {
        let topology =
            format!("<Topology {attributes}><DataItem Dimensions=\"{dims}\">{numbers}</DataItem></Topology>");
        let points = GEOMETRY
            .replace("\"XY\"", "\"XYZ\"")
            .replace("4 2", "4 3")
            .replace("0 0 1 0 0 1 1 1", "0 0 0 1 0 0 0 1 0 0 0 1");
        Ok::<_, Error>(all(folder.path(), &domain(&format!("<Grid>{topology}{points}</Grid>")))?.remove(0).0.cells)
    };
    let line = CellBlock::new(CellType::Line, vec![0, 1, 2, 3]);
    assert_eq!(
        cells("TopologyType=\"PolyLine\" NodesPerElement=\"2\"", "2 2", "0 1 2 3").unwrap(),
        std::slice::from_ref(&line)
    );
    assert_eq!(cells("Type=\"Edge\"", "4", "0 1 2 3").unwrap(), std::slice::from_ref(&line));
    let vertices = CellBlock::new(CellType::Vertex, vec![3, 1]);
    assert_eq!(cells("Type=\"PolyVertex\"", "2 1", "3 1").unwrap(), std::slice::from_ref(&vertices));
    let triangle = CellBlock::new(CellType::Triangle6, vec![0, 1, 2, 3, 0, 1]);
    for name in ["Tri_6", "TRIANGLE_6", "Triangle_6"] {
        assert_eq!(cells(&format!("Type=\"{name}\""), "1 6", "0 1 2 3 0 1").unwrap(), std::slice::from_ref(&triangle));
    }
    let polygons = CellBlock::of_sizes(CellType::Polygon, vec![0, 1, 2, 1, 3, 2], [3, 3]);
    assert_eq!(
        cells("Type=\"Polygon\" NodesPerElement=\"3\"", "6", "0 1 2 1 3 2").unwrap(),
        std::slice::from_ref(&polygons)
    );
    assert_eq!(cells("Type=\"Polygon\"", "2 3", "0 1 2 1 3 2").unwrap(), [polygons]);
    let faces = "4 3 0 1 2 3 0 1 3 3 0 2 3 3 1 2 3";
    let mixed = format!("1 1 3 1 1 1 2 2 0 1 2 2 2 3 16 {faces} 3 4 0 1 3 2");
    let found = cells("Type=\"Mixed\" NumberOfElements=\"6\"", "38", &mixed).unwrap();
    let stream: Vec<u32> = faces.split(' ').map(|w| w.parse().unwrap()).collect();
    let polyhedron = CellBlock::of_sizes(CellType::Polyhedron, stream, [17]);
    let polygon = CellBlock::of_sizes(CellType::Polygon, vec![0, 1, 3, 2], [4]);
    assert_eq!(found, [vertices, line, polyhedron, polygon]);
    for (attributes, dims, numbers, expected) in [
        ("Type=\"Mixed\" NumberOfElements=\"2\"", "4", "4 0 1 2", "K005"),
        ("Type=\"Mixed\"", "3", "4 0 1", "K003"),
        ("Type=\"Mixed\"", "5", "2 3 0 1 2", "K018"),
        ("Type=\"Mixed\"", "5", "77 3 0 1 2", "K018"),
        ("Type=\"Triangle\" NumberOfElements=\"3\"", "2 3", "0 1 2 1 3 2", "K005"),
        ("Type=\"Triangle\"", "4", "0 1 2 1", "K005"),
        ("Type=\"Triangle\"", "1 3", "0 1 4", "K015"),
        ("Type=\"Triangle\"", "1 3", "0 1 -1", "K015"),
        ("Type=\"Triangle\"", "1 3", "0 1 0.5", "K015"),
        ("Type=\"Triangle\" BaseOffset=\"1\"", "1 3", "0 1 2", "K015"),
        ("Type=\"Triangle\" Order=\"0 2 1\"", "1 3", "0 1 2", "K018"),
        ("Type=\"Polyline\" NodesPerElement=\"3\"", "1 3", "0 1 2", "K018"),
        ("Type=\"3DCoRectMesh\" Dimensions=\"2 2 2\"", "1", "0", "K018"),
        ("Type=\"Hexahedron_64\"", "64", "0", "K018"),
        ("", "1 3", "0 1 2", "K018"),
    ] {
        assert_eq!(code(cells(attributes, dims, numbers)), expected, "{attributes} {numbers}");
    }
}

/// One mesh and a step per time, as the programs refer to it.
fn series(include: &str, time: impl Fn(usize) -> String) -> String {
    let step = |k: usize| {
        let p = attribute("Node", &format!("<DataItem Dimensions=\"4\" Precision=\"8\">{k} 1 2 3</DataItem>"));
        format!("<Grid GridType=\"Uniform\">{include}{}{p}</Grid>", time(k))
    };
    format!("<Grid Name=\"s\" GridType=\"Collection\" CollectionType=\"Temporal\">{}{}</Grid>", step(0), step(1))
}

#[test]
fn series_with_one_mesh() {
    let folder = tempfile::tempdir().unwrap();
    let first = format!("<Grid Name=\"mesh\" GridType=\"Uniform\">{TOPOLOGY}{GEOMETRY}</Grid>");
    let value = |k: usize| format!("<Time Value=\"{}\"/>", k as f64 / 2.0);
    let xpointer = |path: &str| format!("<xi:include xpointer=\"xpointer({path})\"/>");
    let fenicsx = xpointer("/Xdmf/Domain/Grid[@GridType='Uniform'][1]/*[self::Topology or self::Geometry]");
    let meshio = xpointer("//Grid[@Name=&quot;mesh&quot;]/*[self::Topology or self::Geometry]");
    let reference = r#"<Topology Reference="XML">/Xdmf/Domain/Grid[1]/Topology</Topology><Geometry Reference="/Xdmf/Domain/Grid[1]/Geometry[1]"/>"#;
    let whole = format!("{TOPOLOGY}{GEOMETRY}");
    for include in [&fenicsx, &meshio, reference, &whole] {
        let text = domain(&format!("{first}{}", series(include, value)));
        let found = all(folder.path(), &text).unwrap();
        let file = XdmfFile::open(folder.path().join("a.xdmf")).unwrap();
        assert_eq!((file.times(), file.mesh_is_shared()), (Some(&[0.0, 0.5][..]), true), "{include}");
        for (k, (found, arrays)) in found.into_iter().enumerate() {
            assert_eq!((found, &arrays[0].2), (mesh(), &vec![k as f64, 1., 2., 3.]));
        }
    }
    let none = |_: usize| String::new();
    for (time, expected) in [
        (r#"<Time TimeType="List"><DataItem Dimensions="2" Precision="8">7 9</DataItem></Time>"#, Ok([7.0, 9.0])),
        (
            r#"<Time TimeType="HyperSlab"><DataItem Dimensions="3" Precision="8">1 0.25 2</DataItem></Time>"#,
            Ok([1.0, 1.25]),
        ),
        (r#"<Time TimeType="List"><DataItem Dimensions="3" Precision="8">7 8 9</DataItem></Time>"#, Err("K005")),
        (r#"<Time TimeType="Range"><DataItem Dimensions="2" Precision="8">7 8</DataItem></Time>"#, Err("K018")),
    ] {
        let text = domain(&series(&whole, none)).replace("\"Temporal\">", &format!("\"Temporal\">{time}"));
        let result = all(folder.path(), &text);
        match expected {
            Ok(times) => assert_eq!(XdmfFile::open(folder.path().join("a.xdmf")).unwrap().times(), Some(&times[..])),
            Err(expected) => assert_eq!(code(result), expected),
        }
    }
    // One collection for each function.
    let second = series(&fenicsx, value).replace("\"p\"", "\"q\"");
    let both = domain(&format!("{first}{}{second}", series(&fenicsx, value)));
    assert_eq!(all(folder.path(), &both).unwrap()[1].1.iter().map(|a| a.0.as_str()).collect::<Vec<_>>(), ["p", "q"]);
    assert_eq!(code(all(folder.path(), &both.replacen("0.5", "0.75", 1))), "K018");
    // Another mesh in the second step.
    let moved = series(&whole, value).replace("<Time Value=\"0.5\"/>", "").replacen("1 1<", "1 2<", 1);
    all(folder.path(), &domain(&moved)).unwrap();
    let file = XdmfFile::open(folder.path().join("a.xdmf")).unwrap();
    assert_eq!((file.mesh_is_shared(), file.times()), (false, None));
    assert_ne!(file.mesh(0).unwrap(), file.mesh(1).unwrap());
}

#[test]
fn several_grids() {
    let folder = tempfile::tempdir().unwrap();
    let p = attribute("Cell", r#"<DataItem Dimensions="2" Precision="8">5 6</DataItem>"#);
    let tags = attribute("Cell", r#"<DataItem Dimensions="1" Precision="8">7</DataItem>"#).replace("\"p\"", "\"tags\"");
    let one = format!("<Grid>{TOPOLOGY}{GEOMETRY}{p}</Grid>");
    let facets = format!(
        "<Grid><Topology Type=\"Edge\"><DataItem Dimensions=\"1 2\">0 1</DataItem></Topology>{GEOMETRY}{tags}</Grid>"
    );
    let found = all(folder.path(), &domain(&format!("{one}{facets}{}", one.replace("\"p\"", "\"q\"")))).unwrap();
    assert_eq!(found[0].1.iter().map(|a| a.0.as_str()).collect::<Vec<_>>(), ["p", "q"]);
    let both = format!("<Grid GridType=\"Collection\" CollectionType=\"Spatial\">{one}{one}</Grid>");
    let (mesh, arrays) = all(folder.path(), &domain(&both)).unwrap().remove(0);
    assert_eq!((mesh.n_points(), mesh.n_cells(), &mesh.cells[1].connectivity[..]), (8, 4, &[4, 5, 6, 5, 7, 6][..]));
    assert_eq!(arrays, [("p".to_string(), Location::Cell, vec![5., 6., 5., 6.])]);
}

#[test]
fn what_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    hdf5(folder.path());
    std::fs::write(folder.path().join("short.bin"), [0; 31]).unwrap();
    let item = |attributes: &str, text: &str| format!("<DataItem {attributes}>{text}</DataItem>");
    let cases = [
        ("Dimensions=\"4\" Format=\"HDF\"", "b.h5:/p", "K001"),
        ("Dimensions=\"4\" Format=\"HDF\"", "a.h5:/q", "K006"),
        ("Dimensions=\"4\" Format=\"HDF\"", "a.xdmf:/q", "K002"),
        ("Dimensions=\"4\" Format=\"HDF\"", "nothing", "K003"),
        ("Dimensions=\"4\" Format=\"HDF\"", "a.h5:/p|0|1|4", "K018"),
        ("Dimensions=\"4\" Format=\"HDF\"", "a.h5:/g/i", "K005"),
        ("Dimensions=\"4 999999999999 999999999999\" Format=\"HDF\"", "a.h5:/p", "K003"),
        ("Dimensions=\"4 99999999999\"", "1 2 3 4", "K005"),
        ("Dimensions=\"4\"", "1 2 3 4 5", "K005"),
        ("Dimensions=\"4\"", "1 2 3      ", "K005"),
        ("Dimensions=\"4\"", "1 2 three 4", "K003"),
        ("Dimensions=\"4\"", "1 2 &other; 4", "K003"),
        ("Dimensions=\"five\"", "1 2 3 4", "K003"),
        ("", "1 2 3 4", "K003"),
        ("Dimensions=\"5\"", "1 2 3 4 5", "K005"),
        ("Dimensions=\"4\" Format=\"Binary\" Precision=\"8\"", "short.bin", "K005"),
        ("Dimensions=\"4\" Format=\"Binary\" Precision=\"8\" Seek=\"18446744073709551615\"", "short.bin", "K005"),
        ("Dimensions=\"4\" Format=\"Binary\"", "none.bin", "K001"),
        ("Dimensions=\"4\" Format=\"Binary\" Precision=\"16\"", "short.bin", "K018"),
        ("Dimensions=\"4\" Format=\"Binary\" Endian=\"Middle\"", "short.bin", "K018"),
        ("Dimensions=\"4\" Format=\"Binary\" Compression=\"Zlib\"", "short.bin", "K018"),
        ("Dimensions=\"4\" Format=\"Binary\" NumberType=\"Compound\"", "short.bin", "K018"),
        ("Dimensions=\"4\" Format=\"TIFF\"", "a.tiff", "K018"),
        ("Dimensions=\"4\" ItemType=\"Function\" Function=\"$0\"", "", "K018"),
        ("Reference=\"XML\"", "/Xdmf/Domain/Grid[2]/DataItem", "K006"),
        ("Reference=\"XML\"", "//DataItem[last()]", "K018"),
        ("Reference=\"XML\"", "DataItem", "K018"),
        ("Reference=\"XML\"", "//Attribute/DataItem", "K003"),
    ];
    for (attributes, text, expected) in cases {
        assert_eq!(code(values(&folder, &item(attributes, text))), expected, "{attributes}: {text}");
    }
    let error = values(&folder, &item("Dimensions=\"4\" Format=\"HDF\"", "b.h5:/p")).unwrap_err().to_string();
    assert!(error.contains("b.h5") && error.contains("a.xdmf"), "both files are named: {error}");
    let error = values(&folder, &item("Dimensions=\"4\" Format=\"HDF\"", "a.h5:/g/i")).unwrap_err().to_string();
    assert!(error.contains("[2, 6]") && error.contains("Dimensions 4"), "both shapes are named: {error}");
    let whole = grid("");
    for (text, expected) in [
        (String::new(), "K003"),
        ("no markup".into(), "K002"),
        ("<VTKFile/>".into(), "K002"),
        (whole[..whole.len() - 20].to_string(), "K003"),
        (whole.replace("</Grid>", "</Gird>"), "K003"),
        (domain(""), "K003"),
        (domain("<Grid/>"), "K003"),
        (domain(&format!("<Grid>{TOPOLOGY}</Grid>")), "K003"),
        (domain("<Grid GridType=\"Collection\" CollectionType=\"Temporal\"></Grid>"), "K003"),
        (whole.replace("<Grid>", "<Grid GridType=\"Subset\">"), "K018"),
        (whole.replace("\"XY\"", "\"VXVYVZ\""), "K018"),
        (whole.replace("\"XY\"", "\"X_Y\""), "K003"),
        (whole.replace("\"XY\"", "\"XYZ\""), "K005"),
        (whole.replace("0 1 1 1<", "0 1 1 inf<"), "K015"),
        (domain(&"<Grid GridType=\"Collection\">".repeat(200)), "K003"),
        (domain("<Grid><xi:include href=\"b.xdmf\" xpointer=\"xpointer(//Grid)\"/></Grid>"), "K018"),
        (domain("<Grid><xi:include xpointer=\"xpointer(//Geometry)\"/></Grid>"), "K006"),
        (grid("<Time Value=\"late\"/>"), "K003"),
    ] {
        assert_eq!(code(all(folder.path(), &text)), expected, "{text}");
    }
    std::fs::write(folder.path().join("a.xdmf"), b"<Xdmf>\xff</Xdmf>").unwrap();
    assert_eq!(code(XdmfFile::open(folder.path().join("a.xdmf"))), "K003");
    assert_eq!(code(XdmfFile::open(folder.path())), "K002");
    assert_eq!(code(XdmfFile::open(folder.path().join("none.xdmf"))), "K001");
}

/// A file in which each reference goes through all elements is given up in time.
#[test]
fn paths_that_take_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let filler = "<a/>".repeat(20_000);
    let step = |k: usize| format!("<Grid><xi:include xpointer=\"xpointer(//*[@x='{k}'])\"/></Grid>");
    let steps: String = (0..4_000).map(step).collect();
    let first = "<Topology x=\"0\"/><Geometry x=\"0\"/>";
    let text =
        domain(&format!("{first}<Grid GridType=\"Collection\" CollectionType=\"Temporal\">{steps}</Grid>{filler}"));
    let text = (1..4_000).fold(text, |text, k| text.replacen("<a/>", &format!("<Geometry x=\"{k}\"/>"), 1));
    assert_eq!(code(all(folder.path(), &text)), "K003");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is changed in the text, it is read or refused.
    #[test]
    fn damaged_text(changes in prop::collection::vec((any::<prop::sample::Index>(), 0..8usize, any::<u8>()), 1..6)) {
        let folder = tempfile::tempdir().unwrap();
        hdf5(folder.path());
        let p = attribute("Node", r#"<DataItem Dimensions="4" Format="HDF">a.h5:/p</DataItem>"#);
        let slab = r#"<DataItem ItemType="HyperSlab" Dimensions="2 2"><DataItem Dimensions="3 2">0 1 1 2 2 2</DataItem><DataItem Format="HDF" Dimensions="2 6">a.h5:/g/i</DataItem></DataItem>"#;
        let mixed = r#"<Topology Type="Mixed" NumberOfElements="3"><DataItem Dimensions="12">4 0 1 2 2 2 0 1 4 1 3 2</DataItem></Topology>"#;
        let include = "<xi:include xpointer=\"xpointer(/Xdmf/Domain/Grid[@GridType='Uniform'][1]/*[self::Topology or self::Geometry])\"/>";
        let second = attribute("Node", slab).replace("\"p\"", "\"q\"");
        let text = domain(&format!(
            "<Grid GridType=\"Uniform\">{mixed}{GEOMETRY}</Grid>{}",
            series(include, |k| format!("<Time Value=\"{k}\"/>{p}{second}"))
        ));
        let mut bytes = text.into_bytes();
        for (at, kind, byte) in changes {
            if bytes.is_empty() {
                break;
            }
            let i = at.index(bytes.len());
            match kind {
                0 => bytes[i] = byte,
                1 => bytes.insert(i, byte),
                2 => drop(bytes.remove(i)),
                3 => bytes.truncate(i + 1),
                4 => bytes[i] = b"0123456789<>/\"[] -"[byte as usize % 18],
                5 => bytes.splice(i..i, b"9999999999".iter().copied()).for_each(drop),
                6 => { let tail = bytes[i..].to_vec(); bytes.extend(tail); }
                _ => { let j = (i + byte as usize).min(bytes.len()); bytes.drain(i..j); }
            }
        }
        let _ = all(folder.path(), &String::from_utf8_lossy(&bytes));
    }
}
