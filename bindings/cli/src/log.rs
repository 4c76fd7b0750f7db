//! The broker's log.

use core::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Zoned;
use jiff::fmt::strtime;
use libmqtt_runtime::Level;

use crate::conf::{Destination, LogSettings};
use crate::exit::Failure;

/// The kinds of lines, as `log_type` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Warning,
    Notice,
    Information,
    Debug,
    Subscribe,
    Unsubscribe,
}

impl From<Level> for Kind {
    fn from(level: Level) -> Kind {
        match level {
            Level::Error => Kind::Error,
            Level::Warn => Kind::Warning,
            Level::Info => Kind::Information,
            Level::Debug | Level::Trace => Kind::Debug,
        }
    }
}

/// Writes the chosen kinds of lines to the chosen places.
#[derive(Debug)]
pub(crate) struct LogWriter {
    settings: LogSettings,
    /// The open files among the destinations, in order.
    files: Mutex<Vec<File>>,
}

impl LogWriter {
    /// Opens what is to be written to.
    pub(crate) fn open(settings: LogSettings) -> Result<LogWriter, Failure> {
        let files = Mutex::new(open_files(&settings)?);
        Ok(LogWriter { settings, files })
    }

    /// Opens the files again, for whoever has moved them away.
    pub(crate) fn reopen(&self) -> Result<(), Failure> {
        *self.files() = open_files(&self.settings)?;
        Ok(())
    }

    /// Whether such lines are written at all.
    pub(crate) fn wants(&self, kind: Kind) -> bool {
        let types = &self.settings.types;
        match kind {
            Kind::Error => types.error,
            Kind::Warning => types.warning,
            Kind::Notice => types.notice,
            Kind::Information => types.information,
            Kind::Debug => types.debug,
            Kind::Subscribe => types.subscribe,
            Kind::Unsubscribe => types.unsubscribe,
        }
    }

    /// Whether clients' coming and going is logged.
    pub(crate) fn tells_connections(&self) -> bool {
        self.settings.connections && self.wants(Kind::Notice)
    }

    /// Writes one line. If that fails there is nowhere to say so.
    pub(crate) fn write(&self, kind: Kind, text: fmt::Arguments<'_>) {
        if !self.wants(kind) {
            return;
        }
        let mut line = self.time();
        // Writing to memory does not fail.
        let _: fmt::Result = fmt::Write::write_fmt(&mut line, text);
        // What clients send must not forge lines or command a terminal.
        if line.contains(char::is_control) {
            line = line.replace(char::is_control, "?");
        }
        line.push('\n');
        let mut files = self.files();
        let mut files = files.iter_mut();
        for destination in &self.settings.destinations {
            let _: io::Result<()> = match destination {
                Destination::Stdout => io::stdout().lock().write_all(line.as_bytes()),
                Destination::Stderr => io::stderr().lock().write_all(line.as_bytes()),
                Destination::File(_) => match files.next() {
                    Some(file) => file.write_all(line.as_bytes()),
                    None => Ok(()),
                },
            };
        }
    }

    fn time(&self) -> String {
        if !self.settings.timestamp {
            return String::new();
        }
        let now = Zoned::now();
        match &self.settings.timestamp_format {
            // It was tried when it was read.
            Some(format) => strtime::format(format, &now).unwrap_or_default() + ": ",
            None => format!("{}: ", now.timestamp().as_second()),
        }
    }

    fn files(&self) -> MutexGuard<'_, Vec<File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_files(settings: &LogSettings) -> Result<Vec<File>, Failure> {
    let open = |path: &Path| {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.map_err(|error| Failure::usage(format!("log_dest file {}: {error}", path.display())))
    };
    let files = settings.destinations.iter().filter_map(|destination| match destination {
        Destination::File(path) => Some(open(path)),
        Destination::Stdout | Destination::Stderr => None,
    });
    files.collect()
}

/// Whether strftime's conversions in `format` are known.
pub(crate) fn check_time_format(format: &str) -> Result<(), String> {
    match strtime::format(format, &Zoned::default()) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("'{format}' is not a format of strftime")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::{LogTypes, Process};

    #[test]
    fn chosen_lines_are_written_and_nothing_forges_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut settings = Process::default().log;
        settings.destinations = vec![Destination::File(path.clone())];
        settings.types = LogTypes { warning: true, ..LogTypes::NONE };
        settings.timestamp_format = Some("%%".into());
        let log = LogWriter::open(settings).unwrap();
        log.write(Kind::Warning, format_args!("client {}", "a\n1: client b\x1b[0m"));
        log.write(Kind::Notice, format_args!("not this"));
        std::fs::rename(&path, directory.path().join("old")).unwrap();
        log.reopen().unwrap();
        log.write(Kind::Warning, format_args!("later"));
        let old = std::fs::read_to_string(directory.path().join("old")).unwrap();
        assert_eq!(old, "%: client a?1: client b?[0m\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "%: later\n");
    }

    #[test]
    fn a_log_file_that_cannot_be_opened_is_named() {
        let mut settings = Process::default().log;
        settings.destinations = vec![Destination::File("/nowhere/log".into())];
        let message = LogWriter::open(settings).unwrap_err().message;
        assert!(message.starts_with("log_dest file /nowhere/log: "), "{message}");
    }
}
