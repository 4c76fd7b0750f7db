//! What a broker allows and announces.

use core::time::Duration;
use libmqtt_codec::QoS;

/// What happens to a QoS 1 or 2 message for a session whose queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueFull {
    /// The message that comes is dropped and counted.
    #[default]
    DropNewest,
    /// The oldest message that waits is dropped and counted.
    DropOldest,
}

/// What happens to publishers while more waits for subscribers than `backlog_bytes_max`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overload {
    /// They go on; each session's own bounds decide what is dropped.
    #[default]
    Drop,
    /// Their sockets are not read until subscribers have caught up.
    Backpressure,
}

/// Limits and policies of a broker. `Default` is meant for real use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerConfig {
    /// Time that a link may take until its CONNECT is complete.
    pub connect_timeout: Duration,
    /// Largest packet taken from a client, fixed header included, and announced in CONNACK.
    pub maximum_packet_size: u32,
    /// Largest packet taken before a client is authenticated.
    pub maximum_connect_size: u32,
    /// Links of one shard that have not come through CONNECT. Beyond, the one that has waited
    /// longest is closed.
    pub pending_max: usize,
    /// Connections of one address (for IPv6: of one /64 network) at a time. Beyond, a new one is
    /// closed at once. 0: no bound.
    pub address_connections_max: u32,
    /// Connections that one address may open in a minute, all at once or one by one; likewise.
    pub address_connects_per_min_max: u32,
    /// Logins of one address that may fail in a minute. Beyond, CONNECT gets Connection rate
    /// exceeded (3.x: Server unavailable) and no hook is asked. 0: no bound.
    pub address_failures_per_min_max: u32,
    /// Messages that a client may send in a second, all at once or one by one. Beyond, it is not
    /// read until it has made up for them: nothing is lost. 0: no bound.
    pub client_messages_per_s_max: u32,
    /// Bytes that a client may send in a second; likewise.
    pub client_bytes_per_s_max: u32,
    /// Unacknowledged QoS 1 and 2 messages that a client may have sent; announced.
    pub receive_maximum: u16,
    /// Unacknowledged messages sent to a client at most, whatever it allows.
    pub inflight_max: u16,
    /// Topic Aliases a client may assign; announced. 0: none.
    pub topic_alias_maximum: u16,
    /// Topic Aliases assigned towards a client at most, whatever it allows.
    pub topic_alias_out_max: u16,
    /// Highest QoS; announced.
    pub maximum_qos: QoS,
    /// Whether messages may be retained; announced.
    pub retain_available: bool,
    /// Whether filters may have wildcards; announced.
    pub wildcard_subscriptions: bool,
    /// Whether subscriptions may have identifiers; announced.
    pub subscription_identifiers: bool,
    /// Whether subscriptions may be shared; announced.
    pub shared_subscriptions: bool,
    /// Longest Keep Alive in seconds; a client that asks for more or for none gets this as
    /// Server Keep Alive. 0: whatever the client wants. 3.x clients cannot be told: one that
    /// asks for more or for none is refused with Server unavailable.
    pub keep_alive_max_s: u16,
    /// Longest Session Expiry Interval in seconds; what a client asks beyond is lowered.
    /// `u32::MAX`: for ever.
    pub session_expiry_max_s: u32,
    /// Session Expiry Interval of 3.x sessions with Clean Session 0. `u32::MAX`: for ever.
    pub session_expiry_v3_s: u32,
    /// Sessions in all, connected or not. At the bound, a CONNECT for a new one gets Quota
    /// exceeded (3.x: Server unavailable).
    pub sessions_max: usize,
    /// Connections in all. At the bound, CONNECT gets Server busy (3.x: Server unavailable).
    pub connections_max: usize,
    /// Subscriptions per session. At the bound, SUBACK says Quota exceeded.
    pub subscriptions_max: usize,
    /// Bytes of the Topic Filters of one session; likewise.
    pub subscription_bytes_max: usize,
    /// Shared ones among the subscriptions of one session; likewise.
    pub shared_subscriptions_max: usize,
    /// Levels of a topic or filter at most. Beyond: Topic Name / Topic Filter invalid.
    pub topic_levels_max: usize,
    /// Messages that wait for one session at most.
    pub queue_messages_max: usize,
    /// Bytes that wait for one session at most.
    pub queue_bytes_max: usize,
    /// What is dropped at these two bounds; QoS 0 is always dropped first come, first dropped.
    pub queue_full: QueueFull,
    /// Whether QoS 0 messages wait for a session that is not connected.
    pub queue_qos0_offline: bool,
    /// Bytes that wait for all sessions together at most.
    pub backlog_bytes_max: usize,
    /// What happens beyond.
    pub overload: Overload,
    /// Retained messages at most. Beyond: a new one gets Quota exceeded (3.x: is dropped).
    pub retained_max: usize,
    /// Bytes of retained messages at most; likewise.
    pub retained_bytes_max: usize,
    /// Bytes that wait in memory for one durable session at most, where there is a store. Beyond:
    /// they wait in the store alone, and come back in pages as the client reads.
    pub queue_memory_max: usize,
    /// Bytes that wait in memory for all sessions together; likewise.
    pub memory_max: usize,
    /// Bytes on their way to the store of one shard at most. Beyond: its publishers of QoS 1 and 2
    /// are not read until it has caught up. Where nothing is written at once, this must be more
    /// than what the store lets gather.
    pub store_queue_bytes_max: usize,
    /// Whether clients may publish to topics that begin with `$`, which the specification wants
    /// kept for the broker.
    pub dollar_topics: bool,
    /// Whether an empty Client Identifier is accepted and one assigned.
    pub assign_client_ids: bool,
    /// How assigned ones begin.
    pub assigned_id_prefix: Box<str>,
    /// Time between updates of `$SYS`; zero: no `$SYS`.
    pub sys_interval: Duration,
    /// Response Information given to clients that ask, if any.
    pub response_information: Option<Box<str>>,
}

impl Default for BrokerConfig {
    fn default() -> BrokerConfig {
        BrokerConfig {
            connect_timeout: Duration::from_secs(10),
            maximum_packet_size: 16 * 1024 * 1024,
            maximum_connect_size: 16 * 1024,
            pending_max: 10_000,
            address_connections_max: 0,
            address_connects_per_min_max: 0,
            address_failures_per_min_max: 0,
            client_messages_per_s_max: 0,
            client_bytes_per_s_max: 0,
            receive_maximum: 1024,
            inflight_max: 1024,
            topic_alias_maximum: 64,
            topic_alias_out_max: 64,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_subscriptions: true,
            subscription_identifiers: true,
            shared_subscriptions: true,
            keep_alive_max_s: 0,
            session_expiry_max_s: u32::MAX,
            session_expiry_v3_s: u32::MAX,
            sessions_max: 1_000_000,
            connections_max: 1_000_000,
            subscriptions_max: 100_000,
            subscription_bytes_max: 16 * 1024 * 1024,
            shared_subscriptions_max: 1000,
            topic_levels_max: 200,
            queue_messages_max: 100_000,
            queue_bytes_max: 64 * 1024 * 1024,
            queue_full: QueueFull::DropNewest,
            queue_qos0_offline: false,
            backlog_bytes_max: 1024 * 1024 * 1024,
            overload: Overload::Drop,
            retained_max: 1_000_000,
            retained_bytes_max: 1024 * 1024 * 1024,
            queue_memory_max: 2 * 1024 * 1024,
            memory_max: 64 * 1024 * 1024,
            store_queue_bytes_max: 1024 * 1024,
            dollar_topics: false,
            assign_client_ids: true,
            assigned_id_prefix: "auto-".into(),
            sys_interval: Duration::from_secs(10),
            response_information: None,
        }
    }
}
