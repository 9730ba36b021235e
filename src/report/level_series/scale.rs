//! One scale for all panels: where a time, a level and a voltage stand.

use crate::eval::level_series::{LevelSeries, Panel, TracesAtLevel};

/// Times within which the heights of two traces are compared.
const BINS: usize = 100;
/// How many CSS pixels levels are apart, and all of them together.
const PITCH: [f64; 2] = [26.0, 64.0];
const ALL_LEVELS: f64 = 480.0;
/// The means of two levels touch at most; so many pitches may bands and single traces reach into each other.
const REACH: [f64; 3] = [1.0, 1.4, 2.0];
/// So many pitches reach a mean, a band and a single trace from their level's line.
const LARGEST: [f64; 3] = [1.6, 2.0, 2.4];
/// Above the highest place of a trace, for the names of waves.
const ROOM: f64 = 16.0;

/// Places in CSS pixels, from a plot's upper left corner.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    pub from_ms: f64,
    pub to_ms: f64,
    /// The softest first.
    pub levels: Vec<Option<f64>>,
    pub pitch: f64,
    pub px_per_uv: f64,
    /// Above the loudest level's line, and below the softest's.
    above: f64,
    below: f64,
}

/// What is drawn of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TracePart {
    Mean,
    Band,
    Repeats,
}

const PARTS: [TracePart; 3] = [TracePart::Mean, TracePart::Band, TracePart::Repeats];

impl Scale {
    pub fn of(series: &LevelSeries, window_ms: Option<[f64; 2]>) -> Scale {
        let [from_ms, to_ms] = window_ms.unwrap_or_else(|| times(series));
        let levels = levels(series);
        let pitch = (ALL_LEVELS / levels.len() as f64).clamp(PITCH[0], PITCH[1]);
        let mut scale = Scale { from_ms, to_ms, levels, pitch, px_per_uv: f64::INFINITY, above: 0.0, below: 0.0 };
        let outlines: Vec<Vec<Outline>> = series.panels.iter().map(|panel| scale.outlines(panel)).collect();
        for outline in outlines.iter().flatten() {
            scale.px_per_uv = scale.px_per_uv.min(scale.largest(outline));
        }
        for pair in outlines.iter().flat_map(|panel| panel.windows(2)) {
            scale.px_per_uv = scale.px_per_uv.min(scale.largest_beside(&pair[0], &pair[1]));
        }
        if !scale.px_per_uv.is_finite() {
            // flat traces have no scale of their own
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

    /// From the line of the softest level up.
    fn line(&self, row: usize) -> f64 {
        row as f64 * self.pitch
    }

    /// How far below the plot's upper edge a level's line lies; rows count from the softest, and parts of them are
    /// between.
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

    /// What of a level stands on its line: the mean of all its means over the time that is shown; `None` where the
    /// panel lacks the level.
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

    /// The scale at which one level's traces are as large as may be.
    fn largest(&self, outline: &Outline) -> f64 {
        let of = |(part, pitches): (&Extent, f64)| pitches * self.pitch / part.high().max(-part.low());
        let scales = outline.parts.iter().zip(LARGEST).map(of).filter(|scale| *scale > 0.0);
        scales.fold(f64::INFINITY, f64::min)
    }

    /// The scale at which two levels' traces reach as far into each other as they may.
    fn largest_beside(&self, softer: &Outline, louder: &Outline) -> f64 {
        let apart = self.line(louder.row) - self.line(softer.row);
        let of = |part: usize| {
            let overlap_uv = softer.parts[part].over(&louder.parts[part]);
            if overlap_uv > 0.0 { REACH[part] * apart / overlap_uv } else { f64::INFINITY }
        };
        (0..PARTS.len()).map(of).fold(f64::INFINITY, f64::min)
    }

    /// Of each level that the panel has, the softest first.
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

/// The places of one level's traces in µV about its line.
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

    /// By how much this one reaches over the lower side of another whose line is the same.
    fn over(&self, other: &Extent) -> f64 {
        self.0.iter().zip(&other.0).map(|(own, other)| own.1 - other.0).fold(f64::NEG_INFINITY, f64::max)
    }
}

fn levels(series: &LevelSeries) -> Vec<Option<f64>> {
    let all = series.panels.iter().flat_map(|panel| &panel.layers).flat_map(|layer| &layer.levels);
    let mut levels: Vec<Option<f64>> = all.map(|traces| traces.level_db).collect();
    levels.sort_by(|a, b| a.partial_cmp(b).expect("levels are no NaN"));
    levels.dedup();
    levels
}

/// From the first to the last sample that is there; of a single one, a tenth of a ms about it.
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
