//! What the configuration says about the process. What it says about the broker, the runtime
//! knows. What a file can say, an option can say too: `max_qos 1` is `--max-qos 1`.

use std::path::PathBuf;

use libmqtt_runtime::conf::{self, Obeyed, Wrong, flag, path};

use crate::exit::Failure;

/// The directives that are options of the command, too, with dashes for underscores.
pub(crate) const FLAGS: &[&str] = &[
    "acl_file",
    "address_connects_per_minute",
    "address_failed_logins_per_minute",
    "address_max_connections",
    "allow_anonymous",
    "allow_zero_length_clientid",
    "auto_id_prefix",
    "cafile",
    "capath",
    "certfile",
    "ciphers",
    "client_bytes_per_second",
    "client_messages_per_second",
    "connect_timeout",
    "crlfile",
    "durability",
    "enable_proxy_protocol",
    "keyfile",
    "max_connections",
    "max_inflight_messages",
    "max_keepalive",
    "max_packet_size",
    "max_pending_connections",
    "max_qos",
    "max_queued_bytes",
    "max_queued_messages",
    "max_topic_alias",
    "message_size_limit",
    "overload",
    "packet_max_connect",
    "page",
    "password_file",
    "persistence",
    "persistence_file",
    "persistence_location",
    "persistent_client_expiration",
    "pid_file",
    "protocol",
    "queue_full",
    "queue_qos0_messages",
    "require_certificate",
    "retain_available",
    "set_tcp_nodelay",
    "shards",
    "sys_interval",
    "tls_alpn",
    "tls_version",
    "trusted_proxy",
    "use_identity_as_username",
    "use_subject_as_username",
    "websockets_origin",
    "websockets_path",
];

/// What `libmqtt broker` can be told beyond what the broker itself is told.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// Where the process id is written.
    pub(crate) pid_file: Option<PathBuf>,
    /// What is logged, and where.
    pub(crate) log: LogSettings,
}

/// What is logged, and where.
#[derive(Clone, Debug)]
pub(crate) struct LogSettings {
    /// Kinds of lines.
    pub(crate) types: LogTypes,
    /// Whether the file or the command line chose kinds, so that another adds to them.
    pub(crate) types_given: bool,
    /// Where to; empty: nowhere.
    pub(crate) destinations: Vec<Destination>,
    /// Whether a destination was chosen, so that another adds to it.
    pub(crate) destinations_given: bool,
    /// Whether lines start with the time.
    pub(crate) timestamp: bool,
    /// As strftime has it; none: seconds since 1970.
    pub(crate) timestamp_format: Option<String>,
    /// Whether clients' coming and going is logged.
    pub(crate) connections: bool,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Stdout,
    Stderr,
    File(PathBuf),
}

/// Kinds of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogTypes {
    pub(crate) error: bool,
    pub(crate) warning: bool,
    pub(crate) notice: bool,
    pub(crate) information: bool,
    pub(crate) debug: bool,
    pub(crate) subscribe: bool,
    pub(crate) unsubscribe: bool,
}

impl LogTypes {
    /// What is logged if nothing is said.
    pub(crate) const USUAL: LogTypes =
        LogTypes { error: true, warning: true, notice: true, information: true, ..LogTypes::NONE };
    /// Everything.
    pub(crate) const ALL: LogTypes =
        LogTypes { debug: true, subscribe: true, unsubscribe: true, ..LogTypes::USUAL };
    /// Nothing.
    pub(crate) const NONE: LogTypes = LogTypes {
        error: false,
        warning: false,
        notice: false,
        information: false,
        debug: false,
        subscribe: false,
        unsubscribe: false,
    };
}

impl Default for Process {
    fn default() -> Process {
        Process {
            pid_file: None,
            log: LogSettings {
                types: LogTypes::USUAL,
                types_given: false,
                destinations: vec![Destination::Stderr],
                destinations_given: false,
                timestamp: true,
                timestamp_format: None,
                connections: true,
            },
        }
    }
}

impl conf::Process for Process {
    fn obey(&mut self, word: &str, value: &str) -> Option<Obeyed> {
        if word == "pid_file" {
            return Some(path(value).map(|file| self.pid_file = Some(file)));
        }
        logging(&mut self.log, word, value)
    }
}

impl From<conf::ConfError> for Failure {
    fn from(error: conf::ConfError) -> Failure {
        Failure::usage(error.to_string())
    }
}

/// What is wrong with a directive that was given as an option.
pub(crate) fn wrong_option(option: &str, wrong: Wrong) -> Failure {
    Failure::usage(match wrong {
        Wrong::Unknown => format!("unknown option '{option}'"),
        Wrong::Absent(why) => format!("not supported: {option}: {why}"),
        Wrong::Value(why) => format!("{option}: {why}"),
    })
}

/// The log.
fn logging(log: &mut LogSettings, word: &str, value: &str) -> Option<Obeyed> {
    Some(match word {
        "connection_messages" => flag(value).map(|on| log.connections = on),
        "log_dest" => destination(value).map(|destination| {
            if !core::mem::replace(&mut log.destinations_given, true) {
                log.destinations.clear();
            }
            match destination {
                None => log.destinations.clear(),
                Some(destination) => log.destinations.push(destination),
            }
        }),
        "log_timestamp" => flag(value).map(|on| log.timestamp = on),
        "log_timestamp_format" => match crate::log::check_time_format(value) {
            Ok(()) => {
                log.timestamp_format = Some(value.to_owned());
                Ok(())
            }
            Err(why) => Err(Wrong::Value(why)),
        },
        "log_type" => {
            if !core::mem::replace(&mut log.types_given, true) {
                log.types = LogTypes::NONE;
            }
            let types = &mut log.types;
            match value {
                "all" => *types = LogTypes::ALL,
                "none" => *types = LogTypes::NONE,
                "debug" => types.debug = true,
                "error" => types.error = true,
                "information" => types.information = true,
                "notice" => types.notice = true,
                "subscribe" => types.subscribe = true,
                "unsubscribe" => types.unsubscribe = true,
                "warning" => types.warning = true,
                "internal" | "websockets" => {
                    return Some(Err(Wrong::Value(format!("not supported: '{value}'"))));
                }
                _ => return Some(Err(Wrong::Value(format!("unknown type '{value}'")))),
            }
            Ok(())
        }
        _ => return None,
    })
}

fn destination(value: &str) -> Result<Option<Destination>, Wrong> {
    let (kind, rest) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    match (kind, rest.trim()) {
        ("none", "") => Ok(None),
        ("stdout", "") => Ok(Some(Destination::Stdout)),
        ("stderr", "") => Ok(Some(Destination::Stderr)),
        ("file", file) => path(file).map(|file| Some(Destination::File(file))),
        ("syslog" | "topic" | "dlt" | "android", _) => {
            Err(Wrong::Value(format!("not supported: '{kind}' (use stdout, stderr or file)")))
        }
        _ => Err(Wrong::Value(format!("'{value}' is none of stdout, stderr, file PATH, none"))),
    }
}

#[cfg(test)]
mod tests {
    use libmqtt_runtime::conf::{ConfError, Settings};

    use super::*;

    fn read(text: &str) -> Result<Process, ConfError> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("broker.conf");
        std::fs::write(&file, text).unwrap();
        let mut process = Process::default();
        Settings::default().read(&file, &mut process).map(|()| process)
    }

    fn refused(text: &str, wanted: &str) {
        let message = read(text).unwrap_err().to_string();
        assert!(message.ends_with(&format!("/broker.conf: line 1: {wanted}")), "{message}");
    }

    #[test]
    fn the_log_and_the_process_id_go_where_they_shall() {
        let process = read(
            "log_dest file /var/log/m.log\n\
             log_dest stdout\n\
             log_type error\nlog_type notice\n\
             log_timestamp_format %Y-%m-%dT%H:%M:%S\n\
             connection_messages false\n\
             pid_file /run/m.pid\n",
        )
        .unwrap();
        let log = &process.log;
        let file = Destination::File("/var/log/m.log".into());
        assert_eq!(log.destinations, [file, Destination::Stdout]);
        assert_eq!(log.types, LogTypes { error: true, notice: true, ..LogTypes::NONE });
        assert_eq!(log.timestamp_format.as_deref(), Some("%Y-%m-%dT%H:%M:%S"));
        assert!(!log.connections);
        assert_eq!(process.pid_file, Some("/run/m.pid".into()));
    }

    #[test]
    fn mistakes_are_named() {
        refused("log_type noise", "log_type: unknown type 'noise'");
        refused(
            "log_timestamp_format %!",
            "log_timestamp_format: '%!' is not a format of strftime",
        );
        refused(
            "log_dest syslog",
            "log_dest: not supported: 'syslog' (use stdout, stderr or file)",
        );
    }

    #[test]
    fn every_option_is_a_directive_that_is_known() {
        for word in FLAGS {
            let obeyed = Settings::default().set(&mut Process::default(), word, "!");
            assert_ne!(obeyed, Err(Wrong::Unknown), "{word}");
        }
    }
}
