//! The training loop: epochs of steps, validation, early stopping. A training can be stopped and resumed at any step.

mod examples;
mod folder;
mod not_finite;
mod optimizer;
mod pending;
mod progress;
mod saved;
mod warnings;

use crate::purpose;
use examples::Examples;
pub use folder::RunFolder;
use not_finite::BatchOf;
pub use optimizer::{optimizer, set_learning_rate};
use pending::{PendingStep, StepReport};
use progress::EpochEnd;
pub use progress::{Best, Epoch, MeanTerms, TrainingProgress};

use crate::baselines::Baselines;
use crate::checkpoint::{DataFacts, StoredTensor};
use crate::config::{Config, ReconstructionTarget, ResidualKind};
use crate::data::cells::Cells;
use crate::data::rows::{BatchRows, EncodedRows, batch_bounds};
use crate::data::{Dataset, repeats, scale::Scalers, split::split};
use crate::engine::device::{Buffer, Device, ScalarHandle, ScalarValues};
use crate::engine::nn::layers::Mode;
use crate::engine::nn::optim::Optimizer;
use crate::engine::nn::schedule::Schedule;
use crate::engine::rng::Stream;
use crate::error::Result;
use crate::model::{Batch, Cvae, LossWeights, Losses, Terms};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// The fewest rows whose noise a thread draws. For fewer rows another thread does not pay.
const NOISE_ROWS: usize = 64;
/// The rows of a batch of the validation.
const VALIDATION_BATCH: usize = 256;

/// A model in training, with everything that its next step depends on.
pub struct Trainer {
    config: Config,
    seed: u64,
    model: Cvae,
    optimizer: Optimizer,
    schedule: Schedule,
    scalers: Scalers,
    baselines: Baselines,
    facts: DataFacts,
    manifest: serde_json::Value,
    train: Examples,
    /// The subject of each training row, counted from 0.
    subjects: Vec<usize>,
    validation: EncodedRows,
    film_gradients: Vec<Vec<Buffer>>,
    /// The steps whose readback is pending, the oldest first.
    pending: VecDeque<PendingStep>,
    /// The first step or validation whose loss was not finite: its place and the problem.
    broken: Option<(String, String)>,
    /// The scalars that a step reports, and their values. Steps reuse this memory.
    scalars: Vec<ScalarHandle>,
    values: ScalarValues,
    progress: TrainingProgress,
    best_state: Option<Vec<StoredTensor>>,
    order: Vec<usize>,
    gathered: BatchRows,
    eps: Vec<f32>,
}

/// Why [`Trainer::epoch`] returned.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The epoch is done.
    Done(Box<Epoch>),
    /// `watch` stopped the epoch. A later call continues at the next step.
    Interrupted,
}

impl Trainer {
    /// Splits the data, fits the scalers on the training rows, and makes a model with initial weights. Also returns
    /// notices for the user.
    ///
    /// # Errors
    /// When the configuration is out of range; when the data cannot be split, scaled or used with a model of these
    /// sizes; when rows with the same samples are in two parts of the split, unless `data.allow_repeats`; or when the
    /// device is out of memory.
    pub fn new(config: &Config, dataset: &Dataset, device: Box<dyn Device>) -> Result<(Self, Vec<String>)> {
        config.check()?;
        let config = config.clone().resolved();
        let split = split(dataset, &config.data)?;
        let mut notices = repeats::check_split(dataset, &split, &config.data)?;
        notices.extend(warnings::of_split(dataset, &split, &config.data));
        let (scalers, of_scalers) = Scalers::fit(dataset, &config.data, &split.train)?;
        notices.extend(of_scalers);
        let unlabelled = scalers.unlabelled_peaks();
        if config.model.predict_peaks && !unlabelled.is_empty() {
            notices
                .push(format!("no training row is labelled in {}: they will not be predicted", unlabelled.join(", ")));
        }
        scalers.check_categories(dataset, &config.data, &split)?;
        scalers.check_condition_dim(config.model.static_dim)?;
        let train = EncodedRows::encode(dataset, &scalers, &split.train)?;
        let train = Examples::new(&config, dataset, &split.train, train);
        if train.with_siblings() == Some(0) {
            notices.push(format!(
                "{}: no two training rows are of one subject under one condition: training.target and \
                 training.input_recordings change nothing",
                dataset.source
            ));
        }
        if train.weights_are_equal() {
            notices.push(format!(
                "{}: neither n_averages nor a conditioning variable residual_noise_nv gives the noise of the training \
                 rows: training.weight_by_noise changes nothing",
                dataset.source
            ));
        }
        let mut validation = EncodedRows::encode(dataset, &scalers, &split.validation)?;
        if config.training.target == ReconstructionTarget::Sibling {
            validation.aim_at_siblings(&Cells::of(dataset, &split.validation));
        }
        // fail now rather than in the evaluation after the training
        scalers.encode_condition(&dataset.source, &dataset.conditions, &split.test)?;
        // before the model, which can then use the memory that this frees
        let baselines = Baselines::fit(dataset, &scalers, &split, config.model.latent_dim)?;
        if config.model.residual == ResidualKind::Gaussian && baselines.noise().is_none() {
            notices.push(format!(
                "{}: most training rows are alone under their subject's condition, so their noise is not known: \
                 model.residual changes nothing",
                dataset.source
            ));
        }
        let seed = config.training.seed.unwrap_or(config.data.seed);
        let film = config.film.with_inputs(&scalers.input_columns());
        let mut model = Cvae::new(&config.model, &film, seed, device)?;
        notices.extend(warnings::of_size(model.parameters().count(), train.rows.len(), config.model.signal_length));
        let training = &config.training;
        let optimizer = optimizer(&training.optimizer, &config.film, training.learning_rate, model.parts())?;
        let schedule = optimizer::schedule(training);
        let film_gradients = model.film_gradients();
        let progress = TrainingProgress::new(film_gradients.len());
        let facts = DataFacts::new(dataset, &split);
        let facts = if config.output.anonymous { facts.anonymous(seed) } else { facts };
        // fail now rather than after an epoch
        facts.check_size(&dataset.source, model.parameters().count())?;
        let manifest = split.manifest(dataset, &facts.hash, &config.data);
        let trainer = Trainer {
            seed,
            subjects: Cells::of_subjects(dataset, &split.train).numbers(),
            model,
            optimizer,
            schedule,
            scalers,
            baselines,
            facts,
            manifest,
            train,
            validation,
            pending: VecDeque::new(),
            broken: None,
            scalars: Vec::new(),
            values: ScalarValues::default(),
            film_gradients,
            progress,
            best_state: None,
            order: Vec::new(),
            gathered: BatchRows::default(),
            eps: Vec::new(),
            config,
        };
        Ok((trainer, notices))
    }

    /// The progress of the training. The sums of the current epoch do not include pending steps; after
    /// [`Trainer::settle`] none is pending.
    pub fn progress(&self) -> &TrainingProgress {
        &self.progress
    }

    /// The split: rows and subjects of each part (see [`crate::data::split::Split::manifest`]).
    pub fn manifest(&self) -> &serde_json::Value {
        &self.manifest
    }

    /// The resolved configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The current model.
    pub fn model(&mut self) -> &mut Cvae {
        &mut self.model
    }

    /// The number of steps of an epoch.
    pub fn steps_per_epoch(&self) -> usize {
        batch_bounds(self.train.rows.len(), self.config.training.batch_size).len()
    }

    /// Whether all epochs are done, or early stopping has ended them.
    pub fn finished(&self) -> bool {
        self.progress.epoch >= self.config.training.num_epochs || self.progress.stopped_early
    }

    /// Runs the next epoch, or the rest of an interrupted one. Calls `watch` after each step with the step's number in
    /// the epoch (from 1); `watch` may stop the epoch.
    ///
    /// # Errors
    /// When a loss of the training or the validation is not finite, or the device is out of memory or lost.
    pub fn epoch(&mut self, mut watch: impl FnMut(usize) -> ControlFlow<()>) -> Result<Outcome> {
        self.shuffle();
        let bounds = batch_bounds(self.train.rows.len(), self.config.training.batch_size);
        while self.progress.step_in_epoch < bounds.len() {
            let (start, end) = bounds[self.progress.step_in_epoch];
            self.step(start, end)?;
            if watch(self.progress.step_in_epoch).is_break() {
                self.settle()?;
                return Ok(Outcome::Interrupted);
            }
        }
        Ok(Outcome::Done(Box::new(self.end_epoch()?)))
    }

    /// Draws the order of this epoch's rows, which depends only on the seed and the epoch. [`Trainer::epoch`] calls
    /// this first.
    pub fn shuffle(&mut self) {
        self.order.clear();
        self.order.extend(0..self.train.rows.len());
        let stream = Stream::new(self.seed, purpose::ORDER, 0).at(self.progress.epoch as u32);
        stream.rng(0).shuffle(&mut self.order);
    }

    /// One optimizer step on the rows `start..end` of the epoch's order, which [`Trainer::shuffle`] must have drawn.
    ///
    /// A steady step on one thread of the CPU allocates nothing, unless the kernel of matrix products is
    /// `matrixmultiply`, which allocates its packing buffers. With several threads, rayon assigns tasks to them by
    /// chance: its queues may grow, and a thread rarely needs one more workspace than in any step before, which it then
    /// keeps (see [`kernels::workspace`](crate::engine::kernels::workspace)).
    ///
    /// With an asynchronous device this returns while this step and the one before may be pending, and waits for older
    /// ones. [`Trainer::settle`] waits for all steps.
    ///
    /// # Errors
    /// When a loss is not finite: that of this step or, with an asynchronous device, that of one of the two before. The
    /// message names the step. The weights are then unusable, as they contain that step. Also when the device is out of
    /// memory or lost.
    ///
    /// # Panics
    /// When `start..end` is empty, is a single row, or exceeds the rows of the order.
    pub fn step(&mut self, start: usize, end: usize) -> Result<()> {
        let report = self.make_step(start, end)?;
        self.read_back(report, (start, end - start))?;
        self.progress.step_in_epoch += 1;
        self.progress.step += 1;
        let in_flight = self.model.tape().device_mut().readbacks_in_flight();
        self.collect(in_flight)
    }

    /// The device's work of a step: forward pass, backward pass, norms and optimizer.
    fn make_step(&mut self, start: usize, end: usize) -> Result<StepReport> {
        let (step, epoch) = (self.progress.step as u32, self.progress.epoch);
        let changes = Stream::new(self.seed, purpose::EXAMPLE, 0).at(step);
        self.train.gather(self.order[start..end].iter().copied(), changes, &mut self.gathered);
        let latent = self.config.model.latent_dim;
        self.eps.resize((end - start) * latent, 0.0);
        let noise = Stream::new(self.seed, purpose::LATENT, 0).at(step);
        let rows = self.eps.par_chunks_exact_mut(latent).enumerate().with_min_len(NOISE_ROWS);
        rows.for_each(|(row, eps)| noise.normals(row as u32, eps));
        let batch = as_batch(&self.gathered, Some(&self.eps));
        let weights = LossWeights::new(&self.config.training, Some(epoch));
        let output = self.model.forward(&batch, Mode::Train { seed: self.seed, step })?;
        let losses = self.model.losses(&output, &batch, &weights)?;
        set_learning_rate(&mut self.optimizer, &self.config.film, self.schedule.learning_rate(epoch));
        let clip = self.config.training.gradient_clip;
        if clip.is_none() {
            self.optimizer.step_in_backward(self.model.tape());
        }
        self.model.backward(losses.total)?;
        let film_norms = self.model.tape().device_mut().norms(&self.film_gradients)?;
        let norm = self.optimizer.step(self.model.tape(), clip)?;
        Ok(StepReport { losses: losses.scalars(self.model.tape()), film_norms, norm })
    }

    fn end_epoch(&mut self) -> Result<Epoch> {
        self.settle()?;
        let (epoch, length) = (self.progress.epoch, self.config.model.signal_length);
        let (learning_rate, train) = (self.schedule.learning_rate(epoch), self.progress.train.terms());
        let validation = if self.validation.is_empty() { None } else { Some(self.validate()?) };
        let training = &self.config.training;
        let (in_training, weights) = (LossWeights::new(training, Some(epoch)), LossWeights::new(training, None));
        let clipped = training.gradient_clip.is_some();
        let objective = weights.objective(validation.as_ref().unwrap_or(&train), length);
        if !objective.is_finite() {
            let (part, terms) = validation.map_or(("training", train), |terms| ("validation", terms));
            self.stop(format!("epoch {}", epoch + 1), format!("the {part} loss is no longer finite: {terms:?}"), None)?;
        }
        let best = self.update_best(objective)?;
        let record = self.progress.record(EpochEnd {
            learning_rate,
            kl_weight: in_training.kl,
            train: (train, in_training.objective(&train, length)),
            validation: validation.map(|terms| (terms, objective)),
            best,
            clipped,
        });
        self.progress.next_epoch(self.schedule.state);
        Ok(record)
    }

    /// Compares the epoch's loss, which is finite, with the best so far. Keeps the weights if it is better, and updates
    /// schedule and early stopping. Returns whether it is better.
    fn update_best(&mut self, objective: f64) -> Result<bool> {
        // during the warm-up the training loss differs from the objective
        if self.progress.epoch < self.config.training.kl_warmup_epochs {
            return Ok(false);
        }
        // without validation rows a lower loss may only be overfitting, so the last epoch counts as the best
        let validated = !self.validation.is_empty();
        let improved = !validated || self.progress.best.is_none_or(|best| objective < best.objective);
        if improved {
            self.progress.best = Some(Best { epoch: self.progress.epoch + 1, objective });
            self.best_state = Some(self.state()?);
        }
        self.schedule.observe(improved);
        self.progress.epochs_since_best = if improved { 0 } else { self.progress.epochs_since_best + 1 };
        let patience = self.config.training.early_stopping_patience;
        self.progress.stopped_early = patience.is_some_and(|p| self.progress.epochs_since_best >= p);
        Ok(improved)
    }

    /// The mean terms over the validation rows, with z = mu and without dropout.
    fn validate(&mut self) -> Result<Terms> {
        let mut mean = MeanTerms::default();
        let rows = self.validation.len();
        for start in (0..rows).step_by(VALIDATION_BATCH) {
            let end = (start + VALIDATION_BATCH).min(rows);
            let losses = self.validation_losses(start, end)?;
            let (terms, total) = losses.read(self.model.tape())?;
            if !total.is_finite() {
                let place = format!("epoch {}", self.progress.epoch + 1);
                let problem = format!("the validation loss is no longer finite: {terms:?}");
                self.stop(place, problem, Some(BatchOf::Validation(start)))?;
            }
            mean.add(&terms, end - start, self.gathered.labels());
        }
        Ok(mean.terms())
    }

    fn validation_losses(&mut self, start: usize, end: usize) -> Result<Losses> {
        self.validation.gather(start..end, &mut self.gathered);
        let (batch, weights) = (as_batch(&self.gathered, None), LossWeights::new(&self.config.training, None));
        let output = self.model.forward(&batch, Mode::Eval)?;
        self.model.losses(&output, &batch, &weights)
    }
}

fn as_batch<'a>(rows: &'a BatchRows, eps: Option<&'a [f32]>) -> Batch<'a> {
    Batch {
        rows: rows.rows,
        signal: &rows.signal,
        target: (!rows.target.is_empty()).then_some(&rows.target),
        root_weights: (!rows.root_weights.is_empty()).then_some(&rows.root_weights),
        condition: &rows.condition,
        peaks: &rows.peaks,
        peak_mask: &rows.peak_mask,
        eps,
    }
}

#[cfg(test)]
mod tests;
