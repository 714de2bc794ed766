//! Pieces of a mesh: every cell once, equal sizes, small interfaces, meshes that are whole in themselves.

use kolmo::mesh::partition::{Piece, partition, piece};
use kolmo::mesh::{CellBlock, CellType, Mesh};
use std::collections::BTreeMap;
use std::path::Path;

/// A box of `n[0]` x `n[1]` x `n[2]` hexahedra, each of side 1.
pub fn hexahedra(n: [usize; 3]) -> Mesh {
    let node = |i: usize, j: usize, k: usize| (((k * (n[1] + 1)) + j) * (n[0] + 1) + i) as u32;
    let mut points = Vec::new();
    for k in 0..=n[2] {
        for j in 0..=n[1] {
            (0..=n[0]).for_each(|i| points.extend([i as f64, j as f64, k as f64]));
        }
    }
    let mut cells = Vec::new();
    for k in 0..n[2] {
        for j in 0..n[1] {
            for i in 0..n[0] {
                for k in [k, k + 1] {
                    cells.extend([node(i, j, k), node(i + 1, j, k), node(i + 1, j + 1, k), node(i, j + 1, k)]);
                }
            }
        }
    }
    Mesh { dim: 3, points, cells: vec![CellBlock::new(CellType::Hexahedron, cells)] }
}

/// The same with faces below, a block of polyhedra among the hexahedra, and two points without a cell.
fn mixed(n: [usize; 3]) -> Mesh {
    let mut mesh = hexahedra(n);
    let hexahedra = mesh.cells.remove(0);
    let ground: Vec<u32> = hexahedra.iter().take(n[0] * n[1]).flat_map(|c| c[..4].to_vec()).collect();
    let (mut stream, mut ends) = (Vec::new(), Vec::new());
    for cell in hexahedra.iter().take(hexahedra.n_cells() / 3) {
        stream.push(6);
        for face in [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]] {
            stream.push(4);
            stream.extend(face.map(|i| cell[i]));
        }
        ends.push(stream.len());
    }
    let rest: Vec<u32> = hexahedra.iter().skip(hexahedra.n_cells() / 3).flatten().copied().collect();
    mesh.points.extend([-1.0, 0.0, 0.0, -2.0, 0.0, 0.0]);
    mesh.cells = vec![
        CellBlock::ragged(CellType::Polyhedron, stream, ends),
        CellBlock::new(CellType::Quad, ground),
        CellBlock::new(CellType::Hexahedron, rest),
    ];
    mesh
}

fn all(mesh: &Mesh, n_pieces: usize) -> Vec<Piece> {
    let pieces = partition(mesh, n_pieces);
    assert_eq!(pieces.len(), mesh.n_cells());
    (0..n_pieces).map(|k| piece(mesh, &pieces, k, n_pieces)).collect()
}

/// Type and coordinates of each cell.
fn described(mesh: &Mesh) -> Vec<(&'static str, Vec<[f64; 3]>)> {
    let of = |block: &CellBlock| -> Vec<_> {
        (0..block.n_cells()).map(|i| (block.cell_type.name(), mesh.coordinates(&block.points(i)))).collect()
    };
    mesh.cells.iter().flat_map(of).collect()
}

#[track_caller]
fn check(mesh: &Mesh, n_pieces: usize) {
    let (pieces, cells) = (all(mesh, n_pieces), described(mesh));
    let mut counts = vec![0; cells.len()];
    let (mut owned, mut first) = (vec![0; mesh.n_points()], BTreeMap::new());
    for (k, p) in pieces.iter().enumerate() {
        p.mesh.validate(Path::new("piece")).unwrap();
        assert!(p.cells.windows(2).all(|w| w[0] < w[1]) && p.points.windows(2).all(|w| w[0] < w[1]));
        assert_eq!((p.mesh.n_points(), p.owned.len()), (p.points.len(), p.points.len()));
        let found = described(&p.mesh);
        assert_eq!(found.len(), p.cells.len(), "{n_pieces} pieces");
        for (cell, c) in found.iter().zip(&p.cells) {
            counts[*c] += 1;
            assert_eq!(cell, &cells[*c], "cell {c} of piece {k}");
        }
        for (i, (point, is_own)) in p.points.iter().zip(&p.owned).enumerate() {
            assert_eq!(p.mesh.point(i), mesh.point(*point));
            assert_eq!(*is_own, *first.entry(*point).or_insert(k) == k, "the lowest piece owns point {point}");
            owned[*point] += usize::from(*is_own);
        }
        let even = cells.len() as f64 / n_pieces as f64;
        assert!((p.cells.len() as f64 - even).abs() <= 0.1 * even + 1.0, "{} cells of {even}", p.cells.len());
    }
    assert!(counts.iter().all(|n| *n == 1), "every cell once");
    assert!(owned.iter().all(|n| *n == 1), "every point has one owner");
}

#[test]
fn pieces_hold_every_cell_once_and_are_of_one_size() {
    for n_pieces in [1, 2, 3, 5, 7, 16] {
        check(&hexahedra([9, 7, 5]), n_pieces);
        check(&mixed([6, 5, 4]), n_pieces);
    }
    // More pieces than cells.
    check(&hexahedra([2, 1, 1]), 5);
}

#[test]
fn interfaces_of_a_box_are_small() {
    // The best cuts of 16^3 cells into 2, 4 and 8 are planes of 17^2 points.
    let mesh = hexahedra([16, 16, 16]);
    for (n_pieces, best) in [(2, 17 * 17), (4, 2 * 17 * 17 - 17), (8, 3 * 17 * 17 - 3 * 17 + 1)] {
        let copies: usize = all(&mesh, n_pieces).iter().map(|p| p.owned.iter().filter(|o| !**o).count()).sum();
        let shared: usize = {
            let mut counts = vec![0; mesh.n_points()];
            all(&mesh, n_pieces).iter().flat_map(|p| &p.points).for_each(|p| counts[*p] += 1);
            counts.iter().filter(|n| **n > 1).count()
        };
        assert_eq!(shared, best, "{n_pieces} pieces");
        assert!(copies >= shared);
    }
    // Three pieces of a long bar are cut across it.
    let bar = hexahedra([30, 3, 3]);
    let copies: usize = all(&bar, 3).iter().map(|p| p.owned.iter().filter(|o| !**o).count()).sum();
    assert_eq!(copies, 2 * 16);
}

#[test]
fn round_off_does_not_move_a_cut() {
    let mesh = hexahedra([12, 12, 4]);
    let mut moved = mesh.clone();
    moved.points.iter_mut().enumerate().for_each(|(i, x)| *x *= 1.0 + 1e-15 * (i % 7) as f64);
    for n_pieces in [2, 3, 8] {
        assert_eq!(partition(&mesh, n_pieces), partition(&moved, n_pieces));
    }
}
