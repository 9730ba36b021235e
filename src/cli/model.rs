//! Finds the model that a command uses and its training data: a run folder stands for its best checkpoint and its data.

use abr_film::checkpoint::TrainedModel;
use abr_film::data::Dataset;
use abr_film::data::hash::data_hash;
use abr_film::error::{Error, Result};
use abr_film::files;
use abr_film::train::RunFolder;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The model file for a path; for a run folder, its best checkpoint.
pub fn file(named: &Path) -> PathBuf {
    if named.is_dir() { named.join("best.safetensors") } else { named.to_path_buf() }
}

/// The run folder that contains a checkpoint, if any.
pub fn run_folder(file: &Path) -> Option<RunFolder> {
    // the epochs' checkpoints lie in a folder inside the run folder
    let folders = file.ancestors().skip(1).take(2);
    let is_run = |folder: &RunFolder| folder.config().is_file() && folder.metrics().is_file();
    folders.map(RunFolder::at).find(is_run)
}

/// What the `config.json` of a checkpoint's run folder says of the training data: a checkpoint itself names no files.
/// Nothing for a checkpoint outside of a run folder.
#[derive(Default)]
pub struct RunData {
    /// The recordings; `None` for the built-in set.
    pub path: Option<String>,
    /// How their subjects were found: an expression or a table.
    subject_from: Option<String>,
}

impl RunData {
    pub fn of(file: &Path) -> RunData {
        let read =
            |run: RunFolder| serde_json::from_slice::<Value>(&files::read(&run.config(), files::TEXT_BYTES).ok()?).ok();
        let config = run_folder(file).and_then(read).unwrap_or_default();
        let text = |key: &str| config["data"][key].as_str().map(String::from);
        RunData { path: text("path"), subject_from: text("subject_from") }
    }

    /// Lets the model find subjects as its training did.
    pub fn find_subjects(&self, trained: &mut TrainedModel) {
        if self.subject_from.is_some() {
            trained.config.data.subject_from.clone_from(&self.subject_from);
        }
    }
}

/// Refuses recordings other than those of the training.
pub fn check_data_of_run(trained: &TrainedModel, dataset: &Dataset) -> Result<()> {
    if data_hash(dataset) == trained.data.hash {
        return Ok(());
    }
    let problem = "contains other recordings than when the model was trained on it";
    Err(Error::input(&dataset.source, "", problem, "name the recordings with --data"))
}
