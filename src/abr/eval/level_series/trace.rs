//! Checks which recordings can be drawn, and what the others lack.

use crate::data::Recording;
use crate::error::Error;
use std::ops::RangeInclusive;

/// The range of sample rates for which an axis can be drawn; no recorder has others.
const RATES_HZ: RangeInclusive<f64> = 1.0..=1e9;
const TIMES_MS: RangeInclusive<f64> = -1e6..=1e6;

/// A recording with everything that drawing it by level requires.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace<'a> {
    pub recording: &'a Recording,
    /// In dB; `None` only if no level is required.
    pub level_db: Option<f64>,
    pub t0_ms: f64,
    pub step_ms: f64,
}

/// Why a trace cannot be drawn, and the remedy.
#[derive(Debug)]
pub(super) struct Lack {
    pub problem: String,
    remedy: &'static str,
}

impl<'a> Trace<'a> {
    /// A trace to draw; `leveled` says whether it needs a level.
    pub fn of(recording: &'a Recording, leveled: bool) -> Result<Trace<'a>, Vec<Lack>> {
        let level = if leveled { level_db(recording).map(Some) } else { Ok(level_db(recording).ok()) };
        let (level_db, rate, t0_ms) = match (level, sample_rate_hz(recording), t0_ms(recording)) {
            (Ok(level), Ok(rate), Ok(t0)) => (level, rate, t0),
            (level, rate, t0) => return Err([level.err(), rate.err(), t0.err()].into_iter().flatten().collect()),
        };
        if !recording.samples.iter().any(|v| v.is_finite()) {
            return Err(vec![Lack { problem: "all samples are missing".into(), remedy: "fill the samples in" }]);
        }
        Ok(Trace { recording, level_db, t0_ms, step_ms: 1000.0 / rate })
    }

    /// Whether two traces have the same sample times, to a tenth of a step.
    pub fn sampled_as(&self, other: &Trace) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() <= 0.1 * self.step_ms;
        let last = self.recording.samples.len().min(other.recording.samples.len()).saturating_sub(1) as f64;
        near(self.t0_ms, other.t0_ms) && near(last * self.step_ms, last * other.step_ms)
    }
}

/// The error if no recording can be drawn: what the most complete one still lacks.
pub(super) fn nothing_to_draw<'a>(whose: &str, lacks: impl Iterator<Item = &'a Vec<Lack>>) -> Error {
    let lacks = lacks.min_by_key(|lacks| lacks.len()).map_or(&[][..], Vec::as_slice);
    let problems: Vec<&str> = lacks.iter().map(|lack| lack.problem.as_str()).collect();
    let remedies: Vec<&str> = lacks.iter().map(|lack| lack.remedy).collect();
    match lacks.is_empty() {
        true => Error::usage(format!("no level series of {whose}: there is no recording"), "name a table with rows"),
        false => Error::usage(format!("no level series of {whose}: {}", problems.join(", and ")), remedies.join("; ")),
    }
}

fn level_db(recording: &Recording) -> Result<f64, Lack> {
    let remedy = "give the level in dB in a column level_db";
    let Some(cell) = recording.column("level_db") else {
        return Err(Lack { problem: "the level is not known".into(), remedy });
    };
    let number = cell.parse().ok().filter(|level: &f64| level.is_finite());
    // −0 and 0 are the same level
    let number = number.map(|level| level + 0.0);
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
