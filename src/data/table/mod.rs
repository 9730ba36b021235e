//! The CSV table of recordings: one row a waveform, named columns.
//!
//! | columns | what |
//! | --- | --- |
//! | `s0` … `sN` | the samples in µV; the first `signal_length` are used, or what `data.prepare` makes of all of them |
//! | the names in `data.static_columns` | numbers, or text for a one-hot column |
//! | `data.subject_column` | who was recorded; needed to split by subject |
//! | `sample_rate_hz`, `t0_ms` | for every row the same, unless `data.prepare` makes them so; either may be in the config instead |
//! | [`PEAK_COLUMNS`](crate::data::PEAK_COLUMNS) | optional labels in ms and µV, empty where unlabelled |
//! | `truth_s0` …, `truth_i_ms` … `truth_vii_ms` | optional: the noise-free trace and the latencies behind a simulated row |
//!
//! Any other column is not read, whatever it holds, unless `data.filters` names it. A row that is to be prepared may be shorter than
//! others: its last cells are then empty. Rows are prepared one by one as they are read, and no more of them is kept.

mod conditions;
mod layout;
mod read;
mod recordings;
mod row;
mod write;

pub use conditions::read_conditions;
pub use read::{TableReport, read_recordings, read_table};
pub use recordings::write_recordings;
pub use write::write_table;

/// The I/O error inside, with its kind (a broken pipe, a full disk), which the conversion of `csv` drops.
fn io_error(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}
