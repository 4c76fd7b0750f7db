//! Our client in front of a scripted server.

use core::time::Duration;
use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use libmqtt_engine::client::{
    Client, ClientConfig, Closed, Event, Outcome, PublishError, Reconnect, SubscribeError, Token,
};
use libmqtt_engine::codec::{Properties, Publish, QoS, Subscription, SubscriptionOptions, Version};
use libmqtt_engine::{Instant, Message};

use crate::wire::{Plain, Seen, connack};
use crate::{Peer, Transport, Wait};

/// A client on virtual time. The server that it connects to is a [`Peer`] that the test scripts,
/// a new one for every connection. Clones are the same client.
#[derive(Clone)]
pub struct ClientWorld(Rc<RefCell<Inner>>);

struct Inner {
    client: Client,
    now: Instant,
    /// The driver was told to dial and has not opened the transport yet.
    dialled: bool,
    /// Number of the connection that stands, counted from 1; 0: none does.
    up: u32,
    opened: u32,
    bytes: Vec<u8>,
    events: Vec<Event>,
}

impl ClientWorld {
    /// A client that does nothing yet: Client Identifier `c`, Keep Alive 0, no jitter before it
    /// connects again.
    pub fn new(version: Version, change: impl FnOnce(&mut ClientConfig)) -> ClientWorld {
        let mut config = ClientConfig {
            version,
            keep_alive_s: 0,
            reconnect: Reconnect { jitter: false, ..Reconnect::default() },
            ..ClientConfig::new("server", "c")
        };
        change(&mut config);
        ClientWorld(Rc::new(RefCell::new(Inner {
            client: Client::new(config, 5),
            now: Instant::from_nanos(1_000_000_000),
            dialled: false,
            up: 0,
            opened: 0,
            bytes: Vec::new(),
            events: Vec::new(),
        })))
    }

    /// A client that has connected, and the server that has accepted it.
    pub fn online(version: Version, change: impl FnOnce(&mut ClientConfig)) -> (ClientWorld, Peer) {
        ClientWorld::online_with(version, change, connack(false, 0))
    }

    /// The same with another CONNACK.
    pub fn online_with(
        version: Version,
        change: impl FnOnce(&mut ClientConfig),
        connack: Plain,
    ) -> (ClientWorld, Peer) {
        let world = ClientWorld::new(version, change);
        let server = world.connect_with(connack);
        (world, server)
    }

    /// Connects, also again, and has this CONNACK accept it.
    pub fn connect_with(&self, connack: Plain) -> Peer {
        let (mut server, _) = self.dial();
        server.send(connack);
        server
    }

    /// Connects, also again: the server's end, and the CONNECT that has come to it.
    pub fn dial(&self) -> (Peer, Seen) {
        let mut server = self.open();
        let connect = server.read();
        (server, connect)
    }

    /// Opens the transport, when the client wants one.
    pub fn open(&self) -> Peer {
        if self.0.borrow().client.is_idle() {
            let started = self.command(|client, now| client.connect(now));
            assert_eq!(started, Ok(()));
        }
        for _ in 0..100 {
            if self.0.borrow().dialled {
                break;
            }
            self.advance(Duration::from_secs(1));
        }
        let mut inner = self.0.borrow_mut();
        assert!(inner.dialled, "the client does not dial: {:?}", inner.events);
        inner.dialled = false;
        inner.opened += 1;
        inner.up = inner.opened;
        inner.bytes.clear();
        let now = inner.now;
        inner.client.handle_open(now);
        inner.drain();
        let version = inner.client.version();
        let link = Link { world: self.clone(), number: inner.opened };
        drop(inner);
        Peer::new(version, Box::new(link))
    }

    /// Commands the client.
    pub fn command<T>(&self, command: impl FnOnce(&mut Client, Instant) -> T) -> T {
        let mut inner = self.0.borrow_mut();
        let now = inner.now;
        let result = command(&mut inner.client, now);
        inner.drain();
        result
    }

    /// The program publishes.
    pub fn publish(&self, topic: &str, payload: &str, qos: u8) -> Result<Token, PublishError> {
        self.publish_with(topic, payload, qos, false, Properties::EMPTY)
    }

    /// The program publishes, with everything that a message has.
    pub fn publish_with(
        &self,
        topic: &str,
        payload: &str,
        qos: u8,
        retain: bool,
        properties: Properties<'_>,
    ) -> Result<Token, PublishError> {
        let qos = QoS::from_u8(qos).expect("a QoS");
        let payload = payload.as_bytes();
        let message =
            Publish { dup: false, qos, retain, topic, packet_id: None, properties, payload };
        self.command(|client, now| client.publish(now, &message))
    }

    /// The program subscribes.
    pub fn subscribe(&self, filter: &str, qos: u8) -> Result<Token, SubscribeError> {
        let qos = QoS::from_u8(qos).expect("a QoS");
        let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
        let wanted = [Subscription { filter, options }];
        self.command(|client, now| client.subscribe(now, &wanted, Properties::EMPTY))
    }

    /// The program unsubscribes.
    pub fn unsubscribe(&self, filter: &str) -> Result<Token, SubscribeError> {
        self.command(|client, now| client.unsubscribe(now, &[filter], Properties::EMPTY))
    }

    /// Lets time pass, timers and all.
    pub fn advance(&self, span: Duration) {
        let mut inner = self.0.borrow_mut();
        let end = inner.now + span;
        for _ in 0..1_000_000 {
            match inner.client.poll_timeout() {
                Some(at) if at <= end => inner.now = at.max(inner.now),
                _ => break,
            }
            let now = inner.now;
            inner.client.handle_timeout(now);
            inner.drain();
        }
        inner.now = end;
        inner.client.handle_timeout(end);
        inner.drain();
    }

    /// What has happened since the last time.
    pub fn events(&self) -> Vec<Event> {
        core::mem::take(&mut self.0.borrow_mut().events)
    }

    /// The messages among these events.
    pub fn messages(&self) -> Vec<Message> {
        let messages = self.events().into_iter().filter_map(|event| match event {
            Event::Message(received) => Some(received.message),
            _ => None,
        });
        messages.collect()
    }

    /// What became of an operation, if that is known and was not asked before.
    pub fn outcome(&self, token: Token) -> Option<Outcome> {
        self.events().into_iter().find_map(|event| match event {
            Event::Done(done, outcome) if done == token => Some(outcome),
            _ => None,
        })
    }
}

impl Inner {
    fn drain(&mut self) {
        loop {
            while let Some(event) = self.client.poll_event() {
                match event {
                    Event::Dial(_) => self.dialled = true,
                    Event::Close => {
                        self.bytes.extend_from_slice(self.client.outgoing());
                        self.up = 0;
                        self.dialled = false;
                    }
                    event => self.events.push(event),
                }
            }
            let waiting = self.client.outgoing();
            if self.up == 0 || waiting.is_empty() {
                return;
            }
            self.bytes.extend_from_slice(waiting);
            let sent = waiting.len();
            self.client.handle_sent(self.now, sent);
        }
    }
}

/// One connection of a [`ClientWorld`], seen from the server.
struct Link {
    world: ClientWorld,
    number: u32,
}

impl Link {
    /// The client, while this connection is its latest.
    fn latest(&self) -> Option<RefMut<'_, Inner>> {
        let inner = self.world.0.borrow_mut();
        (inner.opened == self.number).then_some(inner)
    }
}

impl Transport for Link {
    fn send(&mut self, bytes: &[u8]) {
        if let Some(mut inner) = self.latest()
            && inner.up == self.number
        {
            let now = inner.now;
            inner.client.handle_data(now, bytes);
            inner.drain();
        }
    }

    fn receive(&mut self, into: &mut Vec<u8>, _: Wait) {
        if let Some(mut inner) = self.latest() {
            into.append(&mut inner.bytes);
        }
    }

    fn closed(&mut self, _: Wait) -> bool {
        self.latest().is_none_or(|inner| inner.up != self.number)
    }

    fn cut(&mut self) {
        if let Some(mut inner) = self.latest()
            && inner.up == self.number
        {
            inner.up = 0;
            let now = inner.now;
            inner.client.handle_closed(now, Closed::Failed);
            inner.drain();
        }
    }

    fn advance(&mut self, span: Duration) {
        self.world.advance(span);
    }
}
