//! The list of statuses, as C sees it.

use core::ffi::c_int;

use libmqtt_runtime::Status;

use crate::argument::Out;
use crate::boundary::{get, run};
use crate::view::mqtt_text;

/// What came of a call. 0 is success, failures are negative: -1 to -99 misuse, -100 to -199
/// network, -200 to -299 session and protocol, -300 to -399 storage and files. A number never
/// changes its meaning, and new ones may come. The Reason Codes of MQTT travel beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum mqtt_status {
    /// Success.
    Ok = 0,
    /// Argument is null.
    NullArgument = -1,
    /// Argument is not valid.
    BadArgument = -2,
    /// Topic name or filter is not valid.
    BadTopic = -3,
    /// Not possible in this state.
    BadState = -4,
    /// Handle is closed.
    Closed = -5,
    /// Call would wait for its own thread.
    WouldDeadlock = -6,
    /// Limit is reached.
    LimitReached = -7,
    /// Internal error was caught.
    Panicked = -8,
    /// Not expressible in this protocol version.
    NotInVersion = -9,
    /// System refuses a thread, a descriptor or memory.
    SystemRefused = -10,
    /// Nothing there by this name or number.
    NotFound = -11,
    /// Name cannot be resolved.
    ResolveFailed = -100,
    /// Connection was refused.
    ConnectionRefused = -101,
    /// Connection was lost.
    ConnectionLost = -102,
    /// Network or host is unreachable.
    Unreachable = -103,
    /// Address cannot be listened on.
    ListenFailed = -104,
    /// Network operation failed.
    NetworkFailed = -105,
    /// TLS failed.
    TlsFailed = -106,
    /// Certificate has expired or is not valid yet.
    CertificateExpired = -107,
    /// Certificate is for another host.
    CertificateForOther = -108,
    /// Issuer of certificate is not trusted.
    CertificateUntrusted = -109,
    /// Certificate is self-signed and not trusted.
    CertificateSelfSigned = -110,
    /// Certificate was revoked.
    CertificateRevoked = -111,
    /// Certificate is not for this use.
    CertificateUnfit = -112,
    /// Peer demands a certificate.
    CertificateMissing = -113,
    /// Peer refuses our certificate.
    CertificateRefused = -114,
    /// Certificate is not valid.
    CertificateInvalid = -115,
    /// WebSocket failed.
    WebSocketFailed = -116,
    /// Proxy failed or refuses.
    ProxyFailed = -117,
    /// Not connected.
    NotConnected = -200,
    /// Deadline has passed.
    TimedOut = -201,
    /// Outgoing queue is full.
    QueueFull = -202,
    /// Packet is larger than the peer accepts.
    PacketTooLarge = -203,
    /// Peer refused with a reason code.
    Refused = -204,
    /// Peer sent a malformed packet.
    Malformed = -205,
    /// Peer broke the protocol.
    ProtocolViolated = -206,
    /// Message expired before it was sent.
    Expired = -207,
    /// Message was dropped by policy.
    Dropped = -208,
    /// Operation was abandoned by close.
    Abandoned = -209,
    /// Session was lost.
    SessionLost = -210,
    /// Storage failed.
    StorageFailed = -300,
    /// File cannot be read.
    FileUnreadable = -301,
    /// File is not valid.
    FileInvalid = -302,
}

impl From<Status> for mqtt_status {
    fn from(status: Status) -> mqtt_status {
        match status {
            Status::Ok => mqtt_status::Ok,
            Status::NullArgument => mqtt_status::NullArgument,
            Status::BadArgument => mqtt_status::BadArgument,
            Status::BadTopic => mqtt_status::BadTopic,
            Status::BadState => mqtt_status::BadState,
            Status::Closed => mqtt_status::Closed,
            Status::WouldDeadlock => mqtt_status::WouldDeadlock,
            Status::LimitReached => mqtt_status::LimitReached,
            Status::Panicked => mqtt_status::Panicked,
            Status::NotInVersion => mqtt_status::NotInVersion,
            Status::SystemRefused => mqtt_status::SystemRefused,
            Status::NotFound => mqtt_status::NotFound,
            Status::ResolveFailed => mqtt_status::ResolveFailed,
            Status::ConnectionRefused => mqtt_status::ConnectionRefused,
            Status::ConnectionLost => mqtt_status::ConnectionLost,
            Status::Unreachable => mqtt_status::Unreachable,
            Status::ListenFailed => mqtt_status::ListenFailed,
            Status::NetworkFailed => mqtt_status::NetworkFailed,
            Status::TlsFailed => mqtt_status::TlsFailed,
            Status::CertificateExpired => mqtt_status::CertificateExpired,
            Status::CertificateForOther => mqtt_status::CertificateForOther,
            Status::CertificateUntrusted => mqtt_status::CertificateUntrusted,
            Status::CertificateSelfSigned => mqtt_status::CertificateSelfSigned,
            Status::CertificateRevoked => mqtt_status::CertificateRevoked,
            Status::CertificateUnfit => mqtt_status::CertificateUnfit,
            Status::CertificateMissing => mqtt_status::CertificateMissing,
            Status::CertificateRefused => mqtt_status::CertificateRefused,
            Status::CertificateInvalid => mqtt_status::CertificateInvalid,
            Status::WebSocketFailed => mqtt_status::WebSocketFailed,
            Status::ProxyFailed => mqtt_status::ProxyFailed,
            Status::NotConnected => mqtt_status::NotConnected,
            Status::TimedOut => mqtt_status::TimedOut,
            Status::QueueFull => mqtt_status::QueueFull,
            Status::PacketTooLarge => mqtt_status::PacketTooLarge,
            Status::Refused => mqtt_status::Refused,
            Status::Malformed => mqtt_status::Malformed,
            Status::ProtocolViolated => mqtt_status::ProtocolViolated,
            Status::Expired => mqtt_status::Expired,
            Status::Dropped => mqtt_status::Dropped,
            Status::Abandoned => mqtt_status::Abandoned,
            Status::SessionLost => mqtt_status::SessionLost,
            Status::StorageFailed => mqtt_status::StorageFailed,
            Status::FileUnreadable => mqtt_status::FileUnreadable,
            Status::FileInvalid => mqtt_status::FileInvalid,
        }
    }
}

/// The name of a status, such as `MQTT_STATUS_QUEUE_FULL` without the first two words:
/// `QueueFull`. For a number that is no status: `Unknown`.
///
/// The text lives for ever. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_status_name(status: c_int) -> mqtt_text {
    get("Unknown".into(), || Some(Status::from_code(status)?.name().into()))
}

/// What a status means, in a few words: `outgoing queue is full`.
///
/// The text lives for ever. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_status_message(status: c_int) -> mqtt_text {
    get("unknown status".into(), || Some(Status::from_code(status)?.message().into()))
}

/// Goes through all statuses: sets `status_out` to the one at `place`, counted from 0.
///
/// Returns `MQTT_STATUS_NOT_FOUND` behind the last one. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_status_at(place: usize, status_out: *mut c_int) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let out = unsafe { Out::new(status_out) }?;
        let status = Status::ALL.get(place).ok_or(Status::NotFound)?;
        out.set(status.code());
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_the_same() {
        for &status in Status::ALL {
            assert_eq!(mqtt_status::from(status) as i32, status.code(), "{status:?}");
        }
    }
}
