//! A broker's engine on virtual time.

use core::time::Duration;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use libmqtt_engine::broker::{
    BrokerConfig, BrokerOutput, Closed, LinkId, LinkInfo, Shard, ShardId, Shared, Stats,
};
use libmqtt_engine::codec::Reason;
use libmqtt_engine::{Instant, Message};

use super::rules::SharedRules;
use super::{Stage, shards};
use crate::{Transport, Wait};

/// A broker on virtual time, and the far ends of its links. Clones are the same broker.
#[derive(Clone)]
pub(super) struct Virtual(Rc<RefCell<Inner>>);

struct Inner {
    shards: Vec<Shard>,
    shared: Arc<Shared>,
    now: Instant,
    /// Every connection so far.
    ends: Vec<End>,
    /// Which connection a link is.
    links: HashMap<(usize, LinkId), usize>,
}

/// The far end of a connection.
struct End {
    shard: usize,
    link: LinkId,
    /// What has come out of it.
    bytes: Vec<u8>,
    closed: bool,
}

impl Virtual {
    pub(super) fn start(rules: SharedRules, config: BrokerConfig) -> Virtual {
        let now = Instant::from_nanos(1_000_000_000);
        let shared = Shared::new(config, shards(), 7);
        let shard = |n: u16| {
            let hooks = Box::new(rules.clone());
            Shard::new(shared.clone(), ShardId(n), hooks, 11 + u64::from(n), now)
        };
        let shards = (0..shards()).map(shard).collect();
        let mut inner = Inner { shards, shared, now, ends: Vec::new(), links: HashMap::new() };
        inner.drain();
        Virtual(Rc::new(RefCell::new(inner)))
    }
}

impl Stage for Virtual {
    fn open(&self) -> Box<dyn Transport> {
        let mut inner = self.0.borrow_mut();
        let (now, number) = (inner.now, inner.ends.len());
        let shard = number % inner.shards.len();
        let link = inner.shards[shard].handle_accept(now, LinkInfo::default());
        inner.ends.push(End { shard, link, bytes: Vec::new(), closed: false });
        inner.links.insert((shard, link), number);
        inner.drain();
        Box::new(Link { world: self.clone(), number })
    }

    fn advance(&self, span: Duration) {
        let mut inner = self.0.borrow_mut();
        let end = inner.now + span;
        for _ in 0..1_000_000 {
            match inner.shards.iter().filter_map(Shard::poll_timeout).min() {
                Some(at) if at <= end => inner.wake(at),
                _ => break,
            }
        }
        inner.wake(end);
    }

    fn publish(&self, message: &Message) {
        let mut inner = self.0.borrow_mut();
        let now = inner.now;
        inner.shards[0].publish(now, message);
        inner.drain();
    }

    fn disconnect(&self, id: &str, reason: Reason) {
        let mut inner = self.0.borrow_mut();
        let now = inner.now;
        let was = inner.shards.iter_mut().any(|shard| shard.disconnect(now, id, reason));
        assert!(was, "{id} is not connected");
        inner.drain();
    }

    fn shut_down(&self) {
        let mut inner = self.0.borrow_mut();
        let now = inner.now;
        inner.shards.iter_mut().for_each(|shard| shard.shut_down(now));
        inner.drain();
    }

    fn stats(&self) -> Stats {
        self.0.borrow().shared.stats()
    }
}

impl Inner {
    /// The clock reaches this moment.
    fn wake(&mut self, at: Instant) {
        self.now = at.max(self.now);
        self.shards.iter_mut().for_each(|shard| shard.handle_timeout(self.now));
        self.drain();
    }

    fn drain(&mut self) {
        let mut quiet = 0;
        let mut which = 0;
        while quiet < self.shards.len() {
            quiet += 1;
            while let Some(output) = self.shards[which].poll_output() {
                quiet = 0;
                self.handle(which, output);
            }
            which = (which + 1) % self.shards.len();
        }
    }

    /// Does what a shard asks of its driver.
    fn handle(&mut self, from: usize, output: BrokerOutput) {
        match output {
            BrokerOutput::Writable(link) => {
                let sent = self.take(from, link);
                self.shards[from].handle_sent(self.now, link, sent);
            }
            BrokerOutput::Close(link, _) => {
                self.take(from, link);
                if let Some(number) = self.links.remove(&(from, link)) {
                    self.ends[number].closed = true;
                }
            }
            BrokerOutput::Pause(..) => {}
            BrokerOutput::Move(link, to, moved) => {
                let number = self.links.remove(&(from, link)).expect("a link that stands");
                let to = usize::from(to.0);
                let link = self.shards[to].handle_moved(self.now, moved);
                self.links.insert((to, link), number);
                (self.ends[number].shard, self.ends[number].link) = (to, link);
            }
            BrokerOutput::Persist(_) | BrokerOutput::Fetch(_) => {
                unreachable!("nobody has asked for it")
            }
            BrokerOutput::Peer(to, batch) => {
                self.shards[usize::from(to.0)].handle_peer(self.now, ShardId(from as u16), batch);
            }
        }
    }

    fn take(&mut self, shard: usize, link: LinkId) -> usize {
        let outgoing = self.shards[shard].outgoing(link);
        if let Some(number) = self.links.get(&(shard, link)) {
            for piece in outgoing.pieces {
                self.ends[*number].bytes.extend_from_slice(piece);
            }
        }
        outgoing.len()
    }
}

/// A connection of the broker.
struct Link {
    world: Virtual,
    number: usize,
}

impl Transport for Link {
    fn send(&mut self, bytes: &[u8]) {
        let mut inner = self.world.0.borrow_mut();
        let now = inner.now;
        let &End { shard, link, closed, .. } = &inner.ends[self.number];
        if !closed {
            inner.shards[shard].handle_data(now, link, bytes);
            inner.drain();
        }
    }

    fn receive(&mut self, into: &mut Vec<u8>, _: Wait) {
        into.append(&mut self.world.0.borrow_mut().ends[self.number].bytes);
    }

    fn closed(&mut self, _: Wait) -> bool {
        self.world.0.borrow().ends[self.number].closed
    }

    fn cut(&mut self) {
        let mut inner = self.world.0.borrow_mut();
        let now = inner.now;
        let &End { shard, link, closed, .. } = &inner.ends[self.number];
        if !closed {
            inner.ends[self.number].closed = true;
            inner.links.remove(&(shard, link));
            inner.shards[shard].handle_closed(now, link, Closed::Failed);
            inner.drain();
        }
    }

    fn advance(&mut self, span: Duration) {
        self.world.advance(span);
    }
}
