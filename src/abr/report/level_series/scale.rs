//! The scale that all panels share: it maps times, levels and voltages to positions.

use crate::eval::level_series::{LevelSeries, Panel, TracesAtLevel};

/// The number of time bins in which the heights of two traces are compared.
const BINS: usize = 100;
/// The allowed distance between levels in CSS pixels, and the height of all levels together.
const PITCH: [f64; 2] = [26.0, 64.0];
const ALL_LEVELS: f64 = 480.0;
/// How far traces of two neighbouring levels may reach into each other, in units of the distance between levels: means
/// only touch; bands and single traces may overlap.
const REACH: [f64; 3] = [1.0, 1.4, 2.0];
/// How far a mean, a band and a single trace may reach from their level's line, in units of the distance between
/// levels.
const LARGEST: [f64; 3] = [1.6, 2.0, 2.4];
/// The space above the highest trace, for the names of waves.
const ROOM: f64 = 16.0;

/// Positions in CSS pixels, from the upper left corner of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotScale {
    pub from_ms: f64,
    pub to_ms: f64,
    /// The lowest first.
    pub levels: Vec<Option<f64>>,
    pub pitch: f64,
    pub px_per_uv: f64,
    /// The space above the highest level's line, and below the lowest level's line.
    above: f64,
    below: f64,
}

/// The parts of a level that are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TracePart {
    Mean,
    Band,
    Repeats,
}

const PARTS: [TracePart; 3] = [TracePart::Mean, TracePart::Band, TracePart::Repeats];

impl PlotScale {
    pub fn of(series: &LevelSeries, window_ms: Option<[f64; 2]>) -> PlotScale {
        let [from_ms, to_ms] = window_ms.unwrap_or_else(|| times(series));
        let levels = levels(series);
        let pitch = (ALL_LEVELS / levels.len() as f64).clamp(PITCH[0], PITCH[1]);
        let mut scale = PlotScale { from_ms, to_ms, levels, pitch, px_per_uv: f64::INFINITY, above: 0.0, below: 0.0 };
        let outlines: Vec<Vec<Outline>> = series.panels.iter().map(|panel| scale.outlines(panel)).collect();
        for outline in outlines.iter().flatten() {
            scale.px_per_uv = scale.px_per_uv.min(scale.largest(outline));
        }
        for pair in outlines.iter().flat_map(|panel| panel.windows(2)) {
            scale.px_per_uv = scale.px_per_uv.min(scale.largest_beside(&pair[0], &pair[1]));
        }
        if !scale.px_per_uv.is_finite() {
            // flat traces determine no scale
            scale.px_per_uv = pitch;
        }
        let top = scale.line(scale.levels.len() - 1);
        for outline in outlines.iter().flatten() {
            for part in &outline.parts {
                let [low, high] = [part.low(), part.high()].map(|uv| scale.line(outline.row) + uv * scale.px_per_uv);
                scale.above = scale.above.max(high - top);
                scale.below = scale.below.max(-low);
            }
        }
        scale.above = scale.above.max(0.3 * pitch) + ROOM;
        scale.below = scale.below.max(0.5 * pitch) + 4.0;
        scale
    }

    pub fn height(&self) -> f64 {
        self.above + self.line(self.levels.len() - 1) + self.below
    }

    /// The height of a level's line above that of the lowest level.
    fn line(&self, row: usize) -> f64 {
        row as f64 * self.pitch
    }

    /// The distance of a level's line from the upper edge of the plot. Rows count from the lowest level; fractions lie
    /// between levels.
    pub fn y(&self, row: f64) -> f64 {
        self.height() - self.below - row * self.pitch
    }

    pub fn row(&self, level_db: Option<f64>) -> usize {
        self.levels.iter().position(|level| *level == level_db).unwrap_or(0)
    }

    pub fn x(&self, ms: f64, width: f64) -> f64 {
        (ms - self.from_ms) / (self.to_ms - self.from_ms) * width
    }

    /// Whether a time is shown.
    pub fn shows(&self, ms: f64) -> bool {
        let slack = 1e-9 * (self.to_ms - self.from_ms);
        (self.from_ms - slack..=self.to_ms + slack).contains(&ms)
    }

    /// The voltage at a level's line: the mean of all its mean traces over the shown time; `None` if the panel lacks
    /// the level.
    pub fn middle_uv(&self, panel: &Panel, level_db: Option<f64>) -> Option<f64> {
        let own = panel.layers.iter().flat_map(|layer| &layer.levels).filter(|own| own.level_db == level_db);
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            let (sum, n) = values.fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
            (n > 0.0).then(|| sum / n)
        };
        let means = own.map(|traces| {
            let shown =
                traces.mean_uv.iter().enumerate().filter(|(i, v)| v.is_finite() && self.shows(traces.time_ms(*i)));
            shown.map(|(_, v)| f64::from(*v))
        });
        mean(&mut means.filter_map(|mut values| mean(&mut values)))
    }

    /// The largest allowed scale for the traces of one level.
    fn largest(&self, outline: &Outline) -> f64 {
        let of = |(part, pitches): (&Extent, f64)| pitches * self.pitch / part.high().max(-part.low());
        let scales = outline.parts.iter().zip(LARGEST).map(of).filter(|scale| *scale > 0.0);
        scales.fold(f64::INFINITY, f64::min)
    }

    /// The largest allowed scale for the traces of two neighbouring levels.
    fn largest_beside(&self, softer: &Outline, louder: &Outline) -> f64 {
        let apart = self.line(louder.row) - self.line(softer.row);
        let of = |part: usize| {
            let overlap_uv = softer.parts[part].over(&louder.parts[part]);
            if overlap_uv > 0.0 { REACH[part] * apart / overlap_uv } else { f64::INFINITY }
        };
        (0..PARTS.len()).map(of).fold(f64::INFINITY, f64::min)
    }

    /// The outline of each level of the panel, the lowest first.
    fn outlines(&self, panel: &Panel) -> Vec<Outline> {
        let rows = self.levels.iter().enumerate().filter_map(|(row, level)| {
            let middle = self.middle_uv(panel, *level)?;
            let own = || panel.layers.iter().flat_map(|layer| &layer.levels).filter(|own| own.level_db == *level);
            let parts = PARTS.map(|part| {
                let mut extent = Extent::new();
                own().for_each(|traces| self.add(traces, part, middle, &mut extent));
                extent
            });
            Some(Outline { row, parts })
        });
        rows.collect()
    }

    fn add(&self, traces: &TracesAtLevel, part: TracePart, middle: f64, extent: &mut Extent) {
        let lines: Vec<&Vec<f32>> = match part {
            TracePart::Mean => vec![&traces.mean_uv],
            TracePart::Band => traces.band_uv.iter().flatten().collect(),
            TracePart::Repeats => traces.repeats_uv.iter().collect(),
        };
        for (i, value) in lines.into_iter().flat_map(|line| line.iter().enumerate()) {
            let ms = traces.time_ms(i);
            if value.is_finite() && self.shows(ms) {
                let bin = ((self.x(ms, BINS as f64)) as usize).min(BINS - 1);
                extent.add(bin, f64::from(*value) - middle);
            }
        }
    }
}

/// The extent of one level's traces in µV about its line.
struct Outline {
    row: usize,
    /// As in [`PARTS`].
    parts: [Extent; 3],
}

/// The lowest and the highest value in each bin of time.
struct Extent([(f64, f64); BINS]);

impl Extent {
    fn new() -> Extent {
        Extent([(f64::INFINITY, f64::NEG_INFINITY); BINS])
    }

    fn add(&mut self, bin: usize, uv: f64) {
        let (low, high) = &mut self.0[bin];
        (*low, *high) = (low.min(uv), high.max(uv));
    }

    fn low(&self) -> f64 {
        self.0.iter().fold(0.0, |low, bin| low.min(bin.0))
    }

    fn high(&self) -> f64 {
        self.0.iter().fold(0.0, |high, bin| high.max(bin.1))
    }

    /// How far this extent reaches above the lower side of another, if both have the same line.
    fn over(&self, other: &Extent) -> f64 {
        self.0.iter().zip(&other.0).map(|(own, other)| own.1 - other.0).fold(f64::NEG_INFINITY, f64::max)
    }
}

fn levels(series: &LevelSeries) -> Vec<Option<f64>> {
    let all = series.panels.iter().flat_map(|panel| &panel.layers).flat_map(|layer| &layer.levels);
    let mut levels: Vec<Option<f64>> = all.map(|traces| traces.level_db).collect();
    levels.sort_by(|a, b| a.partial_cmp(b).expect("levels are not NaN"));
    levels.dedup();
    levels
}

/// The time from the first to the last known sample; for a single sample, a tenth of a ms around it.
fn times(series: &LevelSeries) -> [f64; 2] {
    let all = series.panels.iter().flat_map(|panel| &panel.layers).flat_map(|layer| &layer.levels);
    let known = all.flat_map(|traces| {
        let finite = traces.mean_uv.iter().enumerate().filter(|(_, v)| v.is_finite());
        finite.map(|(i, _)| traces.time_ms(i))
    });
    let (from, to) = known.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), ms| (lo.min(ms), hi.max(ms)));
    assert!(from.is_finite(), "a sample to draw");
    if to > from { [from, to] } else { [from - 0.05, to + 0.05] }
}
