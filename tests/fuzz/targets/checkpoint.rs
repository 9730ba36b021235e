//! A checkpoint is refused, or its configuration is sound and names no path. The seeds are of version 1, which has no
//! hash to get past.
#![no_main]

use abr_film::checkpoint::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(checkpoint) = Checkpoint::from_bytes("fuzz.safetensors", data)
        && let Some(trained) = &checkpoint.trained
    {
        assert!(trained.config.data.path.is_none(), "a path came in");
        trained.config.check().expect("a checked configuration");
    }
});
