//! Configuration in mosquitto.conf's dialect.
//!
//! A line is a directive and its value; `#` starts a line of comment. Nothing is ignored: a
//! directive that nobody knows is an error, and so is one of mosquitto's that has no meaning here
//! (yet). Every error names the file and the line. [`Settings::read`] reads, [`Settings::check`]
//! looks at the whole, and [`Settings::listeners`], [`Settings::policy`] and the settings' fields
//! are what [`start`] wants.

mod absent;
mod directive;
mod listen;
mod settings;
mod transport;

use std::io;
use std::path::{Path, PathBuf};

pub use listen::start;
pub use settings::{ListenAt, Settings};
pub use transport::Transport;

use libmqtt_net::tls::TlsConfigError;

use crate::client::tls_config_status;
use crate::{Listener, Status};

/// A directive's value as true or false.
pub fn flag(value: &str) -> Result<bool, Wrong> {
    match value {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => directive::choice(value, &[("true", true), ("false", false)]),
    }
}

/// A directive's value as the path of a file.
pub fn path(value: &str) -> Result<PathBuf, Wrong> {
    directive::text(value).map(PathBuf::from)
}

/// Why a directive cannot be obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Nobody knows it.
    Unknown,
    /// mosquitto knows it.
    Absent(&'static str),
    /// Its value is wrong.
    Value(String),
}

/// What comes of a directive.
pub type Obeyed = Result<(), Wrong>;

/// Obeys the directives that are for the process and not for the broker.
pub trait Process {
    /// Obeys one; none if it is not for the process.
    fn obey(&mut self, word: &str, value: &str) -> Option<Obeyed>;
}

/// A program that keeps its process to itself: such directives are refused.
#[derive(Clone, Copy, Debug)]
pub struct Embedded;

impl Process for Embedded {
    fn obey(&mut self, word: &str, _value: &str) -> Option<Obeyed> {
        let why = "it concerns the process, which belongs to the program that embeds the broker";
        PROCESS.contains(&word).then_some(Err(Wrong::Absent(why)))
    }
}

/// The directives that are for the process.
const PROCESS: &[&str] = &[
    "connection_messages",
    "log_dest",
    "log_timestamp",
    "log_timestamp_format",
    "log_type",
    "pid_file",
];

/// Why a configuration is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ConfError {
    /// A file cannot be read.
    #[error("{}: {error}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A line cannot be obeyed.
    #[error("{}: line {line}: {why}", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The directive and what is wrong with it.
        why: String,
    },
    /// This directive differs between listeners.
    #[error(
        "not supported: {0} that is not the same for all listeners (given before the first \
         listener it is for all)"
    )]
    Scoped(&'static str),
    /// The TLS of a listener cannot be set up.
    #[error("listener {listener}: {error}")]
    Tls {
        /// Which.
        listener: String,
        /// What is wrong with it.
        error: TlsConfigError,
    },
    /// It says how to store, but not to.
    #[error(
        "persistence_location, persistence_file and durability want 'persistence true' beside them"
    )]
    NotPersistent,
    /// A listener's name leads to no address.
    #[error("cannot listen on {host}: {why}")]
    Listen {
        /// The name.
        host: String,
        /// What is wrong with it.
        why: String,
    },
}

impl ConfError {
    /// Its stable number.
    pub fn status(&self) -> Status {
        match self {
            ConfError::Read { .. } => Status::FileUnreadable,
            ConfError::Line { .. } | ConfError::Scoped(_) | ConfError::NotPersistent => {
                Status::FileInvalid
            }
            ConfError::Tls { error, .. } => tls_config_status(error),
            ConfError::Listen { .. } => Status::ListenFailed,
        }
    }
}

impl Settings {
    /// Reads the file at `path`, and those that it includes, on top of what is set.
    pub fn read(&mut self, path: &Path, process: &mut dyn Process) -> Result<(), ConfError> {
        self.read_file(path, process, true)
    }

    /// The addresses to listen at; names are looked up, and files of TLS read.
    pub fn listeners(&self) -> Result<Vec<Listener>, ConfError> {
        listen::listeners(self)
    }

    /// Reads the text of a file; errors call it `path`.
    pub fn read_text(
        &mut self,
        path: &Path,
        text: &str,
        process: &mut dyn Process,
    ) -> Result<(), ConfError> {
        self.obey_lines(path, text, process, true)
    }

    fn read_file(
        &mut self,
        path: &Path,
        process: &mut dyn Process,
        may_include: bool,
    ) -> Result<(), ConfError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfError::Read { file: path.into(), error })?;
        self.obey_lines(path, &text, process, may_include)
    }

    fn obey_lines(
        &mut self,
        path: &Path,
        text: &str,
        process: &mut dyn Process,
        may_include: bool,
    ) -> Result<(), ConfError> {
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (word, value) = match line.split_once(char::is_whitespace) {
                Some((word, value)) => (word, value.trim()),
                None => (line, ""),
            };
            let place = Place { file: path, line: number };
            if word == "include_dir" {
                if !may_include {
                    return Err(place.wrong("include_dir: not within an included file".into()));
                }
                self.include(Path::new(value), process, &place)?;
                continue;
            }
            self.set_at(&place, process, word, value)?;
        }
        Ok(())
    }

    /// Reads every `*.conf` of a directory in the order of their bytes.
    fn include(
        &mut self,
        directory: &Path,
        process: &mut dyn Process,
        place: &Place<'_>,
    ) -> Result<(), ConfError> {
        let failed =
            |error: io::Error| place.wrong(format!("include_dir {}: {error}", directory.display()));
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "conf") {
                files.push(path);
            }
        }
        files.sort();
        files.iter().try_for_each(|file| self.read_file(file, process, false))
    }
}

/// A line of a file, for messages.
struct Place<'a> {
    file: &'a Path,
    line: usize,
}

impl Place<'_> {
    fn wrong(&self, why: String) -> ConfError {
        ConfError::Line { file: self.file.into(), line: self.line, why }
    }
}

#[cfg(test)]
mod tests;
