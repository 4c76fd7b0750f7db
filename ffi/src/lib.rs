//! The C face of libmqtt: `libmqtt.so`, `libmqtt.a` and `include/libmqtt.h`.
//!
//! - Active things (client, loop, broker, engine) are numbers in a table, dressed as pointers: one
//!   that is stale or made up is refused (`handle`).
//! - Passive things (configurations, properties, messages, events, errors) are boxes.
//! - Each function's body is one call into `boundary`: a NULL is a status, and so is a panic.
//!
//! Safety, for every function: a pointer is NULL or what the header says, and what it points to is
//! not changed by others during the call.
#![allow(non_camel_case_types)] // the names are those of C
#![allow(clippy::missing_safety_doc)] // said once, above

mod argument;
mod boundary;
mod broker;
mod broker_config;
mod client;
mod client_config;
mod engine;
mod error;
mod event;
mod handle;
mod hooks;
mod listen;
mod listener;
mod log;
mod message;
mod operation;
mod option;
mod property;
mod reason;
mod run_loop;
mod status;
mod tls;
mod topic;
mod userdata;
mod version;
mod view;

// What C sees.
pub use crate::broker::*;
pub use crate::broker_config::*;
pub use crate::client::*;
pub use crate::client_config::*;
pub use crate::engine::*;
pub use crate::error::*;
pub use crate::event::*;
pub use crate::hooks::*;
pub use crate::listen::*;
pub use crate::listener::*;
pub use crate::log::*;
pub use crate::message::*;
pub use crate::operation::*;
pub use crate::property::*;
pub use crate::reason::*;
pub use crate::run_loop::*;
pub use crate::status::*;
pub use crate::tls::*;
pub use crate::topic::*;
pub use crate::userdata::*;
pub use crate::version::*;
pub use crate::view::*;
