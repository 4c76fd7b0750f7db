//! When a loop lets its sockets fill before it looks again.
//!
//! A peer that writes every packet by itself wakes a loop for every packet, and waking costs more
//! than the packet does. A short pause lets several gather, under a load that has them come one
//! after the other anyway. But who answers only what we have said would merely be slowed down; so
//! what a pause has gathered is compared with what came without one, and where it does not pay
//! there are no pauses for a good while.

use std::time::Duration;

use libmqtt_engine::Instant;

/// How long a pause is; the system adds its own slack, half as much.
const PAUSE: Duration = Duration::from_micros(200);
/// Turns closer to each other than this, with no pause between them, are a load.
const QUICK: Duration = Duration::from_micros(120);
/// So many of them in a row are.
const TURNS: u32 = 16;
/// A pause gathers at least so many times what comes without one.
const WORTH: usize = 3;
/// Pauses in a row that did not pay, until there are none.
const MISSES: u32 = 4;
/// Turns without a pause after that.
const REST: u32 = 10_000;

/// What a loop has seen of its load.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
    /// Quick turns in a row without a pause, and the bytes that they read.
    turns: u32,
    bytes: usize,
    /// The last turn came after a pause.
    paused: bool,
    misses: u32,
    /// Quick turns for which there is no pause.
    rest: u32,
}

impl Pace {
    /// After a turn that began at `now`, read so many bytes and left nothing to do: how long to
    /// pause, if at all.
    pub(crate) fn after_turn(&mut self, now: Instant, bytes: usize) -> Option<Duration> {
        let since = self.last.replace(now).map_or(Duration::MAX, |last| now.since(last));
        if bytes == 0 {
            return None;
        }
        if self.paused {
            if bytes * TURNS as usize >= self.bytes * WORTH {
                self.misses = 0;
            } else if since > PAUSE * 4 {
                // The load has ended.
                *self = Pace { last: self.last, ..Pace::default() };
                return None;
            } else if self.misses == MISSES {
                *self = Pace { last: self.last, rest: REST, ..Pace::default() };
                return None;
            } else {
                self.misses += 1;
            }
            return Some(PAUSE);
        }
        if self.rest > 0 {
            self.rest -= 1;
        } else if since > QUICK {
            (self.turns, self.bytes) = (0, 0);
        } else {
            self.turns += 1;
            self.bytes += bytes;
            self.paused = self.turns == TURNS;
        }
        self.paused.then_some(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns so far apart, each with so many bytes after a pause and without one.
    fn pauses(turns: u32, apart_us: u64, bytes: usize, bytes_paused: usize) -> u32 {
        let (mut pace, mut now, mut pauses) = (Pace::default(), Instant::from_nanos(0), 0);
        let mut paused = false;
        for _ in 0..turns {
            now = now + Duration::from_micros(apart_us);
            let read = if paused { bytes_paused } else { bytes };
            paused = pace.after_turn(now, read).is_some();
            pauses += u32::from(paused);
        }
        pauses
    }

    #[test]
    fn packets_that_come_by_themselves_are_let_gather() {
        assert_eq!(pauses(1000, 20, 100, 800), 1000 - TURNS);
    }

    #[test]
    fn a_slow_peer_is_served_at_once() {
        assert_eq!(pauses(1000, 1500, 100, 800), 0);
    }

    #[test]
    fn a_peer_that_waits_for_our_answer_is_served_at_once() {
        assert_eq!(pauses(1000, 40, 100, 100), MISSES + 1);
        assert_eq!(pauses(REST, 40, 100, 100), MISSES + 1);
    }
}
