//! The level series of a subject: what a threshold is read from.

use crate::data::Recording;
use crate::error::{Error, Result, nearest};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// Rates and times within which an axis can be drawn; no recorder has others.
const RATES_HZ: RangeInclusive<f64> = 1.0..=1e9;
const TIMES_MS: RangeInclusive<f64> = -1e6..=1e6;

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
/// No such subject (with the nearest name), or no trace of it that can be drawn, with what is missing alone.
pub fn level_series(recordings: &[Recording], subject: Option<&str>) -> Result<LevelSeries> {
    let subject = match subject {
        Some(name) => known(recordings, name)?,
        None => most_levels(recordings).ok_or_else(|| nothing_to_draw("any subject", recordings.iter()))?,
    };
    let own = || recordings.iter().filter(|r| r.subject == subject);
    let mut panels: BTreeMap<String, Vec<Trace>> = BTreeMap::new();
    for recording in own() {
        if let Ok(trace) = trace(recording) {
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
        true => Err(nothing_to_draw(&subject, own())),
        false => Ok(LevelSeries { subject, panels }),
    }
}

/// What keeps a trace from being drawn, and what to do.
struct Lack {
    problem: String,
    remedy: &'static str,
}

/// What the recording that lacks least still lacks.
fn nothing_to_draw<'a>(whose: &str, recordings: impl Iterator<Item = &'a Recording>) -> Error {
    let lacks = recordings.filter_map(|recording| trace(recording).err()).min_by_key(Vec::len).unwrap_or_default();
    let problems: Vec<&str> = lacks.iter().map(|lack| lack.problem.as_str()).collect();
    let remedies: Vec<&str> = lacks.iter().map(|lack| lack.remedy).collect();
    Error::usage(format!("no level series of {whose}: {}", problems.join(", and ")), remedies.join("; "))
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
        let level = trace(recording).ok().map(|trace| trace.level_db.to_bits());
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

fn trace(recording: &Recording) -> Result<Trace, Vec<Lack>> {
    let (level, rate, t0) = (level_db(recording), sample_rate_hz(recording), t0_ms(recording));
    let (level_db, rate, t0_ms) = match (level, rate, t0) {
        (Ok(level), Ok(rate), Ok(t0)) => (level, rate, t0),
        (level, rate, t0) => return Err([level.err(), rate.err(), t0.err()].into_iter().flatten().collect()),
    };
    let at = |i: usize| t0_ms + i as f64 * 1000.0 / rate;
    let points = recording.samples.iter().enumerate().filter(|(_, v)| v.is_finite());
    let points: Vec<(f64, f64)> = points.map(|(i, v)| (at(i), f64::from(*v))).collect();
    match points.is_empty() {
        true => Err(vec![Lack { problem: "all samples are missing".into(), remedy: "fill the samples in" }]),
        false => Ok(Trace { level_db, points }),
    }
}

fn level_db(recording: &Recording) -> Result<f64, Lack> {
    let remedy = "give the level in dB in a column level_db";
    let Some(cell) = recording.column("level_db") else {
        return Err(Lack { problem: "the level is not known".into(), remedy });
    };
    let number = cell.parse().ok().filter(|level: &f64| level.is_finite());
    number.ok_or_else(|| Lack { problem: format!("the level is \"{cell}\", which is not a number"), remedy })
}

fn sample_rate_hz(recording: &Recording) -> Result<f64, Lack> {
    let remedy = "give --sample-rate-hz, or --config with data.sample_rate_hz";
    within(&RATES_HZ, recording.sample_rate_hz, "sample rate", "Hz", remedy)
}

fn t0_ms(recording: &Recording) -> Result<f64, Lack> {
    let remedy = "give --t0-ms 0 if the first sample is at the stimulus onset, or --config with data.t0_ms";
    within(&TIMES_MS, recording.t0_ms, "time of the first sample", "ms", remedy)
}

fn within(
    range: &RangeInclusive<f64>,
    value: Option<f64>,
    what: &str,
    unit: &str,
    remedy: &'static str,
) -> Result<f64, Lack> {
    match value {
        Some(value) if range.contains(&value) => Ok(value),
        Some(value) => Err(Lack { problem: format!("the {what} cannot be {value} {unit}"), remedy }),
        None => Err(Lack { problem: format!("the {what} is not known"), remedy }),
    }
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
    fn the_subject_with_the_most_levels_is_drawn_with_one_panel_per_ear() {
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
    }

    #[test]
    fn what_is_missing_is_named_alone() {
        let changed = |change: fn(&mut Recording)| {
            let mut recording = recording("a", "20", "L");
            change(&mut recording);
            recording
        };
        let no_level = changed(|r| r.columns.clear());
        let no_rate = changed(|r| r.sample_rate_hz = None);
        let no_time = changed(|r| r.t0_ms = None);
        let neither = changed(|r| (r.sample_rate_hz, r.t0_ms) = (None, None));
        let message = |recordings: &[Recording]| level_series(recordings, None).unwrap_err().to_string();
        for (recordings, wanted) in [
            (
                vec![neither.clone(), no_time],
                "the time of the first sample is not known\n  help: give --t0-ms 0 if the first sample is at the \
                 stimulus onset, or --config with data.t0_ms",
            ),
            (
                vec![no_rate],
                "the sample rate is not known\n  help: give --sample-rate-hz, or --config with data.sample_rate_hz",
            ),
            (vec![no_level], "the level is not known\n  help: give the level in dB in a column level_db"),
            (
                vec![neither],
                "the sample rate is not known, and the time of the first sample is not known\n  help: give \
                 --sample-rate-hz, or --config with data.sample_rate_hz; give --t0-ms 0 if the first sample is at the \
                 stimulus onset, or --config with data.t0_ms",
            ),
        ] {
            assert_eq!(message(&recordings), format!("no level series of any subject: {wanted}"));
        }
        let refused = |recording: Recording, part: &str| {
            let message = message(&[recording]);
            assert!(message.contains(part), "{part:?} is not in: {message}");
        };
        refused(changed(|r| r.columns[0].1 = "loud".into()), "the level is \"loud\", which is not a number");
        refused(changed(|r| r.samples.fill(f32::NAN)), "all samples are missing");
        for rate in [0.0, -20_000.0, f64::NAN, f64::INFINITY, 1e-300] {
            let mut recording = recording("a", "20", "L");
            recording.sample_rate_hz = Some(rate);
            refused(recording, &format!("the sample rate cannot be {rate} Hz\n  help: give --sample-rate-hz"));
        }
        refused(changed(|r| r.t0_ms = Some(1e17)), "the time of the first sample cannot be 100000000000000000 ms");
    }
}
