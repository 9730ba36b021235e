//! Level series: traces stacked by level, loud above soft, with one scale in µV for all panels.

mod around;
pub(super) mod ink;
mod panel;
mod scale;

use super::picture::{Area, DrawResult, Picture};
use super::style::{HEADING, SERIES, TEXT, colour};
use crate::eval::level_series::{LevelSeries, SpreadBand, TraceLayer, TraceSource};
use around::{draw_head, draw_note, draw_scale_bar, head_lines, note};
use ink::{text_width, wrap};
use plotters::style::RGBColor;
use scale::PlotScale;

/// How a level series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SeriesOptions {
    /// In CSS pixels; `None`: as wide as the panels need.
    pub width: Option<u32>,
    /// The shown times, in ms after stimulus onset; `None`: all times.
    pub window_ms: Option<[f64; 2]>,
    /// What the bands show, for the note below the panels; `None`: the note does not mention bands.
    pub band: Option<SpreadBand>,
}

/// The minimum space left of the first column of panels, for the levels.
const LEFT: f64 = 56.0;
/// The space right of the last column, for the scale bar.
const RIGHT: f64 = 66.0;
/// The gap between columns.
const GAP: f64 = 18.0;
const MOST_COLUMNS: usize = 5;
/// The minimum width of a panel, unless there is only one column.
const NARROWEST: f64 = 110.0;
const NARROWEST_PICTURE: u32 = 240;
const LINE: f64 = 16.0;
const HEADING_LINE: f64 = 21.0;
/// The space below a panel, for its time axis.
const AXIS: f64 = 42.0;
const EDGE: f64 = 8.0;

/// Draws all panels: time to the right, levels stacked at the same heights in each panel, means with their bands and
/// single traces, a line that connects each wave across levels, and the threshold.
///
/// # Panics
/// If there is no panel, or no sample of any mean is finite.
pub fn draw_level_series(series: &LevelSeries, options: &SeriesOptions) -> Picture {
    let page = Page::of(series, options);
    let size = [page.width, page.height].map(|side| side.ceil() as u32);
    Picture::draw(size, &page.title(), |area| page.draw(area))
}

/// The layout of the page, in CSS pixels.
struct Page<'a> {
    series: &'a LevelSeries,
    scale: PlotScale,
    colours: Vec<LayerColour<'a>>,
    columns: usize,
    /// The left edge of the first column of panels.
    left: f64,
    width: f64,
    height: f64,
    panel_width: f64,
    /// The common part of all panel titles, in lines.
    heading: Vec<String>,
    head: Vec<Vec<usize>>,
    /// The remaining title of each panel, in lines.
    titles: Vec<Vec<String>>,
    /// The maximum number of title lines of a panel.
    title_lines: usize,
    threshold: bool,
    note: Vec<String>,
}

/// The colour of a layer in all panels.
struct LayerColour<'a> {
    source: TraceSource,
    name: &'a str,
    colour: RGBColor,
}

impl<'a> Page<'a> {
    fn of(series: &'a LevelSeries, options: &SeriesOptions) -> Page<'a> {
        let panels = series.panels.len();
        assert!(panels > 0, "a panel to draw");
        let scale = PlotScale::of(series, options.window_ms);
        let levels = panel::level_words(&scale.levels);
        let left =
            levels.iter().map(|words| text_width(words, TEXT)).map(|width| width + 2.0 * EDGE).fold(LEFT, f64::max);
        let (columns, width) = columns(panels, left, options.width.map(|width| width.max(NARROWEST_PICTURE)));
        let panel_width = (width - left - RIGHT - GAP * (columns as f64 - 1.0)) / columns as f64;
        let colours = layer_colours(series);
        let head = head_lines(series, &colours, width - 2.0 * EDGE);
        let (heading, titles) = titles(series);
        let titles: Vec<Vec<String>> = titles.iter().map(|title| wrap(title, TEXT, panel_width)).collect();
        let note = note(series, options.band);
        let mut page = Page {
            series,
            columns,
            left,
            width,
            height: 0.0,
            panel_width,
            heading: wrap(&heading, HEADING, width - 2.0 * EDGE),
            head,
            title_lines: titles.iter().map(Vec::len).max().unwrap_or(0),
            titles,
            threshold: series.panels.iter().any(|panel| panel.threshold_db.is_some()),
            note: wrap(&note, ink::SMALL, width - 2.0 * EDGE),
            colours,
            scale,
        };
        let below = page.note.len() as f64 * LINE + EDGE;
        page.height = page.first_row() + page.row_height() * panels.div_ceil(columns) as f64 + below;
        page
    }

    fn first_row(&self) -> f64 {
        self.legend() + self.head.len() as f64 * LINE + 4.0
    }

    fn legend(&self) -> f64 {
        EDGE + self.heading.len() as f64 * HEADING_LINE
    }

    fn row_height(&self) -> f64 {
        self.above_plot() + self.scale.height() + AXIS
    }

    /// The height of a panel's title and threshold.
    fn above_plot(&self) -> f64 {
        (self.title_lines + usize::from(self.threshold)) as f64 * LINE + 6.0
    }

    fn draw(&self, area: &Area) -> DrawResult {
        draw_head(area, self)?;
        for (place, panel) in self.series.panels.iter().enumerate() {
            let (row, column) = (place / self.columns, place % self.columns);
            let left = self.left + column as f64 * (self.panel_width + GAP);
            let top = self.first_row() + row as f64 * self.row_height();
            let plot = panel::PanelArea { page: self, left, top: top + self.above_plot() };
            panel::draw(area, &plot, panel, &self.titles[place], column == 0)?;
        }
        let shown = self.series.panels.len().min(self.columns) as f64;
        let right = self.left + shown * self.panel_width + (shown - 1.0) * GAP;
        draw_scale_bar(area, &self.scale, right, self.first_row() + self.above_plot())?;
        draw_note(area, &self.note, self.height)
    }

    fn colour_of(&self, layer: &TraceLayer) -> RGBColor {
        let own = |known: &&LayerColour| known.source == layer.source && known.name == layer.name;
        self.colours.iter().find(own).map_or(colour(layer.source), |known| known.colour)
    }

    /// The description for readers who cannot see the picture.
    fn title(&self) -> String {
        let titles: Vec<&str> =
            self.series.panels.iter().map(|panel| panel.title.as_str()).filter(|title| !title.is_empty()).collect();
        let layers: Vec<&str> = self.colours.iter().map(|layer| layer.name).collect();
        let of = if titles.is_empty() { String::new() } else { format!(" of {}", titles.join("; ")) };
        format!("Level series{of}: {}", layers.join(", "))
    }
}

/// The common part of all panel titles, and the rest of each title. Titles consist of parts separated by commas; no
/// line ends in a comma.
fn titles(series: &LevelSeries) -> (String, Vec<String>) {
    let parts: Vec<Vec<String>> = series
        .panels
        .iter()
        .map(|panel| panel.title.split(", ").map(|part| part.replace(' ', "\u{a0}")).collect())
        .collect();
    let common = |part: &String| parts.iter().all(|others| others.contains(part));
    let (shared, _): (Vec<String>, Vec<String>) = parts[0].iter().cloned().partition(common);
    let own = |parts: &Vec<String>| parts.iter().filter(|part| !common(part)).cloned().collect::<Vec<_>>().join(", ");
    (shared.join(", "), parts.iter().map(own).collect())
}

/// The number of columns, and the total width.
fn columns(panels: usize, left: f64, width: Option<u32>) -> (usize, f64) {
    // distribute the panels evenly over rows
    let even = |most: usize| panels.div_ceil(panels.div_ceil(most));
    let needs = |columns: usize, panel: f64| left + RIGHT + columns as f64 * (panel + GAP) - GAP;
    match width.map(f64::from) {
        Some(width) => {
            let most = (1..=MOST_COLUMNS).rev().find(|columns| needs(*columns, NARROWEST) <= width).unwrap_or(1);
            (even(most), width)
        }
        None => {
            let columns = even(MOST_COLUMNS);
            (columns, needs(columns, [320.0, 250.0, 200.0, 170.0, 160.0][columns - 1]))
        }
    }
}

/// Each layer once. The first layer of a source has the source's colour, others get the remaining colours.
fn layer_colours(series: &LevelSeries) -> Vec<LayerColour<'_>> {
    let mut layers: Vec<(TraceSource, &str)> = Vec::new();
    for layer in series.panels.iter().flat_map(|panel| &panel.layers) {
        if !layers.contains(&(layer.source, layer.name.as_str())) {
            layers.push((layer.source, &layer.name));
        }
    }
    let of_sources: Vec<RGBColor> = layers.iter().map(|(source, _)| colour(*source)).collect();
    let mut left = SERIES.into_iter().filter(|colour| !of_sources.contains(colour)).cycle();
    let first = |place: usize| layers[..place].iter().all(|(source, _)| *source != layers[place].0);
    let colours = (0..layers.len()).map(|place| match first(place) {
        true => of_sources[place],
        false => left.next().unwrap_or(of_sources[place]),
    });
    let colours: Vec<RGBColor> = colours.collect();
    let named = layers.iter().zip(colours);
    named.map(|((source, name), colour)| LayerColour { source: *source, name, colour }).collect()
}

#[cfg(test)]
mod tests;
