//! Checks row filters, preparation, and the clipping and imputation of conditions.

use super::{CheckResult, ConfigProblem, count, number};
use crate::config::{Baseline, ColumnEncoding, Config, DataConfig, PrepareConfig, RowFilter, Window};
use crate::text::nearest;
use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

/// The largest filter order: steeper filters ring longer than a response lasts.
const LARGEST_ORDER: usize = 12;

pub(super) fn filters(filters: &[RowFilter]) -> CheckResult {
    filters.iter().enumerate().try_for_each(|(i, filter)| row_filter(&format!("data.filters[{i}]"), filter))
}

fn row_filter(key: &str, filter: &RowFilter) -> CheckResult {
    if filter.column.is_empty() {
        return Err(ConfigProblem::new(key, "names no column", "write the name of a column of the table"));
    }
    for (name, bound) in [("min", filter.min), ("max", filter.max)] {
        bound.map_or(Ok(()), |bound| number(&format!("{key}.{name}"), bound, ..))?;
    }
    for (name, list) in [("equals", &filter.equals), ("not", &filter.not)] {
        if list.as_ref().is_some_and(Vec::is_empty) {
            let remedy = "name at least one value, such as [\"click\"], or leave the key out";
            return Err(ConfigProblem::new(format!("{key}.{name}"), "is an empty list", remedy));
        }
    }
    if filter.min.is_none() && filter.max.is_none() && filter.equals.is_none() && filter.not.is_none() {
        let remedy = "give at least one of min, max, equals and not";
        return Err(ConfigProblem::new(key, "has no condition, and would keep every row", remedy));
    }
    if let (Some(min), Some(max)) = (filter.min, filter.max)
        && min > max
    {
        return Err(ConfigProblem::new(key, format!("min {min} is above max {max}: no row fits"), "swap the two"));
    }
    Ok(())
}

pub(super) fn prepare(config: &Config) -> CheckResult {
    let p = &config.data.prepare;
    let positive = (Excluded(0.0), Unbounded);
    if p.polarity.abs() != 1 {
        let problem = format!("is {}, must be 1 or -1", p.polarity);
        return Err(ConfigProblem::new(
            "data.prepare.polarity",
            problem,
            "-1 inverts the traces, 1 leaves them as they are",
        ));
    }
    if let Some(Baseline::Between(span)) = p.baseline {
        rising("data.prepare.baseline", span.from_ms, span.to_ms, "ms")?;
    }
    if let Some(band) = p.band_pass {
        count("data.prepare.band_pass.order", band.order, 1..=LARGEST_ORDER)?;
        for (name, edge) in [("low_hz", band.low_hz), ("high_hz", band.high_hz)] {
            edge.map_or(Ok(()), |hz| number(&format!("data.prepare.band_pass.{name}"), hz, positive))?;
        }
        match (band.low_hz, band.high_hz) {
            (Some(low), Some(high)) => rising("data.prepare.band_pass", low, high, "Hz")?,
            (None, None) => {
                let remedy = "give low_hz, high_hz or both, for example 300 and 3000; null filters nothing";
                return Err(ConfigProblem::new("data.prepare.band_pass", "has neither low_hz nor high_hz", remedy));
            }
            _ => {}
        }
    }
    if let Some(rate) = p.sample_rate_hz {
        number("data.prepare.sample_rate_hz", rate, positive)?;
    }
    p.window.map_or(Ok(()), |window| self::window(p, &window, config.model.signal_length))
}

/// If the configuration sets the rate, checks that the window holds the model's samples.
fn window(p: &PrepareConfig, window: &Window, signal_length: usize) -> CheckResult {
    number("data.prepare.window.from_ms", window.from_ms, ..)?;
    let Some(to_ms) = window.to_ms else { return Ok(()) };
    rising("data.prepare.window", window.from_ms, to_ms, "ms")?;
    let Some(rate) = p.sample_rate_hz else { return Ok(()) };
    let samples = ((to_ms - window.from_ms) * rate / 1000.0).round();
    if samples == signal_length as f64 {
        return Ok(());
    }
    let problem = format!(
        "from {} to {to_ms} ms are {samples} samples at {rate} Hz, but model.signal_length is {signal_length}",
        window.from_ms
    );
    let end = window.from_ms + signal_length as f64 * 1000.0 / rate;
    let remedy = format!("set model.signal_length to {samples}, or to_ms to {end}, or leave to_ms out");
    Err(ConfigProblem::new("data.prepare.window", problem, remedy))
}

fn rising(key: &str, low: f64, high: f64, unit: &str) -> CheckResult {
    number(key, low, ..)?;
    number(key, high, ..)?;
    if low < high {
        return Ok(());
    }
    Err(ConfigProblem::new(key, format!("from {low} to {high} {unit} is empty"), "let the second be above the first"))
}

pub(super) fn conditions(d: &DataConfig) -> CheckResult {
    if let Some([low, high]) = d.clip_statics {
        number("data.clip_statics", low, 0.0..=1.0)?;
        number("data.clip_statics", high, 0.0..=1.0)?;
        if low >= high {
            let problem = format!("is [{low}, {high}]: the lower quantile is not below the upper one");
            return Err(ConfigProblem::new("data.clip_statics", problem, "for example [0.01, 0.99]"));
        }
    }
    let mut seen = BTreeSet::new();
    for (i, name) in d.impute_statics.iter().enumerate() {
        let key = format!("data.impute_statics[{i}]");
        let Some(column) = d.static_columns.iter().find(|column| column.name() == name) else {
            let names = || d.static_columns.iter().map(|column| column.name());
            let hint = nearest(name, names()).map_or(String::new(), |near| format!("did you mean {near}? "));
            let remedy =
                format!("{hint}name columns of data.static_columns: {}", names().collect::<Vec<_>>().join(", "));
            return Err(ConfigProblem::new(key, format!("`{name}` is no conditioning variable"), remedy));
        };
        if column.encoding() == ColumnEncoding::OneHot {
            let remedy = "leave it out, and write a separate category into the empty cells, such as \"unknown\"";
            return Err(ConfigProblem::new(key, format!("`{name}` is one-hot, and has no median"), remedy));
        }
        if !seen.insert(name) {
            return Err(ConfigProblem::new(key, format!("names `{name}` a second time"), "name each column once"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(data: &str, parts: &[&str]) {
        let error = Config::from_json("a.json", &format!(r#"{{"data": {{{data}}}}}"#), &[]).expect_err(data);
        let message = error.to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{parts:?} are not all in: {message}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn what_makes_no_filter() {
        refused(r#""filters": [{"column": ""}]"#, &["data.filters[0]", "no column"]);
        refused(r#""filters": [{"column": "a", "min": 1}, {"column": "a"}]"#, &["data.filters[1]", "no condition"]);
        refused(r#""filters": [{"column": "a", "min": 2, "max": 1}]"#, &["min 2 is above max 1"]);
        refused(r#""filters": [{"column": "a", "equals": []}]"#, &["data.filters[0].equals", "empty list"]);
        refused(r#""filters": [{"min": 2}]"#, &["data.filters[0]", "missing field `column`"]);
        refused(r#""filters": [{"column": "a", "minimum": 2}]"#, &["data.filters[0].minimum", "filters[0].min`?"]);
        refused(r#""filters": [{"column": "a", "not": [true]}]"#, &["data.filters[0].not[0]", "a number or a text"]);
        refused(r#""filters": {"column": "a"}"#, &["data.filters", "expected a list"]);
    }

    #[test]
    fn what_makes_no_preparation() {
        let refused = |prepare: &str, parts: &[&str]| refused(&format!(r#""prepare": {{{prepare}}}"#), parts);
        refused(r#""polarity": 2"#, &["data.prepare.polarity", "must be 1 or -1"]);
        refused(r#""polarity": 0.5"#, &["data.prepare.polarity", "the default is 1"]);
        refused(r#""baseline": "median""#, &["data.prepare.baseline", "expected \"mean\" or {"]);
        refused(r#""baseline": {"from_ms": 0, "to_ms": -1}"#, &["data.prepare.baseline: from 0 to -1 ms is empty"]);
        refused(r#""baseline": {"from": 0}"#, &["data.prepare.baseline.from", "baseline.from_ms`?"]);
        refused(r#""band_pass": {}"#, &["data.prepare.band_pass", "neither"]);
        refused(r#""band_pass": {"low_hz": 0}"#, &["data.prepare.band_pass.low_hz", "above 0"]);
        refused(r#""band_pass": {"low_hz": 300, "order": 0}"#, &["data.prepare.band_pass.order", "from 1 to 12"]);
        refused(r#""band_pass": {"low_hz": 3000, "high_hz": 300}"#, &["data.prepare.band_pass", "is empty"]);
        refused(r#""band_pass": {"high_hs": 300}"#, &["data.prepare.band_pass.high_hs", "band_pass.high_hz`?"]);
        refused(r#""sample_rate_hz": 0"#, &["data.prepare.sample_rate_hz", "above 0"]);
        refused(r#""window": {"from_ms": 5, "to_ms": 5}"#, &["data.prepare.window", "is empty"]);
        refused(r#""window": {"to_ms": 5}"#, &["data.prepare.window", "missing field `from_ms`"]);
        refused(r#""window": {"from_ms": 0, "end_ms": 5}"#, &["data.prepare.window.end_ms", "unknown key"]);
        refused(
            r#""sample_rate_hz": 20000, "window": {"from_ms": -1, "to_ms": 10}"#,
            &["are 220 samples at 20000 Hz", "signal_length is 200", "to 220, or to_ms to 9,"],
        );
    }

    #[test]
    fn what_cannot_be_done_to_statics() {
        refused(r#""clip_statics": [0.5, 0.5]"#, &["data.clip_statics", "not below"]);
        refused(r#""clip_statics": [0.01, 99]"#, &["data.clip_statics", "is 99, must be from 0 to 1"]);
        refused(r#""clip_statics": [0.01]"#, &["data.clip_statics"]);
        refused(
            r#""impute_statics": ["age"]"#,
            &["data.impute_statics[0]", "no conditioning variable", "did you mean age_years?"],
        );
        refused(r#""impute_statics": ["age_years", "age_years"]"#, &["data.impute_statics[1]", "second time"]);
        let one_hot = r#""static_columns": [{"name": "ear", "encoding": "one_hot"}], "impute_statics": ["ear"]"#;
        refused(one_hot, &["data.impute_statics[0]", "one-hot", "unknown"]);
        // an imputed column fills two inputs
        refused(
            r#""impute_statics": ["age_years"]"#,
            &["model.static_dim: is 7", "need 8", "data.impute_statics", "to 8"],
        );
    }

    #[test]
    fn the_usual_preparation_is_read_and_written() {
        let text = r#"{"model": {"static_dim": 8}, "data": {
            "filters": [{"column": "level_db", "min": 20, "max": 90}, {"column": "part", "not": ["aborted", 3]}],
            "prepare": {"polarity": -1, "baseline": {"from_ms": -1, "to_ms": 0},
                        "band_pass": {"low_hz": 300, "high_hz": 3000}, "sample_rate_hz": 20000,
                        "window": {"from_ms": 0, "to_ms": 10}},
            "clip_statics": [0.01, 0.99], "impute_statics": ["age_years"]}}"#;
        let config = Config::from_json("a.json", text, &[]).unwrap();
        assert_eq!(config.data.prepare.band_pass.unwrap().order, 2);
        assert_eq!(Config::from_json("again", &config.to_json_pretty(), &[]).unwrap(), config);
        let flags = ["data.prepare.baseline=mean", "data.prepare.window.from_ms=1", "data.prepare.band_pass=null"];
        let flags: Vec<String> = flags.iter().map(|flag| flag.to_string()).collect();
        let changed = Config::from_json("a.json", &text.replace(r#", "to_ms": 10"#, ""), &flags).unwrap().data.prepare;
        assert_eq!((changed.window.unwrap().from_ms, changed.band_pass), (1.0, None));
        assert_eq!(changed.baseline, Some(Baseline::Whole(crate::config::Whole::Mean)));
    }
}
