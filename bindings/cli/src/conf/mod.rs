//! Configuration in mosquitto.conf's dialect.
//!
//! A line is a directive and its value; `#` starts a line of comment. Nothing is ignored: a
//! directive that nobody knows is an error, and so is one of mosquitto's that has no meaning here
//! (yet). Every error names the file and the line. What a file can say, an option of
//! `libmqtt broker` can say too: `max_qos 1` is `--max-qos 1`.

mod absent;
mod directive;
mod settings;

use std::path::{Path, PathBuf};

pub(crate) use settings::{Destination, ListenAt, LogSettings, LogTypes, Settings};

use crate::exit::Failure;

/// The directives that are options of the command, too, with dashes for underscores.
pub(crate) const FLAGS: &[&str] = &[
    "allow_anonymous",
    "allow_zero_length_clientid",
    "max_connections",
    "max_inflight_messages",
    "max_keepalive",
    "max_packet_size",
    "max_qos",
    "max_queued_bytes",
    "max_queued_messages",
    "max_topic_alias",
    "message_size_limit",
    "overload",
    "password_file",
    "persistent_client_expiration",
    "pid_file",
    "queue_full",
    "queue_qos0_messages",
    "retain_available",
    "set_tcp_nodelay",
    "shards",
    "sys_interval",
];

impl Settings {
    /// Reads the file at `path`, and those that it includes, on top of what is set.
    pub(crate) fn read(&mut self, path: &Path) -> Result<(), Failure> {
        self.read_file(path, true)
    }

    fn read_file(&mut self, path: &Path, may_include: bool) -> Result<(), Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
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
                    return Err(place.wrong("include_dir: not within an included file"));
                }
                self.include(Path::new(value), &place)?;
                continue;
            }
            self.set_at(&place, word, value)?;
        }
        Ok(())
    }

    /// Reads every `*.conf` of a directory in the order of their bytes.
    fn include(&mut self, directory: &Path, place: &Place<'_>) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            place.wrong(&format!("include_dir {}: {error}", directory.display()))
        };
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "conf") {
                files.push(path);
            }
        }
        files.sort();
        files.iter().try_for_each(|file| self.read_file(file, false))
    }
}

/// A line of a file, for messages.
struct Place<'a> {
    file: &'a Path,
    line: usize,
}

impl Place<'_> {
    fn wrong(&self, why: &str) -> Failure {
        Failure::usage(format!("{}: line {}: {why}", self.file.display(), self.line))
    }
}

#[cfg(test)]
mod tests;
