//! When a thread of a broker lets its sockets fill before it takes its next turn.
//!
//! A thread that keeps up with a heavy load finds a few packets in each turn, and a turn, a wake-up
//! and a write to each receiver cost several times what a packet does. After a short pause it finds
//! more, at the same rate. But peers that wait for its answers, or a thread that cannot keep up,
//! would only be slowed down. So it tries: if as many packets come in a time with pauses as
//! without, it makes them for a while; if not, it makes none for a good while. Where packets are
//! few they are served at once.

use core::time::Duration;

use libmqtt_engine::Instant;

/// How long a pause is; the system adds its own slack, half as much.
const PAUSE: Duration = Duration::from_micros(100);
/// Packets a second that are a heavy load.
const HEAVY: f64 = 50_000.0;
/// With pauses, so many times the packets come as without, at least.
const AS_MANY: f64 = 0.8;
/// Turns by which a rate is known, without pauses and with them.
const TURNS: u32 = 64;
const TURNS_PAUSED: u32 = 32;
/// Times that those with pauses follow each other until a look at what comes without.
const ROUNDS: u32 = 32;
/// Turns without pauses once they did not pay.
const REST: u32 = 8 * 1024;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// What comes without pauses is counted.
    Counting,
    /// What comes with them is compared with so many packets a second.
    Trying(f64),
    /// Pauses pay; so many rounds are left.
    Pausing(u32),
    /// They did not.
    Resting,
}

/// What a thread has seen of its load.
#[derive(Debug)]
pub(super) struct Gather {
    phase: Phase,
    /// Turns left in it.
    turns: u32,
    /// When it began, and the packets received until then.
    since: Instant,
    packets: u64,
}

impl Gather {
    /// Nothing yet, at this time and with so many packets received.
    pub(super) fn new(now: Instant, packets: u64) -> Gather {
        Gather { phase: Phase::Counting, turns: TURNS, since: now, packets }
    }

    /// A turn has ended that began at `now`; so many packets were received so far.
    pub(super) fn turn(&mut self, now: Instant, packets: u64) {
        self.turns -= 1;
        if self.turns > 0 {
            return;
        }
        let rate =
            (packets.saturating_sub(self.packets)) as f64 / now.since(self.since).as_secs_f64();
        self.phase = match self.phase {
            Phase::Counting if rate >= HEAVY => Phase::Trying(rate),
            Phase::Trying(without) if rate >= without * AS_MANY => Phase::Pausing(ROUNDS),
            Phase::Trying(_) => Phase::Resting,
            Phase::Pausing(left @ 1..) if rate >= HEAVY => Phase::Pausing(left - 1),
            Phase::Counting | Phase::Pausing(_) | Phase::Resting => Phase::Counting,
        };
        self.turns = match self.phase {
            Phase::Counting => TURNS,
            Phase::Trying(_) | Phase::Pausing(_) => TURNS_PAUSED,
            Phase::Resting => REST,
        };
        (self.since, self.packets) = (now, packets);
    }

    /// How long to pause before the next turn, if at all.
    pub(super) fn pause(&self) -> Option<Duration> {
        matches!(self.phase, Phase::Trying(_) | Phase::Pausing(_)).then_some(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns of which one follows the other after so many microseconds and brings so many packets,
    /// without a pause and with one. Returns how many pauses there were.
    fn pauses(turns: u32, without: (u64, u64), paused: (u64, u64)) -> u32 {
        let mut now = Instant::from_nanos(1);
        let (mut gather, mut packets, mut pauses) = (Gather::new(now, 0), 0, 0);
        for _ in 0..turns {
            let pause = gather.pause().is_some();
            let (apart, more) = if pause { paused } else { without };
            now = now + Duration::from_micros(apart);
            packets += more;
            pauses += u32::from(pause);
            gather.turn(now, packets);
        }
        pauses
    }

    #[test]
    fn under_a_heavy_load_turns_wait_for_more() {
        // 250,000 packets a second either way.
        let share = pauses(100_000, (20, 5), (160, 40));
        assert!((93_000..100_000).contains(&share), "{share}");
    }

    #[test]
    fn few_packets_are_served_at_once() {
        assert_eq!(pauses(100_000, (50, 1), (200, 4)), 0, "20,000 a second");
    }

    #[test]
    fn peers_that_wait_for_an_answer_are_not_kept_waiting() {
        // One packet in each turn, however long it is waited for.
        let share = pauses(100_000, (15, 1), (165, 1));
        assert!((TURNS_PAUSED..600).contains(&share), "{share}");
    }

    #[test]
    fn a_load_that_ends_ends_the_pauses() {
        let mut now = Instant::from_nanos(1);
        let (mut gather, mut packets) = (Gather::new(now, 0), 0);
        while gather.pause().is_none() {
            (now, packets) = (now + Duration::from_micros(20), packets + 5);
            gather.turn(now, packets);
        }
        for _ in 0..2 * TURNS_PAUSED {
            (now, packets) = (now + Duration::from_millis(1), packets + 1);
            gather.turn(now, packets);
        }
        assert_eq!(gather.pause(), None);
    }
}
