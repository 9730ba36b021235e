//! One NumPy array (`.npy`).
//!
//! | bytes | what |
//! | --- | --- |
//! | 6, 2 | `\x93NUMPY`, version 1, 2 or 3 |
//! | 2 (4 from version 2 on) | length of the header |
//! | header | `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 200), }` and spaces |
//! | the rest | the items, by rows (or by columns, in Fortran order) |
//!
//! The reader supports numbers (`f2`, `f4`, `f8`, integers, `b1`) and strings (`U`, `S`) in either byte order. It
//! refuses an array of objects: that is a pickle, which can run any code when opened.

use super::text;
use half::f16;
use std::io::{self, Read, Write};

const MAGIC: &[u8] = b"\x93NUMPY";

/// An archive may unpack to this many times its size. Compressed text reaches about this factor; a zip bomb exceeds it.
pub const MAX_EXPANSION: usize = 16;

/// The longest header that is read. NumPy's own have about a hundred bytes.
const MAX_HEADER: usize = 1 << 14;

/// The type of an array's items.
#[derive(Debug, Clone, Copy, PartialEq)]
enum NpyKind {
    Float,
    Int,
    Unsigned,
    Bool,
    Unicode,
    Bytes,
}

/// An array's shape and items.
#[derive(Debug)]
pub struct Array {
    kind: NpyKind,
    /// Bytes per item.
    size: usize,
    big_endian: bool,
    fortran: bool,
    pub shape: Vec<usize>,
    raw: Vec<u8>,
}

/// What is wrong with an array, and the remedy.
pub struct NpyError {
    pub problem: String,
    pub remedy: &'static str,
}

fn damaged(problem: impl Into<String>) -> NpyError {
    NpyError { problem: problem.into(), remedy: "the file is damaged or cut short: save or copy it again" }
}

impl Array {
    /// Reads an array of at most `most` bytes. It allocates memory only for bytes that exist.
    pub fn read(mut reader: impl Read, most: usize) -> Result<Array, NpyError> {
        let mut array = Array::header(&mut reader)?;
        let items = array.shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
        let Some(bytes) = items.and_then(|items| items.checked_mul(array.size)).filter(|&bytes| bytes <= most) else {
            let problem = format!(
                "its shape {:?} would unpack to more than {most} bytes, {MAX_EXPANSION} times the file",
                array.shape
            );
            return Err(NpyError {
                problem,
                remedy: "if it is really that large, save it with np.savez instead of np.savez_compressed",
            });
        };
        // asks for one extra byte, to detect surplus data
        reader
            .take(bytes as u64 + 1)
            .read_to_end(&mut array.raw)
            .map_err(|e| damaged(format!("cannot be unpacked: {e}")))?;
        if array.raw.len() != bytes {
            let found = if array.raw.len() > bytes { "more" } else { "fewer" };
            return Err(damaged(format!("its shape {:?} takes {bytes} bytes, but there are {found}", array.shape)));
        }
        Ok(array)
    }

    fn header(reader: &mut impl Read) -> Result<Array, NpyError> {
        let mut begin = [0; 8];
        let mut fill =
            |bytes: &mut [u8]| reader.read_exact(bytes).map_err(|e| damaged(format!("ends inside its header: {e}")));
        fill(&mut begin)?;
        if &begin[..6] != MAGIC {
            return Err(damaged("does not begin as a NumPy array"));
        }
        let mut length = [0; 4];
        fill(if begin[6] == 1 { &mut length[..2] } else { &mut length[..] })?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_HEADER {
            return Err(damaged(format!("has a header of {length} bytes, instead of some hundred")));
        }
        let mut header = vec![0; length];
        fill(&mut header)?;
        let header = text::decode(&header).into_owned();
        let field = |key: &str| {
            let rest = header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
            rest.ok_or_else(|| damaged(format!("has no {key} in its header")))
        };
        let (big_endian, kind, size) = descr(field("descr")?)?;
        let fortran = field("fortran_order")?.starts_with("True");
        let shape = field("shape")?.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(shape, _)| shape);
        let numbers = shape.unwrap_or("?").split(',').map(str::trim).filter(|n| !n.is_empty());
        let shape: Option<Vec<usize>> = numbers.map(|n| n.parse().ok()).collect();
        let shape = shape.ok_or_else(|| damaged("has no shape in its header"))?;
        Ok(Array { kind, size, big_endian, fortran, shape, raw: Vec::new() })
    }

    /// The size of all items, in bytes.
    pub fn bytes(&self) -> usize {
        self.raw.len()
    }

    /// The size of one item, in bytes.
    pub fn item_bytes(&self) -> usize {
        self.size
    }

    pub fn is_float(&self) -> bool {
        self.kind == NpyKind::Float
    }

    pub fn is_number(&self) -> bool {
        !matches!(self.kind, NpyKind::Unicode | NpyKind::Bytes)
    }

    /// The index in memory of an item of a 2-D array.
    pub fn index(&self, row: usize, column: usize) -> usize {
        if self.fortran { column * self.shape[0] + row } else { row * self.shape[1] + column }
    }

    fn item(&self, index: usize) -> &[u8] {
        &self.raw[index * self.size..(index + 1) * self.size]
    }

    /// An item's bytes as an unsigned number.
    fn bits(&self, item: &[u8]) -> u64 {
        let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        if self.big_endian { item.iter().fold(0, add) } else { item.iter().rev().fold(0, add) }
    }

    /// An integer's value; for other types the raw bits.
    fn integer(&self, index: usize) -> i64 {
        let bits = self.bits(self.item(index).get(..self.size.min(8)).unwrap_or_default());
        let unused = 64 - 8 * self.size.clamp(1, 8);
        if self.kind == NpyKind::Int { (bits << unused) as i64 >> unused } else { bits as i64 }
    }

    /// Whether the item is an exact number. Beyond 2^53, 64-bit floats skip integers, so other numbers round to the
    /// same item.
    pub fn is_exact(&self, index: usize) -> bool {
        let digits = match self.size {
            2 => 11,
            4 => f32::MANTISSA_DIGITS,
            _ => f64::MANTISSA_DIGITS,
        };
        // NaN counts as exact: it is no number
        self.kind != NpyKind::Float
            || self.number(index).abs() < 2_f64.powi(digits as i32)
            || self.number(index).is_nan()
    }

    /// An item as a number; text gives NaN.
    pub fn number(&self, index: usize) -> f64 {
        let bits = self.integer(index) as u64;
        match self.kind {
            NpyKind::Float if self.size == 2 => f16::from_bits(bits as u16).to_f64(),
            NpyKind::Float if self.size == 4 => f64::from(f32::from_bits(bits as u32)),
            NpyKind::Float => f64::from_bits(bits),
            NpyKind::Int => bits as i64 as f64,
            NpyKind::Unsigned | NpyKind::Bool => bits as f64,
            NpyKind::Unicode | NpyKind::Bytes => f64::NAN,
        }
    }

    /// An item as text, empty for NaN. Numbers have the fewest digits that identify them. A 16-bit float has all digits
    /// of its value (37.1 is 37.09375 there), because the fewest would round 11296 Hz to 11300.
    pub fn text(&self, index: usize) -> String {
        let item = self.item(index);
        match self.kind {
            NpyKind::Unicode => {
                let chars = item.chunks_exact(4).map(|four| self.bits(four) as u32).take_while(|&c| c != 0);
                chars.map(|c| char::from_u32(c).unwrap_or('\u{fffd}')).collect::<String>().trim().to_string()
            }
            NpyKind::Bytes => text::decode(item).trim_end_matches('\0').trim().to_string(),
            NpyKind::Float if self.number(index).is_nan() => String::new(),
            NpyKind::Float if self.size == 4 => (self.number(index) as f32).to_string(),
            NpyKind::Int => self.integer(index).to_string(),
            NpyKind::Unsigned => (self.integer(index) as u64).to_string(),
            _ => self.number(index).to_string(),
        }
    }
}

/// Parses a type such as `'<f4'`: whether it is big-endian, its kind and its size in bytes.
fn descr(text: &str) -> Result<(bool, NpyKind, usize), NpyError> {
    let refused = |problem: String, remedy| Err(NpyError { problem, remedy });
    let Some((descr, _)) = text.strip_prefix('\'').and_then(|rest| rest.split_once('\'')) else {
        return refused("is a structured array".to_string(), "save each field as an array of its own");
    };
    let plain = descr.trim_start_matches(['<', '>', '|', '=']);
    let (kind, size) = plain.split_at(plain.chars().next().map_or(0, char::len_utf8));
    let size: usize = size.parse().unwrap_or(0);
    let (kind, bytes) = match (kind, size) {
        ("f", 2 | 4 | 8) => (NpyKind::Float, size),
        ("i", 1 | 2 | 4 | 8) => (NpyKind::Int, size),
        ("u", 1 | 2 | 4 | 8) => (NpyKind::Unsigned, size),
        ("b", 1) => (NpyKind::Bool, size),
        ("U", 0..=1_000_000) => (NpyKind::Unicode, 4 * size),
        ("S", 0..=1_000_000) => (NpyKind::Bytes, size),
        ("O", _) => {
            let problem = "contains Python objects: a pickle, which could run any code and is not opened".to_string();
            return refused(problem, "save numbers or text: np.asarray(values, dtype=float), or dtype=str");
        }
        _ => {
            let problem = format!("is of the type `{}`, which is not read", text::excerpt(descr));
            return refused(problem, "save it as float32, float64, an integer or text (dtype=str)");
        }
    };
    Ok((descr.starts_with('>'), kind, bytes))
}

/// Writes an array's header; the items come after it.
pub fn write_header(writer: &mut impl Write, descr: &str, shape: &[usize]) -> io::Result<()> {
    let shape = match shape {
        [n] => format!("({n},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // magic, version and length take 10 bytes; the header ends with a line end, at a multiple of 64 bytes
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    writer.write_all(MAGIC)?;
    writer.write_all(&[1, 0])?;
    writer.write_all(&(padded as u16).to_le_bytes())?;
    writeln!(writer, "{header:width$}", width = padded - 1)
}
