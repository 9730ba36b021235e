//! A configuration is refused, or comes back from its own text as it was.
#![no_main]

use abr_film::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(config) = Config::from_json("fuzz.json", text, &[]) {
        let again = Config::from_json("fuzz.json", &config.to_json_pretty(), &[]).expect("its own text");
        assert!(again == config, "another configuration came back");
    }
});
