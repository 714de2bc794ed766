//! Samples on partitioned meshes (.pvtu): ranks read the pieces that hold their rows, and find the same as one rank.

use crate::mpi_ranks::{difference, ranks, wanted};
use crate::partition::hexahedra;
use crate::tool::kolmo;
use faer::Mat;
use kolmo::comm::{Communicator, run_on_threads};
use kolmo::data::{FieldInfo, Location, Table};
use kolmo::io::SnapshotSource;
use kolmo::io::mesh_file::{MeshArray, MeshFile, Number};
use kolmo::io::mesh_samples::MeshSamples;
use kolmo::io::piece_writer::PieceWriter;
use kolmo::io::vtk::vtu::VtuFile;
use kolmo::io::vtk::vtu_writer::write_vtu;
use kolmo::linalg::tall::Layout;
use kolmo::mesh::Mesh;
use kolmo::mesh::partition::{partition, piece};
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

fn parameter(sample: usize) -> f64 {
    0.3 + (0.754_877_666 * (sample + 1) as f64).fract()
}

fn value(x: [f64; 3], mu: f64) -> f64 {
    (mu * (0.1 * x[0] + 0.05 * x[1]) + 0.02 * x[2]).sin() + mu * 0.01 * x[2]
}

/// Writes `n_samples` samples s0, s1, ... with a scalar and a vector on points and a scalar on cells, in `n_pieces` pieces.
fn write(folder: &Path, mesh: &Mesh, n_samples: usize, n_pieces: usize) {
    let numbers = partition(mesh, n_pieces);
    let done = run_on_threads(n_pieces, |comm| {
        let mesh = piece(mesh, &numbers, comm.rank(), n_pieces).mesh;
        let names: Vec<String> = (0..n_samples).map(|s| format!("s{s}")).collect();
        let mut writer = PieceWriter::create(comm.clone(), folder, &names, mesh.n_points() == 0)?;
        let centres = mesh.cell_centres();
        for s in 0..n_samples {
            let p: Vec<f64> = (0..mesh.n_points()).map(|i| value(mesh.point(i), parameter(s))).collect();
            let u: Vec<f64> = p.iter().flat_map(|p| [*p, p * p, -p]).collect();
            let q: Vec<f64> = centres.chunks(3).map(|c| value([c[0], c[1], c[2]], parameter(s))).collect();
            let array = |name, location, n_components, values| MeshArray {
                name,
                location,
                n_components,
                number: Number::Float64,
                values,
            };
            let arrays = [
                array("p", Location::Point, 1, &p[..]),
                array("u", Location::Point, 3, &u[..]),
                array("q", Location::Cell, 1, &q[..]),
            ];
            writer.append(None, &mesh, &arrays, &[])?;
        }
        let table = Table::new(vec!["mu".into()], (0..n_samples).map(parameter).collect())?;
        writer.finish(Some(&table), None)
    });
    done.into_iter().for_each(|d| d.unwrap());
}

fn piece_file(folder: &Path, sample: usize, piece: usize) -> std::path::PathBuf {
    folder.join(format!("s{sample}_{piece}.vtu"))
}

/// Numbers of the points and cells of the whole mesh that each piece gives: points that no piece before it has.
fn given(folder: &Path, n_pieces: usize) -> Vec<[Range<usize>; 2]> {
    let (mut seen, mut n_cells) = (HashSet::new(), 0);
    let of_piece = |p: usize| {
        let mesh = VtuFile::open(piece_file(folder, 0, p)).unwrap().mesh(0).unwrap();
        let first = [seen.len(), n_cells];
        seen.extend((0..mesh.n_points()).map(|i| mesh.point(i).map(f64::to_bits)));
        n_cells += mesh.n_cells();
        [first[0]..seen.len(), first[1]..n_cells]
    };
    (0..n_pieces).map(of_piece).collect()
}

fn meet(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start.max(b.start) < a.end.min(b.end)
}

fn rows(field: &FieldInfo, comm: &Arc<dyn Communicator>) -> Range<usize> {
    Layout::even(field.n_entities, field.n_components, comm.clone()).local_range()
}

#[test]
fn ranks_need_no_pieces_but_theirs() {
    const PIECES: usize = 8;
    const SAMPLES: usize = 3;
    let mesh = hexahedra([40, 30, 24]);
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    write(&whole, &mesh, SAMPLES, PIECES);
    let serial = MeshSamples::open(&whole).unwrap();
    let names: Vec<&str> = serial.fields().iter().map(|f| f.name.as_str()).collect();
    assert_eq!((names, serial.points_move(), serial.n_samples()), (vec!["p", "u", "q"], false, SAMPLES));
    let all: Vec<usize> = (0..SAMPLES).collect();
    let expected: Vec<Mat<f64>> =
        serial.fields().iter().map(|f| serial.read(f, &all, 0..f.n_dofs()).unwrap()).collect();
    let given = given(&whole, PIECES);
    for size in [2, 3] {
        let folders: Vec<_> = (0..size).map(|rank| folder.path().join(format!("{size}_{rank}"))).collect();
        // A folder for each rank, without the pieces that give no row of it: but for the first sample and first pieces.
        let mut kept = vec![Vec::new(); size];
        run_on_threads(size, |comm| {
            let wanted = |p: &usize| {
                let of = |f: &FieldInfo, g: &Range<usize>| {
                    let k = f.n_components;
                    meet(&rows(f, &comm), &(g.start * k..g.end * k))
                };
                serial.fields().iter().any(|f| of(f, &given[*p][usize::from(f.location == Location::Cell)]))
            };
            (0..PIECES).filter(wanted).collect::<Vec<_>>()
        })
        .into_iter()
        .enumerate()
        .for_each(|(rank, found)| kept[rank] = found);
        for (to, kept) in folders.iter().zip(&kept) {
            std::fs::create_dir(to).unwrap();
            for file in std::fs::read_dir(&whole).unwrap().map(|e| e.unwrap()) {
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
            for s in 1..SAMPLES {
                let others = (1..PIECES).filter(|p| !kept.contains(p));
                others.for_each(|p| std::fs::remove_file(piece_file(to, s, p)).unwrap());
            }
        }
        println!("{size} ranks: pieces {kept:?} of {PIECES}");
        assert!(kept.iter().all(|kept| kept.len() < PIECES), "{kept:?}");
        run_on_threads(size, |comm| {
            let rank = comm.rank();
            let part = MeshSamples::open_on(&folders[rank], &comm).unwrap();
            assert_eq!((part.fields(), part.points_move()), (serial.fields(), false));
            assert!(!part.remarks().iter().any(|r| r.contains("sample")), "{:?}", part.remarks());
            for (field, expected) in part.fields().iter().zip(&expected) {
                let own = rows(field, &comm);
                let found = part.read(field, &all, own.clone()).unwrap();
                assert!(found == expected.subrows(own.start, own.len()), "rank {rank}, {}", field.name);
                // The same by single rows, in the middle of an entity too.
                for row in
                    [own.start, own.start + own.len() / 2 + 1, own.end - 1].into_iter().filter(|r| own.contains(r))
                {
                    assert_eq!(part.read(field, &all, row..row + 1).unwrap(), expected.subrows(row, 1).to_owned());
                }
            }
            // Rows of a piece that is not there.
            let lost = (1..PIECES).find(|p| !kept[rank].contains(p)).unwrap();
            let error = part.read(&part.fields()[0], &[1], given[lost][0].clone()).unwrap_err();
            let name = piece_file(Path::new(""), 1, lost);
            assert!(error.code() == "K001" && error.to_string().contains(name.to_str().unwrap()), "{error}");
        });
    }
}

/// What opening tells, and the rows or errors of each field and sample.
fn described(samples: &MeshSamples, own: &dyn Fn(&FieldInfo) -> Range<usize>) -> Vec<String> {
    let mut lines = samples.remarks();
    lines.push(format!("{} {:?} {:?}", samples.points_move(), samples.names(), samples.fields()));
    for field in samples.fields() {
        for s in 0..samples.n_samples() {
            lines.push(match samples.read(field, &[s], own(field)) {
                Ok(values) => format!("{} {:?}", field.name, values.col_as_slice(0)),
                Err(e) => e.code().to_string(),
            });
        }
    }
    lines
}

#[test]
fn other_pieces_are_found_by_all_ranks() {
    const PIECES: usize = 5;
    let mesh = hexahedra([26, 24, 20]);
    type Change<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Change<'_>, &str); 4] = [
        ("moved", &|folder| moved(folder, 2, PIECES - 1), "other points on the cells of sample s0"),
        ("lost", &|folder| std::fs::remove_file(piece_file(folder, 2, 3)).unwrap(), "cannot be read (s2"),
        (
            "renumbered",
            &|folder| {
                let list = folder.join("s1.pvtu");
                let text = std::fs::read_to_string(&list).unwrap();
                let swapped =
                    text.replace("s1_0.vtu", "s1_x").replace("s1_4.vtu", "s1_0.vtu").replace("s1_x", "s1_4.vtu");
                std::fs::write(list, swapped).unwrap();
            },
            "matched to sample s0 (s1)",
        ),
        (
            "fewer",
            &|folder| {
                let list = folder.join("s1.pvtu");
                let text = std::fs::read_to_string(&list).unwrap();
                std::fs::write(list, text.replace("<Piece Source=\"s1_4.vtu\"/>\n", "")).unwrap();
                std::fs::remove_file(piece_file(folder, 1, 4)).unwrap();
            },
            "on other meshes than sample s0 (s1",
        ),
    ];
    for (name, change, told) in cases {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &mesh, 3, PIECES);
        change(folder.path());
        let serial = MeshSamples::open(folder.path()).unwrap();
        assert!(serial.remarks().iter().any(|r| r.contains(told)), "{name}: {:?}", serial.remarks());
        for size in [1, 2, 3] {
            run_on_threads(size, |comm| {
                let own = |f: &FieldInfo| rows(f, &comm);
                let part = MeshSamples::open_on(folder.path(), &comm).unwrap();
                assert!(described(&part, &own) == described(&serial, &own), "{name}, {size} ranks");
            });
        }
    }
}

/// Moves a point in the interior of a piece of a sample.
fn moved(folder: &Path, sample: usize, number: usize) {
    let path = piece_file(folder, sample, number);
    let file = VtuFile::open(&path).unwrap();
    let mut mesh = file.mesh(0).unwrap();
    let inside = (0..mesh.n_points()).map(|i| mesh.point(i)).collect::<Vec<_>>();
    let centre: [f64; 3] = std::array::from_fn(|k| inside.iter().map(|x| x[k]).sum::<f64>() / inside.len() as f64);
    let distance = |x: &[f64; 3]| (0..3).map(|k| (x[k] - centre[k]).powi(2)).sum::<f64>();
    let nearest = (0..inside.len()).min_by(|a, b| distance(&inside[*a]).total_cmp(&distance(&inside[*b]))).unwrap();
    mesh.points[3 * nearest] += 0.25;
    let read: Vec<_> = file.arrays(0).unwrap().into_iter().map(|a| (a.clone(), file.read(0, &a).unwrap())).collect();
    let arrays: Vec<MeshArray<'_>> = read
        .iter()
        .map(|(a, values)| MeshArray {
            name: &a.field.name,
            location: a.field.location,
            n_components: a.field.n_components,
            number: a.number,
            values,
        })
        .collect();
    write_vtu(&path, &mesh, &arrays, &[]).unwrap();
}

#[test]
fn a_folder_that_only_one_rank_finds_ends_all() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    write(&there, &hexahedra([3, 3, 3]), 3, 2);
    let codes = run_on_threads(3, |comm| {
        let path = if comm.rank() == 1 { folder.path().join("nowhere") } else { there.clone() };
        MeshSamples::open_on(&path, &comm).unwrap_err().code().to_string()
    });
    assert!(codes.iter().all(|code| *code == codes[0]), "{codes:?}");
    // Ranks that see different meshes go on by themselves.
    let other = folder.path().join("other");
    write(&other, &hexahedra([3, 3, 4]), 4, 3);
    let found = run_on_threads(2, |comm| {
        let path = if comm.rank() == 1 { &other } else { &there };
        let samples = MeshSamples::open_on(path, &comm).unwrap();
        (samples.n_samples(), samples.remarks())
    });
    let serial = |path: &Path| MeshSamples::open(path).map(|s| (s.n_samples(), s.remarks())).unwrap();
    assert_eq!(found, [serial(&there), serial(&other)]);
}

#[test]
fn mpi_ranks_fit_partitioned_meshes() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(&at.join("pieces"), &hexahedra([26, 24, 20]), 8, 5);
    kolmo(at, &["fit", "pieces", "-o", "serial.h5"]).success();
    for n_ranks in [1, 2, 3] {
        ranks(at, n_ranks, &["fit", "pieces", "-o", "ranks.h5"]).success();
        let off = difference(&at.join("serial.h5"), &at.join("ranks.h5"), "/pod");
        assert_eq!(off, 0.0, "{n_ranks} ranks");
    }
    let scores = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["fields"].clone();
    let args = ["validate", "pieces", "--folds", "2", "--json"];
    let serial = scores(&kolmo(at, &args).success().stdout);
    let shared = scores(&ranks(at, 2, &args).success().stdout);
    for field in ["p", "u", "q"] {
        let [a, b] = [&serial, &shared].map(|s| s[field]["rel_l2_mean"].as_f64().unwrap());
        assert!((a - b).abs() <= 1e-10 * a, "{field}: {a:e}, {b:e}");
    }
    // A value that is no number, in a piece that the last rank reads.
    let path = piece_file(&at.join("pieces"), 5, 4);
    let file = VtuFile::open(&path).unwrap();
    let (mesh, array) = (file.mesh(0).unwrap(), file.arrays(0).unwrap().remove(0));
    let mut values = file.read(0, &array).unwrap();
    *values.last_mut().unwrap() = f64::NAN;
    let arrays = ["p", "u", "q"].map(|name| {
        let info = file.arrays(0).unwrap().into_iter().find(|a| a.field.name == name).unwrap();
        let values = if name == array.field.name { values.clone() } else { file.read(0, &info).unwrap() };
        (info, values)
    });
    let arrays: Vec<MeshArray<'_>> = arrays
        .iter()
        .map(|(a, values)| MeshArray {
            name: &a.field.name,
            location: a.field.location,
            n_components: a.field.n_components,
            number: a.number,
            values,
        })
        .collect();
    write_vtu(&path, &mesh, &arrays, &[]).unwrap();
    for n_ranks in [1, 2, 3] {
        let run = ranks(at, n_ranks, &["fit", "pieces", "-o", "bad.h5"]);
        crate::tool::check_message(&run, 2, &["K004"], &["s5", "p, point"]);
    }
}
