//! Accepting connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use mio::net::TcpListener;
#[cfg(unix)]
use mio::net::UnixListener;
use mio::{Interest, Token};
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, Type};

use crate::layered::{CertificateUser, Layered, ServerLayers};
use crate::socket::Socket;
use crate::tls::TlsServer;
use crate::web::WebSocketServer;
use crate::{Address, Link, Poll, ProxyVersions, TcpOptions};

/// Where and how to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address; port 0: any free port.
    pub address: Address,
    /// Connections that may wait to be accepted.
    pub backlog: u32,
    /// For an IPv6 address: whether IPv4 peers are kept out. None: the system's choice.
    pub v6_only: Option<bool>,
    /// Options of the connections.
    pub tcp: TcpOptions,
    /// A proxy is in front, which sends a header of the PROXY protocol on each connection. Who
    /// sends none is refused.
    pub proxy: Option<ProxyVersions>,
    /// With `proxy`: whose connections are accepted; empty: everyone's, so nobody but the proxy
    /// must be able to connect.
    pub proxies: Vec<IpNet>,
    /// TLS.
    pub tls: Option<TlsServer>,
    /// Whether clients' certificates say who they are.
    pub certificate_user: CertificateUser,
    /// WebSocket.
    pub web_socket: Option<WebSocketServer>,
}

impl Listener {
    /// At this address of TCP, with a backlog of 1024 and the default options.
    pub fn new(address: SocketAddr) -> Listener {
        Listener::at(address.into())
    }

    /// At this Unix socket: a path, or behind `@` an abstract name.
    pub fn unix(path: &str) -> Listener {
        Listener::at(Address::unix(path))
    }

    fn at(address: Address) -> Listener {
        Listener {
            address,
            backlog: 1024,
            v6_only: None,
            tcp: TcpOptions::default(),
            proxy: None,
            proxies: Vec::new(),
            tls: None,
            certificate_user: CertificateUser::default(),
            web_socket: None,
        }
    }

    /// With TLS.
    pub fn with_tls(self, tls: TlsServer) -> Listener {
        Listener { tls: Some(tls), ..self }
    }

    /// With WebSocket.
    pub fn with_web_socket(self, web_socket: WebSocketServer) -> Listener {
        Listener { web_socket: Some(web_socket), ..self }
    }

    /// The scheme of URLs for it: `mqtt`, `mqtts`, `ws`, `wss`, or `unix` for a Unix socket.
    pub fn scheme(&self) -> &'static str {
        match (&self.address, &self.web_socket, &self.tls) {
            (Address::Ip(_), None, None) => "mqtt",
            (Address::Ip(_), None, Some(_)) => "mqtts",
            (Address::Ip(_), Some(_), None) => "ws",
            (Address::Ip(_), Some(_), Some(_)) => "wss",
            _ => "unix",
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct Acceptor {
    listening: Listening,
    address: Address,
    tcp: TcpOptions,
    proxies: Vec<IpNet>,
    layers: Option<ServerLayers>,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

/// What came of an attempt to accept.
#[derive(Debug)]
pub enum Accepted {
    /// A connection, not registered anywhere yet, and the peer's address; none for a Unix socket,
    /// and while a proxy has yet to name the client.
    Link(Link, Option<SocketAddr>),
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
        let (listening, address) = match &options.address {
            Address::Ip(address) => {
                let listener = tcp(options, *address)?;
                let address = listener.local_addr()?.into();
                (Listening::Tcp(listener), address)
            }
            address => (unix(address, options.backlog)?, address.clone()),
        };
        let layers = ServerLayers {
            proxy: options.proxy,
            tls: options.tls.clone(),
            web: options.web_socket.clone().map(Arc::new),
            user: options.certificate_user,
        };
        let bare = layers.proxy.is_none() && layers.tls.is_none() && layers.web.is_none();
        Ok(Acceptor {
            listening,
            address,
            tcp: options.tcp,
            proxies: options.proxies.clone(),
            layers: Some(layers).filter(|_| !bare),
        })
    }

    /// Where it listens; never port 0.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its TLS.
    pub fn tls(&self) -> Option<&TlsServer> {
        self.layers.as_ref()?.tls.as_ref()
    }

    /// Has `poll` tell under `key` when somebody is there.
    pub fn register(&mut self, poll: &Poll, key: usize) -> io::Result<()> {
        let (registry, token) = (poll.registry(), Token(key));
        match &mut self.listening {
            Listening::Tcp(listener) => registry.register(listener, token, Interest::READABLE),
            #[cfg(unix)]
            Listening::Unix(listener) => registry.register(listener, token, Interest::READABLE),
        }
    }

    /// Accepts one connection, if somebody is there.
    pub fn accept(&self) -> Accepted {
        let accepted = match &self.listening {
            Listening::Tcp(listener) => {
                listener.accept().map(|(stream, peer)| (Socket::Tcp(stream), Some(peer)))
            }
            #[cfg(unix)]
            Listening::Unix(listener) => {
                listener.accept().map(|(stream, _)| (Socket::Unix(stream), None))
            }
        };
        match accepted {
            Ok((socket, peer)) => match self.welcome(socket, peer) {
                Ok(link) => Accepted::Link(link, peer.filter(|peer| !self.is_proxy(peer.ip()))),
                Err(error) => Accepted::Failed(error),
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Accepted::Nobody,
            Err(error) if exhausted(&error) => Accepted::Exhausted(error),
            Err(error) => Accepted::Failed(error),
        }
    }

    fn welcome(&self, socket: Socket, peer: Option<SocketAddr>) -> io::Result<Link> {
        if let (Socket::Tcp(stream), false) = (&socket, TcpOptions::INHERITED) {
            self.tcp.apply(&SockRef::from(stream))?;
        }
        let Some(layers) = &self.layers else { return Ok(Link::bare(socket)) };
        let proxied = peer.is_none_or(|peer| self.is_proxy(peer.ip()));
        if layers.proxy.is_some() && !proxied {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not our proxy"));
        }
        Ok(Link::layered(Layered::accepted(socket, layers, proxied)))
    }

    /// Whether who connects from there is believed about who the client is.
    fn is_proxy(&self, peer: IpAddr) -> bool {
        let Some(layers) = &self.layers else { return false };
        let among = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&peer.to_canonical()));
        let web = layers.web.as_ref().map_or(&[][..], |web| &web.trusted_proxies);
        (layers.proxy.is_some() && (self.proxies.is_empty() || among(&self.proxies))) || among(web)
    }
}

#[cfg(unix)]
impl Drop for Acceptor {
    /// Its file must not seem to lead to somebody.
    fn drop(&mut self) {
        if let Address::Unix(path) = &self.address {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn tcp(options: &Listener, address: SocketAddr) -> io::Result<TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows this would let two programs share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if let (true, Some(v6_only)) = (address.is_ipv6(), options.v6_only) {
        socket.set_only_v6(v6_only)?;
    }
    options.tcp.apply(&SockRef::from(&socket))?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

#[cfg(unix)]
fn unix(address: &Address, backlog: u32) -> io::Result<Listening> {
    let listener = crate::unix::listen(address, backlog)?;
    Ok(Listening::Unix(UnixListener::from_std(listener)))
}

#[cfg(not(unix))]
fn unix(_: &Address, _: u32) -> io::Result<Listening> {
    Err(io::ErrorKind::Unsupported.into())
}

/// ENFILE and EMFILE (on Windows their kin), ENOBUFS and ENOMEM.
fn exhausted(error: &io::Error) -> bool {
    const NO_BUFFERS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
    let codes: &[i32] = if cfg!(windows) { &[10024, 10055] } else { &[23, 24, NO_BUFFERS] };
    error.kind() == io::ErrorKind::OutOfMemory
        || error.raw_os_error().is_some_and(|code| codes.contains(&code))
}
