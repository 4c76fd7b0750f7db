//! The broker as the face sees it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use libmqtt_locks::{Mutex, MutexGuard, PoisonError};
use libmqtt_runtime::auth::Policy;
use libmqtt_runtime::codec::{Carrier, PacketType};
use libmqtt_runtime::{
    Answers, Broker as Native, BrokerConfig, BrokerError, BrokerOptions, HooksFactory, Message,
    Overload, Persistence, QueueFull, Reason, Step, Ticket, Verdict,
};
use napi::bindgen_prelude::{AsyncTask, Buffer, Function, Uint8Array};
use napi::{Env, Task};
use napi_derive::napi;

use crate::client::Client;
use crate::errors::{self, Result};
use crate::questions::{About, NodeHooks, Question, Questions, Wanted};
use crate::settings::{self, ClientSettings, properties};
use crate::transport::ListenerSettings;
use crate::wake::Wake;

/// Limits and policies; what is not there is as by default.
#[napi(object)]
#[derive(Default)]
pub struct BrokerSettings {
    /// Where to listen.
    pub listeners: Vec<ListenerSettings>,
    /// Whether clients without User Name get in.
    pub anonymous: Option<bool>,
    /// Users and passwords.
    pub password_file: Option<String>,
    /// Access rights.
    pub acl_file: Option<String>,
    /// Largest payload.
    pub payload_max: Option<f64>,
    /// Where sessions and messages are kept.
    pub data_directory: Option<String>,
    /// When they are on disk: see [`settings::durability`].
    pub durability: Option<f64>,
    /// Shards.
    pub shards: Option<u16>,
    /// Names of the hooks that are wanted.
    pub hooks: Vec<String>,
    /// Milliseconds until CONNECT.
    pub connect_timeout: Option<f64>,
    /// Largest packet.
    pub maximum_packet_size: Option<u32>,
    /// Receive Maximum.
    pub receive_maximum: Option<u16>,
    /// Topic Aliases that clients may assign.
    pub topic_alias_maximum: Option<u16>,
    /// Highest QoS.
    #[napi(js_name = "maximumQoS")]
    pub maximum_qos: Option<u8>,
    /// Whether messages may be retained.
    pub retain_available: Option<bool>,
    /// Whether filters may have wildcards.
    pub wildcard_subscriptions: Option<bool>,
    /// Whether subscriptions may be shared.
    pub shared_subscriptions: Option<bool>,
    /// Longest Keep Alive in seconds.
    pub keep_alive_max: Option<u16>,
    /// Longest Session Expiry Interval in seconds.
    pub session_expiry_max: Option<u32>,
    /// Session Expiry Interval of 3.x sessions with Clean Session 0, in seconds.
    pub session_expiry_v3: Option<u32>,
    /// Sessions.
    pub sessions_max: Option<f64>,
    /// Connections.
    pub connections_max: Option<f64>,
    /// Subscriptions of a session.
    pub subscriptions_max: Option<f64>,
    /// Messages that wait for a session.
    pub queue_messages_max: Option<f64>,
    /// Bytes of these.
    pub queue_bytes_max: Option<f64>,
    /// Whether the oldest message is dropped rather than the newest.
    pub queue_drop_oldest: Option<bool>,
    /// Whether QoS 0 messages wait for sessions that are away.
    #[napi(js_name = "queueQoS0Offline")]
    pub queue_qos0_offline: Option<bool>,
    /// Whether publishers wait for subscribers.
    pub backpressure: Option<bool>,
    /// Retained messages.
    pub retained_max: Option<f64>,
    /// Bytes of these.
    pub retained_bytes_max: Option<f64>,
    /// Whether clients may publish below `$`.
    pub dollar_topics: Option<bool>,
    /// Whether Client Identifiers are assigned.
    pub assign_client_ids: Option<bool>,
    /// Milliseconds between updates of `$SYS`.
    pub sys_interval: Option<f64>,
    /// Connections of one shard that are not through CONNECT.
    pub pending_max: Option<f64>,
    /// Largest packet before authentication.
    pub maximum_connect_size: Option<u32>,
    /// Connections of one address.
    pub address_connections_max: Option<u32>,
    /// Connections that one address may open in a minute.
    pub address_connects_per_minute_max: Option<u32>,
    /// Logins of one address that may fail in a minute.
    pub address_failures_per_minute_max: Option<u32>,
    /// Messages that a client may send in a second.
    pub client_messages_per_second_max: Option<u32>,
    /// Bytes that a client may send in a second.
    pub client_bytes_per_second_max: Option<u32>,
    /// Unacknowledged messages sent to a client.
    pub inflight_max: Option<u16>,
    /// Bytes of the filters of a session.
    pub subscription_bytes_max: Option<f64>,
    /// Shared subscriptions of a session.
    pub shared_subscriptions_max: Option<f64>,
    /// Levels of a topic.
    pub topic_levels_max: Option<f64>,
    /// Bytes that wait for all sessions together.
    pub backlog_bytes_max: Option<f64>,
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn count(value: Option<f64>) -> Option<usize> {
    value.map(|value| value as usize)
}

impl BrokerSettings {
    fn config(&self) -> Result<BrokerConfig> {
        let mut config = BrokerConfig::default();
        put(&mut config.connect_timeout, self.connect_timeout.map(settings::milliseconds));
        put(&mut config.maximum_packet_size, self.maximum_packet_size);
        put(&mut config.receive_maximum, self.receive_maximum);
        put(&mut config.topic_alias_maximum, self.topic_alias_maximum);
        if let Some(qos) = self.maximum_qos {
            config.maximum_qos = settings::qos(qos)?;
        }
        put(&mut config.retain_available, self.retain_available);
        put(&mut config.wildcard_subscriptions, self.wildcard_subscriptions);
        put(&mut config.shared_subscriptions, self.shared_subscriptions);
        put(&mut config.keep_alive_max_s, self.keep_alive_max);
        put(&mut config.session_expiry_max_s, self.session_expiry_max);
        put(&mut config.session_expiry_v3_s, self.session_expiry_v3);
        put(&mut config.sessions_max, count(self.sessions_max));
        put(&mut config.connections_max, count(self.connections_max));
        put(&mut config.subscriptions_max, count(self.subscriptions_max));
        put(&mut config.queue_messages_max, count(self.queue_messages_max));
        put(&mut config.queue_bytes_max, count(self.queue_bytes_max));
        if self.queue_drop_oldest == Some(true) {
            config.queue_full = QueueFull::DropOldest;
        }
        put(&mut config.queue_qos0_offline, self.queue_qos0_offline);
        if self.backpressure == Some(true) {
            config.overload = Overload::Backpressure;
        }
        put(&mut config.retained_max, count(self.retained_max));
        put(&mut config.retained_bytes_max, count(self.retained_bytes_max));
        put(&mut config.dollar_topics, self.dollar_topics);
        put(&mut config.assign_client_ids, self.assign_client_ids);
        put(&mut config.sys_interval, self.sys_interval.map(settings::milliseconds));
        put(&mut config.pending_max, count(self.pending_max));
        put(&mut config.maximum_connect_size, self.maximum_connect_size);
        put(&mut config.address_connections_max, self.address_connections_max);
        put(&mut config.address_connects_per_min_max, self.address_connects_per_minute_max);
        put(&mut config.address_failures_per_min_max, self.address_failures_per_minute_max);
        put(&mut config.client_messages_per_s_max, self.client_messages_per_second_max);
        put(&mut config.client_bytes_per_s_max, self.client_bytes_per_second_max);
        put(&mut config.inflight_max, self.inflight_max);
        put(&mut config.subscription_bytes_max, count(self.subscription_bytes_max));
        put(&mut config.shared_subscriptions_max, count(self.shared_subscriptions_max));
        put(&mut config.topic_levels_max, count(self.topic_levels_max));
        put(&mut config.backlog_bytes_max, count(self.backlog_bytes_max));
        Ok(config)
    }

    fn policy(&self, wanted: Wanted) -> Policy {
        Policy {
            // With a hook, the program decides.
            anonymous: self.anonymous.or(wanted.authenticate.then_some(true)),
            password_file: self.password_file.as_ref().map(Into::into),
            acl_file: self.acl_file.as_ref().map(Into::into),
            payload_max: count(self.payload_max),
        }
    }

    fn persistence(&self) -> Option<Persistence> {
        let directory = self.data_directory.as_ref()?;
        let durability = settings::durability(self.durability);
        Some(Persistence { durability, ..Persistence::new(directory) })
    }

    fn wanted(&self) -> Result<Wanted> {
        let mut wanted = Wanted::default();
        for hook in &self.hooks {
            match hook.as_str() {
                "authenticate" => wanted.authenticate = true,
                "authorizePublish" => wanted.authorise_publish = true,
                "authorizeSubscribe" => wanted.authorise_subscribe = true,
                "connect" => wanted.connect = true,
                "disconnect" => wanted.disconnect = true,
                "publish" => wanted.publish = true,
                "subscribe" => wanted.subscribe = true,
                "unsubscribe" => wanted.unsubscribe = true,
                other => return Err(errors::argument(format!("there is no hook '{other}'"))),
            }
        }
        Ok(wanted)
    }
}

/// Who it is about.
#[napi(object)]
pub struct ClientInfo {
    /// Client Identifier.
    pub client_id: String,
    /// User Name.
    pub username: Option<String>,
    /// 3, 4 or 5.
    pub protocol_version: u8,
    /// IP address.
    pub address: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Its certificate, if it has shown one.
    pub certificate: Option<CertificateInfo>,
}

/// A certificate.
#[napi(object)]
pub struct CertificateInfo {
    /// Its Subject, in the form of RFC 4514.
    pub subject: String,
    /// The Common Name in it.
    pub common_name: Option<String>,
    /// All of it, in DER; empty if only a proxy has seen it.
    pub raw: Buffer,
}

/// Something that the broker asks or tells.
#[napi(object)]
pub struct Asked {
    /// The hook or event.
    pub kind: String,
    /// To be answered with `answer`, if there is one.
    pub ticket: Option<u32>,
    /// The client; none for the program's own messages.
    pub client: Option<ClientInfo>,
    /// Topic or filter.
    pub topic: Option<String>,
    /// Payload.
    pub payload: Option<Buffer>,
    /// QoS.
    pub qos: Option<u8>,
    /// RETAIN.
    pub retain: Option<bool>,
    /// Properties, as on the wire.
    pub properties: Option<Buffer>,
    /// Reason Code.
    pub reason: Option<u8>,
    /// Step of authentication.
    pub step: Option<String>,
    /// Password.
    pub password: Option<Buffer>,
    /// Authentication Method.
    pub method: Option<String>,
    /// Authentication Data.
    pub data: Option<Buffer>,
}

impl Asked {
    fn new(question: &mut Question) -> Asked {
        let client = question.client.take().map(|who| ClientInfo {
            client_id: who.client_id.into(),
            username: who.user_name.map(Into::into),
            protocol_version: who.version.level(),
            address: who.peer.map(|peer| peer.ip().to_string()),
            port: who.peer.map(|peer| peer.port()),
            certificate: who.identity.map(|identity| CertificateInfo {
                subject: identity.subject.to_string(),
                common_name: identity.common_name.as_deref().map(Into::into),
                raw: identity.certificate.to_vec().into(),
            }),
        });
        let mut asked = Asked {
            kind: String::new(),
            ticket: None,
            client,
            topic: None,
            payload: None,
            qos: None,
            retain: None,
            properties: None,
            reason: None,
            step: None,
            password: None,
            method: None,
            data: None,
        };
        let kind = match &mut question.about {
            About::Authenticate { step, password, method, data } => {
                asked.step = Some(
                    match step {
                        Step::Connect => "connect",
                        Step::Continue => "continue",
                        Step::ReAuthenticate => "reauthenticate",
                    }
                    .into(),
                );
                asked.password = password.take().map(Into::into);
                asked.method = method.take();
                asked.data = data.take().map(Into::into);
                "authenticate"
            }
            About::Publish(message) => {
                asked.message(message);
                "authorizePublish"
            }
            About::Published(message) => {
                asked.message(message);
                "publish"
            }
            About::Subscribe(filter, qos) => {
                (asked.topic, asked.qos) = (Some(filter.to_string()), Some(*qos));
                "authorizeSubscribe"
            }
            About::Subscribed(filter, qos) => {
                (asked.topic, asked.qos) = (Some(filter.to_string()), Some(*qos));
                "subscribe"
            }
            About::Unsubscribed(filter) => {
                asked.topic = Some(filter.to_string());
                "unsubscribe"
            }
            About::Connected => "connect",
            About::Disconnected(reason) => {
                asked.reason = Some(*reason as u8);
                "disconnect"
            }
        };
        asked.kind = kind.into();
        asked
    }

    fn message(&mut self, message: &Message) {
        self.topic = Some(message.topic().into());
        self.payload = Some(message.payload().to_vec().into());
        self.qos = Some(message.qos() as u8);
        self.retain = Some(message.retain());
        self.properties = Some(message.properties().as_bytes().to_vec().into());
    }
}

/// Stops a broker on a thread of the pool.
pub struct Stop {
    native: Arc<Native>,
    deadline: Duration,
}

impl Task for Stop {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<()> {
        self.native.stop(self.deadline);
        Ok(())
    }

    fn resolve(&mut self, _: Env, (): ()) -> napi::Result<()> {
        Ok(())
    }
}

/// A broker.
#[napi]
pub struct Broker {
    native: Arc<Native>,
    questions: Arc<Questions>,
    open: Mutex<Open>,
}

/// Questions that JavaScript has and has not answered, by number.
#[derive(Default)]
struct Open {
    list: HashMap<u32, (Answers, Ticket)>,
    last: u32,
}

impl Broker {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[napi]
impl Broker {
    /// Starts it. `wake` is called when questions come while none wait.
    #[napi(constructor)]
    pub fn new(settings: BrokerSettings, wake: Function<'_, (), ()>) -> Result<Broker> {
        let listeners: Result<Vec<_>> =
            settings.listeners.iter().map(ListenerSettings::listener).collect();
        let wanted = settings.wanted()?;
        let questions = Arc::new(Questions::new(Wake::new(&wake)?));
        let mut options = BrokerOptions {
            config: settings.config()?,
            listeners: listeners?,
            shards: settings.shards,
            policy: settings.policy(wanted),
            persistence: settings.persistence(),
            ..BrokerOptions::default()
        };
        if !settings.hooks.is_empty() {
            let questions = questions.clone();
            let factory: HooksFactory = Arc::new(move |answers| {
                Box::new(NodeHooks { wanted, answers, questions: questions.clone() })
            });
            options.hooks = Some(factory);
        }
        let native = Arc::new(Native::start(options).map_err(errors::broker)?);
        Ok(Broker { native, questions, open: Mutex::default() })
    }

    /// Where it listens.
    #[napi(getter)]
    pub fn addresses(&self) -> Vec<String> {
        self.native.addresses().iter().map(ToString::to_string).collect()
    }

    /// The same as URLs.
    #[napi(getter)]
    pub fn urls(&self) -> Vec<String> {
        self.native.urls()
    }

    /// The first port; none without any.
    #[napi(getter)]
    pub fn port(&self) -> Option<u16> {
        self.native.port()
    }

    /// Reads the files of passwords, rights and certificates again.
    #[napi]
    pub fn reload(&self) -> Result<()> {
        self.native.reload().map_err(errors::broker)
    }

    /// Whether it runs.
    #[napi(getter)]
    pub fn running(&self) -> bool {
        self.native.is_running()
    }

    /// Takes questions.
    #[napi]
    pub fn take(&self, max: u32) -> Vec<Asked> {
        let taken = self.questions.take(max as usize);
        let mut open = self.open();
        let all = taken.into_iter().map(|mut question| {
            let mut asked = Asked::new(&mut question);
            if let Some(answer) = question.asked.take() {
                // When the numbers begin again, the first have long been answered.
                open.last = open.last.wrapping_add(1);
                let number = open.last;
                open.list.insert(number, answer);
                asked.ticket = Some(number);
            }
            asked
        });
        all.collect()
    }

    /// Answers a question: 0 allows, 0x80 and above denies, 0x18 asks for more data.
    #[napi]
    pub fn answer(&self, ticket: u32, reason: u8, data: Option<Uint8Array>) -> Result<()> {
        let reason = Reason::from_u8(reason)
            .ok_or_else(|| errors::argument(format!("there is no reason code {reason}")))?;
        let Some((answers, ticket)) = self.open().list.remove(&ticket) else { return Ok(()) };
        let data = data.map(|data| data.to_vec().into());
        let verdict = match (reason, data) {
            (Reason::ContinueAuthentication, data) => Verdict::Challenge(data.unwrap_or_default()),
            (reason, _) if reason.is_error() => Verdict::Deny(reason),
            (_, Some(data)) => Verdict::AllowWith(data),
            (_, None) => Verdict::Allow,
        };
        answers.answer(ticket, verdict);
        Ok(())
    }

    /// Publishes as the host program.
    #[napi]
    pub fn publish(
        &self,
        topic: String,
        payload: &[u8],
        qos: u8,
        retain: bool,
        section: &[u8],
    ) -> Result<()> {
        let properties = properties(section, Carrier::Packet(PacketType::Publish))?;
        let message = Message::build(&topic, payload, settings::qos(qos)?, retain, properties)
            .map_err(|error| errors::argument(error.to_string()))?;
        self.native.publish(&message).map_err(errors::broker)
    }

    /// Counters by name.
    #[napi]
    pub fn stats(&self) -> HashMap<String, f64> {
        let stats = self.native.stats();
        let counters = [
            ("connections", stats.connections),
            ("connectionsTotal", stats.connections_total),
            ("sessions", stats.sessions),
            ("subscriptions", stats.subscriptions),
            ("retained", stats.retained),
            ("retainedBytes", stats.retained_bytes),
            ("packetsReceived", stats.packets_received),
            ("packetsSent", stats.packets_sent),
            ("bytesReceived", stats.bytes_received),
            ("bytesSent", stats.bytes_sent),
            ("publishReceived", stats.publish_received),
            ("publishSent", stats.publish_sent),
            ("publishDropped", stats.publish_dropped),
            ("queuedMessages", stats.queued_messages),
            ("queuedBytes", stats.queued_bytes),
            ("eventsDropped", self.questions.dropped()),
        ];
        counters.into_iter().map(|(name, value)| (name.to_owned(), value as f64)).collect()
    }

    /// Ends the connection of a client.
    #[napi]
    pub fn disconnect(&self, client_id: String, reason: u8) -> Result<()> {
        let reason = Reason::from_u8(reason)
            .ok_or_else(|| errors::argument(format!("there is no reason code {reason}")))?;
        self.native.disconnect(&client_id, reason);
        Ok(())
    }

    /// A client within the process.
    #[napi]
    pub fn client(&self, settings: ClientSettings, wake: Function<'_, (), ()>) -> Result<Client> {
        if !self.native.is_running() {
            return Err(errors::broker(BrokerError::Stopped));
        }
        let native = self.native.client(settings.options()?).map_err(errors::broker)?;
        Ok(Client::over(native, &settings, Wake::new(&wake)?))
    }

    /// Stops it within so many milliseconds.
    #[napi]
    pub fn stop(&self, deadline: f64) -> AsyncTask<Stop> {
        let deadline = settings::milliseconds(deadline);
        AsyncTask::new(Stop { native: self.native.clone(), deadline })
    }
}
