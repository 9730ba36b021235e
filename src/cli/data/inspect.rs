//! `abr-film data inspect`

use super::Assume;
use crate::cli::{print, source};
use abr_film::data::inspect::{inspect, level_series};
use abr_film::data::read::Options;
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
        let subject_from = self.assume.subject_from()?;
        let options = Options { subject_from: subject_from.as_ref(), ..Options::default() };
        let recordings = source::collect(source::open(&self.paths, &options, self.assume.assumptions())?)?;
        if let Some(path) = &self.plot {
            let series = level_series(&recordings, self.subject.as_deref())?;
            let svg = draw_level_series(&series);
            write_whole(path, |w| w.write_all(svg.as_bytes()))?;
        }
        let found = inspect(&recordings);
        if self.json {
            return print(|w| writeln!(w, "{}", serde_json::to_string_pretty(&found).expect("plain data")));
        }
        print(|w| write!(w, "{found}"))
    }
}
