//! `abr-film data …`

mod import;
mod inspect;
mod prepare;
mod synth;

use crate::cli::source;
use abr_film::config::{Config, DataConfig, Unit};
use abr_film::data::prepare::complete_axis;
use abr_film::data::read::{Options, Recordings, SubjectFrom};
use abr_film::data::{Assumptions, Recording};
use abr_film::error::Result;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub enum Data {
    /// Read recorders' files into one table
    Import(import::Import),
    /// Filter and prepare recordings by a configuration, and write the traces that a model would be given
    Prepare(prepare::Prepare),
    /// Show what recordings contain and what looks wrong
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

/// The configuration of a training, for commands that only inspect recordings.
#[derive(Debug, Args)]
pub struct Configured {
    /// The configuration of a training: its sample rate, time of the first sample, unit, gain, subjects and species
    /// apply here too, its filters and preparation do not
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Override a configuration key, such as data.t0_ms=-1.5
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Configured {
    /// Loads the file with the overrides; the defaults if no file is named.
    pub fn load(&self) -> Result<Config> {
        match &self.config {
            Some(path) => Config::load(path, &self.set),
            None => Config::from_json("--set", "{}", &self.set),
        }
    }
}

/// What the user says about recordings, whatever their files state.
#[derive(Debug, Args)]
pub struct Assume {
    /// Sample rate of all recordings; replaces the one that a file states, with a note
    #[arg(long, value_name = "HZ", value_parser = positive)]
    sample_rate_hz: Option<f64>,
    /// Time of the first sample of all recordings, after stimulus onset; replaces the one that a file states, with a
    /// note
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = finite)]
    t0_ms: Option<f64>,
    /// Unit of the samples in the files [default: the unit that they state, else µV]
    #[arg(long, value_name = "V|mV|uV|nV", value_parser = unit)]
    unit: Option<Unit>,
    /// Amplification: the samples are divided by it; replaces the gain that a WFDB header or an .arf states (in an
    /// .arf, the gain multiplies); below 0 inverts the traces
    #[arg(long, value_name = "G", value_parser = gain, allow_negative_numbers = true)]
    gain: Option<f64>,
    /// The subject of each file by its path: a regular expression with one group, or a CSV table with the columns file
    /// and subject_id
    #[arg(long, value_name = "PATTERN|FILE.csv")]
    subject_from: Option<String>,
}

impl Assume {
    /// Opens a set with the values of its files, the configuration and the flags. The flags override the others.
    /// `given` has further values from the user.
    fn open(
        &self,
        paths: &[PathBuf],
        out: Option<&Path>,
        config: &mut DataConfig,
        given: Assumptions,
    ) -> Result<Recordings> {
        let Assume { sample_rate_hz, t0_ms, unit, gain, ref subject_from } = *self;
        config.sample_rate_hz = sample_rate_hz.or(config.sample_rate_hz);
        config.t0_ms = t0_ms.or(config.t0_ms);
        config.unit = unit.or(config.unit);
        config.gain = gain.or(config.gain);
        if subject_from.is_some() {
            config.subject_from.clone_from(subject_from);
            config.subject_column = DataConfig::default().subject_column;
        }
        // the path check ignores a pattern, which names no file
        source::check_apart(out, config.subject_from.as_deref().map(Path::new))?;
        let subject_from = config.subject_from.as_deref().map(SubjectFrom::parse).transpose()?;
        let Assumptions { subject, frequency_hz, .. } = given;
        let subject_given = subject.is_some() || config.names_subject_column();
        let options = Options { out, subject_from: subject_from.as_ref(), subject_given };
        let assumptions = Assumptions { sample_rate_hz, t0_ms, subject, frequency_hz, ..Assumptions::of(config) };
        source::open(paths, &options, assumptions)
    }

    /// All recordings, with sample rates and times completed by the configuration, but without filters and preparation.
    /// `out` is never read.
    pub fn recordings(&self, paths: &[PathBuf], out: Option<&Path>, config: &Config) -> Result<Vec<Recording>> {
        let mut config = config.data.clone();
        let set = self.open(paths, out, &mut config, Assumptions::default())?;
        let name = set.source.clone();
        let mut recordings = source::collect(set)?;
        recordings.iter_mut().try_for_each(|recording| complete_axis(&name, recording, &config))?;
        Ok(recordings)
    }
}

pub fn positive(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|v: &f64| v.is_finite() && *v > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_string())
}

pub fn finite(text: &str) -> std::result::Result<f64, String> {
    text.parse().ok().filter(|v: &f64| v.is_finite()).ok_or_else(|| "expected a finite number".to_string())
}

fn gain(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|v: &f64| v.is_finite() && *v != 0.0);
    number.ok_or_else(|| "expected a number other than 0".to_string())
}

fn unit(text: &str) -> std::result::Result<Unit, String> {
    let plain = text.replace(['µ', 'μ'], "u");
    Unit::ALL.into_iter().find(|unit| unit.symbol() == plain).ok_or_else(|| "expected V, mV, uV or nV".to_string())
}
