//! From the engine's errors to the exceptions of `libmqtt.errors`.

use std::error::Error;

use libmqtt_runtime::conf::ConfError;
use libmqtt_runtime::engine::client::{Cause, Disconnected, Outcome};
use libmqtt_runtime::named::OptionError;
use libmqtt_runtime::{BrokerError, ClientError, NetworkError, Reason, Status};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Every status: its number, name and message, success first.
#[pyfunction]
pub(crate) fn statuses() -> Vec<(i32, &'static str, &'static str)> {
    Status::ALL.iter().map(|status| (status.code(), status.name(), status.message())).collect()
}

/// Every Reason Code: its value and name.
#[pyfunction]
pub(crate) fn reasons() -> Vec<(u8, &'static str)> {
    Reason::ALL.iter().map(|&reason| (reason as u8, reason.name())).collect()
}

/// The exception for a status.
pub(crate) fn new(status: Status, message: &str, reason: Option<Reason>) -> PyErr {
    Python::attach(|py| {
        static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let made = MAKE
            .import(py, "libmqtt.errors", "_make")
            .and_then(|make| make.call1((status.code(), message, reason.map(|r| r as u8))));
        match made {
            Ok(exception) => PyErr::from_value(exception),
            Err(error) => error,
        }
    })
}

/// The exception for a wrong argument.
pub(crate) fn argument(message: impl AsRef<str>) -> PyErr {
    new(Status::BadArgument, message.as_ref(), None)
}

/// An error with what has caused it.
fn text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

pub(crate) fn client(error: ClientError) -> PyErr {
    new(error.status(), &text(&error), error.reason())
}

pub(crate) fn conf(error: ConfError) -> PyErr {
    new(error.status(), &text(&error), None)
}

pub(crate) fn option(error: OptionError) -> PyErr {
    new(error.status(), &text(&error), None)
}

pub(crate) fn broker(error: BrokerError) -> PyErr {
    new(error.status(), &text(&error), None)
}

/// Why an operation has come to nothing.
pub(crate) fn outcome(outcome: Outcome) -> PyErr {
    client(ClientError::Failed(outcome))
}

/// Why a connection has ended, or none was made.
pub(crate) fn ended(
    ended: &Disconnected,
    failure: Option<(std::sync::Arc<str>, NetworkError)>,
) -> PyErr {
    client(match (&ended.cause, failure) {
        (Cause::Unreachable | Cause::ConnectTimeout, Some((server, error))) => {
            ClientError::Unreachable(server, error)
        }
        (cause, _) => ClientError::NotConnected(cause.clone()),
    })
}
