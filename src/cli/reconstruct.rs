//! `abr-film reconstruct`

use super::generate::predicted_columns;
use super::{DeviceArgs, model, notice, notice_gpu, source};
use abr_film::checkpoint::Checkpoint;
use abr_film::config::Config;
use abr_film::data::Dataset;
use abr_film::error::Result;
use abr_film::eval::reconstruct;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Reconstruct {
    /// A run folder (its best checkpoint), a checkpoint, or a bare weights file with the original model's tensor names
    /// (with --config)
    #[arg(long, value_name = "RUN|FILE")]
    model: PathBuf,
    /// The configuration of a bare weights file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The recordings
    #[arg(long, value_name = "FILE")]
    data: String,
    #[command(flatten)]
    device: DeviceArgs,
    /// The table to write [default: stdout]
    #[arg(long, value_name = "FILE.csv|FILE.npz")]
    out: Option<PathBuf>,
}

impl Reconstruct {
    pub fn run(&self) -> Result<()> {
        source::check_table(self.out.as_deref())?;
        let (file, recordings) = (model::file(&self.model), source::files_at(&self.data));
        let inputs = recordings.iter().chain([&file]).chain(&self.config);
        source::check_apart(self.out.as_deref(), inputs.map(PathBuf::as_path))?;
        let config = self.config.as_deref().map(|path| Config::load(path, &[])).transpose()?;
        let (dataset, predicted) = self.device.with(|device| {
            notice_gpu(&*device);
            let (trained, mut model, notices) = Checkpoint::open(&file, config, device)?;
            notices.iter().for_each(notice);
            // nothing is split here, so recordings need no subjects
            let dataset = source::load_for(&trained, Some(&self.data), false)?;
            let all: Vec<usize> = (0..dataset.len()).collect();
            let made = reconstruct(&trained, &mut model, &dataset, &all)?;
            let signals = made.signals_uv;
            Ok((
                Dataset { signals, peaks: made.peaks.unwrap_or(dataset.peaks.clone()), ground_truth: None, ..dataset },
                made.predicted,
            ))
        })?;
        source::write_table(self.out.as_deref(), &dataset.recordings(&predicted_columns(predicted)))
    }
}
