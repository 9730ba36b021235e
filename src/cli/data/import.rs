//! `abr-film data import`

use super::Assume;
use crate::cli::{message, notice, source};
use abr_film::config::DataConfig;
use abr_film::data::read::{FORMATS, Format, abra_csv};
use abr_film::data::{Assumptions, Recording, repeats};
use abr_film::error::{Error, Result};
use clap::{Args, ValueEnum};
use std::collections::BTreeSet;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = formats())]
pub struct Import {
    /// Files, folders (with all below them) or quoted globs; the format is detected by content
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    assume: Assume,
    /// The subject of all these files, whatever they state
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Stimulus of the recordings whose files do not state it: a frequency, or `click`
    #[arg(long, value_name = "HZ|click", value_parser = stimulus)]
    frequency_hz: Option<String>,
    /// The format to write: abr-film's table, or ABRA's (one subject per file, as ABRA reads it)
    #[arg(long, value_enum, default_value_t = FormatName::Table)]
    format: FormatName,
    /// The table to write [default: stdout]
    #[arg(long, value_name = "FILE.csv|FILE.npz")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum FormatName {
    Table,
    Abra,
}

/// The list of formats at the end of the help.
fn formats() -> String {
    let line = |format: &Format| format!("\n  {}", format.name.replace('`', ""));
    format!("Formats that are read:{}", FORMATS.iter().map(line).collect::<String>())
}

fn stimulus(text: &str) -> std::result::Result<String, String> {
    match text == "click" || super::positive(text).is_ok() {
        true => Ok(text.to_string()),
        false => Err("expected a frequency above 0, or `click`".to_string()),
    }
}

impl Import {
    pub fn run(&self) -> Result<()> {
        source::check_table(self.out.as_deref())?;
        let (subject, frequency_hz) = (self.subject.clone(), self.frequency_hz.clone());
        let given = Assumptions { subject, frequency_hz, ..Assumptions::default() };
        let (out, mut config) = (self.out.as_deref(), DataConfig::default());
        let recordings = source::collect(self.assume.open(&self.paths, out, &mut config, given)?)?;
        repeats::notice(&recordings).iter().for_each(notice);
        let silent = |unknown: usize, what: &str, flag: &str| {
            if unknown > 0 {
                notice(format!(
                    "{unknown} recordings do not state {what}: give it with {flag}, or in the configuration"
                ));
            }
        };
        let count = |unknown: &dyn Fn(&Recording) -> bool| recordings.iter().filter(|r| unknown(r)).count();
        silent(count(&|r| r.sample_rate_hz.is_none()), "their sample rate", "--sample-rate-hz");
        silent(count(&|r| r.t0_ms.is_none()), "the time of their first sample", "--t0-ms");
        match (self.format, &self.out) {
            (FormatName::Table, out) => source::write_table(out.as_deref(), &recordings),
            (FormatName::Abra, Some(path)) if !source::is_npz(path) => {
                abra_csv::write(path, &recordings)?;
                message(format!("{} recordings in {}", recordings.len(), path.display()));
                let subjects: BTreeSet<&str> = recordings.iter().map(|r| r.subject.as_str()).collect();
                let unknown = count(&|r| r.t0_ms.is_none());
                if unknown > 0 {
                    notice(format!(
                        "ABRA takes the first sample for the stimulus onset, but {unknown} recordings do not state the \
                         time of their first sample: their latencies are right only if they begin at the onset"
                    ));
                }
                if subjects.len() > 1 {
                    let subjects = subjects.len();
                    notice(format!(
                        "ABRA takes a file for one subject, but this one contains {subjects}, without their names"
                    ));
                }
                Ok(())
            }
            (FormatName::Abra, _) => Err(Error::usage("--format abra needs a .csv file", "name one with --out")),
        }
    }
}
