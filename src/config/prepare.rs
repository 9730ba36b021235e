//! Which rows are used, and what is done to each before the model sees it: `data.filters` and `data.prepare`.

use serde::{Deserialize, Serialize};

/// Keeps the rows whose cell in one column fits. At least one of the conditions must be there, and all that are must
/// hold.
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
    /// These are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not: Option<Vec<FilterValue>>,
}

/// What a cell is compared with: as a number (`20` is `20.0`), or as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number or a text")]
pub enum FilterValue {
    Number(f64),
    Text(String),
}

/// What is done to a recording, in the order of the keys; nothing by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrepareConfig {
    /// -1 turns every trace upside down.
    pub polarity: i8,
    /// The mean that is subtracted; `null`: none.
    pub baseline: Option<Baseline>,
    /// Zero-phase Butterworth filter; `null`: none.
    pub band_pass: Option<BandPass>,
    /// Recordings are resampled to this rate; `null`: they keep theirs.
    pub sample_rate_hz: Option<f64>,
    /// Where the model's `signal_length` samples lie; `null`: they are the first.
    pub window: Option<Window>,
}

impl Default for PrepareConfig {
    fn default() -> Self {
        PrepareConfig { polarity: 1, baseline: None, band_pass: None, sample_rate_hz: None, window: None }
    }
}

/// The samples whose mean is subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"mean\" or {\"from_ms\": …, \"to_ms\": …}")]
pub enum Baseline {
    /// All of the recording.
    Whole(Whole),
    /// Those between two times, both included.
    Between(Span),
}

/// The word for a whole recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whole {
    Mean,
}

/// Two times relative to the stimulus onset.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    pub from_ms: f64,
    pub to_ms: f64,
}

/// A Butterworth filter that is run forwards and backwards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandPass {
    /// `null`: a low-pass.
    #[serde(default)]
    pub low_hz: Option<f64>,
    /// `null`: a high-pass.
    #[serde(default)]
    pub high_hz: Option<f64>,
    /// Of each of the two passes.
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
    /// Time of the first sample.
    pub from_ms: f64,
    /// The end, one sample after the last; it follows from `model.signal_length` and is checked against it. `null`: not
    /// checked.
    #[serde(default)]
    pub to_ms: Option<f64>,
}
