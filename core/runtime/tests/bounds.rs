//! SECURITY.md names every bound, with its default.

use std::collections::BTreeMap;
use std::time::Duration;

use libmqtt_runtime::{BrokerConfig, ClientConfig, ClientOptions};

const SECURITY: &str = include_str!("../../../SECURITY.md");

/// Bounds and their defaults, as the tables of a section write them.
fn written(section: &str) -> BTreeMap<String, String> {
    let (_, text) = SECURITY.split_once(section).expect("the section is there");
    let table = text.lines().skip_while(|line| !line.starts_with('|'));
    let mut found = BTreeMap::new();
    for line in table.take_while(|line| line.starts_with('|')).skip(2) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let names: Vec<&str> = cells[1].split(", ").map(|name| name.trim_matches('`')).collect();
        let values: Vec<&str> = cells[2].split(", ").collect();
        assert!(values.len() == 1 || values.len() == names.len(), "{line}");
        for (at, name) in names.iter().enumerate() {
            let value = values.get(at).unwrap_or(&values[0]);
            assert!(found.insert(name.to_string(), value.to_string()).is_none(), "{name} twice");
        }
    }
    found
}

fn count(value: impl TryInto<u64>) -> String {
    let mut text = value.try_into().ok().expect("not negative").to_string();
    for at in (1..text.len()).rev().filter(|at| (text.len() - at) % 3 == 0).collect::<Vec<_>>() {
        text.insert(at, ',');
    }
    text
}

fn bytes(value: impl TryInto<u64>) -> String {
    let value = value.try_into().ok().expect("not negative");
    let unit = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let (shift, name) = unit.into_iter().find(|(shift, _)| value >> shift > 0).expect("large");
    assert_eq!(value & ((1 << shift) - 1), 0, "{value} is no whole number of {name}");
    format!("{} {name}", value >> shift)
}

fn or_none(value: impl TryInto<u64>) -> String {
    match count(value) {
        none if none == "0" => "none".into(),
        some => some,
    }
}

fn expiry(value: u32) -> String {
    if value == u32::MAX { "for ever".into() } else { format!("{value} s") }
}

fn time(value: Duration) -> String {
    format!("{} s", value.as_secs())
}

/// Names the bounds among the fields of a configuration, and the fields that are none: a field
/// that is added has to be put on one side or the other before this builds.
macro_rules! bounds {
    ($value:expr, $type:ident: $($write:ident($field:ident)),*; $($other:ident),* $(,)?) => {{
        let $type { $($field,)* $($other: _,)* } = $value;
        BTreeMap::from([$((stringify!($field).to_string(), $write($field))),*])
    }};
}

#[test]
fn the_bounds_of_a_broker_are_those_in_security_md() {
    let bounds = bounds! { BrokerConfig::default(), BrokerConfig:
        time(connect_timeout), bytes(maximum_connect_size), count(pending_max),
        count(connections_max), or_none(address_connections_max),
        or_none(address_connects_per_min_max), or_none(address_failures_per_min_max),
        or_none(client_messages_per_s_max), or_none(client_bytes_per_s_max),
        bytes(maximum_packet_size), or_none(keep_alive_max_s), count(receive_maximum),
        count(inflight_max), count(topic_alias_maximum), count(topic_alias_out_max),
        count(sessions_max), expiry(session_expiry_max_s), expiry(session_expiry_v3_s),
        count(subscriptions_max), bytes(subscription_bytes_max),
        count(shared_subscriptions_max), count(topic_levels_max), count(queue_messages_max),
        bytes(queue_bytes_max), bytes(backlog_bytes_max), count(retained_max),
        bytes(retained_bytes_max), bytes(queue_memory_max), bytes(memory_max),
        bytes(store_queue_bytes_max);
        maximum_qos, retain_available, wildcard_subscriptions, subscription_identifiers,
        shared_subscriptions, queue_full, queue_qos0_offline, overload, dollar_topics,
        assign_client_ids, assigned_id_prefix, sys_interval, response_information,
    };
    assert_eq!(written("\nOf a broker,"), bounds);
}

#[test]
fn the_bounds_of_a_client_are_those_in_security_md() {
    let options = ClientOptions::from(ClientConfig::default());
    let mut bounds = bounds! { options.config, ClientConfig:
        time(connect_timeout), time(ping_timeout), count(maximum_packet_size),
        count(receive_maximum), count(topic_alias_maximum), count(topic_alias_out_max),
        count(inflight_max), count(queue_messages_max), bytes(queue_bytes_max),
        bytes(output_bytes_max), count(requests_max), count(inbox_messages_max),
        bytes(inbox_bytes_max);
        servers, client_id, version, step_down, clean_start, session_expiry_s,
        accept_unknown_session, keep_alive_s, will, user_name, password, authentication,
        user_properties, request_response_information, request_problem_information, reconnect,
        follow_server_reference, queue_full, offline_qos0, lost_session, resubscribe, manual_ack,
    };
    bounds.insert("events_max".into(), count(options.events_max));
    assert_eq!(written("\nOf a client,"), bounds);
}
