//! `compare`: the same table whatever happens on the way.

use crate::support::{PROGRAM, Place};
use common::skipped::skipped;
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Two ways of conditioning with an option each, on two folds.
const PLAN: &str = "compare --config smoke.json --variants none,film,film+gate --folds subject:2 --seeds 4 --device cpu \
                    --set training.num_epochs=2";

fn table(place: &Place, folder: &str) -> Value {
    place.json(&format!("{folder}/table.json"))
}

#[test]
fn a_comparison_killed_ten_times_has_the_table_of_an_unbroken_one() {
    if !cfg!(unix) {
        skipped("no process groups");
        return;
    }
    let place = Place::new();
    place.ok(&format!("{PLAN} --out whole"));
    let whole = table(&place, "whole");
    assert_eq!((&whole["done"], &whole["cells"], &whole["over"]), (&24.into(), &24.into(), &"folds".into()));
    for variant in whole["variants"].as_array().expect("a list") {
        assert_eq!(
            (&variant["done"], variant["measures"]["explained_variance"]["values"].as_u64()),
            (&8.into(), Some(2))
        );
    }
    // a kill after a random part of the time that a third of the cells takes
    let mut killed = 0;
    let planned = place.path("broken/cells");
    for round in 0..10_u64 {
        let arguments =
            if round == 0 { format!("{PLAN} --out broken") } else { "compare --out broken --device cpu".into() };
        let mut command = Command::new(PROGRAM);
        command.current_dir(place.path("")).args(arguments.split_whitespace());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn().expect("the program starts");
        let until = Instant::now() + Duration::from_millis(150 + round * 7919 % 1000);
        while !planned.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        while Instant::now() < until && process.try_wait().expect("a process").is_none() {
            std::thread::sleep(Duration::from_millis(10));
        }
        if process.try_wait().expect("a process").is_none() {
            // all its processes
            let group = format!("-{}", process.id());
            assert!(Command::new("kill").args(["-9", "--", &group]).status().expect("kill").success());
            killed += 1;
        }
        process.wait().expect("a process");
    }
    assert!(killed >= 3, "only {killed} kills came before the end");
    place.ok("compare --out broken --device cpu");
    assert_eq!(table(&place, "broken"), whole);
    // a process killed while it wrote leaves a hidden temporary file
    assert_eq!(place.names("broken/cells/done").iter().filter(|name| !name.starts_with('.')).count(), 24);
    assert!(place.names("broken/cells/todo").is_empty() && place.names("broken/cells/claimed").is_empty());
    // nothing is left to do
    let before = place.bytes("broken/cells/done/01-none_fold-0_seed-42.json");
    place.ok("compare --out broken --device cpu");
    assert_eq!(place.bytes("broken/cells/done/01-none_fold-0_seed-42.json"), before);
}

#[test]
fn cells_are_independent_commands_and_the_table_is_of_whatever_is_done() {
    let place = Place::new();
    let plan = "compare --config smoke.json --variants none,concat,cross_attention --grid film.conditioning_strength=1,0.5 \
                --out c --device cpu";
    let commands: Vec<String> = place.ok(&format!("{plan} --list")).stdout.lines().map(str::to_string).collect();
    assert_eq!(commands.len(), 6);
    assert!(!place.path("c/runs").exists(), "a list trains nothing");
    // two of them, one twice at the same time: one process does it
    let run = |command: &str| {
        let mut words = command.split(' ').map(|word| word.trim_matches('\''));
        let mut process = Command::new(words.next().expect("a program"));
        process.args(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts")
    };
    let processes = [run(&commands[5]), run(&commands[0]), run(&commands[0])];
    let said: Vec<String> = processes
        .into_iter()
        .map(|process| {
            let output = process.wait_with_output().expect("an end");
            assert!(output.status.success());
            String::from_utf8(output.stderr).expect("UTF-8")
        })
        .collect();
    let busy = said[1..].iter().filter(|said| said.contains("does it") || said.contains(": done")).count();
    assert_eq!(busy, 1, "{said:?}");
    let gathered = place.ok("compare --out c --gather").stdout;
    assert!(gathered.contains("2 of 6 trainings are done"), "{gathered}");
    assert_eq!(table(&place, "c")["done"], 2);
    let page = place.text("c/report.html");
    assert!(page.contains("cross_attention+film.conditioning_strength=0.5") && page.contains("<svg"), "the page");
    assert!(place.text("c/table.md").starts_with("| variant | parameters |"));
    // the rest, by the same folder alone
    let said = place.ok("compare --out c --device cpu --jobs 2 --json");
    let printed: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!((&printed["done"], &printed), (&6.into(), &table(&place, "c")));
    let cost = place.json("c/cost.json");
    assert!(cost[0]["step_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{cost}");
}

#[test]
fn equal_sizes() {
    let place = Place::new();
    // wide enough that a unit more or less is below 1 %
    let wide = "--set model.decoder_dims=[48,64] --set model.attention_dim=16 --set training.num_epochs=1";
    place.ok(&format!(
        "compare --config smoke.json --variants film,none,cross_attention --match-parameters --out m --device cpu {wide}"
    ));
    let table = table(&place, "m");
    let sizes: Vec<f64> = (0..3).map(|i| table["variants"][i]["parameters"].as_f64().expect("a number")).collect();
    assert!(sizes.iter().all(|size| (size / sizes[0] - 1.0).abs() < 0.01), "{sizes:?}");
}

#[test]
fn what_cannot_be_compared_says_why() {
    let place = Place::new();
    let compare = |more: &str| format!("compare --config smoke.json --out c --device cpu {more}");
    for (more, code, parts) in [
        ("--variants film+gates", 2, &["gates", "gate, mixing"] as &[_]),
        ("--variants film,", 2, &["a variant has no name"]),
        ("--variants film,film", 2, &["the variant film is named twice"]),
        ("--variants film+levels", 2, &["film.levels"]),
        ("--variants attention", 2, &["model.conditioning", "cross_attention"]),
        ("--variants none+gate", 2, &["film.gate", "is none"]),
        ("--variants film --grid hidden_dim", 2, &["--grid hidden_dim"]),
        ("--variants film --set film.hidden=3", 2, &["film.hidden", "hidden_dim"]),
    ] {
        place.refused(code, &compare(more), parts);
    }
    place.refused(1, "compare --out nowhere", &["compare.json"]);
    place.ok(&compare("--variants film --list"));
    place.refused(2, &compare("--variants none --list"), &["another comparison"]);
    place.refused(2, "compare --out c --cell x", &["no cell is named x"]);
}

#[test]
fn a_training_that_fails_is_named_and_the_others_are_done() {
    let place = Place::new();
    // a table that only one variant can use
    let variants = "film,film+data.static_columns=[\"missing\"]+model.static_dim=1";
    let output = place
        .command(&format!("compare --config small.json --data table.csv --variants {variants} --out f --device cpu"))
        .output()
        .expect("the program starts");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("1 of 2 trainings failed: 02-film") && stderr.contains("logs"), "{stderr}");
    assert_eq!(table(&place, "f")["done"], 1);
    let log = place.names("f/logs").into_iter().find(|name| name.starts_with("02")).expect("a log");
    assert!(place.text(&format!("f/logs/{log}")).contains("missing"));
}
