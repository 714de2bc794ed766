//! Reads the sources and checks what the floors, the features and the error handling of the crate rest on.

use crate::rust_source::{PathUse, Token, paths, tokens, without_tests};
use std::path::{Path, PathBuf};

/// The floors, from the ground up, and what each may use.
const FLOORS: &[(&str, &[&str])] = &[
    ("comm", &[]),
    ("linalg", &["comm"]),
    ("data", &["comm", "linalg"]),
    ("mesh", &["comm", "linalg", "data"]),
    ("algorithms", &["comm", "linalg", "data", "mesh"]),
    // A trained model is evaluated without ranks, snapshots and meshes.
    ("online", &["linalg", "data", "algorithms"]),
    ("offline", &["comm", "linalg", "data", "mesh", "algorithms", "online"]),
    ("io", &["comm", "linalg", "data", "mesh", "algorithms", "online", "offline"]),
    ("report", &["comm", "linalg", "data", "mesh", "algorithms", "online", "offline", "io"]),
    ("cli", &["comm", "linalg", "data", "mesh", "algorithms", "online", "offline", "io", "report"]),
];

/// Files of `online` that may use meshes too.
const ONLINE_WITH_MESH: &[&str] = &["src/online/mesh_morphing.rs", "src/online/hyper_reduction.rs"];
/// Names at the root of the crate that every floor may use.
const ROOT: &[&str] = &["error", "Error", "Result"];
/// Where `unsafe` may stand.
const UNSAFE_ROOMS: &[&str] = &[
    "src/comm/mpi.rs",
    "src/linalg/simd.rs",
    "src/io/parallel_hdf5.rs",
    "src/io/raw_chunk.rs",
    "src/cli/allocator.rs",
];
/// Where the crate `mpi` may be used.
const MPI_ROOMS: &[&str] = &["src/comm/mpi.rs", "src/io/parallel_hdf5.rs"];
/// Where the crate `hdf5` may be used: a folder, and the command that reports its version.
const HDF5_ROOMS: &[&str] = &["src/io/", "src/cli/doctor.rs"];
/// Names of faer that may appear outside linalg.
const FAER_TYPES: &[&str] =
    &["Mat", "MatRef", "MatMut", "Col", "ColRef", "ColMut", "Row", "RowRef", "RowMut", "c64", "mat", "col", "row"];
/// Methods and functions of faer that may be called in linalg only.
const FAER_METHODS: &[&str] = &[
    "thin_svd",
    "svd",
    "qr",
    "col_piv_qr",
    "llt",
    "ldlt",
    "lblt",
    "partial_piv_lu",
    "full_piv_lu",
    "self_adjoint_eigen",
    "eigen",
    "generalized_eigen",
    "sp_cholesky",
    "sp_lu",
    "sp_qr",
    "solve_in_place",
];
const MAX_LINES: usize = 500;

/// What is wrong with one file of src, one line each.
fn violations(path: &str, source: &str) -> Vec<String> {
    let all = tokens(source);
    let code = without_tests(&all);
    let mut found = Vec::new();
    let mut report = |line: usize, what: String| found.push(format!("{path}:{line}: {what}"));
    let module = module_of(path);
    for used in paths(&code, &module) {
        if let Some(what) = wrong_path(path, &module, &used) {
            report(used.line, what);
        }
    }
    wrong_calls(path, &code, &mut report);
    wrong_features(&all, &mut report);
    wrong_unsafe(path, source, &all, &mut report);
    wrong_text(source, &mut report);
    let n_lines = source.lines().count();
    if n_lines > MAX_LINES {
        report(n_lines, format!("{n_lines} lines; at most {MAX_LINES}"));
    }
    found
}

/// `src/linalg/tall.rs` -> linalg, tall; `src/linalg/mod.rs` -> linalg; `src/lib.rs` -> nothing.
fn module_of(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = path.trim_end_matches(".rs").split('/').skip(1).map(str::to_string).collect();
    if parts.last().is_some_and(|p| matches!(p.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

fn wrong_path(path: &str, module: &[String], used: &PathUse) -> Option<String> {
    let own = module.first().map_or("", String::as_str);
    let inside =
        |rooms: &[&str]| rooms.iter().any(|room| path == *room || (room.ends_with('/') && path.starts_with(room)));
    let first = used.segments[0].as_str();
    let second = used.segments.get(1).map_or("", String::as_str);
    let full = used.segments.join("::");
    match first {
        // Modules of the root are named by lib.rs and main.rs only.
        "crate" | "kolmo" => {
            let floor = FLOORS.iter().find(|(name, _)| *name == own)?;
            let own_name = second == own || ROOT.contains(&second);
            let mesh_allowed = second == "mesh" && ONLINE_WITH_MESH.contains(&path);
            if own_name || mesh_allowed || floor.1.contains(&second) {
                return None;
            }
            Some(format!("`{full}`: {own} may use {:?}", floor.1))
        }
        // In comm, `mpi` is also the name of a module.
        "mpi" | "mpi_sys" if !inside(MPI_ROOMS) && path != "src/comm/mod.rs" => {
            Some(format!("`{full}`: the crate mpi is used in {MPI_ROOMS:?} only"))
        }
        "hdf5" if !inside(HDF5_ROOMS) => Some(format!("`{full}`: files are known to io only")),
        "faer" if own != "linalg" && !FAER_TYPES.contains(&second) => {
            Some(format!("`{full}`: outside linalg only the types of faer"))
        }
        _ => None,
    }
}

fn wrong_calls(path: &str, code: &[Token], report: &mut impl FnMut(usize, String)) {
    let text = |i: usize| code.get(i).map_or("", |t| t.text.as_str());
    for (i, token) in code.iter().enumerate() {
        let name = token.text.as_str();
        let method = i > 0 && text(i - 1) == "." && matches!(text(i + 1), "(" | "::");
        if method && name == "expect" || method && name == "unwrap" && text(i + 2) == ")" {
            report(token.line, format!("`.{name}(`: return an error instead"));
        }
        if matches!(name, "panic" | "todo" | "unimplemented" | "dbg") && text(i + 1) == "!" {
            report(token.line, format!("`{name}!`: return an error instead"));
        }
        let in_linalg = path.starts_with("src/linalg/");
        if !in_linalg && (method && FAER_METHODS.contains(&name) || name == "matmul" && text(i + 1) == "(") {
            report(token.line, format!("`{name}(`: call linalg::dense instead"));
        }
    }
}

/// A `cfg` on a feature stands directly before a `mod`, other attributes between them at most.
fn wrong_features(code: &[Token], report: &mut impl FnMut(usize, String)) {
    let text = |i: usize| code.get(i).map_or("", |t| t.text.as_str());
    let mut i = 0;
    while i < code.len() {
        let attribute = text(i) == "#" && (text(i + 1) == "[" || text(i + 1) == "!" && text(i + 2) == "[");
        let call = text(i) == "cfg" && text(i + 1) == "!";
        if !attribute && !call {
            i += 1;
            continue;
        }
        let end = end_of_brackets(code, i);
        let names_feature = (i..end).any(|j| text(j) == "feature" && text(j + 1) == "=");
        if names_feature {
            let mut item = end;
            while text(item) == "#" {
                item = end_of_brackets(code, item);
            }
            if text(item) == "pub" {
                item = if text(item + 1) == "(" { end_of_brackets(code, item) } else { item + 1 };
            }
            if call || text(i + 1) == "!" || text(i + 2) != "cfg" || text(item) != "mod" {
                report(code[i].line, "cfg(feature) stands before whole modules only".into());
            }
        }
        i = end;
    }
}

/// Index after the first pair of brackets from `begin` on.
fn end_of_brackets(code: &[Token], begin: usize) -> usize {
    let mut depth = 0;
    for (i, token) in code.iter().enumerate().skip(begin) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

fn wrong_unsafe(path: &str, source: &str, code: &[Token], report: &mut impl FnMut(usize, String)) {
    let lines: Vec<&str> = source.lines().collect();
    for token in code.iter().filter(|t| t.text == "unsafe") {
        if !UNSAFE_ROOMS.contains(&path) {
            report(token.line, format!("`unsafe` stands in {UNSAFE_ROOMS:?} only"));
            continue;
        }
        let around = &lines[token.line.saturating_sub(9)..token.line];
        if !around.iter().any(|l| l.contains("SAFETY") || l.contains("# Safety")) {
            report(token.line, "`unsafe` without a SAFETY comment above it".into());
        }
    }
}

/// Marks of unfinished work and paths of one machine, in sources and documents.
fn wrong_text(text: &str, report: &mut impl FnMut(usize, String)) {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let folders = [concat!("/wo", "rk"), concat!("/ro", "ot"), concat!("/ho", "me")];
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let whole = |line: &str, word: &str| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back().is_some_and(|c| is_word(c) || ".~}*".contains(c));
            let after = line[at + word.len()..].chars().next().is_some_and(is_word);
            !before && !after
        })
    };
    for (number, line) in text.lines().enumerate() {
        for word in marks.iter().chain(&folders) {
            if whole(line, word) {
                report(number + 1, format!("`{word}`"));
            }
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folder` that end in one of `endings`, as paths from the root of the repository.
fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    let name = |p: &PathBuf| p.strip_prefix(root()).unwrap().to_str().unwrap().to_string();
    let mut names: Vec<String> = found.iter().map(name).filter(|n| endings.iter().any(|e| n.ends_with(e))).collect();
    names.sort();
    names
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn the_sources_keep_the_rules() {
    let sources = files("src", &[".rs"]);
    assert!(sources.len() > 30, "only {} sources found", sources.len());
    let floors: Vec<String> = sources.iter().map(|s| module_of(s).first().cloned().unwrap_or_default()).collect();
    for floor in &floors {
        let known = FLOORS.iter().any(|(name, _)| name == floor) || ["", "error"].contains(&floor.as_str());
        assert!(known, "src/{floor} is on no floor");
    }
    let found: Vec<String> = sources.iter().flat_map(|path| violations(path, &read(path))).collect();
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

#[test]
fn documents_and_scripts_are_finished() {
    let mut names: Vec<String> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "setup", ".ci/run", "Cargo.toml"]
            .map(String::from)
            .to_vec();
    for folder in ["tests", "examples", "validation", "benches"] {
        names.extend(files(folder, &[".rs", ".md", ".toml", ".py", ".sh"]));
    }
    let mut found = Vec::new();
    for name in &names {
        let text = read(name);
        wrong_text(&text, &mut |line, what| found.push(format!("{name}:{line}: {what}")));
        let n_lines = text.lines().count();
        if name.ends_with(".rs") && n_lines > MAX_LINES {
            found.push(format!("{name}: {n_lines} lines; at most {MAX_LINES}"));
        }
    }
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_floor_uses_lower_ones_only() {
    for (i, (name, allowed)) in FLOORS.iter().enumerate() {
        let position = |floor: &str| FLOORS.iter().position(|(n, _)| *n == floor).unwrap();
        assert!(allowed.iter().all(|floor| position(floor) < i), "{name}");
    }
}

/// Each bad sample is found for its own reason, and only for that.
#[test]
fn bad_samples_are_found() {
    let bad = [
        ("src/linalg/tall.rs", "use crate::io::stacked;", "crate::io"),
        ("src/linalg/tall.rs", "use crate::{error::Result, data::Table};", "crate::data"),
        ("src/linalg/tall.rs", "fn f() { super::super::mesh::g(); }", "crate::mesh"),
        ("src/linalg/mod.rs", "mod a { use super::super::io::B; }", "crate::io"),
        ("src/online/pod_regression.rs", "use crate::comm::Communicator;", "crate::comm"),
        ("src/online/pod_regression.rs", "use crate::mesh::Mesh;", "crate::mesh"),
        ("src/io/vtu.rs", "use crate::cli::fit;", "crate::cli"),
        ("src/report/plot.rs", "use kolmo::cli::fit;", "kolmo::cli"),
        ("src/comm/single.rs", "use crate::*;", "crate::*"),
        ("src/io/csv.rs", "fn f() { unsafe { g() } }", "unsafe"),
        ("src/linalg/simd.rs", "fn f() { unsafe { g() } }", "SAFETY"),
        ("src/comm/mod.rs", "#[cfg(feature = \"mpi\")]\npub use mpi::MpiComm;", "cfg(feature)"),
        ("src/comm/mod.rs", "fn f() { if cfg!(feature = \"mpi\") { g() } }", "cfg(feature)"),
        ("src/comm/mod.rs", "#[cfg(all(unix, not(feature = \"mpi\")))]\nfn f() {}", "cfg(feature)"),
        ("src/comm/mod.rs", "#[cfg_attr(feature = \"mpi\", inline)]\nmod f;", "cfg(feature)"),
        ("src/comm/mod.rs", "#![cfg(feature = \"mpi\")]\nmod f;", "cfg(feature)"),
        ("src/cli/fit.rs", "use mpi::traits::Communicator;", "crate mpi"),
        ("src/offline/a.rs", "fn f() { hdf5::File::open(p) }", "hdf5"),
        ("src/mesh/mesh.rs", "use faer::linalg::matmul::matmul;", "faer"),
        ("src/mesh/mesh.rs", "use faer::{Mat, prelude::Solve};", "faer"),
        ("src/mesh/mesh.rs", "fn f() { a.thin_svd() }", "thin_svd"),
        ("src/mesh/mesh.rs", "fn f() { a.qr() }", "qr("),
        ("src/mesh/mesh.rs", "fn f() { matmul(c, b) }", "matmul"),
        ("src/mesh/mesh.rs", "fn f() { a.llt(Side::Lower) }", "llt"),
        ("src/data/a.rs", "fn f() { a.unwrap() }", "unwrap"),
        ("src/data/a.rs", "fn f() { a.expect(\"b\") }", "expect"),
        ("src/data/a.rs", "fn f() { panic!(\"b\") }", "panic"),
        ("src/data/a.rs", concat!("// TO", "DO: later"), concat!("TO", "DO")),
        ("src/data/a.rs", concat!("const A: &str = \"/wo", "rk/a\";"), concat!("/wo", "rk")),
    ];
    for (path, source, reason) in bad {
        let found = violations(path, source);
        assert!(found.len() == 1 && found[0].contains(reason), "{path}: {source}\nfor `{reason}`: {found:#?}");
    }
    let long = violations("src/data/a.rs", &"a();\n".repeat(MAX_LINES + 1));
    assert!(long.len() == 1 && long[0].contains("501 lines"), "{long:?}");
}

#[test]
fn good_samples_are_not() {
    let good = [
        (
            "src/linalg/tall.rs",
            "use crate::comm::Communicator; use crate::{Error, Result, error}; use super::dense::gemm;",
        ),
        ("src/linalg/tall.rs", "// crate::io\nconst A: &str = \"crate::io unsafe .unwrap()\";"),
        ("src/linalg/dense.rs", "use faer::linalg::matmul::matmul; fn f() { matmul(a.qr()) }"),
        ("src/linalg/simd.rs", "// SAFETY: checked above.\nfn f() { unsafe { g() } }"),
        (
            "src/comm/mod.rs",
            "#[cfg(feature = \"mpi\")]\n#[path = \"a.rs\"]\npub(crate) mod mpi;\n#[cfg(not(feature = \"mpi\"))]\nmod b;",
        ),
        ("src/comm/mpi.rs", "use mpi::traits::Communicator;"),
        ("src/cli/fit.rs", "use crate::comm::mpi::MpiComm; use kolmo::{comm::mpi::MpiComm, report};"),
        ("src/online/mesh_morphing.rs", "use crate::mesh::Mesh;"),
        ("src/mesh/mesh.rs", "use faer::{Mat, MatRef}; fn f() { dense::thin_svd(a.svd) }"),
        (
            "src/data/a.rs",
            "fn f() { a.unwrap_or(b).lock().unwrap_or_else(g) }\n#[cfg(test)]\nmod tests { fn f() { a.unwrap() } }",
        ),
        ("src/data/a.rs", "// methods and folders such as ../network/a and $HOME"),
        ("src/lib.rs", "pub mod io; pub use error::{Error, Result};"),
        ("src/main.rs", "mod cli; fn main() { cli::run(); kolmo::io::a(); }"),
    ];
    for (path, source) in good {
        assert_eq!(violations(path, source), Vec::<String>::new(), "{path}: {source}");
    }
}
