//! The ranges of the configuration's values, and the rules between them.

mod conditioning;
mod data;
mod prepare;

use super::{Config, FilmConfig, ModelConfig, Prior, ReconstructionTarget, SchedulerKind, SplitBy, TrainingConfig};
use crate::error::{Error, Result};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::ops::RangeBounds;
use std::path::{Component, Path};

/// The maximum width of a layer: two such layers in a row already hold 4 billion weights.
const MAX_WIDTH: usize = 65_536;

/// The first value that cannot be used.
pub(super) struct ConfigProblem {
    key: String,
    problem: String,
    remedy: String,
}

impl ConfigProblem {
    fn new(key: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        ConfigProblem { key: key.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// Whether the value is at `key`, in it, or around it.
    pub(super) fn concerns(&self, key: &str) -> bool {
        let inside = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        inside(&self.key, key) || inside(key, &self.key)
    }

    pub(super) fn into_error(self, source_name: &str) -> Error {
        Error::config(source_name, self.key, self.problem, self.remedy)
    }
}

type CheckResult = Result<(), ConfigProblem>;

impl Config {
    /// Checks every range and every rule between keys, for a configuration made in code.
    ///
    /// # Errors
    /// [`Error::Config`] with the first key that cannot be used.
    pub fn check(&self) -> Result<()> {
        self.check_as("configuration")
    }

    /// The same for one that is a part of `source_name`.
    pub fn check_as(&self, source_name: &str) -> Result<()> {
        self.first_problem().map_err(|problem| problem.into_error(source_name))
    }

    pub(super) fn first_problem(&self) -> CheckResult {
        model(&self.model)?;
        film(&self.film)?;
        conditioning::conditioning(self)?;
        training(&self.training)?;
        data::data(&self.data)?;
        prepare::filters(&self.data.filters)?;
        prepare::prepare(self)?;
        prepare::conditions(&self.data)?;
        data::condition_width(self)?;
        labels_stay(self)?;
        checkpoint_dir(&self.output.checkpoint_dir)?;
        anonymous(self)
    }
}

/// What would keep conditions of single rows, or names, all the same.
fn anonymous(config: &Config) -> CheckResult {
    const NAMES_SUBJECTS: &str =
        "names subjects, and the configuration is a part of each checkpoint, but output.anonymous is true";
    if !config.output.anonymous {
        return Ok(());
    }
    if config.model.prior == Prior::Aggregated {
        return Err(ConfigProblem::new(
            "model.prior",
            "is \"aggregated\", which keeps the condition of each training row, but output.anonymous is true",
            "set it to \"learned\" or \"standard\"",
        ));
    }
    if let Some(at) = config.data.filters.iter().position(|filter| filter.column == config.data.subject_column) {
        return Err(ConfigProblem::new(
            format!("data.filters[{at}]"),
            NAMES_SUBJECTS,
            "leave these recordings out of the table",
        ));
    }
    match &config.data.split {
        SplitBy::HeldOut { column, .. } if *column == config.data.subject_column => {
            Err(ConfigProblem::new("data.split.held_out", NAMES_SUBJECTS, "split by \"subject\" or \"k_fold\""))
        }
        _ => Ok(()),
    }
}

fn model(m: &ModelConfig) -> CheckResult {
    for (key, width) in [
        ("model.signal_length", m.signal_length),
        ("model.static_dim", m.static_dim),
        ("model.latent_dim", m.latent_dim),
        ("model.signal_head_dim", m.signal_head_dim),
        ("model.peak_head_dim", m.peak_head_dim),
    ] {
        count(key, width, 1..=MAX_WIDTH)?;
    }
    widths("model.encoder_dims", &m.encoder_dims)?;
    widths("model.decoder_dims", &m.decoder_dims)?;
    widths("model.static_head_dims", &m.static_head_dims)?;
    number("model.decoder_dropout", m.decoder_dropout, 0.0..1.0)?;
    number("model.head_dropout", m.head_dropout, 0.0..1.0)?;
    dropouts("model.encoder_dropout", &m.encoder_dropout, "model.encoder_dims", m.encoder_dims.len())?;
    if !m.conditioned_by().is_joint() {
        dropouts("model.concat_dropout", &m.concat_dropout, "model.decoder_dims", m.decoder_dims.len())?;
    }
    if m.num_peaks != 6 {
        return Err(ConfigProblem::new(
            "model.num_peaks",
            format!("is {}, must be 6: the latencies of waves I, III and V, then their amplitudes", m.num_peaks),
            "set it to 6 or leave it out; model.predict_peaks turns the peak head on and off",
        ));
    }
    Ok(())
}

fn film(f: &FilmConfig) -> CheckResult {
    count("film.hidden_dim", f.hidden_dim, 1..=MAX_WIDTH)?;
    number("film.conditioning_strength", f.conditioning_strength, 0.0..)?;
    number("film.condition_dropout", f.condition_dropout, 0.0..=1.0)?;
    f.rank.map_or(Ok(()), |rank| count("film.rank", rank, 1..=MAX_WIDTH))?;
    number("film.learning_rate_scale", f.learning_rate_scale, 0.0..)?;
    f.weight_decay.map_or(Ok(()), |decay| number("film.weight_decay", decay, 0.0..))
}

fn training(t: &TrainingConfig) -> CheckResult {
    let positive = (Excluded(0.0), Unbounded);
    // batch norm needs two rows for a variance
    count("training.batch_size", t.batch_size, 2..)?;
    count("training.num_epochs", t.num_epochs, 1..)?;
    number("training.learning_rate", t.learning_rate, positive)?;
    number("training.kl_weight", t.kl_weight, 0.0..)?;
    number("training.static_loss_weight", t.static_loss_weight, 0.0..)?;
    number("training.peak_loss_weight", t.peak_loss_weight, 0.0..)?;
    count("training.input_recordings", t.input_recordings, 1..=1000)?;
    number("training.augment.gain", t.augment.gain, 0.0..=1.0)?;
    number("training.augment.stretch", t.augment.stretch, 0.0..=0.5)?;
    number("training.augment.shift_ms", t.augment.shift_ms, 0.0..)?;
    if let Some(patience) = t.early_stopping_patience {
        count("training.early_stopping_patience", patience, 1..)
            .map_err(|p| ConfigProblem { remedy: format!("{}; null never stops early", p.remedy), ..p })?;
    }
    if let Some(norm) = t.gradient_clip {
        number("training.gradient_clip", norm, positive)
            .map_err(|p| ConfigProblem { remedy: format!("{}; null does not clip", p.remedy), ..p })?;
    }
    for beta in t.optimizer.betas {
        number("training.optimizer.betas", beta, 0.0..1.0)?;
    }
    number("training.optimizer.eps", t.optimizer.eps, positive)?;
    number("training.optimizer.weight_decay", t.optimizer.weight_decay, 0.0..)?;
    schedule(t)
}

/// Peak labels belong to a single, unchanged recording.
fn labels_stay(c: &Config) -> CheckResult {
    let training = &c.training;
    let key = match training {
        _ if !c.model.predict_peaks => return Ok(()),
        TrainingConfig { target: ReconstructionTarget::Sibling, .. } => "training.target",
        TrainingConfig { input_recordings: 2.., .. } => "training.input_recordings",
        _ if !training.augment.is_off() => "training.augment",
        _ => return Ok(()),
    };
    let problem = "changes recordings, but model.predict_peaks needs them as they were labelled";
    Err(ConfigProblem::new(key, problem, "leave one of the two out"))
}

fn schedule(t: &TrainingConfig) -> CheckResult {
    let s = &t.scheduler;
    if let Some(epochs) = s.t_max {
        count("training.scheduler.T_max", epochs, 1..)?;
    }
    number("training.scheduler.eta_min", s.eta_min, 0.0..)?;
    number("training.scheduler.factor", s.factor, (Excluded(0.0), Excluded(1.0)))?;
    if s.kind != SchedulerKind::Constant && s.eta_min > t.learning_rate {
        return Err(ConfigProblem::new(
            "training.scheduler.eta_min",
            format!("is {}, above training.learning_rate ({}): the rate would rise", s.eta_min, t.learning_rate),
            "set it to at most the learning rate, or use the scheduler type \"constant\"",
        ));
    }
    let warm_ups = [
        ("training.kl_warmup_epochs", t.kl_warmup_epochs, "no epoch would be left to choose the best model from"),
        ("training.scheduler.warmup_epochs", s.warmup_epochs, "the full learning rate would never be reached"),
    ];
    for (key, epochs, why) in warm_ups {
        if epochs >= t.num_epochs {
            return Err(ConfigProblem::new(
                key,
                format!("is {epochs}, not below training.num_epochs ({}): {why}", t.num_epochs),
                "shorten the warm-up or train for more epochs",
            ));
        }
    }
    Ok(())
}

fn checkpoint_dir(folder: &str) -> CheckResult {
    let inside = |path: &Path| path.components().all(|c| matches!(c, Component::Normal(_)));
    if !folder.is_empty() && inside(Path::new(folder)) {
        return Ok(());
    }
    Err(ConfigProblem::new(
        "output.checkpoint_dir",
        format!("is {folder:?}, must be a folder inside the run folder"),
        "write a plain name such as \"checkpoints\"; --out chooses the run folder",
    ))
}

fn widths(key: &str, values: &[usize]) -> CheckResult {
    if values.is_empty() {
        return Err(ConfigProblem::new(key, "is empty, must name at least one layer's width", "for example [128]"));
    }
    values.iter().enumerate().try_for_each(|(i, &value)| count(&format!("{key}[{i}]"), value, 1..=MAX_WIDTH))
}

fn dropouts(key: &str, values: &[f64], layers_key: &str, layers: usize) -> CheckResult {
    values.iter().enumerate().try_for_each(|(i, &value)| number(&format!("{key}[{i}]"), value, 0.0..1.0))?;
    if values.len() == layers {
        return Ok(());
    }
    Err(ConfigProblem::new(
        key,
        format!("has {} values, but {layers_key} has {layers} layers", values.len()),
        "give one dropout per layer",
    ))
}

fn count(key: &str, value: usize, allowed: impl RangeBounds<usize>) -> CheckResult {
    if allowed.contains(&value) { Ok(()) } else { Err(out_of_range(key, value, allowed)) }
}

fn number(key: &str, value: f64, allowed: impl RangeBounds<f64>) -> CheckResult {
    if value.is_finite() && allowed.contains(&value) { Ok(()) } else { Err(out_of_range(key, value, allowed)) }
}

fn out_of_range<T: std::fmt::Display>(key: &str, value: T, allowed: impl RangeBounds<T>) -> ConfigProblem {
    let range = match (allowed.start_bound(), allowed.end_bound()) {
        (Included(lo), Included(hi)) => format!("from {lo} to {hi}"),
        (Included(lo), Excluded(hi)) => format!("from {lo} to below {hi}"),
        (Excluded(lo), Excluded(hi)) => format!("above {lo} and below {hi}"),
        (Excluded(lo), Unbounded) => format!("above {lo}"),
        (Included(lo), Unbounded) => format!("{lo} or more"),
        _ => "a finite number".to_string(),
    };
    ConfigProblem::new(key, format!("is {value}, must be {range}"), format!("choose a value {range}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    pub(super) fn refused(text: &str, parts: &[&str]) {
        let error = Config::from_json("a.json", text, &[]).expect_err(text);
        let message = error.to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{parts:?} are not all in: {message}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn ranges() {
        refused(
            r#"{"model": {"latent_dim": 0}}"#,
            &["a.json: model.latent_dim: is 0, must be from 1 to 65536", "help:"],
        );
        refused(r#"{"model": {"decoder_dims": []}}"#, &["model.decoder_dims", "at least one"]);
        refused(r#"{"model": {"decoder_dims": [8, 0]}}"#, &["model.decoder_dims[1]", "is 0"]);
        refused(r#"{"model": {"head_dropout": 1}}"#, &["model.head_dropout", "from 0 to below 1"]);
        refused(r#"{"model": {"encoder_dropout": [0.1, 0.1, 1.5]}}"#, &["model.encoder_dropout[2]", "1.5"]);
        refused(r#"{"film": {"condition_dropout": 1.5}}"#, &["film.condition_dropout", "from 0 to 1"]);
        refused(r#"{"film": {"conditioning_strength": -1}}"#, &["film.conditioning_strength", "0 or more"]);
        refused(r#"{"training": {"batch_size": 1}}"#, &["training.batch_size", "2 or more"]);
        refused(r#"{"training": {"learning_rate": 0}}"#, &["training.learning_rate", "above 0"]);
        refused(r#"{"training": {"early_stopping_patience": 0}}"#, &["null never stops early"]);
        refused(r#"{"training": {"gradient_clip": 0}}"#, &["null does not clip"]);
        refused(r#"{"training": {"optimizer": {"betas": [0.9, 1.0]}}}"#, &["training.optimizer.betas"]);
        refused(r#"{"training": {"scheduler": {"factor": 1}}}"#, &["above 0 and below 1"]);
        refused(
            r#"{"model": {"static_dim": 1}, "data": {"static_columns": ["t0_ms"]}}"#,
            &["static_columns[0]", "t0_ms"],
        );
        refused(r#"{"data": {"validation_split": 1}}"#, &["data.validation_split"]);
        refused(r#"{"training": {"input_recordings": 0}}"#, &["training.input_recordings", "from 1"]);
        refused(r#"{"training": {"augment": {"stretch": 0.6}}}"#, &["training.augment.stretch", "from 0 to 0.5"]);
        refused(r#"{"training": {"augment": {"flip": true}}}"#, &["training.augment", "flip"]);
        for rate in ["0", "-20000", "20", "1e300"] {
            let wanted = ["sample_rate_hz", "must be from 1000 to 1000000"];
            refused(&format!(r#"{{"data": {{"sample_rate_hz": {rate}}}}}"#), &wanted);
            refused(&format!(r#"{{"data": {{"synth": {{"sample_rate_hz": {rate}}}}}}}"#), &wanted);
        }
        refused(r#"{"data": {"t0_ms": -1e300}}"#, &["data.t0_ms", "from -10000 to 10000"]);
        refused(r#"{"output": {"checkpoint_dir": "../x"}}"#, &["output.checkpoint_dir", "inside the run folder"]);
    }

    #[test]
    fn rules_between_keys() {
        refused(r#"{"model": {"num_peaks": 5}}"#, &["model.num_peaks", "must be 6"]);
        refused(r#"{"model": {"encoder_dims": [8, 8]}}"#, &["model.encoder_dropout", "3 values", "2 layers"]);
        refused(
            r#"{"model": {"use_film": false, "joint_generation": false, "decoder_dims": [8]}}"#,
            &["model.concat_dropout", "1 layers"],
        );
        refused(r#"{"model": {"static_dim": 3}}"#, &["model.static_dim: is 3", "names 7: age_years", "to 7"]);
        refused(r#"{"data": {"validation_split": 0.5, "test_split": 0.5}}"#, &["nothing to train on"]);
        refused(r#"{"data": {"static_columns": ["a", "a"]}}"#, &["data.static_columns[1]", "second time"]);
        refused(r#"{"training": {"learning_rate": 1e-6}}"#, &["training.scheduler.eta_min", "would rise"]);
        refused(r#"{"training": {"kl_warmup_epochs": 150}}"#, &["training.kl_warmup_epochs", "150"]);
        for option in [r#""target": "sibling""#, r#""input_recordings": 2"#, r#""augment": {"gain": 0.1}"#] {
            let text = format!(r#"{{"model": {{"predict_peaks": true}}, "training": {{{option}}}}}"#);
            refused(&text, &["model.predict_peaks", "as they were labelled"]);
        }
        // the concat decoder's dropout does not concern the joint decoder
        assert!(Config::from_json("a", r#"{"model": {"decoder_dims": [8]}}"#, &[]).is_ok());
        // a one-hot column may have any width
        let one_hot =
            r#"{"model": {"static_dim": 4}, "data": {"static_columns": [{"name": "a", "encoding": "one_hot"}]}}"#;
        assert!(Config::from_json("a", one_hot, &[]).is_ok());
    }

    #[test]
    fn a_configuration_made_in_code_is_checked_too() {
        let mut config = Config::default();
        assert!(config.check().is_ok());
        config.film.conditioning_strength = f64::INFINITY;
        assert!(config.check().unwrap_err().to_string().contains("film.conditioning_strength: is inf"));
    }
}
