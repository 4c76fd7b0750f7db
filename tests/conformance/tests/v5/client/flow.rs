//! Flows and flow control. Chapter 4.

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{Kind, connack, prop, puback, pubcomp, publish, pubrec, pubrel};
use libmqtt_conformance::{ClientWorld, secs};
use libmqtt_engine::client::{Event, Outcome};
use libmqtt_engine::codec::{PropertiesBuf, Property, Reason};

use super::swamped;
use crate::duty::client::{keeper, lasting, resume};

#[test]
fn mqtt_4_3_3_4_client_ends_the_flow_on_a_failing_pubrec() {
    let (world, mut server) = keeper(V5);
    for code in [0x80, 0x87, 0x97] {
        let token = world.publish("t", "x", 2).expect("a connection");
        let id = server.next_of(Kind::Publish).id();
        server.send(pubrec(id).reason(code));
        server.expect_nothing();
        assert!(matches!(world.outcome(token), Some(Outcome::Refused(_))));
    }
    resume(&world, server).expect_nothing();
}

#[test]
fn mqtt_4_3_3_7_client_lets_nothing_expire_that_was_sent() {
    let (world, mut server) = keeper(V5);
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(1)).expect("a value");
    world.publish_with("t", "x", 2, false, properties.view()).expect("a connection");
    let id = server.next_of(Kind::Publish).id();
    world.advance(secs(10));
    let mut server = resume(&world, server);
    let again = server.next_of(Kind::Publish);
    assert_eq!((again.id(), again.dup()), (id, true));
    server.acknowledge(&again);
    server.expect_nothing();
}

#[test]
fn mqtt_4_3_3_9_client_takes_an_id_again_after_a_failing_pubrec() {
    let (world, mut server) = ClientWorld::online(V5, |config| config.manual_ack = true);
    for reason in [Reason::QuotaExceeded, Reason::Success] {
        server.send(publish("t", "x").qos(2, 7));
        let ack = world.events().into_iter().find_map(|event| match event {
            Event::Message(received) => received.ack,
            _ => None,
        });
        let ack = ack.expect("the program gets the message");
        world.command(|client, now| client.acknowledge(now, ack, reason)).expect("a message");
        assert_eq!(server.next_of(Kind::PubRec).reason(), reason as u8);
    }
}

#[test]
fn mqtt_4_3_3_13_client_finishes_the_flow_of_an_expired_message() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    server.send(publish("t", "x").qos(2, 7).prop(prop::message_expiry(1)));
    server.expect("50 02 0007");
    world.advance(secs(5));
    server.send(pubrel(7));
    server.expect("70 02 0007");
}

#[test]
fn mqtt_4_4_0_2_client_takes_a_failing_acknowledgement_as_one() {
    let (world, mut server) = keeper(V5);
    for (qos, code) in [(1, 0x80), (1, 0x97), (2, 0x80), (2, 0x97)] {
        world.publish("t", "x", qos).expect("a connection");
        let id = server.next_of(Kind::Publish).id();
        match qos {
            1 => server.send(puback(id).reason(code)),
            _ => server.send(pubrec(id).reason(code)),
        }
    }
    server.expect_nothing();
    resume(&world, server).expect_nothing();
}

#[test]
fn mqtt_4_9_0_1_client_begins_with_the_receive_maximum_as_quota() {
    for maximum in [1, 2, 5] {
        let (_world, mut server) = swamped(maximum);
        assert!((1..=usize::from(maximum)).contains(&server.drain().len()));
    }
    // Afresh on every connection.
    let (world, mut server) =
        ClientWorld::online_with(V5, lasting, connack(false, 0).prop(prop::receive_maximum(1)));
    (0..5).for_each(|_| {
        world.publish("t", "x", 1).expect("a queue");
    });
    assert_eq!(server.drain().len(), 1);
    server.cut();
    let mut server = world.connect_with(connack(true, 0).prop(prop::receive_maximum(3)));
    assert_eq!(server.drain().len(), 3);
}

#[test]
fn mqtt_4_9_0_2_client_sends_one_more_per_acknowledgement() {
    let (_world, mut server) = swamped(2);
    let mut flying = server.drain();
    assert_eq!(flying.len(), 2);
    for _ in 0..8 {
        let seen = flying.remove(0);
        match seen.qos() {
            1 => server.send(puback(seen.id())),
            _ => {
                server.send(pubrec(seen.id()));
                server.expect(pubrel(seen.id()));
                server.expect_nothing();
                server.send(pubcomp(seen.id()));
            }
        }
        flying.push(server.next_of(Kind::Publish));
        server.expect_nothing();
    }
}

#[test]
fn mqtt_4_9_0_3_client_answers_everything_at_quota_0() {
    super::publish::mqtt_3_3_4_8_client_delays_nothing_else_at_the_receive_maximum();
    let (world, mut server) = swamped(1);
    let held = server.next_of(Kind::Publish);
    world.publish("t", "qos 0", 0).expect("a connection");
    server.send(puback(held.id()));
    assert!(!server.drain().is_empty());
}
