//! The files of an evaluation: `report.html`, `eval.json` and `traces.csv`.

use abr_film::error::{Error, Result};
use abr_film::eval::Report;
use abr_film::files::write_whole;
use abr_film::report::{page, pictures};
use abr_film::train::RunFolder;
use std::path::Path;

/// Adds what a run folder tells of the training.
pub fn add_record(report: &mut Report, run: &RunFolder) {
    let (epochs, split) = run.record();
    (report.training.epochs, report.training.split) = (epochs, split);
}

/// Writes the three files into a folder, which is made if missing. `name` is that of the model.
pub fn write(report: &Report, folder: &Path, name: &str) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
    write_whole(&folder.join("eval.json"), |w| w.write_all(report.to_json().as_bytes()))?;
    write_whole(&folder.join("traces.csv"), |w| report.write_traces(w))?;
    write_whole(&folder.join("report.html"), |w| w.write_all(page(report, name).as_bytes()))
}

/// Writes the pictures of the report, each as a file of its own, into `pictures` in a folder.
pub fn write_pictures(report: &Report, folder: &Path) -> Result<()> {
    let folder = folder.join("pictures");
    std::fs::create_dir_all(&folder).map_err(Error::io("make the folder", &folder))?;
    pictures(report).into_iter().try_for_each(|(name, picture)| {
        write_whole(&folder.join(format!("{name}.svg")), |w| w.write_all(picture.to_svg().as_bytes()))
    })
}

/// What a model is called on its page: as its run folder, or as the file outside of one.
pub fn name(model: &Path) -> String {
    let whole = std::path::absolute(model).unwrap_or_else(|_| model.to_path_buf());
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let folder = whole.ancestors().take(3).find(|folder| folder.join("config.json").is_file());
    folder
        .and_then(|folder| Some(folder.file_name()?.to_string_lossy().into_owned()))
        .or_else(|| stem(&whole))
        .unwrap_or_default()
}
