//! What the crates use of std's locks, by loom. A wait never times out: who is not woken is
//! found out.

use core::time::Duration;

pub use loom::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};

/// As `std::sync::Condvar`.
#[derive(Debug, Default)]
pub struct Condvar(loom::sync::Condvar);

/// As `std::sync::WaitTimeoutResult`, which cannot be made here.
#[derive(Clone, Copy, Debug)]
pub struct WaitTimeoutResult;

impl WaitTimeoutResult {
    /// Never.
    pub const fn timed_out(self) -> bool {
        false
    }
}

impl Condvar {
    /// As in std.
    pub fn new() -> Condvar {
        Condvar(loom::sync::Condvar::new())
    }

    /// As in std.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.0.wait(guard)
    }

    /// As in std, but for ever.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let guard = self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
        Ok((guard, WaitTimeoutResult))
    }

    /// As in std, but for ever.
    pub fn wait_timeout_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        _: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        while condition(&mut guard) {
            guard = self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        Ok((guard, WaitTimeoutResult))
    }

    /// As in std.
    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    /// As in std.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}
