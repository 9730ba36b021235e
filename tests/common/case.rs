//! A recorded model case: its metadata as configurations of the engine.

use crate::recording::Recording;
use abr_film::config::{
    Conditioning, FilmConfig, FilmLevelConfig, Likelihood, ModelConfig, OptimizerConfig, OptimizerKind, TrainingConfig,
};
use abr_film::model::LossWeights;
use serde::Deserialize;

/// The fields of `Case` in `tests/reference/record.py`. Those with a default are not in every recording.
#[derive(Deserialize)]
pub struct Case {
    pub batch: usize,
    signal_length: usize,
    static_dim: usize,
    latent_dim: usize,
    encoder_dims: Vec<usize>,
    decoder_dims: Vec<usize>,
    signal_head: usize,
    static_head: Vec<usize>,
    peak_head: usize,
    film_hidden: usize,
    num_peaks: usize,
    use_film: bool,
    joint_generation: bool,
    conditioning: Option<Conditioning>,
    #[serde(default = "unit")]
    attention_dim: usize,
    #[serde(default = "unit")]
    attention_heads: usize,
    #[serde(default)]
    film_gate: bool,
    #[serde(default)]
    film_mixing: bool,
    #[serde(default)]
    film_encoder: bool,
    film_rank: Option<usize>,
    /// The inputs and the hidden width of each level.
    #[serde(default)]
    film_levels: Vec<(Vec<usize>, usize)>,
    predict_peaks: bool,
    #[serde(default = "one")]
    strength: f64,
    #[serde(default)]
    condition_dropout: f64,
    encoder_dropout: Option<Vec<f64>>,
    #[serde(default)]
    decoder_dropout: f64,
    concat_dropout: Option<Vec<f64>>,
    #[serde(default)]
    head_dropout: f64,
    #[serde(default)]
    pub noise_seed: u64,
    #[serde(default = "mse")]
    likelihood: Likelihood,
    kl_weight: f64,
    #[serde(default = "one")]
    kl_factor: f64,
    static_weight: f64,
    peak_weight: f64,
    #[serde(default = "adam")]
    optimizer: OptimizerKind,
    #[serde(default = "default_learning_rate")]
    pub learning_rate: f64,
    #[serde(default = "one")]
    pub film_learning_rate_scale: f64,
    #[serde(default)]
    weight_decay: f64,
    pub clip_norm: Option<f64>,
}

fn unit() -> usize {
    1
}

fn level(inputs: &[usize], hidden_dim: usize) -> FilmLevelConfig {
    FilmLevelConfig { inputs: Some(inputs.to_vec()), hidden_dim: Some(hidden_dim), ..FilmLevelConfig::default() }
}

fn one() -> f64 {
    1.0
}

fn default_learning_rate() -> f64 {
    1e-3
}

fn mse() -> Likelihood {
    Likelihood::Mse
}

fn adam() -> OptimizerKind {
    OptimizerKind::Adam
}

impl Case {
    /// The case of a recording.
    pub fn of(recording: &Recording) -> Self {
        Case::deserialize(&recording.about).expect("the fields of a case")
    }

    pub fn model(&self) -> ModelConfig {
        ModelConfig {
            signal_length: self.signal_length,
            static_dim: self.static_dim,
            latent_dim: self.latent_dim,
            predict_peaks: self.predict_peaks,
            num_peaks: self.num_peaks,
            conditioning: match (self.conditioning, self.joint_generation, self.use_film) {
                (Some(conditioning), ..) => conditioning,
                (None, false, _) => Conditioning::LegacyConcat,
                (None, true, false) => Conditioning::None,
                (None, true, true) => Conditioning::Film,
            },
            attention_dim: self.attention_dim,
            attention_heads: self.attention_heads,
            encoder_dims: self.encoder_dims.clone(),
            encoder_dropout: self.encoder_dropout.clone().unwrap_or(vec![0.0; self.encoder_dims.len()]),
            decoder_dims: self.decoder_dims.clone(),
            decoder_dropout: self.decoder_dropout,
            concat_dropout: self.concat_dropout.clone().unwrap_or(vec![0.0; self.decoder_dims.len()]),
            signal_head_dim: self.signal_head,
            static_head_dims: self.static_head.clone(),
            peak_head_dim: self.peak_head,
            head_dropout: self.head_dropout,
            ..ModelConfig::default()
        }
    }

    pub fn film(&self) -> FilmConfig {
        FilmConfig {
            hidden_dim: self.film_hidden,
            conditioning_strength: self.strength,
            condition_dropout: self.condition_dropout,
            gate: self.film_gate,
            mixing: self.film_mixing,
            encoder: self.film_encoder,
            rank: self.film_rank,
            levels: self.film_levels.iter().map(|(inputs, hidden_dim)| level(inputs, *hidden_dim)).collect(),
            ..FilmConfig::default()
        }
    }

    pub fn optimizer(&self) -> OptimizerConfig {
        OptimizerConfig { kind: self.optimizer, weight_decay: self.weight_decay, ..OptimizerConfig::default() }
    }

    /// The weight decay that is part of the gradient.
    pub fn l2(&self) -> f64 {
        if self.optimizer == OptimizerKind::Adam { self.weight_decay } else { 0.0 }
    }

    /// Rows times units of the widest level of the decoder.
    pub fn terms_of_a_level(&self) -> usize {
        self.batch * self.decoder_dims.iter().max().expect("a level")
    }

    /// The weights of the loss; a KL factor below 1 becomes a warm-up in tenths.
    pub fn loss_weights(&self) -> LossWeights {
        let training = TrainingConfig {
            likelihood: self.likelihood,
            kl_weight: self.kl_weight,
            kl_warmup_epochs: 10,
            static_loss_weight: self.static_weight,
            peak_loss_weight: self.peak_weight,
            ..TrainingConfig::default()
        };
        LossWeights::new(&training, Some((10.0 * self.kl_factor).round() as usize))
    }
}
