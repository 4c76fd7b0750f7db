//! Brokers behind TCP, in real time: ours, and somebody's.
//!
//! What has to come is waited for; that nothing comes is believed after [`QUIET`].

use core::cell::RefCell;
use core::time::Duration;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use libmqtt_engine::Message;
use libmqtt_engine::broker::{BrokerConfig, Stats};
use libmqtt_engine::codec::{Reason, Version};
use libmqtt_runtime::{Broker, BrokerOptions};

use super::rules::SharedRules;
use super::{NOT_APPLICABLE, Stage, shards};
use crate::wire::{Connect, Kind, Seen, Wire, publish, subscribe, take_packet};
use crate::{Transport, Wait};

/// After this long without a byte, none is believed to be on its way.
const QUIET: Duration = Duration::from_millis(200);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest time that is let pass.
const ADVANCE_MAX: Duration = Duration::from_secs(2);

/// One end of a connection.
struct Socket {
    stream: TcpStream,
    bytes: Vec<u8>,
    closed: bool,
    /// What has to last as long as the connection.
    broker: Option<Rc<Broker>>,
}

impl Socket {
    fn open(address: SocketAddr) -> std::io::Result<Socket> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Socket { stream, bytes: Vec::new(), closed: false, broker: None })
    }

    /// Waits for bytes this long; whether some have come.
    fn read(&mut self, wait: Duration) -> bool {
        let mut buffer = [0; 65536];
        let result =
            self.stream.set_read_timeout(Some(wait)).and_then(|()| self.stream.read(&mut buffer));
        match result {
            Ok(count) if count > 0 => {
                self.bytes.extend_from_slice(&buffer[..count]);
                true
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
            _ => {
                self.closed = true;
                false
            }
        }
    }

    /// Reads until the other side has closed, or says nothing for this long.
    fn read_to_end(&mut self, wait: Duration) {
        while !self.closed && self.read(wait) {}
    }
}

fn span(wait: Wait) -> Duration {
    match wait {
        Wait::Expected => PATIENCE,
        Wait::Unexpected => QUIET,
    }
}

/// What a test has of a connection. It stands when the test forgets this, as long as the broker
/// is in use.
struct Link(Rc<RefCell<Socket>>);

impl Transport for Link {
    fn send(&mut self, bytes: &[u8]) {
        // Bytes for a connection that is closed are lost.
        let _ = self.0.borrow_mut().stream.write_all(bytes);
    }

    fn receive(&mut self, into: &mut Vec<u8>, wait: Wait) {
        let mut socket = self.0.borrow_mut();
        if socket.bytes.is_empty() && !socket.closed {
            socket.read(span(wait));
        }
        into.append(&mut socket.bytes);
    }

    fn closed(&mut self, wait: Wait) -> bool {
        let mut socket = self.0.borrow_mut();
        if wait == Wait::Expected {
            socket.read_to_end(PATIENCE);
        }
        socket.closed
    }

    fn cut(&mut self) {
        let mut socket = self.0.borrow_mut();
        let _ = socket.stream.shutdown(Shutdown::Write);
        // The broker has noticed when it closes too.
        socket.read_to_end(PATIENCE);
        let _ = socket.stream.shutdown(Shutdown::Both);
    }

    fn advance(&mut self, span: Duration) {
        pass(span);
    }
}

fn pass(span: Duration) {
    assert!(span <= ADVANCE_MAX, "{NOT_APPLICABLE}it would take {} s", span.as_secs_f32());
    thread::sleep(span);
}

/// The connections to a broker.
struct Sockets {
    address: SocketAddr,
    /// The broker, if it is ours.
    broker: Option<Rc<Broker>>,
    all: RefCell<Vec<Rc<RefCell<Socket>>>>,
}

impl Sockets {
    fn to(address: SocketAddr, broker: Option<Rc<Broker>>) -> Sockets {
        Sockets { address, broker, all: RefCell::default() }
    }

    fn open(&self) -> Link {
        let mut socket = Socket::open(self.address)
            .unwrap_or_else(|error| panic!("cannot connect to {}: {error}", self.address));
        socket.broker = self.broker.clone();
        let socket = Rc::new(RefCell::new(socket));
        self.all.borrow_mut().push(socket.clone());
        Link(socket)
    }
}

/// A broker of ours, for one test.
pub(super) struct Own {
    broker: Rc<Broker>,
    sockets: Sockets,
}

impl Own {
    pub(super) fn start(rules: SharedRules, config: BrokerConfig) -> Own {
        let loopback: SocketAddr = ([127, 0, 0, 1], 0).into();
        let options = BrokerOptions {
            config,
            shards: Some(shards()),
            hooks: Some(Arc::new(move |_| Box::new(rules.clone()))),
            ..BrokerOptions::listening_on(&[loopback])
        };
        let broker = Rc::new(Broker::start(options).expect("a broker on loopback"));
        let address = ([127, 0, 0, 1], broker.port().expect("a listener on TCP")).into();
        let sockets = Sockets::to(address, Some(broker.clone()));
        Own { broker, sockets }
    }
}

impl Stage for Own {
    fn open(&self) -> Box<dyn Transport> {
        Box::new(self.sockets.open())
    }

    fn advance(&self, span: Duration) {
        pass(span);
    }

    fn publish(&self, message: &Message) {
        self.broker.publish(message).expect("a broker that runs");
    }

    fn disconnect(&self, id: &str, reason: Reason) {
        self.broker.disconnect(id, reason);
    }

    fn shut_down(&self) {
        self.broker.stop(PATIENCE);
    }

    fn stats(&self) -> Stats {
        self.broker.stats()
    }
}

/// Somebody's broker, which other tests use before and after: one at a time.
pub(super) struct Foreign(Rc<Place>);

struct Place {
    sockets: Sockets,
    /// The Client Identifiers that the test has used.
    ids: RefCell<BTreeSet<Vec<u8>>>,
}

impl Foreign {
    /// At `HOST:PORT`.
    pub(super) fn at(place: &str) -> Foreign {
        let address = place.to_socket_addrs().ok().and_then(|mut all| all.next());
        let address = address.unwrap_or_else(|| panic!("{place:?} is no HOST:PORT"));
        Foreign(Rc::new(Place { sockets: Sockets::to(address, None), ids: RefCell::default() }))
    }

    fn not_its_host<T>(&self) -> T {
        panic!("{NOT_APPLICABLE}it wants the broker's host program")
    }
}

impl Place {
    /// Ends every session and retained message that the test has left.
    fn sweep(&self) -> std::io::Result<()> {
        for socket in self.sockets.all.borrow().iter() {
            let _ = socket.borrow().stream.shutdown(Shutdown::Both);
        }
        for id in self.ids.borrow().iter() {
            let mut broom = Broom::connect(self.sockets.address, &String::from_utf8_lossy(id))?;
            broom.say("E0 00")?;
            broom.socket.read_to_end(PATIENCE);
        }
        let mut broom = Broom::connect(self.sockets.address, "conformance-broom")?;
        broom.say(subscribe(1).filter("#", 0))?;
        broom.say("C0 00")?;
        for retained in broom.until(Kind::PingResp) {
            if retained.kind() == Kind::Publish {
                let topic = String::from_utf8_lossy(retained.topic()).into_owned();
                broom.say(publish(&topic, "").retain())?;
            }
        }
        broom.say("C0 00")?;
        broom.until(Kind::PingResp);
        broom.say("E0 00")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = self.sweep() {
            eprintln!("cannot clean up behind the test: {error}");
        }
    }
}

impl Stage for Foreign {
    fn open(&self) -> Box<dyn Transport> {
        let link = self.0.sockets.open();
        Box::new(Listed { link, sent: Vec::new(), place: self.0.clone() })
    }

    fn advance(&self, span: Duration) {
        pass(span);
    }

    fn publish(&self, _: &Message) {
        self.not_its_host()
    }

    fn disconnect(&self, _: &str, _: Reason) {
        self.not_its_host()
    }

    fn shut_down(&self) {
        self.not_its_host()
    }

    fn stats(&self) -> Stats {
        self.not_its_host()
    }
}

/// A connection whose Client Identifier is remembered.
struct Listed {
    link: Link,
    /// What was sent, until it is a whole packet.
    sent: Vec<u8>,
    place: Rc<Place>,
}

impl Transport for Listed {
    fn send(&mut self, bytes: &[u8]) {
        if self.sent.len() < 65536 {
            self.sent.extend_from_slice(bytes);
            self.place.ids.borrow_mut().extend(client_id(&self.sent));
        }
        self.link.send(bytes);
    }

    fn receive(&mut self, into: &mut Vec<u8>, wait: Wait) {
        self.link.receive(into, wait);
    }

    fn closed(&mut self, wait: Wait) -> bool {
        self.link.closed(wait)
    }

    fn explains(&self) -> bool {
        false
    }

    fn cut(&mut self) {
        self.link.cut();
    }

    fn advance(&mut self, span: Duration) {
        self.link.advance(span);
    }
}

/// The Client Identifier of the CONNECT with which a stream begins, if it does with a whole one.
fn client_id(stream: &[u8]) -> Option<Vec<u8>> {
    let length = stream.get(1..)?.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let body = stream.get(1 + length..)?;
    let name = 2 + usize::from(*body.get(1)?);
    let mut at = name + 4;
    if *body.get(name)? == 5 {
        at += 1 + usize::from(*body.get(at)?);
    }
    let id = usize::from(*body.get(at)?) << 8 | usize::from(*body.get(at + 1)?);
    body.get(at + 2..at + 2 + id).map(Vec::from)
}

/// A connection that cleans up.
struct Broom {
    socket: Socket,
}

impl Broom {
    fn connect(address: SocketAddr, id: &str) -> std::io::Result<Broom> {
        let mut broom = Broom { socket: Socket::open(address)? };
        broom.say(Connect::new(id))?;
        broom.until(Kind::ConnAck);
        Ok(broom)
    }

    fn say(&mut self, packet: impl Wire) -> std::io::Result<()> {
        self.socket.stream.write_all(&packet.wire(Version::V311))
    }

    /// The packets that come, until one of this kind or the end.
    fn until(&mut self, kind: Kind) -> Vec<Seen> {
        let mut all = Vec::new();
        loop {
            while let Some(seen) = take_packet(&mut self.socket.bytes, Version::V311) {
                let last = seen.kind() == kind;
                all.push(seen);
                if last {
                    return all;
                }
            }
            if self.socket.closed || !self.socket.read(PATIENCE) {
                return all;
            }
        }
    }
}
