//! `generate`: physical units in and out.

use crate::support::{Place, cells, column, samples};
use std::collections::BTreeSet;

const CONDITION_COLUMNS: [&str; 7] =
    ["age_years", "level_db", "rate_hz", "fmp", "residual_noise_nv", "conductive_loss_db", "cochlear_loss_db"];

fn generate(place: &Place, more: &str) -> String {
    place.ok(&format!("generate --model run/best.safetensors {more}")).stdout
}

#[test]
fn named_values_are_kept_and_the_rest_is_drawn_as_whole_training_rows() {
    let place = Place::trained("");
    let table = generate(&place, "-n 3 --static level_db=20:80:4 --static age_years=30.5");
    assert_eq!(column(&table, "level_db"), ["20", "20", "20", "40", "40", "40", "60", "60", "60", "80", "80", "80"]);
    assert!(column(&table, "age_years").iter().all(|age| age == "30.5"));
    assert!(column(&table, "sample_rate_hz").iter().all(|rate| rate == "20000"));
    let names: BTreeSet<String> = column(&table, "subject_id").into_iter().collect();
    assert_eq!(names.len(), 12, "each trace has a name of its own");
    // the other columns of each trace come from a single row of the data
    let data = place.ok("data synth --config smoke.json").stdout;
    let drawn = ["rate_hz", "fmp", "residual_noise_nv", "conductive_loss_db", "cochlear_loss_db"];
    let rows = |table: &str| -> Vec<Vec<String>> {
        let columns = drawn.map(|name| column(table, name));
        (0..columns[0].len()).map(|row| columns.iter().map(|c| c[row].clone()).collect()).collect()
    };
    let known: BTreeSet<Vec<String>> = rows(&data).into_iter().collect();
    assert!(rows(&table).iter().all(|row| known.contains(row)), "{:?}", rows(&table));
    // each conditioning variable also has its prediction by the condition head
    for name in CONDITION_COLUMNS {
        let read = column(&table, &format!("{name}_read"));
        assert!(read.iter().all(|cell| cell.parse::<f64>().is_ok_and(f64::is_finite)), "{name}: {read:?}");
    }
    // in microvolts, like the recordings, not in the model's scaled units
    let deviation = |table: &str| {
        let all: Vec<f32> = samples(table).concat();
        let mean = all.iter().sum::<f32>() / all.len() as f32;
        (all.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / all.len() as f32).sqrt()
    };
    let (made, recorded) = (deviation(&table), deviation(&data));
    assert!(made > 0.01 * recorded && made < 2.0 * recorded, "{made} µV where the data has {recorded} µV");
}

#[test]
fn a_series_is_of_one_subject() {
    let place = Place::trained("--set model.prior=aggregated");
    let table = generate(&place, "-n 3 --series --static level_db=20:80:4");
    let levels = ["20", "40", "60", "80"];
    assert_eq!(column(&table, "level_db"), [levels, levels, levels].concat());
    let names = column(&table, "subject_id");
    assert!(names.chunks(4).enumerate().all(|(i, of)| of.iter().all(|name| *name == format!("generated-{}", i + 1))));
    // variables without a value are drawn once
    for name in ["age_years", "rate_hz", "cochlear_loss_db"] {
        assert!(column(&table, name).chunks(4).all(|of| of.iter().all(|value| *value == of[0])), "{name}");
    }
    assert!(column(&table, "age_years").iter().collect::<BTreeSet<_>>().len() > 1);
    // two levels of one subject are closer to each other than those of two subjects
    let traces = samples(&generate(&place, "-n 60 --series --static level_db=70:75:2"));
    let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    let own: f32 = traces.chunks(2).map(|pair| distance(&pair[0], &pair[1])).sum();
    let others: f32 = traces.chunks(2).zip(traces.chunks(2).skip(1)).map(|(a, b)| distance(&a[0], &b[1])).sum();
    // the ratio would be 1 if a series did not keep its subject
    assert!(own < 0.5 * others, "{own} {others}");
    let both = "generate --model run/best.safetensors --series --unconditional";
    place.command(both).assert().code(2);
}

#[test]
fn the_seed_decides_and_every_row_has_its_own_latent() {
    let place = Place::trained("");
    let all: String = CONDITION_COLUMNS.iter().map(|name| format!(" --static {name}=30")).collect();
    let table = generate(&place, &format!("-n 6 {all}"));
    let rows: BTreeSet<String> = samples(&table).iter().map(|row| format!("{row:?}")).collect();
    assert_eq!(rows.len(), 6, "under one condition two traces are alike");
    assert_eq!(generate(&place, &format!("-n 6 {all} --threads 1")), table);
    assert_ne!(samples(&generate(&place, &format!("-n 6 {all} --seed 1"))), samples(&table));
    place.ok(&format!("generate --model run/best.safetensors -n 6 {all} --out made.csv"));
    assert_eq!(place.text("made.csv"), table);
    // without any value, conditions are drawn like those of the training rows
    let levels: BTreeSet<String> = column(&generate(&place, "-n 40"), "level_db").into_iter().collect();
    assert!(levels.len() > 3, "{levels:?}");
}

#[test]
fn a_generated_table_can_be_read_as_recordings() {
    let place = Place::trained("");
    place.ok("generate --model run/best.safetensors -n 30 --out made.csv");
    place.ok("train --config smoke.json --data made.csv --out again");
    place.ok("reconstruct --model run/best.safetensors --data made.csv --out back.csv");
}

#[test]
fn strength_acts_on_film() {
    let place = Place::trained("");
    let traces = |level: u32, strength: &str| {
        let others: String =
            CONDITION_COLUMNS.iter().filter(|n| **n != "level_db").map(|n| format!(" --static {n}=30")).collect();
        samples(&generate(&place, &format!("--static level_db={level} {others} {strength}")))
    };
    assert_ne!(traces(20, ""), traces(80, ""));
    assert_eq!(traces(20, ""), traces(20, "--strength 1"));
    assert_eq!(traces(20, "--strength 0"), traces(80, "--strength 0"));
    assert_ne!(traces(20, "--strength 2"), traces(20, ""));
    for bad in ["-1", "nan", "inf"] {
        place.refused(2, &format!("generate --model run/best.safetensors --strength={bad}"), &["--strength"]);
    }
    let stderr = place.ok("train --config smoke.json --out plain --set model.use_film=false").stderr;
    assert!(stderr.contains("model.use_film is a key of earlier versions"), "{stderr}");
    place.refused(2, "generate --model plain/best.safetensors --strength 2", &["--strength does nothing"]);
    let stderr = place.ok("generate --model plain/best.safetensors --static level_db=60").stderr;
    assert!(
        stderr.contains("this decoder has no condition") && stderr.contains("do not affect the traces"),
        "{stderr}"
    );
    assert!(!place.ok("generate --model plain/best.safetensors").stderr.contains("no condition"));
    let far = "generate --model run/best.safetensors --strength 1e38 --out made.csv";
    place.refused(2, far, &["trace 1 is not finite", "a smaller --strength"]);
}

#[test]
fn without_a_condition() {
    let place = Place::trained("");
    let output = place.ok("generate --model run/best.safetensors -n 2 --unconditional");
    assert!(output.stderr.contains("trained without film.condition_dropout"), "{}", output.stderr);
    let header = cells(&output.stdout)[0].join(",");
    assert!(header.contains("level_db_read") && !header.contains("level_db,"), "{header}");
    // strength 0 makes FiLM the identity
    assert_eq!(samples(&output.stdout), samples(&generate(&place, "-n 2 --strength 0")));

    place.ok("train --config smoke.json --out dropped --set film.condition_dropout=0.2");
    let output = place.ok("generate --model dropped/best.safetensors --unconditional");
    assert!(!output.stderr.contains("condition_dropout"), "{}", output.stderr);
    let concat = "--set model.conditioning=legacy_concat --set model.concat_dropout=[0.1,0.1]";
    place.ok(&format!("train --config smoke.json --out concat {concat}"));
    let unconditional = "generate --model concat/best.safetensors --unconditional --out made.csv";
    place.refused(2, unconditional, &["concat decoder", "another model.conditioning"]);
    let header = cells(&place.ok("generate --model concat/best.safetensors").stdout)[0].join(",");
    assert!(header.contains("level_db") && !header.contains("_read"), "{header}");
}

#[test]
fn conditions_from_a_table() {
    let place = Place::trained("");
    place.write("conditions.csv", "level_db, rate_hz\n20,11\n\n80,\n");
    let table = generate(&place, "-n 2 --conditions conditions.csv");
    assert_eq!(column(&table, "level_db"), ["20", "20", "80", "80"]);
    let rates = column(&table, "rate_hz");
    assert_eq!(rates[..2], ["11", "11"]);
    assert!(rates[2..].iter().all(|rate| rate.parse::<f64>().is_ok()), "{rates:?}");

    // as saved by a spreadsheet with decimal commas
    place.write("commas.csv", "sep=;\r\nlevel_db;rate_hz\r\n20,5;11\r\n80,25;\r\n");
    let table = generate(&place, "-n 1 --conditions commas.csv");
    assert_eq!(column(&table, "level_db"), ["20.5", "80.25"]);

    let refused = |text: &[u8], parts: &[&str]| {
        place.write("bad.csv", text);
        let generate = "generate --model run/best.safetensors --conditions bad.csv --out made.csv";
        place.refused(1, generate, &[&["bad.csv: "], parts].concat());
    };
    refused(b"level_db\n20\nloud\n", &["row 2, column `level_db`: \"loud\" is not a finite number"]);
    refused(b"level_db\nNaN\n", &["row 1, column `level_db`", "not a finite number"]);
    refused(b"levl_db\n20\n", &["row 1, column `levl_db`", "no conditioning variable", "did you mean level_db?"]);
    refused(b"level_db,fmp\n20,-1\n", &["row 1, column `fmp`", "above 0"]);
    refused(b"level_db,rate_hz\n20,11\n20\n", &["row 2 (line 3): 1 values, but the header has 2 columns"]);
    refused(b"level_db,level_db\n20,30\n", &["header: two columns are named `level_db`"]);
    refused(b"level_db,\n20,30\n", &["header: column 2 has no name"]);
    refused(b"level_db\n\xff\n", &["row 1, column `level_db`"]);
    refused(b"level_db;rate_hz\n20,5;1.000\n30,5;11\n", &["row 1 (line 2), column `rate_hz`", "1.000"]);
    refused(b"level_db\n", &["contains no condition"]);
    refused(b"", &["no"]);
    let missing = "generate --model run/best.safetensors --conditions none.csv";
    place.refused(1, missing, &["none.csv: cannot read", "check the path"]);
}

#[test]
fn statics_that_make_no_sense() {
    let place = Place::trained("");
    let refused = |conditions: &str, parts: &[&str]| {
        place.refused(2, &format!("generate --model run/best.safetensors --static {conditions}"), parts);
    };
    refused("levl_db=20", &["--static levl_db=20: ", "did you mean level_db?"]);
    refused("level_db", &["--static level_db: no =", "NAME=VALUE"]);
    refused("level_db=loud", &["--static level_db=loud: ", "not a finite number"]);
    refused("level_db=NaN", &["--static level_db=NaN: ", "not a finite number"]);
    refused("level_db=20:80", &["a range has three parts"]);
    refused("level_db=20:80:x", &["COUNT must be a whole number"]);
    refused("level_db=20:inf:3", &["LO and HI must be numbers"]);
    refused("fmp=0", &["--static fmp=0: ", "above 0"]);
    refused("level_db=20 --static level_db=30", &["--static level_db is given twice"]);
    refused("level_db=20:80:2 -n 4000000000", &["too many at once", "generate fewer at a time"]);
    let stderr = place.ok("generate --model run/best.safetensors --static level_db=200").stderr;
    assert!(stderr.contains("level_db=200 lies outside of the training rows'"), "{stderr}");
}

#[test]
fn categories_and_peaks() {
    let place = Place::new();
    let config = place.text("small.json").replace(r#"["level_db"]"#, r#"[{"name": "ear", "encoding": "one_hot"}]"#);
    place.write("small.json", config.replace(r#""static_dim": 1"#, r#""static_dim": 2, "predict_peaks": true"#));
    let ears = place.text("table.csv").replace("level_db", "ear").replace(",,", ",0.1,");
    let ears: String = cells(&ears)
        .into_iter()
        .enumerate()
        .map(|(i, mut row)| {
            if i > 0 {
                row[3] = ["left", "right"][i % 2].to_string();
            }
            row.join(",") + "\n"
        })
        .collect();
    place.write("ears.csv", ears);
    place.ok("train --config small.json --data ears.csv --out run");
    let table = generate(&place, "-n 2 --static ear=left");
    assert_eq!(column(&table, "ear"), ["left", "left"]);
    assert!(column(&table, "ear_read").iter().all(|ear| ear == "left" || ear == "right"));
    assert!(column(&table, "peak_v_ms").iter().all(|ms| ms.parse::<f64>().is_ok()));
    let both = "generate --model run/best.safetensors --static ear=both";
    place.refused(2, both, &["--static ear=both: ", "left", "right"]);
}
