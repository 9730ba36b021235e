//! Decodes the text of files in the encodings that editors and recorders use.

use crate::error::escaped;
use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::sync::LazyLock;

/// The remedy for text that cannot be decoded.
pub const SAVE_AS_UTF_8: &str = "save it as UTF-8: editors and spreadsheets offer the encoding where they save";

/// The encoding of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextEncoding {
    Utf8,
    /// In either byte order.
    Utf16,
    /// The encoding of older Western programs; it includes Latin-1.
    Windows1252,
}

impl Display for TextEncoding {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(match self {
            TextEncoding::Utf8 => "UTF-8",
            TextEncoding::Utf16 => "UTF-16",
            TextEncoding::Windows1252 => "Windows-1252",
        })
    }
}

/// The text with its first letter in upper case.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// The text with its control characters escaped as in JSON, except line ends and tabs. A name in a file could otherwise
/// hide text on a terminal, or change its title.
pub fn printable(text: &str) -> Cow<'_, str> {
    // the last ones change the order of letters
    escaped(text, |c| {
        (c.is_control() && !"\n\t".contains(c)) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

/// The text with each number of more than 20 digits in scientific form, as `1e300`. Other long digits, such as those of
/// a name, stay.
pub fn short_numbers(text: &str) -> Cow<'_, str> {
    static DIGITS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[0-9]+(\.[0-9]+)?").expect("a valid expression"));
    DIGITS.replace_all(text, |found: &Captures| match found[0].parse::<f64>() {
        Ok(number) if found[0].len() > 20 && number.to_string() == found[0] => format!("{number:e}"),
        _ => found[0].to_string(),
    })
}

/// The text of a whole file, without its byte-order mark. It is UTF-8 or UTF-16, with or without a mark; anything else
/// is decoded as Windows-1252, in which all bytes are valid. A caller that must be sure refuses Windows-1252.
///
/// No character is ever replaced, so different files never decode to the same text.
///
/// # Errors
/// A description of the problem: bytes that are invalid in the encoding of their mark, broken UTF-16, or UTF-32.
pub fn decode(bytes: &[u8]) -> Result<(Cow<'_, str>, TextEncoding), String> {
    if [b"\xff\xfe\0\0", b"\0\0\xfe\xff"].iter().any(|mark| bytes.starts_with(*mark)) {
        return Err("it is in UTF-32, which is not read".to_string());
    }
    let (found, content) = match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, mark)) => (encoding, &bytes[mark..]),
        None => (without_mark(bytes), bytes),
    };
    let encoding = match found {
        found if found == UTF_8 => TextEncoding::Utf8,
        found if found == WINDOWS_1252 => TextEncoding::Windows1252,
        _ => TextEncoding::Utf16,
    };
    match found.decode_without_bom_handling_and_without_replacement(content) {
        Some(text) => Ok((text, encoding)),
        None => Err(format!("it begins as {encoding}, but line {} is not", line_of_fault(found, content))),
    }
}

/// The UTF-16 byte order of a text with this beginning, detected by its mark or by the zero bytes of ASCII characters.
pub fn utf_16(begin: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    if let Some((encoding, _)) = encoding_rs::Encoding::for_bom(begin) {
        return Some(encoding).filter(|&encoding| encoding != UTF_8);
    }
    // eight characters are enough; two are the minimum
    let begin = begin.get(..16).unwrap_or(begin);
    let is_ascii = |byte: u8| byte.is_ascii_graphic() || b" \t\r\n".contains(&byte);
    let every_pair = |high: usize, low: usize| {
        begin.len() >= 4 && begin.chunks_exact(2).all(|pair| pair[high] == 0 && is_ascii(pair[low]))
    };
    match (every_pair(1, 0), every_pair(0, 1)) {
        (true, _) => Some(UTF_16LE),
        (_, true) => Some(UTF_16BE),
        _ => None,
    }
}

/// The likely encoding of a text without a mark.
fn without_mark(bytes: &[u8]) -> &'static encoding_rs::Encoding {
    match (utf_16(bytes), std::str::from_utf8(bytes)) {
        (Some(encoding), _) => encoding,
        (None, Ok(_)) => UTF_8,
        (None, Err(_)) => WINDOWS_1252,
    }
}

/// The line, from 1, of the first bytes that are invalid in an encoding.
fn line_of_fault(encoding: &'static encoding_rs::Encoding, bytes: &[u8]) -> usize {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let most = decoder.max_utf8_buffer_length_without_replacement(bytes.len()).expect("as long as the file");
    let mut before = String::with_capacity(most);
    let _ = decoder.decode_to_string_without_replacement(bytes, &mut before, true);
    before.matches('\n').count() + 1
}

/// The candidate closest to a misspelt `name`, if any is close.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name,µV\r\nZoë,1\r\n€😀,2\r\n";

    fn utf_16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes_of).collect()
    }

    /// Decodes bytes that must be valid.
    #[track_caller]
    fn decoded(bytes: &[u8]) -> (String, TextEncoding) {
        let (text, encoding) = decode(bytes).unwrap();
        (text.into_owned(), encoding)
    }

    #[test]
    fn control_characters_are_shown_and_long_numbers_short() {
        assert_eq!(printable("a\x1b[2J\u{9b}b\r\u{202e}\n\tµ"), "a\\u001b[2J\\u009bb\\u000d\\u202e\n\tµ");
        let numbers = format!("{}. {}, {} 12345678901234567890123 20000.5", 1e300, -1e-300, f32::MAX);
        assert_eq!(short_numbers(&numbers), "1e300. -1e-300, 3.4028235e38 12345678901234567890123 20000.5");
    }

    #[test]
    fn utf_8_and_utf_16_give_one_text_with_a_mark_or_without() {
        let utf_8 = TEXT.as_bytes().to_vec();
        // without a mark, the beginning must be ASCII
        let plain = format!("subject,{TEXT}");
        for (bytes, text, encoding) in [
            (utf_8.clone(), TEXT, TextEncoding::Utf8),
            ([b"\xef\xbb\xbf".to_vec(), utf_8].concat(), TEXT, TextEncoding::Utf8),
            ([b"\xff\xfe".to_vec(), utf_16(TEXT, u16::to_le_bytes)].concat(), TEXT, TextEncoding::Utf16),
            ([b"\xfe\xff".to_vec(), utf_16(TEXT, u16::to_be_bytes)].concat(), TEXT, TextEncoding::Utf16),
            (utf_16(&plain, u16::to_le_bytes), &plain, TextEncoding::Utf16),
            (utf_16(&plain, u16::to_be_bytes), &plain, TextEncoding::Utf16),
            (utf_16("{}", u16::to_le_bytes), "{}", TextEncoding::Utf16),
            (Vec::new(), "", TextEncoding::Utf8),
            (b"a".to_vec(), "a", TextEncoding::Utf8),
        ] {
            assert_eq!(decoded(&bytes), (text.to_string(), encoding), "{bytes:?}");
        }
        assert!(matches!(decode(TEXT.as_bytes()), Ok((Cow::Borrowed(_), _))), "UTF-8 is not copied");
    }

    #[test]
    fn other_bytes_are_windows_1252_and_all_differ() {
        assert_eq!(decoded(b"Zo\xeb,\x80 5"), ("Zoë,€ 5".to_string(), TextEncoding::Windows1252));
        // each byte after one that makes the text invalid UTF-8
        let texts: std::collections::HashSet<String> = (0..=255).map(|byte| decoded(&[byte, 0xe9]).0).collect();
        assert_eq!(texts.len(), 256);
        // numbers of two bytes, not characters
        assert_eq!(decoded(&[1, 0, 2, 0, 3, 0]).1, TextEncoding::Utf8);
    }

    #[test]
    fn what_breaks_the_encoding_it_begins_with_is_refused_with_its_line() {
        let cut = |mut bytes: Vec<u8>| {
            bytes.pop();
            [b"\xff\xfe".to_vec(), bytes].concat()
        };
        let lone = [utf_16("headings\n", u16::to_le_bytes), vec![0x3d, 0xd8, b'x', 0]].concat();
        for (bytes, problem) in [
            (b"\xef\xbb\xbfa\nb\nZo\xeb\n".to_vec(), "it begins as UTF-8, but line 3 is not"),
            (cut(utf_16("a\nb", u16::to_le_bytes)), "it begins as UTF-16, but line 2 is not"),
            (lone, "it begins as UTF-16, but line 2 is not"),
            (b"\xff\xfe\0\0a\0\0\0".to_vec(), "it is in UTF-32, which is not read"),
            (b"\0\0\xfe\xff\0\0\0a".to_vec(), "it is in UTF-32, which is not read"),
        ] {
            assert_eq!(decode(&bytes).unwrap_err(), problem);
        }
    }

    #[test]
    fn nearest_finds_typing_errors_and_nothing_far_off() {
        let names = ["level_db", "rate_hz", "age_years"];
        assert_eq!(nearest("levl_dB", names), Some("level_db"));
        assert_eq!(nearest("ratehz", names), Some("rate_hz"));
        assert_eq!(nearest("quux", names), None);
    }
}
