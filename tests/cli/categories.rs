//! One-hot columns with categories that some parts of the split lack.

use crate::support::{Place, table};

/// A folder with `route.json` and `route.csv`: `bone` in the rows of the subjects in `bone`, else `air`.
fn place(categories: &str, bone: &[&str]) -> Place {
    let place = Place::new();
    let column = format!(r#"["level_db", {{"name": "route", "encoding": "one_hot"{categories}}}]"#);
    let config = place.text("small.json").replace(r#"["level_db"]"#, &column);
    place.write("route.json", config.replace(r#""static_dim": 1"#, r#""static_dim": 3"#));
    let rows = table().lines().enumerate().fold(String::new(), |text, (i, line)| {
        let route = if bone.iter().any(|subject| line.starts_with(subject)) { "bone" } else { "air" };
        text + &format!("{},{line}\n", if i == 0 { "route" } else { route })
    });
    place.write("route.csv", rows);
    place
}

/// The rows of subject S6 have the numbers 7, 15 and 23.
const HELD: &str = r#"--set data.split={"held_out":{"column":"subject_id","values":["S6"]}}"#;

#[test]
fn a_category_that_only_the_test_has_is_named_before_the_width() {
    let place = place("", &["S6"]);
    place.refused(
        1,
        &format!("train --config route.json --data route.csv --out run {HELD}"),
        &[
            r#"route.csv: column `route`: no training row has "bone" (test: rows 7, 15, 23)"#,
            r#"{"name": "route", "encoding": "one_hot", "categories": ["air", "bone"]}"#,
        ],
    );
    // a width that agrees with the training rows does not hide the error
    let narrow = format!("train --config route.json --data route.csv --out run {HELD} --set model.static_dim=2");
    place.refused(1, &narrow, &["column `route`: no training row has \"bone\""]);
}

#[test]
fn whether_it_fits_is_a_matter_of_the_seed_but_never_without_a_word() {
    let place = place("", &["S6"]);
    let mut refused = 0;
    for seed in 1..=8 {
        let command = format!("train --config route.json --data route.csv --out run --dry-run --set data.seed={seed}");
        let output = place.command(&command).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        if !output.status.success() {
            refused += 1;
            let named = ["validation: rows 7, 15, 23", "test: rows 7, 15, 23"].iter().any(|rows| stderr.contains(rows));
            assert!(named && stderr.contains("no training row has \"bone\""), "{stderr}");
        }
    }
    // a seed puts the one subject with bone into training or not; of 8 seeds both must occur, or the test sees one case
    assert!((1..8).contains(&refused), "{refused} of 8 seeds");
}

#[test]
fn listed_categories_fix_the_width_for_every_split() {
    let place = place(r#", "categories": ["bone", "air"]"#, &["S6"]);
    let stderr = place.ok(&format!("train --config route.json --data route.csv --out run {HELD}")).stderr;
    assert!(
        stderr.contains("note: column `route`: no training row has \"bone\": the model cannot learn it"),
        "{stderr}"
    );
    place.ok("eval --model run/best.safetensors --data route.csv");
    place.ok("generate --model run/best.safetensors --static route=bone --static level_db=60 --out made.csv");
    for seed in 1..=8 {
        place.ok(&format!(
            "train --config route.json --data route.csv --out run --dry-run --force --set data.seed={seed}"
        ));
    }
}

#[test]
fn a_row_with_a_category_beside_the_list_is_refused() {
    let place = place(r#", "categories": ["air", "insert"]"#, &["S1", "S6"]);
    place.refused(
        1,
        &format!("train --config route.json --data route.csv --out run {HELD}"),
        &[
            r#"route.csv: column `route`: the list of its categories lacks "bone""#,
            "test: rows 7, 15, 23",
            "rows 2, 10, 18",
            "add it to categories",
        ],
    );
}
