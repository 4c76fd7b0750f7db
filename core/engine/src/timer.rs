//! Deadlines without a timer per message.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Instant;

/// A set of deadlines, earliest first. Nothing is ever removed: who armed a deadline checks, when
/// it comes, whether it still means something, and arms the next.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    heap: BinaryHeap<Reverse<(Instant, T)>>,
}

impl<T: Ord> Timers<T> {
    pub(crate) fn new() -> Timers<T> {
        Timers { heap: BinaryHeap::new() }
    }

    pub(crate) fn arm(&mut self, at: Instant, what: T) {
        self.heap.push(Reverse((at, what)));
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one deadline that has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, what))| what)
    }
}
