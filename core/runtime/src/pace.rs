//! When a loop lets its sockets fill before it looks again.
//!
//! A peer that writes every packet by itself wakes a loop for every packet, and waking costs more
//! than the packet does: this thread, and the program's. A short pause lets several gather, under
//! a load that has them come one after the other anyway; and where that gathers many, a longer one
//! lets more gather. But who answers only what we have said, or has so much under way at most,
//! would merely be slowed down; so what a pause has gathered, and how fast it came, is compared
//! with what came with the next shorter one, or without. Where it does not pay, there are no such
//! pauses for a while.

use std::time::Duration;

use libmqtt_engine::Instant;

/// How long pauses are, at each level from the first; the system adds some 50 µs of its own.
const PAUSES: [Duration; 2] = [Duration::from_micros(200), Duration::from_micros(600)];
/// Packets closer to each other than this, without a pause, are a load.
const QUICK: Duration = Duration::from_micros(120);
/// Packets in a turn with which a stream begins, that a longer pause is tried with.
const STREAM: u64 = 12;
/// So many turns in a row lead to the next level.
const TURNS: u32 = 16;
/// A pause gathers at least so many times what a turn of the level before does.
const GATHERS: f64 = 1.5;
/// With it, packets come at so many times the rate, at least.
const AS_FAST: f64 = 0.75;
/// Pauses in a row that did not pay, until it is given up.
const MISSES: u32 = 4;
/// Turns at each level until the next is tried again.
const REST: [u32; PAUSES.len()] = [2_000, 500];

/// Turns that followed each other: what came in them, and how long they took.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    turns: u32,
    packets: u64,
    time: Duration,
}

impl Seen {
    fn in_a_turn(&self) -> f64 {
        self.packets as f64 / f64::from(self.turns)
    }

    fn in_a_second(&self) -> f64 {
        self.packets as f64 / self.time.as_secs_f64()
    }
}

/// What a loop has seen of its load.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// The last turn in which something came.
    last: Option<Instant>,
    /// 0: there are no pauses.
    level: usize,
    /// Turns in a row that speak for the next level.
    seen: Seen,
    /// Those that have led to each level.
    before: [Seen; PAUSES.len()],
    misses: u32,
    /// Turns for which there is no next level.
    rest: u32,
}

impl Pace {
    /// After a turn that began at `now`, in which so many packets came, and that left nothing to
    /// do: how long to pause, if at all.
    pub(crate) fn after_turn(&mut self, now: Instant, packets: u64) -> Option<Duration> {
        if packets == 0 {
            return None;
        }
        let since = self.last.replace(now).map_or(Duration::MAX, |last| now.since(last));
        let turn = Seen { turns: 1, packets, time: since };
        if let Some(pause) = self.pause() {
            let index = self.level - 1;
            let before = &self.before[index];
            if turn.in_a_turn() >= before.in_a_turn() * GATHERS
                && turn.in_a_second() >= before.in_a_second() * AS_FAST
            {
                self.misses = 0;
            } else if since > pause * 4 {
                // The load has ended.
                *self = Pace { last: self.last, ..Pace::default() };
                return None;
            } else if self.misses == MISSES {
                self.enter(index);
                self.rest = REST[index];
            } else {
                self.misses += 1;
            }
        }
        if self.rest > 0 {
            self.rest -= 1;
        } else if self.level < PAUSES.len() {
            self.climb(turn);
        }
        self.pause()
    }

    fn pause(&self) -> Option<Duration> {
        self.level.checked_sub(1).map(|index| PAUSES[index])
    }

    fn climb(&mut self, turn: Seen) {
        if self.level == 0 && turn.time.as_secs_f64() > QUICK.as_secs_f64() * turn.in_a_turn() {
            self.seen = Seen::default();
            return;
        }
        self.seen.turns += 1;
        self.seen.packets += turn.packets;
        self.seen.time += turn.time;
        if self.seen.turns < TURNS {
            return;
        }
        let seen = core::mem::take(&mut self.seen);
        if self.level == 0 || seen.packets >= STREAM * u64::from(TURNS) {
            self.before[self.level] = seen;
            self.enter(self.level + 1);
        }
    }

    fn enter(&mut self, level: usize) {
        self.level = level;
        (self.seen, self.misses) = (Seen::default(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses in so many turns. Without a pause they are so far apart; what comes in a turn
    /// depends on the pause before it.
    fn pauses(turns: u32, apart_us: u64, comes: impl Fn(Duration) -> u64) -> Vec<Duration> {
        let (mut pace, mut now) = (Pace::default(), Instant::from_nanos(0));
        let (mut pauses, mut pause) = (Vec::new(), Duration::ZERO);
        for _ in 0..turns {
            now = now + pause.max(Duration::from_micros(apart_us));
            let next = pace.after_turn(now, comes(pause));
            pauses.extend(next);
            pause = next.unwrap_or(Duration::ZERO);
        }
        pauses
    }

    /// A packet so many µs after the other.
    fn every(apart_us: u64) -> impl Fn(Duration) -> u64 {
        move |pause| (pause.as_micros() as u64 / apart_us).max(1)
    }

    fn long(pauses: &[Duration]) -> usize {
        pauses.iter().filter(|&&pause| pause == PAUSES[1]).count()
    }

    #[test]
    fn packets_that_come_by_themselves_are_let_gather() {
        let pauses = pauses(1000, 40, every(40));
        assert_eq!(pauses.len(), (1000 - TURNS) as usize);
        assert_eq!(long(&pauses), 0);
    }

    #[test]
    fn a_stream_is_let_gather_for_longer() {
        let pauses = pauses(1000, 10, every(10));
        assert_eq!(pauses.len(), (1000 - TURNS) as usize);
        assert_eq!(long(&pauses), pauses.len() - TURNS as usize);
    }

    #[test]
    fn a_stream_that_is_taken_in_slow_turns_is_let_gather_too() {
        let (mut pace, mut now) = (Pace::default(), Instant::from_nanos(0));
        for _ in 0..1000 {
            // A turn takes 150 µs by itself, a packet comes every 10.
            let time = Duration::from_micros(150) + pace.pause().unwrap_or_default();
            now = now + time;
            pace.after_turn(now, every(10)(time));
        }
        assert_eq!(pace.pause(), Some(PAUSES[1]));
    }

    #[test]
    fn a_slow_peer_is_served_at_once() {
        assert!(pauses(1000, 1500, every(1500)).is_empty());
        assert!(pauses(1000, 130, every(130)).is_empty());
    }

    #[test]
    fn a_peer_that_waits_for_our_answer_is_served_at_once() {
        let tried = MISSES as usize + 1;
        assert_eq!(pauses(1000, 40, |_| 1).len(), tried);
        assert_eq!(pauses(REST[0], 40, |_| 1).len(), tried);
    }

    #[test]
    fn peers_that_wait_by_themselves_are_not_slowed_down_together() {
        // Six answers are under way, and three come together.
        let pauses = pauses(REST[0], 60, |pause| if pause.is_zero() { 3 } else { 6 });
        assert_eq!(pauses.len(), MISSES as usize + 1);
    }

    #[test]
    fn a_peer_with_a_window_is_not_held_up_for_longer() {
        let window = |pause| every(10)(pause).min(30);
        let pauses = pauses(REST[1], 10, window);
        assert_eq!(long(&pauses), MISSES as usize + 1);
        assert_eq!(pauses.len(), (REST[1] - TURNS) as usize);
    }

    #[test]
    fn what_did_not_pay_is_tried_again() {
        let mut pace = Pace::default();
        let (mut now, mut long) = (Instant::from_nanos(0), 0);
        for turn in 0..2 * REST[1] {
            let pause = pace.pause().unwrap_or_default();
            now = now + pause.max(Duration::from_micros(10));
            let most = if turn < REST[1] / 2 { 30 } else { u64::MAX };
            pace.after_turn(now, every(10)(pause).min(most));
            long += u32::from(pace.pause() == Some(PAUSES[1]));
        }
        assert!(long > REST[1] / 2, "{long}");
    }

    #[test]
    fn pauses_end_with_the_load() {
        let mut pace = Pace::default();
        let mut now = Instant::from_nanos(0);
        for _ in 0..1000 {
            let pause = pace.pause().unwrap_or_default();
            now = now + pause.max(Duration::from_micros(10));
            pace.after_turn(now, every(10)(pause));
        }
        assert_eq!(pace.pause(), Some(PAUSES[1]));
        assert_eq!(pace.after_turn(now, 0), None, "nothing has come");
        assert_eq!(pace.after_turn(now + Duration::from_millis(10), 1), None);
        assert_eq!(pace.pause(), None);
    }
}
