//! What can be seen of a run from outside: the only thing that checkers are given.

use libmqtt_codec::{QoS, Reason};

/// Virtual nanoseconds since the start of the run.
pub type Time = u64;
/// A participant.
pub type ActorId = usize;
/// A Network Connection, numbered in the order of dialling.
pub type ConnId = usize;

/// A millisecond of virtual time.
pub const MS: Time = 1_000_000;
/// A second of virtual time.
pub const SEC: Time = 1_000_000_000;

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obs {
    /// When.
    pub at: Time,
    /// What.
    pub what: What,
}

/// What was observed. A packet is the bytes of a whole one, as they stood on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // conn, actor, packet, key, qos, token say what they are
pub enum What {
    /// A participant dialled.
    Dialled { conn: ConnId, actor: ActorId },
    /// The broker has accepted the transport.
    Accepted { conn: ConnId },
    /// The client's transport took the last byte of a packet.
    FromClient { conn: ConnId, packet: Vec<u8> },
    /// The broker was handed bytes.
    Heard { conn: ConnId },
    /// The broker was handed the last byte of a packet.
    ToBroker { conn: ConnId, packet: Vec<u8> },
    /// The broker has made its CONNACK, which may not have left yet.
    Answered { conn: ConnId, packet: Vec<u8> },
    /// The broker's transport took the last byte of a packet.
    FromBroker { conn: ConnId, packet: Vec<u8> },
    /// The client was handed the last byte of a packet.
    ToClient { conn: ConnId, packet: Vec<u8> },
    /// The broker was told that the link has closed.
    BrokerTold { conn: ConnId },
    /// The broker closed the link, and whether the transport had taken all that it had to say.
    BrokerClosed { conn: ConnId, reason: Reason, flushed: bool },
    /// The client has seen the link close, or closed it.
    ClientGone { conn: ConnId },
    /// A program asked its client to publish.
    Published { actor: ActorId, token: u64, key: u64, qos: QoS },
    /// What became of that.
    Resolved { actor: ActorId, token: u64, outcome: Outcome },
    /// A program was handed a message.
    Received { conn: ConnId, key: u64, qos: QoS },
    /// A program has acknowledged a message.
    Acknowledged { actor: ActorId, key: u64 },
    /// A program asked for what it has published and acknowledged to be made durable. What became
    /// of that is told as of a publish.
    Flushes { actor: ActorId, token: u64 },
    /// A participant has lost its power, and what it had not stored.
    ClientPowerLost { actor: ActorId },
    /// The broker has lost its power, and what it had not stored.
    PowerLost,
    /// It has been started again.
    PowerBack,
    /// A participant or the world itself says that something is wrong.
    Complaint { what: String },
    /// Faults are over, and everyone has had time to come back and catch up.
    End { dropped: u64 },
}

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Written (QoS 0) or acknowledged.
    Done,
    /// Acknowledged with an error.
    Refused,
    /// Its client says no more of it: the program has ended, or the connection for good. What is
    /// stored goes on.
    Abandoned,
    /// Given up: the session was lost, the message expired, or a bound was reached.
    Lost,
}

/// The payload of message `key`, `len` bytes long or a little more.
pub fn payload(key: u64, len: usize) -> Vec<u8> {
    let mut text = format!("{key:x};").into_bytes();
    text.resize(text.len().max(len), b'a' + (key % 26) as u8);
    text
}

/// The key in a payload; 0 for an empty one.
pub fn key_of(payload: &[u8]) -> Option<u64> {
    if payload.is_empty() {
        return Some(0);
    }
    let end = payload.iter().position(|&b| b == b';')?;
    let key = u64::from_str_radix(std::str::from_utf8(&payload[..end]).ok()?, 16).ok()?;
    let padding = b'a' + (key % 26) as u8;
    payload[end + 1..].iter().all(|&b| b == padding).then_some(key)
}
