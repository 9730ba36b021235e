//! `metrics.jsonl`: a line for each epoch.

use crate::error::{Error, Result};
use crate::files::{self, WHOLE_BYTES, write_whole};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Appends a line; where that fails, removes the part that was written.
pub(super) fn append(path: &Path, line: &str) -> Result<()> {
    let append = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let before = file.metadata()?.len();
        file.write_all(line.as_bytes()).inspect_err(|_| _ = file.set_len(before))
    };
    append().map_err(Error::io("write", path))
}

/// Puts all lines on the disk.
pub(super) fn sync(path: &Path) -> Result<()> {
    match File::open(path) {
        Ok(file) => file.sync_all().map_err(Error::io("write", path)),
        // no epoch is done yet
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// The lines that are whole; none if the file is missing or unreadable.
pub(super) fn read(path: &Path) -> Vec<Value> {
    let bytes = files::read(path, WHOLE_BYTES).unwrap_or_default();
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Keeps one line of each of the first `epochs` epochs, the last one that is whole, in order. Returns the epochs that
/// have none.
pub(super) fn keep(path: &Path, epochs: usize) -> Result<Vec<usize>> {
    let Ok(bytes) = files::read(path, WHOLE_BYTES) else { return Ok((1..=epochs).collect()) };
    let mut kept: BTreeMap<usize, &str> = BTreeMap::new();
    for line in bytes.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok()) {
        let epoch = serde_json::from_str::<Value>(line).ok().and_then(|line| line["epoch"].as_u64());
        if let Some(epoch) = epoch.map(|epoch| epoch as usize).filter(|epoch| (1..=epochs).contains(epoch)) {
            kept.insert(epoch, line);
        }
    }
    let text: String = kept.values().flat_map(|line| [line, "\n"]).collect();
    if text.as_bytes() != bytes {
        write_whole(path, |w| w.write_all(text.as_bytes()))?;
    }
    Ok((1..=epochs).filter(|epoch| !kept.contains_key(epoch)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn lines_are_kept_by_their_epochs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let line = |epoch: usize, loss: f64| format!("{{\"epoch\":{epoch},\"loss\":{loss}}}\n");
        let cases = [
            (line(1, 1.0) + &line(2, 2.0) + &line(3, 3.0), line(1, 1.0) + &line(2, 2.0), vec![]),
            // a torn line, and one that another process wrote
            (line(1, 1.0) + "{\"epoch\":2,\"lo", line(1, 1.0), vec![2]),
            (line(2, 2.0) + &line(1, 1.0) + &line(2, 5.0), line(1, 1.0) + &line(2, 5.0), vec![]),
            (line(4, 1.0) + &line(5, 5.0), String::new(), vec![1, 2]),
            ("\0\0\0\0\u{fffd}\n".to_string() + &line(2, 2.0), line(2, 2.0), vec![1]),
        ];
        for (before, after, missing) in cases {
            fs::write(&path, &before).unwrap();
            assert_eq!(keep(&path, 2).unwrap(), missing, "{before}");
            assert_eq!(fs::read_to_string(&path).unwrap(), after, "{before}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(keep(&path, 2).unwrap(), [1, 2]);
        sync(&path).unwrap();
    }
}
