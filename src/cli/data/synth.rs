//! `abr-film data synth`

use crate::cli::{notice, source};
use abr_film::config::Config;
use abr_film::data::built_in;
use abr_film::engine::device;
use abr_film::error::Result;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Synth {
    /// A configuration; only its section `data` is used
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override a configuration key, such as data.synth.subjects=10 or data.synth.fixed.level_db=60
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The random seed of the set (`data.seed`)
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The table to write [default: stdout]
    #[arg(long, value_name = "FILE.csv|FILE.npz")]
    out: Option<PathBuf>,
}

impl Synth {
    pub fn run(&self) -> Result<()> {
        source::check_table(self.out.as_deref())?;
        source::check_apart(self.out.as_deref(), self.config.as_deref())?;
        let mut overrides = self.set.clone();
        overrides.extend(self.seed.map(|seed| format!("data.seed={seed}")));
        let config = match &self.config {
            Some(path) => Config::load(path, &overrides)?,
            None => Config::from_json("--set", "{}", &overrides)?,
        };
        if config.data.path.is_some() {
            notice("data.path is not used: this command writes the built-in set");
        }
        let simulate = || source::collect(built_in(&config.data, config.model.signal_length)?);
        let recordings = device::on_threads(None, simulate)?;
        source::write_table(self.out.as_deref(), &recordings)
    }
}
