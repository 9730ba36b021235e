//! NumPy's `.npz`, read and written: a zip of arrays.
//!
//! | array | what |
//! | --- | --- |
//! | `signal`, `[N, L]`, `float16`, `float32` or `float64` | a row a recording, in µV |
//! | `subject_id`, `[N]` | who was recorded |
//! | `sample_rate_hz`, `t0_ms`, one number or `[N]` | sampling, and time of the first sample after the onset |
//! | [`PEAK_COLUMNS`], `[N]` | labels in ms and µV, NaN where unlabelled |
//! | any other, one value or `[N]` | a column of its name: numbers (NaN: not known) or text |
//!
//! ```python
//! np.savez("set.npz", signal=signal, subject_id=np.array(ids), level_db=levels, sample_rate_hz=20000.0, t0_ms=0.0)
//! ```
//!
//! # From a pickle
//!
//! Opening a pickle can run any code, so none is ever opened here. A pickled list of dictionaries with `patient_id`,
//! `static_params`, `signal`, `peaks` and `peak_mask` becomes an `.npz` where it was written, and where it is trusted:
//!
//! ```python
//! import pickle, numpy as np
//! rows = pickle.load(open("data.pkl", "rb"))
//! names = ["age_years", "level_db", "rate_hz"]  # what static_params holds, in its order and its own units
//! columns = dict(zip(names, np.array([r["static_params"] for r in rows], dtype=float).T))
//! peaks = np.array([r["peaks"] for r in rows], dtype=float)  # latencies I, III, V in ms, amplitudes I, III, V in µV
//! peaks[~np.array([r["peak_mask"] for r in rows], dtype=bool)] = np.nan
//! labels = ["peak_i_ms", "peak_iii_ms", "peak_v_ms", "peak_i_uv", "peak_iii_uv", "peak_v_uv"]
//! np.savez("data.npz", signal=np.array([r["signal"] for r in rows], dtype=np.float32),  # in µV
//!          subject_id=np.array([str(r["patient_id"]) for r in rows]),
//!          sample_rate_hz=20000.0, t0_ms=0.0,  # as it was recorded
//!          **columns, **dict(zip(labels, peaks.T)))
//! ```

use super::npy::{self, Array};
use super::{Format, ReadFn, Reading, Recording, Source, text};
use crate::data::PEAK_COLUMNS;
use crate::error::{Error, Result, nearest};
use crate::files::write_whole;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Write};
use std::path::Path;

pub const FORMAT: Format = Format {
    name: "NumPy `.npz`",
    extensions: &["npz"],
    companions: &[],
    about: "`signal [N, L]` in µV and one array per column",
    detect: recognise,
    read: ReadFn::Whole(read),
    samples: &["rows.npz", "columns.npz"],
};

/// How many times the file's size its content may take: compressed text may shrink so far, and a zip bomb is beyond it.
pub(super) const MOST: usize = 16;

/// What is allowed to any file.
const FREE: usize = 1 << 16;

/// What a column's cell takes in a recording.
const CELL: usize = 96;

/// Whether a file begins so: as a zip whose first member is an array.
fn recognise(head: &[u8]) -> bool {
    let name = head.get(30..).unwrap_or_default();
    head.starts_with(b"PK\x03\x04")
        && name.iter().take(256).collect::<Vec<_>>().windows(4).any(|w| w == [&b'.', &b'n', &b'p', &b'y'])
}

/// Reads a file's recordings.
///
/// # Errors
/// [`Error::Input`] with the array that is not as above.
fn read(source: &Source) -> Result<Reading> {
    let mut arrays = unpack(source)?;
    let Some(signal) = arrays.remove("signal") else {
        let names: Vec<&str> = arrays.keys().map(String::as_str).collect();
        let near =
            nearest("signal", names.iter().copied()).map_or(String::new(), |near| format!("rename `{near}`, or "));
        let problem = format!("there is no array `signal`, only {}", names.join(", "));
        return Err(source.error("", problem, format!("{near}add the traces in µV as `signal`, a row each")));
    };
    let cells = arrays.values().map(|array| CELL + array.item_bytes()).sum();
    let mut recordings = signals(source, &signal, cells)?;
    let mut unread = Vec::new();
    for (name, array) in &arrays {
        let step = match array.shape[..] {
            [] | [1] => 0,
            [rows] if rows == recordings.len() => 1,
            _ => {
                unread.push(format!("`{name}` of shape {:?}", array.shape));
                continue;
            }
        };
        for (row, recording) in recordings.iter_mut().enumerate() {
            take(source, name, array, row * step, recording)?;
        }
    }
    let notice = (!unread.is_empty())
        .then(|| format!("arrays that are neither one value nor one a row were left out: {}", unread.join(", ")));
    Ok(Reading::Recordings { recordings, subject: None, notices: notice.into_iter().collect() })
}

/// All arrays by name; together they are no larger than [`MOST`] times the file.
fn unpack(source: &Source) -> Result<BTreeMap<String, Array>> {
    let unreadable = |problem: zip::result::ZipError| {
        source.error(
            "",
            format!("cannot be unpacked: {problem}"),
            "the file is damaged or cut short: save or copy it again",
        )
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(source.bytes())).map_err(unreadable)?;
    let mut left = MOST * source.bytes().len() + FREE;
    let mut arrays = BTreeMap::new();
    for i in 0..archive.len() {
        let member = archive.by_index(i).map_err(unreadable)?;
        let name = member.name().map_err(unreadable)?.into_owned();
        let Some(name) = name.strip_suffix(".npy").map(str::to_string) else { continue };
        let array = Array::read(member, left).map_err(|refused| {
            source.error(format_args!("array `{}`", text::excerpt(&name)), refused.problem, refused.remedy)
        })?;
        left -= array.bytes();
        arrays.insert(name, array);
    }
    Ok(arrays)
}

/// The traces, if they and the cells of a row (of so many bytes) stay within [`MOST`] times the file.
fn signals(source: &Source, signal: &Array, cells: usize) -> Result<Vec<Recording>> {
    let wrong = |problem: String, remedy: &str| source.error("array `signal`", problem, remedy);
    let [rows, length] = signal.shape[..] else {
        let problem = format!("it should have the shape [recordings, samples], but has {:?}", signal.shape);
        return Err(wrong(problem, "save one row a recording"));
    };
    if !signal.is_float() {
        return Err(wrong(
            "its items are no floats".to_string(),
            "save microvolts: np.asarray(signal, dtype=np.float32)",
        ));
    }
    if rows == 0 || length == 0 {
        return Err(wrong(format!("it is empty: {rows} recordings of {length} samples"), "save some recordings"));
    }
    // many short recordings take more than their samples, and one text may be copied to all of them
    let each = size_of::<Recording>() + 4 * length + cells;
    if rows > (MOST * source.bytes().len() + FREE) / each {
        let remedy = "if there are really so many, save them with np.savez instead of np.savez_compressed";
        return Err(wrong(
            format!("{rows} recordings of {length} samples take more than {MOST} times the file"),
            remedy,
        ));
    }
    let mut recordings = Vec::with_capacity(rows);
    for row in 0..rows {
        let mut samples = Vec::with_capacity(length);
        for column in 0..length {
            let value = signal.number(signal.index(row, column));
            // a NaN fails this too
            if value.abs() <= text::MAX_SAMPLE_UV {
                samples.push(value as f32);
            } else {
                let problem = format!("row {row}, sample {column}: {value} µV cannot be");
                return Err(wrong(problem, "save finite microvolts; leave out or repair recordings with gaps"));
            }
        }
        recordings.push(Recording::new(samples));
    }
    Ok(recordings)
}

/// Gives a recording an array's item.
fn take(source: &Source, name: &str, array: &Array, index: usize, recording: &mut Recording) -> Result<()> {
    let peak = PEAK_COLUMNS.iter().position(|peak| *peak == name);
    let wrong = |problem: String, remedy: &str| source.error(format_args!("array `{name}`"), problem, remedy);
    if !array.is_number() && (peak.is_some() || ["sample_rate_hz", "t0_ms"].contains(&name)) {
        return Err(wrong("it holds text instead of numbers".to_string(), "save numbers, NaN where not known"));
    }
    let value = array.number(index);
    let known = (!value.is_nan()).then_some(value);
    if (peak.is_some() || name == "t0_ms") && value.is_infinite() {
        return Err(wrong(format!("item {index} is infinite"), "save NaN where a value is not known"));
    }
    match (name, peak) {
        (_, Some(peak)) => recording.peaks[peak] = value as f32,
        ("sample_rate_hz", _) if known.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) => {
            return Err(wrong(format!("item {index} is {value}"), "save the samples a second, above 0"));
        }
        ("sample_rate_hz", _) => recording.sample_rate_hz = known,
        ("t0_ms", _) => recording.t0_ms = known,
        ("subject_id", _) => recording.subject = array.text(index),
        _ => recording.say(&text::free_name(name), array.text(index)),
    }
    Ok(())
}

/// Writes recordings, uncompressed.
///
/// # Errors
/// [`Error::Usage`] for none or for different lengths, [`Error::Io`].
pub fn write(path: &Path, recordings: &[Recording]) -> Result<()> {
    let first =
        recordings.first().ok_or_else(|| Error::usage("there is no recording to write", "name a set that has some"))?;
    let length = first.samples.len();
    if let Some(other) = recordings.iter().find(|r| r.samples.len() != length) {
        let problem = format!("a recording has {length} samples, another {}", other.samples.len());
        return Err(Error::usage(problem, "cut them to one length first: an array has one for all its rows"));
    }
    let packed = pack(recordings, length).map_err(Error::io("write", path))?;
    write_whole(path, |writer| writer.write_all(&packed))
}

fn pack(recordings: &[Recording], length: usize) -> io::Result<Vec<u8>> {
    let rows = recordings.len();
    let mut zip = Zip(zip::ZipWriter::new(Cursor::new(Vec::new())));
    let samples = recordings.iter().flat_map(|r| &r.samples).flat_map(|sample| sample.to_le_bytes());
    zip.array("signal", "<f4", &[rows, length], samples)?;
    zip.texts("subject_id", recordings.iter().map(|r| r.subject.as_str()))?;
    zip.numbers("sample_rate_hz", recordings.iter().map(|r| r.sample_rate_hz))?;
    zip.numbers("t0_ms", recordings.iter().map(|r| r.t0_ms))?;
    for (i, name) in PEAK_COLUMNS.iter().enumerate() {
        if recordings.iter().any(|r| !r.peaks[i].is_nan()) {
            zip.array(name, "<f4", &[rows], recordings.iter().flat_map(|r| r.peaks[i].to_le_bytes()))?;
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in recordings.iter().flat_map(|r| &r.columns) {
        if !names.contains(&&**name) {
            names.push(name);
        }
    }
    for name in names {
        let cells = || recordings.iter().map(|r| r.column(name).unwrap_or_default());
        // as numbers if each can be read back as it stands
        let number =
            |cell: &str| cell.parse::<f64>().ok().filter(|value| value.is_finite() && value.to_string() == cell);
        match cells().all(|cell| cell.is_empty() || number(cell).is_some()) {
            true => zip.numbers(name, cells().map(number))?,
            false => zip.texts(name, cells())?,
        }
    }
    Ok(zip.0.finish()?.into_inner())
}

struct Zip(zip::ZipWriter<Cursor<Vec<u8>>>);

impl Zip {
    fn array(&mut self, name: &str, descr: &str, shape: &[usize], items: impl Iterator<Item = u8>) -> io::Result<()> {
        // without a time, so that equal recordings are equal bytes
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default());
        self.0.start_file(format!("{name}.npy"), options)?;
        npy::write_header(&mut self.0, descr, shape)?;
        let items: Vec<u8> = items.collect();
        self.0.write_all(&items)
    }

    /// A value a row, NaN for unknown; not written if none is known.
    fn numbers(&mut self, name: &str, values: impl Iterator<Item = Option<f64>> + Clone) -> io::Result<()> {
        if values.clone().all(|value| value.is_none()) {
            return Ok(());
        }
        let rows = values.clone().count();
        self.array(name, "<f8", &[rows], values.flat_map(|value| value.unwrap_or(f64::NAN).to_le_bytes()))
    }

    fn texts<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a str> + Clone) -> io::Result<()> {
        let rows = values.clone().count();
        let width = values.clone().map(|value| value.chars().count()).max().unwrap_or(0).max(1);
        let padded = |value: &'a str| value.chars().map(u32::from).chain(std::iter::repeat(0)).take(width);
        self.array(name, &format!("<U{width}"), &[rows], values.flat_map(padded).flat_map(u32::to_le_bytes))
    }
}
