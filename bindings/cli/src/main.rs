//! The `libmqtt` command.
fn main() {}
