//! Waiting for sockets.

use std::io;
use std::time::Duration;

use mio::{Events, Interest, Registry, Token};

/// Waits for many sockets at once; one per loop.
#[derive(Debug)]
pub struct Poll {
    poll: mio::Poll,
    events: Events,
}

/// What may be possible with what was registered under `key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The number it was registered under.
    pub key: usize,
    /// There may be something to read, or to accept.
    pub readable: bool,
    /// There may be room to write, or a dial has come to an end.
    pub writable: bool,
    /// The end is near: read until it shows, even past a short read.
    pub closing: bool,
}

impl Poll {
    /// Whether this system's polls can wait for each other.
    pub const NESTS: bool = cfg!(unix);

    /// A poll that reports up to `batch` sockets at a time.
    pub fn new(batch: usize) -> io::Result<Poll> {
        Ok(Poll { poll: mio::Poll::new()?, events: Events::with_capacity(batch) })
    }

    /// What wakes this poll from other threads, reported under `key`. Make one per poll.
    pub fn waker(&self, key: usize) -> io::Result<Waker> {
        mio::Waker::new(self.poll.registry(), Token(key)).map(Waker)
    }

    /// Waits for at most `timeout` (none: for ever); [`Poll::ready`] then has what came, perhaps
    /// nothing.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            result => result,
        }
    }

    /// Has this poll report under `key` when `inner` has something to report. It does so once for
    /// all that is there: wait for `inner` until it has no more.
    ///
    /// `Err` of kind `Unsupported` unless [`Poll::NESTS`].
    #[cfg(unix)]
    pub fn watch(&self, inner: &Poll, key: usize) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        let descriptor = inner.as_raw_fd();
        let mut source = mio::unix::SourceFd(&descriptor);
        self.poll.registry().register(&mut source, Token(key), Interest::READABLE)
    }

    /// Has this poll report under `key` when `inner` has something to report.
    ///
    /// `Err` of kind `Unsupported`, since not [`Poll::NESTS`].
    #[cfg(not(unix))]
    pub fn watch(&self, _: &Poll, _: usize) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Whether the last `wait` has found as much as it reports at a time, so that there may be
    /// more.
    pub fn has_more(&self) -> bool {
        self.events.iter().count() == self.events.capacity()
    }

    /// What the last `wait` has found.
    pub fn ready(&self) -> impl Iterator<Item = Ready> {
        self.events.iter().map(|event| Ready {
            key: event.token().0,
            readable: event.is_readable() || event.is_read_closed() || event.is_error(),
            writable: event.is_writable() || event.is_write_closed() || event.is_error(),
            closing: event.is_read_closed() || event.is_error(),
        })
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.poll.registry()
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for Poll {
    /// A descriptor that is readable when something is ready, so that another poll can wait for
    /// this one. It belongs to this poll.
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.poll.as_raw_fd()
    }
}

/// Both directions, from the start and for good: a change of interest is a system call.
pub(crate) const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// Wakes a [`Poll`] from any thread.
#[derive(Debug)]
pub struct Waker(mio::Waker);

impl Waker {
    /// Wakes it: its present or next `wait` returns at once.
    pub fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}
