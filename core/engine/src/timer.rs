//! Deadlines without a timer per message.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Instant;

/// A set of deadlines, earliest first. None is removed by itself: who armed a deadline checks,
/// when it comes, whether it still means something, and arms the next. Those that mean nothing
/// any more are swept out together whenever the set has doubled.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    heap: BinaryHeap<Reverse<(Instant, T)>>,
    /// Sweep at this many.
    sweep_at: usize,
}

/// Fewer deadlines than this are never swept.
const SWEEP_MIN: usize = 1024;

impl<T: Ord> Timers<T> {
    pub(crate) fn new() -> Timers<T> {
        Timers { heap: BinaryHeap::new(), sweep_at: SWEEP_MIN }
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

    /// Whether it is time to `sweep`.
    pub(crate) fn is_due_for_sweep(&self) -> bool {
        self.heap.len() >= self.sweep_at
    }

    /// Forgets the deadlines that `keep` says mean nothing any more.
    pub(crate) fn sweep(&mut self, keep: impl Fn(Instant, &T) -> bool) {
        self.heap.retain(|Reverse((at, what))| keep(*at, what));
        self.heap.shrink_to(2 * self.heap.len());
        self.sweep_at = (2 * self.heap.len()).max(SWEEP_MIN);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}
