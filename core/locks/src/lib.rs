//! The locks that every crate of libmqtt takes: those of std.
//!
//! With `--cfg tsan` they are parking_lot's under the same names, for a build that the thread
//! sanitizer watches: it must have compiled a lock itself to know what the lock keeps apart.

//! With `--cfg loom` they are loom's, and so are the atomics: for models that try every order in
//! which threads can take turns.

#![forbid(unsafe_code)]

/// Atomics whose order is a hand-over between threads, not just a counter.
pub mod atomic {
    #[cfg(not(loom))]
    pub use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    #[cfg(loom)]
    pub use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
}

#[cfg(not(any(tsan, loom)))]
pub use std::sync::{
    Condvar, LockResult, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    TryLockError, TryLockResult,
};

#[cfg(tsan)]
mod watched;
#[cfg(tsan)]
pub use watched::{
    Condvar, LockResult, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    TryLockError, TryLockResult,
};

#[cfg(loom)]
mod modelled;
#[cfg(loom)]
pub use modelled::{
    Condvar, LockResult, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    TryLockError, TryLockResult,
};
