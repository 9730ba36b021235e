//! A comparison as a single HTML file.

use super::level_series::ink::{HPos, VPos, dot, line, straight, text, text_width};
use super::page::{document, table};
use super::picture::{Area, DrawResult, Picture};
use super::style::{BLUE, GRID, INK, MUTED, STROKE, TEXT};
use crate::compare::table::{ComparisonTable, Measured, Standing};
use crate::compare::{MEASURES, Measure};
use maud::{PreEscaped, html};
use plotters::style::Color;

/// In CSS pixels.
const WIDTH: f64 = 700.0;
const ROW: f64 = 24.0;
const BELOW: f64 = 34.0;

/// The page of a comparison called `name`. Numbers carry their places in `table.json` and `cost.json`.
pub fn compare_page(comparison: &ComparisonTable, name: &str) -> String {
    let main = html! {
        main {
            header { h1 { (name) } p .head { "Variants side by side, on subjects never seen" } }
            section { h2 { "Quality" } (table(&comparison.quality())) }
            section {
                h2 { "Measure by measure" }
                @for measure in MEASURES {
                    @if let Some(picture) = dots(comparison, measure) {
                        figure {
                            (PreEscaped(picture.element()))
                            figcaption {
                                strong { (measure.title) } ": " (measure.what) ". Grey: each of the "
                                (comparison.over) "; blue: their mean with its 95 % interval, thick where it \
                                 cannot be told from the best."
                            }
                        }
                    }
                }
            }
            section { h2 { "Cost" } (table(&comparison.cost())) }
            footer { "abr-film " (env!("CARGO_PKG_VERSION")) "; what the measures are: docs/compare.md" }
        }
    };
    document(&format!("{name}: abr-film comparison"), main)
}

/// A row for each variant: its values, their mean and its interval; `None` if nothing is done.
pub fn dots(comparison: &ComparisonTable, measure: &Measure) -> Option<Picture> {
    let rows: Vec<(&str, &Measured)> = comparison
        .variants
        .iter()
        .filter_map(|variant| Some((variant.name.as_str(), variant.measures.get(measure.key)?)))
        .collect();
    let ends = |measured: &Measured| {
        let interval = [measured.of_mean.low, measured.of_mean.high].into_iter().flatten();
        interval.chain(measured.by_unit.iter().copied()).chain([measured.of_mean.mean]).collect::<Vec<_>>()
    };
    let all: Vec<f64> = rows.iter().flat_map(|(_, measured)| ends(measured)).filter(|v| v.is_finite()).collect();
    let (low, high) = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    if rows.is_empty() || !low.is_finite() {
        return None;
    }
    let names = rows.iter().map(|(name, _)| text_width(name, TEXT)).fold(0.0, f64::max).min(0.45 * WIDTH);
    let space = 0.05 * (high - low).max(1e-9);
    let scale = DotScale { low: low - space, high: high + space, left: names + 16.0, right: WIDTH - 12.0 };
    let height = ROW * rows.len() as f64 + BELOW;
    let title = format!("{} of {} variants", measure.title, rows.len());
    Some(Picture::draw([WIDTH as u32, height as u32], &title, |area| draw(area, &rows, &scale, measure)))
}

/// From values to CSS pixels.
struct DotScale {
    low: f64,
    high: f64,
    left: f64,
    right: f64,
}

impl DotScale {
    fn x(&self, value: f64) -> f64 {
        self.left + (value - self.low) / (self.high - self.low) * (self.right - self.left)
    }

    /// Round values, four to nine of them.
    fn ticks(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough).unwrap_or(rough);
        let first = (self.low / step).ceil() as i64;
        (first..).map(|i| i as f64 * step).take_while(|tick| *tick <= self.high).take(12).collect()
    }
}

fn draw(area: &Area, rows: &[(&str, &Measured)], scale: &DotScale, measure: &Measure) -> DrawResult {
    let bottom = ROW * rows.len() as f64;
    for tick in scale.ticks() {
        let x = scale.x(tick);
        straight(area, (x, 0.0), (x, bottom), GRID.mix(1.0), 1.0)?;
        let number = format!("{tick:.*}", measure.decimals);
        text(area, &number, (x, bottom + 4.0), TEXT, MUTED, (HPos::Center, VPos::Top))?;
    }
    for (i, (name, measured)) in rows.iter().enumerate() {
        let y = ROW * (i as f64 + 0.5);
        text(area, name, (scale.left - 10.0, y), TEXT, INK, (HPos::Right, VPos::Center))?;
        for value in &measured.by_unit {
            dot(area, (scale.x(*value), y), MUTED)?;
        }
        if let (Some(low), Some(high)) = (measured.of_mean.low, measured.of_mean.high) {
            line(area, &[Some((scale.x(low), y)), Some((scale.x(high), y))], BLUE.mix(1.0), STROKE)?;
        }
        let (x, half) = (scale.x(measured.of_mean.mean), 5.0);
        let thick = matches!(measured.standing, Standing::Best | Standing::AmongTheBest);
        straight(area, (x, y - half), (x, y + half), BLUE.mix(1.0), if thick { 4.0 } else { STROKE })?;
    }
    Ok(())
}
