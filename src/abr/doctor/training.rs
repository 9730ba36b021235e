//! Whether the loss fell as it should, and whether the latent holds anything.

use super::{Evidence, Finding, Topic};
use crate::error::Result;
use crate::model::{Cvae, FilmLevel};
use serde_json::Value;

/// The latent has collapsed below this KL, in nats: half of what one useful unit has.
const COLLAPSED_NATS: f64 = 0.5;
/// Weights that are this many times as large as at the start, in the median over the layers, were thrown there.
const GROWN: f64 = 4.0;
/// The loss of the training rows ends this much above its lowest, or jumps up by as much from epoch to epoch, where the
/// learning rate is too high.
const JUMP: f64 = 0.25;
/// The share of epochs with such jumps.
const JUMPS: f64 = 0.2;
/// Fewer epochs tell nothing about the learning rate.
const EPOCHS: usize = 4;

pub(super) fn examine(evidence: &Evidence, model: &Cvae) -> Result<Vec<Finding>> {
    let rate = evidence.trained.config.training.learning_rate;
    let growth = growth(&model.state()?);
    Ok([latent(evidence.epochs), learning_rate(evidence.epochs, growth, rate)].into_iter().flatten().collect())
}

/// How many times as large as at the start the weights are: the median over the layers, without FiLM's.
fn growth(state: &[(String, Vec<usize>, Vec<f32>)]) -> Option<f64> {
    let of_layer = |(name, shape, values): &(String, Vec<usize>, Vec<f32>)| {
        let [outputs, inputs] = shape[..] else { return None };
        if FilmLevel::of(name).is_some() || !name.ends_with(".weight") {
            return None;
        }
        // variances of the initial values: 1 / (3 fan_in), and Xavier's in the encoder
        let start = match name.starts_with("encoder.") {
            true => 2.0 / (inputs + outputs) as f64,
            false => 1.0 / (3.0 * inputs as f64),
        };
        let now = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64;
        Some((now / start).sqrt())
    };
    let mut ratios: Vec<f64> = state.iter().filter_map(of_layer).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
}

fn latent(epochs: &[Value]) -> Option<Finding> {
    // the weights are those of the best epoch, and otherwise of the last
    let best = epochs.iter().rev().find(|epoch| epoch["best"] == true).or(epochs.last())?;
    let side = if best["validation"].is_object() { "validation" } else { "train" };
    let kl = best[side]["kl"].as_f64()?;
    let found = format!("the latent holds {kl:.2} nats about a {side} trace");
    Some(match kl < COLLAPSED_NATS {
        false => Finding::healthy(Topic::Latent, found),
        true => Finding::fault(
            Topic::Latent,
            format!("{found}: it has collapsed, and all traces under one condition are alike"),
            "a smaller training.kl_weight, training.likelihood: \"calibrated\", or training.kl_warmup_epochs",
        ),
    })
}

fn learning_rate(epochs: &[Value], growth: Option<f64>, rate: f64) -> Option<Finding> {
    let grown = growth.filter(|growth| growth.is_nan() || *growth >= GROWN);
    let lower = format!("a learning rate ten times lower: training.learning_rate={}", rate / 10.0);
    if let Some(growth) = grown {
        let found = format!(
            "weights are {growth:.1} times as large as at the start (median over the layers) at a learning rate of {rate}"
        );
        return Some(Finding::fault(Topic::LearningRate, found, lower));
    }
    let losses: Vec<f64> = epochs.iter().filter_map(|epoch| epoch["train"]["loss"].as_f64()).collect();
    if losses.len() < EPOCHS {
        return None;
    }
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    // relative to the whole fall, as a loss may be negative and its level means nothing
    let fall = first - lowest;
    let scale = fall.max(0.02 * first.abs());
    let jumps = losses.windows(2).filter(|pair| pair[1] - pair[0] > JUMP * scale).count();
    let ends_above = last - lowest > JUMP * scale;
    let never_fell = fall < 0.02 * first.abs();
    let jumpy = jumps as f64 > JUMPS * (losses.len() - 1) as f64;
    let found = format!(
        "the training loss went from {first:.4} to {last:.4} (lowest {lowest:.4}) at a learning rate of {rate}"
    );
    if !(ends_above || jumpy || never_fell) {
        return Some(Finding::healthy(Topic::LearningRate, found));
    }
    let what = match (ends_above, jumpy) {
        (true, _) => "it rises again".to_string(),
        (_, true) => format!("it jumps up in {jumps} of {} epochs", losses.len() - 1),
        _ => "it does not fall".to_string(),
    };
    let remedy = match never_fell && !jumpy && !ends_above {
        true => "if it has just begun, train longer; else change training.learning_rate by a factor of 10".to_string(),
        false => lower,
    };
    Some(Finding::fault(Topic::LearningRate, format!("{found}: {what}"), remedy))
}
