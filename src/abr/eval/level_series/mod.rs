//! Level series: traces of one or several listeners, sorted by level, as used to read thresholds. Pictures of traces
//! show level series. Times are in ms after stimulus onset, values in µV.

mod choose;
mod panels;
mod recordings;
mod summary;
mod trace;

pub use recordings::{RecordingSet, SeriesSelection, SeriesWithNotices, from_recordings, source_of, stated_species};
pub use summary::{SpreadBand, Summary};

use serde::Serialize;

/// Panels side by side, all with one scale.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelSeries {
    pub panels: Vec<Panel>,
}

/// Traces that differ only in level and source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Panel {
    /// The subject, and what all traces share: `M3, 16000 Hz, ear R`.
    pub title: String,
    /// In dB, if known.
    pub threshold_db: Option<f64>,
    /// Drawn on top of each other, in this order.
    pub layers: Vec<TraceLayer>,
}

/// The traces of one source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceLayer {
    pub source: TraceSource,
    /// The name in the legend.
    pub name: String,
    /// In ascending order of level; an unknown level comes first.
    pub levels: Vec<TracesAtLevel>,
}

/// Where traces come from; each source has its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceSource {
    Recorded,
    /// Noise-free traces of a simulation, or cell averages of recordings.
    GroundTruth,
    Reconstructed,
    Generated,
}

/// Traces at one level, on one time axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TracesAtLevel {
    /// `None` if unknown.
    pub level_db: Option<f64>,
    /// The time of the first sample.
    pub t0_ms: f64,
    /// The time between samples.
    pub step_ms: f64,
    /// The number of traces in the mean.
    pub traces: usize,
    /// NaN where a sample is missing.
    pub mean_uv: Vec<f32>,
    /// The lower and upper edge of the band; `None` for a single trace.
    pub band_uv: Option<[Vec<f32>; 2]>,
    /// Single traces to draw behind the mean; may be empty.
    pub repeats_uv: Vec<Vec<f32>>,
    /// The waves of the mean trace.
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
