//! One shard and its sockets: what the thread that serves it does for it.
//!
//! A turn: take the inbox; wait; note which sockets are ready; do what the notes say; accept; read
//! each ready link once, up to so many bytes in all; exchange messages with the other shards; then,
//! until the shard has nothing left, do what it says and write each link that has something, all
//! that gathered for it in one call. A link that has more to read is read again in the next turn,
//! after the others. When much has gathered for a link, it is written in between.

use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use libmqtt_engine::Instant;
use libmqtt_engine::broker::{BrokerOutput, Closed, LinkId, LinkInfo, Moved, Shard, ShardId};
use libmqtt_engine::codec::Reason;
use libmqtt_engine::store::{Completion, Store};
use libmqtt_net::{Link, Poll};

use super::accept::Doors;
use super::bus::{Bus, Note};
use super::facts::{Place, info};
use super::links::{Links, Port};
use super::local::Locals;
use crate::log::Level;

/// The key of the inbox's waker; those of the listeners follow, then those of the links.
pub(super) const WAKER: usize = 0;

/// Size of the one buffer that is read into.
const BUFFER: usize = 64 * 1024;
/// How much of it is used for a peer that was not let in yet, who may have to be kept waiting.
const FRESH_READ: usize = 4 * 1024;
/// Bytes read in one turn, so that what they cause is written before the cache has lost it.
const TURN_READS: usize = 4 * BUFFER;
/// Bytes written to one link in one turn.
const TURN_WRITES: usize = 16 * BUFFER;
/// What a step of a handshake counts as in bytes: some are as much work.
const HANDSHAKE: usize = BUFFER / 2;
/// Reads at most to empty a socket before it is closed.
const LAST_READS: usize = 16;
/// How long to wait before looking whether a congested shard has caught up.
const CONGESTED: Duration = Duration::from_millis(1);

/// How far the broker is with stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// Nothing is read or accepted any more.
    Quiescing(Instant),
    /// All shards have read their last: what waits is being sent.
    Finishing(Instant),
    Over,
}

pub(super) struct ShardLoop {
    pub(super) which: ShardId,
    pub(super) bus: Arc<Bus>,
    pub(super) shard: Shard,
    store: Option<Box<dyn Store>>,
    poll: Poll,
    doors: Doors,
    pub(super) links: Links,
    pub(super) locals: Locals,
    /// The key of the link with index 0.
    first_key: usize,
    buffer: Box<[u8]>,
    /// Links that may have something to read, each once.
    to_read: VecDeque<LinkId>,
    /// Links that have something to write, perhaps more than once.
    to_write: Vec<LinkId>,
    /// Links that have had their share of this turn.
    write_later: Vec<LinkId>,
    notes: Vec<Note>,
    /// Its poll may have something to report.
    pub(super) reported: bool,
    /// Shards that other threads offer to the one that serves this.
    pub(super) offered: Vec<ShardId>,
    phase: Phase,
    /// The store has said that it fails.
    store_fails: bool,
}

impl ShardLoop {
    pub(super) fn new(
        which: ShardId,
        bus: Arc<Bus>,
        shard: Shard,
        store: Option<Box<dyn Store>>,
        poll: Poll,
        doors: Doors,
    ) -> ShardLoop {
        ShardLoop {
            which,
            bus,
            shard,
            store,
            poll,
            first_key: WAKER + 1 + doors.keys(),
            doors,
            links: Links::default(),
            locals: Locals::default(),
            buffer: vec![0; BUFFER].into(),
            to_read: VecDeque::new(),
            to_write: Vec::new(),
            write_later: Vec::new(),
            notes: Vec::new(),
            reported: false,
            offered: Vec::new(),
            phase: Phase::Running,
            store_fails: false,
        }
    }

    /// Whether the broker has stopped.
    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether it has something to do, whatever comes.
    pub(super) fn is_busy(&self) -> bool {
        self.reported
            || !self.write_later.is_empty()
            || (self.reads()
                && (!self.to_read.is_empty() || self.doors.any_ready() || self.locals.any_ready()))
    }

    /// Takes what came into the inbox; whether there is something. If not, and the thread
    /// `may_sleep`, what comes will wake it.
    pub(super) fn look(&mut self, may_sleep: bool) -> bool {
        let inbox = self.bus.inbox(self.which);
        if self.notes.is_empty() && !inbox.is_asleep() {
            inbox.take(&mut self.notes, may_sleep);
        }
        !self.notes.is_empty()
    }

    /// Waits for its sockets and its inbox.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.poll.wait(timeout)?;
        self.reported = self.poll.has_more();
        self.bus.inbox(self.which).awake();
        self.note_ready();
        Ok(())
    }

    /// Has `poll` report under `key` when a wait would find something.
    pub(super) fn watched_by(&self, poll: &Poll, key: usize) -> io::Result<()> {
        poll.watch(&self.poll, key)
    }

    /// Does what there is to do.
    pub(super) fn turn(&mut self, now: Instant) {
        let mut notes = core::mem::take(&mut self.notes);
        for note in notes.drain(..) {
            self.take_note(now, note);
        }
        self.notes = notes;
        if self.reads() {
            self.accept(now);
            self.read(now);
        }
        if self.bus.has_several() {
            self.exchange(now);
        }
        if self.shard.poll_timeout().is_some_and(|due| due <= now) {
            self.shard.handle_timeout(now);
        }
        self.to_write.append(&mut self.write_later);
        self.settle(now);
        self.serve_locals(now);
        self.advance_phase(now);
    }

    /// Hands over what this turn's reads have for other shards, and takes what they have: what is
    /// written to a link has both.
    fn exchange(&mut self, now: Instant) {
        while let Some(output) = self.shard.poll_output() {
            self.carry_out(now, output);
        }
        let mut notes = core::mem::take(&mut self.notes);
        self.bus.inbox(self.which).take(&mut notes, false);
        for note in notes.drain(..) {
            self.take_note(now, note);
        }
        self.notes = notes;
    }

    /// Whether links are read and accepted now.
    pub(super) fn reads(&self) -> bool {
        self.phase == Phase::Running && !self.bus.is_congested()
    }

    /// When it has something to do, if nothing comes before.
    pub(super) fn until(&self) -> Option<Instant> {
        let phase_ends = match self.phase {
            Phase::Quiescing(until) | Phase::Finishing(until) => Some(until),
            Phase::Running | Phase::Over => None,
        };
        let until =
            [self.shard.poll_timeout(), self.doors.until(), self.locals.until(), phase_ends];
        until.into_iter().flatten().min()
    }

    /// How long to sleep from now; none: until something comes.
    pub(super) fn patience(&self, now: Instant) -> Option<Duration> {
        let patience = self.until().map(|until| until.since(now));
        if self.phase == Phase::Running && !self.reads() {
            return Some(patience.map_or(CONGESTED, |patience| patience.min(CONGESTED)));
        }
        patience
    }

    fn note_ready(&mut self) {
        for ready in self.poll.ready() {
            if ready.key == WAKER {
                continue;
            }
            if ready.key < self.first_key {
                self.doors.ready(ready.key);
                continue;
            }
            // A key may have gone to another link since; for that one this is a false alarm.
            let index = (ready.key - self.first_key) as u32;
            let Some((id, slot)) = self.links.at(index) else { continue };
            slot.closing |= ready.closing;
            slot.readable |= ready.readable;
            if slot.wants_read() {
                slot.listed = true;
                self.to_read.push_back(id);
            }
            if ready.writable && slot.full {
                slot.full = false;
                self.to_write.push(id);
            }
        }
    }

    fn take_note(&mut self, now: Instant, note: Note) {
        match note {
            Note::Moved(link, moved) => self.arrive(now, link, moved),
            Note::MovedLocal(core, moved) => self.arrive_local(now, core, moved),
            Note::Join(core) => self.join(core),
            Note::Serve(key) => self.locals.list(key),
            Note::Peer(from, batch) => {
                self.bus.batch_taken(self.which);
                self.shard.handle_peer(now, from, batch);
                self.relieve(now);
            }
            Note::Publish(message) => {
                self.bus.publish_taken(self.which, &message);
                self.shard.publish(now, &message);
            }
            Note::Disconnect(client_id, reason) => {
                self.shard.disconnect(now, &client_id, reason);
            }
            Note::Stored => self.poll_store(now),
            Note::Verdict(ticket, verdict) => self.shard.handle_verdict(now, ticket, verdict),
            Note::RightsChanged => self.shard.rights_changed(),
            Note::Quiesce(until) => {
                self.doors.close();
                self.phase = Phase::Quiescing(until);
                // What its inputs so far have for other shards goes out before it says so.
                self.settle(now);
                self.bus.quiesced(self.which);
            }
            Note::Offered(which) => self.offered.push(which),
            Note::Finish => {
                if let Phase::Quiescing(until) = self.phase {
                    self.phase = Phase::Finishing(until);
                }
            }
        }
    }

    /// Tells the shard what its store has done.
    fn poll_store(&mut self, now: Instant) {
        let Some(store) = &mut self.store else { return };
        let mut done = Vec::new();
        store.poll(&mut done);
        for completion in done {
            match completion {
                Completion::Durable(position) => {
                    if core::mem::take(&mut self.store_fails) {
                        let line = format_args!("shard {}: stored again", self.which.0);
                        self.bus.log.write(Level::Info, line);
                    }
                    self.shard.handle_persisted(now, position);
                }
                Completion::Failed(error) => {
                    if !core::mem::replace(&mut self.store_fails, true) {
                        let which = self.which.0;
                        let line =
                            format_args!("shard {which}: cannot store, trying again: {error}");
                        self.bus.log.write(Level::Error, line);
                    }
                    self.shard.handle_store_failed(now);
                }
                Completion::Rows(rows) => self.shard.handle_rows(now, &rows),
            }
        }
    }

    /// Ends the loop once everything is sent, or the time for it is over.
    fn advance_phase(&mut self, now: Instant) {
        let due = match self.phase {
            Phase::Finishing(until) => {
                now >= until || (!self.links.any_full() && self.write_later.is_empty())
            }
            // A shard that never quiesces must not keep the others.
            Phase::Quiescing(until) => now >= until,
            Phase::Running | Phase::Over => false,
        };
        if due {
            self.shard.shut_down(now);
            self.settle(now);
            self.phase = Phase::Over;
        }
    }

    fn accept(&mut self, now: Instant) {
        if !self.doors.any_ready() && self.doors.until().is_none() {
            return;
        }
        let (poll, shard, links, first_key) =
            (&self.poll, &mut self.shard, &mut self.links, self.first_key);
        self.doors.accept(now, |mut link, peer| {
            let id = shard.handle_accept(now, LinkInfo { peer, identity: None });
            match link.register(poll, first_key + id.index as usize) {
                Ok(()) => links.insert(id, Port::Socket(link)),
                Err(_) => shard.handle_closed(now, id, Closed::Failed),
            }
        });
    }

    /// A link comes from another shard.
    fn arrive(&mut self, now: Instant, mut link: Link, moved: Moved) {
        let id = self.shard.handle_moved(now, moved);
        let registered = link.register(&self.poll, self.first_key + id.index as usize);
        let owes = link.owes();
        self.links.insert(id, Port::Socket(link));
        if let Some(slot) = self.links.get(id) {
            // What it owes is written when its new poll says that there is room.
            slot.full = owes;
        }
        if registered.is_err() {
            self.lose(now, id, Closed::Failed);
        }
    }

    /// Reads each link that may have something once, until the turn has had its share.
    fn read(&mut self, now: Instant) {
        let mut budget = TURN_READS;
        for _ in 0..self.to_read.len() {
            let Some(id) = self.to_read.pop_front() else { break };
            let read = self.read_link(now, id);
            self.relieve(now);
            budget = budget.saturating_sub(read);
            if budget == 0 {
                break;
            }
        }
    }

    /// Reads a link once: the shard may have it move or pause before it wants more.
    fn read_link(&mut self, now: Instant, id: LinkId) -> usize {
        let Some(slot) = self.links.get(id) else { return 0 };
        slot.listed = false;
        if slot.paused {
            return 0;
        }
        slot.fresh = slot.fresh && !self.shard.is_let_in(id);
        let Port::Socket(link) = &mut slot.port else { return 0 };
        // Layers must have room for a whole record; the shard's own bounds hold behind them.
        let most = if slot.fresh && !link.is_layered() { FRESH_READ } else { BUFFER };
        match link.read(&mut self.buffer[..most]) {
            Ok(0) => self.lose(now, id, Closed::Peer),
            Ok(count) => {
                slot.full |= link.owes();
                if link.has_more(count == most) || slot.closing {
                    slot.listed = true;
                    self.to_read.push_back(id);
                } else {
                    slot.readable = false;
                }
                if let Some(facts) = link.take_facts() {
                    self.shard.handle_info(now, id, info(link, *facts));
                }
                self.shard.handle_data(now, id, &self.buffer[..count]);
                return count;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                slot.full |= link.owes();
                slot.readable = link.has_more(false);
                if slot.readable {
                    slot.listed = true;
                    self.to_read.push_back(id);
                }
                return if link.is_open() { 0 } else { HANDSHAKE };
            }
            Err(error) => {
                if !link.is_open() {
                    let from = Place(link.peer());
                    let line = format_args!("connection from {from} failed: {error}");
                    self.bus.log.write(Level::Info, line);
                }
                self.lose(now, id, Closed::Failed);
                return HANDSHAKE;
            }
        }
        0
    }

    /// Writes in between if so much has gathered for a link that more would have to be kept.
    fn relieve(&mut self, now: Instant) {
        if self.shard.has_much() {
            self.settle(now);
        }
    }

    /// Does what the shard says and writes what it has, until nothing is left.
    pub(super) fn settle(&mut self, now: Instant) {
        loop {
            while let Some(output) = self.shard.poll_output() {
                self.carry_out(now, output);
            }
            if self.to_write.is_empty() {
                return;
            }
            let mut links = core::mem::take(&mut self.to_write);
            for id in links.drain(..) {
                self.write(now, id);
            }
            // Nothing was added meanwhile; keep the memory.
            self.to_write = links;
        }
    }

    fn carry_out(&mut self, now: Instant, output: BrokerOutput) {
        match output {
            BrokerOutput::Writable(id) => self.to_write.push(id),
            BrokerOutput::Close(id, reason) => self.close(now, id, reason),
            BrokerOutput::Pause(id, paused) => {
                let Some(slot) = self.links.get(id) else { return };
                slot.paused = paused;
                if let Port::Local(key) = slot.port {
                    self.locals.set_writable(key, !paused);
                } else if slot.wants_read() {
                    slot.listed = true;
                    self.to_read.push_back(id);
                }
            }
            BrokerOutput::Move(id, to, moved) => {
                let Some(slot) = self.links.remove(id) else { return };
                match slot.port {
                    Port::Socket(mut link) => {
                        if link.deregister(&self.poll).is_ok() {
                            self.bus.send(to, Note::Moved(link, moved));
                        }
                    }
                    Port::Local(key) => {
                        if let Some(core) = self.locals.remove(key) {
                            self.bus.send(to, Note::MovedLocal(core, moved));
                        }
                    }
                }
            }
            BrokerOutput::Persist(batch) => {
                if let Some(store) = &mut self.store {
                    store.submit(batch);
                }
            }
            BrokerOutput::Fetch(rows) => {
                if let Some(store) = &mut self.store {
                    store.fetch(&rows);
                }
            }
            BrokerOutput::Peer(to, batch) => self.bus.send_batch(self.which, to, batch),
        }
    }

    /// Writes what waits for a link, as far as its socket takes it.
    fn write(&mut self, now: Instant, id: LinkId) {
        let Some(slot) = self.links.get(id) else { return };
        if slot.full {
            return;
        }
        let mut budget = TURN_WRITES;
        loop {
            let outgoing = self.shard.outgoing(id);
            let wanted = outgoing.len();
            if wanted == 0 && !slot.owes() {
                return;
            }
            if budget == 0 {
                self.write_later.push(id);
                return;
            }
            let written = match &mut slot.port {
                Port::Socket(link) => link.write(&outgoing.pieces, &mut self.buffer),
                Port::Local(key) if self.locals.deliver(now, *key, &outgoing.pieces) => Ok(wanted),
                Port::Local(_) => Ok(0),
            };
            let count = match written {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => return self.lose(now, id, Closed::Failed),
            };
            self.shard.handle_sent(now, id, count);
            budget = budget.saturating_sub(count);
            if slot.is_full(count < wanted) {
                slot.full = true;
                return;
            }
        }
    }

    /// Has a link written before this turn ends, or in the next.
    pub(super) fn write_soon(&mut self, id: LinkId) {
        self.to_write.push(id);
    }

    /// The transport has failed or ended.
    pub(super) fn lose(&mut self, now: Instant, id: LinkId, cause: Closed) {
        self.links.remove(id);
        self.shard.handle_closed(now, id, cause);
    }

    /// Writes a link's last bytes, as far as they go at once, and closes it.
    fn close(&mut self, now: Instant, id: LinkId, reason: Reason) {
        let Some(slot) = self.links.remove(id) else { return };
        let mut link = match slot.port {
            Port::Socket(link) => link,
            Port::Local(key) => {
                let outgoing = self.shard.outgoing(id);
                return self.locals.hang_up(now, key, &outgoing.pieces);
            }
        };
        let mut wrote = false;
        loop {
            let outgoing = self.shard.outgoing(id);
            let wanted = outgoing.len();
            if wanted == 0 {
                break;
            }
            let Ok(count) = link.write(&outgoing.pieces, &mut self.buffer) else { break };
            self.shard.handle_sent(now, id, count);
            wrote = true;
            if link.is_full(count < wanted) {
                break;
            }
        }
        if (wrote && reason != Reason::Success) || link.is_layered() {
            // Closing a socket with bytes unread resets it, which may cost the peer our last.
            let _ = link.finish();
            for _ in 0..LAST_READS {
                if !matches!(link.read(&mut self.buffer), Ok(1..)) {
                    break;
                }
            }
        }
    }
}
