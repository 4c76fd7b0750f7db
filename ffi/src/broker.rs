//! A broker on threads of its own.

use core::ffi::{c_char, c_int, c_void};
use core::time::Duration;
use std::io;

use libmqtt_runtime::{
    Address, Broker, BrokerError, BrokerOptions, Level, Message, MessageError, Stats, Status, conf,
};

use crate::argument::{Out, borrow, reason, text, write_text};
use crate::boundary::{Failure, explain, get, run};
use crate::broker_config::mqtt_broker_config;
use crate::client::mqtt_client;
use crate::client_config::mqtt_client_config;
use crate::error::mqtt_error;
use crate::handle::Table;
use crate::hooks;
use crate::operation::{PublishArgs, span};
use crate::property::mqtt_properties;
use crate::status::mqtt_status;

/// A broker that runs on threads of its own, from start to free. There may be several in a
/// process. Every function may be called from any thread, also in hooks.
pub struct mqtt_broker {
    _private: (),
}

static BROKERS: Table<Broker> = Table::new(3);

/// Something that a broker counts, or has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum mqtt_stat {
    /// Clients connected now.
    Connections = 1,
    /// Clients accepted since the start.
    ConnectionsTotal = 2,
    /// Sessions, connected or not.
    Sessions = 3,
    /// Subscriptions of all sessions.
    Subscriptions = 4,
    /// Retained messages.
    Retained = 5,
    /// Bytes of retained messages.
    RetainedBytes = 6,
    /// Packets received.
    PacketsReceived = 7,
    /// Packets written.
    PacketsSent = 8,
    /// Bytes received.
    BytesReceived = 9,
    /// Bytes that transports took.
    BytesSent = 10,
    /// PUBLISH packets received.
    PublishReceived = 11,
    /// PUBLISH packets written.
    PublishSent = 12,
    /// Messages dropped for one receiver: queue full, expired, too large for it.
    PublishDropped = 13,
    /// Messages that wait for sessions.
    QueuedMessages = 14,
    /// Bytes of these, counted once per session.
    QueuedBytes = 15,
}

fn stat(stats: &Stats, which: c_int) -> Option<u64> {
    let Stats {
        connections,
        connections_total,
        sessions,
        subscriptions,
        retained,
        retained_bytes,
        packets_received,
        packets_sent,
        bytes_received,
        bytes_sent,
        publish_received,
        publish_sent,
        publish_dropped,
        queued_messages,
        queued_bytes,
        ..
    } = *stats;
    // In the order of `mqtt_stat`.
    let values = [
        connections,
        connections_total,
        sessions,
        subscriptions,
        retained,
        retained_bytes,
        packets_received,
        packets_sent,
        bytes_received,
        bytes_sent,
        publish_received,
        publish_sent,
        publish_dropped,
        queued_messages,
        queued_bytes,
    ];
    values.get(usize::try_from(which).ok()?.checked_sub(1)?).copied()
}

impl From<BrokerError> for Failure {
    fn from(error: BrokerError) -> Failure {
        Failure::chain(error.status(), &error)
    }
}

impl From<MessageError> for Failure {
    fn from(error: MessageError) -> Failure {
        let status = match error {
            MessageError::Topic(_) => Status::BadTopic,
            MessageError::TooLarge => Status::PacketTooLarge,
        };
        Failure::new(status, error)
    }
}

/// Starts a broker. On return, clients can connect. The configuration is copied.
///
/// The caller frees it with `mqtt_broker_free`. Returns `MQTT_STATUS_LISTEN_FAILED` if an address
/// cannot be had, `MQTT_STATUS_FILE_UNREADABLE` or `MQTT_STATUS_FILE_INVALID` for the password
/// file or the access rights, `MQTT_STATUS_STORAGE_FAILED` if the data directory cannot be used,
/// `MQTT_STATUS_BAD_ARGUMENT` if options contradict each other; `error_out` (NULL: not wanted) then
/// gets an explanation, which the caller frees. Thread: any. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_start(
    config: *const mqtt_broker_config,
    broker_out: *mut *mut mqtt_broker,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let (config, out) = unsafe { (borrow(config)?, Out::new(broker_out)?) };
        let (policy, hooks) = hooks::factory(config)?;
        let persistence = config.persistence()?;
        let options = |listeners| BrokerOptions {
            config: config.config.clone(),
            listeners,
            shards: config.shards,
            policy: policy.clone(),
            hooks: hooks.clone(),
            persistence: persistence.clone(),
            log: config.log.clone(),
        };
        let given_up = |address: &Address, error: &io::Error| {
            config.log.write(Level::Warn, format_args!("not listening on {address}: {error}"));
        };
        let broker = conf::start(config.listeners.clone(), options, given_up)?;
        out.set(BROKERS.insert(broker)?);
        Ok(())
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Stops accepting, tells every client, sends what waits for them for as long as `deadline_ms`
/// allows, closes everything and ends the threads. The handle stays good for questions.
///
/// Called again, it waits for the first call. In a hook it only asks: the broker stops after the
/// hook has returned. It returns at the latest a second after the deadline.
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_broker_stop(broker: *mut mqtt_broker, deadline_ms: u32) -> mqtt_status {
    run(|| {
        BROKERS.with(broker, |broker| {
            broker.stop(span(deadline_ms));
            Ok(())
        })
    })
}

/// Stops a broker with a deadline of a second and frees it; NULL is nothing, and so is one that
/// was freed. Calls of other threads with it end safely. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_broker_free(broker: *mut mqtt_broker) {
    get((), || {
        BROKERS.remove(broker, |broker| broker.stop(Duration::from_secs(1)));
        Some(())
    });
}

/// Whether it runs: not after `mqtt_broker_stop`, or when a hook of it has come to grief.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_broker_is_running(broker: *const mqtt_broker) -> bool {
    get(false, || BROKERS.with(broker, |broker| Ok(broker.is_running())).ok())
}

/// Sets `port_out` to the port of the listener at `place`, counted from 0 in the order in which
/// they were added; 0 only for a Unix socket.
///
/// Returns `MQTT_STATUS_NOT_FOUND` behind the last one. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_port(
    broker: *const mqtt_broker,
    place: usize,
    port_out: *mut u16,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let out = unsafe { Out::new(port_out) }?;
        BROKERS.with(broker, |broker| {
            let address = broker.addresses().get(place).ok_or(Status::NotFound)?;
            out.set(address.ip().map_or(0, |address| address.port()));
            Ok(())
        })
    })
}

/// Writes what clients can use as URL of the listener at `place`, `mqtts://127.0.0.1:8883` or
/// `unix:/run/mqtt.sock`, to `buffer`, which has room for `capacity` bytes, and its length to
/// `len_out`. No NUL is written. The URL of a WebSocket listener has no path.
///
/// Returns `MQTT_STATUS_NOT_FOUND` behind the last one, `MQTT_STATUS_LIMIT_REACHED`, writing only
/// the length, if there is too little room. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_url(
    broker: *const mqtt_broker,
    place: usize,
    buffer: *mut c_char,
    capacity: usize,
    len_out: *mut usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let out = unsafe { Out::new(len_out) }?;
        let url = BROKERS.with(broker, |broker| {
            Ok(broker.urls().into_iter().nth(place).ok_or(Status::NotFound)?)
        })?;
        // SAFETY: the caller promises.
        unsafe { write_text(&url, buffer, capacity, out) }
    })
}

/// Reads the files of passwords, of access rights and of TLS again. Passwords and certificates
/// count for connections to come; access rights count at once. Files of TLS are also looked at by
/// the broker itself now and then.
///
/// Returns `MQTT_STATUS_FILE_UNREADABLE` or `MQTT_STATUS_FILE_INVALID` for a file that is of no
/// use: what was read before stays in force in its place, and the other files count. `error_out`
/// (NULL: not wanted) then gets an explanation, which the caller frees.
/// Thread: any. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_reload(
    broker: *mut mqtt_broker,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || BROKERS.with(broker, |broker| Ok(broker.reload()?));
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Publishes as the host program: no hook is asked, and messages of one thread keep their order.
/// All is copied; `properties` may be NULL. Returns before subscribers have it.
///
/// Returns `MQTT_STATUS_BAD_TOPIC` if the topic is no Topic Name, `MQTT_STATUS_QUEUE_FULL` if 64
/// MiB of such messages wait. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_publish(
    broker: *mut mqtt_broker,
    topic: *const c_char,
    topic_len: usize,
    payload: *const c_void,
    payload_len: usize,
    qos: u8,
    retain: bool,
    properties: *const mqtt_properties,
) -> mqtt_status {
    let args = PublishArgs { topic, topic_len, payload, payload_len, qos, retain, properties };
    run(|| {
        // SAFETY: the caller promises.
        let p = unsafe { args.read() }?;
        BROKERS.with(broker, |broker| {
            let message = Message::build(p.topic, p.payload, p.qos, p.retain, p.properties)?;
            Ok(broker.publish(&message)?)
        })
    })
}

/// Ends the connection of the client with this Client Identifier, if there is one, soon after the
/// return. `reason_code` is told to clients of 5.0. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_disconnect(
    broker: *mut mqtt_broker,
    client_id: *const c_char,
    client_id_len: usize,
    reason_code: u8,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let client_id = unsafe { text(client_id, client_id_len) }?;
        let reason = reason(reason_code)?;
        BROKERS.with(broker, |broker| {
            broker.disconnect(client_id, reason);
            Ok(())
        })
    })
}

/// Sets `value_out` to something that the broker counts, at most a turn of its loops old. `which`
/// is one of `MQTT_STAT_…`.
///
/// Returns `MQTT_STATUS_NOT_FOUND` if it does not count that.
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_stat(
    broker: *const mqtt_broker,
    which: c_int,
    value_out: *mut u64,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let out = unsafe { Out::new(value_out) }?;
        BROKERS.with(broker, |broker| {
            out.set(stat(&broker.stats(), which).ok_or(Status::NotFound)?);
            Ok(())
        })
    })
}

/// Makes a client within the process, joined to the broker by memory instead of a socket: servers
/// of its configuration are not used. It does nothing before `mqtt_client_connect`.
///
/// Returns `MQTT_STATUS_STORAGE_FAILED` if its file in `data_directory` does not open. The caller
/// frees it with `mqtt_client_free`. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_client(
    broker: *mut mqtt_broker,
    config: *const mqtt_client_config,
    client_out: *mut *mut mqtt_client,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let (config, out) = unsafe { (borrow(config)?, Out::new(client_out)?) };
        let options = config.without_socket()?;
        let client = BROKERS.with(broker, |broker| Ok(broker.client(options)?))?;
        out.set(crate::client::insert(client)?);
        Ok(())
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_stand_where_their_numbers_say() {
        let stats = Stats { connections: 1, packets_sent: 2, queued_bytes: 3, ..Stats::default() };
        assert_eq!(stat(&stats, mqtt_stat::Connections as c_int), Some(1));
        assert_eq!(stat(&stats, mqtt_stat::PacketsSent as c_int), Some(2));
        assert_eq!(stat(&stats, mqtt_stat::QueuedBytes as c_int), Some(3));
        assert_eq!(stat(&stats, 0), None);
        assert_eq!(stat(&stats, -1), None);
        assert_eq!(stat(&stats, 16), None);
    }
}
