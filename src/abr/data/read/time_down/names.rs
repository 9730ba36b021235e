//! Parses column names: the unit of times, values per recording, levels, stimuli, units of samples.

use crate::config;
use crate::data::read::columns::{self, ColumnKind};
use crate::data::read::vocabulary::{FrequencyUnit, Stimulus};
use crate::data::read::{tdt, text};

/// The unit in the name of a time column, in ms; `Some(None)` if the name states none; `None` for any other name.
pub fn time_unit(name: &str) -> Option<Option<f64>> {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let unit = match words[..] {
        ["time" | "t" | "times" | "zeit"] => None,
        ["time" | "t" | "times" | "zeit" | "latency", unit] | [unit] => Some(match unit {
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

/// Our name for a column or line with one value per recording (`frequency` if it has no unit); `None` for an unknown
/// name.
pub fn known(name: &str) -> Option<&'static str> {
    match columns::meaning(name) {
        Some(ColumnKind::Subject) => return Some("subject_id"),
        Some(ColumnKind::Ear) => return Some("ear"),
        Some(ColumnKind::Frequency(Some(1000.0))) => return Some("frequency_khz"),
        Some(ColumnKind::Frequency(Some(_))) => return Some("frequency_hz"),
        Some(ColumnKind::Frequency(None)) => return Some("frequency"),
        Some(ColumnKind::Number(ours)) => return Some(ours),
        _ => {}
    }
    // names that MNE and psiexperiment use
    let plain = name.to_ascii_lowercase();
    match plain.trim() {
        "chan" => Some("channel"),
        "epoch_n" => Some("n_averages"),
        _ => ["channel", "ch_type", "condition", "epoch", "trial", "sweep", "run", "polarity", "date"]
            .into_iter()
            .find(|ours| *ours == plain.trim()),
    }
}

/// Splits off the unit in parentheses or brackets at the end of a name.
fn without_unit(name: &str) -> (String, Option<config::Unit>) {
    let open = name.rfind(['(', '[']);
    let unit = open.and_then(|at| {
        let symbol = name[at + 1..].trim_end_matches([')', ']', ' ']).replace(['µ', 'μ'], "u");
        config::Unit::ALL.into_iter().find(|unit| unit.symbol().eq_ignore_ascii_case(&symbol))
    });
    match (open, unit) {
        (Some(at), Some(_)) => (name[..at].trim().to_string(), unit),
        _ => (name.trim().to_string(), None),
    }
}

/// The parsed name of a sample column.
#[derive(Debug, Default, PartialEq)]
pub struct Named {
    /// The unit of the samples.
    pub unit: Option<config::Unit>,
    pub stimulus: Option<Stimulus>,
    pub level: Option<NamedLevel>,
    /// The rest of the name: an ear or a channel.
    pub rest: String,
}

impl Named {
    pub fn of(name: &str) -> Named {
        let (name, unit) = without_unit(name);
        let (stimulus, name) = take_stimulus(&name).map_or((None, name), |(stimulus, rest)| (Some(stimulus), rest));
        let level = NamedLevel::of(&name);
        let rest = level.as_ref().map_or(name, |level| level.rest.clone());
        let is_average = ["mean", "avg", "average"].contains(&rest.to_lowercase().as_str());
        Named { unit, stimulus, level, rest: if is_average { String::new() } else { rest } }
    }

    /// Whether the column holds a spread or a count instead of the average.
    pub fn is_statistic(&self) -> bool {
        let last = self.rest.rsplit(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty());
        last.is_some_and(|last| STATISTICS.contains(&last.to_lowercase().as_str()))
    }

    /// The ear, if the name contains only an ear beside a level or a stimulus.
    pub fn ear(&self) -> Option<&'static str> {
        let is_ear = |word: &str| tdt::ear(word).is_some() || word.eq_ignore_ascii_case("ear");
        let alone = (self.level.is_some() || self.stimulus.is_some()) && self.rest.split(' ').all(is_ear);
        tdt::ear(&self.rest).filter(|_| alone)
    }

    /// The level, if the name is only a number, which may mean anything.
    pub fn bare_level(&self) -> Option<f64> {
        self.level.as_ref().filter(|level| level.bare).map(|level| level.db)
    }
}

/// Last words of names of columns that are no averages.
const STATISTICS: [&str; 9] = ["sem", "sd", "std", "se", "ci", "n", "var", "diff", "dif"];

/// Splits a click or a tone (`8 kHz`, `16kHz`, `500_Hz`) from a name.
fn take_stimulus(name: &str) -> Option<(Stimulus, String)> {
    let lower = name.to_ascii_lowercase();
    let ends = |end: usize| !lower[end..].starts_with(char::is_alphanumeric);
    let tone = || {
        let end = lower.match_indices("hz").map(|(at, _)| at + 2).find(|&end| ends(end))?;
        let before = &lower[..end - 2];
        let (before, unit) =
            before.strip_suffix('k').map_or((before, FrequencyUnit::Hz), |before| (before, FrequencyUnit::Khz));
        let before = before.trim_end_matches([' ', '_']);
        let prefix = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let number: f64 = before[prefix.len()..].parse().ok().filter(|number| *number > 0.0)?;
        // the band `0.1-3 kHz` is no tone
        let band = prefix.trim_end().strip_suffix(['-', '–']).is_some_and(|from| from.trim_end().ends_with(is_digit));
        let hz = if unit == FrequencyUnit::Khz { text::hz_from_khz(number) } else { number };
        (!band).then_some((Stimulus::Tone(hz), prefix.len(), end))
    };
    let click = || {
        let (start, end) = lower.match_indices("click").map(|(at, word)| (at, at + word.len())).next()?;
        let end = if lower[end..].starts_with('s') { end + 1 } else { end };
        (ends(end) && !lower[..start].ends_with(char::is_alphanumeric)).then_some((Stimulus::Click, start, end))
    };
    let (stimulus, start, end) = tone().or_else(click)?;
    let (before, behind) = (name[..start].trim_end_matches([' ', '_', ',', '-']), &name[end..]);
    // the hyphen of `8kHz-60dB` is no sign
    let rest = format!("{before} {}", behind.strip_prefix('-').unwrap_or(behind)).replace("( )", "");
    Some((stimulus, rest.trim_matches([' ', '_', ',']).to_string()))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// A level in a column name: `30 dB`, `Level 30 dB SPL`, `30 dB left`, `30`.
#[derive(Debug, PartialEq)]
pub struct NamedLevel {
    pub db: f64,
    /// The rest of the name: an ear or a channel.
    pub rest: String,
    /// Whether the name is only a number, which may mean anything.
    pub bare: bool,
}

impl NamedLevel {
    /// The level in a name; `None` if there is none.
    pub fn of(name: &str) -> Option<NamedLevel> {
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
        (db.is_some() || rest.is_empty()).then_some(NamedLevel { db: level, rest, bare })
    }
}

/// Level references after `dB`.
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
            assert_eq!(NamedLevel::of(name), Some(NamedLevel { db, rest: rest.to_string(), bare: false }), "{name}");
        }
        assert_eq!(NamedLevel::of("30"), Some(NamedLevel { db: 30.0, rest: String::new(), bare: true }));
        for channel in ["", "Cz", "A1", "Ch 2", "feedback", "dB", "Fp1-M2", "µ 3"] {
            assert_eq!(NamedLevel::of(channel), None, "{channel}");
        }
    }

    #[test]
    fn a_stimulus_is_told_from_what_stands_beside_it() {
        let tone = |hz| Some(Stimulus::Tone(hz));
        for (name, stimulus, level, rest) in [
            ("8 kHz 60 dB", tone(8000.0), Some(60.0), ""),
            ("16kHz_60dB", tone(16_000.0), Some(60.0), ""),
            ("11.3kHz-60dB left", tone(11_300.0), Some(60.0), "left"),
            ("-5 dB SPL (500 Hz)", tone(500.0), Some(-5.0), ""),
            ("8 kHz -5 dB", tone(8000.0), Some(-5.0), ""),
            ("Click 60 dB SPL", Some(Stimulus::Click), Some(60.0), ""),
            ("Cz, clicks", Some(Stimulus::Click), None, "Cz"),
            ("8 kHz", tone(8000.0), None, ""),
            ("4-16 kHz 60 dB", None, Some(60.0), "4 16 kHz"),
            ("clicked 60 dB", None, Some(60.0), "clicked"),
            ("60 dB mean", None, Some(60.0), ""),
        ] {
            let Named { stimulus: found, level: at, rest: beside, .. } = Named::of(name);
            assert_eq!((found, at.map(|level| level.db), beside.as_str()), (stimulus, level, rest), "{name}");
        }
    }
}
