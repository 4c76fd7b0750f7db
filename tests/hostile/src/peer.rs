//! One end of a connection, in plain bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use libmqtt_runtime::codec::{
    Connect, Packet, PacketType, Progress, Properties, Reason, Side, Version, frame,
};

use crate::Input;

/// How long a broker may take for anything before it counts as hung.
const HUNG: Duration = Duration::from_secs(30);

/// A connection to a broker.
pub struct Peer {
    stream: TcpStream,
    version: Version,
    input: Vec<u8>,
}

/// A packet's bytes.
///
/// # Panics
/// When the version cannot say it.
pub fn bytes(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut wire = Vec::new();
    packet.encode(version, &mut wire).unwrap();
    wire
}

/// A CONNECT with a clean start.
pub fn connect_bytes(version: Version, client_id: &str) -> Vec<u8> {
    let connect = Connect {
        version,
        clean_start: true,
        keep_alive_s: 0,
        properties: Properties::EMPTY,
        client_id,
        will: None,
        user_name: None,
        password: None,
    };
    bytes(version, &Packet::Connect(connect))
}

impl Peer {
    /// A connection on which nothing was said.
    ///
    /// # Panics
    /// As all methods of a peer, when the broker is not there.
    pub fn open(address: SocketAddr, version: Version) -> Peer {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(HUNG)).unwrap();
        stream.set_write_timeout(Some(HUNG)).unwrap();
        Peer { stream, version, input: Vec::new() }
    }

    /// A connection that was accepted.
    pub fn connect(address: SocketAddr, version: Version, client_id: &str) -> Peer {
        let mut peer = Peer::open(address, version);
        peer.write(&connect_bytes(version, client_id));
        peer.next(|packet| {
            assert!(matches!(packet, Packet::ConnAck(ack) if !ack.reason.is_error()))
        });
        peer
    }

    /// Sends these bytes. A broker that has closed the connection hears none of them.
    pub fn write(&mut self, wire: &[u8]) {
        match self.stream.write_all(wire) {
            Err(error) if !is_closed(error.kind()) => panic!("{error}"),
            _ => {}
        }
    }

    /// Sends a packet.
    pub fn send(&mut self, packet: &Packet<'_>) {
        self.write(&bytes(self.version, packet));
    }

    /// Waits for the next packet and shows it.
    pub fn next<T>(&mut self, look: impl FnOnce(&Packet<'_>) -> T) -> T {
        loop {
            if let Progress::Packet(found) = frame(&self.input, u32::MAX).unwrap() {
                let len = found.len;
                let seen = look(&found.decode(self.version, Side::Server).unwrap());
                self.input.drain(..len);
                return seen;
            }
            let mut buffer = [0; 65536];
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "the broker has closed the connection");
            self.input.extend_from_slice(&buffer[..count]);
        }
    }

    /// Closes this side and waits until the broker has closed the other; all bytes that were not
    /// taken by `next`.
    pub fn rest(mut self) -> Vec<u8> {
        let _ = self.stream.shutdown(Shutdown::Write);
        match self.stream.read_to_end(&mut self.input) {
            Err(error) if !is_closed(error.kind()) => panic!("{error}"),
            _ => self.input,
        }
    }
}

fn is_closed(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected
    )
}

/// Sends an input and checks what the broker says to it: whole packets of the version, CONNACK
/// first, and at the end of a 5.0 connection DISCONNECT with the reason that the first fault has.
pub fn verdict(address: SocketAddr, input: &Input) {
    let sent = [&input.before[..], &input.bytes].concat();
    let mut peer = Peer::open(address, input.version);
    peer.write(&sent);
    let answer = peer.rest();
    let Some(version) = libmqtt_oracles::version_of(&sent) else {
        assert!(answer.is_empty(), "{input:02x?} is answered {answer:02x?}");
        return;
    };
    let mut rest = &answer[..];
    let mut last = None;
    while let Progress::Packet(found) = frame(rest, u32::MAX).unwrap() {
        let packet = found.decode(version, Side::Server).unwrap();
        let first = matches!(packet.packet_type(), PacketType::ConnAck | PacketType::Auth);
        assert_eq!(last.is_none(), first, "{input:02x?} is answered {answer:02x?}");
        last = Some(match packet {
            Packet::Disconnect(disconnect) => Some(disconnect.reason),
            _ => None,
        });
        rest = &rest[found.len..];
    }
    assert!(rest.is_empty(), "{input:02x?} is answered in part: {answer:02x?}");
    if !input.before.is_empty() {
        assert!(last.is_some(), "{input:02x?}: the good CONNECT was not answered");
        if let Some(reason) = fault(version, &input.bytes) {
            let wanted = (version == Version::V5).then_some(reason);
            assert_eq!(last.flatten(), wanted, "{input:02x?} is answered {answer:02x?}");
        }
    }
}

/// The reason of the first packet that cannot be read, if that comes before any that can.
fn fault(version: Version, bytes: &[u8]) -> Option<Reason> {
    let limit = libmqtt_runtime::BrokerOptions::default().config.maximum_packet_size;
    match frame(bytes, limit) {
        Err(error) => Some(error.reason()),
        Ok(Progress::Wants(_)) => None,
        Ok(Progress::Packet(found)) if found.packet_type() == Some(PacketType::Connect) => {
            Some(Reason::ProtocolError)
        }
        Ok(Progress::Packet(found)) => {
            found.decode(version, Side::Client).err().map(|error| error.reason())
        }
    }
}
