//! `data inspect`: amplitudes, values from a configuration, plots, problems.

use crate::support::Place;
use serde_json::{Value, json};

/// Four rows in µV at two levels, and one without a level, all without a time axis.
const SILENT: &str = "animal,subject_id,level_db,s0,s1,s2,s3\n\
                      m1,a,80,3,-4,1,0.5\n\
                      m1,a,20,0.5,-0.5,0.1,0.2\n\
                      m2,a,80.0,1,-1,0.5,0.25\n\
                      m2,b,,0,2,1.5,1\n";

fn report(place: &Place, more: &str) -> Value {
    serde_json::from_str(&place.ok(&format!("data inspect --json {more}")).stdout).expect("JSON")
}

/// The report is printed even if the plot cannot be drawn.
#[track_caller]
fn not_drawn(place: &Place, more: &str, report: &str, error: &str) {
    let before = place.tree();
    let output = place.command(&format!("data inspect --plot x.svg {more}")).output().expect("the program starts");
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(2), "{more}\n{stderr}");
    assert!(stdout.contains(report), "{more}: {report:?} is not in: {stdout}");
    assert!(stderr.ends_with(&format!("abr-film: {error}\n")), "{more}: {error:?} does not end: {stderr}");
    assert!(before == place.tree(), "{more} changed a file");
}

#[test]
fn each_level_has_its_amplitude() {
    let place = Place::new();
    place.write("silent.csv", SILENT);
    let text = place.ok("data inspect silent.csv").stdout;
    let table = "\
amplitude by level: medians over the rows, in µV
  level            rows   peak to peak            RMS
  20 dB               1          1.000          0.371
  80 dB               2          4.500          1.661
  not known           1          2.000          1.346
";
    assert!(text.contains(table), "{text}");
    assert!(text.contains("\n  samples per row  4 (4)\n"), "{text}");
    let amplitudes = &report(&place, "silent.csv")["amplitudes"];
    let quiet = json!({"level_db": "20", "rows": 1, "median_peak_to_peak_uv": 1.0,
                       "median_rms_uv": amplitudes[0]["median_rms_uv"]});
    assert_eq!(amplitudes[0], quiet);
    // s0² + s1² + s2² + s3² is 26.25 and 2.3125
    let rms = f64::midpoint((26.25_f64 / 4.0).sqrt(), (2.3125_f64 / 4.0).sqrt());
    let loud = json!({"level_db": "80", "rows": 2, "median_peak_to_peak_uv": 4.5, "median_rms_uv": rms});
    assert_eq!(amplitudes[1], loud);
    assert_eq!((&amplitudes[2]["level_db"], amplitudes.as_array().unwrap().len()), (&json!(""), 3));
}

#[test]
fn what_the_configuration_knows_of_recordings_holds() {
    let place = Place::new();
    place.write("silent.csv", SILENT);
    let mut config = place.json("small.json");
    config["data"] = json!({
        "static_columns": ["level_db"], "sample_rate_hz": 20000, "t0_ms": -1.5, "unit": "mV", "gain": 10,
        "subject_column": "animal", "filters": [{"column": "level_db", "min": 50}], "prepare": {"polarity": -1}
    });
    place.write("lab.json", config.to_string());
    let found = report(&place, "silent.csv --config lab.json");
    let times = |found: &Value| (found["sample_rates_hz"].clone(), found["t0_ms"].clone());
    let of = |rate: &str, t0: &str| (json!([{"value": rate, "rows": 4}]), json!([{"value": t0, "rows": 4}]));
    // filters are not applied, so there are four rows
    assert_eq!((times(&found), &found["rows"]), (of("20000", "-1.5"), &json!(4)));
    assert_eq!(found["subjects"], json!({"m1": 2, "m2": 2}));
    assert_eq!(found["amplitudes"][0]["median_peak_to_peak_uv"], 100.0);
    // flags and --set override the file
    let flags = "--sample-rate-hz 40000 --t0-ms 0 --unit uV --gain 0.5 --subject-from (sil)ent";
    let found = report(&place, &format!("silent.csv --config lab.json {flags}"));
    assert_eq!((times(&found), &found["subjects"]), (of("40000", "0"), &json!({"sil": 4})));
    assert_eq!(found["amplitudes"][0]["median_peak_to_peak_uv"], 2.0);
    let found = report(&place, "silent.csv --config lab.json --set data.t0_ms=-2 --set data.subject_from=silen(t)");
    assert_eq!((times(&found), &found["subjects"]), (of("20000", "-2"), &json!({"m1": 2, "m2": 2})));
    let found = report(&place, "silent.csv --set data.t0_ms=-2 --set data.subject_from=silen(t)");
    assert_eq!((times(&found), &found["subjects"]), (of("", "-2"), &json!({"t": 4})));
}

#[test]
fn a_statement_that_contradicts_the_configuration_is_refused_as_in_a_training() {
    let place = Place::new();
    place.write("rates.csv", "subject_id,level_db,sample_rate_hz,s0,s1,s2,s3\na,20,,1,2,0,3\na,40,48000,2,3,0,4\n");
    let setting = "--set data.sample_rate_hz=20000 --set data.t0_ms=0";
    let wanted = ["rates.csv: row 2 (line 3), column `sample_rate_hz`: 48000, but data.sample_rate_hz is 20000"];
    place.refused(1, &format!("data inspect rates.csv {setting}"), &wanted);
    place.refused(1, &format!("train --config small.json --data rates.csv --out run {setting}"), &wanted);
    // the flag replaces both
    let found = report(&place, &format!("rates.csv {setting} --sample-rate-hz 25000"));
    assert_eq!(found["sample_rates_hz"], json!([{"value": "25000", "rows": 2}]));
    place.write("times.csv", "subject_id,t0_ms,s0,s1\na,0.5,1,2\na,-1,2,3\n");
    let wanted = ["times.csv: row 2 (line 3), column `t0_ms`: -1, but data.t0_ms is 0.5"];
    place.refused(1, "data inspect times.csv --set data.t0_ms=0.5", &wanted);
    place.refused(2, "data inspect times.csv --set data.t0=0", &["--set data.t0=0", "data.t0: unknown key"]);
}

#[test]
fn what_is_missing_for_a_plot_is_named_alone_after_the_report() {
    let place = Place::new();
    place.write("silent.csv", SILENT);
    place.write("flat.csv", "subject_id,sample_rate_hz,t0_ms,s0,s1\nc,20000,0,1,1\n");
    let (level, text) = ("give the level in dB in a column level_db", "amplitude by level");
    let rate = "give --sample-rate-hz, or --config with data.sample_rate_hz";
    let time = "give --t0-ms 0 if the first sample is at the stimulus onset, or --config with data.t0_ms";
    let error = format!(
        "no level series of any subject: the sample rate is not known, and the time of the first sample is not \
         known\n  help: {rate}; {time}"
    );
    not_drawn(&place, "silent.csv", text, &error);
    let error = format!("no level series of any subject: the time of the first sample is not known\n  help: {time}");
    not_drawn(&place, "silent.csv --sample-rate-hz 20000", text, &error);
    not_drawn(&place, "silent.csv --set data.sample_rate_hz=20000 --json", "\"amplitudes\": [", &error);
    let error = format!("no level series of any subject: the sample rate is not known\n  help: {rate}");
    not_drawn(&place, "silent.csv --t0-ms 0", text, &error);
    let error = format!("no level series of b: the level is not known\n  help: {level}");
    not_drawn(&place, "silent.csv --subject b --sample-rate-hz 20000 --t0-ms 0", text, &error);
    let error = format!("no level series of any subject: the level is not known\n  help: {level}");
    not_drawn(&place, "flat.csv", "1 rows flat: 1\n", &error);
    let error = "no subject c\n  help: the subjects are a, b";
    not_drawn(&place, "silent.csv --subject c --sample-rate-hz 20000 --t0-ms 0", text, error);
    let late = ["silent.csv: row 1 (line 2), column `t0_ms`: the first sample cannot be at 1e17 ms", "--t0-ms"];
    place.refused(1, "data inspect silent.csv --sample-rate-hz 20000 --t0-ms 1e17 --plot x.svg", &late);

    place.ok("data inspect silent.csv --set data.t0_ms=-1.5 --set data.sample_rate_hz=20000 --plot x.svg");
    let svg = place.text("x.svg");
    assert!(svg.starts_with("<svg") && svg.contains("80 dB") && svg.contains("ms after stimulus onset"));
}

#[test]
fn a_blanked_baseline_and_a_wrong_unit_are_problems() {
    let place = Place::new();
    let row = |zeros: usize| {
        let sample = |i: usize| if i < zeros { "0".to_string() } else { format!("{}e-8", (7 * i % 11) as i32 - 5) };
        (0..24).map(sample).collect::<Vec<_>>().join(",")
    };
    let names: Vec<String> = (0..24).map(|i| format!("s{i}")).collect();
    place.write("volts.csv", format!("{}\n{}\n{}\n{}\n", names.join(","), row(10), row(9), row(11)));
    let found = report(&place, "volts.csv --sample-rate-hz 10000 --t0-ms -1");
    assert_eq!(found["problems"]["zero_before_onset"], json!([1, 3]));
    assert_eq!(found["problems"]["clipped"], json!([]));
    let unit = found["problems"]["unit"].as_str().unwrap();
    assert!(unit.contains("look like volts (V); if so, set --unit V"), "{unit}");
    let text = place.ok("data inspect volts.csv --sample-rate-hz 10000 --t0-ms -1").stdout;
    let (rows, advice) =
        ("  2 rows exactly 0 before the stimulus onset: 1, 3\n    ", "a baseline there has no meaning");
    assert!(text.contains(rows) && text.contains(advice) && text.ends_with(&format!("  {unit}\n")), "{text}");
    // without a known onset no sample is before it; in volts the amplitudes are plausible
    let found = report(&place, "volts.csv --sample-rate-hz 10000 --unit V");
    assert_eq!((&found["problems"]["zero_before_onset"], &found["problems"]["unit"]), (&json!([]), &Value::Null));
}
