//! Triangles on a grid of pixels, the nearest in front; images as PNG.

use base64::Engine;

/// What a pixel shows: a triangle, and the weights of its first two corners there (the third has the rest).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pixel {
    pub triangle: u32,
    pub weights: [f32; 2],
}

/// An image of triangles; rows from the top.
#[derive(Debug, Clone, PartialEq)]
pub struct Raster {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<Option<Pixel>>,
}

/// Draws triangles. Corners are x from the left, y from the top, both in pixels, and depth: the larger, the nearer. A pixel belongs
/// to the triangles in or on whose edge its centre lies, and shows the nearest of them, of equally near ones the first. Triangles
/// without area, and with corners that are not finite, are left out. Cost: the boxes around the triangles.
pub fn rasterise(corners: &[[f64; 3]], triangles: &[[u32; 3]], width: usize, height: usize) -> Raster {
    let mut pixels = vec![None; width * height];
    let mut depths = vec![f64::NEG_INFINITY; width * height];
    for (number, triangle) in triangles.iter().enumerate() {
        let [Some(a), Some(b), Some(c)] = triangle.map(|p| corners.get(p as usize)) else { continue };
        let twice = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]);
        if !twice.is_finite() || twice == 0.0 || [a, b, c].iter().any(|p| !p[2].is_finite()) {
            continue;
        }
        let range = |k: usize, n: usize| {
            let (lo, hi) = (a[k].min(b[k]).min(c[k]), a[k].max(b[k]).max(c[k]));
            // The conversion holds negative and large numbers at the ends.
            (lo - 0.5).ceil() as usize..((hi + 0.5).floor() as usize).min(n)
        };
        for j in range(1, height) {
            for i in range(0, width) {
                let (x, y) = (i as f64 + 0.5, j as f64 + 0.5);
                let part = |p: &[f64; 3], q: &[f64; 3]| ((p[0] - x) * (q[1] - y) - (q[0] - x) * (p[1] - y)) / twice;
                let (u, v) = (part(b, c), part(c, a));
                let w = 1.0 - u - v;
                // Neighbours share an edge up to round-off: no pixel on it may be lost.
                if u < -1e-9 || v < -1e-9 || w < -1e-9 {
                    continue;
                }
                let depth = u * a[2] + v * b[2] + w * c[2];
                let place = j * width + i;
                if depth > depths[place] {
                    depths[place] = depth;
                    pixels[place] = Some(Pixel { triangle: number as u32, weights: [u as f32, v as f32] });
                }
            }
        }
    }
    Raster { width, height, pixels }
}

/// A PNG file of RGBA pixels [width x height]: with a palette where there are at most 256 colours.
pub fn png(rgba: &[[u8; 4]], width: usize, height: usize) -> Option<Vec<u8>> {
    let mut palette: Vec<[u8; 4]> = Vec::new();
    let mut places = std::collections::HashMap::new();
    let mut indices = Vec::with_capacity(rgba.len());
    for colour in rgba {
        let next = palette.len();
        let place = *places.entry(*colour).or_insert(next);
        if place == next {
            palette.push(*colour);
        }
        if palette.len() > 256 {
            break;
        }
        indices.push(place as u8);
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    let data: Vec<u8> = if palette.len() <= 256 {
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(palette.iter().flat_map(|c| [c[0], c[1], c[2]]).collect::<Vec<u8>>());
        encoder.set_trns(palette.iter().map(|c| c[3]).collect::<Vec<u8>>());
        // Neighbours in a palette are no neighbours in value: filters would only add noise.
        encoder.set_filter(png::Filter::NoFilter);
        indices
    } else {
        encoder.set_color(png::ColorType::Rgba);
        rgba.iter().flatten().copied().collect()
    };
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&data).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}

/// An image as a `data:` address.
pub(super) fn address(rgba: &[[u8; 4]], width: usize, height: usize) -> Option<String> {
    let bytes = png(rgba, width, height)?;
    Some(format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes)))
}
