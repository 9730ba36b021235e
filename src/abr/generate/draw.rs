//! Draws traces of new subjects: draws and decodes their latents, and varies the traces, because listeners differ more
//! than the training subjects show.
use crate::purpose;

use crate::checkpoint::TrainedModel;
use crate::config::Prior;
use crate::data::variation::Variation;
use crate::engine::rng::Stream;
use crate::error::{Error, Result};
use crate::infer::{DecodedRows, decode_from, prior_means};
use crate::model::{AggregatedPosterior, Cvae, Near, SubjectDraw};
use crate::residual::Residual;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use std::collections::{BTreeMap, HashMap};

/// The number of conditions whose nearby rows are cached.
const KEPT: usize = 512;

/// Rows to draw, from one request.
#[derive(Clone, Copy)]
pub struct DrawnRows<'a> {
    /// `[N, S]`, encoded; `None`: FiLM is the identity.
    pub condition: Option<&'a Array2<f32>>,
    /// `[N]`: rows with the same number belong to one subject; the number and the seed determine the subject.
    pub subjects: &'a [u32],
    /// The number of the first row in the request: number and seed determine what is a recording's own.
    pub first: usize,
    /// Encoded [conditions](some_rows) of subjects that have rows outside of these.
    pub divided: &'a BTreeMap<u32, Array2<f32>>,
}

/// Noise-free traces `[N, L]` in µV and the outputs of the decoder's heads, under encoded conditions `[N, S]` (`None`:
/// FiLM is the identity). Rows with the same number in `subjects [N]` belong to one subject; the number and the seed
/// determine the subject.
///
/// # Errors
/// A concat decoder without a condition. The device is out of memory, or was lost.
///
/// # Panics
/// If the numbers of subjects and conditions differ.
pub fn draw_traces(
    trained: &TrainedModel,
    model: &mut Cvae,
    condition: Option<&Array2<f32>>,
    subjects: &[u32],
    seed: u64,
) -> Result<(Array2<f32>, DecodedRows)> {
    draw_rows(trained, model, DrawnRows { condition, subjects, first: 0, divided: &BTreeMap::new() }, seed)
}

/// [`draw_traces`] of some rows of a request.
///
/// # Errors
/// As [`draw_traces`].
///
/// # Panics
/// As [`draw_traces`].
pub fn draw_rows(
    trained: &TrainedModel,
    model: &mut Cvae,
    rows: DrawnRows,
    seed: u64,
) -> Result<(Array2<f32>, DecodedRows)> {
    let DrawnRows { condition, subjects, first, .. } = rows;
    let mut z = Array2::zeros((subjects.len(), model.config.latent_dim));
    draw_latents(trained, rows, seed, &mut z);
    let drawn_condition = match condition {
        None if trained.config.model.prior == Prior::Learned => Some(training_conditions(trained, subjects, seed)?),
        _ => None,
    };
    if let Some(condition) = condition.or(drawn_condition.as_ref())
        && let Some(means) = prior_means(model, condition)?
    {
        z += &means;
    }
    let decoded = decode_from(first, model, &z, condition)?;
    let mut traces = trained.scalers.decode_signals(decoded.signal.view(), None);
    if let Some(prior) = &trained.prior {
        vary(trained, f64::from(prior.variation), subjects, seed, &mut traces);
        add_residuals(trained, f64::from(prior.residual_share), subjects, seed, &mut traces);
    }
    Ok((traces, decoded))
}

/// Without a condition, a learned prior is marginalised over the training rows: each subject gets the condition of a
/// random training row.
fn training_conditions(trained: &TrainedModel, subjects: &[u32], seed: u64) -> Result<Array2<f32>> {
    let columns = &trained.data.train_conditions;
    let rows = columns.first().map_or(0, |column| column.values.len());
    if rows == 0 {
        let problem = "a learned prior needs a condition, and the model file has no training rows to draw one from";
        return Err(Error::usage(problem, "name the conditions with --static or --conditions"));
    }
    let stream = Stream::new(seed, purpose::GENERATE, 8);
    let drawn: Vec<usize> = subjects.iter().map(|&s| stream.rng(s).below(rows as u32) as usize).collect();
    trained.scalers.encode_condition("the training rows", columns, &drawn)
}

/// [`missing_spread`] uses this many conditions of training rows, and this many subjects in each.
const CONDITIONS: usize = 32;
const SUBJECTS: usize = 64;
/// The maximum variation of traces. Augmentation in training exceeds natural variation; the same variation in generated
/// traces would blur their mean and its dependence on the condition (one mouse: the mean of the draws explains .07 at
/// 1.25, .32 at .5 and .42 at 0).
const MOST_VARIATION: f64 = 0.5;
/// The maximum size of a residual relative to its trace: a larger one would hide the trace.
const MOST_RESIDUAL: f64 = 2.0;
/// The prior for the variance between listeners is `training.augment`. It has the weight of this many listeners beyond
/// the first, because few listeners determine a variance badly (a scaled inverse chi-squared prior; Gelman et al.,
/// "Bayesian Data Analysis").
const PRIOR_LISTENERS: f64 = 4.0;

/// What drawn traces need to spread like an unseen listener about the training listeners: the factor, from 0 to 0.5, on
/// the standard deviations of `training.augment`; and, for the spread that is then still missing, the size of the
/// residual (`model.residual`) relative to the traces' root mean square.
///
/// # Errors
/// The device is out of memory, or was lost.
pub fn missing_spread(trained: &TrainedModel, model: &mut Cvae) -> Result<(f32, f32)> {
    let nothing = Ok((0.0, 0.0));
    let augment = &trained.config.training.augment;
    let has_residual = Residual::mixed_model(trained).is_some();
    let listeners = trained.baselines.as_ref().and_then(|baselines| baselines.listeners);
    let (Some(prior), Some(listeners)) = (&trained.prior, listeners) else { return nothing };
    if augment.is_off() && !has_residual {
        return nothing;
    }
    let others = listeners.listeners as f64 - 1.0;
    // a single listener has no variance between listeners
    let Some(between) = listeners.variance_uv2.or((others == 0.0).then_some(0.0)) else { return nothing };
    let rows = prior.condition();
    let conditions = CONDITIONS.min(rows.nrows());
    let row = |draw: usize| (draw / SUBJECTS) * rows.nrows() / conditions;
    let repeated =
        Array2::from_shape_fn((conditions * SUBJECTS, rows.ncols()), |(draw, column)| rows[[row(draw), column]]);
    let subjects: Vec<u32> = (0..repeated.nrows() as u32).collect();
    let (traces, _) = draw_traces(trained, model, Some(&repeated), &subjects, 0)?;
    let mut changed = traces.clone();
    vary(trained, 1.0, &subjects, 0, &mut changed);
    let about_means = |traces: &Array2<f32>| {
        let of_condition = |draws: ArrayView2<f32>| draws.mapv(f64::from).var_axis(Axis(0), 1.0).sum();
        traces.axis_chunks_iter(Axis(0), SUBJECTS).map(of_condition).sum::<f64>() / conditions as f64
    };
    let drawn = about_means(&traces);
    let added = about_means(&changed) - drawn;
    let counted = if augment.is_off() { 0.0 } else { PRIOR_LISTENERS };
    let between = (counted * added + others * between) / (counted + others);
    // widen for the uncertainty of the variance; for one listener, trust the augmentation
    let wider = if others == 0.0 { 1.0 } else { wider(counted + others) };
    // the variance of a listener, plus that of the listeners' mean
    let wanted = between * (1.0 + 1.0 / listeners.listeners as f64) * wider;
    let missing = wanted - drawn;
    if !(missing > 0.0 && missing.is_finite()) {
        return nothing;
    }
    let variation = if added > 0.0 { (missing / added).sqrt().min(MOST_VARIATION) } else { 0.0 };
    let rest = (missing - variation * variation * added).max(0.0);
    let own = traces.outer_iter().map(|trace| mean_square(trace) * trace.len() as f64).sum::<f64>();
    let residual_share =
        if has_residual { (rest / (own / traces.nrows() as f64)).sqrt().min(MOST_RESIDUAL) } else { 0.0 };
    Ok((variation as f32, if residual_share.is_finite() { residual_share as f32 } else { 0.0 }))
}

/// The factor on the variance of a normal distribution that gives it the 80 % interval of Student's distribution with
/// this number of degrees of freedom, from 3 on (Abramowitz and Stegun, 26.7.5).
fn wider(freedom: f64) -> f64 {
    let (z, freedom) = (1.281_551_565_5_f64, freedom.max(3.0));
    let first = (z.powi(3) + z) / (4.0 * freedom);
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom * freedom);
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / (384.0 * freedom.powi(3));
    (1.0 + (first + second + third) / z).powi(2)
}

/// A latent for each row: standard normal, plus the mean of a learned prior if there is one, or drawn from the
/// posteriors of the training rows (`model.prior`).
fn draw_latents(trained: &TrainedModel, rows: DrawnRows, seed: u64, z: &mut Array2<f32>) {
    let DrawnRows { condition, subjects, first, divided } = rows;
    if let Some(condition) = condition {
        assert_eq!(condition.nrows(), subjects.len(), "draw_traces: conditions and subjects");
    }
    let [normals, of_subject, of_recording] = [0, 2, 5].map(|layer| Stream::new(seed, purpose::GENERATE, layer));
    for (&subject, mut z) in subjects.iter().zip(z.rows_mut()) {
        normals.normals(subject, z.as_slice_mut().expect("row-major"));
    }
    let Some(prior) = &trained.prior else { return };
    let mut rows_of: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    subjects.iter().enumerate().for_each(|(row, subject)| rows_of.entry(*subject).or_default().push(row));
    let of_row = |row: usize| condition.map(|condition| condition.row(row));
    let mut kept = NearCache { prior, near: HashMap::new() };
    let mut recording = vec![0.0; z.ncols()];
    for (number, rows) in rows_of {
        let mut weights = vec![0.0; prior.subjects()];
        match divided.get(&number) {
            Some(series) => {
                series.outer_iter().for_each(|condition| kept.near(Some(condition)).add_weights(&mut weights));
            }
            None => some_rows(rows.len()).for_each(|i| kept.near(of_row(rows[i])).add_weights(&mut weights)),
        }
        let subject = SubjectDraw::draw(&weights, &mut of_subject.rng(number));
        for row in rows {
            of_recording.normals((first + row) as u32, &mut recording);
            let mut z = z.row_mut(row);
            prior.draw(kept.near(of_row(row)), &subject, &recording, z.as_slice_mut().expect("row-major"));
        }
    }
}

/// The rows of a subject, out of this many, whose conditions weight the training subjects: in a long series, some
/// suffice.
pub(super) fn some_rows(rows: usize) -> impl Iterator<Item = usize> {
    let count = rows.min(KEPT);
    (0..count).map(move |i| i * rows / count)
}

/// A cache of the rows near recent conditions.
struct NearCache<'a> {
    prior: &'a AggregatedPosterior,
    near: HashMap<Vec<u32>, Near>,
}

impl NearCache<'_> {
    fn near(&mut self, condition: Option<ArrayView1<f32>>) -> &Near {
        let key: Vec<u32> = condition.map_or(Vec::new(), |c| c.iter().map(|v| v.to_bits()).collect());
        if self.near.len() >= KEPT && !self.near.contains_key(&key) {
            self.near.clear();
        }
        self.near.entry(key).or_insert_with(|| self.prior.near(condition))
    }
}

/// Varies each subject's traces, `strength` times as much as the augmentation in training.
fn vary(trained: &TrainedModel, strength: f64, subjects: &[u32], seed: u64, traces: &mut Array2<f32>) {
    if strength == 0.0 {
        return;
    }
    let axis = (traces.ncols(), trained.data.sample_rate_hz / 1000.0);
    let stream = Stream::new(seed, purpose::GENERATE, 6);
    let mut variation = Variation::default();
    let mut drawn = None;
    for (&subject, mut trace) in subjects.iter().zip(traces.rows_mut()) {
        if drawn.replace(subject) != Some(subject) {
            variation.draw(&trained.config.training.augment, strength, &mut stream.rng(subject), axis);
        }
        variation.apply(trace.as_slice_mut().expect("row-major"));
    }
}

/// The mean square of a trace about its mean, in µV².
fn mean_square(trace: ArrayView1<f32>) -> f64 {
    trace.mapv(f64::from).var(0.0)
}

/// Adds a residual of the subject to each trace; `share` is its size relative to the trace's root mean square.
fn add_residuals(trained: &TrainedModel, share: f64, subjects: &[u32], seed: u64, traces: &mut Array2<f32>) {
    let Some(residual) = Residual::of(trained).filter(|_| share > 0.0) else { return };
    let (factor, stream) = (residual.factor(), Stream::new(seed, purpose::GENERATE, 7));
    let mut drawn: Option<(u32, Array1<f64>)> = None;
    for (&subject, mut trace) in subjects.iter().zip(traces.rows_mut()) {
        let (_, residual) = match drawn.take() {
            Some(same) if same.0 == subject => drawn.insert(same),
            _ => drawn.insert((subject, factor.draw(stream, subject))),
        };
        let size = share * mean_square(trace.view()).sqrt();
        trace.iter_mut().zip(residual.iter()).for_each(|(v, r)| *v += (size * r) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_students_distribution() {
        // scipy.stats.t.ppf(0.9, n)
        for (freedom, quantile) in [(3.0, 1.637_744), (5.0, 1.475_884), (13.0, 1.350_171), (53.0, 1.297_654)] {
            let wanted = (quantile / 1.281_552_f64).powi(2);
            assert!((wider(freedom) / wanted - 1.0).abs() < 0.003, "{freedom}: {} {wanted}", wider(freedom));
        }
        assert_eq!(wider(1.0), wider(3.0));
        assert!((wider(1e9) - 1.0).abs() < 1e-6);
    }
}
