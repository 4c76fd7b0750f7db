//! The native addon of the npm package `libmqtt`: thin and private; `lib/` is the public face.
//!
//! No native thread ever runs JavaScript. Threads put what has happened into queues and wake the
//! event loop (`wake`), which takes it out in batches: a batch of a client's events is one
//! Buffer and an index (`events`), and so is a batch of messages to publish (`client`).
// What is exported to Node has no caller in a test build.
#![cfg_attr(test, allow(dead_code))]
// What JavaScript reaches must be `pub` for napi's macros, though no Rust reaches it.
#![allow(unreachable_pub)]

mod broker;
mod client;
mod errors;
mod events;
mod questions;
mod settings;
mod transport;
mod wake;

use napi_derive::napi;

/// The version of the package.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Runs the command `libmqtt` with these words, its own name first, and returns its exit code.
#[napi]
pub fn run_command(words: Vec<String>) -> u32 {
    u32::from(libmqtt_cli::run(words.into_iter().map(Into::into)))
}
