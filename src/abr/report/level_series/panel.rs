//! Draws one panel.

use super::ink::{self, HPos, Position, SMALL, VPos};
use super::{LINE, Page};
use crate::eval::level_series::{Panel, TraceLayer, TracesAtLevel, WaveMark};
use crate::report::picture::{Area, DrawResult};
use crate::report::style::{BAND, GRID, INK, MUTED, STROKE, TEXT, THIN_STROKE};
use plotters::style::{Color, RGBAColor, RGBColor};

/// The opacity of single traces, and of the line that connects a wave across levels.
const REPEAT: f64 = 0.35;
const TRACK: f64 = 0.6;
/// The minimum distance of two labels of the time axis, in CSS pixels.
const CLOSEST_TIMES: f64 = 28.0;
/// A wave's name avoids everything drawn within this time of the wave.
const NAME_MS: f64 = 0.25;

/// Where a panel's traces are drawn, in CSS pixels.
pub struct PanelArea<'a> {
    pub page: &'a Page<'a>,
    pub left: f64,
    pub top: f64,
}

/// Draws title, threshold, axis and layers; and the level labels, if the panel is the `first` in its row.
pub fn draw(area: &Area, plot: &PanelArea, panel: &Panel, title: &[String], first: bool) -> DrawResult {
    plot.draw_title(area, panel, title)?;
    plot.draw_times(area)?;
    if first {
        plot.draw_levels(area)?;
    }
    if let Some(threshold_db) = panel.threshold_db {
        plot.draw_threshold(area, threshold_db)?;
    }
    for layer in &panel.layers {
        let colour = plot.page.colour_of(layer);
        for traces in &layer.levels {
            plot.draw_band(area, panel, traces, colour.mix(BAND))?;
        }
        for traces in &layer.levels {
            for repeat in &traces.repeats_uv {
                ink::line(area, &plot.places(panel, traces, repeat), colour.mix(REPEAT), THIN_STROKE)?;
            }
        }
    }
    for layer in &panel.layers {
        for traces in &layer.levels {
            let places = plot.places(panel, traces, &traces.mean_uv);
            ink::line(area, &places, plot.page.colour_of(layer).to_rgba(), STROKE)?;
        }
    }
    panel.layers.iter().try_for_each(|layer| plot.draw_waves(area, panel, layer))?;
    plot.draw_names(area, panel)
}

impl PanelArea<'_> {
    fn right(&self) -> f64 {
        self.left + self.page.panel_width
    }

    fn bottom(&self) -> f64 {
        self.top + self.page.scale.height()
    }

    fn x(&self, ms: f64) -> f64 {
        self.left + self.page.scale.x(ms, self.page.panel_width)
    }

    fn y(&self, panel: &Panel, level_db: Option<f64>, uv: f64) -> f64 {
        let scale = &self.page.scale;
        let about = uv - scale.middle_uv(panel, level_db).unwrap_or(0.0);
        self.top + scale.y(scale.row(level_db) as f64) - about * scale.px_per_uv
    }

    /// The positions of samples; `None` where a sample is missing or not shown.
    fn places(&self, panel: &Panel, traces: &TracesAtLevel, values_uv: &[f32]) -> Vec<Option<Position>> {
        let line = self.y(panel, traces.level_db, 0.0);
        let place = |(i, uv): (usize, &f32)| {
            let ms = traces.time_ms(i);
            let shown = uv.is_finite() && self.page.scale.shows(ms);
            shown.then(|| (self.x(ms), line - f64::from(*uv) * self.page.scale.px_per_uv))
        };
        values_uv.iter().enumerate().map(place).collect()
    }

    fn draw_title(&self, area: &Area, panel: &Panel, title: &[String]) -> DrawResult {
        let top = self.top - self.page.above_plot();
        for (line, words) in title.iter().enumerate() {
            let place = (self.left, top + line as f64 * LINE);
            ink::text(area, words, place, TEXT, INK, (HPos::Left, VPos::Top))?;
        }
        if let Some(threshold_db) = panel.threshold_db {
            let y = top + self.page.title_lines as f64 * LINE;
            ink::dashes(area, (self.left, y + 6.0), self.left + 22.0, MUTED.to_rgba())?;
            let words = format!("threshold {} dB", decibels(threshold_db));
            ink::text(area, &words, (self.left + 28.0, y), SMALL, MUTED, (HPos::Left, VPos::Top))?;
        }
        Ok(())
    }

    fn draw_times(&self, area: &Area) -> DrawResult {
        let (top, bottom) = (self.top, self.bottom());
        for ms in self.times() {
            let x = self.x(ms);
            let grid = if ms == 0.0 { MUTED.mix(0.5) } else { GRID.to_rgba() };
            ink::straight(area, (x, top), (x, bottom), grid, THIN_STROKE)?;
            ink::straight(area, (x, bottom), (x, bottom + 4.0), MUTED.to_rgba(), 1.0)?;
            let words = format!("{}", (ms * 1e6).round() / 1e6);
            ink::text(area, &words, (x, bottom + 6.0), SMALL, INK, (HPos::Center, VPos::Top))?;
        }
        ink::straight(area, (self.left, bottom), (self.right(), bottom), MUTED.to_rgba(), 1.0)?;
        let middle = (self.left + self.right()) / 2.0;
        let words = "ms after stimulus onset";
        let words = if ink::text_width(words, SMALL) > self.page.panel_width { "ms" } else { words };
        ink::text(area, words, (middle, bottom + 22.0), SMALL, INK, (HPos::Center, VPos::Top))
    }

    /// The round times shown on the axis.
    fn times(&self) -> Vec<f64> {
        let scale = &self.page.scale;
        let span = scale.to_ms - scale.from_ms;
        let most = (self.page.panel_width / CLOSEST_TIMES).max(1.0);
        let step = one_two_five_from(span / most);
        let first = (scale.from_ms / step).ceil() as i64;
        (first..).map(|i| i as f64 * step).take_while(|ms| scale.shows(*ms)).collect()
    }

    fn draw_levels(&self, area: &Area) -> DrawResult {
        for (row, words) in level_words(&self.page.scale.levels).iter().enumerate() {
            let place = (self.left - 8.0, self.top + self.page.scale.y(row as f64));
            ink::text(area, words, place, TEXT, INK, (HPos::Right, VPos::Center))?;
        }
        Ok(())
    }

    /// Draws the threshold between its neighbouring levels, or below the level that equals it, which is the lowest with
    /// a response.
    fn draw_threshold(&self, area: &Area, threshold_db: f64) -> DrawResult {
        let below = self.page.scale.levels.iter().filter(|level| level.is_none_or(|db| db < threshold_db)).count();
        let y = self.top + self.page.scale.y(below as f64 - 0.5);
        ink::dashes(area, (self.left, y), self.right(), MUTED.to_rgba())
    }

    fn draw_band(&self, area: &Area, panel: &Panel, traces: &TracesAtLevel, colour: RGBAColor) -> DrawResult {
        let Some([low, high]) = &traces.band_uv else { return Ok(()) };
        let [low, high] = [low, high].map(|edge| self.places(panel, traces, edge));
        let edges: Vec<Option<[Position; 2]>> =
            low.into_iter().zip(high).map(|(low, high)| Some([low?, high?])).collect();
        ink::between(area, &edges, colour)
    }

    /// A dot at each wave, and a line from level to level.
    fn draw_waves(&self, area: &Area, panel: &Panel, layer: &TraceLayer) -> DrawResult {
        let colour = self.page.colour_of(layer);
        for wave in wave_names(std::slice::from_ref(layer)) {
            let track: Vec<Option<Position>> = layer
                .levels
                .iter()
                .map(|traces| self.mark(traces, wave).map(|mark| self.peak(panel, traces, mark)))
                .collect();
            for pair in track.windows(2) {
                if let [Some(from), Some(to)] = *pair {
                    ink::straight(area, from, to, colour.mix(TRACK), THIN_STROKE)?;
                }
            }
            track.into_iter().flatten().try_for_each(|place| ink::dot(area, place, colour))?;
        }
        Ok(())
    }

    /// Draws each wave's name once, at the highest level that has the wave. Names that would touch move to the right.
    fn draw_names(&self, area: &Area, panel: &Panel) -> DrawResult {
        let mut drawn: Vec<(f64, f64)> = Vec::new();
        for (wave, colour, (x, y)) in self.names(panel) {
            let half = ink::text_width(wave, TEXT) / 2.0;
            let beside =
                drawn.iter().filter(|(_, other)| (y - other).abs() < TEXT).map(|(right, _)| right + half + 2.0);
            let x = beside.fold(x, f64::max);
            drawn.push((x + half, y));
            ink::text(area, wave, (x, y), TEXT, colour, (HPos::Center, VPos::Bottom))?;
        }
        Ok(())
    }

    /// The waves of a panel in order of latency, with the bottom centre of each name.
    fn names(&self, panel: &Panel) -> Vec<(&'static str, RGBColor, Position)> {
        let name = |wave: &'static str| {
            // at equal levels, the first layer wins
            let marked = panel.layers.iter().filter_map(|layer| {
                let loudest = layer.levels.iter().rev().find_map(|traces| Some((traces, self.mark(traces, wave)?)));
                loudest.map(|(traces, mark)| (layer, traces, mark))
            });
            let (layer, traces, mark) =
                marked.reduce(|first, next| if next.1.level_db > first.1.level_db { next } else { first })?;
            let (x, y) = self.peak(panel, traces, mark);
            let y = self.highest(panel, traces.level_db, mark.latency_ms).min(y) - 3.0;
            Some((wave, self.page.colour_of(layer), (x, y)))
        };
        let mut names: Vec<_> = wave_names(&panel.layers).into_iter().filter_map(name).collect();
        names.sort_by(|(.., a), (.., b)| a.0.total_cmp(&b.0));
        names
    }

    /// The upper edge of everything drawn around a time: for the highest level all traces, for other levels only means.
    fn highest(&self, panel: &Panel, level_db: Option<f64>, about_ms: f64) -> f64 {
        let loudest = self.page.scale.levels.last() == Some(&level_db);
        let own = panel.layers.iter().flat_map(|layer| &layer.levels).filter(|own| own.level_db == level_db);
        let heights = own.flat_map(|traces| {
            let about = |(i, _): &(usize, &f32)| (traces.time_ms(*i) - about_ms).abs() <= NAME_MS;
            let more = traces.band_uv.iter().map(|[_, high]| high).chain(&traces.repeats_uv).filter(|_| loudest);
            let lines = std::iter::once(&traces.mean_uv).chain(more);
            lines.flat_map(move |line| line.iter().enumerate().filter(about).map(|(_, uv)| *uv))
        });
        let highest_uv = heights.filter(|uv| uv.is_finite()).fold(f32::NEG_INFINITY, f32::max);
        if highest_uv.is_finite() { self.y(panel, level_db, highest_uv.into()) } else { f64::INFINITY }
    }

    fn mark<'t>(&self, traces: &'t TracesAtLevel, wave: &str) -> Option<&'t WaveMark> {
        traces.waves.iter().find(|mark| mark.wave == wave && self.page.scale.shows(mark.latency_ms))
    }

    fn peak(&self, panel: &Panel, traces: &TracesAtLevel, mark: &WaveMark) -> Position {
        (self.x(mark.latency_ms), self.y(panel, traces.level_db, mark.at_uv))
    }
}

/// The distinct wave names.
fn wave_names(layers: &[TraceLayer]) -> Vec<&'static str> {
    let all = layers.iter().flat_map(|layer| &layer.levels).flat_map(|traces| &traces.waves);
    let mut names: Vec<&'static str> = all.map(|mark| mark.wave).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The label beside each level's line; empty for a single line without a level.
pub fn level_words(levels_db: &[Option<f64>]) -> Vec<String> {
    let words = |level_db: &Option<f64>| match level_db {
        Some(db) => format!("{} dB", decibels(*db)),
        None if levels_db.len() == 1 => String::new(),
        None => "no level".to_string(),
    };
    levels_db.iter().map(words).collect()
}

/// A level rounded to few digits.
fn decibels(db: f64) -> f64 {
    (db * 10.0).round() / 10.0
}

/// The smallest number of the form 1, 2 or 5 times a power of ten that is at least `least`.
fn one_two_five_from(least: f64) -> f64 {
    let ten = 10_f64.powf(least.log10().floor());
    // allow for rounding
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * ten).find(|step| *step >= least * (1.0 - 1e-9)).unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (least, step) in [(0.11, 0.2), (0.2, 0.2), (3.0, 5.0), (5.1, 10.0), (40.0, 50.0)] {
            assert!((one_two_five_from(least) / step - 1.0).abs() < 1e-12, "{least}");
        }
    }
}
