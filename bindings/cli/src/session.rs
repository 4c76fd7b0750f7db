//! A client for the time of one command.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use libmqtt_runtime::engine::client::{
    Answer, Cause, Connected, Disconnect, Outcome, PublishError, SubscribeError,
};
use libmqtt_runtime::{
    Client, ClientError, ClientOptions, Level, Log, NetworkError, PropertiesBuf, Property,
    PropertyId, Reason, Runtime, Version,
};

use crate::connection::Connection;
use crate::exit::{self, Failure, LOST, NETWORK, OTHER, PROTOCOL, TIMED_OUT};
use crate::output::complain;
use crate::signals;

/// Longer than any of the deadlines on the way to CONNACK.
const CONNECT_WITHIN: Duration = Duration::from_secs(90);
/// How long to wait for what is on its way when the command ends.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// A client for the time of one command.
pub(crate) struct Session {
    pub(crate) client: Client,
    version: Version,
    command: &'static str,
    quiet: bool,
    debug: bool,
    /// The user wants the command to end.
    ending: Arc<AtomicBool>,
    /// How to say goodbye.
    goodbye: Disconnect,
}

impl Session {
    /// A client that does nothing yet. At SIGINT or SIGTERM `on_end` is called, on a thread of
    /// its own.
    pub(crate) fn new(
        command: &'static str,
        connection: &Connection,
        options: ClientOptions,
        on_end: impl Fn(&Client) + Send + 'static,
    ) -> Result<Session, Failure> {
        let version = options.config.version;
        let talks = !connection.quiet;
        let log = Log::to(move |level, line| {
            if talks && level <= Level::Warn {
                complain(format_args!("libmqtt {command}: {line}"));
            }
        });
        let runtime = Runtime::with_log(log).map_err(|error| failure(version, &error))?;
        let client = Client::new(&runtime, options).map_err(|error| failure(version, &error))?;
        let ending = Arc::new(AtomicBool::new(false));
        signals::watch_end({
            let (client, ending) = (client.clone(), ending.clone());
            move |_| {
                ending.store(true, Ordering::SeqCst);
                on_end(&client);
            }
        })?;
        let Connection { quiet, debug, properties, .. } = connection;
        let mut rest = PropertiesBuf::from(properties.disconnect.view());
        rest.remove(PropertyId::SessionExpiryInterval);
        let goodbye = Disconnect {
            session_expiry_s: properties.disconnect.view().session_expiry_interval(),
            properties: rest,
            wait: LEAVE_WITHIN,
            ..Disconnect::default()
        };
        let (quiet, debug) = (*quiet, *debug);
        Ok(Session { client, version, command, quiet, debug, ending, goodbye })
    }

    /// Connects. None if the user has ended the command meanwhile.
    pub(crate) fn connect(&self) -> Result<Option<Connected>, Failure> {
        match self.client.connect(CONNECT_WITHIN) {
            Ok(connected) => {
                self.connected(&connected);
                Ok(Some(connected))
            }
            Err(_) if self.is_ending() => Ok(None),
            Err(error) => Err(failure(self.version, &error)),
        }
    }

    /// Says that there is a connection, if that is wanted.
    pub(crate) fn connected(&self, connected: &Connected) {
        let Connected { client_id, session_present, .. } = connected;
        self.debug(format_args!("connected as '{client_id}', session present: {session_present}"));
    }

    /// Whether the user wants the command to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Says goodbye, after what is on its way, and waits until the connection has ended.
    pub(crate) fn leave(&self) -> Result<(), Failure> {
        self.debug(format_args!("disconnecting"));
        let said = self.client.disconnect(self.goodbye.clone());
        self.client.close(LEAVE_WITHIN * 2);
        said.map_err(|error| failure(self.version, &error))
    }

    /// Why a connection ended for good, as the command's end.
    pub(crate) fn lost(&self, cause: &Cause) -> Failure {
        if let (Cause::Unreachable, Some((server, error))) = (cause, self.client.network_error()) {
            return failure(self.version, &ClientError::Unreachable(server, error));
        }
        let (code, message) = why(self.version, cause);
        Failure::new(code, message)
    }

    /// Says that the connection was lost and will be made again.
    pub(crate) fn retrying(&self, cause: &Cause, after: Duration) {
        let (_, mut message) = why(self.version, cause);
        if let (Cause::Unreachable | Cause::Failed, Some((_, error))) =
            (cause, self.client.network_error())
        {
            message = format!("{message}: {}", explain_network(&error));
        }
        let seconds = after.as_secs_f32();
        self.warn(format_args!("{message}; connecting again in {seconds:.1} s"));
    }

    /// Says what went wrong while the command goes on, unless it is to be quiet.
    pub(crate) fn warn(&self, text: fmt::Arguments<'_>) {
        if !self.quiet {
            complain(format_args!("libmqtt {}: {text}", self.command));
        }
    }

    /// Says what happens, if that is wanted.
    pub(crate) fn debug(&self, text: fmt::Arguments<'_>) {
        if self.debug {
            complain(format_args!("{text}"));
        }
    }

    /// The command's end as it is to be reported: without a word if it is to be quiet.
    pub(crate) fn report(&self, failure: Failure) -> Failure {
        let message = if self.quiet { String::new() } else { failure.message };
        Failure::new(failure.code, message)
    }

    /// What an error of the client means for the command.
    pub(crate) fn failure(&self, error: &ClientError) -> Failure {
        failure(self.version, error)
    }
}

fn failure(version: Version, error: &ClientError) -> Failure {
    match error {
        ClientError::NotConnected(cause) => {
            let (code, mut message) = why(version, cause);
            if error.reason() == Some(Reason::UnsupportedProtocolVersion) {
                message.push_str(" (try another version: -V 311)");
            }
            Failure::new(code, message)
        }
        ClientError::Unreachable(server, network) => {
            let message = format!("cannot connect to {server}: {}", explain_network(network));
            Failure::new(exit::code(error.status()), message)
        }
        ClientError::Store { source, .. } => Failure::usage(format!("{error}: {source}")),
        ClientError::Publish(PublishError::QoSNotSupported) => refused(Reason::QoSNotSupported),
        ClientError::Publish(PublishError::RetainNotSupported) => {
            refused(Reason::RetainNotSupported)
        }
        ClientError::Publish(PublishError::TooLarge) => refused(Reason::PacketTooLarge),
        ClientError::Subscribe(SubscribeError::Server(reason)) => refused(*reason),
        _ => Failure::new(exit::code(error.status()), error.to_string()),
    }
}

/// What the server has said it does not take.
fn refused(reason: Reason) -> Failure {
    Failure::new(reason as u8, format!("server does not take this: {reason}"))
}

/// How the network failed, from what was tried down to what the system says.
fn explain_network(error: &NetworkError) -> String {
    let mut next = match error {
        // That a dial has failed is said already.
        NetworkError::Dial(error) | NetworkError::Failed(error) => return error.to_string(),
        other => Some(other as &dyn core::error::Error),
    };
    let mut parts = Vec::new();
    while let Some(error) = next {
        parts.push(error.to_string());
        next = error.source();
    }
    parts.join(": ")
}

/// What became of a message that was published: whether that is a failure.
pub(crate) fn outcome(outcome: &Outcome) -> Result<(), Failure> {
    let (code, why) = match outcome {
        Outcome::Refused(answer) => (answer.reason as u8, format!("refused: {}", explain(answer))),
        Outcome::Unsendable(reason) => (*reason as u8, format!("not sent: {reason}")),
        Outcome::Expired => (OTHER, "expired before it could be sent".to_owned()),
        Outcome::Dropped => (OTHER, "dropped: too many messages wait".to_owned()),
        Outcome::TimedOut => (TIMED_OUT, "not answered in time".to_owned()),
        Outcome::ConnectionLost => (LOST, "perhaps lost with the connection".to_owned()),
        Outcome::SessionLost => (LOST, "perhaps lost with the session".to_owned()),
        Outcome::Abandoned => (LOST, "not acknowledged before the end".to_owned()),
        Outcome::NotStored => (OTHER, "not stored".to_owned()),
        Outcome::Written
        | Outcome::Acknowledged(_)
        | Outcome::Subscribed(_)
        | Outcome::Unsubscribed(_)
        | Outcome::Reply(_) => return Ok(()),
    };
    Err(Failure::new(code, format!("message {why}")))
}

/// Exit code and message for the end of a connection.
fn why(version: Version, cause: &Cause) -> (u8, String) {
    match cause {
        Cause::Requested => (LOST, "connection was closed".to_owned()),
        Cause::Unreachable => (NETWORK, "server cannot be reached".to_owned()),
        Cause::ClosedByPeer => (LOST, "server closed the connection".to_owned()),
        Cause::Failed => (LOST, "connection failed".to_owned()),
        Cause::ConnectTimeout => (TIMED_OUT, "server did not accept the connection in time".into()),
        Cause::ServerSilent => (TIMED_OUT, "server does not answer any more".to_owned()),
        Cause::Refused(answer) => {
            let code = exit::refused_connection(version, answer.reason);
            (code, format!("connection refused: {}", explain(answer)))
        }
        Cause::ServerDisconnect(answer) => {
            (answer.reason as u8, format!("server ended the connection: {}", explain(answer)))
        }
        Cause::Violation(_, violation) => {
            (PROTOCOL, format!("server broke the protocol: {violation}"))
        }
    }
}

/// The Reason Code, and what the server says about it.
pub(crate) fn explain(answer: &Answer) -> String {
    let text = answer.properties.view().into_iter().find_map(|property| match property {
        Property::ReasonString(text) => Some(text.replace(char::is_control, "?")),
        _ => None,
    });
    match text {
        Some(text) => format!("{} ({text})", answer.reason),
        None => answer.reason.to_string(),
    }
}
