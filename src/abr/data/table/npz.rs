//! Writes recordings as NumPy's `.npz`, uncompressed: the [reader](crate::data::read::npz) shows the layout. The traces
//! go to the file as they come, the other arrays after them, so that memory does not grow with the number of rows.

use super::arrays::{SpooledArrays, add_trace, start};
use super::spool::Spool;
use super::write::TableLayout;
use crate::data::recording::Recording;
use crate::error::{Error, Result};
use crate::files::{WriteError, folder_of, write_made};
use std::borrow::Borrow;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use zip::ZipWriter;

/// Writes recordings. NaN pads the shorter ones.
///
/// # Errors
/// [`Error::Usage`] without recordings, [`Error::Io`].
pub fn write_npz(path: &Path, recordings: &[Recording]) -> Result<()> {
    write_npz_rows(path, &TableLayout::of(recordings), recordings.iter().map(Ok))
}

/// [`write_npz`] of rows as they are made.
///
/// # Errors
/// [`Error::Usage`] without rows, errors of the rows, [`Error::Io`].
pub fn write_npz_rows<R: Borrow<Recording>>(
    path: &Path,
    layout: &TableLayout,
    rows: impl Iterator<Item = Result<R>>,
) -> Result<()> {
    if layout.rows == 0 {
        return Err(Error::usage("there is no recording to write", "give recordings to write"));
    }
    write_made(path, |file| match file.stream_position() {
        Ok(_) => pack(layout, rows, folder_of(path), file),
        // an archive must be sought, and a pipe cannot be
        Err(_) => {
            let mut whole = BufWriter::new(tempfile::tempfile()?);
            pack(layout, rows, folder_of(path), &mut whole)?;
            whole.rewind()?;
            Ok(io::copy(whole.get_mut(), file).map(drop)?)
        }
    })
}

fn pack<R: Borrow<Recording>>(
    layout: &TableLayout,
    rows: impl Iterator<Item = Result<R>>,
    folder: &Path,
    file: impl Write + Seek,
) -> Result<(), WriteError> {
    let mut archive = ZipWriter::new(Quiet::new(file));
    start(&mut archive, "signal", "<f4", &[layout.rows, layout.samples])?;
    let (mut arrays, mut spool, mut trace) = (SpooledArrays::new(layout), Spool::new(folder), Vec::new());
    for row in rows {
        let row = row?;
        trace.clear();
        add_trace(&mut trace, &row.borrow().samples, layout.samples);
        archive.write_all(&trace)?;
        arrays.add(row.borrow());
        spool.take(arrays.items())?;
    }
    arrays.write(&mut spool, &mut archive)?;
    Ok(archive.finish().map(drop).map_err(io::Error::from)?)
}

/// A file that, once it has failed, seems to take everything: an archive that is dropped is completed, and prints to
/// stderr if that fails.
struct Quiet<F> {
    file: F,
    has_failed: bool,
    position: u64,
    end: u64,
}

impl<F> Quiet<F> {
    fn new(file: F) -> Quiet<F> {
        Quiet { file, has_failed: false, position: 0, end: 0 }
    }

    /// Acts on the file; `otherwise` is the result after a failure.
    fn call<T>(&mut self, otherwise: T, act: impl FnOnce(&mut F) -> io::Result<T>) -> io::Result<T> {
        match self.has_failed {
            true => Ok(otherwise),
            false => act(&mut self.file).inspect_err(|_| self.has_failed = true),
        }
    }
}

impl<F: Write> Write for Quiet<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.call(bytes.len(), |file| file.write(bytes))?;
        self.position += written as u64;
        self.end = self.end.max(self.position);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.call((), F::flush)
    }
}

impl<F: Seek> Seek for Quiet<F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let otherwise = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::Current(by) => self.position.saturating_add_signed(by),
            SeekFrom::End(by) => self.end.saturating_add_signed(by),
        };
        self.position = self.call(otherwise, |file| file.seek(to))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests;
