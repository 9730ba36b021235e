//! TDT BioSigRZ and BioSigRP record files (`.arf`), little-endian and without padding.
//!
//! | bytes | file header |
//! | --- | --- |
//! | 2, 2, 2 | type, number of groups, number of records |
//! | 200 × 4, 2000 × 4, 4 | offsets of the groups, of the records, of the end |
//!
//! | bytes RZ (RP) | group header |
//! | --- | --- |
//! | 2, 2, 2 | number, first record, number of records |
//! | 16, 16, 16, 50 | subject, reference 1, reference 2, memo |
//! | 8, 8 (4, 4) | begin, end |
//! | 100, 100 | files of the stimulus |
//! | 10 × 15, 10 × 5 | names and units of the variables |
//! | 4, 4, 2, 4, 92 | sampling period in µs, and unused fields |
//!
//! | bytes RZ (RP) | record, straight after its group's header or the record before |
//! | --- | --- |
//! | 2, 2, 8 (4), 2, 2 | number, group, time of the group, new group, stimulus index |
//! | 1, 1, 2 | channel, type, number of points |
//! | 4, 4, 4 | onset delay in ms, duration in ms, sampling period in µs |
//! | 4, 4, 2, 2, 2 | artefact threshold, gain, coupling, averages, artefacts |
//! | 8, 8 (4, 4) | begin, end |
//! | 10 × 4 | the variables |
//! | 10 × 36 | cursors: position, value, text of 20, four numbers of 2 |
//! | points × 4 | samples |
//!
//! The distance from a group to its first record, 626 or 618 bytes, shows which of the two programs wrote the file. A
//! sample times the gain is in volts: the recorder does not document this, but with it the noise has a plausible
//! amplitude. With an onset delay of 0, the first sample is at the stimulus onset. The meaning of any other delay is
//! not documented, so the time stays unknown.
//!
//! Groups of other responses have the same layout and are skipped; a file with only such groups holds no ABRs. A group
//! is of another response if its references or memo name one (and not ABRs as well), if its stimulus files or variables
//! name one or the two tones of distortion products, if cursors mark these tones, or if the number of points does not
//! match the duration: then the trace is a spectrum. The subject's name does not count: the same animal may have
//! several kinds of recordings.

use super::bytes::Cursor;
use super::{Format, ReadFn, ReadOutcome, Recording, SourceFile, tdt, text, vocabulary};
use crate::config::Unit;
use crate::data::recording::Gain;
use crate::error::Result;

const GROUPS: usize = 200;
const RECORDS: usize = 2000;
/// Bytes of the file header.
const HEADER: usize = 6 + 4 * (GROUPS + RECORDS) + 4;
const VARIABLES: usize = 10;
const CURSORS: usize = 10;

pub const FORMAT: Format = Format {
    name: "TDT BioSigRZ and BioSigRP `.arf`",
    extensions: &["arf"],
    companions: &[],
    about: "samples times their gain are in volts; emissions (DPOAE) are refused",
    detect,
    read: ReadFn::Whole(read),
    samples: &["rz.arf", "rp.arf"],
};

/// The program that wrote the file. The two differ in the width of times.
#[derive(Clone, Copy, PartialEq)]
enum BioSigProgram {
    BioSigRz,
    BioSigRp,
}

impl BioSigProgram {
    fn time_bytes(self) -> usize {
        match self {
            BioSigProgram::BioSigRz => 8,
            BioSigProgram::BioSigRp => 4,
        }
    }

    fn group_bytes(self) -> usize {
        610 + 2 * self.time_bytes()
    }
}

/// Whether the beginning of a file fits the format.
fn detect(head: &[u8]) -> bool {
    let Some(header) = head.get(..HEADER) else { return false };
    let short = |at: usize| i16::from_le_bytes([header[at], header[at + 1]]);
    let first = i32::from_le_bytes([header[6], header[7], header[8], header[9]]);
    let counts = (1..=GROUPS as i16).contains(&short(2)) && short(4) >= 0;
    counts && (HEADER as i32..=HEADER as i32 + 16).contains(&first)
}

/// Reads a file's recordings.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the byte that violates the layout above.
pub(super) fn read(source: &SourceFile) -> Result<ReadOutcome> {
    let mut cursor = Cursor::new(source, 2);
    let groups = cursor.i16("the number of groups")?;
    if !(1..=GROUPS as i16).contains(&groups) {
        return Err(source.byte(2, format!("there should be 1 to {GROUPS} groups, but there are {groups}")));
    }
    cursor.at += 2;
    let places = offsets(&mut cursor, GROUPS, "the offsets of the groups")?;
    let records = offsets(&mut cursor, RECORDS, "the offsets of the records")?;
    let program = program(source, &places[..groups as usize], &records)?;
    let mut collected = tdt::CollectedGroups::default();
    for &place in &places[..groups as usize] {
        let mut cursor = Cursor::new(source, place);
        let group = ArfGroup::read(&mut cursor, program)?;
        let records = (0..group.records).map(|_| ArfRecord::read(&mut cursor, program)).collect::<Result<Vec<_>>>()?;
        let by_group = group.not_abr().map(|reason| (place, reason));
        let by_record = || records.iter().find_map(|record| Some((record.at, record.not_abr()?)));
        if let Some((at, reason)) = by_group.or_else(by_record) {
            collected.leave_out(records.len(), format!("byte {at}: {reason}"));
            continue;
        }
        let recordings = records.iter().map(|record| recording(source, &group, record)).collect::<Result<_>>()?;
        collected.add(recordings, records.iter().map(|record| decimal(record.delay_ms)).collect());
    }
    Ok(collected.finish())
}

/// Reads a table of offsets; negative numbers become 0.
fn offsets(cursor: &mut Cursor, count: usize, what: &str) -> Result<Vec<usize>> {
    let bytes = cursor.take(4 * count, what)?;
    let offset = |four: &[u8]| i32::from_le_bytes([four[0], four[1], four[2], four[3]]).try_into().unwrap_or(0);
    Ok(bytes.chunks_exact(4).map(offset).collect())
}

/// Detects the program from the distance between groups and records.
fn program(source: &SourceFile, groups: &[usize], records: &[usize]) -> Result<BioSigProgram> {
    for program in [BioSigProgram::BioSigRz, BioSigProgram::BioSigRp] {
        if groups.iter().any(|group| records.contains(&(group + program.group_bytes()))) {
            return Ok(program);
        }
    }
    let problem = "no group has its first record 626 (BioSigRZ) or 618 (BioSigRP) bytes after it";
    Err(source.byte(6 + 4 * GROUPS, problem))
}

struct ArfGroup {
    number: i16,
    records: i16,
    subject: String,
    /// The references and the memo.
    notes: [String; 3],
    /// The files of both channels.
    stimulus: String,
    /// Names in lower case, and units.
    variables: [(String, String); VARIABLES],
}

impl ArfGroup {
    fn read(cursor: &mut Cursor, program: BioSigProgram) -> Result<ArfGroup> {
        let what = "a group's header";
        let number = cursor.i16(what)?;
        cursor.i16(what)?;
        let records = cursor.i16(what)?;
        let subject = cursor.text(16, what)?;
        let notes = [cursor.text(16, what)?, cursor.text(16, what)?, cursor.text(50, what)?];
        cursor.take(2 * program.time_bytes(), what)?;
        let stimulus = [cursor.text(100, what)?, cursor.text(100, what)?].join(" ");
        let mut variables: [(String, String); VARIABLES] = Default::default();
        for (name, _) in &mut variables {
            *name = cursor.text(15, what)?.to_lowercase();
        }
        for (_, unit) in &mut variables {
            *unit = cursor.text(5, what)?;
        }
        cursor.take(4 + 4 + 2 + 4 + 92, what)?;
        Ok(ArfGroup { number, records, subject, notes, stimulus, variables })
    }

    fn ear(&self) -> Option<&'static str> {
        self.notes.iter().find_map(|note| tdt::ear(note)).or(tdt::ear(&self.subject))
    }

    /// Why these records are no ABRs, if the group's header shows it.
    fn not_abr(&self) -> Option<String> {
        if let Some(response) = vocabulary::other_response(&self.stimulus) {
            return Some(format!("the stimulus `{}` is one for {response}", self.stimulus.trim()));
        }
        for note in &self.notes {
            if let Some(response) = vocabulary::other_response_in_note(note) {
                return Some(format!("`{note}` names {response}"));
            }
        }
        let response = |name: &str| {
            vocabulary::other_response(name).or(tdt::is_one_of_two_tones(name).then_some(vocabulary::DPOAE))
        };
        let found = self.variables.iter().find_map(|(name, _)| Some((name, response(name)?)));
        found.map(|(name, response)| format!("the variable `{name}` belongs to {response}"))
    }
}

struct ArfRecord<'a> {
    /// Its offset in the file.
    at: usize,
    number: i16,
    channel: u8,
    delay_ms: f32,
    duration_ms: f32,
    period_us: f32,
    gain: f32,
    averages: i16,
    artifacts: i16,
    variables: [f32; VARIABLES],
    /// The text of the first cursor that marks a tone of an otoacoustic emission.
    emission: Option<String>,
    samples: &'a [u8],
}

impl<'a> ArfRecord<'a> {
    fn read(cursor: &mut Cursor<'a>, program: BioSigProgram) -> Result<ArfRecord<'a>> {
        let (at, what) = (cursor.at, "a record's header");
        let number = cursor.i16(what)?;
        cursor.take(2 + program.time_bytes() + 2 + 2, what)?;
        let channel = cursor.u8(what)?;
        cursor.u8(what)?;
        let points = cursor.u16(what)?;
        let [delay_ms, duration_ms, period_us] = [cursor.f32(what)?, cursor.f32(what)?, cursor.f32(what)?];
        cursor.f32(what)?;
        let gain = cursor.f32(what)?;
        cursor.i16(what)?;
        let (averages, artifacts) = (cursor.i16(what)?, cursor.i16(what)?);
        cursor.take(2 * program.time_bytes(), what)?;
        let mut variables = [0.0; VARIABLES];
        for variable in &mut variables {
            *variable = cursor.f32(what)?;
        }
        let mut emission = None;
        for _ in 0..CURSORS {
            cursor.take(8, what)?;
            let text = cursor.text(20, what)?;
            cursor.take(8, what)?;
            let tone = ["f1", "f2", "2f1-f2", "dp"].contains(&text.to_lowercase().as_str());
            emission = emission.or(tone.then_some(text));
        }
        let samples = cursor.take(4 * usize::from(points), "a record's samples")?;
        Ok(ArfRecord {
            at,
            number,
            channel,
            delay_ms,
            duration_ms,
            period_us,
            gain,
            averages,
            artifacts,
            variables,
            emission,
            samples,
        })
    }

    fn not_abr(&self) -> Option<String> {
        if let Some(tone) = &self.emission {
            return Some(format!("a cursor marks `{tone}`: these are {}", vocabulary::DPOAE));
        }
        let points = self.samples.len() / 4;
        let lasts_ms = points as f32 * self.period_us / 1000.0;
        let fits = (lasts_ms - self.duration_ms).abs() <= 0.01 * lasts_ms + self.period_us / 500.0;
        let plausible =
            lasts_ms > 0.0 && lasts_ms.is_finite() && self.duration_ms > 0.0 && self.duration_ms.is_finite();
        (plausible && !fits).then(|| {
            format!(
                "{points} points of {} µs do not make up its duration of {}: this is a spectrum, as of {}",
                self.period_us,
                self.duration_ms,
                vocabulary::DPOAE
            )
        })
    }
}

fn recording(source: &SourceFile, group: &ArfGroup, record: &ArfRecord) -> Result<Recording> {
    let wrong = |what: &str, value: f32| {
        let problem = format!("record {}: {what} should be a number above 0, but is {value}", record.number);
        source.byte(record.at, problem)
    };
    for (what, value) in [("the sampling period", record.period_us), ("the gain", record.gain)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(wrong(what, value));
        }
    }
    if record.samples.is_empty() {
        return Err(wrong("the number of points", 0.0));
    }
    let samples = record.samples.chunks_exact(4).enumerate().map(|(i, four)| {
        let value = f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        let uv = f64::from(value) * f64::from(record.gain) * 1e6;
        // false for NaN too
        if uv.abs() <= text::MAX_SAMPLE_UV {
            return Ok(uv as f32);
        }
        let problem = format!("record {}: sample {i} of {uv} µV is impossible", record.number);
        Err(source.byte(record.at, problem))
    });
    let mut recording = Recording::new(samples.collect::<Result<_>>()?);
    recording.subject.clone_from(&group.subject);
    recording.sample_rate_hz = Some(1e6 / decimal(record.period_us));
    recording.unit = Some(Unit::Volt);
    recording.gain = Some(Gain { value: f64::from(record.gain), divides: false });
    recording.t0_ms = (record.delay_ms == 0.0).then_some(0.0);
    recording.add_column("ear", group.ear().unwrap_or_default());
    recording.add_column("channel", record.channel);
    for ((name, unit), &value) in group.variables.iter().zip(&record.variables).filter(|(_, value)| value.is_finite()) {
        match name.as_str() {
            "freq" | "frequency" if value == 0.0 => recording.add_column("frequency_hz", "click"),
            "freq" | "frequency" if unit.eq_ignore_ascii_case("khz") => {
                recording.add_column("frequency_hz", text::hz_from_khz(decimal(value)));
            }
            "freq" | "frequency" => recording.add_column("frequency_hz", value),
            "level" => recording.add_column("level_db", value),
            _ => {}
        }
    }
    if recording.column("frequency_hz").is_none() && group.stimulus.to_lowercase().contains("click") {
        recording.add_column("frequency_hz", "click");
    }
    recording.add_column("n_averages", record.averages);
    recording.add_column("n_artifacts", record.artifacts);
    recording.add_column("record", format_args!("g{}-{}", group.number, record.number));
    Ok(recording)
}

/// The decimal number (40.96) that the file's float (40.959999…) stands for.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}
