//! The locks that every crate of libmqtt takes: those of std.
//!
//! With `--cfg tsan` they are parking_lot's under the same names, for a build that the thread
//! sanitizer watches: it must have compiled a lock itself to know what the lock keeps apart.

#![forbid(unsafe_code)]

#[cfg(not(tsan))]
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
