//! Which states of a session were met, and what happened in each.
//!
//! A state is what matters to how a broker treats the next packet; the numbers in it are taken
//! down to none or some. So there are finitely many, and the seeds can be asked how many of them
//! they have been through.

use std::fmt;

use libmqtt_codec::{Packet, PacketType, Version};

use super::Checker;
use super::session::Session;
use crate::obs::ConnId;

/// What can happen to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Its client has connected.
    Connected,
    /// The broker was handed a packet.
    Takes(PacketType),
    /// The broker has sent a packet.
    Sends(PacketType),
    /// Its connection has ended.
    Left,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    version: Version,
    online: bool,
    /// It ends with its connection, after a time, or never.
    ends: Ends,
    will: Will,
    /// Messages to it at QoS 1, and at QoS 2 before and after PUBREL, that are not acknowledged.
    sent1: bool,
    sent2: bool,
    released: bool,
    /// Messages from it at QoS 2 before PUBREL.
    taking: bool,
    /// Messages that it has not been sent.
    waiting: bool,
    subscribed: bool,
    shares: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ends {
    AtOnce,
    Later,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Will {
    None,
    Held,
    Delayed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State { version, ends, will, .. } = self;
        let online = if self.online { "online" } else { "away" };
        write!(f, "{version:?} {online}, ends {ends:?}, will {will:?}")?;
        for (is, what) in [
            (self.sent1, "QoS 1 sent"),
            (self.sent2, "QoS 2 sent"),
            (self.released, "QoS 2 released"),
            (self.taking, "QoS 2 received"),
            (self.waiting, "messages waiting"),
            (self.subscribed, "subscribed"),
            (self.shares, "shares"),
        ] {
            if is {
                write!(f, ", {what}")?;
            }
        }
        Ok(())
    }
}

impl Checker<'_> {
    /// Something happens to the session of a connection, which is as it was before.
    pub(super) fn note(&mut self, conn: ConnId, event: Event) {
        let Some(number) = self.links.get(&conn).and_then(|link| link.session) else { return };
        let held = self.links[&conn].will.is_some();
        let state = state(&self.sessions[number], held);
        *self.states.entry((state, event)).or_default() += 1;
    }

    pub(super) fn note_packet(&mut self, conn: ConnId, packet: &Packet<'_>, taken: bool) {
        let kind = packet.packet_type();
        self.note(conn, if taken { Event::Takes(kind) } else { Event::Sends(kind) });
    }
}

fn state(session: &Session, held: bool) -> State {
    let (sent1, sent2, released) = session.flows.kinds();
    State {
        version: session.version,
        online: session.online.is_some(),
        ends: match session.expiry {
            0 => Ends::AtOnce,
            u32::MAX => Ends::Never,
            _ => Ends::Later,
        },
        will: match (held, &session.will) {
            (_, Some(_)) => Will::Delayed,
            (true, None) => Will::Held,
            (false, None) => Will::None,
        },
        sent1,
        sent2,
        released,
        taking: !session.taking.is_empty(),
        // The latest tell: older ones go first.
        waiting: session.owed.iter().rev().take(32).any(|owed| owed.must && owed.sent.is_none()),
        subscribed: !session.subs.is_empty(),
        shares: session.subs.keys().any(|filter| filter.starts_with("$share/")),
    }
}
