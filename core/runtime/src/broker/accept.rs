//! The listeners of a shard.

use core::time::Duration;
use std::io;
use std::net::SocketAddr;

use libmqtt_engine::Instant;
use libmqtt_net::{Accepted, Acceptor, Link, Poll};

use crate::log::{Level, Log};

/// Connections accepted in a row before other work gets its turn.
const BATCH: usize = 128;
/// The first rest when descriptors run out, and the longest.
const REST: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A listener that rests when the system has no descriptors left: connections then wait in its
/// backlog, and those that are open are served on.
struct Door {
    acceptor: Acceptor,
    /// Somebody may be there.
    ready: bool,
    /// No attempt before this.
    rests_until: Option<Instant>,
    rest: Duration,
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
        let door = |acceptor| Door { acceptor, ready: true, rests_until: None, rest: REST.0 };
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
    pub(super) fn accept(&mut self, now: Instant, mut enter: impl FnMut(Link, SocketAddr)) {
        for door in &mut self.doors {
            if door.rests_until.is_some_and(|until| until <= now) {
                door.rests_until = None;
            }
            if !door.ready || door.rests_until.is_some() {
                continue;
            }
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
