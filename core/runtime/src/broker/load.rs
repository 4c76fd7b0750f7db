//! How much the threads of a broker have to do, and whether few or many should do it.
//!
//! A thread works when it does not wait. It counts for windows of time; the share of a window that
//! it worked is what it tells the others. One thread that serves several shards parts with them
//! when it has worked most of two short windows. A thread with one shard gives it to the first when
//! all together have long had so little to do that the first could do it with room to spare; if the
//! shard soon comes back, it waits longer the next time.

use core::time::Duration;

use libmqtt_engine::Instant;

/// How long a thread with several shards counts, and one with a single shard.
const SHORT: Duration = Duration::from_millis(4);
pub(super) const LONG: Duration = Duration::from_millis(50);
/// The share of its time that is much for one thread, in thousandths.
const MUCH: u32 = 650;
/// The sum of all threads' that is little.
const LITTLE: u32 = 400;
/// How long it has to stay little, and at most once that did not last.
const CALM: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A shard that comes back sooner than so many times that has bounced.
const BOUNCED: u32 = 10;

/// What a thread has seen of its own load.
#[derive(Debug)]
pub(super) struct Load {
    /// When the window began, and what of it was spent waiting.
    since: Instant,
    idle: Duration,
    /// The last window was a busy one.
    was_busy: bool,
    /// Since when all threads have had little to do.
    calm_since: Option<Instant>,
    /// How long they must have had.
    calm_for: Duration,
    /// When it gave its shard away.
    gave: Option<Instant>,
}

impl Load {
    pub(super) fn new(now: Instant) -> Load {
        let (idle, calm_for) = (Duration::ZERO, CALM.0);
        Load { since: now, idle, was_busy: false, calm_since: None, calm_for, gave: None }
    }

    /// Begins to count anew: the thread serves other shards than before.
    pub(super) fn restart(&mut self, now: Instant) {
        *self = Load { calm_for: self.calm_for, gave: self.gave, ..Load::new(now) };
    }

    /// A wait of so long has ended now. Returns in thousandths which share of the window the
    /// thread has worked, if that is over.
    pub(super) fn waited(&mut self, now: Instant, idle: Duration, several: bool) -> Option<u32> {
        self.idle += idle;
        let span = now.since(self.since);
        if span < if several { SHORT } else { LONG } {
            return None;
        }
        let worked = span.saturating_sub(self.idle).as_nanos() * 1000 / span.as_nanos();
        (self.since, self.idle) = (now, Duration::ZERO);
        Some(worked as u32)
    }

    /// Whether a thread with several shards parts with them, after a window with this share.
    pub(super) fn is_much(&mut self, share: u32) -> bool {
        let busy = share >= MUCH;
        core::mem::replace(&mut self.was_busy, busy) && busy
    }

    /// Whether a thread with one shard gives it away, when the shares of all threads have this
    /// sum.
    pub(super) fn is_little(&mut self, now: Instant, sum: u32) -> bool {
        if sum >= LITTLE {
            self.calm_since = None;
            return false;
        }
        let since = *self.calm_since.get_or_insert(now);
        let gives = now.since(since) >= self.calm_for;
        if gives {
            self.gave = Some(now);
        }
        gives
    }

    /// The thread is given a shard, perhaps the one that it gave away.
    pub(super) fn given(&mut self, now: Instant) {
        if let Some(gave) = self.gave.take() {
            let bounced = now.since(gave) < self.calm_for * BOUNCED;
            self.calm_for = if bounced { (self.calm_for * 2).min(CALM.1) } else { CALM.0 };
        }
        self.restart(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_micros(100);

    /// After how long a thread does what `decides` says, if it works so many of each 100
    /// microseconds.
    fn after(
        load: &mut Load,
        now: &mut Instant,
        worked: u64,
        several: bool,
        mut decides: impl FnMut(&mut Load, Instant, u32) -> bool,
    ) -> Option<Duration> {
        let began = *now;
        load.restart(began);
        while now.since(began) < Duration::from_secs(60) {
            *now = *now + TURN;
            if let Some(share) = load.waited(*now, TURN - Duration::from_micros(worked), several)
                && decides(load, *now, share)
            {
                return Some(now.since(began));
            }
        }
        None
    }

    fn parts(load: &mut Load, now: &mut Instant, worked: u64) -> Option<Duration> {
        after(load, now, worked, true, |load, _, share| load.is_much(share))
    }

    fn gives(load: &mut Load, now: &mut Instant, worked: u64, others: u32) -> Option<Duration> {
        after(load, now, worked, false, |load, now, share| load.is_little(now, share + others))
    }

    fn new() -> (Load, Instant) {
        let now = Instant::from_nanos(1);
        (Load::new(now), now)
    }

    #[test]
    fn a_thread_with_much_to_do_parts_within_milliseconds() {
        let (mut load, mut now) = new();
        assert_eq!(parts(&mut load, &mut now, 100), Some(2 * SHORT));
        assert_eq!(parts(&mut load, &mut now, 70), Some(2 * SHORT));
        assert_eq!(parts(&mut load, &mut now, 60), None);
    }

    #[test]
    fn one_busy_window_is_no_load() {
        let (mut load, _) = new();
        assert!([900, 100, 900, 0, 700].into_iter().all(|share| !load.is_much(share)));
        assert!(load.is_much(700));
    }

    #[test]
    fn a_shard_is_given_away_when_all_threads_have_long_had_little_to_do() {
        let (mut load, mut now) = new();
        let after = gives(&mut load, &mut now, 10, 100).unwrap();
        assert!((CALM.0..CALM.0 + 2 * LONG).contains(&after), "{after:?}");
        assert_eq!(gives(&mut load, &mut now, 10, 300), None, "another works");
        assert_eq!(gives(&mut load, &mut now, 50, 0), None);
    }

    #[test]
    fn what_was_given_away_fits_one_thread() {
        let (mut load, mut now) = new();
        assert_eq!(parts(&mut load, &mut now, u64::from(LITTLE / 10)), None);
    }

    #[test]
    fn a_shard_that_bounces_is_kept_longer_each_time_and_not_for_ever() {
        let (mut load, mut now) = new();
        let mut last = Duration::ZERO;
        for _ in 0..5 {
            let after = gives(&mut load, &mut now, 10, 0).unwrap();
            assert!(after > last, "{after:?} after {last:?}");
            last = after;
            now = now + Duration::from_millis(20);
            load.given(now);
        }
        for _ in 0..5 {
            last = gives(&mut load, &mut now, 10, 0).unwrap();
            load.given(now);
        }
        assert!(last < CALM.1 + 2 * LONG, "{last:?}");
        gives(&mut load, &mut now, 10, 0).unwrap();
        now = now + CALM.1 * BOUNCED;
        load.given(now);
        let after = gives(&mut load, &mut now, 10, 0).unwrap();
        assert!(after < CALM.0 + 2 * LONG, "{after:?}");
    }
}
