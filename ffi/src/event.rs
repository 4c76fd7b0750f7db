//! Events of a client or an engine.

use core::ffi::c_int;
use std::sync::OnceLock;

use libmqtt_runtime::engine::client::{Cause, Connected, Event, Outcome};
use libmqtt_runtime::{Properties, Reason, Status};

use crate::argument::{Out, borrow, take};
use crate::boundary::{Failure, get, run};
use crate::message::mqtt_message;
use crate::property::mqtt_properties;
use crate::status::mqtt_status;
use crate::view::{mqtt_bytes, mqtt_text};

/// What an event is about. New kinds may come: pass over those you do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum mqtt_event_type {
    /// No event.
    None = 0,
    /// The server has accepted the connection. Has: text (the Client Identifier), session_present,
    /// session_lost, properties, limits.
    Connected = 1,
    /// A connection, or an attempt to make one, has ended. Has: status and text (why), reason and
    /// properties (if the server gave them), retry_in_ms.
    Disconnected = 2,
    /// A message has come. Has: message.
    Message = 3,
    /// An operation has ended. Has: token, status, reason, reasons, properties, text, and message
    /// if it was a request.
    Done = 4,
    /// The server asks for Authentication Data: answer with `…_authenticate`. Has: data,
    /// properties.
    Challenge = 5,
    /// A subscription could not be made again after the server had lost the Session. Has: text
    /// (the Topic Filter), reason.
    SubscriptionLost = 6,
    /// Of an engine alone: open a transport to the server in text, then call
    /// `mqtt_engine_handle_open`, or `mqtt_engine_handle_closed` if that fails.
    Dial = 7,
    /// Of an engine alone: write what `mqtt_engine_outgoing` still has as far as it goes at once,
    /// then close the transport, or give up dialling.
    Close = 8,
}

/// What a server takes on one connection. MQTT 5.0 §3.2.2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum mqtt_limit {
    /// Protocol Level that is spoken: `MQTT_V31`, `MQTT_V311` or `MQTT_V5`.
    ProtocolLevel = 1,
    /// Seconds between packets of the client at most; 0: no limit.
    KeepAliveS = 2,
    /// Seconds that the Session outlives the connection; 4294967295: for ever.
    SessionExpiryS = 3,
    /// Messages at QoS 1 and 2 that may wait for their acknowledgement.
    ReceiveMaximum = 4,
    /// Bytes of the largest packet.
    MaximumPacketSize = 5,
    /// Highest QoS of a message.
    MaximumQos = 6,
    /// Whether messages may be retained.
    Retain = 7,
    /// Topic Aliases that the client may assign.
    TopicAliasMaximum = 8,
    /// Whether filters may have wildcards.
    WildcardSubscriptions = 9,
    /// Whether subscriptions may have identifiers.
    SubscriptionIdentifiers = 10,
    /// Whether subscriptions may be shared.
    SharedSubscriptions = 11,
}

/// What has happened. It does not change.
///
/// One that a callback gets lives until the callback returns; one that was asked for lives until
/// it is freed. What its getters give lives as long. A getter of what an event of its kind does
/// not have, or of NULL, gives nothing: 0, NULL or false.
#[derive(Debug)]
pub struct mqtt_event {
    what: What,
    /// Copies for who asks.
    properties: OnceLock<mqtt_properties>,
    text: OnceLock<String>,
}

#[derive(Debug)]
enum What {
    Message(mqtt_message),
    Reply(u64, mqtt_message),
    Other(Event),
}

impl From<Event> for mqtt_event {
    fn from(event: Event) -> mqtt_event {
        let what = match event {
            Event::Message(received) => What::Message(received.into()),
            Event::Done(token, Outcome::Reply(message)) => {
                What::Reply(token.as_u64(), message.into())
            }
            other => What::Other(other),
        };
        mqtt_event { what, properties: OnceLock::new(), text: OnceLock::new() }
    }
}

/// The Reason Code of what became of an operation; of several the highest.
pub(crate) fn outcome_reason(outcome: &Outcome) -> Reason {
    match outcome {
        Outcome::Acknowledged(answer) | Outcome::Refused(answer) => answer.reason,
        Outcome::Subscribed(answers) | Outcome::Unsubscribed(answers) => {
            answers.reasons.iter().copied().max().unwrap_or(Reason::Success)
        }
        Outcome::Unsendable(reason) => *reason,
        _ => Reason::Success,
    }
}

/// The status of what became of an operation. One on several filters is refused if one of them is.
pub(crate) fn outcome_status(outcome: &Outcome) -> Status {
    match Status::from(outcome) {
        Status::Ok if outcome_reason(outcome).is_error() => Status::Refused,
        status => status,
    }
}

fn cause_reason(cause: &Cause) -> Reason {
    match cause {
        Cause::Refused(answer) | Cause::ServerDisconnect(answer) => answer.reason,
        Cause::Violation(reason, _) => *reason,
        _ => Reason::Success,
    }
}

fn cause_text(cause: &Cause) -> String {
    match cause {
        Cause::Refused(answer) | Cause::ServerDisconnect(answer) => {
            match answer.properties.view().reason_string() {
                Some(said) => format!("{}: {said}", answer.reason),
                None => answer.reason.to_string(),
            }
        }
        Cause::Violation(_, violation) => violation.to_string(),
        Cause::Requested => "as asked for".to_owned(),
        other => Status::from(other).message().to_owned(),
    }
}

fn limit(connected: &Connected, limit: c_int) -> Option<u32> {
    use mqtt_limit as L;
    let limits = &connected.limits;
    let is = |wanted: L| limit == wanted as c_int;
    Some(match () {
        () if is(L::ProtocolLevel) => connected.version.level().into(),
        () if is(L::KeepAliveS) => limits.keep_alive_s.into(),
        () if is(L::SessionExpiryS) => limits.session_expiry_s,
        () if is(L::ReceiveMaximum) => limits.receive_maximum.into(),
        () if is(L::MaximumPacketSize) => limits.maximum_packet_size,
        () if is(L::MaximumQos) => limits.maximum_qos as u32,
        () if is(L::Retain) => limits.retain.into(),
        () if is(L::TopicAliasMaximum) => limits.topic_alias_maximum.into(),
        () if is(L::WildcardSubscriptions) => limits.wildcard_subscriptions.into(),
        () if is(L::SubscriptionIdentifiers) => limits.subscription_identifiers.into(),
        () if is(L::SharedSubscriptions) => limits.shared_subscriptions.into(),
        () => return None,
    })
}

impl mqtt_event {
    fn other(&self) -> Option<&Event> {
        match &self.what {
            What::Other(event) => Some(event),
            What::Message(_) | What::Reply(..) => None,
        }
    }

    fn kind(&self) -> mqtt_event_type {
        match &self.what {
            What::Message(_) => mqtt_event_type::Message,
            What::Reply(..) => mqtt_event_type::Done,
            What::Other(event) => match event {
                Event::Dial(_) => mqtt_event_type::Dial,
                Event::Close => mqtt_event_type::Close,
                Event::Connected(_) => mqtt_event_type::Connected,
                Event::Disconnected(_) => mqtt_event_type::Disconnected,
                Event::Message(_) => mqtt_event_type::Message,
                Event::Done(..) => mqtt_event_type::Done,
                Event::Challenge(_) => mqtt_event_type::Challenge,
                Event::SubscriptionLost(..) => mqtt_event_type::SubscriptionLost,
                Event::PacketSent(_) | Event::PacketReceived(_) => {
                    unreachable!("no client of this face is watched")
                }
            },
        }
    }

    /// Status and Reason Code.
    fn result(&self) -> (Status, Reason) {
        match self.other() {
            Some(Event::Done(_, done)) => (outcome_status(done), outcome_reason(done)),
            // What was asked for is no failure.
            Some(Event::Disconnected(ended)) if ended.cause == Cause::Requested => {
                (Status::Ok, Reason::Success)
            }
            Some(Event::Disconnected(ended)) => {
                (Status::from(&ended.cause), cause_reason(&ended.cause))
            }
            Some(Event::SubscriptionLost(_, reason)) => (Status::Refused, *reason),
            _ => (Status::Ok, Reason::Success),
        }
    }

    fn section(&self) -> Option<Properties<'_>> {
        Some(match self.other()? {
            Event::Connected(connected) => connected.properties.view(),
            Event::Disconnected(ended) => match &ended.cause {
                Cause::Refused(answer) | Cause::ServerDisconnect(answer) => {
                    answer.properties.view()
                }
                _ => return None,
            },
            Event::Done(_, done) => match done {
                Outcome::Acknowledged(answer) | Outcome::Refused(answer) => {
                    answer.properties.view()
                }
                Outcome::Subscribed(answers) | Outcome::Unsubscribed(answers) => {
                    answers.properties.view()
                }
                _ => return None,
            },
            Event::Challenge(challenge) => challenge.properties.view(),
            _ => return None,
        })
    }

    fn words(&self) -> Option<&str> {
        Some(match self.other()? {
            Event::Connected(connected) => &connected.client_id,
            Event::SubscriptionLost(filter, _) => filter,
            Event::Dial(server) => server,
            Event::Disconnected(ended) => self.text.get_or_init(|| cause_text(&ended.cause)),
            Event::Done(_, done) => self.text.get_or_init(|| match done {
                Outcome::Refused(answer) => answer.reason.to_string(),
                done => outcome_status(done).message().to_owned(),
            }),
            _ => return None,
        })
    }
}

/// Calls a getter with an event, if it is one.
fn look<T>(
    nothing: T,
    event: *const mqtt_event,
    getter: impl FnOnce(&'static mqtt_event) -> Option<T>,
) -> T {
    get(nothing, || {
        // SAFETY: the caller of the getter promises; what it gets lives as long as the event.
        getter(unsafe { borrow(event) }.ok()?)
    })
}

/// Frees an event that was asked for; NULL is nothing. Never for one that a callback got.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_free(event: *mut mqtt_event) {
    // SAFETY: the caller promises.
    unsafe { take(event) }
}

/// What it is about. For NULL: `MQTT_EVENT_TYPE_NONE`. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_get_type(event: *const mqtt_event) -> mqtt_event_type {
    look(mqtt_event_type::None, event, |event| Some(event.kind()))
}

/// The token of the operation that has ended. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_token(event: *const mqtt_event) -> u64 {
    look(0, event, |event| match &event.what {
        What::Reply(token, _) => Some(*token),
        What::Other(Event::Done(token, _)) => Some(token.as_u64()),
        _ => None,
    })
}

/// What became of an operation, or why a connection ended; else `MQTT_STATUS_OK`. An operation on
/// several Topic Filters is refused if one of them is.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_status(event: *const mqtt_event) -> mqtt_status {
    look(mqtt_status::Ok, event, |event| Some(event.result().0.into()))
}

/// The Reason Code that came with it; of several the highest. Thread: also in callbacks.
/// Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_reason(event: *const mqtt_event) -> u8 {
    look(0, event, |event| Some(event.result().1 as u8))
}

/// The Reason Codes of a SUBACK or UNSUBACK, one byte for each Topic Filter in order.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_reasons(event: *const mqtt_event) -> mqtt_bytes {
    look(mqtt_bytes::NONE, event, |event| match event.other()? {
        Event::Done(_, Outcome::Subscribed(answers) | Outcome::Unsubscribed(answers)) => {
            let reasons = &answers.reasons[..];
            // A Reason is a byte.
            Some(mqtt_bytes { data: reasons.as_ptr().cast(), len: reasons.len() })
        }
        _ => None,
    })
}

/// The message that has come, or the reply to a request. It belongs to the event:
/// `mqtt_message_ref` keeps it longer. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_message(event: *const mqtt_event) -> *const mqtt_message {
    look(core::ptr::null(), event, |event| match &event.what {
        What::Message(message) | What::Reply(_, message) => Some(message),
        What::Other(_) => None,
    })
}

/// The properties of the packet that it came with (not those of a message). They belong to the
/// event. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_properties(event: *const mqtt_event) -> *const mqtt_properties {
    look(core::ptr::null(), event, |event| {
        let section = event.section()?;
        Some(event.properties.get_or_init(|| section.into()))
    })
}

/// The text of an event, as its kind says. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_text(event: *const mqtt_event) -> mqtt_text {
    look(mqtt_text::NONE, event, |event| Some(event.words()?.into()))
}

/// The Authentication Data of a challenge, if it has some. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_data(event: *const mqtt_event) -> mqtt_bytes {
    look(mqtt_bytes::NONE, event, |event| match event.other()? {
        Event::Challenge(challenge) => Some(challenge.data.as_deref().into()),
        _ => None,
    })
}

/// Whether the server went on with the Session. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_session_present(event: *const mqtt_event) -> bool {
    look(false, event, |event| match event.other()? {
        Event::Connected(connected) => Some(connected.session_present),
        _ => None,
    })
}

/// Whether messages and subscriptions of an earlier connection were lost with the Session.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_session_lost(event: *const mqtt_event) -> bool {
    look(false, event, |event| match event.other()? {
        Event::Connected(connected) => Some(connected.session_lost),
        _ => None,
    })
}

/// Milliseconds until the next attempt to connect; -1: there will be none.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_retry_in_ms(event: *const mqtt_event) -> i64 {
    look(-1, event, |event| match event.other()? {
        Event::Disconnected(ended) => {
            Some(i64::try_from(ended.retry_in?.as_millis()).unwrap_or(i64::MAX))
        }
        _ => None,
    })
}

/// Sets `value_out` to a limit of the connection that was accepted. `limit` is one of
/// `MQTT_LIMIT_…`.
///
/// Returns `MQTT_STATUS_NOT_FOUND` if the event is of another kind, `MQTT_STATUS_BAD_ARGUMENT` if
/// there is no such limit. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_event_limit(
    event: *const mqtt_event,
    which: c_int,
    value_out: *mut u32,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (event, out) = unsafe { (borrow(event)?, Out::new(value_out)?) };
        let Some(Event::Connected(connected)) = event.other() else {
            return Err(Status::NotFound.into());
        };
        let unknown = || Failure::new(Status::BadArgument, "there is no such limit");
        out.set(limit(connected, which).ok_or_else(unknown)?);
        Ok(())
    })
}
