//! When a shard's thread lets others run before it waits for more.
//!
//! Under a load whose messages come one by one, to wait is to be woken at once, for one message;
//! and a message by itself costs several times what it costs among others. If others want the
//! processor (peers on the same machine, other shards), more gathers while they run; if nobody
//! does, giving way costs next to nothing. But they may keep it for milliseconds. So a thread
//! gives way only while its turns follow each other closely, and if one of them came late, not
//! again for a good while: messages that are far apart never wait for somebody's time slice.

use libmqtt_engine::Instant;

/// Turns that are closer together than this on average, in nanoseconds, are close.
const CLOSE: u64 = 15_000;
/// Weight of the past in the average.
const PAST: u64 = 8;

/// How close a thread's turns are.
#[derive(Debug)]
pub(super) struct GivingWay {
    last: Instant,
    /// Average time between turns in nanoseconds.
    apart: u64,
}

impl GivingWay {
    pub(super) fn new(now: Instant) -> GivingWay {
        GivingWay { last: now, apart: CLOSE * PAST }
    }

    /// A turn has begun.
    pub(super) fn turn(&mut self, now: Instant) {
        let since = u64::try_from(now.since(self.last).as_nanos()).unwrap_or(u64::MAX);
        self.last = now;
        self.apart = self.apart - self.apart / PAST + since / PAST;
    }

    /// Before it waits: lets others run if it is time for that.
    pub(super) fn give_way(&self) {
        if self.is_time() {
            std::thread::yield_now();
        }
    }

    fn is_time(&self) -> bool {
        self.apart < CLOSE
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn turns_must_be_close_and_stay_so() {
        let mut now = Instant::from_nanos(1);
        let mut thread = GivingWay::new(now);
        let mut turns = |count: usize, apart: u64| -> usize {
            let mut times = 0;
            for _ in 0..count {
                now = now + Duration::from_micros(apart);
                thread.turn(now);
                times += usize::from(thread.is_time());
            }
            times
        };
        assert_eq!(turns(1000, 50), 0, "20,000 messages a second are served at once");
        assert!((980..1000).contains(&turns(1000, 5)));
        assert_eq!(turns(1, 4000), 0, "somebody's time slice");
        assert_eq!(turns(20, 5), 0, "it has not forgotten");
        assert!(turns(100, 5) > 50);
    }
}
