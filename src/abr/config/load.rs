//! Turns JSON text and `--set` flags into a checked [`Config`].

use super::Config;
use crate::error::{Error, Result};
use crate::files;
use crate::text::nearest;
use crate::text::{self, TextEncoding};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Objects with user-defined keys.
const FREE_MAPS: [&str; 1] = ["data.synth.fixed"];

impl Config {
    /// Reads a JSON file in UTF-8 or UTF-16, then applies `KEY=VALUE` overrides in order (`training.num_epochs=3`).
    ///
    /// # Errors
    /// A file that cannot be read (exit 1). A file in another encoding, or one that [`Config::from_json`] refuses (exit
    /// 2).
    pub fn load(path: &Path, overrides: &[String]) -> Result<Config> {
        let bytes = files::read(path, files::TEXT_BYTES)?;
        let source_name = path.display().to_string();
        let undecodable = |problem: String| Error::config(&source_name, "", problem, text::SAVE_AS_UTF_8);
        let (text, encoding) = text::decode(&bytes).map_err(undecodable)?;
        if encoding == TextEncoding::Windows1252 {
            return Err(undecodable(format!("it is not in UTF-8, but perhaps in {encoding}")));
        }
        Config::from_json(&source_name, &text, overrides)
    }

    /// Reads JSON text; errors refer to it as `source_name`. A VALUE that is not JSON, or not of the key's type, is
    /// taken as a string.
    ///
    /// # Errors
    /// Broken syntax, an unknown key, a value of the wrong type or out of range, keys that contradict each other: one
    /// [`Error::Config`] that names the file or the `--set` flag, the dotted key, and what to do.
    pub fn from_json(source_name: &str, text: &str, overrides: &[String]) -> Result<Config> {
        let mut value: Value = serde_json::from_str(text).map_err(|e| syntax_error(source_name, &e))?;
        let mut config = typed(source_name, &value)?;
        // a `Value` keeps the last of two equal keys; parsing as a configuration makes the second an error
        serde_json::from_str::<Config>(text).map_err(|e| syntax_error(source_name, &e))?;
        let mut flags = Vec::new();
        for flag in overrides {
            let (key, text) = parse_override(flag)?;
            let flag = format!("--set {flag}");
            let as_text = Value::String(text.to_string());
            let new: Value = serde_json::from_str(text).unwrap_or(as_text.clone());
            check_keys(&flag, &nested(key, new.clone()), &schema(), "")?;
            if key == "model.conditioning" {
                // it replaces what keys of earlier versions in the file say
                let model = value["model"].as_object_mut();
                model
                    .into_iter()
                    .for_each(|model| model.retain(|name, _| name != "use_film" && name != "joint_generation"));
            }
            set(&mut value, key, new);
            config = typed(&flag, &value).or_else(|error| {
                // `data.path=2024` is JSON, but a number is no path
                set(&mut value, key, as_text);
                typed(&flag, &value).map_err(|_| error)
            })?;
            flags.push((key, flag));
        }
        // For a value out of range, blame the last flag that sets its key, else the file.
        config.first_problem().map_err(|problem| {
            let flag = flags.iter().rev().find(|(key, _)| problem.concerns(key));
            problem.into_error(flag.map_or(source_name, |(_, flag)| flag))
        })?;
        Ok(config)
    }
}

/// A configuration with every key, those of earlier versions too.
fn schema() -> Value {
    let mut config = Config::default();
    (config.model.use_film, config.model.joint_generation) = (Some(true), Some(true));
    config.to_value()
}

fn syntax_error(source_name: &str, error: &serde_json::Error) -> Error {
    let message = error.to_string();
    let problem = message.split(" at line ").next().unwrap_or(&message);
    Error::config(
        source_name,
        format!("line {}, column {}", error.line(), error.column()),
        format!("not valid JSON: {problem}"),
        "correct the JSON there: names and text in double quotes, commas between entries, none after the last, no \
         comments",
    )
}

/// Splits `a.b=VALUE` into its two sides.
fn parse_override(flag: &str) -> Result<(&str, &str)> {
    match flag.split_once('=') {
        Some((key, text)) if !key.split('.').any(str::is_empty) => Ok((key, text)),
        _ => Err(Error::usage(format!("--set {flag}: not KEY=VALUE"), "for example --set training.num_epochs=3")),
    }
}

/// `value` under the dotted `key`, as nested objects.
fn nested(key: &str, value: Value) -> Value {
    key.rsplit('.').fold(value, |value, name| json!({ name: value }))
}

/// Replaces the value at `key`, and creates the objects on the path.
fn set(mut place: &mut Value, key: &str, value: Value) {
    for name in key.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[name];
    }
    *place = value;
}

fn typed(source_name: &str, value: &Value) -> Result<Config> {
    check_keys(source_name, value, &schema(), "")?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let key = error.path().to_string();
        let problem = plain_words(&error.inner().to_string());
        let schema = schema();
        let default = lookup(&schema, &key).filter(|default| !default.is_null());
        let default = default.map(|default| format!("; the default is {default}")).unwrap_or_default();
        Error::config(source_name, key, problem, format!("give this key a value of the expected kind{default}"))
    })
}

/// serde's message without Rust's type names.
fn plain_words(message: &str) -> String {
    [
        ("expected i8", "expected a whole number"),
        ("expected usize", "expected a whole number from 0 up"),
        ("expected u64", "expected a whole number from 0 up"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected a list"),
        ("type: sequence", "type: a list"),
        ("type: map", "type: an object {…}"),
        ("floating point", "number"),
    ]
    .iter()
    .fold(message.to_string(), |text, (rust, plain)| text.replace(rust, plain))
}

fn lookup<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(schema, |value, name| value.get(name))
}

/// Refuses keys that `schema` (an example with every key) lacks, and anything but an object where it has one (serde
/// would also accept a list of the fields in order).
fn check_keys(source_name: &str, value: &Value, schema: &Value, path: &str) -> Result<()> {
    match (value, schema) {
        (Value::Object(_), _) if FREE_MAPS.contains(&path) => {}
        (Value::Object(map), Value::Object(known)) => {
            for (name, inner) in map {
                let key = dotted(path, name);
                let Some(example) = known.get(name) else { return Err(unknown_key(source_name, path, name, known)) };
                check_keys(source_name, inner, example, &key)?;
            }
        }
        (other, Value::Object(known)) => {
            let keys = known.keys().cloned().collect::<Vec<_>>().join(", ");
            let remedy =
                format!("write {{…}} here{}", if keys.is_empty() { keys } else { format!(" with any of: {keys}") });
            return Err(Error::config(source_name, path, format!("is {other}, expected an object {{…}}"), remedy));
        }
        (Value::Object(_), _) => {
            if let Some(known) = optional(path) {
                check_keys(source_name, value, &known, path)?;
            }
        }
        (Value::Array(items), _) => {
            if let Some(known) = optional(path) {
                for (i, item) in items.iter().enumerate().filter(|(_, item)| item.is_object()) {
                    check_keys(source_name, item, &known, &format!("{path}[{i}]"))?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// The keys of an optional object, or of the objects in a list.
fn optional(path: &str) -> Option<Value> {
    Some(match path {
        "data.static_columns" => json!({"name": "", "encoding": "", "categories": []}),
        "film.levels" => json!({"columns": [], "hidden_dim": 0}),
        "data.filters" => json!({"column": "", "min": 0, "max": 0, "equals": [], "not": []}),
        "data.prepare.baseline" | "data.prepare.window" => json!({"from_ms": 0, "to_ms": 0}),
        "data.prepare.band_pass" => json!({"low_hz": 0, "high_hz": 0, "order": 0}),
        _ => return None,
    })
}

fn unknown_key(source_name: &str, path: &str, name: &str, known: &Map<String, Value>) -> Error {
    let remedy = match nearest(name, known.keys().map(String::as_str)) {
        Some(near) => format!("did you mean `{}`?", dotted(path, near)),
        None => match home_of(name) {
            Some(key) => format!("did you mean `{key}`?"),
            None => format!("known here: {}", known.keys().cloned().collect::<Vec<_>>().join(", ")),
        },
    };
    Error::config(source_name, dotted(path, name), "unknown key", remedy)
}

/// The full key of a name in the wrong section.
fn home_of(name: &str) -> Option<String> {
    let known = flatten(&schema());
    known.into_keys().find(|key| key.rsplit('.').next() == Some(name))
}

/// The leaves of nested objects by dotted key, as JSON text; a list is a leaf.
pub(super) fn flatten(value: &Value) -> BTreeMap<String, String> {
    fn walk(value: &Value, key: String, leaves: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(name, v)| walk(v, dotted(&key, name), leaves)),
            leaf => _ = leaves.insert(key, leaf.to_string()),
        }
    }
    let mut leaves = BTreeMap::new();
    walk(value, String::new(), &mut leaves);
    leaves
}

fn dotted(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_string() } else { format!("{parent}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config> {
        Config::from_json("a.json", text, &[])
    }

    fn with(text: &str, overrides: &[&str]) -> Result<Config> {
        let overrides: Vec<String> = overrides.iter().map(|s| s.to_string()).collect();
        Config::from_json("a.json", text, &overrides)
    }

    /// Asserts that the message contains all `parts`, and that the exit code is that of a usage error.
    #[track_caller]
    fn refused(result: Result<Config>, parts: &[&str]) {
        let error = result.expect_err("should be refused");
        let message = error.to_string();
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn every_shipped_configuration_loads_and_survives_writing() {
        let mut count = 0;
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/configs")).unwrap() {
            let path = entry.unwrap().path();
            let config = Config::load(&path, &[]).unwrap_or_else(|e| panic!("{e}")).resolved();
            assert_eq!(config, read(&config.to_json_pretty()).unwrap(), "{}", path.display());
            count += 1;
        }
        assert!(count >= 7, "{count} files");
    }

    #[test]
    fn the_documented_file_is_the_default_but_for_its_kl_weight_and_may_keep_two_sections_only() {
        let text = include_str!("../../../configs/film_config.json");
        let documented = read(text).unwrap().resolved();
        let mut plain = Config::default().resolved();
        plain.film.description = documented.film.description.clone();
        let kl_weight = ("training.kl_weight", "0.01", "0.007");
        assert_eq!(documented.differences(&plain), [kl_weight].map(|(k, a, b)| (k.into(), a.into(), b.into())));

        let mut value: Value = serde_json::from_str(text).unwrap();
        value.as_object_mut().unwrap().retain(|name, _| name == "model" || name == "film");
        assert_eq!(read(&value.to_string()).unwrap().resolved(), plain);
        assert_eq!(read("{}").unwrap(), Config::default());
    }

    #[test]
    fn a_file_is_read_in_utf_8_and_utf_16_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let load = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            Config::load(file.path(), &[])
        };
        let text = r#"{"data": {"path": "Zoë.csv"}}"#;
        let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        for bytes in [format!("\u{feff}{text}").into_bytes(), utf_16(text), utf_16(&format!("\u{feff}{text}"))] {
            assert_eq!(load(&bytes).unwrap(), read(text).unwrap(), "{bytes:?}");
        }
        let name = file.path().to_str().unwrap();
        let latin_1: Vec<u8> = text.chars().map(|c| c as u8).collect();
        refused(load(&latin_1), &[name, "not in UTF-8, but perhaps in Windows-1252", "help: save it as UTF-8"]);
        refused(load(&utf_16(text)[..9]), &[name, "begins as UTF-16, but line 1 is not", "help: save it as UTF-8"]);
    }

    #[test]
    fn syntax_errors_name_line_and_column() {
        refused(read("{\n  \"model\": {,}\n}"), &["a.json: line 2, column 13", "not valid JSON", "help:"]);
        refused(read(""), &["line 1", "EOF"]);
        refused(read(r#"{"film": {}, "film": {}}"#), &["a.json: line 1, column 19", "duplicate field `film`"]);
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        let misspelt = r#"{"training": {"num_epoch": 3}}"#;
        refused(read(misspelt), &["a.json: training.num_epoch: unknown key", "`training.num_epochs`?"]);
        refused(read(r#"{"modle": {}}"#), &["modle", "`model`?"]);
        refused(read(r#"{"training": {"scheduler": {"t_max": 3}}}"#), &["`training.scheduler.T_max`?"]);
        refused(read(r#"{"model": {"eta_min": 3}}"#), &["`training.scheduler.eta_min`?"]);
        refused(read(r#"{"model": {"xyz": 3}}"#), &["model.xyz", "known here: signal_length, static_dim"]);
        let column = r#"{"data": {"static_columns": [{"name": "a", "encodng": "log"}]}}"#;
        refused(read(column), &["data.static_columns[0].encodng", "`data.static_columns[0].encoding`?"]);
        assert!(read(r#"{"data": {"synth": {"fixed": {"level_db": 60}}}}"#).is_ok());
    }

    #[test]
    fn wrong_types_say_wanted_and_got() {
        refused(
            read(r#"{"training": {"num_epochs": "many"}}"#),
            &["a.json: training.num_epochs: ", "string \"many\"", "expected a whole number", "the default is 150"],
        );
        refused(read(r#"{"training": {"num_epochs": -1}}"#), &["`-1`", "expected a whole number"]);
        refused(read(r#"{"training": {"learning_rate": true}}"#), &["boolean `true`", "expected a number"]);
        refused(read(r#"{"model": {"encoder_dims": 5}}"#), &["model.encoder_dims", "expected a list"]);
        refused(read(r#"{"model": {"encoder_dims": [5, "x"]}}"#), &["model.encoder_dims[1]"]);
        refused(read(r#"{"model": 5}"#), &["a.json: model: is 5, expected an object {…}", "any of: signal_length, "]);
        refused(read("[]"), &["a.json: is [], expected an object", "any of: model, film"]);
        refused(with("{}", &["training.scheduler=constant"]), &["--set", "training.scheduler", "any of: type, T_max"]);
        refused(
            read(r#"{"training": {"scheduler": {"type": "cosin"}}}"#),
            &["training.scheduler.type", "`cosin`", "`cosine`"],
        );
        refused(read(r#"{"data": {"static_columns": [3]}}"#), &["data.static_columns[0]", "a column's name or"]);
    }

    #[test]
    fn overrides_reach_every_depth_and_errors_name_the_flag() {
        let config = with(
            r#"{"training": {"num_epochs": 5}}"#,
            &["training.num_epochs=3", "data.path=a b.csv", "data.synth.fixed.level_db=60", "training.seed=null"],
        )
        .unwrap();
        assert_eq!((config.training.num_epochs, config.training.seed), (3, None));
        assert_eq!(config.data.path.as_deref(), Some("a b.csv"));
        assert_eq!(config.data.synth.fixed["level_db"], 60.0);
        assert_eq!(with("{}", &["data.path=2024"]).unwrap().data.path.as_deref(), Some("2024"));

        refused(with("{}", &["training.num_epoch=3"]), &["--set training.num_epoch=3", "`training.num_epochs`?"]);
        refused(with("{}", &["training.num_epochs=x"]), &["--set training.num_epochs=x", "expected a whole number"]);
        refused(with("{}", &["training.batch_size=1"]), &["--set training.batch_size=1", "2 or more"]);
        refused(with("{}", &["training.batch_size"]), &["not KEY=VALUE", "--set training.num_epochs=3"]);
        // a flag replaces the value of its key, even an object
        let cleared = with("{}", &["data.synth.fixed.level_db=60", "data.synth.fixed={}"]).unwrap();
        assert!(cleared.data.synth.fixed.is_empty());
        // the flag corrects the error in the file
        assert!(with(r#"{"training": {"batch_size": 1}}"#, &["training.batch_size=2"]).is_ok());
    }

    #[test]
    fn differences_are_dotted_and_complete() {
        let mine = with("{}", &["training.num_epochs=3", "data.synth.fixed.level_db=60"]).unwrap();
        let found = mine.differences(&Config::default());
        let wanted = [("data.synth.fixed.level_db", "60.0", "unset"), ("training.num_epochs", "3", "150")];
        assert_eq!(found, wanted.map(|(k, a, b)| (k.to_string(), a.to_string(), b.to_string())));
    }
}
