//! Text tables as spreadsheets, R, pandas and recorders write them: finds the header line, the separator, the text
//! encoding and the decimal mark.

mod decimals;
mod formula;
mod record;

pub use decimals::{Decimals, ambiguous, plain_number, without_comma};
pub use formula::{is_formula, without_mark};
pub use record::{Record, TextRecord};

use super::SourceFile;
use super::source::HEAD;
use crate::error::Result;
use crate::text::utf_16;
use decimals::decimals_of;
use record::RecordReader;
use std::borrow::Cow;
use std::io::{BufRead, BufReader, Cursor, Read};

/// The header must be among this many first lines.
const MOST_PREAMBLE: usize = 100;
/// Rows that are searched for decimal marks; more only if these have none.
const PROBED_ROWS: usize = 50;

/// The layout of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub delimiter: u8,
    /// Bytes before the header line, and the number of that line from 1.
    offset: usize,
    pub header_line: usize,
}

impl Layout {
    /// Finds the header line in the beginning of a file: the first line that `is_header` accepts. Any other lines may
    /// come before it, such as `sep=;`.
    pub fn find(head: &[u8], is_header: impl Fn(&LineCells) -> bool) -> Option<Layout> {
        let text = utf8(head);
        let mark = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut named_delimiter = None;
        for (number, (start, line)) in lines(&text[mark..]).take(MOST_PREAMBLE).enumerate() {
            if number == 0 && line.len() == 5 && line[..4].eq_ignore_ascii_case(b"sep=") {
                named_delimiter = Some(line[4]);
                continue;
            }
            let line = with_breaks(&text[mark + start..], line.len());
            let delimiter = named_delimiter.unwrap_or_else(|| delimiter(line));
            if is_header(&LineCells::split(line, delimiter)) {
                return Some(Layout { delimiter, offset: mark + start, header_line: number + 1 });
            }
        }
        None
    }

    /// The cells of the first lines, from the header on, as far as the beginning of the file holds them completely.
    /// Blank lines do not count.
    pub fn first_lines(&self, head: &[u8], count: usize) -> Vec<LineCells> {
        let text = utf8(head);
        let text = text.get(self.offset..).unwrap_or_default();
        let mut reader = RecordReader::new(text, self.delimiter, self.header_line);
        let (mut lines, mut record, cut) = (Vec::new(), Record::default(), head.len() >= HEAD);
        while lines.len() < count && reader.next(&mut record).is_ok_and(|line| line.is_some()) {
            if cut && reader.consumed >= text.len() {
                break;
            }
            if !record.is_blank() {
                lines.push(LineCells(record.clone()));
            }
        }
        lines
    }

    /// The lines before the header.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io).
    pub fn preamble(&self, source: &SourceFile) -> Result<String> {
        let text = utf8(source.head());
        Ok(decode_cell(&text[..self.offset.min(text.len())]).into_owned())
    }

    /// Opens the table at its header line, which is read first.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io), and [`Error::Input`](crate::error::Error::Input) for broken UTF-16.
    pub fn open(&self, source: &SourceFile) -> Result<DelimitedTable> {
        let decimals = if self.delimiter == b',' { Decimals::Point } else { self.decimals(source)? };
        Ok(DelimitedTable { decimals, ..self.start(source)? })
    }

    /// Detects the decimal mark from the first rows. The header alone may fill the head of the file, so this reads on.
    fn decimals(&self, source: &SourceFile) -> Result<Decimals> {
        let (mut table, mut record) = (self.start(source)?, Record::default());
        table.next(source, &mut record)?;
        let (mut commas, mut points, mut rows) = (0_usize, 0_usize, 0);
        while (rows < PROBED_ROWS || commas + points == 0) && table.next(source, &mut record)?.is_some() {
            for cell in record.iter().filter(|cell| cell.iter().any(|b| b",.".contains(b))) {
                match decimals_of(&trimmed(cell)) {
                    Decimals::Comma => commas += 1,
                    Decimals::Point => points += 1,
                    Decimals::Unknown => {}
                }
            }
            rows += 1;
        }
        Ok(match (commas, points) {
            (0, 1..) => Decimals::Point,
            (commas, points) if commas > points => Decimals::Comma,
            _ => Decimals::Unknown,
        })
    }

    fn start(&self, source: &SourceFile) -> Result<DelimitedTable> {
        let mut text: Box<dyn BufRead> = match utf_16(source.head()).is_some() {
            true => Box::new(Cursor::new(source.decoded()?.into_bytes())),
            false => Box::new(BufReader::with_capacity(1 << 16, source.reader()?)),
        };
        std::io::copy(&mut text.by_ref().take(self.offset as u64), &mut std::io::sink())
            .map_err(source.unreadable())?;
        let reader = RecordReader::new(text, self.delimiter, self.header_line);
        Ok(DelimitedTable { reader, decimals: Decimals::Point })
    }
}

/// A table, read from its header on.
pub struct DelimitedTable {
    reader: RecordReader<Box<dyn BufRead>>,
    pub decimals: Decimals,
}

impl DelimitedTable {
    /// Reads the next line of cells. Returns its number in the file from 1, or `None` at the end. Skips lines of empty
    /// cells, which spreadsheets leave behind.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io).
    pub fn next(&mut self, source: &SourceFile, record: &mut Record) -> Result<Option<usize>> {
        loop {
            match self.reader.next(record).map_err(source.unreadable())? {
                Some(_) if record.is_blank() => {}
                line => return Ok(line),
            }
        }
    }
}

/// The I/O error inside a `csv` error, with its kind (a broken pipe, a full disk). The conversion of `csv` drops the
/// kind.
pub fn io_error(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}

/// Decodes a cell: UTF-8, or else Windows-1252 as older programs write. Different bytes give different text.
pub fn decode_cell(cell: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(cell) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(cell).0,
    }
}

/// Whether a cell is an unknown value, as R, Python and spreadsheets write it.
pub fn is_missing(cell: &str) -> bool {
    matches!(cell, "" | "NA" | "N/A" | "#N/A" | "NaN" | "nan" | "NAN" | "<NA>" | "null" | "NULL" | "None")
}

/// The beginning of a file in UTF-8 (or in an encoding that extends ASCII).
fn utf8(head: &[u8]) -> Cow<'_, [u8]> {
    match utf_16(head) {
        Some(encoding) => Cow::Owned(encoding.decode_with_bom_removal(head).0.into_owned().into_bytes()),
        None => Cow::Borrowed(head),
    }
}

/// Lines with their start offsets; `\n`, `\r\n` or a single `\r` ends a line.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let end = rest.iter().position(|b| b"\r\n".contains(b)).unwrap_or(rest.len());
        let line = (start, &rest[..end]);
        start += end + if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        Some(line)
    })
}

/// The first `length` bytes of a text, extended to the end of a quoted cell that contains line breaks.
fn with_breaks(text: &[u8], length: usize) -> &[u8] {
    let open = |line: &[u8]| line.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
    if !open(&text[..length]) {
        return &text[..length];
    }
    let ends = lines(text).skip(1).take(MOST_PREAMBLE).find(|(_, line)| open(line));
    ends.map_or(&text[..length], |(start, line)| &text[..start + line.len()])
}

/// The most frequent separator of a line, outside quotes.
fn delimiter(line: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [0_usize; 4];
    for &byte in line {
        quoted ^= byte == b'"';
        if let Some(which) = DELIMITERS.iter().position(|&d| d == byte && !quoted) {
            counts[which] += 1;
        }
    }
    // the first of equally frequent ones
    let most = counts.iter().copied().max().unwrap_or(0);
    DELIMITERS[counts.iter().position(|&n| n == most).unwrap_or(0)]
}

const DELIMITERS: [u8; 4] = *b",;\t|";

/// The cells of a line, without surrounding spaces.
pub struct LineCells(Record);

impl LineCells {
    pub fn split(line: &[u8], delimiter: u8) -> LineCells {
        let mut record = Record::default();
        match RecordReader::new(line, delimiter, 1).next(&mut record) {
            Ok(Some(_)) => LineCells(record),
            _ => LineCells(Record::default()),
        }
    }

    /// Iterates over the cells; a vector of them would take many times the memory of the line.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0.iter().map(trimmed)
    }
}

/// A column's name on one line, without the line breaks that a spreadsheet's cell may contain.
pub fn name(cell: &[u8]) -> Cow<'_, str> {
    match trimmed(cell) {
        name if name.contains(['\n', '\r']) => name.split_whitespace().collect::<Vec<_>>().join(" ").into(),
        name => name,
    }
}

/// A cell's text without surrounding spaces and without the mark of text (see [`without_mark`]).
pub fn trimmed(cell: &[u8]) -> Cow<'_, str> {
    match decode_cell(cell) {
        Cow::Borrowed(text) => Cow::Borrowed(without_mark(text.trim())),
        Cow::Owned(text) => Cow::Owned(without_mark(text.trim()).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &[u8], names: &[&str]) -> Option<Layout> {
        Layout::find(text, |cells| cells.iter().eq(names.iter().copied()))
    }

    #[test]
    fn the_header_is_found_behind_other_lines() {
        let layout =
            find(b"sep=;\r\nmade by, someone\r\n\"who\";\"s0\"; s1 \r\na;0,5;1\r\n", &["who", "s0", "s1"]).unwrap();
        assert_eq!((layout.delimiter, layout.header_line, layout.offset), (b';', 3, 25));
        let layout = find(b"\xef\xbb\xbfa\ts0\r1\t2\r", &["a", "s0"]).unwrap();
        assert_eq!((layout.delimiter, layout.offset), (b'\t', 3));
        let utf16: Vec<u8> = "x,s0\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(find(&[b"\xff\xfe", &utf16[..]].concat(), &["x", "s0"]).is_some());
        assert!(find(&utf16, &["x", "s0"]).is_some());
        assert!(find(b"a,b\n1,2\n", &["a", "s0"]).is_none());
    }

    #[test]
    fn names_in_an_old_encoding_stay_apart() {
        assert_eq!(
            (decode_cell(b"A\xe4"), decode_cell(b"A\xf6"), decode_cell("Aä".as_bytes())),
            ("Aä".into(), "Aö".into(), "Aä".into())
        );
    }
}
