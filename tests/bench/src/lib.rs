//! What the codec, the topics, the broker and the client cost without sockets.
//!
//! All figures are CPU time, of this thread or (where threads are part of it) of this process, so
//! that what else the machine does shows little. README.md has tables, and how to make them.

pub mod client;
pub mod codec;
pub mod load;
pub mod meter;
pub mod shards;
pub mod table;
pub mod topics;
