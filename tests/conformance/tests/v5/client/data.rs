//! Forms of packets, and filters. Chapters 1, 2, 3.8 and 4.8.

use libmqtt_conformance::ClientWorld;
use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{Kind, connack, prop, varint};
use libmqtt_engine::codec::{PropertiesBuf, Property, Subscription, SubscriptionOptions};

use crate::duty::client::requests::check_filters;

#[test]
fn mqtt_1_5_5_1_client_writes_the_shortest_integers() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    for length in [127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
        world.publish("t", &"x".repeat(length - 4), 0).expect("a connection");
        let seen = server.next_of(Kind::Publish);
        assert!(seen.body().len() == length && seen.bytes[1..].starts_with(&varint(length)));
    }
    for length in [127, 128, 16_383, 16_384] {
        let data = vec![7; length - 3];
        let mut properties = PropertiesBuf::new();
        properties.push(Property::CorrelationData(&data)).expect("a short value");
        world.publish_with("t", "x", 0, false, properties.view()).expect("a connection");
        assert!(server.next_of(Kind::Publish).body()[3..].starts_with(&varint(length)));
    }
    for id in [1, 127, 128, 16_384, 268_435_455] {
        let mut properties = PropertiesBuf::new();
        properties.push(Property::SubscriptionIdentifier(id)).expect("a value in range");
        let wanted = [Subscription { filter: "t", options: SubscriptionOptions::default() }];
        let sent = world.command(|client, now| client.subscribe(now, &wanted, properties.view()));
        sent.expect("a connection");
        let value = server.next_of(Kind::Subscribe).all(0x0B);
        assert_eq!(value, [varint(id as usize)]);
    }
}

#[test]
fn mqtt_2_2_2_1_client_writes_property_length_0() {
    let world = ClientWorld::new(V5, |config| {
        config.receive_maximum = 65_535;
        config.topic_alias_maximum = 0;
        config.client_id = "".into();
    });
    let (mut server, connect) = world.dial();
    assert_eq!(connect.bytes, b"\x10\x0D\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00");
    server.send(connack(false, 0).prop(prop::assigned_client_id("mine")));
    world.publish("t", "x", 0).expect("a connection");
    server.expect("30 05 0001 74 00 78");
    world.subscribe("t", 1).expect("a connection");
    let seen = server.next_of(Kind::Subscribe);
    assert_eq!(seen.body()[2..], [0, 0, 1, b't', 1]);
    world.unsubscribe("t").expect("a connection");
    let seen = server.next_of(Kind::Unsubscribe);
    assert_eq!(seen.body()[2..], [0, 0, 1, b't']);
}

#[test]
fn mqtt_3_8_3_4_client_sends_no_no_local_for_a_shared_subscription() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    let options = SubscriptionOptions { no_local: true, ..SubscriptionOptions::default() };
    let wanted = [Subscription { filter: "$share/g/t", options }];
    let none = PropertiesBuf::new();
    let sent = world.command(|client, now| client.subscribe(now, &wanted, none.view()));
    assert!(sent.is_err());
    server.expect_nothing();
}

#[test]
fn mqtt_4_8_2_1_client_wants_share_and_a_name() {
    check_filters(
        V5,
        &["$share/g/a", "$Share/g/a", "$share/x/#"],
        &["$share//a", "$share/", "$share//"],
    );
}

#[test]
fn mqtt_4_8_2_2_client_wants_a_name_without_wildcards_and_a_filter() {
    let invalid = ["$share/g", "$share/g/", "$share/g+/a", "$share/+/a", "$share/#/a", "$share/#"];
    check_filters(V5, &["$share/g/a/b", "$share/g//a"], &invalid);
}
