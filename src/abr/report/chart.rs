//! A chart of lines, points, error bars and bands over two axes, with a legend above.

use super::picture::{Area, CHARACTER_EM, DrawResult, FONT, FONT_IS_SMALLER, offset, px};
use super::style::{BAND, GRID, HEADING, INK, MUTED, STROKE, TEXT};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The margin of an axis that spans all points, as a share of their range.
const MARGIN: f64 = 0.06;

/// The font with this size in CSS pixels.
pub fn font(pixels: f64) -> (&'static str, u32) {
    (FONT, px(pixels * FONT_IS_SMALLER))
}

/// The style of text with this size in CSS pixels; `pos` is its anchor.
pub fn text_style<'a>(pixels: f64, colour: RGBColor, pos: Pos) -> TextStyle<'a> {
    TextStyle { color: colour.to_backend_color(), pos, ..TextStyle::from(font(pixels)) }
}

/// Lines and points over two axes.
pub struct Chart<'a> {
    pub title: &'a str,
    pub x: ChartAxis<'a>,
    pub y: ChartAxis<'a>,
    pub series: Vec<Series<'a>>,
}

/// An axis. Without a range it spans all points.
#[derive(Clone, Copy)]
pub struct ChartAxis<'a> {
    /// With its unit. An axis without a label has no ticks either.
    pub label: &'a str,
    pub range: Option<[f64; 2]>,
}

/// Points of one colour, and how to draw them.
pub struct Series<'a> {
    /// The name in the legend; a series with an empty name is not listed.
    pub name: &'a str,
    pub colour: RGBColor,
    pub mark: Mark,
    pub points: Vec<Point>,
}

/// How points are drawn.
#[derive(Clone, Copy, PartialEq)]
pub enum Mark {
    Line,
    Dashed,
    /// A line, dots on it, and a bar from low to high.
    Dots,
    /// Dots alone, with their bars.
    Points,
    /// The area between low and high.
    Band,
}

/// A point with its interval. A point that is not finite breaks the line.
#[derive(Clone, Copy, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl Series<'_> {
    /// Whether there is a point to draw.
    pub fn has_points(&self) -> bool {
        self.points.iter().any(Point::is_drawn)
    }

    /// Whether the legend lists the series: it needs a name and a point.
    fn is_named(&self) -> bool {
        !self.name.is_empty() && self.has_points()
    }
}

impl Point {
    pub fn at(x: f64, y: f64) -> Point {
        Point { x, y, low: None, high: None }
    }

    pub fn between(self, low: Option<f64>, high: Option<f64>) -> Point {
        Point { low, high, ..self }
    }

    fn is_drawn(&self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }
}

impl Chart<'_> {
    /// Whether there is a point to draw.
    pub fn is_empty(&self) -> bool {
        !self.series.iter().any(Series::has_points)
    }

    /// Draws the chart onto the whole area.
    pub fn draw(&self, area: &Area) -> DrawResult {
        let (width, _) = area.dim_in_pixel();
        let title = text_style(HEADING, INK, Pos::new(HPos::Left, VPos::Top));
        area.draw(&Text::new(self.title, (offset(8.0), offset(4.0)), title))?;
        let used = self.legend(area, f64::from(width) / f64::from(px(1.0)))?;
        let body = area.margin(px(26.0 + used), px(4.0), px(4.0), px(12.0));
        let [x0, x1] = self.x.range.unwrap_or_else(|| self.extent(|p| vec![p.x], 0.03));
        let [y0, y1] = self
            .y
            .range
            .unwrap_or_else(|| self.extent(|p| [Some(p.y), p.low, p.high].into_iter().flatten().collect(), MARGIN));
        let mut chart = ChartBuilder::on(&body)
            .margin(px(2.0))
            .x_label_area_size(px(36.0))
            .y_label_area_size(px(if self.y.label.is_empty() { 12.0 } else { 54.0 }))
            .build_cartesian_2d(x0..x1, y0..y1)?;
        let (by_x, by_y) = (decimals(x1 - x0), decimals(y1 - y0));
        chart
            .configure_mesh()
            .x_desc(self.x.label)
            .y_desc(self.y.label)
            .x_labels(6)
            .y_labels(if self.y.label.is_empty() { 0 } else { 6 })
            .x_label_formatter(&|v| format!("{v:.by_x$}"))
            .y_label_formatter(&|v| format!("{v:.by_y$}"))
            .bold_line_style(GRID.stroke_width(px(0.8)))
            .light_line_style(TRANSPARENT)
            .axis_style(MUTED.stroke_width(px(1.0)))
            .label_style(text_style(TEXT - 1.0, MUTED, Pos::new(HPos::Left, VPos::Top)))
            .axis_desc_style(text_style(TEXT, INK, Pos::new(HPos::Left, VPos::Top)))
            .set_all_tick_mark_size(px(3.0))
            .draw()?;
        for series in &self.series {
            for part in series.points.split(|point| !point.is_drawn()) {
                match series.mark {
                    Mark::Band => {
                        chart.draw_series(band(part).map(|edge| Polygon::new(edge, series.colour.mix(BAND))))?;
                    }
                    Mark::Line => {
                        chart.draw_series(line(part, series.colour.stroke_width(px(STROKE))))?;
                        // a point between gaps
                        chart.draw_series(dots(if part.len() == 1 { part } else { &[] }, series.colour))?;
                    }
                    Mark::Dashed => {
                        let style = series.colour.stroke_width(px(STROKE));
                        let points = part.iter().map(|p| (p.x, p.y));
                        chart.draw_series(DashedLineSeries::new(points, px(5.0), px(4.0), style))?;
                    }
                    Mark::Dots => {
                        chart.draw_series(line(part, series.colour.stroke_width(px(STROKE))))?;
                        chart.draw_series(error_bars(part, series.colour))?;
                        chart.draw_series(dots(part, series.colour))?;
                    }
                    Mark::Points => {
                        chart.draw_series(error_bars(part, series.colour))?;
                        chart.draw_series(dots(part, series.colour))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The range of all drawn points, with a margin.
    fn extent(&self, of: impl Fn(&Point) -> Vec<f64>, margin: f64) -> [f64; 2] {
        let points = self.series.iter().flat_map(|series| &series.points).filter(|point| point.is_drawn());
        let values = points.flat_map(of).filter(|v| v.is_finite());
        let [low, high] = values.fold([f64::INFINITY, f64::NEG_INFINITY], |[lo, hi], v| [lo.min(v), hi.max(v)]);
        // values that differ only by rounding are the same
        let differ = high - low > 1e-9 * low.abs().max(high.abs());
        match (differ, low.is_finite()) {
            (true, _) => [low - margin * (high - low), high + margin * (high - low)],
            (false, true) => {
                let by = if low == 0.0 { 0.5 } else { 0.1 * low.abs() };
                [low - by, high + by]
            }
            (false, false) => [0.0, 1.0],
        }
    }

    /// Draws names with their colours in lines under the title; returns their height.
    fn legend(&self, area: &Area, width: f64) -> Result<f64, DrawingAreaErrorKind<std::io::Error>> {
        let (mut x, mut y) = (8.0, 24.0);
        let named: Vec<&Series> = self.series.iter().filter(|series| series.is_named()).collect();
        for (i, series) in named.iter().enumerate() {
            let own = 26.0 + CHARACTER_EM * TEXT * series.name.chars().count() as f64 + 12.0;
            if i > 0 && x + own > width {
                (x, y) = (8.0, y + 16.0);
            }
            let (colour, middle) = (series.colour, offset(y + 6.0));
            let (from, to) = ((offset(x), middle), (offset(x + 18.0), middle));
            match series.mark {
                Mark::Band => {
                    let [top, bottom] = [offset(y + 1.0), offset(y + 11.0)];
                    area.draw(&Rectangle::new([(from.0, top), (to.0, bottom)], colour.mix(BAND).filled()))?;
                }
                Mark::Points => area.draw(&Circle::new((offset(x + 9.0), middle), px(3.0), colour.filled()))?,
                Mark::Dashed => {
                    for at in [0.0, 7.0, 14.0] {
                        let dash = vec![(offset(x + at), middle), (offset(x + at + 4.0), middle)];
                        area.draw(&PathElement::new(dash, colour.stroke_width(px(STROKE))))?;
                    }
                }
                _ => area.draw(&PathElement::new(vec![from, to], colour.stroke_width(px(STROKE))))?,
            }
            let style = text_style(TEXT, INK, Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(series.name, (offset(x + 24.0), middle), style))?;
            x += own;
        }
        Ok(if named.is_empty() { 0.0 } else { y + 16.0 - 24.0 })
    }
}

/// The number of decimals that distinguishes six ticks of a range.
fn decimals(range: f64) -> usize {
    // an axis has five or six ticks
    (-(range / 5.0).log10().floor()).clamp(0.0, 6.0) as usize
}

fn line(points: &[Point], style: ShapeStyle) -> Option<PathElement<(f64, f64)>> {
    (points.len() > 1).then(|| PathElement::new(points.iter().map(|p| (p.x, p.y)).collect::<Vec<_>>(), style))
}

fn dots(points: &[Point], colour: RGBColor) -> impl Iterator<Item = Circle<(f64, f64), u32>> {
    points.iter().map(move |p| Circle::new((p.x, p.y), px(2.6), colour.filled()))
}

fn error_bars(points: &[Point], colour: RGBColor) -> impl Iterator<Item = PathElement<(f64, f64)>> {
    let ends = points.iter().filter_map(|p| Some((p.x, p.low?, p.high?)));
    ends.map(move |(x, low, high)| PathElement::new(vec![(x, low), (x, high)], colour.mix(0.6).stroke_width(px(1.4))))
}

/// The outline of a band: along the lows, then back along the highs.
fn band(points: &[Point]) -> Option<Vec<(f64, f64)>> {
    let lows = points.iter().filter_map(|p| Some((p.x, p.low?)));
    let highs = points.iter().rev().filter_map(|p| Some((p.x, p.high?)));
    let outline: Vec<(f64, f64)> = lows.chain(highs).collect();
    (outline.len() > 2).then_some(outline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Picture;
    use crate::report::style::BLUE;

    #[test]
    fn ticks_have_the_decimals_they_need() {
        for (range, wanted) in [(100.0, 0), (12.0, 0), (6.0, 0), (3.0, 1), (0.5, 1), (0.3, 2), (0.06, 2), (0.01, 3)] {
            assert_eq!(decimals(range), wanted, "{range}");
        }
    }

    #[test]
    fn charts_of_nothing_and_of_one_point_are_drawn() {
        let picture = |points: Vec<Point>, mark| {
            let series = vec![Series { name: "a name", colour: BLUE, mark, points }];
            let axis = |label| ChartAxis { label, range: None };
            let chart = Chart { title: "a chart", x: axis("level, dB"), y: axis("ms"), series };
            Picture::draw([300, 200], "", |area| chart.draw(area)).to_svg()
        };
        for mark in [Mark::Line, Mark::Dashed, Mark::Dots, Mark::Points, Mark::Band] {
            let nothing = vec![Point::at(f64::NAN, 2.0), Point::at(1.0, f64::NAN)];
            for (points, named) in [(vec![], false), (vec![Point::at(1.0, 2.0)], true), (nothing, false)] {
                let svg = picture(points, mark);
                assert!(svg.contains("a chart") && svg.contains("level, dB"), "{svg}");
                assert_eq!(svg.contains("a name"), named, "{svg}");
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
        // an unknown value breaks a line in two
        let gap = [0.0, 1.0, f64::NAN, 3.0, 4.0].iter().zip(0..).map(|(y, x)| Point::at(f64::from(x), *y)).collect();
        let whole = (0..5).map(|x| Point::at(f64::from(x), f64::from(x))).collect();
        let lines = |svg: String| svg.matches("<polyline").count();
        assert_eq!(lines(picture(gap, Mark::Line)), lines(picture(whole, Mark::Line)) + 1);
    }
}
