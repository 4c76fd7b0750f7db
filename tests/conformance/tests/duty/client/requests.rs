//! SUBSCRIBE and UNSUBSCRIBE, as a client sends them.

use libmqtt_conformance::wire::{Kind, Wire, publish, suback, subscribe, unsubscribe};
use libmqtt_conformance::{ClientWorld, Version};
use libmqtt_engine::codec::{Properties, QoS, Subscription, SubscriptionOptions};

use super::rejects;

/// Filters as text, back to back, each with its options.
pub(crate) fn client_sends_well_formed_filters(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    let options = |qos| SubscriptionOptions { qos, ..SubscriptionOptions::default() };
    let wanted = [
        Subscription { filter: "ä/+", options: options(QoS::ExactlyOnce) },
        Subscription { filter: "日本/#", options: options(QoS::AtMostOnce) },
    ];
    let sent = world.command(|client, now| client.subscribe(now, &wanted, Properties::EMPTY));
    sent.expect("a connection");
    let id = server.next_of(Kind::Subscribe).id();
    let request = subscribe(id).filter("ä/+", 2).filter("日本/#", 0);
    assert_eq!(server.log().last().expect("a packet").bytes, request.wire(v));
    server.send(suback(id, &[2, 0]));
    let sent =
        world.command(|client, now| client.unsubscribe(now, &["ä/+", "日本/#"], Properties::EMPTY));
    sent.expect("a connection");
    let id = server.next_of(Kind::Unsubscribe).id();
    let request = unsubscribe(id).filter("ä/+").filter("日本/#");
    assert_eq!(server.log().last().expect("a packet").bytes, request.wire(v));
}

pub(crate) fn client_sends_no_request_without_filter(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    let empty = world.command(|client, now| client.subscribe(now, &[], Properties::EMPTY));
    assert!(empty.is_err());
    let empty = world.command(|client, now| client.unsubscribe(now, &[], Properties::EMPTY));
    assert!(empty.is_err());
    server.expect_nothing();
}

/// These are sent, those refused.
#[track_caller]
pub(crate) fn check_filters(v: Version, valid: &[&str], invalid: &[&str]) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    for filter in valid {
        assert!(world.subscribe(filter, 1).is_ok(), "{filter}");
        server.next_of(Kind::Subscribe);
    }
    for filter in invalid {
        assert!(world.subscribe(filter, 1).is_err(), "{filter}");
        server.expect_nothing();
    }
}

pub(crate) fn client_puts_multi_level_wildcards_alone_and_last(v: Version) {
    check_filters(v, &["#", "a/#", "/#", "+/#"], &["a#", "a/#/b", "#/a", "##", "#a"]);
}

pub(crate) fn client_puts_single_level_wildcards_alone(v: Version) {
    check_filters(v, &["+", "+/#", "a/+/b", "/+"], &["a+", "a/+b", "+a", "++", "a/++/b"]);
}

/// PUBLISH may come before SUBACK.
pub(crate) fn client_takes_messages_before_suback(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    world.subscribe("t", 1).expect("a connection");
    let id = server.next_of(Kind::Subscribe).id();
    server.deliver(publish("t", "early").qos(1, 8), 1, 8);
    server.send(suback(id, &[1]));
    assert_eq!(world.messages()[0].payload(), b"early");
    server.expect_nothing();
}

/// Codes that no SUBACK has are an error, and an answer to nothing too.
pub(crate) fn client_closes_on_wrong_suback_codes(v: Version) {
    for code in [0x03, 0x04, 0x7F, 0x81, 0xFF] {
        let (world, mut server) = ClientWorld::online(v, |_| {});
        world.subscribe("t", 1).expect("a connection");
        let id = server.next_of(Kind::Subscribe).id();
        server.send(suback(id, &[code]));
        server.expect_thrown_out(&[0x81, 0x82]);
    }
    rejects(v, suback(9, &[0]), &[0x82, 0x81]);
}

pub(crate) fn client_sends_0010_in_subscribe(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    world.subscribe("t", 1).expect("a connection");
    assert_eq!(server.next_of(Kind::Subscribe).bytes[0], 0x82);
}

pub(crate) fn client_sends_0010_in_unsubscribe(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    world.unsubscribe("t").expect("a connection");
    assert_eq!(server.next_of(Kind::Unsubscribe).bytes[0], 0xA2);
}
