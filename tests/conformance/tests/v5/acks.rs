//! Chapters 3.4 to 3.7: PUBACK, PUBREC, PUBREL, PUBCOMP.

use std::collections::BTreeSet;

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{Kind, prop, puback, pubcomp, publish, pubrec, pubrel};
use libmqtt_conformance::{Rules, World};

use super::{codes_of, failures};
use crate::duty::header;

same! { V5;
    mqtt_3_6_1_1_broker_closes_on_wrong_pubrel_flags: header::broker_closes_on_wrong_pubrel_flags;
}

/// The codes of the first answer to a PUBLISH at this QoS: the host allows it, or denies it for
/// every reason there is.
fn answers(qos: u8) -> BTreeSet<u8> {
    let mut codes = BTreeSet::new();
    for reason in failures() {
        let world = World::ruled(Rules::default().deny_publish("no", reason), |_| {});
        let mut peer = world.connect(V5, "c");
        for topic in ["no", "nobody listens"] {
            peer.send(publish(topic, "x").qos(qos, 1));
            let seen = peer.read();
            if seen.kind() == Kind::Disconnect {
                continue; // the host may have the client thrown out
            }
            assert_eq!(seen.kind(), if qos == 1 { Kind::PubAck } else { Kind::PubRec });
            codes.insert(seen.reason());
        }
    }
    codes
}

#[test]
fn mqtt_3_4_2_1_broker_uses_only_the_codes_of_puback() {
    let codes = answers(1);
    assert!(codes.is_subset(&codes_of("PUBACK")), "{codes:02x?}");
    assert!(codes.contains(&0x87));
}

#[test]
fn mqtt_3_5_2_1_broker_uses_only_the_codes_of_pubrec() {
    let codes = answers(2);
    assert!(codes.is_subset(&codes_of("PUBREC")), "{codes:02x?}");
    assert!(codes.contains(&0x87));
}

/// Answers to PUBREC: in order, of an unknown message, repeated, after PUBCOMP.
#[test]
fn mqtt_3_6_2_1_broker_uses_only_the_codes_of_pubrel() {
    let world = World::new();
    let mut sub = world.connect(V5, "sub");
    sub.subscribe("t", 2);
    sub.publish("t", "x", 2);
    let id = sub.next_publish().id();
    for pubrec in [pubrec(id), pubrec(id), pubrec(77)] {
        sub.send(pubrec);
    }
    sub.send(pubcomp(id));
    sub.send(pubrec(id));
    let codes: BTreeSet<u8> = sub
        .drain()
        .iter()
        .map(|seen| {
            assert_eq!(seen.kind(), Kind::PubRel);
            seen.reason()
        })
        .collect();
    assert!(codes.is_subset(&codes_of("PUBREL")) && codes.contains(&0), "{codes:02x?}");
}

#[test]
fn mqtt_3_7_2_1_broker_uses_only_the_codes_of_pubcomp() {
    let world = World::new();
    let mut peer = world.connect(V5, "c");
    peer.send(publish("t", "x").qos(2, 1));
    peer.expect_ack(Kind::PubRec, 1);
    peer.send(pubrel(1));
    peer.expect_ack_with(Kind::PubComp, 1, 0x00);
    for id in [1, 2] {
        peer.send(pubrel(id));
        peer.expect_ack_with(Kind::PubComp, id, 0x92);
    }
}

/// All forms of an acknowledgement: cut to the identifier, to the code, and with properties.
#[test]
fn v5_u39_broker_takes_short_and_long_acknowledgements() {
    let world = World::new();
    let mut peer = world.connect(V5, "c");
    peer.subscribe("t", 1);
    let forms: [fn(u16) -> Vec<u8>; 4] = [
        |id| [&[0x40, 2][..], &id.to_be_bytes()].concat(),
        |id| [&[0x40, 3][..], &id.to_be_bytes(), &[0x80]].concat(),
        |id| [&[0x40, 4][..], &id.to_be_bytes(), &[0, 0]].concat(),
        |id| {
            let why = puback(id).reason(0x97).prop(prop::reason_string("full"));
            libmqtt_conformance::wire::Wire::wire(&why, V5)
        },
    ];
    for form in forms {
        peer.publish("t", "x", 1);
        let id = peer.next_publish().id();
        peer.send(form(id));
        peer.expect_alive();
    }
    assert_eq!(peer.log().iter().filter(|seen| seen.dup()).count(), 0);
}
