//! Puts a checkpoint's model on a device, and compares a checkpoint with a run that is to be resumed.

use super::{Checkpoint, TrainedModel, check::drop_paths};
use crate::checkpoint::DataFacts;
use crate::config::Config;
use crate::engine::device::Device;
use crate::error::{Error, Result};
use crate::model::{Cvae, check_tensors};
use std::collections::HashSet;
use std::path::Path;

impl Checkpoint {
    /// Puts the model on a device. A bare file states no sizes, so it needs `config`; its values are not scaled. Also
    /// returns notices for the user.
    ///
    /// # Errors
    /// Sizes that differ from the file's (the message names tensor, expected and actual size). A bare file without a
    /// configuration, or a full checkpoint with one.
    pub fn open(
        path: &Path,
        config: Option<Config>,
        device: Box<dyn Device>,
    ) -> Result<(TrainedModel, Cvae, Vec<String>)> {
        let source = path.display().to_string();
        let file = Checkpoint::load(path)?;
        let trained = match (&file.trained, config) {
            (Some(trained), None) => trained.clone(),
            (None, Some(config)) => TrainedModel::bare(config),
            (Some(_), Some(_)) => {
                let remedy = "leave --config out";
                return Err(Error::usage(format!("{source}: this checkpoint contains its own configuration"), remedy));
            }
            (None, None) => {
                let remedy = "give the sizes with --config FILE";
                return Err(Error::usage(format!("{source}: bare weights, without a configuration"), remedy));
            }
        };
        trained.scalers.check_condition_dim(trained.config.model.static_dim)?;
        let film = trained.config.film.with_inputs(&trained.scalers.input_columns());
        check_tensors((&trained.config.model, &film), &source, |name| file.find(name))?;
        let mut model = Cvae::new(&trained.config.model, &film, 0, device)?;
        model.load_state(&source, |name| file.find(name))?;
        // a training state holds more than weights
        let notices = if trained.is_bare() { file.unused(&source, &model) } else { Vec::new() };
        Ok((trained, model, notices))
    }

    /// Notices about tensors of bare weights that the model does not use: silence could hide that the file belongs to
    /// another model.
    fn unused(&self, source: &str, model: &Cvae) -> Vec<String> {
        let known: HashSet<&str> = model.parameters().iter().map(|(p, _)| p.name.as_str()).collect();
        let unused = self.tensors.iter().map(|t| t.name.as_str()).filter(|name| !known.contains(name));
        let (leftovers, others): (Vec<_>, Vec<_>) = unused.partition(|name| name.starts_with("static_decoder."));
        let mut notices = Vec::new();
        if !leftovers.is_empty() {
            notices.push(format!("{source}: {} tensors of static_decoder.* are not used", leftovers.len()));
        }
        if let [first, ..] = others[..] {
            let count = others.len();
            notices.push(format!(
                "{source}: {count} tensors belong to no part of the configured model (the first: {first})"
            ));
        }
        notices
    }

    /// Refuses to resume with another configuration. Only the number of epochs, the paths of the data and of a table of
    /// subjects, the species and whether there is a report may differ: they do not affect the training.
    pub fn check_same_config(&self, source: &str, config: &Config) -> Result<()> {
        let mut config = config.clone();
        drop_paths(&mut config.data);
        let differences = self.trained_for_resume(source)?.config.differences(&config);
        let changed: Vec<String> = differences
            .into_iter()
            .filter(|(key, ..)| !["training.num_epochs", "data.species", "output.report"].contains(&key.as_str()))
            .map(|(key, was, is)| format!("{key} was {was}, is {is}"))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        let remedy = "resume with the former value (only training.num_epochs may change), or start a new run";
        Err(Error::input(source, "", changed.join("; "), remedy))
    }

    /// Refuses to resume on other data.
    pub fn check_same_data(&self, source: &str, data: &DataFacts) -> Result<()> {
        if self.trained_for_resume(source)?.data.hash == data.hash {
            return Ok(());
        }
        let remedy = "resume on the data that the run was started with, or start a new run";
        Err(Error::input(source, "", "the data differ from those that the run was started with", remedy))
    }

    fn trained_for_resume(&self, source: &str) -> Result<&TrainedModel> {
        self.trained
            .as_ref()
            .ok_or_else(|| Error::input(source, "", "bare weights", "resume from last.safetensors of a run folder"))
    }
}
