//! Samples that are mesh files: which, in which order, on which mesh.

use crate::mesh::{cube, square};
use kolmo::io::sample_files::natural;
use kolmo::mesh::correspondence::{Correspondence, Renumbering, correspondence};
use kolmo::mesh::{CellBlock, CellType, Mesh};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

/// The mesh with shuffled points and cells; point `i` has the number `numbers[i]`.
pub fn renumbered(mesh: &Mesh, seed: u64) -> (Mesh, Vec<u32>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut numbers: Vec<u32> = (0..mesh.n_points() as u32).collect();
    numbers.shuffle(&mut rng);
    let mut points = vec![0.0; mesh.points.len()];
    for (i, &n) in numbers.iter().enumerate() {
        let (from, to) = (i * mesh.dim, n as usize * mesh.dim);
        points[to..to + mesh.dim].copy_from_slice(&mesh.points[from..from + mesh.dim]);
    }
    let shuffled = |block: &CellBlock| {
        let mut cells: Vec<Vec<u32>> = block.iter().map(|c| c.iter().map(|p| numbers[*p as usize]).collect()).collect();
        cells.shuffle(&mut rng.clone());
        CellBlock::new(block.cell_type, cells.concat())
    };
    let cells = mesh.cells.iter().map(shuffled).collect();
    (Mesh { dim: mesh.dim, points, cells }, numbers)
}

#[test]
fn numbers_in_names_count() {
    let mut names = ["run_10", "run_2", "run_02", "run_1", "a", "run", "run_1b", "run_2_x"];
    names.sort_by(|a, b| natural(a, b));
    assert_eq!(names, ["a", "run", "run_1", "run_1b", "run_02", "run_2", "run_2_x", "run_10"]);
}

#[test]
fn equal_meshes_in_other_precision_are_the_same() {
    let mesh = square(7, CellType::Triangle);
    let single = Mesh { points: mesh.points.iter().map(|x| f64::from(*x as f32)).collect(), ..mesh.clone() };
    assert_ne!(single, mesh);
    assert_eq!(correspondence(&mesh, &single), Correspondence::Same);
    let moved = Mesh { points: mesh.points.iter().map(|x| x * (1.0 + 1e-5)).collect(), ..mesh.clone() };
    // Far from the origin, as in coordinates of a map, a move is a move.
    let far = |shift: f64| Mesh { points: mesh.points.iter().map(|x| x + shift).collect(), ..mesh.clone() };
    assert_eq!(correspondence(&far(5e6 + 0.1), &far(5e6 + 0.1001)), Correspondence::Moved);
    assert_eq!(correspondence(&mesh, &moved), Correspondence::Moved);
}

#[test]
fn renumbered_meshes_are_matched() {
    for (mesh, seed) in
        [(square(9, CellType::Triangle), 1), (cube(3, CellType::Tetra), 2), (cube(2, CellType::Wedge), 3)]
    {
        let (other, numbers) = renumbered(&mesh, seed);
        let noisy = Mesh { points: other.points.iter().map(|x| f64::from(*x as f32)).collect(), ..other.clone() };
        for other in [other, noisy] {
            let Correspondence::Renumbered(found) = correspondence(&mesh, &other) else { panic!("not matched") };
            assert_eq!(found.points, numbers);
            assert_eq!(found.cells, found.top_cells);
            let (volumes, own) = (other.cell_volumes(), mesh.cell_volumes());
            let gathered = Renumbering::gather(&found.cells, &volumes, 1);
            assert!(gathered.iter().zip(&own).all(|(a, b)| (a - b).abs() < 1e-6 * b));
            let centres = Renumbering::gather(&found.cells, &other.cell_centres(), mesh.dim);
            assert!(centres.iter().zip(mesh.cell_centres()).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }
}

#[test]
fn other_meshes_are_refused_with_the_reason() {
    let mesh = square(4, CellType::Triangle);
    let reason = |other: &Mesh| match correspondence(&mesh, other) {
        Correspondence::Different(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(&square(3, CellType::Triangle)), "16 points, not 25");
    assert_eq!(reason(&square(4, CellType::Quad)), "0 cells of type triangle, not 32");
    // One point elsewhere, and the numbers shuffled.
    let (mut other, numbers) = renumbered(&mesh, 4);
    other.points[numbers[7] as usize * 2] += 0.01;
    assert!(reason(&other).starts_with("no point at the place of point 7 of the first mesh"), "{}", reason(&other));
    // The other diagonal in one square.
    let mut other = mesh.clone();
    other.cells[0].connectivity[..6].copy_from_slice(&[0, 1, 5, 1, 6, 5]);
    assert!(reason(&other).contains("no cell on those of cell 0"), "{}", reason(&other));
    // Two points at one place cannot be told apart.
    let (mut other, numbers) = renumbered(&mesh, 5);
    let (a, b) = (numbers[0] as usize * 2, numbers[1] as usize * 2);
    other.points.copy_within(a..a + 2, b);
    assert!(reason(&other).contains("at one place"), "{}", reason(&other));
}
