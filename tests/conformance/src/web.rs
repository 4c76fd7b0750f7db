//! WebSocket as the tests have it: frames written and read without ours.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use libmqtt_runtime::{Broker, BrokerOptions, Listener};

use crate::{BROKER, NOT_APPLICABLE};

/// How long the other side may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a client masks its bytes with.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// One end of a WebSocket connection.
pub struct Web {
    stream: TcpStream,
    input: Vec<u8>,
    /// The other side's HTTP head.
    head: String,
    client: bool,
    /// What has to last as long as the connection.
    _broker: Option<Broker>,
}

impl Web {
    /// A client that asks a broker of ours for a WebSocket with these subprotocols.
    pub fn to_broker(protocols: &str) -> Web {
        if std::env::var(BROKER).is_ok_and(|place| place != "tcp") {
            panic!("{NOT_APPLICABLE}it speaks WebSocket");
        }
        let loopback: SocketAddr = ([127, 0, 0, 1], 0).into();
        let mut listener = Listener::new(loopback);
        listener.web_socket = Some(Default::default());
        let options = BrokerOptions { listeners: vec![listener], ..BrokerOptions::default() };
        let broker = Broker::start(options).expect("a broker on loopback");
        let port = broker.port().expect("a listener on TCP");
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a listener");
        let mut web = Web::over(stream, true, Some(broker));
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: {protocols}\r\n\r\n"
        );
        web.stream.write_all(request.as_bytes()).expect("a broker that listens");
        web.read_head();
        web
    }

    /// A server that a client of ours has asked for a WebSocket, and that has agreed.
    pub fn from_client(listener: &TcpListener) -> Web {
        let (stream, _) = listener.accept().expect("a client");
        let mut web = Web::over(stream, false, None);
        web.read_head();
        let key = web.header("sec-websocket-key").expect("a key").to_owned();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            tungstenite::handshake::derive_accept_key(key.as_bytes())
        );
        web.stream.write_all(answer.as_bytes()).expect("a client that listens");
        web
    }

    fn over(stream: TcpStream, client: bool, broker: Option<Broker>) -> Web {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Web { stream, input: Vec::new(), head: String::new(), client, _broker: broker }
    }

    fn read_head(&mut self) {
        let end = loop {
            if let Some(at) = self.input.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.more(), "closed before the end of its head");
        };
        let head: Vec<u8> = self.input.drain(..end).collect();
        self.head = String::from_utf8(head).expect("a head is text");
    }

    /// Reads more; false at the end.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let count = match self.stream.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("nothing came: {error}"),
        };
        self.input.extend_from_slice(&buffer[..count]);
        count > 0
    }

    /// The first line of the other side's head.
    pub fn first_line(&self) -> &str {
        self.head.lines().next().unwrap_or("")
    }

    /// A header of the other side.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Sends a frame with this opcode.
    pub fn send(&mut self, opcode: u8, payload: &[u8]) {
        assert!(payload.len() < 126, "a short frame");
        let mut frame = vec![0x80 | opcode];
        if self.client {
            frame.push(0x80 | payload.len() as u8);
            frame.extend_from_slice(&MASK);
            frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        } else {
            frame.push(payload.len() as u8);
            frame.extend_from_slice(payload);
        }
        // Who has closed hears no more.
        let _ = self.stream.write_all(&frame);
    }

    /// The next frame: opcode and payload; none at the end.
    pub fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let &[first, second, ..] = &self.input[..] {
                let (mask, len) = (usize::from(second >> 7) * 4, usize::from(second & 0x7F));
                assert!(len < 126, "a short frame");
                assert_eq!(mask > 0, !self.client, "clients mask, servers do not");
                if self.input.len() >= 2 + mask + len {
                    let frame: Vec<u8> = self.input.drain(..2 + mask + len).collect();
                    let key = if mask > 0 { &frame[2..6] } else { &[0; 4] };
                    let payload = frame[2 + mask..].iter().zip(key.iter().cycle());
                    return Some((first & 0x0F, payload.map(|(byte, mask)| byte ^ mask).collect()));
                }
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// What comes in binary frames until there are so many bytes.
    pub fn binary(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let (opcode, payload) = self.frame().expect("a connection that stands");
            assert_eq!(opcode, 2, "MQTT goes in binary frames");
            bytes.extend(payload);
        }
        bytes
    }

    /// The other side closes, and sends no more MQTT.
    pub fn expect_closed(&mut self) {
        while let Some((opcode, payload)) = self.frame() {
            assert_eq!(opcode, 8, "came {payload:02x?}");
        }
    }
}
