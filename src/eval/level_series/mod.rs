//! Level series: traces of one listener, or of several, by level, as a threshold is read from them. This is what
//! pictures of traces show; numbers are in ms after stimulus onset and in µV.

mod choose;
mod panels;
mod recordings;
mod summary;
mod trace;

pub use recordings::{RecordingSet, SeriesSelection, SeriesWithNotices, from_recordings, source_of, stated_species};
pub use summary::{SpreadBand, Summary};

use serde::Serialize;

/// Panels side by side, all to one scale.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelSeries {
    pub panels: Vec<Panel>,
}

/// Traces that differ in level and source alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Panel {
    /// Whose, and what all traces share: `M3, 16000 Hz, ear R`.
    pub title: String,
    /// In dB, where it is stated.
    pub threshold_db: Option<f64>,
    /// Drawn one over the other, in this order.
    pub layers: Vec<Layer>,
}

/// The traces of one source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Layer {
    pub source: TraceSource,
    /// As the legend names it.
    pub name: String,
    /// By ascending level; one whose level is not known comes first.
    pub levels: Vec<TracesAtLevel>,
}

/// Where traces come from; each has its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceSource {
    Recorded,
    /// Noise-free traces of a simulation, or the means of other recordings.
    GroundTruth,
    Reconstructed,
    Generated,
}

/// Traces at one level, on one time axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TracesAtLevel {
    /// `None` where it is not known.
    pub level_db: Option<f64>,
    /// Of the first sample.
    pub t0_ms: f64,
    /// From sample to sample.
    pub step_ms: f64,
    /// How many traces the mean is of.
    pub traces: usize,
    /// NaN where a sample is missing.
    pub mean_uv: Vec<f32>,
    /// Lower and upper edge of what most of the traces lie in; `None` of a single one.
    pub band_uv: Option<[Vec<f32>; 2]>,
    /// Single traces to draw beside the mean; may be none.
    pub repeats_uv: Vec<Vec<f32>>,
    /// The waves of the mean.
    pub waves: Vec<WaveMark>,
}

/// A wave of a trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaveMark {
    /// `V`
    pub wave: &'static str,
    pub latency_ms: f64,
    /// The trace's value at the peak.
    pub at_uv: f64,
}
