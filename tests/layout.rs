//! Checks of the sources against the architecture: imports, one file per op, the length of files and comments.

use abr_film::engine::ops::FILES;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules that each module of the library may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("rng", &[]),
    ("text", &[]),
    ("files", &["error"]),
    ("config", &["error", "text"]),
    ("tensor", &[]),
    ("kernels", &["tensor", "rng"]),
    ("dispatch", &["kernels", "tensor"]),
    ("ops", &["dispatch", "kernels", "tensor", "rng"]),
    ("device", &["ops", "dispatch", "kernels", "tensor", "error"]),
    ("tape", &["device", "ops", "tensor", "error"]),
    ("nn", &["tape", "device", "ops", "tensor", "error", "rng", "config"]),
    ("model", &["nn", "tape", "device", "ops", "tensor", "error", "rng", "config"]),
    ("data", &["error", "rng", "config", "files", "text"]),
    ("baselines", &["data", "error", "rng", "config"]),
    ("checkpoint", &["baselines", "model", "data", "device", "error", "config", "files"]),
    ("infer", &["model", "data", "error"]),
    ("residual", &["baselines", "checkpoint", "config", "rng"]),
    ("generate", &["baselines", "residual", "infer", "checkpoint", "model", "data", "error", "rng", "config"]),
    (
        "train",
        &[
            "baselines",
            "infer",
            "generate",
            "checkpoint",
            "model",
            "nn",
            "data",
            "device",
            "error",
            "rng",
            "config",
            "files",
        ],
    ),
    ("report", &["eval", "text"]),
    (
        "eval",
        &[
            "baselines",
            "residual",
            "infer",
            "generate",
            "checkpoint",
            "model",
            "data",
            "error",
            "rng",
            "config",
            "text",
        ],
    ),
];

const LONGEST_FILE: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under a folder.
fn sources(folder: &str) -> Vec<PathBuf> {
    files(folder, "rs")
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            match path.extension() {
                None if path.is_dir() => folders.push(path),
                Some(own) if own == extension => found.push(path),
                _ => {}
            }
        }
    }
    found
}

/// The modules that a text names after `prefix`, for example in `use crate::{a, b::c}` or `crate::a::f(…)`.
fn named_after(prefix: &str, text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    for rest in code.split(prefix).skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            // the names at depth 0 of the braces
            let (mut depth, mut word) = (0, String::new());
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.extend(leading_name(&std::mem::take(&mut word))),
                    c if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            found.extend(leading_name(&word));
        } else {
            found.extend(leading_name(rest));
        }
    }
    found
}

fn leading_name(text: &str) -> Option<String> {
    let name: String = text.trim_start().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// The module a file of `src/` belongs to.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).expect("under src");
    let first = inside.iter().next().expect("a name").to_string_lossy();
    first.trim_end_matches(".rs").to_string()
}

fn allowed(module: &str) -> Option<&'static [&'static str]> {
    MAY_IMPORT.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed)
}

#[test]
fn imports_point_downwards() {
    let mut checked = 0;
    for path in sources("src") {
        let (module, text) = (module(&path), std::fs::read_to_string(&path).expect("a source"));
        if ["lib", "main", "cli"].contains(&module.as_str()) {
            continue;
        }
        let allowed = allowed(&module).unwrap_or_else(|| panic!("{module} has no line in MAY_IMPORT"));
        for name in named_after("crate::", &text) {
            // macros are exported at the crate's root
            let fits = name == module || allowed.contains(&name.as_str()) || name == "for_each_op";
            assert!(fits, "{} imports {name}; {module} may import {allowed:?}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} imports were found");
}

#[test]
fn imports_are_read_as_written() {
    let text = "use crate::{ops::{Add, Mul}, tape::Tape};\n// crate::comment\nlet x = crate::rng::f();\n";
    let names: Vec<String> = named_after("crate::", text).into_iter().collect();
    assert_eq!(names, ["ops", "rng", "tape"]);
}

#[test]
fn the_command_line_reaches_the_library_by_its_name_alone() {
    for path in sources("src/cli") {
        let text = std::fs::read_to_string(&path).expect("a source");
        let names = named_after("abr_film::", &text);
        let engine: Vec<_> =
            names.iter().filter(|n| ["kernels", "ops", "tape", "tensor"].contains(&n.as_str())).collect();
        assert!(engine.is_empty(), "{} names {engine:?}", path.display());
    }
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
