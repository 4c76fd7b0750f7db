//! What other threads leave for a loop.

#[cfg(not(loom))]
use std::thread::{self, ThreadId};

use libmqtt_locks::atomic::{AtomicBool, Ordering};
use libmqtt_locks::{Mutex, MutexGuard, PoisonError};
#[cfg(not(loom))]
use libmqtt_net::Waker;
#[cfg(loom)]
use loom::thread::{self, ThreadId};

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
}

struct State<T> {
    items: Vec<T>,
    closed: bool,
    /// The thread that runs the loop, while one does.
    owner: Option<ThreadId>,
}

impl<T> Inbox<T> {
    pub(crate) fn new(waker: impl Into<Waker>) -> Inbox<T> {
        let waker = waker.into();
        let state = Mutex::new(State { items: Vec::new(), closed: false, owner: None });
        Inbox { waker, state, asleep: AtomicBool::new(false) }
    }

    /// This thread runs the loop from now on.
    pub(crate) fn own(&self) {
        self.state().owner = Some(thread::current().id());
    }

    /// This thread runs the loop no more. Who does next looks at the list before it sleeps, so
    /// nobody is woken until then.
    pub(crate) fn disown(&self) {
        let mut state = self.state();
        state.owner = None;
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether this thread runs the loop.
    pub(crate) fn is_own(&self) -> bool {
        self.state().owner == Some(thread::current().id())
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it is held, so a poisoned list is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends, and wakes the loop if nobody has. Gives the item back if the loop has ended.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        self.append(item, true)
    }

    /// As `push`, for a loop whose thread asks [`Inbox::is_asleep`] before it sleeps: it need not
    /// wake itself.
    pub(crate) fn push_quietly(&self, item: T) -> Result<(), T> {
        self.append(item, false)
    }

    fn append(&self, item: T, wakes_itself: bool) -> Result<(), T> {
        let mut state = self.state();
        if state.closed {
            return Err(item);
        }
        state.items.push(item);
        let mut wake = self.asleep.load(Ordering::Relaxed);
        if wake {
            self.asleep.store(false, Ordering::Relaxed);
            wake = wakes_itself || state.owner != Some(thread::current().id());
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

    /// Whether nothing has come since the loop has looked in vain, about to sleep.
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
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
