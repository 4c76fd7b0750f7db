//! When a loop lets its sockets fill before it looks again.
//!
//! A peer that writes every packet by itself wakes a loop for every packet, and waking costs more
//! than the packet does. A short pause lets several gather, under a load that has them come one
//! after the other anyway; and where even that gathers many, and more than we say ourselves, which
//! is a stream, a longer one lets more gather. But who answers only what we have said would merely
//! be slowed down; so what a pause has gathered is compared with what came with the next shorter
//! one, or without. Where it does not pay, there are no such pauses for a good while.

use std::time::Duration;

use libmqtt_engine::Instant;

/// How long pauses are, at each level from the first; the system adds some 50 µs of its own.
const PAUSES: [Duration; 2] = [Duration::from_micros(200), Duration::from_micros(600)];
/// Turns closer to each other than this, with no pause between them, are a load.
const QUICK: Duration = Duration::from_micros(120);
/// A pause that gathers so many times what comes without one is in a stream.
const STREAM: usize = 8;
/// So many such turns in a row lead to the next level.
const TURNS: u32 = 16;
/// A pause at each level gathers at least so many times what a turn of the level before does.
const WORTH: [usize; PAUSES.len()] = [3, 2];
/// Pauses in a row that did not pay, until it is given up.
const MISSES: u32 = 4;
/// Turns until it is tried again.
const REST: u32 = 10_000;

/// What a loop has seen of its load.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
    /// 0: there are no pauses.
    level: usize,
    /// Turns in a row that speak for the next level, and the bytes that they read.
    turns: u32,
    bytes: usize,
    /// What those turns had read that led to each level.
    before: [usize; PAUSES.len()],
    misses: u32,
    /// Turns for which there is no next level.
    rest: u32,
}

impl Pace {
    /// After a turn that began at `now`, read and wrote so many bytes and left nothing to do: how
    /// long to pause, if at all.
    pub(crate) fn after_turn(
        &mut self,
        now: Instant,
        bytes: usize,
        written: usize,
    ) -> Option<Duration> {
        let since = self.last.replace(now).map_or(Duration::MAX, |last| now.since(last));
        if bytes == 0 {
            return None;
        }
        if let Some(pause) = self.pause() {
            let index = self.level - 1;
            // Who has said more than was heard waits for answers.
            let pays = index == 0 || written <= bytes;
            if pays && self.is_times(WORTH[index], self.before[index], bytes) {
                self.misses = 0;
            } else if since > pause * 4 {
                // The load has ended.
                *self = Pace { last: self.last, ..Pace::default() };
                return None;
            } else if self.misses == MISSES {
                self.enter(index);
                self.rest = REST;
            } else {
                self.misses += 1;
            }
        }
        if self.rest > 0 {
            self.rest -= 1;
        } else if self.level < PAUSES.len() {
            self.climb(since, bytes, written);
        }
        self.pause()
    }

    fn pause(&self) -> Option<Duration> {
        self.level.checked_sub(1).map(|index| PAUSES[index])
    }

    /// Whether a turn's bytes are so many times those of one of `before`.
    fn is_times(&self, times: usize, before: usize, bytes: usize) -> bool {
        bytes * TURNS as usize >= before * times
    }

    fn climb(&mut self, since: Duration, bytes: usize, written: usize) {
        let more = match self.level {
            0 => since <= QUICK,
            _ => written <= bytes && self.is_times(STREAM, self.before[0], bytes),
        };
        if !more {
            (self.turns, self.bytes) = (0, 0);
            return;
        }
        self.turns += 1;
        self.bytes += bytes;
        if self.turns == TURNS {
            self.before[self.level] = self.bytes;
            self.enter(self.level + 1);
        }
    }

    fn enter(&mut self, level: usize) {
        self.level = level;
        (self.turns, self.bytes, self.misses) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses in so many turns. Without a pause they are so far apart; what comes in a turn
    /// depends on the pause before it.
    fn pauses(turns: u32, apart_us: u64, comes: impl Fn(Duration) -> usize) -> Vec<Duration> {
        let (mut pace, mut now) = (Pace::default(), Instant::from_nanos(0));
        let (mut pauses, mut pause) = (Vec::new(), Duration::ZERO);
        for _ in 0..turns {
            now = now + pause.max(Duration::from_micros(apart_us));
            let next = pace.after_turn(now, comes(pause), 0);
            pauses.extend(next);
            pause = next.unwrap_or(Duration::ZERO);
        }
        pauses
    }

    /// A hundred bytes so many µs apart.
    fn every(apart_us: u64) -> impl Fn(Duration) -> usize {
        move |pause| 100 * (pause.as_micros() as usize / apart_us as usize).max(1)
    }

    fn long(pauses: &[Duration]) -> usize {
        pauses.iter().filter(|&&pause| pause == PAUSES[1]).count()
    }

    #[test]
    fn packets_that_come_by_themselves_are_let_gather() {
        let pauses = pauses(1000, 40, every(40));
        assert_eq!(pauses.len(), 1000 - TURNS as usize);
        assert_eq!(long(&pauses), 0);
    }

    #[test]
    fn a_stream_is_let_gather_for_longer() {
        let pauses = pauses(1000, 10, every(10));
        assert_eq!(pauses.len(), 1000 - TURNS as usize);
        assert_eq!(long(&pauses), pauses.len() - TURNS as usize);
    }

    #[test]
    fn a_slow_peer_is_served_at_once() {
        assert!(pauses(1000, 1500, every(1500)).is_empty());
    }

    #[test]
    fn a_peer_that_waits_for_our_answer_is_served_at_once() {
        let tried = MISSES as usize + 1;
        assert_eq!(pauses(1000, 40, |_| 100).len(), tried);
        assert_eq!(pauses(REST, 40, |_| 100).len(), tried);
    }

    #[test]
    fn a_peer_with_a_window_is_not_held_up_for_longer() {
        let window = |pause| every(10)(pause).min(3000);
        let pauses = pauses(REST, 10, window);
        assert_eq!(long(&pauses), MISSES as usize + 1);
        assert_eq!(pauses.len(), (REST - TURNS) as usize);
    }

    #[test]
    fn who_publishes_waits_no_longer_for_answers() {
        let (mut pace, mut now) = (Pace::default(), Instant::from_nanos(0));
        for _ in 0..1000 {
            now = now + Duration::from_micros(100);
            let bytes = every(10)(pace.pause().unwrap_or_default());
            pace.after_turn(now, bytes, bytes + 1);
        }
        assert_eq!(pace.pause(), Some(PAUSES[0]));
    }

    #[test]
    fn pauses_end_with_the_load() {
        let mut pace = Pace::default();
        let mut now = Instant::from_nanos(0);
        for _ in 0..1000 {
            now = now + Duration::from_micros(100);
            let bytes = every(10)(pace.pause().unwrap_or_default());
            pace.after_turn(now, bytes, 0);
        }
        assert_eq!(pace.pause(), Some(PAUSES[1]));
        assert_eq!(pace.after_turn(now + Duration::from_millis(10), 100, 0), None);
    }
}
