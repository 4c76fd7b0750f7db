//! How a broker is set up.

use core::ffi::{c_char, c_void};
use core::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use libmqtt_runtime::auth::Policy;
use libmqtt_runtime::conf::{ConfError, Embedded, Settings};
use libmqtt_runtime::{
    BrokerConfig, BrokerOptions, Durability, Listener, Log, Overload, Persistence, QoS, QueueFull,
    Status, named,
};

use crate::argument::{change, give, take, text};
use crate::boundary::{Failure, Outcome, explain, get, run};
use crate::error::mqtt_error;
use crate::hooks::{HookTable, mqtt_hooks};
use crate::log::{log, mqtt_log_fn};
use crate::option::{choose, keep, set, set_ms, unknown};
use crate::status::mqtt_status;
use crate::userdata::{Userdata, mqtt_free_fn};

/// How a broker is set up. It may serve for any number of them, which copy it.
#[derive(Debug)]
pub struct mqtt_broker_config {
    pub(crate) config: BrokerConfig,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) shards: Option<u16>,
    pub(crate) policy: Policy,
    pub(crate) persistence: Option<Persistence>,
    durability: Option<Durability>,
    pub(crate) hooks: Option<Arc<HookTable>>,
    pub(crate) log: Log,
}

impl mqtt_broker_config {
    fn set(&mut self, name: &str, value: &str) -> Outcome {
        let config = &mut self.config;
        match name {
            "shards" => {
                let mut shards = 0;
                set(&mut shards, name, value)?;
                self.shards = Some(shards);
            }
            "password_file" => self.policy.password_file = Some(value.into()),
            "acl_file" => self.policy.acl_file = Some(value.into()),
            "allow_anonymous" => {
                let mut allow = false;
                set(&mut allow, name, value)?;
                self.policy.anonymous = Some(allow);
            }
            "payload_max" => {
                let mut max = 0;
                set(&mut max, name, value)?;
                self.policy.payload_max = Some(max).filter(|&max| max > 0);
            }
            "data_directory" => {
                self.persistence = (!value.is_empty()).then(|| Persistence::new(value));
            }
            "durability" => self.durability = Some(named::durability(name, value)?),
            "connect_timeout_ms" => set_ms(&mut config.connect_timeout, name, value)?,
            "maximum_packet_size" => set(&mut config.maximum_packet_size, name, value)?,
            "maximum_connect_size" => set(&mut config.maximum_connect_size, name, value)?,
            "pending_max" => set(&mut config.pending_max, name, value)?,
            "address_connections_max" => set(&mut config.address_connections_max, name, value)?,
            "address_connects_per_min_max" => {
                set(&mut config.address_connects_per_min_max, name, value)?;
            }
            "address_failures_per_min_max" => {
                set(&mut config.address_failures_per_min_max, name, value)?;
            }
            "client_messages_per_s_max" => {
                set(&mut config.client_messages_per_s_max, name, value)?;
            }
            "client_bytes_per_s_max" => set(&mut config.client_bytes_per_s_max, name, value)?,
            "receive_maximum" => set(&mut config.receive_maximum, name, value)?,
            "inflight_max" => set(&mut config.inflight_max, name, value)?,
            "topic_alias_maximum" => set(&mut config.topic_alias_maximum, name, value)?,
            "topic_alias_out_max" => set(&mut config.topic_alias_out_max, name, value)?,
            "maximum_qos" => choose(&mut config.maximum_qos, name, value, LEVELS)?,
            "retain_available" => set(&mut config.retain_available, name, value)?,
            "wildcard_subscriptions" => set(&mut config.wildcard_subscriptions, name, value)?,
            "subscription_identifiers" => {
                set(&mut config.subscription_identifiers, name, value)?;
            }
            "shared_subscriptions" => set(&mut config.shared_subscriptions, name, value)?,
            "keep_alive_max_s" => set(&mut config.keep_alive_max_s, name, value)?,
            "session_expiry_max_s" => set(&mut config.session_expiry_max_s, name, value)?,
            "session_expiry_v3_s" => set(&mut config.session_expiry_v3_s, name, value)?,
            "sessions_max" => set(&mut config.sessions_max, name, value)?,
            "connections_max" => set(&mut config.connections_max, name, value)?,
            "subscriptions_max" => set(&mut config.subscriptions_max, name, value)?,
            "subscription_bytes_max" => set(&mut config.subscription_bytes_max, name, value)?,
            "shared_subscriptions_max" => {
                set(&mut config.shared_subscriptions_max, name, value)?;
            }
            "topic_levels_max" => set(&mut config.topic_levels_max, name, value)?,
            "queue_messages_max" => set(&mut config.queue_messages_max, name, value)?,
            "queue_bytes_max" => set(&mut config.queue_bytes_max, name, value)?,
            "queue_full" => choose(&mut config.queue_full, name, value, QUEUE_FULL)?,
            "queue_qos0_offline" => set(&mut config.queue_qos0_offline, name, value)?,
            "backlog_bytes_max" => set(&mut config.backlog_bytes_max, name, value)?,
            "overload" => choose(&mut config.overload, name, value, OVERLOAD)?,
            "retained_max" => set(&mut config.retained_max, name, value)?,
            "retained_bytes_max" => set(&mut config.retained_bytes_max, name, value)?,
            "dollar_topics" => set(&mut config.dollar_topics, name, value)?,
            "assign_client_ids" => set(&mut config.assign_client_ids, name, value)?,
            "assigned_id_prefix" => config.assigned_id_prefix = value.into(),
            "sys_interval_ms" => set_ms(&mut config.sys_interval, name, value)?,
            "response_information" => {
                config.response_information = (!value.is_empty()).then(|| value.into());
            }
            _ => return unknown(name),
        }
        Ok(())
    }

    /// Where and how sessions and messages are kept, if they are.
    pub(crate) fn persistence(&self) -> Result<Option<Persistence>, Failure> {
        let mut persistence = self.persistence.clone();
        keep(persistence.as_mut().map(|it| &mut it.durability), self.durability)?;
        Ok(persistence)
    }

    /// Does what a file says, all of it or nothing.
    fn load(&mut self, path: &Path) -> Outcome {
        let mut settings = Settings::new(self.config.clone());
        settings.read(path, &mut Embedded)?;
        settings.check()?;
        if !settings.is_local() || self.listeners.is_empty() {
            self.listeners.extend(settings.listeners()?);
        }
        let policy = &mut self.policy;
        policy.payload_max = settings.payload_max().or(policy.payload_max);
        // Strangers are let in by nothing but a word, if the file opens a listener.
        let refused = (!settings.is_local()).then_some(false);
        policy.anonymous = settings.allow_anonymous.or(policy.anonymous).or(refused);
        if let Some(persistence) = settings.persistence() {
            self.durability = None;
            self.persistence = Some(persistence);
        }
        self.config = settings.config;
        self.shards = settings.shards.or(self.shards);
        policy.password_file = settings.password_file.or(policy.password_file.take());
        policy.acl_file = settings.acl_file.or(policy.acl_file.take());
        Ok(())
    }
}

impl From<ConfError> for Failure {
    fn from(error: ConfError) -> Failure {
        Failure::new(error.status(), error)
    }
}

const LEVELS: &[(&str, QoS)] =
    &[("0", QoS::AtMostOnce), ("1", QoS::AtLeastOnce), ("2", QoS::ExactlyOnce)];
const QUEUE_FULL: &[(&str, QueueFull)] =
    &[("drop_newest", QueueFull::DropNewest), ("drop_oldest", QueueFull::DropOldest)];
const OVERLOAD: &[(&str, Overload)] =
    &[("drop", Overload::Drop), ("backpressure", Overload::Backpressure)];

/// Makes a configuration without listeners: only clients within the process can connect.
///
/// The caller frees it with `mqtt_broker_config_free`. NULL: no memory.
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_broker_config_new() -> *mut mqtt_broker_config {
    get(core::ptr::null_mut(), || {
        let BrokerOptions { config, shards, log, .. } = BrokerOptions::listening_on(&[]);
        Some(give(mqtt_broker_config {
            config,
            listeners: Vec::new(),
            shards,
            policy: Policy::default(),
            persistence: None,
            durability: None,
            hooks: None,
            log,
        }))
    })
}

/// Frees a configuration; NULL is nothing. Brokers made with it go on.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_config_free(config: *mut mqtt_broker_config) {
    // SAFETY: the caller promises.
    unsafe { take(config) }
}

/// Adds a listener at an address of this machine, `127.0.0.1`, `::1`, `0.0.0.0`, …, and a port;
/// 0: any free port, which `mqtt_broker_port` tells.
///
/// Unless `allow_anonymous` is set, clients without User Name get in only if all listeners are at
/// loopback addresses.
/// Returns `MQTT_STATUS_BAD_ARGUMENT` if the text is no address.
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_config_listen(
    config: *mut mqtt_broker_config,
    address: *const c_char,
    address_len: usize,
    port: u16,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (config, address) = unsafe { (change(config)?, text(address, address_len)?) };
        let address: IpAddr = address.parse().map_err(|_| Status::BadArgument)?;
        config.listeners.push(Listener::new(SocketAddr::new(address, port)));
        Ok(())
    })
}

/// Does what a configuration file in mosquitto's format says, on top of what is set: all of it, or
/// nothing if there is something wrong with it.
///
/// Listeners are added; a file without any adds `127.0.0.1` and `::1` at port 1883 or what `port`
/// says, unless there are listeners already; TLS, WebSocket and Unix sockets are as it says. A file that opens listeners refuses clients without
/// User Name unless `allow_anonymous` is set. Directives that are not supported are errors, and so
/// are those for the process: `pid_file`, `user`, `connection_messages`, `log_…`.
/// Returns `MQTT_STATUS_FILE_UNREADABLE`, `MQTT_STATUS_FILE_INVALID`, or
/// `MQTT_STATUS_LISTEN_FAILED` if the name of a listener is not known; `error_out` (NULL: not
/// wanted) then gets an explanation with file, line and directive, which the caller frees.
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_config_load(
    config: *mut mqtt_broker_config,
    path: *const c_char,
    path_len: usize,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let (config, path) = unsafe { (change(config)?, text(path, path_len)?) };
        config.load(Path::new(path))
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Sets the callbacks that decide and watch; NULL: none. The table is copied.
///
/// `userdata` is handed to each; `free_userdata` is called when the configuration and all brokers
/// made with it have gone. Returns `MQTT_STATUS_BAD_ARGUMENT` if `hooks->size` cannot be right.
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_config_set_hooks(
    config: *mut mqtt_broker_config,
    hooks: *const mqtt_hooks,
    userdata: *mut c_void,
    free_userdata: mqtt_free_fn,
) -> mqtt_status {
    run(|| {
        let userdata = Userdata::new(userdata, free_userdata);
        // SAFETY: the caller promises.
        let (config, table) = unsafe { (change(config)?, HookTable::read(hooks)?) };
        config.hooks = table.map(|table| Arc::new(HookTable { table, userdata }));
        Ok(())
    })
}

/// Has log lines of brokers made with this configuration handed to `callback`; NULL: to nobody.
///
/// `free_userdata` is called when the configuration and all brokers made with it have gone.
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_config_set_log(
    config: *mut mqtt_broker_config,
    callback: mqtt_log_fn,
    userdata: *mut c_void,
    free_userdata: mqtt_free_fn,
) -> mqtt_status {
    run(|| {
        let log = log(callback, userdata, free_userdata);
        // SAFETY: the caller promises.
        unsafe { change(config) }?.log = log;
        Ok(())
    })
}

/// Sets an option by its name. Values are text: numbers, `true` and `false`, or the words below,
/// the default first or in brackets.
///
/// | name | value |
/// |------|-------|
/// | `shards` | threads, 1 to 128 (as many as cores) |
/// | `password_file` | users and passwords in mosquitto's format; read at the start and by `mqtt_broker_reload` |
/// | `acl_file` | access rights in mosquitto's format; read likewise |
/// | `allow_anonymous` | clients without User Name get in (without password file, if all listeners are at loopback) |
/// | `data_directory` | keep sessions and messages there, across restarts; it belongs to one broker at a time; empty: in memory alone |
/// | `durability` | with it: `sync`: what is acknowledged is on disk; `250ms`: it is so long after at the latest; `off`: when the broker stops; the last two lose what came since when the process is killed |
/// | `payload_max` | largest payload that is passed on; 0: any (0) |
/// | `connect_timeout_ms` | until CONNECT is complete (10000) |
/// | `maximum_packet_size` | largest packet from a client (16777216) |
/// | `maximum_connect_size` | largest packet before a client is authenticated (16384) |
/// | `pending_max` | connections that have not come through CONNECT (10000) |
/// | `address_connections_max` | connections of one address; 0: any (0) |
/// | `address_connects_per_min_max` | that one address may open; 0: any (0) |
/// | `address_failures_per_min_max` | logins of one address that may fail; 0: any (0) |
/// | `client_messages_per_s_max`, `client_bytes_per_s_max` | that a client may send; 0: any (0) |
/// | `receive_maximum` | messages at QoS 1 and 2 on their way from a client (1024) |
/// | `inflight_max` | messages at QoS 1 and 2 on their way to a client (1024) |
/// | `topic_alias_maximum`, `topic_alias_out_max` | Topic Aliases from and to a client (64) |
/// | `maximum_qos` | `2`, `1`, `0` |
/// | `retain_available`, `wildcard_subscriptions`, `subscription_identifiers`, `shared_subscriptions` | whether clients may (`true`) |
/// | `keep_alive_max_s` | longest Keep Alive; 0: any (0) |
/// | `session_expiry_max_s` | longest Session Expiry Interval; 4294967295: for ever (4294967295) |
/// | `session_expiry_v3_s` | of 3.x sessions with Clean Session 0 (4294967295) |
/// | `sessions_max`, `connections_max` | in all (1000000) |
/// | `subscriptions_max` | per session (100000) |
/// | `subscription_bytes_max`, `shared_subscriptions_max` | bytes of their filters, and shared ones among them (16777216, 1000) |
/// | `topic_levels_max` | of a topic or a filter (200) |
/// | `queue_messages_max`, `queue_bytes_max` | what waits for one session (100000, 67108864) |
/// | `queue_full` | `drop_newest`, `drop_oldest` |
/// | `queue_qos0_offline` | QoS 0 waits for sessions without connection (`false`) |
/// | `backlog_bytes_max` | what waits for all sessions (1073741824) |
/// | `overload` | beyond that: `drop`, `backpressure` |
/// | `retained_max`, `retained_bytes_max` | retained messages (1000000, 1073741824) |
/// | `dollar_topics` | clients may publish to topics that begin with `$` (`false`) |
/// | `assign_client_ids` | an empty Client Identifier gets one (`true`) |
/// | `assigned_id_prefix` | how that begins (`auto-`) |
/// | `sys_interval_ms` | between updates of `$SYS`; 0: none (10000) |
/// | `response_information` | given to clients that ask; empty: none |
///
/// Returns `MQTT_STATUS_NOT_FOUND` if there is no such option, `MQTT_STATUS_BAD_ARGUMENT` if the
/// value is not valid; `error_out` (NULL: not wanted) then gets an explanation, which the caller
/// frees. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_config_set(
    config: *mut mqtt_broker_config,
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
