//! An evaluation on one screen: the verdict, and a table that asks for no glossary.

use super::Report;
use super::verdict::{explains_truth, percent, share, strongest};
use std::fmt::{self, Display, Formatter};

/// Sentences are broken at this width.
const WIDTH: usize = 110;

/// A report in at most 25 lines; `{}` of the report itself says all.
pub struct Brief<'a>(pub &'a Report);

/// What was measured, of the model, beside it, and what would be right.
type Line = [String; 4];

impl Display for Brief<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let report = self.0;
        writeln!(f, "{}\n", report.head())?;
        for sentence in &report.verdict {
            wrapped(f, sentence)?;
        }
        let headings = ["", "model", "beside", "right"].map(String::from);
        writeln!(f)?;
        for [what, model, beside, right] in std::iter::once(headings).chain(lines(report)) {
            let line = format!("{what:<42} {model:<22} {beside:<32} {right}");
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f, "\nall measures: --verbose, --json; what they are: docs/evaluation.md")
    }
}

fn wrapped(f: &mut Formatter, sentence: &str) -> fmt::Result {
    let mut line = String::new();
    for word in sentence.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(f, "{line}")?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(f, "{line}")
}

fn lines(report: &Report) -> Vec<Line> {
    let mut lines = vec![explained(report)];
    lines.extend(last_wave(report));
    lines.extend(generated(report));
    lines.extend(levels(report));
    lines
}

fn line(what: &str, model: impl Into<String>, beside: impl Into<String>, right: &str) -> Line {
    [what.into(), model.into(), beside.into(), right.into()]
}

fn explained(report: &Report) -> Line {
    let of_truth = explains_truth(report);
    let known = |share: Option<f64>| share.map_or("not known".into(), percent);
    let ceiling = report.truth.as_ref().map_or(1.0, |truth| truth.ceiling);
    let beside = strongest(report).map_or(String::new(), |(name, explained)| format!("{} {name}", percent(explained)));
    let what = if of_truth { "reconstructions explain of the truth" } else { "reconstructions explain of recordings" };
    line(what, known(share(report, &report.model)), beside, &if of_truth { percent(ceiling) } else { String::new() })
}

/// The wave that hearing is judged by.
fn last_wave(report: &Report) -> Vec<Line> {
    let Some(wave) = report.wave_errors.as_ref().and_then(|waves| waves.reconstructed.waves.last()) else {
        return Vec::new();
    };
    vec![
        line(
            &format!("  wave {}: latency off by, at .2 ms or less", wave.wave),
            format!("{:.2} ms, {:.0} %", wave.latency_mae_ms, 100.0 * wave.hits[1]),
            "",
            "0 ms, 100 %",
        ),
        line(
            &format!("  wave {}: amplitude over the truth's", wave.wave),
            format!("{:.2}", wave.amplitude_ratio),
            "",
            "1",
        ),
    ]
}

fn generated(report: &Report) -> Vec<Line> {
    let (Some(generated), Some(likeness)) = (&report.generated, &report.likeness) else { return Vec::new() };
    let mixed = generated.mixed_model.as_ref();
    let whole = |share: f64| format!("{:.0} %", 100.0 * share);
    let beside_mixed =
        |value: Option<String>| value.map_or(String::new(), |value| format!("{value} linear mixed model"));
    let mut lines = Vec::new();
    if let Some(mean) = generated.mean_explained_variance {
        let curve = report.baselines.as_ref().and_then(|b| b.curve.truth_explained_variance);
        let curve = curve.map_or(String::new(), |curve| format!("{} curve of the condition", percent(curve)));
        lines.push(line("mean of generated traces explains", percent(mean.value), curve, "as much as can be"));
    }
    if let Some(spread) = generated.spread {
        lines.push(line("  they spread, over these subjects", format!("{spread:.2}"), "", "1"));
    }
    let inside = |calibration: &super::Calibration| whole(calibration.inside[1].value);
    let energy = |calibration: &super::Calibration| format!("{:.3} µV", calibration.energy_score_uv.value);
    lines.push(line(
        "  80 % intervals hold of real samples",
        inside(&generated.model),
        beside_mixed(mixed.map(inside)),
        "80 %",
    ));
    lines.push(line("  energy score", energy(&generated.model), beside_mixed(mixed.map(energy)), "low"));
    let auc = |beside: &super::Beside| beside.auc.logistic.value.max(beside.auc.neighbours.value);
    let of_mixed = likeness.mixed_model.as_ref().map(|beside| format!("{:.2}", auc(beside)));
    lines.push(line(
        "  told from real ones, AUC",
        format!("{:.2}", auc(&likeness.model)),
        beside_mixed(of_mixed),
        ".5",
    ));
    lines
}

fn levels(report: &Report) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(probe) = &report.level_probe {
        let real = format!("{:.2} real", probe.real.r.value);
        lines.push(line("  level read off, r", format!("{:.2}", probe.generated.r.value), real, "as real"));
    }
    let levels = report.wave_errors.as_ref().and_then(|waves| waves.levels.as_ref());
    if let Some(slopes) = levels.and_then(|levels| levels.slopes.last()) {
        let slope = slopes.latency_ms_per_10_db;
        let what = format!("  wave {}: latency for each 10 dB", slopes.wave);
        lines.push(line(&what, format!("{:.2} ms", slope.generated), format!("{:.2} ms real", slope.real), "as real"));
    }
    let (active, units) = (report.latent.active_units, report.latent.kl_nats.len());
    lines.push(line("latent units that are used", format!("{active} of {units}"), "", "some"));
    lines
}
