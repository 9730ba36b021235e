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
    #[cfg(unix)]
    {
        // a file that grows beyond `ulimit -f` is then an error of the write, with a message, as a full disk is
        // SAFETY: no handler is installed, so none can do what a handler must not.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    }
    let outcome = match cli::Arguments::try_parse() {
        Ok(arguments) => cli::run(arguments).map(|()| 0),
        Err(error) => cli::print_usage(&error),
    };
    let code = match outcome {
        Ok(code) => code,
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
    // SAFETY: it is safe to call at any time.
    #[cfg(unix)]
    unsafe {
        libc::_exit(code)
    }
    #[cfg(not(unix))]
    std::process::exit(code)
}
