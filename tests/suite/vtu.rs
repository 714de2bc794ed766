//! VTU files: read back by a small reader of our own, and refusals.

use kolmo::data::Location;
use kolmo::io::mesh_file::{MeshArray, Number};
use kolmo::io::vtk::vtu_writer::write_vtu;
use kolmo::mesh::{CellBlock, CellType, Mesh};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// Name -> (attributes, bytes).
pub type Arrays = BTreeMap<String, (BTreeMap<String, String>, Vec<u8>)>;

/// The head and every array of a file with raw appended data (headers UInt64) compressed with zlib, and field data as text.
pub fn read(path: &Path) -> (String, Arrays) {
    let bytes = std::fs::read(path).unwrap();
    let mark = b"<AppendedData encoding=\"raw\">";
    let at = bytes.windows(mark.len()).position(|w| w == mark).unwrap();
    let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
    let base = at + bytes[at..].iter().position(|&b| b == b'_').unwrap() + 1;
    assert!(bytes.ends_with(b"\n</AppendedData>\n</VTKFile>\n"));
    let mut arrays = BTreeMap::new();
    let mut end = 0;
    let mut lines = head.lines();
    while let Some(line) = lines.next() {
        if !line.starts_with("<DataArray ") {
            continue;
        }
        let mut attributes = BTreeMap::new();
        let mut rest = line.trim_start_matches("<DataArray ");
        while let Some((key, tail)) = rest.split_once("=\"") {
            let (value, tail) = tail.split_once('"').unwrap();
            attributes.insert(key.trim().to_string(), value.to_string());
            rest = tail;
        }
        if attributes["format"] == "ascii" {
            let numbers = lines.next().unwrap().split_whitespace().map(|t| t.parse::<f64>().unwrap());
            let bytes = numbers.flat_map(f64::to_le_bytes).collect();
            assert_eq!(lines.next(), Some("</DataArray>"));
            arrays.insert(attributes["Name"].clone(), (attributes, bytes));
            continue;
        }
        let offset: usize = attributes["offset"].parse().unwrap();
        assert_eq!(offset, end, "blocks follow each other");
        let start = base + offset;
        let number =
            |i: usize| u64::from_le_bytes(bytes[start + 8 * i..start + 8 * i + 8].try_into().unwrap()) as usize;
        end = offset + 8 * (3 + number(0));
        let mut unpacked = Vec::new();
        for i in 0..number(0) {
            let block = &bytes[base + end..base + end + number(3 + i)];
            let n = flate2::read::ZlibDecoder::new(block).read_to_end(&mut unpacked).unwrap();
            let last = i + 1 == number(0) && number(2) > 0;
            assert_eq!(n, if last { number(2) } else { number(1) });
            end += block.len();
        }
        arrays.insert(attributes["Name"].clone(), (attributes, unpacked));
    }
    assert_eq!(base + end + b"\n</AppendedData>\n</VTKFile>\n".len(), bytes.len());
    (head, arrays)
}

pub fn floats(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
}

fn integers(bytes: &[u8]) -> Vec<i64> {
    bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect()
}

/// For a look from outside: KOLMO_KEEP=FOLDER keeps a copy.
pub fn keep(path: &Path) {
    if let Some(folder) = std::env::var_os("KOLMO_KEEP") {
        std::fs::copy(path, Path::new(&folder).join(path.file_name().unwrap())).unwrap();
    }
}

fn mesh() -> Mesh {
    Mesh {
        dim: 2,
        points: vec![0., 0., 1., 0., 1., 1., 0., 1., 2., 0.],
        cells: vec![
            CellBlock::new(CellType::Quad, vec![0, 1, 2, 3]),
            CellBlock::new(CellType::Triangle, vec![1, 4, 2]),
        ],
    }
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.vtu");
    let p = [1.0, 2.0, 3.0, f64::MIN_POSITIVE, -5e300];
    let u: Vec<f64> = (0..10).map(f64::from).collect();
    let c = [0.25, 0.75];
    let free = [0.1 + 0.2, 1.0 / 3.0, 5e-324, -1.7976931348623157e308];
    let arrays = [
        MeshArray { name: "p", location: Location::Point, n_components: 1, number: Number::Float64, values: &p },
        MeshArray { name: "u", location: Location::Point, n_components: 2, number: Number::Float64, values: &u },
        MeshArray {
            name: "a<b & \"c\"",
            location: Location::Cell,
            n_components: 1,
            number: Number::Float64,
            values: &c,
        },
        MeshArray {
            name: "spectrum",
            location: Location::Free,
            n_components: 2,
            number: Number::Float64,
            values: &free,
        },
    ];
    write_vtu(&path, &mesh(), &arrays, &[("indicator".into(), vec![0.125]), ("flag".into(), vec![1.0])]).unwrap();
    let (head, found) = read(&path);
    assert!(head.contains("NumberOfPoints=\"5\" NumberOfCells=\"2\"") && head.contains("header_type=\"UInt64\""));
    assert_eq!(floats(&found["Points"].1), [0., 0., 0., 1., 0., 0., 1., 1., 0., 0., 1., 0., 2., 0., 0.]);
    assert_eq!(integers(&found["connectivity"].1), [0, 1, 2, 3, 1, 4, 2]);
    assert_eq!(integers(&found["offsets"].1), [4, 7]);
    assert_eq!(found["types"].1, [9, 5]);
    assert_eq!(floats(&found["p"].1), p);
    assert_eq!(found["u"].0["NumberOfComponents"], "3");
    let padded: Vec<f64> = u.chunks(2).flat_map(|v| [v[0], v[1], 0.0]).collect();
    assert_eq!(floats(&found["u"].1), padded);
    assert_eq!(floats(&found["a&lt;b &amp; &quot;c&quot;"].1), c);
    assert_eq!(floats(&found["indicator"].1), [0.125]);
    assert_eq!(floats(&found["flag"].1), [1.0]);
    assert_eq!((found["spectrum"].0["NumberOfTuples"].as_str(), floats(&found["spectrum"].1)), ("2", free.to_vec()));
    for (name, (attributes, _)) in &found {
        let in_field_data = ["indicator", "flag", "spectrum"].contains(&name.as_str());
        assert_eq!(attributes["format"], if in_field_data { "ascii" } else { "appended" }, "{name}");
        assert!(attributes.get("NumberOfComponents").is_none_or(|n| n != "1"), "{name}");
    }
    let section = |tag: &str| {
        head.split(&format!("<{tag}>")).nth(1).unwrap().split(&format!("</{tag}>")).next().unwrap().to_string()
    };
    assert!(
        section("PointData").contains("\"p\"")
            && section("CellData").contains("a&lt;b")
            && section("FieldData").contains("flag")
    );
    keep(&path);
}

/// A line as boundary beside the cells of the surface: an array on the surface cells only draws these.
#[test]
fn arrays_on_the_cells_of_the_highest_dimension() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.vtu");
    let mut mesh = mesh();
    mesh.cells.insert(1, CellBlock::new(CellType::Line, vec![0, 1]));
    let all = MeshArray {
        name: "all",
        location: Location::Cell,
        n_components: 2,
        number: Number::Float64,
        values: &[1., 2., 3., 4., 5., 6.],
    };
    let top = MeshArray {
        name: "top",
        location: Location::Cell,
        n_components: 1,
        number: Number::Float64,
        values: &[7., 8.],
    };
    write_vtu(&path, &mesh, &[all], &[]).unwrap();
    let (_, found) = read(&path);
    assert_eq!((&found["types"].1[..], floats(&found["all"].1).len()), (&[9, 3, 5][..], 9));
    write_vtu(&path, &mesh, &[all, top], &[]).unwrap();
    let (head, found) = read(&path);
    assert!(head.contains("NumberOfCells=\"2\""), "{head}");
    assert_eq!((&found["types"].1[..], integers(&found["connectivity"].1)), (&[9, 5][..], vec![0, 1, 2, 3, 1, 4, 2]));
    assert_eq!(floats(&found["all"].1), [1., 2., 0., 5., 6., 0.]);
    assert_eq!(floats(&found["top"].1), [7., 8.]);
}

#[test]
fn files_are_replaced_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.vtu");
    std::fs::write(&path, "old").unwrap();
    let names = || std::fs::read_dir(folder.path()).unwrap().count();
    let long = [0.0; 4];
    let wrong =
        MeshArray { name: "p", location: Location::Point, n_components: 1, number: Number::Float64, values: &long };
    assert_eq!(write_vtu(&path, &mesh(), &[wrong], &[]).unwrap_err().code(), "K100");
    assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), names()), ("old", 1));
    write_vtu(&path, &mesh(), &[], &[]).unwrap();
    assert!(std::fs::read(&path).unwrap().starts_with(b"<?xml") && names() == 1);
    assert_eq!(write_vtu(&folder.path().join("no/out.vtu"), &mesh(), &[], &[]).unwrap_err().code(), "K001");
    assert_eq!(write_vtu(Path::new("/"), &mesh(), &[], &[]).unwrap_err().code(), "K103");
}

#[test]
fn wrong_lengths_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.vtu");
    for (location, n_components, n) in
        [(Location::Point, 1, 4), (Location::Cell, 1, 5), (Location::Point, 0, 0), (Location::Free, 3, 4)]
    {
        let values = vec![0.0; n];
        let array = MeshArray { name: "p", location, n_components, number: Number::Float64, values: &values };
        assert_eq!(write_vtu(&path, &mesh(), &[array], &[]).unwrap_err().code(), "K100");
    }
    let mut broken = mesh();
    broken.cells[1].connectivity[0] = 5;
    assert_eq!(write_vtu(&path, &broken, &[], &[]).unwrap_err().code(), "K015");
    assert!(!path.exists());
}
