//! The protocol engine of a client, for programs with an event loop of their own.

use core::ffi::{c_char, c_void};
use core::time::Duration;

use libmqtt_locks::{Mutex, PoisonError};
use libmqtt_runtime::engine::Instant;
use libmqtt_runtime::engine::client::{Client, Closed, Token};
use libmqtt_runtime::{ClientError, Status};

use crate::argument::{Out, borrow, bytes, give, reason};
use crate::boundary::{Failure, explain, get, run};
use crate::client_config::mqtt_client_config;
use crate::error::mqtt_error;
use crate::event::mqtt_event;
use crate::handle::Table;
use crate::message::mqtt_message;
use crate::operation::{PublishArgs, filters, goodbye, mqtt_subscription, reply, subscriptions};
use crate::property::{given, mqtt_properties};
use crate::status::mqtt_status;
use crate::view::{mqtt_bytes, mqtt_text};

/// An MQTT client without socket, thread and clock. Its program carries the bytes:
///
/// 1. `mqtt_engine_connect`, then take events. At `MQTT_EVENT_TYPE_DIAL` open a transport, and say
///    `mqtt_engine_handle_open`.
/// 2. What comes from the transport goes to `mqtt_engine_handle_data`. What `mqtt_engine_outgoing`
///    shows goes to the transport, and `mqtt_engine_handle_sent` says how much of it did.
/// 3. After any call, take events until there are none, write what is outgoing, then sleep until
///    the transport has something or `mqtt_engine_timeout` has come, and then call
///    `mqtt_engine_handle_timeout`.
///
/// Times are nanoseconds from an epoch of the program's choice.
pub struct mqtt_engine {
    _private: (),
}

static ENGINES: Table<Mutex<Client>> = Table::new(4);

/// Has the engine do something, under a lock: two threads at a time do no harm.
fn with<R>(
    engine: *const mqtt_engine,
    body: impl FnOnce(&mut Client) -> Result<R, Failure>,
) -> Result<R, Failure> {
    ENGINES.with(engine, |engine| body(&mut engine.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// Has the engine begin something that ends with a token.
unsafe fn begin<E: Into<ClientError>>(
    engine: *mut mqtt_engine,
    token_out: *mut u64,
    body: impl FnOnce(&mut Client) -> Result<Token, E>,
) -> Result<(), Failure> {
    // SAFETY: the caller promises.
    let out = unsafe { Out::maybe(token_out) }?;
    let token = with(engine, |engine| body(engine).map_err(|error| error.into().into()))?;
    out.set(token.as_u64());
    Ok(())
}

fn at(now_ns: u64) -> Instant {
    Instant::from_nanos(now_ns)
}

/// Makes an engine, which does nothing yet. `seed` decides delays and generated names: give a
/// random number. The configuration is copied.
///
/// The caller frees it with `mqtt_engine_free`. Returns `MQTT_STATUS_BAD_ARGUMENT` if the
/// configuration has an option that means nothing to an engine.
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_engine_new(
    config: *const mqtt_client_config,
    seed: u64,
    engine_out: *mut *mut mqtt_engine,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let (config, out) = unsafe { (borrow(config)?, Out::new(engine_out)?) };
        out.set(ENGINES.insert(Mutex::new(Client::new(config.for_engine()?, seed)))?);
        Ok(())
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Frees an engine; NULL is nothing, and so is one that was freed. What it has shown as outgoing
/// goes with it. Thread: any. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_engine_free(engine: *mut mqtt_engine) {
    get((), || {
        ENGINES.remove(engine, |_| {});
        Some(())
    });
}

/// Connects: the next event is `MQTT_EVENT_TYPE_DIAL`. While a retry is pending, it comes at once.
///
/// Returns `MQTT_STATUS_BAD_ARGUMENT` if the configuration does not do, which `error_out` (NULL:
/// not wanted) explains; the caller frees that. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_engine_connect(
    engine: *mut mqtt_engine,
    now_ns: u64,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body =
        || with(engine, |engine| Ok(engine.connect(at(now_ns)).map_err(ClientError::from)?));
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Input: the transport that `MQTT_EVENT_TYPE_DIAL` asked for is open.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_engine_handle_open(engine: *mut mqtt_engine, now_ns: u64) -> mqtt_status {
    run(|| {
        with(engine, |engine| {
            engine.handle_open(at(now_ns));
            Ok(())
        })
    })
}

/// Input: bytes came from the server; any split will do. They are copied as far as needed.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_engine_handle_data(
    engine: *mut mqtt_engine,
    now_ns: u64,
    data: *const c_void,
    data_len: usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let data = unsafe { bytes(data, data_len) }?;
        with(engine, |engine| {
            engine.handle_data(at(now_ns), data);
            Ok(())
        })
    })
}

/// Input: the transport has closed by itself, or could not be opened. `failed`: by an error.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_engine_handle_closed(
    engine: *mut mqtt_engine,
    now_ns: u64,
    failed: bool,
) -> mqtt_status {
    run(|| {
        with(engine, |engine| {
            engine.handle_closed(at(now_ns), if failed { Closed::Failed } else { Closed::Peer });
            Ok(())
        })
    })
}

/// Input: the transport took this many bytes of what `mqtt_engine_outgoing` showed.
///
/// Returns `MQTT_STATUS_BAD_ARGUMENT`, doing nothing, if that was not so many.
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_engine_handle_sent(
    engine: *mut mqtt_engine,
    now_ns: u64,
    len: usize,
) -> mqtt_status {
    run(|| {
        with(engine, |engine| {
            if len > engine.outgoing().len() {
                return Err(Failure::new(Status::BadArgument, "more was sent than is outgoing"));
            }
            engine.handle_sent(at(now_ns), len);
            Ok(())
        })
    })
}

/// Input: `mqtt_engine_timeout` has come. Calling it early does no harm.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_engine_handle_timeout(engine: *mut mqtt_engine, now_ns: u64) -> mqtt_status {
    run(|| {
        with(engine, |engine| {
            engine.handle_timeout(at(now_ns));
            Ok(())
        })
    })
}

/// Output: when to call `mqtt_engine_handle_timeout`; 18446744073709551615: not at all.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_engine_timeout(engine: *const mqtt_engine) -> u64 {
    get(u64::MAX, || {
        let due = with(engine, |engine| Ok(engine.poll_timeout())).ok()?;
        Some(due?.as_nanos())
    })
}

/// Output: bytes for the transport, perhaps none. They live until the next call with this engine.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_engine_outgoing(engine: *const mqtt_engine) -> mqtt_bytes {
    get(mqtt_bytes::NONE, || with(engine, |engine| Ok(engine.outgoing().into())).ok())
}

/// Whether the program should read the transport: not while more messages wait as events than the
/// configuration allows. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_engine_wants_data(engine: *const mqtt_engine) -> bool {
    get(false, || with(engine, |engine| Ok(engine.wants_data())).ok())
}

/// Output: the next event, or NULL. The caller frees it with `mqtt_event_free`.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_engine_next_event(engine: *mut mqtt_engine) -> *mut mqtt_event {
    get(core::ptr::null_mut(), || {
        let event = with(engine, |engine| Ok(engine.poll_event())).ok()??;
        Some(give(mqtt_event::from(event)))
    })
}

/// Whether CONNACK has opened a connection that has not ended.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_engine_is_connected(engine: *const mqtt_engine) -> bool {
    get(false, || with(engine, |engine| Ok(engine.is_connected())).ok())
}

/// Publishes: see `mqtt_client_publish`. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_engine_publish(
    engine: *mut mqtt_engine,
    now_ns: u64,
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
            return with(engine, |engine| {
                Ok(engine.publish_untracked(at(now_ns), &message).map_err(ClientError::from)?)
            });
        }
        // SAFETY: the caller promises.
        unsafe { begin(engine, token_out, |engine| engine.publish(at(now_ns), &message)) }
    })
}

/// Publishes a request and awaits its reply: see `mqtt_client_request`.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_engine_request(
    engine: *mut mqtt_engine,
    now_ns: u64,
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
        let timeout = Duration::from_millis(timeout_ms.into());
        // SAFETY: the caller promises.
        unsafe { begin(engine, token_out, |engine| engine.request(at(now_ns), &message, timeout)) }
    })
}

/// Publishes the reply to a request that was received: see `mqtt_client_respond`.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_engine_respond(
    engine: *mut mqtt_engine,
    now_ns: u64,
    request: *const mqtt_message,
    payload: *const c_void,
    payload_len: usize,
    token_out: *mut u64,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let message = unsafe { reply(request, payload, payload_len) }?;
        // SAFETY: the caller promises.
        unsafe { begin(engine, token_out, |engine| engine.publish(at(now_ns), &message.view())) }
    })
}

/// Subscribes: see `mqtt_client_subscribe`. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_engine_subscribe(
    engine: *mut mqtt_engine,
    now_ns: u64,
    wanted: *const mqtt_subscription,
    count: usize,
    properties: *const mqtt_properties,
    token_out: *mut u64,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (wanted, properties) = unsafe { (subscriptions(wanted, count)?, given(properties)?) };
        let subscribe = |engine: &mut Client| engine.subscribe(at(now_ns), &wanted, properties);
        // SAFETY: the caller promises.
        unsafe { begin(engine, token_out, subscribe) }
    })
}

/// Unsubscribes: see `mqtt_client_unsubscribe`. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_engine_unsubscribe(
    engine: *mut mqtt_engine,
    now_ns: u64,
    unwanted: *const mqtt_text,
    count: usize,
    properties: *const mqtt_properties,
    token_out: *mut u64,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (unwanted, properties) = unsafe { (filters(unwanted, count)?, given(properties)?) };
        let unsubscribe =
            |engine: &mut Client| engine.unsubscribe(at(now_ns), &unwanted, properties);
        // SAFETY: the caller promises.
        unsafe { begin(engine, token_out, unsubscribe) }
    })
}

/// Sends PINGREQ: see `mqtt_client_ping`. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_engine_ping(
    engine: *mut mqtt_engine,
    now_ns: u64,
    token_out: *mut u64,
) -> mqtt_status {
    // SAFETY: the caller promises.
    run(|| unsafe { begin(engine, token_out, |engine| engine.ping(at(now_ns))) })
}

/// Acknowledges a message: see `mqtt_client_acknowledge`. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_engine_acknowledge(
    engine: *mut mqtt_engine,
    now_ns: u64,
    message: *const mqtt_message,
    reason_code: u8,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let ack = unsafe { borrow(message) }?.ack().ok_or(Status::BadState)?;
        let reason = reason(reason_code)?;
        with(engine, |engine| {
            Ok(engine.acknowledge(at(now_ns), ack, reason).map_err(ClientError::from)?)
        })
    })
}

/// Answers a challenge: see `mqtt_client_authenticate`. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_engine_authenticate(
    engine: *mut mqtt_engine,
    now_ns: u64,
    data: *const c_void,
    data_len: usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let data = unsafe { bytes(data, data_len) }?;
        with(engine, |engine| {
            Ok(engine.authenticate(at(now_ns), data).map_err(ClientError::from)?)
        })
    })
}

/// Authenticates again: see `mqtt_client_reauthenticate`. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_engine_reauthenticate(
    engine: *mut mqtt_engine,
    now_ns: u64,
    data: *const c_void,
    data_len: usize,
    token_out: *mut u64,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let first = unsafe { bytes(data, data_len) }?;
        let first = (!data.is_null()).then_some(first);
        // SAFETY: the caller promises.
        unsafe { begin(engine, token_out, |engine| engine.reauthenticate(at(now_ns), first)) }
    })
}

/// Says goodbye: see `mqtt_client_disconnect`. The engine can connect again.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_engine_disconnect(
    engine: *mut mqtt_engine,
    now_ns: u64,
    reason_code: u8,
    properties: *const mqtt_properties,
    wait_ms: u32,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let how = unsafe { goodbye(reason_code, properties, wait_ms) }?;
        with(engine, |engine| Ok(engine.disconnect(at(now_ns), how).map_err(ClientError::from)?))
    })
}

/// Ends everything at once, without DISCONNECT: the server publishes the will. The engine can
/// connect again. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_engine_close(engine: *mut mqtt_engine, now_ns: u64) -> mqtt_status {
    run(|| {
        with(engine, |engine| {
            engine.close(at(now_ns));
            Ok(())
        })
    })
}
