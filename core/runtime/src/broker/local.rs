//! Clients within the process: an engine's client joined to a shard by memory.
//!
//! Such a client lives with the shard that is its session's home, and moves there like
//! any other link. Its bytes go from one machine to the other without a socket; its callbacks are
//! called on the thread that serves the shard, with the shard at rest.

use std::collections::VecDeque;
use std::sync::Arc;

use libmqtt_engine::Instant;
use libmqtt_engine::broker::{Closed, LinkId, LinkInfo, Moved, ShardId};
use libmqtt_engine::client::Event;
use slab::Slab;

use super::bus::{Bus, Note};
use super::links::Port;
use super::shard::ShardLoop;
use crate::client::{Control, Core, Drive, Driver};
use crate::timers::Timers;

/// Rounds between the clients and the shard in one turn.
const ROUNDS: usize = 16;

struct Local {
    core: Arc<Core>,
    link: Option<LinkId>,
    armed: Option<Instant>,
    /// It is in the list of those to serve.
    listed: bool,
    /// The client wants what comes.
    reads: bool,
}

/// The clients that a shard has within the process.
#[derive(Default)]
pub(super) struct Locals {
    clients: Slab<Local>,
    to_serve: VecDeque<usize>,
    timers: Timers,
    out: Vec<u8>,
    events: VecDeque<Event>,
}

impl Locals {
    /// Whether any has something to do.
    pub(super) fn any_ready(&self) -> bool {
        !self.to_serve.is_empty()
    }

    /// When one has to be looked at.
    pub(super) fn until(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn insert(&mut self, core: Arc<Core>, link: Option<LinkId>) -> usize {
        let local = Local { core, link, armed: None, listed: false, reads: true };
        self.clients.insert(local)
    }

    pub(super) fn list(&mut self, key: usize) {
        if let Some(local) = self.clients.get_mut(key)
            && !local.listed
        {
            local.listed = true;
            self.to_serve.push_back(key);
        }
    }

    /// Takes a client out whose link moves.
    pub(super) fn remove(&mut self, key: usize) -> Option<Arc<Core>> {
        self.clients.try_remove(key).map(|local| local.core)
    }

    /// Whether a client takes its link's bytes, or again.
    pub(super) fn set_writable(&mut self, key: usize, writable: bool) {
        let Some(local) = self.clients.get(key) else { return };
        local.core.set_writable(writable);
        if writable {
            self.list(key);
        }
    }

    /// Hands a client what its link has for it; whether it takes that now.
    pub(super) fn deliver(&mut self, now: Instant, key: usize, pieces: &[&[u8]]) -> bool {
        let Some(local) = self.clients.get(key) else { return false };
        if !local.reads {
            return false;
        }
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            local.core.data(now, piece);
        }
        self.list(key);
        true
    }

    /// The broker has closed a client's link, after these last bytes.
    pub(super) fn hang_up(&mut self, now: Instant, key: usize, last: &[&[u8]]) {
        let Some(local) = self.clients.get_mut(key) else { return };
        local.link = None;
        for piece in last.iter().filter(|piece| !piece.is_empty()) {
            local.core.data(now, piece);
        }
        local.core.lost(now, Closed::Peer, None);
        self.list(key);
    }

    /// Nobody serves them any more.
    pub(super) fn abandon(&mut self) {
        for local in self.clients.drain() {
            local.core.abandon();
        }
    }
}

/// The way to a shard, for its clients.
struct ShardDrive {
    bus: Arc<Bus>,
    shard: ShardId,
}

impl Drive for ShardDrive {
    fn wake(&self, key: usize) {
        self.bus.send(self.shard, Note::Serve(key));
    }

    fn is_this_thread(&self) -> bool {
        self.bus.inbox(self.shard).is_own()
    }
}

impl ShardLoop {
    /// A client begins its life here.
    pub(super) fn join(&mut self, core: Arc<Core>) {
        let key = self.locals.insert(core.clone(), None);
        self.adopt(&core, key);
    }

    /// A client comes with its link from another shard.
    pub(super) fn arrive_local(&mut self, now: Instant, core: Arc<Core>, moved: Moved) {
        let id = self.shard.handle_moved(now, moved);
        let key = self.locals.insert(core.clone(), Some(id));
        self.links.insert(id, Port::Local(key));
        self.adopt(&core, key);
    }

    fn adopt(&mut self, core: &Core, key: usize) {
        let drive = Arc::new(ShardDrive { bus: self.bus.clone(), shard: self.which });
        core.driven_by(Driver { drive, key });
        self.locals.list(key);
    }

    /// Serves the clients that have something to do, and settles what follows.
    pub(super) fn serve_locals(&mut self, now: Instant) {
        while let Some(key) = self.locals.timers.pop(now) {
            if let Some(local) = self.locals.clients.get_mut(key) {
                local.armed = None;
            }
            self.locals.list(key);
        }
        for _ in 0..ROUNDS {
            if !self.locals.any_ready() || !self.reads() {
                return;
            }
            for _ in 0..self.locals.to_serve.len() {
                let Some(key) = self.locals.to_serve.pop_front() else { break };
                self.serve_local(now, key);
            }
            self.settle(now);
        }
    }

    /// Does one thing for a client. Its link is given bytes once before the shard settles: it may
    /// have the link move.
    fn serve_local(&mut self, now: Instant, key: usize) {
        let Some(local) = self.locals.clients.get_mut(key) else { return };
        local.listed = false;
        let core = local.core.clone();
        let mut out = core::mem::take(&mut self.locals.out);
        let mut events = core::mem::take(&mut self.locals.events);
        let mut turn = core.turn(now, &mut out, &mut events);
        let called = turn.callback.is_some();
        if let Some(news) = turn.store.take() {
            core.tell_store(&self.bus.log, &news);
        }
        core.call(&mut turn, &mut events);
        self.locals.events = events;

        let Some(local) = self.locals.clients.get_mut(key) else { return };
        self.locals.timers.arm(&mut local.armed, turn.timeout, key);
        local.reads = turn.reads;
        let link = local.link;
        if let Some(id) = link.filter(|_| turn.reads)
            && let Some(slot) = self.links.get(id)
            && slot.full
        {
            slot.full = false;
            self.write_soon(id);
        }
        if turn.closed {
            self.locals.clients.remove(key);
            if let Some(id) = link {
                self.lose(now, id, Closed::Peer);
            }
        } else {
            let did = match turn.control {
                Some(Control::Dial(_)) => {
                    self.open_local(now, key, &core);
                    true
                }
                Some(Control::Close) => {
                    self.close_local(now, key, &out);
                    true
                }
                None => match link {
                    Some(id) if !out.is_empty() => {
                        self.shard.handle_data(now, id, &out);
                        core.sent(now, turn.epoch, out.len());
                        true
                    }
                    _ => called,
                },
            };
            if did {
                self.locals.list(key);
            }
        }
        self.locals.out = out;
    }

    fn open_local(&mut self, now: Instant, key: usize, core: &Core) {
        let id = self.shard.handle_accept(now, LinkInfo::default());
        self.links.insert(id, Port::Local(key));
        if let Some(local) = self.locals.clients.get_mut(key) {
            local.link = Some(id);
        }
        core.opened(now);
    }

    fn close_local(&mut self, now: Instant, key: usize, last: &[u8]) {
        let Some(local) = self.locals.clients.get_mut(key) else { return };
        let Some(id) = local.link.take() else { return };
        if !last.is_empty() {
            self.shard.handle_data(now, id, last);
        }
        self.lose(now, id, Closed::Peer);
    }
}
