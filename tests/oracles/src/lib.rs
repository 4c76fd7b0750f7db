//! Properties as functions over bytes: they panic when one does not hold. Property tests, fuzz
//! targets and the replay of saved inputs all call these. With them come the readers of the
//! tables in `tests/vectors`.
#![forbid(unsafe_code)]

mod broker;
mod client;
mod codec;
mod hex;
pub mod naive;
mod packets;
mod properties;
mod script;
mod table;
mod topics;
#[cfg(feature = "net")]
mod transports;

pub use broker::{broker_machine, version_of};
pub use client::client_machine;
pub use codec::{client_v3, client_v5, round_trips, server, stream_holds};
pub use hex::hex;
pub use properties::properties;
pub use script::scripts;
pub use table::{Row, table};
pub use topics::topics;
#[cfg(feature = "net")]
pub use transports::{proxy_headers, proxy_tunnel, web_frames, web_handshake};
