//! Words in recorders' headers: stimuli, and responses that are no ABRs.

use super::{Recording, SourceFile, text};
use crate::error::Result;

/// The stimulus that a header states.
#[derive(Debug, Clone, PartialEq)]
pub enum Stimulus {
    Click,
    /// A tone, by its frequency in Hz.
    Tone(f64),
    /// Any other stimulus, by its name: `noise`, `chirp`, a sound file.
    Other(String),
}

/// The unit of a frequency that states none itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FrequencyUnit {
    Hz,
    Khz,
}

impl Stimulus {
    /// Parses a header's value: a frequency (0 stands for a click), a word, or the path of a sound file. `None` if it
    /// is empty.
    ///
    /// # Errors
    /// [`Error::Input`](crate::error::Error::Input) for a number that is no frequency, such as `-1` or `11,3`.
    pub fn parse(
        source: &SourceFile,
        line: usize,
        what: &str,
        value: &str,
        unit: FrequencyUnit,
    ) -> Result<Option<Stimulus>> {
        let lower = value.trim().to_lowercase();
        let (number, unit) = match (lower.strip_suffix("khz"), lower.strip_suffix("hz")) {
            (Some(number), _) => (number.trim(), FrequencyUnit::Khz),
            (_, Some(number)) => (number.trim(), FrequencyUnit::Hz),
            _ => (lower.as_str(), unit),
        };
        Ok(match number.parse::<f64>() {
            Ok(0.0) => Some(Stimulus::Click),
            Ok(hz) if hz > 0.0 && hz.is_finite() && unit == FrequencyUnit::Hz => Some(Stimulus::Tone(hz)),
            Ok(khz) if khz > 0.0 && khz.is_finite() => Some(Stimulus::Tone(text::hz_from_khz(khz))),
            Err(_) if lower.is_empty() => None,
            Err(_) if lower == "click" || lower == "clicks" => Some(Stimulus::Click),
            Err(_) if number.contains(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ',' | ' ')) => {
                let file = value.trim().rsplit(['/', '\\']).next().unwrap_or_default();
                Some(Stimulus::Other(file.to_string()))
            }
            _ => {
                let problem =
                    format!("{what} should be a frequency or a stimulus' name, but is `{}`", text::excerpt(value));
                return Err(source.line(line, problem));
            }
        })
    }

    /// Interprets a number in a column without a unit: 0 is a click, and 200 or more is a tone in Hz, because no
    /// stimulus reaches 200 kHz. `None` for a number that may be in Hz or kHz, and for columns that are no frequency.
    pub fn without_unit(name: &str, number: f64) -> Option<Stimulus> {
        match number {
            _ if !name.to_lowercase().contains("freq") => None,
            0.0 => Some(Stimulus::Click),
            hz => (hz >= 200.0 && hz.is_finite()).then_some(Stimulus::Tone(hz)),
        }
    }

    /// Adds the stimulus to a recording: as `frequency_hz`, or as `stimulus` if it has no frequency.
    pub fn add_to(&self, recording: &mut Recording) {
        match self {
            Stimulus::Click => recording.add_column("frequency_hz", "click"),
            Stimulus::Tone(hz) => recording.add_column("frequency_hz", hz),
            Stimulus::Other(name) => recording.add_column("stimulus", name),
        }
    }
}

/// Distortion-product emissions.
pub const DPOAE: &str = "otoacoustic emissions (DPOAE)";

const VEMP: &str = "vestibular evoked potentials (VEMP, VsEP)";
const ECOCHG: &str = "electrocochleography (ECochG)";
const ASSR: &str = "auditory steady-state responses (ASSR)";

/// Parts of words that occur in no other word.
const PARTS: [(&str, &str); 9] = [
    ("vemp", VEMP),
    ("vsep", VEMP),
    // not `vestibular` alone: ABRs are recorded in patients with vestibular schwannomas
    ("vestibular evoked", VEMP),
    ("dpoae", DPOAE),
    ("dpgram", DPOAE),
    ("teoae", "otoacoustic emissions (TEOAE)"),
    ("otoacoustic", "otoacoustic emissions"),
    ("ecochg", ECOCHG),
    ("electrocochleo", ECOCHG),
];

/// Whole words, which also occur inside other words.
const WORDS: [(&str, &str); 5] = [
    ("oae", "otoacoustic emissions"),
    ("oaes", "otoacoustic emissions"),
    ("ecog", ECOCHG),
    ("assr", ASSR),
    ("assrs", ASSR),
];

/// Words that show that a note is about something other than the recording itself: `OAE absent`, `after VEMP`, `ABR and
/// ASSR`.
const ASIDE: [&str; 17] = [
    "abr", "abrs", "absent", "present", "normal", "abnormal", "pass", "passed", "fail", "failed", "refer", "no", "not",
    "without", "after", "before", "post",
];

/// The response other than an ABR that a text names, ignoring case. The text is the name of a test, a group or a
/// stimulus.
pub fn other_response(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let part = PARTS.iter().find(|(part, _)| text.contains(part));
    let word = || WORDS.iter().find(|(word, _)| words(&text).any(|w| w == *word));
    part.or_else(word).map(|(_, response)| *response)
}

/// The same for a free note. The note does not count if it also names ABRs, or the result or time of another test.
pub fn other_response_in_note(note: &str) -> Option<&'static str> {
    let is_aside = |word: &str| ASIDE.iter().any(|aside| word.eq_ignore_ascii_case(aside));
    other_response(note).filter(|_| !words(note).any(is_aside))
}

/// Names of columns and lines that state the kind of test, in lower-case letters and digits.
const TESTS: [&str; 14] = [
    "test",
    "testtype",
    "testname",
    "typeoftest",
    "protocol",
    "protocolname",
    "type",
    "recordingtype",
    "exam",
    "paradigm",
    "modality",
    "condition",
    "stimulus",
    "stimulustype",
];

/// Whether a column or line with this name states the kind of test.
pub fn names_test(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    TESTS.contains(&plain.as_str())
}

/// The first line of a text that states a test other than an ABR: its number, its name and the response. One of
/// `separators` ends the line's name.
pub fn other_test<'a>(text: &'a str, separators: &[char]) -> Option<(usize, &'a str, &'static str)> {
    text::lines(text).find_map(|(number, line)| {
        let (name, value) = line.split_once(separators)?;
        let response = other_response_in_note(value).filter(|_| names_test(name))?;
        Some((number, name.trim_matches(|c: char| !c.is_alphanumeric()), response))
    })
}

/// The words of a text: its runs of letters.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stimulus_is_a_frequency_a_click_or_a_name() {
        let parse = |value: &str, unit| {
            let source = SourceFile::in_memory("x", Vec::new());
            Stimulus::parse(&source, 3, "`FREQ`", value, unit).map_err(|error| error.to_string())
        };
        for (value, unit, hz) in [
            ("16.00", FrequencyUnit::Khz, 16_000.0),
            (" 11.3", FrequencyUnit::Khz, 11_300.0),
            ("4000", FrequencyUnit::Hz, 4000.0),
            ("4 kHz", FrequencyUnit::Hz, 4000.0),
            ("500Hz", FrequencyUnit::Khz, 500.0),
        ] {
            assert_eq!(parse(value, unit), Ok(Some(Stimulus::Tone(hz))), "{value}");
        }
        for click in ["click", "Clicks", "0", "0.00"] {
            assert_eq!(parse(click, FrequencyUnit::Khz), Ok(Some(Stimulus::Click)), "{click}");
        }
        for (value, name) in [
            ("noise", "noise"),
            ("Chirp", "Chirp"),
            (r"C:\stim\rising.wav", "rising.wav"),
            ("/stim/a b.wav", "a b.wav"),
            ("4-16 kHz", "4-16 kHz"),
        ] {
            assert_eq!(parse(value, FrequencyUnit::Khz), Ok(Some(Stimulus::Other(name.to_string()))), "{value}");
        }
        assert_eq!(parse("  ", FrequencyUnit::Khz), Ok(None));
        for bad in ["-1", "11,3", "1,000 Hz", "inf", "NaN"] {
            let message = parse(bad, FrequencyUnit::Khz).unwrap_err();
            assert!(message.contains("line 3: `FREQ` should be a frequency or a stimulus' name, but is"), "{message}");
        }
    }

    #[test]
    fn other_responses_are_named_by_words_not_by_letters() {
        for (text, expected) in [
            ("cVEMP right", "vestibular"),
            ("VsEP", "vestibular"),
            (r"C:\TDT\DPOAE_4to32k", "(DPOAE)"),
            ("TEOAE", "(TEOAE)"),
            ("OAE-2", "otoacoustic emissions"),
            ("EcochG", "electrocochleography"),
            ("Vestibular evoked potential", "vestibular"),
            ("ASSR 40 Hz", "steady-state"),
        ] {
            assert!(other_response(text).is_some_and(|response| response.contains(expected)), "{text}");
            assert_eq!(other_response_in_note(text), other_response(text), "{text}");
        }
        for text in ["", "Click 0.1 ms", "classroom", "ABR", "recognition", "vestibular schwannoma", "37.1/s"] {
            assert_eq!(other_response(text), None, "{text}");
        }
        for note in ["ABR and ASSR", "OAE absent", "after VEMP", "OAEs: pass", "DPOAE not tested"] {
            assert!(other_response(note).is_some());
            assert_eq!(other_response_in_note(note), None, "{note}");
        }
    }
}
