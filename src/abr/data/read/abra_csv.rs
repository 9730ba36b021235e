//! The table of ABRA (the Auditory Brainstem Response Analyzer), and BioSig's table of averages: CSV with one row per
//! recording.
//!
//! | column | what |
//! | --- | --- |
//! | `Freq(Hz)` | the stimulus, if there is such a column; 0 stands for a click, because ABRA needs a number |
//! | `Level(dB)` | its level; an attenuation (`PostAtten(dB)`) is kept unchanged, because it is no level |
//! | `Sub. ID`, `Chan`, `Samp. Per.`, `No. Avgs`, … | optional: subject, channel, sampling period in µs, sweeps, and others |
//! | `O.S. Time` | the onset delay: 0 puts the first sample at the onset; other values are not documented |
//! | `Data(uv)...`, `unit`, or a line `Units: nV` before the names | optional: the unit of the samples, if it is not µV |
//! | `0`, `1`, `2`, … (also `0.0`, …) | the samples in µV, at least 16 |
//!
//! Other lines may come before the header. Without `O.S. Time` the time of the first sample is unknown (ABRA assumes
//! that it is the onset). ABRA expects one recording per frequency and level in a file, and so one file per subject.

use super::columns::Naming;
use super::{Format, ReadFn, Recording, rows};
use crate::error::{Error, Result};
use crate::files::write_whole;
use std::io::{self, Write};
use std::path::Path;

pub const FORMAT: Format = Format {
    name: "ABRA CSV, BioSig's table of averages",
    extensions: &["csv"],
    companions: &[],
    about: "`Freq(Hz)`, `Level(dB)`, samples in µV from column `0` on",
    detect: |head| Naming::find(head, |naming| naming == Naming::Numbered(0)).is_some(),
    read: ReadFn::Rows(|source| rows::open(source, |naming| naming == Naming::Numbered(0))),
    samples: &["abra.csv"],
};

/// Writes recordings in the form that ABRA reads.
///
/// # Errors
/// [`Error::Usage`] for a recording that has no frequency or level or does not begin at the onset, and for recordings
/// of different lengths or sample rates. [`Error::Io`].
pub fn write(path: &Path, recordings: &[Recording]) -> Result<()> {
    let rows = recordings.iter().map(AbraRow::of).collect::<Result<Vec<_>>>()?;
    let first =
        rows.first().ok_or_else(|| Error::usage("there is no recording to write", "give recordings to write"))?;
    if let Some(other) = rows.iter().find(|r| r.samples.len() != first.samples.len() || r.period_us != first.period_us)
    {
        let shape = |row: &AbraRow| match row.period_us {
            Some(us) => format!("{} samples of {us} µs", row.samples.len()),
            None => format!("{} samples of unknown rate", row.samples.len()),
        };
        let problem = format!("a recording has {}, another {}", shape(first), shape(other));
        return Err(Error::usage(problem, "resample and cut them alike first: ABRA reads one time axis per file"));
    }
    write_whole(path, |writer| write_rows(&rows, writer))
}

struct AbraRow<'a> {
    frequency_hz: &'a str,
    level_db: &'a str,
    period_us: Option<f64>,
    samples: &'a [f32],
}

impl AbraRow<'_> {
    fn of(recording: &Recording) -> Result<AbraRow<'_>> {
        let need = |name: &str| {
            let is_number = |cell: &&str| *cell == "click" || cell.parse::<f64>().is_ok_and(f64::is_finite);
            recording.column(name).filter(is_number).ok_or_else(|| {
                let problem = format!("a recording of {} has no {name} in numbers", recording.subject);
                Error::usage(problem, "ABRA needs the frequency and level of each recording: add the columns")
            })
        };
        let frequency_hz = match need("frequency_hz")? {
            "click" => "0",
            number => number,
        };
        let period_us = recording.sample_rate_hz.map(|rate| 1e6 / rate);
        // the first sample may be the one nearest to the onset
        let begins_ms = recording.t0_ms.filter(|t0| t0.abs() > period_us.map_or(0.0, |us| 0.501e-3 * us));
        if let Some(t0_ms) = begins_ms {
            let problem = format!("a recording of {} begins at {t0_ms} ms", recording.subject);
            let remedy = "cut it first (data prepare, with data.prepare.window.from_ms 0): ABRA takes the first sample \
                          for the onset";
            return Err(Error::usage(problem, remedy));
        }
        Ok(AbraRow { frequency_hz, level_db: need("level_db")?, period_us, samples: &recording.samples })
    }
}

fn write_rows(rows: &[AbraRow], writer: &mut dyn Write) -> io::Result<()> {
    let length = rows.first().map_or(0, |row| row.samples.len());
    let period = rows.first().is_some_and(|row| row.period_us.is_some());
    write!(writer, "Freq(Hz),Level(dB){}", if period { ",Samp. Per." } else { "" })?;
    (0..length).try_for_each(|i| write!(writer, ",{i}"))?;
    writeln!(writer)?;
    for row in rows {
        write!(writer, "{},{}", row.frequency_hz, row.level_db)?;
        if let Some(us) = row.period_us {
            write!(writer, ",{us}")?;
        }
        row.samples.iter().try_for_each(|sample| write!(writer, ",{sample}"))?;
        writeln!(writer)?;
    }
    Ok(())
}
