//! The listeners of a shard.

use core::time::Duration;
use std::io;
use std::net::SocketAddr;

use libmqtt_engine::Instant;
use libmqtt_net::tls::TlsConfigError;
use libmqtt_net::{Accepted, Acceptor, Link, Poll};

use crate::log::{Level, Log};

/// Connections accepted in a row before other work gets its turn.
const BATCH: usize = 128;
/// The first rest when descriptors run out, and the longest.
const REST: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How often to look whether files of TLS have changed, while somebody connects.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A listener that rests when the system has no descriptors left: connections then wait in its
/// backlog, and those that are open are served on.
struct Door {
    acceptor: Acceptor,
    /// Somebody may be there.
    ready: bool,
    /// No attempt before this.
    rests_until: Option<Instant>,
    rest: Duration,
    /// No look at the files of its TLS before this.
    next_look: Instant,
}

impl Door {
    /// Reads the files of its TLS again if they have changed. Only who comes from now on needs
    /// them, so nobody has to watch them meanwhile.
    fn look(&mut self, now: Instant, log: &Log) {
        let Some(tls) = self.acceptor.tls().filter(|_| now >= self.next_look) else { return };
        self.next_look = now + LOOK_EVERY;
        if let Some(reloaded) = tls.reload_if_changed() {
            tell_reloaded(log, &reloaded);
        }
    }
}

/// Tells the log what came of reading certificates again.
pub(super) fn tell_reloaded(log: &Log, reloaded: &Result<(), TlsConfigError>) {
    match reloaded {
        Ok(()) => log.write(Level::Info, format_args!("certificates read again")),
        Err(error) => log.write(
            Level::Error,
            format_args!("{error}; the certificates read before stay in force"),
        ),
    }
}

/// The listeners of a shard, registered under the keys from 1 on.
pub(super) struct Doors {
    doors: Vec<Door>,
    log: Log,
}

impl Doors {
    pub(super) fn new(mut acceptors: Vec<Acceptor>, poll: &Poll, log: Log) -> io::Result<Doors> {
        for (number, acceptor) in acceptors.iter_mut().enumerate() {
            acceptor.register(poll, number + 1)?;
        }
        let door = |acceptor| Door {
            acceptor,
            ready: true,
            rests_until: None,
            rest: REST.0,
            next_look: Instant::default(),
        };
        Ok(Doors { doors: acceptors.into_iter().map(door).collect(), log })
    }

    /// How many keys are taken.
    pub(super) fn keys(&self) -> usize {
        self.doors.len()
    }

    /// Somebody is at the door registered under this key.
    pub(super) fn ready(&mut self, key: usize) {
        self.doors[key - 1].ready = true;
    }

    /// Whether a door can be opened now.
    pub(super) fn any_ready(&self) -> bool {
        self.doors.iter().any(|door| door.ready && door.rests_until.is_none())
    }

    /// When the next rest ends.
    pub(super) fn until(&self) -> Option<Instant> {
        self.doors.iter().filter_map(|door| door.rests_until).min()
    }

    /// Lets in who is there, so many at a time.
    pub(super) fn accept(&mut self, now: Instant, mut enter: impl FnMut(Link, Option<SocketAddr>)) {
        for door in &mut self.doors {
            if door.rests_until.is_some_and(|until| until <= now) {
                door.rests_until = None;
            }
            if !door.ready || door.rests_until.is_some() {
                continue;
            }
            door.look(now, &self.log);
            for _ in 0..BATCH {
                match door.acceptor.accept() {
                    Accepted::Link(link, peer) => {
                        door.rest = REST.0;
                        enter(link, peer);
                    }
                    Accepted::Nobody => {
                        door.ready = false;
                        break;
                    }
                    Accepted::Exhausted(error) => {
                        let (address, rest) = (door.acceptor.address(), door.rest);
                        self.log.write(
                            Level::Warn,
                            format_args!("{address} accepts nobody for {rest:?}: {error}"),
                        );
                        door.rests_until = Some(now + rest);
                        door.rest = (rest * 2).min(REST.1);
                        break;
                    }
                    Accepted::Failed(error) => {
                        let address = door.acceptor.address();
                        self.log.write(
                            Level::Debug,
                            format_args!("connection to {address} failed at once: {error}"),
                        );
                    }
                }
            }
        }
    }

    /// Closes them all.
    pub(super) fn close(&mut self) {
        self.doors.clear();
    }
}
