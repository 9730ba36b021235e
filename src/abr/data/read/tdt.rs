//! Code that the readers of TDT's BioSig formats share.

use super::{ReadOutcome, Recording};

/// The exact rate of a TDT processor near a computed one, which is inexact because durations have six digits.
pub fn sample_rate_hz(computed: f64) -> f64 {
    // 25 MHz divided by powers of two: 195312.5, 97656.25, 48828.125, 24414.0625, … Hz
    let exact = (7..=14).map(|power| 25e6 / f64::from(1 << power));
    exact.into_iter().find(|exact| (computed / exact - 1.0).abs() < 1e-5).unwrap_or(computed)
}

/// Words after which `left` and `right` do not mean an ear: `left early`, `right after noise`.
const NO_EAR: [&str; 10] = ["early", "after", "before", "at", "the", "over", "out", "alone", "away", "behind"];

/// The ear that free text names. A single letter counts as an ear if it is a word without a point; with a point it may
/// be an initial.
pub fn ear(text: &str) -> Option<&'static str> {
    let (mut found, mut rest) = (None, text.trim());
    while let Some(start) = rest.find(char::is_alphabetic) {
        let before = rest[..start].chars().next_back();
        let end = rest[start..].find(|c: char| !c.is_alphabetic()).map_or(rest.len(), |length| start + length);
        let word = rest[start..end].to_lowercase();
        rest = &rest[end..];
        let joins = |c: Option<char>, marks: &str| c.is_some_and(|c| c.is_alphanumeric() || marks.contains(c));
        let next = rest.trim_start().split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        let ear = match word.as_str() {
            "left" | "right" if rest.starts_with(' ') && NO_EAR.contains(&next) => continue,
            "l" | "r" if rest != "." && (joins(before, "'’") || joins(rest.chars().next(), ".'’")) => continue,
            "left" | "l" => "L",
            "right" | "r" => "R",
            _ => continue,
        };
        if found.is_some_and(|other| other != ear) {
            return None;
        }
        found = Some(ear);
    }
    found
}

/// Whether a variable, in lower case, is a parameter of the two tones that evoke distortion products.
pub fn is_one_of_two_tones(variable: &str) -> bool {
    ["f1", "f2", "l1", "l2", "freq1", "freq2", "f2/f1", "f1/f2"].contains(&variable)
}

/// The recordings of all groups of a file.
#[derive(Default)]
pub struct CollectedGroups {
    recordings: Vec<Recording>,
    /// The onset delays that are not 0, in ms.
    delays_ms: Vec<f64>,
    /// Skipped groups: their number of records, and why these are no ABRs.
    others: Vec<(usize, String)>,
}

impl CollectedGroups {
    /// Adds a group's recordings and their onset delays.
    pub fn add(&mut self, recordings: Vec<Recording>, delays_ms: Vec<f64>) {
        self.recordings.extend(recordings);
        self.delays_ms.extend(delays_ms.into_iter().filter(|&delay| delay != 0.0));
    }

    /// Skips a group of `records` records that are no ABRs.
    pub fn leave_out(&mut self, records: usize, reason: String) {
        self.others.push((records, reason));
    }

    /// Whether there are neither recordings nor skipped groups.
    pub fn is_empty(&self) -> bool {
        self.recordings.is_empty() && self.others.is_empty()
    }

    /// The recordings with notices. A file with only other responses holds no ABRs.
    pub fn finish(self) -> ReadOutcome {
        if let (true, Some((_, reason))) = (self.recordings.is_empty(), self.others.first()) {
            return ReadOutcome::NotAbr(reason.clone());
        }
        let left_out = |(records, reason): &(usize, String)| format!("{records} records were left out: {reason}");
        let mut notices: Vec<String> = self.others.iter().map(left_out).collect();
        notices.extend(delay_notice(&self.delays_ms));
        ReadOutcome::Recordings { recordings: self.recordings, subject: None, notices }
    }
}

/// A notice about onset delays other than 0, in ms.
pub fn delay_notice(delays_ms: &[f64]) -> Option<String> {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for &delay in delays_ms {
        (least, most) = (least.min(delay), most.max(delay));
    }
    let range = if least == most { least.to_string() } else { format!("{least} to {most}") };
    (!delays_ms.is_empty()).then(|| {
        format!(
            "{} records have an onset delay ({range} ms), and the file does not state whether it shifts the stimulus \
             or the recording: the time of their first sample is unknown; give it with --t0-ms, or in the \
             configuration (data.t0_ms)",
            delays_ms.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ear_is_a_word_and_no_part_of_a_name() {
        for (text, ear) in [
            ("Left Ear", Some("L")),
            ("R", Some("R")),
            ("l.", Some("L")),
            ("L ear, click", Some("L")),
            ("M1_R", Some("R")),
            ("(R)", Some("R")),
            ("left, 2 weeks after noise", Some("L")),
            ("left ear; R. Jones", Some("L")),
            ("left and right", None),
            ("recorded by L. Smith", None),
            ("animal left early; R. Jones", None),
            ("right after noise", None),
            ("l'animal 3", None),
            ("M2R4", None),
            ("brightness", None),
        ] {
            assert_eq!(super::ear(text), ear, "{text}");
        }
    }

    #[test]
    fn onset_delays_are_counted_with_their_range() {
        assert_eq!(delay_notice(&[]), None);
        assert!(delay_notice(&[1.1]).unwrap().starts_with("1 records have an onset delay (1.1 ms), and"));
        assert!(delay_notice(&[1.5, -0.5, 1.0]).unwrap().starts_with("3 records have an onset delay (-0.5 to 1.5 ms)"));
    }
}
