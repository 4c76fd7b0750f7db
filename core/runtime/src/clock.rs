//! The engine's clock.

use libmqtt_engine::Instant;

/// Nanoseconds since this clock was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: std::time::Instant,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock { epoch: std::time::Instant::now() }
    }

    pub(crate) fn now(self) -> Instant {
        self.at(std::time::Instant::now())
    }

    /// This moment as the engine counts it.
    pub(crate) fn at(self, moment: std::time::Instant) -> Instant {
        // 584 years fit.
        Instant::from_nanos(moment.saturating_duration_since(self.epoch).as_nanos() as u64)
    }
}
