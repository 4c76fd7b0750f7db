//! WebSocket. MQTT 5.0 and 3.1.1 §6.

use libmqtt_conformance::wire::{Connect, Wire, subscribe};
use libmqtt_conformance::{Version, Web};

/// A client that has connected over WebSocket.
fn connected(v: Version) -> Web {
    let mut web = Web::to_broker("mqtt");
    web.send(2, &Connect::new("c").wire(v));
    assert_eq!(web.binary(4)[..1], [0x20]);
    web
}

/// What it sends is in binary frames, and any other data frame makes it close.
pub(crate) fn broker_speaks_in_binary_frames_and_closes_on_text(v: Version) {
    let mut web = connected(v);
    web.send(2, &[0xC0, 0]);
    assert_eq!(web.frame(), Some((2, vec![0xD0, 0])));
    web.send(1, &[0xC0, 0]);
    web.expect_closed();
}

/// Frames are not packets: byte by byte, and three at once.
pub(crate) fn broker_takes_packets_across_frames(v: Version) {
    let mut web = Web::to_broker("mqtt");
    for byte in Connect::new("c").wire(v) {
        web.send(2, &[byte]);
    }
    assert_eq!(web.binary(4)[..1], [0x20]);
    let several = [&[0xC0, 0][..], &subscribe(1).filter("t", 0).wire(v), &[0xC0, 0]].concat();
    web.send(2, &several);
    let answers = web.binary(if v == Version::V5 { 10 } else { 9 });
    assert!(answers.starts_with(&[0xD0, 0, 0x90]) && answers.ends_with(&[0xD0, 0]));
}

pub(crate) fn broker_selects_mqtt(_: Version) {
    for offer in ["mqtt", "chat, mqtt", "mqtt, chat"] {
        let web = Web::to_broker(offer);
        assert!(web.first_line().contains(" 101 "), "{}", web.first_line());
        assert_eq!(web.header("sec-websocket-protocol"), Some("mqtt"), "{offer}");
    }
}

/// `mqttv3.1`, which is in use though no text has it.
pub(crate) fn broker_selects_the_subprotocol_of_3_1(v: Version) {
    let mut web = Web::to_broker("mqttv3.1");
    assert_eq!(web.header("sec-websocket-protocol"), Some("mqttv3.1"));
    web.send(2, &Connect::new("c").wire(v));
    assert_eq!(web.binary(4), [0x20, 2, 0, 0]);
}
