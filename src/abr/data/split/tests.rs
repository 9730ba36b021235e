use super::*;
use crate::data::fixture::dataset;
use proptest::prelude::*;

fn by_row() -> DataConfig {
    DataConfig { split: SplitBy::Row, ..DataConfig::default() }
}

#[test]
fn counts_are_rounded_and_never_zero() {
    let config = DataConfig::default();
    let parts = split(&dataset(100, 10), &config).unwrap();
    // 10 subjects with 10 rows each: the shares 0.2 and 0.15 are 2 and, rounded up, 2
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (60, 20, 20));
    let parts = split(&dataset(9, 3), &config).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (3, 3, 3));
    let parts = split(&dataset(9, 3), &DataConfig { test_split: 0.0, ..config }).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (6, 3, 0));
}

#[test]
fn the_seed_decides() {
    let data = dataset(200, 50);
    let at = |seed| split(&data, &DataConfig { seed, ..DataConfig::default() }).unwrap();
    assert_eq!(at(1), at(1));
    assert_ne!(at(1), at(2));
}

#[test]
fn one_subject_is_refused_and_may_be_split_by_row() {
    let message = split(&dataset(50, 1), &DataConfig::default()).unwrap_err().to_string();
    assert!(message.contains("1 subject cannot be split") && message.contains("data.split to \"row\""), "{message}");
    assert!(split(&dataset(50, 2), &DataConfig::default()).is_err());
    assert_eq!(split(&dataset(50, 1), &by_row()).unwrap().validation.len(), 10);
    assert!(split(&dataset(3, 1), &by_row()).unwrap_err().to_string().contains("3 rows cannot be split"));
}

#[test]
fn every_subject_tests_in_one_fold() {
    let data = dataset(70, 10);
    let fold = |fold| DataConfig { split: SplitBy::KFold { folds: 4, fold }, ..DataConfig::default() };
    let mut tested: Vec<usize> = (0..4).flat_map(|i| split(&data, &fold(i)).unwrap().test).collect();
    tested.sort_unstable();
    assert_eq!(tested, (0..70).collect::<Vec<_>>());
    let message = split(&dataset(9, 3), &fold(0)).unwrap_err().to_string();
    assert!(message.contains("3 subjects cannot be split: with 4 folds"), "{message}");
}

#[test]
fn a_held_out_condition_is_only_tested() {
    let data = dataset(350, 50);
    let held = |values| SplitBy::HeldOut { column: "level_db".into(), values };
    let config = |values| DataConfig { split: held(values), ..DataConfig::default() };
    let parts = split(&data, &config(vec![HeldValue::Number(30.0), HeldValue::Number(80.0)])).unwrap();
    let Values::Number(levels) = &data.conditions[0].values else { unreachable!("a number column") };
    let at = |rows: &[usize]| rows.iter().filter(|&&r| [30.0, 80.0].contains(&levels[r])).count();
    assert_eq!((at(&parts.train), at(&parts.validation), at(&parts.test)), (0, 0, parts.test.len()));
    assert!(!parts.test.is_empty() && parts.unused.len() > parts.test.len());
    let quoted = vec![HeldValue::Text("30".into()), HeldValue::Text("80.0".into())];
    assert_eq!(split(&data, &config(quoted)).unwrap(), parts);
    let message = split(&data, &config(vec![HeldValue::Number(31.0)])).unwrap_err().to_string();
    assert!(message.contains("level_db of 31"), "{message}");
}

#[test]
fn two_subjects_are_two_folds() {
    let data = dataset(20, 2);
    let mut tested = Vec::new();
    for fold in 0..2 {
        let config = DataConfig { split: SplitBy::KFold { folds: 2, fold }, ..DataConfig::default() };
        let parts = split(&data, &config).unwrap();
        assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (10, 0, 10));
        tested.push(subjects(&data, &parts.test).pop_first().unwrap().to_string());
    }
    tested.sort();
    assert_eq!(tested, ["S000", "S001"]);
    // if two are left, one of them validates
    let config = DataConfig { split: SplitBy::KFold { folds: 3, fold: 0 }, ..DataConfig::default() };
    assert_eq!(split(&dataset(21, 3), &config).unwrap().validation.len(), 7);
    // one row is too few to train on
    let config = DataConfig { split: SplitBy::KFold { folds: 2, fold: 0 }, ..DataConfig::default() };
    let message = split(&dataset(2, 2), &config).unwrap_err().to_string();
    assert!(message.contains("2 subjects cannot be split: with 2 folds"), "{message}");
}

#[test]
fn two_subjects_train_and_validate_without_a_test() {
    let config = DataConfig { test_split: 0.0, ..DataConfig::default() };
    let parts = split(&dataset(20, 2), &config).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (10, 10, 0));
}

fn without(names: &[HeldValue]) -> DataConfig {
    let split = SplitBy::HeldOut { column: "subject_id".into(), values: names.to_vec() };
    DataConfig { split, ..DataConfig::default() }
}

fn text(name: &str) -> HeldValue {
    HeldValue::Text(name.into())
}

#[test]
fn held_out_subjects_test_and_nobody_else_does() {
    let data = dataset(60, 12);
    let parts = split(&data, &without(&[text("S003"), text("S007")])).unwrap();
    assert_eq!(subjects(&data, &parts.test).into_iter().collect::<Vec<_>>(), ["S003", "S007"]);
    // 0.2 of the other ten subjects, with 5 rows each; data.test_split is not used
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (40, 10, 10));
    assert!(parts.unused.is_empty());
    let other_seed = DataConfig { seed: 1, ..without(&[text("S003"), text("S007")]) };
    let other = split(&data, &other_seed).unwrap();
    assert_eq!(other.test, parts.test);
    assert_ne!(other.validation, parts.validation);
    // a subject whose name is a number
    let numbers = Dataset { subjects: (0..60).map(|row| (100 + row % 12).to_string()).collect(), ..data };
    let parts = split(&numbers, &without(&[HeldValue::Number(104.0)])).unwrap();
    assert_eq!(subjects(&numbers, &parts.test).into_iter().collect::<Vec<_>>(), ["104"]);
}

#[test]
fn of_two_subjects_one_may_be_held_out() {
    let parts = split(&dataset(20, 2), &without(&[text("S001")])).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (10, 0, 10));
    let message = split(&dataset(20, 2), &without(&[text("S000"), text("S001")])).unwrap_err().to_string();
    assert!(message.contains("with S000, S001 held out") && message.contains("hold out fewer"), "{message}");
}

#[test]
fn a_held_out_name_that_nobody_bears_is_refused_with_the_nearest() {
    let message = split(&dataset(60, 12), &without(&[text("S003"), text("s04")])).unwrap_err().to_string();
    for part in
        ["data.split.held_out.values: no subject is named s04", "did you mean S004?", "S004 and 7 more", "fixture: "]
    {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    let message = split(&dataset(8, 4), &without(&[HeldValue::Number(9.0)])).unwrap_err().to_string();
    assert!(message.contains("named 9") && message.contains("are S000, S001, S002, S003"), "{message}");
}

#[test]
fn the_manifest_names_every_row_and_subject() {
    let data = dataset(20, 5);
    let parts = split(&data, &DataConfig::default()).unwrap();
    let manifest = parts.manifest(&data, "a hash", &DataConfig::default());
    assert_eq!(manifest["sha256"], "a hash");
    let numbers = |part: &str| manifest[part]["row_numbers"].as_array().unwrap().len();
    assert_eq!(numbers("train") + numbers("validation") + numbers("test"), 20);
    assert_eq!(manifest["validation"]["subjects"].as_array().unwrap().len(), 1);
}

fn any_subject_split() -> impl Strategy<Value = SplitBy> {
    let folds = (2_usize..6).prop_flat_map(|folds| (Just(folds), 0..folds));
    prop_oneof![
        Just(SplitBy::Subject),
        folds.prop_map(|(folds, fold)| SplitBy::KFold { folds, fold }),
        (0_u8..7).prop_map(|level| SplitBy::HeldOut {
            column: "level_db".into(),
            values: vec![HeldValue::Number(20.0 + 10.0 * f64::from(level))]
        }),
    ]
}

proptest! {
    #[test]
    fn every_row_once_and_no_subject_twice(
        names in proptest::collection::vec(0_u8..20, 3..200), seed: u64, validation in 0.01..0.6, test in 0.0..0.39,
        by in any_subject_split(),
    ) {
        let mut data = dataset(names.len(), 1);
        data.subjects = names.iter().map(|n| format!("S{n}")).collect();
        let config =
            DataConfig { seed, validation_split: validation, test_split: test, split: by, ..DataConfig::default() };
        let Ok(parts) = split(&data, &config) else { return Ok(()) };

        let mut all = [&parts.train[..], &parts.validation, &parts.test, &parts.unused].concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..data.len()).collect::<Vec<_>>());
        let subjects = |rows: &[usize]| rows.iter().map(|&r| names[r]).collect::<std::collections::BTreeSet<_>>();
        let (a, b, c) = (subjects(&parts.train), subjects(&parts.validation), subjects(&parts.test));
        prop_assert!(a.is_disjoint(&b) && a.is_disjoint(&c) && b.is_disjoint(&c));
        let held_out = matches!(config.split, SplitBy::HeldOut { .. });
        prop_assert!(held_out || parts.unused.is_empty());
        // if folds leave one subject, it trains
        let alone = matches!(config.split, SplitBy::KFold { .. }) && a.len() == 1;
        prop_assert!(held_out || alone || !b.is_empty());
        // reordered rows give the same subjects
        if held_out {
            return Ok(());
        }
        data.subjects.reverse();
        let reversed = split(&data, &config).unwrap();
        let reversed_test: Vec<usize> = reversed.test.iter().rev().map(|r| data.len() - 1 - r).collect();
        prop_assert_eq!(reversed_test, parts.test);
    }
}
