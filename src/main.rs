//! The command line: `abr-film --help`.

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Mesa's layer that picks a GPU for a display complains on stderr where there is none, before every other line;
    // which GPU is taken is decided here anyway
    #[cfg(target_os = "linux")]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: no other thread has been started yet.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
    let arguments = cli::Arguments::parse();
    match cli::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::say(format!("abr-film: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}
