//! Feeds the two machines with made-up scripts, always the same ones.

use libmqtt_oracles::{broker_machine, client_machine, scripts};

/// Runs an oracle on many inputs; the one that breaks it is printed.
fn hold(oracle: fn(&[u8]), count: u64, len: usize) {
    for input in scripts(count, len) {
        if std::panic::catch_unwind(|| oracle(&input)).is_err() {
            let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
            panic!("broken by {hex}");
        }
    }
}

#[test]
fn a_broker_holds_among_hostile_clients() {
    hold(broker_machine, 2000, 1500);
}

#[test]
fn a_client_holds_with_a_hostile_server() {
    hold(client_machine, 5000, 800);
}
