//! Loads the recordings on which a trained model is evaluated.

use crate::checkpoint::TrainedModel;
use crate::config::SplitBy;
use crate::data::{Dataset, hash::data_hash, load};
use crate::error::{Error, Result};

impl TrainedModel {
    /// Loads recordings and prepares them as for the training of this model: `data`, or the training data where they
    /// are the built-in set. `subjects` says whether recordings must name their subjects. Also returns notices for the
    /// user; `progress` is as in [`load`].
    ///
    /// # Errors
    /// See [`load`]. Also: prepared recordings with another time axis than the training data; no `data` for a model
    /// that was not trained on the built-in set.
    pub fn load(
        &self,
        data: Option<&String>,
        subjects: bool,
        progress: impl FnMut(usize, usize),
    ) -> Result<(Dataset, Vec<String>)> {
        let (mut config, length) = (self.config.data.clone(), self.config.model.signal_length);
        config.path = data.cloned().or(config.path);
        if !subjects {
            config.split = SplitBy::Row;
            // it refers to the training files
            config.subject_from = None;
        }
        let built_in = config.path.is_none() && !self.is_bare();
        let loaded = load(&config, length, progress);
        if built_in {
            return loaded.ok().filter(|(dataset, _)| data_hash(dataset) == self.data.hash).ok_or_else(|| {
                let problem = "this model was not trained on the built-in data";
                Error::usage(problem, "name the recordings with --data FILE")
            });
        }
        let loaded = loaded?;
        if !self.is_bare() {
            check_time_axis(self, &loaded.0)?;
        }
        Ok(loaded)
    }
}

/// The model identifies samples by their index only, so it cannot notice another time axis.
fn check_time_axis(trained: &TrainedModel, dataset: &Dataset) -> Result<()> {
    let axes = [
        ("sample_rate_hz", dataset.sample_rate_hz, trained.data.sample_rate_hz),
        ("t0_ms", dataset.t0_ms, trained.data.t0_ms),
    ];
    for (name, is, was) in axes {
        if (is - was).abs() > 1e-6 * was.abs().max(1.0) {
            let problem = format!("{name} is {is}, but the model was trained at {was}");
            return Err(Error::input(
                &dataset.source,
                "",
                problem,
                "resample or shift the recordings to match first, or train with data.prepare, which then does it",
            ));
        }
    }
    Ok(())
}
