//! Opening connections.

use std::io;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use socket2::SockRef;

use crate::socket::Socket;
use crate::{Address, Link, Poll, Route, TcpOptions};

/// How long an address may keep the next one waiting.
const PATIENCE: Duration = Duration::from_secs(2);

/// An attempt to reach one of several addresses.
///
/// They are tried in turn, IPv6 and IPv4 alternating: the next when the one before has failed, or
/// has said nothing for two seconds (or its share of the time, if that is less). The last one has
/// all the time that is left. An address that can be reached is the one: if a proxy, TLS or
/// WebSocket fails there, the dial has failed.
#[derive(Debug)]
pub struct Dial {
    /// Those still to be tried, last first.
    addresses: Vec<Address>,
    options: TcpOptions,
    route: Route,
    key: usize,
    deadline: Instant,
    /// When to give up on `stream`.
    until: Instant,
    socket: Option<Socket>,
    /// Reached; its handshakes are under way.
    link: Option<Link>,
    failure: io::Error,
}

/// How a dial stands.
#[derive(Debug)]
pub enum Dialled {
    /// Ask again when its key is ready, or at [`Dial::until`].
    Pending,
    /// It is open, handshakes and all, and registered under the dial's key.
    Open(Link),
    /// No address could be reached; this is what the last one said.
    Failed(io::Error),
}

impl Dial {
    /// Will dial `addresses` and go `route` from there, registering with the poll under `key`,
    /// until `deadline`. Ask
    /// [`Dial::advance`] at once.
    pub fn new(
        addresses: &[Address],
        options: TcpOptions,
        route: Route,
        key: usize,
        deadline: Instant,
    ) -> Dial {
        let mut addresses = alternate(addresses);
        addresses.reverse();
        Dial {
            addresses,
            options,
            route,
            key,
            deadline,
            until: deadline,
            socket: None,
            link: None,
            failure: io::Error::new(io::ErrorKind::NotFound, "no address to dial"),
        }
    }

    /// When to ask [`Dial::advance`] if nothing is told before.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Goes on as far as it can. `buffer` is for its use meanwhile; its length is
    /// [`Link::BUFFER_MIN`] at least.
    pub fn advance(&mut self, poll: &Poll, now: Instant, buffer: &mut [u8]) -> Dialled {
        loop {
            if let Some(link) = self.link.take() {
                return self.shake(link, now, buffer);
            }
            if let Some(socket) = self.socket.take() {
                match socket.opened() {
                    Ok(true) => {
                        self.until = self.deadline;
                        return match self.route.link(socket) {
                            Ok(link) => self.shake(link, now, buffer),
                            Err(error) => Dialled::Failed(error.into()),
                        };
                    }
                    Ok(false) if now < self.until => {
                        self.socket = Some(socket);
                        return Dialled::Pending;
                    }
                    Ok(false) => self.failure = io::ErrorKind::TimedOut.into(),
                    Err(error) => self.failure = error,
                }
            }
            if now >= self.deadline {
                return Dialled::Failed(io::ErrorKind::TimedOut.into());
            }
            let Some(address) = self.addresses.pop() else {
                return Dialled::Failed(std::mem::replace(
                    &mut self.failure,
                    io::ErrorKind::NotFound.into(),
                ));
            };
            match self.start(poll, &address) {
                Ok(socket) => {
                    let left = self.deadline - now;
                    let share = left / (self.addresses.len() as u32 + 1);
                    let patience =
                        if self.addresses.is_empty() { left } else { share.min(PATIENCE) };
                    self.until = now + patience;
                    self.socket = Some(socket);
                }
                Err(error) => self.failure = error,
            }
        }
    }

    fn shake(&mut self, mut link: Link, now: Instant, buffer: &mut [u8]) -> Dialled {
        match link.shake(buffer) {
            Ok(true) => Dialled::Open(link),
            Ok(false) if now < self.deadline => {
                self.link = Some(link);
                Dialled::Pending
            }
            Ok(false) => Dialled::Failed(io::ErrorKind::TimedOut.into()),
            Err(error) => Dialled::Failed(error),
        }
    }

    fn start(&self, poll: &Poll, address: &Address) -> io::Result<Socket> {
        let mut socket = match address {
            Address::Ip(address) => {
                let stream = TcpStream::connect(*address)?;
                self.options.apply(&SockRef::from(&stream))?;
                Socket::Tcp(stream)
            }
            address => unix(address)?,
        };
        socket.register(poll, self.key)?;
        Ok(socket)
    }
}

#[cfg(unix)]
fn unix(address: &Address) -> io::Result<Socket> {
    let address = crate::unix::address(address)?;
    let stream = std::os::unix::net::UnixStream::connect_addr(&address)?;
    stream.set_nonblocking(true)?;
    Ok(Socket::Unix(mio::net::UnixStream::from_std(stream)))
}

#[cfg(not(unix))]
fn unix(_: &Address) -> io::Result<Socket> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The addresses with the families alternating, each in its order, beginning with that of the
/// first.
fn alternate(addresses: &[Address]) -> Vec<Address> {
    let is_v6 = |address: &Address| address.ip().is_some_and(|address| address.is_ipv6());
    let v6_first = addresses.first().is_some_and(is_v6);
    let mut first = addresses.iter().filter(|&address| is_v6(address) == v6_first);
    let mut second = addresses.iter().filter(|&address| is_v6(address) != v6_first);
    let mut mixed = Vec::with_capacity(addresses.len());
    while mixed.len() < addresses.len() {
        mixed.extend(first.next().cloned());
        mixed.extend(second.next().cloned());
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_keep_their_order() {
        let parse = |text: &str| Address::Ip(text.parse().unwrap());
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "2.0.0.1:1"].map(parse);
        let wanted = ["[::1]:1", "1.0.0.1:1", "[::2]:1", "2.0.0.1:1", "[::3]:1"].map(parse);
        assert_eq!(alternate(&given), wanted);
        assert_eq!(alternate(&[]), []);
    }
}
