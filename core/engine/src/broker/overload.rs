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
    /// Holds a publisher while too much waits for subscribers, or for the store if its message is
    /// stored.
    pub(super) fn hold_if_overloaded(&mut self, now: Instant, link: LinkId, stored: bool) -> Next {
        let config = &self.shared.config;
        let overloaded = config.overload == Overload::Backpressure
            && self.shared.totals.awaited.load(Ordering::Relaxed) > config.backlog_bytes_max;
        // The store does not wait for anything that this link may have to say.
        let clogged = stored && self.is_store_clogged();
        if !overloaded && !clogged {
            return Next::Go;
        }
        let until = if clogged { Instant::from_nanos(u64::MAX) } else { now + HELD_MAX };
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else {
            return Next::Stop;
        };
        found.held = true;
        if self.held.is_empty() {
            self.timers.arm(now + HELD_INTERVAL, Timer::Held);
        }
        self.held.push((link, until));
        self.pause(link);
        Next::Stop
    }

    /// Lets those held publishers go on that may, and looks at the others later.
    pub(super) fn check_held(&mut self, now: Instant) {
        self.relieve(now);
        if !self.held.is_empty() {
            self.timers.arm(now + HELD_INTERVAL, Timer::Held);
        }
    }

    /// Lets those held publishers go on that may.
    pub(super) fn relieve(&mut self, now: Instant) {
        if self.held.is_empty() {
            return;
        }
        let low = self.shared.config.backlog_bytes_max / 4 * 3;
        let awaited = self.shared.totals.awaited.load(Ordering::Relaxed);
        let relieved = awaited <= low && !self.is_store_clogged();
        let (free, held) = core::mem::take(&mut self.held)
            .into_iter()
            .partition::<Vec<_>, _>(|(_, until)| relieved || *until <= now);
        self.held = held;
        for (link, _) in free {
            if let Some(found) = self.tables.links.get_mut(link.index, link.generation) {
                found.held = false;
                self.read_again(now, link);
            }
        }
    }
}
