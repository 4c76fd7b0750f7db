//! What a broker is told by its configuration and its command line.

use core::time::Duration;
use std::path::PathBuf;

use libmqtt_runtime::BrokerConfig;

use super::Place;
use super::directive::{self, Wrong};
use crate::exit::Failure;

/// Everything that `libmqtt broker` can be told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Limits and policies.
    pub(crate) config: BrokerConfig,
    /// The listeners of `listener` lines.
    pub(crate) listeners: Vec<ListenAt>,
    /// Port of the default listener, of `port` or `-p`.
    pub(crate) port: Option<u16>,
    /// Address of the default listener, of `bind_address` or `--bind`.
    pub(crate) bind: Option<String>,
    /// Whether a file had `port`, which opens the default listener to all networks.
    pub(crate) port_in_file: bool,
    /// Whether clients without User Name get in; none: as the listeners make it safe.
    pub(crate) allow_anonymous: Option<bool>,
    /// Users and passwords.
    pub(crate) password_file: Option<PathBuf>,
    /// Largest payload that is passed on; 0: any.
    pub(crate) message_size_limit: usize,
    /// TCP_NODELAY.
    pub(crate) no_delay: bool,
    /// Threads; none: as many as there are cores.
    pub(crate) shards: Option<u16>,
    /// Where the process id is written.
    pub(crate) pid_file: Option<PathBuf>,
    /// What is logged, and where.
    pub(crate) log: LogSettings,
    /// Where directives were given that mosquitto has per listener: listeners seen so far.
    pub(crate) scoped: Vec<(&'static str, String, usize)>,
}

/// A `listener` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenAt {
    /// The port; 0: any.
    pub(crate) port: u16,
    /// A name or an address; none: every address of this machine.
    pub(crate) host: Option<String>,
    /// Only IPv4 (false) or only IPv6 (true) addresses.
    pub(crate) v6: Option<bool>,
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

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            config: BrokerConfig::default(),
            listeners: Vec::new(),
            port: None,
            bind: None,
            port_in_file: false,
            allow_anonymous: None,
            password_file: None,
            message_size_limit: 0,
            no_delay: true,
            shards: None,
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
            scoped: Vec::new(),
        }
    }
}

impl Settings {
    /// Obeys one directive of a file.
    pub(super) fn set_at(
        &mut self,
        place: &Place<'_>,
        word: &str,
        value: &str,
    ) -> Result<(), Failure> {
        if word == "port" {
            self.port_in_file = true;
        }
        directive::obey(self, word, value).map_err(|wrong| {
            place.wrong(&match wrong {
                Wrong::Unknown => format!("unknown directive '{word}'"),
                Wrong::Absent(why) => format!("not supported: {word}: {why}"),
                Wrong::Value(why) => format!("{word}: {why}"),
            })
        })
    }

    /// Obeys one directive given as an option.
    pub(crate) fn set(&mut self, option: &str, word: &str, value: &str) -> Result<(), Failure> {
        directive::obey(self, word, value).map_err(|wrong| {
            Failure::usage(match wrong {
                Wrong::Unknown => format!("unknown option '{option}'"),
                Wrong::Absent(why) => format!("not supported: {option}: {why}"),
                Wrong::Value(why) => format!("{option}: {why}"),
            })
        })
    }

    /// Whether only this machine can reach the broker, for want of anything that opens it.
    pub(crate) fn is_local(&self) -> bool {
        self.listeners.is_empty() && self.bind.is_none() && !self.port_in_file
    }

    /// Whether clients without User Name get in.
    pub(crate) fn anonymous(&self) -> bool {
        self.allow_anonymous.unwrap_or(self.is_local())
    }

    /// What can be said only when everything was read: limits that mosquitto has per listener
    /// are for the whole broker here, so they must not differ.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let listeners = self.listeners.len();
        for (word, value, listener) in &self.scoped {
            let same = |other: usize| {
                let last = self.scoped.iter().rfind(|(w, _, at)| w == word && *at == other);
                last.is_some_and(|(_, v, _)| v == value)
            };
            if listeners > 1 && *listener > 0 && !(1..=listeners).all(same) {
                return Err(Failure::usage(format!(
                    "not supported: {word} that is not the same for all listeners (given before \
                     the first listener it is for all)"
                )));
            }
        }
        Ok(())
    }

    /// Time for which sessions of clients that are not connected are kept at most.
    pub(super) fn expire_sessions(&mut self, after: Duration) {
        let seconds = u32::try_from(after.as_secs()).unwrap_or(u32::MAX);
        self.config.session_expiry_max_s = seconds;
        self.config.session_expiry_v3_s = seconds;
    }
}
