//! Whether the conditioning variables are scaled sensibly.

use super::{Evidence, Finding, Topic};
use crate::data::scale::{ConditionCode, ConditionScaler};
use ndarray::Axis;

/// Encoded values have standard deviation 1; beyond this many of them a value is out of range.
const FAR: f64 = 6.0;
/// A standard deviation below this, relative to the mean, is a constant.
const CONSTANT: f64 = 1e-6;
/// The quantiles that are shown.
const QUANTILES: [f64; 3] = [0.01, 0.5, 0.99];

pub(super) fn examine(evidence: &Evidence) -> Vec<Finding> {
    let scalers = &evidence.trained.scalers.conditions;
    let mut findings = Vec::new();
    let mut first = 0;
    for scaler in scalers {
        let inputs = first..first + scaler.width();
        first = inputs.end;
        if let Some(constant) = constant(scaler) {
            findings.push(constant);
            continue;
        }
        let Some(all) = evidence.conditions else { continue };
        let alike = |input: usize| {
            let column = all.index_axis(Axis(1), input);
            column.iter().all(|value| *value == column[0])
        };
        if all.nrows() > 0 && inputs.clone().all(alike) {
            findings.push(is_constant(&scaler.name, "the same in all training rows"));
            continue;
        }
        let one_hot = matches!(scaler.code, ConditionCode::OneHot(_));
        // what follows a number is whether it is missing
        let values = all.index_axis(Axis(1), inputs.start);
        let mut sorted: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        if sorted.is_empty() || one_hot {
            continue;
        }
        findings.extend(range(scaler, &sorted));
    }
    let named = findings.iter().any(|finding: &Finding| finding.remedy.is_some());
    if !named && !scalers.is_empty() {
        let what = match evidence.conditions {
            Some(all) => format!(
                "all {} inputs over {} training rows lie within {FAR} standard deviations, and no variable is constant",
                all.ncols(),
                all.nrows()
            ),
            None => format!(
                "all {} conditioning variables vary (without the recordings, nothing is known of their range)",
                scalers.len()
            ),
        };
        findings.push(Finding::healthy(Topic::Conditions, what));
    }
    findings
}

fn constant(scaler: &ConditionScaler) -> Option<Finding> {
    let spread = match &scaler.code {
        ConditionCode::Standard(scale) | ConditionCode::Log(scale) => (scale.std
            <= CONSTANT * scale.mean.abs().max(f64::MIN_POSITIVE))
        .then(|| format!("{} in all training rows", scale.mean))?,
        ConditionCode::OneHot(categories) => {
            (categories.len() < 2).then(|| format!("{categories:?} in all training rows"))?
        }
    };
    Some(is_constant(&scaler.name, &spread))
}

fn is_constant(name: &str, how: &str) -> Finding {
    Finding::fault(
        Topic::Conditions,
        format!("{name} is constant: {how}"),
        format!("leave {name} out of data.static_columns: the model can learn nothing about it"),
    )
}

/// A number whose encoded values lie too far out.
fn range(scaler: &ConditionScaler, sorted: &[f64]) -> Option<Finding> {
    let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
    if least.abs().max(most.abs()) <= FAR {
        return None;
    }
    let at = |q: f64| sorted[((sorted.len() - 1) as f64 * q).round() as usize];
    let quantiles = QUANTILES.map(|q| format!("{:.1}", at(q))).join(", ");
    let name = &scaler.name;
    let remedy = match (&scaler.code, scaler.clip) {
        (ConditionCode::Standard(_), None) => {
            format!(
                "{{\"name\": \"{name}\", \"encoding\": \"log\"}} in data.static_columns if all its values are above 0, or data.clip_statics: [0.01, 0.99]"
            )
        }
        _ => {
            "data.clip_statics: [0.01, 0.99], or look at the rows with the largest and the smallest values".to_string()
        }
    };
    Some(Finding::fault(
        Topic::Conditions,
        format!(
            "{name} is not scaled sensibly: encoded, it goes from {least:.1} to {most:.1}, with 1, 50 and 99 % of the training rows below {quantiles}"
        ),
        remedy,
    ))
}
