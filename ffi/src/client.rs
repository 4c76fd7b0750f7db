//! A client on the library's loop, or on the program's.

use core::ffi::{c_char, c_void};
use std::sync::Arc;

use libmqtt_runtime::engine::client::{Answers, Secret, Token};
use libmqtt_runtime::{Client, ClientError, Event, Log, Runtime, Status};

use crate::argument::{Out, borrow, bytes, give, reason, text};
use crate::boundary::{Failure, Outcome, explain, get, run};
use crate::client_config::mqtt_client_config;
use crate::error::mqtt_error;
use crate::event::mqtt_event;
use crate::handle::Table;
use crate::listener::{Listener, mqtt_event_fn, mqtt_ready_fn};
use crate::message::mqtt_message;
use crate::operation::{
    PublishArgs, filters, goodbye, mqtt_subscription, reply, span, subscriptions,
};
use crate::property::{given, mqtt_properties};
use crate::run_loop::{self, mqtt_loop};
use crate::status::mqtt_status;
use crate::userdata::{Userdata, mqtt_free_fn};
use crate::view::mqtt_text;

/// A client. Every function may be called from any thread, also in callbacks, except that those
/// that wait (`…_wait` and `mqtt_client_next_event`) fail in callbacks with
/// `MQTT_STATUS_WOULD_DEADLOCK`.
pub struct mqtt_client {
    _private: (),
}

struct Handle {
    client: Client,
    listener: Arc<Listener>,
}

static CLIENTS: Table<Handle> = Table::new(1);

/// Gives a client to the program.
pub(crate) fn insert(client: Client) -> Result<*mut mqtt_client, Failure> {
    CLIENTS.insert(Handle { client, listener: Arc::default() })
}

fn with<R>(
    client: *const mqtt_client,
    body: impl FnOnce(&Client) -> Result<R, ClientError>,
) -> Result<R, Failure> {
    CLIENTS.with(client, |handle| Ok(body(&handle.client)?))
}

/// Has the client begin something that ends with a token.
unsafe fn begin(
    client: *mut mqtt_client,
    token_out: *mut u64,
    body: impl FnOnce(&Client) -> Result<Token, ClientError>,
) -> Outcome {
    // SAFETY: the caller promises.
    let out = unsafe { Out::maybe(token_out) }?;
    out.set(with(client, body)?.as_u64());
    Ok(())
}

/// Makes a client, which does nothing before it is told to connect. The configuration is copied.
///
/// `served_by` is the loop that serves it; NULL: it gets one of its own, on a thread of the
/// library. The caller frees the client with `mqtt_client_free`. Returns
/// `MQTT_STATUS_BAD_ARGUMENT` if a server cannot be used, `MQTT_STATUS_SYSTEM_REFUSED` if there is
/// no thread or descriptor left, `MQTT_STATUS_STORAGE_FAILED` if its file in `data_directory` does
/// not open, which stays as it is; `error_out` (NULL: not wanted) then gets an explanation, which
/// the caller frees. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_new(
    config: *const mqtt_client_config,
    served_by: *mut mqtt_loop,
    client_out: *mut *mut mqtt_client,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let (config, out) = unsafe { (borrow(config)?, Out::new(client_out)?) };
        let options = config.options()?;
        out.set(insert(match served_by.is_null() {
            true => Client::new(&Runtime::with_log(Log::off())?, options)?,
            false => run_loop::client(served_by, options)?,
        })?);
        Ok(())
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Frees a client; NULL is nothing, and so is one that was freed. If it is connected, it says
/// DISCONNECT first. What waits to be sent is lost: for that, `mqtt_client_close` comes before.
///
/// Calls of other threads with it end safely. On return its callback is not running and will not
/// be called again, with two exceptions: in the callback itself, and when the callback takes
/// longer than 5 seconds; `free_userdata` tells. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_client_free(client: *mut mqtt_client) {
    get((), || {
        CLIENTS.remove(client, |handle| {
            handle.listener.shut();
            handle.client.close(core::time::Duration::ZERO);
        });
        Some(())
    });
}

/// Has `callback` called with every event from now on, and those that wait, on the loop's thread.
/// Called again, it replaces the callback. NULL is refused.
///
/// Every function may be called in it, `mqtt_client_free` too. It must not throw. Events come one
/// after the other. `free_userdata` is called once the callback is not running and will not be
/// called any more. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_on_event(
    client: *mut mqtt_client,
    callback: mqtt_event_fn,
    userdata: *mut c_void,
    free_userdata: mqtt_free_fn,
) -> mqtt_status {
    run(|| {
        let userdata = Userdata::new(userdata, free_userdata);
        let callback = callback.ok_or(Status::NullArgument)?;
        CLIENTS.with(client, |handle| {
            handle.client.on_event(handle.listener.clone().events(callback, userdata));
            Ok(())
        })
    })
}

/// Has `callback` called when events come while none wait, on the loop's thread; again only after
/// `mqtt_client_next_event` has taken them all. For programs that poll events: let it write to an
/// eventfd or a pipe. Otherwise as `mqtt_client_on_event`, which excludes it.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_on_ready(
    client: *mut mqtt_client,
    callback: mqtt_ready_fn,
    userdata: *mut c_void,
    free_userdata: mqtt_free_fn,
) -> mqtt_status {
    run(|| {
        let userdata = Userdata::new(userdata, free_userdata);
        let callback = callback.ok_or(Status::NullArgument)?;
        CLIENTS.with(client, |handle| {
            handle.client.on_ready(handle.listener.clone().ready(callback, userdata));
            Ok(())
        })
    })
}

/// Starts connecting, and connecting again as the configuration says; while a retry is pending, it
/// comes at once. `MQTT_EVENT_TYPE_CONNECTED` or `MQTT_EVENT_TYPE_DISCONNECTED` follows.
///
/// Returns `MQTT_STATUS_BAD_ARGUMENT` if the configuration does not do or the client is connected
/// or connecting already; `error_out` (NULL: not wanted) then gets an explanation, which the
/// caller frees. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_connect(
    client: *mut mqtt_client,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    // SAFETY: the caller promises.
    unsafe { explain(error_out, || with(client, Client::start)) }
}

/// Publishes a message: topic, payload, QoS (0, 1, 2), RETAIN, properties (NULL: none), all of
/// which are copied. Without connection it waits for one.
///
/// `token_out` gets a number that `MQTT_EVENT_TYPE_DONE` repeats: after the write for QoS 0, after
/// PUBACK for 1, after PUBCOMP for 2. NULL: nobody asks, and there is no such event.
/// Returns, keeping nothing, `MQTT_STATUS_BAD_TOPIC`, `MQTT_STATUS_BAD_ARGUMENT`,
/// `MQTT_STATUS_QUEUE_FULL` when too much waits, `MQTT_STATUS_PACKET_TOO_LARGE` or
/// `MQTT_STATUS_REFUSED` when the server does not take it.
/// Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §3.3.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_publish(
    client: *mut mqtt_client,
    topic: *const c_char,
    topic_len: usize,
    payload: *const c_void,
    payload_len: usize,
    qos: u8,
    retain: bool,
    properties: *const mqtt_properties,
    token_out: *mut u64,
) -> mqtt_status {
    let args = PublishArgs { topic, topic_len, payload, payload_len, qos, retain, properties };
    run(|| {
        // SAFETY: the caller promises.
        let message = unsafe { args.read() }?;
        if token_out.is_null() {
            return with(client, |client| client.send(&message));
        }
        // SAFETY: the caller promises.
        unsafe { begin(client, token_out, |client| client.publish(&message)) }
    })
}

/// Publishes a message, and waits for at most `timeout_ms` until it is written (QoS 0) or
/// acknowledged. `reason_out` (NULL: not wanted) gets the Reason Code of the acknowledgement.
///
/// Returns what `mqtt_client_publish` does, `MQTT_STATUS_REFUSED` if the server refused it,
/// `MQTT_STATUS_TIMED_OUT` (it goes on, and `MQTT_EVENT_TYPE_DONE` comes),
/// `MQTT_STATUS_WOULD_DEADLOCK` in a callback; `error_out` (NULL: not wanted) then gets an
/// explanation, which the caller frees. Thread: any. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_publish_wait(
    client: *mut mqtt_client,
    topic: *const c_char,
    topic_len: usize,
    payload: *const c_void,
    payload_len: usize,
    qos: u8,
    retain: bool,
    properties: *const mqtt_properties,
    timeout_ms: u32,
    reason_out: *mut u8,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let args = PublishArgs { topic, topic_len, payload, payload_len, qos, retain, properties };
    let body = || {
        // SAFETY: the caller promises.
        let (message, out) = unsafe { (args.read()?, Out::maybe(reason_out)?) };
        out.set(with(client, |client| client.publish_wait(&message, span(timeout_ms)))? as u8);
        Ok(())
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Waits for at most `timeout_ms` until all that was published before at QoS 1 and 2 is on disk in
/// the client's `data_directory`, and so will be sent whatever becomes of this process; and what was
/// acknowledged by the program at QoS 2, and so does not come again.
///
/// Returns `MQTT_STATUS_BAD_STATE` without a `data_directory`, `MQTT_STATUS_STORAGE_FAILED` when
/// nothing can be stored, `MQTT_STATUS_TIMED_OUT`, `MQTT_STATUS_WOULD_DEADLOCK` in a callback;
/// `error_out` (NULL: not wanted) then gets an explanation, which the caller frees. Thread: any.
/// Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_flush_wait(
    client: *mut mqtt_client,
    timeout_ms: u32,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    // SAFETY: the caller promises.
    unsafe { explain(error_out, || with(client, |client| client.flush(span(timeout_ms)))) }
}

/// Publishes a message and awaits a reply to it. Response Topic and Correlation Data are set, and
/// the topic of the reply is subscribed to, by the client. MQTT 5.0 alone.
///
/// `MQTT_EVENT_TYPE_DONE` with this token has the reply as its message, or the status
/// `MQTT_STATUS_TIMED_OUT` after `timeout_ms`. Otherwise as `mqtt_client_publish`.
/// Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §4.10.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_request(
    client: *mut mqtt_client,
    topic: *const c_char,
    topic_len: usize,
    payload: *const c_void,
    payload_len: usize,
    qos: u8,
    properties: *const mqtt_properties,
    timeout_ms: u32,
    token_out: *mut u64,
) -> mqtt_status {
    let retain = false;
    let args = PublishArgs { topic, topic_len, payload, payload_len, qos, retain, properties };
    run(|| {
        // SAFETY: the caller promises.
        let message = unsafe { args.read() }?;
        let request = |client: &Client| client.request_start(&message, span(timeout_ms));
        // SAFETY: the caller promises.
        unsafe { begin(client, token_out, request) }
    })
}

/// Publishes a message, and waits for at most `timeout_ms` for a reply to it, which the caller
/// frees with `mqtt_message_free`.
///
/// Returns what `mqtt_client_publish_wait` does. Thread: any. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_request_wait(
    client: *mut mqtt_client,
    topic: *const c_char,
    topic_len: usize,
    payload: *const c_void,
    payload_len: usize,
    qos: u8,
    properties: *const mqtt_properties,
    timeout_ms: u32,
    reply_out: *mut *mut mqtt_message,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let retain = false;
    let args = PublishArgs { topic, topic_len, payload, payload_len, qos, retain, properties };
    let body = || {
        // SAFETY: the caller promises.
        let (message, out) = unsafe { (args.read()?, Out::new(reply_out)?) };
        let reply = with(client, |client| client.request(&message, span(timeout_ms)))?;
        out.set(give(mqtt_message::from(reply)));
        Ok(())
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Publishes the reply to a request that was received: to its Response Topic, with its Correlation
/// Data, at its QoS.
///
/// Returns `MQTT_STATUS_BAD_ARGUMENT` if the message has no Response Topic. Otherwise as
/// `mqtt_client_publish`. Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §4.10.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_respond(
    client: *mut mqtt_client,
    request: *const mqtt_message,
    payload: *const c_void,
    payload_len: usize,
    token_out: *mut u64,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let message = unsafe { reply(request, payload, payload_len) }?;
        if token_out.is_null() {
            return with(client, |client| client.send(&message.view()));
        }
        // SAFETY: the caller promises.
        unsafe { begin(client, token_out, |client| client.publish(&message.view())) }
    })
}

/// Subscribes to `count` Topic Filters with one SUBSCRIBE. A Subscription Identifier and User
/// Properties stand in `properties` (NULL: none). All is copied. Without connection it waits for
/// one; what was granted is asked for again when the server has lost the Session.
///
/// `token_out` (NULL: not wanted) gets a number that `MQTT_EVENT_TYPE_DONE` repeats after SUBACK,
/// with a Reason Code for each filter. Returns, asking for nothing, `MQTT_STATUS_BAD_TOPIC` if a
/// filter is none, `MQTT_STATUS_REFUSED` if the connected server does not take it.
/// Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §3.8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_subscribe(
    client: *mut mqtt_client,
    wanted: *const mqtt_subscription,
    count: usize,
    properties: *const mqtt_properties,
    token_out: *mut u64,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (wanted, properties) = unsafe { (subscriptions(wanted, count)?, given(properties)?) };
        let subscribe = |client: &Client| client.subscribe_start(&wanted, properties);
        // SAFETY: the caller promises.
        unsafe { begin(client, token_out, subscribe) }
    })
}

/// Subscribes to `count` Topic Filters, and waits for at most `timeout_ms` for SUBACK.
/// `reasons_out` (NULL: not wanted) has room for `count` bytes and gets a Reason Code for each
/// filter, also when one is refused.
///
/// Returns `MQTT_STATUS_REFUSED` if one of them is refused. Otherwise as `mqtt_client_subscribe`
/// and `mqtt_client_publish_wait`. Thread: any. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_subscribe_wait(
    client: *mut mqtt_client,
    wanted: *const mqtt_subscription,
    count: usize,
    timeout_ms: u32,
    reasons_out: *mut u8,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let wanted = unsafe { subscriptions(wanted, count) }?;
        let answers = with(client, |client| client.subscribe(&wanted, span(timeout_ms)))?;
        // SAFETY: the caller promises.
        unsafe { tell(&answers, count, reasons_out) }
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Unsubscribes from `count` Topic Filters with one UNSUBSCRIBE. User Properties stand in
/// `properties` (NULL: none). Otherwise as `mqtt_client_subscribe`.
///
/// Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §3.10.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_unsubscribe(
    client: *mut mqtt_client,
    unwanted: *const mqtt_text,
    count: usize,
    properties: *const mqtt_properties,
    token_out: *mut u64,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (unwanted, properties) = unsafe { (filters(unwanted, count)?, given(properties)?) };
        let unsubscribe = |client: &Client| client.unsubscribe_start(&unwanted, properties);
        // SAFETY: the caller promises.
        unsafe { begin(client, token_out, unsubscribe) }
    })
}

/// Unsubscribes from `count` Topic Filters, and waits for at most `timeout_ms` for UNSUBACK.
/// Otherwise as `mqtt_client_subscribe_wait`. Thread: any. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_unsubscribe_wait(
    client: *mut mqtt_client,
    unwanted: *const mqtt_text,
    count: usize,
    timeout_ms: u32,
    reasons_out: *mut u8,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let unwanted = unsafe { filters(unwanted, count) }?;
        let answers = with(client, |client| client.unsubscribe(&unwanted, span(timeout_ms)))?;
        // SAFETY: the caller promises.
        unsafe { tell(&answers, count, reasons_out) }
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Tells a Reason Code for each filter, and whether one is a failure.
///
/// # Safety
/// `reasons_out` is NULL or has room for `count` bytes.
unsafe fn tell(answers: &Answers, count: usize, reasons_out: *mut u8) -> Outcome {
    if !reasons_out.is_null() {
        for (at, reason) in answers.reasons.iter().take(count).enumerate() {
            // SAFETY: there is room, as the caller promises.
            unsafe { reasons_out.add(at).write(*reason as u8) };
        }
    }
    match answers.reasons.iter().find(|reason| reason.is_error()) {
        Some(&reason) => Err(Failure {
            status: Status::Refused,
            reason: Some(reason),
            text: Some(format!("the server refused: {reason}")),
        }),
        None => Ok(()),
    }
}

/// Sends PINGREQ, which the client also does by itself as Keep Alive demands.
///
/// `token_out` (NULL: not wanted) gets a number that `MQTT_EVENT_TYPE_DONE` repeats after
/// PINGRESP. Returns `MQTT_STATUS_NOT_CONNECTED` without connection.
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_ping(
    client: *mut mqtt_client,
    token_out: *mut u64,
) -> mqtt_status {
    // SAFETY: the caller promises.
    run(|| unsafe { begin(client, token_out, Client::ping) })
}

/// Acknowledges a message at QoS 1 or 2 that was received with the option `manual_ack`; a
/// `reason_code` of 0x80 and above refuses it, which only 5.0 can say.
///
/// Returns `MQTT_STATUS_BAD_STATE` if it does not wait for that (any more).
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_acknowledge(
    client: *mut mqtt_client,
    message: *const mqtt_message,
    reason_code: u8,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let ack = unsafe { borrow(message) }?.ack().ok_or(Status::BadState)?;
        let reason = reason(reason_code)?;
        with(client, |client| client.acknowledge(ack, reason))
    })
}

/// Answers `MQTT_EVENT_TYPE_CHALLENGE` with Authentication Data, which are copied.
///
/// Returns `MQTT_STATUS_BAD_STATE` if the server does not wait for that.
/// Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §4.12.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_authenticate(
    client: *mut mqtt_client,
    data: *const c_void,
    data_len: usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let data = unsafe { bytes(data, data_len) }?;
        with(client, |client| client.authenticate(data))
    })
}

/// Authenticates again on the standing connection, beginning with these Authentication Data (NULL:
/// none), which are copied.
///
/// `token_out` (NULL: not wanted) gets a number that `MQTT_EVENT_TYPE_DONE` repeats at the end.
/// Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §4.12.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_reauthenticate(
    client: *mut mqtt_client,
    data: *const c_void,
    data_len: usize,
    token_out: *mut u64,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let first = unsafe { bytes(data, data_len) }?;
        let first = (!data.is_null()).then_some(first);
        // SAFETY: the caller promises.
        unsafe { begin(client, token_out, |client| client.reauthenticate(first)) }
    })
}

/// Replaces User Name and Password (NULL: none), from the next CONNECT on. Both are copied.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_set_credentials(
    client: *mut mqtt_client,
    user_name: *const c_char,
    user_name_len: usize,
    password: *const c_void,
    password_len: usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (name, secret) =
            unsafe { (text(user_name, user_name_len)?, bytes(password, password_len)?) };
        let name = (!user_name.is_null()).then_some(name);
        let secret = (!password.is_null()).then(|| Secret::from(secret));
        with(client, |client| client.set_credentials(name, secret))
    })
}

/// Ends the connection, or the attempts to make one, for good: until `mqtt_client_connect`. A
/// `reason_code` other than 0 makes the server publish the will; `properties` (NULL: none) may
/// have a Session Expiry Interval, Reason String and User Properties.
///
/// Before DISCONNECT it waits for at most `wait_ms` until what was asked for is sent and answered;
/// the call itself does not wait. `MQTT_EVENT_TYPE_DISCONNECTED` follows.
/// Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §3.14.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_disconnect(
    client: *mut mqtt_client,
    reason_code: u8,
    properties: *const mqtt_properties,
    wait_ms: u32,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let how = unsafe { goodbye(reason_code, properties, wait_ms) }?;
        with(client, |client| client.disconnect(how))
    })
}

/// Ends a client for good: says DISCONNECT after what waits was sent and answered, within
/// `deadline_ms`; what is left ends with `MQTT_STATUS_ABANDONED`. Later calls return
/// `MQTT_STATUS_CLOSED`, after the last event also `mqtt_client_next_event`.
///
/// It returns when that is over, at the latest a second after the deadline; in a callback at once.
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_client_close(client: *mut mqtt_client, deadline_ms: u32) -> mqtt_status {
    run(|| {
        with(client, |client| {
            client.close(span(deadline_ms));
            Ok(())
        })
    })
}

/// Connects, and waits for at most `timeout_ms` for CONNACK, through retries if they are
/// configured. `event_out` (NULL: not wanted) gets `MQTT_EVENT_TYPE_CONNECTED`, which the caller
/// frees with `mqtt_event_free`.
///
/// Returns `MQTT_STATUS_REFUSED` with a Reason Code in the error if the server refused,
/// `MQTT_STATUS_CONNECTION_REFUSED`, `MQTT_STATUS_RESOLVE_FAILED` or another of the network if it
/// was not reached, `MQTT_STATUS_TIMED_OUT` (attempts go on), `MQTT_STATUS_WOULD_DEADLOCK` in a
/// callback; `error_out` (NULL: not wanted) then gets an explanation, which the caller frees.
/// Thread: any. Since: 0.1. Spec: MQTT 5.0 §3.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_connect_wait(
    client: *mut mqtt_client,
    timeout_ms: u32,
    event_out: *mut *mut mqtt_event,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let out = unsafe { Out::maybe(event_out) }?;
        let connected = with(client, |client| client.connect(span(timeout_ms)))?;
        if !event_out.is_null() {
            out.set(give(mqtt_event::from(Event::Connected(Box::new(connected)))));
        }
        Ok(())
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Waits for at most `timeout_ms` (0: not at all) for the next event, which the caller frees with
/// `mqtt_event_free`. What a `…_wait` function waited for does not come as an event too.
///
/// Returns `MQTT_STATUS_TIMED_OUT` if none came, `MQTT_STATUS_CLOSED` after the last event of a
/// client that was closed, `MQTT_STATUS_WOULD_DEADLOCK` in a callback unless `timeout_ms` is 0.
/// Thread: any. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_next_event(
    client: *mut mqtt_client,
    timeout_ms: u32,
    event_out: *mut *mut mqtt_event,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let out = unsafe { Out::new(event_out) }?;
        let event = with(client, |client| client.next_event(span(timeout_ms)))?;
        out.set(give(mqtt_event::from(event.ok_or(Status::TimedOut)?)));
        Ok(())
    })
}

/// Whether there is a connection that CONNACK has opened. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_client_is_connected(client: *const mqtt_client) -> bool {
    get(false, || with(client, |client| Ok(client.is_connected())).ok())
}

/// Messages that wait to be sent. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_client_queued(client: *const mqtt_client) -> usize {
    get(0, || with(client, |client| Ok(client.queued())).ok())
}

/// Messages at QoS 1 and 2 that were sent and wait for their acknowledgement.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_client_in_flight(client: *const mqtt_client) -> usize {
    get(0, || with(client, |client| Ok(client.in_flight())).ok())
}
