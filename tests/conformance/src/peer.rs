//! A raw connection to the side under test.

use core::time::Duration;
use std::collections::VecDeque;

use crate::wire::{
    Kind, Seen, Wire, disconnect, puback, pubcomp, publish, pubrec, pubrel, subscribe, take_packet,
    to_hex, unsubscribe,
};
use crate::{Transport, Version, Wait};

/// One end of a connection, which does only what the test says. Every `expect…` panics with what
/// came instead.
pub struct Peer {
    version: Version,
    transport: Box<dyn Transport>,
    stream: Vec<u8>,
    /// Bytes received and sent by the broker so far, packet by packet.
    log: Vec<Seen>,
    /// Messages that came before an answer that was waited for.
    set_aside: VecDeque<Seen>,
    connack: Option<Seen>,
    next_id: u16,
}

impl Peer {
    /// Over this transport.
    pub fn new(version: Version, transport: Box<dyn Transport>) -> Peer {
        Peer {
            version,
            transport,
            stream: Vec::new(),
            log: Vec::new(),
            set_aside: VecDeque::new(),
            connack: None,
            next_id: 1000,
        }
    }

    /// The version that the connection speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The CONNACK that accepted it.
    pub fn connack(&self) -> &Seen {
        self.connack.as_ref().expect("a connection that was accepted")
    }

    /// Every packet that has been read.
    pub fn log(&self) -> &[Seen] {
        &self.log
    }

    /// Sends a packet, or hex.
    pub fn send(&mut self, packet: impl Wire) {
        self.transport.send(&packet.wire(self.version));
    }

    /// Lets time pass.
    pub fn advance(&mut self, span: Duration) {
        self.transport.advance(span);
    }

    /// Breaks the connection without a word.
    pub fn cut(mut self) {
        self.transport.cut();
    }

    /// Says goodbye and closes.
    pub fn bye(mut self) {
        self.send("E0 00");
        self.transport.cut();
    }

    /// The next packet, if one has come.
    pub fn poll(&mut self) -> Option<Seen> {
        self.set_aside.pop_front().or_else(|| self.take(Wait::Unexpected))
    }

    fn take(&mut self, wait: Wait) -> Option<Seen> {
        loop {
            if let Some(seen) = take_packet(&mut self.stream, self.version) {
                self.log.push(seen.clone());
                return Some(seen);
            }
            let before = self.stream.len();
            self.transport.receive(&mut self.stream, wait);
            if self.stream.len() == before {
                return None;
            }
        }
    }

    /// All packets that have come.
    pub fn drain(&mut self) -> Vec<Seen> {
        core::iter::from_fn(|| self.poll()).collect()
    }

    /// The next packet.
    pub fn read(&mut self) -> Seen {
        match self.set_aside.pop_front().or_else(|| self.take(Wait::Expected)) {
            Some(seen) => seen,
            None if self.transport.closed(Wait::Unexpected) => {
                panic!("nothing came; the other side has closed")
            }
            None => panic!("nothing came; incomplete: [{}]", to_hex(&self.stream)),
        }
    }

    /// The next packet, of this kind.
    pub fn next_of(&mut self, kind: Kind) -> Seen {
        let seen = self.read();
        assert_eq!(seen.kind(), kind, "{seen:?}");
        seen
    }

    /// The next packet that is no PUBLISH. Messages may come between a request and its answer;
    /// they are set aside.
    #[track_caller]
    fn answer(&mut self) -> Seen {
        let mut messages = VecDeque::new();
        loop {
            let seen = self.read();
            if seen.kind() != Kind::Publish {
                messages.append(&mut self.set_aside);
                self.set_aside = messages;
                return seen;
            }
            messages.push_back(seen);
        }
    }

    /// The next packet is exactly this.
    #[track_caller]
    pub fn expect(&mut self, packet: impl Wire) {
        let wanted = packet.wire(self.version);
        let seen = self.read();
        assert!(seen.bytes == wanted, "came {seen:?}, wanted [{}]", to_hex(&wanted));
    }

    /// Nothing has come, and the connection stands.
    #[track_caller]
    pub fn expect_nothing(&mut self) {
        if let Some(seen) = self.poll() {
            panic!("came {seen:?}, wanted nothing");
        }
        assert!(!self.transport.closed(Wait::Unexpected), "the other side has closed");
    }

    /// The other side has closed, and said nothing more.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let closed = self.transport.closed(Wait::Expected);
        if let Some(seen) = self.poll() {
            panic!("came {seen:?}, wanted a close");
        }
        assert!(closed, "the connection still stands");
        assert!(self.stream.is_empty(), "an incomplete packet: [{}]", to_hex(&self.stream));
    }

    /// The other side has closed; in 5.0 a DISCONNECT with one of these codes came before (or
    /// nothing, if it is not known to explain itself), in 3.x nothing.
    #[track_caller]
    pub fn expect_thrown_out(&mut self, codes: &[u8]) {
        let seen = match self.version {
            Version::V5 if self.transport.explains() => Some(self.read()),
            Version::V5 => {
                self.transport.closed(Wait::Expected);
                self.poll()
            }
            _ => None,
        };
        if let Some(seen) = seen {
            assert_eq!(seen.kind(), Kind::Disconnect, "{seen:?}");
            let code = seen.reason();
            assert!(codes.contains(&code), "DISCONNECT says {code:#04x}, wanted {codes:02x?}");
        }
        self.expect_closed();
    }

    /// The broker refuses the CONNECT: it closes, after a CONNACK with one of these codes or
    /// after none. Session Present is 0, and no DISCONNECT comes.
    #[track_caller]
    pub fn expect_refused(&mut self, codes: &[u8]) {
        self.transport.closed(Wait::Expected);
        if let Some(seen) = self.poll() {
            assert_eq!(seen.kind(), Kind::ConnAck, "{seen:?}");
            assert_eq!(seen.body()[0], 0, "{seen:?}");
            let code = seen.reason();
            assert!(codes.contains(&code), "CONNACK says {code:#04x}, wanted {codes:02x?}");
        }
        self.expect_closed();
    }

    /// A CONNACK that accepts comes next.
    #[track_caller]
    pub fn expect_accepted(&mut self) {
        let seen = self.read();
        assert_eq!(seen.kind(), Kind::ConnAck, "{seen:?}");
        assert_eq!(seen.reason(), 0, "{seen:?}");
        self.connack = Some(seen);
    }

    /// The connection works: PINGREQ is answered, and nothing else was waiting.
    #[track_caller]
    pub fn expect_alive(&mut self) {
        self.expect_nothing();
        self.send("C0 00");
        self.expect("D0 00");
    }

    /// A Packet Identifier that it has not used.
    pub fn fresh_id(&mut self) -> u16 {
        self.next_id += 1;
        self.next_id
    }

    /// Subscribes, and is granted what it asked. Only the answer is read; what else the
    /// subscription brings comes behind it.
    #[track_caller]
    pub fn subscribe(&mut self, filter: &str, options: u8) {
        let id = self.fresh_id();
        self.send(subscribe(id).filter(filter, options));
        let seen = self.answer();
        assert_eq!((seen.kind(), seen.id()), (Kind::SubAck, id), "{seen:?}");
        assert_eq!(seen.payload(), [options & 3], "{seen:?}");
    }

    /// Unsubscribes, and is answered.
    #[track_caller]
    pub fn unsubscribe(&mut self, filter: &str) {
        let id = self.fresh_id();
        self.send(unsubscribe(id).filter(filter));
        let seen = self.answer();
        assert_eq!((seen.kind(), seen.id()), (Kind::UnsubAck, id), "{seen:?}");
    }

    /// Publishes, and goes through the whole flow of the QoS.
    #[track_caller]
    pub fn publish(&mut self, topic: &str, payload: &str, qos: u8) {
        let id = self.fresh_id();
        self.deliver(publish(topic, payload).qos(qos, id), qos, id);
    }

    /// The same with RETAIN 1.
    #[track_caller]
    pub fn retain(&mut self, topic: &str, payload: &str, qos: u8) {
        let id = self.fresh_id();
        self.deliver(publish(topic, payload).qos(qos, id).retain(), qos, id);
    }

    /// Sends a PUBLISH with this QoS and Packet Identifier, and goes through the whole flow.
    #[track_caller]
    pub fn deliver(&mut self, packet: impl Wire, qos: u8, id: u16) {
        self.send(packet);
        match qos {
            0 => {}
            1 => self.expect_ack(Kind::PubAck, id),
            _ => {
                self.expect_ack(Kind::PubRec, id);
                self.send(pubrel(id));
                self.expect_ack(Kind::PubComp, id);
            }
        }
    }

    /// An acknowledgement of success comes, perhaps behind messages.
    #[track_caller]
    pub fn expect_ack(&mut self, kind: Kind, id: u16) {
        let seen = self.answer();
        assert_eq!((seen.kind(), seen.id()), (kind, id), "{seen:?}");
        assert!(seen.reason() < 0x80, "{seen:?}");
    }

    /// An acknowledgement with this code comes next (3.x: without one).
    #[track_caller]
    pub fn expect_ack_with(&mut self, kind: Kind, id: u16, code: u8) {
        let seen = self.read();
        assert_eq!((seen.kind(), seen.id()), (kind, id), "{seen:?}");
        assert_eq!(seen.reason(), if self.version == Version::V5 { code } else { 0 }, "{seen:?}");
    }

    /// A PUBLISH comes next. It is not acknowledged.
    #[track_caller]
    pub fn next_publish(&mut self) -> Seen {
        let seen = self.read();
        assert_eq!(seen.kind(), Kind::Publish, "{seen:?}");
        seen
    }

    /// A PUBLISH with this topic, payload and QoS comes next, and its flow is completed.
    #[track_caller]
    pub fn expect_message(&mut self, topic: &str, payload: &str, qos: u8) -> Seen {
        let seen = self.next_publish();
        assert_eq!(String::from_utf8_lossy(seen.topic()), topic, "{seen:?}");
        assert_eq!(String::from_utf8_lossy(seen.payload()), payload, "{seen:?}");
        assert_eq!(seen.qos(), qos, "{seen:?}");
        self.acknowledge(&seen);
        seen
    }

    /// Completes the flow of a PUBLISH that came.
    #[track_caller]
    pub fn acknowledge(&mut self, seen: &Seen) {
        match seen.qos() {
            0 => {}
            1 => self.send(puback(seen.id())),
            _ => {
                self.send(pubrec(seen.id()));
                let answer = self.answer();
                assert!(answer.bytes == pubrel(seen.id()).wire(self.version), "{answer:?}");
                self.send(pubcomp(seen.id()));
            }
        }
    }

    /// All messages that have come, as "topic payload"; nothing else has. None is acknowledged.
    #[track_caller]
    pub fn messages(&mut self) -> Vec<String> {
        self.drain()
            .iter()
            .map(|seen| {
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                format!("{} {}", text(seen.topic()), text(seen.payload()))
            })
            .collect()
    }

    /// Disconnects with this code (5.0).
    pub fn disconnect(&mut self, reason: u8) {
        self.send(disconnect(reason));
    }
}
