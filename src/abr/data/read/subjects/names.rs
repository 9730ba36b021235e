//! Removes the parts of a file's name that do not belong to the subject.

/// Removes the level at the end of a name, with the ear and the stimulus beside it: `TEMP-08-60db` and `TEMP-08_L 20dB
/// SPL` are one subject, which must not be in two parts of a split. An ear without a level must be spelled out.
pub fn without_level(stem: &str) -> &str {
    let (mut rest, mut level) = (stem, false);
    loop {
        let end = rest.trim_end_matches(BETWEEN);
        let shorter = strip_level(end);
        level |= shorter.is_some();
        match shorter.or_else(|| strip_ear(end, &["left", "right", "L", "R", "LE", "RE"])).or_else(|| strip_tone(end)) {
            Some(shorter) => rest = shorter,
            None => break,
        }
    }
    let who = if level { rest } else { strip_ear(stem, &["left", "right"]).unwrap_or(stem) };
    let who = who.trim_end_matches(BETWEEN);
    if who.is_empty() { stem } else { who }
}

/// Separators between the parts of a name.
const BETWEEN: [char; 7] = [' ', '_', '-', '.', ',', '(', ')'];

fn strip_level(name: &str) -> Option<&str> {
    let scales = ["pe spl", "pespl", "spl", "nhl", "ehl", "hl"];
    let bare = strip_one(name, &scales).map_or(name, |bare| bare.trim_end_matches(BETWEEN));
    let number = strip_one(bare, &["db"])?.trim_end_matches([' ', '_']);
    let whole = without_digits(number)?;
    let point = whole.strip_suffix('.').and_then(without_digits).filter(|name| name.ends_with(['-', '_', ' ', '(']));
    Some(point.unwrap_or(whole))
}

fn strip_ear<'a>(name: &'a str, ears: &[&str]) -> Option<&'a str> {
    let bare = strip_one(name, &["ear"]).map_or(name, |bare| bare.trim_end_matches(BETWEEN));
    strip_one(bare, ears).filter(|name| name.ends_with(BETWEEN))
}

fn strip_tone(name: &str) -> Option<&str> {
    let tone = || {
        let whole = without_digits(strip_one(name, &["khz", "hz"])?.trim_end_matches([' ', '_']))?;
        Some(whole.strip_suffix('.').and_then(without_digits).unwrap_or(whole))
    };
    strip_one(name, &["click", "clicks"]).or_else(tone).filter(|name| name.ends_with(BETWEEN))
}

fn without_digits(name: &str) -> Option<&str> {
    Some(name.trim_end_matches(|c: char| c.is_ascii_digit())).filter(|shorter| shorter.len() < name.len())
}

/// Removes the first of `ends` that the text ends with, ignoring case.
fn strip_one<'a>(text: &'a str, ends: &[&str]) -> Option<&'a str> {
    ends.iter().find_map(|end| {
        let (rest, found) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
        found.eq_ignore_ascii_case(end).then_some(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::without_level;

    #[test]
    fn a_level_an_ear_and_a_stimulus_are_no_part_of_a_name() {
        for (stem, who) in [
            ("TEMP-08-60db", "TEMP-08"),
            ("A1 20dB SPL", "A1"),
            ("B2_20dBnHL", "B2"),
            ("B2-20 dB eHL", "B2"),
            ("B2.20dBpeSPL", "B2"),
            ("C3_20dB_L", "C3"),
            ("C3_20_dB_HL_right", "C3"),
            ("C3 (20 dB SPL)", "C3"),
            ("C3_left_20dB", "C3"),
            ("C3 R -5dB", "C3"),
            ("D4_8kHz_62.5dB", "D4"),
            ("D4-click-60dB-left ear", "D4"),
            ("m160db", "m"),
            ("E5_left", "E5"),
            ("E5 Right Ear", "E5"),
            // a single letter, a number or a stimulus alone may be the name
            ("E5_L", "E5_L"),
            ("E5-20", "E5-20"),
            ("E5_8kHz", "E5_8kHz"),
            ("60dB", "60dB"),
            ("bright", "bright"),
            ("F6dBase", "F6dBase"),
            ("Müller_20dB", "Müller"),
        ] {
            assert_eq!(without_level(stem), who, "{stem}");
        }
    }
}
