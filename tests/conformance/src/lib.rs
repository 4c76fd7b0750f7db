//! What the conformance tests stand on: peers that speak bytes, over the engines on virtual time.
//!
//! [`wire`] builds and reads packets without our codec, so that an error there cannot hide from
//! the tests. [`World`] is a broker with its clock, a [`Peer`] a raw connection to it;
//! [`ClientWorld`] is our client in front of a server double that the test scripts.
//!
//! With `LIBMQTT_CONFORMANCE_SHARDS=3` in the environment every broker is of three shards, and has
//! to behave the same. With `LIBMQTT_CONFORMANCE_BROKER=tcp` it is behind a socket, and with
//! HOST:PORT there it is anybody's: the program of this crate does that, see its README.
#![forbid(unsafe_code)]

mod client;
pub mod coverage;
mod peer;
mod transport;
pub mod vectors;
mod web;
pub mod wire;
mod world;

pub use client::ClientWorld;
pub use libmqtt_engine::codec::Version;
pub use peer::Peer;
pub use transport::{Transport, Wait};
pub use web::Web;
pub use world::{BROKER, NOT_APPLICABLE, Rules, World};

use core::time::Duration;

/// 3.1.1 and 5.0, for duties that both have.
pub const MODERN: [Version; 2] = [Version::V311, Version::V5];

/// This many seconds.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// This many milliseconds.
pub const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
