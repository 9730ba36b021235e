//! How good a model is: errors in physical units, what the latent does, baselines on the same rows, and the waves of a trace.

pub mod baselines;
mod data;
pub mod metrics;
pub mod peaks;
mod report;
mod trained_on;
pub mod waves;

pub use report::{Baselines, Conditions, Estimate, Report};
pub use trained_on::TrainedOn;

use crate::checkpoint::Trained;
use crate::data::rows::Rows;
use crate::data::{
    Column, Dataset,
    hash::data_hash,
    split::{split, subjects},
    synth,
};
use crate::error::{Error, Result};
use crate::infer::{decode, encode};
use crate::model::Cvae;
use baselines::{NEIGHBOURS, NearestCondition, Pca};
use metrics::{ColumnErrors, LatentUnits, PeakErrors, TraceErrors, explained_variance};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::Serialize;
use waves::wave_v_by_level;

/// Which rows to evaluate on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Train,
    Validation,
    Test,
    All,
}

/// Recordings as the model gives them back, with z = mu.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconstruction {
    /// `[N, L]` in µV.
    pub signals_uv: Array2<f32>,
    /// The condition as the static head reads it; none from a concat decoder.
    pub read: Vec<Column>,
    /// `[N, 6]` in ms and µV, from a model with a peak head.
    pub peaks: Option<Array2<f32>>,
    /// `[N, Z]`
    pub mu: Array2<f32>,
    /// `[N, Z]`
    pub logvar: Array2<f32>,
}

/// Encodes and decodes rows of a data set.
///
/// # Errors
/// A static value that cannot be encoded.
pub fn reconstruct(trained: &Trained, model: &mut Cvae, dataset: &Dataset, rows: &[usize]) -> Result<Reconstruction> {
    let scalers = &trained.scalers;
    let encoded = Rows::encode(dataset, scalers, rows)?;
    let (mu, logvar) = encode(model, &encoded)?;
    let decoded = decode(model, &mu, Some(&encoded.condition))?;
    let (_, moments) = scalers.encode_signals(dataset.signals.select(Axis(0), rows).view());
    Ok(Reconstruction {
        signals_uv: scalers.decode_signals(decoded.signal.view(), Some(&moments)),
        read: decoded.condition.map_or(Vec::new(), |read| scalers.decode_statics(read.view())),
        peaks: decoded.peaks.map(|peaks| scalers.decode_peaks(peaks.view())),
        mu,
        logvar,
    })
}

/// Measures a model on one part of a data set.
///
/// # Errors
/// A part of data that is not what the model was trained on: only [`Part::All`] has a meaning there. An empty part.
pub fn evaluate(trained: &Trained, model: &mut Cvae, dataset: &Dataset, part: Part) -> Result<Report> {
    let known = trained.is_bare() || data_hash(dataset) == trained.data.hash;
    let rows = choose_rows(trained, dataset, part, known)?;
    let made = reconstruct(trained, model, dataset, &rows)?;
    let part_of = |signals: &Array2<f32>| signals.select(Axis(0), &rows);
    let recorded = part_of(&dataset.signals);
    let truth = dataset.truth.as_ref().map(|t| part_of(&t.signals));
    let given: Vec<Column> = dataset.statics.iter().map(|column| column.select(&rows)).collect();
    let labels = dataset.peaks.select(Axis(0), &rows);
    let training = match known {
        true if trained.is_bare() && part == Part::All => Training::new(trained, dataset).ok(),
        true => Some(Training::new(trained, dataset)?),
        false => None,
    };
    let mean = training.as_ref().map(|t| t.mean.clone());
    let measure = |signals: &Array2<f32>| Estimate::new(signals, &recorded, truth.as_ref(), mean.as_ref());
    let baselines = match &training {
        Some(training) => Some(training.baselines(trained, dataset, &rows, measure)?),
        None => None,
    };
    Ok(Report {
        part,
        data: dataset.source.clone(),
        rows: rows.len(),
        subjects: subjects(dataset, &rows).len(),
        trained_on: TrainedOn::new(&trained.data, dataset, &rows, training.as_ref().map_or(&[][..], |t| &t.train[..])),
        model: measure(&made.signals_uv),
        recording: truth.is_some().then(|| measure(&recorded)),
        baselines,
        latent: LatentUnits::of(made.mu.view(), made.logvar.view()),
        conditions: conditions(trained, model, &made, &given)?,
        waves: match dataset.source == synth::SOURCE && !trained.is_bare() {
            true => wave_v_by_level(trained, model)?,
            false => None,
        },
        peaks: made.peaks.map(|peaks| PeakErrors::of(peaks.view(), labels.view()).to_vec()),
        traces: TraceErrors::of(made.signals_uv.view(), recorded.view()).traces,
        row_numbers: rows,
    })
}

fn choose_rows(trained: &Trained, dataset: &Dataset, part: Part, known: bool) -> Result<Vec<usize>> {
    if part == Part::All {
        return Ok((0..dataset.len()).collect());
    }
    if !known {
        return Err(Error::input(
            &dataset.source,
            "",
            "is not the data this model was trained on, so which rows it has seen cannot be said",
            "name the training data with --data, or evaluate on all rows with --split all",
        ));
    }
    let split = split(dataset, &trained.config.data)?;
    let rows = match part {
        Part::Train => split.train,
        Part::Validation => split.validation,
        Part::Test | Part::All => split.test,
    };
    if rows.is_empty() {
        return Err(Error::usage(
            "that part of the data holds no rows: its share was 0 in training",
            "choose another with --split train, val or all",
        ));
    }
    Ok(rows)
}

/// The static head's errors with FiLM as trained and as the identity: what of the condition the latent itself carries.
fn conditions(
    trained: &Trained,
    model: &mut Cvae,
    made: &Reconstruction,
    given: &[Column],
) -> Result<Option<Conditions>> {
    if made.read.is_empty() {
        return Ok(None);
    }
    let errors = |read: &[Column]| given.iter().zip(read).map(|(g, r)| ColumnErrors::of(g, r)).collect();
    let without = match model.config.use_film {
        true => decode(model, &made.mu, None)?.condition,
        false => None,
    };
    let film_off = without.map(|read| errors(&trained.scalers.decode_statics(read.view())));
    Ok(Some(Conditions { film_on: errors(&made.read), film_off }))
}

/// The training and validation rows, for the baselines.
struct Training {
    train: Vec<usize>,
    validation: Vec<usize>,
    /// The mean training trace in µV.
    mean: Array1<f32>,
}

impl Training {
    fn new(trained: &Trained, dataset: &Dataset) -> Result<Self> {
        let split = split(dataset, &trained.config.data)?;
        let mean = dataset.signals.select(Axis(0), &split.train).mapv(f64::from).mean_axis(Axis(0));
        let mean = mean.expect("a split has training rows").mapv(|v| v as f32);
        Ok(Training { train: split.train, validation: split.validation, mean })
    }

    fn baselines(
        &self,
        trained: &Trained,
        dataset: &Dataset,
        rows: &[usize],
        measure: impl Fn(&Array2<f32>) -> Estimate,
    ) -> Result<Baselines> {
        let condition = |rows: &[usize]| trained.scalers.encode_statics(&dataset.source, &dataset.statics, rows);
        let signals = |rows: &[usize]| dataset.signals.select(Axis(0), rows);
        let target = |rows: &[usize]| match &dataset.truth {
            Some(truth) => truth.signals.select(Axis(0), rows),
            None => signals(rows),
        };
        // without validation rows the free numbers are chosen where there are some: on the training rows
        let judges = if self.validation.is_empty() { &self.train } else { &self.validation };
        let (train_conditions, train_signals) = (condition(&self.train)?, signals(&self.train));
        let (conditions, recorded) = (condition(rows)?, signals(rows));
        let nearest = NearestCondition::fit(train_conditions.view(), train_signals.view());
        let neighbours = nearest.choose(&NEIGHBOURS, condition(judges)?.view(), target(judges).view());
        let pca = Pca::fit(train_signals.view());
        let latent = trained.config.model.latent_dim;
        let rank = pca.choose_rank(latent, signals(judges).view(), target(judges).view());
        Ok(Baselines {
            nearest_condition: measure(&nearest.predict(conditions.view(), neighbours)),
            neighbours,
            pca: measure(&pca.reconstruct(recorded.view(), rank)),
            rank,
        })
    }
}

impl Estimate {
    fn new(
        estimate: &Array2<f32>,
        recorded: &Array2<f32>,
        truth: Option<&Array2<f32>>,
        train_mean: Option<&Array1<f32>>,
    ) -> Self {
        let explained = |reference: ArrayView2<f32>| {
            train_mean.map(|mean| explained_variance(estimate.view(), reference, mean.view()))
        };
        Estimate {
            recorded: TraceErrors::of(estimate.view(), recorded.view()).summary(),
            explained_variance: explained(recorded.view()),
            truth: truth.map(|truth| TraceErrors::of(estimate.view(), truth.view()).summary()),
            truth_explained_variance: truth.and_then(|truth| explained(truth.view())),
        }
    }
}
