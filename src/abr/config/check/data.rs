//! Checks the split, the condition columns and the built-in set.

use super::{CheckResult, ConfigProblem, count, number};
use crate::config::{
    ColumnEncoding, ConditionColumn, Config, DataConfig, HeldValue, SAMPLE_RATES_HZ, SplitBy, T0_RANGE_MS,
};
use std::collections::BTreeSet;

pub(super) fn data(d: &DataConfig) -> CheckResult {
    if let Some(rate) = d.sample_rate_hz {
        number("data.sample_rate_hz", rate, SAMPLE_RATES_HZ)?;
    }
    if let Some(t0) = d.t0_ms {
        number("data.t0_ms", t0, T0_RANGE_MS)?;
    }
    if let Some(gain) = d.gain {
        number("data.gain", gain, ..)?;
        if gain == 0.0 {
            return Err(ConfigProblem::new(
                "data.gain",
                "is 0",
                "give what the samples are divided by; below 0 inverts them",
            ));
        }
    }
    number("data.validation_split", d.validation_split, 0.0..1.0)?;
    number("data.test_split", d.test_split, 0.0..1.0)?;
    if d.validation_split + d.test_split >= 1.0 {
        return Err(ConfigProblem::new(
            "data.validation_split",
            format!("{} and data.test_split {} leave nothing to train on", d.validation_split, d.test_split),
            "let the two sum to less than 1, for example 0.2 and 0.15",
        ));
    }
    split(d)?;
    count("data.synth.subjects", d.synth.subjects, 1..)?;
    count("data.synth.rows_per_subject", d.synth.rows_per_subject, 1..)?;
    number("data.synth.sample_rate_hz", d.synth.sample_rate_hz, SAMPLE_RATES_HZ)?;
    let mut seen = BTreeSet::new();
    for (i, column) in d.static_columns.iter().enumerate() {
        let key = format!("data.static_columns[{i}]");
        condition_column(&key, column, d)?;
        if !seen.insert(column.name()) {
            let problem = format!("names `{}` a second time", column.name());
            return Err(ConfigProblem::new(key, problem, "name each column once"));
        }
    }
    if d.subject_column.is_empty() {
        return Err(ConfigProblem::new(
            "data.subject_column",
            "is empty",
            "write the name of the column with the subjects",
        ));
    }
    Ok(())
}

fn condition_column(key: &str, column: &ConditionColumn, d: &DataConfig) -> CheckResult {
    if column.name().is_empty() {
        return Err(ConfigProblem::new(key, "has an empty name", "write the name of a column of the table"));
    }
    if ["sample_rate_hz", "t0_ms", d.subject_column.as_str()].contains(&column.name()) {
        let problem = format!("names `{}`, which is the subject or the time axis, not a condition", column.name());
        return Err(ConfigProblem::new(key, problem, "name columns that describe stimulus, listener or recording"));
    }
    column.categories().map_or(Ok(()), |list| categories(&format!("{key}.categories"), column.encoding(), list))
}

fn categories(key: &str, encoding: ColumnEncoding, list: &[String]) -> CheckResult {
    if encoding != ColumnEncoding::OneHot {
        let remedy = "set its encoding to \"one_hot\", or leave categories out";
        return Err(ConfigProblem::new(key, "is set for an encoding that has no categories", remedy));
    }
    if list.is_empty() {
        let remedy = "name every category of the column, or leave the key out to take those of the training rows";
        return Err(ConfigProblem::new(key, "is an empty list", remedy));
    }
    let mut seen = BTreeSet::new();
    for (i, category) in list.iter().enumerate() {
        let key = format!("{key}[{i}]");
        if category.is_empty() {
            let remedy = "write the category as in the table";
            return Err(ConfigProblem::new(key, "is empty", remedy));
        }
        if !seen.insert(category) {
            return Err(ConfigProblem::new(
                key,
                format!("names \"{category}\" a second time"),
                "name each category once",
            ));
        }
    }
    Ok(())
}

fn split(d: &DataConfig) -> CheckResult {
    match &d.split {
        SplitBy::Subject | SplitBy::Row => Ok(()),
        SplitBy::KFold { folds, fold } => {
            count("data.split.k_fold.folds", *folds, 2..)?;
            count("data.split.k_fold.fold", *fold, 0..*folds)
        }
        SplitBy::HeldOut { column, values } => held_out(d, column, values),
    }
}

fn held_out(d: &DataConfig, column: &str, values: &[HeldValue]) -> CheckResult {
    let key = "data.split.held_out";
    let names = || d.static_columns.iter().map(ConditionColumn::name).chain([d.subject_column.as_str()]);
    if !names().any(|name| name == column) {
        let problem = format!("names `{column}`, which is none of data.static_columns and not data.subject_column");
        let remedy = format!("name one of {}", names().collect::<Vec<_>>().join(", "));
        return Err(ConfigProblem::new(format!("{key}.column"), problem, remedy));
    }
    if values.is_empty() {
        return Err(ConfigProblem::new(format!("{key}.values"), "is empty", "name the values to hold out"));
    }
    Ok(())
}

/// Only the data tell the width of a one-hot column without listed categories. It is 1 or more.
pub(super) fn condition_width(config: &Config) -> CheckResult {
    let (columns, dim) = (&config.data.static_columns, config.model.static_dim);
    let open = columns.iter().any(|c| c.encoding() == ColumnEncoding::OneHot && c.categories().is_none());
    let imputed = config.data.impute_statics.len();
    let listed: usize = columns.iter().map(|c| c.categories().map_or(1, <[String]>::len)).sum();
    let number = listed + imputed;
    if (number == dim) || (open && number < dim) {
        return Ok(());
    }
    let names: Vec<&str> = columns.iter().map(|c| c.name()).collect();
    let named = format!("is {dim}, but data.static_columns names {}: {}", columns.len(), names.join(", "));
    let inputs = match (listed > columns.len(), imputed > 0) {
        (false, false) => None,
        (true, false) => Some("one input per category"),
        (false, true) => Some("one input for missing values per column of data.impute_statics"),
        (true, true) => Some("one input per category, and one for missing values per column of data.impute_statics,"),
    };
    let least = if open { "at least " } else { "" };
    let (problem, remedy) = match inputs {
        None => (named, format!("set model.static_dim to {number}, or name {dim} in data.static_columns")),
        Some(inputs) => (
            format!("{named}; with {inputs} they need {least}{number}"),
            format!("set model.static_dim to {least}{number}, or choose other columns"),
        ),
    };
    Err(ConfigProblem::new("model.static_dim", problem, remedy))
}

#[cfg(test)]
mod tests {
    use super::super::tests::refused;
    use super::*;
    use crate::config::Species;

    fn with_route(dim: usize, route: &str) -> String {
        format!(
            r#"{{"model": {{"static_dim": {dim}}},
                 "data": {{"static_columns": ["level_db", {{"name": "route", {route}}}]}}}}"#
        )
    }

    #[test]
    fn a_list_of_categories_stands_beside_one_hot_alone_and_names_each_once() {
        let key = "data.static_columns[1].categories";
        refused(&with_route(2, r#""encoding": "log", "categories": ["air"]"#), &[key, "no categories", "\"one_hot\""]);
        refused(&with_route(2, r#""encoding": "one_hot", "categories": []"#), &[key, "empty list"]);
        refused(&with_route(2, r#""encoding": "one_hot", "categories": ["air", ""]"#), &[key, "[1]", "is empty"]);
        let twice = r#""encoding": "one_hot", "categories": ["air", "bone", "air"]"#;
        refused(&with_route(4, twice), &[key, "[2]", "\"air\" a second time"]);
        refused(&with_route(2, r#""encoding": "one_hot", "category": ["air"]"#), &["static_columns[1]", "categories"]);
    }

    #[test]
    fn listed_categories_fix_the_width() {
        let listed = r#""encoding": "one_hot", "categories": ["air", "bone"]"#;
        let config = Config::from_json("a.json", &with_route(3, listed), &[]).unwrap();
        assert_eq!(config.data.static_columns[1].categories().unwrap(), ["air", "bone"]);
        assert_eq!(Config::from_json("again", &config.to_json_pretty(), &[]).unwrap(), config);
        for dim in [2, 4] {
            refused(&with_route(dim, listed), &["model.static_dim", "one input per category they need 3", "to 3"]);
        }
        // only the data tell the width of another one-hot column
        let open = with_route(4, listed).replace(r#""level_db""#, r#"{"name": "ear", "encoding": "one_hot"}"#);
        assert!(Config::from_json("a.json", &open, &[]).is_ok());
        refused(&open.replace(": 4", ": 2"), &["model.static_dim", "need at least 3"]);
    }

    #[test]
    fn subjects_may_be_held_out() {
        let held = |column: &str| {
            let split = format!(r#"{{"held_out": {{"column": "{column}", "values": ["A1"]}}}}"#);
            format!(r#"{{"data": {{"subject_column": "animal", "split": {split}}}}}"#)
        };
        assert!(Config::from_json("a.json", &held("animal"), &[]).is_ok());
        refused(
            &held("subject_id"),
            &["data.split.held_out.column", "data.subject_column", "cochlear_loss_db, animal"],
        );
    }

    #[test]
    fn repeats_are_allowed_by_name_alone() {
        assert!(!DataConfig::default().allow_repeats);
        let config = Config::from_json("a.json", r#"{"data": {"allow_repeats": true}}"#, &[]).unwrap();
        assert!(config.data.allow_repeats);
        refused(r#"{"data": {"allow_repeats": "yes"}}"#, &["data.allow_repeats", "the default is false"]);
    }

    #[test]
    fn the_species_is_human_unless_another_is_named() {
        assert_eq!(DataConfig::default().species, Species::Human);
        let mouse = Config::from_json("a.json", r#"{"data": {"species": "mouse"}}"#, &[]).unwrap();
        assert_eq!(mouse.data.species, Species::Mouse);
        assert_eq!(Config::from_json("again", &mouse.to_json_pretty(), &[]).unwrap(), mouse);
        refused(r#"{"data": {"species": "rat"}}"#, &["data.species", "`human`", "`mouse`", "the default is \"human\""]);
    }
}
