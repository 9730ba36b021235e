//! `abr-film data prepare`

use super::{Axis, write};
use crate::cli::{notice, source};
use abr_film::config::Config;
use abr_film::data::prepare::prepare_recordings;
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
    axis: Axis,
    /// The table to write [default: stdout]
    #[arg(long, value_name = "FILE.csv|FILE.npz")]
    out: Option<PathBuf>,
}

impl Prepare {
    pub fn run(&self) -> Result<()> {
        source::check_table(self.out.as_deref())?;
        let config = Config::load(&self.config, &self.set)?;
        let mut recordings = source::read(&self.paths)?;
        self.axis.complete(&mut recordings);
        let name = self.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        let (recordings, filters, labels) =
            prepare_recordings(&name, recordings, &config.data, config.model.signal_length)?;
        filters.iter().for_each(notice);
        labels.notice().iter().for_each(notice);
        write(self.out.as_deref(), &recordings)
    }
}
