//! Tables with known content, written in any column order, quoting, separator, line end and encoding, correctly or with
//! one fault.

use abr_film::config::{ColumnEncoding, ConditionColumn, DataConfig, EncodedColumn, FilterValue, RowFilter, Unit};
use abr_film::data::{PEAK_COLUMNS, WAVES};
use std::fmt::{Display, LowerExp};
use std::path::Path;

/// The intended content of a recording.
#[derive(Debug, Clone)]
pub struct WantedRow {
    pub subject: &'static str,
    pub level_db: f64,
    pub group: &'static str,
    pub note: &'static str,
    /// Latencies as fractions of the used time, then amplitudes.
    pub labels: [Option<f32>; 6],
    pub samples: Vec<f32>,
    pub truth: Vec<f32>,
    /// The number of samples by which it is shorter than the longest.
    pub shorter: usize,
    /// The text for an unknown value.
    pub missing: &'static str,
}

/// The naming scheme of the columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Names {
    Own,
    /// `s000`, `s001`, …
    Padded,
    /// Samples numbered from `0` or `1`; other columns in a recorder's words.
    Numbered(usize),
}

#[derive(Debug, Clone, Copy)]
pub enum Encoded {
    Utf8,
    Utf8WithMark,
    Utf16Le,
    Utf16Be,
    Windows1252,
}

/// The style of a written table.
#[derive(Debug, Clone)]
pub struct Style {
    pub names: Names,
    pub separator: char,
    /// Whether all cells are quoted.
    pub quoted: bool,
    /// Whether numbers have an exponent.
    pub exponents: bool,
    pub crlf: bool,
    pub encoded: Encoded,
    /// The name of a column with row numbers, as R and pandas write it.
    pub row_numbers: Option<&'static str>,
    /// Whether the first line names the separator.
    pub separator_line: bool,
    /// Sort keys that shuffle the columns.
    pub order: Vec<u32>,
}

#[derive(Debug, Clone)]
pub struct WantedTable {
    pub rows: Vec<WantedRow>,
    pub length: usize,
    pub cut: usize,
    pub sample_rate_hz: f64,
    pub t0_ms: f64,
    pub labelled: bool,
    pub simulated: bool,
    pub may_miss_level: bool,
    pub style: Style,
    /// The row and the sample of the fault.
    pub at: (usize, usize),
}

/// The faults, and their error messages.
pub const FAULTS: [(&str, &str); 18] = [
    ("abc for a sample", "\"abc\" is not a number"),
    ("1e39 for a sample", "\"1e39\" is not a finite number"),
    ("2e9 for a sample", "a sample of 2e9 µV (more than 1000 V) is impossible"),
    ("a sample missing before others", "empty or NaN, but a number is needed"),
    ("a column twice", "are both named `note`"),
    ("a sample twice", "which are one"),
    ("no column for a sample", "is missing, though"),
    ("no column of levels", "no column `level_db`, which data.static_columns names"),
    ("a level missing", "empty, but a number is needed"),
    ("all levels missing", "empty, but a number is needed"),
    ("a level in words", "\"loud\" is not a number"),
    ("a group missing", "empty, but a category is needed"),
    ("a subject missing", "empty, and the split is by subject"),
    ("rate 0", "0 is no sample rate"),
    ("a rate missing", "sample_rate_hz is not known"),
    ("another rate", "but the rows before have"),
    ("a label in words", "\"late\" is not a number"),
    ("one value more", "values, but the header has"),
];

/// Column indices before shuffling.
const SUBJECT: usize = 0;
const LEVEL: usize = 1;
const GROUP: usize = 2;
const NOTE: usize = 3;
const RATE: usize = 4;

impl WantedTable {
    /// The number of samples of each row that a model sees.
    pub fn used(&self) -> usize {
        let shortest = self.rows.iter().map(|row| row.shorter).max().unwrap_or(0);
        self.length - shortest - self.cut
    }

    /// The labels of a row in ms and µV.
    pub fn labels(&self, row: &WantedRow) -> [Option<f32>; 6] {
        let lasts_ms = (self.used() - 1) as f64 * 1000.0 / self.sample_rate_hz;
        let mut labels = row.labels;
        labels[..3].iter_mut().flatten().for_each(|part| *part = (self.t0_ms + f64::from(*part) * lasts_ms) as f32);
        if self.labelled { labels } else { [None; 6] }
    }

    fn sample_name(&self, i: usize) -> String {
        match self.style.names {
            Names::Own => format!("s{i}"),
            Names::Padded => format!("s{i:03}"),
            Names::Numbered(first) => (first + i).to_string(),
        }
    }

    /// The columns: a name, then one cell per row.
    fn columns(&self) -> Vec<Vec<String>> {
        let numbered = matches!(self.style.names, Names::Numbered(_));
        let [subject, level] = if numbered { ["Sub. ID", "Level(dB)"] } else { ["subject_id", "level_db"] };
        let mut columns = Vec::new();
        let mut add = |name: &str, cell: &dyn Fn(&WantedRow) -> String| {
            columns.push(std::iter::once(name.to_string()).chain(self.rows.iter().map(cell)).collect::<Vec<_>>());
        };
        add(subject, &|row| row.subject.to_string());
        add(level, &|row| self.style.number(row.level_db));
        add("group", &|row| row.group.to_string());
        add("note", &|row| row.note.to_string());
        add("sample_rate_hz", &|_| self.style.number(self.sample_rate_hz));
        add("t0_ms", &|_| self.style.number(self.t0_ms));
        for (i, name) in PEAK_COLUMNS.iter().enumerate().filter(|_| self.labelled) {
            add(name, &|row| self.labels(row)[i].map_or(row.missing.to_string(), |label| self.style.number(label)));
        }
        let trace = |row: &WantedRow, samples: &[f32], i: usize| match i < self.length - row.shorter {
            true => self.style.number(samples[i]),
            false => row.missing.to_string(),
        };
        for i in 0..self.length {
            add(&self.sample_name(i), &|row| trace(row, &row.samples, i));
        }
        if self.is_simulated() {
            (0..self.length).for_each(|i| add(&format!("truth_s{i}"), &|row| trace(row, &row.truth, i)));
            for (i, wave) in WAVES.iter().enumerate() {
                add(&format!("truth_{wave}_ms"), &|row| {
                    latency(i).map_or(row.missing.to_string(), |ms| self.style.number(ms))
                });
            }
        }
        columns
    }

    pub fn is_simulated(&self) -> bool {
        self.simulated && !matches!(self.style.names, Names::Numbered(_))
    }

    /// Puts a fault into the columns.
    fn spoil(&self, fault: &str, columns: &mut Vec<Vec<String>>) {
        let row = 1 + self.at.0 % self.rows.len();
        let sample = self.at.1 % (self.used() - 1);
        let later = sample.max(1);
        let missing = if self.rows[row - 1].missing == "NA" { "NA" } else { "" };
        let place = |name: &str| columns.iter().position(|column| column[0] == name).expect("a column");
        let at = place(&self.sample_name(sample));
        let mut set = |column: usize, cell: &str| columns[column][row] = cell.to_string();
        match fault {
            "abc for a sample" => set(at, "abc"),
            "1e39 for a sample" => set(at, "1e39"),
            "2e9 for a sample" => set(at, "2e9"),
            "a sample missing before others" => set(at, self.rows[row - 1].missing),
            "a level missing" => set(LEVEL, missing),
            "all levels missing" => columns[LEVEL][1..].fill(missing.to_string()),
            "a level in words" => set(LEVEL, "loud"),
            "a group missing" => set(GROUP, missing),
            "a subject missing" => set(SUBJECT, missing),
            "rate 0" => set(RATE, "0"),
            "a rate missing" => set(RATE, missing),
            "another rate" => set(RATE, "12345"),
            "a label in words" => {
                columns.retain(|column| column[0] != "peak_v_ms");
                let cells = std::iter::repeat_n("late".to_string(), self.rows.len());
                columns.push(std::iter::once("peak_v_ms".to_string()).chain(cells).collect());
            }
            "a column twice" => columns.push(columns[NOTE].clone()),
            "a sample twice" => {
                let mut again = columns[at].clone();
                again[0] = match self.style.names {
                    Names::Own => format!("s0{sample}"),
                    Names::Padded => format!("s{sample}"),
                    Names::Numbered(first) => format!("{}.0", first + sample),
                };
                columns.push(again);
            }
            // without the first sample it may be another kind of table
            "no column for a sample" => columns.retain(|column| column[0] != self.sample_name(later)),
            "no column of levels" => drop(columns.remove(LEVEL)),
            "one value more" => {}
            other => panic!("{other}"),
        }
    }

    /// The bytes of the file.
    pub fn bytes(&self, fault: Option<&str>) -> Vec<u8> {
        let mut columns = self.columns();
        fault.into_iter().for_each(|fault| self.spoil(fault, &mut columns));
        let mut order: Vec<usize> = (0..columns.len()).collect();
        order.sort_by_key(|&column| self.style.order[column]);
        let mut lines: Vec<Vec<String>> = (0..=self.rows.len())
            .map(|line| order.iter().map(|&column| columns[column][line].clone()).collect())
            .collect();
        if let Some(name) = self.style.row_numbers {
            let number = |line: usize| if line == 0 { name.to_string() } else { line.to_string() };
            lines.iter_mut().enumerate().for_each(|(line, cells)| cells.insert(0, number(line)));
        }
        if fault == Some("one value more") {
            lines[1 + self.at.0 % self.rows.len()].push("7".to_string());
        }
        self.style.encode(&lines)
    }

    pub fn config(&self, path: &Path) -> DataConfig {
        let group = EncodedColumn { name: "group".into(), encoding: ColumnEncoding::OneHot, categories: None };
        DataConfig {
            path: Some(path.display().to_string()),
            static_columns: vec![ConditionColumn::Name("level_db".into()), ConditionColumn::Encoded(group)],
            impute_statics: if self.may_miss_level { vec!["level_db".into()] } else { Vec::new() },
            ..DataConfig::default()
        }
    }
}

/// Settings of a configuration that change a table's values.
#[derive(Debug, Default)]
pub struct Overrides {
    pub unit: Option<Unit>,
    pub gain: Option<f64>,
    /// A subject that a filter drops.
    pub without: Option<String>,
}

impl Overrides {
    pub fn add_to(&self, config: DataConfig) -> DataConfig {
        let filter = |subject: &String| RowFilter {
            column: "subject_id".to_string(),
            min: None,
            max: None,
            equals: None,
            not: Some(vec![FilterValue::Text(subject.clone())]),
        };
        DataConfig { unit: self.unit, gain: self.gain, filters: self.without.iter().map(filter).collect(), ..config }
    }

    /// The intended content of the table with these settings.
    pub fn meant(&self, table: &WantedTable) -> WantedTable {
        let factor = self.unit.map_or(1.0, Unit::microvolts) * self.gain.map_or(1.0, |gain| 1.0 / gain);
        let mut meant = table.clone();
        meant.rows.retain(|row| Some(row.subject) != self.without.as_deref());
        for row in &mut meant.rows {
            row.samples
                .iter_mut()
                .chain(&mut row.truth)
                .for_each(|sample| *sample = (f64::from(*sample) * factor) as f32);
        }
        // keeps the number of used samples
        meant.cut = 0;
        meant.cut = meant.used() - table.used();
        meant
    }
}

/// The ground-truth latency of a wave; one wave is absent.
pub fn latency(wave: usize) -> Option<f32> {
    (wave != 3).then_some(1.1 + wave as f32)
}

impl Style {
    fn number(&self, value: impl Display + LowerExp) -> String {
        let text = if self.exponents { format!("{value:e}") } else { value.to_string() };
        if self.separator == ';' { text.replace('.', ",") } else { text }
    }

    fn encode(&self, lines: &[Vec<String>]) -> Vec<u8> {
        let end = if self.crlf { "\r\n" } else { "\n" };
        let needs_quotes = |cell: &str| self.quoted || cell.contains([self.separator, '"', '\n']);
        let quoted = |cell: &String| match needs_quotes(cell) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell.clone(),
        };
        let line = |cells: &Vec<String>| cells.iter().map(quoted).collect::<Vec<_>>().join(&self.separator.to_string());
        let first = self.separator_line.then(|| format!("sep={}", self.separator));
        let text: String = first.into_iter().chain(lines.iter().map(line)).map(|line| line + end).collect();
        let marked = format!("\u{feff}{text}");
        match self.encoded {
            Encoded::Utf8 => text.into_bytes(),
            Encoded::Utf8WithMark => marked.into_bytes(),
            Encoded::Utf16Le => marked.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Encoded::Utf16Be => marked.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Encoded::Windows1252 => {
                text.chars().map(|c| u8::try_from(c).expect("a character of Windows-1252")).collect()
            }
        }
    }
}
