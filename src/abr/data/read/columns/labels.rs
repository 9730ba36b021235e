//! Peak labels in column names.

use crate::data::PEAK_COLUMNS;

/// Parses a label in words: a wave (I, III, V; 1, 3, 5; first, third, fifth) and `latency` or `amplitude`, in any
/// order. Returns the index into [`PEAK_COLUMNS`] and the factor to our unit; `None` for an amplitude without a unit.
pub(super) fn label(name: &str) -> Option<(usize, Option<f64>)> {
    let own = PEAK_COLUMNS.iter().position(|peak| peak.eq_ignore_ascii_case(name));
    if let Some(own) = own {
        return Some((own, Some(1.0)));
    }
    let spaced: String = name.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    let (mut wave, mut latency, mut factor) = (None, None, None);
    for word in spaced.split_whitespace() {
        let found = match word {
            "i" | "1" | "first" | "1st" | "p1" | "w1" | "wi" | "wave1" | "wavei" => Some(0),
            "iii" | "3" | "third" | "3rd" | "p3" | "w3" | "wiii" | "wave3" | "waveiii" => Some(1),
            "v" | "5" | "fifth" | "5th" | "p5" | "w5" | "wv" | "wave5" | "wavev" => Some(2),
            _ => None,
        };
        match (found, word) {
            (Some(_), _) if wave.is_some() => return None,
            (Some(_), _) => wave = found,
            (_, "latency" | "lat" | "latencies") => latency = Some(true),
            (_, "amplitude" | "amp" | "ampl") => latency = Some(false),
            (_, "nv" | "us" | "µs" | "μs") => factor = Some(1e-3),
            (_, "mv" | "s") => return None,
            (_, "ms" | "uv" | "µv" | "μv") => factor = Some(1.0),
            (_, "wave" | "peak" | "abr" | "of" | "the") => {}
            _ => return None,
        }
    }
    let (wave, latency) = (wave?, latency?);
    Some(if latency { (wave, factor.or(Some(1.0))) } else { (wave + PEAK_COLUMNS.len() / 2, factor) })
}
