//! EPL Cochlear Function Test Suite (CFTS): a level series as text, in Latin-1 with lines that end in `\r`.
//!
//! | line | what |
//! | --- | --- |
//! | `:RUN-3`, `LEVEL SWEEP`, …, separated by tabs | the run; the first line |
//! | `:SW EAR: R`, `SW FREQ: 16.00`, `# AVERAGES: 512`, `REP RATE (/sec): 40`, `SAMPLE (µsec): 10` | ear, stimulus, sweeps, 1/s, µs |
//! | `:Avgs: 512;256;…` | optional: the sweeps that were averaged at each level, instead of `# AVERAGES`, the requested number |
//! | `:Vary signal level: false`, `:Control: -Inf` | optional: the levels are those of a masker; the level of a control |
//! | `:LEVELS:10;15;…;` | the level of each column in dB SPL; empty for a single column without a level |
//! | `:DATA` | then the samples in µV: one line per instant, one column per level |
//!
//! The first half of the sample lines, whatever their number and the sampling period, is the response from the stimulus
//! onset on: the average over both polarities of the stimulus. The second half is half the difference between the
//! polarities, mostly the cochlear microphonic. The reader skips it with a notice. An odd number of lines means that
//! the file is damaged.
//!
//! `FREQ` is a frequency in kHz, a click (`click`, `clicks` or 0), or the name of another stimulus or its sound file,
//! which becomes the column `stimulus`. A level of `-Inf` belongs to a control without a stimulus, and a column of only
//! zeros is a known fault of the recorder. The reader skips both with a notice.
//!
//! The file's name gives the animal and the run: `ABR-52-3` is run 3 of `ABR-52`. CFTS stores other responses in files
//! of the same layout; the first line or the beginning of the name (`CAP-139-5`) identifies them. The analysed peaks
//! beside a file (`ABR-52-3-analyzed.txt`) label it: see [`analyzed`].

pub mod analyzed;

use super::vocabulary::{self, FrequencyUnit, Stimulus};
use super::{Format, ReadFn, ReadOutcome, Recording, SourceFile, tdt, text};
use crate::config;
use crate::error::Result;
use analyzed::{detect as detect_analyzed, read as read_analyzed};

pub const FORMAT: Format = Format {
    name: "EPL Cochlear Function Test Suite text",
    extensions: &["", "txt"],
    companions: &["*-analyzed.txt"],
    about: "the first half of each column, which is the response; the analysed peaks beside it give labels and \
            threshold",
    detect,
    read: ReadFn::Whole(read),
    samples: &["ABR-52-3"],
};

/// Detected so that no other reader takes such a file.
pub const ANALYZED: Format = Format {
    name: "EPL analysed peaks (beside their recordings)",
    extensions: &["txt"],
    companions: &[],
    about: "read with the recordings beside them",
    detect: detect_analyzed,
    read: ReadFn::Whole(read_analyzed),
    samples: &[],
};

/// The most levels of a level sweep.
const MOST_LEVELS: usize = 200;

/// The notice is the same for every file, so that many files give it once.
const HALF_DIFFERENCE: &str =
    "half the difference of the two polarities (mostly cochlear microphonic), below the responses, was left out";

/// Whether the beginning of a file fits the format.
fn detect(head: &[u8]) -> bool {
    head.starts_with(b":RUN-")
}

/// Reads a file's recordings, with the labels of the analysed peaks beside it.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the file and the line that violates the layout above,
/// [`Error::Io`](crate::error::Error::Io) if the files beside it cannot be read.
fn read(source: &SourceFile) -> Result<ReadOutcome> {
    let text = text::decode(source.bytes());
    if let Some(reason) = not_abr(source, &text) {
        return Ok(ReadOutcome::NotAbr(reason));
    }
    let mut lines = text::lines(&text).filter(|(_, line)| !line.trim().is_empty());
    let header = EplHeader::read(source, &mut lines)?;
    let columns = responses(source, &header, lines)?;
    let (mut levels, mut recordings, mut notices) = (Vec::new(), Vec::new(), vec![HALF_DIFFERENCE.to_string()]);
    let (mut controls, mut zeros) = (0, 0);
    for (column, samples) in columns.into_iter().enumerate() {
        if header.is_control(column) {
            controls += 1;
        } else if samples.iter().all(|&sample| sample == 0.0) {
            zeros += 1;
        } else {
            levels.push(header.levels[column]);
            recordings.push(header.recording(column, samples));
        }
    }
    let all = header.levels.len();
    if controls > 0 {
        notices.push(format!("{controls} of {all} columns contain controls without a stimulus and were left out"));
    }
    if zeros > 0 {
        notices.push(format!("{zeros} of {all} levels contain only zeros and were left out"));
    }
    if header.masked {
        let notice = "the levels are those of a masker (`:Vary signal level: false`) and are in masker_level_db";
        notices.push(notice.to_string());
    }
    notices.extend(analyzed::label(source, header.khz(), &levels, &mut recordings)?);
    let name = source.file_name();
    let animal = analyzed::without_txt(&name).strip_suffix(&format!("-{}", header.run)).filter(|it| !it.is_empty());
    Ok(ReadOutcome::Recordings { recordings, subject: animal.map(str::to_string), notices })
}

/// The reason, if the first line or the file's name names a response other than an ABR.
fn not_abr(source: &SourceFile, text: &str) -> Option<String> {
    let response = |text: &str| {
        vocabulary::other_response(text).or_else(|| {
            vocabulary::words(text).find_map(|word| match word {
                "CAP" => Some("compound action potentials of the auditory nerve"),
                "DP" => Some(vocabulary::DPOAE),
                _ => None,
            })
        })
    };
    let (_, first) = text::lines(text).next()?;
    if let Some(response) = response(first) {
        return Some(format!("line 1: this is a run of {response}"));
    }
    let name = source.file_name();
    let kind = name.split(['-', '_', ' ', '.']).next().unwrap_or_default();
    let response = response(kind)?;
    Some(format!("its name begins with `{kind}`: these are {response} (rename the file if they are ABRs)"))
}

/// The first half of each column.
fn responses<'a>(
    source: &SourceFile,
    header: &EplHeader,
    lines: impl Iterator<Item = (usize, &'a str)>,
) -> Result<Vec<Vec<f32>>> {
    let levels = header.levels.len();
    let mut columns = vec![Vec::new(); levels];
    let mut last = header.data_line;
    for (number, line) in lines {
        let mut fields = line.split_whitespace();
        for (found, column) in columns.iter_mut().enumerate() {
            let Some(field) = fields.next() else {
                return Err(source.line(number, format!("the line ends after {found} of {levels} levels")));
            };
            column.push(text::sample(source, number, field, 1.0)?);
        }
        match (fields.count(), header.levels[0]) {
            (0, _) => {}
            (more, None) => {
                let problem = format!("there are {} columns, but `:LEVELS:` names no level", 1 + more);
                let remedy = "write the level of each column into that line: `:LEVELS:20;40;60;`";
                return Err(source.error(format_args!("line {number}"), problem, remedy));
            }
            _ => return Err(source.line(number, format!("there are more values than the {levels} levels"))),
        }
        last = number;
    }
    match columns[0].len() {
        0 => Err(source.line(last, "the file ends before the first sample")),
        odd if odd % 2 == 1 => {
            let problem = format!(
                "{odd} lines of samples should be an even number: the responses, and below them half the differences \
                 of the two polarities"
            );
            Err(source.line(last, problem))
        }
        even => {
            for column in &mut columns {
                column.truncate(even / 2);
                column.shrink_to_fit();
            }
            Ok(columns)
        }
    }
}

/// The lines before `:DATA`.
#[derive(Default)]
struct EplHeader {
    run: String,
    ear: Option<&'static str>,
    stimulus: Option<Stimulus>,
    averages: String,
    /// One per level; empty if the file does not state it.
    averages_by_level: Vec<String>,
    rate: String,
    period_us: f64,
    /// One per column; `None` for a single column without a level.
    levels: Vec<Option<f64>>,
    /// A level other than `-Inf` that marks a control.
    control: Option<f64>,
    /// Whether the levels are those of the masker.
    masked: bool,
    data_line: usize,
}

impl EplHeader {
    fn read<'a>(source: &SourceFile, lines: &mut impl Iterator<Item = (usize, &'a str)>) -> Result<EplHeader> {
        let mut header = EplHeader::default();
        let (mut last, mut averages_line) = (0, 0);
        for (number, line) in lines {
            last = number;
            let line = line.trim();
            if line == ":DATA" {
                header.data_line = number;
                break;
            } else if let Some(levels) = after(line, ":LEVELS:") {
                header.levels = parse_levels(source, number, levels)?;
            } else if let Some(averages) = after(line, ":Avgs:") {
                averages_line = number;
                header.averages_by_level = parse_averages(source, number, averages)?;
            } else {
                line.split('\t').try_for_each(|field| header.field(source, number, field))?;
            }
        }
        let missing = match () {
            () if header.data_line == 0 => "the line `:DATA`",
            () if header.levels.is_empty() => "the line `:LEVELS:` (is this a level sweep?)",
            () if header.period_us == 0.0 => "`SAMPLE (µsec):`",
            () => "",
        };
        if !missing.is_empty() {
            return Err(source.line(last, format!("the header ends without {missing}")));
        }
        let (averages, levels) = (header.averages_by_level.len(), header.levels.len());
        if averages > 0 && averages != levels {
            let problem = format!("`:Avgs:` should have a number for each of {levels} levels, but has {averages}");
            return Err(source.line(averages_line, problem));
        }
        Ok(header)
    }

    fn field(&mut self, source: &SourceFile, number: usize, field: &str) -> Result<()> {
        let field = field.trim().trim_start_matches(':');
        if let Some(run) = field.strip_prefix("RUN-") {
            self.run = run.trim().to_string();
        }
        let Some((key, value)) = field.split_once(':') else { return Ok(()) };
        // `SW` (for sweep) may come before the name
        let key = key.strip_prefix("SW ").unwrap_or(key);
        match key {
            "EAR" => self.ear = tdt::ear(value),
            "FREQ" => self.stimulus = Stimulus::parse(source, number, "`FREQ`", value, FrequencyUnit::Khz)?,
            "# AVERAGES" => self.averages = text::tidy(value),
            "REP RATE (/sec)" => self.rate = text::not_negative(source, number, "`REP RATE`", value)?,
            "Control" => self.control = value.trim().parse().ok(),
            "Vary signal level" => self.masked = value.trim().eq_ignore_ascii_case("false"),
            _ if key.starts_with("SAMPLE (") => {
                self.period_us =
                    text::positive(source, number, "`SAMPLE`", value)? * microseconds(source, number, key)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The stimulus frequency as in files of analysed peaks, which write 0 for anything but a tone.
    fn khz(&self) -> Option<f64> {
        self.stimulus.as_ref().map(|stimulus| match stimulus {
            Stimulus::Tone(hz) => hz / 1000.0,
            Stimulus::Click | Stimulus::Other(_) => 0.0,
        })
    }

    fn is_control(&self, column: usize) -> bool {
        let level = self.levels[column];
        level == Some(f64::NEG_INFINITY) || (level.is_some() && level == self.control)
    }

    fn recording(&self, column: usize, samples: Vec<f32>) -> Recording {
        let mut recording = Recording::new(samples);
        recording.sample_rate_hz = Some(1e6 / self.period_us);
        recording.unit = Some(config::Unit::Microvolt);
        recording.t0_ms = Some(0.0);
        recording.add_column("ear", self.ear.unwrap_or_default());
        if let Some(stimulus) = &self.stimulus {
            stimulus.add_to(&mut recording);
        }
        if let Some(level) = self.levels[column] {
            recording.add_column(if self.masked { "masker_level_db" } else { "level_db" }, level);
        }
        recording.add_column("rate_hz", &self.rate);
        recording.add_column("n_averages", self.averages_by_level.get(column).unwrap_or(&self.averages));
        recording.add_column("record", &self.run);
        recording
    }
}

/// The unit in `SAMPLE (µsec)`, in µs. Programs may have garbled the `µ`.
fn microseconds(source: &SourceFile, line: usize, key: &str) -> Result<f64> {
    let unit = key.split_once('(').map_or("", |(_, unit)| unit.trim_end_matches([')', ' '])).to_lowercase();
    match unit.strip_suffix("sec").or(unit.strip_suffix('s')) {
        Some("m") => Ok(1e3),
        Some(micro) if micro == "u" || micro.contains(|c: char| !c.is_ascii() || c == '?') => Ok(1.0),
        _ => Err(source.line(line, format!("`{}` should be in µsec or msec", text::excerpt(key)))),
    }
}

/// The rest of a line after `mark`, ignoring case.
fn after<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    line.get(..mark.len()).filter(|begin| begin.eq_ignore_ascii_case(mark)).map(|_| &line[mark.len()..])
}

fn parse_levels(source: &SourceFile, number: usize, text: &str) -> Result<Vec<Option<f64>>> {
    let text = text.trim().trim_end_matches(';').trim_end();
    if text.is_empty() {
        return Ok(vec![None]);
    }
    if text.split(';').count() > MOST_LEVELS {
        return Err(source.line(number, format!("there are more than {MOST_LEVELS} levels")));
    }
    let level = |text: &str| match text.trim().parse() {
        Ok(f64::NEG_INFINITY) => Ok(Some(f64::NEG_INFINITY)),
        _ => text::number(source, number, "a level", text).map(Some),
    };
    text.split(';').map(level).collect()
}

fn parse_averages(source: &SourceFile, number: usize, text: &str) -> Result<Vec<String>> {
    let numbers = text.split(|c: char| c == ';' || c.is_whitespace()).filter(|text| !text.is_empty());
    // one more than the limit is enough to refuse them
    let numbers = numbers.take(MOST_LEVELS + 1);
    numbers.map(|text| Ok(text::number(source, number, "a number of averages", text)?.to_string())).collect()
}
