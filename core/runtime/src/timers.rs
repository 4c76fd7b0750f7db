//! When a loop looks at its clients again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use libmqtt_engine::Instant;

/// Deadlines by key, earliest first. None is ever taken back: who is looked at too early is
/// looked at in vain.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
}

impl Timers {
    /// Adds a deadline, unless `armed` says that an earlier one is there already.
    pub(crate) fn arm(&mut self, armed: &mut Option<Instant>, at: Option<Instant>, key: usize) {
        let Some(at) = at else { return };
        if armed.is_none_or(|before| at < before) {
            *armed = Some(at);
            self.heap.push(Reverse((at, key)));
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes a deadline that has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<usize> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, key))| key)
    }
}
