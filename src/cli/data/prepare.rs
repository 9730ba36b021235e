//! `abr-film data prepare`

use super::Assume;
use crate::cli::{notice, source};
use abr_film::config::Config;
use abr_film::data::prepare::PreparedRows;
use abr_film::data::{Assumptions, repeats};
use abr_film::error::Result;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Prepare {
    /// Tables, recorders' files, folders or quoted globs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The configuration whose `data.filters` and `data.prepare` are applied, as in a training
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Override a configuration key, such as data.prepare.polarity=-1
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    assume: Assume,
    /// The table to write [default: stdout]
    #[arg(long, value_name = "FILE.csv|FILE.npz")]
    out: Option<PathBuf>,
}

impl Prepare {
    pub fn run(&self) -> Result<()> {
        source::check_table(self.out.as_deref())?;
        source::check_apart(self.out.as_deref(), [self.config.as_path()])?;
        let mut config = Config::load(&self.config, &self.set)?;
        let out = self.out.as_deref();
        let recordings = self.assume.open(&self.paths, out, &mut config.data, Assumptions::default())?;
        let mut rows = PreparedRows::new(recordings, &config.data, config.model.signal_length);
        let prepared = rows.by_ref().collect::<Result<Vec<_>>>()?;
        let (report, notices) = rows.finish();
        notices.iter().for_each(notice);
        report.notices().iter().for_each(notice);
        repeats::notice(&prepared).iter().for_each(notice);
        source::write_table(self.out.as_deref(), &prepared)
    }
}
