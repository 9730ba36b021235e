//! What an evaluation says: as JSON, as a table a row a trace, and as text.

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

/// All that was measured on one part of a data set; traces are in µV.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What may be done with the model, in a few sentences.
    pub verdict: Vec<String>,
    pub part: EvalSplit,
    pub data: String,
    pub rows: usize,
    pub subjects: usize,
    /// Not known of bare weights, and of a checkpoint without sketches of its training rows.
    pub trained_on: Option<TrainedOn>,
    /// Where the truth of the rows comes from; none where no row has one.
    pub truth: Option<ReferenceSummary>,
    /// The model's reconstruction with z = mu, and its residual if it has one.
    pub model: Estimate,
    /// What the network makes without a residual; none of a model that has none.
    pub network: Option<Estimate>,
    /// The recorded trace itself as an estimate of the truth, where there is one.
    pub recording: Option<Estimate>,
    /// On the same rows; none for bare weights without their training rows.
    pub baselines: Option<BaselineErrors>,
    /// What the model generates under the conditions of the rows; none of bare weights.
    pub generated: Option<GenerationQuality>,
    /// Generated twins of the rows beside them; none of bare weights.
    pub likeness: Option<Likeness>,
    /// None without levels.
    pub level_probe: Option<LevelProbe>,
    /// None where the training rows are not at hand.
    pub train_on_synthetic: Option<TrainOnSynthetic>,
    /// None without a truth, and of bare weights.
    pub wave_errors: Option<WaveReport>,
    /// KL from the prior, where it is learned with the model, else from a standard normal.
    pub latent: LatentUnits,
    /// None for a decoder without a static head.
    pub conditions: Option<ConditionErrors>,
    /// Generated traces beside simulated ones, on the built-in data.
    pub waves: Option<Vec<WaveAtLevel>>,
    /// Empty where rows name no subject.
    pub by_subject: Vec<GroupErrors>,
    /// Empty where nearly each row has a condition of its own.
    pub by_condition: Vec<GroupErrors>,
    /// What should keep one from using the generated traces.
    pub warnings: Vec<String>,
    /// From a model with a peak head.
    pub peaks: Option<Vec<PeakErrors>>,
    pub training: Training,
    /// What the pictures of the report show; none before they are made.
    pub pictures: Option<Pictures>,
    /// The model's errors against the recorded traces, one a row, in the order of [`MEASURES`].
    #[serde(skip)]
    pub traces: Vec<[f64; MEASURES.len()]>,
    /// Their row numbers in the data set, from 0.
    #[serde(skip)]
    pub row_numbers: Vec<usize>,
}

/// How the model came to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Training {
    /// As the checkpoint holds it: every default written out, without the place of the data.
    pub config: Value,
    /// Of the data it was trained on; empty of bare weights.
    pub data_hash: String,
    /// Epochs of training behind the weights, from 1; 0 of bare weights.
    pub epoch: usize,
    pub parameters: usize,
    /// Who trained, validated and tested, as the run folder's `split.json` says; none outside of a run folder.
    pub split: Option<Value>,
    /// The lines of the run folder's `metrics.jsonl`; none outside of one.
    pub epochs: Vec<Value>,
}

impl Training {
    /// What the checkpoint itself says.
    pub(super) fn of(trained: &TrainedModel, parameters: usize) -> Training {
        Training {
            config: serde_json::to_value(&trained.config).expect("plain data"),
            data_hash: trained.data.hash.clone(),
            epoch: trained.epoch,
            parameters,
            split: None,
            epochs: Vec::new(),
        }
    }
}

/// How well traces were estimated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Against the recorded traces.
    pub recorded: TraceSummary,
    /// `1 - Σ(e - r)² / Σ(r - training mean)²` against the recorded traces; none where that mean is not known.
    pub explained_variance: Option<f64>,
    /// Against the truth, of the rows that have one.
    pub truth: Option<TraceSummary>,
    /// The same share of the truth …
    pub truth_explained_variance: Option<f64>,
    /// … its 95 % interval with other subjects (see [`bootstrap`](super::measures::bootstrap())) …
    pub truth_interval: Option<[f64; 2]>,
    /// … and as a part of what can be explained.
    pub share_of_ceiling: Option<f64>,
}

/// What the model is held against.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BaselineErrors {
    /// The mean trace as a smooth curve of the condition.
    pub curve: Estimate,
    /// None where no listener was recorded twice.
    pub mixed_model: Option<MixedModelErrors>,
    /// The mean of the training traces with the nearest conditions; none when these rows are not at hand.
    pub nearest_condition: Option<Estimate>,
    /// How many, as chosen on the validation rows.
    pub neighbours: Option<usize>,
    /// Principal components of the training rows.
    pub pca: Estimate,
    /// How many, at most the latent size, as chosen on the validation rows.
    pub rank: usize,
}

/// The posterior mean of the linear mixed model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MixedModelErrors {
    /// What its rows share, and so what it takes for noise.
    pub grouping: Grouping,
    #[serde(flatten)]
    pub errors: Estimate,
}

/// The static head's errors, each column in its own units.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConditionErrors {
    pub film_on: Vec<ColumnErrors>,
    /// With FiLM as the identity; none for a plain decoder.
    pub film_off: Option<Vec<ColumnErrors>>,
}

impl Report {
    /// Indented JSON with a final newline; what is undefined is `null`.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data") + "\n"
    }

    /// Data, part, rows, and how many of them the model was trained on.
    pub fn head(&self) -> String {
        let part = format!("{:?}", self.part).to_lowercase();
        let trained_on = self.trained_on.as_ref().map(TrainedOn::to_string);
        let trained_on = trained_on.unwrap_or("which of them the model was trained on is not known".into());
        let (rows, subjects) = (count_of(self.rows, "row"), count_of(self.subjects, "subject"));
        format!("{}, {part}: {rows} of {subjects}; {trained_on}", self.data)
    }

    /// What an explained share is a share of.
    pub fn target(&self) -> &'static str {
        match &self.truth {
            Some(truth) if self.explains_reference() => truth.source.name(),
            _ => "the recordings, noise and all",
        }
    }

    /// A CSV row a trace: its row number in the data set (from 1) and its errors; what is undefined is an empty cell.
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
            writeln!(f, "no simple methods beside it: the training rows are not in these data")?;
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
