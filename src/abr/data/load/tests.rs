use super::*;
use crate::config::{ConditionColumn, SplitBy};
use crate::data::fixture::dataset;
use crate::data::read::open_bytes;
use crate::data::table::write_recordings;

const HEADER: &str = "subject_id,note,level_db,sample_rate_hz,t0_ms,peak_v_ms,s0,s1,s2";

fn config() -> DataConfig {
    DataConfig { static_columns: vec![ConditionColumn::Name("level_db".into())], ..DataConfig::default() }
}

/// Loads a text as training with two samples would.
fn with_config(text: &str, config: &DataConfig) -> Result<(Dataset, RowReport)> {
    of_length(text.as_bytes(), config, 2)
}

fn of_length(text: &[u8], config: &DataConfig, length: usize) -> Result<(Dataset, RowReport)> {
    let recordings = Assumptions::of(config).apply(open_bytes("a.csv", text.to_vec())?);
    let mut rows = PreparedRows::new(recordings, config, length);
    let dataset = assemble(&mut rows, config)?;
    Ok((dataset, rows.finish().0))
}

fn table(rows: &[&str]) -> Result<(Dataset, RowReport)> {
    with_config(&format!("{HEADER}\n{}\n", rows.join("\n")), &config())
}

#[track_caller]
fn refused(result: Result<(Dataset, RowReport)>, parts: &[&str]) {
    let error = result.expect_err("should be refused");
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(message.contains("help: "), "{message}");
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn a_table_is_read_and_the_cut_reported() {
    let rows = ["P1,\"a, b\",60,20000,5.85,5.9,0.5,-1e-3,7", "P2,, 40 ,20000,5.85,,1,2,8"];
    let (data, report) = table(&rows).unwrap();
    assert_eq!(data.signals, ndarray::array![[0.5_f32, -0.001], [1.0, 2.0]]);
    assert_eq!(data.conditions, [Column { name: "level_db".into(), values: Values::Number(vec![60.0, 40.0]) }]);
    assert_eq!((data.sample_rate_hz, data.t0_ms), (20_000.0, 5.85));
    assert_eq!(data.subjects, ["P1", "P2"]);
    assert_eq!(data.peaks[[0, 2]], 5.9);
    assert_eq!(data.peaks.iter().filter(|v| v.is_nan()).count(), 11);
    assert_eq!(data.ground_truth, None);
    assert_eq!((report.rows, report.used, report.cut, report.prepared), (2, 2, 1, None));
    assert_eq!(report.notices(), [report.to_string()]);
    assert!(report.to_string().ends_with("2 rows, the first 2 samples of each; 1 more of each were cut"));
}

#[test]
fn excel_files_with_a_byte_order_mark_and_crlf_are_read() {
    let text = format!("\u{feff}{HEADER}\r\nP1,,60,20000,0,,1,2,3\r\n");
    assert_eq!(with_config(&text, &config()).unwrap().0.subjects, ["P1"]);
}

#[test]
fn writing_and_reading_are_inverse_to_the_last_bit() {
    let mut data = dataset(8, 4);
    // a sample rate so low that the labels lie within the five samples
    data.sample_rate_hz = 1_220.703_125;
    let hard = [f32::MIN_POSITIVE, 1.0e-45, -0.0, 0.1 + 0.2, 16_777_217.0];
    data.signals.row_mut(3).assign(&ndarray::aview1(&hard));
    let Values::Number(levels) = &mut data.conditions[0].values else { panic!("level_db is a number") };
    levels[2] = 0.1 + 0.2;
    data.subjects[1] = "a, \"quoted\" name".into();
    let config = DataConfig {
        static_columns: vec![
            ConditionColumn::Name("level_db".into()),
            ConditionColumn::encoded("ear", ColumnEncoding::OneHot),
        ],
        ..DataConfig::default()
    };
    let extra = [Column { name: "level_db_read".into(), values: Values::Number(vec![1.5; 8]) }];
    let mut text = Vec::new();
    write_recordings(&data.recordings(&extra), &mut text).unwrap();
    let first = String::from_utf8(text.clone()).unwrap();
    assert!(first.starts_with("subject_id,ear,level_db,level_db_read,sample_rate_hz,t0_ms,peak_i_ms,"), "{first}");

    let (back, _) = of_length(&text, &config, 5).unwrap();
    data.source = "a.csv".into();
    let bits =
        |values: &Array2<f32>| values.iter().map(|v| if v.is_nan() { 0 } else { v.to_bits() }).collect::<Vec<_>>();
    let (truth, read_truth) = (data.ground_truth.as_ref().unwrap(), back.ground_truth.as_ref().unwrap());
    assert_eq!(bits(&back.signals), bits(&data.signals));
    assert_eq!(bits(&back.peaks), bits(&data.peaks));
    assert_eq!(bits(&read_truth.signals), bits(&truth.signals));
    assert_eq!(bits(&read_truth.latencies_ms), bits(&truth.latencies_ms));
    assert_eq!((&back.conditions, &back.subjects, &back.source), (&data.conditions, &data.subjects, &data.source));
    assert_eq!((back.sample_rate_hz, back.t0_ms), (data.sample_rate_hz, data.t0_ms));
}

#[test]
fn files_that_are_no_table() {
    let file = |path: &str| {
        load(&DataConfig { path: Some(path.into()), ..config() }, 2, |_, _| {})
            .map(|(data, _)| (data, RowReport::default()))
    };
    refused(file("no/such.csv"), &["no/such.csv: cannot read", "check the path"]);
    refused(with_config("", &config()), &["a.csv: the file is empty"]);
    refused(table(&[]), &["a.csv: no recording was found", "at least one recording"]);
    refused(with_config("subject_id,level_db\nP1,1\n", &config()), &["is not in a format", "s0, s1, s2"]);
    let (data, _) =
        with_config("subject_id;level_db;sample_rate_hz;t0_ms;s0;s1\nP1;60;20000;0;1,5;2\n", &config()).unwrap();
    assert_eq!(data.signals, ndarray::array![[1.5_f32, 2.0]]);
}

#[test]
fn headers() {
    let read = |header: &str| {
        let cell = |name: &str| if name == "sample_rate_hz" { "1000" } else { "1" };
        let cells = header.split(',').map(cell).collect::<Vec<_>>().join(",");
        with_config(&format!("{header}\n{cells}\n"), &config())
    };
    refused(read("a,b,a,s0,s1"), &["header: columns 1 and 3 are both named `a`"]);
    refused(read("a,s0,s1,s01"), &["header: columns 3 and 4 are both named `s1` and `s01`, which are one"]);
    refused(read("s0,s1,s3"), &["`s2` is missing, though `s3`"]);
    refused(
        read("level_db,subject_id,sample_rate_hz,t0_ms,s0"),
        &["1 samples, but 2 are needed", "signal_length to 1"],
    );
    let known = "subject_id,sample_rate_hz,t0_ms,s0,s1";
    refused(
        read(&format!("Level_dB,rate_hz,{known}")),
        &["no column `level_db`", "is it `Level_dB`?", "any of: Level_dB, rate_hz"],
    );
    refused(
        read("level_db,subject,sample_rate_hz,t0_ms,s0,s1"),
        &["no column `subject_id`", "is it `subject`?", "\"row\""],
    );
    refused(
        read("level_db,subject_id,s0,s1,t0_ms"),
        &["sample_rate_hz is not known", "data.sample_rate_hz", "never assumed"],
    );
    refused(read("level_db,subject_id,s0,s1,sample_rate_hz"), &["t0_ms is not known", "data.t0_ms", "onset"]);
    refused(read(&format!("level_db,{known},truth_s0")), &["1 samples of ground truth for 2"]);
}

#[test]
fn the_number_in_its_name_is_a_samples_place() {
    let text = "s10,s1,subject_id,level_db,sample_rate_hz,t0_ms,s00,s2,s3,s4,s5,s6,s7,s8,s9\n\
                10,1,P1,60,1000,0,0,2,3,4,5,6,7,8,9\n";
    let (data, _) = of_length(text.as_bytes(), &config(), 11).unwrap();
    assert_eq!(data.signals.row(0).to_vec(), (0..11).map(|i| i as f32).collect::<Vec<_>>());
}

#[test]
fn cells_name_row_line_and_column() {
    let good = "P1,\"two\nlines\",60,20000,0,5.9,1,2,3";
    refused(table(&[good, "P1,,60,20000,0,,1,2"]), &["row 2 (line 4): 8 values, but the header has 9"]);
    refused(
        table(&[good, "P1,,60,20000,0,,1,abc,3"]),
        &["a.csv: row 2 (line 4), column `s1`: \"abc\" is not a number"],
    );
    refused(table(&["P1,,60,20000,0,,1,\"0,5\",3"]), &["column `s1`", "decimal point"]);
    refused(table(&["P1,,\"2,000\",20000,0,,1,2,3"]), &["column `level_db`", "write 2000 or 2.000"]);
    for missing in ["NaN", "NA", ""] {
        refused(table(&[&format!("P1,,60,20000,0,,{missing},2,3")]), &["row 1 (line 2), column `s0`: empty or NaN"]);
    }
    for bad in ["inf", "-inf", "1e39"] {
        refused(table(&[&format!("P1,,60,20000,0,,{bad},2,3")]), &["row 1 (line 2), column `s0`", bad, "not a finite"]);
    }
    refused(table(&["P1,,60,20000,0,,2e9,2,3"]), &["row 1 (line 2), column `s0`", "more than 1000 V"]);
    refused(table(&["P1,,1e300,20000,0,,1,2,3"]), &["column `level_db`", "1e300", "not a finite"]);
    for missing in ["", "NA", "N/A", "NaN", "nan", "null", "None"] {
        refused(
            table(&[&format!("P1,,{missing},20000,0,,1,2,3")]),
            &["column `level_db`: empty", "data.impute_statics"],
        );
        refused(table(&[&format!("{missing},,60,20000,0,,1,2,3")]), &["column `subject_id`: empty"]);
    }
    refused(table(&["P1,,60,20000,0,late,1,2,3"]), &["column `peak_v_ms`: \"late\" is not a number"]);
    refused(table(&["P1,,60,20000,0,inf,1,2,3"]), &["column `peak_v_ms`"]);
    refused(table(&[",,60,20000,0,,1,2,3"]), &["column `subject_id`: empty"]);
    refused(table(&["P1,,60,0,0,,1,2,3"]), &["column `sample_rate_hz`: 0 is no sample rate"]);
    let one_hot = ConditionColumn::encoded("note", ColumnEncoding::OneHot);
    let config = DataConfig { static_columns: vec![one_hot], ..config() };
    for missing in ["", "NA", "N/A", "NaN", "nan", "null"] {
        let text = format!("{HEADER}\nP1,{missing},60,20000,0,,1,2,3\n");
        refused(with_config(&text, &config), &["column `note`: empty", "unknown"]);
    }
    // `None` is a word here, for example for no hearing loss
    assert!(with_config(&format!("{HEADER}\nP1,None,60,20000,0,,1,2,3\n"), &config).is_ok());
    let animals = DataConfig { subject_column: "note".into(), ..self::config() };
    let text = format!("{HEADER}\nP1,12.0,60,20000,0,,1,2,3\nP1,12,60,20000,0,,2,1,3\n");
    assert_eq!(with_config(&text, &animals).unwrap().0.subjects, ["12", "12"]);
    refused(with_config(&text.replace(",12,", ",nan,"), &animals), &["row 2", "column `note`: empty"]);
}

#[test]
fn one_sample_rate_and_one_t0_a_table() {
    refused(
        table(&["P1,,60,20000,0,,1,2,3", "P1,,60,25000,0,,1,2,3"]),
        &["row 2", "25000, but the rows before have 20000"],
    );
    refused(
        table(&["P1,,60,20000,0,,1,2,3", "P1,,60,20000,1,,1,2,3"]),
        &["row 2", "column `t0_ms`: 1, but the rows before have 0"],
    );
    refused(table(&["P1,,60,,0,,1,2,3"]), &["sample_rate_hz is not known", "data.sample_rate_hz"]);

    let rate = |sample_rate_hz| DataConfig { sample_rate_hz: Some(sample_rate_hz), ..config() };
    let text = format!("{HEADER}\nP1,,60,24414.063,0,,1,2,3\nP1,,60,,0,,1,2,3\n");
    refused(with_config(&text, &rate(20_000.0)), &["row 1", "24414.063, but data.sample_rate_hz is 20000"]);
    assert_eq!(with_config(&text, &rate(24_414.062_5)).unwrap().0.sample_rate_hz, 24_414.063);
}

#[test]
fn without_subjects_a_row_split_makes_every_row_its_own() {
    let config = DataConfig { split: SplitBy::Row, sample_rate_hz: Some(1.0), t0_ms: Some(-2.0), ..config() };
    let (data, _) = with_config("level_db,s0,s1\n1,1,2\n2,1,2\n", &config).unwrap();
    assert_eq!(data.subjects, ["row 1", "row 2"]);
    assert_eq!((data.sample_rate_hz, data.t0_ms), (1.0, -2.0));
}

/// [`config`] with more of `data`, as JSON.
fn preparing(more: &str) -> DataConfig {
    let config: DataConfig = serde_json::from_str(&format!("{{{more}}}")).unwrap();
    DataConfig { static_columns: self::config().static_columns, ..config }
}

/// A row whose sample at time t (in ms) is `100 + 10 t`. Resampling reproduces straight lines up to the ends.
fn line(rate_hz: f64, t0_ms: f64, samples: usize, width: usize) -> String {
    let at = |i: usize| (100.0 + 10.0 * (t0_ms + i as f64 * 1000.0 / rate_hz)).to_string();
    let samples: Vec<String> = (0..width).map(|i| if i < samples { at(i) } else { String::new() }).collect();
    format!("P1,,60,{rate_hz},{t0_ms},5.9,{}", samples.join(","))
}

fn lines(rows: &[String], width: usize) -> String {
    let samples: Vec<String> = (0..width).map(|i| format!("s{i}")).collect();
    format!("subject_id,note,level_db,sample_rate_hz,t0_ms,peak_v_ms,{}\n{}\n", samples.join(","), rows.join("\n"))
}

#[test]
fn rows_of_several_recorders_come_to_one_time_axis() {
    let rows = [line(24_414.062_5, -1.0, 100, 400), line(100_000.0, -0.5, 400, 400), line(20_000.0, -0.3, 60, 400)];
    let resampled = r#""prepare": {"sample_rate_hz": 20000, "window": {"from_ms": 0.5}}"#;
    let text = lines(&rows, 400);
    let (data, report) = with_config(&text, &preparing(resampled)).unwrap();
    assert_eq!((data.sample_rate_hz, data.t0_ms), (20_000.0, 0.5));
    for trace in data.signals.rows() {
        assert!((trace[0] - 105.0).abs() < 2e-3 && (trace[1] - 105.5).abs() < 2e-3, "{trace}");
    }
    // the window reaches from 0.5 to 0.6 ms, so a label at 5.9 ms lies outside
    assert_eq!((report.labels.masked, report.cut, data.peaks.iter().filter(|v| !v.is_nan()).count()), (3, 0, 0));
    let notices = report.notices().join("\n");
    assert!(notices.contains("prepared: 2 samples at 20000 Hz from 0.5 ms\n3 peak labels lie outside"), "{notices}");

    refused(with_config(&text, &config()), &["row 2", "100000, but the rows before have 24414.0625", "data.prepare"]);
    let kept = r#""prepare": {"window": {"from_ms": 0.5}}"#;
    refused(
        with_config(&text, &preparing(kept)),
        &["row 2", "at 100000 Hz", "before at 24414.0625 Hz", "sample_rate_hz"],
    );
    refused(
        with_config(&lines(&[rows[0].clone(), line(20_000.0, 0.6, 60, 400)], 400), &preparing(resampled)),
        &["row 2 (line 3): the window is not recorded", "60 samples at 20000 Hz from 0.6 to 3.55 ms"],
    );
    let holed = rows[2].replacen(",99", ",", 1);
    refused(with_config(&lines(&[holed], 400), &preparing(resampled)), &["row 1", "column `s4`: empty"]);
}

#[test]
fn the_truth_is_prepared_as_the_recording_is() {
    let header = "level_db,subject_id,s0,s1,s2,s3,truth_s0,truth_s1,truth_s2,truth_s3";
    let config = DataConfig {
        sample_rate_hz: Some(1000.0),
        t0_ms: Some(-1.0),
        ..preparing(r#""prepare": {"polarity": -1, "baseline": "mean", "window": {"from_ms": 0}}"#)
    };
    let (data, _) = with_config(&format!("{header}\n1,P1,1,2,3,,10,20,30,\n"), &config).unwrap();
    assert_eq!(data.signals, ndarray::array![[0.0_f32, -1.0]]);
    assert_eq!(data.ground_truth.unwrap().signals, ndarray::array![[0.0_f32, -10.0]]);
    assert_eq!(data.t0_ms, 0.0);
    let other = format!("{header}\n1,P1,1,2,3,,10,20,30,40\n");
    refused(with_config(&other, &config), &["row 1", "4 samples of ground truth for 3 recorded ones"]);
}

#[test]
fn rows_are_filtered_by_any_column_and_keep_their_numbers() {
    let rows = ["P1,a,60,20000,0,,1,2,3", "P1,aborted,60,x,0,,y,2,3", "P2,,10,20000,0,,1,2,3", "P2,,60,20000,0,,1,z,3"];
    let filters = r#"{"column": "note", "not": ["aborted"]}, {"column": "level_db", "min": 20}"#;
    let text = format!("{HEADER}\n{}\n", rows[..3].join("\n"));
    let (data, report) = with_config(&text, &preparing(&format!(r#""filters": [{filters}]"#))).unwrap();
    assert_eq!((data.len(), report.rows), (1, 1));
    assert_eq!(report.filters.iter().map(|f| f.left_out).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(report.notices()[1], "filter note not \"aborted\": 1 row left out");

    let text = format!("{HEADER}\n{}\n", rows.join("\n"));
    let read = |filters: &str| with_config(&text, &preparing(&format!(r#""filters": [{filters}]"#)));
    refused(read(filters), &["row 4 (line 5), column `s1`: \"z\" is not a number"]);
    refused(read(r#"{"column": "note", "max": 1}"#), &["row 1 (line 2), column `note`", "\"a\" is not a number"]);
    refused(read(r#"{"column": "nota", "max": 1}"#), &["no column `nota`, which data.filters names", "is it `note`?"]);
    refused(read(r#"{"column": "level_db", "max": 1}"#), &["leave no row", "filter level_db to 1: 4 rows left out"]);
}

#[test]
fn statics_may_be_missing_where_it_is_asked_for() {
    let text = format!("{HEADER}\nP1,,,20000,0,,1,2,3\n");
    refused(
        with_config(&text, &config()),
        &["column `level_db`: empty", "data.impute_statics", "static_dim grows by 1"],
    );
    let (data, _) = with_config(&text, &preparing(r#""impute_statics": ["level_db"]"#)).unwrap();
    assert!(matches!(&data.conditions[0].values, Values::Number(v) if v[0].is_nan()));
}

#[test]
fn a_file_of_several_may_lack_a_static_that_is_imputed() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a.csv", "subject_id,level_db,sample_rate_hz,t0_ms,s0,s1\nP1,60,1000,0,1,2\n"),
        ("b.csv", "subject_id,sample_rate_hz,t0_ms,s0,s1\nP2,1000,0,3,4\n"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let read = |more: &str| {
        let config = DataConfig { path: Some(folder.path().display().to_string()), ..preparing(more) };
        load(&config, 2, |_, _| {}).map(|(data, _)| (data, RowReport::default()))
    };
    refused(read(""), &["row 2 (b.csv, line 2), column `level_db`: is not known", "leave the column out"]);
    let (data, _) = read(r#""impute_statics": ["level_db"]"#).unwrap();
    assert!(matches!(&data.conditions[0].values, Values::Number(v) if v[0] == 60.0 && v[1].is_nan()));
}
