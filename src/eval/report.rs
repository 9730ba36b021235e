//! What an evaluation says: as JSON, as a table a row a trace, and as text.

use super::metrics::{ColumnErrors, LatentUnits, MEASURES, PeakErrors, TraceSummary, ValueErrors};
use super::waves::{TRACES, WaveAtLevel, WaveOf};
use super::{Generated, GroupErrors, LevelProbe, Likeness, Part, TrainOnSynthetic, TrainedOn, Truth, WaveReport};
use crate::baselines::Grouping;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};

/// All that was measured on one part of a data set; traces are in µV.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What may be done with the model, in a few sentences.
    pub verdict: Vec<String>,
    pub part: Part,
    pub data: String,
    pub rows: usize,
    pub subjects: usize,
    /// Not known of bare weights, and of a checkpoint without sketches of its training rows.
    pub trained_on: Option<TrainedOn>,
    /// Where the truth of the rows comes from; none where no row has one.
    pub truth: Option<Truth>,
    /// The model's reconstruction with z = mu, and its residual if it has one.
    pub model: Estimate,
    /// What the network makes without a residual; none of a model that has none.
    pub network: Option<Estimate>,
    /// The recorded trace itself as an estimate of the truth, where there is one.
    pub recording: Option<Estimate>,
    /// On the same rows; none for bare weights without their training rows.
    pub baselines: Option<BaselineErrors>,
    /// What the model generates under the conditions of the rows; none of bare weights.
    pub generated: Option<Generated>,
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
    pub conditions: Option<Conditions>,
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
    /// The model's errors against the recorded traces, one a row, in the order of [`MEASURES`].
    #[serde(skip)]
    pub traces: Vec<[f64; MEASURES.len()]>,
    /// Their row numbers in the data set, from 0.
    #[serde(skip)]
    pub row_numbers: Vec<usize>,
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
pub struct Conditions {
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
    pub(super) fn head(&self) -> String {
        let part = format!("{:?}", self.part).to_lowercase();
        let trained_on = self.trained_on.as_ref().map(TrainedOn::to_string);
        let trained_on = trained_on.unwrap_or("which of them the model was trained on is not known".into());
        let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let (rows, subjects) = (count(self.rows, "row"), count(self.subjects, "subject"));
        format!("{}, {part}: {rows} of {subjects}; {trained_on}", self.data)
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
        let headings = MEASURES.map(|measure| format!("{:>1$}", measure.heading, measure.format.0));
        writeln!(f)?;
        columns_of_traces(f, "traces (means over rows)", headings, ["explained", "of the truth"])?;
        line(f, "model", &self.model)?;
        if let Some(network) = &self.network {
            line(f, "the network alone", network)?;
        }
        if let Some(b) = &self.baselines {
            if let Some(mixed) = &b.mixed_model {
                line(f, "linear mixed model", &mixed.errors)?;
            }
            line(f, &format!("PCA, rank {}", b.rank), &b.pca)?;
            line(f, "curve of the condition", &b.curve)?;
            if let (Some(nearest), Some(neighbours)) = (&b.nearest_condition, b.neighbours) {
                line(f, &format!("nearest condition, {neighbours} rows"), nearest)?;
            }
        }
        if let Some(recording) = &self.recording {
            line(f, "the recording itself", recording)?;
        }
        if self.baselines.is_none() {
            writeln!(f, "(no baselines: the training rows are not in this data)")?;
        }
        if let Some(truth) = &self.truth {
            writeln!(f, "{truth}")?;
        }
        if let Some(generated) = &self.generated {
            write!(f, "\n{generated}")?;
        }
        if let Some(likeness) = &self.likeness {
            write!(f, "\n{likeness}")?;
        }
        if let Some(probe) = &self.level_probe {
            writeln!(f, "\n{probe}")?;
        }
        if let Some(synthetic) = &self.train_on_synthetic {
            writeln!(f, "\n{synthetic}")?;
        }
        if let Some(waves) = &self.wave_errors {
            write!(f, "\n{waves}")?;
        }
        let latent = &self.latent;
        let (active, units) = (latent.active_units, latent.kl_nats.len());
        writeln!(
            f,
            "\nlatent: {active} of {units} units active, KL {:.2} nats; unit: KL nats, variance of mu",
            latent.total_kl_nats
        )?;
        let mut order: Vec<usize> = (0..units).collect();
        order.sort_by(|&a, &b| latent.kl_nats[b].total_cmp(&latent.kl_nats[a]));
        for line in order.chunks(4) {
            let unit =
                |&unit: &usize| format!("{unit:>5}: {:>6.3} {:>6.3}", latent.kl_nats[unit], latent.activity[unit]);
            writeln!(f, "{}", line.iter().map(unit).collect::<String>())?;
        }
        if let Some(conditions) = &self.conditions {
            columns(f, "static head, FiLM on", &conditions.film_on)?;
            if let Some(off) = &conditions.film_off {
                columns(f, "static head, FiLM as the identity", off)?;
            }
        }
        if let Some(levels) = &self.waves {
            let title = format!("wave V, no hearing loss, {TRACES} traces");
            writeln!(f, "\n{title:<34} {:>16} {:>25}", "mean trace", "each trace: mean ± SD, found")?;
            for wave in levels {
                for (name, wave_v) in [("generated", &wave.generated), ("simulated", &wave.truth)] {
                    writeln!(f, "  {:>3} dB  {name:<23} {}", wave.level_db, wave_line(wave_v))?;
                }
            }
        }
        for (i, p) in self.peaks.iter().flatten().enumerate() {
            if i == 0 {
                writeln!(f, "\npeak head              labels      MAE     bias")?;
            }
            writeln!(f, "  {:<20} {:>6} {:>8.3} {:>8.3}", p.label, p.count, p.mae, p.bias)?;
        }
        for (i, warning) in self.warnings.iter().enumerate() {
            let first = if i == 0 { "\n" } else { "" };
            writeln!(f, "{first}warning: {warning}")?;
        }
        Ok(())
    }
}

fn line(f: &mut Formatter, name: &str, e: &Estimate) -> fmt::Result {
    let share = |v: Option<f64>| v.map_or("-".to_string(), |v| format!("{:.1} %", 100.0 * v));
    let errors = std::array::from_fn(|i| {
        let (width, decimals) = MEASURES[i].format;
        format!("{:>width$.decimals$}", e.recorded.spreads[i].mean)
    });
    let mut shares = [e.explained_variance, e.truth_explained_variance].map(share);
    if let Some([low, high]) = e.truth_interval {
        shares[1] = format!("{} [{:.1}, {:.1}]", shares[1].trim_end_matches(" %"), 100.0 * low, 100.0 * high);
    }
    columns_of_traces(f, &format!("  {name}"), errors, shares.each_ref().map(String::as_str))
}

fn columns_of_traces(
    f: &mut Formatter,
    first: &str,
    measures: [String; MEASURES.len()],
    [explained, of_truth]: [&str; 2],
) -> fmt::Result {
    writeln!(f, "{first:<30} {} {explained:>10} {of_truth:>19}", measures.join(" "))
}

fn wave_line(wave: &WaveOf) -> String {
    let (Some(trace), Some(each), Some(sd)) = (wave.mean_trace, wave.mean_wave, wave.latency_sd_ms) else {
        return "no peak".to_string();
    };
    format!(
        "{:.2} ms {:.2} µV     {:.2} ± {sd:.2} ms {:.2} µV {:>5}",
        trace.latency_ms, trace.amplitude_uv, each.latency_ms, each.amplitude_uv, wave.found
    )
}

fn columns(f: &mut Formatter, title: &str, columns: &[ColumnErrors]) -> fmt::Result {
    writeln!(f, "\n{title:<34}      MAE     RMSE     bias      R²")?;
    for column in columns {
        match column.errors {
            ValueErrors::Number { mae, rmse, bias, r2 } => {
                writeln!(f, "  {:<32} {mae:>8.3} {rmse:>8.3} {bias:>8.3} {r2:>7.3}", column.name)?;
            }
            ValueErrors::Text { accuracy } => writeln!(f, "  {:<32} {:.1} % right", column.name, 100.0 * accuracy)?,
        }
    }
    Ok(())
}
