//! What the model is good for, in a few sentences: the first lines of an evaluation.

use super::report::count_of;
use super::table::TableCell;
use super::{Compared, EvalSplit, GoodnessOfFit, Likeness, Report};
use crate::checkpoint::TrainedModel;
use crate::text::capitalised;

/// A model with fewer training rows or subjects is unlikely to hold for other listeners.
const FEW_ROWS: usize = 50;
const FEW_SUBJECTS: usize = 2;
/// If reconstructions explain less than this share of the reference variance, they are useless.
const NOTHING: f64 = 0.05;

/// One sentence about reconstructions, then one about generated traces, each with its numbers.
pub(super) fn verdict(trained: &TrainedModel, known: bool, report: &Report) -> Vec<String> {
    vec![of_reconstructions(trained, known, report), of_generated(trained, report)]
}

fn of_reconstructions(trained: &TrainedModel, known: bool, report: &Report) -> String {
    let explained = match better_or_worse(report) {
        Some(compared) => format!("reconstructions explain {compared}"),
        None => "there is nothing to compare reconstructions with".to_string(),
    };
    let mut cautions = Vec::new();
    cautions.extend(few(trained));
    match &report.trained_on {
        Some(on) if on.rows > 0 => {
            cautions
                .push(format!("the model was trained on {} of these {} rows, which flatters it", on.rows, report.rows));
        }
        Some(on) if on.subjects > 0 => {
            cautions.push(format!("the model was trained on {} of these {} subjects", on.subjects, report.subjects));
        }
        None => cautions.push("whether the model was trained on these rows is not known".into()),
        Some(_) => {}
    }
    if !known {
        cautions.push("these data are not those of its training".into());
    }
    let subjects = count_of(report.subjects, "subject");
    let unseen = report.trained_on.as_ref().is_some_and(|on| on.rows == 0 && on.subjects == 0);
    let of_whom = if unseen { format!("for {subjects} never seen") } else { format!("for {subjects}") };
    let validated = if report.part == EvalSplit::Validation { ", by which its best epoch was chosen" } else { "" };
    let sentence = format!("{of_whom}{validated}, {explained}");
    let caution = if cautions.is_empty() { String::new() } else { format!("{}: ", cautions.join("; ")) };
    capitalised(&format!("{caution}{sentence}."))
}

/// Why a model may not hold for other listeners: it was trained on too few rows or subjects.
fn few(trained: &TrainedModel) -> Option<String> {
    let rows = trained.data.train_conditions.first().map(|column| column.values.len())?;
    let subjects = trained.data.train_subjects.len();
    let few = rows < FEW_ROWS || (1..FEW_SUBJECTS).contains(&subjects);
    let of = if subjects == 0 { String::new() } else { format!(" of {}", count_of(subjects, "subject")) };
    few.then(|| format!("trained on {rows} rows{of}, too few to apply to others"))
}

/// What the model explains, compared with the best simple method.
fn better_or_worse(report: &Report) -> Option<String> {
    let of_reference = report.explains_reference();
    let model = report.share(&report.model)?;
    let interval = report.model.truth_interval.filter(|_| of_reference);
    let interval = interval.map_or(String::new(), |[low, high]| format!(" [{}, {}]", bare(low), bare(high)));
    let what = report.target();
    let sentence = format!("{}{interval} of {what}", percent(model));
    let Some(Simple { name, share: simple, .. }) = strongest(report) else { return Some(sentence) };
    let beside = format!("{} ({name})", percent(simple));
    Some(match (model < NOTHING, model < simple) {
        (true, _) => format!("{sentence}: next to nothing; the strongest simple method {beside}"),
        (false, true) => format!("{sentence}, less than the strongest simple method, {beside}: use that"),
        (false, false) => format!("{sentence}, more than the strongest simple method, {beside}"),
    })
}

impl Report {
    /// Whether there are reference traces to explain, and not only recordings.
    pub fn explains_reference(&self) -> bool {
        self.model.truth_explained_variance.is_some()
    }

    /// The share that an estimate explains: of the reference traces where there are any, else of the recordings.
    pub fn share(&self, estimate: &GoodnessOfFit) -> Option<f64> {
        if self.explains_reference() { estimate.truth_explained_variance } else { estimate.explained_variance }
    }
}

/// A simple method, and its place in the JSON.
pub(super) struct Simple<'a> {
    pub name: &'static str,
    pub at: &'static str,
    pub estimate: &'a GoodnessOfFit,
    /// The share that it explains.
    pub share: f64,
}

/// The simple method that explains the most.
pub(super) fn strongest(report: &Report) -> Option<Simple<'_>> {
    let baselines = report.baselines.as_ref()?;
    // against the recordings, a recording itself explains everything
    let recording = report.recording.as_ref().filter(|_| report.explains_reference());
    let mixed = baselines.mixed_model.as_ref().map(|mixed| &mixed.errors);
    let methods = [
        ("linear mixed model", "/baselines/mixed_model", mixed),
        ("PCA", "/baselines/pca", Some(&baselines.pca)),
        ("curve of the condition", "/baselines/curve", Some(&baselines.curve)),
        ("nearest condition", "/baselines/nearest_condition", baselines.nearest_condition.as_ref()),
        ("the recording itself", "/recording", recording),
    ];
    let known = methods.into_iter().filter_map(|(name, at, estimate)| {
        let estimate = estimate?;
        Some(Simple { name, at, estimate, share: report.share(estimate)? })
    });
    known.max_by(|a, b| a.share.total_cmp(&b.share))
}

/// A share in percent.
fn percent(share: f64) -> String {
    TableCell::percent(share, 1, "").text
}

/// The same without its sign.
fn bare(share: f64) -> String {
    percent(share).trim_end_matches(" %").to_string()
}

/// Why these rows cannot show whether generated traces are realistic; `None` if they can.
fn not_comparable(likeness: &Likeness) -> Option<&'static str> {
    match (likeness.compared, likeness.real_halves) {
        (Compared::NoiseOnOneSide, _) => {
            Some("the noise of these recordings is not known, and generated traces have none")
        }
        (_, None) => Some("these are too few subjects to tell generated listeners from real ones"),
        _ => None,
    }
}

fn of_generated(trained: &TrainedModel, report: &Report) -> String {
    let (Some(generated), Some(likeness)) = (&report.generated, &report.likeness) else {
        return "Its generated traces are not measured: these weights contain no training rows to compare with.".into();
    };
    if !report.warnings.is_empty() {
        return format!("Do not use its generated traces: {}.", report.warnings.join("; "));
    }
    let auc = likeness.model.auc.logistic.value.max(likeness.model.auc.neighbours.value);
    let spread = generated
        .spread
        .map_or(String::new(), |spread| format!("they spread {:.2} times as far as these subjects, ", spread.value));
    let sentence = match (few(trained), not_comparable(likeness)) {
        (Some(_), _) => "Its generated traces stand for those few, whatever else is measured".to_string(),
        (None, Some(why)) => format!("Whether its generated traces are realistic cannot be judged here: {why}"),
        (None, None) => "Nothing measured speaks against its generated traces".to_string(),
    };
    format!(
        "{sentence}: {spread}80 % intervals hold {:.0} % of real samples, and a \
         classifier tells them from real ones with an AUC of {auc:.2}, where .5 is chance.",
        100.0 * generated.model.inside[1].value
    )
}
