//! WebSocket, RFC 6455, as MQTT uses it: a stream of bytes in binary frames.
//!
//! MQTT needs no borders between messages, so bytes are passed on as they come, whatever frame or
//! fragment they are in: a connection keeps at most the header of a frame.

mod client;
mod error;
mod frames;
mod head;
mod server;

pub(crate) use client::Request;
pub use client::WebSocketClient;
pub use error::WebSocketError;
pub use frames::{Frames, Kind, Side, put_frame};
pub(crate) use frames::{HEADER_MAX, apply_mask, close_code, put_header};
pub(crate) use server::complaint;
pub use server::{Answer, Resource, WebSocketServer};

/// What MQTT is called in the handshake, best first. The second is of before MQTT was a standard.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];
