//! Whether FiLM has left the identity, whether gradients reach it, whether it explodes, and how large its steps are.

use super::{Evidence, Finding, Topic, numbers};
use crate::config::Conditioning;
use crate::engine::rng::Stream;
use crate::error::Result;
use crate::model::{Cvae, FilmLevel};
use crate::purpose;
use ndarray::Array2;

/// Below this root mean square of gamma - 1 and of beta, FiLM is the identity: it changes no feature by a thousandth.
const IDENTITY: f64 = 1e-3;
/// Above it FiLM explodes: features are multiplied by ten and more.
const EXPLODED: f64 = 10.0;
/// A gradient of this norm does not move a weight in f32.
const NO_GRADIENT: f64 = 1e-9;
/// The step of a weight relative to its size: one in a thousand moves it in a few epochs and does not shake it.
const STEP: f64 = 1e-3;
/// Steps beyond these parts of the weights are too small or too large.
const STEPS: [f64; 2] = [1e-5, 0.1];
/// The rows that FiLM is looked at on.
const ROWS: usize = 512;

pub(super) fn examine(evidence: &Evidence, model: &mut Cvae) -> Result<Vec<Finding>> {
    if evidence.trained.config.model.conditioned_by() != Conditioning::Film {
        return Ok(Vec::new());
    }
    let (step, scale) = step(evidence, model);
    let gradients = gradients(evidence, model);
    let none = gradients.as_ref().is_some_and(|finding| finding.remedy.is_some());
    let mut findings = identity(&departures(evidence, model)?, scale);
    // without gradients FiLM stays the identity
    findings.retain(|finding| !(none && finding.topic == Topic::FilmIdentity));
    // a step of the wrong size is the cause, and the remedy is named there
    let named = findings.iter().any(|finding| finding.remedy.is_some());
    findings.extend(gradients);
    findings.extend(Some(step).filter(|_| !named));
    Ok(findings)
}

/// How far gamma and beta of each decoder level are from the identity: the root mean square of gamma - 1, and of beta.
fn departures(evidence: &Evidence, model: &mut Cvae) -> Result<Vec<(usize, [f64; 2])>> {
    let width = model.config.static_dim;
    let condition = match evidence.conditions {
        Some(all) => {
            let every = all.nrows().div_ceil(ROWS).max(1);
            let rows: Vec<usize> = (0..all.nrows()).step_by(every).collect();
            all.select(ndarray::Axis(0), &rows)
        }
        // standardised conditions are like standard normal numbers
        None => {
            let mut values = vec![0.0; ROWS * width];
            Stream::new(1, purpose::CONDITION, 0).normals(0, &mut values);
            Array2::from_shape_vec((ROWS, width), values).expect("as many values")
        }
    };
    let values = condition.as_slice().expect("a row-major array");
    let levels = model.modulation(condition.nrows(), values)?;
    let rms = |values: &Array2<f32>, centre: f64| {
        let squares = values.iter().map(|v| (f64::from(*v) - centre).powi(2)).sum::<f64>();
        (squares / values.len().max(1) as f64).sqrt()
    };
    let of = |(i, level): (usize, Option<[Array2<f32>; 2]>)| {
        level.map(|[gamma, beta]| (i + 1, [rms(&gamma, 1.0), rms(&beta, 0.0)]))
    };
    Ok(levels.into_iter().enumerate().filter_map(of).collect())
}

/// `scale`: a `film.learning_rate_scale` of sensible steps.
fn identity(departures: &[(usize, [f64; 2])], scale: f64) -> Vec<Finding> {
    let shown = |levels: &[&(usize, [f64; 2])]| {
        let one =
            |(level, [gamma, beta]): &&(usize, [f64; 2])| format!("level {level}: gamma {gamma:.4}, beta {beta:.4}");
        levels.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    let all: Vec<_> = departures.iter().collect();
    let still: Vec<_> = departures.iter().filter(|(_, rms)| rms.iter().all(|rms| *rms < IDENTITY)).collect();
    let exploded: Vec<_> =
        departures.iter().filter(|(_, rms)| rms.iter().any(|rms| rms.is_nan() || *rms >= EXPLODED)).collect();
    let mut findings = Vec::new();
    findings.push(match still.is_empty() {
        true => Finding::healthy(
            Topic::FilmIdentity,
            format!("FiLM has left the identity (rms departure): {}", shown(&all)),
        ),
        false => Finding::fault(
            Topic::FilmIdentity,
            format!("FiLM is still the identity at {} of {} levels (rms departure): {}", still.len(), all.len(), shown(&still)),
            format!("film.learning_rate_scale={scale:.2} if it is lower now, a lower film.weight_decay, or more epochs; if the condition does not matter, model.conditioning=none"),
        ),
    });
    findings.push(match exploded.is_empty() {
        true => Finding::healthy(Topic::FilmSize, format!("gamma and beta stay below {EXPLODED} (rms departure)")),
        false => Finding::fault(
            Topic::FilmSize,
            format!(
                "FiLM explodes at {} of {} levels (rms departure): {}",
                exploded.len(),
                all.len(),
                shown(&exploded)
            ),
            format!("film.learning_rate_scale={scale:.2} if it is higher now, film.weight_decay=0.01, or training.gradient_clip=1"),
        ),
    });
    findings
}

/// The norms of FiLM's gradients in the first and the last epoch.
fn gradients(evidence: &Evidence, model: &Cvae) -> Option<Finding> {
    let norms = |epoch: Option<&serde_json::Value>| epoch.map(|epoch| numbers(epoch, "film_gradient_norms"));
    let (first, last) = (norms(evidence.epochs.first())?, norms(evidence.epochs.last())?);
    let levels = model.film_levels();
    if levels.len() != last.len() || first.len() != last.len() || levels.is_empty() {
        return None;
    }
    let named = |level: &FilmLevel| match level {
        FilmLevel::Decoder(level) => format!("level {level}"),
        FilmLevel::Encoder(level) => format!("encoder level {level}"),
    };
    let shown = levels.iter().zip(first.iter().zip(&last));
    let shown: Vec<String> = shown.map(|(level, (a, b))| format!("{}: {a:.1e} to {b:.1e}", named(level))).collect();
    let without: Vec<String> = levels
        .iter()
        .zip(&last)
        .filter(|(_, norm)| norm.is_nan() || **norm <= NO_GRADIENT)
        .map(|(level, _)| named(level))
        .collect();
    let found = format!("gradient norms of FiLM from the first to the last epoch: {}", shown.join("; "));
    Some(match without.is_empty() {
        true => Finding::healthy(Topic::FilmGradients, found),
        false => Finding::fault(
            Topic::FilmGradients,
            format!("no gradient reaches FiLM at {}; {found}", without.join(", ")),
            "set film.conditioning_strength above 0 and film.condition_dropout below 1, and look for dead units below \
             (a lower training.learning_rate)",
        ),
    })
}

/// The size of FiLM's steps relative to its initial weights, and the `film.learning_rate_scale` that follows.
fn step(evidence: &Evidence, model: &Cvae) -> (Finding, f64) {
    let (training, film) = (&evidence.trained.config.training, &evidence.trained.config.film);
    // the root mean square of the hidden layer's initial weights, uniform within 1 / sqrt(inputs)
    let size = 1.0 / (3.0 * model.config.static_dim as f64).sqrt();
    // Adam's step is about the learning rate, whatever the gradient
    let rate = training.learning_rate * film.learning_rate_scale;
    let part = rate / size;
    let scale = STEP * size / training.learning_rate;
    let found = format!(
        "a step moves FiLM's weights by {part:.1e} of their size at the start, at a learning rate of {rate:.1e}"
    );
    let advice = format!("film.learning_rate_scale={scale:.2} makes it a thousandth");
    let finding = match (STEPS[0]..=STEPS[1]).contains(&part) {
        true => Finding::healthy(Topic::FilmLearningRate, format!("{found}; {advice}")),
        false => Finding::fault(Topic::FilmLearningRate, found, advice),
    };
    (finding, scale)
}
