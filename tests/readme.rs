//! The README's commands are run as they stand, in a folder that holds what a clone holds; only the training of a few
//! minutes is replaced by one of seconds.

#![cfg(feature = "cli")]

use abr_film::data::read::{FORMATS, Format};
use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../README.md");

/// The lines of the `sh` blocks, continued lines joined, one command each.
fn commands() -> Vec<String> {
    let blocks = README.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("a closed block"));
    let joined: Vec<String> = blocks.map(|block| block.replace(" \\\n", " ")).collect();
    joined.iter().flat_map(|block| block.lines()).flat_map(|line| line.split(" && ")).map(str::to_string).collect()
}

#[test]
fn every_command_of_the_readme_works_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    copy(&configs, &folder.path().join("configs"));
    let mut run = 0;
    for round in 0..2 {
        for command in commands() {
            let arguments = command.replace("quickstart.json", "smoke.json");
            let arguments = arguments.strip_prefix("cargo run --release -- ").or(arguments.strip_prefix("abr-film "));
            let Some(arguments) = arguments else {
                assert_eq!(command, "cargo test", "a command this test does not know");
                continue;
            };
            // a second training in the same folder is refused, as the README says; the two commands at its top use
            // --force
            let refused = round == 1 && arguments.starts_with("train") && !arguments.contains("--force");
            if refused && !arguments.contains("--resume") {
                continue;
            }
            let output = Command::new(env!("CARGO_BIN_EXE_abr-film"))
                .args(arguments.split_whitespace())
                .current_dir(folder.path())
                // which would make auto this GPU
                .env_remove("ABR_FILM_ADAPTER")
                .output()
                .expect("the program starts");
            assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
            run += 1;
        }
    }
    assert!(run >= 18, "only {run} commands were found in the README");
}

#[test]
fn every_file_the_readme_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named =
        README.split('`').filter(|s| s.starts_with("configs/") || s.starts_with("src/") || s.starts_with("benches/"));
    let missing: Vec<&str> = named.filter(|name| !name.contains(' ') && !root.join(name).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_dependency_has_its_line() {
    let manifest = include_str!("../Cargo.toml");
    let dependencies =
        manifest.lines().skip_while(|l| *l != "[dependencies]").take_while(|l| !l.starts_with("[profile"));
    // a path leads to a crate of this repository
    for line in dependencies.filter(|l| l.contains(" = ") && !l.contains("path = ")) {
        let name = line.split(' ').next().expect("a name");
        let rows = README.lines().filter(|l| l.starts_with("| "));
        let found =
            rows.flat_map(|l| l.split('|').nth(1)).flat_map(|cell| cell.split([',', ' '])).any(|word| word == name);
        assert!(found, "{name} is missing from the README's table of dependencies");
    }
}

#[test]
fn the_formats_are_those_that_are_read() {
    let list = |patterns: &[&str]| {
        let named =
            patterns.iter().map(|pattern| if pattern.is_empty() { "none".to_string() } else { format!("`{pattern}`") });
        named.collect::<Vec<_>>().join(", ")
    };
    let row = |format: &Format| {
        let (extensions, companions) = (list(format.extensions), list(format.companions));
        format!("| {} | {extensions} | {companions} | {} |\n", format.name, format.about)
    };
    let rows: String = FORMATS.iter().map(row).collect();
    let table = format!("| format | extension | read with it | what to know |\n| --- | --- | --- | --- |\n{rows}");
    assert!(README.contains(&table), "the README's table of formats should be:\n\n{table}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a new folder");
    for entry in std::fs::read_dir(from).expect("configs/") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}
