//! Warnings before a training: too few rows, too few subjects, too large a model. One sentence each.

use crate::config::{DataConfig, SplitBy};
use crate::data::Dataset;
use crate::data::split::{Split, subjects};

/// A part of the split with fewer rows is too small.
const ENOUGH_ROWS: usize = 10;
/// A model with more parameters than this per training sample value is too large.
const MOST_PARAMETERS: usize = 10;

/// Warns about parts of the split with few rows or a single subject, unless they are empty by choice.
pub(super) fn of_split(dataset: &Dataset, split: &Split, config: &DataConfig) -> Vec<String> {
    let chosen = |part: &str| part == "test" || (part == "validation" && config.validation_split == 0.0);
    let parts = split.parts().into_iter().filter(|(part, rows)| !rows.is_empty() || !chosen(part));
    parts.filter_map(|(part, rows)| of_part(dataset, part, rows, config)).collect()
}

fn of_part(dataset: &Dataset, part: &str, rows: &[usize], config: &DataConfig) -> Option<String> {
    // a row split puts rows of a subject into every part, and the user chose it explicitly
    let one_subject = config.split.needs_subjects() && subjects(dataset, rows).len() == 1;
    let few = rows.len() < ENOUGH_ROWS;
    let what = match rows.len() {
        0 => "there are no validation rows".to_string(),
        1 => format!("only 1 row is in the {part} part of the split"),
        n if few && one_subject => format!("only {n} rows, all of one subject, are in the {part} part of the split"),
        n if few => format!("only {n} rows are in the {part} part of the split"),
        n if one_subject => format!("all {n} rows in the {part} part of the split are of one subject"),
        _ => return None,
    };
    let consequence = match part {
        "train" => "what the model learns from them may not apply to others",
        "validation" if rows.is_empty() => "the last epoch counts as the best",
        "validation" => "only they choose the best epoch",
        _ => "the result may be chance",
    };
    let more = if one_subject || rows.is_empty() { "add recordings of other subjects" } else { "add recordings" };
    let remedy = match (part, &config.split) {
        ("train", _) => more.to_string(),
        // no split ratio turns one subject into two
        ("validation", _) if rows.is_empty() => more.to_string(),
        ("test", SplitBy::KFold { .. }) => format!("choose fewer folds or {more}"),
        ("test", SplitBy::HeldOut { .. }) => format!("hold out more or {more}"),
        _ => format!("raise data.{part}_split or {more}"),
    };
    Some(format!("{what}: {consequence}; {remedy}"))
}

/// Warns about a model that is far too large for its training data.
pub(super) fn of_size(parameters: usize, rows: usize, signal_length: usize) -> Option<String> {
    let numbers = rows * signal_length;
    (parameters > MOST_PARAMETERS * numbers).then(|| {
        format!(
            "the model has {parameters} parameters, but only {numbers} numbers to learn from ({rows} training rows of \
             {signal_length} samples): choose smaller model.encoder_dims, model.decoder_dims and model.latent_dim, or \
             add recordings"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HeldValue;
    use crate::data::{load, split::split};

    /// The warnings for this many subjects of the built-in set.
    fn warnings(subjects: usize, rows_per_subject: usize, config: DataConfig) -> Vec<String> {
        let mut config = config;
        (config.synth.subjects, config.synth.rows_per_subject) = (subjects, rows_per_subject);
        let (dataset, _) = load(&config, 200, |_, _| {}).unwrap();
        of_split(&dataset, &split(&dataset, &config).unwrap(), &config)
    }

    #[test]
    fn parts_of_enough_rows_and_subjects_need_no_warning() {
        assert!(warnings(12, 8, DataConfig::default()).is_empty());
        // no test and no validation, by choice
        let all = DataConfig { test_split: 0.0, validation_split: 0.0, ..DataConfig::default() };
        assert!(warnings(10, 8, all).is_empty());
        // one subject by row, by choice
        assert!(warnings(1, 100, DataConfig { split: SplitBy::Row, ..DataConfig::default() }).is_empty());
    }

    #[test]
    fn few_rows_and_one_subject_are_named_with_their_part() {
        assert_eq!(
            warnings(6, 4, DataConfig::default()),
            [
                "only 4 rows, all of one subject, are in the validation part of the split: only they choose the best \
                 epoch; raise data.validation_split or add recordings of other subjects",
                "only 4 rows, all of one subject, are in the test part of the split: the result may be chance; raise \
                 data.test_split or add recordings of other subjects",
            ]
        );
        let by_row = DataConfig { split: SplitBy::Row, ..DataConfig::default() };
        let found = warnings(6, 4, by_row);
        assert!(found.len() == 2 && found[0].starts_with("only 5 rows are in the validation part"), "{found:?}");
        assert!(found[1].ends_with("raise data.test_split or add recordings"), "{found:?}");
    }

    #[test]
    fn two_folds_of_two_subjects_validate_nothing() {
        let folds = DataConfig { split: SplitBy::KFold { folds: 2, fold: 0 }, ..DataConfig::default() };
        assert_eq!(
            warnings(2, 20, folds),
            [
                "all 20 rows in the train part of the split are of one subject: what the model learns from them may \
                 not apply to others; add recordings of other subjects",
                "there are no validation rows: the last epoch counts as the best; add recordings of other subjects",
                "all 20 rows in the test part of the split are of one subject: the result may be chance; choose fewer \
                 folds or add recordings of other subjects",
            ]
        );
    }

    #[test]
    fn one_held_out_subject_is_named() {
        let values = vec![HeldValue::Text("S0003".into())];
        let split = SplitBy::HeldOut { column: "subject_id".into(), values };
        let found = warnings(12, 12, DataConfig { split, ..DataConfig::default() });
        assert!(
            found.len() == 1 && found[0].ends_with("hold out more or add recordings of other subjects"),
            "{found:?}"
        );
    }

    #[test]
    fn a_model_far_larger_than_its_data_is_named_with_both_numbers() {
        // the documented model on the built-in set
        assert_eq!(of_size(4_415_567, 6_240, 200), None);
        assert_eq!(of_size(30_000, 15, 200), None);
        let found = of_size(30_001, 15, 200).unwrap();
        for part in ["30001 parameters", "3000 numbers", "15 training rows of 200 samples", "model.encoder_dims"] {
            assert!(found.contains(part), "{part:?} is not in: {found}");
        }
    }
}
