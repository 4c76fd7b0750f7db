//! A client for any thread.
//!
//! Every call locks the client's engine for a moment; none holds a lock while the program's own
//! code runs. What the engine has to send leaves on the thread of its loop, which is woken only
//! if it may sleep.

mod options;

use core::time::Duration;
use std::sync::Arc;

use libmqtt_engine::Message;
use libmqtt_engine::client::{Connected, Event, Outcome, Token};
use libmqtt_engine::codec::{Publish, Reason, SubscriptionOptions};

use crate::Status;
pub use options::{ClientOptions, Server, ServerError};

/// Why a client does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// See the list that is completed with the engine's client: misuse, network, refusal with a
    /// Reason Code, deadline passed, closed, call inside a callback that would wait for itself.
    #[error("deadline has passed")]
    TimedOut,
}

impl ClientError {
    /// Its stable number.
    pub fn status(&self) -> Status;
    /// The Reason Code the server gave, if it was the server.
    pub fn reason(&self) -> Option<Reason>;
}

/// The loop that serves clients: one thread, any number of clients. Cloning copies a handle; the
/// thread ends when the last handle and the last client have gone.
#[derive(Clone)]
pub struct Runtime {}

impl Runtime {
    /// Starts the thread.
    pub fn new() -> Result<Runtime, ClientError>;
}

/// A handle on a client; clones are the same client. The client closes when the last one goes.
#[derive(Clone)]
pub struct Client {}

impl Client {
    /// A client that will dial `options.servers` from the runtime's loop. It does nothing yet.
    pub fn new(runtime: &Runtime, options: ClientOptions) -> Result<Client, ClientError>;
    // And `broker.client(options) -> Result<Client, BrokerError>`, joined to the broker by memory.

    /// Has `callback` called with every event from now on, on the loop's thread, with no lock
    /// held; every method of the client may be called inside, those that wait fail there with
    /// `WouldDeadlock`.
    pub fn on_event(&self, callback: Box<dyn FnMut(Event) + Send>);

    // Without waiting.

    /// Starts connecting, and reconnecting as the configuration says.
    pub fn start(&self) -> Result<(), ClientError>;
    /// Publishes; `Event::Done` tells what became of it.
    pub fn publish(&self, message: &Publish<'_>) -> Result<Token, ClientError>;
    /// Subscribes; `Event::Done` tells what became of it.
    pub fn subscribe_start(&self, filters: &[(&str, SubscriptionOptions)]) -> Result<Token, ClientError>;
    /// Unsubscribes; `Event::Done` tells what became of it.
    pub fn unsubscribe_start(&self, filters: &[&str]) -> Result<Token, ClientError>;
    /// Moves up to `max` events that wait to the end of `events`, and says how many.
    pub fn drain_events(&self, events: &mut Vec<Event>, max: usize) -> usize;
    /// Sends DISCONNECT after what waits to be sent, and does not reconnect.
    pub fn disconnect(&self, reason: Reason) -> Result<(), ClientError>;
    /// Whether there is a Network Connection that CONNACK has opened.
    pub fn is_connected(&self) -> bool;

    // Waiting. What such a call waits for is its result, and does not come as an event too.

    /// Connects, and waits for CONNACK. With retries as configured; `Err` at the first refusal
    /// that makes trying again useless, or when `deadline` has passed.
    pub fn connect(&self, deadline: Duration) -> Result<Connected, ClientError>;
    /// Publishes, and waits until it is written (QoS 0) or acknowledged; the Reason Code is that
    /// of the acknowledgement.
    pub fn publish_wait(&self, message: &Publish<'_>, deadline: Duration) -> Result<Reason, ClientError>;
    /// Subscribes, and waits for SUBACK: a Reason Code per filter.
    pub fn subscribe(
        &self,
        filters: &[(&str, SubscriptionOptions)],
        deadline: Duration,
    ) -> Result<Vec<Reason>, ClientError>;
    /// Unsubscribes, and waits for UNSUBACK.
    pub fn unsubscribe(&self, filters: &[&str], deadline: Duration) -> Result<Vec<Reason>, ClientError>;
    /// The next event; none after `timeout`. `Err(Closed)` after the last one of a closed client.
    pub fn next_event(&self, timeout: Duration) -> Result<Option<Event>, ClientError>;

    /// Ends the client: DISCONNECT after what waits, within `deadline`; then every token that
    /// still waits is abandoned. Legal at any time, from any thread, and inside a callback, where
    /// it does not wait. Dropping the last handle is `close(Duration::ZERO)`.
    pub fn close(&self, deadline: Duration);
}
