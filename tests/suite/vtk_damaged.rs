//! VTK XML files that are cut, changed or of another kind: refused by a code, never a panic, never memory that the file does not earn.

use crate::vtk_encoder::{Encoding, Mode, array, encode};
use crate::vtk_xml::{all_cells, arrays, write};
use kolmo::Result;
use kolmo::data::Location;
use kolmo::io::mesh_file::{MeshArray, MeshFile, Number};
use kolmo::io::vtk::vtu::VtuFile;
use kolmo::io::vtk::vtu_writer::write_vtu;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

/// Everything that a file holds.
fn read_all(path: &Path) -> Result<()> {
    let file = VtuFile::open(path)?;
    file.mesh(0)?;
    for array in file.arrays(0)? {
        file.read(0, &array)?;
    }
    file.field_data(0).map(drop)
}

fn encodings() -> Vec<Encoding> {
    let mut all = vec![Encoding::new(Mode::Ascii, "")];
    for mode in [Mode::Inline, Mode::Raw, Mode::Base64] {
        all.extend(["", "zlib", "lz4"].map(|c| Encoding::new(mode, c)));
    }
    all
}

fn written(folder: &Path) -> PathBuf {
    let path = folder.join("own.vtu");
    let mesh = all_cells();
    let values: Vec<f64> = (0..mesh.n_points()).map(|i| (i as f64).sin()).collect();
    let p =
        MeshArray { name: "p", location: Location::Point, n_components: 1, number: Number::Float64, values: &values };
    write_vtu(&path, &mesh, &[p], &[("mu".into(), vec![1.0])]).unwrap();
    path
}

#[test]
fn cut_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<Vec<u8>> = encodings().iter().map(|e| encode(*e, 8, 6, &arrays())).collect();
    files.push(std::fs::read(written(folder.path())).unwrap());
    for bytes in files {
        // The last line break may be missing.
        for n in (1..bytes.len() - 2).step_by(97).chain(bytes.len() - 20..bytes.len() - 2) {
            let path = write(folder.path(), "cut.vtu", &bytes[..n]);
            let error = read_all(&path).unwrap_err();
            let early = n < 300 && error.code() == "K002";
            assert!(error.code() == "K003" || early, "{n} of {}: {error}", bytes.len());
        }
    }
}

fn mutated(bytes: &[u8], changes: &[(f64, u8, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for &(at, how, byte) in changes {
        let i = ((bytes.len() as f64 * at) as usize).min(bytes.len() - 1);
        match how % 5 {
            0 => bytes[i] = byte,
            1 => bytes[i] ^= 1 << (byte % 8),
            2 => drop(bytes.remove(i)),
            3 => bytes.insert(i, byte),
            // Digits are where the counts are.
            _ => bytes[i..].iter_mut().filter(|b| b.is_ascii_digit()).take(1).for_each(|b| *b = b'0' + byte % 10),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn changed_bytes_never_panic(
        which in 0usize..11,
        // Half of the changes hit the head.
        changes in prop::collection::vec((prop_oneof![0.0f64..0.1, 0.0f64..1.0], any::<u8>(), any::<u8>()), 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let bytes = match encodings().get(which) {
            Some(e) => encode(*e, 8, 6, &arrays()),
            None => std::fs::read(written(folder.path())).unwrap(),
        };
        let path = write(folder.path(), "changed.vtu", &mutated(&bytes, &changes));
        if let Err(error) = read_all(&path) {
            prop_assert!(error.code().starts_with("K00") || ["K015", "K018"].contains(&error.code()), "{}", error);
            prop_assert_eq!(error.exit_code(), 2);
        }
    }
}

/// Counts that no file of this size can hold.
#[test]
fn counts_are_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = encode(Encoding::new(Mode::Ascii, ""), 8, 6, &arrays());
    let text = String::from_utf8(bytes).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let path = write(folder.path(), "huge.vtu", text.replacen(from, to, 1).as_bytes());
        read_all(&path).unwrap_err()
    };
    for (from, to, code, holds) in [
        ("NumberOfPoints=\"8\"", "NumberOfPoints=\"99999999999999\"", "K005", "NumberOfPoints=\"99999999999999\""),
        ("NumberOfPoints=\"8\"", "NumberOfPoints=\"9000000\"", "K005", "found 24 numbers; expected 27000000"),
        ("NumberOfPoints=\"8\"", "NumberOfPoints=\"99999999999999999999999\"", "K003", "expected a count"),
        ("NumberOfPoints=\"8\"", "NumberOfPoints=\"-8\"", "K003", "expected a count"),
        ("NumberOfCells=\"6 ", "NumberOfCells=\"999999999999", "K005", "NumberOfCells"),
        ("NumberOfComponents=\"3\"", "NumberOfComponents=\"9999999\"", "K005", "9999999 components"),
        ("3 7 11", "3 7 9223372036854775807", "K003", "numbers that rise"),
        ("0 1 2 0 1 2 3", "0 1 2 0 1 2 8", "K015", "point 8"),
        ("5 8 9", "5 8 77", "K018", "the VTK cell type 77"),
        ("5 8 9", "5 8 34", "K018", "cell 2: found the VTK cell type 34 biquadratic triangle; expected vertex, line"),
        ("5 8 9", "5 8 5", "K005", "cell 2 (triangle): found 4 points; expected 3"),
        ("0 0 0 1", "0 nan 0 1", "K004", "point 0, coordinate 1"),
        ("0 0 0 1", "0 x 0 1", "K003", "`x` at entry 1"),
        ("type=\"UInt8\" Name=\"types\"", "type=\"Uint8\" Name=\"types\"", "K006", "the type `Uint8`"),
        ("type=\"UInt8\" Name=\"types\"", "type=\"UInt8\" Name=\"typos\"", "K003", "no array `types`"),
        ("type='UnstructuredGrid'", "type='PolyData'", "K002", "mend: write an UnstructuredGrid"),
        ("<VTKFile", "<svg", "K002", "<svg>"),
        ("LittleEndian", "MiddleEndian", "K003", "MiddleEndian"),
        ("<UnstructuredGrid>", "<UnstructuredGrid TimeValues=\"0 1\">", "K018", "2 time steps in one file"),
        ("version=\"1.0\" byte", "compressor=\"vtkLZMADataCompressor\" byte", "K018", "found lzma compression"),
        ("version=\"1.0\" byte", "compressor=\"best\" byte", "K018", "the compressor best"),
        ("Name=\"UInt8\"", "Name=\"Int8\"", "K005", "two arrays of this name"),
    ] {
        let error = changed(from, to);
        assert!(error.code() == code && error.to_string().contains(holds), "{to}: {} {error}", error.code());
    }
    let error = read_all(&write(folder.path(), "no.vtu", b"solid cube\nfacet normal 0 0 1\n")).unwrap_err();
    assert_eq!(error.code(), "K002", "{error}");
    assert_eq!(read_all(&write(folder.path(), "empty.vtu", b"")).unwrap_err().code(), "K003");
    assert_eq!(VtuFile::open(folder.path()).unwrap_err().code(), "K002");
    assert_eq!(VtuFile::open(folder.path().join("missing.vtu")).unwrap_err().code(), "K001");
}

/// Headers of binary data that promise more than there is.
#[test]
fn headers_are_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let points: Vec<f64> = (0..30).map(f64::from).collect();
    let cloud = [array("Points", "Points", "Float64", 3, &points)];
    for compressor in ["", "zlib", "lz4"] {
        let e = Encoding { wide_headers: true, ..Encoding::new(Mode::Raw, compressor) };
        let bytes = encode(e, 10, 0, &cloud);
        let path = write(folder.path(), "headers.vtu", &bytes);
        assert_eq!(VtuFile::open(&path).unwrap().mesh(0).unwrap().points, points);
        let start = bytes.windows(5).position(|w| w == b"\n   _").unwrap() + 5;
        let n_numbers = if compressor.is_empty() { 1 } else { 4 };
        for i in 0..n_numbers {
            for n in [0, 1, 39, 41, 1 << 31, 1 << 60, u64::MAX, u64::MAX / 8] {
                let mut bytes = bytes.clone();
                let number = &mut bytes[start + 8 * i..start + 8 * i + 8];
                // A last block of 39 bytes or so changes what is there; one of 0 bytes is a full one, as here.
                if i == 2 && n == 0 {
                    continue;
                }
                number.copy_from_slice(&n.to_le_bytes());
                let path = write(folder.path(), "headers.vtu", &bytes);
                let error = VtuFile::open(&path).unwrap().mesh(0).unwrap_err();
                assert!(["K003", "K005"].contains(&error.code()), "{compressor} {i} {n}: {error}");
            }
        }
    }
    // A block of few bytes that claims to hold as many as the number of points asks for.
    let many = [array("Points", "Points", "Float64", 3, &vec![0.0; 9000])];
    let e = Encoding { block: 1 << 20, ..Encoding::new(Mode::Raw, "zlib") };
    let bytes = encode(e, 3000, 0, &many);
    let path = write(folder.path(), "dense.vtu", &bytes);
    assert_eq!(VtuFile::open(&path).unwrap().mesh(0).unwrap().n_points(), 3000);
    let text = bytes.windows(4).position(|w| w == b"3000").unwrap();
    let mut huge = bytes.clone();
    huge.splice(text..text + 4, *b"400000");
    let start = huge.windows(5).position(|w| w == b"\n   _").unwrap() + 5;
    huge[start + 4..start + 8].copy_from_slice(&9_600_000u32.to_le_bytes());
    huge[start + 8..start + 12].copy_from_slice(&0u32.to_le_bytes());
    let error = VtuFile::open(write(folder.path(), "dense.vtu", &huge)).unwrap().mesh(0).unwrap_err();
    assert!(error.code() == "K003" && error.to_string().contains("blocks that can be"), "{error}");
}
