//! EPL Cochlear Function Test Suite: a level series as text, in Latin-1 with lines that end in `\r`.
//!
//! | line | what |
//! | --- | --- |
//! | `:RUN-3`, `LEVEL SWEEP`, …, separated by tabs | the run; the first line |
//! | `:SW EAR: R`, `SW FREQ: 16.00`, `# AVERAGES: 512`, `REP RATE (/sec): 40`, `SAMPLE (µsec): 10` | ear, kHz, sweeps, 1/s, µs |
//! | `:LEVELS:10;15;…;` | the level of each column in dB SPL |
//! | `:DATA` | then a line a sample, a column a level, in µV, from the stimulus onset on |
//!
//! A column of zeros alone is a known fault of the recorder and left out, with a notice. The file is named after the animal and
//! the run: `ABR-52-3` is run 3 of `ABR-52`.
//!
//! # The analysed peaks beside it
//!
//! `ABR-52-3-analyzed.txt` (or `ABR-52-3-16.0kHz-analyzed.txt`), if there is one, gives the labels:
//!
//! | line | what |
//! | --- | --- |
//! | `Threshold (dB SPL): 15.0`, `Frequency (kHz): 16.00` | of the whole series |
//! | `Level`, `P1 Latency`, `P1 Amplitude`, `N1 Latency`, `N1 Amplitude`, … `N5 Amplitude`, by tabs | names of columns, then a line a level |
//!
//! Waves I, III and V are P1, P3 and P5: their latencies in ms, and as amplitude the peak's minus that of the trough after it, in
//! µV. A negative latency means that there is no peak. Note that the analysis was done on filtered traces (its file says how).

use super::{Format, ReadFn, Reading, Recording, Source, tdt, text};
use crate::error::Result;

pub const FORMAT: Format = Format {
    name: "EPL Cochlear Function Test Suite text",
    extensions: &["", "txt"],
    companions: &["*-analyzed.txt"],
    about: "the first half of each column, which is the response; the analysed peaks beside it give labels and threshold",
    detect: recognise,
    read: ReadFn::Whole(read),
    samples: &["ABR-52-3"],
};

/// Recognised so that it is not taken for something else.
pub const ANALYZED: Format = Format {
    name: "EPL analysed peaks (beside their recordings)",
    extensions: &["txt"],
    companions: &[],
    about: "read with the recordings beside them",
    detect: recognise_analyzed,
    read: ReadFn::Whole(read_analyzed),
    samples: &[],
};

/// More levels than these are no level sweep.
const MOST_LEVELS: usize = 200;

/// Whether a file begins so.
fn recognise(head: &[u8]) -> bool {
    head.starts_with(b":RUN-")
}

/// Whether a file begins as one of analysed peaks.
fn recognise_analyzed(head: &[u8]) -> bool {
    let head = text::decode(head);
    head.starts_with("Threshold (dB") && head.contains("P1 Latency")
}

/// A file of peaks without recordings.
///
/// # Errors
/// None: it is no recording.
fn read_analyzed(_: &Source) -> Result<Reading> {
    let reason =
        "it holds the analysed peaks of recordings, whose file (ABR-52-3 for ABR-52-3-analyzed.txt) is read with it";
    Ok(Reading::NotAbr(reason.to_string()))
}

/// Reads a file's recordings, with the labels of the analysed peaks beside it.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the file and the line that is not as above.
fn read(source: &Source) -> Result<Reading> {
    let text = text::decode(source.bytes());
    let mut lines = text::lines(&text);
    let header = Header::read(source, &mut lines)?;
    let mut columns = vec![Vec::new(); header.levels.len()];
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let mut fields = line.split_whitespace();
        for (found, column) in columns.iter_mut().enumerate() {
            let Some(field) = fields.next() else {
                let problem = format!("the line ends after {found} of {} levels", header.levels.len());
                return Err(source.line(number, problem));
            };
            column.push(text::sample(source, number, field, 1.0)?);
        }
        if fields.next().is_some() {
            return Err(source.line(number, format!("there are more values than the {} levels", header.levels.len())));
        }
    }
    if columns[0].is_empty() {
        return Err(source.line(header.data_line, "the file ends before the first sample"));
    }
    let mut recordings: Vec<Recording> =
        header.levels.iter().zip(columns).map(|(&level, samples)| header.recording(level, samples)).collect();
    let all = recordings.len();
    recordings.retain(|recording| recording.samples.iter().any(|&sample| sample != 0.0));
    let mut notices = Vec::new();
    if recordings.len() < all {
        notices.push(format!("{} of {all} levels hold zeros alone and were left out", all - recordings.len()));
    }
    if let Some(analyzed) = find_analyzed(source, header.frequency_khz)? {
        label(&analyzed, header.frequency_khz, &mut recordings)?;
    }
    let stem = source.stem();
    let animal = stem.strip_suffix(&format!("-{}", header.run)).filter(|animal| !animal.is_empty());
    Ok(Reading::Recordings { recordings, subject: animal.map(str::to_string), notices })
}

/// What the lines before `:DATA` say.
#[derive(Default)]
struct Header {
    run: String,
    ear: Option<&'static str>,
    /// 0 is a click.
    frequency_khz: Option<f64>,
    averages: String,
    rate: String,
    period_us: f64,
    levels: Vec<f64>,
    data_line: usize,
}

impl Header {
    fn read<'a>(source: &Source, lines: &mut impl Iterator<Item = (usize, &'a str)>) -> Result<Header> {
        let mut header = Header::default();
        let mut last = 0;
        for (number, line) in lines {
            last = number;
            let line = line.trim();
            if line == ":DATA" {
                header.data_line = number;
                break;
            }
            if let Some(levels) = line.strip_prefix(":LEVELS:") {
                let levels = levels.split(';').filter(|level| !level.trim().is_empty());
                if levels.clone().count() > MOST_LEVELS {
                    return Err(source.line(number, format!("there are more than {MOST_LEVELS} levels")));
                }
                header.levels =
                    levels.map(|level| text::number(source, number, "a level", level)).collect::<Result<_>>()?;
            } else {
                line.split('\t').try_for_each(|field| header.field(source, number, field))?;
            }
        }
        let missing = match () {
            () if header.data_line == 0 => "the line `:DATA`",
            () if header.levels.is_empty() => "the line `:LEVELS:` (is this a level sweep?)",
            () if header.period_us == 0.0 => "`SAMPLE (µsec):`",
            () => return Ok(header),
        };
        Err(source.line(last, format!("the header ends without {missing}")))
    }

    fn field(&mut self, source: &Source, number: usize, field: &str) -> Result<()> {
        let field = field.trim().trim_start_matches(':');
        if let Some(run) = field.strip_prefix("RUN-") {
            self.run = run.trim().to_string();
        }
        let Some((key, value)) = field.split_once(':') else { return Ok(()) };
        // `SW` (for sweep) may stand before the name
        let key = key.strip_prefix("SW ").unwrap_or(key);
        match key {
            "EAR" => self.ear = tdt::ear(value),
            "FREQ" if value.trim().eq_ignore_ascii_case("click") => self.frequency_khz = Some(0.0),
            "FREQ" => self.frequency_khz = Some(text::number(source, number, "`FREQ`", value)?),
            "# AVERAGES" => self.averages = text::tidy(value),
            "REP RATE (/sec)" => self.rate = text::tidy(value),
            _ if key.starts_with("SAMPLE (") => self.period_us = text::positive(source, number, "`SAMPLE`", value)?,
            _ => {}
        }
        Ok(())
    }

    fn recording(&self, level: f64, samples: Vec<f32>) -> Recording {
        let mut recording = Recording::new(samples);
        recording.sample_rate_hz = Some(1e6 / self.period_us);
        recording.t0_ms = Some(0.0);
        recording.say("ear", self.ear.unwrap_or_default());
        match self.frequency_khz {
            Some(0.0) => recording.say("frequency_hz", "click"),
            Some(khz) => recording.say("frequency_hz", text::hz_from_khz(khz)),
            None => {}
        }
        recording.say("level_db", level);
        recording.say("rate_hz", &self.rate);
        recording.say("n_averages", &self.averages);
        recording.say("record", &self.run);
        recording
    }
}

/// The analysed peaks beside a file.
fn find_analyzed(source: &Source, frequency_khz: Option<f64>) -> Result<Option<Source>> {
    for base in [source.file_name(), source.stem()] {
        let khz = frequency_khz.map(|khz| [format!("{base}-{khz:.1}kHz"), format!("{base}-{khz:.2}kHz")]);
        for name in std::iter::once(base).chain(khz.into_iter().flatten()) {
            if let Some(found) = source.beside(&format!("{name}-analyzed.txt"))? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// The columns of waves I, III and V: latency, amplitude, and latency and amplitude of the trough after them.
const WAVES: [[&str; 4]; 3] = [
    ["P1 Latency", "P1 Amplitude", "N1 Latency", "N1 Amplitude"],
    ["P3 Latency", "P3 Amplitude", "N3 Latency", "N3 Amplitude"],
    ["P5 Latency", "P5 Amplitude", "N5 Latency", "N5 Amplitude"],
];

/// Gives recordings the peaks and the threshold that a file of analysed peaks has for their levels.
pub(super) fn label(analyzed: &Source, frequency_khz: Option<f64>, recordings: &mut [Recording]) -> Result<()> {
    let text = text::decode(analyzed.bytes());
    let mut lines = text::lines(&text);
    let mut threshold = None;
    let header = loop {
        let Some((number, line)) = lines.next() else {
            return Err(analyzed.line(1, "the file ends before the line `Level …` with the names of columns"));
        };
        match line.split_once(':') {
            // `None` or infinite where no level gave a response
            Some((key, value)) if key.starts_with("Threshold") => {
                threshold = value.trim().parse::<f64>().ok().filter(|value| value.is_finite());
            }
            Some(("Frequency (kHz)", value)) => {
                let khz = text::number(analyzed, number, "the frequency", value)?;
                if frequency_khz.is_some_and(|recorded| (recorded - khz).abs() > 0.01) {
                    let problem = format!("these are peaks at {khz} kHz, but the recordings beside them have another");
                    return Err(analyzed.line(number, problem));
                }
            }
            _ if line.starts_with("Level\t") => break Columns::find(analyzed, number, line)?,
            _ => {}
        }
    };
    if let Some(threshold) = threshold {
        recordings.iter_mut().for_each(|recording| recording.say("threshold_db", threshold));
    }
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let (level, peaks) = header.peaks(analyzed, number, line)?;
        for recording in recordings.iter_mut().filter(|r| r.column("level_db") == Some(&level)) {
            recording.peaks = peaks;
        }
    }
    Ok(())
}

/// Where the columns of [`WAVES`] are.
struct Columns([[usize; 4]; 3]);

impl Columns {
    fn find(analyzed: &Source, number: usize, line: &str) -> Result<Columns> {
        let mut found = [[usize::MAX; 4]; 3];
        for (column, name) in line.split('\t').enumerate() {
            for (wave, names) in WAVES.iter().enumerate() {
                if let Some(which) = names.iter().position(|n| *n == name.trim()) {
                    found[wave][which] = column;
                }
            }
        }
        match found.iter().zip(WAVES).flat_map(|(f, n)| f.iter().zip(n)).find(|(column, _)| **column == usize::MAX) {
            Some((_, name)) => Err(analyzed.line(number, format!("there is no column `{name}`"))),
            None => Ok(Columns(found)),
        }
    }

    /// A line's level, as a recording's column has it, and its peaks.
    fn peaks(&self, analyzed: &Source, number: usize, line: &str) -> Result<(String, [f32; 6])> {
        let mut values = [[None; 4]; 3];
        let mut level = String::new();
        for (column, field) in line.split('\t').enumerate() {
            if column == 0 {
                level = text::number(analyzed, number, "the level", field)?.to_string();
            }
            for (wave, columns) in self.0.iter().enumerate() {
                if let Some(which) = columns.iter().position(|&c| c == column) {
                    values[wave][which] = Some(text::number(analyzed, number, WAVES[wave][which], field)? as f32);
                }
            }
        }
        let mut peaks = [f32::NAN; 6];
        for (wave, values) in values.into_iter().enumerate() {
            let [Some(latency_ms), Some(peak_uv), Some(trough_ms), Some(trough_uv)] = values else {
                return Err(analyzed.line(number, "the line ends before the last column"));
            };
            if latency_ms >= 0.0 {
                peaks[wave] = latency_ms;
                if trough_ms >= 0.0 {
                    peaks[3 + wave] = peak_uv - trough_uv;
                }
            }
        }
        Ok((level, peaks))
    }
}
