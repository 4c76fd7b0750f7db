//! Application Messages.

use std::sync::OnceLock;

use libmqtt_runtime::engine::client::{AckId, Received};
use libmqtt_runtime::{Message, Publish};

use crate::argument::{borrow, give, take};
use crate::boundary::get;
use crate::property::mqtt_properties;
use crate::view::{mqtt_bytes, mqtt_text};

/// An Application Message that was received, or that a broker is asked about. It does not change,
/// and any thread may look at it.
#[derive(Debug)]
pub struct mqtt_message {
    body: Body,
    dup: bool,
    ack: Option<AckId>,
    /// A copy for who asks.
    properties: OnceLock<mqtt_properties>,
}

#[derive(Debug)]
enum Body {
    Owned(Message),
    /// Somebody else's, for the time of a callback.
    Lent(Publish<'static>),
}

impl From<Message> for mqtt_message {
    fn from(message: Message) -> mqtt_message {
        let body = Body::Owned(message);
        mqtt_message { body, dup: false, ack: None, properties: OnceLock::new() }
    }
}

impl From<Received> for mqtt_message {
    fn from(received: Received) -> mqtt_message {
        let Received { message, dup, ack, .. } = received;
        mqtt_message { dup, ack, ..mqtt_message::from(message) }
    }
}

impl mqtt_message {
    /// Shows a message that somebody else owns.
    pub(crate) fn lend<R>(publish: &Publish<'_>, body: impl FnOnce(&mqtt_message) -> R) -> R {
        // SAFETY: only the lifetime changes, and the message goes before this function returns:
        // `body` gets a reference that it cannot keep, and `mqtt_message_ref` copies.
        let lent: Publish<'static> = unsafe { core::mem::transmute(*publish) };
        let message = mqtt_message {
            body: Body::Lent(lent),
            dup: publish.dup,
            ack: None,
            properties: OnceLock::new(),
        };
        body(&message)
    }

    pub(crate) fn ack(&self) -> Option<AckId> {
        self.ack
    }

    /// An owned one.
    pub(crate) fn message(&self) -> Message {
        match &self.body {
            Body::Owned(message) => message.clone(),
            Body::Lent(publish) => Message::copy(publish),
        }
    }

    fn view(&self) -> Publish<'_> {
        match &self.body {
            Body::Owned(message) => message.view(),
            Body::Lent(publish) => *publish,
        }
    }
}

/// Calls a getter with a message, if it is one.
fn look<T>(
    nothing: T,
    message: *const mqtt_message,
    getter: impl FnOnce(&'static mqtt_message) -> T,
) -> T {
    get(nothing, || {
        // SAFETY: the caller of the getter promises; what it gets lives as long as the message.
        Some(getter(unsafe { borrow(message) }.ok()?))
    })
}

/// Keeps a message longer than the callback or the event that it came with.
///
/// Its memory is shared, not copied (in hooks of a broker it is copied). The caller frees the
/// result with `mqtt_message_free`. NULL for NULL. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_message_ref(message: *const mqtt_message) -> *mut mqtt_message {
    look(core::ptr::null_mut(), message, |message| {
        let (dup, ack) = (message.dup, message.ack);
        give(mqtt_message { dup, ack, ..mqtt_message::from(message.message()) })
    })
}

/// Frees a message that `mqtt_message_ref` gave; NULL is nothing.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_message_free(message: *mut mqtt_message) {
    // SAFETY: the caller promises.
    unsafe { take(message) }
}

/// Its Topic Name. It lives as long as the message. For NULL: nothing.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_message_topic(message: *const mqtt_message) -> mqtt_text {
    look(mqtt_text::NONE, message, |message| message.view().topic.into())
}

/// Its payload. It lives as long as the message. For NULL: nothing.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_message_payload(message: *const mqtt_message) -> mqtt_bytes {
    look(mqtt_bytes::NONE, message, |message| message.view().payload.into())
}

/// Its QoS: 0, 1 or 2. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_message_qos(message: *const mqtt_message) -> u8 {
    look(0, message, |message| message.view().qos as u8)
}

/// Its RETAIN flag. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_message_retain(message: *const mqtt_message) -> bool {
    look(false, message, |message| message.view().retain)
}

/// Its DUP flag: whether the peer had tried to send it before.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_message_dup(message: *const mqtt_message) -> bool {
    look(false, message, |message| message.dup)
}

/// Its properties, perhaps none. They belong to the message and live as long. NULL for NULL.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_message_properties(
    message: *const mqtt_message,
) -> *const mqtt_properties {
    look(core::ptr::null(), message, |message| {
        message.properties.get_or_init(|| message.view().properties.into())
    })
}
