//! Threads, timers and sockets around the libmqtt engine: what programs use.
//!
//! - [`Broker`] runs a whole broker on threads of its own; any number may live in one process.
//! - [`Client`] is a handle for any thread; a [`Runtime`] is the loop that serves clients.
//! - [`conf`] reads configuration files in mosquitto.conf's dialect.
//! - [`Status`] is the one list of stable numbers for what can go wrong.
//!
//! Nothing here installs a signal handler, changes a limit of the process, keeps a global, or
//! writes to the terminal: log lines go to a [`Log`].
#![forbid(unsafe_code)]

pub mod auth;
mod broker;
mod client;
mod clock;
pub mod conf;
mod inbox;
mod log;
#[cfg(loom)]
mod models;
pub mod named;
mod pace;
pub mod page;
mod runtime;
mod status;
mod store;
mod timers;

pub use libmqtt_engine as engine;
pub use libmqtt_engine::broker::{BrokerConfig, Overload, QueueFull, ShardId, Stats};
pub use libmqtt_engine::client::{ClientConfig, Event, Outcome, Token};
pub use libmqtt_engine::codec::{
    self, Properties, PropertiesBuf, Property, PropertyId, Publish, QoS, Reason, RetainHandling,
    Subscription, SubscriptionOptions, SubscriptionsBuf, TopicError, TopicFilter, TopicName,
    Version,
};
pub use libmqtt_engine::{
    Authenticate, ClientInfo, Hooks, Identity, Message, MessageError, NoHooks, Step, Ticket,
    Verdict,
};
pub use libmqtt_net::tls;
pub use libmqtt_net::web;
pub use libmqtt_net::{
    Address, CertificateUser, LayerError, Listener, ProxyKind, ProxyServer, ProxyServerError,
    ProxyVersions, TcpOptions,
};

use crate::broker::random;
pub use crate::broker::{Answers, Broker, BrokerError, BrokerOptions, HooksFactory};
pub use crate::client::{
    Batch, Client, ClientError, ClientOptions, ClientPersistence, NetworkError, Scheme, Server,
    ServerError,
};
pub use crate::log::{Level, Log};
pub use crate::runtime::{OwnLoop, Runtime};
pub use crate::status::Status;
pub use crate::store::{DiskStore, Durability, Persistence};

/// What README shows compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
