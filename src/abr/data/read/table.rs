//! The project's own table: one row per recording, samples `s0`, `s1`, … in µV, other columns by their names.
//!
//! | column | what |
//! | --- | --- |
//! | `s0`, `s1`, … (also `s000`) | samples in µV; the number gives the sample's place in time, wherever the column stands |
//! | `subject_id` | the subject |
//! | `unit` | of the row's samples, if not µV: V, mV or nV |
//! | `sample_rate_hz`, `t0_ms` | sampling, and time of `s0` relative to the stimulus onset |
//! | [`PEAK_COLUMNS`](crate::data::PEAK_COLUMNS) | labels in ms and µV, empty where unlabelled |
//! | `truth_s0`, …, `truth_i_ms`, … `truth_vii_ms` | a simulation's noise-free trace, and its wave latencies |
//! | any other | kept under its name; columns without a name (row numbers) are dropped |
//!
//! Commas, semicolons, tabs or bars separate the cells, which may be quoted. If the separator is not a comma, commas
//! may be decimal points. Other lines may come before the header. Text is UTF-8, UTF-16 or Windows-1252. An empty cell
//! or `NA` is an unknown value; a row of empty cells does not count.
//!
//! A row is skipped, with a notice, if its test, protocol, type, paradigm, modality, condition or stimulus names
//! another response (`cVEMP`, `ECochG`) and not ABRs as well. A table with only such rows holds no ABRs. The same holds
//! for recorders' tables.

use super::columns::Naming;
use super::{Format, ReadFn, rows};

pub const FORMAT: Format = Format {
    name: "abr-film table",
    extensions: &["csv", "tsv", "txt"],
    companions: &[],
    about: "samples in µV in columns `s0`, `s1`, …; other columns keep their names",
    detect: |head| Naming::find(head, |naming| naming == Naming::Own).is_some(),
    read: ReadFn::Rows(|source| rows::open(source, |naming| naming == Naming::Own)),
    samples: &["table.csv"],
};
