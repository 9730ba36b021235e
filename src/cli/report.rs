//! The files of an evaluation: `report.html`, `eval.json` and `errors.csv`.

use super::{model, source};
use abr_film::error::{Error, Result};
use abr_film::eval::Report;
use abr_film::files::{refuse_link, write_whole};
use abr_film::report::{PICTURES, Picture, page, pictures};
use abr_film::train::RunFolder;
use std::path::{Path, PathBuf};

/// Adds a run folder's record of the training.
pub fn add_record(report: &mut Report, run: &RunFolder) {
    let (epochs, split) = run.record();
    (report.training.epochs, report.training.split) = (epochs, split);
}

/// The folder of the pictures.
const FOLDER: &str = "pictures";

const FILES: [&str; 3] = ["eval.json", "errors.csv", "report.html"];

/// Refuses a folder in which one of the files would replace an input, or where pictures would leave it by a link.
pub fn check_apart(folder: &Path, inputs: &[PathBuf]) -> Result<()> {
    refuse_link(&folder.join(FOLDER))?;
    let check = |name: &str| source::check_apart(Some(&folder.join(name)), inputs.iter().map(PathBuf::as_path));
    FILES.into_iter().try_for_each(check)
}

/// Writes the three files into a folder, which is created if missing, and returns the pictures of the page. `name` is
/// the model's name.
pub fn write(report: &Report, folder: &Path, name: &str) -> Result<Vec<(String, Picture)>> {
    let pictures = pictures(report);
    let [json, errors, html] = FILES.map(|name| folder.join(name));
    std::fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
    write_whole(&json, |w| w.write_all(report.to_json().as_bytes()))?;
    write_whole(&errors, |w| report.write_traces(w))?;
    write_whole(&html, |w| w.write_all(page(report, name, &pictures).as_bytes()))?;
    Ok(pictures)
}

/// Writes each picture of a report as a file into `pictures` in a folder.
pub fn write_pictures(pictures: &[(String, Picture)], folder: &Path) -> Result<()> {
    let folder = folder.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(Error::io("make the folder", &folder))?;
    // remove the pictures of an earlier evaluation, which may have had others
    let ours = |name: &str| PICTURES.contains(&name) || name.starts_with("film_") || name.starts_with("attention_");
    for entry in std::fs::read_dir(&folder).map_err(Error::io("read the folder", &folder))?.flatten() {
        let path = entry.path();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "svg") && ours(&stem) {
            std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    pictures.iter().try_for_each(|(name, picture)| {
        write_whole(&folder.join(format!("{name}.svg")), |w| w.write_all(picture.to_svg().as_bytes()))
    })
}

/// The name of a checkpoint's model on its page: that of its run folder, or of the file outside of one.
pub fn name(model: &Path) -> String {
    let last = |path: &Path| {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        whole.file_stem().map_or(String::new(), |name| name.to_string_lossy().into_owned())
    };
    model::run_folder(model).map_or_else(|| last(model), |run| last(run.path()))
}
