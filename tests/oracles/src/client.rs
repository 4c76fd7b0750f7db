//! A client whose server does whatever it likes.

use std::collections::BTreeSet;
use std::time::Duration;

use libmqtt_codec::{
    Packet, Progress, Properties, PropertiesBuf, Property, Publish, QoS, Reason, Side,
    Subscription, SubscriptionOptions, Version, frame,
};
use libmqtt_engine::client::{
    AckId, Authentication, CleanStart, Client, ClientConfig, Closed, Disconnect, Event,
    LostSession, OfflineQoS0, Token, Will,
};
use libmqtt_engine::{Instant, Message};

use crate::packets;
use crate::script::Script;

/// Whatever a server sends a client, and whatever its program asks of it meanwhile: nothing
/// panics; the server is sent whole packets of the version, CONNECT first, nothing behind
/// DISCONNECT and nothing larger than it takes; and every operation ends once, at the latest when
/// the client is closed.
pub fn client_machine(input: &[u8]) {
    let mut world = World::new(Script::new(input));
    let _ = world.client.connect(world.now); // not every version takes an empty identifier
    world.drain();
    while !world.script.is_over() {
        world.step();
        world.drain();
    }
    world.client.close(world.now);
    world.drain();
    assert!(world.client.is_idle() && world.client.poll_timeout().is_none());
    assert!(world.tokens.is_empty(), "{:?} never ended", world.tokens);
    assert_eq!(world.client.queued(), 0);
}

struct World<'a> {
    script: Script<'a>,
    now: Instant,
    client: Client,
    /// There is a transport, in this version.
    open: Option<Version>,
    written: Vec<u8>,
    /// Packets written since the transport was opened.
    packets: usize,
    left: bool,
    tokens: BTreeSet<Token>,
    acks: Vec<AckId>,
}

fn config(script: &mut Script<'_>) -> ClientConfig {
    let version = script.pick(&[Version::V5, Version::V311, Version::V5, Version::V31]);
    let method = || Authentication { method: packets::METHOD.into(), data: None };
    let clean_start = script.pick(&[CleanStart::First, CleanStart::Always]);
    let lasting = version == Version::V5 || clean_start == CleanStart::Always;
    ClientConfig {
        servers: vec!["one".into(), "two".into()],
        client_id: script.pick(&["client", "client", ""]).into(),
        version,
        step_down: version == Version::V5 && script.chance(4),
        clean_start,
        session_expiry_s: if lasting { script.pick(&[0, 100]) } else { 0 },
        accept_unknown_session: script.chance(8),
        keep_alive_s: script.pick(&[0, 10]),
        will: script.chance(4).then(|| Will::new(Message::new("will", b"gone").unwrap())),
        authentication: (version == Version::V5 && script.chance(6)).then(method),
        receive_maximum: script.pick(&[1, 3, 100]),
        maximum_packet_size: script.pick(&[64, 10_000]),
        topic_alias_maximum: script.pick(&[0, 2]),
        inflight_max: script.pick(&[1, 3]),
        queue_messages_max: 8,
        offline_qos0: script.pick(&[OfflineQoS0::Queue, OfflineQoS0::Drop, OfflineQoS0::Refuse]),
        output_bytes_max: script.pick(&[50, 10_000]),
        requests_max: 4,
        lost_session: script.pick(&[
            LostSession::RepublishQoS1,
            LostSession::Republish,
            LostSession::Abandon,
        ]),
        resubscribe: script.chance(8),
        manual_ack: script.chance(8),
        inbox_messages_max: 4,
        ..ClientConfig::default()
    }
}

impl<'a> World<'a> {
    fn new(mut script: Script<'a>) -> World<'a> {
        let config = config(&mut script);
        World {
            client: Client::new(config, 7),
            script,
            now: Instant::from_nanos(1_000_000_000),
            open: None,
            written: Vec::new(),
            packets: 0,
            left: false,
            tokens: BTreeSet::new(),
            acks: Vec::new(),
        }
    }

    fn step(&mut self) {
        match self.script.below(16) {
            0..=5 => {
                let Some(version) = self.open else { return self.wait() };
                let wire = match self.client.is_connected() {
                    false if self.script.chance(12) => packets::connack(&mut self.script, version),
                    _ => packets::from_server(&mut self.script, version),
                };
                let cut = if self.script.chance(2) { self.script.below(16) } else { 0 };
                let (first, rest) = wire.split_at(cut.min(wire.len()));
                self.receive(first);
                self.receive(rest);
            }
            6 => {
                let wire = self.script.bytes(30);
                self.receive(wire);
            }
            7 => self.take(usize::MAX),
            8 => {
                let count = self.script.below(200);
                self.take(count);
            }
            9 => self.wait(),
            10 => {
                if self.open.take().is_some() {
                    self.client.handle_closed(self.now, Closed::Failed);
                }
            }
            11..=14 => self.command(),
            _ => match self.script.below(4) {
                0 => {
                    let _ = self.client.disconnect(self.now, Disconnect::default());
                }
                1 => self.client.set_reading(self.script.chance(12)),
                _ => {
                    let _ = self.client.connect(self.now);
                }
            },
        }
    }

    fn receive(&mut self, wire: &[u8]) {
        if self.open.is_some() && self.client.wants_data() {
            self.client.handle_data(self.now, wire);
            self.drain();
        }
    }

    /// The program asks for something.
    fn command(&mut self) {
        let now = self.now;
        let filters = ["t", "t/#", "$share/g/t"];
        let token = match self.script.below(12) {
            0..=4 => {
                let mut properties = PropertiesBuf::new();
                if self.script.chance(3) {
                    let _ = properties.push(Property::MessageExpiryInterval(2));
                }
                let large = [b'z'; 300];
                let publish = Publish {
                    dup: false,
                    qos: self.script.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]),
                    retain: self.script.chance(3),
                    topic: self.script.pick(&["topic/a", "topic/b", "topic/c"]),
                    packet_id: None,
                    properties: properties.view(),
                    payload: if self.script.chance(4) { &large } else { b"small" },
                };
                self.client.publish(now, &publish).ok()
            }
            5 | 6 => {
                let filter = self.script.pick(&filters);
                let options = SubscriptionOptions::default();
                let wanted = [Subscription { filter, options }];
                self.client.subscribe(now, &wanted, Properties::EMPTY).ok()
            }
            7 => {
                let filter = self.script.pick(&filters);
                self.client.unsubscribe(now, &[filter], Properties::EMPTY).ok()
            }
            8 => self.client.ping(now).ok(),
            9 => {
                let message = Message::new("t/ask", b"?").unwrap();
                self.client.request(now, &message.view(), Duration::from_secs(3)).ok()
            }
            10 => {
                let _ = self.client.authenticate(now, b"data");
                self.client.reauthenticate(now, None).ok()
            }
            _ => {
                if !self.acks.is_empty() {
                    let at = self.script.below(self.acks.len().min(256));
                    let reason = self.script.pick(&[Reason::Success, Reason::UnspecifiedError]);
                    let _ = self.client.acknowledge(now, self.acks[at], reason);
                }
                None
            }
        };
        if let Some(token) = token {
            assert!(self.tokens.insert(token), "a token is new");
        }
    }

    fn wait(&mut self) {
        let spans = [1, 100, 1000, 15_000, 60_000];
        let span = Duration::from_millis(self.script.pick(&spans));
        let until = self.now + span;
        for _ in 0..1000 {
            let Some(due) = self.client.poll_timeout().filter(|&due| due <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
            self.drain();
        }
        panic!("deadlines do not end");
    }

    /// Takes events, and does what they want.
    fn drain(&mut self) {
        for count in 0.. {
            assert!(count < 10_000, "events do not end");
            let Some(event) = self.client.poll_event() else { return };
            match event {
                Event::Dial(_) => {
                    assert!(self.open.is_none(), "one transport at a time");
                    if self.script.chance(13) {
                        self.open = Some(self.client.version());
                        (self.packets, self.left) = (0, false);
                        self.written.clear();
                        self.client.handle_open(self.now);
                    } else {
                        self.client.handle_closed(self.now, Closed::Failed);
                    }
                }
                Event::Close => {
                    self.take(usize::MAX);
                    self.open = None;
                }
                Event::Done(token, _) => {
                    assert!(
                        self.tokens.remove(&token),
                        "{token:?} was asked for and has not ended"
                    );
                }
                Event::Message(received) => self.acks.extend(received.ack),
                Event::Connected(_)
                | Event::Disconnected(_)
                | Event::Challenge(_)
                | Event::SubscriptionLost(..)
                | Event::PacketSent(_)
                | Event::PacketReceived(_) => {}
            }
        }
    }

    /// The transport takes some bytes.
    fn take(&mut self, count: usize) {
        let Some(version) = self.open else { return };
        let bytes = self.client.outgoing();
        let bytes = bytes[..count.min(bytes.len())].to_vec();
        self.written.extend_from_slice(&bytes);
        let limit = self.client.limits().map_or(u32::MAX, |limits| limits.maximum_packet_size);
        let mut at = 0;
        while let Progress::Packet(found) = frame(&self.written[at..], u32::MAX).unwrap() {
            let packet = found.decode(version, Side::Client).unwrap();
            assert!(!self.left, "{packet:?} behind DISCONNECT");
            assert_eq!(self.packets == 0, matches!(packet, Packet::Connect(_)), "{packet:?}");
            assert!(self.packets == 0 || found.len <= limit as usize, "{packet:?} is too large");
            self.left = matches!(packet, Packet::Disconnect(_));
            self.packets += 1;
            at += found.len;
        }
        self.written.drain(..at);
        if !bytes.is_empty() {
            self.client.handle_sent(self.now, bytes.len());
        }
    }
}
