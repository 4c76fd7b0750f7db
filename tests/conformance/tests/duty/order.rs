//! Order of messages. MQTT 5.0 §4.6, MQTT 3.1.1 §4.6.

use libmqtt_conformance::wire::{Connect, Kind, pubcomp, publish, pubrec, pubrel};
use libmqtt_conformance::{Peer, Version, World};

/// Per publisher, topic and QoS, messages come in the order in which they were sent.
pub(crate) fn broker_delivers_in_order(v: Version) {
    let world = World::new();
    let mut subs: Vec<_> = (0..3)
        .map(|qos| {
            let mut sub = world.connect(v, &format!("sub{qos}"));
            sub.subscribe("t/#", qos);
            sub
        })
        .collect();
    let mut publishers = [world.connect(v, "one"), world.connect(v, "two")];
    for n in 0..100 {
        for (p, publ) in publishers.iter_mut().enumerate() {
            for qos in 0..3 {
                publ.publish(&format!("t/{p}/{qos}"), &format!("{n:03}"), qos);
            }
        }
        for sub in &mut subs {
            for _ in 0..6 {
                let seen = sub.next_publish();
                assert_eq!(seen.payload(), format!("{n:03}").as_bytes(), "{seen:?}");
                sub.acknowledge(&seen);
            }
        }
    }
    subs.iter_mut().for_each(Peer::expect_nothing);
}

/// The same for messages that wait for a session that is away, and when they are sent again.
pub(crate) fn broker_sends_again_in_order(v: Version) {
    let world = World::new();
    let keep = Connect::keep(v, "sub");
    let mut sub = world.connect_with(v, &keep);
    sub.subscribe("t", 2);
    let mut publ = world.connect(v, "pub");
    let wanted: Vec<String> = (0..40).map(|n| format!("t {n}")).collect();
    for n in 0..20 {
        publ.publish("t", &n.to_string(), 1 + n % 2);
    }
    assert_eq!(sub.messages(), wanted[..20]);
    sub.cut();
    for n in 20..40 {
        publ.publish("t", &n.to_string(), 1 + n % 2);
    }
    for _ in 0..2 {
        let mut sub = world.connect_with(v, &keep);
        assert_eq!(sub.messages(), wanted);
        sub.cut();
    }
}

/// The four rules that bind clients, and order per topic and QoS.
pub(crate) fn broker_follows_the_ordering_rules(v: Version) {
    broker_delivers_in_order(v);
    broker_sends_again_in_order(v);
    broker_acknowledges_in_order(v);
}

fn broker_acknowledges_in_order(v: Version) {
    let world = World::new();
    let mut peer = world.connect(v, "c");
    let ids = [9, 3, 7, 1, 8];
    let acks = |peer: &mut Peer, kind| {
        let seen = peer.drain();
        assert!(seen.iter().all(|seen| seen.kind() == kind));
        seen.iter().map(|seen| seen.id()).collect::<Vec<_>>()
    };
    ids.iter().for_each(|id| peer.send(publish("t", "x").qos(1, *id)));
    assert_eq!(acks(&mut peer, Kind::PubAck), ids);
    ids.iter().for_each(|id| peer.send(publish("t", "x").qos(2, *id)));
    assert_eq!(acks(&mut peer, Kind::PubRec), ids);
    ids.iter().rev().for_each(|id| peer.send(pubrel(*id)));
    assert_eq!(acks(&mut peer, Kind::PubComp), [8, 1, 7, 3, 9]);
    peer.subscribe("u", 2);
    for _ in 0..5 {
        peer.publish("u", "x", 2);
        peer.drain();
    }
    let sent: Vec<u16> = peer
        .log()
        .iter()
        .filter(|seen| seen.kind() == Kind::Publish)
        .map(|seen| seen.id())
        .collect();
    sent.iter().rev().for_each(|id| peer.send(pubrec(*id)));
    assert!(acks(&mut peer, Kind::PubRel).iter().eq(sent.iter().rev()));
    sent.iter().for_each(|id| peer.send(pubcomp(*id)));
    peer.expect_alive();
}
