//! One shard: links, sessions, queues, timers.

use std::sync::Arc;

use super::{BrokerConfig, BrokerOutput, Closed, LinkId, LinkInfo, Moved, Outgoing, PeerBatch, ShardId};
use crate::{Hooks, Instant, Message, Ticket, Verdict};

/// What the shards of one broker share: configuration, subscriptions, retained messages, counters.
#[derive(Debug)]
pub struct Shared {}

impl Shared {
    /// For a broker of `shards` shards (1 to 128). `seed` keeps hash collisions and assigned
    /// Client Identifiers from being foreseen.
    pub fn new(config: BrokerConfig, shards: u16, seed: u64) -> Arc<Shared> {
        let _ = (config, shards, seed);
        unimplemented!()
    }

    /// Counters of the whole broker, as of the last time each shard had nothing left to do.
    pub fn stats(&self) -> Stats {
        unimplemented!()
    }
}

/// Counters of a broker since its start, or its state now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // to be documented with the implementation
pub struct Stats {
    pub connections: u64,
    pub connections_total: u64,
    pub sessions: u64,
    pub subscriptions: u64,
    pub retained: u64,
    pub packets_received: u64,
    pub packets_sent: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub publish_received: u64,
    pub publish_sent: u64,
    pub publish_dropped: u64,
    pub queued_bytes: u64,
    pub queued_messages: u64,
}

/// One shard of a broker.
pub struct Shard {}

impl Shard {
    /// Shard number `which`. Every shard must get another `seed`.
    pub fn new(shared: Arc<Shared>, which: ShardId, hooks: Box<dyn Hooks>, seed: u64, now: Instant) -> Shard {
        let _ = (shared, which, hooks, seed, now);
        unimplemented!()
    }

    /// Input: a transport was accepted.
    pub fn handle_accept(&mut self, now: Instant, info: LinkInfo) -> LinkId {
        let _ = (now, info);
        unimplemented!()
    }

    /// Input: a link comes from another shard.
    pub fn handle_moved(&mut self, now: Instant, moved: Moved) -> LinkId {
        let _ = (now, moved);
        unimplemented!()
    }

    /// Input: bytes came from the peer; any split will do. Bytes of a link that is gone are ignored.
    pub fn handle_data(&mut self, now: Instant, link: LinkId, data: &[u8]) {
        let _ = (now, link, data);
        unimplemented!()
    }

    /// Input: the transport took `bytes` of what `outgoing` showed.
    pub fn handle_sent(&mut self, now: Instant, link: LinkId, bytes: usize) {
        let _ = (now, link, bytes);
        unimplemented!()
    }

    /// Input: the transport has closed by itself.
    pub fn handle_closed(&mut self, now: Instant, link: LinkId, cause: Closed) {
        let _ = (now, link, cause);
        unimplemented!()
    }

    /// Input: the answer to a hook that said [`Verdict::Later`]. An old ticket is ignored.
    pub fn handle_verdict(&mut self, now: Instant, ticket: Ticket, verdict: Verdict) {
        let _ = (now, ticket, verdict);
        unimplemented!()
    }

    /// Input: messages from another shard.
    pub fn handle_peer(&mut self, now: Instant, from: ShardId, batch: PeerBatch) {
        let _ = (now, from, batch);
        unimplemented!()
    }

    /// Input: `poll_timeout` has come. Calling it early does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
        unimplemented!()
    }

    /// Command: the host program publishes. Subscribers get it as from a client.
    pub fn publish(&mut self, now: Instant, message: &Message) {
        let _ = (now, message);
        unimplemented!()
    }

    /// Command: ends the connection of a client of this shard (Administrative action, or another
    /// reason); whether it was connected here.
    pub fn disconnect(&mut self, now: Instant, client_id: &str, reason: libmqtt_codec::Reason) -> bool {
        let _ = (now, client_id, reason);
        unimplemented!()
    }

    /// Command: ends all connections, telling 5.0 clients Server shutting down. No will is
    /// published. Accept nothing afterwards.
    pub fn shut_down(&mut self, now: Instant) {
        let _ = now;
        unimplemented!()
    }

    /// Output: what to do next.
    pub fn poll_output(&mut self) -> Option<BrokerOutput> {
        unimplemented!()
    }

    /// Output: bytes that wait for this link's transport.
    pub fn outgoing(&self, link: LinkId) -> Outgoing<'_> {
        let _ = link;
        unimplemented!()
    }

    /// Output: when to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        unimplemented!()
    }
}
