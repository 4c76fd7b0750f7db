//! The broker: a set of shards, each of which is a whole broker.
//!
//! A driver owns one [`Shard`] per thread. It tells a shard what happened (`handle_…`), then
//! takes what `poll_output` has until there is nothing left.

mod config;
mod output;
mod shard;

pub use config::{BrokerConfig, Overload, QueueFull};
pub use output::{BrokerOutput, Closed, LinkId, LinkInfo, Moved, Outgoing, PeerBatch, ShardId};
pub use shard::{Shard, Shared, Stats};
