//! What the tests of pictures share: a small checker of SVG documents.

use base64::Engine;
use std::collections::BTreeMap;

/// An element: name, attributes, text.
pub type Element = (String, BTreeMap<String, String>, String);

/// The elements of a well-formed document, or what is wrong with it: tags balance, attributes are quoted, `<` and `&` do not
/// stand alone.
pub fn elements(xml: &str) -> Result<Vec<Element>, String> {
    let (mut found, mut open): (Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new());
    let plain = |text: &str| {
        let rest = ["&lt;", "&gt;", "&amp;", "&quot;", "&apos;", "&#39;"]
            .iter()
            .fold(text.to_string(), |t, e| t.replace(e, ""));
        if rest.contains(['&', '<']) { Err(format!("`{text}`")) } else { Ok(()) }
    };
    let mut rest = xml.trim();
    while !rest.is_empty() {
        let Some(after) = rest.strip_prefix('<') else {
            let end = rest.find('<').unwrap_or(rest.len());
            plain(&rest[..end])?;
            let inside = open.last().ok_or("text outside")?;
            found[*inside].2.push_str(rest[..end].trim());
            rest = &rest[end..];
            continue;
        };
        let end = after.find('>').ok_or("a tag without end")?;
        let tag = &after[..end];
        rest = &after[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop().ok_or("an end too many")?;
            if found[last].0 != name {
                return Err(format!("</{name}> ends <{}>", found[last].0));
            }
            continue;
        }
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |t| (t, true));
        let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut values = BTreeMap::new();
        while !attributes.trim().is_empty() {
            let (key, after) = attributes.split_once("=\"").ok_or(format!("attribute without value in <{tag}>"))?;
            let (value, after) = after.split_once('"').ok_or(format!("quote in <{tag}>"))?;
            plain(value)?;
            if values.insert(key.trim().to_string(), value.to_string()).is_some() {
                return Err(format!("{key} twice in <{tag}>"));
            }
            attributes = after;
        }
        if open.is_empty() && !found.is_empty() {
            return Err("two roots".into());
        }
        found.push((name.to_string(), values, String::new()));
        if !empty {
            open.push(found.len() - 1);
        }
    }
    if open.is_empty() { Ok(found) } else { Err(format!("{} elements without end", open.len())) }
}

/// A picture: well-formed, all numbers finite, everything inside.
#[track_caller]
pub fn check_picture(svg: &str) -> Vec<Element> {
    let found = elements(svg).unwrap_or_else(|e| panic!("{e}\n{}", &svg[..svg.len().min(500)]));
    let (name, root, _) = &found[0];
    assert_eq!((name.as_str(), root["xmlns"].as_str()), ("svg", "http://www.w3.org/2000/svg"));
    let view: Vec<f64> = root["viewBox"].split(' ').map(|v| v.parse().unwrap()).collect();
    for (name, attributes, _) in &found[1..] {
        for (key, value) in attributes {
            let limit = match key.as_str() {
                "x" | "x1" | "x2" | "cx" => view[2],
                "y" | "y1" | "y2" | "cy" => view[3],
                "points" => view[2].max(view[3]),
                _ => continue,
            };
            for number in value.split([' ', ',']) {
                let number: f64 = number.parse().unwrap_or_else(|_| panic!("<{name}> {key}: `{number}`"));
                assert!((0.0..=limit).contains(&number), "<{name}> {key}: {number} in a picture of {limit}");
            }
        }
    }
    found
}

/// The pixels of the images of a picture, each with its width and height.
pub fn images(found: &[Element]) -> Vec<(usize, usize, Vec<[u8; 4]>)> {
    let pixels = |e: &Element| {
        let code = e.1["href"].strip_prefix("data:image/png;base64,").expect("a data address");
        let bytes = base64::engine::general_purpose::STANDARD.decode(code).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
        let mut reader = decoder.read_info().unwrap();
        let mut buffer = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut buffer).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgba);
        let rgba = buffer[..info.buffer_size()].chunks_exact(4).map(|p| [p[0], p[1], p[2], p[3]]).collect();
        (info.width as usize, info.height as usize, rgba)
    };
    found.iter().filter(|e| e.0 == "image").map(pixels).collect()
}

/// How many elements have a name.
pub fn count(found: &[Element], name: &str) -> usize {
    found.iter().filter(|e| e.0 == name).count()
}

/// What is written.
pub fn texts(found: &[Element]) -> Vec<&str> {
    found.iter().filter(|e| e.0 == "text").map(|e| e.2.as_str()).collect()
}

#[test]
fn the_checker_of_documents_can_fail() {
    for bad in ["<a>", "<a></b>", "<a/><b/>", "<a b=c/>", "<a>&</a>", "<a b=\"&x;\"/>", "<a", "<a></a></a>", "a"] {
        assert!(elements(bad).is_err(), "{bad}");
    }
    let found = elements("<a b=\"1\"><c/>x &lt; y</a>").unwrap();
    assert_eq!((found.len(), found[0].2.as_str(), found[0].1["b"].as_str()), (2, "x &lt; y", "1"));
    let fails = |svg: &str| std::panic::catch_unwind(|| check_picture(svg)).is_err();
    let svg = |x: &str| {
        format!(
            "<svg viewBox=\"0 0 10 20\" xmlns=\"http://www.w3.org/2000/svg\"><line x1=\"{x}\" points=\"1,20\"/></svg>"
        )
    };
    assert!(!fails(&svg("9")) && fails(&svg("11")) && fails(&svg("NaN")) && fails(&svg("-1")) && fails(&svg("")));
}
