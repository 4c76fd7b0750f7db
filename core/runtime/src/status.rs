//! The one list of stable numbers.

macro_rules! statuses {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        /// What came of an operation, as a number that never changes its meaning. 0 is success,
        /// failures are negative: -1 to -99 misuse, -100 to -199 network, -200 to -299 session
        /// and protocol, -300 to -399 storage and files. The Reason Codes of MQTT travel beside
        /// it under their own numbers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum Status { $(#[doc = concat!($text, ".")] $name = $value,)* }

        impl Status {
            /// Every status, success first.
            pub const ALL: &'static [Status] = &[$(Status::$name,)*];

            /// The status with this number, if there is one.
            pub fn from_code(code: i32) -> Option<Status> {
                match code { $($value => Some(Status::$name),)* _ => None }
            }

            /// Its name: `QueueFull`.
            pub fn name(self) -> &'static str {
                match self { $(Status::$name => stringify!($name),)* }
            }

            /// What it means, in a few words: `outgoing queue is full`.
            pub fn message(self) -> &'static str {
                match self { $(Status::$name => $text,)* }
            }
        }
    };
}

// A number is given once and never used again; one that is removed stays here as a comment.
statuses! {
    Ok = 0, "success";
    NullArgument = -1, "argument is null";
    BadArgument = -2, "argument is not valid";
    BadTopic = -3, "topic name or filter is not valid";
    BadState = -4, "not possible in this state";
    Closed = -5, "handle is closed";
    WouldDeadlock = -6, "call would wait for its own thread";
    LimitReached = -7, "limit is reached";
    Panicked = -8, "internal error was caught";
    NotInVersion = -9, "not expressible in this protocol version";
    SystemRefused = -10, "system refuses a thread, a descriptor or memory";
    NotFound = -11, "nothing there by this name or number";
    ResolveFailed = -100, "name cannot be resolved";
    ConnectionRefused = -101, "connection was refused";
    ConnectionLost = -102, "connection was lost";
    Unreachable = -103, "network or host is unreachable";
    ListenFailed = -104, "address cannot be listened on";
    NetworkFailed = -105, "network operation failed";
    TlsFailed = -106, "TLS failed";
    CertificateExpired = -107, "certificate has expired or is not valid yet";
    CertificateForOther = -108, "certificate is for another host";
    CertificateUntrusted = -109, "issuer of certificate is not trusted";
    CertificateSelfSigned = -110, "certificate is self-signed and not trusted";
    CertificateRevoked = -111, "certificate was revoked";
    CertificateUnfit = -112, "certificate is not for this use";
    CertificateMissing = -113, "peer demands a certificate";
    CertificateRefused = -114, "peer refuses our certificate";
    CertificateInvalid = -115, "certificate is not valid";
    WebSocketFailed = -116, "WebSocket failed";
    ProxyFailed = -117, "proxy failed or refuses";
    NotConnected = -200, "not connected";
    TimedOut = -201, "deadline has passed";
    QueueFull = -202, "outgoing queue is full";
    PacketTooLarge = -203, "packet is larger than the peer accepts";
    Refused = -204, "peer refused with a reason code";
    Malformed = -205, "peer sent a malformed packet";
    ProtocolViolated = -206, "peer broke the protocol";
    Expired = -207, "message expired before it was sent";
    Dropped = -208, "message was dropped by policy";
    Abandoned = -209, "operation was abandoned by close";
    SessionLost = -210, "session was lost";
    StorageFailed = -300, "storage failed";
    FileUnreadable = -301, "file cannot be read";
    FileInvalid = -302, "file is not valid";
}

impl Status {
    /// Its number.
    pub fn code(self) -> i32 {
        self as i32
    }
}

impl core::fmt::Display for Status {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_distinct_and_in_their_ranges() {
        let mut seen = Vec::new();
        for &status in Status::ALL {
            let code = status.code();
            assert!(!seen.contains(&code), "{code} twice");
            seen.push(code);
            assert!((-399..=0).contains(&code) && (code == 0 || code % 100 != 0 || code <= -100));
            assert_eq!(Status::from_code(code), Some(status));
            assert!(!status.message().is_empty() && !status.message().ends_with('.'));
        }
        assert_eq!(Status::ALL[0], Status::Ok);
    }
}
