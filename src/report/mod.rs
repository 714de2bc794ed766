//! What people look at: pictures as SVG, and pages of them.

mod axis;
mod canvas;
mod colour;
mod curve_picture;
pub mod errors;
mod frame;
pub mod html;
pub mod mesh_picture;
pub mod modes;
pub mod parameter_space;
pub mod parity;
mod plot;
pub mod raster;
pub mod sample;
mod scale;
mod scene;

pub use canvas::Drawing;

/// A number in three significant digits, with a power of ten unless it lies between 1e-3 and 1e5.
pub fn number(value: f64) -> String {
    written(value, 3, 1e5)
}

/// A parameter in five digits, without zeros at the end.
pub fn parameter_text(value: f64) -> String {
    let text = written(value, 5, 1e6);
    let plain = text.contains('.') && !text.contains('e');
    if plain { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

fn written(value: f64, digits: i32, most: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".into() } else { value.to_string() };
    }
    // Rounding may add a digit in front: the power is that of the rounded number.
    let rounded = format!("{value:.*e}", (digits - 1).max(0) as usize);
    let power: i32 = rounded.split_once('e').and_then(|(_, p)| p.parse().ok()).unwrap_or(0);
    if !(1e-3..most).contains(&value.abs()) {
        return axis::scientific(value, (digits - 1).max(0) as usize);
    }
    let decimals = (digits - 1 - power).max(0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::{number, parameter_text};

    #[test]
    fn numbers_are_short() {
        let parameters = [2.1, 1.4, 0.0, 1234567.0, 101325.0, -0.05, 1.234567, 5e-9].map(parameter_text);
        assert_eq!(parameters, ["2.1", "1.4", "0", "1.2346e6", "101325", "-0.05", "1.2346", "5e-9"]);
        let three = [0.0, 0.012345, 0.9999, 12.345, 1234.0, 123456.0, -2.5e-7, 0.95, f64::NAN].map(number);
        assert_eq!(three, ["0", "0.0123", "1.00", "12.3", "1234", "1.23e5", "-2.5e-7", "0.950", "NaN"]);
    }
}
