//! What can go wrong with a client.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use libmqtt_engine::client::{
    AckError, Answer, AuthenticateError, Cause, ConnectError, DisconnectError, FlushError, Outcome,
    PingError, PublishError, RequestError, SubscribeError,
};
use libmqtt_engine::codec::Reason;
use libmqtt_engine::store::StoreError;
use libmqtt_net::tls::{SourceError, TlsConfigError, TlsError};
use libmqtt_net::web::WebSocketError;
use libmqtt_net::{LayerError, ResolveError};

use super::{KeeperError, ServerError};
use crate::Status;

/// Why a client does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The text of a server names none.
    #[error("server '{0}' cannot be used")]
    Server(Box<str>, #[source] ServerError),
    /// It was told something that none of its servers has a use for.
    #[error("{0}: no server is {1}")]
    Unused(&'static str, &'static str),
    /// Its TLS cannot be set up: the system's roots are of no use.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
    /// Its WebSocket requests cannot be made.
    #[error(transparent)]
    WebSocket(#[from] WebSocketError),
    /// It cannot connect like that.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It cannot publish that.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// It cannot subscribe to that, or unsubscribe.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// It cannot say goodbye like that.
    #[error(transparent)]
    Disconnect(#[from] DisconnectError),
    /// It cannot acknowledge that.
    #[error(transparent)]
    Acknowledge(#[from] AckError),
    /// It cannot flush.
    #[error(transparent)]
    Flush(#[from] FlushError),
    /// It cannot keep its messages in this file.
    #[error("messages cannot be kept in {}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: StoreError,
    },
    /// It cannot send a ping.
    #[error(transparent)]
    Ping(#[from] PingError),
    /// It cannot ask for that.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It cannot send Authentication Data.
    #[error(transparent)]
    Authenticate(#[from] AuthenticateError),
    /// No server could be reached; this is how the last one failed.
    #[error("server {0} cannot be reached")]
    Unreachable(Arc<str>, #[source] NetworkError),
    /// The attempt to connect has come to nothing.
    #[error("not connected: {}", cause(.0))]
    NotConnected(Cause),
    /// The operation that was waited for has come to nothing.
    #[error("{}", outcome(.0))]
    Failed(Outcome),
    /// The deadline has passed. The operation goes on, and its end comes as an event.
    #[error("deadline has passed")]
    TimedOut,
    /// Too many events wait to be taken.
    #[error("too many events wait to be taken")]
    EventsFull,
    /// The client is closed.
    #[error("client is closed")]
    Closed,
    /// Inside a callback, a call that waits would wait for itself.
    #[error("call inside a callback would wait for itself")]
    WouldDeadlock,
    /// The system gives no thread, no poll or no random numbers.
    #[error("system refuses what a client needs")]
    System(#[from] io::Error),
}

/// Why a server was not reached, or a connection failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NetworkError {
    /// Its name has no address.
    #[error("name cannot be resolved")]
    Resolve(#[source] Arc<ResolveError>),
    /// None of its addresses answers.
    #[error("no address can be reached")]
    Dial(#[source] Arc<io::Error>),
    /// The connection has failed.
    #[error("connection failed")]
    Failed(#[source] Arc<io::Error>),
    /// TLS, WebSocket or the proxy has failed.
    #[error(transparent)]
    Layer(LayerError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(TlsConfigError),
    /// The server referred to another one in words that name none.
    #[error("server reference names no server")]
    Reference(#[source] ServerError),
}

impl ClientError {
    /// Its stable number.
    pub fn status(&self) -> Status {
        match self {
            ClientError::Server(..)
            | ClientError::Unused(..)
            | ClientError::Connect(_)
            | ClientError::Disconnect(_) => Status::BadArgument,
            ClientError::Tls(error) => tls_config_status(error),
            ClientError::WebSocket(_) => Status::BadArgument,
            ClientError::Publish(error) => publish_status(*error),
            ClientError::Subscribe(error) => subscribe_status(*error),
            ClientError::Acknowledge(_)
            | ClientError::Authenticate(_)
            | ClientError::Flush(FlushError::NoPersistence) => Status::BadState,
            ClientError::Store { .. } => Status::StorageFailed,
            ClientError::Ping(PingError::NotConnected) => Status::NotConnected,
            ClientError::Ping(PingError::TooMany) => Status::LimitReached,
            ClientError::Request(RequestError::NotInVersion) => Status::NotInVersion,
            ClientError::Request(RequestError::TooMany) => Status::LimitReached,
            ClientError::Request(RequestError::Publish(error)) => publish_status(*error),
            ClientError::Unreachable(_, error) => error.status(),
            ClientError::NotConnected(cause) => cause.into(),
            ClientError::Failed(outcome) => outcome.into(),
            ClientError::TimedOut => Status::TimedOut,
            ClientError::EventsFull => Status::QueueFull,
            ClientError::Closed => Status::Closed,
            ClientError::WouldDeadlock => Status::WouldDeadlock,
            ClientError::System(_) => Status::SystemRefused,
        }
    }

    /// The Reason Code that the server gave, if it was the server.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            ClientError::NotConnected(Cause::Refused(answer) | Cause::ServerDisconnect(answer))
            | ClientError::Failed(Outcome::Refused(answer)) => Some(answer.reason),
            ClientError::Subscribe(SubscribeError::Server(reason))
            | ClientError::Failed(Outcome::Unsendable(reason)) => Some(*reason),
            _ => None,
        }
    }
}

impl From<KeeperError> for ClientError {
    fn from(error: KeeperError) -> ClientError {
        match error {
            KeeperError::Unfit(error) => ClientError::Connect(error),
            KeeperError::Store(path, source) => ClientError::Store { path, source },
        }
    }
}

impl NetworkError {
    /// What an error of a link is: what `other` says, unless a layer of it has failed.
    pub(crate) fn of(error: io::Error, other: fn(Arc<io::Error>) -> NetworkError) -> NetworkError {
        match LayerError::of(&error) {
            Some(error) => NetworkError::Layer(error.clone()),
            None => other(Arc::new(error)),
        }
    }

    /// Its stable number.
    pub fn status(&self) -> Status {
        let error = match self {
            NetworkError::Resolve(_) => return Status::ResolveFailed,
            NetworkError::Reference(_) => return Status::ProtocolViolated,
            NetworkError::Layer(error) => return layer_status(error),
            NetworkError::Tls(error) => return tls_config_status(error),
            NetworkError::Dial(error) | NetworkError::Failed(error) => error,
        };
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Status::ConnectionRefused,
            io::ErrorKind::TimedOut => Status::TimedOut,
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                Status::Unreachable
            }
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Status::ConnectionLost,
            _ => Status::NetworkFailed,
        }
    }
}

/// The stable number of what is wrong with a file, or with an option of TLS.
pub(crate) fn tls_config_status(error: &TlsConfigError) -> Status {
    match error {
        TlsConfigError::Source(SourceError::Unreadable { .. }) => Status::FileUnreadable,
        TlsConfigError::Source(_)
        | TlsConfigError::Key { .. }
        | TlsConfigError::Certificate { .. } => Status::FileInvalid,
        TlsConfigError::NoRoots
        | TlsConfigError::Cipher(_)
        | TlsConfigError::NoCipher
        | TlsConfigError::Other(_) => Status::BadArgument,
    }
}

fn layer_status(error: &LayerError) -> Status {
    match error {
        LayerError::Tls(error) => match error {
            TlsError::Expired | TlsError::NotYetValid => Status::CertificateExpired,
            TlsError::OtherHost => Status::CertificateForOther,
            TlsError::UnknownIssuer => Status::CertificateUntrusted,
            TlsError::SelfSigned => Status::CertificateSelfSigned,
            TlsError::Revoked | TlsError::RevocationUnknown => Status::CertificateRevoked,
            TlsError::WrongUsage => Status::CertificateUnfit,
            TlsError::BadCertificate(_) => Status::CertificateInvalid,
            TlsError::NoCertificate | TlsError::CertificateDemanded => Status::CertificateMissing,
            TlsError::CertificateRefused(_) => Status::CertificateRefused,
            TlsError::Incompatible(_)
            | TlsError::NotTls
            | TlsError::Alert(_)
            | TlsError::Other(_) => Status::TlsFailed,
        },
        LayerError::WebSocket(_) => Status::WebSocketFailed,
        LayerError::ProxyHeader(_) | LayerError::Proxy(_) => Status::ProxyFailed,
        LayerError::Closed => Status::ConnectionLost,
    }
}

fn publish_status(error: PublishError) -> Status {
    match error {
        PublishError::Topic(_) => Status::BadTopic,
        PublishError::Properties(_) | PublishError::TopicAlias => Status::BadArgument,
        PublishError::TooLarge => Status::PacketTooLarge,
        PublishError::QoSNotSupported | PublishError::RetainNotSupported => Status::Refused,
        PublishError::QueueFull => Status::QueueFull,
        PublishError::NotReady => Status::NotConnected,
        PublishError::Disconnecting => Status::BadState,
        PublishError::NotStored => Status::StorageFailed,
    }
}

fn subscribe_status(error: SubscribeError) -> Status {
    match error {
        SubscribeError::Filter(..) => Status::BadTopic,
        SubscribeError::Empty | SubscribeError::NoLocalOnShared | SubscribeError::Encode(_) => {
            Status::BadArgument
        }
        SubscribeError::Server(_) => Status::Refused,
        SubscribeError::TooMany => Status::LimitReached,
        SubscribeError::Disconnecting => Status::BadState,
    }
}

impl From<&Cause> for Status {
    fn from(cause: &Cause) -> Status {
        match cause {
            Cause::Requested => Status::Abandoned,
            Cause::Unreachable => Status::Unreachable,
            Cause::ClosedByPeer | Cause::Failed | Cause::ServerDisconnect(_) => {
                Status::ConnectionLost
            }
            Cause::ConnectTimeout | Cause::ServerSilent => Status::TimedOut,
            Cause::Refused(_) => Status::Refused,
            Cause::Violation(Reason::MalformedPacket, _) => Status::Malformed,
            Cause::Violation(..) => Status::ProtocolViolated,
        }
    }
}

impl From<&Outcome> for Status {
    fn from(outcome: &Outcome) -> Status {
        match outcome {
            Outcome::Written
            | Outcome::Acknowledged(_)
            | Outcome::Subscribed(_)
            | Outcome::Unsubscribed(_)
            | Outcome::Reply(_) => Status::Ok,
            Outcome::Unsendable(Reason::PacketTooLarge) => Status::PacketTooLarge,
            Outcome::Refused(_) | Outcome::Unsendable(_) => Status::Refused,
            Outcome::Expired => Status::Expired,
            Outcome::TimedOut => Status::TimedOut,
            Outcome::Dropped => Status::Dropped,
            Outcome::ConnectionLost => Status::ConnectionLost,
            Outcome::SessionLost => Status::SessionLost,
            Outcome::Abandoned => Status::Abandoned,
            Outcome::NotStored => Status::StorageFailed,
        }
    }
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Requested => "the client was told to disconnect".into(),
        Cause::Unreachable => "the server cannot be reached".into(),
        Cause::ClosedByPeer => "the server closed the connection".into(),
        Cause::Failed => "the connection failed".into(),
        Cause::ConnectTimeout => "the server did not answer in time".into(),
        Cause::ServerSilent => "the server fell silent".into(),
        Cause::Refused(answer) => format!("the server refused: {}", said(answer)),
        Cause::ServerDisconnect(answer) => format!("the server disconnected: {}", said(answer)),
        Cause::Violation(_, violation) => format!("the server broke the protocol: {violation}"),
    }
}

/// The Reason Code of an answer, and the Reason String if the server gave one.
fn said(answer: &Answer) -> String {
    match answer.properties.view().reason_string() {
        Some(text) => format!("{} ({text})", answer.reason),
        None => answer.reason.to_string(),
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(answer) => format!("the server refused: {}", said(answer)),
        Outcome::Unsendable(reason) => format!("the server does not take it: {reason}"),
        other => Status::from(other).message().into(),
    }
}
