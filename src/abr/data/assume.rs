//! What the user states about recordings, in place of their files: unit, gain, sampling, subject. Also checks whether
//! the unit of a whole set looks wrong.

use super::prepare::preparation_of;
use super::read::{self, MAX_SAMPLE_UV, Notices, Recordings};
use super::recording::{FILE_SUBJECT, Faulty, Recording};
use crate::config::{DataConfig, SAMPLE_RATES_HZ, T0_RANGE_MS, Unit};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Values for all recordings of a set, which override those in their files. A notice reports each override.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Assumptions {
    pub sample_rate_hz: Option<f64>,
    /// Time of the first sample relative to the stimulus onset.
    pub t0_ms: Option<f64>,
    /// The unit of the samples in the files.
    pub unit: Option<Unit>,
    /// Amplification: samples are divided by it.
    pub gain: Option<f64>,
    /// The subject.
    pub subject: Option<String>,
    /// The column with the subject.
    pub subject_column: Option<String>,
    /// Stimulus of recordings whose files do not state it: a frequency in Hz, or `click`.
    pub frequency_hz: Option<String>,
}

impl Assumptions {
    /// The values of a configuration, without its time axis: a file that contradicts the configuration's time axis is
    /// an error.
    pub fn of(config: &DataConfig) -> Assumptions {
        let subject_column = config.names_subject_column().then(|| config.subject_column.clone());
        Assumptions { unit: config.unit, gain: config.gain, subject_column, ..Assumptions::default() }
    }

    /// Applies the values to a set. Its notices report what was replaced and what looks wrong.
    pub fn apply(self, recordings: Recordings) -> Recordings {
        let (source, uniform, notices) = (recordings.source.clone(), recordings.uniform, recordings.notices.clone());
        let (replaced, amplitudes) = (BTreeMap::new(), Amplitudes::default());
        let (assumptions, own_notices) = (self, notices.clone());
        let assumed =
            Assumed { recordings, assumptions, notices: own_notices, replaced, prepared: 0, amplitudes, labels: 0 };
        Recordings::new(&source, uniform, notices, Box::new(assumed))
    }
}

struct Assumed {
    recordings: Recordings,
    assumptions: Assumptions,
    notices: Notices,
    /// For each key: how many values were replaced, the first of them, and the replacement.
    replaced: BTreeMap<&'static str, (usize, String, String)>,
    /// Prepared rows, whose unit and gain stay unchanged.
    prepared: usize,
    amplitudes: Amplitudes,
    /// Labels without a unit that were read in the given unit.
    labels: usize,
}

impl Iterator for Assumed {
    type Item = Result<Recording, Faulty>;

    fn next(&mut self) -> Option<Result<Recording, Faulty>> {
        match self.recordings.next_row() {
            Some(Ok(mut recording)) => {
                self.change(&mut recording);
                self.amplitudes.add(&recording.samples);
                Some(self.check(recording))
            }
            Some(Err(Faulty { error, column, recording: Some(mut recording) })) => {
                self.change(&mut recording);
                Some(Err(Faulty { error, column, recording: Some(recording) }))
            }
            None => {
                self.finish();
                None
            }
            unreadable => unreadable,
        }
    }
}

impl Assumed {
    fn change(&mut self, recording: &mut Recording) {
        let Assumptions { sample_rate_hz, t0_ms, unit, gain, subject, subject_column, frequency_hz } =
            &self.assumptions;
        let mut replaced = |key: &'static str, stated: Option<String>, given: String| {
            if let Some(stated) = stated.filter(|stated| *stated != given) {
                self.replaced.entry(key).or_insert((0, stated, given)).0 += 1;
            }
        };
        if let Some(given) = *sample_rate_hz {
            replaced("sample_rate_hz", recording.sample_rate_hz.map(|v| v.to_string()), given.to_string());
            recording.sample_rate_hz = Some(given);
        }
        if let Some(given) = *t0_ms {
            replaced("t0_ms", recording.t0_ms.map(|v| v.to_string()), given.to_string());
            recording.t0_ms = Some(given);
        }
        if let Some(column) = subject_column {
            // a missing subject is no error here: the split decides whether it needs one
            let cell = recording.cell(column).or_else(|| recording.cell(&read::own_name(column)));
            let mut given = cell.map(std::borrow::Cow::into_owned);
            given.iter_mut().for_each(read::tidy_subject);
            match given {
                // the reader has already found the subject by the column's name
                None if !recording.subject_guessed && read::names_subject(column) => {}
                None => recording.subject = String::new(),
                Some(given) => {
                    let stated = std::mem::replace(&mut recording.subject, given);
                    if !stated.is_empty() && !recording.subject_guessed && stated != recording.subject {
                        recording.set_column(FILE_SUBJECT, stated);
                    }
                }
            }
            recording.subject_guessed = false;
        }
        if let Some(given) = subject {
            recording.subject.clone_from(given);
            recording.subject_guessed = false;
        }
        if let Some(stimulus) = frequency_hz
            && recording.column("frequency_hz").is_none()
        {
            recording.set_column("frequency_hz", stimulus);
        }
        // prepared rows are in µV
        if preparation_of(recording).is_some() {
            self.prepared += usize::from(unit.is_some() || gain.is_some());
            return;
        }
        let mut factor = 1.0;
        if let Some(given) = *unit {
            replaced("unit", recording.unit.map(|unit| unit.to_string()), given.to_string());
            factor *= given.microvolts() / recording.unit.map_or(1.0, Unit::microvolts);
            let labels = recording.peaks.iter_mut().zip(recording.unitless);
            let labels = labels.filter(|(label, unitless)| *unitless && !label.is_nan());
            self.labels += labels.map(|(label, _)| *label = (f64::from(*label) * factor) as f32).count();
        }
        if let Some(given) = *gain {
            replaced("gain", recording.gain.map(|gain| gain.value.to_string()), given.to_string());
            factor *= recording.gain.map_or(1.0 / given, |stated| stated.replacement(given));
        }
        recording.scale(factor);
    }

    /// Refuses a recording with impossible values.
    fn check(&self, recording: Recording) -> Result<Recording, Faulty> {
        let Err((column, problem, remedy)) = possible(&recording) else { return Ok(recording) };
        let error = recording.error(&self.recordings.source, &column, problem, remedy);
        // the recording is readable, so a filter may still drop it
        Err(Faulty { error: Box::new(error), column: None, recording: Some(Box::new(recording)) })
    }

    fn finish(&mut self) {
        for (key, (rows, stated, given)) in std::mem::take(&mut self.replaced) {
            self.notices
                .push(format!("{key}: {rows} recordings state another value (the first: {stated}); {given} is used"));
        }
        if self.prepared > 0 {
            self.notices.push(format!(
                "{} rows were prepared already, and are in µV: --unit and --gain (data.unit, data.gain) do not change \
                 them",
                self.prepared
            ));
        }
        if let (Some(unit), 1..) = (self.assumptions.unit, self.labels) {
            let labels = self.labels;
            self.notices
                .push(format!("{labels} wave amplitudes state no unit: they were read in {unit}, like the samples"));
        }
        if let Some(notice) = self.amplitudes.notice() {
            self.notices.push(notice);
        }
    }
}

/// Checks that the values of a recording are possible; if not, returns the column, the problem and the remedy.
fn possible(recording: &Recording) -> Result<(), (String, String, &'static str)> {
    let is_outside = |value: Option<f64>, range: RangeInclusive<f64>| value.filter(|value| !range.contains(value));
    if let Some(rate) = is_outside(recording.sample_rate_hz, SAMPLE_RATES_HZ) {
        let problem = format!("{rate:?} Hz is no sample rate of evoked responses, which are from 1 to 1000 kHz");
        let remedy =
            "check its unit (a sampling period is in µs) and correct it, or give the right one with --sample-rate-hz";
        return Err(("sample_rate_hz".into(), problem, remedy));
    }
    if let Some(t0_ms) = is_outside(recording.t0_ms, T0_RANGE_MS) {
        let problem = format!("the first sample cannot be at {t0_ms:?} ms, more than 10 s from the stimulus onset");
        return Err(("t0_ms".into(), problem, "correct it, or give the right one with --t0-ms"));
    }
    if is_rounded(&recording.subject) {
        let problem =
            format!("a spreadsheet has rounded `{}`, so that several subjects may have this name", recording.subject);
        return Err(("subject_id".into(), problem, "export the names as text"));
    }
    let truth = recording.ground_truth.iter().flat_map(|truth| truth.samples.iter().enumerate());
    let truth = truth.map(|(i, sample)| ("truth_s", i, sample));
    let samples = recording.samples.iter().enumerate().map(|(i, sample)| ("s", i, sample));
    let too_large = |(_, _, sample): &(&str, usize, &f32)| f64::from(sample.abs()) > MAX_SAMPLE_UV;
    let Some((name, i, sample)) = samples.chain(truth).find(too_large) else { return Ok(()) };
    let problem = format!("a sample of {sample:e} µV (more than 1000 V) is impossible");
    let remedy = "check the unit and the gain: --unit and --gain (data.unit, data.gain) replace what the file states";
    Err((format!("{name}{i}"), problem, remedy))
}

/// Whether a name is a number that a spreadsheet or pandas has rounded: `2.02304E+16`.
fn is_rounded(name: &str) -> bool {
    name.split_once(['e', 'E']).is_some_and(|(digits, exponent)| {
        let exponent = exponent.strip_prefix('+').unwrap_or_default();
        digits.parse::<f64>().is_ok() && !exponent.is_empty() && exponent.bytes().all(|b| b.is_ascii_digit())
    })
}

/// The lowest and the highest sample, ignoring NaN.
pub(super) fn extremes(samples: &[f32]) -> Option<(f32, f32)> {
    let start = (f32::INFINITY, f32::NEG_INFINITY);
    let (low, high) = samples.iter().fold(start, |(low, high), &v| (low.min(v), high.max(v)));
    (low <= high).then_some((low, high))
}

/// Amplitude statistics of a set, to detect a wrong unit.
#[derive(Debug, Default)]
pub struct Amplitudes {
    largest: f32,
    /// The peak-to-peak amplitude of each trace.
    peak_to_peak: Vec<f32>,
    /// The number of traces whose samples are all whole numbers.
    whole: usize,
}

/// The largest sample of an averaged response is above this, in µV.
const SMALLEST_UV: f32 = 1e-3;
/// Below this, in µV, the unit is volts rather than millivolts.
const SMALLEST_MILLIVOLTS: f32 = 2e-5;
/// The peak-to-peak amplitude of an averaged response is below this, in µV, even with a drift.
const LARGEST_UV: f32 = 100.0;

impl Amplitudes {
    /// Adds a trace to the statistics.
    pub fn add(&mut self, samples: &[f32]) {
        let Some((low, high)) = extremes(samples) else { return };
        self.largest = self.largest.max(low.abs()).max(high.abs());
        self.peak_to_peak.push(high - low);
        let steps = samples.len() >= 16 && high > low && samples.iter().all(|v| v.fract() == 0.0);
        self.whole += usize::from(steps);
    }

    /// A notice if the unit looks wrong.
    pub fn notice(&mut self) -> Option<String> {
        let rows = self.peak_to_peak.len();
        if rows == 0 || self.largest == 0.0 {
            return None;
        }
        let (_, median, _) = self.peak_to_peak.select_nth_unstable_by(rows / 2, f32::total_cmp);
        let (largest, median) = (self.largest, *median);
        if largest < SMALLEST_UV {
            let unit = if largest < SMALLEST_MILLIVOLTS { "volts (V)" } else { "millivolts (mV)" };
            let flag = &unit[unit.len() - 3..].trim_matches(['(', ')', ' ']);
            return Some(format!(
                "the largest sample is {largest:e} µV: the samples look like {unit}; if so, set --unit {flag} \
                 (data.unit)"
            ));
        }
        if self.whole == rows {
            return Some(
                "all samples are whole numbers: they look like steps of a converter; if so, give the steps per \
                 microvolt with --gain (data.gain)"
                    .to_string(),
            );
        }
        (median > LARGEST_UV).then(|| {
            format!(
                "half of the traces range over {median} µV or more: the samples look like nanovolts (nV) or like steps \
                 of a converter; if so, set --unit nV (data.unit) or --gain (data.gain)"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::recording::GroundTruth;

    fn notice(traces: &[&[f32]]) -> Option<String> {
        let mut amplitudes = Amplitudes::default();
        traces.iter().for_each(|trace| amplitudes.add(trace));
        amplitudes.notice()
    }

    #[test]
    fn what_no_recording_can_be_is_refused_after_the_unit_is_known() {
        let assumed = |recording: Recording, unit: Option<Unit>| {
            let rows = Box::new(std::iter::once(Ok(recording)));
            let set = Recordings::new("x.npz", true, Notices::default(), rows);
            Assumptions { unit, ..Assumptions::default() }.apply(set).next_row().unwrap()
        };
        for sample in [2e9, f32::INFINITY, f32::NEG_INFINITY] {
            let error = assumed(Recording::new(vec![1.0, sample]), None).unwrap_err().error.to_string();
            assert!(error.contains("column `s1`") && error.contains("more than 1000 V"), "{error}");
        }
        assert_eq!(assumed(Recording::new(vec![1.0, 2e9]), Some(Unit::Nanovolt)).unwrap().samples, [1e-3, 2e6]);
        assert!(assumed(Recording::new(vec![1.0, f32::NAN]), None).unwrap().samples[1].is_nan());
        let truth = Box::new(GroundTruth { samples: vec![3e9, 1.0], latencies_ms: [f32::NAN; 7] });
        let simulated = Recording { ground_truth: Some(truth), ..Recording::new(vec![1.0, 2.0]) };
        let error = assumed(simulated, None).unwrap_err().error.to_string();
        assert!(error.contains("column `truth_s0`"), "{error}");
    }

    #[test]
    fn impossible_times_and_rounded_names_are_refused_unless_they_are_replaced() {
        let row = |rate: f64, t0: f64| {
            let mut recording = Recording::new(vec![1.0, 2.0]);
            (recording.sample_rate_hz, recording.t0_ms) = (Some(rate), Some(t0));
            recording
        };
        let read = |recording: Recording, given: Assumptions| {
            let rows = Box::new(std::iter::once(Ok(recording)));
            let row = given.apply(Recordings::new("x.csv", true, Notices::default(), rows)).next_row().unwrap();
            row.map_err(|faulty| faulty.error.to_string())
        };
        for (rate, t0, column) in [
            (1e300, 0.0, "sample_rate_hz"),
            (1.0 / 0.04096e-6, 0.0, "sample_rate_hz"),
            (20.0, 0.0, "sample_rate_hz"),
            (20_000.0, 1e300, "t0_ms"),
            (20_000.0, -10_001.0, "t0_ms"),
        ] {
            let error = read(row(rate, t0), Assumptions::default()).unwrap_err();
            assert!(error.contains(&format!("x.csv: row 1, column `{column}`: ")), "{error}");
            let given = Assumptions { sample_rate_hz: Some(2e4), t0_ms: Some(-1.5), ..Assumptions::default() };
            let read = read(row(rate, t0), given).unwrap();
            assert_eq!((read.sample_rate_hz, read.t0_ms), (Some(2e4), Some(-1.5)));
        }
        for (rate, t0) in [(1e3, -1e4), (1e6, 1e4)] {
            assert!(read(row(rate, t0), Assumptions::default()).is_ok());
        }
        for (name, rounded) in
            [("2.02304E+16", true), ("2e+05", true), ("2e5", false), ("A1E+2", false), ("E+1", false)]
        {
            let named = Recording { subject: name.into(), ..row(2e4, 0.0) };
            assert_eq!(
                read(named, Assumptions::default()).is_err_and(|e| e.contains("`subject_id`")),
                rounded,
                "{name}"
            );
        }
    }

    #[test]
    fn amplitudes_without_a_unit_have_that_of_the_samples() {
        let (samples, cells): (String, String) = (1..=16).map(|i| (format!(",{i}"), format!(",{i}00"))).unzip();
        let names = "Patient,Wave V latency,Wave V amplitude,Wave III amplitude (uV),peak_i_uv";
        let text = format!("{names}{samples}\nP1,5.6,500,0.4,0.3{cells}\nP2,,,,{cells}\n");
        let read = |unit| {
            let set = crate::data::read::open_bytes("t.csv", text.clone().into()).unwrap();
            let mut set = Assumptions { unit, ..Assumptions::default() }.apply(set);
            let first = set.next_row().unwrap().unwrap();
            assert!(set.next_row().unwrap().unwrap().peaks[5].is_nan() && set.next_row().is_none());
            (first.samples[2], format!("{:?}", first.peaks), set.notices.take())
        };
        let (sample, peaks, notices) = read(Some(Unit::Nanovolt));
        assert_eq!((sample, peaks.as_str()), (0.3, "[NaN, NaN, 5.6, 0.3, 0.4, 0.5]"));
        let expected = "1 wave amplitudes state no unit: they were read in nV, like the samples";
        assert!(notices.iter().any(|notice| notice == expected), "{notices:?}");
        assert_eq!(read(None).1, "[NaN, NaN, 5.6, 0.3, 0.4, 500.0]");
    }

    #[test]
    fn a_wrong_unit_shows_in_the_amplitudes() {
        let warns = |traces: &[&[f32]], word: &str| assert!(notice(traces).unwrap().contains(word), "{traces:?}");
        warns(&[&[4e-7, -3e-7]], "volts (V); if so, set --unit V");
        warns(&[&[4e-4, -3e-4]], "millivolts (mV); if so, set --unit mV");
        warns(&[&[4e3, -3e3], &[1e3, 0.5], &[2e3, 0.5]], "nanovolts");
        // 0.4 µV written in nV; then 30 µV on a drift of twice that, written in µV
        warns(&[&[250.5, -150.0]], "nanovolts");
        assert_eq!(notice(&[&[60.5, -30.0]]), None);
        let steps: Vec<f32> = (0..16).map(|i| (i * i % 7) as f32).collect();
        warns(&[&steps], "steps of a converter");
        assert_eq!(notice(&[&[0.1, -0.2], &[0.3, 0.0]]), None);
        // one bad trace does not make the unit wrong
        assert_eq!(notice(&[&[0.1, -0.2], &[0.3, 0.0], &[5e3, 0.5]]), None);
        assert_eq!((notice(&[]), notice(&[&[0.0; 20]]), notice(&[&steps, &[0.5; 20]])), (None, None, None));
    }
}
