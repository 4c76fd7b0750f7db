//! Log lines.

use core::ffi::c_void;
use std::io::Write;

use libmqtt_runtime::{Level, Log};

use crate::userdata::{Userdata, mqtt_free_fn};
use crate::view::mqtt_text;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum mqtt_log_level {
    /// Something failed that should not.
    Error = 1,
    /// Something may go wrong, or went wrong for a peer.
    Warn = 2,
    /// Something happens now and then.
    Info = 3,
    /// Details.
    Debug = 4,
    /// More details.
    Trace = 5,
}

/// Called with a log line: `level` is one of `MQTT_LOG_LEVEL_…`, `line` lives until it returns.
/// It is called on threads that carry traffic, several at once, and should not wait.
pub type mqtt_log_fn =
    Option<unsafe extern "C" fn(userdata: *mut c_void, level: u8, line: mqtt_text)>;

/// Lines longer than this are cut.
const LINE_MAX: usize = 512;

/// A log that calls the program; NULL: no log.
pub(crate) fn log(callback: mqtt_log_fn, userdata: *mut c_void, free: mqtt_free_fn) -> Log {
    let userdata = Userdata::new(userdata, free);
    let Some(callback) = callback else { return Log::off() };
    Log::to(move |level, line| {
        let level = match level {
            Level::Error => mqtt_log_level::Error,
            Level::Warn => mqtt_log_level::Warn,
            Level::Info => mqtt_log_level::Info,
            Level::Debug => mqtt_log_level::Debug,
            Level::Trace => mqtt_log_level::Trace,
        };
        let mut buffer = [0; LINE_MAX];
        let mut rest = &mut buffer[..];
        // Fails when the line is longer than the buffer, which then has its beginning.
        let _ = write!(rest, "{line}");
        let len = LINE_MAX - rest.len();
        let written = &buffer[..len];
        let text = match core::str::from_utf8(written) {
            Ok(text) => text,
            Err(error) => core::str::from_utf8(&written[..error.valid_up_to()]).unwrap_or(""),
        };
        // SAFETY: the program gave the function for this, with its data, which still live.
        unsafe { callback(userdata.data(), level as u8, text.into()) };
    })
}
