//! The configuration file: every key and its default. [`load`](Config::load) reads it, and [`check`](Config::check)
//! checks the ranges.

mod check;
mod conditioning;
mod data;
mod examples;
mod load;
mod prepare;

pub use conditioning::{Conditioning, FilmConfig, FilmLevelConfig};
pub use data::{
    ColumnEncoding, ConditionColumn, DataConfig, Design, EncodedColumn, HeldValue, SAMPLE_RATES_HZ, SYNTH_COLUMNS,
    SignalScaling, Species, SplitBy, SynthConfig, T0_RANGE_MS, Unit,
};
pub use examples::{AugmentConfig, Prior, ReconstructionTarget, ResidualKind};
pub use prepare::{BandPass, Baseline, FilterValue, PrepareConfig, RowFilter, Span, Whole, Window};

use load::flatten;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The whole configuration. Every section and key is optional.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub model: ModelConfig,
    pub film: FilmConfig,
    pub training: TrainingConfig,
    pub data: DataConfig,
    pub output: OutputConfig,
}

impl Config {
    /// The same configuration with implied values written out: `training.seed`, and for the cosine schedule
    /// `training.scheduler.T_max`. Other schedules have no `T_max`, so that a resume may change the number of epochs
    /// and nothing else. Keys of earlier versions are replaced by today's.
    pub fn resolved(mut self) -> Config {
        if self.training.scheduler.kind == SchedulerKind::Cosine {
            self.training.scheduler.t_max.get_or_insert(self.training.num_epochs);
        }
        self.training.seed.get_or_insert(self.data.seed);
        self.model = self.model.with_todays_keys();
        self
    }

    /// Every key with its value, as indented JSON that [`Config::from_json`] reads back to an equal configuration.
    pub fn to_json_pretty(&self) -> String {
        format!("{:#}\n", self.to_value())
    }

    /// The keys whose values differ, as (dotted key, value here, value in `other`); a missing key is `unset`.
    pub fn differences(&self, other: &Config) -> Vec<(String, String, String)> {
        let today = |config: &Config| {
            let model = config.model.clone().with_todays_keys();
            flatten(&Config { model, ..config.clone() }.to_value())
        };
        let (mine, theirs) = (today(self), today(other));
        let keys: std::collections::BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
        let shown = |side: &BTreeMap<String, String>, key: &String| side.get(key).map_or("unset".into(), String::clone);
        keys.into_iter()
            .map(|key| (key.clone(), shown(&mine, key), shown(&theirs, key)))
            .filter(|(_, mine, theirs)| mine != theirs)
            .collect()
    }

    fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("a configuration has string keys only")
    }
}

/// The sizes of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Samples per trace (L). Like every width here, from 1 to 65536.
    pub signal_length: usize,
    /// Width of the encoded condition (S): one per standardised or log column, one per category of a one-hot column.
    pub static_dim: usize,
    /// Latent units (Z).
    pub latent_dim: usize,
    /// Whether a head predicts the latencies and amplitudes of waves I, III and V, which needs peak labels.
    pub predict_peaks: bool,
    /// Always 6: latencies of waves I, III, V in ms, then their amplitudes in µV (P).
    pub num_peaks: usize,
    /// How the condition enters the decoder.
    pub conditioning: Conditioning,
    /// Width of the tokens, the queries, the keys and the values of `conditioning: "cross_attention"`.
    pub attention_dim: usize,
    /// The number of heads of `conditioning: "cross_attention"`, which divides `attention_dim`.
    pub attention_heads: usize,
    /// Whether `decoder_dims` are multiplied by a factor that gives the model as many parameters as it has with plain
    /// FiLM of the same `film.hidden_dim`, within 1 %: for fair comparisons.
    pub match_parameters: bool,
    /// A key of earlier versions: `false` stands for `conditioning: "legacy_concat"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joint_generation: Option<bool>,
    /// A key of earlier versions: `false` stands for `conditioning: "none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_film: Option<bool>,
    /// Widths of the encoder's hidden layers.
    pub encoder_dims: Vec<usize>,
    /// Dropout of the encoder's hidden layers, one value per layer, each from 0 to below 1.
    pub encoder_dropout: Vec<f64>,
    /// Widths of the decoder's levels.
    pub decoder_dims: Vec<usize>,
    /// Dropout of the joint decoder's levels, from 0 to below 1.
    pub decoder_dropout: f64,
    /// Dropout of the legacy concat decoder, one value per level, each from 0 to below 1.
    pub concat_dropout: Vec<f64>,
    /// Width of the hidden layer of the head that predicts the signal.
    pub signal_head_dim: usize,
    /// Widths of the hidden layers of the head that predicts the condition.
    pub static_head_dims: Vec<usize>,
    /// Width of the hidden layer of the head that predicts the peaks.
    pub peak_head_dim: usize,
    /// Dropout of the heads' hidden layers, from 0 to below 1.
    pub head_dropout: f64,
    /// Whether a linear path bypasses both networks: the signal is also an input of mu and logvar, and z is also an
    /// input of the decoded signal.
    pub linear_path: bool,
    /// Where the latents of generated traces come from.
    pub prior: Prior,
    /// What is added to the network's reconstruction.
    pub residual: ResidualKind,
}

impl Default for ModelConfig {
    fn default() -> Self {
        ModelConfig {
            signal_length: 200,
            static_dim: 7,
            latent_dim: 64,
            predict_peaks: false,
            num_peaks: 6,
            conditioning: Conditioning::Film,
            attention_dim: 64,
            attention_heads: 4,
            match_parameters: false,
            joint_generation: None,
            use_film: None,
            encoder_dims: vec![512, 256, 128],
            encoder_dropout: vec![0.2, 0.2, 0.1],
            decoder_dims: vec![128, 256, 512, 1024],
            decoder_dropout: 0.15,
            concat_dropout: vec![0.1, 0.2, 0.2, 0.2],
            signal_head_dim: 2048,
            static_head_dims: vec![512, 256],
            peak_head_dim: 512,
            head_dropout: 0.1,
            linear_path: false,
            prior: Prior::Standard,
            residual: ResidualKind::None,
        }
    }
}

/// The loss and its optimization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Rows per step, 2 or more.
    pub batch_size: usize,
    /// The learning rate before the schedule acts on it, above 0.
    pub learning_rate: f64,
    /// Epochs (passes over the training rows), 1 or more.
    pub num_epochs: usize,
    /// The likelihood of the signal, which sets the weight of the KL term.
    pub likelihood: Likelihood,
    /// Weight of the KL term under `likelihood: "mse"`. With the default six units are active on the built-in data (see
    /// docs/training.md); the documented configuration has 0.01.
    pub kl_weight: f64,
    /// Epochs over which the KL weight rises linearly from 0 to its final value.
    pub kl_warmup_epochs: usize,
    /// Weight of the mean squared error of the predicted condition, 0 or more.
    pub static_loss_weight: f64,
    /// Weight of the mean absolute error of the predicted peaks, 0 or more.
    pub peak_loss_weight: f64,
    /// The reconstruction target of a recording.
    pub target: ReconstructionTarget,
    /// The input is the mean of at most this many recordings of a cell (one subject under one condition), 1 to 1000;
    /// each step draws how many.
    pub input_recordings: usize,
    pub augment: AugmentConfig,
    /// Whether errors against noisier recordings weigh less. The weight is `n / (n + m)`, where n is the number of
    /// averages (or, if no row has one, n = 1 / v² with v the conditioning variable `residual_noise_nv`) and m is the
    /// median over the training rows. Rows with unknown n count as the median.
    pub weight_by_noise: bool,
    /// Epochs without improvement of the validation loss before training stops, 1 or more; `null`: never.
    pub early_stopping_patience: Option<usize>,
    pub optimizer: OptimizerConfig,
    pub scheduler: SchedulerConfig,
    /// Largest global gradient norm, above 0; `null`: no clipping.
    pub gradient_clip: Option<f64>,
    /// Seed of weights, order and noise; `null`: `data.seed`.
    pub seed: Option<u64>,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        TrainingConfig {
            batch_size: 32,
            learning_rate: 1e-4,
            num_epochs: 150,
            likelihood: Likelihood::Mse,
            kl_weight: 0.007,
            kl_warmup_epochs: 0,
            static_loss_weight: 1.0,
            peak_loss_weight: 1.0,
            target: ReconstructionTarget::Same,
            input_recordings: 1,
            augment: AugmentConfig::default(),
            weight_by_noise: false,
            early_stopping_patience: Some(15),
            optimizer: OptimizerConfig::default(),
            scheduler: SchedulerConfig::default(),
            gradient_clip: None,
            seed: None,
        }
    }
}

/// The likelihood of the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// Mean squared error plus `kl_weight` times KL.
    Mse,
    /// The variance of the signal is estimated, and KL counts once (sigma-VAE, Rybkin et al. 2021).
    Calibrated,
}

/// Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019), as PyTorch's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    #[serde(rename = "type")]
    pub kind: OptimizerKind,
    /// Decay of the first and the second moments, each from 0 to below 1.
    pub betas: [f64; 2],
    /// Added to the root of the second moment, above 0.
    pub eps: f64,
    /// L2 penalty in the gradient under `adam`, decoupled decay under `adamw`; 0 or more.
    pub weight_decay: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        OptimizerConfig { kind: OptimizerKind::Adam, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0 }
    }
}

/// The optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// Adam (Kingma and Ba 2015).
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    #[serde(rename = "adamw")]
    AdamW,
}

/// The learning rate over the epochs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchedulerConfig {
    #[serde(rename = "type")]
    pub kind: SchedulerKind,
    /// Cosine: the epoch at which the rate reaches `eta_min`, warm-up included; `null`: `training.num_epochs`.
    #[serde(rename = "T_max")]
    pub t_max: Option<usize>,
    /// Cosine and plateau: the lowest rate.
    pub eta_min: f64,
    /// Epochs of linear warm-up before the schedule starts.
    pub warmup_epochs: usize,
    /// Plateau: the rate is multiplied by this, above 0 and below 1.
    pub factor: f64,
    /// Plateau: after this many epochs without improvement.
    pub patience: usize,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        SchedulerConfig {
            kind: SchedulerKind::Cosine,
            t_max: None,
            eta_min: 1e-5,
            warmup_epochs: 0,
            factor: 0.5,
            patience: 5,
        }
    }
}

/// The kind of schedule, as PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerKind {
    /// `training.learning_rate` in all epochs.
    Constant,
    /// Falls along a cosine to `eta_min`, and stays there.
    Cosine,
    /// Falls by `factor` when the validation loss stops improving.
    Plateau,
}

/// The files of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputConfig {
    /// Folder inside the run folder for `epoch-NNNN.safetensors`.
    pub checkpoint_dir: String,
    /// Epochs from one of these checkpoints to the next; 0: none.
    pub save_every_n_epochs: usize,
    /// `false`: no `best.safetensors`; early stopping then restores in memory.
    pub save_best_model: bool,
    /// `true`: checkpoints have no conditions of training rows, and the names of their subjects only as hashes with a
    /// salt of the run. `generate` then needs a value for every conditioning variable, and cannot say which values lie
    /// outside of the training rows. Other files of the run folder keep names.
    pub anonymous: bool,
    /// Evaluate the best weights at the end of training, and write `report.html`, `eval.json` and `errors.csv`.
    pub report: bool,
}

impl Default for OutputConfig {
    fn default() -> Self {
        OutputConfig {
            checkpoint_dir: "checkpoints".into(),
            save_every_n_epochs: 10,
            save_best_model: true,
            anonymous: false,
            report: true,
        }
    }
}
