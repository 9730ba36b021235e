//! What is wrong with a training, from its model, its metrics and its training rows: each finding with its number, and
//! with the remedy if it is a fault.

mod conditions;
mod film;
mod training;

use crate::checkpoint::TrainedModel;
use crate::error::Result;
use crate::model::Cvae;
use ndarray::Array2;
use serde::Serialize;
use serde_json::Value;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    FilmIdentity,
    FilmGradients,
    FilmSize,
    FilmLearningRate,
    Conditions,
    Latent,
    LearningRate,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    pub topic: Topic,
    /// What was found, with its number.
    pub found: String,
    /// What to do, if it is a fault.
    pub remedy: Option<String>,
}

impl Finding {
    fn healthy(topic: Topic, found: String) -> Finding {
        Finding { topic, found, remedy: None }
    }

    fn fault(topic: Topic, found: String, remedy: impl Into<String>) -> Finding {
        Finding { topic, found, remedy: Some(remedy.into()) }
    }
}

/// What there is of a training.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    pub trained: &'a TrainedModel,
    /// The lines of `metrics.jsonl`; empty outside of a run folder.
    pub epochs: &'a [Value],
    /// The encoded conditions of the training rows `[N, S]`, if the recordings are there.
    pub conditions: Option<&'a Array2<f32>>,
}

/// Examines a training. Faults come first.
///
/// # Errors
/// When the device is out of memory or lost.
pub fn examine(evidence: &Evidence, model: &mut Cvae) -> Result<Vec<Finding>> {
    let mut findings = training::examine(evidence, model)?;
    // FiLM grows with all the rest where the learning rate is too high: that is the fault then
    let thrown = findings.iter().any(|finding| finding.topic == Topic::LearningRate && finding.remedy.is_some());
    findings.extend(conditions::examine(evidence));
    let of_size = |finding: &Finding| matches!(finding.topic, Topic::FilmSize | Topic::FilmLearningRate);
    findings.extend(film::examine(evidence, model)?.into_iter().filter(|finding| !(thrown && of_size(finding))));
    // a stable sort
    findings.sort_by_key(|finding| finding.remedy.is_none());
    Ok(findings)
}

/// The numbers of an array of a line of `metrics.jsonl`.
fn numbers(line: &Value, key: &str) -> Vec<f64> {
    line[key].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}
