//! Hostile peers over real sockets, beside clients that do no harm.
//!
//! A hostile peer writes what it has, closes its side, and reads until the broker closes the
//! other: so every input ends without waiting for a time.
#![forbid(unsafe_code)]

mod corpus;
mod peer;

pub use corpus::{Input, mutations, truncations, wrong_senders};
pub use peer::{Peer, bytes, connect_bytes, verdict};
