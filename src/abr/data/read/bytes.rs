//! Reads little-endian numbers and text from binary files.

use super::SourceFile;
use crate::error::Result;

/// A position in a file that advances with every read.
pub struct Cursor<'a> {
    source: &'a SourceFile,
    pub at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(source: &'a SourceFile, at: usize) -> Self {
        Cursor { source, at }
    }

    /// The next `length` bytes; an error that names `what` if the file ends before.
    pub fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8]> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.source.bytes().len());
        let Some(end) = end else {
            let size = self.source.bytes().len();
            return Err(self
                .source
                .byte(self.at, format!("the file ends at byte {size}, inside {what} of {length} bytes")));
        };
        let taken = &self.source.bytes()[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    pub fn u8(&mut self, what: &str) -> Result<u8> {
        Ok(self.array::<1>(what)?[0])
    }

    pub fn i16(&mut self, what: &str) -> Result<i16> {
        Ok(i16::from_le_bytes(self.array(what)?))
    }

    pub fn u16(&mut self, what: &str) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    pub fn f32(&mut self, what: &str) -> Result<f32> {
        Ok(f32::from_le_bytes(self.array(what)?))
    }

    /// A text field of fixed width: Latin-1 up to the first zero byte.
    pub fn text(&mut self, width: usize, what: &str) -> Result<String> {
        let field = self.take(width, what)?;
        let text: String = field.iter().take_while(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect();
        Ok(text.trim().to_string())
    }
}
