//! The level series of a subject: what a threshold is read from.

use crate::data::read::Recording;
use crate::error::{Error, Result, nearest};
use std::collections::{BTreeMap, BTreeSet};

/// One subject's traces by level, a panel for each ear, channel and frequency.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelSeries {
    pub subject: String,
    pub panels: Vec<Panel>,
}

/// Traces that differ in level alone, as far as the columns say.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// `16000 Hz, R`
    pub title: String,
    /// In rising order of level.
    pub traces: Vec<Trace>,
}

/// One trace on its time axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    pub level_db: f64,
    /// (ms after stimulus onset, µV)
    pub points: Vec<(f64, f64)>,
}

/// The level series of the named subject, else of the first with the most levels.
///
/// # Errors
/// No such subject (with the nearest name), or no trace of it whose level, sample rate and first time are known.
pub fn level_series(recordings: &[Recording], subject: Option<&str>) -> Result<LevelSeries> {
    let subject = match subject {
        Some(name) => known(recordings, name)?,
        None => most_levels(recordings).ok_or_else(|| nothing_to_draw("any recording"))?,
    };
    let mut panels: BTreeMap<String, Vec<Trace>> = BTreeMap::new();
    for recording in recordings.iter().filter(|r| r.subject == subject) {
        if let Some(trace) = trace(recording) {
            panels.entry(title(recording)).or_default().push(trace);
        }
    }
    for traces in panels.values_mut() {
        traces.sort_by(|a, b| a.level_db.total_cmp(&b.level_db));
    }
    let mut panels: Vec<Panel> = panels.into_iter().map(|(title, traces)| Panel { title, traces }).collect();
    // by the number that a title begins with: 8000 Hz before 16000 Hz
    let hertz = |panel: &Panel| panel.title.split(' ').next().and_then(|hz| hz.parse::<f64>().ok()).unwrap_or(0.0);
    panels.sort_by(|a, b| hertz(a).total_cmp(&hertz(b)));
    match panels.is_empty() {
        true => Err(nothing_to_draw(&subject)),
        false => Ok(LevelSeries { subject, panels }),
    }
}

fn nothing_to_draw(whose: &str) -> Error {
    Error::usage(
        format!("no level series of {whose}: level_db, the sample rate or the time of the first sample is not known"),
        "import the recordings with --sample-rate-hz and --t0-ms, and name the levels in a column level_db",
    )
}

fn known(recordings: &[Recording], name: &str) -> Result<String> {
    let subjects: BTreeSet<&str> = recordings.iter().map(|r| r.subject.as_str()).collect();
    if subjects.contains(name) {
        return Ok(name.to_string());
    }
    let near = nearest(name, subjects.iter().copied()).map_or(String::new(), |near| format!("did you mean {near}? "));
    let some: Vec<&str> = subjects.into_iter().take(20).collect();
    Err(Error::usage(format!("no subject {name}"), format!("{near}the subjects are {}", some.join(", "))))
}

fn most_levels(recordings: &[Recording]) -> Option<String> {
    let mut levels: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for recording in recordings {
        let level = trace(recording).map(|trace| trace.level_db.to_bits());
        levels.entry(&recording.subject).or_default().extend(level);
    }
    let most = levels.values().map(BTreeSet::len).max().filter(|&n| n > 0)?;
    levels.into_iter().find(|(_, levels)| levels.len() == most).map(|(subject, _)| subject.to_string())
}

fn title(recording: &Recording) -> String {
    let frequency = recording.column("frequency_hz").map(|f| match f.parse::<f64>() {
        Ok(hz) => format!("{hz} Hz"),
        Err(_) => f.to_string(),
    });
    let ear = recording.column("ear").map(|ear| format!("ear {ear}"));
    let channel = recording.column("channel").map(|channel| format!("channel {channel}"));
    [frequency, ear, channel].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn trace(recording: &Recording) -> Option<Trace> {
    let level_db = recording.column("level_db")?.parse().ok().filter(|level: &f64| level.is_finite())?;
    let (step_ms, t0_ms) = (1000.0 / recording.sample_rate_hz?, recording.t0_ms?);
    let at = |i: usize| t0_ms + i as f64 * step_ms;
    let points = recording.samples.iter().enumerate().filter(|(_, v)| v.is_finite());
    Some(Trace { level_db, points: points.map(|(i, v)| (at(i), f64::from(*v))).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(subject: &str, level: &str, ear: &str) -> Recording {
        let mut recording = Recording::new(vec![1.0, f32::NAN, 3.0]);
        recording.subject = subject.to_string();
        (recording.sample_rate_hz, recording.t0_ms) = (Some(2000.0), Some(-0.5));
        recording.columns = vec![("level_db".into(), level.into()), ("ear".into(), ear.into())];
        recording
    }

    #[test]
    fn the_subject_with_the_most_levels_is_drawn_a_panel_an_ear() {
        let all = [("a", "20", "L"), ("b", "80", "L"), ("b", "20", "L"), ("b", "60", "R"), ("b", "?", "R")];
        let all = all.map(|(subject, level, ear)| recording(subject, level, ear));
        let series = level_series(&all, None).unwrap();
        assert_eq!(series.subject, "b");
        let [left, right] = &series.panels[..] else { panic!("{series:?}") };
        assert_eq!((left.title.as_str(), right.title.as_str()), ("ear L", "ear R"));
        assert_eq!(left.traces.iter().map(|t| t.level_db).collect::<Vec<_>>(), [20.0, 80.0]);
        assert_eq!(right.traces[0].points, [(-0.5, 1.0), (0.5, 3.0)]);
        let message = level_series(&all, Some("c")).unwrap_err().to_string();
        assert!(message.contains("the subjects are a, b"), "{message}");
        assert!(level_series(&[Recording::new(vec![1.0])], None).is_err());
    }
}
