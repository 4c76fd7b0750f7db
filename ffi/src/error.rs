//! Why a call failed, at length.

use crate::argument::{borrow, take};
use crate::boundary::{Failure, get};
use crate::status::mqtt_status;
use crate::view::mqtt_text;

/// Why a call failed.
#[derive(Debug)]
pub struct mqtt_error {
    status: mqtt_status,
    reason: u8,
    text: String,
}

impl From<Failure> for mqtt_error {
    fn from(failure: Failure) -> mqtt_error {
        mqtt_error {
            status: failure.status.into(),
            reason: failure.reason.map_or(0, |reason| reason as u8),
            text: failure.text.unwrap_or_else(|| failure.status.message().to_owned()),
        }
    }
}

/// Frees an error; NULL is nothing. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_error_free(error: *mut mqtt_error) {
    // SAFETY: the caller promises.
    unsafe { take(error) }
}

/// The status that the call returned. For NULL: `MQTT_STATUS_NULL_ARGUMENT`.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_error_status(error: *const mqtt_error) -> mqtt_status {
    // SAFETY: the caller promises.
    get(mqtt_status::NullArgument, || Some(unsafe { borrow(error) }.ok()?.status))
}

/// The Reason Code that the peer gave; 0 if it gave none, or for NULL.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_error_reason(error: *const mqtt_error) -> u8 {
    // SAFETY: the caller promises.
    get(0, || Some(unsafe { borrow(error) }.ok()?.reason))
}

/// What went wrong, in words for people. It lives as long as the error. For NULL: nothing.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_error_message(error: *const mqtt_error) -> mqtt_text {
    // SAFETY: the caller promises.
    get(mqtt_text::NONE, || Some(unsafe { borrow(error) }.ok()?.text.as_str().into()))
}
