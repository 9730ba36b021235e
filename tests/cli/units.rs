//! Units, gains, times and subjects that files state wrongly or not at all.

use crate::support::{Place, column, samples};

/// A record with one signal, `200(0)/uV`, of 24 samples.
fn wfdb(place: &Place, gain: &str) {
    let values: Vec<i16> = (0..24).map(|i| 10 * i).collect();
    place.write("a.dat", values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
    place.write("a.hea", format!("a 1 20000 24\na.dat 16 {gain} 16 0 0 0 0 Cz\n"));
}

#[test]
fn a_gain_that_a_file_states_is_replaced_and_said() {
    let place = Place::new();
    wfdb(&place, "200(0)/uV");
    let first = |table: &str| samples(table)[0][..3].to_vec();
    assert_eq!(first(&place.ok("data import a.hea --t0-ms 0").stdout), [0.0, 0.05, 0.1]);
    let output = place.ok("data import a.hea --t0-ms 0 --gain 100");
    assert_eq!(first(&output.stdout), [0.0, 0.1, 0.2]);
    assert!(
        output.stderr.contains("gain: 1 recordings state another value (the first: 200); 100 is used"),
        "{}",
        output.stderr
    );
    assert_eq!(first(&place.ok("data import a.hea --t0-ms 0 --gain -200").stdout)[1], -0.05);
    // the reciprocal of the gain gives impossible samples until it is replaced
    wfdb(&place, "0.0000005(0)/V");
    place.refused(1, "data import a.hea --t0-ms 0", &["a.hea: row 1", "more than 1000 V", "--gain"]);
    let output = place.ok("data import a.hea --t0-ms 0 --gain 2e8");
    assert_eq!(first(&output.stdout), [0.0, 0.05, 0.1]);
    place.command("data import a.hea --gain 0").assert().code(2);
}

#[test]
fn a_table_in_volts_is_noticed_and_converted_alike_everywhere() {
    let place = Place::new();
    let volts: String = crate::support::cells(&crate::support::table())
        .iter()
        .enumerate()
        .map(|(i, row)| {
            let cell = |(c, cell): (usize, &String)| if i > 0 && c >= 5 { format!("{cell}e-6") } else { cell.clone() };
            row.iter().enumerate().map(cell).collect::<Vec<_>>().join(",") + "\n"
        })
        .collect();
    place.write("volts.csv", volts);
    for command in
        ["data import volts.csv --out x.csv", "train --config small.json --data volts.csv --out run --dry-run"]
    {
        let stderr = place.ok(command).stderr;
        assert!(
            stderr.contains("look like volts (V)") && stderr.contains("--unit V (data.unit)"),
            "{command}: {stderr}"
        );
    }
    let stderr = place.ok("data import volts.csv --unit V --out uv.csv").stderr;
    assert!(!stderr.contains("look like"), "{stderr}");
    place.ok("data import table.csv --out plain.csv");
    let train = "train --config small.json --set training.num_epochs=1";
    place.ok(&format!("{train} --data uv.csv --out a"));
    place.ok(&format!("{train} --data volts.csv --set data.unit=V --out b"));
    place.ok(&format!("{train} --data volts.csv --set data.gain=1e-6 --out c"));
    let hash = |run: &str| place.json(&format!("{run}/split.json"))["sha256"].clone();
    assert_eq!((hash("a"), hash("a")), (hash("b"), hash("c")));
    place.command("data import table.csv --unit furlong").assert().code(2);
    place.refused(2, "train --config small.json --set data.unit=kV --out d", &["data.unit"]);
}

#[test]
fn a_time_that_a_table_states_is_replaced_and_said() {
    let place = Place::new();
    let output = place.ok("data import table.csv --t0-ms -1.5 --sample-rate-hz 20000");
    assert_eq!(column(&output.stdout, "t0_ms")[0], "-1.5");
    assert!(
        output.stderr.contains("t0_ms: 24 recordings state another value (the first: 0); -1.5 is used"),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains("sample_rate_hz:"), "what is equal is not replaced: {}", output.stderr);
    for time in ["nan", "inf", "-inf", "early"] {
        let output = place.command(&format!("data import table.csv --t0-ms={time}")).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && stderr.contains("expected a finite number"), "{time}: {stderr}");
    }
}

#[test]
fn an_output_is_never_an_input() {
    let place = Place::new();
    std::fs::create_dir(place.path("rec")).unwrap();
    place.write("rec/a.csv", crate::support::table());
    place.ok("data import rec --out rec/all.csv");
    let output = place.ok("data import rec --out rec/all.csv");
    assert!(output.stderr.contains("all.csv: left out"), "{}", output.stderr);
    assert_eq!(column(&place.text("rec/all.csv"), "t0_ms").len(), 24);
    let replaced = ["would replace"];
    place.refused(2, "data import rec/a.csv --out rec/a.csv", &replaced);
    place.refused(2, "data prepare rec/a.csv --config small.json --out rec/a.csv", &replaced);
    place.write("small.csv", place.text("small.json"));
    place.refused(2, "data prepare rec/a.csv --config small.csv --out small.csv", &replaced);
    place.write("names.csv", "file,subject_id\na.csv,one\n");
    place.refused(2, "data import rec/a.csv --subject-from names.csv --out names.csv", &replaced);
    assert!(place.text("names.csv").starts_with("file,subject_id"));
    // a second output in the folder repeats the rows; a notice reports this
    let stderr = place.ok("data import rec --out rec/other.csv").stderr;
    assert!(stderr.contains("24 rows repeat the samples of an earlier one"), "{stderr}");
}

#[test]
fn one_animal_in_two_folders_is_said_and_may_be_named() {
    let place = Place::new();
    for day in ["day1", "day2"] {
        std::fs::create_dir_all(place.path(&format!("rec/{day}"))).unwrap();
        place.write(&format!("rec/{day}/A1.csv"), "level_db,s0,s1\n60,0.1,0.2\n");
    }
    let output = place.ok("data import rec");
    assert_eq!(column(&output.stdout, "subject_id"), ["day1/A1", "day2/A1"]);
    assert!(
        output.stderr.contains("name A1 is in 2 folders") && output.stderr.contains("--subject-from"),
        "{}",
        output.stderr
    );
    let output = place.ok("data import rec --subject-from ([A-Z][0-9])[.]csv$");
    assert_eq!(column(&output.stdout, "subject_id"), ["A1", "A1"]);
    place.write("names.csv", "file,subject_id\nday1/A1.csv,one\nday2/A1.csv,two\n");
    let output = place.ok("data import rec --subject-from names.csv");
    assert_eq!(column(&output.stdout, "subject_id"), ["one", "two"]);
}

#[test]
fn a_recorders_column_names_the_subject_as_its_file_spells_it() {
    let place = Place::new();
    let numbers = |from: usize| (from..from + 16).map(|i| (i * i % 37).to_string()).collect::<Vec<_>>().join(",");
    let header = (0..16).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    let row = |i: usize| format!("A{},N{},{},20000,0,{}\n", i % 3, i % 2, 60 + i, numbers(i));
    let table = format!("Animal,Nest,Level,sample_rate_hz,t0_ms,{header}\n") + &(0..12).map(row).collect::<String>();
    place.write("rec.csv", table);
    let prepare = "data prepare rec.csv --config small.json --set data.subject_column=";
    let subjects = |column_name: &str| {
        let output = place.ok(&format!("{prepare}{column_name}"));
        column(&output.stdout, "subject_id")
    };
    assert_eq!(subjects("Animal")[..3], ["A0", "A1", "A2"]);
    assert_eq!(subjects("animal")[..3], ["A0", "A1", "A2"]);
    assert_eq!(subjects("Nest")[..3], ["N0", "N1", "N0"]);
    place.refused(1, "train --config small.json --data rec.csv --set data.subject_column=cage --out run", &["`cage`"]);
    // filters find both the file's subject, under the name that `inspect` shows, and the named one
    let kept = |filter: &str| {
        let config = place
            .text("small.json")
            .replace(r#"["level_db"]"#, &format!(r#"["level_db"], "subject_column": "nest", "filters": [{filter}]"#));
        place.write("filtered.json", config);
        let output = place.ok("data prepare rec.csv --config filtered.json --out kept.csv");
        assert!(output.stdout.is_empty());
        let kept = place.text("kept.csv");
        (column(&kept, "subject_id"), column(&kept, "file_subject_id"))
    };
    let (new, old) = kept(r#"{"column": "subject_id", "equals": ["A1"]}"#);
    assert_eq!((new.len(), &old[..]), (4, &["A1".to_string(), "A1".into(), "A1".into(), "A1".into()][..]));
    let (new, old) = kept(r#"{"column": "nest", "equals": ["N1"]}"#);
    assert!(new.len() == 6 && new.iter().all(|subject| subject == "N1") && old[0] == "A1", "{new:?} {old:?}");
    // prepared rows keep both
    place.ok("train --config small.json --data kept.csv --set data.subject_column=nest --set data.split=row --dry-run");
}
