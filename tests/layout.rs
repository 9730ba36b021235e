//! Checks of the sources: one file per op, the length of files and comments, the names of types.

use abr_film::engine::ops::FILES;
use common::root;
use common::sources::files;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const LONGEST_FILE: usize = 400;

/// Every Rust file under a folder.
fn sources(folder: &str) -> Vec<PathBuf> {
    files(folder, "rs")
}

#[test]
fn every_op_has_one_file_of_its_name() {
    let folder = root().join("src/engine/ops");
    let files: BTreeSet<String> = sources("src/engine/ops")
        .iter()
        .map(|path| path.strip_prefix(&folder).expect("under ops").display().to_string())
        .filter(|name| name != "mod.rs" && !name.starts_with("elementwise/"))
        .collect();
    let ops: BTreeSet<String> = FILES.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(files, ops);
}

#[test]
fn every_op_has_one_shader_of_its_name() {
    let folder = root().join("shaders");
    let text = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.wgsl"))).expect("a shader");
    for op in FILES {
        let shader = text(op);
        assert!(shader.contains(&format!("src/engine/ops/{op}.rs")), "{op}.wgsl does not name its op");
        let includes =
            shader.lines().next().and_then(|line| line.strip_prefix("// include ")).expect("a line of includes");
        let whole = includes.split(", ").map(|part| text(&format!("common/{part}"))).chain([shader.clone()]);
        let whole = whole.collect::<String>();
        for entry in ["fn forward(", "fn backward("] {
            assert_eq!(whole.matches(entry).count(), 1, "{op}.wgsl: {entry}");
        }
    }
    let others = ["adam", "norm"];
    let known = |name: &str| FILES.contains(&name) || others.contains(&name);
    for path in files("shaders", "wgsl") {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(path.parent() != Some(&folder) || known(&name), "{} belongs to no op", path.display());
    }
}

#[test]
fn one_folder_names_wgpu() {
    let own = root().join("src/engine/device/gpu");
    for path in sources("src").iter().filter(|path| !path.starts_with(&own)) {
        let text = std::fs::read_to_string(path).expect("a source");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        assert!(!code.into_iter().any(|line| line.contains("wgpu")), "{} names wgpu", path.display());
    }
}

#[test]
fn files_are_short() {
    let all = ["src", "tests", "benches"].into_iter().flat_map(sources).chain(files("shaders", "wgsl"));
    let long: Vec<String> = all
        .map(|path| (std::fs::read_to_string(&path).expect("a source").lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .map(|(lines, path)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn comments_fit_into_120_columns() {
    let rust = ["src", "tests", "benches"].into_iter().flat_map(sources);
    let mut long = Vec::new();
    for path in rust.chain(files("shaders", "wgsl")) {
        let text = std::fs::read_to_string(&path).expect("a source");
        // a row of a Markdown table must be one line
        let comment = |line: &&str| line.trim_start().starts_with("//") && !line.contains(" |");
        let lines = text.lines().zip(1..).filter(|(line, _)| comment(line) && line.chars().count() > 120);
        long.extend(lines.map(|(_, number)| format!("{}:{number}", path.display())));
    }
    assert!(long.is_empty(), "{long:#?}");
}

/// The name that a line of code defines a type by; not an associated type, which is indented in an `impl`.
fn defined_type(line: &str) -> Option<&str> {
    let code = line.strip_prefix("pub ").or_else(|| line.strip_prefix("pub(super) ")).unwrap_or(line);
    let rest = ["struct ", "enum ", "trait ", "type ", "union "].iter().find_map(|word| code.strip_prefix(word))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

#[test]
fn a_type_name_means_one_thing() {
    let mut defined: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in sources("src") {
        let text = std::fs::read_to_string(&path).expect("a source");
        for name in text.lines().filter_map(defined_type) {
            defined.entry(name.to_string()).or_default().push(path.display().to_string());
        }
    }
    assert!(defined.len() > 300, "only {} types were found", defined.len());
    let twice: Vec<_> = defined.into_iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:#?}");
}
