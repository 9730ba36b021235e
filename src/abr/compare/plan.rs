//! The plan of a comparison: its cells, one training each.

use super::variant::Variant;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::{self, TEXT_BYTES, WHOLE_BYTES, write_whole};
use crate::model::sized;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A comparison, as `compare.json` has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub variants: Vec<Variant>,
    /// The number of folds of the subjects; `None`: the split of the configuration.
    pub folds: Option<usize>,
    pub seeds: u64,
    pub cells: Vec<Cell>,
}

/// One training: a variant, on one fold, from one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Unique, and fit for a file name.
    pub name: String,
    /// The index of its variant.
    pub variant: usize,
    pub fold: Option<usize>,
    pub seed: u64,
    /// What it sets in the configuration, as `KEY=VALUE`.
    pub settings: Vec<String>,
}

impl Plan {
    /// The cells of variants over folds and seeds, those of a seed before those of the next, so that a table of what is
    /// done holds all variants early. `common` settings are those of all cells; `first_seed` is the seed of the first.
    pub fn new(
        variants: Vec<Variant>,
        folds: Option<usize>,
        (first_seed, seeds): (u64, u64),
        common: &[String],
    ) -> Plan {
        let fold_numbers: Vec<Option<usize>> = folds.map_or(vec![None], |folds| (0..folds).map(Some).collect());
        let mut cells = Vec::new();
        for seed in first_seed..first_seed + seeds {
            for fold in &fold_numbers {
                for (index, variant) in variants.iter().enumerate() {
                    let mut settings = common.to_vec();
                    settings.extend(variant.settings.iter().cloned());
                    settings.extend(fold.zip(folds).map(|(fold, folds)| {
                        format!("data.split={{\"k_fold\": {{\"folds\": {folds}, \"fold\": {fold}}}}}")
                    }));
                    settings.push(format!("training.seed={seed}"));
                    let of_fold = fold.map_or(String::new(), |fold| format!("_fold-{fold}"));
                    let name = format!("{:02}-{}{of_fold}_seed-{seed}", index + 1, file_name(&variant.name));
                    cells.push(Cell { name, variant: index, fold: *fold, seed, settings });
                }
            }
        }
        Plan { variants, folds, seeds, cells }
    }

    /// Checks every cell's configuration.
    ///
    /// # Errors
    /// When a configuration cannot be used, or two variants are the same.
    pub fn check(&self, config: &Path) -> Result<()> {
        let mut seen = BTreeSet::new();
        for variant in &self.variants {
            if !seen.insert(&variant.name) {
                return Err(Error::usage(format!("the variant {} is named twice", variant.name), "name it once"));
            }
        }
        for cell in self.cells.iter().take(self.variants.len()) {
            let loaded = Config::load(config, &cell.settings)?;
            sized(&loaded.model, &loaded.film.with_inputs(&loaded.input_columns()))?;
            let name = &self.variants[cell.variant].name;
            if name.split('+').any(|part| part == "levels") && loaded.film.levels.is_empty() {
                return Err(Error::usage(
                    format!("the variant {name} needs film.levels, and the configuration has none"),
                    "add film.levels to the configuration: which columns condition which level",
                ));
            }
        }
        Ok(())
    }

    /// Writes the plan and its configuration into a folder, or checks that they are those that are there.
    ///
    /// # Errors
    /// When another comparison is there, or a file cannot be written.
    pub fn store(&self, folder: &Path, config: &str) -> Result<()> {
        let (file, of_config) = (file(folder), config_file(folder));
        if file.exists() {
            let same = Plan::read(folder)? == *self && files::read(&of_config, TEXT_BYTES)? == config.as_bytes();
            let remedy = "leave all but --out out to continue it, or choose another folder";
            return match same {
                true => Ok(()),
                false => Err(Error::usage(format!("{}: another comparison", folder.display()), remedy)),
            };
        }
        std::fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
        write_whole(&of_config, |w| w.write_all(config.as_bytes()))?;
        let text = serde_json::to_string_pretty(self).expect("plain data");
        write_whole(&file, |w| writeln!(w, "{text}"))
    }

    /// The plan of a folder.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(folder: &Path) -> Result<Plan> {
        let path = file(folder);
        serde_json::from_slice(&files::read(&path, WHOLE_BYTES)?)
            .map_err(|e| Error::input(path.display(), "", format!("is no comparison: {e}"), "choose another folder"))
    }

    /// The cell of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn cell(&self, name: &str) -> Result<&Cell> {
        let found = self.cells.iter().find(|cell| cell.name == name);
        found.ok_or_else(|| Error::usage(format!("no cell is named {name}"), "see `abr-film compare --list`"))
    }
}

/// The configuration that all cells change.
pub fn config_file(folder: &Path) -> PathBuf {
    folder.join("config.json")
}

fn file(folder: &Path) -> PathBuf {
    folder.join("compare.json")
}

/// A name with letters, digits, `+`, `=`, `.` and `-` alone.
fn file_name(name: &str) -> String {
    let keeps = |c: char| c.is_ascii_alphanumeric() || "+=.-_".contains(c);
    name.chars().map(|c| if keeps(c) { c } else { '-' }).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_every_variant_fold_and_seed_with_a_name_each() {
        let variants = ["none", "film", "film+gate"].map(|name| Variant::parse(name).unwrap());
        let plan = Plan::new(variants.to_vec(), Some(4), (7, 2), &["training.num_epochs=3".into()]);
        assert_eq!(plan.cells.len(), 24);
        let names: BTreeSet<&str> = plan.cells.iter().map(|cell| cell.name.as_str()).collect();
        assert_eq!(names.len(), 24);
        let last = plan.cells.last().unwrap();
        assert_eq!(
            (last.name.as_str(), last.variant, last.fold, last.seed),
            ("03-film+gate_fold-3_seed-8", 2, Some(3), 8)
        );
        assert!(last.settings.contains(&r#"data.split={"k_fold": {"folds": 4, "fold": 3}}"#.to_string()));
        assert!(last.settings.contains(&"training.seed=8".to_string()) && last.settings[0] == "training.num_epochs=3");
    }

    #[test]
    fn a_folder_keeps_one_comparison() {
        let folder = tempfile::tempdir().unwrap();
        let plan = |seeds| Plan::new(vec![Variant::parse("film").unwrap()], None, (42, seeds), &[]);
        plan(2).store(folder.path(), "{}").unwrap();
        plan(2).store(folder.path(), "{}").unwrap();
        assert_eq!(Plan::read(folder.path()).unwrap(), plan(2));
        assert!(plan(3).store(folder.path(), "{}").unwrap_err().to_string().contains("another comparison"));
        assert!(plan(2).store(folder.path(), "{ }").is_err());
        assert!(Plan::read(Path::new("/nowhere")).is_err());
    }
}
