//! `abr-film data inspect`

use super::Assume;
use crate::cli::{print, source};
use abr_film::config::Config;
use abr_film::data::inspect::{Inspection, inspect, level_series};
use abr_film::data::prepare::complete_axis;
use abr_film::data::{Assumptions, Recording};
use abr_film::error::{Error, Result};
use abr_film::files::write_whole;
use abr_film::report::draw_level_series;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Inspect {
    /// Tables, recorders' files, folders or quoted globs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The configuration of a training: what it sets of sample rate, time of the first sample, unit, gain and subjects holds
    /// here as it does there; its filters and preparation are not applied
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override a configuration key, such as data.t0_ms=-1.5
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    assume: Assume,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw the level series of a subject: traces stacked by level
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Whose [default: the first with the most levels]
    #[arg(long, value_name = "NAME", requires = "plot")]
    subject: Option<String>,
}

impl Inspect {
    pub fn run(&self) -> Result<()> {
        if let Some(path) = &self.plot
            && !path.extension().is_some_and(|e| e.eq_ignore_ascii_case("svg"))
        {
            return Err(Error::usage(format!("{}: not a .svg file", path.display()), "name a file that ends in .svg"));
        }
        let recordings = self.recordings()?;
        self.print(&inspect(&recordings))?;
        self.draw(&recordings)
    }

    fn recordings(&self) -> Result<Vec<Recording>> {
        let Config { data: mut config, .. } = match &self.config {
            Some(path) => Config::load(path, &self.set)?,
            None => Config::from_json("--set", "{}", &self.set)?,
        };
        let set = self.assume.open(&self.paths, None, &mut config, Assumptions::default())?;
        let name = set.source.clone();
        let mut recordings = source::collect(set)?;
        recordings.iter_mut().try_for_each(|recording| complete_axis(&name, recording, &config))?;
        Ok(recordings)
    }

    fn print(&self, found: &Inspection) -> Result<()> {
        match self.json {
            true => print(|w| writeln!(w, "{}", serde_json::to_string_pretty(found).expect("plain data"))),
            false => print(|w| write!(w, "{found}")),
        }
    }

    fn draw(&self, recordings: &[Recording]) -> Result<()> {
        let Some(path) = &self.plot else { return Ok(()) };
        let svg = draw_level_series(&level_series(recordings, self.subject.as_deref())?);
        write_whole(path, |w| w.write_all(svg.as_bytes()))
    }
}
