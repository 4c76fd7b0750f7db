//! How a client or an engine is set up.

use core::ffi::{c_char, c_void};

use libmqtt_runtime::engine::client::{
    Authentication, CleanStart, ClientConfig, Growth, LostSession, OfflineQoS0, QueueFull, Secret,
    Will,
};
use libmqtt_runtime::{
    ClientOptions, ClientPersistence, Durability, Message, Status, Version, named,
};

use crate::argument::{bytes, change, give, maybe, qos, take, text};
use crate::boundary::{Failure, Outcome, explain, get, run};
use crate::error::mqtt_error;
use crate::option::{choose, keep, set, set_ms, unknown};
use crate::property::{given, mqtt_properties};
use crate::status::mqtt_status;
use crate::tls::mqtt_tls;

/// How a client or an engine is set up. It may serve for any number of them, which copy it.
#[derive(Debug)]
pub struct mqtt_client_config {
    pub(crate) options: ClientOptions,
    /// An option that was set and means nothing without a socket.
    of_socket: Option<&'static str>,
    /// An option that was set and means nothing to an engine.
    of_client: Option<&'static str>,
    durability: Option<Durability>,
}

impl mqtt_client_config {
    fn config(&mut self) -> &mut ClientConfig {
        &mut self.options.config
    }

    /// Refuses what an engine would ignore.
    pub(crate) fn for_engine(&self) -> Result<ClientConfig, Failure> {
        match self.of_socket.or(self.of_client) {
            None => Ok(self.options.config.clone()),
            Some(name) => {
                let why = format_args!("{name}: an engine does not have that");
                Err(Failure::new(Status::BadArgument, why))
            }
        }
    }

    /// What a client is told.
    pub(crate) fn options(&self) -> Result<ClientOptions, Failure> {
        let mut options = self.options.clone();
        keep(options.persistence.as_mut().map(|it| &mut it.durability), self.durability)?;
        Ok(options)
    }

    /// Refuses what a client without a socket would ignore.
    pub(crate) fn without_socket(&self) -> Result<ClientOptions, Failure> {
        match self.of_socket {
            None => self.options(),
            Some(name) => {
                let why = format_args!("{name}: a client within the process has no socket");
                Err(Failure::new(Status::BadArgument, why))
            }
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Outcome {
        if let Some(rest) = name.strip_prefix("reconnect_") {
            return self.set_reconnect(name, rest, value);
        }
        let config = &mut self.options.config;
        match name {
            "data_directory" => {
                self.options.persistence =
                    (!value.is_empty()).then(|| ClientPersistence::new(value));
                self.of_client = Some("data_directory");
            }
            "durability" => {
                self.durability = Some(named::durability(name, value)?);
                self.of_client = Some("durability");
            }
            "no_delay" => {
                set(&mut self.options.tcp.no_delay, name, value)?;
                self.of_socket = Some("no_delay");
            }
            "proxy" => {
                self.options.proxy = match value {
                    "" => None,
                    url => {
                        let wrong = |error| {
                            let why = format_args!("proxy: {error}");
                            Failure::new(Status::BadArgument, why)
                        };
                        Some(url.parse().map_err(wrong)?)
                    }
                };
                self.of_socket = Some("proxy");
            }
            "events_max" => {
                set(&mut self.options.events_max, name, value)?;
                self.of_client = Some("events_max");
            }
            "client_id" => config.client_id = value.into(),
            "keep_alive_s" => set(&mut config.keep_alive_s, name, value)?,
            "session_expiry_s" => set(&mut config.session_expiry_s, name, value)?,
            "clean_start" => choose(&mut config.clean_start, name, value, CLEAN_START)?,
            "step_down" => set(&mut config.step_down, name, value)?,
            "accept_unknown_session" => set(&mut config.accept_unknown_session, name, value)?,
            "ping_timeout_ms" => set_ms(&mut config.ping_timeout, name, value)?,
            "connect_timeout_ms" => set_ms(&mut config.connect_timeout, name, value)?,
            "request_response_information" => {
                set(&mut config.request_response_information, name, value)?;
            }
            "request_problem_information" => {
                set(&mut config.request_problem_information, name, value)?;
            }
            "receive_maximum" => set(&mut config.receive_maximum, name, value)?,
            "maximum_packet_size" => set(&mut config.maximum_packet_size, name, value)?,
            "topic_alias_maximum" => set(&mut config.topic_alias_maximum, name, value)?,
            "topic_alias_out_max" => set(&mut config.topic_alias_out_max, name, value)?,
            "inflight_max" => set(&mut config.inflight_max, name, value)?,
            "reconnect" => set(&mut config.reconnect.enabled, name, value)?,
            "follow_server_reference" => set(&mut config.follow_server_reference, name, value)?,
            "queue_messages_max" => set(&mut config.queue_messages_max, name, value)?,
            "queue_bytes_max" => set(&mut config.queue_bytes_max, name, value)?,
            "queue_full" => choose(&mut config.queue_full, name, value, QUEUE_FULL)?,
            "offline_qos0" => choose(&mut config.offline_qos0, name, value, OFFLINE_QOS0)?,
            "output_bytes_max" => set(&mut config.output_bytes_max, name, value)?,
            "requests_max" => set(&mut config.requests_max, name, value)?,
            "lost_session" => choose(&mut config.lost_session, name, value, LOST_SESSION)?,
            "resubscribe" => set(&mut config.resubscribe, name, value)?,
            "manual_ack" => set(&mut config.manual_ack, name, value)?,
            "inbox_messages_max" => set(&mut config.inbox_messages_max, name, value)?,
            "inbox_bytes_max" => set(&mut config.inbox_bytes_max, name, value)?,
            _ => return unknown(name),
        }
        Ok(())
    }

    fn set_reconnect(&mut self, name: &str, rest: &str, value: &str) -> Outcome {
        let reconnect = &mut self.config().reconnect;
        match rest {
            "first" => set(&mut reconnect.first, name, value),
            "base_ms" => set_ms(&mut reconnect.base, name, value),
            "cap_ms" => set_ms(&mut reconnect.cap, name, value),
            "growth" => choose(&mut reconnect.growth, name, value, GROWTH),
            "jitter" => set(&mut reconnect.jitter, name, value),
            "attempts_max" => set(&mut reconnect.attempts_max, name, value),
            "stable_after_ms" => set_ms(&mut reconnect.stable_after, name, value),
            "even_if_refused" => set(&mut reconnect.even_if_refused, name, value),
            _ => unknown(name),
        }
    }
}

const CLEAN_START: &[(&str, CleanStart)] =
    &[("first", CleanStart::First), ("always", CleanStart::Always), ("never", CleanStart::Never)];
const GROWTH: &[(&str, Growth)] =
    &[("exponential", Growth::Exponential), ("constant", Growth::Constant)];
const QUEUE_FULL: &[(&str, QueueFull)] =
    &[("refuse_newest", QueueFull::RefuseNewest), ("drop_oldest", QueueFull::DropOldest)];
const OFFLINE_QOS0: &[(&str, OfflineQoS0)] =
    &[("queue", OfflineQoS0::Queue), ("drop", OfflineQoS0::Drop), ("refuse", OfflineQoS0::Refuse)];
const LOST_SESSION: &[(&str, LostSession)] = &[
    ("republish_qos1", LostSession::RepublishQoS1),
    ("republish", LostSession::Republish),
    ("abandon", LostSession::Abandon),
];

/// Makes a configuration: MQTT 5.0, Keep Alive 60 s, no server yet.
///
/// The caller frees it with `mqtt_client_config_free`. NULL: no memory.
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_client_config_new() -> *mut mqtt_client_config {
    get(core::ptr::null_mut(), || {
        let options = ClientOptions::from(ClientConfig::default());
        Some(give(mqtt_client_config {
            options,
            of_socket: None,
            of_client: None,
            durability: None,
        }))
    })
}

/// Frees a configuration; NULL is nothing. Clients made with it go on.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_config_free(config: *mut mqtt_client_config) {
    // SAFETY: the caller promises.
    unsafe { take(config) }
}

/// Adds a server, to be tried after those before: `mqtt://HOST:PORT` or `tcp://…` (TCP),
/// `mqtts://…`, `ssl://…` or `tls://…` (TLS), `ws://HOST:PORT/PATH` and `wss://…` (WebSocket),
/// `unix:PATH` and `unix:@NAME` (a name of Linux's abstract namespace). The port may be left out:
/// 1883, 8883, 80, 443; and so may the path: `/mqtt`. Without a scheme, `HOST:PORT` and `HOST` are
/// reached over TCP, or with TLS if the configuration has options of it. IPv6 addresses stand in
/// brackets. For an engine, any text that its program understands.
///
/// What is no server is told when a client is made. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_config_add_server(
    config: *mut mqtt_client_config,
    server: *const c_char,
    server_len: usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (config, server) = unsafe { (change(config)?, text(server, server_len)?) };
        if server.is_empty() {
            return Err(Failure::new(Status::BadArgument, "server is empty"));
        }
        config.config().servers.push(server.into());
        Ok(())
    })
}

/// Sets TLS of servers that are reached with it; NULL: as by default, which trusts whom the system
/// trusts. Files are read now, and again when they have changed; the rest is copied.
///
/// Returns `MQTT_STATUS_FILE_UNREADABLE` or `MQTT_STATUS_FILE_INVALID` for a file or what is in
/// it, `MQTT_STATUS_BAD_ARGUMENT` if the options do not fit a client; `error_out` (NULL: not
/// wanted) then gets an explanation, which the caller frees. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_config_set_tls(
    config: *mut mqtt_client_config,
    tls: *const mqtt_tls,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let (config, tls) = unsafe { (change(config)?, maybe(tls)?) };
        config.options.tls = tls.map(|tls| tls.options.client()).transpose()?;
        config.of_socket = Some("tls");
        Ok(())
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Adds a header to the requests that open WebSocket connections, such as `Authorization`.
///
/// Returns `MQTT_STATUS_BAD_ARGUMENT` if it is no header, or one that WebSocket itself needs.
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_config_add_header(
    config: *mut mqtt_client_config,
    name: *const c_char,
    name_len: usize,
    value: *const c_char,
    value_len: usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (config, name, value) =
            unsafe { (change(config)?, text(name, name_len)?, text(value, value_len)?) };
        let mut web_socket = config.options.web_socket.clone();
        web_socket.headers.push((name.into(), value.into()));
        web_socket.check().map_err(|error| Failure::new(Status::BadArgument, error))?;
        config.options.web_socket = web_socket;
        config.of_socket = Some("header");
        Ok(())
    })
}

/// Sets the Client Identifier; empty (the default): the server assigns one.
///
/// Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §3.1.3.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_config_set_client_id(
    config: *mut mqtt_client_config,
    client_id: *const c_char,
    client_id_len: usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (config, client_id) = unsafe { (change(config)?, text(client_id, client_id_len)?) };
        config.config().client_id = client_id.into();
        Ok(())
    })
}

/// Sets the version to speak: `MQTT_V31`, `MQTT_V311` or `MQTT_V5` (the default).
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_config_set_version(
    config: *mut mqtt_client_config,
    level: u8,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let config = unsafe { change(config) }?;
        let unknown = || Failure::new(Status::BadArgument, "protocol level is not 3, 4 or 5");
        config.config().version = Version::from_level(level).ok_or_else(unknown)?;
        Ok(())
    })
}

/// Sets User Name and Password, which are copied. NULL: none.
///
/// Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §3.1.3.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_config_set_credentials(
    config: *mut mqtt_client_config,
    user_name: *const c_char,
    user_name_len: usize,
    password: *const c_void,
    password_len: usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (config, name, secret) = unsafe {
            let name = text(user_name, user_name_len)?;
            (change(config)?, name, bytes(password, password_len)?)
        };
        config.config().user_name = (!user_name.is_null()).then(|| name.into());
        config.config().password = (!password.is_null()).then(|| Secret::from(secret));
        Ok(())
    })
}

/// Sets the Will Message, which the server publishes when the client is lost: its topic, payload,
/// QoS, RETAIN, Will Properties (NULL: none) and Will Delay Interval in seconds. All is copied.
///
/// Returns `MQTT_STATUS_BAD_TOPIC` if the topic is no Topic Name.
/// Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §3.1.2.5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_config_set_will(
    config: *mut mqtt_client_config,
    topic: *const c_char,
    topic_len: usize,
    payload: *const c_void,
    payload_len: usize,
    level: u8,
    retain: bool,
    properties: *const mqtt_properties,
    delay_s: u32,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (config, topic, payload, properties) = unsafe {
            let payload = bytes(payload, payload_len)?;
            (change(config)?, text(topic, topic_len)?, payload, given(properties)?)
        };
        let message = Message::build(topic, payload, qos(level)?, retain, properties)
            .map_err(|error| Failure::new(Status::BadTopic, error))?;
        config.config().will = Some(Will { message, delay_s });
        Ok(())
    })
}

/// Sets the Authentication Method of enhanced authentication and its first data (NULL: none),
/// which are copied. MQTT 5.0 alone.
///
/// Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §4.12.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_config_set_authentication(
    config: *mut mqtt_client_config,
    method: *const c_char,
    method_len: usize,
    data: *const c_void,
    data_len: usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (config, method, first) =
            unsafe { (change(config)?, text(method, method_len)?, bytes(data, data_len)?) };
        let data = (!data.is_null()).then(|| Secret::from(first));
        config.config().authentication = Some(Authentication { method: method.into(), data });
        Ok(())
    })
}

/// Sets the User Properties of CONNECT, which are copied. NULL: none.
///
/// Other properties are told when the client connects; they have options of their own.
/// Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §3.1.2.11.8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_config_set_user_properties(
    config: *mut mqtt_client_config,
    properties: *const mqtt_properties,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (config, properties) = unsafe { (change(config)?, given(properties)?) };
        config.config().user_properties = properties.into();
        Ok(())
    })
}

/// Sets an option by its name. Values are text: numbers, `true` and `false`, or the words below,
/// the default first or in brackets.
///
/// | name | value |
/// |------|-------|
/// | `client_id` | as `mqtt_client_config_set_client_id` |
/// | `keep_alive_s` | Keep Alive; 0: none (60) |
/// | `session_expiry_s` | seconds that the Session outlives its connection; 4294967295: for ever; 3.x: 0 is Clean Session 1, all else 0 (0) |
/// | `clean_start` | `first`: when the client has no Session; `always`; `never` |
/// | `step_down` | speak 3.1.1 with a server that does not take 5.0 (`false`) |
/// | `accept_unknown_session` | go on with a Session of an earlier run (`false`) |
/// | `connect_timeout_ms` | from dialling to CONNACK (30000) |
/// | `ping_timeout_ms` | time for PINGRESP (20000) |
/// | `no_delay` | TCP_NODELAY (`true`); only with a socket |
/// | `proxy` | `http://HOST:PORT` or `socks5://USER:PASSWORD@HOST:PORT`, through which all servers are reached; empty: none; only with a socket |
/// | `events_max` | events that may wait for the program before the socket is not read (65536); not for an engine |
/// | `data_directory` | a directory in which messages at QoS 1 and 2 are kept until they are delivered, across processes: what was published is sent by the next client with this `client_id`, in order, and what was received at QoS 2 does not come twice. Each Client Identifier has a file of its own there, which one client at a time has open. Wants a `client_id`, `session_expiry_s` and no `clean_start` of `always`; empty: none; not for an engine |
/// | `durability` | with it: `sync`: QoS 2 is exactly once even if the process is killed; `250ms`: what is kept is on disk so long after at the latest; `off`: when the client ends; the last two may lose or repeat what came since when the process is killed |
/// | `request_response_information` | ask for Response Information (`false`) |
/// | `request_problem_information` | let the server explain failures (`true`) |
/// | `receive_maximum` | messages at QoS 1 and 2 on their way to the client (1024) |
/// | `maximum_packet_size` | largest packet taken (268435460) |
/// | `topic_alias_maximum` | Topic Aliases that the server may assign (64) |
/// | `topic_alias_out_max` | Topic Aliases assigned towards the server (64) |
/// | `inflight_max` | messages at QoS 1 and 2 on their way to the server (1024) |
/// | `reconnect` | make a lost connection again (`true`) |
/// | `reconnect_first` | also before the first one has succeeded (`false`) |
/// | `reconnect_base_ms`, `reconnect_cap_ms` | first and longest delay (1000, 60000) |
/// | `reconnect_growth` | `exponential`, `constant` |
/// | `reconnect_jitter` | draw the delay between 0 and what it would be (`true`) |
/// | `reconnect_attempts_max` | attempts in a row; 0: no limit (0) |
/// | `reconnect_stable_after_ms` | a connection this old makes the delay short again (30000) |
/// | `reconnect_even_if_refused` | also after a refusal that will hardly change (`false`) |
/// | `follow_server_reference` | go where the server points (`true`) |
/// | `queue_messages_max`, `queue_bytes_max` | what waits to be sent (100000, 67108864) |
/// | `queue_full` | `refuse_newest`, `drop_oldest` |
/// | `offline_qos0` | `queue`, `drop`, `refuse`: what to do with QoS 0 that cannot be sent at once |
/// | `output_bytes_max` | bytes for the transport before messages wait (1048576) |
/// | `requests_max` | SUBSCRIBE, UNSUBSCRIBE, pings, requests without answer (10000) |
/// | `lost_session` | `republish_qos1`, `republish`, `abandon`: messages in flight of a lost Session |
/// | `resubscribe` | subscribe again when the Session was lost (`true`) |
/// | `manual_ack` | the program acknowledges QoS 1 and 2 (`false`) |
/// | `inbox_messages_max`, `inbox_bytes_max` | received messages that wait for the program before the socket is not read (10000, 16777216) |
///
/// Returns `MQTT_STATUS_NOT_FOUND` if there is no such option, `MQTT_STATUS_BAD_ARGUMENT` if the
/// value is not valid; `error_out` (NULL: not wanted) then gets an explanation, which the caller
/// frees. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_config_set(
    config: *mut mqtt_client_config,
    name: *const c_char,
    name_len: usize,
    value: *const c_char,
    value_len: usize,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let (config, name, value) =
            unsafe { (change(config)?, text(name, name_len)?, text(value, value_len)?) };
        config.set(name, value)
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}
