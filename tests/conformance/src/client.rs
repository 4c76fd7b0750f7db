//! Our client in front of a scripted server.

/// A client on virtual time, and the far end of its connection.
pub struct ClientWorld {}
