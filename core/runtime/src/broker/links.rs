//! The transports of a shard's links.

use libmqtt_engine::broker::LinkId;
use libmqtt_net::Link;

/// What is at the other end of a link.
#[derive(Debug)]
pub(super) enum Port {
    /// A peer behind a socket.
    Socket(Link),
    /// The client with this key on the same thread.
    Local(usize),
}

/// A link's transport and what is known of its readiness.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) port: Port,
    generation: u32,
    /// There may be something to read.
    pub(super) readable: bool,
    /// It is in the list of those to read.
    pub(super) listed: bool,
    /// The end of its input was told: read until it shows.
    pub(super) closing: bool,
    /// The shard does not want its bytes now.
    pub(super) paused: bool,
    /// Its client was not let in yet, so that little is read at a time.
    pub(super) fresh: bool,
    /// Its socket is full: nothing to do until that changes.
    pub(super) full: bool,
}

impl Slot {
    /// Whether it belongs into the list of those to read and is not there.
    pub(super) fn wants_read(&self) -> bool {
        self.readable && !self.listed && !self.paused
    }

    /// Whether the layers of its link have something to write themselves.
    pub(super) fn owes(&self) -> bool {
        matches!(&self.port, Port::Socket(link) if link.owes())
    }

    /// Whether to wait for room, after a write that was `short` or not.
    pub(super) fn is_full(&self, short: bool) -> bool {
        match &self.port {
            Port::Socket(link) => link.is_full(short),
            Port::Local(_) => short,
        }
    }
}

/// Transports by [`LinkId`], whose indices the shard keeps small.
#[derive(Debug, Default)]
pub(super) struct Links {
    slots: Vec<Option<Slot>>,
}

impl Links {
    /// Puts the transport of a new link in.
    pub(super) fn insert(&mut self, id: LinkId, port: Port) {
        let index = id.index as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        let slot = Slot {
            port,
            generation: id.generation,
            readable: false,
            listed: false,
            closing: false,
            paused: false,
            fresh: true,
            full: false,
        };
        self.slots[index] = Some(slot);
    }

    /// Takes a link's transport out.
    pub(super) fn remove(&mut self, id: LinkId) -> Option<Slot> {
        self.get(id)?;
        self.slots[id.index as usize].take()
    }

    /// A link's transport, if it is there still.
    pub(super) fn get(&mut self, id: LinkId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.index as usize)?.as_mut()?;
        (slot.generation == id.generation).then_some(slot)
    }

    /// The transport at this index, whosever it is, and the name of its link.
    pub(super) fn at(&mut self, index: u32) -> Option<(LinkId, &mut Slot)> {
        let slot = self.slots.get_mut(index as usize)?.as_mut()?;
        Some((LinkId { index, generation: slot.generation }, slot))
    }

    /// Whether a socket is full.
    pub(super) fn any_full(&self) -> bool {
        self.slots.iter().flatten().any(|slot| slot.full)
    }
}
