//! The report: a page that stands alone, the rasteriser, the skin of meshes.

use crate::svg::{Element, elements};
use crate::tool::{Stacked, kolmo, write_text};
use kolmo::mesh::skin::skin;
use kolmo::mesh::{CellBlock, CellType, Mesh};
use kolmo::report::errors::worst;
use kolmo::report::html::escape;
use kolmo::report::modes::Spectrum;
use kolmo::report::raster::{Pixel, png, rasterise};
use std::path::Path;

/// A name that is markup where it is not escaped.
const EVIL: &str = "<b>&\"x'";

/// Checks a page and returns its elements: well-formed, no address of the network, all references found.
#[track_caller]
fn check_page(html: &str) -> Vec<Element> {
    let xml = html.strip_prefix("<!DOCTYPE html>\n").expect("a document type");
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Eof) => break,
            Ok(_) => {}
            Err(e) => panic!("at {}: {e}", reader.error_position()),
        }
    }
    let found = elements(xml).unwrap();
    let known = ["http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"];
    for address in html.match_indices("http").filter(|(i, _)| html[*i..].contains("://")).map(|(i, _)| &html[i..]) {
        let is_address = address.starts_with("http://") || address.starts_with("https://");
        assert!(!is_address || known.iter().any(|k| address.starts_with(k)), "{}", &address[..60]);
    }
    let names: Vec<&str> = found.iter().map(|e| e.0.as_str()).collect();
    assert!(!names.iter().any(|n| ["script", "iframe", "object", "embed", "b>", "x"].contains(n)), "{names:?}");
    let mut ids: Vec<&str> = found.iter().filter_map(|e| e.1.get("id")).map(String::as_str).collect();
    for (name, attributes, _) in &found {
        for (key, value) in attributes {
            let target = match key.as_str() {
                "href" | "src" if value.starts_with("data:") => continue,
                "href" | "src" => value.strip_prefix('#').unwrap_or_else(|| panic!("<{name} {key}={value}>")),
                "aria-labelledby" => value,
                _ => continue,
            };
            assert!(ids.contains(&target), "<{name} {key}={value}>");
        }
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "each id once");
    let of = |name: &str| found.iter().filter(|e| e.0 == name).collect::<Vec<&Element>>();
    assert!(of("svg").iter().all(|s| s.1["role"] == "img" && s.1.contains_key("aria-labelledby")));
    assert!(of("th").iter().all(|t| ["col", "row"].contains(&t.1["scope"].as_str())));
    assert_eq!(of("figure").len(), of("svg").len());
    assert_eq!(of("figure").len(), of("figcaption").len());
    assert_eq!((of("h1").len(), of("title").len()), (1, 1 + of("svg").len()));
    assert_eq!(of("html")[0].1["lang"], "en");
    // Lines and text have the colours of the page.
    assert!(!html.contains("fill=\"#000000\"") && html.contains("currentColor") && html.contains("var(--blue)"));
    found
}

#[track_caller]
fn page(folder: &Path, args: &[&str]) -> (String, Vec<Element>) {
    let run = kolmo(folder, &[args, &["--html", "r.html"]].concat()).success();
    assert!(run.stdout.lines().any(|l| l == "r.html"), "{run:#?}");
    let html = std::fs::read_to_string(folder.join("r.html")).unwrap();
    let found = check_page(&html);
    (html, found)
}

fn count(found: &[Element], name: &str) -> usize {
    found.iter().filter(|e| e.0 == name).count()
}

#[test]
fn pages_of_a_study_with_hostile_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut data = Stacked::new(20, 4);
    data.names = vec![EVIL.into(), "gamma".into()];
    data.snapshots[0].0 = EVIL.into();
    // One cell value cannot be told from a point value by its name any more, but by its number still.
    data.write(folder, "train.h5");
    let rows: String = (0..20).map(|i| format!("{}\n", data.parameters[(i, 0)].powi(2))).collect();
    write_text(folder, "scalars.csv", &format!("\"<i>lift\"\n{rows}"));
    let study = "name = '''<u>&\"a''b'''\n[data]\nsamples = \"train.h5\" # <s> & ]]>\nscalars = \"scalars.csv\"\n\
                 holdout = { every = 5, offset = 2 }\n";
    write_text(folder, "study.toml", study);
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    for args in [
        &["validate", "model.h5", "--data", "study.toml", "--json", "s.json"][..],
        &["validate", "study.toml", "--folds", "4", "--quiet"],
        &["info", "model.h5"],
        &["info", "study.toml"],
        &["info", "train.h5"],
    ] {
        let (html, found) = page(folder, args);
        let escaped = escape(EVIL);
        assert!(html.contains(&escaped) && !html.contains(EVIL), "{args:?}");
        for raw in ["<b>", "<u>", "<s>", "<i>"] {
            let written = html.replace("<figcaption", "").matches(raw).count();
            // Captions have their titles in <b>.
            assert_eq!(written, if raw == "<b>" { count(&found, "figcaption") } else { 0 }, "{args:?} {raw}");
        }
        let figures = match args {
            ["validate", "model.h5", ..] => 5 + 2 + 4 + 2 + 4,
            ["validate", ..] => 5 + 2 + 4 + 2 + 4,
            ["info", "model.h5"] => 4,
            _ => 2,
        };
        assert_eq!(count(&found, "figure"), figures, "{args:?}");
        // Sections are in the table of contents.
        assert_eq!(count(&found, "section"), count(&found, "li"), "{args:?}");
    }
    // Numbers are those of the JSON.
    let (html, _) = page(folder, &["validate", "model.h5", "--data", "study.toml", "--json", "s.json"]);
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("s.json")).unwrap()).unwrap();
    for key in ["rel_l2_mean", "rel_l2_max", "coverage"] {
        let shown = format!("{} %", kolmo::report::number(100.0 * json["fields"]["density"][key].as_f64().unwrap()));
        assert!(html.contains(&format!("<td class=\"number\">{shown}</td>")), "{key}: {shown}");
    }
}

#[test]
fn a_score_that_does_not_exist_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut data = Stacked::new(20, 4);
    data.snapshots[0].1.fill(0.0);
    data.write(folder, "train.h5");
    write_text(folder, "study.toml", "[data]\nsamples = \"train.h5\"\nholdout = { every = 5 }\n");
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    let (html, _) = page(folder, &["validate", "model.h5", "--data", "study.toml"]);
    assert!(html.contains("<td class=\"missing\">none: a solution of norm 0; set [scores] floor</td>"));
    assert!(!html.contains("NaN"));
}

#[test]
fn the_checker_of_pages_can_fail() {
    let fails = |html: String| std::panic::catch_unwind(|| check_page(&html)).is_err();
    let page = |body: &str| {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><title>t</title><h1 style=\"color:currentColor;fill:var(--blue)\">h</h1>{body}</html>"
        )
    };
    assert!(!fails(page("<p>a</p>")));
    for bad in
        ["<p>", "<a href=\"#none\">a</a>", "<p>https://x.org</p>", "<img src=\"a.png\"/>", "<script/>", "<figure/>"]
    {
        assert!(fails(page(bad)), "{bad}");
    }
}

#[test]
fn text_is_escaped() {
    assert_eq!(escape("<a href=\"x\">&'\u{0}\u{1b}\n"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;\n");
}

fn covered(pixels: &[Option<Pixel>]) -> Vec<usize> {
    (0..pixels.len()).filter(|k| pixels[*k].is_some()).collect()
}

#[test]
fn a_triangle_covers_the_pixels_whose_centres_lie_in_it() {
    // The half of a square of 4 pixels below its diagonal, the centres on it included.
    let corners = [[0.0, 0.0, 0.0], [4.0, 4.0, 1.0], [0.0, 4.0, 0.0]];
    let image = rasterise(&corners, &[[0, 1, 2]], 4, 4);
    let expected: Vec<usize> = (0..16).filter(|k| k % 4 <= k / 4).collect();
    assert_eq!(covered(&image.pixels), expected);
    let pixel = image.pixels[13].unwrap();
    // The centre (1.5, 3.5) = 1/8 a + 3/8 b + 1/2 c.
    assert!((pixel.weights[0] - 0.125).abs() < 1e-6 && (pixel.weights[1] - 0.375).abs() < 1e-6, "{pixel:?}");
    // The same whichever way round it is, and wherever it begins.
    for turned in [[1, 2, 0], [0, 2, 1]] {
        assert_eq!(covered(&rasterise(&corners, &[turned], 4, 4).pixels), expected);
    }
    // Slow reference: areas of the three parts add up to that of the whole.
    let (a, b, c) = ([0.3, 9.1], [17.2, 3.4], [8.8, 18.6]);
    let corners = [a, b, c].map(|p| [p[0], p[1], 0.0]);
    let area =
        |p: [f64; 2], q: [f64; 2], r: [f64; 2]| ((q[0] - p[0]) * (r[1] - p[1]) - (r[0] - p[0]) * (q[1] - p[1])).abs();
    let inside = |k: usize| {
        let x = [(k % 20) as f64 + 0.5, (k / 20) as f64 + 0.5];
        area(x, a, b) + area(x, b, c) + area(x, c, a) <= area(a, b, c) * (1.0 + 1e-9)
    };
    let expected: Vec<usize> = (0..400).filter(|k| inside(*k)).collect();
    assert_eq!(covered(&rasterise(&corners, &[[0, 1, 2]], 20, 20).pixels), expected);
}

#[test]
fn the_nearer_face_is_seen() {
    // Two triangles over all pixels, one tilted through the other; and one behind both.
    let corners = [
        [-9.0, -9.0, 0.5],
        [30.0, -9.0, 0.5],
        [-9.0, 30.0, 0.5],
        [-9.0, -9.0, -9.0 / 4.0],
        [30.0, -9.0, 30.0 / 4.0],
        [-9.0, 30.0, -9.0 / 4.0],
    ];
    let front = |k: usize| rasterise(&corners, &[[0, 1, 2], [3, 4, 5]], 4, 4).pixels[k].unwrap().triangle;
    // The second has the depth x / 4: in front from the third column on.
    for k in 0..16 {
        assert_eq!(front(k), u32::from(k % 4 >= 2), "{k}");
    }
    let same = rasterise(&corners, &[[0, 1, 2], [0, 1, 2]], 4, 4);
    assert!(same.pixels.iter().all(|p| p.unwrap().triangle == 0), "the first of equally near ones");
    // What cannot be drawn is left out.
    let bad = [[f64::NAN, 0.0, 0.0], [1.0, 0.0, f64::INFINITY], [2.0, 2.0, 0.0], [1e300, 1e300, 0.0], [3.0, 3.0, 0.0]];
    for triangle in [[0, 2, 4], [1, 2, 4], [2, 4, 2], [3, 2, 9]] {
        assert_eq!(covered(&rasterise(&bad, &[triangle], 3, 3).pixels), [0usize; 0]);
    }
}

#[test]
fn images_are_what_was_drawn() {
    for n in [3, 400] {
        let rgba: Vec<[u8; 4]> =
            (0..400u32).map(|k| [(k % n) as u8, (k % n / 2) as u8, 9, 255 - (k % 3) as u8]).collect();
        let bytes = png(&rgba, 20, 20).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
        let mut reader = decoder.read_info().unwrap();
        let mut buffer = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut buffer).unwrap();
        assert_eq!(buffer, rgba.concat());
    }
}

/// A cube of `n` x `n` x `n` hexahedra, each cut into tetrahedra where asked for.
fn cube(n: usize, cut: bool) -> Mesh {
    let points =
        (0..(n + 1).pow(3)).flat_map(|k| [1, n + 1, (n + 1).pow(2)].map(|s| (k / s % (n + 1)) as f64)).collect();
    let mut nodes = Vec::new();
    for c in 0..n.pow(3) {
        let at = |i: usize, j: usize, k: usize| {
            ((c / n.pow(2) + k) * (n + 1).pow(2) + (c / n % n + j) * (n + 1) + c % n + i) as u32
        };
        let h =
            [at(0, 0, 0), at(1, 0, 0), at(1, 1, 0), at(0, 1, 0), at(0, 0, 1), at(1, 0, 1), at(1, 1, 1), at(0, 1, 1)];
        if cut {
            // Six around the diagonal from 0 to 6: the same cut on both sides of every face.
            for t in [[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]] {
                nodes.extend(t.map(|k| h[k]));
            }
        } else {
            nodes.extend(h);
        }
    }
    let cell_type = if cut { CellType::Tetra } else { CellType::Hexahedron };
    Mesh { dim: 3, points, cells: vec![CellBlock::new(cell_type, nodes)] }
}

#[test]
fn the_skin_of_a_cube() {
    for n in 1..=4 {
        for (mesh, expected) in [(cube(n, false), 6 * n * n), (cube(n, true), 12 * n * n)] {
            let skin = skin(&mesh);
            assert_eq!(skin.n_faces(), expected, "{n}");
            // Each face lies on one side of the cube and belongs to its cell.
            for (face, cell) in skin.iter().zip(&skin.cells) {
                let on = |k: usize, v: f64| face.iter().all(|p| mesh.point(*p as usize)[k] == v);
                assert!((0..3).any(|k| on(k, 0.0) || on(k, n as f64)));
                let corners = mesh.cells[0].cell(*cell);
                assert!(face.iter().all(|p| corners.contains(p)));
            }
        }
    }
}

#[test]
fn the_skin_of_mixed_cells() {
    // A hexahedron as a polyhedron, a pyramid on it, a wedge beside it; and a lone quadrilateral, which is no volume.
    let mut points: Vec<f64> =
        [0, 1, 3, 2, 4, 5, 7, 6].iter().flat_map(|k| [k & 1, k >> 1 & 1, k >> 2].map(f64::from)).collect();
    points.extend([0.5, 0.5, 2.0, 2.0, 0.0, 0.0, 2.0, 0.0, 1.0]);
    let faces: [[u32; 4]; 6] = [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]];
    let stream: Vec<u32> = std::iter::once(6).chain(faces.iter().flat_map(|f| [&[4][..], f].concat())).collect();
    let n = stream.len();
    let mut mesh = Mesh {
        dim: 3,
        points,
        cells: vec![
            CellBlock::new(CellType::Quad, vec![0, 1, 2, 3]),
            CellBlock::ragged(CellType::Polyhedron, stream, vec![n]),
            CellBlock::new(CellType::Pyramid, vec![4, 5, 6, 7, 8]),
            // Its triangle 1 5 9 and 2 6 10 are its ends, 1 2 6 5 is shared.
            CellBlock::new(CellType::Wedge, vec![1, 9, 5, 2, 10, 6]),
        ],
    };
    let found = skin(&mesh);
    // 4 of the hexahedron, 4 of the pyramid, 4 of the wedge.
    assert_eq!(found.n_faces(), 12);
    assert_eq!([1, 2, 3].map(|cell| found.cells.iter().filter(|c| **c == cell).count()), [4, 4, 4]);
    // Surfaces are their own skin; lines have none.
    mesh.cells.truncate(1);
    assert_eq!(skin(&mesh).iter().collect::<Vec<_>>(), [[0, 1, 2, 3]]);
    mesh.cells = vec![CellBlock::new(CellType::Line, vec![0, 1])];
    assert_eq!(skin(&mesh).n_faces(), 0);
}

#[test]
fn what_modes_leave_out() {
    let values = vec![4.0, 3.0, 2.0, 1.0];
    let total: f64 = 30.0;
    let spectrum =
        |values: Vec<f64>| Spectrum { field: "p".into(), values, n_modes: 2, projection_error: (5.0 / total).sqrt() };
    let expected = [30.0, 14.0, 5.0, 1.0].map(|s: f64| (s / total).sqrt());
    let close = |found: Vec<f64>, expected: &[f64]| {
        found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12)
    };
    assert!(close(spectrum(values.clone()).left_out(), &expected));
    // Where only the kept ones are known, the projection error tells the rest.
    assert!(close(spectrum(values[..2].to_vec()).left_out(), &expected[..2]));
}

#[test]
fn the_worst_are_found() {
    assert_eq!(worst(&[0.1, f64::NAN, 0.3, 0.2], 2), [2, 3]);
    assert_eq!(worst(&[], 2), [0usize; 0]);
}
