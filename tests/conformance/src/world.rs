//! A broker on virtual time.

use core::time::Duration;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

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

/// The rules, as each shard of one broker asks them.
struct SharedRules(Arc<Mutex<Rules>>);

impl SharedRules {
    fn rules(&self) -> std::sync::MutexGuard<'_, Rules> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hooks for SharedRules {
    fn authenticate(&mut self, _: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        match (&mut self.rules().authenticate, attempt.method) {
            (Some(rule), _) => rule(attempt),
            (None, None) => Verdict::Allow,
            (None, Some(_)) => Verdict::Deny(Reason::BadAuthenticationMethod),
        }
    }

    fn authorise_publish(&mut self, _: Ticket, _: &ClientInfo, publish: &Publish<'_>) -> Verdict {
        self.rules().publish.as_mut().map_or(Verdict::Allow, |rule| rule(publish.topic))
    }

    fn authorise_subscribe(
        &mut self,
        _: Ticket,
        _: &ClientInfo,
        subscription: &Subscription<'_>,
    ) -> Verdict {
        self.rules().subscribe.as_mut().map_or(Verdict::Allow, |rule| rule(subscription.filter))
    }
}

/// The variable of the environment that says of how many shards each broker is; 1 without it.
const SHARDS: &str = "LIBMQTT_CONFORMANCE_SHARDS";

fn shards() -> u16 {
    std::env::var(SHARDS).map_or(1, |text| text.parse().expect("a number of shards"))
}

/// A broker, its clock, and the far ends of its links. Clones are the same broker.
#[derive(Clone)]
pub struct World(Rc<RefCell<Inner>>);

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
        let rules = Arc::new(Mutex::new(rules));
        let shared = Shared::new(config, shards(), 7);
        let shard = |n: u16| {
            let hooks = Box::new(SharedRules(rules.clone()));
            Shard::new(shared.clone(), ShardId(n), hooks, 11 + u64::from(n), now)
        };
        let shards = (0..shards()).map(shard).collect();
        let mut inner = Inner { shards, shared, now, ends: Vec::new(), links: HashMap::new() };
        inner.drain();
        World(Rc::new(RefCell::new(inner)))
    }

    /// A connection on which nothing has been sent.
    pub fn open(&self, version: Version) -> Peer {
        let mut inner = self.0.borrow_mut();
        let (now, number) = (inner.now, inner.ends.len());
        let shard = number % inner.shards.len();
        let link = inner.shards[shard].handle_accept(now, LinkInfo::default());
        inner.ends.push(End { shard, link, bytes: Vec::new(), closed: false });
        inner.links.insert((shard, link), number);
        inner.drain();
        Peer::new(version, Box::new(Link { world: self.clone(), number }))
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
            match inner.shards.iter().filter_map(Shard::poll_timeout).min() {
                Some(at) if at <= end => inner.wake(at),
                _ => break,
            }
        }
        inner.wake(end);
    }

    /// The host program publishes.
    pub fn publish(&self, message: &Message) {
        let mut inner = self.0.borrow_mut();
        let now = inner.now;
        inner.shards[0].publish(now, message);
        inner.drain();
    }

    /// The host program ends a client's connection.
    pub fn disconnect(&self, id: &str, reason: Reason) -> bool {
        let mut inner = self.0.borrow_mut();
        let now = inner.now;
        let was = inner.shards.iter_mut().any(|shard| shard.disconnect(now, id, reason));
        inner.drain();
        was
    }

    /// The broker stops.
    pub fn shut_down(&self) {
        let mut inner = self.0.borrow_mut();
        let now = inner.now;
        inner.shards.iter_mut().for_each(|shard| shard.shut_down(now));
        inner.drain();
    }

    /// Its counters.
    pub fn stats(&self) -> Stats {
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

/// A connection of a [`World`].
struct Link {
    world: World,
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

    fn receive(&mut self, into: &mut Vec<u8>) {
        into.append(&mut self.world.0.borrow_mut().ends[self.number].bytes);
    }

    fn closed(&mut self) -> bool {
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
