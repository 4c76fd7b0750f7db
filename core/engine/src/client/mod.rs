//! The client: one Session, at most one Network Connection at a time.
//!
//! A driver owns the transport. It takes [`Event`]s in order: at [`Event::Dial`] it opens a
//! transport and says [`Client::handle_open`], at [`Event::Close`] it closes it. What comes from
//! the transport goes to [`Client::handle_data`], what [`Client::outgoing`] shows goes to the
//! transport, and [`Client::handle_sent`] says how much of it did.
//!
//! **The drain rule.** After any command or input, call `poll_event` until it has nothing left,
//! write `outgoing`, then sleep until `poll_timeout` or the next input.
//!
//! The states are those of `State`. `connect` dials; `handle_open` sends CONNECT; CONNACK
//! brings the client online; whatever ends a connection or an attempt goes through one place
//! (`end`), which decides whether and when the next attempt comes. The first connection and all
//! later ones take the same path.

mod ack;
mod config;
mod connect;
mod disconnect;
mod event;
mod keep_alive;
mod persist;
mod publish;
mod queue;
mod receive;
mod reconnect;
mod request;
mod subscribe;
mod wire;

use std::collections::VecDeque;
use std::sync::Arc;

use libmqtt_codec::{MAX_PACKET_SIZE, Progress, QoS, Version, frame};

use crate::random::Random;
use crate::session::{AliasIn, Inbound, Outbound};
use crate::{Instant, Message};
use ack::ManualAcks;
use disconnect::Goodbye;
use keep_alive::Pulse;
use persist::{Persist, Row};
use queue::Queue;
use reconnect::Dialler;
use request::Replies;
use subscribe::{Requests, Subscribed};
use wire::Wire;

pub use crate::broker::Closed;
pub use ack::AckError;
pub use config::{
    Authentication, CleanStart, ClientConfig, Growth, LostSession, OfflineQoS0, QueueFull,
    Reconnect, Secret, Will,
};
pub use connect::{AuthenticateError, ConnectError};
pub use disconnect::{Disconnect, DisconnectError};
pub use event::{
    AckId, Answer, Answers, Cause, Challenge, Connected, Disconnected, Event, Limits, Outcome,
    Received, Token, Violation,
};
pub use keep_alive::PingError;
pub use persist::FlushError;
pub use publish::PublishError;
pub use request::{RequestError, response_to};
pub use subscribe::SubscribeError;

/// Where the Network Connection stands.
#[derive(Debug)]
enum State {
    /// Nothing is wanted.
    Idle,
    /// The next attempt comes later.
    Waiting { until: Instant },
    /// The driver opens a transport.
    Dialling { deadline: Instant },
    /// CONNECT was sent; `heard`: something came back.
    Connecting { deadline: Instant, heard: bool },
    /// CONNACK was received. With `goodbye`, DISCONNECT goes out when all is done.
    Online { since: Instant, goodbye: Option<Box<Goodbye>> },
    /// DISCONNECT waits to be written.
    Leaving { deadline: Instant },
}

/// What is kept of a message in flight.
#[derive(Debug)]
struct Kept {
    message: Message,
    token: Token,
    row: Row,
}

/// Session State. MQTT 5.0 §4.1.
#[derive(Debug, Default)]
struct Session {
    /// Whether the server may have a Session of this client that this client knows.
    known: bool,
    /// Seconds that it outlives its connection.
    expiry_s: u32,
    outbound: Outbound<Kept>,
    inbound: Inbound,
    subscribed: Subscribed,
}

/// Events that wait to be polled.
#[derive(Debug, Default)]
struct Events {
    list: VecDeque<Event>,
    /// Messages among them, and their bytes.
    messages: usize,
    bytes: usize,
}

impl Events {
    fn push(&mut self, event: Event) {
        if let Event::Message(received) = &event {
            self.messages += 1;
            self.bytes += received.message.size();
        }
        self.list.push_back(event);
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.list.pop_front()?;
        if let Event::Message(received) = &event {
            self.messages -= 1;
            self.bytes -= received.message.size();
        }
        Some(event)
    }
}

/// An MQTT client without a transport, a thread or a clock.
pub struct Client {
    config: ClientConfig,
    random: Random,
    state: State,
    /// Counts connections and attempts that have ended.
    epoch: u32,
    dialler: Dialler,
    client_id: Arc<str>,
    /// Whether the last CONNECT asked for a clean start.
    clean_start: bool,
    wire: Wire,
    /// The beginning of a packet whose rest has not come yet.
    input: Vec<u8>,
    alias_in: AliasIn,
    pulse: Pulse,
    session: Session,
    acks: ManualAcks,
    queue: Queue,
    requests: Requests,
    replies: Replies,
    /// Response Information of the last CONNACK.
    response_information: Option<Box<str>>,
    /// Whether the server waits for Authentication Data.
    challenged: bool,
    /// Who waits for the end of a re-authentication.
    authenticating: Option<Token>,
    /// What is stored, if anything is.
    persist: Option<Box<Persist>>,
    events: Events,
    /// The program takes messages.
    reading: bool,
    /// The program is told of every packet.
    watched: bool,
    last_token: u64,
    packets_received: u64,
}

impl Client {
    /// A client that does nothing yet. The seed decides jitter and generated names.
    pub fn new(config: ClientConfig, seed: u64) -> Client {
        Client {
            random: Random::new(seed),
            state: State::Idle,
            epoch: 0,
            dialler: Dialler::new(&config),
            client_id: config.client_id.as_ref().into(),
            clean_start: true,
            wire: Wire::new(),
            input: Vec::new(),
            alias_in: AliasIn::default(),
            pulse: Pulse::default(),
            session: Session::default(),
            acks: ManualAcks::default(),
            queue: Queue::default(),
            requests: Requests::default(),
            replies: Replies::default(),
            response_information: None,
            challenged: false,
            authenticating: None,
            persist: None,
            events: Events::default(),
            reading: true,
            watched: false,
            last_token: 0,
            packets_received: 0,
            config,
        }
    }

    /// Output: what has happened, or what the driver must do.
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.watched {
            self.tell_sent();
        }
        self.events.pop()
    }

    /// Output: bytes for the transport, from `handle_open` until [`Event::Close`] is taken.
    pub fn outgoing(&self) -> &[u8] {
        self.wire.outgoing()
    }

    /// Input: the transport took this many bytes of what `outgoing` showed.
    pub fn handle_sent(&mut self, now: Instant, bytes: usize) {
        let empty = self.wire.sent(bytes);
        while let Some(token) = self.wire.written() {
            self.finish(token, Outcome::Written);
        }
        match &self.state {
            State::Online { .. } => {
                self.pulse.sent = now;
                if !self.queue.is_empty() {
                    self.pump(now);
                }
                self.say_goodbye_if_done(now);
            }
            State::Leaving { .. } if empty => self.left(now),
            _ => {}
        }
    }

    /// Input: `poll_timeout` has come. Calling it early does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
        self.expire_replies(now);
        match &self.state {
            State::Idle => {}
            State::Waiting { until } if *until <= now => self.dial(now),
            State::Dialling { deadline } | State::Connecting { deadline, .. }
                if *deadline <= now =>
            {
                self.end(now, Cause::ConnectTimeout, true);
            }
            State::Leaving { deadline } if *deadline <= now => self.left(now),
            State::Online { .. } => {
                self.keep_alive(now);
                self.say_goodbye_if_done(now);
            }
            _ => {}
        }
    }

    /// Output: when to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let connection = match &self.state {
            State::Idle => None,
            State::Waiting { until } => Some(*until),
            State::Dialling { deadline }
            | State::Connecting { deadline, .. }
            | State::Leaving { deadline } => Some(*deadline),
            State::Online { goodbye, .. } => {
                earlier(self.keep_alive_due(), goodbye.as_ref().map(|goodbye| goodbye.deadline))
            }
        };
        earlier(connection, earlier(self.queue.next_expiry(), self.replies.next_deadline()))
    }

    /// Command: whether the program takes messages. While it does not, the transport should not
    /// be read, and the server's silence means nothing.
    pub fn set_reading(&mut self, reading: bool) {
        self.reading = reading;
    }

    /// Command: whether every packet is told, from the next one on, as [`Event::PacketSent`]
    /// and [`Event::PacketReceived`]. For those who look on: it copies each.
    pub fn watch(&mut self, watched: bool) {
        if watched && !self.watched {
            self.wire.untold();
        }
        self.watched = watched;
    }

    /// Tells of the packets that were made since the last time.
    fn tell_sent(&mut self) {
        let mut packets = self.wire.untold();
        while let Ok(Progress::Packet(found)) = frame(packets, MAX_PACKET_SIZE) {
            self.events.list.push_back(Event::PacketSent(packets[..found.len].into()));
            packets = &packets[found.len..];
        }
    }

    /// Whether the driver should read the transport. Not while more waits in `poll_event` than
    /// the configuration allows, or the program takes nothing: the server waits too then.
    pub fn wants_data(&self) -> bool {
        let (messages, bytes) = self.persist.as_ref().map_or((0, 0), |persist| persist.held());
        self.reading
            && self.events.messages + messages < self.config.inbox_messages_max
            && self.events.bytes + bytes < self.config.inbox_bytes_max
    }

    /// Packets that have come over all connections.
    pub fn packets_received(&self) -> u64 {
        self.packets_received
    }

    /// Whether CONNACK has opened a connection that has not ended.
    pub fn is_connected(&self) -> bool {
        matches!(self.state, State::Online { .. })
    }

    /// Whether the client neither has a connection nor is about to make one.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether a message at this QoS would be sent at once rather than wait.
    pub fn is_ready(&self, qos: QoS) -> bool {
        matches!(self.state, State::Online { goodbye: None, .. }) && self.can_send(qos)
    }

    /// The Client Identifier: given, or assigned by the server, or empty.
    pub fn client_id(&self) -> &Arc<str> {
        &self.client_id
    }

    /// The version of the connection, or of the next one.
    pub fn version(&self) -> Version {
        match self.state {
            State::Idle | State::Waiting { .. } | State::Dialling { .. } => self.dialler.version,
            _ => self.wire.version,
        }
    }

    /// What the server takes, while there is a connection.
    pub fn limits(&self) -> Option<&Limits> {
        self.is_connected().then_some(&self.wire.limits)
    }

    /// What the client was told.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Messages that wait to be sent.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Messages at QoS 1 and 2 that were sent and wait for their acknowledgement.
    pub fn in_flight(&self) -> usize {
        self.session.outbound.len()
    }

    /// A token that was not used before.
    fn token(&mut self) -> Token {
        self.last_token += 1;
        Token(self.last_token)
    }

    /// Ends an operation.
    fn finish(&mut self, token: Token, outcome: Outcome) {
        if token == Token::NONE || self.replies.takes(token, &outcome) {
            return;
        }
        self.events.push(Event::Done(token, outcome));
    }
}

impl core::fmt::Debug for Client {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Client")
            .field("client_id", &self.client_id)
            .field("state", &self.state)
            .field("queued", &self.queued())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// The earlier of two deadlines.
fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        _ => a.or(b),
    }
}
