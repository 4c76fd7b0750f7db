//! A participant: a client and the program behind it, as the network and the script see them.

use libmqtt_codec::QoS;

use crate::obs::{Outcome, Time};
use crate::plan::Act;

/// What a participant wants or reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Open a connection.
    Dial,
    /// Close the connection when what is written has gone out; `closed` will follow.
    Close,
    /// Its program asked it to publish.
    Published { token: u64, key: u64, qos: QoS },
    /// What became of that.
    Resolved { token: u64, outcome: Outcome },
    /// Its program was handed a message.
    Received { key: u64, qos: QoS },
    /// Its program has acknowledged a message.
    Acknowledged { key: u64 },
    /// Its program asked for everything so far to be made durable.
    Flushes { token: u64 },
    /// It says that something is wrong.
    Complaint(String),
}

/// A client with its program. After every call, [`Actor::poll`] until there is nothing left.
pub(crate) trait Actor {
    /// The script asks for this. What makes no sense now is left undone.
    fn perform(&mut self, now: Time, act: &Act);
    /// The connection is open.
    fn opened(&mut self, now: Time);
    /// Bytes came.
    fn data(&mut self, now: Time, data: &[u8]);
    /// The connection has gone.
    fn closed(&mut self, now: Time);
    /// The time of `poll_timeout` has come.
    fn timeout(&mut self, now: Time);
    /// Bytes to send.
    fn outgoing(&self) -> Vec<u8>;
    /// The transport took this many of them.
    fn sent(&mut self, now: Time, bytes: usize);
    /// What it wants next.
    fn poll(&mut self) -> Option<Deed>;
    /// When to call `timeout`.
    fn poll_timeout(&self) -> Option<Time>;
    /// Whether it still listens: one that has said goodbye may ignore what comes.
    fn listens(&self) -> bool;
    /// Its power is lost and back: it begins anew with what it has stored, not connected.
    fn crash(&mut self, _now: Time) {}
    /// Whether the script should treat it as connected or on its way.
    fn connected(&self) -> bool;
}
