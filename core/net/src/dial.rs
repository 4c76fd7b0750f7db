//! Opening connections.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::Token;
use mio::net::TcpStream;
use socket2::SockRef;

use crate::poll::BOTH;
use crate::{Link, Poll, TcpOptions};

/// How long an address may keep the next one waiting.
const PATIENCE: Duration = Duration::from_secs(2);

/// An attempt to reach one of several addresses.
///
/// They are tried in turn, IPv6 and IPv4 alternating: the next when the one before has failed, or
/// has said nothing for two seconds (or its share of the time, if that is less). The last one has
/// all the time that is left.
#[derive(Debug)]
pub struct Dial {
    /// Those still to be tried, last first.
    addresses: Vec<SocketAddr>,
    options: TcpOptions,
    key: usize,
    deadline: Instant,
    /// When to give up on `stream`.
    until: Instant,
    stream: Option<TcpStream>,
    failure: io::Error,
}

/// How a dial stands.
#[derive(Debug)]
pub enum Dialled {
    /// Ask again when its key is ready, or at [`Dial::until`].
    Pending,
    /// It is open, and registered under the dial's key.
    Open(Link),
    /// No address could be reached; this is what the last one said.
    Failed(io::Error),
}

impl Dial {
    /// Will dial `addresses`, registering with the poll under `key`, until `deadline`. Ask
    /// [`Dial::advance`] at once.
    pub fn new(
        addresses: &[SocketAddr],
        options: TcpOptions,
        key: usize,
        deadline: Instant,
    ) -> Dial {
        let mut addresses = alternate(addresses);
        addresses.reverse();
        Dial {
            addresses,
            options,
            key,
            deadline,
            until: deadline,
            stream: None,
            failure: io::Error::new(io::ErrorKind::NotFound, "no address to dial"),
        }
    }

    /// When to ask [`Dial::advance`] if nothing is told before.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Goes on as far as it can.
    pub fn advance(&mut self, poll: &Poll, now: Instant) -> Dialled {
        loop {
            if let Some(stream) = self.stream.take() {
                match opened(&stream) {
                    Ok(true) => return Dialled::Open(Link::tcp(stream)),
                    Ok(false) if now < self.until => {
                        self.stream = Some(stream);
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
            match self.start(poll, address) {
                Ok(stream) => {
                    let left = self.deadline - now;
                    let share = left / (self.addresses.len() as u32 + 1);
                    let patience =
                        if self.addresses.is_empty() { left } else { share.min(PATIENCE) };
                    self.until = now + patience;
                    self.stream = Some(stream);
                }
                Err(error) => self.failure = error,
            }
        }
    }

    fn start(&self, poll: &Poll, address: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        self.options.apply(&SockRef::from(&stream))?;
        poll.registry().register(&mut stream, Token(self.key), BOTH)?;
        Ok(stream)
    }
}

/// Whether it is open now; what came in the way if it never will be.
fn opened(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        // What some systems say while the connection is being made.
        Err(error) if error.raw_os_error() == Some(22) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The addresses with the families alternating, each in its order, beginning with that of the
/// first.
fn alternate(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let v6_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let mut first = addresses.iter().filter(|address| address.is_ipv6() == v6_first);
    let mut second = addresses.iter().filter(|address| address.is_ipv6() != v6_first);
    let mut mixed = Vec::with_capacity(addresses.len());
    while mixed.len() < addresses.len() {
        mixed.extend(first.next());
        mixed.extend(second.next());
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_keep_their_order() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "2.0.0.1:1"].map(parse);
        let wanted = ["[::1]:1", "1.0.0.1:1", "[::2]:1", "2.0.0.1:1", "[::3]:1"].map(parse);
        assert_eq!(alternate(&given), wanted);
        assert_eq!(alternate(&[]), []);
    }
}
