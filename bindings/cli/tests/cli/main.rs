//! The built command, run as people run it, against our own broker on loopback.

mod broker;
mod messages;
mod support;
