//! Checkpoints: a safetensors file with weights under the original model's names, and one metadata key with everything
//! that eval and generate need. It holds no time, path or thread count, so that equal training gives equal bytes.

mod prior;
mod values;

pub use prior::{prior_tensors, spread_tensors};

use crate::baselines::Baselines;
use crate::config::Config;
use crate::data::scale::Scalers;
use crate::data::{
    Column, Dataset,
    hash::data_hash,
    repeats::Sketches,
    split::{Split, is_row_number, subjects},
};
use crate::engine::device::Device;
use crate::error::{Error, Result};
use crate::files::write_whole;
use crate::model::{AggregatedPosterior, Cvae};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use values::to_f32;

/// The metadata key.
const KEY: &str = "abr_film";
/// The format version of the metadata.
const FORMAT: u32 = 1;

/// A model on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// `None` for a bare weights file.
    pub trained: Option<TrainedModel>,
    /// What a resume needs in addition to tensors; only in `last.safetensors`.
    pub progress: Option<Value>,
    tensors: Vec<StoredTensor>,
    by_name: HashMap<String, usize>,
}

/// A trained model's configuration, scalers and training data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainedModel {
    pub config: Config,
    pub scalers: Scalers,
    pub data: DataFacts,
    /// The epoch and the step of these weights.
    pub epoch: usize,
    pub step: u64,
    /// `None` in bare weights, and in checkpoints that predate baselines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baselines: Option<Baselines>,
    /// Stored as tensors.
    #[serde(skip)]
    pub prior: Option<AggregatedPosterior>,
}

/// Facts about the training data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataFacts {
    /// See [`data_hash`].
    pub hash: String,
    pub sample_rate_hz: f64,
    pub t0_ms: f64,
    /// The conditioning variables of the training rows, in their own units.
    #[serde(rename = "train_statics")]
    pub train_conditions: Vec<Column>,
    /// The training subjects, sorted by name; empty if the data have no subjects.
    #[serde(default)]
    pub train_subjects: Vec<String>,
    /// A sketch of each training row. `None` in bare weights, and in checkpoints that predate sketches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_sketches: Option<Sketches>,
}

/// One named tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    format: u32,
    trained: TrainedModel,
    progress: Option<Value>,
}

impl StoredTensor {
    /// The shape and the values of the tensor with this name.
    pub fn find<'a>(tensors: &'a [StoredTensor], name: &str) -> Option<(&'a [usize], &'a [f32])> {
        tensors.iter().find(|t| t.name == name).map(|t| (t.shape.as_slice(), t.values.as_slice()))
    }
}

impl DataFacts {
    /// The facts of a data set, with the conditions and the sketches of its training rows.
    pub fn new(dataset: &Dataset, split: &Split) -> Self {
        DataFacts {
            hash: data_hash(dataset),
            sample_rate_hz: dataset.sample_rate_hz,
            t0_ms: dataset.t0_ms,
            train_conditions: dataset.conditions.iter().map(|column| column.select(&split.train)).collect(),
            train_subjects: subjects(dataset, &split.train)
                .into_iter()
                .filter(|name| !is_row_number(name))
                .map(String::from)
                .collect(),
            train_sketches: Some(Sketches::of(dataset.signals.view(), &split.train)),
        }
    }
}

impl TrainedModel {
    /// The substitute for bare weights: no scaling, no training rows.
    fn bare(config: Config) -> Self {
        let data = &config.data;
        let facts = DataFacts {
            hash: String::new(),
            // never assumed: callers that need a time axis call `check_time_axis` first
            sample_rate_hz: data.sample_rate_hz.unwrap_or(f64::NAN),
            t0_ms: data.t0_ms.unwrap_or(f64::NAN),
            train_conditions: Vec::new(),
            train_subjects: Vec::new(),
            train_sketches: None,
        };
        TrainedModel {
            scalers: Scalers::identity(data),
            data: facts,
            epoch: 0,
            step: 0,
            config: config.resolved(),
            baselines: None,
            prior: None,
        }
    }

    /// The model as a file would return it. Writing rounds some numbers; evaluating the rounded model gives the same
    /// measures now and later.
    pub fn as_stored(&self) -> TrainedModel {
        let text = serde_json::to_string(self).expect("serializable");
        let stored: TrainedModel = serde_json::from_str(&text).expect("what was just written");
        TrainedModel { prior: self.prior.clone(), ..stored }
    }

    /// Whether these are bare weights.
    pub fn is_bare(&self) -> bool {
        self.data.hash.is_empty()
    }

    /// Refuses bare weights whose configuration does not state the time axis.
    ///
    /// # Errors
    /// [`Error::Usage`] with the key to set.
    pub fn check_time_axis(&self) -> Result<()> {
        for (key, value) in [("data.sample_rate_hz", self.data.sample_rate_hz), ("data.t0_ms", self.data.t0_ms)] {
            if !value.is_finite() {
                let problem = format!("{key} is not set, and bare weights do not contain it");
                return Err(Error::usage(
                    problem,
                    format!("set {key} in the file that --config names; it is never assumed"),
                ));
            }
        }
        Ok(())
    }
}

impl Checkpoint {
    /// The weights of a training. The stored configuration omits the path of the data.
    pub fn new(
        config: &Config,
        (scalers, baselines): (&Scalers, &Baselines),
        data: &DataFacts,
        (epoch, step): (usize, u64),
        tensors: Vec<StoredTensor>,
    ) -> Self {
        let mut config = config.clone();
        config.data.path = None;
        let (scalers, baselines) = (scalers.clone(), Some(baselines.clone()));
        let prior = prior::find(&config, &tensors)
            .expect("weights of a training contain the prior that their configuration names");
        let trained = TrainedModel { config, scalers, data: data.clone(), epoch, step, baselines, prior };
        Self::assemble(Some(trained), None, tensors)
    }

    fn assemble(trained: Option<TrainedModel>, progress: Option<Value>, tensors: Vec<StoredTensor>) -> Self {
        let by_name = tensors.iter().enumerate().map(|(i, t)| (t.name.clone(), i)).collect();
        Checkpoint { trained, progress, tensors, by_name }
    }

    /// Adds a named vector.
    pub fn push(&mut self, name: String, values: Vec<f32>) {
        self.by_name.insert(name.clone(), self.tensors.len());
        self.tensors.push(StoredTensor { name, shape: vec![values.len()], values });
    }

    /// The shape and the values of a tensor.
    pub fn find(&self, name: &str) -> Option<(&[usize], &[f32])> {
        let tensor = &self.tensors[*self.by_name.get(name)?];
        Some((&tensor.shape, &tensor.values))
    }

    /// The values of a tensor that must exist.
    ///
    /// # Errors
    /// If it is missing or has another length.
    pub fn wanted(&self, source: &str, name: &str, len: usize) -> Result<&[f32]> {
        let remedy = "the file is damaged, or is not the last.safetensors of a run folder";
        match self.find(name) {
            Some((_, values)) if values.len() == len => Ok(values),
            Some((_, values)) => {
                let problem = format!("wanted {len} values, got {}", values.len());
                Err(Error::input(source, format!("tensor {name}"), problem, remedy))
            }
            None => {
                Err(Error::input(source, format!("tensor {name}"), format!("missing, wanted {len} values"), remedy))
            }
        }
    }

    /// Writes the file atomically.
    pub fn save(&self, path: &Path) -> Result<()> {
        let steps = self.trained.as_ref().map_or(0, |t| t.step as i64).to_le_bytes();
        // PyTorch's batch norm counts its batches; `load_state_dict(strict=True)` requires the count
        let counters: Vec<String> = self
            .tensors
            .iter()
            .filter(|t| t.name.starts_with("decoder."))
            .filter_map(|t| Some(format!("{}.num_batches_tracked", t.name.strip_suffix(".running_mean")?)))
            .collect();
        let view =
            |dtype, shape: Vec<usize>, bytes| TensorView::new(dtype, shape, bytes).expect("the bytes of all values");
        let weights = self
            .tensors
            .iter()
            .map(|t| (t.name.clone(), view(Dtype::F32, t.shape.clone(), bytemuck::cast_slice::<f32, u8>(&t.values))));
        let counts = counters.into_iter().map(|name| (name, view(Dtype::I64, vec![], &steps)));
        let metadata = self.trained.clone().map(|trained| {
            let metadata = Metadata { format: FORMAT, trained, progress: self.progress.clone() };
            HashMap::from([(KEY.to_string(), serde_json::to_string(&metadata).expect("serializable"))])
        });
        let file = safetensors::serialize(weights.chain(counts), metadata).expect("valid names and shapes");
        write_whole(path, |w| w.write_all(&file))
    }

    /// Reads a checkpoint, or a bare weights file (then `trained` is `None`). F16 and BF16 values convert to f32
    /// exactly; F64 values are rounded.
    ///
    /// # Errors
    /// A file that is missing, truncated, or not a safetensors file. Values of another type. Metadata of another
    /// version.
    pub fn load(path: &Path) -> Result<Self> {
        let source = path.display().to_string();
        let bytes = crate::files::read(path, crate::files::WHOLE_BYTES)?;
        let refuse = |problem: String| {
            let remedy = "name a complete .safetensors file from abr-film; a .pt or .pkl file must be converted to \
                          safetensors first";
            Error::input(&source, "", problem, remedy)
        };
        let not_one = |e| refuse(format!("truncated, or not a safetensors file ({e})"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(not_one)?;
        let file = SafeTensors::deserialize(&bytes).map_err(not_one)?;
        let metadata = match header.metadata().as_ref().and_then(|m| m.get(KEY)) {
            Some(text) => {
                let version = serde_json::from_str::<Value>(text).ok().and_then(|v| v["format"].as_u64());
                if version != Some(u64::from(FORMAT)) {
                    return Err(refuse(format!("checkpoint format {version:?}, wanted {FORMAT}")));
                }
                Some(serde_json::from_str::<Metadata>(text).map_err(|e| refuse(format!("damaged metadata: {e}")))?)
            }
            None => None,
        };
        let mut tensors = Vec::new();
        for (name, view) in file.iter().filter(|(name, _)| !name.ends_with(".num_batches_tracked")) {
            tensors.push(StoredTensor {
                name: current_name(name),
                shape: view.shape().to_vec(),
                values: to_f32(&view).ok_or_else(|| {
                    refuse(format!("tensor {name}: wanted F64, F32, F16 or BF16 values, got {:?}", view.dtype()))
                })?,
            });
        }
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        let (mut trained, progress) = metadata.map(|m| (m.trained, m.progress)).unzip();
        if let Some(trained) = &mut trained {
            trained.prior = prior::find(&trained.config, &tensors)
                .map_err(|name| refuse(format!("tensor {name}: missing or of another shape")))?;
        }
        Ok(Self::assemble(trained, progress.flatten(), tensors))
    }

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

    /// Refuses to resume with another configuration. Only the number of epochs, the path of the data, the species and
    /// whether there is a report may differ: they do not affect the training.
    pub fn check_same_config(&self, source: &str, config: &Config) -> Result<()> {
        let mut config = config.clone();
        config.data.path = None;
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

/// The current name of a parameter: the original model called the concat decoder's layers `legacy_…`.
fn current_name(name: &str) -> String {
    match name.strip_prefix("decoder.legacy_") {
        Some(rest) => format!("decoder.{rest}"),
        None => name.to_string(),
    }
}

#[cfg(target_endian = "big")]
compile_error!("safetensors files are little-endian, and are written straight from memory");

#[cfg(test)]
mod tests;
