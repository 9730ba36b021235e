//! A variant: a way of conditioning, with options, or other keys.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The options of FiLM, as a variant names them: name, key, and the value of a variant that names no value.
const OPTIONS: [(&str, &str, &str); 4] = [
    ("gate", "film.gate", "true"),
    ("mixing", "film.mixing", "true"),
    ("encoder", "film.encoder", "true"),
    ("rank", "film.rank", "8"),
];

/// The values of the options of a variant that does not name them.
const OFF: [(&str, &str); 4] =
    [("film.gate", "false"), ("film.mixing", "false"), ("film.encoder", "false"), ("film.rank", "null")];

/// One variant of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// As the user named it, such as `film+gate`.
    pub name: String,
    /// What it sets in the configuration, as `KEY=VALUE`.
    pub settings: Vec<String>,
}

impl Variant {
    /// Reads `CONDITIONING[+OPTION[=VALUE]]…`: a value of `model.conditioning`, then options of FiLM (`gate`, `mixing`,
    /// `encoder`, `rank`, `levels`) or any `KEY=VALUE`. An option that is not named is off.
    ///
    /// # Errors
    /// When a part is neither an option nor `KEY=VALUE`.
    pub fn parse(text: &str) -> Result<Variant> {
        let mut parts = text.split('+').map(str::trim);
        let Some(conditioning) = parts.next().filter(|name| !name.is_empty()) else {
            return Err(Error::usage("a variant has no name", "such as none,film,film+gate"));
        };
        let parts: Vec<&str> = parts.collect();
        let mut settings = vec![format!("model.conditioning={conditioning}")];
        settings.extend(OFF.iter().map(|(key, value)| format!("{key}={value}")));
        if !parts.contains(&"levels") {
            settings.push("film.levels=[]".to_string());
        }
        for part in parts.into_iter().filter(|part| *part != "levels") {
            let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
            match (OPTIONS.iter().find(|(option, ..)| *option == name), value) {
                (Some((_, key, default)), value) => settings.push(format!("{key}={}", value.unwrap_or(default))),
                (None, Some(value)) if name.contains('.') => settings.push(format!("{name}={value}")),
                (None, _) => {
                    return Err(Error::usage(
                        format!("{text}: {part:?} is no option"),
                        "after a + comes gate, mixing, encoder, rank or rank=N, levels (with film.levels in the \
                         configuration), or KEY=VALUE",
                    ));
                }
            }
        }
        Ok(Variant { name: text.to_string(), settings })
    }

    /// Variants separated by commas; commas within brackets, braces and quotes belong to a value.
    ///
    /// # Errors
    /// As [`Variant::parse`].
    pub fn list(text: &str) -> Result<Vec<Variant>> {
        split_values(text).into_iter().map(Variant::parse).collect()
    }

    /// All combinations with the values of a grid `KEY=VALUE,VALUE,…`; commas within brackets, braces and quotes belong
    /// to a value.
    ///
    /// # Errors
    /// When the text is not of this form.
    pub fn grid(variants: &[Variant], text: &str) -> Result<Vec<Variant>> {
        let form = || Error::usage(format!("--grid {text}: not KEY=VALUE,VALUE,…"), "such as film.hidden_dim=8,64");
        let (key, values) = text.split_once('=').filter(|(key, _)| key.contains('.')).ok_or_else(form)?;
        let values = split_values(values);
        if values.iter().any(|value| value.is_empty()) {
            return Err(form());
        }
        let with = |variant: &Variant, value: &&str| {
            let mut settings = variant.settings.clone();
            settings.push(format!("{key}={value}"));
            Variant { name: format!("{}+{key}={value}", variant.name), settings }
        };
        Ok(variants.iter().flat_map(|variant| values.iter().map(move |value| with(variant, value))).collect())
    }
}

/// Splits at commas outside of brackets, braces and quotes.
fn split_values(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut start, mut values) = (0_i32, false, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                values.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    values.push(text[start..].trim());
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_sets_what_it_names_and_nothing_else() {
        let variant = Variant::parse("film+gate+rank=4+training.batch_size=64").unwrap();
        let set = |key: &str| {
            let mut own = variant.settings.iter().filter_map(|s| s.split_once('=')).filter(|(k, _)| *k == key);
            own.next_back().map(|(_, value)| value.to_string())
        };
        assert_eq!(set("model.conditioning").as_deref(), Some("film"));
        assert_eq!(set("film.gate").as_deref(), Some("true"));
        assert_eq!(set("film.mixing").as_deref(), Some("false"));
        assert_eq!(set("film.rank").as_deref(), Some("4"));
        assert_eq!(set("film.levels").as_deref(), Some("[]"));
        assert_eq!(set("training.batch_size").as_deref(), Some("64"));
        assert!(Variant::parse("film+levels").unwrap().settings.iter().all(|s| !s.starts_with("film.levels")));
        assert!(Variant::parse("film+gates").unwrap_err().to_string().contains("gates"));
    }

    #[test]
    fn a_grid_is_every_combination() {
        let variants = [Variant::parse("film").unwrap(), Variant::parse("none").unwrap()];
        let all = Variant::grid(&variants, "model.decoder_dims=[8,16],[32,64]").unwrap();
        let all = Variant::grid(&all, "film.hidden_dim=8,64").unwrap();
        assert_eq!(all.len(), 8);
        assert_eq!(all[1].name, "film+model.decoder_dims=[8,16]+film.hidden_dim=64");
        assert!(all[7].settings.ends_with(&["model.decoder_dims=[32,64]".into(), "film.hidden_dim=64".into()]));
        assert!(Variant::grid(&variants, "hidden=8").is_err() && Variant::grid(&variants, "a.b=1,,2").is_err());
    }
}
