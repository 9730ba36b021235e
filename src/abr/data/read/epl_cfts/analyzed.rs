//! The analysed peaks beside an EPL recording, as the ABR peak-analysis programs write them.
//!
//! | name | whose labels |
//! | --- | --- |
//! | `ABR-52-3-analyzed.txt` | of the recording `ABR-52-3` (or `ABR-52-3.txt`) |
//! | `ABR-52-3-16.0kHz-analyzed.txt` | the same, with the frequency, of any number of decimals |
//! | `ABR-52-3-R1-analyzed.txt`, `ABR-52-3-16.0kHz-R1-analyzed.txt` | the same by the rater `R1` |
//!
//! A rater's name contains a letter and no `-`. If a recording has several files, the first by name of those without a
//! rater is used, else the first of all. A notice lists the unused ones, including those for another frequency.
//!
//! | line (a `#` may stand before the first ones) | what |
//! | --- | --- |
//! | `Threshold (dB SPL): 15.0` | of the whole series; `None` or infinite where no level gave a response |
//! | `Frequency (kHz): 16.00` | the recording's; 0 for anything but a tone |
//! | `Level`, …, `P1 Latency`, `P1 Amplitude`, `N1 Latency`, `N1 Amplitude`, … `N5 Amplitude`, by tabs | column names, then one line per level |
//!
//! Column names may be in any case and may have a unit: `P1 latency (µs)`, `P1 amplitude (nV)`; the default is ms and
//! µV. P1, P3 and P5 are waves I, III and V. A label's amplitude is that of the peak minus that of the following
//! trough. A label is missing if its column is missing or its cell is empty or `nan`. A negative latency means that
//! there is no peak. A level with several lines or several recordings stays unlabelled, with a notice, because nothing
//! shows which belong together. The peaks were analysed on filtered traces; their file states the filter.

use super::super::vocabulary::{FrequencyUnit, Stimulus};
use super::super::{ReadOutcome, Recording, SourceFile, delimited, text, units};
use crate::config;
use crate::error::Result;

const SUFFIX: &str = "-analyzed.txt";

/// Whether the beginning of a file fits a file of analysed peaks.
pub fn detect(head: &[u8]) -> bool {
    let head = text::decode(head);
    plain(&head).starts_with("Threshold (dB") && head.contains("Frequency (kHz)")
}

/// The outcome for a file of peaks that was not read with a recording.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) if its folder cannot be listed.
pub fn read(source: &SourceFile) -> Result<ReadOutcome> {
    let (name, siblings) = (source.file_name(), source.siblings("")?);
    let reason = match recording_of(&name, |recording| is_there(&siblings, recording)) {
        Some(recording) => format!("it contains the analysed peaks of `{recording}`: name that file to read both"),
        None => "it contains analysed peaks, but its name belongs to no recording beside it (as ABR-52-3-analyzed.txt \
                 to ABR-52-3): these labels are not used"
            .to_string(),
    };
    Ok(ReadOutcome::NotAbr(reason))
}

/// The recording that a file of analysed peaks belongs to, by its name. `is_there` tells whether a recording exists.
/// `None` for any other file.
pub(in crate::abr::data::read) fn recording_of(name: &str, is_there: impl Fn(&str) -> bool) -> Option<&str> {
    Name::parse(name, is_there).map(|name| name.recording)
}

/// The parsed name of a file of analysed peaks.
struct Name<'a> {
    /// The name of the recording's file, with or without `.txt`.
    recording: &'a str,
    khz: Option<&'a str>,
    rater: Option<&'a str>,
}

impl<'a> Name<'a> {
    fn parse(name: &'a str, is_there: impl Fn(&str) -> bool) -> Option<Name<'a>> {
        let whole = name.strip_suffix(SUFFIX)?;
        let mut candidates = vec![Name { recording: whole, khz: None, rater: None }];
        candidates.extend(Name::before_khz(whole));
        if let Some((rest, rater)) = whole.rsplit_once('-').filter(|(_, last)| is_rater(last)) {
            candidates.push(Name { recording: rest, khz: None, rater: Some(rater) });
            candidates.extend(Name::before_khz(rest).map(|name| Name { rater: Some(rater), ..name }));
        }
        // the longest name first: `A1-4-left-analyzed.txt` belongs to A1-4 only if there is no A1-4-left
        candidates.into_iter().find(|name| !name.recording.is_empty() && is_there(name.recording))
    }

    /// Parses a name that ends in a frequency.
    fn before_khz(text: &'a str) -> Option<Name<'a>> {
        let (recording, last) = text.rsplit_once('-')?;
        Some(Name { recording, khz: Some(without_khz(last)?), rater: None })
    }

    /// Whether the name's frequency is the recording's. The name is rounded to its decimals, the recording's header to
    /// two.
    fn fits(&self, recorded_khz: Option<f64>) -> bool {
        let Some(named) = self.khz else { return true };
        let decimals = named.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let rounding = 0.5 * 0.1_f64.powi(decimals as i32) + 0.005 + 1e-9;
        match (named.parse::<f64>(), recorded_khz) {
            (Ok(named), Some(recorded)) => (named - recorded).abs() <= rounding,
            _ => false,
        }
    }
}

/// The number in `16.0kHz`.
fn without_khz(text: &str) -> Option<&str> {
    let split = text.len().checked_sub(3).filter(|&at| text.is_char_boundary(at))?;
    let (number, unit) = text.split_at(split);
    let is_number = number.starts_with(|c: char| c.is_ascii_digit()) && number.parse::<f64>().is_ok();
    (unit.eq_ignore_ascii_case("kHz") && is_number).then_some(number)
}

/// Whether this may be a rater. A number is a run: `A1-4-2-analyzed.txt` is not by a rater 2 of A1-4.
fn is_rater(text: &str) -> bool {
    text.contains(char::is_alphabetic) && !text.to_lowercase().ends_with("khz")
}

/// A recording's name without its optional extension.
pub(super) fn without_txt(name: &str) -> &str {
    let split = name.len().saturating_sub(4);
    match name.get(split..) {
        Some(extension) if extension.eq_ignore_ascii_case(".txt") => &name[..split],
        _ => name,
    }
}

fn is_there(files: &[String], recording: &str) -> bool {
    files.iter().any(|file| file == recording || without_txt(file) == recording)
}

/// Labels recordings with the analysed peaks beside their file. Returns notices.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the line of the peaks' file,
/// [`Error::Io`](crate::error::Error::Io).
pub(super) fn label(
    source: &SourceFile,
    khz: Option<f64>,
    levels: &[Option<f64>],
    recordings: &mut [Recording],
) -> Result<Vec<String>> {
    let name = source.file_name();
    let own = without_txt(&name);
    let siblings = source.siblings(own)?;
    let (mut fitting, mut not_used) = (Vec::new(), Vec::new());
    for sibling in &siblings {
        match Name::parse(sibling, |recording| is_there(&siblings, recording)) {
            Some(found) if found.recording != own && found.recording != name => {}
            Some(found) if found.fits(khz) => fitting.push((found.rater.is_some(), sibling.as_str())),
            Some(_) => not_used.push(format!("{sibling} (another frequency)")),
            None if sibling.strip_prefix(own).is_some_and(|rest| rest.starts_with('-') && rest.ends_with(SUFFIX)) => {
                not_used.push(format!("{sibling} (its name does not say whose they are)"));
            }
            None => {}
        }
    }
    fitting.sort_unstable();
    let mut fitting = fitting.into_iter().map(|(_, name)| name);
    let taken = fitting.next();
    not_used.extend(fitting.map(str::to_string));
    let mut notices = Vec::new();
    if !not_used.is_empty() {
        let taken = taken.map_or(String::new(), |taken| format!("; the labels are those of {taken}"));
        notices.push(format!("analysed peaks that were not used: {}{taken}", not_used.join(", ")));
    }
    if let Some(taken) = taken
        && let Some(analyzed) = source.beside(taken, None)?
    {
        let peaks = Peaks::read(&analyzed, khz)?;
        notices.extend(peaks.apply(levels, recordings).into_iter().map(|notice| format!("{taken}: {notice}")));
    }
    Ok(notices)
}

/// The content of a file of analysed peaks.
struct Peaks {
    threshold_db: Option<f64>,
    /// Whether there is a latency column of wave I, III or V.
    has_latencies: bool,
    /// Level, and labels in the order of [`PEAK_COLUMNS`](crate::data::PEAK_COLUMNS).
    lines: Vec<(f64, [f32; 6])>,
}

impl Peaks {
    fn read(analyzed: &SourceFile, recorded_khz: Option<f64>) -> Result<Peaks> {
        let text = text::decode(analyzed.bytes());
        let mut lines = text::lines(&text).map(|(number, line)| (number, plain(line)));
        let mut threshold_db = None;
        let columns = loop {
            let Some((number, line)) = lines.next() else {
                return Err(analyzed.line(1, "the file ends before the line `Level …` with the names of columns"));
            };
            match line.split_once(':') {
                Some((key, value)) if key.starts_with("Threshold") => {
                    threshold_db = parse_threshold(analyzed, number, value)?;
                }
                Some(("Frequency (kHz)", value)) => check_frequency(analyzed, number, value, recorded_khz)?,
                _ if split_unit(line.split('\t').next().unwrap_or_default()).0 == "level" && line.contains('\t') => {
                    break PeakColumns::find(analyzed, number, line)?;
                }
                _ => {}
            }
        };
        let lines = lines.filter(|(_, line)| !line.trim().is_empty());
        let lines = lines.map(|(number, line)| columns.parse(analyzed, number, line)).collect::<Result<_>>()?;
        let has_latencies = columns.0.iter().any(|[latency, ..]| latency.is_some());
        Ok(Peaks { threshold_db, has_latencies, lines })
    }

    /// Labels the recordings by their levels. Returns notices about unused labels.
    fn apply(&self, levels: &[Option<f64>], recordings: &mut [Recording]) -> Vec<String> {
        // levels are written with two decimals
        let same = |a: f64, b: f64| (a - b).abs() < 0.01;
        let mut unclear = Vec::new();
        for (recording, level) in recordings.iter_mut().zip(levels) {
            if let Some(threshold) = self.threshold_db {
                recording.add_column("threshold_db", threshold);
            }
            let Some(level) = *level else { continue };
            let mut lines = self.lines.iter().filter(|line| same(line.0, level));
            let alone = levels.iter().flatten().filter(|other| same(**other, level)).count() == 1;
            match (lines.next(), lines.next()) {
                (Some((_, peaks)), None) if alone => recording.peaks = *peaks,
                (None, _) => {}
                _ => unclear.push(level),
            }
        }
        let has_recording = |level: f64| levels.iter().flatten().any(|recorded| same(*recorded, level));
        let mut others = self.lines.iter().map(|line| line.0).collect::<Vec<_>>();
        // a control has no stimulus, and so no response
        others.retain(|&level| level.is_finite() && !has_recording(level));
        let reasons = [
            (others, "there is no recording of this level"),
            (unclear, "several lines or recordings have this level, and nothing states which belong together"),
        ];
        let reasons = reasons.into_iter().filter(|(levels, _)| !levels.is_empty());
        let not_used = |(levels, reason)| format!("labels at {} dB were not used: {reason}", list(levels));
        let none = "there is no column `P1 Latency`, `P3 Latency` or `P5 Latency`: no peak was read".to_string();
        Some(none).filter(|_| !self.has_latencies).into_iter().chain(reasons.map(not_used)).collect()
    }
}

/// The distinct levels, for a message.
fn list(mut levels: Vec<f64>) -> String {
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    levels.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")
}

/// A line without the comment sign of newer programs' headers.
fn plain(line: &str) -> &str {
    line.trim_start_matches(['#', ' '])
}

fn parse_threshold(analyzed: &SourceFile, number: usize, value: &str) -> Result<Option<f64>> {
    match value.trim().parse::<f64>() {
        Ok(threshold) => Ok(Some(threshold).filter(|threshold| threshold.is_finite())),
        Err(_) if ["", "none"].contains(&value.trim().to_lowercase().as_str()) => Ok(None),
        Err(_) => text::number(analyzed, number, "the threshold", value).map(Some),
    }
}

fn check_frequency(analyzed: &SourceFile, number: usize, value: &str, recorded_khz: Option<f64>) -> Result<()> {
    let khz = match Stimulus::parse(analyzed, number, "the frequency", value, FrequencyUnit::Khz)? {
        Some(Stimulus::Tone(hz)) => hz / 1000.0,
        Some(_) => 0.0,
        None => return Ok(()),
    };
    if recorded_khz.is_some_and(|recorded| (recorded - khz).abs() > 0.01) {
        let problem = format!("these are peaks at {khz} kHz, but the recordings beside them have another frequency");
        return Err(analyzed.line(number, problem));
    }
    Ok(())
}

/// The columns of waves I, III and V: latency, amplitude, and latency and amplitude of the trough after them.
const WAVES: [[&str; 4]; 3] = [
    ["P1 Latency", "P1 Amplitude", "N1 Latency", "N1 Amplitude"],
    ["P3 Latency", "P3 Amplitude", "N3 Latency", "N3 Amplitude"],
    ["P5 Latency", "P5 Amplitude", "N5 Latency", "N5 Amplitude"],
];

/// A column's name in lower case, and its unit in parentheses.
fn split_unit(name: &str) -> (String, Option<String>) {
    let lower = name.trim().to_lowercase();
    match lower.split_once('(') {
        Some((name, unit)) => (name.trim().to_string(), Some(unit.trim_end_matches(')').trim().to_string())),
        None => (lower, None),
    }
}

/// The index of each existing column of [`WAVES`], and the factor from its unit to ms or µV.
struct PeakColumns([[Option<(usize, f64)>; 4]; 3]);

impl PeakColumns {
    fn find(analyzed: &SourceFile, number: usize, line: &str) -> Result<PeakColumns> {
        let mut found = [[None; 4]; 3];
        for (place, column) in line.split('\t').enumerate() {
            let (name, unit) = split_unit(column);
            let mut columns = WAVES.iter().flatten().zip(found.iter_mut().flatten());
            let Some((wanted, found)) = columns.find(|(wanted, _)| wanted.eq_ignore_ascii_case(&name)) else {
                continue;
            };
            let factor = match (unit.as_deref(), wanted.ends_with("Latency")) {
                (None, _) | (Some("ms" | "msec"), true) => Some(1.0),
                (Some("us" | "µs" | "μs" | "usec" | "µsec" | "μsec"), true) => Some(1e-3),
                (Some("s" | "sec"), true) => Some(1e3),
                (Some(unit), false) => units::parse(unit).map(config::Unit::microvolts),
                _ => None,
            };
            let Some(factor) = factor else {
                return Err(analyzed.line(number, format!("the unit of `{}` is not known", text::excerpt(column))));
            };
            found.get_or_insert((place, factor));
        }
        Ok(PeakColumns(found))
    }

    /// A line's level and labels.
    fn parse(&self, analyzed: &SourceFile, number: usize, line: &str) -> Result<(f64, [f32; 6])> {
        let fields: Vec<&str> = line.split('\t').collect();
        let level = match fields[0].trim().parse() {
            Ok(f64::NEG_INFINITY) => f64::NEG_INFINITY,
            _ => text::number(analyzed, number, "the level", fields[0])?,
        };
        let value = |column: Option<(usize, f64)>, name: &str| match column.map(|(at, factor)| (fields.get(at), factor))
        {
            None => Ok(f32::NAN),
            Some((None, _)) => Err(analyzed.line(number, format!("the line ends before `{name}`"))),
            Some((Some(field), _)) if delimited::is_missing(field.trim()) => Ok(f32::NAN),
            Some((Some(field), factor)) => Ok((text::number(analyzed, number, name, field)? * factor) as f32),
        };
        let mut peaks = [f32::NAN; 6];
        for (wave, (columns, names)) in self.0.iter().zip(WAVES).enumerate() {
            let mut values = [f32::NAN; 4];
            for ((to, &column), name) in values.iter_mut().zip(columns).zip(names) {
                *to = value(column, name)?;
            }
            let [latency_ms, peak_uv, trough_ms, trough_uv] = values;
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
