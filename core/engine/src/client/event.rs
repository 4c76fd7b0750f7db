//! What a client tells its driver and its program, in one ordered stream.

use core::num::NonZeroU64;
use core::time::Duration;
use std::sync::Arc;

use libmqtt_codec::{DecodeError, PacketId, Properties, PropertiesBuf, QoS, Reason, Version};

use crate::Message;

/// Names an operation that was asked for. Its [`Event::Done`] comes once, sooner or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub(crate) u64);

impl Token {
    /// Nobody waits for it.
    pub(crate) const NONE: Token = Token(0);

    /// A number, different for every operation of one client; never 0.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

/// Names a received message that waits for the program's acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AckId(pub(crate) NonZeroU64);

/// What has happened, or what the driver must do. Events are to be taken in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// For the driver: open a transport to this server, then call `handle_open`, or, if that
    /// fails, `handle_closed`.
    Dial(Arc<str>),
    /// For the driver: write what `outgoing` still shows as far as it goes at once, then close
    /// the transport, or give up dialling. No `handle_closed` is due.
    Close,
    /// The server has accepted the connection.
    Connected(Box<Connected>),
    /// A connection, or an attempt to make one, has ended.
    Disconnected(Box<Disconnected>),
    /// A message has come.
    Message(Received),
    /// An operation has ended.
    Done(Token, Outcome),
    /// The server asks for Authentication Data: answer with `authenticate`.
    Challenge(Box<Challenge>),
    /// A subscription of an earlier Session could not be made again, for this reason.
    SubscriptionLost(Box<str>, Reason),
    /// A packet is on its way to the server. Only while [`Client::watch`](super::Client::watch)
    /// asks for it.
    PacketSent(Box<[u8]>),
    /// A packet has come, and what it brings follows. Likewise.
    PacketReceived(Box<[u8]>),
}

/// What CONNACK said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Whether the server went on with the Session.
    pub session_present: bool,
    /// Whether the messages and subscriptions of an earlier connection of this client were lost.
    pub session_lost: bool,
    /// The version that is spoken.
    pub version: Version,
    /// The Client Identifier, given or assigned.
    pub client_id: Arc<str>,
    /// What the server takes.
    pub limits: Limits,
    /// All properties of CONNACK.
    pub properties: PropertiesBuf,
}

/// What the server takes, on one Network Connection. MQTT 5.0 §3.2.2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Seconds between packets of the client at most; 0: no limit. From Server Keep Alive or the
    /// configuration.
    pub keep_alive_s: u16,
    /// Seconds that the Session outlives the connection.
    pub session_expiry_s: u32,
    /// Messages at QoS 1 and 2 that may wait for their acknowledgement.
    pub receive_maximum: u16,
    /// Largest packet.
    pub maximum_packet_size: u32,
    /// Highest QoS of a message.
    pub maximum_qos: QoS,
    /// Whether messages may be retained.
    pub retain: bool,
    /// Topic Aliases that the client may assign.
    pub topic_alias_maximum: u16,
    /// Whether filters may have wildcards.
    pub wildcard_subscriptions: bool,
    /// Whether subscriptions may have identifiers.
    pub subscription_identifiers: bool,
    /// Whether subscriptions may be shared.
    pub shared_subscriptions: bool,
}

/// The end of a connection, or of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnected {
    /// Why.
    pub cause: Cause,
    /// Whether CONNACK had been received.
    pub was_connected: bool,
    /// The delay before the next attempt; none if there will be none.
    pub retry_in: Option<Duration>,
}

/// Why a connection, or an attempt to make one, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `disconnect` or `close` was called.
    Requested,
    /// The transport could not be opened.
    Unreachable,
    /// The peer closed the transport without a word.
    ClosedByPeer,
    /// The transport failed.
    Failed,
    /// No CONNACK came in time.
    ConnectTimeout,
    /// Nothing came from the server for too long.
    ServerSilent,
    /// CONNACK refused the connection.
    Refused(Answer),
    /// The server sent DISCONNECT.
    ServerDisconnect(Answer),
    /// The server broke the protocol, and was told so with this reason if the version allows.
    Violation(Reason, Violation),
}

/// How a server broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It sent what is no packet.
    #[error("malformed packet: {0}")]
    Decode(#[from] DecodeError),
    /// It sent another packet than CONNACK or AUTH first.
    #[error("packet before CONNACK")]
    BeforeConnAck,
    /// It sent a packet that only a client sends, or CONNACK twice.
    #[error("packet that a server must not send")]
    Unexpected,
    /// It went on with a Session that this client does not have.
    #[error("session present without a session")]
    SessionPresent,
    /// Topic Alias 0, above the maximum, or standing for nothing.
    #[error("topic alias that does not exist")]
    TopicAlias,
    /// More messages than Receive Maximum allows.
    #[error("more messages than receive maximum")]
    ReceiveMaximum,
    /// SUBACK or UNSUBACK for nothing that was asked, or with the wrong number of codes.
    #[error("answer that fits no request")]
    Answer,
    /// PUBREL for a message that was not acknowledged.
    #[error("release of a message not acknowledged")]
    Release,
    /// Reason String or User Properties although Request Problem Information was 0.
    #[error("explanation that was not asked for")]
    Explanation,
    /// AUTH without need, or with another method than asked for.
    #[error("authentication that was not asked for")]
    Authentication,
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its Reason Code.
    pub reason: Reason,
    /// Its properties, Reason String and User Properties among them.
    pub properties: PropertiesBuf,
}

impl Answer {
    pub(crate) fn new(reason: Reason, properties: Properties<'_>) -> Answer {
        Answer { reason, properties: properties.into() }
    }
}

/// What the server answered to SUBSCRIBE or UNSUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// A Reason Code per filter, in order. UNSUBACK of 3.x has none, and all are Success.
    pub reasons: Vec<Reason>,
    /// Its properties, Reason String and User Properties among them.
    pub properties: PropertiesBuf,
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A message at QoS 0 was written to the transport; what was to be flushed, to the store.
    Written,
    /// The server has acknowledged it: PUBACK, PUBCOMP, PINGRESP, AUTH.
    Acknowledged(Answer),
    /// The server has refused it, with PUBACK, PUBREC or DISCONNECT.
    Refused(Answer),
    /// SUBACK has come. Each filter has its own Reason Code.
    Subscribed(Answers),
    /// UNSUBACK has come. Each filter has its own Reason Code.
    Unsubscribed(Answers),
    /// A request was answered with this message.
    Reply(Message),
    /// The server that was connected to after it had been asked for does not take it: too large,
    /// a QoS or a kind of subscription that it does not have.
    Unsendable(Reason),
    /// Its Message Expiry Interval passed before it could be sent.
    Expired,
    /// No reply came in time.
    TimedOut,
    /// It was dropped, as the queue's policy says.
    Dropped,
    /// The connection ended before it was written (QoS 0) or answered (PINGREQ, AUTH), so that
    /// nobody knows.
    ConnectionLost,
    /// The server has lost the Session in the middle of it.
    SessionLost,
    /// `disconnect` or `close` came first, or the client gave up reconnecting. A message that is
    /// stored stays so, and goes on with the next connection.
    Abandoned,
    /// The store can keep nothing at present.
    NotStored,
}

/// A message from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The message. Its properties are those on the wire: a Topic Alias may be among them.
    pub message: Message,
    /// Whether the server had tried to send it before.
    pub dup: bool,
    /// The Packet Identifier that it came under, at QoS 1 and 2.
    pub packet_id: Option<PacketId>,
    /// With manual acknowledgement, at QoS 1 and 2: what `acknowledge` wants.
    pub ack: Option<AckId>,
}

/// What the server sent in AUTH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Authentication Data.
    pub data: Option<Box<[u8]>>,
    /// All properties of AUTH.
    pub properties: PropertiesBuf,
}
