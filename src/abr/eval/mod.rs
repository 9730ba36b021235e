//! Evaluation: errors in physical units, the use of the latent units, baselines on the same rows, generated traces, and
//! the waves of a trace.

mod brief;
mod by_group;
mod data;
mod generated;
pub mod level_functions;
pub mod level_series;
mod likeness;
pub mod measures;
pub mod metrics;
pub mod norms;
pub mod peaks;
pub mod pictures;
pub mod probes;
mod reference;
mod reference_summary;
mod report;
pub mod sides;
pub mod species;
mod table;
mod tables;
mod trained_on;
mod verdict;
mod warnings;
pub mod wave_errors;
mod wave_report;
pub mod waves;

pub use brief::Brief;
pub use by_group::{GroupErrors, RowGroup};
pub use generated::{Calibration, GenerationQuality, SHARES};
pub use likeness::{Aucs, Deviations, Floor, Likeness, LikenessMeasures};
pub use pictures::Pictures;
pub use probes::{LevelProbe, TrainOnSynthetic};
pub use reference_summary::{ReferenceSource, ReferenceSummary};
pub use report::{BaselineErrors, ConditionErrors, GoodnessOfFit, MixedModelErrors, Report, Training};
pub use sides::Compared;
pub use table::{JsonPlace, ReportTable, TableCell};
pub use trained_on::TrainedOn;
pub use wave_report::{LevelReport, WaveReport};

use crate::baselines::{Baselines, NEIGHBOURS, NearestCondition};
use crate::checkpoint::TrainedModel;
use crate::config::Conditioning;
use crate::data::rows::EncodedRows;
use crate::data::{
    Column, Dataset,
    hash::data_hash,
    split::{Split, split, subjects},
    synth,
};
use crate::error::{Error, Result};
use crate::infer::{decode, encode, prior_means};
use crate::model::Cvae;
use crate::residual::Residual;
use metrics::{ColumnErrors, LatentUnits, PeakErrors, TraceErrors};
use ndarray::{Array1, Array2, Axis};
use pictures::Evaluated;
use reference::Reference;
use serde::Serialize;
use sides::{Sides, level_column};
use waves::wave_v_by_level;

/// The seed of the generated twins of real rows.
const TWINS_SEED: u64 = 1;

/// The part of a data set to evaluate on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EvalSplit {
    Train,
    Validation,
    Test,
    All,
}

/// The model's reconstructions of recordings, with z = mu.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconstruction {
    /// `[N, L]` in µV: the network's output, plus the residual if the model has one.
    pub signals_uv: Array2<f32>,
    /// `[N, L]` in µV: the network's output alone.
    pub network_uv: Array2<f32>,
    /// The condition that the condition head predicts; empty for a concat decoder.
    pub predicted: Vec<Column>,
    /// `[N, 6]` in ms and µV, from a model with a peak head.
    pub peaks: Option<Array2<f32>>,
    /// `[N, Z]`
    pub mu: Array2<f32>,
    /// `[N, Z]`
    pub logvar: Array2<f32>,
    /// `[N, Z]`: the mean of a learned prior; 0 without one.
    pub prior_mean: Array2<f32>,
}

/// Reconstructs rows of a data set.
///
/// # Errors
/// A value of the condition that cannot be encoded.
pub fn reconstruct(
    trained: &TrainedModel,
    model: &mut Cvae,
    dataset: &Dataset,
    rows: &[usize],
) -> Result<Reconstruction> {
    let scalers = &trained.scalers;
    let encoded = EncodedRows::encode(dataset, scalers, rows)?;
    let (mu, logvar) = encode(model, &encoded)?;
    let decoded = decode(model, &mu, Some(&encoded.condition))?;
    let prior_mean = prior_means(model, &encoded.condition)?.unwrap_or_else(|| Array2::zeros(mu.raw_dim()));
    let recorded = dataset.signals.select(Axis(0), rows);
    let (_, of_traces) = scalers.encode_signals(recorded.view());
    let network_uv = scalers.decode_signals(decoded.signal.view(), Some(&of_traces));
    let mut signals_uv = network_uv.clone();
    if let Some(residual) = Residual::of(trained) {
        let averages: Vec<f32> = rows.iter().map(|&row| dataset.averages[row]).collect();
        residual.add(recorded.view(), &averages, &mut signals_uv);
    }
    Ok(Reconstruction {
        network_uv,
        signals_uv,
        predicted: decoded.condition.map_or(Vec::new(), |predicted| scalers.decode_condition(predicted.view())),
        peaks: decoded.peaks.map(|peaks| scalers.decode_peaks(peaks.view())),
        mu,
        logvar,
        prior_mean,
    })
}

/// The part to evaluate on unless the user chooses one. For the training data: the test rows, else the validation rows,
/// else all rows. For other data: all rows.
///
/// # Errors
/// Data that cannot be split as the configuration says.
pub fn default_part(trained: &TrainedModel, dataset: &Dataset) -> Result<EvalSplit> {
    if !trained.is_bare() && data_hash(dataset) != trained.data.hash {
        return Ok(EvalSplit::All);
    }
    let split = split(dataset, &trained.config.data)?;
    Ok(match (split.test.is_empty(), split.validation.is_empty()) {
        (false, _) => EvalSplit::Test,
        (true, false) => EvalSplit::Validation,
        (true, true) => EvalSplit::All,
    })
}

/// Measures a model on one part of a data set. Pass the training data as `training` if `dataset` is another data set:
/// some measures need training rows.
///
/// # Errors
/// A part other than [`EvalSplit::All`] of data that the model was not trained on. An empty part. `training` that is
/// not the model's training data.
pub fn evaluate(
    trained: &TrainedModel,
    model: &mut Cvae,
    dataset: &Dataset,
    part: EvalSplit,
    training: Option<&Dataset>,
) -> Result<Report> {
    let known = trained.is_bare() || data_hash(dataset) == trained.data.hash;
    let rows = choose_rows(trained, dataset, part, known)?;
    let made = reconstruct(trained, model, dataset, &rows)?;
    let condition: Vec<Column> = dataset.conditions.iter().map(|column| column.select(&rows)).collect();
    let labels = dataset.peaks.select(Axis(0), &rows);
    let here = match known {
        true if trained.is_bare() && part == EvalSplit::All => split(dataset, &trained.config.data).ok(),
        true => Some(split(dataset, &trained.config.data)?),
        false => None,
    };
    let mean = trained.baselines.as_ref().map(Baselines::mean);
    let mean = mean.or_else(|| here.as_ref().map(|split| mean_trace(dataset, &split.train)));
    let reference = Reference::of(dataset, &rows, mean);
    let training_rows = match (&here, training) {
        (Some(split), _) => Some((dataset, split.train.clone())),
        (None, Some(set)) => Some((set, training_rows(trained, set)?)),
        (None, None) => None,
    };
    let mut report = Report {
        part,
        data: dataset.source.clone(),
        rows: rows.len(),
        subjects: subjects(dataset, &rows).len(),
        trained_on: TrainedOn::new(&trained.data, dataset, &rows, here.as_ref().map_or(&[][..], |t| &t.train[..])),
        truth: ReferenceSummary::of(dataset, &reference),
        model: reference.measure(&made.signals_uv),
        network: Residual::mixed_model(trained).map(|_| reference.measure(&made.network_uv)),
        recording: reference.traces.is_some().then(|| reference.measure(&reference.recorded)),
        baselines: baselines(trained, dataset, &rows, here.as_ref(), &reference)?,
        generated: None,
        likeness: None,
        level_probe: None,
        train_on_synthetic: None,
        wave_errors: None,
        latent: LatentUnits::of((&made.mu - &made.prior_mean).view(), made.logvar.view()),
        conditions: conditions(trained, model, &made, &condition)?,
        waves: match dataset.source == synth::SOURCE && !trained.is_bare() {
            true => wave_v_by_level(trained, model)?,
            false => None,
        },
        by_subject: by_group::by_subject(dataset, &rows, &made.signals_uv, &reference),
        by_condition: by_group::by_condition(dataset, &rows, &made.signals_uv, &reference),
        peaks: made.peaks.as_ref().map(|peaks| PeakErrors::of(peaks.view(), labels.view()).to_vec()),
        traces: TraceErrors::of(made.signals_uv.view(), reference.recorded.view()).traces,
        row_numbers: rows,
        warnings: Vec::new(),
        verdict: Vec::new(),
        training: Training::of(trained, model.parameters().count()),
        pictures: None,
    };
    // probes and distances see a trace through its principal components
    let seen_by = trained.baselines.as_ref().map_or(0, |baselines| baselines.pca.components.ncols());
    let sides = match seen_by {
        0 => None,
        _ => Sides::new(trained, dataset, &report.row_numbers, sides::EVALUATED)?,
    };
    if let Some(sides) = &sides {
        measure_generated(trained, model, sides, training_rows, (&made.signals_uv, &reference), &mut report)?;
    }
    let evaluated = Evaluated { dataset, rows: &report.row_numbers, made: &made, reference: &reference };
    report.pictures = Some(Pictures::of(trained, model, &evaluated, &report.latent, sides.is_some())?);
    report.warnings = warnings::warnings(&report);
    report.verdict = verdict::verdict(trained, known, &report);
    Ok(report)
}

/// Measures what a model generates against the real rows.
fn measure_generated(
    trained: &TrainedModel,
    model: &mut Cvae,
    sides: &Sides,
    training: Option<(&Dataset, Vec<usize>)>,
    (made, reference): (&Array2<f32>, &Reference),
    report: &mut Report,
) -> Result<()> {
    // measures for unseen rows mean nothing on rows that the model was trained on
    let seen = report.trained_on.as_ref().is_none_or(|trained_on| trained_on.rows > 0);
    let training = match &training {
        Some((dataset, rows)) if !seen => Sides::new(trained, dataset, rows, sides::TRAINING)?,
        _ => None,
    };
    let training = training.filter(|training| training.compared.is_like(&sides.compared));
    let twins = sides.twins(model, TWINS_SEED)?;
    report.generated = Some(GenerationQuality::measure(trained, model, sides, reference)?);
    report.likeness = Some(Likeness::of(sides, training.as_ref(), &twins));
    report.level_probe = LevelProbe::of(sides, &twins);
    report.train_on_synthetic = match &training {
        Some(training) => TrainOnSynthetic::of(training, sides, model)?,
        None => None,
    };
    report.wave_errors = WaveReport::of(sides, &twins, made, reference);
    Ok(())
}

/// The training rows of the data that a model was trained on.
fn training_rows(trained: &TrainedModel, training: &Dataset) -> Result<Vec<usize>> {
    if data_hash(training) != trained.data.hash {
        let remedy = "name the file that the model was trained on, or leave --training-data out: measures that need \
                      training rows are then left out";
        let problem = "is not the data this model was trained on";
        return Err(Error::input(&training.source, "--training-data", problem, remedy));
    }
    Ok(split(training, &trained.config.data)?.train)
}

fn mean_trace(dataset: &Dataset, rows: &[usize]) -> Array1<f32> {
    let mean = dataset.signals.select(Axis(0), rows).mapv(f64::from).mean_axis(Axis(0));
    mean.expect("a split has training rows").mapv(|v| v as f32)
}

fn choose_rows(trained: &TrainedModel, dataset: &Dataset, part: EvalSplit, known: bool) -> Result<Vec<usize>> {
    if part == EvalSplit::All {
        return Ok((0..dataset.len()).collect());
    }
    if !known {
        return Err(Error::input(
            &dataset.source,
            "",
            "is not the data this model was trained on, so it is unknown which rows the model has seen",
            "name the training data with --data, or evaluate on all rows with --split all",
        ));
    }
    let split = split(dataset, &trained.config.data)?;
    let rows = match part {
        EvalSplit::Train => split.train,
        EvalSplit::Validation => split.validation,
        EvalSplit::Test | EvalSplit::All => split.test,
    };
    if rows.is_empty() {
        return Err(Error::usage(
            "that part of the data has no rows: its share was 0 in training",
            "choose another with --split train, val or all",
        ));
    }
    Ok(rows)
}

/// The condition head's errors with FiLM as trained, and with FiLM as the identity, which shows how much of the
/// condition the latent itself carries.
fn conditions(
    trained: &TrainedModel,
    model: &mut Cvae,
    made: &Reconstruction,
    condition: &[Column],
) -> Result<Option<ConditionErrors>> {
    if made.predicted.is_empty() {
        return Ok(None);
    }
    let errors = |predicted: &[Column]| condition.iter().zip(predicted).map(|(c, p)| ColumnErrors::of(c, p)).collect();
    let without = match model.config.conditioned_by() == Conditioning::Film {
        true => decode(model, &made.mu, None)?.condition,
        false => None,
    };
    let film_off = without.map(|predicted| errors(&trained.scalers.decode_condition(predicted.view())));
    Ok(Some(ConditionErrors { film_on: errors(&made.predicted), film_off }))
}

/// The errors of the baselines on the rows: those stored in the checkpoint and, if the training rows are available,
/// their nearest conditions.
fn baselines(
    trained: &TrainedModel,
    dataset: &Dataset,
    rows: &[usize],
    training: Option<&Split>,
    reference: &Reference,
) -> Result<Option<BaselineErrors>> {
    let fitted = match (&trained.baselines, training) {
        (Some(fitted), _) => fitted.clone(),
        // bare weights, or a checkpoint written before checkpoints held baselines
        (None, Some(split)) => Baselines::fit(dataset, &trained.scalers, split, trained.config.model.latent_dim)?,
        (None, None) => return Ok(None),
    };
    let condition = |rows: &[usize]| trained.scalers.encode_condition(&dataset.source, &dataset.conditions, rows);
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

/// The means of the training rows with the nearest conditions, and the number of neighbours.
fn nearest(
    dataset: &Dataset,
    split: &Split,
    condition: impl Fn(&[usize]) -> Result<Array2<f32>>,
    conditions: &Array2<f32>,
) -> Result<(Array2<f32>, usize)> {
    // without validation rows, the training rows choose the number of neighbours
    let chosen_by = if split.validation.is_empty() { &split.train } else { &split.validation };
    let (train, signals) = (condition(&split.train)?, dataset.signals.select(Axis(0), &split.train));
    let target = match &dataset.ground_truth {
        Some(truth) => truth.signals.select(Axis(0), chosen_by),
        None => dataset.signals.select(Axis(0), chosen_by),
    };
    let nearest = NearestCondition::fit(train.view(), signals.view());
    let neighbours = nearest.choose(&NEIGHBOURS, condition(chosen_by)?.view(), target.view());
    Ok((nearest.predict(conditions.view(), neighbours), neighbours))
}
