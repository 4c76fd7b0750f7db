//! PUBLISH and its properties. Chapter 3.3.

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{Kind, connack, prop, puback, publish};
use libmqtt_conformance::{ClientWorld, secs};
use libmqtt_engine::codec::{PropertiesBuf, Property};

use super::{limited, swamped};
use crate::duty::client::{keeper, lasting, rejects, resume};

/// Aliases towards a server that allows so many, over 60 messages to 20 topics.
fn aliases(maximum: Option<u16>) -> Vec<u32> {
    let (world, mut server) = match maximum {
        Some(maximum) => limited(prop::topic_alias_maximum(maximum)),
        None => ClientWorld::online(V5, |_| {}),
    };
    for n in 0..60 {
        world.publish(&format!("topic/{}", n % 20), "x", n % 2).expect("a connection");
    }
    let seen = server.drain();
    assert_eq!(seen.len(), 60);
    seen.iter().filter_map(|seen| seen.number(0x23)).collect()
}

#[test]
fn mqtt_3_2_2_17_client_keeps_within_the_topic_alias_maximum() {
    for maximum in [1, 2, 5, 65_535] {
        let used = aliases(Some(maximum));
        assert!(used.iter().all(|alias| (1..=u32::from(maximum)).contains(alias)));
        assert!(!used.is_empty(), "the client assigns aliases");
    }
}

#[test]
fn mqtt_3_2_2_18_client_uses_no_alias_without_being_allowed() {
    assert!(aliases(None).is_empty());
    assert!(aliases(Some(0)).is_empty());
}

#[test]
fn mqtt_3_3_2_9_client_maps_its_aliases_rightly() {
    mqtt_3_2_2_17_client_keeps_within_the_topic_alias_maximum();
    let (world, mut server) = limited(prop::topic_alias_maximum(2));
    let mut map = [None, None, None];
    for n in 0..50 {
        let topic = format!("t/{}", n % 5);
        world.publish(&topic, "x", n % 3 % 2).expect("a connection");
        let seen = server.next_of(Kind::Publish);
        match (seen.number(0x23).unwrap_or(0) as usize, seen.topic().is_empty()) {
            (alias, false) => map[alias] = Some(topic),
            (alias, true) => assert_eq!(map[alias], Some(topic)),
        }
        if seen.qos() == 1 {
            server.send(puback(seen.id()));
        }
    }
}

#[test]
fn mqtt_3_3_2_8_client_never_sends_alias_0() {
    assert!(!aliases(Some(10)).contains(&0));
    rejects(V5, publish("t", "x").prop(prop::topic_alias(0)), &[0x94]);
}

#[test]
fn mqtt_3_3_2_7_client_forgets_aliases_with_the_connection() {
    let (world, mut server) = keeper(V5);
    server.send(publish("t", "x").prop(prop::topic_alias(1)));
    server.send(publish("", "y").prop(prop::topic_alias(1)));
    assert!(world.messages().iter().all(|message| message.topic() == "t"));
    let mut server = resume(&world, server);
    server.send(publish("", "z").prop(prop::topic_alias(1)));
    server.expect_thrown_out(&[0x82]);
    // Its own begin anew, too: a topic comes before its alias alone.
    let world = ClientWorld::new(V5, lasting);
    for n in 0..3 {
        let present = n > 0;
        let mut server = world.connect_with(connack(present, 0).prop(prop::topic_alias_maximum(5)));
        for _ in 0..3 {
            world.publish("t", "x", 0).expect("a connection");
        }
        assert_eq!(server.next_of(Kind::Publish).topic(), b"t");
        server.cut();
    }
}

#[test]
fn mqtt_3_3_2_10_client_accepts_aliases_up_to_its_maximum() {
    let world = ClientWorld::new(V5, |config| config.topic_alias_maximum = 3);
    let (mut server, connect) = world.dial();
    assert_eq!(connect.number(0x22), Some(3));
    server.send(connack(false, 0));
    let mut wanted = vec![];
    for alias in [1, 2, 3] {
        server.send(publish(format!("t/{alias}"), "x").prop(prop::topic_alias(alias)));
        server.send(publish("", "x").prop(prop::topic_alias(alias)));
        wanted.extend([format!("t/{alias}"), format!("t/{alias}")]);
    }
    let topics: Vec<_> = world.messages().iter().map(|m| m.topic().to_string()).collect();
    assert_eq!(topics, wanted);
    server.send(publish("t", "x").prop(prop::topic_alias(4)));
    server.expect_thrown_out(&[0x94]);
}

#[test]
fn mqtt_3_3_2_13_client_sends_a_well_formed_response_topic() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    let mut properties = PropertiesBuf::new();
    properties.push(Property::ResponseTopic("antwort/ß")).expect("a short value");
    world.publish_with("t", "x", 0, false, properties.view()).expect("a connection");
    server.expect(publish("t", "x").prop(prop::response_topic("antwort/ß")));
    rejects(V5, publish("t", "x").prop(prop::response_topic([0xC3])), &[0x81]);
}

#[test]
fn mqtt_3_3_2_14_client_puts_no_wildcards_into_a_response_topic() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    for topic in ["a/#", "+", "a/+/b"] {
        let mut properties = PropertiesBuf::new();
        if properties.push(Property::ResponseTopic(topic)).is_ok() {
            assert!(world.publish_with("t", "x", 0, false, properties.view()).is_err());
        }
    }
    server.expect_nothing();
    rejects(V5, publish("t", "x").prop(prop::response_topic("a/#")), &[0x82, 0x81]);
}

#[test]
fn mqtt_3_3_2_19_client_sends_a_well_formed_content_type() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    let mut properties = PropertiesBuf::new();
    properties.push(Property::ContentType("text/ß")).expect("a short value");
    world.publish_with("t", "x", 0, false, properties.view()).expect("a connection");
    server.expect(publish("t", "x").prop(prop::content_type("text/ß")));
    rejects(V5, publish("t", "x").prop(prop::content_type([0xC3])), &[0x81]);
}

#[test]
fn mqtt_3_3_4_6_client_sends_no_subscription_identifier() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    let mut properties = PropertiesBuf::new();
    properties.push(Property::SubscriptionIdentifier(1)).expect("a value in range");
    assert!(world.publish_with("t", "x", 0, false, properties.view()).is_err());
    server.expect_nothing();
}

#[test]
fn mqtt_3_3_4_7_client_keeps_within_the_receive_maximum() {
    for maximum in [1, 3, 7] {
        let (world, mut server) = swamped(maximum);
        let mut flying = server.drain();
        assert_eq!(flying.len(), usize::from(maximum));
        world.advance(secs(100));
        server.expect_nothing();
        let mut count = 0;
        while let Some(seen) = flying.pop() {
            server.acknowledge(&seen);
            count += 1;
            let more = server.drain();
            assert!(more.len() <= 1);
            flying.extend(more);
        }
        assert_eq!(count, 10);
    }
}

#[test]
pub(super) fn mqtt_3_3_4_8_client_delays_nothing_else_at_the_receive_maximum() {
    let (world, mut server) = swamped(1);
    server.next_of(Kind::Publish);
    world.subscribe("t", 0).expect("a connection");
    server.next_of(Kind::Subscribe);
    world.unsubscribe("t").expect("a connection");
    server.next_of(Kind::Unsubscribe);
    world.command(|client, now| client.ping(now)).expect("a connection");
    server.expect("C0 00");
    server.deliver(publish("t", "x").qos(1, 9), 1, 9);
    server.deliver(publish("t", "x").qos(2, 9), 2, 9);
}
