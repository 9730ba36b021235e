//! The sections `data.filters` and `data.prepare`: which rows to use, and how to prepare each for the model.

use serde::{Deserialize, Serialize};

/// Keeps the rows whose cell in one column passes. A filter has at least one condition, and all of them must hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowFilter {
    /// Any column of the table.
    pub column: String,
    /// Smallest number kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest number kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Only these are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<Vec<FilterValue>>,
    /// These are dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not: Option<Vec<FilterValue>>,
}

/// The value to compare a cell with: as a number (`20` equals `20.0`) or as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number or a text")]
pub enum FilterValue {
    /// Compared with the cell as a number.
    Number(f64),
    /// Compared with the cell's text.
    Text(String),
}

/// The preparation of a recording, in the order of the keys; nothing by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrepareConfig {
    /// 1, or -1, which inverts every trace.
    pub polarity: i8,
    /// The mean to subtract; `null`: none.
    pub baseline: Option<Baseline>,
    /// Zero-phase Butterworth filter with at least one of `low_hz` and `high_hz`; `null`: none.
    pub band_pass: Option<BandPass>,
    /// Resamples recordings to this rate in Hz; `null`: they keep their own.
    pub sample_rate_hz: Option<f64>,
    /// Where the model's `signal_length` samples lie; `null`: at the start of the recording.
    pub window: Option<Window>,
}

impl Default for PrepareConfig {
    fn default() -> Self {
        PrepareConfig { polarity: 1, baseline: None, band_pass: None, sample_rate_hz: None, window: None }
    }
}

/// The samples whose mean to subtract.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"mean\" or {\"from_ms\": …, \"to_ms\": …}")]
pub enum Baseline {
    /// The whole recording.
    Whole(Whole),
    /// The samples between two times, both included.
    Between(Span),
}

/// The word for a whole recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whole {
    /// The mean of all samples.
    Mean,
}

/// Two times relative to the stimulus onset.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The first time in ms.
    pub from_ms: f64,
    /// The last time in ms, above `from_ms`.
    pub to_ms: f64,
}

/// A Butterworth filter, applied forwards and backwards (zero phase).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandPass {
    /// Lower edge in Hz; `null`: a low-pass.
    #[serde(default)]
    pub low_hz: Option<f64>,
    /// Upper edge in Hz; `null`: a high-pass.
    #[serde(default)]
    pub high_hz: Option<f64>,
    /// The order of each of the two passes, from 1 to 12.
    #[serde(default = "usual_order")]
    pub order: usize,
}

fn usual_order() -> usize {
    2
}

/// Where the model's samples lie, relative to the stimulus onset.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Time of the first sample in ms.
    pub from_ms: f64,
    /// The end in ms, one sample after the last. It follows from `model.signal_length` and is checked against it;
    /// `null`: not checked.
    #[serde(default)]
    pub to_ms: Option<f64>,
}
