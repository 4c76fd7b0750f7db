//! What goes wrong, as JavaScript sees it: an Error whose `code` is `MQTT_` and the status.

use std::error::Error as _;

use libmqtt_runtime::{BrokerError, ClientError, Status};
use napi_derive::napi;

/// The code of an error: that of Node-API, or one of ours.
pub struct Code(String);

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<napi::Status> for Code {
    fn from(status: napi::Status) -> Code {
        Code(status.as_ref().to_owned())
    }
}

impl From<Status> for Code {
    fn from(status: Status) -> Code {
        Code(code_of(status))
    }
}

/// What the addon's functions return.
pub type Result<T> = core::result::Result<T, napi::Error<Code>>;

/// `QueueFull` as `MQTT_QUEUE_FULL`.
fn code_of(status: Status) -> String {
    let mut code = "MQTT".to_owned();
    for letter in status.name().chars() {
        if letter.is_ascii_uppercase() {
            code.push('_');
        }
        code.push(letter.to_ascii_uppercase());
    }
    code
}

/// The error with all of its causes in words.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !words.ends_with(&more) {
            words = format!("{words}: {more}");
        }
        cause = next.source();
    }
    words
}

/// A client's error.
pub(crate) fn client(error: ClientError) -> napi::Error<Code> {
    napi::Error::new(error.status().into(), words(&error))
}

/// A broker's error.
pub(crate) fn broker(error: BrokerError) -> napi::Error<Code> {
    let mut words = words(&error);
    if let BrokerError::Listen { .. } = error
        && let Some(source) =
            error.source().and_then(|source| source.downcast_ref::<std::io::Error>())
        && let Some(name) = crate::client::errno_name(source)
    {
        words = format!("{name}: {words}");
    }
    napi::Error::new(error.status().into(), words)
}

/// Something that the program gave and that cannot be used.
pub(crate) fn argument(words: impl Into<String>) -> napi::Error<Code> {
    napi::Error::new(Status::BadArgument.into(), words.into())
}

/// One of the stable statuses.
#[napi(object)]
pub struct StatusInfo {
    /// Its number.
    pub number: i32,
    /// The code of its errors.
    pub code: String,
    /// What it means.
    pub message: String,
}

/// Every status.
#[napi]
pub fn statuses() -> Vec<StatusInfo> {
    Status::ALL
        .iter()
        .map(|&status| StatusInfo {
            number: status.code(),
            code: code_of(status),
            message: status.message().to_owned(),
        })
        .collect()
}
