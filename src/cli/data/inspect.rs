//! `abr-film data inspect`

use super::{Assume, Configured};
use crate::cli::{plot, print, source};
use abr_film::config::Species;
use abr_film::data::Recording;
use abr_film::data::inspect::{Inspection, inspect};
use abr_film::error::Result;
use abr_film::eval::level_series::{RecordingSet, SeriesSelection, Summary, source_of, stated_species};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Inspect {
    /// Tables, recorders' files, folders or quoted globs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    configured: Configured,
    #[command(flatten)]
    assume: Assume,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw the level series of a subject: traces stacked by level (`abr-film plot` does more)
    #[arg(long, value_name = "FILE.svg|FILE.png")]
    plot: Option<PathBuf>,
    /// The subject to draw [default: the first with the most levels; all together if none has two levels]
    #[arg(long, value_name = "NAME", requires = "plot")]
    subject: Option<String>,
}

impl Inspect {
    pub fn run(&self) -> Result<()> {
        if let Some(out) = &self.plot {
            source::check_picture(out)?;
            let named = self.paths.iter().chain(&self.configured.config).map(PathBuf::as_path);
            source::check_flag_apart("--plot", Some(out), named)?;
        }
        let config = self.configured.load()?;
        let recordings = self.assume.recordings(&self.paths, self.plot.as_deref(), &config)?;
        self.print(&inspect(&recordings))?;
        match &self.plot {
            Some(out) => self.draw(out, &recordings, config.data.species),
            None => Ok(()),
        }
    }

    fn print(&self, found: &Inspection) -> Result<()> {
        match self.json {
            true => print(|w| writeln!(w, "{}", serde_json::to_string_pretty(found).expect("serializable"))),
            false => print(|w| write!(w, "{found}")),
        }
    }

    fn draw(&self, out: &Path, recordings: &[Recording], species: Species) -> Result<()> {
        let source = source_of(recordings);
        let set = RecordingSet { name: plot::word(source).to_string(), source, recordings };
        let waves = Some(stated_species(recordings).unwrap_or(species));
        let summary = Summary { waves, ..Summary::default() };
        let choice =
            SeriesSelection { subjects: self.subject.iter().cloned().collect(), summary, ..SeriesSelection::default() };
        plot::draw(out, &[set], &choice, &plot::Size::default())
    }
}
