//! Recordings as a table.

use super::io_error;
use crate::data::PEAK_COLUMNS;
use crate::data::read::Recording;
use csv::Writer;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Columns that come first, in this order; others follow by name.
const FIRST: [&str; 10] = [
    "ear",
    "channel",
    "frequency_hz",
    "level_db",
    "rate_hz",
    "n_averages",
    "n_artifacts",
    "polarity",
    "threshold_db",
    "record",
];

/// Writes `subject_id`, `file`, what the files say of each recording, `sample_rate_hz`, `t0_ms`, the labels (if there are any) and
/// the samples in µV; what is not known is an empty cell, and so is what a shorter recording does not have. Numbers have the
/// fewest digits that read back to the same bits.
///
/// # Errors
/// The writer's.
pub fn write_recordings(recordings: &[Recording], writer: impl Write) -> io::Result<()> {
    let mut writer = Writer::from_writer(writer);
    let names = said(recordings);
    let labelled = recordings.iter().any(|r| r.peaks.iter().any(|peak| !peak.is_nan()));
    let labels = if labelled { &PEAK_COLUMNS[..] } else { &[] };
    let length = recordings.iter().map(|r| r.samples.len()).max().unwrap_or(0);
    let samples = (0..length).map(|i| format!("s{i}"));
    let header = ["subject_id", "file"].into_iter().chain(names.iter().copied()).chain(["sample_rate_hz", "t0_ms"]);
    let header = header.chain(labels.iter().copied()).map(String::from).chain(samples);
    writer.write_record(header.map(String::into_bytes)).map_err(io_error)?;
    for recording in recordings {
        let text = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
        let number = |value: f32| if value.is_nan() { String::new() } else { value.to_string() };
        let peaks = recording.peaks.iter().take(labels.len()).map(|peak| number(*peak));
        let samples = (0..length).map(|i| recording.samples.get(i).map_or(String::new(), |v| number(*v)));
        let file = recording.column("file").unwrap_or(&recording.file);
        let cells = [&recording.subject, file].into_iter().map(String::from);
        let cells = cells.chain(names.iter().map(|name| recording.column(name).unwrap_or("").to_string()));
        let cells = cells.chain([text(recording.sample_rate_hz), text(recording.t0_ms)]).chain(peaks).chain(samples);
        writer.write_record(cells.map(String::into_bytes)).map_err(io_error)?;
    }
    writer.flush()
}

/// The names of all columns that any recording has a value for.
fn said(recordings: &[Recording]) -> Vec<&str> {
    let all: BTreeSet<&str> = recordings.iter().flat_map(|r| &r.columns).map(|(name, _)| name.as_str()).collect();
    let first = FIRST.into_iter().filter(|name| all.contains(name));
    let rest = all.iter().copied().filter(|name| !FIRST.contains(name) && *name != "file");
    first.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::read::read_bytes;

    #[test]
    fn a_written_table_is_read_back() {
        let mut long = Recording::new(vec![0.1, -2.5e-7, 3.0]);
        long.subject = "a, b".into();
        long.file = "x.txt".into();
        (long.sample_rate_hz, long.t0_ms) = (Some(24_414.062_5), Some(-0.05));
        long.columns = vec![("zeta".into(), "\"q\"".into()), ("level_db".into(), "60".into())];
        long.peaks[2] = 5.75;
        let mut short = Recording::new(vec![1.0]);
        short.subject = "c".into();
        short.file = "y.txt".into();
        let mut bytes = Vec::new();
        write_recordings(&[long.clone(), short.clone()], &mut bytes).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.starts_with("subject_id,file,level_db,zeta,sample_rate_hz,t0_ms,peak_i_ms,"), "{text}");
        let back = read_bytes("t.csv", bytes).unwrap();
        assert_eq!(
            (back[0].subject.as_str(), &back[0].samples, back[0].sample_rate_hz, back[0].t0_ms),
            ("a, b", &long.samples, long.sample_rate_hz, long.t0_ms)
        );
        assert_eq!(
            (back[0].column("zeta"), back[0].column("file"), back[0].peaks[2]),
            (Some("\"q\""), Some("x.txt"), 5.75)
        );
        assert_eq!((&back[1].samples, back[1].t0_ms, back[1].column("level_db")), (&short.samples, None, None));
    }
}
