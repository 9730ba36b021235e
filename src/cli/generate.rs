//! `abr-film generate`

use super::{DeviceArgs, model, notice, notice_gpu, source};
use abr_film::checkpoint::{Checkpoint, TrainedModel};
use abr_film::config::{Conditioning, Config};
use abr_film::data::table::{self, TableLayout};
use abr_film::data::{Dataset, Recording};
use abr_film::error::{Error, Result};
use abr_film::generate::{Condition, GeneratedTraces, Generator, Request, Value, check_conditions, extrapolations};
use abr_film::model::Cvae;
use clap::Args;
use ndarray::Array2;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Generate {
    /// A run folder (its best checkpoint), a checkpoint, or a bare weights file with the original model's tensor names
    /// (with --config)
    #[arg(long, value_name = "RUN|FILE")]
    model: PathBuf,
    /// The configuration of a bare weights file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Traces per condition
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// The value of a conditioning variable, or COUNT values from LO to HI; several ranges give every combination.
    /// Variables without a value come from the training rows nearest to the given values
    #[arg(long = "static", value_name = "NAME=VALUE|NAME=LO:HI:COUNT")]
    condition_values: Vec<String>,
    /// A table of conditions: one row per condition, one column per conditioning variable
    #[arg(long, value_name = "FILE", conflicts_with = "condition_values")]
    conditions: Option<PathBuf>,
    /// Generate without a condition: FiLM is the identity
    #[arg(long, conflicts_with_all = ["condition_values", "conditions", "strength"])]
    unconditional: bool,
    /// Conditioning strength: 0 off, 1 FiLM, above 1 extrapolates [default: that of the training]
    #[arg(long, value_name = "C")]
    strength: Option<f64>,
    /// Add the noise of N averages, as in the training rows; `inf` adds none
    #[arg(long, value_name = "N|inf", value_parser = averages, default_value = "inf")]
    averages: f64,
    /// Draw N subjects, each once, at all conditions: with --static level_db=20:80:7, each is a level series. Variables
    /// without a value are drawn once per subject
    #[arg(long, conflicts_with = "unconditional")]
    series: bool,
    /// The random seed of the latents and of values from the training rows
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    device: DeviceArgs,
    /// The table to write [default: stdout]
    #[arg(long, value_name = "FILE.csv|FILE.npz")]
    out: Option<PathBuf>,
}

impl Generate {
    pub fn run(&self) -> Result<()> {
        source::check_table(self.out.as_deref())?;
        let file = model::file(&self.model);
        let inputs = [Some(&file), self.config.as_ref(), self.conditions.as_ref()];
        source::check_apart(self.out.as_deref(), inputs.into_iter().flatten().map(PathBuf::as_path))?;
        if self.strength.is_some_and(|c| !c.is_finite() || c < 0.0) {
            return Err(Error::usage("--strength must be 0 or more", "1 is the strength of FiLM itself"));
        }
        let conditions = match (&self.conditions, self.unconditional) {
            (_, true) => None,
            (Some(path), _) => Some(table::read_conditions(path)?.into_iter().map(row_condition).collect()),
            (None, _) => Some(grid(&self.condition_values)?),
        };
        let config = self.config.as_deref().map(|path| Config::load(path, &[])).transpose()?;
        let table = self.conditions.as_ref().map(|path| path.display().to_string());
        let averages = Some(self.averages).filter(|n| n.is_finite());
        let request =
            Request { conditions, count: self.count as usize, series: self.series, seed: self.seed, averages };
        self.device.with(|device| {
            notice_gpu(&*device);
            let (trained, mut model, notices) = Checkpoint::open(&file, config, device)?;
            notices.iter().for_each(notice);
            let conditions = request.conditions.as_deref().unwrap_or(&[]);
            self.warn(&trained.config, conditions);
            let conditioning = trained.config.model.conditioned_by();
            if self.strength.is_some() && matches!(conditioning, Conditioning::None | Conditioning::LegacyConcat) {
                let problem = format!(
                    "--strength does nothing to this model, whose model.conditioning is {}",
                    conditioning.name()
                );
                return Err(Error::usage(problem, "leave it out"));
            }
            trained.check_time_axis()?;
            check_conditions(&trained, table.as_deref(), conditions)?;
            extrapolations(&trained, conditions).iter().for_each(notice);
            model.conditioning_strength = self.strength.unwrap_or(model.conditioning_strength);
            self.write(&trained, &mut model, &request)
        })
    }

    /// Writes the rows part by part, as they are drawn.
    fn write(&self, trained: &TrainedModel, model: &mut Cvae, request: &Request) -> Result<()> {
        let mut generator = Generator::new(trained, request)?;
        let all = generator.rows();
        let mut parts = generator.parts();
        let mut part = |rows| Ok(recordings(generator.part(model, rows)?, trained, request.averages));
        let first = parts.next().map_or(Ok(Vec::new()), &mut part)?;
        let layout = TableLayout::of(&first).of_rows(all);
        let parts = std::iter::once(Ok(first)).chain(parts.map(part));
        let rows = parts.flat_map(|part| match part {
            Ok(rows) => rows.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        });
        source::write_rows(self.out.as_deref(), &layout, rows)
    }

    /// Warns if the decoder does not use the condition as users may expect.
    fn warn(&self, config: &Config, conditions: &[Condition]) {
        let (conditioning, film) = (config.model.conditioned_by(), &config.film);
        let conditioned = !matches!(conditioning, Conditioning::None | Conditioning::LegacyConcat);
        if self.unconditional && film.condition_dropout == 0.0 && conditioned {
            notice("trained without film.condition_dropout: the decoder was never trained without a condition");
        }
        let named = conditions.iter().any(|condition| !condition.is_empty());
        if named && conditioning == Conditioning::None {
            notice(
                "this decoder has no condition (model.conditioning is none): the given values do not affect the traces",
            );
        }
    }
}

/// A number of averages from 1 to infinity.
fn averages(text: &str) -> std::result::Result<f64, String> {
    text.parse().ok().filter(|n: &f64| *n >= 1.0).ok_or_else(|| "expected a number of 1 or more, or inf".to_string())
}

/// Generated traces as rows of a table.
fn recordings(made: GeneratedTraces, trained: &TrainedModel, averages: Option<f64>) -> Vec<Recording> {
    let rows = made.signals.nrows();
    let dataset = Dataset {
        source: "generated".into(),
        peaks: made.peaks.unwrap_or_else(|| Array2::from_elem((rows, 6), f32::NAN)),
        signals: made.signals,
        sample_rate_hz: trained.data.sample_rate_hz,
        t0_ms: trained.data.t0_ms,
        conditions: made.conditions,
        subjects: made.subjects.iter().map(|subject| format!("generated-{}", subject + 1)).collect(),
        averages: vec![averages.map_or(f32::NAN, |n| n as f32); rows],
        ground_truth: None,
    };
    dataset.recordings(&predicted_columns(made.predicted))
}

/// The predicted condition, with `_read` appended to the column names.
pub fn predicted_columns(predicted: Vec<abr_film::data::Column>) -> Vec<abr_film::data::Column> {
    predicted
        .into_iter()
        .map(|mut column| {
            column.name.push_str("_read");
            column
        })
        .collect()
}

fn row_condition(row: Vec<(String, String)>) -> Condition {
    row.into_iter().map(|(name, text)| (name, Value::Text(text))).collect()
}

/// The maximum number of combinations of ranges.
const MOST_CONDITIONS: usize = 1_000_000;

/// Every combination of the values.
fn grid(condition_values: &[String]) -> Result<Vec<Condition>> {
    let mut all: Vec<Condition> = vec![Vec::new()];
    for argument in condition_values {
        let (name, values) = values(argument)?;
        if all[0].iter().any(|(n, _)| *n == name) {
            return Err(Error::usage(
                format!("--static {name} is given twice"),
                "use NAME=LO:HI:COUNT for several values",
            ));
        }
        if all.len() * values.len() > MOST_CONDITIONS {
            let problem =
                format!("--static {argument}: with the ranges before it, more than {MOST_CONDITIONS} combinations");
            return Err(Error::usage(problem, "choose smaller counts"));
        }
        all = all
            .into_iter()
            .flat_map(|condition| {
                let name = name.clone();
                values.iter().map(move |value| {
                    let mut condition = condition.clone();
                    condition.push((name.clone(), value.clone()));
                    condition
                })
            })
            .collect();
    }
    Ok(all)
}

fn values(argument: &str) -> Result<(String, Vec<Value>)> {
    let remedy = "write NAME=VALUE or NAME=LO:HI:COUNT, such as level_db=20:80:4";
    let refuse = |problem: &str| Error::usage(format!("--static {argument}: {problem}"), remedy);
    let (name, value) = argument.split_once('=').ok_or_else(|| refuse("no ="))?;
    let parts: Vec<&str> = value.split(':').collect();
    let values = match parts[..] {
        [_] => vec![Value::Text(value.to_string())],
        [lo, hi, count] => {
            let number = |text: &str| text.parse::<f64>().ok().filter(|v| v.is_finite());
            let (lo, hi) = number(lo).zip(number(hi)).ok_or_else(|| refuse("LO and HI must be numbers"))?;
            let count = count.parse::<u32>().ok().filter(|c| (1..=100_000).contains(c));
            let count = count.ok_or_else(|| refuse("COUNT must be a whole number from 1 to 100000"))?;
            let step = if count > 1 { (hi - lo) / f64::from(count - 1) } else { 0.0 };
            (0..count).map(|i| Value::Number(lo + step * f64::from(i))).collect()
        }
        _ => return Err(refuse("a range has three parts")),
    };
    Ok((name.to_string(), values))
}
