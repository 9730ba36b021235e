//! Reasons from an evaluation not to use generated traces.

use super::{Compared, Report};

/// Warn if a classifier separates generated from real traces better than this …
const TOLD_APART: f64 = 0.75;
/// … and better by this much than two halves of the real subjects.
const BEYOND_HALVES: f64 = 0.15;
/// The acceptable range for the spread of draws over that of listeners.
const SPREAD: [f64; 2] = [0.7, 1.4];
/// The acceptable range for the share of real samples inside 80 % intervals.
const INSIDE: [f64; 2] = [0.65, 0.92];
/// A probe is meaningful if its level predictions on real traces reach this correlation …
const READABLE: f64 = 0.3;
/// … and generated traces follow their level if they reach this share of it.
const FOLLOWED: f64 = 0.5;
/// Generated traces count as copies below this ratio of their distance to training rows over that of real traces.
const COPIED: f64 = 0.5;

/// One line per warning.
pub(super) fn warnings(report: &Report) -> Vec<String> {
    let mut found = Vec::new();
    if report.latent.active_units == 0 {
        found.push(
            "the latent has collapsed: no unit is active, and all traces under one condition are alike (a smaller \
             training.kl_weight, or likelihood: \"calibrated\")"
                .to_string(),
        );
    }
    // noise on one side only already separates real from generated traces
    let fair = report.likeness.as_ref().is_none_or(|likeness| likeness.compared != Compared::NoiseOnOneSide);
    if let Some(likeness) = &report.likeness {
        let auc = likeness.model.auc;
        let best = auc.logistic.value.max(auc.neighbours.value);
        // with few subjects, a classifier recognizes each subject, real or not
        let halves = likeness.real_halves.map(|halves| halves.logistic.max(halves.neighbours));
        if fair && best > TOLD_APART && halves.is_some_and(|halves| best > halves + BEYOND_HALVES) {
            found.push(format!("generated traces can be told from real ones: AUC {best:.2}, where .5 is chance"));
        }
        if let Some(ratio) = likeness.model.memorisation.filter(|ratio| fair && *ratio < COPIED) {
            found.push(format!("generated traces lie {ratio:.2} times as far from training rows as real ones: copies"));
        }
    }
    if let Some(generated) = &report.generated {
        let outside = |value: f64, [low, high]: [f64; 2]| !(low..=high).contains(&value);
        if let Some(spread) = generated.spread.filter(|spread| outside(spread.value, SPREAD)) {
            found.push(format!("draws spread {:.2} times as far as listeners do", spread.value));
        }
        let inside = generated.model.inside[1].value;
        if fair && outside(inside, INSIDE) {
            found.push(format!("80 % intervals of draws hold {:.0} % of real samples", 100.0 * inside));
        }
    }
    if let Some(probe) = &report.level_probe {
        let (real, generated) = (probe.real.r.value, probe.generated.r.value);
        // an undefined correlation counts as none
        let followed = generated >= FOLLOWED * real;
        if real > READABLE && !followed {
            found.push(format!(
                "generated traces do not follow their level: a probe that predicts it from real traces with r = \
                 {real:.2} reaches r = {generated:.2} on them"
            ));
        }
    }
    found
}
