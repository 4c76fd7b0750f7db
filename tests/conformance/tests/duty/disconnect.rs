//! DISCONNECT and the handling of errors. MQTT 5.0 §3.14 and §4.13, MQTT 3.1.1 §3.14 and §4.8.

use libmqtt_conformance::wire::{Connect, First, Wire, publish, pubrel, subscribe};
use libmqtt_conformance::{Version, World};

use super::throws_out;

/// Nothing is done with what a client sends behind its DISCONNECT.
pub(crate) fn broker_closes_after_disconnect(v: Version) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("#", 0);
    let mut peer = world.connect(v, "c");
    peer.send(("E0 00", publish("t", "late")));
    peer.expect_closed();
    sub.expect_nothing();
}

/// An error of one client closes its connection; no other client notices, and what was
/// stored stays.
pub(crate) fn broker_closes_only_the_offending_connection(v: Version) {
    let wrong: Vec<Vec<u8>> = vec![
        b"\x00\x00".to_vec(),
        b"\xC1\x00".to_vec(),
        First(0x36, publish("t", "x").qos(2, 1)).wire(v),
        publish("a/#", "x").wire(v),
        publish([0xFF], "x").wire(v),
        subscribe(1).wire(v),
        subscribe(1).filter("a", 0xC0).wire(v),
        Connect::new("c").wire(v),
    ];
    let world = World::new();
    let mut other = world.connect(v, "other");
    other.subscribe("#", 0);
    for packet in wrong {
        let mut peer = world.connect(v, "c");
        peer.send(packet);
        peer.expect_thrown_out(&[0x81, 0x82, 0x90]);
        other.expect_alive();
    }
    other.publish("t", "still here", 1);
    other.expect_message("t", "still here", 0);
}

/// A packet that breaks off closes nothing, whatever its claimed length, until it is complete.
pub(crate) fn broker_waits_for_the_rest_of_a_packet(v: Version) {
    let world = World::new();
    let mut peer = world.connect(v, "c");
    for byte in publish("t", "x").qos(1, 1).wire(v) {
        peer.expect_nothing();
        peer.send(&[byte][..]);
    }
    peer.expect_ack(libmqtt_conformance::wire::Kind::PubAck, 1);
}

pub(crate) fn broker_closes_on_packets_that_only_a_server_sends(v: Version) {
    let packets = ["20 02 0000", "90 03 0001 00", "B0 02 0001", "D0 00"];
    for packet in packets {
        throws_out(v, packet, &[0x81, 0x82]);
    }
}

/// The same conversation byte by byte and in one piece.
pub(crate) fn broker_takes_a_stream_of_bytes(v: Version) {
    let conversation = [
        Connect::new("c").wire(v),
        subscribe(1).filter("t", 2).wire(v),
        publish("t", "one").qos(1, 2).wire(v),
        publish("t", "two").qos(2, 3).wire(v),
        pubrel(3).wire(v),
        vec![0xC0, 0],
    ]
    .concat();
    let talk = |pieces: usize| {
        let mut peer = World::new().open(v);
        conversation.chunks(pieces).for_each(|piece| peer.send(piece));
        let mut bytes: Vec<_> = peer.drain().into_iter().map(|seen| seen.bytes).collect();
        bytes.sort();
        bytes
    };
    let whole = talk(conversation.len());
    assert_eq!(whole.len(), 8);
    (1..20).for_each(|pieces| assert_eq!(talk(pieces), whole));
}
