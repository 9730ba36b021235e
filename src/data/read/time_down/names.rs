//! What the names of the columns say: the unit of the times, what is one value per recording, levels, units of samples.

use crate::config::Unit;
use crate::data::read::columns::{self, Holds};

/// The unit that the name of a column of times states, `None` inside if it states none; `None` for another name.
pub fn time_unit(name: &str) -> Option<Option<f64>> {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let unit = match words[..] {
        ["time" | "t" | "times"] => None,
        ["time" | "t" | "times" | "latency", unit] | [unit] => Some(match unit {
            "ms" | "msec" | "milliseconds" => 1.0,
            "s" | "sec" | "seconds" => 1000.0,
            "us" | "usec" | "µs" | "μs" | "µsec" | "microseconds" => 1e-3,
            _ => return None,
        }),
        _ => return None,
    };
    // `s` alone may name anything
    (lower != "s").then_some(unit)
}

/// Our name for a column or line that holds one value per recording; `None` for a name that is not known.
pub fn known(name: &str) -> Option<&'static str> {
    match columns::meaning(name) {
        Some(Holds::Subject) => return Some("subject_id"),
        Some(Holds::Ear) => return Some("ear"),
        Some(Holds::Frequency(Some(1000.0))) => return Some("frequency_khz"),
        Some(Holds::Frequency(_)) => return Some("frequency_hz"),
        Some(Holds::Number(ours)) => return Some(ours),
        _ => {}
    }
    // what MNE and psiexperiment write beside the traces
    let plain = name.to_ascii_lowercase();
    match plain.trim() {
        "chan" => Some("channel"),
        "epoch_n" => Some("n_averages"),
        _ => ["channel", "condition", "epoch", "trial", "sweep", "run", "polarity", "date"]
            .into_iter()
            .find(|ours| *ours == plain.trim()),
    }
}

/// A name without the unit in parentheses or brackets at its end.
pub fn without_unit(name: &str) -> (String, Option<Unit>) {
    let open = name.rfind(['(', '[']);
    let unit = open.and_then(|at| {
        let symbol = name[at + 1..].trim_end_matches([')', ']', ' ']).replace(['µ', 'μ'], "u");
        Unit::ALL.into_iter().find(|unit| unit.symbol().eq_ignore_ascii_case(&symbol))
    });
    match (open, unit) {
        (Some(at), Some(_)) => (name[..at].trim().to_string(), unit),
        _ => (name.trim().to_string(), None),
    }
}

/// What a column is named after: `30 dB`, `Level 30 dB SPL`, `30 dB left`, `30`.
#[derive(Debug, PartialEq)]
pub struct Level {
    pub db: f64,
    /// What the name says beside the level: an ear or a channel.
    pub rest: String,
    /// Whether the name is a number alone, which may mean anything.
    pub bare: bool,
}

impl Level {
    /// The level in a name; `None` if there is none.
    pub fn of(name: &str) -> Option<Level> {
        let db = name.to_ascii_lowercase().find("db");
        let (before, behind) = db.map_or((name, ""), |at| (&name[..at], &name[at + 2..]));
        let before = before.trim_end_matches([' ', '_']);
        let prefix = before.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
        let number = &before[prefix.len()..];
        // the hyphen of `Cz-30dB` is no sign
        let joined = prefix.ends_with(char::is_alphanumeric);
        let number = if joined { number.trim_start_matches('-') } else { number };
        let level: f64 = number.parse().ok().filter(|level: &f64| level.is_finite())?;
        let rest = words(prefix, &["level", "intensity"]).chain(words(behind, &SCALES)).collect::<Vec<_>>().join(" ");
        let bare = db.is_none() && prefix.is_empty();
        // `A1` and `Ch 2` are channels
        (db.is_some() || rest.is_empty()).then_some(Level { db: level, rest, bare })
    }
}

/// What stands behind `dB`.
const SCALES: [&str; 6] = ["spl", "nhl", "hl", "pespl", "ehl", "pe"];

fn words<'a>(text: &'a str, but: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let separates = |c: char| c.is_whitespace() || "_-,;()[]".contains(c);
    text.split(separates).filter(|word| !word.is_empty() && !but.contains(&word.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_told_from_what_stands_beside_it() {
        for (name, db, rest) in [
            ("30 dB", 30.0, ""),
            ("Level 30 dB nHL", 30.0, ""),
            ("-5dBSPL", -5.0, ""),
            ("level_30", 30.0, ""),
            ("30 dB pe SPL", 30.0, ""),
            ("30 dB L", 30.0, "L"),
            ("30 dB SPL (left ear)", 30.0, "left ear"),
            ("Cz-30dB", 30.0, "Cz"),
            ("R_30_dB", 30.0, "R"),
        ] {
            assert_eq!(Level::of(name), Some(Level { db, rest: rest.to_string(), bare: false }), "{name}");
        }
        assert_eq!(Level::of("30"), Some(Level { db: 30.0, rest: String::new(), bare: true }));
        for channel in ["", "Cz", "A1", "Ch 2", "feedback", "dB", "Fp1-M2", "µ 3"] {
            assert_eq!(Level::of(channel), None, "{channel}");
        }
    }
}
