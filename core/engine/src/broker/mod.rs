//! The broker: a set of shards, each of which is a whole broker.
//!
//! A driver owns one [`Shard`] per thread. It tells a shard what happened (`handle_…`), then
//! takes what `poll_output` has until there is nothing left.

mod auth;
mod config;
mod connack;
mod connect;
mod deliver;
mod explain;
mod leave;
mod limits;
mod link;
mod outbox;
mod output;
mod overload;
mod parcel;
mod peer;
mod persist;
mod publish;
mod restore;
mod retain;
mod rights;
mod routes;
mod session;
mod shard;
mod shared;
mod spill;
mod subscribe;
mod sys;
mod table;
mod will;

pub use config::{BrokerConfig, Overload, QueueFull};
pub use output::{BrokerOutput, Closed, LinkId, LinkInfo, Moved, Outgoing, ShardId};
pub use peer::PeerBatch;
pub use restore::restore;
pub use shard::Shard;
pub use shared::{Shared, Stats};
