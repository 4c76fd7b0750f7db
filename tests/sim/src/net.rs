//! Byte pipes that delay, split, clog and break.

use std::collections::VecDeque;

use libmqtt_codec::{Progress, frame};

use crate::obs::Time;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// From the client to the broker.
    Up,
    /// From the broker to the client.
    Down,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    flight: VecDeque<(Time, Vec<u8>)>,
    bytes: usize,
    /// Bytes that may be under way; beyond, the writer must wait.
    pub(crate) capacity: usize,
    /// Nothing arrives before.
    pub(crate) clogged_until: Time,
    /// The writer has closed behind its last byte.
    pub(crate) ended: bool,
    /// What is written vanishes.
    pub(crate) broken: bool,
    /// When the reader and the writer look next.
    pub(crate) reads_at: Option<Time>,
    pub(crate) writes_at: Option<Time>,
    /// Whole packets as they enter and as they leave.
    pub(crate) entering: Framer,
    pub(crate) leaving: Framer,
}

impl Pipe {
    /// A pipe for this many bytes at once.
    pub(crate) fn new(capacity: usize) -> Pipe {
        Pipe { capacity, ..Pipe::default() }
    }

    /// How much a writer may write now.
    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes)
    }

    /// Takes bytes that arrive at `at`, or when those before them have.
    pub(crate) fn write(&mut self, at: Time, bytes: Vec<u8>) {
        let last = self.flight.back().map_or(0, |(at, _)| *at);
        self.bytes += bytes.len();
        self.flight.push_back((at.max(last), bytes));
    }

    /// When the next bytes arrive.
    pub(crate) fn next(&self) -> Option<Time> {
        if self.broken {
            return None;
        }
        self.flight.front().map(|(at, _)| (*at).max(self.clogged_until))
    }

    /// Takes up to `most` bytes that have arrived.
    pub(crate) fn read(&mut self, now: Time, most: usize) -> Vec<u8> {
        let mut found = Vec::new();
        while found.len() < most && self.next().is_some_and(|at| at <= now) {
            let (_, chunk) = self.flight.front_mut().expect("just seen");
            let take = chunk.len().min(most - found.len());
            found.extend(chunk.drain(..take));
            if chunk.is_empty() {
                self.flight.pop_front();
            }
        }
        self.bytes -= found.len();
        found
    }

    /// Whether nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.flight.is_empty()
    }

    /// Everything under way is lost, and all that follows.
    pub(crate) fn break_off(&mut self) {
        self.broken = true;
    }
}

/// Cuts a stream into packets.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    rest: Vec<u8>,
}

impl Framer {
    /// The packets that `bytes` complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.rest.extend_from_slice(bytes);
        let mut packets = Vec::new();
        while let Ok(Progress::Packet(found)) = frame(&self.rest, u32::MAX) {
            let len = found.len;
            packets.push(self.rest.drain(..len).collect());
        }
        packets
    }
}
