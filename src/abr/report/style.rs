//! Colours and strokes that all pictures share. For dark screens, `page.css` replaces each of these colours, so
//! pictures must not use others.

use crate::eval::level_series::TraceSource;
use plotters::style::RGBColor;

/// Text.
pub const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Axes, tick marks and background text.
pub const MUTED: RGBColor = RGBColor(0x76, 0x76, 0x76);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);

// colours that colour-blind readers can distinguish (Okabe & Ito 2008)
pub const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
pub const VERMILION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
pub const GREEN: RGBColor = RGBColor(0x00, 0x9E, 0x73);
pub const PURPLE: RGBColor = RGBColor(0xCC, 0x79, 0xA7);
pub const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);

/// The colours, in turn, of lines without a source.
pub const SERIES: [RGBColor; 5] = [BLUE, VERMILION, GREEN, PURPLE, ORANGE];

/// Colours from low to high. They are distinct, and visible on white and on black (Tol, "bright").
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
/// The opacity of a band.
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
