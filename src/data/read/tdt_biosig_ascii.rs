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
//! The sample rate is points over duration; as the duration has six digits, a rate of TDT's processors (25 MHz over a power of
//! two) within 1e-5 of it is meant. With an onset delay of 0 the first sample is at the stimulus onset; for any other, how the
//! two lie is not documented, and the time stays unknown.

use super::{Format, ReadFn, Reading, Recording, Source, tdt, text};
use crate::error::Result;

pub const FORMAT: Format = Format {
    name: "TDT BioSig ASCII export",
    extensions: &["txt"],
    companions: &[],
    about: "groups of records in volts; emissions (DPOAE) are refused",
    detect: recognise,
    read: ReadFn::Whole(read),
    samples: &["biosig.txt"],
};

/// Whether a file begins so.
fn recognise(head: &[u8]) -> bool {
    let head = text::decode(head);
    head.split(['\n', '\r']).next().is_some_and(|first| first.contains(" Group Header  ==="))
}

/// Reads a file's recordings.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the line that is not as above, and if there are more or fewer samples or
/// records than said.
fn read(source: &Source) -> Result<Reading> {
    let text = text::decode(source.bytes());
    let mut reader =
        Reader { source, group: Group::default(), record: None, recordings: Vec::new(), delays: Vec::new() };
    let mut last = 0;
    for (number, line) in text::lines(&text) {
        let line = line.trim();
        if let Some((kind, _)) = line.split_once(" Group Header  ===") {
            if kind != "ABR" {
                return Ok(Reading::NotAbr(format!("line {number}: a group of {}, not of ABRs", text::excerpt(kind))));
            }
            reader.end_group()?;
            reader.group = Group::default();
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
    if reader.recordings.is_empty() {
        return Err(source.line(last, "the file ends before the first record"));
    }
    let notices = reader.delays.first().map(|&delay| tdt::delay_notice(reader.delays.len(), delay));
    Ok(Reading::Recordings { recordings: reader.recordings, subject: None, notices: notices.into_iter().collect() })
}

struct Reader<'a> {
    source: &'a Source,
    group: Group<'a>,
    record: Option<Record>,
    recordings: Vec<Recording>,
    /// The onset delays that are not 0, in ms.
    delays: Vec<f64>,
}

#[derive(Default)]
struct Group<'a> {
    number: String,
    /// How many records it says to have, and in which line.
    records: Option<(f64, usize)>,
    read: usize,
    subject: String,
    ear: Option<&'a str>,
}

struct Record {
    line: usize,
    duration_ms: f64,
    delay_ms: Option<f64>,
    points: Option<f64>,
    recording: Recording,
}

impl Reader<'_> {
    fn header(&mut self, line: usize, key: &str, value: &str) -> Result<()> {
        match key {
            "Record Number" => {
                self.end_record()?;
                let mut recording = Recording::new(Vec::new());
                recording.say("record", format_args!("g{}-{value}", self.group.number));
                self.record = Some(Record { line, duration_ms: f64::NAN, delay_ms: None, points: None, recording });
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
            "No. Averages" => record.recording.say("n_averages", text::tidy(value)),
            "No. Artifacts" => record.recording.say("n_artifacts", text::tidy(value)),
            _ => {}
        }
        Ok(())
    }

    fn variable(&mut self, line: usize, name: &str, value: &str) -> Result<()> {
        let Some(record) = &mut self.record else { return Ok(()) };
        let (number, unit) = value.split_once(' ').unwrap_or((value, ""));
        match name.to_lowercase().as_str() {
            "freq" | "frequency" => {
                let value = text::number(self.source, line, "`Freq`", number)?;
                let khz = unit.trim().eq_ignore_ascii_case("khz");
                record.recording.say("frequency_hz", if khz { text::hz_from_khz(value) } else { value });
            }
            "level" => record.recording.say("level_db", text::number(self.source, line, "`Level`", number)?),
            _ => {}
        }
        Ok(())
    }

    fn sample(&mut self, line: usize, text: &str) -> Result<()> {
        let volts = 1e6;
        let sample = text::sample(self.source, line, text, volts)?;
        match &mut self.record {
            Some(record) => record.recording.samples.push(sample),
            None => return Err(self.source.line(line, "a sample stands before the first record")),
        }
        Ok(())
    }

    fn end_record(&mut self) -> Result<()> {
        let Some(Record { line, duration_ms, delay_ms, points, mut recording }) = self.record.take() else {
            return Ok(());
        };
        let found = recording.samples.len();
        if points != Some(found as f64) {
            let said = points.map_or("no `No. Points`".to_string(), |points| format!("`No. Points` {points}"));
            return Err(self.source.line(line, format!("the record has {found} samples, but its header {said}")));
        }
        if !duration_ms.is_nan() {
            recording.sample_rate_hz = Some(tdt::sample_rate_hz(found as f64 / duration_ms * 1e3));
        }
        match delay_ms {
            Some(0.0) => recording.t0_ms = Some(0.0),
            Some(other) => self.delays.push(other),
            None => {}
        }
        if let Some(ear) = self.group.ear {
            recording.say("ear", ear);
        }
        recording.subject.clone_from(&self.group.subject);
        self.group.read += 1;
        self.recordings.push(recording);
        Ok(())
    }

    fn end_group(&mut self) -> Result<()> {
        self.end_record()?;
        match self.group.records {
            Some((said, line)) if said != self.group.read as f64 => {
                let problem = format!("the group should have {said} records, but {} follow", self.group.read);
                Err(self.source.line(line, problem))
            }
            _ => Ok(()),
        }
    }
}
