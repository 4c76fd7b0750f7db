//! A place where native threads leave things and Python picks them up: threads wait at it, and an
//! event loop is woken by a socket. It rings only for those who have found nothing.

#[cfg(unix)]
use std::io::{Read, Write};
#[cfg(unix)]
use std::os::unix::{io::AsRawFd, net::UnixStream};
#[cfg(unix)]
use std::sync::OnceLock;
use std::time::Duration;

use libmqtt_locks::{Condvar, Mutex, MutexGuard, PoisonError};

/// State that several threads share, and who is to be told of its changes.
pub(crate) struct Bell<T> {
    inner: Mutex<Inner<T>>,
    changed: Condvar,
    /// Where the event loop waits. Apart from the rest, so that no system call is made under the
    /// lock, on which the event loop would then have to wait.
    #[cfg(unix)]
    sockets: OnceLock<(UnixStream, UnixStream)>,
}

pub(crate) struct Inner<T> {
    pub(crate) state: T,
    /// Threads that wait.
    waiting: usize,
    /// An event loop has found nothing, and is to be woken.
    pub(crate) armed: bool,
    /// It was woken, where a thread waits in its place.
    rung: bool,
}

impl<T> Bell<T> {
    pub(crate) fn new(state: T) -> Bell<T> {
        Bell {
            inner: Mutex::new(Inner { state, waiting: 0, armed: false, rung: false }),
            changed: Condvar::new(),
            #[cfg(unix)]
            sockets: OnceLock::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // Nothing panics while it is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody who has found nothing to look again.
    pub(crate) fn ring(&self, mut inner: MutexGuard<'_, Inner<T>>) {
        if inner.armed {
            inner.armed = false;
            inner.rung = true;
            drop(inner);
            #[cfg(unix)]
            if let Some((writer, _)) = self.sockets.get() {
                // Only fails when it is full, and then it wakes anyway.
                let _ = (&*writer).write(&[1]);
            }
            // On a system without such sockets, a thread waits for the event loop.
            self.changed.notify_all();
        } else if inner.waiting > 0 {
            drop(inner);
            self.changed.notify_all();
        }
    }

    /// What `find` finds, at once or when the bell has rung, for as long as `patience` lasts.
    pub(crate) fn find<R>(
        &self,
        patience: Duration,
        find: impl Fn(&mut T) -> Option<R>,
    ) -> Option<R> {
        let mut inner = self.lock();
        let found = find(&mut inner.state);
        if found.is_some() || patience.is_zero() {
            return found;
        }
        inner.waiting += 1;
        let (mut inner, _) =
            self.changed.wait_timeout(inner, patience).unwrap_or_else(PoisonError::into_inner);
        inner.waiting -= 1;
        find(&mut inner.state)
    }

    /// Whether the bell has rung for the event loop, or `over` says that it will not any more.
    pub(crate) fn find_rung(
        &self,
        patience: Duration,
        over: impl Fn(&mut T) -> bool,
    ) -> Option<bool> {
        let mut inner = self.lock();
        if !inner.rung && !over(&mut inner.state) && !patience.is_zero() {
            inner.waiting += 1;
            let waited = self.changed.wait_timeout(inner, patience);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
            inner.waiting -= 1;
        }
        let rung = std::mem::take(&mut inner.rung);
        if rung { Some(true) } else { over(&mut inner.state).then_some(false) }
    }

    /// The descriptor that becomes readable when the bell rings for the event loop.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> std::io::Result<i32> {
        if self.sockets.get().is_none() {
            let (writer, reader) = UnixStream::pair()?;
            writer.set_nonblocking(true)?;
            reader.set_nonblocking(true)?;
            // Another thread's are as good.
            let _ = self.sockets.set((writer, reader));
        }
        Ok(self.sockets.get().map_or(-1, |(_, reader)| reader.as_raw_fd()))
    }

    /// There are no such descriptors here.
    #[cfg(not(unix))]
    pub(crate) fn descriptor(&self) -> std::io::Result<i32> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Makes the descriptor wait for the next ring.
    pub(crate) fn hush(&self) {
        #[cfg(unix)]
        if let Some((_, reader)) = self.sockets.get() {
            let mut sink = [0; 64];
            while matches!((&*reader).read(&mut sink), Ok(64)) {}
        }
    }
}
