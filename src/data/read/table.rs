//! The project's own table (see [`crate::data::table`]) as recordings: all of its columns, rows of any length.
//!
//! A training reads tables by [`read_table`](crate::data::table::read_table), which wants numbers everywhere; here an empty or
//! NaN sample stays one, so that it can be reported. Empty cells after a row's last sample mean a shorter recording.

use super::{Reading, Recording, Source};
use crate::data::PEAK_COLUMNS;
use crate::error::Result;
use csv::{ByteRecord, ReaderBuilder};

/// What messages call the format.
pub const NAME: &str = "abr-film table (CSV with samples s0, s1, …)";

/// Whether a file's first line names the samples `s0` and `s1`.
pub fn recognise(head: &[u8]) -> bool {
    let line = head.split(|&b| b == b'\n').next().unwrap_or_default();
    let names: Vec<&[u8]> = line.split(|&b| b == b',').map(|name| name.trim_ascii()).collect();
    names.contains(&b"s0".as_slice()) && names.contains(&b"s1".as_slice())
}

/// What a column holds.
enum Holds {
    Sample,
    Subject,
    SampleRate,
    T0,
    Peak(usize),
    /// Anything else, under its name.
    Said(String),
    /// A simulation's truth.
    Nothing,
}

fn holds(name: &str) -> Holds {
    let number = |name: &str, prefix: &str| name.strip_prefix(prefix).is_some_and(|n| n.parse::<usize>().is_ok());
    match name {
        "subject_id" => Holds::Subject,
        "sample_rate_hz" => Holds::SampleRate,
        "t0_ms" => Holds::T0,
        _ if number(name, "s") => Holds::Sample,
        _ if name.is_empty() || name.starts_with("truth_") => Holds::Nothing,
        _ => match PEAK_COLUMNS.iter().position(|peak| *peak == name) {
            Some(peak) => Holds::Peak(peak),
            None => Holds::Said(name.to_string()),
        },
    }
}

/// Reads a table's rows.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the line: a row of another width, text where a number belongs.
pub fn read(source: &Source) -> Result<Reading> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source.bytes());
    let mut record = ByteRecord::new();
    let mut columns: Vec<Holds> = Vec::new();
    let mut recordings = Vec::new();
    while reader.read_byte_record(&mut record).map_err(|e| source.line(0, e))? {
        let line = record.position().map_or(0, |p| p.line() as usize);
        if columns.is_empty() {
            let name =
                |cell: &[u8]| String::from_utf8_lossy(cell.trim_ascii()).trim_start_matches('\u{feff}').to_string();
            columns = record.iter().map(|cell| holds(&name(cell))).collect();
            continue;
        }
        if record.len() != columns.len() {
            let problem = format!("{} cells, but the header has {} columns", record.len(), columns.len());
            return Err(source.line(line, problem));
        }
        recordings.push(row(source, line, &columns, &record)?);
    }
    Ok(recordings.into())
}

fn row(source: &Source, line: usize, columns: &[Holds], record: &ByteRecord) -> Result<Recording> {
    let mut recording = Recording::new(Vec::new());
    let mut length = 0;
    for (index, (column, cell)) in columns.iter().zip(record).enumerate() {
        let text = String::from_utf8_lossy(cell.trim_ascii());
        let number = || match text.as_ref() {
            "" => Ok(f64::NAN),
            text => text
                .parse::<f64>()
                .map_err(|_| source.line(line, format!("\"{text}\" in column {} is no number", index + 1))),
        };
        match column {
            Holds::Sample => {
                recording.samples.push(number()? as f32);
                length = if text.is_empty() { length } else { recording.samples.len() };
            }
            Holds::Subject => recording.subject = text.into_owned(),
            Holds::SampleRate => recording.sample_rate_hz = Some(number()?).filter(|v| v.is_finite()),
            Holds::T0 => recording.t0_ms = Some(number()?).filter(|v| v.is_finite()),
            Holds::Peak(peak) => recording.peaks[*peak] = number()? as f32,
            Holds::Said(name) => recording.say(name, text),
            Holds::Nothing => {}
        }
    }
    recording.samples.truncate(length);
    Ok(recording)
}
