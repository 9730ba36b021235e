//! `abr-film data import`

use super::{Axis, read, write};
use crate::cli::{notice, source};
use abr_film::data::read::Recording;
use abr_film::error::Result;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Import {
    /// Files, folders (with all below them) or quoted globs; the format is recognised by content
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    axis: Axis,
    /// The table to write [default: stdout]
    #[arg(long, value_name = "FILE.csv|FILE.npz")]
    out: Option<PathBuf>,
}

impl Import {
    pub fn run(&self) -> Result<()> {
        source::check_table(self.out.as_deref())?;
        let mut recordings = read(&self.paths)?;
        self.axis.complete(&mut recordings);
        let silent = |unknown: usize, what: &str, flag: &str| {
            if unknown > 0 {
                notice(format!("{unknown} recordings do not say {what}: give it with {flag}, or in the configuration"));
            }
        };
        let count = |unknown: &dyn Fn(&Recording) -> bool| recordings.iter().filter(|r| unknown(r)).count();
        silent(count(&|r| r.sample_rate_hz.is_none()), "their sample rate", "--sample-rate-hz");
        silent(count(&|r| r.t0_ms.is_none()), "when their first sample was taken", "--t0-ms");
        write(self.out.as_deref(), &recordings)
    }
}
