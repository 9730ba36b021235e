//! `--help`, and readers that close the pipe early.

use crate::support::{PROGRAM, Place};
use abr_film::data::read::FORMATS;
use common::documentation::documentation;
use std::process::{Command, Stdio};

const COMMANDS: [&str; 12] = [
    "train",
    "eval",
    "generate",
    "reconstruct",
    "plot",
    "compare",
    "doctor",
    "info",
    "data import",
    "data inspect",
    "data prepare",
    "data synth",
];

#[test]
fn every_command_has_its_help() {
    let place = Place::new();
    let overview = place.ok("--help").stdout;
    for command in COMMANDS {
        assert!(overview.contains(command.split(' ').next().unwrap()), "{command} is not in the overview");
        place.ok(&format!("{command} --help"));
    }
    assert!(place.ok("--version").stdout.starts_with("abr-film "));
}

#[test]
fn the_help_names_every_flag_of_the_documentation() {
    let place = Place::new();
    let helps: String = COMMANDS.iter().map(|command| place.ok(&format!("{command} --help")).stdout).collect();
    // flags of Cargo, of a test and of a bench
    let others = ["--no-default-features", "--features", "--test", "--lib", "--nocapture", "--decoders"];
    let mut flags = 0;
    for page in documentation() {
        for flag in page.text.split(['\n', '`']).flat_map(|span| words(own_part(span))) {
            if !flag.starts_with("--") || flag.starts_with("---") || flag.len() == 2 || others.contains(&flag) {
                continue;
            }
            assert!(words(&helps).any(|word| word == flag), "no --help names {flag} of {}", page.path);
            flags += 1;
        }
    }
    assert!(flags > 100, "only {flags} flags were found in the documentation");
}

/// What a line of a page, or code within it, says of this program: not the flags of Cargo, a script or a formatter.
fn own_part(span: &str) -> &str {
    match span.split_once("cargo run --release -- ") {
        Some((_, arguments)) => arguments,
        None if ["cargo ", "rustfmt ", "python3 "].iter().any(|program| span.contains(program)) => "",
        None => span,
    }
}

#[test]
fn the_help_of_import_lists_the_formats() {
    let help = Place::new().ok("data import --help").stdout;
    let listed = help.split_once("Formats that are read:\n").expect("a list").1.lines().map(str::trim);
    assert!(listed.eq(FORMATS.iter().map(|format| format.name.replace('`', ""))), "{help}");
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
}

/// `abr-film … | head` is no error.
#[test]
fn a_closed_pipe_ends_quietly() {
    let place = Place::trained("");
    for command in [
        "info --config smoke.json",
        "eval --model run/best.safetensors --split all --json --device cpu",
        "generate --model run/best.safetensors -n 300 --device cpu",
        "data synth --config smoke.json",
        "train --help",
    ] {
        let mut child = Command::new(PROGRAM)
            .args(command.split(' '))
            .current_dir(place.path("."))
            .env_remove("ABR_FILM_ADAPTER")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("the program ends");
        assert!(output.status.success(), "{command}: {}", output.status);
        assert!(output.stderr.is_empty(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
