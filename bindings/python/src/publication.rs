//! What becomes of an operation, for threads that wait for it.

use std::sync::Arc;
use std::time::Duration;

use libmqtt_locks::{Condvar, Mutex, MutexGuard, PoisonError};
use libmqtt_runtime::{Outcome, Reason};
use pyo3::prelude::*;

use crate::hub::{Hub, Patience};
use crate::process::{self, Own};
use crate::{convert, errors};

/// Where the outcome of an operation will be.
#[derive(Default)]
pub(crate) struct Ticket {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    /// Threads that wait: to wake nobody would be a system call too.
    waiting: usize,
}

impl Ticket {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn resolve(&self, outcome: Outcome) {
        let mut state = self.lock();
        state.outcome = Some(outcome);
        let waiting = state.waiting > 0;
        drop(state);
        if waiting {
            self.changed.notify_all();
        }
    }

    fn peek(&self) -> Option<Outcome> {
        self.lock().outcome.clone()
    }

    fn find(&self, patience: Duration) -> Option<Outcome> {
        let mut state = self.lock();
        if state.outcome.is_none() && !patience.is_zero() {
            state.waiting += 1;
            let waited = self.changed.wait_timeout(state, patience);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        state.outcome.clone()
    }
}

/// Waits until an operation has ended. None after `timeout`.
pub(crate) fn wait(
    py: Python<'_>,
    hub: &Hub,
    ticket: &Ticket,
    timeout: Option<Duration>,
) -> PyResult<Option<Outcome>> {
    if let Some(outcome) = ticket.peek() {
        return Ok(Some(outcome));
    }
    // Its end may lie behind messages that nobody takes.
    let _patience = Patience::begin(hub);
    process::wait(py, timeout, |patience| ticket.find(patience))
}

/// A message on its way to the server.
#[pyclass(frozen, module = "libmqtt")]
pub(crate) struct Publication {
    hub: Own<Arc<Hub>>,
    ticket: Arc<Ticket>,
}

impl Publication {
    pub(crate) fn new(hub: Own<Arc<Hub>>, ticket: Arc<Ticket>) -> Publication {
        Publication { hub, ticket }
    }
}

/// The Reason Code of an end that is none to complain about.
fn success(outcome: Outcome) -> PyResult<Reason> {
    match outcome {
        Outcome::Written => Ok(Reason::Success),
        Outcome::Acknowledged(answer) => Ok(answer.reason),
        outcome => Err(errors::outcome(outcome)),
    }
}

#[pymethods]
impl Publication {
    /// Waits until the message is written (QoS 0), or acknowledged (QoS 1 and 2), and returns the
    /// Reason Code. Raises what has prevented that, and TimedOut after `timeout` seconds.
    #[pyo3(signature = (timeout = None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        let timeout = convert::timeout(timeout)?;
        match wait(py, self.hub.get()?, &self.ticket, timeout)? {
            Some(outcome) => convert::reason_to_py(py, success(outcome)?),
            None => Err(errors::client(libmqtt_runtime::ClientError::TimedOut)),
        }
    }

    /// Whether it has come to its end, good or bad.
    #[getter]
    fn done(&self) -> bool {
        self.ticket.peek().is_some()
    }

    /// The exception that `wait` would raise; None while it is under way, or all went well.
    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let error = success(self.ticket.peek()?).err()?;
        Some(error.into_value(py).into_any())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(match self.ticket.peek().map(success) {
            None => "<Publication under way>".into(),
            Some(Ok(reason)) => format!("<Publication: {}>", reason.name()),
            Some(Err(error)) => format!("<Publication failed: {}>", error.value(py).str()?),
        })
    }
}
