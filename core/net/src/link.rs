//! One open connection.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::Token;
use mio::net::TcpStream;
use socket2::SockRef;

use crate::Poll;
use crate::poll::BOTH;

/// An open connection that carries bytes both ways. Dropping it closes it.
#[derive(Debug)]
pub struct Link {
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    Tcp(TcpStream),
}

/// Most pieces in one vectored write.
const PIECES_MAX: usize = 8;

impl Link {
    pub(crate) fn tcp(stream: TcpStream) -> Link {
        Link { transport: Transport::Tcp(stream) }
    }

    /// Whether a read that leaves part of its buffer empty has emptied the socket too, so that
    /// the next readiness will be told without a read that "would block". Not so while
    /// [`Ready::closing`](crate::Ready::closing) was told.
    pub const SHORT_READ_DRAINS: bool = cfg!(unix);

    /// Has `poll` tell under `key` when it becomes readable or writable, if it is so already
    /// then at once.
    pub fn register(&mut self, poll: &Poll, key: usize) -> io::Result<()> {
        match &mut self.transport {
            Transport::Tcp(stream) => poll.registry().register(stream, Token(key), BOTH),
        }
    }

    /// Has `poll` tell no more, so that another poll may. Not needed before closing.
    pub fn deregister(&mut self, poll: &Poll) -> io::Result<()> {
        match &mut self.transport {
            Transport::Tcp(stream) => poll.registry().deregister(stream),
        }
    }

    /// Reads what is there, up to `buffer.len()` bytes; 0: the peer will send no more.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| match &self.transport {
            Transport::Tcp(stream) => (&mut &*stream).read(buffer),
        })
    }

    /// Writes what there is room for, and says how many bytes that was. Fewer than given:
    /// wait until it is writable.
    pub fn write(&self, pieces: &[&[u8]]) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
        let mut used = 0;
        for piece in pieces.iter().filter(|piece| !piece.is_empty()).take(PIECES_MAX) {
            slices[used] = IoSlice::new(piece);
            used += 1;
        }
        retry(|| match &self.transport {
            Transport::Tcp(stream) if used == 1 => (&mut &*stream).write(&slices[0]),
            Transport::Tcp(stream) => (&mut &*stream).write_vectored(&slices[..used]),
        })
    }

    /// Tells the peer that nothing more will be sent. What was written still arrives.
    pub fn finish(&self) -> io::Result<()> {
        match &self.transport {
            Transport::Tcp(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// The peer's address.
    pub fn peer(&self) -> Option<SocketAddr> {
        match &self.transport {
            Transport::Tcp(stream) => stream.peer_addr().ok(),
        }
    }

    /// Whether it sends at once (TCP_NODELAY), and whether TCP probes an idle peer.
    pub fn options(&self) -> io::Result<(bool, bool)> {
        match &self.transport {
            Transport::Tcp(stream) => Ok((stream.nodelay()?, SockRef::from(stream).keepalive()?)),
        }
    }

    /// Our address.
    pub fn local(&self) -> Option<SocketAddr> {
        match &self.transport {
            Transport::Tcp(stream) => stream.local_addr().ok(),
        }
    }
}

fn retry(mut attempt: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
