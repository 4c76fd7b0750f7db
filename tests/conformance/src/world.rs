//! A broker on virtual time.

use core::time::Duration;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use libmqtt_engine::broker::{
    BrokerConfig, BrokerOutput, Closed, LinkId, LinkInfo, Shard, ShardId, Shared, Stats,
};
use libmqtt_engine::codec::{Publish, Reason, Subscription, Version};
use libmqtt_engine::{Authenticate, ClientInfo, Hooks, Instant, Message, Ticket, Verdict};

use crate::wire::{Connect, Wire};
use crate::{Peer, Transport};

type OnAuthenticate = dyn FnMut(&Authenticate<'_>) -> Verdict + Send;
type OnTopic = dyn FnMut(&str) -> Verdict + Send;

/// What the broker's host program decides, for one test. Everything is allowed at first, but for
/// enhanced authentication.
#[derive(Default)]
pub struct Rules {
    authenticate: Option<Box<OnAuthenticate>>,
    publish: Option<Box<OnTopic>>,
    subscribe: Option<Box<OnTopic>>,
}

impl Rules {
    /// Decides CONNECT and AUTH.
    pub fn authenticate(
        mut self,
        rule: impl FnMut(&Authenticate<'_>) -> Verdict + Send + 'static,
    ) -> Rules {
        self.authenticate = Some(Box::new(rule));
        self
    }

    /// Refuses to publish to this topic.
    pub fn deny_publish(mut self, topic: &'static str, reason: Reason) -> Rules {
        self.publish = Some(Box::new(move |asked| deny(asked == topic, reason)));
        self
    }

    /// Refuses to subscribe to this filter.
    pub fn deny_subscribe(mut self, filter: &'static str, reason: Reason) -> Rules {
        self.subscribe = Some(Box::new(move |asked| deny(asked == filter, reason)));
        self
    }
}

fn deny(denied: bool, reason: Reason) -> Verdict {
    if denied { Verdict::Deny(reason) } else { Verdict::Allow }
}

impl Hooks for Rules {
    fn authenticate(&mut self, _: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        match (&mut self.authenticate, attempt.method) {
            (Some(rule), _) => rule(attempt),
            (None, None) => Verdict::Allow,
            (None, Some(_)) => Verdict::Deny(Reason::BadAuthenticationMethod),
        }
    }

    fn authorise_publish(&mut self, _: Ticket, _: &ClientInfo, publish: &Publish<'_>) -> Verdict {
        self.publish.as_mut().map_or(Verdict::Allow, |rule| rule(publish.topic))
    }

    fn authorise_subscribe(
        &mut self,
        _: Ticket,
        _: &ClientInfo,
        subscription: &Subscription<'_>,
    ) -> Verdict {
        self.subscribe.as_mut().map_or(Verdict::Allow, |rule| rule(subscription.filter))
    }
}

/// A broker of one shard, its clock, and the far ends of its links. Clones are the same broker.
#[derive(Clone)]
pub struct World(Rc<RefCell<Inner>>);

struct Inner {
    shard: Shard,
    shared: std::sync::Arc<Shared>,
    now: Instant,
    ends: HashMap<LinkId, End>,
}

/// What has come out of a link.
#[derive(Default)]
struct End {
    bytes: Vec<u8>,
    closed: bool,
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl World {
    /// With everything as it comes, but for the `$SYS` topics, which are off.
    pub fn new() -> World {
        World::with(|_| {})
    }

    /// With another configuration.
    pub fn with(change: impl FnOnce(&mut BrokerConfig)) -> World {
        World::ruled(Rules::default(), change)
    }

    /// With rules and another configuration.
    pub fn ruled(rules: Rules, change: impl FnOnce(&mut BrokerConfig)) -> World {
        let mut config = BrokerConfig { sys_interval: Duration::ZERO, ..BrokerConfig::default() };
        change(&mut config);
        let now = Instant::from_nanos(1_000_000_000);
        let shared = Shared::new(config, 1, 7);
        let shard = Shard::new(shared.clone(), ShardId(0), Box::new(rules), 11, now);
        let world =
            World(Rc::new(RefCell::new(Inner { shard, shared, now, ends: HashMap::new() })));
        world.0.borrow_mut().drain();
        world
    }

    /// A connection on which nothing has been sent.
    pub fn open(&self, version: Version) -> Peer {
        let mut inner = self.0.borrow_mut();
        let now = inner.now;
        let link = inner.shard.handle_accept(now, LinkInfo::default());
        inner.ends.insert(link, End::default());
        inner.drain();
        drop(inner);
        Peer::new(version, Box::new(Link { world: self.clone(), link }))
    }

    /// A client that has connected with Clean Start 1 and nothing else.
    pub fn connect(&self, version: Version, id: &str) -> Peer {
        self.connect_with(version, Connect::new(id))
    }

    /// A client that has connected with this CONNECT, and been accepted.
    pub fn connect_with(&self, version: Version, connect: impl Wire) -> Peer {
        let mut peer = self.open(version);
        peer.send(connect);
        peer.expect_accepted();
        peer
    }

    /// Lets time pass, timers and all.
    pub fn advance(&self, span: Duration) {
        let mut inner = self.0.borrow_mut();
        let end = inner.now + span;
        for _ in 0..1_000_000 {
            match inner.shard.poll_timeout() {
                Some(at) if at <= end => inner.now = at.max(inner.now),
                _ => break,
            }
            let now = inner.now;
            inner.shard.handle_timeout(now);
            inner.drain();
        }
        inner.now = end;
        inner.shard.handle_timeout(end);
        inner.drain();
    }

    /// The host program publishes.
    pub fn publish(&self, message: &Message) {
        let mut inner = self.0.borrow_mut();
        let now = inner.now;
        inner.shard.publish(now, message);
        inner.drain();
    }

    /// The host program ends a client's connection.
    pub fn disconnect(&self, id: &str, reason: Reason) -> bool {
        let mut inner = self.0.borrow_mut();
        let now = inner.now;
        let was = inner.shard.disconnect(now, id, reason);
        inner.drain();
        was
    }

    /// The broker stops.
    pub fn shut_down(&self) {
        let mut inner = self.0.borrow_mut();
        let now = inner.now;
        inner.shard.shut_down(now);
        inner.drain();
    }

    /// Its counters.
    pub fn stats(&self) -> Stats {
        self.0.borrow().shared.stats()
    }
}

impl Inner {
    fn drain(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                BrokerOutput::Writable(link) => {
                    let sent = self.take(link);
                    self.shard.handle_sent(self.now, link, sent);
                }
                BrokerOutput::Close(link, _) => {
                    self.take(link);
                    self.ends.entry(link).or_default().closed = true;
                }
                BrokerOutput::Pause(..) => {}
                BrokerOutput::Move(..) | BrokerOutput::Peer(..) => {
                    panic!("a broker of one shard speaks to another")
                }
            }
        }
    }

    fn take(&mut self, link: LinkId) -> usize {
        let mut sent = 0;
        let end = self.ends.entry(link).or_default();
        let outgoing = self.shard.outgoing(link);
        for piece in outgoing.pieces {
            end.bytes.extend_from_slice(piece);
            sent += piece.len();
        }
        sent
    }
}

/// A link of a [`World`].
struct Link {
    world: World,
    link: LinkId,
}

impl Transport for Link {
    fn send(&mut self, bytes: &[u8]) {
        let mut inner = self.world.0.borrow_mut();
        let now = inner.now;
        if !inner.ends[&self.link].closed {
            inner.shard.handle_data(now, self.link, bytes);
            inner.drain();
        }
    }

    fn receive(&mut self, into: &mut Vec<u8>) {
        let mut inner = self.world.0.borrow_mut();
        if let Some(end) = inner.ends.get_mut(&self.link) {
            into.append(&mut end.bytes);
        }
    }

    fn closed(&mut self) -> bool {
        self.world.0.borrow().ends.get(&self.link).is_none_or(|end| end.closed)
    }

    fn cut(&mut self) {
        let mut inner = self.world.0.borrow_mut();
        let now = inner.now;
        let closed = inner.ends.get(&self.link).is_none_or(|end| end.closed);
        if !closed {
            inner.shard.handle_closed(now, self.link, Closed::Failed);
            inner.drain();
            inner.ends.entry(self.link).or_default().closed = true;
        }
    }

    fn advance(&mut self, span: Duration) {
        self.world.advance(span);
    }
}
