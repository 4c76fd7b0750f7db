//! Where the host program decides and watches.

use core::fmt::Debug;
use core::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use libmqtt_codec::{Publish, Reason, Subscription, Version};

use crate::Identity;

/// Names a question that a hook answered with [`Verdict::Later`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The Client Identifier, assigned or given.
    pub client_id: Box<str>,
    /// The User Name of its CONNECT, or of its certificate: see [`Identity::user_name`].
    pub user_name: Option<Box<str>>,
    /// The version it speaks.
    pub version: Version,
    /// Its address; none for a client in the same process.
    pub peer: Option<SocketAddr>,
    /// Its certificate, if it has shown one.
    pub identity: Option<Arc<Identity>>,
}

/// What a hook decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allow,
    /// Go on; in `authenticate`, with this Authentication Data in the CONNACK or AUTH.
    AllowWith(Bytes),
    /// Only in `authenticate`, for a client with an Authentication Method: send AUTH 0x18 with
    /// this Authentication Data and wait for the client's. Elsewhere it denies.
    Challenge(Bytes),
    /// Refuse for this reason (0x80 and above).
    Deny(Reason),
    /// The answer comes through `handle_verdict` with the ticket that was given. Until then the
    /// client's further packets wait.
    Later,
}

/// Which part of authentication is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// CONNECT.
    Connect,
    /// AUTH 0x18, answering a challenge.
    Continue,
    /// AUTH 0x19 on a standing connection.
    ReAuthenticate,
}

/// A client's proof of who it is.
#[derive(Clone, Copy, Debug)]
pub struct Authenticate<'a> {
    /// Who it says it is.
    pub client: &'a ClientInfo,
    /// Which step.
    pub step: Step,
    /// The Password of CONNECT (only in that step).
    pub password: Option<&'a [u8]>,
    /// The Authentication Method, if it wants enhanced authentication.
    pub method: Option<&'a str>,
    /// The Authentication Data of this step.
    pub data: Option<&'a [u8]>,
}

/// What a client may do, where that is not everything.
///
/// All shards ask, when they work out where the messages of a topic go; the answers are remembered
/// with the routes, so that a message costs no question. Who changes an answer has every shard
/// told by [`Shard::rights_changed`](crate::broker::Shard::rights_changed).
pub trait Rights: Debug + Send + Sync {
    /// Whether messages with this Topic Name may be sent to the client.
    fn may_read(&self, topic: &str) -> bool;

    /// Whether its will may be published to this topic, now that it is due.
    fn may_write(&self, topic: &str) -> bool;
}

/// What a host program may decide and watch. Every method has a default, which allows.
///
/// They are called on the thread that drives the shard and must not block: to ask elsewhere,
/// keep the ticket, answer [`Verdict::Later`], and have the driver call `handle_verdict`.
pub trait Hooks: Send {
    /// May this client connect? Also called for each step of enhanced authentication, which the
    /// default refuses with Bad authentication method.
    fn authenticate(&mut self, ticket: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        let _ = ticket;
        match attempt.method {
            None => Verdict::Allow,
            Some(_) => Verdict::Deny(Reason::BadAuthenticationMethod),
        }
    }

    /// May it publish this? Also called for its will, at CONNECT. The topic is never empty.
    fn authorise_publish(
        &mut self,
        ticket: Ticket,
        client: &ClientInfo,
        publish: &Publish<'_>,
    ) -> Verdict {
        let _ = (ticket, client, publish);
        Verdict::Allow
    }

    /// May it subscribe to this? Asked for each filter of a SUBSCRIBE.
    fn authorise_subscribe(
        &mut self,
        ticket: Ticket,
        client: &ClientInfo,
        subscription: &Subscription<'_>,
    ) -> Verdict {
        let _ = (ticket, client, subscription);
        Verdict::Allow
    }

    /// What are its rights? None: it may be sent all that it subscribes to. Asked when it is let
    /// in, and again after [`Shard::rights_changed`](crate::broker::Shard::rights_changed); the
    /// answer counts for as long as its session lasts or until the next.
    fn rights(&mut self, client: &ClientInfo) -> Option<Arc<dyn Rights>> {
        let _ = client;
        None
    }

    /// A client was accepted; its CONNACK is on the way.
    fn connected(&mut self, client: &ClientInfo) {
        let _ = client;
    }

    /// A Network Connection of an accepted client has ended. `reason` is Success when the client
    /// said goodbye.
    fn disconnected(&mut self, client: &ClientInfo, reason: Reason) {
        let _ = (client, reason);
    }

    /// A message was accepted and is about to be routed. `client` is none for the host program's
    /// own messages.
    fn published(&mut self, client: Option<&ClientInfo>, publish: &Publish<'_>) {
        let _ = (client, publish);
    }

    /// A subscription was made or renewed.
    fn subscribed(&mut self, client: &ClientInfo, subscription: &Subscription<'_>) {
        let _ = (client, subscription);
    }

    /// A subscription was ended by its client.
    fn unsubscribed(&mut self, client: &ClientInfo, filter: &str) {
        let _ = (client, filter);
    }
}

/// Hooks that allow everything that needs no enhanced authentication.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {}
