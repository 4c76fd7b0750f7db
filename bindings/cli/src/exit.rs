//! How a command ends: the exit codes that scripts rely on, and one line that says why.
//!
//! The numbers are those of mosquitto's clients: for a connection that the server refused its
//! own code (3.x: 1 to 5, 5.0: 128 and up), else libmosquitto's error numbers.

use libmqtt_runtime::{Reason, Status, Version};

/// The command line or a file is wrong, or cannot be used.
pub(crate) const USAGE: u8 = 1;
/// The connection was lost before everything was done.
pub(crate) const LOST: u8 = 7;
/// TLS failed, or a certificate was not accepted.
pub(crate) const TLS: u8 = 8;
/// Anything that has no number of its own.
pub(crate) const OTHER: u8 = 13;
/// The network does not lead to the server, or it does not listen.
pub(crate) const NETWORK: u8 = 14;
/// The host name is not known.
pub(crate) const LOOKUP: u8 = 15;
/// The server broke the protocol.
pub(crate) const PROTOCOL: u8 = 21;
/// The time that was given has passed.
pub(crate) const TIMED_OUT: u8 = 27;

/// Why a command ends before it has done what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// For standard error: one line, what went wrong and what to do. Empty: nothing is to be said.
    pub(crate) message: String,
    /// What was asked for instead.
    pub(crate) asked: Option<Asked>,
}

/// What every command can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// `--help`.
    Help,
    /// `--version`.
    Version,
}

impl Failure {
    /// A failure with this code and message.
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), asked: None }
    }

    /// Help or the version was asked for, which is no failure.
    pub(crate) fn asked(what: Asked) -> Failure {
        Failure { asked: Some(what), ..Failure::closed_pipe() }
    }

    /// The user asked wrongly.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(USAGE, message)
    }

    /// What was to be read has closed: there is nobody to tell, and that is no error.
    pub(crate) fn closed_pipe() -> Failure {
        Failure::new(0, "")
    }

    /// Writes the message as `libmqtt COMMAND: MESSAGE` and gives the exit code.
    pub(crate) fn report(self, command: &str) -> u8 {
        if !self.message.is_empty() {
            crate::output::complain(format_args!("libmqtt {command}: {}", self.message));
        }
        self.code
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::closed_pipe(),
            _ => Failure::new(OTHER, error.to_string()),
        }
    }
}

/// The code for a connection that the server refused.
pub(crate) fn refused_connection(version: Version, reason: Reason) -> u8 {
    match version {
        Version::V5 => reason as u8,
        Version::V31 | Version::V311 => reason.connect_return_code(),
    }
}

/// The code for anything else that went wrong with a client.
pub(crate) fn code(status: Status) -> u8 {
    match status {
        Status::Ok => 0,
        Status::BadArgument | Status::BadTopic | Status::NotInVersion => USAGE,
        Status::ResolveFailed => LOOKUP,
        Status::ConnectionRefused
        | Status::Unreachable
        | Status::NetworkFailed
        | Status::ProxyFailed
        | Status::WebSocketFailed => NETWORK,
        Status::TlsFailed
        | Status::CertificateExpired
        | Status::CertificateForOther
        | Status::CertificateUntrusted
        | Status::CertificateSelfSigned
        | Status::CertificateRevoked
        | Status::CertificateUnfit
        | Status::CertificateMissing
        | Status::CertificateRefused
        | Status::CertificateInvalid => TLS,
        Status::ConnectionLost
        | Status::NotConnected
        | Status::Abandoned
        | Status::SessionLost
        | Status::Closed => LOST,
        Status::Malformed | Status::ProtocolViolated => PROTOCOL,
        Status::TimedOut => TIMED_OUT,
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_codes_of_mosquitto_pub() {
        let check = |version, reason, wanted| {
            assert_eq!(refused_connection(version, reason), wanted);
        };
        check(Version::V311, Reason::UnsupportedProtocolVersion, 1);
        check(Version::V311, Reason::ClientIdentifierNotValid, 2);
        check(Version::V31, Reason::ServerUnavailable, 3);
        check(Version::V311, Reason::BadUserNameOrPassword, 4);
        check(Version::V311, Reason::NotAuthorized, 5);
        check(Version::V5, Reason::NotAuthorized, 135);
        check(Version::V5, Reason::ServerBusy, 137);
    }

    #[test]
    fn no_failure_ends_like_a_success() {
        for &status in Status::ALL {
            assert_eq!(code(status) == 0, status == Status::Ok, "{status:?}");
        }
    }
}
