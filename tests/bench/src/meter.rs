//! Measuring CPU time.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Whose CPU time counts.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    /// This thread's.
    Thread,
    /// That of all threads of this process.
    Process,
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// CPU time of one sample. If zero, another clock is read: that of CPU time does not work under
    /// tools that count instructions.
    pub sample: Duration,
    /// Samples, the cheapest of which counts: the others were disturbed.
    pub samples: u32,
    /// What is measured is done at least so often, and no oftener if the sample is zero.
    pub rounds: u32,
}

impl Meter {
    /// For figures to be believed.
    pub const FULL: Meter = Meter { sample: Duration::from_millis(100), samples: 5, rounds: 1 };

    /// Nanoseconds of CPU time per item; `round` does `items` of them.
    pub fn cost(self, whose: Whose, items: usize, mut round: impl FnMut()) -> f64 {
        let begun = Instant::now();
        round(); // the first one finds empty caches
        let mut least = f64::INFINITY;
        for _ in 0..self.samples {
            let before = self.spent(whose, begun);
            let mut rounds = 0;
            let spent = loop {
                round();
                rounds += 1;
                let spent = self.spent(whose, begun) - before;
                if rounds >= self.rounds && spent >= self.sample {
                    break spent;
                }
            };
            least = least.min(spent.as_nanos() as f64 / (f64::from(rounds) * items as f64));
        }
        least
    }

    /// As `cost`, for what can be done but once from `state` on. Dropping what `round` returns is
    /// not measured.
    pub fn cost_once<S, R>(
        self,
        items: usize,
        state: impl Fn() -> S,
        round: impl Fn(S) -> R,
    ) -> f64 {
        let sample = || {
            let state = state();
            let begun = Instant::now();
            let before = self.spent(Whose::Thread, begun);
            let result = round(state);
            let spent = self.spent(Whose::Thread, begun) - before;
            drop(result);
            spent.as_nanos() as f64 / items as f64
        };
        (0..self.samples.min(3)).map(|_| sample()).fold(f64::INFINITY, f64::min)
    }

    fn spent(self, whose: Whose, begun: Instant) -> Duration {
        let clock = match whose {
            _ if self.sample.is_zero() => return begun.elapsed(),
            Whose::Thread => ClockId::ThreadCPUTime,
            Whose::Process => ClockId::ProcessCPUTime,
        };
        let time = clock_gettime(clock);
        // Neither is negative.
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
    }
}
