//! The command line: `abr-film --help`.

mod cli;

use clap::Parser;
use std::io::Write;

fn main() -> ! {
    // without a display, Mesa's device-select layer prints warnings to stderr. It is not needed, as this program
    // chooses the GPU itself
    #[cfg(target_os = "linux")]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the process has just started, and no other thread runs that could read or change the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
    let arguments = cli::Arguments::parse();
    let code = match cli::run(arguments) {
        Ok(()) => 0,
        Err(error) => {
            cli::message(format!("abr-film: {error}"));
            error.exit_code()
        }
    };
    let _ = std::io::stdout().flush();
    exit(code.into())
}

/// Ends the process without the exit handlers of libraries. One of Mesa's OpenGL handlers occasionally frees memory
/// twice (in 4 to 6 of 320 runs that list the adapters, on a busy machine), so that a successful command would appear
/// to crash.
fn exit(code: i32) -> ! {
    #[cfg(unix)]
    {
        // SAFETY: this is C's `void _exit(int)`, which every Unix has and which is safe to call at any time.
        unsafe extern "C" {
            safe fn _exit(code: std::ffi::c_int) -> !;
        }
        _exit(code)
    }
    #[cfg(not(unix))]
    std::process::exit(code)
}
