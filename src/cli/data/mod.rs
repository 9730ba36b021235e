//! `abr-film data …`

mod import;
mod inspect;
mod prepare;
mod synth;

use abr_film::config::{DataConfig, Unit};
use abr_film::data::Assumptions;
use abr_film::data::read::SubjectFrom;
use abr_film::error::Result;
use clap::{Args, Subcommand};

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

/// What the user says about recordings, whatever their files state.
#[derive(Debug, Args)]
struct Assume {
    /// Sample rate of all recordings; one that a file states is replaced, with a note
    #[arg(long, value_name = "HZ", value_parser = positive)]
    sample_rate_hz: Option<f64>,
    /// Time of the first sample after stimulus onset, of all recordings; one that a file states is replaced, with a note
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    t0_ms: Option<f64>,
    /// Unit of the samples as they stand in the files [default: what the files state, else µV]
    #[arg(long, value_name = "V|mV|uV|nV", value_parser = unit)]
    unit: Option<Unit>,
    /// Amplification: samples are divided by it, or by it instead of the gain that a WFDB header states (that of an .arf
    /// multiplies); below 0 inverts the traces
    #[arg(long, value_name = "G", value_parser = gain, allow_negative_numbers = true)]
    gain: Option<f64>,
    /// Who was recorded, by the path of each file: a regular expression with one group, or a CSV table with the columns file and
    /// subject_id
    #[arg(long, value_name = "PATTERN|FILE.csv")]
    subject_from: Option<String>,
}

impl Assume {
    fn assumptions(&self) -> Assumptions {
        let Assume { sample_rate_hz, t0_ms, unit, gain, .. } = *self;
        Assumptions { sample_rate_hz, t0_ms, unit, gain, ..Assumptions::default() }
    }

    /// Puts what the flags say in place of what a configuration says.
    fn replace_in(&self, config: &mut DataConfig) {
        config.sample_rate_hz = self.sample_rate_hz.or(config.sample_rate_hz);
        config.t0_ms = self.t0_ms.or(config.t0_ms);
        config.unit = self.unit.or(config.unit);
        config.gain = self.gain.or(config.gain);
        if let Some(from) = &self.subject_from {
            config.subject_from = Some(from.clone());
            config.subject_column = DataConfig::default().subject_column;
        }
    }

    fn subject_from(&self) -> Result<Option<SubjectFrom>> {
        self.subject_from.as_deref().map(SubjectFrom::parse).transpose()
    }
}

fn positive(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|v: &f64| v.is_finite() && *v > 0.0);
    number.ok_or_else(|| "a number above 0 is wanted".to_string())
}

fn gain(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|v: &f64| v.is_finite() && *v != 0.0);
    number.ok_or_else(|| "a number other than 0 is wanted".to_string())
}

fn unit(text: &str) -> std::result::Result<Unit, String> {
    let plain = text.replace(['µ', 'μ'], "u");
    Unit::ALL.into_iter().find(|unit| unit.symbol() == plain).ok_or_else(|| "V, mV, uV or nV is wanted".to_string())
}
