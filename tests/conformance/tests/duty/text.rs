//! UTF-8 Encoded Strings. MQTT 5.0 §1.5.4, MQTT 3.1.1 §1.5.3.

use libmqtt_conformance::vectors;
use libmqtt_conformance::wire::{Connect, Will, Wire, prop, publish, subscribe, unsubscribe};
use libmqtt_conformance::{Version, World};

use super::{refuses_connect, throws_out};

/// Texts of utf8-vectors.csv that are expected to be this.
fn texts(expected: &str) -> Vec<Vec<u8>> {
    vectors::rows("utf8-vectors.csv")
        .iter()
        .filter(|row| row["expected"] == expected)
        .map(|row| libmqtt_conformance::wire::hex(&row["bytes_hex"]))
        .collect()
}

/// CONNECTs with this text in one of their fields.
fn connects(v: Version, text: &[u8]) -> Vec<Connect> {
    let mut out = vec![
        Connect::new(text),
        Connect::new("c").user(text),
        Connect::new("c").will(Will::new(text, "gone")),
    ];
    if v == Version::V5 {
        out.push(Connect::new("c").prop(prop::user(text, "v")));
        out.push(Connect::new("c").prop(prop::user("n", text)));
        out.push(Connect::new("c").prop(prop::auth_method(text)));
        out.push(Connect::new("c").will(Will::new("t", "").prop(prop::content_type(text))));
    }
    out
}

/// Later packets with this text in one of their fields.
fn packets(v: Version, text: &[u8]) -> Vec<Vec<u8>> {
    let mut out = vec![
        publish(text, "x").wire(v),
        subscribe(1).filter(text, 0).wire(v),
        unsubscribe(1).filter(text).wire(v),
    ];
    if v == Version::V5 {
        let properties = [
            prop::content_type(text),
            prop::response_topic(text),
            prop::user(text, "v"),
            prop::user("n", text),
        ];
        out.extend(properties.map(|p| publish("t", "x").prop(p).wire(v)));
        out.push(libmqtt_conformance::wire::disconnect(0).prop(prop::reason_string(text)).wire(v));
    }
    out
}

fn check_refused(v: Version, text: &[u8]) {
    for connect in connects(v, text) {
        refuses_connect(v, connect, &[0x81]);
    }
    for packet in packets(v, text) {
        throws_out(v, packet, &[0x81]);
    }
}

pub(crate) fn broker_closes_on_ill_formed_utf8(v: Version) {
    for text in texts("invalid").iter().filter(|text| !text.contains(&0)) {
        check_refused(v, text);
    }
}

pub(crate) fn broker_closes_on_nul(v: Version) {
    for text in texts("invalid").iter().filter(|text| text.contains(&0)) {
        check_refused(v, text);
    }
}

pub(crate) fn broker_keeps_the_byte_order_mark(v: Version) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    let mut publ = world.connect(v, "pub");
    sub.subscribe("\u{FEFF}a", 0);
    publ.send(publish("a", "without"));
    publ.send(publish("\u{FEFF}a", "with"));
    sub.expect(publish("\u{FEFF}a", "with"));
    sub.expect_nothing();
}

pub(crate) fn broker_closes_on_ill_formed_client_id(v: Version) {
    refuses_connect(v, Connect::new([0xC3]), &[0x81]);
}

pub(crate) fn broker_closes_on_ill_formed_will_topic(v: Version) {
    refuses_connect(v, Connect::new("c").will(Will::new([0xC3], "")), &[0x81]);
}

pub(crate) fn broker_closes_on_ill_formed_user_name(v: Version) {
    refuses_connect(v, Connect::new("c").user([0xC3]), &[0x81]);
}

pub(crate) fn broker_closes_on_ill_formed_filter(v: Version) {
    throws_out(v, subscribe(1).filter([0xC3], 0), &[0x81]);
    throws_out(v, unsubscribe(1).filter([0xC3]), &[0x81]);
}

pub(crate) fn broker_closes_on_ill_formed_topic(v: Version) {
    throws_out(v, publish([0xC3], "x"), &[0x81]);
}

/// All discouraged texts are taken, and come out as they went in.
pub(crate) fn broker_treats_discouraged_characters_alike(v: Version) {
    for text in texts("discouraged") {
        let world = World::new();
        let mut peer = world.connect(v, "c");
        peer.send(subscribe(1).filter(&text, 0));
        peer.next_of(libmqtt_conformance::wire::Kind::SubAck);
        peer.send(publish(&text, "x"));
        peer.expect(publish(&text, "x"));
    }
}
