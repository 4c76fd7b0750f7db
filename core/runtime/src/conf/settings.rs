//! What a broker is told by its configuration.

use core::time::Duration;
use std::path::PathBuf;

use super::{ConfError, Obeyed, Place, Process, Transport, Wrong, directive};
use crate::auth::Policy;
use crate::{BrokerConfig, CertificateUser, Durability, Persistence};

/// Everything that a broker can be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limits and policies.
    pub config: BrokerConfig,
    /// The listeners of `listener` lines.
    pub listeners: Vec<ListenAt>,
    /// Port of the default listener, of `port`; none: 1883.
    pub port: Option<u16>,
    /// Address of the default listener, of `bind_address`.
    pub bind: Option<String>,
    /// TLS, WebSocket and proxies of the default listener.
    pub transport: Transport,
    /// Port of the page for browsers, which only this machine can reach; none: no page.
    pub page: Option<u16>,
    /// Whether a file had `port`, which opens the default listener to all networks.
    pub port_in_file: bool,
    /// Whether clients without User Name get in; none: as the listeners make it safe.
    pub allow_anonymous: Option<bool>,
    /// Users and passwords.
    pub password_file: Option<PathBuf>,
    /// Access rights.
    pub acl_file: Option<PathBuf>,
    /// Largest payload that is passed on; 0: any.
    pub message_size_limit: usize,
    /// TCP_NODELAY.
    pub no_delay: bool,
    /// Threads; none: as many as there are cores.
    pub shards: Option<u16>,
    /// Whether sessions and messages are kept beyond the broker's life; none: no.
    pub persistence: Option<bool>,
    /// In which directory; none: the process's own.
    pub persistence_location: Option<PathBuf>,
    /// The name of the file there; none: `libmqtt.db`.
    pub persistence_file: Option<PathBuf>,
    /// When what is stored is on disk.
    pub durability: Durability,
    /// Where directives were given that mosquitto has per listener: listeners seen so far.
    pub(super) scoped: Vec<(&'static str, String, usize)>,
}

/// A `listener` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAt {
    /// The port; 0: any, or none for a Unix socket.
    pub port: u16,
    /// A name or an address, or the path of a Unix socket, or `@` and its abstract name; none:
    /// every address of this machine.
    pub host: Option<String>,
    /// Only IPv4 (false) or only IPv6 (true) addresses.
    pub v6: Option<bool>,
    /// TLS, WebSocket and proxies.
    pub transport: Transport,
}

impl ListenAt {
    /// Here, over TCP; or a Unix socket, if the host begins as such.
    pub fn new(port: u16, host: Option<String>) -> ListenAt {
        ListenAt { port, host, v6: None, transport: Transport::default() }
    }

    /// The Unix socket that it is.
    pub(super) fn unix(&self) -> Option<&str> {
        self.host.as_deref().filter(|host| host.starts_with(['/', '@']))
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::new(BrokerConfig::default())
    }
}

impl Settings {
    /// The default, but with these limits and policies.
    pub fn new(config: BrokerConfig) -> Settings {
        Settings {
            config,
            listeners: Vec::new(),
            port: None,
            bind: None,
            transport: Transport::default(),
            page: None,
            port_in_file: false,
            allow_anonymous: None,
            password_file: None,
            acl_file: None,
            message_size_limit: 0,
            no_delay: true,
            shards: None,
            persistence: None,
            persistence_location: None,
            persistence_file: None,
            durability: Durability::Sync,
            scoped: Vec::new(),
        }
    }

    /// Obeys one directive of a file.
    pub(super) fn set_at(
        &mut self,
        place: &Place<'_>,
        process: &mut dyn Process,
        word: &str,
        value: &str,
    ) -> Result<(), ConfError> {
        if word == "port" {
            self.port_in_file = true;
        }
        directive::obey(self, process, word, value).map_err(|wrong| {
            place.wrong(match wrong {
                Wrong::Unknown => format!("unknown directive '{word}'"),
                Wrong::Absent(why) => format!("not supported: {word}: {why}"),
                Wrong::Value(why) => format!("{word}: {why}"),
            })
        })
    }

    /// Obeys one directive that stands in no file.
    pub fn set(&mut self, process: &mut dyn Process, word: &str, value: &str) -> Obeyed {
        directive::obey(self, process, word, value)
    }

    /// Who gets in, and what is allowed.
    pub fn policy(&self) -> Policy {
        Policy {
            anonymous: Some(self.anonymous()),
            password_file: self.password_file.clone(),
            acl_file: self.acl_file.clone(),
            payload_max: self.payload_max(),
        }
    }

    /// Where sessions and messages are kept, if they are.
    pub fn persistence(&self) -> Option<Persistence> {
        let directory = self.persistence_location.clone().unwrap_or_default();
        let mut persistence = Persistence::new(directory);
        persistence.durability = self.durability;
        if let Some(file) = &self.persistence_file {
            persistence.file = file.clone();
        }
        (self.persistence == Some(true)).then_some(persistence)
    }

    /// Largest payload that is passed on; none: any.
    pub fn payload_max(&self) -> Option<usize> {
        Some(self.message_size_limit).filter(|&max| max > 0)
    }

    /// Whether only this machine can reach the broker, for want of anything that opens it.
    pub fn is_local(&self) -> bool {
        self.listeners.is_empty() && self.bind.is_none() && !self.port_in_file
    }

    /// Whether a listener knows users by their certificates.
    pub fn knows_users(&self) -> bool {
        let transports = self.listeners.iter().map(|listener| &listener.transport);
        transports.chain([&self.transport]).any(|at| at.user != CertificateUser::No)
    }

    /// Whether clients without User Name get in.
    pub fn anonymous(&self) -> bool {
        self.allow_anonymous.unwrap_or(self.is_local() && self.password_file.is_none())
    }

    /// What can be said only when everything was read: limits that mosquitto has per listener
    /// are for the whole broker here, so they must not differ.
    pub fn check(&self) -> Result<(), ConfError> {
        let given = self.persistence_location.is_some()
            || self.persistence_file.is_some()
            || self.durability != Durability::Sync;
        if given && self.persistence.is_none() {
            return Err(ConfError::NotPersistent);
        }
        let listeners = self.listeners.len();
        for (word, value, listener) in &self.scoped {
            let same = |other: usize| {
                let last = self.scoped.iter().rfind(|(w, _, at)| w == word && *at == other);
                last.is_some_and(|(_, v, _)| v == value)
            };
            if listeners > 1 && *listener > 0 && !(1..=listeners).all(same) {
                return Err(ConfError::Scoped(word));
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
