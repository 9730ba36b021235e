//! `abr-film data synth`

use crate::cli::{notice, source};
use abr_film::config::Config;
use abr_film::data::prepare::recorded_synth;
use abr_film::error::{Error, Result};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Synth {
    /// A configuration, for its `data` section
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override a configuration key, such as data.synth.subjects=10 or data.synth.fixed.level_db=60
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Seed of the set: `data.seed`
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The table to write [default: stdout]
    #[arg(long, value_name = "FILE.csv")]
    out: Option<PathBuf>,
}

impl Synth {
    pub fn run(&self) -> Result<()> {
        source::check_table(self.out.as_deref())?;
        if self.out.as_deref().is_some_and(source::is_npz) {
            return Err(Error::usage(
                "the noise-free traces have no place in an .npz",
                "name a file that ends in .csv",
            ));
        }
        let mut overrides = self.set.clone();
        overrides.extend(self.seed.map(|seed| format!("data.seed={seed}")));
        let config = match &self.config {
            Some(path) => Config::load(path, &overrides)?,
            None => Config::from_json("--set", "{}", &overrides)?,
        };
        if config.data.path.is_some() {
            notice("data.path is not used: this command writes the built-in set");
        }
        let dataset = recorded_synth(&config.data, config.model.signal_length)?;
        source::write_table(self.out.as_deref(), &dataset, &[])
    }
}
