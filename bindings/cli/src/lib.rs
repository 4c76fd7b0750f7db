//! The `libmqtt` command.
#![forbid(unsafe_code)]
