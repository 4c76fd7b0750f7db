//! The fixed header. MQTT 5.0 §2.1, MQTT 3.1.1 §2.2.

use libmqtt_conformance::wire::{
    Connect, First, Kind, Wire, puback, pubcomp, publish, pubrec, pubrel, subscribe, unsubscribe,
};
use libmqtt_conformance::{Version, World, secs};

use super::{refuses_connect, throws_out};

/// Every packet type that a broker sends, with the low half of its first byte.
pub(crate) fn broker_sends_the_reserved_flags(v: Version) {
    let world = World::new();
    let mut peer = world.connect(v, "peer");
    peer.subscribe("t", 2);
    for qos in 0..=2 {
        peer.publish("t", "x", qos);
        while let Some(seen) = peer.poll() {
            peer.acknowledge(&seen);
        }
    }
    peer.unsubscribe("t");
    peer.expect_alive();
    peer.send("00 00");
    peer.drain();
    let mut kinds: Vec<Kind> = Vec::new();
    for seen in peer.log() {
        match seen.kind() {
            Kind::Publish => {}
            Kind::PubRel => assert_eq!(seen.flags(), 2, "{seen:?}"),
            _ => assert_eq!(seen.flags(), 0, "{seen:?}"),
        }
        kinds.push(seen.kind());
    }
    kinds.sort();
    kinds.dedup();
    use Kind::*;
    let mut wanted =
        vec![ConnAck, Publish, PubAck, PubRec, PubRel, PubComp, SubAck, UnsubAck, PingResp];
    wanted.extend((v == Version::V5).then_some(Disconnect));
    assert_eq!(kinds, wanted);
}

/// Each packet that a client sends, with its one right first byte.
fn packets(v: Version) -> Vec<Vec<u8>> {
    vec![
        puback(1).wire(v),
        pubrec(1).wire(v),
        pubrel(1).wire(v),
        pubcomp(1).wire(v),
        subscribe(1).filter("a", 0).wire(v),
        unsubscribe(1).filter("a").wire(v),
        b"\xC0\x00".to_vec(),
        b"\xE0\x00".to_vec(),
    ]
}

pub(crate) fn broker_closes_on_wrong_flags(v: Version) {
    for packet in packets(v) {
        for flags in (0..16).filter(|flags| *flags != packet[0] & 0x0F) {
            throws_out(v, First(packet[0] & 0xF0 | flags, packet.clone()), &[0x81]);
        }
    }
    for flags in 1..16 {
        refuses_connect(v, First(0x10 | flags, Connect::new("c")), &[0x81]);
    }
}

/// The flags of one packet type.
fn check_flags(v: Version, first: u8, packet: impl Wire) {
    let packet = packet.wire(v);
    assert_eq!(packet[0], first);
    for flags in (0..16).filter(|flags| *flags != first & 0x0F) {
        throws_out(v, First(first & 0xF0 | flags, packet.clone()), &[0x81]);
    }
}

pub(crate) fn broker_closes_on_wrong_pubrel_flags(v: Version) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("t", 2);
    sub.send(publish("t", "x").qos(2, 5));
    sub.expect_ack(Kind::PubRec, 5);
    let seen = sub.next_publish();
    sub.send(pubrec(seen.id()));
    sub.expect(pubrel(seen.id())); // what the broker sends has 0010
    check_flags(v, 0x62, pubrel(1));
}

pub(crate) fn broker_closes_on_wrong_subscribe_flags(v: Version) {
    check_flags(v, 0x82, subscribe(1).filter("a", 0));
}

pub(crate) fn broker_closes_on_wrong_unsubscribe_flags(v: Version) {
    check_flags(v, 0xA2, unsubscribe(1).filter("a"));
}

pub(crate) fn broker_closes_on_qos_3(v: Version) {
    for first in [0x36, 0x37, 0x3E, 0x3F] {
        throws_out(v, First(first, publish("a", "x").qos(2, 1)), &[0x81]);
    }
}

pub(crate) fn broker_closes_on_five_byte_length(v: Version) {
    throws_out(v, "C0 FF FF FF FF 01", &[0x81]);
    throws_out(v, "30 80 80 80 80 00", &[0x81]);
}

pub(crate) fn broker_closes_on_reserved_types(v: Version) {
    throws_out(v, "00 00", &[0x81, 0x82]);
    if v != Version::V5 {
        throws_out(v, "F0 00", &[]);
    }
}

/// A link on which no CONNECT comes is closed in reasonable time.
pub(crate) fn broker_waits_for_connect_only_so_long(v: Version) {
    let world = World::with(|config| config.connect_timeout = secs(10));
    let mut silent = world.open(v);
    let mut slow = world.open(v);
    slow.send("10 20 00 04");
    world.advance(secs(9));
    silent.expect_nothing();
    slow.expect_nothing();
    world.advance(secs(2));
    silent.expect_closed();
    slow.expect_closed();
}
