//! Lines and numbers in text files.

use super::{SourceFile, delimited};
use crate::data::PEAK_COLUMNS;
use crate::error::Result;
use crate::text::utf_16;
use std::borrow::Cow;

/// The largest plausible sample in µV: 1000 V.
pub const MAX_SAMPLE_UV: f64 = 1e9;

/// Decodes UTF-8 or UTF-16, else Windows-1252, as older recorders write.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Some(encoding) = utf_16(bytes) {
        return encoding.decode_with_bom_removal(bytes).0;
    }
    delimited::decode_cell(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
}

/// Lines with their numbers from 1; `\n`, `\r\n` or a single `\r` ends a line.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'));
    lines.enumerate().map(|(i, line)| (i + 1, line))
}

/// Parses a finite number.
pub fn number(source: &SourceFile, line: usize, what: &str, text: &str) -> Result<f64> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(source.line(line, format!("{what} should be a number, but is `{}`", excerpt(text)))),
    }
}

/// Parses a finite number above 0.
pub fn positive(source: &SourceFile, line: usize, what: &str, text: &str) -> Result<f64> {
    match number(source, line, what, text)? {
        value if value > 0.0 => Ok(value),
        value => Err(source.line(line, format!("{what} should be above 0, but is {value}"))),
    }
}

/// Normalises a number as [`tidy`] does; refuses one below 0.
pub fn not_negative(source: &SourceFile, line: usize, what: &str, text: &str) -> Result<String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value < 0.0 => Err(source.line(line, format!("{what} should be 0 or above, but is {value}"))),
        _ => Ok(tidy(text)),
    }
}

/// Parses a sample in units of `unit_uv` µV, and converts it to µV.
pub fn sample(source: &SourceFile, line: usize, text: &str, unit_uv: f64) -> Result<f32> {
    let value = number(source, line, "a sample", text)? * unit_uv;
    if value.abs() > MAX_SAMPLE_UV {
        return Err(source.line(line, format!("a sample of {value} µV (more than 1000 V) is impossible")));
    }
    Ok(value as f32)
}

/// Writes a number in the fewest digits; trims other text.
pub fn tidy(text: &str) -> String {
    let text = text.trim();
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => value.to_string(),
        _ => text.to_string(),
    }
}

/// A cell's text, empty for an unknown value. `None` counts as a word here: no hearing loss, no masker.
pub fn known(cell: &str) -> &str {
    if delimited::is_missing(cell) && cell != "None" { "" } else { cell }
}

/// Parses a level with its unit, such as `60 dB nHL`.
pub fn level(text: &str) -> Option<f64> {
    let plain = text.trim().to_lowercase();
    let (number, scale) = plain.split_once("db")?;
    let known = ["", "spl", "pespl", "pe spl", "nhl", "hl", "ehl"].contains(&scale.trim());
    number.trim().parse().ok().filter(|level: &f64| known && level.is_finite())
}

/// Converts kHz to Hz, without rounding noise from the multiplication.
pub fn hz_from_khz(khz: f64) -> f64 {
    (khz * 1e9).round() / 1e6
}

/// The beginning of a text, for messages.
pub fn excerpt(text: &str) -> String {
    let mut shown: String = text.trim().chars().take(40).filter(|c| !c.is_control()).collect();
    if shown.len() < text.trim().len() {
        shown.push('…');
    }
    shown
}

/// Renames a column whose name has a fixed meaning in tables.
pub fn free_name(name: &str) -> String {
    let sample = name.strip_prefix('s').is_some_and(|n| n.parse::<usize>().is_ok());
    let taken = ["file", "subject_id", "sample_rate_hz", "t0_ms"].contains(&name) || PEAK_COLUMNS.contains(&name);
    if taken || sample || name.starts_with("truth_") { format!("file_{name}") } else { name.to_string() }
}
