//! The command line: `abr-film --help`.

mod cli;

use clap::Parser;
use std::io::Write;

fn main() -> ! {
    // Mesa's layer that picks a GPU for a display complains on stderr where there is none, before every other line;
    // which GPU is taken is decided here anyway
    #[cfg(target_os = "linux")]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: this is the start of the process: no other thread runs that could read or change the environment.
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
    leave(code.into())
}

/// Ends the process without the handlers that libraries leave for its end: among Mesa's for OpenGL one frees memory
/// twice now and then (of 320 looks at a machine's adapters 4 to 6, on a busy machine), and a command that has done its
/// work would end as if it had crashed.
fn leave(code: i32) -> ! {
    #[cfg(unix)]
    {
        // SAFETY: this is C's `void _exit(int)`, which every Unix has and which may be called at any time.
        unsafe extern "C" {
            safe fn _exit(code: std::ffi::c_int) -> !;
        }
        _exit(code)
    }
    #[cfg(not(unix))]
    std::process::exit(code)
}
