//! Chooses the subjects whose traces a picture shows.

use super::TraceSource;
use super::recordings::{RecordingSet, SeriesSelection};
use super::trace::Trace;
use crate::data::Recording;
use crate::error::{Error, Result};
use crate::text::nearest;
use std::collections::{BTreeMap, BTreeSet};

/// The subjects of one set that the picture shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    /// Empty means all.
    subjects: Vec<String>,
    /// Whether each subject has its own panels.
    pub apart: bool,
    /// The subject's name, if another layer of the panel shows somebody else.
    named: Option<String>,
    /// For messages.
    pub whose: String,
}

impl Chosen {
    fn only(subjects: Vec<String>) -> Chosen {
        Chosen { whose: subjects.join(", "), subjects, apart: true, named: None }
    }

    fn all(traces: &[Trace]) -> Chosen {
        let subjects: BTreeSet<&str> = traces.iter().map(|trace| trace.recording.subject.as_str()).collect();
        // a single subject needs no pooling
        let apart = subjects.len() == 1;
        let whose = match subjects.iter().next() {
            Some(&"") if apart => "one subject without a name".to_string(),
            Some(one) if apart => one.to_string(),
            _ => format!("{} subjects together", subjects.len()),
        };
        Chosen { subjects: Vec::new(), apart, named: None, whose }
    }

    pub fn takes(&self, recording: &Recording) -> bool {
        self.subjects.is_empty() || self.subjects.contains(&recording.subject)
    }

    pub fn layer_name(&self, set: &str) -> String {
        self.named.as_ref().map_or(set.to_string(), |who| format!("{set}, {who}"))
    }
}

/// The subjects to show of each set: those that the user names, else the first subject with the most levels (the same
/// one in every set that has it). Generated traces beside others are pooled, because their subjects are not real
/// people; so is a set in which no subject has two levels.
pub(super) fn choose(sets: &[(&RecordingSet, &[Trace])], choice: &SeriesSelection) -> Result<Vec<Chosen>> {
    let mut chosen = if choice.pool {
        sets.iter().map(|(_, traces)| Chosen::all(traces)).collect()
    } else if !choice.subjects.is_empty() {
        known(sets, &choice.subjects)?;
        sets.iter().map(|(set, traces)| named(set, traces, &choice.subjects)).collect::<Result<Vec<_>>>()?
    } else {
        with_most_levels(sets)
    };
    tell_apart(&mut chosen);
    Ok(chosen)
}

fn with_most_levels(sets: &[(&RecordingSet, &[Trace])]) -> Vec<Chosen> {
    let alone = sets.iter().all(|(set, _)| set.source == TraceSource::Generated);
    let listeners = |set: &RecordingSet| alone || set.source != TraceSource::Generated;
    let mut first: Option<String> = None;
    let mut chosen: Vec<Chosen> = Vec::new();
    for (set, traces) in sets {
        let levels = levels_by_subject(traces);
        let same = first.clone().filter(|name| levels.get(name.as_str()).is_some_and(|levels| levels.len() > 1));
        let own = same.or_else(|| most_levels(&levels)).filter(|_| listeners(set));
        first = first.or(own.clone());
        chosen.push(own.map_or_else(|| Chosen::all(traces), |name| Chosen::only(vec![name])));
    }
    chosen
}

/// If each set shows one subject and these differ, they share panels, and the layers' names include the subject.
fn tell_apart(chosen: &mut [Chosen]) {
    let single = || chosen.iter().filter(|chosen| chosen.apart);
    let names: BTreeSet<&str> = single().map(|chosen| chosen.whose.as_str()).collect();
    if names.len() > 1 && single().all(|chosen| chosen.subjects.len() < 2) {
        for chosen in chosen.iter_mut().filter(|chosen| chosen.apart) {
            (chosen.apart, chosen.named) = (false, Some(chosen.whose.clone()));
        }
    }
}

fn named(set: &RecordingSet, traces: &[Trace], wanted: &[String]) -> Result<Chosen> {
    let has = |name: &&String| set.recordings.iter().any(|r| r.subject == **name);
    let own: Vec<String> = wanted.iter().filter(has).cloned().collect();
    match own.is_empty() {
        false => Ok(Chosen::only(own)),
        true if set.source == TraceSource::Generated => Ok(Chosen::all(traces)),
        true => {
            let problem = format!("{} has no subject {}", set.name, wanted.join(", "));
            Err(Error::usage(problem, "name a subject of each table with --subject, or use --pool"))
        }
    }
}

fn known(sets: &[(&RecordingSet, &[Trace])], wanted: &[String]) -> Result<()> {
    let subjects: BTreeSet<&str> =
        sets.iter().flat_map(|(set, _)| set.recordings).map(|r| r.subject.as_str()).collect();
    let Some(name) = wanted.iter().find(|name| !subjects.contains(name.as_str())) else { return Ok(()) };
    let near = nearest(name, subjects.iter().copied()).map_or(String::new(), |near| format!("did you mean {near}? "));
    let some: Vec<&str> = subjects.into_iter().filter(|name| !name.is_empty()).take(20).collect();
    let remedy = match some.is_empty() {
        true => "no subject has a name here: leave --subject out".to_string(),
        false => format!("{near}the subjects are {}", some.join(", ")),
    };
    Err(Error::usage(format!("no subject {name}"), remedy))
}

fn levels_by_subject<'a>(traces: &[Trace<'a>]) -> BTreeMap<&'a str, BTreeSet<u64>> {
    let mut levels: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for trace in traces {
        let own = levels.entry(trace.recording.subject.as_str()).or_default();
        own.extend(trace.level_db.map(f64::to_bits));
    }
    levels
}

fn most_levels(levels: &BTreeMap<&str, BTreeSet<u64>>) -> Option<String> {
    let most = levels.values().map(BTreeSet::len).max().filter(|&n| n > 1)?;
    levels.iter().find(|(_, levels)| levels.len() == most).map(|(subject, _)| subject.to_string())
}
