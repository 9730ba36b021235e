//! Configurations that cannot be used: exit 2, the file or flag, the key, and the way out.

use crate::support::Place;

#[test]
fn keys_types_and_ranges() {
    let place = Place::new();
    let cases: [(&str, &[&str]); 9] = [
        (
            r#"{"training": {"num_epoch": 3}}"#,
            &["training.num_epoch: unknown key", "did you mean `training.num_epochs`?"],
        ),
        (r#"{"modle": {}}"#, &["modle: unknown key", "`model`?"]),
        (r#"{"training": {"batch_size": "many"}}"#, &["training.batch_size", "\"many\"", "expected a whole number"]),
        (r#"{"model": {"latent_dim": 0}}"#, &["model.latent_dim: is 0, must be from 1"]),
        (r#"{"training": {"learning_rate": -1}}"#, &["training.learning_rate: is -1, must be above 0"]),
        (r#"{"model": {"joint_generation": false, "use_film": true}}"#, &["model.use_film", "in place of both"]),
        (r#"{"model": {"static_dim": 3}}"#, &["model.static_dim: is 3", "data.static_columns names 7: age_years"]),
        (r#"{"training": {"scheduler": {"type": "cosin"}}}"#, &["training.scheduler.type", "`cosine`"]),
        ("{\n  \"model\": {,}\n}", &["line 2, column 13", "not valid JSON"]),
    ];
    for (text, parts) in cases {
        place.write("bad.json", text);
        place.refused(2, "train --config bad.json --out run", &[&["abr-film: bad.json: "], parts].concat());
    }
    place.refused(2, "info --config bad.json", &["bad.json: line 2"]);
    place.refused(2, "data synth --config bad.json --out a.csv", &["bad.json: line 2"]);
    place.refused(1, "train --config none.json --out run", &["none.json: cannot read", "check the path"]);
}

#[test]
fn flags_that_override_are_named() {
    let place = Place::new();
    let train = |set: &str| format!("train --config smoke.json --out run --set {set}");
    place.refused(2, &train("training.num_epoch=3"), &["--set training.num_epoch=3", "`training.num_epochs`?"]);
    place.refused(2, &train("training.batch_size=1"), &["--set training.batch_size=1", "must be 2 or more"]);
    place.refused(2, &train("training.batch_size"), &["--set training.batch_size: not KEY=VALUE"]);
    place.refused(2, &train("output.checkpoint_dir=../x"), &["output.checkpoint_dir", "inside the run folder"]);
    place.refused(2, &train("output.checkpoint_dir=summary.json"), &["output.checkpoint_dir: is summary.json"]);
}

/// A one-hot column's width is known once the data is read.
#[test]
fn a_static_dim_that_is_not_the_width_of_the_data() {
    let place = Place::new();
    let config =
        place.text("small.json").replace(r#"["level_db"]"#, r#"[{"name": "level_db", "encoding": "one_hot"}]"#);
    place.write("one_hot.json", config.replace(r#""static_dim": 1"#, r#""static_dim": 3"#));
    place.refused(
        2,
        "train --config one_hot.json --data table.csv --out run",
        &["model.static_dim", "is 3", "level_db"],
    );
}

/// The command line itself: clap says what is wrong and exits with 2.
#[test]
fn flags_that_make_no_sense() {
    let place = Place::new();
    for arguments in [
        "",
        "trian",
        "train",
        "train --config smoke.json --epochs 3",
        "train --resume",
        "train --config smoke.json --threads 0",
        "train --config smoke.json --threads 65535",
        "eval",
        "eval --model a --split some",
        "generate --model a -n 0",
        "generate --model a --static level_db=1 --conditions a.csv",
        "generate --model a --static level_db=1 --unconditional",
        "generate --model a --unconditional --strength 1",
        "reconstruct --model a",
    ] {
        let output = place.command(arguments).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments}");
    }
    assert_eq!(place.names("."), ["small.json", "smoke.json", "table.csv"]);
}
