//! A recorder's file or a table is refused, or its samples are finite or missing (NaN). `ABR_FILM_FUZZ_NAME` names the
//! file: readers are chosen by name and content.
#![no_main]

use abr_film::data::read::read_bytes;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static NAME: LazyLock<String> =
    LazyLock::new(|| std::env::var("ABR_FILM_FUZZ_NAME").expect("ABR_FILM_FUZZ_NAME names a file"));

fuzz_target!(|data: &[u8]| {
    if let Ok(recordings) = read_bytes(&NAME, data.to_vec()) {
        for recording in recordings {
            assert!(!recording.samples.iter().any(|sample| sample.is_infinite()), "a sample is infinite");
            let rate = recording.sample_rate_hz.unwrap_or(1.0);
            assert!(rate.is_finite() && rate > 0.0, "a sample rate of {rate} Hz");
        }
    }
});
