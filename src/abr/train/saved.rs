//! Saves a training, and resumes it.
use crate::purpose;

use super::{Trainer, TrainingProgress};
use crate::checkpoint::{Checkpoint, StoredTensor, prior_tensors, spread_tensors};
use crate::config::Prior;
use crate::engine::rng::Stream;
use crate::error::{Error, Result};
use crate::generate::missing_spread;
use crate::infer::encode;
use crate::model::AggregatedPosterior;
use std::collections::HashMap;

/// Renumbers subjects from 0, in the order of their first rows.
fn renumbered(subjects: impl Iterator<Item = usize>) -> Vec<u32> {
    let mut numbers = HashMap::new();
    let number = |subject| {
        let next = numbers.len() as u32;
        *numbers.entry(subject).or_insert(next)
    };
    subjects.map(number).collect()
}

impl Trainer {
    /// All values of the model, with the prior that belongs to them if there is one.
    pub(super) fn state(&mut self) -> Result<Vec<StoredTensor>> {
        let values = self.model.state()?.into_iter();
        let mut state: Vec<StoredTensor> =
            values.map(|(name, shape, values)| StoredTensor { name, shape, values }).collect();
        self.check_weights(&state)?;
        if self.config.model.prior == Prior::Aggregated {
            let prior = self.prior()?;
            let trained = self.with_tensors(self.progress.epoch, self.progress.step, prior.to_vec()).trained;
            let (variation, residual_share) = missing_spread(&trained.expect("a trained model"), &mut self.model)?;
            state.extend(prior);
            state.extend(spread_tensors(variation, residual_share));
        }
        Ok(state)
    }

    /// The posteriors of the training rows, or of a random selection if there are too many.
    fn prior(&mut self) -> Result<[StoredTensor; 4]> {
        let rows = &self.train.rows;
        let mut kept: Vec<usize> = (0..rows.len()).collect();
        if kept.len() > AggregatedPosterior::MOST_ROWS {
            // random, because evenly spaced rows may all have the same condition
            Stream::new(self.seed, purpose::EXAMPLE, 1).rng(0).shuffle(&mut kept);
            kept.truncate(AggregatedPosterior::MOST_ROWS);
            kept.sort_unstable();
        }
        let subjects = renumbered(kept.iter().map(|row| self.subjects[*row]));
        let kept = rows.select(&kept);
        let (mu, logvar) = encode(&mut self.model, &kept)?;
        Ok(prior_tensors(kept.condition, mu, logvar, subjects))
    }

    /// Restores the best weights; does nothing if there are none.
    pub fn restore_best(&mut self) -> Result<()> {
        match &self.best_state {
            Some(best) => self.model.load_state("best weights", |name| StoredTensor::find(best, name)),
            None => Ok(()),
        }
    }

    /// The current weights, with everything needed to use them.
    ///
    /// # Errors
    /// A step had a loss that is not finite, even if the loss was not read back yet. The weights already contain that
    /// step; only [`Trainer::resume`] undoes it.
    pub fn checkpoint(&mut self) -> Result<Checkpoint> {
        self.settle()?;
        let state = self.state()?;
        Ok(self.with_tensors(self.progress.epoch, self.progress.step, state))
    }

    /// The best weights so far.
    pub fn best(&self) -> Option<Checkpoint> {
        let (best, state) = (self.progress.best?, self.best_state.as_ref()?);
        let step = (best.epoch * self.steps_per_epoch()) as u64;
        Some(self.with_tensors(best.epoch, step, state.clone()))
    }

    fn with_tensors(&self, epoch: usize, step: u64, tensors: Vec<StoredTensor>) -> Checkpoint {
        Checkpoint::new(&self.config, (&self.scalers, &self.baselines), &self.facts, (epoch, step), tensors)
    }

    /// Everything a resume needs: weights, Adam's moments, the best weights and the training state.
    pub fn snapshot(&mut self) -> Result<Checkpoint> {
        let mut checkpoint = self.checkpoint()?;
        for (name, m, v) in self.optimizer.moments(self.model.tape())? {
            checkpoint.push(format!("adam.m.{name}"), m);
            checkpoint.push(format!("adam.v.{name}"), v);
        }
        for tensor in self.best_state.iter().flatten() {
            checkpoint.push(format!("best.{}", tensor.name), tensor.values.clone());
        }
        checkpoint.progress = Some(serde_json::to_value(&self.progress).expect("serializable"));
        Ok(checkpoint)
    }

    /// Resumes from a [`Trainer::snapshot`].
    ///
    /// # Errors
    /// If the checkpoint holds no training state, or one with other data or another configuration (the message names
    /// the difference). Only the number of epochs may differ.
    pub fn resume(&mut self, source: &str, checkpoint: &Checkpoint) -> Result<()> {
        checkpoint.check_same_config(source, &self.config)?;
        checkpoint.check_same_data(source, &self.facts)?;
        let progress: TrainingProgress = serde_json::from_value(checkpoint.progress.clone().unwrap_or_default())
            .map_err(|_| {
                Error::input(source, "", "contains no training state", "resume from last.safetensors of a run folder")
            })?;
        let configured = self.config.training.num_epochs;
        if (progress.epoch, progress.step_in_epoch) > (configured, 0) {
            let problem = format!("is {configured}, but the run is past epoch {}", progress.epoch);
            return Err(Error::config(source, "training.num_epochs", problem, "set more epochs, or start a new run"));
        }
        if progress.step_in_epoch > self.steps_per_epoch()
            || progress.film_gradient_norms.len() != self.film_gradients.len()
        {
            let problem =
                format!("its state is at step {} of an epoch of {}", progress.step_in_epoch, self.steps_per_epoch());
            return Err(Error::input(source, "", problem, "the file is damaged: resume from another one"));
        }
        self.drop_pending()?;
        self.model.load_state(source, |name| checkpoint.find(name))?;
        self.optimizer.load_moments(self.model.tape(), |name, len| {
            Ok((
                checkpoint.wanted(source, &format!("adam.m.{name}"), len)?,
                checkpoint.wanted(source, &format!("adam.v.{name}"), len)?,
            ))
        })?;
        self.optimizer.steps = progress.step;
        self.schedule.state = progress.plateau;
        if progress.best.is_some() {
            let mut best = self.state()?;
            // runs that predate these tensors lack them
            let later = ["prior.subject", "prior.variation", "prior.residual_share"];
            best.retain(|t| {
                !later.contains(&t.name.as_str()) || checkpoint.find(&format!("best.{}", t.name)).is_some()
            });
            for tensor in &mut best {
                let name = format!("best.{}", tensor.name);
                tensor.values = checkpoint.wanted(source, &name, tensor.values.len())?.to_vec();
            }
            self.best_state = Some(best);
        }
        self.progress = progress;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_renumbered_among_the_rows_that_are_kept() {
        assert_eq!(renumbered([7000, 3, 7000, 5].into_iter()), [0, 1, 0, 2]);
    }
}
