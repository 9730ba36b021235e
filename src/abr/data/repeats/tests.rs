use super::*;
use crate::data::fixture::dataset;
use crate::data::split::split;
use ndarray::s;
use std::time::Instant;

/// `n` different traces.
fn traces(n: usize, length: usize) -> Vec<Vec<f32>> {
    let sample = |row: usize, i: usize| 0.3 * (((row * length + i) as f32) * 0.7).sin() + 1e-3 * row as f32;
    (0..n).map(|row| (0..length).map(|i| sample(row, i)).collect()).collect()
}

fn groups(rows: &[Vec<f32>]) -> Vec<Vec<usize>> {
    repeats(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

#[test]
fn copies_are_found_wherever_they_stand() {
    let mut rows = traces(50, 30);
    assert!(groups(&rows).is_empty());
    rows[40] = rows[3].clone();
    rows[7] = rows[12].clone();
    rows[49] = rows[12].clone();
    assert_eq!(groups(&rows), [vec![3, 40], vec![7, 12, 49]]);
}

#[test]
fn samples_agree_within_a_ten_thousandth_of_a_microvolt_throughout() {
    let mut rows = traces(20, 30);
    let apart = |by: f32, row: &[f32]| -> Vec<f32> {
        row.iter().enumerate().map(|(i, v)| v + if i % 2 == 0 { by } else { -by }).collect()
    };
    rows.push(apart(9e-5, &rows[5]));
    // rounded to four decimals
    rows.push(rows[6].iter().map(|v| (v * 1e4).round() / 1e4).collect());
    rows.push(apart(1.5e-4, &rows[7]));
    // one sample changed too much
    let mut one = rows[8].clone();
    one[17] += 2e-4;
    rows.push(one);
    assert_eq!(groups(&rows), [vec![5, 20], vec![6, 21]]);
    // a copy of a copy is in the same group
    rows.push(apart(9e-5, &rows[20]));
    assert_eq!(groups(&rows), [vec![5, 20, 24], vec![6, 21]]);
}

#[test]
fn flat_traces_repeat_none_and_quiet_ones_only_to_the_bit() {
    let mut rows = vec![vec![0.0; 20], vec![0.0; 20], vec![1.5; 20], vec![1.5; 20]];
    let ripple = |height: f32| -> Vec<f32> { (0..20).map(|i| height * (i % 2) as f32).collect() };
    rows.extend([ripple(0.0099), ripple(0.00991)]);
    assert!(groups(&rows).is_empty());
    rows.extend([ripple(0.0101), ripple(0.01011)]);
    assert_eq!(groups(&rows), [[6, 7]]);
    rows.push(ripple(0.0099));
    assert_eq!(groups(&rows), [[4, 8], [6, 7]]);
}

#[test]
fn traces_of_other_lengths_never_repeat_each_other() {
    let rows = traces(2, 30);
    let cut = |n: usize, row: usize| rows[row][..n].to_vec();
    let rows = vec![cut(30, 0), cut(20, 0), cut(20, 1), cut(20, 0), vec![], vec![]];
    assert_eq!(groups(&rows), [[1, 3]]);
}

#[test]
fn what_is_no_number_repeats_nothing() {
    let mut rows = traces(2, 30);
    rows[0][4] = f32::NAN;
    rows[1] = rows[0].clone();
    assert!(groups(&rows).is_empty());
}

/// The search takes about as long as sorting, even for traces of equal amplitude, for traces without a mean, and for
/// one trace repeated 5,000 times.
#[test]
fn many_rows_take_no_time() {
    let plain = traces(5_000, 200);
    let scaled = |change: &dyn Fn(f32, f32, f32) -> f32| -> Vec<Vec<f32>> {
        let one = |row: &Vec<f32>| {
            let highest = row.iter().copied().fold(f32::MIN, f32::max);
            let mean = row.iter().sum::<f32>() / 200.0;
            row.iter().map(|&v| change(v, highest, mean)).collect()
        };
        plain.iter().map(one).collect()
    };
    let start = Instant::now();
    let copies = vec![plain[0].clone(); 5_000];
    for (rows, found) in
        [(plain.clone(), 0), (scaled(&|v, high, _| v / high), 0), (scaled(&|v, _, mean| v - mean), 0), (copies, 1)]
    {
        let mut rows = rows;
        rows.push(rows[0].clone());
        assert_eq!(groups(&rows).len(), found.max(1));
    }
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

/// 40 rows of eight subjects. With seed 42 every part of the split has some.
fn with_copy(from: usize, to: usize) -> (Dataset, Split) {
    let mut data = dataset(40, 8);
    let copy = data.signals.row(from).to_owned();
    data.signals.slice_mut(s![to, ..]).assign(&copy);
    let parts = split(&data, &DataConfig::default()).unwrap();
    (data, parts)
}

#[test]
fn copies_in_two_parts_are_refused_unless_asked_for() {
    let parts = with_copy(0, 0).1;
    let (train, test) = (parts.train[0], parts.test[0]);
    let (data, parts) = with_copy(train, test);
    let message = check_split(&data, &parts, &DataConfig::default()).unwrap_err().to_string();
    let mut rows = [(train, "train"), (test, "test")];
    rows.sort();
    let named = rows.map(|(row, part)| format!("row {} ({}, {part})", row + 1, data.subjects[row])).join(" and ");
    for part in ["fixture: ", "2 rows in two parts have the same samples", &named, "data.allow_repeats"] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(message.contains("the same subject"), "{message}");
    let allowed = DataConfig { allow_repeats: true, ..DataConfig::default() };
    let notices = check_split(&data, &parts, &allowed).unwrap();
    assert!(notices.len() == 1 && notices[0].contains(&named), "{notices:?}");
    // a split by row separates a subject's rows
    let by_row = DataConfig { split: SplitBy::Row, ..DataConfig::default() };
    let message = check_split(&data, &parts, &by_row).unwrap_err().to_string();
    assert!(!message.contains("the same subject"), "{message}");
}

#[test]
fn copies_within_a_part_are_noticed() {
    let parts = with_copy(0, 0).1;
    assert!(check_split(&dataset(40, 8), &parts, &DataConfig::default()).unwrap().is_empty());
    let (data, parts) = with_copy(parts.train[0], parts.train[1]);
    let notices = check_split(&data, &parts, &DataConfig::default()).unwrap();
    let wanted = "2 rows have the same samples as another row of their part of the split: row ";
    assert!(notices.len() == 1 && notices[0].starts_with(wanted), "{notices:?}");
}

#[test]
fn unused_rows_do_not_count() {
    let (data, mut parts) = with_copy(0, 1);
    let row_of = |part: &Vec<usize>, row: usize| part.iter().position(|&r| r == row);
    for part in [&mut parts.train, &mut parts.validation, &mut parts.test] {
        if let Some(at) = row_of(part, 1) {
            parts.unused.push(part.remove(at));
        }
    }
    assert_eq!(parts.unused, [1]);
    assert!(check_split(&data, &parts, &DataConfig::default()).unwrap().is_empty());
}
