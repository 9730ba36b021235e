//! Finds the model that a command uses and its training data: a run folder stands for its best checkpoint and its data.

use abr_film::checkpoint::TrainedModel;
use abr_film::data::Dataset;
use abr_film::data::hash::data_hash;
use abr_film::error::{Error, Result};
use abr_film::files;
use abr_film::train::RunFolder;
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

/// The training data of a checkpoint's run, from the `config.json` of its folder; `None` for the built-in set, and for
/// a checkpoint outside of a run folder.
pub fn data_of_run(file: &Path) -> Option<String> {
    text_of_run(file, "path")
}

/// How subjects were found in these data: an expression or a table of subjects, as [`data_of_run`].
pub fn subject_from_of_run(file: &Path) -> Option<String> {
    text_of_run(file, "subject_from")
}

/// A text in `data` of the configuration of a checkpoint's run.
fn text_of_run(file: &Path, key: &str) -> Option<String> {
    let config = run_folder(file)?.config();
    let config: serde_json::Value = serde_json::from_slice(&files::read(&config, files::TEXT_BYTES).ok()?).ok()?;
    config["data"][key].as_str().map(String::from)
}

/// Refuses recordings other than those of the training.
pub fn check_data_of_run(trained: &TrainedModel, dataset: &Dataset) -> Result<()> {
    if data_hash(dataset) == trained.data.hash {
        return Ok(());
    }
    let problem = "contains other recordings than when the model was trained on it";
    Err(Error::input(&dataset.source, "", problem, "name the recordings with --data"))
}
