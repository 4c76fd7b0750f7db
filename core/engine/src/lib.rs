//! The MQTT client and broker as state machines.
//!
//! *No sockets, threads, files, clock or randomness of its own; same inputs, same outputs.*
//!
//! Every public method is a command (a verb; `Err` means the caller asked wrongly and nothing has
//! changed), an input (`handle_…`; never fails), an output (`poll_…`, `outgoing`) or a getter.
//!
//! **The drain rule.** After any command or input, call the `poll_` methods until they have
//! nothing left, write what `outgoing` shows and report it with `handle_sent`, then sleep until
//! `poll_timeout` or the next input.
#![forbid(unsafe_code)]

pub mod broker;
pub mod client;
mod hooks;
mod identity;
mod message;
mod random;
pub mod session;
pub mod store;
mod time;
mod timer;
pub mod topic;

pub use hooks::{Authenticate, ClientInfo, Hooks, NoHooks, Rights, Step, Ticket, Verdict};
pub use identity::{Identity, UserName};
pub use libmqtt_codec as codec;
pub use message::{Message, MessageError};
pub use time::{Instant, UnixTime};
