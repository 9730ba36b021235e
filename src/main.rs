//! The command line: `abr-film --help`.

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match cli::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::say(format!("abr-film: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}
