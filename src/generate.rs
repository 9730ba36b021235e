//! New traces in physical units: conditions named by the user, completed from the training rows, latents drawn anew.

use crate::baselines::Grouping;
use crate::checkpoint::Trained;
use crate::data::scale::{StaticCode, StaticScaler};
use crate::data::{Column, Values};
use crate::error::{Error, Result, nearest};
use crate::infer::decode;
use crate::model::Cvae;
use crate::rng::{Purpose, Stream};
use ndarray::Array2;
use std::fmt::{self, Display, Formatter};

/// Samples made at once, at most: they are kept in memory until they are written.
const LARGEST_SAMPLES: usize = 500_000_000;

/// What is not named is drawn from this share of the training rows, the nearest ones …
const NEAREST_SHARE: f64 = 0.01;
/// … but from at least so many, if there are; and from all that are as near as the last of them.
const NEAREST_ROWS: usize = 50;

/// One value of a static column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(f64),
    Text(String),
}

impl Value {
    /// The number it is, or reads as: a finite one.
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

/// The statics a user names for a trace, by column name; the rest is drawn.
pub type Condition = Vec<(String, Value)>;

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Each is generated `count` times; `None` generates without a condition (FiLM as the identity).
    pub conditions: Option<Vec<Condition>>,
    pub count: usize,
    pub seed: u64,
    /// The traces get the noise of so many averages, as it was in the training rows; `None`: none.
    pub averages: Option<f64>,
}

/// Generated traces, in physical units.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// `[N, L]` in µV.
    pub signals: Array2<f32>,
    /// The condition of each row; none when generated without.
    pub given: Vec<Column>,
    /// The condition as the static head reads it off the decoder; none from a concat decoder.
    pub read: Vec<Column>,
    /// `[N, 6]` in ms and µV, from a model with a peak head.
    pub peaks: Option<Array2<f32>>,
}

/// Draws `request.count` traces a condition, each with its own latent and its own training row for what is not named.
///
/// # Errors
/// A name that is no static column (with the nearest one), a value that cannot be encoded, a static that is neither named nor
/// can be drawn (bare weights have no training rows), a concat decoder without a condition, averages where the noise of one
/// sweep is not known.
pub fn generate(trained: &Trained, model: &mut Cvae, request: &Request) -> Result<Generated> {
    let rows = count_rows(model, request)?;
    let given = match &request.conditions {
        Some(conditions) => complete(trained, conditions, request)?,
        None => Vec::new(),
    };
    let all: Vec<usize> = (0..rows).collect();
    let encoded = match &request.conditions {
        Some(_) => Some(trained.scalers.encode_statics("--static", &given, &all)?),
        None => None,
    };
    let latent = model.config.latent_dim;
    let mut z = Array2::zeros((rows, latent));
    draw_latents(trained, encoded.as_ref(), request.seed, &mut z);
    let decoded = decode(model, &z, encoded.as_ref())?;
    let scalers = &trained.scalers;
    let mut signals = scalers.decode_signals(decoded.signal.view(), None);
    if let Some(averages) = request.averages {
        add_noise(trained, averages, request.seed, &mut signals)?;
    }
    Ok(Generated {
        signals,
        given,
        read: decoded.condition.map_or(Vec::new(), |read| scalers.decode_statics(read.view())),
        peaks: decoded.peaks.map(|peaks| scalers.decode_peaks(peaks.view())),
    })
}

/// Adds the noise of the training rows, as that of so many averages.
fn add_noise(trained: &Trained, averages: f64, seed: u64, signals: &mut Array2<f32>) -> Result<()> {
    let mixed_model = trained.baselines.as_ref().and_then(|baselines| baselines.mixed_model.as_ref());
    let Some(noise) = mixed_model.filter(|model| model.grouping == Grouping::Cells && model.by_averages) else {
        return Err(Error::usage(
            "--averages: how noisy one sweep is, is not known of this model's training rows",
            "train on several recordings of each subject and condition, with their column n_averages, or leave it out",
        ));
    };
    let streams = [3, 4].map(|layer| Stream::new(seed, Purpose::Generate, layer));
    for (row, mut trace) in signals.outer_iter_mut().enumerate() {
        noise.add_noise(averages, streams, row as u32, trace.as_slice_mut().expect("row-major"));
    }
    Ok(())
}

/// A latent for each row: standard normal, or from the training rows' posteriors (`model.prior`).
pub fn draw_latents(trained: &Trained, condition: Option<&Array2<f32>>, seed: u64, z: &mut Array2<f32>) {
    let normals = Stream::new(seed, Purpose::Generate, 0);
    // the rows of one condition stand together
    let mut near = None;
    for (row, mut z) in z.rows_mut().into_iter().enumerate() {
        let z = z.as_slice_mut().expect("row-major");
        let Some(prior) = &trained.prior else {
            normals.normals(row as u32, z);
            continue;
        };
        let wanted = condition.map(|condition| condition.row(row));
        let same = row > 0 && condition.is_none_or(|condition| condition.row(row) == condition.row(row - 1));
        if !same {
            near = Some(prior.near(wanted));
        }
        let mut draws = Stream::new(seed, Purpose::Generate, 2).draws(row as u32);
        prior.draw(near.as_ref().expect("of the first row"), &mut draws, normals, row as u32, z);
    }
}

fn count_rows(model: &Cvae, request: &Request) -> Result<usize> {
    let conditions = request.conditions.as_ref().map_or(1, Vec::len);
    let rows = request.count.saturating_mul(conditions);
    if rows.saturating_mul(model.config.signal_length.max(model.config.latent_dim)) > LARGEST_SAMPLES {
        let problem = format!("{} traces for each of {conditions} conditions are too many at once", request.count);
        return Err(Error::usage(problem, "ask for fewer, several times, each with another --seed"));
    }
    Ok(rows)
}

/// Checks every named static; `table` is the file the conditions stand in, if they do.
///
/// # Errors
/// A name that is no static column (with the nearest one), or a value that cannot be encoded: with the file, row and column,
/// or the `--static` flag.
pub fn check_conditions(trained: &Trained, table: Option<&str>, conditions: &[Condition]) -> Result<()> {
    for (row, (name, value)) in conditions.iter().enumerate().flat_map(|(i, c)| c.iter().map(move |named| (i, named))) {
        check_value(trained, name, value).map_err(|(problem, remedy)| match table {
            Some(table) => Error::input(table, format!("row {}, column `{name}`", row + 1), problem, remedy),
            None => Error::usage(format!("--static {name}={value}: {problem}"), remedy),
        })?;
    }
    Ok(())
}

/// Problem and remedy.
fn check_value(trained: &Trained, name: &str, value: &Value) -> Result<(), (String, String)> {
    let scalers = &trained.scalers.statics;
    let Some(scaler) = scalers.iter().find(|s| s.name == name) else {
        let names = || scalers.iter().map(|s| s.name.as_str());
        let hint = nearest(name, names()).map_or(String::new(), |n| format!("did you mean {n}? "));
        let remedy = format!("{hint}the static columns are {}", names().collect::<Vec<_>>().join(", "));
        return Err((format!("{name} is no static column of this model"), remedy));
    };
    let problem_of = |error| match error {
        Error::Input { problem, remedy, .. } | Error::Usage { problem, remedy } => (problem, remedy),
        other => (other.to_string(), String::new()),
    };
    let column = to_column(scaler, vec![value.clone()]).map_err(problem_of)?;
    let encoded = scaler.encode("", &column, &[0], Array2::zeros((1, scaler.width())).view_mut());
    encoded.map_err(|error| match scaler.code {
        StaticCode::Log(_) => (problem_of(error).0, "name a value above 0".into()),
        _ => problem_of(error),
    })
}

/// Every static column for every row: the named values, and whole training rows near them for the rest.
fn complete(trained: &Trained, conditions: &[Condition], request: &Request) -> Result<Vec<Column>> {
    check_conditions(trained, None, conditions)?;
    let names: Vec<&str> = trained.config.data.static_columns.iter().map(|c| c.name()).collect();
    let stream = Stream::new(request.seed, Purpose::Generate, 1);
    let mut columns: Vec<Vec<Value>> = vec![Vec::new(); names.len()];
    for (i, condition) in conditions.iter().enumerate() {
        let near = if condition.len() < names.len() { nearest_rows(trained, condition)? } else { Vec::new() };
        for repeat in 0..request.count {
            let mut draws = stream.draws((i * request.count + repeat) as u32);
            let drawn = (!near.is_empty()).then(|| near[draws.below(near.len() as u32) as usize]);
            for (j, (column, name)) in columns.iter_mut().zip(&names).enumerate() {
                let named = condition.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
                let value = named.or_else(|| drawn.map(|row| value_at(&trained.data.train_statics[j], row)));
                column.push(value.ok_or_else(|| {
                    Error::usage(
                        format!("{name} is not named, and bare weights bring no training rows to draw it from"),
                        format!("name it with --static {name}=VALUE"),
                    )
                })?);
            }
        }
    }
    trained.scalers.statics.iter().zip(columns).map(|(scaler, values)| to_column(scaler, values)).collect()
}

fn value_at(column: &Column, row: usize) -> Value {
    match &column.values {
        Values::Number(v) => Value::Number(v[row]),
        Values::Text(v) => Value::Text(v[row].clone()),
    }
}

/// Text for a one-hot column, else numbers.
fn to_column(scaler: &StaticScaler, values: Vec<Value>) -> Result<Column> {
    let number = |value: Value| {
        let refuse =
            || Error::usage(format!("\"{value}\" is not a finite number"), "write a number, such as 60 or 0.5");
        value.number().ok_or_else(refuse)
    };
    let values = match &scaler.code {
        StaticCode::OneHot(_) => Values::Text(values.iter().map(Value::to_string).collect()),
        _ => Values::Number(values.into_iter().map(number).collect::<Result<_>>()?),
    };
    Ok(Column { name: scaler.name.clone(), values })
}

/// The training rows nearest to the named values, by the distance of the encoded named columns.
fn nearest_rows(trained: &Trained, condition: &Condition) -> Result<Vec<usize>> {
    let columns = &trained.data.train_statics;
    let count = columns.first().map_or(0, |c| c.values.len());
    let mut rows: Vec<usize> = (0..count).collect();
    let mut distances = vec![0.0_f64; count];
    for (scaler, column) in trained.scalers.statics.iter().zip(columns) {
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

/// Named values that no training row comes near: outside the range of their column.
pub fn extrapolations(trained: &Trained, conditions: &[Condition]) -> Vec<String> {
    let mut notices = Vec::new();
    for column in &trained.data.train_statics {
        let Values::Number(seen) = &column.values else { continue };
        let clip = trained.scalers.statics.iter().find(|s| s.name == column.name).and_then(|scaler| scaler.clip);
        let range = seen.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[lo, hi], v| [lo.min(*v), hi.max(*v)]);
        let [lo, hi] = clip.unwrap_or(range);
        let named = conditions.iter().flatten().filter(|(name, _)| *name == column.name);
        let outside = named.filter_map(|(name, value)| Some((name, value.number()?))).find(|(_, n)| *n < lo || *n > hi);
        if let Some((name, n)) = outside {
            notices.push(match clip {
                Some(_) => {
                    format!("{name}={n} enters as {}: data.clip_statics keeps it from {lo} to {hi}", n.clamp(lo, hi))
                }
                None => format!("{name}={n} lies outside of the training rows' {lo} to {hi}: the model extrapolates"),
            });
        }
    }
    notices
}
