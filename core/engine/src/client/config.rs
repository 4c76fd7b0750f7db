//! What a client is told before it connects.

use core::time::Duration;

use libmqtt_codec::{MAX_PACKET_SIZE, PropertiesBuf, Version};

use crate::Message;

/// When CONNECT asks the server to forget an earlier Session. MQTT 5.0 §3.1.2.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CleanStart {
    /// When the client has no Session: at first, and when the last has ended with its connection.
    /// Otherwise connections go on with the Session.
    ///
    /// MQTT 3.x can start clean only a Session that ends with its connection, so there this
    /// wants `session_expiry_s` 0.
    #[default]
    First,
    /// At every connection.
    Always,
    /// Never: an earlier program's Session is taken over.
    Never,
}

/// A message that the server publishes when the client is lost. MQTT 5.0 §3.1.2.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// Topic, payload, QoS, RETAIN and Will Properties (without Will Delay Interval).
    pub message: Message,
    /// Will Delay Interval in seconds; 3.x has none.
    pub delay_s: u32,
}

/// Bytes that are not printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Secret {
        Secret(bytes.into())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.as_bytes().into())
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Enhanced authentication; MQTT 5.0 alone. §4.12.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authentication {
    /// Authentication Method.
    pub method: Box<str>,
    /// Authentication Data of CONNECT, if the method begins with some.
    pub data: Option<Secret>,
}

/// How the delay grows while no server can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Growth {
    /// It doubles with every round through the servers, from `base` to `cap`.
    #[default]
    Exponential,
    /// It is always `base`.
    Constant,
}

/// Whether and when to connect again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// Whether a lost connection is made again.
    pub enabled: bool,
    /// Whether that also holds before a connection has succeeded for the first time.
    pub first: bool,
    /// The delay at first.
    pub base: Duration,
    /// The longest delay.
    pub cap: Duration,
    /// How it grows.
    pub growth: Growth,
    /// Full jitter: the delay is drawn between zero and what it would be otherwise.
    pub jitter: bool,
    /// Attempts in a row before giving up; 0: no limit.
    pub attempts_max: u32,
    /// A connection that lasted this long makes the delay begin at `base` again.
    pub stable_after: Duration,
    /// Whether to go on after a refusal that will hardly change (not authorised, session taken
    /// over, ...).
    pub even_if_refused: bool,
}

impl Default for Reconnect {
    fn default() -> Reconnect {
        Reconnect {
            enabled: true,
            first: false,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
            growth: Growth::Exponential,
            jitter: true,
            attempts_max: 0,
            stable_after: Duration::from_secs(30),
            even_if_refused: false,
        }
    }
}

/// What happens to a message at QoS 0 that cannot be sent at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OfflineQoS0 {
    /// It waits with the others.
    #[default]
    Queue,
    /// It is dropped; its token says so.
    Drop,
    /// `publish` refuses it.
    Refuse,
}

/// What happens to a message for which the queue has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueFull {
    /// `publish` refuses it.
    #[default]
    RefuseNewest,
    /// The oldest that wait are dropped; their tokens say so.
    DropOldest,
}

/// What happens to messages in flight when the server has lost the Session.
///
/// Their flows cannot go on; the server may have had a message or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LostSession {
    /// Those at QoS 1 are published anew, which keeps at least once; for those at QoS 2 the token
    /// says that the Session was lost, which keeps at most once.
    #[default]
    RepublishQoS1,
    /// All are published anew.
    Republish,
    /// None is; their tokens say that the Session was lost.
    Abandon,
}

/// How a client connects, and its limits. `Default` is meant for real use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// Where servers are, in the driver's words; tried in turn. At least one.
    pub servers: Vec<Box<str>>,
    /// The Client Identifier; empty: the server assigns one, which is kept.
    pub client_id: Box<str>,
    /// The version to speak.
    pub version: Version,
    /// Whether to speak 3.1.1 with a server that does not take 5.0: one that says so in CONNACK,
    /// or that closes the connection at once.
    pub step_down: bool,
    /// When to start with a clean Session.
    pub clean_start: CleanStart,
    /// Seconds that the Session outlives its connection; `u32::MAX`: for ever. 3.x: 0 is Clean
    /// Session 1, all else Clean Session 0.
    pub session_expiry_s: u32,
    /// Whether to go on when the server has a Session of which this client knows nothing (one of
    /// an earlier run of the program). Without, the connection is closed, as 5.0 demands of a
    /// client that has no Session State. v5 [MQTT-3.2.2-4]
    pub accept_unknown_session: bool,
    /// Keep Alive in seconds; 0: none.
    pub keep_alive_s: u16,
    /// Time that the server may take to answer PINGREQ before it is taken for dead.
    pub ping_timeout: Duration,
    /// The Will Message.
    pub will: Option<Will>,
    /// User Name.
    pub user_name: Option<Box<str>>,
    /// Password.
    pub password: Option<Secret>,
    /// Enhanced authentication.
    pub authentication: Option<Authentication>,
    /// User Properties of CONNECT, and nothing else; 3.x: none.
    pub user_properties: PropertiesBuf,
    /// Whether to ask for Response Information, from which response topics are made.
    pub request_response_information: bool,
    /// Whether the server may explain failures by Reason String and User Properties.
    pub request_problem_information: bool,
    /// Messages at QoS 1 and 2 that may be on their way to this client; announced. Not 0.
    pub receive_maximum: u16,
    /// Largest packet taken from the server; announced if less than MQTT allows. Not 0.
    pub maximum_packet_size: u32,
    /// Topic Aliases that the server may assign; announced.
    pub topic_alias_maximum: u16,
    /// Topic Aliases assigned towards the server at most; 0: none.
    pub topic_alias_out_max: u16,
    /// Messages at QoS 1 and 2 on their way to the server at most, whatever it allows. Not 0.
    pub inflight_max: u16,
    /// Time from dialling to CONNACK.
    pub connect_timeout: Duration,
    /// Whether and when to connect again.
    pub reconnect: Reconnect,
    /// Whether to go where a Server Reference points. MQTT 5.0 §4.11.
    pub follow_server_reference: bool,
    /// Messages that wait to be sent at most.
    pub queue_messages_max: usize,
    /// Bytes of these at most.
    pub queue_bytes_max: usize,
    /// What happens at these two bounds.
    pub queue_full: QueueFull,
    /// What happens to messages at QoS 0 that would wait.
    pub offline_qos0: OfflineQoS0,
    /// Bytes that wait for the transport before messages begin to wait as messages.
    pub output_bytes_max: usize,
    /// Requests (SUBSCRIBE, UNSUBSCRIBE, PINGREQ, request/response) that wait for their answers
    /// at most.
    pub requests_max: usize,
    /// What becomes of messages in flight when the server has lost the Session.
    pub lost_session: LostSession,
    /// Whether to subscribe again when the server has lost the Session.
    pub resubscribe: bool,
    /// Whether the program acknowledges messages at QoS 1 and 2 itself.
    pub manual_ack: bool,
    /// Events with messages that wait to be polled before the transport should not be read.
    pub inbox_messages_max: usize,
    /// Bytes of these.
    pub inbox_bytes_max: usize,
}

impl ClientConfig {
    /// A client of this server with this Client Identifier, all else as by default.
    pub fn new(server: &str, client_id: &str) -> ClientConfig {
        ClientConfig {
            servers: vec![server.into()],
            client_id: client_id.into(),
            ..ClientConfig::default()
        }
    }
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            servers: Vec::new(),
            client_id: "".into(),
            version: Version::V5,
            step_down: false,
            clean_start: CleanStart::First,
            session_expiry_s: 0,
            accept_unknown_session: false,
            keep_alive_s: 60,
            ping_timeout: Duration::from_secs(20),
            will: None,
            user_name: None,
            password: None,
            authentication: None,
            user_properties: PropertiesBuf::new(),
            request_response_information: false,
            request_problem_information: true,
            receive_maximum: 1024,
            maximum_packet_size: MAX_PACKET_SIZE,
            topic_alias_maximum: 64,
            topic_alias_out_max: 64,
            inflight_max: 1024,
            connect_timeout: Duration::from_secs(30),
            reconnect: Reconnect::default(),
            follow_server_reference: true,
            queue_messages_max: 100_000,
            queue_bytes_max: 64 * 1024 * 1024,
            queue_full: QueueFull::RefuseNewest,
            offline_qos0: OfflineQoS0::Queue,
            output_bytes_max: 1024 * 1024,
            requests_max: 10_000,
            lost_session: LostSession::RepublishQoS1,
            resubscribe: true,
            manual_ack: false,
            inbox_messages_max: 10_000,
            inbox_bytes_max: 16 * 1024 * 1024,
        }
    }
}

impl Will {
    /// Publishes `message` as soon as the client is lost.
    pub fn new(message: Message) -> Will {
        Will { message, delay_s: 0 }
    }
}
