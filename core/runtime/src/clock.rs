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
        // 584 years fit.
        Instant::from_nanos(self.epoch.elapsed().as_nanos() as u64)
    }
}
