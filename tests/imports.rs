//! Who imports whom, in the three rooms of `src` and within the large folders. The tests read `use` lines and paths.

use common::root;
use common::sources::files;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The modules of the engine, in order: each imports at most the ones named. Beside these, all may use `error`.
const ENGINE: &[(&str, &[&str])] = &[
    ("tensor", &[]),
    ("rng", &[]),
    ("kernels", &["rng", "tensor"]),
    ("dispatch", &["kernels", "tensor"]),
    ("op", &["dispatch", "tensor"]),
    ("ops", &["dispatch", "kernels", "op", "rng", "tensor"]),
    ("device", &["dispatch", "kernels", "op", "ops", "tensor"]),
    ("check", &["device", "op", "rng", "tensor"]),
    ("tape", &["device", "op", "tensor"]),
    ("nn", &["device", "op", "ops", "rng", "tape", "tensor"]),
    ("prelude", &["device", "nn", "op", "ops", "rng", "tape"]),
];

/// The same for the product. It sees the engine through [`SEES_ENGINE`] alone.
const ABR: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("files", &[]),
    ("purpose", &[]),
    ("config", &["files", "text"]),
    ("data", &["config", "files", "purpose", "text"]),
    ("model", &["config", "purpose"]),
    ("baselines", &["data", "purpose"]),
    ("infer", &["data", "model"]),
    ("checkpoint", &["baselines", "config", "data", "files", "model"]),
    ("residual", &["baselines", "checkpoint", "config"]),
    ("generate", &["baselines", "checkpoint", "config", "data", "infer", "model", "purpose", "residual", "text"]),
    (
        "eval",
        &["baselines", "checkpoint", "config", "data", "generate", "infer", "model", "purpose", "residual", "text"],
    ),
    ("doctor", &["checkpoint", "config", "data", "model", "purpose"]),
    ("train", &["baselines", "checkpoint", "config", "data", "files", "generate", "infer", "model", "purpose"]),
    ("compare", &["config", "eval", "files", "model"]),
    ("report", &["compare", "eval", "text"]),
];

/// What modules of the product import of the engine.
const SEES_ENGINE: &[(&str, &[&str])] = &[
    ("purpose", &["rng"]),
    ("data", &["rng"]),
    ("model", &["device", "nn", "op", "ops", "rng", "tape"]),
    ("baselines", &["rng"]),
    ("checkpoint", &["device"]),
    ("residual", &["rng"]),
    ("generate", &["rng"]),
    ("doctor", &["rng"]),
    ("eval", &["rng"]),
    ("train", &["device", "nn", "rng", "tape"]),
];

/// The order of the parts of the large folders: each imports only parts before it.
const ORDERS: &[(&str, &[&str])] = &[
    (
        "engine/kernels",
        &["select", "spin", "split", "workspace", "vectorized", "adam", "map", "mask", "reduce", "gemm"],
    ),
    (
        "engine/kernels/gemm",
        &[
            "caches",
            "blocking",
            "operands",
            "vector",
            "avx2",
            "avx512",
            "gemv",
            "pack",
            "micro_kernel",
            "macro_kernel",
            "x86",
            "parallel",
            "split_k",
        ],
    ),
    ("engine/device", &["readback", "cpu", "gpu"]),
    (
        "engine/device/gpu",
        &["handle", "shader", "tiling", "program", "adapter", "memory", "optimizer", "recorder", "readback"],
    ),
    ("engine/nn", &["init", "schedule", "params", "layers", "optim", "sequential"]),
    (
        "abr/data",
        &[
            "fixture",
            "hash",
            "recording",
            "split",
            "variation",
            "cells",
            "read",
            "scale",
            "synth",
            "prepare",
            "rows",
            "table",
            "assume",
            "load",
            "repeats",
            "inspect",
        ],
    ),
];

/// Every Rust file of `src`, with its module path.
fn modules() -> Vec<(Vec<String>, String)> {
    let source_root = root().join("src");
    let module = |path: PathBuf| {
        let inside = path.strip_prefix(&source_root).expect("under src").with_extension("");
        let mut module: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        module.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
        (module, code(&std::fs::read_to_string(path).expect("a source")))
    };
    files("src", "rs").into_iter().map(module).collect()
}

/// The text without comments and without tests at its end.
fn code(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = lines.join("\n");
    let tests = code.find("#[cfg(test)]\nmod tests {").unwrap_or(code.len());
    code[..tests].to_string()
}

/// The paths of a `use` tree: `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
fn expand(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().expect("a path").trim().to_string()];
    };
    let body = &rest[..rest.rfind('}').expect("a closed group")];
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in body.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&body[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&body[start..]);
    let paths = parts.into_iter().filter(|part| !part.trim().is_empty()).flat_map(expand);
    paths.map(|path| format!("{}{path}", prefix.trim())).collect()
}

/// The path from the crate's root. The root has the modules of `abr` too.
fn absolute(path: &str, module: &[String]) -> Option<Vec<String>> {
    let mut parts = path.split("::").map(str::trim).peekable();
    let mut from = match *parts.peek()? {
        "crate" => Vec::new(),
        "super" | "self" => module.to_vec(),
        _ => return None,
    };
    while let Some(step) = parts.next_if(|part| ["crate", "super", "self"].contains(part)) {
        if step == "super" {
            from.pop();
        }
    }
    from.extend(parts.map(String::from));
    if from.first().is_some_and(|first| ABR.iter().any(|(name, _)| name == first)) {
        from.insert(0, "abr".to_string());
    }
    Some(from)
}

/// All paths into this crate that a text names.
fn imports(module: &[String], text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = ["crate::", "super::", "self::"].iter().filter_map(|word| rest.find(word)).min() {
        let in_use = rest[..at].trim_end().ends_with("use");
        rest = &rest[at..];
        let is_part = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
        let end = if in_use { rest.find(';') } else { rest.find(is_part) }.unwrap_or(rest.len());
        found.extend(expand(&rest[..end]).iter().filter_map(|path| absolute(path.trim_end_matches(':'), module)));
        rest = &rest[end..];
    }
    found
}

/// The names that the `mod.rs` of a folder takes from its parts: each with its part.
fn reexports(folder: &[String], modules: &[(Vec<String>, String)]) -> BTreeMap<String, String> {
    let text = &modules.iter().find(|(module, _)| module == folder).expect("a folder's own file").1;
    let uses = text.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let paths = uses.flat_map(expand).filter_map(|path| {
        let path = path.trim_start_matches("self::").to_string();
        let (part, rest) = path.split_once("::")?;
        Some((rest.rsplit("::").next()?.to_string(), part.to_string()))
    });
    paths.collect()
}

/// Which part of a folder imports which other.
fn edges(folder: &[String], modules: &[(Vec<String>, String)]) -> BTreeSet<(String, String)> {
    let depth = folder.len();
    let part_of = |path: &[String]| path.starts_with(folder).then(|| path.get(depth).cloned()).flatten();
    let parts: BTreeSet<String> = modules.iter().filter_map(|(module, _)| part_of(module)).collect();
    let names = reexports(folder, modules);
    let mut found = BTreeSet::new();
    for (module, text) in modules.iter().filter(|(module, _)| module.last().is_some_and(|last| last != "tests")) {
        let Some(own) = part_of(module) else { continue };
        for name in imports(module, text).iter().filter_map(|path| part_of(path)) {
            let part = if parts.contains(&name) { Some(&name) } else { names.get(&name) };
            found.extend(part.filter(|part| **part != own).map(|part| (own.clone(), part.clone())));
        }
    }
    found
}

fn folder(path: &str) -> Vec<String> {
    path.split('/').map(String::from).collect()
}

/// Asserts that a room's imports are those that its table allows: no other, and none less.
fn assert_table(room: &str, table: &[(&str, &[&str])]) {
    let modules = modules();
    let found = edges(&folder(room), &modules);
    let allowed = table.iter().flat_map(|(of, all)| all.iter().map(|to| (of.to_string(), to.to_string())));
    let allowed: BTreeSet<_> = allowed.collect();
    let (forbidden, unused): (Vec<_>, Vec<_>) =
        (found.difference(&allowed).collect(), allowed.difference(&found).collect());
    assert!(forbidden.is_empty(), "{room}: imports that no line allows: {forbidden:?}");
    assert!(unused.is_empty(), "{room}: allowed and not used: {unused:?}");
    for (i, (name, all)) in table.iter().enumerate() {
        let later = |other: &&&str| !table[..i].iter().any(|(before, _)| before == *other);
        assert!(all.iter().find(later).is_none(), "{room}: {name} imports what comes after it");
    }
}

#[test]
fn the_engine_keeps_its_order() {
    assert_table("engine", ENGINE);
}

#[test]
fn the_product_keeps_its_order() {
    assert_table("abr", ABR);
}

#[test]
fn large_folders_keep_their_order() {
    let modules = modules();
    for (path, order) in ORDERS {
        let at = |part: &str| order.iter().position(|name| *name == part);
        let parts: BTreeSet<&str> = modules
            .iter()
            .filter(|(module, _)| module.len() > folder(path).len() && module.starts_with(&folder(path)))
            .map(|(module, _)| module[folder(path).len()].as_str())
            .collect();
        assert_eq!(parts, order.iter().copied().collect(), "{path}");
        let edges = edges(&folder(path), &modules);
        assert!(!edges.is_empty(), "{path}: no import was found");
        let wrong: Vec<_> = edges.iter().filter(|(from, to)| at(from) < at(to)).collect();
        assert!(wrong.is_empty(), "{path}: {wrong:?} point forwards");
    }
}

#[test]
fn the_rooms_know_only_what_is_below_them() {
    let mut seen = BTreeSet::new();
    for (module, text) in modules() {
        let Some(room) = module.first() else { continue };
        for path in imports(&module, &text) {
            match (room.as_str(), path.first().map(String::as_str)) {
                ("engine", Some(other)) => {
                    // macros are exported at the crate's root
                    let fits = ["engine", "error", "with_elementwise"].contains(&other);
                    assert!(fits, "{module:?} imports {path:?}");
                }
                ("error", Some(other)) => panic!("error imports {other}"),
                ("abr", Some("engine")) if path.len() > 1 => {
                    seen.insert((module[1].clone(), path[1].clone()));
                }
                ("abr", Some(other)) => assert!(["abr", "error"].contains(&other), "{module:?} imports {path:?}"),
                // the program reaches the library by its name alone
                ("cli", Some(other)) => assert_eq!(other, "cli", "{module:?} imports {path:?}"),
                _ => {}
            }
        }
        let inner = ["kernels", "ops", "tape", "tensor"].map(|inner| format!("engine::{inner}"));
        assert!(
            room != "cli" || !inner.iter().any(|inner| text.contains(inner)),
            "{module:?} names the engine's inside"
        );
    }
    let allowed = SEES_ENGINE.iter().flat_map(|(of, all)| all.iter().map(|to| (of.to_string(), to.to_string())));
    assert_eq!(seen, allowed.collect(), "what the product imports of the engine, and what it may");
}

#[test]
fn imports_are_read_as_written() {
    let text = code(
        "use crate::{engine::{ops::{Add, Mul}, tape::Tape}, error};\n// crate::comment\nlet x = super::rng::f();\n",
    );
    let module = folder("engine/nn/layers");
    let paths: Vec<String> = imports(&module, &text).iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["engine::ops::Add", "engine::ops::Mul", "engine::tape::Tape", "error", "engine::nn::rng::f"]);
    // `crate::config` is a module of the product
    assert_eq!(absolute("crate::config::Config", &module).unwrap(), folder("abr/config/Config"));
}
