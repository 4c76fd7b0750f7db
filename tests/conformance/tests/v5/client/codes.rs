//! Reason Codes of acknowledgements. Chapters 3.4 to 3.7.

use std::collections::BTreeSet;

use libmqtt_conformance::ClientWorld;
use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{Kind, puback, pubcomp, publish, pubrec, pubrel};
use libmqtt_engine::client::Event;
use libmqtt_engine::codec::Reason;

use super::codes_of;
use crate::duty::client::rejects;

/// What the client answers to all that a server may send at this QoS.
fn answers(kind: Kind) -> BTreeSet<u8> {
    let mut codes = BTreeSet::new();
    for reason in Reason::ALL {
        let (world, mut server) = ClientWorld::online(V5, |config| config.manual_ack = true);
        server.send(publish("t", "x").qos(if kind == Kind::PubAck { 1 } else { 2 }, 1));
        let ack = world.events().into_iter().find_map(|event| match event {
            Event::Message(received) => received.ack,
            _ => None,
        });
        let ack = ack.expect("a message to acknowledge");
        let _ = world.command(|client, now| client.acknowledge(now, ack, *reason));
        if let Some(seen) = server.poll() {
            assert_eq!(seen.kind(), kind);
            codes.insert(seen.reason());
        }
    }
    codes
}

#[test]
fn mqtt_3_4_2_1_client_uses_only_the_codes_of_puback() {
    let codes = answers(Kind::PubAck);
    assert!(codes.is_subset(&codes_of("PUBACK")) && codes.len() > 3, "{codes:02x?}");
    for code in [0x01, 0x02, 0x7F, 0x81, 0x95, 0xFF] {
        rejects(V5, puback(1).reason(code), &[0x81, 0x82]);
    }
}

#[test]
fn mqtt_3_5_2_1_client_uses_only_the_codes_of_pubrec() {
    let codes = answers(Kind::PubRec);
    assert!(codes.is_subset(&codes_of("PUBREC")) && codes.len() > 3, "{codes:02x?}");
    for code in [0x01, 0x7F, 0x81, 0x92] {
        rejects(V5, pubrec(1).reason(code), &[0x81, 0x82]);
    }
}

#[test]
fn mqtt_3_6_2_1_client_uses_only_the_codes_of_pubrel() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    world.publish("t", "x", 2).expect("a connection");
    let id = server.next_of(Kind::Publish).id();
    for pubrec in [pubrec(id), pubrec(id), pubrec(777), pubrec(778).reason(0x80)] {
        server.send(pubrec);
    }
    server.send(pubcomp(id));
    server.send(pubrec(id));
    for seen in server.drain() {
        assert_eq!(seen.kind(), Kind::PubRel);
        assert!(codes_of("PUBREL").contains(&seen.reason()), "{seen:?}");
    }
    rejects(V5, pubrel(1).reason(0x80), &[0x81, 0x82]);
}

#[test]
fn mqtt_3_7_2_1_client_uses_only_the_codes_of_pubcomp() {
    let (_world, mut server) = ClientWorld::online(V5, |_| {});
    server.deliver(publish("t", "x").qos(2, 9), 2, 9);
    server.send(pubrel(9));
    server.send(pubrel(10));
    for seen in server.drain() {
        assert_eq!(seen.kind(), Kind::PubComp);
        assert_eq!(seen.reason(), 0x92, "{seen:?}");
    }
    rejects(V5, pubcomp(1).reason(0x80), &[0x81, 0x82]);
}
