//! Rules that have no id.

use libmqtt_conformance::ClientWorld;
use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{
    Kind, connack, disconnect, packet, prop, puback, pubcomp, publish, pubrec, suback,
};
use libmqtt_engine::client::{ClientConfig, Event, Outcome};

use super::{limited, swamped};
use crate::duty::client::{lasting, rejects};

#[test]
fn v5_u14_client_asks_for_a_session_as_it_was_told() {
    for (expiry, wanted) in [(0, None), (60, Some(60)), (u32::MAX, Some(u32::MAX))] {
        let world = ClientWorld::new(V5, |config| config.session_expiry_s = expiry);
        assert_eq!(world.dial().1.number(0x11).filter(|seconds| *seconds > 0), wanted);
    }
}

#[test]
fn v5_u15_client_closes_on_packets_above_its_maximum_size() {
    let world = ClientWorld::new(V5, |config| config.maximum_packet_size = 100);
    let (mut server, connect) = world.dial();
    assert_eq!(connect.number(0x27), Some(100));
    server.send(connack(false, 0));
    server.send(publish("t", "x".repeat(100 - 6)));
    assert_eq!(world.messages().len(), 1);
    server.send(publish("t", "x".repeat(100 - 5)));
    server.expect_thrown_out(&[0x95]);
}

#[test]
fn v5_u16_client_closes_on_problem_information_it_did_not_want() {
    let quiet = |config: &mut ClientConfig| config.request_problem_information = false;
    let (world, mut server) = ClientWorld::online(V5, quiet);
    world.publish("t", "x", 1).expect("a connection");
    let id = server.next_of(Kind::Publish).id();
    server.send(puback(id).prop(prop::reason_string("why")));
    server.expect_thrown_out(&[0x82]);
}

#[test]
fn v5_u22_client_takes_the_session_expiry_of_connack() {
    let connack_0 = connack(false, 0).prop(prop::session_expiry(0));
    let (world, mut server) = ClientWorld::online_with(V5, lasting, connack_0);
    world.publish("t", "x", 2).expect("a connection");
    server.next_of(Kind::Publish);
    server.cut();
    let mut server = world.connect_with(connack(false, 0));
    assert!(server.drain().iter().all(|seen| !seen.dup()));
}

#[test]
fn v5_u34_client_closes_on_subscription_identifier_0() {
    rejects(V5, publish("t", "x").prop(prop::subscription_id(0)), &[0x82]);
}

#[test]
fn v5_u35_client_closes_on_aliases_out_of_range() {
    for alias in [0, 65, 65_535] {
        rejects(V5, publish("t", "x").prop(prop::topic_alias(alias)), &[0x94]);
    }
}

#[test]
fn v5_u36_client_closes_on_an_unknown_alias() {
    rejects(V5, publish("", "x").prop(prop::topic_alias(1)), &[0x82]);
}

#[test]
fn v5_u37_client_closes_when_its_receive_maximum_is_exceeded() {
    let world = ClientWorld::new(V5, |config| config.receive_maximum = 2);
    let (mut server, connect) = world.dial();
    assert_eq!(connect.number(0x21), Some(2));
    server.send(connack(false, 0));
    for id in [1, 2] {
        server.send(publish("t", "x").qos(2, id));
        server.expect(pubrec(id));
    }
    server.send(publish("t", "x").qos(2, 3));
    server.expect_thrown_out(&[0x93]);
}

#[test]
fn v5_u31_client_closes_on_an_empty_topic_without_alias() {
    rejects(V5, "30 03 0000 00", &[0x82]);
}

#[test]
fn v5_u33_client_keeps_alias_mappings_apart() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    let alias = || prop::topic_alias(1);
    server.send(publish("a", "1").prop(alias()));
    server.send(publish("b", "2").prop(alias()));
    server.send(publish("a", "3"));
    server.send(publish("", "4").prop(alias()));
    let topics: Vec<_> = world.messages().iter().map(|m| m.topic().to_string()).collect();
    assert_eq!(topics, ["a", "b", "a", "b"]);
}

#[test]
fn v5_u39_client_takes_short_and_long_acknowledgements() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    for tail in [&[][..], &[0x10], &[0x00, 0x00]] {
        let token = world.publish("t", "x", 1).expect("a connection");
        let id = server.next_of(Kind::Publish).id();
        let body = [&id.to_be_bytes()[..], tail].concat();
        server.send(packet(0x40, &body));
        assert!(matches!(world.outcome(token), Some(Outcome::Acknowledged(_))));
    }
}

#[test]
fn v5_u45_client_takes_short_disconnects() {
    for bytes in ["E0 00", "E0 01 8B", "E0 02 8B 00"] {
        let (world, mut server) = ClientWorld::online(V5, |_| {});
        server.send(bytes);
        server.expect_closed();
        assert!(world.events().iter().any(|event| matches!(event, Event::Disconnected(_))));
    }
}

#[test]
fn v5_u50_client_frees_id_and_quota_on_a_failing_pubrec() {
    let (world, mut server) = limited(prop::receive_maximum(1));
    for _ in 0..5 {
        world.publish("t", "x", 2).expect("a queue");
    }
    for _ in 0..5 {
        let id = server.next_of(Kind::Publish).id();
        server.expect_nothing();
        server.send(pubrec(id).reason(0x97));
    }
    server.expect_nothing();
}

#[test]
fn v5_u55_client_widens_no_window_for_surplus_acknowledgements() {
    let (_world, mut server) = swamped(2);
    let flying = server.drain();
    for id in 100..110 {
        server.send(puback(id));
        server.send(pubcomp(id));
    }
    server.expect_nothing();
    flying.iter().for_each(|seen| server.acknowledge(seen));
    assert_eq!(server.drain().len(), 2);
}

#[test]
fn v5_u07_client_closes_on_properties_that_the_packet_may_not_carry() {
    for (id, property) in crate::v5::each_property() {
        if !matches!(id, 0x01..=0x03 | 0x08 | 0x09 | 0x0B | 0x23) {
            rejects(V5, publish("t", "x").prop(property.clone()), &[0x81, 0x82]);
        }
        if id != 0x1F {
            rejects(V5, puback(1).prop(property.clone()), &[0x81, 0x82]);
            rejects(V5, suback(1, &[0]).prop(property.clone()), &[0x81, 0x82]);
        }
        if !matches!(id, 0x1C | 0x1F) {
            rejects(V5, disconnect(0x8B).prop(property.clone()), &[0x81, 0x82]);
        }
        if !matches!(id, 0x11..=0x13 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F | 0x21 | 0x22 | 0x24 | 0x25 | 0x27..)
        {
            let (mut server, _) = ClientWorld::new(V5, |_| {}).dial();
            server.send(connack(false, 0).prop(property));
            server.drain();
            server.expect_closed();
        }
    }
}

#[test]
fn v5_u08_client_closes_on_property_sections_that_do_not_add_up() {
    for wrong in ["30 05 0001 74 05 78", "30 08 0001 74 03 02 0000 78", "30 05 0001 74 80 80"] {
        rejects(V5, wrong, &[0x81, 0x82]);
    }
    rejects(V5, "40 05 0001 00 09 1F", &[0x81, 0x82]);
}

#[test]
fn v5_u09_client_takes_properties_in_any_order() {
    let properties = [
        prop::message_expiry(9),
        prop::content_type("a"),
        prop::user("k", "v"),
        prop::payload_format(1),
    ];
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    for start in 0..4 {
        let rotated = (0..4).map(|n| properties[(start + n) % 4].clone());
        server.send(rotated.fold(publish("t", "x"), |packet, property| packet.prop(property)));
    }
    let messages = world.messages();
    assert_eq!(messages.len(), 4);
    assert!(messages.iter().all(|m| m.properties().content_type() == Some("a")));
}
