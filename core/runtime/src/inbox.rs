//! What other threads leave for a loop.

use std::sync::OnceLock;
use std::thread::{self, ThreadId};

use libmqtt_locks::atomic::{AtomicBool, Ordering};
use libmqtt_locks::{Mutex, MutexGuard, PoisonError};
#[cfg(not(loom))]
use libmqtt_net::Waker;

#[cfg(loom)]
use crate::models::Waker;

/// A list that any thread appends to and one loop takes whole. The loop is woken only if it may
/// sleep, and once for whatever gathers until it looks.
pub(crate) struct Inbox<T> {
    waker: Waker,
    state: Mutex<State<T>>,
    /// The loop sleeps or is about to, and nobody has woken it yet. Set under the lock, when the
    /// list is empty; so who finds it false knows that the loop will look at the list.
    asleep: AtomicBool,
    /// The loop's thread, once it runs.
    owner: OnceLock<ThreadId>,
}

struct State<T> {
    items: Vec<T>,
    closed: bool,
}

impl<T> Inbox<T> {
    pub(crate) fn new(waker: impl Into<Waker>) -> Inbox<T> {
        let waker = waker.into();
        let state = Mutex::new(State { items: Vec::new(), closed: false });
        Inbox { waker, state, asleep: AtomicBool::new(false), owner: OnceLock::new() }
    }

    /// This thread runs the loop.
    pub(crate) fn own(&self) {
        self.owner.get_or_init(|| thread::current().id());
    }

    /// Whether this thread runs the loop.
    pub(crate) fn is_own(&self) -> bool {
        self.owner.get() == Some(&thread::current().id())
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it is held, so a poisoned list is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends, and wakes the loop if nobody has. Gives the item back if the loop has ended.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut state = self.state();
        if state.closed {
            return Err(item);
        }
        state.items.push(item);
        let wake = self.asleep.load(Ordering::Relaxed);
        if wake {
            self.asleep.store(false, Ordering::Relaxed);
        }
        drop(state);
        if wake {
            // Fails only when the poll is gone, and then nobody sleeps.
            let _ = self.waker.wake();
        }
        Ok(())
    }

    /// Takes everything into `items`, which must be empty. If there is nothing, and the loop
    /// `may_sleep`, the next `push` will wake it.
    pub(crate) fn take(&self, items: &mut Vec<T>, may_sleep: bool) {
        debug_assert!(items.is_empty());
        let mut state = self.state();
        core::mem::swap(&mut state.items, items);
        self.asleep.store(may_sleep && items.is_empty(), Ordering::Relaxed);
    }

    /// Waits as the loop's poll would.
    #[cfg(all(test, loom))]
    pub(crate) fn sleep(&self) {
        self.waker.sleep();
    }

    /// The loop is awake: no need to wake it until it takes again.
    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Nobody will take any more: what comes is given back, as what is there.
    pub(crate) fn close(&self) -> Vec<T> {
        let mut state = self.state();
        state.closed = true;
        core::mem::take(&mut state.items)
    }
}
