//! Finds the unit of the samples that a table with one row per recording states.

use super::SourceFile;
use super::delimited::Layout;
use super::text;
use crate::config::Unit;
use crate::error::{Error, Result};
use std::borrow::Cow;

const REMEDY: &str = "write V, mV, uV or nV; if it is not the unit of the samples, rename or remove it";

/// Parses a voltage unit from its symbol or word.
pub fn parse(text: &str) -> Option<Unit> {
    let plain = text.trim().to_lowercase().replace(['µ', 'μ'], "u");
    Some(match ["volts", "volt", "v"].into_iter().find_map(|volts| plain.strip_suffix(volts))? {
        "" => Unit::Volt,
        "m" | "milli" => Unit::Millivolt,
        "u" | "micro" => Unit::Microvolt,
        "n" | "nano" => Unit::Nanovolt,
        _ => return None,
    })
}

/// Whether a column, an array or a line with this name states the unit of the samples.
pub fn is_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).rev();
    matches!(words.next(), Some("unit" | "units"))
        && words.all(|word| ["sample", "samples", "data", "signal", "voltage"].contains(&word))
}

/// The unit in `Data(nV)...`, BioSig's mark before the samples; `None` for any other name.
pub fn of_mark(name: &str) -> Option<&str> {
    let rest = name.get(..4).filter(|begin| begin.eq_ignore_ascii_case("data")).map(|_| name[4..].trim_start())?;
    rest.strip_prefix(['(', '['])?.trim_end_matches(['.', '…', ' ']).strip_suffix([')', ']'])
}

/// The unit that a table's column names or the lines before them state.
///
/// # Errors
/// An unknown unit, or two different ones.
pub fn of_table<'a>(
    source: &SourceFile,
    layout: &Layout,
    names: impl Iterator<Item = Cow<'a, str>>,
) -> Result<Option<Unit>> {
    let preamble = layout.preamble(source)?;
    let lines = text::lines(&preamble).filter_map(|(line, text)| {
        let mut parts = text.split([':', '=', ',', ';', '\t']).map(plain);
        let (name, value) = (parts.next()?, parts.find(|value| !value.is_empty())?);
        is_name(name).then(|| (format!("line {line}"), value.to_string()))
    });
    let place = |name: &str| format!("line {}, column `{name}`", layout.header_line);
    let marks = names.filter_map(|name| Some((place(&name), of_mark(&name)?.to_string())));
    let mut found: Option<Unit> = None;
    for (place, stated) in lines.chain(marks) {
        let unit = parse(&stated).ok_or_else(|| unknown(source, &place, &stated))?;
        if let Some(other) = found.replace(unit).filter(|other| *other != unit) {
            let problem = format!("the samples are in {unit}, but a line above states {other}");
            return Err(source.error(place, problem, "correct or remove the one that is wrong"));
        }
    }
    Ok(found)
}

/// The error for an unknown unit.
pub fn unknown(source: &SourceFile, place: &str, stated: &str) -> Error {
    source.error(place, format!("`{}` is no unit of voltage that is known here", text::excerpt(stated)), REMEDY)
}

fn plain(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || "\"'#;%\u{feff}".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_known_by_symbol_and_word() {
        for (texts, unit) in [
            ("V volt Volts", Unit::Volt),
            ("mV MV millivolts", Unit::Millivolt),
            ("uV µV μv Microvolt", Unit::Microvolt),
            ("nV NV nanovolts", Unit::Nanovolt),
        ] {
            assert!(texts.split(' ').all(|text| parse(text) == Some(unit)), "{texts}");
        }
        assert!(["", "dB", "ms", "uPa", "kV", "uVs", "10 nV"].into_iter().all(|text| parse(text).is_none()));
    }

    #[test]
    fn the_units_of_samples_have_known_names() {
        assert!(["unit", "Units", "Sample units", "data_unit"].into_iter().all(is_name));
        assert!(
            ["", "Level unit", "units per s", "community", "amplitude_unit"].into_iter().all(|name| !is_name(name))
        );
        for (name, unit) in [("Data(nv)...", Some("nv")), ("data [µV]", Some("µV")), ("Data", None), ("Date(V)", None)]
        {
            assert_eq!(of_mark(name), unit, "{name}");
        }
    }
}
