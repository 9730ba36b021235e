//! `docs/config.md` is made from the code: keys and their meaning from the fields and doc comments in `src/abr/config`,
//! defaults from `Config::default()`. `ABR_FILM_WRITE_DOCS=1 cargo test --test config_reference` writes it.

#![cfg(feature = "abr")]

use abr_film::config::Config;
use common::root;
use serde_json::Value;
use std::fmt::Write;

const PAGE: &str = "docs/config.md";
const WRITE: &str = "ABR_FILM_WRITE_DOCS";
const FILES: [&str; 5] = ["mod.rs", "conditioning.rs", "data.rs", "prepare.rs", "examples.rs"];

const HEAD: &str = "# Configuration keys

This page lists every key of a configuration file, with its default and its meaning.

Every key is optional, except where the default is *required*. `--set SECTION.KEY=VALUE` overrides one on the command line, and
`config.json` in a run folder shows all of them as they were used. [Training](training.md#configuration) describes the
configurations in `configs/` and the choice of the most important keys.

`cargo test --test config_reference` compares this page with the code; with the variable `ABR_FILM_WRITE_DOCS=1` it writes the
page.
";

/// A struct, or an enum, as its source has it.
struct Definition {
    name: String,
    doc: String,
    is_enum: bool,
    /// Whether serde takes the variant from the value, without its name.
    untagged: bool,
    parts: Vec<Part>,
}

/// A field, or a variant.
#[derive(Default)]
struct Part {
    /// As in the file.
    key: String,
    doc: String,
    /// The type of a field, or of the content of a variant.
    of: String,
    /// What serde takes for a missing field, if it may be missing.
    default: Option<String>,
    fields: Vec<Part>,
}

/// The lines before an item or a part of one.
#[derive(Default)]
struct Above {
    doc: Vec<String>,
    attributes: String,
}

impl Above {
    /// Whether it takes the line.
    fn takes(&mut self, line: &str) -> bool {
        let inside = self.attributes.matches('[').count() > self.attributes.matches(']').count();
        match line.strip_prefix("///") {
            Some(doc) => self.doc.push(doc.trim().to_string()),
            None if inside || line.starts_with("#[") => self.attributes += line,
            None => return false,
        }
        true
    }

    /// The value of an attribute of serde: `rename = "type"`.
    fn value(&self, attribute: &str) -> Option<String> {
        let (_, rest) = self.attributes.split_once(&format!("{attribute} = \""))?;
        rest.split('"').next().map(String::from)
    }

    /// The first paragraph, without links of rustdoc.
    fn doc(&self) -> String {
        let lines: Vec<&str> = self.doc.iter().map(String::as_str).take_while(|line| !line.is_empty()).collect();
        lines.join(" ").replace("[`", "`").replace("`]", "`")
    }
}

/// The structs and enums of a source that serde reads.
fn definitions(source: &str) -> Vec<Definition> {
    let (mut found, mut above) = (Vec::new(), Above::default());
    let mut lines = source.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if above.takes(line) {
            continue;
        }
        let above = std::mem::take(&mut above);
        let kind = ["pub struct ", "pub enum "].iter().position(|kind| line.starts_with(kind));
        let (Some(kind), true) = (kind, above.attributes.contains("Deserialize")) else { continue };
        let name = line.trim_end_matches(" {").split(' ').next_back().expect("a name").to_string();
        let snake = above.value("rename_all").is_some_and(|rule| rule == "snake_case");
        let (is_enum, untagged) = (kind == 1, above.attributes.contains("untagged"));
        let parts = parts(&mut lines, source, is_enum && snake);
        found.push(Definition { name, doc: above.doc(), is_enum, untagged, parts });
    }
    found
}

/// The fields or variants up to the closing brace.
fn parts<'a>(lines: &mut impl Iterator<Item = &'a str>, source: &str, snake: bool) -> Vec<Part> {
    let (mut found, mut above) = (Vec::new(), Above::default());
    while let Some(line) = lines.next().filter(|line| !line.starts_with('}')) {
        if above.takes(line) {
            continue;
        }
        let above = std::mem::take(&mut above);
        let line = line.trim_start_matches("pub ").trim_end_matches(',');
        let (name, of) = match (line.split_once(": "), line.split_once('(')) {
            (Some((name, of)), _) => (name, of),
            (_, Some((name, of))) => (name, of.trim_end_matches(')')),
            _ => (line.trim_end_matches(" {"), ""),
        };
        let fields = if line.ends_with('{') { parts(lines, source, false) } else { Vec::new() };
        let key = above.value("rename").unwrap_or(if snake { snake_case(name) } else { name.to_string() });
        let default = above.attributes.contains("default").then(|| match above.value("default") {
            // a function of one line
            Some(function) => body(source, &function),
            None => "null".to_string(),
        });
        // what no file has
        if !above.attributes.contains("serde(skip)") {
            found.push(Part { key, doc: above.doc(), of: of.to_string(), default, fields });
        }
    }
    found
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for (i, c) in name.char_indices() {
        if i > 0 && c.is_uppercase() {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

fn body(source: &str, function: &str) -> String {
    let (_, rest) = source.split_once(&format!("fn {function}()")).expect("the function of a default");
    rest.lines().nth(1).expect("a body").trim().to_string()
}

/// The page while it is made.
struct Reference {
    definitions: Vec<Definition>,
    page: String,
    /// Keys and values without a meaning.
    without: Vec<String>,
}

impl Reference {
    fn definition(&self, of: &str) -> Option<&Definition> {
        let inner = of.trim_end_matches('>').rsplit('<').next().expect("a type");
        self.definitions.iter().find(|definition| definition.name == inner)
    }

    /// A meaning as a cell of a table; `place` is for the message if there is none.
    fn meaning(&mut self, doc: &str, place: String) -> String {
        if doc.is_empty() {
            self.without.push(place);
        }
        doc.replace('|', "\\|")
    }

    /// The section of an object with the fields of a struct, and after it those of the objects in it.
    fn section(&mut self, path: &str, name: &str, defaults: Option<&Value>) {
        let at = self.definitions.iter().position(|definition| definition.name == name).expect("a struct");
        let (doc, fields) = (self.definitions[at].doc.clone(), std::mem::take(&mut self.definitions[at].parts));
        if !path.is_empty() {
            write!(self.page, "\n## `{path}`\n\n{doc}\n").expect("text");
            self.table(path, &fields, defaults);
        }
        self.types(path, &fields, defaults);
        self.definitions[at].parts = fields;
    }

    fn table(&mut self, path: &str, fields: &[Part], defaults: Option<&Value>) {
        self.page += "\n| key | default | meaning |\n| --- | --- | --- |\n";
        for field in fields {
            let of_type = self.definition(&field.of).map_or(String::new(), |definition| definition.doc.clone());
            let doc = if field.doc.is_empty() { of_type } else { field.doc.clone() };
            let mut meaning = self.meaning(&doc, format!("{path}.{}", field.key));
            let section = format!("{path}.{}", field.key).replace('.', "");
            let default = match (defaults.map(|defaults| &defaults[&field.key]), &field.default) {
                (Some(Value::Object(keys)), _) if !keys.is_empty() => {
                    format!("[its keys](#{section})")
                }
                (Some(value), _) => {
                    if self.definition(&field.of).is_some_and(|inside| !inside.is_enum) {
                        meaning += &format!(" [Its keys](#{section}).");
                    }
                    format!("`{value}`")
                }
                (None, Some(value)) => format!("`{value}`"),
                (None, None) => "*required*".to_string(),
            };
            writeln!(self.page, "| `{}` | {default} | {meaning} |", field.key).expect("text");
        }
    }

    /// What keys may hold, where the configuration defines their type: first the values of enums, then the sections of
    /// objects.
    fn types(&mut self, path: &str, fields: &[Part], defaults: Option<&Value>) {
        let full = |field: &Part| {
            let of_many = if field.of.contains("Vec<") { "[]" } else { "" };
            let dot = if path.is_empty() { "" } else { "." };
            format!("{path}{dot}{}{of_many}", field.key)
        };
        let mut enums: Vec<(String, Vec<String>)> = Vec::new();
        let mut structs = Vec::new();
        for field in fields {
            match self.definition(&field.of) {
                Some(Definition { name, is_enum: true, .. }) => match enums.iter_mut().find(|(of, _)| of == name) {
                    Some((_, paths)) => paths.push(full(field)),
                    None => enums.push((name.clone(), vec![full(field)])),
                },
                Some(Definition { name, .. }) => structs.push((name.clone(), field)),
                None => {}
            }
        }
        for (name, paths) in enums {
            self.values(&paths, &name);
        }
        for (name, field) in structs {
            let default = defaults.map(|defaults| &defaults[&field.key]).filter(|value| value.is_object());
            self.section(&full(field), &name, default);
        }
    }

    /// The values of an enum, which the keys at these paths may hold.
    fn values(&mut self, paths: &[String], name: &str) {
        let path = &paths[0];
        let all = paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        let at = self.definitions.iter().position(|definition| definition.name == name).expect("an enum");
        let (untagged, variants) = (self.definitions[at].untagged, std::mem::take(&mut self.definitions[at].parts));
        write!(self.page, "\n| value of {all} | meaning |\n| --- | --- |\n").expect("text");
        for variant in &variants {
            let fields = variant.fields.iter().map(|field| format!("\"{}\": …", field.key)).collect::<Vec<_>>();
            let value = match variant.of.as_str() {
                "String" => "a text".to_string(),
                "f64" => "a number".to_string(),
                "" if fields.is_empty() => format!("`\"{}\"`", variant.key),
                "" => format!("`{{\"{}\": {{{}}}}}`", variant.key, fields.join(", ")),
                of => match self.definition(of).expect("a type of the configuration") {
                    words if words.is_enum => words.parts.iter().map(|word| format!("`\"{}\"`", word.key)).collect(),
                    keys => {
                        let keys = keys.parts.iter().map(|part| format!("\"{}\": …", part.key)).collect::<Vec<_>>();
                        format!("`{{{}}}`", keys.join(", "))
                    }
                },
            };
            let meaning = self.meaning(&variant.doc, format!("{path}: {}", variant.key));
            writeln!(self.page, "| {value} | {meaning} |").expect("text");
        }
        for variant in &variants {
            if !variant.fields.is_empty() {
                let path = format!("{path}.{}", variant.key);
                write!(self.page, "\nThe keys in `{path}`:\n").expect("text");
                self.table(&path, &variant.fields, None);
                self.types(&path, &variant.fields, None);
            } else if untagged && self.definition(&variant.of).is_some_and(|inside| !inside.is_enum) {
                write!(self.page, "\nThe keys of such an object:\n").expect("text");
                let inside = self.definitions.iter().position(|definition| definition.name == variant.of);
                let inside = inside.expect("a struct");
                let fields = std::mem::take(&mut self.definitions[inside].parts);
                self.table(path, &fields, None);
                self.types(path, &fields, None);
                self.definitions[inside].parts = fields;
            }
        }
        self.definitions[at].parts = variants;
    }
}

fn source(file: &str) -> String {
    std::fs::read_to_string(root().join("src/abr/config").join(file)).expect("a source")
}

#[test]
fn the_reference_is_what_the_code_says() {
    let definitions = FILES.iter().flat_map(|file| definitions(&source(file))).collect();
    let mut reference = Reference { definitions, page: HEAD.to_string(), without: Vec::new() };
    let defaults = serde_json::to_value(Config::default()).expect("a configuration");
    reference.section("", "Config", Some(&defaults));
    assert!(reference.without.is_empty(), "no doc comment says what these mean: {:#?}", reference.without);
    if std::env::var(WRITE).is_ok_and(|value| value == "1") {
        std::fs::write(root().join(PAGE), &reference.page).expect("a written page");
    }
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    let stale = reference.page.lines().zip(page.lines().chain(std::iter::repeat(""))).find(|(new, old)| new != old);
    assert!(page == reference.page, "{PAGE} is stale ({stale:?}): run this test with {WRITE}=1");
}

/// The names of all keys, and of those in objects.
fn keys(value: &Value) -> Vec<String> {
    let own = value.as_object().into_iter().flatten();
    own.flat_map(|(key, value)| [vec![key.clone()], keys(value)].concat()).collect()
}

/// The sources are read as they are written: this finds what was not read.
#[test]
fn no_key_is_left_out() {
    let page = std::fs::read_to_string(root().join(PAGE)).expect("the page");
    let keys = keys(&serde_json::to_value(Config::default()).expect("a configuration"));
    assert!(keys.len() > 80, "only {} keys", keys.len());
    for key in keys {
        let there = ["\n| `", "\n## `"].iter().any(|before| page.contains(&format!("{before}{key}`")));
        assert!(there, "{PAGE} lacks {key}");
    }
}
