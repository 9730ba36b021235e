//! A recorder's file or a table is refused, or its samples are finite or missing (NaN). `ABR_FILM_FUZZ_NAME` names the
//! file: readers are chosen by name and content. With `ABR_FILM_FUZZ_BESIDE` an input is two files, this one behind a
//! line `=====`, in a folder.
#![no_main]

use abr_film::data::Recording;
use abr_film::data::read::{read_all, read_bytes};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use tempfile::TempDir;

static NAME: LazyLock<String> =
    LazyLock::new(|| std::env::var("ABR_FILM_FUZZ_NAME").expect("ABR_FILM_FUZZ_NAME names a file"));
static BESIDE: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("ABR_FILM_FUZZ_BESIDE").ok());
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));
const BETWEEN: &[u8] = b"\n=====\n";

fn read(data: &[u8]) -> Option<Vec<Recording>> {
    let Some(beside) = &*BESIDE else { return read_bytes(&NAME, data.to_vec()).ok() };
    let end = data.windows(BETWEEN.len()).position(|bytes| bytes == BETWEEN)?;
    let path = FOLDER.path().join(&*NAME);
    std::fs::write(&path, &data[..end]).expect("a file");
    std::fs::write(FOLDER.path().join(beside), &data[end + BETWEEN.len()..]).expect("a file");
    Some(read_all(&[path]).ok()?.0)
}

fuzz_target!(|data: &[u8]| {
    for recording in read(data).into_iter().flatten() {
        assert!(!recording.samples.iter().any(|sample| sample.is_infinite()), "a sample is infinite");
        let rate = recording.sample_rate_hz.unwrap_or(1.0);
        assert!(rate.is_finite() && rate > 0.0, "a sample rate of {rate} Hz");
    }
});
