//! Pictures of errors over a number: lines with markers, logarithmic upwards.

use kolmo::{Error, Result};
use plotters::prelude::*;
use std::path::Path;

/// A line of a picture.
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// Draws `curves` as target/validation/NAME.svg, and says so on standard error.
pub fn plot(name: &str, across: &str, upwards: &str, curves: &[Curve]) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/validation");
    let file = folder.join(format!("{name}.svg"));
    let wrong = |e: String| Error::argument(file.display().to_string(), e, "a picture");
    std::fs::create_dir_all(&folder).map_err(|e| wrong(e.to_string()))?;
    draw(&file, across, upwards, curves).map_err(|e| wrong(e.to_string()))?;
    eprintln!("picture: {}", file.display());
    Ok(())
}

fn draw(
    file: &Path,
    across: &str,
    upwards: &str,
    curves: &[Curve],
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let points = || curves.iter().flat_map(|c| c.points.iter().copied()).filter(|p| p.1 > 0.0);
    let range = |of: fn((f64, f64)) -> f64| {
        points().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
    };
    let ((left, right), (low, high)) = (range(|p| p.0), range(|p| p.1));
    let area = SVGBackend::new(file, (720, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(left..right, (0.5 * low..2.0 * high).log_scale())?;
    let label = |v: &f64| format!("{v:.0e}");
    chart.configure_mesh().light_line_style(WHITE).x_desc(across).y_desc(upwards).y_label_formatter(&label).draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let own: Vec<(f64, f64)> = curve.points.iter().copied().filter(|p| p.1 > 0.0).collect();
        chart
            .draw_series(LineSeries::new(own.clone(), colour.stroke_width(2)).point_size(3))?
            .label(curve.name.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}
