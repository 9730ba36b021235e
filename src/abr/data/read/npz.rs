//! Reads NumPy's `.npz`: a zip of arrays.
//!
//! | array | what |
//! | --- | --- |
//! | `signal`, `[N, L]`, `float16`, `float32` or `float64` | one row per recording, in µV; NaN for missing samples and after the last one |
//! | `subject_id`, `[N]` | the subject |
//! | `unit`, one text or `[N]` | of `signal` and `truth`, if not µV: V, mV or nV |
//! | `sample_rate_hz`, `t0_ms`, one number or `[N]` | sample rate, and time of the first sample after the onset; NaN if unknown |
//! | [`PEAK_COLUMNS`], `[N]` | labels in ms and µV, NaN where unlabelled |
//! | `truth`, `[N, L]` | a simulation's noise-free traces in µV, at the times of the samples |
//! | `truth_i_ms`, … `truth_vii_ms`, `[N]` | its wave latencies, NaN where a wave is absent |
//! | any other, one value or `[N]` | a column of this name: numbers (NaN: unknown) or text |
//!
//! ```python
//! np.savez("set.npz", signal=signal, subject_id=np.array(ids), level_db=levels, sample_rate_hz=20000.0, t0_ms=0.0)
//! ```
//!
//! # From a pickle
//!
//! Opening a pickle can run any code, so this reader never opens one. Convert a pickled list of dictionaries with
//! `patient_id`, `static_params`, `signal`, `peaks` and `peak_mask` to an `.npz` where it was written and is trusted:
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

use super::npy::{Array, MAX_EXPANSION};
use super::{AtEnd, Format, Notices, ReadFn, Recording, SourceFile, TableStream, delimited, text, units};
use crate::data::recording::GroundTruth;
use crate::data::{PEAK_COLUMNS, WAVES};
use crate::error::{Error, Result};
use crate::text::nearest;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

pub const FORMAT: Format = Format {
    name: "NumPy `.npz`",
    extensions: &["npz"],
    companions: &[],
    about: "`signal [N, L]` in µV and one array per column",
    detect,
    read: ReadFn::Rows(open),
    samples: &["rows.npz", "columns.npz"],
};

/// Bytes that any file may unpack to, however small it is.
const FREE_BYTES: usize = 1 << 16;

/// Bytes that a recording needs for the cell of a column, beside its text.
const CELL_BYTES: usize = 96;

/// Whether a file begins as a zip whose first member is an array.
fn detect(head: &[u8]) -> bool {
    let name = head.get(30..).unwrap_or_default();
    head.starts_with(b"PK\x03\x04")
        && name.iter().take(256).collect::<Vec<_>>().windows(4).any(|w| w == [&b'.', &b'n', &b'p', &b'y'])
}

/// Opens an archive as a table: all its rows have all its columns.
///
/// # Errors
/// [`Error::Input`] with the array that violates the layout above, [`Error::Io`].
fn open(source: SourceFile) -> Result<TableStream> {
    let source = source.whole()?;
    let mut arrays = unpack(&source)?;
    let Some(signal) = arrays.remove("signal") else {
        let names: Vec<&str> = arrays.keys().map(String::as_str).collect();
        let near =
            nearest("signal", names.iter().copied()).map_or(String::new(), |near| format!("rename `{near}`, or "));
        let problem = format!("there is no array `signal`, only {}", names.join(", "));
        return Err(source.error("", problem, format!("{near}add the traces in µV as `signal`, one row per trace")));
    };
    let truth = arrays.remove("truth");
    let cells = arrays.values().map(|array| CELL_BYTES + array.item_bytes()).sum();
    let mut recordings = recordings(&source, &signal, truth.as_ref(), cells)?;
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
        let column = NpzColumn::of(&source, name, array)?;
        for (row, recording) in recordings.iter_mut().enumerate() {
            column.give(row * step, recording)?;
        }
    }
    let notices = Notices::default();
    if !unread.is_empty() {
        let unread = unread.join(", ");
        notices.push(format!(
            "{}: arrays with neither one value nor one value per row were left out: {unread}",
            source.name()
        ));
    }
    let names_subjects = arrays.contains_key("subject_id");
    Ok(TableStream {
        rows: Box::new(recordings.into_iter().map(Ok)),
        names_subjects,
        notices,
        at_end: AtEnd::default(),
    })
}

/// Unpacks all arrays, by name. Together they take at most [`MAX_EXPANSION`] times the file's size.
fn unpack(source: &SourceFile) -> Result<BTreeMap<String, Array>> {
    let unreadable = |problem: zip::result::ZipError| {
        source.error(
            "",
            format!("cannot be unpacked: {problem}"),
            "the file is damaged or cut short: save or copy it again",
        )
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(source.bytes())).map_err(unreadable)?;
    let mut left = MAX_EXPANSION * source.bytes().len() + FREE_BYTES;
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

/// Makes the recordings, if they take at most [`MAX_EXPANSION`] times the file's size. `cells` is the bytes of a row's
/// cells.
fn recordings(source: &SourceFile, signal: &Array, truth: Option<&Array>, cells: usize) -> Result<Vec<Recording>> {
    let wrong = |problem: String, remedy: &str| source.error("array `signal`", problem, remedy);
    let (rows, length) = table(source, "signal", signal)?;
    if rows == 0 || length == 0 {
        return Err(wrong(format!("it is empty: {rows} recordings of {length} samples"), "save some recordings"));
    }
    let mut each = size_of::<Recording>() + 4 * length + cells;
    if let Some(truth) = truth {
        let (found, length) = table(source, "truth", truth)?;
        if found != rows {
            let problem = format!("it has {found} rows, and `signal` has {rows}");
            return Err(source.error("array `truth`", problem, "save a noise-free trace for each recording"));
        }
        each += size_of::<GroundTruth>() + 4 * length;
    }
    // many short recordings take more memory than their samples, and one text may be copied to all of them
    if rows > (MAX_EXPANSION * source.bytes().len() + FREE_BYTES) / each {
        let remedy = "if there are really so many, save them with np.savez instead of np.savez_compressed";
        return Err(wrong(
            format!("{rows} recordings of {length} samples take more than {MAX_EXPANSION} times the file"),
            remedy,
        ));
    }
    let file: Arc<str> = source.file_name().into();
    let mut recordings = Vec::with_capacity(rows);
    for row in 0..rows {
        let mut recording = Recording { file: file.clone(), ..Recording::new(trace(signal, row)) };
        if let Some(truth) = truth {
            let samples = trace(truth, row);
            recording.ground_truth = Some(Box::new(GroundTruth { samples, latencies_ms: [f32::NAN; WAVES.len()] }));
        }
        recordings.push(recording);
    }
    Ok(recordings)
}

/// Checks an array of traces and returns its shape.
fn table(source: &SourceFile, name: &str, array: &Array) -> Result<(usize, usize)> {
    let wrong = |problem: String, remedy: &str| Err(source.error(format_args!("array `{name}`"), problem, remedy));
    match array.shape[..] {
        _ if !array.is_float() => {
            wrong("its items are not floats".to_string(), "save microvolts: np.asarray(signal, dtype=np.float32)")
        }
        [rows, length] => Ok((rows, length)),
        _ => {
            let problem = format!("it should have the shape [recordings, samples], but has {:?}", array.shape);
            wrong(problem, "save one row per recording")
        }
    }
}

/// The samples of a row, up to the last one that is not missing.
fn trace(array: &Array, row: usize) -> Vec<f32> {
    let number = |column: usize| array.number(array.index(row, column));
    let length = (0..array.shape[1]).rev().find(|&column| !number(column).is_nan()).map_or(0, |last| last + 1);
    (0..length).map(|column| number(column) as f32).collect()
}

/// An array with one item per row, and the field that it fills.
struct NpzColumn<'a> {
    source: &'a SourceFile,
    name: &'a str,
    array: &'a Array,
    field: NpzField,
}

enum NpzField {
    Subject,
    SampleRate,
    T0,
    Unit,
    /// Index into [`PEAK_COLUMNS`].
    Peak(usize),
    /// Index into [`WAVES`].
    TruthLatency(usize),
    /// A column with this name.
    Other(Arc<str>),
}

impl<'a> NpzColumn<'a> {
    fn of(source: &'a SourceFile, name: &'a str, array: &'a Array) -> Result<Self> {
        let peak = || PEAK_COLUMNS.iter().position(|peak| *peak == name).map(NpzField::Peak);
        let wave = || WAVES.iter().position(|wave| name == format!("truth_{wave}_ms")).map(NpzField::TruthLatency);
        let field = match name {
            "subject_id" => NpzField::Subject,
            "sample_rate_hz" => NpzField::SampleRate,
            "t0_ms" => NpzField::T0,
            _ if units::is_name(name) => NpzField::Unit,
            "file" => NpzField::Other(name.into()),
            _ => peak().or_else(wave).unwrap_or_else(|| NpzField::Other(text::free_name(name).into())),
        };
        let column = NpzColumn { source, name, array, field };
        match column.field {
            NpzField::Subject | NpzField::Unit | NpzField::Other(_) => Ok(column),
            _ if array.is_number() => Ok(column),
            _ => {
                Err(column
                    .wrong("it contains text instead of numbers".to_string(), "save numbers, NaN where not known"))
            }
        }
    }

    fn wrong(&self, problem: String, remedy: &str) -> Error {
        self.source.error(format_args!("array `{}`", self.name), problem, remedy)
    }

    /// Sets the field of a recording from an item.
    fn give(&self, index: usize, recording: &mut Recording) -> Result<()> {
        match &self.field {
            NpzField::Subject => {
                if !self.array.is_exact(index) {
                    let problem = format!("item {index} is {}, which floats round", self.array.number(index));
                    return Err(self.wrong(problem, "save the names as integers or as text (dtype=str)"));
                }
                recording.subject = self.array.text(index);
            }
            NpzField::Other(name) => {
                let text = self.array.text(index);
                recording.columns.push((name.clone(), text::known(&text).to_string()));
            }
            NpzField::Unit => {
                let stated = self.array.text(index);
                if recording.unit.is_none() && !delimited::is_missing(&stated) {
                    let place = || format!("array `{}`, item {index}", self.name);
                    let unit = units::parse(&stated).ok_or_else(|| units::unknown(self.source, &place(), &stated))?;
                    recording.convert_from(Some(unit));
                }
            }
            NpzField::T0 => recording.t0_ms = self.number(index)?,
            NpzField::SampleRate => {
                recording.sample_rate_hz = self.number(index)?;
                if let Some(rate) = recording.sample_rate_hz.filter(|rate| *rate <= 0.0) {
                    return Err(self.wrong(format!("item {index} is {rate}"), "save the samples per second, above 0"));
                }
            }
            NpzField::Peak(peak) => recording.peaks[*peak] = self.number(index)?.map_or(f32::NAN, |label| label as f32),
            NpzField::TruthLatency(wave) => {
                let latency = self.number(index)?.map_or(f32::NAN, |latency| latency as f32);
                recording.ground_truth.iter_mut().for_each(|truth| truth.latencies_ms[*wave] = latency);
            }
        }
        Ok(())
    }

    /// A finite number in the range of `f32`; `None` for NaN.
    fn number(&self, index: usize) -> Result<Option<f64>> {
        match self.array.number(index) {
            value if value.abs() > f64::from(f32::MAX) => {
                Err(self.wrong(format!("item {index} is {value}"), "save NaN where a value is not known"))
            }
            value => Ok((!value.is_nan()).then_some(value)),
        }
    }
}
