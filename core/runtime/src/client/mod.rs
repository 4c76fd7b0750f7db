//! A client for any thread.

mod core;
mod error;
mod keeper;
mod options;
mod server;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use libmqtt_engine::client::{
    AckId, Answers, Client as Machine, Connected, Disconnect, Event, Limits, Outcome, PublishError,
    Secret, Token,
};
use libmqtt_engine::codec::{Properties, Publish, Reason, Subscription, Version};
use libmqtt_engine::{Instant, Message};

pub(crate) use self::core::{Control, Core, Drive, Driver};
pub(crate) use self::error::tls_config_status;
pub use self::error::{ClientError, NetworkError};
pub use self::keeper::ClientPersistence;
pub(crate) use self::keeper::KeeperError;
pub use self::options::ClientOptions;
pub(crate) use self::options::Network;
pub use self::server::{Scheme, Server, ServerError};
use crate::Runtime;

/// A client, for any thread. Clones are the same client, which closes when the last one goes.
///
/// What does not wait returns a [`Token`], and an [`Event::Done`] tells later what became of it;
/// what waits returns that itself. Events are polled, or given to a callback. Where they are
/// neither, the client is held up: too many messages, and the server is not read any more; too
/// many outcomes ([`ClientOptions::events_max`]), and nothing that would have one is begun. Who
/// only publishes can use [`Client::send`].
///
/// ```no_run
/// use std::time::Duration;
/// use libmqtt_runtime::{Client, ClientConfig, ClientOptions, Message, Runtime};
///
/// let soon = Duration::from_secs(10);
/// let options = ClientOptions::from(ClientConfig::new("mqtt://localhost", "me"));
/// let client = Client::new(&Runtime::new()?, options)?;
/// client.connect(soon)?;
/// client.publish_wait(&Message::new("hello", b"world")?.view(), soon)?;
/// client.close(soon);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
}

struct Handle {
    core: Arc<Core>,
    /// Keeps the loop; none in a client of a broker's process.
    _runtime: Option<Runtime>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A file is to be free when its client has gone.
        let kept = self.core.is_kept();
        self.core.close(Duration::ZERO, kept);
    }
}

impl Client {
    /// A client that will dial its servers from the runtime's loop. It does nothing yet.
    pub fn new(runtime: &Runtime, options: ClientOptions) -> Result<Client, ClientError> {
        let servers = options.read_servers()?;
        let network = Network::new(&options, &servers)?;
        let mut config = options.config;
        config.servers = servers.iter().map(|server| server.to_string().into()).collect();
        let seed = crate::random()?;
        let core = Arc::new(Core::new(config, options.events_max, seed, runtime.clock()));
        if let Some(persistence) = &options.persistence {
            core.keep(persistence)?;
        }
        runtime.add(core.clone(), network);
        Ok(Client { handle: Arc::new(Handle { core, _runtime: Some(runtime.clone()) }) })
    }

    /// A client that somebody else drives.
    pub(crate) fn driven(core: Arc<Core>) -> Client {
        Client { handle: Arc::new(Handle { core, _runtime: None }) }
    }

    fn core(&self) -> &Core {
        &self.handle.core
    }

    /// Has `callback` called with every event that is not taken yet, on the loop's thread, with
    /// no lock held. Every method may be called inside; those that wait fail there with
    /// [`ClientError::WouldDeadlock`]. Replaces an earlier callback.
    pub fn on_event(&self, callback: Box<dyn FnMut(Event) + Send>) {
        self.core().on_event(callback);
    }

    /// Has `ready` called when events come while none wait, on the loop's thread, with no lock
    /// held; again only after they were all taken. For programs that poll from a loop of their
    /// own: let it write to an eventfd or a pipe.
    pub fn on_ready(&self, ready: impl Fn() + Send + Sync + 'static) {
        self.core().on_ready(Arc::new(ready));
    }

    // Without waiting.

    /// Starts connecting, and connecting again as the configuration says. While a retry is
    /// pending, it comes at once.
    pub fn start(&self) -> Result<(), ClientError> {
        self.core().connect()
    }

    /// Publishes. The token's outcome comes after the write at QoS 0, after PUBACK at QoS 1,
    /// after PUBCOMP at QoS 2. The message is copied.
    pub fn publish(&self, message: &Publish<'_>) -> Result<Token, ClientError> {
        self.core().operation(|machine, now| Ok(machine.publish(now, message)?))
    }

    /// Publishes, with nobody interested in what becomes of it.
    pub fn send(&self, message: &Publish<'_>) -> Result<(), ClientError> {
        self.command(|machine, now| Ok(machine.publish_untracked(now, message)?))
    }

    /// Publishes several messages at once, as `publish` does it: with one lock and one call of the
    /// loop for all of them.
    pub fn batch<R>(&self, publish: impl FnOnce(&mut Batch<'_>) -> R) -> Result<R, ClientError> {
        self.command(|machine, now| Ok(publish(&mut Batch { machine, now })))
    }

    /// Subscribes. A Subscription Identifier and User Properties go into `properties`.
    pub fn subscribe_start(
        &self,
        wanted: &[Subscription<'_>],
        properties: Properties<'_>,
    ) -> Result<Token, ClientError> {
        self.core().operation(|machine, now| Ok(machine.subscribe(now, wanted, properties)?))
    }

    /// Unsubscribes. User Properties go into `properties`.
    pub fn unsubscribe_start(
        &self,
        filters: &[&str],
        properties: Properties<'_>,
    ) -> Result<Token, ClientError> {
        self.core().operation(|machine, now| Ok(machine.unsubscribe(now, filters, properties)?))
    }

    /// Publishes a message and awaits a reply to it: see
    /// [`libmqtt_engine::client::Client::request`].
    pub fn request_start(
        &self,
        message: &Publish<'_>,
        timeout: Duration,
    ) -> Result<Token, ClientError> {
        self.core().operation(|machine, now| Ok(machine.request(now, message, timeout)?))
    }

    /// Asks to be told when all that was published so far at QoS 1 and 2 is on disk, and what was
    /// acknowledged at QoS 2 with [`Client::acknowledge`], which does not come again: the outcome
    /// is [`Outcome::Written`] then, or [`Outcome::NotStored`]. Whatever the durability is, it is
    /// written now. `Err` without [`ClientOptions::persistence`].
    pub fn flush_start(&self) -> Result<Token, ClientError> {
        self.core().operation(|machine, _| Ok(machine.flush()?))
    }

    /// Sends PINGREQ.
    pub fn ping(&self) -> Result<Token, ClientError> {
        self.core().operation(|machine, now| Ok(machine.ping(now)?))
    }

    /// Acknowledges a message that came with an [`AckId`]; a `reason` of 0x80 and above refuses
    /// it.
    pub fn acknowledge(&self, ack: AckId, reason: Reason) -> Result<(), ClientError> {
        self.command(|machine, now| Ok(machine.acknowledge(now, ack, reason)?))
    }

    /// Answers an [`Event::Challenge`].
    pub fn authenticate(&self, data: &[u8]) -> Result<(), ClientError> {
        self.command(|machine, now| Ok(machine.authenticate(now, data)?))
    }

    /// Authenticates again on the standing connection.
    pub fn reauthenticate(&self, data: Option<&[u8]>) -> Result<Token, ClientError> {
        self.core().operation(|machine, now| Ok(machine.reauthenticate(now, data)?))
    }

    /// Replaces User Name and Password, from the next CONNECT on.
    pub fn set_credentials(
        &self,
        user_name: Option<&str>,
        password: Option<Secret>,
    ) -> Result<(), ClientError> {
        self.command(|machine, _| Ok(machine.set_credentials(user_name, password)?))
    }

    /// Ends the connection, or the attempts to make one, for good: until `start` or `connect`.
    pub fn disconnect(&self, how: Disconnect) -> Result<(), ClientError> {
        self.core().disconnect(how)
    }

    /// Moves up to `max` events that wait to the end of `events`, and says how many.
    pub fn drain_events(&self, events: &mut Vec<Event>, max: usize) -> usize {
        self.core().drain_events(events, max)
    }

    /// Whether to read from the server: a program that has taken more messages than it can
    /// handle stops that for a while, and the server waits too. Acknowledgements, which come the
    /// same way, wait as well.
    pub fn set_reading(&self, reading: bool) {
        self.core().set_reading(reading);
    }

    /// Whether every packet is told, from the next one on, as [`Event::PacketSent`] and
    /// [`Event::PacketReceived`]. For programs that look on: it costs a copy of each.
    pub fn watch(&self, watched: bool) {
        self.core().watch(watched);
    }

    // Waiting. What such a call waits for is its result, and does not come as an event too.

    /// Connects, and waits for CONNACK, through retries if they are configured. `Err` when there
    /// will be no further attempt, or `timeout` has passed: then the attempts go on.
    pub fn connect(&self, timeout: Duration) -> Result<Connected, ClientError> {
        self.core().connect_wait(timeout)
    }

    /// Publishes, and waits until the message is written (QoS 0) or acknowledged; the Reason Code
    /// is that of the acknowledgement.
    pub fn publish_wait(
        &self,
        message: &Publish<'_>,
        timeout: Duration,
    ) -> Result<Reason, ClientError> {
        match self.wait(timeout, |machine, now| Ok(machine.publish(now, message)?))? {
            Outcome::Written => Ok(Reason::Success),
            Outcome::Acknowledged(answer) => Ok(answer.reason),
            outcome => Err(ClientError::Failed(outcome)),
        }
    }

    /// Waits until all that was published so far at QoS 1 and 2 is on disk, so that it will be
    /// sent whatever happens to this process. `Err` without [`ClientOptions::persistence`], and
    /// when nothing can be stored.
    pub fn flush(&self, timeout: Duration) -> Result<(), ClientError> {
        match self.wait(timeout, |machine, _| Ok(machine.flush()?))? {
            Outcome::Written => Ok(()),
            outcome => Err(ClientError::Failed(outcome)),
        }
    }

    /// Subscribes, and waits for SUBACK, which has a Reason Code per filter.
    pub fn subscribe(
        &self,
        wanted: &[Subscription<'_>],
        timeout: Duration,
    ) -> Result<Answers, ClientError> {
        let properties = Properties::EMPTY;
        match self.wait(timeout, |machine, now| Ok(machine.subscribe(now, wanted, properties)?))? {
            Outcome::Subscribed(answers) => Ok(answers),
            outcome => Err(ClientError::Failed(outcome)),
        }
    }

    /// Unsubscribes, and waits for UNSUBACK, which has a Reason Code per filter.
    pub fn unsubscribe(&self, filters: &[&str], timeout: Duration) -> Result<Answers, ClientError> {
        let properties = Properties::EMPTY;
        match self
            .wait(timeout, |machine, now| Ok(machine.unsubscribe(now, filters, properties)?))?
        {
            Outcome::Unsubscribed(answers) => Ok(answers),
            outcome => Err(ClientError::Failed(outcome)),
        }
    }

    /// Publishes a message, and waits for a reply to it.
    pub fn request(
        &self,
        message: &Publish<'_>,
        timeout: Duration,
    ) -> Result<Message, ClientError> {
        // The engine's own deadline comes first and says so.
        let wait = timeout + Duration::from_secs(1);
        match self.wait(wait, |machine, now| Ok(machine.request(now, message, timeout)?))? {
            Outcome::Reply(message) => Ok(message),
            outcome => Err(ClientError::Failed(outcome)),
        }
    }

    /// The next event; none after `timeout`. `Err(Closed)` after the last one of a closed client.
    pub fn next_event(&self, timeout: Duration) -> Result<Option<Event>, ClientError> {
        self.core().next_event(timeout)
    }

    /// Ends the client: says DISCONNECT after what waits was sent and answered, within
    /// `deadline`; abandons every token that is left. Returns when that is over, at the latest a
    /// second after the deadline.
    ///
    /// Legal at any time, from any thread, also inside callbacks, where it does not wait. Dropping
    /// the last handle is `close(Duration::ZERO)` without waiting.
    pub fn close(&self, deadline: Duration) {
        self.core().close(deadline, true);
    }

    // Looking.

    /// Whether there is a connection that CONNACK has opened.
    pub fn is_connected(&self) -> bool {
        self.core().look(Machine::is_connected)
    }

    /// The Client Identifier: given, or assigned by the server, or empty.
    pub fn client_id(&self) -> Arc<str> {
        self.core().look(|machine| machine.client_id().clone())
    }

    /// The version of the connection, or of the next one.
    pub fn version(&self) -> Version {
        self.core().look(Machine::version)
    }

    /// What the server takes, while there is a connection.
    pub fn limits(&self) -> Option<Limits> {
        self.core().look(|machine| machine.limits().copied())
    }

    /// Messages that wait to be sent.
    pub fn queued(&self) -> usize {
        self.core().look(Machine::queued)
    }

    /// Messages at QoS 1 and 2 that were sent and wait for their acknowledgement.
    pub fn in_flight(&self) -> usize {
        self.core().look(Machine::in_flight)
    }

    /// Which server was not reached last, or whose connection failed, and how.
    pub fn network_error(&self) -> Option<(Arc<str>, NetworkError)> {
        self.core().failure()
    }

    fn command<R>(
        &self,
        command: impl FnOnce(&mut Machine, Instant) -> Result<R, ClientError>,
    ) -> Result<R, ClientError> {
        self.core().command(command)
    }

    fn wait(
        &self,
        timeout: Duration,
        command: impl FnOnce(&mut Machine, Instant) -> Result<Token, ClientError>,
    ) -> Result<Outcome, ClientError> {
        self.core().operation_wait(timeout, command)
    }
}

/// Messages that are published at once: see [`Client::batch`].
pub struct Batch<'a> {
    machine: &'a mut Machine,
    now: Instant,
}

impl Batch<'_> {
    /// As [`Client::publish`].
    pub fn publish(&mut self, message: &Publish<'_>) -> Result<Token, PublishError> {
        self.machine.publish(self.now, message)
    }

    /// As [`Client::send`].
    pub fn send(&mut self, message: &Publish<'_>) -> Result<(), PublishError> {
        self.machine.publish_untracked(self.now, message)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core().look(|machine| machine.fmt(f))
    }
}
