//! All commands read recordings in the same way: cases in which they once differed.

use crate::support::{Place, cells, column, samples, table};

#[test]
fn what_was_prepared_keeps_its_unit_and_its_axis() {
    let place = Place::new();
    // a unit, and a time axis that the window moves
    let set =
        "--set data.unit=mV --set data.t0_ms=-0.1 --set data.prepare.window.from_ms=0 --set model.signal_length=2";
    let raw: Vec<Vec<String>> = cells(&table());
    let without_t0: String = raw.iter().map(|row| [&row[..2], &row[3..]].concat().join(",") + "\n").collect();
    place.write("raw.csv", without_t0);
    place.ok(&format!("data prepare raw.csv --config small.json {set} --out prepared.csv"));
    let train = format!("train --config small.json --set training.num_epochs=1 {set}");
    place.ok(&format!("{train} --data raw.csv --out a"));
    place.ok(&format!("{train} --data prepared.csv --out b"));
    assert!(place.bytes("a/best.safetensors") == place.bytes("b/best.safetensors"));
    place.ok(&format!("data prepare prepared.csv --config small.json {set} --out again.csv"));
    assert_eq!(samples(&place.text("prepared.csv")), samples(&place.text("again.csv")));
}

#[test]
fn a_row_that_a_filter_leaves_out_cannot_fail_in_a_folder_either() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("rec")).unwrap();
    let faulty = table().replacen("S3,20000,0,50", "S3,20000,0,-50", 1);
    let faulty: String = cells(&faulty)
        .iter()
        .map(|row| {
            row.iter().map(|c| if row[3] == "-50" && c == &row[5] { "oops" } else { c }).collect::<Vec<_>>().join(",")
                + "\n"
        })
        .collect();
    assert_eq!(faulty.matches("oops").count(), 1);
    place.write("rec/a.csv", &faulty);
    place.write("rec/b.csv", table().replace("S", "T").replace("T,", "S,").replace(",0.", ",0.1"));
    let filter = r#"--set data.filters=[{"column":"level_db","min":0}]"#;
    let train = "train --config small.json --dry-run --out run --data";
    place.ok(&format!("{train} rec/a.csv {filter}"));
    place.ok(&format!("{train} rec {filter} --set data.allow_repeats=true"));
    place.refused(1, &format!("{train} rec/a.csv"), &["row 4 (line 5), column `s0`: \"oops\" is not a number"]);
    // a filter cannot judge a row by the cell at fault
    let late = table().replacen(",,", ",late,", 1);
    place.write("late.csv", late);
    let filter = r#"--set data.filters=[{"column":"peak_v_ms","min":0.5}]"#;
    place.refused(1, &format!("{train} late.csv {filter}"), &["column `peak_v_ms`: \"late\" is not a number"]);
}

#[test]
fn columns_mean_one_thing_wherever_they_stand() {
    let place = Place::new();
    let numbers: String = (0..16).map(|i| format!(",{i}")).collect();
    let values: String = (0..16).map(|i| format!(",0.{i:02}")).collect();
    for header in ["ID,Mouse,Level(dB)", "Mouse,ID,Level(dB)"] {
        let row = |id: &str| if header.starts_with("ID") { format!("{id},m1,60") } else { format!("m1,{id},60") };
        place.write("x.csv", format!("{header}{numbers}\n{}{values}\n{}{values}\n", row("7"), row("8")));
        let stdout = place.ok("data import x.csv").stdout;
        assert_eq!(
            (column(&stdout, "subject_id"), column(&stdout, "id")),
            (vec!["m1".to_string(); 2], vec!["7".into(), "8".into()])
        );
    }
    // the project's own sample columns take precedence over numbered ones
    place.write("both.csv", format!("subject_id,level_db,s0,s1{numbers}\na,60,0.5,0.25{values}\n"));
    assert_eq!(samples(&place.ok("data import both.csv").stdout), [[0.5, 0.25]]);
    // columns named by times are no numbered samples
    let times: String = (0..40).map(|i| format!(",{:.1}", f64::from(i) / 10.0)).collect();
    let values = ",0.5".repeat(40);
    place.write("times.csv", format!("subject,level{times}\na,60{values}\n"));
    place.refused(1, "data import times.csv", &["is not in a format"]);
}
