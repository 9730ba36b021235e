//! `abr-film eval`

use super::{DeviceArgs, notice, notice_gpu, print, source};
use abr_film::checkpoint::Checkpoint;
use abr_film::config::Config;
use abr_film::error::{Error, Result};
use abr_film::eval::{Part, evaluate};
use abr_film::files::write_whole;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Eval {
    /// A checkpoint, or bare weights under the original model's names (with --config)
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The sizes of a bare weights file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The table of recordings [default: the built-in set, for a model trained on it]
    #[arg(long, value_name = "FILE")]
    data: Option<String>,
    /// Which rows; train, val and test only on the data the model was trained on
    #[arg(long, value_enum, default_value_t = PartName::Test)]
    split: PartName,
    /// The recordings that the model was trained on, where --data names others: what needs training rows is then
    /// measured too (`built-in`: the built-in set)
    #[arg(long, value_name = "FILE|built-in")]
    training_data: Option<String>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Write eval.json and traces.csv (the errors of each trace) into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
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
        let config = self.config.as_deref().map(|path| Config::load(path, &[])).transpose()?;
        let part = match self.split {
            PartName::Train => Part::Train,
            PartName::Val => Part::Validation,
            PartName::Test => Part::Test,
            PartName::All => Part::All,
        };
        let report = self.device.with(|device| {
            notice_gpu(&*device);
            let (trained, mut model, notices) = Checkpoint::open(&self.model, config, device)?;
            notices.iter().for_each(notice);
            let dataset = source::load_for(&trained, self.data.as_ref(), part != Part::All)?;
            let training = self.training_data.as_ref().map(|path| {
                let path = Some(path).filter(|path| *path != "built-in");
                source::load_for(&trained, path, true)
            });
            evaluate(&trained, &mut model, &dataset, part, training.transpose()?.as_ref())
        })?;
        if let Some(folder) = &self.out {
            std::fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
            write_whole(&folder.join("eval.json"), |w| w.write_all(report.to_json().as_bytes()))?;
            write_whole(&folder.join("traces.csv"), |w| report.write_traces(w))?;
        }
        if self.json { print(|w| w.write_all(report.to_json().as_bytes())) } else { print(|w| write!(w, "{report}")) }
    }
}
