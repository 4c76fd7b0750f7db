//! Where a client's events go.

use core::ffi::c_void;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::Arc;

use libmqtt_locks::{Condvar, Mutex, PoisonError};
use libmqtt_runtime::Event;

use crate::event::mqtt_event;
use crate::userdata::Userdata;

/// Called with an event, which lives until it returns.
pub type mqtt_event_fn =
    Option<unsafe extern "C" fn(userdata: *mut c_void, event: *const mqtt_event)>;

/// Called when there are events.
pub type mqtt_ready_fn = Option<unsafe extern "C" fn(userdata: *mut c_void)>;

type EventFn = unsafe extern "C" fn(userdata: *mut c_void, event: *const mqtt_event);
type ReadyFn = unsafe extern "C" fn(userdata: *mut c_void);

/// How long a callback that runs may keep `shut` waiting.
const PATIENCE: Duration = Duration::from_secs(5);

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const SHUT: u8 = 2;

/// Lets events through to the program, one at a time, until it is shut.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    state: AtomicU8,
    /// The thread that is inside, as `here` has it.
    inside: AtomicUsize,
    /// Whether the last one has left.
    left: Mutex<bool>,
    leaving: Condvar,
}

/// A number that tells this thread from all others that live.
fn here() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| core::ptr::from_ref(here).addr())
}

impl Listener {
    /// Runs `body` unless the listener is shut.
    fn enter(&self, body: impl FnOnce()) {
        let entered =
            self.state.compare_exchange(IDLE, RUNNING, Ordering::Acquire, Ordering::Relaxed);
        if entered.is_err() {
            return;
        }
        self.inside.store(here(), Ordering::Relaxed);
        body();
        self.inside.store(0, Ordering::Relaxed);
        let left = self.state.compare_exchange(RUNNING, IDLE, Ordering::Release, Ordering::Relaxed);
        if left.is_err() {
            *self.left.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.leaving.notify_all();
        }
    }

    /// Lets nothing through any more, and waits until what runs has returned, unless that is the
    /// caller.
    pub(crate) fn shut(&self) {
        let before = self.state.swap(SHUT, Ordering::AcqRel);
        if before != RUNNING || self.inside.load(Ordering::Relaxed) == here() {
            return;
        }
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // A callback that blocks goes on alone.
        drop(self.leaving.wait_timeout_while(left, PATIENCE, |left| !*left));
    }

    /// What to call with events.
    pub(crate) fn events(
        self: Arc<Listener>,
        callback: EventFn,
        userdata: Userdata,
    ) -> Box<dyn FnMut(Event) + Send> {
        Box::new(move |event| {
            self.enter(|| {
                let event = mqtt_event::from(event);
                // SAFETY: the program gave the function for this; its data and the event live.
                unsafe { callback(userdata.data(), &raw const event) };
            });
        })
    }

    /// What to call when there are events.
    pub(crate) fn ready(
        self: Arc<Listener>,
        callback: ReadyFn,
        userdata: Userdata,
    ) -> impl Fn() + Send + Sync + 'static {
        move || {
            self.enter(|| {
                // SAFETY: the program gave the function for this; its data live.
                unsafe { callback(userdata.data()) };
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_after_shut_and_who_is_inside_does_not_wait_for_itself() {
        let listener = Listener::default();
        let mut passed = 0;
        listener.enter(|| {
            passed += 1;
            listener.shut();
        });
        listener.enter(|| passed += 1);
        assert_eq!(passed, 1);
    }

    #[test]
    fn shut_waits_for_who_is_inside() {
        let listener = Listener::default();
        let (tell, told) = std::sync::mpsc::channel();
        let done = AtomicU8::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                listener.enter(|| {
                    tell.send(()).unwrap();
                    // Until `shut` has been called, then some more.
                    while listener.state.load(Ordering::Relaxed) != SHUT {
                        std::thread::yield_now();
                    }
                    done.store(1, Ordering::Release);
                });
            });
            told.recv().unwrap();
            listener.shut();
            assert_eq!(done.load(Ordering::Acquire), 1);
        });
    }
}
