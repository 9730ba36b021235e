//! The result of an evaluation: as JSON, as a table with one row per trace, and as text.

use super::metrics::{ColumnErrors, LatentUnits, MEASURES, PeakErrors, TraceSummary};
use super::waves::WaveAtLevel;
use super::{
    EvalSplit, GenerationQuality, GroupErrors, LevelProbe, Likeness, Pictures, ReferenceSummary, TrainOnSynthetic,
    TrainedOn, WaveReport,
};
use crate::baselines::Grouping;
use crate::checkpoint::TrainedModel;
use serde::Serialize;
use serde_json::Value;
use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};

/// All measures of a model on one part of a data set; traces are in µV.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What the model is good for, in a few sentences.
    pub verdict: Vec<String>,
    pub part: EvalSplit,
    pub data: String,
    pub rows: usize,
    pub subjects: usize,
    /// `None` for bare weights, and for a checkpoint without sketches of its training rows.
    pub trained_on: Option<TrainedOn>,
    /// Where the reference traces come from; `None` where no row has one.
    pub truth: Option<ReferenceSummary>,
    /// The model's reconstruction with z = mu, including its residual if it has one.
    pub model: GoodnessOfFit,
    /// The network's output without the residual; `None` for a model that has no residual.
    pub network: Option<GoodnessOfFit>,
    /// The recorded trace itself as an estimate of the reference trace, where there is one.
    pub recording: Option<GoodnessOfFit>,
    /// On the same rows; `None` for bare weights without their training rows.
    pub baselines: Option<BaselineErrors>,
    /// Measures of what the model generates under the conditions of the rows; `None` for bare weights.
    pub generated: Option<GenerationQuality>,
    /// The rows' generated twins against the rows; `None` for bare weights.
    pub likeness: Option<Likeness>,
    /// `None` without levels.
    pub level_probe: Option<LevelProbe>,
    /// `None` without training rows.
    pub train_on_synthetic: Option<TrainOnSynthetic>,
    /// `None` without reference traces, and for bare weights.
    pub wave_errors: Option<WaveReport>,
    /// The KL is from the learned prior if the model has one, else from a standard normal.
    pub latent: LatentUnits,
    /// `None` for a decoder without a condition head.
    pub conditions: Option<ConditionErrors>,
    /// Generated against simulated traces, on the built-in data.
    pub waves: Option<Vec<WaveAtLevel>>,
    /// Empty where rows have no subjects.
    pub by_subject: Vec<GroupErrors>,
    /// Empty where nearly every row has its own condition.
    pub by_condition: Vec<GroupErrors>,
    /// Reasons not to use the generated traces.
    pub warnings: Vec<String>,
    /// From a model with a peak head.
    pub peaks: Option<Vec<PeakErrors>>,
    pub training: Training,
    /// What the pictures of the report show; `None` until they are made.
    pub pictures: Option<Pictures>,
    /// The model's errors against the recorded traces, one entry per row, in the order of [`MEASURES`].
    #[serde(skip)]
    pub traces: Vec<[f64; MEASURES.len()]>,
    /// Their row numbers in the data set, from 0.
    #[serde(skip)]
    pub row_numbers: Vec<usize>,
}

/// How the model was trained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Training {
    /// As stored in the checkpoint: with every default written out, without the path of the data.
    pub config: Value,
    /// Of the training data; empty for bare weights.
    pub data_hash: String,
    /// The epoch of the weights, from 1; 0 for bare weights.
    pub epoch: usize,
    pub parameters: usize,
    /// The run folder's `split.json`: the training, validation and test subjects. `None` outside of a run folder.
    pub split: Option<Value>,
    /// The lines of the run folder's `metrics.jsonl`; empty outside of a run folder.
    pub epochs: Vec<Value>,
}

impl Training {
    /// From the checkpoint alone.
    pub(super) fn of(trained: &TrainedModel, parameters: usize) -> Training {
        Training {
            config: serde_json::to_value(&trained.config).expect("serializable"),
            data_hash: trained.data.hash.clone(),
            epoch: trained.epoch,
            parameters,
            split: None,
            epochs: Vec::new(),
        }
    }
}

/// How well an estimate fits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GoodnessOfFit {
    /// Against the recorded traces.
    pub recorded: TraceSummary,
    /// `1 - Σ(e - r)² / Σ(r - training mean)²` against the recorded traces; `None` where that mean is unknown.
    pub explained_variance: Option<f64>,
    /// Against the reference traces, over the rows that have one.
    pub truth: Option<TraceSummary>,
    /// The share of the reference variance that is explained …
    pub truth_explained_variance: Option<f64>,
    /// … its 95 % bootstrap interval over subjects (see [`bootstrap`](super::measures::bootstrap())) …
    pub truth_interval: Option<[f64; 2]>,
    /// … and the share relative to the ceiling.
    pub share_of_ceiling: Option<f64>,
}

/// The errors of the simple methods on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BaselineErrors {
    /// The mean trace as a smooth curve of the condition.
    pub curve: GoodnessOfFit,
    /// `None` where no listener was recorded twice.
    pub mixed_model: Option<MixedModelErrors>,
    /// The mean of the training traces with the nearest conditions; `None` without training rows.
    pub nearest_condition: Option<GoodnessOfFit>,
    /// The number of neighbours, chosen on the validation rows.
    pub neighbours: Option<usize>,
    /// Principal components of the training rows.
    pub pca: GoodnessOfFit,
    /// The number of components, at most the latent size, chosen on the validation rows.
    pub rank: usize,
}

/// The posterior mean of the linear mixed model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MixedModelErrors {
    /// What the rows of a group share; the model takes the rest for noise.
    pub grouping: Grouping,
    #[serde(flatten)]
    pub errors: GoodnessOfFit,
}

/// The condition head's errors, each column in its own units.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConditionErrors {
    pub film_on: Vec<ColumnErrors>,
    /// With FiLM as the identity; `None` for a plain decoder.
    pub film_off: Option<Vec<ColumnErrors>>,
}

impl Report {
    /// Indented JSON with a final newline; undefined values are `null`.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("serializable") + "\n"
    }

    /// Data, part and rows, and how many of the rows the model was trained on.
    pub fn head(&self) -> String {
        let part = format!("{:?}", self.part).to_lowercase();
        let trained_on = self.trained_on.as_ref().map(TrainedOn::to_string);
        let trained_on = trained_on.unwrap_or("it is unknown which of them the model was trained on".into());
        let (rows, subjects) = (count_of(self.rows, "row"), count_of(self.subjects, "subject"));
        format!("{}, {part}: {rows} of {subjects}; {trained_on}", self.data)
    }

    /// The trace that an explained share refers to.
    pub fn target(&self) -> &'static str {
        match &self.truth {
            Some(truth) if self.explains_reference() => truth.source.name(),
            _ => "the recordings, noise and all",
        }
    }

    /// One CSV row per trace: its row number in the data set (from 1) and its errors; undefined values are empty cells.
    pub fn write_traces(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "row,{}", MEASURES.map(|measure| measure.key).join(","))?;
        for (row, errors) in self.row_numbers.iter().zip(&self.traces) {
            let cells = errors.map(|error| if error.is_nan() { String::new() } else { error.to_string() });
            writeln!(out, "{},{}", row + 1, cells.join(","))?;
        }
        Ok(())
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f, "{}", self.head())?;
        for sentence in &self.verdict {
            writeln!(f, "{sentence}")?;
        }
        if self.baselines.is_none() {
            writeln!(f, "no simple methods to compare with: the training rows are not in these data")?;
        }
        if let Some(truth) = &self.truth {
            writeln!(f, "{truth}")?;
        }
        for table in self.tables() {
            write!(f, "\n{table}")?;
        }
        for (i, warning) in self.warnings.iter().enumerate() {
            let first = if i == 0 { "\n" } else { "" };
            writeln!(f, "{first}warning: {warning}")?;
        }
        Ok(())
    }
}

/// `1 row`, `2 rows`
pub(super) fn count_of(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
