//! Splits text into lines of cells, and counts the lines.
//!
//! A cell takes 4 bytes beside its text; the records of `csv` take up to 24 while they grow.

use super::decode_cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, BufRead, ErrorKind};
use std::ops::Range;

/// How many cells the parser splits at a time.
const AT_ONCE: usize = 256;

/// The cells of a line, without separators and quotes.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The cells' text; behind the last cell, bytes without meaning.
    text: Vec<u8>,
    /// Where each cell ends in `text`.
    ends: Vec<u32>,
}

impl Record {
    /// The number of cells.
    pub fn width(&self) -> usize {
        self.ends.len()
    }

    pub fn get(&self, cell: usize) -> Option<&[u8]> {
        place(&self.ends, cell).map(|place| &self.text[place])
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.width()).map(|cell| &self[cell])
    }

    /// Whether all cells are empty.
    pub fn is_blank(&self) -> bool {
        self.iter().all(|cell| cell.trim_ascii().is_empty())
    }

    /// Gives back memory for longer lines.
    pub fn shrink(&mut self) {
        self.text.truncate(self.ends.last().map_or(0, |end| *end as usize));
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// The cells as text, and the number of cells that are not UTF-8.
    pub fn into_text(mut self) -> (TextRecord, usize) {
        self.text.truncate(self.ends.last().map_or(0, |end| *end as usize));
        let bytes = match String::from_utf8(self.text) {
            Ok(text) if self.ends.iter().all(|end| text.is_char_boundary(*end as usize)) => {
                return (TextRecord { text, ends: self.ends }, 0);
            }
            Ok(text) => text.into_bytes(),
            Err(error) => error.into_bytes(),
        };
        self.text = bytes;
        let (mut text, mut ends) = (String::new(), Vec::with_capacity(self.width()));
        for cell in self.iter() {
            text += &decode_cell(cell);
            ends.push(text.len() as u32);
        }
        (TextRecord { text, ends }, self.iter().filter(|cell| std::str::from_utf8(cell).is_err()).count())
    }
}

impl std::ops::Index<usize> for Record {
    type Output = [u8];

    fn index(&self, cell: usize) -> &[u8] {
        self.get(cell).expect("a cell of the line")
    }
}

/// The cells of a line as text.
pub struct TextRecord {
    text: String,
    ends: Vec<u32>,
}

impl TextRecord {
    /// The number of cells.
    pub fn width(&self) -> usize {
        self.ends.len()
    }

    pub fn get(&self, cell: usize) -> Option<&str> {
        place(&self.ends, cell).map(|place| &self.text[place])
    }

    /// The cells from one on.
    pub fn from(&self, first: usize) -> impl Iterator<Item = &str> {
        (first..self.width()).filter_map(|cell| self.get(cell))
    }

    /// The record whose memory the next line takes.
    pub fn into_record(self) -> Record {
        Record { text: self.text.into_bytes(), ends: self.ends }
    }
}

fn place(ends: &[u32], cell: usize) -> Option<Range<usize>> {
    let end = *ends.get(cell)?;
    let start = if cell == 0 { 0 } else { ends[cell - 1] };
    Some(start as usize..end as usize)
}

thread_local! {
    /// A parser of each separator, between two uses.
    static SPARE: RefCell<BTreeMap<u8, csv_core::Reader>> = const { RefCell::new(BTreeMap::new()) };
}

/// A parser that is used again. Building one takes as long as parsing thousands of bytes, and detection splits up to a
/// hundred lines of a file for each format. (A clone of one does not work: csv-core 0.1 forgets half of its tables.)
struct Parser {
    delimiter: u8,
    /// Until the drop.
    reader: Option<csv_core::Reader>,
}

impl Parser {
    fn new(delimiter: u8) -> Self {
        let spare = SPARE.with_borrow_mut(|spare| spare.remove(&delimiter));
        let mut reader = spare.unwrap_or_else(|| csv_core::ReaderBuilder::new().delimiter(delimiter).build());
        reader.reset();
        Parser { delimiter, reader: Some(reader) }
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            SPARE.with_borrow_mut(|spare| spare.insert(self.delimiter, reader));
        }
    }
}

/// Reads a text line by line. A quoted cell may contain line breaks.
pub struct RecordReader<R> {
    parser: Parser,
    text: R,
    ends: [usize; AT_ONCE],
    lines: LineCounter,
    /// The bytes read so far.
    pub consumed: usize,
}

impl<R: BufRead> RecordReader<R> {
    /// Reads a text that begins at line `line`. Lines may differ in their number of cells: the caller refuses that,
    /// with a remedy.
    pub fn new(text: R, delimiter: u8, line: usize) -> Self {
        let parser = Parser::new(delimiter);
        let lines = LineCounter { line, after_return: false };
        RecordReader { parser, text, ends: [0; AT_ONCE], lines, consumed: 0 }
    }

    /// Reads the next line that is not empty. Returns its number, or `None` at the end.
    ///
    /// # Errors
    /// Those of the text, and a line of 4 GiB.
    pub fn next(&mut self, record: &mut Record) -> io::Result<Option<usize>> {
        use csv_core::ReadRecordResult::{End, OutputFull, Record as Complete};
        record.ends.clear();
        record.text.resize(record.text.capacity(), 0);
        let (mut used, mut line) = (0, None);
        let parser = self.parser.reader.as_mut().expect("a parser until the drop");
        loop {
            let input = self.text.fill_buf()?;
            let (result, taken, written, ended) = parser.read_record(input, &mut record.text[used..], &mut self.ends);
            let (blank, rest) = split_blank(&input[..taken], line.is_none());
            self.lines.advance(blank);
            line = line.or((!rest.is_empty()).then_some(self.lines.line));
            self.lines.advance(rest);
            self.text.consume(taken);
            self.consumed += taken;
            used += written;
            let ends = self.ends[..ended].iter().map(|&end| u32::try_from(end));
            for end in ends {
                let too_long = |_| io::Error::new(ErrorKind::FileTooLarge, "a line has more than 4 GiB");
                record.ends.push(end.map_err(too_long)?);
            }
            match result {
                Complete => return Ok(line),
                End => return Ok(None),
                OutputFull => record.text.resize((2 * used).max(1 << 10), 0),
                _ => {}
            }
        }
    }
}

/// The line ends that a text begins with, if they come before a line, and the rest.
fn split_blank(text: &[u8], before_line: bool) -> (&[u8], &[u8]) {
    let blank = text.iter().take_while(|byte| before_line && b"\r\n".contains(byte)).count();
    text.split_at(blank)
}

/// Counts lines; `\n`, `\r\n` or a single `\r` ends one.
struct LineCounter {
    /// The number of the line of the next byte.
    line: usize,
    after_return: bool,
}

impl LineCounter {
    fn advance(&mut self, text: &[u8]) {
        let (Some(first), Some(last)) = (text.first(), text.last()) else { return };
        let returns = count(text, b'\r');
        self.line += count(text, b'\n') + returns;
        if returns > 0 {
            self.line -= text.windows(2).filter(|pair| pair == b"\r\n").count();
        }
        self.line -= usize::from(self.after_return && *first == b'\n');
        self.after_return = *last == b'\r';
    }
}

/// Counts a byte in a text. Each run of up to 255 bytes has a one-byte counter, which lets the compiler vectorise the
/// loop.
fn count(text: &[u8], byte: u8) -> usize {
    let run = |run: &[u8]| usize::from(run.iter().map(|&b| u8::from(b == byte)).sum::<u8>());
    text.chunks(255).map(run).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    #[test]
    fn a_parser_is_used_again_from_its_beginning() {
        for _ in 0..3 {
            // stops inside of a quoted cell
            let mut record = Record::default();
            RecordReader::new(&b"a;\"b;c\nd"[..], b';', 1).next(&mut record).unwrap();
            assert_eq!(record.iter().collect::<Vec<_>>(), [&b"a"[..], b"b;c\nd"]);
            // two at a time
            let mut readers = [b';', b';', b','].map(|delimiter| RecordReader::new(&b"a;b,c"[..], delimiter, 1));
            let widths = readers.each_mut().map(|reader| {
                reader.next(&mut record).unwrap();
                record.width()
            });
            assert_eq!(widths, [2, 2, 2]);
            assert_eq!(record.iter().collect::<Vec<_>>(), [&b"a;b"[..], b"c"]);
        }
    }

    #[test]
    fn lines_have_the_numbers_of_an_editor_whatever_ends_them() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["", "a,b", "\"c", "d\",e", "", "", "f,g", "h"].join(end);
            // buffers of each length cut the text everywhere
            for buffer in 1..text.len() {
                let mut reader = RecordReader::new(BufReader::with_capacity(buffer, text.as_bytes()), b',', 5);
                let (mut record, mut found) = (Record::default(), Vec::new());
                while let Some(line) = reader.next(&mut record).unwrap() {
                    found.push((line, record.width(), record[0][0]));
                }
                assert_eq!(found, [(6, 2, b'a'), (7, 2, b'c'), (11, 2, b'f'), (12, 1, b'h')], "{end:?}, {buffer}");
            }
        }
    }

    #[test]
    fn a_cell_that_is_not_utf_8_is_counted_alone() {
        let mut record = Record::default();
        // the two halves of a letter in two cells
        let mut reader = RecordReader::new(&b"a,\xc3,\xa4,\xc3\xa4\n"[..], b',', 1);
        assert_eq!(reader.next(&mut record).unwrap(), Some(1));
        let (text, odd) = record.into_text();
        assert_eq!((text.from(0).collect::<Vec<_>>(), odd), (vec!["a", "Ã", "¤", "ä"], 2));
    }
}
