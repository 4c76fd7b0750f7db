//! Options as Python gives them: keyword arguments, whose names are those of the configuration.

use std::path::PathBuf;

use libmqtt_runtime::engine::client::{
    Authentication, CleanStart, Growth, LostSession, OfflineQoS0, QueueFull, Secret, Will,
};
use libmqtt_runtime::named::{ListenerOptions, TlsOptions};
use libmqtt_runtime::{
    BrokerOptions, ClientConfig, ClientPersistence, Durability, Listener, Persistence,
    PropertiesBuf, Property, Version,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::convert::{qos, seconds};
use crate::errors::{self, argument};
use crate::hub::Overflow;
use crate::message::Message;

/// What a client is told, and what its queues do.
pub(crate) struct ClientOptions {
    pub(crate) native: libmqtt_runtime::ClientOptions,
    /// An option that was given and means nothing without a socket.
    pub(crate) of_socket: Option<&'static str>,
    pub(crate) inbox_max: usize,
    pub(crate) overflow: Overflow,
}

/// One of a few words.
pub(crate) fn word<T: Copy>(
    name: &str,
    value: &Bound<'_, PyAny>,
    words: &[(&str, T)],
) -> PyResult<T> {
    let text: String = value.extract()?;
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        argument(format!("{name} is '{text}', not one of {}", words.join(", ")))
    })
}

/// What a queue does when it is full.
pub(crate) fn overflow(value: &Bound<'_, PyAny>) -> PyResult<Overflow> {
    let words = [
        ("wait", Overflow::Wait),
        ("drop_newest", Overflow::DropNewest),
        ("drop_oldest", Overflow::DropOldest),
    ];
    word("overflow", value, &words)
}

/// Bytes, or text as UTF-8.
fn secret(value: &Bound<'_, PyAny>) -> PyResult<Secret> {
    match value.cast::<PyBytes>() {
        Ok(bytes) => Ok(Secret::from(bytes.as_bytes())),
        Err(_) => Ok(Secret::from(value.extract::<String>()?.as_str())),
    }
}

/// A time in seconds.
fn span(value: &Bound<'_, PyAny>) -> PyResult<std::time::Duration> {
    seconds(value.extract()?)
}

impl ClientOptions {
    /// Reads the options; those that are None are as by default.
    pub(crate) fn read(servers: Vec<String>, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let servers = servers.iter().map(|server| server.as_str().into()).collect();
        let config = ClientConfig { servers, ..ClientConfig::default() };
        let mut read = ClientOptions {
            native: libmqtt_runtime::ClientOptions::from(config),
            of_socket: None,
            inbox_max: 10_000,
            overflow: Overflow::Wait,
        };
        for (name, value) in options.iter() {
            if !value.is_none() {
                let name: String = name.extract()?;
                let known = matches!(name.as_str(), "data_directory" | "durability")
                    || read.session(&name, &value)?
                    || read.connection(&name, &value)?
                    || read.transport(&name, &value)?;
                if !known {
                    return Err(argument(format!("there is no option '{name}'")));
                }
            }
        }
        read.storage(options)?;
        Ok(read)
    }

    /// Where its messages are kept, once all else is known.
    fn storage(&mut self, options: &Bound<'_, PyDict>) -> PyResult<()> {
        let (directory, durability) = storage(options)?;
        let native = &mut self.native;
        native.persistence = directory.map(ClientPersistence::new);
        keep(native.persistence.as_mut().map(|it| &mut it.durability), durability)?;
        if native.persistence.is_some() {
            if native.config.client_id.is_empty() {
                return Err(argument("data_directory: it wants a client_id"));
            }
            if !native.config.is_lasting() {
                let why = "data_directory: it wants a session_expiry_s, and no clean_start of \
                           'always'";
                return Err(argument(why));
            }
        }
        Ok(())
    }

    /// Who the client is, what the server is told, and what of a Session is kept.
    fn session(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        let config = &mut self.native.config;
        match name {
            "client_id" => config.client_id = value.extract::<String>()?.into(),
            "version" => {
                let level = value.extract()?;
                config.version = Version::from_level(level)
                    .ok_or_else(|| argument(format!("there is no MQTT version {level}")))?;
            }
            "clean_start" => {
                config.clean_start = match value.extract::<bool>() {
                    Ok(true) => CleanStart::Always,
                    Ok(false) => CleanStart::Never,
                    Err(_) => word(
                        name,
                        value,
                        &[
                            ("first", CleanStart::First),
                            ("always", CleanStart::Always),
                            ("never", CleanStart::Never),
                        ],
                    )?,
                }
            }
            "session_expiry_s" => config.session_expiry_s = value.extract()?,
            "accept_unknown_session" => config.accept_unknown_session = value.extract()?,
            "will" => {
                let will = value.cast::<Message>().map_err(PyErr::from)?;
                let content = will.get().content.clone();
                let delay_s = config.will.take().map_or(0, |will| will.delay_s);
                config.will = Some(Will { message: content, delay_s });
            }
            "will_delay_s" => match &mut config.will {
                Some(will) => will.delay_s = value.extract()?,
                None => return Err(argument("will_delay_s without will")),
            },
            "user_name" => config.user_name = Some(value.extract::<String>()?.into()),
            "password" => config.password = Some(secret(value)?),
            "authentication_method" => {
                config.authentication.get_or_insert_default().method =
                    value.extract::<String>()?.into();
            }
            "authentication_data" => {
                let authentication: &mut Authentication =
                    config.authentication.get_or_insert_default();
                authentication.data = Some(secret(value)?);
            }
            "user_properties" => {
                let mut section = PropertiesBuf::new();
                for (name, value) in value.extract::<Vec<(String, String)>>()? {
                    section
                        .push(Property::UserProperty(&name, &value))
                        .map_err(|error| argument(error.to_string()))?;
                }
                config.user_properties = section;
            }
            "request_response_information" => {
                config.request_response_information = value.extract()?;
            }
            "request_problem_information" => {
                config.request_problem_information = value.extract()?;
            }
            "receive_maximum" => config.receive_maximum = value.extract()?,
            "maximum_packet_size" => config.maximum_packet_size = value.extract()?,
            "topic_alias_maximum" => config.topic_alias_maximum = value.extract()?,
            "topic_alias_out_max" => config.topic_alias_out_max = value.extract()?,
            "lost_session" => {
                config.lost_session = word(
                    name,
                    value,
                    &[
                        ("republish_qos1", LostSession::RepublishQoS1),
                        ("republish", LostSession::Republish),
                        ("abandon", LostSession::Abandon),
                    ],
                )?;
            }
            "resubscribe" => config.resubscribe = value.extract()?,
            "manual_ack" => config.manual_ack = value.extract()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// How it connects, and what may wait.
    fn connection(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        let config = &mut self.native.config;
        match name {
            "step_down" => config.step_down = value.extract()?,
            "keep_alive_s" => config.keep_alive_s = value.extract()?,
            "ping_timeout" => config.ping_timeout = span(value)?,
            "connect_timeout" => config.connect_timeout = span(value)?,
            "reconnect" => config.reconnect.enabled = value.extract()?,
            "reconnect_first" => config.reconnect.first = value.extract()?,
            "reconnect_min" => config.reconnect.base = span(value)?,
            "reconnect_max" => config.reconnect.cap = span(value)?,
            "reconnect_growth" => {
                let words = [("exponential", Growth::Exponential), ("constant", Growth::Constant)];
                config.reconnect.growth = word(name, value, &words)?;
            }
            "reconnect_stable_after" => config.reconnect.stable_after = span(value)?,
            "reconnect_jitter" => config.reconnect.jitter = value.extract()?,
            "reconnect_attempts" => config.reconnect.attempts_max = value.extract()?,
            "reconnect_even_if_refused" => config.reconnect.even_if_refused = value.extract()?,
            "follow_server_reference" => config.follow_server_reference = value.extract()?,
            "inflight_max" => config.inflight_max = value.extract()?,
            "output_bytes_max" => config.output_bytes_max = value.extract()?,
            "requests_max" => config.requests_max = value.extract()?,
            "queue_messages_max" => config.queue_messages_max = value.extract()?,
            "queue_bytes_max" => config.queue_bytes_max = value.extract()?,
            "queue_full" => {
                config.queue_full = word(
                    name,
                    value,
                    &[
                        // Waiting is done in Python, which sees the refusal.
                        ("wait", QueueFull::RefuseNewest),
                        ("refuse", QueueFull::RefuseNewest),
                        ("drop_oldest", QueueFull::DropOldest),
                    ],
                )?;
            }
            "offline_qos0" => {
                config.offline_qos0 = word(
                    name,
                    value,
                    &[
                        ("queue", OfflineQoS0::Queue),
                        ("drop", OfflineQoS0::Drop),
                        ("refuse", OfflineQoS0::Refuse),
                    ],
                )?;
            }
            "inbox_max" => self.inbox_max = value.extract::<usize>()?.max(1),
            "overflow" => self.overflow = overflow(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl ClientOptions {
    /// What lies between it and the server.
    fn transport(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.of_socket = Some(match name {
            "no_delay" => {
                self.native.tcp.no_delay = value.extract()?;
                "no_delay"
            }
            "tls" => {
                let settings: Vec<(String, Setting)> = value.extract()?;
                self.native.tls = Some(tls(&settings)?.client().map_err(errors::option)?);
                "tls"
            }
            "web_socket_headers" => {
                self.native.web_socket.headers = value.extract()?;
                "web_socket_headers"
            }
            "proxy" => {
                let proxy: String = value.extract()?;
                let wrong = |error| argument(format!("proxy: {error}"));
                self.native.proxy = Some(proxy.parse().map_err(wrong)?);
                "proxy"
            }
            _ => return Ok(false),
        });
        Ok(true)
    }
}

/// The value of an option of TLS.
#[derive(FromPyObject)]
pub(crate) enum Setting {
    Text(String),
    Data(Vec<u8>),
}

fn tls(settings: &[(String, Setting)]) -> PyResult<TlsOptions> {
    let mut options = TlsOptions::default();
    for (name, setting) in settings {
        match setting {
            Setting::Text(text) => options.set(name, text),
            Setting::Data(data) => options.set_data(name, data),
        }
        .map_err(errors::option)?;
    }
    Ok(options)
}

/// A listener as Python gives it: URL, TLS, options.
pub(crate) type Spec = (String, Option<Vec<(String, Setting)>>, Vec<(String, String)>);

/// Reads a listener.
pub(crate) fn listener((url, settings, options): &Spec) -> PyResult<Listener> {
    let tls = settings.as_deref().map(tls).transpose()?;
    let read = || {
        let mut listener = ListenerOptions::new(url, tls.as_ref())?;
        for (name, value) in options {
            listener.set(name, value)?;
        }
        listener.listener()
    };
    read().map_err(errors::option)
}

/// Where is kept what outlives the process, and how soon it is on disk, if that is given.
fn storage(options: &Bound<'_, PyDict>) -> PyResult<(Option<PathBuf>, Option<Durability>)> {
    let given = |name| -> PyResult<_> {
        Ok(options.get_item(name)?.filter(|value: &Bound<'_, PyAny>| !value.is_none()))
    };
    let directory = given("data_directory")?.map(|it| it.extract::<PathBuf>()).transpose()?;
    let durability = given("durability")?.map(|value| match value.extract::<f64>() {
        Ok(_) => Ok(Durability::Interval(span(&value)?)),
        Err(_) => {
            let words = [("sync", Durability::Sync), ("off", Durability::Off)];
            word("durability", &value, &words)
        }
    });
    Ok((directory, durability.transpose()?))
}

/// Sets the durability that was given, which there has to be a place for.
fn keep(place: Option<&mut Durability>, durability: Option<Durability>) -> PyResult<()> {
    match (place, durability) {
        (_, None) => Ok(()),
        (Some(place), Some(durability)) => {
            *place = durability;
            Ok(())
        }
        (None, Some(_)) => Err(argument("durability: it wants a data_directory")),
    }
}

/// Reads the limits and policies of a broker.
pub(crate) fn broker(told: &mut BrokerOptions, options: &Bound<'_, PyDict>) -> PyResult<()> {
    use libmqtt_runtime::{Overload, QueueFull};
    let (directory, durability) = storage(options)?;
    if let Some(directory) = directory {
        // Instead of what a file has said.
        told.persistence = Some(Persistence::new(directory));
    }
    keep(told.persistence.as_mut().map(|it| &mut it.durability), durability)?;
    let (config, policy) = (&mut told.config, &mut told.policy);
    for (name, value) in options.iter() {
        if value.is_none() {
            continue;
        }
        let name: String = name.extract()?;
        match name.as_str() {
            "allow_anonymous" => policy.anonymous = Some(value.extract()?),
            "password_file" => policy.password_file = Some(value.extract()?),
            "acl_file" => policy.acl_file = Some(value.extract()?),
            "data_directory" | "durability" => {}
            "payload_max" => policy.payload_max = Some(value.extract()?),
            "connect_timeout" => config.connect_timeout = span(&value)?,
            "maximum_packet_size" => config.maximum_packet_size = value.extract()?,
            "maximum_connect_size" => config.maximum_connect_size = value.extract()?,
            "pending_max" => config.pending_max = value.extract()?,
            "address_connections_max" => config.address_connections_max = value.extract()?,
            "address_connects_per_min_max" => {
                config.address_connects_per_min_max = value.extract()?
            }
            "address_failures_per_min_max" => {
                config.address_failures_per_min_max = value.extract()?
            }
            "client_messages_per_s_max" => config.client_messages_per_s_max = value.extract()?,
            "client_bytes_per_s_max" => config.client_bytes_per_s_max = value.extract()?,
            "receive_maximum" => config.receive_maximum = value.extract()?,
            "inflight_max" => config.inflight_max = value.extract()?,
            "topic_alias_maximum" => config.topic_alias_maximum = value.extract()?,
            "topic_alias_out_max" => config.topic_alias_out_max = value.extract()?,
            "maximum_qos" => config.maximum_qos = qos(value.extract()?)?,
            "retain_available" => config.retain_available = value.extract()?,
            "wildcard_subscriptions" => config.wildcard_subscriptions = value.extract()?,
            "subscription_identifiers" => config.subscription_identifiers = value.extract()?,
            "shared_subscriptions" => config.shared_subscriptions = value.extract()?,
            "keep_alive_max_s" => config.keep_alive_max_s = value.extract()?,
            "session_expiry_max_s" => config.session_expiry_max_s = value.extract()?,
            "session_expiry_v3_s" => config.session_expiry_v3_s = value.extract()?,
            "sessions_max" => config.sessions_max = value.extract()?,
            "connections_max" => config.connections_max = value.extract()?,
            "subscriptions_max" => config.subscriptions_max = value.extract()?,
            "subscription_bytes_max" => config.subscription_bytes_max = value.extract()?,
            "shared_subscriptions_max" => config.shared_subscriptions_max = value.extract()?,
            "topic_levels_max" => config.topic_levels_max = value.extract()?,
            "queue_messages_max" => config.queue_messages_max = value.extract()?,
            "queue_bytes_max" => config.queue_bytes_max = value.extract()?,
            "queue_full" => {
                let words = [
                    ("drop_newest", QueueFull::DropNewest),
                    ("drop_oldest", QueueFull::DropOldest),
                ];
                config.queue_full = word(&name, &value, &words)?;
            }
            "queue_qos0_offline" => config.queue_qos0_offline = value.extract()?,
            "backlog_bytes_max" => config.backlog_bytes_max = value.extract()?,
            "overload" => {
                let words = [("drop", Overload::Drop), ("backpressure", Overload::Backpressure)];
                config.overload = word(&name, &value, &words)?;
            }
            "retained_max" => config.retained_max = value.extract()?,
            "retained_bytes_max" => config.retained_bytes_max = value.extract()?,
            "dollar_topics" => config.dollar_topics = value.extract()?,
            "assign_client_ids" => config.assign_client_ids = value.extract()?,
            "assigned_id_prefix" => {
                config.assigned_id_prefix = value.extract::<String>()?.into();
            }
            "sys_interval" => config.sys_interval = span(&value)?,
            "response_information" => {
                config.response_information = Some(value.extract::<String>()?.into());
            }
            _ => return Err(argument(format!("there is no option '{name}'"))),
        }
    }
    Ok(())
}
