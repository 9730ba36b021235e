//! Columns that grow side by side and are written one after the other. What is too much for the memory waits in a file
//! without a name.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The bytes that all columns together keep in memory.
const IN_MEMORY: usize = 4 << 20;

/// The bytes of a column.
#[derive(Default)]
pub struct SpooledBytes {
    /// Where the first ones are in the file.
    parts: Vec<Range<u64>>,
    /// The others.
    pub last: Vec<u8>,
}

/// The file behind the columns.
pub struct Spool {
    folder: PathBuf,
    /// Made when it is needed.
    file: Option<File>,
    end: u64,
}

impl Spool {
    /// A file in `folder`, where there should be room, else where temporary files usually are.
    pub fn new(folder: &Path) -> Spool {
        Spool { folder: folder.to_path_buf(), file: None, end: 0 }
    }

    /// Moves what the columns have in memory to the file, if it is much.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn take<'a>(&mut self, columns: impl Iterator<Item = &'a mut SpooledBytes>) -> io::Result<()> {
        let columns: Vec<&mut SpooledBytes> = columns.collect();
        if columns.iter().map(|column| column.last.len()).sum::<usize>() < IN_MEMORY {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.folder).or_else(|_| tempfile::tempfile())?),
        };
        for column in columns {
            file.write_all(&column.last)?;
            let start = self.end;
            self.end += column.last.len() as u64;
            column.parts.push(start..self.end);
            column.last.clear();
        }
        Ok(())
    }

    /// Passes a column on: each part that was taken, then the rest.
    ///
    /// # Errors
    /// Errors of the file, and of `each`.
    pub fn read(&mut self, column: SpooledBytes, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut part = Vec::new();
        for Range { start, end } in column.parts {
            let file = self.file.as_mut().expect("its parts are in the file");
            file.seek(SeekFrom::Start(start))?;
            part.resize((end - start) as usize, 0);
            file.read_exact(&mut part)?;
            each(&part)?;
        }
        each(&column.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_whole_whatever_waits_in_the_file() {
        let mut spool = Spool::new(Path::new("/no such folder"));
        let mut columns: [SpooledBytes; 2] = Default::default();
        let byte = |column: usize, i: usize| (i * (column + 3) % 251) as u8;
        let rows = IN_MEMORY + 17;
        for i in 0..rows {
            columns.iter_mut().enumerate().for_each(|(column, bytes)| bytes.last.push(byte(column, i)));
            // as often as is cheap here
            if i % 1000 == 0 {
                spool.take(columns.iter_mut()).unwrap();
            }
        }
        assert!(columns.iter().all(|column| column.last.len() < IN_MEMORY && !column.parts.is_empty()));
        for (column, bytes) in columns.into_iter().enumerate() {
            let mut found = Vec::new();
            spool.read(bytes, |part| found.write_all(part)).unwrap();
            assert!(found.len() == rows && (0..rows).all(|i| found[i] == byte(column, i)), "column {column}");
        }
    }
}
