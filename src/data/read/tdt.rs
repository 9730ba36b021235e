//! What the two formats of TDT's BioSig share.

/// The rates of TDT's processors nearest to a computed one: a duration printed with six digits is not exact.
pub fn sample_rate_hz(computed: f64) -> f64 {
    // 25 MHz divided by powers of two: 195312.5, 97656.25, 48828.125, 24414.0625, … Hz
    let exact = (7..=14).map(|power| 25e6 / f64::from(1 << power));
    exact.into_iter().find(|exact| (computed / exact - 1.0).abs() < 1e-5).unwrap_or(computed)
}

/// The ear that free text names.
pub fn ear(text: &str) -> Option<&'static str> {
    let mut found = None;
    for word in text.split(|c: char| !c.is_alphabetic()) {
        let ear = match word.to_lowercase().as_str() {
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

/// What is to be said of an onset delay, whose sign the recorder's files do not explain.
pub fn delay_notice(records: usize, delay_ms: f64) -> String {
    format!(
        "{records} records have an onset delay (of {delay_ms} ms, the first): the time of their first sample is not known; \
         say t0_ms yourself"
    )
}
