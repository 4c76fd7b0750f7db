//! One open connection.

use std::io::{self, IoSlice};
use std::net::SocketAddr;

use crate::Poll;
use crate::layered::{Facts, Layered};
use crate::socket::Socket;

/// An open connection that carries bytes both ways. Dropping it closes it.
///
/// It is a bare socket, or a socket below layers: a proxy's header or a way through a proxy, TLS,
/// WebSocket. Layers use the loop's buffers and keep bytes only while a record, a frame's header
/// or something to write is incomplete.
#[derive(Debug)]
pub struct Link {
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    Bare(Socket),
    Layered(Box<Layered>),
}

/// Most pieces in one vectored write.
const PIECES_MAX: usize = 8;

impl Link {
    pub(crate) fn bare(socket: Socket) -> Link {
        Link { transport: Transport::Bare(socket) }
    }

    pub(crate) fn layered(layered: Layered) -> Link {
        Link { transport: Transport::Layered(Box::new(layered)) }
    }

    /// The least length of a buffer for [`Link::read`], and of scratch for [`Link::write`].
    pub const BUFFER_MIN: usize = 64 * 1024;

    /// Whether a read that leaves part of its buffer empty has emptied a bare socket too, so that
    /// the next readiness will be told without a read that "would block".
    pub(crate) const SHORT_READ_DRAINS: bool = cfg!(unix);

    /// Has `poll` tell under `key` when it becomes readable or writable, if it is so already
    /// then at once.
    pub fn register(&mut self, poll: &Poll, key: usize) -> io::Result<()> {
        match &mut self.transport {
            Transport::Bare(socket) => socket.register(poll, key),
            Transport::Layered(layered) => layered.socket.register(poll, key),
        }
    }

    /// Has `poll` tell no more, so that another poll may. Not needed before closing.
    pub fn deregister(&mut self, poll: &Poll) -> io::Result<()> {
        match &mut self.transport {
            Transport::Bare(socket) => socket.deregister(poll),
            Transport::Layered(layered) => layered.socket.deregister(poll),
        }
    }

    /// Reads what is there to the front of `buffer`, at most its length; 0: the peer will send no
    /// more. Handshakes go on by the way, and fail with a [`LayerError`](crate::LayerError).
    ///
    /// Then ask [`Link::has_more`], also when it "would block", and [`Link::owes`].
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.transport {
            Transport::Bare(socket) => socket.read(buffer),
            Transport::Layered(layered) => layered.read(buffer),
        }
    }

    /// Whether another read may bring more without readiness being told: `filled` says whether
    /// the last one has filled its buffer. Not to be trusted after
    /// [`Ready::closing`](crate::Ready::closing): read until the end shows, then.
    pub fn has_more(&self, filled: bool) -> bool {
        match &self.transport {
            Transport::Bare(_) => filled || !Link::SHORT_READ_DRAINS,
            Transport::Layered(layered) => layered.has_more(),
        }
    }

    /// Writes what there is room for, and says how many bytes that was. Then ask
    /// [`Link::is_full`]. With nothing to write, it writes what the layers owe.
    pub fn write(&mut self, pieces: &[&[u8]], scratch: &mut [u8]) -> io::Result<usize> {
        let socket = match &mut self.transport {
            Transport::Bare(socket) => socket,
            Transport::Layered(layered) => return layered.write(pieces, scratch),
        };
        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
        let mut used = 0;
        for piece in pieces.iter().filter(|piece| !piece.is_empty()).take(PIECES_MAX) {
            slices[used] = IoSlice::new(piece);
            used += 1;
        }
        match used {
            0 => Ok(0),
            1 => socket.write(&slices[0]),
            _ => socket.write_vectored(&slices[..used]),
        }
    }

    /// Whether to wait until it is writable before writing more: `short` says whether the last
    /// write has taken fewer bytes than there were, or "would block".
    pub fn is_full(&self, short: bool) -> bool {
        match &self.transport {
            Transport::Bare(_) => short,
            Transport::Layered(layered) => layered.owes(),
        }
    }

    /// Whether its layers have something to write themselves, once it is writable.
    pub fn owes(&self) -> bool {
        match &self.transport {
            Transport::Bare(_) => false,
            Transport::Layered(layered) => layered.owes(),
        }
    }

    /// Tells the peer that nothing more will be sent. What was written still arrives.
    pub fn finish(&mut self) -> io::Result<()> {
        match &mut self.transport {
            Transport::Bare(socket) => socket.finish(),
            Transport::Layered(layered) => layered.finish(),
        }
    }

    /// Whether it has layers: these say goodbye in their own words before they are closed.
    pub fn is_layered(&self) -> bool {
        matches!(self.transport, Transport::Layered(_))
    }

    /// Whether the handshakes of all layers are over.
    pub fn is_open(&self) -> bool {
        match &self.transport {
            Transport::Bare(_) => true,
            Transport::Layered(layered) => layered.is_open(),
        }
    }

    /// Takes what the handshakes have brought to light about the peer: once, when they are over.
    pub fn take_facts(&mut self) -> Option<Box<Facts>> {
        match &mut self.transport {
            Transport::Bare(_) => None,
            Transport::Layered(layered) => layered.take_facts(),
        }
    }

    /// Goes on with the handshakes of a link that was dialled; whether they are over.
    pub(crate) fn shake(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        match &mut self.transport {
            Transport::Bare(_) => Ok(true),
            Transport::Layered(layered) => layered.shake(buffer),
        }
    }

    fn socket(&self) -> &Socket {
        match &self.transport {
            Transport::Bare(socket) => socket,
            Transport::Layered(layered) => &layered.socket,
        }
    }

    /// The address at the socket's other end; none for a Unix socket.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.socket().peer()
    }

    /// Our address; none for a Unix socket.
    pub fn local(&self) -> Option<SocketAddr> {
        self.socket().local()
    }

    /// Whether it sends at once (TCP_NODELAY), and whether TCP probes an idle peer.
    pub fn options(&self) -> io::Result<(bool, bool)> {
        self.socket().options()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_link_is_small() {
        // 16 bytes, and more only where mio watches itself.
        assert!(size_of::<Link>() <= size_of::<mio::net::TcpStream>().next_multiple_of(8) + 8);
    }
}
