//! Draws everything around the panels: the legend, the scale bar and the note.

use super::ink::{self, HPos, SMALL, VPos, text_width};
use super::scale::PlotScale;
use super::{EDGE, HEADING_LINE, LINE, LayerColour, Page};
use crate::eval::level_series::{LevelSeries, SpreadBand, TracesAtLevel};
use crate::report::picture::{Area, DrawResult};
use crate::report::style::{HEADING, INK, MUTED, STROKE, TEXT};
use crate::text::capitalised;
use plotters::prelude::Color;

/// The length of a colour sample in the legend, and the gap between layers.
const SWATCH: f64 = 22.0;
const SPACE: f64 = 18.0;

/// The layers on each line of the legend.
pub fn head_lines(series: &LevelSeries, layers: &[LayerColour], width: f64) -> Vec<Vec<usize>> {
    let mut lines: Vec<Vec<usize>> = vec![Vec::new()];
    let mut used = 0.0;
    for (place, layer) in layers.iter().enumerate() {
        let own = entry_width(&legend(series, layer));
        if used > 0.0 && used + own > width {
            lines.push(Vec::new());
            used = 0.0;
        }
        used += own + SPACE;
        lines.last_mut().expect("a line").push(place);
    }
    lines
}

pub fn draw_head(area: &Area, page: &Page) -> DrawResult {
    for (line, words) in page.heading.iter().enumerate() {
        let place = (EDGE, EDGE + line as f64 * HEADING_LINE);
        ink::text(area, words, place, HEADING, INK, (HPos::Left, VPos::Top))?;
    }
    for (line, layers) in page.head.iter().enumerate() {
        let (mut x, y) = (EDGE, page.legend() + (line as f64 + 0.5) * LINE);
        for layer in layers.iter().map(|place| &page.colours[*place]) {
            let words = legend(page.series, layer);
            ink::straight(area, (x, y), (x + SWATCH, y), layer.colour.to_rgba(), 1.4 * STROKE)?;
            ink::text(area, &words, (x + SWATCH + 6.0, y), TEXT, INK, (HPos::Left, VPos::Center))?;
            x += entry_width(&words) + SPACE;
        }
    }
    Ok(())
}

fn entry_width(words: &str) -> f64 {
    SWATCH + 6.0 + text_width(words, TEXT)
}

/// `generated (20 traces a level)`
fn legend(series: &LevelSeries, layer: &LayerColour) -> String {
    let all = series.panels.iter().flat_map(|panel| &panel.layers);
    let own = all.filter(|own| own.source == layer.source && own.name == layer.name).flat_map(|own| &own.levels);
    let (fewest, most) =
        own.fold((usize::MAX, 0), |(fewest, most), level| (fewest.min(level.traces), most.max(level.traces)));
    let traces = match (fewest, most) {
        (1, 1) => "1 trace".to_string(),
        (fewest, most) if fewest == most => format!("{most} traces"),
        (fewest, most) => format!("{fewest}–{most} traces"),
    };
    let mut levels = series.panels.iter().flat_map(|panel| &panel.layers).flat_map(|layer| &layer.levels);
    let each = if levels.any(|level| level.level_db.is_some()) { " a level" } else { "" };
    format!("{} ({traces}{each})", layer.name)
}

/// Draws a bar with a round height in µV to the right of the first row of panels, whose plots begin at `top`.
pub fn draw_scale_bar(area: &Area, scale: &PlotScale, right: f64, top: f64) -> DrawResult {
    let uv = one_two_five_up_to(1.05 * scale.pitch / scale.px_per_uv);
    let (x, half) = (right + 14.0, uv * scale.px_per_uv / 2.0);
    let middle = top + scale.height() / 2.0;
    ink::straight(area, (x, middle - half), (x, middle + half), INK.to_rgba(), STROKE)?;
    for end in [middle - half, middle + half] {
        ink::straight(area, (x - 3.0, end), (x + 3.0, end), INK.to_rgba(), 1.0)?;
    }
    ink::text(area, &microvolts(uv), (x + 7.0, middle), SMALL, INK, (HPos::Left, VPos::Center))
}

fn microvolts(uv: f64) -> String {
    // up to three digits fit beside the bar
    if uv >= 1000.0 {
        format!("{} mV", round(uv / 1000.0))
    } else if uv < 0.01 {
        format!("{} nV", round(uv * 1000.0))
    } else {
        format!("{} µV", round(uv))
    }
}

/// Removes floating-point noise such as that of 0.2.
fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// The largest number of the form 1, 2 or 5 times a power of ten that is at most `most`.
fn one_two_five_up_to(most: f64) -> f64 {
    let ten = 10_f64.powf(most.log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|n| n * ten).find(|step| *step <= most).unwrap_or(most)
}

/// Explains the lines and bands that the picture contains.
pub fn note(series: &LevelSeries, band: Option<SpreadBand>) -> String {
    let any = |what: fn(&TracesAtLevel) -> bool| {
        series.panels.iter().flat_map(|panel| &panel.layers).flat_map(|layer| &layer.levels).any(what)
    };
    let band = band.filter(|_| any(|level| level.band_uv.is_some())).map(|band| format!("band: {band}"));
    let parts = [
        any(|level| level.traces > 1).then(|| "Lines: means".to_string()),
        band,
        any(|level| !level.repeats_uv.is_empty()).then(|| "thin lines: single traces".to_string()),
        any(|level| !level.waves.is_empty()).then(|| "dots: waves picked by rule".to_string()),
    ];
    let words = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
    if words.is_empty() { words } else { capitalised(&words) + "." }
}

pub fn draw_note(area: &Area, lines: &[String], height: f64) -> DrawResult {
    let top = height - EDGE - lines.len() as f64 * LINE;
    for (line, words) in lines.iter().enumerate() {
        ink::text(area, words, (EDGE, top + line as f64 * LINE), SMALL, MUTED, (HPos::Left, VPos::Top))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_round_and_no_longer_than_it_may_be() {
        for (most, uv, words) in
            [(0.49, 0.2, "0.2 µV"), (0.5, 0.5, "0.5 µV"), (13.0, 10.0, "10 µV"), (0.0061, 0.005, "5 nV")]
        {
            assert!((one_two_five_up_to(most) / uv - 1.0).abs() < 1e-12);
            assert_eq!(microvolts(one_two_five_up_to(most)), words);
        }
        assert_eq!(microvolts(2000.0), "2 mV");
    }
}
