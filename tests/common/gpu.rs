//! The GPU that tests run on: the adapter that `ABR_FILM_ADAPTER` names, or any. Without one, tests print SKIPPED and
//! pass; with `ABR_FILM_REQUIRE_GPU=1` they fail.

use crate::skipped::skipped;
use abr_film::engine::device::ADAPTER;
use abr_film::engine::device::gpu::{Checks, Context, open};
use std::sync::{Arc, OnceLock};

static UNCHECKED: OnceLock<Option<Arc<Context>>> = OnceLock::new();
static CHECKED: OnceLock<Option<Arc<Context>>> = OnceLock::new();

/// The process's device with or without bounds checks; `None`, with a message, if there is no GPU and none is required.
pub fn context(checks: Checks) -> Option<Arc<Context>> {
    let required = std::env::var("ABR_FILM_REQUIRE_GPU").is_ok_and(|value| value == "1");
    let cell = if checks == Checks::On { &CHECKED } else { &UNCHECKED };
    let context = cell.get_or_init(|| {
        let wanted = std::env::var(ADAPTER).ok().filter(|name| !name.is_empty());
        assert!(!required || wanted.is_some(), "{ADAPTER} must name the required GPU");
        match open(Some(wanted.as_deref().unwrap_or("")), checks) {
            Ok(context) => Some(context),
            Err(error) => {
                assert!(!required, "a GPU is required: {error}");
                None
            }
        }
    });
    match context {
        Some(context) => {
            let test = std::thread::current();
            println!("{}: on GPU {}", test.name().unwrap_or("a test"), context.name());
        }
        None => skipped("no GPU"),
    }
    context.clone()
}
