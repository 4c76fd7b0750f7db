//! Holding publishers while too much waits for subscribers.

use core::sync::atomic::Ordering;
use core::time::Duration;

use super::shard::{Next, Timer};
use super::{LinkId, Overload, Shard};
use crate::Instant;

/// How long a publisher is held at a stretch. Its acknowledgements as a subscriber come the same
/// way as its messages, so it must go on slowly rather than not at all.
const HELD_MAX: Duration = Duration::from_millis(100);

/// How often to look whether held publishers may go on.
const HELD_INTERVAL: Duration = Duration::from_millis(5);

impl Shard {
    /// Holds a publisher while too much waits for subscribers.
    pub(super) fn hold_if_overloaded(&mut self, now: Instant, link: LinkId) -> Next {
        let config = &self.shared.config;
        if config.overload != Overload::Backpressure
            || self.shared.totals.awaited.load(Ordering::Relaxed) <= config.backlog_bytes_max
        {
            return Next::Go;
        }
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else {
            return Next::Stop;
        };
        found.held = true;
        if self.held.is_empty() {
            self.timers.arm(now + HELD_INTERVAL, Timer::Held);
        }
        self.held.push((link, now + HELD_MAX));
        self.pause(link);
        Next::Stop
    }

    pub(super) fn check_held(&mut self, now: Instant) {
        let low = self.shared.config.backlog_bytes_max / 4 * 3;
        let relieved = self.shared.totals.awaited.load(Ordering::Relaxed) <= low;
        let (free, held) = core::mem::take(&mut self.held)
            .into_iter()
            .partition::<Vec<_>, _>(|(_, until)| relieved || *until <= now);
        self.held = held;
        if !self.held.is_empty() {
            self.timers.arm(now + HELD_INTERVAL, Timer::Held);
        }
        for (link, _) in free {
            if let Some(found) = self.tables.links.get_mut(link.index, link.generation) {
                found.held = false;
                self.read_again(now, link);
            }
        }
    }
}
