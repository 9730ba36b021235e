//! Text tables as spreadsheets, R, pandas and recorders write them: where the names of the columns stand, what
//! separates cells, how the text is encoded, and whether commas are decimal points.

mod decimals;

pub use decimals::{Decimals, ambiguous, plain_number, without_comma};

use super::SourceFile;
use super::source::HEAD;
use crate::error::Result;
use crate::text::utf_16;
use csv::{ByteRecord, ReaderBuilder};
use decimals::decimals_of;
use std::borrow::Cow;
use std::io::{Cursor, Read};

/// The names of the columns stand among the first lines, or there is no table.
const MOST_PREAMBLE: usize = 100;
/// Rows that are looked at for decimal commas, and more only if these do not tell.
const PROBED_ROWS: usize = 50;

/// How a table is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub delimiter: u8,
    /// Bytes before the line with the names, and the number of that line from 1.
    offset: usize,
    pub header_line: usize,
}

impl Layout {
    /// Finds the line with the names of the columns in the beginning of a file: the first that `is_header` accepts,
    /// after lines of any other kind (such as `sep=;`).
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

    /// The cells of the first lines from the names of the columns on, as far as the beginning of the file has them
    /// whole; blank ones are none.
    pub fn first_lines(&self, head: &[u8], count: usize) -> Vec<LineCells> {
        let text = utf8(head);
        let text = text.get(self.offset..).unwrap_or_default();
        let mut reader = records(text, self.delimiter, text.len().min(1 << 13));
        let (mut lines, mut record, cut) = (Vec::new(), ByteRecord::new(), head.len() >= HEAD);
        while lines.len() < count && reader.read_byte_record(&mut record).is_ok_and(|more| more) {
            if cut && reader.position().byte() as usize >= text.len() {
                break;
            }
            if !is_blank(&record) {
                lines.push(LineCells(record.clone()));
            }
        }
        lines
    }

    /// The lines before the names of the columns.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io).
    pub fn preamble(&self, source: &SourceFile) -> Result<String> {
        let text = utf8(source.head());
        Ok(decode_cell(&text[..self.offset.min(text.len())]).into_owned())
    }

    /// Opens the table at the line with the names of the columns, which the reader gives first.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io), and [`Error::Input`](crate::error::Error::Input) for broken UTF-16.
    pub fn open(&self, source: &SourceFile) -> Result<DelimitedTable> {
        let decimals = if self.delimiter == b',' { Decimals::Point } else { self.decimals(source)? };
        Ok(DelimitedTable { decimals, ..self.start(source)? })
    }

    /// What the numbers of the first rows tell; the names alone may fill the head, so rows are read.
    fn decimals(&self, source: &SourceFile) -> Result<Decimals> {
        let (mut table, mut record) = (self.start(source)?, ByteRecord::new());
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
        let mut text: Box<dyn Read> = match utf_16(source.head()).is_some() {
            true => Box::new(Cursor::new(source.decoded()?.into_bytes())),
            false => source.reader()?,
        };
        std::io::copy(&mut text.by_ref().take(self.offset as u64), &mut std::io::sink())
            .map_err(source.unreadable())?;
        let text = Numbered { text, recent: Vec::new(), start: 0, line: self.header_line, counted: 0 };
        Ok(DelimitedTable { reader: records(text, self.delimiter, 1 << 16), decimals: Decimals::Point })
    }
}

/// A table from the names of its columns on.
pub struct DelimitedTable {
    reader: csv::Reader<Numbered>,
    pub decimals: Decimals,
}

impl DelimitedTable {
    /// Reads the next line of cells; returns its number in the file from 1, or `None` at the end. Lines whose cells are
    /// all empty are none, as spreadsheets leave them.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io).
    pub fn next(&mut self, source: &SourceFile, record: &mut ByteRecord) -> Result<Option<usize>> {
        loop {
            let before = self.reader.position().byte();
            match self.reader.read_byte_record(record) {
                Ok(true) if is_blank(record) => {}
                Ok(true) => return Ok(Some(self.reader.get_mut().line_after(before))),
                Ok(false) => return Ok(None),
                Err(error) => return Err(source.unreadable()(io_error(error))),
            }
        }
    }
}

/// Text whose lines are counted: `csv` counts `\n` alone, and not the blank lines before a record.
struct Numbered {
    text: Box<dyn Read>,
    /// What was read since the last record whose line is known.
    recent: Vec<u8>,
    /// Where `recent` begins, in bytes.
    start: u64,
    /// How much of `recent` is counted, and the line of the byte behind it.
    counted: usize,
    line: usize,
}

impl Read for Numbered {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.recent.drain(..self.counted);
        self.start += std::mem::take(&mut self.counted) as u64;
        let length = self.text.read(buffer)?;
        self.recent.extend_from_slice(&buffer[..length]);
        Ok(length)
    }
}

impl Numbered {
    /// The line of the first byte at or after an offset that ends no line; offsets must not fall.
    fn line_after(&mut self, offset: u64) -> usize {
        let rest = &self.recent[self.counted..];
        let skipped = (offset - self.start) as usize - self.counted;
        let blank = rest[skipped..].iter().take_while(|b| b"\r\n".contains(b)).count();
        let end = skipped + blank;
        self.line += count(&rest[..end], b'\n');
        if count(&rest[..end], b'\r') > 0 {
            // the `\r` of `\r\n` ends no line of its own
            let pairs = rest[..end].iter().zip(&rest[1..]);
            self.line += pairs.filter(|&(&byte, &next)| byte == b'\r' && next != b'\n').count();
        }
        self.counted += end;
        self.line
    }
}

/// How often a byte stands in a text; runs of up to 255 bytes are counted in a byte each, which the compiler makes
/// vectors of.
fn count(text: &[u8], byte: u8) -> usize {
    let run = |run: &[u8]| usize::from(run.iter().map(|&b| u8::from(b == byte)).sum::<u8>());
    text.chunks(255).map(run).sum()
}

/// The I/O error inside, with its kind (a broken pipe, a full disk), which the conversion of `csv` drops.
pub fn io_error(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}

/// A cell's text: UTF-8, or else Windows-1252, as older programs write it; different bytes stay different text.
pub fn decode_cell(cell: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(cell) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(cell).0,
    }
}

/// Whether a cell stands for an unknown value, as R, Python and spreadsheets write it.
pub fn is_missing(cell: &str) -> bool {
    matches!(cell, "" | "NA" | "N/A" | "#N/A" | "NaN" | "nan" | "NAN" | "<NA>" | "null" | "NULL" | "None")
}

/// The beginning of a file as bytes of UTF-8 (or of an encoding that shares ASCII with it).
fn utf8(head: &[u8]) -> Cow<'_, [u8]> {
    match utf_16(head) {
        Some(encoding) => Cow::Owned(encoding.decode_with_bom_removal(head).0.into_owned().into_bytes()),
        None => Cow::Borrowed(head),
    }
}

/// Lines with where they begin, ended by `\n`, `\r\n` or `\r` alone.
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

/// The line that a text begins with, up to `length`, and the lines below it as far as a quoted cell goes on there.
fn with_breaks(text: &[u8], length: usize) -> &[u8] {
    let open = |line: &[u8]| line.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
    if !open(&text[..length]) {
        return &text[..length];
    }
    let ends = lines(text).skip(1).take(MOST_PREAMBLE).find(|(_, line)| open(line));
    ends.map_or(&text[..length], |(start, line)| &text[..start + line.len()])
}

/// A reader of lines, with a buffer of so many bytes. Ragged lines are refused later, with a remedy.
fn records<R: Read>(text: R, delimiter: u8, buffer: usize) -> csv::Reader<R> {
    let mut builder = ReaderBuilder::new();
    let mut reader = builder.flexible(true).delimiter(delimiter).buffer_capacity(buffer.max(1)).from_reader(text);
    // the first line is given as the others are, and not kept twice beside
    reader.set_byte_headers(ByteRecord::new());
    reader
}

fn is_blank(record: &ByteRecord) -> bool {
    record.iter().all(|cell| cell.trim_ascii().is_empty())
}

/// The separator that a line has most of, outside of quotes.
fn delimiter(line: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [0_usize; 4];
    for &byte in line {
        quoted ^= byte == b'"';
        if let Some(which) = DELIMITERS.iter().position(|&d| d == byte && !quoted) {
            counts[which] += 1;
        }
    }
    // the first of the largest
    let most = counts.iter().copied().max().unwrap_or(0);
    DELIMITERS[counts.iter().position(|&n| n == most).unwrap_or(0)]
}

const DELIMITERS: [u8; 4] = *b",;\t|";

/// A line's cells, without spaces around them.
pub struct LineCells(ByteRecord);

impl LineCells {
    pub fn split(line: &[u8], delimiter: u8) -> LineCells {
        let mut reader = records(line, delimiter, line.len().min(1 << 13));
        let mut record = ByteRecord::new();
        match reader.read_byte_record(&mut record) {
            Ok(true) => LineCells(record),
            _ => LineCells(ByteRecord::new()),
        }
    }

    /// One after the other: a vector of them would take many times the line.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0.iter().map(trimmed)
    }
}

/// The name of a column on one line: a spreadsheet's cell may break it.
pub fn name(cell: &[u8]) -> String {
    match trimmed(cell) {
        name if name.contains(['\n', '\r']) => name.split_whitespace().collect::<Vec<_>>().join(" "),
        name => name.into_owned(),
    }
}

/// A cell's text without spaces around it.
pub fn trimmed(cell: &[u8]) -> Cow<'_, str> {
    match decode_cell(cell) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_string()),
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
