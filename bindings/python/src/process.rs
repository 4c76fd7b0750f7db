//! What belongs to the process: the loop that all clients share, `fork`, and the end.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use libmqtt_locks::{Mutex, PoisonError};
use libmqtt_runtime::{Runtime, Status};
use pyo3::prelude::*;

use crate::errors;

/// How long the end of the process waits for threads that wait in calls of this module.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a wait looks whether a signal has come.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// Counts the forks that led to this process.
static GENERATION: AtomicU32 = AtomicU32::new(0);
/// The interpreter is about to end.
static ENDING: AtomicBool = AtomicBool::new(false);
/// Threads that have let go of the interpreter, in here.
static AWAY: AtomicUsize = AtomicUsize::new(0);
/// The loop, with the generation that it belongs to. Locked only while attached, so never during
/// a fork.
static RUNTIME: Mutex<Option<(u32, Runtime)>> = Mutex::new(None);

fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Something with threads of its own, which a forked child does not have: it is out of use
/// there, and is not even dropped, as that would speak to the parent's sockets.
pub(crate) struct Own<T> {
    value: Option<T>,
    generation: u32,
}

impl<T> Own<T> {
    pub(crate) fn new(value: T) -> Own<T> {
        Own { value: Some(value), generation: generation() }
    }

    /// The value, in the process that made it.
    pub(crate) fn get(&self) -> PyResult<&T> {
        match &self.value {
            Some(value) if self.generation == generation() => Ok(value),
            _ => Err(errors::new(Status::Closed, "belongs to the process before fork()", None)),
        }
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        if self.generation != generation() {
            mem::forget(self.value.take());
        }
    }
}

/// The loop of this process, which is started when it is first wanted.
pub(crate) fn runtime() -> PyResult<Runtime> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((generation, runtime)) = &*runtime
        && *generation == self::generation()
    {
        return Ok(runtime.clone());
    }
    let new = Runtime::new().map_err(errors::client)?;
    mem::forget(runtime.replace((generation(), new.clone())));
    Ok(new)
}

/// Lets go of the interpreter while `work` runs. Not when that is ending: a thread that then
/// wants it back is killed.
pub(crate) fn detached<R: Send>(py: Python<'_>, work: impl FnOnce() -> R + Send) -> PyResult<R> {
    /// Counted until the interpreter was taken back.
    struct Away;
    impl Drop for Away {
        fn drop(&mut self) {
            AWAY.fetch_sub(1, Ordering::SeqCst);
        }
    }
    AWAY.fetch_add(1, Ordering::SeqCst);
    let _away = Away;
    if ENDING.load(Ordering::SeqCst) {
        return Err(errors::new(Status::Closed, "interpreter is ending", None));
    }
    Ok(py.detach(work))
}

/// Waits for what `step` looks for: it is called without the interpreter, waits for as long as
/// it is told at most, and says what it has found. None after `timeout`, which is for ever if
/// there is none. Signals are handled in between.
pub(crate) fn wait<R: Send>(
    py: Python<'_>,
    timeout: Option<Duration>,
    step: impl Fn(Duration) -> Option<R> + Sync,
) -> PyResult<Option<R>> {
    if let Some(found) = step(Duration::ZERO) {
        return Ok(Some(found));
    }
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        py.check_signals()?;
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
        let slice = left.map_or(SLICE, |left| left.min(SLICE));
        if let Some(found) = detached(py, || step(slice))? {
            return Ok(Some(found));
        }
    }
}

/// Tells the module that this process is the child of a fork.
#[pyfunction]
pub(crate) fn after_fork() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    // The threads that were away are the parent's.
    AWAY.store(0, Ordering::SeqCst);
}

/// Tells the module that the interpreter is about to end, and waits until no thread is in a
/// waiting call any more. What they wait on must have been closed before.
#[pyfunction]
pub(crate) fn shut_down(py: Python<'_>) {
    ENDING.store(true, Ordering::SeqCst);
    let until = Instant::now() + PATIENCE;
    while AWAY.load(Ordering::SeqCst) > 0 && Instant::now() < until {
        py.detach(|| std::thread::sleep(Duration::from_millis(1)));
    }
}

/// Runs the command whose words are `words`, the program's name first, and returns its exit code.
#[pyfunction]
pub(crate) fn run_cli(py: Python<'_>, words: Vec<std::ffi::OsString>) -> PyResult<u8> {
    detached(py, || libmqtt_cli::run(words))
}
