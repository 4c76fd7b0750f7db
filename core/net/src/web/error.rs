//! What goes wrong with WebSocket.

/// Why a WebSocket connection has not come about, or has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    /// What came is no HTTP.
    #[error("peer does not speak HTTP")]
    NotHttp,
    /// The head of a request or response is longer than is allowed.
    #[error("HTTP head is too long")]
    HeadTooLong,
    /// The server answers otherwise than by changing to WebSocket.
    #[error("server answers {status} {reason}")]
    Refused {
        /// The status code.
        status: u16,
        /// What it says beside it.
        reason: String,
    },
    /// The server changes to something else.
    #[error("server does not change to WebSocket: {0}")]
    NotUpgraded(&'static str),
    /// The server does not speak MQTT over WebSocket.
    #[error("server does not offer the subprotocol mqtt")]
    NoSubprotocol,
    /// A header that was asked for cannot be sent.
    #[error("'{0}' cannot be a header")]
    Header(String),
    /// A frame breaks the rules.
    #[error("frame {0}")]
    Frame(&'static str),
    /// A frame is not binary.
    #[error("frame is not binary")]
    NotBinary,
    /// A frame is larger than the largest packet.
    #[error("frame is too large")]
    TooLarge,
}
