//! What other threads leave for a loop.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use libmqtt_net::Waker;

/// A list that any thread appends to and one loop takes whole. The loop is woken only if it may
/// sleep, and once for whatever gathers until it looks.
pub(crate) struct Inbox<T> {
    waker: Waker,
    state: Mutex<State<T>>,
}

struct State<T> {
    items: Vec<T>,
    /// The loop sleeps or is about to, and nobody has woken it yet.
    asleep: bool,
}

impl<T> Inbox<T> {
    pub(crate) fn new(waker: Waker) -> Inbox<T> {
        Inbox { waker, state: Mutex::new(State { items: Vec::new(), asleep: false }) }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it is held, so a poisoned list is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends, and wakes the loop if nobody has.
    pub(crate) fn push(&self, item: T) {
        let mut state = self.state();
        state.items.push(item);
        let wake = core::mem::take(&mut state.asleep);
        drop(state);
        if wake {
            self.wake();
        }
    }

    /// Takes everything into `items`, which must be empty. If there is nothing, and the loop
    /// `may_sleep`, the next `push` will wake it.
    pub(crate) fn take(&self, items: &mut Vec<T>, may_sleep: bool) {
        debug_assert!(items.is_empty());
        let mut state = self.state();
        core::mem::swap(&mut state.items, items);
        state.asleep = may_sleep && items.is_empty();
    }

    fn wake(&self) {
        // Fails only when the poll is gone, and then nobody sleeps.
        let _: io::Result<()> = self.waker.wake();
    }
}
