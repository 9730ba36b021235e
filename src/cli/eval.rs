//! `abr-film eval`

use super::model::{self, RunData};
use super::{DeviceArgs, message, notice, notice_gpu, print, report, source};
use abr_film::checkpoint::Checkpoint;
use abr_film::config::Config;
use abr_film::error::{Error, Result};
use abr_film::eval::{Brief, EvalSplit, default_part, evaluate};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Eval {
    /// A run folder (its best checkpoint), a checkpoint, or a bare weights file with the original model's tensor names
    /// (with --config)
    #[arg(long, value_name = "RUN|FILE")]
    model: PathBuf,
    /// The configuration of a bare weights file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The recordings [default: those that the run was trained on]
    #[arg(long, value_name = "FILE")]
    data: Option<String>,
    /// The rows to measure; train, val and test need the data that the model was trained on [default: test, or val if
    /// there are no test rows; all rows of other data]
    #[arg(long, value_enum)]
    split: Option<PartName>,
    /// The recordings that the model was trained on, if --data names others: adds the measures that need training rows
    /// (`built-in`: the built-in set)
    #[arg(long, value_name = "FILE|built-in")]
    training_data: Option<String>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Write report.html, its pictures as SVG, eval.json and errors.csv (the errors of each trace) into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print all measures, not only the most important
    #[arg(long, conflicts_with = "json")]
    verbose: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PartName {
    Train,
    Val,
    Test,
    All,
}

impl Eval {
    pub fn run(&self) -> Result<()> {
        if let Some(out) = self.out.as_deref().filter(|out| out.exists() && !out.is_dir()) {
            return Err(Error::usage(format!("{}: is a file", out.display()), "name a folder with --out"));
        }
        let file = model::file(&self.model);
        let run = RunData::of(&file);
        let of_run = run.path.as_ref().filter(|_| self.data.is_none());
        if let Some(folder) = &self.out {
            let mut inputs: Vec<PathBuf> = self.config.iter().chain([&file]).cloned().collect();
            let recordings = self.data.iter().chain(of_run).chain(&self.training_data);
            inputs.extend(recordings.flat_map(|path| source::files_at(path)));
            report::check_apart(folder, &inputs)?;
        }
        let config = self.config.as_deref().map(|path| Config::load(path, &[])).transpose()?;
        let named = self.split.map(|part| match part {
            PartName::Train => EvalSplit::Train,
            PartName::Val => EvalSplit::Validation,
            PartName::Test => EvalSplit::Test,
            PartName::All => EvalSplit::All,
        });
        let mut evaluation = self.device.with(|device| {
            notice_gpu(&*device);
            let (mut trained, mut model, notices) = Checkpoint::open(&file, config, device)?;
            notices.iter().for_each(notice);
            run.find_subjects(&mut trained);
            let data = self.data.as_ref().or(of_run);
            let load = |subjects| source::load_for(&trained, data, subjects);
            let dataset = match named {
                Some(part) => load(part != EvalSplit::All)?,
                // other recordings may lack subjects
                None if self.data.is_some() => load(true).or_else(|_| load(false))?,
                None => load(true)?,
            };
            if of_run.is_some() {
                model::check_data_of_run(&trained, &dataset)?;
            }
            let part = match named {
                Some(part) => part,
                None => default_part(&trained, &dataset)?,
            };
            let training = self.training_data.as_ref().map(|path| {
                let path = Some(path).filter(|path| *path != "built-in");
                source::load_for(&trained, path, true)
            });
            evaluate(&trained, &mut model, &dataset, part, training.transpose()?.as_ref())
        })?;
        if let Some(run) = model::run_folder(&file) {
            report::add_record(&mut evaluation, &run);
        }
        if let Some(folder) = &self.out {
            let pictures = report::write(&evaluation, folder, &report::name(&file))?;
            report::write_pictures(&pictures, folder)?;
            message(format!("the report is {}", folder.join("report.html").display()));
        }
        match (self.json, self.verbose) {
            (true, _) => print(|w| w.write_all(evaluation.to_json().as_bytes())),
            (false, true) => print(|w| write!(w, "{evaluation}")),
            (false, false) => print(|w| write!(w, "{}", Brief(&evaluation))),
        }
    }
}
