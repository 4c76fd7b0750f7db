//! Forms of packets, as a client sends and takes them.

use libmqtt_conformance::wire::{
    First, Kind, Wire, connack, packet, prop, puback, pubcomp, publish, pubrec, pubrel, suback,
    unsuback,
};
use libmqtt_conformance::{ClientWorld, Version, vectors};
use libmqtt_engine::client;

use super::rejects;

fn texts(expected: &str) -> Vec<Vec<u8>> {
    vectors::rows("utf8-vectors.csv")
        .iter()
        .filter(|row| row["expected"] == expected)
        .map(|row| libmqtt_conformance::wire::hex(&row["bytes_hex"]))
        .collect()
}

fn check_text(v: Version, text: &[u8]) {
    rejects(v, publish(text, "x"), &[0x81]);
    if v == Version::V5 {
        rejects(v, publish("t", "x").prop(prop::content_type(text)), &[0x81]);
        rejects(v, publish("t", "x").prop(prop::response_topic(text)), &[0x81]);
        rejects(v, publish("t", "x").prop(prop::user(text, "v")), &[0x81]);
        rejects(v, publish("t", "x").prop(prop::user("n", text)), &[0x81]);
        rejects(v, puback(1).prop(prop::reason_string(text)), &[0x81]);
    }
}

pub(crate) fn client_closes_on_ill_formed_utf8(v: Version) {
    for text in texts("invalid").iter().filter(|text| !text.contains(&0)) {
        check_text(v, text);
    }
    super::connect::client_connects_with_proper_strings(v);
}

pub(crate) fn client_closes_on_nul(v: Version) {
    for text in texts("invalid").iter().filter(|text| text.contains(&0)) {
        check_text(v, text);
    }
    let (world, mut server) = ClientWorld::online(v, |_| {});
    assert!(world.publish("a\0b", "x", 0).is_err());
    assert!(world.subscribe("a\0b", 0).is_err());
    assert!(world.unsubscribe("a\0b").is_err());
    server.expect_nothing();
}

pub(crate) fn client_keeps_the_byte_order_mark(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    server.send(publish("\u{FEFF}a", "x"));
    assert_eq!(world.messages()[0].topic(), "\u{FEFF}a");
    world.publish("\u{FEFF}b", "x", 0).expect("a connection");
    server.expect(publish("\u{FEFF}b", "x"));
}

/// Every packet type that a client sends, with the low half of its first byte.
pub(crate) fn client_sends_the_reserved_flags(v: Version) {
    let world = ClientWorld::new(v, |_| {});
    let (mut server, _) = world.dial();
    server.send(connack(false, 0));
    server.send(publish("t", "x").qos(1, 1));
    server.send(publish("t", "x").qos(2, 2));
    server.send(pubrel(2));
    world.subscribe("t", 0).expect("a connection");
    world.unsubscribe("t").expect("a connection");
    world.command(|client, now| client.ping(now)).expect("a connection");
    world.publish("t", "x", 2).expect("a connection");
    let id = server.drain().pop().expect("a packet").id();
    server.send(pubrec(id));
    server.drain();
    world.command(|c, now| c.disconnect(now, client::Disconnect::default())).expect("a reason");
    server.drain();
    use Kind::*;
    let mut kinds: Vec<Kind> = server.log().iter().map(|seen| seen.kind()).collect();
    for seen in server.log() {
        match seen.kind() {
            Publish => {}
            PubRel | Subscribe | Unsubscribe => assert_eq!(seen.flags(), 2, "{seen:?}"),
            _ => assert_eq!(seen.flags(), 0, "{seen:?}"),
        }
    }
    kinds.sort();
    kinds.dedup();
    let wanted = [
        Connect,
        Publish,
        PubAck,
        PubRec,
        PubRel,
        PubComp,
        Subscribe,
        Unsubscribe,
        PingReq,
        Disconnect,
    ];
    assert_eq!(kinds, wanted);
}

/// Each packet that a server sends, with its one right first byte.
pub(crate) fn client_closes_on_wrong_flags(v: Version) {
    let packets: Vec<Vec<u8>> = vec![
        puback(1).wire(v),
        pubrec(1).wire(v),
        pubrel(1).wire(v),
        pubcomp(1).wire(v),
        suback(1, &[0]).wire(v),
        unsuback(v, 1, &[0]).wire(v),
        vec![0xD0, 0],
    ];
    for packet in packets {
        for flags in (0..16).filter(|flags| *flags != packet[0] & 0x0F) {
            rejects(v, First(packet[0] & 0xF0 | flags, packet.clone()), &[0x81]);
        }
    }
    for flags in 1..16 {
        let (mut server, _) = ClientWorld::new(v, |_| {}).dial();
        server.send(First(0x20 | flags, connack(false, 0)));
        server.drain();
        server.expect_closed();
    }
}

pub(crate) fn client_closes_on_qos_3(v: Version) {
    for first in [0x36, 0x37, 0x3E, 0x3F] {
        rejects(v, First(first, publish("a", "x").qos(2, 1)), &[0x81]);
    }
}

pub(crate) fn client_closes_on_id_0(v: Version) {
    for packet in [publish("t", "x").qos(1, 0).wire(v), publish("t", "x").qos(2, 0).wire(v)] {
        rejects(v, packet, &[0x81, 0x82]);
    }
    client_numbers_from_1_without_repeats(v);
}

/// One row of numbers for all requests, no 0, none twice while it is in use.
pub(crate) fn client_numbers_from_1_without_repeats(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    for n in 0..50 {
        world.publish("t", "x", 1 + n % 2).expect("a connection");
        world.subscribe("t", 0).expect("a connection");
        world.unsubscribe("t").expect("a connection");
    }
    let mut ids: Vec<u16> = server.drain().iter().map(|seen| seen.id()).collect();
    assert!(ids.len() == 150 && !ids.contains(&0));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 150);
}

/// An identifier is kept over a reconnect and not used again before its last acknowledgement.
pub(crate) fn client_holds_an_id_until_acknowledged(v: Version) {
    let (world, mut server) = super::keeper(v);
    world.publish("t", "held", 2).expect("a connection");
    let held = server.next_of(Kind::Publish).id();
    let mut server = super::resume(&world, server);
    server.expect(publish("t", "held").qos(2, held).dup());
    server.send(pubrec(held));
    server.expect(pubrel(held));
    world.subscribe("t", 0).expect("a connection");
    let subscribe = server.next_of(Kind::Subscribe).id();
    world.unsubscribe("t").expect("a connection");
    let unsubscribe = server.next_of(Kind::Unsubscribe).id();
    let mut others = |count: usize| {
        let mut used = vec![];
        for _ in 0..count {
            world.publish("t", "x", 1).expect("a connection");
            let id = server.next_of(Kind::Publish).id();
            server.send(puback(id));
            used.push(id);
        }
        used
    };
    let used = others(70_000);
    assert!([held, subscribe, unsubscribe].iter().all(|id| !used.contains(id)));
}

pub(crate) fn client_sends_no_id_at_qos_0(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    world.publish("t", "x", 0).expect("a connection");
    server.expect(if v == Version::V5 { "30 05 0001 74 00 78" } else { "30 04 0001 74 78" });
}

pub(crate) fn client_acknowledges_with_the_same_id(v: Version) {
    let (_world, mut server) = ClientWorld::online(v, |_| {});
    for id in [1, 255, 256, 65535] {
        server.deliver(publish("t", "x").qos(1, id), 1, id);
        server.deliver(publish("t", "x").qos(2, id), 2, id);
    }
}

pub(crate) fn client_closes_on_wrong_pubrel_flags(v: Version) {
    for flags in (0..16).filter(|flags| *flags != 2) {
        rejects(v, First(0x60 | flags, pubrel(1)), &[0x81]);
    }
    client_sends_the_reserved_flags(v);
}

/// What only a client sends is no packet for a server.
pub(crate) fn client_closes_on_packets_that_only_a_client_sends(v: Version) {
    for wrong in ["C0 00", "00 00", "82 06 0001 0001 74 00", "A2 05 0001 0001 74"] {
        rejects(v, wrong, &[0x81, 0x82]);
    }
    rejects(v, packet(0x10, b""), &[0x81, 0x82]);
    rejects(v, connack(false, 0), &[0x81, 0x82]);
    rejects(v, "D0 FF FF FF FF 01", &[0x81]);
    if v != Version::V5 {
        rejects(v, "E0 00", &[]);
    }
}

pub(crate) fn client_takes_discouraged_characters(v: Version) {
    for text in texts("discouraged") {
        let (world, mut server) = ClientWorld::online(v, |_| {});
        server.send(publish(&text, "x"));
        server.expect_nothing();
        assert_eq!(world.messages()[0].topic().as_bytes(), text);
    }
}
