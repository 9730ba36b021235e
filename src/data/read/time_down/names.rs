//! What the names of the columns say: the unit of the times, what is one value per recording, levels, units of samples.

use crate::config::Unit;

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
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    Some(match plain.as_str() {
        "subject" | "subjectid" | "subid" | "patient" | "patientid" | "id" | "animal" | "animalid" | "mouse" => {
            "subject_id"
        }
        "ear" | "side" | "testear" => "ear",
        "freq" | "freqhz" | "frequency" | "frequencyhz" | "stimfreq" | "stimfreqhz" | "stimulus"
        | "stimulusfrequency" => "frequency_hz",
        "freqkhz" | "frequencykhz" | "stimfreqkhz" => "frequency_khz",
        "level" | "leveldb" | "leveldbspl" | "leveldbnhl" | "intensity" | "intensitydb" | "intensitydbnhl"
        | "intensitydbspl" | "stimuluslevel" | "stimulusleveldb" => "level_db",
        "rate" | "ratehz" | "stimrate" | "stimulusrate" | "clickrate" | "rates" => "rate_hz",
        "averages" | "naverages" | "noavgs" | "noaverages" | "sweeps" | "nsweeps" | "numberofsweeps" | "epochn" => {
            "n_averages"
        }
        "artifacts" | "nartifacts" | "noarts" | "noartifacts" | "rejected" => "n_artifacts",
        "threshold" | "thresholddb" | "thresholddbspl" | "thresholddbnhl" => "threshold_db",
        "channel" | "chan" => "channel",
        "condition" => "condition",
        "epoch" => "epoch",
        "trial" => "trial",
        "sweep" => "sweep",
        "run" => "run",
        "polarity" => "polarity",
        "date" => "date",
        _ => return None,
    })
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
