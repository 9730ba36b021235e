//! Generates traces in physical units: takes the condition's values from the user, completes them from the training
//! rows, and draws new latents.
use crate::purpose;

use crate::baselines::MixedModel;
use crate::checkpoint::TrainedModel;
use crate::data::scale::{ConditionCode, ConditionScaler};
use crate::data::{Column, Values};
use crate::engine::rng::Stream;
use crate::error::{Error, Result};
use crate::infer::CHUNK;
use crate::model::Cvae;
use crate::text::nearest;
use draw::{DrawnRows, draw_rows, some_rows};
use ndarray::Array2;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::ops::Range;

mod draw;

pub use draw::{draw_traces, missing_spread};

/// The samples of a part, as far as whole batches allow: it is in memory several times.
const PART_SAMPLES: usize = 1 << 20;

/// Variables without a value come from this share of the training rows, the nearest ones …
const NEAREST_SHARE: f64 = 0.01;
/// … but from at least this many rows, and from all rows that are as near as the last of them.
const NEAREST_ROWS: usize = 50;

/// One value of a conditioning variable.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(f64),
    Text(String),
}

impl Value {
    /// The finite number that the value is or that its text represents.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Number(n) => Some(*n),
            Value::Text(t) => t.parse().ok(),
        }
        .filter(|n| n.is_finite())
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Value::Number(n) => write!(f, "{n}"),
            Value::Text(t) => f.write_str(t),
        }
    }
}

/// The values of a condition that the user sets, by column name. The other variables are drawn.
pub type Condition = Vec<(String, Value)>;

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Each condition is generated `count` times; `None` generates without a condition (FiLM as the identity).
    pub conditions: Option<Vec<Condition>>,
    pub count: usize,
    /// Each of `count` subjects goes through all conditions in order. Variables without a value are drawn once per
    /// subject.
    pub series: bool,
    pub seed: u64,
    /// The traces get noise for this number of averages, like that of the training rows; `None`: no noise.
    pub averages: Option<f64>,
}

/// Generated traces, in physical units.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedTraces {
    /// `[N, L]` in µV.
    pub signals: Array2<f32>,
    /// The subject of each row, counted from 0.
    pub subjects: Vec<u32>,
    /// The condition of each row, one column per variable; empty when generated without a condition.
    pub conditions: Vec<Column>,
    /// The condition that the condition head predicts; empty for a concat decoder.
    pub predicted: Vec<Column>,
    /// `[N, 6]` in ms and µV, from a model with a peak head.
    pub peaks: Option<Array2<f32>>,
}

/// Draws `request.count` traces per condition, each of a new subject, or one series of all conditions per subject.
/// Variables without a value come from whole training rows near the values that are set. All traces are in memory: use
/// a [`Generator`] for many.
///
/// # Errors
/// As [`Generator::new`] and [`Generator::part`].
pub fn generate(trained: &TrainedModel, model: &mut Cvae, request: &Request) -> Result<GeneratedTraces> {
    let mut generator = Generator::new(trained, request)?;
    generator.part(model, 0..generator.rows())
}

/// Generates a request part by part, in memory that does not grow with the number of traces per condition.
pub struct Generator<'a> {
    trained: &'a TrainedModel,
    request: &'a Request,
    /// The noise of one sweep, and the number of sweeps.
    noise: Option<(&'a MixedModel, f64)>,
    rows: usize,
    /// The training rows nearest to a condition, with its index.
    near: Option<(usize, Vec<usize>)>,
}

impl<'a> Generator<'a> {
    /// Checks a request.
    ///
    /// # Errors
    /// A name that is no conditioning variable (the message names the nearest one). A value that cannot be encoded.
    /// Averages when the noise of one sweep is unknown. More rows than there are random numbers for.
    pub fn new(trained: &'a TrainedModel, request: &'a Request) -> Result<Generator<'a>> {
        check_conditions(trained, None, request.conditions.as_deref().unwrap_or(&[]))?;
        let noise = request.averages.map(|averages| Ok((sweep_noise(trained)?, averages))).transpose()?;
        let rows = request.count.saturating_mul(request.series_length());
        if u32::try_from(rows).is_err() {
            let (count, conditions) = (request.count, request.series_length());
            let problem = format!("{count} traces for each of {conditions} conditions are too many at once");
            return Err(Error::usage(problem, "generate fewer at a time, each time with another --seed"));
        }
        Ok(Generator { trained, request, noise, rows, near: None })
    }

    /// The number of rows of all parts.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows of each part, in order. Parts have whole batches, so that all traces are those of a single part.
    pub fn parts(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (all, batches) = (self.rows, PART_SAMPLES / self.trained.config.model.signal_length / CHUNK);
        let rows = batches.max(1) * CHUNK;
        (0..all).step_by(rows).map(move |start| start..(start + rows).min(all))
    }

    /// Draws the rows of a part. It depends on no other part.
    ///
    /// # Errors
    /// A variable without a value that cannot be drawn either (bare weights have no training rows). A concat decoder
    /// without a condition. A trace that is not finite. The device is out of memory, or was lost.
    pub fn part(&mut self, model: &mut Cvae, rows: Range<usize>) -> Result<GeneratedTraces> {
        let (trained, seed) = (self.trained, self.request.seed);
        let numbered: Vec<GeneratedRow> = rows.clone().map(|row| self.request.row(row)).collect();
        let (conditions, encoded) = match &self.request.conditions {
            Some(conditions) => {
                let columns = self.complete(conditions, &numbered)?;
                let encoded = self.encode(&columns, numbered.len())?;
                (columns, Some(encoded))
            }
            None => (Vec::new(), None),
        };
        let subjects: Vec<u32> = numbered.iter().map(|row| row.subject).collect();
        let divided = self.divided(&rows)?;
        let drawn =
            DrawnRows { condition: encoded.as_ref(), subjects: &subjects, first: rows.start, divided: &divided };
        let (mut signals, heads) = draw_rows(trained, model, drawn, seed)?;
        if let Some((noise, averages)) = self.noise {
            add_noise_from(rows.start, noise, |_| averages, seed, &mut signals);
        }
        let predicted = heads.condition.map(|predicted| trained.scalers.decode_condition(predicted.view()));
        Ok(GeneratedTraces {
            signals,
            subjects,
            conditions,
            predicted: predicted.unwrap_or_default(),
            peaks: heads.peaks.map(|peaks| trained.scalers.decode_peaks(peaks.view())),
        })
    }

    fn encode(&self, columns: &[Column], rows: usize) -> Result<Array2<f32>> {
        let all: Vec<usize> = (0..rows).collect();
        self.trained.scalers.encode_condition("--static", columns, &all)
    }

    /// The encoded conditions of the series that begin before these rows or end after them.
    fn divided(&mut self, rows: &Range<usize>) -> Result<BTreeMap<u32, Array2<f32>>> {
        let mut divided = BTreeMap::new();
        let (Some(conditions), true) = (&self.request.conditions, self.request.series) else { return Ok(divided) };
        let length = conditions.len().max(1);
        for subject in [rows.start, rows.end].into_iter().filter(|row| row % length != 0).map(|row| row / length) {
            let some: Vec<GeneratedRow> =
                some_rows(length).map(|row| self.request.row(subject * length + row)).collect();
            let columns = self.complete(conditions, &some)?;
            divided.insert(subject as u32, self.encode(&columns, some.len())?);
        }
        Ok(divided)
    }

    /// Every conditioning variable for every row: the values that are set; the others from whole training rows near
    /// them.
    fn complete(&mut self, conditions: &[Condition], rows: &[GeneratedRow]) -> Result<Vec<Column>> {
        let (trained, request) = (self.trained, self.request);
        let names: Vec<&str> = trained.config.data.static_columns.iter().map(|c| c.name()).collect();
        let stream = Stream::new(request.seed, purpose::GENERATE, 1);
        let mut columns: Vec<Vec<Value>> = vec![Vec::new(); names.len()];
        let all_named = conditions.iter().all(|condition| condition.len() >= names.len());
        for row in rows {
            let condition = &conditions[row.condition];
            // a subject of a series keeps the values drawn for the first condition
            let drawn_for = if request.series { 0 } else { row.condition };
            if self.near.as_ref().is_none_or(|(of, _)| *of != drawn_for) {
                let rows = if all_named { Vec::new() } else { nearest_rows(trained, &conditions[drawn_for])? };
                self.near = Some((drawn_for, rows));
            }
            let (_, near) = self.near.as_ref().expect("the nearest rows");
            let mut draws = stream.rng(row.subject);
            let drawn = (!near.is_empty()).then(|| near[draws.below(near.len() as u32) as usize]);
            for (j, (column, name)) in columns.iter_mut().zip(&names).enumerate() {
                let named = condition.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
                let value = named.or_else(|| drawn.map(|row| value_at(&trained.data.train_conditions[j], row)));
                column.push(value.ok_or_else(|| no_value(name))?);
            }
        }
        trained.scalers.conditions.iter().zip(columns).map(|(scaler, values)| to_column(scaler, values)).collect()
    }
}

fn no_value(name: &str) -> Error {
    Error::usage(
        format!("{name} has no value, and the model file has no training rows to draw it from"),
        format!("set it with --static {name}=VALUE"),
    )
}

/// The noise model of the training rows, if it knows the noise of a single sweep.
fn sweep_noise(trained: &TrainedModel) -> Result<&MixedModel> {
    noise(trained).filter(|model| model.by_averages).ok_or_else(|| {
        Error::usage(
            "--averages: the noise of one sweep is not known for this model's training rows",
            "train on several recordings of each subject and condition, with a column n_averages, or leave --averages \
             out",
        )
    })
}

/// The noise model of the training rows, if they separate noise from the rest.
pub fn noise(trained: &TrainedModel) -> Option<&MixedModel> {
    trained.baselines.as_ref()?.noise()
}

/// Adds noise like that of the training rows to `signals [N, L]` in µV, for the given number of averages per row.
pub fn add_noise(noise: &MixedModel, averages: impl Fn(usize) -> f64, seed: u64, signals: &mut Array2<f32>) {
    add_noise_from(0, noise, averages, seed, signals);
}

/// [`add_noise`] to the rows from the one with this number on.
fn add_noise_from(
    first: usize,
    noise: &MixedModel,
    averages: impl Fn(usize) -> f64,
    seed: u64,
    signals: &mut Array2<f32>,
) {
    let streams = [3, 4].map(|layer| Stream::new(seed, purpose::GENERATE, layer));
    for (row, mut trace) in signals.outer_iter_mut().enumerate() {
        noise.add_noise(averages(row), streams, (first + row) as u32, trace.as_slice_mut().expect("row-major"));
    }
}

/// A row to generate: the index of its condition, and its subject.
#[derive(Debug, Clone, Copy)]
struct GeneratedRow {
    condition: usize,
    subject: u32,
}

impl Request {
    /// The number of conditions.
    fn series_length(&self) -> usize {
        self.conditions.as_ref().map_or(1, Vec::len)
    }

    /// A row by its number. Rows are in order of their conditions, or, in a series, of their subjects.
    fn row(&self, row: usize) -> GeneratedRow {
        let conditions = self.series_length();
        match self.series {
            true => GeneratedRow { condition: row % conditions, subject: (row / conditions) as u32 },
            false => GeneratedRow { condition: row / self.count, subject: row as u32 },
        }
    }
}

/// Checks every value of the conditions; `table` is the file that holds them, if any.
///
/// # Errors
/// A name that is no conditioning variable (the message names the nearest one), or a value that cannot be encoded. The
/// message names the file, row and column, or the `--static` flag.
pub fn check_conditions(trained: &TrainedModel, table: Option<&str>, conditions: &[Condition]) -> Result<()> {
    for (row, (name, value)) in conditions.iter().enumerate().flat_map(|(i, c)| c.iter().map(move |named| (i, named))) {
        check_value(trained, name, value).map_err(|(problem, remedy)| match table {
            Some(table) => Error::input(table, format!("row {}, column `{name}`", row + 1), problem, remedy),
            None => Error::usage(format!("--static {name}={value}: {problem}"), remedy),
        })?;
    }
    Ok(())
}

/// Problem and remedy.
fn check_value(trained: &TrainedModel, name: &str, value: &Value) -> Result<(), (String, String)> {
    let scalers = &trained.scalers.conditions;
    let Some(scaler) = scalers.iter().find(|s| s.name == name) else {
        let names = || scalers.iter().map(|s| s.name.as_str());
        let hint = nearest(name, names()).map_or(String::new(), |n| format!("did you mean {n}? "));
        let remedy = format!("{hint}the conditioning variables are {}", names().collect::<Vec<_>>().join(", "));
        return Err((format!("{name} is no conditioning variable of this model"), remedy));
    };
    let problem_of = |error| match error {
        Error::Input { problem, remedy, .. } | Error::Usage { problem, remedy } => (problem, remedy),
        other => (other.to_string(), String::new()),
    };
    let column = to_column(scaler, vec![value.clone()]).map_err(problem_of)?;
    let encoded = scaler.encode("", &column, &[0], Array2::zeros((1, scaler.width())).view_mut());
    encoded.map_err(|error| match scaler.code {
        ConditionCode::Log(_) => (problem_of(error).0, "give a value above 0".into()),
        _ => problem_of(error),
    })
}

fn value_at(column: &Column, row: usize) -> Value {
    match &column.values {
        Values::Number(v) => Value::Number(v[row]),
        Values::Text(v) => Value::Text(v[row].clone()),
    }
}

/// Text for a one-hot column, else numbers.
fn to_column(scaler: &ConditionScaler, values: Vec<Value>) -> Result<Column> {
    let number = |value: Value| {
        let refuse =
            || Error::usage(format!("\"{value}\" is not a finite number"), "write a number, such as 60 or 0.5");
        value.number().ok_or_else(refuse)
    };
    let values = match &scaler.code {
        ConditionCode::OneHot(_) => Values::Text(values.iter().map(Value::to_string).collect()),
        _ => Values::Number(values.into_iter().map(number).collect::<Result<_>>()?),
    };
    Ok(Column { name: scaler.name.clone(), values })
}

/// The training rows nearest to the values that are set, by the distance of these columns when encoded.
fn nearest_rows(trained: &TrainedModel, condition: &Condition) -> Result<Vec<usize>> {
    let columns = &trained.data.train_conditions;
    let count = columns.first().map_or(0, |c| c.values.len());
    let mut rows: Vec<usize> = (0..count).collect();
    let mut distances = vec![0.0_f64; count];
    for (scaler, column) in trained.scalers.conditions.iter().zip(columns) {
        let Some((_, value)) = condition.iter().rev().find(|(name, _)| *name == column.name) else { continue };
        let (mut wanted, mut have) = (Array2::zeros((1, scaler.width())), Array2::zeros((count, scaler.width())));
        scaler.encode("--static", &to_column(scaler, vec![value.clone()])?, &[0], wanted.view_mut())?;
        scaler.encode("training rows", column, &rows, have.view_mut())?;
        for (distance, have) in distances.iter_mut().zip(have.rows()) {
            *distance += have.iter().zip(&wanted).map(|(a, b): (&f32, &f32)| f64::from(a - b).powi(2)).sum::<f64>();
        }
    }
    rows.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]).then(a.cmp(&b)));
    let enough = NEAREST_ROWS.max((NEAREST_SHARE * count as f64) as usize);
    if let Some(&last) = rows.get(enough - 1) {
        rows.retain(|&row| distances[row] <= distances[last]);
    }
    Ok(rows)
}

/// Warnings about values outside the training range of their column.
pub fn extrapolations(trained: &TrainedModel, conditions: &[Condition]) -> Vec<String> {
    let mut notices = Vec::new();
    for column in &trained.data.train_conditions {
        let Values::Number(seen) = &column.values else { continue };
        let clip = trained.scalers.conditions.iter().find(|s| s.name == column.name).and_then(|scaler| scaler.clip);
        let range = seen.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[lo, hi], v| [lo.min(*v), hi.max(*v)]);
        let [lo, hi] = clip.unwrap_or(range);
        let named = conditions.iter().flatten().filter(|(name, _)| *name == column.name);
        let outside = named.filter_map(|(name, value)| Some((name, value.number()?))).find(|(_, n)| *n < lo || *n > hi);
        if let Some((name, n)) = outside {
            notices.push(match clip {
                Some(_) => {
                    format!("{name}={n} enters as {}: data.clip_statics limits it to {lo} to {hi}", n.clamp(lo, hi))
                }
                None => format!("{name}={n} lies outside of the training rows' {lo} to {hi}: the model extrapolates"),
            });
        }
    }
    notices
}
