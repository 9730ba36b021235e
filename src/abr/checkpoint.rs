//! Checkpoints: a safetensors file with weights under the original model's names, and one metadata key with everything
//! that eval and generate need. It holds no time, path or thread count, so that equal training gives equal bytes.
//!
//! A file may be damaged, or made to do harm: it is checked as a whole before anything in it is used.

mod check;
mod facts;
mod metadata;
mod open;
mod prior;
mod values;

pub use prior::{prior_tensors, spread_tensors};

use crate::baselines::Baselines;
use crate::config::Config;
use crate::data::scale::Scalers;
use crate::data::{
    Column, Dataset,
    hash::{data_hash, text_hash},
    repeats::Sketches,
    split::{Split, is_row_number, subjects},
};
use crate::error::{Error, Result};
use crate::files::{self, WHOLE_BYTES, write_whole};
use crate::model::AggregatedPosterior;
use metadata::Metadata;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use values::to_f32;

/// The metadata key.
const KEY: &str = "abr_film";

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
    /// The conditioning variables of the training rows, in their own units. Their values are stored as tensors.
    #[serde(rename = "train_statics")]
    pub train_conditions: Vec<Column>,
    /// The training subjects, sorted; empty if the data have no subjects. With a salt, hashes of their names.
    #[serde(default)]
    pub train_subjects: Vec<String>,
    /// Of a run with `output.anonymous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_salt: Option<String>,
    /// A sketch of each training row. `None` in bare weights, and in checkpoints that predate sketches. Stored as a
    /// tensor.
    #[serde(default, skip_serializing)]
    pub train_sketches: Option<Sketches>,
}

/// One named tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
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
            subject_salt: None,
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

    /// The same without conditions of rows, and with hashes for names, whose salt depends on the data and the seed.
    pub fn anonymous(self, seed: u64) -> Self {
        let salt = text_hash(&format!("{} {seed}", self.hash));
        let mut facts = DataFacts { train_conditions: Vec::new(), subject_salt: Some(salt), ..self };
        let names = facts.train_subjects.iter().map(|name| facts.stored_name(name).into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        facts.train_subjects = names;
        facts
    }

    /// Refuses what no checkpoint could hold (the names of subjects are metadata), or what could not be opened again.
    ///
    /// # Errors
    /// When the names take more than 64 MB, the categories of all rows more than a checkpoint may expand to, or this
    /// many parameters with an optimizer's state more than 4 GiB.
    pub fn check_size(&self, source: &str, parameters: usize) -> Result<()> {
        const MOST_BYTES: usize = 64_000_000;
        // JSON within JSON: quotes and backslashes are escaped twice
        let escaped = |name: &String| serde_json::Value::from(serde_json::Value::from(name.as_str()).to_string());
        let bytes: usize = self.train_subjects.iter().map(|name| escaped(name).to_string().len()).sum();
        if bytes > MOST_BYTES {
            let count = self.train_subjects.len();
            let problem = format!("the names of {count} subjects take more than a checkpoint holds (64 MB)");
            return Err(Error::input(source, "", problem, "shorten the names, or train on fewer subjects"));
        }
        if !facts::text_fits(&self.train_conditions) {
            let problem = "the text conditions of all rows take more than a checkpoint may expand to";
            let remedy = "shorten the categories, or set output.anonymous, which leaves them out";
            return Err(Error::input(source, "", problem, remedy));
        }
        // weights, the best ones, and two moments
        if parameters.saturating_mul(4 * size_of::<f32>()) as u64 > WHOLE_BYTES {
            let problem = format!("the state of a model of {parameters} parameters takes more than 4 GiB");
            return Err(Error::usage(problem, "choose smaller layers"));
        }
        Ok(())
    }

    /// How the name of a subject is stored here.
    pub fn stored_name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match &self.subject_salt {
            Some(salt) => Cow::Owned(text_hash(&format!("{salt} {name}"))),
            None => Cow::Borrowed(name),
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
            subject_salt: None,
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
        // these are exact
        TrainedModel { prior: self.prior.clone(), data: self.data.clone(), ..stored }
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
    /// The weights of a training. The stored configuration omits the paths of the data and of a table of subjects.
    pub fn new(
        config: &Config,
        (scalers, baselines): (&Scalers, &Baselines),
        data: &DataFacts,
        (epoch, step): (usize, u64),
        tensors: Vec<StoredTensor>,
    ) -> Self {
        let mut config = config.clone();
        check::drop_paths(&mut config.data);
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
    ///
    /// # Errors
    /// When the file cannot be written, or the metadata is above the 100 MB of the format.
    pub fn save(&self, path: &Path) -> Result<()> {
        let steps = self.trained.as_ref().map_or(0, |t| t.step as i64).to_le_bytes();
        // PyTorch's batch norm counts its batches; `load_state_dict(strict=True)` requires the count
        let counters = self.tensors.iter().filter(|t| t.name.starts_with("decoder.")).filter_map(|t| {
            let name = format!("{}.num_batches_tracked", t.name.strip_suffix(".running_mean")?);
            Some((name, Dtype::I64, vec![], &steps[..]))
        });
        let mut trained = self.trained.clone();
        let facts = trained.as_mut().map_or(Vec::new(), |trained| facts::take(&mut trained.data));
        let of_facts = facts.iter().map(|t| (t.name.clone(), t.dtype, t.shape.clone(), &t.bytes[..]));
        let weights = self
            .tensors
            .iter()
            .map(|t| (t.name.clone(), Dtype::F32, t.shape.clone(), bytemuck::cast_slice::<f32, u8>(&t.values)));
        let view = |(name, dtype, shape, bytes)| {
            (name, TensorView::new(dtype, shape, bytes).expect("the bytes of all values"))
        };
        let tensors: Vec<(String, TensorView)> = weights.chain(of_facts).chain(counters).map(view).collect();
        let metadata = trained.map(|trained| {
            let metadata = Metadata { trained, progress: self.progress.clone() };
            HashMap::from([(KEY.to_string(), metadata.to_text(&tensors))])
        });
        let file = safetensors::serialize(tensors, metadata).map_err(|e| {
            let problem = format!("cannot be stored ({e})");
            Error::input(path.display(), "", problem, "train on fewer subjects, or leave their names out")
        })?;
        write_whole(path, |w| w.write_all(&file))
    }

    /// Reads a checkpoint, or a bare weights file (then `trained` is `None`). F16 and BF16 values convert to f32
    /// exactly; F64 values are rounded.
    ///
    /// # Errors
    /// A file that is missing, truncated, or not a safetensors file. Values of another type, or that are not finite.
    /// Metadata of another version, damaged, or that do not fit the tensors.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_bytes(&path.display().to_string(), &files::read(path, WHOLE_BYTES)?)
    }

    /// [`Checkpoint::load`] of a file in memory; errors name `source`.
    ///
    /// # Errors
    /// As [`Checkpoint::load`].
    pub fn from_bytes(source: &str, bytes: &[u8]) -> Result<Self> {
        let refuse = |problem: String| {
            let remedy = "name a complete .safetensors file from abr-film; a .pt or .pkl file must be converted to \
                          safetensors first";
            Error::input(source, "", problem, remedy)
        };
        let not_one = |e| refuse(format!("truncated, or not a safetensors file ({e})"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_one)?;
        let views = SafeTensors::deserialize(bytes).map_err(not_one)?.tensors();
        let text = header.metadata().as_ref().and_then(|m| m.get(KEY));
        let metadata = text.map(|text| Metadata::from_text(text, &views)).transpose().map_err(refuse)?;
        let (mut trained, progress) = metadata.map(|m| (m.trained, m.progress)).unzip();
        if let Some(trained) = &mut trained {
            facts::restore(&mut trained.data, &trained.scalers.conditions, &views).map_err(refuse)?;
        }
        let is_weight = |name: &str| !name.ends_with(".num_batches_tracked") && !facts::is_fact(name);
        let weights = views.iter().filter(|(name, _)| is_weight(name));
        let mut tensors: Vec<StoredTensor> =
            weights.map(|(name, view)| stored(name, view)).collect::<Result<_, _>>().map_err(refuse)?;
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(trained) = &mut trained {
            check::trained(source, trained)?;
            trained.prior = prior::find(&trained.config, &tensors)
                .map_err(|name| refuse(format!("tensor {name}: missing or of another shape")))?;
        }
        Ok(Self::assemble(trained, progress.flatten(), tensors))
    }
}

/// A weight from a file; the error is the problem.
fn stored(name: &str, view: &TensorView) -> Result<StoredTensor, String> {
    let values = to_f32(view)
        .ok_or_else(|| format!("tensor {name}: wanted F64, F32, F16 or BF16 values, got {:?}", view.dtype()))?;
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(format!("tensor {name}: contains {value}"));
    }
    Ok(StoredTensor { name: current_name(name), shape: view.shape().to_vec(), values })
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
