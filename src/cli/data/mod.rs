//! `abr-film data …`

mod import;
mod inspect;
mod prepare;
mod synth;

use crate::cli::{print, say, source};
use abr_film::data::read::{Recording, npz};
use abr_film::data::table::write_recordings;
use abr_film::error::Result;
use abr_film::files::write_whole;
use clap::{Args, Subcommand};
use std::path::Path;

#[derive(Debug, Subcommand)]
pub enum Data {
    /// Read recorders' files into one table
    Import(import::Import),
    /// Filter and prepare recordings as a configuration says, and write what a model would see
    Prepare(prepare::Prepare),
    /// Show what recordings hold and what looks wrong
    Inspect(inspect::Inspect),
    /// Write the built-in synthetic set as a table, with the noise-free traces and the true wave latencies
    Synth(synth::Synth),
}

impl Data {
    pub fn run(&self) -> Result<()> {
        match self {
            Data::Import(command) => command.run(),
            Data::Prepare(command) => command.run(),
            Data::Inspect(command) => command.run(),
            Data::Synth(command) => command.run(),
        }
    }
}

/// What recordings may leave unsaid.
#[derive(Debug, Args)]
struct Axis {
    /// Sample rate of the recordings whose files do not say it
    #[arg(long, value_name = "HZ", value_parser = positive)]
    sample_rate_hz: Option<f64>,
    /// Time of the first sample after stimulus onset, of the recordings whose files do not say it
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    t0_ms: Option<f64>,
}

impl Axis {
    fn complete(&self, recordings: &mut [Recording]) {
        for recording in recordings {
            recording.sample_rate_hz = recording.sample_rate_hz.or(self.sample_rate_hz);
            recording.t0_ms = recording.t0_ms.or(self.t0_ms);
        }
    }
}

fn positive(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|v: &f64| v.is_finite() && *v > 0.0);
    number.ok_or_else(|| "a number above 0 is wanted".to_string())
}

/// Writes recordings to a table, whole or not at all, or to stdout.
fn write(out: Option<&Path>, recordings: &[Recording]) -> Result<()> {
    match out {
        Some(path) => {
            match source::is_npz(path) {
                true => npz::write(path, recordings)?,
                false => write_whole(path, |w| write_recordings(recordings, w))?,
            }
            say(format!("{} recordings in {}", recordings.len(), path.display()));
            Ok(())
        }
        None => print(|w| write_recordings(recordings, w)),
    }
}
