//! Interacoustics Eclipse: a table with one row per recording, separated by commas, semicolons or tabs.
//!
//! | column | what |
//! | --- | --- |
//! | any names | metadata of the recording; subject, ear, stimulus, level, rate, sweeps and labels (`first latency`, `wave V amplitude (uV)`) are understood, others are kept unchanged |
//! | `unit` | optional: the unit of the samples, if it is not µV |
//! | `1`, `2`, … `467` (also `1.0`, …) | the samples in µV, at least 16 |
//!
//! The user must give the sample rate and the time of the first sample, unless there are columns `sample_rate_hz` and
//! `t0_ms`. If semicolons or tabs separate the cells, commas may be decimal points. An amplitude column without a unit
//! has the unit of the samples: µV, or that of `--unit` (`data.unit`).

use super::columns::Naming;
use super::{Format, ReadFn, rows};

pub const FORMAT: Format = Format {
    name: "Interacoustics Eclipse CSV",
    extensions: &["csv"],
    companions: &[],
    about: "samples in µV from column `1` on; sample rate and time must be given",
    detect: |head| Naming::find(head, |naming| naming == Naming::Numbered(1)).is_some(),
    read: ReadFn::Rows(|source| rows::open(source, |naming| naming == Naming::Numbered(1))),
    samples: &["eclipse.csv"],
};
