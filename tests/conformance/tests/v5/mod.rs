//! MQTT 5.0.

mod acks;
mod auth;
mod connack;
mod connect;
mod data;
mod disconnect;
mod flow;
mod publish;
mod shared;
mod subscribe;
mod unnumbered;

use std::collections::BTreeSet;

use libmqtt_conformance::vectors;
use libmqtt_engine::codec::Reason;

/// The Reason Codes that a server may send in this packet, by mqtt5-reason-codes.csv.
fn codes_of(packet: &str) -> BTreeSet<u8> {
    vectors::rows("mqtt5-reason-codes.csv")
        .iter()
        .filter(|row| row["packet"] == packet && row["sent_by"] != "client")
        .map(|row| row["value_dec"].parse().expect("a number"))
        .collect()
}

/// All Reason Codes that report a failure.
fn failures() -> impl Iterator<Item = Reason> {
    Reason::ALL.iter().copied().filter(|reason| reason.is_error())
}
