//! Accepting connections.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpListener;
use mio::{Interest, Token};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::{Link, Poll, TcpOptions};

/// Where and how to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address; port 0: any free port.
    pub address: SocketAddr,
    /// Connections that may wait to be accepted.
    pub backlog: u32,
    /// For an IPv6 address: whether IPv4 peers are kept out. None: the system's choice.
    pub v6_only: Option<bool>,
    /// Options of the connections.
    pub tcp: TcpOptions,
}

impl Listener {
    /// At this address, with a backlog of 1024 and the default options.
    pub fn new(address: SocketAddr) -> Listener {
        Listener { address, backlog: 1024, v6_only: None, tcp: TcpOptions::default() }
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    address: SocketAddr,
    tcp: TcpOptions,
}

/// What came of an attempt to accept.
#[derive(Debug)]
pub enum Accepted {
    /// A connection, not registered anywhere yet.
    Link(Link, SocketAddr),
    /// Nobody is there: readiness will be told.
    Nobody,
    /// The system has no descriptors or memory left. Readiness will not be told: try again after
    /// a while.
    Exhausted(io::Error),
    /// One connection came to nothing: try again at once.
    Failed(io::Error),
}

impl Acceptor {
    /// Starts listening.
    pub fn open(options: &Listener) -> io::Result<Acceptor> {
        let domain = Domain::for_address(options.address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        // On Windows this would let two programs share the port.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if let (true, Some(v6_only)) = (options.address.is_ipv6(), options.v6_only) {
            socket.set_only_v6(v6_only)?;
        }
        options.tcp.apply(&SockRef::from(&socket))?;
        socket.bind(&options.address.into())?;
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket.into());
        Ok(Acceptor { address: listener.local_addr()?, listener, tcp: options.tcp })
    }

    /// Where it listens; never port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has `poll` tell under `key` when somebody is there.
    pub fn register(&mut self, poll: &Poll, key: usize) -> io::Result<()> {
        poll.registry().register(&mut self.listener, Token(key), Interest::READABLE)
    }

    /// Accepts one connection, if somebody is there.
    pub fn accept(&self) -> Accepted {
        let error = match self.listener.accept() {
            Ok((stream, peer)) => {
                if !TcpOptions::INHERITED
                    && let Err(error) = self.tcp.apply(&SockRef::from(&stream))
                {
                    return Accepted::Failed(error);
                }
                return Accepted::Link(Link::tcp(stream), peer);
            }
            Err(error) => error,
        };
        if error.kind() == io::ErrorKind::WouldBlock {
            Accepted::Nobody
        } else if exhausted(&error) {
            Accepted::Exhausted(error)
        } else {
            Accepted::Failed(error)
        }
    }
}

/// ENFILE and EMFILE (on Windows their kin), ENOBUFS and ENOMEM.
fn exhausted(error: &io::Error) -> bool {
    const NO_BUFFERS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
    let codes: &[i32] = if cfg!(windows) { &[10024, 10055] } else { &[23, 24, NO_BUFFERS] };
    error.kind() == io::ErrorKind::OutOfMemory
        || error.raw_os_error().is_some_and(|code| codes.contains(&code))
}
