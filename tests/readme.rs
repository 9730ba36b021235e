//! The README and the pages in `docs/` are true: their commands run as they stand, in a folder that holds what a clone
//! holds (only the training of a few minutes is replaced by one of seconds), and what they name exists.

#![cfg(feature = "cli")]

use abr_film::config::Config;
use abr_film::data::read::{FORMATS, Format};
use common::documentation::{MarkdownPage, documentation, pages};
use common::root;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The blocks of a page in this language.
fn blocks<'a>(page: &'a MarkdownPage, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    page.text.split(&opening).skip(1).map(|rest| rest.split("```").next().expect("a closed block")).collect()
}

/// The lines of a page's `sh` blocks, continued lines joined, one command each.
fn commands(page: &MarkdownPage) -> Vec<String> {
    let joined = blocks(page, "sh").into_iter().map(|block| block.replace(" \\\n", " "));
    let lines = joined.flat_map(|block| block.lines().map(str::to_string).collect::<Vec<_>>());
    lines.flat_map(|line| line.split(" && ").map(str::to_string).collect::<Vec<_>>()).collect()
}

#[test]
fn every_command_of_the_documentation_works_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(&root().join("configs"), &folder.path().join("configs"));
    let commands: Vec<String> = documentation().iter().flat_map(commands).collect();
    let mut run = 0;
    for round in 0..2 {
        for command in &commands {
            let arguments = command.replace("quickstart.json", "smoke.json");
            let arguments = arguments.strip_prefix("cargo run --release -- ").or(arguments.strip_prefix("abr-film "));
            let Some(arguments) = arguments else {
                assert_eq!(command, "cargo test", "a command this test does not know");
                continue;
            };
            // a second training in the same folder is refused; the two commands at the top of the README use --force
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
    assert!(run >= 33, "only {run} commands were found in the documentation");
}

#[test]
fn every_json_block_is_a_configuration() {
    let mut found = 0;
    for page in documentation() {
        for block in blocks(&page, "json") {
            if let Err(error) = Config::from_json(&page.path, block, &[]) {
                panic!("{error}\n{block}");
            }
            found += 1;
        }
    }
    assert!(found >= 2, "only {found} configurations were found in the documentation");
}

#[test]
fn the_readme_is_short() {
    let lines = documentation()[0].text.lines().count();
    assert!(lines <= 150, "the README has {lines} lines, more than 150");
}

#[test]
fn every_named_file_is_there() {
    const FOLDERS: [&str; 8] = ["configs/", "src/", "benches/", "docs/", "examples/", "shaders/", "tests/", ".ci/"];
    let mut found = 0;
    for page in pages("").iter().chain(&pages("docs")) {
        for word in page.text.split(|c: char| c.is_whitespace() || "`()[]".contains(c)) {
            let name = word.split('#').next().expect("a first part").trim_end_matches(['.', ',', ';', ':']);
            // names such as `shaders/<op>.wgsl` and `src/*.rs` stand for many
            if !FOLDERS.iter().any(|folder| name.starts_with(folder)) || name.contains(['<', '*', '{', '…']) {
                continue;
            }
            assert!(root().join(name).exists(), "{} names {name}, which does not exist", page.path);
            found += 1;
        }
    }
    assert!(found >= 70, "only {found} names of files were found in the documentation");
}

#[test]
fn every_named_test_bench_and_example_is_there() {
    for page in pages("").iter().chain(&pages("docs")) {
        let words: Vec<&str> = page.text.split(|c: char| c.is_whitespace() || c == '`').collect();
        for pair in words.windows(2) {
            let folder = match pair[0] {
                "--test" => "tests",
                "--bench" => "benches",
                "--example" => "examples",
                _ => continue,
            };
            let name = pair[1];
            let there = |file: String| root().join(folder).join(file).is_file();
            let placeholder = name == "NAME";
            assert!(
                placeholder || there(format!("{name}.rs")) || there(format!("{name}/main.rs")),
                "{} names {} {name}, which does not exist",
                page.path,
                pair[0]
            );
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut found = 0;
    for page in ["", "docs", "benches/results"].into_iter().flat_map(pages) {
        for target in prose(&page.text).flat_map(|line| line.split("](").skip(1)) {
            let target = target.split(')').next().expect("a closed link");
            if target.starts_with("https://") {
                continue;
            }
            let (file, section) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => root().join(&page.path),
                file => root().join(&page.path).parent().expect("a folder").join(file),
            };
            assert!(path.exists(), "{} links to {target}, which does not exist", page.path);
            let has_section = || {
                let text = std::fs::read_to_string(&path).expect("a page");
                prose(&text).any(|line| line.starts_with('#') && anchor(line) == section)
            };
            assert!(section.is_empty() || has_section(), "{} links to {target}: no such section", page.path);
            found += 1;
        }
    }
    assert!(found >= 35, "only {found} links were found in the documentation");
}

#[test]
fn the_readme_leads_to_every_page() {
    let readme = &documentation()[0].text;
    for page in pages("docs") {
        assert!(readme.contains(&format!("]({})", page.path)), "the README does not link to {}", page.path);
    }
}

#[test]
fn the_example_is_the_one_that_runs() {
    let example = text("examples/xor.rs");
    let (_, code) = example.split_once("\n\n").expect("code below the comment");
    let readme = &documentation()[0];
    assert_eq!(blocks(readme, "rust"), [code], "the README's example, and examples/xor.rs");
}

/// Lines such as `// then` separate parts of a block.
#[test]
fn code_of_the_engine_page_is_that_of_the_sources() {
    let folders = ["src/engine/ops", "src/engine/ops/elementwise", "examples", "shaders", "tests/reference"];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(root().join(folder)).expect("a folder"));
    let files = files.filter_map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).ok());
    let sources: Vec<String> = files.collect();
    let pages = pages("docs");
    let page = pages.iter().find(|page| page.path == "docs/engine.md").expect("the page");
    let (rust, others) = (blocks(page, "rust"), [blocks(page, "wgsl"), blocks(page, "python")].concat());
    let mut parts: Vec<String> = others.into_iter().map(String::from).collect();
    for block in rust {
        parts.push(String::new());
        for line in block.lines() {
            match line.starts_with("// ") {
                true => parts.push(String::new()),
                false => parts.iter_mut().last().expect("a part").extend([line, "\n"]),
            }
        }
    }
    assert!(parts.len() >= 10, "only {} parts of code", parts.len());
    for part in parts {
        assert!(sources.iter().any(|source| source.contains(&part)), "docs/engine.md has code of no source:\n{part}");
    }
}

/// The lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// GitHub's name of the section with this heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let named = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    named.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_dependency_has_its_line() {
    let page = text("docs/dependencies.md");
    let rows = page.lines().skip_while(|line| *line != "| crate | feature | for |").skip(2);
    let mut documented = BTreeSet::new();
    for row in rows.take_while(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        documented.extend(cells[1].split(", ").map(|name| (name.to_string(), cells[2].to_string())));
    }
    assert_eq!(dependencies(include_str!("../Cargo.toml")), documented, "Cargo.toml, and docs/dependencies.md");
}

/// The dependencies of a manifest, each with what brings it: a feature, `engine` if it is always there, or
/// `development`.
fn dependencies(manifest: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut names = BTreeSet::new();
    let sections = manifest.lines().skip_while(|line| *line != "[dependencies]");
    let mut development = false;
    for line in sections.take_while(|line| !line.starts_with("[profile")) {
        development |= line == "[dev-dependencies]";
        // a path leads to a crate of this repository
        let is_crate = !line.starts_with('[') && !line.contains("path = ");
        let Some((name, _)) = line.split_once(" = ").filter(|_| is_crate) else { continue };
        let brought_by = if development {
            "development".to_string()
        } else if line.contains("optional = true") {
            format!("`{}`", feature_of(manifest, name))
        } else {
            "engine".to_string()
        };
        // the program's dependencies come first, and tests may use them too
        if names.insert(name) {
            found.insert((name.to_string(), brought_by));
        }
    }
    found
}

/// The feature of a manifest that switches on this dependency.
fn feature_of<'a>(manifest: &'a str, dependency: &str) -> &'a str {
    let mut feature = "";
    for line in manifest.lines().skip_while(|line| *line != "[features]") {
        if let Some((name, _)) = line.split_once(" = [") {
            feature = name;
        }
        if line.contains(&format!("\"dep:{dependency}\"")) {
            return feature;
        }
    }
    panic!("no feature brings {dependency}");
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
    let page = text("docs/recordings.md");
    assert!(page.contains(&table), "the table of formats in docs/recordings.md should be:\n\n{table}");
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("a page")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a new folder");
    for entry in std::fs::read_dir(from).expect("configs/") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}
