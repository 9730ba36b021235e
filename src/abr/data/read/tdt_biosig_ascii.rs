//! TDT BioSig ASCII export: groups of records.
//!
//! ```text
//! ABR Group Header  ==================================
//!     Group Number: 1
//!          Records: 8
//!       Subject ID: …
//!    (Reference #1, Reference #2, Memo, times)
//! ----------------------------------------------------
//!
//!    Record Number: 103
//!    Aqu. Duration: 14.9914 ms
//!      Onset Delay: 0 ms
//!       No. Points: 366
//!     No. Averages: 2
//!    No. Artifacts: 0
//!        Variables:
//!                   Freq = 32000 Hz
//!                   Level = 90 dB
//! 9.78509e-007                              No. Points lines, in volts
//! …
//! ```
//!
//! A `Freq` of 0 is a click; a word is a stimulus without a frequency (`Noise`).
//!
//! The sample rate is points over duration. The duration has only six digits, so a rate of TDT's processors (25 MHz
//! over a power of two) within 1e-5 replaces the quotient. With an onset delay of 0, the first sample is at the
//! stimulus onset. The meaning of any other delay is not documented, so the time stays unknown.
//!
//! Groups of other responses are skipped; a file with only such groups holds no ABRs. A group is of another response if
//! its first line names another kind (`DPOAE Group Header`), if its references or memo name another response (and not
//! ABRs as well), if any other header line except the subject's name does (such as the stimulus file), or if a variable
//! is a parameter of two tones.

use super::vocabulary::{self, Stimulus};
use super::{Format, ReadFn, ReadOutcome, Recording, SourceFile, tdt, text};
use crate::config::Unit;
use crate::error::Result;

pub const FORMAT: Format = Format {
    name: "TDT BioSig ASCII export",
    extensions: &["txt"],
    companions: &[],
    about: "groups of records in volts; emissions (DPOAE) are refused",
    detect,
    read: ReadFn::Whole(read),
    samples: &["biosig.txt"],
};

/// Whether the beginning of a file fits the format.
fn detect(head: &[u8]) -> bool {
    let head = text::decode(head);
    head.split(['\n', '\r']).next().is_some_and(|first| first.contains(" Group Header  ==="))
}

/// Reads a file's recordings.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the line that violates the layout above, and if the number of
/// samples or records differs from the header's.
pub(super) fn read(source: &SourceFile) -> Result<ReadOutcome> {
    let text = text::decode(source.bytes());
    let (group, collected) = Default::default();
    let mut reader = Reader { source, group, record: None, collected };
    let mut last = 0;
    for (number, line) in text::lines(&text) {
        let line = line.trim();
        if let Some((kind, _)) = line.split_once(" Group Header  ===") {
            reader.end_group()?;
            let not_abr = || format!("line {number}: a group of {}, not of ABRs", text::excerpt(kind));
            reader.group.other = (kind != "ABR").then(not_abr);
        } else if reader.group.other.is_some() {
            reader.group.read += usize::from(line.starts_with("Record Number"));
        } else if let Some((key, value)) = line.split_once(':') {
            reader.header(number, key.trim(), value.trim())?;
        } else if let Some((name, value)) = line.split_once('=') {
            reader.variable(number, name.trim(), value.trim())?;
        } else if !line.is_empty() && !line.starts_with("---") {
            reader.sample(number, line)?;
        }
        last = number;
    }
    reader.end_group()?;
    if reader.collected.is_empty() {
        return Err(source.line(last, "the file ends before the first record"));
    }
    Ok(reader.collected.finish())
}

struct Reader<'a> {
    source: &'a SourceFile,
    group: BioSigGroup<'a>,
    record: Option<BioSigRecord>,
    collected: tdt::CollectedGroups,
}

#[derive(Default)]
struct BioSigGroup<'a> {
    number: String,
    /// The number of records in its header, and the line that states it.
    records: Option<(f64, usize)>,
    read: usize,
    subject: String,
    ear: Option<&'a str>,
    /// Why its records are no ABRs; `None` if they are.
    other: Option<String>,
    recordings: Vec<Recording>,
    delays_ms: Vec<f64>,
}

struct BioSigRecord {
    line: usize,
    duration_ms: f64,
    delay_ms: Option<f64>,
    points: Option<f64>,
    recording: Recording,
}

impl Reader<'_> {
    fn header(&mut self, line: usize, key: &str, value: &str) -> Result<()> {
        let response = match key {
            "Subject ID" => None,
            "Reference #1" | "Reference #2" | "Memo" => vocabulary::other_response_in_note(value),
            _ => vocabulary::other_response(value),
        };
        if let Some(response) = response {
            self.group.other = Some(format!("line {line}: `{}` names {response}", text::excerpt(value)));
        }
        match key {
            "Record Number" => {
                self.end_record()?;
                let mut recording = Recording::new(Vec::new());
                recording.add_column("record", format_args!("g{}-{value}", self.group.number));
                self.record =
                    Some(BioSigRecord { line, duration_ms: f64::NAN, delay_ms: None, points: None, recording });
            }
            "Group Number" => self.group.number = value.to_string(),
            "Records" => self.group.records = Some((text::number(self.source, line, "`Records`", value)?, line)),
            "Subject ID" => self.group.subject = value.to_string(),
            "Reference #1" | "Reference #2" | "Memo" => self.group.ear = self.group.ear.or(tdt::ear(value)),
            _ => {}
        }
        let Some(record) = &mut self.record else { return Ok(()) };
        let plain = value.trim_end_matches("ms");
        match key {
            "Aqu. Duration" => record.duration_ms = text::positive(self.source, line, "`Aqu. Duration`", plain)?,
            "Onset Delay" => record.delay_ms = Some(text::number(self.source, line, "`Onset Delay`", plain)?),
            "No. Points" => record.points = Some(text::positive(self.source, line, "`No. Points`", value)?),
            "No. Averages" => record.recording.add_column("n_averages", text::tidy(value)),
            "No. Artifacts" => record.recording.add_column("n_artifacts", text::tidy(value)),
            _ => {}
        }
        Ok(())
    }

    fn variable(&mut self, line: usize, name: &str, value: &str) -> Result<()> {
        let Some(record) = &mut self.record else { return Ok(()) };
        let name = name.to_lowercase();
        match name.as_str() {
            _ if tdt::is_one_of_two_tones(&name) => {
                self.group.other = Some(format!("line {line}: the variable `{name}` belongs to {}", vocabulary::DPOAE));
            }
            "freq" | "frequency" => {
                if let Some(stimulus) =
                    Stimulus::parse(self.source, line, "`Freq`", value, vocabulary::FrequencyUnit::Hz)?
                {
                    stimulus.add_to(&mut record.recording);
                }
            }
            "level" => {
                let number = value.split(' ').next().unwrap_or_default();
                record.recording.add_column("level_db", text::number(self.source, line, "`Level`", number)?);
            }
            _ => {}
        }
        Ok(())
    }

    fn sample(&mut self, line: usize, text: &str) -> Result<()> {
        let volts = 1e6;
        let sample = text::sample(self.source, line, text, volts)?;
        match &mut self.record {
            Some(record) => record.recording.samples.push(sample),
            None => return Err(self.source.line(line, "there is a sample before the first record")),
        }
        Ok(())
    }

    fn end_record(&mut self) -> Result<()> {
        let Some(BioSigRecord { line, duration_ms, delay_ms, points, mut recording }) = self.record.take() else {
            return Ok(());
        };
        let found = recording.samples.len();
        if points != Some(found as f64) {
            let stated = points.map_or("no `No. Points`".to_string(), |points| format!("`No. Points` {points}"));
            return Err(self.source.line(line, format!("the record has {found} samples, but its header {stated}")));
        }
        recording.unit = Some(Unit::Volt);
        if !duration_ms.is_nan() {
            recording.sample_rate_hz = Some(tdt::sample_rate_hz(found as f64 / duration_ms * 1e3));
        }
        match delay_ms {
            Some(0.0) => recording.t0_ms = Some(0.0),
            Some(other) => self.group.delays_ms.push(other),
            None => {}
        }
        if let Some(ear) = self.group.ear {
            recording.add_column("ear", ear);
        }
        recording.subject.clone_from(&self.group.subject);
        self.group.read += 1;
        self.group.recordings.push(recording);
        Ok(())
    }

    /// Finishes the current group and begins another.
    fn end_group(&mut self) -> Result<()> {
        if self.group.other.is_some() {
            // the reader skips everything after the line that names the other response
            self.group.read += usize::from(self.record.take().is_some());
        }
        self.end_record()?;
        let group = std::mem::take(&mut self.group);
        match (group.records, group.other) {
            (Some((promised, line)), None) if promised != group.read as f64 => {
                let problem = format!("the group should have {promised} records, but {} follow", group.read);
                return Err(self.source.line(line, problem));
            }
            (_, Some(reason)) => self.collected.leave_out(group.read, reason),
            (_, None) => self.collected.add(group.recordings, group.delays_ms),
        }
        Ok(())
    }
}
