//! Detects whether commas or points are decimal marks.

use std::borrow::Cow;

/// The decimal mark of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decimals {
    Point,
    Comma,
    /// Undecided: all numbers are whole or ambiguous, such as `2.000`, which may be 2 or 2000; or points are at least
    /// as frequent as commas. Each number is then read only if it has a single meaning.
    Unknown,
}

/// Writes a number with a decimal point. `None` if a mark may separate thousands or decimals: `2.000` in a table with
/// decimal commas, and also `2,000` if the decimal mark is unknown.
pub fn plain_number(cell: &str, decimals: Decimals) -> Option<Cow<'_, str>> {
    if decimals == Decimals::Point || !cell.contains([',', '.']) {
        return Some(Cow::Borrowed(cell));
    }
    if is_grouped(cell, '.') || (decimals == Decimals::Unknown && is_grouped(cell, ',')) {
        return None;
    }
    Some(match cell.split_once(',') {
        Some((whole, fraction)) if !whole.contains('.') || is_grouped(whole, '.') => {
            format!("{}.{fraction}", whole.replace('.', "")).into()
        }
        // `1.5,2` is no number
        _ => Cow::Borrowed(cell),
    })
}

/// The remedy for a cell that is no number because of a comma between thousands or a decimal comma.
pub fn without_comma(cell: &str) -> Option<String> {
    let point = cell.replacen(',', ".", 1);
    let decimal = cell.contains(',') && point.parse::<f64>().is_ok();
    match is_grouped(cell, ',') {
        true if decimal => Some(format!("write {} or {point}", cell.replace(',', ""))),
        true => Some(format!("write {}", cell.replace(',', ""))),
        false => decimal.then(|| "use a decimal point".to_string()),
    }
}

/// The problem of a number that is ambiguous for [`plain_number`], and the remedy.
pub fn ambiguous(cell: &str, decimals: Decimals) -> (String, String) {
    let mark = if cell.contains('.') { "point" } else { "comma" };
    let whole = cell.replace(['.', ','], "");
    let remedy = match decimals {
        Decimals::Unknown => {
            format!("write {whole} or {cell}0: the other numbers of this table do not show what points and commas mean")
        }
        _ => format!("write {whole} or {}: commas are decimal points in this table", cell.replacen('.', ",", 1)),
    };
    (format!("\"{cell}\" may have a decimal {mark} or a {mark} between thousands"), remedy)
}

/// Whether a mark may separate thousands in a number: `2.000`, `-1.234.567`, but not `0.125`.
fn is_grouped(cell: &str, mark: char) -> bool {
    let digits = |group: &str| group.bytes().all(|b| b.is_ascii_digit());
    let mut groups = cell.trim_start_matches(['-', '+']).split(mark);
    let first = groups.next().unwrap_or_default();
    cell.contains(mark)
        && (1..=3).contains(&first.len())
        && digits(first)
        && !first.starts_with('0')
        && groups.all(|group| group.len() == 3 && digits(group))
}

/// What a single cell shows about the decimal mark.
pub fn decimals_of(cell: &str) -> Decimals {
    if is_grouped(cell, '.') || is_grouped(cell, ',') {
        return Decimals::Unknown;
    }
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    match cell.contains(',') {
        true if plain_number(cell, Decimals::Comma).is_some_and(|plain| is_number(&plain)) => Decimals::Comma,
        false if cell.contains('.') && is_number(cell) => Decimals::Point,
        _ => Decimals::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_and_decimals_are_told_apart_or_not_read() {
        let number = |cell| plain_number(cell, Decimals::Comma).map(Cow::into_owned);
        for (cell, plain) in [
            ("0,5", "0.5"),
            ("-1,25", "-1.25"),
            ("1.234,5", "1234.5"),
            ("-1.234.567,0", "-1234567.0"),
            ("0.125", "0.125"),
            ("1.5", "1.5"),
            ("1e-3", "1e-3"),
            ("2000", "2000"),
        ] {
            assert_eq!(number(cell).as_deref(), Some(plain), "{cell}");
        }
        assert_eq!((number("2.000"), number("-1.234.567")), (None, None));
        assert!(number("1.5,2").unwrap().parse::<f64>().is_err() && number("1,2,3").unwrap().parse::<f64>().is_err());
        assert_eq!(plain_number("2.000", Decimals::Point).as_deref(), Some("2.000"));
        let unknown = |cell| plain_number(cell, Decimals::Unknown).map(Cow::into_owned);
        assert_eq!((unknown("2.000"), unknown("-2,000"), unknown("x,y").as_deref()), (None, None, Some("x.y")));
    }
}
