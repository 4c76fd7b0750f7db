//! A connected socket of any family.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::Token;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use socket2::SockRef;

use crate::Poll;
use crate::poll::BOTH;

/// A connected socket. Dropping it closes it.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

macro_rules! each {
    ($socket:expr, $stream:ident => $body:expr) => {
        match $socket {
            Socket::Tcp($stream) => $body,
            #[cfg(unix)]
            Socket::Unix($stream) => $body,
        }
    };
}

impl Socket {
    pub(crate) fn register(&mut self, poll: &Poll, key: usize) -> io::Result<()> {
        each!(self, stream => poll.registry().register(stream, Token(key), BOTH))
    }

    pub(crate) fn deregister(&mut self, poll: &Poll) -> io::Result<()> {
        each!(self, stream => poll.registry().deregister(stream))
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        each!(self, stream => retry(|| (&mut &*stream).read(buffer)))
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        each!(self, stream => retry(|| (&mut &*stream).write(bytes)))
    }

    pub(crate) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        each!(self, stream => retry(|| (&mut &*stream).write_vectored(slices)))
    }

    pub(crate) fn finish(&self) -> io::Result<()> {
        each!(self, stream => stream.shutdown(Shutdown::Write))
    }

    /// Whether it is open now; what came in the way if it never will be.
    pub(crate) fn opened(&self) -> io::Result<bool> {
        let (error, peer) = each!(
            self, stream => (stream.take_error()?, stream.peer_addr().map(drop))
        );
        if let Some(error) = error {
            return Err(error);
        }
        match peer {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            // What some systems say while the connection is being made.
            Err(error) if error.raw_os_error() == Some(22) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Socket::Tcp(stream) => stream.peer_addr().ok(),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        }
    }

    pub(crate) fn local(&self) -> Option<SocketAddr> {
        match self {
            Socket::Tcp(stream) => stream.local_addr().ok(),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        }
    }

    /// TCP_NODELAY, and whether TCP probes an idle peer.
    pub(crate) fn options(&self) -> io::Result<(bool, bool)> {
        match self {
            Socket::Tcp(stream) => Ok((stream.nodelay()?, SockRef::from(stream).keepalive()?)),
            #[cfg(unix)]
            Socket::Unix(_) => Ok((true, false)),
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
