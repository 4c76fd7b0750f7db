//! MQTT 5.0.

mod acks;
mod auth;
mod client;
mod connack;
mod connect;
mod data;
mod disconnect;
mod explain;
mod flow;
mod publish;
mod shared;
mod subscribe;
mod unnumbered;
mod web;

use std::collections::BTreeSet;

use libmqtt_conformance::vectors;
use libmqtt_conformance::wire::prop;
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

/// One value of each property, right for some packet.
fn each_property() -> Vec<(u8, Vec<u8>)> {
    let all = [
        prop::payload_format(1),
        prop::message_expiry(1),
        prop::content_type("a"),
        prop::response_topic("a"),
        prop::correlation_data("a"),
        prop::subscription_id(1),
        prop::session_expiry(1),
        prop::assigned_client_id("a"),
        prop::server_keep_alive(1),
        prop::auth_method("a"),
        prop::auth_data("a"),
        prop::request_problem_information(1),
        prop::will_delay(1),
        prop::request_response_information(1),
        prop::response_information("a"),
        prop::server_reference("a"),
        prop::reason_string("a"),
        prop::receive_maximum(1),
        prop::topic_alias_maximum(1),
        prop::topic_alias(1),
        prop::maximum_qos(1),
        prop::retain_available(1),
        prop::maximum_packet_size(100),
        prop::wildcard_available(1),
        prop::subscription_id_available(1),
        prop::shared_available(1),
    ];
    all.into_iter().map(|property| (property[0], property)).collect()
}
