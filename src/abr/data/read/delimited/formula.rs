//! Cells that a spreadsheet would run as formulas.
//!
//! A spreadsheet takes a cell for a formula if it begins with `=`, `+`, `-`, `@`, a tab or a carriage return. In a
//! table that this program writes, such a text begins with an apostrophe, the mark by which spreadsheets tell text;
//! numbers have none. Reading removes it. A text that begins so after apostrophes of its own gets one more: every text
//! is read back as it was.

/// Whether a text needs the mark.
pub fn is_formula(text: &str) -> bool {
    let plain = text.trim_start_matches('\'');
    let begins = plain.starts_with(['=', '+', '-', '@', '\t', '\r']);
    begins && (plain.len() < text.len() || !plain.parse::<f64>().is_ok_and(f64::is_finite))
}

/// A cell's text without the mark, which is one apostrophe before any others and the beginning of a formula.
pub fn without_mark(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r']) => text,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_text_is_read_as_it_was() {
        for text in ["=1+1", "+cmd", "-x", "-", "@sum", "\tx", "\r=1", "'=1", "''-5", "'-5"] {
            assert!(is_formula(text), "{text}");
            assert_eq!(without_mark(&format!("'{text}")), text);
        }
        for text in ["", "-5", "+5e3", "-.5", "a=b", "'", "'tis", "5-", " =1"] {
            assert!(!is_formula(text), "{text}");
            assert_eq!(without_mark(text), text);
        }
    }
}
