//! The one way in: errors become statuses, and no panic leaves.

use core::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use libmqtt_runtime::{ClientError, Reason, Status};

use crate::error::mqtt_error;
use crate::status::mqtt_status;

/// Why a function does not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    /// What the peer said.
    pub(crate) reason: Option<Reason>,
    /// More than the status says.
    pub(crate) text: Option<String>,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        Failure { status, reason: None, text: None }
    }
}

impl Failure {
    /// With an explanation, which costs an allocation.
    pub(crate) fn new(status: Status, why: impl ToString) -> Failure {
        Failure { status, reason: None, text: Some(why.to_string()) }
    }

    /// With the error that was the reason, and what was the reason of that.
    pub(crate) fn chain(status: Status, error: &dyn Error) -> Failure {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        Failure::new(status, text)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure { reason: error.reason(), ..Failure::chain(error.status(), &error) }
    }
}

/// What a body comes to.
pub(crate) type Outcome = Result<(), Failure>;

/// Runs the body of a function.
pub(crate) fn run(body: impl FnOnce() -> Outcome) -> mqtt_status {
    // What a panic has interrupted is poisoned: `Table::with` sees to that.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => mqtt_status::Ok,
        Ok(Err(failure)) => failure.status.into(),
        Err(_) => mqtt_status::Panicked,
    }
}

/// Runs the body of a function that explains its failures if `error_out` is given.
///
/// # Safety
/// `error_out` is NULL or valid for a write.
pub(crate) unsafe fn explain(
    error_out: *mut *mut mqtt_error,
    body: impl FnOnce() -> Outcome,
) -> mqtt_status {
    let mut failure = None;
    let status = run(|| {
        body().map_err(|error| {
            let status = error.status;
            failure = Some(error);
            status.into()
        })
    });
    if status != mqtt_status::Ok && !error_out.is_null() && error_out.is_aligned() {
        let failure = failure.unwrap_or_else(|| Status::Panicked.into());
        let error = Box::into_raw(Box::new(mqtt_error::from(failure)));
        // SAFETY: it is not null, aligned, and the caller promises the rest.
        unsafe { error_out.write(error) };
    }
    status
}

/// Runs a getter, which has `nothing` to give when its argument is null or it panics.
pub(crate) fn get<T>(nothing: T, body: impl FnOnce() -> Option<T>) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Some(value)) => value,
        Ok(None) | Err(_) => nothing,
    }
}
