//! The error type of everything a user can reach. It names the input, the place in it, the problem and the remedy.

use std::borrow::Cow;
use std::fmt::{self, Debug, Display, Formatter};
use std::path::{Path, PathBuf};

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors that a user can cause or meet.
#[derive(thiserror::Error)]
pub enum Error {
    /// An input (a configuration, a table, a checkpoint) cannot be used.
    #[error("{}{problem}\n  help: {remedy}", at(source_name, place))]
    Input { source_name: String, place: String, problem: String, remedy: String },

    /// A configuration cannot be used.
    #[error("{}{problem}\n  help: {remedy}", at(source_name, place))]
    Config { source_name: String, place: String, problem: String, remedy: String },

    /// Invalid flags or flag values.
    #[error("{problem}\n  help: {remedy}")]
    Usage { problem: String, remedy: String },

    /// The device failed, or was lost.
    #[error("{device}: {problem}\n  help: {remedy}")]
    Device { device: String, problem: String, remedy: String },

    /// An input or output operation failed.
    #[error("{}: cannot {action}: {source}\n  help: {}", line(&path.display().to_string()), io_remedy(action, source))]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },

    /// The run was interrupted, and its state is saved.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// An unusable input: `source_name` is the file or its substitute, `place` the row, column, key or tensor in it.
    pub fn input(source_name: impl Display, place: impl Display, problem: impl Display, remedy: impl Display) -> Self {
        Error::Input {
            source_name: source_name.to_string(),
            place: place.to_string(),
            problem: problem.to_string(),
            remedy: remedy.to_string(),
        }
    }

    /// An unusable configuration: `source_name` is the file or the `--set` flag, `place` the dotted key (or line and
    /// column).
    pub fn config(source_name: impl Display, place: impl Display, problem: impl Display, remedy: impl Display) -> Self {
        Error::Config {
            source_name: source_name.to_string(),
            place: place.to_string(),
            problem: problem.to_string(),
            remedy: remedy.to_string(),
        }
    }

    /// An invalid request, and what to do instead.
    pub fn usage(problem: impl Display, remedy: impl Display) -> Self {
        Error::Usage { problem: problem.to_string(), remedy: remedy.to_string() }
    }

    /// What a device could not do, or why there is no device.
    pub fn device(device: impl Display, problem: impl Display, remedy: impl Display) -> Self {
        Error::Device { device: device.to_string(), problem: problem.to_string(), remedy: remedy.to_string() }
    }

    /// Wraps an I/O error with the action and the path.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Error::Io { action, path, source }
    }

    /// The process exit code: 1 failed, 2 usage, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Input { .. } | Error::Device { .. } | Error::Io { .. } => 1,
            Error::Config { .. } | Error::Usage { .. } => 2,
            Error::Interrupted => 130,
        }
    }
}

/// As for users, since Rust prints what `main` returns, and what `unwrap` meets, in this way.
impl Debug for Error {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `a.csv: row 3: `, or without a place `a.csv: `.
fn at(source_name: &str, place: &str) -> String {
    let place = if place.is_empty() { String::new() } else { format!("{}: ", line(place)) };
    format!("{}: {place}", line(source_name))
}

/// A name on one line: the control characters in it are escaped, which could pretend to be another message.
fn line(name: &str) -> Cow<'_, str> {
    escaped(name, char::is_control)
}

/// The text with some of its characters escaped as in JSON.
pub(crate) fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if is_unsafe(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}

fn io_remedy(action: &str, source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::FileTooLarge if action == "read" => "name a smaller file, or split it",
        std::io::ErrorKind::NotFound => "check the path",
        std::io::ErrorKind::PermissionDenied => "check the permissions",
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "free some space or choose another place"
        }
        std::io::ErrorKind::FileTooLarge => {
            "raise the limit on the size of files (`ulimit -f`), or choose another file system"
        }
        _ => "check the path and the device it is on",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_where_and_the_way_out() {
        let error = Error::config("a.json", "model.latent_dim", "is 0", "use 1 or more");
        assert_eq!(error.to_string(), "a.json: model.latent_dim: is 0\n  help: use 1 or more");
        assert_eq!(error.exit_code(), 2);
        assert_eq!(Error::input("a.csv", "", "is empty", "…").to_string(), "a.csv: is empty\n  help: …");
        let named = Error::input("a\nb.csv", "column `\x1b[2J`", "is empty", "…").to_string();
        assert_eq!(named, "a\\u000ab.csv: column `\\u001b[2J`: is empty\n  help: …");
    }
}
