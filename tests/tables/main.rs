//! A table gives the same data set, or the same error, however it is written and however it is read: loaded directly,
//! imported to CSV or NumPy's format and then loaded, or found in a folder.

#![cfg(feature = "abr")]

mod written;

use abr_film::config::Unit;
use abr_film::data::read::read_all;
use abr_film::data::table::{write_npz, write_recordings};
use abr_film::data::{Dataset, WAVES, load};
use abr_film::error::{Error, Result};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use std::path::Path;
use written::{Encoded, FAULTS, Names, Overrides, Style, WantedRow, WantedTable, latency};

fn row() -> impl Strategy<Value = WantedRow> {
    let sample =
        || prop_oneof![-3.0..3.0_f32, -1e-6..1e-6_f32, (-40..40_i16).prop_map(f32::from), Just(-0.0), Just(1e-40)];
    let trace = || prop::collection::vec(sample(), 30);
    let words = || select(vec!["control", "größer", "k \"o\"", "a, b", "x;y", "two\nlines", "1.50", "-"]);
    (
        select(vec!["M 1", "Zoë", "say \"A\"", "Müller, K.", "x;y", "007", "É"]),
        select(vec![60.0, -5.0, 37.5, 0.1 + 0.2, 1e-7]),
        (words(), words()),
        prop::array::uniform6(prop::option::of(0.1..0.9_f32)),
        (trace(), trace()),
        0..4_usize,
        select(vec!["", "NA", "NaN"]),
    )
        .prop_map(|(subject, level_db, (group, note), labels, (samples, truth), shorter, missing)| WantedRow {
            subject,
            level_db,
            group,
            note,
            labels,
            samples,
            truth,
            shorter,
            missing,
        })
}

fn style() -> impl Strategy<Value = Style> {
    let names = select(vec![Names::Own, Names::Padded, Names::Numbered(0), Names::Numbered(1)]);
    let encoded = [Encoded::Utf8, Encoded::Utf8WithMark, Encoded::Utf16Le, Encoded::Utf16Be, Encoded::Windows1252];
    let flags = any::<(bool, bool, bool, bool)>();
    let row_numbers = select(vec![None, Some(""), Some("Unnamed: 0")]);
    let order = prop::collection::vec(any::<u32>(), 100);
    (names, select(vec![',', ';', '\t', '|']), flags, select(encoded.to_vec()), row_numbers, order).prop_map(
        |(names, separator, (quoted, exponents, crlf, separator_line), encoded, row_numbers, order)| Style {
            names,
            separator,
            quoted,
            exponents,
            crlf,
            encoded,
            row_numbers,
            separator_line,
            order,
        },
    )
}

fn tables() -> impl Strategy<Value = WantedTable> {
    let rates = select(vec![20_000.0, 24_414.062_5, 1e5 / 3.0]);
    let flags = any::<(bool, bool, bool)>();
    let rows = prop::collection::vec(row(), 2..7);
    (rows, 8..=30_usize, 0..3_usize, rates, select(vec![0.0, -1.5, 5.85]), flags, style(), any::<(usize, usize)>())
        .prop_map(|(rows, length, cut, sample_rate_hz, t0_ms, (labelled, simulated, may_miss_level), style, at)| {
            // fewer than 16 numbered columns do not count as samples
            let numbered = matches!(style.names, Names::Numbered(_));
            let length = if numbered { length.max(20) } else { length };
            WantedTable { rows, length, cut, sample_rate_hz, t0_ms, labelled, simulated, may_miss_level, style, at }
        })
}

/// A data set, compared bit by bit.
#[derive(Debug, PartialEq)]
struct LoadedSet {
    signals: Vec<Vec<u32>>,
    truth: Vec<Vec<u32>>,
    truth_latencies_ms: Vec<Vec<u32>>,
    peaks: Vec<Vec<u32>>,
    conditions: String,
    subjects: Vec<String>,
    sample_rate_hz: f64,
    t0_ms: f64,
}

fn bits(values: impl IntoIterator<Item = f32>) -> Vec<u32> {
    values.into_iter().map(|value| if value.is_nan() { u32::MAX } else { value.to_bits() }).collect()
}

impl LoadedSet {
    fn of(data: &Dataset) -> LoadedSet {
        let matrix = |values: &ndarray::Array2<f32>| values.outer_iter().map(|row| bits(row.iter().copied())).collect();
        LoadedSet {
            signals: matrix(&data.signals),
            truth: data.ground_truth.as_ref().map_or(Vec::new(), |truth| matrix(&truth.signals)),
            truth_latencies_ms: data.ground_truth.as_ref().map_or(Vec::new(), |truth| matrix(&truth.latencies_ms)),
            peaks: matrix(&data.peaks),
            conditions: format!("{:?}", data.conditions.iter().map(|column| &column.values).collect::<Vec<_>>()),
            subjects: data.subjects.clone(),
            sample_rate_hz: data.sample_rate_hz,
            t0_ms: data.t0_ms,
        }
    }

    /// The expected data set of a table. The only faults that do not prevent loading are missing levels.
    fn wanted(table: &WantedTable, fault: Option<&str>) -> LoadedSet {
        let (used, rows) = (table.used(), &table.rows);
        let simulated = if table.is_simulated() { rows.len() } else { 0 };
        let missing = |i: usize| match fault {
            None => false,
            Some("all levels missing") => true,
            Some(_) => i == table.at.0 % rows.len(),
        };
        let level = |i: usize| if missing(i) { f64::NAN } else { rows[i].level_db };
        // the reader normalises numbers in a recorder's table, even in text columns
        let tidy = |group: &'static str| match table.style.names {
            Names::Numbered(_) => group.parse::<f64>().map_or(group.to_string(), |number| number.to_string()),
            _ => group.to_string(),
        };
        let levels: Vec<f64> = (0..rows.len()).map(level).collect();
        let groups: Vec<String> = rows.iter().map(|row| tidy(row.group)).collect();
        LoadedSet {
            signals: rows.iter().map(|row| bits(row.samples[..used].to_vec())).collect(),
            truth: rows[..simulated].iter().map(|row| bits(row.truth[..used].to_vec())).collect(),
            truth_latencies_ms: vec![bits((0..WAVES.len()).map(|i| latency(i).unwrap_or(f32::NAN))); simulated],
            peaks: rows.iter().map(|row| bits(table.labels(row).map(|label| label.unwrap_or(f32::NAN)))).collect(),
            conditions: format!("[Number({levels:?}), Text({groups:?})]"),
            subjects: rows.iter().map(|row| row.subject.to_string()).collect(),
            sample_rate_hz: table.sample_rate_hz,
            t0_ms: table.t0_ms,
        }
    }
}

type LoadOutcome = std::result::Result<LoadedSet, (String, String)>;

/// A data set, or problem and remedy, without the list of the file's columns in the remedy.
fn outcome(result: Result<Dataset>) -> LoadOutcome {
    match result {
        Ok(data) => Ok(LoadedSet::of(&data)),
        Err(Error::Input { problem, remedy, .. }) => {
            Err((problem, remedy.split("any of: ").next().unwrap_or_default().to_string()))
        }
        Err(other) => panic!("{other}"),
    }
}

fn ways(table: &WantedTable, fault: Option<&str>, overrides: &Overrides) -> [(&'static str, LoadOutcome); 4] {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    std::fs::create_dir(place("only")).unwrap();
    let file = place("only/t.csv");
    std::fs::write(&file, table.bytes(fault)).unwrap();
    let loaded =
        |path: &Path| load(&overrides.add_to(table.config(path)), table.used(), |_, _| {}).map(|(data, _)| data);
    let imported = |name: &str, npz: bool| {
        let (recordings, _) = read_all(std::slice::from_ref(&file))?;
        match npz {
            true => write_npz(&place(name), &recordings)?,
            false => write_recordings(&recordings, std::fs::File::create(place(name)).unwrap()).unwrap(),
        }
        loaded(&place(name))
    };
    [
        ("straight", outcome(loaded(&file))),
        ("from a folder", outcome(loaded(&place("only")))),
        ("through CSV", outcome(imported("x.csv", false))),
        ("through npz", outcome(imported("x.npz", true))),
    ]
}

fn run<S: Strategy>(strategy: S, cases: u32, test: impl Fn(S::Value)) {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    let checked = runner.run(&strategy, |value| {
        test(value);
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn a_table_is_one_data_set_whichever_way_it_comes_in() {
    run(tables(), 200, |table| {
        for (way, outcome) in ways(&table, None, &Overrides::default()) {
            assert_eq!(outcome, Ok(LoadedSet::wanted(&table, None)), "{way}");
        }
    });
}

#[test]
fn filters_units_and_gains_hold_whichever_way_a_table_comes_in() {
    let gains = select(vec![0.5, 4.0, -2.0]);
    let overrides = (prop::option::of(select(Unit::ALL.to_vec())), prop::option::of(gains), any::<bool>());
    run((tables(), overrides), 100, |(table, (unit, gain, leave_out))| {
        let without = leave_out.then(|| table.rows[0].subject.to_string());
        let overrides = Overrides { unit, gain, without };
        let kept = overrides.meant(&table);
        for (way, outcome) in ways(&table, None, &overrides) {
            match (&outcome, kept.rows.is_empty()) {
                (Err((problem, _)), true) => assert!(problem.contains("data.filters leave no row"), "{way}: {problem}"),
                _ => assert_eq!(outcome, Ok(LoadedSet::wanted(&kept, None)), "{way}: {overrides:?}"),
            }
        }
    });
}

#[test]
fn a_table_is_refused_for_one_reason_whichever_way_it_comes_in() {
    for (fault, part) in FAULTS {
        run(tables(), 12, |table| {
            let [(_, first), others @ ..] = ways(&table, Some(fault), &Overrides::default());
            match &first {
                Err((problem, _)) => assert!(problem.contains(part), "{fault}: {problem}"),
                Ok(seen) => {
                    assert!(part.starts_with("empty, but a number") && table.may_miss_level, "{fault}: was read");
                    assert_eq!(*seen, LoadedSet::wanted(&table, Some(fault)));
                }
            }
            for (way, other) in others {
                assert_eq!(other, first, "{fault}: {way}");
            }
        });
    }
}
