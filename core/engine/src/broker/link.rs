//! A Network Connection of a shard.
//!
//! A link is `Fresh` until its CONNECT is complete, `Authenticating` until the CONNACK, then
//! `Connected` to a session. It is `Gone` once its close has been decided: what its outbox still
//! has may be written, nothing else happens to it. A link with a question open to a hook
//! (`waiting`) takes in no further packet until the answer comes.

use bytes::Bytes;
use libmqtt_codec::Version;

use super::LinkInfo;
use super::limits::{Allowance, Guest};
use super::outbox::Outbox;
use super::subscribe::Grant;
use crate::session::{AliasIn, AliasOut};
use crate::{ClientInfo, Instant, Step, Ticket};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for CONNECT.
    Fresh,
    /// CONNECT has come, CONNACK has not gone.
    Authenticating,
    /// Serves a session.
    Connected,
    /// Is being closed.
    Gone,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) state: State,
    pub(super) version: Version,
    /// An entry in the list of links with something to write.
    pub(super) announced: bool,
    /// The driver was told not to read.
    pub(super) paused: bool,
    /// Held because too much waits for subscribers.
    pub(super) held: bool,
    /// Held because it does not read the answers to what it sends.
    pub(super) clogged: bool,
    /// Held because it sends more than it may.
    pub(super) throttled: bool,
    /// Nothing is written before what it depends on is durable.
    pub(super) corked: bool,
    /// Answers that wait until something is durable.
    pub(super) holds: u32,
    /// Seconds; 0: none.
    pub(super) keep_alive_s: u16,
    /// Session expiry 0 was asked for in CONNECT, so DISCONNECT may not raise it.
    pub(super) expiry_was_zero: bool,
    pub(super) request_problem_information: bool,
    /// The session's place, while `Connected`.
    pub(super) session: u32,
    /// The largest packet the peer takes.
    pub(super) packet_max: u32,
    pub(super) last_received: Instant,
    /// When the shard looks at it next.
    pub(super) armed: Instant,
    pub(super) outbox: Outbox,
    /// The beginning of an incomplete packet, or what came while waiting.
    pub(super) partial: Vec<u8>,
    pub(super) waiting: Option<Box<Waiting>>,
    pub(super) extras: Option<Box<Extras>>,
    /// What is known of the peer, until its CONNECT has come.
    pub(super) info: Option<Box<LinkInfo>>,
    /// Its place among the links of its address, if these are counted.
    pub(super) guest: Option<Box<Guest>>,
}

/// What few links have.
#[derive(Debug, Default)]
pub(super) struct Extras {
    pub(super) aliases_in: Option<AliasIn>,
    pub(super) aliases_out: Option<AliasOut>,
    /// The Authentication Method of CONNECT.
    pub(super) method: Option<Box<str>>,
    /// A challenge has gone out in a re-authentication.
    pub(super) reauthenticating: bool,
    /// What it may still send, where that is limited.
    pub(super) allowance: Allowance,
}

/// A packet whose handling goes on when a hook has answered.
#[derive(Debug)]
pub(super) struct Waiting {
    /// None while the client's AUTH is awaited.
    pub(super) ticket: Option<Ticket>,
    pub(super) what: Question,
    /// The packet's first byte and what follows its fixed header.
    pub(super) first: u8,
    pub(super) body: Vec<u8>,
    /// Its length on the wire.
    pub(super) len: usize,
    /// Whose CONNECT it is.
    pub(super) client: Option<Box<ClientInfo>>,
}

#[derive(Debug)]
pub(super) enum Question {
    /// May the client whose CONNECT it is come in, or stay?
    Authenticate(Step),
    /// May its will be published? With the Authentication Data for its CONNACK.
    Will(Option<Bytes>),
    /// May the message be published?
    Publish,
    /// May the filter be subscribed? With what those before it were granted.
    Subscribe(Vec<Grant>),
}

impl Link {
    pub(super) fn new(now: Instant, armed: Instant, info: LinkInfo) -> Link {
        Link {
            state: State::Fresh,
            version: Version::V311,
            announced: false,
            paused: false,
            held: false,
            clogged: false,
            throttled: false,
            corked: false,
            holds: 0,
            keep_alive_s: 0,
            expiry_was_zero: false,
            request_problem_information: true,
            session: u32::MAX,
            packet_max: u32::MAX,
            last_received: now,
            armed,
            outbox: Outbox::default(),
            partial: Vec::new(),
            waiting: None,
            extras: None,
            info: Some(Box::new(info)),
            guest: None,
        }
    }

    /// Whether packets wait, for a hook's answer or for readers.
    pub(super) fn stalled(&self) -> bool {
        self.held
            || self.clogged
            || self.throttled
            || self.waiting.as_ref().is_some_and(|waiting| waiting.ticket.is_some())
    }

    pub(super) fn method(&self) -> Option<&str> {
        self.extras.as_ref()?.method.as_deref()
    }
}
