//! How good a model is: errors in physical units, what the latent does, baselines on the same rows, and the waves of a trace.

mod data;
mod generated;
pub mod level_functions;
pub mod measures;
pub mod metrics;
pub mod peaks;
pub mod probes;
mod report;
pub mod sides;
pub mod species;
mod trained_on;
mod truth;
pub mod wave_errors;
pub mod waves;

pub use generated::Generated;
pub use report::{BaselineErrors, Conditions, Estimate, MixedModelErrors, Report};
pub use sides::Compared;
pub use trained_on::TrainedOn;
pub use truth::{Truth, TruthSource};

use crate::baselines::{Baselines, NEIGHBOURS, NearestCondition, truth};
use crate::checkpoint::Trained;
use crate::data::rows::Rows;
use crate::data::{
    Column, Dataset,
    hash::data_hash,
    split::{Split, split, subjects},
    synth,
};
use crate::error::{Error, Result};
use crate::infer::{decode, encode};
use crate::model::Cvae;
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
    let given: Vec<Column> = dataset.statics.iter().map(|column| column.select(&rows)).collect();
    let labels = dataset.peaks.select(Axis(0), &rows);
    let training = match known {
        true if trained.is_bare() && part == Part::All => split(dataset, &trained.config.data).ok(),
        true => Some(split(dataset, &trained.config.data)?),
        false => None,
    };
    let mean = trained.baselines.as_ref().map(Baselines::mean);
    let mean = mean.or_else(|| training.as_ref().map(|split| mean_trace(dataset, &split.train)));
    let reference = Reference::of(dataset, &rows, mean);
    let baselines = baselines(trained, dataset, &rows, training.as_ref(), &reference)?;
    let generated = match trained.is_bare() {
        true => None,
        false => Some(Generated::measure(trained, model, dataset, &rows, &reference)?),
    };
    Ok(Report {
        part,
        data: dataset.source.clone(),
        rows: rows.len(),
        subjects: subjects(dataset, &rows).len(),
        trained_on: TrainedOn::new(&trained.data, dataset, &rows, training.as_ref().map_or(&[][..], |t| &t.train[..])),
        truth: Truth::of(dataset, &rows, &reference),
        model: reference.measure(&made.signals_uv),
        recording: reference.truth.is_some().then(|| reference.measure(&reference.recorded)),
        baselines,
        generated,
        latent: LatentUnits::of(made.mu.view(), made.logvar.view()),
        conditions: conditions(trained, model, &made, &given)?,
        waves: match dataset.source == synth::SOURCE && !trained.is_bare() {
            true => wave_v_by_level(trained, model)?,
            false => None,
        },
        peaks: made.peaks.map(|peaks| PeakErrors::of(peaks.view(), labels.view()).to_vec()),
        traces: TraceErrors::of(made.signals_uv.view(), reference.recorded.view()).traces,
        row_numbers: rows,
    })
}

fn mean_trace(dataset: &Dataset, rows: &[usize]) -> Array1<f32> {
    let mean = dataset.signals.select(Axis(0), rows).mapv(f64::from).mean_axis(Axis(0));
    mean.expect("a split has training rows").mapv(|v| v as f32)
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

/// What the rows are measured against.
struct Reference {
    /// `[N, L]` in µV.
    recorded: Array2<f32>,
    /// Of the rows at these places, `[.., L]` in µV; none where no row has one.
    truth: Option<(Array2<f32>, Vec<usize>)>,
    /// The mean training trace in µV; not known of bare weights.
    mean: Option<Array1<f32>>,
}

impl Reference {
    fn of(dataset: &Dataset, rows: &[usize], mean: Option<Array1<f32>>) -> Reference {
        let truth = Some(truth(dataset, rows)).filter(|(_, known)| !known.is_empty());
        Reference { recorded: dataset.signals.select(Axis(0), rows), truth, mean }
    }

    fn measure(&self, estimate: &Array2<f32>) -> Estimate {
        let explained = |estimate: ArrayView2<f32>, reference: ArrayView2<f32>| {
            self.mean.as_ref().map(|mean| explained_variance(estimate, reference, mean.view()))
        };
        let of_truth = self.truth.as_ref().map(|(truth, known)| (estimate.select(Axis(0), known), truth.view()));
        Estimate {
            recorded: TraceErrors::of(estimate.view(), self.recorded.view()).summary(),
            explained_variance: explained(estimate.view(), self.recorded.view()),
            truth: of_truth.as_ref().map(|(estimate, truth)| TraceErrors::of(estimate.view(), *truth).summary()),
            truth_explained_variance: of_truth.and_then(|(estimate, truth)| explained(estimate.view(), truth)),
        }
    }
}

/// The baselines on the rows: those of the checkpoint and, where the training rows are at hand, the nearest of them.
fn baselines(
    trained: &Trained,
    dataset: &Dataset,
    rows: &[usize],
    training: Option<&Split>,
    reference: &Reference,
) -> Result<Option<BaselineErrors>> {
    let fitted = match (&trained.baselines, training) {
        (Some(fitted), _) => fitted.clone(),
        // bare weights, or a checkpoint of before baselines were kept
        (None, Some(split)) => Baselines::fit(dataset, &trained.scalers, split, trained.config.model.latent_dim)?,
        (None, None) => return Ok(None),
    };
    let condition = |rows: &[usize]| trained.scalers.encode_statics(&dataset.source, &dataset.statics, rows);
    let conditions = condition(rows)?;
    let curve = fitted.curve.predict(conditions.view());
    let averages: Vec<f32> = rows.iter().map(|&row| dataset.averages[row]).collect();
    let mixed = fitted.mixed_model.as_ref().map(|mixed| {
        let denoised = mixed.denoise(reference.recorded.view(), &curve, &averages);
        MixedModelErrors { grouping: mixed.grouping, errors: reference.measure(&denoised) }
    });
    let nearest = match training {
        Some(split) => Some(nearest(dataset, split, condition, &conditions)?),
        None => None,
    };
    let (nearest, neighbours) = nearest.unzip();
    Ok(Some(BaselineErrors {
        curve: reference.measure(&curve.mapv(|v| v as f32)),
        mixed_model: mixed,
        nearest_condition: nearest.map(|made| reference.measure(&made)),
        neighbours,
        rank: fitted.rank.min(fitted.pca.components.ncols()),
        pca: reference.measure(&fitted.pca.reconstruct(reference.recorded.view(), fitted.rank)),
    }))
}

/// The means of the training rows with the nearest conditions, and of how many.
fn nearest(
    dataset: &Dataset,
    split: &Split,
    condition: impl Fn(&[usize]) -> Result<Array2<f32>>,
    conditions: &Array2<f32>,
) -> Result<(Array2<f32>, usize)> {
    // without validation rows the number is chosen where there are some: on the training rows
    let judges = if split.validation.is_empty() { &split.train } else { &split.validation };
    let (train, signals) = (condition(&split.train)?, dataset.signals.select(Axis(0), &split.train));
    let target = match &dataset.truth {
        Some(truth) => truth.signals.select(Axis(0), judges),
        None => dataset.signals.select(Axis(0), judges),
    };
    let nearest = NearestCondition::fit(train.view(), signals.view());
    let neighbours = nearest.choose(&NEIGHBOURS, condition(judges)?.view(), target.view());
    Ok((nearest.predict(conditions.view(), neighbours), neighbours))
}
