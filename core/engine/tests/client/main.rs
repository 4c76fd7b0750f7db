//! The client machine, driven with bytes.

mod authenticate;
mod connect;
mod disconnect;
mod keep_alive;
mod persist;
mod publish;
mod receive;
mod reconnect;
mod request;
mod subscribe;
mod watch;

use core::time::Duration;
use std::collections::VecDeque;

use libmqtt_engine::Instant;
use libmqtt_engine::client::{
    Cause, Client, ClientConfig, Closed, Connected, Disconnected, Event, Outcome, Received, Token,
};
use libmqtt_engine::codec::{
    Ack, AckKind, ConnAck, Packet, PacketId, Properties, PropertiesBuf, Property, Publish, QoS,
    Reason, Version,
};

/// A client, its driver and its server in one hand.
struct Rig {
    client: Client,
    now: Instant,
    events: VecDeque<Event>,
}

/// A client that leaves out of CONNECT what can be left out, in `version`.
fn config(version: Version) -> ClientConfig {
    let mut config = ClientConfig::new("one", "c");
    config.version = version;
    config.reconnect.jitter = false;
    config.receive_maximum = 65_535;
    config.topic_alias_maximum = 0;
    config
}

/// With a Session that lasts.
fn lasting(version: Version) -> ClientConfig {
    let mut config = config(version);
    config.session_expiry_s = 100;
    if version != Version::V5 {
        config.clean_start = libmqtt_engine::client::CleanStart::Never;
    }
    config
}

fn id(n: u16) -> PacketId {
    PacketId::new(n).unwrap()
}

fn message(topic: &'static str, payload: &'static str, qos: QoS) -> Publish<'static> {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic,
        packet_id: None,
        properties: Properties::EMPTY,
        payload: payload.as_bytes(),
    }
}

/// As it goes over the wire.
fn publish(topic: &'static str, payload: &'static str, qos: QoS, n: u16) -> Packet<'static> {
    Packet::Publish(Publish { packet_id: PacketId::new(n), ..message(topic, payload, qos) })
}

fn again(packet: Packet<'_>) -> Packet<'_> {
    let Packet::Publish(publish) = packet else { panic!("{packet:?} is no PUBLISH") };
    Packet::Publish(Publish { dup: true, ..publish })
}

fn ack(kind: AckKind, n: u16) -> Packet<'static> {
    Packet::Ack(Ack::new(kind, id(n)))
}

fn nack(kind: AckKind, n: u16, reason: Reason) -> Packet<'static> {
    Packet::Ack(Ack { reason, ..Ack::new(kind, id(n)) })
}

fn connack(session_present: bool, properties: Properties<'_>) -> Packet<'_> {
    Packet::ConnAck(ConnAck { session_present, reason: Reason::Success, properties })
}

fn refusal(reason: Reason, properties: Properties<'_>) -> Packet<'_> {
    Packet::ConnAck(ConnAck { session_present: false, reason, properties })
}

fn properties(list: &[Property<'_>]) -> PropertiesBuf {
    let mut section = PropertiesBuf::new();
    for property in list {
        section.push(*property).unwrap();
    }
    section
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl Rig {
    fn new(config: ClientConfig) -> Rig {
        let now = Instant::from_nanos(1_000_000_000_000);
        Rig { client: Client::new(config, 7), now, events: VecDeque::new() }
    }

    /// Connected, with the CONNACK's properties.
    fn online(config: ClientConfig, list: &[Property<'_>]) -> Rig {
        let mut rig = Rig::new(config);
        rig.client.connect(rig.now).unwrap();
        rig.dialled("one");
        rig.accept(false, list);
        rig
    }

    /// Opens the transport and sends CONNACK.
    fn accept(&mut self, session_present: bool, list: &[Property<'_>]) -> Box<Connected> {
        self.client.handle_open(self.now);
        self.written();
        self.send(&connack(session_present, properties(list).view()));
        self.connected()
    }

    fn send(&mut self, packet: &Packet<'_>) {
        let mut wire = Vec::new();
        packet.encode(self.version(), &mut wire).unwrap();
        self.client.handle_data(self.now, &wire);
    }

    fn version(&self) -> Version {
        self.client.version()
    }

    fn publish(&mut self, topic: &'static str, payload: &'static str, qos: QoS) -> Token {
        self.client.publish(self.now, &message(topic, payload, qos)).unwrap()
    }

    /// Takes what the client has written.
    fn written(&mut self) -> Vec<u8> {
        let wire = self.client.outgoing().to_vec();
        self.client.handle_sent(self.now, wire.len());
        wire
    }

    /// Takes what the client has written, which is exactly these packets.
    #[track_caller]
    fn wrote(&mut self, packets: &[Packet<'_>]) {
        let mut wanted = Vec::new();
        for packet in packets {
            packet.encode(self.version(), &mut wanted).unwrap();
        }
        let written = self.written();
        assert_eq!(hex(&written), hex(&wanted), "wanted {packets:?}");
    }

    /// The next event, if there is one.
    fn event(&mut self) -> Option<Event> {
        self.events.extend(core::iter::from_fn(|| self.client.poll_event()));
        self.events.pop_front()
    }

    #[track_caller]
    fn nothing(&mut self) {
        assert_eq!(self.event(), None);
    }

    #[track_caller]
    fn dialled(&mut self, server: &str) {
        match self.event() {
            Some(Event::Dial(to)) => assert_eq!(&*to, server),
            other => panic!("{other:?} instead of Dial"),
        }
    }

    #[track_caller]
    fn closed(&mut self) {
        assert_eq!(self.event(), Some(Event::Close));
    }

    #[track_caller]
    fn connected(&mut self) -> Box<Connected> {
        match self.event() {
            Some(Event::Connected(connected)) => connected,
            other => panic!("{other:?} instead of Connected"),
        }
    }

    #[track_caller]
    fn disconnected(&mut self) -> Disconnected {
        match self.event() {
            Some(Event::Disconnected(disconnected)) => *disconnected,
            other => panic!("{other:?} instead of Disconnected"),
        }
    }

    #[track_caller]
    fn done(&mut self, token: Token) -> Outcome {
        match self.event() {
            Some(Event::Done(which, outcome)) if which == token => outcome,
            other => panic!("{other:?} instead of Done({token:?})"),
        }
    }

    /// The operation was acknowledged.
    #[track_caller]
    fn acknowledged(&mut self, token: Token) {
        match self.done(token) {
            Outcome::Acknowledged(answer) => assert_eq!(answer.reason, Reason::Success),
            other => panic!("{other:?} instead of Acknowledged"),
        }
    }

    #[track_caller]
    fn received(&mut self) -> Received {
        match self.event() {
            Some(Event::Message(received)) => received,
            other => panic!("{other:?} instead of Message"),
        }
    }

    /// The payload of the next message.
    #[track_caller]
    fn payload(&mut self) -> String {
        String::from_utf8(self.received().message.payload().to_vec()).unwrap()
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        self.client.handle_timeout(self.now);
    }

    /// Goes to the next deadline.
    #[track_caller]
    fn wait(&mut self) -> Duration {
        let due = self.client.poll_timeout().expect("a deadline");
        let span = due.since(self.now);
        self.pass(span);
        span
    }

    /// The transport breaks; the client dials again.
    #[track_caller]
    fn cut(&mut self) {
        self.client.handle_closed(self.now, Closed::Failed);
        let lost = self.disconnected();
        assert_eq!(lost.cause, Cause::Failed);
        assert!(lost.retry_in.is_some());
        self.wait();
        self.dialled("one");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x} ")).collect()
}
