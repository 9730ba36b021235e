//! What the tables with a row a recording and a numbered column a sample share: which columns are samples, and what the others
//! say.

use super::{Recording, Source, tdt, text};
use crate::data::PEAK_COLUMNS;
use crate::error::Result;
use csv::{ReaderBuilder, StringRecord, Trim};

/// Columns beside the samples that are still taken for such a table.
const MAX_OTHERS: usize = 100;

/// The names of the first line, and how it is separated.
pub struct Header {
    pub names: StringRecord,
    delimiter: u8,
    /// The columns `<first>`, `<first + 1>`, …: where they begin, and how many there are.
    samples: (usize, usize),
}

impl Header {
    /// The header of a text, if it has numbered columns from `first` on.
    pub fn find(text: &str, first: usize) -> Option<Header> {
        let line = text::lines(text).next()?.1;
        let delimiter = *b",;\t".iter().max_by_key(|&&d| line.bytes().filter(|&b| b == d).count())?;
        let mut names = StringRecord::new();
        reader(delimiter, line.as_bytes()).read_record(&mut names).ok()?;
        let start = names.iter().position(|name| name.parse() == Ok(first))?;
        let count = names.iter().skip(start).zip(first..).take_while(|(name, i)| name.parse() == Ok(*i)).count();
        (names.len() - count <= MAX_OTHERS).then_some(Header { names, delimiter, samples: (start, count) })
    }

    pub fn sample_columns(&self) -> usize {
        self.samples.1
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|n| n.eq_ignore_ascii_case(name))
    }
}

fn reader(delimiter: u8, bytes: &[u8]) -> csv::Reader<&[u8]> {
    // flexible: ragged rows are refused with a remedy
    ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).delimiter(delimiter).from_reader(bytes)
}

/// Reads the rows below a header. Empty cells at a row's end mean that its recording is shorter.
pub fn read(source: &Source, text: &str, header: &Header) -> Result<Vec<Recording>> {
    let meanings: Vec<Meaning> = header.names.iter().map(Meaning::of).collect();
    let mut reader = reader(header.delimiter, text.as_bytes());
    let (mut recordings, mut row) = (Vec::new(), StringRecord::new());
    loop {
        let line = reader.position().line() as usize;
        match reader.read_record(&mut row) {
            Ok(true) if line == 1 && recordings.is_empty() && row == header.names => continue,
            Ok(true) => recordings.push(Row { source, line, header, meanings: &meanings, row: &row }.recording()?),
            Ok(false) => break,
            Err(error) => return Err(source.line(line, format!("no row of a table: {:?}", error.into_kind()))),
        }
    }
    if recordings.is_empty() {
        return Err(source.line(2, "the file ends after the names of the columns"));
    }
    Ok(recordings)
}

struct Row<'a> {
    source: &'a Source,
    line: usize,
    header: &'a Header,
    meanings: &'a [Meaning],
    row: &'a StringRecord,
}

impl Row<'_> {
    fn recording(&self) -> Result<Recording> {
        let (source, line, columns) = (self.source, self.line, self.header.names.len());
        let (start, count) = self.header.samples;
        // trailing separators are harmless
        let surplus = self.row.iter().skip(columns).any(|cell| !cell.is_empty());
        if surplus || self.row.len() < start {
            return Err(source.line(line, format!("{} values, but there are {columns} columns", self.row.len())));
        }
        let cells = (start..start + count).map(|i| self.row.get(i).unwrap_or_default());
        let length =
            cells.clone().enumerate().filter(|(_, cell)| !cell.is_empty()).map(|(i, _)| i + 1).max().unwrap_or(0);
        if length == 0 {
            return Err(source.line(line, "the row has no samples"));
        }
        let samples = cells.take(length).map(|cell| text::sample(source, line, &self.point(cell), 1.0));
        let mut recording = Recording::new(samples.collect::<Result<_>>()?);
        for (i, meaning) in self.meanings.iter().enumerate().filter(|(i, _)| !(start..start + count).contains(i)) {
            let cell = self.row.get(i).unwrap_or_default();
            if !cell.is_empty() {
                meaning.take(self, &mut recording, cell)?;
            }
        }
        Ok(recording)
    }

    /// Where semicolons separate, commas are decimal points.
    fn point<'c>(&self, cell: &'c str) -> std::borrow::Cow<'c, str> {
        match self.header.delimiter {
            b';' if cell.contains(',') => cell.replace(',', ".").into(),
            _ => cell.into(),
        }
    }
}

/// What a column that is no sample says.
enum Meaning {
    Subject,
    Ear,
    /// In Hz or kHz by its name; a name without unit leaves it to the cell.
    Frequency(Option<f64>),
    SampleRateHz,
    SamplePeriodUs,
    T0Ms,
    /// A number under one of our names.
    Number(&'static str),
    /// Under its own name.
    Other(String),
}

impl Meaning {
    fn of(name: &str) -> Meaning {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        match plain.as_str() {
            "subject" | "subjectid" | "patient" | "patientid" | "id" | "animal" | "animalid" | "mouse" => {
                Meaning::Subject
            }
            "ear" | "side" | "testear" => Meaning::Ear,
            "freqhz" | "frequencyhz" | "stimfreqhz" => Meaning::Frequency(Some(1.0)),
            "freqkhz" | "frequencykhz" | "stimfreqkhz" => Meaning::Frequency(Some(1000.0)),
            "freq" | "frequency" | "stimulus" | "stimulusfrequency" => Meaning::Frequency(None),
            "sampleratehz" | "samplinghz" | "samplingratehz" | "samplingfrequencyhz" => Meaning::SampleRateHz,
            // BioSig's table of averages
            "sampper" | "sampperus" | "sampleperiodus" => Meaning::SamplePeriodUs,
            "t0ms" => Meaning::T0Ms,
            "level" | "leveldb" | "leveldbspl" | "leveldbnhl" | "intensity" | "intensitydb" | "intensitydbnhl"
            | "intensitydbspl" | "stimuluslevel" | "stimuluslevel(db)" | "stimulusleveldb" => {
                Meaning::Number("level_db")
            }
            "rate" | "ratehz" | "stimrate" | "stimulusrate" | "clickrate" | "rates" => Meaning::Number("rate_hz"),
            "averages" | "naverages" | "noavgs" | "noaverages" | "sweeps" | "nsweeps" | "numberofsweeps" => {
                Meaning::Number("n_averages")
            }
            "artifacts" | "nartifacts" | "noarts" | "noartifacts" | "rejected" => Meaning::Number("n_artifacts"),
            "threshold" | "thresholddb" | "thresholddbspl" | "thresholddbnhl" => Meaning::Number("threshold_db"),
            "channel" => Meaning::Other("channel".to_string()),
            "polarity" => Meaning::Other("polarity".to_string()),
            _ => Meaning::Other(own_name(name)),
        }
    }

    fn take(&self, row: &Row, recording: &mut Recording, cell: &str) -> Result<()> {
        let number = |what: &str| text::number(row.source, row.line, what, &row.point(cell));
        let positive = |what: &str| text::positive(row.source, row.line, what, &row.point(cell));
        match self {
            Meaning::Subject => recording.subject = cell.to_string(),
            Meaning::Ear => recording.say("ear", tdt::ear(cell).unwrap_or(cell)),
            Meaning::SampleRateHz => recording.sample_rate_hz = Some(positive("the sample rate")?),
            Meaning::SamplePeriodUs => {
                recording.sample_rate_hz = Some(tdt::sample_rate_hz(1e6 / positive("the sampling period")?));
            }
            Meaning::T0Ms => recording.t0_ms = Some(number("t0_ms")?),
            Meaning::Number(name) => recording.say(name, number(name)?),
            Meaning::Frequency(_) if cell.to_lowercase().contains("click") => recording.say("frequency_hz", "click"),
            Meaning::Frequency(Some(hz)) => match number("the frequency")? {
                0.0 => recording.say("frequency_hz", "click"),
                value => recording.say("frequency_hz", if *hz == 1.0 { value } else { text::hz_from_khz(value) }),
            },
            Meaning::Frequency(None) => match with_unit(&row.point(cell)) {
                Some(hz) => recording.say("frequency_hz", hz),
                None => recording.say("stimulus", cell),
            },
            Meaning::Other(name) => recording.say(name, text::tidy(&row.point(cell))),
        }
        Ok(())
    }
}

/// `4 kHz` or `500Hz` in Hz.
fn with_unit(cell: &str) -> Option<f64> {
    let lower = cell.to_lowercase();
    let (number, khz) = match lower.strip_suffix("khz") {
        Some(number) => (number, true),
        None => (lower.strip_suffix("hz")?, false),
    };
    let value: f64 = number.trim().parse().ok().filter(|value: &f64| value.is_finite())?;
    Some(if khz { text::hz_from_khz(value) } else { value })
}

/// A column's own name in the manner of the others.
fn own_name(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    match words.map(str::to_lowercase).collect::<Vec<_>>().join("_").as_str() {
        "" => "unnamed".to_string(),
        "frequency_hz" | "stimulus" => format!("file_{name}"),
        name => free_name(name),
    }
}

/// A name apart from those that mean something else to a table.
pub fn free_name(name: &str) -> String {
    let sample = name.strip_prefix('s').is_some_and(|n| n.parse::<usize>().is_ok());
    let taken = ["file", "subject_id", "sample_rate_hz", "t0_ms"].contains(&name) || PEAK_COLUMNS.contains(&name);
    if taken || sample || name.starts_with("truth_") { format!("file_{name}") } else { name.to_string() }
}
