//! Colours and strokes that all pictures share. The page has another value of each colour for dark screens
//! (`page.css`), so no picture may use others.

use crate::eval::level_series::TraceSource;
use plotters::style::RGBColor;

/// Text.
pub const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Axes, tick marks, what stands in the background.
pub const MUTED: RGBColor = RGBColor(0x76, 0x76, 0x76);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);

// colours that stay apart for the colour-blind (Okabe & Ito 2008)
pub const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
pub const VERMILION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
pub const GREEN: RGBColor = RGBColor(0x00, 0x9E, 0x73);
pub const PURPLE: RGBColor = RGBColor(0xCC, 0x79, 0xA7);
pub const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);

/// In turn, for lines that have no source.
pub const SERIES: [RGBColor; 5] = [BLUE, VERMILION, GREEN, PURPLE, ORANGE];

/// From low to high; they stay apart, and are seen on white as on black (Tol, "bright").
pub const RAMP: [RGBColor; 5] = [
    RGBColor(0x44, 0x77, 0xAA),
    RGBColor(0x66, 0xCC, 0xEE),
    RGBColor(0x22, 0x88, 0x33),
    RGBColor(0xCC, 0xBB, 0x44),
    RGBColor(0xEE, 0x66, 0x77),
];

/// Sizes in CSS pixels.
pub const TEXT: f64 = 12.5;
pub const HEADING: f64 = 14.0;
pub const STROKE: f64 = 1.6;
pub const THIN_STROKE: f64 = 0.8;
/// How much of a band's colour is seen.
pub const BAND: f64 = 0.22;

/// The colour of a source.
pub fn colour(source: TraceSource) -> RGBColor {
    match source {
        TraceSource::Recorded => INK,
        TraceSource::GroundTruth => GREEN,
        TraceSource::Reconstructed => VERMILION,
        TraceSource::Generated => BLUE,
    }
}
