//! A subject's traces stacked by level, loud above soft, as an SVG picture.

use crate::data::inspect::{LevelSeries, Panel};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const PANEL: (u32, u32) = (420, 560);
const TITLE_HEIGHT: u32 = 40;
const MOST_PANELS: usize = 12;
const COLUMNS: usize = 4;
/// The largest trace of a panel spans so many levels from peak to peak.
const LARGEST_LEVELS: f64 = 1.6;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(31, 78, 121);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

/// Draws the first twelve panels: time in ms to the right, levels one above the other, all traces of a panel to one
/// scale, which its heading gives.
pub fn draw_level_series(series: &LevelSeries) -> String {
    let shown = series.panels.len().min(MOST_PANELS);
    let (columns, rows) = (shown.min(COLUMNS), shown.div_ceil(COLUMNS));
    let size = (columns as u32 * PANEL.0, rows as u32 * PANEL.1 + TITLE_HEIGHT);
    let mut svg = String::new();
    {
        let page = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let more = match series.panels.len() - shown {
            0 => String::new(),
            more => format!(" ({more} more series are not shown)"),
        };
        let draw = || -> Drawn {
            page.fill(&WHITE)?;
            let body = page.titled(&format!("{}{more}", series.subject), (FONT, 20))?;
            for (area, panel) in body.split_evenly((rows, columns)).iter().zip(&series.panels) {
                draw_panel(area, panel)?;
            }
            page.present()
        };
        draw().expect("drawing into a string does not fail");
    }
    svg
}

fn draw_panel(area: &Area, panel: &Panel) -> Drawn {
    let levels = panel.levels();
    let points = || panel.traces.iter().flat_map(|trace| &trace.points);
    let (from_ms, to_ms) = extent(points().map(|p| p.0));
    let spans = panel.traces.iter().map(|trace| extent(trace.points.iter().map(|p| p.1))).map(|(lo, hi)| hi - lo);
    let largest_uv = spans.fold(0.0, f64::max);
    // flat traces have no scale of their own
    let row_uv = if largest_uv > 0.0 { largest_uv / LARGEST_LEVELS } else { 1.0 };
    let top = levels.len() as f64;
    let caption = if panel.title.is_empty() { "level series" } else { &panel.title };
    let caption = format!("{caption}: {} µV from level to level", significant(row_uv));
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .caption(caption, (FONT, 14))
        .x_label_area_size(36)
        .y_label_area_size(60)
        .build_cartesian_2d(from_ms..to_ms, -1.2..top + 0.2)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .x_desc("ms after stimulus onset")
        .y_labels(0)
        .axis_style(BLACK.mix(0.5))
        .light_line_style(TRANSPARENT)
        .label_style((FONT, 12))
        .draw()?;
    let style = TextStyle::from((FONT, 12).into_font()).pos(Pos::new(HPos::Right, VPos::Center));
    for (row, level) in levels.iter().enumerate() {
        let place = EmptyElement::at((from_ms, row as f64));
        chart.plotting_area().draw(&(place + Text::new(format!("{level} dB"), (-8, 0), style.clone())))?;
    }
    for trace in &panel.traces {
        let row = levels.iter().position(|level| *level == trace.level_db).unwrap_or(0) as f64;
        let middle = trace.points.iter().map(|p| p.1).sum::<f64>() / trace.points.len().max(1) as f64;
        let line = trace.points.iter().map(|(ms, uv)| (*ms, row + (uv - middle) / row_uv));
        chart.draw_series(LineSeries::new(line, INK.mix(0.8).stroke_width(1)))?;
    }
    Ok(())
}

impl Panel {
    /// Each level once, rising.
    fn levels(&self) -> Vec<f64> {
        let mut levels: Vec<f64> = self.traces.iter().map(|trace| trace.level_db).collect();
        levels.dedup();
        levels
    }
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)))
}

/// Two significant digits.
fn significant(value: f64) -> String {
    let digits = (1 - value.log10().floor() as i32).max(0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::inspect::Trace;

    #[test]
    fn traces_without_height_or_width_are_drawn() {
        let trace = |points: &[(f64, f64)]| Trace { level_db: 40.0, points: points.to_vec() };
        for (trace, caption) in [
            (trace(&[(0.0, 0.1), (0.5, 0.1), (1.0, 0.1)]), "1.0 µV from level to level"),
            (trace(&[(-1.5, 3.0)]), "1.0 µV from level to level"),
            (trace(&[(0.0, -0.4), (0.5, 0.4)]), "0.50 µV from level to level"),
        ] {
            let panels = vec![Panel { title: String::new(), traces: vec![trace] }];
            let svg = draw_level_series(&LevelSeries { subject: "A1".to_string(), panels });
            assert!(svg.contains(caption) && svg.contains("40 dB"), "{svg}");
        }
    }
}
