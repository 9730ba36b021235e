//! How the condition enters the decoder, and the options of FiLM.

use super::{ColumnEncoding, ConditionColumn, Config, ModelConfig};
use serde::{Deserialize, Serialize};

/// How the condition enters the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conditioning {
    /// Not at all. Only the encoder and the prior know it.
    None,
    /// Beside z, as an input of the first level.
    Concat,
    /// By FiLM: gamma and beta of each unit of each level come from the condition (Perez et al. 2018).
    Film,
    /// By cross-attention: each level attends to the values of the condition, each a token (Vaswani et al. 2017).
    CrossAttention,
    /// Beside z, in the decoder of earlier versions: ReLU in place of LeakyReLU and batch norm, and no head for the
    /// condition.
    LegacyConcat,
}

impl Conditioning {
    /// Whether the decoder has heads for the signal, the condition and the peaks.
    pub fn is_joint(self) -> bool {
        self != Conditioning::LegacyConcat
    }

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Conditioning::None => "none",
            Conditioning::Concat => "concat",
            Conditioning::Film => "film",
            Conditioning::CrossAttention => "cross_attention",
            Conditioning::LegacyConcat => "legacy_concat",
        }
    }
}

impl ModelConfig {
    /// How the condition enters the decoder, whichever keys say so.
    pub fn conditioned_by(&self) -> Conditioning {
        match (self.joint_generation, self.use_film, self.conditioning) {
            (Some(false), ..) => Conditioning::LegacyConcat,
            (_, Some(false), Conditioning::Film) => Conditioning::None,
            (.., conditioning) => conditioning,
        }
    }

    /// The same with the keys of earlier versions replaced by today's.
    pub(super) fn with_todays_keys(self) -> Self {
        let conditioning = self.conditioned_by();
        ModelConfig { conditioning, use_film: None, joint_generation: None, ..self }
    }

    /// What a user of keys of earlier versions should know.
    pub fn notices(&self) -> Vec<String> {
        let keys = [("use_film", self.use_film), ("joint_generation", self.joint_generation)];
        let used: Vec<String> =
            keys.iter().filter(|(_, set)| set.is_some()).map(|(key, _)| format!("model.{key}")).collect();
        if used.is_empty() {
            return Vec::new();
        }
        let (verb, today) = (if used.len() > 1 { "are keys" } else { "is a key" }, self.conditioned_by().name());
        vec![format!(
            "{} {verb} of earlier versions: write model.conditioning: \"{today}\" instead",
            used.join(" and ")
        )]
    }
}

/// FiLM, and its options. The strength and the dropout of the condition act on `concat`, `film` and `cross_attention`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilmConfig {
    /// Width of the hidden layer of each gamma and beta MLP.
    pub hidden_dim: usize,
    /// c in `gamma = 1 + c (gamma_mlp(s) - 1)`, `beta = c beta_mlp(s)`; 0 is off, 1 is FiLM, and values
    /// above 1 exaggerate it. The concatenated condition is multiplied by it, and so is what attention adds.
    pub conditioning_strength: f64,
    /// Probability, from 0 to 1, that the strength of a training row is 0 for one step (trains the unconditional path).
    pub condition_dropout: f64,
    /// Whether a gate, from the whole condition and the features of a level, decides in each row how much FiLM does
    /// there (adaptive FiLM): the strength is multiplied by it, from 0 to 1.
    pub gate: bool,
    /// Whether each unit has a learned weight, from 0 to 1, between its modulated and its plain feature.
    pub mixing: bool,
    /// Whether FiLM modulates the hidden layers of the encoder too.
    pub encoder: bool,
    /// The rank of the last layer of each gamma and beta MLP: that of the product of two layers; `null`: full.
    pub rank: Option<usize>,
    /// For each decoder level, from the first to the last, which columns condition it, and how wide the hidden layer of
    /// its MLPs is (hierarchical FiLM); empty: all columns and `hidden_dim` everywhere.
    pub levels: Vec<FilmLevelConfig>,
    /// Factor on the learning rate of the FiLM parameters, 0 or more.
    pub learning_rate_scale: f64,
    /// Weight decay of the FiLM weights, while FiLM biases have none; `null`: that of `training.optimizer`, for all
    /// FiLM parameters.
    pub weight_decay: Option<f64>,
    /// Free text, shown by `abr-film info`.
    pub description: String,
}

impl Default for FilmConfig {
    fn default() -> Self {
        FilmConfig {
            hidden_dim: 64,
            conditioning_strength: 1.0,
            condition_dropout: 0.0,
            gate: false,
            mixing: false,
            encoder: false,
            rank: None,
            levels: Vec::new(),
            learning_rate_scale: 1.0,
            weight_decay: None,
            description: String::new(),
        }
    }
}

/// What conditions one level.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilmLevelConfig {
    /// Names of conditioning variables; `null`: all. An empty list: FiLM does not modulate this level.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// Width of the hidden layer; `null`: `film.hidden_dim`.
    #[serde(default)]
    pub hidden_dim: Option<usize>,
    /// The inputs of the model that `columns` stand for; see [`FilmConfig::with_inputs`].
    #[serde(skip)]
    pub inputs: Option<Vec<usize>>,
}

impl Config {
    /// The column of each input of the model, in order, as far as the configuration tells: inputs that it does not know
    /// belong to the one-hot columns without `categories`, the first of them.
    pub fn input_columns(&self) -> Vec<&str> {
        let (columns, imputed) = (&self.data.static_columns, &self.data.impute_statics);
        let listed = |column: &ConditionColumn| {
            let missing = imputed.iter().any(|name| name == column.name());
            column.categories().map_or(1, <[String]>::len) + usize::from(missing)
        };
        let total: usize = columns.iter().map(listed).sum();
        let mut open = self.model.static_dim.saturating_sub(total);
        let of = |column| {
            let own = listed(column);
            let unknown = column.encoding() == ColumnEncoding::OneHot && column.categories().is_none();
            let more = if unknown { std::mem::take(&mut open) } else { 0 };
            vec![column.name(); own + more]
        };
        columns.iter().flat_map(of).collect()
    }
}

impl FilmConfig {
    /// The same with the inputs that each level's columns stand for. `names` has the column of each input, in order.
    pub fn with_inputs(&self, names: &[&str]) -> Self {
        let mut film = self.clone();
        for level in &mut film.levels {
            let of = |columns: &Vec<String>| {
                let named = |(i, name): (usize, &&str)| columns.iter().any(|column| column == name).then_some(i);
                names.iter().enumerate().filter_map(named).collect()
            };
            level.inputs = level.columns.as_ref().map(of);
        }
        film
    }
}
