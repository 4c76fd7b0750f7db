//! The client as the face sees it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use libmqtt_runtime::codec::{Carrier, PacketType, Subscriptions};
use libmqtt_runtime::engine::client::{AckId, Disconnect, Secret};
use libmqtt_runtime::{
    Client as Native, ClientError, Event, NetworkError, Properties, PropertiesBuf, Publish, QoS,
    Reason, Runtime as NativeRuntime, Status, Subscription, Version,
};
use napi::bindgen_prelude::{BufferSlice, Function, PromiseRaw, Uint8Array, Uint32ArraySlice};
use napi::{Env, Task};
use napi_derive::napi;

use crate::errors::{self, Result};
use crate::events::{WORDS, Writer};
use crate::settings::{self, ClientSettings, properties};
use crate::wake::Wake;

/// Numbers for each message in the index of a batch to publish.
const PUBLISH_WORDS: usize = 6;
const QOS: u32 = 3;
const RETAIN: u32 = 1 << 2;
const TRACKED: u32 = 1 << 3;

/// The loop that serves the clients of an environment.
#[napi]
pub struct Runtime {
    native: NativeRuntime,
}

#[napi]
impl Runtime {
    /// Starts its thread.
    #[napi(constructor)]
    pub fn new() -> Result<Runtime> {
        Ok(Runtime { native: NativeRuntime::new().map_err(errors::client)? })
    }
}

/// Why a connection could not be made, or failed.
#[napi(object)]
pub struct Failure {
    /// As Node names it: ECONNREFUSED, CERT_HAS_EXPIRED; or the code of one of our statuses.
    pub code: String,
    /// The system's number, negative as Node has it.
    pub errno: i32,
    /// What it says.
    pub message: String,
    /// The URL, or for TCP `host:port`.
    pub server: String,
    /// Whether the name could not be resolved.
    pub resolving: bool,
    /// Whether it was TLS, WebSocket or a proxy that failed.
    pub layer: bool,
    /// Whether the connection had stood.
    pub connected: bool,
}

/// How to say goodbye.
#[napi(object)]
pub struct Goodbye {
    /// Reason Code.
    pub reason: u8,
    /// Session Expiry Interval.
    pub session_expiry: Option<u32>,
    /// Reason String and User Properties, as on the wire.
    pub properties: Uint8Array,
    /// Milliseconds for what waits.
    pub wait: f64,
}

/// A client, until it is closed.
#[napi]
pub struct Client {
    native: Option<Native>,
    /// Whether it keeps messages beyond the process.
    keeps: bool,
    events: Vec<Event>,
    acks: VecDeque<AckId>,
}

impl Client {
    pub(crate) fn over(native: Native, settings: &ClientSettings, wake: Wake) -> Client {
        native.on_ready(move || wake.call());
        let keeps = settings.data_directory.is_some();
        Client { native: Some(native), keeps, events: Vec::new(), acks: VecDeque::new() }
    }

    fn native(&self) -> Result<&Native> {
        self.native.as_ref().ok_or_else(|| errors::client(ClientError::Closed))
    }
}

impl Drop for Client {
    /// The environment ends, or nobody has the client any more: a client that was not told to say
    /// goodbye says none, and its will is published.
    fn drop(&mut self) {
        if let Some(native) = &self.native {
            leave_with_will(native);
        }
        self.close();
    }
}

/// Lets the server publish the will, as if the process had died.
fn leave_with_will(native: &Native) {
    let how = Disconnect {
        reason: Reason::DisconnectWithWill,
        linger: Duration::ZERO,
        ..Disconnect::default()
    };
    // A client without a connection has no will to publish.
    let _ = native.disconnect(how);
}

#[napi]
impl Client {
    /// A client of servers. `wake` is called when events come while none wait.
    #[napi(constructor)]
    pub fn new(
        runtime: &Runtime,
        settings: ClientSettings,
        wake: Function<'_, (), ()>,
    ) -> Result<Client> {
        let native = Native::new(&runtime.native, settings.options()?).map_err(errors::client)?;
        Ok(Client::over(native, &settings, Wake::new(&wake)?))
    }

    /// Starts an attempt to connect.
    #[napi]
    pub fn start(&self) -> Result<()> {
        self.native()?.start().map_err(errors::client)
    }

    /// Publishes the messages of a batch. For each there are six numbers: its place in `data`, the
    /// lengths of its topic, properties and payload, its flags, and a place where its token is
    /// put, or 0 and, in the place of the flags, the status that refuses it.
    #[napi]
    pub fn publish(
        &self,
        data: &[u8],
        mut index: Uint32ArraySlice<'_>,
        count: u32,
    ) -> Result<bool> {
        // SAFETY: the array belongs to the face, which is waiting for this call, and nothing
        // else looks at it meanwhile.
        let index = unsafe { index.as_mut() };
        let all = index.chunks_exact_mut(PUBLISH_WORDS).take(count as usize);
        self.native()?
            .batch(|batch| {
                let mut good = true;
                for words in all {
                    let tracked = words[4] & TRACKED != 0;
                    let result = message(data, words).and_then(|message| {
                        if tracked {
                            let token = batch.publish(&message).map_err(status)?;
                            Ok(token.as_u64() as u32)
                        } else {
                            batch.send(&message).map_err(status).map(|()| 0)
                        }
                    });
                    match result {
                        Ok(token) => (words[4], words[5]) = (0, token),
                        Err(status) => {
                            (words[4], words[5]) = (status.code() as u32, 0);
                            good = false;
                        }
                    }
                }
                good
            })
            .map_err(errors::client)
    }

    /// Subscribes; `wanted` is the payload of SUBSCRIBE, `section` its properties. Returns the
    /// token.
    #[napi]
    pub fn subscribe(&self, wanted: &[u8], section: &[u8]) -> Result<u32> {
        let wanted = Subscriptions::decode(wanted, Version::V5)
            .map_err(|error| errors::argument(error.to_string()))?;
        let wanted: Vec<Subscription<'_>> = wanted.iter().collect();
        let properties = properties(section, Carrier::Packet(PacketType::Subscribe))?;
        let token = self.native()?.subscribe_start(&wanted, properties);
        Ok(token.map_err(errors::client)?.as_u64() as u32)
    }

    /// Unsubscribes. Returns the token.
    #[napi]
    pub fn unsubscribe(&self, filters: Vec<String>, section: &[u8]) -> Result<u32> {
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        let properties = properties(section, Carrier::Packet(PacketType::Unsubscribe))?;
        let token = self.native()?.unsubscribe_start(&filters, properties);
        Ok(token.map_err(errors::client)?.as_u64() as u32)
    }

    /// Sends PINGREQ. Returns the token.
    #[napi]
    pub fn ping(&self) -> Result<u32> {
        Ok(self.native()?.ping().map_err(errors::client)?.as_u64() as u32)
    }

    /// Resolved when all that was published so far at QoS 1 and 2 is on disk, with the number of
    /// the status. It comes beside the events, which stand still while the program handles a message.
    #[napi]
    pub fn flush<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, i32>> {
        // Not as an AsyncTask, with which nothing else could be called meanwhile.
        let flush = Flush { native: self.native()?.clone() };
        env.spawn(flush).map(|started| started.promise_object()).map_err(errors::napi)
    }

    /// Acknowledges the next so many messages that wait for it, in their order.
    #[napi]
    pub fn acknowledge(&mut self, count: u32, reason: u8) -> Result<()> {
        let reason = reason_code(reason)?;
        for ack in self.acks.drain(..self.acks.len().min(count as usize)) {
            let Some(native) = &self.native else { continue };
            // Of a connection that has ended: the server sends the message again.
            let _ = native.acknowledge(ack, reason);
        }
        Ok(())
    }

    /// Never acknowledges the next message.
    #[napi]
    pub fn forgo(&mut self) {
        self.acks.pop_front();
    }

    /// Answers a challenge.
    #[napi]
    pub fn authenticate(&self, data: &[u8]) -> Result<()> {
        self.native()?.authenticate(data).map_err(errors::client)
    }

    /// Replaces User Name and Password.
    #[napi]
    pub fn set_credentials(
        &self,
        user_name: Option<String>,
        password: Option<Uint8Array>,
    ) -> Result<()> {
        let password = password.map(|password| Secret::from(password.as_ref()));
        self.native()?.set_credentials(user_name.as_deref(), password).map_err(errors::client)
    }

    /// Whether to read from the server.
    #[napi]
    pub fn set_reading(&self, reading: bool) -> Result<()> {
        self.native()?.set_reading(reading);
        Ok(())
    }

    /// Whether every packet is told.
    #[napi]
    pub fn watch(&self, watched: bool) -> Result<()> {
        self.native()?.watch(watched);
        Ok(())
    }

    /// Says goodbye.
    #[napi]
    pub fn disconnect(&self, goodbye: Goodbye) -> Result<()> {
        let how = Disconnect {
            reason: reason_code(goodbye.reason)?,
            session_expiry_s: goodbye.session_expiry,
            properties: PropertiesBuf::from(properties(
                &goodbye.properties,
                Carrier::Packet(PacketType::Disconnect),
            )?),
            wait: settings::milliseconds(goodbye.wait),
            ..Disconnect::default()
        };
        self.native()?.disconnect(how).map_err(errors::client)
    }

    /// Closes the connection without a goodbye.
    #[napi]
    pub fn cut(&self) -> Result<()> {
        leave_with_will(self.native()?);
        Ok(())
    }

    /// Lets go of the client, and of its file.
    #[napi]
    pub fn close(&mut self) {
        let Some(native) = self.native.take() else { return };
        if self.keeps {
            // A flush has it, too.
            native.close(Duration::ZERO);
        }
    }

    /// Takes events, as many as the index has room for, and returns their data. The number of
    /// events is returned in the last word of the index.
    #[napi]
    pub fn drain<'env>(
        &mut self,
        env: &'env Env,
        mut index: Uint32ArraySlice<'_>,
    ) -> Result<Option<BufferSlice<'env>>> {
        // SAFETY: as in `publish`.
        let index = unsafe { index.as_mut() };
        let Some((count, index)) = index.split_last_mut() else { return Ok(None) };
        *count = 0;
        let Some(native) = &self.native else { return Ok(None) };
        native.drain_events(&mut self.events, index.len() / WORDS);
        *count = self.events.len() as u32;
        if self.events.is_empty() {
            return Ok(None);
        }
        let mut writer = Writer::new(index, &mut self.acks);
        for event in self.events.drain(..) {
            writer.event(&event);
        }
        BufferSlice::from_data(env, writer.data).map(Some).map_err(errors::napi)
    }

    /// The Client Identifier: given, or assigned by the server.
    #[napi(getter)]
    pub fn client_id(&self) -> Result<String> {
        Ok(self.native()?.client_id().to_string())
    }

    /// How the last attempt to connect, or the last connection, has failed.
    #[napi]
    pub fn failure(&self) -> Result<Option<Failure>> {
        Ok(self.native()?.network_error().map(|(server, error)| failure(&server, &error)))
    }
}

/// A client's messages on their way to the disk.
pub struct Flush {
    native: Native,
}

impl Task for Flush {
    type Output = Status;
    type JsValue = i32;

    fn compute(&mut self) -> napi::Result<Status> {
        Ok(self.native.flush(settings::NEVER).map_or_else(|error| error.status(), |()| Status::Ok))
    }

    fn resolve(&mut self, _: Env, status: Status) -> napi::Result<i32> {
        Ok(status.code())
    }
}

fn failure(server: &Arc<str>, error: &NetworkError) -> Failure {
    let (connected, source) = match error {
        NetworkError::Resolve(error) => {
            return Failure {
                code: "ENOTFOUND".into(),
                errno: -3008,
                message: error.to_string(),
                server: server.to_string(),
                resolving: true,
                layer: false,
                connected: false,
            };
        }
        NetworkError::Dial(error) => (false, error),
        NetworkError::Failed(error) => (true, error),
        NetworkError::Layer(_) | NetworkError::Tls(_) | NetworkError::Reference(_) => {
            let (code, message) = match error {
                NetworkError::Layer(error) => errors::of_layer(error),
                _ => None,
            }
            .map_or_else(
                || (errors::code_of(error.status()), errors::words(error)),
                |(code, message)| (code.into(), message.into()),
            );
            return Failure {
                code,
                errno: 0,
                message,
                server: server.to_string(),
                resolving: false,
                layer: true,
                connected: false,
            };
        }
    };
    Failure {
        code: errno_name(source).unwrap_or("UNKNOWN").into(),
        errno: source.raw_os_error().map_or(0, |number| -number),
        message: error.to_string(),
        server: server.to_string(),
        resolving: false,
        layer: false,
        connected,
    }
}

/// The name that Node gives such an error.
pub(crate) fn errno_name(error: &io::Error) -> Option<&'static str> {
    use io::ErrorKind::*;
    Some(match error.kind() {
        ConnectionRefused => "ECONNREFUSED",
        ConnectionReset => "ECONNRESET",
        ConnectionAborted => "ECONNABORTED",
        NotConnected => "ENOTCONN",
        AddrInUse => "EADDRINUSE",
        AddrNotAvailable => "EADDRNOTAVAIL",
        NetworkUnreachable => "ENETUNREACH",
        HostUnreachable => "EHOSTUNREACH",
        NotFound => "ENOENT",
        PermissionDenied => "EACCES",
        BrokenPipe => "EPIPE",
        TimedOut => "ETIMEDOUT",
        InvalidInput => "EINVAL",
        _ => return None,
    })
}

fn reason_code(code: u8) -> Result<Reason> {
    Reason::from_u8(code).ok_or_else(|| errors::argument(format!("there is no reason code {code}")))
}

fn status(error: libmqtt_runtime::engine::client::PublishError) -> Status {
    ClientError::from(error).status()
}

/// The message that an index describes.
fn message<'a>(data: &'a [u8], words: &[u32]) -> core::result::Result<Publish<'a>, Status> {
    let &[start, topic, section, payload, flags, _] = words else {
        return Err(Status::BadArgument);
    };
    let mut rest = data.get(start as usize..).ok_or(Status::BadArgument)?;
    let mut part = |len: u32| {
        let (part, after) = rest.split_at_checked(len as usize)?;
        rest = after;
        Some(part)
    };
    let (Some(topic), Some(section), Some(payload)) = (part(topic), part(section), part(payload))
    else {
        return Err(Status::BadArgument);
    };
    Ok(Publish {
        dup: false,
        qos: QoS::from_u8((flags & QOS) as u8).ok_or(Status::BadArgument)?,
        retain: flags & RETAIN != 0,
        topic: core::str::from_utf8(topic).map_err(|_| Status::BadTopic)?,
        packet_id: None,
        properties: if section.is_empty() {
            Properties::EMPTY
        } else {
            properties(section, Carrier::Packet(PacketType::Publish))
                .map_err(|_| Status::BadArgument)?
        },
        payload,
    })
}
