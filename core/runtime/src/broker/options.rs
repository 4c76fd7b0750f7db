//! How a broker is set up.

use core::fmt;
use core::net::SocketAddr;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use libmqtt_engine::Hooks;
use libmqtt_engine::broker::BrokerConfig;
use libmqtt_engine::client::ConnectError;
use libmqtt_engine::store::StoreError;
use libmqtt_net::tls::TlsConfigError;
use libmqtt_net::{Address, Listener};

use super::Answers;
use crate::auth::{Policy, PolicyError};
use crate::client::{KeeperError, tls_config_status};
use crate::{Log, Persistence, Status};

/// Makes the hooks of each shard, on the thread that starts the broker. Each shard's hooks are
/// called by one thread at a time, which may also serve other shards and may change; what they
/// share is theirs to guard.
pub type HooksFactory = Arc<dyn Fn(Answers) -> Box<dyn Hooks> + Send + Sync>;

/// What [`Broker::start`](super::Broker::start) needs to know.
///
/// The default listens on 127.0.0.1:1883 and lets everyone in who can reach that. With a listener
/// at any other address, nobody gets in unless the policy has a password file or says that
/// `anonymous` is true.
#[derive(Clone)]
pub struct BrokerOptions {
    /// Limits and policies.
    pub config: BrokerConfig,
    /// Where to listen. May be empty: then there are only clients within the process.
    pub listeners: Vec<Listener>,
    /// Shards, each with its thread when there is much to do: 1 to 128; none: as many as there are cores.
    pub shards: Option<u16>,
    /// Who gets in and what is allowed: asked first.
    pub policy: Policy,
    /// Who decides and watches beyond that.
    pub hooks: Option<HooksFactory>,
    /// Where sessions and messages are kept beyond the broker's life; none: in memory alone.
    pub persistence: Option<Persistence>,
    /// Where log lines go.
    pub log: Log,
}

impl Default for BrokerOptions {
    fn default() -> BrokerOptions {
        BrokerOptions {
            config: BrokerConfig::default(),
            listeners: vec![Listener::new(([127, 0, 0, 1], 1883).into())],
            shards: None,
            policy: Policy::default(),
            hooks: None,
            persistence: None,
            log: Log::default(),
        }
    }
}

impl BrokerOptions {
    /// The default, but listening here alone. Port 0 means any free port.
    pub fn listening_on(addresses: &[SocketAddr]) -> BrokerOptions {
        BrokerOptions {
            listeners: addresses.iter().map(|&address| Listener::new(address)).collect(),
            ..BrokerOptions::default()
        }
    }
}

impl fmt::Debug for BrokerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerOptions")
            .field("config", &self.config)
            .field("listeners", &self.listeners)
            .field("shards", &self.shards)
            .field("policy", &self.policy)
            .field("hooks", &self.hooks.is_some())
            .field("persistence", &self.persistence)
            .field("log", &self.log)
            .finish()
    }
}

/// Why a broker does not start, or does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A listener's address cannot be had: taken, not of this machine, not permitted.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
    /// A file that the policy names cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Files that a listener's TLS names cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
    /// The number of shards is not between 1 and 128.
    #[error("number of shards {0} is not between 1 and 128")]
    Shards(u16),
    /// The file of sessions and messages does not open, or makes no sense. It is as it was.
    #[error("cannot use {}: {source} (status {})", .path.display(), Status::StorageFailed.code())]
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: StoreError,
    },
    /// The configuration of a client within the process does not go with its persistence.
    #[error(transparent)]
    Client(ConnectError),
    /// The system gives no thread, no poll or no random numbers.
    #[error("system refuses what a broker needs")]
    System(#[from] io::Error),
    /// Too much that the host program has asked for waits to be done.
    #[error("broker has too much waiting")]
    Busy,
    /// The broker has stopped.
    #[error("broker has stopped")]
    Stopped,
}

impl BrokerError {
    /// Its stable number.
    pub fn status(&self) -> Status {
        match self {
            BrokerError::Listen { .. } => Status::ListenFailed,
            BrokerError::Policy(error) => error.status(),
            BrokerError::Tls(error) => tls_config_status(error),
            BrokerError::Shards(_) => Status::BadArgument,
            BrokerError::Store { .. } => Status::StorageFailed,
            BrokerError::Client(_) => Status::BadArgument,
            BrokerError::System(_) => Status::SystemRefused,
            BrokerError::Busy => Status::QueueFull,
            BrokerError::Stopped => Status::Closed,
        }
    }
}

impl From<KeeperError> for BrokerError {
    fn from(error: KeeperError) -> BrokerError {
        match error {
            KeeperError::Unfit(error) => BrokerError::Client(error),
            KeeperError::Store(path, source) => BrokerError::Store { path, source },
        }
    }
}
