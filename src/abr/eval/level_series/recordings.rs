//! From sets of recordings to level series: chooses subjects, sorts traces into panels, and summarises the traces of
//! each level.

use super::choose::{Chosen, choose};
use super::panels::{PanelConditions, PanelTraces, panels};
use super::trace::{Lack, Trace, nothing_to_draw};
use super::{LevelSeries, Panel, Summary, TraceLayer, TraceSource, TracesAtLevel};
use crate::config::Species;
use crate::data::Recording;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// With more levels in a panel, traces could not be told apart.
const MOST_LEVELS: usize = 24;
/// More panels do not fit on a page.
const MOST_PANELS: usize = 24;

/// Recordings that are drawn as one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingSet<'a> {
    /// The name in the legend; no two sets share a name.
    pub name: String,
    pub source: TraceSource,
    pub recordings: &'a [Recording],
}

/// Which traces of the sets to draw, and how.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesSelection {
    /// The subjects to draw. Empty: the subject with the most levels, or all subjects pooled if nobody has two.
    pub subjects: Vec<String>,
    /// Pool all subjects.
    pub pool: bool,
    /// Start and end in ms after stimulus onset, both included; `None`: all of the recorded time.
    pub window_ms: Option<[f64; 2]>,
    /// Round levels to multiples of this.
    pub level_step_db: Option<f64>,
    /// Overrides the column `threshold_db`.
    pub threshold_db: Option<f64>,
    /// Also draw the noise-free traces of simulated recordings.
    pub ground_truth: bool,
    pub summary: Summary,
}

/// A level series, with notices for the user.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesWithNotices {
    pub series: LevelSeries,
    /// The subjects of each set: `A1`, `20 subjects together`.
    pub whose: Vec<String>,
    pub notices: Vec<String>,
}

/// Where recordings come from, judging by their table: `generate` names subjects `generated-1` and so on, and
/// `reconstruct` writes columns that end in `_read`.
pub fn source_of(recordings: &[Recording]) -> TraceSource {
    let generated = |r: &Recording| r.subject.strip_prefix("generated-").is_some_and(|n| n.parse::<u64>().is_ok());
    let read = |r: &Recording| r.columns.iter().any(|(name, _)| name.ends_with("_read"));
    match recordings {
        [] => TraceSource::Recorded,
        all if all.iter().all(generated) => TraceSource::Generated,
        all if all.iter().all(read) => TraceSource::Reconstructed,
        _ => TraceSource::Recorded,
    }
}

/// The species in the column `species`, if all rows agree on one whose waves are known.
pub fn stated_species(recordings: &[Recording]) -> Option<Species> {
    let stated: BTreeSet<String> =
        recordings.iter().filter_map(|r| r.column("species")).map(str::to_lowercase).collect();
    match stated.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["human"] => Some(Species::Human),
        ["mouse"] => Some(Species::Mouse),
        _ => None,
    }
}

/// The level series of sets of recordings, each a layer over those before it.
///
/// A panel holds the traces of one subject (or of pooled subjects) for one ear, channel and frequency. A set that lacks
/// such a column appears in all panels. Waves are marked from the threshold up, if it is known.
///
/// # Errors
/// A subject that no set has (the message names the nearest one). A set without a trace that can be drawn (the message
/// names what is missing). A window without samples. Too many levels. Traces of one level with different sample times.
/// `ground_truth` without simulated recordings.
pub fn from_recordings(sets: &[RecordingSet], choice: &SeriesSelection) -> Result<SeriesWithNotices> {
    let usable: Vec<Usable> = sets.iter().map(|set| Usable::of(set, sets.len() > 1)).collect();
    let refs: Vec<(&RecordingSet, &[Trace])> = usable.iter().map(|u| (u.set, &u.traces[..])).collect();
    let chosen = choose(&refs, choice)?;
    let mut notices = Vec::new();
    let mut groups = Vec::new();
    for (place, (usable, chosen)) in usable.iter().zip(&chosen).enumerate() {
        let own = usable.groups(place, chosen, &mut notices);
        if own.is_empty() {
            return Err(usable.nothing_to_draw(chosen, choice));
        }
        groups.extend(own);
    }
    let mut laid = panels(&groups);
    if laid.len() > MOST_PANELS {
        let more = laid.len() - MOST_PANELS;
        notices.push(format!("{more} more panels are not drawn: choose subjects, or tables with fewer conditions"));
        laid.truncate(MOST_PANELS);
    }
    notices.extend(everywhere(&laid, sets));
    let mut panels = Vec::new();
    for (conditions, members) in &laid {
        panels.extend(panel(conditions, members, &usable, &chosen, choice)?);
    }
    if panels.is_empty() {
        return Err(empty_window(&usable, choice.window_ms.unwrap_or_default()));
    }
    let truths = panels.iter().flat_map(|panel| &panel.layers).any(|layer| layer.source == TraceSource::GroundTruth);
    if choice.ground_truth && !truths {
        let problem = "no noise-free trace: the columns truth_s0, truth_s1, … are missing";
        return Err(Error::usage(problem, "only simulations have them; leave --truth out"));
    }
    let whose = chosen.iter().map(|chosen| chosen.whose.clone()).collect();
    Ok(SeriesWithNotices { series: LevelSeries { panels }, whose, notices })
}

/// The traces of a set that can be drawn.
struct Usable<'a> {
    set: &'a RecordingSet<'a>,
    /// The set's name for messages, if there are several sets.
    called: String,
    traces: Vec<Trace<'a>>,
    lacking: Vec<(&'a Recording, Vec<Lack>)>,
}

impl<'a> Usable<'a> {
    fn of(set: &'a RecordingSet, several: bool) -> Usable<'a> {
        // a model that generates without a condition writes no level
        let leveled =
            set.source != TraceSource::Generated || set.recordings.iter().any(|r| r.column("level_db").is_some());
        let called = if several { format!(" in {}", set.name) } else { String::new() };
        let mut usable = Usable { set, called, traces: Vec::new(), lacking: Vec::new() };
        for recording in set.recordings {
            match Trace::of(recording, leveled) {
                Ok(trace) => usable.traces.push(trace),
                Err(lacks) => usable.lacking.push((recording, lacks)),
            }
        }
        usable
    }

    fn nothing_to_draw(&self, chosen: &Chosen, choice: &SeriesSelection) -> Error {
        let whose = if choice.subjects.is_empty() { "any subject" } else { &chosen.whose };
        let lacking = self.lacking.iter().filter(|(recording, _)| chosen.takes(recording));
        nothing_to_draw(&format!("{whose}{}", self.called), lacking.map(|(_, lacks)| lacks))
    }

    /// The traces of the chosen subjects, grouped by conditions.
    fn groups(&self, set: usize, chosen: &Chosen, notices: &mut Vec<String>) -> Vec<PanelTraces<'a>> {
        let mut groups: BTreeMap<PanelConditions, Vec<Trace>> = BTreeMap::new();
        for trace in self.traces.iter().filter(|trace| chosen.takes(trace.recording)) {
            let who = chosen.apart.then(|| trace.recording.subject.clone());
            groups.entry(PanelConditions::of(trace.recording, who)).or_default().push(*trace);
        }
        let lacking: Vec<&Vec<Lack>> =
            self.lacking.iter().filter(|(r, _)| chosen.takes(r)).map(|(_, lacks)| lacks).collect();
        if let (false, Some(lack)) = (groups.is_empty(), lacking.first().and_then(|lacks| lacks.first())) {
            let rows = lacking.len();
            notices.push(format!("{}: {rows} rows are not drawn (the first: {})", self.set.name, lack.problem));
        }
        groups.into_iter().map(|(conditions, traces)| PanelTraces { set, conditions, traces }).collect()
    }
}

/// Notices about sets that appear in several panels because they lack the columns that distinguish the panels.
fn everywhere(laid: &[(PanelConditions, Vec<&PanelTraces>)], sets: &[RecordingSet]) -> BTreeSet<String> {
    let vague = |(conditions, members): &(PanelConditions, Vec<&PanelTraces>)| {
        let less = members.iter().filter(|group| group.conditions.stimulus_of_less(conditions));
        less.map(|group| group.set).collect::<Vec<_>>()
    };
    let mut panels: BTreeMap<usize, usize> = BTreeMap::new();
    laid.iter().flat_map(vague).for_each(|set| *panels.entry(set).or_default() += 1);
    let several = panels.into_iter().filter(|(_, panels)| *panels > 1);
    let notices = several.map(|(set, panels)| {
        format!(
            "{}: the same traces are in {panels} panels, because the table lacks the columns that distinguish these",
            sets[set].name
        )
    });
    notices.collect()
}

/// One panel; `None` if the window holds none of its samples.
fn panel(
    conditions: &PanelConditions,
    members: &[&PanelTraces],
    usable: &[Usable],
    chosen: &[Chosen],
    choice: &SeriesSelection,
) -> Result<Option<Panel>> {
    let title = conditions.title();
    let stated = || members.iter().flat_map(|group| &group.traces).filter_map(|trace| threshold(trace.recording));
    let threshold_db = choice.threshold_db.or_else(|| {
        // a threshold of one subject does not hold for pooled subjects
        let first = stated().next()?;
        stated().all(|other| other == first).then_some(first)
    });
    let simulations =
        usable.iter().filter(|usable| usable.set.recordings.iter().any(|r| r.ground_truth.is_some())).count();
    let mut layers: Vec<TraceLayer> = Vec::new();
    for place in 0..usable.len() {
        let traces: Vec<Trace> =
            members.iter().filter(|group| group.set == place).flat_map(|group| group.traces.iter().copied()).collect();
        let set = usable[place].set;
        let name = chosen[place].layer_name(&set.name);
        let truth_name = if simulations > 1 { format!("{name}, noise-free") } else { "noise-free".to_string() };
        let mut levels = levels(&traces, &title, choice, &choice.summary, |r| Some(&r.samples))?;
        levels.iter_mut().filter(|l| l.level_db < threshold_db).for_each(|level| level.waves.clear());
        let mut layer = |source, name, levels: Vec<TracesAtLevel>| {
            if !levels.is_empty() {
                layers.push(TraceLayer { source, name, levels });
            }
        };
        layer(set.source, name, levels);
        if choice.ground_truth {
            let mean = Summary { band: super::SpreadBand::None, repeats: 0, waves: None };
            let truth =
                self::levels(&traces, &title, choice, &mean, |r| r.ground_truth.as_ref().map(|truth| &truth.samples))?;
            layer(TraceSource::GroundTruth, truth_name, truth);
        }
    }
    Ok((!layers.is_empty()).then_some(Panel { title, threshold_db, layers }))
}

fn threshold(recording: &Recording) -> Option<f64> {
    recording.column("threshold_db")?.parse().ok().filter(|threshold: &f64| threshold.is_finite())
}

/// The traces sorted by level, the lowest first.
fn levels<'a>(
    traces: &[Trace<'a>],
    title: &str,
    choice: &SeriesSelection,
    summary: &Summary,
    samples: impl Fn(&'a Recording) -> Option<&'a Vec<f32>>,
) -> Result<Vec<TracesAtLevel>> {
    let mut by_level: Vec<(Option<f64>, Vec<Trace>)> = Vec::new();
    let rounded = |db: f64| choice.level_step_db.map_or(db, |step| (db / step).round() * step + 0.0);
    for trace in traces {
        let level = trace.level_db.map(rounded);
        match by_level.iter_mut().find(|(other, _)| *other == level) {
            Some((_, own)) => own.push(*trace),
            None => by_level.push((level, vec![*trace])),
        }
    }
    if by_level.len() > MOST_LEVELS {
        let whose = if title.is_empty() { String::new() } else { format!("{title}: ") };
        let problem = format!("{whose}{} levels, more than the {MOST_LEVELS} that one panel can show", by_level.len());
        return Err(Error::usage(problem, "abr-film plot --level-step 5 rounds levels and draws equal ones together"));
    }
    by_level.sort_by(|(a, _), (b, _)| a.partial_cmp(b).expect("levels are not NaN"));
    let mut all = Vec::new();
    for (level, traces) in by_level {
        let first = traces[0];
        if let Some(other) = traces.iter().find(|trace| !trace.sampled_as(&first)) {
            return Err(two_axes(title, level, &first, other));
        }
        let traces: Vec<&[f32]> = traces.iter().filter_map(|t| samples(t.recording)).map(Vec::as_slice).collect();
        if !traces.is_empty() {
            let made = TracesAtLevel::summarise(level, [first.t0_ms, first.step_ms], &traces, summary);
            all.extend(match choice.window_ms {
                Some(window) => made.within(window),
                None => Some(made),
            });
        }
    }
    Ok(all)
}

fn two_axes(title: &str, level: Option<f64>, a: &Trace, b: &Trace) -> Error {
    let axis = |t: &Trace| format!("{} Hz from {} ms", (1e6 / t.step_ms).round() / 1e3, t.t0_ms);
    let level = level.map_or("one level".to_string(), |db| format!("{db} dB"));
    let whose = if title.is_empty() { String::new() } else { format!("{title}: ") };
    let problem = format!("{whose}traces of {level} were sampled at different times: {} and {}", axis(a), axis(b));
    Error::usage(problem, "abr-film data prepare gives recordings one sample rate and window; or choose a --subject")
}

fn empty_window(usable: &[Usable], [from_ms, to_ms]: [f64; 2]) -> Error {
    let traces = || usable.iter().flat_map(|usable| &usable.traces);
    let end = |trace: &Trace| trace.t0_ms + trace.step_ms * (trace.recording.samples.len() as f64 - 1.0);
    let from = traces().map(|trace| trace.t0_ms).fold(f64::INFINITY, f64::min);
    let to = traces().map(end).fold(f64::NEG_INFINITY, f64::max);
    let problem = format!("nothing was recorded between {from_ms} and {to_ms} ms after stimulus onset");
    Error::usage(problem, format!("choose a window within {from:.3} to {to:.3} ms"))
}

#[cfg(test)]
mod tests;
