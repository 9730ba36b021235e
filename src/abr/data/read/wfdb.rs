//! PhysioNet WFDB records: a text header (`.hea`) and files of samples (`.dat`) beside it.
//!
//! | header line | fields, separated by blanks (`[…]`: may be left out, with all after it) |
//! | --- | --- |
//! | record: the first line that is no `#` comment | name, number of signals, `[frequency]`, `[samples]`, `[time]`, `[date]` |
//! | one line per signal | file, format, gain, `[resolution]`, `[zero]`, `[first value]`, `[checksum]`, `[block size]`, `[name]` |
//!
//! | field | its parts, without blanks; all but the first may be left out |
//! | --- | --- |
//! | name | `name/segments` |
//! | frequency | `20000/1000(0)`: sampling frequency (250 Hz without the field), counter frequency, base counter |
//! | format | `16x1:0+8`: format, samples per frame, skew, bytes before the first sample, in this order |
//! | gain | `200(0)/uV`: converter steps per unit, baseline, unit |
//!
//! | format | samples of a file's signals in turns, two's complement, little-endian |
//! | --- | --- |
//! | 16, 24, 32 | 2, 3, 4 bytes; the most negative number is a missing sample |
//!
//! A sample is `(number - baseline) / gain` units; the default unit is mV, and the default baseline is the zero. A
//! negative gain inverts the trace. Each signal with a voltage unit becomes a recording, with its name as `channel`;
//! others are skipped with a notice. First values and checksums (sums modulo 65536) are checked unless they are 0.
//!
//! The samples must lie in the header's folder: a link out of it is refused. No more is read than the header says.
//!
//! The reader refuses, with a remedy: records of several segments, other formats, several samples per frame, skewed
//! signals, signals without a gain (uncalibrated), and missing samples. The header does not describe the stimulus, so
//! onset and level stay unknown.

use super::{Format, ReadFn, ReadOutcome, Recording, SourceFile, text, units};
use crate::config::Unit;
use crate::data::recording::Gain;
use crate::error::{Error, Result};
use crate::files::WHOLE_BYTES;

/// The most signals in a record of evoked responses.
const MOST_SIGNALS: usize = 1000;

/// The remedy for unsupported records.
const CONVERT: &str = "write it again in format 16, 24 or 32, with the wfdb package: wfdb.wrsamp(…, fmt=[\"16\"])";

pub const FORMAT: Format = Format {
    name: "PhysioNet WFDB header, formats 16, 24 and 32",
    extensions: &["hea"],
    companions: &["*.dat"],
    about: "each signal in volts is a recording; records of several segments are refused",
    detect,
    read: ReadFn::Whole(read),
    samples: &["evoked24.hea"],
};

/// Whether the beginning of a file fits the format.
fn detect(head: &[u8]) -> bool {
    let head = text::decode(head);
    let mut lines = content(&head).map(|(_, line)| line.split_whitespace());
    let Some(mut record) = lines.next() else { return false };
    let counted = record.nth(1).is_some_and(|signals| signals.parse::<u32>().is_ok());
    let timed = record.next().is_none_or(|rate| rate.starts_with(|c: char| c.is_ascii_digit()));
    // a table with two columns of numbers begins in the same way
    let sampled =
        lines.next().and_then(|mut signal| signal.next()).is_some_and(|file| file.to_lowercase().ends_with(".dat"));
    counted && timed && sampled
}

/// The names of the sample files in a header, as far as it can be parsed.
pub(super) fn sample_files(header: &[u8]) -> Vec<String> {
    let text = text::decode(header);
    content(&text).skip(1).filter_map(|(_, line)| Some(line.split_whitespace().next()?.to_string())).collect()
}

/// The lines that are neither empty nor comments.
fn content(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text::lines(text).filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
}

/// Reads a record's signals.
///
/// # Errors
/// [`Error::Input`] with the file and the line or byte that violates the layout above, [`Error::Io`] for a file that
/// cannot be read.
fn read(source: &SourceFile) -> Result<ReadOutcome> {
    let text = text::decode(source.bytes());
    let header = WfdbHeader::parse(source, &text)?;
    if header.signals.is_empty() {
        return Ok(ReadOutcome::NotAbr("a record without signals".to_string()));
    }
    let (mut recordings, mut other) = (Vec::new(), Vec::new());
    for together in header.signals.chunk_by(|a, b| a.file == b.file) {
        let Some(data) = source.beside(&together[0].file, header.bytes_of(together))? else {
            let problem = format!("there is no file `{}` beside it, with the samples", together[0].file);
            return Err(source.error(
                format_args!("line {}", together[0].line),
                problem,
                "keep .hea and .dat together",
            ));
        };
        for (column, signal) in together.iter().enumerate() {
            match signal.unit {
                Some(unit) => recordings.push(header.recording(&data, together, column, unit)?),
                None => other.push(format!("`{}` in {}", signal.name, signal.units)),
            }
        }
    }
    let other =
        (!other.is_empty()).then(|| format!("signals that are no voltages were left out: {}", other.join(", ")));
    match (recordings.is_empty(), other) {
        (true, Some(reason)) => Ok(ReadOutcome::NotAbr(reason)),
        (_, other) => Ok(ReadOutcome::Recordings { recordings, subject: None, notices: other.into_iter().collect() }),
    }
}

struct WfdbHeader {
    record: String,
    sample_rate_hz: f64,
    /// Samples per signal; `None`: as many as the file has.
    samples: Option<usize>,
    signals: Vec<Signal>,
}

#[derive(Default)]
struct Signal {
    line: usize,
    file: String,
    bytes: usize,
    offset: usize,
    gain: f64,
    baseline: f64,
    units: String,
    /// `None` if it is not a voltage.
    unit: Option<Unit>,
    first: i64,
    checksum: i64,
    name: String,
}

impl WfdbHeader {
    fn parse(source: &SourceFile, text: &str) -> Result<WfdbHeader> {
        let mut lines = content(text);
        let Some((number, line)) = lines.next() else {
            return Err(source.line(1, "the file ends before the line that names the record"));
        };
        let mut fields = line.split_whitespace();
        let record = fields.next().unwrap_or_default();
        if let Some((_, segments)) = record.split_once('/') {
            let problem = format!("this is a record of {segments} segments, which is not read");
            let remedy = "name the headers of the segments themselves, or join them with the wfdb package: \
                          wfdb.rdrecord, wfdb.wrsamp";
            return Err(source.error(format_args!("line {number}"), problem, remedy));
        }
        let count = fields.next().and_then(|count| count.parse::<usize>().ok());
        let Some(count) = count else {
            return Err(source.line(number, "the record's name should be followed by its number of signals"));
        };
        if count > MOST_SIGNALS {
            return Err(source.line(number, format!("there are more than {MOST_SIGNALS} signals")));
        }
        let rate = fields.next().and_then(|rate| rate.split(['/', '(']).next());
        let sample_rate_hz =
            rate.map_or(Ok(250.0), |rate| text::positive(source, number, "the sampling frequency", rate))?;
        let samples = match fields.next() {
            None | Some("0") => None,
            Some(samples) => Some(samples.parse().map_err(|_| {
                let problem = format!("the number of samples should be one, but is `{}`", text::excerpt(samples));
                source.line(number, problem)
            })?),
        };
        let signals: Vec<Signal> =
            lines.take(count).map(|(number, line)| Signal::parse(source, number, line)).collect::<Result<_>>()?;
        if signals.len() < count {
            let problem = format!("the record should have {count} signals, but {} lines follow", signals.len());
            return Err(source.line(number, problem));
        }
        let header = WfdbHeader { record: record.to_string(), sample_rate_hz, samples, signals };
        header.check_files(source)?;
        Ok(header)
    }

    /// Checks that the signals of one file are adjacent and share a format.
    fn check_files(&self, source: &SourceFile) -> Result<()> {
        let mut seen = std::collections::BTreeSet::new();
        for together in self.signals.chunk_by(|a, b| a.file == b.file) {
            let first = &together[0];
            if !seen.insert(&first.file) {
                let problem = format!("the signals of `{}` should follow each other", first.file);
                return Err(source.line(first.line, problem));
            }
            if let Some(other) = together.iter().find(|s| (s.bytes, s.offset) != (first.bytes, first.offset)) {
                let problem = format!("the signals of `{}` should have one format and offset", first.file);
                return Err(source.line(other.line, problem));
            }
        }
        Ok(())
    }

    /// The bytes of the signals that share a file; `None`: all that it has.
    fn bytes_of(&self, together: &[Signal]) -> Option<u64> {
        let frame = together.len() * together[0].bytes;
        let bytes = self.samples?.saturating_mul(frame).saturating_add(together[0].offset);
        Some((bytes as u64).min(WHOLE_BYTES))
    }

    /// Reads one of the signals that share a file.
    fn recording(&self, data: &SourceFile, together: &[Signal], column: usize, unit: Unit) -> Result<Recording> {
        let (signal, frame) = (&together[column], together.len() * together[column].bytes);
        let there = data.bytes().len().saturating_sub(signal.offset) / frame;
        let frames = self.samples.unwrap_or(there);
        if frames > there {
            let problem = format!("the file ends after {there} of {frames} samples of {} signals", together.len());
            return Err(data.byte(data.bytes().len(), problem));
        }
        let (mut samples, mut sum) = (Vec::with_capacity(frames), 0_i64);
        for i in 0..frames {
            let at = signal.offset + i * frame + column * signal.bytes;
            let value = integer(&data.bytes()[at..at + signal.bytes]);
            if i == 0 && signal.first != 0 && signal.first != value {
                return Err(data.byte(at, format!("the first value should be {}, but is {value}", signal.first)));
            }
            sum += value;
            let uv = (value as f64 - signal.baseline) / signal.gain * unit.microvolts();
            if value == -1 << (8 * signal.bytes - 1) {
                let remedy = "cut the record to where all samples are there, or leave it out";
                return Err(data.error(format_args!("byte {at}"), "a sample is missing", remedy));
            }
            samples.push(uv as f32);
        }
        if signal.checksum != 0 && (sum - signal.checksum) % 65536 != 0 {
            let problem = format!(
                "the samples of `{}` add up to {} instead of {}",
                signal.name,
                sum.rem_euclid(65536),
                signal.checksum.rem_euclid(65536)
            );
            return Err(data.byte(signal.offset, problem));
        }
        if samples.is_empty() {
            return Err(data.byte(0, "there is no sample"));
        }
        let mut recording = Recording::new(samples);
        recording.sample_rate_hz = Some(self.sample_rate_hz);
        recording.unit = Some(unit);
        recording.gain = Some(Gain { value: signal.gain, divides: true });
        recording.add_column("channel", &signal.name);
        recording.add_column("record", &self.record);
        Ok(recording)
    }
}

/// Decodes a little-endian two's-complement number.
fn integer(bytes: &[u8]) -> i64 {
    let unsigned = bytes.iter().rev().fold(0_i64, |value, &byte| value << 8 | i64::from(byte));
    let unused = 64 - 8 * bytes.len();
    unsigned << unused >> unused
}

impl Signal {
    fn parse(source: &SourceFile, line: usize, text: &str) -> Result<Signal> {
        let unread = |problem: String| -> Error { source.error(format_args!("line {line}"), problem, CONVERT) };
        let mut fields = text.split_whitespace();
        let file = fields.next().unwrap_or_default();
        // only files beside the header: no `../`, no folders, no standard input
        if file.contains(['/', '\\', ':']) || ["", ".", "..", "-", "~"].contains(&file) {
            return Err(unread(format!("`{}` is no name of a file beside the header", text::excerpt(file))));
        }
        let mut signal = Signal { line, file: file.to_string(), ..Signal::default() };
        signal.set_format(fields.next().unwrap_or_default(), &unread)?;
        signal.set_gain(fields.next().unwrap_or_default(), &unread)?;
        let explicit = signal.baseline;
        let mut integer = |what: &str| match fields.next() {
            None => Ok(0),
            Some(field) => field.parse::<i64>().map_err(|_| {
                source.line(line, format!("{what} should be a number, but is `{}`", text::excerpt(field)))
            }),
        };
        integer("the resolution")?;
        let zero = integer("the zero")?;
        signal.first = integer("the first value")?;
        signal.checksum = integer("the checksum")?;
        integer("the block size")?;
        signal.baseline = if explicit.is_nan() { zero as f64 } else { explicit };
        signal.name = fields.collect::<Vec<_>>().join(" ");
        Ok(signal)
    }

    /// Parses `16`, `24+512` or `16x1:0+8`. Refuses several samples per frame (`x2`) and skew (`:3`).
    fn set_format(&mut self, field: &str, unread: &dyn Fn(String) -> Error) -> Result<()> {
        let wrong = || unread(format!("the format should be as 16 or 16x1:0+8, but is `{}`", text::excerpt(field)));
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (format, mut rest) = field.split_at(digits(field));
        // in this order, each optional and with its mark
        let mut part = |mark: char, left_out: usize| {
            let Some(after) = rest.strip_prefix(mark) else { return Ok(left_out) };
            let (number, after) = after.split_at(digits(after));
            rest = after;
            number.parse().map_err(|_| wrong())
        };
        let (per_frame, skew, offset) = (part('x', 1)?, part(':', 0)?, part('+', 0)?);
        if !rest.is_empty() || offset > isize::MAX as usize {
            return Err(wrong());
        }
        if per_frame != 1 {
            return Err(unread(format!("{per_frame} samples per frame ({}) are not read", text::excerpt(field))));
        }
        if skew != 0 {
            return Err(unread(format!("a skewed signal ({}) is not read", text::excerpt(field))));
        }
        self.offset = offset;
        self.bytes = match format {
            "16" => 2,
            "24" => 3,
            "32" => 4,
            "" => return Err(wrong()),
            other => return Err(unread(format!("format {other} is not read"))),
        };
        Ok(())
    }

    /// Parses `200` or `1024(0)/uV`. An absent baseline becomes NaN.
    fn set_gain(&mut self, field: &str, unread: &dyn Fn(String) -> Error) -> Result<()> {
        let not_calibrated = || unread("the signal is not calibrated: it has no gain".to_string());
        if field.is_empty() {
            return Err(not_calibrated());
        }
        let (field, units) = field.split_once('/').unwrap_or((field, "mV"));
        let (gain, baseline) = field.split_once('(').unwrap_or((field, "NaN)"));
        let parsed = (gain.parse::<f64>(), baseline.trim_end_matches(')').parse::<f64>());
        let (Ok(gain), Ok(baseline)) = parsed else {
            return Err(unread(format!("the gain should be as 200(0)/mV, but is `{}`", text::excerpt(field))));
        };
        if gain == 0.0 || !gain.is_finite() || baseline.is_infinite() {
            return Err(not_calibrated());
        }
        self.unit = units::parse(units);
        (self.gain, self.baseline, self.units) = (gain, baseline, units.to_string());
        Ok(())
    }
}
