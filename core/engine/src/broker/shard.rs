//! One shard: links, sessions, queues, timers.
//!
//! This file takes inputs apart and hands outputs out; what a packet means is in the files named
//! after it.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use libmqtt_codec::{
    DecodeError, Disconnect, Frame, Packet, PacketType, Progress, PropertiesBuf, Reason, Side,
    Version, frame,
};

use super::deliver::Tables;
use super::explain::reason_string;
use super::limits::{Guest, Pending};
use super::link::{Link, State};
use super::peer::Peers;
use super::routes::Routes;
use super::sys::Load;
use super::{BrokerOutput, Closed, LinkId, LinkInfo, Moved, Outgoing, ShardId, Shared};
use crate::random::Random;
use crate::timer::Timers;
use crate::topic::SessionKey;
use crate::{Hooks, Instant, Message, Ticket, Verdict};

/// Deadlines of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A link must have come through CONNECT, or must have been heard of.
    Link(LinkId),
    /// A session without a link: its will may be due, or its end.
    Session(SessionKey),
    /// A client has made up for what it sent.
    Throttle(LinkId),
    /// Publishers are held; look whether they may go on.
    Held,
    /// `$SYS` is due.
    Sys,
    /// Look for expired retained messages.
    Sweep,
}

/// Whether to go on with a link's next packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    /// The link is gone, has moved, or waits for a hook.
    Stop,
}

/// One shard of a broker. Every call takes the time, which must not go back.
pub struct Shard {
    pub(super) shared: Arc<Shared>,
    pub(super) which: u16,
    pub(super) hooks: Box<dyn Hooks>,
    pub(super) random: Random,
    pub(super) tables: Tables,
    /// Sessions by Client Identifier; the hash is of the id.
    pub(super) by_client_id: HashTable<u32>,
    pub(super) hasher: FixedState,
    pub(super) routes: Routes,
    pub(super) timers: Timers<Timer>,
    pub(super) outputs: VecDeque<BrokerOutput>,
    /// Messages for the other shards.
    pub(super) peers: Peers,
    /// Links that are gone but whose last bytes may be looked at until the next input.
    gone: Vec<u32>,
    /// Links of publishers that are held, and until when at the latest.
    pub(super) held: Vec<(LinkId, Instant)>,
    pub(super) pending: Pending,
    pub(super) tickets: u32,
    pub(super) scratch: PropertiesBuf,
    accepting: bool,
    /// What clients send is limited by time.
    limits_clients: bool,
    pub(super) started: Instant,
    pub(super) load: Load,
}

impl Shard {
    /// Shard number `which`. Every shard must get another `seed`.
    pub fn new(
        shared: Arc<Shared>,
        which: ShardId,
        hooks: Box<dyn Hooks>,
        seed: u64,
        now: Instant,
    ) -> Shard {
        let mut shard = Shard {
            which: which.0,
            hooks,
            random: Random::new(seed),
            tables: Tables::new(Arc::clone(&shared)),
            by_client_id: HashTable::new(),
            hasher: FixedState::with_seed(shared.seed),
            routes: Routes::new(which.0, shared.seed),
            timers: Timers::new(),
            outputs: VecDeque::new(),
            peers: Peers::new(Arc::clone(&shared)),
            gone: Vec::new(),
            held: Vec::new(),
            pending: Pending::default(),
            tickets: 0,
            scratch: PropertiesBuf::new(),
            accepting: true,
            limits_clients: shared.config.limits_clients(),
            started: now,
            load: Load::default(),
            shared,
        };
        if which.0 == 0 {
            shard.start_sys(now);
        }
        shard
    }

    /// Which shard it is.
    pub fn id(&self) -> ShardId {
        ShardId(self.which)
    }

    /// Input: a transport was accepted.
    pub fn handle_accept(&mut self, now: Instant, info: LinkInfo) -> LinkId {
        self.reap();
        let admitted = self.admit(now, info.peer);
        match admitted {
            Ok(guest) => self.open_link(now, info, guest),
            Err(reason) => {
                let link = self.open_link(now, info, None);
                self.tables.stats.connections_refused += 1;
                self.drop_link(link, reason);
                link
            }
        }
    }

    /// Input: more is known of a link's peer, by a handshake or from a proxy. Only what comes
    /// before its CONNECT counts. If it is somewhere else than was thought, it has its place among
    /// the links from there, if there is one left.
    pub fn handle_info(&mut self, now: Instant, link: LinkId, info: LinkInfo) {
        self.reap();
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else { return };
        let Some(known) = &mut found.info else { return };
        let peer = info.peer;
        let moved = core::mem::replace(&mut **known, info).peer != peer;
        if !moved || found.state == State::Gone {
            return;
        }
        found.guest = None;
        match self.admit(now, peer) {
            Ok(guest) => {
                if let Some(found) = self.tables.links.get_mut(link.index, link.generation) {
                    found.guest = guest;
                }
            }
            Err(reason) => {
                self.tables.stats.connections_refused += 1;
                self.drop_link(link, reason);
            }
        }
    }

    /// Input: a link comes from another shard.
    pub fn handle_moved(&mut self, now: Instant, moved: Moved) -> LinkId {
        self.reap();
        let link = self.open_link(now, moved.info, moved.guest);
        self.handle_data(now, link, &moved.bytes);
        link
    }

    fn open_link(&mut self, now: Instant, info: LinkInfo, guest: Option<Box<Guest>>) -> LinkId {
        let due = now + self.shared.config.connect_timeout;
        let (index, generation) =
            self.tables.links.insert(Link { guest, ..Link::new(now, due, info) });
        let link = LinkId { index, generation };
        if self.accepting {
            self.timers.arm(due, Timer::Link(link));
            self.note_pending(link);
        } else {
            self.drop_link(link, Reason::ServerShuttingDown);
        }
        link
    }

    /// Input: bytes came from the peer; any split will do. Bytes of a link that is gone are
    /// ignored.
    pub fn handle_data(&mut self, now: Instant, link: LinkId, data: &[u8]) {
        self.reap();
        self.tables.stats.bytes_received += data.len() as u64;
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else { return };
        if found.state == State::Gone {
            return;
        }
        // A large packet in large parts is a sign of life, a dripping one is none.
        if data.len() >= LIFE_SIGN {
            found.last_received = now;
        }
        if found.stalled() {
            found.partial.extend_from_slice(data);
            return;
        }
        let rest = if found.partial.is_empty() { data } else { self.complete(now, link, data) };
        let used = self.process(now, link, rest);
        if used < rest.len()
            && let Some(found) = self.tables.links.get_mut(link.index, link.generation)
        {
            found.partial.extend_from_slice(&rest[used..]);
        }
    }

    /// Completes and handles the packet whose beginning a link has kept; returns what of `data` is
    /// behind it.
    fn complete<'a>(&mut self, now: Instant, link: LinkId, mut data: &'a [u8]) -> &'a [u8] {
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else {
            return &[];
        };
        if found.state != State::Connected {
            // A link may move with its first packet, and takes all it has sent along.
            found.partial.extend_from_slice(data);
            data = &[];
        }
        while !data.is_empty() {
            // An error shows again when the packet is handled.
            let Ok(Progress::Wants(count)) = frame(&found.partial, u32::MAX) else { break };
            let (part, rest) = data.split_at(count.min(data.len()));
            found.partial.extend_from_slice(part);
            data = rest;
        }
        self.go_on(now, link);
        match self.tables.links.get_mut(link.index, link.generation) {
            None => &[],
            Some(found) if found.partial.is_empty() && !found.stalled() => data,
            Some(found) => {
                found.partial.extend_from_slice(data);
                &[]
            }
        }
    }

    /// Handles the packets that a link has kept.
    pub(super) fn go_on(&mut self, now: Instant, link: LinkId) {
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else { return };
        let mut partial = core::mem::take(&mut found.partial);
        let used = self.process(now, link, &partial);
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else { return };
        if used < partial.len() {
            partial.drain(..used);
            found.partial = partial;
        }
    }

    /// Handles the complete packets at the beginning of `data`; returns how many bytes they have,
    /// or all if the rest is of no use.
    fn process(&mut self, now: Instant, link: LinkId, data: &[u8]) -> usize {
        let mut used = 0;
        while used < data.len() {
            let Some(found) = self.tables.links.get_mut(link.index, link.generation) else {
                return data.len();
            };
            let (state, version) = (found.state, found.version);
            if found.outbox.copied() > ANSWERS_MAX && state == State::Connected {
                found.clogged = true;
                self.pause(link);
                return used;
            }
            // v5 [MQTT-3.2.2-15]
            let limit = match state {
                State::Gone => return data.len(),
                State::Connected => self.shared.config.maximum_packet_size,
                _ => self.shared.config.maximum_connect_size,
            };
            let complete = match frame(&data[used..], limit) {
                Ok(Progress::Packet(complete)) => {
                    found.last_received = now;
                    complete
                }
                Ok(Progress::Wants(_)) => return used,
                Err(error) => {
                    self.violation(now, link, error);
                    return data.len();
                }
            };
            self.tables.stats.packets_received += 1;
            let next = match state {
                State::Connected => self.handle_frame(now, link, version, &complete),
                State::Fresh => self.handle_first(now, link, &complete, &data[used..]),
                State::Authenticating => self.handle_early(now, link, &complete),
                State::Gone => return data.len(),
            };
            used += complete.len;
            let limited = state == State::Connected && self.limits_clients;
            let message = limited && complete.packet_type() == Some(PacketType::Publish);
            if limited && self.charge(now, link, complete.len, message) {
                return used;
            }
            if next == Next::Stop {
                let stalled = |link: &Link| link.stalled();
                let waits = self.tables.links.get(link.index, link.generation).is_some_and(stalled);
                return if waits { used } else { data.len() };
            }
        }
        used
    }

    /// A packet of an accepted client.
    fn handle_frame(
        &mut self,
        now: Instant,
        link: LinkId,
        version: Version,
        frame: &Frame<'_>,
    ) -> Next {
        if frame.packet_type() == Some(PacketType::Connect) {
            // Whatever is in it. v5 [MQTT-3.1.0-2] v311 [MQTT-3.1.0-2]
            return self.refuse(now, link, Reason::ProtocolError, "packet out of place");
        }
        let packet = match frame.decode(version, Side::Client) {
            Ok(packet) => packet,
            Err(error) => return self.violation(now, link, error),
        };
        match packet {
            Packet::Publish(publish) => self.handle_publish(now, link, &publish, frame),
            Packet::Ack(ack) => self.handle_ack(now, link, &ack),
            Packet::Subscribe(subscribe) => self.handle_subscribe(now, link, &subscribe, frame),
            Packet::Unsubscribe(unsubscribe) => self.handle_unsubscribe(link, &unsubscribe),
            Packet::PingReq => {
                // v5 [MQTT-3.12.4-1] v311 [MQTT-3.12.4-1]
                self.tables.write_packet(link.index, &Packet::PingResp);
                Next::Go
            }
            Packet::Disconnect(disconnect) => self.handle_disconnect(now, link, &disconnect),
            Packet::Auth(auth) => self.handle_reauthenticate(now, link, &auth, frame),
            // Only a server sends the others.
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => {
                self.refuse(now, link, Reason::ProtocolError, "packet out of place")
            }
        }
    }

    /// Input: the transport took `bytes` of what `outgoing` showed.
    pub fn handle_sent(&mut self, now: Instant, link: LinkId, bytes: usize) {
        let Some(found) = self.tables.links.get(link.index, link.generation) else { return };
        let (state, session, clogged) = (found.state, found.session, found.clogged);
        self.tables.sent(link.index, bytes);
        if state != State::Connected {
            return;
        }
        self.tables.pump(now, session);
        if !clogged {
            return;
        }
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else { return };
        found.last_received = now;
        if found.outbox.copied() <= ANSWERS_MAX {
            found.clogged = false;
            self.read_again(now, link);
        }
    }

    /// Input: the transport has closed by itself.
    pub fn handle_closed(&mut self, now: Instant, link: LinkId, cause: Closed) {
        let _ = cause;
        self.reap();
        if self.tables.links.get(link.index, link.generation).is_none() {
            return;
        }
        self.detach(now, link, Reason::UnspecifiedError, true);
        self.tables.links.remove(link.index);
        self.gone.retain(|&index| index != link.index);
    }

    /// Input: the answer to a hook that said [`Verdict::Later`]. An old ticket is ignored.
    pub fn handle_verdict(&mut self, now: Instant, ticket: Ticket, verdict: Verdict) {
        self.reap();
        let index = (ticket.0 >> 32) as u32;
        let generation = self.tables.links.generation(index);
        let Some(found) = self.tables.links.at_mut(index) else { return };
        let ours = |waiting: &super::link::Waiting| waiting.ticket == Some(ticket);
        if !found.waiting.as_deref().is_some_and(ours) {
            return;
        }
        let Some(waiting) = found.waiting.take() else { return };
        let link = LinkId { index, generation };
        if self.answered(now, link, *waiting, verdict) == Next::Go {
            self.read_again(now, link);
        }
    }

    /// Input: `poll_timeout` has come. Calling it early does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.reap();
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Link(link) => self.check_link(now, link),
                Timer::Session(session) => self.check_session(now, session),
                Timer::Throttle(link) => self.end_throttle(now, link),
                Timer::Held => self.check_held(now),
                Timer::Sys => self.publish_sys(now),
                Timer::Sweep => self.sweep_retained(now),
            }
        }
    }

    fn check_link(&mut self, now: Instant, link: LinkId) {
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else { return };
        if found.armed > now {
            return; // an earlier look has arranged for a later one
        }
        match found.state {
            State::Fresh | State::Authenticating => {
                self.drop_link(link, Reason::MaximumConnectTime)
            }
            State::Connected if found.keep_alive_s > 0 => {
                // While we do not read for our own reasons, hearing nothing says nothing.
                let unheard = found.paused && !found.clogged;
                let heard = if unheard { now } else { found.last_received };
                let due = heard + super::connect::patience(found.keep_alive_s);
                if due > now {
                    found.armed = due;
                    self.timers.arm(due, Timer::Link(link));
                } else {
                    // v5 [MQTT-3.1.2-22] v311 [MQTT-3.1.2-24]
                    self.refuse(now, link, Reason::KeepAliveTimeout, "");
                }
            }
            State::Connected | State::Gone => {}
        }
    }

    /// Command: the host program publishes. Subscribers get it as from a client.
    pub fn publish(&mut self, now: Instant, message: &Message) {
        self.reap();
        let publish = message.view();
        self.hooks.published(None, &publish);
        self.accept_message(now, &publish, None);
    }

    /// Command: ends the connection of a client of this shard; whether it was connected here.
    /// `reason` is told to a 5.0 client and must be one that a server's DISCONNECT may have.
    pub fn disconnect(&mut self, now: Instant, client_id: &str, reason: Reason) -> bool {
        self.reap();
        let Some(session) = self.find_session(client_id) else { return false };
        let Some(index) = self.tables.sessions.at(session).and_then(|session| session.link) else {
            return false;
        };
        let link = LinkId { index, generation: self.tables.links.generation(index) };
        let reason = match reason.allowed_in(PacketType::Disconnect, Side::Server) {
            true => reason,
            false => Reason::AdministrativeAction, // v5 [MQTT-3.14.2-1]
        };
        self.refuse(now, link, reason, "");
        true
    }

    /// Command: ends all connections, telling 5.0 clients Server shutting down. No will is
    /// published. Links that are accepted afterwards are closed at once.
    pub fn shut_down(&mut self, now: Instant) {
        self.reap();
        self.accepting = false;
        for index in self.tables.links.indices() {
            let link = LinkId { index, generation: self.tables.links.generation(index) };
            self.say_goodbye(link, Reason::ServerShuttingDown, "");
            self.leave(now, link, Reason::ServerShuttingDown, false);
        }
    }

    /// Output: what to do next.
    pub fn poll_output(&mut self) -> Option<BrokerOutput> {
        if let Some(link) = self.tables.announced.pop() {
            return Some(BrokerOutput::Writable(link));
        }
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        if self.tables.persist.is_some() && self.flush() {
            return self.outputs.pop_front();
        }
        if let Some((to, batch)) = self.peers.poll() {
            return Some(BrokerOutput::Peer(to, batch));
        }
        self.tables.much = false;
        if self.timers.is_due_for_sweep() {
            self.sweep_timers();
        }
        self.tables.stats.sessions = self.tables.sessions.len() as u64;
        self.shared.publish_stats(self.which, &self.tables.stats);
        None
    }

    /// Has what is to be stored go out, and behind it what it belongs to: the messages for other
    /// shards. Whether there was anything.
    fn flush(&mut self) -> bool {
        if let Some(batch) = self.tables.persist.as_mut().and_then(|persist| persist.take()) {
            self.outputs.push_back(BrokerOutput::Persist(batch));
        }
        while let Some(rows) = self.tables.fetches.pop_front() {
            self.outputs.push_back(BrokerOutput::Fetch(rows));
        }
        while let Some((to, batch)) = self.peers.poll() {
            self.outputs.push_back(BrokerOutput::Peer(to, batch));
        }
        !self.outputs.is_empty()
    }

    /// Forgets the deadlines of links and sessions that have gone or have got others: who comes
    /// and goes in a loop must not leave one each time, due in years.
    fn sweep_timers(&mut self) {
        let (links, sessions) = (&self.tables.links, &self.tables.sessions);
        self.timers.sweep(|at, timer| match *timer {
            Timer::Link(LinkId { index, generation }) => {
                links.get(index, generation).is_some_and(|link| link.armed == at)
            }
            Timer::Session(SessionKey { index, generation, .. }) => {
                sessions.get(index, generation).is_some_and(|session| session.armed == Some(at))
            }
            Timer::Throttle(LinkId { index, generation }) => {
                links.get(index, generation).is_some_and(|link| link.throttled)
            }
            Timer::Held | Timer::Sys | Timer::Sweep => true,
        });
    }

    /// Getter: whether so much has gathered for a transport since the outputs were polled that
    /// they are better polled before the next input: what comes on top would have to be kept.
    pub fn has_much(&self) -> bool {
        self.tables.much
    }

    /// Getter: packets received since it began.
    pub fn packets_received(&self) -> u64 {
        self.tables.stats.packets_received
    }

    /// Whether a link's client was let in. Until then, who reads from it in large pieces has large
    /// pieces kept for whom nobody knows.
    pub fn is_let_in(&self, link: LinkId) -> bool {
        let found = self.tables.links.get(link.index, link.generation);
        found.is_some_and(|found| found.state == State::Connected)
    }

    /// Output: bytes that wait for this link's transport.
    pub fn outgoing(&self, link: LinkId) -> Outgoing<'_> {
        match self.tables.links.get(link.index, link.generation) {
            Some(found) if !found.corked => found.outbox.outgoing(),
            _ => Outgoing::default(),
        }
    }

    /// Output: when to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// A peer broke a rule: tells it what its version can be told, and closes.
    /// v5 [MQTT-4.13.1-1] v311 [MQTT-4.8.0-1]
    pub(super) fn violation(&mut self, now: Instant, link: LinkId, error: DecodeError) -> Next {
        use std::fmt::Write;
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(text, "{error}");
        self.refuse(now, link, error.reason(), &text)
    }

    /// Closes an accepted client's connection with a DISCONNECT where its version has one; its
    /// will is published.
    pub(super) fn refuse(
        &mut self,
        now: Instant,
        link: LinkId,
        reason: Reason,
        text: &str,
    ) -> Next {
        self.say_goodbye(link, reason, text);
        self.leave(now, link, reason, true);
        Next::Stop
    }

    /// Writes a DISCONNECT, if the client was accepted and its version has one.
    /// v5 [MQTT-3.14.0-1] [MQTT-3.14.2-2]
    pub(super) fn say_goodbye(&mut self, link: LinkId, reason: Reason, text: &str) {
        let Some(found) = self.tables.links.get(link.index, link.generation) else { return };
        if found.state != State::Connected || found.version != Version::V5 {
            return;
        }
        let told = reason_string(text);
        let disconnect = Disconnect { reason, properties: told.view() };
        self.tables.write_packet(link.index, &Packet::Disconnect(disconnect));
    }

    /// Marks a link as gone and has its transport closed.
    pub(super) fn drop_link(&mut self, link: LinkId, reason: Reason) {
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else { return };
        if found.state == State::Gone {
            return;
        }
        found.state = State::Gone;
        found.waiting = None;
        found.partial = Vec::new();
        self.gone.push(link.index);
        self.outputs.push_back(BrokerOutput::Close(link, reason));
    }

    /// Frees the links whose last bytes the driver has had its chance to take.
    pub(super) fn reap(&mut self) {
        if self.gone.is_empty() || !self.outputs.is_empty() {
            return;
        }
        for index in core::mem::take(&mut self.gone) {
            self.tables.links.remove(index);
        }
    }

    /// Has a link's transport not be read.
    pub(super) fn pause(&mut self, link: LinkId) {
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else { return };
        if !found.paused {
            found.paused = true;
            self.outputs.push_back(BrokerOutput::Pause(link, true));
        }
    }

    /// Goes on with a link that waited: with what it has kept, then with its transport.
    pub(super) fn read_again(&mut self, now: Instant, link: LinkId) {
        let waits = |link: &Link| link.stalled();
        if self.tables.links.get(link.index, link.generation).is_none_or(waits) {
            return; // for more than one thing
        }
        self.go_on(now, link);
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else { return };
        if found.paused && !found.stalled() && found.state != State::Gone {
            found.paused = false;
            found.last_received = now;
            self.outputs.push_back(BrokerOutput::Pause(link, false));
        }
    }
}

/// Bytes in one piece that count as a sign of life though they complete no packet.
const LIFE_SIGN: usize = 512;

/// Bytes of small packets that may wait for a client before no more is read from it: messages
/// stay below, so that only answers to what it sends can come to more.
const ANSWERS_MAX: usize = 256 * 1024;

impl core::fmt::Debug for Shard {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Shard").field("which", &self.which).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoHooks;
    use crate::broker::BrokerConfig;

    #[test]
    fn clients_that_come_and_go_leave_no_deadlines() {
        let mut now = Instant::from_nanos(1);
        let shared = Shared::new(BrokerConfig::default(), 1, 7);
        let mut shard = Shard::new(shared, ShardId(0), Box::new(NoHooks), 1, now);
        // Clean Start, Keep Alive of 18 hours, Session Expiry Interval of 100 years.
        let connect = b"\x10\x13\0\x04MQTT\x05\x02\xFF\xFF\x05\x11\xBC\x00\x00\x00\0\x01c";
        let mut most = 0;
        for _ in 0..20_000 {
            let link = shard.handle_accept(now, LinkInfo::default());
            shard.handle_data(now, link, connect);
            while shard.poll_output().is_some() {}
            now = now + core::time::Duration::from_secs(11); // CONNECT was long ago
            shard.handle_timeout(now);
            shard.handle_closed(now, link, Closed::Peer);
            while shard.poll_output().is_some() {}
            most = most.max(shard.timers.len());
        }
        assert_eq!(shard.tables.stats.connections_total, 20_000);
        assert!((100..1100).contains(&most), "{most} deadlines for one session");
    }
}
