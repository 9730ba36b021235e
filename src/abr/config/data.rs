//! The section `data`: which recordings to use, and how.

use super::prepare::{PrepareConfig, RowFilter};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The range of sample rates of evoked-response recorders.
pub const SAMPLE_RATES_HZ: RangeInclusive<f64> = 1e3..=1e6;

/// The range of times of the first sample, relative to the stimulus onset.
pub const T0_RANGE_MS: RangeInclusive<f64> = -1e4..=1e4;

/// The recordings, and how they enter the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The path of the recordings; `null`: the built-in synthetic set. `--data` overrides it.
    pub path: Option<String>,
    /// The conditioning variables, in order: a name, or a name with its encoding.
    pub static_columns: Vec<ConditionColumn>,
    /// The column with the subjects.
    pub subject_column: String,
    /// The recorded species. It sets the latency windows of the waves; training does not use it.
    pub species: Species,
    /// The sample rate, from 1000 to 1000000 Hz, if the table has no column `sample_rate_hz`.
    pub sample_rate_hz: Option<f64>,
    /// The time of the first sample after the stimulus onset, from -10000 to 10000 ms, if the table has no column
    /// `t0_ms`.
    pub t0_ms: Option<f64>,
    /// Unit of the samples in the files; `null`: as the files state, else µV.
    pub unit: Option<Unit>,
    /// Amplification: samples are divided by it, which inverts them if it is below 0; `null`: as the files state, else
    /// 1.
    pub gain: Option<f64>,
    /// The subject, by the path of each file: a regular expression with a group, or a CSV table with the columns `file`
    /// and `subject_id`; `null`: as the files state, else from their names.
    pub subject_from: Option<String>,
    /// Which rows to use, by the values of their columns; all by default.
    pub filters: Vec<RowFilter>,
    /// The preparation of each recording.
    pub prepare: PrepareConfig,
    /// `[low, high]`, two quantiles from 0 to 1, such as `[0.01, 0.99]`: numbers are clipped to those of the training
    /// rows; `null`: no clipping.
    pub clip_statics: Option<[f64; 2]>,
    /// Number columns of `static_columns` that may have empty cells. The median of the training rows replaces them, and
    /// a second input is 1 for them. In all other columns an empty cell is an error.
    pub impute_statics: Vec<String>,
    pub split: SplitBy,
    /// Whether rows with the same samples may stand in two parts of the split. By default this is an error.
    pub allow_repeats: bool,
    /// Share of the subjects (or rows) for validation. With `test_split` it must be below 1.
    pub validation_split: f64,
    /// Share of the subjects (or rows) for the test.
    pub test_split: f64,
    /// Seed of the built-in set and of the split.
    pub seed: u64,
    pub signal_scaling: SignalScaling,
    pub synth: SynthConfig,
}

impl Default for DataConfig {
    fn default() -> Self {
        DataConfig {
            path: None,
            static_columns: SYNTH_COLUMNS.map(synth_column).to_vec(),
            subject_column: "subject_id".into(),
            species: Species::Human,
            sample_rate_hz: None,
            t0_ms: None,
            unit: None,
            gain: None,
            subject_from: None,
            filters: Vec::new(),
            prepare: PrepareConfig::default(),
            clip_statics: None,
            impute_statics: Vec::new(),
            split: SplitBy::Subject,
            allow_repeats: false,
            validation_split: 0.2,
            test_split: 0.15,
            seed: 42,
            signal_scaling: SignalScaling::Global,
            synth: SynthConfig::default(),
        }
    }
}

impl DataConfig {
    /// Whether the configuration names another subject column than the default.
    pub fn names_subject_column(&self) -> bool {
        self.subject_column != "subject_id"
    }
}

/// The recorded species.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Species {
    /// Waves I, III and V.
    Human,
    /// Waves I to V.
    Mouse,
}

/// A unit of voltage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// 1 V.
    #[serde(rename = "V")]
    Volt,
    /// 10⁻³ V.
    #[serde(rename = "mV")]
    Millivolt,
    /// 10⁻⁶ V: µV.
    #[serde(rename = "uV")]
    Microvolt,
    /// 10⁻⁹ V.
    #[serde(rename = "nV")]
    Nanovolt,
}

impl Unit {
    /// All units.
    pub const ALL: [Unit; 4] = [Unit::Volt, Unit::Millivolt, Unit::Microvolt, Unit::Nanovolt];

    /// The unit in microvolts.
    pub fn microvolts(self) -> f64 {
        match self {
            Unit::Volt => 1e6,
            Unit::Millivolt => 1e3,
            Unit::Microvolt => 1.0,
            Unit::Nanovolt => 1e-3,
        }
    }

    /// The unit's symbol, with `u` for `µ`.
    pub fn symbol(self) -> &'static str {
        match self {
            Unit::Volt => "V",
            Unit::Millivolt => "mV",
            Unit::Microvolt => "uV",
            Unit::Nanovolt => "nV",
        }
    }
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(self.symbol())
    }
}

/// The condition columns of the built-in set, in order.
pub const SYNTH_COLUMNS: [&str; 7] =
    ["age_years", "level_db", "rate_hz", "fmp", "residual_noise_nv", "conductive_loss_db", "cochlear_loss_db"];

/// The encoding of a column of the built-in set. The F-ratio spans two orders of magnitude, so its logarithm enters.
fn synth_column(name: &str) -> ConditionColumn {
    match name {
        "fmp" => ConditionColumn::encoded(name, ColumnEncoding::Log),
        _ => ConditionColumn::Name(name.into()),
    }
}

/// One condition column: its name alone (standardised), or with its encoding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a column's name or {\"name\": …, \"encoding\": \"standard\", \"log\" or \"one_hot\"}; with \
                 \"one_hot\", optionally \"categories\": [\"…\"]"
)]
pub enum ConditionColumn {
    /// The name of a column, which is standardised.
    Name(String),
    /// A column with its encoding.
    Encoded(EncodedColumn),
}

impl ConditionColumn {
    /// A column with its encoding. A one-hot column takes its categories from the training rows.
    pub fn encoded(name: &str, encoding: ColumnEncoding) -> Self {
        ConditionColumn::Encoded(EncodedColumn { name: name.into(), encoding, categories: None })
    }

    /// The column's name in the table.
    pub fn name(&self) -> &str {
        match self {
            ConditionColumn::Name(name) => name,
            ConditionColumn::Encoded(column) => &column.name,
        }
    }

    /// Its encoding; a bare name is standardised.
    pub fn encoding(&self) -> ColumnEncoding {
        match self {
            ConditionColumn::Name(_) => ColumnEncoding::Standard,
            ConditionColumn::Encoded(column) => column.encoding,
        }
    }

    /// The categories that the configuration names.
    pub fn categories(&self) -> Option<&[String]> {
        match self {
            ConditionColumn::Name(_) => None,
            ConditionColumn::Encoded(column) => column.categories.as_deref(),
        }
    }
}

/// A condition column with its encoding: `{"name": "ear", "encoding": "one_hot", "categories": ["L", "R"]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodedColumn {
    /// The name of the column.
    pub name: String,
    /// How the column enters the model.
    pub encoding: ColumnEncoding,
    /// Only for `one_hot`: all categories, in the order of their inputs. A row with another category is an error.
    /// Without this key the categories are those of the training rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
}

/// How a condition column enters the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnEncoding {
    /// Mean 0 and standard deviation 1 over the training rows.
    Standard,
    /// Natural logarithm, then standardised; values must be above 0.
    Log,
    /// One input per category: those of `categories`, else those of the training rows.
    OneHot,
}

/// How rows are split into training, validation and test: `"subject"`, `"row"`, `{"k_fold": {"folds": 5, "fold": 0}}`
/// or `{"held_out": {"column": "level_db", "values": [60]}}`, whose column may also be `data.subject_column`, with
/// names of subjects. In all but `"row"`, no subject's rows stand in two parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "snake_case",
    deny_unknown_fields,
    expecting = "expected \"subject\", \"row\", {\"k_fold\": {\"folds\": 5, \"fold\": 0}} or \
                 {\"held_out\": {\"column\": …, \"values\": […]}}"
)]
pub enum SplitBy {
    /// All rows of a subject stay in one part.
    Subject,
    /// Rows are split, whatever their subject. Results on such a split say nothing about other subjects.
    Row,
    /// The subjects are split at random into `folds` parts. Part `fold`, counted from 0, is the test; `data.test_split`
    /// is not used. If a single subject is left, it trains and nothing validates.
    KFold {
        /// The number of parts, 2 or more.
        folds: usize,
        /// The number of the part that is the test, below `folds`.
        fold: usize,
    },
    /// By a condition column: subjects are split as by `"subject"`. Of the test subjects only rows with one of these
    /// values are used, of the others only rows with none of them. By `data.subject_column`: exactly the named subjects
    /// are the test. Of the rest, the share `data.validation_split` validates (a single subject trains).
    HeldOut {
        /// One of `static_columns`, or `subject_column`.
        column: String,
        /// The values to hold out, at least one.
        values: Vec<HeldValue>,
    },
}

impl SplitBy {
    /// Whether all rows of a subject stay in one part.
    pub fn needs_subjects(&self) -> bool {
        *self != SplitBy::Row
    }
}

/// A value of a condition column, or a subject's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HeldValue {
    /// A value of a column of numbers.
    Number(f64),
    /// A category, or the name of a subject.
    Text(String),
}

/// How signals are scaled for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalScaling {
    /// All traces by one mean and standard deviation of the training rows, which keeps amplitude as information.
    Global,
    /// Each trace by its own mean and standard deviation, which are stored to scale it back.
    PerTrace,
}

/// The built-in synthetic set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SynthConfig {
    /// Listeners, 1 or more.
    pub subjects: usize,
    /// Traces of each listener, 1 or more.
    pub rows_per_subject: usize,
    /// The sample rate, from 1000 to 1000000 Hz.
    pub sample_rate_hz: f64,
    /// How the rows of one listener differ.
    pub design: Design,
    /// Causes held constant, by column name: `{"level_db": 60}`.
    pub fixed: BTreeMap<String, f64>,
}

/// How the rows of one listener of the built-in set differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// Level, rate and residual noise are drawn for each row.
    Clinic,
    /// Level series at one rate per listener: 13 levels from 15 to 75 dB nHL in turn, averages of 100 to 2000 sweeps
    /// (`n_averages`).
    Series,
}

impl Default for SynthConfig {
    fn default() -> Self {
        SynthConfig {
            subjects: 800,
            rows_per_subject: 12,
            sample_rate_hz: 20_000.0,
            design: Design::Clinic,
            fixed: Default::default(),
        }
    }
}
