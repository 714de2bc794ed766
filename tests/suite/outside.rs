//! Files as other programs write them, in ways that are rare.

use crate::tool::{kolmo, write_text};
use kolmo::data::Location;
use kolmo::io::mesh_file::{MeshArray, MeshFile, Number};
use kolmo::io::sample_writer::SampleWriter;
use kolmo::io::stacked::StackedFile;
use kolmo::io::vtk::vtu_writer::write_vtu;
use kolmo::io::xdmf::XdmfFile;
use kolmo::io::{SnapshotSource, open_mesh};
use kolmo::mesh::{CellBlock, CellType, Mesh};
use std::path::Path;

/// A file of `text`, opened.
fn opened(folder: &Path, name: &str, text: &str) -> Box<dyn MeshFile> {
    write_text(folder, name, text);
    open_mesh(&folder.join(name)).unwrap()
}

fn values(file: &dyn MeshFile, name: &str) -> Vec<f64> {
    let array = file.arrays(0).unwrap().into_iter().find(|a| a.field.name == name).unwrap();
    file.read(0, &array).unwrap()
}

fn on_cells<'a>(name: &'a str, number: Number, values: &'a [f64]) -> MeshArray<'a> {
    MeshArray { name, location: Location::Cell, n_components: 1, number, values }
}

/// Words of text stand anywhere: an empty line before the lookup table is none of the values.
#[test]
fn an_empty_line_before_a_lookup_table() {
    let folder = tempfile::tempdir().unwrap();
    let text = "# vtk DataFile Version 2.0\nt\nASCII\nDATASET POLYDATA\nPOINTS 3 float\n0 0 0 1 0 0 0 1 0\nPOLYGONS 1 4\n\
                3 0 1 2\nPOINT_DATA 3\nSCALARS s int 1\n\n  LOOKUP_TABLE default\n4 5 6\n";
    assert_eq!(values(opened(folder.path(), "a.vtk", text).as_ref(), "s"), [4.0, 5.0, 6.0]);
}

/// Lengths of a grid without points ask for no memory.
#[test]
fn a_grid_without_points() {
    let folder = tempfile::tempdir().unwrap();
    for lengths in ["0 0 99999999999999", "99999999999999 1 0"] {
        let text = format!("# vtk DataFile Version 3.0\nt\nASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS {lengths}\n");
        let mesh = opened(folder.path(), "a.vtk", &text).mesh(0).unwrap();
        assert_eq!((mesh.n_points(), mesh.n_cells()), (0, 0));
    }
}

/// Arrays on points and on cells, named alike in all ways: each name once.
#[test]
fn names_of_arrays_on_points_and_cells() {
    let folder = tempfile::tempdir().unwrap();
    let array = |name: &str| format!("<DataArray type=\"Float64\" Name=\"{name}\" format=\"ascii\">1</DataArray>");
    let text = format!(
        "<VTKFile type=\"UnstructuredGrid\"><UnstructuredGrid><Piece NumberOfPoints=\"1\" NumberOfCells=\"1\">\
         <PointData>{}</PointData><CellData>{}{}{}</CellData><Points>\
         <DataArray type=\"Float64\" NumberOfComponents=\"3\" format=\"ascii\">0 0 0</DataArray></Points><Cells>\
         <DataArray type=\"Int64\" Name=\"connectivity\" format=\"ascii\">0</DataArray>\
         <DataArray type=\"Int64\" Name=\"offsets\" format=\"ascii\">1</DataArray>\
         <DataArray type=\"UInt8\" Name=\"types\" format=\"ascii\">1</DataArray></Cells></Piece></UnstructuredGrid></VTKFile>",
        array("p"),
        array("p_cells"),
        array("p"),
        array("q"),
    );
    let arrays = opened(folder.path(), "a.vtu", &text).arrays(0).unwrap();
    let names: Vec<&str> = arrays.iter().map(|a| a.field.name.as_str()).collect();
    assert_eq!(names, ["p", "p_cells", "p_cells_cells", "q"]);
}

/// Lagrange triangles of orders 1 and 2 around a quad: types by numbers of points, values gathered likewise.
#[test]
fn lagrange_cells_in_legacy_files() {
    let folder = tempfile::tempdir().unwrap();
    let text = "# vtk DataFile Version 4.2\nt\nASCII\nDATASET UNSTRUCTURED_GRID\nPOINTS 6 double\n\
                0 0 0 2 0 0 0 2 0 1 0 0 1 1 0 0 1 0\nCELLS 4 20\n3 0 3 5\n6 0 1 2 3 4 5\n4 3 1 4 5\n3 5 4 2\n\
                CELL_TYPES 4\n69 69 9 69\nCELL_DATA 4\nSCALARS c double\nLOOKUP_TABLE default\n1 2 3 4\n";
    let file = opened(folder.path(), "a.vtk", text);
    let mesh = file.mesh(0).unwrap();
    let found: Vec<_> = mesh.cells.iter().map(|b| (b.cell_type, b.connectivity.clone())).collect();
    let expected = [
        (CellType::Triangle, vec![0, 3, 5, 5, 4, 2]),
        (CellType::Triangle6, vec![0, 1, 2, 3, 4, 5]),
        (CellType::Quad, vec![3, 1, 4, 5]),
    ];
    assert_eq!(found, expected);
    assert_eq!(values(file.as_ref(), "c"), [1.0, 4.0, 2.0, 3.0]);
    let other = text.replace("69 69 9 69", "69 72 9 69");
    write_text(folder.path(), "b.vtk", &other);
    assert_eq!(open_mesh(&folder.path().join("b.vtk")).unwrap().mesh(0).unwrap_err().code(), "K018");
}

/// ParaView writes the time of a state as field data, and VTK arrays without components.
#[test]
fn time_and_empty_arrays_of_vtu_files() {
    let folder = tempfile::tempdir().unwrap();
    let text = |time: &str| {
        format!(
            "<VTKFile type=\"UnstructuredGrid\"><UnstructuredGrid><FieldData>{time}</FieldData>\
             <Piece NumberOfPoints=\"1\" NumberOfCells=\"0\"><PointData>\
             <DataArray type=\"Float64\" Name=\"none\" NumberOfComponents=\"0\" format=\"ascii\"/>\
             <DataArray type=\"Float64\" Name=\"p\" format=\"ascii\">7</DataArray></PointData><Points>\
             <DataArray type=\"Float64\" NumberOfComponents=\"3\" format=\"ascii\">0 0 0</DataArray></Points>\
             </Piece></UnstructuredGrid></VTKFile>"
        )
    };
    let array = |name: &str, n: usize, values: &str| {
        format!(
            "<DataArray type=\"Float64\" Name=\"{name}\" NumberOfTuples=\"{n}\" format=\"ascii\">{values}</DataArray>"
        )
    };
    let file = opened(folder.path(), "a.vtu", &text(&array("TimeValue", 1, "0.25")));
    assert_eq!(file.times(), Some(&[0.25][..]));
    assert_eq!(file.arrays(0).unwrap().len(), 1);
    assert_eq!(values(file.as_ref(), "p"), [7.0]);
    let info = kolmo(folder.path(), &["info", "a.vtu"]).success();
    assert!(info.stdout.contains("time: 0.25"), "{}", info.stdout);
    for other in [String::new(), array("TimeValue", 2, "0 1"), array("Times", 1, "1")] {
        assert_eq!(opened(folder.path(), "a.vtu", &text(&other)).times(), None);
    }
}

/// A square of two triangles with an edge: values on the triangles, as views of gmsh and fields of CGNS have them.
fn with_an_edge() -> Mesh {
    let cells =
        vec![CellBlock::new(CellType::Line, vec![0, 1]), CellBlock::new(CellType::Triangle, vec![0, 1, 2, 0, 2, 3])];
    Mesh { dim: 2, points: vec![0., 0., 1., 0., 1., 1., 0., 1.], cells }
}

#[test]
fn series_with_values_on_cells_of_the_highest_dimension() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.xdmf");
    let mesh = with_an_edge();
    let mut writer = SampleWriter::create(&path, &["a".to_string(), "b".to_string()]).unwrap();
    for time in [0.5, 1.5] {
        let (top, tag) = ([time, 2.0], [7.0, 8.0, 9.0]);
        let arrays = [on_cells("top", Number::Float64, &top), on_cells("tag", Number::Integer, &tag)];
        writer.append(Some(time), &mesh, &arrays, &[]).unwrap();
    }
    writer.finish(None, None).unwrap();
    let file = XdmfFile::open(&path).unwrap();
    assert_eq!(file.times(), Some(&[0.5, 1.5][..]));
    assert!(file.mesh_is_shared());
    assert_eq!(file.mesh(1).unwrap().cells, mesh.cells[1..]);
    assert_eq!((values(&file, "top"), values(&file, "tag")), (vec![0.5, 2.0], vec![8.0, 9.0]));
}

#[test]
fn files_in_a_folder_keep_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut writer = SampleWriter::create(&path, &["a".to_string(), "b".to_string()]).unwrap();
    writer.append(Some(0.5), &with_an_edge(), &[], &[]).unwrap();
    writer.append(Some(0.5), &with_an_edge(), &[], &[("TimeValue".into(), vec![2.0])]).unwrap();
    writer.finish(None, None).unwrap();
    let time = |name: &str| open_mesh(&path.join(name)).unwrap().times().map(<[f64]>::to_vec);
    assert_eq!((time("a.vtu"), time("b.vtu")), (Some(vec![0.5]), Some(vec![2.0])));
}

/// A strip of a triangle, a quad, a pentagon, again and again: as many blocks as cells.
fn alternating(n: u32) -> Mesh {
    let points = (0..3 * n + 3).flat_map(|i| [f64::from(i), f64::from(i % 3) * 0.5]).collect();
    let cell = |c: u32| {
        let p = 3 * c;
        match c % 3 {
            0 => CellBlock::new(CellType::Triangle, vec![p, p + 3, p + 1]),
            1 => CellBlock::new(CellType::Quad, vec![p, p + 3, p + 4, p + 1]),
            _ => CellBlock::of_sizes(CellType::Polygon, vec![p, p + 3, p + 4, p + 5, p + 1], [5]),
        }
    };
    Mesh { dim: 2, points, cells: (0..n).map(cell).collect() }
}

/// Cells refined here and there alternate between types: the file has a data set for each type, and the time is linear.
#[test]
fn as_many_blocks_as_cells() {
    let folder = tempfile::tempdir().unwrap();
    let n = 60_000;
    let mesh = alternating(n);
    assert_eq!(mesh.n_top_cells(), n as usize);
    let c: Vec<f64> = (0..n).map(f64::from).collect();
    write_vtu(&folder.path().join("a.vtu"), &mesh, &[on_cells("c", Number::Float64, &c)], &[]).unwrap();
    kolmo(folder.path(), &["convert", "a.vtu", "a.h5"]).success();
    let path = folder.path().join("a.h5");
    let source = StackedFile::open(&path).unwrap();
    assert_eq!(source.mesh().unwrap().cells, mesh.cells);
    let field = source.fields()[0].clone();
    assert_eq!(source.read(&field, &[0], 0..n as usize).unwrap().col_as_slice(0), c);
    drop(source);
    let edit = |change: &dyn Fn(&mut [u32])| {
        let file = hdf5::File::open_rw(&path).unwrap();
        let cells = file.group("mesh/cells").unwrap();
        assert_eq!(cells.member_names().unwrap(), ["polygon", "polygon_sizes", "quad", "runs", "triangle"]);
        let runs = cells.dataset("runs").unwrap();
        let mut numbers = runs.read_raw::<u32>().unwrap();
        change(&mut numbers);
        runs.write_raw(&numbers).unwrap();
    };
    for change in [(0, 3), (1, 2), (1, 0), (1, u32::MAX)] {
        edit(&|numbers| numbers[change.0] = change.1);
        assert_eq!(StackedFile::open(&path).unwrap_err().code(), "K005", "{change:?}");
        edit(&|numbers| [numbers[0], numbers[1]] = [0, 1]);
    }
    assert!(StackedFile::open(&path).is_ok());
}

/// Models hold such meshes too, and give them back with their predictions.
#[test]
fn models_on_as_many_blocks_as_cells() {
    let folder = tempfile::tempdir().unwrap();
    let (n, results) = (5_000, folder.path().join("results"));
    let mesh = alternating(n);
    std::fs::create_dir(&results).unwrap();
    for s in 0..4 {
        let c: Vec<f64> = (0..n).map(|i| f64::from(s) * (f64::from(i) * 0.01).sin() + 1.0).collect();
        let file = results.join(format!("s{s}.vtu"));
        write_vtu(&file, &mesh, &[on_cells("c", Number::Float64, &c)], &[("mu".into(), vec![f64::from(s)])]).unwrap();
    }
    kolmo(folder.path(), &["fit", "results", "-o", "m.h5"]).success();
    kolmo(folder.path(), &["predict", "m.h5", "--at", "mu=1.5", "-o", "p.vtu"]).success();
    let found = open_mesh(&folder.path().join("p.vtu")).unwrap().mesh(0).unwrap();
    assert_eq!(found.cells, mesh.cells);
}

/// h5py packs with lzf where it is told to; HDF5 by itself does not know it. The file is of
/// `h5py.File("lzf.h5", "w").create_dataset("snapshots/p", data=numpy.zeros((3, 400)), compression="lzf")`.
#[test]
fn a_compression_that_is_not_known() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/lzf.h5");
    let source = StackedFile::open(&path).unwrap();
    let field = source.fields()[0].clone();
    let error = source.read(&field, &[0], 0..400).unwrap_err();
    assert!(error.code() == "K018" && error.to_string().contains("gzip"), "{error}");
}
