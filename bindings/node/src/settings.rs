//! How a client is set up, as the face says it.

use std::time::Duration;

use libmqtt_runtime::codec::{Carrier, PacketType, Side};
use libmqtt_runtime::engine::client::{
    Authentication, CleanStart, Growth, LostSession, OfflineQoS0, QueueFull, Reconnect, Will,
};
use libmqtt_runtime::{
    ClientConfig, ClientOptions, ClientPersistence, Durability, Message, Properties, PropertiesBuf,
    ProxyServerError, QoS, Version,
};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::errors::{self, Result};
use crate::transport::{Header, TlsSettings, web_socket};

/// The face connects again itself: the engine waits for that, and keeps what it has meanwhile.
pub(crate) const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A Will Message.
#[napi(object)]
pub struct WillSettings {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Uint8Array,
    /// Its QoS.
    pub qos: u8,
    /// Whether it is retained.
    pub retain: bool,
    /// Its properties but for the delay, as on the wire.
    pub properties: Uint8Array,
    /// Will Delay Interval in seconds.
    pub delay: u32,
}

/// All that a client has to know.
#[napi(object)]
pub struct ClientSettings {
    /// URLs, tried in turn.
    pub servers: Vec<String>,
    /// TLS, for those that want it.
    pub tls: Option<TlsSettings>,
    /// Further headers of WebSocket requests.
    pub headers: Vec<Header>,
    /// URL of a proxy.
    pub proxy: Option<String>,
    /// The Client Identifier.
    pub client_id: String,
    /// 3, 4 or 5.
    pub version: u8,
    /// Whether every connection starts with a clean Session.
    pub clean: bool,
    /// Session Expiry Interval in seconds; 3.x: 0 or not.
    pub session_expiry: u32,
    /// Keep Alive in seconds.
    pub keep_alive: u16,
    /// Milliseconds from dialling to CONNACK.
    pub connect_timeout: f64,
    /// User Name.
    pub user_name: Option<String>,
    /// Password.
    pub password: Option<Uint8Array>,
    /// The Will.
    pub will: Option<WillSettings>,
    /// Authentication Method.
    pub authentication_method: Option<String>,
    /// Authentication Data.
    pub authentication_data: Option<Uint8Array>,
    /// User Properties of CONNECT, as on the wire.
    pub user_properties: Uint8Array,
    /// Whether Response Information is asked for.
    pub request_response_information: bool,
    /// Whether explanations are.
    pub request_problem_information: bool,
    /// Receive Maximum.
    pub receive_maximum: u16,
    /// Maximum Packet Size; 0: what MQTT allows.
    pub maximum_packet_size: u32,
    /// Topic Alias Maximum.
    pub topic_alias_maximum: u16,
    /// Topic Aliases to assign.
    pub topic_alias_out: u16,
    /// Whether to subscribe again when the Session was lost.
    pub resubscribe: bool,
    /// Messages that may wait to be sent.
    pub queue_messages: f64,
    /// Bytes of these.
    pub queue_bytes: f64,
    /// Messages in flight.
    pub in_flight: u16,
    /// Where messages are kept beyond the process.
    pub data_directory: Option<String>,
    /// When they are on disk: see [`durability`].
    pub durability: Option<f64>,
}

/// A QoS.
pub(crate) fn qos(qos: u8) -> Result<QoS> {
    QoS::from_u8(qos).ok_or_else(|| errors::argument(format!("there is no QoS {qos}")))
}

/// A property section that a client sends.
pub(crate) fn properties(wire: &[u8], carrier: Carrier) -> Result<Properties<'_>> {
    Properties::decode(wire, carrier, Side::Client)
        .map_err(|error| errors::argument(format!("properties: {error}")))
}

/// Milliseconds.
pub(crate) fn milliseconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number / 1000.0).unwrap_or(NEVER)
}

/// When what is stored is on disk: after so many milliseconds at most; 0 and by default: before
/// anything depends on it; below: when who stores it ends.
pub(crate) fn durability(number: Option<f64>) -> Durability {
    match number {
        None | Some(0.0) => Durability::Sync,
        Some(below) if below < 0.0 => Durability::Off,
        Some(number) => Durability::Interval(milliseconds(number)),
    }
}

fn count(number: f64) -> usize {
    number as usize // saturates, and is never below 0
}

impl ClientSettings {
    pub(crate) fn options(&self) -> Result<ClientOptions> {
        let version = match self.version {
            3 => Version::V31,
            4 => Version::V311,
            5 => Version::V5,
            other => return Err(errors::argument(format!("there is no protocol version {other}"))),
        };
        let will = match &self.will {
            None => None,
            Some(will) => Some(Will {
                message: Message::build(
                    &will.topic,
                    &will.payload,
                    qos(will.qos)?,
                    will.retain,
                    properties(&will.properties, Carrier::Will)?,
                )
                .map_err(|error| errors::argument(format!("will: {error}")))?,
                delay_s: will.delay,
            }),
        };
        let config = ClientConfig {
            servers: self.servers.iter().map(|server| server.as_str().into()).collect(),
            client_id: self.client_id.as_str().into(),
            version,
            clean_start: if self.clean { CleanStart::Always } else { CleanStart::Never },
            session_expiry_s: self.session_expiry,
            accept_unknown_session: true,
            keep_alive_s: self.keep_alive,
            // With the Keep Alive itself, one and a half of it.
            ping_timeout: Duration::from_millis(u64::from(self.keep_alive) * 500),
            will,
            user_name: self.user_name.as_deref().map(Into::into),
            password: self.password.as_ref().map(|password| password.as_ref().into()),
            authentication: self.authentication_method.as_deref().map(|method| Authentication {
                method: method.into(),
                data: self.authentication_data.as_ref().map(|data| data.as_ref().into()),
            }),
            user_properties: PropertiesBuf::from(properties(
                &self.user_properties,
                Carrier::Packet(PacketType::Connect),
            )?),
            request_response_information: self.request_response_information,
            request_problem_information: self.request_problem_information,
            receive_maximum: self.receive_maximum,
            topic_alias_maximum: self.topic_alias_maximum,
            topic_alias_out_max: self.topic_alias_out,
            inflight_max: self.in_flight,
            connect_timeout: milliseconds(self.connect_timeout),
            reconnect: Reconnect {
                enabled: true,
                first: true,
                base: NEVER,
                cap: NEVER,
                growth: Growth::Constant,
                jitter: false,
                even_if_refused: true,
                ..Reconnect::default()
            },
            follow_server_reference: false,
            queue_messages_max: count(self.queue_messages),
            queue_bytes_max: count(self.queue_bytes),
            queue_full: QueueFull::RefuseNewest,
            offline_qos0: OfflineQoS0::Queue,
            requests_max: usize::from(u16::MAX),
            lost_session: LostSession::Republish,
            resubscribe: self.resubscribe,
            manual_ack: true,
            ..ClientConfig::default()
        };
        let config = match self.maximum_packet_size {
            0 => config,
            maximum_packet_size => ClientConfig { maximum_packet_size, ..config },
        };
        let persistence = self.data_directory.as_ref().map(|directory| ClientPersistence {
            durability: durability(self.durability),
            ..ClientPersistence::new(directory)
        });
        Ok(ClientOptions {
            persistence,
            tls: self.tls.as_ref().map(TlsSettings::client).transpose()?,
            web_socket: web_socket(&self.headers),
            proxy: match &self.proxy {
                Some(url) => Some(url.parse().map_err(|error: ProxyServerError| {
                    errors::argument(format!("proxy: {error}"))
                })?),
                None => None,
            },
            ..ClientOptions::from(config)
        })
    }
}
