//! A bare client for tests: packets over a socket, nothing else.
#![allow(dead_code, unreachable_pub)] // each test program uses its part

pub mod pki;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use libmqtt_runtime::codec::{
    Connect, Packet, PacketId, Progress, Properties, Publish, Side, Subscribe, SubscriptionOptions,
    SubscriptionsBuf, Version, Will, frame,
};
use libmqtt_runtime::{Broker, BrokerOptions, QoS, Subscription};

pub const SOON: Duration = Duration::from_secs(20);

/// A broker on any port of loopback with so many shards.
pub fn broker(shards: u16) -> Broker {
    Broker::start(options(shards)).unwrap()
}

pub fn options(shards: u16) -> BrokerOptions {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    BrokerOptions { shards: Some(shards), ..BrokerOptions::listening_on(&[address]) }
}

/// Where its first listener is.
pub fn address(broker: &Broker) -> SocketAddr {
    broker.addresses()[0].ip().unwrap()
}

/// One end of a connection to a broker.
pub struct Bare {
    pub stream: TcpStream,
    version: Version,
    input: Vec<u8>,
}

pub fn connect_packet(client_id: &str, version: Version) -> Connect<'_> {
    Connect {
        version,
        clean_start: true,
        keep_alive_s: 0,
        properties: Properties::EMPTY,
        client_id,
        will: None,
        user_name: None,
        password: None,
    }
}

pub fn publish_packet<'a>(topic: &'a str, payload: &'a [u8], qos: QoS) -> Publish<'a> {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic,
        packet_id: (qos != QoS::AtMostOnce).then_some(PacketId::MIN),
        properties: Properties::EMPTY,
        payload,
    }
}

impl Bare {
    /// A connection on which nothing was said yet.
    pub fn open(broker: &Broker, version: Version) -> Bare {
        Bare::open_to(address(broker), version)
    }

    pub fn open_to(address: SocketAddr, version: Version) -> Bare {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        Bare { stream, version, input: Vec::new() }
    }

    /// A connection whose CONNECT was accepted.
    pub fn connect(broker: &Broker, client_id: &str, version: Version) -> Bare {
        Bare::connect_as(broker, connect_packet(client_id, version))
    }

    pub fn connect_with_will(broker: &Broker, client_id: &str, topic: &str) -> Bare {
        let mut connect = connect_packet(client_id, Version::V5);
        connect.will = Some(Will {
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: Properties::EMPTY,
            topic,
            payload: b"lost",
        });
        Bare::connect_as(broker, connect)
    }

    pub fn connect_as(broker: &Broker, connect: Connect<'_>) -> Bare {
        Bare::open(broker, connect.version).enter(connect)
    }

    pub fn connect_to(address: SocketAddr, client_id: &str, version: Version) -> Bare {
        Bare::open_to(address, version).enter(connect_packet(client_id, version))
    }

    fn enter(mut self, connect: Connect<'_>) -> Bare {
        self.send(&Packet::Connect(connect));
        self.expect(|packet| matches!(packet, Packet::ConnAck(ack) if !ack.reason.is_error()));
        self
    }

    pub fn send(&mut self, packet: &Packet<'_>) {
        let mut wire = Vec::new();
        packet.encode(self.version, &mut wire).unwrap();
        self.stream.write_all(&wire).unwrap();
    }

    pub fn publish(&mut self, topic: &str, payload: &[u8]) {
        self.send(&Packet::Publish(publish_packet(topic, payload, QoS::AtMostOnce)));
    }

    /// Subscribes at this QoS and waits for SUBACK.
    pub fn subscribe(&mut self, filter: &str, qos: QoS) {
        let mut wanted = SubscriptionsBuf::new();
        let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
        wanted.push(Subscription { filter, options }).unwrap();
        self.send(&Packet::Subscribe(Subscribe {
            packet_id: PacketId::MIN,
            properties: Properties::EMPTY,
            subscriptions: wanted.view(),
        }));
        self.expect(
            |packet| matches!(packet, Packet::SubAck(ack) if !ack.codes.is_empty() && ack.codes[0] < 3),
        );
    }

    /// Waits for the next packet and shows it.
    pub fn next<T>(&mut self, look: impl FnOnce(&Packet<'_>) -> T) -> T {
        loop {
            if let Progress::Packet(found) = frame(&self.input, u32::MAX).unwrap() {
                let len = found.len;
                let packet = found.decode(self.version, Side::Server).unwrap();
                let seen = look(&packet);
                self.input.drain(..len);
                return seen;
            }
            let mut buffer = [0; 65536];
            match self.stream.read(&mut buffer) {
                Ok(0) => panic!("the broker has closed the connection"),
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits for the next packet, which must be so.
    pub fn expect(&mut self, wanted: impl FnOnce(&Packet<'_>) -> bool) {
        let (fits, text) = self.next(|packet| (wanted(packet), format!("{packet:?}")));
        assert!(fits, "unexpected {text}");
    }

    /// Waits for the next message: topic and payload.
    pub fn message(&mut self) -> (String, Vec<u8>) {
        self.next(|packet| match packet {
            Packet::Publish(publish) => (publish.topic.to_owned(), publish.payload.to_owned()),
            other => panic!("unexpected {other:?}"),
        })
    }

    /// Waits until the broker closes the connection; what came before, packet by packet.
    pub fn rest(mut self) -> Vec<String> {
        let mut buffer = [0; 65536];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error}"),
            }
        }
        let mut packets = Vec::new();
        let mut at = 0;
        while let Ok(Progress::Packet(found)) = frame(&self.input[at..], u32::MAX) {
            packets.push(format!("{:?}", found.decode(self.version, Side::Server).unwrap()));
            at += found.len;
        }
        packets
    }

    /// Ends the connection as a process that is killed does.
    pub fn kill(self) {
        self.stream.shutdown(Shutdown::Both).unwrap();
    }
}
